"""Exercises and quiz of lesson 04, ReLU."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz

INF, NAN = math.inf, math.nan


def my_relu(x: Tensor) -> Tensor:
    return x.masked_fill(x <= 0, 0)


LIKE_TORCH = Exercise(
    number="04.1",
    title="Find the bug: a ReLU that minus infinity breaks",
    minutes=10,
    difficulty=2,
    solution=my_relu,
    by_hand=ByHand(),
    probes=(
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 24),), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor(0.0),), with_slope=True),
        Probe(label="at x = -inf", arguments=(torch.tensor(-INF),), with_slope=True),
        Probe(label="at x = inf", arguments=(torch.tensor(INF),), with_slope=True),
        Probe(label="at x = 3e38", arguments=(torch.tensor(3e38),), with_slope=True),
        Probe(label="at x = NaN", arguments=(torch.tensor(NAN),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-2.5, 3).double().reshape(2, 3),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: x * (x > 0),
            hint="at -inf this multiplies infinity by 0, and that is NaN. Choose a value instead of multiplying by a mask.",
        ),
        Mistake(
            answer=lambda x: torch.where(x > 0, x, 0.0),
            hint="right everywhere but at NaN: NaN > 0 is false, so that a NaN becomes 0 and nobody learns of it. Ask for x "
            "<= 0 instead.",
        ),
        Mistake(
            answer=lambda x: torch.maximum(x, torch.zeros_like(x)),
            hint="the values are right, and the slope at 0 is 0.5: maximum shares the gradient between two equal arguments.",
        ),
        Mistake(
            answer=lambda x: x if x > 0 else 0 * x,
            hint="x holds many numbers, and a Python if asks one question for all of them: torch.where asks each.",
        ),
        Mistake(
            answer=lambda x: (x + x.abs()) / 2,
            hint="at -inf this is infinity minus infinity, at 3e38 the sum overflows, and at 0 its slope is 0.5.",
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
        "torch.where(condition, a, b) and x.masked_fill(condition, value) choose. Which condition is false for NaN?",
        "The slope at 0 follows from the branch that 0 falls into: it must fall into the constant one.",
    ),
    remark="chosen, not multiplied; 0 falls into the flat branch; and a NaN stays a NaN, so that it can be found.",
)


def dead_on(w: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    return torch.maximum(w * low + b, w * high + b) <= 0


W = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 0.5, -0.5, 0.0, 0.0, 2.0])
B = torch.tensor([-3.0, 3.0, 0.5, -3.0, 3.0, -1.0, -1.0, -0.9, -1.0, 1.0, -6.0])

DEAD = Exercise(
    number="04.2",
    title="Which units are dead?",
    minutes=10,
    difficulty=2,
    solution=dead_on,
    probes=(
        Probe(label="on [-2, 2]", arguments=(W, B, -2.0, 2.0)),
        Probe(label="on [0, 5]", arguments=(W, B, 0.0, 5.0)),
        Probe(label="on [-4, -1]", arguments=(W.double(), B.double(), -4.0, -1.0)),
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
            hint="that is the rule of section 5, where the data reach as far to the left as to the right. Here low and high may "
            "be any: look at both ends.",
        ),
        Mistake(
            answer=lambda w, b, low, high: b <= -2 * w.abs(),
            hint="that is the rule of section 5, for data in [-2, 2]. Here low and high may be any: look at both ends.",
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
            hint="the right idea; but Python's max wants a single True or False, and w holds many units: use torch.maximum.",
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
            answer=lambda w, b, low, high: torch.maximum(w * low + b, w * high + b) > 0,
            hint="those are the living. Turn it round.",
        ),
    ),
    hints=(
        "A unit is dead if w x + b <= 0 for all x from low to high. Where in the interval is w x + b largest?",
        "A straight line is largest at one of the two ends; which one depends on the sign of w. torch.maximum takes both.",
    ),
    remark="two products decide for the whole interval; in more dimensions this would be a search over all corners.",
)


def layers_until_half() -> int:
    left, layers = 1.0, 0
    while left > 1 / 2:
        left, layers = left * (1 - 2**-4), layers + 1
    return layers


HALF_LOST = Exercise(
    number="04.3",
    title="Half of the inputs are lost",
    minutes=5,
    difficulty=2,
    solution=layers_until_half,
    mistakes=(
        Mistake(
            answer=8,
            hint="you added the losses: 8 times 1/16 is 1/2. Each layer loses 1/16 of what is left, so the shares multiply.",
        ),
        Mistake(
            answer=10, hint="(15/16)^10 is 0.524: after 10 layers a little more than half is left. One layer more."
        ),
        Mistake(answer=12, hint="(15/16)^11 is 0.492: half is lost one layer earlier."),
        Mistake(
            answer=6,
            hint="did you take 1/8? With 4 units, all are off with probability 1/2 times 1/2 times 1/2 times 1/2.",
        ),
        Mistake(answer=1, hint="that would be one unit: it is off for half of the inputs. A layer has 4."),
        Mistake(answer=16, hint="each layer loses one input in 16; how many layers lose half of them?"),
        Mistake(answer=4, hint="4 is the width. How likely is it that all 4 units are off at once?"),
        Mistake(
            answer=math.log(0.5) / math.log(1 - 2**-4),
            hint="right up to the last step: layers are whole. How many does it take to fall to half or below?",
        ),
    ),
    hints=(
        "All four units of a layer are off with probability 1/16: then nothing comes out, for this input, ever again.",
        "After L layers the share (15/16)^L is left. For which whole L is it first at most 1/2?",
    ),
    remark="with 4 units eleven layers lose half of the inputs, with 8 units 178, with 64 more than 10^19: narrow is what "
    "hurts.",
)


def soft(x: Tensor, lambd: float) -> Tensor:
    return F.relu(x - lambd) - F.relu(-x - lambd)


SOFT = Exercise(
    number="04.4",
    title="Softshrink from two ReLUs",
    minutes=5,
    difficulty=1,
    solution=soft,
    by_hand=ByHand(only=("relu",)),
    probes=(
        Probe(label="with lambda = 0.5", arguments=(torch.linspace(-3, 3, 24), 0.5), with_slope=True),
        Probe(label="with lambda = 2", arguments=(torch.linspace(-3, 3, 24), 2.0), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor(0.0), 0.5), with_slope=True),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-2.5, 3).double().reshape(2, 3), 1.0)),
    ),
    mistakes=(
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
    remark="a soft threshold is two ReLUs back to back: both bring exact zeros, one on the left, the other in the middle.",
)


def sparse_step(z: Tensor, x: Tensor, dictionary: Tensor, lambd: float, t: float) -> Tensor:
    return F.softshrink(z - t * dictionary.T @ (dictionary @ z - x), t * lambd)


_generator = torch.Generator().manual_seed(3)
_D = torch.randn(5, 8, generator=_generator)
_Z, _X = torch.randn(8, generator=_generator), torch.randn(5, generator=_generator)

STEP = Exercise(
    number="04.5",
    title="One step towards a sparse code",
    minutes=15,
    difficulty=3,
    solution=sparse_step,
    probes=(
        Probe(label="with t = 0.1, lambda = 2", arguments=(_Z, _X, _D, 2.0, 0.1), tolerance=1e-5),
        Probe(label="with t = 0.02, lambda = 10", arguments=(_Z, _X, _D, 10.0, 0.02), tolerance=1e-5),
        Probe(label="from z = 0", arguments=(torch.zeros(8), _X, _D, 0.5, 0.1), tolerance=1e-5),
    ),
    mistakes=(
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.softshrink(z - t * dictionary.T @ (dictionary @ z - x), lambd),
            hint="the threshold is t lambda, not lambda: a small step may shrink by a small amount only.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.softshrink(
                z + t * dictionary.T @ (dictionary @ z - x), t * lambd
            ),
            hint="that climbs: go against the gradient, with a minus.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: (
                F.softshrink(z, t * lambd) - t * dictionary.T @ (dictionary @ z - x)
            ),
            hint="shrink last: as it stands the gradient step moves the zeros away from 0 again.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: z - t * (dictionary.T @ (dictionary @ z - x) + lambd * z.sign()),
            hint="a step along the sign of z jumps across 0 and never stays there: no entry becomes exactly 0. Take the "
            "proximal step, which is softshrink.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: z - t * dictionary.T @ (dictionary @ z - x),
            hint="that is the gradient step alone; lambda is missing: shrink what it gives.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.softshrink(z - dictionary.T @ (dictionary @ z - x), t * lambd),
            hint="the step along the gradient has the length t, too.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.softshrink(z - t * (dictionary @ z - x), t * lambd),
            hint="D z - x has m entries and z has k: by the chain rule the gradient is D^T (D z - x).",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.hardshrink(
                z - t * dictionary.T @ (dictionary @ z - x), t * lambd
            ),
            hint="the absolute value belongs to the soft threshold; the hard one keeps what it does not cut.",
        ),
        Mistake(
            answer=lambda z, x, dictionary, lambd, t: F.softshrink(
                z - 2 * t * dictionary.T @ (dictionary @ z - x), t * lambd
            ),
            hint="the gradient of one half of the squared distance has no factor 2.",
        ),
    ),
    hints=(
        "The gradient of |D z - x|^2 / 2 with respect to z is D^T (D z - x).",
        "Take a step of length t against it. Then solve section 9's small problem with the penalty t lambda.",
        "F.softshrink(z - t * gradient, t * lambd)",
    ),
    remark="repeated until nothing moves, this is ISTA (Daubechies, Defrise and De Mol, 2004). A step is a linear layer with "
    "an activation: written out as layers with learned matrices it becomes LISTA (Gregor and LeCun, 2010).",
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
            "Half of a ReLU layer's outputs are zero. How much of the gradient of the next layer's weights is zero, for a "
            "batch of 256 images?",
            (
                Option("About half", False, "That is the gradient of the units. A weight adds up over the batch."),
                Option("About three quarters", False, "That is so for a single image."),
                Option(
                    "Almost nothing, unless units are dead",
                    True,
                    "A weight's gradient is a sum over images, and is 0 only if every term is.",
                ),
            ),
        ),
        Question(
            "Sparse networks did better on unseen points than dense ones. What did LeakyReLU, without a single zero, show?",
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
