"""Exercises and quiz of lesson 02, what an activation must satisfy."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def coefficients(w: Tensor, b: Tensor, v: Tensor) -> tuple[float, float, float]:
    c0 = (v * b**2).sum()
    c1 = (2 * v * w * b).sum()
    c2 = (v * w**2).sum()
    return c0.item(), c1.item(), c2.item()


def _draw(n: int, seed: int) -> Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


COEFFICIENTS = Exercise(
    number="02.1",
    title="Any number of units, three numbers",
    minutes=4,
    difficulty=2,
    solution=coefficients,
    probes=(
        Probe(label="for 5 units", arguments=(_draw(5, 1), _draw(5, 2), _draw(5, 3))),
        Probe(label="for 128 units", arguments=(_draw(128, 4), _draw(128, 5), _draw(128, 6))),
    ),
    mistakes=(
        Mistake(
            answer=lambda w, b, v: ((v * b**2).sum(), (v * w * b).sum(), (v * w**2).sum()),
            hint="(wx + b)² has the middle term 2wbx: the 2 is missing.",
        ),
        Mistake(
            answer=lambda w, b, v: ((v * w**2).sum(), (2 * v * w * b).sum(), (v * b**2).sum()),
            hint="the right three numbers in the wrong order: c0 is what is left at x = 0.",
        ),
        Mistake(
            answer=lambda w, b, v: ((b**2).sum(), (2 * w * b).sum(), (w**2).sum()),
            hint="each square is multiplied by its v before they are added.",
        ),
        Mistake(
            answer=lambda w, b, v: ((v * b).sum() ** 2, 2 * (v * w).sum() * (v * b).sum(), (v * w).sum() ** 2),
            hint="that squares the sum; here squares are summed: first the square of each unit, then v, then the sum.",
        ),
        Mistake(
            answer=lambda w, b, v: ((v * b**2).sum(), torch.zeros(()), (v * w**2).sum()),
            hint="(wx + b)² is more than w²x² + b²: what is the middle term?",
        ),
        Mistake(
            answer=lambda w, b, v: (v * b**2, 2 * v * w * b, v * w**2),
            hint="those are the numbers of each unit; add them up over the units.",
        ),
        Mistake(
            answer=lambda w, b, v: ((v * b**2).mean(), (2 * v * w * b).mean(), (v * w**2).mean()),
            hint="the network adds its units up; you took their mean.",
        ),
        Mistake(
            answer=lambda w, b, v: (((v * b) ** 2).sum(), (2 * v**2 * w * b).sum(), ((v * w) ** 2).sum()),
            hint="v stands outside of the square, so that it is not squared.",
        ),
    ),
    hints=(
        "Multiply (w x + b)² out for one unit.",
        "What has no x goes to c0, what has x to c1, what has x² to c2; then add up over the units, each times its v.",
    ),
    remark="128 units with 384 parameters, and three numbers say all that they can do.",
)


def kink_slope(left: float, right: float) -> float:
    low, high = min(left, right), max(left, right)
    return max(low, min(high, 0.0))


KINK = Exercise(
    number="02.2",
    title="The smallest slope at a kink",
    minutes=4,
    difficulty=2,
    solution=kink_slope,
    probes=(
        Probe(label="for slopes 0 and 1 (ReLU)", arguments=(0.0, 1.0)),
        Probe(label="for slopes 0.25 and 1 (PReLU)", arguments=(0.25, 1.0)),
        Probe(label="for slopes -1 and 1 (|x|)", arguments=(-1.0, 1.0)),
        Probe(label="for slopes 1 and -1 (-|x|)", arguments=(1.0, -1.0)),
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
            answer=lambda left, right: 0.0 if left < 0 < right else min(left, right, key=abs),
            hint="the slopes come in any order: 0 lies between 1 and -1 as well.",
        ),
        Mistake(
            answer=lambda left, right: max(left, min(right, 0.0)),
            hint="right where left is the smaller; but the slopes come in any order.",
        ),
        Mistake(
            answer=lambda left, right: min(right, max(left, 0.0)),
            hint="right where right is the larger; but the slopes come in any order.",
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
    remark="with their default parameters, torch returns this at every kink of the course but SELU's; not so LeakyReLU with "
    "a slope of 2 or of -0.5.",
)


def soft_step(x: Tensor) -> Tensor:
    soft = torch.sigmoid(x)
    hard = (x > 0).to(x.dtype)
    return soft + (hard - soft).detach()


def _hard(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


_LINE = torch.linspace(-4, 4, 21, dtype=torch.float64)

SOFT_STEP = Exercise(
    number="02.3",
    title="Find the bug: a step with a slope",
    minutes=4,
    difficulty=2,
    solution=soft_step,
    probes=(
        Probe(label="between -4 and 4", arguments=(_LINE,), with_slope=True, tolerance=1e-9),
        Probe(
            label="for a (2, 3) tensor",
            arguments=(torch.tensor([[-9.0, -0.1, 0.0], [0.1, 3.0, 9.0]]),),
            with_slope=True,
            tolerance=1e-6,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x: torch.sigmoid(x) + (_hard(x) - torch.sigmoid(x)),
            hint="soft stands there twice, once with a plus and once with a minus: what is the slope of soft - soft?",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) + ((x >= 0).to(x.dtype) - torch.sigmoid(x)).detach(),
            hint="the slope is right; but at exactly 0 hard is 0, and you send 1.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x),
            hint="that has the slope of soft and its value, too: forward has to send 0 or 1.",
        ),
        Mistake(
            answer=_hard,
            hint="that has the value of hard and no slope at all: a comparison has no derivative, nor has what is detached.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x).detach() + (_hard(x) - torch.sigmoid(x)),
            hint="now the slope is that of -soft: the sign is wrong, since you detached the other soft.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) + _hard(x).detach(),
            hint="the slope is right; the value is soft + hard. Subtract soft again, where autograd does not see it.",
        ),
        Mistake(
            answer=lambda x: torch.sigmoid(x) * _hard(x),
            hint="a product sends soft where x is positive, not 1, and its slope is 0 where x is negative.",
        ),
    ),
    hints=(
        "Multiply out: soft + hard - soft. What does autograd make of it?",
        "x.detach() has the value of x, and to autograd it is a constant.",
        "The difference hard - soft is to count for the value and not for the slope.",
    ),
    remark="this line is found in many programs that round or compare. It works for any pair of a hard and a soft function.",
)


def scale(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    return f(z).square().mean() ** -0.5


_Z = _draw(1000, 7)

SCALE = Exercise(
    number="02.4",
    title="The right scale",
    minutes=3,
    difficulty=1,
    solution=scale,
    probes=tuple(
        Probe(label=f"for {name}", arguments=(f, z), tolerance=1e-9)
        for name, (f, z) in {
            "ReLU": (torch.relu, _Z),
            "tanh": (torch.tanh, _Z),
            "x²": (torch.square, _Z),
            "2x - 1": (lambda x: 2 * x - 1, _Z),
            "ReLU and a table of inputs": (torch.relu, _Z.reshape(-1, 4)),
        }.items()
    ),
    mistakes=(
        Mistake(
            answer=lambda f, z: 1 / f(z).square().mean(),
            hint="nearly: a number that multiplies the outputs is squared with them; take the root.",
        ),
        Mistake(
            answer=lambda f, z: f(z).square().mean().sqrt(),
            hint="that is how large the outputs are; by what have they to be multiplied to become 1?",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).std(),
            hint="the standard deviation leaves the mean out; ReLU's outputs have one. Wanted is the mean of the squares.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).std(correction=0),
            hint="std leaves the mean out, whichever correction it has; wanted is the mean of the squares.",
        ),
        Mistake(
            answer=lambda f, z: (z.square().mean() / f(z).square().mean()).sqrt(),
            hint="the outputs are to have the mean square 1, whatever that of the inputs is.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).abs().mean(),
            hint="the mean size is not the root mean square: square first, then the mean, then the root.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).mean() ** 2,
            hint="that is the square of the mean; wanted is the mean of the squares.",
        ),
        Mistake(
            answer=lambda f, z: f(z) / f(z).square().mean().sqrt(),
            hint="those are the outputs, scaled; return the number by which you multiplied them.",
        ),
        Mistake(
            answer=lambda f, z: z.square().mean() ** -0.5,
            hint="that scales the inputs; f is applied before.",
        ),
        Mistake(
            answer=lambda f, z: (len(z) / f(z).square().sum()).sqrt(),
            hint="len(z) is the number of rows; z.numel() counts the numbers of a tensor of any shape.",
        ),
    ),
    hints=(
        "If y has the mean square m, what is that of c y?",
        "c² m = 1, so that c is 1 over the root of m.",
    ),
    remark="for many normal inputs and ReLU it is √2: lesson 06 calls it the gain.",
)


def broken_condition(f: Callable[[Tensor], Tensor]) -> str:
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    slopes = f(x).diff() / x.diff()
    if torch.allclose(slopes, slopes.mean(), atol=1e-6):
        return "affine"
    if (slopes == 0).double().mean() > 0.95:
        return "flat"
    far = torch.tensor([-100.0, 100.0], dtype=torch.float64)
    nearer = f(far / 10).abs().max()
    return "fast" if f(far).abs().max() > 20 * nearer + 20 else "none"


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "2x - 1": lambda x: 2 * x - 1,
    "the step": lambda x: (x > 0).to(x.dtype),
    "x²": torch.square,
    "GELU": F.gelu,
    "the sign": torch.sign,
    "the constant 3": lambda x: 0 * x + 3,
    "the absolute value": torch.abs,
    "x³": lambda x: x**3,
    "squared ReLU": lambda x: torch.relu(x) ** 2,
    "the exponential": torch.exp,
    "the exponential of -x": lambda x: torch.exp(-x),
    "Hardtanh": F.hardtanh,
    "softplus": F.softplus,
    "the sine": torch.sin,
    "3 relu(x)": lambda x: 3 * torch.relu(x),
    "relu(x - 1)": lambda x: torch.relu(x - 1),
    "minus the exponential": lambda x: -torch.exp(x),
    "minus the square of relu(-x)": lambda x: -(torch.relu(-x) ** 2),
}


def _on_one_side(f: Callable[[Tensor], Tensor], x: float) -> str:
    """The solution, had it looked for fast growth at x and 10 x alone."""
    said = broken_condition(f)
    near, far = f(torch.tensor([x, 10 * x], dtype=torch.float64)).abs()
    return "none" if said == "fast" and far <= 20 * near + 20 else said


def _calls(word: str, *names: str) -> Callable[[Callable[[Tensor], Tensor]], str]:
    """The solution, but for some functions, of which it says the word."""
    misjudged = [_FUNCTIONS[name] for name in names]
    return lambda f: word if f in misjudged else broken_condition(f)


BROKEN = Exercise(
    number="02.5",
    title="Which condition does it break?",
    minutes=7,
    difficulty=3,
    solution=broken_condition,
    probes=tuple(Probe(label=f"for {name}", arguments=(f,)) for name, f in _FUNCTIONS.items()),
    mistakes=(
        Mistake(
            answer=lambda f: "none",
            hint="you say none of everything: compute slopes as f(x).diff() / x.diff() on a grid, and look at them.",
        ),
        Mistake(
            answer=lambda f: broken_condition(f) if broken_condition(f) != "fast" else "none",
            hint="affine and flat are right; now go far out, and see whether ten times the input gives much more than ten "
            "times the output.",
        ),
        Mistake(
            answer=lambda f: broken_condition(f) if broken_condition(f) != "flat" else "none",
            hint="the step and the sign are missing: nearly all of their slopes are 0.",
        ),
        Mistake(
            answer=lambda f: broken_condition(f) if broken_condition(f) != "affine" else "none",
            hint="straight lines are missing: all of their slopes are equal.",
        ),
        Mistake(
            answer=lambda f: (
                "flat" if broken_condition(f) == "affine" and f(torch.zeros(1)) == 3 else broken_condition(f)
            ),
            hint="a constant is flat, but it is a straight line, too: ask for affine first.",
        ),
        Mistake(
            answer=lambda f: _on_one_side(f, 10.0),
            hint="look far out on both sides: the exponential of -x grows on the left alone.",
        ),
        Mistake(
            answer=lambda f: _on_one_side(f, -10.0),
            hint="look far out on both sides: squared ReLU and the exponential grow on the right alone.",
        ),
        Mistake(
            answer=_calls("none", "minus the exponential", "minus the square of relu(-x)"),
            hint="fast downwards is fast, too: compare sizes.",
        ),
        Mistake(
            answer=_calls("none", "minus the exponential"),
            hint="fast downwards is fast, too: compare sizes on the right as well.",
        ),
        Mistake(
            answer=_calls("none", "minus the square of relu(-x)"),
            hint="fast downwards is fast, too: compare sizes on the left as well.",
        ),
        Mistake(
            answer=_calls("fast", "3 relu(x)"),
            hint="3 relu(x) is steep, and grows as a straight line does: compare f at 100 with f at 10, not with a number.",
        ),
        Mistake(
            answer=_calls("fast", "relu(x - 1)"),
            hint="relu(x - 1) is 9 at 10 and 99 at 100, more than ten times as much, and yet straight there: leave room.",
        ),
        Mistake(
            answer=_calls("fast", "3 relu(x)", "relu(x - 1)"),
            hint="3 relu(x) and relu(x - 1) grow as a straight line does: fast is what grows to far more than ten times, "
            "from 10 to 100.",
        ),
        Mistake(
            answer=_calls("flat", "Hardtanh"),
            hint="Hardtanh has many slopes of 1 between -1 and 1; flat here means that all but one or two are 0.",
        ),
        Mistake(
            answer=_calls("flat", "ReLU", "Hardtanh"),
            hint="ReLU is flat on half of the line and Hardtanh outside of [-1, 1]; flat here means a slope of 0 almost "
            "everywhere.",
        ),
    ),
    hints=(
        "Slopes without autograd: f(x).diff() / x.diff() on a fine grid. A step has one that is not 0.",
        "All slopes equal: affine. All but one or two 0: flat.",
        "Fast: compare f at 100 with f at 10, and the same on the left. A straight line grows to about ten times as much.",
    ),
    remark="a test by samples can be fooled: what about a function that bends only beyond your grid?",
)

QUIZ = Quiz(
    (
        Question(
            "Why is x² a poor activation?",
            (
                Option("It is not differentiable", False, "It is smoother than ReLU."),
                Option("It is linear", False, "It is not, and it learns XOR with two units."),
                Option(
                    "A layer of any width stays a polynomial of degree 2, and a deep stack explodes",
                    True,
                    "No width helps; depth raises the degree, and squares any excess of the signal at each layer.",
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
        Question(
            "What is a surrogate gradient?",
            (
                Option(
                    "A made-up slope that backward uses instead of the true one",
                    True,
                    "It need not be the slope of anything; it has to point roughly where the loss falls.",
                ),
                Option(
                    "The smallest of all slopes between left and right at a kink",
                    False,
                    "That is the choice at a kink, between two slopes that the function does have beside it.",
                ),
                Option(
                    "The slope by differences instead of by autograd",
                    False,
                    "That is an approximation of the true slope, which for a step is 0.",
                ),
            ),
        ),
        Question(
            "Which of these must an activation be?",
            (
                Option("Bounded", False, "ReLU is not."),
                Option("Monotonic", False, "GELU and Swish are not."),
                Option("Not a polynomial", True, "Otherwise no width of a layer helps."),
                Option("Differentiable everywhere", False, "ReLU is not, at 0, and learns."),
            ),
        ),
    )
)
