"""Exercises and quiz of lesson 16, the transformer's activations."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def perplexity(losses: Tensor, lengths: Tensor) -> Tensor:
    return torch.exp((losses * lengths).sum() / lengths.sum())


_LOSSES = torch.tensor([2.0, 1.0, 3.5], dtype=torch.float64)
_LENGTHS = torch.tensor([10.0, 100.0, 1.0], dtype=torch.float64)

PERPLEXITY = Exercise(
    number="16.1",
    title="The perplexity of three pieces",
    minutes=3,
    difficulty=1,
    solution=perplexity,
    probes=(
        Probe(label="for pieces of different lengths", arguments=(_LOSSES, _LENGTHS), tolerance=1e-9),
        Probe(label="for one piece", arguments=(_LOSSES[:1], _LENGTHS[:1]), tolerance=1e-9),
        Probe(label="for pieces of one length", arguments=(_LOSSES, torch.full_like(_LENGTHS, 7)), tolerance=1e-9),
    ),
    mistakes=(
        Mistake(
            answer=lambda losses, lengths: losses.mean().exp(),
            hint="a piece of one character counts as much as one of a hundred there: weigh with the lengths.",
        ),
        Mistake(
            answer=lambda losses, lengths: (losses.exp() * lengths).sum() / lengths.sum(),
            hint="the mean comes first, then the exponential: a mean of perplexities is too large.",
        ),
        Mistake(answer=lambda losses, lengths: losses.exp().mean(), hint="neither the lengths nor the order is right."),
        Mistake(
            answer=lambda losses, lengths: (losses * lengths).sum() / lengths.sum(),
            hint="that is the loss, in nats; its exponential is asked for.",
        ),
        Mistake(
            answer=lambda losses, lengths: 2 ** ((losses * lengths).sum() / lengths.sum()),
            hint="losses are in nats, natural logarithms: the base is e, not 2.",
        ),
        Mistake(
            answer=lambda losses, lengths: (losses * lengths).sum().exp(),
            hint="that grows with the length of the text: divide by the number of characters first.",
        ),
    ),
    hints=(
        "What is the sum of the losses of all characters of a piece, if their mean and their number are known?",
        "Sum of losses × lengths, over the sum of the lengths; then exp.",
    ),
    remark="the mean of all characters, not that of the pieces; a loss can be averaged, a perplexity cannot.",
)


def causal_weights(scores: Tensor) -> Tensor:
    n = scores.shape[-1]
    later = torch.ones(n, n, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(dim=-1)


def _masked(diagonal: int):
    def weights(scores):
        n = scores.shape[-1]
        later = torch.ones(n, n, dtype=torch.bool).triu(diagonal)
        return scores.masked_fill(later, -math.inf).softmax(dim=-1)

    return weights


def _below(scores: Tensor) -> Tensor:
    return torch.ones(scores.shape[-1], scores.shape[-1], dtype=torch.bool).tril()


_SCORES = torch.tensor(
    [[0.3, -1.2, 2.0, 0.1], [1.5, 0.2, -0.7, 0.9], [-0.4, 0.8, 0.6, -2.0], [0.0, 1.1, -1.3, 0.5]], dtype=torch.float64
)
_FAR_BEHIND = torch.tensor([[-150.0, 0.0, 1.0], [-150.0, -151.0, 0.0], [0.0, 1.0, 2.0]], dtype=torch.float64)

CAUSAL_MASK = Exercise(
    number="16.2",
    title="Find the bug: a model that guesses too well",
    minutes=4,
    difficulty=2,
    solution=causal_weights,
    probes=(
        Probe(label="for four places", arguments=(_SCORES,), tolerance=1e-12),
        Probe(label="for two tables of scores", arguments=(torch.stack([_SCORES, -_SCORES]),), tolerance=1e-12),
        Probe(label="for a text of one character", arguments=(_SCORES[:1, :1],), tolerance=1e-12),
        Probe(label="where earlier places have scores of -150", arguments=(_FAR_BEHIND,), tolerance=1e-12),
    ),
    mistakes=(
        Mistake(
            answer=lambda scores: scores.masked_fill(~_below(scores), -100.0).softmax(dim=-1),
            hint="a low score hides a place only while the others are higher. Which score never gets a weight?",
        ),
        Mistake(answer=_masked(2), hint="which places may place 0 look at? Print the weights of its row."),
        Mistake(answer=_masked(0), hint="now a place may not look at itself, and the first one at nothing: NaN."),
        Mistake(answer=_masked(3), hint="that hides less than before: count diagonals from the main one, which is 0."),
        Mistake(
            answer=lambda scores: scores.masked_fill(~_below(scores).T, -math.inf).softmax(dim=-1),
            hint="that hides the past and shows the future: the other triangle is to be hidden.",
        ),
        Mistake(
            answer=lambda scores: scores.masked_fill(~_below(scores), -math.inf).softmax(dim=-2),
            hint="each row is one place that looks: the weights of a row have to sum to 1, not those of a column.",
        ),
        Mistake(
            answer=lambda scores: scores.softmax(dim=-1) * _below(scores),
            hint="what is hidden after softmax is missing from the sum: rows no longer sum to 1. Mask before it.",
        ),
        Mistake(
            answer=lambda scores: scores.masked_fill(~_below(scores), 0).softmax(dim=-1),
            hint="a score of 0 is a score like others, and gets a weight. Which score gets none?",
        ),
        Mistake(
            answer=lambda scores: scores.softmax(dim=-1),
            hint="without a mask every place sees the whole text, and what it is to guess.",
        ),
    ),
    hints=(
        "The character that place i has to guess stands at place i + 1.",
        "triu(1) begins right above the main diagonal.",
    ),
    remark="a mask that shows one place too many lets the model copy the answer: a loss near 0 in training, and nonsense "
    "when it writes. A loss that is too good is a bug until shown otherwise.",
)


def only_on(x: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, int]:
    hidden = inner @ x
    on = hidden > 0
    return outer[:, on] @ hidden[on], int(on.sum())


def _parts(seed: int, width: int, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
    """An input and a block's matrices; the columns of units that are off hold NaN."""
    generator = torch.Generator().manual_seed(seed)
    x, inner, outer = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((width,), (hidden, width), (width, hidden))
    )
    outer[:, inner @ x <= 0] = math.nan
    return x, inner, outer


def _dead(x: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros_like(x), inner, torch.full_like(outer, math.nan)


def _all_nan(x: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x, inner, torch.full_like(outer, math.nan)


ONLY_ON = Exercise(
    number="16.3",
    title="Read only what is on",
    minutes=5,
    difficulty=2,
    solution=only_on,
    probes=(
        Probe(label="for 3 features and 8 units", arguments=_parts(0, 3, 8), tolerance=1e-10),
        Probe(label="for 6 features and 24 units", arguments=_parts(1, 6, 24), tolerance=1e-10),
        Probe(
            label="where all columns hold numbers",
            arguments=(*_parts(3, 2, 9)[:2], torch.ones(2, 9).double()),
            tolerance=1e-10,
        ),
        Probe(label="where no unit is on", arguments=_dead(*_parts(2, 3, 8)), tolerance=1e-10),
        Probe(label="where a column that counts holds NaN", arguments=_all_nan(*_parts(4, 3, 8)), tolerance=1e-10),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, inner, outer: (outer @ (inner @ x).relu(), int((inner @ x > 0).sum())),
            hint="that reads all columns: 0 · NaN is NaN. Choose the columns before you multiply.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (outer.nan_to_num() @ (inner @ x), int((inner @ x > 0).sum())),
            hint="the NaN are gone, but units that are off take part with negative values. Choose columns by what is on.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (outer.nan_to_num() @ (inner @ x).relu(), int((inner @ x > 0).sum())),
            hint="you replace every NaN, which reads all columns and hides a NaN that counts. Choose columns by what is on.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (only_on(x, inner, outer)[0], len(inner)),
            hint="the output is right; the number is to be that of the units that are on.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (only_on(x, inner, outer)[0], only_on(x, inner, outer)[1] / len(inner)),
            hint="the output is right; the number of units is asked for, not their share.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (
                outer[:, inner @ x >= 0] @ (inner @ x)[inner @ x >= 0],
                int((inner @ x >= 0).sum()),
            ),
            hint="a unit at exactly 0 adds nothing, and counts as off.",
        ),
        Mistake(
            answer=lambda x, inner, outer: (
                outer[:, inner @ x > 0] @ (inner @ x)[inner @ x > 0].square(),
                int((inner @ x > 0).sum()),
            ),
            hint="the block has a plain ReLU; that is the squared one.",
        ),
        Mistake(
            answer=lambda x, inner, outer: only_on(x, inner, outer)[0],
            hint="return two things: the output, and how many columns were read.",
        ),
    ),
    hints=("on = inner @ x > 0 can be an index of columns.", "outer[:, on] @ hidden[on]"),
    remark="exactly the same output, without approximation: what is multiplied by 0 need not be read.",
)


def layer(x: Tensor, attention: Tensor, mix: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    width = x.shape[-1]
    query, key, value = (F.rms_norm(x, (width,)) @ attention.T).chunk(3, dim=-1)
    scores = query @ key.T / math.sqrt(width)
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    x = x + scores.masked_fill(later, -math.inf).softmax(dim=-1) @ value @ mix.T
    return x + (F.rms_norm(x, (width,)) @ inner.T).relu().square() @ outer.T


def _layer(
    *, scaled: bool = True, diagonal: int = 1, squared: bool = True, norms: bool = True, first: bool = True,
    second: bool = True, parallel: bool = False, norm_of_block: bool = True, exchanged: bool = False,
    normed_sum: bool = False, block_to: str = "sum",
):  # fmt: skip
    """The layer with one thing changed."""

    def answer(x, attention, mix, inner, outer):
        width = x.shape[-1]
        normed = (lambda h: F.rms_norm(h, (width,))) if norms else (lambda h: h)
        query, key, value = (normed(x) @ attention.T).chunk(3, dim=-1)
        scores = (key @ query.T if exchanged else query @ key.T) / (math.sqrt(width) if scaled else 1)
        later = torch.ones_like(scores, dtype=torch.bool).triu(diagonal)
        seen = scores.masked_fill(later, -math.inf).softmax(dim=-1) @ value @ mix.T
        between = (normed(x) if normed_sum else x) + seen if first else seen
        into = x if parallel else between
        hidden = ((normed(into) if norm_of_block else into) @ inner.T).relu()
        out = (hidden.square() if squared else hidden) @ outer.T
        onto = {"sum": between, "x": x, "norm": normed(between)}[block_to]
        return onto + out if second else out

    return answer


def _post_norm(x, attention, mix, inner, outer):
    width = x.shape[-1]
    query, key, value = (x @ attention.T).chunk(3, dim=-1)
    scores = query @ key.T / math.sqrt(width)
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    x = F.rms_norm(x + scores.masked_fill(later, -math.inf).softmax(dim=-1) @ value @ mix.T, (width,))
    return F.rms_norm(x + (x @ inner.T).relu().square() @ outer.T, (width,))


def _weights(seed: int, places: int, width: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width))
    x = 2 * torch.randn(places, width, generator=generator, dtype=torch.float64)
    return x, *(torch.randn(s, generator=generator, dtype=torch.float64) / math.sqrt(s[1]) for s in shapes)


LAYER = Exercise(
    number="16.4",
    title="A whole layer",
    minutes=8,
    difficulty=3,
    solution=layer,
    probes=(
        Probe(label="for 5 places of width 4", arguments=_weights(0, 5, 4), tolerance=1e-3),
        Probe(label="for 3 places of width 8", arguments=_weights(1, 3, 8), tolerance=1e-3),
    ),
    mistakes=(
        Mistake(answer=_layer(scaled=False), hint="the scores have the variance of their width: the scale is missing."),
        Mistake(answer=_layer(diagonal=99), hint="places look at later ones: the causal mask is missing."),
        Mistake(answer=_layer(diagonal=2), hint="each place sees the next one: the mask is off by one."),
        Mistake(answer=_layer(squared=False), hint="the block has a squared ReLU; that is the plain one."),
        Mistake(answer=_layer(norms=False), hint="each of the two branches begins with an RMS norm of its input."),
        Mistake(answer=_post_norm, hint="that is post-norm: the norm belongs in front of each branch, not behind."),
        Mistake(answer=_layer(first=False), hint="what attention finds is added to x, it does not take its place."),
        Mistake(answer=_layer(second=False), hint="what the block returns is added to its input, which is missing."),
        Mistake(
            answer=_layer(parallel=True),
            hint="the block gets what attention has already been added to, and not the layer's input.",
        ),
        Mistake(answer=_layer(norm_of_block=False), hint="attention has its norm; the block begins with one as well."),
        Mistake(
            answer=_layer(exchanged=True), hint="queries and keys are exchanged: query i is compared with all keys."
        ),
        Mistake(
            answer=_layer(normed_sum=True),
            hint="what attention finds is added to x itself; you added it to the normed x.",
        ),
        Mistake(
            answer=_layer(block_to="norm"),
            hint="what the block returns is added to its input before the norm, not behind it.",
        ),
        Mistake(
            answer=_layer(block_to="x"),
            hint="what the block returns is added to the sum of x and attention; you lost what attention found.",
        ),
    ),
    hints=(
        "Two steps of the form x = x + branch(F.rms_norm(x, (width,))).",
        "(F.rms_norm(x, (width,)) @ attention.T).chunk(3, dim=-1) gives queries, keys and values.",
    ),
    remark="softmax in one branch, squared ReLU in the other: the two activations of a transformer's layer.",
)

QUIZ = Quiz(
    (
        Question(
            "Why are scores divided by √d before softmax?",
            (
                Option("So that they sum to 1", False, "Softmax sees to that, whatever the scores."),
                Option(
                    "A sum of d products has variance d, and wide scores saturate softmax",
                    True,
                    "With the division they have variance 1 at any width.",
                ),
                Option("To make the gradient larger at every width", False, "At width 24 it is larger without."),
            ),
        ),
        Question(
            "The feed-forward blocks of a transformer lose their activation. What is left?",
            (
                Option("A linear map of the text", False, "Softmax, the product with the values and the norms remain."),
                Option("A model that learns, and somewhat worse", True, "Section 4 measured by how much."),
                Option("A model that learns as well", False, "The loss says otherwise, seed by seed."),
            ),
        ),
        Question(
            "Two models differ by 0.02 nats with one seed each. What do you know?",
            (
                Option("The lower one is better", False, "Another seed moves a model by as much."),
                Option(
                    "Nothing yet: pair the seeds and look at the differences",
                    True,
                    "Here paired differences vary less than unpaired ones, and a handful of them make an interval.",
                ),
                Option("They are equally good", False, "A difference that is not decided is not a difference of 0."),
            ),
        ),
        Question(
            "Of the hidden units of a ReLU block few are on for one character. What can be left out?",
            (
                Option(
                    "For this character, the columns of the second matrix whose units are off",
                    True,
                    "They would be multiplied by 0. Other characters need other columns.",
                ),
                Option("The units that are off, from the model", False, "They are on for other characters."),
                Option("Nothing, since GPUs multiply whole matrices", False, "For one character at a time it pays: "
                       "reading the weights is what takes the time."),
            ),
        ),
        Question(
            "A row of attention is masked whole, and its output is not part of the loss. What happens?",
            (
                Option("Nothing", False, "The loss is fine. Look at the gradients."),
                Option("The values' gradient becomes NaN", True, "It is multiplied by that row's weights: 0 · NaN."),
                Option("The loss becomes NaN", False, "Not with one layer, since the row is left out of it."),
            ),
        ),
    )
)  # fmt: skip
