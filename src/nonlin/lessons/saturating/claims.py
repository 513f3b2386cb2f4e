"""Claims about sigmoid and tanh."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import torch

from nonlin.activations import ACTIVATIONS
from nonlin.intervals import Family, exact, mean_crossing
from nonlin.lab.networks import threads
from nonlin.ledger import (
    Always,
    AtMost,
    Case,
    Claim,
    Compared,
    Dependence,
    Exists,
    Measurement,
    Part,
    all_hold,
    literature,
    margins,
)
from nonlin.toys.race import adam, race, sgd, steps_to_learn
from nonlin.toys.stacks import factor_per_layer, gradient_norms


def _largest_slopes() -> Measurement:
    x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)  # holds 0
    return {name: [ACTIVATIONS[name].derivative(x).max().item()] for name in ("sigmoid", "tanh")}


def _at_most(name: str, bound: float) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        [slope] = measured[name]
        return [Case("x from −20 to 20", slope <= bound, f"at most {slope:.4g}", (exact(slope),))]

    statement = f"{name.capitalize()}'s slope is at most {bound:g}."
    return Part(statement=statement, quantifier=AtMost("inputs", f"{bound:g}"), judge=judge)


LARGEST_SLOPES = Claim(
    number=1,
    statement="Sigmoid's slope is at most ¼, tanh's at most 1.",
    lesson="03",
    said_by=(literature.DATAREKHA,),
    measure=_largest_slopes,
    parts=(_at_most("sigmoid", 0.25), _at_most("tanh", 1.0)),
)


# 2: the gains of the weights, which have standard deviation gain / √n; 1 is Xavier's, 3^-½ = 0.577 torch's default

GAINS = (0.577, 0.7, 0.85, 1.0, 1.2, 1.5)


def _factors_per_layer() -> Measurement:
    return {
        f"{name}, {gain:g}": factor_per_layer(
            gradient_norms(
                ACTIVATIONS[name].function, depth=20, weight_std=lambda fan_in, gain=gain: gain * fan_in**-0.5
            )
        ).tolist()
        for name in ("sigmoid", "tanh")
        for gain in GAINS
    }


def _vanishes(name: str) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(GAINS))
        factors = {gain: family.mean(measured[f"{name}, {gain:g}"]) for gain in GAINS}
        return [
            Case(
                f"weights of gain {gain:g}{USUAL.get(gain, '')}",
                margins.VANISHING.clearly_less(factor),
                f"each of 20 layers multiplies the gradient by {factor}",
                (factor,),
            )
            for gain, factor in factors.items()
        ]

    def depends_on(measured: Measurement) -> Dependence | None:
        by_seed = zip(*(measured[f"{name}, {gain:g}"] for gain in GAINS), strict=True)
        at = mean_crossing(GAINS, by_seed, margins.VANISHING.less_by)
        return at and Dependence(factor="the gain of the weights", holds="below", at=at)

    return Part(
        statement=f"With usual weights, {name} loses the gradient.",
        quantifier=Exists("weights in use, gains 0.577 to 1.5"),
        judge=judge,
        depends_on=depends_on,
    )


USUAL = {0.577: " (torch's default)", 1.0: " (Xavier's)"}

NEITHER_IS_SAFE = Claim(
    number=2,
    statement="Neither sigmoid nor tanh is safe from vanishing gradients.",
    lesson="03",
    said_by=(literature.DATAREKHA, literature.CS231N),
    measure=_factors_per_layer,
    parts=(_vanishes("sigmoid"), _vanishes("tanh")),
    limits="Vanishing here means below 0.8 per layer, which leaves about 1 % after 20. Random weights, before any "
    "training.",
)


# 3: the race of the lesson once more, at the learning rates that draw 0 has chosen, on other draws

CONTENDERS = {
    "sigmoid": torch.sigmoid,
    "sigmoid − ½": lambda x: torch.sigmoid(x) - 0.5,
    "tanh + 1": lambda x: torch.tanh(x) + 1,
    "tanh": torch.tanh,
}
OPTIMIZERS = {
    "Adam": (adam, (0.01, 0.03, 0.1, 0.3)),
    "SGD with momentum": (sgd, (0.03, 0.1, 0.3, 1, 3, 10)),
}
FRESH_DRAWS = (1, 2, 3)


def _fresh_races() -> Measurement:
    measured = {f"mean, {name}": [ACTIVATIONS[name].mean_under_normal] for name in ("sigmoid", "tanh")}
    for optimizer, (make, rates) in OPTIMIZERS.items():
        chosen = {name: finish.learning_rate for name, finish in race(CONTENDERS, make, rates).items()}
        for name, activation in CONTENDERS.items():
            measured[f"{optimizer}, {name}, rate"] = [chosen[name]]
            for draw in FRESH_DRAWS:
                with threads(1):
                    steps = steps_to_learn(activation, make, chosen[name], draw=draw)
                measured[f"{optimizer}, {name}, draw {draw}"] = steps.tolist()
    return measured


def _centred(name: str, *, wanted: bool) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        [mean] = measured[f"mean, {name}"]
        return [Case("inputs from N(0, 1)", (abs(mean) < 1e-6) == wanted, f"mean {abs(mean):.2f}", (exact(mean),))]

    statement = f"{name.capitalize()} is {'' if wanted else 'not '}zero-centred."
    return Part(statement=statement, quantifier=Always("symmetric inputs"), judge=judge)


def _faster(statement: str, pairs: Mapping[str, tuple[str, str]]) -> Part:
    """Faster only if it is so in every draw."""

    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(pairs) * len(OPTIMIZERS) * len(FRESH_DRAWS))
        cases = []
        for (what, names), optimizer in product(pairs.items(), OPTIMIZERS):
            ratios = [
                family.ratio(*(measured[f"{optimizer}, {name}, draw {draw}"] for name in names)) for draw in FRESH_DRAWS
            ]
            said = f"the other needs {', '.join(map(str, ratios))} times as many steps, in {len(ratios)} draws"
            holds = all_hold([margins.STEPS.more(ratio) for ratio in ratios])
            cases.append(Case(f"{what}{optimizer}", holds, said, tuple(ratios)))
        return cases

    return Part(statement=statement, quantifier=Compared("two rings, two optimizers", margins.STEPS), judge=judge)


CENTRED_IS_FASTER = Claim(
    number=3,
    statement="Sigmoid is not zero-centred, tanh is, and that makes tanh train faster.",
    lesson="03",
    said_by=(literature.TANH_OVER_SIGMOID, literature.CS231N),
    measure=_fresh_races,
    parts=(
        _centred("sigmoid", wanted=False),
        _centred("tanh", wanted=True),
        _faster("Tanh trains faster than sigmoid.", {"": ("sigmoid", "tanh")}),
        _faster(
            "The centre alone makes it faster.",
            {
                "both as flat as sigmoid, ": ("sigmoid", "sigmoid − ½"),
                "both as steep as tanh, ": ("tanh + 1", "tanh"),
            },
        ),
    ),
    kept=True,
    limits="One problem, two rings, and one network without normalisation; three draws of points and first weights "
    "that had no part in choosing the rates, 20 networks each. The centre is not the only cause: the slope has its "
    "part, which lesson 03 measures.",
)


def _saturated_outputs() -> Measurement:
    x, sigmoid = torch.tensor([100.0, 10_000.0]), ACTIVATIONS["sigmoid"].function
    dtypes = {"float32": torch.float32, "float64": torch.float64}
    return {name: sigmoid(x.to(dtype)).tolist() for name, dtype in dtypes.items()}


def _judge_saturated_outputs(measured: Measurement) -> Sequence[Case]:
    return [Case(name, a == b, f"outputs {a:g} and {b:g}") for name, [a, b] in measured.items()]


TOLD_APART = Claim(
    number=4,
    statement="Sigmoid(100) and sigmoid(10000) cannot be told apart.",
    lesson="03",
    said_by=(literature.SATURATION,),
    measure=_saturated_outputs,
    parts=(Part(quantifier=Always("float32 and float64"), judge=_judge_saturated_outputs),),
)


# 58

FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
SIDES = {"sigmoid, towards 1": ("sigmoid", 1), "sigmoid, towards 0": ("sigmoid", -1), "tanh, towards ±1": ("tanh", 1)}


def _where_slopes_end() -> Measurement:
    """The first input, going outwards in steps of 0.001, at which torch's slope is exactly 0."""
    grid = torch.linspace(0, 120, 120_001, dtype=torch.float64)
    measured = {}
    for (side, (name, sign)), (form, dtype) in product(SIDES.items(), FORMATS.items()):
        x = (sign * grid).to(dtype).requires_grad_()
        (slope,) = torch.autograd.grad(getattr(torch, name)(x).sum(), x)
        measured[f"{side}, {form}"] = [x[slope == 0][0].abs().item()]
    return measured


def _judge_slopes_end(sides: Sequence[str]) -> Callable[[Measurement], Sequence[Case]]:
    def judge(measured: Measurement) -> Sequence[Case]:
        cases = []
        for side, form in product(sides, ("float16", "float32")):
            [own], [theirs] = measured[f"{side}, bfloat16"], measured[f"{side}, {form}"]
            said = f"|x| = {own:.4g}, in {form} {theirs:.4g}"
            cases.append(Case(f"{side}, than in {form}", own < theirs, said, (exact(own), exact(theirs))))
        return cases

    return judge


BFLOAT16_SATURATES = Claim(
    number=58,
    statement="Sigmoid and tanh saturate earlier in bfloat16.",
    lesson="03",
    said_by=(literature.SIGMOID_ENDS.on("a"), literature.TANH_ENDS.on("a")),
    measure=_where_slopes_end,
    parts=(
        Part(
            statement="They do where the output tends to 1 or −1.",
            quantifier=Always("functions and formats"),
            judge=_judge_slopes_end(["sigmoid, towards 1", "tanh, towards ±1"]),
        ),
        Part(
            statement="Sigmoid does where its output tends to 0.",
            quantifier=Always("formats"),
            judge=_judge_slopes_end(["sigmoid, towards 0"]),
        ),
    ),
    limits="Saturated means that torch's slope is exactly 0, on a processor; long before that it is small.",
)
