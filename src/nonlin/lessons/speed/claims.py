"""Claims about speed and memory.

What decides, chosen before the measurements were looked at. A time is the processor's, as a ratio within a round; its
figure is the median over the rounds with the 95 % interval of that median, which the order of the values gives for any
distribution: an interval above a bound decides for, one below it against, one around it not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from time import get_clock_info, perf_counter, process_time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.bench.cost import WARM_UP, margin, rounds, settle_allocator
from nonlin.intervals import Estimate, Family, above, exact
from nonlin.lab.networks import threads
from nonlin.ledger import Always, Case, Claim, Compared, Measurement, Never, Part, all_hold, literature, margins

# Times


# On one thread the processor's time is that of the clock on the wall, less what other programs take in between.
_clock = process_time if get_clock_info("process_time").resolution < 1e-5 else perf_counter


def _ratios(functions: Mapping[str, Callable[[], object]], base: str, repeats: int) -> dict[str, list[float]]:
    """Time of each function over that of the base in the same round, on one thread."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    settle_allocator()
    with threads(1):
        for order in rounds(list(functions), WARM_UP + repeats):
            for name in order:
                start = _clock()
                functions[name]()
                seconds[name].append(_clock() - start)
    return {
        name: [float(f"{a / b:.4g}") for a, b in zip(times[WARM_UP:], seconds[base][WARM_UP:], strict=True)]
        for name, times in seconds.items()
        if name != base
    }


def _forward(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    return lambda: layer(x)


def _step(network: nn.Module, x: Tensor) -> Callable[[], object]:
    """Forward and backward, with the gradients of the input and of all parameters."""
    x = x.clone().requires_grad_()
    gradient, inputs = torch.ones_like(network(x)), [x, *network.parameters()]
    return lambda: torch.autograd.grad(network(x), inputs, gradient)


def _numbers(mebibytes: float) -> Tensor:
    return torch.randn(int(mebibytes * 2**18), generator=torch.Generator().manual_seed(0))


def _between_convolutions(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), activation, nn.Conv2d(16, 16, 3, padding=1))


def _places(layers: Mapping[str, Callable[[], nn.Module]]) -> dict[str, dict[str, Callable[[], object]]]:
    """What is timed, by place and activation: alone, where all that counts is itself, and in a small network."""
    large, small = _numbers(4), _numbers(1 / 8)
    images = torch.randn(8, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    return {
        "forward, 4 MiB": {name: _forward(make(), large) for name, make in layers.items()},
        "forward, ⅛ MiB": {name: _forward(make(), small) for name, make in layers.items()},
        "forward and backward, 4 MiB": {name: _step(make(), large) for name, make in layers.items()},
        "forward and backward, ⅛ MiB": {name: _step(make(), small) for name, make in layers.items()},
        "forward and backward, between two small convolutions": {
            name: _step(_between_convolutions(make()), images) for name, make in layers.items()
        },
    }


def _timed(
    layers: Mapping[str, Callable[[], nn.Module]], base: str, places: Sequence[str], repeats: int
) -> Measurement:
    functions = _places(layers)
    return {
        f"{place}: {name}": ratios
        for place in places
        for name, ratios in _ratios(functions[place], base, repeats).items()
    }


def _by_place(measured: Measurement) -> dict[str, dict[str, Estimate]]:
    """By place and by name: the median of a ratio; all intervals hold together."""
    family = Family(len(measured))
    found: dict[str, dict[str, Estimate]] = {}
    for key, ratios in measured.items():
        place, _, name = key.partition(": ")
        found.setdefault(place, {})[name] = family.median(ratios)
    return found


# 5: the exponential


def _exponential_times() -> Measurement:
    layers = {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
    return _timed(layers, "ReLU", list(_places({})), repeats=150)


def _notably_slower(name: str) -> Part:
    def judge(measured: Measurement) -> Sequence[Case]:
        own = {key: ratios for key, ratios in measured.items() if key.endswith(f": {name}")}
        return [
            Case(place, margins.NOTABLE_TIME.clearly_more(ratio), f"{ratio} times ReLU's time", (ratio,))
            for place, by_name in _by_place(own).items()
            for ratio in by_name.values()
        ]

    return Part(
        statement=f"It makes {name} notably slower.",
        quantifier=Compared("sizes, forward and backward, and a small network", margins.NOTABLE_TIME),
        judge=judge,
        would_take="A grid of sizes, and of how much the rest of a network takes, timed on an idle machine.",
    )


EXPONENTIAL_IS_SLOW = Claim(
    number=5,
    statement="The exponential makes sigmoid and tanh notably slower than ReLU.",
    lesson="14",
    said_by=(literature.CS231N, literature.VASIM),
    measure=_exponential_times,
    parts=(_notably_slower("sigmoid"), _notably_slower("tanh")),
    kept=True,
    limits="Notably means by a quarter or more. One thread of one x86 processor with vector instructions, float32; the "
    "intervals are of the median. Both need one exponential: where the two differ, it is not the reason.",
)


# 8: the cheapest

CHEAPEST_PLACES = ("forward, 4 MiB", "forward and backward, 4 MiB", "forward and backward, ⅛ MiB")


def _all_times() -> Measurement:
    layers = {
        record.title: lambda r=record: r.torch_module(**r.parameters)
        for record in ACTIVATIONS.values()
        if record.torch_module
    }
    return _timed(layers, ACTIVATIONS["relu"].title, CHEAPEST_PLACES, repeats=50)


def _judge_cheaper(measured: Measurement) -> Sequence[Case]:
    cases = []
    for place, ratios in _by_place(measured).items():
        cheaper = [margins.TIME.clearly_less(ratio) for ratio in ratios.values()]
        least = min(ratios, key=lambda name: ratios[name].mean)
        said = f"the least of the {len(ratios)} others is {least} with {ratios[least]} times ReLU's time"
        holds = all_hold([None if each is None else not each for each in cheaper])
        cases.append(Case(place, holds, said, tuple(ratios.values())))
    return cases


def _judge_dearer(measured: Measurement) -> Sequence[Case]:
    cases = []
    for place, ratios in _by_place(measured).items():
        dearer = [margins.TIME.clearly_more(ratio) for ratio in ratios.values()]
        said = f"{dearer.count(True)} of {len(ratios)} are clearly dearer, {dearer.count(False)} are not"
        cases.append(Case(place, all_hold(dearer), said, tuple(ratios.values())))
    return cases


CHEAPEST = Claim(
    number=8,
    statement="ReLU is the cheapest activation.",
    lesson="14",
    said_by=(literature.VASIM, literature.LOLLOX1K),
    measure=_all_times,
    parts=(
        Part(
            statement="None is clearly cheaper.",
            quantifier=Never("activations of torch, three places"),
            judge=_judge_cheaper,
            would_take="More rounds on an idle machine, for those whose interval reaches below 0.9.",
        ),
        Part(
            statement="All others are clearly dearer.",
            quantifier=Always("activations of torch, three places"),
            judge=_judge_dearer,
        ),
    ),
    kept=True,
    limits="Clearly means by a tenth or more. torch's own layers on one thread of one x86 processor, float32; memory "
    "is not part of it.",
)


# 49: four published times

PUBLISHED = {"ReLU": 94, "ReLU6": 97, "LeakyReLU": 106, "PReLU": 106}  # milliseconds
FOUR_PLACES = ("forward, 4 MiB", "forward and backward, 4 MiB", "forward and backward, between two small convolutions")


def _four_times() -> Measurement:
    layers = {name: getattr(nn, name) for name in PUBLISHED}
    measured: dict[str, Sequence[float]] = {}
    for place in FOUR_PLACES:
        over_relu = _ratios(_places(layers)[place], "ReLU", 100)
        pairs = {
            "ReLU6 over ReLU": over_relu["ReLU6"],
            "LeakyReLU over ReLU6": _over(over_relu["LeakyReLU"], over_relu["ReLU6"]),
            "PReLU over LeakyReLU": _over(over_relu["PReLU"], over_relu["LeakyReLU"]),
        }
        measured |= {f"{place}: {name}": ratios for name, ratios in pairs.items()}
    return measured


def _over(these: Sequence[float], those: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(these, those, strict=True)]


def _judge_four_times(measured: Measurement) -> Sequence[Case]:
    """Each place is one case: an order of four stands or falls as a whole."""
    cases = []
    for place, ratios in _by_place(measured).items():
        answers, said = [], []
        for pair, ratio in ratios.items():
            slower, faster = pair.split(" over ")
            published = PUBLISHED[slower] / PUBLISHED[faster]
            stands = above(ratio, (1 + published) / 2) if published > 1 else margins.TIME.same(ratio)
            answers.append(stands)
            said.append(f"{pair} {ratio}, published {published:.2f}")
        cases.append(Case(place, all_hold(answers), ", ".join(said), tuple(ratios.values())))
    return cases


FOUR_TIMES = Claim(
    number=49,
    statement="The published times ReLU 94, ReLU6 97, LeakyReLU 106, PReLU 106 ms order the four.",
    lesson="14",
    measure=_four_times,
    parts=(Part(quantifier=Always("places"), judge=_judge_four_times),),
    kept=True,
    limits="A step of the order stands if at least half of the published difference is there; the two that are level, "
    "if they differ by less than a tenth. Not reproduced on one thread of one x86 processor, float32; where they were "
    "measured, and how, is not said.",
)


# 50: in place


def _in_place() -> Measurement:
    measured: dict[str, Sequence[float]] = {}
    for record in ACTIVATIONS.values():
        if record.takes_inplace:
            saved = margin(_torch(record, False)) - margin(_torch(record, True))
            measured[f"saved: {record.title}"] = [saved]
            measured[f"same memory: {record.title}"] = [_overwrites(_torch(record, True)())]
    measured["gradients: chain"] = [_largest_difference_in_a_chain()]
    measured |= {f"refused: {what}": [_refused(program)] for what, program in PROGRAMS.items()}
    measured["residual"] = _residual(inplace=True) + _residual(inplace=False)
    return measured


def _torch(record: object, inplace: bool) -> Callable[[], nn.Module]:
    return lambda: record.torch_module(**record.parameters, inplace=inplace)


@torch.no_grad()
def _overwrites(layer: nn.Module) -> float:
    """Whether the output lies where the input was, so that the call needs no second tensor."""
    x = torch.randn(8)
    return float(layer.eval()(x).data_ptr() == x.data_ptr())


def _largest_difference_in_a_chain() -> float:
    """Of outputs and gradients of linear, ReLU, linear, with the activation in place and not."""
    found = []
    for inplace in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(inplace=inplace), nn.Linear(16, 4))
            y = network(torch.randn(32, 8))
        found.append([y, *torch.autograd.grad(y.square().sum(), list(network.parameters()))])
    return max((a - b).abs().max().item() for a, b in zip(*found, strict=True))


def _leaf() -> Tensor:
    return torch.tensor([-1.0, 2.0], requires_grad=True)


def _after_exp() -> None:
    F.relu(_leaf().exp(), inplace=True).sum().backward()


def _used_before() -> None:
    h = 1 * _leaf()
    square = h**2
    (square + F.relu(h, inplace=True)).sum().backward()


PROGRAMS = {
    "on a weight or an input": lambda: F.relu(_leaf(), inplace=True),
    "after an operation that keeps its output": _after_exp,
    "after another operation has kept the input": _used_before,
}


def _refused(program: Callable[[], object]) -> float:
    try:
        program()
    except RuntimeError:
        return 1.0
    return 0.0


def _residual(*, inplace: bool) -> list[float]:
    h = 1 * _leaf()
    return (h + F.relu(h, inplace=inplace)).tolist()


def _judge_saving(measured: Measurement) -> Sequence[Case]:
    return [
        Case(title, bytes_ > 0, f"{bytes_:g} bytes a number less are kept for backward", (exact(bytes_),))
        for title, bytes_ in _titles(measured, "saved: ").items()
    ]


def _judge_free(measured: Measurement) -> Sequence[Case]:
    over = _titles(measured, "same memory: ")
    [difference] = measured["gradients: chain"]
    first, plain = measured["residual"][:2], measured["residual"][2:]
    said = f"h + relu(h) gives {first} instead of {plain} for h = [-1, 2], without an error"
    return [
        Case("in a chain of linear, ReLU, linear", difference == 0, f"outputs and gradients differ by {difference:g}"),
        *(
            Case(what, not refused, "autograd refuses" if refused else "accepted")
            for what, refused in _titles(measured, "refused: ").items()
        ),
        Case("in a residual branch", first == plain, said),
        Case(
            "without autograd, it needs no second tensor",
            all(over.values()),
            f"the output lies where the input was, for {sum(over.values()):.0f} of {len(over)}",
        ),
    ]


def _titles(measured: Measurement, start: str) -> dict[str, float]:
    return {key.removeprefix(start): values[0] for key, values in measured.items() if key.startswith(start)}


IN_PLACE = Claim(
    number=50,
    statement="`inplace=True` saves memory and is free.",
    lesson="14",
    said_by=(literature.IN_PLACE.on("a"),),
    measure=_in_place,
    parts=(
        Part(
            statement="It saves memory in training.",
            quantifier=Always("torch's layers that have it, between two convolutions"),
            judge=_judge_saving,
        ),
        Part(statement="It is free.", quantifier=Always("programs"), judge=_judge_free),
    ),
    limits="torch's 13 activations that have the option, float32. Time is not judged here; lesson 14 measures it.",
)
