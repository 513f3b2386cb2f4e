"""Answers to the exercises of lesson 04."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

# 04.1


class ByOutput(torch.autograd.Function):
    """With a backward of its own."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        y = x.clamp(min=0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradient * (y > 0)


class InNumpy(torch.autograd.Function):
    """With a backward of its own."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        values = x.detach().numpy()
        return torch.as_tensor(np.where(values <= 0, values.dtype.type(0), values))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * (ctx.saved_tensors[0] > 0)


def by_places(x: Tensor) -> Tensor:
    y = x.clone()
    y[x <= 0] = 0
    return y


# 04.2


def at_both_ends(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    ends = torch.tensor([low, high], dtype=w.dtype)
    return (torch.outer(ends, w) + b <= 0).all(dim=0)


def unit_by_unit(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return torch.tensor([max(wi * low + bi, wi * high + bi) <= 0 for wi, bi in zip(w, b, strict=True)])


def where_it_is_largest(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return w * torch.where(w > 0, high, low) + b <= 0


def by_numpy(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return torch.from_numpy(np.maximum(w.numpy() * low, w.numpy() * high) + b.numpy() <= 0)


# 04.3


def soft_in_steps(x: Tensor, lambd: float) -> Tensor:
    right = F.relu(x - lambd)
    left = F.relu(-(x + lambd))
    return right - left


# 04.4


def slim_by_fancy_index(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, ...]:
    places = (torch.maximum(w * low, w * high) + b > 0).nonzero().flatten()
    c = 1 / w[places].abs()
    return c * w[places], c * b[places], a[places] / c


def slim_unit_by_unit(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, ...]:
    kept = [
        (wi.sign(), bi / wi.abs(), ai * wi.abs())
        for wi, bi, ai in zip(w, b, a, strict=True)
        if wi * low + bi > 0 or wi * high + bi > 0
    ]
    return tuple(torch.stack(column) for column in zip(*kept, strict=True))


def slim_by_relu(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> list[Tensor]:
    alive = F.relu(w * low + b) + F.relu(w * high + b) > 0
    norm = torch.sqrt(w**2)
    return [(part / norm if part is not a else a * norm)[alive] for part in (w, b, a)]


def slim_in_numpy(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, ...]:
    w_, b_, a_ = w.numpy(), b.numpy(), a.numpy()
    alive = (w_ * low + b_ > 0) | (w_ * high + b_ > 0)
    w_, b_, a_ = w_[alive], b_[alive], a_[alive]
    return tuple(map(torch.from_numpy, (w_ / abs(w_), b_ / abs(w_), a_ * abs(w_))))


def slim_with(keep, rescale):
    def answer(w, b, a, low, high):
        kept = keep(w, b, low, high)
        return rescale(w[kept], b[kept], a[kept])

    return answer


def alive(w, b, low, high):
    return ~at_both_ends(w, b, low, high)


def to_one(w, b, a):
    return w.sign(), b / w.abs(), a * w.abs()


RIGHT = {
    "04.1": [
        lambda x: x.masked_fill(x <= 0, 0),
        lambda x: torch.where(x <= 0, torch.zeros_like(x), x),
        lambda x: x.clamp(min=0),
        lambda x: torch.where(~(x <= 0), x, 0.0),
        lambda x: torch.where(x > 0, x, torch.where(x.isnan(), x, 0.0)),
        by_places,
        ByOutput.apply,
        InNumpy.apply,
        lambda x: x.double().clamp(min=0).to(x.dtype),
        lambda x: x.masked_fill(torch.signbit(x) | (x == 0), 0.0),
        lambda x: torch.vmap(lambda v: torch.where(v <= 0, 0.0, v))(x.reshape(-1)).reshape(x.shape),
    ],
    "04.2": [
        at_both_ends,
        unit_by_unit,
        where_it_is_largest,
        by_numpy,
        lambda w, b, low, high: (w * low + b <= 0) & (w * high + b <= 0),
        lambda w, b, low, high: torch.stack([w * low + b, w * high + b]).amax(dim=0) <= 0,
        lambda w, b, low, high: F.relu(w * low + b) + F.relu(w * high + b) == 0,
        lambda w, b, low, high: (torch.linspace(low, high, 101, dtype=w.dtype)[:, None] * w + b <= 0).all(dim=0),
    ],
    "04.3": [
        lambda x, lambd: F.relu(x - lambd) - F.relu(-x - lambd),
        lambda x, lambd: -F.relu(-x - lambd) + torch.relu(x - lambd),
        lambda x, lambd: nn.ReLU()(x - lambd) + -1 * (-lambd - x).relu(),
        lambda x, lambd: sum(s * F.relu(s * x - lambd) for s in (1, -1)),
        soft_in_steps,
        lambda x, lambd: torch.sub(*F.relu(torch.stack([x - lambd, -x - lambd])).unbind()),
        lambda x, lambd: torch.stack([F.relu(v - lambd) - F.relu(-v - lambd) for v in x.reshape(-1)]).reshape(x.shape),
        lambda x, lambd: torch.diff(F.relu(torch.stack([-x - lambd, x - lambd])), dim=0)[0],
        lambda x, lambd: lambd * (F.relu(x / lambd - 1) - F.relu(-x / lambd - 1)),
        lambda x, lambd: (F.relu(x.double() - lambd) - F.relu(-x.double() - lambd)).to(x.dtype),
        lambda x, lambd: F.relu(torch.stack([x - lambd, -x - lambd], -1)) @ x.new_tensor([1, -1]),
    ],
    "04.4": [
        slim_by_fancy_index,
        slim_unit_by_unit,
        slim_by_relu,
        slim_in_numpy,
        slim_with(alive, to_one),
        slim_with(alive, lambda w, b, a: (w / w.abs(), b / w.abs(), a * w.abs())),
    ],
}

WRONG = {
    "04.1": [
        (lambda x: x.masked_fill(x <= 1e-6, 0), "at x = 1e-30"),
        (lambda x: max(x, 0), "Python's if and max"),
        (lambda x: x if x > 0 else 0, "Python's if and max"),
        (lambda x: (x > 0) * x, "infinity times 0"),
        (lambda x: x.where(x > 0, torch.zeros_like(x)), "a NaN becomes 0"),
        (lambda x: torch.max(x, torch.zeros_like(x)), "the slope at 0 is 0.5"),
        (lambda x: -torch.minimum(-x, torch.zeros_like(x)), "minimum share"),
        (lambda x: 0.5 * x + 0.5 * abs(x), "infinity minus infinity"),
        (lambda x: torch.where(x < 0, 0.0, x), "with < the slope at 0 is 1"),
        (F.relu, "torch's own relu"),
    ],
    "04.2": [
        (lambda w, b, low, high: max(w * low + b, w * high + b) <= 0, "max, and, or"),
        (lambda w, b, low, high: w * low + b <= 0 and w * high + b <= 0, "max, and, or"),
        (lambda w, b, low, high: not (w * low + b > 0 or w * high + b > 0), "max, and, or"),
        (lambda w, b, low, high: b < 0, "a negative bias alone kills nobody"),
        (lambda w, b, low, high: w * high + b <= 0, "right for w > 0"),
        (lambda w, b, low, high: b <= -high * w.abs(), "the rule of section 4"),
        (lambda w, b, low, high: (-b / w < low) | (-b / w > high), "always on"),
        (lambda w, b, low, high: (w * low + b <= 0) | (w * high + b <= 0), "off for some input"),
        (lambda w, b, low, high: (w * low + b < 0) & (w * high + b < 0), "almost: an input of exactly 0"),
        (lambda w, b, low, high: torch.where(w > 0, -b / w >= high, -b / w <= low), "w = 0"),
        (lambda w, b, low, high: (w > 0) & (b <= -w * high) | (w < 0) & (b <= -w * low), "w = 0"),
    ],
    "04.3": [
        (lambda x, lambd: x - (F.relu(lambd + x) - F.relu(x - lambd) - lambd), "an exact 0"),
        (lambda x, lambd: F.relu(x - lambd), "the right half"),
        (lambda x, lambd: F.relu(x - lambd) + F.relu(-x - lambd), "the sign is lost"),
        (lambda x, lambd: F.relu(x) - lambd, "the shift belongs inside"),
        (lambda x, lambd: F.relu(x - lambd) - F.relu(x + lambd), "turn x round"),
        (lambda x, lambd: F.relu(x - lambd) - F.relu(lambd - x), "must begin at -lambda"),
        (lambda x, lambd: x.sign() * F.relu(x.abs() - lambd), "torch's own sign"),
    ],
    "04.4": [
        (slim_with(alive, lambda w, b, a: (w.sign(), b / w.abs(), a / w.abs())), "what w and b lose, a must gain"),
        (slim_with(alive, lambda w, b, a: (w.sign(), b, a * w.abs())), "the kink moves"),
        (slim_with(alive, lambda w, b, a: (w / w, b / w, w * a)), "divide by |w|"),
        (slim_with(alive, lambda w, b, a: (w, b, a)), "Now rescale"),
        (slim_with(lambda w, b, low, high: torch.ones_like(w, dtype=torch.bool), to_one), "still there"),
        (slim_with(lambda w, b, low, high: (low < -b / w) & (-b / w < high), to_one), "a straight line there"),
        (slim_with(lambda w, b, low, high: high * w + b > 0, to_one), "the right end alone"),
        (slim_with(at_both_ends, to_one), "you keep the dead"),
        (slim_with(lambda w, b, low, high: w * low + b > 0 or w * high + b > 0, to_one), "max, and, or"),
    ],
}
