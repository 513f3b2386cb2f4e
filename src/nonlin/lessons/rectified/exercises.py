"""Exercises and quiz of lesson 04, ReLU."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlin.exercises.by_hand import ACTIVATIONS, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz

INF, NAN = math.inf, math.nan


def my_relu(x: Tensor) -> Tensor:
    return x.masked_fill(x <= 0, 0)


LIKE_TORCH = Exercise(
    number="04.1",
    title="Find the bug: a ReLU for every number",
    minutes=5,
    difficulty=2,
    solution=my_relu,
    by_hand=ByHand(without=ACTIVATIONS),
    probes=(
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 24),), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor([0.0]),), with_slope=True),
        Probe(label="at x = -inf", arguments=(torch.tensor([-INF]),), with_slope=True),
        Probe(label="at x = inf", arguments=(torch.tensor([INF]),), with_slope=True),
        Probe(label="at x = 3e38", arguments=(torch.tensor([3e38]),), with_slope=True),
        Probe(label="at x = 1e-30", arguments=(torch.tensor([1e-30]),), with_slope=True),
        Probe(label="at x = NaN", arguments=(torch.tensor([NAN]),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-2.5, 3).double().reshape(2, 3),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: x * (x > 0),
            hint="at -inf this is NaN: infinity times 0, or less infinity. Choose a value instead of computing it.",
        ),
        Mistake(
            answer=lambda x: torch.where(x > 0, x, 0.0),
            hint="right everywhere but at NaN: NaN > 0 is false, so that a NaN becomes 0 and nobody learns of it. Ask for x "
            "<= 0 instead.",
        ),
        Mistake(
            answer=lambda x: torch.maximum(x, torch.zeros_like(x)),
            hint="the values are right, and the slope at 0 is 0.5: maximum and minimum share the gradient between two equal arguments.",
        ),
        Mistake(
            answer=lambda x: x if x > 0 else 0 * x,
            hint="x holds many numbers, and Python's if and max ask one question for all of them: torch.where asks each.",
        ),
        Mistake(
            answer=lambda x: (x + x.abs()) / 2,
            hint="at -inf this is infinity minus infinity, at 3e38 the sum overflows, and at 0 its slope is 0.5.",
        ),
        Mistake(
            answer=lambda x: x / 2 + x.abs() / 2,
            hint="at -inf this is infinity minus infinity, and at 0 its slope is 0.5.",
        ),
        Mistake(
            answer=lambda x: torch.where(x >= 0, x, 0.0),
            hint="with >= the slope at 0 is 1, where torch has 0; and a NaN becomes 0.",
        ),
        Mistake(
            answer=lambda x: x.masked_fill(x < 0, 0),
            hint="with < the slope at 0 is 1, where torch has 0: at 0 itself the input is still let through.",
        ),
    ),
    hints=(
        "What is 0 times infinity? A mask of numbers cannot shut out an infinity; choosing can.",
        "torch.where(condition, a, b) and x.masked_fill(condition, value) choose. NaN > 0 and NaN <= 0 are both false: which branch must NaN get?",
        "The slope at 0 follows from the branch that 0 falls into: it must fall into the constant one.",
    ),
    remark="choosing shuts an infinity out; 0 falls into the flat branch; and a NaN stays a NaN, so that it can be found.",
)


def dead_on(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return torch.maximum(w * low + b, w * high + b) <= 0


W = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 0.5, -0.5, 0.0, 0.0, 2.0])
B = torch.tensor([-3.0, 3.0, 0.5, -3.0, 3.0, -1.0, -1.0, -0.9, -1.0, 1.0, -6.0])

DEAD = Exercise(
    number="04.2",
    title="Which units are dead?",
    minutes=5,
    difficulty=2,
    solution=dead_on,
    probes=(
        Probe(label="on [-2, 2]", arguments=(W, B, -2.0, 2.0)),
        Probe(label="on [0, 5]", arguments=(W, B, 0.0, 5.0)),
        Probe(label="on [-4, -1]", arguments=(W.double(), B.double(), -4.0, -1.0)),
        Probe(label="on [-0.5, 1.25]", arguments=(torch.ones(2), torch.tensor([-1.4, -1.1]), -0.5, 1.25)),
    ),
    mistakes=(
        Mistake(
            answer=lambda w, b, low, high: (-b / w < low) | (-b / w > high),
            hint="you ask whether the kink lies outside the data. There are two kinds of such units: always off, and always "
            "on, which are as alive as can be.",
        ),
        Mistake(
            answer=lambda w, b, low, high: (-b / w <= low) | (-b / w >= high),
            hint="you ask whether the kink lies outside the data or at its end. A unit with its kink there is always off or "
            "always on, and only the former is dead.",
        ),
        Mistake(
            answer=lambda w, b, low, high: b <= -high * w.abs(),
            hint="that is the rule of section 4, where the data reach as far to the left as to the right. Here low and high may "
            "be any: look at both ends.",
        ),
        Mistake(
            answer=lambda w, b, low, high: b <= -2 * w.abs(),
            hint="that is the rule of section 4, for data in [-2, 2]. Here low and high may be any: look at both ends.",
        ),
        Mistake(
            answer=lambda w, b, low, high: b <= 0,
            hint="a negative bias alone kills nobody: w x may be larger than -b somewhere in the data.",
        ),
        Mistake(
            answer=lambda w, b, low, high: torch.minimum(w * low + b, w * high + b) <= 0,
            hint="those are the units that are off for some input. Dead means off for all: look at the larger end.",
        ),
        Mistake(
            answer=lambda w, b, low, high: max(w * low + b, w * high + b) <= 0,
            hint="the right idea; but Python's max, and, or want a single True or False, and w holds many units: use "
            "torch.maximum, & or |.",
        ),
        Mistake(
            answer=lambda w, b, low, high: w * high + b <= 0,
            hint="right for w > 0. For w < 0 the input of the unit is largest at the left end.",
        ),
        Mistake(
            answer=lambda w, b, low, high: w * low + b <= 0,
            hint="right for w < 0. For w > 0 the input of the unit is largest at the right end.",
        ),
        Mistake(
            answer=lambda w, b, low, high: torch.maximum(w * low + b, w * high + b) < 0,
            hint="almost: an input of exactly 0 gets the slope 0 as well, so a largest input of 0 is dead too.",
        ),
        Mistake(
            answer=lambda w, b, low, high: torch.where(w > 0, -b / w >= high, -b / w <= low),
            hint="right but for w = 0: such a unit is b everywhere, and has no kink to look for.",
        ),
        Mistake(
            answer=lambda w, b, low, high: (w != 0) & dead_on(w, b, low, high),
            hint="right but for w = 0: such a unit is b everywhere, and dead if b is not positive.",
        ),
        Mistake(
            answer=lambda w, b, low, high: torch.maximum(w * low + b, w * high + b) > 0,
            hint="those are the living. Turn it round.",
        ),
    ),
    hints=(
        "A unit is dead if w x + b <= 0 for all x from low to high. Where in the interval is w x + b largest?",
        "A straight line is largest at one of the two ends; which one depends on the sign of w. torch.maximum takes both.",
    ),
    remark="two products decide for the whole interval; in a box of more dimensions the larger of two for each input, added "
    "up with b.",
)


def soft(x: Tensor, lambd: float) -> Tensor:
    return F.relu(x - lambd) - F.relu(-x - lambd)


SOFT = Exercise(
    number="04.3",
    title="Softshrink from two ReLUs",
    minutes=3,
    difficulty=1,
    solution=soft,
    by_hand=ByHand(only=("relu",)),
    probes=(
        Probe(label="with lambda = 0.5", arguments=(torch.linspace(-3, 3, 24), 0.5), with_slope=True),
        Probe(label="with lambda = 2", arguments=(torch.linspace(-3, 3, 24), 2.0), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor([0.0]), 0.5), with_slope=True),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-2.5, 3).double().reshape(2, 3), 1.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, lambd: x - (F.relu(x + lambd) - F.relu(x - lambd) - lambd),
            hint="right but for rounding: in between there is to be an exact 0, which a difference of rounded numbers need not give.",
        ),
        Mistake(
            answer=lambda x, lambd: F.relu(x - lambd) + F.relu(-x - lambd),
            hint="the size is right and the sign is lost: to the left of -lambda the result must be negative.",
        ),
        Mistake(
            answer=lambda x, lambd: F.relu(x - lambd),
            hint="that is the right half. Below -lambda the function is x + lambda, not 0: a second ReLU makes it.",
        ),
        Mistake(
            answer=lambda x, lambd: F.relu(x) - lambd,
            hint="the shift belongs inside: relu(x - lambda) is 0 up to lambda, relu(x) - lambda is -lambda up to 0.",
        ),
        Mistake(
            answer=lambda x, lambd: x * (x.abs() > lambd),
            hint="that is Hardshrink: it keeps what is large as it is. Softshrink moves it towards 0 by lambda.",
        ),
        Mistake(
            answer=lambda x, lambd: F.relu(x - lambd) - F.relu(-x + lambd),
            hint="the second ReLU must begin at -lambda: it sees -x - lambda. Yours begins at +lambda, so that nothing is 0 "
            "in between.",
        ),
        Mistake(
            answer=lambda x, lambd: x - F.relu(x + lambd) + F.relu(x - lambd) + lambd,
            hint="right in exact arithmetic. But in between you add and subtract numbers that cancel only up to rounding, and "
            "Softshrink is there for its exact zeros: write it so that both ReLUs are 0.",
        ),
        Mistake(
            answer=lambda x, lambd: F.relu(x - lambd) - F.relu(x + lambd),
            hint="the second ReLU looks to the right as well. To see the left half, turn x round: -x.",
        ),
    ),
    hints=(
        "Above lambda the result is x - lambda. Which ReLU is that, and 0 up to lambda?",
        "Below -lambda it is x + lambda = -(-x - lambda). So the second ReLU sees -x - lambda, and is subtracted.",
    ),
    remark="a soft threshold is two ReLUs back to back: ReLU brings exact zeros on the left, Softshrink in the middle.",
)


def slim(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    alive = torch.maximum(w * low + b, w * high + b) > 0
    w, b, a = w[alive], b[alive], a[alive]
    size = w.abs()
    return w / size, b / size, a * size


def _alive(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return torch.maximum(w * low + b, w * high + b) > 0


def _slimmed(
    keep: Callable[[Tensor, Tensor, float, float], Tensor],
    rescale: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]],
) -> Callable[..., tuple[Tensor, ...]]:
    """An answer in two parts: which units are kept, and what becomes of those."""

    def answer(w: Tensor, b: Tensor, a: Tensor, low: float, high: float) -> tuple[Tensor, ...]:
        kept = keep(w, b, low, high)
        return rescale(w[kept], b[kept], a[kept])

    return answer


def _to_size_one(w: Tensor, b: Tensor, a: Tensor) -> tuple[Tensor, ...]:
    return w.sign(), b / w.abs(), a * w.abs()


_NOT_ZERO = W != 0
_W, _B = W[_NOT_ZERO], B[_NOT_ZERO]
_A = torch.tensor([1.0, -2.0, 0.5, 1.0, 3.0, -1.0, 2.0, -0.7, 1.5])

SLIM = Exercise(
    number="04.4",
    title="The same network, slimmer",
    minutes=8,
    difficulty=3,
    solution=slim,
    probes=(
        Probe(label="on [-2, 2]", arguments=(_W, _B, _A, -2.0, 2.0)),
        Probe(label="on [0, 5]", arguments=(3 * _W, _B, _A, 0.0, 5.0)),
        Probe(label="in float64, on [-4, -1]", arguments=(_W.double(), _B.double(), _A.double(), -4.0, -1.0)),
        Probe(
            label="on [-0.5, 1.25]", arguments=(torch.ones(2), torch.tensor([-1.4, -1.1]), torch.ones(2), -0.5, 1.25)
        ),
    ),
    mistakes=(
        Mistake(
            answer=_slimmed(_alive, lambda w, b, a: (w / w.abs(), b / w.abs(), a / w.abs())),
            hint="what w and b lose, a must gain: divide w and b by |w|, and multiply a by it.",
        ),
        Mistake(
            answer=_slimmed(_alive, lambda w, b, a: (w / w.abs(), b / w.abs(), a)),
            hint="w and b are smaller now, and so is what comes out of the unit: a must make up for it.",
        ),
        Mistake(
            answer=_slimmed(_alive, lambda w, b, a: (w / w.abs(), b, a * w.abs())),
            hint="with w alone the kink moves, since it is at -b / w: b must be divided as well.",
        ),
        Mistake(
            answer=_slimmed(_alive, lambda w, b, a: (w / w, b / w, a * w)),
            hint="ReLU(c x) = c ReLU(x) holds for c > 0 only. You divide by w itself, which turns the units with negative w "
            "round: divide by |w|.",
        ),
        Mistake(
            answer=_slimmed(_alive, lambda w, b, a: (w, b, a)),
            hint="the dead are gone. Now rescale each unit that is left, so that |w| = 1.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: w == w, _to_size_one),
            hint="rescaled as it should be; but the dead units are still there.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: ~_alive(w, b, low, high), _to_size_one),
            hint="you keep the dead. Turn the mask round.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: w * low + b > 0 or w * high + b > 0, _to_size_one),
            hint="Python's max, and, or want a single True or False, and w holds many units: use torch.maximum, & or |.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: (-b / w > low) & (-b / w < high), _to_size_one),
            hint="a unit whose kink lies outside the data may be on for all of them: it is a straight line there, and "
            "the network needs it.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: w * high + b > 0, _to_size_one),
            hint="you look at the right end alone. A unit with w < 0 is largest at the left end.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: torch.minimum(w * low + b, w * high + b) > 0, _to_size_one),
            hint="those are the units that are on for all of the data; those that are on for some are alive, too.",
        ),
        Mistake(
            answer=_slimmed(lambda w, b, low, high: torch.maximum(w * low + b, w * high + b) >= 0, _to_size_one),
            hint="a unit whose largest input is exactly 0 adds nothing and has the slope 0: it is dead as well.",
        ),
    ),
    hints=(
        "First the mask: a unit is alive if w x + b is positive at one end of the interval at least. w[mask] keeps it.",
        "ReLU(w x + b) = |w| ReLU((w x + b) / |w|), since |w| > 0.",
        "So w and b are divided by |w|, and a is multiplied by it.",
    ),
    remark="dead units and the scale are two ways in which weights can differ that these data cannot tell apart. To prune "
    "by the size of a weight alone is therefore to prune by an accident.",
)

QUIZ = Quiz(
    (
        Question(
            "Two ways to write ReLU return the same values everywhere. Then?",
            (
                Option(
                    "Training with either gives the same network",
                    False,
                    "Not where inputs are exactly 0: torch.maximum has the slope 0.5 there, and F.relu 0.",
                ),
                Option(
                    "Their slopes at 0 may still differ",
                    True,
                    "0, 0.5 and 1 all occur. It matters where zeros are not rare: zero weights, padding, empty pixels.",
                ),
                Option(
                    "Their slopes differ only at NaN",
                    False,
                    "There as well; but above all at 0, where the curve has its kink.",
                ),
            ),
        ),
        Question(
            "A unit of the first layer is off for every training example. Plain gradient descent goes on. Then?",
            (
                Option(
                    "It comes back when the layers above change",
                    False,
                    "They change its gradient from outside, and that is multiplied by a slope of 0.",
                ),
                Option(
                    "It stays off for good",
                    True,
                    "Its weights get no gradient, and the data below it do not move.",
                ),
                Option("It comes back with a smaller learning rate", False, "Any rate times 0 is 0."),
            ),
        ),
        Question(
            "Networks with 83 % zeros did better on unseen points than networks with 50 %. What did LeakyReLU, without a single zero, show?",
            (
                Option(
                    "That it was the height of the threshold, not the zeros",
                    True,
                    "With the same threshold and hardly a different curve, it did as well.",
                ),
                Option("That leaky units always win", False, "They did as well, not better."),
                Option(
                    "That more zeros are always better",
                    False,
                    "At 93 % zeros the accuracy had fallen below that at 50 %.",
                ),
            ),
        ),
    )
)
