"""Every exercise against an oracle: its answer, found in another way than the solution finds it.

A check judges a learner by the solution, so that a wrong solution would call right answers wrong. Here the solution is
judged itself: by torch's own function, by autograd, by counting, by exact arithmetic. ``ORACLES`` says by which.
"""

import itertools
import math
import statistics
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath
import nbformat
import numpy as np
import pytest
import sympy
import torch
from latex import X, read, symbol_of
from scipy import optimize, special, stats
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.exercises.exercise import judge
from nonlin.ledger import Always, Compared, Exists, margins
from nonlin.lessons import EXERCISES
from nonlin.notebooks import LESSONS

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


def standardised_by_lists(photograph: Tensor) -> Tensor:
    channels = []
    for channel in photograph:
        values = channel.flatten().tolist()
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        channels.append([(value - mean) / deviation for value in values])
    return torch.tensor(channels, dtype=photograph.dtype).reshape(photograph.shape)


def what_the_tie_leaves() -> float:
    """A gradient of 1 is shared by x and the 0 that it is compared with: what x gets is what the 0 leaves."""
    x, zero = torch.zeros(()), torch.zeros((), requires_grad=True)
    return 1 - torch.autograd.grad(torch.maximum(x, zero), zero)[0].item()


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


def triangle_wave(x: Tensor, folds: int) -> Tensor:
    return 1 - (torch.remainder(2**folds * x, 2) - 1).abs()


def layers_10_5_3(batch: int) -> tuple[Tensor, ...]:
    return random(batch, 10, seed=batch), random(5, 10), random(5), random(3, 5), random(3)


# Lesson 03


def slope_from_inverse(y: Tensor) -> Tensor:
    """The slope of a function is 1 over the slope of its inverse."""
    return 1 / slope_of(torch.logit)(y)


def sigmoids_counted() -> int:
    """Adds sigmoids, each fed with 0, until autograd's gradient is small enough."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    layers, y = 0, x
    while torch.autograd.grad(y, x, retain_graph=True)[0].item() > Fraction(1, 10**6):
        layers, y = layers + 1, torch.sigmoid(y - y.detach())
    return layers


def tanh_of_lecun(x: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(x * 2 / 3)


# Lesson 04


def dead_on_a_grid(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    """Autograd's slope of ReLU, for many inputs of the interval, both ends among them."""
    x = torch.linspace(low, high, 999, dtype=w.dtype)
    return (slope_of(F.relu)(x[:, None] * w + b) == 0).all(dim=0)


def layers_by_counting_signs() -> int:
    """A layer keeps an input unless all its signs, of which each is as likely as the other, are negative."""
    patterns = list(itertools.product((True, False), repeat=4))
    kept = Fraction(sum(map(any, patterns)), len(patterns))
    return math.ceil(math.log(2) / -math.log(kept))


def proximal_step(z: Tensor, x: Tensor, dictionary: Tensor, lambd: float, t: float) -> Tensor:
    """Autograd's gradient step, then the lowest of the three points at which the small problem can be least."""
    v = z - t * slope_of(lambda z: (dictionary @ z - x).square().sum() / 2)(z)
    candidates = torch.stack([torch.zeros_like(v), v - t * lambd, v + t * lambd])
    costs = (candidates - v).square() / 2 + t * lambd * candidates.abs()
    return candidates.gather(0, costs.argmin(dim=0, keepdim=True))[0]


# Lesson 05


def slope_gradient_of_torch(gradient: Tensor, x: Tensor) -> Tensor:
    slopes = torch.full((x.shape[1],), 0.3, dtype=x.dtype)
    return backward_of(partial(F.prelu, x), [slopes], gradient)[0]


def slope_under_sgd() -> float:
    slope = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    slope.grad = torch.zeros_like(slope)
    optimizer = torch.optim.SGD([slope], lr=0.1, weight_decay=5e-4)
    for _ in range(8_000):
        optimizer.step()
    return slope.item()


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


def selu_layers() -> int:
    return next(n for n in itertools.count() if Fraction("0.7826") ** n <= Fraction("0.01"))


def by_standard_scores(f: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """The straight line that leads from the outputs to SciPy's standard scores of them."""
    y = f(z)
    line = stats.linregress(y, stats.zscore(y.numpy()))
    return torch.as_tensor(line.slope, dtype=z.dtype), torch.as_tensor(line.intercept, dtype=z.dtype)


def alpha_dropout_of_torch(y: Tensor, kept: Tensor, q: float) -> Tensor:
    """torch's own, drawn until each unit has been kept, or dropped, as it is to be.

    The same draws on other numbers tell which units are dropped: those whose output is what it was.
    """
    rows = y.expand(400, *y.shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = F.alpha_dropout(rows, 1 - q, training=True)
        torch.manual_seed(0)
        others = F.alpha_dropout(rows + 1, 1 - q, training=True)
    fits = ((out != others) == kept).to(torch.uint8)
    assert fits.any(dim=0).all(), "more draws are needed"
    return out.gather(0, fits.argmax(dim=0, keepdim=True))[0]


# Lesson 08


def dip_by_search() -> tuple[float, float]:
    """Newton's search for the root of the slope, with many digits."""
    with mpmath.workdps(30):
        lowest = mpmath.findroot(lambda x: mpmath.diff(lambda u: u / (1 + mpmath.exp(-2 * u)), x), -0.6)
        return float(lowest), float(lowest / (1 + mpmath.exp(-2 * lowest)))


def softplus_of_torch(x: Tensor) -> Tensor:
    """Not F.softplus, which returns x above a threshold."""
    return -F.logsigmoid(-x)


def gelu_tanh_in_double(x: Tensor) -> Tensor:
    return F.gelu(x.double(), approximate="tanh").to(x.dtype)


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
    """Whatever the gate, its two halves together are a multiple of y, which y = 1 shows."""
    one = torch.ones((), dtype=x.dtype)
    return x * y * (gate(one) - gate(-one))


def squarings_until_infinite() -> int:
    size, layers = torch.tensor(1.01), 0
    while size.isfinite():
        size, layers = size * size, layers + 1
    return layers


# Lesson 06


def gain_by_length(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    return torch.linalg.vector_norm(torch.ones_like(z)) / torch.linalg.vector_norm(f(z))


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


def lecun_by_dividing(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) / math.sqrt(math.prod(shape[1:]))


def dead_by_autograd(z: Tensor) -> Tensor:
    slopes = slope_of(F.relu)(z)
    dead = [not unit.any() for unit in slopes.T]
    return torch.tensor(sum(dead) / len(dead), dtype=torch.float64)


# Lesson 12


def batches_of_torch() -> int:
    return len(list(DataLoader(range(10_000), batch_size=64)))


def pixels_of_numpy(x: Tensor, low: float, high: float) -> Tensor:
    return torch.as_tensor(np.rint(np.interp(x.double().numpy(), [low, high], [0, 255])).astype(np.uint8))


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


def confidence_by_union_bound(together: float, comparisons: int) -> float:
    """At this confidence the errors of all add up to what all together may err."""
    share = optimize.brentq(lambda each: comparisons * (1 - each) - (1 - together), 0, 1, xtol=1e-15)
    return float(share)


def seeds_by_coverage(half_width: float, sd: float) -> int:
    """The first number of seeds for which an interval of this width holds the mean in 95 % of all cases."""

    def coverage(n: int) -> float:
        return 1 - 2 * special.stdtr(n - 1, -half_width * math.sqrt(n) / sd)

    return next(n for n in itertools.count(2) if coverage(n) >= 0.95)


def letters_of_the_table() -> str:
    """Reads the thin intervals where the learner reads them."""
    cells = nbformat.read(LESSONS / "13_training.ipynb", as_version=4).cells
    [text] = [cell.source for cell in cells if "### 13.5" in cell.source]
    rows = [[entry.strip() for entry in line.strip("|").split("|")] for line in text.splitlines() if "| " in line]
    ends = {row[0]: [float(end.replace("−", "-")) for end in row[3].split(" to ")] for row in rows if " to " in row[3]}
    assert len(ends) == 5
    return "".join(letter for letter, (low, high) in ends.items() if low * high > 0)


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


def rounds_by_deque(functions: dict[str, Callable[[Tensor], float]], x: Tensor, repeats: int) -> dict[str, list[float]]:
    order, log = deque(functions), []
    for _ in range(2 + repeats):
        log += [(name, functions[name](x)) for name in order]
        order.rotate(-1)
    counted = log[2 * len(functions) :]
    return {name: [taken for which, taken in counted if which == name] for name in functions}


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


def elu_slope_of_torch(y: Tensor, alpha: float) -> Tensor:
    x = torch.where(y > 0, y, torch.log1p(y.clamp(max=0).double() / alpha).to(y.dtype))
    return slope_of(F.elu)(x, alpha)


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


# The table


# The answer to each exercise, found in another way.
ORACLES: dict[str, Callable[..., Any]] = {
    "00.1": torch.relu,
    "00.2": counted_zeros,
    "00.3": standardised_by_lists,
    "00.4": what_the_tie_leaves,
    "01.1": layer_by_probing,
    "01.2": torch.abs,
    "01.3": pieces_found,
    "01.4": network_of_modules,
    "01.5": lambda left, right: statistics.median([left, right, 0.0]),
    "01.6": triangle_wave,
    "03.1": slope_from_inverse,
    "03.2": torch.sigmoid,
    "03.3": torch.tanh,
    "03.4": sigmoids_counted,
    "03.5": slope_of(tanh_of_lecun),
    "04.1": F.relu,
    "04.2": dead_on_a_grid,
    "04.3": layers_by_counting_signs,
    "04.4": F.softshrink,
    "04.5": proximal_step,
    "05.1": F.leaky_relu,
    "05.2": slope_gradient_of_torch,
    "05.3": slope_under_sgd,
    "05.4": logits_without_modules,
    "05.5": prelu_backward_of_torch,
    "07.1": slope_of(F.celu),
    "07.2": F.elu,
    "07.3": selu_layers,
    "07.4": by_standard_scores,
    "07.5": alpha_dropout_of_torch,
    "08.1": slope_of(F.silu),
    "08.2": dip_by_search,
    "08.3": softplus_of_torch,
    "08.4": gelu_tanh_in_double,
    "08.5": beta_gradient_of_autograd,
    "08.6": gate_of_a_uniform_threshold,
    "09.1": grid_of_marks,
    "09.2": clip_of_torch,
    "09.3": F.hardswish,
    "09.4": dot_of_python,
    "10.1": F.cross_entropy,
    "10.2": softmax_backward_of_autograd,
    "10.3": rows_are_probabilities,
    "10.4": without_weights_exactly,
    "11.1": glu_gradients_of_torch,
    "11.2": gated_hidden_by_counting,
    "11.3": swiglu_by_halves,
    "11.4": product_itself,
    "11.5": squarings_until_infinite,
    "06.1": gain_by_length,
    "06.2": weights_by_torchs_fan_in,
    "06.3": norm_divided_by,
    "06.4": lecun_by_dividing,
    "06.5": dead_by_autograd,
    "12.1": batches_of_torch,
    "12.2": pixels_of_numpy,
    "12.3": on_two_copies,
    "12.4": torch.logit,
    "13.1": interval_of_scipy,
    "13.2": accuracy_at_the_best_epoch,
    "13.3": confidence_by_union_bound,
    "13.4": seeds_by_coverage,
    "13.5": letters_of_the_table,
    "14.1": lambda gradient, y: backward_of(F.relu, [y], gradient)[0],
    "14.2": copies_counted,
    "14.3": rounds_by_deque,
    "14.4": each_from_the_start,
    "14.5": elu_slope_of_torch,
    "17.1": verdict_by_completing,
    "17.2": classified_by_points,
    "17.3": exactly(lambda x, bend: x / 2 * (1 + x / mpmath.sqrt(x**2 + mpmath.mpf(bend) ** 2))),
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
    "01.5": tuple(itertools.product((-2.0, -0.5, -1e-9, 0.0, 0.3, 1.0, 7.0), repeat=2)),
    "01.6": tuple((uniform(50), folds) for folds in (0, 1, 3, 8)),
    "03.1": ((uniform(50),), (numbers(1e-300, 1e-12, 1 - 1e-12),)),
    "03.2": ((LINE,), (numbers(-700.0, -36.5, 0.0, 36.5, 700.0),), (-abs(10 * LINE.float()),)),
    "03.3": ((LINE,), (numbers(-INF, -20.0, 0.0, 20.0, INF),)),
    "03.5": ((LINE,), (numbers(-30.0, 0.0, 30.0),)),
    "04.1": ((EDGES,), (LINE,)),
    "04.2": (
        (random(50), 2 * random(50, seed=1), -1.5, 0.5),
        (random(50), random(50, seed=1), 3.0, 3.0),
        (numbers(1.0, -1.0, 1.0, 0.0), numbers(-2.0, -1.0, -1.9, 0.0), -1.0, 2.0),
    ),
    "04.4": ((LINE, 0.7), (LINE.float(), 0.1), (numbers(-2.0, 2.0, -0.0, 1e-9, -INF, INF), 2.0)),
    "04.5": tuple((random(8), random(5), random(5, 8), lambd, t) for lambd, t in ((0.0, 0.1), (1.0, 0.3), (3.0, 0.05))),
    "05.1": tuple((torch.cat([LINE, numbers(-0.0, -1e-40)]), a) for a in (-0.5, 0.0, 0.25, 1.0, 7.0)),
    "05.2": ((random(5, 2, 3, 1), random(5, 2, 3, 1, seed=1)), (random(1, 4, 2, 2), -random(1, 4, 2, 2).abs())),
    "05.4": tuple((network_with_rrelu, checkpoint(), random(n, 2).float()) for n in (1, 40)),
    "05.5": ((random(40), random(40, seed=1), 0.3), (random(2, 5), random(2, 5, seed=1), 3.0)),
    # No alpha that float32 would round: in CELU's backward torch rounds it, whatever the tensor's type.
    "07.1": ((LINE, 0.25), (LINE.float(), 3.0), (numbers(-100.0, -0.0, 0.0, 1e-9, 800.0), 1.0)),
    "07.2": ((LINE, 0.3), (LINE, 3.0), (numbers(-1e-12, -1e-300, -0.0, 0.0, 800.0), 1.7)),
    "07.4": ((F.gelu, LINE), (lambda z: 7 - 3 * z, LINE), (torch.exp, random(9))),
    "07.5": tuple((random(40), uniform(40) < q, q) for q in (0.1, 0.5, 0.75)),
    "08.1": ((LINE,), (numbers(-700.0, -30.0, 0.0, 700.0),)),
    "08.3": ((LINE,), (LINE.float(),), (numbers(-700.0, -37.0, 0.0, 19.0, 21.0, 800.0),)),
    "08.4": ((LINE,), (numbers(-4.0, -0.75, 0.0, 1e-9, 20.0),)),
    "08.5": tuple((LINE, numbers(beta)[0], random(50, seed=1)) for beta in (-1.5, 0.0, 0.3, 4.0)),
    "08.6": tuple((LINE, a) for a in (0.25, 1.7, 6.0)),
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
    "11.1": ((random(9, 4), random(9, 4, seed=1), 5 * random(9, 4, seed=2)),),
    "11.2": tuple(itertools.product((1, 2, 3, 10, 64), (2, 3, 7, 8, 9, 100, 256))),
    "11.3": ((random(7, 3), random(8, 3), random(2, 4)), (random(2, 1, 3), random(2, 3), random(5, 1))),
    "11.4": tuple((LINE, random(50, seed=1), gate) for gate in (F.relu, F.gelu, F.silu)),
    "06.1": tuple((f, LINE) for f in (F.gelu, F.elu, torch.exp, lambda z: 3 - z)),
    "06.2": tuple((random(*shape).float(), 1.3) for shape in ((5, 7), (6, 4, 3), (8, 2, 3, 5), (2, 3, 2, 2, 2))),
    "06.4": (((5, 7), 3), ((6, 4, 5), 4), ((3, 2, 3, 5), 5)),
    "06.5": ((random(3, 40),), (EDGES[None, :-1],), (-random(2, 9).abs(),)),
    "12.2": ((random(3, 8, 8), -1.7, 2.2), (random(50), 0.1, 0.9), (numbers(-INF, 2.0, 5.0, INF), 2.0, 5.0)),
    "12.3": ((torch.tanh, LINE), (torch.tanh_, LINE), (nn.SELU(inplace=True), LINE), (torch.clone, LINE)),
    "12.4": ((uniform(50),), (numbers(0.0, 1e-300, 1 - 1e-12, 1.0),)),
    "13.1": tuple((70 + random(n), 69 + random(n, seed=1), t) for n, t in ((2, 12.7), (4, 3.0), (11, 1.5), (40, 0.1))),
    "13.2": tuple((random(n), random(n, seed=1)) for n in (1, 2, 3, 8, 20)),
    "13.3": ((0.95, 2), (0.5, 5), (0.999, 100)),
    "13.4": tuple(itertools.product((0.05, 0.3, 0.7, 2.0), (0.2, 0.8, 1.1))),
    "14.1": ((random(50), random(50, seed=1).relu()), (numbers(1.0, -1.0, 2.0), numbers(INF, 1e-300, 0.0))),
    "14.3": tuple(
        ({name: clock(code) for code, name in enumerate(names, 1)}, torch.zeros(99), repeats)
        for names, repeats in (("a", 3), ("ab", 0), ("abcd", 9), ("edcba", 4))
    ),
    "14.4": (
        (LINE, [nn.SELU(inplace=True), nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)]),
        (LINE, [nn.Identity(), nn.ReLU(inplace=True), nn.Identity()]),
        (LINE, []),
    ),
    "14.5": (
        (3 * uniform(50) - 0.3, 0.3),
        (5 * uniform(50) - 3, 3.0),
        (numbers(-1 + 1e-9, -1e-9, -0.0, 0.0, 1e-9, INF), 1.0),
    ),
    "17.1": tuple((says, cases) for says in ("always", "can", "better") for cases in all_cases(4)),
    "17.2": tuple(
        (low / 4, high / 4, margin) for low in range(-5, 6) for high in range(low, 6) for margin in (0.3, 0.5, 1.0)
    ),
    "17.3": ((FAR, 1.0), (FAR, 3.0), (FAR.float(), 0.2), (LINE, 0.01), (numbers(-0.0, 0.0), 1.0)),
    "17.4": tuple((70 + random(n, 5, seed=n), 70 + random(n, 5)) for n in (1, 2, 9)),
}

# How much they may differ there, besides roundings of the result; 0 where nothing is said.
TOLERANCES = {
    "00.2": 1e-7,
    "00.3": 1e-13,
    "01.1": 1e-13,
    "01.4": 1e-13,
    "01.6": 1e-12,
    "03.2": 1e-16,
    "03.3": 1e-15,
    "03.5": 1e-15,
    "04.5": 1e-13,
    "05.2": 1e-13,
    "05.3": 1e-12,
    "05.4": 1e-6,
    "05.5": 1e-13,
    "07.2": 1e-15,
    "07.4": 1e-12,
    "07.5": 1e-12,
    "08.1": 1e-15,
    "08.4": 1e-14,
    "08.5": 1e-12,
    "08.6": 1e-14,
    "09.1": 1e-12,
    "10.1": 1e-15,
    "10.2": 1e-14,
    "10.4": 1e-12,
    "11.1": 1e-7,
    "11.3": 1e-13,
    "11.4": 1e-14,
    "06.4": 1e-7,
    "12.4": 1e-15,
    "13.1": 1e-5,
    "13.3": 1e-14,
    "14.5": 1e-15,
    "17.4": 1e-7,
}

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
