"""Exercises and quiz of lesson 03, sigmoid and tanh."""

import torch
from torch import Tensor

from nonlin.exercises.by_hand import ACTIVATIONS, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe, number_line
from nonlin.exercises.quiz import Option, Question, Quiz


def my_sigmoid(x: Tensor) -> Tensor:
    return torch.exp(-torch.logaddexp(torch.zeros_like(x), -x))


def _sigmoid_by_where(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1 / (1 + torch.exp(-x)), torch.exp(x) / (1 + torch.exp(x)))


STABLE = Exercise(
    number="03.1",
    title="Find the bug: a sigmoid with the right slope everywhere",
    minutes=7,
    difficulty=2,
    solution=my_sigmoid,
    by_hand=ByHand(without=ACTIVATIONS - {"relu"}),
    probes=(
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 24),), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor([0.0]),), with_slope=True),
        Probe(label="at x = 100", arguments=(torch.tensor([100.0]),)),
        Probe(label="at x = 1000", arguments=(torch.tensor([1000.0]),), with_slope=True),
        Probe(label="at x = -30", arguments=(torch.tensor([-30.0]),), with_slope=True),
        Probe(label="at x = -80", arguments=(torch.tensor([-80.0]),), with_slope=True),
        Probe(label="at x = -1000", arguments=(torch.tensor([-1000.0]),), with_slope=True),
        Probe(label="in float64", arguments=(torch.tensor([-700.0, 3.0]).double(),), with_slope=True),
        Probe(
            label="in float64, at x = 14", arguments=(torch.tensor([14.0]).double(),), with_slope=True, tolerance=1e-15
        ),
        Probe(
            label="in float64, at x = 25", arguments=(torch.tensor([25.0]).double(),), with_slope=True, tolerance=1e-15
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: 1 / (1 + torch.exp(-x)),
            hint="this is the textbook formula: e^-x is infinite for x = -1000, and backward multiplies it by 0.",
        ),
        Mistake(
            answer=_sigmoid_by_where,
            hint="if you use torch.where: it picks the right value but differentiates both branches, and the one that was "
            "not picked overflows: 0 times infinity is NaN. No branch may ever compute e to a large positive power.",
        ),
        Mistake(
            answer=lambda x: (1 / (1 + torch.exp(-x.double()))).to(x.dtype),
            hint="float64 puts the overflow off to 710: at -1000 e^-x is still infinite, and the slope NaN.",
        ),
        Mistake(
            answer=lambda x: torch.where(x >= 0, 1 / (1 + torch.exp(-x)), 1 - 1 / (1 + torch.exp(x))),
            hint="far to the left 1 - 1 / (1 + e^x) subtracts two numbers that are nearly equal: at x = -30 nothing is left of "
            "the tail. (And torch.where still differentiates both branches.)",
        ),
        Mistake(
            answer=lambda x: torch.exp(x.clamp(max=0)) / (1 + torch.exp(-x.abs())),
            hint="no NaN any more, but your slope at 0 is not 0.25: clamp (or relu) and abs have kinks there, and autograd picks a "
            "slope for each by itself.",
        ),
        Mistake(
            answer=lambda x: 1 / (1 + torch.exp(-x.clamp(-80, 80))),
            hint="clamping the input stops the overflow, but makes the function constant out there: at -1000 it is e^-80, "
            "not 0, and in float64 its tail is lost.",
        ),
        Mistake(
            answer=lambda x: 1 / (1 + torch.exp(-x.clamp(min=-88))),
            hint="no infinity in the value any more. But backward squares 1 + e^-x, and that overflows from -44 on: your slope "
            "at -80 is 0.",
        ),
        Mistake(
            answer=lambda x: 1 / (1 + torch.exp(-x.clamp(-50, 50))),
            hint="clamping the input makes the function constant out there: its slope is 0 too early, its tail is lost.",
        ),
        Mistake(
            answer=lambda x: torch.exp(x.clamp(max=12)) / (1 + torch.exp(x.clamp(max=12))),
            hint="no overflow on the right any more. But beyond the clamp the function is constant: there its slope is 0.",
        ),
        Mistake(
            answer=lambda x: (1 + torch.tanh(x / 2)) / 2,
            hint="right in exact arithmetic, but at x = -30 the 1 swallows what tanh leaves: the tail is rounded away.",
        ),
    ),
    hints=(
        "Which function of torch computes log(1 + e^z) without overflow? Its slope must be right as well.",
        "torch.logaddexp(a, b) is log(e^a + e^b), and autograd knows it as one smooth operation. What are a and b?",
        "sigmoid is e to the power of -log(1 + e^-x).",
    ),
    remark="values and slopes hold from -1000 to 1000, at 0 as well. Our solution uses one smooth operation, in which "
    "autograd finds no kink.",
)


def slope_from_output(y: Tensor) -> Tensor:
    return y * (1 - y)


SLOPE = Exercise(
    number="03.2",
    title="The slope of sigmoid, from its output",
    minutes=3,
    difficulty=1,
    solution=slope_from_output,
    probes=(
        Probe(label="for outputs between 0 and 1", arguments=(torch.linspace(0, 1, 11),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(6.0).double().reshape(2, 3) / 6,)),
    ),
    mistakes=(
        Mistake(
            answer=lambda y: torch.sigmoid(y) * (1 - torch.sigmoid(y)),
            hint="you applied sigmoid again: y already is the output, so use it as it stands.",
        ),
        Mistake(answer=lambda y: 1 - y**2, hint="1 - y^2 is the slope of tanh."),
        Mistake(
            answer=lambda y: y * (1 + y), hint="check the sign: the slope must be 0 at y = 1, where sigmoid is flat."
        ),
        Mistake(
            answer=lambda y: y * (y - 1), hint="the sign: sigmoid rises everywhere, so its slope is nowhere negative."
        ),
        Mistake(answer=lambda y: 1 - y, hint="that is one factor of two: the slope is a product."),
        Mistake(
            answer=lambda y: 1 - 2 * y,
            hint="that is the derivative of y (1 - y) with respect to y; wanted is the slope of sigmoid itself.",
        ),
    ),
    hints=(
        "Differentiate 1 / (1 + e^-x) with the chain rule; one factor of the result is sigmoid itself.",
        "The other factor is e^-x / (1 + e^-x). Add and subtract 1 in its numerator: what is it in terms of y?",
    ),
    remark="y is all that backward needs, and the next layer keeps y anyway: no extra memory.",
)


def tanh_from_sigmoid(x: Tensor) -> Tensor:
    return 2 * torch.sigmoid(2 * x) - 1


RELATION = Exercise(
    number="03.3",
    title="Tanh is a sigmoid in disguise",
    minutes=4,
    difficulty=1,
    solution=tanh_from_sigmoid,
    by_hand=ByHand(only=("sigmoid",)),
    probes=number_line(torch.float64),
    mistakes=(
        Mistake(
            answer=lambda x: 2 * torch.sigmoid(x) - 1,
            hint="the values lie in (-1, 1) now, but the curve is too flat: its slope at 0 is 1/2, tanh's is 1.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(2 * x),
            hint="the steepness is right; now stretch the values from (0, 1) to (-1, 1).",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(2 * x) - 0.5,
            hint="it goes through 0 now, but its values lie in (-1/2, 1/2): shift and stretch.",
        ),
        Mistake(answer=lambda x: 2 * torch.sigmoid(2 * x), hint="the values lie in (0, 2): what is missing?"),
        Mistake(answer=lambda x: 2 * torch.sigmoid(2 * x) + 1, hint="the values lie in (1, 3): shift the other way."),
        Mistake(
            answer=lambda x: 2 * torch.sigmoid(x / 2) - 1,
            hint="dividing x by 2 makes the curve wider; tanh is half as wide as sigmoid.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) - 0.5,
            hint="it goes through 0 now; but tanh is twice as tall, and half as wide.",
        ),
    ),
    hints=(
        "Which two numbers turn the range (0, 1) into (-1, 1)?",
        "Divide numerator and denominator of tanh by e^x: which exponent appears where sigmoid has -x?",
    ),
    remark="so tanh is sigmoid with 4 times the slope and a mean of zero: section 6 pulls the two apart.",
)


def loss_on_logit(x: Tensor, y: Tensor) -> Tensor:
    minus_abs = torch.where(x < 0, x, -x)
    return torch.where(x < 0, 0.0, x) - x * y + torch.log1p(torch.exp(minus_abs))


def _bce_by_formula(x: Tensor, y: Tensor) -> Tensor:
    p = 1 / (1 + torch.exp(-x))
    return -y * torch.log(p) - (1 - y) * torch.log(1 - p)


def _bce_clamped(x: Tensor, y: Tensor) -> Tensor:
    p = (1 / (1 + torch.exp(-x))).clamp(1e-7, 1 - 1e-7)
    return -y * torch.log(p) - (1 - y) * torch.log(1 - p)


def _truth_and_logits(*logits: float, truth: float, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    x = torch.tensor(logits, dtype=dtype)
    return x, torch.full_like(x, truth)


LOSS = Exercise(
    number="03.4",
    title="A loss that no logit breaks",
    minutes=8,
    difficulty=3,
    solution=loss_on_logit,
    by_hand=ByHand(
        without=ACTIVATIONS - {"relu"} | {"binary_cross_entropy", "soft_margin_loss"},
    ),
    probes=(
        Probe(label="between -3 and 3, truth 1", arguments=_truth_and_logits(-3, -1, 0.5, 3, truth=1), with_slope=True),
        Probe(label="between -3 and 3, truth 0", arguments=_truth_and_logits(-3, -1, 0.5, 3, truth=0), with_slope=True),
        Probe(label="at a logit of 0", arguments=_truth_and_logits(0, truth=1), with_slope=True),
        Probe(label="confidently wrong, at 200, truth 0", arguments=_truth_and_logits(200, truth=0), with_slope=True),
        Probe(label="confidently wrong, at -200, truth 1", arguments=_truth_and_logits(-200, truth=1), with_slope=True),
        Probe(
            label="in float64, at 1000 and -1000",
            arguments=_truth_and_logits(1000, -1000, truth=0, dtype=torch.float64),
            with_slope=True,
        ),
        *(
            Probe(
                label=f"in float64, 5 to 15 on both sides, truth {truth}",
                arguments=_truth_and_logits(-15, -10, -5, 5, 10, 15, truth=truth, dtype=torch.float64),
                with_slope=True,
                tolerance=1e-12,
            )
            for truth in (0, 1)
        ),
    ),
    mistakes=(
        Mistake(
            answer=_bce_by_formula,
            hint="this is the printed formula, through p: at 200 the probability has rounded to 1, and the logarithm of "
            "1 - p is that of 0. Put sigmoid into the logarithm on paper, before torch does it in numbers.",
        ),
        Mistake(
            answer=_bce_clamped,
            hint="clamping p stops the infinity and with it the slope: a unit that is confidently wrong would no longer "
            "learn, and pays 16 instead of 200.",
        ),
        Mistake(
            answer=lambda x, y: torch.where(x > 4, x, torch.log1p(torch.exp(x.clamp(max=4)))) - x * y,
            hint="beyond the cut log(1 + e^-x) is left out, which is still 0.0067 at 5: keep it everywhere.",
        ),
        Mistake(
            answer=lambda x, y: torch.log1p(torch.exp(x)) - x * y,
            hint="right on paper. But e^x overflows for a large logit: take x out of the logarithm where x > 0.",
        ),
        Mistake(
            answer=lambda x, y: torch.log1p(torch.exp(-x)) + x * (1 - y),
            hint="right on paper. But e^-x overflows for a very negative logit: take -x out of the logarithm there.",
        ),
        Mistake(
            answer=lambda x, y: torch.relu(x) - x * y + torch.log1p(torch.exp(-x.abs())),
            hint="right everywhere but in the slope at 0, which is 0 - y: clamp (or relu) and abs have kinks there that "
            "cancel on paper only. Write both as torch.where with the same x < 0.",
        ),
        Mistake(
            answer=lambda x, y: torch.relu(x) - x * y + torch.log1p(torch.exp(torch.where(x < 0, x, -x))),
            hint="right everywhere but in the slope at 0: there max(x, 0) has the slope of the left and -|x| that of the "
            "right, so that the kinks do not cancel. Write both as torch.where with the same x < 0.",
        ),
        Mistake(
            answer=lambda x, y: torch.where(x < 0, 0.0, x) - x * y + torch.log1p(torch.exp(-x.abs())),
            hint="right everywhere but in the slope at 0: that of abs is 0 there, so that the kinks do not cancel. Write -|x| "
            "as torch.where with the same x < 0.",
        ),
        Mistake(
            answer=lambda x, y: (torch.log1p(torch.exp(x.double())) - x * y).to(x.dtype),
            hint="e^x overflows, and float64 puts it off to 710: take x out of the logarithm where x > 0.",
        ),
        Mistake(
            answer=lambda x, y: torch.where(
                x > 0, x - x * y + torch.log1p(torch.exp(-x)), torch.log1p(torch.exp(x)) - x * y
            ),
            hint="torch.where picks the right value but differentiates both branches: at 200 the other one overflows, and 0 "
            "times infinity is NaN. Choose the exponent, not the result.",
        ),
        Mistake(
            answer=lambda x, y: (
                torch.where(x < 0, 0.0, x) - x * (1 - y) + torch.log1p(torch.exp(torch.where(x < 0, x, -x)))
            ),
            hint="yes and no are swapped: a large logit must cost much if the truth is 0.",
        ),
        Mistake(
            answer=lambda x, y: -torch.where(x < 0, 0.0, x) + x * y - torch.log1p(torch.exp(torch.where(x < 0, x, -x))),
            hint="the sign: a loss is never negative.",
        ),
        Mistake(
            answer=lambda x, y: torch.where(x < 0, 0.0, x) + torch.log1p(torch.exp(torch.where(x < 0, x, -x))),
            hint="that is the loss for a truth of 0. For a truth of 1 it is smaller by x.",
        ),
    ),
    hints=(
        "-log(1 - sigmoid(x)) = log(1 + e^x), and -log sigmoid(x) is that minus x. So the loss is log(1 + e^x) - x y.",
        "log(1 + e^x) = x + log(1 + e^-x): use the one for x < 0 and the other for x > 0.",
        "So it is max(x, 0) - x y + log(1 + e^-|x|). Mind the kinks at 0: write both as torch.where with the same x < 0.",
    ),
    remark="this is what binary_cross_entropy_with_logits computes. Its slope, sigmoid(x) - y, is simply what the network "
    "says minus what is true.",
)

QUIZ = Quiz(
    (
        Question(
            "A unit receives x = 50 in float32. What gradient does torch.sigmoid pass back?",
            (
                Option(
                    "About 2e-22", False, "That is the exact slope e^-50, but y has rounded to 1, so y (1 - y) is 0."
                ),
                Option("Exactly 0", True, "y rounds to 1 from about 16.6 on, and 1 - y is then exactly 0."),
                Option(
                    "NaN",
                    False,
                    "The textbook formula gives NaN at large negative x; here every factor is finite.",
                ),
            ),
        ),
        Question(
            "In the race, what did a zero-centred output buy on its own, at the same slope?",
            (
                Option(
                    "Everything: slope does not matter",
                    False,
                    "Under SGD, sigmoid − ½ still needed more than twice tanh's steps.",
                ),
                Option(
                    "Nothing", False, "sigmoid − ½ beat sigmoid on the same seeds, with an interval that excludes 1."
                ),
                Option(
                    "A good part, under both optimizers",
                    True,
                    "The slope bought more on top: much under SGD, little under Adam.",
                ),
            ),
        ),
        Question(
            "Where is a sigmoid still the right choice?",
            (
                Option(
                    "In the hidden layers of a deep network", False, "There it cost a factor of about four per layer."
                ),
                Option(
                    "For gates, and for the probability of a yes", True, "Its range (0, 1) is what those places need."
                ),
                Option(
                    "Nowhere", False, "An LSTM (lesson 06) has three per unit, and most binary classifiers end in one."
                ),
            ),
        ),
    )
)
