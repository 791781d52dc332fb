"""Lists Campaign's records page by page, as Arrow: values in one form, whatever form the JSON had.

Not for judging whether two values are the same (``compare/values.py``), nor for writing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks.answers import loads
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest
from campaign_sync.schema import Field, ResourceSchema

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "@key"  # the column that holds the business key

#: Records per page: the upper bound is not published (campaign.md §3.3), so `next` is believed, never the number.
LINES = 500

#: A list may miss so many records that were removed while it was read, in numbers and as a share.
SHORT, SHORT_SHARE = 100, 0.01

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?Z?")


class Records(NamedTuple):
    """Some records: those with a key as rows, others as numbers."""

    rows: pa.Table
    """`@key` and a column per field: float64 for floats, text in canonical form for everything else, never null."""
    keyless: int
    missing: int = 0
    """Records that Campaign counted before it listed any, and did not list by the end."""


class _Page(NamedTuple):
    records: list[Mapping[str, Any]]
    link: str | None
    total: str | int | None
    """How many records there are in all, or where that is told: it is told at once only where all fit a page."""


def list_records(
    rest: Rest, resource: ResourceSchema, key_field: str, names: Collection[str]
) -> Iterator[Records]:
    """Yields every record that the API shows; see ``CampaignHook.everything``."""
    key = resource.fields[key_field]
    # campaign.md §3.3: above 100,000 rows there is no `next` without _forcePagination, and a cursor is steady only in a
    # stable order.
    options = {"_lineCount": str(LINES), "_forcePagination": "true"}
    if key.sortable:
        options["_order"] = key.name
    first = f"{rest.base}/{resource.endpoint}?{urlencode(options)}"
    link: str | None = first
    seen: set[str] = set()
    listed = 0
    total: int | None = None
    while link is not None:
        if link in seen:
            raise _again(resource, "the pages run in a circle")
        seen.add(link)
        page = _fetch(rest, resource, link, followed=link != first)
        if link == first:  # what is made from now on is not missing
            total = rest.json(page.total).get("count") if isinstance(page.total, str) else page.total
        listed += len(page.records)
        yield as_records(page.records, resource, key_field, names)
        link = _forced(page.link)
    if isinstance(total, int) and listed < total:
        _require_whole(resource, listed, total)
        yield as_records([], resource, key_field, names)._replace(missing=total - listed)


@documented("Campaign", "records")
def as_records(
    records: Sequence[Mapping[str, Any]], resource: ResourceSchema, key_field: str, names: Collection[str]
) -> Records:
    """Records of the API as rows."""
    import pyarrow as pa

    key = resource.fields[key_field].name
    keyed = [each for each in records if each.get(key)]
    columns = {KEY: pa.array([str(each[key]) for each in keyed], pa.string())}
    for name in names:
        field = resource.fields[name]
        kind = pa.float64() if field.type == "float" else pa.string()
        columns[name] = pa.array([canonical(_at(each, field.name), field) for each in keyed], kind)
    return Records(pa.table(columns), len(records) - len(keyed))


def canonical(value: Any, field: Field) -> str | float:
    """A value as Campaign tells it, in the form that a comparison needs (campaign.md §4.2); unset is never null."""
    if field.type == "float":
        return float(value or 0)
    if field.type == "integer":
        return str(int(float(value))) if isinstance(value, float) else str(value or 0)
    if field.type == "boolean":
        return "true" if value in (True, 1, "true", "1") else "false"
    if value is None:
        return ""
    if field.type == "datetime" and (moment := MOMENT.fullmatch(str(value))):
        return f"{moment[1]} {moment[2]}.{(moment[3] or '').ljust(3, '0')}Z"
    return str(value)


def _fetch(rest: Rest, resource: ResourceSchema, link: str, *, followed: bool) -> _Page:
    try:
        return rest.fetch(link, _parse)
    except RefusedError as error:
        # A cursor's life is not documented: a list whose place is given up is read again from its beginning.
        if followed and error.status in (400, 404, 500):
            raise _again(resource, f"the place in it was given up: {error.problem}") from error
        raise


def _parse(body: bytes) -> _Page:
    found = loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("content"), list):
        raise ValueError("not a list of records")
    if not all(isinstance(each, dict) for each in found["content"]):
        raise ValueError("not a list of records")
    count = found.get("count")
    inline = count.get("value") if isinstance(count, dict) else None
    if inline is not None and not re.fullmatch(r"[0-9]{1,15}", str(inline)):
        raise ValueError("not a number of records")
    return _Page(found["content"], _href(found.get("next")), _href(count) if inline is None else int(inline))


def _href(entry: Any) -> str | None:
    return str(entry["href"]) if isinstance(entry, dict) and entry.get("href") else None


def _forced(link: str | None) -> str | None:
    """The next page's address; what keeps lists going on large tables may be missing from it (campaign.md §3.3)."""
    if link is None or "_forcePagination=" in link:
        return link
    return f"{link}{'&' if '?' in link else '?'}_forcePagination=true"


def _require_whole(resource: ResourceSchema, listed: int, total: int) -> None:
    """A list that ends early would make every record behind its end look missing."""
    if listed + max(SHORT, total * SHORT_SHARE) < total:
        raise _again(resource, f"it ended after {listed:,} of {total:,} records")


def _again(resource: ResourceSchema, problem: str) -> TransientError:
    path = f"/{resource.endpoint}"
    remedy = "The next try reads it from its beginning; if it stays so, ask the administrator of the Campaign instance"
    return TransientError("Campaign", path, 200, f"the list of records broke off: {problem}", remedy)


def _at(record: Mapping[str, Any], name: str) -> Any:
    """The value of a flat name: `location.city` stands in the item `location`."""
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
