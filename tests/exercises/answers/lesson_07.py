"""Answers to the exercises of lesson 07."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def elu_by_index(x, alpha):
    y = x.clone()
    y[x <= 0] = alpha * torch.expm1(x[x <= 0])
    return y


def elu_by_masked_fill(x, alpha):
    off = x <= 0
    return torch.where(off, alpha * torch.expm1(x.masked_fill(~off, 0)), x)


def elu_by_tanh(x, alpha):
    t = torch.tanh(torch.where(x > 0, 0.0, x) / 2)
    return torch.where(x > 0, x, alpha * 2 * t / (1 - t))


def celu_slope_by_autograd(x, alpha):
    leaf = nn.Parameter(x.clone())
    y = torch.where(leaf > 0, leaf, alpha * torch.expm1(torch.where(leaf > 0, 0.0, leaf) / alpha))
    y.sum().backward()
    return leaf.grad


def celu_slope_by_numpy(x, alpha):
    return torch.as_tensor(np.exp(np.minimum(x.numpy(), 0) / alpha))


def lecun_by_module(shape, seed):
    torch.manual_seed(seed)
    weight = nn.Parameter(torch.empty(*shape))
    nn.init.kaiming_normal_(weight, nonlinearity="linear")
    return weight


def lecun_by_std(shape, seed):
    torch.manual_seed(seed)
    w = torch.empty(shape)
    return nn.init.normal_(w, 0, math.prod(shape[1:]) ** -0.5)


def lecun_by_slope(shape, seed):
    torch.manual_seed(seed)
    return nn.init.kaiming_normal_(torch.empty(shape), a=1)


def lecun_by_generator(shape, seed):
    w = torch.empty(shape)
    nn.init.kaiming_normal_(w, nonlinearity="sigmoid", generator=torch.manual_seed(seed))
    return w


def lecun_fan_in(shape, seed):
    torch.manual_seed(seed)
    w = torch.zeros(shape)
    torch.nn.init.kaiming_normal_(w, 0, "fan_in", "conv2d")
    return w


def normalised(f, z):
    a = 1 / f(z).std(correction=0)
    return lambda x: a * f(x) - a * f(z).mean()


def by_backward(f, z):
    h = normalised(f, z)
    q = nn.Parameter(torch.tensor(1.0, dtype=z.dtype))
    h(q**0.5 * z).pow(2).mean().backward()
    return q.grad


def by_two_sizes(f, z):
    h = normalised(f, z)
    return ((h(1.001**0.5 * z) ** 2).mean() - (h(0.999**0.5 * z) ** 2).mean()) / 0.002


def by_integration(f, z):
    leaf = z.clone().requires_grad_()
    h = normalised(f, z)(leaf)
    (slope,) = torch.autograd.grad(h.sum(), leaf)
    return (h * slope * leaf).mean().detach()


def by_numpy(f, z):
    y = f(z).numpy()

    def kept(q):
        return ((f(z * q**0.5).numpy() - y.mean()) ** 2).mean() / y.var()

    return torch.tensor((kept(1.001) - kept(0.999)) / 0.002)


def by_variance(f, z):
    """The mean of h is 0 at q = 1, so that its square has no slope there."""
    return (f(1.001**0.5 * z).var() - f(0.999**0.5 * z).var()) / f(z).var() / 0.002


def with_negative_scale(f, z):
    y = f(z)
    q = torch.ones(1, dtype=z.dtype, requires_grad=True)
    h = (y.mean() - f(q.sqrt() * z)) / y.std()
    return torch.autograd.grad(h.square().mean(), q)[0].squeeze()


RIGHT = {
    "07.1": [
        lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.where(x > 0, 0, x))),
        lambda x, alpha: torch.where(x <= 0, alpha * torch.expm1(x.where(x <= 0, x.new_zeros(()))), x),
        lambda x, alpha: x.where(x > 0, alpha * torch.special.expm1(x * (x <= 0))),
        elu_by_index,
        elu_by_masked_fill,
        elu_by_tanh,
        lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x.double().clamp(max=700)).to(x.dtype)),
        lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.where(x > 80, 0.0, x))),
        lambda x, alpha: torch.where(
            x > 0, x, alpha * torch.tanh((low := torch.where(x > 0, 0.0, x)) / 2) * (low.exp() + 1)
        ),
    ],
    "07.2": [
        lambda x, alpha: torch.exp(torch.minimum(x, torch.zeros_like(x)) / alpha),
        lambda x, alpha: (x / alpha).clamp(max=0).exp(),
        lambda x, alpha: torch.where(x > 0, torch.ones_like(x), torch.exp(x / alpha)),
        lambda x, alpha: torch.exp(x / alpha).clamp(max=1),
        celu_slope_by_autograd,
        celu_slope_by_numpy,
    ],
    "07.3": [lecun_by_module, lecun_by_std, lecun_by_slope, lecun_by_generator, lecun_fan_in],
    "07.4": [by_backward, by_two_sizes, by_integration, by_numpy, with_negative_scale, by_variance],
}


def elu_patched(patch, series):
    """exp(x) - 1 with the first terms of its series in its place, from ``patch`` to 0."""

    def answer(x, alpha):
        below = torch.where(x > 0, 0.0, x)
        return torch.where(x > 0, x, alpha * torch.where(below > patch, series(below), torch.exp(below) - 1))

    return answer


def drawn(fill):
    def draw(shape, seed):
        torch.manual_seed(seed)
        return fill(torch.empty(shape))

    return draw


def attraction_of(scale, shift, kept=lambda h: (h**2).mean(), size=math.sqrt):
    def answer(f, z):
        y = f(z)
        high, low = (kept(scale(y) * f(size(q) * z) + shift(y)) for q in (1.001, 0.999))
        return (high - low) / 0.002

    return answer


def one_over_std(y):
    return 1 / y.std()


def minus_mean(y):
    return -y.mean() / y.std()


WRONG = {
    "07.1": [
        (lambda x, alpha: torch.where(x > 0, x, alpha * (x.exp() - 1)), "two bugs"),
        (lambda x, alpha: torch.where(x > 0, x, alpha * x.expm1()), "still NaN"),
        (lambda x, alpha: torch.where(x > 0, x, alpha * x.clamp_max(0).expm1()), "Look at the slope at 0"),
        (lambda x, alpha: torch.where(x > 0, x, alpha * x.clamp(max=0).exp() - alpha), "Two bugs are left"),
        (lambda x, alpha: x.where(x > 0, torch.where(x > 0, 0.0, x).expm1()), "alpha is missing"),
        (F.elu, "write it yourself"),
        (lambda x, alpha: torch.where(x > 0, x, alpha * F.celu(x)), "write it yourself"),
        (
            lambda x, alpha: x.where(x > 0, alpha * F.selu(x.where(x <= 0, 0 * x)) / 1.7580993408473766),
            "write it yourself",
        ),
        (lambda x, alpha: x.where(x >= 0, alpha * x.where(x < 0, 0.0 * x).expm1()), "whose slope is 1"),
        (
            lambda x, alpha: torch.where(x > 0, x, (alpha * (torch.exp(x.double()) - 1)).to(x.dtype)),
            "float64 puts the overflow off",
        ),
        (
            lambda x, alpha: torch.where(x > 0, x.double(), alpha * torch.expm1(x.double())).to(x.dtype),
            "float64 puts the overflow off",
        ),
        (elu_patched(-1e-3, lambda b: b), "next to 0"),
        (elu_patched(-1e-4, lambda b: b), "next to 0"),
        (elu_patched(-0.1, lambda b: b + b**2 / 2), "next to 0"),
    ],
    "07.2": [
        (lambda x, alpha: (x > 0) + (x <= 0) * torch.exp(x / alpha), "times the 0 of your mask"),
        (lambda x, alpha: (x / alpha).exp(), "grows without bound"),
        (lambda x, alpha: torch.where(x > 0, 1, alpha * x.exp()), "ELU's slope"),
        (lambda x, alpha: torch.where(x > 0, 1, (x / alpha).exp() / alpha), "alpha in front of CELU"),
        (lambda x, alpha: torch.where(x > 0, 1, alpha * (x / alpha).exp()), "inner derivative"),
        (lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x / alpha)), "its slope is asked for"),
    ],
    "07.3": [
        (drawn(lambda w: nn.init.kaiming_normal_(w, nonlinearity="selu")), "3/4"),
        (drawn(nn.init.kaiming_normal_), "a gain of √2"),
        (drawn(nn.init.xavier_normal_), "Xavier"),
        (drawn(lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear")), "divides by the fan-in"),
        (drawn(lambda w: nn.init.normal_(w, std=w.shape[1] ** -0.5)), "positions of its kernel"),
        (drawn(nn.init.normal_), "standard deviation 1"),
    ],
    "07.4": [
        (attraction_of(lambda y: 1, lambda y: 0), "by itself"),
        (attraction_of(one_over_std, lambda y: 0), "shift is missing"),
        (attraction_of(one_over_std, lambda y: -y.mean()), "after the scale"),
        (attraction_of(one_over_std, minus_mean, size=float), "its root"),
        (attraction_of(one_over_std, minus_mean, kept=lambda h: h.norm() / 100), "half of what it should be"),
        (attraction_of(lambda y: (y**2).mean() ** -0.5, lambda y: 0), "with its gain"),
    ],
}
