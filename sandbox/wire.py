"""What sits between a socket and every imitated service: scripted faults and the journal.

Pure ASGI, so that a fault can happen after the service has done its work. The controls are never wrapped.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.faults import Fault
from sandbox.tokens import CAMPAIGN_AUDIENCE
from sandbox.world import World

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def not_imitated(what: str) -> Response:
    """Answer 501 with a sentence: `what` is the thing that the real service has and this sandbox has not."""
    return JSONResponse({"error": f"{what}: not imitated by this sandbox."}, status_code=501)


class Wire:
    """Wraps a system's application: counts and journals its requests and makes the scripted ones go wrong.

    A service may put facts for the journal into `request.scope["journal"]`, e.g. engine calls.
    """

    def __init__(self, app: Application, system: str, world: World) -> None:
        self._app = app
        self._system = system
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        scope["journal"] = {}
        sent = _Sent(send)
        started = time.monotonic()
        fault = self._world.faults.strike(self._system, scope["method"], f"{path}?{query}" if query else path)
        try:
            if fault is None:
                await self._app(scope, receive, sent)
            else:
                scope["journal"]["fault"] = fault.do
                self._world.counters.add(f"faults.{fault.do}")
                await self._go_wrong(fault, scope, receive, sent)
        finally:
            took = round((time.monotonic() - started) * 1000, 1)
            self._world.counters.add(f"{self._system}.requests")
            self._world.counters.journal(
                self._system, scope["method"], _shown(path, query), sent.status, ms=took, **scope["journal"]
            )

    async def _go_wrong(self, fault: Fault, scope: Scope, receive: Receive, send: _Sent) -> None:
        match fault.do:
            case "status" | "html":
                await _answer(fault)(scope, receive, send)
            case "reset_before":
                send.drop()
            case "reset_after":
                kept = send.unsent()
                await self._app(scope, receive, kept)
                scope["journal"]["lost_status"] = kept.start.get("status")
                send.drop()
            case "cut_body" | "slow_body":
                await self._mangle_body(fault, scope, receive, send)
            case "delay":
                await asyncio.sleep(fault.seconds)
                await self._app(scope, receive, send)
            case "revoke_tokens":
                self._world.tokens.revoke(self._audience())
                await self._app(scope, receive, send)

    async def _mangle_body(self, fault: Fault, scope: Scope, receive: Receive, send: _Sent) -> None:
        kept = send.unsent()
        await self._app(scope, receive, kept)
        await send(kept.start)
        if fault.do == "cut_body":
            await send(
                {"type": "http.response.body", "body": kept.body[: len(kept.body) // 2], "more_body": True}
            )
            send.close()
            return
        pieces = 10
        size = max(1, -(-len(kept.body) // pieces))
        for at in range(0, len(kept.body), size):
            await asyncio.sleep(fault.seconds / pieces)
            await send({"type": "http.response.body", "body": kept.body[at : at + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _audience(self) -> str:
        return CAMPAIGN_AUDIENCE if self._system in ("campaign", "ims") else self._world.urls.dataverse


class _Sent:
    """An ASGI `send` that remembers the status and can drop the connection instead of answering."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    def unsent(self) -> _Kept:
        return _Kept()

    def drop(self) -> None:
        """Cut the connection at once; the client sees no answer at all."""
        self.status = None
        self._transport().abort()

    def close(self) -> None:
        """End the connection after what has been written."""
        self._transport().close()
        self._send.__self__.disconnected = True  # type: ignore[attr-defined]  # or uvicorn calls it an error

    def _transport(self) -> asyncio.Transport:
        # uvicorn hands over a bound method of its request cycle, which knows the transport
        transport: asyncio.Transport = self._send.__self__.transport  # type: ignore[attr-defined]
        return transport


class _Kept:
    """An ASGI `send` that keeps the answer back."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


def _answer(fault: Fault) -> Response:
    if fault.do == "html":
        page = fault.body if isinstance(fault.body, str) else HTML
        return Response(page, fault.status or 502, fault.headers, media_type="text/html")
    body = (
        fault.body
        if isinstance(fault.body, str)
        else json.dumps(fault.body)
        if fault.body is not None
        else ""
    )
    kind = "text/plain" if isinstance(fault.body, str) else "application/json"
    given = {name.lower() for name in fault.headers}
    return Response(body, fault.status or 503, fault.headers, None if "content-type" in given else kind)


def _shown(path: str, query: str) -> str:
    """Return the path with the names of its query options; values may be personal data."""
    names = "&".join(part.partition("=")[0] for part in query.split("&")) if query else ""
    return f"{path}?{names}" if names else path
