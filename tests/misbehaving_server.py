"""A server on this machine that can misbehave in every way that a download has to survive."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    address: str = ""
    requests: list[str] = field(default_factory=list)
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


def _start(handler: BaseHTTPRequestHandler, length: int | None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
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
    "refused": _refused,
    "garbage": _garbage,
}
