"""Claims about softmax and other output layers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.activations.softmax import jacobian, softmax
from nonlin.intervals import Estimate, above, below, mean_interval, ratio_interval
from nonlin.lab import report
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.lessons.outputs.experiments import PRIORS, double_softmax, imbalance, non_negative, several_labels
from nonlin.paths import results_folder

REMEDIES = ("class weights", "oversampling", "undersampling")


def _mean(values: Sequence[float]) -> Estimate:
    return mean_interval(torch.tensor(values, dtype=torch.float64))


def _within(estimate: Estimate, bound: float) -> bool | None:
    """Whether a difference is small, its whole interval within plus or minus a bound; False if wholly outside."""
    if -bound < estimate.low and estimate.high < bound:
        return True
    return False if estimate.low > bound or estimate.high < -bound else None


# 6


def _where_sigmoid_serves() -> Measurement:
    labels, classes = several_labels(), imbalance().remedies
    numbers = {
        "several labels at once": (labels["sigmoids"] - labels["softmax"]).tolist(),
        "one of several classes": (classes["one sigmoid a class"].accuracy - classes["nothing"].accuracy).tolist(),
    }
    return numbers | _hidden_layers(results_folder() / "activations" / "runs.csv")


def _hidden_layers(path: Path) -> Measurement:
    """Accuracy of sigmoid minus ReLU, each at its best, by group of the course's own runs, one number a seed."""
    numbers = {}
    for title, rows in report.groups(report.read_runs(path)).items():
        sigmoid, relu = (_best_by_seed(rows, name) for name in ("sigmoid", "relu"))
        if len(seeds := sorted(sigmoid.keys() & relu.keys())) > 1:
            numbers[f"hidden layers, {title}"] = [(sigmoid[seed] - relu[seed]) / 100 for seed in seeds]
    return numbers


def _best_by_seed(rows: Sequence[report.Row], activation: str) -> dict[int, float]:
    """Test accuracy in % by seed at the initialisation and rate with the best mean; empty without runs."""
    settings = [
        {row.seed: row.test_accuracy for row in members}
        for (name, _, _), members in report.variants(rows).items()
        if name == activation
    ]
    return max(settings, key=lambda found: sum(found.values()) / len(found), default={})


def _judge_where_sigmoid_serves(measured: Measurement) -> Sequence[Case]:
    # The claim holds where sigmoid loses by over a point, and does not where it loses less than that, or wins.
    rivals = {"several labels at once": "a softmax", "one of several classes": "a softmax"}
    cases = []
    for name, differences in measured.items():
        gain = _mean([100 * difference for difference in differences])
        worse = below(gain, -1)
        cases.append(Case(name, worse, f"accuracy {gain} points against {rivals.get(name, 'ReLU')}"))
    return cases


SIGMOID_ONLY_BINARY = Claim(
    number=6,
    statement="Sigmoid belongs only in binary output layers.",
    lesson="08",
    measure=_where_sigmoid_serves,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_where_sigmoid_serves, would_take="TODO"),),
    limits="Gates, where sigmoids also stand, were not measured; the two output problems are small clouds of points.",
)

# 40

NAIVE_PLACES = {  # dtype, and the two logits
    "float32, logits 80 and 0": (torch.float32, (80.0, 0.0)),
    "float32, logits 100 and 0": (torch.float32, (100.0, 0.0)),
    "float32, both logits −110": (torch.float32, (-110.0, -110.0)),
    "float16, logits 12 and 0": (torch.float16, (12.0, 0.0)),
    "bfloat16, logits 80 and 0": (torch.bfloat16, (80.0, 0.0)),
    "float64, logits 100 and 0": (torch.float64, (100.0, 0.0)),
    "float64, logits 710 and 0": (torch.float64, (710.0, 0.0)),
}


def naive(x: Tensor) -> Tensor:
    """Softmax along the last dimension as textbooks print it."""
    e = torch.exp(x)
    return e / e.sum(dim=-1, keepdim=True)


def _naive_errors() -> Measurement:
    """How far the naive form is from the exact values; 1 (as bad as can be) where it is not a number."""
    errors = {}
    for name, (dtype, logits) in NAIVE_PLACES.items():
        exact = torch.tensor(logits, dtype=torch.float64).softmax(dim=-1)
        errors[name] = [(naive(torch.tensor(logits, dtype=dtype)) - exact).abs().nan_to_num(nan=1.0).max().item()]
    return errors


def _judge_naive(measured: Measurement) -> Sequence[Case]:
    return [
        Case(name, error > 0.01, "not a number" if error == 1 else f"off by {error:.1g}")
        for name, [error] in measured.items()
    ]


NAIVE_FAILS = Claim(
    number=40,
    statement="The naive form of softmax overflows and underflows.",
    lesson="08",
    measure=_naive_errors,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_naive, would_take="TODO"),),
)

# 41

SCALES = {"logits between 0 and 0.5": (0.0, 0.5), "logits between 2 and 6": (2.0, 6.0)}


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
        found = _amplification(x)
        numbers[f"the ratio of the two largest, {name}"] = found["ratio"]
        numbers[f"their difference, {name}"] = found["difference"]
    return numbers


def _judge_amplifications(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        mean = _mean(values)
        if "ratio" in name:
            cases.append(Case(name, above(mean, 0), f"multiplied by {torch.tensor(mean.mean).exp():.3g}"))
        else:
            cases.append(Case(name, above(mean, 1), f"multiplied by {mean.mean:.2g}, at most {max(values):.2g}"))
    return cases


AMPLIFIES = Claim(
    number=41,
    statement="Softmax amplifies the differences between its inputs.",
    lesson="08",
    measure=_amplifications,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_amplifications, would_take="TODO"),),
    limits="A ratio of logits means little: it changes when all of them are shifted, which softmax does not see.",
)

# 42


def pull(loss: Callable[[Tensor], Tensor], lead: float) -> float:
    """Norm of a loss's gradient with respect to two logits, of which the wrong one is ahead by ``lead``."""
    logits = torch.tensor([0.0, lead], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(loss(logits), logits)[0].norm().item()


def _stretches() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([0.1, 1.0, 10.0, 100.0]).double().view(4, 1, 1)
    y = softmax(rows * torch.randn(4, 250, 10, generator=generator, dtype=torch.float64), -1)
    undecided = torch.zeros(2, dtype=torch.float64)
    stretches = [
        torch.linalg.matrix_norm(torch.autograd.functional.jacobian(lambda x, t=t: softmax(x, -1, t), undecided), ord=2)
        for t in (1.0, 0.1)
    ]
    stretches[0] = stretches[0].maximum(torch.linalg.matrix_norm(jacobian(y), ord=2).max())
    right = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return {
        "explodes in softmax itself": [stretches[0].item()],
        "explodes at a temperature of 0.1": [stretches[1].item()],
        "vanishes with cross-entropy, wrong by 20": [pull(lambda z: -z.log_softmax(0)[0], 20.0)],
        "vanishes with squared error, wrong by 20": [pull(lambda z: (z.softmax(0) - right).square().sum(), 20.0)],
    }


def _judge_stretches(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, [norm] in measured.items():
        if "explodes" in name:  # some gradient comes out longer than it went in
            cases.append(Case(name, norm > 1, f"stretched by up to {norm:.2g}"))
        else:  # less than 1 % is left of the pull of cross-entropy on an undecided network, which is sqrt(1/2)
            cases.append(Case(name, norm < 0.01 * 0.5**0.5, f"norm {norm:.2g}"))
    return cases


GRADIENTS = Claim(
    number=42,
    statement="Softmax makes gradients vanish or explode.",
    lesson="08",
    measure=_stretches,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_stretches, would_take="TODO"),),
    limits="Softmax as an output layer; inside attention it stands many times in a row, which was not measured.",
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
    lesson="08",
    measure=_influence,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_influence, would_take="TODO"),),
    limits="What does stay untouched by a third logit is the ratio of two probabilities, as section 2 shows.",
)

# 44, 45


def _blame() -> Measurement:
    remedies = imbalance().remedies
    rare = {name: found.recall[:, -1] for name, found in remedies.items()}
    return {
        "one sigmoid a class in its place": (rare["one sigmoid a class"] - rare["nothing"]).tolist(),
        "the exact probabilities in its place": (rare["exact posterior"] - rare["nothing"]).tolist(),
        "the same softmax, decision without priors": (rare["decide without priors"] - rare["nothing"]).tolist(),
    }


def _judge_blame(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, gains in measured.items():
        gain = _mean(gains)
        if "same softmax" in name:
            # If the softmax had lost the rare class, no decision made from its outputs could find it again.
            cases.append(Case(name, _within(gain, 0.1), f"finds {gain} more of the rarest class"))
        else:
            # The softmax is to blame if something else in its place finds 10 points more of the rare class.
            blamed = above(gain, 0.1)
            cases.append(Case(name, blamed, f"finds {gain} more of the rarest class"))
    return cases


BLAME = Claim(
    number=44,
    statement="Softmax causes problems with imbalanced classes.",
    lesson="08",
    measure=_blame,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_blame, would_take="TODO"),),
    limits="One problem with 90, 8 and 2 % and 20 examples of the rarest class.",
)


def _costs() -> Measurement:
    remedies = imbalance().remedies
    nothing = remedies["nothing"]
    numbers = {}
    for name in REMEDIES:
        found = remedies[name]
        numbers[f"{name}, recall of the class of 2 %"] = (found.recall[:, -1] - nothing.recall[:, -1]).tolist()
        numbers[f"{name}, recall of the class of 90 %"] = (found.recall[:, 0] - nothing.recall[:, 0]).tolist()
        numbers[f"{name}, probability said for the 2 %"] = found.announced.tolist()
    return numbers


def _judge_costs(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        mean = _mean(values)
        if "probability" in name:
            # Calibrated: on average within a factor of 1.5 of the true share.
            ratio = Estimate(mean.mean / PRIORS[-1], mean.low / PRIORS[-1], mean.high / PRIORS[-1], mean.n)
            kept = True if ratio.low > 1 / 1.5 and ratio.high < 1.5 else False if ratio.low > 1.5 else None
            cases.append(Case(name, kept, f"{ratio} times the truth"))
        elif name.endswith("2 %"):
            cases.append(Case(name, above(mean, 0.1), f"{mean.mean:+.2f} [{mean.low:.2f}, {mean.high:.2f}]"))
        else:
            # No cost: at most two points lost.
            cases.append(Case(name, above(mean, -0.02), f"{mean.mean:+.2f} [{mean.low:.2f}, {mean.high:.2f}]"))
    return cases


CURES = Claim(
    number=45,
    statement="Class weights, oversampling and undersampling cure imbalance.",
    lesson="08",
    measure=_costs,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_costs, would_take="TODO"),),
    limits="The cure of one recall is paid by another; section 10 moves the decision instead. One problem, one "
    "network.",
)

# 46

LOG_PLACES = {  # dtype, and by how much the right class is behind
    "float32, 20 behind": (torch.float32, 20.0),
    "float32, 80 behind": (torch.float32, 80.0),
    "float32, 120 behind": (torch.float32, 120.0),
    "float16, 20 behind": (torch.float16, 20.0),
    "float64, 120 behind": (torch.float64, 120.0),
}
WORST = 1e9  # stands for infinity, which a measurement may not hold


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
    exact = torch.tensor([0.0, behind], dtype=torch.float64, requires_grad=True)
    right = F.softplus(exact[1] - exact[0], threshold=1000)
    (slope,) = torch.autograd.grad(right, exact)
    worst = torch.stack([(loss.double() / right - 1).abs(), *(gradient.double() - slope).abs()]).max()
    return min(worst.nan_to_num(nan=WORST).item(), WORST)


def _judge_log_errors(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, [by_parts, at_once] in measured.items():
        # More stable: an error at least ten times smaller, where there is one that matters (over one in a thousand).
        said = "infinite or NaN" if by_parts >= WORST else f"{by_parts:.1g}"
        better = by_parts > 1e-3 and by_parts > 10 * at_once
        cases.append(Case(name, better, f"error {said} against {at_once:.1g}"))
    return cases


LOG_SOFTMAX = Claim(
    number=46,
    statement="Log-softmax with NLL is more stable than softmax followed by log.",
    lesson="08",
    measure=_log_errors,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_log_errors, would_take="TODO"),),
)

# 47

MANY = {"classes": 50, "spread": 2.0, "n": 1000}


def _second_softmax() -> Measurement:
    numbers = {}
    for classes, found in {10: double_softmax(), 50: double_softmax(**MANY)}.items():
        once, twice = found["logits"], found["softmax"]
        numbers[f"accuracy, {classes} classes"] = (twice.accuracy - once.accuracy).tolist()
        numbers[f"log loss, {classes} classes"] = (twice.log_loss / once.log_loss).log().tolist()
    return numbers


def _judge_second_softmax(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name, values in measured.items():
        mean = _mean(values)
        if "accuracy" in name:
            # Harmless: within 2 points.
            said = f"{100 * mean.mean:+.1f} [{100 * mean.low:.1f}, {100 * mean.high:.1f}] points"
            cases.append(Case(name, _within(mean, 0.02), said))
        else:
            # Harmless: at most 5 % more.
            factor = ratio_interval(torch.tensor(values).exp(), torch.ones(len(values)))
            worse = above(factor, 1.05)
            cases.append(Case(name, None if worse is None else not worse, f"multiplied by {factor}"))
    return cases


DOUBLE = Claim(
    number=47,
    statement="A softmax at the end of the network, before CrossEntropyLoss, does no harm.",
    lesson="08",
    measure=_second_softmax,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_second_softmax, would_take="TODO"),),
    limits="Clouds of points, Adam, 100 steps. The training loss itself is always falsified: it has a floor above 0.",
)

# 48


def _relu_outputs() -> Measurement:
    numbers = {}
    for start, at_mean in {"torch's bias": False, "bias at the mean": True}.items():
        for target in ("half zeros", "positive"):
            relu = non_negative(torch.relu, target, start_at_mean=at_mean)
            smooth = non_negative(F.softplus, target, start_at_mean=at_mean)
            numbers[f"{target}, {start}, dead"] = relu.dead.float().tolist()
            numbers[f"{target}, {start}, error"] = (relu.error / smooth.error).tolist()
    return numbers


def _judge_relu_outputs(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name in [name.removesuffix(", dead") for name in measured if name.endswith(", dead")]:
        dead, errors = measured[f"{name}, dead"], torch.tensor(measured[f"{name}, error"])
        share, ratio = sum(dead) / len(dead), ratio_interval(errors, torch.ones_like(errors))
        # Good: at most 1 network in 20 never learns, and the error is not above softplus's.
        good = False if share > 0.05 or ratio.low > 1 else True if ratio.high <= 1 else None
        cases.append(Case(name, good, f"{100 * share:.0f} % of the networks dead, error {ratio} times softplus's"))
    return cases


RELU_OUTPUT = Claim(
    number=48,
    statement="ReLU is a good output for regression with non-negative targets.",
    lesson="08",
    measure=_relu_outputs,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_relu_outputs, would_take="TODO"),),
    limits="One function of four numbers, one output unit, 120 steps of Adam.",
)
