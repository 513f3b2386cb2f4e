"""Answers to the exercises of lesson 17."""

import math
from dataclasses import replace

import torch

from nonlin.activations import ACTIVATIONS, Activation, Interval, Paper, fixed
from nonlin.lessons.choosing import exercises

PAPER = Paper(authors="nobody", year=2026, title="A record of one's own", url="https://example.org")


def by_sets(says, cases):
    seen = set(cases)
    if says == "can" and True in seen:
        return "confirmed"
    if says == "always" and False in seen:
        return "refuted"
    if {True, False} <= seen:
        return "depends"
    if not seen or None in seen:
        return "open"
    return "confirmed" if seen == {True} else "refuted"


def by_counts(says, cases):
    yes, no = cases.count(True), cases.count(False)
    rest = len(cases) - yes - no
    if (says == "can" and yes) or (yes and yes == len(cases)):
        return "confirmed"
    if (says == "always" and no) or (no and no == len(cases)):
        return "refuted"
    return "depends" if yes and no else "open" if rest or not cases else "?"


def by_completing(says, cases):
    if says == "can" and any(cases):
        return "confirmed"
    if says == "always" and not all(case is not False for case in cases):
        return "refuted"
    decided = [case for case in cases if case is not None]
    if len(set(decided)) == 2:
        return "depends"
    if len(decided) < len(cases) or not cases:
        return "open"
    return ("refuted", "confirmed")[decided[0]]


def by_match(says, cases):
    match says, True in cases, False in cases, None in cases or not cases:
        case ("can", True, _, _):
            return "confirmed"
        case ("always", _, True, _):
            return "refuted"
        case (_, True, True, _):
            return "depends"
        case (_, _, _, True):
            return "open"
        case (_, True, _, _):
            return "confirmed"
    return "refuted"


def by_any(says, cases):
    some, none = any(c is True for c in cases), any(c is False for c in cases)
    if some and (says == "can" or (not none and None not in cases)):
        return "confirmed"
    if none and (says == "always" or (not some and None not in cases)):
        return "refuted"
    return "depends" if some and none else "open"


def gate_by_masks(x, bend):
    r = torch.hypot(x, torch.as_tensor(bend, dtype=x.dtype))
    y = x.clone()
    left = x < 0
    y[left] = x[left] / 2 * (bend / r[left]) * (bend / (r[left] - x[left]))
    y[~left] = x[~left] / 2 * (1 + x[~left] / r[~left])
    return y


def gate_by_size(x, bend):
    r = torch.hypot(x, torch.full_like(x, bend))
    small = x.abs()
    tail = -(small / r) * (bend / (r + small)) * bend / 2
    return torch.where(x >= 0, x + tail, tail)


def gate_by_scaling(x, bend):
    z = x / bend
    r = torch.hypot(z, torch.ones_like(z))
    return bend * torch.where(z < 0, (z / r) / (r - z) / 2, z * ((r + z) / r) / 2)


def gate_of_two_small_factors(x, bend):
    r = torch.hypot(x, torch.full_like(x, bend))
    return torch.where(x < 0, x / 2 * ((bend / (r - x)) * (bend / r)), x * (1 + x / r) / 2)


def gate_with_sqrt(x, bend):
    largest = torch.maximum(x.abs(), torch.full_like(x, bend))
    r = largest * torch.sqrt((x / largest) ** 2 + (bend / largest) ** 2)
    return torch.where(x < 0, bend / r * (bend / (r - x)) * x / 2, x / 2 + x / 2 * (x / r))


def gate_by_the_hint(x, bend):
    r = torch.hypot(x, torch.full_like(x, bend))
    tail = bend * (bend / (r - x)) * (x / r) / 2
    return torch.where(x < 0, tail, x * (1 + x / r) / 2)


def classified_by_absolute(low, high, margin):
    if max(abs(low), abs(high)) < margin:
        return "equivalent"
    return "better" if min(low, high) > 0 else "worse" if max(low, high) < 0 else "undecided"


def classified_by_table(low, high, margin):
    tests = {"equivalent": -margin < low <= high < margin, "better": low > 0, "worse": high < 0, "undecided": True}
    return next(name for name, holds in tests.items() if holds)


def classified_by_sign(low, high, margin):
    sign = (low > 0) - (high < 0)
    return "equivalent" if low > -margin and high < margin else ("undecided", "better", "worse")[sign]


def classified_nested(low, high, margin):
    if low > -margin and high < margin:
        return "equivalent"
    if high < 0:
        return "worse"
    return "better" if low > 0 else "undecided"


def classified_by_tensor(low, high, margin):
    ends = torch.tensor([low, high], dtype=torch.float64)
    if bool((ends.abs() < margin).all()):
        return "equivalent"
    return "better" if bool((ends > 0).all()) else "worse" if bool((ends < 0).all()) else "undecided"


def lead_by_rows(mine, relu):
    return (mine[mine[:, 0].argmax(), 1:] - relu[relu[:, 0].argmax(), 1:]).mean()


def lead_by_numpy(mine, relu):
    mine, relu = mine.numpy(), relu.numpy()
    return float(mine[mine[:, 0].argmax()][1:].mean() - relu[relu[:, 0].argmax()][1:].mean())


def lead_by_max(mine, relu):
    means = []
    for table in (mine, relu):
        rows = table.tolist()
        best = max(rows, key=lambda row: row[0])
        means.append(sum(best[1:]) / len(best[1:]))
    return means[0] - means[1]


def lead_by_sorting(mine, relu):
    first, second = (table[table[:, 0].sort(descending=True).indices[0]][1:].mean() for table in (mine, relu))
    return (first - second).item()


def lead_by_topk(mine, relu):
    chosen = [table.index_select(0, table[:, 0].topk(1).indices)[0, 1:] for table in (mine, relu)]
    return torch.sub(*chosen).double().mean().item()


def record(name, function, derivative, formula, slope, low_high, **changes):
    facts = {
        "name": name,
        "title": name,
        "function": function,
        "derivative": derivative,
        "derivative_from_output": None,
        "formula": formula,
        "derivative_formula": slope,
        "range": fixed(Interval.parse(low_high)),
        "kinks": fixed(()),
        "smoothness": fixed(math.inf),
        "takes": {},
        "torch_module": None,
        "paper": PAPER,
        "use": "An example.",
        "caveat": "An example.",
    }
    return Activation(**facts | changes)


def arctan(x):
    return torch.atan(x)


def arctan_slope(x):
    return 1 / (1 + x * x)


def arsinh(x):
    return torch.asinh(x)


def arsinh_slope(x):
    return 1 / torch.hypot(x, torch.ones_like(x))


def error_function(x):
    return torch.erf(x)


def error_function_slope(x):
    return 2 / math.sqrt(math.pi) * torch.exp(-x * x)


def half(x):
    return torch.sigmoid(x) - 0.5


def half_slope(x):
    return torch.sigmoid(x) * torch.sigmoid(-x)


ARCTAN = record("arctan", arctan, arctan_slope, r"f(x) = \arctan(x)", r"f'(x) = \frac{1}{1 + x^2}", "(-1.5707963267948966, 1.5707963267948966)")  # fmt: skip
RIGHT = {
    "17.1": [by_sets, by_counts, by_completing, by_match, by_any],
    "17.2": [gate_by_masks, gate_by_size, gate_by_scaling, gate_with_sqrt, gate_by_the_hint, gate_of_two_small_factors],
    "17.3": [
        classified_by_absolute,
        classified_by_table,
        classified_by_sign,
        classified_nested,
        classified_by_tensor,
    ],
    "17.4": [lead_by_rows, lead_by_numpy, lead_by_max, lead_by_sorting, lead_by_topk],
    "17.5": [
        exercises.squareplus_record(),
        record("arsinh", arsinh, arsinh_slope, r"f(x) = \operatorname{arsinh}(x)", r"f'(x) = \frac{1}{\sqrt{1 + x^2}}", "(-inf, inf)"),
        record("erf", error_function, error_function_slope, r"f(x) = \operatorname{erf}(x)", r"f'(x) = \frac{2}{\sqrt{\pi}} e^{-x^2}", "(-1, 1)"),
        record("half", half, half_slope, r"f(x) = \sigma(x) - \frac{1}{2}", r"f'(x) = \sigma(x) \sigma(-x)", "(-0.5, 0.5)"),
        ARCTAN,
    ],
}  # fmt: skip
WRONG = {
    "17.1": [
        (lambda says, cases: by_sets("better", cases), "all claims by one rule"),
        (lambda says, cases: by_sets(says, [c for c in cases if c is not None]), "leave out what is not decided"),
        (lambda says, cases: by_sets(says, [bool(c) for c in cases]), "None counts as False"),
        (lambda says, cases: "open" if None in cases else by_sets(says, cases), "does not always leave the verdict"),
        (lambda says, cases: by_sets(says, cases) if cases else "confirmed", "empty list"),
    ],
    "17.2": [
        (lambda x, b: x / 2 * (1 + x / (x * x + b * b).sqrt()), "two bugs"),
        (lambda x, b: x / 2 * (1 + x / torch.hypot(x, torch.full_like(x, b))), "cancellation is left"),
        (lambda x, b: (x.double() / 2 * (1 + x.double() / (x.double() ** 2 + b**2).sqrt())).to(x.dtype), "float64"),
        (lambda x, b: x.relu(), "at"),
        (lambda x, b: x / 2, "at"),
    ],
    "17.3": [
        (lambda low, high, m: "better" if low > 0 else "worse" if high < 0 else "equivalent", "not yet equivalence"),
        (lambda low, high, m: "better" if low > 0 else classified_by_absolute(low, high, m), "is not right"),
        (lambda low, high, m: "equivalent" if abs(low + high) / 2 < m else classified_nested(low, high, 0), "middle"),
        (lambda low, high, m: "equivalent" if high - low < m else classified_nested(low, high, 0), "is"),
        (lambda low, high, m: "undecided", "not right"),
        (lambda low, high, m: "worse" if high == 0 < m < -low else classified_nested(low, high, m), "not right"),
        (lambda low, high, m: "equivalent" if -m < low < high <= m else classified_nested(low, high, m), "not right"),
    ],
    "17.4": [
        (lambda mine, relu: (mine.mean(1).max() - relu[0].mean()).item(), "tuned alike"),
        (lambda mine, relu: (mine.mean(1).max() - relu.mean(1).max()).item(), "biased upward"),
        (lambda mine, relu: -lead_by_sorting(mine, relu), "sign is wrong"),
        (lambda mine, relu: (mine[:, 0].max() - relu[:, 0].max()).item(), "chooses and judges"),
        (lambda mine, relu: (mine[:, 1:].mean(1).max() - relu[:, 1:].mean(1).max()).item(), "seeds that judge"),
        (lambda mine, relu: lead_by_rows(mine, relu).item() * (mine.shape[1] - 1), "the sum of the leads"),
        (lambda mine, relu: mine[mine[0].argmax(), 1:].mean() - relu[relu[0].argmax(), 1:].mean(), "is column 0"),
    ],
    "17.5": [
        (ACTIVATIONS["silu"], "that is SiLU"),
        (replace(ARCTAN, range=fixed(Interval.parse("(-2, 2)"))), "range"),
        (replace(ARCTAN, derivative=lambda x: 2 * arctan_slope(x)), "derivative"),
        (replace(ARCTAN, kinks=fixed((exercises.Kink(at=0.0, slope=1.0),)), smoothness=fixed(0)), "kink"),
        (replace(ARCTAN, function=lambda x: torch.atan(x) + 0.1 * x.mean()), "element"),
        ("arctan", "record"),
        (torch.atan, "a record is expected"),
    ],
}
