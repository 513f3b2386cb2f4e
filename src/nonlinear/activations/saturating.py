"""Activations that flatten out on both sides (lesson 02)."""

import math

import torch
from torch import Tensor, nn

from nonlinear.activations.record import Activation, Interval, Paper, fixed


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x), for x < 0 multiplied through by e^x, so that no exponent is positive and nothing overflows."""
    return torch.exp(x.clamp(max=0)) / (1 + torch.exp(-x.abs()))


def sigmoid_derivative(x: Tensor) -> Tensor:
    """e^-|x| / (1 + e^-|x|)^2: the slope is even, and this form keeps its tail on both sides."""
    e = torch.exp(-x.abs())
    return e / (1 + e) ** 2


def sigmoid_derivative_from_output(y: Tensor) -> Tensor:
    """y (1 - y)."""
    return y * (1 - y)


SIGMOID = Activation(
    title="Sigmoid",
    function=sigmoid,
    derivative=sigmoid_derivative,
    derivative_from_output=sigmoid_derivative_from_output,
    formula=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    derivative_formula=r"\sigma'(x) = \sigma(x)\,\bigl(1 - \sigma(x)\bigr)",
    range=fixed(Interval.parse("(0, 1)")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    meaning={},
    torch_module=nn.Sigmoid,
    paper=Paper(
        authors="Rumelhart, Hinton and Williams",
        year=1986,
        title="Learning representations by back-propagating errors",
        url="https://doi.org/10.1038/323533a0",
    ),
    use="Probability of a yes in the output layer, and gates that open and close (LSTM, GRU, squeeze-and-excitation).",
    caveat="In hidden layers each one multiplies the gradient by at most 1/4, and its outputs are never zero-centred.",
)


def tanh(x: Tensor) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x), written for |x| with e^-2|x| - 1 and given the sign of x: nothing overflows."""
    m = torch.expm1(-2 * x.abs())
    return torch.copysign(-m / (2 + m), x)


def tanh_derivative(x: Tensor) -> Tensor:
    """1 / cosh^2 x as 4 e^-2|x| / (1 + e^-2|x|)^2, which keeps the tails."""
    e = torch.exp(-2 * x.abs())
    return 4 * e / (1 + e) ** 2


def tanh_derivative_from_output(y: Tensor) -> Tensor:
    """1 - y^2."""
    return 1 - y**2


TANH = Activation(
    title="Tanh",
    function=tanh,
    derivative=tanh_derivative,
    derivative_from_output=tanh_derivative_from_output,
    formula=r"\tanh x = \frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}",
    derivative_formula=r"\tanh' x = 1 - \tanh^2 x",
    range=fixed(Interval.parse("(-1, 1)")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    meaning={},
    torch_module=nn.Tanh,
    paper=Paper(
        authors="LeCun, Bottou, Orr and Müller",
        year=1998,
        title="Efficient BackProp",
        url="https://doi.org/10.1007/3-540-49430-8_2",
    ),
    use="Bounded, zero-centred hidden states (recurrent networks) and outputs that must lie between -1 and 1.",
    caveat="Its slope is below 1 everywhere but at 0, so the gradient shrinks through a deep stack of saturated units.",
)
