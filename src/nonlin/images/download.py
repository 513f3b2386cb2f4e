"""Downloading one file within limits: a server that is silent, slow or endless is given up."""

import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from nonlin.errors import reason


class DownloadError(Exception):
    """A server did not deliver; the message says why, in a few words."""


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


def download(url: str, path: Path, limits: Limits, *, title: str) -> None:
    """Store what a server sends, with a progress bar.

    Args:
        url: an address that begins with https:// or http://.
        path: the file to write; it holds a part of what was sent when this raises.
        limits: when to give up.
        title: beside the progress bar.

    Raises:
        DownloadError: for the server's faults.
        OSError: for the disk's.
    """
    response = _open(url, limits)
    expected = response.length or 0
    received = 0
    bar = tqdm(total=expected or None, unit="B", unit_scale=True, desc=title, leave=False)
    with response, path.open("wb") as file, bar:
        for block in _blocks(response, limits):
            received += len(block)
            if received > limits.size:
                raise DownloadError(f"it sends more than {limits.size / 1e6:.0f} MB")
            file.write(block)
            bar.update(len(block))
    if received < expected:
        raise DownloadError(f"the connection ended after {received} of {expected} bytes")


def _open(url: str, limits: Limits) -> http.client.HTTPResponse:
    """Ask a server; the time limit covers looking up its name, every address it has, redirections and its headers.

    A socket's own time limit covers none of these together, hence the thread.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise DownloadError("the address must begin with https:// or http://")
    answers: queue.SimpleQueue[http.client.HTTPResponse | DownloadError] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_ask(url, limits)), daemon=True).start()
    try:
        answer = answers.get(timeout=limits.opening)
    except queue.Empty:
        raise DownloadError("it does not answer") from None
    if isinstance(answer, DownloadError):
        raise answer
    return answer


def _ask(url: str, limits: Limits) -> http.client.HTTPResponse | DownloadError:
    started = time.monotonic()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "nonlin (a course; Python urllib)"})
        response = urllib.request.build_opener(_SecureRedirects).open(request, timeout=limits.silence)
        if time.monotonic() - started > limits.opening:  # too late: nobody is left to close it
            response.close()
            return DownloadError("it does not answer")
        return response
    except urllib.error.HTTPError as error:
        with error:
            return DownloadError(f"it answers: {error.code} {error.reason}")
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
