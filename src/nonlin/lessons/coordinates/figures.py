"""Figures of lesson 15: pictures that networks paint, which waves come first, and a solved equation."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from torch import Tensor

from nonlin.lessons.coordinates.experiments import SIDE, Image, Solution, quality
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots


def paintings(image: Image, painted: Mapping[str, Tensor]) -> Picture:
    """The picture and what networks make of it, each with its decibels on seen and on unseen pixels.

    Args:
        image: the picture.
        painted: a label, then grey values, shape (4096, 1).
    """
    shown = {"the picture": image.grey, **painted}
    figure, axes = subplots(1, len(shown), width=min(9.6, 2.4 * len(shown)), height=2.9, squeeze=False)
    lines = []
    for place, (label, grey) in zip(axes[0], shown.items(), strict=True):
        place.imshow(grey.reshape(SIDE, SIDE).clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place.set(xticks=[], yticks=[])
        place.spines[:].set_visible(False)
        place.grid(visible=False)
        if label in painted:
            seen, unseen = quality(grey, image)
            place.set_title(f"{label}\nseen {seen:.1f} dB, unseen {unseen:.1f} dB", fontsize=9)
            lines.append(f"{label}: {seen:.1f} dB on the pixels seen, {unseen:.1f} dB on the others.")
        else:
            place.set_title(f"{label}\n{SIDE} × {SIDE} pixels", fontsize=9)
    return Picture(figure, "\n".join(lines))


def waves_learned(steps: Sequence[int], amplitudes: Mapping[str, Tensor]) -> Picture:
    """How complete a slow and a fast wave are, by training step; one line a seed.

    Args:
        steps: after which the amplitudes were taken.
        amplitudes: the activation, then shape (seeds, steps, 2): the slow wave's, the fast one's.
    """
    figure, axes = subplots(1, len(amplitudes), sharey=True, height=3, width=8.5, squeeze=False)
    lines = []
    for place, (label, values) in zip(axes[0], amplitudes.items(), strict=True):
        for wave, (name, colour, style) in enumerate(
            zip(("slow: 1 wave", "fast: 6 waves"), COLOURS, STYLES, strict=False)
        ):
            for seed, curve in enumerate(values[:, :, wave]):
                place.plot(steps, curve, color=colour, linestyle=style, marker="os"[wave], markersize=4,
                           label=None if seed else name)  # fmt: skip
            lines.append(f"{label}, {name}: {', '.join(f'{v:.2f}' for v in values[:, -1, wave])} after {steps[-1]}.")
        place.set(title=f"{label}: the slow wave first", xlabel="training step", ylim=(-0.1, 1.2))
    axes[0, 0].set_ylabel("share of the wave learned")
    axes[0, -1].legend(loc="lower right", frameon=False)
    return Picture(figure, "\n".join(lines))


def seen_and_unseen(scales: Sequence[float], results: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """Decibels on seen and on unseen pixels, by how fast the waves are.

    Args:
        scales: what is varied.
        results: a label, then the decibels on seen and unseen pixels for each scale.
    """
    figure, axes = subplots(height=3.2, width=7)
    lines = []
    for (label, pairs), marker in zip(results.items(), cycle("osD"), strict=False):
        for which, (name, colour, style) in enumerate(zip(("seen", "unseen"), COLOURS, STYLES, strict=False)):
            values = [pair[which] for pair in pairs]
            axes.plot(scales, values, color=colour, linestyle=style, marker=marker, label=f"{name} pixels")
            lines.append(f"{label}, {name}: {', '.join(f'{v:.1f} dB at {s:g}' for s, v in zip(scales, values, strict=True))}.")  # fmt: skip  # noqa: E501
    axes.set(xscale="log", xlabel="σ, the spread of the waves, per unit of length (log scale)", ylabel="quality, in dB")
    axes.set_title("Faster waves learn the seen pixels by heart, and lose the others", fontsize=10)
    axes.set_xticks(list(scales), [f"{scale:g}" for scale in scales])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return Picture(figure, "\n".join(lines))


def solutions(solved: Mapping[str, Solution]) -> Picture:
    """The equation's exact solution as a grey band, and the networks' as lines."""
    figure, axes = subplots(height=3.2, width=7)
    x = next(iter(solved.values())).x
    axes.plot(x, torch.sin(torch.pi * x), color="0.75", linewidth=8, label="exact: sin(πx)")
    lines = []
    for (label, found), colour, style in zip(solved.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        axes.plot(x, found.u, color=colour, linestyle=style, label=label)
        lines.append(f"{label}: at most {found.error:.2g} from the solution; mean square of the residual {found.residual:.2g}.")  # fmt: skip  # noqa: E501
    axes.set(xlabel="x", ylabel="u(x)", title="ReLU meets the ends and nothing else")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return Picture(figure, "\n".join(lines))
