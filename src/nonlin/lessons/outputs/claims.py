"""Claims about softmax and other output layers."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.activations.softmax import jacobian, softmax
from nonlin.intervals import Estimate, Family, above, below, bracketed, crossing_of, exact
from nonlin.ledger import (
    Always,
    AtMost,
    Case,
    Claim,
    Compared,
    Dependence,
    Exists,
    Measurement,
    Never,
    Part,
    literature,
    margins,
    reference,
)
from nonlin.lessons.outputs.experiments import (
    PRIORS,
    TRAINED_BY,
    double_softmax,
    imbalance,
    inverse_softplus,
    non_negative,
    overfitted,
    several_labels,
    smoothed,
)
from nonlin.toys.batched import cross_entropy, identity

REMEDIES = ("class weights", "oversampling", "undersampling")

# 6


def _where_sigmoid_serves() -> Measurement:
    """Points of accuracy by which sigmoids are ahead of a softmax."""
    labels, classes = several_labels(), imbalance().remedies
    return {
        "several labels at once": (100 * (labels["sigmoids"] - labels["softmax"])).tolist(),
        "one of several classes": (
            100 * (classes["one sigmoid a class"].accuracy - classes["nothing"].accuracy)
        ).tolist(),
    }


def _judge_where_sigmoid_serves(measured: Measurement) -> Sequence[Case]:
    """The claim holds where sigmoid loses, and does not where it loses less than the margin, or wins."""
    family = Family(len(measured) + 1)  # the course's networks share the rest of the error
    gains = {(name, "a softmax"): family.mean(values) for name, values in measured.items()}
    for network, compared in reference.differences().items():
        if "sigmoid" in compared and compared["sigmoid"].together:
            gains[f"hidden layers, {network}", "ReLU"] = compared["sigmoid"].together
    return [
        Case(where, margins.ACCURACY.less(gain), f"accuracy {gain} points against {rival}", (gain,))
        for (where, rival), gain in gains.items()
    ]


SIGMOID_ONLY_BINARY = Claim(
    number=6,
    statement="Sigmoid belongs only in binary output layers.",
    lesson="10",
    said_by=(literature.CONCEPT_LAB, literature.NEURAL_BASE_SIGMOID),
    measure=_where_sigmoid_serves,
    parts=(Part(quantifier=Always("other places"), judge=_judge_where_sigmoid_serves),),
    limits="Gates, where sigmoids also stand, were not measured; the two output problems are small clouds of points.",
)

# 40

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}


def naive(x: Tensor) -> Tensor:
    """Softmax along the last dimension as textbooks print it."""
    e = torch.exp(x)
    return e / e.sum(dim=-1, keepdim=True)


def _limits_of_the_naive_form() -> Measurement:
    """The smallest logit beside 0, and the largest of two equal ones, at which it is not a number: to 0.001 of it."""
    return {
        f"{what}, {name}": [_first(lambda z, d=dtype, s=sign, a=apart: _fails(z, d, s, a))]
        for what, sign, apart in (("overflow", 1.0, True), ("underflow", -1.0, False))
        for name, dtype in DTYPES.items()
    }


def _fails(size: float, dtype: torch.dtype, sign: float, apart: bool) -> bool:
    other = 0.0 if apart else sign * size
    logits = torch.tensor([sign * size, other], dtype=dtype)
    return not bool((naive(logits).double() - logits.double().softmax(-1)).abs().max() < 0.01)


def _first(fails: Callable[[float], bool], most: float = 1000.0) -> float:
    """Where something begins to fail, by bisection; infinite if it never does."""
    low, high = 0.0, most
    if not fails(high):
        return math.inf
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return high


def _judge_naive(what: str, words: str) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        own = {name.partition(", ")[2]: at for name, [at] in measured.items() if name.startswith(what)}
        return [Case(name, math.isfinite(at), words.format(at), (exact(at),)) for name, at in own.items()]

    return judge


def _limit(what: str, factor: str) -> Callable[[Measurement], Dependence | None]:
    def turns(measured: Measurement) -> Dependence | None:
        [at] = measured[f"{what}, float32"]
        return Dependence(factor=factor, holds="above", at=exact(at)) if math.isfinite(at) else None

    return turns


NAIVE_FAILS = Claim(
    number=40,
    statement="The naive form of softmax overflows and underflows.",
    lesson="10",
    said_by=(literature.STABLE_SOFTMAX,),
    measure=_limits_of_the_naive_form,
    parts=(
        Part(
            statement="It overflows.",
            quantifier=Exists("logits, in each number format"),
            judge=_judge_naive("overflow", "not a number from a logit of {:.1f} beside 0"),
            depends_on=_limit("overflow", "the largest logit, in float32"),
        ),
        Part(
            statement="It underflows.",
            quantifier=Exists("logits, in each number format"),
            judge=_judge_naive("underflow", "not a number, or 1 % off, if both logits are −{:.1f}"),
            depends_on=_limit("underflow", "the size of logits that are all negative, in float32"),
        ),
    ),
)

# 41

SCALES = {"logits between 0 and 0.5": (0.0, 0.5), "logits between 2 and 6": (2.0, 6.0)}
CENTRES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # of two logits that differ by a tenth of it


def _amplification(x: Tensor) -> dict[str, list[float]]:
    """For rows of logits: how much larger the largest is than the second, as a ratio and as a difference."""
    first, second = x.topk(2, dim=-1).values.unbind(dim=-1)
    p, q = softmax(x, -1).topk(2, dim=-1).values.unbind(dim=-1)
    return {
        "ratio": ((p / q).log() - (first / second).log()).tolist(),
        "difference": ((p - q) / (first - second)).tolist(),
    }


def _amplifications() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    numbers = {}
    for name, (low, high) in SCALES.items():
        x = low + (high - low) * torch.rand(1000, 5, generator=generator, dtype=torch.float64)
        numbers |= {f"{what}, {name}": values for what, values in _amplification(x).items()}
    for centre in CENTRES:
        pair = centre * torch.tensor([[1.05, 0.95]], dtype=torch.float64)
        numbers[f"centre {centre:g}"] = _amplification(pair)["ratio"]
    return numbers


def _judge_amplification(what: str, neutral: float) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        own = {name.partition(", ")[2]: values for name, values in measured.items() if name.startswith(f"{what}, ")}
        family = Family(len(own))
        cases = []
        for name, values in own.items():
            mean = family.mean(values)
            shown = f"{math.exp(mean.mean):.3g}" if what == "ratio" else f"{mean.mean:.2g}, at most {max(values):.2g}"
            cases.append(Case(name, above(mean, neutral), f"multiplied by {shown}", (mean,)))
        return cases

    return judge


def _size_from_which_ratios_grow(measured: Measurement) -> Dependence | None:
    at = bracketed(CENTRES, [measured[f"centre {centre:g}"][0] for centre in CENTRES], 0)
    return at and Dependence(factor="the size of the two largest logits", holds="above", at=at)


AMPLIFIES = Claim(
    number=41,
    statement="Softmax amplifies the differences between its inputs.",
    lesson="10",
    said_by=(literature.NEURAL_BASE_SOFTMAX, literature.CODEDIVE),
    measure=_amplifications,
    parts=(
        Part(
            statement="The difference of the two largest grows.",
            quantifier=Always("logits"),
            judge=_judge_amplification("difference", 1.0),
        ),
        Part(
            statement="Their ratio grows.",
            quantifier=Always("positive logits"),
            judge=_judge_amplification("ratio", 0.0),
            depends_on=_size_from_which_ratios_grow,
        ),
    ),
    limits="A difference shrinks to half of it at most, since no stretch by softmax at temperature 1 is larger. A "
    "ratio of logits means little: it changes when all of them are shifted, which softmax does not see.",
)

# 42

TEMPERATURES = (0.1, 0.25, 0.5, 1.0, 2.0)


def pull(loss: Callable[[Tensor], Tensor], lead: float) -> float:
    """Norm of a loss's gradient with respect to two logits, of which the wrong one is ahead by ``lead``."""
    logits = torch.tensor([0.0, lead], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(loss(logits), logits)[0].norm().item()


def _stretches() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([0.1, 1.0, 10.0, 100.0]).double().view(4, 1, 1)
    y = softmax(rows * torch.randn(4, 250, 10, generator=generator, dtype=torch.float64), -1)
    right = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return {
        "stretch, 4 times 250 rows at temperature 1": [torch.linalg.matrix_norm(jacobian(y), ord=2).max().item()],
        **{f"stretch, undecided, temperature {t:g}": [_stretch(t)] for t in TEMPERATURES},
        "pull, cross-entropy, wrong by 20": [pull(lambda z: -z.log_softmax(0)[0], 20.0)],
        "pull, squared error, wrong by 20": [pull(lambda z: (z.softmax(0) - right).square().sum(), 20.0)],
    }


def _stretch(temperature: float) -> float:
    """By how much a gradient may come out longer than it went in, between two classes that are level."""
    undecided = torch.zeros(2, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(lambda x: softmax(x, -1, temperature), undecided)
    return torch.linalg.matrix_norm(slopes, ord=2).item()


def _judge_vanishing(measured: Measurement) -> Sequence[Case]:
    """Less than 1 % is left of the pull of cross-entropy on an undecided network, which is sqrt(1/2)."""
    own = {name.removeprefix("pull, "): norm for name, [norm] in measured.items() if name.startswith("pull, ")}
    return [Case(name, norm < 0.01 * 0.5**0.5, f"norm {norm:.2g}", (exact(norm),)) for name, norm in own.items()]


def _judge_exploding(measured: Measurement) -> Sequence[Case]:
    own = {name.removeprefix("stretch, "): m for name, [m] in measured.items() if name.startswith("stretch, ")}
    return [Case(name, m > 1 + 1e-9, f"stretched by up to {m:.3g}", (exact(m),)) for name, m in own.items()]


def _temperature_that_stretches(measured: Measurement) -> Dependence | None:
    stretches = [measured[f"stretch, undecided, temperature {t:g}"][0] for t in TEMPERATURES]
    at = bracketed(TEMPERATURES, stretches, 1.0)
    return at and Dependence(factor="the temperature", holds="below", at=at)


GRADIENTS = Claim(
    number=42,
    statement="Softmax makes gradients vanish or explode.",
    lesson="10",
    said_by=(literature.VASWANI.on("a"),),
    measure=_stretches,
    parts=(
        Part(statement="It makes them vanish.", quantifier=Exists("losses"), judge=_judge_vanishing),
        Part(
            statement="It makes them explode.",
            quantifier=Exists("temperatures"),
            judge=_judge_exploding,
            depends_on=_temperature_that_stretches,
        ),
    ),
    limits="Softmax as an output layer; inside attention it stands many times in a row, which was not measured. The "
    "largest stretch at temperature T is 1/(2T): the 1/T comes from dividing the logits; softmax itself shortens by ½ "
    "at least.",
)

# 43


def _influence() -> Measurement:
    x = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    raised = x.clone()
    raised[:, 0] += 1
    others = softmax(raised, -1)[:, 1:] / softmax(x, -1)[:, 1:]
    slopes = jacobian(softmax(x, -1))[:, 0, 1:]
    return {
        "the others, when one logit rises by 1": others.amax(dim=1).tolist(),
        "slope of one probability by another's logit": slopes.amax(dim=1).tolist(),
    }


def _judge_influence(measured: Measurement) -> Sequence[Case]:
    multiplied, slopes = measured.values()
    first, second = measured
    said = f"multiplied by {min(multiplied):.2f} to {max(multiplied):.2f}"
    return [
        Case(first, all(abs(m - 1) < 1e-6 for m in multiplied), said),
        Case(second, all(abs(s) < 1e-6 for s in slopes), f"always below 0, at most {max(slopes):.1g}"),
    ]


INDEPENDENT = Claim(
    number=43,
    statement="The class probabilities of a softmax are independent of each other.",
    lesson="10",
    measure=_influence,
    parts=(Part(quantifier=Always("logits"), judge=_judge_influence),),
    limits="What does stay untouched by a third logit is the ratio of two probabilities, as section 2 shows.",
)

# 44, 45


def _blame() -> Measurement:
    remedies = imbalance().remedies
    rare = {name: found.recall[:, -1] for name, found in remedies.items()}
    return {
        "one sigmoid a class in its place": (rare["one sigmoid a class"] - rare["nothing"]).tolist(),
        "the exact probabilities in its place": (rare["exact probabilities"] - rare["nothing"]).tolist(),
    }


def _judge_blame(measured: Measurement) -> Sequence[Case]:
    """The softmax is to blame if something else in its place finds more of the rare class."""
    family = Family(len(measured))
    gains = {name: family.mean(values) for name, values in measured.items()}
    return [
        Case(name, margins.RECALL.clearly_more(gain), f"finds {gain} more of the rarest class", (gain,))
        for name, gain in gains.items()
    ]


BLAME = Claim(
    number=44,
    statement="Softmax causes problems with imbalanced classes.",
    lesson="10",
    said_by=(literature.REBALANCED_SOFTMAX,),
    measure=_blame,
    parts=(
        Part(
            quantifier=Exists("what may stand in its place"), judge=_judge_blame, would_take="More networks than ten."
        ),
    ),
    limits="One problem with 90, 8 and 2 % and 20 examples of the rarest class. The same softmax finds far more of "
    "it when its probabilities are divided by the shares of the classes (section 8): what was missing was the "
    "decision.",
)


def _costs() -> Measurement:
    remedies = imbalance().remedies
    nothing = remedies["nothing"]
    numbers = {}
    for name in REMEDIES:
        found = remedies[name]
        numbers[f"rare, {name}"] = (found.recall[:, -1] - nothing.recall[:, -1]).tolist()
        numbers[f"common, {name}"] = (found.recall[:, 0] - nothing.recall[:, 0]).tolist()
        numbers[f"said, {name}"] = (found.announced / PRIORS[-1]).tolist()
    return numbers


def _judge_remedies(what: str) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(REMEDIES))
        cases = []
        for name in REMEDIES:
            mean = family.mean(measured[f"{what}, {name}"])
            if what == "said":
                cases.append(Case(name, margins.CALIBRATION.same(mean), f"{mean} times the true share", (mean,)))
                continue
            found = margins.RECALL.clearly_more(mean) if what == "rare" else above(mean, -margins.NO_LOSS.size)
            cases.append(Case(name, found, f"recall {mean.mean:+.2f} [{mean.low:.2f}, {mean.high:.2f}]", (mean,)))
        return cases

    return judge


CURES = Claim(
    number=45,
    statement="Class weights, oversampling and undersampling cure imbalance.",
    lesson="10",
    said_by=(literature.ZILLIZ.on("a"),),
    measure=_costs,
    parts=(
        Part(
            statement="They find more of the rare class, of 2 %.",
            quantifier=Always("remedies"),
            judge=_judge_remedies("rare"),
        ),
        Part(
            statement="The common class, of 90 %, loses nothing by it.",
            quantifier=Always("remedies"),
            judge=_judge_remedies("common"),
        ),
        Part(
            statement="The probability of the rare class stays true.",
            quantifier=Always("remedies"),
            judge=_judge_remedies("said"),
        ),
    ),
    limits="The cure of one recall is paid by another; section 8 moves the decision instead. One problem, one network.",
)

# 46

BEHIND = (
    5.0,
    20.0,
    40.0,
    60.0,
    80.0,
    88.0,
    88.7,
    88.8,
    95.0,
    104.0,
    120.0,
)  # by how much the right class is, in float32
LOG_PLACES = {f"float32, {behind:g} behind": (torch.float32, behind) for behind in BEHIND} | {
    "float16, 20 behind": (torch.float16, 20.0),
    "float64, 120 behind": (torch.float64, 120.0),
}
WORST = 1e9  # stands for infinity, which a measurement may not hold
MATTERS = 1e-3  # an error of less does not


def _log_errors() -> Measurement:
    """Relative error of the loss and absolute error of its gradient, the larger of them, for both forms."""
    numbers = {}
    for name, (dtype, behind) in LOG_PLACES.items():
        forms = {
            "softmax, then log": lambda z: -torch.log(torch.softmax(z, dim=0))[0],
            "log-softmax": lambda z: -torch.log_softmax(z, dim=0)[0],
        }
        numbers[name] = [_log_error(form, dtype, behind) for form in forms.values()]
    return numbers


def _log_error(form: Callable[[Tensor], Tensor], dtype: torch.dtype, behind: float) -> float:
    logits = torch.tensor([0.0, behind], dtype=dtype, requires_grad=True)
    loss = form(logits)
    (gradient,) = torch.autograd.grad(loss, logits)
    exact_logits = torch.tensor([0.0, behind], dtype=torch.float64, requires_grad=True)
    right = F.softplus(exact_logits[1] - exact_logits[0], threshold=1000)
    (slope,) = torch.autograd.grad(right, exact_logits)
    worst = torch.stack([(loss.double() / right - 1).abs(), *(gradient.double() - slope).abs()]).max()
    return min(worst.nan_to_num(nan=WORST).item(), WORST)


def _judge_log_errors(better: bool) -> Callable[[Measurement], Sequence[Case]]:
    """More stable is an error ten times smaller, where there is one that matters; less stable the other way round."""

    def judge(measured: Measurement) -> Sequence[Case]:
        cases = []
        for name, [by_parts, at_once] in measured.items():
            said = "infinite or NaN" if by_parts >= WORST else f"{by_parts:.1g}"
            worse, less = (by_parts, at_once) if better else (at_once, by_parts)
            holds = worse > MATTERS and worse > 10 * less
            figures = f"error of loss or gradient {said} against {at_once:.1g}"
            cases.append(Case(name, holds if better else not holds, figures, (exact(by_parts), exact(at_once))))
        return cases

    return judge


def _lead_from_which_it_breaks(measured: Measurement) -> Dependence | None:
    at = bracketed(BEHIND, [measured[f"float32, {behind:g} behind"][0] for behind in BEHIND], MATTERS)
    return at and Dependence(factor="by how much the right class is behind, in float32", holds="above", at=at)


LOG_SOFTMAX = Claim(
    number=46,
    statement="Log-softmax with NLL is more stable than softmax followed by log.",
    lesson="10",
    said_by=(literature.LOG_SOFTMAX,),
    measure=_log_errors,
    parts=(
        Part(
            statement="There are logits for which it is.",
            quantifier=Exists("logits and number formats"),
            judge=_judge_log_errors(better=True),
            depends_on=_lead_from_which_it_breaks,
        ),
        Part(
            statement="There are none for which it is less stable.",
            quantifier=Never("logits and number formats"),
            judge=_judge_log_errors(better=False),
        ),
    ),
)

# 47

MANY = {"classes": 50, "spread": 2.0, "n": 1000}


def _second_softmax() -> Measurement:
    numbers = {}
    for classes, found in {10: double_softmax(), 50: double_softmax(**MANY)}.items():
        once, twice = found["logits"], found["softmax"]
        numbers[f"accuracy, {classes} classes"] = (100 * (twice.accuracy - once.accuracy)).tolist()
        numbers[f"log loss, {classes} classes"] = (twice.log_loss / once.log_loss).tolist()
        certain = torch.eye(classes, dtype=torch.float64)[:1]  # the best that a softmax can say
        numbers[f"smallest training loss, {classes} classes"] = [F.cross_entropy(certain, torch.tensor([0])).item()]
    return numbers


def _judge_second_softmax(measured: Measurement) -> Sequence[Case]:
    family = Family(4)
    cases = []
    for name, values in measured.items():
        if "smallest" in name:
            [floor] = values
            cases.append(Case(name, floor < 0.01, f"{floor:.3f} instead of 0", (exact(floor),)))
        elif "accuracy" in name:
            mean = family.mean(values)
            said = f"{mean.mean:+.1f} [{mean.low:+.1f}, {mean.high:+.1f}] points"
            cases.append(Case(name, above(mean, -margins.ACCURACY.size), said, (mean,)))
        else:
            factor = family.ratio(values, [1.0] * len(values))
            cases.append(Case(name, below(factor, margins.LOSS.size), f"multiplied by {factor}", (factor,)))
    return cases


DOUBLE = Claim(
    number=47,
    statement="A softmax at the end of the network, before CrossEntropyLoss, does no harm.",
    lesson="10",
    measure=_second_softmax,
    parts=(Part(quantifier=Always("problems and what is looked at"), judge=_judge_second_softmax),),
    limits="Clouds of points, Adam, 100 steps. With K classes the training loss cannot fall below log(1 + (K − 1)/e).",
)

# 48

DEAD_OUTPUTS = 0.05
RIVALS = {
    "softplus": (F.softplus, inverse_softplus, False),
    "no activation, clamped after training": (identity, identity, True),
}


def _relu_outputs() -> Measurement:
    """Whether networks are dead, with torch's bias and with one at the mean; and errors over those of the rivals."""
    numbers: dict[str, list[float]] = {}
    for target in ("half zeros", "positive"):
        at_mean = non_negative(torch.relu, target, start_at_mean=identity)
        for start, found in {"torch's bias": non_negative(torch.relu, target), "bias at the mean": at_mean}.items():
            numbers[f"dead, {target}, {start}"] = found.dead.double().tolist()
        for name, (output, inverse, clamped) in RIVALS.items():
            rival = non_negative(output, target, start_at_mean=inverse, clamped=clamped)
            numbers[f"error, {target}, against {name}"] = (at_mean.error / rival.error).tolist()
    return numbers


def _judge_dead_outputs(measured: Measurement) -> Sequence[Case]:
    own = {name.removeprefix("dead, "): values for name, values in measured.items() if name.startswith("dead, ")}
    family = Family(len(own))
    shares = {name: family.share(int(sum(values)), len(values)) for name, values in own.items()}
    return [
        Case(name, below(share, DEAD_OUTPUTS), f"{100 * share.mean:.0f} % of {share.n} networks never learn", (share,))
        for name, share in shares.items()
    ]


def _judge_output_errors(measured: Measurement) -> Sequence[Case]:
    own = {name.removeprefix("error, "): values for name, values in measured.items() if name.startswith("error, ")}
    family = Family(len(own))
    ratios = {name: family.ratio(values, [1.0] * len(values)) for name, values in own.items()}
    return [
        Case(name, below(ratio, margins.LOSS.size), f"{ratio} times the error", (ratio,))
        for name, ratio in ratios.items()
    ]


RELU_OUTPUT = Claim(
    number=48,
    statement="ReLU is a good output for regression with non-negative targets.",
    lesson="10",
    said_by=(literature.CONCEPT_LAB,),
    measure=_relu_outputs,
    parts=(
        Part(
            statement="It learns.",
            quantifier=AtMost("targets and first biases", f"{100 * DEAD_OUTPUTS:g} % of the networks dead"),
            judge=_judge_dead_outputs,
        ),
        Part(
            statement="With its bias at the mean its error is no larger than that of the usual alternatives.",
            quantifier=Compared("targets and alternatives, each with its bias at the mean", margins.LOSS),
            judge=_judge_output_errors,
            would_take="A target whose share of zeros is varied, to find the share at which the order turns.",
        ),
    ),
    limits="One function of four numbers, one output unit, 30 networks, 120 steps of Adam; root mean square errors on "
    "test points. What suits a target of a given distribution better, a log link for instance, was not tried.",
)

# 56, 57

NOISE = (0.0, 0.25, 0.5, 1.0, 2.0)  # standard deviations, in those of the clouds, that are added to the new points
STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
PLAIN = "cross-entropy"


def _temperature_scaling() -> Measurement:
    """Answers that the temperature moves, and what it leaves of the calibration error beyond that of the truth."""
    measured = {}
    for name, loss in TRAINED_BY.items():
        tested = overfitted(loss)
        for noise in NOISE if name == PLAIN else NOISE[:1]:
            found = tested(noise)
            measured[f"moved, {name}, noise {noise:g}"] = found.moved.tolist()
            measured[f"left, {name}, noise {noise:g}"] = (found.scaled_error - found.least_error).tolist()
    return measured


def _judge_moved(measured: Measurement) -> Sequence[Case]:
    shares = {name.removeprefix("moved, "): max(each) for name, each in measured.items() if name.startswith("moved, ")}
    return [
        Case(name, share == 0, f"{100 * share:.3g} % of the answers, in the network with most", (exact(share),))
        for name, share in shares.items()
    ]


def _left(measured: Measurement) -> dict[str, Estimate]:
    own = {name.removeprefix("left, "): each for name, each in measured.items() if name.startswith("left, ")}
    family = Family(len(own))
    return {name: family.mean(values) for name, values in own.items()}


def _judge_left(measured: Measurement) -> Sequence[Case]:
    return [
        Case(
            name,
            below(error, margins.CALIBRATION_ERROR.size),
            f"{error} above that of the true probabilities",
            (error,),
        )
        for name, error in _left(measured).items()
    ]


def _noise_for_temperature(measured: Measurement) -> Dependence | None:
    left = _left(measured)
    at = crossing_of(NOISE, [left[f"{PLAIN}, noise {noise:g}"] for noise in NOISE], margins.CALIBRATION_ERROR.size)
    return at and Dependence(
        factor="how much noisier the new points are than the held-out ones", holds="below", at=at, unit="deviations"
    )


TEMPERATURE_SCALING = Claim(
    number=56,
    statement="Temperature scaling repairs the calibration and changes no answer.",
    lesson="10",
    said_by=(literature.GUO,),
    measure=_temperature_scaling,
    parts=(
        Part(statement="No answer changes.", quantifier=Never("losses and new points"), judge=_judge_moved),
        Part(
            statement="Afterwards the probabilities are right.",
            quantifier=Compared("losses and new points", margins.CALIBRATION_ERROR),
            judge=_judge_left,
            depends_on=_noise_for_temperature,
        ),
    ),
    limits="Ten overlapping clouds, one network, ten training sets; the only shift that was tried is noise. One error "
    "for all classes says nothing about each of them.",
)


def _label_smoothing() -> Measurement:
    plain = overfitted(cross_entropy)(0.0)
    measured = {}
    for strength in STRENGTHS:
        found = overfitted(partial(smoothed, by=strength))(0.0)
        measured[f"{strength:g}, than without"] = (found.error - plain.error).tolist()
        measured[f"{strength:g}, than a temperature"] = (found.error - plain.scaled_error).tolist()
    return measured


def _smoothing(measured: Measurement, rival: str) -> dict[float, Estimate]:
    family = Family(len(STRENGTHS))
    return {strength: family.mean(measured[f"{strength:g}, {rival}"]) for strength in STRENGTHS}


def _judge_smoothing(rival: str) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        return [
            Case(
                f"ε = {strength:g}", margins.CALIBRATION_ERROR.less(change), f"the error changes by {change}", (change,)
            )
            for strength, change in _smoothing(measured, rival).items()
        ]

    return judge


def _strength_of_smoothing(measured: Measurement) -> Dependence | None:
    at = crossing_of(STRENGTHS, [*_smoothing(measured, "than without").values()], 0)
    return at and Dependence(factor="the strength ε", holds="below", at=at)


LABEL_SMOOTHING = Claim(
    number=57,
    statement="Label smoothing improves the calibration.",
    lesson="10",
    said_by=(literature.MULLER.on("a"),),
    measure=_label_smoothing,
    kept=True,
    parts=(
        Part(
            statement="The calibration error is smaller than without.",
            quantifier=Compared("strengths", margins.CALIBRATION_ERROR),
            judge=_judge_smoothing("than without"),
            depends_on=_strength_of_smoothing,
        ),
        Part(
            statement="It is smaller than after temperature scaling of the plain network.",
            quantifier=Compared("strengths", margins.CALIBRATION_ERROR),
            judge=_judge_smoothing("than a temperature"),
        ),
    ),
    limits="Ten overlapping clouds, one network that overfits, ten training sets. Where the strength turns depends on "
    "how overconfident the network is without.",
)
