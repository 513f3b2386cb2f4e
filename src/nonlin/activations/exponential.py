"""Activations that are linear above zero and approach a negative limit exponentially below it (lesson 07)."""

import math

import torch
from torch import Tensor, nn

from nonlin.activations.record import EXTENDED, Activation, Interval, Kink, Paper, Parameter, fixed
from nonlin.activations.saturating import exp_minus_one

# The fixed point of mean 0 and variance 1: with these, SELU of N(0, 1) has mean 0 and variance 1 again.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _above(x: Tensor, alpha: float) -> Tensor:
    """Where x itself is returned: above zero; at 0 as well where α is infinite, in float32 too, for then α 0 is NaN."""
    return x >= 0 if abs(alpha) > torch.finfo(torch.float32).max else x > 0


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x above zero, alpha (e^x - 1) elsewhere, by expm1, which keeps the digits of a small x; no exponent is positive.

    ``torch.where`` alone would not do: e^100 in the branch that is not taken makes the gradient 0 * inf = NaN.
    """
    return torch.where(_above(x, alpha), x, alpha * exp_minus_one(x.masked_fill(x > 0, 0)))


def below_zero(x: Tensor) -> Tensor:
    """min(x, 0), with the slope 0 at 0: where a second derivative jumps there, torch returns that of the right side."""
    return x.masked_fill(x >= 0, 0)


def elu_derivative(x: Tensor, alpha: float = 1.0) -> Tensor:
    """1 above zero, alpha e^x elsewhere; alpha at zero, as torch has it."""
    return torch.where(x > 0, 1.0, alpha * torch.exp(below_zero(x)))


def elu_derivative_from_output(y: Tensor, alpha: float = 1.0) -> Tensor:
    """1 where y > 0, y + alpha elsewhere, where alpha >= 0."""
    return torch.where(y > 0, 1.0, below_zero(y) + alpha)


ELU = Activation(
    name="elu",
    title="ELU",
    function=elu,
    derivative=elu_derivative,
    # In float32 this is 0 below about -17, where y rounds to -alpha. So it is in torch in place (nn.ELU(inplace=True));
    # otherwise it keeps x, and its slope lasts down to -103.97.
    derivative_from_output=elu_derivative_from_output,
    output_suffices=lambda alpha: 0 <= alpha < 2.0**100,  # else y > 0 on both sides of zero; and inf - inf is NaN
    output_suffices_in_half=False,
    formula=r"\operatorname{ELU}(x) = \begin{cases} x & x > 0 \\ \alpha\,(e^{x} - 1) & x \le 0 \end{cases}",
    derivative_formula=r"\operatorname{ELU}'(x) = \begin{cases} 1 & x > 0 \\ \alpha\,e^{x} & x \le 0 \end{cases}",
    range=lambda alpha: Interval.parse(f"({-alpha}, inf)" if alpha > 0 else "[0, inf)"),
    kinks=lambda alpha: () if alpha == 1 else (Kink(at=0.0, slope=alpha),),
    smoothness=lambda alpha: 1 if alpha == 1 else 0,
    takes={
        "alpha": Parameter(
            "α", 1.0, EXTENDED, "the limit towards minus infinity is -α, and α is the slope just below zero"
        )
    },
    torch_module=nn.ELU,
    paper=Paper(
        authors="Clevert, Unterthiner and Hochreiter",
        year=2015,
        title="Fast and accurate deep network learning by exponential linear units (ELUs)",
        url="https://arxiv.org/abs/1511.07289",
    ),
    use="Hidden layers that need negative outputs to bring the mean nearer to zero, and no kink (α = 1).",
    caveat="Far below zero its slope vanishes as a sigmoid's does, and every negative input costs an exponential.",
)


def selu(x: Tensor) -> Tensor:
    """scale * x above zero, scale * alpha (e^x - 1) elsewhere."""
    return torch.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * exp_minus_one(x.masked_fill(x > 0, 0)))


def selu_derivative(x: Tensor) -> Tensor:
    """scale above zero, scale * alpha e^x elsewhere; scale * alpha at zero, as torch has it."""
    return torch.where(x > 0, SELU_SCALE, SELU_SCALE * SELU_ALPHA * torch.exp(below_zero(x)))


def selu_derivative_from_output(y: Tensor) -> Tensor:
    """scale where y > 0, y + scale * alpha elsewhere."""
    return torch.where(y > 0, SELU_SCALE, below_zero(y) + SELU_SCALE * SELU_ALPHA)


SELU = Activation(
    name="selu",
    title="SELU",
    function=selu,
    derivative=selu_derivative,
    derivative_from_output=selu_derivative_from_output,
    output_suffices_in_half=False,
    formula=r"\operatorname{SELU}(x) = \lambda \begin{cases} x & x > 0 \\ \alpha\,(e^{x} - 1) & x \le 0 \end{cases},"
    r"\quad \lambda = 1.0507009873554805,\ \alpha = 1.6732632423543772",
    derivative_formula=r"\operatorname{SELU}'(x) = \lambda"
    r" \begin{cases} 1 & x > 0 \\ \alpha\,e^{x} & x \le 0 \end{cases}",
    range=fixed(Interval.parse(f"({-SELU_SCALE * SELU_ALPHA}, inf)")),
    kinks=fixed((Kink(at=0.0, slope=SELU_SCALE * SELU_ALPHA),)),
    smoothness=fixed(0),
    takes={},
    torch_module=nn.SELU,
    paper=Paper(
        authors="Klambauer, Unterthiner, Mayr and Hochreiter",
        year=2017,
        title="Self-normalizing neural networks",
        url="https://arxiv.org/abs/1706.02515",
    ),
    use="Deep fully connected networks without normalisation layers, with LeCun-normal weights and alpha dropout.",
    caveat="Mean 0 and variance 1 hold only with those weights and no ordinary dropout; its slope jumps at 0.",
)


def _over(x: Tensor, alpha: float) -> Tensor:
    """x / α, for an α that would be rounded to 0 over the smallest ordinary number: 0 / 0 is NaN."""
    return x / math.copysign(max(abs(alpha), torch.finfo(x.dtype).tiny), alpha)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x above zero, alpha (e^(x / alpha) - 1) elsewhere, by expm1; no exponent is positive for alpha > 0."""
    return torch.where(_above(x, alpha), x, alpha * exp_minus_one(_over(x.masked_fill(x > 0, 0), alpha)))


def celu_derivative(x: Tensor, alpha: float = 1.0) -> Tensor:
    """e^(min(x, 0) / alpha): 1 at zero and above."""
    return torch.exp(_over(below_zero(x), alpha))


def celu_derivative_from_output(y: Tensor, alpha: float = 1.0) -> Tensor:
    """1 + min(y, 0) / alpha."""
    return 1 + below_zero(y) / alpha


CELU = Activation(
    name="celu",
    title="CELU",
    function=celu,
    derivative=celu_derivative,
    derivative_from_output=celu_derivative_from_output,
    output_suffices=lambda alpha: 2.0**-100 < abs(alpha) < 2.0**100,  # else y may be rounded to 0, or NaN
    output_suffices_in_half=False,
    formula=r"\operatorname{CELU}(x) = \begin{cases} x & x > 0 \\ \alpha\,(e^{x/\alpha} - 1) & x \le 0 \end{cases}",
    derivative_formula=r"\operatorname{CELU}'(x) = \begin{cases} 1 & x > 0 \\ e^{x/\alpha} & x \le 0 \end{cases}",
    range=lambda alpha: Interval.parse(f"({-alpha if alpha > 0 else -math.inf}, inf)"),
    kinks=fixed(()),
    smoothness=fixed(1),
    takes={
        "alpha": Parameter(
            "α", 1.0, EXTENDED, "the limit towards minus infinity is -α if α > 0, and a larger α bends more slowly"
        )
    },
    conditions={"alpha != 0": lambda alpha: alpha != 0},
    torch_module=nn.CELU,
    paper=Paper(
        authors="Barron",
        year=2017,
        title="Continuously differentiable exponential linear units",
        url="https://arxiv.org/abs/1704.07483",
    ),
    use="In place of ELU where α is not 1: the slope has no kink for any α, and never exceeds 1.",
    caveat="Far below zero its slope vanishes; with α = 1 it is ELU and brings nothing new.",
)
