"""Answers of learners to the exercises of lesson 01."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def collapse_by_multiplying(w1, b1, w2, b2):
    weight = torch.matmul(w2, w1)
    bias = torch.mv(w2, b1).add(b2)
    return weight, bias


def collapse_in_one_matrix(w1, b1, w2, b2):
    w = w2 @ torch.cat([w1, b1[:, None]], dim=1)
    return [w[:, :-1], w[:, -1] + b2]


def collapse_by_loops(w1, b1, w2, b2):
    weight = torch.stack([sum(w2[i, j] * w1[j] for j in range(len(w1))) for i in range(len(w2))])
    return weight, b2 + (w2 * b1).sum(dim=1)


def network_of_modules(x, w1, b1, w2, b2):
    first, last = nn.Linear(10, 5).double(), nn.Linear(5, 3).double()
    with torch.no_grad():
        for layer, w, b in ((first, w1, b1), (last, w2, b2)):
            layer.weight.copy_(w)
            layer.bias.copy_(b)
    return last(nn.ReLU()(first(x)))


def network_by_mask(x, w1, b1, w2, b2):
    hidden = F.linear(x, w1, b1)
    return F.linear(hidden * (hidden > 0), w2, b2)


def fold_number_by_number(u):
    y = torch.empty_like(u)
    for place, v in enumerate(u.flatten()):
        y.view(-1)[place] = v.relu() + (-v).relu()
    return y


def both(u):
    return torch.relu(torch.stack([u, -u]))


def tent(x):
    return 2 * torch.relu(x) - 4 * torch.relu(x - 0.5)


def parity_bit_by_bit(bits):
    odd = bits[:, 0]
    for k in range(1, 8):
        odd = torch.relu(odd - bits[:, k]) + torch.relu(bits[:, k] - odd)
    return odd


def parity_row_by_row(bits):
    odd = torch.zeros(len(bits), dtype=bits.dtype)
    for place, row in enumerate(bits):
        odd[place] = tent(tent(tent(sum(row) / 8))).item()
    return odd


def parity_in_one_layer(bits):
    x = bits.sum(1, keepdim=True) - torch.arange(8)
    turns = torch.tensor([1.0] + [-2.0, 2.0] * 3 + [-2.0], dtype=bits.dtype)
    return torch.relu(x) @ turns


def parity_by_halves(bits):
    while bits.shape[1] > 1:
        a, b = bits[:, ::2], bits[:, 1::2]
        bits = F.relu(a - b) + F.relu(b - a)
    return bits[:, 0]


def parity_with_other_tents(bits):
    x = bits.mean(dim=1)
    for _ in range(3):
        x = 1 - torch.relu(2 * x - 1) - torch.relu(1 - 2 * x)
    return x


def parity_by_layers(bits):
    count = nn.Linear(bits.shape[1], 1, bias=False).to(bits.dtype)
    nn.init.constant_(count.weight, 1 / bits.shape[1])
    return tent(tent(tent(count(bits)[:, 0])))


RIGHT = {
    "01.1": [
        lambda w1, b1, w2, b2: (w2 @ w1, w2 @ b1 + b2),
        lambda w1, b1, w2, b2: (torch.einsum("ij,jk->ik", w2, w1), torch.einsum("ij,j->i", w2, b1) + b2),
        lambda w1, b1, w2, b2: ((w1.T @ w2.T).T, b1 @ w2.T + b2),
        lambda w1, b1, w2, b2: (w2.mm(w1), F.linear(b1, w2, b2)),
        collapse_by_multiplying,
        collapse_in_one_matrix,
        collapse_by_loops,
    ],
    "01.2": [
        lambda u: torch.relu(u) + torch.relu(-u),
        lambda u: 2 * F.relu(u) - u,
        lambda u: u + 2 * torch.relu(-u),
        lambda u: u.clamp(min=0) - u.clamp(max=0),
        lambda u: u.clamp_min(0) - torch.clamp_max(u, 0),
        lambda u: nn.ReLU()(torch.stack([u, -u])).sum(0),
        lambda u: torch.relu(u).add(u.neg().relu()),
        lambda u: 2 * both(u).mean(0),
        lambda u: torch.addcdiv(torch.relu(u), torch.relu(-u), torch.ones_like(u)),
        lambda u: sum(both(u).unbind()),
        lambda u: torch.add(*both(u).chunk(2)).squeeze(0),
        lambda u: u.relu() + u.flip(0).neg().relu().flip(0),
        lambda u: torch.einsum("k...->...", both(u)),
        lambda u: torch.relu(F.conv1d(u.reshape(1, 1, -1), u.new_tensor([[[1]], [[-1]]]))).sum(1).reshape(u.shape),
        lambda u: F.hardtanh(u, 0, math.inf) + F.hardtanh(-u, 0, math.inf),
        lambda u: (torch.relu(u.double()) + torch.relu(-u.double())).to(u.dtype),
        lambda u: torch.vmap(lambda v: v.relu() + (-v).relu())(u),
        fold_number_by_number,
        lambda u: u.new_zeros(u.shape).index_add(0, torch.arange(len(u)), u.relu() + u.neg().relu()),
    ],
    "01.3": [13, 12 + 1, 13.0, torch.tensor(13), len(range(13))],
    "01.4": [
        lambda x, w1, b1, w2, b2: torch.relu(x @ w1.T + b1) @ w2.T + b2,
        lambda x, w1, b1, w2, b2: F.linear(F.relu(F.linear(x, w1, b1)), w2, b2),
        lambda x, w1, b1, w2, b2: (w2 @ (w1 @ x.T + b1[:, None]).clamp(min=0) + b2[:, None]).T,
        lambda x, w1, b1, w2, b2: torch.stack([w2 @ torch.relu(w1 @ row + b1) + b2 for row in x]),
        network_by_mask,
        network_of_modules,
    ],
    "01.5": [
        lambda bits: tent(tent(tent(bits.sum(dim=1) / 8))),
        lambda bits: tent(tent(tent(bits @ torch.full((8,), 1 / 8, dtype=bits.dtype)))),
        parity_bit_by_bit,
        parity_by_halves,
        parity_in_one_layer,
        parity_with_other_tents,
        parity_by_layers,
        lambda bits: tent(tent(tent(bits.clamp_min(0).sum(1) / 8))),
        lambda bits: tent(tent(tent(bits.mean(-1)))),
        lambda bits: tent(tent(tent(sum(bits.unbind(1)) / 8))),
        lambda bits: tent(tent(tent(sum(half.sum(1) for half in bits.split(4, 1)) / 8))),
        lambda bits: tent(tent(tent(F.avg_pool1d(bits[:, None], 8)[:, 0, 0]))),
        lambda bits: tent(tent(tent(torch.einsum("nk,k->n", bits, bits.new_ones(8)) / 8))),
        lambda bits: tent(tent(tent(bits.double().sum(1) / 8))).to(bits.dtype),
        lambda bits: (1 - torch.prod(1 - 2 * bits, 1)) / 2,
        parity_row_by_row,
    ],
}

WRONG = {
    "01.1": [
        (lambda w1, b1, w2, b2: (w1 @ w2, w2 @ b1 + b2), "the order"),
        (lambda w1, b1, w2, b2: (w2 @ w1, b1 + b2), "goes through w2"),
        (lambda w1, b1, w2, b2: (torch.matmul(w2, w1), b2), "what becomes of b1"),
        (lambda w1, b1, w2, b2: (w2 @ w1, torch.mv(w2, b1)), "bias of the second layer"),
        (lambda w1, b1, w2, b2: (w1.T @ w2.T, F.linear(b1, w2, b2)), "no transposition"),
        (lambda w1, b1, w2, b2: w2 @ w1, "2 values"),
    ],
    "01.2": [
        (lambda u: F.relu(u) - F.relu(-u), "unfolded"),
        (lambda u: torch.relu(u) * 2, "the same unit twice"),
        (torch.relu, "right half alone"),
        (lambda u: F.relu(-u), "left half alone"),
        (torch.abs, "write it yourself"),
        (lambda u: (u * u) ** 0.5, "write it yourself"),
        (lambda u: torch.where(u > 0, u, -u), "a comparison or a mask"),
    ],
    "01.3": [
        (12, "12 corners"),
        (11, "reach outwards"),
        (24.0, "two halves"),
        (25, "bends once"),
        (2**12, "patterns"),
        (12**2, "two hidden layers"),
    ],
    "01.4": [
        (lambda x, w1, b1, w2, b2: torch.softmax(F.relu(F.linear(F.linear(x, w1, b1), w2, b2)), 0), "three things"),
        (lambda x, w1, b1, w2, b2: F.relu(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)), "cut at 0"),
        (lambda x, w1, b1, w2, b2: F.linear(F.linear(x, w1, b1), w2, b2), "nothing bends"),
        (lambda x, w1, b1, w2, b2: F.softmax(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), -1), "the logits"),
        (lambda x, w1, b1, w2, b2: F.log_softmax(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), 1), "done twice"),
        (lambda x, w1, b1, w2, b2: F.relu(x @ w1.T + b1) @ w2.T, "b2"),
    ],
    "01.5": [
        (lambda bits: bits.sum(1), "counts the ones"),
        (lambda bits: tent(bits.sum(1) / 8), "fold its output again"),
        (lambda bits: tent(tent(bits.sum(1) / 8)), "one more fold"),
        (lambda bits: tent(tent(tent(tent(bits.sum(1) / 8)))), "no more than three times"),
        (lambda bits: tent(tent(tent(bits.sum(1)))), "divide the count by 8"),
        (lambda bits: tent(tent(tent(bits.sum() / 8))), "one answer for each row"),
        (lambda bits: bits.sum(1) % 2, "write it yourself"),
        (lambda bits: bits.sum(1).long() & 1, "write it yourself"),
        (lambda bits: torch.tensor([0.0, 1.0] * 5)[bits.sum(1).long()].to(bits.dtype), "write it yourself"),
    ],
}
