"""Answers of learners to the exercises of lesson 00."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def relu_by_mask(x):
    y = x.clone()
    y[y < 0] = 0
    return y


def relu_by_rows(x):
    return torch.stack([torch.zeros_like(x), x]).amax(dim=0)


def share_by_loop(y):
    values = y.reshape(-1).tolist()
    return len([value for value in values if value == 0]) / len(values)


def standardised(photograph):
    mean = photograph.mean(dim=(1, 2), keepdim=True)
    return (photograph - mean) / photograph.std(dim=(1, 2), keepdim=True)


def zeros_by_loop(photograph):
    shares = []
    for channel in photograph:
        y = torch.relu((channel - channel.mean()) / channel.std())
        shares.append((y == 0).float().mean())
    return torch.stack(shares)


def zeros_by_flattening(photograph):
    flat = photograph.flatten(1)
    z = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)
    return (z.clamp(min=0) == 0).sum(dim=1) / flat.shape[1]


def zeros_by_views(photograph):
    mean, std = (f(photograph, dim=(1, 2)).view(-1, 1, 1) for f in (torch.mean, torch.std))
    y = nn.ReLU()((photograph - mean) / std)
    return 1 - torch.count_nonzero(y, dim=(1, 2)) / y[0].numel()


RIGHT = {
    "00.1": [
        lambda x: x.clamp(min=0),
        lambda x: torch.maximum(x, torch.zeros_like(x)),
        lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
        lambda x: (x + x.abs()) / 2,
        lambda x: x * (x > 0),
        relu_by_mask,
        relu_by_rows,
        lambda x: x.masked_fill(x < 0, 0),
        lambda x: torch.as_tensor(np.maximum(x.numpy(), np.zeros_like(x.numpy()))),
        lambda x: torch.from_numpy(np.maximum(x.numpy(), 0)),
        lambda x: torch.tensor([max(v, 0.0) for v in x.flatten().tolist()], dtype=x.dtype).reshape(x.shape),
        lambda x: torch.stack([x, torch.zeros_like(x)]).sort(0).values[1],
        lambda x: torch.stack([x, torch.zeros_like(x)]).topk(1, 0).values[0],
        lambda x: x * torch.heaviside(x, torch.zeros_like(x)),
        lambda x: (x.double() * (x.sign() + 1) / 2).to(x.dtype),
        lambda x: torch.vmap(lambda v: v.clamp(min=0))(x.reshape(-1)).reshape(x.shape),
        lambda x: F.leaky_relu(x, 0.0),
        lambda x: F.threshold(x, 0, 0),
        lambda x: F.hardtanh(x, 0, math.inf),
    ],
    "00.2": [
        lambda y: (y == 0).float().mean().item(),
        lambda y: (y == 0).sum().item() / y.numel(),
        lambda y: (y == 0).float().mean(),
        lambda y: 1 - torch.count_nonzero(y).item() / y.numel(),
        lambda y: float((y.numpy() == 0).mean()),
        share_by_loop,
    ],
    "00.3": [
        lambda p: (torch.relu(standardised(p)) == 0).float().mean(dim=(1, 2)),
        lambda p: (standardised(p) <= 0).float().mean(dim=(1, 2)),
        zeros_by_loop,
        zeros_by_flattening,
        zeros_by_views,
        lambda p: torch.tensor([(c <= c.mean()).float().mean().item() for c in p]),
        lambda p: (standardised(p) <= 0).double().mean(dim=(1, 2)),
    ],
}

WRONG = {
    "00.1": [
        (lambda x: max(0, x), "torch.clamp"),
        (lambda x: torch.max(x, 0), "along dimension 0"),
        (lambda x: x.clamp(max=0), "negative half"),
        (lambda x: torch.abs(x), "flips"),
        (lambda x: x[x > 0], "shape stays"),
        (lambda x: 0 if x < 0 else x, "Python's max and if"),
        (torch.relu, "write it yourself"),
        (lambda x: x.clamp(0, 255), "at x = 1e30"),
    ],
    "00.2": [
        (lambda y: (y == 0).sum().item() / len(y), "numel"),
        (lambda y: (y == 0).sum().item() / (len(y) * (len(y[0]) if y.dim() > 1 else 1)), "two dimensions"),
        (lambda y: (y == 0).sum().item() / (y.shape[-1] * (y.shape[-2] if y.dim() > 1 else 1)), "two dimensions"),
        (lambda y: (y == 0).sum().item(), "how many"),
        (lambda y: (y == 0).mean(), "numbers"),
        (lambda y: (y != 0).float().mean().item(), "others"),
        (lambda y: torch.isclose(y, torch.zeros_like(y)).float().mean().item(), "exact zeros"),
        (lambda y: (torch.relu(y) == 0).float().mean(), "negative numbers are not zeros"),
    ],
    "00.3": [
        (lambda p: (p < p.mean(dim=(1, 2), keepdim=True)).float().mean(dim=(1, 2)), "exactly at it"),
        (lambda p: (torch.relu(p) == 0).float().mean(dim=(1, 2)), "black pixels"),
        (lambda p: (torch.relu((p - p.mean()) / p.std()) == 0).float().mean(dim=(1, 2)), "each channel gets its own"),
        (lambda p: (torch.relu(standardised(p)) == 0).float().mean(), "whole picture"),
        (lambda p: (torch.relu(standardised(p)) == 0).sum(dim=(1, 2)), "how many"),
        (lambda p: (torch.relu(standardised(p)) == 0).mean(dim=(1, 2)), "numbers"),
        (lambda p: (torch.relu(standardised(p)) != 0).float().mean(dim=(1, 2)), "lets pass"),
        (lambda p: (torch.relu((p - p.mean((1, 2))) / p.std((1, 2))) == 0).float().mean((1, 2)), "keepdim=True"),
    ],
}
