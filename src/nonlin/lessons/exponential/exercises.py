"""Exercises and quiz of lesson 07, ELU, SELU and CELU."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def celu_slope(x: Tensor, alpha: float) -> Tensor:
    return torch.exp(x.clamp(max=0) / alpha)


CELU_SLOPE = Exercise(
    number="07.1",
    title="The slope of CELU",
    minutes=5,
    difficulty=1,
    solution=celu_slope,
    probes=(
        Probe(label="between -3 and 3, for alpha = 2", arguments=(torch.linspace(-3, 3, 25), 2.0)),
        Probe(label="at x = 0, for alpha = 0.5", arguments=(torch.tensor(0.0), 0.5)),
        Probe(label="at x = 1000, for alpha = 0.5", arguments=(torch.tensor(1000.0), 0.5)),
        Probe(
            label="in float64, for a (2, 3) tensor and alpha = 0.5",
            arguments=(torch.arange(-3.0, 3).double().reshape(2, 3), 0.5),
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, 1.0, alpha * torch.exp(x)).to(x.dtype),
            hint="that is ELU's slope, alpha e^x: it jumps at 0. In CELU the exponent is x / alpha.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, 1.0, torch.exp(x)).to(x.dtype),
            hint="alpha is missing: it stands in the exponent, too, and there the chain rule does not cancel it.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, 1.0, alpha * torch.exp(x / alpha)).to(x.dtype),
            hint="the inner derivative is missing: d/dx of x / alpha is 1 / alpha, and it cancels the alpha in front.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, 1.0, torch.exp(x / alpha) / alpha).to(x.dtype),
            hint="the alpha in front of CELU is missing: it cancels the 1 / alpha of the chain rule.",
        ),
        Mistake(
            answer=lambda x, alpha: alpha * torch.exp(x / alpha),
            hint="two bugs: the 1 / alpha of the chain rule is missing, which cancels the alpha in front; and above 0 the "
            "slope is 1.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.exp(x / alpha),
            hint="right below 0. Above 0 the slope is 1, and e^(x / alpha) grows without bound.",
        ),
        Mistake(
            answer=lambda x, alpha: alpha * torch.exp(x),
            hint="two bugs: that is ELU's slope below 0, where CELU has e^(x / alpha) and no alpha in front; and above 0 "
            "the slope is 1.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0) / alpha)),
            hint="that is the function; its slope is asked for.",
        ),
    ),
    hints=(
        "Below 0 CELU is alpha (e^(x / alpha) - 1). What does the chain rule bring, and what does it cancel?",
        "Below 0 the slope is e^(x / alpha), above 0 it is 1: one exponential with a clamped exponent does both.",
    ),
    remark="no alpha in front, so the slope is 1 at 0 from both sides for every alpha, and never above 1.",
)


def my_elu(x: Tensor, alpha: float) -> Tensor:
    below = torch.where(x > 0, 0.0, x)  # the branch that is not taken sees a harmless 0
    return torch.where(x > 0, x, alpha * torch.expm1(below))


STABLE = Exercise(
    number="07.2",
    title="Find the bugs: an ELU for autograd",
    minutes=10,
    difficulty=2,
    solution=my_elu,
    by_hand=ByHand(allows=("relu",)),
    probes=(
        Probe(label="between -3 and 3, for alpha = 2", arguments=(torch.linspace(-3, 3, 24), 2.0), with_slope=True),
        Probe(label="at x = 0, for alpha = 0.25", arguments=(torch.tensor(0.0), 0.25), with_slope=True),
        Probe(label="at x = 100, for alpha = 1", arguments=(torch.tensor(100.0), 1.0), with_slope=True),
        Probe(label="at x = -1e-6, for alpha = 1", arguments=(torch.tensor(-1e-6), 1.0)),
        Probe(label="at x = -100, for alpha = 2", arguments=(torch.tensor(-100.0), 2.0)),
        Probe(
            label="in float64, for a (2, 3) tensor and alpha = 1",
            arguments=(torch.arange(-3.0, 3).double().reshape(2, 3), 1.0),
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * (torch.exp(x) - 1)),
            hint="two bugs. Its slope at 100 is NaN: torch.where picks the right value, but e^100 in the other branch is "
            "infinite and backward multiplies it by 0. And exp(x) - 1 loses the digits of a small x.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x)),
            hint="expm1 mends the small x. But e^100 overflows in it as well, and its slope at 100 is still NaN: the input of "
            "the branch that is not taken must be harmless.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * (torch.exp(torch.where(x > 0, 0.0, x)) - 1)),
            hint="the slopes are right now. The value at -1e-6 is not: exp(x) - 1 loses the digits of a small x.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * (torch.exp(x.clamp(max=0)) - 1)),
            hint="no NaN any more. Two bugs are left: exp(x) - 1 loses the digits of a small x, and the kink of clamp at 0 "
            "gives a slope of 0 there.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0))),
            hint="nearly. Look at the slope at 0: there clamp, relu and abs have a kink, for which torch takes the slope "
            "0. torch.where around the input has none.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x >= 0, x, alpha * torch.expm1(torch.where(x >= 0, 0.0, x))),
            hint="at 0 you take the branch x, whose slope is 1. torch counts 0 to the exponential branch: alpha.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.minimum(x, torch.zeros_like(x)))),
            hint="nearly. Look at the slope at 0: there minimum has a kink, and torch gives each of the two sides half of the "
            "gradient. torch.where around the input has none.",
        ),
        Mistake(
            answer=lambda x, alpha: (
                torch.maximum(x, torch.zeros_like(x)) + alpha * torch.expm1(torch.where(x > 0, 0.0, x))
            ),
            hint="the half below 0 is right. In the other, maximum has a kink at 0, and torch gives each of its two sides "
            "half of the gradient: your slope there is alpha + 0.5. torch.where around the result has no kink.",
        ),
        Mistake(
            answer=lambda x, alpha: (
                torch.maximum(x, torch.zeros_like(x)) + torch.minimum(torch.zeros_like(x), alpha * (torch.exp(x) - 1))
            ),
            hint="that is how torch's documentation writes it, and autograd does not like it: kinks of maximum and minimum at "
            "0, a NaN at 100, and exp(x) - 1 loses the digits of a small x.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, torch.expm1(torch.where(x > 0, 0.0, x))),
            hint="alpha is missing.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.where(x > 0, 0.0, x) / alpha)),
            hint="that is CELU: in ELU the exponent is x, not x / alpha.",
        ),
    ),
    hints=(
        "Which number does the branch that is not taken see at x = 100? Give it another one.",
        "A torch.where around the input of the exponential, and another one around the result.",
        "torch.expm1(z) is e^z - 1 without the rounding. So: below = torch.where(x > 0, 0.0, x), and alpha expm1(below).",
    ),
    remark="values and slopes are right at 100, at 0 and next to it. The shortest way is two torch.where and one expm1.",
)


def layers_until_one_per_cent() -> int:
    return math.ceil(math.log(0.01) / math.log(0.7826))


LAYERS = Exercise(
    number="07.3",
    title="How fast does SELU forgive?",
    minutes=5,
    difficulty=1,
    solution=layers_until_one_per_cent,
    mistakes=(
        Mistake(answer=18, hint="0.7826 to the power of 18 is 0.0121: still above 1 %."),
        Mistake(answer=18.786, hint="the right equation; but a number of layers is whole: round up."),
        Mistake(answer=20, hint="19 are enough: 0.7826 to the power of 19 is 0.0095."),
        Mistake(
            answer=38,
            hint="no root here: it is the deviation of the mean square that is multiplied by 0.7826 per layer.",
        ),
        Mistake(answer=10, hint="after 10 layers 0.7826 to the power of 10, that is 8.6 %, is left."),
        Mistake(answer=4, hint="each layer keeps 0.7826 of the deviation; it does not take 0.7826 of it away."),
    ),
    hints=(
        "After n layers the deviation has been multiplied by 0.7826 to the power of n.",
        "Solve 0.7826^n <= 0.01 for n and round up.",
    ),
    remark="so in a network of 50 layers the first 20 repair what the inputs got wrong. (For small deviations.)",
)


def normalised(f: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    y = f(z)
    scale = 1 / y.std(correction=0)
    return scale, -scale * y.mean()


NORMAL = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)  # quantiles of N(0, 1)

NORMALISED = Exercise(
    number="07.4",
    title="A fixed point for any activation",
    minutes=10,
    difficulty=2,
    solution=normalised,
    probes=(
        Probe(label="for ReLU", arguments=(torch.relu, NORMAL), tolerance=1e-9),
        Probe(label="for sigmoid", arguments=(torch.sigmoid, NORMAL), tolerance=1e-9),
        Probe(label="for SELU", arguments=(torch.selu, NORMAL), tolerance=1e-9),
    ),
    mistakes=(
        Mistake(
            answer=lambda f, z: (1 / f(z).square().mean().sqrt(), -f(z).mean() / f(z).square().mean().sqrt()),
            hint="your scale is the gain, made of the mean square. Once the mean is gone, only the variance is left.",
        ),
        Mistake(
            answer=lambda f, z: (1 / f(z).std(correction=0), -f(z).mean()),
            hint="the shift comes after the scale: scale * f(z) has mean scale * E[f].",
        ),
        Mistake(
            answer=lambda f, z: (1 / f(z).var(correction=0), -f(z).mean() / f(z).var(correction=0)),
            hint="a variance is a square: divide by its root.",
        ),
        Mistake(
            answer=lambda f, z: (f(z).std(correction=0), -f(z).std(correction=0) * f(z).mean()),
            hint="turned round: multiplying by the standard deviation squares it. Divide by it.",
        ),
        Mistake(
            answer=lambda f, z: (1 / f(z).std(correction=0), f(z).mean() / f(z).std(correction=0)),
            hint="check the sign of the shift: it has to take the mean away.",
        ),
        Mistake(
            answer=lambda f, z: (-f(z).mean() / f(z).std(correction=0), 1 / f(z).std(correction=0)),
            hint="both are right, but in the wrong order: first the scale, then the shift.",
        ),
        Mistake(
            answer=lambda f, z: (1 / f(z).std(), -f(z).mean()),
            hint="two bugs: the shift comes after the scale, and scale * f(z) has mean scale * E[f]; and std needs "
            "correction=0, since z stands for the whole distribution.",
        ),
        Mistake(
            answer=lambda f, z: (1 / f(z).std(), -f(z).mean() / f(z).std()),
            hint="nearly: z stands for the whole distribution and not for a sample from it, so divide by n: correction=0.",
        ),
    ),
    hints=(
        "Which scale makes the standard deviation of f(z) equal to 1?",
        "Which shift takes away the mean of scale * f(z)?",
    ),
    remark="so any activation can be given the fixed point (0, 1). Whether it attracts is another question: section 7.",
)

LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772  # named as in the notebook


def alpha_dropout(y: Tensor, kept: Tensor, q: float) -> Tensor:
    lowest = -LAMBDA * ALPHA
    a = (q + q * (1 - q) * lowest**2) ** -0.5
    b = -a * (1 - q) * lowest
    return a * torch.where(kept, y, lowest) + b


LOWEST = -LAMBDA * ALPHA


def _dropped(low: float, a: Callable[[float], float], b: Callable[[float], float]) -> Callable[..., Tensor]:
    """The same with other constants."""
    return lambda y, kept, q: a(q) * torch.where(kept, y, low) + b(q)


def _standardised(u: Tensor) -> Tensor:
    return (u - u.mean()) / u.std()


def _scale(q: float, low: float = LOWEST) -> float:
    return (q + q * (1 - q) * low**2) ** -0.5


KEPT = torch.tensor([True, False, True, True, False, True])
OUTPUTS = torch.tensor([1.2, -0.5, 0.3, -1.7, 0.8, 0.0])

ALPHA_DROPOUT = Exercise(
    number="07.5",
    title="Alpha dropout by hand",
    minutes=15,
    difficulty=3,
    solution=alpha_dropout,
    by_hand=ByHand(),
    probes=(
        Probe(label="for q = 0.9", arguments=(OUTPUTS, KEPT, 0.9)),
        # ~kept * L has dtype float32, whatever y is: that is a rounding, not a bug
        Probe(label="for q = 0.5, in float64", arguments=(OUTPUTS.double(), KEPT, 0.5), tolerance=1e-6),
        Probe(label="for q = 1", arguments=(OUTPUTS, torch.ones(6, dtype=torch.bool), 1.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda y, kept, q: torch.where(kept, y, 0.0) / q,
            hint="that is ordinary dropout: a dropped unit becomes 0. Here it becomes SELU's lowest value.",
        ),
        Mistake(
            answer=_dropped(LOWEST, lambda q: 1.0, lambda q: 0.0),
            hint="the units are dropped to the right value; now repair mean and variance by a scale and a shift.",
        ),
        Mistake(
            answer=_dropped(LOWEST, _scale, lambda q: 0.0),
            hint="the variance is 1 again; the mean is not 0: the dropped units have pulled it down.",
        ),
        Mistake(
            answer=_dropped(LOWEST, lambda q: 1.0, lambda q: -(1 - q) * LOWEST),
            hint="the mean is 0 again; the variance is not 1.",
        ),
        Mistake(
            answer=_dropped(LOWEST, _scale, lambda q: -(1 - q) * LOWEST),
            hint="the shift comes after the scale: multiply it by a as well.",
        ),
        Mistake(
            answer=_dropped(LOWEST, _scale, lambda q: _scale(q) * (1 - q) * LOWEST),
            hint="check the sign of the shift: dropped units pull the mean down, so it must go up.",
        ),
        Mistake(
            answer=_dropped(-ALPHA, lambda q: _scale(q, -ALPHA), lambda q: _scale(q, -ALPHA) * (1 - q) * ALPHA),
            hint="SELU's lowest value is not -α, but -λα: the scale λ multiplies both pieces.",
        ),
        Mistake(
            answer=_dropped(
                LOWEST,
                lambda q: (q + (1 - q) * LOWEST**2) ** -0.5,
                lambda q: -((q + (1 - q) * LOWEST**2) ** -0.5) * (1 - q) * LOWEST,
            ),
            hint="q + (1 - q) L² is the mean square. The variance is that without the square of the mean.",
        ),
        Mistake(
            answer=_dropped(LOWEST, lambda q: _scale(q) ** 2, lambda q: -(_scale(q) ** 2) * (1 - q) * LOWEST),
            hint="a variance is a square: divide by its root.",
        ),
        Mistake(
            answer=lambda y, kept, q: _standardised(torch.where(kept, y, LOWEST)),
            hint="you took mean and variance of these few numbers. Scale and shift are constants, made of q and L alone: "
            "mean 0 and variance 1 are meant over all that could be dropped.",
        ),
        Mistake(
            answer=_dropped(LOWEST, lambda q: 1 / q, lambda q: -(1 - q) / q * LOWEST),
            hint="1/q repairs the mean of ordinary dropout. Compute the variance of what is left here, and divide by its "
            "root.",
        ),
        Mistake(
            answer=lambda y, kept, q: _scale(1 - q) * torch.where(kept, y, LOWEST) - _scale(1 - q) * q * LOWEST,
            hint="q is the probability that a unit is kept, not that it is dropped.",
        ),
    ),
    hints=(
        "Let u be y where it is kept, else L = -λα. With y of mean 0 and variance 1: what are E[u] and E[u²]?",
        "E[u] = (1 - q) L and E[u²] = q + (1 - q) L². So the variance is q + q (1 - q) L².",
        "a is 1 over the root of that variance, and b = -a (1 - q) L.",
    ),
    remark="that is what nn.AlphaDropout does. It is made for outputs of mean 0 and variance 1, and repairs nothing else.",
)

QUIZ = Quiz(
    (
        Question(
            "torch.where(x > 0, x, torch.expm1(x)) has a NaN slope at 100. Why?",
            (
                Option(
                    "Both branches are computed, and backward multiplies an infinite slope by 0",
                    True,
                    "torch.where selects values. Backward sends a 0 into the other branch, and 0 times infinity is NaN.",
                ),
                Option("expm1 is inaccurate there", False, "It is exact as far as float32 goes: infinite."),
                Option("x > 0 has no slope", False, "It needs none: the condition takes no part in backward."),
            ),
        ),
        Question(
            "α = 2. What is the slope just below 0, of ELU and of CELU?",
            (
                Option("2 and 1", True, "ELU's is α, so it jumps to 1 at 0; CELU's is e^(x/α), which is 1 there."),
                Option("1 and 1", False, "ELU's slope is α e^x: it is 1 at 0 only for α = 1."),
                Option("2 and ½", False, "½ is how CELU's slope falls off, 1/α, not its value."),
            ),
        ),
        Question(
            "SELU's λ and α make (0, 1) a fixed point of mean and variance. What else does it take to keep it?",
            (
                Option("Nothing", False, "With a gain of √2 the same λ and α lead away from it."),
                Option(
                    "Weights of variance 1/n, wide layers, and no ordinary dropout",
                    True,
                    "And it speaks of the start: training changes the weights, and with them mean and variance.",
                ),
                Option("Batch normalisation", False, "SELU was made to do without it."),
            ),
        ),
        Question(
            "The weights between a GELU and a SELU layer: which gain keeps the mean square?",
            (
                Option("SELU's, because SELU comes next", False, "The weights sum up what GELU puts out."),
                Option("GELU's, about 1.5", True, "The gain makes up for what the activation before the weights took."),
                Option(
                    'calculate_gain("gelu")', False, "There is none: it raises an error, for GELU as for most others."
                ),
            ),
        ),
    )
)
