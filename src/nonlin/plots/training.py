"""Training runs: curves, paired differences to a reference, a learner's runs over ours."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from nonlin.lab.report import REFERENCE, Row, Summary, groups, labels, summary, variants
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots, wrapped
from nonlin.typography import true_minus


def learning_curves(rows: Sequence[Row], *, title: str = "") -> Picture:
    """Test accuracy as training goes on: the mean over seeds, with the range of the seeds as a band.

    Of more than seven curves, the reference and the six best are drawn in colour and named, the others in grey.

    Args:
        rows: of one group of `report.groups`.
        title: what to see; by default the name of the group.

    Raises:
        ValueError: if the rows are of several groups.
    """
    group, found = _only_group(rows), _by_label(rows)
    ranked = sorted(found, key=lambda label: -_final(found[label]))
    references = [label for label in ranked if label.split(",")[0] == REFERENCE][:1]
    named = (references + [label for label in ranked if label not in references])[: len(COLOURS)]
    figure, axes = subplots(height=4)
    others = [label for label in ranked if label not in named]
    for label in others:
        axes.plot(*_curve(found[label])[:2], color="0.75", linewidth=1, label="_")
    lines = [group]
    marks = zip(sorted(named, key=ranked.index), cycle(COLOURS), cycle(STYLES), strict=False)
    for label, colour, style in marks:
        x, mean, low, high = _curve(found[label])
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, mean, color=colour, linestyle=style, marker="o", markersize=3, label=label)
        seeds, at = len(found[label]), f"{len(x)} epochs"
        spread = f", {low[-1]:.1f} to {high[-1]:.1f}" if seeds > 1 else ""
        lines.append(f"{label}: {mean[-1]:.1f} % after {at} (mean of {seeds} seed{'s' * (seeds > 1)}{spread}).")
    lines += [f"{label}, in grey: {_final(found[label]):.1f} %." for label in others]
    if others:
        axes.plot([], [], color="0.75", linewidth=1, label=f"the other {len(others)}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title=wrapped(title or group), xlabel="epochs", ylabel="test accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=4)
    return Picture(figure, "\n".join(lines))


def paired_differences(rows: Sequence[Row], *, reach: float = math.inf, title: str = "") -> Picture:
    """Accuracy minus ReLU's with the same seeds, the best first: a thick bar for the 95 % interval of one comparison
    alone, a thin one for all comparisons together. A run that diverged does not set the scale: what lies outside is
    an arrow at the border, with its number.

    Args:
        rows: of one group of `report.groups`.
        reach: points that the axis shows to each side at most, so that one far off does not squeeze the others.
        title: what to see; by default the name of the group.

    Raises:
        ValueError: if the rows are of several groups, or nothing can be compared with ReLU.
    """
    group = _only_group(rows)
    found = sorted((entry for entry in summary(rows) if entry.difference is not None), key=lambda e: -e.difference)
    if not found:
        raise ValueError(f"there are no runs of {REFERENCE} with the same seeds as others: nothing can be compared.")
    figure, axes = subplots(height=1.4 + 0.28 * len(found), width=8)
    axes.axvline(0, color="black", linestyle="--", linewidth=1.5)
    low, high = (min(max(end, -reach), reach) for end in _limits(found))
    lines = [group]
    for y, entry in enumerate(found):
        words = f"{entry.label}: {entry.difference:+.2f} points over {entry.pairs} pair{'s' * (entry.pairs > 1)}"
        if entry.interval:
            alone, all_hold = entry.interval, entry.corrected
            axes.plot([all_hold.low, all_hold.high], [y, y], color=COLOURS[0], linewidth=1.5)
            axes.plot([alone.low, alone.high], [y, y], color=COLOURS[0], linewidth=5, solid_capstyle="butt")
            words += (
                f", alone [{alone.low:+.2f}, {alone.high:+.2f}], together [{all_hold.low:+.2f}, {all_hold.high:+.2f}]"
            )
        place = min(max(entry.difference, low), high)
        marker = (
            "<" if place > entry.difference else ">" if place < entry.difference else "X" if entry.diverged else "o"
        )
        axes.plot(place, y, marker, color="black", markerfacecolor="white", markersize=7, clip_on=False)
        if place != entry.difference:
            shift, side = (8, "left") if place == low else (-8, "right")
            number = true_minus(f"{entry.difference:+.1f}")
            axes.annotate(number, (place, y), (shift, 0), textcoords="offset points", ha=side, va="center")
        lines.append(words + (f"; {entry.diverged} of {entry.runs} runs diverged (X)" * bool(entry.diverged)) + ".")
    if not any(entry.interval for entry in found):
        lines.append("One seed tells nothing about spread: there are no intervals.")
    axes.set(title=wrapped(title or group), xlim=(low, high), ylim=(len(found) - 0.5, -0.5))
    axes.set_xlabel(f"test accuracy minus that of {REFERENCE}, points; 95 %: thick alone, thin all together")
    axes.set_yticks(range(len(found)), [entry.label for entry in found])
    return Picture(figure, "\n".join(lines))


def _limits(entries: Sequence[Summary]) -> tuple[float, float]:
    """The ends of the x axis: 0, the means and the intervals of those that did not diverge, if any, with a margin."""
    shown = [entry for entry in entries if not entry.diverged] or entries
    ends = [0.0, *(entry.difference for entry in shown)]
    ends += [end for entry in shown if entry.corrected for end in (entry.corrected.low, entry.corrected.high)]
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - margin, max(ends) + margin


def against_reference(rows: Sequence[Row], reference: Sequence[Row]) -> Picture:
    """Your runs over the band that reference runs of the same setting span, one panel for each setting.

    Settings match in activation, network, depth, batch normalisation, initialisation and recipe; data, precision,
    threads and seeds may differ, and the text says so.

    Args:
        rows: yours.
        reference: for instance a table from ``data/results``.

    Raises:
        ValueError: if no setting is in both.
    """
    mine, theirs = _by_setting(rows), _by_setting(reference)
    both = [setting for setting in mine if setting in theirs]
    if not both:
        raise ValueError(
            "none of the reference runs has the setting of one of these runs: the same activation, network, depth, "
            "batch normalisation, initialisation and recipe."
        )
    columns = min(3, len(both))
    figure, panels = subplots(
        -(-len(both) // columns), columns, height=3.2 * -(-len(both) // columns), sharey=True, squeeze=False
    )
    for unused in panels.flat[len(both) :]:
        unused.set_visible(False)
    lines = []
    for axes, setting in zip(panels.flat, both, strict=False):
        lines.append(_draw_against(axes, mine[setting], theirs[setting]))
    for axes in panels[:, 0]:
        axes.set_ylabel("test accuracy, %")
    panels.flat[0].legend()
    return Picture(figure, "\n".join(lines))


def _draw_against(axes: Axes, mine: list[Row], theirs: list[Row]) -> str:
    x, mean, low, high = _curve(theirs)
    axes.fill_between(x, low, high, color="0.8", hatch="//", edgecolor="0.6", linewidth=0, label="reference: range")
    axes.plot(x, mean, color="0.4", linestyle="--", label="reference: mean")
    for row in mine:
        own = range(1, len(row.test_accuracies) + 1)
        label = "yours" if row is mine[0] else None
        axes.plot(own, row.test_accuracies, color=COLOURS[0], marker="o", markersize=4, label=label)
    c = mine[0].configuration
    name = f"{c.activation}, {c.network}, depth {c.depth}, {'' if c.batch_norm else 'no '}batch norm"
    axes.set(title=wrapped(name, 32), xlabel="epochs")
    last = ", ".join(f"{row.test_accuracy:.1f} % (seed {row.seed})" for row in mine)
    inside = sum(low[-1] <= row.test_accuracy <= high[-1] for row in mine)
    return (
        f"{name}, {c.initialisation}, rate {c.recipe.learning_rate:g}: yours {last} on {_differing(mine)}; reference "
        f"{mean[-1]:.1f} % on {_differing(theirs)}, {low[-1]:.1f} to {high[-1]:.1f} over {len(theirs)} runs; "
        f"{inside} of yours {'is' if inside == 1 else 'are'} within."
    )


def _differing(rows: list[Row]) -> str:
    """What may differ between runs of one setting."""
    found = {f"{row.configuration.data} in {row.configuration.precision}, {row.device}" for row in rows}
    return " or ".join(sorted(found))


def _by_setting(rows: Sequence[Row]) -> dict[tuple, list[Row]]:
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        c = row.configuration
        recipe = replace(c.recipe, seed=0)
        found.setdefault((c.activation, c.network, c.depth, c.batch_norm, c.initialisation, recipe), []).append(row)
    return found


def _only_group(rows: Sequence[Row]) -> str:
    """The title of the rows' group."""
    found = groups(rows)
    if len(found) != 1:
        raise ValueError(f"this figure takes the rows of one group, not of {len(found)}: see report.groups.")
    return next(iter(found))


def _by_label(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found = variants(rows)
    return {label: found[variant] for variant, label in labels(found).items()}


def _final(rows: list[Row]) -> float:
    return sum(row.test_accuracy for row in rows) / len(rows)


def _curve(rows: list[Row]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Epochs, and mean, lowest and highest accuracy after them; a run that diverged keeps its last one."""
    longest = max(len(row.test_accuracies) for row in rows)
    accuracies = torch.tensor([_prolonged(row.test_accuracies, longest) for row in rows], dtype=torch.float64)
    return torch.arange(1, longest + 1), accuracies.mean(dim=0), accuracies.amin(dim=0), accuracies.amax(dim=0)


def _prolonged(values: Sequence[float], length: int) -> list[float]:
    return [*values, *[values[-1]] * (length - len(values))]
