"""Downloading one file within limits: a server that is silent, slow or endless is given up; what has come is kept."""

import http.client
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from nonlin.errors import reason
from nonlin.files import remove_parts, write_whole

PROGRESS = 1_000_000  # bytes; who brought as many before the connection broke is asked for the rest at once


class DownloadError(Exception):
    """A server did not deliver; the message says why, in a few words."""


class _RangeRefused(DownloadError):
    """There is no such part of the file."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a download may cost.

    Args:
        opening: seconds until the first byte of the file.
        silence: seconds without a byte.
        slowest: bytes per second, measured over each window.
        window: seconds.
        size: bytes of the file.
    """

    opening: float = 8.0
    silence: float = 8.0
    slowest: float = 50_000.0
    window: float = 15.0
    size: int = 200_000_000


def download(url: str, path: Path, limits: Limits, *, title: str) -> bool:
    """Store what a server sends, going on from what is there of an earlier attempt, with a progress bar.

    Whether both belong together is for the caller to check: the server is asked, but not every server knows.

    Args:
        url: an address that begins with https:// or http://.
        path: the file to write; when this raises, it holds what was sent so far, to go on from.
        limits: when to give up.
        title: beside the progress bar.

    Returns:
        Whether the file begins with what an earlier attempt has left.

    Raises:
        DownloadError: for the server's faults.
        OSError, FileError: for the disk's.
    """
    resumed = True
    while True:
        before = _size(path)
        try:
            return _transfer(url, path, limits, title) and resumed
        except DownloadError:
            if _size(path) < before + PROGRESS:
                raise
        resumed = resumed and before > 0


def forget(path: Path) -> None:
    """Remove what `download` has left, killed or not; only for the holder of the lock."""
    for file in (_version(path), path):
        file.unlink(missing_ok=True)
        remove_parts(file)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _version(path: Path) -> Path:
    """The file that keeps the name that the server gave to this version of what it sends."""
    return path.with_name(f"{path.name}.version")


def _transfer(url: str, path: Path, limits: Limits, title: str) -> bool:
    response, received = _open_at(url, path, limits)
    resumed = received > 0
    expected = received + (response.length or 0)
    bar = tqdm(total=expected or None, initial=received, unit="B", unit_scale=True, desc=title, leave=False)
    with response, open(path, "ab", opener=_no_link) as file, bar:
        if not resumed:
            file.truncate(0)
            version = response.headers["ETag"] or ""
            version = version if version.startswith('"') else response.headers["Last-Modified"] or ""  # W/: may differ
            write_whole(_version(path), version.encode("latin-1"))
        for block in _blocks(response, limits):
            received += len(block)
            if received > limits.size:
                raise DownloadError(f"it sends more than {limits.size / 1e6:.0f} MB")
            file.write(block)
            bar.update(len(block))
    if received < expected:
        raise DownloadError(f"the connection ended after {received} of {expected} bytes")
    return resumed


def _no_link(path: str, flags: int) -> int:
    """An opener: in a folder of many users, a link may lead to a file of ours that another one wants spoilt."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _open_at(url: str, path: Path, limits: Limits) -> tuple[http.client.HTTPResponse, int]:
    """The server's answer, and how many bytes of the file it leaves out because they are there."""
    size = _size(path)
    if size:
        version = _version(path).read_text(encoding="latin-1") if _version(path).exists() else ""
        same = {"If-Range": version} if version and version.isprintable() else {}
        try:
            response = _open(url, limits, {"Range": f"bytes={size}-", **same})
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # it knows no parts, or has another version
                return response, 0
            if (response.headers["Content-Range"] or "").startswith(f"bytes {size}-"):
                return response, size
            response.close()
        except _RangeRefused:
            pass
    return _open(url, limits, {}), 0


def _open(url: str, limits: Limits, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    """Ask a server; the time limit covers looking up its name, every address it has, redirections and its headers.

    A socket's own time limit covers none of these together, hence the thread.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise DownloadError("the address must begin with https:// or http://")
    answers: queue.SimpleQueue[http.client.HTTPResponse | DownloadError] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_ask(url, limits, headers)), daemon=True).start()
    try:
        answer = answers.get(timeout=limits.opening)
    except queue.Empty:
        raise DownloadError("it does not answer") from None
    if isinstance(answer, DownloadError):
        raise answer
    return answer


def _ask(url: str, limits: Limits, headers: Mapping[str, str]) -> http.client.HTTPResponse | DownloadError:
    started = time.monotonic()
    try:
        headers = {"User-Agent": "nonlin (a course; Python urllib)", **headers}
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.build_opener(_SecureRedirects).open(request, timeout=limits.silence)
        if time.monotonic() - started > limits.opening:  # too late: nobody is left to close it
            response.close()
            return DownloadError("it does not answer")
        if response.headers.get_content_type() == "text/html":  # as a hotel does; what is there stays
            response.close()
            return DownloadError("it sends a web page, perhaps to log in")
        return response
    except urllib.error.HTTPError as error:
        with error:
            refused = error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return (_RangeRefused if refused else DownloadError)(f"it answers: {error.code} {error.reason}")
    except TimeoutError:
        return DownloadError("it does not answer")
    except urllib.error.URLError as error:
        return DownloadError(reason(error.reason) if isinstance(error.reason, Exception) else error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return DownloadError(reason(error))


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to something less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("the server redirects from https to an insecure address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _blocks(response: http.client.HTTPResponse, limits: Limits) -> Iterator[bytes]:
    """What a server sends, piece by piece."""
    started, in_window = time.monotonic(), 0
    while block := _block(response):
        yield block
        in_window += len(block)
        elapsed = time.monotonic() - started
        if elapsed > limits.window:
            if in_window / elapsed < limits.slowest:
                raise DownloadError(f"it sends only {in_window / elapsed / 1000:.1f} kB a second")
            started, in_window = time.monotonic(), 0


def _block(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(1 << 18)  # read() would wait for all of it, however slowly it drips
    except TimeoutError as error:
        raise DownloadError("it stopped sending") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(reason(error)) from error
