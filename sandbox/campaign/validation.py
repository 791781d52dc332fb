"""A request's body against a resource's declaration: what would change, or why the whole call is refused."""

from __future__ import annotations

from typing import Any

import msgspec

from sandbox.campaign import errors, links, values
from sandbox.campaign.pkeys import LINK, RECORD
from sandbox.campaign.schema import Link, Resource
from sandbox.campaign.store import column
from sandbox.campaign.tenant import Call, Tenant

_decode = msgspec.json.Decoder().decode


def read_object(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object; an absent body is an empty one."""
    try:
        content = _decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.malformed_json(body) from None
    if not isinstance(content, dict):
        raise errors.malformed_json(body)
    return content


def read_changes(call: Call, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """Return columns and the values they get; items are dicts of the parts named."""
    switches = call.tenant.world.switches
    changes: dict[str, Any] = {}
    for name, value in body.items():
        field, link = resource.fields.get(name), resource.links.get(name)
        if name == "PKey" or name in resource.collections:
            raise errors.read_only(name)
        if link is not None:
            changes.update(_link(call.tenant, link, value))
        elif field is None:
            raise errors.unknown_field(name, resource.name)
        elif field.read_only:
            raise errors.read_only(name)
        elif field.fields:
            changes[field.column] = _item(resource, name, value, switches)
        else:
            changes[field.column] = values.read(field, value, resource.schema, switches)
    return changes


def _item(resource: Resource, name: str, value: Any, switches: values.Switches) -> dict[str, Any]:
    item = resource.fields[name]
    if not isinstance(value, dict):
        raise errors.cannot_convert(value, "text", "element")
    parts = {}
    for part, given in value.items():
        field = item.fields.get(part)
        if field is None:
            raise errors.unknown_field(f"{name}/{part}", resource.name)
        parts[part] = values.read(field, given, resource.schema, switches)
    return parts


def _link(tenant: Tenant, link: Link, value: Any) -> dict[str, Any]:
    """Return the columns that a link's value changes (§4.5); a link without a PKey changes nothing (T4)."""
    switches = tenant.world.switches
    if link.read_only:
        raise errors.read_only(link.name)
    if value is None:
        if switches["campaign.null_link"] == "refuse":
            raise errors.anything()
        return dict.fromkeys([local for local, _ in link.joins] or [link.name])
    if not isinstance(value, dict):
        raise errors.cannot_convert(value, "text", "element")
    if "PKey" not in value:
        if "href" in value and switches["campaign.link_by_href"] == "refuse":
            raise errors.anything()  # U8
        return {}
    row = _linked_row(tenant, link, value["PKey"])
    if not link.joins:
        return {link.name: row}
    found = tenant.store.first(tenant.catalog.table(link.target), "r.id = ?", (row,))
    data = found.data if found else {}
    return {local: links.at(data, remote) for local, remote in link.joins}


def _linked_row(tenant: Tenant, link: Link, pkey: Any) -> int:
    resource = tenant.catalog.resources().get(link.target)
    if resource is None or not isinstance(pkey, str):
        raise errors.anything()
    table = tenant.catalog.table(link.target)
    if pkey.startswith("@"):
        row = tenant.pkeys.open(pkey, (RECORD, LINK), link.target)
        if row is None:
            raise errors.malformed_pkey(pkey, resource.label, resource.schema)
        found = tenant.store.first(table, "r.id = ?", (row,))
    else:
        # §4.5: looked up by key for services; custom resources are U8
        if resource.custom and tenant.world.switches["campaign.link_by_raw_key"] == "refuse":
            raise errors.anything()
        keys = [k for k in resource.keys.values() if len(k.fields) == 1]
        if not keys:
            raise errors.malformed_pkey(pkey, resource.label, resource.schema)
        found = tenant.store.first(table, f"{column(keys[0].fields[0], 'r')} = ?", (pkey,))
    if found is None:
        raise errors.not_found(resource.singular, resource.name, pkey, in_uri=False)
    return found.id
