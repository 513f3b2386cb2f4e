"""What took time to make is kept, whole, and made again when it is damaged."""

from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("damage", ["truncated", "one byte", "empty", "other content"])
def test_a_damaged_cache_is_made_again(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    first = load("shapes10")
    path = paths.cache_folder() / "shapes10.pt"
    content = bytearray(path.read_bytes())
    if damage == "one byte":
        place = content.find(first.train.images[7].numpy().tobytes())
        assert place > 0
        content[place + 100] ^= 1
    changed = {"truncated": content[:-1000], "one byte": content, "empty": b"", "other content": b"hello"}[damage]
    path.write_bytes(changed)
    calls = counted(monkeypatch, shapes10, "draw")
    assert torch.equal(load("shapes10").train.images, first.train.images)
    assert len(calls) == 2
    assert torch.equal(load("shapes10").train.images, first.train.images)
    assert len(calls) == 2


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
    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(load("shapes10").train.images) == 300
    assert leftovers(paths.cache_folder()) == []


def test_parts_of_a_killed_process_are_removed() -> None:
    paths.cache_folder().mkdir(parents=True)
    (paths.cache_folder() / ".shapes10.pt-0123abcd.part").write_bytes(b"half")
    load("shapes10")
    assert leftovers(paths.cache_folder()) == ["shapes10.pt"]
