"""Answers of learners to the exercises of lesson 02."""

import math

import numpy as np
import torch
from torch.nn import functional as F


def coefficients_by_loop(w, b, v):
    c = [0.0, 0.0, 0.0]
    for wk, bk, vk in zip(w.tolist(), b.tolist(), v.tolist(), strict=True):
        c = [c[0] + vk * bk**2, c[1] + 2 * vk * wk * bk, c[2] + vk * wk**2]
    return c


def coefficients_by_values(w, b, v):
    def f(x):
        return (v * (w * x + b) ** 2).sum()

    return f(0), (f(1) - f(-1)) / 2, (f(1) + f(-1)) / 2 - f(0)


def coefficients_by_matrix(w, b, v):
    terms = torch.stack([b * b, 2 * w * b, w * w])
    return tuple(terms @ v)


def kink_by_cases(left, right):
    if left > right:
        left, right = right, left
    if left > 0:
        return left
    return right if right < 0 else 0.0


def kink_by_sign(left, right):
    return 0.0 if left * right <= 0 else math.copysign(min(abs(left), abs(right)), left)


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        soft = torch.sigmoid(x)
        ctx.save_for_backward(soft)
        return torch.where(x > 0, 1.0, 0.0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (soft,) = ctx.saved_tensors
        return gradient * soft * (1 - soft)


def step_without_grad(x):
    soft = torch.sigmoid(x)
    with torch.no_grad():
        difference = (x > 0).to(x.dtype) - soft
    return soft + difference


def condition_by_random_places(f):
    x = torch.rand(2000, dtype=torch.float64) * 20 - 10
    slope = (f(x + 0.05) - f(x)) / 0.05
    if slope.max() - slope.min() < 1e-6:
        return "affine"
    if slope.abs().median() == 0 and (slope != 0).double().mean() < 0.01:
        return "flat"
    for end in (-1.0, 1.0):
        far = [f(torch.tensor(end * size, dtype=torch.float64)).abs().item() for size in (10, 100)]
        if not far[1] <= 15 * far[0] + 1:
            return "fast"
    return "none"


def condition_by_numpy(f):
    x = np.linspace(-100, 100, 100_001)
    y = f(torch.from_numpy(x)).numpy()
    slopes = np.diff(y) / np.diff(x)
    if np.ptp(slopes) < 1e-6:
        return "affine"
    if np.mean(slopes == 0) > 0.9995:
        return "flat"
    return "fast" if abs(y).max() > 1000 else "none"


def condition_by_second_differences(f):
    x = torch.arange(-20, 20, 0.01, dtype=torch.float64)
    y = f(x)
    if (y.diff(n=2).abs() < 1e-9).all():
        return "affine"
    if (y.diff() != 0).sum() <= 2:
        return "flat"
    grown = f(torch.tensor([-1e8, 1e8], dtype=torch.float64)).abs() / 1e8
    return "fast" if (grown > 100).any() else "none"


def condition_by_ratio(f):
    t = torch.linspace(-8, 8, 5001, dtype=torch.float64)
    d = torch.gradient(f(t), spacing=(t,))[0]
    if torch.allclose(d, d[0].expand_as(d), atol=1e-6):
        return "affine"
    if (d.abs() > 1e-9).sum() < 10:
        return "flat"
    one, two = f(10 * t[[0, -1]]), f(20 * t[[0, -1]])
    return "none" if (two.abs() <= 2.5 * one.abs() + 10).all() else "fast"


def condition_by_name(f):
    with torch.no_grad():
        x = torch.linspace(-6, 6, 601).double()
        slopes = f(x)[1:] - f(x)[:-1]
        far = f(torch.tensor([-700.0, 700.0]).double()).abs().max().item()
    verdicts = {
        "affine": bool((slopes - slopes[0]).abs().max() < 1e-6),
        "flat": int((slopes != 0).sum()) <= 1,
        "fast": far > 10_000,
        "none": True,
    }
    return next(name for name, holds in verdicts.items() if holds)


def fast_if(far):
    """Right but for what is called fast: all for whose far values ``far`` says so."""

    def condition(f):
        said = condition_by_second_differences(f)
        return (
            said
            if said in ("affine", "flat")
            else "fast"
            if far(lambda x: f(torch.tensor(x).double()).abs())
            else "none"
        )

    return condition


def fast_upwards(*, left, right):
    """Looks far out on both sides, and takes sizes on those named alone."""

    def condition(f):
        y = f(torch.tensor([-100.0, -10.0, 10.0, 100.0]).double())
        far = (y[0].abs() if left else y[0], y[3].abs() if right else y[3])
        fast = far[0] > 20 * y[1].abs() + 20 or far[1] > 20 * y[2].abs() + 20
        said = condition_by_second_differences(f)
        return said if said in ("affine", "flat") else "fast" if fast else "none"

    return condition


def flat_if_most_are_0(f):
    x = torch.linspace(-100, 100, 20_001, dtype=torch.float64)
    mostly = (f(x).diff() == 0).double().mean() > 0.95
    return "flat" if mostly and len(f(x).unique()) > 1 else condition_by_second_differences(f)


def soft(x):
    return torch.sigmoid(x)


def hard(x):
    return (x > 0).to(x.dtype)


def right_alone(f):
    """Looks far out on the right only."""
    said, at = condition_by_ratio(f), torch.tensor([10.0, 100.0]).double()
    near, far = f(at).abs().tolist()
    return "none" if said == "fast" and far < 12 * near + 12 else said


RIGHT = {
    "02.1": [
        lambda w, b, v: ((v * b**2).sum(), (2 * v * w * b).sum(), (v * w**2).sum()),
        lambda w, b, v: (float(v @ b**2), float(2 * v @ (w * b)), float(v @ w**2)),
        lambda w, b, v: [torch.dot(v, b * b).item(), 2 * torch.dot(v, w * b).item(), torch.dot(v, w * w).item()],
        coefficients_by_loop,
        coefficients_by_values,
        coefficients_by_matrix,
    ],
    "02.2": [
        lambda left, right: max(min(left, right), min(max(left, right), 0.0)),
        lambda left, right: sorted([left, 0.0, right])[1],
        lambda left, right: float(np.clip(0.0, min(left, right), max(left, right))),
        lambda left, right: torch.tensor([left, right, 0.0]).median(),
        kink_by_cases,
        kink_by_sign,
    ],
    "02.3": [
        lambda x: soft(x) + (hard(x) - soft(x)).detach(),
        lambda x: hard(x) + soft(x) - soft(x).detach(),
        lambda x: hard(x).detach() - soft(x).detach() + soft(x),
        lambda x: soft(x) + (hard(x) - soft(x)).data,
        step_without_grad,
        Step.apply,
    ],
    "02.4": [
        lambda f, z: 1 / f(z).square().mean().sqrt(),
        lambda f, z: f(z).pow(2).mean().rsqrt(),
        lambda f, z: torch.sqrt(f(z).numel() / (f(z) ** 2).sum()),
        lambda f, z: (z.numel() ** 0.5) / f(z).norm(),
        lambda f, z: 1 / torch.sqrt(f(z).var(correction=0) + f(z).mean() ** 2),
    ],
    "02.5": [
        condition_by_random_places,
        condition_by_numpy,
        condition_by_second_differences,
        condition_by_ratio,
        condition_by_name,
    ],
}

WRONG = {
    "02.1": [
        (lambda w, b, v: (v @ b**2, v @ (w * b), v @ w**2), "the 2 is missing"),
        (lambda w, b, v: (v @ w**2, 2 * v @ (w * b), v @ b**2), "wrong order"),
        (lambda w, b, v: ((b * b).sum(), 2 * w @ b, w @ w), "multiplied by its v"),
        (lambda w, b, v: ((v @ b) ** 2, 2 * (v @ w) * (v @ b), (v @ w) ** 2), "squares the sum"),
        (lambda w, b, v: (v @ b**2, 0.0, v @ w**2), "middle term"),
        (lambda w, b, v: (v * b * b, 2 * v * w * b, v * w * w), "add them up"),
    ],
    "02.2": [
        (min, "not the most negative"),
        (lambda left, right: min(left, right, key=abs), "every slope in between"),
        (max, "the largest"),
        (lambda left, right: min(abs(left), abs(right)), "a size"),
        (lambda left, right: (left + right) / 2, "the middle"),
        (lambda left, right: 0, "only if it lies between"),
        (lambda left, right: 0 if left < 0 < right else min(left, right, key=abs), "any order"),
        (lambda left, right: max(left, min(0, right)), "any order"),
        (lambda left, right: np.clip(0.0, left, right), "any order"),
    ],
    "02.3": [
        (lambda x: soft(x) + (hard(x) - soft(x)), "soft - soft"),
        (lambda x: soft(x) + ((x >= 0).to(x.dtype) - soft(x)).detach(), "you send 1"),
        (torch.sigmoid, "forward has to send 0 or 1"),
        (lambda x: (x > 0).to(x.dtype), "a comparison has"),
        (lambda x: soft(x).detach() + (hard(x) - soft(x)), "the sign is wrong"),
        (lambda x: soft(x) + hard(x), "the value is soft + hard"),
        (lambda x: (soft(x) + hard(x) - soft(x)).detach(), "no slope at all"),
    ],
    "02.4": [
        (lambda f, z: 1 / f(z).square().mean(), "take the root"),
        (lambda f, z: f(z).square().mean() ** 0.5, "how large the outputs are"),
        (lambda f, z: 1 / f(z).std(), "leaves the mean out"),
        (lambda f, z: 1 / f(z).abs().mean(), "root mean square"),
        (lambda f, z: 1 / f(z).mean() ** 2, "square of the mean"),
        (lambda f, z: f(z) / f(z).square().mean() ** 0.5, "outputs, scaled"),
        (lambda f, z: len(z) ** 0.5 / f(z).norm(), "number of rows"),
        (lambda f, z: f(z).square().mean(dim=0) ** -0.5, "a table of inputs"),
    ],
    "02.5": [
        (lambda f: "none", "none of everything"),
        (lambda f: condition_by_ratio(f).replace("fast", "none"), "far out"),
        (right_alone, "the exponential of -x"),
        (lambda f: right_alone(lambda x: f(-x)), "squared ReLU"),
        (lambda f: condition_by_ratio(f).replace("flat", "none"), "the step and the sign"),
        (lambda f: condition_by_ratio(f).replace("affine", "none"), "straight lines"),
        (lambda f: "flat" if f in (torch.relu, F.hardtanh) else condition_by_ratio(f), "almost"),
        (lambda f: "fast" if f(torch.tensor(99.0)) > 98 else "none", "not right"),
        (fast_if(lambda size: (size([10.0, -10.0]) > 11).any()), "3 relu(x) is steep"),
        (fast_if(lambda size: (size([100.0, -100.0]) > 100.001).any()), "3 relu(x) is steep"),
        (fast_if(lambda size: (size([100.0, -100.0]) > 10 * size([10.0, -10.0])).any()), "leave room"),
        (fast_if(lambda size: size(list(range(-10, 11))).diff().abs().max() > 2), "3 relu(x) is steep"),
        (flat_if_most_are_0, "Hardtanh"),
        (fast_upwards(left=False, right=False), "downwards"),
        (fast_upwards(left=True, right=False), "downwards"),
        (fast_upwards(left=False, right=True), "downwards"),
    ],
}
