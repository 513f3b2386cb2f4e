"""The numbers that a network computes with: float32, or bfloat16 where that is faster."""

import copy
import statistics
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PRECISIONS = ("float32", "bfloat16", "auto")
WORTH_IT = 1.1  # bfloat16 rounds to 3 digits: for less than a tenth of the time, it is not chosen
ROUNDS = 9  # of the timing, if the time allows
LIMIT = 2.0  # seconds after which the timing starts no further round


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What a training computes with, and why.

    Args:
        name: ``"float32"`` or ``"bfloat16"``.
        reason: in words, for a table.
    """

    name: str
    reason: str


def autocast(name: str, device: torch.device) -> AbstractContextManager:
    """In bfloat16, forward passes in this block convert what goes into convolutions and matrix products.

    Weights, gradients of weights and sums stay float32.

    Args:
        name: ``"float32"``, with which nothing changes, or ``"bfloat16"``.
        device: where the network is.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=name == "bfloat16")


def decide(requested: str, model: nn.Module, x: Tensor, target: Tensor) -> Precision:
    """What to train a network with.

    "auto" times forward and backward passes of a copy of the network, for about two seconds at most, and takes bfloat16
    only where it is at least 1.1 times as fast as float32: on processors with AMX or AVX512-bf16 and on graphics
    processors, but not elsewhere, and not for every network. Two runs on one machine may decide differently if it is
    close.

    Args:
        requested: one of ``PRECISIONS``.
        model: on its device; left as it is.
        x, target: one batch, (n, 3, 32, 32) and (n,).

    Raises:
        ValueError: for an unknown precision.
    """
    if requested not in PRECISIONS:
        raise ValueError(f"there is no precision {requested!r}: choose one of {', '.join(PRECISIONS)}.")
    if requested != "auto":
        return Precision(name=requested, reason="as asked")
    ratio = speed_of_bfloat16(model, x, target)
    name = "bfloat16" if ratio >= WORTH_IT else "float32"
    return Precision(name=name, reason=f"automatic: bfloat16 is {ratio:.2f} times as fast as float32 here")


def speed_of_bfloat16(model: nn.Module, x: Tensor, target: Tensor) -> float:
    """Time in float32 / time in bfloat16 of forward and backward: the median over rounds in which both take turns."""
    model, names = copy.deepcopy(model).train(), ("float32", "bfloat16")
    with torch.random.fork_rng():  # layers that draw, such as RReLU
        started = perf_counter()
        for name in names:  # the first pass pays for preparations
            _seconds(name, model, x, target)
        ratios = []
        while not ratios or (len(ratios) < ROUNDS and perf_counter() - started < LIMIT):
            order = names if len(ratios) % 2 else names[::-1]
            times = {name: _seconds(name, model, x, target) for name in order}
            ratios.append(times["float32"] / times["bfloat16"])
    return statistics.median(ratios)


def _seconds(name: str, model: nn.Module, x: Tensor, target: Tensor) -> float:
    started = perf_counter()
    with autocast(name, x.device):
        logits = model(x)
    F.cross_entropy(logits.float(), target).backward()
    if x.device.type != "cpu":
        torch.accelerator.synchronize()
    return perf_counter() - started
