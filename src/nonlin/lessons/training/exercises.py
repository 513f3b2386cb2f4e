"""Exercises and quiz of lesson 13, training on CIFAR-10."""

import math
from collections.abc import Callable, Mapping, Sequence

import scipy
import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz

Batches = Sequence[tuple[Tensor, Tensor]]


Trained = Callable[[Tensor, Batches, float], Tensor]


def trained(weights: Tensor, batches: Batches, rate: float) -> Tensor:
    weights = weights.clone().requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=rate)
    for x, target in batches:
        loss = F.cross_entropy(x @ weights, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weights.detach()


def _added_up(weights: Tensor, batches: Batches, rate: float) -> Tensor:
    weights = weights.clone().requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=rate)
    for x, target in batches:
        F.cross_entropy(x @ weights, target).backward()
        optimizer.step()
    return weights.detach()


def _one_late(weights: Tensor, batches: Batches, rate: float) -> Tensor:
    weights = weights.clone().requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=rate)
    for x, target in batches:
        loss = F.cross_entropy(x @ weights.clone(), target)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
    return weights.detach()


def _with_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Trained:
    def trained(weights: Tensor, batches: Batches, rate: float) -> Tensor:
        weights = weights.clone().requires_grad_()
        optimizer = torch.optim.SGD([weights], lr=rate)
        for x, target in batches:
            optimizer.zero_grad()
            loss(x @ weights, target).backward()
            optimizer.step()
        return weights.detach()

    return trained


WEIGHTS = torch.tensor([[0.5, -0.1], [-0.3, 0.4], [0.2, 0.0]])
BATCH = (torch.tensor([[1.0, 0.5, -1.0], [0.2, -1.5, 0.7]]), torch.tensor([1, 0]))
OTHER = (torch.tensor([[-0.4, 1.2, 0.3], [0.9, 0.1, 1.1], [-1.3, 0.6, 0.2]]), torch.tensor([0, 1, 1]))

STEP = Exercise(
    number="13.1",
    title="Find the bug: the step",
    minutes=4,
    difficulty=1,
    solution=trained,
    probes=(
        Probe(label="with two batches", arguments=(WEIGHTS, [BATCH, OTHER], 0.5)),
        Probe(label="with three batches", arguments=(WEIGHTS, [OTHER, BATCH, BATCH], 0.1)),
    ),
    mistakes=(
        Mistake(
            answer=_added_up,
            hint="backward adds the new gradient to the one of the batch before, so that every step also repeats all "
            "earlier ones: clear the gradients once a batch.",
        ),
        Mistake(
            answer=lambda weights, batches, rate: weights,
            hint="the weights are as they were: in each batch clear the gradients, then backward, then step; and return the trained ones.",
        ),
        Mistake(
            answer=_one_late,
            hint="each step uses the gradient of the batch before: the order is backward, then step.",
        ),
        Mistake(
            answer=lambda weights, batches, rate: trained(weights, batches[:1], rate),
            hint="only the first batch was used: is the return inside the loop?",
        ),
        Mistake(
            answer=_with_loss(lambda logits, target: -F.cross_entropy(logits, target)),
            hint="the weights went uphill: a step goes against the gradient.",
        ),
        Mistake(
            answer=_with_loss(lambda logits, target: F.cross_entropy(logits.softmax(dim=1), target)),
            hint="cross_entropy takes logits and applies softmax itself: yours is applied twice.",
        ),
        Mistake(
            answer=_with_loss(lambda logits, target: F.cross_entropy(logits, target, reduction="sum")),
            hint="that adds the losses of a batch up; take their mean, as cross_entropy does by default.",
        ),
        Mistake(
            answer=_with_loss(lambda logits, target: F.cross_entropy(logits, target, label_smoothing=0.1)),
            hint="the loss was right as it was, without label smoothing; look at what happens to the gradients.",
        ),
    ),
    hints=(
        "Print weights.grad at the end of each batch, and compare it with the gradient of that batch alone.",
        "backward adds to .grad. Which line of section 1's loop is missing here?",
    ),
    remark="gradients add up by design: it lets several small batches make one large step.",
)


def paired_interval(ours: Tensor, relu: Tensor, t: float) -> tuple[float, float]:
    differences = ours - relu
    mean = differences.mean().item()
    half = t * differences.std().item() / math.sqrt(len(differences))
    return mean - half, mean + half


def _around(differences: Tensor, half: Tensor | float) -> tuple[float, float]:
    mean = differences.mean().item()
    return mean - float(half), mean + float(half)


def _error(differences: Tensor) -> float:
    return differences.std().item() / math.sqrt(len(differences))


def _unpaired(ours: Tensor, relu: Tensor, t: float) -> tuple[float, float]:
    return _around(ours - relu, t * ((ours.var() + relu.var()) / len(ours)).sqrt())


PAIRED = Exercise(
    number="13.2",
    title="A paired interval by hand",
    minutes=5,
    difficulty=2,
    solution=paired_interval,
    by_hand=ByHand(),
    probes=(
        Probe(
            label="with 3 seeds",
            arguments=(torch.tensor([77.9, 77.1, 77.0]), torch.tensor([77.2, 76.8, 76.5]), 4.302653),
        ),
        Probe(
            label="with 5 seeds",
            arguments=(
                torch.tensor([71.0, 70.2, 72.5, 69.9, 71.6]),
                torch.tensor([70.1, 70.5, 71.2, 69.0, 71.4]),
                2.776445,
            ),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_unpaired,
            hint="that interval is the unpaired one: it adds the variances of both lists. Take the differences seed by seed "
            "first, and the spread of those.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, t * (ours - relu).std()),
            hint="you used the standard deviation, which says how much single differences vary. The mean of n of them "
            "varies less, by a factor of sqrt(n): that is the standard error.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, t * (ours - relu).var() / math.sqrt(len(ours))),
            hint="that is the variance, which is a square: the standard error takes the standard deviation.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, t * (ours - relu).std() / len(ours)),
            hint="the error of a mean falls with the root of n, not with n.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, (ours - relu).std() / math.sqrt(len(ours))),
            hint="that reaches one standard error to each side, without Student's factor: t is missing.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, t * (ours - relu).std() / math.sqrt(len(ours) - 1)),
            hint="n - 1 belongs into the standard deviation, where torch has it already. The mean of n numbers is divided by "
            "the root of n.",
        ),
        Mistake(
            answer=lambda ours, relu, t: paired_interval(ours, relu, t)[::-1],
            hint="the lower end comes first.",
        ),
        Mistake(
            answer=lambda ours, relu, t: ((ours - relu).mean().item(), t * _error(ours - relu)),
            hint="those are the mean and half the width; the two ends are asked for, mean minus and mean plus that.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(
                ours - relu, t * (ours - relu).std(correction=0) / math.sqrt(len(ours))
            ),
            hint="you divided the squares by n; with the mean estimated from the same n numbers it has to be n - 1, which "
            "is what torch's std does by default.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, 1.96 * (ours - relu).std() / math.sqrt(len(ours))),
            hint="1.96 is right for hundreds of seeds; with a handful the spread is itself uncertain, hence the larger t.",
        ),
        Mistake(
            answer=lambda ours, relu, t: paired_interval(relu, ours, t),
            hint="the sign is wrong: ours minus relu, so that better is above 0.",
        ),
        Mistake(
            answer=lambda ours, relu, t: paired_interval(ours.sort().values, relu.sort().values, t),
            hint="sorting the lists tears the pairs apart: element i of both must be the same seed.",
        ),
        Mistake(
            answer=lambda ours, relu, t: _around(ours - relu, t * (ours.std() - relu.std()) / math.sqrt(len(ours))),
            hint="that is the difference of two spreads; the spread of the differences is wanted.",
        ),
    ),
    hints=(
        "One list of differences, ours - relu; from there on it is an interval for one mean.",
        "mean plus and minus t * std / sqrt(n), std with n - 1.",
    ),
    remark="the seeds' common luck has cancelled in the differences, before anything was averaged.",
)


def reported_accuracy(validation: Tensor, test: Tensor) -> float:
    return test[validation.argmax()].item()


BEST_EPOCH = Exercise(
    number="13.3",
    title="Find the bug: the best epoch",
    minutes=4,
    difficulty=1,
    solution=reported_accuracy,
    probes=(
        Probe(
            label="with 4 epochs",
            arguments=(torch.tensor([60.0, 71.0, 74.0, 73.0]), torch.tensor([59.0, 74.0, 70.0, 71.5])),
        ),
        Probe(label="with 3 epochs", arguments=(torch.tensor([50.0, 40.0, 45.0]), torch.tensor([41.0, 55.0, 47.0]))),
    ),
    mistakes=(
        Mistake(
            answer=lambda validation, test: test.max().item(),
            hint="the largest of several test accuracies is biased upward: the test set has chosen the epoch, and then it "
            "judges its own choice. Let the validation images choose.",
        ),
        Mistake(
            answer=lambda validation, test: validation.max().item(),
            hint="the validation images have chosen this epoch, so their accuracy there is too good. Report the test's.",
        ),
        Mistake(
            answer=lambda validation, test: validation[test.argmax()].item(),
            hint="the two have changed places: the test set chooses, and the validation images report.",
        ),
        Mistake(
            answer=lambda validation, test: test.mean().item(),
            hint="a mean over the epochs is the accuracy of none of them: choose one.",
        ),
        Mistake(
            answer=lambda validation, test: test[-1].item(),
            hint="taking the last epoch is honest and needs no validation images at all; but this function is to choose.",
        ),
        Mistake(
            answer=lambda validation, test: validation.argmax().item(),
            hint="that is the number of the epoch; the test accuracy at that epoch is asked for.",
        ),
    ),
    hints=(
        "Which of the two tensors may be looked at when the epoch is chosen?",
        "argmax of one, an element of the other.",
    ),
    remark="the course takes the last epoch throughout, where nothing is chosen.",
)


def told_apart(accuracies: Mapping[str, Tensor]) -> tuple[str, ...]:
    others = sorted(accuracies.keys() - {"relu"})
    n = len(accuracies["relu"])
    t = scipy.stats.t.ppf(1 - 0.05 / len(others) / 2, n - 1)
    found = []
    for name in others:
        differences = accuracies[name] - accuracies["relu"]
        if abs(differences.mean()) > t * differences.std() / math.sqrt(n):
            found.append(name)
    return tuple(found)


def _by(
    beyond: Callable[[Tensor, int], bool], *, paired: bool = True
) -> Callable[[Mapping[str, Tensor]], tuple[str, ...]]:
    """Wrong ways to tell apart, by a rule on one list of differences and how many there are."""

    def answer(accuracies: Mapping[str, Tensor]) -> tuple[str, ...]:
        others = sorted(accuracies.keys() - {"relu"})
        return tuple(name for name in others if beyond(accuracies[name] - accuracies["relu"], len(others)))

    return answer


def _t(differences: Tensor) -> float:
    return (differences.mean() / differences.std() * math.sqrt(len(differences))).item()


def _limit(differences: Tensor, error: float) -> float:
    return scipy.stats.t.ppf(1 - error / 2, len(differences) - 1)


def _unpaired_apart(accuracies: Mapping[str, Tensor]) -> tuple[str, ...]:
    others, relu = sorted(accuracies.keys() - {"relu"}), accuracies["relu"]
    t = scipy.stats.t.ppf(1 - 0.05 / len(others) / 2, 2 * len(relu) - 2)
    errors = {name: ((accuracies[name].var() + relu.var()) / len(relu)).sqrt() for name in others}
    return tuple(name for name in others if abs((accuracies[name] - relu).mean()) > t * errors[name])


def _pooled_apart(accuracies: Mapping[str, Tensor]) -> tuple[str, ...]:
    others = sorted(accuracies.keys() - {"relu"})
    differences = torch.stack([accuracies[name] - accuracies["relu"] for name in others])
    m, n = differences.shape
    half = scipy.stats.t.ppf(1 - 0.05 / m / 2, m * (n - 1)) * (differences.var(dim=1).mean() / n).sqrt()
    return tuple(name for name, mean in zip(others, differences.mean(dim=1), strict=True) if abs(mean) > half)


def _runs(seeds: Sequence[float], t_values: Mapping[str, float], wide: str) -> dict[str, Tensor]:
    """Accuracies whose differences to ReLU have these t values; a seed moves all by the same. From Z to A.

    The differences of one, ``wide``, scatter five times as far as those of the others.
    """
    relu = torch.tensor(seeds, dtype=torch.float64)
    scatter = torch.tensor([0.4, -0.7, 0.1, 0.6, -0.4, 0.3, -0.3], dtype=torch.float64).repeat(3)[: len(relu)] / 2
    runs = {"relu": relu}
    for place, (name, t) in enumerate(t_values.items()):
        shape = scatter.roll(place) * (5 if name == wide else 1)
        runs[name] = relu + shape + t * shape.std() / math.sqrt(len(shape))
    return dict(sorted(runs.items(), reverse=True))


# Each value lies between what the right rule and one of the wrong ones ask for: 5.07 and 3.86 standard errors are right.
SEVEN = {"elu": 3.9, "gelu": 5.15, "mish": 4.7, "prelu": 4.45, "selu": 4.3, "silu": 2.73, "tanh": -11.0}
SIX = {"elu": 3.78, "gelu": 15.0, "mish": 4.08, "selu": 2.55, "silu": 1.7, "tanh": 4.28}

TOLD_APART = Exercise(
    number="13.4",
    title="Whom can you tell from ReLU?",
    minutes=8,
    difficulty=3,
    solution=told_apart,
    probes=(
        Probe(label="with 7 others", arguments=(_runs((77.2, 72.1, 76.4, 81.0, 74.3), SEVEN, "elu"),)),
        Probe(
            label="with 6 others",
            arguments=(_runs((61.0, 66.5, 63.2, 60.4, 64.9, 62.1, 65.3), SIX, "elu"),),
        ),
        Probe(
            label="with 4 others and 20 seeds",
            arguments=(
                _runs(
                    [70 + seed % 3 for seed in range(20)],
                    {"elu": 2.0, "gelu": 2.9, "silu": -1.5, "tanh": -60.0},
                    "gelu",
                ),
            ),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > _limit(d, 0.05)),
            hint="each interval alone holds with 95 %; all together they fail far more often: share the 5 % out.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > 1.96),
            hint="t is too small: share the 5 % out, half of each share on each side, and take Student's t.",
        ),
        Mistake(
            answer=_by(lambda d, m: d.abs().mean() > _limit(d, 0.05 / m) * d.std() / math.sqrt(len(d))),
            hint="the absolute differences of equals have a mean above 0, too: take the mean first, then its absolute value.",
        ),
        Mistake(
            answer=_pooled_apart,
            hint="you took one spread for all: here each comparison has its own, that of its own differences.",
        ),
        Mistake(
            answer=_by(lambda d, m: _t(d) > _limit(d, 0.05 / m)),
            hint="you found those that are better; telling apart includes the worse.",
        ),
        Mistake(
            answer=_unpaired_apart,
            hint="the interval is the unpaired one: the seeds' common luck hides nearly everything. Subtract seed by "
            "seed first.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > _limit(d, 0.1 / m)),
            hint="half of each interval's error lies on each side: the quantile at 1 - 0.05 / m / 2 is needed.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > _limit(d, 0.05 / (m + 1))),
            hint="the number of comparisons is one less than the number of activations: ReLU is not compared with "
            "itself.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > _limit(d, 0.05 / 11)),
            hint="too many comparisons, or too few: count the others of this dict.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > scipy.stats.t.ppf(1 - 0.05 / m / 2, 5 - 1)),
            hint="the number of seeds is not always five, neither in t nor under the root: count those of this dict.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > scipy.stats.norm.ppf(1 - 0.05 / m / 2)),
            hint="the normal quantile knows the spread exactly; a few seeds do not: take Student's t.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) > scipy.stats.t.ppf(1 - 0.05 / m / 2, len(d))),
            hint="n differences leave n - 1 degrees of freedom.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(_t(d)) * math.sqrt(len(d) / (len(d) - 1)) > _limit(d, 0.05 / m)),
            hint="the standard deviation divides by n - 1, as torch's std does by default.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(d.mean()) > _limit(d, 0.05 / m) * d.std()),
            hint="the standard error of a mean is the standard deviation divided by the root of n.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(d.mean()) > _limit(d, 0.05 / m) * d.std() / math.sqrt(len(d) - 1)),
            hint="n differences have n - 1 degrees of freedom, and their standard deviation is divided by the root of n.",
        ),
        Mistake(
            answer=_by(lambda d, m: abs(d.mean()) > _limit(d, 0.05 / m) * d.std() / len(d)),
            hint="nearly all are told apart: is t missing, negative or too small, or the spread divided by n, not by its root?",
        ),
        Mistake(
            answer=lambda accuracies: tuple(sorted(accuracies.keys() - {"relu"} - set(told_apart(accuracies)))),
            hint="those are the ones that cannot be told apart: it is the interval without 0 that tells.",
        ),
        Mistake(
            answer=lambda accuracies: tuple(name for name in accuracies if name in told_apart(accuracies)),
            hint="the right names; return them sorted.",
        ),
    ),
    hints=(
        "For each name but relu: the differences seed by seed, their mean, and t * std / sqrt(n).",
        "With m comparisons, each may fail with 0.05 / m, half of it on each side.",
        "It is told apart if the mean's distance from 0 exceeds that half-width.",
    ),
    remark="three ideas of the lesson in a few lines: pairs, an interval, and a correction for looking at many.",
)

QUIZ = Quiz(
    (
        Question(
            "Activation A is 0.4 points above B on seed 0. What do you know?",
            (
                Option("A is better by 0.4 points", False, "Another seed may reverse it; section 2 has an example."),
                Option("Little, until the spread over seeds is known", True, "0.4 points can be a lot or nothing."),
                Option("A is better, by an unknown amount", False, "Not even the sign is certain."),
            ),
        ),
        Question(
            "Two runs of one seed start from the same draws and see the same images in the same order. What does that gain?",
            (
                Option("Both become more accurate", False, "Each run by itself is as good or bad as before."),
                Option("Fewer seeds are needed, always", False, "Only if both accuracies rise and fall together."),
                Option(
                    "Luck that both share cancels in their difference",
                    True,
                    "How much is shared, the correlation tells; few seeds tell it badly.",
                ),
            ),
        ),
        Question(
            "Of eleven activations that are all exactly as good as ReLU, the best after three seeds leads by 0.3 points. Why?",
            (
                Option(
                    "The largest of eleven chance differences is nearly always positive",
                    True,
                    "Choosing the largest chooses the luckiest: the winner's curse.",
                ),
                Option(
                    "The seeds were badly chosen",
                    False,
                    "Other seeds mostly make another one the winner, by about as much.",
                ),
                Option("Three seeds average out chance", False, "They reduce it; eleven tries bring it back."),
            ),
        ),
        Question(
            "The corrected interval of a difference is [−0.9, +1.9]. What may you write?",
            (
                Option("There is no difference", False, "Up to 1.9 points are compatible with the data."),
                Option("It is better on average", False, "The mean is above 0, and chance alone does that, too."),
                Option("The experiment cannot decide; more seeds might", True, "And it says how large it is at most."),
            ),
        ),
    )
)
