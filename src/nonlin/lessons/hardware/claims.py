"""Claims about ReLU6, Hardswish and quantisation."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.bench import cost
from nonlin.images import sources
from nonlin.intervals import Estimate, Family, above, below, bracketed, crossing_of, exact, mean_crossing
from nonlin.lab.networks import threads
from nonlin.ledger import Always, Case, Claim, Compared, Dependence, Exists, Measurement, Part, literature, margins
from nonlin.lessons.hardware.experiments import (
    Grid,
    accuracy,
    calibrate,
    changed,
    logits,
    min_max,
    nonlinearity,
    outputs,
    part,
    percentile,
    prepared,
    trained,
)
from nonlin.toys.stacks import propagation

# 34: gradients in deep stacks

GAINS = (1.0, 1.25, 1.5, 2.0, 4.0, 8.0)  # times He's: with his own, ReLU does not explode


def _explosions() -> Measurement:
    """By what a layer multiplies signal and gradient, by seed."""
    measured: dict[str, list[float]] = {}
    for name, gain in product(("relu", "relu6"), GAINS):
        he = math.sqrt(2) * gain
        found = propagation(ACTIVATIONS[name].function, gain=he, depth=30, width=64, seeds=10)
        # Over 20 layers; the first ten are left out, in which a signal may grow to where a bound holds it.
        factors = {
            "signal": found.signal[:, 29] / found.signal[:, 9],
            "gradient": found.gradient[:, 9] / found.gradient[:, 29],
        }
        for what, squares in factors.items():
            measured[f"{name}, {what}, {gain:g}"] = squares.pow(1 / 40).tolist()
    return measured


def _does_not_explode(what: str, statement: str) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(GAINS))
        cases = []
        for gain in GAINS:
            factor, relu = (family.mean(measured[f"{name}, {what}, {gain:g}"]) for name in ("relu6", "relu"))
            figures = f"each layer multiplies it by {factor}, with ReLU by {relu.mean:.3g}"
            cases.append(
                Case(f"weights {gain:g} times He's", below(factor, margins.VANISHING.size), figures, (factor,))
            )
        return cases

    def depends_on(measured: Measurement) -> Dependence | None:
        curves = zip(*(measured[f"relu6, {what}, {gain:g}"] for gain in GAINS), strict=True)
        at = mean_crossing(GAINS, curves, margins.VANISHING.size)
        return at and Dependence(factor="the size of the weights, in multiples of He's", holds="below", at=at)

    return Part(statement=statement, quantifier=Always("weights"), judge=judge, depends_on=depends_on)


LIMITS_THE_GRADIENT = Claim(
    number=34,
    statement="ReLU6 limits the gradient and prevents explosion.",
    lesson="09",
    said_by=(literature.ERRORHANDLE,),
    measure=_explosions,
    parts=(
        _does_not_explode("signal", "The signal does not explode."),
        _does_not_explode("gradient", "The gradient does not explode."),
    ),
    limits="Exploding means above 1.25 per layer, nearly a hundredfold in 20, here from layer 10 to layer 30 of random "
    "weights before any training.",
)


# 35: near zero


SPIKES = (4.0, 5.0, 6.0, 7.0, 10.0, 30.0, 60.0)  # the largest output, by which ReLU's grid is set


def _near_zero() -> Measurement:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16)  # all float16 numbers
    x = every[every.abs() < 6]
    relu, relu6 = ACTIVATIONS["relu"], ACTIVATIONS["relu6"]
    same = (relu.function(x) == relu6.function(x)) & (relu.derivative(x) == relu6.derivative(x))
    measured = {"float16 numbers": [len(x)], "equal": [same.sum().item()]}
    for spike, seed in product(SPIKES, range(10)):
        values = torch.randn(10_000, generator=torch.Generator().manual_seed(seed)).clamp(min=0, max=spike)
        values[0] = spike
        small = values[(values > 0) & (values < 0.5)]
        for record, grid in {"relu": Grid.covering(*min_max(values), 8), "relu6": Grid.covering(0, 6, 8)}.items():
            error = (grid(small) - small).double().square().mean().sqrt().item()
            measured.setdefault(f"{record}, {spike:g}", []).append(error)
    return measured


def _judge_in_floating_point(measured: Measurement) -> Sequence[Case]:
    [n], [equal] = measured["float16 numbers"], measured["equal"]
    figures = f"values and slopes are ReLU's at {equal:g} of the {n:g} numbers between −6 and 6"
    return [Case("float16", equal < n, figures, (exact(equal / n),))]


def _rounding_ratios(measured: Measurement) -> dict[float, Estimate]:
    family = Family(len(SPIKES))
    return {
        spike: family.ratio(*(measured[f"{record}, {spike:g}"] for record in ("relu6", "relu"))) for spike in SPIKES
    }


def _judge_rounded(measured: Measurement) -> Sequence[Case]:
    return [
        Case(
            f"the largest output is {spike:g}",
            margins.LOSS.less(ratio),
            f"error of outputs below ½ is {ratio} times that of ReLU on its own range",
            (ratio,),
        )
        for spike, ratio in _rounding_ratios(measured).items()
    ]


def _largest_output_from_which_it_pays(measured: Measurement) -> Dependence | None:
    at = crossing_of(SPIKES, [*_rounding_ratios(measured).values()], 1.0)
    return at and Dependence(factor="the largest output of ReLU", holds="above", at=at)


NEAR_ZERO = Claim(
    number=35,
    statement="ReLU6 handles inputs near zero better.",
    lesson="09",
    measure=_near_zero,
    parts=(
        Part(
            statement="In floating point its values or slopes differ from ReLU's there.",
            quantifier=Exists("numbers between −6 and 6"),
            judge=_judge_in_floating_point,
        ),
        Part(
            statement="Rounded to 8 bits, its outputs near zero are closer.",
            quantifier=Compared("outputs of N(0, 1) with one that is the largest", margins.LOSS),
            judge=_judge_rounded,
            depends_on=_largest_output_from_which_it_pays,
        ),
    ),
    limits="The 8-bit cases are one reading of the claim: what is near zero there is rounded on a grid that the "
    "largest value has set.",
)


# 36: quantisation

SEEDS = 8
CALIBRATIONS = {"min and max": min_max, "99.9th percentile": percentile(99.9)}
IMAGES = ("clean images", "one image not normalised")
BITS = (8, 6, 4)
STRETCHES = (1.0, 4.0, 16.0, 32.0, 64.0, 128.0)  # of one calibration image, with min and max and 8 bits


def key(name: str, what: str, images: str, calibration: str, bits: int) -> str:
    """The name of one setting in the measurement of claim 36; what is "changed" or "accuracy", both in %."""
    return f"{name}, {what}, {images}, {calibration}, {bits} bits"


def _quantised() -> Measurement:
    full = sources.load("shapes10")
    dataset = part(full, 4000, 2000)
    x, labels = prepared(dataset.test.images, full), dataset.test.labels
    raw = full.train.images[-256:]  # the networks are not trained on these
    clean = prepared(raw, full)
    batches = dict(zip(IMAGES, (clean, torch.cat([raw[:1].float(), clean[1:]])), strict=True))
    batches |= {f"one image times {stretch:g}": torch.cat([stretch * clean[:1], clean[1:]]) for stretch in STRETCHES}
    settings = [*product(IMAGES, CALIBRATIONS, BITS), *((images, "min and max", 8) for images in [*batches][2:])]
    measured: dict[str, list[float]] = {}
    for seed, (name, kind) in product(range(SEEDS), {"ReLU": nn.ReLU, "ReLU6": nn.ReLU6}.items()):
        model = trained(kind, dataset, seed=seed, epochs=8)
        reference = logits(model, kind, x)
        measured.setdefault(f"{name}, accuracy, float32", []).append(accuracy(reference, labels))
        seen = {images: outputs(model, kind, batch) for images, batch in batches.items()}
        for images, calibration, bits in settings:
            answers = logits(model, kind, x, calibrate(seen[images], CALIBRATIONS[calibration], bits))
            for what, number in {"changed": changed(answers, reference), "accuracy": accuracy(answers, labels)}.items():
                measured.setdefault(key(name, what, images, calibration, bits), []).append(number)
    return measured


def _lead(measured: Measurement, *setting: str | int) -> list[float]:
    """ReLU6 minus ReLU, in points, by seed."""
    relu, relu6 = (measured[key(name, *setting)] for name in ("ReLU", "ReLU6"))
    return [b - a for a, b in zip(relu, relu6, strict=True)]


def _judge_changed(measured: Measurement) -> Sequence[Case]:
    family = Family(len(IMAGES) * len(CALIBRATIONS))
    cases = []
    for calibration, images in product(CALIBRATIONS, IMAGES):
        more = family.mean(_lead(measured, "changed", images, calibration, 8))
        cases.append(
            Case(
                f"{calibration} of {images}",
                margins.ACCURACY.less(more),
                f"rounding changes {more} points more of its answers than of ReLU's",
                (more,),
            )
        )
    return cases


def _judge_accuracy_in_8_bits(measured: Measurement) -> Sequence[Case]:
    family = Family(len(IMAGES) * len(CALIBRATIONS))
    cases = []
    for calibration, images in product(CALIBRATIONS, IMAGES):
        lead = family.mean(_lead(measured, "accuracy", images, calibration, 8))
        said = f"accuracy after rounding {lead} points above ReLU's"
        cases.append(Case(f"{calibration} of {images}", margins.ACCURACY.more(lead), said, (lead,)))
    return cases


def _stretch_from_which(what: str) -> Callable[[Measurement], Dependence | None]:
    def turns(measured: Measurement) -> Dependence | None:
        family = Family(len(STRETCHES))
        settings = ((f"one image times {stretch:g}", "min and max", 8) for stretch in STRETCHES)
        leads = [family.mean(_lead(measured, what, *setting)) for setting in settings]
        at = crossing_of(STRETCHES, leads, 0.0)
        factor = "by how much one calibration image is too large, with min and max"
        return at and Dependence(factor=factor, holds="above", at=at, unit="times")

    return turns


def _judge_price(measured: Measurement) -> Sequence[Case]:
    relu, relu6 = (measured[f"{name}, accuracy, float32"] for name in ("ReLU", "ReLU6"))
    lead = Family(1).mean([b - a for a, b in zip(relu, relu6, strict=True)])
    said = f"{lead} points above ReLU's {sum(relu) / len(relu):.1f} %"
    return [Case("float32", above(lead, -margins.ACCURACY.size), said, (lead,))]


EASIER_TO_QUANTISE = Claim(
    number=36,
    statement="ReLU6 makes 8-bit quantisation easier.",
    lesson="09",
    said_by=(literature.RELU6_BITS, literature.SERP),
    measure=_quantised,
    parts=(
        Part(
            statement="Rounding changes fewer of its answers.",
            quantifier=Compared("calibrations at 8 bits", margins.ACCURACY),
            judge=_judge_changed,
            depends_on=_stretch_from_which("changed"),
            would_take="More seeds, where the calibration was clean.",
        ),
        Part(
            statement="After rounding, it is the more accurate of the two.",
            quantifier=Compared("calibrations at 8 bits", margins.ACCURACY),
            judge=_judge_accuracy_in_8_bits,
            depends_on=_stretch_from_which("accuracy"),
            would_take="More seeds, where the calibration was clean.",
        ),
        Part(
            statement="Before rounding, it costs no accuracy.",
            quantifier=Always("networks"),
            judge=_judge_price,
        ),
    ),
    kept=True,
    limits="One small network with batch normalisation, shapes10, eight paired seeds, only the activations' outputs "
    "rounded. In integer arithmetic both are a clamp that the layer before carries out.",
)


# 37: time of Hardswish

SHAPES = {"0.5 MiB": (256, 512), "16 MiB": (64, 64, 32, 32)}


def _times() -> Measurement:
    measured: dict[str, list[float]] = {}
    with threads(1):
        for size, shape in SHAPES.items():
            x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
            for what, values in _interleaved({"hardswish": F.hardswish, "silu": F.silu}, x, torch.ones(shape)).items():
                measured[f"{what}, {size}"] = values
    return measured


def _interleaved(functions: Mapping[str, Callable], x: Tensor, gradient: Tensor) -> dict[str, list[float]]:
    """Time of Hardswish over that of SiLU, by round: of forward, and of forward and backward."""
    ratios: dict[str, list[float]] = {"forward": [], "forward and backward": []}
    cost.settle_allocator()
    for number, order in enumerate(cost.rounds(list(functions), cost.WARM_UP + 40)):
        seconds = {}
        for name in order:
            start = perf_counter()
            y = functions[name](x)
            middle = perf_counter()
            torch.autograd.grad(y, x, gradient)
            seconds[name] = middle - start, perf_counter() - start
        if number >= cost.WARM_UP:
            for values, a, b in zip(ratios.values(), seconds["hardswish"], seconds["silu"], strict=True):
                values.append(a / b)
    return ratios


def _judge_times(measured: Measurement) -> Sequence[Case]:
    family = Family(len(measured))
    ratios = {name: family.median(values) for name, values in measured.items()}
    return [Case(name, margins.TIME.less(ratio), f"{ratio} of SiLU's time", (ratio,)) for name, ratio in ratios.items()]


FASTER_SWISH = Claim(
    number=37,
    statement="Hardswish is a faster Swish.",
    lesson="09",
    said_by=(literature.PADDLE,),
    measure=_times,
    parts=(Part(quantifier=Compared("torch's layers, two sizes, two passes", margins.TIME), judge=_judge_times),),
    kept=True,
    limits="40 rounds on one thread of one x86 processor with vector instructions; the intervals are of the median. "
    "Phones and 8-bit arithmetic, for which it was made, were not measured; nor forms that are no compiled loop, as "
    "those of this course.",
)


# 38: how non-linear

SPREADS = (0.5, 1.0, 1.2, 1.4, 2.0, 4.0)


def _unexplained() -> Measurement:
    return {
        f"{name}, {std:g}": [nonlinearity(ACTIVATIONS[name].function, std)]
        for name in ("hardswish", "silu", "relu")
        for std in SPREADS
    }


def _judge_unexplained(measured: Measurement) -> Sequence[Case]:
    cases = []
    for std in SPREADS:
        hard, soft, relu = (100 * measured[f"{name}, {std:g}"][0] for name in ("hardswish", "silu", "relu"))
        figures = f"{hard:.1f} % of the variance is not linear, Swish {soft:.1f} %, ReLU {relu:.1f} %"
        cases.append(Case(f"inputs from N(0, {std:g}²)", hard < soft, figures, (exact(hard - soft),)))
    return cases


def _spread_up_to_which(measured: Measurement) -> Dependence | None:
    more = [measured[f"hardswish, {std:g}"][0] - measured[f"silu, {std:g}"][0] for std in SPREADS]
    at = bracketed(SPREADS, more, 0.0)
    return at and Dependence(factor="the standard deviation of the inputs", holds="below", at=at)


LESS_NONLINEAR = Claim(
    number=38,
    statement="Hardswish is less non-linear than Swish.",
    lesson="09",
    measure=_unexplained,
    parts=(
        Part(
            quantifier=Compared("sizes of the inputs", margins.NOTHING),
            judge=_judge_unexplained,
            depends_on=_spread_up_to_which,
        ),
    ),
    limits="Non-linear here: what the best straight line leaves unexplained of the outputs' variance.",
)


# 39: TorchScript

DEPRECATED = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)


def deprecations(call: Callable[[], object]) -> tuple[str, ...]:
    """What torch says about a call being deprecated, each sentence once; ("it is gone",) if there is no such function.

    Args:
        call: a function without arguments.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except (AttributeError, ImportError):
            return ("it is gone",)
    return tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DEPRECATED)))


def _what_torch_says() -> Measurement:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU6(), nn.Linear(4, 2))
    scripts: list[nn.Module] = []
    calls = {
        "torch.jit.script": lambda: scripts.append(torch.jit.script(network)),
        "torch.ao.quantization": lambda: torch.ao.quantization.quantize_dynamic(network, {nn.Linear}),
    }
    measured = {name: [len(deprecations(call))] for name, call in calls.items()}
    measured["bytes per weight, scripted"] = [p.element_size() for s in scripts for p in s.parameters()] or [4]
    return measured


def _judge_what_torch_says(measured: Measurement) -> Sequence[Case]:
    widest = max(measured["bytes per weight, scripted"])
    return [
        Case("scripting quantises", widest == 1, f"{widest:g} bytes per weight after torch.jit.script"),
        *(
            Case(f"{name} is not deprecated", measured[name][0] == 0, f"{measured[name][0]:g} warnings")
            for name in ("torch.jit.script", "torch.ao.quantization")
        ),
    ]


TORCHSCRIPT = Claim(
    number=39,
    statement="TorchScript is the way to quantise.",
    lesson="09",
    said_by=(literature.GRAPH_MODE,),
    measure=_what_torch_says,
    parts=(Part(quantifier=Always("what it would have to do"), judge=_judge_what_torch_says),),
    limits="True of the installed torch; torchao, to which it points, is not part of the course.",
)
