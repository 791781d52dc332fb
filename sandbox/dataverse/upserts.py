"""Write requests on rows (dataverse.md §5): the If-Match matrix, upserts by id and key, single properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.dataverse import keys
from sandbox.dataverse.address import parse_key
from sandbox.dataverse.columns import Table
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.messages import Answer, Ask
from sandbox.dataverse.odata import Literal
from sandbox.dataverse.payload import Payload, read_payload, resolve_reference, set_lookup
from sandbox.dataverse.reads import check_access, headers_for, row_text
from sandbox.dataverse.rights import demand, demand_links
from sandbox.dataverse.rows import chosen_columns, version_of
from sandbox.dataverse.store import Transaction
from sandbox.dataverse.writes import create, delete, update

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org


def writable(table: Table) -> None:
    """Views and the platform's own lists are not for writing."""
    if table.read_only:
        raise refuse("MessageNotSupported", message="Create", table=table.name)


def post_row(org: Org, ask: Ask, table: Table) -> Answer:
    """POST <set>: 204 with OData-EntityId, or 201 with the row and without that header (§5)."""
    writable(table)
    demand(org, ask.caller, table, "create")
    with org.store.write() as tx:
        payload = read_payload(org, table, ask.json(table.set_name), "create")
        demand_links(org, tx.db, ask.caller, table, payload)
        row_id = create(org, tx, table, payload, ask.caller)
        return _answer(org, tx, ask, table, row_id, row_id, created=True)


def _answer(
    org: Org, tx: Transaction, ask: Ask, table: Table, row_id: str, key: str, created: bool
) -> Answer:
    if ask.prefer.representation:
        body = row_text(org, tx.db, ask, table, chosen_columns(org, table, ask.options.select), row_id)
        etag = f'W/"{version_of(tx.db, table, row_id)}"'
        return Answer(201 if created else 200, body, headers_for(ask.prefer, ETag=etag))
    return Answer(204, None, {"OData-EntityId": f"{org.root}/{table.set_name}({key})"})


def patch_row(org: Org, ask: Ask, table: Table, inside: str) -> Answer:
    """PATCH <set>(<key>): an upsert, unless a header says otherwise."""
    writable(table)
    key = parse_key(inside)
    body = ask.json(table.set_name)
    with org.store.write() as tx:
        row_id = keys.find_row(org, table, key)
        exists = row_id is not None and version_of(tx.db, table, row_id) is not None
        _preconditions(org, tx, ask, table, key, row_id if exists else None)
        if exists and row_id is not None:
            row_id, created = change(org, tx, ask, table, key, row_id, body), False
        else:
            row_id, created = insert(org, tx, ask, table, key, body), True
        return _answer(org, tx, ask, table, row_id, inside if isinstance(key, dict) else row_id, created)


def change(
    org: Org, tx: Transaction, ask: Ask, table: Table, key: Any, row_id: str, body: dict[str, Any]
) -> str:
    """The update half of an upsert; key columns are dropped: a key cannot change through itself."""
    demand(org, ask.caller, table, "write")
    check_access(org, tx.db, ask.caller, table, row_id, "write")
    payload = read_payload(org, table, body, "update")
    demand_links(org, tx.db, ask.caller, table, payload)
    if isinstance(key, dict):
        for name in keys.stored_key(org, table, key):
            payload.values.pop(name, None)
    update(org, tx, table, row_id, payload, ask.caller)
    return row_id


def insert(org: Org, tx: Transaction, ask: Ask, table: Table, key: Any, body: dict[str, Any]) -> str:
    """The create half; the value in the body wins over the one in the URL (§5)."""
    demand(org, ask.caller, table, "create")
    payload = read_payload(org, table, body, "create")
    demand_links(org, tx.db, ask.caller, table, payload)
    if isinstance(key, str):
        payload.values[table.key] = key
    else:
        for name, value in keys.stored_key(org, table, key).items():
            if table.columns[name].is_lookup:
                if name not in payload.values:
                    set_lookup(payload, table.columns[name], value, None)
            else:
                payload.values.setdefault(name, value)
    return create(org, tx, table, payload, ask.caller)


def _preconditions(
    org: Org, tx: Transaction, ask: Ask, table: Table, key: str | dict[str, Literal], row_id: str | None
) -> None:
    """The If-Match / If-None-Match matrix (§5)."""
    match = ask.headers.get("if-match")
    if row_id is not None and ask.headers.get("if-none-match") == "*":
        raise refuse("RecordExists")
    if match is None:
        return
    demand(
        org, ask.caller, table, "read"
    )  # unsaid anywhere: the harsher way, as a version is a thing to be read
    if match != "*" and not table.optimistic:
        raise refuse("OptimisticConcurrencyNotEnabled", table=table.name)
    if row_id is None:
        raise missing(table, key)
    if match != "*" and match != f'W/"{version_of(tx.db, table, row_id)}"':
        raise refuse("ConcurrencyVersionMismatch")


def missing(table: Table, key: str | dict[str, Literal]) -> Exception:
    if isinstance(key, str):
        return refuse("ObjectDoesNotExist", table=table.name, id=key)
    return refuse("RecordNotFoundByEntityKey", table=table.name)


def existing(org: Org, table: Table, inside: str) -> str:
    """The id of the row that a key names, or 404."""
    key = parse_key(inside)
    row_id = keys.find_row(org, table, key)
    if row_id is None:
        raise missing(table, key)
    return row_id


def delete_row(org: Org, ask: Ask, table: Table, inside: str) -> Answer:
    """DELETE <set>(<key>)."""
    writable(table)
    demand(org, ask.caller, table, "delete")
    key = parse_key(inside)
    with org.store.write() as tx:
        row_id = keys.find_row(org, table, key)
        _preconditions(org, tx, ask, table, key, row_id)
        if row_id is None:
            raise missing(table, key)
        check_access(org, tx.db, ask.caller, table, row_id, "delete")
        delete(org, tx, table, row_id)
    return Answer(204)


def put_property(org: Org, ask: Ask, table: Table, inside: str, prop: str) -> Answer:
    """PUT <set>(<key>)/<property> {"value": …}."""
    return _set(org, ask, table, inside, {prop: ask.json(table.set_name).get("value")})


def delete_property(org: Org, ask: Ask, table: Table, inside: str, prop: str) -> Answer:
    """DELETE <set>(<key>)/<property>: null; not for lookups."""
    return _set(org, ask, table, inside, {prop: None})


def _set(org: Org, ask: Ask, table: Table, inside: str, body: dict[str, Any]) -> Answer:
    writable(table)
    demand(org, ask.caller, table, "write")
    with org.store.write() as tx:
        row_id = existing(org, table, inside)
        check_access(org, tx.db, ask.caller, table, row_id, "write")
        payload = read_payload(org, table, body, "update")
        demand_links(org, tx.db, ask.caller, table, payload)
        update(org, tx, table, row_id, payload, ask.caller)
    return Answer(204)


def reference(org: Org, ask: Ask, table: Table, inside: str, navigation: str) -> Answer:
    """PUT, POST or DELETE <set>(<key>)/<navigation>/$ref."""
    down = org.catalogue.downward(table.name, navigation)
    if down is None:
        url = None if ask.method == "DELETE" else ask.json(table.set_name).get("@odata.id", "")
        return _set(org, ask, table, inside, {f"{navigation}@odata.bind": url})
    with org.store.write() as tx:
        parent = existing(org, table, inside)
        body = (
            ask.json(table.set_name) if ask.method == "POST" else {"@odata.id": ask.options.get("$id") or ""}
        )
        child, child_id = resolve_reference(org, body.get("@odata.id", ""))
        payload = Payload()
        value, kind = (parent, table.name) if ask.method == "POST" else (None, None)
        set_lookup(payload, child.columns[down.column], value, kind)
        update(org, tx, child, child_id, payload, ask.caller)
    return Answer(204)
