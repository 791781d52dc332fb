"""Request bodies of creates and updates (dataverse.md §5): properties, binds, nested rows, checked.

Nothing is written here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sandbox.dataverse.address import parse_key, parse_path
from sandbox.dataverse.columns import Column, Relation, Table
from sandbox.dataverse.errors import Refusal, not_imitated, refuse
from sandbox.dataverse.values import GUID, stored

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_BIND = "@odata.bind"
_ROOT = re.compile(r"^(https?://[^/]+)?/?(api/data/v\d+(\.\d+)?/)?")


@dataclass
class Payload:
    """Stored values by column, the table each lookup points at, and nested rows to create."""

    values: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, str | None] = field(default_factory=dict)
    parents: list[tuple[Relation, dict[str, Any]]] = field(default_factory=list)
    children: list[tuple[Relation, list[dict[str, Any]]]] = field(default_factory=list)


def read_payload(org: Org, table: Table, body: Mapping[str, Any], operation: str) -> Payload:
    """Check a body; `operation` is create or update. What is not writable is dropped silently (§5)."""
    payload = Payload()
    for name, value in body.items():
        if name.startswith(("@odata.", "@Microsoft.")):
            continue
        if name.endswith(_BIND):
            _bind(org, table, payload, name.removesuffix(_BIND), value)
        elif "@" in name:
            continue
        elif isinstance(value, (dict, list)):
            _nested(org, table, payload, name, value, operation)
        else:
            _property(org, table, payload, name, value, operation)
    return payload


def _invalid(table: Table, name: str) -> Refusal:
    text = (
        f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table.name}'. ---> "
        f"Microsoft.OData.ODataException: The property '{name}' does not exist on type "
        f"'Microsoft.Dynamics.CRM.{table.name}'. Make sure to only use property names that "
        "are defined by the type."
    )
    return refuse("BadPayload", set=table.set_name, text=text)


def _property(org: Org, table: Table, payload: Payload, name: str, value: Any, operation: str) -> None:
    column = table.column_of(name)
    if column is None or column.visible_from > org.timestamp():
        raise _invalid(table, name)
    if column.is_lookup:
        if org.option("value_property_in_body") == "refused":
            raise refuse("BadPayload", set=table.set_name, text=f"The property '{name}' is read-only.")
        return
    if not (column.creatable if operation == "create" else column.updatable):
        return
    if value is None and column.required == "SystemRequired":
        raise refuse("NullNotAllowed", column=column.name, table=table.name)
    payload.values[column.name] = stored(org, table, column, value)


def _bind(org: Org, table: Table, payload: Payload, navigation: str, value: Any) -> None:
    relations = org.catalogue.upward(table.name, navigation)
    if not relations:
        text = (
            f"An undeclared property '{navigation}' which only has property annotations in the payload "
            "but no property value was found in the payload. In OData, only declared navigation properties "
            "and declared named streams can be represented as properties without values."
        )
        raise refuse("BadPayload", set=table.set_name, text=text)
    column = table.columns[relations[0].column]
    if not column.updatable and not column.creatable:
        return
    if value is None:
        if column.required == "SystemRequired":
            raise refuse("NullNotAllowed", column=column.name, table=table.name)
        set_lookup(payload, column, None, None)
        return
    target, row_id = resolve_reference(org, value)
    if target.name not in {relation.parent for relation in relations}:
        text = f"The resource '{target.set_name}' cannot be bound to '{navigation}'."
        raise refuse("BadPayload", set=table.set_name, text=text)
    set_lookup(payload, column, row_id, target.name)


def set_lookup(payload: Payload, column: Column, row_id: str | None, kind: str | None) -> None:
    payload.values[column.name] = row_id
    payload.kinds[column.name] = kind


def resolve_reference(org: Org, reference: Any) -> tuple[Table, str]:
    """The row that a bind or an @odata.id names: relative, absolute, by guid or by alternate key (§5)."""
    from sandbox.dataverse.keys import find_row  # which reads values like this module does

    if not isinstance(reference, str):
        raise refuse("QuerySyntax", text="A reference must be the URL of a row.")
    path = parse_path(_ROOT.sub("", unquote(reference), count=1))
    if reference.startswith("$"):
        text = f"Content-ID Reference: '{reference}' does not exist in the batch context."
        raise refuse("QuerySyntax", text=text)
    table = org.catalogue.by_set(path[0].name) if path else None
    if table is None or len(path) != 1 or path[0].inside is None:
        raise refuse("SegmentNotFound", segment=path[0].name if path else reference)
    row_id = find_row(org, table, parse_key(path[0].inside))
    if row_id is None:
        inside = path[0].inside if GUID.fullmatch(path[0].inside) else "by key"
        raise refuse("BoundRowDoesNotExist", table=table.name, id=inside)
    return table, row_id


def _nested(org: Org, table: Table, payload: Payload, name: str, value: Any, operation: str) -> None:
    """Deep insert (§5): an object climbs, a list descends."""
    up, down = org.catalogue.upward(table.name, name), org.catalogue.downward(table.name, name)
    if operation != "create" and (up or down):
        raise not_imitated("nested rows in an update")
    if isinstance(value, dict) and up:
        payload.parents.append((up[0], value))
    elif isinstance(value, list) and down and all(isinstance(item, dict) for item in value):
        payload.children.append((down, value))
    else:
        raise _invalid(table, name)


def trusted_payload(table: Table, body: Mapping[str, Any], org: Org) -> Payload:
    """A body from the controls: lookups as `_x_value`, read-only columns allowed, types still checked."""
    payload = Payload()
    for name, value in body.items():
        column = table.column_of(name)
        if column is None and name.partition("@")[0] != name:
            continue
        if column is None:
            raise _invalid(table, name)
        if column.is_lookup:
            kind = body.get(f"{name}@Microsoft.Dynamics.CRM.lookuplogicalname")
            set_lookup(payload, column, None if value is None else str(value).lower(), kind)
        else:
            payload.values[column.name] = stored(org, table, column, value)
    return payload
