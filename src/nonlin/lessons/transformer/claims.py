"""Claims about the activations of a transformer: its feed-forward blocks, and attention's softmax."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product

from nonlin.intervals import Estimate, Family, above, below, crossing_of
from nonlin.ledger import Always, Any, AtMost, Case, Claim, Compared, Dependence, Measurement, Part, literature, margins
from nonlin.lessons.transformer.experiments import (
    BLOCKS,
    LAYERS,
    frequency_loss,
    help_texts,
    pair_loss,
    softmax_at_scale,
    trained,
)

# Settled beforehand: the higher rate was the best of three for GELU in a trial of 150 steps with another seed.
SEEDS = tuple(range(5))
RATES = (0.006, 0.003)
STEPS = 500
STEPS_OF_ATTENTION = 200
WIDTHS = (16, 64, 128, 256, 512, 1024)
DRAWS = 256
COUNTED = ("ReLU", "squared ReLU")  # blocks whose units are off or on
FEW = 0.1

SMALL = (
    "One model of 358,000 parameters on one text of 465,000 characters, 500 steps, two learning rates, 5 paired seeds. "
    "Nothing here is as large as what the claim is made about."
)


@cache
def _study() -> Measurement:
    """Losses in nats per character, and shares of units that are on, one a seed."""
    measured = {"letter frequencies": [frequency_loss(help_texts())], "pairs of letters": [pair_loss(help_texts())]}
    for rate, name in product(RATES, BLOCKS):
        models = [trained(name, seed=seed, steps=STEPS, learning_rate=rate) for seed in SEEDS]
        measured[f"{name}, rate {rate:g}"] = [model.loss for model in models]
        if name in COUNTED:
            for layer, when in product(range(LAYERS), ("before", "after")):
                measured[f"{name}, rate {rate:g}, layer {layer + 1}, {when}"] = [
                    getattr(m, when)[layer] for m in models
                ]
    return measured


def _differences(measured: Measurement, minuend: str, subtrahend: str) -> list[float]:
    """Of what was measured of two models, paired by seed."""
    return [a - b for a, b in zip(measured[minuend], measured[subtrahend], strict=True)]


def leads(measured: Measurement, worse: Sequence[str], better: str) -> dict[tuple[str, float], Estimate]:
    """By how many nats the losses of some blocks are above that of another: by block and learning rate, as a family."""
    family = Family(len(worse) * len(RATES))
    return {
        (name, rate): family.mean(_differences(measured, f"{name}, rate {rate:g}", f"{better}, rate {rate:g}"))
        for name, rate in product(worse, RATES)
    }


def _beats(better: str, worse: Sequence[str]) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        return [
            Case(f"over {name}, rate {rate:g}", margins.NATS.more(found), f"better by {found} nats", (found,))
            for (name, rate), found in leads(measured, worse, better).items()
        ]

    return judge


TO_DECIDE = "More seeds, a grid of learning rates, and a model and a text that are larger by orders of magnitude."
SETTING = "one character model, two learning rates"

SQUARED_RELU = Claim(
    number=70,
    statement="Squared ReLU beats GELU in a language model.",
    lesson="16",
    said_by=(literature.SO,),
    measure=_study,
    kept=True,
    parts=(
        Part(
            quantifier=Compared(SETTING, margins.NATS),
            judge=_beats("squared ReLU", ["GELU"]),
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)

PLAIN = tuple(name for name in BLOCKS if name not in ("no activation", "SwiGLU"))


THIRD_MATRIX = Claim(
    number=71,
    statement="SwiGLU is worth its third matrix: at equal parameters it beats blocks of two.",
    lesson="16",
    said_by=(literature.SHAZEER,),
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="It beats the block of two matrices with the same activation, SiLU.",
            quantifier=Compared(SETTING, margins.NATS),
            judge=_beats("SwiGLU", ["SiLU"]),
            would_take=TO_DECIDE,
        ),
        Part(
            statement="It beats whatever block of two matrices.",
            quantifier=Any("activations of the plain block, learning rates"),
            judge=_beats("SwiGLU", PLAIN),
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)


def _judge_same(measured: Measurement) -> Sequence[Case]:
    return [
        Case(f"SiLU − GELU, rate {rate:g}", margins.NATS.same(found), f"{found} nats", (found,))
        for (_, rate), found in leads(measured, ["SiLU"], "GELU").items()
    ]


GELU_AND_SILU = Claim(
    number=72,
    statement="GELU and SiLU are interchangeable in a transformer.",
    lesson="16",
    said_by=(literature.ZERO_ENTROPY,),
    measure=_study,
    kept=True,
    parts=(Part(quantifier=Always("learning rates"), judge=_judge_same, would_take=TO_DECIDE),),
    limits=SMALL,
)

COUNTED_LAYERS = tuple(
    f"{name}, rate {rate:g}, layer {layer}" for name, rate, layer in product(COUNTED, RATES, range(1, LAYERS + 1))
)


def _judge_fewer_on(measured: Measurement) -> Sequence[Case]:
    family, cases = Family(len(COUNTED_LAYERS)), []
    for name in COUNTED_LAYERS:
        change = family.mean(_differences(measured, f"{name}, after", f"{name}, before"))
        cases.append(Case(name, margins.UNITS_ON.less(change), f"{change} of the units", (change,)))
    return cases


def _judge_few_on(measured: Measurement) -> Sequence[Case]:
    family, cases = Family(len(COUNTED_LAYERS)), []
    for name in COUNTED_LAYERS:
        share = family.mean(measured[f"{name}, after"])
        cases.append(Case(name, below(share, FEW), f"{share} of the units are on", (share,)))
    return cases


SPARSIFY = Claim(
    number=73,
    statement="The feed-forward layers of a transformer become sparse by themselves.",
    lesson="16",
    said_by=(literature.LI,),
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="Training turns units off: fewer are on after it than before.",
            quantifier=Always("layers, activations, learning rates"),
            judge=_judge_fewer_on,
            would_take=TO_DECIDE,
        ),
        Part(
            statement="After it one unit in ten is on, or fewer.",
            quantifier=AtMost("layers, activations, learning rates", "a tenth of the units"),
            judge=_judge_few_on,
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)


def _attention() -> dict[str, list[float]]:
    measured = {}
    for width in WIDTHS:
        for name, scale in (("scaled", width**-0.5), ("unscaled", 1.0)):
            found = [softmax_at_scale(width, scale, seed=seed, draws=DRAWS) for seed in SEEDS]
            measured[f"{name}, width {width}: entropy"] = [entropy for entropy, _ in found]
            measured[f"{name}, width {width}: gradient"] = [gradient for _, gradient in found]
    for name, scale in (("scaled", None), ("unscaled", 1.0)):
        models = [trained("GELU", seed=seed, steps=STEPS_OF_ATTENTION, scale=scale) for seed in SEEDS]
        measured[f"{name}: loss"] = [model.loss for model in models]
    return measured


def _gradients(measured: Measurement) -> dict[int, Estimate]:
    """Of the softmax without the scale, over that with it, by width."""
    family = Family(len(WIDTHS))
    return {
        width: family.ratio(*(measured[f"{name}, width {width}: gradient"] for name in ("unscaled", "scaled")))
        for width in WIDTHS
    }


def _judge_gradients(measured: Measurement) -> Sequence[Case]:
    return [
        Case(f"width {width}", margins.GRADIENT.less(ratio), f"{ratio} times the gradient", (ratio,))
        for width, ratio in _gradients(measured).items()
    ]


def _width_from_which(measured: Measurement) -> Dependence | None:
    at = crossing_of(WIDTHS, list(_gradients(measured).values()), 1.0)
    return at and Dependence(factor="the width of queries and keys", holds="above", at=at)


def _judge_unscaled(measured: Measurement) -> Sequence[Case]:
    found = Family(1).mean(_differences(measured, "unscaled: loss", "scaled: loss"))
    return [Case("4 heads of width 24", margins.NATS.more(found), f"{found} nats more", (found,))]


SCALE = Claim(
    number=74,
    statement="Attention needs its scale 1/√d: without it softmax saturates, and its gradient vanishes.",
    lesson="16",
    said_by=(literature.VASWANI,),
    measure=_attention,
    kept=True,
    parts=(
        Part(
            statement="Without it the gradient through softmax is smaller.",
            quantifier=Compared("widths of queries and keys of variance 1", margins.GRADIENT),
            judge=_judge_gradients,
            depends_on=_width_from_which,
        ),
        Part(
            statement="A model that is trained without it learns worse.",
            quantifier=Compared("one character model", margins.NATS),
            judge=_judge_unscaled,
            would_take="Wider heads, and more seeds.",
        ),
    ),
    limits="The gradient is what softmax itself lets through before training: the median norm of its Jacobian among 64 "
    "keys. On the way to the queries comes the factor 1/√d with the scale, and none without. The models "
    "have 358,000 parameters, are trained for 200 steps, and draw their weights as torch does.",
)

SMOOTH = ("GELU", "SiLU")


def _judge_costs_little(measured: Measurement) -> Sequence[Case]:
    family = Family(len(SMOOTH) * len(RATES))
    cases = []
    for name, rate in product(SMOOTH, RATES):
        cost = family.mean(_differences(measured, f"ReLU, rate {rate:g}", f"{name}, rate {rate:g}"))
        cases.append(Case(f"ReLU − {name}, rate {rate:g}", below(cost, margins.NATS.size), f"{cost} nats", (cost,)))
    return cases


RELU_COSTS_LITTLE = Claim(
    number=75,
    statement="In place of GELU or SiLU, ReLU costs a language model almost nothing.",
    lesson="16",
    said_by=(literature.MIRZADEH,),
    measure=_study,
    kept=True,
    parts=(
        Part(
            quantifier=AtMost("smooth activations", f"{margins.NATS.size:g} nats"),
            judge=_judge_costs_little,
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)


KNOWN = ("letter frequencies", "pairs of letters")  # what needs no transformer


def shares_lost(measured: Measurement) -> dict[tuple[str, float], Estimate]:
    """Of what ReLU's model learns beyond what is known: how much is gone without an activation, by that and by rate."""
    family, shares = Family(len(KNOWN) * len(RATES)), {}
    for known, rate in product(KNOWN, RATES):
        [start] = measured[known]
        losses = zip(measured[f"no activation, rate {rate:g}"], measured[f"ReLU, rate {rate:g}"], strict=True)
        shares[known, rate] = family.mean([(without - relu) / (start - relu) for without, relu in losses])
    return shares


def _judge_most_is_lost(measured: Measurement) -> Sequence[Case]:
    return [
        Case(f"beyond {known}, rate {rate:g}", above(share, 0.5), f"{share} of what ReLU learns", (share,))
        for (known, rate), share in shares_lost(measured).items()
    ]


NEEDS_ITS_ACTIVATION = Claim(
    number=76,
    statement="A transformer needs the activation of its feed-forward blocks.",
    lesson="16",
    said_by=(literature.BRENNDOERFER,),
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="Without it, it learns worse than with ReLU.",
            quantifier=Compared(SETTING, margins.NATS),
            judge=_beats("ReLU", ["no activation"]),
            would_take=TO_DECIDE,
        ),
        Part(
            statement="Without it, most of what it learns is lost.",
            quantifier=Always("learning rates, marks from which learning counts"),
            judge=_judge_most_is_lost,
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)
