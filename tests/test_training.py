"""Training: the recipe, the augmentation, curves, determinism, divergence; and the network that it trains."""

import math

import pytest
import torch
from torch import nn

from nonlinear.experiments import tracking
from nonlinear.experiments.data import Dataset, Split
from nonlinear.experiments.models import count_parameters, small_cnn, threads
from nonlinear.experiments.training import Batches, Recipe, evaluate, schedule, train, windows


def _split(n: int, seed: int) -> Split:
    """Two classes that differ in brightness: anything that learns at all tells them apart."""
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 60, (n, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    return Split(images=(noise + 120 * labels[:, None, None, None]).to(torch.uint8), labels=labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset(name="bright", title="bright", classes=("dark", "bright"), train=_split(90, 1), test=_split(30, 2))


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


def test_the_network_has_the_size_that_it_states_and_its_own_activation_everywhere():
    model = small_cnn(nn.PReLU)
    slopes = [module for module in model.modules() if isinstance(module, nn.PReLU)]
    assert count_parameters(model) - len(slopes) == pytest.approx(295_000, rel=0.01)
    assert len(slopes) == 7
    assert len({id(slope) for slope in slopes}) == 7
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert small_cnn(nn.ReLU, classes=3, stride=1)(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_threads_are_restored_after_an_error():
    before, inside = torch.get_num_threads(), []

    def fail() -> None:
        with threads(before + 2):
            inside.append(torch.get_num_threads())
            raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        fail()
    assert [*inside, torch.get_num_threads()] == [before + 2, before]
