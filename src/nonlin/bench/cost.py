"""Ours against torch.nn: time and memory, measured so that neither the order nor a noisy machine decides.

All variants of one round run directly after each other, in an order that is drawn anew for every round, and only ratios
within a round are compared: what disturbs a whole round disturbs both sides of its ratio.
"""

import math
import platform
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nonlin.activations import Activation, ActivationModule, fast, learned
from nonlin.activations.explicit import Explicit
from nonlin.activations.layers import RECORD, chain, values
from nonlin.activations.learned import PReLU
from nonlin.lab.networks import device_name, threads

# In float32 0.5 and 16 MiB, then 16 and 256: for each kind of processor, one fits into its cache, and one does not.
SHAPES = {"cpu": ((256, 512), (64, 64, 32, 32)), "cuda": ((64, 64, 32, 32), (256, 64, 64, 64))}
TARGET, LARGEST = 1.0, 1.25  # of ours / torch.nn, forward and backward, by compiled kernels: geometric mean, and each
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
        inference: ours / torch.nn, of forward where nothing is kept for a backward.
        in_place: ours / torch.nn, of forward and backward, both written over their input; None where torch.nn has none.
        compiled: ours through ``torch.compile`` / torch.nn, of forward and backward; None where it was not asked for.
        forms: each of our forms / torch.nn, of forward and backward, by its name; empty where they were not asked for.
        copies, their_copies: forward and backward, ours and torch.nn's, in copies of the tensor: the floor is one copy
            for each of the two passes, since each writes a result.
        milliseconds: of our forward and backward.
    """

    name: str
    forward: Spread
    both: Spread
    inference: Spread
    in_place: Spread | None
    compiled: Spread | None
    forms: Mapping[str, Spread]
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
    forms: bool = False,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Timing:
    """Time one activation and its counterpart in ``torch.nn``, or another module, side by side.

    Args:
        activation: a record.
        shape: of the input, drawn from N(0, 1).
        against: makes what to compare with, ``nn.ReLU`` for instance; by default the record's counterpart, which a
            record of one's own need not have.
        repeats: rounds that count, at least 2.
        number_of_threads: that torch may use.
        compiled: whether to time ours through ``torch.compile`` as well, which needs a C++ compiler.
        forms: whether to time each of our forms: formula and derivative as written, the fast form in Python, and the
            compiled kernels, or on a graphics processor Triton's, where they are.
        dtype: of the input.
        device: ``"cpu"`` or ``"cuda"``, where each time ends when the processor has finished.

    Raises:
        ValueError: for an activation without a counterpart and nothing to compare with, or fewer than two repeats.
    """
    if activation.torch_module is None and against is None:
        raise ValueError(
            f"{activation.name} has no counterpart in torch.nn: say what to compare with, against=nn.ReLU for instance."
        )
    if repeats < 2:
        raise ValueError(f"{activation.name}: the benchmark needs at least 2 repeats.")
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype).requires_grad_()
    gradient = torch.ones_like(x)
    ours, theirs = (
        module.to(device, dtype) for module in (_ours(activation), against() if against else _counterpart(activation))
    )
    functions = {"ours": ours, "theirs": theirs}
    if forms:
        functions |= _forms(ours, device)
    if compiled:
        torch.compiler.reset()  # what was compiled for other activations counts towards a limit
        functions["compiled"] = torch.compile(_ours(activation).to(device, dtype))
    calls = {variant: partial(_time, function, x, gradient) for variant, function in functions.items()}
    calls |= {"copy": partial(_time_copy, x)}
    calls |= {f"{who}, inference": partial(_time_inference, f, x) for who, f in (("ours", ours), ("theirs", theirs))}
    if activation.takes_inplace and against is None:
        overwriting = {
            "ours": ActivationModule(activation, inplace=True),
            "theirs": _counterpart(activation, inplace=True),
        }
        calls |= {f"{who}, in place": partial(_time, f, x, gradient, overwrites=True) for who, f in overwriting.items()}
    times: dict[str, list[tuple[float, float]]] = {variant: [] for variant in calls}
    settle_allocator()
    with threads(number_of_threads):
        for order in rounds(list(times), WARM_UP + repeats):
            for variant in order:
                with fast.using(variant == KERNELS) if variant in {WRITTEN, IN_PYTHON, KERNELS} else nullcontext():
                    times[variant].append(calls[variant]())
    return _timing(activation.name, {variant: measured[WARM_UP:] for variant, measured in times.items()})


WRITTEN, IN_PYTHON, KERNELS, TRITON = FORMS = ("as written", "in Python", "compiled kernels", "Triton")


def _forms(ours: nn.Module, device: str) -> dict[str, Callable[[Tensor], Tensor]]:
    functions = {WRITTEN: _Written(ours), IN_PYTHON: ours}
    if device == "cuda":
        return functions | ({TRITON: ours} if fast.gpu.in_use() else {})
    return functions | ({KERNELS: ours} if kernels_are_there() else {})


def kernels_are_there() -> bool:
    """Whether the compiled kernels can be timed."""
    try:
        with fast.using(True):
            return True
    except fast.KernelsError:
        return False


class _Written(nn.Module):
    """One of our layers by its formula and its derivative as they are written, without fast forms."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, PReLU):
            return _unhurried(learned.PRELU)(x, self.layer.weight)
        return _unhurried(RECORD)(x, constants=(self.layer.activation, *self.layer.activation.default_values))


def _unhurried(explicit: Explicit) -> Explicit:
    return replace(explicit, fast_value=None, fast_pullback=None)


def settle_allocator() -> None:
    """Let the C library keep freed memory, so that no variant pays for the pages that the one before it gave back.

    glibc hands large blocks back to the system until it has seen such a block freed once; 32 MiB is its limit.
    """
    torch.empty(30 * 2**20, dtype=torch.uint8)


def _time(
    function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor, *, overwrites: bool = False
) -> tuple[float, float]:
    """Seconds of forward, and of forward and backward."""
    given = x.clone() if overwrites else x
    start = perf_counter()
    y = function(given)
    _finish(x)
    middle = perf_counter()
    # A learned slope's gradient is a part of the work, in both.
    torch.autograd.grad(y, [x, *getattr(function, "parameters", list)()], gradient)
    _finish(x)
    return middle - start, perf_counter() - start


def _time_inference(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float]:
    with torch.inference_mode():
        return _seconds(lambda: function(x))


def _time_copy(x: Tensor) -> tuple[float, float]:
    return _seconds(x.detach().clone)


def _finish(x: Tensor) -> None:
    """Wait for a graphics processor, which is only told what to do."""
    if x.is_cuda:
        torch.cuda.synchronize(x.device)


def _seconds(work: Callable[[], Tensor]) -> tuple[float, float]:
    start = perf_counter()
    made = work()  # held, so that giving its memory back is not timed
    _finish(made)
    passed = perf_counter() - start
    del made
    return passed, passed


def _timing(name: str, times: dict[str, list[tuple[float, float]]]) -> Timing:
    def ratio(variant: str, reference: str, what: int = 1) -> Spread:
        return spread([a[what] / b[what] for a, b in zip(times[variant], times[reference], strict=True)])

    return Timing(
        name=name,
        forward=ratio("ours", "theirs", 0),
        both=ratio("ours", "theirs"),
        inference=ratio("ours, inference", "theirs, inference"),
        in_place=ratio("ours, in place", "theirs, in place") if "ours, in place" in times else None,
        compiled=ratio("compiled", "theirs") if "compiled" in times else None,
        forms={form: ratio(form, "theirs") for form in FORMS if form in times},
        copies=ratio("ours", "copy"),
        their_copies=ratio("theirs", "copy"),
        milliseconds=spread([1000 * both for _, both in times["ours"]]),
    )


def geometric_mean(timings: Sequence[Timing], of: Callable[[Timing], Spread] = lambda timing: timing.both) -> float:
    """Of the median ratios of forward and backward, or of other ones."""
    return math.exp(statistics.fmean(math.log(of(timing).median) for timing in timings))


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


def machine(number_of_threads: int, device: str = "cpu") -> str:
    """What the figures hold for: processor, threads, versions."""
    processor = platform.processor() or platform.machine()
    where = f"{processor} ({torch.backends.cpu.get_cpu_capability()}), {number_of_threads} thread(s)"
    if device == "cuda":
        where = device_name(torch.device(device))
    return f"torch {torch.__version__}, {platform.system()} on {where}; ours: {fast.form()}"


def time_table(shape: tuple[int, ...], timings: Sequence[Timing]) -> str:
    """The ratios at one shape, median [quartiles], with their geometric mean beside the target."""
    lines = [f"{shape}: ours / torch.nn, then forward + backward in copies of the tensor (floor: 2)", ""]
    compiled = any(t.compiled for t in timings)
    columns = [
        "forward",
        "forward + backward",
        "in place, both",
        "inference",
        *(["compiled, both"] if compiled else []),
        "ours, copies",
    ]
    lines.append(f"{'':12}{''.join(f'{column:20}' for column in columns)}{'torch.nn, copies':20}ours, ms")
    for t in timings:
        spreads = [
            t.forward,
            t.both,
            t.in_place or "-",
            t.inference,
            *([t.compiled] if compiled else []),
            t.copies,
            t.their_copies,
        ]
        lines.append(f"{t.name:12}{''.join(f'{s!s:20}' for s in spreads)}{t.milliseconds.median:.2f}")
    clearly_faster = sum(timing.both.high < 1 for timing in timings)
    lines += [
        f"geometric mean of forward + backward: {geometric_mean(timings):.2f} (target: at most {TARGET:.2f})",
        f"largest: {max(t.both.median for t in timings):.2f} (target: at most {LARGEST}); upper quartile below 1: "
        f"{clearly_faster} of {len(timings)} (target: at least 8)",
    ]
    return "\n".join(lines)


def forms_table(shape: tuple[int, ...], timings: Sequence[Timing]) -> str:
    """Each of our forms / torch.nn, forward and backward, median [quartiles], with their geometric means."""
    forms = list(timings[0].forms)
    lines = [f"{shape}: forward + backward of each of our forms / torch.nn", ""]
    lines.append(f"{'':12}{''.join(f'{form:20}' for form in forms)}torch.nn, copies")
    for t in timings:
        lines.append(f"{t.name:12}{''.join(f'{t.forms[form]!s:20}' for form in forms)}{t.their_copies}")
    means = [geometric_mean(timings, lambda t, form=form: t.forms[form]) for form in forms]
    lines.append(f"{'mean':12}{''.join(f'{mean:<20.2f}' for mean in means)}(geometric)")
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


def _counterpart(record: Activation, **options: bool) -> nn.Module:
    return record.torch_module(**record.parameters, **options)
