"""Claims about networks of coordinates: sines, Fourier features, second derivatives."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from nonlin.intervals import Family, below, crossing_of, exact
from nonlin.ledger import Always, Any, Case, Claim, Compared, Dependence, Measurement, Part, literature, margins
from nonlin.lessons.coordinates.experiments import (
    Sine,
    draw_for_sines,
    fit,
    fourier,
    layers,
    photograph,
    quality,
    solve,
)

SEEDS = 5
RATES = (0.001, 0.003, 0.01)
FREQUENCIES = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0)  # ω
SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # σ, waves per unit of length
STRAIGHT = {"ReLU": nn.ReLU, "leaky ReLU, slope 0.1": lambda: nn.LeakyReLU(0.1)}
SMOOTH = {
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "sine, ω = 5": lambda: Sine(5.0),
}
SOLVED = 0.1  # largest distance from a solution that is 1 high


def _unseen(make: Callable[[], nn.Module], learning_rate: float = 0.003, *, spread: float = 0.0) -> list[float]:
    """Decibels on the unseen pixels, one a seed."""
    image, found = photograph(), []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        inputs = fourier(image.at, spread * torch.randn(2, 32)) if spread else image.at
        found.append(quality(fit(make(), inputs, image, learning_rate=learning_rate), image)[1])
    return found


def _sine(frequency: float) -> Callable[[], nn.Module]:
    return lambda: draw_for_sines(layers(2, lambda: Sine(frequency)), frequency)


def _sines() -> dict[str, list[float]]:
    measured = {f"ReLU, rate {rate:g}": _unseen(lambda: layers(2, nn.ReLU), rate) for rate in RATES}
    measured |= {f"sine, ω = 30, rate {rate:g}": _unseen(_sine(30.0), rate) for rate in RATES}
    return measured | {f"sine, ω = {frequency:g}": _unseen(_sine(frequency)) for frequency in FREQUENCIES}


def _lead(measured: Measurement, name: str, family: Family) -> Case:
    """Over ReLU at the best of its rates."""
    relu = max((measured[f"ReLU, rate {rate:g}"] for rate in RATES), key=sum)
    lead = family.mean([a - b for a, b in zip(measured[name], relu, strict=True)])
    return Case(name, margins.QUALITY.more(lead), f"{lead} dB more than ReLU at its best rate", (lead,))


def _judge_papers_frequency(measured: Measurement) -> Sequence[Case]:
    return [_lead(measured, f"sine, ω = 30, rate {rate:g}", Family(len(RATES))) for rate in RATES]


def _judge_any_frequency(measured: Measurement) -> Sequence[Case]:
    return [_lead(measured, f"sine, ω = {frequency:g}", Family(len(FREQUENCIES))) for frequency in FREQUENCIES]


SINE_ON_COORDINATES = Claim(
    number=64,
    statement="A sine beats ReLU on coordinates.",
    lesson="15",
    said_by=(literature.SITZMANN,),
    measure=_sines,
    kept=True,
    parts=(
        Part(
            statement="With ω = 30, as in the paper, it does.",
            quantifier=Compared("learning rates of the sine", margins.QUALITY),
            judge=_judge_papers_frequency,
        ),
        Part(
            statement="It does at any frequency.",
            quantifier=Any("frequencies"),
            judge=_judge_any_frequency,
        ),
    ),
    limits="One photograph of 64 by 64 pixels, judged on the half that was not seen; two layers of 64 units.",
)


def _features() -> dict[str, list[float]]:
    measured = {"bare coordinates": _unseen(lambda: layers(2, nn.ReLU))}
    return measured | {f"σ = {spread:g}": _unseen(lambda: layers(64, nn.ReLU), spread=spread) for spread in SPREADS}


def _leads_of_features(measured: Measurement) -> dict[float, list[float]]:
    bare = measured["bare coordinates"]
    return {spread: [a - b for a, b in zip(measured[f"σ = {spread:g}"], bare, strict=True)] for spread in SPREADS}


def _judge_features(measured: Measurement) -> Sequence[Case]:
    family = Family(len(SPREADS))
    leads = {spread: family.mean(values) for spread, values in _leads_of_features(measured).items()}
    return [
        Case(f"σ = {spread:g}", margins.QUALITY.more(lead), f"{lead} dB more than bare coordinates", (lead,))
        for spread, lead in leads.items()
    ]


def _widest_spread(measured: Measurement) -> Dependence | None:
    family = Family(len(SPREADS))
    late = SPREADS[SPREADS.index(1.0) :]
    leads = _leads_of_features(measured)
    at = crossing_of(late, [family.mean(leads[spread]) for spread in late], 0.0)
    return at and Dependence(factor="σ, the spread of the waves per unit of length", holds="below", at=at)


FOURIER_FEATURES = Claim(
    number=65,
    statement="Fourier features make a ReLU network of coordinates learn detail.",
    lesson="15",
    said_by=(literature.TANCIK,),
    measure=_features,
    kept=True,
    parts=(
        Part(
            quantifier=Compared("spreads of the waves", margins.QUALITY),
            judge=_judge_features,
            depends_on=_widest_spread,
        ),
    ),
    limits="One photograph of 64 by 64 pixels, judged on the half that was not seen; 32 random waves.",
)


def _equation() -> dict[str, list[float]]:
    measured = {}
    for name, activation in {**STRAIGHT, **SMOOTH}.items():
        solved = [solve(activation, seed=seed) for seed in range(SEEDS)]
        measured[f"{name}: error"] = [each.error for each in solved]
        measured[f"{name}: pull"] = [each.pull for each in solved]
    return measured


def _judge_straight(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name in STRAIGHT:
        pull = exact(max(measured[f"{name}: pull"]))
        said = f"the equation sends the weights a gradient of {pull.mean:g}"
        cases.append(Case(name, pull.mean == 0, said, (pull,)))
    return cases


def _judge_smooth(measured: Measurement) -> Sequence[Case]:
    family = Family(len(SMOOTH))
    cases = []
    for name in SMOOTH:
        error = family.mean(measured[f"{name}: error"])
        cases.append(Case(name, below(error, SOLVED), f"at most {error} from the solution", (error,)))
    return cases


SECOND_DERIVATIVES = Claim(
    number=66,
    statement="ReLU networks cannot learn an equation with second derivatives; smooth activations can.",
    lesson="15",
    said_by=(literature.SITZMANN,),
    measure=_equation,
    kept=True,
    parts=(
        Part(
            statement="Activations of straight pieces cannot.",
            quantifier=Always("activations of straight pieces"),
            judge=_judge_straight,
        ),
        Part(
            statement="Smooth ones can.",
            quantifier=Always("smooth activations"),
            judge=_judge_smooth,
        ),
    ),
    limits="One equation on a line, of which the solution is known; solved means nowhere further from it than a tenth "
    "of its height, after 600 steps.",
)
