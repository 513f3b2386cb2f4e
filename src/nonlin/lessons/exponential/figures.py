"""Figures of lesson 07: rounding near zero, what alpha does, and how mean and variance travel through layers."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.lessons.exponential.experiments import Moments, next_moments
from nonlin.normal import normal_mean
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots
from nonlin.signatures import Elementwise


def rounding(forms: Mapping[str, Elementwise], dtypes: Sequence[torch.dtype] = (torch.float32,)) -> Picture:
    """Relative error of forms of e^x - 1 for small negative x, on logarithmic axes.

    Args:
        forms: a label and a function for each.
        dtypes: a panel for each.
    """
    figure, panels = subplots(1, len(dtypes), height=3.4, sharey=True, squeeze=False)
    lines = []
    for dtype, axes in zip(dtypes, panels[0], strict=True):
        x = -torch.logspace(-12, 1, 400, dtype=torch.float64).to(dtype)
        exact = torch.expm1(x.double())
        for (label, form), colour, style in zip(forms.items(), cycle(COLOURS), cycle(STYLES), strict=False):
            error = (form(x).double() / exact - 1).abs()
            axes.loglog(-x.double(), error.clamp(min=1e-10), color=colour, linestyle=style, label=label, linewidth=1.5)
            half = (-x.double()[error > 0.5]).max().item() if (error > 0.5).any() else 0.0
            said = f"more than half is lost up to {half:.1g}" if half else "less than half is lost everywhere"
            lines.append(f"{str(dtype).removeprefix('torch.')}, {label}: {said}; largest error {error.max():.1g}.")
        axes.axhline(1, color="black", linestyle=":", linewidth=1)
        axes.set(title=str(dtype).removeprefix("torch."), xlabel="−x (log scale)", ylim=(1e-9, 5))
        axes.invert_xaxis()
    panels[0][0].set_ylabel("relative error (1: all is lost)")
    panels[0][-1].legend(loc="center right")
    figure.suptitle("e^x − 1 as it is written loses small x; expm1 does not")
    return Picture(figure, "\n".join(lines))


def alphas(*values: float, largest: float | None = None) -> Picture:
    """ELU (left) and CELU (right) for each α: curves above, slopes below; a jump of the slope is left open.

    Args:
        values: of α, above 0.
        largest: α for which the axes leave room, so that they stay where they are while a slider moves; else those
            of the curves.
    """
    figure, axes = subplots(2, 2, height=5.2, sharex=True, sharey="row")
    x = torch.linspace(-4, 2, 1201, dtype=torch.float64)
    lines = []
    for column, record in enumerate((ACTIVATIONS["elu"], ACTIVATIONS["celu"])):
        for alpha, colour, style in zip(values, cycle(COLOURS), cycle(STYLES), strict=False):
            look = {"color": colour, "linestyle": style, "label": f"α = {alpha:g}"}
            axes[0, column].plot(x, record.function(x, alpha), **look)
            _slopes(axes[1, column], record, alpha, x, look)
            before, after = (
                record.derivative(torch.tensor(at, dtype=torch.float64), alpha).item() for at in (-1e-9, 1e-9)
            )
            lines.append(
                f"{record.title}, α = {alpha:g}: the limit on the left is {-alpha:g}; "
                f"the slope is {before:.3g} just below 0 and {after:.3g} just above."
            )
        axes[0, column].set(title=f"{record.title}: f(x)")
        axes[1, column].set(title="slope f′(x)", xlabel="x")
    if largest is not None:
        axes[0, 0].set_ylim(-1.05 * largest, 2.2)
        axes[1, 0].set_ylim(-0.05 * largest, 1.05 * largest)
    axes[0, 1].legend(loc="upper left")
    figure.suptitle("ELU has a kink at 0 unless α = 1, CELU has none")
    return Picture(figure, "\n".join(lines))


def _slopes(axes: Axes, record: Activation, alpha: float, x: Tensor, look: Mapping) -> None:
    for side in (x < 0, x > 0):
        axes.plot(x[side], record.derivative(x[side], alpha), **look)
    for kink in record.kinks(alpha):
        axes.plot(kink.at, kink.slope, marker="o", color=look["color"])


def flow(settings: Mapping[str, tuple[Elementwise, float]], paths: Mapping[str, Sequence[Moments]]) -> Picture:
    """The map of (mean, variance) to those of the next layer as arrows, and real networks as lines, ring to diamond.

    The curve is where wide layers can land at all: one mean and one variance for each size of their inputs.

    Args:
        settings: a panel for each: its title, the activation and the gain of the weights.
        paths: for each title what was measured, the inputs first.
    """
    rows = -(-len(settings) // 2)
    figure, panels = subplots(rows, 2, height=3.1 * rows, width=8, sharex=True, sharey=True, squeeze=False)
    lines = []
    for (title, (function, gain)), axes in zip(settings.items(), panels.flat, strict=False):
        _arrows(axes, function, gain)
        size = torch.logspace(-3, 3, 200, dtype=torch.float64)
        axes.plot(*_height(*next_moments(function, 0.0, size, gain=gain)), color="black", linewidth=1.2, linestyle="--")
        ends = []
        for moments, colour in zip(paths[title], cycle(COLOURS), strict=False):
            mean, height = _height(moments.mean[0], moments.variance[0])
            axes.plot(mean, height, color=colour, linewidth=1.8)
            axes.plot(mean[0], height[0], "o", color=colour, markerfacecolor="white", markersize=9, markeredgewidth=2)
            axes.plot(mean[1:], height[1:], ".", color=colour, markersize=6)
            axes.plot(mean[-1], height[-1], "D", color=colour, markersize=6, markeredgecolor="black", zorder=4)
            ends.append(f"({mean[0]:.2g}, {10 ** height[0]:.2g}) ends at ({mean[-1]:.2g}, {10 ** height[-1]:.2g})")
        axes.plot(0, 0, "*", color="black", markersize=15, markerfacecolor="white", zorder=5)
        axes.set(title=title, xlim=(-1.6, 3.4), ylim=(-2.1, 2.1))
        axes.set_yticks([-2, -1, 0, 1, 2], ["0.01", "0.1", "1", "10", "100"])
        lines.append(f"{title}, (mean, variance) after {len(mean) - 1} layers: {'; '.join(ends)}.")
    figure.suptitle("Where layers carry mean and variance (arrows: computed; dots: real layers)")
    for axes in panels[-1]:
        axes.set_xlabel("mean")
    for axes in panels[:, 0]:
        axes.set_ylabel("variance, log scale")
    return Picture(figure, "\n".join(lines))


def _height(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates of the flow: the mean, and the logarithm of the variance."""
    return mean, variance.log10()


def _arrows(axes: Axes, function: Elementwise, gain: float) -> None:
    mean, height = torch.meshgrid(
        torch.linspace(-1.4, 3.2, 13, dtype=torch.float64),
        torch.linspace(-1.9, 1.9, 12, dtype=torch.float64),
        indexing="xy",
    )
    to_mean, to_height = _height(*next_moments(function, mean, 10**height, gain=gain))
    across, up = to_mean - mean, to_height - height
    length = (across.square() + up.square()).sqrt().clamp(min=1e-9)
    # Long ones are cut: the arrow says where to, the distance would cover its neighbours.
    shown = 0.3 * torch.tanh(length / 0.3) / length
    axes.quiver(
        mean, height, across * shown, up * shown, color="0.7", angles="xy", scale_units="xy", scale=1, width=0.004
    )


def fixed_points(activations: Mapping[str, Elementwise]) -> Picture:
    """The mean square that a layer reproduces, against the gain of the weights.

    Args:
        activations: a label and a function for each, whose outputs grow more slowly than their inputs.
    """
    figure, axes = subplots(height=3.6, width=8)
    inputs = torch.logspace(-8, 5, 600, dtype=torch.float64)  # mean square of what the activation sees
    lines = []
    for (label, function), colour, style in zip(activations.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        kept = normal_mean(lambda z, f=function: f(z).square(), inputs.sqrt())
        gain = (inputs / kept).sqrt()
        axes.semilogy(gain, kept, color=colour, linestyle=style, label=label)
        end = f"to {gain.max():.2f}" if gain.max() < 10 else "upwards"
        lines.append(f"{label}: some mean square is reproduced for gains from {gain.min():.2f} {end}.")
    axes.plot(1, 1, "*", color="black", markersize=13, markerfacecolor="white", zorder=5)
    axes.set_title("Which mean square a layer gives back as it got it (star: SELU's)")
    axes.set(xlabel="gain of the weights", ylabel="mean square, log scale", xlim=(0.5, 1.7), ylim=(1e-3, 1e3))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture(figure, "\n".join(lines))


def moments(results: Mapping[str, Moments], *, title: str = "") -> Picture:
    """Mean over standard deviation (left) and variance (right) of the outputs by layer, a thin line for each network.

    Args:
        results: a label, and what `moments_by_layer` found, for each.
        title: what to see.
    """
    figure, panels = subplots(1, 2, height=3.4, width=10)
    lines = []
    for (label, found), colour, style in zip(results.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        ratios = found.mean / found.variance.sqrt()
        for axes, values in zip(panels, (ratios, found.variance), strict=True):
            for seed, row in enumerate(values):
                axes.plot(row, color=colour, linestyle=style, linewidth=1.1, label=None if seed else label)
        lines.append(
            f"{label}: after {found.mean.shape[1] - 1} layers means {ratios[:, -1].min():.2f} to "
            f"{ratios[:, -1].max():.2f} standard deviations, variances {found.variance[:, -1].min():.2g} to "
            f"{found.variance[:, -1].max():.2g}."
        )
    panels[0].set(title="mean", xlabel="layer", ylabel="in standard deviations", ylim=(-1, 1))
    spread = [values for found in results.values() for values in (found.variance.min(), found.variance.max())]
    logarithmic = max(spread) > 5 * min(spread)
    panels[1].set(title="variance, log scale" if logarithmic else "variance", xlabel="layer")
    panels[1].set_yscale("log" if logarithmic else "linear")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title)
    return Picture(figure, "\n".join(lines))


def units(results: Mapping[str, Moments], mean: float = 0.1, variance: tuple[float, float] = (0.8, 1.5)) -> Picture:
    """Mean and variance of each unit of the last layer, as a cloud, beside the box that they are said to stay in.

    Args:
        results: a panel for each: its title, and what `moments_by_layer` found.
        mean, variance: the box: mean from ``-mean`` to ``mean``, variance from the first to the second.
    """
    figure, panels = subplots(1, len(results), height=3.6, width=9, sharey=True, sharex=True, squeeze=False)
    low, high = variance
    lines = []
    for (title, found), axes in zip(results.items(), panels[0], strict=True):
        across, up = found.unit_means[0], found.unit_variances[0]
        inside = (across.abs() <= mean) & (up >= low) & (up <= high)
        axes.plot(across, up, ".", color=COLOURS[0], markersize=4)
        axes.add_patch(
            Rectangle((-mean, low), 2 * mean, high - low, fill=False, edgecolor="black", linewidth=2, zorder=4)
        )
        axes.plot(across.mean(), up.mean(), "X", color=COLOURS[1], markersize=10, markeredgecolor="black", zorder=5)
        axes.set(title=title, xlabel="mean of a unit", yscale="log")
        lines.append(
            f"{title}: {100 * inside.double().mean():.0f} % of {len(across)} units lie in the box; over the units, the "
            f"means average {across.mean():.2f} (standard deviation {across.std():.2f}), the variances {up.mean():.2f}."
        )
    figure.suptitle("Layer 50: each unit for itself (dots), their average (cross), the theorem's box")
    panels[0][0].set_ylabel("variance of a unit, log scale")
    panels[0][0].set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
    panels[0][0].minorticks_off()
    return Picture(figure, "\n".join(lines))
