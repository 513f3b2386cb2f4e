"""What goes into every activation layer of a network and what comes out of it, as pictures on one scale."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nonlin.images import pictures
from nonlin.lab.before_after import to_shared_scale

CHANNELS, COLUMNS, SIDE = 16, 8, 56  # maps shown, maps in a row, and pixels of a map's side at least
UNITS, UNITS_IN_A_ROW, UNIT_SIDE = 128, 32, 14  # the same for maps of one pixel


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMaps:
    """One call of an activation layer.

    Args:
        name: as ``print(model)`` shows it, the number padded: ``"05 ReLU"``.
        before, after: float32 of shape (images, channels, height, width); units of a vector have height and width 1.
    """

    name: str
    before: Tensor
    after: Tensor


def feature_maps(model: nn.Module, x: Tensor, activations: Mapping[str, nn.Module]) -> list[FeatureMaps]:
    """Send images through a network, in the mode it is in, and keep what each activation layer gets and gives.

    Args:
        model: on the device of x.
        x: as the model takes it, (images, 3, height, width).
        activations: the layers by name; see `internals.activation_layers`.

    Returns:
        One entry per call, in the order of calling.
    """
    with torch.no_grad(), _recorded(activations) as seen:
        model(x)
    return seen


@contextmanager
def _recorded(activations: Mapping[str, nn.Module]) -> Iterator[list[FeatureMaps]]:
    seen: list[FeatureMaps] = []
    inputs: dict[str, Tensor] = {}

    def before(name: str) -> Callable:
        # A copy, since a layer that works in place overwrites its input.
        return lambda module, arguments: inputs.update({name: maps(arguments[0]).clone()})

    def after(name: str) -> Callable:
        def keep(module: nn.Module, arguments: tuple, output: Tensor) -> None:
            seen.append(FeatureMaps(name=name, before=inputs.pop(name), after=maps(output).clone()))

        return keep

    handles = [module.register_forward_pre_hook(before(name)) for name, module in activations.items()]
    handles += [module.register_forward_hook(after(name)) for name, module in activations.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def maps(values: Tensor) -> Tensor:
    """A layer's values as float32 maps on the processor: (images, channels, height, width), if need be of one pixel."""
    values = values.detach().float().cpu()
    return values if values.ndim == 4 else values.reshape(len(values), -1, 1, 1)


def scale_of(before: Tensor, after: Tensor) -> float:
    """The value drawn white; its negative is drawn black and 0 middle grey.

    It covers 99 % of the inputs and of the outputs: the scale of the largest value would leave all others grey. At
    least a small number, where everything is 0 or nothing is finite.
    """
    sizes = [values[values.isfinite()].abs().flatten() for values in (before, after)]
    return max([1e-6, *(torch.quantile(size, 0.99).item() for size in sizes if len(size))])


def tiles(values: Tensor, high: float) -> Tensor:
    """Maps as grey images, -high black and high white; what is not a number is drawn black.

    Args:
        values: (channels, height, width).
        high: as `scale_of` gives it.

    Returns:
        uint8 of shape (channels, 3, height, width).
    """
    return to_shared_scale(values.nan_to_num(nan=-high), -high, high)[:, None].expand(-1, 3, -1, -1)


def chosen(channels: int, shown: int = CHANNELS) -> Tensor:
    """The channels that are shown: spread evenly over all of them, int64."""
    number = min(channels, shown)
    return torch.arange(number) * channels // number


def picture(before: Tensor, after: Tensor, lines: list[str]) -> pictures.Picture:
    """Maps of one image before and after an activation, one above the other on one scale, with a caption.

    Args:
        before, after: (channels, height, width).
        lines: the caption; a line on channels and scale is added.

    Returns:
        uint8 of shape (height, width, 3).
    """
    channels, height, _ = after.shape  # a gate returns fewer than it receives
    shown, columns, side = (CHANNELS, COLUMNS, SIDE) if height > 1 else (UNITS, UNITS_IN_A_ROW, UNIT_SIDE)
    high, places = scale_of(before, after), chosen(channels, shown)
    rows = [
        (label, pictures.grid(tiles(values[places], high), columns=columns, zoom=math.ceil(side / height), gap=4))
        for label, values in (("before", before), ("after", after))
    ]
    scale = f"{len(places)} of {channels} channels; -{high:.3g} black, 0 grey, {high:.3g} white"
    return pictures.caption(pictures.labelled_rows(rows, size=20, gap=16), [*lines, scale], size=20)
