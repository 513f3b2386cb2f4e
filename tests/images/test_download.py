"""Downloads arrive whole, or end soon with a few words; no network is used but this machine's own."""

import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from misbehaving_server import VERSION, Server

from nonlin.images.download import DownloadError, Limits, _SecureRedirects, download

pytestmark = pytest.mark.usefixtures("checkout")

QUICK = Limits(opening=3.0, silence=1.5, slowest=10_000, window=0.6, size=10_000_000)


@pytest.mark.parametrize("path", ["whole", "without-length"])
def test_a_file_arrives_whole(tmp_path: Path, archive: bytes, server: Server, path: str) -> None:
    download(server.url(path), tmp_path / "file", QUICK, title="a file")
    assert (tmp_path / "file").read_bytes() == archive


def test_what_broke_off_is_gone_on_with(tmp_path: Path, archive: bytes, server: Server) -> None:
    half = len(archive) // 2
    with pytest.raises(DownloadError, match=f"the connection ended after {half} of {len(archive)} bytes"):
        download(server.url("breaks-off"), tmp_path / "file", QUICK, title="a file")
    assert download(server.url("breaks-off"), tmp_path / "file", QUICK, title="a file")
    assert (tmp_path / "file").read_bytes() == archive
    assert server.asked_for == [(None, None), (f"bytes={half}-", VERSION)]


def test_who_brought_much_is_asked_for_the_rest_at_once(
    tmp_path: Path, archive: bytes, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonlin.images.download.PROGRESS", 1000)
    assert not download(server.url("breaks-off"), tmp_path / "file", QUICK, title="a file")  # nothing old is in it
    assert (tmp_path / "file").read_bytes() == archive


@pytest.mark.parametrize(
    ("path", "requests", "kept"),
    [
        ("in-parts", 1, True),
        ("whole", 1, False),
        ("without-length", 1, False),
        ("another-version", 1, False),
        ("another-part", 2, False),
        ("no-such-part", 2, False),
        ("part-without-place", 2, False),
    ],
)
def test_a_server_that_does_not_go_on_begins_anew(
    tmp_path: Path, archive: bytes, server: Server, path: str, requests: int, kept: bool
) -> None:
    (tmp_path / "file").write_bytes(archive[:1000])
    (tmp_path / "file.version").write_text(VERSION)
    assert download(server.url(path), tmp_path / "file", QUICK, title="a file") == kept
    assert (tmp_path / "file").read_bytes() == archive
    assert len(server.requests) == requests


@pytest.mark.parametrize("path", ["web-page", "refused", "garbage", "silent"])
def test_what_has_come_outlives_a_server_that_fails(tmp_path: Path, server: Server, path: str) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "file.version").write_text("damaged\r\nHost: elsewhere")
    with pytest.raises(DownloadError, match=r"web page|503|not HTTP|not answer"):
        download(server.url(path), tmp_path / "file", Limits(opening=0.5), title="a file")
    assert (tmp_path / "file").read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs links")
def test_a_download_follows_no_link(tmp_path: Path, server: Server) -> None:
    (tmp_path / "letter").write_text("dear")
    for name in ("file", "file.version"):
        (tmp_path / name).symlink_to(tmp_path / "letter")
    with pytest.raises(OSError, match="symbolic link"):
        download(server.url("whole"), tmp_path / "file", QUICK, title="a file")
    assert (tmp_path / "letter").read_text() == "dear"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("truncated", "the connection ended after"),
        ("silent", "it does not answer"),
        ("stalled", "it stopped sending"),
        ("dripping", "it sends only .* kB a second"),
        ("dripping-headers", "it does not answer"),
        ("endless", "it sends more than 10 MB"),
        ("refused", "it answers: 503 Service Unavailable"),
        ("garbage", "this is not HTTP"),
    ],
)
def test_a_failing_server_is_given_up_soon(tmp_path: Path, server: Server, path: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(DownloadError, match=said) as caught:
        download(server.url(path), tmp_path / "file", QUICK, title="a file")
    assert time.monotonic() - started < 15
    assert "\n" not in str(caught.value)


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
def test_an_address_that_leads_nowhere(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(DownloadError, match=said):
        download(url, tmp_path / "file", QUICK, title="a file")


def test_looking_up_a_name_may_take_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket's time limit covers this: a firewall that swallows DNS would otherwise cost half a minute."""
    released, waited_for = threading.Event(), []

    def swallow(*args: object, **kwargs: object) -> None:
        waited_for.append(not released.wait(20))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", swallow)
    with pytest.raises(DownloadError, match="it does not answer"):
        download("https://example.org/x", tmp_path / "file", QUICK, title="a file")
    assert waited_for == []
    released.set()


def test_https_is_not_left_for_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    follow = _SecureRedirects().redirect_request
    with pytest.raises(urllib.error.URLError, match="insecure"):
        follow(request, None, 302, "Found", {}, "http://example.org/a")
    assert follow(request, None, 302, "Found", {}, "https://example.org/b").full_url == "https://example.org/b"
    assert urllib.request.build_opener(_SecureRedirects).handle_error["http"]  # it is one that openers accept


def test_default_limits_let_auto_fall_back_within_ten_seconds() -> None:
    assert Limits().opening <= 10
    assert Limits().silence <= 10
