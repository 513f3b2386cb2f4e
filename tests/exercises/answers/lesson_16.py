"""Answers to the exercises of lesson 16."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def perplexity_in_a_loop(losses, lengths):
    total = sum(loss * n for loss, n in zip(losses, lengths, strict=True))
    return (total / sum(lengths)).exp()


def causal_by_loop(scores):
    scores = scores.clone()
    for i in range(scores.shape[-1]):
        scores[..., i, i + 1 :] = -math.inf
    return torch.softmax(scores, -1)


def causal_by_exponentials(scores):
    powers = torch.tril((scores - scores.amax(-1, keepdim=True)).exp())
    return powers / powers.sum(-1, keepdim=True)


def causal_by_places(scores):
    place = torch.arange(scores.size(-1))
    return torch.where(place[:, None] >= place, scores, -torch.inf).softmax(-1)


def only_on_in_a_loop(x, inner, outer):
    y, n = torch.zeros_like(x), 0
    for unit in range(inner.shape[0]):
        height = inner[unit].dot(x)
        if height > 0:
            y = y + height * outer[:, unit]
            n += 1
    return y, n


def only_on_in_float32(x, inner, outer):
    y, on = torch.zeros(len(outer)), (inner @ x > 0).nonzero().flatten()
    for j in on:
        y += (inner[j] @ x) * outer[:, j]
    return y, len(on)


def only_on_by_index(x, inner, outer):
    h = F.relu(inner @ x)
    (places,) = torch.nonzero(h, as_tuple=True)
    return outer.index_select(1, places) @ h[places], len(places)


def only_on_in_numpy(x, inner, outer):
    h = inner.numpy() @ x.numpy()
    on = h > 0
    return torch.from_numpy(outer.numpy()[:, on] @ h[on]), np.count_nonzero(on)


def only_on_by_where(x, inner, outer):
    h = (inner * x).sum(dim=1).clamp(min=0)
    on = h.bool()
    return torch.where(on, outer, 0) @ h, on.sum()


def layer_by_steps(x, attention, mix, inner, outer):
    n, width = x.shape
    h = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    q, k, v = h @ attention[:width].T, h @ attention[width : 2 * width].T, h @ attention[2 * width :].T
    seen = torch.stack([((q[i] @ k[: i + 1].T) / width**0.5).softmax(0) @ v[: i + 1] for i in range(n)])
    x = x + seen @ mix.T
    h = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return x + torch.relu(h @ inner.T).pow(2) @ outer.T


def layer_by_torch(x, attention, mix, inner, outer):
    w = x.shape[-1]
    q, k, v = F.linear(F.rms_norm(x, (w,)), attention).split(w, -1)
    x = x + F.linear(F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True).squeeze(0), mix)
    return x + F.linear(F.linear(F.rms_norm(x, [w]), inner).clamp(min=0) ** 2, outer)


def layer_of_modules(x, attention, mix, inner, outer):
    norm = nn.RMSNorm(x.shape[-1], eps=1e-8, elementwise_affine=False)
    q, k, v = torch.tensor_split(norm(x) @ attention.mT, 3, dim=1)
    scores = torch.einsum("id,jd->ij", q, k) * x.shape[-1] ** -0.5
    y = x + causal_by_places(scores) @ v @ mix.mT
    h = norm(y) @ inner.mT
    return y + (h * h.relu()) @ outer.mT


def layer_in_place(x, attention, mix, inner, outer):
    y, w = x.clone(), x.shape[-1]
    q, k, v = (F.rms_norm(y, (w,)) @ attention.t()).reshape(len(y), 3, w).unbind(1)
    powers = (q @ k.t() / math.sqrt(w)).exp().tril()
    y += powers / powers.sum(1, keepdim=True) @ v @ mix.t()
    y += F.rms_norm(y, (w,)).matmul(inner.t()).relu_().square_().matmul(outer.t())
    return y


def layer_in_numpy(x, attention, mix, inner, outer):
    x, a, m, i, o = (each.numpy() for each in (x, attention, mix, inner, outer))
    w = x.shape[1]
    h = x / np.sqrt((x**2).mean(1, keepdims=True))
    q, k, v = np.split(h @ a.T, 3, axis=1)
    p = np.tril(np.exp(q @ k.T / np.sqrt(w)))
    x = x + p / p.sum(1, keepdims=True) @ v @ m.T
    h = x / np.sqrt((x**2).mean(1, keepdims=True))
    return torch.from_numpy(x + np.maximum(h @ i.T, 0) ** 2 @ o.T)


def changed_layer(*, scale=True, mask=1, squared=True, residual=True):
    def layer(x, attention, mix, inner, outer):
        w = x.shape[-1]
        q, k, v = (F.rms_norm(x, (w,)) @ attention.T).chunk(3, -1)
        scores = q @ k.T / (w**0.5 if scale else 1)
        hidden = torch.ones(len(x), len(x), dtype=torch.bool).triu(mask)
        seen = scores.masked_fill(hidden, -math.inf).softmax(-1) @ v @ mix.T
        x = x + seen if residual else seen
        h = (F.rms_norm(x, (w,)) @ inner.T).relu()
        return x + (h**2 if squared else h) @ outer.T

    return layer


def keys_ask(x, attention, mix, inner, outer):
    query, key, value = attention.chunk(3)
    return layer_by_torch(x, torch.cat([key, query, value]), mix, inner, outer)


def block_without_norm(x, attention, mix, inner, outer):
    seen = layer_by_torch(x, attention, mix, inner, torch.zeros_like(outer))
    return seen + torch.relu(seen @ inner.T) ** 2 @ outer.T


RIGHT = {
    "16.1": [
        lambda losses, lengths: torch.exp(losses @ lengths / lengths.sum()),
        lambda losses, lengths: ((losses * lengths).sum() / lengths.sum()).exp(),
        lambda losses, lengths: math.e ** (losses * (lengths / lengths.sum())).sum(),
        lambda losses, lengths: np.exp(np.average(losses.numpy(), weights=lengths.numpy())),
        lambda losses, lengths: (losses.exp() ** (lengths / lengths.sum())).prod(),
        lambda losses, lengths: math.exp(losses @ lengths / lengths.sum()),
        perplexity_in_a_loop,
    ],
    "16.2": [
        causal_by_loop,
        causal_by_exponentials,
        causal_by_places,
        lambda scores: (scores + torch.full_like(scores, -math.inf).triu(1)).softmax(-1),
        lambda scores: torch.softmax(scores.masked_fill(~torch.ones_like(scores).bool().tril(), -1e30), dim=-1),
        lambda scores: F.scaled_dot_product_attention(
            scores, torch.eye(scores.size(-1)).double().expand_as(scores), torch.eye(scores.size(-1)).double()
            .expand_as(scores), is_causal=True, scale=1.0,
        ),
    ],
    "16.3": [
        only_on_in_a_loop,
        only_on_by_index,
        only_on_in_numpy,
        only_on_by_where,
        lambda x, inner, outer: (outer[:, inner @ x > 0] @ (inner[inner @ x > 0] @ x), (inner @ x > 0).sum().item()),
        lambda x, inner, outer: [outer.T[inner @ x > 0].T @ (inner @ x)[inner @ x > 0], int((inner @ x > 0).sum())],
    ],
    "16.4": [layer_by_steps, layer_by_torch, layer_of_modules, layer_in_place, layer_in_numpy],
}  # fmt: skip
WRONG = {
    "16.1": [
        (lambda losses, lengths: losses.mean().exp(), "weigh with the lengths"),
        (lambda losses, lengths: (lengths * losses.exp()).sum() / lengths.sum(), "the mean comes first"),
        (lambda losses, lengths: losses @ lengths / lengths.sum(), "its exponential is asked for"),
        (lambda losses, lengths: 2.0 ** (losses @ lengths / lengths.sum()), "the base is e, not 2"),
        (lambda losses, lengths: torch.exp(losses @ lengths), "divide by the number of characters"),
        (lambda losses, lengths: torch.exp(losses).mean(), "neither the lengths nor the order"),
    ],
    "16.2": [
        (lambda scores: (scores + torch.full_like(scores, -math.inf).triu(2)).softmax(-1), "may place 0 look at"),
        (lambda scores: (scores + torch.full_like(scores, -math.inf).triu(0)).softmax(-1), "not look at itself"),
        (lambda scores: (scores + torch.full_like(scores, -math.inf).tril(-1)).softmax(-1), "shows the future"),
        (lambda scores: (scores + torch.full_like(scores, -math.inf).triu(1)).softmax(-2), "not those of a column"),
        (lambda scores: scores.softmax(-1).tril(), "rows no longer sum to 1"),
        (lambda scores: scores.tril().softmax(-1), "a score of 0 is a score like others"),
        (lambda scores: scores.softmax(-1), "without a mask"),
        (lambda scores: torch.where(torch.ones_like(scores).bool().tril(), scores, -100).softmax(-1), "hides a place only"),
    ],
    "16.3": [
        (lambda x, inner, outer: (outer @ F.relu(inner @ x), int((inner @ x > 0).sum())), "0 · NaN is NaN"),
        (lambda x, inner, outer: (outer.nan_to_num() @ F.relu(inner @ x), int((inner @ x > 0).sum())), "replace every"),
        (only_on_in_float32, "the dtype is torch.float32, not torch.float64"),
        (lambda x, inner, outer: (only_on_by_index(x, inner, outer)[0], inner.shape[0]), "of the units that are on"),
        (lambda x, inner, outer: (only_on_by_index(x, inner, outer)[0], (inner @ x > 0).double().mean().item()),
         "not their share"),
        (lambda x, inner, outer: only_on_by_index(x, inner, outer)[0], "return two things"),
        (lambda x, inner, outer: (torch.where(inner @ x > 0, outer, 0) @ (inner @ x).square(),
                                  int((inner @ x > 0).sum())), "the squared one"),
        (lambda x, inner, outer: (torch.where((inner @ x >= 0), outer, 0) @ (inner @ x).relu(),
                                  int((inner @ x >= 0).sum())), "counts as off"),
    ],
    "16.4": [
        (changed_layer(scale=False), "the scale is missing"),
        (changed_layer(mask=99), "the causal mask is missing"),
        (changed_layer(mask=2), "off by one"),
        (changed_layer(squared=False), "squared ReLU; that is the plain one"),
        (changed_layer(residual=False), "it does not take its place"),
        (keys_ask, "exchanged"),
        (block_without_norm, "begins with one as well"),
    ],
}  # fmt: skip
