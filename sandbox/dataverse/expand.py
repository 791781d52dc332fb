"""$expand of lookups and collections (dataverse.md §3.2). Rows come parsed; related ones are put inside."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.annotations import annotate
from sandbox.dataverse.columns import Relation, Table
from sandbox.dataverse.errors import not_imitated, refuse
from sandbox.dataverse.exact import load_rows
from sandbox.dataverse.messages import Ask
from sandbox.dataverse.odata import parse_filter, parse_orderby, syntax_error
from sandbox.dataverse.options import MAX_PAGE, Options
from sandbox.dataverse.query import Compiler, order_expression, property_not_found
from sandbox.dataverse.rows import Selection, chosen_columns, fetch
from sandbox.dataverse.sifting import split_expand, split_outside
from sandbox.dataverse.store import kind_column, physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_MOST = 15
_INNER = frozenset({"$select", "$filter", "$orderby", "$top", "$expand"})


@dataclass(frozen=True)
class Item:
    """One expanded navigation property and its own options."""

    name: str
    given: dict[str, str]
    reference_only: bool = False

    @property
    def select(self) -> list[str] | None:
        text = self.given.get("$select")
        return [part.strip() for part in text.split(",")] if text else None


def parse_items(text: str | None) -> list[Item]:
    items = []
    for name, inner in split_expand(text):
        pairs = [part.strip().partition("=") for part in split_outside(inner, ";")]
        given = {key.strip(): value.strip() for key, _, value in pairs}
        for key in given:
            if key not in _INNER:
                raise syntax_error(f"The query option '{key}' is not supported inside $expand.")
        bare = name.removesuffix("/$ref")
        items.append(Item(bare, given, bare != name))
    return items


def context_parts(options: Options) -> list[str]:
    """What the context URL says about expansions."""
    if options.get("$expand") is None:
        return []
    return [f"{item.name}({','.join(item.select or [])})" for item in parse_items(options.get("$expand"))]


def expand(org: Org, db: sqlite3.Connection, ask: Ask, table: Table, rows: list[dict[str, Any]]) -> None:
    """Fill the expansions of a page into its rows."""
    items = parse_items(ask.options.get("$expand"))
    if _count(items) > _MOST:
        raise refuse("QuerySyntax", text=f"The number of $expand options exceeds the limit of {_MOST}.")
    for item in items:
        _expand_item(org, db, ask, table, rows, item, nested=False)


def _count(items: list[Item]) -> int:
    return sum(1 + _count(parse_items(item.given.get("$expand"))) for item in items)


def _expand_item(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    rows: list[dict[str, Any]],
    item: Item,
    nested: bool,
) -> None:
    up, down = org.catalogue.upward(table.name, item.name), org.catalogue.downward(table.name, item.name)
    if up:
        for option in ("$filter", "$orderby", "$top"):
            if option in item.given:
                raise syntax_error(
                    f"{option} is not supported inside $expand of a single-valued navigation property."
                )
        for row in rows:
            row[item.name] = _parent(org, db, ask, table, row, up, item)
    elif down is not None:
        if item.reference_only:
            raise refuse(
                "QuerySyntax", text="Expand with $ref is only supported on lookup type navigation property."
            )
        if nested and {"$orderby", "$top"} & set(item.given):
            raise syntax_error("$orderby and $top are not supported in a nested $expand.")
        for row in rows:
            _children(org, db, ask, table, row, down, item, nested)
    else:
        raise property_not_found(org, table, item.name)


def _parent(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    row: dict[str, Any],
    relations: list[Relation],
    item: Item,
) -> dict[str, Any] | None:
    column = table.columns[relations[0].column]
    found = db.execute(
        f'SELECT "{column.name}", "{kind_column(column)}" FROM {physical(table.name)} '
        f'WHERE "{table.key}" = ?',
        (row[table.key],),
    ).fetchone()
    by_name = {relation.parent: relation for relation in relations}
    if found is None or found[0] is None or (found[1] or column.targets[0]) not in by_name:
        return None
    parent = org.table(found[1] or column.targets[0])
    if item.reference_only:
        return {"@odata.id": f"{org.root}/{parent.set_name}({found[0]})"}
    selection = Selection([f'r."{parent.key}" = ?'], [found[0]])
    inner = _related(org, db, ask, parent, selection, item, 1, True)
    return inner[0] if inner else None


def _related(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    selection: Selection,
    item: Item,
    limit: int,
    nested: bool,
) -> list[dict[str, Any]]:
    columns = chosen_columns(org, table, item.select)
    rows = load_rows(fetch(db, table, columns, selection, limit).texts)
    rows = annotate(org, db, table, columns, rows, ask.prefer)
    for inner in parse_items(item.given.get("$expand")):
        _expand_item(org, db, ask, table, rows, inner, nested=nested)
    return rows


def _children(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    row: dict[str, Any],
    relation: Relation,
    item: Item,
    nested: bool,
) -> None:
    child = org.table(relation.child)
    if "Entity1LogicalName" in relation.extra:
        raise not_imitated("$expand of many-to-many relationships")
    selection = Selection()
    selection.add(f'r."{relation.column}" = ?', row[table.key])
    if "$filter" in item.given:
        compiler = Compiler(org, child, caller=ask.caller.id)
        condition = compiler.condition(parse_filter(item.given["$filter"]))
        selection.add(condition, *compiler.parameters)
    if "$orderby" in item.given:
        compiler = Compiler(org, child, caller=ask.caller.id)
        selection.order = [
            (order_expression(compiler, path), down) for path, down in parse_orderby(item.given["$orderby"])
        ]
    selection.order.append((f'r."{child.key}"', False))
    top = item.given.get("$top", "")
    limit = min(int(top), MAX_PAGE) if top.isdigit() else MAX_PAGE
    row[item.name] = _related(org, db, ask, child, selection, item, limit, True)
    if not nested:
        options = "&".join(f"{name}={value}" for name, value in item.given.items() if name != "$top")
        link = f"{org.root}/{table.set_name}({row[table.key]})/{item.name}"
        row[f"{item.name}@odata.nextLink"] = f"{link}?{options}" if options else link
