"""What took time to make is kept, whole, and made again when it is damaged."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_data import counted, leftovers

from nonlin import paths
from nonlin.images import cache, shapes10
from nonlin.images.sources import load

pytestmark = pytest.mark.usefixtures("checkout", "few_shapes")


def test_shapes10_is_drawn_once_for_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("shapes10")
    assert first.classes == shapes10.CLASSES
    np.testing.assert_array_equal(first.train.images, shapes10.draw(300, seed=1))
    np.testing.assert_array_equal(first.test.images, shapes10.draw(50, seed=2))
    np.testing.assert_array_equal(first.train.labels, shapes10.labels(300))
    calls = counted(monkeypatch, shapes10, "draw")
    second = load("shapes10")
    assert calls == []
    assert torch.equal(first.train.images, second.train.images)
    assert torch.equal(first.test.labels, second.test.labels)
    monkeypatch.setattr(shapes10, "VERSION", shapes10.VERSION + 1)
    load("shapes10")
    assert len(calls) == 2  # train and test


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def _one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _claims_gigabytes(path: Path) -> None:
    os.truncate(path, 50 << 30)  # takes no room on the disk


def _classes_swapped(path: Path) -> None:
    digest, pixels = path.read_bytes()[:32], path.read_bytes()[32:]
    path.write_bytes(digest + pixels[3072:6144] + pixels[:3072] + pixels[6144:])


def _forged(path: Path) -> None:
    """As by a stranger who has read the code."""
    black = tuple(np.zeros((count, 3, 32, 32), np.uint8) for count in (300, 50))
    path.write_bytes(cache._digest("shapes10, version 1", black) + b"".join(part.tobytes() for part in black))
    path.chmod(0o666)


def _of_another_format(path: Path) -> None:
    torch.save({"key": "shapes10"}, path)


@pytest.mark.parametrize(
    "damage",
    [_truncated, _one_byte, _empty, _claims_gigabytes, _classes_swapped, _forged, _of_another_format],
)
def test_a_cache_that_is_damaged_or_not_ours_is_made_again(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    first = load("shapes10")
    damage(paths.cache_folder() / "shapes10.images")
    calls = counted(monkeypatch, shapes10, "draw")
    for _ in range(2):
        again = load("shapes10")
        assert torch.equal(again.train.images, first.train.images)
        assert torch.equal(again.train.labels, first.train.labels)
        assert len(calls) == 2  # train and test, once


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the place of a folder decides who may write")
def test_no_umask_makes_a_cache_useless(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0)
    try:
        load("shapes10")
    finally:
        os.umask(before)
    calls = counted(monkeypatch, shapes10, "draw")
    load("shapes10")
    assert calls == []
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # to another user it is a stranger's
    assert not paths.is_private(paths.data_folder().stat())


def test_without_a_folder_of_ones_own_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "cache_folder", lambda: None)
    with pytest.warns(UserWarning, match="made anew at every load") as caught:
        first, second = load("shapes10"), load("shapes10")
    assert len(caught) == 1
    assert torch.equal(first.train.images, second.train.images)


def test_a_cache_that_cannot_be_written_costs_time_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="cannot be written") as caught:
        first, second = load("shapes10"), load("shapes10")
    assert len(caught) == 1
    assert torch.equal(first.train.images, second.train.images)


def test_a_disk_that_fills_up_leaves_no_part_of_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(load("shapes10").train.images) == 300
    assert leftovers(paths.cache_folder()) == []


def test_parts_of_a_killed_process_are_removed() -> None:
    paths.cache_folder().mkdir(parents=True)
    (paths.cache_folder() / ".shapes10.images-0123abcd.part").write_bytes(b"half")
    load("shapes10")
    assert leftovers(paths.cache_folder()) == ["shapes10.images"]
