"""The HTTP face of the simulated Campaign: gateway first, then the back end, refusals wrapped.

Lists that may take long are read in a thread; everything else runs on the loop, one request at a time.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from sandbox.campaign import errors, routing
from sandbox.campaign.gateway import Gateway
from sandbox.campaign.query import Query
from sandbox.campaign.tenant import Call, Campaign, campaign_of
from sandbox.world import World

LONG_LIST = 100  # rows of a page
BIG_TABLE = 20_000  # rows of a table


def app(world: World) -> Starlette:
    """Return the Campaign service of a world."""
    campaign = campaign_of(world)
    gateway = Gateway(world)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        # decoded before splitting: one SDK encodes the slashes between chained filters
        segments = [part for part in scope["path"].split("/") if part]
        response = gateway.pass_on(request, segments)
        if response is None:
            response = await _back_end(campaign, request, segments, body)
        await response(scope, receive, send)

    return Starlette(routes=[Mount("/", app=serve)])


async def _back_end(campaign: Campaign, request: Request, segments: list[str], body: bytes) -> Response:
    """Answer what the gateway let through."""
    scope, rest = request.scope, segments[2:]
    journal = scope.setdefault("journal", {})
    journal["tenant"] = segments[0]
    base = f"{scope['scheme']}://{request.headers.get('host', '')}/{segments[0]}/campaign"
    call = Call(campaign.tenants[segments[0]], base, rest[0] if rest else "", journal)
    query = Query(scope["query_string"].decode("latin-1"))
    if _long(call, request.method, rest, query):
        return await asyncio.to_thread(_answer, call, request.method, rest, query, body)
    with campaign.lock:
        campaign.store.belong_to_this_thread()
        return _answer(call, request.method, rest, query, body)


def _answer(call: Call, method: str, rest: list[str], query: Query, body: bytes) -> Response:
    try:
        return routing.answer(call, method, rest, query, body)
    except errors.Refusal as refusal:
        call.journal["refused"] = refusal.status
        return errors.answer(refusal, call.tenant.world.switches)


def _long(call: Call, method: str, rest: list[str], query: Query) -> bool:
    """Say whether a request is a list that would hold the loop up."""
    if method != "GET" or len(rest) < 2 or any(part.startswith("@") for part in rest[2:3]):
        return False
    view = call.tenant.catalog.view(call.endpoint, rest[1])
    if view is None or (len(rest) == 3 and rest[2] not in (*view.filters, *view.fields, "_count")):
        return False
    asked = query.get("_lineCount")
    rows = call.tenant.store.count(call.tenant.catalog.table(view.name))
    return rows > BIG_TABLE or (asked.isdigit() and int(asked) > LONG_LIST)
