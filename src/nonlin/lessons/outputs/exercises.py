"""Exercises and quiz of lesson 10, softmax and output layers."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.by_hand import AUTOGRAD, ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def _numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    logs = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -logs[torch.arange(len(labels)), labels].mean()


def _picked(logs: Tensor, labels: Tensor) -> Tensor:
    return logs[torch.arange(len(labels)), labels]


def _as_given(logits: Tensor, labels: Tensor) -> Tensor:
    return -_picked(torch.log(torch.softmax(logits, dim=0)), labels).mean()


def _with_floor(floor: float, *, clamped: bool) -> Mistake:
    """The popular plaster for a loss of infinity, in one of its two forms."""

    def answer(logits: Tensor, labels: Tensor) -> Tensor:
        p = torch.softmax(logits, dim=1)
        return -_picked(torch.log(p.clamp(min=floor) if clamped else p + floor), labels).mean()

    plaster = "the clamp" if clamped else "a small number inside the logarithm"
    most = f"it never exceeds {-math.log(floor):.1f}, and the worst mistakes get no gradient"
    return Mistake(answer=answer, hint=f"{plaster} hides the infinity, and bends the loss: {most}.")


VISIBLE = (1e-6, 1e-7, 1e-8)  # below these, a clamp and a summand differ by less than the tolerance
FLOORS = (*VISIBLE, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-38)
LABELS = torch.tensor([0, 2, 1])

CROSS_ENTROPY = Exercise(
    number="10.1",
    title="Find the bugs: a cross-entropy",
    minutes=6,
    difficulty=2,
    solution=mean_cross_entropy,
    by_hand=ByHand(without=("log_softmax",)),
    probes=(
        Probe(label="for ordinary logits", arguments=(_numbers(3, 4), LABELS), with_slope=True, tolerance=1e-9),
        Probe(
            label="where the right class is 1000 behind, and its probability is rounded to 0",
            arguments=(torch.tensor([[0.0, 1000.0], [3.0, 1.0]]), torch.tensor([0, 0])),
            with_slope=True,
            tolerance=1e-4,
        ),
        Probe(
            label="where the right class is 1000 ahead",
            arguments=(torch.tensor([[1000.0, 0.0, 0.0]]), torch.tensor([0])),
            with_slope=True,
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        Mistake(
            answer=_as_given,
            hint="dim=0 makes the columns sum to 1, over the batch: each example is a row, so the classes lie along dim 1.",
        ),
        Mistake(
            answer=lambda logits, labels: -_picked(torch.log(torch.softmax(logits, dim=1)), labels).mean(),
            hint="the dimension is right now. But where the right class is far behind, its probability is rounded to 0, and "
            "log 0 is minus infinity: take the logarithm before anything is rounded.",
        ),
        Mistake(
            answer=lambda logits, labels: -torch.log(_picked(torch.softmax(logits, dim=1), labels)).mean(),
            hint="the dimension is right. But where the right class is far behind, the loss is infinite: its probability was "
            "rounded to 0, or an exponential overflowed. Logarithm and softmax have to be one formula: torch.logsumexp.",
        ),
        Mistake(
            answer=lambda logits, labels: (
                -(F.one_hot(labels, logits.shape[1]) * (logits - torch.logsumexp(logits, dim=1, keepdim=True))).mean()
            ),
            hint="nearly: that is the mean over all n times K numbers. Sum along dim 1 first, then take the mean over the "
            "batch.",
        ),
        *(_with_floor(floor, clamped=False) for floor in FLOORS),
        *(_with_floor(floor, clamped=True) for floor in VISIBLE),
        Mistake(
            answer=lambda logits, labels: (
                -_picked(logits - torch.logsumexp(logits, dim=0, keepdim=True), labels).mean()
            ),
            hint="one bug is mended: nothing is rounded before the logarithm. But the sum still runs over the batch: each "
            "example is a row, so the classes lie along dim 1.",
        ),
        Mistake(
            answer=lambda logits, labels: -_picked(logits - torch.logsumexp(logits, dim=1), labels).mean(),
            hint="the right formula, but logsumexp has dropped its dimension, so that its numbers do not fit the rows: "
            "keepdim=True.",
        ),
        Mistake(
            answer=lambda logits, labels: (
                -_picked(logits - torch.log(torch.exp(logits).sum(dim=1, keepdim=True)), labels).mean()
            ),
            hint="the right formula, but e^1000 overflows: subtract the maximum first, or use torch.logsumexp.",
        ),
        Mistake(
            answer=lambda logits, labels: (torch.logsumexp(logits, dim=1) - logits[:, labels]).mean(),
            hint="logits[:, labels] takes the columns of all labels from every row; pick one number from each row, with "
            "torch.arange and the labels together.",
        ),
        Mistake(
            answer=lambda logits, labels: _picked(logits - torch.logsumexp(logits, dim=1, keepdim=True), labels).mean(),
            hint="right but for the sign: a loss is the negative logarithm.",
        ),
        Mistake(
            answer=lambda logits, labels: -_picked(logits - torch.logsumexp(logits, dim=1, keepdim=True), labels).sum(),
            hint="that is the sum over the batch; the mean is asked for.",
        ),
    ),
    hints=(
        "There are two bugs. The first check that fails names one of them; the other shows where a class is far behind.",
        "log softmax is x_i minus log of the sum of all e^x_j: no probability is needed on the way.",
        "logs = logits - torch.logsumexp(logits, dim=1, keepdim=True); then pick, take the mean, and change the sign.",
    ),
    remark="a mistake by 1000 costs 1000, and its gradient is as large as any: this is what F.cross_entropy computes.",
)


def softmax_backward(gradient: Tensor, y: Tensor) -> Tensor:
    return y * (gradient - (gradient * y).sum(dim=-1, keepdim=True))


Y = _numbers(4, 5, seed=1).softmax(dim=1)

BACKWARD = Exercise(
    number="10.2",
    title="Softmax's backward without a matrix",
    minutes=4,
    difficulty=1,
    solution=softmax_backward,
    by_hand=ByHand(without=(AUTOGRAD,)),
    probes=(
        Probe(label="for a batch of 4 vectors", arguments=(_numbers(4, 5), Y), tolerance=1e-12),
        Probe(label="for a gradient of ones", arguments=(torch.ones(4, 5, dtype=torch.float64), Y), tolerance=1e-12),
        Probe(label="for one vector", arguments=(_numbers(5, seed=2), Y[0]), tolerance=1e-12),
    ),
    mistakes=(
        Mistake(
            answer=lambda gradient, y: gradient * y * (1 - y),
            hint="that is sigmoid's: you used the diagonal of the Jacobian alone. Every output depends on every logit.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y,
            hint="that is the first of two terms; the second, y_j times the sum of all g_i y_i, is missing.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - (gradient * y).sum()),
            hint="your sum runs over the whole batch: each vector has a sum of its own, so give sum a dim, and keepdim.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - (gradient * y).sum(dim=0, keepdim=True)),
            hint="your sum runs down the batch: each vector lies along the last dimension, and has a sum of its own.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - (gradient * y).sum(dim=1, keepdim=True)),
            hint="right for a batch, but a single vector has no dim 1: count from the end, dim=-1.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - (gradient * y).sum(dim=-1)),
            hint="the sums are right, but have lost their dimension, so that they do not fit the rows: keepdim=True.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - gradient.sum(dim=-1, keepdim=True)),
            hint="the sum is of g times y: the y_i of the row is missing.",
        ),
        Mistake(
            answer=lambda gradient, y: y * ((gradient * y).sum(dim=-1, keepdim=True) - gradient),
            hint="right but for the sign: the diagonal comes with a plus, the product y_i y_j with a minus.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient * y * (1 - y) - y * (gradient * y).sum(dim=-1, keepdim=True),
            hint="the diagonal is counted twice: the sum over all i has the term y_j y_j in it already, so the first term is "
            "g_j y_j alone.",
        ),
        Mistake(
            answer=lambda gradient, y: y * (gradient - (gradient * y).mean(dim=-1, keepdim=True)),
            hint="the sum, not the mean: the y_i are weights that sum to 1 already.",
        ),
        Mistake(
            answer=lambda gradient, y: gradient - (gradient * y).sum(dim=-1, keepdim=True),
            hint="the factor y in front is missing: row j of the Jacobian is y_j times something.",
        ),
    ),
    hints=(
        "Entry j is the sum over i of g_i y_i (delta_ij - y_j). Write the sum as two sums.",
        "The first sum has one term, g_j y_j; the second is y_j times the sum of all g_i y_i.",
        "y * (gradient - the sum of gradient * y along the last dimension, with keepdim=True).",
    ),
    remark="a gradient of ones gives 0: the outputs sum to 1 whatever the logits are. For a vocabulary of 100,000 words "
    "the matrix would have ten billion entries; you needed none of them.",
)


def are_probabilities(outputs: Tensor) -> bool:
    sums = outputs.sum(dim=1)
    return bool((outputs >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


_LOGITS = 3 * _numbers(6, 1000, dtype=torch.float32)


def _one_row_off(row: int, total: float) -> Tensor:
    rows = _LOGITS[:, :3].softmax(dim=1)
    rows[row] *= total
    return rows


DETECT = Exercise(
    number="10.3",
    title="A detector of forgotten softmaxes",
    minutes=5,
    difficulty=2,
    solution=are_probabilities,
    probes=(
        Probe(label="for a softmax of 1000 classes", arguments=(_LOGITS.softmax(dim=1),)),
        Probe(label="for a softmax of 3 classes", arguments=(_LOGITS[:, :3].softmax(dim=1),)),
        Probe(label="for logits", arguments=(_LOGITS[:, :10],)),
        Probe(label="for sigmoids", arguments=(torch.sigmoid(_LOGITS[:, :3]),)),
        Probe(
            label="for sigmoids, where all rows sum to less than 1",
            arguments=(torch.sigmoid(-1 - _LOGITS[:, :3].abs()),),
        ),
        Probe(
            label="for sigmoids, where all rows sum to more than 1", arguments=(torch.sigmoid(_LOGITS[:, :3].abs()),)
        ),
        Probe(label="for logits whose rows happen to sum to 1", arguments=(torch.tensor([[3.0, -2.0], [0.5, 0.5]]),)),
        Probe(label="for a softmax along the batch", arguments=(_LOGITS[:, :3].softmax(dim=0),)),
        Probe(
            label="for a softmax along the batch, as many examples as classes",
            arguments=(_LOGITS[:, :6].softmax(dim=0),),
        ),
        Probe(label="where the first row of six sums to 2", arguments=(_one_row_off(0, 2.0),)),
        Probe(label="where the last row of six sums to 2", arguments=(_one_row_off(5, 2.0),)),
        Probe(label="where one row of six sums to 1.01", arguments=(_one_row_off(3, 1.01),)),
        Probe(label="where one row of six sums to 0.5", arguments=(_one_row_off(2, 0.5),)),
        Probe(label="for a softmax that rounds to 0", arguments=((200 * _LOGITS[:, :3]).softmax(dim=1),)),
        Probe(label="for log-probabilities", arguments=(_LOGITS[:, :3].log_softmax(dim=1),)),
        Probe(label="for 0.5, 0.51, −0.01", arguments=(torch.tensor([[0.5, 0.51, -0.01]]),)),
        Probe(label="for 0.5, −0.5", arguments=(torch.tensor([[0.5, -0.5]]),)),
        Probe(label="where one number is NaN", arguments=(torch.tensor([[0.5, 0.5], [math.nan, 0.5]]),)),
    ),
    mistakes=(
        Mistake(
            answer=lambda outputs: not bool((outputs < 0).any() or (abs(outputs.sum(dim=1) - 1) > 1e-4).any()),
            hint="NaN passes, since every comparison with it is False: ask for what is right, not for what is wrong.",
        ),
        Mistake(
            answer=lambda outputs: are_probabilities(outputs[:1]),
            hint="you look at the first row alone: every row is to be a distribution.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and (abs(outputs.sum(dim=1) - 1) < 1e-4).any()),
            hint="one row that sums to 1 is enough for you: all rows are to, so .all(), not .any().",
        ),
        Mistake(
            answer=lambda outputs: bool(((outputs >= 0).all(dim=1) & (abs(outputs.sum(dim=1) - 1) < 1e-4)).any()),
            hint="one good row is enough for you: all rows are to be distributions, so .all(), not .any(), at the end.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and (outputs.sum(dim=1) - 1 < 1e-4).all()),
            hint="a sum far below 1 is as wrong as one above: take the absolute value of the difference.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and (1 - outputs.sum(dim=1) < 1e-4).all()),
            hint="a sum far above 1 is as wrong as one below: take the absolute value of the difference.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and (outputs.sum(dim=1).round() == 1).all()),
            hint="your tolerance is far wider than rounding, which moves a sum of 1000 numbers by 1e-6 or so.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs <= 1).all() and (abs(outputs.sum(dim=1) - 1) < 1e-4).all()),
            hint="0.5 + 0.51 − 0.01 is 1 as well, and nothing is above 1: a probability is never negative.",
        ),
        Mistake(
            answer=lambda outputs: bool((abs(outputs.abs().sum(dim=1) - 1) < 1e-4).all()),
            hint="the sizes of 0.5 and −0.5 sum to 1 as well: a probability is never negative.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs.sum(dim=1) == 1).all()),
            hint="sums of rounded numbers are rarely exactly 1: compare with a tolerance, as torch.allclose does.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs > 0).all() and (abs(outputs.sum(dim=1) - 1) < 1e-4).all()),
            hint="in float32 a softmax can round to 0, and to 1: both are probabilities, too.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and (outputs.sum(dim=1) == 1).all()),
            hint="both properties are there, but sums of rounded numbers are rarely exactly 1: allow a tolerance.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all()),
            hint="no number below 0 is one of two properties: sigmoids have it, too. What do the numbers of a row sum to?",
        ),
        Mistake(
            answer=lambda outputs: bool(((outputs >= 0) & (outputs <= 1)).all()),
            hint="separate sigmoids lie between 0 and 1 as well: what do only the outputs of a softmax do?",
        ),
        Mistake(
            answer=lambda outputs: bool(torch.allclose(outputs.sum(dim=1), torch.ones(len(outputs)), atol=1e-4)),
            hint="rows of logits can happen to sum to 1, too: probabilities are also never negative.",
        ),
        Mistake(
            answer=lambda outputs: bool(
                (outputs >= 0).all() and torch.allclose(outputs.sum(dim=0), torch.ones(outputs.shape[1]), atol=1e-4)
            ),
            hint="you sum down the columns, over the batch: each example is a row.",
        ),
        Mistake(
            answer=lambda outputs: bool((outputs >= 0).all() and abs(outputs.sum() - len(outputs)) < 1e-3),
            hint="a softmax along the wrong dimension can have that total, too, and any other numbers: test row by row.",
        ),
    ),
    hints=(
        "Two properties together: one of each number, one of each row.",
        "outputs.sum(dim=1) is to be near 1, which torch.allclose can tell, and no number below 0.",
    ),
    remark="call it on one batch before training, and the failure of section 1 cannot happen to you.",
)


def without_weights(logits: Tensor, weights: Tensor) -> Tensor:
    return torch.softmax(logits - weights.log(), dim=1)


def _divided_late(logits: Tensor, weights: Tensor) -> Tensor:
    odds = torch.exp(logits) / weights
    return odds / odds.sum(dim=1, keepdim=True)


def _over_all(odds: Tensor) -> Tensor:
    return odds / odds.sum()


_WEIGHTS = torch.tensor([1 / 2.7, 1 / 0.24, 1 / 0.06], dtype=torch.float64)

TAKE_BACK = Exercise(
    number="10.4",
    title="Take the class weights back",
    minutes=7,
    difficulty=3,
    solution=without_weights,
    probes=(
        Probe(label="for weights of 0.37, 4.2 and 16.7", arguments=(_numbers(5, 3), _WEIGHTS), tolerance=1e-9),
        Probe(
            label="for equal weights",
            arguments=(_numbers(5, 3, seed=1), torch.full((3,), 2.0, dtype=torch.float64)),
            tolerance=1e-9,
        ),
        Probe(label="for logits of 1000", arguments=(1000 + _numbers(2, 3, seed=2), _WEIGHTS), tolerance=1e-9),
        Probe(
            label="where one row lies 1000 above the next",
            arguments=(torch.tensor([[1000.0], [0.0]], dtype=torch.float64) + _numbers(2, 3, seed=3), _WEIGHTS),
            tolerance=1e-9,
        ),
        Probe(
            label="where a row has both 1000 and 0",
            arguments=(
                torch.tensor([[1000.0, 0.0, 0.0], [0.0, 0.0, 1000.0], [-1000.0, 0.0, -1000.0]]),
                _WEIGHTS.float(),
            ),
            tolerance=1e-9,
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits + weights.log(), dim=1),
            hint="the wrong direction: this weights the classes a second time. The weights have inflated the rare class; "
            "divide by them.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits, dim=1) / weights,
            hint="the ratios are right, but the rows no longer sum to 1: normalise after the division.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits, dim=1) * weights,
            hint="the wrong direction, which weights the classes a second time; and the rows no longer sum to 1.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits / weights, dim=1),
            hint="dividing a logit is a temperature for each class; dividing a probability by w is subtracting log w from "
            "the logit.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits - weights, dim=1),
            hint="nearly: to divide a probability by w is to subtract log w from its logit, not w.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits - weights.log(), dim=0),
            hint="the right logits, but dim=0 makes the columns sum to 1, over the batch: each example is a row.",
        ),
        Mistake(
            answer=lambda logits, weights: _over_all(torch.softmax(logits, dim=1) / weights),
            hint="you divided by the sum over the whole batch: each row is to sum to 1.",
        ),
        Mistake(
            answer=lambda logits, weights: logits - weights.log(),
            hint="those are the right logits; asked for are the probabilities: a softmax along dim 1 is missing.",
        ),
        Mistake(
            answer=_divided_late,
            hint="right in exact arithmetic, but e^1000 overflows: stay with logits, and let softmax take the exponential.",
        ),
        Mistake(
            answer=lambda logits, weights: _divided_late(logits - logits.max(), weights),
            hint="the largest logit of the whole batch leaves a row far below it nothing but zeros: subtract each row's own.",
        ),
        Mistake(
            answer=lambda logits, weights: _divided_late(logits - logits.mean(dim=1, keepdim=True), weights),
            hint="nearly: one logit far above what you subtract still overflows. Subtract each row's largest.",
        ),
        Mistake(
            answer=lambda logits, weights: torch.softmax(logits, dim=1),
            hint="those are the probabilities as the weighted network says them, with the weights still in.",
        ),
    ),
    hints=(
        "With weights, a network that is trained to the end says q_k proportional to w_k p_k, where p is the truth. "
        "Solve for p.",
        "p_k is proportional to q_k / w_k, and the rows of p sum to 1.",
        "Inside a softmax, a factor 1 / w is a summand: the logit minus log w.",
    ),
    remark="so the weights can be taken out again after training, exactly as section 8 put the priors out of the "
    "decision: in the end they are a shift of the logits, little more.",
)

QUIZ = Quiz(
    (
        Question(
            "All logits of a classifier are doubled. What happens to the predicted class, and what to the probabilities?",
            (
                Option("Neither changes", False, "Adding the same number to all changes nothing; doubling does."),
                Option(
                    "The class stays, the probabilities become more extreme",
                    True,
                    "Doubling is a temperature of one half: the order stays, the odds are squared.",
                ),
                Option("Both may change", False, "Doubling keeps the order, so the largest stays the largest."),
            ),
        ),
        Question(
            "Your 10-class network trains; the accuracy rises to 95 %, but the loss stays above 1.46. What do you look at?",
            (
                Option(
                    "Whether a softmax stands before CrossEntropyLoss",
                    True,
                    "1.461 is log(1 + 9/e), the least that a second softmax allows.",
                ),
                Option("The learning rate", False, "No learning rate gets below a floor that the formula sets."),
                Option(
                    "Whether the classes are imbalanced", False, "With 95 % right, imbalance keeps no loss that high."
                ),
            ),
        ),
        Question(
            "A photo may show a cat, a dog, both or neither. Which output?",
            (
                Option("A softmax over cat and dog", False, "Its outputs sum to 1: both, and neither, cannot be said."),
                Option(
                    "Two linear outputs with squared error",
                    False,
                    "They can be trained, but nothing keeps them between 0 and 1.",
                ),
                Option(
                    "Two logits with BCEWithLogitsLoss",
                    True,
                    "One yes-or-no question for each label, each with a sigmoid.",
                ),
            ),
        ),
        Question(
            "1 % of your examples are ill. You train with class weights, each 1 over the share of its class. What does an "
            "output of 0.6 for ill mean?",
            (
                Option(
                    "60 of 100 such patients are ill",
                    False,
                    "Only without weights. With these the odds are inflated by a factor of 99.",
                ),
                Option(
                    "It would be 60 % if ill and healthy were equally frequent",
                    True,
                    "The weights pretend that they are; for the real frequency the odds are to be divided by 99.",
                ),
                Option("Nothing at all", False, "It means something exact; section 8 and exercise 10.4 convert it."),
            ),
        ),
    )
)
