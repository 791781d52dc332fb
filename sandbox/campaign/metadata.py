"""What the API says about itself: resource lists, the 19 keys of every field, filters (campaign.md §2.2–2.4).

Generated from the declarations that validation and storage use. Counted apart from engine calls.
"""

from __future__ import annotations

from typing import Any

from sandbox.campaign.catalog import EXT, PLAIN
from sandbox.campaign.pkeys import METADATA
from sandbox.campaign.schema import Field, Filter, Resource
from sandbox.campaign.tenant import Call


def resource_list(call: Call, endpoint: str) -> dict[str, Any]:
    """Return the resources of an endpoint by name (§2.2)."""
    shown: dict[str, Any] = {"apiName": "resourceType"}
    for name in call.tenant.catalog.resources():
        resource = call.tenant.catalog.view(endpoint, name)
        if resource is not None:
            shown[name] = {
                "content": content(call, resource),
                "data": f"/{endpoint}/{name}/",
                "help": resource.label,
                "name": name,
                "type": "collection",
                "href": f"{call.base}/{endpoint}/{name}/metadata",
            }
    return shown


def resource_type(call: Call, endpoint: str, resource: Resource) -> dict[str, Any]:
    """Return the metadata of one resource (§2.3)."""
    pkey = call.tenant.pkeys.seal(METADATA, resource.name, 0)
    return {
        "PKey": pkey,
        "apiName": "resourceType",
        "compatibleResources": {resource.name: resource.schema},
        "content": content(call, resource),
        "data": f"/{endpoint}/{resource.name}/",
        "filters": {"href": f"{call.base}/{endpoint}/resourceType/{pkey}/filters/"},
        "help": resource.label,
        "href": f"{call.base}/{endpoint}/{resource.name}/metadata",
        "label": resource.label,
        "mandatory": False,
        "name": resource.name,
        "pkgStatus": "never",
        "readOnly": False,
        "schema": resource.schema,
        "type": "item",
    }


def content(call: Call, resource: Resource) -> dict[str, Any]:
    """Return the entries of all fields, links and collections by API name."""
    shown = {name: _field(call, resource, field) for name, field in resource.fields.items()}
    for link in resource.links.values():
        entry = _entry(call, resource, link.name, link.label, "link", "link", link.read_only)
        shown[link.name] = {**entry, "metadata": link.target, "resTarget": link.target, "unbound": False}
    for collection in resource.collections.values():
        target = collection.resource or collection.name
        entry = _entry(call, resource, collection.name, collection.name, "collection", "link", True)
        shown[collection.name] = {**entry, "metadata": target, "resTarget": target, "unbound": True}
    return shown


def filters(call: Call, endpoint: str, resource: Resource) -> dict[str, Any]:
    """Return the filters of a resource by name (§2.4)."""
    return {f.name: _filter(call, endpoint, resource, f) for f in resource.filters.values()}


def resource_of(call: Call, endpoint: str, pkey: str) -> Resource | None:
    """Return the resource whose metadata PKey this is."""
    for name in call.tenant.catalog.resources():
        resource = call.tenant.catalog.view(endpoint, name)
        if resource is not None and call.tenant.pkeys.open(pkey, (METADATA,), name) == 0:
            return resource
    return None


def described(call: Call, endpoint: str, name: str) -> Resource | None:
    """Return the resource that metadata of this name is about; history has metadata but no list."""
    if name == "history" and endpoint in (PLAIN, EXT):
        return call.tenant.catalog.resource("history")
    return call.tenant.catalog.view(endpoint, name)


def _field(call: Call, resource: Resource, field: Field, within: str = "") -> dict[str, Any]:
    name = f"{within}{field.name}"
    entry = _entry(call, resource, name, field.label, field.type, field.res_type, field.read_only)
    entry |= {
        "apiName": field.name,
        "category": field.category,
        "dataPolicy": field.policy,
        "length": str(field.length),
        "mandatory": field.mandatory,
        "sortable": field.sortable,
    }
    if field.values:
        values = {v.name: {"name": v.name, "value": v.value, "label": v.label} for v in field.values}
        as_map = call.tenant.world.switches["campaign.values_shape"] == "map"
        entry["values"] = values if as_map else list(values.values())  # U20
    if field.fields:
        entry["content"] = {
            sub: _field(call, resource, f, f"{field.name}.") for sub, f in field.fields.items()
        }
    return entry


def _entry(
    call: Call, resource: Resource, name: str, label: str, type_: str, res_type: str, read_only: bool
) -> dict[str, Any]:
    """Return the 19 keys of §2.3."""
    return {
        "PKey": call.tenant.pkeys.seal(METADATA, f"{resource.name}.{name}", 0),
        "apiName": name,
        "category": "99_none",
        "dataPolicy": "",
        "desc": label,
        "displayFormat": "",
        "help": label,
        "label": label,
        "lazyLoaded": False,
        "length": "0",
        "mandatory": False,
        "metadata": "attribute",
        "privacy": "firstParty",
        "queryable": True,
        "readOnly": read_only,
        "resName": name,
        "resType": res_type,
        "sortable": False,
        "type": type_,
    }


def _filter(call: Call, endpoint: str, resource: Resource, filter_: Filter) -> dict[str, Any]:
    pattern = "&".join(f"{parameter}=$value" for parameter in filter_.parameters)
    conditions = [
        {
            "expr": f"@{rule.column} = $({rule.parameter})",
            **({"enabledIf": f"$({rule.parameter}) != ''"} if rule.off_when_empty else {}),
        }
        for rule in filter_.rules
    ]
    return {
        "PKey": call.tenant.pkeys.seal(METADATA, f"{resource.name}/{filter_.name}", 0),
        "category": "99_none",
        "condition": conditions[0] if len(conditions) == 1 else {"condition": conditions},
        "data": f"/{endpoint}/{resource.name}/{filter_.name}?{pattern}",
        "formType": "none",
        "fragmentName": "",
        "label": filter_.label,
        "metadata": {parameter: _parameter(parameter) for parameter in filter_.parameters},
    }


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "type": "string", "label": name, "mandatory": False}
