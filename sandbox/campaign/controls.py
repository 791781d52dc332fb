"""What tests may do to the simulated Campaign past its API: raw rows, seeds, declarations, workflows."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.campaign import builtin, exports, imports, links, log_controls, rendering, writing
from sandbox.campaign.log_controls import answer, json_object
from sandbox.campaign.schema import Resource
from sandbox.campaign.store import DuplicateKey
from sandbox.campaign.tenant import Campaign, Tenant, campaign_of, stamp
from sandbox.world import World

LARGEST_PAGE = 10_000


def controls(world: World) -> list[Route]:
    """Return the controls mounted below /sandbox/campaign/."""
    campaign = campaign_of(world)

    async def rows(request: Request) -> Response:
        """Raw rows, hidden ones included: ?resource=&after=&limit=&tenant=."""
        asked = dict(request.query_params)
        tenant = campaign.tenant(asked)
        resource = _resource(tenant, asked.get("resource", "profile"))
        after, limit = int(asked.get("after", "0")), min(int(asked.get("limit", "1000")), LARGEST_PAGE)
        return answer(await asyncio.to_thread(raw_rows, tenant, resource, after, limit))

    async def seed_rows(request: Request) -> Response:
        """Store rows at no cost: {"tenant"?, "resource", "rows": [{field: value}]}; policies do not apply."""
        asked = await json_object(request)
        tenant = campaign.tenant(asked)
        with campaign.lock:
            return answer({"stored": seed(tenant, asked.get("resource", "profile"), asked.get("rows") or [])})

    async def resources(request: Request) -> Response:
        """Declare or extend a resource and publish: {"resource", "fields", "links", "keys", "filters", …}."""
        if request.method == "GET":
            return answer(_declared(campaign.tenant(dict(request.query_params))))
        with campaign.lock:
            return answer(_declare(campaign, json.loads(await request.body() or b"{}")))

    async def workflows(request: Request) -> Response:
        """Workflows, signals taken; POST {"id", "label", "state", "signals": {name: {parameter: type}}}."""
        asked: dict[str, Any] = dict(request.query_params)
        if request.method == "POST":
            asked = await json_object(request)
        tenant = campaign.tenant(asked)
        now = world.clock.timestamp()
        with campaign.lock:
            if request.method == "POST":
                tenant.workflows.add(
                    asked["id"],
                    asked.get("label", asked["id"]),
                    asked.get("signals") or {},
                    asked.get("state", "edition"),
                    now,
                )
            tenant.workflows.get("", now)
            return answer([vars(workflow) for workflow in tenant.workflows])

    async def import_workflows(request: Request) -> Response:
        """Import workflows and runs, ?wait=<seconds> for their end; POST declares one, see sandbox/README.md."""
        asked: dict[str, Any] = dict(request.query_params)
        if request.method == "POST":
            asked = await json_object(request)
        known = imports.imports_of(campaign.tenant(asked))
        if request.method == "GET" and "wait" in asked:
            await asyncio.to_thread(known.wait, float(asked["wait"]))
        with campaign.lock:
            if request.method == "POST":
                known.declare(asked)
            return answer(known.to_json())

    return [
        Route("/rows", rows, methods=["GET"]),
        Route("/seed", seed_rows, methods=["POST"]),
        Route("/resources", resources, methods=["GET", "POST"]),
        Route("/workflows", workflows, methods=["GET", "POST"]),
        Route("/imports", import_workflows, methods=["GET", "POST"]),
        *log_controls.controls(campaign),
    ]


def raw_rows(tenant: Tenant, resource: Resource, after: int, limit: int) -> dict[str, Any]:
    """Return stored rows with their numbers, links as row numbers, and whether reading would hide them."""
    table, seen = tenant.catalog.table(resource.name), links.visible(tenant, resource)
    found = list(tenant.store.select(table, "r.id > ?", (after,), limit=limit))
    shown = set()
    if found and seen != "1":
        window = (found[0].id, found[-1].id)
        shown = {r.id for r in tenant.store.select(table, f"r.id BETWEEN ? AND ? AND {seen}", window)}
    content = [
        {
            "@id": row.id,
            "@hidden": seen != "1" and row.id not in shown,
            **rendering.fields(tenant, resource, row.data),
            **{link: row.data.get(link) for link, x in resource.links.items() if not x.joins},
        }
        for row in found
    ]
    return {
        "rows": content,
        "next": found[-1].id if len(found) == limit else None,
        "total": tenant.store.count(table),
    }


def seed(tenant: Tenant, name: str, rows: list[dict[str, Any]]) -> int:
    """Store rows as they are, links given as row numbers; all or none."""
    resource = _resource(tenant, name)
    now = tenant.world.clock.timestamp()
    stamps = {"created": stamp(now), "lastModified": stamp(now - 0.002)}
    columns = {f.name: f for f in resource.fields.values()}

    def stored() -> Any:
        for given in rows:
            data = {n: v for n, v in stamps.items() if n in resource.fields}
            for key, value in given.items():
                field = columns.get(key)
                if field is None and key not in resource.links:
                    raise ValueError(f"resource {name} has no field {key}")
                if value is not None and (field is None or value != field.default):
                    data[field.column if field else key] = value
            if name == "profile":
                writing.derive(data)
            yield data

    try:
        return tenant.store.insert_many(tenant.catalog.table(name), stored())
    except DuplicateKey as error:
        raise ValueError(f"rows break the key {error.index} of {name}") from None


def start_state(campaign: Campaign) -> None:
    """Give production what exists before the first sync: units, a service, two workflows."""
    production = campaign.tenants[campaign.world.config.org]
    production.workflows.clear()
    production.workflows.add(
        "WKF87",
        "d365 – contacts import",
        {"signal1": {"inFile": "text", "batchNo": "number", "full": "boolean", "cutoff": "datetime"}},
        "edition",
        campaign.world.clock.timestamp(),
    )
    with contextlib.suppress(ValueError):  # kept declarations may no longer have what it needs
        imports.imports_of(production).declare(builtin.PROFILE_IMPORT)
    for export in builtin.EXPORTS:
        exports.exports_of(production).declare(dict(export))
    if production.store.count(production.catalog.table("orgUnitBase")) == 0:
        seed(
            production, "orgUnitBase", [{"name": "all", "label": "All"}, {"name": "north", "label": "North"}]
        )
        seed(production, "service", [{"name": "harbour_news", "label": "Harbour news"}])


def reset(world: World) -> None:
    """Forget all data and declarations and go back to the start state."""
    campaign = campaign_of(world)
    imports.clear(world)
    exports.clear(world)
    with campaign.lock:
        campaign.store.clear()
        for tenant in campaign.tenants.values():
            tenant.workflows.clear()
            tenant.catalog.load()
        start_state(campaign)


def _declare(campaign: Campaign, asked: dict[str, Any]) -> dict[str, Any]:
    tenant = campaign.tenant(asked)
    catalog, name = tenant.catalog, asked.get("resource")
    try:
        if name and asked.get("delete"):
            catalog.forget(name)
        elif name:
            catalog.declare(name, asked, fresh=bool(asked.get("replace")))
        if asked.get("publish", True):
            catalog.publish(ext=asked.get("ext"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the declaration of {name} makes no sense: {error}") from None
    except DuplicateKey as error:
        raise ValueError(f"publication failed: rows break the key {error.index}") from None
    return _declared(tenant)


def _declared(tenant: Tenant) -> dict[str, Any]:
    resources = tenant.catalog.resources()
    return {
        "tenant": tenant.name,
        "ext": tenant.catalog.ext,
        "resources": {
            name: {
                "endpoint": tenant.catalog.endpoint(name),
                "fields": [*r.fields],
                "links": [*r.links],
                "keys": {key.name: key.fields for key in r.keys.values()},
                "filters": [*r.filters],
            }
            for name, r in resources.items()
        },
        "unpublished": [n for n, d in tenant.catalog.draft.items() if tenant.catalog.published.get(n) != d],
    }


def _resource(tenant: Tenant, name: str) -> Resource:
    resources = tenant.catalog.resources()
    if name not in resources:
        raise ValueError(f"no resource is called {name}: choose one of {', '.join(resources)}")
    return resources[name]
