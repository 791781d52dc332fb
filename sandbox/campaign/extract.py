"""Incremental query and Extract file: which rows a run takes, and the bytes of its file (campaign.md §8.2).

An expression is what the query editor shows: `@field`, `[link/@field]`, `[link/link/@field]`; `@id` is the
row's number, `@link-id` that of the row a link leads to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sandbox.campaign.export_declaration import Extract
from sandbox.campaign.logs import as_of
from sandbox.campaign.schema import Field, Resource
from sandbox.campaign.tenant import Tenant
from sandbox.switches import Switches

EXPRESSION = re.compile(r"@([\w-]+)|\[((?:\w+/)+)@([\w-]+)\]")
NUMBER = Field("id", "id", "int64", "id", default=0)
TOKENS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "SS": "%S", "ss": "%S"}
BOOLEANS = {"0/1": ("0", "1"), "true/false": ("false", "true"), "yes/no": ("no", "yes")}
CHUNK = 1000  # rows whose linked rows are looked up together
Numbered = tuple[int, dict[str, Any]]


class Place(NamedTuple):
    """Where a column's values are: over which links, and in which field; `of_link` wants its row's number."""

    path: tuple[str, ...]
    field: Field
    of_link: bool = False


@dataclass(frozen=True)
class Columns:
    """Expressions resolved against a resource."""

    resource: Resource
    places: tuple[Place, ...]
    targets: dict[tuple[str, ...], str]  # resource at the end of each path of links


def resolve(tenant: Tenant, resource: Resource, expressions: Iterable[str]) -> Columns:
    """Find the field of each expression; raise ValueError for one that leads nowhere."""
    targets: dict[tuple[str, ...], str] = {}
    places = []
    for expression in expressions:
        match = EXPRESSION.fullmatch(expression)
        if match is None:
            raise ValueError(f"{expression} is no expression: write @field or [link/@field]")
        here = resource
        path: tuple[str, ...] = ()
        for link in (match[2] or "").strip("/").split("/") if match[2] else ():
            known = here.links.get(link)
            if known is None or known.joins:
                raise ValueError(f"{expression}: {here.name} has no link {link} that can be followed")
            path, here = (*path, link), tenant.catalog.resource(known.target)
            targets[path] = here.name
        places.append(_place(tenant, here, path, match[1] or match[3], expression))
    return Columns(resource, tuple(places), targets)


def _place(tenant: Tenant, here: Resource, path: tuple[str, ...], name: str, expression: str) -> Place:
    if name == "id":
        return Place(path, NUMBER)
    if name.endswith("-id") and name[:-3] in here.links:
        return Place(path, Field(name[:-3], name[:-3], "int64", name, default=0), of_link=True)
    known = here.columns.get(name) or here.fields.get(name)
    if known is None and here.name == "profile" and name.endswith("LastModified"):
        return Place(path, Field(name, "", "datetime", name))  # switched off: always empty (B14)
    if known is None or known.fields:
        raise ValueError(f"{expression}: {here.name} has no attribute {name}")
    return Place(path, known)


def values(tenant: Tenant, columns: Columns, rows: Iterable[Numbered], now: str) -> Iterator[list[Any]]:
    """Yield the stored values of the columns for each row, linked rows as they are at a moment."""
    chunk: list[Numbered] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield from _chunk(tenant, columns, chunk, now)
            chunk = []
    yield from _chunk(tenant, columns, chunk, now)


def _chunk(tenant: Tenant, columns: Columns, rows: Sequence[Numbered], now: str) -> Iterator[list[Any]]:
    at: dict[tuple[str, ...], list[Numbered]] = {(): list(rows)}
    for path, target in sorted(columns.targets.items(), key=lambda item: len(item[0])):
        numbers = [data.get(path[-1]) for _, data in at[path[:-1]]]
        found = _fetch(tenant, target, {n for n in numbers if n}, now)
        at[path] = [(n, found[n]) if n in found else (0, {}) for n in numbers]
    cells = [
        [number if place.field is NUMBER else data.get(place.field.column, place.field.default) or place.field.default
         for number, data in at[place.path]]
        for place in columns.places
    ]  # fmt: skip
    return map(list, zip(*cells, strict=True))


def _fetch(tenant: Tenant, resource: str, numbers: set[int], now: str) -> dict[int, dict[str, Any]]:
    if not numbers:
        return {}
    where = f"r.id IN ({', '.join('?' * len(numbers))})"
    rows = tenant.store.select(tenant.catalog.table(resource), where, [*numbers])
    return {row.id: as_of(row.data, now) for row in rows}


# ---- Extract file --------------------------------------------------------------------------------


def extract_file(settings: Extract, columns: Columns, rows: Iterable[list[Any]], switches: Switches) -> bytes:
    """Return the file of a header of labels and a line per row; without a row it is the header."""
    writers = [_writer(place.field, settings, switches) for place in columns.places]
    separator = settings.separator
    lines = [separator.join(label for label, _ in settings.columns)]
    for row in rows:
        lines.append(separator.join([write(value) for write, value in zip(writers, row, strict=True)]))
    text = "".join(f"{line}\n" for line in lines)
    return text.encode("utf-8") if settings.encoding == "utf-8" else text.encode("cp1252", "replace")


def _writer(field: Field, settings: Extract, switches: Switches) -> Callable[[Any], str]:
    """Return what makes a cell of a stored value."""
    if field.values:
        words = {v.name: v.label if settings.labels else v.value for v in field.values}
        if not settings.labels and field.name == "status":  # U15
            words |= {name: str(switches[f"campaign.log_status_{name}"]) for name in ("ignored", "pending")}
        return lambda value: words.get(value, "")
    if field.res_type == "boolean":
        no, yes = BOOLEANS[switches["campaign.export_booleans"]]
        return lambda value: yes if value else no
    if field.res_type in ("date", "datetime"):
        return _moment(settings, date_only=field.res_type == "date")
    if field.res_type not in ("string", "memo"):
        return str
    quote = settings.quote
    if not quote:
        return str  # what holds the separator or a line break breaks the line: nobody asked for more

    def text(value: Any) -> str:
        return f"{quote}{str(value).replace(quote, quote * 2)}{quote}" if value != "" else ""

    return text


def _moment(settings: Extract, *, date_only: bool) -> Callable[[Any], str]:
    form = settings.date_format.partition(" ")[0] if date_only else settings.date_format
    for token, code in TOKENS.items():
        form = form.replace(token, code)
    if settings.time_zone == "UTC" and form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        length = 10 if date_only else 19
        return lambda value: str(value)[:length]
    zone = ZoneInfo(settings.time_zone)

    def write(value: Any) -> str:
        if value == "":
            return ""
        when = datetime.fromisoformat(value)
        return (when if date_only else when.astimezone(zone)).strftime(form)

    return write
