"""Controls of the imitated Dataverse, below /sandbox/dataverse/: rows, tables, rights, limits.

Changes go through the same machinery as a client's; only rights and read-only columns are not looked at.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.dataverse import builders, keys
from sandbox.dataverse.columns import Key, Table, stable_id
from sandbox.dataverse.errors import Refusal
from sandbox.dataverse.org import ADMINISTRATOR, Org, list_messages, organisation
from sandbox.dataverse.payload import Payload, trusted_payload
from sandbox.dataverse.planting import custom_column
from sandbox.dataverse.rights import Caller
from sandbox.dataverse.rows import Selection, chosen_columns, fetch
from sandbox.dataverse.store import physical
from sandbox.dataverse.writes import create, delete, update
from sandbox.world import World

_SOMEBODY = Caller(ADMINISTRATOR, "sandbox")


def controls(world: World) -> list[Route]:
    """The routes, mounted by the frame."""

    def route(path: str, work: Callable[[Org, dict[str, Any]], Any], *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            content = {**request.query_params, **(json.loads(await request.body() or b"{}"))}
            return await asyncio.to_thread(_answer, world, work, content)

        endpoint.__doc__ = work.__doc__
        return Route(path, endpoint, methods=list(methods))

    return [
        route("/mutate", mutate, "POST"),
        route("/rows", raw_rows, "GET"),
        route("/table", change_table, "PUT"),
        route("/privileges", privileges, "GET", "PUT"),
        route("/delta_tokens/expire", expire_delta_tokens, "POST"),
        route("/limits", limits, "GET", "PUT"),
        route("/version", version, "GET"),
    ]


def _answer(world: World, work: Callable[[Org, dict[str, Any]], Any], content: dict[str, Any]) -> Response:
    org = organisation(world)
    try:
        return JSONResponse(work(org, content))
    except Refusal as refusal:
        return JSONResponse({"error": f"{refusal.name}: {refusal.message}"}, 400)
    except (KeyError, ValueError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)


def mutate(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """Creates, updates ({"id", …}), deletes (ids), touches (a number, or ids) rows of a table at once."""
    table = org.table(content["table"])
    with org.store.write() as tx:
        created = [
            create(org, tx, table, trusted_payload(table, body, org), _SOMEBODY)
            for body in content.get("create", ())
        ]
        for body in content.get("update", ()):
            changed = {name: value for name, value in body.items() if name not in ("id", table.key)}
            row_id = str(body.get("id") or body[table.key]).lower()
            update(org, tx, table, row_id, trusted_payload(table, changed, org), _SOMEBODY)
        touched = _to_touch(org, table, content.get("touch", 0))
        for row_id in touched:
            update(org, tx, table, row_id, Payload(), _SOMEBODY)
        for row_id in content.get("delete", ()):
            delete(org, tx, table, str(row_id).lower())
        numbers = {name: len(content.get(name, ())) for name in ("update", "delete")}
        return {
            "created": created,
            "updated": numbers["update"],
            "deleted": numbers["delete"],
            "touched": touched,
            "version": tx.version,
        }


def _to_touch(org: Org, table: Table, wanted: int | list[str]) -> list[str]:
    if isinstance(wanted, list):
        return [row_id.lower() for row_id in wanted]
    sql = f'SELECT "{table.key}" FROM {physical(table.name)} ORDER BY "{table.key}" LIMIT ?'
    with org.store.read() as db:
        return [row[0] for row in db.execute(sql, (int(wanted),))]


def raw_rows(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """Rows as stored, in key order: ?table=, ?after=<id>, ?limit=, ?select=a,b."""
    table = org.table(content["table"])
    select = content["select"].split(",") if content.get("select") else None
    selection = Selection(order=[(f'r."{table.key}"', False)])
    if content.get("after"):
        selection.add(f'r."{table.key}" > ?', content["after"].lower())
    with org.store.read() as db:
        found = fetch(
            db, table, chosen_columns(org, table, select), selection, int(content.get("limit", 1000))
        )
        total = db.execute(f"SELECT count(*) FROM {physical(table.name)}").fetchone()[0]
    rows = json.loads(f"[{','.join(found.texts)}]")
    return {"rows": rows, "more": found.more, "total": total}


def change_table(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """Changes a table: change_tracking, set_name, bulk, drop_column, add_column, add_key {name, columns}."""
    table = org.table(content["table"])
    if "change_tracking" in content:
        table = replace(table, tracking=bool(content["change_tracking"]), extra=_published(table))
    if "set_name" in content:
        table = replace(table, set_name=str(content["set_name"]))
    if "bulk" in content:
        table = replace(table, bulk=bool(content["bulk"]))
    if "add_column" in content:
        column = custom_column(content["add_column"]["name"], content["add_column"].get("type", "String"))
        table = table.with_column(builders.with_id(table.name, column))
    org.catalogue.put(table)
    if "add_key" in content:
        table = _add_key(org, table, content["add_key"])
    if "drop_column" in content:
        org.catalogue.drop_column(table, table.columns[content["drop_column"]])
    list_messages(org)
    table = org.table(table.name)
    return {
        "table": table.name,
        "set_name": table.set_name,
        "change_tracking": table.tracking,
        "bulk": table.bulk,
        "columns": sorted(table.columns),
        "keys": [key.schema for key in table.keys],
    }


def _published(table: Table) -> dict[str, Any]:
    return {name: value for name, value in table.extra.items() if name != "unpublished_tracking"}


def _add_key(org: Org, table: Table, wanted: dict[str, Any]) -> Table:
    """An alternate key that is active at once."""
    columns = tuple(wanted["columns"])
    unique = keys.build_index(org, table, columns)
    key = Key(wanted["name"], columns, stable_id("key", table.name, wanted["name"]), failed=not unique)
    table = replace(table, keys=(*table.keys, key))
    org.catalogue.put(table)
    return table


def privileges(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """The role: {"table" (or *), "read"|"create"|"write"|"delete"|"append"|"appendto"|"assign": a depth}.

    Depths are none, user, organisation. All activity tables have the rights of activitypointer, unless they are named.
    {"reset": true} allows everything.
    """
    if content.get("reset"):
        org.role.depths.clear()
    elif "table" in content:
        org.role.set(content["table"], {verb: depth for verb, depth in content.items() if verb != "table"})
    return {"depths": org.role.depths, "otherwise": "organisation"}


def expire_delta_tokens(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """Makes every delta token issued so far an expired one."""
    with org.store.read() as db:
        org.oldest_token = org.store.high_water(db) + 1
    with org.store.write() as tx:
        tx.next_version()
    return {"oldest_valid_version": org.oldest_token}


def limits(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """The limits: on, requests, execution_ms, concurrent, window_seconds; reset forgets what was counted."""
    names = {
        "on": "limits",
        "requests": "limit_requests",
        "execution_ms": "limit_execution_ms",
        "concurrent": "limit_concurrent",
        "window_seconds": "limit_window_seconds",
    }
    for name, value in content.items():
        if name in names:
            org.world.switches.set(f"dataverse.{names[name]}", value)
        elif name != "reset":
            raise ValueError(f"{name} is none of {', '.join(names)}, reset")
    if content.get("reset"):
        org.limits.reset()
    return {name: org.option(switch) for name, switch in names.items()}


def version(org: Org, content: dict[str, Any]) -> dict[str, Any]:
    """The organisation-wide row version."""
    with org.store.read() as db:
        return {"version": org.store.high_water(db)}
