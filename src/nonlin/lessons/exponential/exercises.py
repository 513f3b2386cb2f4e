"""Exercises and quiz of lesson 07, ELU, SELU and CELU."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def my_elu(x: Tensor, alpha: float) -> Tensor:
    below = torch.where(x > 0, 0.0, x)  # the branch that is not taken sees a harmless 0
    return torch.where(x > 0, x, alpha * torch.expm1(below))


STABLE = Exercise(
    number="07.1",
    title="Find the bugs: an ELU for autograd",
    minutes=6,
    difficulty=2,
    solution=my_elu,
    by_hand=ByHand(without=("elu", "celu")),
    probes=(
        Probe(label="between -3 and 3, for alpha = 2", arguments=(torch.linspace(-3, 3, 24), 2.0), with_slope=True),
        Probe(label="at x = 0, for alpha = 0.25", arguments=(torch.tensor([0.0]), 0.25), with_slope=True),
        Probe(label="at x = 100, for alpha = 1", arguments=(torch.tensor([100.0]), 1.0), with_slope=True),
        Probe(label="at x = 1000, for alpha = 1", arguments=(torch.tensor([1000.0]), 1.0), with_slope=True),
        Probe(
            label="next to 0, from -1e-6 to -0.1, for alpha = 1",
            arguments=(-torch.logspace(-6, -1, 11), 1.0),
            with_slope=True,
        ),
        Probe(label="at x = -100, for alpha = 2", arguments=(torch.tensor([-100.0]), 2.0)),
        Probe(label="at x = -1000, for alpha = 2", arguments=(torch.tensor([-1000.0]), 2.0), with_slope=True),
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
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x.double())).to(x.dtype),
            hint="float64 puts the overflow off to 710, and at 1000 the slope is still NaN: the input of the branch that is "
            "not taken must be harmless.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * (torch.exp(torch.where(x > 0, 0.0, x)) - 1)),
            hint="the slopes are right now. The value at -1e-6 is not: exp(x) - 1 loses the digits of a small x.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * (torch.exp(x.clamp(max=0)) - 1)),
            hint="no NaN any more. Two bugs are left: exp(x) - 1 loses the digits of a small x, and at 0 clamp has a "
            "kink, for which newer versions of torch take the slope 0.",
        ),
        Mistake(
            answer=lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0))),
            hint="nearly. Look at the slope at 0: there clamp, relu and abs have a kink, for which torch takes the slope "
            "0 (older versions 1 for clamp). torch.where around the input has none, if both of them ask x > 0.",
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


def celu_slope(x: Tensor, alpha: float) -> Tensor:
    return torch.exp(x.clamp(max=0) / alpha)


CELU_SLOPE = Exercise(
    number="07.2",
    title="The slope of CELU",
    minutes=4,
    difficulty=1,
    solution=celu_slope,
    probes=(
        Probe(label="between -3 and 3, for alpha = 2", arguments=(torch.linspace(-3, 3, 25), 2.0)),
        Probe(label="at x = 0, for alpha = 0.5", arguments=(torch.tensor([0.0]), 0.5)),
        Probe(label="at x = 1000, for alpha = 0.5", arguments=(torch.tensor([1000.0]), 0.5)),
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
            answer=lambda x, alpha: alpha * torch.exp(x.clamp(max=0) / alpha),
            hint="the chain rule also brings the inner derivative, 1 / alpha, and it cancels the alpha in front.",
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
            answer=lambda x, alpha: (x > 0) + (x <= 0) * torch.exp(x / alpha),
            hint="right where it gives a number. At x = 1000 the exponential is infinite, and infinity times the 0 of your "
            "mask is NaN: it must see a harmless number there.",
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


def lecun_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    torch.manual_seed(seed)
    return nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="linear")


def _drawn(
    fill: Callable[[Tensor], Tensor],
) -> Callable[[tuple[int, ...], int], Tensor]:
    """Another initialiser of torch with the same arguments."""

    def draw(shape: tuple[int, ...], seed: int) -> Tensor:
        torch.manual_seed(seed)
        return fill(torch.empty(shape))

    return draw


LECUN_NORMAL = Exercise(
    number="07.3",
    title="The initialiser that torch does not have",
    minutes=4,
    difficulty=2,
    solution=lecun_normal,
    probes=(
        Probe(label="for shape (64, 32)", arguments=((64, 32), 1), tolerance=1e-6),
        Probe(label="for shape (16, 8, 3, 3)", arguments=((16, 8, 3, 3), 2), tolerance=1e-6),
    ),
    mistakes=(
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_normal_(w, nonlinearity="selu")),
            hint="torch's gain for SELU is 3/4, and section 6 shows where that leads in 50 layers. LeCun's gain is 1.",
        ),
        Mistake(
            answer=_drawn(nn.init.kaiming_normal_),
            hint="that is a gain of √2, ReLU's, which kaiming_normal_ takes when no other is named. LeCun's gain is 1.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear")),
            hint="LeCun's rule keeps the signal on its way up: it divides by the fan-in.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear")),
            hint="the right standard deviation, but uniform draws: the exercise asks for normal ones.",
        ),
        Mistake(
            answer=_drawn(nn.init.xavier_normal_),
            hint="Xavier divides by the mean of fan-in and fan-out: equal to LeCun's only where the two are equal.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / math.sqrt(w.shape[1]))),
            hint="shape[1] is the fan-in of a linear layer. Each unit of a convolution sums over the positions of its kernel "
            "as well: count the numbers of w[0], or let torch count.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / math.sqrt(w.shape[0]))),
            hint="shape[0] is the number of outputs, which is not the fan-in.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / w[0].numel())),
            hint="1/n is the variance; std wants its root.",
        ),
        Mistake(
            answer=_drawn(nn.init.normal_),
            hint="standard deviation 1, whatever the fan-in: a signal grows by √n in every layer.",
        ),
    ),
    hints=(
        "Which initialiser of torch.nn.init divides by the root of the fan-in, and which gain does it need here?",
        "For which nonlinearity does calculate_gain return 1?",
    ),
    remark="and for a convolution it counts the fan-in for you.",
)


NORMAL = torch.special.ndtri((torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000)  # quantiles of N(0, 1)


def attraction(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    y = f(z)
    scale = 1 / y.std(correction=0)
    shift = -scale * y.mean()
    q = torch.ones((), dtype=z.dtype, requires_grad=True)
    mean_square = (scale * f(q.sqrt() * z) + shift).square().mean()
    return torch.autograd.grad(mean_square, q)[0]


def _attraction(
    scale_and_shift: Callable[[Tensor], tuple[Tensor | float, Tensor | float]],
    size: Callable[[float], float] = math.sqrt,
    kept: Callable[[Tensor], Tensor] = lambda h: h.square().mean(),
) -> Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]:
    """Answers that differ in one step: the difference of two sizes on both sides of 1."""

    def answer(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
        scale, shift = scale_and_shift(f(z))
        above, below = (kept(scale * f(size(q) * z) + shift) for q in (1.0005, 0.9995))
        return (above - below) / 0.001

    return answer


def _standardising(y: Tensor) -> tuple[Tensor, Tensor]:
    return 1 / y.std(), -y.mean() / y.std()


ATTRACTION = Exercise(
    number="07.4",
    title="Does it attract?",
    minutes=8,
    difficulty=3,
    solution=attraction,
    # Wide enough for a quotient of differences, and for a deviation that divides by n - 1.
    probes=(
        Probe(label="for SELU", arguments=(torch.selu, NORMAL), tolerance=2e-3),
        Probe(label="for sigmoid", arguments=(torch.sigmoid, NORMAL), tolerance=2e-3),
        Probe(label="for ReLU", arguments=(torch.relu, NORMAL), tolerance=2e-3),
    ),
    mistakes=(
        Mistake(
            answer=_attraction(lambda y: (1.0, 0.0)),
            hint="right for SELU, which has mean 0 and variance 1 by itself. Any other f first needs its scale and shift.",
        ),
        Mistake(
            answer=_attraction(lambda y: (1 / y.square().mean().sqrt(), 0.0)),
            hint="that is f with its gain: its mean square is 1, but its mean is not 0. A shift is missing, and the scale is "
            "that of the standard deviation.",
        ),
        Mistake(
            answer=_attraction(lambda y: (1 / y.std(), 0.0)),
            hint="the shift is missing (or, in h'² + h h'', the jump of h' at a kink): take the mean of a f(z) away.",
        ),
        Mistake(
            answer=_attraction(lambda y: (1 / y.std(), -y.mean())),
            hint="the shift comes after the scale: a f(z) has the mean a E[f].",
        ),
        Mistake(
            answer=_attraction(lambda y: (1 / y.var(), -y.mean() / y.var())),
            hint="a variance is a square: the scale is 1 over its root.",
        ),
        Mistake(
            answer=_attraction(_standardising, size=lambda q: q),
            hint="twice as much as it should be: q is the mean square, so z is multiplied by its root.",
        ),
        Mistake(
            answer=_attraction(_standardising, kept=lambda h: h.square().mean().sqrt()),
            hint="half of what it should be: the deviation of the mean square is asked for, without a root.",
        ),
        Mistake(
            answer=_attraction(_standardising, kept=lambda h: h.mean()),
            hint="that is how the mean of h changes: its mean square is asked for.",
        ),
        Mistake(
            answer=lambda f, z: (
                torch.autograd.functional.jacobian(lambda x: f(x).sum(), z).square().mean() / f(z).var()
            ),
            hint="that is what a layer does to the mean square of a gradient, not to a deviation of the signal.",
        ),
    ),
    hints=(
        "First scale and shift: 1 over the standard deviation of f(z), and what takes the mean away after it.",
        "h(√q z) is h for inputs of mean square q. Compute its mean square for a q that wants a gradient, or for two q.",
        "q = torch.ones((), dtype=z.dtype, requires_grad=True), then torch.autograd.grad of the mean square by q.",
    ),
    remark="below 1 it attracts: SELU 0.78; sigmoid, scaled and shifted, 0.72; ReLU, scaled and shifted, is exactly at 1.",
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
            "The weights between a tanh and a SELU layer: which gain keeps the mean square?",
            (
                Option("SELU's, because SELU comes next", False, "The weights sum up what tanh puts out."),
                Option("Tanh's, about 1.6", True, "The gain makes up for what the activation before the weights took."),
                Option(
                    "Torch's ¾ for SELU", False, "That is for weights behind SELU, and leads to another fixed point."
                ),
            ),
        ),
    )
)
