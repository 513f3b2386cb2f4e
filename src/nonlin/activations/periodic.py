"""Waves, for networks that are functions of coordinates."""

import math

import torch
from torch import Tensor

from nonlin.activations.record import POSITIVE, Activation, Interval, Paper, Parameter, fixed


def sine(x: Tensor, frequency: float = 1.0) -> Tensor:
    """sin(ωx); at an infinity, which has no phase, NaN."""
    return torch.sin(frequency * x)


def sine_derivative(x: Tensor, frequency: float = 1.0) -> Tensor:
    """ω cos(ωx)."""
    return frequency * torch.cos(frequency * x)


SINE = Activation(
    name="sine",
    title="Sine",
    function=sine,
    derivative=sine_derivative,
    derivative_from_output=None,  # an output belongs to a rising and to a falling part of the wave
    formula=r"f(x) = \sin(\omega x)",
    derivative_formula=r"f'(x) = \omega \cos(\omega x)",
    range=fixed(Interval.parse("[-1, 1]")),
    kinks=fixed(()),
    smoothness=fixed(math.inf),
    takes={
        "frequency": Parameter("ω", 1.0, POSITIVE, "how fast it swings: 2π / ω from crest to crest; SIREN has ω = 30")
    },
    torch_module=None,
    paper=Paper(
        authors="Sitzmann, Martel, Bergman, Lindell and Wetzstein",
        year=2020,
        title="Implicit neural representations with periodic activation functions",
        url="https://arxiv.org/abs/2006.09661",
    ),
    use="Functions of coordinates, such as pictures and fields, with the initial weights that the paper derives.",
    caveat="A change of the input by half a wave turns the sign, so weights that are a little too large make noise.",
)
