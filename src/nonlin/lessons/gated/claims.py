"""Claims about gated units."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nonlin.activations.gated import FeedForward, GatedFeedForward, gated_width
from nonlin.intervals import Estimate, Family, above, mean_crossing
from nonlin.ledger import Always, Case, Claim, Compared, Dependence, Measurement, Part, literature, margins
from nonlin.lessons.gated.experiments import Lessons, MakeBlock, compare, gated_propagation, grammar, pairs
from nonlin.toys.race import adam, sgd


def _plain(activation: Callable[[], nn.Module]) -> MakeBlock:
    return lambda width: FeedForward(width, 4 * width, activation)


def _gated(activation: Callable[[], nn.Module]) -> MakeBlock:
    return lambda width: GatedFeedForward(width, gated_width(4 * width), activation)


def _uncut(activation: Callable[[], nn.Module]) -> MakeBlock:
    return lambda width: GatedFeedForward(width, 4 * width, activation)


# The activations are torch's here, to which the tests hold ours equal: under vmap they are faster.
UNCUT = "SwiGLU, hidden width not cut"
BLOCKS: Mapping[str, MakeBlock] = MappingProxyType(
    {
        "ReLU": _plain(nn.ReLU),
        "GELU": _plain(nn.GELU),
        "SiLU": _plain(nn.SiLU),
        "GLU": _gated(nn.Sigmoid),
        "Bilinear": _gated(nn.Identity),
        "ReGLU": _gated(nn.ReLU),
        "GEGLU": _gated(nn.GELU),
        "SwiGLU": _gated(nn.SiLU),
        UNCUT: _uncut(nn.SiLU),
    }
)
LANGUAGES = MappingProxyType({"grammar": grammar, "table": pairs})
OPTIMIZERS: Mapping[str, tuple[Callable[[Sequence[Tensor], float], Optimizer], tuple[float, ...]]] = MappingProxyType(
    {"Adam": (adam, (0.01, 0.02, 0.04, 0.08)), "SGD": (sgd, (0.15, 0.3, 0.6))}
)
CONDITIONS = tuple((language, optimizer) for language in LANGUAGES for optimizer in OPTIMIZERS)

# Steps, batch, rates and the table's size were settled before the measurement, in trials of a few blocks.


@cache
def _compared(language: str, optimizer: str) -> Measurement:
    """Excess losses by seed of every block, and the learning rates that were found for them."""
    make_optimizer, rates = OPTIMIZERS[optimizer]
    found = compare(BLOCKS, Lessons(LANGUAGES[language]()), make_optimizer, rates)
    losses = {name: trained.losses.tolist() for name, trained in found.items()}
    return losses | {f"{name}: learning rate": [trained.learning_rate] for name, trained in found.items()}


def _all_compared() -> Measurement:
    return {
        f"{language}, {optimizer}, {name}": values
        for language, optimizer in CONDITIONS
        for name, values in _compared(language, optimizer).items()
    }


def ratios(
    measured: Measurement, comparisons: Sequence[tuple[Sequence[str], str]]
) -> Mapping[str, Mapping[str, Estimate]]:
    """Excess loss of one block over that of another, paired by seed, for every condition.

    Args:
        measured: as kept for claim 52.
        comparisons: the blocks of the numerator, of which the geometric mean is taken, and that of the denominator.

    Returns:
        Condition, then "A / B", then the ratio. The intervals of all that is returned hold together at 95 %, by
        Bonferroni's correction.
    """
    family = Family(len(CONDITIONS) * len(comparisons))
    found: dict[str, dict[str, Estimate]] = {}
    for language, optimizer in CONDITIONS:
        for over, under in comparisons:
            values, *others = (torch.tensor(measured[f"{language}, {optimizer}, {name}"]) for name in (*over, under))
            *more, baseline = others
            mean = torch.stack([values, *more]).log().mean(dim=0).exp()
            label = f"{' and '.join(over)} / {under}"
            found.setdefault(f"{language}, {optimizer}", {})[label] = family.ratio(mean, baseline)
    return found


def _compared_blocks(comparisons: Sequence[tuple[Sequence[str], str]], statement: str = "") -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        return [
            Case(f"{condition}: {label}", margins.EXCESS_LOSS.less(ratio), f"excess losses {ratio}", (ratio,))
            for condition, found in ratios(measured, comparisons).items()
            for label, ratio in found.items()
        ]

    return Part(
        statement=statement,
        quantifier=Compared("two languages, two optimizers", margins.EXCESS_LOSS),
        judge=judge,
        would_take=TO_DECIDE,
    )


TO_DECIDE = (
    "Languages between the two, from rules to a table that has to be learned by heart, to find where the order turns; "
    "and a model as large as those that the claim is made of."
)
SAME_ACTIVATION = ((("ReGLU",), "ReLU"), (("GEGLU",), "GELU"), (("SwiGLU",), "SiLU"))
WITHOUT_A_BEND = ((("GEGLU",), "Bilinear"), (("SwiGLU",), "Bilinear"))
BETTER_THAN_GLU = ((("GEGLU", "SwiGLU"), "GLU"),)
BETTER_THAN_REGLU = ((("GEGLU", "SwiGLU"), "ReGLU"),)
ASIDE = ((("Bilinear",), "ReLU"), ((UNCUT,), "SwiGLU"))  # shown in the lesson, and no part of a claim

SMALL = (
    "A model of one layer and about 10,000 weights, languages made by rules, 12 paired seeds; intervals hold together "
    "at 95 %. Nothing here is as large as what the claim is made about."
)

LEARNS_BETTER = Claim(
    number=52,
    statement="At equal parameter count a gated feed-forward block learns better than a plain one.",
    lesson="11",
    said_by=(literature.SHAZEER,),
    measure=_all_compared,
    parts=(_compared_blocks(SAME_ACTIVATION),),
    kept=True,
    limits=SMALL,
)

NEEDS_A_BEND = Claim(
    number=53,
    statement="The gate needs a non-linearity: without one, as a product of two linear maps, the block learns worse.",
    lesson="11",
    said_by=(literature.DAUPHIN,),
    measure=_all_compared,
    parts=(_compared_blocks(WITHOUT_A_BEND),),
    kept=True,
    limits=f"Only the table with Adam decides, for the claim; elsewhere the intervals allow for either. {SMALL}",
)

BEST_GATES = Claim(
    number=54,
    statement="GEGLU and SwiGLU are the best of the gates, better than GLU and ReGLU.",
    lesson="11",
    said_by=(literature.SHAZEER, literature.TSANG),
    measure=_all_compared,
    parts=(
        _compared_blocks(BETTER_THAN_GLU, "They are better than GLU."),
        _compared_blocks(BETTER_THAN_REGLU, "They are better than ReGLU."),
    ),
    kept=True,
    limits=SMALL,
)


def glu_gate(value: Tensor, opening: Tensor) -> Tensor:
    """The gate of a GLU."""
    return value * torch.sigmoid(opening)


def gtu_gate(value: Tensor, opening: Tensor) -> Tensor:
    """The gate of a GTU, as in an LSTM: the value is bent as well."""
    return torch.tanh(value) * torch.sigmoid(opening)


GAINS = (1.0, 1.25, 1.5, 1.75, 2.0)
STACKS: Mapping[str, Mapping[str, float | bool]] = MappingProxyType(
    {f"weights of gain {gain:g}": {"gain": gain} for gain in GAINS}
    | {"gain 1, each layer's input normalised": {"normalised": True}}
)


def _gated_factors() -> Measurement:
    gates = {"GLU": glu_gate, "GTU": gtu_gate}
    return {
        f"{stack}, {name}": gated_propagation(gate, **options).backward_factor.tolist()
        for stack, options in STACKS.items()
        for name, gate in gates.items()
    }


def _judge_kept(measured: Measurement) -> Sequence[Case]:
    family = Family(len(STACKS))
    factors = {stack: family.mean(measured[f"{stack}, GLU"]) for stack in STACKS}
    return [
        Case(
            stack,
            above(factor, margins.VANISHING.less_by),
            f"each of 20 layers multiplies the gradient by {factor}",
            (factor,),
        )
        for stack, factor in factors.items()
    ]


def _gain_that_keeps_it(measured: Measurement) -> Dependence | None:
    curves = zip(*(measured[f"weights of gain {gain:g}, GLU"] for gain in GAINS), strict=True)
    at = mean_crossing(GAINS, curves, margins.VANISHING.less_by)
    return at and Dependence(factor="the gain of the weights", holds="above", at=at)


def _judge_less_kept(measured: Measurement) -> Sequence[Case]:
    family = Family(len(STACKS))
    ratios_ = {stack: family.ratio(measured[f"{stack}, GTU"], measured[f"{stack}, GLU"]) for stack in STACKS}
    return [
        Case(stack, margins.LOSS.clearly_less(ratio), f"GTU's factor over GLU's {ratio}", (ratio,))
        for stack, ratio in ratios_.items()
    ]


def _gain_from_which_less_is_left(measured: Measurement) -> Dependence | None:
    glu, gtu = (
        zip(*(measured[f"weights of gain {g:g}, {name}"] for g in GAINS), strict=True) for name in ("GLU", "GTU")
    )
    curves = ([b / a for a, b in zip(ours, theirs, strict=True)] for ours, theirs in zip(glu, gtu, strict=True))
    at = mean_crossing(GAINS, curves, margins.LOSS.less_by)
    return at and Dependence(factor="the gain of the weights", holds="above", at=at)


LINEAR_PATH = Claim(
    number=55,
    statement="The linear path of a GLU keeps gradients from vanishing in a deep stack; with a second bend, as in a "
    "GTU, less is kept.",
    lesson="11",
    said_by=(literature.DAUPHIN,),
    measure=_gated_factors,
    parts=(
        Part(
            statement="The gradient does not vanish behind GLUs.",
            quantifier=Always("weights, with normalisation and without"),
            judge=_judge_kept,
            depends_on=_gain_that_keeps_it,
        ),
        Part(
            statement="Behind GTUs less is left.",
            quantifier=Compared("weights, with normalisation and without", margins.LOSS),
            judge=_judge_less_kept,
            depends_on=_gain_from_which_less_is_left,
        ),
    ),
    limits="Vanishing means below 0.8 per layer, and less means by 5 % at least. Before training, without residual "
    "connections.",
)
