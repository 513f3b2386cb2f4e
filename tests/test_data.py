"""Data arrive whole, or not at all and with one clear sentence; no network is used but this machine's own."""

import hashlib
import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nonlinear.experiments import data, folders, shapes10
from nonlinear.experiments.data import DataError, Dataset, FetchError, Limits, Split, load, load_cifar10

QUICK = Limits(opening=3.0, silence=1.5, slowest=10_000, window=0.6, space=10_000_000)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own for every test, and an environment without settings."""
    for name in ("NONLINEAR_DATA", "NONLINEAR_RUNS", "NONLINEAR_CIFAR10_URL", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.setattr(folders, "project_root", lambda: root)
    data._warn_once.cache_clear()
    return root


def no_notice(text: str) -> None:
    raise AssertionError(f"there was a notice: {text}")


# A small CIFAR-10


def batch_bytes(rng: np.random.Generator, n: int) -> bytes:
    """A batch as an old NumPy pickled it: 0 and 1 where a newer one writes False and True."""
    batch = {"data": rng.integers(0, 256, (n, 3072), np.uint8), "labels": [i % 10 for i in range(n)]}
    pickled = pickle.dumps(batch, protocol=0).replace(b"I00\n", b"I0\n").replace(b"I01\n", b"I1\n")
    assert b"I0\n" in pickled
    return pickled


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    return {name: batch_bytes(rng, 20) for name in names} | {
        "batches.meta": pickle.dumps({"label_names": list(CLASSES)}, protocol=0)
    }


@pytest.fixture(scope="module")
def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def release(files: dict[str, bytes], archive: bytes) -> type:
    """torchvision's CIFAR10 with the small files' checksums."""
    from torchvision.datasets import CIFAR10

    def md5(content: bytes) -> str:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    class Small(CIFAR10):
        url = "http://127.0.0.1:9/nothing-listens-here"
        tgz_md5 = md5(archive)
        train_list = [[name, md5(content)] for name, content in files.items() if name.startswith("data")]  # noqa: RUF012
        test_list = [["test_batch", md5(files["test_batch"])]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}  # noqa: RUF012

    return Small


def put(files: dict[str, bytes], folder: Path) -> Path:
    """Write the small CIFAR-10 below a folder."""
    target = folder / "cifar-10-batches-py"
    target.mkdir(parents=True)
    for name, content in files.items():
        (target / name).write_bytes(content)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty data folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def leftovers(folder: Path) -> list[str]:
    """What lies in a data folder besides its lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


# A server that can misbehave


@dataclass
class Server:
    address: str
    requests: list[str] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@pytest.fixture
def server(archive: bytes) -> Iterator[Server]:
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            BEHAVIOURS[self.path.strip("/")](self, archive, state.finished)

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    class QuietServer(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up here on purpose."""

    http_server = QuietServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{http_server.server_address[1]}"
    threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield state
    state.finished.set()
    http_server.shutdown()
    http_server.server_close()


def _start(handler: BaseHTTPRequestHandler, length: int | None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.flush()


def _whole(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, len(archive))
    handler.wfile.write(archive)


def _slowly_whole(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    finished.wait(0.3)
    _whole(handler, archive, finished)


def _without_length(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, None)
    handler.wfile.write(archive)


def _truncated(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, len(archive))
    handler.wfile.write(archive[: len(archive) // 2])


def _other(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, 18)
    handler.wfile.write(b"<html>log in first")


def _silent(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    finished.wait(30)


def _stalled(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, len(archive))
    handler.wfile.write(archive[:1000])
    handler.wfile.flush()
    finished.wait(30)


def _dripping(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, len(archive))
    for index in range(len(archive)):
        handler.wfile.write(archive[index : index + 1])
        handler.wfile.flush()
        if finished.wait(0.05):
            return


def _dripping_headers(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    while not finished.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def _endless(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    _start(handler, None)
    while not finished.is_set():
        handler.wfile.write(bytes(1 << 20))


def _refused(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    handler.send_error(503, "Service Unavailable")


def _garbage(handler: BaseHTTPRequestHandler, archive: bytes, finished: threading.Event) -> None:
    handler.wfile.write(b"this is not HTTP\r\n\r\n")


BEHAVIOURS: dict[str, Callable[[BaseHTTPRequestHandler, bytes, threading.Event], None]] = {
    "whole": _whole,
    "slowly-whole": _slowly_whole,
    "without-length": _without_length,
    "truncated": _truncated,
    "other": _other,
    "silent": _silent,
    "stalled": _stalled,
    "dripping": _dripping,
    "dripping-headers": _dripping_headers,
    "endless": _endless,
    "refused": _refused,
    "garbage": _garbage,
}


# CIFAR-10


def check_small_cifar10(dataset: Dataset, files: dict[str, bytes]) -> None:
    first = pickle.loads(files["data_batch_1"])
    assert (dataset.name, dataset.title, dataset.classes) == ("cifar10", "CIFAR-10", CLASSES)
    assert dataset.train.images.shape == (100, 3, 32, 32)
    assert dataset.test.images.shape == (20, 3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.train.labels.dtype == torch.int64
    np.testing.assert_array_equal(dataset.train.images[:20].flatten(1), first["data"])
    assert dataset.train.labels[:20].tolist() == first["labels"]


@pytest.mark.parametrize("path", ["whole", "without-length"])
def test_cifar10_is_downloaded_once(
    tmp_path: Path, files: dict[str, bytes], release: type, server: Server, path: str
) -> None:
    for _ in range(2):
        dataset = load_cifar10(tmp_path / "new" / "data", release=release, url=server.url(path), limits=QUICK)
        check_small_cifar10(dataset, files)
    assert server.requests == [f"/{path}"]
    assert leftovers(tmp_path / "new" / "data") == ["cifar-10-batches-py"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("truncated", "the connection ended after"),
        ("other", "wrong checksum"),
        ("silent", "it does not answer"),
        ("stalled", "it stopped sending"),
        ("dripping", "kB a second"),
        ("dripping-headers", "it does not answer"),
        ("endless", "more than CIFAR-10 has"),
        ("refused", "it answers: 503 Service Unavailable"),
        ("garbage", "this is not HTTP"),
    ],
)
def test_a_failing_server_ends_soon_with_one_sentence_and_nothing_left(
    tmp_path: Path, release: type, server: Server, path: str, said: str
) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        load_cifar10(tmp_path / "data", release=release, url=server.url(path), limits=QUICK)
    assert time.monotonic() - started < 15
    assert said in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert "NONLINEAR_CIFAR10_URL" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/x", "Connection refused" if os.name == "posix" else "127.0.0.1"),
        ("ftp://127.0.0.1/x", "must begin with https://"),
        ("cifar.tar.gz", "must begin with https://"),
        ("http://127.0.0.1:port/x", "port"),
        ("http://[::1/x", "Invalid IPv6"),
    ],
)
def test_an_address_that_leads_nowhere(tmp_path: Path, release: type, url: str, said: str) -> None:
    with pytest.raises(FetchError, match=said):
        load_cifar10(tmp_path / "data", release=release, url=url, limits=QUICK)


def test_looking_up_a_name_may_take_no_longer(place: Path, release: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket's time limit covers this: a firewall that swallows DNS would otherwise cost half a minute."""
    released = threading.Event()

    def swallow(*args: object, **kwargs: object) -> None:
        released.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", swallow)
    started = time.monotonic()
    with pytest.raises(FetchError, match="it does not answer"):
        load_cifar10(place, release=release, url="https://example.org/x", limits=QUICK)
    assert time.monotonic() - started < 15
    released.set()


def test_https_is_not_left_for_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    follow = data._SecureRedirects().redirect_request
    with pytest.raises(urllib.error.URLError, match="insecure"):
        follow(request, None, 302, "Found", {}, "http://example.org/a")
    assert follow(request, None, 302, "Found", {}, "https://example.org/b").full_url == "https://example.org/b"
    assert urllib.request.build_opener(data._SecureRedirects).handle_error["http"]  # it is one that openers accept


def test_default_limits_let_auto_fall_back_within_ten_seconds() -> None:
    assert Limits().opening <= 10
    assert Limits().silence <= 10


def test_two_at_once_download_once(place: Path, files: dict[str, bytes], release: type, server: Server) -> None:
    results: list[Dataset] = []

    def work() -> None:
        results.append(load_cifar10(place, release=release, url=server.url("slowly-whole"), limits=QUICK))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 3
    assert server.requests == ["/slowly-whole"]
    for dataset in results:
        check_small_cifar10(dataset, files)


def test_a_damaged_file_is_replaced(place: Path, files: dict[str, bytes], release: type, server: Server) -> None:
    put({**files, "data_batch_3": files["data_batch_3"][:-1]}, place)
    with pytest.raises(DataError, match="files are damaged"):
        load_cifar10(place, fetch=False, release=release)
    check_small_cifar10(load_cifar10(place, release=release, url=server.url("whole"), limits=QUICK), files)
    assert leftovers(place) == ["cifar-10-batches-py"]


def test_what_a_killed_process_left_is_removed(place: Path, release: type, server: Server) -> None:
    (place / ".cifar10-killed").mkdir()
    (place / ".cifar10-killed" / "archive").write_bytes(b"half")
    load_cifar10(place, release=release, url=server.url("whole"), limits=QUICK)
    assert leftovers(place) == ["cifar-10-batches-py"]


def test_an_archive_put_there_by_hand_is_used(
    place: Path, files: dict[str, bytes], release: type, archive: bytes
) -> None:
    (place / "cifar-10-python.tar.gz").write_bytes(archive)
    check_small_cifar10(load_cifar10(place, release=release, limits=QUICK), files)


def test_a_full_disk_is_noticed_before(place: Path, release: type, server: Server) -> None:
    with pytest.raises(DataError, match="MB are needed") as caught:
        load_cifar10(place, release=release, url=server.url("whole"), limits=Limits(space=10**18))
    assert not isinstance(caught.value, FetchError)
    assert server.requests == []
    assert leftovers(place) == []


def test_a_disk_that_fills_up_leaves_nothing_behind(
    place: Path, release: type, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_copy = shutil.copyfileobj

    def full(source: Any, target: Any) -> None:
        target.write(source.read(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"No space left on device.*make room"):
        load_cifar10(place, release=release, url=server.url("whole"), limits=QUICK)
    assert leftovers(place) == []
    monkeypatch.setattr(shutil, "copyfileobj", real_copy)
    load_cifar10(place, release=release, url=server.url("whole"), limits=QUICK)


def test_a_folder_that_cannot_be_made(tmp_path: Path, release: type, server: Server) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be stored.*NONLINEAR_DATA"):
        load_cifar10(tmp_path / "file" / "data", release=release, url=server.url("whole"), limits=QUICK)
    assert server.requests == []


def test_a_complete_folder_is_only_read(tmp_path: Path, files: dict[str, bytes], release: type) -> None:
    put(files, tmp_path)
    for path in (*tmp_path.rglob("*"), tmp_path):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*")))
    check_small_cifar10(load_cifar10(tmp_path, release=release), files)
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*"))) == before
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py"])
def test_a_folder_in_torchvisions_layout_is_cifar10(
    tmp_path: Path, files: dict[str, bytes], release: type, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    monkeypatch.setattr("torchvision.datasets.CIFAR10", release)
    put(files, tmp_path / "shared")
    check_small_cifar10(load(tmp_path / "shared" / below), files)
    (tmp_path / "shared" / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(DataError, match="files are damaged"):
        load(tmp_path / "shared" / below)


# Choosing a source


@pytest.fixture
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes10, "TRAIN_SIZE", 300)
    monkeypatch.setattr(shapes10, "TEST_SIZE", 50)


def test_cifar10_by_name(
    checkout: Path, files: dict[str, bytes], release: type, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.datasets.CIFAR10", release)
    monkeypatch.setenv("NONLINEAR_CIFAR10_URL", server.url("whole"))
    monkeypatch.setenv("NONLINEAR_DATA", "shapes10")  # an explicit source wins
    check_small_cifar10(load("cifar10", notice=no_notice), files)
    assert (checkout / "data" / "cifar-10-batches-py" / "test_batch").is_file()
    monkeypatch.delenv("NONLINEAR_DATA")
    check_small_cifar10(load(notice=no_notice), files)
    assert len(server.requests) == 1


@pytest.mark.usefixtures("few_shapes")
def test_auto_tells_once_why_it_falls_back_and_does_not_wait_again(
    release: type, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONLINEAR_CIFAR10_URL", server.url("refused"))
    for _ in range(3):
        notices: list[str] = []
        dataset = load(notice=notices.append)
        assert dataset.name == "shapes10"
        assert "not CIFAR-10" in dataset.title
        assert len(notices) == 1
        for part in ("not CIFAR-10", "shapes10 is used instead", "503", "python3 start.py data cifar10", "60 minutes"):
            assert part in notices[0]
    assert len(server.requests) == 1
    with pytest.raises(FetchError, match="503"):  # whoever asks for it by name gets an attempt
        load("cifar10")
    assert len(server.requests) == 2


@pytest.mark.usefixtures("few_shapes")
@pytest.mark.parametrize("note", ["an hour ago", "from the future", "another mirror", "not JSON", "[]"])
def test_auto_tries_again_when_the_note_does_not_count(
    server: Server, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    url = server.url("refused")
    monkeypatch.setenv("NONLINEAR_CIFAR10_URL", url)
    when = time.time() + {"an hour ago": -3601, "from the future": 1000}.get(note, 0)
    mirror = "https://elsewhere" if note == "another mirror" else url
    content = json.dumps({"when": when, "mirror": mirror, "reason": "old"})
    path = folders.cache_folder() / "cifar10-not-delivered.json"
    path.parent.mkdir(parents=True)
    path.write_text(note if note in ("not JSON", "[]") else content)
    notices: list[str] = []
    load(notice=notices.append)
    assert len(server.requests) == 1
    assert "503" in notices[0]


@pytest.mark.usefixtures("few_shapes")
def test_a_full_disk_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("NONLINEAR_CIFAR10_URL", server.url("refused"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    notices: list[str] = []
    load(notice=notices.append)
    assert "MB are needed" in notices[0]
    assert "not tried again" not in notices[0]
    monkeypatch.undo()


@pytest.mark.usefixtures("few_shapes")
def test_a_torchvision_that_does_not_fit_torch_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)  # makes its import fail
    notices: list[str] = []
    assert load(notice=notices.append).name == "shapes10"
    assert "needs torchvision" in notices[0]


@pytest.mark.usefixtures("few_shapes")
def test_nonlinear_data_names_a_source_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONLINEAR_DATA", "shapes10")
    assert load(notice=no_notice).name == "shapes10"
    monkeypatch.setenv("NONLINEAR_DATA", str(image_folder(tmp_path / "leaves")))
    assert load(notice=no_notice).name == "leaves"
    assert load("shapes10").name == "shapes10"
    monkeypatch.setenv("NONLINEAR_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"NONLINEAR_DATA is set to .*gone.*does not exist"):
        load(notice=no_notice)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("cifar100", "did you mean 'cifar10'"),
        ("CIFAR10", "did you mean 'cifar10'"),
        ("shapes", "did you mean 'shapes10'"),
        ("mnist", "choose one of auto, cifar10, shapes10, or the path of a folder"),
    ],
)
def test_an_unknown_source(source: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        load(source)
    assert ("did you mean" in str(caught.value)) == ("did you mean" in said)


def test_notice_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    data.show_notice("Heading\n" + "word " * 40)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert {len(line) for line in lines} == {78}
    assert lines[0] == lines[-1] == "#" * 78
    assert shown.err.count("word") == 40
    assert shown.err.isascii()


def test_notice_in_a_notebook() -> None:
    """In a real kernel: framed HTML, and the same as text for whatever shows no HTML."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        outputs: list[dict[str, Any]] = []
        code = "from nonlinear.experiments.data import show_notice\nshow_notice('Not <CIFAR-10>\\nsecond line')"
        client.execute_interactive(code, timeout=60, output_hook=outputs.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    shown = [output["content"]["data"] for output in outputs if output["msg_type"] == "display_data"]
    assert len(shown) == 1
    assert "border:4px" in shown[0]["text/html"]
    assert "<b>Not &lt;CIFAR-10&gt;</b><br>second line" in shown[0]["text/html"]
    assert "# Not <CIFAR-10>" in shown[0]["text/plain"]


# shapes10 and the cache


@pytest.mark.usefixtures("few_shapes")
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


def counted(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[Any]:
    """Count the calls of a function from now on."""
    calls: list[Any] = []
    original = getattr(place, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(place, name, counting)
    return calls


@pytest.mark.usefixtures("few_shapes")
@pytest.mark.parametrize("damage", ["truncated", "one byte", "empty", "other content"])
def test_a_damaged_cache_is_made_again(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    first = load("shapes10")
    path = folders.cache_folder() / "shapes10.pt"
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


@pytest.mark.usefixtures("few_shapes")
def test_a_cache_that_cannot_be_written_costs_time_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="cannot be written") as caught:
        first, second = load("shapes10"), load("shapes10")
    assert len(caught) == 1
    assert torch.equal(first.train.images, second.train.images)


@pytest.mark.usefixtures("few_shapes")
def test_a_disk_that_fills_up_leaves_no_part_of_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(load("shapes10").train.images) == 300
    assert leftovers(folders.cache_folder()) == []


@pytest.mark.usefixtures("few_shapes")
def test_parts_of_a_killed_process_are_removed() -> None:
    folders.cache_folder().mkdir(parents=True)
    (folders.cache_folder() / ".shapes10.pt-0123abcd.part").write_bytes(b"half")
    load("shapes10")
    assert leftovers(folders.cache_folder()) == ["shapes10.pt"]


def test_mean_and_std_are_those_of_the_training_images() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5000, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images[:, 1] //= 4
    images[:, 2] = 255
    split = Split(images=images, labels=torch.zeros(5000, dtype=torch.int64))
    test = Split(images=images[:1] * 0, labels=torch.zeros(1, dtype=torch.int64))
    dataset = Dataset(name="x", title="x", classes=("a",), train=split, test=test)
    scaled = images.double() / 255
    torch.testing.assert_close(dataset.mean, scaled.mean(dim=(0, 2, 3)).float())
    expected = scaled.std(dim=(0, 2, 3), correction=0).float()
    torch.testing.assert_close(dataset.std[:2], expected[:2])
    assert dataset.std[2] == torch.tensor(1 / 255)  # constant, yet it can be divided by
    assert dataset.mean.shape == dataset.std.shape == (3,)
    assert dataset.mean.dtype == dataset.std.dtype == torch.float32
    assert dataset.mean is dataset.mean  # computed once


# Folders of images


def image_folder(root: Path, classes: tuple[str, ...] = ("oak", "elm"), n: int = 3) -> Path:
    """A small folder of PNG images: image i of class c in train/ has all pixels 100 c + i, in test/ 50 more."""
    for part, more in (("train", 0), ("test", 50)):
        for label, name in enumerate(sorted(classes)):
            (root / part / name).mkdir(parents=True)
            for index in range(n):
                Image.new("RGB", (32, 32), (100 * label + index + more, 1, 2)).save(root / part / name / f"{index}.png")
    return root


def test_a_folder_of_images(tmp_path: Path) -> None:
    dataset = load(str(image_folder(tmp_path / "trees")))
    assert (dataset.name, dataset.title, dataset.classes) == ("trees", "trees", ("elm", "oak"))
    for split, more in ((dataset.train, 0), (dataset.test, 50)):
        assert split.images.shape == (6, 3, 32, 32)
        values = split.images[:, 0, 0, 0].long() - more
        assert sorted(values.tolist()) == [0, 1, 2, 100, 101, 102]
        assert torch.equal(values // 100, split.labels)
        assert split.images[:, 1].eq(1).all()
        assert split.images[:, 2].eq(2).all()


def test_classes_are_mixed_and_the_order_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = image_folder(tmp_path / "trees", n=50)
    first = load(folder).train
    assert 5 < first.labels[:25].sum() < 20
    shutil.rmtree(folders.cache_folder())
    assert torch.equal(load(folder).train.images, first.images)


def test_a_folder_is_read_again_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = image_folder(tmp_path / "trees")
    load(folder)
    calls = counted(monkeypatch, data, "_read_image")
    load(folder)
    assert calls == []
    Image.new("RGB", (32, 32), "red").save(folder / "train" / "oak" / "new.png")
    assert len(load(folder).train.labels) == 7
    (folder / "train" / "oak" / "new.png").rename(folder / "train" / "elm" / "new.png")
    assert load(folder).train.labels.sum() == 3
    os.utime(folder / "train" / "elm" / "new.png", (1, 1))
    before = len(calls)
    load(folder)
    assert len(calls) == before + 13
    assert len(list(folders.cache_folder().glob("folder-*.pt"))) == 1  # the old one is replaced


def converted(tmp_path: Path, image: Image.Image, name: str = "x.png", **options: Any) -> torch.Tensor:
    """What an image becomes when it is loaded: (3, 32, 32)."""
    folder = image_folder(tmp_path / "one", ("a",), n=1)
    for part in ("train", "test"):
        (folder / part / "a" / "0.png").unlink()
        image.save(folder / part / "a" / name, **options)
    return load(folder).train.images[0]


def test_grey_is_repeated(tmp_path: Path) -> None:
    assert converted(tmp_path, Image.new("L", (32, 32), 77)).eq(77).all()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    assert converted(tmp_path, Image.fromarray(np.full((32, 32), 77 * 256 + 5, np.uint16))).eq(77).all()


def test_transparent_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    pixels = converted(tmp_path, image)
    assert pixels[:, 0, 0].tolist() == [0, 0, 255]
    assert pixels[:, 0, 31].tolist() == [255, 255, 255]


def test_a_transparent_palette_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert converted(tmp_path, image, "x.gif", transparency=1).eq(255).all()


def test_a_large_image_is_cropped_to_its_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    pixels = converted(tmp_path, image, "x.bmp")
    assert pixels[2].eq(255).all()
    assert pixels[0].eq(0).all()


def test_the_camera_was_turned(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = converted(tmp_path, image, exif=exif)
    assert pixels[0, 2, 16] == 0
    assert pixels[0, 29, 16] == 255


def test_what_systems_hide_in_folders_is_ignored(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "trees")
    for place in (folder, folder / "train", folder / "train" / "oak"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png"):
            (place / name).write_bytes(b"x")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    assert len(load(folder).train.labels) == 6


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _is_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def _no_train(folder: Path) -> None:
    shutil.rmtree(folder / "train")


def _no_test(folder: Path) -> None:
    shutil.rmtree(folder / "test")


def _no_classes(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    (folder / "train").mkdir()


def _empty_class(folder: Path) -> None:
    (folder / "test" / "ash").mkdir()


def _only_in_train(folder: Path) -> None:
    shutil.rmtree(folder / "test" / "oak")


def _only_in_test(folder: Path) -> None:
    shutil.rmtree(folder / "train" / "oak")


def _garbage_image(folder: Path) -> None:
    (folder / "train" / "oak" / "1.png").write_bytes(b"not a picture")


def _cut_image(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "train" / "oak" / "1.png")
    content = (folder / "train" / "oak" / "1.png").read_bytes()
    (folder / "train" / "oak" / "1.png").write_bytes(content[:-900])


def _text_among_images(folder: Path) -> None:
    (folder / "train" / "oak" / "notes.txt").touch()


def _folder_among_images(folder: Path) -> None:
    (folder / "train" / "oak" / "deeper.png").mkdir()


def _image_outside(folder: Path) -> None:
    Image.new("RGB", (32, 32)).save(folder / "train" / "stray.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_folder, r"trees does not exist"),
        (_is_a_file, r"trees does not exist, or is not a folder"),
        (_no_train, r"trees has no folder train/"),
        (_no_test, r"trees has no folder test/"),
        (_no_classes, r"train is empty"),
        (_empty_class, r"ash holds no image"),
        (_only_in_train, r"'oak' is in train/ only"),
        (_only_in_test, r"'oak' is in test/ only"),
        (_garbage_image, r"oak.1\.png cannot be read"),
        (_cut_image, r"oak.1\.png cannot be read"),
        (_text_among_images, r"notes\.txt is not an image file"),
        (_folder_among_images, r"deeper\.png is not an image file"),
        (_image_outside, r"stray\.png is not in a class folder"),
    ],
)
def test_a_folder_that_is_not_right(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = image_folder(tmp_path / "trees")
    spoil(folder)
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert leftovers(folders.cache_folder()) == []


def test_sample_photograph() -> None:
    photograph = data.sample_photograph()
    assert photograph.dtype == torch.uint8
    assert photograph.shape == (3, 600, 512)
    assert photograph.is_contiguous()
    assert photograph.float().std() > 30


def test_importing_does_not_import_torchvision() -> None:
    code = "import sys, nonlinear.experiments.data; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Places


def test_a_checkout_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    module = tmp_path / "src" / "nonlinear" / "experiments" / "folders.py"
    assert folders.project_root(module) is None
    (tmp_path / "pyproject.toml").touch()
    assert folders.project_root(module) is None
    (tmp_path / "notebooks").mkdir()
    assert folders.project_root(module) == tmp_path.resolve()
    assert folders.project_root() == Path(__file__).resolve().parents[1]


def test_places_in_a_checkout(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.runs_folder() == checkout / "runs"
    assert folders.data_folder() == checkout / "data"
    assert folders.cache_folder() == checkout / "data" / "cache"
    monkeypatch.setenv("NONLINEAR_RUNS", str(tmp_path / "elsewhere"))
    assert folders.runs_folder() == tmp_path / "elsewhere"
    assert list(checkout.iterdir()) == []


def test_places_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "project_root", lambda: None)
    for kind in ("data", "cache"):
        monkeypatch.setattr(folders.platformdirs, f"user_{kind}_path", lambda *_, kind=kind, **__: tmp_path / kind)
    assert folders.runs_folder() == tmp_path / "data" / "runs"
    assert folders.data_folder() == tmp_path / "data" / "data"
    assert folders.cache_folder() == tmp_path / "data" / "data" / "cache"
    monkeypatch.setattr(folders, "is_writable", lambda folder: False)
    assert folders.cache_folder() == tmp_path / "cache"
    assert not (tmp_path / "data").exists()


def test_writable_means_that_files_can_be_made(tmp_path: Path) -> None:
    assert folders.is_writable(tmp_path)
    assert folders.is_writable(tmp_path / "not" / "yet")
    (tmp_path / "file").touch()
    assert not folders.is_writable(tmp_path / "file")
    assert not folders.is_writable(tmp_path / "file" / "below")
    (tmp_path / "locked").mkdir(mode=0o555)
    assert folders.is_writable(tmp_path / "locked") == os.access(tmp_path / "locked", os.W_OK)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    folders.write_whole(path, lambda file: file.write(b"old"))

    def fail(file: Any) -> None:
        file.write(b"half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folders.write_whole(path, fail)
    assert path.read_bytes() == b"old"
    folders.write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert leftovers(path.parent) == ["file"]
