"""Claims about ReLU6, Hardswish and quantisation."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.bench import cost
from nonlin.images import sources
from nonlin.intervals import Estimate, above, below, mean_interval, ratio_interval
from nonlin.lab.networks import threads
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
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

GAINS = (2, 4, 8)  # times He's: with his own, ReLU does not explode and there is nothing to prevent
EXPLODES = 1.25  # per layer: a hundredfold in 20 layers


def _explosions() -> Measurement:
    measured: dict[str, list[float]] = {}
    for name in ("relu", "relu6"):
        for gain in GAINS:
            he = math.sqrt(2) * gain
            found = propagation(ACTIVATIONS[name].function, gain=he, depth=30, width=64, seeds=10)
            # Over 20 layers; the first ten are left out, in which a signal may grow to where a bound holds it.
            factors = {
                "signal": found.signal[:, 29] / found.signal[:, 9],
                "gradient": found.gradient[:, 9] / found.gradient[:, 29],
            }
            for what, squares in factors.items():
                measured[f"{name}, {what}, {gain}"] = squares.pow(1 / 40).tolist()
    return measured


def _judge_explosions(measured: Measurement) -> Sequence[Case]:
    cases = []
    for what, gain in ((what, gain) for what in ("signal", "gradient") for gain in GAINS):
        relu, relu6 = (mean_interval(torch.tensor(measured[f"{name}, {what}, {gain}"])) for name in ("relu", "relu6"))
        holds = below(relu6, EXPLODES)
        figures = f"each layer multiplies it by {relu6}, with ReLU by {relu.mean:.3g}"
        cases.append(Case(f"the {what}, weights {gain} times He's", holds, figures))
    return cases


LIMITS_THE_GRADIENT = Claim(
    number=34,
    statement="ReLU6 limits the gradient and prevents explosion.",
    lesson="07",
    measure=_explosions,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_explosions, would_take="TODO"),),
    limits="Exploding means above 1.25 per layer, a hundredfold in 20, here from layer 10 to layer 30 of random "
    "weights before any training.",
)


# 35: near zero


def _near_zero() -> Measurement:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16)  # all float16 numbers
    x = every[every.abs() < 6]
    relu, relu6 = ACTIVATIONS["relu"], ACTIVATIONS["relu6"]
    same = (relu.function(x) == relu6.function(x)) & (relu.derivative(x) == relu6.derivative(x))
    measured = {"float16 numbers": [len(x)], "equal": [same.sum().item()]}
    for seed in range(10):
        y = torch.randn(10_000, generator=torch.Generator().manual_seed(seed)).clamp(min=0)
        spiked = y.clone()
        spiked[0] = 60
        for name, values in {"N(0, 1)": y, "N(0, 1) and one 60": spiked}.items():
            small = values[(values > 0) & (values < 0.5)]
            for record, grid in {"relu": Grid.covering(*min_max(values), 8), "relu6": Grid.covering(0, 6, 8)}.items():
                error = (grid(small) - small).double().square().mean().sqrt().item()
                measured.setdefault(f"{record}, {name}", []).append(error)
    return measured


def _judge_near_zero(measured: Measurement) -> Sequence[Case]:
    [n], [equal] = measured["float16 numbers"], measured["equal"]
    figures = f"values and slopes are ReLU's at {equal:g} of the {n:g} float16 numbers between −6 and 6"
    cases = [Case("in floating point", equal < n, figures)]
    for name in ("N(0, 1)", "N(0, 1) and one 60"):
        ratio = ratio_interval(*(torch.tensor(measured[f"{record}, {name}"]) for record in ("relu6", "relu")))
        holds = below(ratio, 1)
        figures = f"error of outputs below ½ is {ratio} times that of ReLU on its own range"
        cases.append(Case(f"rounded to 8 bits, inputs {name}", holds, figures))
    return cases


NEAR_ZERO = Claim(
    number=35,
    statement="ReLU6 handles inputs near zero better.",
    lesson="07",
    measure=_near_zero,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_near_zero, would_take="TODO"),),
    limits="The 8-bit cases are one reading of the claim: what is near zero there is rounded on a grid that the "
    "largest value has set.",
)


# 36: quantisation

SEEDS = 8
EASIER = 1.0  # percentage points, of changed answers and of accuracy
CALIBRATIONS = {"min and max": min_max, "99.9th percentile": percentile(99.9)}
IMAGES = ("clean images", "one image not normalised")
BITS = (8, 6, 4)


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
    measured: dict[str, list[float]] = {}
    for seed, (name, kind) in product(range(SEEDS), {"ReLU": nn.ReLU, "ReLU6": nn.ReLU6}.items()):
        model = trained(kind, dataset, seed=seed, epochs=8)
        reference = logits(model, kind, x)
        measured.setdefault(f"{name}, accuracy, float32", []).append(accuracy(reference, labels))
        seen = {images: outputs(model, kind, batch) for images, batch in batches.items()}
        for images, calibration, bits in product(IMAGES, CALIBRATIONS, BITS):
            answers = logits(model, kind, x, calibrate(seen[images], CALIBRATIONS[calibration], bits))
            for what, number in {"changed": changed(answers, reference), "accuracy": accuracy(answers, labels)}.items():
                measured.setdefault(key(name, what, images, calibration, bits), []).append(number)
    return measured


def _judge_quantised(measured: Measurement) -> Sequence[Case]:
    def both(*setting: str | int) -> tuple[Tensor, Tensor]:
        relu, relu6 = (torch.tensor(measured[key(name, *setting)]) for name in ("ReLU", "ReLU6"))
        return relu, relu6

    cases = []
    for bits, calibration, images in product((8, 4), CALIBRATIONS, IMAGES):
        relu, relu6 = both("changed", images, calibration, bits)
        saved = mean_interval(relu - relu6)
        figures = f"{relu.mean():.1f} % of the answers change, with ReLU6 {relu6.mean():.1f} %: {saved} points fewer"
        cases.append(Case(f"answers, {bits} bits, {calibration} of {images}", _worth(saved), figures))
    whole = [torch.tensor(measured[f"{name}, accuracy, float32"]) for name in ("ReLU", "ReLU6")]
    for calibration, images in product(CALIBRATIONS, IMAGES):
        lost = [a - b for a, b in zip(whole, both("accuracy", images, calibration, 8), strict=True)]
        saved = mean_interval(lost[0] - lost[1])
        relu, relu6 = (round(points.mean().item(), 1) + 0.0 for points in lost)  # + 0.0 turns -0.0 into 0.0
        starts = " and ".join(f"{percent.mean():.1f} %" for percent in whole)
        figures = f"from {starts} in float32, ReLU loses {relu:.1f} points and ReLU6 {relu6:.1f}: {saved} fewer"
        cases.append(Case(f"accuracy, 8 bits, {calibration} of {images}", _worth(saved), figures))
    return cases


def _worth(saved: Estimate) -> bool | None:
    """Whether what is saved is at least EASIER, with 95 % confidence; None if that is open."""
    return above(saved, EASIER)


EASIER_TO_QUANTISE = Claim(
    number=36,
    statement="ReLU6 makes 8-bit quantisation easier.",
    lesson="07",
    measure=_quantised,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_quantised, would_take="TODO"),),
    kept=True,
    limits="Easier means at least 1 point less of what is counted; one small network with batch normalisation, "
    "shapes10, eight paired seeds, only the activations' outputs rounded.",
)


# 37: time of Hardswish

SHAPES = {"0.5 MiB": (256, 512), "16 MiB": (64, 64, 32, 32)}
FASTER = 0.95


def _times() -> Measurement:
    forms = {
        "torch's": {"hardswish": F.hardswish, "silu": F.silu},
        "ours": {name: ActivationModule(ACTIVATIONS[name]) for name in ("hardswish", "silu")},
    }
    measured: dict[str, list[float]] = {}
    with threads(1):
        for size, shape in SHAPES.items():
            x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
            gradient = torch.ones(shape)
            for whose, functions in forms.items():
                ratios = _interleaved(functions, x, gradient)
                for what, values in ratios.items():
                    measured[f"{whose}, {what}, {size}"] = values
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
    cases = []
    for name, values in measured.items():
        s = cost.spread(values)
        holds = below(s, FASTER)
        cases.append(Case(name, holds, f"{s} of SiLU's time"))
    return cases


FASTER_SWISH = Claim(
    number=37,
    statement="Hardswish is a faster Swish.",
    lesson="07",
    measure=_times,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_times, would_take="TODO"),),
    kept=True,
    limits="Median and quartiles of 40 rounds, one thread of one x86 processor with vector instructions; faster means "
    "below 0.95. Phones and 8-bit arithmetic, for which it was made, were not measured.",
)


# 38: how non-linear

SPREADS = (0.5, 1.0, 2.0, 4.0)


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
        cases.append(Case(f"inputs from N(0, {std**2:g})", hard < soft, figures))
    return cases


LESS_NONLINEAR = Claim(
    number=38,
    statement="Hardswish is less non-linear than Swish.",
    lesson="07",
    measure=_unexplained,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_unexplained, would_take="TODO"),),
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
    lesson="07",
    measure=_what_torch_says,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_what_torch_says, would_take="TODO"),),
    limits="True of the installed torch; torchao, to which it points, is not part of the course.",
)
