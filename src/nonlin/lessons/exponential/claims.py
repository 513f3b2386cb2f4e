"""Claims about ELU and SELU."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.intervals import above, below, mean_interval, ratio_interval
from nonlin.ledger import Compared, Part, margins
from nonlin.ledger.claim import Case, Claim, Measurement
from nonlin.lessons.exponential import experiments
from nonlin.lessons.exponential.experiments import moments_by_layer
from nonlin.normal import normal_mean
from nonlin.toys.batched import cross_entropy, outputs, passed, with_gain
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


def _means() -> Measurement:
    found = {}
    points, labels = two_rings()
    for record in (RELU, ELU):
        for mean in (0, 1, -1):
            value = normal_mean(lambda z, mean=mean, record=record: record.function(z + mean))
            found[f"inputs from N({mean}, 1), {record.name}"] = [value.item()]
        network = _trained(record.function, record.gain, points, labels.long())
        for number, each in enumerate(passed(network, points, record.function).hidden, 1):
            # (seeds, n, units): how far from 0 the mean of a unit is, averaged over the units
            found[f"trained, layer {number}, {record.name}"] = each.mean(dim=1).abs().mean(dim=1).tolist()
    return found


def _judge_means(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name in [name.removesuffix(", elu") for name in measured if name.endswith(", elu")]:
        relu, elu = (torch.tensor(measured[f"{name}, {record}"], dtype=torch.float64) for record in ("relu", "elu"))
        if len(elu) == 1:
            figures = f"ELU {elu.item():.2f}, ReLU {relu.item():.2f}"
            cases.append(Case(name, bool(elu.abs() < relu.abs()), figures))
        else:
            ratio = ratio_interval(elu, relu)
            condition = f"units of {name.replace('trained, ', 'trained networks, ')}"
            cases.append(Case(condition, below(ratio, 1), f"mean of a unit over ReLU's, in size: {ratio}"))
    return cases


ZERO_MEAN = Claim(
    number=21,
    statement="ELU's outputs are closer to zero mean than ReLU's.",
    lesson="05",
    measure=_means,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_means, would_take="TODO"),),
    kept=True,
    limits="Trained: three hidden layers of 32 units on two rings, 20 seeds. Where inputs are mostly negative it turns "
    "round.",
)


# 22: noise

NOISE = 0.3  # standard deviation, at the inputs of a trained network
WRONG = 0.2  # share of labels
OFF, UNIT_NOISE = -3.0, 0.5  # a unit that is off, and the noise that it receives
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
    return found | {f"unit that is off, {r.name}": [_passed(r.function)] for r in (RELU, LEAKY, PRELU, ELU)}


def _passed(function: Callable[[Tensor], Tensor]) -> float:
    """Standard deviation of the output, over that of the noise at the input."""

    def around(z: Tensor) -> Tensor:
        return function(OFF + UNIT_NOISE * z)

    mean = normal_mean(around)
    return (normal_mean(lambda z: (around(z) - mean).square()).sqrt() / UNIT_NOISE).item()


def _judge_noise(measured: Measurement) -> Sequence[Case]:
    own = measured["unit that is off, elu"][0]
    cases = []
    for other in ("prelu", "leaky_relu", "relu"):
        passed = measured[f"unit that is off, {other}"][0]
        figures = f"ELU passes on {own:.2g} of it, {NAMES[other]} {passed:.2g}"
        cases.append(Case(f"noise at a unit that is off, against {NAMES[other]}", own < passed, figures))
    for kind in ("noisy test inputs", "wrong labels"):
        for other in ("leaky_relu", "relu"):
            gap, clean = (
                torch.tensor(measured[f"{name}, elu"]) - torch.tensor(measured[f"{name}, {other}"])
                for name in (kind, "no noise")
            )
            gain, start = mean_interval(gap, confidence=1 - 0.05 / 4), mean_interval(clean)
            holds = above(gain, 0)
            cases.append(Case(f"{kind}, against {NAMES[other]}", holds, f"{gain} points more; {start} without noise"))
    return cases


NOISE_ROBUST = Claim(
    number=22,
    statement="ELU is robust to noise.",
    lesson="05",
    measure=_noise,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_noise, would_take="TODO"),),
    kept=True,
    limits=f"A unit at {OFF:g} with noise of {UNIT_NOISE:g} (its paper's sense); and small networks on two rings, 20 "
    f"seeds, with noise of {NOISE:g} at the test inputs, or {100 * WRONG:.0f} % wrong labels in training (one draw of "
    "them): four intervals that hold together.",
)


# 23: self-normalisation

# The domain of the paper's first theorem, within which mean and variance stay.
MEAN, VARIANCE = 0.1, (0.8, 1.5)
ENOUGH = 0.95  # share of the units, where each is judged for itself


def random_stacks() -> Measurement:
    """Mean and variance behind random layers, by network; and the share of units that keep to the domain themselves."""
    stacks = {
        "50 layers of 256": moments_by_layer(SELU.function, seeds=10),
        "50 layers of 256, inputs 3 times too large": moments_by_layer(SELU.function, seeds=10, std=3),
        "50 layers of 32": moments_by_layer(SELU.function, seeds=10, width=32),
    }
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


def _judge_self_normalising(measured: Measurement) -> Sequence[Case]:
    cases = []
    for name in [name.removesuffix(", mean") for name in measured if name.endswith(", mean")]:
        mean, variance = torch.tensor(measured[f"{name}, mean"]), torch.tensor(measured[f"{name}, variance"])
        holds = mean.abs().max() <= MEAN and variance.min() >= VARIANCE[0] and variance.max() <= VARIANCE[1]
        figures = f"means {mean.min():.2f} to {mean.max():.2f}, variances {variance.min():.2f} to {variance.max():.2f}"
        cases.append(Case(name, bool(holds), figures))
    name = "each unit for itself, 50 layers of 256"
    share = mean_interval(torch.tensor(measured[name]))
    holds = above(share, ENOUGH)
    return [*cases, Case(name, holds, f"{share} of the units lie inside")]


SELF_NORMALISING = Claim(
    number=23,
    statement="SELU keeps zero mean and unit variance in very deep networks, given LeCun-normal weights.",
    lesson="05",
    measure=lambda: {**random_stacks(), **_around_training()},
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_self_normalising, would_take="TODO"),),
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
    gain, variance = (mean_interval(torch.tensor(measured[name])) for name in ("gain", "variance"))
    return [
        Case("standard deviation 1/√n", abs(gain.mean - 1) < 0.02, f"{gain}/√n"),
        Case("variance kept through 50 layers", variance.low >= VARIANCE[0], f"{variance}"),
    ]


KAIMING_FOR_SELU = Claim(
    number=24,
    statement='`kaiming_normal_(nonlinearity="selu")` gives the initialisation that SELU needs.',
    lesson="05",
    measure=_kaiming_for_selu,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_kaiming_for_selu, would_take="TODO"),),
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
    lesson="05",
    measure=_lecun_in_torch,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_lecun_in_torch, would_take="TODO"),),
)


# 26: autoencoders

CODE, WIDTH = 16, 64
DEPTHS = {"one hidden layer on each side": 1, "five hidden layers on each side": 5}
RATES, TUNING, REPORTED, UPDATES = (0.001, 0.003, 0.01), range(100, 103), range(12), 1000


def _autoencoders() -> Measurement:
    train, test = experiments.small_images()
    found: dict[str, Sequence[float]] = {"best linear": [_linear_error(train.inputs, test.inputs)]}
    for depth, number in DEPTHS.items():
        sizes = (train.inputs.shape[1], *[WIDTH] * number, CODE, *[WIDTH] * number, train.inputs.shape[1])
        for record in (RELU, TANH, ELU, SELU):

            def errors(seeds: Sequence[int], rate: float, record=record, sizes=sizes) -> Tensor:
                network = experiments.train_side_by_side(
                    record.function,
                    record.gain,
                    sizes,
                    train.inputs,
                    train.inputs,
                    experiments.squared_error,
                    seeds=seeds,
                    learning_rate=rate,
                    steps=UPDATES,
                )
                with torch.no_grad():
                    return experiments.squared_error(
                        outputs(network, test.inputs, record.function), test.inputs
                    ).nan_to_num(1e9)

            best = min(RATES, key=lambda rate: errors(TUNING, rate).mean().item())
            found[f"{depth}, {record.name}"] = errors(REPORTED, best).tolist()
            found[f"{depth}, {record.name}, rate"] = [best]
    return found


def _linear_error(train: Tensor, test: Tensor) -> float:
    """Of the best linear autoencoder with the same code: the first principal components of the training images."""
    mean = train.mean(dim=0)
    components = torch.linalg.svd(train - mean, full_matrices=False).Vh[:CODE]
    centred = test - mean
    return (centred - centred @ components.T @ components).square().mean().item()


LINEAR = "best linear"  # what can be had without any activation


def _judge_autoencoders(measured: Measurement) -> Sequence[Case]:
    comparisons = [(depth, other) for depth in DEPTHS for other in ("relu", "tanh", "elu", LINEAR)]
    cases = []
    for depth, other in comparisons:
        selu = torch.tensor(measured[f"{depth}, selu"])
        if other == LINEAR:
            title, baseline = "no activation at all", torch.tensor(measured[LINEAR]).expand_as(selu)
        else:
            title, baseline = ACTIVATIONS[other].title, torch.tensor(measured[f"{depth}, {other}"])
        ratio = ratio_interval(selu, baseline, confidence=1 - 0.05 / len(comparisons))
        figures = f"errors {selu.mean():.3f} and {baseline.mean():.3f}, ratio {ratio}"
        cases.append(Case(f"{depth}, against {title}", below(ratio, 1), figures))
    return cases


AUTOENCODERS = Claim(
    number=26,
    statement="SELU suits autoencoders.",
    lesson="05",
    measure=_autoencoders,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_autoencoders, would_take="TODO"),),
    kept=True,
    limits=f"Suits: reconstructs better. Thin evidence: images of 8 × 8 from shapes10, a code of {CODE} numbers, no "
    f"more than {UPDATES} updates of Adam, {len(REPORTED)} paired seeds, and the best of three rates for each, chosen "
    f"on {len(TUNING)} other seeds. The code goes through the activation, too, so that ReLU's is never negative. No "
    "network reached the best linear autoencoder, which needs no activation (principal components). After a first look "
    "that comparison was added, and there were twice as many seeds, three times as many for the rates. Eight intervals "
    "that hold together.",
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
    lesson="05",
    measure=_adaptive,
    parts=(Part(quantifier=Compared("TODO", margins.ACCURACY), judge=_judge_adaptive, would_take="TODO"),),
    limits="Adaptive: the curve changes in training. That SELU pulls mean and variance back is claim 23.",
)
