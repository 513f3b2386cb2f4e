"""Answers to the exercises of lesson 14."""

import copy
import statistics

import numpy as np
import torch


def run(functions, x, orders):
    return [{name: functions[name](x) for name in order} for order in orders]


def sorted_by_hand(functions, x, orders, base):
    rounds = run(functions, x, orders)[2:]
    ratios = [sorted(row[name] / row[base] for row in rounds) for name in functions]
    return [each[len(each) // 2] for each in ratios]


def in_arrays(functions, x, orders, base):
    rounds = run(functions, x, orders)[2:]
    table = {name: np.array([row[name] for row in rounds]) for name in functions}
    return np.array([np.median(table[name] / table[base]) for name in functions])


def in_tensors(functions, x, orders, base):
    rounds = run(functions, x, orders)[2:]
    table = torch.tensor([[row[name] for name in functions] for row in rounds], dtype=torch.float64)
    own = table[:, list(functions).index(base)]
    return (table / own[:, None]).median(dim=0).values


def with_slices(functions, x, orders, base):
    for order in orders[:2]:
        for name in order:
            functions[name](x)
    rounds = run(functions, x, orders[2:])
    return tuple(statistics.median(row[name] / row[base] for row in rounds) for name in functions)


def with_lists(functions, x, orders, base):
    times = {name: [] for name in functions}
    for order in orders:
        for name in order:
            times[name].append(functions[name](x))
    pairs = {name: zip(taken[2:], times[base][2:], strict=True) for name, taken in times.items()}
    return tuple(statistics.median([a / b for a, b in each]) for each in pairs.values())


def summed(summary, skip=2):
    def answer(functions, x, orders, base):
        rounds = run(functions, x, orders)[skip:]
        return tuple(summary([row[name] for row in rounds], [row[base] for row in rounds]) for name in functions)

    return answer


def with_the_base_again(functions, x, orders, base):
    ratios = {name: [] for name in functions}
    for number, order in enumerate(orders):
        for name in order:
            seconds = functions[name](x)
            if number >= 2:
                ratios[name].append(seconds / functions[base](x))
            else:
                functions[base](x)
    return tuple(statistics.median(ratios[name]) for name in functions)


def within(a, b):
    return [one / other for one, other in zip(a, b, strict=True)]


def copied_before(x, layers):
    log = []
    for layer in layers:
        x = layer(torch.clone(x))
        log.append(x)
    return log


def copied_twice(x, layers):
    x, log = x.clone(), []
    for layer in layers:
        x = layer(x)
        log.append(x.detach().clone())
    return tuple(log)


def anew(x, layers):
    return tuple(torch.nn.Sequential(*layers[: k + 1])(x.clone()) for k in range(len(layers)))


def from_the_log(x, layers):
    log = [x]
    for layer in layers:
        log.append(layer(copy.deepcopy(log[-1].detach())))
    return tuple(log[1:])


def without_gradients(x, layers):
    found = ()
    with torch.no_grad():
        for layer in layers:
            x = layer(1 * x)
            found += (x,)
    return found


def log_of(entry, first=lambda x: x):
    def answer(x, layers):
        x, log = first(x), []
        for layer in layers:
            x = layer(x)
            log.append(entry(x))
        return tuple(log)

    return answer


def switched_off(x, layers):
    for layer in layers:
        if getattr(layer, "inplace", False):
            layer.inplace = False
    return log_of(lambda x: x)(x, layers)


def slope(function):
    return lambda gradient, y, alpha: gradient * function(y, alpha)


def lower(y, alpha):
    return torch.clamp(y, max=0) + alpha


RIGHT = {
    "14.1": [sorted_by_hand, in_arrays, in_tensors, with_slices, with_lists],
    "14.2": [5.5, 11 / 2, torch.tensor(5.5), np.float64(5.5), (2 + 2 + 2 + 2 + 3) / 2],
    "14.3": [copied_before, copied_twice, anew, from_the_log, without_gradients],
    "14.4": [
        slope(lambda y, a: lower(y, a) + (1 - a) * torch.sign(y.clamp(min=0))),
        slope(lambda y, a: torch.minimum(y, torch.zeros_like(y)) + a + (1 - a) * y.relu().sign()),
        slope(lambda y, a: lower(y, a) + (1 - a) * torch.heaviside(y, torch.zeros_like(y))),
        slope(lambda y, a: (y - y.clamp(min=0)) + a + (1 - a) * (torch.sign(y) + 1).sub(1).clamp(0, 1)),
        slope(lambda y, a: torch.lerp(lower(y, a), torch.ones_like(y), y.sign().clamp(min=0))),
        lambda g, y, a: g * lower(y, a) + g * (1 - a) * torch.max(y.sign(), torch.zeros_like(y)),
        slope(lambda y, a: lower(y, a) + (1 - a) * y.clamp(min=0).sign().int()),
        slope(lambda y, a: lower(y, a) + (1 - a) * torch.tanh(y.clamp(min=0) * 1e35)),
        slope(lambda y, a: lower(y, a) + (1 - a) * torch.exp(-y.clamp(min=0) * 1e35).neg().add(1)),
        slope(lambda y, a: torch.stack([y, y * 0]).sort(0).values[0] + a + (1 - a) * y.relu().sign()),
        slope(lambda y, a: lower(y, a) + (1 - a) * torch.nn.functional.softshrink(y, 0).clamp(min=0).sign()),
        lambda g, y, a: torch.einsum("...,...->...", g, lower(y, a) + (1 - a) * y.sign().clamp(min=0)),
    ],
}
WRONG = {
    "14.1": [
        (summed(lambda a, b: statistics.median(within(a, b)), skip=0), "you counted them"),
        (summed(lambda a, b: statistics.median(a) / statistics.median(b)), "divide within each round first"),
        (summed(lambda a, b: statistics.mean(within(a, b))), "Take the median"),
        (summed(lambda a, b: statistics.median(within(b, a))), "upside down"),
        (summed(lambda a, b: statistics.median(a)), "medians of seconds"),
        (summed(lambda a, b: min(a) / min(b)), "minima"),
        (with_the_base_again, "once a round"),
    ],
    "14.2": [
        (5, "moves 3 numbers"),
        (11, "A copy moves 2"),
        (4.5, "one operation is missing"),
        (1, "fused"),
        (10, "the product moves three"),
    ],
    "14.3": [
        (log_of(lambda x: x), "the same memory"),
        (log_of(lambda x: x.detach()), "the same memory"),
        (switched_off, "copy what goes in"),
        (log_of(lambda x: x.detach(), lambda x: x.clone()), "the log is not"),
        (log_of(lambda x: x.detach().clone()), "overwrites the caller's x"),
        (lambda x, layers: tuple(layer(x.clone()) for layer in layers), "the output of the one before"),
    ],
    "14.4": [
        (slope(lambda y, a: torch.where(y > 0, 1.0, y + a)), "a comparison or a mask"),
        (slope(lambda y, a: y.clamp(max=0) + 1), "alpha = 1 only"),
        (slope(lower), "above zero this gives alpha"),
        (slope(lambda y, a: torch.clamp(y + a, max=1)), "only where they meet"),
        (slope(lambda y, a: lower(y, a) + (1 - a) * y.sign()), "the sign of a negative y"),
        (lambda g, y, a: lower(y, a) + (1 - a) * y.clamp(min=0).sign(), "slope times gradient"),
    ],
}
