"""Exercises and quiz of lesson 01, why a non-linearity."""

from collections.abc import Callable

import torch
from torch import Tensor

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def collapse(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    return w2 @ w1, w2 @ b1 + b2


def _draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


COLLAPSE = Exercise(
    number="01.1",
    title="Two layers in one",
    minutes=4,
    difficulty=1,
    solution=collapse,
    probes=(
        Probe(
            label="for layers from 2 to 3 to 4 units",
            arguments=(_draw(3, 2), _draw(3), _draw(4, 3), _draw(4)),
            tolerance=1e-12,
        ),
        Probe(
            label="for layers from 2 to 2 to 2 units",
            arguments=(_draw(2, 2), _draw(2), -_draw(2, 2).T, _draw(2)),
            tolerance=1e-12,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda w1, b1, w2, b2: (w1 @ w2, w2 @ b1 + b2),
            hint="the order: torch stores a weight as (outputs, inputs) and computes W x, so the layer that acts first stands "
            "on the right.",
        ),
        Mistake(
            answer=lambda w1, b1, w2, b2: (w2 @ w1, b1 + b2),
            hint="b1 is added before the second layer, and so it goes through w2 as well.",
        ),
        Mistake(
            answer=lambda w1, b1, w2, b2: (w2 @ w1, b2), hint="the first layer has a bias too: what becomes of b1?"
        ),
        Mistake(
            answer=lambda w1, b1, w2, b2: (w2 @ w1, w2 @ b1),
            hint="b1 is right; the bias of the second layer is missing.",
        ),
        Mistake(
            answer=lambda w1, b1, w2, b2: ((w2 @ w1).T, w2 @ b1 + b2),
            hint="no transposition is needed: keep torch's layout, (outputs, inputs).",
        ),
        Mistake(
            answer=lambda w1, b1, w2, b2: (w2 @ w1, w1 @ b2 + b1),
            hint="you swapped the layers in the bias: write W2 (W1 x + b1) + b2 and multiply out.",
        ),
    ),
    hints=(
        "Write W2 (W1 x + b1) + b2 and multiply out.",
        "What stands in front of x is the weight; all that has no x is the bias.",
    ),
    remark="ten layers collapse in the same way, one after the other. With anything bent between them they do not.",
)


def fold(u: Tensor) -> Tensor:
    return torch.relu(u) + torch.relu(-u)


FOLD = Exercise(
    number="01.2",
    title="A fold from two ReLUs",
    minutes=3,
    difficulty=1,
    solution=fold,
    by_hand=ByHand(only=("relu", "clamp", "hardtanh")),
    probes=(
        Probe(label="between -3 and 3", arguments=(torch.linspace(-3, 3, 25),)),
        Probe(label="in float64, for a (2, 3) tensor", arguments=(torch.arange(-3.0, 3).double().reshape(2, 3),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda u: torch.relu(u) - torch.relu(-u),
            hint="that is u itself, unfolded: a ReLU pair with opposite signs is a straight line again.",
        ),
        Mistake(
            answer=lambda u: -torch.relu(-u),
            hint="that is the left half alone, and unfolded: nothing is negative in a size, and the right half is missing.",
        ),
        Mistake(answer=lambda u: torch.relu(-u), hint="that is the left half alone; the right half became 0."),
        Mistake(answer=lambda u: torch.relu(u), hint="that is the right half alone; the left half became 0."),
        Mistake(
            answer=lambda u: 2 * torch.relu(u),
            hint="the same unit twice: the second one has to look to the other side, at -u.",
        ),
        Mistake(
            answer=lambda u: torch.relu(u - 1) + torch.relu(-u - 1),
            hint="your two units begin at 1 and at -1, so that the paper stays flat in between: no bias is needed.",
        ),
    ),
    hints=("One unit for each side of the crease.", "Which ReLU is positive for negative u?"),
    remark="2 relu(u) - u does it as well. With u = x1 - x2 it is XOR: two hidden units are enough, if they are the right ones.",
)


def most_pieces() -> int:
    units = 12
    return units + 1


PIECES = Exercise(
    number="01.3",
    title="How many straight pieces?",
    minutes=3,
    difficulty=1,
    solution=most_pieces,
    mistakes=(
        Mistake(answer=12, hint="12 corners; but how many pieces do 12 cuts make of a string?"),
        Mistake(
            answer=11, hint="11 is the number of pieces between 12 corners; two more reach outwards from the ends."
        ),
        Mistake(answer=25, hint="each ReLU bends once, not twice: 12 units make 12 corners at most."),
        Mistake(answer=24, hint="each ReLU has two halves, but they do not add up: it contributes one corner."),
        Mistake(answer=4096, hint="2^12 counts on-off patterns; on a line, most of them never occur."),
        Mistake(answer=144, hint="that needs two hidden layers; units of one layer only add corners."),
    ),
    hints=("Where does a weighted sum of ReLUs bend?", "Each unit bends at one place. Cut a string at 12 places."),
    remark="pieces grow by one a unit in a single layer. Folding doubles them with every layer.",
)


def network(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    hidden = torch.relu(x @ w1.T + b1)
    return hidden @ w2.T + b2


_W1, _B1, _W2, _B2 = _draw(5, 10), _draw(5), _draw(3, 5), _draw(3)

TEN_FIVE_THREE = Exercise(
    number="01.4",
    title="Find the bugs: the 10-5-3 network",
    minutes=5,
    difficulty=2,
    solution=network,
    probes=(
        Probe(label="for a batch of 4", arguments=(_draw(4, 10), _W1, _B1, _W2, _B2), with_slope=True, tolerance=1e-12),
        Probe(label="for a single example", arguments=(_draw(1, 10), _W1, _B1, _W2, _B2), tolerance=1e-12),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu((x @ w1.T + b1) @ w2.T + b2), dim=0),
            hint="three things: nothing bends between the two layers, ReLU cuts the outputs, and softmax does not belong here.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.relu((x @ w1.T + b1) @ w2.T + b2),
            hint="the softmax is gone. But the only ReLU stands behind the last layer: move it between the two.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.relu(torch.relu(x @ w1.T + b1) @ w2.T + b2),
            hint="the outputs are cut at 0: a class whose output is negative gets no gradient. No activation behind the last layer.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: (x @ w1.T + b1) @ w2.T + b2,
            hint="nothing bends between the two layers: they are one layer from 10 to 3.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu(x @ w1.T + b1) @ w2.T + b2, dim=1),
            hint="nearly: but cross_entropy applies log-softmax itself. Return the numbers before softmax, the logits.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu(x @ w1.T + b1) @ w2.T + b2, dim=0),
            hint="softmax over dim 0 makes the examples of a batch compete; and cross_entropy applies it itself: leave it out.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu(torch.relu(x @ w1.T + b1) @ w2.T + b2), dim=0),
            hint="the hidden layer is right now; behind the last layer, both ReLU and softmax are too much.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu((x @ w1.T + b1) @ w2.T + b2), dim=1),
            hint="over dim 1 is the right way round, but cross_entropy applies softmax itself: leave it out. And the only ReLU "
            "stands behind the last layer, where it cuts the outputs: move it between the two.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax(torch.relu(torch.relu(x @ w1.T + b1) @ w2.T + b2), dim=1),
            hint="the hidden layer is right now; behind the last layer, ReLU and softmax are too much, over dim 1 as well.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax((x @ w1.T + b1) @ w2.T + b2, dim=0),
            hint="nothing cuts the outputs any more. Nothing bends between the two layers either: put the ReLU there; and "
            "leave the softmax out.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.softmax((x @ w1.T + b1) @ w2.T + b2, dim=1),
            hint="two bugs are left: nothing bends between the two layers, and cross_entropy applies softmax itself.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.log_softmax(torch.relu(x @ w1.T + b1) @ w2.T + b2, dim=1),
            hint="cross_entropy would return the same loss, since log-softmax of log-softmax is log-softmax; but it is work done "
            "twice. Return the logits.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.relu(x @ w1.T + b1) @ w2.T,
            hint="the activation is in the right place; but the second layer has a bias as well, b2.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.tanh(x @ w1.T + b1) @ w2.T + b2,
            hint="no bug is left: but the network bends with ReLU, and here it is tanh.",
        ),
        Mistake(
            answer=lambda x, w1, b1, w2, b2: torch.relu(x @ w1 + b1) @ w2 + b2,
            hint="the activation is in the right place; but torch stores a weight as (outputs, inputs), so it is x @ w1.T.",
        ),
    ),
    hints=(
        "Which of the three bugs would an error message report? None: go through the line from the inside out.",
        "cross_entropy wants the plain outputs of the last layer, of any sign.",
        "One ReLU, around the first layer, and nothing around the second.",
    ),
    remark="the shapes were right all along, so there was no error message. Such bugs only show in what is learned.",
)


def parity(bits: Tensor) -> Tensor:
    x = bits.sum(dim=1) / 8
    for _ in range(3):
        x = 2 * torch.relu(x) - 4 * torch.relu(x - 0.5)
    return x


def _folded(x: Tensor, folds: int, tent: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    for _ in range(folds):
        x = tent(x) if tent else 2 * torch.relu(x) - 4 * torch.relu(x - 0.5)
    return x


_BITS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 8)

PARITY = Exercise(
    number="01.5",
    title="The XOR of eight",
    minutes=7,
    difficulty=3,
    solution=parity,
    by_hand=ByHand(only=("relu", "clamp", "hardtanh")),
    probes=(
        Probe(label="for all 256 rows of eight bits", arguments=(_BITS,), tolerance=1e-5),
        Probe(label="for a single row, in float64", arguments=(_BITS[91:92].double(),), tolerance=1e-9),
    ),
    mistakes=(
        Mistake(
            answer=lambda bits: bits.sum(dim=1),
            hint="that counts the ones; wanted is 1 if the count is odd and 0 if it is even. A saw goes up and down.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=1) / 8, 1),
            hint="one fold makes one tent, which is 1 at four ones alone: fold its output again.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=1) / 8, 2),
            hint="two folds make two tents, which are 1 at two and at six ones: one more fold.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=1) / 8, 4),
            hint="everything became 0: after three folds of multiples of 1/8 there is nothing left to fold. Do you divide "
            "the count by 8, and fold no more than three times?",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=0) / 8, 3),
            hint="sum(dim=0) adds up the rows; the ones of each row are added along dim=1.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum() / 8, 3),
            hint="that sums over all rows: one answer for each row is wanted, so sum along dim=1.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=1) / 8, 3, lambda x: 2 * torch.relu(x) - 2 * torch.relu(x - 0.5)),
            hint="the second unit cancels the rise and no more: behind the middle it is flat. It has to come down again.",
        ),
        Mistake(
            answer=lambda bits: _folded(bits.sum(dim=1) / 8, 3, lambda x: torch.relu(x) - 2 * torch.relu(x - 0.5)),
            hint="up and down again, but only to 1/2: the next fold then never reaches its second half.",
        ),
        Mistake(
            answer=lambda bits: 1 - _folded(bits.sum(dim=1) / 8, 3),
            hint="just the other way round: 1 is for an odd number of ones.",
        ),
    ),
    hints=(
        "Only the number of ones counts. As a place on [0, 1] it is a multiple of 1/8.",
        "The saw of k folds has 2^k edges: it is 0 at even multiples of 1/2^k and 1 at odd ones.",
        "One fold is 2 relu(x) - 4 relu(x - 1/2). Apply it three times.",
    ),
    remark="six ReLUs in three layers. In one hidden layer eight do it, one for each corner of the saw; for 2^k bits it is "
    "2k against 2^k.",
)

QUIZ = Quiz(
    (
        Question(
            "Five linear layers of 100 units, without activations, from 50 inputs to 10 outputs. What can they compute?",
            (
                Option(
                    "More than one layer: they have 70 times the parameters",
                    False,
                    "The product of the five is one 10 by 50 matrix.",
                ),
                Option(
                    "Just what one layer from 50 to 10 can",
                    True,
                    "Nothing narrower than 10 lies between, so that every such matrix can be reached.",
                ),
                Option("Less than one layer", False, "Only a layer narrower than 10 in between would lose something."),
            ),
        ),
        Question(
            "A line gets three of the four points of XOR right. Is its loss below ln 2, then?",
            (
                Option("Yes, it is better than a coin", False, "The fourth point costs more than the three save."),
                Option("It depends on the line", False, "The four m sum to 0 for every line, and the loss is convex."),
                Option(
                    "No, for no line at all",
                    True,
                    "The mean of a convex function is at least its value at the mean, which is ln 2.",
                ),
            ),
        ),
        Question(
            "Universal approximation promises for a hidden layer that is wide enough:",
            (
                Option(
                    "There are weights with which it follows the curve as closely as you like",
                    True,
                    "For ReLU in one dimension, “One layer follows any curve” says which.",
                ),
                Option(
                    "Training finds weights with which it follows the curve",
                    False,
                    "It speaks of weights that exist. With two ReLUs XOR can be computed, and most networks do not find it.",
                ),
                Option(
                    "About 100 units are enough for any curve",
                    False,
                    "How many it takes depends on the curve.",
                ),
            ),
        ),
    )
)
