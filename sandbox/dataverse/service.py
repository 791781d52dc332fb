"""The HTTP side of the Web API: takes requests, lets them in or not, sends what `routes` answers.

Work is done in threads, so that a large page does not hold up the event loop.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from http.cookies import CookieError, SimpleCookie

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dataverse.errors import Refusal, refuse
from sandbox.dataverse.limits import Window
from sandbox.dataverse.messages import JSON_TYPE, Answer, Ask, make_ask, refusal_answer, request_id
from sandbox.dataverse.options import parse_prefer
from sandbox.dataverse.org import Org, organisation
from sandbox.dataverse.rights import Caller, identify
from sandbox.dataverse.routes import respond
from sandbox.world import World

_ROOT = re.compile(r"^/api/data/v9\.[0-2](?:/|$)")
_URL_LIMIT = 32_768  # §3.4
_BODY_LIMIT = 116_850_000  # §6.1, "too large body → 413"
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]
_THREADS = 64  # more than the limit of requests at once, so that the limit is what a client meets


def app(world: World) -> Starlette:
    """The Web API of a World."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dataverse")

    async def endpoint(request: Request) -> Response:
        org = organisation(world)
        try:
            answer = await _serve(org, request, threads)
        except ClientDisconnect:
            return Response(status_code=400)
        return _response(answer)

    organisation(world)
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=_METHODS)])


def _response(answer: Answer) -> Response:
    headers = {"OData-Version": "4.0", "x-ms-service-request-id": request_id(), "Cache-Control": "no-cache"}
    headers |= answer.headers
    if answer.body is not None:
        headers.setdefault("Content-Type", JSON_TYPE)
    body = answer.body if isinstance(answer.body, bytes) else answer.text.encode()
    return Response(body, answer.status, headers)


async def _serve(org: Org, request: Request, threads: ThreadPoolExecutor) -> Answer:
    """Let a request in (or not), have it answered in a thread, charge it for its time (§7)."""
    arrived = org.world.clock.timestamp()
    headers = {name.lower(): value for name, value in request.headers.items()}
    prefers = request.headers.getlist("prefer")
    if len(prefers) > 1:
        headers["prefer"] = ",".join(prefers)
    prefer = parse_prefer(headers.get("prefer", ""))
    body = await request.body()
    window: Window | None = None
    caller: Caller | None = None
    server = org.limits.server_for(_affinity(org, headers.get("cookie", "")))
    started = time.monotonic()
    try:
        caller = identify(org, headers)
        window = org.limits.enter(caller.id, server, arrived)
        pause = float(org.option("request_seconds"))
        if pause:
            await asyncio.sleep(pause)
        ask = _ask(request, headers, body, caller)
        answer = await asyncio.get_running_loop().run_in_executor(threads, respond, org, ask)
    except Refusal as refusal:
        answer = refusal_answer(org, refusal, prefer)
    finally:
        if window is not None:
            org.limits.leave(window, (time.monotonic() - started) * 1000)
    if caller is not None:
        answer.headers = {**org.limits.headers(caller.id, server), **answer.headers}
    return answer


def _ask(request: Request, headers: dict[str, str], body: bytes, caller: Caller) -> Ask:
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path, query = raw.decode("latin-1").partition("?")[0], request.scope["query_string"].decode("latin-1")
    if len(path) + len(query) + 1 > _URL_LIMIT:
        raise refuse("UrlTooLong", limit=_URL_LIMIT)
    if len(body) > _BODY_LIMIT:
        raise refuse("RequestLengthTooLarge")
    match = _ROOT.match(path)
    if match is None:
        raise refuse("NoHttpResource", url=path)
    return make_ask(request.method, path[match.end() :], query, headers, body, caller, path)


def _affinity(org: Org, header: str) -> str | None:
    try:
        cookie = SimpleCookie(header).get(str(org.option("affinity_cookie")))
    except CookieError:
        return None
    return None if cookie is None else cookie.value
