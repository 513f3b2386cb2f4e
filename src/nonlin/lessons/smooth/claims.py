"""Claims about Swish, GELU and Mish."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.bench.cost import WARM_UP, margin, rounds, settle_allocator
from nonlin.intervals import Estimate, Family, exact
from nonlin.lab.networks import small_cnn, threads
from nonlin.ledger import Always, Case, Claim, Compared, Exists, Measurement, Part, literature, margins, reference
from nonlin.lessons.smooth.experiments import (
    best_rate,
    in_pieces,
    random_gates,
    restlessness,
    robust_accuracy,
    steps_in_depth,
)

SMOOTH = {"silu": F.silu, "gelu": F.gelu, "mish": F.mish}
TITLES = {name: ACTIVATIONS[name].title for name in ("relu", *SMOOTH)}


def _its_pieces(name: str) -> str:
    return f"{name} in pieces"


def _contenders() -> dict[str, Callable[[Tensor], Tensor]]:
    """ReLU, the smooth ones, and their copies in straight pieces."""
    pieces = {_its_pieces(name): in_pieces(activation) for name, activation in SMOOTH.items()}
    return {"relu": torch.relu, **SMOOTH, **pieces}


def _accuracies(name: str, rival: str) -> dict[str, Estimate]:
    """By how many points of accuracy one is ahead of another, for each network of the course that has both."""
    compared = {network: found.get(name) for network, found in reference.differences(reference=rival).items()}
    return {network: each.together for network, each in compared.items() if each and each.together}


def _points(difference: Estimate) -> str:
    return f"{difference.mean:+.2f} points [{difference.low:+.2f}, {difference.high:+.2f}], {difference.n} pairs"


# 28

DEPTHS = (3, 10, 30)
DEEP_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def _steps_by_depth() -> Measurement:
    measured = {}
    for depth in DEPTHS:
        for name, activation in {"relu": torch.relu, "silu": F.silu}.items():

            def run(rate: float, seeds: Sequence[int], activation: Callable = activation, depth: int = depth) -> Tensor:
                return steps_in_depth(activation, depth, rate, seeds=seeds)

            rate = best_rate(lambda rate, run=run: run(rate, range(100, 110)), DEEP_RATES)
            measured[f"{depth}, {name}"] = run(rate, range(40)).tolist()
            measured[f"{depth}, {name}, rate"] = [rate]
    return measured


def _judge_swish(measured: Measurement) -> Sequence[Case]:
    family = Family(len(DEPTHS) + 1)  # the course's networks share the rest of the error
    cases = [
        Case(network, margins.ACCURACY.more(gain), _points(gain), (gain,))
        for network, gain in _accuracies("silu", "relu").items()
    ]
    for depth in DEPTHS:
        ratio = family.ratio(measured[f"{depth}, silu"], measured[f"{depth}, relu"])
        said = f"{ratio} times ReLU's steps, {ratio.n} pairs"
        condition = f"two rings, plain network of {depth} hidden layers, each at its best rate"
        cases.append(Case(condition, margins.STEPS.less(ratio), said, (ratio,)))
    return cases


SWISH_BEATS_RELU = Claim(
    number=28,
    statement="Swish beats ReLU in deep networks.",
    lesson="08",
    said_by=(literature.RAMACHANDRAN,),
    measure=_steps_by_depth,
    parts=(
        Part(
            quantifier=Compared("the course's networks, and plain ones of 3 to 30 layers", margins.STEPS),
            judge=_judge_swish,
        ),
    ),
    kept=True,
    limits="β is 1. The photographs were learned by small networks in a few epochs; the rings are a toy, where beating "
    "means fewer steps to a loss of 0.2. Swish's paper speaks of networks with tens of layers on ImageNet, which were "
    "not trained here.",
)


# 29

RESTLESS_RATES = (0.03, 0.1, 0.3)


def _restlessness() -> Measurement:
    return {
        f"rate {rate:g}, {name}": restlessness(activation, rate, seeds=40)[0].tolist()
        for rate in RESTLESS_RATES
        for name, activation in _contenders().items()
    }


def _calmer(statement: str, rival: Callable[[str], str], words: str) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(RESTLESS_RATES) * len(SMOOTH))
        cases = []
        for rate, name in product(RESTLESS_RATES, SMOOTH):
            ratio = family.ratio(measured[f"rate {rate:g}, {name}"], measured[f"rate {rate:g}, {rival(name)}"])
            said = f"{ratio} times {words}, {ratio.n} pairs"
            cases.append(Case(f"{TITLES[name]}, rate {rate:g}", margins.FLUCTUATION.less(ratio), said, (ratio,)))
        return cases

    return Part(
        statement=statement,
        quantifier=Compared("two rings, three rates", margins.FLUCTUATION),
        judge=judge,
        would_take="More seeds, and rates between 0.03 and 0.3.",
    )


LESS_FLUCTUATION = Claim(
    number=29,
    statement="Smooth activations train with less fluctuation than ReLU.",
    lesson="08",
    said_by=(literature.MOLLIFIED.on("a"), literature.ZHANG.on("b")),
    measure=_restlessness,
    parts=(
        _calmer("They fluctuate less than ReLU.", lambda name: "relu", "ReLU's"),
        _calmer(
            "It is their smoothness: they fluctuate less than the same curves with kinks.",
            _its_pieces,
            "that of its copy in straight pieces",
        ),
    ),
    kept=True,
    limits="Fluctuation is the step-to-step change of the loss over its mean, in mini-batch training at a constant "
    "rate. The copies have the curve's shape and a kink at every whole number. The reference runs say "
    "nothing here: their rate changes, and their accuracy was tested once an epoch.",
)


# 30


def _two_passes() -> Measurement:
    """The share of outputs that differ when the same inputs go through a layer twice, in training mode."""
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    layers = {"GELU": nn.GELU(), "GELU, tanh form": nn.GELU(approximate="tanh"), "dropout": nn.Dropout(0.5)}
    measured: dict[str, list[float]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, layer in layers.items():
            layer.train()
            measured[name] = [(layer(x) != layer(x)).double().mean().item()]
    line = torch.linspace(-3, 3, 13, dtype=torch.float64)
    draws = random_gates(line, torch.special.ndtr, 20_000)
    measured["largest distance of the mean of its coins, in standard errors"] = [
        ((draws.mean(dim=0) - F.gelu(line)) / draws.std(dim=0).clamp(min=1e-9) * len(draws) ** 0.5).abs().max().item()
    ]
    return measured


def _judge_two_passes(measured: Measurement) -> Sequence[Case]:
    [dropout], [distance] = (
        measured["dropout"],
        measured["largest distance of the mean of its coins, in standard errors"],
    )
    return [
        Case(
            f"{name}, two passes in training mode",
            measured[name][0] > 0,
            f"{100 * measured[name][0]:.0f} % of the outputs differ; with dropout {100 * dropout:.0f} %; the mean of "
            f"random gates agrees with GELU within {distance:.1f} standard errors",
        )
        for name in ("GELU", "GELU, tanh form")
    ]


STOCHASTIC = Claim(
    number=30,
    statement="GELU is stochastic, like dropout.",
    lesson="08",
    said_by=(literature.CLICK4AI,),
    measure=_two_passes,
    parts=(Part(quantifier=Exists("forms of the layer"), judge=_judge_two_passes),),
    limits="GELU was derived as the mean of a random gate; the layer computes the mean and draws nothing.",
)


# 31


def _interleaved(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each function, on one thread, in rounds whose order is drawn anew."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    settle_allocator()
    with threads(1):
        for order in rounds(list(functions), WARM_UP + repeats):
            for name in order:
                start = perf_counter()
                functions[name]()
                seconds[name].append(perf_counter() - start)
    return {name: times[WARM_UP:] for name, times in seconds.items()}


def _step(network: nn.Module, x: Tensor) -> Callable[[], object]:
    """Forward and backward, the gradient of the input included."""
    x = x.clone().requires_grad_()
    gradient = torch.ones_like(network(x))
    inputs = [x, *network.parameters()]
    return lambda: torch.autograd.grad(network(x), inputs, gradient)


def _feed_forward(activation: nn.Module, width: int = 256) -> nn.Module:
    """The feed-forward block of a transformer: up to four times the width, and down again."""
    return nn.Sequential(nn.Linear(width, 4 * width), activation, nn.Linear(4 * width, width))


FORMS = {"exact": lambda: nn.GELU(), "tanh": lambda: nn.GELU(approximate="tanh"), "relu": nn.ReLU}


def _gelu_times() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    small, large = torch.randn(256, 512, generator=generator), torch.randn(64, 64, 32, 32, generator=generator)
    places = {
        "alone, 0.5 MiB": (lambda form: form, small, 60),
        "alone, 16 MiB": (lambda form: form, large, 20),
        "in a feed-forward block of width 256": (_feed_forward, torch.randn(512, 256, generator=generator), 40),
    }
    measured = {}
    for place, (build, x, repeats) in places.items():
        functions = {name: _step(build(make()), x) for name, make in FORMS.items()}
        for name, seconds in _interleaved(functions, repeats).items():
            measured[f"{place}, {name}"] = seconds
    return measured


def _over(measured: Measurement, name: str, base: str) -> list[float]:
    return [a / b for a, b in zip(measured[name], measured[base], strict=True)]


def _judge_gelu_times(measured: Measurement) -> Sequence[Case]:
    places = list(dict.fromkeys(name.rsplit(", ", 1)[0] for name in measured))
    family = Family(len(places))
    cases = []
    for place in places:
        dearer = family.median(_over(measured, f"{place}, exact", f"{place}, tanh"))
        relu = family.median(_over(measured, f"{place}, exact", f"{place}, relu"))
        said = f"the exact form takes {dearer} times the time of the tanh form, {relu.mean:.3g} times ReLU's"
        cases.append(Case(f"{place}, forward and backward", margins.TIME.clearly_more(dearer), said, (dearer,)))
    return cases


MUST_BE_APPROXIMATED = Claim(
    number=31,
    statement="GELU must be approximated to be affordable.",
    lesson="08",
    said_by=(literature.TORCHEDUP,),
    measure=_gelu_times,
    parts=(Part(quantifier=Always("places"), judge=_judge_gelu_times),),
    kept=True,
    limits="torch's own forms on one thread of one processor; the intervals are of the median. Affordable: at most "
    "10 % dearer than the tanh form. A graphics processor, or a chip without an error function, may differ.",
)


# 32


def _accepted() -> Measurement:
    calls: dict[str, Callable[[str], object]] = {
        "kaiming_normal_": lambda name: nn.init.kaiming_normal_(torch.empty(8, 8), nonlinearity=name),
        "kaiming_uniform_": lambda name: nn.init.kaiming_uniform_(torch.empty(8, 8), nonlinearity=name),
        "calculate_gain": nn.init.calculate_gain,
    }
    return {
        f"{call}, {name}": [float(_works(lambda f=function, name=name: f(name)))]
        for call, function in calls.items()
        for name in ("gelu", "relu")
    }


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except ValueError:
        return False
    return True


def _judge_accepted(measured: Measurement) -> Sequence[Case]:
    words = {0.0: "ValueError", 1.0: "accepted"}
    return [
        Case(
            f'{call}(nonlinearity="gelu")',
            measured[f"{call}, gelu"][0] == 1,
            f"{words[measured[f'{call}, gelu'][0]]}; for relu {words[measured[f'{call}, relu'][0]]}",
        )
        for call in ("kaiming_normal_", "kaiming_uniform_", "calculate_gain")
    ]


KAIMING_KNOWS_GELU = Claim(
    number=32,
    statement="`kaiming_normal_` knows GELU.",
    lesson="08",
    measure=_accepted,
    parts=(Part(quantifier=Always("calls of torch.nn.init"), judge=_judge_accepted),),
)


# 33

LAYERS = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "our mish": lambda: ActivationModule(ACTIVATIONS["mish"]),
}


def _mish_costs() -> Measurement:
    generator = torch.Generator().manual_seed(0)
    large, images = torch.randn(64, 64, 32, 32, generator=generator), torch.randn(64, 3, 32, 32, generator=generator)
    measured = {f"bytes, {name}": [margin(make)] for name, make in LAYERS.items()}
    for place, functions in {
        "alone": {name: _step(make(), large) for name, make in LAYERS.items()},
        "training step": {name: _step(small_cnn(make), images) for name, make in LAYERS.items()},
    }.items():
        for name, seconds in _interleaved(functions, 40).items():
            measured[f"{place}, {name}"] = seconds
    return measured


RIVALS = ("relu", "silu", "gelu")


def _judge_memory(measured: Measurement) -> Sequence[Case]:
    cases = []
    for rival in RIVALS:
        theirs, own = measured[f"bytes, {rival}"][0], measured["bytes, mish"][0]
        said = f"{own:.2g} and {theirs:.2g} bytes a number"
        cases.append(Case(f"than {TITLES[rival]}", own > theirs + 0.01, said, (exact(own - theirs),)))
    return cases


def _judge_mish_time(measured: Measurement) -> Sequence[Case]:
    settings = list(
        product(RIVALS, {"mish": "torch's form", "our mish": "our form"}.items(), ("alone", "training step"))
    )
    family = Family(len(settings))
    cases = []
    for rival, (name, form), place in settings:
        ratio = family.median(_over(measured, f"{place}, {name}", f"{place}, {rival}"))
        condition = f"than {TITLES[rival]}, {place}, {form}"
        cases.append(Case(condition, margins.TIME.clearly_more(ratio), f"{ratio} times", (ratio,)))
    return cases


def _judge_no_gain(measured: Measurement) -> Sequence[Case]:
    """Every rival has a table of its own, and a third of the error."""
    cases = []
    for rival in RIVALS:
        for network, gain in _accuracies("mish", rival).items():
            better = margins.ACCURACY.more(gain)
            holds = None if better is None else not better
            cases.append(Case(f"over {TITLES[rival]}, {network}", holds, _points(gain), (gain,)))
    return cases


MISH_COSTS_MORE = Claim(
    number=33,
    statement="Mish costs more memory and time than it gains.",
    lesson="08",
    said_by=(literature.MISH_ISSUE.on("ab"),),
    measure=_mish_costs,
    parts=(
        Part(statement="It keeps more memory.", quantifier=Always("ReLU, SiLU and GELU"), judge=_judge_memory),
        Part(
            statement="It takes clearly more time.",
            quantifier=Always("ReLU, SiLU and GELU, torch's layers and ours"),
            judge=_judge_mish_time,
            would_take="More rounds on an idle machine, for our form in a training step.",
        ),
        Part(statement="It gains no accuracy.", quantifier=Always("the course's networks"), judge=_judge_no_gain),
    ),
    kept=True,
    limits="Time on one thread of one processor; the training step is that of the course's network, batch 64, float32; "
    "bytes are those that an activation adds between two convolutions. Where Mish is both dearer and better, this does "
    "not say whether it pays: seconds and points have no common price.",
)


# 59

ROBUST_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
TRAININGS = {"by attacked points": True, "by clean points": False}


def _robustness() -> Measurement:
    """Accuracy in %, under attack and without, each at the rate that is best under attack with other seeds."""
    measured = {}
    for (words, attacked), (name, f) in product(TRAININGS.items(), _contenders().items()):

        def run(rate: float, seeds: range, f: Callable = f, attacked: bool = attacked) -> Tensor:
            return robust_accuracy(f, rate, attacked=attacked, seeds=seeds)

        rate = best_rate(lambda rate, run=run: -run(rate, range(100, 105))[1], ROBUST_RATES)
        measured[f"{words}, {name}, not attacked"], measured[f"{words}, {name}"] = run(rate, range(20)).tolist()
        measured[f"{words}, {name}, rate"] = [rate]
    return measured


def _more_robust(statement: str, words: str, rival: Callable[[str], str], *, loses: bool = False) -> Part:
    """Whether more is right under attack than with the rival; or, of what is right without, less is lost by it."""

    def under_attack(measured: Measurement, name: str) -> Tensor:
        attacked, calm = (torch.tensor(measured[f"{words}, {name}{each}"]) for each in ("", ", not attacked"))
        return attacked - calm if loses else attacked

    def judge(measured: Measurement) -> Sequence[Case]:
        family = Family(len(SMOOTH))
        cases = []
        for name in SMOOTH:
            own, theirs = (under_attack(measured, each) for each in (name, rival(name)))
            gain = family.mean(own - theirs)
            cases.append(Case(TITLES[name], margins.ACCURACY.more(gain), _points(gain), (gain,)))
        return cases

    return Part(
        statement=statement,
        quantifier=Compared("activations", margins.ACCURACY),
        judge=judge,
        would_take="More seeds, and networks and images of the size of those in the literature.",
    )


MORE_ROBUST = Claim(
    number=59,
    statement="Smooth activations make a network more robust against adversarial examples.",
    lesson="08",
    said_by=(literature.XIE.on("ab"),),
    measure=_robustness,
    parts=(
        _more_robust(
            "Trained by attacked points, they are right on more attacked points than ReLU.",
            "by attacked points",
            lambda name: "relu",
        ),
        _more_robust(
            "Trained in this way, they are right on more attacked points than the same curves with kinks.",
            "by attacked points",
            _its_pieces,
        ),
        _more_robust(
            "Trained by clean points, they are right on more attacked points than ReLU.",
            "by clean points",
            lambda name: "relu",
        ),
        _more_robust(
            "Trained by clean points, they lose less accuracy to an attack than ReLU.",
            "by clean points",
            lambda name: "relu",
            loses=True,
        ),
    ),
    kept=True,
    limits="Clouds of points in ten dimensions, plain networks of two hidden layers, one size of the attack, 20 steps "
    "of projected gradients: a stronger attack could find more. Images and convolutional networks were not tried.",
)

# 68


def _judge_gelu_and_silu(measured: Measurement) -> Sequence[Case]:
    return [
        Case(network, margins.ACCURACY.same(gain), f"GELU ahead by {_points(gain)}", (gain,))
        for network, gain in _accuracies("gelu", "silu").items()
    ]


GELU_AND_SILU = Claim(
    number=68,
    statement="GELU and SiLU give the same accuracy.",
    lesson="08",
    said_by=(literature.ZERO_ENTROPY_SILU,),
    measure=dict,
    parts=(
        Part(
            quantifier=Always(f"the course's networks, to {margins.ACCURACY}"),
            judge=_judge_gelu_and_silu,
            would_take="More seeds than the protocol of the reference runs plans.",
        ),
    ),
    limits="Small networks, four epochs, one set of images; lesson 16 exchanges the two in a language model.",
)
