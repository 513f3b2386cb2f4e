r"""Initial weights that fit the activation.

A unit computes :math:`z = \sum_i w_i x_i` from inputs :math:`x_i = f(z_i)`. For weights of mean 0 and variance
:math:`\sigma^2` that are independent of the inputs,

.. math:: E[z^2] = n \, \sigma^2 \, E[f(z_i)^2]

with n inputs to a unit (the fan-in). So :math:`E[z^2]` stays 1 from layer to layer if
:math:`\sigma = g / \sqrt n` with the gain :math:`g = 1 / \sqrt{E[f(z)^2]}` for z from N(0, 1). It is the mean square
of the activation that counts, and not its variance: the mean of the outputs is summed up like everything else.

On the way back, a gradient is multiplied by :math:`f'(z)`, and its mean square stays the same (in layers as wide as
their predecessors) with the gain :math:`1 / \sqrt{E[f'(z)^2]}`, `gradient_gain`. For ReLU both gains are
:math:`\sqrt 2`. Where they differ, no choice keeps both, and "he" keeps the signal: tanh has 1.59 and 1.47, sigmoid
1.85 and 4.72.

With a mean that is far from 0, as sigmoid's 0.5, the mean square is kept and the signal is lost even so: nearly all of
it is the mean, which is the same for every image. "he_centred" removes it: see `initialise`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nonlin.errors import ReaderError
from nonlin.normal import mean_at_middles, middles
from nonlin.signatures import MakeActivation

FOR_ANY = ("torch", "he", "he_centred", "xavier", "lecun_normal", "orthogonal")
SCHEMES = (*FOR_ANY, "siren")  # the last one for a sine


class InitialisationError(ReaderError, ValueError):
    """No such weights for this activation."""


def gain(function: Callable[[Tensor], Tensor]) -> float:
    r"""By what to multiply f(z) so that its mean square is that of z from N(0, 1): :math:`1 / \sqrt{E[f(z)^2]}`.

    Measured by numerical integration, for any callable that works element by element. A module is measured as it is in
    evaluation mode with its present parameters: RReLU with its mean slope, PReLU with its initial one.

    Raises:
        InitialisationError: if the callable cannot be measured: its outputs are random, depend on other elements
            (softmax), have another shape (gated units), or a mean square of 0 or infinity.
    """
    return _inverse_root(mean_at_middles(_outputs(function)[1].square()), "outputs")


def gradient_gain(function: Callable[[Tensor], Tensor]) -> float:
    r"""By what to multiply f'(z) so that a gradient keeps its mean square on the way back: :math:`1/\sqrt{E[f'(z)^2]}`.

    Raises:
        InitialisationError: as for `gain`; and where the slope is 0 almost everywhere.
    """
    z, y = _outputs(function)
    slope = torch.autograd.grad(y.sum(), z)[0] if y.requires_grad else torch.zeros_like(z)
    return _inverse_root(mean_at_middles(slope.double().square()), "slopes")


def initialise(model: nn.Module, scheme: str, activation: MakeActivation) -> None:
    """Draw the weights of all linear and convolutional layers anew, in place, from torch's global generator.

    n and m are the inputs and outputs of a unit (fan-in and fan-out; in a convolution, channels times the size of the
    kernel). Except with "torch" and "siren", biases become 0. The gain is that of the activation for every layer but
    the first, which sees no activation but the images, normalised to a mean square of 1: its gain is 1.

    - ``"torch"``: as the layers come: uniform with standard deviation 1 / sqrt(3 n), made for no activation.
    - ``"he"``: normal, standard deviation gain / sqrt(n), with the measured gain. For ReLU it is the sqrt(2) of He,
      Zhang, Ren and Sun (2015), https://arxiv.org/abs/1502.01852.
    - ``"he_centred"``: normal, standard deviation 1 / sqrt(n * variance of f(z)), and each bias cancels what the mean
      of f(z) adds to its unit. For activations whose mean is far from 0, such as sigmoid. A layer without a bias needs
      none: the batch normalisation behind it removes any mean.
    - ``"xavier"``: uniform, standard deviation sqrt(2 / (n + m)) without a gain: Glorot and Bengio (2010),
      https://proceedings.mlr.press/v9/glorot10a.html, for activations that are close to x around 0.
    - ``"lecun_normal"``: normal, standard deviation 1 / sqrt(n), which SELU is made for: LeCun, Bottou, Orr and Müller
      (1998), Efficient backprop; Klambauer, Unterthiner, Mayr and Hochreiter (2017), https://arxiv.org/abs/1706.02515.
    - ``"orthogonal"``: rows or columns of a random orthogonal matrix times the gain, and times sqrt(m' / n) in a layer
      with more outputs m' than inputs n, so that units, not vectors, keep their mean square: Saxe, McClelland and
      Ganguli (2014), https://arxiv.org/abs/1312.6120.
    - ``"siren"``: for sin(ωx) of coordinates in [-1, 1]: uniform within 1 / n in the first layer, and within
      sqrt(6 / n) / ω, standard deviation sqrt(2 / n) / ω, in the others. The outputs of a sine have a mean square near
      1/2, so that the weights alone give the angles ωx of the next layer a variance near 1 (in the long run 0.80).
      Biases stay as the layers come, as in the authors' code, and add ω² / (3 n); without any, the network would begin
      as an odd function. Sitzmann, Martel, Bergman, Lindell and Wetzstein (2020), https://arxiv.org/abs/2006.09661.

    Max-pooling, and the sum in a residual block, raise the mean square; no scheme here accounts for that.

    Args:
        model: its layers are found in the order in which they were registered.
        scheme: one of ``SCHEMES``.
        activation: makes the module whose gain is measured.

    Raises:
        ValueError: for an unknown scheme.
        InitialisationError: for "he", "he_centred" and "orthogonal" as `gain`; for "siren" if the activation is no
            sine.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"there is no initialisation {scheme!r}: choose one of {', '.join(SCHEMES)}.")
    if scheme == "torch":
        return
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd)]
    if scheme == "siren":
        _draw_for_sines(layers, _frequency(activation()))
        return
    mean, factor = _mean_and_gain(scheme, activation)
    with torch.no_grad():
        for number, layer in enumerate(layers):
            _draw(layer.weight, scheme, factor if number else 1.0)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
                layer.bias -= (mean if number else 0.0) * layer.weight.flatten(1).sum(dim=1)


def _draw_for_sines(layers: Iterable[nn.Module], frequency: float) -> None:
    for number, layer in enumerate(layers):
        inputs = layer.weight[0].numel()
        bound = math.sqrt(6 / inputs) / frequency if number else 1 / inputs
        nn.init.uniform_(layer.weight, -bound, bound)


def _frequency(function: Callable[[Tensor], Tensor]) -> float:
    """ω of sin(ωx), which is its slope at 0."""
    z, y = _outputs(function)
    start = torch.zeros(1, requires_grad=True)
    with torch.enable_grad():
        frequency = torch.autograd.grad(function(start.clone()).sum(), start)[0].item()
    if not frequency or not torch.allclose(y, torch.sin(frequency * z.double()), atol=1e-3):
        raise InitialisationError("the initialisation siren is made for a sine: choose another, he for instance.")
    return abs(frequency)


def _mean_and_gain(scheme: str, activation: MakeActivation) -> tuple[float, float]:
    """What the biases have to cancel, and the gain."""
    if scheme in ("xavier", "lecun_normal"):
        return 0.0, 1.0
    function = activation()
    if scheme != "he_centred":
        return 0.0, gain(function)
    y = _outputs(function)[1]
    mean = mean_at_middles(y)
    return mean, _inverse_root(mean_at_middles((y - mean).square()), "outputs")


def _draw(weight: Tensor, scheme: str, factor: float) -> None:
    outputs, inputs = weight.flatten(1).shape
    if scheme == "xavier":
        nn.init.xavier_uniform_(weight)
    elif scheme == "orthogonal":
        nn.init.orthogonal_(weight, factor * math.sqrt(max(1.0, outputs / inputs)))
    else:
        nn.init.normal_(weight, std=factor / math.sqrt(inputs))


def _outputs(function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Points on the line, float32 and part of a graph, and what the function makes of them, float64."""
    z = middles().float().requires_grad_()
    with torch.enable_grad(), _in_evaluation_mode(function):
        y = function(z.clone())  # a copy: some activations work in place
        half = function(z[::2].clone())
    if y.shape != z.shape or not torch.allclose(y[::2], half, rtol=1e-3, atol=1e-6, equal_nan=True):
        raise InitialisationError(
            "the gain of this activation cannot be measured, since it does not treat each number by itself and always "
            "alike: choose another initialisation, xavier for instance."
        )
    return z, y.double()


@contextmanager
def _in_evaluation_mode(function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    if not isinstance(function, nn.Module):
        yield
        return
    training = function.training
    function.eval()
    try:
        yield
    finally:
        function.train(training)


def _inverse_root(mean_square: float, what: str) -> float:
    if not 0 < mean_square < math.inf:
        raise InitialisationError(
            f"the gain of this activation cannot be measured, since the mean square of its {what} is {mean_square:g}: "
            "choose another initialisation, xavier for instance."
        )
    return 1 / math.sqrt(mean_square)
