"""Rows come into being, change and go: defaults, computed columns, versions, cascades (§5, §12.2).

Bodies come checked (payload); preconditions and status codes of requests are next door (upserts).
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import keys
from sandbox.dataverse import org as organisation
from sandbox.dataverse.columns import Relation, Table
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.payload import Payload, read_payload, set_lookup
from sandbox.dataverse.rights import Caller
from sandbox.dataverse.store import Transaction, kind_column, physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_STAMPS = ("modifiedon", "modifiedby")


def create(org: Org, tx: Transaction, table: Table, payload: Payload, caller: Caller) -> str:
    """Insert one row, with nested ones around it; return its id."""
    refuse_by_switch(org, payload.values.get(table.key))
    for relation, body in payload.parents:
        parent = org.table(relation.parent)
        parent_id = create(org, tx, parent, read_payload(org, parent, body, "create"), caller)
        set_lookup(payload, table.columns[relation.column], parent_id, parent.name)
    row = _with_defaults(org, table, payload, caller)
    row_id = row[table.key]
    if tx.db.execute(f'SELECT 1 FROM {physical(table.name)} WHERE "{table.key}" = ?', (row_id,)).fetchone():
        raise refuse("DuplicateRecord")
    keys.check_unique(org, tx.db, table, row, row_id)
    _insert(tx, table, row)
    for relation, bodies in payload.children:
        child = org.table(relation.child)
        for body in bodies:
            nested = read_payload(org, child, body, "create")
            set_lookup(nested, child.columns[relation.column], row_id, table.name)
            create(org, tx, child, nested, caller)
    return row_id


def refuse_by_switch(org: Org, row_id: Any) -> None:
    """The injectable errors of the database (§7) and of a plug-in (§8), in every row or in some."""
    some = org.option("failing_rows").lower().split()
    if some and str(row_id).lower() not in some:
        return
    if (name := org.option("sql_error")) != "none":
        raise refuse(name)
    if text := org.option("plugin_says"):
        raise refuse("IsvAborted", text=text)


def _insert(tx: Transaction, table: Table, row: dict[str, Any]) -> None:
    row["versionnumber"] = tx.next_version()
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    tx.db.execute(f"INSERT INTO {physical(table.name)} ({names}) VALUES ({marks})", list(row.values()))


def _with_defaults(org: Org, table: Table, payload: Payload, caller: Caller) -> dict[str, Any]:
    """A complete row: what was sent over what is stock (§12.2/20)."""
    now = org.now()
    row: dict[str, Any] = {c.name: c.default for c in table.columns.values() if c.default is not None}
    if table.name == "contact":
        row["preferredcontactmethodcode"] = org.option("preferredcontactmethod_default") or None
    row = {name: int(value) if isinstance(value, bool) else value for name, value in row.items()}
    row.update(payload.values)
    row[table.key] = (row.get(table.key) or str(uuid.uuid4())).lower()
    back_date = row.get("overriddencreatedon")
    stamps = {
        "createdon": back_date or now,
        "modifiedon": now,
        "createdby": caller.id,
        "modifiedby": caller.id,
    }
    for name, value in stamps.items():
        if name in table.columns and name not in payload.values:
            row[name] = value
    if "ownerid" in table.columns and row.get("ownerid") is None:
        row["ownerid"], payload.kinds["ownerid"] = caller.id, "systemuser"
    _settle_state(table, row, None)
    _compute(org, table, row, row)
    _companions(table, row, payload.kinds)
    return row


def _companions(table: Table, row: dict[str, Any], kinds: dict[str, str | None]) -> None:
    """Remember which table each lookup points at; owners have columns that follow them."""
    if row.get("ownerid") is not None and "owninguser" in table.columns:
        team = kinds.get("ownerid") == "team"
        row["owninguser"], row["owningteam"] = (None, row["ownerid"]) if team else (row["ownerid"], None)
        row["owningbusinessunit"] = organisation.BUSINESS_UNIT
    for name in list(row):
        column = table.columns.get(name)
        if column is not None and column.is_lookup:
            kind = kinds.get(name) or column.targets[0]
            row[kind_column(column)] = kind if row[name] is not None else None


def _settle_state(table: Table, row: dict[str, Any], before: dict[str, Any] | None) -> None:
    """statecode and statuscode belong together (§8, InvalidStateCodeStatusCode)."""
    state_column, status_column = table.columns.get("statecode"), table.columns.get("statuscode")
    if state_column is None or status_column is None or not ({"statecode", "statuscode"} & set(row)):
        return
    known = before or {}
    state = row.get("statecode", known.get("statecode"))
    state = state_column.default if state is None else state
    option = state_column.option(state)
    if row.get("statuscode") is None or (before is None and "statuscode" not in row):
        row["statuscode"] = option.default_status if option else None
    reason = status_column.option(row["statuscode"])
    if reason is None or reason.state != state:
        if before is None and row["statuscode"] == status_column.default and option is not None:
            row["statuscode"] = option.default_status
            return
        raise refuse("InvalidStateCodeStatusCode", status=row["statuscode"], state=state, table=table.name)


def _compute(org: Org, table: Table, row: dict[str, Any], whole: dict[str, Any]) -> None:
    """fullname, the base amounts of money, the currency. `row` is written, `whole` is how the row will be."""
    if table.name == "contact" and {"firstname", "lastname"} & set(row):
        first, last = whole.get("firstname"), whole.get("lastname")
        if org.option("fullname_order") == "first last":
            row["fullname"] = " ".join(part for part in (first, last) if part) or None
        else:
            row["fullname"] = ", ".join(part for part in (last, first) if part) or None
    amounts = [c for c in table.columns.values() if c.type == "Money" and f"{c.name}_base" in table.columns]
    for column in amounts:
        if column.name in row:
            row[f"{column.name}_base"] = row[column.name]  # the one currency is the base currency
            if row[column.name] is not None and not whole.get("transactioncurrencyid"):
                row["transactioncurrencyid"], row["exchangerate"] = organisation.EURO, "1.0000000000"


def update(org: Org, tx: Transaction, table: Table, row_id: str, payload: Payload, caller: Caller) -> None:
    """Change one row that exists; every write bumps version and modifiedon (§12.2/8)."""
    refuse_by_switch(org, row_id)
    row = dict(payload.values)
    before = load(tx.db, table, row_id)
    _refuse_closed(org, table, before, row)
    if "statecode" in row and "statuscode" not in row and row["statecode"] != before.get("statecode"):
        row["statuscode"] = None
    _settle_state(table, row, before)
    _compute(org, table, row, {**before, **row})
    _companions(table, row, payload.kinds)
    if org.option("same_value_writes") == "ignore" and all(
        before.get(name) == value for name, value in row.items()
    ):
        return
    keyed = {name for key in table.keys for name in key.columns}
    if keyed & set(row):
        keys.check_unique(org, tx.db, table, {**before, **row}, row_id)
    row.setdefault("modifiedon", org.now())
    row.setdefault("modifiedby", caller.id)
    row = {name: value for name, value in row.items() if name.partition("@")[0] in table.columns}
    write_columns(tx, table, row_id, row)


def _refuse_closed(org: Org, table: Table, before: dict[str, Any], row: dict[str, Any]) -> None:
    if "statecode" in row or not before.get("statecode"):
        return
    if table.name == "task" and org.option("closed_task_updates") == "refused":
        raise refuse("InvalidOperation", text="A completed or cancelled task cannot be edited.")
    if table.name == "contact" and before["statecode"] == 1 and org.option("inactive_updates") == "refused":
        raise refuse("InvalidOperation", text="An inactive contact cannot be edited.")


def load(db: sqlite3.Connection, table: Table, row_id: str) -> dict[str, Any]:
    """A row as stored; refused if there is none."""
    cursor = db.execute(f'SELECT * FROM {physical(table.name)} WHERE "{table.key}" = ?', (row_id,))
    row = cursor.fetchone()
    if row is None:
        raise refuse("ObjectDoesNotExist", table=table.name, id=row_id)
    return dict(zip((entry[0] for entry in cursor.description), row, strict=True))


def write_columns(tx: Transaction, table: Table, row_id: str, row: dict[str, Any]) -> None:
    """Store columns of a row under a new version."""
    row["versionnumber"] = tx.next_version()
    pairs = ", ".join(f'"{name}" = ?' for name in row)
    tx.db.execute(
        f'UPDATE {physical(table.name)} SET {pairs} WHERE "{table.key}" = ?', [*row.values(), row_id]
    )


def delete(org: Org, tx: Transaction, table: Table, row_id: str) -> None:
    """Remove one row and what depends on it; each deletion shows in its own table's delta (§12.2/21)."""
    refuse_by_switch(org, row_id)
    found = tx.db.execute(f'DELETE FROM {physical(table.name)} WHERE "{table.key}" = ?', (row_id,)).rowcount
    if not found:
        raise refuse("ObjectDoesNotExist", table=table.name, id=row_id)
    for relation in org.catalogue.children_of(table.name):
        _let_go(org, tx, relation, row_id)
    tx.bury(table.name, row_id, org.timestamp())


def _let_go(org: Org, tx: Transaction, relation: Relation, parent_id: str) -> None:
    child = org.table(relation.child)
    column = child.columns[relation.column]
    sql = f'SELECT "{child.key}" FROM {physical(child.name)} WHERE "{column.name}" = ?'
    ids = [row[0] for row in tx.db.execute(sql, (parent_id,))]
    if ids and relation.on_delete == "Restrict":
        raise refuse("CannotDeleteDueToAssociation", table=relation.parent)
    for child_id in ids:
        if relation.on_delete == "Cascade":
            delete(org, tx, child, child_id)
        else:
            row = {column.name: None, kind_column(column): None, "modifiedon": org.now()}
            write_columns(tx, child, child_id, row)
