"""Ours against torch.nn: time and memory, measured so that neither the order nor a noisy machine decides.

All variants of one round run directly after each other, in an order that is drawn anew for every round, and only ratios
within a round are compared: what disturbs a whole round disturbs both sides of its ratio.
"""

import math
import platform
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nonlin.activations import Activation, ActivationModule
from nonlin.activations.layers import chain, values
from nonlin.activations.learned import PReLU
from nonlin.lab.networks import threads

SHAPES = ((256, 512), (64, 64, 32, 32))  # 0.5 and 16 MiB in float32: one fits into a processor's cache, one does not
TARGETS = {(256, 512): 1.15, (64, 64, 32, 32): 1.25}  # geometric mean of ours / torch.nn, forward and backward
WARM_UP = 2  # rounds that are not counted: the first calls pay for allocation and for torch's own set-up


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One activation at one shape.

    Args:
        name: the activation's.
        forward, both: ours / torch.nn, of the time of forward alone, and of forward and backward.
        compiled: ours through ``torch.compile`` / torch.nn, of forward and backward; None where it was not asked for.
        copies, their_copies: forward and backward, ours and torch.nn's, in copies of the tensor: the floor is one copy
            for each of the two passes, since each writes a result.
        milliseconds: of our forward and backward.
    """

    name: str
    forward: Spread
    both: Spread
    compiled: Spread | None
    copies: Spread
    their_copies: Spread
    milliseconds: Spread


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles.

    Args:
        values: at least two numbers.
    """
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def rounds(variants: Sequence[str], repeats: int) -> Iterator[list[str]]:
    """The variants, as often as asked, in an order that is drawn anew for each round.

    So nobody is always first, and nobody always follows the same other, whose memory it would get.
    """
    draw = random.Random(0)
    for _ in range(repeats):
        yield draw.sample(list(variants), len(variants))


def compare(
    activation: Activation,
    shape: tuple[int, ...],
    *,
    against: Callable[[], nn.Module] | None = None,
    repeats: int = 20,
    number_of_threads: int = 1,
    compiled: bool = False,
) -> Timing:
    """Time one activation and its counterpart in ``torch.nn``, or another module, side by side.

    Args:
        activation: a record.
        shape: of the float32 input, drawn from N(0, 1).
        against: makes what to compare with, ``nn.ReLU`` for instance; by default the record's counterpart, which a
            record of one's own need not have.
        repeats: rounds that count, at least 2.
        number_of_threads: that torch may use.
        compiled: whether to time ours through ``torch.compile`` as well, which needs a C++ compiler.

    Raises:
        ValueError: for an activation without a counterpart and nothing to compare with, or fewer than two repeats.
    """
    if activation.torch_module is None and against is None:
        raise ValueError(
            f"{activation.name} has no counterpart in torch.nn: say what to compare with, against=nn.ReLU for instance."
        )
    if repeats < 2:
        raise ValueError(f"{activation.name}: the benchmark needs at least 2 repeats.")
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    gradient = torch.ones(shape)
    functions = {
        "ours": _ours(activation),
        "theirs": against() if against else _counterpart(activation),
    }
    if compiled:
        torch.compiler.reset()  # what was compiled for other activations counts towards a limit
        functions["compiled"] = torch.compile(_ours(activation))
    times: dict[str, list[tuple[float, float]]] = {variant: [] for variant in (*functions, "copy")}
    settle_allocator()
    with threads(number_of_threads):
        for order in rounds(list(times), WARM_UP + repeats):
            for variant in order:
                times[variant].append(_time(functions.get(variant), x, gradient))
    return _timing(activation.name, {variant: measured[WARM_UP:] for variant, measured in times.items()})


def settle_allocator() -> None:
    """Let the C library keep freed memory, so that no variant pays for the pages that the one before it gave back.

    glibc hands large blocks back to the system until it has seen such a block freed once; 32 MiB is its limit.
    """
    torch.empty(30 * 2**20, dtype=torch.uint8)


def _time(function: Callable[[Tensor], Tensor] | None, x: Tensor, gradient: Tensor) -> tuple[float, float]:
    """Seconds of forward, and of forward and backward; without a function, of a copy."""
    start = perf_counter()
    y = x.detach().clone() if function is None else function(x)
    middle = perf_counter()
    if function is not None:
        # A learned slope's gradient is a part of the work, in both.
        torch.autograd.grad(y, [x, *getattr(function, "parameters", list)()], gradient)
    return middle - start, perf_counter() - start


def _timing(name: str, times: dict[str, list[tuple[float, float]]]) -> Timing:
    def ratio(variant: str, reference: str, what: int = 1) -> Spread:
        return spread([a[what] / b[what] for a, b in zip(times[variant], times[reference], strict=True)])

    return Timing(
        name=name,
        forward=ratio("ours", "theirs", 0),
        both=ratio("ours", "theirs"),
        compiled=ratio("compiled", "theirs") if "compiled" in times else None,
        copies=ratio("ours", "copy"),
        their_copies=ratio("theirs", "copy"),
        milliseconds=spread([1000 * both for _, both in times["ours"]]),
    )


def geometric_mean(timings: Sequence[Timing]) -> float:
    """Of the median ratios of forward and backward."""
    return math.exp(statistics.fmean(math.log(timing.both.median) for timing in timings))


class _Steps(TorchFunctionMode):
    """Counts the operations of torch that fill a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.count += isinstance(result, Tensor) and result.dim() > 0 and "empty" not in function.__name__
        return result


def passes(record: Activation) -> tuple[int, int]:
    """How many times forward, and then backward, goes over memory: what an activation costs on any processor.

    One is the least, and torch.nn's own, in C++, mostly reach it.
    """
    x, gradient = torch.linspace(-1, 1, 8), torch.ones(8)
    saved = values(record, x) if record.keeps_output() else x
    with _Steps() as forward:
        values(record, x)
    with _Steps() as backward:
        chain(record, gradient, saved)
    return forward.count, backward.count


def kept_bytes(network: nn.Module, x: Tensor) -> int:
    """Bytes that forward keeps for backward, each piece of memory counted once, parameters left out.

    Args:
        network: any module.
        x: its input.
    """
    kept: dict[int, int] = {}
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        y = network(x)  # held until the end, so that no storage is freed and its address used again
        return sum(kept.values()) if y is not None else 0


def margin(make: Callable[[], nn.Module]) -> float:
    """Bytes per element that an activation adds to what convolutions keep around it.

    The network is convolution, activation, convolution; the second convolution keeps its input, which is the
    activation's output, in any case.

    Args:
        make: makes the activation.
    """
    x = torch.randn(2, 4, 16, 16)
    first, last = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    without = kept_bytes(nn.Sequential(first, last), x)
    return (kept_bytes(nn.Sequential(first, make(), last), x) - without) / x.numel()


def machine(number_of_threads: int) -> str:
    """What the figures hold for: processor, threads, versions."""
    processor = platform.processor() or platform.machine()
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"torch {torch.__version__}, {platform.system()} on {processor} ({capability}), {number_of_threads} thread(s)"
    )


def time_table(shape: tuple[int, ...], timings: Sequence[Timing]) -> str:
    """The ratios at one shape, median [quartiles], with their geometric mean beside the target."""
    lines = [f"{shape} float32: ours / torch.nn, then forward + backward in copies of the tensor (floor: 2)", ""]
    compiled = any(t.compiled for t in timings)
    columns = ["forward", "forward + backward", *(["compiled, both"] if compiled else []), "ours, copies"]
    lines.append(f"{'':12}{''.join(f'{column:20}' for column in columns)}{'torch.nn, copies':20}ours, ms")
    for t in timings:
        spreads = [t.forward, t.both, *([t.compiled] if compiled else []), t.copies, t.their_copies]
        lines.append(f"{t.name:12}{''.join(f'{s!s:20}' for s in spreads)}{t.milliseconds.median:.2f}")
    clearly_faster = sum(timing.both.high < 1 for timing in timings)
    lines += [
        f"geometric mean of forward + backward: {geometric_mean(timings):.2f} (target: at most {TARGETS[shape]})",
        f"largest: {max(t.both.median for t in timings):.2f} (target: at most 2); upper quartile below 1: "
        f"{clearly_faster} of {len(timings)} (target: at least 8)",
    ]
    return "\n".join(lines)


def memory_table(records: Sequence[Activation]) -> str:
    """What each activation keeps, alone and between two convolutions besides what those keep, in bytes per element."""
    x = torch.randn(64, requires_grad=True)
    rows = {}
    for record in records:
        makers = [lambda record=record: _ours(record), lambda record=record: _counterpart(record)]
        rows[record.name] = [*(kept_bytes(make(), x) / len(x) for make in makers), *map(margin, makers)]
    lines = [
        "kept for backward, bytes per float32 element: alone, then between two convolutions besides what those keep",
        f"{'':12} {'ours':>6} {'torch.nn':>8}   {'ours':>6} {'torch.nn':>8}",
    ]
    lines += [f"{name:12} {a:6g} {b:8g}   {c:6g} {d:8g}" for name, (a, b, c, d) in rows.items()]
    a, b, c, d = (statistics.fmean(column) for column in zip(*rows.values(), strict=True))
    lines.append(f"{'mean':12} {a:6.2f} {b:8.2f}   {c:6.2f} {d:8.2f} (target: at most 0.4 of torch's)")
    return "\n".join(lines)


def _ours(record: Activation) -> nn.Module:
    # torch's counterpart of the record of PReLU learns its slope, and so must ours.
    return PReLU() if record.name == "prelu" else ActivationModule(record)


def _counterpart(record: Activation) -> nn.Module:
    return record.torch_module(**record.parameters)
