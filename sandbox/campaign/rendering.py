"""A stored row as the API shows it: every field, unset ones as "", 0 or null, links as addresses."""

from __future__ import annotations

from datetime import date
from typing import Any

from sandbox.campaign import links
from sandbox.campaign.pkeys import COLLECTION, LINK, RECORD
from sandbox.campaign.schema import Field, Link, Resource
from sandbox.campaign.store import Row
from sandbox.campaign.tenant import Call, Tenant


def record(call: Call, resource: Resource, row: Row, *, echo_links: bool = True) -> dict[str, Any]:
    """Return a row as a single GET answers it: without an address of its own (campaign.md §3.1)."""
    tenant, data = call.tenant, row.data
    shown: dict[str, Any] = {"PKey": tenant.pkeys.seal(RECORD, resource.name, row.id)}
    shown.update(fields(tenant, resource, data))
    for link in resource.links.values():
        # §4.1: a POST does not echo values of linked resources
        shown[link.name] = linked(call, link, data) if echo_links else None
    if resource.collections:
        # §3.2 rule 4: the PKey in these addresses is not the record's own
        inside = call.href(resource, tenant.pkeys.seal(COLLECTION, resource.name, row.id))
        for collection in resource.collections:
            shown[collection] = {"href": f"{inside}/{collection}/"}
    return shown


def listed(call: Call, resource: Resource, row: Row, inside: str = "") -> dict[str, Any]:
    """Return a row as lists show it: with its address; `inside` is where rows without one are."""
    shown = record(call, resource, row)
    shown["href"] = address(call, resource, shown["PKey"], inside)
    return shown


def address(call: Call, resource: Resource, pkey: str, inside: str = "") -> str:
    """Return where a record answers."""
    return f"{inside}{pkey}" if resource.internal and inside else call.href(resource, pkey)


def fields(tenant: Tenant, resource: Resource, data: dict[str, Any]) -> dict[str, Any]:
    """Return all scalar fields and items of a row by API name."""
    shown, names = dict(resource.unset), resource.names
    for column, value in data.items():
        name = names.get(column)
        if name is not None:
            shown[name] = {**shown[name], **value} if isinstance(value, dict) else value
    if resource.name == "profile":
        birth = data.get("birthDate", "")
        shown["age"] = age(birth, tenant.now[:10]) if birth else 0
        shown["postalAddress"] = postal_address(resource.fields["postalAddress"], data)
    return shown


def linked(call: Call, link: Link, data: dict[str, Any]) -> dict[str, Any] | None:
    """Return {PKey, href, title} of a link's target; services add label and name (§3.1)."""
    row = links.target(call.tenant, link, data)
    if row is None:
        return None
    resource = call.tenant.catalog.resource(link.target)
    pkey = call.tenant.pkeys.seal(LINK, link.target, row.id)
    shown = {"PKey": pkey, "href": call.href(resource, pkey), "title": title(resource, row)}
    if link.target == "service":
        shown |= {"label": row.data.get("label", ""), "name": row.data.get("name", "")}
    return shown


def title(resource: Resource, row: Row) -> str:
    """Return what a record is called where others link to it."""
    columns = resource.title or [f.column for f in resource.fields.values() if f.res_type == "string"][:1]
    return next((str(row.data[c]) for c in columns if row.data.get(c)), "")


def age(birth: str, today: str) -> int:
    """Return full years at a day."""
    born, now = date.fromisoformat(birth), date.fromisoformat(today)
    return now.year - born.year - ((now.month, now.day) < (born.month, born.day))


def postal_address(field: Field, data: dict[str, Any]) -> dict[str, Any]:
    """Return the computed address block of a profile (§5)."""
    location = data.get("location") or {}
    name = " ".join(filter(None, (data.get("firstName"), data.get("lastName"))))
    town = " ".join(filter(None, (location.get("zipCode"), location.get("city"))))
    lines = [name, *(location.get(f"address{n}", "") for n in (1, 2, 3, 4)), town]
    shown: dict[str, Any] = {f"line{n}": line for n, line in enumerate(lines, 1)}
    shown["serialized"] = "\n".join(filter(None, lines))
    shown["addrDefined"] = bool(location.get("address1") and town)
    return {sub: shown.get(sub, f.default) for sub, f in field.fields.items()}
