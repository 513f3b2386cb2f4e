"""Exercises and quiz of lesson 12, before and after on photographs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def to_pixels(x: Tensor, low: float, high: float) -> Tensor:
    return ((x - low) / (high - low) * 255).clamp(0, 255).round().to(torch.uint8)


PIXELS = Exercise(
    number="12.1",
    title="One scale for both sides",
    minutes=6,
    difficulty=2,
    solution=to_pixels,
    # No value falls half-way between two levels: which way it is rounded is left open.
    probes=(
        Probe(label="for values inside the scale", arguments=(torch.linspace(-2, 2, 48), -2.0, 2.0)),
        Probe(label="for values outside the scale", arguments=(torch.tensor([-9.0, 0.1, 9.0]), -2.0, 2.0)),
        Probe(label="for a picture that uses half of the scale", arguments=(torch.linspace(0.1, 1, 12), -2.0, 2.0)),
        Probe(label="for a scale from 0.1 to 0.7", arguments=(torch.linspace(0, 1, 24), 0.1, 0.7)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, low, high: ((x - x.min()) / (x.max() - x.min()) * 255).round().to(torch.uint8),
            hint="you stretched each picture to its own smallest and largest value: then two pictures cannot be compared.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x + 2) / 4 * 255).clamp(0, 255).round().to(torch.uint8),
            hint="right for the scale from -2 to 2 alone: use low and high.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x / high + 1) / 2 * 255).clamp(0, 255).round().to(torch.uint8),
            hint="right for a scale that is symmetric about 0; low may be anything below high.",
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
            "anything; and round, or half of the values get a step darker.",
        ),
        Mistake(
            answer=lambda x, low, high: ((x - low) / (high - low) * 255).clamp(0, 255).to(torch.uint8),
            hint="conversion to uint8 cuts off the fraction: round first, or half of the values get a step darker.",
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


def undo_sigmoid(y: Tensor) -> Tensor:
    return torch.log(y) - torch.log1p(-y)


UNDO = Exercise(
    number="12.2",
    title="Undo a sigmoid",
    minutes=5,
    difficulty=2,
    solution=undo_sigmoid,
    by_hand=ByHand(without=("logit",)),
    probes=(
        Probe(
            label="for outputs between 0.1 and 0.9",
            arguments=(torch.linspace(0.1, 0.9, 9, dtype=torch.float64),),
            tolerance=1e-9,
        ),
        Probe(label="for y = 1e-20", arguments=(torch.tensor(1e-20, dtype=torch.float64),)),
        Probe(label="for y = 0.5", arguments=(torch.tensor(0.5, dtype=torch.float64),), tolerance=1e-9),
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
            answer=lambda y: torch.log(torch.clamp(y, 1e-12, 1 - 1e-12) / (1 - torch.clamp(y, 1e-12, 1 - 1e-12))),
            hint="your guard against the logarithm of 0 moves what is tinier than the guard: a logarithm takes any y above 0.",
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


def before_and_after(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    return x, activation(x.clone())


def _overwritten(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    return x, activation(x)


def _ignores_what_comes_back(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.clone()
    activation(y)
    return x, y


def _one_copy_for_both(activation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.clone()
    return y, activation(y)


PAIR = Exercise(
    number="12.3",
    title="Find the bug: the overwritten “before”",
    minutes=5,
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
            answer=_one_copy_for_both,
            hint="an in-place activation has overwritten the copy that you return: what goes in and what is kept must be "
            "two tensors.",
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


def pictures(model: nn.Sequential, place: int, x: Tensor) -> tuple[Tensor, Tensor]:
    before = model[:place](x.clone())
    after = model[place](before.clone())
    m = max(before.abs().max(), after.abs().max())
    return tuple(((values + m) / (2 * m) * 255).round().to(torch.uint8) for values in (before, after))


def _drawn(values: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    return ((values - low) / (high - low) * 255).clamp(0, 255).round().to(torch.uint8)


def _kept(*, before: bool, after: bool) -> Callable[..., tuple[Tensor, Tensor]]:
    """The whole network runs, and what is kept of a layer's input and output is a copy or is not."""

    def answer(model: nn.Sequential, place: int, x: Tensor) -> tuple[Tensor, Tensor]:
        given = model[:place](x.clone())
        returned = model[place](given.clone() if before else given)
        model[place + 1 :](returned.clone() if after else returned)
        m = _largest(given, returned)
        return _drawn(given, -m, m), _drawn(returned, -m, m)

    return answer


def _caller_overwritten(model: nn.Sequential, place: int, x: Tensor) -> tuple[Tensor, Tensor]:
    before = model[:place](x).clone()
    after = model[place](before.clone())
    m = max(before.abs().max(), after.abs().max())
    return _drawn(before, -m, m), _drawn(after, -m, m)


def _shown(draw: Callable[[Tensor, Tensor], tuple[Tensor, ...]], shift: int = 0) -> Callable[..., tuple[Tensor, ...]]:
    """Wrong ways to draw a layer's input and output, or the wrong layer."""

    def answer(model: nn.Sequential, place: int, x: Tensor) -> tuple[Tensor, ...]:
        before = model[: place + shift](x.clone())
        return draw(before, model[place + shift](before.clone()))

    return answer


def _largest(*values: Tensor) -> Tensor:
    return torch.stack([each.abs().max() for each in values]).max()


INSIDE = Exercise(
    number="12.4",
    title="Before and after, inside",
    minutes=8,
    difficulty=3,
    solution=pictures,
    # Nothing is exactly 0, which would fall half-way between two levels of grey.
    probes=(
        Probe(
            label="for the tanh of a network",
            arguments=(
                nn.Sequential(nn.Softsign(), nn.Tanh(), nn.ELU(inplace=True)),
                1,
                torch.linspace(-2.2, 1.7, 12),
            ),
        ),
        Probe(
            label="for a LeakyReLU in place",
            arguments=(
                nn.Sequential(nn.ELU(), nn.LeakyReLU(0.3, inplace=True), nn.Tanh()),
                1,
                torch.linspace(-3.1, 0.8, 12).reshape(3, 4),
            ),
        ),
        Probe(
            label="for a layer behind one in place",
            arguments=(nn.Sequential(nn.LeakyReLU(0.5, inplace=True), nn.Softplus()), 1, torch.linspace(-1.9, 2.3, 9)),
        ),
    ),
    mistakes=(
        Mistake(
            answer=_kept(before=False, after=True),
            hint="a layer that works in place has overwritten what it got, and both pictures are the “after”: give it a "
            "copy.",
        ),
        Mistake(
            answer=_kept(before=True, after=False),
            hint="the layer behind works in place, too, and has overwritten what model[place] returned: copy that as well.",
        ),
        Mistake(
            answer=_kept(before=False, after=False),
            hint="layers that work in place, this one or the next, have overwritten what you kept: copy both in time, what "
            "goes into model[place] and what it returns.",
        ),
        Mistake(
            answer=_caller_overwritten,
            hint="the pictures are right, but a layer before place worked in place on the caller's x: copy that as well.",
        ),
        Mistake(
            answer=_shown(lambda a, b: (_drawn(a, -_largest(a), _largest(a)), _drawn(b, -_largest(b), _largest(b)))),
            hint="each picture has a scale of its own: then equal grey is not equal value. Take one m for both.",
        ),
        Mistake(
            answer=_shown(lambda a, b: tuple(_drawn(v, -max(a.max(), b.max()), max(a.max(), b.max())) for v in (a, b))),
            hint="you took the largest value; far below zero there may be a larger one in size: take absolute values.",
        ),
        Mistake(
            answer=_shown(lambda a, b: tuple(_drawn(v, -_largest(a), _largest(a)) for v in (a, b))),
            hint="m is the largest absolute value of both, and you looked at what goes in alone.",
        ),
        Mistake(
            answer=_shown(lambda a, b: tuple(_drawn(v, 0, _largest(a, b)) for v in (a, b))),
            hint="from 0 to m all that is negative is drawn black, as add_images does: the scale goes from -m to m.",
        ),
        Mistake(
            answer=_shown(
                lambda a, b: tuple(_drawn(v, torch.stack([a, b]).min(), torch.stack([a, b]).max()) for v in (a, b))
            ),
            hint="from the smallest to the largest value, 0 is no longer middle grey: the scale goes from -m to m.",
        ),
        Mistake(
            answer=_shown(lambda a, b: tuple(_drawn(v, -_largest(a, b), _largest(a, b)) for v in (b, a))),
            hint="before comes first, after second.",
        ),
        Mistake(
            answer=_shown(lambda a, b: tuple(_drawn(v, -_largest(a, b), _largest(a, b)) for v in (a, b)), shift=-1),
            hint="that is one layer too early: model[:place] runs the layers before place.",
        ),
    ),
    hints=(
        "model[:place] is a network of the layers before; or register a forward pre-hook on model[place].",
        "Copy before every layer that might write: x itself, and what goes into model[place].",
        "m = max of both absolute values; then exercise 12.1 with low = -m and high = m.",
    ),
    remark="a copy, one scale, and the place in the network: all that a picture of before and after needs.",
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
                Option("To save disk space", False, "What it saves is a by-product."),
            ),
        ),
    )
)
