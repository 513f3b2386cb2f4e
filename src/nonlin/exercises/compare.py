"""Is what an answer gives what was expected? If not, the first difference in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nonlin.exercises.exercise import BY_AUTOGRAD, Probe
from nonlin.exercises.plain import kind_of


def difference(probes: Sequence[Probe], results: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """The first difference between plain results in words, or None.

    Args:
        probes: whose labels the results bear, for their tolerances.
        results: what an answer gave, by label.
        expected: what it should have given.
    """
    of = {label: probe for probe in probes for label in (probe.label, f"{probe.label}{BY_AUTOGRAD}")}
    for label, wanted in expected.items():
        if label not in results:
            return f"{label}: nothing came back."
        probe = of.get(label)
        elementwise = probe is not None and _like_an_argument(wanted, probe)
        if said := _compare(results[label], wanted, probe.tolerance if probe else 0.0, elementwise):
            return f"{label}: {said}"
    if extra := [label for label in results if label not in expected]:
        return f"{extra[0]} is not what was passed: your function changes its argument in place."
    return None


def _like_an_argument(wanted: Any, probe: Probe) -> bool:
    """Whether a result has the shape of what went in: then its dtype is that of the input, else any float will do."""
    shapes = [argument.shape for argument in probe.arguments if isinstance(argument, Tensor)]
    return isinstance(wanted, Tensor) and wanted.ndim > 0 and wanted.shape in shapes


def _compare(got: Any, wanted: Any, tolerance: float, elementwise: bool = False) -> str | None:
    if isinstance(wanted, tuple):
        return _compare_tuples(got, wanted, tolerance)
    if not isinstance(wanted, Tensor):
        return _compare_numbers(got, wanted)
    if wanted.ndim == 0 and type(got) in (bool, int, float):
        got = torch.as_tensor(got, dtype=wanted.dtype)
    if not isinstance(got, Tensor):
        return f"a tensor is expected, not {kind_of(got)}."
    if got.shape != wanted.shape:
        single = "" if wanted.ndim else ", a single number without a dimension"
        return f"the shape is {tuple(got.shape)}, expected {tuple(wanted.shape)}{single}."
    if got.dtype != wanted.dtype and (elementwise or not (got.is_floating_point() and wanted.is_floating_point())):
        return f"the dtype is {got.dtype}, expected {wanted.dtype}."
    if got.device != wanted.device:
        return "a plain, dense tensor in the processor's memory is expected."
    said = _compare_values(got, wanted, tolerance)
    coarser = got.dtype.itemsize < wanted.dtype.itemsize
    return f"{said[:-1]}; the dtype is {got.dtype}, not {wanted.dtype}." if said and coarser else said


def _compare_tuples(got: Any, wanted: tuple, tolerance: float) -> str | None:
    if isinstance(got, Tensor) and got.ndim == 1 and len(got) == len(wanted) and not got.is_meta:
        got = tuple(got)
    if not isinstance(got, tuple | list) or len(got) != len(wanted):
        return f"{len(wanted)} values are expected, in a tuple."
    return next((said for pair in zip(got, wanted, strict=True) if (said := _compare(*pair, tolerance))), None)


def _compare_numbers(got: Any, wanted: Any) -> str | None:
    if isinstance(got, Tensor):
        if got.numel() != 1:
            return f"one value is expected, not a tensor of shape {tuple(got.shape)}."
        if not got.is_meta and isinstance(wanted, bool | int | float):
            got = bool(got) if isinstance(wanted, bool) else got.item()
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        try:
            value = float(got)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            value = None
        if value is None or (value != value and not isinstance(got, float)):
            return f"a number is expected, not {kind_of(got)}."
        return None if abs(value - wanted) <= 1e-4 * max(1.0, abs(wanted)) else f"{got} is not right."
    if not isinstance(got, type(wanted)):
        return f"an answer of type {type(wanted).__name__} is expected, not {kind_of(got)}."
    return None if got == wanted else f"{got!r} is not right."


def _compare_values(got: Tensor, wanted: Tensor, tolerance: float) -> str | None:
    # A few roundings are allowed, relative to the value, so that a tail that was flushed to zero is seen.
    roundings = 64 * torch.finfo(wanted.dtype).eps if wanted.is_floating_point() else 0
    close = torch.isclose(got.double(), wanted.double(), rtol=roundings, atol=max(tolerance, 1e-38), equal_nan=True)
    if close.all():
        return None
    place = tuple((~close).nonzero()[0].tolist())
    where = f" at index {place if len(place) > 1 else place[0]}" if place else ""
    return "{}{where}, expected {}.".format(*tell_apart(got[place].item(), wanted[place].item()), where=where)


def tell_apart(a: float, b: float, digits: int = 6) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, at least ``digits``."""
    pairs = ((f"{a:.{digits}g}", f"{b:.{digits}g}") for digits in range(digits, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(a), repr(b)))
