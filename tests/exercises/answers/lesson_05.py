"""Answers to the exercises of lesson 05."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

# 05.1


class ByMask(torch.autograd.Function):
    """With a backward of its own."""

    @staticmethod
    def forward(ctx, x: Tensor, a: float) -> Tensor:
        factor = torch.where(x > 0, torch.ones_like(x), torch.full_like(x, a))
        ctx.save_for_backward(factor)
        return x * factor

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


def by_places(x: Tensor, a: float) -> Tensor:
    y = x.clone()
    y[x <= 0] = a * x[x <= 0]
    return y


# 05.2


def by_einsum(gradient: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("nchw,nchw->c", gradient, x.clamp(max=0))


def channel_by_channel(gradient: Tensor, x: Tensor) -> Tensor:
    below = torch.where(x < 0, x, torch.zeros_like(x))
    return torch.stack([(gradient[:, c] * below[:, c]).sum() for c in range(x.shape[1])])


def by_autograd(gradient: Tensor, x: Tensor) -> Tensor:
    slopes = torch.full((x.shape[1],), 0.25, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(nn.functional.prelu(x, slopes), slopes, gradient)[0]


# 05.3


def evaluated(make_network, state, x):
    network = make_network()
    network.load_state_dict(state)
    network.eval()
    return network(x)


def in_one_line(make_network, state, x):
    network = make_network().eval()
    network.load_state_dict(state)
    return network(x)


def by_train_false(make_network, state, x):
    network = make_network()
    network.train(False)
    network.load_state_dict(state)
    with torch.no_grad():
        return network(x)


def each_module(make_network, state, x):
    network = make_network()
    network.load_state_dict(state)
    for module in network.modules():
        module.training = False
    return network.forward(x)


def by_kind(make_network, state, x):
    network = make_network()
    network.load_state_dict(state)
    for module in network.modules():
        if isinstance(module, nn.RReLU):
            module.eval()
    return network(x)


def functional(make_network, state, x):
    return torch.func.functional_call(make_network().eval(), dict(state), (x,))


def without(*lines):
    """The function without some of its lines."""

    def answer(make_network, state, x):
        network = make_network()
        if "load" not in lines:
            network.load_state_dict(state)
        if "eval" not in lines:
            network.eval()
        return network(x)

    return answer


def outermost_only(make_network, state, x):
    network = make_network()
    network.load_state_dict(state)
    network.training = False
    return network(x)


# 05.4


def from_recovered_input(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
    x = torch.where(y > 0, y, y / a)
    return gradient * torch.where(x > 0, 1.0, a).to(y.dtype), (gradient * x)[x <= 0].sum()


def by_factor(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
    off = (y <= 0).to(y.dtype)
    return gradient * (1 - off) + a * gradient * off, torch.sum(gradient * y * off / a)


def as_list(gradient: Tensor, y: Tensor, a: float) -> list[Tensor]:
    for_x = gradient.clone()
    for_x[y <= 0] *= a
    return [for_x, torch.dot(gradient.flatten(), y.clamp(max=0).flatten()) / a]


def through_autograd(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
    x = torch.where(y > 0, y, y / a).requires_grad_()
    slope = torch.tensor(a, dtype=y.dtype, requires_grad=True)
    return torch.autograd.grad(torch.where(x > 0, x, slope * x), (x, slope), gradient)


RIGHT = {
    "05.1": [
        by_places,
        ByMask.apply,
        lambda x, a: torch.where(x > 0, x, a * x),
        lambda x, a: x * torch.where(x > 0, torch.ones_like(x), torch.full_like(x, a)),
        lambda x, a: (a * x).where(x <= 0, x),
        lambda x, a: a * x + (1 - a) * torch.relu(x),
        lambda x, a: x * torch.where(x > 0, 1.0, a),
        lambda x, a: (x > 0) * x + (x <= 0) * a * x,
        lambda x, a: x * ((x > 0) + a * (x <= 0)),
        lambda x, a: a * x + (1 - a) * F.threshold(x, 0, 0),
        lambda x, a: a * x + (1 - a) * F.hardtanh(x, 0, math.inf),
        lambda x, a: x * torch.as_tensor(np.where(x.detach().numpy() > 0, 1.0, a)).to(x.dtype),
        lambda x, a: torch.lerp(a * x, x, (x > 0).to(x.dtype)),
        lambda x, a: torch.where(x > 0, x.double(), a * x.double()).to(x.dtype),
        lambda x, a: torch.stack([v if v > 0 else a * v for v in x.reshape(-1)]).reshape(x.shape),
    ],
    "05.2": [
        by_einsum,
        channel_by_channel,
        by_autograd,
        lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=(0, 2, 3)),
        lambda gradient, x: (gradient * x * (x < 0)).transpose(0, 1).flatten(1).sum(dim=1),
        lambda gradient, x: (gradient * torch.minimum(x, torch.zeros_like(x))).sum(3).sum(2).sum(0),
    ],
    "05.3": [evaluated, in_one_line, by_train_false, each_module, by_kind, functional],
    "05.4": [
        from_recovered_input,
        by_factor,
        as_list,
        through_autograd,
        lambda gradient, y, a: (torch.where(y > 0, gradient, a * gradient), (gradient * y.clamp(max=0)).sum() / a),
    ],
}

WRONG = {
    "05.1": [
        (lambda x, a: torch.max(a * x, x), "only if a is at most 1"),
        (lambda x, a: torch.min(a * x, x), "only if a is above 1"),
        (lambda x, a: 0.5 * (1 + a) * x + 0.5 * (1 - a) * abs(x), "half of each side"),
        (lambda x, a: x.where(x >= 0, a * x), "at exactly 0 your slope is 1"),
        (lambda x, a: x.clamp(min=0) + a * x.clamp(max=0), "both of your pieces"),
        (lambda x, a: nn.functional.leaky_relu(x, a), "torch's own leaky_relu"),
        (lambda x, a: nn.functional.prelu(x, torch.tensor([a], dtype=x.dtype)), "torch's own prelu"),
    ],
    "05.2": [
        (lambda gradient, x: (gradient * x.clamp(max=0)).sum(), "keep dimension 1"),
        (lambda gradient, x: (gradient * x.clamp(max=0)).mean(dim=(0, 2, 3)), "a mean divides"),
        (lambda gradient, x: (gradient * x).sum(dim=(0, 2, 3)), "not positive"),
        (lambda gradient, x: (gradient * (x < 0)).sum(dim=(0, 2, 3)), "is x, not 1"),
        (lambda gradient, x: (gradient * torch.relu(x)).sum(dim=(0, 2, 3)), "the other half"),
        (lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=(2, 3)), "one row for each image"),
    ],
    "05.3": [
        (without("eval"), "training mode"),
        (without("load"), "load the state"),
        (without("load", "eval"), "neither"),
        (outermost_only, "the outermost module alone"),
        (lambda make_network, state, x: evaluated(make_network, state, x).softmax(-1), "without a softmax"),
        (lambda make_network, state, x: evaluated(make_network, state, x).argmax(dim=-1), "not the classes"),
    ],
    "05.4": [
        (lambda g, y, a: (torch.where(y > 0, g, a * g), (g * y.clamp(max=0)).sum()), "x is y / a"),
        (lambda g, y, a: (torch.where(y > 0, g, a * g), a * (g * y.clamp(max=0)).sum()), "wrong direction"),
        (lambda g, y, a: (g, (g * y.clamp(max=0)).sum() / a), "must be multiplied by a"),
        (lambda g, y, a: (g * (y > 0), (g * y.clamp(max=0)).sum() / a), "is ReLU's"),
        (lambda g, y, a: (torch.where(y > 0, g, a * g), (g * y).sum() / a), "above zero"),
        (lambda g, y, a: ((g * y.clamp(max=0)).sum() / a, torch.where(y > 0, g, a * g)), "wrong order"),
    ],
}
