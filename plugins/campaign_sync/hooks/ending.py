"""Connections whose answers end: however slowly a server trickles, none takes longer than LONGEST.

A read timeout begins anew with every byte that comes. Not for how much an answer may weigh (wire.py)."""

from __future__ import annotations

import io
import time
from functools import cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

LONGEST = 900.0  # seconds, from the end of a request to the end of its answer


class EndingAdapter(TCPKeepAliveAdapter):
    """Carries requests over connections whose answers end, through proxies as well.

    :param pool_maxsize: connections that are kept open.
    """

    def __init__(self, pool_maxsize: int) -> None:
        super().__init__(idle=120, count=20, interval=30, pool_maxsize=pool_maxsize)

    def get_connection_with_tls_context(self, *args: Any, **named: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **named)
        if not issubclass(pool.ConnectionCls, _Ending):
            pool.ConnectionCls = _ending(pool.ConnectionCls)
        return pool


class _Answer(HTTPResponse):
    """Reads head and body against one clock."""

    def __init__(self, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp = io.BufferedReader(_UntilThen(self.fp.detach(), sock))


class _UntilThen(io.RawIOBase):
    """What a socket brings until the time is over; then TimeoutError, as from the socket itself."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw, self._sock = raw, sock
        self._end = time.monotonic() + LONGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer does not end")
        usual = self._sock.gettimeout()
        if usual is None or usual > left:
            self._sock.settimeout(left)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Ending:
    """Makes a connection of http.client read its answers so."""

    response_class = _Answer


@cache
def _ending(kind: type) -> type:
    return type(f"Ending{kind.__name__}", (_Ending, kind), {})
