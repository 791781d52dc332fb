"""What tests may do to deliveries, logs and export workflows: send, add exact rows, read back, export."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.campaign import exports, mailings
from sandbox.campaign.export_declaration import KINDS
from sandbox.campaign.extract import resolve, values
from sandbox.campaign.logs import LOGS, Logs, rows_at
from sandbox.campaign.tenant import Campaign, Tenant

LARGEST_PAGE = 100_000
ALWAYS = "9999"  # later than any stamp


def controls(campaign: Campaign) -> list[Route]:
    """Return the routes below /sandbox/campaign/."""

    async def send(request: Request) -> Response:
        """Send a delivery to profiles, with all that follows in the days after; see sandbox/README.md."""
        asked = await json_object(request)
        return answer(await asyncio.to_thread(_send, campaign, asked))

    async def logs(request: Request) -> Response:
        """Log rows as exports see them: ?resource=&after=&limit=&future=; POST {"broadLogRcp": [row], …} adds."""
        if request.method == "GET":
            asked = dict(request.query_params)
            return answer(await asyncio.to_thread(_page, campaign.tenant(asked), asked))
        given = await json_object(request)
        tenant = campaign.tenant(given)
        given.pop("tenant", None)
        if set(given) - set(LOGS):
            raise ValueError(
                f"log rows are given as {' and '.join(LOGS)}, not {', '.join(set(given) - set(LOGS))}"
            )
        with campaign.lock:
            tenant.store.belong_to_this_thread()
            known = Logs(tenant)
            return answer({name: known.add(name, given[name]) for name in LOGS if name in given})

    async def export_workflows(request: Request) -> Response:
        """Export workflows and runs, ?wait=<seconds> for what is due; POST declares one, see sandbox/README.md."""
        asked: dict[str, Any] = dict(request.query_params)
        if request.method == "POST":
            asked = await json_object(request)
        known = exports.exports_of(campaign.tenant(asked))
        if request.method == "GET" and "wait" in asked:
            await asyncio.to_thread(known.wait, float(asked["wait"]))
        with campaign.lock:
            if request.method == "POST":
                known.declare(asked)
            return answer(known.to_json())

    async def run_export(request: Request) -> Response:
        """Have a started export run now: {"id", "wait"?: seconds for its end}."""
        asked = await json_object(request)
        known = exports.exports_of(campaign.tenant(asked))
        with campaign.lock:
            known.run_now(str(asked.get("id")))
        await asyncio.to_thread(known.wait, float(asked.get("wait", 0)))
        with campaign.lock:
            return answer(known.to_json())

    return [
        Route("/mailings", send, methods=["POST"]),
        Route("/logs", logs, methods=["GET", "POST"]),
        Route("/exports", export_workflows, methods=["GET", "POST"]),
        Route("/exports/run", run_export, methods=["POST"]),
    ]


def _send(campaign: Campaign, asked: dict[str, Any]) -> dict[str, Any]:
    tenant = campaign.tenant(asked)
    with campaign.lock:
        tenant.store.belong_to_this_thread()
        return mailings.send(tenant, asked)


def _page(tenant: Tenant, asked: dict[str, str]) -> dict[str, Any]:
    """Return rows of a log by number as the database has them now, or as they will be in the end."""
    kinds = {kind.resource: kind for kind in KINDS.values() if kind.resource in LOGS}
    kind = kinds.get(asked.get("resource", "broadLogRcp"))
    if kind is None:
        raise ValueError(f"no log is called {asked['resource']}: choose one of {', '.join(kinds)}")
    now = ALWAYS if "future" in asked else tenant.now
    resource = tenant.catalog.resource(kind.resource)
    columns = resolve(tenant, resource, [*kind.columns.values(), "@committed"])
    after, limit = int(asked.get("after", "0")), min(int(asked.get("limit", "1000")), LARGEST_PAGE)
    found = list(rows_at(tenant, kind.resource, now, "r.id > ?", (after,), limit))
    names = (*kind.columns, "committed")
    return {
        "rows": [dict(zip(names, row, strict=True)) for row in values(tenant, columns, found, now)],
        "next": found[-1][0] if len(found) == limit else None,
        "total": tenant.store.count(tenant.catalog.table(kind.resource)),
    }


async def json_object(request: Request) -> dict[str, Any]:
    content = json.loads(await request.body() or b"{}")
    if not isinstance(content, dict):
        raise ValueError("the body is not a JSON object")
    return content


def answer(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
