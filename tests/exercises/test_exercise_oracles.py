"""Every exercise against an oracle: its answer, found in another way than the solution finds it.

A check judges a learner by the solution, so that a wrong solution would call right answers wrong. Here the solution is
judged itself: by torch's own function, by autograd, by counting, by exact arithmetic. ``ORACLES`` says by which.
"""

import itertools
import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.latex import X, read, symbol_of
from nonlin.exercises import judge
from nonlin.ledger import Always, Compared, Exists, margins
from nonlin.lessons import EXERCISES
from nonlin.lessons.conditions.experiments import with_slope

ROUNDINGS = 64  # how many relative roundings a solution may be off, as in a check
DIGITS = 100  # of exact arithmetic: at x = -1e20 a naive formula loses 40
INF, NAN = math.inf, math.nan


# What the oracles are made of


def random(*shape: int, seed: int = 0) -> Tensor:
    """The same draws from N(0, 1) each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """The same draws between 0 and 1 each time."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def numbers(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


LINE = 3 * random(50)
EDGES = numbers(-INF, -3e38, -1.0, -1e-40, -0.0, 0.0, 1e-40, 1.0, 3e38, INF, NAN, dtype=torch.float32)


def slope_of(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What autograd makes of a function's slope with respect to its first argument."""

    def slope(x: Tensor, *others: Any) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(function(leaf, *others).sum(), leaf)[0]

    return slope


def backward_of(function: Callable[..., Tensor], inputs: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, ...]:
    """What autograd sends back to each input."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    return torch.autograd.grad(function(*leaves), leaves, gradient)


def exactly(formula: Callable[..., mpmath.mpf]) -> Callable[..., Tensor]:
    """A formula as it is printed, number by number, with so many digits that nothing can get lost."""

    def evaluate(x: Tensor, *others: Any) -> Tensor:
        with mpmath.workdps(DIGITS):
            values = [float(formula(mpmath.mpf(value), *others)) for value in x.flatten().tolist()]
        return torch.tensor(values, dtype=torch.float64).reshape(x.shape).to(x.dtype)

    return evaluate


# Lesson 00


def counted_zeros(y: Tensor) -> float:
    values = y.flatten().tolist()
    return sum(1 for value in values if not value) / len(values)


def zeros_by_lists(photograph: Tensor) -> Tensor:
    """ReLU cuts what is not above the mean of its channel."""
    rows = photograph.flatten(1).tolist()
    return torch.tensor([sum(value <= statistics.mean(row) for value in row) / len(row) for row in rows])


# Lesson 01


def layer_by_probing(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """The bias is what 0 gives, and a column of the weight what one input adds to it."""

    def layers(x: Tensor) -> Tensor:
        return F.linear(F.linear(x, w1, b1), w2, b2)

    bias = layers(torch.zeros(w1.shape[1], dtype=w1.dtype))
    return (layers(torch.eye(w1.shape[1], dtype=w1.dtype)) - bias).T, bias


def pieces_found() -> int:
    """The most pieces that random networks of 12 units have, where autograd sees the slope change."""
    x = torch.linspace(-1.1, 1.1, 20_001, dtype=torch.float64)
    most = 0
    for seed in range(5):
        weights, outputs, places = random(12, seed=seed), random(12, seed=seed + 50), 2 * uniform(12, seed=seed) - 1
        slope = slope_of(lambda x, w=weights, v=outputs, at=places: F.relu((x[:, None] - at) * w) @ v)(x)
        most = max(most, 1 + int((slope.diff().abs() > 1e-9).sum()))
    return most


def network_of_modules(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    modules = nn.Sequential(nn.Linear(*w1.T.shape), nn.ReLU(), nn.Linear(*w2.T.shape)).double()
    state = {"0.weight": w1, "0.bias": b1, "2.weight": w2, "2.bias": b2}
    return torch.func.functional_call(modules, state, (x,))


def layers_10_5_3(batch: int) -> tuple[Tensor, ...]:
    return random(batch, 10, seed=batch), random(5, 10), random(5), random(3, 5), random(3)


# Lesson 02


def parabola_through_three_points(w: Tensor, b: Tensor, v: Tensor) -> tuple[float, float, float]:
    below, at, above = ((v * (w * x + b) ** 2).sum().item() for x in (-1, 0, 1))
    return at, (above - below) / 2, (above + below) / 2 - at


def step_with_slope(x: Tensor) -> Tensor:
    """The slope of the sigmoid, written out."""
    return with_slope(lambda z: torch.heaviside(z, torch.zeros_like(z)), lambda z: 1 / (2 + z.exp() + (-z).exp()))(x)


def scale_of_outputs(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    y = f(z)
    return y.numel() ** 0.5 / torch.linalg.vector_norm(y)


def condition_by_differences(f: Callable[[Tensor], Tensor]) -> str:
    """Bends are seen by second differences, growth by how much one step far out adds."""
    x = 3 * random(999)
    if ((f(x + 1) - 2 * f(x) + f(x - 1)).abs() < 1e-9).all():
        return "affine"
    if (f(x + 1e-7) == f(x)).double().mean() > 0.98:
        return "flat"
    steep, steeper = ((f(far + 1) - f(far)).abs().max() for far in (numbers(-1e3, 1e3), numbers(-1e6, 1e6)))
    return "none" if steeper <= 2 * steep + 1 else "fast"


# Lesson 03


def slope_from_inverse(y: Tensor) -> Tensor:
    """The slope of a function is 1 over the slope of its inverse."""
    return 1 / slope_of(torch.logit)(y)


# Lesson 04


def dead_on_a_grid(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    """Autograd's slope of ReLU, for many inputs of the interval, both ends among them."""
    x = torch.linspace(low, high, 999, dtype=w.dtype)
    return (slope_of(F.relu)(x[:, None] * w + b) == 0).all(dim=0)


def slim_unit_by_unit(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """In exact fractions, one unit after the other."""
    kept = []
    for unit in zip(*(values.tolist() for values in (w, b, a)), strict=True):
        slope, shift, outer = map(Fraction, unit)
        if max(slope * Fraction(end) + shift for end in (low, high)) > 0:
            kept.append((math.copysign(1, slope), float(shift / abs(slope)), float(outer * abs(slope))))
    return tuple(torch.tensor(column, dtype=w.dtype) for column in zip(*kept, strict=True))


# Lesson 05


def slope_gradient_of_torch(gradient: Tensor, x: Tensor) -> Tensor:
    slopes = torch.full((x.shape[1],), 0.3, dtype=x.dtype)
    return backward_of(partial(F.prelu, x), [slopes], gradient)[0]


def logits_without_modules(make_network: object, state: dict[str, Tensor], x: Tensor) -> Tensor:
    hidden = F.rrelu(x @ state["0.weight"].T + state["0.bias"], training=False)
    return hidden @ state["2.weight"].T + state["2.bias"]


def network_with_rrelu() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.RReLU(), nn.Linear(8, 3))


def checkpoint() -> dict[str, Tensor]:
    shapes = {"0.weight": (8, 2), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}
    return {name: random(*shape).float() for name, shape in shapes.items()}


def prelu_backward_of_torch(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """For a slope above 0, LeakyReLU of slope 1/a is the inverse of PReLU."""
    slope = torch.tensor([a], dtype=y.dtype)
    for_x, for_a = backward_of(F.prelu, [F.leaky_relu(y, 1 / a), slope], gradient)
    return for_x, for_a.squeeze()


# Lesson 07


def lecun_by_dividing(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) / math.sqrt(math.prod(shape[1:]))


def attraction_by_derivatives(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """d/dq of E[h(√q z)²] is E[h h' z] at q = 1."""
    h = torch.from_numpy(stats.zscore(f(z).numpy()))
    return (h * slope_of(f)(z) / f(z).std(correction=0) * z).mean()


# Lesson 08


def softplus_of_torch(x: Tensor) -> Tensor:
    """Not F.softplus, which returns x above a threshold."""
    return -F.logsigmoid(-x)


def gelu_tanh_in_double(x: Tensor) -> Tensor:
    z = x.double()
    return (z / (1 + torch.exp(-2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))).to(x.dtype)


def beta_gradient_of_autograd(x: Tensor, beta: Tensor, gradient: Tensor) -> Tensor:
    return backward_of(lambda beta: x * torch.sigmoid(beta * x), [beta], gradient)[0]


def gate_of_a_uniform_threshold(x: Tensor, a: float) -> Tensor:
    chance = stats.uniform(loc=-a, scale=2 * a).cdf(x.double().numpy())
    return (x.double() * torch.as_tensor(chance)).to(x.dtype)


# Lesson 09


def grid_of_marks(low: float, high: float, bits: int) -> tuple[float, int]:
    """The marks themselves; the zero point is the number of the one that is nearest to 0."""
    marks = np.linspace(min(low, 0), max(high, 0), 2**bits)
    return float(marks[1] - marks[0]), int(np.abs(marks).argmin())


def clip_of_torch(x: Tensor, clips: list[float], bits: int) -> float:
    codes = 2**bits - 1
    errors = [
        (torch.fake_quantize_per_tensor_affine(x, clip / codes, 0, 0, codes) - x).double().square().mean()
        for clip in clips
    ]
    return clips[int(torch.stack(errors).argmin())]


def dot_of_python(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return float(sum(Fraction(scale_a) * (i - zero_a) * Fraction(scale_b) * (j - zero_b) for i, j in pairs))


def codes(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8)


# Lesson 10


def softmax_backward_of_autograd(gradient: Tensor, y: Tensor) -> Tensor:
    return backward_of(partial(torch.softmax, dim=-1), [y.log()], gradient)[0]


def rows_are_probabilities(outputs: Tensor) -> bool:
    return all(min(row) >= 0 and math.isclose(math.fsum(row), 1, abs_tol=1e-3) for row in outputs.tolist())


def without_weights_exactly(logits: Tensor, weights: Tensor) -> Tensor:
    with mpmath.workdps(DIGITS):
        rows = [
            [mpmath.exp(logit) / weight for logit, weight in zip(row, weights.tolist(), strict=True)]
            for row in logits.tolist()
        ]
        return torch.tensor([[float(value / sum(row)) for value in row] for row in rows], dtype=logits.dtype)


SURE = numbers(1000.0, 0.0, -1000.0).expand(2, 3)  # logits whose softmax has exact zeros


# Lesson 11


def glu_gradients_of_torch(gradient: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return backward_of(lambda a, b: F.glu(torch.cat([a, b], dim=-1)), [a, b], gradient)


def parameters(*layers: tuple[int, int]) -> int:
    return sum(p.numel() for shape in layers for p in nn.Linear(*shape, device="meta").parameters())


def gated_hidden_by_counting(width: int, hidden: int) -> int:
    plain = parameters((width, hidden), (hidden, width))
    sizes = range(1, hidden + 1)
    return bisect_right(sizes, plain, key=lambda k: parameters((width, k), (width, k), (k, width)))


def swiglu_by_halves(x: Tensor, fused: Tensor, out: Tensor) -> Tensor:
    hidden = len(fused) // 2
    gate, value = (torch.einsum("...i,hi->...h", x, rows) for rows in (fused[:hidden], fused[hidden:]))
    return torch.einsum("...h,oh->...o", gate / (1 + torch.exp(-gate)) * value, out)


def product_itself(x: Tensor, y: Tensor, gate: Callable[[Tensor], Tensor]) -> Tensor:
    """Whatever the gate, its two halves together are a multiple of a positive number; the sign is put back."""
    return x * y.sign() * (gate(y.abs()) - gate(-y.abs()))


def stackable_by_torch(x: Tensor, gate: Tensor, value: Tensor, out: Tensor) -> Tensor:
    h = F.rms_norm(x, x.shape[-1:], eps=0.0)
    return x + torch.mul(h @ gate.T * torch.sigmoid(h @ gate.T), h @ value.T) @ out.T


# Lesson 06


def gain_by_pullback(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    [slope] = torch.func.vjp(f, z)[1](torch.ones_like(z))
    return len(z) ** 0.5 / torch.linalg.vector_norm(slope)


def weights_by_torchs_fan_in(noise: Tensor, gain: float) -> Tensor:
    """torch's initialiser, with a gain of 1, tells by what it multiplied its draws."""

    def drawn(fill: Callable[..., Tensor], **options: object) -> Tensor:
        return fill(torch.empty_like(noise), generator=torch.Generator().manual_seed(0), **options)

    deviation = drawn(nn.init.kaiming_normal_, nonlinearity="linear").norm() / drawn(nn.init.normal_).norm()
    return gain * deviation * noise


def norm_divided_by() -> float:
    """From the distribution that nn.Linear draws from, and the slopes of ReLU on both sides."""
    width = 64
    weight = nn.Linear(width, width).weight.detach()
    variance = stats.uniform(-(width**-0.5), 2 * width**-0.5).var()
    assert weight.var() == pytest.approx(variance, rel=0.1)
    slopes = slope_of(F.relu)(numbers(-1.0, 1.0)).square().mean().item()
    return math.exp(-10 * math.log(width * variance * slopes))


def layer_on_standard_scores(f: Callable[[Tensor], Tensor], z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """LeCun's layer behind a standardisation, both read off as one linear layer."""
    variance, mean = torch.var_mean(f(z), correction=0)

    def layer(x: Tensor) -> Tensor:
        return F.linear((x - mean) / variance.sqrt(), noise / noise.shape[1] ** 0.5)

    bias = layer(torch.zeros(noise.shape[1], dtype=noise.dtype))
    return (layer(torch.eye(noise.shape[1], dtype=noise.dtype)) - bias).T, bias


# Lesson 12


def pixels_of_numpy(x: Tensor, low: float, high: float) -> Tensor:
    return torch.as_tensor(np.rint(np.interp(x.double().numpy(), [low, high], [0, 255])).astype(np.uint8))


def pixels_by_hooks(model: nn.Sequential, place: int, x: Tensor) -> tuple[Tensor, Tensor]:
    kept: list[Tensor] = []
    handles = (
        model[place].register_forward_pre_hook(lambda layer, given: kept.append(given[0].clone())),
        model[place].register_forward_hook(lambda layer, given, output: kept.append(output.clone())),
    )
    model(x.clone())
    for handle in handles:
        handle.remove()
    high = torch.stack(kept).abs().max().item()
    return tuple(pixels_of_numpy(each, -high, high) for each in kept)


def on_two_copies(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    before, given = (torch.tensor(x.tolist(), dtype=x.dtype) for _ in range(2))
    return before, activation(given)


# Lesson 13


def interval_of_scipy(ours: Tensor, relu: Tensor, t: float) -> tuple[float, float]:
    confidence = 1 - 2 * stats.t.sf(t, len(ours) - 1)
    interval = stats.ttest_rel(ours.double().numpy(), relu.double().numpy()).confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def accuracy_at_the_best_epoch(validation: Tensor, test: Tensor) -> float:
    return max(zip(validation.tolist(), test.tolist(), strict=True))[1]


def trained_by_hand(weights: Tensor, batches: list[tuple[Tensor, Tensor]], rate: float) -> Tensor:
    for x, target in batches:
        wrong = torch.softmax(x @ weights, dim=1) - F.one_hot(target, weights.shape[1])
        weights = weights - rate * x.T @ wrong / len(x)
    return weights


def apart_by_p_value(accuracies: dict[str, Tensor]) -> tuple[str, ...]:
    relu = accuracies["relu"].numpy()
    p = {name: stats.ttest_rel(own.numpy(), relu).pvalue for name, own in accuracies.items() if name != "relu"}
    return tuple(name for name in sorted(p) if p[name] * len(p) < 0.05)


# Lesson 14


class Moved(TorchDispatchMode):
    """Counts the numbers that operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.numbers += sum(tensor.numel() for tensor in (*args, result) if isinstance(tensor, Tensor))
        return result


def numbers_moved(function: Callable[[Tensor], Tensor]) -> int:
    x = torch.ones(100)
    with Moved() as moved:
        function(x)
    return moved.numbers


def copies_counted() -> float:
    mish = numbers_moved(lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))))
    return mish / numbers_moved(torch.clone)


def medians_by_columns(
    functions: dict[str, Callable[[Tensor], float]], x: Tensor, orders: list[list[str]], base: str
) -> tuple[float, ...]:
    rows = [{name: functions[name](x) for name in order} for order in orders]
    table = np.array([[row[name] for name in functions] for row in rows])[2:]
    return tuple(np.median(table / table[:, [list(functions).index(base)]], axis=0).tolist())


def clock(code: int) -> Callable[[Tensor], float]:
    """A function that notes in x that it was called, and returns when."""

    def call(x: Tensor) -> float:
        x[0] += 1
        x[int(x[0])] = code
        return x[0].item()

    return call


def each_from_the_start(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    """Every output computed anew, from a copy of x, through all layers up to there."""
    return tuple(nn.Sequential(*layers[:k])(x.clone()) for k in range(1, len(layers) + 1))


def elu_backward_of_torch(gradient: Tensor, y: Tensor, alpha: float) -> Tensor:
    return torch.ops.aten.elu_backward(gradient, alpha, 1, 1, True, y)


# Lesson 17


def verdict_by_completing(says: str, cases: list[bool | None]) -> str:
    """What holds however the open cases turn out."""
    found = {
        _whole(says, tried)
        for tried in itertools.product(*([case] if case is not None else [True, False] for case in cases))
    }
    return found.pop() if cases and len(found) == 1 else "open"


def _whole(says: str, cases: tuple[bool, ...]) -> str:
    if says == "better" and 0 < sum(cases) < len(cases):
        return "depends"
    return "confirmed" if (any if says == "can" else all)(cases) else "refuted"


def all_cases(most: int) -> Iterator[list[bool | None]]:
    for length in range(most + 1):
        yield from map(list, itertools.product((True, False, None), repeat=length))


def classified_by_points(low: float, high: float, margin: float) -> str:
    """What holds of all numbers in the interval."""
    points = np.linspace(low, high, 201)
    if (np.abs(points) < margin).all():
        return "equivalent"
    return "better" if (points > 0).all() else "worse" if (points < 0).all() else "undecided"


def lead_by_lists(mine: Tensor, relu: Tensor) -> float:
    best_mine, best_relu = (max(table.tolist(), key=lambda row: row[0]) for table in (mine, relu))
    return statistics.fmean(best_mine[1:]) - statistics.fmean(best_relu[1:])


FAR = torch.cat([sign * 10.0 ** torch.arange(-18, 19, dtype=torch.float64) for sign in (-1, 1)])
HALVES = torch.linspace(-6, 6, 25, dtype=torch.float64)
RECORD_POINTS = torch.cat([HALVES, numbers(-1e18, -1e6, -100.0, 1.001, 100.0, 1e6, 1e18)])


def untrue_facts(record: Activation) -> list[str]:
    """What a record states that does not follow from its printed formula, which has to be a smooth one."""
    found = [fact for scale in (1, 2, 0.3) for fact in _untrue_of_formulas(record, scale)]
    formula, _ = printed_formulas(record, 1)
    smooth = not formula.has(sympy.Abs, sympy.Max, sympy.Min, sympy.Piecewise)
    if not smooth or record.default_kinks or record.smoothness(*record.default_values) != INF:
        found.append("kinks")
    ends = [float(sympy.limit(formula, X, end)) for end in (-sympy.oo, sympy.oo)]
    values = [*ends, *exactly(sympy.lambdify(X, formula, "mpmath"))(HALVES).tolist()]
    stated = record.default_range
    if (stated.low, stated.high) != (min(values), max(values)) or stated.low_closed or stated.high_closed:
        found.append("range")
    if any(torch.allclose(known.function(LINE), record.function(LINE), atol=1e-9) for known in ACTIVATIONS.values()):
        found.append("new")
    return found


def printed_formulas(record: Activation, scale: float) -> list[sympy.Expr]:
    """Function and derivative as they are printed, for ``scale`` times the default parameters."""
    letters = {symbol_of(taken.symbol): scale * taken.default for taken in record.takes.values()}
    values = {letter: sympy.Rational(value) for letter, value in letters.items()}
    statements = [read(latex) for latex in (record.formula, record.derivative_formula)]
    return [statement.sides[0].subs(statement.definitions).subs(values) for statement in statements]


def _untrue_of_formulas(record: Activation, scale: float) -> Iterator[str]:
    formula, printed = printed_formulas(record, scale)
    slope = sympy.diff(formula, X)
    value_at, slope_at, printed_at = (exactly(sympy.lambdify(X, f, "mpmath")) for f in (formula, slope, printed))
    parameters = [scale * value for value in record.default_values]
    if not torch.equal(printed_at(RECORD_POINTS), slope_at(RECORD_POINTS)):
        yield "derivative formula"
    for x in (RECORD_POINTS, RECORD_POINTS.float()):
        if not close(record.function(x, *parameters), value_at(x)):
            yield "function"
        if not close(record.derivative(x, *parameters), slope_at(x)):
            yield "derivative"
    if record.derivative_from_output is not None:
        y = value_at(HALVES)
        if not close(record.derivative_from_output(y, *parameters), slope_at(HALVES)):
            yield "derivative from output"


def close(got: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(got, wanted, rtol=ROUNDINGS * torch.finfo(wanted.dtype).eps, atol=0)


# lesson 15


def likeness_by_features(difference: Tensor, frequencies: Tensor) -> Tensor:
    near, far = (
        torch.exp(2j * math.pi * (at @ frequencies)) for at in (0.3 - difference, torch.full_like(difference, 0.3))
    )
    return (near.real * far.real + near.imag * far.imag).sum(dim=1)


def widest_by_variance(inputs: int, hidden: int, layers: int, frequency: float) -> tuple[float, ...]:
    """An even weight of bound c has the variance c²/3; from sines of 1/2 come angles of variance 1."""
    needed = 1 / (frequency**2 * hidden / 2)
    return (inputs**-1.0, *[math.sqrt(3 * needed)] * (layers - 1))


def curvature_one_by_one(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.stack([torch.autograd.functional.hessian(f, each) for each in x.flatten()]).reshape(x.shape)


def curvature_of_waves_by_autograd(x: Tensor, weight: Tensor, bias: Tensor, outer: Tensor, frequency: float) -> Tensor:
    return curvature_one_by_one(lambda z: torch.sin(frequency * (z * weight + bias)) @ outer, x)


# The table


def perplexity_of_characters(losses: Tensor, lengths: Tensor) -> Tensor:
    """Each character written out, with the mean loss of its piece."""
    every = [loss for loss, n in zip(losses.tolist(), lengths.tolist(), strict=True) for _ in range(int(n))]
    return torch.tensor(math.exp(statistics.fmean(every)), dtype=losses.dtype)


def weights_place_by_place(scores: Tensor) -> Tensor:
    """Causal attention's weights by a loop: each row's exponentials over their sum, up to the place itself."""
    weights = torch.zeros_like(scores)
    for row in range(scores.shape[-1]):
        seen = scores[..., row, : row + 1]
        powers = (seen - seen.amax(dim=-1, keepdim=True)).exp()
        weights[..., row, : row + 1] = powers / powers.sum(dim=-1, keepdim=True)
    return weights


def block_unit_by_unit(x: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, int]:
    """A sum over units, of which those that are off are passed over."""
    total, on = torch.zeros(len(outer), dtype=x.dtype), 0
    for row, column in zip(inner, outer.T, strict=True):
        if (height := (row * x).sum()) > 0:
            total, on = total + height * column, on + 1
    return total, on


def layer_of_modules(x: Tensor, attention: Tensor, mix: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """torch's attention and norm."""
    norm = nn.RMSNorm(x.shape[-1], dtype=x.dtype)
    query, key, value = F.linear(norm(x), attention)[None].split(x.shape[-1], dim=-1)
    x = x + F.linear(F.scaled_dot_product_attention(query, key, value, is_causal=True)[0], mix)
    return (x + F.linear(F.relu(F.linear(norm(x), inner)) ** 2, outer)).detach()


def small_block(seed: int, width: int, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
    return random(width, seed=seed), random(hidden, width, seed=seed + 1), random(width, hidden, seed=seed + 2)


def small_layer(places: int, width: int) -> tuple[Tensor, ...]:
    shapes = (places, width), (3 * width, width), (width, width), (4 * width, width), (width, 4 * width)
    return tuple(random(*shape, seed=seed) for seed, shape in enumerate(shapes))


# The answer to each exercise, found in another way.
ORACLES: dict[str, Callable[..., Any]] = {
    "00.1": torch.relu,
    "00.2": counted_zeros,
    "00.3": zeros_by_lists,
    "01.1": layer_by_probing,
    "01.2": torch.abs,
    "01.3": pieces_found,
    "01.4": network_of_modules,
    "01.5": lambda bits: torch.remainder(bits.sum(dim=1), 2),
    "02.1": parabola_through_three_points,
    "02.2": lambda left, right: statistics.median([left, right, 0.0]),
    "02.3": step_with_slope,
    "02.4": scale_of_outputs,
    "02.5": condition_by_differences,
    "03.1": torch.sigmoid,
    "03.2": slope_from_inverse,
    "03.3": torch.tanh,
    "03.4": partial(F.binary_cross_entropy_with_logits, reduction="none"),
    "04.1": F.relu,
    "04.2": dead_on_a_grid,
    "04.3": F.softshrink,
    "04.4": slim_unit_by_unit,
    "05.1": F.leaky_relu,
    "05.2": slope_gradient_of_torch,
    "05.3": logits_without_modules,
    "05.4": prelu_backward_of_torch,
    "07.1": F.elu,
    "07.2": slope_of(F.celu),
    "07.3": lecun_by_dividing,
    "07.4": attraction_by_derivatives,
    "08.1": slope_of(F.silu),
    "08.2": beta_gradient_of_autograd,
    "08.3": gelu_tanh_in_double,
    "08.4": softplus_of_torch,
    "08.5": gate_of_a_uniform_threshold,
    "09.1": grid_of_marks,
    "09.2": clip_of_torch,
    "09.3": F.hardswish,
    "09.4": dot_of_python,
    "10.1": F.cross_entropy,
    "10.2": softmax_backward_of_autograd,
    "10.3": rows_are_probabilities,
    "10.4": without_weights_exactly,
    "11.2": glu_gradients_of_torch,
    "11.4": gated_hidden_by_counting,
    "11.3": swiglu_by_halves,
    "11.1": product_itself,
    "11.5": stackable_by_torch,
    "06.1": gain_by_pullback,
    "06.2": norm_divided_by,
    "06.3": weights_by_torchs_fan_in,
    "06.4": layer_on_standard_scores,
    "12.1": pixels_of_numpy,
    "12.2": torch.logit,
    "12.3": on_two_copies,
    "12.4": pixels_by_hooks,
    "13.1": trained_by_hand,
    "13.2": interval_of_scipy,
    "13.3": accuracy_at_the_best_epoch,
    "13.4": apart_by_p_value,
    "14.1": medians_by_columns,
    "14.2": copies_counted,
    "15.1": likeness_by_features,
    "15.2": widest_by_variance,
    "15.3": curvature_one_by_one,
    "15.4": curvature_of_waves_by_autograd,
    "14.3": each_from_the_start,
    "14.4": elu_backward_of_torch,
    "16.1": perplexity_of_characters,
    "16.2": weights_place_by_place,
    "16.3": block_unit_by_unit,
    "16.4": layer_of_modules,
    "17.1": verdict_by_completing,
    "17.3": classified_by_points,
    "17.2": exactly(lambda x, bend: x / 2 * (1 + x / mpmath.sqrt(x**2 + mpmath.mpf(bend) ** 2))),
    "17.4": lead_by_lists,
    "17.5": untrue_facts,
}

# On what the two must agree besides the exercise's own probes: edges, random numbers, other parameters.
FURTHER: dict[str, tuple[tuple[Any, ...], ...]] = {
    "00.1": ((EDGES,), (LINE,), (torch.arange(-3, 4),)),
    "00.2": ((EDGES,), (torch.zeros(3, 3),), (torch.arange(7) % 3,)),
    "00.3": ((uniform(3, 5, 2),), (9 + random(3, 1, 7),)),
    "01.1": (
        (random(1, 1), random(1), random(1, 1), random(1, seed=1)),
        (random(2, 5), random(2), random(3, 2), random(3)),
    ),
    "01.2": ((EDGES,), (LINE,)),
    "01.4": (layers_10_5_3(1), layers_10_5_3(7)),
    "01.5": ((uniform(50, 8).round(),), (torch.ones(1, 8),)),
    "02.1": tuple((random(n), random(n, seed=1), random(n, seed=2)) for n in (1, 40)),
    "02.2": tuple(itertools.product((-2.0, -0.5, -1e-9, 0.0, 0.3, 1.0, 7.0), repeat=2)),
    "02.3": ((LINE,), (numbers(-30.0, -0.0, 0.0, 30.0),)),
    "02.4": ((torch.sin, LINE), (lambda z: z - 3, random(2, 3))),
    "02.5": (
        (lambda x: -5 * x,),
        (lambda x: x * x.abs(),),
        (torch.sigmoid,),
        (lambda x: x.abs().sqrt(),),
    ),
    "03.1": ((LINE,), (numbers(-700.0, -36.5, 0.0, 36.5, 700.0),), (-abs(10 * LINE.float()),)),
    "03.2": ((uniform(50),), (numbers(1e-300, 1e-12, 1 - 1e-12),)),
    "03.3": ((LINE,), (numbers(-INF, -20.0, 0.0, 20.0, INF),)),
    "03.4": (
        (LINE, uniform(50)),
        (numbers(-1e4, -36.5, 0.0, 36.5, 1e4), numbers(1.0, 0.0, 1.0, 1.0, 0.0)),
    ),
    "04.1": ((EDGES,), (LINE,)),
    "04.2": (
        (random(50), 2 * random(50, seed=1), -1.5, 0.5),
        (random(50), random(50, seed=1), 3.0, 3.0),
        (numbers(1.0, -1.0, 1.0, 0.0), numbers(-2.0, -1.0, -1.9, 0.0), -1.0, 2.0),
    ),
    "04.3": ((LINE, 0.7), (LINE.float(), 0.1), (numbers(-2.0, 2.0, -0.0, 1e-9, -INF, INF), 2.0)),
    "04.4": tuple(
        (random(50, seed=seed), 2 * random(50, seed=9 + seed), random(50, seed=19 + seed), *ends)
        for seed, ends in enumerate(((-1.5, 0.5), (0.0, 3.0), (2.0, 2.0)))
    ),
    "05.1": tuple((torch.cat([LINE, numbers(-0.0, -1e-40)]), a) for a in (-0.5, 0.0, 0.25, 1.0, 7.0)),
    "05.2": ((random(5, 2, 3, 1), random(5, 2, 3, 1, seed=1)), (random(1, 4, 2, 2), -random(1, 4, 2, 2).abs())),
    "05.3": tuple((network_with_rrelu, checkpoint(), random(n, 2).float()) for n in (1, 40)),
    "05.4": ((random(40), random(40, seed=1), 0.3), (random(2, 5), random(2, 5, seed=1), 3.0)),
    # No alpha that float32 would round: in CELU's backward torch rounds it, whatever the tensor's type.
    "07.1": ((LINE, 0.3), (LINE, 3.0), (numbers(-1e-12, -1e-300, -0.0, 0.0, 800.0), 1.7)),
    "07.2": ((LINE, 0.25), (LINE.float(), 3.0), (numbers(-100.0, -0.0, 0.0, 1e-9, 800.0), 1.0)),
    "07.3": (((5, 7), 3), ((6, 4, 5), 4), ((3, 2, 3, 5), 5)),
    "07.4": ((F.gelu, LINE), (lambda z: 7 - 3 * z, LINE), (torch.exp, random(9))),
    "08.1": ((LINE,), (numbers(-700.0, -30.0, 0.0, 700.0),)),
    "08.2": tuple((LINE, numbers(beta)[0], random(50, seed=1)) for beta in (-1.5, 0.0, 0.3, 4.0)),
    "08.3": ((LINE,), (numbers(-4.0, -0.75, 0.0, 1e-9, 20.0),)),
    "08.4": ((LINE,), (LINE.float(),), (numbers(-700.0, -37.0, 0.0, 19.0, 21.0, 800.0),)),
    "08.5": tuple((LINE, a) for a in (0.25, 1.7, 6.0)),
    "09.1": ((-1.3, 2.9, 8), (0.4, 1.0, 1), (-7.0, -0.1, 2), (-0.001, 1000.0, 8), (-1000.0, 0.001, 8), (0.0, 1.0, 5)),
    "09.2": tuple(
        (random(999, seed=bits).relu().float(), [0.3, 0.9, 1.4, 2.2, 2.8, 3.5], bits) for bits in (1, 2, 3, 5, 8)
    ),
    "09.3": ((LINE,), (LINE.float(),), (numbers(-3.0, 3.0, -1e9, 1e9),)),
    "09.4": ((codes(0, 255, 0, 255), codes(0, 0, 255, 255), 0.1, 255, 3.0, 0), (codes(7), codes(9), 1.5, 8, 0.25, 200)),
    "10.2": tuple(
        (random(*shape), random(*shape, seed=1).softmax(dim=-1)) for shape in ((7, 3), (2, 3, 4), (3, 1), (5,))
    ),
    "10.1": ((random(9, 6), torch.arange(9) % 6), (SURE, torch.tensor([0, 2])), (random(1, 2), torch.tensor([1]))),
    "10.3": (
        (SURE.softmax(dim=1),),
        (random(9, 5).softmax(dim=1),),
        (numbers(0.5, 0.51).reshape(1, 2),),
        (numbers(0.5, 0.49).reshape(1, 2),),
        (numbers(0.33335, 0.33335, 0.33335).reshape(1, 3),),
        (numbers(1.001, -0.001).reshape(1, 2),),
        (numbers(0.5, 0.5, 0.9, 0.0).reshape(2, 2),),
        (numbers(0.5, NAN).reshape(1, 2),),
    ),
    "10.4": (
        (random(4, 2), numbers(1.0, 9.0)),
        (SURE, numbers(1e-9, 1.0, 1e9)),
        (-3000 + random(3, 3), numbers(3, 2, 1)),
    ),
    "11.2": ((random(9, 4), random(9, 4, seed=1), 5 * random(9, 4, seed=2)),),
    "11.4": tuple(itertools.product((1, 2, 3, 10, 64), (2, 3, 7, 8, 9, 100, 256))),
    "11.3": ((random(7, 3), random(8, 3), random(2, 4)), (random(2, 1, 3), random(2, 3), random(5, 1))),
    "11.5": ((random(7, 3), random(4, 3), random(4, 3, seed=1), random(3, 4)),),
    "11.1": tuple((LINE, random(50, seed=1), gate) for gate in (F.relu, F.gelu, F.silu)),
    "06.1": tuple((f, LINE) for f in (F.gelu, F.elu, torch.exp, lambda z: 3 - z)),
    "06.3": tuple((random(*shape).float(), 1.3) for shape in ((5, 7), (6, 4, 3), (8, 2, 3, 5), (2, 3, 2, 2, 2))),
    "06.4": tuple((f, LINE, random(3, 9)) for f in (F.gelu, torch.exp, lambda z: 3 - z)),
    "12.1": ((random(3, 8, 8), -1.7, 2.2), (random(50), 0.1, 0.9), (numbers(-INF, 2.0, 5.0, INF), 2.0, 5.0)),
    "12.3": ((torch.tanh, LINE), (torch.tanh_, LINE), (nn.SELU(inplace=True), LINE), (torch.clone, LINE)),
    "12.4": tuple((nn.Sequential(nn.ELU(), nn.SELU(inplace=True), nn.Mish()), n, random(7, seed=n)) for n in range(3)),
    "12.2": ((uniform(50),), (numbers(0.0, 1e-300, 1 - 1e-12, 1.0),)),
    "13.1": tuple(
        (random(4, 3), [(random(n, 4, seed=n), torch.arange(n) % 3) for n in (2, 5, 1, 9)], r) for r in (0.0, 0.1, 2.0)
    ),
    "13.2": tuple((70 + random(n), 69 + random(n, seed=1), t) for n, t in ((2, 12.7), (4, 3.0), (11, 1.5), (40, 0.1))),
    "13.3": tuple((random(n), random(n, seed=1)) for n in (1, 2, 3, 8, 20)),
    "13.4": tuple(
        (dict(zip(("silu", "relu", "elu", "a"), 3 * torch.eye(4, n).double() + random(4, n, seed=n), strict=True)),)
        for n in range(2, 20)
    ),
    "14.1": tuple(
        ({name: clock(code) for code, name in enumerate(names, 1)}, torch.zeros(99), orders, names[-1])
        for names, orders in (("a", ["a"] * 3), ("ab", ["ab", "ba", "ba", "ab"]), ("edc", ["edc", "dce", "ced"] * 3))
    ),
    "14.3": (
        (LINE, [nn.SELU(inplace=True), nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)]),
        (LINE, [nn.Identity(), nn.ReLU(inplace=True), nn.Identity()]),
        (LINE, []),
    ),
    "14.4": (
        (random(50), 3 * uniform(50) - 0.3, 0.3),
        (random(50), 5 * uniform(50) - 3, 3.0),
        (random(6), numbers(-1 + 1e-9, -1e-9, -0.0, 0.0, 1e-9, INF), 1.0),
    ),
    "15.1": ((random(9, 3), random(3, 4, seed=1)), (random(2, 1), random(1, 1))),
    "15.2": ((2, 128, 4, 30.0), (5, 7, 1, 1.0), (1, 1000, 6, 3.0)),
    "15.3": ((torch.exp, random(7)), (lambda x: x**4 - 2 * x, random(3, 2)), (torch.sigmoid, LINE)),
    "15.4": ((random(6), random(5, seed=1), random(5, seed=2), random(5, seed=3), 2.5),),
    "16.1": ((3 * uniform(4), numbers(1, 2, 3, 40)), (numbers(0.0), numbers(5.0))),
    "16.2": ((random(6, 6),), (random(2, 3, 5, 5),), (1e3 * random(4, 4),)),
    "16.3": (small_block(3, 5, 20), small_block(6, 1, 1), small_block(9, 4, 2)),
    "16.4": (small_layer(1, 2), small_layer(7, 6)),
    "17.1": tuple((says, cases) for says in ("always", "can", "better") for cases in all_cases(4)),
    "17.3": tuple(
        (low / 4, high / 4, margin) for low in range(-5, 6) for high in range(low, 6) for margin in (0.3, 0.5, 1.0)
    ),
    "17.2": ((FAR, 1.0), (FAR, 3.0), (FAR.float(), 0.2), (LINE, 0.01), (numbers(-0.0, 0.0), 1.0)),
    "17.4": tuple((70 + random(n, 5, seed=n), 70 + random(n, 5)) for n in (1, 2, 9)),
}

# How much they may differ there, besides roundings of the result; 0 where nothing is said.
TOLERANCES = {
    "15.1": 1e-12,
    "15.3": 1e-12,
    "15.4": 1e-11,
    "00.2": 1e-7,
    "00.3": 1e-7,
    "01.1": 1e-13,
    "01.4": 1e-13,
    "01.5": 1e-6,
    "02.1": 1e-12,
    "02.3": 1e-15,
    "02.4": 1e-14,
    "03.1": 1e-16,
    "03.3": 1e-15,
    "03.4": 1e-14,
    "05.2": 1e-13,
    "05.3": 1e-6,
    "05.4": 1e-13,
    "07.1": 1e-15,
    "07.3": 1e-7,
    "07.4": 1e-12,
    "08.1": 1e-15,
    "08.2": 1e-12,
    "08.3": 1e-14,
    "08.5": 1e-14,
    "09.1": 1e-12,
    "10.1": 1e-15,
    "10.2": 1e-14,
    "10.4": 1e-12,
    "11.2": 1e-7,
    "11.3": 1e-13,
    "11.1": 1e-14,
    "11.5": 1e-12,
    "06.4": 1e-11,
    "12.2": 1e-15,
    "13.1": 1e-14,
    "13.2": 1e-5,
    "14.4": 1e-15,
    "16.1": 1e-12,
    "16.2": 1e-14,
    "16.3": 1e-12,
    "16.4": 1e-9,
    "17.4": 1e-7,
}

TRAINS = ("13.1",)  # a leaf of its own
OPEN = ("17.5",)  # has many right answers: its oracle names what is wrong with one
every_number = pytest.mark.parametrize("number", [number for number in EXERCISES if number not in OPEN])


def test_every_exercise_has_an_oracle_and_every_oracle_an_exercise() -> None:
    assert sorted(ORACLES) == sorted(EXERCISES)
    assert {*FURTHER, *TOLERANCES} <= set(ORACLES)
    assert [number for number, exercise in EXERCISES.items() if exercise.faults] == list(OPEN)


def test_functions_are_compared_beyond_their_own_probes() -> None:
    assert {n for n, exercise in EXERCISES.items() if n not in OPEN and exercise.wants_function} == set(FURTHER)


# The comparison


def outcome(answer: Callable[..., Any], arguments: Sequence[Any], with_slope: bool) -> tuple[Any, ...]:
    """What an answer returns, what it leaves of its arguments, and the slope of what it returns."""
    given = [argument.clone() if isinstance(argument, Tensor) else argument for argument in arguments]
    if with_slope:
        given[0].requires_grad_()
    with torch.random.fork_rng():
        result = answer(*given)
    slope = torch.autograd.grad(result.sum(), given[0])[0] if with_slope else None
    return result, *(argument for argument in given if isinstance(argument, Tensor)), slope


def assert_same(got: Any, wanted: Any, tolerance: float) -> None:
    assert type(got) is type(wanted)
    if isinstance(wanted, tuple):
        for ours, theirs in zip(got, wanted, strict=True):
            assert_same(ours, theirs, tolerance)
    elif isinstance(wanted, Tensor) and wanted.is_floating_point():
        roundings = ROUNDINGS * torch.finfo(wanted.dtype).eps
        torch.testing.assert_close(got, wanted, rtol=roundings, atol=tolerance, equal_nan=True)
    elif isinstance(wanted, Tensor):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    elif isinstance(wanted, float):
        assert got == pytest.approx(wanted, rel=1e-13, abs=tolerance)
    else:
        assert got == wanted


@every_number
def test_the_solution_agrees_with_the_oracle(number: str) -> None:
    exercise, tolerance = EXERCISES[number], TOLERANCES.get(number, 0.0)
    with_slope = any(probe.with_slope for probe in exercise.probes)
    further = FURTHER[number] if exercise.wants_function else [()]
    own = [(probe.arguments, probe.with_slope, max(probe.tolerance, tolerance)) for probe in exercise.probes]
    for arguments, slope, allowed in (*own, *((arguments, with_slope, tolerance) for arguments in further)):
        got, wanted = (outcome(f, arguments, slope) for f in (exercise.solution, ORACLES[number]))
        assert_same(got, wanted, allowed)


@every_number
def test_a_check_that_knew_the_oracle_alone_would_call_the_solution_right(number: str) -> None:
    """So the probes accept an answer that was found in another way, and the solution does nothing that is forbidden."""
    exercise, oracle = EXERCISES[number], ORACLES[number]
    # A built-in function does not say whether it has parameters, by which a check tells a function from a value.
    told, answer = (
        (lambda *arguments: oracle(*arguments), exercise.solution)
        if exercise.wants_function
        else (lambda: oracle(), exercise.solution())
    )
    feedback = judge(replace(exercise, solution=told), answer)
    assert (feedback.state, feedback.message) == ("correct", exercise.remark)


def has_a_slope(number: str) -> bool:
    """Whether a solution makes of a floating tensor another of its shape, by steps that autograd follows."""
    x, *others = deepcopy(EXERCISES[number].probes[0].arguments or (None,))
    if not isinstance(x, Tensor) or not x.is_floating_point() or number in TRAINS:
        return False
    y = EXERCISES[number].solution(x.requires_grad_(), *others)
    return isinstance(y, Tensor) and y.shape == x.shape and y.requires_grad


@pytest.mark.parametrize("number", [number for number in FURTHER if has_a_slope(number)])
def test_the_slope_of_a_solution_is_a_number_wherever_its_input_is(number: str) -> None:
    """A branch that torch.where does not take gives NaN slopes, if it divides by 0 or overflows."""
    exercise = EXERCISES[number]
    given = (*(probe.arguments for probe in exercise.probes), *FURTHER[number])
    for arguments in (each for each in given if each[0].is_floating_point()):
        *_, slope = outcome(exercise.solution, arguments, True)
        assert not (slope.isnan() & arguments[0].isfinite()).any(), arguments


@every_number
def test_one_number_does_not_settle_all_probes(number: str) -> None:
    """Else a wrong answer is taken for another slip by a coincidence that all probes share."""
    exercise = EXERCISES[number]
    expected = [exercise.solution(*deepcopy(probe.arguments)) for probe in exercise.probes]
    assert len(expected) < 2 or not all(type(value) is float for value in expected) or len(set(expected)) > 1


def test_the_rule_that_is_taught_is_that_of_the_ledger() -> None:
    quantifiers = {"always": Always(""), "can": Exists(""), "better": Compared("", margins.ACCURACY)}
    for (says, quantifier), cases in itertools.product(quantifiers.items(), all_cases(4)):
        assert EXERCISES["17.1"].solution(says, cases) == quantifier.verdict(cases)


def test_the_record_that_is_shown_is_true_and_each_wrong_one_is_not() -> None:
    exercise = EXERCISES["17.5"]
    record = exercise.solution()
    assert untrue_facts(record) == []
    assert judge(exercise, record).message == exercise.remark
    faults = ["derivative", "function", "function", "function", "kinks", "range", "derivative from output", "new"]
    for mistake, fault in zip(exercise.mistakes, faults, strict=True):
        assert fault in untrue_facts(mistake.answer)
