"""Training: the recipe, the augmentation, curves, determinism, divergence, observers."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from small_data import bright, bright_split
from torch import nn

from nonlin.images import sources
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import tracking
from nonlin.lab.networks import count_parameters, mlp, small_cnn
from nonlin.lab.training import Batches, Recipe, evaluate, schedule, train, windows


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return replace(bright(90), test=bright_split(30, seed=2))


def tiny(activation, *, classes: int) -> nn.Module:
    return small_cnn(activation, classes=classes, stem=4, widths=(4, 8), depth=0)


RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.1)


def _train(dataset, **options):
    return train(nn.ReLU, dataset, options.pop("recipe", RECIPE), network=tiny, progress=False, **options)


def test_it_learns_and_counts_what_it_saw(dataset):
    result = _train(dataset)
    assert result.test_accuracy == 100
    assert len(result.epochs) == 2
    assert result.epochs[1].train_loss < result.epochs[0].train_loss
    # An accuracy is a share of all 90 training images, those of the smaller last batch included.
    assert result.epochs[0].train_accuracy * 90 / 100 == pytest.approx(round(result.epochs[0].train_accuracy * 0.9))
    assert not result.diverged
    assert result.parameters == count_parameters(tiny(nn.ReLU, classes=2))


def test_same_seed_same_numbers_and_another_seed_others(dataset):
    def losses(seed: int) -> list[float]:
        torch.rand(3)  # the global state must not matter
        recipe = Recipe(epochs=2, batch_size=16, learning_rate=0.1, seed=seed)
        result = train(nn.RReLU, dataset, recipe, network=tiny, threads=1, progress=False)
        return [loss for epoch in result.epochs for loss in (epoch.train_loss, epoch.test_loss)]

    first = losses(0)
    assert losses(0) == first
    assert losses(1) != first


def test_global_random_state_and_threads_are_left_alone(dataset):
    state, count = torch.get_rng_state(), torch.get_num_threads()
    _train(dataset, threads=count + 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == count


def test_curves_are_logged_over_updates(dataset, tmp_path):
    result = _train(dataset, log_dir=tmp_path / "run")
    curves = tracking.read_scalars(tmp_path / "run")
    assert sorted(curves) == ["accuracy/test", "accuracy/train", "learning_rate", "loss/test", "loss/train"]
    assert [step for step, _ in curves["accuracy/test"]] == [6, 12]  # six batches of 16 hold 90 images
    for tag, field in (("loss/test", "test_loss"), ("accuracy/train", "train_accuracy")):
        assert [value for _, value in curves[tag]] == pytest.approx([getattr(e, field) for e in result.epochs])
    assert result.log_dir == tmp_path / "run"
    assert max(rate for _, rate in curves["learning_rate"]) <= RECIPE.learning_rate


def test_training_loss_has_points_within_a_long_epoch(dataset, tmp_path):
    _train(dataset, recipe=Recipe(epochs=1, batch_size=2, learning_rate=0.01), log_dir=tmp_path)
    assert [step for step, _ in tracking.read_scalars(tmp_path)["loss/train"]] == [20, 40]


def test_losses_of_training_and_test_are_of_one_kind(dataset):
    model = tiny(nn.ReLU, classes=2)
    plain, accuracy = evaluate(model, dataset)
    smoothed, same = evaluate(model, dataset, label_smoothing=1.0)
    assert accuracy == same
    with torch.no_grad():
        x = (dataset.test.images / 255 - dataset.mean[:, None, None]) / dataset.std[:, None, None]
        log_p = model.eval()(x).log_softmax(dim=1)  # (30, 2)
    assert plain == pytest.approx(-log_p[range(30), dataset.test.labels].mean().item(), rel=1e-5)
    assert smoothed == pytest.approx(-log_p.mean().item(), rel=1e-5)
    assert accuracy == pytest.approx(100 * (log_p.argmax(1) == dataset.test.labels).double().mean().item())


def test_a_diverged_run_ends_early_without_an_exception(dataset, tmp_path):
    recipe = Recipe(epochs=5, batch_size=16, learning_rate=1e30)
    result = _train(dataset, recipe=recipe, log_dir=tmp_path)
    assert result.diverged
    assert len(result.epochs) < 5
    assert tracking.read_scalars(tmp_path)["accuracy/test"]


def test_an_interrupted_run_keeps_its_curves(dataset, tmp_path):
    class Interrupting(nn.ReLU):
        calls = 0

        def forward(self, x):
            Interrupting.calls += 1
            if Interrupting.calls > 40:
                raise KeyboardInterrupt
            return super().forward(x)

    with pytest.raises(KeyboardInterrupt):
        train(Interrupting, dataset, RECIPE, network=tiny, log_dir=tmp_path, progress=False)
    assert len(tracking.read_scalars(tmp_path)["accuracy/test"]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("seed", -1),
        ("batch_size", 0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", 0),
        ("warm_up", 1),
        ("momentum", 0),
        ("weight_decay", -1),
        ("label_smoothing", 1.1),
        ("shift", 32),
    ],
)
def test_a_wrong_recipe_names_the_field_and_the_value(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be .*, not {value}"):
        Recipe(**{field: value})


def test_an_empty_split_gives_one_sentence(dataset, tmp_path):
    empty = Split(images=torch.zeros(0, 3, 32, 32, dtype=torch.uint8), labels=torch.zeros(0, dtype=torch.int64))
    without = Dataset(name="e", title="Empty", classes=("a", "b"), train=dataset.train, test=empty)
    with pytest.raises(ValueError, match="Empty has no test images"):
        _train(without, log_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_schedule_rises_to_its_peak_and_falls():
    rates = [schedule(update, 1000, 0.23) for update in range(1000)]
    assert rates.index(max(rates)) in (229, 230)
    assert max(rates) == pytest.approx(1, abs=0.005)
    assert 0 < rates[0] < 0.01
    assert 0 < rates[-1] < 0.01
    assert rates[:230] == sorted(rates[:230])
    assert rates[230:] == sorted(rates[230:], reverse=True)
    assert all(0 < schedule(update, n, w) <= 1 for n in (1, 2, 5) for w in (0, 0.23, 0.9) for update in range(n))


def test_windows_are_the_shifts_of_reflected_padding():
    images = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    padded = nn.functional.pad(images.float(), (3, 3, 3, 3), mode="reflect")  # (2, 3, 14, 14)
    view = windows(images, 3)
    assert view.shape == (2, 7, 7, 8, 8, 3)
    for down, right in ((0, 0), (3, 3), (6, 1)):
        expected = padded[:, :, down : down + 8, right : right + 8]
        assert torch.equal(view[:, down, right].permute(0, 3, 1, 2).float(), expected)


def test_batches_hold_every_image_once_and_with_its_label():
    """Constant images survive shift and mirroring, so that each names itself."""
    names = torch.arange(50, dtype=torch.uint8)
    split = Split(images=names[:, None, None, None].expand(50, 3, 32, 32).contiguous(), labels=names.long())
    data = Dataset(name="n", title="n", classes=tuple(map(str, range(50))), train=split, test=split)
    batches = Batches(data, Recipe(batch_size=16), torch.device("cpu"))
    epochs = [list(batches), list(batches)]
    for epoch in epochs:
        assert [len(x) for x, _ in epoch] == batches.sizes().tolist() == [16, 16, 16, 2]
        labels = torch.cat([target for _, target in epoch])
        assert sorted(labels.tolist()) == list(range(50))
        x = torch.cat([x for x, _ in epoch])
        assert x.shape == (50, 3, 32, 32)
        pixels = x * data.std[:, None, None] * 255 + data.mean[:, None, None] * 255
        assert torch.allclose(pixels, labels.float()[:, None, None, None].expand_as(pixels), atol=1e-3)
        assert epoch[0][0].is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(epochs[0][0][1], epochs[1][0][1])


def test_without_shift_and_mirror_images_come_as_they_are_and_with_mirror_half_are_mirrored(dataset):
    def images(**options) -> torch.Tensor:
        recipe = Recipe(batch_size=90, shift=0, **options)
        ((x, _),) = Batches(dataset, recipe, torch.device("cpu"))
        return (x * dataset.std[:, None, None] + dataset.mean[:, None, None]).mul(255).round().to(torch.uint8)

    known = {image.numpy().tobytes() for image in dataset.train.images}
    assert {image.contiguous().numpy().tobytes() for image in images(mirror=False)} == known
    mirrored = images(mirror=True)
    kept = sum(image.contiguous().numpy().tobytes() in known for image in mirrored)
    turned = sum(image.flip(2).contiguous().numpy().tobytes() in known for image in mirrored)
    assert kept + turned == 90
    assert 25 < kept < 65


class Watcher:
    """An observer that writes down what it is asked and changes nothing."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def start(self, model):
        self.calls.append(("start", 0))

    def wants(self, update):
        self.calls.append(("wants", update))
        return update % 4 == 1

    def observe(self, model, update, writer):
        self.calls.append(("observe", update))
        assert next(model.parameters()).grad is not None
        if writer:
            writer.add_scalar("watched", update, update)

    def state(self):
        return {"calls": len(self.calls)}

    def restore(self, state):
        self.calls = [("restored", 0)] * state["calls"]

    def summary(self):
        return {"calls": float(len(self.calls))}


def test_an_observer_sees_what_it_wants_and_changes_nothing(dataset, tmp_path):
    watcher = Watcher()
    result = _train(dataset, observer=watcher, log_dir=tmp_path)
    assert watcher.calls[:4] == [("start", 0), ("wants", 1), ("observe", 1), ("wants", 2)]
    assert [update for name, update in watcher.calls if name == "observe"] == [1, 5, 9]
    assert [step for step, _ in tracking.read_scalars(tmp_path)["watched"]] == [1, 5, 9]
    assert result.observed == {"calls": 16}
    plain = _train(dataset)
    assert [(e.train_loss, e.test_loss) for e in result.epochs] == [(e.train_loss, e.test_loss) for e in plain.epochs]


def test_initialisation_and_precision_change_the_numbers_and_are_written_down(dataset, tmp_path):
    plain = _train(dataset)
    orthogonal = _train(dataset, initialisation="orthogonal")
    coarse = _train(dataset, precision="bfloat16", log_dir=tmp_path)
    assert len({result.epochs[0].train_loss for result in (plain, orthogonal, coarse)}) == 3
    assert (plain.precision, coarse.precision) == ("float32", "bfloat16")
    assert coarse.epochs[0].train_loss == pytest.approx(plain.epochs[0].train_loss, rel=0.02)
    with pytest.raises(ValueError, match="no initialisation 'hee': choose one of torch, he, "):
        _train(dataset, initialisation="hee")
    with pytest.raises(ValueError, match="no precision 'float16': choose one of float32, "):
        _train(dataset, precision="float16")


def test_batch_norm_over_a_single_image_is_refused(dataset):
    network = partial(mlp, batch_norm=True)
    with pytest.raises(ValueError, match="batch_size 89 leaves a last batch of one image"):
        train(nn.ReLU, dataset, Recipe(epochs=1, batch_size=89), network=network, progress=False)
    assert train(nn.ReLU, dataset, Recipe(epochs=1, batch_size=88), network=network, progress=False).parameters


def test_a_run_whose_weights_break_in_the_last_update_has_diverged(dataset):
    recipe = Recipe(epochs=1, batch_size=90, learning_rate=1e30)
    result = _train(dataset, recipe=recipe)
    assert math.isfinite(result.epochs[0].train_loss)
    assert result.diverged


def test_batches_can_start_later_in_the_same_epoch(dataset):
    whole, later = (Batches(dataset, RECIPE, torch.device("cpu")) for _ in range(2))
    for first in (4, 0):  # each epoch draws the same, wherever it starts
        for (x, target), (same_x, same_target) in zip(
            list(whole.starting_at(0))[first:], later.starting_at(first), strict=True
        ):
            assert torch.equal(x, same_x)
            assert torch.equal(target, same_target)
    assert list(later.starting_at(6)) == []


def test_a_sample_leaves_the_epochs_as_they_are(dataset):
    plain, sampled = (Batches(dataset, RECIPE, torch.device("cpu")) for _ in range(2))
    x, target = sampled.sample()
    assert (x.shape, target.shape) == ((16, 3, 32, 32), (16,))
    assert torch.equal(next(iter(plain))[0], next(iter(sampled))[0])


def test_a_small_training_run_comes_out_as_ever() -> None:
    """Every part of the recipe has its share in these losses: momentum, decay, smoothing, schedule, shifts, weights."""
    full = sources.load("shapes10")
    train_, test = (Split(images=s.images[:512], labels=s.labels[:512]) for s in (full.train, full.test))
    recipe = Recipe(epochs=2, batch_size=64, seed=3, learning_rate=0.1)
    few = replace(full, train=train_, test=test)
    found = train(nn.ReLU, few, recipe, network=small_cnn, initialisation="he", precision="float32", progress=False)
    assert [epoch.train_loss for epoch in found.epochs] == pytest.approx([2.3231, 2.2837], abs=3e-4)
