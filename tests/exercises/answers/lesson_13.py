"""Answers to the exercises of lesson 13."""

import math
import statistics

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F


def with_a_module(weights, batches, rate):
    model = nn.Linear(*weights.shape, bias=False)
    model.weight.data = weights.T.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for x, target in batches:
        model.zero_grad()
        nn.CrossEntropyLoss()(model(x), target).backward()
        optimizer.step()
    return model.weight.T


def with_a_parameter(weights, batches, rate):
    own = nn.Parameter(weights.detach().clone())
    optimizer = torch.optim.SGD([own], rate)
    for x, target in batches:
        F.nll_loss((x @ own).log_softmax(dim=-1), target).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    return own


def by_autograd(weights, batches, rate):
    for x, target in batches:
        own = weights.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(x @ own, target), own)
        weights = own.detach() - rate * slope
    return weights


def without_optimizer(weights, batches, rate):
    own = weights.clone().requires_grad_()
    for x, target in batches:
        own.grad = None
        F.cross_entropy(torch.mm(x, own), target).backward()
        with torch.no_grad():
            own -= rate * own.grad
    return own.detach()


def by_the_formula(weights, batches, rate):
    for x, target in batches:
        wrong = (x @ weights).softmax(dim=1) - torch.eye(weights.shape[1])[target]
        weights = weights - rate * x.T @ wrong / len(x)
    return weights.numpy()


def step(change):
    def answer(weights, batches, rate):
        own = weights.clone().requires_grad_()
        optimizer = torch.optim.SGD([own], lr=rate)
        for x, target in batches:
            change(optimizer, lambda x=x, target=target: F.cross_entropy(x @ own, target))
        return own.detach()

    return answer


def cleared_too_late(optimizer, loss):
    loss().backward()
    optimizer.zero_grad()
    optimizer.step()


def never_cleared(optimizer, loss):
    loss().backward()
    optimizer.step()


def no_step(optimizer, loss):
    optimizer.zero_grad()
    loss().backward()


def the_first_batch_alone(weights, batches, rate):
    own = weights.clone().requires_grad_()
    for x, target in batches:
        F.cross_entropy(x @ own, target).backward()
        own = own - rate * own.grad
        break
    return own.detach()


def softmax_twice(weights, batches, rate):
    own = weights.clone().requires_grad_()
    for x, target in batches:
        own.grad = None
        F.cross_entropy((x @ own).softmax(dim=1), target).backward()
        own.data -= rate * own.grad
    return own.detach()


def uphill(weights, batches, rate):
    return by_autograd(weights, batches, -rate)


def ends(differences, half):
    mean = differences.mean()
    return mean - half, mean + half


def in_python(ours, relu, t):
    d = [a - b for a, b in zip(ours.tolist(), relu.tolist(), strict=True)]
    half = t * statistics.stdev(d) / len(d) ** 0.5
    return [statistics.mean(d) - half, statistics.mean(d) + half]


def in_numpy(ours, relu, t):
    d = ours.numpy() - relu.numpy()
    half = t * d.std(ddof=1) / np.sqrt(len(d))
    return np.array([d.mean() - half, d.mean() + half])


def by_scipy(accuracies):
    m, found = len(accuracies) - 1, set()
    for name in accuracies:
        if name != "relu" and stats.ttest_rel(accuracies[name], accuracies["relu"]).pvalue < 0.05 / m:
            found.add(name)
    return tuple(sorted(found))


def by_scipy_and_holm(accuracies):
    p = {name: stats.ttest_rel(accuracies[name], accuracies["relu"]).pvalue for name in accuracies if name != "relu"}
    found = []
    for left, name in zip(range(len(p), 0, -1), sorted(p, key=p.get), strict=True):
        if p[name] >= 0.05 / left:
            break
        found.append(name)
    return tuple(sorted(found))


def the_worse_alone(accuracies):
    return tuple(name for name in by_scipy(accuracies) if accuracies[name].mean() < accuracies["relu"].mean())


def by_interval(accuracies):
    names = [name for name in accuracies if name != "relu"]
    found = []
    for name in names:
        d = (accuracies[name] - accuracies["relu"]).numpy()
        low, high = stats.ttest_1samp(d, 0).confidence_interval(1 - 0.05 / len(names))
        if low > 0 or high < 0:
            found.append(name)
    return sorted(found)


def by_comprehension(accuracies):
    relu = accuracies["relu"]
    limit = -stats.t.ppf(0.025 / (len(accuracies) - 1), len(relu) - 1)
    t = {k: math.sqrt(len(relu)) * (v - relu).mean() / (v - relu).std() for k, v in accuracies.items() if k != "relu"}
    return tuple(k for k in sorted(t) if t[k].abs() > limit)


def stacked(accuracies):
    names = sorted(set(accuracies) - {"relu"})
    d = torch.stack([accuracies[name] for name in names]) - accuracies["relu"]
    half = stats.t.isf(0.05 / 2 / len(names), d.shape[1] - 1) * d.std(dim=1) / d.shape[1] ** 0.5
    mean = d.mean(dim=1)
    apart = (mean - half > 0) | (mean + half < 0)
    return tuple(name for name, yes in zip(names, apart.tolist(), strict=True) if yes)


def squares(accuracies):
    found = ()
    for name in sorted(accuracies):
        d = (accuracies[name] - accuracies["relu"]).tolist()
        if name == "relu":
            continue
        n, mean = len(d), sum(d) / len(d)
        variance = sum((x - mean) ** 2 for x in d) / (n - 1)
        if mean**2 > stats.f.ppf(1 - 0.05 / (len(accuracies) - 1), 1, n - 1) * variance / n:
            found += (name,)
    return found


def pooled(degrees, blocks=False):
    def answer(accuracies):
        names = sorted(set(accuracies) - {"relu"})
        m, n = len(names), len(accuracies["relu"])
        runs = torch.stack([accuracies[name] for name in [*names, "relu"]])
        d = runs[:-1] - runs[-1]
        variance = d.var(dim=1).mean()
        if blocks:
            rest = runs - runs.mean(dim=1, keepdim=True) - runs.mean(dim=0) + runs.mean()
            variance = 2 * rest.square().sum() / (m * (n - 1))
        t = d.mean(dim=1).abs() / (variance / n).sqrt()
        return tuple(name for name, each in zip(names, t, strict=True) if each > stats.t.isf(0.025 / m, degrees(m, n)))

    return answer


def by_limit(limit, *, better_only=False, factor=lambda n: 1.0):
    def answer(accuracies):
        names = sorted(set(accuracies) - {"relu"})
        found = []
        for name in names:
            d = accuracies[name] - accuracies["relu"]
            t = factor(len(d)) * (d.mean() / d.std() * len(d) ** 0.5).item()
            if (t if better_only else abs(t)) > limit(len(names), len(d)):
                found.append(name)
        return tuple(found)

    return answer


RIGHT = {
    "13.1": [with_a_module, with_a_parameter, by_autograd, without_optimizer, by_the_formula],
    "13.2": [
        in_python,
        in_numpy,
        lambda a, b, t: ends(a - b, t * (a - b).std() / len(a) ** 0.5),
        lambda a, b, t: ends(a.double() - b.double(), t * (a.double() - b.double()).var().div(len(a)).sqrt()),
        lambda a, b, t: torch.stack(ends(a - b, t * (a - b).std() / math.sqrt(a.numel()))),
        lambda a, b, t: ends(a - b, t * stats.sem((a - b).numpy())),
        lambda a, b, t: ends(a - b, t * torch.cov(F.relu(a - b) - F.relu(b - a)).div(len(a)).sqrt()),
        lambda a, b, t: ends(a - b, t * torch.linalg.norm(a - b - (a - b).mean()) / (len(a) * (len(a) - 1)) ** 0.5),
    ],
    "13.3": [
        lambda v, t: t[v.argmax()],
        lambda v, t: t[torch.argmax(v)].item(),
        lambda v, t: float(t.numpy()[v.numpy().argmax()]),
        lambda v, t: max(zip(v.tolist(), t.tolist(), strict=True))[1],
        lambda v, t: t[v == v.max()].item(),
        lambda v, t: t.tolist()[v.tolist().index(max(v.tolist()))],
    ],
    "13.4": [by_scipy, by_interval, by_comprehension, stacked, squares],
}
WRONG = {
    "13.1": [
        (step(never_cleared), "clear the gradients once a batch"),
        (step(cleared_too_late), "then backward, then step"),
        (step(no_step), "the weights are as they were"),
        (the_first_batch_alone, "inside the loop"),
        (softmax_twice, "applied twice"),
        (uphill, "uphill"),
    ],
    "13.2": [
        (lambda a, b, t: ends(a - b, t * (a - b).std()), "sqrt(n)"),
        (lambda a, b, t: ends(b - a, t * (a - b).std() / len(a) ** 0.5), "ours minus relu"),
        (lambda a, b, t: ends(a - b, (a - b).std() / len(a) ** 0.5), "t is missing"),
        (lambda a, b, t: ends(a - b, t * (a - b).std(unbiased=False) / len(a) ** 0.5), "n - 1"),
        (lambda a, b, t: ends(a - b, t * ((a.var() + b.var()) / len(a)) ** 0.5), "unpaired"),
        (lambda a, b, t: ends(a - b, t * (a.std() - b.std()) / len(a) ** 0.5), "difference of two spreads"),
    ],
    "13.3": [
        (lambda v, t: max(t), "biased upward"),
        (lambda v, t: v.max(), "too good"),
        (lambda v, t: v[t.argmax()], "changed places"),
        (lambda v, t: t[-1], "is to choose"),
        (lambda v, t: v.argmax(), "number of the epoch"),
        *((lambda v, t, k=k: t.sort().values[k], "is not right") for k in range(3)),
        (lambda v, t: t.median(), "is not right"),
        (lambda v, t: t[0], "is not right"),
    ],
    "13.4": [
        (by_limit(lambda m, n: stats.t.ppf(0.975, n - 1)), "share the 5 % out"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), better_only=True), "includes the worse"),
        (by_limit(lambda m, n: stats.t.isf(0.05 / m, n - 1)), "lies on each side"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / (m + 1), n - 1)), "ReLU is not compared"),
        (by_limit(lambda m, n: stats.norm.isf(0.025 / m)), "take Student's t"),
        (
            by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), factor=lambda n: (n / (n - 1)) ** 0.5),
            "divides by n - 1",
        ),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), factor=lambda n: n**-0.5), "divided by the root of n"),
        (by_limit(lambda m, n: 1.0), "is t missing, negative or too small"),
        (lambda runs: (), "with 7 others"),
        (by_limit(lambda m, n: stats.t.ppf(0.05 / m / 2, n - 1)), "is t missing, negative or too small"),
        (by_limit(lambda m, n: stats.t.ppf(0.95, n - 1)), "share the 5 % out"),
        (
            lambda runs: tuple(
                name
                for name in sorted(runs.keys() - {"relu"})
                if (d := runs[name] - runs["relu"]).abs().mean()
                > stats.t.isf(0.025 / (len(runs) - 1), len(d) - 1) * d.std() / len(d) ** 0.5
            ),
            "take the mean first",
        ),
        (
            by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), factor=lambda n: (1 - 1 / n) ** 0.5),
            "have n - 1 degrees of freedom",
        ),
        (
            by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), factor=lambda n: n**0.5),
            "divided by n, not by its root",
        ),
        (by_limit(lambda m, n: stats.norm.isf(0.025)), "share the 5 % out"),
        (pooled(lambda m, n: m * (n - 1)), "one spread for all"),
        (pooled(lambda m, n: n - 1), "one spread for all"),
        (pooled(lambda m, n: math.inf), "one spread for all"),
        (pooled(lambda m, n: m * (n - 1), blocks=True), "one spread for all"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, 2 * n - 2)), "values are expected"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / 11, n - 1)), "count the others"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / 12, n - 1)), "count the others"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, 4)), "not always five"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, n - 1), factor=lambda n: (5 / n) ** 0.5), "not always five"),
        (by_limit(lambda m, n: stats.t.isf(0.025 / m, 4), factor=lambda n: (5 / n) ** 0.5), "not always five"),
        (lambda accuracies: tuple(name for name in accuracies if name in by_scipy(accuracies)), "return them sorted"),
        (by_scipy_and_holm, "values are expected"),
        (the_worse_alone, "values are expected"),
    ],
}
