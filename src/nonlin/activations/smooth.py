"""Smooth relatives of ReLU (lesson 08).

At minus infinity x σ(x) and its kin are minus infinity times 0, which is NaN, in torch as here.
"""

import math

import torch
from torch import Tensor, nn

from nonlin.activations.record import EXTENDED, REAL, Activation, Interval, Kink, Paper, Parameter, fixed
from nonlin.activations.saturating import minus_abs, sigmoid, sigmoid_derivative, tanh, tanh_derivative

# Beyond it a slope differs from its limit by less than float64 can tell, and is computed at the bound instead, where no
# power of x overflows while the factor beside it is 0.
GELU_PAPER = Paper(
    authors="Hendrycks and Gimpel",
    year=2016,
    title="Gaussian error linear units (GELUs)",
    url="https://arxiv.org/abs/1606.08415",
)


GAUSSIAN_TAIL = 40.0
EXPONENTIAL_TAIL = 800.0

# The lowest values, found with 40 digits at the points where the slope is 0, and rounded down in the last digit.
SWISH_MINIMUM = -0.2784645427610738  # of x σ(x), at x = -1.2784645427610738: there f(x) = x + 1
GELU_MINIMUM = -0.1699712074799037  # at x = -0.7517915246935645
GELU_TANH_MINIMUM = -0.1700407505712541  # at x = -0.7524614220710163
MISH_MINIMUM = -0.3088434130172505  # at x = -1.1924312145154952

GELU_TANH_SCALE = math.sqrt(8 / math.pi)  # 2 √(2/π)

INVISIBLE_JUMP = 1e-6  # a smaller jump of a slope near 1 is lost in the roundings of a few float32 operations


def _held(x: Tensor, bound: float) -> Tensor:
    """x within plus and minus bound; as ``clamp``, whose slope at NaN is 0 and would hide it in a second derivative."""
    return x.masked_fill(x > bound, bound).masked_fill(x < -bound, -bound)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(βx)) / β, but x itself where βx > threshold: the value falls there by log(1 + e^-threshold) / β."""
    z = beta * x
    # log(1 + e^z) is max(z, 0) + log1p(e^-|z|), without a positive exponent and with its left tail. max(z, 0) / β is x
    # or 0, even where z overflows.
    return torch.where(z > threshold, x, x.masked_fill(z < 0, 0) + torch.log1p(torch.exp(minus_abs(z))) / beta)


def softplus_derivative(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """σ(βx), but 1 where βx > threshold: by default a jump of 2e-9, too small for float32."""
    z = beta * x
    # At the threshold itself the second derivative is 0, that of the right side, as torch has it.
    return torch.where(z > threshold, 1.0, sigmoid(z.masked_fill(z == threshold, threshold)))


def _threshold_shows(threshold: float) -> bool:
    """Whether the slope jumps visibly at the threshold: by 1 - σ(threshold) = 1 / (1 + e^threshold)."""
    return -threshold > math.log(INVISIBLE_JUMP)


def softplus_kinks(beta: float, threshold: float) -> tuple[Kink, ...]:
    """None by default; at threshold / β, with the slope σ(threshold), where the threshold is so low that it shows."""
    if not _threshold_shows(threshold):
        return ()
    return (Kink(at=threshold / beta, slope=math.exp(min(threshold, 0)) / (1 + math.exp(-abs(threshold)))),)


def softplus_smoothness(beta: float, threshold: float) -> float:
    """Infinite, as that of the exact function; -1 where the threshold is so low that its jump shows."""
    return -1 if _threshold_shows(threshold) else math.inf


def softplus_range(beta: float, threshold: float) -> Interval:
    """(0, inf), or from threshold / β on where that is below 0; for a negative β, all this mirrored."""
    end = threshold / beta
    low, high = (min(0.0, end), math.inf) if beta > 0 else (-math.inf, max(0.0, end))
    return Interval(low=low, high=high, low_closed=False, high_closed=False)


SOFTPLUS = Activation(
    name="softplus",
    title="Softplus",
    function=softplus,
    derivative=softplus_derivative,
    # For the exact function the slope is 1 - e^(-βy). But the value falls at the threshold, so that just above
    # threshold / β an output belongs to two inputs, one on each side, with different slopes.
    derivative_from_output=None,
    formula=r"\operatorname{softplus}(x) = \frac{1}{\beta} \log\left(1 + e^{\beta x}\right)",
    derivative_formula=r"\operatorname{softplus}'(x) = \sigma(\beta x) = \frac{1}{1 + e^{-\beta x}}",
    range=softplus_range,
    kinks=softplus_kinks,
    smoothness=softplus_smoothness,
    takes={
        "beta": Parameter("β", 1.0, EXTENDED, "how sharply it bends: the larger, the nearer to ReLU"),
        "threshold": Parameter("threshold", 20.0, EXTENDED, "the value of βx above which x itself is returned"),
    },
    conditions={"beta != 0": lambda beta, threshold: beta != 0},
    torch_module=nn.Softplus,
    paper=Paper(
        authors="Dugas, Bengio, Bélisle, Nadeau and Garcia",
        year=2000,
        title="Incorporating second-order functional knowledge for better option pricing",
        url="https://papers.nips.cc/paper_files/paper/2000/hash/44968aece94f667e4095002d140b5896-Abstract.html",
    ),
    use="Outputs that must be positive, such as a variance or a rate.",
    caveat="Its outputs are all positive, log 2 / β at 0, so in a hidden layer they are neither centred nor sparse.",
)


def swish(x: Tensor, beta: float = 1.0) -> Tensor:
    """x σ(βx)."""
    return x * sigmoid(beta * x)


def swish_derivative(x: Tensor, beta: float = 1.0) -> Tensor:
    """σ(βx) + βx σ'(βx), with βx held where neither changes any more, for it may overflow."""
    z = _held(beta * x, EXPONENTIAL_TAIL)
    return sigmoid(z) + z * sigmoid_derivative(z)


def swish_range(beta: float) -> Interval:
    """[-0.278 / β, inf); for β < 0 its mirror image, (-inf, 0.278 / |β|]; for β = 0, where it is x / 2, the line."""
    if beta == 0:
        return REAL
    end = SWISH_MINIMUM / beta
    if beta < 0:
        return Interval(low=-math.inf, high=end, low_closed=False, high_closed=True)
    return Interval(low=end, high=math.inf, low_closed=True, high_closed=False)


SWISH = Activation(
    name="swish",
    title="Swish",
    function=swish,
    derivative=swish_derivative,
    derivative_from_output=None,  # a negative output belongs to two inputs, one on each side of the minimum
    formula=r"\operatorname{swish}(x) = x\,\sigma(\beta x) = \frac{x}{1 + e^{-\beta x}}",
    derivative_formula=(
        r"\operatorname{swish}'(x) = \sigma(\beta x) + \beta x\,\sigma(\beta x)\,\bigl(1 - \sigma(\beta x)\bigr)"
    ),
    range=swish_range,
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={
        "beta": Parameter(
            "β",
            1.0,
            EXTENDED,
            "how sharply it bends: 0 gives x / 2, 1 gives SiLU, and growing values approach ReLU",
            learned_by="Swish",
        )
    },
    torch_module=None,
    paper=Paper(
        authors="Ramachandran, Zoph and Le",
        year=2017,
        title="Searching for activation functions",
        url="https://arxiv.org/abs/1710.05941",
    ),
    use="Hidden layers in place of ReLU where a slope without a jump is wanted and β is to be chosen or learned.",
    caveat="It needs an exponential for each element, and negative inputs do not give exact zeros, unlike with ReLU.",
)


def silu(x: Tensor) -> Tensor:
    """x σ(x), swish with β = 1."""
    return swish(x)


def silu_derivative(x: Tensor) -> Tensor:
    """σ(x) + x σ'(x); at an infinity infinity times 0, NaN, as in torch."""
    return sigmoid(x) + x * sigmoid_derivative(x)


SILU = Activation(
    name="silu",
    title="SiLU",
    function=silu,
    derivative=silu_derivative,
    derivative_from_output=None,  # a negative output belongs to two inputs, one on each side of the minimum
    formula=r"\operatorname{SiLU}(x) = x\,\sigma(x) = \frac{x}{1 + e^{-x}}",
    derivative_formula=r"\operatorname{SiLU}'(x) = \sigma(x) + x\,\sigma(x)\,\bigl(1 - \sigma(x)\bigr)",
    range=fixed(swish_range(1.0)),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.SiLU,
    # Hendrycks and Gimpel name it in 2016, in the paper on GELU.
    paper=Paper(
        authors="Elfwing, Uchibe and Doya",
        year=2017,
        title="Sigmoid-weighted linear units for neural network function approximation in reinforcement learning",
        url="https://arxiv.org/abs/1702.03118",
    ),
    use="Hidden layers of convolutional networks such as EfficientNet, and the gate of SwiGLU in language models.",
    caveat="It needs an exponential for each element; Hardswish approximates it without one.",
)


def gelu(x: Tensor) -> Tensor:
    """x Φ(x) with Φ(x) = erfc(-x / √2) / 2, which keeps the left tail."""
    return x * (torch.erfc(-x / math.sqrt(2)) / 2)


def gelu_derivative(x: Tensor) -> Tensor:
    """Φ(x) + x φ(x) with the normal density φ."""
    density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return torch.erfc(-x / math.sqrt(2)) / 2 + x * density


GELU = Activation(
    name="gelu",
    title="GELU",
    function=gelu,
    derivative=gelu_derivative,
    derivative_from_output=None,  # a negative output belongs to two inputs, one on each side of the minimum
    formula=r"\operatorname{GELU}(x) = x\,\Phi(x) = \frac{x}{2}\left(1 + \operatorname{erf}\frac{x}{\sqrt{2}}\right)",
    derivative_formula=r"\operatorname{GELU}'(x) = \Phi(x) + \frac{x}{\sqrt{2\pi}}\,e^{-x^{2}/2}",
    range=fixed(Interval(low=GELU_MINIMUM, high=math.inf, low_closed=True, high_closed=False)),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.GELU,
    paper=GELU_PAPER,
    use="The feed-forward blocks of transformers such as BERT.",
    caveat="It needs an error function for each element, and its slope is negative below x = -0.75.",
)


def _gelu_tanh_gate(x: Tensor) -> Tensor:
    """2u with u = √(2/π) (x + 0.044715 x^3): (1 + tanh u) / 2 is σ(2u), which keeps the left tail."""
    return GELU_TANH_SCALE * (x + 0.044715 * x**3)


def gelu_tanh(x: Tensor) -> Tensor:
    """x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x^3)."""
    return x * sigmoid(_gelu_tanh_gate(x))


def gelu_tanh_derivative(x: Tensor) -> Tensor:
    """σ(2u) + x σ'(2u) 2u'."""
    x = _held(x, GAUSSIAN_TAIL)
    gate = _gelu_tanh_gate(x)
    gate_slope = GELU_TANH_SCALE * (1 + 3 * 0.044715 * x**2)
    return sigmoid(gate) + x * sigmoid_derivative(gate) * gate_slope


def torch_gelu_tanh() -> nn.Module:
    """``torch.nn.GELU(approximate="tanh")``."""
    return nn.GELU(approximate="tanh")


torch_gelu_tanh.__name__ = 'GELU(approximate="tanh")'  # what tables and plots print behind "torch.nn."


GELU_TANH = Activation(
    name="gelu_tanh",
    title="GELU (tanh form)",
    function=gelu_tanh,
    derivative=gelu_tanh_derivative,
    derivative_from_output=None,  # a negative output belongs to two inputs, one on each side of the minimum
    formula=r"f(x) = \frac{x}{2}\,(1 + \tanh u), \quad u = \sqrt{\tfrac{2}{\pi}}\,\bigl(x + 0.044715\,x^{3}\bigr)",
    derivative_formula=(
        r"f'(x) = \frac{1 + \tanh u}{2} + \frac{x}{2}\,\bigl(1 - \tanh^{2} u\bigr)"
        r"\,\sqrt{\tfrac{2}{\pi}}\,\bigl(1 + 0.134145\,x^{2}\bigr)"
    ),
    range=fixed(Interval(low=GELU_TANH_MINIMUM, high=math.inf, low_closed=True, high_closed=False)),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=torch_gelu_tanh,
    paper=GELU_PAPER,
    use="Transformers whose weights were trained with this form, such as GPT-2.",
    caveat="It differs from the exact GELU by up to 0.0005, so it does not replace it in a trained network unnoticed.",
)


def mish(x: Tensor) -> Tensor:
    """x tanh s with s = log(1 + e^x)."""
    return x * tanh(softplus(x, threshold=math.inf))


def mish_derivative(x: Tensor) -> Tensor:
    """tanh s + x tanh'(s) σ(x) with s = log(1 + e^x)."""
    x = _held(x, EXPONENTIAL_TAIL)
    s = softplus(x, threshold=math.inf)
    return tanh(s) + x * tanh_derivative(s) * sigmoid(x)


MISH = Activation(
    name="mish",
    title="Mish",
    function=mish,
    derivative=mish_derivative,
    derivative_from_output=None,  # a negative output belongs to two inputs, one on each side of the minimum
    formula=r"\operatorname{mish}(x) = x \tanh s, \quad s = \log\left(1 + e^{x}\right)",
    derivative_formula=r"\operatorname{mish}'(x) = \tanh s + x\,\bigl(1 - \tanh^{2} s\bigr)\,\sigma(x)",
    range=fixed(Interval(low=MISH_MINIMUM, high=math.inf, low_closed=True, high_closed=False)),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.Mish,
    paper=Paper(
        authors="Misra",
        year=2019,
        title="Mish: A self regularized non-monotonic activation function",
        url="https://arxiv.org/abs/1908.08681",
    ),
    use="Hidden layers of convolutional networks, for example the YOLOv4 detector.",
    caveat="As written it takes an exponential, a logarithm and a tanh for each element, more than SiLU or GELU.",
)
