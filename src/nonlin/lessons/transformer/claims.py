"""Claims about the activations of a transformer: its feed-forward blocks, and attention's softmax."""

from collections.abc import Sequence
from functools import cache
from itertools import product

from nonlin.intervals import Estimate, Family, above, below, crossing_of
from nonlin.ledger import Always, Any, AtMost, Case, Claim, Compared, Dependence, Measurement, Part, margins
from nonlin.lessons.transformer.experiments import (
    BLOCKS,
    LAYERS,
    frequency_loss,
    help_texts,
    softmax_at_scale,
    trained,
)

# Settled before anything was measured, the learning rate in trials with another seed.
SEEDS = tuple(range(5))
STEPS = 500
STEPS_OF_ATTENTION = 200
WIDTHS = (16, 64, 128, 256, 512, 1024)
DRAWS = 256
COUNTED = ("ReLU", "squared ReLU")  # blocks whose units are off or on
FEW = 0.1

SMALL = (
    "One model of 358,000 parameters on one text of 465,000 characters, 500 steps, one learning rate for all, 5 paired "
    "seeds. Nothing here is as large as what the claim is made about."
)


@cache
def _study() -> Measurement:
    """Losses in nats per character, and shares of units that are on, one a seed."""
    measured = {"letter frequencies": [frequency_loss(help_texts())]}
    for name in BLOCKS:
        models = [trained(name, seed=seed, steps=STEPS) for seed in SEEDS]
        measured[name] = [model.loss for model in models]
        if name in COUNTED:
            for layer in range(LAYERS):
                measured[f"{name}, layer {layer + 1}, before"] = [model.before[layer] for model in models]
                measured[f"{name}, layer {layer + 1}, after"] = [model.after[layer] for model in models]
    return measured


def lead(measured: Measurement, worse: str, better: str, family: Family) -> Estimate:
    """By how many nats the loss of one block is above that of another, paired by seed."""
    return family.mean([a - b for a, b in zip(measured[worse], measured[better], strict=True)])


def _lead_case(measured: Measurement, worse: str, better: str, family: Family) -> Case:
    found = lead(measured, worse, better, family)
    return Case(f"over {worse}", margins.NATS.more(found), f"{found} nats less", (found,))


TO_DECIDE = "More seeds, or a model and a text that are larger by orders of magnitude."

SQUARED_RELU = Claim(
    number=70,
    statement="Squared ReLU beats GELU in a language model.",
    lesson="16",
    measure=_study,
    kept=True,
    parts=(
        Part(
            quantifier=Compared("one character model", margins.NATS),
            judge=lambda measured: [_lead_case(measured, "GELU", "squared ReLU", Family(1))],
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)

PLAIN = tuple(name for name in BLOCKS if name not in ("no activation", "SwiGLU"))


def _judge_gate_against_all(measured: Measurement) -> Sequence[Case]:
    family = Family(len(PLAIN))
    return [_lead_case(measured, name, "SwiGLU", family) for name in PLAIN]


THIRD_MATRIX = Claim(
    number=71,
    statement="SwiGLU is worth its third matrix: at equal parameters it beats blocks of two.",
    lesson="16",
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="It beats the block of two matrices with the same activation, SiLU.",
            quantifier=Compared("one character model", margins.NATS),
            judge=lambda measured: [_lead_case(measured, "SiLU", "SwiGLU", Family(1))],
            would_take=TO_DECIDE,
        ),
        Part(
            statement="It beats whatever block of two matrices.",
            quantifier=Any("activations of the plain block"),
            judge=_judge_gate_against_all,
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)


def _judge_same(measured: Measurement) -> Sequence[Case]:
    found = lead(measured, "SiLU", "GELU", Family(1))
    return [Case("SiLU − GELU", margins.NATS.same(found), f"{found} nats", (found,))]


GELU_AND_SILU = Claim(
    number=72,
    statement="GELU and SiLU are interchangeable in a transformer.",
    lesson="16",
    measure=_study,
    kept=True,
    parts=(Part(quantifier=Always("character models"), judge=_judge_same, would_take=TO_DECIDE),),
    limits=SMALL,
)

COUNTED_LAYERS = tuple(product(COUNTED, range(1, LAYERS + 1)))


def _judge_fewer_on(measured: Measurement) -> Sequence[Case]:
    family, cases = Family(len(COUNTED_LAYERS)), []
    for name, layer in COUNTED_LAYERS:
        before, after = (measured[f"{name}, layer {layer}, {when}"] for when in ("before", "after"))
        change = family.mean([b - a for a, b in zip(before, after, strict=True)])
        cases.append(Case(f"{name}, layer {layer}", margins.UNITS_ON.less(change), f"{change} of the units", (change,)))
    return cases


def _judge_few_on(measured: Measurement) -> Sequence[Case]:
    family, cases = Family(len(COUNTED_LAYERS)), []
    for name, layer in COUNTED_LAYERS:
        share = family.mean(measured[f"{name}, layer {layer}, after"])
        cases.append(Case(f"{name}, layer {layer}", below(share, FEW), f"{share} of the units are on", (share,)))
    return cases


SPARSIFY = Claim(
    number=73,
    statement="The feed-forward layers of a transformer become sparse by themselves.",
    lesson="16",
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="Training turns units off: fewer are on after it than before.",
            quantifier=Always("layers, with ReLU and with squared ReLU"),
            judge=_judge_fewer_on,
            would_take=TO_DECIDE,
        ),
        Part(
            statement="After it one unit in ten is on, or fewer.",
            quantifier=AtMost("layers, with ReLU and with squared ReLU", "a tenth of the units"),
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
    found = lead(measured, "unscaled: loss", "scaled: loss", Family(1))
    return [Case("4 heads of width 24", margins.NATS.more(found), f"{found} nats more", (found,))]


SCALE = Claim(
    number=74,
    statement="Attention needs its scale 1/√d: without it softmax saturates, and its gradient vanishes.",
    lesson="16",
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
    limits="The gradient is that before training, as the mean norm of softmax's Jacobian among 64 keys. The models "
    "have 358,000 parameters, are trained for 200 steps, and draw their weights as torch does.",
)

SMOOTH = ("GELU", "SiLU")


def _judge_costs_little(measured: Measurement) -> Sequence[Case]:
    family, cases = Family(len(SMOOTH)), []
    for name in SMOOTH:
        found = lead(measured, "ReLU", name, family)
        cases.append(Case(f"ReLU − {name}", below(found, margins.NATS.size), f"{found} nats", (found,)))
    return cases


RELU_COSTS_LITTLE = Claim(
    number=75,
    statement="In place of GELU or SiLU, ReLU costs a language model almost nothing.",
    lesson="16",
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


def share_lost(measured: Measurement) -> Estimate:
    """Of what ReLU's model learns beyond letter frequencies: how much is gone without an activation."""
    [start] = measured["letter frequencies"]
    lost = zip(measured["no activation"], measured["ReLU"], strict=True)
    return Family(1).mean([(without - relu) / (start - relu) for without, relu in lost])


def _judge_most_is_lost(measured: Measurement) -> Sequence[Case]:
    share = share_lost(measured)
    return [Case("against ReLU", above(share, 0.5), f"{share} of what is learned beyond letter frequencies", (share,))]


NEEDS_ITS_ACTIVATION = Claim(
    number=76,
    statement="A transformer needs the activation of its feed-forward blocks.",
    lesson="16",
    measure=_study,
    kept=True,
    parts=(
        Part(
            statement="Without it, it learns worse than with ReLU.",
            quantifier=Compared("one character model", margins.NATS),
            judge=lambda measured: [_lead_case(measured, "no activation", "ReLU", Family(1))],
            would_take=TO_DECIDE,
        ),
        Part(
            statement="Without it, most of what it learns is lost.",
            quantifier=Always("character models"),
            judge=_judge_most_is_lost,
            would_take=TO_DECIDE,
        ),
    ),
    limits=SMALL,
)
