"""CreateMultiple, UpdateMultiple, UpsertMultiple: one transaction, all or nothing (dataverse.md §6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.dataverse import keys
from sandbox.dataverse.address import parse_key, parse_path
from sandbox.dataverse.columns import Table
from sandbox.dataverse.descriptions import PREFIX
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.messages import JSON_TYPE, Answer, Ask
from sandbox.dataverse.payload import read_payload
from sandbox.dataverse.rights import demand, demand_links
from sandbox.dataverse.rows import version_of
from sandbox.dataverse.store import Transaction
from sandbox.dataverse.upserts import change, insert
from sandbox.dataverse.values import GUID
from sandbox.dataverse.writes import create, update

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org


def run(org: Org, ask: Ask, table: Table, message: str) -> Answer:
    """POST <set>/Microsoft.Dynamics.CRM.<message>."""
    work = {"CreateMultiple": _create, "UpdateMultiple": _update, "UpsertMultiple": _upsert}.get(message)
    if message == "DeleteMultiple":
        raise refuse("NotSupported", text="DeleteMultiple has not yet been implemented.")
    if work is None or ask.method != "POST":
        raise refuse("NoHttpResource", url=ask.url)
    if not table.bulk or table.read_only or (table.activity and not org.option("custom_activity_bulk")):
        raise refuse("MessageNotSupported", message=message, table=table.name)
    targets = _targets(ask, table)
    with org.store.write() as tx:
        return work(org, tx, ask, table, targets)


def _targets(ask: Ask, table: Table) -> list[dict[str, Any]]:
    """The items; each says its type, all the same table (§6.1)."""
    targets = ask.json(table.set_name).get("Targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(item, dict) for item in targets):
        raise refuse("BadPayload", set=table.set_name, text="The parameter 'Targets' must be a list of rows.")
    for item in targets:
        if item.get("@odata.type") != f"{PREFIX}{table.name}":
            text = (
                "A type named in '@odata.type' could not be resolved: every item of 'Targets' needs "
                f"'@odata.type': '{PREFIX}{table.name}'."
            )
            raise refuse("BadPayload", set=table.set_name, text=text)
    return targets


def _create(org: Org, tx: Transaction, ask: Ask, table: Table, targets: list[dict[str, Any]]) -> Answer:
    demand(org, ask.caller, table, "create")
    payloads = [read_payload(org, table, item, "create") for item in targets]
    for payload in payloads:
        demand_links(org, tx.db, ask.caller, table, payload)
    ids = [create(org, tx, table, payload, ask.caller) for payload in payloads]
    context = f"{org.root}/$metadata#{PREFIX}CreateMultipleResponse"
    return Answer.of({"@odata.context": context, "Ids": ids}, Content_Type=JSON_TYPE)


def _update(org: Org, tx: Transaction, ask: Ask, table: Table, targets: list[dict[str, Any]]) -> Answer:
    """The primary key is a column of each item."""
    demand(org, ask.caller, table, "write")
    seen: set[str] = set()
    for item in targets:
        row_id = str(item.get(table.key, "")).lower()
        if not GUID.fullmatch(row_id):
            raise refuse("InvalidArgument", text=f"Every item of UpdateMultiple needs its '{table.key}'.")
        _once(org, seen, row_id)
        if version_of(tx.db, table, row_id) is None:
            raise refuse("ObjectsDoNotExist", table=table.name, id=row_id)
        payload = read_payload(org, table, item, "update")
        demand_links(org, tx.db, ask.caller, table, payload)
        update(org, tx, table, row_id, payload, ask.caller)
    return Answer(204)


def _once(org: Org, seen: set[str], row_id: str) -> None:
    if row_id in seen and org.option("bulk_duplicates") == "refused":
        raise refuse("InvalidArgument", text="The same row is twice in one request.")
    seen.add(row_id)


def _upsert(org: Org, tx: Transaction, ask: Ask, table: Table, targets: list[dict[str, Any]]) -> Answer:
    """Each item is addressed by @odata.id, or by its primary key."""
    seen: set[str] = set()
    for item in targets:
        key = _key_of(table, item)
        row_id = keys.find_row(org, table, key)
        if row_id is not None and version_of(tx.db, table, row_id) is not None:
            _once(org, seen, row_id)
            change(org, tx, ask, table, key, row_id, item)
        else:
            _once(org, seen, insert(org, tx, ask, table, key, item))
    return Answer(204)


def _key_of(table: Table, item: dict[str, Any]) -> Any:
    address = item.get("@odata.id")
    if isinstance(address, str):
        path = parse_path(address.strip("/"))
        if path and path[-1].name == table.set_name and path[-1].inside is not None:
            return parse_key(path[-1].inside)
        raise refuse("BadPayload", set=table.set_name, text="'@odata.id' does not name a row of this set.")
    row_id = item.get(table.key)
    if isinstance(row_id, str) and GUID.fullmatch(row_id):
        return row_id.lower()
    raise refuse("BadPayload", set=table.set_name, text="Every item of UpsertMultiple needs '@odata.id'.")
