"""Answers to the exercises of lesson 10."""

import torch
from torch import nn
from torch.nn import functional as F


def by_gather(logits, labels):
    shifted = logits - logits.amax(dim=1, keepdim=True)
    logs = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -logs.gather(1, labels.unsqueeze(1)).mean()


def by_one_hot(logits, labels):
    chosen = (F.one_hot(labels, logits.shape[1]) * logits).sum(1)
    return torch.mean(torch.logsumexp(logits, 1) - chosen)


def by_loop(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        total = total + torch.logsumexp(row, 0) - row[label]
    return total / len(labels)


def by_margins(logits, labels):
    own = logits.gather(1, labels[:, None])
    return torch.logsumexp(logits - own, dim=-1).mean()


def by_logaddexp(logits, labels):
    total = logits[:, 0]
    for column in range(1, logits.shape[1]):
        total = torch.logaddexp(total, logits[:, column])
    return (total - logits[torch.arange(len(labels)), labels]).sum() / len(labels)


def by_matrix(gradient, y):
    flat_g, flat_y = gradient.reshape(-1, y.shape[-1]), y.reshape(-1, y.shape[-1])
    rows = [g @ (torch.diag(p) - torch.outer(p, p)) for g, p in zip(flat_g, flat_y, strict=True)]
    return torch.stack(rows).reshape(y.shape)


def by_loop_over_rows(gradient, y):
    if y.dim() == 1:
        return y * (gradient - torch.dot(gradient, y))
    return torch.stack([by_loop_over_rows(g, p) for g, p in zip(gradient, y, strict=True)])


def within_float32(outputs):
    total = outputs.double().sum(-1)
    return (outputs.min() >= 0).item() and ((total - 1).abs().max() < 1e-5).item()


def row_by_row(outputs):
    good = True
    for row in outputs:
        good = good and bool((row >= 0).all()) and abs(row.sum().item() - 1) < 1e-3
    return good


def by_odds(logits, weights):
    odds = torch.exp(logits - logits.max(dim=1, keepdim=True).values) / weights
    return odds / odds.sum(dim=1, keepdim=True)


def by_probabilities(logits, weights):
    p = logits.softmax(-1) / weights
    return F.normalize(p, p=1, dim=1)


def by_rows(logits, weights):
    return torch.stack([torch.softmax(row - torch.log(weights), 0) for row in logits])


def by_nll_loss(logits, labels):
    return F.nll_loss(logits - logits.logsumexp(1, keepdim=True), labels)


def by_the_surest(logits, labels):
    """The largest probability is 1 / K at least: its logarithm loses nothing."""
    total = logits.max(1).values - torch.softmax(logits, 1).max(1).values.log()
    return (total - logits.gather(1, labels[:, None])[:, 0]).mean()


RIGHT = {
    "10.1": [by_gather, by_one_hot, by_loop, by_margins, by_logaddexp, by_nll_loss, by_the_surest],
    "10.2": [
        by_matrix,
        by_loop_over_rows,
        lambda gradient, y: gradient * y - y * torch.sum(gradient * y, -1, keepdim=True),
        lambda gradient, y: y * (gradient - torch.einsum("...i,...i->...", gradient, y)[..., None]),
        lambda gradient, y: torch._softmax_backward_data(gradient, y, -1, y.dtype),
    ],
    "10.3": [
        within_float32,
        row_by_row,
        lambda outputs: (
            bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones(len(outputs)), atol=1e-5)
        ),
        lambda outputs: all(min(row) >= 0 and abs(sum(row) - 1) < 1e-3 for row in outputs.tolist()),
        lambda outputs: (outputs >= 0).all() & ((outputs.sum(1) - 1).abs() < 1e-4).all(),
        lambda outputs: bool((outputs.numpy() >= 0).all() and abs(outputs.numpy().sum(1) - 1).max() < 1e-4),
    ],
    "10.4": [
        by_odds,
        by_probabilities,
        by_rows,
        lambda logits, weights: torch.exp(torch.log_softmax(logits - weights.log(), 1)),
        lambda logits, weights: nn.Softmax(dim=1)(logits + (1 / weights).log()),
        lambda logits, weights: torch.exp((z := logits - weights.log()) - z.logsumexp(1, keepdim=True)),
    ],
}


def with_floor(floor):
    return lambda z, y: -torch.log(torch.softmax(z, 1) + floor)[torch.arange(len(y)), y].mean()


WRONG = {
    "10.1": [
        (lambda z, y: -torch.log(torch.softmax(z, dim=0))[torch.arange(len(y)), y].mean(), "dim=0"),
        (
            lambda z, y: -torch.log(torch.softmax(z, dim=1))[torch.arange(len(y)), y].mean(),
            "before anything is rounded",
        ),
        (lambda z, y: -torch.log(torch.softmax(z, 1) + 1e-8)[torch.arange(len(y)), y].mean(), "bends the loss"),
        *(
            (with_floor(floor), f"never exceeds {limit}")
            for floor, limit in ((1e-6, 13.8), (1e-30, 69.1), (1e-38, 87.5))
        ),
        (lambda z, y: F.nll_loss(z.softmax(1).clamp(min=1e-7).log(), y), "the clamp hides"),
        (with_floor(3e-11), "its probability is rounded to 0"),
        (lambda z, y: F.nll_loss(z.softmax(1).log().clamp(min=-100), y), "its probability is rounded to 0"),
        (lambda z, y: (torch.logsumexp(z, 1) - z[torch.arange(len(y)), y]).sum(), "sum over the batch"),
        (lambda z, y: (z[torch.arange(len(y)), y] - torch.logsumexp(z, 1)).mean(), "sign"),
        (lambda z, y: (z.exp().sum(1).log() - z[torch.arange(len(y)), y]).mean(), "overflows"),
        (F.cross_entropy, "write it yourself"),
    ],
    "10.2": [
        (lambda g, y: g * y * (1 - y), "diagonal"),
        (lambda g, y: g * y, "first of two terms"),
        (lambda g, y: y * (g - (g * y).sum()), "whole batch"),
        (lambda g, y: y * (g - (g * y).sum(dim=1, keepdim=True)), "dim=-1"),
        (lambda g, y: y * ((g * y).sum(-1, keepdim=True) - g), "sign"),
        (lambda g, y: y * (g - g.sum(-1, keepdim=True)), "g times y"),
        (lambda g, y: torch.func.vjp(lambda z: z.softmax(-1), y.log())[1](g)[0], "autograd"),
    ],
    "10.3": [
        (lambda o: bool((o >= 0).all()), "sum to"),
        (lambda o: not ((o < 0).any() or ((o.sum(1) - 1).abs() > 1e-5).any()), "NaN passes"),
        (lambda o: bool((o[0] >= 0).all() and abs(o[0].sum() - 1) < 1e-3), "first row"),
        (lambda o: bool(((o >= 0).all(1) & ((o.sum(1) - 1).abs() < 1e-3)).any()), "one good row"),
        (lambda o: bool((o >= 0).all() and (o.sum(1).round() == 1).all()), "tolerance"),
        (lambda o: bool((o > 0).all() and ((o.sum(1) - 1).abs() < 1e-3).all()), "round to 0, and to 1"),
        (lambda o: bool(((o >= 0) & (o < 1)).all() and ((o.sum(1) - 1).abs() < 1e-3).all()), "round to 0, and to 1"),
        (lambda o: bool((o >= 0).all() and (abs(o.sum(1) - 1) < 0.4).all()), "tolerance"),
        (lambda o: bool((o.sum(1) - 1).abs().max() < 1e-3), "never negative"),
        (lambda o: bool((o >= 0).all() and abs(o.mean() * o.shape[1] - 1) < 1e-3), "row by row"),
        (lambda o: bool(o.max() <= 1 and (o.sum(1) - 1).abs().max() < 1e-3), "0.5 + 0.51 − 0.01"),
        (lambda o: bool((o.norm(p=1, dim=1) - 1).abs().max() < 1e-3), "the sizes of 0.5 and −0.5"),
        (lambda o: bool((o >= 0).all() and (o.sum(1) - 1 < 1e-3).all()), "far below 1"),
        (lambda o: bool(((o >= 0) & (o <= 1)).all() and (o.sum(1) <= 1 + 1e-4).all()), "far below 1"),
        (lambda o: bool((o >= 0).all() and (1 - o.sum(1) < 1e-3).all()), "far above 1"),
        (lambda o: bool((o >= 0).all() and o.sum(1).min() >= 1 - 1e-4), "far above 1"),
        (lambda o: bool((o >= 0).all() and (abs(o.sum(1) - 1) < 1e-3).any()), "not .any()"),
        (lambda o: bool((o >= 0).all() and (o.sum(1) - 1).max().abs() < 1e-3), "where one row of six sums to 0.5"),
    ],
    "10.4": [
        (lambda z, w: torch.softmax(z + w.log(), 1), "wrong direction"),
        (lambda z, w: torch.softmax(z, 1) / w, "no longer sum to 1"),
        (lambda z, w: torch.softmax(z - w, 1), "log w"),
        (lambda z, w: torch.softmax(z / w, 1), "temperature"),
        (lambda z, w: z - w.log(), "softmax along dim 1 is missing"),
        (lambda z, w: torch.softmax(z - w.log(), 0), "over the batch"),
        (lambda z, w: (z.exp() / w) / (z.exp() / w).sum(1, keepdim=True), "overflows"),
        (lambda z, w: F.normalize((z - z.mean(1, keepdim=True)).exp() / w, p=1, dim=1, eps=0.0), "row's largest"),
        (lambda z, w: F.normalize((z - z[:, :1]).exp() / w, p=1, dim=1, eps=0.0), "both 1000 and 0"),
        (lambda z, w: F.normalize((z - z.max()).exp() / w, p=1, dim=1, eps=0.0), "each row's own"),
    ],
}
