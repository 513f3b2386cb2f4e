"""Exercises and quiz of lesson 08, Swish, GELU, Mish and softplus."""

import math

import torch
from torch import Tensor

from nonlin.exercises.by_hand import AUTOGRAD, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe, number_line
from nonlin.exercises.quiz import Option, Question, Quiz


def silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s + x * s * (1 - s)


SILU_SLOPE = Exercise(
    number="08.1",
    title="The slope of SiLU",
    minutes=3,
    difficulty=1,
    solution=silu_slope,
    probes=(
        *number_line(torch.float64),
        Probe(label="between 3 and 8", arguments=(torch.linspace(3, 8, 11).double(),), tolerance=1e-14),
        Probe(label="in float32, at x = 100", arguments=(torch.tensor([100.0]),), tolerance=1e-30),
        Probe(label="in float32, at x = -100", arguments=(torch.tensor([-100.0]),), tolerance=1e-30),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: torch.sigmoid(x) + x * torch.exp(-x) / (1 + torch.exp(-x)) ** 2,
            hint="right but far on the left: at -100 e^-x is infinite in float32, and infinity over infinity is NaN.",
        ),
        Mistake(
            answer=lambda x: (gate := x.exp() / (1 + x.exp())) * (1 + x * (1 - gate)),
            hint="the formula is right; but e^100 is infinite in float32, and infinity over infinity is NaN: torch.sigmoid.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) * (1 - torch.sigmoid(x)),
            hint="that is the slope of the gate. x σ(x) is a product, and the product rule has two terms.",
        ),
        Mistake(
            answer=torch.sigmoid,
            hint="that is the first term of the product rule: the gate. The second holds the slope of the gate.",
        ),
        Mistake(
            answer=lambda x: x * torch.sigmoid(x) * (1 - torch.sigmoid(x)),
            hint="that is the second term of the product rule; the first, in which x is differentiated, is missing.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) + torch.sigmoid(x) * (1 - torch.sigmoid(x)),
            hint="two terms, but in the second one the factor x is missing: (x g)' = g + x g'.",
        ),
        Mistake(
            answer=lambda x: 1 + x * torch.sigmoid(x) * (1 - torch.sigmoid(x)),
            hint="the slope of x is 1, but the product rule multiplies it by the gate: the first term is σ(x).",
        ),
        Mistake(answer=lambda x: x * torch.sigmoid(x), hint="that is SiLU; its slope is asked for."),
        Mistake(
            answer=lambda x: torch.sigmoid(x) + x * torch.sigmoid(x),
            hint="the second term has the slope of the gate, σ (1 − σ), and not the gate.",
        ),
        Mistake(
            answer=lambda x: x * torch.sigmoid(x) + torch.sigmoid(x) * (1 - torch.sigmoid(x)),
            hint="the x stands at the wrong term: (x g)' = g + x g'.",
        ),
    ),
    hints=(
        "SiLU is a product of two functions of x. What does the product rule say of (x g)'?",
        "The slope of the gate σ is σ (1 − σ), by lesson 03.",
    ),
    remark="½ at 0, 0 at the bottom of the dip, x = −1.28, and 1 opposite to it, at x = 1.28. Beyond that it lies above 1 "
    "(at most 1.1, at x = 2.4) and comes down to 1 from above.",
)


def beta_gradient(x: Tensor, beta: Tensor, gradient: Tensor) -> Tensor:
    s = torch.sigmoid(beta * x)
    return (gradient * x**2 * s * (1 - s)).sum()


BETA = Exercise(
    number="08.2",
    title="The gradient of β",
    minutes=5,
    difficulty=2,
    solution=beta_gradient,
    by_hand=ByHand(without=(AUTOGRAD,)),
    probes=(
        Probe(
            label="for a vector, with β = 1",
            arguments=(
                torch.linspace(-3, 3, 13).double(),
                torch.tensor(1.0).double(),
                torch.linspace(-1, 2, 13).double(),
            ),
            tolerance=1e-12,
        ),
        Probe(
            label="for a matrix, with β = 2.5",
            arguments=(
                torch.linspace(-2, 2, 12).double().reshape(3, 4),
                torch.tensor(2.5).double(),
                torch.linspace(1, -2, 12).double().reshape(3, 4),
            ),
            tolerance=1e-12,
        ),
        Probe(
            label="in float32, with 100 and -100 among the inputs",
            arguments=(torch.tensor([100.0, 1.0, -100.0]), torch.tensor(1.0), torch.ones(3)),
            tolerance=1e-6,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, beta, gradient: gradient * x**2 * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x),
            hint="right for each element. But one β serves them all: its gradient is the sum.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (gradient * x * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)).sum(),
            hint="one factor x is missing: x stands in front of the gate, and the chain rule brings it once more out of βx.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (x**2 * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)).sum(),
            hint="that is the slope of the summed outputs. The gradient that comes from above has to be multiplied in, "
            "element by element.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (gradient * x**2 * torch.sigmoid(x) * torch.sigmoid(-x)).sum(),
            hint="right for β = 1 alone: the gate is σ(βx).",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (
                gradient * x**2 * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)
            ).mean(),
            hint="the sum, not the mean: β has an effect on the loss through every element, and effects add up.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (
                gradient * beta * x * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)
            ).sum(),
            hint="you differentiated with respect to x inside the gate: the inner derivative of βx, with respect to β, is x.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (
                gradient.sum() * x**2 * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)
            ).sum(),
            hint="the gradient has to be multiplied in element by element, before anything is summed.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (
                gradient * beta * x**2 * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x)
            ).sum(),
            hint="right for β = 1 alone: the inner derivative of βx, with respect to β, is x, without a β.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (gradient * x * torch.sigmoid(beta * x)).sum(),
            hint="you multiplied the gradient by y itself, or left the gate as it is: σ(βx) is to be differentiated, by β.",
        ),
        Mistake(
            answer=lambda x, beta, gradient: (
                gradient * (torch.sigmoid(beta * x) + beta * x * torch.sigmoid(beta * x) * torch.sigmoid(-beta * x))
            ).sum(),
            hint="that is the slope with respect to x. Here x is held fixed, and β is what moves.",
        ),
    ),
    hints=(
        "Hold x fixed and differentiate x σ(βx) with respect to β: the chain rule, with inner derivative x.",
        "Each element gives g x · x · σ(βx) (1 − σ(βx)). One β serves all elements.",
    ),
    remark="each summand is positive times g: β grows where larger outputs are wanted, on either side of 0. This is what the "
    "package's Swish returns in backward.",
)


def gelu_with_tail(x: Tensor) -> Tensor:
    return 0.5 * x * torch.erfc(-x / math.sqrt(2))


def _textbook_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def _textbook_gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def my_gelu_tanh(x: Tensor) -> Tensor:
    return x * torch.sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))


def _in_the_tail(size: float) -> Probe:
    x = torch.tensor([-size])
    exact = x.double() * torch.sigmoid(math.sqrt(8 / math.pi) * (x.double() + 0.044715 * x.double() ** 3))
    tolerance = 1e-4 * exact.abs().item()
    return Probe(label=f"at x = −{size:g}, to 1 part in 10,000", arguments=(x,), tolerance=tolerance)


def _by_exponentials(x: Tensor) -> Tensor:
    power = torch.exp(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))
    return x * power / (1 + power)


TANH_TAIL = Exercise(
    number="08.3",
    title="Find the bug: the tail of the tanh form",
    minutes=4,
    difficulty=2,
    solution=my_gelu_tanh,
    by_hand=ByHand(without=("gelu",)),
    probes=(
        Probe(label="between −2 and 3", arguments=(torch.linspace(-2, 3, 21),), with_slope=True, tolerance=1e-6),
        *map(_in_the_tail, (3.1, 5.0, 6.0, 8.0)),
        Probe(label="at x = 100", arguments=(torch.tensor([100.0]),)),
        # Wide enough for the usual 0.79788456 in place of the root.
        Probe(
            label="in float64",
            arguments=(torch.tensor([-3.0, 0.0, 3.0]).double(),),
            with_slope=True,
            tolerance=1e-7,
        ),
    ),
    mistakes=(
        Mistake(
            answer=_textbook_gelu_tanh,
            hint="between −2 and 3 all is well; at −5, tanh is so near to −1 that 1 + tanh has lost its digits. Which "
            "function is (1 + tanh u) / 2, without a difference?",
        ),
        Mistake(
            answer=lambda x: _textbook_gelu_tanh(x.double()).to(x.dtype),
            hint="float64 has more digits to lose, and at −8 none is left: 1 + tanh is still a difference. Which function is "
            "(1 + tanh u) / 2, without one?",
        ),
        Mistake(
            answer=_by_exponentials,
            hint="the left tail is saved, but on the right the exponential overflows. Which function of torch is "
            "e^2u / (1 + e^2u), without that?",
        ),
        Mistake(
            answer=gelu_with_tail,
            hint="that keeps the tail, of the exact GELU. Asked for is the tanh form, which is another function.",
        ),
        Mistake(
            answer=_textbook_gelu,
            hint="that is the exact GELU in its textbook form: another function, and with the same fault.",
        ),
        Mistake(
            answer=lambda x: x * torch.sigmoid(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
            hint="the right function at the wrong place: (1 + tanh u) / 2 is σ(2u), not σ(u).",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)),
            hint="that is the gate; GELU is x times the gate.",
        ),
        Mistake(
            answer=lambda x: x * torch.sigmoid(1.702 * x),
            hint="that is the sigmoid form, a coarser approximation: keep the polynomial in x.",
        ),
        Mistake(
            answer=lambda x: my_gelu_tanh(x) / 2,
            hint="half of what is wanted: the factor ½ is a part of the gate, (1 + tanh u) / 2 = σ(2u), so it goes as well.",
        ),
        Mistake(
            answer=lambda x: 2 * my_gelu_tanh(x),
            hint="twice too large: the factor ½ is a part of the gate, (1 + tanh u) / 2 = σ(2u).",
        ),
    ),
    hints=(
        "By lesson 03, tanh u = 2 σ(2u) − 1. Put that into (1 + tanh u) / 2.",
        "The 1 and the −1 cancel on paper, before the computer can lose anything: what remains is σ(2u).",
    ),
    remark="the same formula, and the digits are there down to x = −6 and beyond. That is how our gelu_tanh computes it.",
)


def my_softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


def _clamped_exponent(x: Tensor) -> Tensor:
    return torch.log1p(torch.exp(x.clamp(max=20)))


SOFTPLUS = Exercise(
    number="08.4",
    title="Find the bug: a softplus with both its tails",
    minutes=5,
    difficulty=2,
    solution=my_softplus,
    by_hand=ByHand(without=("softplus", "log_sigmoid")),
    probes=(
        Probe(label="between −3 and 3", arguments=(torch.linspace(-3, 3, 24),), with_slope=True),
        Probe(label="at x = 0", arguments=(torch.tensor([0.0]),), with_slope=True),
        Probe(
            label="between 3 and 12, where log(1 + e^x) is still above x in float32",
            arguments=(torch.linspace(3, 12, 37),),
            with_slope=True,
        ),
        Probe(label="at x = −20", arguments=(torch.tensor([-20.0]),), with_slope=True),
        Probe(label="at x = −80", arguments=(torch.tensor([-80.0]),)),
        Probe(label="at x = 20", arguments=(torch.tensor([20.0]),), with_slope=True),
        Probe(label="at whole numbers from 21 to 99", arguments=(torch.arange(21.0, 100.0),), with_slope=True),
        Probe(label="at x = 100", arguments=(torch.tensor([100.0]),), with_slope=True),
        Probe(label="in float64", arguments=(torch.tensor([-700.0, 3.0, 800.0]).double(),), with_slope=True),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: torch.where(x > 20, x, torch.log1p(torch.exp(x.clamp(max=20)))),
            hint="nearly: at 20 clamp has a kink of its own, and the slope there is not 1. Give the exponential a constant "
            "instead.",
        ),
        Mistake(
            answer=lambda x: torch.log(1 + torch.exp(x)),
            hint="both faults are still there: at −20 the 1 swallows e^x, and at 100 e^x overflows.",
        ),
        Mistake(
            answer=lambda x: torch.log1p(torch.exp(x)),
            hint="the left tail is right now: log1p keeps small numbers. At 100 e^x still overflows.",
        ),
        Mistake(
            answer=lambda x: torch.where(x > 20, x, torch.log1p(torch.exp(x))),
            hint="the values are right. But torch.where differentiates both branches, and at 100 the one that was not "
            "picked gives 0 times infinity: NaN.",
        ),
        Mistake(
            answer=lambda x: torch.where(x > 20, x, torch.log(1 + torch.exp(x))),
            hint="two faults: the left tail is swallowed by the 1, and at 100 autograd gets NaN from the branch of "
            "torch.where that was not picked.",
        ),
        Mistake(
            answer=lambda x: x.clamp(min=0) + torch.log1p(torch.exp(-x.abs())),
            hint="the values are right, to both sides. But at 0, clamp and abs have kinks, and the slope that autograd "
            "puts together there is not σ(0) = ½.",
        ),
        Mistake(
            answer=lambda x: x + torch.log1p(torch.exp(-x)),
            hint="now 100 is right, and the left tail is lost: x and the logarithm cancel there, or e^−x overflows.",
        ),
        Mistake(
            answer=lambda x: torch.logsumexp(torch.stack([x, torch.zeros_like(x)]), dim=0),
            hint="nothing overflows any more. But at −20 a small number is still added to a much larger one, which "
            "swallows it (logsumexp does so, too). log1p and logaddexp do better.",
        ),
        Mistake(
            answer=lambda x: -torch.log(torch.sigmoid(-x)),
            hint="right on paper, and the faults have only moved: at −20 σ(20) is rounded to 1, whose logarithm is 0, and "
            "far to the right σ(−x) underflows. Write log(1 + e^x) as the logarithm of a sum instead.",
        ),
        Mistake(
            answer=_clamped_exponent,
            hint="with the exponent clamped nothing overflows, but above 20 the function is constant: it should be x.",
        ),
        Mistake(
            answer=lambda x: torch.log(1 + torch.exp(x.clamp(max=20))),
            hint="with the exponent clamped nothing overflows, but above 20 the function is constant, where it should be x; "
            "and at −20 the 1 still swallows e^x.",
        ),
    ),
    hints=(
        "Each tail has a fault of its own: on the left the sum 1 + e^x, on the right e^x alone.",
        "log(1 + e^x) is log(e^0 + e^x). Which function of torch computes that from 0 and x, for two tensors, without a dim?",
    ),
    remark="torch.logaddexp is one smooth operation that keeps both tails, and its slope at 0 is ½. torch's softplus "
    "returns x itself above its threshold of 20, which in float32 is the same number.",
)


def uniform_gate(x: Tensor, a: float) -> Tensor:
    return x * ((x + a) / (2 * a)).clamp(0, 1)


UNIFORM = Exercise(
    number="08.5",
    title="Design an activation: a uniform threshold",
    minutes=5,
    difficulty=3,
    solution=uniform_gate,
    probes=(
        Probe(label="with a = 3", arguments=(torch.linspace(-5, 5, 41).double(), 3.0)),
        Probe(label="with a = 1", arguments=(torch.linspace(-3, 3, 25).double(), 1.0)),
        Probe(label="at x = 100 and −100, with a = 2", arguments=(torch.tensor([100.0, -100.0]), 2.0)),
        Probe(label="in float32, for a (2, 3) tensor", arguments=(torch.arange(-3.0, 3).reshape(2, 3), 2.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, a: ((x + a) / (2 * a)).clamp(0, 1),
            hint="that is the gate, P(T < x): the activation is x times the gate.",
        ),
        Mistake(
            answer=lambda x, a: x * ((x + a) / (2 * a)).clamp(min=0),
            hint="a probability cannot be above 1 either: clamp on both sides.",
        ),
        Mistake(
            answer=lambda x, a: x * ((x + a) / (2 * a)).clamp(max=1),
            hint="a probability cannot be below 0 either: clamp on both sides.",
        ),
        Mistake(
            answer=lambda x, a: x * (x + a) / (2 * a),
            hint="between −a and a that is right. Outside, a probability cannot be below 0 or above 1.",
        ),
        Mistake(
            answer=lambda x, a: x * (x + 3).clamp(0, 6) / 6,
            hint="that is Hardswish, the case a = 3; here a is a parameter.",
        ),
        Mistake(
            answer=lambda x, a: x * ((x + a) / a).clamp(0, 1),
            hint="your gate reaches 1 at x = 0. T is spread over a length of 2a, from −a to a.",
        ),
        Mistake(
            answer=lambda x, a: x * (x / a).clamp(0, 1),
            hint="that is for a threshold between 0 and a; here T lies between −a and a, and the gate is ½ at 0.",
        ),
        Mistake(
            answer=lambda x, a: x * (x + a).clamp(0, 6) / 6,
            hint="right for a = 3 alone: with any other a the gate has to rise over a length of 2a, and not of 6.",
        ),
        Mistake(
            answer=lambda x, a: (x + a) / (2 * a),
            hint="two things are missing: a probability cannot be below 0 or above 1, and the activation is x times it.",
        ),
        Mistake(
            answer=lambda x, a: x * (x / (2 * a)).clamp(0, 1),
            hint="your gate is 0 at x = 0. But half of the thresholds lie below 0: it starts to rise at x = −a.",
        ),
        Mistake(
            answer=lambda x, a: x * ((x - a) / (2 * a)).clamp(0, 1),
            hint="your gate starts to rise at x = a. T lies between −a and a: below −a none of it, below a all of it.",
        ),
        Mistake(
            answer=lambda x, a: x * ((a - x) / (2 * a)).clamp(0, 1),
            hint="that is P(T > x): the gate must open as x grows.",
        ),
    ),
    hints=(
        "T is equally likely anywhere from −a to a. What share of that interval lies below x?",
        "(x + a) / (2a), as long as it is between 0 and 1; then times x.",
    ),
    remark="with a = 3 this is Hardswish, which lesson 09 meets on small devices: a Swish with a uniform threshold, "
    "without an exponential. Its tail is exactly 0, so nothing is lost there; its slope jumps where the density of T does.",
)

QUIZ = Quiz(
    (
        Question(
            "A GELU layer in training mode sees the same input twice. What comes out?",
            (
                Option(
                    "The same both times", True, "The layer computes the mean of the random gate and draws nothing."
                ),
                Option("Different outputs, as with dropout", False, "The coin is in the derivation, not in the layer."),
                Option("The same in evaluation mode only", False, "GELU has no modes: nothing in it is drawn."),
            ),
        ),
        Question(
            "Why is 0.5 x (1 + erf(x / √2)) exactly 0 at x = −6 in float32, where GELU is −6 · 10⁻⁹?",
            (
                Option("e⁻¹⁸ underflows", False, "e⁻¹⁸ is 1.5 · 10⁻⁸, far above the smallest float32 number."),
                Option(
                    "erf rounds to −1, and the difference keeps nothing",
                    True,
                    "Near −1, float32 numbers are 6 · 10⁻⁸ apart; the tail is smaller. erfc computes it without a difference.",
                ),
                Option(
                    "The square root of 2 is not exact", False, "That shifts x by one part in ten million, no more."
                ),
            ),
        ),
        Question(
            "β of Swish is doubled, the weights and biases just in front are halved, and the weights just behind are doubled. "
            "What changes?",
            (
                Option("The network bends more sharply", False, "It would, if its inputs had stayed the same."),
                Option(
                    "Its outputs are halved", False, "Halved by the activation, and doubled by the weights behind it."
                ),
                Option(
                    "Nothing at all",
                    True,
                    "x σ(βx) = SiLU(βx) / β. So β adds no function that the weights could not make; it changes how they "
                    "are learned.",
                ),
            ),
        ),
        Question(
            "In this lesson's race, what happened when SiLU's dip was filled in with a flat line?",
            (
                Option("Training broke down", False, "It took as many steps as before."),
                Option("It became as slow as ReLU", False, "It stayed well ahead of ReLU."),
                Option(
                    "Nothing that could be measured", True, "On this problem the dip is not what makes SiLU quicker."
                ),
            ),
        ),
    )
)
