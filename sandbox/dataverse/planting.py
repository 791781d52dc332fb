"""Seeds: many trusted rows at once, the tables and columns they need declared on the way.

Rows keep their ids and times; nothing is validated beyond shape. Writes of clients go through writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import builders
from sandbox.dataverse import org as organisation
from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.store import kind_column, physical
from sandbox.dataverse.values import plant_value
from sandbox.seeds import TableSeed
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_CHUNK = 5000


def seed(world: World, tables: Iterable[TableSeed]) -> None:
    """Fill the organisation; `tables` may be lazy, a million rows pass through in chunks."""
    org = organisation.organisation(world)
    for table_seed in tables:
        _declare(org, table_seed)
        plant(org, table_seed.table, table_seed.rows)


def _declare(org: Org, table_seed: TableSeed) -> None:
    """Make a custom table, or give a standard one the columns it lacks."""
    table = org.catalogue.tables.get(table_seed.table)
    wanted = table_seed.columns or {}
    if table is None:
        table = _custom_table(table_seed.table, wanted)
        if table.activity:
            org.catalogue.lay_out_views()
    for name, type_ in wanted.items():
        if name not in table.columns:
            table = table.with_column(builders.with_id(table.name, custom_column(name, type_)))
    if org.catalogue.tables.get(table.name) != table:
        org.catalogue.put(table)
        organisation.list_messages(org)


def _custom_table(name: str, columns: Mapping[str, str]) -> Table:
    """A seeded table: set name = name + "s", change tracking on; its name column is one that is called so."""
    texts = [column for column, type_ in columns.items() if type_ in ("String", "Memo")]
    title = (
        next((column for column in texts if column.endswith("_name")), None) or f"{name.split('_')[0]}_name"
    )
    base = [
        *builders.identifier(f"{name}id"),
        *builders.states(*builders.ACTIVE_INACTIVE),
        *builders.system_columns(),
    ]
    if title not in columns:
        base += [custom_column(title, "String")]
    return builders.make_table(
        name, f"{name}s", f"{name}id", title, base, schema=name, tracking=True, custom=True
    )


def custom_column(name: str, type_: str) -> Column:
    """A custom column from a seed's word for its type."""
    kind, _, target = type_.partition(":")
    makers: dict[str, Callable[[], list[Column]]] = {
        "String": lambda: builders.text(4000, name),
        "Memo": lambda: builders.memo(1_048_576, name),
        "Integer": lambda: builders.whole(name),
        "BigInt": lambda: [replace(builders.whole(name)[0], type="BigInt", minimum=None, maximum=None)],
        "Decimal": lambda: builders.decimal(name, precision=4),
        "Double": lambda: builders.double(name),
        "Money": lambda: builders.money(name, low=-1e14),
        "Boolean": lambda: builders.boolean(name, default=None),
        "DateTime": lambda: builders.moment(name),
        "DateOnly": lambda: builders.day(name),
        "Lookup": lambda: builders.lookup(name, target),
    }
    if kind not in makers:
        raise ValueError(f"column {name}: type {type_!r} is none of {', '.join(makers)} (Lookup:<table>)")
    return replace(makers[kind]()[0], custom=True)


def plant(org: Org, table_name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows in transactions of some thousands, each row under its own version."""
    table = org.table(table_name)
    fill = _defaults(org, table)
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        properties = dict.fromkeys(name for row in chunk for name in row)
        columns = _columns(table, properties)
        extras = [name for name in fill if name not in {stored for stored, _ in columns}]
        names = [stored for stored, _ in columns] + extras + ["versionnumber"]
        if table.key not in names:
            raise ValueError(f"rows of {table_name} need their key {table.key}")
        sql = (
            f"INSERT INTO {physical(table.name)} ({', '.join(map(_quoted, names))}) "
            f"VALUES ({', '.join('?' * len(names))})"
        )
        with org.store.write() as tx:
            tx.db.executemany(
                sql, _tuples(chunk, columns, [fill[name] for name in extras], fill, tx.next_version)
            )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _tuples(
    chunk: list[Mapping[str, Any]],
    columns: list[tuple[str, Callable[[Mapping[str, Any]], Any]]],
    tail: list[Any],
    fill: Mapping[str, Any],
    next_version: Callable[[], int],
) -> Iterator[list[Any]]:
    readers = [(read, fill.get(name)) for name, read in columns]
    for row in chunk:
        values = []
        for read, default in readers:
            value = read(row)
            values.append(default if value is None else value)
        yield [*values, *tail, next_version()]


def _columns(table: Table, properties: Iterable[str]) -> list[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
    """Stored column → how to read it from a seed row."""
    found: list[tuple[str, Callable[[Mapping[str, Any]], Any]]] = []
    for prop in properties:
        if "@" in prop:
            continue
        column = table.column_of(prop)
        if column is None:
            raise ValueError(f"table {table.name} has no column for the property {prop}")
        found.append((column.name, _reader(prop, column)))
        if column.is_lookup:
            found.append((kind_column(column), _kind_reader(prop, column)))
    if table.name == "contact" and "fullname" not in properties:
        found.append(("fullname", _full_name))
    return found


def _reader(prop: str, column: Column) -> Callable[[Mapping[str, Any]], Any]:
    if column.type in ("Decimal", "Money", "Uniqueidentifier") or column.is_lookup:
        return lambda row: plant_value(column, row.get(prop))
    if column.type in ("String", "Memo"):
        return lambda row: row.get(prop) or None
    return lambda row: row.get(prop)


def _kind_reader(prop: str, column: Column) -> Callable[[Mapping[str, Any]], Any]:
    note, stock = f"{prop}@Microsoft.Dynamics.CRM.lookuplogicalname", column.targets[0]
    return lambda row: row.get(note, stock) if row.get(prop) else None


def _full_name(row: Mapping[str, Any]) -> str | None:
    return " ".join(part for part in (row.get("firstname"), row.get("lastname")) if part) or None


def _defaults(org: Org, table: Table) -> dict[str, Any]:
    """What a row gets that a seed does not say (§12.2/20)."""
    now, user = org.now(), organisation.APPLICATION_USER
    fill: dict[str, Any] = {
        column.name: int(column.default) if isinstance(column.default, bool) else column.default
        for column in table.columns.values()
        if column.default is not None
    }
    fill |= {"createdon": now, "modifiedon": now}
    for name in ("createdby", "modifiedby", *(("ownerid", "owninguser") if table.owned else ())):
        if name in table.columns:
            fill |= {name: user, kind_column(table.columns[name]): "systemuser"}
    if table.owned and "owningbusinessunit" in table.columns:
        column = table.columns["owningbusinessunit"]
        fill |= {column.name: organisation.BUSINESS_UNIT, kind_column(column): "businessunit"}
    return fill
