"""Figures of lesson 14: the roofline."""

from collections.abc import Mapping

import torch
from matplotlib.ticker import LogLocator, NullFormatter

from nonlin.plots.picture import COLOURS, Picture, subplots


def roofline(measured: Mapping[str, tuple[float, float]], bandwidth: float, peak: float) -> Picture:
    """What a processor reaches against how much there is to compute for each byte that is moved.

    Args:
        measured: label, then operations a byte and billions of operations a second.
        bandwidth: in GB a second, the slope of the roof's left part.
        peak: in billions of operations a second, its right part.
    """
    figure, axes = subplots(height=3.6, width=7)
    ends = [min(x for x, _ in measured.values()) / 2, max(x for x, _ in measured.values()) * 2]
    line = torch.logspace(*(torch.tensor(ends).log10().tolist()), 200)
    axes.plot(line, (bandwidth * line).clamp(max=peak), color="black", label="roof: bandwidth, then arithmetic")
    axes.axvline(peak / bandwidth, color="0.5", linestyle=":", label=f"ridge: {peak / bandwidth:.1f} operations a byte")
    for (label, (x, y)), marker in zip(measured.items(), "osD^v<>phX*", strict=False):
        axes.plot(x, y, marker, color=COLOURS[0], markerfacecolor="white", label=label)
    axes.set(
        title="Left of the ridge, memory decides; right of it, arithmetic",
        xscale="log",
        yscale="log",
        xlabel="operations for each byte moved",
        ylabel="billions of operations a second",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    said = [f"{label}: {x:.2g} operations a byte, {y:.2g} billion a second." for label, (x, y) in measured.items()]
    ridge = f"{peak / bandwidth:.2g} operations a byte"
    roof = f"The roof: {bandwidth:.3g} GB a second up to {ridge}, then {peak:.3g} billion operations a second."
    return Picture(figure, "\n".join([roof, *said]))
