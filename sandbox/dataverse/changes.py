"""Change tracking: the initial read, the delta, its count, and the refusals (dataverse.md §4).

The token is `<row version>!<time>`; row versions alone decide what a delta holds, the time only expires it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.kept import Page
from sandbox.dataverse.messages import Answer, Ask
from sandbox.dataverse.options import MAX_PAGE, Options
from sandbox.dataverse.pages import Cookie, next_link, read_cookie
from sandbox.dataverse.reads import context_of, envelope, headers_for, read_page
from sandbox.dataverse.rights import demand, denied
from sandbox.dataverse.rows import Selection, chosen_columns
from sandbox.dataverse.store import physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_TOKEN = re.compile(r"(\d+)!(\d{2}/\d{2}/\d{4} \d{2}:\d{2}:\d{2})")
_TIME = "%m/%d/%Y %H:%M:%S"
_FORBIDDEN = ("$filter", "$orderby", "$expand", "$top")


def is_tracking(ask: Ask) -> bool:
    """Say whether a GET of a set is change tracking: by Prefer, by token, or by the cookie of such a read."""
    token = ask.options.get("$skiptoken") or ""
    return ask.prefer.track or ask.options.get("$deltatoken") is not None or 'istracking="True"' in token


def read_changes(org: Org, ask: Ask, table: Table) -> Answer:
    """GET <set> with tracking: a page of the initial read or of a delta."""
    _check(org, ask, table)
    cookie = read_cookie(table.set_name, ask.options)
    limit = min(ask.prefer.page_size or MAX_PAGE, MAX_PAGE)
    columns = chosen_columns(org, table, ask.options.select)
    with org.store.read() as db:
        if cookie is None:
            cookie = _first(org, db, ask.options)
        if cookie.since < 0:
            return _initial_page(org, db, ask, table, columns, cookie, limit)
        return _delta_page(org, db, ask, table, columns, cookie, limit)


def _check(org: Org, ask: Ask, table: Table) -> None:
    """Everything that refuses change tracking (§4.1, §4.4)."""
    published = not (org.option("publish_tracking") and table.extra.get("unpublished_tracking"))
    if not table.tracking or not published:
        raise refuse("ChangeTrackingNotEnabled", table=table.name)
    if demand(org, ask.caller, table, "read") != "organisation":
        raise denied(ask.caller, table, "read")
    for option in _FORBIDDEN:
        if ask.options.get(option) is not None:
            raise refuse("OptionWithTracking", option=option)
    if ask.options.count and org.option("count_with_tracking") == "refused":
        raise refuse("OptionWithTracking", option="$count")


def _first(org: Org, db: sqlite3.Connection, options: Options) -> Cookie:
    """Where a read begins. The mark is taken now: what changes while paging is in the next delta."""
    token = options.get("$deltatoken")
    moment = org.world.clock.now().strftime(_TIME)
    since = -1 if token is None else read_token(org, token)
    return Cookie(1, (), True, since, org.store.high_water(db), moment)


def read_token(org: Org, token: str) -> int:
    """The row version of a token that has not expired (§4.5)."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise refuse("QuerySyntax", text="The delta token is not valid.")
    try:
        given = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise refuse("QuerySyntax", text="The delta token is not valid.") from None
    if org.world.clock.now() - given > timedelta(days=window_days(org)) or int(match[1]) < org.oldest_token:
        raise refuse("ExpiredVersionStamp")
    return int(match[1])


def window_days(org: Org) -> int:
    """The change tracking window: a column of the organisation row, unless the switch says otherwise."""
    days = int(org.option("expire_days"))
    if days >= 0:
        return days
    with org.store.read() as db:
        row = db.execute('SELECT expirechangetrackingindays FROM "t_organization"').fetchone()
    return 7 if row is None or row[0] is None else int(row[0])


def _initial_page(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    columns: Sequence[Column],
    cookie: Cookie,
    limit: int,
) -> Answer:
    selection = Selection(order=[(f'r."{table.key}"', False)])
    if cookie.last:
        selection.after(cookie.last)
    page = read_page(org, db, ask, table, columns, selection, limit)
    last = page.last if page.more else None
    return _page(org, ask, table, cookie, page.rows, last, "rows", (page.first_id, page.last_id), "")


def _delta_page(
    org: Org,
    db: sqlite3.Connection,
    ask: Ask,
    table: Table,
    columns: Sequence[Column],
    cookie: Cookie,
    limit: int,
) -> Answer:
    """New and changed rows by version, then deletions (§4.3); both up to the mark taken at the first page."""
    page, start = Page(b""), cookie.last[0] if cookie.last else cookie.since
    if cookie.phase == "rows":
        selection = Selection(order=[("r.versionnumber", False)])
        selection.add("r.versionnumber > ?", start)
        selection.add("r.versionnumber <= ?", cookie.ceiling)
        page = read_page(org, db, ask, table, columns, selection, limit)
        if page.more:
            edges = (page.first_id, page.last_id)
            return _page(org, ask, table, cookie, page.rows, page.last, "rows", edges, "/$delta")
        start = cookie.since
    room = limit - page.count
    gone = _deletions(org, db, table, start, cookie.ceiling, room + 1)
    more = len(gone) > room
    gone = gone[:room]
    texts = [page.rows, *(_deleted(org, table, row_id).encode() for row_id, _ in gone)]
    last = (gone[-1][1] if gone else start,) if more else None
    ids = (
        [page.first_id, page.last_id, *(row_id for row_id, _ in gone)] if page.count else [i for i, _ in gone]
    )
    edges = (ids[0], ids[-1]) if ids else ("", "")
    rows = b",".join(text for text in texts if text)
    return _page(org, ask, table, cookie, rows, last, "deletions", edges, "/$delta")


def _deletions(
    org: Org, db: sqlite3.Connection, table: Table, start: int, ceiling: int, limit: int
) -> list[tuple[str, int]]:
    net = ""
    if org.option("deleted_then_recreated") == "net":
        net = f' AND NOT EXISTS (SELECT 1 FROM {physical(table.name)} r WHERE r."{table.key}" = d.id)'
    range_ = f"tbl = ? AND version > ? AND version <= ?{net}"
    sql = f"SELECT id, version FROM deletions d WHERE {range_} ORDER BY version LIMIT ?"
    return db.execute(sql, (table.name, start, ceiling, limit)).fetchall()


def _deleted(org: Org, table: Table, row_id: str) -> str:
    context = f"{org.root}/$metadata#{table.set_name}/$deletedEntity"
    return json.dumps({"@odata.context": context, "id": row_id, "reason": "deleted"})


def _page(
    org: Org,
    ask: Ask,
    table: Table,
    cookie: Cookie,
    rows: bytes,
    last: tuple[Any, ...] | None,
    phase: str,
    edges: tuple[str, str],
    suffix: str,
) -> Answer:
    """A page with its next link, or the last one with the delta link (§4.2)."""
    head: dict[str, Any] = {"@odata.context": context_of(org, table, ask.options, suffix)}
    tail: dict[str, Any] = {}
    if last is not None:
        following = Cookie(cookie.page + 1, last, True, cookie.since, cookie.ceiling, cookie.moment, phase)
        tail["@odata.nextLink"] = next_link(
            org.root, table.set_name, table.key, ask.options, following, *edges
        )
    elif not (ask.prefer.annotations is not None and org.option("annotations_lose_delta_link")):
        head["@odata.deltaLink"] = delta_link(org, table, ask.options, cookie)
    return Answer(200, envelope(head, rows, tail), headers_for(ask.prefer))


def delta_link(org: Org, table: Table, options: Options, cookie: Cookie) -> str:
    """The URL that asks for everything after the mark; escapes in lower case, as the service writes them."""
    token = re.sub(
        r"%[0-9A-F]{2}", lambda m: m[0].lower(), quote(f"{cookie.ceiling}!{cookie.moment}", safe="")
    )
    parts = [part for name, part in options.raw if name not in ("$skiptoken", "$deltatoken")]
    return f"{org.root}/{table.set_name}?" + "&".join([*parts, f"$deltatoken={token}"])


def count_changes(org: Org, ask: Ask, table: Table) -> Answer:
    """GET <set>/$count?$deltatoken=…: how many changes (§4.4)."""
    _check(org, ask, table)
    since = read_token(org, ask.options.get("$deltatoken") or "")
    with org.store.read() as db:
        rows = db.execute(
            f"SELECT count(*) FROM {physical(table.name)} WHERE versionnumber > ?", (since,)
        ).fetchone()[0]
        gone = len(_deletions(org, db, table, since, org.store.high_water(db), -1))
    return Answer(200, str(rows + gone), {"Content-Type": "text/plain"})
