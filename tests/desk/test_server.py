"""A Jupyter server brings the copies up to date when it starts, and not while another has them open."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from nonlin.desk import server


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch) -> list:
    held: list = []
    monkeypatch.setattr(server, "_OPEN", held)
    return held


def test_copies_are_made_once_by_one_server(tmp_path: Path, locks: list) -> None:
    work = tmp_path / "work"
    assert server.update_unless_open(work) == []
    (work / "03_sigmoid_and_tanh.ipynb").unlink()
    (said,) = server.update_unless_open(work)
    assert "Another Jupyter" in said
    assert not (work / "03_sigmoid_and_tanh.ipynb").exists()
    locks.pop().release()
    assert server.update_unless_open(work) == []
    assert (work / "03_sigmoid_and_tanh.ipynb").exists()


def test_copies_that_cannot_be_written_any_more_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NONLIN_WORK", raising=False)
    monkeypatch.setattr(server, "project_root", lambda: tmp_path)
    assert server.update_unless_open(tmp_path / "work") == []
    (said,) = server.update_unless_open(tmp_path / "home")
    assert f"{tmp_path / 'work'} cannot be written" in said


def test_a_server_starts_without_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NONLIN_WORK", str(tmp_path / "file"))
    server._load_jupyter_server_extension(SimpleNamespace(log=logging.getLogger("test")))
    assert "NONLIN_WORK" in caplog.text
