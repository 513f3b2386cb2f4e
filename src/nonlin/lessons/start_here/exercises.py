"""Exercises and quiz of lesson 00, start here."""

import torch
from torch import Tensor

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe, number_line
from nonlin.exercises.quiz import Option, Question, Quiz


def my_relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


RELU = Exercise(
    number="00.1",
    title="ReLU without torch.relu",
    minutes=3,
    difficulty=1,
    solution=my_relu,
    probes=number_line(),
    by_hand=ByHand(),
    mistakes=(
        Mistake(
            answer=lambda x: max(0, x),
            hint="Python's max and if want a single True or False, and x holds many numbers: use torch.clamp.",
        ),
        Mistake(
            answer=lambda x: x.clamp(max=0), hint="you kept the negative half: clamp(max=...) cuts off what is above."
        ),
        Mistake(answer=lambda x: x.abs(), hint="abs flips negative numbers; ReLU sets them to 0."),
        Mistake(
            answer=lambda x: x > 0, hint="x > 0 is True or False: it says where x is positive, it is not x itself."
        ),
        Mistake(
            answer=lambda x: torch.max(x, 0),
            hint="torch.max(x, 0) looks for the maximum along dimension 0 and returns a pair, values and places. "
            "torch.clamp compares each number with 0.",
        ),
        Mistake(
            answer=lambda x: x[x > 0],
            hint="that throws the negative numbers away; each is to become a 0 in its place, so that the shape stays.",
        ),
        Mistake(
            answer=lambda x: torch.max(x), hint="that is one number, the largest of all; each is to be compared with 0."
        ),
        Mistake(answer=lambda x: x.clamp(0, 1), hint="you also cut off what is above 1: that is another activation."),
    ),
    hints=(
        "Which numbers stay as they are, and what becomes of the others?",
        "Look up torch.clamp and its min argument.",
    ),
    remark="x.clamp(min=0) and torch.relu agree everywhere; x * (x > 0) too, but for -infinity, where it gives NaN.",
)


def share_of_zeros(y: Tensor) -> float:
    return (y == 0).float().mean().item()


ZEROS = Exercise(
    number="00.2",
    title="The share of exact zeros",
    minutes=3,
    difficulty=1,
    solution=share_of_zeros,
    probes=(
        Probe(label="for [-1, 0, 0, 3]", arguments=(torch.tensor([-1.0, 0.0, 0.0, 3.0]),)),
        Probe(label="for a (2, 5) tensor with 2 zeros", arguments=((torch.arange(10.0) % 5).reshape(2, 5),)),
        Probe(label="for a tensor without zeros", arguments=(torch.arange(1.0, 5),)),
        Probe(label="for [0, 5, 1e-30]", arguments=(torch.tensor([0.0, 5.0, 1e-30]),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda y: (y == 0).sum().item(),
            hint="that is how many there are; divide by how many there could be.",
        ),
        Mistake(
            answer=lambda y: (y == 0).mean().item(),
            hint="a mean needs numbers, and y == 0 holds True and False: .float() turns them into 1 and 0.",
        ),
        Mistake(
            answer=lambda y: 100 * (y == 0).float().mean().item(),
            hint="that is per cent; return a number between 0 and 1.",
        ),
        Mistake(answer=lambda y: (y != 0).float().mean().item(), hint="that is the share of the others."),
        Mistake(
            answer=lambda y: (y == 0).sum().item() / len(y),
            hint="len(y) counts the rows of a tensor, not its values: that is y.numel().",
        ),
        Mistake(answer=lambda y: (y <= 0).float().mean().item(), hint="negative numbers are not zeros."),
        Mistake(
            answer=lambda y: (y.abs() < 1e-6).float().mean().item(),
            hint="1e-30 is small but not zero: count exact zeros, since only those stop a gradient for good.",
        ),
    ),
    hints=("y == 0 is a tensor of True and False.", "The mean of zeros and ones is the share of ones."),
    remark="lesson 12 counts them in every image of a test set.",
)


def standardise(photograph: Tensor) -> Tensor:
    mean = photograph.mean(dim=(1, 2), keepdim=True)
    std = photograph.std(dim=(1, 2), keepdim=True)
    return (photograph - mean) / std


_PHOTOGRAPH = torch.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5) ** 2

STANDARDISE = Exercise(
    number="00.3",
    title="Standardise a photograph",
    minutes=5,
    difficulty=2,
    solution=standardise,
    probes=(Probe(label="for a (3, 4, 5) picture", arguments=(_PHOTOGRAPH,), tolerance=1e-5),),
    mistakes=(
        Mistake(
            answer=lambda p: (p - p.mean()) / p.std(),
            hint="you used one mean for all three channels: each channel gets its own, so that no colour dominates.",
        ),
        Mistake(
            answer=lambda p: p - p.mean(dim=(1, 2), keepdim=True),
            hint="the mean of each channel is 0 now; its standard deviation is not 1 yet.",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=(1, 2), keepdim=True)) / p.std(),
            hint="each channel has its own mean now; it gets its own standard deviation, too.",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=(1, 2), keepdim=True)) / p.var(dim=(1, 2), keepdim=True),
            hint="that divides by the variance; the standard deviation is its square root.",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=(1, 2))) / p.std(dim=(1, 2)),
            hint="the mean has the shape (3,) and cannot be subtracted from (3, height, width): keepdim=True makes it "
            "(3, 1, 1).",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=1, keepdim=True)) / p.std(dim=1, keepdim=True),
            hint="dim=1 averages over the height alone; a channel's pixels fill dimensions 1 and 2.",
        ),
        Mistake(
            answer=lambda p: (p - p.min()) / (p.max() - p.min()),
            hint="that stretches the values to [0, 1]; wanted are mean 0 and standard deviation 1.",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=0)) / p.std(dim=0),
            hint="dim=0 averages over the channels at each pixel; average over the pixels, dimensions 1 and 2.",
        ),
        Mistake(
            answer=lambda p: p - p.mean(dim=(1, 2), keepdim=True) / p.std(dim=(1, 2), keepdim=True),
            hint="division binds more tightly than subtraction: brackets are missing.",
        ),
        Mistake(
            answer=lambda p: (p - p.mean(dim=(1, 2), keepdim=True)) / p.std(dim=(1, 2), keepdim=True, correction=0),
            hint="nearly: you divided by n, as NumPy does; torch.std divides by n - 1. Both are in use; take torch's here.",
        ),
    ),
    hints=(
        "The picture has shape (3, height, width): which dimensions are the pixels?",
        "keepdim=True keeps the mean's shape (3, 1, 1), so that it can be subtracted from every pixel.",
    ),
    remark="about half of the values are negative now, so that an activation has something to do.",
)


def slope_of_maximum_at_zero() -> float:
    x = torch.tensor(0.0, requires_grad=True)
    torch.maximum(x, torch.tensor(0.0)).backward()
    return x.grad.item()


KINK = Exercise(
    number="00.4",
    title="Three ways to write ReLU, two slopes at 0",
    minutes=5,
    difficulty=2,
    solution=slope_of_maximum_at_zero,
    mistakes=(
        Mistake(
            answer=0.0, hint="0 is what the other two give. torch.maximum does something else: let autograd tell you."
        ),
        Mistake(answer=1.0, hint="1 would be the slope from the right alone. At a tie, who gets the gradient?"),
        Mistake(answer=-1.0, hint="a slope of ReLU is never negative: look at the graph."),
    ),
    hints=(
        "Make x = torch.tensor(0.0, requires_grad=True), apply torch.maximum, call backward(), read x.grad.",
        "At a tie torch.maximum shares the gradient equally between its two arguments.",
    ),
    remark="all three agree on the values and not on the slope at one point: the records state which one torch uses.",
)

QUIZ = Quiz(
    (
        Question(
            "Why did ReLU leave the photograph unchanged?",
            (
                Option(
                    "ReLU is only defined for vectors", False, "It acts on each number by itself, whatever the shape."
                ),
                Option(
                    "Pixel values in [0, 1] are never negative",
                    True,
                    "ReLU changes negative numbers, and there are none.",
                ),
                Option("The change is too small to see", False, "There is no change: not one of the values differs."),
            ),
        ),
        Question(
            "A check says “Not yet”. What does that mean?",
            (
                Option("Your answer is wrong", False, "Then it says so, and names the likely bug."),
                Option(
                    "The cell still holds the dots", True, "Replace them and run the cell again. Nothing is counted."
                ),
                Option(
                    "Your computer is too slow", False, "Checks take a fraction of a second and have no time limit."
                ),
            ),
        ),
        Question(
            "You have no network. Which images does a lesson use?",
            (
                Option("None: the lessons need CIFAR-10", False, "Every lesson runs without a network."),
                Option(
                    "CIFAR-10, which is part of the course", False, "It is not ours to pass on; it is downloaded once."
                ),
                Option(
                    "CIFAR-10 if it was downloaded before, else shapes10",
                    True,
                    "shapes10 is drawn by your computer, and a notice says so; it is never called CIFAR-10.",
                ),
            ),
        ),
    )
)
