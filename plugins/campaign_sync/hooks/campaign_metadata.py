"""Reads where Campaign serves a resource and which fields it has; both names of the opt-outs.

Not for records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.dataverse_metadata import close_to
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest
from campaign_sync.schema import OPT_OUTS, Field, ResourceSchema

# A resource is in one of them, never in both, and publishing may move it (campaign.md §2.1)
ENDPOINTS = ("profileAndServicesExt", "customResources")
ALIASES = {each: each.replace("deny", "black", 1) for each in OPT_OUTS if each.startswith("denyList")}
ALIASES |= {black: deny for deny, black in ALIASES.items()}
# campaign.md §5: sub-fields of an item that metadata does not spell out
LOCATION = ("address1", "address2", "address3", "address4", "zipCode", "city", "stateCode", "countryCode")

# resType decides, because the pages list datetime fields as "date" (campaign.md §2.3); unknown ones are text
TECHNICAL = {
    "byte": "integer",
    "short": "integer",
    "long": "integer",
    "int64": "integer",
    "float": "float",
    "double": "float",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "datetimetz": "datetime",
    "datetimenotz": "datetime",
}


@documented("Campaign", "metadata")
def read_resource(rest: Rest, name: str) -> ResourceSchema:
    """Returns the resource as it is published now (campaign.md §13, T28)."""
    endpoint = _endpoint(rest, name)
    family, resource = endpoint.rsplit("/", 1)
    content = rest.json(f"{rest.base}/{family}/resourceType/{resource}").get("content")
    if not isinstance(content, dict):
        remedy = "Report it: the description of the resource has no content"
        raise RefusedError("Campaign", f"resource {name}", 200, "", "the metadata cannot be read", remedy)
    fields = {field.name: field for entry in content.items() for field in _fields(*entry)}
    twins = {
        alias: fields[known] for alias, known in ALIASES.items() if known in fields and alias not in fields
    }
    return ResourceSchema(name, endpoint, fields | twins)


def wire_name(resource: ResourceSchema, name: str) -> str:
    """Returns the name that this instance knows a field by (campaign.md §5, opt-out names)."""
    field = resource.fields.get(name) or resource.fields.get(ALIASES.get(name, ""))
    return field.name if field else name


def _endpoint(rest: Rest, name: str) -> str:
    linked = _listed(rest, ENDPOINTS[0])
    found = linked or {}
    if name not in found:
        found = {**(_listed(rest, ENDPOINTS[1]) or {}), **found}
    if name not in found:
        raise _unknown(name, found, unpublished=linked is None)
    return found[name]


def _listed(rest: Rest, family: str) -> dict[str, str] | None:
    """The resources of an endpoint with their paths; None when the endpoint is not there."""
    try:
        listed = rest.json(f"{rest.base}/{family}/")
    except RefusedError as error:
        if error.status != 404:
            raise
        return None
    entries = {key: each for key, each in listed.items() if isinstance(each, dict)}
    return {
        str(each.get("name") or key): str(each.get("data") or f"{family}/{key}").strip("/")
        for key, each in entries.items()
    }


def _unknown(name: str, found: Mapping[str, str], unpublished: bool) -> RefusedError:
    if unpublished:
        problem = (
            f"the resource {name!r} is not served: the Profiles & Services Ext API has not been published"
        )
        remedy = (
            "An administrator ticks 'Create the Profiles & Services Ext API' under Administration, "
            "Development, Publication, and publishes"
        )
    else:
        problem = f"there is no resource {name!r}"
        remedy = close_to(name, found) or (
            "Use its API name (custom resources begin with cus); an administrator publishes it, and unticks "
            "'Hide this resource from APIs'"
        )
    return RefusedError("Campaign", f"resource {name}", 404, "unknown resource", problem, remedy)


def _fields(key: str, entry: Mapping[str, Any]) -> list[Field]:
    name = str(entry.get("apiName") or key)
    kind = _kind(entry)
    field = Field(
        name,
        kind,
        length=_length(entry.get("length")),
        values=_values(entry.get("values")) if kind == "enumeration" else None,
        read_only=_true(entry.get("readOnly")),
        mandatory=_true(entry.get("mandatory")),
        technical=str(entry.get("resType") or ""),
        policy=str(entry.get("dataPolicy") or ""),
        sortable=_true(entry.get("sortable")),
    )
    if kind != "item":
        return [field]
    inner = entry.get("content")
    if not isinstance(inner, dict):
        inner = (
            {each: {"type": "string", "resType": "string"} for each in LOCATION} if name == "location" else {}
        )
    parts = [part for item in inner.items() for part in _fields(*item)]
    return [
        field,
        *(
            part._replace(name=f"{name}.{part.name}", read_only=field.read_only or part.read_only)
            for part in parts
        ),
    ]


def _kind(entry: Mapping[str, Any]) -> str:
    declared, technical = str(entry.get("type") or ""), str(entry.get("resType") or "").lower()
    if declared == "link":
        return "collection" if _true(entry.get("unbound")) else "link"
    if declared in ("collection", "enumeration", "item"):
        return declared
    return TECHNICAL.get(technical, "boolean" if declared == "boolean" else "string")


def _length(given: object) -> int | None:
    """Lengths are texts in the metadata."""
    text = str(given or "").strip()
    return int(text) or None if re.fullmatch(r"[0-9]{1,9}", text) else None


def _values(given: object) -> tuple[str, ...]:
    """A map by name or a list (campaign.md §2.3 U), without the engine's own member."""
    members = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    names = (str(each.get("name") or "") for each in members if isinstance(each, dict))
    return tuple(name for name in names if name and name != "__Invalid_value__")


def _true(given: object) -> bool:
    return given is True or str(given).lower() == "true"
