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
    probes=(
        *number_line(),
        Probe(label="near 0", arguments=(torch.tensor([-1e-3, 1e-3]),)),
        Probe(label="at x = 1e30", arguments=(torch.tensor([1e30]),)),
    ),
    by_hand=ByHand(without=("relu",)),
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
    title="Find the bug: the share of exact zeros",
    minutes=2,
    difficulty=1,
    solution=share_of_zeros,
    probes=(
        Probe(label="for [-1, 0, 0, 3]", arguments=(torch.tensor([-1.0, 0.0, 0.0, 3.0]),)),
        Probe(label="for a (2, 5) tensor with 2 zeros", arguments=((torch.arange(10.0) % 5).reshape(2, 5),)),
        Probe(label="for a tensor without zeros", arguments=(torch.arange(1.0, 5),)),
        Probe(label="for a (4, 3, 4) tensor with 12 zeros", arguments=((torch.arange(48.0) % 4).reshape(4, 3, 4),)),
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
        Mistake(
            answer=lambda y: (y == 0).sum().item() / (len(y) * (len(y[0]) if y.dim() > 1 else 1)),
            hint="two dimensions are counted, and a photograph has three: y.numel() counts all values.",
        ),
        Mistake(answer=lambda y: (y <= 0).float().mean().item(), hint="negative numbers are not zeros."),
        Mistake(
            answer=lambda y: (y.abs() < 1e-6).float().mean().item(),
            hint="1e-30 is small but not zero: count exact zeros, since only there does ReLU stop the gradient.",
        ),
    ),
    hints=("y == 0 is a tensor of True and False.", "The mean of zeros and ones is the share of ones."),
    remark="y.numel() instead of len(y) does it as well. Lesson 12 counts such zeros in every image of a test set.",
)


def zeros_by_channel(photograph: Tensor) -> Tensor:
    mean = photograph.mean(dim=(1, 2), keepdim=True)
    std = photograph.std(dim=(1, 2), keepdim=True)
    y = torch.relu((photograph - mean) / std)
    return (y == 0).float().mean(dim=(1, 2))


def _zeros(y: Tensor) -> Tensor:
    return (y == 0).float().mean(dim=(1, 2))


_PHOTOGRAPH = torch.stack([torch.linspace(0, 1, 20) ** power for power in (0.25, 2, 8)]).reshape(3, 4, 5)
_STRIPES = torch.stack([torch.linspace(0, 1, 42) ** power for power in (4, 0.5, 1)]).reshape(3, 6, 7)
_AT_THE_MEAN = torch.tensor([[0.0, 0.5, 0.5, 1.0], [0.0, 0.25, 0.75, 1.0], [1.0, 0.0, 0.0, 1.0]]).reshape(3, 2, 2)

PHOTOGRAPH = Exercise(
    number="00.3",
    title="What ReLU takes from a photograph",
    minutes=5,
    difficulty=2,
    solution=zeros_by_channel,
    probes=(
        Probe(label="for a (3, 4, 5) picture", arguments=(_PHOTOGRAPH,), tolerance=1e-6),
        Probe(label="for a (3, 6, 7) picture", arguments=(_STRIPES,), tolerance=1e-6),
        Probe(label="for a picture with values at the mean", arguments=(_AT_THE_MEAN,), tolerance=1e-6),
    ),
    mistakes=(
        Mistake(
            answer=lambda p: (p < p.mean(dim=(1, 2), keepdim=True)).float().mean(dim=(1, 2)),
            hint="that counts what lies below the mean; a value exactly at it becomes 0, too. Count the zeros behind ReLU.",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p)),
            hint="that counts black pixels: standardise first, so that ReLU has something to cut.",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p - p.mean())),
            hint="you used one mean for all three channels: each channel gets its own, so that no colour dominates.",
        ),
        Mistake(
            answer=lambda p: (torch.relu(p - p.mean(dim=(1, 2), keepdim=True)) == 0).float().mean(),
            hint="that is the share in the whole picture; wanted is one number a channel: the mean over dimensions 1 and 2.",
        ),
        Mistake(
            answer=lambda p: (torch.relu(p - p.mean(dim=(1, 2), keepdim=True)) == 0).sum(dim=(1, 2)),
            hint="that is how many there are in each channel; divide by the number of pixels, or take a mean.",
        ),
        Mistake(
            answer=lambda p: (torch.relu(p - p.mean(dim=(1, 2), keepdim=True)) == 0).mean(dim=(1, 2)),
            hint="a mean needs numbers, and y == 0 holds True and False: .float() turns them into 1 and 0.",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p - p.mean(dim=(1, 2)))),
            hint="the mean has the shape (3,) and cannot be subtracted from (3, height, width): keepdim=True makes it "
            "(3, 1, 1).",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p - p.mean(dim=0))),
            hint="dim=0 averages over the channels at each pixel; average over the pixels, dimensions 1 and 2.",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p - p.mean(dim=1, keepdim=True))),
            hint="dim=1 averages over the height alone; a channel's pixels fill dimensions 1 and 2.",
        ),
        Mistake(
            answer=lambda p: 1 - _zeros(torch.relu(p - p.mean(dim=(1, 2), keepdim=True))),
            hint="that is the share of the others, which ReLU lets pass.",
        ),
        Mistake(
            answer=lambda p: 100 * _zeros(torch.relu(p - p.mean(dim=(1, 2), keepdim=True))),
            hint="that is per cent; return numbers between 0 and 1.",
        ),
        Mistake(
            answer=lambda p: _zeros(torch.relu(p - p.mean(dim=(1, 2), keepdim=True) / p.std(dim=(1, 2), keepdim=True))),
            hint="division binds more tightly than subtraction: brackets are missing.",
        ),
    ),
    hints=(
        "Standardise as in section 2: mean and std over dim=(1, 2), with keepdim=True.",
        "y == 0 is True or False for each pixel; as numbers, their mean over dim=(1, 2) is the share in each channel.",
    ),
    remark="three channels, three shares. Dividing by the standard deviation changes none of them: it moves no value across 0.",
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
                Option("Your answer is wrong", False, "Then it says so, and often names the bug."),
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
