"""Activations made of straight pieces, cheap on small processors (lesson 09)."""

import torch
from torch import Tensor, nn

from nonlin.activations.record import EXTENDED, Activation, Interval, Kink, Paper, Parameter, fixed

MOBILENET_V3 = Paper(
    authors="Howard, Sandler, Chu and others",
    year=2019,
    title="Searching for MobileNetV3",
    url="https://arxiv.org/abs/1905.02244",
)


def relu6(x: Tensor) -> Tensor:
    """min(max(0, x), 6)."""
    return x.clamp(0, 6)


def relu6_derivative(x: Tensor) -> Tensor:
    """1 between 0 and 6, 0 elsewhere; 0 at 0 and at 6, as torch has it."""
    return ((x > 0) & (x < 6)).to(x.dtype)


def relu6_derivative_from_output(y: Tensor) -> Tensor:
    """ReLU6's slope, from its output: y lies between 0 and 6 just where x does."""
    return relu6_derivative(y)


RELU6 = Activation(
    name="relu6",
    title="ReLU6",
    function=relu6,
    derivative=relu6_derivative,
    derivative_from_output=relu6_derivative_from_output,
    integers="kept",
    # Not \operatorname, in which MathJax sets a space between a letter and a digit.
    formula=r"\mathrm{ReLU6}(x) = \min\bigl(\max(0, x), 6\bigr)",
    derivative_formula=(
        r"\mathrm{ReLU6}'(x) = \begin{cases} 1 & 0 < x < 6 \\ 0 & x \le 0 \text{ or } x \ge 6 \end{cases}"
    ),
    range=fixed(Interval.parse("[0, 6]")),
    kinks=fixed((Kink(at=0.0, slope=0.0), Kink(at=6.0, slope=0.0))),
    smoothness=fixed(0),
    takes={},
    torch_module=nn.ReLU6,
    paper=Paper(
        authors="Krizhevsky",
        year=2010,
        title="Convolutional deep belief networks on CIFAR-10",
        url="https://www.cs.toronto.edu/~kriz/conv-cifar10-aug2010.pdf",
    ),
    use="Networks for phones such as MobileNetV2: outputs in [0, 6] have a fixed scale for 8-bit arithmetic.",
    caveat="No gradient passes where the input is negative, nor where it is above 6.",
)


def hardsigmoid(x: Tensor) -> Tensor:
    """min(max(0, x + 3), 6) / 6."""
    return (x + 3).clamp(0, 6) / 6


def hardsigmoid_derivative(x: Tensor) -> Tensor:
    """1/6 between -3 and 3, 0 elsewhere; 0 at -3 and at 3, as torch has it."""
    # In float64 torch's own slope is 1/6 rounded to float32, 0.16666667163; this one is right in every precision.
    return (x.abs() < 3).to(x.dtype) / 6


def hardsigmoid_derivative_from_output(y: Tensor) -> Tensor:
    """1/6 where 0 < y < 1, and 0 elsewhere."""
    # Only for the last numbers below 3, whose y is rounded to 1, is it 0 and not 1/6.
    return ((y > 0) & (y < 1)).to(y.dtype) / 6


HARDSIGMOID = Activation(
    name="hardsigmoid",
    title="Hardsigmoid",
    function=hardsigmoid,
    derivative=hardsigmoid_derivative,
    derivative_from_output=hardsigmoid_derivative_from_output,
    formula=r"\operatorname{hardsigmoid}(x) = \frac{\min\bigl(\max(0, x + 3), 6\bigr)}{6}",
    derivative_formula=(
        r"\operatorname{hardsigmoid}'(x) = \begin{cases} \frac{1}{6} & -3 < x < 3 \\"
        r" 0 & x \le -3 \text{ or } x \ge 3 \end{cases}"
    ),
    range=fixed(Interval.parse("[0, 1]")),
    kinks=fixed((Kink(at=-3.0, slope=0.0), Kink(at=3.0, slope=0.0))),
    smoothness=fixed(0),
    takes={},
    torch_module=nn.Hardsigmoid,
    # The slope 1/6 is from here; the earlier hard sigmoid of Courbariaux and others (2015,
    # https://arxiv.org/abs/1511.00363) clips (x + 1) / 2.
    paper=MOBILENET_V3,
    use="Gates without an exponential, such as those of the squeeze-and-excitation blocks in MobileNetV3.",
    caveat="Its slope is exactly 0 outside (-3, 3), so a gate that is fully open or shut gets no gradient.",
)


def hardswish(x: Tensor) -> Tensor:
    """x min(max(0, x + 3), 6) / 6; at minus infinity this is minus infinity times 0, NaN, as in torch."""
    return x * hardsigmoid(x)


def hardswish_derivative(x: Tensor) -> Tensor:
    """x/3 + 1/2 between -3 and 3, 0 below and 1 above; 0 at -3 and 1 at 3, as torch has it."""
    return torch.where(x.abs() >= 3, (x > 0).to(x.dtype), x / 3 + 0.5)  # so that NaN stays NaN


HARDSWISH = Activation(
    name="hardswish",
    title="Hardswish",
    function=hardswish,
    derivative=hardswish_derivative,
    derivative_from_output=None,  # an output below 0 belongs to two inputs, one on each side of the minimum at -1.5
    formula=r"\operatorname{hardswish}(x) = x\,\frac{\min\bigl(\max(0, x + 3), 6\bigr)}{6}",
    derivative_formula=(
        r"\operatorname{hardswish}'(x) = \begin{cases} 0 & x \le -3 \\"
        r" \frac{x}{3} + \frac{1}{2} & -3 < x < 3 \\ 1 & x \ge 3 \end{cases}"
    ),
    range=fixed(Interval.parse("[-0.375, inf)")),  # -1.5 * 1.5 / 6
    kinks=fixed((Kink(at=-3.0, slope=0.0), Kink(at=3.0, slope=1.0))),
    smoothness=fixed(0),
    takes={},
    torch_module=nn.Hardswish,
    paper=MOBILENET_V3,
    use="Hidden layers of networks for phones (MobileNetV3), as Swish without its exponential.",
    caveat="Its slope jumps from 0 to -0.5 at -3 and from 1.5 to 1 at 3, and no gradient passes below -3.",
)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """min(max(min_val, x), max_val)."""
    return x.clamp(min_val, max_val)


def hardtanh_derivative(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """1 between min_val and max_val, 0 elsewhere; 0 at both ends, as torch has it."""
    return ((x > min_val) & (x < max_val)).to(x.dtype)


def hardtanh_derivative_from_output(y: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Hardtanh's slope, from its output: y lies between the ends just where x does."""
    return hardtanh_derivative(y, min_val, max_val)


HARDTANH = Activation(
    name="hardtanh",
    title="Hardtanh",
    function=hardtanh,
    derivative=hardtanh_derivative,
    derivative_from_output=hardtanh_derivative_from_output,
    integers="kept",
    formula=r"\operatorname{hardtanh}(x) = \min\bigl(\max(\mathrm{min\_val}, x), \mathrm{max\_val}\bigr)",
    derivative_formula=(
        r"\operatorname{hardtanh}'(x) = \begin{cases} 1 & \mathrm{min\_val} < x < \mathrm{max\_val} \\"
        r" 0 & x \le \mathrm{min\_val} \text{ or } x \ge \mathrm{max\_val} \end{cases}"
    ),
    range=lambda min_val, max_val: Interval(low=min_val, high=max_val, low_closed=True, high_closed=True),
    kinks=lambda min_val, max_val: (Kink(at=min_val, slope=0.0), Kink(at=max_val, slope=0.0)),
    smoothness=fixed(0),
    takes={
        "min_val": Parameter("min_val", -1.0, EXTENDED, "the lowest output"),
        "max_val": Parameter("max_val", 1.0, EXTENDED, "the highest output"),
    },
    conditions={"min_val < max_val": lambda min_val, max_val: min_val < max_val},
    torch_module=nn.Hardtanh,
    paper=Paper(
        authors="Collobert",
        year=2004,
        title="Large scale machine learning (PhD thesis)",
        url="https://ronan.collobert.com/pub/matos/2004_phdthesis_lip6.pdf",
    ),
    use="Outputs that must stay between two bounds, by comparisons alone: a cheap tanh.",
    caveat="Its slope is exactly 0 outside the bounds, so a saturated unit gets no gradient at all.",
)
