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
    minutes=5,
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
    by_hand=ByHand(only=("relu", "clamp")),
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
    minutes=8,
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
            hint="nothing bends between the two layers: they are one layer from 10 to 3, of rank at most 3.",
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
            hint="no bug is left: but the network of section 8 bends with ReLU, and here it is tanh.",
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


def kink_slope(left: float, right: float) -> float:
    low, high = min(left, right), max(left, right)
    return max(low, min(high, 0.0))


KINK = Exercise(
    number="01.5",
    title="The smallest slope at a kink",
    minutes=5,
    difficulty=2,
    solution=kink_slope,
    probes=(
        Probe(label="for slopes 0 and 1 (ReLU)", arguments=(0.0, 1.0)),
        Probe(label="for slopes 0.25 and 1 (PReLU)", arguments=(0.25, 1.0)),
        Probe(label="for slopes -1 and 1 (|x|)", arguments=(-1.0, 1.0)),
        Probe(label="for slopes 1.5 and 1 (Hardswish at 3)", arguments=(1.5, 1.0)),
        Probe(label="for slopes -0.5 and -2", arguments=(-0.5, -2.0)),
        Probe(label="for slopes -0.3 and 2", arguments=(-0.3, 2.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda left, right: min(left, right),
            hint="smallest in size, not the most negative: for |x| the slopes are -1 and 1, and 0 lies between.",
        ),
        Mistake(
            answer=lambda left, right: min(left, right, key=abs),
            hint="you chose between the two ends; every slope in between is allowed as well, and 0 may be one of them.",
        ),
        Mistake(
            answer=lambda left, right: left if abs(left) < abs(right) else right,
            hint="that is the smaller of the two ends in size. Every slope in between is allowed as well: for |x| that is 0.",
        ),
        Mistake(
            answer=lambda left, right: max(left, right),
            hint="that is the largest; wanted is the one that is nearest to 0.",
        ),
        Mistake(
            answer=lambda left, right: 0.0 if left * right <= 0 else min(abs(left), abs(right)),
            hint="nearly: for two negative slopes the answer is negative, too.",
        ),
        Mistake(
            answer=lambda left, right: max(0.0, min(left, right)),
            hint="right unless both slopes are negative: then 0 does not lie between them.",
        ),
        Mistake(
            answer=lambda left, right: min(abs(left), abs(right)),
            hint="you return a size; wanted is the slope itself, with its sign. And for |x|, 0 lies between -1 and 1.",
        ),
        Mistake(
            answer=lambda left, right: 0.0 if left * right <= 0 else min(left, right),
            hint="nearly: of two negative slopes the smaller in size is the larger number, -0.5 and not -2.",
        ),
        Mistake(
            answer=lambda left, right: (left + right) / 2,
            hint="that is the middle, which is what torch.maximum returns.",
        ),
        Mistake(
            answer=lambda left, right: 0.0,
            hint="0 is allowed only if it lies between the two slopes: for PReLU it does not.",
        ),
        Mistake(
            answer=lambda left, right: left,
            hint="that is the slope from the left; which of all between the two is the smallest?",
        ),
    ),
    hints=(
        "Allowed is the whole interval between the two slopes. Which number in it is nearest to 0?",
        "If the interval holds 0, that is the answer; else it is one of the ends. min and max do it without an if.",
    ),
    remark="torch returns this at every kink of the course but one: at SELU's it is the larger slope.",
)


def sawtooth(x: Tensor, folds: int) -> Tensor:
    for _ in range(folds):
        x = 2 * torch.relu(x) - 4 * torch.relu(x - 0.5)
    return x


def _fold_often(x: Tensor, folds: int, tent: Callable[[Tensor], Tensor]) -> Tensor:
    for _ in range(folds):
        x = tent(x)
    return x


_UNIT = torch.linspace(0, 1, 65, dtype=torch.float64)

SAWTOOTH = Exercise(
    number="01.6",
    title="A saw with 2ᵏ edges",
    minutes=10,
    difficulty=3,
    solution=sawtooth,
    by_hand=ByHand(only=("relu",)),
    probes=tuple(
        Probe(label=f"on [0, 1], folds = {folds}", arguments=(_UNIT, folds), tolerance=1e-9) for folds in (1, 2, 5)
    ),
    mistakes=(
        Mistake(
            answer=lambda x, folds: 2 * torch.relu(x) - 4 * torch.relu(x - 0.5),
            hint="one tent is right; now put its output through the same tent again, folds times in all.",
        ),
        Mistake(answer=lambda x, folds: sawtooth(x, folds + 1), hint="one fold too many: folds = 1 is a single tent."),
        Mistake(
            answer=lambda x, folds: 2 * torch.relu(x) - 2 * torch.relu(x - 0.5),
            hint="the second unit cancels the rise and no more: behind the middle it is flat. It has to come down again.",
        ),
        Mistake(
            answer=lambda x, folds: _fold_often(x, folds, lambda x: 2 * torch.relu(x) - 2 * torch.relu(x - 0.5)),
            hint="the loop is right. But the second unit cancels the rise and no more: behind the middle its sum is flat.",
        ),
        Mistake(
            answer=lambda x, folds: _fold_often(x, folds, lambda x: 2 * torch.relu(x) - 4 * torch.relu(x - 1)),
            hint="the second unit begins at 1, where the tent ends; it has to begin at its top, at 1/2.",
        ),
        Mistake(
            answer=lambda x, folds: (2 * torch.relu(x) - 4 * torch.relu(x - 0.5)) ** folds,
            hint="a power of a tent is a thinner tent. Apply it to its own output: tent(tent(x)).",
        ),
        Mistake(
            answer=lambda x, folds: torch.relu(x) - 2 * torch.relu(x - 0.5),
            hint="up and down again, but only to 1/2: the next fold then never reaches its second half.",
        ),
        Mistake(
            answer=lambda x, folds: folds * (2 * torch.relu(x) - 4 * torch.relu(x - 0.5)),
            hint="a tent times k is a higher tent. Apply it to its own output: tent(tent(x)).",
        ),
    ),
    hints=(
        "First one tent: up from 0 to 1 at x = 1/2, and down to 0 at x = 1. It bends once, so that two ReLUs are enough.",
        "2 relu(x) rises with slope 2. What must a unit that begins at 1/2 contribute, to turn the slope into -2?",
        "A loop: x = tent(x), folds times.",
    ),
    remark="two units a layer, and 2^k pieces. In a single hidden layer, 2^k pieces take 2^k - 1 units.",
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
                Option("Less than one layer", False, "Only a layer narrower than 10 in between would cost rank."),
            ),
        ),
        Question(
            "And do those five layers, trained by gradient descent, find what one layer finds?",
            (
                Option(
                    "Not in general: same functions, another path",
                    True,
                    "In the matrix completion of section 3, three layers recovered the matrix and one did not.",
                ),
                Option(
                    "Yes, since they compute the same functions",
                    False,
                    "Where the data leave a choice, depth changes which of the functions is found.",
                ),
                Option(
                    "They cannot be trained at all",
                    False,
                    "They can: the gradient of each factor is a product of the others, and gradient descent follows it.",
                ),
            ),
        ),
        Question(
            "Why is x² a poor activation?",
            (
                Option("It is not differentiable", False, "It is smoother than ReLU."),
                Option("It is linear", False, "It is not, and it learns XOR with two units."),
                Option(
                    "A layer of any width stays a polynomial of degree 2, and a deep stack explodes",
                    True,
                    "No width helps; depth raises the degree, and doubles the logarithm of the signal at each layer.",
                ),
            ),
        ),
        Question(
            "A step function is differentiable almost everywhere. Why does backward not train the layers below it?",
            (
                Option(
                    "Because of the jump at 0",
                    False,
                    "A single point is hardly ever hit. Hardshrink jumps as well, and passes a gradient.",
                ),
                Option(
                    "Its slope is 0 wherever it exists",
                    True,
                    "Backward multiplies by the slope, so that nothing comes through.",
                ),
                Option(
                    "torch raises an error",
                    False,
                    "It raises none if other parameters can be trained: those below just stay as they are.",
                ),
            ),
        ),
    )
)
