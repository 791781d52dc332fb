"""A small HTTP server on loopback that answers as a script says, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Reply(NamedTuple):
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    do: str = (
        "answer"  # reset (no answer at all), cut (half of the body), trickle, trickle head (they never end)
    )


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers requests with the replies in turn; the last one again and again."""

    def __init__(self, address: str) -> None:
        self.url = address
        self.script: list[Reply] = [Reply()]
        self.asked: list[Asked] = []
        self._lock = threading.Lock()

    def answers(self, *replies: Reply) -> None:
        self.script, self.asked = list(replies), []

    def take(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    scripted = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.scripted = scripted  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
        reply: Reply = self.server.scripted.take(asked)  # type: ignore[attr-defined]
        if reply.do == "reset":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if reply.do == "trickle head":
            self._trickle(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n")
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if reply.do == "trickle":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._trickle(b"", b"1\r\n \r\n")
            return
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.do == "cut":
            self.close_connection = True
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(reply.body)

    def _trickle(self, first: bytes, more: bytes) -> None:
        """A byte now and then, until the client has had enough."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(first)
            while True:
                for byte in more:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.02)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _reply

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
