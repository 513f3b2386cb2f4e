"""Activations that flatten out on both sides (lesson 03)."""

import math

import torch
from torch import Tensor, nn

from nonlin.activations.record import REAL, Activation, Interval, Paper, fixed


def minus_abs(x: Tensor) -> Tensor:
    """-|x|, an exponent that is never positive, with the slope -1 at 0.

    The slope of ``x.abs()`` is 0 there in torch, and so is that of ``-torch.relu(-x)``. A formula that is smooth at 0
    would by autograd get wrong derivatives.
    """
    return torch.where(x < 0, x, -x)


def exp_minus_one(x: Tensor) -> Tensor:
    """e^x - 1, right to the last digits in the value and by autograd in the slope, e^x.

    Near 0 the subtraction would cancel, and ``torch.expm1`` does not. Far below 0 it would do, but its backward
    computes the slope from the value, (e^x - 1) + 1, in which no digit of e^x is left.
    """
    far = torch.exp(x.masked_fill(x > -1, -1)) - 1
    return torch.where(x > -1, torch.expm1(x), far)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x), for x < 0 multiplied through by e^x, so that no exponent is positive and nothing overflows."""
    e = torch.exp(minus_abs(x))
    return torch.where(x < 0, e, 1.0) / (1 + e)


def sigmoid_derivative(x: Tensor) -> Tensor:
    """e^-|x| / (1 + e^-|x|)^2: the slope is even, and this form keeps its tail on both sides."""
    e = torch.exp(minus_abs(x))
    return e / (1 + e) ** 2


def sigmoid_derivative_from_output(y: Tensor) -> Tensor:
    """y (1 - y)."""
    return y * (1 - y)


SIGMOID = Activation(
    name="sigmoid",
    title="Sigmoid",
    function=sigmoid,
    derivative=sigmoid_derivative,
    derivative_from_output=sigmoid_derivative_from_output,
    integers="promoted",
    formula=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    derivative_formula=r"\sigma'(x) = \sigma(x)\,\bigl(1 - \sigma(x)\bigr)",
    range=fixed(Interval.parse("(0, 1)")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
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
    m = exp_minus_one(2 * minus_abs(x))
    return torch.where(x < 0, m, -m) / (2 + m)


def tanh_derivative(x: Tensor) -> Tensor:
    """1 / cosh^2 x as 4 e^-2|x| / (1 + e^-2|x|)^2, which keeps the tails."""
    e = torch.exp(2 * minus_abs(x))
    return 4 * e / (1 + e) ** 2


def tanh_derivative_from_output(y: Tensor) -> Tensor:
    """1 - y^2."""
    return 1 - y**2


TANH = Activation(
    name="tanh",
    title="Tanh",
    function=tanh,
    derivative=tanh_derivative,
    derivative_from_output=tanh_derivative_from_output,
    integers="promoted",
    formula=r"\tanh x = \frac{e^{x} - e^{-x}}{e^{x} + e^{-x}}",
    derivative_formula=r"\tanh' x = 1 - \tanh^2 x",
    range=fixed(Interval.parse("(-1, 1)")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.Tanh,
    paper=Paper(
        authors="LeCun, Bottou, Orr and Müller",
        year=1998,
        title="Efficient BackProp",
        url="https://doi.org/10.1007/3-540-49430-8_2",
    ),
    use="Bounded, zero-centred hidden states (recurrent networks) and outputs that must lie between -1 and 1.",
    caveat="Its slope is below 1 everywhere but at 0, so each shrinks the gradient, unless the weights make up for it.",
)


def log_sigmoid(x: Tensor) -> Tensor:
    """log σ(x) = min(x, 0) - log(1 + e^-|x|): no exponent is positive, and log1p keeps the right tail."""
    return x.masked_fill(x >= 0, 0) - torch.log1p(torch.exp(minus_abs(x)))


def log_sigmoid_derivative(x: Tensor) -> Tensor:
    """1 - σ(x) = σ(-x), without the subtraction that would lose the right tail."""
    return sigmoid(-x)


def log_sigmoid_derivative_from_output(y: Tensor) -> Tensor:
    """1 - e^y, as -(e^y - 1), which keeps the digits where y is near 0."""
    return -exp_minus_one(y)


LOG_SIGMOID = Activation(
    name="log_sigmoid",
    title="LogSigmoid",
    function=log_sigmoid,
    derivative=log_sigmoid_derivative,
    derivative_from_output=log_sigmoid_derivative_from_output,
    formula=r"\log \sigma(x) = -\log\left(1 + e^{-x}\right)",
    derivative_formula=r"(\log \sigma)'(x) = 1 - \sigma(x) = \frac{1}{1 + e^{x}}",
    range=fixed(Interval.parse("(-inf, 0)")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.LogSigmoid,
    # The function is that of logistic regression's log-likelihood (Cox, 1958); this paper writes it as log σ.
    paper=Paper(
        authors="Mikolov, Sutskever, Chen, Corrado and Dean",
        year=2013,
        title="Distributed representations of words and phrases and their compositionality",
        url="https://arxiv.org/abs/1310.4546",
    ),
    use="The logarithm of a probability of yes inside a loss, such as the negative sampling of word2vec.",
    caveat="Its outputs are all negative and not bounded below, so it belongs in a loss and not in a hidden layer.",
)


def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|); at an infinity inf / inf, which is NaN, as in torch."""
    return x / (1 + x.abs())


def softsign_derivative(x: Tensor) -> Tensor:
    """1 / (1 + |x|)^2; at an infinity its limit, 0, where torch gives NaN.

    Its own slope jumps from 2 to -2 at 0. By ``abs`` it is 0 there, as in torch.
    """
    return 1 / (1 + x.abs()) ** 2


def softsign_derivative_from_output(y: Tensor) -> Tensor:
    """(1 - |y|)^2, since 1 - |y| = 1 / (1 + |x|)."""
    return (1 - y.abs()) ** 2


SOFTSIGN = Activation(
    name="softsign",
    title="Softsign",
    function=softsign,
    derivative=softsign_derivative,
    derivative_from_output=softsign_derivative_from_output,
    integers="promoted",
    formula=r"\operatorname{softsign}(x) = \frac{x}{1 + \lvert x \rvert}",
    derivative_formula=r"\operatorname{softsign}'(x) = \frac{1}{(1 + \lvert x \rvert)^{2}}",
    range=fixed(Interval.parse("(-1, 1)")),
    kinks=fixed(()),
    smoothness=fixed(1),  # f''(x) = -2 sign(x) / (1 + |x|)^3 jumps from 2 to -2 at 0
    takes={},
    torch_module=nn.Softsign,
    # Often credited to Turian, Bergstra and Bengio (2009, https://aclanthology.org/N09-2062/), who came later.
    paper=Paper(
        authors="Elliott",
        year=1993,
        title="A better activation function for artificial neural networks",
        url="https://drum.lib.umd.edu/handle/1903/5355",
    ),
    use="Bounded, zero-centred units whose slope falls like 1 / x^2, where that of tanh falls exponentially.",
    caveat="It nears its bounds slowly: at x = 10 it is 0.91, where tanh differs from 1 by 4e-9.",
)


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh x; where |x| < 1 and this would cancel, as x c / (1 + c) with c from tanh x = x / (1 + c)."""
    # Lambert's continued fraction, c = x^2 / (3 + x^2 / (5 + ...)), has only positive terms, so no digit is lost.
    square = x.clamp(-1, 1) ** 2
    c = torch.zeros_like(x)
    for odd in range(19, 1, -2):  # for |x| < 1, starting at 19 is enough for float64
        c = square / (odd + c)
    return torch.where(x.abs() < 1, x * c / (1 + c), x - torch.tanh(x))


def tanhshrink_derivative(x: Tensor) -> Tensor:
    """tanh^2 x."""
    return tanh(x) ** 2


TANHSHRINK = Activation(
    name="tanhshrink",
    title="Tanhshrink",
    function=tanhshrink,
    derivative=tanhshrink_derivative,
    derivative_from_output=None,  # one y has one x, but x = y + tanh x has no closed solution
    integers="promoted",
    formula=r"\operatorname{tanhshrink}(x) = x - \tanh x",
    derivative_formula=r"\operatorname{tanhshrink}'(x) = \tanh^{2} x",
    range=fixed(REAL),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={},
    torch_module=nn.Tanhshrink,
    # No paper is known to propose it: torch.nn has it from the library Torch7.
    paper=Paper(
        authors="Collobert, Kavukcuoglu and Farabet",
        year=2011,
        title="Torch7: A Matlab-like environment for machine learning",
        url="https://publications.idiap.ch/downloads/papers/2011/Collobert_NIPSWORKSHOP_2011.pdf",
    ),
    use="A smooth shrinkage: inputs near 0 become almost 0 (like x^3 / 3), large ones lose 1 of their size.",
    caveat="It does not saturate, and its slope is 0 at 0: around there hardly any gradient passes.",
)
