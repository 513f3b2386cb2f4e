"""Functions of a vector, drawn along one of their inputs."""

import torch
from torch import Tensor

from nonlin.activations.vectors import VectorFunction
from nonlin.plots.picture import COLOURS, STYLES, Picture, subplots


def along_one_input(*records: VectorFunction, low: float = -6, high: float = 6) -> Picture:
    """All outputs (left), and the slope of each along the input that is varied (right), one row a function.

    Args:
        records: one or more functions of a vector.
        low, high: the ends of the x axis.

    Raises:
        ValueError: without a record, or if ``low`` is not below ``high``.
    """
    if not records or not low < high:
        raise ValueError("along_one_input needs at least one function, and low < high.")
    figure, panels = subplots(len(records), 2, height=2.8 * len(records), squeeze=False)
    x = torch.linspace(low, high, 601, dtype=torch.float64)
    lines = []
    for record, (left, right) in zip(records, panels, strict=True):
        outputs, slopes = _outputs_and_slopes(record, x)
        for number, (y, slope) in enumerate(zip(outputs.T, slopes.T, strict=True)):
            look = {"color": COLOURS[number % len(COLOURS)], "linestyle": STYLES[number % len(STYLES)]}
            left.plot(x, y, label=f"output {number + 1}", **look)
            right.plot(x, slope, **look)
        inputs = ", ".join("x" if place == record.varied else f"{v:g}" for place, v in enumerate(record.example))
        left.set(title=f"{record.title} of ({inputs})", xlabel="x")
        right.set(title="slopes along x", xlabel="x")
        left.legend()
        said = "; ".join(
            f"x = {at:g}: {', '.join(f'{y:.3g}' for y in outputs[int((x - at).abs().argmin())])}" for at in (-4, 0, 4)
        )
        lines.append(f"{record.title} of the vector ({inputs}), outputs at {said}.")
    return Picture(figure, "\n".join(lines))


def _outputs_and_slopes(record: VectorFunction, x: Tensor) -> tuple[Tensor, Tensor]:
    """For each x the outputs and their slopes along x, each (n, outputs)."""
    vectors = torch.tensor(record.example, dtype=x.dtype).repeat(len(x), 1)
    vectors[:, record.varied] = x
    direction = torch.zeros_like(vectors)
    direction[:, record.varied] = 1
    vectors.requires_grad_()
    outputs = record.function(vectors)
    # One backward pass for each output: rows are independent, so the sum over them loses nothing.
    columns = [
        (torch.autograd.grad(column.sum(), vectors, retain_graph=True)[0] * direction).sum(dim=1)
        for column in outputs.unbind(dim=1)
    ]
    return outputs.detach(), torch.stack(columns, dim=1)
