"""A small transformer that predicts the next character, with any feed-forward block (lesson 16)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pydoc_data import topics
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations.gated import FeedForward, GatedFeedForward, gated_width
from nonlin.signatures import MakeActivation

MakeBlock = Callable[[int], nn.Module]  # from the width

WIDTH, HEADS, LAYERS, CONTEXT, BATCH = 96, 4, 3, 64, 16
HELD_OUT = 0.1  # of the text, at its end


class SquaredReLU(nn.Module):
    """max(0, x)²; torch has none."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


def plain(activation: MakeActivation) -> MakeBlock:
    """Two matrices, with a hidden layer four times as wide as the model."""
    return lambda width: FeedForward(width, 4 * width, activation)


def gated(activation: MakeActivation) -> MakeBlock:
    """Three matrices with as many weights as two: the hidden layer is a third narrower."""
    return lambda width: GatedFeedForward(width, gated_width(4 * width), activation)


BLOCKS: Mapping[str, MakeBlock] = MappingProxyType(
    {
        "no activation": plain(nn.Identity),
        "ReLU": plain(nn.ReLU),
        "squared ReLU": plain(SquaredReLU),
        "GELU": plain(nn.GELU),
        "SiLU": plain(nn.SiLU),
        "SwiGLU": gated(nn.SiLU),
    }
)


@dataclass(frozen=True, eq=False)
class Text:
    """A text as numbers, one a character.

    Args:
        characters: the alphabet, in order.
        train, held_out: int64, shape (n,): the beginning of the text, and its end.
    """

    characters: str
    train: Tensor
    held_out: Tensor

    def said(self, numbers: Tensor) -> str:
        """Numbers as characters again."""
        return "".join(self.characters[number] for number in numbers.tolist())

    def numbers(self, said: str) -> Tensor:
        """Characters as numbers, shape (n,); those that the alphabet lacks are left out."""
        return torch.tensor([self.characters.index(each) for each in said if each in self.characters])


@cache
def help_texts() -> Text:
    """Python's own help texts, each once: about 465,000 characters of English that every Python has."""
    whole = "\n\n".join(dict.fromkeys(topics.topics.values()))
    characters = "".join(sorted(set(whole)))
    place = {character: number for number, character in enumerate(characters)}
    numbers = torch.tensor([place[character] for character in whole])
    end = round((1 - HELD_OUT) * len(numbers))
    return Text(characters, numbers[:end], numbers[end:])


def windows(numbers: Tensor, starts: Tensor, length: int) -> Tensor:
    """Pieces of a text, shape (starts, length)."""
    return numbers[starts[:, None] + torch.arange(length)]


class Layer(nn.Module):
    """Causal self-attention and a feed-forward block, each behind an RMS norm, each added to what comes in.

    Args:
        width: features of the input and of the output.
        heads: attentions side by side, each with width / heads features.
        scale: by which scores are multiplied; by default 1/√(width / heads).

    The block is set from outside, so that all else is drawn before it, and is the same whatever the block.
    """

    def __init__(self, width: int, heads: int, scale: float | None = None) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2))
        self.attention = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.block: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.attention(self.norms[0](x)).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale)
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.block(self.norms[1](x))


class CharacterModel(nn.Module):
    """Logits of the next character, at every place of a piece of text.

    Args:
        characters: size of the alphabet.
        make_block: from the width to a feed-forward block.
        scale: of attention's scores, see :class:`Layer`.

    Shape: input (batch, length), int64, length at most 64; output (batch, length, characters).
    """

    def __init__(self, characters: int, make_block: MakeBlock, *, scale: float | None = None) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(CONTEXT, WIDTH))
        self.layers = nn.ModuleList(Layer(WIDTH, HEADS, scale) for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH)
        self.out = nn.Linear(WIDTH, characters, bias=False)
        for layer in self.layers:
            layer.block = make_block(WIDTH)

    def forward(self, numbers: Tensor) -> Tensor:
        x = self.embed(numbers) + self.place[: numbers.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))


def train(model: nn.Module, text: Text, *, seed: int, steps: int, learning_rate: float = 0.006) -> None:
    """AdamW on random pieces of the text; the rate climbs for a tenth of the steps and then falls to 0.

    Args:
        model: changed in place.
        text: of which the first nine tenths are used.
        seed: draws the pieces, so that models of one seed see the same ones.
        steps: with 16 pieces of 64 characters each.
        learning_rate: at its highest.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    for _ in range(steps):
        starts = torch.randint(len(text.train) - CONTEXT, (BATCH,), generator=generator)
        pieces = windows(text.train, starts, CONTEXT + 1)
        loss = F.cross_entropy(model(pieces[:, :-1]).flatten(0, 1), pieces[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def pieces_held_out(text: Text) -> Tensor:
    """The end of the text, cut into pieces of 65 characters, each beginning with the last of the one before."""
    return windows(text.held_out, torch.arange(0, len(text.held_out) - CONTEXT, CONTEXT), CONTEXT + 1)


@torch.no_grad()
def held_out_loss(model: nn.Module, text: Text) -> float:
    """Mean cross-entropy in nats per character, on text that was not trained on."""
    pieces = pieces_held_out(text)
    losses = [
        F.cross_entropy(model(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten(), reduction="sum")
        for part in pieces.split(64)
    ]
    return torch.stack(losses).sum().item() / pieces[:, 1:].numel()


def frequency_loss(text: Text) -> float:
    """What someone loses, in nats per character of the text held out, who knows how frequent each character is."""
    counts = torch.bincount(text.train, minlength=len(text.characters)).double() + 1
    return -(counts / counts.sum()).log()[text.held_out].mean().item()


def pair_loss(text: Text) -> float:
    """The same for someone who knows how often each character follows each other one (counts in the text, plus 0.1)."""
    alphabet = len(text.characters)
    counts = torch.full((alphabet, alphabet), 0.1, dtype=torch.float64)
    counts.index_put_((text.train[:-1], text.train[1:]), counts.new_ones(()), accumulate=True)
    following = (counts / counts.sum(dim=1, keepdim=True)).log()
    return -following[text.held_out[:-1], text.held_out[1:]].mean().item()


@torch.no_grad()
def shares_on(model: CharacterModel, text: Text) -> tuple[float, ...]:
    """The share of hidden units above 0, by layer, on the first 64 pieces held out."""
    shares: list[float] = []
    hooks = [
        layer.block.activation.register_forward_hook(
            lambda module, inputs, output: shares.append((output > 0).double().mean().item())
        )
        for layer in model.layers
    ]
    model(pieces_held_out(text)[:64, :-1])
    for hook in hooks:
        hook.remove()
    return tuple(shares)


@dataclass(frozen=True)
class Trained:
    """What became of one model.

    Args:
        loss: held out, in nats per character.
        before, after: shares of hidden units that are on, by layer, before and after training.
    """

    loss: float
    before: tuple[float, ...]
    after: tuple[float, ...]


@cache
def trained(block: str, *, seed: int, steps: int, learning_rate: float = 0.006, scale: float | None = None) -> Trained:
    """Draw a model with one of ``BLOCKS``, train it and look at it."""
    text = help_texts()
    torch.manual_seed(seed)
    model = CharacterModel(len(text.characters), BLOCKS[block], scale=scale)
    before = shares_on(model, text)
    train(model, text, seed=seed, steps=steps, learning_rate=learning_rate)
    return Trained(held_out_loss(model, text), before, shares_on(model, text))


def softmax_at_scale(width: int, scale: float, *, seed: int, keys: int = 64, draws: int = 64) -> tuple[float, float]:
    """How attention's softmax begins, for queries and keys of normal numbers with variance 1.

    Args:
        width: of queries and keys.
        scale: by which scores are multiplied.
        seed: of the draws.
        keys: among which attention is shared out.
        draws: queries, each with keys of its own.

    Returns:
        Mean entropy as a share of ln(keys), and the Frobenius norm of the softmax's Jacobian for the typical query:
        the median, since a few queries with two keys in a tie would make the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(draws, 1, width, generator=generator, dtype=torch.float64)
    key = torch.randn(draws, keys, width, generator=generator, dtype=torch.float64)
    p = (scale * (query * key).sum(dim=-1)).softmax(dim=-1)  # (draws, keys)
    entropy = torch.special.entr(p).sum(dim=-1).mean().item()
    jacobian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return entropy / math.log(keys), jacobian.norm(dim=(1, 2)).quantile(0.5).item()
