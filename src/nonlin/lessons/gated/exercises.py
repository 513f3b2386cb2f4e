"""Exercises and quiz of lesson 11, gated units."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.by_hand import AUTOGRAD, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def glu_gradients(gradient: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.sigmoid(b)
    return gradient * s, gradient * a * s * (1 - s)


def _slope(b: Tensor) -> Tensor:
    return torch.sigmoid(b) * (1 - torch.sigmoid(b))


A, B = torch.linspace(-3, 3, 13), torch.linspace(2, -4, 13)

GRADIENTS = Exercise(
    number="11.2",
    title="Backward through a gate",
    minutes=3,
    difficulty=1,
    solution=glu_gradients,
    by_hand=ByHand(without=(AUTOGRAD,)),
    probes=(
        Probe(label="with a gradient of 1", arguments=(torch.ones(13), A, B)),
        Probe(label="with a gradient of −2", arguments=(torch.full((13,), -2.0), A, B)),
        Probe(label="in float64", arguments=(torch.ones(1, 2).double(), A[None, :2].double(), B[None, :2].double())),
    ),
    mistakes=(
        Mistake(
            answer=lambda gradient, a, b: (gradient * torch.sigmoid(b), gradient * _slope(b)),
            hint="the second one lacks a factor: a stands in front of σ(b), and stays there when b is differentiated.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (torch.sigmoid(b), a * _slope(b)),
            hint="these are the slopes; by the chain rule each is multiplied by the gradient that comes in.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (torch.sigmoid(b), gradient * a * _slope(b)),
            hint="the second is right. The first is the slope alone: it, too, is multiplied by the gradient that comes in.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (gradient * torch.sigmoid(a), gradient * b * _slope(a)),
            hint="you opened the gate with a. The sigmoid acts on b; a is the value that it lets through.",
        ),
        Mistake(
            answer=lambda gradient, a, b: glu_gradients(gradient, a, b)[::-1],
            hint="right, but in the wrong order: first that of a, the value, then that of b, the gate.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (gradient, gradient * a * _slope(b)),
            hint="the first one lacks the gate: how much of the gradient reaches a depends on how far the gate is open.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (gradient * torch.sigmoid(b), gradient * b * _slope(b)),
            hint="in the second one the factor in front is a, the value: it is what σ(b) is multiplied by.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (gradient * a * torch.sigmoid(b), gradient * a * _slope(b)),
            hint="the second is right. In the first, a is what is differentiated, so that it does not stay: only σ(b) does.",
        ),
        Mistake(
            answer=lambda gradient, a, b: (gradient * torch.sigmoid(b), gradient * a * torch.sigmoid(b)),
            hint="the second one needs the slope of sigmoid, σ(b) (1 − σ(b)), and not its value.",
        ),
    ),
    hints=(
        "The output is a product of two factors, one of which depends on a alone and one on b alone.",
        "With a gradient of 1 the slopes are σ(b) for a, and a σ'(b) for b.",
    ),
    remark="the first has no slope of an activation in it: that is the linear path. The second is largest where the value "
    "is large and the gate undecided.",
)


def gated_hidden(width: int, hidden: int) -> int:
    return (2 * width * hidden + hidden) // (3 * width + 2)


COUNT = Exercise(
    number="11.4",
    title="Equal parameters, with biases",
    minutes=6,
    difficulty=2,
    solution=gated_hidden,
    probes=(
        Probe(label="for width 4, hidden 16", arguments=(4, 16)),
        Probe(label="for width 5, hidden 19", arguments=(5, 19)),
        Probe(label="for width 24, hidden 96", arguments=(24, 96)),
        Probe(label="for width 768, hidden 3072", arguments=(768, 3072)),
        Probe(label="for width 2, hidden 30", arguments=(2, 30)),
        Probe(label="for width 2, hidden 8", arguments=(2, 8)),
        Probe(label="for width 4, hidden 8", arguments=(4, 8)),
    ),
    mistakes=(
        Mistake(
            answer=lambda width, hidden: 2 * hidden // 3,
            hint="that is the rule without biases. A plain block has hidden + width of them; how many has a gated one?",
        ),
        Mistake(
            answer=lambda width, hidden: 2 * hidden / 3,
            hint="that is the rule without biases, and no whole number. A gated block of hidden width k has 2 k + width "
            "biases.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden) / (3 * width + 2),
            hint="right but for the rounding: a width is a whole number, and the block must not be the larger one.",
        ),
        Mistake(
            answer=lambda width, hidden: round(2 * hidden / 3),
            hint="that is the rule without biases, rounded. A gated block of hidden width k has 2 k + width biases.",
        ),
        Mistake(
            answer=lambda width, hidden: round((2 * width * hidden + hidden) / (3 * width + 2)),
            hint="right but for the rounding: the gated block must not have more than the plain one, so round down.",
        ),
        Mistake(
            answer=lambda width, hidden: -((2 * width * hidden + hidden) // -(3 * width + 2)),
            hint="you rounded up, which makes the gated block a little larger than the plain one: round down.",
        ),
        Mistake(
            answer=lambda width, hidden: gated_hidden(width, hidden) + 1,
            hint="one too many: so wide a gated block has more parameters than the plain one.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden) // (3 * width + 3),
            hint="two maps have k biases each. The third goes back to the width, and has as many biases as the plain block's.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden) // (3 * width + 1),
            hint="both maps into the hidden layer have a bias: 2 k of them, not k.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden - 1) // (3 * width + 2),
            hint="at most as many: where both blocks can have the same number, they are to have it.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden - width) // (3 * width + 2),
            hint="you forgot the bias of the plain block's output: both blocks have one, so that it cancels.",
        ),
        Mistake(
            answer=lambda width, hidden: (2 * width * hidden + hidden + width) // (3 * width + 2),
            hint="you forgot the output's bias on one side: both blocks have it, so that it cancels.",
        ),
        Mistake(
            answer=lambda width, hidden: hidden,
            hint="with the same hidden width the gated block has a whole matrix more: half as many weights again.",
        ),
    ),
    hints=(
        "Write down both counts. Plain: width * hidden + hidden, and hidden * width + width. Gated, with k: three "
        "matrices and three biases.",
        "2 width hidden + hidden + width >= 3 width k + 2 k + width. Solve for k and round down.",
    ),
    remark="biases hardly matter once the width is large. Count all the same: a difference that is counted needs no excuse.",
)


def swiglu(x: Tensor, fused: Tensor, out: Tensor) -> Tensor:
    gate, value = F.linear(x, fused).chunk(2, dim=-1)
    return F.linear(F.silu(gate) * value, out)


def _swiglu(x: Tensor, fused: Tensor, out: Tensor, *, dim: int, gate_first: bool) -> Tensor:
    first, second = F.linear(x, fused).chunk(2, dim=dim)
    gate, value = (first, second) if gate_first else (second, first)
    return F.linear(F.silu(gate) * value, out)


def _numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


FUSED = Exercise(
    number="11.3",
    title="Find the bug: a fused SwiGLU",
    minutes=5,
    difficulty=2,
    solution=swiglu,
    probes=(
        Probe(
            label="for 6 inputs of width 4",
            arguments=(_numbers(6, 4, seed=0), _numbers(10, 4, seed=1), _numbers(4, 5, seed=2)),
            tolerance=1e-5,
        ),
        Probe(
            label="for a (2, 3, 4) batch",
            arguments=(_numbers(2, 3, 4, seed=3), _numbers(6, 4, seed=4), _numbers(4, 3, seed=5)),
            tolerance=1e-5,
        ),
        Probe(
            label="for a single input",
            arguments=(_numbers(4, seed=6), _numbers(6, 4, seed=7), _numbers(4, 3, seed=8)),
            tolerance=1e-5,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, fused, out: _swiglu(x, fused, out, dim=0, gate_first=False),
            hint="chunk halves dimension 0 unless it is told otherwise, and that is the batch, so that the shapes do not "
            "fit: halve the features. Then hold the order of the halves against that of the file.",
        ),
        Mistake(
            answer=lambda x, fused, out: _swiglu(x, fused, out, dim=1, gate_first=False),
            hint="dimension 1 holds the features of a matrix only; with a batch in front it holds the inputs. Count from "
            "the end: -1. (And see to it that the gate is the right half.)",
        ),
        Mistake(
            answer=lambda x, fused, out: _swiglu(x, fused, out, dim=-1, gate_first=False),
            hint="the right dimension; but in this file the gate's rows come first, and you apply SiLU to the value.",
        ),
        Mistake(
            answer=lambda x, fused, out: F.linear(F.glu(F.linear(x, fused).roll(fused.shape[0] // 2, -1)), out),
            hint="your gate opens by a sigmoid, as that of GLU and F.glu does; SwiGLU's gate is SiLU.",
        ),
        Mistake(
            answer=lambda x, fused, out: F.linear(F.glu(F.linear(x, fused)), out),
            hint="F.glu opens its gate by a sigmoid, not by SiLU, and takes the second half for the gate.",
        ),
        Mistake(
            answer=lambda x, fused, out: F.linear(
                torch.mul(*(F.silu(h) for h in F.linear(x, fused).chunk(2, dim=-1))), out
            ),
            hint="SiLU belongs to the gate alone: the value goes through straight.",
        ),
        Mistake(
            answer=lambda x, fused, out: F.linear(F.silu(torch.mul(*F.linear(x, fused).chunk(2, dim=-1))), out),
            hint="you bend the product of gate and value: apply SiLU to the gate, then multiply.",
        ),
    ),
    hints=(
        "Print the shapes of the two halves for x of shape (6, 4) and fused of shape (10, 4). Which dimension should "
        "have been halved?",
        "chunk(2, dim=-1); and the first half is the gate here.",
    ),
    remark="the first bug raised an error; the second does not. A model that is trained with the halves exchanged is as "
    "good as any, and fails only with the weights of others, silently.",
)


def product(x: Tensor, y: Tensor, gate: Callable[[Tensor], Tensor]) -> Tensor:
    return gate(y) * x + gate(-y) * -x


def _twice_relu(b: Tensor) -> Tensor:
    return 2 * F.relu(b)


# Numbers of their own, so that no number that a learner would write is one of them, or a small multiple.
X, Y = _numbers(13, seed=20), _numbers(13, seed=21)
SMALL = torch.tensor([1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4]).double()


def _of_one_input(gate: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same gate, which answers NaN to anything but multiples of ``X`` or of ``Y``, or small ones of their elements.

    It does not branch on what it sees, so that it works under ``torch.vmap``.
    """
    inputs = torch.stack([X, Y]).double()
    elements = (inputs.abs().flatten() * SMALL[:, None]).flatten()

    def multiples(rows: Tensor) -> Tensor:
        rows = rows.unsqueeze(1)  # (n, 1, 13)
        factors = (rows * inputs).sum(-1, keepdim=True) / inputs.square().sum(-1, keepdim=True)
        rest = (rows - factors * inputs).abs().amax(-1)  # (n, 2)
        return (rest.amin(1) <= 1e-5 * (1 + rows.abs().amax())).all()

    def looking(b: Tensor) -> Tensor:
        opened, seen = gate(b), b.detach().double()
        known = ((seen.abs().unsqueeze(-1) - elements).abs() <= 1e-6 * elements).any(-1).all()
        if b.numel() % len(X) == 0:  # whole vectors; stacked they may lie either way
            known = known | multiples(seen.reshape(-1, len(X))) | multiples(seen.reshape(len(X), -1).T)
        return torch.where(known, opened, torch.nan)

    return looking


PRODUCT = Exercise(
    number="11.1",
    title="An exact product from two gated units",
    minutes=5,
    difficulty=3,
    solution=product,
    probes=(
        Probe(label="with gate = relu", arguments=(X, Y, _of_one_input(F.relu)), tolerance=1e-5),
        Probe(label="with gate = gelu", arguments=(X, Y, _of_one_input(F.gelu)), tolerance=1e-5),
        Probe(label="with gate = silu", arguments=(X, Y, _of_one_input(F.silu)), tolerance=1e-5),
        Probe(
            label="with gate = twice relu, which makes 2xy",
            arguments=(X, Y, _of_one_input(_twice_relu)),
            tolerance=1e-5,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, y, gate: x * y,
            hint="gate has no part in your product. Each unit is to multiply a value by a gate: gate(something) * something.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(y) * x,
            hint="one unit is right for large y, and nearly closed for negative y: a second one must serve the other side.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(x) * y,
            hint="one unit is right for large x, and nearly closed for negative x: a second one must serve the other side.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(x) * y + gate(-x) * y,
            hint="for negative x the second unit gives gate(-x) y = |x| y, and x y is wanted: mind its sign.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(x) * y + gate(y) * x,
            hint="two different units, each closed on one side. The second must do what the first left undone: look at -x "
            "where the first looks at x.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(y) * x + gate(-y) * x,
            hint="for negative y the second unit gives gate(-y) x = |y| x, and y x is wanted: mind its sign.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(-y) * x + gate(y) * -x,
            hint="the right two units with the wrong signs: where y is positive, gate(y) is open and has to meet x, not -x.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(x) * gate(y) + gate(-x) * gate(-y),
            hint="that is right where x and y have the same sign, and for ReLU alone. The value of a gated unit is not "
            "bent: apply gate to one of the two only.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(y) * gate(x),
            hint="the value of a gated unit is not bent: apply the gate's function to y only.",
        ),
        Mistake(
            answer=lambda x, y, gate: (gate(x + y) * (x + y) - gate(x - y) * (x - y)) / 4,
            hint="each gate is to look at a multiple of one input, x or y, not at a sum of both or at a number: two units "
            "do, without squares.",
        ),
        Mistake(
            answer=lambda x, y, gate: gate(y) * x - gate(y) * -x,
            hint="both units look at y, so that both are closed for negative y. The second must look at -y.",
        ),
    ),
    hints=(
        "For ReLU: relu(y) x is right for y > 0 and 0 for y < 0. What is right for y < 0 and 0 for y > 0?",
        "The second unit looks at -y. With gate(b) = b s(b), where s(b) + s(-b) = 1: gate(y) - gate(-y) is y.",
    ),
    remark="for GELU it is y Φ(y) + y Φ(−y) = y, for SiLU y σ(y) + y σ(−y) = y: exact, although each unit is bent. Sigmoid "
    "itself has no such pair: σ(y) − σ(−y) = tanh(y / 2), so a GLU multiplies exactly only in the limit of small y.",
)


def stackable(x: Tensor, gate: Tensor, value: Tensor, out: Tensor) -> Tensor:
    h = x / x.square().mean(dim=-1, keepdim=True).sqrt()
    return x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, value), out)


def _stackable(normalise: Callable[[Tensor], Tensor], *, add: str = "input", gate_first: bool = True, bend=F.silu):
    def answer(x, gate, value, out):
        h = normalise(x)
        first, second = (gate, value) if gate_first else (value, gate)
        block = F.linear(bend(F.linear(h, first)) * F.linear(h, second), out)
        return block if add == "nothing" else block + (h if add == "normalised" else x)

    return answer


def _by_rms(x: Tensor) -> Tensor:
    return x / x.square().mean(dim=-1, keepdim=True).sqrt()


_MATRICES = (_numbers(5, 4, seed=11), _numbers(5, 4, seed=12), _numbers(4, 5, seed=13))

STACKABLE = Exercise(
    number="11.5",
    title="A gated block that can be stacked",
    minutes=7,
    difficulty=3,
    solution=stackable,
    # Wide enough for an ε, and vectors large enough for it not to count.
    probes=(
        Probe(label="for 6 tokens of width 4", arguments=(3 * _numbers(6, 4, seed=14), *_MATRICES), tolerance=1e-4),
        Probe(label="for a (2, 3, 4) batch", arguments=(3 * _numbers(2, 3, 4, seed=15), *_MATRICES), tolerance=1e-4),
        Probe(label="for a single token", arguments=(1 + _numbers(4, seed=16), *_MATRICES), tolerance=1e-4),
    ),
    mistakes=(
        Mistake(
            answer=_stackable(lambda x: x),
            hint="nothing is normalised yet: the block squares whatever size it gets.",
        ),
        Mistake(
            answer=_stackable(lambda x: x / x.norm(dim=-1, keepdim=True)),
            hint="that divides by the length; the root mean square is smaller by the root of the width.",
        ),
        Mistake(
            answer=_stackable(lambda x: x / x.square().mean().sqrt()),
            hint="each vector has a root mean square of its own: take the mean over the last dimension only.",
        ),
        Mistake(
            answer=_stackable(lambda x: x / x.square().mean(dim=-1, keepdim=True)),
            hint="the mean square is there; its root is missing.",
        ),
        Mistake(
            answer=_stackable(lambda x: x / x.std(dim=-1, keepdim=True, correction=0)),
            hint="the standard deviation takes the mean away first; the root mean square does not.",
        ),
        Mistake(
            answer=_stackable(lambda x: x / x.std(dim=-1, keepdim=True)),
            hint="std takes the mean away first, and divides by n - 1; the root mean square does neither.",
        ),
        Mistake(
            answer=_stackable(lambda x: F.layer_norm(x, x.shape[-1:])),
            hint="that also takes the mean away; only divide by the root mean square.",
        ),
        Mistake(
            answer=_stackable(_by_rms, add="nothing"),
            hint="the block is right; what came in is to be added to it, so that the gradient has a way around.",
        ),
        Mistake(
            answer=_stackable(_by_rms, add="normalised"),
            hint="add x as it came, not what was normalised: else no size survives, and no way around is straight.",
        ),
        Mistake(
            answer=_stackable(_by_rms, gate_first=False),
            hint="SiLU bends the value in your answer: it belongs to the gate.",
        ),
        Mistake(
            answer=lambda x, gate, value, out: (
                x + F.linear(F.silu(F.linear(_by_rms(x), gate) * F.linear(_by_rms(x), value)), out)
            ),
            hint="SiLU bends the product in your answer: apply it to the gate, then multiply.",
        ),
        Mistake(
            answer=_stackable(_by_rms, bend=torch.sigmoid),
            hint="with a sigmoid that is GLU; the gate of SwiGLU is SiLU.",
        ),
    ),
    hints=(
        "x.square().mean(dim=-1, keepdim=True).sqrt() is the root mean square of each vector.",
        "Three lines: h, the block of h, and x plus the block.",
    ),
    remark="ten times the input now adds the same as before. This is the feed-forward half of most published large "
    "language models, but for a learned factor behind the division.",
)

QUIZ = Quiz(
    (
        Question(
            "A plain block has width 512 and hidden width 2048. Which hidden width makes a SwiGLU block of equal size?",
            (
                Option("2048", False, "That has three matrices in place of two: half as many weights again."),
                Option("1365", True, "2/3 of 2048, to the nearest whole number: three matrices of 512 × 1365."),
                Option("1024", False, "That would be right if the gated block had four matrices; it has three."),
            ),
        ),
        Question(
            "nn.GLU() on images of shape (8, 6, 32, 32): what comes out?",
            (
                Option("(8, 3, 32, 32)", False, "That is nn.GLU(dim=1), which halves the channels."),
                Option(
                    "(8, 6, 32, 16)",
                    True,
                    "By default the last dimension is halved: the right half of each image gates the left half.",
                ),
                Option("An error", False, "32 is even, so nothing is noticed."),
            ),
        ),
        Question(
            "The gate's activation is left out, which makes the block bilinear. The block is then",
            (
                Option(
                    "quadratic: twice the input gives four times the output",
                    True,
                    "Without biases every output is a sum of products of two inputs.",
                ),
                Option(
                    "linear, so that the layers collapse into one", False, "A product of two linear maps is quadratic."
                ),
                Option(
                    "a ReLU block of half the width", False, "A ReLU block gives twice the output for twice the input."
                ),
            ),
        ),
        Question(
            "A paper compares GELU at hidden width 4d with SwiGLU at hidden width 4d. SwiGLU wins. Then?",
            (
                Option(
                    "Gates are better",
                    False,
                    "The gated block had 50 % more weights and work; that may be all there is.",
                ),
                Option(
                    "Nothing is known yet about the gate",
                    True,
                    "Gate and size changed together. Cut the hidden width to 8d/3, or widen the plain block to 6d.",
                ),
                Option(
                    "SiLU is better than GELU", False, "Three things changed: the activation, the gate and the size."
                ),
            ),
        ),
    )
)
