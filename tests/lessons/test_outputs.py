"""Output layers: the experiments of lesson 10 find what is built into their data; the figures say what they draw."""

import math
from functools import cache

import pytest
import torch
from torch.nn import functional as F

from nonlin.ledger import Claim, judged, stored
from nonlin.lessons import CLAIMS
from nonlin.lessons.outputs import claims, experiments
from nonlin.lessons.outputs.experiments import CENTRES, PRIORS, clouds, exact_logits, minimise
from nonlin.lessons.outputs.figures import gradients_of_mistakes, in_triangle, pull_of, recalls, temperature
from nonlin.toys.batched import as_linear, cross_entropy, identity


def test_training_learns_and_reports_the_loss_of_each_seed() -> None:
    points, labels = clouds([30, 30], torch.tensor([[-3.0], [3.0]]), seeds=3)
    losses = minimise(as_linear(3, [1, 4, 2]), points, lambda z: cross_entropy(z, labels), steps=60, learning_rate=0.1)
    assert losses.shape == (60, 3)
    assert (losses[-1] < 0.05).all()
    assert (losses[0] > 0.3).all()


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 7.0])], ids=str)
def test_cross_entropy_is_torchs_seed_by_seed(weight: torch.Tensor | None) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(4, 9, 3, generator=generator), torch.randint(3, (4, 9), generator=generator)
    wanted = torch.stack([F.cross_entropy(z, y, weight=weight) for z, y in zip(logits, labels, strict=True)])
    torch.testing.assert_close(cross_entropy(logits, labels, weight), wanted)
    rest = experiments.one_against_rest(logits, labels)
    wanted = 3 * F.binary_cross_entropy_with_logits(logits[1], F.one_hot(labels[1], 3).float())
    torch.testing.assert_close(rest[1], wanted)


def test_the_exact_probabilities_are_bayes() -> None:
    point, densities = torch.tensor([1.0, 0.5]), []
    for centre, prior in zip(CENTRES, PRIORS, strict=True):
        normal = torch.distributions.MultivariateNormal(centre, torch.eye(2))
        densities.append(prior * normal.log_prob(point).exp())
    wanted = torch.stack(densities) / sum(densities)
    torch.testing.assert_close(exact_logits(point, CENTRES, PRIORS).softmax(-1), wanted)


def test_resampling_gives_every_class_its_number() -> None:
    points, labels = clouds([6, 3, 2], CENTRES, seeds=2)
    for each in (2, 6):
        more, of_class = experiments._resampled(points, labels, [6, 3, 2], each)
        assert all((y.bincount() == each).all() for y in of_class)
        for x, y, known, label in zip(more, of_class, points, labels, strict=True):
            for row, k in zip(x, y, strict=True):
                assert (known[label == k] == row).all(dim=1).any()
    # Without replacement as far as the class goes: oversampling keeps every point.
    assert len(more[0].unique(dim=0)) == 11


def test_nobody_beats_the_exact_probabilities_and_only_training_remedies_bend_them() -> None:
    remedies = experiments.imbalance().remedies
    exact = remedies["exact probabilities"]
    for name, found in remedies.items():
        assert found.log_loss.min() >= exact.log_loss.item() - 1e-3, name
        assert found.accuracy.max() <= exact.accuracy.item() + 0.003, name
    assert torch.equal(remedies["decide without priors"].rare, remedies["nothing"].rare)
    assert remedies["class weights"].rare.mean() > 3 * remedies["nothing"].rare.mean()


def test_a_second_softmax_has_its_floor() -> None:
    found = experiments.double_softmax(classes=4, spread=4.0, seeds=2, n=80, steps=80)
    floor = math.log(1 + 3 / math.e)
    assert (found["softmax"].losses > floor).all()
    assert (found["softmax"].losses[-1] < floor + 0.3).all()
    assert (found["logits"].losses[-1] < 0.1).all()


def test_a_dead_output_is_seen_and_a_shifted_bias_revives_it() -> None:
    dead = experiments.non_negative(lambda z: torch.relu(z - 100), "half zeros", seeds=2, n=20, steps=2)
    assert dead.dead_at_start.all()
    assert dead.dead.all()
    assert (dead.zeros == 1).all()
    assert (dead.error > 0.9).all()
    alive = experiments.non_negative(torch.relu, "positive", start_at_mean=identity, seeds=4, n=50, steps=2)
    assert not alive.dead.any()
    assert (alive.negative == 0).all()


def test_pull_is_the_gradient_by_hand() -> None:
    lead = torch.tensor([-1.0, 0.0, 3.0])
    pull = pull_of(lambda z, y: F.cross_entropy(z, y, reduction="none"), lead)
    torch.testing.assert_close(pull, torch.sigmoid(lead))  # 1 - p of the right class
    picture = gradients_of_mistakes({"a": lambda z, y: F.cross_entropy(z, y, reduction="none")})
    assert picture.text == "a: 0.50 when undecided; never below 0.01 while wrong."


def test_temperature_draws_each_way_and_every_stop() -> None:
    picture = temperature({"a": (3, 2, 1), "b": (0, 0, 0)}, (0.5, 2))
    assert picture.text.splitlines()[0] == "Logits a at T = 0.5: 0.867, 0.117, 0.016."
    assert picture.text.splitlines()[-1] == "Logits b at T = 2: 0.333, 0.333, 0.333."
    left = picture.figure.axes[0]
    stop = next(line for line in left.lines if line.get_marker() == "o")
    wanted = in_triangle(torch.tensor([6.0, 4.0, 2.0]).softmax(0))
    assert [stop.get_xdata()[0], stop.get_ydata()[0]] == pytest.approx(wanted.tolist(), abs=1e-6)
    assert in_triangle(torch.eye(3))[2].tolist() == pytest.approx([0.5, math.sqrt(3) / 2])


def test_recalls_are_said_in_words() -> None:
    picture = recalls(experiments.imbalance(), ["nothing", "class weights", "exact probabilities"])
    assert "nothing, class of 2 %: recall 0." in picture.text
    assert picture.text.splitlines()[-1].endswith("its share is 0.02.")
    assert [t.get_text() for t in picture.figure.axes[0].get_yticklabels()][2] == "exact probabilities"


def test_planted_faults_turn_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "naive", lambda x: x.double().softmax(-1))
    assert judged(claims.NAIVE_FAILS).verdicts == "a refuted, b refuted"
    monkeypatch.setattr(claims, "softmax", lambda x, dim, t=1.0: torch.sigmoid(x / t))  # every class by itself
    monkeypatch.setattr(claims, "jacobian", lambda y: torch.diag_embed(y * (1 - y)))
    assert judged(claims.INDEPENDENT).verdict == "confirmed"


MEASURED = cache(lambda claim: claim.measure())


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        (claims.SIGMOID_ONLY_BINARY, {"": -5.0}, "confirmed"),
        (claims.SIGMOID_ONLY_BINARY, {"several": 0.0}, "refuted"),
        (claims.AMPLIFIES, {"difference, ": 2.0, "ratio, ": 1.0}, "a confirmed, b confirmed"),
        (claims.GRADIENTS, {"squared": 1.0, "undecided": 0.9}, "a refuted, b refuted"),
        (claims.BLAME, {"in its place": 0.5}, "confirmed"),
        (claims.BLAME, {"in its place": 0.0}, "refuted"),
        (claims.CURES, {"rare": 0.05, "common": 0.0, "said": 1.1}, "a refuted, b confirmed, c confirmed"),
        (claims.CURES, {"common, oversampling": -0.1}, "a confirmed, b refuted, c refuted"),
        (claims.LOG_SOFTMAX, {"": 1e-9}, "a refuted, b confirmed"),
        (claims.DOUBLE, {"accuracy": 0.0, "log loss": 1.0, "smallest": 0.0}, "confirmed"),
        (claims.DOUBLE, {"accuracy": 0.0, "log loss": 1.0}, "refuted"),
        (claims.RELU_OUTPUT, {"dead": 0.0, "error": 0.9}, "a open, b confirmed"),
        (claims.RELU_OUTPUT, {"dead": 1.0, "error": 1.2}, "a refuted, b refuted"),
    ],
    ids=lambda value: str(getattr(value, "number", value)),
)
def test_other_numbers_would_turn_the_verdict(claim: Claim, change: dict[str, float], expected: str) -> None:
    measured = {}
    for name, values in MEASURED(claim).items():
        new = [value for part, value in change.items() if part in name]
        # Not all equal, so that the intervals have a width.
        measured[name] = [new[0] * (1 + 1e-6 * k) for k in range(len(values))] if new else values
    assert claim.judge(measured).verdicts == expected


def test_the_numbers_are_those_of_the_text() -> None:
    overflow, underflow = (part.dependence.at.mean for part in judged(claims.NAIVE_FAILS).parts)
    assert overflow == pytest.approx(math.log(torch.finfo(torch.float32).max), rel=2e-3)
    assert underflow == pytest.approx(-math.log(2.0**-150), rel=2e-3)
    amplified, stretched = (judged(claim).parts[1].dependence for claim in (claims.AMPLIFIES, claims.GRADIENTS))
    assert amplified.at.mean == pytest.approx(1, abs=0.02)
    assert stretched.at.mean == 0.5
    assert judged(claims.LOG_SOFTMAX).parts[0].dependence.at.mean == pytest.approx(88.7, abs=0.1)
    measured = MEASURED(claims.DOUBLE)
    for classes in (10, 50):
        assert measured[f"smallest training loss, {classes} classes"][0] == pytest.approx(
            math.log(1 + (classes - 1) / math.e)
        )
    rare = MEASURED(claims.CURES)["rare, class weights"]
    assert sum(rare) / len(rare) == pytest.approx(0.47, abs=0.05)
    announced = MEASURED(claims.CURES)["said, class weights"]
    assert sum(announced) / len(announced) == pytest.approx(6.9, rel=0.1)
    error = MEASURED(claims.RELU_OUTPUT)["error, half zeros, against softplus"]
    assert math.exp(sum(map(math.log, error)) / len(error)) == pytest.approx(0.92, abs=0.05)


def test_the_last_bias_starts_where_the_output_is_the_mean() -> None:
    """Softplus is not handicapped by a bias at the mean itself, which it would raise."""
    y = torch.tensor([0.05, 1.0, 30.0])
    torch.testing.assert_close(F.softplus(experiments.inverse_softplus(y)), y)
    start = {"seeds": 20, "n": 50, "steps": 1}
    fair = experiments.non_negative(F.softplus, "positive", start_at_mean=experiments.inverse_softplus, **start)
    unfair = experiments.non_negative(F.softplus, "positive", start_at_mean=identity, **start)
    assert fair.error.mean() < unfair.error.mean()
    below_zero = experiments.non_negative(identity, "half zeros", seeds=4, n=50, steps=50)
    raised = experiments.non_negative(identity, "half zeros", clamped=True, seeds=4, n=50, steps=50)
    assert below_zero.negative.min() > 0 == raised.negative.max()
    torch.testing.assert_close(raised.zeros, below_zero.negative)
    assert (raised.error <= below_zero.error).all()


def test_a_lost_class_is_counted() -> None:
    found = experiments.double_softmax(classes=4, spread=0.0, seeds=2, n=80, steps=1)  # all clouds in one place
    assert found["logits"].lost.min() >= 1


def test_reliability_sorts_answers_by_how_sure_they_are() -> None:
    sure, unsure = [0.95, 0.05], [0.45, 0.55]
    found = experiments.reliability(torch.tensor([sure] * 4 + [unsure] * 2), torch.tensor([0, 0, 0, 1, 1, 0]))
    assert found.confidence.tolist() == pytest.approx([0.55, 0.95])
    assert found.right.tolist() == pytest.approx([0.5, 0.75])
    assert found.share.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.expected_error == pytest.approx(0.05 / 3 + 0.2 * 2 / 3)


def test_losses_of_doubt_are_torchs_and_their_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(4, 9, 3, generator=generator), torch.randint(3, (4, 9), generator=generator)
    wanted = [F.cross_entropy(z, y, label_smoothing=0.2) for z, y in zip(logits, labels, strict=True)]
    torch.testing.assert_close(experiments.smoothed(logits, labels, by=0.2), torch.stack(wanted))
    right = logits.softmax(-1).gather(-1, labels[..., None])[..., 0]
    torch.testing.assert_close(experiments.focal(logits, labels), (-((1 - right) ** 2) * right.log()).mean(1))
    torch.testing.assert_close(experiments.focal(logits, labels, gamma=0.0), cross_entropy(logits, labels))


def test_a_temperature_mends_sureness() -> None:
    found = experiments.calibration(seeds=2, n=200, test_n=500, steps=120)
    assert list(found) == list(experiments.TRAINED_BY)
    plain = found["cross-entropy"]
    assert (plain.temperature > 1).all()
    assert (plain.scaled_error < plain.error).all()
    assert (plain.scaled_log_loss < plain.log_loss).all()
    assert (found["label smoothing 0.1"].error < plain.error).all()
    assert not torch.cat([each.moved for each in found.values()]).any()


def test_true_probabilities_are_calibrated_whatever_the_noise() -> None:
    tested = experiments.overfitted(cross_entropy, seeds=1, n=100, steps=5)
    assert all(tested(noise).least_error < 0.02 for noise in (0.0, 1.0, 2.0))
    assert tested(2.0).accuracy < tested(0.0).accuracy


def test_what_was_stored_about_label_smoothing_comes_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "STRENGTHS", (0.1,))
    monkeypatch.setattr(claims, "overfitted", lambda loss: experiments.overfitted(loss, seeds=2))
    kept = stored.read(CLAIMS[57])
    for name, values in CLAIMS[57].measure().items():
        assert values == pytest.approx(kept[name][:2], abs=0.02), name


@pytest.mark.parametrize(("behind", "loss_holds", "gradient_holds"), [(88.0, 1, 1), (88.8, 1, 0), (105.0, 0, 0)])
def test_softmax_followed_by_log_loses_its_gradient_before_its_value(behind, loss_holds, gradient_holds) -> None:
    logits = torch.tensor([0.0, behind], requires_grad=True)
    loss = -torch.log(torch.softmax(logits, dim=0))[0]
    assert (loss.item() == pytest.approx(behind, rel=1e-5)) == loss_holds
    assert torch.autograd.grad(loss, logits)[0].isfinite().all() == gradient_holds
