"""Figures of lesson 16: softmax by width, feed-forward blocks compared, units that are on, and gradients by depth."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nonlin.intervals import Family
from nonlin.ledger import Measurement
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots

MARKERS = "osD^vP"


def softmax_by_width(widths: Sequence[int], measured: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """Entropy of attention and the gradient through it, by the width of queries and keys.

    Args:
        widths: ascending.
        measured: a label, then for each width the entropy as a share of its maximum, and the gradient's size.
    """
    figure, axes = subplots(1, 2, height=3.2)
    lines = []
    for (label, pairs), colour, style, marker in zip(measured.items(), COLOURS, STYLES, MARKERS, strict=False):
        for place, values in zip(axes, zip(*pairs, strict=True), strict=True):
            place.plot(widths, values, color=colour, linestyle=style, marker=marker, label=label)
        entropies, gradients = zip(*pairs, strict=True)
        lines.append(f"{label}, entropy: {_said(widths, entropies)}.")
        lines.append(f"{label}, gradient: {_said(widths, gradients)}.")
    for place in axes:
        place.set(xscale="log", xlabel="width d of queries and keys (log scale)", ylim=(0, None))
        place.set_xticks(list(widths), [f"{width}" for width in widths])
        place.minorticks_off()
    axes[0].set(title="Without the scale a few keys get all", ylabel="entropy, as a share of ln 64")
    axes[1].set(title="… and less gradient gets through, beyond d ≈ 80", ylabel="gradient through softmax, median")
    axes[0].legend(frameon=False)
    return Picture(figure, "\n".join(lines))


def _said(widths: Sequence[int], values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f} at {width}" for width, value in zip(widths, values, strict=True))


def leads(measured: Measurement, names: Sequence[str], rates: Sequence[float], *, over: str = "ReLU") -> Picture:
    """How much lower the loss of each block is than that of one of them: seeds, and their mean with its interval.

    Args:
        measured: losses by block and learning rate, "GELU, rate 0.003", one a seed.
        names, rates: of the blocks that are shown, and of the panels.
        over: the one they are compared with.
    """
    figure, axes = subplots(
        1, len(rates), height=0.45 * len(names) + 1.3, width=9, sharex=True, sharey=True, squeeze=False
    )
    family, lines = Family(len(names) * len(rates)), []
    for place, rate in zip(axes[0], rates, strict=True):
        for row, name in enumerate(reversed(names)):
            pairs = zip(measured[f"{over}, rate {rate:g}"], measured[f"{name}, rate {rate:g}"], strict=True)
            gains = [a - b for a, b in pairs]
            mean = family.mean(gains)
            ends = [[mean.mean - mean.low], [mean.high - mean.mean]]
            place.plot(gains, [row + 0.25] * len(gains), "x", color="0.4", markersize=6)
            place.errorbar(mean.mean, row, xerr=ends, fmt="o", color=COLOURS[0], capsize=5)
            lines.append(f"learning rate {rate:g}, {name}: {mean} nats ahead of {over}.")
        place.axvline(0, color="black", linewidth=1)
        place.set(title=f"learning rate {rate:g}", xlabel=f"nats better than {over} (×: a seed; dot: mean)")
    axes[0, 0].set_yticks(range(len(names)), list(reversed(names)))
    axes[0, 0].set_ylim(-0.5, len(names) - 0.3)
    figure.suptitle(f"Right of the line: better than {over}", fontsize=11)
    return Picture(figure, "\n".join(lines))


def units_on(shares: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Picture:
    """The share of hidden units that are on, by layer, before training and after.

    Args:
        shares: the activation, then the shares before and after, one a layer.
    """
    figure, axes = subplots(1, len(shares), height=3, width=4.4 * len(shares), sharey=True, squeeze=False)
    lines = []
    for place, (label, pair) in zip(axes[0], shares.items(), strict=True):
        for when, values, colour, hatch, shift in zip(
            ("before training", "after"), pair, ("0.75", COLOURS[0]), ("//", ""), (-0.2, 0.2), strict=True
        ):
            places = [layer + 1 + shift for layer in range(len(values))]
            bars = place.bar(places, [100 * v for v in values], width=0.38, color=colour, hatch=hatch, label=when)
            place.bar_label(bars, fmt="%.0f", padding=2, fontsize=9)
            lines.append(f"{label}, {when}: {', '.join(f'{100 * v:.0f} %' for v in values)}.")
        place.set(title=label, xlabel="layer", xticks=[layer + 1 for layer in range(len(pair[0]))], ylim=(0, 65))
    axes[0, 0].set_ylabel("hidden units on, in %")
    axes[0, -1].legend(frameon=False, loc="upper right", ncols=2)
    return Picture(figure, "\n".join(lines))


def gradients_by_layer(norms: Mapping[str, Tensor]) -> Picture:
    """The norm of the gradient with respect to each layer's weights.

    Args:
        norms: where the layers' norms stand, then one number a layer, from the first.
    """
    figure, axes = subplots(height=3.2, width=7.5)
    lines = []
    for (label, values), colour, style, marker in zip(norms.items(), COLOURS, STYLES, MARKERS, strict=False):
        layers = torch.arange(len(values)) + 1
        axes.plot(layers, values, color=colour, linestyle=style, marker=marker, markersize=4, label=label)
        lines.append(f"{label}: {values[0]:.2g} in layer 1, {values[-1]:.2g} in layer {len(values)}.")
    axes.set(yscale="log", xlabel="layer", ylabel="gradient of the layer's weights\n(log scale)")
    axes.set_title("Any norm holds the gradient; pre-norm keeps it small at the top")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return Picture(figure, "\n".join(lines))
