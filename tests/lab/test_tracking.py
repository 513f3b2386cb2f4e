"""TensorBoard runs: folders, writing and reading back."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nonlin.files import FileError
from nonlin.lab import tracking


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


def test_a_disk_that_fills_up_gives_one_sentence_and_no_traceback(tmp_path, monkeypatch, capfd):
    def full(writer, data) -> None:
        raise OSError(28, "No space left on device")

    def write() -> None:
        with tracking.open_run(tmp_path) as writer:
            writer.add_scalar("loss", 1.0, 0)

    hook = threading.excepthook
    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
    with pytest.raises(FileError, match=r"No space left on device.*make room"):
        write()
    assert capfd.readouterr() == ("", "")
    assert threading.excepthook is hook


def test_an_error_of_the_readers_own_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), tracking.open_run(tmp_path):
        (tmp_path / "nothing").read_text()


def _open_and_close(folder: Path) -> None:
    with tracking.open_run(folder):
        pass


@pytest.mark.parametrize("make", [_open_and_close, lambda folder: tracking.fresh_folder(folder, "run")])
@pytest.mark.parametrize("place", ["file", "file/below", "dangling"])
def test_a_place_that_cannot_be_written_gives_one_sentence(tmp_path, make, place):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "nowhere")
    with pytest.raises(tracking.TrackingError, match=rf"^Cannot write .*{place}.*\.$"):
        make(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


HOUR = 3600


@pytest.mark.parametrize(
    ("dated", "waits"), [((0,), 1), ((HOUR,), 0), ((-HOUR, HOUR), 0), ((0, HOUR, 2 * HOUR), 2), ((2**33,), 0)]
)
def test_a_wrong_clock_neither_holds_a_run_up_nor_changes_the_order(tmp_path, monkeypatch, dated, waits):
    begun = int(time.time())
    for place, seconds in enumerate(dated):
        (tmp_path / f"{tracking.PREFIX}{begun + seconds:010}.host.{9 - place}").write_text(str(place))
    (tmp_path / f"{tracking.PREFIX}copy").write_text("no date")
    (tmp_path / f"{tracking.PREFIX}folder").mkdir()
    waited = []
    monkeypatch.setattr(tracking.time, "time", lambda: begun + 0.5 + sum(waited))
    monkeypatch.setattr(tracking.time, "sleep", waited.append)
    tracking._let_the_next_be_the_last(tmp_path)
    assert sum(waited) == pytest.approx(max(waits - 0.5, 0))
    found = [path for path in sorted(tmp_path.glob(tracking.EVENTS)) if re.match(r"\d", path.suffixes[2][1:])]
    assert [path.read_text() for path in found] == [str(place) for place in range(len(dated))]
    assert found[-1].name < f"{tracking.PREFIX}{int(tracking.time.time()):010}."
    assert len(list(tmp_path.iterdir())) == len(dated) + 2


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


def test_tensorboards_slower_reader_does_not_double_the_points_either(tmp_path) -> None:
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    for resume_at, steps in ((None, range(1, 11)), (6, range(6, 11))):
        with tracking.open_run(tmp_path, resume_at=resume_at) as writer:
            for step in steps:
                writer.add_scalar("loss", step, step)
        time.sleep(1.1)  # TensorBoard orders the files of a run by the second in their names
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [point.step for point in events.Tensors("loss")] == list(range(1, 11))
