"""CIFAR-10 arrives whole, or not at all and with one clear sentence."""

import io
import pickle
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from misbehaving_server import Server
from small_data import check_small_cifar10, cifar10_archive, cifar10_release, leftovers, put

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
    assert [name for name in leftovers(place) if not name.startswith((".cifar10.", PART))] == []


PART = "cifar-10-python.tar.gz.part"


@pytest.mark.parametrize(
    ("path", "left", "asked"),
    [
        ("in-parts", lambda archive: archive[:1000], ["bytes=1000-"]),
        ("in-parts", lambda archive: b"x" * 1000, ["bytes=1000-", None]),  # damaged: seen by the checksum, begun anew
        ("in-parts", lambda archive: archive, []),  # killed after its last byte
        ("in-parts", lambda archive: archive + b"x", ["bytes=ALL-", None]),
        ("whole", lambda archive: b"x" * 1000, ["bytes=1000-"]),
    ],
)
def test_a_download_goes_on_where_it_was_killed(
    place: Path,
    files: dict[str, bytes],
    archive: bytes,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    left: Callable[[bytes], bytes],
    asked: list[str | None],
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url(path))
    (place / PART).write_bytes(left(archive))
    check_small_cifar10(cifar10.load(place, limits=QUICK), files)
    expected = [part and part.replace("ALL", str(len(archive) + 1)) for part in asked]
    assert [part for part, _ in server.asked_for] == expected
    assert leftovers(place) == ["cifar-10-batches-py"]


def test_what_stays_wrong_is_begun_anew_once(place: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("other"))
    (place / PART).write_bytes(b"x" * 1000)
    with pytest.raises(FetchError, match="wrong checksum"):
        cifar10.load(place, limits=QUICK)
    assert len(server.requests) == 1  # nothing old was in it
    assert PART not in leftovers(place)


@pytest.mark.parametrize("retry", [True, False])
def test_many_wait_once_for_a_silent_server(
    place: Path, server: Server, monkeypatch: pytest.MonkeyPatch, retry: bool
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("silent"))
    errors: list[FetchError] = []

    def work() -> None:
        with pytest.raises(FetchError, match="it does not answer") as caught:
            cifar10.load(place, retry=retry, limits=Limits(opening=0.5))
        errors.append(caught.value)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(server.requests) == 1
    assert [error.wait == pytest.approx(3600, abs=10) for error in errors] == [True] * 8


def test_what_is_unpickled_is_what_was_checked(
    place: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Even if somebody exchanges each file as soon as it was read."""
    put(files, place)
    original = cifar10._checked

    def exchange(path: Path, md5: str) -> bytes | None:
        content = original(path, md5)
        path.write_bytes(pickle.dumps(Attack(tmp_path / "was-here"), protocol=0))
        return content

    monkeypatch.setattr(cifar10, "_checked", exchange)
    check_small_cifar10(cifar10.load(place), files)
    assert not (tmp_path / "was-here").exists()


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_a_pickle_makes_nothing_but_arrays(tmp_path: Path) -> None:
    for protocol in (0, 2, 4):
        with pytest.raises(pickle.UnpicklingError, match="neither an array nor plain data"):
            cifar10._unpickled(pickle.dumps({"data": Attack(tmp_path / "was-here")}, protocol=protocol))
    assert not (tmp_path / "was-here").exists()


def test_an_archive_cannot_write_elsewhere(
    place: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, kind in (("../outside", tarfile.REGTYPE), ("/outside", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc"
            tar.addfile(info)
        with tarfile.open(fileobj=io.BytesIO(cifar10_archive(files))) as good:
            for member in good:
                tar.addfile(member, good.extractfile(member))
    release = cifar10_release(files, buffer.getvalue())
    monkeypatch.setattr("torchvision.datasets.CIFAR10", release)
    (place / release.filename).write_bytes(buffer.getvalue())
    check_small_cifar10(cifar10.load(place), files)
    assert leftovers(place) == ["cifar-10-batches-py", release.filename]
    assert leftovers(place / "cifar-10-batches-py") == sorted(files)


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


def test_a_disk_that_fills_up_keeps_what_was_downloaded(
    place: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_copy = shutil.copyfileobj

    def full(source: Any, target: Any) -> None:
        target.write(source.read(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"No space left on device.*make room"):
        cifar10.load(place)
    assert leftovers(place) == [PART, f"{PART}.version"]
    monkeypatch.setattr(shutil, "copyfileobj", real_copy)
    cifar10.load(place)
    assert server.requests == ["/whole"]
    assert leftovers(place) == ["cifar-10-batches-py"]


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
