"""TensorBoard runs: folders, captions, writing and reading back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from nonlinear.experiments import tracking


def _images(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, 4, 4).contiguous()


def test_what_is_logged_is_read_back(tmp_path):
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    with tracking.open_run(tmp_path / "run") as writer:
        for step in (0, 20):
            writer.add_scalar("loss/test", 1.5 - step, step)
            tracking.log_picture(writer, "plain/after", picture + step, step)
    assert tracking.read_scalars(tmp_path / "run") == {"loss/test": [(0, 1.5), (20, -18.5)]}
    (first, second) = tracking.read_images(tmp_path / "run", "plain/after")
    assert (first[0], second[0]) == (0, 20)
    np.testing.assert_array_equal(first[1], picture)
    np.testing.assert_array_equal(second[1], picture + 20)
    assert tracking.bytes_written(tmp_path) == sum(f.stat().st_size for f in (tmp_path / "run").iterdir())


def test_a_run_is_closed_when_the_block_fails(tmp_path):
    def fail() -> None:
        with tracking.open_run(tmp_path) as writer:
            writer.add_scalar("loss", 1.0, 7)
            raise RuntimeError("the reader's own")

    with pytest.raises(RuntimeError, match="own"):
        fail()
    assert tracking.read_scalars(tmp_path) == {"loss": [(7, 1.0)]}


def test_a_second_run_does_not_mix_with_the_first(tmp_path):
    with tracking.open_run(tmp_path) as writer:
        writer.add_scalar("loss", 1.0, 0)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(tracking.TrackingError, match="already holds a run"), tracking.open_run(tmp_path):
        pass
    assert sorted(tmp_path.iterdir()) == before


def test_a_resumed_run_replaces_the_points_from_its_step_on(tmp_path):
    for start, value in ((0, 1.0), (2, 5.0)):
        with tracking.open_run(tmp_path, resume_at=start or None) as writer:
            for step in range(start, 4):
                writer.add_scalar("loss", value, step)
    assert tracking.read_scalars(tmp_path)["loss"] == [(0, 1.0), (1, 1.0), (2, 5.0), (3, 5.0)]


def _open_and_close(folder: Path) -> None:
    with tracking.open_run(folder):
        pass


@pytest.mark.parametrize("make", [_open_and_close, lambda folder: tracking.fresh_folder(folder, "run")])
@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_written_gives_one_sentence(tmp_path, make, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(tracking.TrackingError, match=r"^Cannot write .*file.*\.$"):
        make(tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_fresh_folders_are_numbered(tmp_path):
    names = [tracking.fresh_folder(tmp_path / "a" / "b", "relu on my/photos: ../x").name for _ in range(3)]
    assert names == ["relu-on-my-photos-..-x", "relu-on-my-photos-..-x-2", "relu-on-my-photos-..-x-3"]
    assert tracking.fresh_folder(tmp_path, "激活").name == "激活"
    assert tracking.fresh_folder(tmp_path, "..").parent == tmp_path


def test_two_at_once_never_get_the_same_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: tracking.fresh_folder(tmp_path, "run"), range(40)))
    assert len(set(folders)) == 40


def test_reading_what_is_not_there_gives_one_sentence(tmp_path):
    with pytest.raises(tracking.TrackingError, match="holds no TensorBoard run"):
        tracking.read_scalars(tmp_path)
    with tracking.open_run(tmp_path) as writer:
        tracking.log_picture(writer, "a/b", np.zeros((2, 2, 3), np.uint8), 0)
    with pytest.raises(tracking.TrackingError, match=r"no picture 'c'; it holds a/b"):
        tracking.read_images(tmp_path, "c")


def test_grid_draws_every_pixel_as_a_square_in_reading_order():
    sheet = tracking.grid(_images(5), columns=2, zoom=3, gap=1)
    assert sheet.shape == (3 * 13 - 1, 2 * 13 - 1, 3)
    assert [int(sheet[13 * (k // 2) + 5, 13 * (k % 2) + 5, 0]) for k in range(5)] == [0, 1, 2, 3, 4]
    assert (sheet[:12, :12] == 0).all()
    assert (sheet[12] == tracking.PAPER[0]).all()
    assert (sheet[-5:, -5:] == tracking.PAPER[0]).all()  # the sixth place stays white


@pytest.mark.parametrize("size", [12, 26])
@pytest.mark.parametrize("text", ["a few words " * 9, "one_word_that_is_much_longer_than_the_picture_is_wide" * 2, "x"])
def test_no_letter_of_a_caption_is_cut_off(size, text):
    picture = np.full((10, 240, 3), 7, np.uint8)
    captioned = tracking.caption(picture, [text, "y"], size=size)
    band = captioned[:-10]
    np.testing.assert_array_equal(captioned[-10:], picture)
    assert (band < 128).any()  # there is ink
    frame = np.concatenate([band[0], band[-1], band[:, 0], band[:, -1]])
    assert (frame == tracking.PAPER[0]).all()  # and none of it at the edges
    written = "".join(tracking.wrap(text, 240 - 2 * tracking.MARGIN, size))
    assert written.replace(" ", "") == text.replace(" ", "")


def test_labels_stand_beside_their_rows():
    rows = [("first", np.full((40, 50, 3), 10, np.uint8)), ("second one", np.full((40, 50, 3), 20, np.uint8))]
    sheet = tracking.labelled_rows(rows, gap=2)
    assert sheet.shape[0] == 82
    assert (sheet[:40, -50:] == 10).all()
    assert (sheet[42:, -50:] == 20).all()
    labels = sheet[:, :-50]
    assert (labels[:40] < 128).any()
    assert (labels[42:] < 128).any()
    assert (labels[:, [0, -1]] == tracking.PAPER[0]).all()
