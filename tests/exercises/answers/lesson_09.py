"""Answers to the exercises of lesson 09."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def grid_by_marks(low, high, bits):
    low, high = torch.tensor([low, high, 0.0], dtype=torch.float64).aminmax()
    scale = (high - low).item() / (2**bits - 1)
    return [scale, int(torch.round(-low / scale))]


def grid_by_ifs(low, high, bits):
    if low > 0:
        low = 0.0
    if high < 0:
        high = 0.0
    gaps = (1 << bits) - 1
    step = (high - low) / gaps
    return step, math.floor(-low / step + 0.5)


def grid_from_the_top(low, high, bits):
    top, bottom = max(0, high), min(0, low)
    scale = (top - bottom) / (2**bits - 1)
    return scale, 2**bits - 1 - round(top / scale)


def clip_by_loop(x, clips, bits):
    best, least = None, math.inf
    for clip in clips:
        scale = clip / (2**bits - 1)
        error = F.mse_loss((x.clamp(max=clip) / scale).round() * scale, x)
        if error < least:
            best, least = clip, error
    return best


def clip_by_table(x, clips, bits):
    ends = torch.tensor(clips)[:, None]
    scale = ends / (2**bits - 1)
    errors = (scale * (torch.minimum(x, ends) / scale).round() - x).square().sum(dim=1)
    return clips[errors.argmin().item()]


def dot_in_python(a, b, scale_a, zero_a, scale_b, zero_b):
    return scale_a * scale_b * sum((p - zero_a) * (q - zero_b) for p, q in zip(a.tolist(), b.tolist(), strict=True))


def dot_of_values(a, b, scale_a, zero_a, scale_b, zero_b):
    return torch.dot(scale_a * (a.double() - zero_a), scale_b * (b.double() - zero_b))


def clip_by_relu_in_numpy(x, clips, bits):
    def error(clip):
        scale = clip / (2**bits - 1)
        clipped = (x - F.relu(x - clip)).numpy()
        return np.mean((np.round(clipped / scale) * scale - x.numpy()) ** 2)

    return clips[int(np.argmin([error(clip) for clip in clips]))]


RIGHT = {
    "09.1": [
        grid_by_marks,
        grid_by_ifs,
        grid_from_the_top,
        lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / (2**bits - 1)), round(-min(low, 0) / s)),
        lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / (2**bits - 1)), round(abs(min(low, 0)) / s)),
    ],
    "09.2": [
        clip_by_loop,
        clip_by_table,
        lambda x, clips, bits: clip_by_table(x.double(), clips, bits),
        clip_by_relu_in_numpy,
        lambda x, clips, bits: sorted(
            clips, key=lambda c: ((x / c * (2**bits - 1)).round().clamp(max=2**bits - 1) * c / (2**bits - 1) - x).norm()
        )[0],
        lambda x, clips, bits: torch.tensor(clip_by_loop(nn.Parameter(x), clips, bits)),
        lambda x, clips, bits: min(
            clips,
            key=lambda c: F.mse_loss(F.relu6(6 * x / c).mul((2**bits - 1) / 6).round() * c / (2**bits - 1), x).item(),
        ),
        lambda x, clips, bits: clip_by_table(x - F.threshold(x - 24, 0, 0), clips, bits),
        lambda x, clips, bits: min(
            clips,
            key=lambda c: (
                ((F.hardsigmoid(6 * x / c - 3) * (2**bits - 1)).round() * c / (2**bits - 1) - x).square().sum()
            ),
        ),
    ],
    "09.3": [
        lambda x: x * F.relu6(x + 3) / 6,
        lambda x: x * nn.ReLU6()(3 + x) * (1 / 6),
        lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
        lambda x: x * (F.relu(x + 3) - F.relu(x - 3)) / 6,
        lambda x: torch.mul(x, (x / 6 + 0.5).clamp(0, 1)),
        lambda x: x * F.hardtanh(x + 3, 0.0, 6.0) / 6,
        lambda x: x * torch.minimum(torch.maximum(x + 3, torch.zeros_like(x)), torch.full_like(x, 6)) / 6,
        lambda x: x * x.add(3).clip(min=0, max=6).div(6),
        lambda x: torch.stack([v * (v + 3).clamp(0, 6) / 6 for v in x.reshape(-1)]).reshape(x.shape),
        lambda x: torch.addcdiv(x * 0, x * F.relu6(x + 3), torch.full_like(x, 6)),
        lambda x: x * torch.fmin(torch.fmax(x + 3, x.new_zeros(())), x.new_full((), 6)) / 6,
        lambda x: x * (1 - F.relu(1 - F.relu(x + 3) / 6)),
        lambda x: torch.diff(F.relu(torch.stack([x - 3, x + 3])), dim=0)[0] * x / 6,
        lambda x: (x.double() * (x.double() + 3).clamp(0, 6) / 6).to(x.dtype),
    ],
    "09.4": [
        dot_in_python,
        dot_of_values,
        lambda a, b, sa, za, sb, zb: sa * sb * ((a.int() - za) * (b.int() - zb)).sum().item(),
        lambda a, b, sa, za, sb, zb: sa * sb * torch.dot(a.long() - za, b.long() - zb).item(),
        lambda a, b, sa, za, sb, zb: float(sa * sb * ((a.numpy().astype(int) - za) @ (b.numpy().astype(int) - zb))),
        lambda a, b, sa, za, sb, zb: ((sa * (a.float() - za)) * (sb * (b.float() - zb))).sum().item(),
    ],
}
WRONG = {
    "09.1": [
        (lambda low, high, bits: ((high - low) / 2**bits, round(low / ((high - low) / 2**bits))), "three bugs"),
        (lambda low, high, bits: ((s := (high - low) / (2**bits - 1)), round(-low / s)), "Stretch the range to hold 0"),
        (lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / 2**bits), round(-min(low, 0) / s)), "gaps"),
        (lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / (2**bits - 1)), int(-min(low, 0) / s)), "cuts"),
        (lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / (2**bits - 1)), -min(low, 0) / s), "round it"),
        (
            lambda low, high, bits: ((s := (max(high, 0) - min(low, 0)) / (2**bits - 1)), round(min(low, 0) / s)),
            "not negative",
        ),
    ],
    "09.2": [
        (lambda x, clips, bits: max(clips), "counted the clipping alone"),
        (lambda x, clips, bits: clips.index(clip_by_loop(x, clips, bits)), "place in the list"),
        (lambda x, clips, bits: x.max().item(), "largest output"),
        (
            lambda x, clips, bits: min(
                clips, key=lambda c: ((x.clamp(max=c) / c * (2**bits - 1)).round() * c / (2**bits - 1) - x).abs().mean()
            ),
            "absolute errors",
        ),
        (
            lambda x, clips, bits: min(
                clips, key=lambda c: ((x.clamp(max=c) / c * (2**bits - 1)).round() * c / (2**bits - 1) - x).abs().max()
            ),
            "largest error small",
        ),
        (
            lambda x, clips, bits: min(
                clips, key=lambda c: c**2 / 12 / (2**bits - 1) ** 2 + F.relu(x - c).square().mean()
            ),
            "charges the zeros",
        ),
        (
            lambda x, clips, bits: min(
                clips,
                key=lambda c: (
                    (x > 0).double().mean() * c * c / 12 / (2**bits - 1) ** 2 + (x - c).clamp(min=0).square().mean()
                ),
            ),
            "likely",
        ),
        (
            lambda x, clips, bits: min(
                clips,
                key=lambda c: F.mse_loss(
                    (x / c * (2**bits - 1)).round().clamp(0, 2**bits) * c / (2**bits - 1), x
                ).item(),
            ),
            "one too many",
        ),
    ],
    "09.3": [
        (lambda x: F.relu6(x + 3) / 6, "Hardsigmoid"),
        (lambda x: x * F.relu6(x) / 6, "shut at 0"),
        (lambda x: x * F.relu6(x + 3), "Divide by 6"),
        (lambda x: x * (x + 3) / 6, "stop at 0"),
        (lambda x: x * F.relu6((x + 3) / 6), "too early"),
        (F.hardswish, "write it yourself"),
    ],
    "09.4": [
        (lambda a, b, sa, za, sb, zb: sa * sb * ((a - za) * (b - zb)).sum().item(), "no room"),
        (lambda a, b, sa, za, sb, zb: sa * sb * ((a.short() - za) * (b.short() - zb)).sum().item(), "int16"),
        (lambda a, b, sa, za, sb, zb: sa * sb * ((a - za).int() * (b - zb).int()).sum().item(), "too late"),
        (lambda a, b, sa, za, sb, zb: sa * sb * (a.int() * b.int()).sum().item(), "product of the codes"),
        (lambda a, b, sa, za, sb, zb: ((a.int() - za) * (b.int() - zb)).sum().item(), "units of"),
        (lambda a, b, sa, za, sb, zb: sa * sb * ((a.int() - za) * (b - zb)).sum().item(), "Widen both"),
    ],
}
