"""GET of collections and single rows (dataverse.md §3). Change tracking is next door (changes)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import expand
from sandbox.dataverse.annotations import annotate
from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.exact import dump_rows, load_rows
from sandbox.dataverse.kept import Page
from sandbox.dataverse.messages import JSON_TYPE, Answer, Ask
from sandbox.dataverse.odata import parse_filter, parse_orderby
from sandbox.dataverse.options import MAX_PAGE, Options, Prefer
from sandbox.dataverse.pages import Cookie, next_link, read_cookie
from sandbox.dataverse.query import Compiler, order_expression, visible_column
from sandbox.dataverse.rights import Caller, demand
from sandbox.dataverse.rows import Selection, chosen_columns, count, fetch, fetch_one, row_query, version_of

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_COUNT_CAP = 5000
_TOTALS = "Microsoft.Dynamics.CRM.totalrecordcount"


def headers_for(prefer: Prefer, **more: str) -> dict[str, str]:
    headers = {"Content-Type": JSON_TYPE, **{name.replace("_", "-"): value for name, value in more.items()}}
    if prefer.applied:
        headers["Preference-Applied"] = prefer.applied
    return headers


def context_of(org: Org, table: Table, options: Options, suffix: str = "") -> str:
    """The context URL, which lists what was selected (§3.1)."""
    parts = [*(options.select or []), *expand.context_parts(options)]
    shown = f"({','.join(parts)})" if parts else ""
    return f"{org.root}/$metadata#{table.set_name}{shown}{suffix}"


def select_rows(org: Org, caller: Caller, table: Table, options: Options) -> Selection:
    """The conditions and the sort of a query, the caller's read depth included."""
    selection = Selection()
    if demand(org, caller, table, "read") == "user" and table.owned:
        selection.add("r.ownerid = ?", caller.id)
    text = options.get("$filter")
    if text is not None:
        compiler = Compiler(org, table, caller=caller.id)
        condition = compiler.condition(parse_filter(text, options.aliases))
        selection.add(condition, *compiler.parameters)
    order = options.get("$orderby")
    if order:
        order = options.aliases.get(order.strip(), order)
        compiler = Compiler(org, table, caller=caller.id)
        selection.order = [(order_expression(compiler, path), down) for path, down in parse_orderby(order)]
    selection.order.append((f'r."{table.key}"', False))
    return selection


def collection(org: Org, ask: Ask, table: Table, within: tuple[str, list[Any]] | None = None) -> Answer:
    """GET <set>: one page."""
    options, prefer = ask.options, ask.prefer
    cookie = read_cookie(table.set_name, options)
    selection = select_rows(org, ask.caller, table, options)
    if within is not None:
        selection.add(within[0], *within[1])
    columns = chosen_columns(org, table, options.select)
    limit, pages = _page_size(options, prefer)
    with org.store.read() as db:
        total = count(db, table, selection, _COUNT_CAP + 1) if options.count else -1
        if cookie is not None:
            selection.after(cookie.last)
        page = read_page(org, db, ask, table, columns, selection, limit) if limit else Page(b"")
    head: dict[str, Any] = {"@odata.context": context_of(org, table, options)}
    if options.count:
        head["@odata.count"] = min(total, _COUNT_CAP)
    if prefer.wants(_TOTALS):
        head[f"@{_TOTALS}"] = min(total, _COUNT_CAP)
        head["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = total > _COUNT_CAP
        head["@Microsoft.Dynamics.CRM.globalmetadataversion"] = org.catalogue.version()
    tail = {}
    if page.more and pages:
        following = Cookie((cookie.page if cookie else 1) + 1, page.last)
        tail["@odata.nextLink"] = next_link(
            org.root, table.set_name, table.key, options, following, page.first_id, page.last_id
        )
    return Answer(200, envelope(head, page.rows, tail), headers_for(prefer))


def _page_size(options: Options, prefer: Prefer) -> tuple[int, bool]:
    """Rows per page, and whether there are further pages; $top yields to odata.maxpagesize (§3.2)."""
    if prefer.page_size is None and options.top is not None:
        return min(options.top, MAX_PAGE), False
    return min(prefer.page_size or MAX_PAGE, MAX_PAGE), True


def read_page(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    columns: Sequence[Column],
    selection: Selection,
    limit: int,
) -> Page:
    """Up to `limit` rows as a client gets them; plain ones are made once as long as nothing changes."""
    plain = ask.prefer.annotations is None and ask.options.get("$expand") is None
    state = org.store.state(db) if plain else None
    question = (row_query(table, columns, selection, limit), *selection.parameters)
    if state is not None and (kept := org.pages.find(state, question)):
        return kept
    found = fetch(db, table, columns, selection, limit)
    rows = rows_text(org, db, ask, table, columns, found.texts).encode()
    edges = (found.ids[0], found.ids[-1]) if found.ids else ("", "")
    page = Page(rows, len(found.ids), *edges, found.last, found.more)
    if state is not None:
        org.pages.keep(state, question, page)
    return page


def rows_text(
    org: Org, db: sqlite3.Connection, ask: Ask, table: Table, columns: Sequence[Column], texts: list[str]
) -> str:
    """The rows as JSON text; only annotations and expansions make Python look inside."""
    if ask.prefer.annotations is None and ask.options.get("$expand") is None:
        return ",".join(texts)
    rows = load_rows(texts)
    rows = annotate(org, db, table, columns, rows, ask.prefer)
    expand.expand(org, db, ask, table, rows)
    return dump_rows(rows)


def envelope(head: dict[str, Any], rows: bytes, tail: dict[str, Any]) -> bytes:
    """Put a collection answer together around rows that are text already."""
    start = json.dumps(head, ensure_ascii=False)[:-1]
    end = f", {json.dumps(tail, ensure_ascii=False)[1:]}" if tail else "}"
    return b"".join((start.encode(), b', "value":[', rows, b"]", end.encode()))


def total(org: Org, ask: Ask, table: Table) -> Answer:
    """GET <set>/$count as text."""
    selection = select_rows(org, ask.caller, table, ask.options)
    cap = _COUNT_CAP if org.option("count_capped") else None
    with org.store.read() as db:
        number = count(db, table, selection, cap)
    return Answer(200, str(number), {"Content-Type": "text/plain"})


def single(org: Org, ask: Ask, table: Table, row_id: str) -> Answer:
    """GET <set>(<key>): one row, or 304 for a known version (§5)."""
    options, prefer = ask.options, ask.prefer
    for forbidden in ("$filter", "$orderby", "$top", "$count"):
        if options.get(forbidden) is not None:
            raise refuse(
                "QuerySyntax", text=f"Query option '{forbidden}' cannot be applied to the requested resource."
            )
    columns = chosen_columns(org, table, options.select)
    with org.store.read() as db:
        check_access(org, db, ask.caller, table, row_id, "read")
        version = version_of(db, table, row_id)
        if version is None:
            raise refuse("ObjectDoesNotExist", table=table.name, id=row_id)
        plain = options.get("$expand") is None and prefer.annotations is None
        if ask.headers.get("if-none-match") == f'W/"{version}"' and plain and table.optimistic:
            return Answer(304, None, {"ETag": f'W/"{version}"'})
        body = row_text(org, db, ask, table, columns, row_id)
    return Answer(200, body, headers_for(prefer, ETag=f'W/"{version}"'))


def row_text(
    org: Org, db: sqlite3.Connection, ask: Ask, table: Table, columns: Sequence[Column], row_id: str
) -> str:
    """One row as a client gets it: context first."""
    found = fetch(db, table, columns, Selection([f'r."{table.key}" = ?'], [row_id]), 1)
    context = json.dumps({"@odata.context": context_of(org, table, ask.options, "/$entity")})
    return f"{context[:-1]},{rows_text(org, db, ask, table, columns, found.texts).lstrip()[1:]}"


def check_access(
    org: Org, db: sqlite3.Connection, caller: Caller, table: Table, row_id: str, verb: str
) -> None:
    """A user-deep privilege opens the caller's own rows only (§8, unManagedIdsAccessDenied)."""
    if demand(org, caller, table, verb) != "user" or not table.owned:
        return
    owner = fetch_one(db, table, [table.columns["ownerid"]], row_id)
    if owner is not None and owner["_ownerid_value"] != caller.id:
        raise refuse("RecordAccessDenied", user=caller.id, table=table.name)


def value_of(org: Org, ask: Ask, table: Table, row_id: str, prop: str) -> Answer:
    """GET <set>(<key>)/<property>."""
    column = visible_column(org, table, prop)
    with org.store.read() as db:
        check_access(org, db, ask.caller, table, row_id, "read")
        row = fetch_one(db, table, [column], row_id)
    if row is None:
        raise refuse("ObjectDoesNotExist", table=table.name, id=row_id)
    if row[column.wire_name] is None:
        return Answer(204)
    context = f"{org.root}/$metadata#{table.set_name}({row_id})/{prop}"
    return Answer.of({"@odata.context": context, "value": row[column.wire_name]}, Content_Type=JSON_TYPE)
