"""Exercises and quiz of lesson 14, speed, memory and in-place."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import AUTOGRAD, MASK, NUMBERS, NUMPY, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz

Functions = Mapping[str, Callable[[Tensor], float]]
Orders = Sequence[Sequence[str]]


def medians(functions: Functions, x: Tensor, orders: Orders, base: str) -> tuple[float, ...]:
    ratios = {name: [] for name in functions}
    for number, order in enumerate(orders):
        taken = {name: functions[name](x) for name in order}
        if number >= 2:
            for name in functions:
                ratios[name].append(taken[name] / taken[base])
    return tuple(median(ratios[name]) for name in functions)


def _instrumented(code: int) -> Callable[[Tensor], float]:
    """A function that writes its code into the log that it gets as x, and returns made-up seconds that tell when."""

    def call(log: Tensor) -> float:
        place = int(log.count_nonzero())
        log[place] = code
        return 1 + code + (4 * place + code) % 13 + place / 100

    return call


def _all_rounds(functions: Functions, x: Tensor, orders: Orders) -> list[dict[str, float]]:
    return [{name: functions[name](x) for name in order} for order in orders]


def _summed_up(
    summary: Callable[[list[dict[str, float]], str, str], float], skip: int = 2
) -> Callable[..., tuple[float, ...]]:
    """Wrong ways to sum up what was measured: from the counted rounds, a name and the base."""

    def answer(functions: Functions, x: Tensor, orders: Orders, base: str) -> tuple[float, ...]:
        counted = _all_rounds(functions, x, orders)[skip:]
        return tuple(summary(counted, name, base) for name in functions)

    return answer


def _median_ratio(counted: list[dict[str, float]], name: str, base: str) -> float:
    return median(taken[name] / taken[base] for taken in counted)


def _one_after_the_other(functions: Functions, x: Tensor, orders: Orders, base: str) -> tuple[float, ...]:
    times = {name: [function(x) for _ in orders][2:] for name, function in functions.items()}
    return tuple(median(a / b for a, b in zip(times[name], times[base], strict=True)) for name in functions)


def _with_the_base_again(functions: Functions, x: Tensor, orders: Orders, base: str) -> tuple[float, ...]:
    rounds = [{name: functions[name](x) / functions[base](x) for name in order} for order in orders]
    return tuple(median(ratios[name] for ratios in rounds[2:]) for name in functions)


def _in_the_order_of_the_last_round(functions: Functions, x: Tensor, orders: Orders, base: str) -> tuple[float, ...]:
    counted = _all_rounds(functions, x, orders)[2:]
    return tuple(_median_ratio(counted, name, base) for name in counted[-1])


CALLS = {name: _instrumented(code) for code, name in enumerate(("relu", "relu6", "prelu"), 1)}
THREE = (
    "relu6 relu prelu",
    "prelu relu relu6",
    "relu6 prelu relu",
    "relu6 relu prelu",
    "relu6 prelu relu",
    "relu6 relu prelu",
    "prelu relu6 relu",
)
TWO = ("prelu relu", "prelu relu", "relu prelu", "prelu relu", "relu prelu", "relu prelu", "prelu relu")

MEDIANS = Exercise(
    number="14.1",
    title="Medians within rounds",
    minutes=7,
    difficulty=3,
    solution=medians,
    probes=(
        Probe(
            label="with 3 functions",
            arguments=(CALLS, torch.zeros(99), [order.split() for order in THREE], "relu"),
        ),
        Probe(
            label="with 2 functions",
            arguments=(
                {name: CALLS[name] for name in ("relu", "prelu")},
                torch.zeros(99),
                [order.split() for order in TWO],
                "prelu",
            ),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_summed_up(_median_ratio, skip=0),
            hint="the two warm-up rounds run, but you counted them.",
        ),
        Mistake(
            answer=lambda functions, x, orders, base: _summed_up(_median_ratio, skip=0)(functions, x, orders[2:], base),
            hint="the first two rounds are not counted, but not run either: then nothing is warmed up.",
        ),
        Mistake(
            answer=_summed_up(_median_ratio, skip=1),
            hint="one round is left out; the warm-up has two.",
        ),
        Mistake(
            answer=_summed_up(_median_ratio, skip=3),
            hint="three rounds are left out; rounds are numbered from 0, so round 2 counts.",
        ),
        Mistake(
            answer=_summed_up(
                lambda counted, name, base: median(t[name] for t in counted) / median(t[base] for t in counted)
            ),
            hint="that divides two medians, which may come from different rounds: divide within each round first.",
        ),
        Mistake(
            answer=_summed_up(lambda counted, name, base: mean(taken[name] / taken[base] for taken in counted)),
            hint="that is the mean of the ratios; a single disturbed round moves it. Take the median.",
        ),
        Mistake(
            answer=_summed_up(lambda counted, name, base: median(taken[name] for taken in counted)),
            hint="those are medians of seconds, which belong to one machine: divide by the base's within each round.",
        ),
        Mistake(
            answer=_summed_up(lambda counted, name, base: _median_ratio(counted, base, name)),
            hint="upside down: a function that takes twice the base's time is to give 2.",
        ),
        Mistake(
            answer=_summed_up(
                lambda counted, name, base: min(t[name] for t in counted) / min(t[base] for t in counted)
            ),
            hint="minima hide the spread, and need not come from one round: take the median of the ratios.",
        ),
        Mistake(
            answer=_one_after_the_other,
            hint="you finish one function before the next begins: a disturbance then hits one of them alone. Every round "
            "must run all of them.",
        ),
        Mistake(
            answer=_with_the_base_again,
            hint="you run the base again for every name: it runs once a round, as all do, and its time there serves all.",
        ),
        Mistake(
            answer=lambda functions, x, orders, base: medians(functions, x, [list(functions)] * len(orders), base),
            hint="every round has the order of functions: take that of orders, which differs from round to round.",
        ),
        Mistake(
            answer=_in_the_order_of_the_last_round,
            hint="the right medians, in the order of a round: return them in the order of functions.",
        ),
    ),
    hints=(
        "Two loops: over the rounds with their number, and in each over its names, keeping the seconds by name.",
        "At the end of a round whose number is at least 2, append each name's seconds divided by base's.",
        "Then the median of each list: sorted, the middle one; or statistics.median.",
    ),
    remark="warm-up, an order of its own for each round, ratios within a round, and a median. The input that the check "
    "passed was a logbook, in which each function noted its call.",
)


def copies_for_textbook_mish() -> float:
    moved = 2 + 2 + 2 + 2 + 3  # exp, 1 +, log, tanh: one read, one written; x * reads two and writes one
    return moved / 2  # a copy reads one and writes one


PASSES = Exercise(
    number="14.2",
    title="Count the passes of Mish",
    minutes=4,
    difficulty=2,
    solution=copies_for_textbook_mish,
    mistakes=(
        Mistake(answer=5, hint="five operations, but the last one reads two tensors: it moves 3 numbers, not 2."),
        Mistake(answer=11, hint="11 numbers move for each element. A copy moves 2: one read, one written."),
        Mistake(answer=4.5, hint="one operation is missing: exp, 1 +, log, tanh, and the product with x."),
        Mistake(answer=1, hint="1 is what a fused Mish could reach at best: x in, y out."),
        Mistake(
            answer=4, hint="that is four operations of one copy each; the product with x comes on top, and reads two."
        ),
        Mistake(
            answer=10, hint="10 numbers move if each operation moves two; the product moves three. And a copy moves 2."
        ),
        Mistake(answer=8, hint="8 numbers for exp, 1 +, log and tanh; then the product, and the division by 2."),
    ),
    hints=(
        "List the operations in the order in which Python runs them, and for each the tensors read and written.",
        "Four of the five read one tensor and write one; the product reads two. Divide by what a copy moves.",
    ),
    remark="a fused Mish moves 2 numbers, 5.5 times fewer. How much faster it is depends on what its logarithm and "
    "exponentials cost beside that.",
)


def outputs(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    log = []
    for layer in layers:
        x = layer(x.clone())
        log.append(x.detach())
    return tuple(log)


def _nothing_copied(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    log = []
    for layer in layers:
        x = layer(x)
        log.append(x.detach())
    return tuple(log)


def _switched_off(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    for layer in layers:
        layer.inplace = False
    return _nothing_copied(x, layers)


def _log_copied(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    log = []
    for layer in layers:
        x = layer(x)
        log.append(x.detach().clone())
    return tuple(log)


def _inputs(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    log = []
    for layer in layers:
        log.append(x.detach().clone())
        x = layer(x.clone())
    return tuple(log)


class Overwriting(nn.Module):
    """A ReLU that always works in place, without an option that could be switched off."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu_()


X = torch.tensor([-1.0, 0.5, 2.0])

LOGBOOK = Exercise(
    number="14.3",
    title="Find the bug: the logbook that changes afterwards",
    minutes=5,
    difficulty=2,
    solution=outputs,
    probes=(
        Probe(label="with Tanh, ReLU", arguments=(X, [nn.Tanh(), nn.ReLU()])),
        Probe(label="with Tanh, ReLU(inplace=True)", arguments=(X, [nn.Tanh(), nn.ReLU(inplace=True)])),
        Probe(label="with ReLU(inplace=True), Tanh", arguments=(X, [nn.ReLU(inplace=True), nn.Tanh()])),
        Probe(label="with layers of your own that overwrite", arguments=(X, [nn.Tanh(), Overwriting(), nn.Tanh()])),
    ),
    mistakes=(
        Mistake(
            answer=_nothing_copied,
            hint="what is logged and what goes into the next layer are the same memory (detach() cuts the graph, not the "
            "memory), and a layer that works in place overwrites both.",
        ),
        Mistake(
            answer=_switched_off,
            hint="a layer need not have an option to switch off, and the caller's are to stay as they are: copy what goes in.",
        ),
        Mistake(
            answer=lambda x, layers: _nothing_copied(x.clone(), layers),
            hint="now the caller's x is safe, but the log is not: its entries still share memory with what the next layer "
            "overwrites.",
        ),
        Mistake(
            answer=_log_copied,
            hint="the log is right now, but if the first layer works in place, it overwrites the caller's x.",
        ),
        Mistake(
            answer=_inputs,
            hint="you log each layer's input, and the last output is missing: log after the layer, not before.",
        ),
        Mistake(
            answer=lambda x, layers: tuple(layer(x.clone()) for layer in layers),
            hint="every layer gets the caller's x; from the second on, a layer works on the output of the one before.",
        ),
        Mistake(
            answer=lambda x, layers: outputs(x, layers)[-1],
            hint="that is the last output alone: return a tuple of all.",
        ),
    ),
    hints=(
        "Which line reads memory that a later line writes? Run it with [nn.Tanh(), nn.ReLU(inplace=True)] and print.",
        "A copy at one place protects both the log and the caller: what goes into a layer.",
    ),
    remark="every layer works on a copy of its own, and nothing that was handed out changes afterwards. That costs the "
    "memory that inplace was to save: do it to look inside, not to train.",
)


def elu_backward(gradient: Tensor, y: Tensor, alpha: float) -> Tensor:
    below = y.clamp(max=0) + alpha
    above = torch.sign(y.clamp(min=0))
    return gradient * (below + (1 - alpha) * above)


def _by_slope(slope: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, Tensor, float], Tensor]:
    return lambda gradient, y, alpha: gradient * slope(y, alpha)


GRADIENT = torch.linspace(-1.9, 2.3, 24)

ELU_BACKWARD = Exercise(
    number="14.4",
    title="ELU's backward, cheap in both",
    minutes=7,
    difficulty=3,
    solution=elu_backward,
    by_hand=ByHand(
        without=("elu_backward", "where", "masked_fill", "masked_scatter", "nonzero", AUTOGRAD, MASK, NUMPY, NUMBERS)
    ),
    probes=(
        Probe(label="with alpha = 1", arguments=(GRADIENT, torch.linspace(-0.875, 2, 24), 1.0)),
        Probe(label="with alpha = 2", arguments=(GRADIENT, torch.linspace(-1.875, 1, 24), 2.0)),
        Probe(label="with alpha = 0.5", arguments=(GRADIENT[:20], torch.linspace(-0.375, 2, 20), 0.5)),
        Probe(
            label="in float64, for tiny outputs",
            arguments=(torch.tensor([[3.0, -3.0]]).double(), torch.tensor([[1e-30, -0.25]]).double(), 0.25),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + 1),
            hint="right for alpha = 1 only. Below zero y is alpha (e^x - 1): solve that for alpha e^x.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + alpha),
            hint="right below zero; above zero this gives alpha, and the slope is 1. Something that is 1 for a positive y "
            "and 0 else has to be added.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: (y + alpha).clamp(max=1)),
            hint="a clamp joins the two pieces only where they meet, which is for alpha = 1; for another alpha the slope "
            "jumps at 0.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + alpha + (1 - alpha) * torch.sign(y)),
            hint="the sign of a negative y is -1, and changes the lower piece as well: clamp y from below first.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + alpha + (1 - alpha) * (torch.sign(y) + 1) / 2),
            hint="at y = 0 the sign is 0, so that your factor is ½ there: 0 belongs to the lower piece.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + alpha + torch.sign(y.clamp(min=0))),
            hint="above zero this is alpha + 1; the slope there is 1: add 1 - alpha.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y + alpha),
            hint="that is the piece below zero; above zero the slope is 1.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: alpha * y.clamp(max=0).exp() + (1 - alpha) * torch.sign(y.clamp(min=0))),
            hint="you put the output where the input belongs: below zero the slope is alpha e^x, and you have y, not x.",
        ),
        Mistake(
            answer=lambda gradient, y, alpha: elu_backward(torch.ones_like(gradient), y, alpha),
            hint="that is the slope; by the chain rule backward returns slope times gradient.",
        ),
        Mistake(
            answer=lambda gradient, y, alpha: elu_backward(gradient.clamp(min=0), y, alpha),
            hint="you rectified the gradient: a negative one passes as well.",
        ),
        Mistake(
            answer=_by_slope(
                lambda y, alpha: y.clamp(max=0) + alpha + (1 - alpha) * torch.heaviside(y, torch.ones_like(y))
            ),
            hint="y = 0 belongs to the lower piece, where the slope is alpha.",
        ),
        Mistake(
            answer=_by_slope(lambda y, alpha: y.clamp(max=0) + alpha + (1 - alpha) * y.clamp(min=0, max=1)),
            hint="right from y = 1 on; for a y between 0 and 1 the slope is 1 too, however small y is.",
        ),
    ),
    hints=(
        "For x <= 0 the slope is alpha e^x, which is y + alpha.",
        "clamp(max=0) is 0 for every positive y: the lower piece is then alpha there, and lacks 1 - alpha.",
        "torch.sign of y.clamp(min=0) is 1 for a positive y and 0 else, as numbers, without a mask.",
    ),
    remark="it keeps the output, which the next layer keeps anyway, and never guesses. The price: near y = -alpha the sum "
    "y + alpha loses the relative accuracy of a tiny slope.",
)

QUIZ = Quiz(
    (
        Question(
            "A benchmark times four activations, always in the same order, once each. The first is slowest. Then?",
            (
                Option("The first one is the slowest", False, "Any of the four might have been, in that place."),
                Option(
                    "Nothing follows, until the order is shuffled in every round and the first rounds are left out",
                    True,
                    "What the process does for the first time is charged to whoever is first.",
                ),
                Option("It needs more digits", False, "More digits of a figure that depends on the order do not help."),
            ),
        ),
        Question(
            "The textbook Hardswish, x * (x + 3).clamp(0, 6) / 6, takes several times as long as torch's. Why?",
            (
                Option(
                    "It goes over memory four times, torch's once",
                    True,
                    "It moves 9 numbers for each element, a fused one 2.",
                ),
                Option(
                    "Dividing is slow", False, "A division costs about what an addition costs: both wait for memory."
                ),
                Option(
                    "Python is slow",
                    False,
                    "Python starts four operations, which takes microseconds, for a million elements.",
                ),
            ),
        ),
        Question(
            "A ReLU between two convolutions keeps a boolean mask, 1 byte, and not its output, 4 bytes. What is saved?",
            (
                Option("3 bytes for each element", False, "The next convolution keeps the output in any case."),
                Option("1 byte for each element", False, "Look at what the neighbour keeps."),
                Option(
                    "Less than nothing: it costs 1 byte more", True, "The output was there for free; the mask is not."
                ),
            ),
        ),
        Question(
            "What is h + torch.relu_(h), when h is the output of a convolution?",
            (
                Option("An error at backward", False, "The sum keeps nothing, so autograd has nothing to compare."),
                Option("h + relu(h)", False, "The h on the left is read after it was overwritten."),
                Option(
                    "2 relu(h), without a word", True, "Both operands are the same memory by the time they are added."
                ),
            ),
        ),
    )
)
