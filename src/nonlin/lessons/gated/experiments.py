"""Gated units put to the test (lesson 11): small language models trained side by side, products, and deep stacks."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from nonlin.lab.networks import threads
from nonlin.toys.stacks import Propagation, normal

MakeBlock = Callable[[int], nn.Module]
Spoken = Iterator[tuple[int, float]]  # tokens, each with the natural logarithm of its probability given those before it

CLASSES, WORDS, DEEPEST, CLAUSE = 4, 2, 2, 0.4
STOP, THAT, DETERMINER, NOUN = 0, 1, 2, 4
VERB = NOUN + CLASSES * 2 * WORDS


@dataclass(frozen=True, eq=False)
class Text:
    """Sequences of a language, and the mean loss in nats per token of someone who knows its rules.

    Args:
        tokens: int64, shape (sequences, length).
        entropy: mean of -ln p(token | tokens before it) over these tokens but the first of each sequence, by the rules
            that drew them: no model does better but by luck.
    """

    tokens: Tensor
    entropy: float


@dataclass(frozen=True)
class Language:
    """A language, made from rules by a seeded generator: Python's own, whose numbers are the same in every version.

    Args:
        vocabulary: number of different tokens.
        speak: from a generator to an endless sequence of tokens with their log-probabilities.
    """

    vocabulary: int
    speak: Callable[[Random], Spoken]

    def text(self, sequences: int, length: int, *, seed: int) -> Text:
        """Draw sequences, each from its beginning."""
        random, rows, total = Random(seed), [], 0.0
        for _ in range(sequences):
            spoken = self.speak(random)
            row = [next(spoken) for _ in range(length)]
            rows.append([token for token, _ in row])
            total -= sum(logarithm for _, logarithm in row[1:])
        return Text(torch.tensor(rows), total / (sequences * (length - 1)))


def grammar() -> Language:
    """Sentences such as *some dogs that chase a cat sleep*: a verb agrees with its subject across clauses between them.

    A noun has one of four classes and a number; its determiner shows the number, its verb class and number, and the
    verb with its class decides which class of object is likely. A noun may take a relative clause, nested twice at
    most. The tokens are all visible, so that each has a known probability given those before it.
    """
    draw = Random(0)
    objects = [_distribution(draw, CLASSES, 0.5) for _ in range(CLASSES * WORDS)]
    nouns = [_distribution(draw, WORDS, 1.0) for _ in range(CLASSES * 2)]
    classes = _distribution(draw, CLASSES, 2.0)

    def phrase(random: Random, kinds: Sequence[float], depth: int, before: float) -> Iterator:
        """A noun with all that hangs on it; returns its class and number, and the logarithm of what is not yet said."""
        number = random.randrange(2)
        yield DETERMINER + number, before + math.log(1 / 2)
        kind, log_kind = _draw(random, kinds)
        word, log_word = _draw(random, nouns[2 * kind + number])
        yield NOUN + (2 * kind + number) * WORDS + word, log_kind + log_word
        if depth == DEEPEST:
            return kind, number, 0.0
        if random.random() >= CLAUSE:
            return kind, number, math.log(1 - CLAUSE)
        yield THAT, math.log(CLAUSE)
        return kind, number, (yield from action(random, kind, number, depth + 1, 0.0))

    def action(random: Random, kind: int, number: int, depth: int, before: float) -> Iterator:
        word = random.randrange(WORDS)
        yield VERB + (2 * kind + number) * WORDS + word, before + math.log(1 / WORDS)
        *_, left = yield from phrase(random, objects[kind * WORDS + word], depth, 0.0)
        return left

    def speak(random: Random) -> Spoken:
        while True:
            kind, number, left = yield from phrase(random, classes, 0, 0.0)
            left = yield from action(random, kind, number, 0, left)
            yield STOP, left

    return Language(VERB + CLASSES * 2 * WORDS, speak)


def pairs(vocabulary: int = 10) -> Language:
    """A language without any rule but a table: the last two tokens decide, at random, which tokens are likely next.

    Args:
        vocabulary: number of tokens; the table has its square of rows.
    """
    draw = Random(0)
    table = [_distribution(draw, vocabulary, 0.2) for _ in range(vocabulary**2)]

    def speak(random: Random) -> Spoken:
        last = [random.randrange(vocabulary) for _ in range(2)]
        for token in last:
            yield token, math.log(1 / vocabulary)
        while True:
            token, logarithm = _draw(random, table[last[0] * vocabulary + last[1]])
            last = [last[1], token]
            yield token, logarithm

    return Language(vocabulary, speak)


def _distribution(random: Random, n: int, concentration: float) -> list[float]:
    """Dirichlet: the smaller the concentration, the fewer outcomes share the probability."""
    weights = [random.gammavariate(concentration, 1) + 1e-3 for _ in range(n)]
    return [weight / sum(weights) for weight in weights]


def _draw(random: Random, probabilities: Sequence[float]) -> tuple[int, float]:
    [outcome] = random.choices(range(len(probabilities)), probabilities)
    return outcome, math.log(probabilities[outcome])


class Layer(nn.Module):
    """A transformer's layer: causal self-attention and a feed-forward block, each behind a norm, each added."""

    def __init__(self, width: int, heads: int, block: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.attention(self.norms[0](x)).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        seen = scores.masked_fill(later, -math.inf).softmax(-1) @ value
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.block(self.norms[1](x))


class LanguageModel(nn.Module):
    """A transformer in small: embeddings, layers, a norm, and a linear map to the logits of the next token.

    Args:
        make_block: from a width to a feed-forward block; called last, so that equal seeds give all else equal weights.
        vocabulary: number of tokens.
        length: of the longest sequence.
        width: of each token's vector.
        layers: number of layers.
        heads: of attention, in each layer.

    Shape: input int64 (batch, length), output (batch, length, vocabulary).
    """

    def __init__(
        self, make_block: MakeBlock, vocabulary: int, length: int, *, width: int = 24, layers: int = 2, heads: int = 2
    ) -> None:
        super().__init__()
        self.tokens = nn.Parameter(0.5 * torch.randn(vocabulary, width))
        self.places = nn.Parameter(0.5 * torch.randn(length, width))
        self.layers = nn.ModuleList(Layer(width, heads, nn.Identity()) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, vocabulary)
        for layer in self.layers:
            layer.block = make_block(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens[tokens] + self.places[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))


@dataclass(frozen=True)
class Lessons:
    """How long and on what a model is trained; each of ``steps`` batches holds sequences not seen before.

    Args:
        language: what is to be learned.
        steps: updates; the learning rate rises over the first tenth and then falls to 0, in straight lines.
        batch: sequences in each.
        length: tokens in each sequence.
    """

    language: Language
    steps: int = 300
    batch: int = 16
    length: int = 16


def excess_losses(
    make_block: MakeBlock,
    lessons: Lessons,
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rate: float,
    seeds: Sequence[int],
    *,
    layers: int = 1,
) -> Tensor:
    """Train one model a seed, all side by side, and say how much it loses to someone who knows the language.

    A seed decides the first weights and the order of the text. The text itself is the same for all.

    Args:
        make_block: from a width to a feed-forward block.
        lessons: what to learn from.
        make_optimizer: from parameters and a learning rate to an optimizer that treats each number by itself.
        learning_rate: the highest.
        seeds: one for each model.
        layers: of the model.

    Returns:
        Mean loss on text not seen in training, minus the text's entropy, in nats per token: float32 (seeds,). Infinity
        for a model whose loss is not a number.
    """
    with threads(1):
        return _trained(make_block, lessons, make_optimizer, learning_rate, seeds, layers)


def _trained(
    make_block: MakeBlock,
    lessons: Lessons,
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rate: float,
    seeds: Sequence[int],
    layers: int,
) -> Tensor:
    text = lessons.language.text(lessons.steps * lessons.batch, lessons.length, seed=1).tokens
    models, orders = [], []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            orders.append(torch.randperm(len(text)).reshape(lessons.steps, lessons.batch))
            models.append(LanguageModel(make_block, lessons.language.vocabulary, lessons.length, layers=layers))
    parameters, buffers = stack_module_state(models)
    losses = vmap(lambda p, b, tokens: _loss(functional_call(models[0], (p, b), (tokens[:, :-1],)), tokens[:, 1:]))
    optimizer = make_optimizer(list(parameters.values()), learning_rate)
    for step, chosen in enumerate(torch.stack(orders, dim=1)):  # chosen: (seeds, batch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _schedule((step + 0.5) / lessons.steps)
        optimizer.zero_grad()
        losses(parameters, buffers, text[chosen]).sum().backward()  # the sum keeps every model's gradient its own
        optimizer.step()
    unseen = lessons.language.text(1024, lessons.length, seed=2)
    with torch.no_grad():
        found = losses(parameters, buffers, unseen.tokens.expand(len(seeds), -1, -1)) - unseen.entropy
    return found.nan_to_num(nan=math.inf)


def _schedule(progress: float) -> float:
    return min(progress / 0.1, (1 - progress) / 0.9)


def _loss(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


@dataclass(frozen=True, eq=False)
class AtBestRate:
    """How one block did at its best learning rate: excess losses by seed, and that rate."""

    losses: Tensor
    learning_rate: float


def compare(
    blocks: Mapping[str, MakeBlock],
    lessons: Lessons,
    make_optimizer: Callable[[Sequence[Tensor], float], torch.optim.Optimizer],
    learning_rates: Sequence[float],
    *,
    seeds: Sequence[int] = range(12),
    search_seeds: Sequence[int] = range(100, 104),
) -> dict[str, AtBestRate]:
    """Train every block at the learning rate that suits it best, of those given; searched on seeds of their own.

    Returns:
        For each block what :func:`excess_losses` returns for ``seeds``, in that order, so that blocks are comparable
        seed by seed.
    """
    found = {}
    for name, make_block in blocks.items():
        searched = {
            rate: excess_losses(make_block, lessons, make_optimizer, rate, search_seeds).mean().item()
            for rate in learning_rates
        }
        best = min(searched, key=searched.__getitem__)
        found[name] = AtBestRate(excess_losses(make_block, lessons, make_optimizer, best, seeds), best)
    return found


# What a gate does to a signal: a product learned and built, and the way through a stack of gated layers


Gate = Callable[[Tensor, Tensor], Tensor]


def product_points(n: int = 512, *, seed: int = 0) -> Tensor:
    """Pairs of numbers, uniform on the square from -1 to 1, float32 (n, 2): what to multiply."""
    return 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) - 1


def learn_product(network: nn.Module, *, steps: int = 500, learning_rate: float = 0.02) -> float:
    """Train a network to multiply two numbers from -1 to 1, by Adam on all :func:`product_points` at once.

    Args:
        network: from (n, 2) to (n, 1); its weights are changed.
        steps: updates.
        learning_rate: at the start; it falls to 0 along a half cosine.

    Returns:
        Root mean square error on other points of the same square.
    """
    points, others = product_points(), product_points(seed=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with threads(1):
        for _ in range(steps):
            loss = (network(points).squeeze(1) - points.prod(dim=1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            return (network(others).squeeze(1) - others.prod(dim=1)).square().mean().sqrt().item()


def relu_product(pieces: int) -> nn.Sequential:
    """The product of two numbers from -1 to 1, built from ReLUs without any training, in float64.

    Uses x y = ((x + y)^2 - (x - y)^2) / 4, each square replaced by ``pieces`` straight lines of equal width through
    points of the parabola. A chord lies up to (width / 2)^2 above its parabola, and width = 4 / pieces, so that each
    square is wrong by up to 4 / pieces^2. Both errors have one sign, so that the product is wrong by at most
    1 / pieces^2.

    Args:
        pieces: lines for each square; the network has twice as many hidden units.

    Raises:
        ValueError: without a piece.
    """
    if pieces < 1:
        raise ValueError(f"a square needs at least one piece, not {pieces}.")
    ends = torch.linspace(-2, 2, pieces + 1, dtype=torch.float64)
    slopes = (ends[1:] ** 2 - ends[:-1] ** 2) / (ends[1:] - ends[:-1])
    bends = torch.cat([slopes[:1], slopes.diff()])  # the first line's slope, then by how much it changes at each kink
    network = nn.Sequential(nn.Linear(2, 2 * pieces), nn.ReLU(), nn.Linear(2 * pieces, 1)).double()
    with torch.no_grad():
        network[0].weight[:, 0] = 1
        network[0].weight[:, 1] = torch.tensor([1.0, -1.0]).repeat_interleave(pieces)
        network[0].bias.copy_(-ends[:-1].repeat(2))
        network[2].weight.copy_(torch.cat([bends, -bends])[None] / 4)
        network[2].bias.zero_()  # both squares begin at 4, and cancel
    return network


def largest_error(network: Callable[[Tensor], Tensor], *, reach: float = 1.0, steps: int = 201) -> float:
    """Largest error of a network that is to multiply, on a grid over the square from -reach to reach."""
    line = torch.linspace(-reach, reach, steps, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        return (network(grid).squeeze(1) - grid.prod(dim=1)).abs().max().item()


def no_relu_below(units: int) -> float:
    """What no block of so many ReLUs, trained or built, gets below: the largest error of x y on the square, at best.

    On the diagonal the product is t^2 for t from -1 to 1, and the block is a chain of at most ``units + 1`` straight
    lines. The longest of them spans at least 2 / (units + 1), and the best line for a parabola over a span s misses it
    by s^2 / 8.
    """
    return (2 / (units + 1)) ** 2 / 8


def gated_propagation(
    gate: Gate,
    *,
    gain: float = 1.0,
    normalised: bool = False,
    depth: int = 20,
    width: int = 64,
    batch: int = 32,
    seeds: int = 10,
) -> Propagation:
    """Signal and gradient through a stack of gated layers h' = gate(h V, h W), before any training.

    Weights are drawn from N(0, gain^2 / width), inputs and the gradient that enters at the top from N(0, 1), all in
    float64. Without biases.

    Args:
        gate: from the value (seeds, batch, width) and the gate's input, of the same shape, to the layer's output.
        gain: of all weights.
        normalised: whether each input of a layer is divided by its root mean square, as RMSNorm does.
        depth: number of layers.
        width: of each.
        batch: number of inputs.
        seeds: number of independent stacks, computed side by side.

    Returns:
        Mean squares of each layer's output and of its gradient, which is 1 at the last layer.
    """
    rows, square = (seeds, batch, width), (seeds, width, width)
    [(h, *weights, entering)] = normal(rows, *[square] * (2 * depth), rows)
    outputs = []
    for pair in zip(weights[::2], weights[1::2], strict=True):
        if normalised:
            h = h / h.square().mean(dim=-1, keepdim=True).sqrt()
        value, opening = (h @ (gain / math.sqrt(width) * weight) for weight in pair)
        h = gate(value, opening)
        h = h if h.requires_grad else h.requires_grad_()
        outputs.append(h)
    gradients = torch.autograd.grad(h, outputs, entering)
    with torch.no_grad():
        return Propagation(
            signal=torch.stack([h.square().mean(dim=(1, 2)) for h in outputs], dim=1),
            distinct=torch.stack([h.var(dim=1, correction=0).mean(dim=1) for h in outputs], dim=1),
            gradient=torch.stack([g.square().mean(dim=(1, 2)) for g in gradients], dim=1),
        )
