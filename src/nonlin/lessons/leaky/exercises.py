"""Exercises and quiz of lesson 05, leaky ReLU, PReLU and RReLU."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def my_leaky_relu(x: Tensor, a: float) -> Tensor:
    return torch.where(x > 0, x, a * x)


LINE = torch.linspace(-3, 3, 24)

ANY_SLOPE = Exercise(
    number="05.1",
    title="LeakyReLU for every slope",
    minutes=4,
    difficulty=1,
    solution=my_leaky_relu,
    by_hand=ByHand(without=("leaky_relu", "prelu", "rrelu")),
    probes=(
        Probe(label="for a = 0.01", arguments=(LINE, 0.01), with_slope=True),
        Probe(label="for a = 2", arguments=(LINE, 2.0), with_slope=True),
        Probe(label="for a = -1", arguments=(LINE, -1.0), with_slope=True),
        Probe(label="at x = 0, for a = 0.1", arguments=(torch.tensor([0.0]), 0.1), with_slope=True),
        # A slope that was chosen before it met x, torch.where(x > 0, 1.0, a), has been rounded to float32.
        Probe(label="in float64", arguments=(torch.arange(-3.0, 3).double().reshape(2, 3), 0.3), tolerance=1e-7),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, a: torch.maximum(a * x, x),
            hint="below zero max(ax, x) is ax only if a is at most 1: look at a = 2.",
        ),
        Mistake(
            answer=lambda x, a: torch.minimum(a * x, x),
            hint="the smaller of the two is LeakyReLU only if a is above 1; the larger only if it is not.",
        ),
        Mistake(
            answer=lambda x, a: (1 + a) / 2 * x + (1 - a) / 2 * x.abs(),
            hint="the values are right for every a. But at exactly 0 your slope is (1 + a) / 2, since the V, and a tie of ax and "
            "x as well, counts as half of each side there; torch returns a.",
        ),
        Mistake(
            answer=lambda x, a: torch.where(x > 0, x, a * x.abs()),
            hint="the size is right, the sign is not: below zero the function is a x, without the bars.",
        ),
        Mistake(
            answer=lambda x, a: torch.where(x >= 0, x, a * x),
            hint="the values are right everywhere; at exactly 0 your slope is 1, and torch's is a. Which branch does "
            "x = 0 take?",
        ),
        Mistake(
            answer=lambda x, a: x.clamp(min=0) + a * x.clamp(max=0),
            hint="the values are right everywhere; but at exactly 0 both of your pieces return the slope 0, so their sum "
            "does, and torch returns a.",
        ),
        Mistake(
            answer=lambda x, a: x if x > 0 else a * x,
            hint="x holds many numbers, and a Python if asks one question for all of them: torch.where asks each.",
        ),
        Mistake(
            answer=lambda x, a: torch.where(x > 0, x, a),
            hint="below zero the function is a times x, not the number a.",
        ),
        Mistake(
            answer=lambda x, a: torch.where(x > 0, x, -a * x),
            hint="the sign: below zero the slope is a. With a = 0.01 the output there is negative.",
        ),
    ),
    hints=(
        "Two pieces, chosen by the sign of x: torch.where(condition, this, that).",
        "The lower piece holds for x <= 0, zero included: so the condition for the upper one is x > 0.",
    ),
    remark="right for every a, and at 0 as well. A torch.where picks one piece, so that autograd has nothing to add up.",
)


def slope_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    return (gradient * x.clamp(max=0)).sum(dim=(0, 2, 3))


G = torch.linspace(-1, 2, 48, dtype=torch.float64).reshape(2, 3, 2, 4)
X = torch.linspace(2, -3, 48, dtype=torch.float64).reshape(2, 3, 2, 4).cos()

SLOPE_GRADIENT = Exercise(
    number="05.2",
    title="The gradient of one slope per channel",
    minutes=6,
    difficulty=2,
    solution=slope_gradient,
    probes=(
        Probe(label="for 3 channels", arguments=(G, X)),
        Probe(label="where all inputs are positive", arguments=(G, X.abs() + 1)),
        Probe(label="in float32", arguments=(torch.ones(1, 2, 1, 2), torch.tensor([[[[-1.0, 2]], [[-3, -4]]]]))),
    ),
    mistakes=(
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).sum(),
            hint="that is the gradient of one slope for the whole layer: with one per channel, keep dimension 1.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=0),
            hint="you summed over the images alone; every position of a channel uses the same slope: sum over these, too.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=1),
            hint="the other way round: keep dimension 1, the channels, and sum over the other three.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=(2, 3)),
            hint="one row for each image: all images share the slope, so sum over dimension 0, too.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).sum(dim=(0, 2, 3), keepdim=True),
            hint="the right numbers; without keepdim the shape is (channels,).",
        ),
        Mistake(
            answer=lambda gradient, x: gradient * x.clamp(max=0),
            hint="that is what each element contributes: add up over all that share a slope.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x).sum(dim=(0, 2, 3)),
            hint="the slope acts only where x is not positive: the other inputs must not contribute.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * (x <= 0)).sum(dim=(0, 2, 3)),
            hint="the derivative of a x with respect to a is x, not 1.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(max=0)).mean(dim=(0, 2, 3)),
            hint="the chain rule adds up over all places where the slope is used; a mean divides by their number.",
        ),
        Mistake(
            answer=lambda gradient, x: (gradient * x.clamp(min=0)).sum(dim=(0, 2, 3)),
            hint="that is the other half: the slope acts where x is negative.",
        ),
    ),
    hints=(
        "For one element: y = a x where x <= 0, so dy/da = x there, and 0 elsewhere: min(x, 0) in one expression.",
        "Multiply by the gradient, and add up over everything that shares the slope: all dimensions but number 1.",
    ),
    remark="one number a channel, from every image and every position. That sum over the whole tensor is what PReLU pays "
    "for learning.",
)


def logits_of(make_network: Callable[[], nn.Module], state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    network = make_network()
    network.load_state_dict(state)
    network.eval()
    return network(x)


def _forgotten(make_network: Callable[[], nn.Module], state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    network = make_network()
    network.load_state_dict(state)
    return network(x)


class _Drawn(nn.RReLU):
    """One whose draws are the same at every call, so that a check can compare."""

    def forward(self, x: Tensor) -> Tensor:
        share = torch.rand(x.shape, generator=torch.Generator().manual_seed(4), dtype=x.dtype)
        slope = self.lower + (self.upper - self.lower) * (share if self.training else 0.5)
        return torch.where(x > 0, x, slope * x)


def _make(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 8), _Drawn(), nn.Linear(8, 3))


POINTS = torch.tensor([[-1.0, 2.0], [0.5, -0.5], [3.0, 1.0]])

FORGOTTEN = Exercise(
    number="05.3",
    title="Find the bug: a checkpoint that cannot make up its mind",
    minutes=5,
    difficulty=2,
    solution=logits_of,
    probes=(
        Probe(label="for three points", arguments=(lambda: _make(0), _make(1).state_dict(), POINTS)),
        Probe(label="for one point", arguments=(lambda: _make(0), _make(2).state_dict(), POINTS[:1])),
    ),
    mistakes=(
        Mistake(
            answer=_forgotten,
            hint="the slopes are still drawn at random: every new network is in training mode, and so are its layers. "
            "Neither torch.no_grad() nor network.training = False, which reaches the outermost module alone, changes that.",
        ),
        Mistake(
            answer=lambda make_network, state, x: make_network().eval()(x),
            hint="evaluation mode is right now, but these are the first weights of a new network: load the state.",
        ),
        Mistake(
            answer=lambda make_network, state, x: make_network()(x),
            hint="neither the state is loaded nor the mode changed: keep both lines.",
        ),
        Mistake(
            answer=lambda make_network, state, x: logits_of(make_network, state, x).softmax(dim=1),
            hint="the mode is right; return the logits as they are, without a softmax.",
        ),
        Mistake(
            answer=lambda make_network, state, x: logits_of(make_network, state, x).argmax(dim=1),
            hint="the mode is right; return the logits, not the classes.",
        ),
    ),
    hints=(
        "Call it twice with the same arguments and compare. Which layer has a memory, or a die?",
        "One line is missing before the call: the one that tells all layers that training is over.",
    ),
    remark="a checkpoint holds weights and no mode: whoever loads it has to say eval(). Said to the whole network, it also "
    "decides what dropout and batch normalisation do.",
)


def prelu_backward(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
    for_x = torch.where(y > 0, gradient, a * gradient)
    for_a = (gradient * y.clamp(max=0)).sum() / a
    return for_x, for_a


def _from_output(factor: float = 1.0, power: int = -1, slope: float | None = None) -> object:
    """Wrong answers: another factor, another power of a, another slope."""

    def answer(gradient: Tensor, y: Tensor, a: float) -> tuple[Tensor, Tensor]:
        for_x = torch.where(y > 0, gradient, (a if slope is None else slope) * gradient)
        return for_x, factor * (gradient * y.clamp(max=0)).sum() * a**power

    return answer


FROM_OUTPUT = Exercise(
    number="05.4",
    title="PReLU's gradients from its output",
    minutes=8,
    difficulty=3,
    solution=prelu_backward,
    probes=(
        Probe(
            label="for a = 0.25",
            arguments=(torch.linspace(-1, 2, 12).double(), torch.linspace(-1, 3, 12).double(), 0.25),
        ),
        Probe(
            label="for a = 0.5, in two dimensions",
            arguments=(
                torch.linspace(2, -1, 6).double().reshape(2, 3),
                torch.arange(-3.0, 3).double().reshape(2, 3),
                0.5,
            ),
        ),
        Probe(label="in float32", arguments=(torch.ones(3), torch.tensor([-0.5, 0.5, 0.0]), 0.25)),
        Probe(
            label="for a = 2.5",
            arguments=(torch.linspace(-1, 2, 12).double(), torch.linspace(-1, 3, 12).double(), 2.5),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_from_output(power=0),
            hint="you used y where the input belongs: below zero y is a x, so x is y / a.",
        ),
        Mistake(
            answer=lambda gradient, y, a: (
                torch.where(y >= 0, gradient, a * gradient),
                (gradient * torch.where(y >= 0, 0.0, y / a)).sum(),
            ),
            hint="at exactly 0 the slope is a: 0 belongs to the lower piece.",
        ),
        Mistake(answer=_from_output(power=1), hint="multiplied in the wrong direction: x is y / a, not a y."),
        Mistake(
            answer=lambda gradient, y, a: (
                torch.where(y > 0, gradient, a * gradient),
                (gradient * torch.where(y > 0, y, y / a)).sum(),
            ),
            hint="you recovered the input; but the slope acts only where that is not positive, so only those count.",
        ),
        Mistake(
            answer=_from_output(slope=1.0),
            hint="the gradient of the slope is right; that of the input must be multiplied by a below zero.",
        ),
        Mistake(
            answer=_from_output(slope=0.0),
            hint="the gradient of the slope is right; that of the input is ReLU's: below zero it is a times the gradient.",
        ),
        Mistake(
            answer=lambda gradient, y, a: (
                torch.where(y > 0, gradient, gradient / a),
                prelu_backward(gradient, y, a)[1],
            ),
            hint="the gradient of the slope is right; that of the input is multiplied by a below zero, not divided.",
        ),
        Mistake(
            answer=lambda gradient, y, a: (torch.where(y > 0, y, a * y), prelu_backward(gradient, y, a)[1]),
            hint="the gradient of the slope is right; but for the input you passed on y: it is the gradient that goes back.",
        ),
        Mistake(
            answer=lambda gradient, y, a: (prelu_backward(gradient, y, a)[0], (gradient * y / a).sum()),
            hint="above zero the slope has no part in y: only the elements below count.",
        ),
        Mistake(
            answer=lambda gradient, y, a: (prelu_backward(gradient, y, a)[0], gradient * y.clamp(max=0) / a),
            hint="the slope is a single number, and so is its gradient: add up over all elements.",
        ),
        Mistake(
            answer=lambda gradient, y, a: tuple(reversed(prelu_backward(gradient, y, a))),
            hint="both are right, in the wrong order: first the gradient of the input, then that of the slope.",
        ),
    ),
    hints=(
        "For a > 0, y has the sign of x, so y tells which piece it is. Which x belongs to a y below zero?",
        "The gradient of a is the sum of g min(x, 0), and min(x, 0) is min(y, 0) / a.",
    ),
    remark="so PReLU could be run in place as long as a is above 0. But a is learned: at 0 the input cannot be recovered, "
    "and below 0 no output is negative, so that y no longer tells which piece it was.",
)

QUIZ = Quiz(
    (
        Question(
            "A layer of LeakyReLU(0.01) has only negative inputs, for all data. What can it do?",
            (
                Option("Nothing: its units are dead", False, "Their slope is 0.01: outputs vary, and gradients pass."),
                Option(
                    "What a linear layer can do, with small numbers",
                    True,
                    "For all data it is on one side of its kink: it multiplies by 0.01.",
                ),
                Option("The same as with positive inputs", False, "There the factor is 1, here it is 0.01."),
            ),
        ),
        Question(
            "All units of three layers are dead. ReLU is exchanged for LeakyReLU(0.01), and training goes on with momentum. "
            "Then?",
            (
                Option(
                    "Hardly anything: the lowest layer gets about a millionth of the gradient",
                    True,
                    "Each dead layer multiplies by 0.01 on the way back; momentum's steps shrink with the gradient.",
                ),
                Option(
                    "They revive, since no slope is 0",
                    False,
                    "A gradient that is not 0 need not be large enough to do anything in the time there is.",
                ),
                Option(
                    "The same as with Adam",
                    False,
                    "Adam divides by the size of the gradient, so that a millionth of it is enough, as section 3 shows.",
                ),
            ),
        ),
        Question(
            "A learned slope has ended at 2.5. What does this say?",
            (
                Option(
                    "The slope has diverged", False, "Slopes above 1 are as good as others; mirrored, it is one of 0.4."
                ),
                Option(
                    "With all weights before it and behind it changed accordingly, the slope would be 0.4",
                    True,
                    "PReLU with slope a is −a times PReLU with slope 1/a of −x: only the sides change places.",
                ),
                Option(
                    "PReLU is the larger of x and ax here",
                    False,
                    "For a > 1 it is the smaller of the two.",
                ),
            ),
        ),
    )
)
