"""Images before and after an activation: exact statistics, pictures that can be compared, nothing overwritten."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nonlin.activations import ACTIVATIONS
from nonlin.images import pictures
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import before_after as ba
from nonlin.lab import tracking
from nonlin.lab.measurement import SATURATED_BELOW

TAGS = ["normalised/after", "normalised/before", "plain/after", "plain/before"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """100 random images, of which each channel has its own brightness."""
    draws = torch.randint(0, 200, (100, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    images = (draws + torch.tensor([0, 20, 55])[:, None, None]).to(torch.uint8)
    split = Split(images=images, labels=torch.arange(100) % 10)
    return Dataset(name="noise", title="noise of a test", classes=tuple("abcdefghij"), train=split, test=split)


@pytest.fixture(scope="module")
def inputs(dataset) -> dict[str, torch.Tensor]:
    images = dataset.test.images.double() / 255
    mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3), correction=0)
    return {"plain": images, "normalised": (images - mean[:, None, None]) / std[:, None, None]}


@pytest.mark.parametrize("batch_size", [1, 16, 64, 1000])
def test_statistics_cover_every_value_of_the_last_batch_too(dataset, inputs, batch_size):
    result = ba.before_after(nn.Tanh(), dataset, batch_size=batch_size)
    assert (result.images, result.batches) == (100, math.ceil(100 / batch_size))
    for form, x in inputs.items():
        measured = getattr(result, form)
        for found, values in ((measured.before, x), (measured.after, x.tanh())):
            assert found.mean == pytest.approx(values.mean().item(), abs=1e-6)
            assert found.std == pytest.approx(values.std(correction=0).item(), abs=1e-6)
            assert found.low == pytest.approx(values.min().item(), abs=1e-6)
            assert found.high == pytest.approx(values.max().item(), abs=1e-6)
        saturated = ((1 - x.tanh() ** 2).abs() < SATURATED_BELOW).double().mean().item()
        assert measured.saturated == pytest.approx(saturated, abs=1e-5)
    assert result.plain.before.zeros == (dataset.test.images == 0).double().mean().item() > 0


def test_relu_is_the_identity_on_plain_images_and_not_on_normalised_ones(dataset, inputs):
    result = ba.before_after(ACTIVATIONS["relu"], dataset)
    assert result.plain.unchanged == 1
    assert result.plain.after == result.plain.before
    negative = (inputs["normalised"] < 0).double().mean().item()
    assert result.normalised.after.zeros == pytest.approx(negative, abs=1e-5)
    assert result.normalised.unchanged == pytest.approx(1 - negative, abs=1e-5)
    assert result.normalised.saturated == pytest.approx(negative, abs=1e-5)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_record_goes_through_and_equals_torch(dataset, name):
    record = ACTIVATIONS[name]
    if record.torch_module is None:
        pytest.skip("torch has no counterpart")
    ours, theirs = (ba.before_after(f, dataset, name=name) for f in (record, record.torch_module().eval()))
    assert ours.normalised.after.mean == pytest.approx(theirs.normalised.after.mean, abs=1e-6)
    assert ours.normalised.saturated == pytest.approx(theirs.normalised.saturated, abs=1e-4)


def test_an_activation_that_works_in_place_does_not_overwrite_before(dataset, tmp_path):
    images = dataset.test.images.clone()
    careful, in_place = (
        ba.before_after(nn.ReLU(inplace=i), dataset, name="relu", log_dir=tmp_path / str(i)) for i in (False, True)
    )
    assert in_place.normalised == careful.normalised
    assert in_place.normalised.before.low < 0
    assert torch.equal(dataset.test.images, images)
    for tag in TAGS:
        for (_, ours), (_, theirs) in zip(
            *(tracking.read_images(r.log_dir, tag) for r in (careful, in_place)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    before, after = (tracking.read_images(in_place.log_dir, f"normalised/{side}") for side in ("before", "after"))
    assert not np.array_equal(_below_caption(before[0][1]), _below_caption(after[0][1]))


def _below_caption(picture: np.ndarray) -> np.ndarray:
    """Two rows of images of 96 pixels, with the gap between them."""
    return picture[-(2 * 98 - 2) :]


def test_runs_of_two_activations_can_stand_beside_each_other(dataset, tmp_path):
    folders = [
        ba.before_after(ACTIVATIONS[n], dataset, batch_size=4, log_dir=tmp_path).log_dir for n in ("tanh", "relu")
    ]
    assert [folder.name for folder in folders] == ["Tanh", "ReLU"]
    for form in ("plain", "normalised"):
        before = [tracking.read_images(folder, f"{form}/before") for folder in folders]
        assert [step for step, _ in before[0]] == [step for step, _ in before[1]] == [0, 20]
        assert not np.array_equal(before[0][0][1], before[0][1][1])
        for tanh, relu in zip(*before, strict=True):
            np.testing.assert_array_equal(tanh[1][-96:], relu[1][-96:])  # one row of images, below the caption
    after = [tracking.read_images(folder, "plain/after")[0][1][-96:] for folder in folders]
    plain = tracking.read_images(folders[0], "plain/before")[0][1][-96:]
    assert [np.array_equal(picture, plain) for picture in after] == [False, True]


def test_pictures_show_the_values(dataset, tmp_path):
    result = ba.before_after(ACTIVATIONS["sigmoid"], dataset, log_dir=tmp_path)
    low, high = result.normalised.scale
    x = ba.normalise(dataset.test.images[:12], dataset.mean, dataset.std)
    for side, values in (("before", x), ("after", x.sigmoid())):
        picture = _below_caption(tracking.read_images(result.log_dir, f"normalised/{side}")[0][1])
        for index in (0, 7):
            corner = picture[98 * (index // 6), 98 * (index % 6)].astype(float)
            expected = (values[index, :, 0, 0].numpy() - low) / (high - low) * 255
            np.testing.assert_allclose(corner, expected, atol=0.51)


def test_all_batches_logs_every_image_of_every_batch(dataset, tmp_path):
    few, every = (ba.before_after(nn.Tanh(), dataset, log_dir=tmp_path, all_batches=a) for a in (False, True))
    assert [len(tracking.read_images(r.log_dir, "plain/after")) for r in (few, every)] == [1, 2]
    last = tracking.read_images(every.log_dir, "plain/after")[1][1]  # 36 images, 6 in a row, of 64 pixels
    assert last.shape[1] == 6 * 66 - 2
    shown = ba.to_shared_scale(ba.plain(dataset.test.images[99]).tanh(), 0, 1)
    np.testing.assert_array_equal(last[-64::2, -64::2], shown.permute(1, 2, 0))
    assert tracking.bytes_written(every.log_dir) > tracking.bytes_written(few.log_dir)
    assert few.log_dir.name == "Tanh"
    assert every.log_dir.name == "Tanh-2"


def test_default_logging_writes_at_least_ten_times_less(tmp_path):
    images = torch.randint(0, 256, (320, 3, 32, 32), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    split = Split(images=images, labels=torch.zeros(320, dtype=torch.int64))
    noise = Dataset(name="noise", title="noise", classes=("a",), train=split, test=split)
    options = {"batch_size": 16, "log_dir": tmp_path}
    few, every = (ba.before_after(nn.Tanh(), noise, all_batches=a, **options) for a in (False, True))
    assert few.batches == 20
    assert tracking.bytes_written(every.log_dir) > 10 * tracking.bytes_written(few.log_dir)


def test_captions_say_what_was_measured(dataset, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pictures, "caption", lambda picture, lines, size: (seen.append(list(lines)), picture)[1])
    ba.before_after(ACTIVATIONS["relu"], dataset, log_dir=tmp_path)
    ba.before_after(lambda x: 3 * x, dataset, name="triple", log_dir=tmp_path)
    limit = ba.before_after(nn.Tanh(), dataset).normalised.scale[1]
    relu, triple = seen[:4], seen[4:]
    assert relu[0] == [
        "ReLU, before: 64x3x32x32",
        "noise of a test, values in [0, 1], batch 0",
        "0 ... 1 shown as black ... white",
    ]
    assert relu[1][-1] == "ReLU: output equals input exactly"
    assert relu[3][1] == "noise of a test, normalised per channel, batch 0"
    assert relu[3][2:] == [f"-{limit:g} ... {limit:g} shown as black ... white"]
    assert "clipped" not in triple[2][2]
    share = (3 * ba.plain(dataset.test.images[:64]) > 1).double().mean().item()
    assert triple[1][2] == f"0 ... 1 shown as black ... white, {share * 100:.1f} % of the values clipped"


def test_shared_scale_holds_every_possible_input_and_has_zero_in_its_middle():
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.25, 0.2, 0.3])
    low, high = ba.shared_scale(mean, std)
    extremes = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 32, 32)
    x = ba.normalise(extremes, mean, std)
    assert low == -high
    assert high - 0.1 < x.abs().max().item() <= high
    drawn = ba.to_shared_scale(torch.tensor([low, 0.0, high, high + 9, low - 9, math.nan, math.inf]), low, high)
    assert drawn.tolist() == [0, 128, 255, 255, 0, 0, 255]


def test_a_step_function_saturates_everywhere(dataset):
    result = ba.before_after(lambda x: x > 0, dataset, name="step")
    assert result.normalised.saturated == 1
    assert result.normalised.after.high == 1


def test_comparison_has_a_row_for_each_activation(dataset, tmp_path):
    folder = ba.compare({"tanh": torch.tanh, "identity": lambda x: x}, dataset, columns=2, log_dir=tmp_path)
    ((step, picture),) = tracking.read_images(folder, "compare/normalised")
    rows = [picture[-(k * 98 - 2) :][:96, -194:] for k in (3, 2, 1)]
    assert step == 0
    np.testing.assert_array_equal(rows[0], rows[2])  # before, and the identity
    assert not np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (nn.Flatten(), {}, r"must return a tensor of its input's shape, \(2, 3, 32, 32\), not \(2, 3072\)"),
        (lambda x: None, {"name": "nothing"}, "nothing must return .* not NoneType"),
        (nn.Tanh(), {"batch_size": 0}, "batch size must be at least 1, not 0"),
    ],
)
def test_wrong_input_is_named_before_anything_is_written(dataset, tmp_path, function, options, message):
    with pytest.raises(ValueError, match=message):
        ba.before_after(function, dataset, log_dir=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_the_callers_threads_and_tensors_are_left_alone(dataset):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        ba.before_after(nn.Tanh(), dataset)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1e-6, "under 0.1 %"), (0.5184, "51.8 %"), (0.99999, "over 99.9 %"), (1, "100.0 %")],
)
def test_percentages_never_round_to_none_or_all(share, text):
    assert ba.percent(share) == text


def test_the_table_has_true_minus_signs(dataset):
    lines = ba.table([ba.before_after(ACTIVATIONS["tanh"], dataset)]).splitlines()[2:]
    assert "−" in lines[2]  # the smallest normalised value
    assert not any("-" in line for line in lines)
