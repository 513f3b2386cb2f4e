"""Activations that let a part of a negative input through (lesson 05)."""

import math

import torch
from torch import Tensor, nn

from nonlin.activations.record import EXTENDED, REAL, Activation, Interval, Kink, Paper, Parameter


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x above zero, negative_slope * x elsewhere."""
    return torch.where(x > 0, x, negative_slope * x)


def leaky_relu_derivative(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """1 above zero, negative_slope elsewhere; negative_slope at zero, as torch has it."""
    return torch.where(x > 0, torch.ones_like(x), negative_slope)


def leaky_relu_derivative_from_output(y: Tensor, negative_slope: float = 0.01) -> Tensor:
    """LeakyReLU's slope, from its output, where negative_slope >= 0: y is positive just where x is."""
    return leaky_relu_derivative(y, negative_slope)


def _range(negative_slope: float) -> Interval:
    return Interval.parse("(-inf, inf)" if negative_slope > 0 else "[0, inf)")


def _kinks(negative_slope: float) -> tuple[Kink, ...]:
    return () if negative_slope == 1 else (Kink(at=0.0, slope=negative_slope),)


def _smoothness(negative_slope: float) -> float:
    return math.inf if negative_slope == 1 else 0  # with the slope 1 it is the identity


LEAKY_RELU = Activation(
    name="leaky_relu",
    title="LeakyReLU",
    function=leaky_relu,
    derivative=leaky_relu_derivative,
    derivative_from_output=leaky_relu_derivative_from_output,
    output_suffices=lambda negative_slope: negative_slope >= 0,  # else y > 0 on both sides of zero
    formula=r"\operatorname{LeakyReLU}(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}",
    derivative_formula=r"\operatorname{LeakyReLU}'(x) = \begin{cases} 1 & x > 0 \\ a & x \le 0 \end{cases}",
    range=_range,
    kinks=_kinks,
    smoothness=_smoothness,
    takes={"negative_slope": Parameter("a", 0.01, EXTENDED, "the slope below zero", learned_by="PReLU")},
    torch_module=nn.LeakyReLU,
    paper=Paper(
        authors="Maas, Hannun and Ng",
        year=2013,
        title="Rectifier nonlinearities improve neural network acoustic models",
        url="https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
    ),
    use="In place of ReLU where units die: below zero the gradient is small but, for a > 0, never zero.",
    caveat="It has no exact zeros, hence no sparsity, and a is one more number to choose.",
)


def prelu(x: Tensor, init: float = 0.25) -> Tensor:
    """x above zero, init * x elsewhere: PReLU before the first step, when its slope is still what it starts from."""
    return leaky_relu(x, init)


def prelu_derivative(x: Tensor, init: float = 0.25) -> Tensor:
    """1 above zero, init elsewhere; init at zero, as torch has it."""
    return leaky_relu_derivative(x, init)


PRELU = Activation(
    name="prelu",
    title="PReLU",
    function=prelu,
    derivative=prelu_derivative,
    # A slope that is learned may turn negative, and then y > 0 on both sides; its own gradient needs x in any case.
    derivative_from_output=None,
    formula=r"\operatorname{PReLU}(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}",
    derivative_formula=r"\operatorname{PReLU}'(x) = \begin{cases} 1 & x > 0 \\ a & x \le 0 \end{cases}",
    range=_range,
    kinks=_kinks,
    smoothness=_smoothness,
    takes={
        "init": Parameter(
            "a",
            0.25,
            EXTENDED,
            "the slope below zero from which learning starts; the record keeps it fixed",
            learned_by="PReLU",
        )
    },
    torch_module=nn.PReLU,
    paper=Paper(
        authors="He, Zhang, Ren and Sun",
        year=2015,
        title="Delving deep into rectifiers: Surpassing human-level performance on ImageNet classification",
        url="https://arxiv.org/abs/1502.01852",
    ),
    use="Networks that are to learn the slope below zero themselves, one for the layer or one for each channel.",
    caveat="Weight decay on a pulls it towards 0, and thus PReLU towards ReLU; the authors train a without it.",
)


def rrelu(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """x above zero, (lower + upper) / 2 * x elsewhere: RReLU in evaluation, with the mean of its random slopes."""
    return leaky_relu(x, (lower + upper) / 2)


def rrelu_derivative(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """1 above zero, (lower + upper) / 2 elsewhere, at zero too, as torch has it."""
    return leaky_relu_derivative(x, (lower + upper) / 2)


def rrelu_derivative_from_output(y: Tensor, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """RReLU's slope in evaluation, from its output, where lower + upper >= 0: y is positive just where x is."""
    return leaky_relu_derivative_from_output(y, (lower + upper) / 2)


def RReLU(lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> nn.RReLU:
    """``torch.nn.RReLU`` in evaluation mode: in training mode it draws a new slope for every negative input."""
    return nn.RReLU(lower, upper, inplace).eval()


RRELU = Activation(
    name="rrelu",
    title="RReLU",
    function=rrelu,
    derivative=rrelu_derivative,
    derivative_from_output=rrelu_derivative_from_output,
    output_suffices=lambda lower, upper: lower + upper >= 0,
    formula=r"\operatorname{RReLU}(x) = \begin{cases} x & x > 0 \\ \frac{l + u}{2}\, x & x \le 0 \end{cases}",
    derivative_formula=r"\operatorname{RReLU}'(x) = \begin{cases} 1 & x > 0 \\ \frac{l + u}{2} & x \le 0 \end{cases}",
    range=lambda lower, upper: _range((lower + upper) / 2),
    kinks=lambda lower, upper: _kinks((lower + upper) / 2),
    smoothness=lambda lower, upper: _smoothness((lower + upper) / 2),
    takes={
        "lower": Parameter("l", 1 / 8, REAL, "the smallest slope below zero that training draws", learned_by="PReLU"),
        "upper": Parameter("u", 1 / 3, REAL, "the largest slope below zero that training draws", learned_by="PReLU"),
    },
    conditions={
        "lower <= upper": lambda lower, upper: lower <= upper,
        "a finite upper - lower": lambda lower, upper: math.isfinite(upper - lower),  # as torch, which draws by it
    },
    torch_module=RReLU,
    paper=Paper(
        authors="Xu, Wang, Chen and Li",
        year=2015,
        title="Empirical evaluation of rectified activations in convolutional network",
        url="https://arxiv.org/abs/1505.00853",
    ),
    use="A leaky ReLU with noise as a regulariser: training draws the slope below zero at random for every input.",
    caveat="Training and evaluation compute different functions, so a forgotten model.eval() leaves outputs random.",
)
