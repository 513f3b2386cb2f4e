"""The search of the reference runs: accuracy against learning rate."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from nonlin.lab.protocol import Network, Protocol
from nonlin.lab.reference import CHANCE, Curve, chosen_rate, curve, next_rates, score
from nonlin.lab.report import Row
from nonlin.plots.picture import COLOURS, Picture, subplots, wrapped

COLUMNS = 4


def rate_curves(protocol: Protocol, network: Network, search: Sequence[Row]) -> Picture:
    """Accuracy on the held-out images against the peak learning rate, a panel for each activation.

    A dot is a run, the line joins the means, a cross is a run that diverged, and the ring is the chosen rate; without a
    ring, the search is not complete.

    Raises:
        ValueError: if the search holds no run in this network.
    """
    curves = {name: curve(search, network, name) for name in protocol.activations}
    curves = {name: tried for name, tried in curves.items() if tried}
    if not curves:
        raise ValueError(f"the search holds no run in {network.name}.")
    rows = -(-len(curves) // COLUMNS)
    figure, panels = subplots(rows, COLUMNS, height=2.2 * rows, sharex=True, sharey=True, squeeze=False)
    for unused in panels.flat[len(curves) :]:
        unused.set_visible(False)
    data = next(iter(search)).configuration.data
    title = f"{data}: {network.name}, {protocol.recipe.epochs} epochs, {protocol.precision}"
    lines = [title]
    for axes, (name, tried) in zip(panels.flat, curves.items(), strict=False):
        complete = not next_rates(protocol, network, tried)
        _draw(axes, tried, complete=complete)
        axes.set_title(name, fontsize=10)
        lines.append(_in_words(name, tried, complete=complete))
    panels[0, 0].set_xscale("log")
    panels[0, 0].set_xticks(network.rates[::2], [f"{rate:g}" for rate in network.rates[::2]])
    panels[0, 0].minorticks_off()
    figure.suptitle(wrapped(title), fontsize=10)
    figure.supxlabel("peak learning rate", fontsize=10)
    figure.supylabel("accuracy on held-out images, %", fontsize=10)
    return Picture(figure, "\n".join(lines))


def _draw(axes: Axes, tried: Curve, *, complete: bool) -> None:
    means = [sum(map(score, rows)) / len(rows) for rows in tried.values()]
    axes.plot(list(tried), means, color=COLOURS[0])
    for rate, rows in tried.items():
        for row in rows:
            marker = {"marker": "x", "color": COLOURS[1]} if row.diverged else {"marker": ".", "color": "black"}
            axes.plot(rate, score(row), linestyle="", markersize=6, **marker)
    if complete:
        rate = chosen_rate(tried)
        mean = means[list(tried).index(rate)]
        axes.plot(rate, mean, marker="o", markersize=11, markerfacecolor="none", color=COLOURS[1], linestyle="")


def _in_words(name: str, tried: Curve, *, complete: bool) -> str:
    means = [f"{rate:g}: {sum(map(score, rows)) / len(rows):.1f}" for rate, rows in tried.items()]
    diverged = [
        f"{sum(row.diverged for row in rows)} of {len(rows)} at {rate:g}"
        for rate, rows in tried.items()
        if any(row.diverged for row in rows)
    ]
    end = f"chosen {chosen_rate(tried):g}" if complete else "the search is not complete"
    lost = f"; diverged, counted as {CHANCE:g} %: {', '.join(diverged)}" if diverged else ""
    return f"{name}, % by rate: {', '.join(means)}; {end}{lost}."
