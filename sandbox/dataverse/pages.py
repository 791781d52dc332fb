"""Paging cookies: the $skiptoken and the next link of dataverse.md §3.4, and the refusal of altered ones."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

from sandbox.dataverse.errors import refuse
from sandbox.dataverse.options import Options

_COOKIE = re.compile(
    r'<cookie pagenumber="(?P<page>\d+)" pagingcookie="(?P<inner>[^"]*)" '
    r'istracking="(?P<tracking>True|False)" '
    r'mark="(?P<mark>[0-9a-f]{16})" />'
)
_STATE = re.compile(r"state='([^']*)'")


@dataclass(frozen=True)
class Cookie:
    """Where the next page begins: sort values and key of the last row; what a tracking read remembers."""

    page: int
    last: tuple[Any, ...]
    tracking: bool = False
    since: int = 0
    ceiling: int = 0
    moment: str = ""
    phase: str = "rows"


def _mark(set_name: str, options: Options, page: int, inner: str, tracking: bool) -> str:
    """Binds a cookie to its query: appended or edited options make it invalid (§3.4, §12.1/5)."""
    query = sorted(
        (name, value) for name, value in options.given.items() if name not in ("$skiptoken", "$deltatoken")
    )
    content = json.dumps([set_name, query, page, inner, tracking])
    return hashlib.sha256(f"paging cookie of the sandbox {content}".encode()).hexdigest()[:16]


def next_link(
    root: str, set_name: str, key: str, options: Options, cookie: Cookie, first_id: str, last_id: str
) -> str:
    """The URL of the next page; the client's own options go into it unchanged."""
    state = quote(
        json.dumps([cookie.last, cookie.since, cookie.ceiling, cookie.moment, cookie.phase]), safe=""
    )
    inner_xml = (
        f"<cookie page={quoteattr(str(cookie.page - 1))}><{key} last={quoteattr(f'{{{last_id.upper()}}}')} "
        f"first={quoteattr(f'{{{first_id.upper()}}}')} state='{state}' /></cookie>"
    )
    inner = quote(quote(inner_xml, safe=""), safe="")
    mark = _mark(set_name, options, cookie.page, inner, cookie.tracking)
    outer = (
        f'<cookie pagenumber="{cookie.page}" pagingcookie="{inner}" '
        f'istracking="{cookie.tracking}" mark="{mark}" />'
    )
    parts = [part for name, part in options.raw if name not in ("$skiptoken", "$deltatoken")]
    return f"{root}/{set_name}?" + "&".join([*parts, f"$skiptoken={quote(outer, safe='=')}"])


def read_cookie(set_name: str, options: Options) -> Cookie | None:
    """The cookie of a request, or None; an altered one is refused."""
    text = options.get("$skiptoken")
    if text is None:
        return None
    match = _COOKIE.fullmatch(text)
    if match is None:
        raise refuse("PagingCookie", text="malformed XML in the Paging Cookie")
    page, inner, tracking = int(match["page"]), match["inner"], match["tracking"] == "True"
    if _mark(set_name, options, page, inner, tracking) != match["mark"]:
        raise refuse("PagingCookie", text="the query does not match the Paging Cookie")
    state = _STATE.search(unquote(unquote(inner)))
    if state is None:
        raise refuse("PagingCookie", text="malformed XML in the Paging Cookie")
    last, since, ceiling, moment, phase = json.loads(unquote(state[1]))
    return Cookie(page, tuple(last), tracking, since, ceiling, moment, phase)
