"""Exercises and quiz of lesson 12, before and after on photographs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def batches() -> int:
    return -(-10_000 // 64)


BATCHES = Exercise(
    number="12.1",
    title="How many batches?",
    minutes=2,
    difficulty=1,
    solution=batches,
    mistakes=(
        Mistake(answer=156, hint="156 batches hold 9,984 images: where are the last 16?"),
        Mistake(answer=156.25, hint="a quarter of a batch is still a batch, a smaller one."),
        Mistake(answer=158, hint="157 batches already hold 10,048 places."),
        Mistake(answer=64, hint="that is the number of images in a batch; the number of batches is asked for."),
    ),
    hints=("Divide, and think of what is left over.",),
    remark="the last batch has 16 images: code that assumes 64 breaks just there.",
)


def to_pixels(x: Tensor, low: float, high: float) -> Tensor:
    return ((x - low) / (high - low) * 255).clamp(0, 255).round().to(torch.uint8)


PIXELS = Exercise(
    number="12.2",
    title="One scale for both sides",
    minutes=10,
    difficulty=2,
    solution=to_pixels,
    probes=(
        Probe(label="for values inside the scale", arguments=(torch.linspace(-2, 2, 52), -2.0, 2.0)),
        Probe(label="for values outside the scale", arguments=(torch.tensor([-9.0, 0.0, 9.0]), -2.0, 2.0)),
        Probe(label="for a picture that uses half of the scale", arguments=(torch.linspace(0, 1, 12), -2.0, 2.0)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, low, high: ((x - x.min()) / (x.max() - x.min()) * 255).round().to(torch.uint8),
            hint="you stretched each picture to its own smallest and largest value: then two pictures cannot be compared.",
        ),
        Mistake(
            answer=lambda x, low, high: (x * 255).clamp(0, 255).round().to(torch.uint8),
            hint="that is the scale from 0 to 1, the one that hid the change: use low and high.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 255).round().to(torch.int64).to(torch.uint8),
            hint="without clamping, uint8 wraps around: a value far above the scale comes out dark.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 255).to(torch.uint8),
            hint="the line is right, and two steps are missing before uint8: clamp, or values outside the scale come out as "
            "anything; and round, or everything gets half a step darker.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 255).clamp(0, 255).to(torch.uint8),
            hint="conversion to uint8 cuts off the fraction: round first, or everything gets half a step darker.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 256).clamp(0, 255).to(torch.uint8),
            hint="256 levels have 255 steps between them: high must become 255 exactly, so multiply by 255, and round.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / high * 255).clamp(0, 255).round().to(torch.uint8),
            hint="after low is subtracted, the values reach from 0 to high - low: divide by that.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 255).clamp(0, 255).round(),
            hint="the values are right; what is missing is the conversion to torch.uint8.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low)).clamp(0, 1),
            hint="right so far, between 0 and 1; a picture needs whole numbers from 0 to 255, as uint8.",
        ),
    ),
    hints=(
        "low becomes 0 and high becomes 255; in between it is a straight line.",
        "Then clamp, then round, then convert to torch.uint8, in this order.",
    ),
    remark="equal grey now means equal value, in every picture that uses the same low and high.",
)


def before_and_after(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    return x, activation(x.clone())


def _overwritten(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    return x, activation(x)


def _ignores_what_comes_back(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.clone()
    activation(y)
    return x, y


PAIR = Exercise(
    number="12.3",
    title="Find the bug: the overwritten “before”",
    minutes=10,
    difficulty=2,
    solution=before_and_after,
    probes=(
        Probe(label="with nn.ReLU()", arguments=(nn.ReLU(), torch.tensor([-1.0, 2.0]))),
        Probe(label="with nn.ReLU(inplace=True)", arguments=(nn.ReLU(inplace=True), torch.tensor([-1.0, 2.0]))),
        Probe(label="with torch.sigmoid_", arguments=(torch.sigmoid_, torch.tensor([-1.0, 2.0]))),
    ),
    mistakes=(
        Mistake(
            answer=_overwritten,
            hint="an in-place activation writes its output into x, so your “before” is the “after”: give it a copy. "
            "(detach() is none: it looks at the same memory.)",
        ),
        Mistake(
            answer=lambda activation, x: (x.clone(), activation(x)),
            hint="your pair is right, but the caller's x was changed: the copy should go into the activation.",
        ),
        Mistake(
            answer=_ignores_what_comes_back,
            hint="that relies on the activation writing into its argument, and most do not: use what it returns.",
        ),
        Mistake(
            answer=lambda activation, x: activation(x.clone()),
            hint="that is the “after” alone: return a pair, before and after.",
        ),
        Mistake(
            answer=lambda activation, x: (activation(x.clone()), x),
            hint="before comes first, after second.",
        ),
    ),
    hints=(
        "Print x before and after the call, once with nn.ReLU() and once with nn.ReLU(inplace=True).",
        "x.clone() makes a copy. Which of the two, the kept tensor or the one that goes in, should be the copy?",
    ),
    remark="whatever the activation does to its argument, it does it to a copy.",
)


def undo_sigmoid(y: Tensor) -> Tensor:
    return torch.log(y) - torch.log1p(-y)


UNDO = Exercise(
    number="12.4",
    title="Undo a sigmoid",
    minutes=10,
    difficulty=3,
    solution=undo_sigmoid,
    by_hand=ByHand(without=("logit",)),
    probes=(
        Probe(label="for outputs between 0.1 and 0.9", arguments=(torch.linspace(0.1, 0.9, 9, dtype=torch.float64),)),
        Probe(label="for y = 1e-12", arguments=(torch.tensor(1e-12, dtype=torch.float64),)),
        Probe(label="for y = 0.5", arguments=(torch.tensor(0.5, dtype=torch.float64),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda y: torch.log((1 - y) / y), hint="the sign is wrong: a y above 1/2 must give a positive x."
        ),
        Mistake(answer=lambda y: torch.log(y), hint="log y undoes e^x, which sigmoid is only far on the left."),
        Mistake(
            answer=lambda y: torch.log(y) / torch.log(1 - y),
            hint="the logarithm of a quotient is a difference of logarithms, not their quotient.",
        ),
        Mistake(
            answer=lambda y: torch.atanh(y),
            hint="atanh undoes tanh. Sigmoid is (1 + tanh(x/2)) / 2, so on paper x = 2 atanh(2y - 1); but a tiny y gets lost in "
            "2y - 1. Solve y = 1 / (1 + e^-x) for x instead.",
        ),
        Mistake(
            answer=lambda y: 2 * torch.atanh(2 * y - 1),
            hint="right on paper; but for a tiny y the difference 2y - 1 keeps few of its digits. Solve y = 1 / (1 + e^-x) for "
            "x: there is a form in which nothing gets lost.",
        ),
        Mistake(
            answer=lambda y: y / (1 - y),
            hint="that is e^x; take its logarithm.",
        ),
        Mistake(
            answer=lambda y: torch.log(y) + torch.log(1 - y),
            hint="the logarithm of a quotient is a difference, not a sum.",
        ),
        Mistake(
            answer=lambda y: 1 / torch.sigmoid(y),
            hint="one over a function is its reciprocal and not its inverse: which x gives this y?",
        ),
    ),
    hints=("Solve y = 1 / (1 + e^-x) for e^x.", "e^x = y / (1 - y); take the logarithm."),
    remark="torch has it as torch.logit. It can undo what sigmoid did, but not what rounding did to sigmoid's output.",
)

QUIZ = Quiz(
    (
        Question(
            "You log normalised images with add_images, before and after ReLU. What do you see?",
            (
                Option(
                    "Half of the pixels turn black", False, "They were drawn black before, too: add_images clips at 0."
                ),
                Option(
                    "Two identical pictures", True, "Clipping to [0, 1] did to the first what ReLU did to the second."
                ),
                Option(
                    "An error, since values are negative", False, "Nothing warns you; that is what makes it a trap."
                ),
            ),
        ),
        Question(
            "Which of these changes an image with values in [0, 1]?",
            (
                Option("ReLU6", False, "It is the identity between 0 and 6."),
                Option("ELU", False, "It is the identity above 0."),
                Option("Sigmoid", True, "It squeezes [0, 1] into [0.5, 0.731]: the picture turns pale and flat."),
            ),
        ),
        Question(
            "Why do all pictures in the comparison share one scale?",
            (
                Option("Because TensorBoard requires it", False, "It draws whatever pixels it gets."),
                Option(
                    "So that equal grey means equal value", True, "Stretched one by one, pictures cannot be compared."
                ),
                Option("To save disk space", False, "The pictures take the same space with any scale."),
            ),
        ),
    )
)
