"""Answers to the exercises of lesson 15."""

import math

import numpy as np
import torch
from torch import nn

TURN = 2 * math.pi


def likeness_by_loop(difference, frequencies):
    return sum(torch.cos(TURN * (difference * wave).sum(1)) for wave in frequencies.T)


def likeness_by_complex(difference, frequencies):
    return torch.polar(torch.ones_like(difference @ frequencies), TURN * (difference @ frequencies)).real.sum(-1)


def likeness_by_numpy(difference, frequencies):
    return np.cos(TURN * difference.numpy() @ frequencies.numpy()).sum(1)


def likeness_by_features(difference, frequencies):
    def features(at):
        return torch.cat([torch.cos(TURN * at @ frequencies), torch.sin(TURN * at @ frequencies)], 1)

    return (features(difference) * features(torch.zeros_like(difference))).sum(1)


def bounds_by_list(inputs, hidden, layers, frequency):
    return [1 / inputs, *[(6 / hidden) ** 0.5 / frequency] * (layers - 1)]


def curvature_by_hessian(f, x):
    return torch.autograd.functional.hessian(lambda z: f(z).sum(), x.flatten()).diagonal().reshape(x.shape)


def slope(f, x):
    return torch.autograd.functional.jacobian(lambda z: f(z).sum(), x, create_graph=True)


def curvature_by_jacobians(f, x):
    return slope(lambda z: slope(f, z), x)


def curvature_of_a_parameter(f, x):
    x = nn.Parameter(x)
    (slope,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0]


def curvature_by_vector(f, x):
    z = x.clone().requires_grad_()
    y = f(z)
    (first,) = torch.autograd.grad(y, z, torch.ones_like(y), create_graph=True)
    (second,) = torch.autograd.grad(first, z, torch.ones_like(first))
    return second


def curvature_one_by_one(f, x):
    found = []
    for value in x.flatten():
        z = value.clone().requires_grad_()
        (slope,) = torch.autograd.grad(f(z), z, create_graph=True)
        found.append(torch.autograd.grad(slope, z)[0])
    return torch.stack(found).reshape(x.shape)


def waves(x, w, b, k):
    return torch.sin(k * (x[:, None] * w + b))


def waves_by_loop(x, weight, bias, outer, frequency):
    units = zip(weight, bias, outer, strict=True)
    return sum(-a * (frequency * w) ** 2 * (frequency * (w * x + b)).sin() for w, b, a in units)


RIGHT = {
    "15.1": [
        likeness_by_loop,
        likeness_by_complex,
        likeness_by_numpy,
        likeness_by_features,
        lambda d, b: torch.cos(-TURN * (d @ b)) @ torch.ones(b.shape[1], dtype=b.dtype),
    ],
    "15.2": [
        bounds_by_list,
        lambda i, h, n, w: tuple(1 / i if k == 0 else math.sqrt(6 / h / w**2) for k in range(n)),
        lambda i, h, n, w: (1 / i,) + (math.sqrt(6.0 / h) / w,) * (n - 1),
        lambda i, h, n, w: torch.tensor([1 / i] + [math.sqrt(6 / h) / w] * (n - 1)),
        lambda i, h, n, w: np.array([1 / i] + [np.sqrt(6 / h) / w] * (n - 1)),
    ],
    "15.3": [
        curvature_by_hessian,
        curvature_by_jacobians,
        curvature_of_a_parameter,
        curvature_by_vector,
        curvature_one_by_one,
    ],
    "15.4": [
        waves_by_loop,
        lambda x, w, b, a, k: -((k * w) ** 2 * a * torch.sin(k * (torch.outer(x, w) + b))).sum(1),
        lambda x, w, b, a, k: waves(x, w, b, k) @ (-a * k**2 * w * w),
        lambda x, w, b, a, k: -torch.einsum("nm,m->n", waves(x, w, b, k), a * (k * w).square()),
        lambda x, w, b, a, k: torch.cos(k * (x[:, None] * w + b) + math.pi / 2) @ (a * (k * w).pow(2)),
        lambda x, w, b, a, k: torch.as_tensor(
            -np.sin(k * (np.outer(x.numpy(), w.numpy()) + b.numpy())) @ (a * (k * w) ** 2).numpy()
        ),
        lambda x, w, b, a, k: torch.exp(1j * k * (x[:, None] * w + b)).imag @ (-a * (k * w) ** 2),
        lambda x, w, b, a, k: torch.linalg.multi_dot([-waves(x, w, b, k), torch.diag(k * w) @ torch.diag(k * w), a]),
        lambda x, w, b, a, k: torch.vmap(lambda at: -(a * (k * w) ** 2 * torch.sin(k * (w * at + b))).sum())(x),
    ],
}
WRONG = {
    "15.1": [
        (lambda d, b: torch.cos(d @ b).sum(1), "2π is missing"),
        (lambda d, b: torch.sin(TURN * d @ b).sum(1), "a sine is 0"),
        (lambda d, b: torch.cos(TURN * d @ b), "each wave contributes"),
        (lambda d, b: torch.cos(TURN * d @ b).mean(1), "not a mean"),
        (lambda d, b: torch.cos(TURN * (d @ b).sum(1)), "added the angles"),
        (lambda d, b: torch.hstack([f(TURN * (d @ b)) for f in (torch.cos, torch.sin)]).sum(1), "Write out"),
        (lambda d, b: d @ b.T, "raised"),
    ],
    "15.2": [
        (
            lambda i, h, n, w: [1 / m if m == i else math.sqrt(6 / m) / w for m in [i] + [h] * (n - 1)],
            "by their places",
        ),
        (lambda i, h, n, w: [math.sqrt(6 / m) / w for m in [i] + [h] * (n - 1)], "another one"),
        (lambda i, h, n, w: [1 / i] + [math.sqrt(6 / h)] * (n - 1), "takes that back"),
        (lambda i, h, n, w: [1 / i / w] + [math.sqrt(6 / h) / w] * (n - 1), "must not be taken back"),
        (lambda i, h, n, w: [1 / i] + [math.sqrt(6 / h) * w] * (n - 1), "larger still"),
        (lambda i, h, n, w: [1 / i] + [6 / h / w] * (n - 1), "square root"),
        (lambda i, h, n, w: [1 / i] + [math.sqrt(6 / h) / w] * n, "values are expected"),
    ],
    "15.3": [
        (slope, "first derivative"),
        (lambda f, x: (f(x + 0.1) - 2 * f(x) + f(x - 0.1)) / 0.01, "difference quotient"),
        (lambda f, x: f(f(x)), "applied twice"),
        (lambda f, x: -curvature_by_hessian(f, x), "sign is turned"),
        (lambda f, x: torch.autograd.grad(torch.autograd.grad(f(x).sum(), x)[0].sum(), x)[0], "raised"),
    ],
    "15.4": [
        (lambda x, w, b, a, k: waves(x, w, b, k) @ a, "network itself"),
        (lambda x, w, b, a, k: -waves(x, w, b, k) @ (a * w * w), "factor ω"),
        (lambda x, w, b, a, k: -k * k * waves(x, w, b, k) @ a, "brings it out"),
        (lambda x, w, b, a, k: waves(x, w, b, k) @ (a * (k * w) ** 2), "sign is missing"),
        (lambda x, w, b, a, k: torch.cos(k * (x[:, None] * w + b)) @ (a * k * w), "once more"),
    ],
}
