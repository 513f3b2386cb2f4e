"""Exercises and quiz of lesson 15, functions of coordinates."""

import math

import torch
from torch import Tensor

from nonlin.exercises.by_hand import AUTOGRAD, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def likeness(difference: Tensor, frequencies: Tensor) -> Tensor:
    return torch.cos(2 * torch.pi * difference @ frequencies).sum(dim=1)


_AT = torch.tensor([[0.0, 0.0], [0.25, -0.5], [1.0, 0.3], [-0.7, 0.9]])
_WAVES = torch.tensor([[1.0, 0.0, -2.5], [0.0, 3.0, 0.5]])

LIKENESS = Exercise(
    number="15.1",
    title="What two places have in common",
    minutes=4,
    difficulty=2,
    solution=likeness,
    probes=(
        Probe(label="for four differences and three waves", arguments=(_AT, _WAVES), tolerance=1e-5),
        Probe(label="in float64, on a line", arguments=(_AT[:, :1].double(), _WAVES[:1].double()), tolerance=1e-12),
    ),
    mistakes=(
        Mistake(
            answer=lambda d, waves: torch.cos(d @ waves).sum(dim=1),
            hint="a wave of frequency 1 is to be complete after one unit of length: the 2π is missing.",
        ),
        Mistake(
            answer=lambda d, waves: torch.sin(2 * math.pi * d @ waves).sum(dim=1),
            hint="at a difference of 0 the two places are the same, and the product is largest; a sine is 0 there.",
        ),
        Mistake(
            answer=lambda d, waves: torch.cos(2 * math.pi * d @ waves),
            hint="that is what each wave contributes: the inner product is the sum over the waves.",
        ),
        Mistake(
            answer=lambda d, waves: torch.cos(2 * math.pi * d @ waves).mean(dim=1),
            hint="an inner product is a sum, not a mean.",
        ),
        Mistake(
            answer=lambda d, waves: torch.cos(2 * math.pi * (d @ waves).sum(dim=1)),
            hint="you added the angles; each wave has a cosine of its own, and those are added.",
        ),
        Mistake(
            answer=lambda d, waves: (2 * math.pi * d @ waves).cos().sum(1) + (2 * math.pi * d @ waves).sin().sum(1),
            hint="those are the features of the difference, summed. Write out cos a cos b + sin a sin b.",
        ),
        Mistake(
            answer=lambda d, waves: torch.cos(2 * math.pi * d @ waves).sum(dim=0),
            hint="you summed over the places: each difference has a product of its own, so sum over the waves, dim=1.",
        ),
    ),
    hints=(
        "The features of one wave are cos α, sin α at one place and cos β, sin β at the other. What is their product?",
        "cos α cos β + sin α sin β = cos(α - β), and α - β needs the difference alone.",
    ),
    remark="so how far apart the features of two places lie depends on their difference alone, the same everywhere.",
)


def bounds(inputs: int, hidden: int, layers: int, frequency: float) -> tuple[float, ...]:
    widest = [1 / inputs]
    for _ in range(layers - 1):
        widest.append(math.sqrt(6 / hidden) / frequency)
    return tuple(widest)


def _bounds(rule):
    return lambda inputs, hidden, layers, frequency: tuple(
        rule(inputs if number == 0 else hidden, number, frequency) for number in range(layers)
    )


BOUNDS = Exercise(
    number="15.2",
    title="Find the bug: the weights of a SIREN",
    minutes=4,
    difficulty=2,
    solution=bounds,
    probes=(
        Probe(label="for 2 inputs, 64 units, 3 layers and ω = 30", arguments=(2, 64, 3, 30.0)),
        Probe(label="for 1 input, 256 units, 5 layers and ω = 10", arguments=(1, 256, 5, 10.0)),
        Probe(label="for 3 inputs, 16 units, one layer and ω = 30", arguments=(3, 16, 1, 30.0)),
        Probe(label="for 2 inputs, 2 units, 3 layers and ω = 30", arguments=(2, 2, 3, 30.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda inputs, hidden, layers, frequency: tuple(
                1 / n if n == inputs else math.sqrt(6 / n) / frequency for n in [inputs] + [hidden] * (layers - 1)
            ),
            hint="right unless a hidden layer has as many inputs as the first: tell them apart by their places.",
        ),
        Mistake(
            answer=_bounds(lambda n, number, frequency: math.sqrt(6 / n) / frequency),
            hint="the first layer gets coordinates, which no sine has made: its rule is another one.",
        ),
        Mistake(
            answer=_bounds(lambda n, number, frequency: math.sqrt(6 / n) if number else 1 / n),
            hint="the sine multiplies by ω what the weights of its layer give; who takes that back?",
        ),
        Mistake(
            answer=_bounds(lambda n, number, frequency: math.sqrt(6 / n) / frequency if number else 1 / n / frequency),
            hint="the first layer is to make waves: there ω must not be taken back.",
        ),
        Mistake(
            answer=_bounds(lambda n, number, frequency: math.sqrt(6 / n) * frequency if number else 1 / n),
            hint="ω makes the angles larger already; larger weights make them larger still.",
        ),
        Mistake(
            answer=_bounds(lambda n, number, frequency: 6 / n / frequency if number else 1 / n),
            hint="a sum of n random terms grows with the square root of n, not with n.",
        ),
    ),
    hints=(
        "Which two layers does the text of section 4 treat differently, and why?",
        "First layer: 1 / n. All others: the square root of 6 / n, divided by ω.",
    ),
    remark="with the bound that forgets the first layer's rule, the waves stay slow; with one that forgets ω, a picture "
    "becomes noise.",
)


def curvature(f, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0]


def _detached(f, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


_POINTS = torch.linspace(-2, 2, 9, dtype=torch.float64)


def _quotient(f, x: Tensor) -> Tensor:
    return (f(x + 0.1) - 2 * f(x) + f(x - 0.1)) / 0.1**2


CURVATURE = Exercise(
    number="15.3",
    title="A second derivative by autograd",
    minutes=4,
    difficulty=2,
    solution=curvature,
    probes=(
        Probe(label="for sin", arguments=(torch.sin, _POINTS), tolerance=1e-9),
        Probe(label="for x³", arguments=(lambda x: x**3, _POINTS), tolerance=1e-9),
        Probe(label="for tanh, in two columns", arguments=(torch.tanh, _POINTS[:8].reshape(4, 2)), tolerance=1e-9),
    ),
    mistakes=(
        Mistake(answer=_detached, hint="that is the first derivative: differentiate once more."),
        Mistake(
            answer=_quotient, hint="a difference quotient is near, but not exact: let autograd differentiate twice."
        ),
        Mistake(
            answer=lambda f, x: _detached(f, x) ** 2,
            hint="that is the first derivative, squared; asked is the derivative of the derivative.",
        ),
        Mistake(
            answer=lambda f, x: curvature(lambda at: f(at) / x.numel(), x),
            hint="the mean divides every slope by the number of points: start from the sum.",
        ),
        Mistake(answer=lambda f, x: f(f(x)), hint="that is the function applied twice, not differentiated twice."),
        Mistake(answer=lambda f, x: -curvature(f, x), hint="the sign is turned: sin″ = −sin."),
    ),
    hints=(
        "torch.autograd.grad(..., create_graph=True) returns a slope that can be differentiated again.",
        "Each number of the sum depends on its own x alone, so the gradient of the sum is all slopes at once.",
    ),
    remark="create_graph=True keeps the way of the first derivative, so that a second one can go along it.",
)


def curvature_of_waves(x: Tensor, weight: Tensor, bias: Tensor, outer: Tensor, frequency: float) -> Tensor:
    angles = frequency * (x[:, None] * weight + bias)
    return -(frequency**2) * torch.sin(angles) @ (outer * weight**2)


def _waves(x: Tensor, weight: Tensor, bias: Tensor, frequency: float) -> Tensor:
    return torch.sin(frequency * (x[:, None] * weight + bias))


_LAYER = (
    torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64),
    torch.tensor([0.1, 0.4, -0.3], dtype=torch.float64),
    torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64),
)

WAVES = Exercise(
    number="15.4",
    title="The curvature of a layer of sines",
    minutes=6,
    difficulty=3,
    solution=curvature_of_waves,
    probes=(
        Probe(label="for three units, ω = 1", arguments=(_POINTS, *_LAYER, 1.0), tolerance=1e-9),
        Probe(label="for three units, ω = 5", arguments=(_POINTS, *_LAYER, 5.0), tolerance=1e-9),
    ),
    by_hand=ByHand(without=(AUTOGRAD,)),
    mistakes=(
        Mistake(
            answer=lambda x, w, b, a, k: _waves(x, w, b, k) @ a,
            hint="that is the network itself: differentiate it twice with respect to x.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: -_waves(x, w, b, k) @ (a * w**2),
            hint="at ω = 1 it is right; each derivative also brings a factor ω out of the sine.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: -k * _waves(x, w, b, k) @ (a * w**2),
            hint="one ω for two derivatives: each brings one out of the sine.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: -(k**2) * _waves(x, w, b, k) @ a,
            hint="the weight stands in front of x inside the sine: each derivative brings it out as well.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: k**2 * _waves(x, w, b, k) @ (a * w**2),
            hint="the derivative of cos is −sin: the sign is missing.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: k * (k * (x[:, None] * w + b)).cos() @ (a * w),
            hint="that is the first derivative; once more.",
        ),
        Mistake(
            answer=lambda x, w, b, a, k: -(k**2) * _waves(x, w, b, k) @ (a**2 * w**2),
            hint="the outer weights stand in front of the sines: a derivative leaves them as they are.",
        ),
    ),
    hints=(
        "One unit first: the second derivative of a sin(ω(wx + b)).",
        "It is −a ω² w² sin(ω(wx + b)). Sum over the units.",
    ),
    remark="a layer of sines is a sum of waves, and so is its second derivative: the same units, other outer weights. "
    "With ReLU in place of the sine nothing would be left of it.",
)

QUIZ = Quiz(
    (
        Question(
            "A ReLU network of coordinates paints a blurred picture. What helps most?",
            (
                Option("Five times as many steps", False, "Section 1 tried: two decibels."),
                Option("Wider layers", False, "Section 1 tried that, too: a fraction of a decibel."),
                Option("Waves: as inputs, or as the activation", True, "They put fast changes where gradient descent finds them."),
            ),
        ),
        Question(
            "Why are half of the pixels kept out of the training?",
            (
                Option("To save time", False, "All pixels would take a moment more."),
                Option(
                    "Without them, learning by heart looks like success",
                    True,
                    "The fastest waves were nearly perfect on the seen pixels and useless on the others.",
                ),
                Option("A network cannot learn all of them", False, "The fastest waves learned theirs almost without an error."),
            ),
        ),
        Question(
            "Why is the first layer of a SIREN drawn by another rule?",
            (
                Option("It gets coordinates, not sines", True, "Its weights set the frequencies that the picture is made of."),
                Option("It is smaller", False, "The number of inputs is in both rules."),
                Option("It has no bias", False, "It has one."),
            ),
        ),
        Question(
            "A ReLU network is to fulfil u″ = g at some points. What does gradient descent do about it?",
            (
                Option("It converges slowly", False, "Slowly would be something."),
                Option("Nothing: u″ is 0 whatever the weights", True, "So the error does not depend on them, and the gradient is exactly 0."),
                Option("It diverges", False, "A gradient of 0 moves nothing."),
            ),
        ),
        Question(
            "Which of these has a second derivative that an equation can be fitted with?",
            (
                Option("Leaky ReLU", False, "It is straight on both sides: the second derivative is 0."),
                Option("Softplus", True, "It is smooth: its second derivative is a bump around 0."),
                Option("Hardtanh", False, "Three straight pieces."),
            ),
        ),
    )
)  # fmt: skip
