"""What several tests of the data need: a checkout of their own, a small CIFAR-10, and a server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving_server import Server, serve
from small_data import cifar10_archive, cifar10_files, cifar10_release

from nonlin import paths
from nonlin.images import cache, shapes10


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, and an environment without settings."""
    for name in ("NONLIN_DATA", "NONLIN_RUNS", "NONLIN_CIFAR10_URL", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.setattr(paths, "project_root", lambda: root)
    cache._warn_unwritable.cache_clear()
    return root


@pytest.fixture
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes10, "TRAIN_SIZE", 300)
    monkeypatch.setattr(shapes10, "TEST_SIZE", 50)


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    return cifar10_files()


@pytest.fixture(scope="session")
def archive(files: dict[str, bytes]) -> bytes:
    return cifar10_archive(files)


@pytest.fixture
def small_cifar10(files: dict[str, bytes], archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, CIFAR-10 is 120 random images."""
    monkeypatch.setattr("torchvision.datasets.CIFAR10", cifar10_release(files, archive))


@pytest.fixture
def server(archive: bytes) -> Iterator[Server]:
    with serve(archive) as state:
        yield state
