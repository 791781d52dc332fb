"""Builds the URLs of Dataverse reads, and reads back what a stored link asked for.

Not for sending them (dataverse.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from campaign_sync.errors import RefusedError

LONGEST_URL = 32_000  # of 32,768 (dataverse.md §3.4)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def rows_url(root: str, set_name: str, properties: Sequence[str], **options: str) -> str:
    """Returns a query; option values are encoded, because a raw `+` means a space (dataverse.md §3.3)."""
    url = f"{root}{set_name}?$select={','.join(properties)}"
    return url + "".join(f"&${name}={quote(value, safe='')}" for name, value in options.items())


def modified_between(since: datetime, until: datetime) -> str:
    """Returns the filter for since <= modifiedon < until."""
    return f"modifiedon ge {instant(since)} and modifiedon lt {instant(until)}"


def instant(moment: datetime) -> str:
    """Returns a literal; a naive time is UTC, as Dataverse takes it (dataverse.md §12.1, 29)."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def urls_by_keys(
    root: str, set_name: str, properties: Sequence[str], key: str, keys: Iterable[str], page_size: int
) -> Iterator[str]:
    """Yields queries for these rows, each with as many keys as fit into a URL and a page."""
    room = LONGEST_URL - len(rows_url(root, set_name, properties, filter=_in(key, [])))
    each = len(quote('"",', safe="")) + 36
    chunk: list[str] = []
    for value in keys:
        chunk.append(_guid(value))
        if len(chunk) >= min(page_size, room // each):
            yield rows_url(root, set_name, properties, filter=_in(key, chunk))
            chunk = []
    if chunk:
        yield rows_url(root, set_name, properties, filter=_in(key, chunk))


def selected(link: str) -> frozenset[str] | None:
    """Returns the columns that a stored link selects; None when it selects all."""
    options = dict(parse_qsl(urlsplit(link).query))
    chosen = options.get("$select")
    return frozenset(part.strip() for part in chosen.split(",")) if chosen else None


def _in(key: str, keys: Sequence[str]) -> str:
    values = ",".join(f'"{value}"' for value in keys)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{key}',PropertyValues=[{values}])"


def _guid(value: str) -> str:
    key = value.strip().strip("{}").lower()
    if not GUID.fullmatch(key):
        remedy = "Give the ids of rows, such as 11111111-0000-4000-8000-000000000001"
        raise RefusedError("Dataverse", "", None, "", f"{value[:60]!r} is not the id of a row", remedy)
    return key
