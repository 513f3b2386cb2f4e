"""Answers to the exercises of lesson 11."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def product_by_loop(x, y, gate):
    return sum(gate(sign * y) * (sign * x) for sign in (1, -1))


def product_by_stack(x, y, gate):
    both = torch.stack([y, -y])
    return (gate(both) * torch.stack([x, -x])).sum(0)


def gradients_by_steps(gradient, a, b):
    opened = torch.sigmoid(b)
    closed = torch.sigmoid(-b)
    return gradient * opened, a * gradient * opened * closed


def gradients_by_exponential(gradient, a, b):
    s = 1 / (1 + torch.exp(-b))
    return [s * gradient, (s - s**2) * (a * gradient)]


def gradients_by_numpy(gradient, a, b):
    s = 1 / (1 + np.exp(-b.numpy()))
    return torch.as_tensor(gradient.numpy() * s), torch.as_tensor(gradient.numpy() * a.numpy() * s * (1 - s))


def fused_by_slices(x, fused, out):
    hidden = fused.shape[0] // 2
    gate, value = x @ fused[:hidden].T, x @ fused[hidden:].T
    return (gate * torch.sigmoid(gate) * value) @ out.T


def fused_by_split(x, fused, out):
    gate, value = torch.split(F.linear(x, fused), fused.shape[0] // 2, dim=-1)
    return F.linear(nn.SiLU()(gate) * value, out)


def fused_by_halves_of_rows(x, fused, out):
    first, second = fused.chunk(2)
    return F.linear(F.silu(F.linear(x, first)) * F.linear(x, second), out)


def fused_by_tensor_split(x, fused, out):
    gate, value = (x @ fused.mT).tensor_split(2, -1)
    return (value * F.silu(gate)) @ out.mT


def fused_by_unflatten(x, fused, out):
    both = F.linear(x, fused).unflatten(-1, (2, -1))
    return F.linear(F.silu(both[..., 0, :]) * both[..., 1, :], out)


def hidden_by_search(width, hidden):
    most, k = 2 * width * hidden + hidden + width, 0
    while 3 * width * (k + 1) + 2 * (k + 1) + width <= most:
        k += 1
    return k


def hidden_by_counting_modules(width, hidden):
    plain = width * hidden + hidden + hidden * width + width
    return max(k for k in range(hidden + 1) if 2 * (width * k + k) + k * width + width <= plain)


def stacked_by_norm(x, gate, value, out):
    h = F.rms_norm(x, x.shape[-1:], eps=0.0)
    return x + (F.silu(h @ gate.T) * (h @ value.T)) @ out.T


def stacked_by_length(x, gate, value, out):
    h = math.sqrt(x.shape[-1]) * F.normalize(x, dim=-1)
    return F.linear(F.silu(F.linear(h, gate)) * F.linear(h, value), out) + x


def stacked_by_rsqrt(x, gate, value, out):
    h = x * torch.rsqrt((x * x).mean(-1, keepdim=True))
    inner = h @ gate.mT
    return x + (inner * torch.sigmoid(inner) * (h @ value.mT)) @ out.mT


def stacked_by_power(x, gate, value, out):
    h = x / x.pow(2).mean(dim=-1).pow(0.5)[..., None]
    return torch.add(x, F.linear(F.linear(h, value) * nn.SiLU()(F.linear(h, gate)), out))


def stacked_by_fusing(x, gate, value, out):
    h = x / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5)
    first, second = F.linear(h, torch.cat([gate, value])).chunk(2, dim=-1)
    return x + F.linear(F.silu(first) * second, out)


def stack(normalise, add=True):
    def answer(x, gate, value, out):
        h = normalise(x)
        return F.linear(F.silu(F.linear(h, gate)) * F.linear(h, value), out) + (x if add else 0)

    return answer


RIGHT = {
    "11.1": [
        product_by_loop,
        product_by_stack,
        lambda x, y, gate: gate(x) * y - gate(-x) * y,
        lambda x, y, gate: gate(y) * x + gate(-y) * -x,
        lambda x, y, gate: x * gate(y) - x * gate(-1 * y),
        lambda x, y, gate: gate(3 * x) * (y / 3) - gate(-3 * x) * y / 3,
        lambda x, y, gate: (gate(torch.stack([y, -y], dim=-1)) * torch.stack([x, -x], dim=-1)).sum(-1),
        lambda x, y, gate: torch.stack([gate(v) * u - gate(-v) * u for u, v in zip(x, y, strict=True)]),
        lambda x, y, gate: torch.stack([gate(2 * u) * v / 2 - gate(-2 * u) * v / 2 for u, v in zip(x, y, strict=True)]),
        lambda x, y, gate: torch.cat([gate(v) * u - gate(-v) * u for u, v in zip(x.chunk(2), y.chunk(2), strict=True)]),
        lambda x, y, gate: torch.vmap(lambda sign: gate(sign * y) * (sign * x))(torch.tensor([1.0, -1.0])).sum(0),
        lambda x, y, gate: torch.vmap(lambda u, v: gate(u) * v + gate(-u) * -v)(x, y),
    ],
    "11.2": [
        gradients_by_steps,
        gradients_by_exponential,
        lambda g, a, b: (g * b.sigmoid(), g * a * b.sigmoid() * (1 - b.sigmoid())),
        lambda g, a, b: (g * torch.special.expit(b), g * a * torch.special.expit(b) * torch.special.expit(-b)),
        gradients_by_numpy,
        lambda g, a, b: (g * torch.exp(F.logsigmoid(b)), g * a * torch.exp(-F.softplus(b) - F.softplus(-b))),
        lambda g, a, b: (g.mul(b.sigmoid()), a.mul(g).mul(b.sigmoid() - b.sigmoid().square())),
    ],
    "11.3": [
        fused_by_slices,
        fused_by_split,
        fused_by_halves_of_rows,
        fused_by_tensor_split,
        fused_by_unflatten,
    ],
    "11.4": [
        hidden_by_search,
        hidden_by_counting_modules,
        lambda width, hidden: (2 * width * hidden + hidden) // (3 * width + 2),
        lambda width, hidden: int((2 * width * hidden + hidden) / (3 * width + 2)),
        lambda width, hidden: math.floor(hidden * (2 * width + 1) / (3 * width + 2)),
    ],
    "11.5": [stacked_by_norm, stacked_by_length, stacked_by_rsqrt, stacked_by_power, stacked_by_fusing],
}
WRONG = {
    "11.1": [
        (lambda x, y, gate: x * y, "gate has no part"),
        (lambda x, y, gate: gate(y) * x, "a second one must serve"),
        (lambda x, y, gate: gate(x) * y + gate(-x) * y, "mind its sign"),
        (lambda x, y, gate: gate(x) * gate(y), "not bent"),
        (lambda x, y, gate: gate(-y) * x + gate(y) * -x, "wrong signs"),
        (
            lambda x, y, gate: (
                sum(c * gate(c * x + y) * (c * x + y) + c * gate(-c * x - y) * (-c * x - y) for c in (1, -1)) / 4
            ),
            "a multiple of one input",
        ),
        (lambda x, y, gate: x * y * (gate(torch.ones_like(x)) - gate(-torch.ones_like(x))), "a multiple of one input"),
        *(
            (lambda x, y, gate, one=one: x * y * (gate(one) - gate(-one)).flatten()[0], "a multiple of one input")
            for one in (torch.tensor(1.0), torch.tensor([1.0]), torch.ones(3), torch.ones(2, 1), torch.ones(1000))
        ),
        (
            lambda x, y, gate: x * y * (gate(torch.tensor(2.0)) - gate(torch.tensor(-2.0))) / 2,
            "a multiple of one input",
        ),
        (
            lambda x, y, gate: torch.stack(
                [
                    sum(c * gate(c * u + v) * (c * u + v) + c * gate(-c * u - v) * (-c * u - v) for c in (1, -1)) / 4
                    for u, v in zip(x, y, strict=True)
                ]
            ),
            "a multiple of one input",
        ),
    ],
    "11.2": [
        (lambda g, a, b: (b.sigmoid(), a * b.sigmoid() * (1 - b.sigmoid())), "the gradient that comes in"),
        (lambda g, a, b: (g * b.sigmoid(), g * b.sigmoid() * (1 - b.sigmoid())), "lacks a factor"),
        (lambda g, a, b: gradients_by_steps(g, a, b)[::-1], "wrong order"),
        (lambda g, a, b: (g * a.sigmoid(), g * b * a.sigmoid() * (1 - a.sigmoid())), "opened the gate with a"),
        (lambda g, a, b: (g * b.sigmoid(), g * a * b.sigmoid()), "slope of sigmoid"),
    ],
    "11.3": [
        (lambda x, fused, out: fused_by_split(x, fused.roll(fused.shape[0] // 2, 0), out), "gate's rows come first"),
        (lambda x, fused, out: F.linear(F.glu(F.linear(x, fused)), out), "sigmoid"),
        (lambda x, fused, out: F.linear(torch.mul(*F.silu(F.linear(x, fused)).chunk(2, -1)), out), "gate alone"),
        (lambda x, fused, out: F.linear(torch.mul(*F.linear(x, fused).chunk(2)), out), "halve the features"),
        (
            lambda x, fused, out: F.linear(
                F.silu(F.linear(x, fused).chunk(2, -1)[0] * F.linear(x, fused).chunk(2, -1)[1]), out
            ),
            "bend the product",
        ),
        (lambda x, fused, out: x, "at index"),
    ],
    "11.4": [
        (lambda width, hidden: 2 * hidden // 3, "rule without biases"),
        (lambda width, hidden: hidden, "same hidden width"),
        (lambda width, hidden: (2 * width * hidden + hidden) / (3 * width + 2), "rounding"),
        (lambda width, hidden: hidden_by_search(width, hidden) + 1, "one too many"),
        (lambda width, hidden: (2 * width * hidden + hidden) // (3 * width + 1), "2 k of them"),
        (lambda width, hidden: (2 * width * hidden + hidden - width) // (3 * width + 2), "plain block's output"),
        (lambda width, hidden: (2 * width * hidden + hidden - 1) // (3 * width + 2), "at most as many"),
    ],
    "11.5": [
        (stack(lambda x: x), "nothing is normalised"),
        (stack(lambda x: F.normalize(x, dim=-1)), "divides by the length"),
        (stack(lambda x: x / x.square().mean().sqrt()), "over the last dimension only"),
        (stack(lambda x: F.rms_norm(x, x.shape[-1:], eps=0.0), add=False), "is to be added"),
        (stack(lambda x: x / x.std(-1, keepdim=True, correction=0)), "takes the mean away"),
        (stack(lambda x: F.layer_norm(x, x.shape[-1:])), "also takes the mean away"),
        (
            stack(lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0)),
            "also takes the mean",
        ),
        (
            lambda x, g, v, out: x + F.linear(F.silu((h := F.rms_norm(x, x.shape[-1:])) @ g.T * (h @ v.T)), out),
            "bends the product",
        ),
    ],
}
