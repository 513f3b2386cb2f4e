"""Answers to the exercises of lesson 08."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

C = math.sqrt(2 / math.pi)


def silu_slope_by_autograd(x):
    leaf = nn.Parameter(x.clone())
    F.silu(leaf).sum().backward()
    return leaf.grad


def silu_slope_by_numpy(x):
    s = torch.sigmoid(x).numpy()
    return torch.as_tensor(s * (1 + x.numpy() * (1 - s)))


def beta_gradient_in_a_loop(x, beta, gradient):
    total = torch.zeros((), dtype=x.dtype)
    for value, g in zip(x.flatten(), gradient.flatten(), strict=True):
        s = 1 / (1 + torch.exp(-beta * value))
        total = total + g * value**2 * s * (1 - s)
    return total


def beta_gradient_by_numpy(x, beta, gradient):
    x, beta, gradient = x.numpy(), beta.item(), gradient.numpy()
    with np.errstate(over="ignore"):  # NumPy would only warn, and the tests take a warning for an error
        s = 1 / (1 + np.exp(-beta * x))
    return torch.tensor((gradient * x**2 * s * (1 - s)).sum())


def softplus_in_cases(x):
    left, right = torch.where(x > 0, 0.0, x), torch.where(x > 0, x, 0.0)
    return torch.where(x > 0, x + torch.log1p(torch.exp(-right)), torch.log1p(torch.exp(left)))


def softplus_above(threshold):
    """x above a threshold, with a harmless number in the other branch."""

    def answer(x):
        over = x > threshold
        return torch.where(over, x, torch.log1p(torch.exp(torch.where(over, 0.0, x))))

    return answer


def softplus_by_index(x):
    y = torch.empty_like(x)
    y[x > 0] = x[x > 0] + torch.log1p(torch.exp(-x[x > 0]))
    y[x <= 0] = torch.log1p(torch.exp(x[x <= 0]))
    return y


def uniform_in_cases(x, a):
    y = torch.zeros_like(x)
    y[x > a] = x[x > a]
    inside = x.abs() <= a
    y[inside] = x[inside] * (x[inside] + a) / (2 * a)
    return y


def polynomial(x):
    return C * (x + 0.044715 * x**3)


def gelu_patched(x):
    """Another function below -3: the 1 in the denominator of the gate is left out."""
    u = polynomial(x)
    return torch.where(x < -3, x * torch.exp(2 * u), x / 2 * (1 + torch.tanh(u)))


RIGHT = {
    "08.1": [
        lambda x: torch.sigmoid(x) * (1 + x * torch.sigmoid(-x)),
        lambda x: F.silu(x) + torch.sigmoid(x) * (1 - F.silu(x)),
        lambda x: (s := x.sigmoid()) + x * s - x * s**2,
        silu_slope_by_autograd,
        silu_slope_by_numpy,
    ],
    "08.2": [
        lambda x, beta, g: (g * x * x * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)).sum(),
        lambda x, beta, g: torch.sum(g * x**2 / (2 + torch.exp(beta * x) + torch.exp(-beta * x))),
        lambda x, beta, g: (g * x**2).flatten() @ (s := torch.sigmoid(beta * x).flatten()).mul(1 - s),
        lambda x, beta, g: (g * x**2 / (4 * torch.cosh(beta * x / 2) ** 2)).sum(),
        lambda x, beta, g: (g * x**2 * (1 - torch.tanh(beta * x / 2) ** 2) / 4).sum(),
        lambda x, beta, g: (g * x**2 * torch.exp(F.logsigmoid(beta * x) - F.softplus(beta * x))).sum(),
        beta_gradient_in_a_loop,
        beta_gradient_by_numpy,
    ],
    "08.3": [
        lambda x: x * torch.sigmoid(2 * polynomial(x)),
        lambda x: x / (1 + torch.exp(-2 * polynomial(x))),
        lambda x: x * torch.sigmoid(2 * 0.79788456 * (x + 0.044715 * torch.pow(x, 3))),
        lambda x: x * torch.special.expit(1.5957691216057308 * x * (1 + 0.044715 * x * x)),
        lambda x: x * nn.Sigmoid()(2 * polynomial(x)),
        lambda x: x * torch.exp(F.logsigmoid(2 * polynomial(x))),
        lambda x: x * torch.exp(-F.softplus(-2 * polynomial(x))),
    ],
    "08.4": [
        lambda x: torch.logaddexp(x, torch.tensor(0.0, dtype=x.dtype)),
        lambda x: torch.logaddexp(torch.zeros_like(x), x),
        lambda x: (
            torch.where(x > 30, x, torch.log1p(torch.exp(torch.where(x > 30, 0.0, x)))) * 1.0
            if x.dtype == torch.float32
            else torch.logaddexp(x, x.new_zeros(()))
        ),
        softplus_in_cases,
        softplus_by_index,
        lambda x: torch.where(x > 0, x, 0.0) + torch.log1p(torch.exp(torch.where(x > 0, -x, x))),
        lambda x: torch.where(x > 0, x, 0.0) - torch.log1p(-torch.sigmoid(torch.where(x > 0, -x, x))),
        lambda x: torch.where(x > 0, x, 0.0) + 2 * torch.atanh((e := torch.exp(torch.where(x > 0, -x, x))) / (2 + e)),
        lambda x: torch.logaddexp(x.double(), x.double() * 0).to(x.dtype),
        lambda x: torch.vmap(lambda v: torch.logaddexp(v, torch.zeros_like(v)))(x.reshape(-1)).reshape(x.shape),
    ],
    "08.5": [
        lambda x, a: x * torch.clamp((x + a) / (2 * a), 0.0, 1.0),
        lambda x, a: x * F.hardsigmoid(3 * x / a),
        lambda x, a: F.hardswish(3 * x / a) * a / 3,
        lambda x, a: torch.where(x < -a, 0.0, torch.where(x > a, x, x * (x + a) / (2 * a))),
        lambda x, a: x * F.hardtanh(x / (2 * a) + 0.5, 0, 1),
        lambda x, a: torch.as_tensor(x.numpy() * np.clip((x.numpy() + a) / (2 * a), 0, 1)),
        uniform_in_cases,
    ],
}

WRONG = {
    "08.1": [
        (lambda x: torch.sigmoid(x) * torch.sigmoid(-x), "two terms"),
        (lambda x: torch.sigmoid(x) + x * torch.exp(-x) / (1 + torch.exp(-x)) ** 2, "right but far on the left"),
        (lambda x: (1 + torch.exp(-x) + x * torch.exp(-x)) / (1 + torch.exp(-x)) ** 2, "far on the left"),
        (lambda x: x.sigmoid(), "first term"),
        (lambda x: x * torch.sigmoid(x) * torch.sigmoid(-x), "second term"),
        (lambda x: torch.sigmoid(x) * (1 + torch.sigmoid(-x)), "the factor x is missing"),
        (F.silu, "its slope is asked for"),
        (lambda x: (s := x.exp() / (1 + x.exp())) + x * s * (1 - s), "infinity over infinity"),
        (lambda x: torch.where(x > 3, 1.0, torch.sigmoid(x) * (1 + x * torch.sigmoid(-x))), "between 3 and 8"),
        (lambda x: 1 + F.silu(x) * torch.sigmoid(-x), "multiplies it by the gate"),
    ],
    "08.2": [
        (lambda x, b, g: (g * x**2 * torch.exp(b * x) / (1 + torch.exp(b * x)) ** 2).sum(), "100 and -100"),
        (lambda x, beta, g: g * x**2 * (s := torch.sigmoid(beta * x)) * (1 - s), "one β serves them all"),
        (lambda x, beta, g: (g * x * (s := torch.sigmoid(beta * x)) * (1 - s)).sum(), "one factor x is missing"),
        (lambda x, beta, g: (x**2 * (s := torch.sigmoid(beta * x)) * (1 - s)).sum(), "comes from above"),
        (lambda x, beta, g: (g * x**2 * (s := torch.sigmoid(x)) * (1 - s)).sum(), "β = 1 alone"),
        (lambda x, beta, g: (g * x**2 * (s := torch.sigmoid(beta * x)) * (1 - s)).mean(), "not the mean"),
        (lambda x, beta, g: (g * x * torch.sigmoid(beta * x)).sum(), "to be differentiated"),
    ],
    "08.3": [
        (lambda x: x / 2 * (1 + torch.tanh(polynomial(x))), "without a difference"),
        (lambda x: (x / (1 + torch.exp(-2 * polynomial(x))),), "a tensor is expected, not tuple"),
        (lambda x: x / 2 * torch.erfc(-x / 2**0.5), "another function"),
        (lambda x: x * torch.sigmoid(polynomial(x)), "σ(2u), not σ(u)"),
        (lambda x: torch.sigmoid(2 * polynomial(x)), "x times the gate"),
        (lambda x: x * torch.sigmoid(1.702 * x), "coarser"),
        (lambda x: x / 2 * torch.sigmoid(2 * polynomial(x)), "half of what is wanted"),
        (lambda x: (x.double() * (1 + torch.tanh(polynomial(x.double()))) / 2).to(x.dtype), "float64 has more digits"),
        (lambda x: x * torch.exp(2 * polynomial(x)) / (1 + torch.exp(2 * polynomial(x))), "overflows"),
        (lambda x: x * (u := polynomial(x)).exp() / (u.exp() + (-u).exp()), "overflows"),
        (lambda x: x / 2 * torch.exp(u := polynomial(x)) / torch.cosh(u), "overflows"),
        (gelu_patched, "at x = −3.1"),
    ],
    "08.4": [
        (lambda x: torch.where(x > 40, x, torch.log1p(torch.exp(x.clamp(max=40)))), "21 to 99"),
        (lambda x: torch.log(1 + x.exp()), "both faults"),
        (lambda x: x.exp().log1p(), "At 100 e^x still overflows"),
        (lambda x: torch.where(x > 20, x, x.exp().log1p()), "differentiates both branches"),
        (lambda x: torch.where(x > 20, x, (x.exp() + 1).log()), "two faults"),
        (lambda x: x.clamp_min(0) + torch.log1p((-x.abs()).exp()), "have kinks"),
        (lambda x: x + torch.log1p((-x).exp()), "the left tail is lost"),
        *((softplus_above(t), "still above x in float32") for t in (3.5, 4, 5, 8, 10)),
        (
            lambda x: torch.where(x > 20, x, x.double().exp().log1p().to(x.dtype)),
            "in float64, the slope by autograd: nan",
        ),
        (lambda x: x - F.logsigmoid(x), "torch's own log"),
    ],
    "08.5": [
        (lambda x, a: ((x + a) / 2 / a).clamp(0, 1), "that is the gate"),
        (lambda x, a: x * (x + a) / 2 / a, "cannot be below 0"),
        (lambda x, a: F.hardswish(x), "here a is a parameter"),
        (lambda x, a: x * (1 + x / a).clamp(0, 1), "reaches 1 at x = 0"),
        (lambda x, a: x * (x / a).clamp(0, 1), "between 0 and a"),
        (lambda x, a: x * ((a - x) / 2 / a).clamp(0, 1), "must open as x grows"),
    ],
}
