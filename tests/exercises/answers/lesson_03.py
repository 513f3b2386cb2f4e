"""Answers to the exercises of lesson 03."""

import torch
from torch import Tensor

# 03.1


class ByHand(torch.autograd.Function):
    """With a backward of its own."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        e = torch.exp(-x.abs())
        y = torch.where(x >= 0, 1 / (1 + e), e / (1 + e))
        ctx.save_for_backward(y, e)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        _, e = ctx.saved_tensors
        return gradient * e / (1 + e) ** 2


def by_safe_branches(x: Tensor) -> Tensor:
    positive = x.masked_fill(x < 0, 0)
    negative = x.masked_fill(x >= 0, 0)
    return torch.where(x >= 0, 1 / (1 + torch.exp(-positive)), torch.exp(negative) / (1 + torch.exp(negative)))


def by_indices(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    right = x >= 0
    y[right] = 1 / (1 + torch.exp(-x[right]))
    e = torch.exp(x[~right])
    y[~right] = e / (1 + e)
    return y


def one_smooth_exponent(x: Tensor) -> Tensor:
    e = torch.exp(torch.where(x < 0, x, -x))
    return torch.where(x < 0, e, 1.0) / (1 + e)


def in_float64(x: Tensor) -> Tensor:
    """Whose exponent is clamped where sigmoid has long been 1."""
    e = torch.exp(x.double().clamp(max=700))
    return (e / (1 + e)).to(x.dtype)


def by_two_formulas(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1 / (1 + torch.exp(-x)), torch.exp(x) / (1 + torch.exp(x)))


def mended_on_one_side(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1 / (1 + torch.exp(-x.where(x >= 0, 0 * x))), torch.exp(x) / (1 + torch.exp(x)))


# 03.4


def by_where(x: Tensor, y: Tensor) -> Tensor:
    e = torch.exp(torch.where(x < 0, x, -x))
    return torch.where(x < 0, 0.0, x) + torch.log1p(e) - x * y


def with_safe_branches(x: Tensor, y: Tensor) -> Tensor:
    low, high = x.masked_fill(x > 0, 0), x.masked_fill(x <= 0, 0)
    softplus = torch.where(x > 0, high + torch.log1p(torch.exp(-high)), torch.log1p(torch.exp(low)))
    return softplus - x * y


def by_unsafe_pieces(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x > 0, x + torch.log1p(torch.exp(-x)), torch.log1p(torch.exp(x))) - x * y


def by_safe_pieces(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x < 0, 0.0, x) - x * y + torch.log(1 + torch.exp(torch.where(x < 0, x, -x)))


def by_signed_logit(x: Tensor, y: Tensor) -> Tensor:
    z = (1 - 2 * y) * x  # how wrong the unit is; right for y of 0 or 1
    return torch.logaddexp(z, torch.zeros_like(z))


def tanh_by_squares(x):
    up, down = torch.sigmoid(x), torch.sigmoid(-x)
    return (up**2 - down.square()) / (up**2 + down.square())


RIGHT = {
    "03.1": [
        by_safe_branches,
        by_indices,
        one_smooth_exponent,
        ByHand.apply,
        lambda x: torch.exp(-torch.logaddexp(torch.zeros_like(x), -x)),
        lambda x: torch.exp(x - torch.logaddexp(x, torch.zeros_like(x))),
        lambda x: torch.exp(-torch.logaddexp(torch.zeros_like(x).double(), -x.double())).to(x.dtype),
        lambda x: torch.exp(torch.where(x < 0, x, 0.0) - torch.log1p(torch.exp(torch.where(x < 0, x, -x)))),
        lambda x: torch.vmap(lambda v: torch.exp(-torch.logaddexp(torch.zeros_like(v), -v)))(x.reshape(-1)).reshape(
            x.shape
        ),
        in_float64,
    ],
    "03.2": [
        lambda y: y * (1 - y),
        lambda y: y - y**2,
        lambda y: y - y * y,
        lambda y: -y * (y - 1),
        lambda y: torch.mul(y, 1 - y),
    ],
    "03.3": [
        lambda x: 2 * torch.sigmoid(2 * x) - 1,
        lambda x: torch.sigmoid(2 * x) - torch.sigmoid(-2 * x),
        lambda x: 1 - 2 * torch.sigmoid(-2 * x),
        lambda x: (torch.sigmoid(x + x) - 0.5) / 0.5,
        lambda x: torch.nn.Sigmoid()(2 * x) * 2 - 1,
        tanh_by_squares,
        lambda x: 2 / (1 / torch.sigmoid(2 * x)) - 1,
        lambda x: 2 * (1 / torch.sigmoid(2 * x)) ** -1 - 1,
        lambda x: torch.lerp(-torch.ones_like(x), torch.ones_like(x), torch.sigmoid(2 * x)),
        lambda x: 2 * torch.stack([torch.sigmoid(2 * v) for v in x.reshape(-1)]).reshape(x.shape) - 1,
        lambda x: torch.diff(torch.sigmoid(torch.stack([-2 * x, 2 * x])), dim=0)[0],
        lambda x: torch.vmap(lambda v: 2 * torch.sigmoid(2 * v) - 1)(x.reshape(-1)).reshape(x.shape),
    ],
    "03.4": [
        by_where,
        by_safe_pieces,
        with_safe_branches,
        by_signed_logit,
        lambda x, y: torch.logaddexp(x, torch.zeros_like(x)) - x * y,
        lambda x, y: (1 - y) * torch.logaddexp(torch.zeros_like(x), x) + y * torch.logaddexp(torch.zeros_like(x), -x),
        lambda x, y: torch.logsumexp(torch.stack([x, torch.zeros_like(x)]), dim=0) - x * y,
        lambda x, y: torch.logaddexp(x.double(), 0 * x.double()).to(x.dtype) - x * y,
        lambda x, y: torch.logcumsumexp(torch.stack([x * 0, x]), 0)[1] - x * y,
        lambda x, y: torch.vmap(lambda v, truth: torch.logaddexp(v, torch.zeros_like(v)) - v * truth)(x, y),
        lambda x, y: torch.stack([torch.logaddexp(v, v * 0) - v * truth for v, truth in zip(x, y, strict=True)]),
    ],
}

WRONG = {
    "03.1": [
        (lambda x: (1 + torch.exp(-x)) ** -1, "textbook formula"),
        (lambda x: torch.where(x < 0, torch.exp(x) / (1 + torch.exp(x)), 1 / (1 + torch.exp(-x))), "both branches"),
        (lambda x: torch.exp(torch.clamp(x, max=0)) / (1 + torch.exp(-torch.abs(x))), "and abs have kinks"),
        (lambda x: 1 / (1 + torch.exp(-torch.clamp(x, -80, 80))), "clamping the input"),
        (lambda x: 1 / (1 + torch.exp(-x.clamp(min=-88))), "backward squares"),
        (lambda x: (e := torch.exp(torch.clamp(x, max=12))) / (1 + e), "beyond the clamp the function is constant"),
        (lambda x: (e := x.clamp(max=16).exp()) / (e + 1), "at x = 25"),
        (torch.sigmoid, "torch's own sigmoid"),
        (lambda x: (1 / (1 + torch.exp(-x.double()))).to(x.dtype), "e^-x is still infinite"),
        (lambda x: mended_on_one_side(x.double()).to(x.dtype), "at x = 1000, the slope by autograd: nan"),
        (mended_on_one_side, "at x = 1000, the slope by autograd: nan"),
        (lambda x: by_two_formulas(x.double()).to(x.dtype), "differentiates both branches"),
    ],
    "03.2": [
        (lambda y: 1 - y * y, "slope of tanh"),
        (lambda y: 1 - y, "one factor of two"),
        (lambda y: y * y - y, "the sign"),
        (lambda y: y + y**2, "check the sign"),
        (lambda y: torch.sigmoid(y) - torch.sigmoid(y) ** 2, "applied sigmoid again"),
    ],
    "03.3": [
        (lambda x: torch.sigmoid(2 * x), "stretch the values"),
        (lambda x: 2 * torch.sigmoid(x) - 1, "too flat"),
        (lambda x: torch.sigmoid(2 * x) * 2, "what is missing"),
        (lambda x: torch.sigmoid(2 * x) - 0.5, "shift and stretch"),
        (lambda x: 1 - 2 / (1 + torch.exp(x) ** 2), "torch's own exp"),
        (torch.tanh, "torch's own tanh"),
    ],
    "03.4": [
        (
            lambda x, y: -y * torch.log(1 / (1 + torch.exp(-x))) - (1 - y) * torch.log(1 - 1 / (1 + torch.exp(-x))),
            "paper",
        ),
        (lambda x, y: torch.log1p(torch.exp(x)) - y * x, "overflows for a large logit"),
        (lambda x, y: torch.log(1 + torch.exp(x)) - y * x, "overflows for a large logit"),
        (lambda x, y: torch.where(x > 4, x, torch.log1p(x.clamp(max=4).exp())) - x * y, "beyond the cut"),
        (lambda x, y: torch.where(x > 12, x, torch.log1p(x.clamp(max=12).exp())) - x * y, "5 to 15"),
        (lambda x, y: torch.logaddexp(x, torch.zeros_like(x)) - (1 - y) * x, "swapped"),
        (lambda x, y: x * y - torch.logaddexp(x, torch.zeros_like(x)), "the sign"),
        (lambda x, y: torch.logaddexp(x, torch.zeros_like(x)), "truth of 0"),
        (lambda x, y: torch.relu(x) - x * y + torch.log1p(torch.exp(-abs(x))), "the slope at 0"),
        (lambda x, y: x.clamp(min=0) - x * y + torch.log1p(torch.exp(torch.where(x < 0, x, -x))), "same x < 0"),
        (lambda x, y: torch.where(x > 0, x, 0.0) - x * y + torch.log1p(torch.exp(x.where(x < 0, -x))), "same x < 0"),
        (lambda x, y: torch.where(x < 0, 0.0, x) - x * y + torch.log1p(torch.exp(-x.abs())), "same x < 0"),
        (lambda x, y: (torch.log1p(torch.exp(x.double())) - x * y).to(x.dtype), "float64 puts it off"),
        (lambda x, y: by_unsafe_pieces(x.double(), y).to(x.dtype), "in float64, at 1000 and -1000"),
    ],
}
