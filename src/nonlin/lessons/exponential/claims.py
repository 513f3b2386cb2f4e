"""Claims about ELU and SELU."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import scipy
import torch
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule
from nonlin.intervals import Family, above, bracketed, crossing_of, exact, within
from nonlin.ledger import Always, Case, Claim, Compared, Dependence, Exists, Measurement, Part, literature, margins
from nonlin.lessons.exponential import experiments
from nonlin.lessons.exponential.experiments import moments_by_layer
from nonlin.normal import normal_mean
from nonlin.toys.batched import cross_entropy, identity, outputs, passed, with_gain
from nonlin.toys.race import two_rings

RELU, LEAKY, PRELU, ELU, SELU, TANH = (
    ACTIVATIONS[name] for name in ("relu", "leaky_relu", "prelu", "elu", "selu", "tanh")
)
RINGS = (2, 32, 32, 32, 2)  # layers of the networks that tell two rings apart
RATE, STEPS = 0.003, 300  # of 0.003, 0.01 and 0.03, the best for each activation, on five seeds that are not reported
SEEDS = range(20)


def _trained(function: Callable[[Tensor], Tensor], gain: float, points: Tensor, labels: Tensor) -> list[Tensor]:
    return experiments.train_side_by_side(
        function, gain, RINGS, points, labels, cross_entropy, seeds=SEEDS, learning_rate=RATE, steps=STEPS
    )


# 21: zero mean

TURN = "the mean of the inputs at which both are as far from 0"
INPUT_MEANS = (-1.0, -0.75, -0.5, -0.25, 0.0, 1.0)  # of inputs with variance 1


def _mean_of_outputs(record: Activation, mean: float) -> float:
    """Of an activation, for inputs from N(mean, 1)."""
    return normal_mean(lambda z: record.function(z + mean)).item()


def mean_at_which_both_are_as_far() -> float:
    """The mean of the inputs, at variance 1, at which ELU's outputs are as far from zero mean as ReLU's."""
    return scipy.optimize.brentq(lambda mean: _mean_of_outputs(ELU, mean) + _mean_of_outputs(RELU, mean), -1, 0)


def _means() -> Measurement:
    found = {TURN: [mean_at_which_both_are_as_far()]}
    points, labels = two_rings()
    for record in (RELU, ELU):
        for mean in INPUT_MEANS:
            found[f"inputs from N({mean:g}, 1), {record.name}"] = [_mean_of_outputs(record, mean)]
        network = _trained(record.function, record.gain, points, labels.long())
        for number, each in enumerate(passed(network, points, record.function).hidden, 1):
            # (seeds, n, units): how far from 0 the mean of a unit is, averaged over the units
            found[f"trained, layer {number}, {record.name}"] = each.mean(dim=1).abs().mean(dim=1).tolist()
    return found


def _judge_means(measured: Measurement) -> Sequence[Case]:
    cases = []
    for mean in INPUT_MEANS:
        relu, elu = (measured[f"inputs from N({mean:g}, 1), {name}"][0] for name in ("relu", "elu"))
        closer = abs(elu) - abs(relu)
        said = f"ELU {elu:.2f}, ReLU {relu:.2f}"
        cases.append(Case(f"inputs from N({mean:g}, 1)", closer < 0, said, (exact(closer),)))
    layers = [name.removesuffix(", elu") for name in measured if name.startswith("trained") and name.endswith(", elu")]
    family = Family(len(layers))
    for name in layers:
        ratio = family.ratio(measured[f"{name}, elu"], measured[f"{name}, relu"])
        condition = f"units of {name.replace('trained, ', 'trained networks, ')}"
        said = f"mean of a unit over ReLU's, in size: {ratio}"
        cases.append(Case(condition, margins.LOSS.less(ratio), said, (ratio,)))
    return cases


def _mean_from_which_it_is_closer(measured: Measurement) -> Dependence:
    return Dependence(factor="the mean of the inputs, at variance 1", holds="above", at=exact(measured[TURN][0]))


ZERO_MEAN = Claim(
    number=21,
    statement="ELU's outputs are closer to zero mean than ReLU's.",
    lesson="07",
    said_by=(literature.CLEVERT,),
    measure=_means,
    parts=(
        Part(
            quantifier=Compared("inputs from N(m, 1), and trained networks", margins.LOSS),
            judge=_judge_means,
            depends_on=_mean_from_which_it_is_closer,
        ),
    ),
    kept=True,
    limits="Trained: three hidden layers of 32 units on two rings, 20 seeds.",
)


# 22: noise

NOISE = 0.3  # standard deviation, at the inputs of a trained network
WRONG = 0.2  # share of labels
OFF, UNIT_NOISE = (-1.0, -2.0, -3.0, -4.0, -4.5, -5.0, -6.0), 0.5  # units that are off, and the noise they receive
NAMES = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "prelu": "PReLU with slope ¼", "elu": "ELU"}


def _noise() -> Measurement:
    points, labels = two_rings()
    test_points, test_labels = two_rings(4_000, seed=1)
    labels, test_labels = labels.long(), test_labels.long()
    generator = torch.Generator().manual_seed(2)
    noisy = test_points + NOISE * torch.randn(test_points.shape, generator=generator)
    wrong = torch.where(torch.rand(len(labels), generator=generator) < WRONG, 1 - labels, labels)
    found = {}
    for record in (RELU, LEAKY, ELU):
        clean = _trained(record.function, record.gain, points, labels)
        misled = _trained(record.function, record.gain, points, wrong)
        for name, network, inputs in (
            ("no noise", clean, test_points),
            ("noisy test inputs", clean, noisy),
            ("wrong labels", misled, test_points),
        ):
            accuracies = experiments.accuracy(record.function, network, inputs, test_labels)
            found[f"{name}, {record.name}"] = accuracies.tolist()
    return found | {
        f"unit at {off:g}, {record.name}": [_passed(record.function, off)]
        for off in OFF
        for record in (RELU, LEAKY, PRELU, ELU)
    }


def _passed(function: Callable[[Tensor], Tensor], off: float) -> float:
    """Standard deviation of the output of a unit that is off, over that of the noise at its input."""

    def around(z: Tensor) -> Tensor:
        return function(off + UNIT_NOISE * z)

    mean = normal_mean(around)
    return (normal_mean(lambda z: (around(z) - mean).square()).sqrt() / UNIT_NOISE).item()


def _judge_units(measured: Measurement) -> Sequence[Case]:
    cases = []
    for off, other in product(OFF, ("leaky_relu", "prelu")):
        [own], [passed_on] = (measured[f"unit at {off:g}, {name}"] for name in ("elu", other))
        said = f"ELU passes on {own:.2g} of it, {NAMES[other]} {passed_on:.2g}"
        cases.append(Case(f"at {off:g}, against {NAMES[other]}", own < passed_on, said, (exact(own - passed_on),)))
    return cases


def _input_below_which_less_passes(measured: Measurement) -> Dependence | None:
    # Logarithms, since ELU's curve is an exponential.
    off = sorted(OFF)
    logs = [
        math.log(measured[f"unit at {place:g}, elu"][0] / measured[f"unit at {place:g}, leaky_relu"][0])
        for place in off
    ]
    at = bracketed(off, logs, 0.0)
    return at and Dependence(factor="the input of the unit, against LeakyReLU", holds="below", at=at)


def _judge_noise(measured: Measurement) -> Sequence[Case]:
    family = Family(4)
    cases = []
    for kind, other in product(("noisy test inputs", "wrong labels"), ("leaky_relu", "relu")):
        gain, start = (
            [a - b for a, b in zip(measured[f"{name}, elu"], measured[f"{name}, {other}"], strict=True)]
            for name in (kind, "no noise")
        )
        more = family.mean(gain)
        said = f"{more} points more; {sum(start) / len(start):.3g} without noise"
        cases.append(Case(f"{kind}, against {NAMES[other]}", margins.ACCURACY.more(more), said, (more,)))
    return cases


NOISE_ROBUST = Claim(
    number=22,
    statement="ELU is robust to noise.",
    lesson="07",
    said_by=(literature.CLEVERT.on("a"),),
    measure=_noise,
    parts=(
        Part(
            statement="A unit that is off passes on less noise than one with a straight slope.",
            quantifier=Compared("inputs of the unit, against LeakyReLU and PReLU", margins.NOTHING),
            judge=_judge_units,
            depends_on=_input_below_which_less_passes,
        ),
        Part(
            statement="Networks with it lose less accuracy to noise than with ReLU or LeakyReLU.",
            quantifier=Compared("noisy inputs, wrong labels", margins.ACCURACY),
            judge=_judge_noise,
            would_take="More seeds, and more than one draw of wrong labels.",
        ),
    ),
    kept=True,
    limits=f"Units with noise of {UNIT_NOISE:g} (its paper's sense; ReLU's unit passes on next to none); and small "
    f"networks on two rings, 20 seeds, with noise of {NOISE:g} at the test inputs, or {100 * WRONG:.0f} % wrong "
    "labels in training (one draw of them).",
)


# 23: self-normalisation

# The domain of the paper's first theorem, within which mean and variance stay.
MEAN, VARIANCE = 0.1, (0.8, 1.5)
ENOUGH = 0.95  # share of the units, where each is judged for itself
WIDTHS, STACKS = (16, 32, 64, 128, 256, 512), 20  # units a layer, and networks of each


def random_stacks() -> Measurement:
    """Mean and variance behind random layers, by network; and the share of units that keep to the domain themselves."""
    stacks = {f"50 layers of {width}": moments_by_layer(SELU.function, seeds=STACKS, width=width) for width in WIDTHS}
    stacks["50 layers of 256, inputs 3 times too large"] = moments_by_layer(SELU.function, seeds=10, std=3)
    found = {}
    for name, moments in stacks.items():
        found[f"{name}, mean"], found[f"{name}, variance"] = (
            moments.mean[:, -1].tolist(),
            moments.variance[:, -1].tolist(),
        )
    wide = moments_by_layer(SELU.function, batch=1024)  # more examples, so that the moments of a unit are exact enough
    inside = (
        (wide.unit_means.abs() <= MEAN) & (wide.unit_variances >= VARIANCE[0]) & (wide.unit_variances <= VARIANCE[1])
    )
    found["each unit for itself, 50 layers of 256"] = inside.double().mean(dim=1).tolist()
    return found


def _around_training() -> Measurement:
    """Mean and variance of the last hidden layer of 20, before and after training on two rings."""
    points, labels = two_rings()
    sizes, seeds = (2, *[128] * 20, 2), range(5)
    before = [parameter.detach() for parameter in with_gain(seeds, sizes, SELU.gain)]
    after = experiments.train_side_by_side(
        SELU.function,
        SELU.gain,
        sizes,
        points,
        labels.long(),
        cross_entropy,
        seeds=seeds,
        learning_rate=0.001,
        steps=100,
    )
    found = {}
    for name, parameters in (("20 layers of 128, before training", before), ("20 layers of 128, trained", after)):
        last = passed(parameters, points, SELU.function).hidden[-1].flatten(1)
        found[f"{name}, mean"], found[f"{name}, variance"] = last.mean(dim=1).tolist(), last.var(dim=1).tolist()
    found["accuracy"] = experiments.accuracy(SELU.function, after, points, labels.long()).tolist()
    return found


def _inside(mean: float, variance: float) -> bool:
    return abs(mean) <= MEAN and VARIANCE[0] <= variance <= VARIANCE[1]


def _judge_self_normalising(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name in [name.removesuffix(", mean") for name in measured if name.endswith(", mean")]:
        means, variances = measured[f"{name}, mean"], measured[f"{name}, variance"]
        kept = [_inside(*pair) for pair in zip(means, variances, strict=True)]
        figures = (
            f"{sum(kept)} of {len(kept)} networks: means {min(means):.2f} to {max(means):.2f}, variances "
            f"{min(variances):.2f} to {max(variances):.2f}"
        )
        cases.append(Case(name, all(kept), figures))
    name = "each unit for itself, 50 layers of 256"
    share = Family(1).mean(measured[name])
    return [*cases, Case(name, above(share, ENOUGH), f"{share} of the units lie inside", (share,))]


def _width_that_is_enough(measured: Measurement) -> Dependence | None:
    """The width from which half of the networks keep to the domain."""
    family = Family(len(WIDTHS))
    shares = []
    for width in WIDTHS:
        pairs = zip(*(measured[f"50 layers of {width}, {what}"] for what in ("mean", "variance")), strict=True)
        kept = [_inside(*pair) for pair in pairs]
        shares.append(family.share(sum(kept), len(kept)))
    at = crossing_of(WIDTHS, shares, 0.5)
    return at and Dependence(factor="the width, for half of the networks", holds="above", at=at, unit="units")


SELF_NORMALISING = Claim(
    number=23,
    statement="SELU keeps zero mean and unit variance in very deep networks, given LeCun-normal weights.",
    lesson="07",
    said_by=(literature.KLAMBAUER,),
    measure=lambda: {**random_stacks(), **_around_training()},
    parts=(
        Part(
            quantifier=Always("widths, inputs, networks and units, before training and after"),
            judge=_judge_self_normalising,
            depends_on=_width_that_is_enough,
        ),
    ),
    kept=True,
    limits=f"Keeps: in every network mean within ±{MEAN:g} and variance {VARIANCE[0]:g} to {VARIANCE[1]:g}, the domain "
    f"of the paper's theorem; units for themselves: {100 * ENOUGH:.0f} % of them. Training was short, on two rings, "
    "where inputs have two dimensions.",
)


# 24, 25: initialisers of torch


def _kaiming_for_selu() -> Measurement:
    found = []
    for seed in range(5):
        torch.manual_seed(seed)
        weight = nn.init.kaiming_normal_(torch.empty(512, 512), nonlinearity="selu")
        found.append(weight.std().item() * 512**0.5)
    variances = moments_by_layer(SELU.function, gain=sum(found) / len(found)).variance[:, -1]
    return {"gain": found, "variance": variances.tolist()}


def _judge_kaiming_for_selu(measured: Measurement) -> Sequence[Case]:
    family = Family(2)
    gain, variance = (family.mean(measured[name]) for name in ("gain", "variance"))
    return [
        Case("standard deviation 1/√n", within(gain, 0.98, 1.02), f"{gain}/√n", (gain,)),
        Case("variance kept through 50 layers", within(variance, *VARIANCE), f"{variance}", (variance,)),
    ]


KAIMING_FOR_SELU = Claim(
    number=24,
    statement='`kaiming_normal_(nonlinearity="selu")` gives the initialisation that SELU needs.',
    lesson="07",
    said_by=(literature.SELU_GAIN,),
    measure=_kaiming_for_selu,
    parts=(Part(quantifier=Always("what SELU needs"), judge=_judge_kaiming_for_selu),),
)


def _lecun_in_torch() -> Measurement:
    torch.manual_seed(0)
    weight = nn.init.kaiming_normal_(torch.empty(512, 512), nonlinearity="linear")
    return {
        "names": [sum("lecun" in name.lower() for name in dir(nn.init))],
        "gain": [weight.std().item() * 512**0.5],
    }


def _judge_lecun_in_torch(measured: Measurement) -> Sequence[Case]:
    [names], [gain] = measured["names"], measured["gain"]
    figures = f'{names:g} names with "lecun"; `kaiming_normal_(nonlinearity="linear")` draws with {gain:.2f}/√n'
    return [Case("by name", names > 0, figures)]


LECUN_IN_TORCH = Claim(
    number=25,
    statement="`torch.nn.init` has a LeCun-normal initialiser, `lecun_normal_`.",
    lesson="07",
    measure=_lecun_in_torch,
    parts=(Part(quantifier=Exists("names in torch.nn.init"), judge=_judge_lecun_in_torch),),
)


# 26: autoencoders

CODE, WIDTH = 16, 64
DEPTHS = {"one hidden layer on each side": 1, "five hidden layers on each side": 5}
CODES = ("linear code", "code behind the activation")  # ReLU's is never negative in the second
RATES, TUNING, REPORTED, UPDATES = (0.001, 0.003, 0.01, 0.03), range(100, 103), range(12), 1000


def _autoencoders() -> Measurement:
    train, test = experiments.small_images()
    found: dict[str, Sequence[float]] = {"best linear": [_linear_error(train.inputs, test.inputs)]}
    for (depth, number), code, record in product(DEPTHS.items(), CODES, (RELU, TANH, ELU, SELU)):
        errors = partial(_errors, record, number, code, train.inputs, test.inputs)
        best = min(RATES, key=lambda rate, errors=errors: errors(TUNING, rate).mean().item())
        found[f"{depth}, {code}, {record.name}"] = errors(REPORTED, best).tolist()
        found[f"{depth}, {code}, {record.name}, rate"] = [best]
    return found


def _errors(
    record: Activation, number: int, code: str, train: Tensor, test: Tensor, seeds: Sequence[int], rate: float
) -> Tensor:
    """Squared error of reconstruction on test images, by seed."""
    sizes = (train.shape[1], *[WIDTH] * number, CODE, *[WIDTH] * number, train.shape[1])
    side = [record.function] * number
    functions = [*side, identity if code == "linear code" else record.function, *side]
    network = experiments.train_side_by_side(
        functions,
        record.gain,
        sizes,
        train,
        train,
        experiments.squared_error,
        seeds=seeds,
        learning_rate=rate,
        steps=UPDATES,
    )
    with torch.no_grad():
        return experiments.squared_error(outputs(network, test, functions), test).nan_to_num(1e9)


def _linear_error(train: Tensor, test: Tensor) -> float:
    """Of the best linear autoencoder with the same code: the first principal components of the training images."""
    mean = train.mean(dim=0)
    components = torch.linalg.svd(train - mean, full_matrices=False).Vh[:CODE]
    centred = test - mean
    return (centred - centred @ components.T @ components).square().mean().item()


def _better_with(code: str) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        comparisons = list(product(DEPTHS, ("relu", "tanh", "elu")))
        family = Family(len(comparisons))
        cases = []
        for depth, other in comparisons:
            selu, baseline = (measured[f"{depth}, {code}, {name}"] for name in ("selu", other))
            ratio = family.ratio(selu, baseline)
            means = " and ".join(f"{sum(each) / len(each):.3f}" for each in (selu, baseline))
            condition = f"{depth}, against {ACTIVATIONS[other].title}"
            cases.append(Case(condition, margins.LOSS.less(ratio), f"errors {means}, ratio {ratio}", (ratio,)))
        return cases

    return Part(
        statement=f"With a {code} it reconstructs better than ReLU, tanh and ELU.",
        quantifier=Compared("one and five hidden layers on each side", margins.LOSS),
        judge=judge,
        would_take="Depths between one and five, and more updates.",
    )


def _judge_against_linear(measured: Measurement) -> Sequence[Case]:
    comparisons = list(product(DEPTHS, CODES))
    family = Family(len(comparisons))
    [best] = measured["best linear"]
    cases = []
    for depth, code in comparisons:
        selu = measured[f"{depth}, {code}, selu"]
        ratio = family.ratio(selu, [best] * len(selu))
        cases.append(
            Case(f"{depth}, {code}", margins.LOSS.less(ratio), f"{ratio} times its error {best:.3f}", (ratio,))
        )
    return cases


AUTOENCODERS = Claim(
    number=26,
    statement="SELU suits autoencoders.",
    lesson="07",
    said_by=(literature.KUCHAIEV,),
    measure=_autoencoders,
    parts=(
        *map(_better_with, CODES),
        Part(
            statement="It reconstructs better than the best linear autoencoder.",
            quantifier=Compared("depths and codes", margins.LOSS),
            judge=_judge_against_linear,
            would_take="More updates.",
        ),
    ),
    kept=True,
    limits=f"Thin evidence: images of 8 × 8 from shapes10, a code of {CODE} numbers, no more than {UPDATES} updates "
    f"of Adam, {len(REPORTED)} paired seeds, and the best of {len(RATES)} rates for each, chosen on {len(TUNING)} "
    "other seeds. The best linear autoencoder needs no activation (principal components). The layer behind the "
    "linear code starts with the activation's gain, which costs ReLU some 5 % of its error with one hidden layer.",
)


# 27: adaptive


def _adaptive() -> Measurement:
    found: dict[str, Sequence[float]] = {}
    for name in ("selu", "gelu", "prelu"):
        module = nn.PReLU() if name == "prelu" else ActivationModule(ACTIVATIONS[name])
        found[f"{name}, parameters"] = [sum(p.numel() for p in module.parameters())]
        found[f"{name}, moved by training"] = [_moved(module)]
    return found


def _moved(module: nn.Module) -> float:
    """How far the curve moves, at most, between -3 and 3, in 50 steps of training a network that holds it."""
    torch.manual_seed(0)
    points, labels = two_rings()
    x = torch.linspace(-3, 3, 61)
    network = nn.Sequential(nn.Linear(2, 16), module, nn.Linear(16, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    before = module(x).detach()
    for _ in range(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(points), labels.long()).backward()
        optimizer.step()
    return (module(x).detach() - before).abs().max().item()


def _judge_adaptive(measured: Measurement) -> Sequence[Case]:
    def said(name: str) -> str:
        [count], [moved] = measured[f"{name}, parameters"], measured[f"{name}, moved by training"]
        return f"{count:g} learned parameter{'s' * (count != 1)}, moved by {moved:.2g} in training"

    return [
        Case(title, measured[f"{name}, moved by training"][0] > 0, f"{said(name)}; PReLU: {said('prelu')}")
        for name, title in (("selu", "SELU"), ("gelu", "GELU"))
    ]


ADAPTIVE = Claim(
    number=27,
    statement="SELU and GELU are adaptive activations.",
    lesson="07",
    measure=_adaptive,
    parts=(Part(quantifier=Always("the two"), judge=_judge_adaptive),),
    limits="Adaptive: the curve changes in training. That SELU pulls mean and variance back is claim 23.",
)
