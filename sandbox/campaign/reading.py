"""GET of records, lists and single attributes: envelope, pages, cursors, counts (campaign.md §3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

from sandbox.campaign import errors, links, rendering
from sandbox.campaign.pkeys import LINK, RECORD
from sandbox.campaign.query import Query
from sandbox.campaign.schema import Field, Resource
from sandbox.campaign.store import Row, column
from sandbox.campaign.tenant import Call
from sandbox.campaign.writing import Found

DEFAULT_LINE_COUNT = 25


@dataclass(frozen=True)
class Listing:
    """What a list is of: rows of a resource that meet a condition, whole or one attribute of each."""

    resource: Resource
    where: str
    values: list[Any]
    path: str  # below the base, for addresses: profileAndServicesExt/profile//byEmail/
    attribute: Field | None = None
    inside: str = ""  # address that rows without one of their own are below


def find(call: Call, resource: Resource, name: str) -> Found:
    """Return the record that a path segment names, by PKey or by business key, or refuse (§3.2, §3.5)."""
    tenant, table = call.tenant, call.tenant.catalog.table(resource.name)
    seen = links.visible(tenant, resource)
    if name.startswith("@"):
        row = tenant.pkeys.open(name, (RECORD, LINK), resource.name)
        if row is None:
            raise errors.malformed_pkey(name, resource.label, resource.schema)
        found = tenant.store.first(table, f"r.id = ? AND {seen}", (row,))
        if found is not None:
            return Found(found, None)
        raise _absent(call, resource, name, "r.id = ?", row)
    for key in resource.keys.values():
        if len(key.fields) != 1 or key.of_links:
            continue  # §3.5 rule 3: composite keys cannot be put in the path
        where = f"{column(key.fields[0], 'r')} = ?"
        found = tenant.store.first(table, f"{where} AND {seen}", (name,))
        if found is not None:
            return Found(found, key)
        if seen != "1" and tenant.store.first(table, where, (name,)):
            raise _absent(call, resource, name, where, name)
    raise errors.not_found(resource.singular, resource.name, name, in_uri=True)


def _absent(call: Call, resource: Resource, name: str, where: str, value: Any) -> errors.Refusal:
    """Return what a deleted or a hidden row answers (U9)."""
    table = call.tenant.catalog.table(resource.name)
    hidden = call.tenant.store.first(table, where, (value,)) is not None
    if hidden and call.tenant.world.switches["campaign.hidden_row_status"] == 500:
        return errors.anything()
    return errors.not_found(resource.singular, resource.name, name, in_uri=True)


def page(call: Call, listing: Listing, query: Query) -> dict[str, Any]:
    """Return one page of a list."""
    switches = call.tenant.world.switches
    size = min(query.whole("_lineCount", DEFAULT_LINE_COUNT), switches["campaign.line_count_maximum"])
    order, descending = _order(listing.resource, query)
    start = _opened(call, listing, query)
    rows = list(islice(_rows(call, listing, order, descending, start), size + 1))
    shown = rows[:size]
    envelope: dict[str, Any] = {"content": [_shown(call, listing, row) for row in shown]}
    big = call.tenant.store.count(call.tenant.catalog.table(listing.resource.name))
    # §3.3: above the threshold there is no next page unless it is asked for
    paged = big <= switches["campaign.big_table_threshold"] or query.get("_forcePagination") == "true"
    if len(rows) > size and paged:
        cursor = _cursor(call, listing, query, order, shown[-1])
        carried = switches["campaign.force_pagination_in_next"] == "carried"
        keep = query.without("_lineStart", *(() if carried else ("_forcePagination",)))
        path = listing.path.replace("//", "/")
        envelope["next"] = {"href": f"{call.base}/{path}?{keep}{'&' if keep else ''}_lineStart={cursor}"}
    if listing.attribute is None:
        # §3.2 rule 5: this address has a double slash in it
        rest = query.without("_lineStart", "_lineCount", "_order", "_forcePagination")
        envelope["count"] = {"href": f"{call.base}/{listing.path}_count{'?' if rest else ''}{rest}"}
        if start is None and len(rows) <= size:
            envelope["count"]["value"] = len(shown)
    envelope["serverSidePagination"] = paged
    return envelope


def count(call: Call, listing: Listing) -> dict[str, int]:
    """Return the number of rows that a list has over all pages."""
    where = f"{listing.where} AND {links.visible(call.tenant, listing.resource)}"
    table = call.tenant.catalog.table(listing.resource.name)
    if where == "1 AND 1":
        return {"count": call.tenant.store.count(table)}
    return {"count": call.tenant.store.tally(table, where, listing.values)}


def _shown(call: Call, listing: Listing, row: Row) -> Any:
    if listing.attribute is not None:
        name = listing.attribute.name
        return rendering.fields(call.tenant, listing.resource, row.data)[name]
    return rendering.listed(call, listing.resource, row, listing.inside)


def _order(resource: Resource, query: Query) -> tuple[str, bool]:
    """Return the column to sort by ("" for the order of creation) and whether downwards (§3.6)."""
    # one SDK encodes the blank of " desc" twice
    words = query.get("_order").replace("%20", " ").split()
    if not words:
        return "", False
    field = resource.fields.get(words[0])
    if field is None or len(words) > 2 or words[1:] not in ([], ["desc"], ["asc"]):
        raise errors.unknown_field(query.get("_order"), resource.name)
    if not field.sortable:
        raise errors.anything()
    return field.column, words[1:] == ["desc"]


def _rows(call: Call, listing: Listing, order: str, descending: bool, start: tuple[Any, int] | None) -> Any:
    """Yield the rows after a cursor. Unset values sort first; both halves can use an index."""
    table = call.tenant.catalog.table(listing.resource.name)
    where = f"{listing.where} AND {links.visible(call.tenant, listing.resource)}"
    select = call.tenant.store.select
    if not order:
        after = start[1] if start else 0
        yield from select(table, f"r.id > ? AND {where}", [after, *listing.values])
        return
    term, way, beyond = column(order, "r"), " DESC" if descending else "", "<" if descending else ">"
    value, row = start or (None, None)
    halves = [("unset", f"r.id{way}"), ("set", f"{term}{way}, r.id{way}")]
    if descending:
        halves.reverse()
    if start is not None and (value is None) == descending:
        halves = halves[1:]  # the cursor is in the second half
    for half, sort in halves:
        here = start is not None and (value is None) == (half == "unset")
        if half == "unset":
            condition, given = f"{term} IS NULL", []
            if here:
                condition, given = f"{condition} AND r.id {beyond} ?", [row]
        else:
            condition, given = f"{term} IS NOT NULL", []
            if here:
                condition = f"{term} {beyond}= ? AND ({term} {beyond} ? OR r.id {beyond} ?)"
                given = [value, value, row]
        yield from select(table, f"{condition} AND {where}", [*given, *listing.values], sort)


def _cursor(call: Call, listing: Listing, query: Query, order: str, last: Row) -> str:
    """Return an opaque cursor that is good for this query only (B3)."""
    value = links.at(last.data, order) if order else None
    return call.tenant.pkeys.seal_text(json.dumps([_identity(listing, query), value or None, last.id]))


def _opened(call: Call, listing: Listing, query: Query) -> tuple[Any, int] | None:
    given = query.get("_lineStart")
    if not given:
        return None
    text = call.tenant.pkeys.open_text(given)
    try:
        identity, value, row = json.loads(text or "")
    except ValueError:
        raise errors.malformed_pkey(given, listing.resource.label, listing.resource.schema) from None
    if identity != _identity(listing, query):
        raise errors.anything()
    return value, row


def _identity(listing: Listing, query: Query) -> str:
    bound = f"{listing.path} {query.without('_lineStart', '_lineCount', '_forcePagination')}"
    return blake2b(bound.encode(), digest_size=8).hexdigest()
