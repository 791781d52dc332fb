"""Which part of the service answers which address. Also used, request by request, by $batch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.dataverse import (
    batch,
    bulk,
    changes,
    definitions,
    messages,
    metadata,
    operations,
    reads,
    upserts,
)
from sandbox.dataverse.address import Segment
from sandbox.dataverse.columns import Table
from sandbox.dataverse.errors import Refusal, not_imitated, refuse
from sandbox.dataverse.messages import Answer, Ask, refusal_answer
from sandbox.dataverse.sql import query_by_sql

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_log = logging.getLogger(__name__)
_METADATA_SETS = ("EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions")


def respond(org: Org, ask: Ask) -> Answer:
    """Answer a request; refusals become error bodies, a fault of our own becomes 500."""
    try:
        org.run_due_jobs()
        return route(org, ask)
    except Refusal as refusal:
        return refusal_answer(org, refusal, ask.prefer)
    except Exception:  # noqa: BLE001  a client must get an answer
        _log.exception("%s %s", ask.method, ask.segments)
        return refusal_answer(org, refuse("UnExpected"), ask.prefer)


def route(org: Org, ask: Ask) -> Answer:
    if not ask.segments:
        return _service_document(org)
    first = ask.segments[0]
    if first.name == "$metadata":
        raise not_imitated("the CSDL document ($metadata); EntityDefinitions answers what a client needs")
    if first.name == "$batch":
        return batch.run(org, ask, respond)
    if first.name in _METADATA_SETS:
        reader = metadata.read if ask.method == "GET" else definitions.write
        return reader(org, ask)
    operation = operations.find(first.name)
    if operation is not None:
        return operation(org, ask)
    table = org.catalogue.by_set(first.name)
    if table is None:
        raise refuse("SegmentNotFound", segment=first.name)
    if first.inside is None:
        return _on_set(org, ask, table, ask.segments[1:])
    return _on_row(org, ask, table, first.inside, ask.segments[1:])


def _on_set(org: Org, ask: Ask, table: Table, rest: tuple[Segment, ...]) -> Answer:
    if not rest:
        if ask.method == "GET":
            if ask.options.get("sql") is not None:
                return query_by_sql(org, ask, table)
            return (
                changes.read_changes(org, ask, table)
                if changes.is_tracking(ask)
                else reads.collection(org, ask, table)
            )
        if ask.method == "POST":
            return upserts.post_row(org, ask, table)
        raise refuse(
            "NotSupported", text=f"The requested resource does not support http method '{ask.method}'."
        )
    name = rest[0].name
    if name == "$count" and ask.method == "GET":
        tracking = ask.options.get("$deltatoken") is not None
        return changes.count_changes(org, ask, table) if tracking else reads.total(org, ask, table)
    if name.startswith("Microsoft.Dynamics.CRM."):
        return bulk.run(org, ask, table, name.removeprefix("Microsoft.Dynamics.CRM."))
    raise refuse("SegmentNotFound", segment=name)


def _on_row(org: Org, ask: Ask, table: Table, inside: str, rest: tuple[Segment, ...]) -> Answer:
    if rest:
        return _below_row(org, ask, table, inside, rest)
    if ask.method == "GET":
        return reads.single(org, ask, table, upserts.existing(org, table, inside))
    if ask.method == "PATCH":
        return upserts.patch_row(org, ask, table, inside)
    if ask.method == "DELETE":
        return upserts.delete_row(org, ask, table, inside)
    raise refuse("NotSupported", text=f"The requested resource does not support http method '{ask.method}'.")


def _below_row(org: Org, ask: Ask, table: Table, inside: str, rest: tuple[Segment, ...]) -> Answer:
    """A property, a navigation property, or its $ref."""
    name = rest[0].name
    up, down = org.catalogue.upward(table.name, name), org.catalogue.downward(table.name, name)
    if len(rest) == 2 and rest[1].name == "$ref" and (up or down):
        if ask.method == "GET":
            raise not_imitated("GET of $ref; expand the navigation property")
        return upserts.reference(org, ask, table, inside, name)
    if len(rest) > 1:
        raise not_imitated("paths deeper than one navigation property")
    if up and ask.method == "GET":
        parent, parent_id = _parent(org, ask, table, inside, name)
        return reads.single(org, ask, parent, parent_id)
    if down and ask.method == "GET":
        child, row_id = org.table(down.child), upserts.existing(org, table, inside)
        return reads.collection(org, ask, child, (f'r."{down.column}" = ?', [row_id]))
    if table.column_of(name) is None:
        raise refuse("SegmentNotFound", segment=name)
    verbs: dict[str, Callable[[], Answer]] = {
        "GET": lambda: reads.value_of(org, ask, table, upserts.existing(org, table, inside), name),
        "PUT": lambda: upserts.put_property(org, ask, table, inside, name),
        "DELETE": lambda: upserts.delete_property(org, ask, table, inside, name),
    }
    if ask.method not in verbs:
        raise refuse(
            "NotSupported", text=f"The requested resource does not support http method '{ask.method}'."
        )
    return verbs[ask.method]()


def _parent(org: Org, ask: Ask, table: Table, inside: str, navigation: str) -> tuple[Table, str]:
    from sandbox.dataverse.writes import load

    relations = org.catalogue.upward(table.name, navigation)
    with org.store.read() as db:
        row = load(db, table, upserts.existing(org, table, inside))
    column = table.columns[relations[0].column]
    kind = row.get(f"{column.name}@table") or relations[0].parent
    if row[column.name] is None or kind not in {relation.parent for relation in relations}:
        raise refuse("ObjectDoesNotExist", table=relations[0].parent, id="null")
    return org.table(kind), row[column.name]


def _service_document(org: Org) -> Answer:
    sets = [
        {"name": table.set_name, "kind": "EntitySet", "url": table.set_name}
        for table in sorted(org.catalogue.tables.values(), key=lambda table: table.set_name)
    ]
    body = json.dumps({"@odata.context": f"{org.root}/$metadata", "value": sets})
    return Answer(200, body, {"Content-Type": messages.JSON_TYPE})
