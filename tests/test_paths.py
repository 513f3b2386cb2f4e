"""Where things live on disk."""

import os
from pathlib import Path

import pytest

from nonlin import paths

pytestmark = pytest.mark.usefixtures("checkout")


def test_a_checkout_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    module = tmp_path / "src" / "nonlin" / "paths.py"
    assert paths.project_root(module) is None
    (tmp_path / "pyproject.toml").touch()
    assert paths.project_root(module) is None
    (tmp_path / "notebooks").mkdir()
    assert paths.project_root(module) == tmp_path.resolve()
    assert paths.project_root() == Path(__file__).resolve().parents[1]


def test_places_in_a_checkout(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.runs_folder() == checkout / "runs"
    assert paths.data_folder() == checkout / "data"
    assert paths.cache_folder() == checkout / "data" / "cache"
    monkeypatch.setenv("NONLIN_RUNS", str(tmp_path / "elsewhere"))
    assert paths.runs_folder() == tmp_path / "elsewhere"
    assert list(checkout.iterdir()) == []


def test_places_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "project_root", lambda: None)
    for kind in ("data", "cache"):
        monkeypatch.setattr(paths.platformdirs, f"user_{kind}_path", lambda *_, kind=kind, **__: tmp_path / kind)
    assert paths.runs_folder() == tmp_path / "data" / "runs"
    assert paths.data_folder() == tmp_path / "data" / "data"
    assert paths.cache_folder() == tmp_path / "data" / "data" / "cache"
    monkeypatch.setattr(paths, "is_writable", lambda folder: False)
    assert paths.cache_folder() == tmp_path / "cache"
    assert not (tmp_path / "data").exists()


def test_writable_means_that_files_can_be_made(tmp_path: Path) -> None:
    assert paths.is_writable(tmp_path)
    assert paths.is_writable(tmp_path / "not" / "yet")
    (tmp_path / "file").touch()
    assert not paths.is_writable(tmp_path / "file")
    assert not paths.is_writable(tmp_path / "file" / "below")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert not paths.is_writable(tmp_path / "dangling" / "below")
    (tmp_path / "locked").mkdir(mode=0o555)
    assert paths.is_writable(tmp_path / "locked") == os.access(tmp_path / "locked", os.W_OK)
