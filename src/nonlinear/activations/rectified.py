"""Activations that cut a part of the line to zero (lesson 03)."""

from torch import Tensor, nn

from nonlinear.activations.record import Activation, Interval, Kink, Paper, fixed


def relu(x: Tensor) -> Tensor:
    """max(0, x)."""
    return x.clamp(min=0)


def relu_derivative(x: Tensor) -> Tensor:
    """1 above zero, 0 elsewhere; 0 at zero, as torch has it."""
    return (x > 0).to(x.dtype)


def relu_derivative_from_output(y: Tensor) -> Tensor:
    """The same: y is positive just where x is."""
    return (y > 0).to(y.dtype)


RELU = Activation(
    title="ReLU",
    function=relu,
    derivative=relu_derivative,
    derivative_from_output=relu_derivative_from_output,
    formula=r"\operatorname{ReLU}(x) = \max(0, x)",
    derivative_formula=r"\operatorname{ReLU}'(x) = \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}",
    range=fixed(Interval.parse("[0, inf)")),
    kinks=fixed((Kink(at=0.0, slope=0.0),)),
    smoothness=fixed(0),
    meaning={},
    torch_module=nn.ReLU,
    paper=Paper(
        authors="Nair and Hinton",
        year=2010,
        title="Rectified linear units improve restricted Boltzmann machines",
        url="https://www.cs.toronto.edu/~hinton/absps/reluICML.pdf",
    ),
    use="The default for hidden layers of feed-forward and convolutional networks, with He initialisation.",
    caveat="A unit whose input is negative for every example gets no gradient and may never recover.",
)
