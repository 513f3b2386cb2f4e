"""Answers to the exercises of lesson 12."""

import copy
import math

import numpy as np
import torch


def by_interpolation(x, low, high):
    return np.rint(np.interp(x.numpy(), [low, high], [0, 255])).astype(np.uint8)


def step_by_step(x, low, high):
    y = x.clone()
    y -= low
    y /= high - low
    return y.clamp_(0, 1).mul_(255).round_().byte()


def with_where(x, low, high):
    y = torch.where(x < low, 0.0, torch.where(x > high, 1.0, (x - low) / (high - low)))
    return torch.floor(255 * y + 0.5).to(torch.uint8)


def clamped_first(x, low, high):
    return torch.round(255 * (x.clamp(low, high) - low) / (high - low)).type(torch.uint8)


def with_minimum(x, low, high):
    inside = torch.minimum(torch.maximum(x, torch.tensor(low)), torch.tensor(high))
    return ((inside - low) * (255 / (high - low)) + 0.5).to(torch.uint8)


def line(x, low, high):
    return ((x - low) / (high - low) * 255).clamp(0, 255).round().to(torch.uint8)


def by_steps(x, low, high):
    return ((x.clamp(low, high) - low) / ((high - low) / 255)).round().byte()


def from_the_top(x, low, high):
    return (255 - (high - x.clamp(low, high)) / (high - low) * 255).round().byte()


def halves_down(x, low, high):
    return torch.ceil(255 * ((x - low) / (high - low)).clamp(0, 1) - 0.5).to(torch.uint8)


def on_one(m, *values):
    return tuple(line(each, -m, m) for each in values)


def largest(*values):
    return max(each.abs().max().item() for each in values)


def layer_by_layer(model, place, x):
    x = x.clone()
    for layer in list(model)[:place]:
        x = layer(x)
    after = model[place](x.detach().clone())
    return on_one(largest(x, after), x, after)


def with_hooks(model, place, x):
    kept = {}
    first = model[place].register_forward_pre_hook(lambda _, given: kept.update(before=given[0].clone()))
    second = model[place].register_forward_hook(lambda _, given, y: kept.update(after=y.clone()))
    model(x.clone())
    first.remove()
    second.remove()
    return on_one(largest(*kept.values()), kept["before"], kept["after"])


def with_one_hook(copy_before, copy_after, copy_x=True):
    def answer(model, place, x):
        kept = {}

        def hook(layer, given, y):
            kept["before"] = given[0].clone() if copy_before else given[0]
            kept["after"] = y.clone() if copy_after else y

        handle = model[place].register_forward_hook(hook)
        model(x.clone() if copy_x else x)
        handle.remove()
        return on_one(largest(*kept.values()), kept["before"], kept["after"])

    return answer


def after_by_a_hook(model, place, x):
    kept = []
    handle = model[place].register_forward_hook(lambda layer, given, y: kept.append(y))
    before = model[:place](x.clone())
    model(x.clone())
    handle.remove()
    return on_one(largest(before, *kept), before, *kept)


def on_a_deep_copy(model, place, x):
    model = copy.deepcopy(model)
    with torch.no_grad():
        before = model[:place](torch.clone(x))
        kept = before.clone()
        after = model[place](before)
    m = torch.maximum(kept.abs().max(), after.abs().max())
    return [line(kept, -m, m), line(after, -m, m)]


def stacked(model, place, x):
    before = model[:place](x * 1)
    both = torch.stack([before.clone(), model[place](before.clone())])
    m = both.abs().amax()
    return tuple((both / m * 127.5 + 127.5).round().to(torch.uint8))


def in_arrays(model, place, x):
    before = model[:place](x.clone()).numpy().copy()
    after = model[place](torch.tensor(before)).numpy()
    m = max(np.abs(before).max(), np.abs(after).max())
    return tuple(np.rint((each + m) / (2 * m) * 255).astype(np.uint8) for each in (before, after))


def drawn_by(draw):
    def answer(model, place, x):
        before = model[:place](x.clone())
        after = model[place](before.clone())
        m = largest(before, after)
        return draw(before, -m, m), draw(after, -m, m)

    return answer


def inside(draw, copy_input=True, copy_x=True):
    def answer(model, place, x):
        before = model[:place](x.clone() if copy_x else x)
        kept = before.clone() if copy_input else before
        return draw(kept, model[place](before))

    return answer


def right_pair(activation, x):
    y = x.detach().clone()
    return x, activation(y)


RIGHT = {
    "12.1": [
        by_interpolation,
        step_by_step,
        with_where,
        clamped_first,
        with_minimum,
        line,
        by_steps,
        from_the_top,
        halves_down,
    ],
    "12.2": [
        lambda y: torch.log(y / (1 - y)),
        lambda y: y.log() - (-y).log1p(),
        lambda y: -torch.log(1 / y - 1),
        lambda y: -torch.log((1 - y) / y),
        lambda y: torch.log(y) - torch.log(1 - y),
        lambda y: torch.where(y < 0.5, torch.log(y) - torch.log1p(-y), -torch.log(1 / y - 1)),
        lambda y: torch.as_tensor(np.log(y.numpy()) - np.log1p(-y.numpy())),
        lambda y: -torch.log(torch.nn.functional.relu(1 / y - 1)),
        lambda y: -torch.log(torch.expm1(-torch.log(y))),
        lambda y: torch.tensor([math.log(v / (1 - v)) for v in y.flatten().tolist()], dtype=y.dtype).reshape(y.shape),
        lambda y: torch.log10(y / (1 - y)) * math.log(10),
        lambda y: torch.log_softmax(torch.stack([y.log(), torch.log1p(-y)]), 0).diff(dim=0)[0].neg(),
    ],
    "12.3": [
        right_pair,
        lambda activation, x: (x, activation(x.clone())),
        lambda activation, x: [x, activation(torch.clone(x))],
        lambda activation, x: (x.clone(), activation(x * 1)),
        lambda activation, x: (x, activation(torch.tensor(x.tolist()))),
        lambda activation, x: (x, activation(copy.deepcopy(x))),
    ],
    "12.4": [
        layer_by_layer,
        with_hooks,
        on_a_deep_copy,
        stacked,
        in_arrays,
        *(drawn_by(draw) for draw in (by_steps, from_the_top, halves_down)),
    ],
}
WRONG = {
    "12.1": [
        (lambda x, low, high: ((x + 2) / 4 * 255).clamp(0, 255).round().to(torch.uint8), "use low and high"),
        (lambda x, low, high: line(x, x.min(), x.max()), "its own smallest and largest"),
        (lambda x, low, high: line(x, 0, 1), "from 0 to 1"),
        (lambda x, low, high: (255 * (x - low) / (high - low)).clamp(0, 255).to(torch.uint8), "round first"),
        (lambda x, low, high: line(x, low, high).float(), "torch.uint8"),
        (lambda x, low, high: ((x - low) / (high - low)).clamp(min=0, max=1), "whole numbers"),
    ],
    "12.2": [
        (lambda y: torch.log(1 - y) - torch.log(y), "sign is wrong"),
        (lambda y: y / (1 - y), "take its logarithm"),
        (lambda y: torch.log(y.clamp(1e-12, 1 - 1e-12) / (1 - y.clamp(1e-12, 1 - 1e-12))), "guard"),
        (lambda y: 2 * torch.atanh(2 * y - 1), "few of its digits"),
        (lambda y: torch.special.logit(y), "logit"),
        (lambda y: y.log(), "far on the left"),
        (lambda y: y.log() / (1 - y).log(), "not their quotient"),
    ],
    "12.3": [
        (lambda activation, x: (x, activation(x)), "give it a copy"),
        (lambda activation, x: (x, activation(x.detach())), "give it a copy"),
        (lambda activation, x: (x.clone(), activation(x)), "the caller's x was changed"),
        (lambda activation, x: (lambda y: (y, activation(y)))(x.clone()), "two tensors"),
        (lambda activation, x: activation(x.clone()), "return a pair"),
        (lambda activation, x: (activation(x.clone()), x), "before comes first"),
    ],
    "12.4": [
        (inside(lambda a, b: on_one(largest(a, b), a, b), copy_input=False), "both pictures are the “after”"),
        (with_one_hook(copy_before=True, copy_after=True), "both pictures are the “after”"),
        (after_by_a_hook, "the layer behind works in place"),
        (with_one_hook(copy_before=False, copy_after=False), "copy both"),
        (inside(lambda a, b: on_one(largest(a, b), a, b), copy_x=False), "the caller's x"),
        (inside(lambda a, b: (*on_one(largest(a), a), *on_one(largest(b), b))), "a scale of its own"),
        (inside(lambda a, b: on_one(largest(a), a, b)), "what goes in alone"),
        (inside(lambda a, b: on_one(largest(a, b), b, a)), "before comes first"),
        (inside(lambda a, b: tuple(line(each, 0, math.fabs(largest(a, b))) for each in (a, b))), "from -m to m"),
    ],
}
