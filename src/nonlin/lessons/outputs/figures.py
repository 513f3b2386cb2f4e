"""Figures of lesson 10: temperature in a triangle, pulls of losses, reliability, what a cure for imbalance costs."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import torch
from matplotlib.axes import Axes
from torch import Tensor

from nonlin.activations.softmax import softmax
from nonlin.intervals import mean_interval
from nonlin.lessons.outputs.experiments import PRIORS, Imbalance, Reliability
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots

# The corners of an equilateral triangle: every distribution over three classes is one point in it.
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]], dtype=torch.float64)
MARKERS = "os^D"


def in_triangle(probabilities: Tensor) -> Tensor:
    """The points (..., 2) at which distributions over three classes (..., 3) lie."""
    return probabilities.double() @ CORNERS


def temperature(logits: Mapping[str, Sequence[float]], temperatures: Sequence[float]) -> Picture:
    """Left, the way of each vector of three logits from the centre (hot) to a corner (cold); right, bars for the first.

    Args:
        logits: three numbers by label.
        temperatures: up to four, each with a marker on every way.
    """
    figure, (left, right) = subplots(1, 2, height=3.9, width=10, gridspec_kw={"width_ratios": [1.15, 1]})
    _triangle(left)
    way = torch.logspace(-1.5, 2, 300, dtype=torch.float64).tolist()
    lines = []
    for (label, values), colour, style in zip(logits.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        x = torch.tensor(values, dtype=torch.float64)
        path = in_triangle(torch.stack([softmax(x, -1, t) for t in way]))
        left.plot(path[:, 0], path[:, 1], color=colour, linestyle=style, label=f"logits {label}")
        for t, marker in zip(temperatures, MARKERS, strict=False):
            y = softmax(x, -1, t)
            left.plot(*in_triangle(y), marker, color=colour, markersize=8, markeredgecolor="black")
            lines.append(f"Logits {label} at T = {t:.3g}: {', '.join(f'{p:.3f}' for p in y.tolist())}.")
    left.legend(loc="upper left", bbox_to_anchor=(-0.12, 1.08), frameon=False, fontsize=8)
    _bars(right, *next(iter(logits.items())), temperatures)
    return Picture(figure, "\n".join(lines))


def _triangle(axes: Axes) -> None:
    corners = torch.cat([CORNERS, CORNERS[:1]])
    axes.plot(corners[:, 0], corners[:, 1], color="black", linewidth=1)
    axes.plot(*CORNERS.mean(dim=0), "+", color="black", markersize=10)
    axes.annotate("all equal", CORNERS.mean(dim=0), (6, -12), textcoords="offset points", fontsize=8)
    for k, (place, shift) in enumerate(zip(CORNERS.tolist(), ((-8, -14), (8, -14), (0, 6)), strict=True)):
        axes.annotate(f"class {k}", place, shift, textcoords="offset points", ha="center")
    axes.set(aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.12, 1.0))
    axes.set_title("Cold: into a corner; hot: to the centre", fontsize=10, y=-0.14)
    axes.axis("off")


def _bars(axes: Axes, label: str, values: Sequence[float], temperatures: Sequence[float]) -> None:
    x, width = torch.tensor(values, dtype=torch.float64), 0.8 / len(temperatures)
    places = torch.arange(3) - 0.4 + width / 2
    for k, (t, marker) in enumerate(zip(temperatures, MARKERS, strict=False)):
        y = softmax(x, -1, t)
        at = (places + k * width).tolist()
        hatch = ("", "//", "..", "xx")[k]
        axes.bar(at, y.tolist(), width, color=COLOURS[k], hatch=hatch, edgecolor="white", label=f"T = {t:.3g}")
        axes.plot(at, y + 0.04, marker, color="black", markersize=5)
    axes.set(title=f"logits {label}: the colder, the surer", xticks=range(3), ylim=(0, 1.1), ylabel="probability")
    axes.set_xticklabels([f"class {k}" for k in range(3)])
    axes.legend(loc="upper right", fontsize=8)


def gradients_of_mistakes(losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]], *, most: float = 40) -> Picture:
    """Two classes: how hard each loss pulls at the right class's logit, against how wrong the network is.

    Args:
        losses: from logits (n, 2) and labels (n,) to one loss for each row.
        most: largest lead of the wrong class, in logits; the axis begins at a quarter of it, on the right side.
    """
    figure, axes = subplots(height=3.6, width=8.5)
    lead = torch.linspace(-most / 4, most, 801)
    lines = []
    for (label, loss), colour, style in zip(losses.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        pull = pull_of(loss, lead)
        axes.plot(lead, pull, color=colour, linestyle=style, label=label)
        gone = lead[(pull < 0.01) & (lead > 0)]
        ends = f"below 0.01 from a lead of {gone[0]:.1f} on" if len(gone) else "never below 0.01 while wrong"
        lines.append(f"{label}: {pull_of(loss, torch.zeros(1)).item():.2f} when undecided; {ends}.")
    axes.axvline(0, color="black", linewidth=1)
    axes.set(xlabel="lead of the wrong class, in logits  (right ← 0 → wrong)", ylabel="|gradient| at the right logit")
    axes.set_title("How hard each loss pulls back an ever larger mistake", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def pull_of(loss: Callable[[Tensor, Tensor], Tensor], lead: Tensor) -> Tensor:
    """Size of the gradient with respect to the right class's logit, where the wrong one is ahead by ``lead`` (n,)."""
    logits = torch.stack([torch.zeros_like(lead), lead], dim=1).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, torch.zeros(len(lead), dtype=torch.int64)).sum(), logits)
    return gradient[:, 0].abs()


def reliability_diagram(found: Mapping[str, Reliability]) -> Picture:
    """Share of right answers against the confidence with which they were given; calibrated answers lie on the diagonal.

    Intervals of confidence with less than 1 % of the answers are not drawn.

    Args:
        found: by label.
    """
    figure, axes = subplots(height=3.8, width=5.6)
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1.5, label="as often right as said")
    lines = []
    for (label, one), colour, marker, style in zip(found.items(), COLOURS, "o^sD", STYLES, strict=False):
        error, enough = one.expected_error, one.share >= 0.01  # the share of right answers among fewer is chance
        axes.plot(
            one.confidence[enough],
            one.right[enough],
            marker=marker,
            linestyle=style,
            color=colour,
            linewidth=1,
            label=label,
        )
        lines.append(f"{label}: expected calibration error {error:.3f}.")
        lines += [
            f"{label}: of the {100 * share:.0f} % that are {sure:.2f} sure, {right:.2f} are right."
            for sure, right, share in zip(one.confidence, one.right, one.share, strict=True)
        ]
    axes.set(xlabel="confidence: largest probability", ylabel="share of right answers", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title("Below the diagonal: too sure", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
    return Picture(figure, "\n".join(lines))


def recalls(result: Imbalance, names: Sequence[str]) -> Picture:
    """Left, the recall of each class by remedy; right, the probability said for the rarest class against the true one.

    Args:
        result: of `experiments.imbalance`.
        names: remedies; the first two are drawn on the right as well.
    """
    figure, (left, right) = subplots(1, 2, height=3.9, width=10.5, gridspec_kw={"width_ratios": [1.25, 1]})
    lines = [_recall_rows(left, result, names)]
    order = result.exact_rare.argsort()
    exact = result.exact_rare[order]
    for name, colour, marker in zip(names[:2], COLOURS, "o^", strict=False):
        said = result.remedies[name].rare[order]
        right.plot(exact[::25], said[::25], marker, color=colour, markersize=3, alpha=0.6, label=name)
        announced = mean_interval(result.remedies[name].announced)
        lines.append(f"{name}: says {announced} for the rarest class on average; its share is {PRIORS[-1]}.")
    right.plot([1e-4, 1], [1e-4, 1], color="black", linestyle="--", linewidth=1.5, label="the truth")
    right.set(xscale="log", yscale="log", xlim=(1e-3, 1.3), ylim=(1e-4, 1.3))
    right.set(xlabel="true probability of the rarest class", ylabel="probability that is said")
    right.set_title(f"{names[1]}: above the truth", fontsize=10)
    right.legend(loc="lower right", fontsize=8)
    return Picture(figure, "\n".join(lines))


def _recall_rows(axes: Axes, result: Imbalance, names: Sequence[str]) -> str:
    said = []
    for k, prior in enumerate(PRIORS):
        label = f"class of {100 * prior:.0f} %"
        for y, name in enumerate(names):
            recall = result.remedies[name].recall[:, k]
            mean = mean_interval(recall) if len(recall) > 1 else None
            place, low, high = (mean.mean, mean.low, mean.high) if mean else (recall[0],) * 3
            axes.plot([low, high], [y + 0.22 * (k - 1)] * 2, color=COLOURS[k], linewidth=4, alpha=0.5)
            axes.plot(
                place, y + 0.22 * (k - 1), "os^"[k], color=COLOURS[k], markersize=7, label=label if y == 0 else None
            )
            said.append(f"{name}, {label}: recall {mean or f'{recall[0]:.3g}'}.")
    axes.set_title("What finds the rarest class loses the common one", fontsize=10, pad=22)
    axes.set(
        xlim=(0.2, 1.02),
        xlabel="recall: share of the class's points that are found",
        yticks=range(len(names)),
        ylim=(len(names) - 0.5, -0.5),
    )
    axes.set_yticklabels(names)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3, frameon=False, fontsize=8)
    return "\n".join(said)
