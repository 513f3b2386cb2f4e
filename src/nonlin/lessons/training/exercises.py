"""Exercises and quiz of lesson 13, training on CIFAR-10."""

import math
from itertools import count

import torch
from scipy import stats
from torch import Tensor

from nonlin.exercises.by_hand import NUMPY, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


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
    number="13.1",
    title="A paired interval by hand",
    minutes=8,
    difficulty=2,
    solution=paired_interval,
    by_hand=ByHand(allows=(NUMPY,)),
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
    number="13.2",
    title="Find the bug: the best epoch",
    minutes=5,
    difficulty=1,
    solution=reported_accuracy,
    probes=(
        Probe(
            label="with 4 epochs",
            arguments=(torch.tensor([60.0, 71.0, 74.0, 73.0]), torch.tensor([59.0, 72.0, 70.0, 71.5])),
        ),
        Probe(label="with 3 epochs", arguments=(torch.tensor([50.0, 40.0, 45.0]), torch.tensor([48.0, 41.0, 52.0]))),
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


def confidence_of_each(together: float, comparisons: int) -> float:
    return 1 - (1 - together) / comparisons


BONFERRONI = Exercise(
    number="13.3",
    title="Eleven intervals that hold together",
    minutes=4,
    difficulty=1,
    solution=confidence_of_each,
    probes=(
        Probe(label="for 11 comparisons at 95 %", arguments=(0.95, 11)),
        Probe(label="for 3 comparisons at 90 %", arguments=(0.9, 3)),
        Probe(label="for 1 comparison at 99 %", arguments=(0.99, 1)),
    ),
    mistakes=(
        Mistake(
            answer=lambda together, comparisons: (1 - together) / comparisons,
            hint="that is the error that each may make; its confidence is 1 minus that.",
        ),
        Mistake(
            answer=lambda together, comparisons: 1 - together / comparisons,
            hint="it is 1 - together that is shared out, the error of all, and the rest is the confidence of each.",
        ),
        Mistake(
            answer=lambda together, comparisons: 1 - (1 - together) / comparisons / 2,
            hint="that is the quantile up to which such an interval reaches, since half of the error lies on each side. Its "
            "confidence is asked for.",
        ),
        Mistake(
            answer=lambda together, comparisons: 1 - 0.05 / comparisons,
            hint="right for 95 %. Use together: the error of all is 1 - together.",
        ),
        Mistake(
            answer=lambda together, comparisons: 100 * (1 - (1 - together) / comparisons),
            hint="right, but in per cent: together is a number between 0 and 1, and so should the answer be.",
        ),
        Mistake(
            answer=lambda together, comparisons: together / comparisons,
            hint="it is the error that is shared out among the comparisons, not the confidence: each must become surer.",
        ),
        Mistake(
            answer=lambda together, comparisons: together**comparisons,
            hint="that is how sure one may be of all at once if each has this confidence and they are independent: the "
            "question the other way round.",
        ),
        Mistake(
            answer=lambda together, comparisons: together ** (1 / comparisons),
            hint="that is Šidák's correction. It is a little less strict and right for independent comparisons; Bonferroni's "
            "simpler one, without that condition, is asked for.",
        ),
        Mistake(
            answer=lambda together, comparisons: together,
            hint="with that, each may err in 5 of 100 cases, and eleven together err far more often.",
        ),
    ),
    hints=("All together may err with probability 1 - together. Give each an equal share of that.",),
    remark="for 11 comparisons that is 99.5 % each. The errors add up at most, whether they are independent or not.",
)


def seeds_needed(half_width: float, sd: float) -> int:
    return next(n for n in range(2, 10**6) if stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n) <= half_width)


def _for_a_power_of_80(difference: float, sd: float) -> int:
    for n in count(2):
        shift, t = difference / (sd / math.sqrt(n)), stats.t.ppf(0.975, n - 1)
        if stats.ncf.sf(t**2, 1, n - 1, shift**2) >= 0.8:
            return n
    raise AssertionError


SEEDS = Exercise(
    number="13.4",
    title="How many seeds?",
    minutes=8,
    difficulty=3,
    solution=seeds_needed,
    probes=(
        Probe(label="for 0.5 points at a deviation of 0.6", arguments=(0.5, 0.6)),
        Probe(label="for 0.25 points at a deviation of 0.5", arguments=(0.25, 0.5)),
        Probe(label="for 1 point at a deviation of 0.4", arguments=(1.0, 0.4)),
    ),
    mistakes=(
        Mistake(
            answer=lambda half_width, sd: math.ceil((1.96 * sd / half_width) ** 2),
            hint="1.96 knows the spread exactly. With few seeds t is larger, and depends on n: try n = 2, 3, ... in turn.",
        ),
        Mistake(
            answer=lambda half_width, sd: max(2, math.ceil((1.96 * sd / half_width) ** 2)),
            hint="at least 2 is right, but 1.96 knows the spread exactly: with few seeds t is larger, and depends on n.",
        ),
        Mistake(
            answer=lambda half_width, sd: seeds_needed(half_width / 2, sd),
            hint="you made the whole width that small. half_width is how far it reaches to one side.",
        ),
        Mistake(
            answer=_for_a_power_of_80,
            hint="that is the power of section 5, how often a difference is noticed. Here only the interval's width is asked "
            "for.",
        ),
        Mistake(
            answer=lambda half_width, sd: next(
                n for n in count(2) if stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n - 1) <= half_width
            ),
            hint="n - 1 degrees of freedom in t is right; the mean of n numbers is divided by the root of n all the same.",
        ),
        Mistake(
            answer=lambda half_width, sd: 2,
            hint="2 is where the search starts. Go on while the interval is wider than asked for; and the quantile at 0.025 is "
            "negative: take that at 0.975.",
        ),
        Mistake(
            answer=lambda half_width, sd: next(
                n for n in count(2) if stats.t.ppf(0.95, n - 1) * sd / math.sqrt(n) <= half_width
            ),
            hint="the 95 % lie in the middle: 2.5 % are cut off at each end, so it is the quantile at 0.975.",
        ),
        Mistake(
            answer=lambda half_width, sd: next(n for n in count(2) if stats.t.ppf(0.975, n - 1) * sd / n <= half_width),
            hint="the error of a mean falls with the square root of n: four times the seeds for half the width.",
        ),
        Mistake(
            answer=lambda half_width, sd: next(
                n for n in count(2) if stats.t.ppf(0.975, n) * sd / math.sqrt(n) <= half_width
            ),
            hint="n differences leave n - 1 degrees of freedom, since their mean is estimated, too.",
        ),
        Mistake(
            answer=lambda half_width, sd: seeds_needed(half_width, sd) - 1,
            hint="one too few: with that number the interval is still wider than asked for.",
        ),
    ),
    hints=(
        "Half the width of the interval for n seeds is t * sd / sqrt(n); t is stats.t.ppf(0.975, n - 1).",
        "Start at n = 2 and go up until it is small enough.",
    ),
    remark="halving the width takes about four times the seeds. And an interval as wide as the difference finds it only in "
    "every second experiment: section 5 asked for four out of five.",
)


def told_apart() -> str:
    return "AD"


FOREST = Exercise(
    number="13.5",
    title="Read a forest plot",
    minutes=4,
    difficulty=1,
    solution=told_apart,
    mistakes=(
        Mistake(
            answer="ABD",
            hint="B's interval excludes 0 only as long as nobody else is looked at: all five were, so the thin ones count.",
        ),
        Mistake(answer="A", hint="telling apart includes the worse: D lies below 0 with its whole interval."),
        Mistake(answer="ABC", hint="those have a mean above 0; what counts is whether the interval excludes 0."),
        Mistake(
            answer="AB",
            hint="B's thin interval contains 0; and D's does not, on the other side: telling apart includes the worse.",
        ),
        Mistake(
            answer="D", hint="D is one of them, the worse one. And which lies above 0 with its whole thin interval?"
        ),
        Mistake(answer="DA", hint="the right two; write them in order, A first."),
        Mistake(answer="A, D", hint="the right two; write them without a comma or a space, as in the example."),
        Mistake(answer="A,D", hint="the right two; write them without a comma, as in the example."),
        Mistake(answer="C", hint="C has the largest mean and the widest interval: it may be chance altogether."),
        Mistake(answer="BCE", hint="those are the ones that cannot be told apart from ReLU."),
        Mistake(
            answer="E", hint="E's interval lies closest around 0: it is the one that is most surely similar to ReLU."
        ),
    ),
    hints=("Which thin intervals, all together, do not contain 0?",),
    remark="and of B, C and E it does not say that they equal ReLU: C may be 4 points better, or 1.6 worse.",
)

QUIZ = Quiz(
    (
        Question(
            "Activation A is 0.4 points above B on seed 0. What do you know?",
            (
                Option("A is better by 0.4 points", False, "Another seed may reverse it; section 1 has an example."),
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
                    "How much is shared, the correlation tells; with few seeds it may be little.",
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
                Option("The seeds were badly chosen", False, "Other seeds make another one the winner, by as much."),
                Option("Three seeds average out chance", False, "They reduce it; eleven tries bring it back."),
            ),
        ),
        Question(
            "The corrected interval of a difference is [−0.9, +1.9]. What may you write?",
            (
                Option("There is no difference", False, "Up to 1.9 points are compatible with the data."),
                Option("It is better on average", False, "The mean is above 0, and chance alone does that, too."),
                Option("The experiment cannot decide; more seeds would", True, "And it says how large it is at most."),
            ),
        ),
    )
)
