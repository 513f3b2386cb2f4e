"""Exercises and quiz of lesson 14, speed, memory and in-place."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import MASK, NUMPY, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def relu_backward(gradient: Tensor, y: Tensor) -> Tensor:
    return torch.sign(y) * gradient


WITHOUT_A_MASK = Exercise(
    number="14.1",
    title="ReLU's backward without a mask",
    minutes=5,
    difficulty=1,
    solution=relu_backward,
    by_hand=ByHand(without=("where", "masked_fill", MASK)),
    probes=(
        Probe(
            label="for outputs from 0 to 3",
            arguments=(torch.linspace(-2, 2, 13), torch.linspace(-3, 3, 13).clamp(min=0)),
        ),
        Probe(label="for tiny outputs", arguments=(torch.tensor([5.0, -5.0]), torch.tensor([1e-30, 1e-3]))),
        Probe(
            label="in float64, for a (2, 3) tensor",
            arguments=(torch.full((2, 3), 0.5).double(), torch.arange(6.0).double().reshape(2, 3)),
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda gradient, y: gradient * (y > 0),
            hint="y > 0 is a comparison: it makes a mask of bools, which the exercise is to do without. Which function gives "
            "1.0 and 0.0 at once?",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * (1 - (y == 0).to(y.dtype)),
            hint="y == 0 is a comparison as well: it makes a mask of bools. Which function gives 1.0 and 0.0 at once?",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y.bool(),
            hint="y.bool() is the mask that was to be avoided. Which function gives 1.0 and 0.0 at once?",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y / y,
            hint="where y is 0 that is 0 / 0, which is NaN.",
        ),
        Mistake(
            answer=lambda gradient, y: torch.sign(gradient * y),
            hint="that is -1, 0 or 1; the size of the gradient is lost. Multiply the gradient by the sign of y.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient.clamp(min=0) * torch.sign(y),
            hint="sign(y) is right; but a negative gradient passes as well: do not rectify it.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y,
            hint="where ReLU is on, its slope is 1 and not y: the gradient passes unchanged.",
        ),
        Mistake(
            answer=lambda gradient, y: torch.sign(y),
            hint="that is the slope; by the chain rule backward returns slope times gradient.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient.clamp(min=0),
            hint="you rectified the gradient. Where y is positive, a negative gradient passes as well.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y.clamp(max=1),
            hint="right from y = 1 on; for a y between 0 and 1 the slope is 1 too, however small y is.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * torch.sign(gradient) * torch.sign(y),
            hint="the sign of the gradient must stay: take the sign of y alone.",
        ),
    ),
    hints=(
        "The slope is 1 where y > 0 and 0 where y = 0. y is never negative: which function of y is that?",
        "torch.sign gives -1, 0 or 1, as numbers of the same dtype, in one vectorised pass.",
    ),
    remark="the package does it like this, with out= and mul_, so that nothing but the result is allocated.",
)


def copies_for_textbook_mish() -> float:
    moved = 2 + 2 + 2 + 2 + 3  # exp, 1 +, log, tanh: one read, one written; x * reads two and writes one
    return moved / 2  # a copy reads one and writes one


PASSES = Exercise(
    number="14.2",
    title="Predict the time of a formula",
    minutes=5,
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
    remark="a fused Mish moves 2 numbers. If memory were all that counts, it would be 5.5 times as fast; section 5 shows "
    "what torch's Mish costs on your machine.",
)


def measure(functions: dict, x: Tensor, repeats: int) -> dict:
    names = list(functions)
    seconds = {name: [] for name in names}
    for number in range(2 + repeats):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken = functions[name](x)
            if number >= 2:
                seconds[name].append(taken)
    return seconds


def _instrumented(code: int) -> Callable[[Tensor], float]:
    """A function that writes its code into the log that it gets as x, and returns made-up seconds that tell when."""

    def call(log: Tensor) -> float:
        place = int(log.count_nonzero())
        log[place] = code
        return code + place / 100

    return call


def _in_rounds(
    functions: Mapping[str, Callable[[Tensor], float]], x: Tensor, orders: Sequence[list[str]], skip: int
) -> dict[str, list[float]]:
    """Wrong ways to measure: rounds in the given orders, of which the first ``skip`` are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for number, order in enumerate(orders):
        for name in order:
            taken = functions[name](x)
            if number >= skip:
                seconds[name].append(taken)
    return seconds


def _rotated(functions: Mapping[str, object], rounds: int) -> list[list[str]]:
    names = list(functions)
    return [names[k % len(names) :] + names[: k % len(names)] for k in range(rounds)]


def _without_wrapping(functions: dict, x: Tensor, repeats: int) -> dict[str, list[float]]:
    names = list(functions)
    return _in_rounds(functions, x, [names[k:] + names[:k] for k in range(2 + repeats)], 2)


def _the_other_way_round(functions: dict, x: Tensor, repeats: int) -> dict[str, list[float]]:
    names = list(functions)
    starts = [-k % len(names) for k in range(2 + repeats)]
    return _in_rounds(functions, x, [names[k:] + names[:k] for k in starts], 2)


def _warmed_up_apart(functions: dict, x: Tensor, repeats: int) -> dict[str, list[float]]:
    for function in functions.values():
        function(x)
        function(x)
    return _in_rounds(functions, x, _rotated(functions, repeats), 0)


def _one_after_the_other(functions: dict, x: Tensor, repeats: int) -> dict[str, list[float]]:
    return {name: [function(x) for _ in range(2 + repeats)][2:] for name, function in functions.items()}


CALLS = {name: _instrumented(code) for code, name in enumerate(("relu", "relu6", "prelu"), 1)}

ROTATION = Exercise(
    number="14.3",
    title="A benchmark that rotates",
    minutes=10,
    difficulty=3,
    solution=measure,
    by_hand=ByHand(allows=(NUMPY,)),
    probes=(
        Probe(label="with 3 functions and 4 repeats", arguments=(CALLS, torch.zeros(99), 4)),
        Probe(
            label="with 2 functions and 1 repeat",
            arguments=({name: CALLS[name] for name in ("relu", "prelu")}, torch.zeros(99), 1),
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, [list(functions)] * (2 + repeats), 2),
            hint="every round starts with the same function: let round k start with function k % n.",
        ),
        Mistake(
            answer=_without_wrapping,
            hint="it rotates through the first n rounds only: from round n on names[k:] is empty. Take k % n in place of k.",
        ),
        Mistake(
            answer=_one_after_the_other,
            hint="you finish one function before the next begins: a disturbance then hits one of them alone. Every round "
            "must run all of them.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, _rotated(functions, repeats), 0),
            hint="the order rotates, but there is no warm-up: the first two rounds are to run and not to be counted.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, _rotated(functions, 2 + repeats), 0),
            hint="the two warm-up rounds run, but you counted them.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, _rotated(functions, 2 + repeats), 3),
            hint="three rounds are left out; rounds are numbered from 0, so round 2 counts.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, _rotated(functions, 2 + repeats)[2:], 0),
            hint="the first two rounds are not counted, but not run either: then nothing is warmed up.",
        ),
        Mistake(
            answer=_warmed_up_apart,
            hint="you warmed up before the rounds began. Here rounds 0 and 1 are the warm-up, and rotate like the others.",
        ),
        Mistake(
            answer=_the_other_way_round,
            hint="it rotates the other way: round 1 is to start with function 1, the second of them.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: {
                name: sum(taken) for name, taken in measure(functions, x, repeats).items()
            },
            hint="you added the seconds up. Return the list, so that median and quartiles can be taken.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(functions, x, _rotated(functions, repeats), 2),
            hint="two rounds too few: the warm-up comes on top of the repeats.",
        ),
        Mistake(
            answer=lambda functions, x, repeats: _in_rounds(
                functions, x, [list(functions)[:: 1 - 2 * (k % 2)] for k in range(2 + repeats)], 2
            ),
            hint="forwards and backwards in turn: then whoever stands in the middle of three never runs first.",
        ),
    ),
    hints=(
        "Two loops: over 2 + repeats rounds, and in each over all names, starting one further on than before.",
        "A list is rotated by names[k:] + names[:k]; with k = number % len(names) it starts over.",
        "Call the function in every round, and append what it returns only from round 2 on.",
    ),
    remark="warm-up, rotation, rounds that keep pairs together: the ratios within a round are now worth something. The "
    "input that the check passed was a logbook, in which each function noted its call.",
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


X = torch.tensor([-1.0, 0.5, 2.0])

LOGBOOK = Exercise(
    number="14.4",
    title="Find the bug: the logbook that changes afterwards",
    minutes=10,
    difficulty=2,
    solution=outputs,
    probes=(
        Probe(label="with Tanh, ReLU", arguments=(X, [nn.Tanh(), nn.ReLU()])),
        Probe(label="with Tanh, ReLU(inplace=True)", arguments=(X, [nn.Tanh(), nn.ReLU(inplace=True)])),
        Probe(label="with ReLU(inplace=True), Tanh", arguments=(X, [nn.ReLU(inplace=True), nn.Tanh()])),
    ),
    mistakes=(
        Mistake(
            answer=_nothing_copied,
            hint="what is logged and what goes into the next layer are the same memory (detach() cuts the graph, not the "
            "memory), and a layer that works in place overwrites both.",
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


def elu_slope_from_output(y: Tensor, alpha: float) -> Tensor:
    return torch.where(y > 0, 1.0, y + alpha)


ELU_SLOPE = Exercise(
    number="14.5",
    title="ELU's slope, from its output",
    minutes=5,
    difficulty=2,
    solution=elu_slope_from_output,
    probes=(
        Probe(label="with alpha = 1", arguments=(torch.linspace(-0.875, 2, 24), 1.0)),
        Probe(label="with alpha = 2", arguments=(torch.linspace(-1.875, 2, 32), 2.0)),
        Probe(label="with alpha = 0.5", arguments=(torch.linspace(-0.375, 2, 20), 0.5)),
        Probe(label="in float64", arguments=(torch.tensor([[-0.25, 3.0]]).double(), 1.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, y + 1),
            hint="right for alpha = 1 only. Below zero y is alpha (e^x - 1): solve that for alpha e^x.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, alpha * torch.exp(y)),
            hint="you put the output where the input belongs: alpha e^x is the slope, and you have y, not x.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, torch.exp(y)),
            hint="the slope below zero is alpha e^x, with x and not y in the exponent: you have y, so express it by y.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, alpha * y + alpha),
            hint="once too often alpha: y is alpha e^x - alpha already, so it takes y and one alpha.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, y - alpha),
            hint="the sign: y = alpha e^x - alpha, so alpha has to be added to get alpha e^x.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, alpha).to(y.dtype),
            hint="alpha is the slope at y = 0 only; further down it falls to 0.",
        ),
        Mistake(
            answer=lambda y, alpha: (y + alpha).clamp(max=1),
            hint="a clamp joins the two pieces only where they meet, which is for alpha = 1; for another alpha the slope "
            "jumps at 0.",
        ),
        Mistake(
            answer=lambda y, alpha: y + alpha,
            hint="that is the piece below zero; above zero the slope is 1.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y >= 0, 1.0, y + alpha),
            hint="y = 0 belongs to the lower piece, where the slope is alpha: it is > and not >=.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, y, y + alpha),
            hint="above zero you return the value; the slope there is 1.",
        ),
        Mistake(
            answer=lambda y, alpha: torch.where(y > 0, 1.0, y),
            hint="below zero y is alpha (e^x - 1), and its derivative is alpha e^x: something has to be added to y.",
        ),
    ),
    hints=(
        "For x <= 0, ELU is alpha (e^x - 1). Differentiate, then express the result by y.",
        "alpha e^x = y + alpha. Above zero the slope is 1; the sign of y tells which piece it is.",
    ),
    remark="so ELU adds nothing to what two convolutions keep. The price: near y = -alpha the sum y + alpha loses the "
    "relative accuracy of a tiny slope.",
)

QUIZ = Quiz(
    (
        Question(
            "A benchmark times four activations, always in the same order, once each. The first is slowest. Then?",
            (
                Option("The first one is the slowest", False, "Any of the four would have been, in that place."),
                Option(
                    "Nothing follows, until the order rotates and the first rounds are left out",
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
