"""Activations that cut a part of the line to zero (lesson 04)."""

import math

import torch
from torch import Tensor, nn

from nonlin.activations.record import EXTENDED, NOT_NEGATIVE, REAL, Activation, Interval, Kink, Paper, Parameter, fixed

SHRINKAGE = Paper(
    authors="Donoho and Johnstone",
    year=1994,
    title="Ideal spatial adaptation by wavelet shrinkage",
    url="https://doi.org/10.1093/biomet/81.3.425",
)


def relu(x: Tensor) -> Tensor:
    """max(0, x)."""
    return x.clamp(min=0)


def relu_derivative(x: Tensor) -> Tensor:
    """1 above zero, 0 elsewhere; 0 at zero, as torch has it."""
    return (x > 0).to(x.dtype)


def relu_derivative_from_output(y: Tensor) -> Tensor:
    """ReLU's slope, from its output: y is positive just where x is."""
    return (y > 0).to(y.dtype)


RELU = Activation(
    name="relu",
    title="ReLU",
    function=relu,
    derivative=relu_derivative,
    derivative_from_output=relu_derivative_from_output,
    integers="kept",
    formula=r"\operatorname{ReLU}(x) = \max(0, x)",
    derivative_formula=r"\operatorname{ReLU}'(x) = \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}",
    range=fixed(Interval.parse("[0, inf)")),
    kinks=fixed((Kink(at=0.0, slope=0.0),)),
    smoothness=fixed(0),
    takes={},
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


def squared_relu(x: Tensor) -> Tensor:
    """max(0, x)^2."""
    return relu(x) ** 2


def squared_relu_derivative(x: Tensor) -> Tensor:
    """2 max(0, x), whose own slope at 0 is 0, as that of torch's ReLU."""
    return torch.where(x <= 0, 0, 2 * x)


SQUARED_RELU = Activation(
    name="squared_relu",
    title="Squared ReLU",
    function=squared_relu,
    derivative=squared_relu_derivative,
    derivative_from_output=None,  # 2 √y, but y overflows, or is rounded to 0, where 2x is an ordinary number
    formula=r"f(x) = \max(0, x)^{2}",
    derivative_formula=r"f'(x) = 2 \max(0, x)",
    range=fixed(Interval.parse("[0, inf)")),
    kinks=fixed(()),
    smoothness=fixed(1),
    takes={},
    torch_module=None,
    paper=Paper(
        authors="So, Mańke, Liu, Dai, Shazeer and Le",
        year=2021,
        title="Primer: Searching for efficient transformers for language modeling",
        url="https://arxiv.org/abs/2109.08668",
    ),
    use="Feed-forward blocks of language models in which exact zeros are to save work, without a gate.",
    caveat="Twice the input gives four times the output, so it wants normalised inputs and overflows early in float16.",
)


def threshold(x: Tensor, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """x above the threshold, value elsewhere."""
    return x.masked_fill(x <= threshold, value)


def threshold_derivative(x: Tensor, threshold: float = 1.0, value: float = 0.0) -> Tensor:
    """1 above the threshold, 0 elsewhere, at the threshold too."""
    return (x > threshold).to(x.dtype)


def _threshold_range(threshold: float, value: float) -> Interval:
    # The smallest interval around {value} and (threshold, inf): the values between the two are never taken.
    return Interval(low=min(value, threshold), high=math.inf, low_closed=value <= threshold, high_closed=False)


def Threshold(threshold: float = 1.0, value: float = 0.0, inplace: bool = False) -> nn.Threshold:
    """``torch.nn.Threshold``, which has no defaults of its own, with ours."""
    return nn.Threshold(threshold, value, inplace)


THRESHOLD = Activation(
    name="threshold",
    title="Threshold",
    function=threshold,
    derivative=threshold_derivative,
    derivative_from_output=None,  # where value > threshold, y = value comes from x = value as well as from small x
    integers="kept",
    formula=r"f(x) = \begin{cases} x & x > \theta \\ v & x \le \theta \end{cases}",
    derivative_formula=r"f'(x) = \begin{cases} 1 & x > \theta \\ 0 & x \le \theta \end{cases}",
    range=_threshold_range,
    kinks=lambda threshold, value: (Kink(at=threshold, slope=0.0),),
    smoothness=lambda threshold, value: 0 if value == threshold else -1,
    takes={
        "threshold": Parameter("θ", 1.0, EXTENDED, "the input up to which x is replaced"),
        "value": Parameter("v", 0.0, EXTENDED, "what x is replaced with"),
    },
    torch_module=Threshold,
    # The paper has it with value 0, as TRec; torch has the general form from Torch7.
    paper=Paper(
        authors="Konda, Memisevic and Krueger",
        year=2014,
        title="Zero-bias autoencoders and the benefits of co-adapting features",
        url="https://arxiv.org/abs/1402.3337",
    ),
    use="Hidden units without a bias, which are on only for inputs above a fixed threshold; θ = v = 0 is ReLU.",
    caveat="It jumps by θ - v at the threshold, and inputs below it get no gradient that could move them across.",
)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, 0 elsewhere."""
    return x.masked_fill(x.abs() <= lambd, 0)


def hardshrink_derivative(x: Tensor, lambd: float = 0.5) -> Tensor:
    """1 where |x| > lambd, 0 elsewhere, at both thresholds too."""
    return (x.abs() > lambd).to(x.dtype)


def hardshrink_derivative_from_output(y: Tensor, lambd: float = 0.5) -> Tensor:
    """Hardshrink's slope, from its output: y is 0 just where |x| <= lambd."""
    return (y != 0).to(y.dtype)


def _shrink_kinks(lambd: float) -> tuple[Kink, ...]:
    # With lambd = 0 both functions are the identity, and yet torch returns the slope 0 at 0, and so do we.
    return (Kink(at=-lambd, slope=0.0), Kink(at=lambd, slope=0.0)) if lambd > 0 else ()


HARDSHRINK = Activation(
    name="hardshrink",
    title="Hardshrink",
    function=hardshrink,
    derivative=hardshrink_derivative,
    derivative_from_output=hardshrink_derivative_from_output,
    output_suffices=lambda lambd: lambd >= 0,  # else an output of 0 has the slope 1
    formula=r"f(x) = \begin{cases} x & \lvert x \rvert > \lambda \\ 0 & \text{else} \end{cases}",
    derivative_formula=r"f'(x) = \begin{cases} 1 & \lvert x \rvert > \lambda \\ 0 & \text{else} \end{cases}",
    range=fixed(REAL),  # around the values that are taken: 0 and those with |y| > lambd
    kinks=_shrink_kinks,
    smoothness=lambda lambd: -1 if lambd > 0 else math.inf,
    takes={"lambd": Parameter("λ", 0.5, EXTENDED, "inputs up to this size become 0; none does if it is below 0")},
    torch_module=nn.Hardshrink,
    paper=SHRINKAGE,
    use="Denoising by thresholding: small coefficients are set to zero, and the large ones are kept as they are.",
    caveat="It jumps by λ at both thresholds, and an input between them gets no gradient.",
)


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd sign(x) where |x| > lambd, 0 elsewhere: every input moves towards 0 by lambd, and stops there."""
    return (x - lambd * torch.sign(x)).masked_fill(x.abs() <= lambd, 0)


def softshrink_derivative(x: Tensor, lambd: float = 0.5) -> Tensor:
    """1 where |x| > lambd, 0 elsewhere, at both thresholds too."""
    return (x.abs() > lambd).to(x.dtype)


def softshrink_derivative_from_output(y: Tensor, lambd: float = 0.5) -> Tensor:
    """Softshrink's slope, from its output: y is 0 just where |x| <= lambd, as different numbers never differ by 0."""
    return (y != 0).to(y.dtype)


SOFTSHRINK = Activation(
    name="softshrink",
    title="Softshrink",
    function=softshrink,
    derivative=softshrink_derivative,
    derivative_from_output=softshrink_derivative_from_output,
    formula=r"f(x) = \begin{cases} x - \lambda & x > \lambda \\ x + \lambda & x < -\lambda \\"
    r" 0 & \text{else} \end{cases}",
    derivative_formula=r"f'(x) = \begin{cases} 1 & \lvert x \rvert > \lambda \\ 0 & \text{else} \end{cases}",
    range=fixed(REAL),
    kinks=_shrink_kinks,
    smoothness=lambda lambd: 0 if lambd > 0 else math.inf,
    takes={"lambd": Parameter("λ", 0.5, NOT_NEGATIVE, "how far every input moves towards 0")},
    torch_module=nn.Softshrink,
    paper=SHRINKAGE,
    use="Sparse codes: it is the proximal operator of λ times the absolute value, applied after each gradient step.",
    caveat="Large inputs lose λ as well, which biases them towards 0, and an input between -λ and λ gets no gradient.",
)
