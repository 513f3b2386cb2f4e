"""Lesson 16's model, measurements and figures, and the judges of its claims."""

import math

import matplotlib
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nonlin.ledger import judged, stored
from nonlin.lessons import CLAIMS
from nonlin.lessons.transformer import claims as ledger
from nonlin.lessons.transformer import experiments
from nonlin.lessons.transformer.figures import gradients_by_layer, leads, softmax_by_width, units_on

matplotlib.use("agg")
TEXT = experiments.help_texts()
STUDY = (70, 71, 72, 73, 75, 76)


def test_the_text_is_what_python_says_and_is_held_out_at_its_end() -> None:
    whole = torch.cat([TEXT.train, TEXT.held_out])
    assert 400_000 < len(whole) < 600_000  # it differs a little between versions
    assert len(TEXT.held_out) / len(whole) == pytest.approx(0.1, abs=1e-4)
    assert 'The "for" statement' in TEXT.said(whole)
    assert TEXT.said(TEXT.numbers("while ☃ True")) == "while  True"
    pieces = experiments.pieces_held_out(TEXT)
    assert torch.equal(pieces[:, 1:].flatten(), TEXT.held_out[1 : pieces[:, 1:].numel() + 1])


def test_someone_who_knows_the_frequencies_loses_their_cross_entropy() -> None:
    text = experiments.Text("ab", torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1]))
    assert experiments.frequency_loss(text) == pytest.approx(-(math.log(4 / 6) + math.log(2 / 6)) / 2)
    assert experiments.pair_loss(text) == pytest.approx(-math.log(1.1 / 3.2))  # "aa" twice, "ab" once


def model(block: str, seed: int = 0, **options: float) -> experiments.CharacterModel:
    torch.manual_seed(seed)
    return experiments.CharacterModel(7, experiments.BLOCKS[block], **options)


def test_models_are_of_one_size_and_differ_in_their_blocks_only() -> None:
    models = {name: dict(model(name).named_parameters()) for name in experiments.BLOCKS}
    sizes = {name: sum(p.numel() for p in parameters.values()) for name, parameters in models.items()}
    assert len(set(sizes.values())) == 1
    shared = [name for name in models["ReLU"] if ".block." not in name]
    assert len(shared) > 12
    for parameters in models.values():
        assert all(torch.equal(parameters[name], models["ReLU"][name]) for name in shared)


@pytest.mark.parametrize("scale", [None, 1.0])
def test_a_model_sees_the_past_alone(scale: float | None) -> None:
    numbers = torch.randint(7, (2, 9), generator=torch.Generator().manual_seed(0))
    changed = numbers.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 7
    own = model("SwiGLU", scale=scale)
    before, after = own(numbers), own(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])
    assert torch.allclose(own(numbers), model("SwiGLU")(numbers), atol=1e-4) == (scale is None)


def test_training_learns_and_repeats_itself() -> None:
    text = experiments.Text(TEXT.characters, TEXT.train[:2000], TEXT.train[:200])
    losses_ = []
    for steps in (2, 15, 15):
        torch.manual_seed(7)
        own = experiments.CharacterModel(len(text.characters), experiments.BLOCKS["ReLU"])
        experiments.train(own, text, seed=7, steps=steps)
        losses_.append(experiments.held_out_loss(own, text))
    assert losses_[1] == losses_[2] < 3.3 < losses_[0] < 5.5


def test_shares_count_what_is_above_zero() -> None:
    own = model("ReLU")
    for layer in own.layers:
        nn.init.zeros_(layer.block.inner.weight)
    assert experiments.shares_on(own, experiments.Text("abcdefg", TEXT.train % 7, TEXT.held_out % 7)) == (0, 0, 0)
    assert torch.equal(experiments.SquaredReLU()(torch.tensor([-2.0, 3.0])), torch.tensor([0.0, 9.0]))


def test_softmax_at_scale_is_autograds() -> None:
    entropy, gradient = experiments.softmax_at_scale(8, 0.5, seed=3, keys=5, draws=1)
    generator = torch.Generator().manual_seed(3)
    query, key = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((1, 1, 8), (1, 5, 8)))
    scores = 0.5 * (key[0] @ query[0, 0])
    jacobian = torch.autograd.functional.jacobian(lambda s: F.softmax(s, dim=0), scores)
    assert gradient == pytest.approx(jacobian.norm().item())
    assert entropy == pytest.approx(torch.distributions.Categorical(logits=scores).entropy().item() / math.log(5))


def losses(**means: float) -> dict[str, list[float]]:
    """A study in which each block has a loss with a spread of 0.002 nats, other than the seeds'."""
    wiggle = (0.0, 0.002, -0.002, 0.001, -0.001)
    names = dict.fromkeys(experiments.BLOCKS, 2.0) | {name.replace("_", " "): m for name, m in means.items()}
    study = {"letter frequencies": [3.2], "pairs of letters": [3.1]}
    for number, (name, mean) in enumerate(names.items()):
        turned = wiggle[number % 5 :] + wiggle[: number % 5]
        study |= {
            f"{name}, rate {rate:g}": [mean + 0.1 * seed + w for seed, w in enumerate(turned)] for rate in ledger.RATES
        }
    for name in ledger.COUNTED_LAYERS:
        study |= {f"{name}, before": [0.5 + w for w in wiggle], f"{name}, after": [0.2 + w for w in wiggle]}
    return study


def shares(after: float) -> dict[str, list[float]]:
    return losses() | {
        f"{name}, after": [after, after + 1e-3, after - 1e-3, after, after] for name in ledger.COUNTED_LAYERS
    }


@pytest.mark.parametrize(
    ("part", "study", "verdict"),
    [
        ("70", losses(squared_ReLU=1.97), "confirmed"),
        ("70", losses(squared_ReLU=2.0), "refuted"),
        ("70", losses(squared_ReLU=2.03), "refuted"),
        ("70", losses(squared_ReLU=1.97) | {"squared ReLU, rate 0.003": [1.9, 2.1, 2.2, 2.4, 2.3]}, "open"),
        ("71a", losses(SwiGLU=1.97), "confirmed"),
        ("71b", losses(SwiGLU=1.97), "confirmed"),
        ("71b", losses(SwiGLU=1.97, GELU=1.96), "refuted"),
        ("72", losses(), "confirmed"),
        ("72", losses(SiLU=2.03), "refuted"),
        ("72", losses(GELU=2.03), "refuted"),
        ("72", losses(SiLU=2.01), "open"),
        ("73a", shares(0.2), "confirmed"),
        ("73a", shares(0.5), "refuted"),
        ("73b", shares(0.2), "refuted"),
        ("73b", shares(0.05), "confirmed"),
        ("75", losses(), "confirmed"),
        ("75", losses(GELU=1.97), "refuted"),
        ("75", losses(GELU=2.03, SiLU=2.03), "confirmed"),
        ("76a", losses(no_activation=2.1), "confirmed"),
        ("76a", losses(), "refuted"),
        ("76b", losses(no_activation=2.1), "refuted"),
        ("76b", losses(no_activation=2.9), "confirmed"),
    ],
)
def test_what_turns_a_verdict(part: str, study: dict[str, list[float]], verdict: str) -> None:
    tried = {tried.name: tried for tried in CLAIMS[int(part[:2])].judge(study).parts}
    assert tried[part].verdict == verdict, tried[part].cases


def attention(ratios: tuple[float, ...], more: float) -> dict[str, list[float]]:
    wiggle = (1.0, 1.01, 0.99, 1.005, 0.995)
    measured = {
        "scaled: loss": [2.0, 2.1, 2.2, 2.1, 2.0],
        "unscaled: loss": [2.0 + more, 2.1 + more, 2.2 + more, 2.101 + more, 2.001 + more],
    }
    for width, ratio in zip(ledger.WIDTHS, ratios, strict=True):
        measured[f"scaled, width {width}: gradient"] = [0.2 * w for w in wiggle]
        measured[f"unscaled, width {width}: gradient"] = [0.2 * ratio for _ in wiggle]
    return measured


@pytest.mark.parametrize(
    ("measured", "verdicts", "at"),
    [
        (attention((2, 1.2, 0.9, 0.5, 0.4, 0.3), 0.03), ("depends", "confirmed"), 64 + 64 * 0.2 / 0.3),
        (attention((0.9, 0.8, 0.7, 0.5, 0.4, 0.3), 0.0), ("confirmed", "refuted"), None),
        (attention((1, 1, 1, 1, 1, 1), -0.1), ("refuted", "refuted"), None),
    ],
)
def test_what_turns_the_verdict_on_the_scale(measured: dict, verdicts: tuple[str, str], at: float | None) -> None:
    tried = ledger.SCALE.judge(measured).parts
    assert tuple(part.verdict for part in tried) == verdicts
    if at:
        assert tried[0].dependence.holds == "above"
        assert tried[0].dependence.at.mean == pytest.approx(at, rel=0.02)


def test_the_stored_measurements_are_one_study_and_can_be_made_again() -> None:
    first, *others = (stored.read(CLAIMS[number]) for number in STUDY)
    assert all(other == first for other in others)
    assert first["letter frequencies"][0] == pytest.approx(experiments.frequency_loss(TEXT), rel=0.02)
    assert first["pairs of letters"][0] == pytest.approx(experiments.pair_loss(TEXT), rel=0.02)
    kept = stored.read(ledger.SCALE)
    for width in (16, 1024):
        for name, scale in (("scaled", width**-0.5), ("unscaled", 1.0)):
            found = experiments.softmax_at_scale(width, scale, seed=0, draws=ledger.DRAWS)
            stored_ = [kept[f"{name}, width {width}: {what}"][0] for what in ("entropy", "gradient")]
            assert found == pytest.approx(stored_, rel=1e-6)


def test_figures_say_in_words_what_they_show() -> None:
    drawn = softmax_by_width([16, 64], {"divided": [(0.9, 0.2), (0.8, 0.1)], "not": [(0.3, 0.3), (0.1, 0.25)]})
    assert "not, gradient: 0.30 at 16, 0.25 at 64." in drawn.text
    drawn = leads(losses(GELU=1.97), ["GELU", "SiLU"], ledger.RATES)
    assert "learning rate 0.003, GELU: 0.03 [" in drawn.text
    assert [axes.get_title() for axes in drawn.figure.axes] == ["learning rate 0.006", "learning rate 0.003"]
    assert "ReLU, after: 20 %, 10 %." in units_on({"ReLU": ((0.5, 0.5), (0.2, 0.1))}).text
    drawn = gradients_by_layer({"pre-norm": torch.tensor([0.5, 0.25])})
    assert drawn.text == "pre-norm: 0.5 in layer 1, 0.25 in layer 2."


def test_the_study_decides_what_the_lesson_says() -> None:
    found = ledger.shares_lost(stored.read(CLAIMS[76]))
    assert all(
        share.low > 0 and share.high < (0.15 if "frequencies" in of else 0.4) for (of, _), share in found.items()
    )
    assert judged(CLAIMS[74]).parts[0].dependence.at.mean == pytest.approx(70, rel=0.25)
