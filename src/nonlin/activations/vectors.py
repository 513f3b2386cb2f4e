"""Functions of a vector as records: softmax and its relatives, and gated units (lessons 10 and 11).

Each output depends on several inputs, so that there is no curve and no slope, but a matrix of slopes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from nonlin.activations.gated import gated, glu
from nonlin.activations.record import REAL, Interval, Paper
from nonlin.activations.rectified import RELU
from nonlin.activations.smooth import GELU, SILU
from nonlin.activations.softmax import log_softmax, softmax, softmin


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorFunction:
    """What is known of one function of a vector.

    Args:
        name: the name used in code and on the command line, ``"softmax"``.
        title: the name as a person writes it, ``"Softmax"``.
        function: works along the last dimension.
        formula: LaTeX of one output.
        range: of each output.
        example: a vector; a figure varies one of its numbers.
        varied: which.
        torch_module: the counterpart in ``torch.nn``, or None.
        paper: the source.
        use: when to use it, one sentence.
        caveat: when not to, one sentence.
    """

    name: str
    title: str
    function: Callable[[Tensor], Tensor]
    formula: str
    range: Interval
    example: tuple[float, ...]
    varied: int
    torch_module: type[nn.Module] | None
    paper: Paper
    use: str
    caveat: str

    @cached_property
    def halves(self) -> bool:
        """Whether there are half as many outputs as inputs."""
        return len(self.function(torch.zeros(4))) == 2

    @cached_property
    def total(self) -> float | None:
        """What the outputs add up to, whatever the inputs; None if that is not always the same."""
        totals = self._at_random().sum(dim=1)
        return round(totals[0].item(), 9) if torch.allclose(totals, totals[0]) else None

    @cached_property
    def shift_invariant(self) -> bool:
        """Whether adding one number to all inputs changes nothing."""
        return torch.allclose(self._at_random(), self._at_random(shift=3.0))

    def _at_random(self, shift: float = 0.0) -> Tensor:
        x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return self.function(x + shift)


def bilinear(x: Tensor) -> Tensor:
    """a * b, where a is the first half of x along the last dimension and b the second."""
    a, b = x.chunk(2, dim=-1)
    return a * b


BRIDLE = Paper(
    authors="Bridle",
    year=1989,
    title="Training stochastic model recognition algorithms as networks can lead to maximum mutual information "
    "estimation of parameters",
    url="https://mlanthology.org/neurips/1989/bridle1989neurips-training",
)
DAUPHIN = Paper(
    authors="Dauphin, Fan, Auli and Grangier",
    year=2017,
    title="Language modeling with gated convolutional networks",
    url="https://arxiv.org/abs/1612.08083",
)
SHAZEER = Paper(
    authors="Shazeer", year=2020, title="GLU variants improve transformer", url="https://arxiv.org/abs/2002.05202"
)


def _of_scores(
    name: str, title: str, function: Callable[..., Tensor], module: type[nn.Module], **facts: object
) -> VectorFunction:
    return VectorFunction(
        name=name,
        title=title,
        function=partial(function, dim=-1),
        example=(0.0, 1.0, -1.0),
        varied=0,
        torch_module=module,
        paper=BRIDLE,
        **facts,
    )


def _gate(name: str, title: str, function: Callable[[Tensor], Tensor], paper: Paper, **facts: object) -> VectorFunction:
    return VectorFunction(
        name=name,
        title=title,
        function=function,
        range=REAL,
        example=(1.0, 0.0),
        varied=1,
        torch_module=nn.GLU if name == "glu" else None,
        paper=paper,
        **facts,
    )


SHARES = Interval.parse("(0, 1)")

VECTOR_FUNCTIONS: Mapping[str, VectorFunction] = MappingProxyType(
    {
        record.name: record
        for record in (
            _of_scores(
                "softmax",
                "Softmax",
                softmax,
                nn.Softmax,
                formula=r"\frac{e^{x_i}}{\sum_j e^{x_j}}",
                range=SHARES,
                use="Probabilities of classes that exclude each other, and the weights of attention.",
                caveat="Not before torch's cross-entropy, which takes logits and holds a softmax already.",
            ),
            _of_scores(
                "log_softmax",
                "LogSoftmax",
                log_softmax,
                nn.LogSoftmax,
                formula=r"x_i - \log \sum_j e^{x_j}",
                range=Interval.parse("(-inf, 0)"),
                use="Logarithms of probabilities, without the rounding of a softmax that is followed by a logarithm.",
                caveat="Not before torch's cross-entropy either: it would be taken twice, in vain.",
            ),
            _of_scores(
                "softmin",
                "Softmin",
                softmin,
                nn.Softmin,
                formula=r"\frac{e^{-x_i}}{\sum_j e^{-x_j}}",
                range=SHARES,
                use="Shares where small numbers are to count most, such as distances.",
                caveat="Softmax of the negated inputs, and no more than that.",
            ),
            _gate(
                "glu",
                "GLU",
                glu,
                DAUPHIN,
                formula=r"a\,\sigma(b)",
                use="Gated feed-forward blocks and gated convolutions.",
                caveat="Two linear maps instead of one: at equal size it has fewer hidden units.",
            ),
            _gate(
                "bilinear",
                "Bilinear",
                bilinear,
                SHAZEER,
                formula=r"a\,b",
                use="To see what a gate does without a bend.",
                caveat="It grows like the square of its inputs.",
            ),
            _gate(
                "reglu",
                "ReGLU",
                partial(gated, RELU),
                SHAZEER,
                formula=r"a\,\operatorname{ReLU}(b)",
                use="Gated blocks in which a gate can be shut.",
                caveat="A unit whose gate is shut gets no gradient.",
            ),
            _gate(
                "geglu",
                "GEGLU",
                partial(gated, GELU),
                SHAZEER,
                formula=r"a\,\operatorname{GELU}(b)",
                use="Feed-forward blocks of transformers.",
                caveat="Worth a trial, not a rule: lesson 11 has a task on which it loses.",
            ),
            _gate(
                "swiglu",
                "SwiGLU",
                partial(gated, SILU),
                SHAZEER,
                formula=r"a\,\operatorname{SiLU}(b)",
                use="Feed-forward blocks of transformers.",
                caveat="Worth a trial, not a rule: lesson 11 has a task on which it loses.",
            ),
        )
    }
)
