"""CIFAR-10 arrives whole, or not at all and with one clear sentence."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from misbehaving_server import Server
from small_data import check_small_cifar10, leftovers, put

from nonlin.images import cifar10
from nonlin.images.cifar10 import FetchError
from nonlin.images.dataset import DataError, Dataset
from nonlin.images.download import Limits
from nonlin.images.sources import load

pytestmark = pytest.mark.usefixtures("checkout", "small_cifar10")

QUICK = Limits(opening=3.0, silence=1.5)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty data folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that delivers, until a test sets another address."""
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("whole"))
    return server


def test_it_is_downloaded_once(tmp_path: Path, files: dict[str, bytes], server: Server) -> None:
    for _ in range(2):
        check_small_cifar10(cifar10.load(tmp_path / "new" / "data"), files)
    assert server.requests == ["/whole"]
    assert leftovers(tmp_path / "new" / "data") == ["cifar-10-batches-py"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("truncated", "the connection ended after"),
        ("other", "wrong checksum"),
        ("stalled", "it stopped sending"),
        ("refused", "it answers: 503 Service Unavailable"),
    ],
)
def test_a_failing_server_gives_one_sentence_and_leaves_nothing(
    place: Path, server: Server, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url(path))
    with pytest.raises(FetchError) as caught:
        cifar10.load(place, limits=QUICK)
    for part in (said, "127.0.0.1", "NONLIN_CIFAR10_URL"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leftovers(place) == []


def test_two_at_once_download_once(
    place: Path, files: dict[str, bytes], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("slowly-whole"))
    results: list[Dataset] = []

    def work() -> None:
        results.append(cifar10.load(place))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 3
    assert server.requests == ["/slowly-whole"]
    for dataset in results:
        check_small_cifar10(dataset, files)


def test_a_damaged_file_is_replaced(place: Path, files: dict[str, bytes], server: Server) -> None:
    put({**files, "data_batch_3": files["data_batch_3"][:-1]}, place)
    with pytest.raises(DataError, match="files are damaged"):
        cifar10.load(place, fetch=False)
    check_small_cifar10(cifar10.load(place), files)
    assert leftovers(place) == ["cifar-10-batches-py"]


def test_what_a_killed_process_left_is_removed(place: Path, server: Server) -> None:
    (place / ".cifar10-killed").mkdir()
    (place / ".cifar10-killed" / "archive").write_bytes(b"half")
    cifar10.load(place)
    assert leftovers(place) == ["cifar-10-batches-py"]


def test_an_archive_put_there_by_hand_is_used(place: Path, files: dict[str, bytes], archive: bytes) -> None:
    (place / "cifar-10-python.tar.gz").write_bytes(archive)
    check_small_cifar10(cifar10.load(place), files)


def test_a_full_disk_is_noticed_before(place: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "SPACE", 10**18)
    with pytest.raises(DataError, match="MB are needed") as caught:
        cifar10.load(place)
    assert not isinstance(caught.value, FetchError)
    assert server.requests == []
    assert leftovers(place) == []


def test_a_disk_that_fills_up_leaves_nothing_behind(
    place: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_copy = shutil.copyfileobj

    def full(source: Any, target: Any) -> None:
        target.write(source.read(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"No space left on device.*make room"):
        cifar10.load(place)
    assert leftovers(place) == []
    monkeypatch.setattr(shutil, "copyfileobj", real_copy)
    cifar10.load(place)


def test_a_folder_that_cannot_be_made(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be stored.*NONLIN_DATA"):
        cifar10.load(tmp_path / "file" / "data")
    assert server.requests == []


def test_a_complete_folder_is_only_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    put(files, tmp_path)
    for path in (*tmp_path.rglob("*"), tmp_path):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*")))
    check_small_cifar10(cifar10.load(tmp_path), files)
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*"))) == before
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py"])
def test_a_folder_in_torchvisions_layout_is_cifar10(tmp_path: Path, files: dict[str, bytes], below: str) -> None:
    put(files, tmp_path / "shared")
    check_small_cifar10(load(tmp_path / "shared" / below), files)
    (tmp_path / "shared" / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(DataError, match="files are damaged"):
        load(tmp_path / "shared" / below)
