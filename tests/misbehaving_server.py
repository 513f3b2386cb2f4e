"""A server on this machine that can misbehave in every way that a download has to survive."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = '"1"'  # the name that a server gives to the version of a file, with its quotation marks


@dataclass
class Server:
    address: str = ""
    requests: list[str] = field(default_factory=list)
    asked_for: list[tuple[str | None, str | None]] = field(default_factory=list)  # Range and If-Range of each request
    finished: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def serve(content: bytes) -> Iterator[Server]:
    """Serve some bytes under the names of BEHAVIOURS, each with its own fault."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            state.asked_for.append((self.headers["Range"], self.headers["If-Range"]))
            BEHAVIOURS[self.path.strip("/")](self, content, state.finished)

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    class QuietServer(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up here on purpose."""

    http_server = QuietServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{http_server.server_address[1]}"
    threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield state
    finally:
        state.finished.set()
        http_server.shutdown()
        http_server.server_close()


def _start(handler: BaseHTTPRequestHandler, length: int | None, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    if length is not None:
        headers["Content-Length"] = str(length)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.flush()


def _whole(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, len(content))
    handler.wfile.write(content)


def _slowly_whole(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    finished.wait(0.3)
    _whole(handler, content, finished)


def _without_length(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, None)
    handler.wfile.write(content)


def _truncated(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, len(content))
    handler.wfile.write(content[: len(content) // 2])


def _other(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, 18)
    handler.wfile.write(b"<html>log in first")


def _silent(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    finished.wait(30)


def _stalled(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, len(content))
    handler.wfile.write(content[:1000])
    handler.wfile.flush()
    finished.wait(30)


def _dripping(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, len(content))
    for index in range(len(content)):
        handler.wfile.write(content[index : index + 1])
        handler.wfile.flush()
        if finished.wait(0.05):
            return


def _dripping_headers(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    while not finished.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def _endless(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, None)
    while not finished.is_set():
        handler.wfile.write(bytes(1 << 20))


def _in_parts(
    handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event, version: str = VERSION, shift: int = 0
) -> None:
    """As a good server: from where it is asked for, if that is the same version."""
    asked = handler.headers["Range"]
    if not asked or handler.headers["If-Range"] not in (None, version):
        _start(handler, len(content), ETag=version)
        handler.wfile.write(content)
        return
    first = int(asked.removeprefix("bytes=").removesuffix("-")) + shift
    if first >= len(content):
        handler.send_error(416)
        return
    part = content[first:]
    place = f"bytes {first}-{len(content) - 1}/{len(content)}"
    _start(handler, len(part), 206, Content_Range=place, ETag=version)
    handler.wfile.write(part)


def _breaks_off(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    """Half of the file, and the other half when that is asked for."""
    if handler.headers["Range"]:
        _in_parts(handler, content, finished)
    else:
        _start(handler, len(content), ETag=VERSION)
        handler.wfile.write(content[: len(content) // 2])


def _another_version(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _in_parts(handler, content, finished, version='"2"')


def _another_part(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _in_parts(handler, content, finished, shift=-7)


def _no_such_part(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _in_parts(handler, content, finished, shift=len(content))


def _part_without_place(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, len(content), 206 if handler.headers["Range"] else 200)
    handler.wfile.write(content)


def _web_page(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    _start(handler, 18, Content_Type="text/html; charset=utf-8")
    handler.wfile.write(b"<html>log in first")


def _refused(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
    handler.send_error(503, "Service Unavailable")


def _garbage(handler: BaseHTTPRequestHandler, content: bytes, finished: threading.Event) -> None:
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
    "in-parts": _in_parts,
    "breaks-off": _breaks_off,
    "another-version": _another_version,
    "another-part": _another_part,
    "no-such-part": _no_such_part,
    "part-without-place": _part_without_place,
    "web-page": _web_page,
    "refused": _refused,
    "garbage": _garbage,
}
