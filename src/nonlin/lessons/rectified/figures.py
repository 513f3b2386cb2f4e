"""Figures of lesson 04: the lives of units, who is on for what, thresholds that denoise."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

import torch
from torch import Tensor

from nonlin.activations import Activation
from nonlin.intervals import Estimate, mean_interval
from nonlin.lessons.rectified.experiments import Film
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots
from nonlin.plots.records import describe

VIEW = 3.2  # how far from 0 the axis of kinks reaches
FATES = {False: (COLOURS[0], "-", "kink of a unit that lives"), True: (COLOURS[1], "--", "kink of a unit that dies")}


def lives(film: Film, seed: int = 0) -> Picture:
    """Above, what the network makes of the points; below, how each unit's kink wanders, and where it dies.

    Time runs downwards, on a logarithmic axis. A line ends in a cross where the unit dies; a kink that leaves the data
    without dying belongs to a unit that is on for all of them.

    Args:
        film: from `watch`.
        seed: which network.
    """
    figure, (above, below) = subplots(2, 1, height=6.4, width=8, sharex=True, height_ratios=(1, 1.5))
    steps, units = film.dead.shape[0] - 1, film.dead.shape[2]
    above.plot(film.x, film.y, "o", color="0.6", markersize=4, label="points to learn")
    middle = max(1, steps // 20)
    for when, colour, style in zip((0, middle, steps), cycle(COLOURS), ("--", "-.", "-"), strict=False):
        fit = film.fits[when, seed]
        label = f"network, step {when}" if fit.isfinite().all() else f"step {when}: diverged"
        above.plot(film.x, fit, color=colour, linestyle=style, label=label)
    shown = torch.cat([film.y, film.fits[0, seed]])  # a later fit may be anywhere
    above.set_ylim(shown.min().item() - 0.3, shown.max().item() + 0.3)
    above.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for low, high in ((-VIEW, film.x[0]), (film.x[-1], VIEW)):
        below.axvspan(low, high, facecolor="0.93", edgecolor="0.8", hatch="//", linewidth=0)
    died: list[int] = []
    crosses: Counter[tuple[float, int]] = Counter()
    for unit in range(units):
        dead = film.dead[:, seed, unit]
        dies = bool(dead.any())
        end = int(dead.nonzero()[0]) if dies else steps
        path = film.kinks[: end + 1, seed, unit]
        colour, style, _ = FATES[dies]
        below.plot(path, torch.arange(1, end + 2), color=colour, linestyle=style, linewidth=1.2)
        if dies:
            died.append(end)
            place = round(path[-1].clamp(-VIEW + 0.1, VIEW - 0.1).item(), 2)
            below.plot(place, end + 1, "X", color="black", markersize=9, markeredgecolor="white", zorder=5)
            crosses[place, end + 1] += 1
    for (place, when), count in crosses.items():
        if count > 1:  # they hide each other
            below.annotate(f"×{count}", (place, when), (-20 if place > 0 else 8, -4), textcoords="offset points")
    below.set(xlim=(-VIEW, VIEW), yscale="log", xlabel="x; a line is the place of one unit's kink")
    below.set(ylabel="step + 1 (log scale), downwards")
    below.yaxis.set_major_formatter("{x:g}")
    below.set_ylim(1.2 * (steps + 1), 0.8)
    for dies in sorted(set(film.dead[:, seed].any(dim=0).tolist())):
        colour, style, label = FATES[dies]
        below.plot([], [], color=colour, linestyle=style, linewidth=1.2, label=label)
    below.plot([], [], "X", color="black", markersize=9, label="dead from here on")
    below.fill_between([], [], facecolor="0.93", edgecolor="0.8", hatch="//", label="no data here")
    below.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    losses = ", ".join(f"{film.loss[when, seed]:.3g} at step {when}" for when in (0, middle, steps))
    born = died.count(0)
    above.set_title("The fit: one answer for all points, if no unit is left")
    below.set_title(f"{units} units: {born} born dead, {len(died) - born} die, {units - len(died)} live on")
    return Picture(
        figure,
        f"{units} units, {born} of them dead at the start; {len(died) - born} died, at the steps "
        f"{', '.join(map(str, sorted(end for end in died if end))) or 'none'}; {units - len(died)} are alive.\n"
        f"Mean squared error: {losses}; the variance of the points is {film.y.var(correction=0):.3g}.",
    )


def shares_on(shares: Mapping[str, Tensor]) -> Picture:
    """For how many inputs each unit is on: units sorted, one line a layer or a state.

    Args:
        shares: a label, then the share of inputs for which a unit is on, one number a unit, between 0 and 1.
    """
    figure, axes = subplots(height=3.4, width=7)
    lines = []
    for (label, values), colour, style in zip(shares.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        ordered = values.sort().values
        place = torch.linspace(0, 100, len(values))
        axes.plot(place, 100 * ordered, color=colour, linestyle=style, label=label)
        lines.append(
            f"{label}: on for {100 * values.mean():.0f} % of the inputs in the mean; the least busy tenth of the units "
            f"for {100 * ordered[: max(1, len(values) // 10)].mean():.0f} %, the busiest tenth for "
            f"{100 * ordered[-max(1, len(values) // 10) :].mean():.0f} %."
        )
    axes.axhline(50, color="0.4", linewidth=1, label="half")
    axes.set(xlabel="units, sorted, in %", ylabel="on for this many inputs, in %", ylim=(-3, 103))
    axes.set_title("Half in the mean, by units that differ")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return Picture(figure, "\n".join(lines))


def dead_by_rate(rates: Sequence[float], dead: Mapping[str, Sequence[Tensor]]) -> Picture:
    """Share of units that are lost, against the learning rate: the mean over networks with its 95 % interval.

    The interval is cut off at 0 and 100 %.

    Args:
        rates: learning rates.
        dead: a label, then for each rate the share of lost units by seed, between 0 and 1.
    """
    figure, axes = subplots(height=3.4, width=7.5)
    lines = []
    for place, ((label, by_rate), colour, style) in enumerate(
        zip(dead.items(), cycle(COLOURS), cycle(STYLES), strict=False)
    ):
        means = [_within_bounds(mean_interval(100 * shares)) for shares in by_rate]
        # Side by side, since several lie at 0.
        x = [rate * 1.03 ** (place - len(dead) / 2) for rate in rates]
        heights = [found.mean for found in means]
        errors = [[found.mean - found.low for found in means], [found.high - found.mean for found in means]]
        axes.errorbar(
            x, heights, errors, color=colour, linestyle=style, marker="osD^v"[place % 5], capsize=3, label=label
        )
        lines.append(
            f"{label}: {', '.join(f'{found} % at rate {r:g}' for r, found in zip(rates, means, strict=True))}."
        )
    axes.set(xscale="log", xlabel="learning rate (log scale)", ylabel="units dead or NaN, in %", ylim=(-4, 104))
    axes.set_title("Units lost by rate, with 95 % intervals over networks")
    axes.set_xticks(list(rates), [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return Picture(figure, "\n".join(lines))


def _within_bounds(found: Estimate) -> Estimate:
    """A share in % is not below 0 nor above 100, though Student's interval may be."""
    return Estimate(found.mean, max(0.0, found.low), min(100.0, found.high), found.n)


def threshold_and_accuracy(zeros: Sequence[float], accuracies: Mapping[str, Sequence[Tensor]]) -> Picture:
    """Accuracy on unseen points against the share of zeros that a threshold makes.

    Args:
        zeros: share of ReLU's outputs that are 0, between 0 and 1, one number a threshold.
        accuracies: a label, then for each threshold the test accuracy by seed, in %.
    """
    figure, axes = subplots(height=3.4, width=7.5)
    lines = []
    for (label, values), colour, style, marker in zip(
        accuracies.items(), cycle(COLOURS), ("-", "--"), "os", strict=False
    ):
        means = [mean_interval(value) for value in values]
        errors = [[found.mean - found.low for found in means], [found.high - found.mean for found in means]]
        x = [100 * share for share in zeros]
        face = "white" if marker == "s" else colour
        size = 10 if marker == "s" else 5
        axes.errorbar(
            x,
            [found.mean for found in means],
            errors,
            color=colour,
            linestyle=style,
            marker=marker,
            markersize=size,
            markerfacecolor=face,
            capsize=3,
            label=label,
            zorder=1 if marker == "s" else 2,
        )
        lines.append(f"{label}: {', '.join(f'{m} % at {z:.0f} %' for m, z in zip(means, x, strict=True))}.")
    axes.set(xlabel="outputs of ReLU at this threshold that are 0, in %", ylabel="accuracy on unseen points, in %")
    axes.set_title("Is it the zeros? Mean over seeds, with 95 % intervals")
    axes.legend(loc="upper left", frameon=False)
    return Picture(figure, "Accuracy on unseen points, by the share of zeros.\n" + "\n".join(lines))


def cut_off(*records: Activation, low: float = -2.5, high: float = 2.5) -> Picture:
    """Curves above and slopes below, a column each, with jumps left open and a dot for what torch returns there.

    Args:
        records: activations that may jump at their kinks.
        low, high: the ends of the x axis.
    """
    figure, panels = subplots(2, len(records), height=4.6, sharex=True, sharey="row", squeeze=False)
    for (above, below), record, colour in zip(panels.T, records, cycle(COLOURS), strict=False):
        above.plot([low, high], [low, high], color="0.6", linestyle=":", linewidth=1.2, label="x itself")
        for left, right in pairwise([low, *(kink.at for kink in record.default_kinks), high]):
            x = torch.linspace(left, right, 202, dtype=torch.float64)[1:-1]
            above.plot(x, record.function(x), color=colour)
            below.plot(x, record.derivative(x), color=colour)
        for kink in record.default_kinks:
            above.plot(kink.at, record.function(torch.tensor(kink.at)), "o", color=colour)
            below.plot(kink.at, kink.slope, "o", color=colour)
        above.set(title=record.title)
        below.set(xlabel="x")
    panels[0][0].set_ylabel("f(x)")
    panels[1][0].set_ylabel("slope f′(x)")
    panels[0][0].legend(loc="upper left", frameon=False)
    return Picture(figure, "\n".join(describe(record) for record in records))


def denoised(
    images: Mapping[str, Tensor], errors: Mapping[str, Tensor], thresholds: Tensor, *, at: float | None = None
) -> Picture:
    """Pictures beside each other, and the error of two shrinkages over the threshold.

    Args:
        images: a title, then a grey picture (h, w) between 0 and 1.
        errors: a label, then the root mean squared error at each threshold.
        thresholds: in units of the noise, (k,).
        at: the threshold of the pictures, if they share one: a line across the curves.
    """
    figure, axes = subplots(1, len(images) + 1, height=3.0, width=11.5, width_ratios=[1] * len(images) + [1.7])
    for (title, image), panel in zip(images.items(), axes, strict=False):
        panel.imshow(image.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(title, fontsize=10)
        panel.axis("off")
    lines = [f"Pictures: {'; '.join(title.replace(chr(10), ', ') for title in images)}."]
    for (label, values), colour, style in zip(errors.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        best = int(values.argmin())
        axes[-1].plot(thresholds, values, color=colour, linestyle=style, label=label)
        axes[-1].plot(thresholds[best], values[best], "o", color=colour)
        lines.append(f"{label}: the least error, {values[best]:.3f}, at {thresholds[best]:.2g} times the noise.")
    if at is not None:
        axes[-1].axvline(at, color="0.4", linestyle=":", label="the pictures")
    axes[-1].set(xlabel="threshold λ / noise σ", ylabel="error, root mean square", ylim=(0, None))
    axes[-1].set_title("Which threshold errs least?", fontsize=10)
    axes[-1].legend(loc="lower left")
    return Picture(figure, "\n".join(lines))
