"""The back end's addresses: what each method means on each path (campaign.md §2.1, §4.1)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from sandbox.campaign import errors, filters, links, metadata, reading, rendering, workflow_api, writing
from sandbox.campaign.catalog import CUSTOM, EXT, PLAIN
from sandbox.campaign.pkeys import COLLECTION, RECORD
from sandbox.campaign.query import Query
from sandbox.campaign.reading import Listing
from sandbox.campaign.schema import Resource
from sandbox.campaign.store import Row
from sandbox.campaign.tenant import Call
from sandbox.campaign.validation import read_object

_encode = msgspec.json.Encoder().encode


def answer(call: Call, method: str, segments: list[str], query: Query, body: bytes) -> Response:
    """Answer a request that the gateway let through."""
    first, rest = (segments[0], segments[1:]) if segments else ("", [])
    if first == "workflow" and rest[:1] == ["execution"]:
        return workflow_api.answer(call, method, rest[1:], body)
    if first in ("workflow", "privacy") or first.startswith("mc"):
        raise errors.not_imitated(f"/{first} of the Campaign API")
    if first not in (PLAIN, EXT, CUSTOM) or (first == EXT and not call.tenant.catalog.ext):
        raise errors.no_such_resource(first)
    if method == "GET" and (not rest or rest[0] == "resourceType" or rest[1:] == ["metadata"]):
        return _metadata(call, first, rest)
    if rest and rest[0] == "history":
        return _history(call, method, rest[1:], query)
    # the body is parsed before the resource is looked up, as Adobe's own end-to-end tests show
    given = read_object(body) if method in ("POST", "PATCH") else {}
    return _records(call, method, rest, query, given)


def ok(content: Any, status: int = 200) -> Response:
    return Response(_encode(content), status, media_type="application/json")


def _metadata(call: Call, endpoint: str, rest: list[str]) -> Response:
    call.tenant.world.counters.add("campaign.metadata_calls")
    call.journal["metadata_calls"] = 1
    if not rest:
        return ok(metadata.resource_list(call, endpoint))
    name = rest[0] if rest[0] != "resourceType" else rest[1] if len(rest) > 1 else ""
    if name.startswith("@"):
        resource = metadata.resource_of(call, endpoint, name)
    else:
        resource = metadata.described(call, endpoint, name)
    if resource is None:
        raise errors.no_such_resource(f"{endpoint}/{name}")
    if rest[2:] == ["filters"]:
        return ok(metadata.filters(call, endpoint, resource))
    return ok(metadata.resource_type(call, endpoint, resource))


def _records(call: Call, method: str, rest: list[str], query: Query, given: dict[str, Any]) -> Response:
    name = rest[0].removesuffix(".json") if rest else ""
    resource = call.tenant.catalog.view(call.endpoint, name)
    if resource is None:
        raise errors.no_such_resource(f"{call.endpoint}/{name}")
    tail = rest[1:]
    if len(tail) >= 2 and tail[1] in resource.collections:
        return _collection(call, resource, method, tail, query, given)
    if method == "GET" and (not tail or tail[0] in (*resource.filters, *resource.fields, "_count")):
        return _list(call, resource, tail, query)
    if method == "POST" and not tail:
        return _create(call, resource, given)
    if len(tail) != 1:
        raise errors.not_found(resource.singular, resource.name, "/".join(tail), in_uri=True)
    return _record(call, resource, method, tail[0], given)


def _create(call: Call, resource: Resource, given: dict[str, Any]) -> Response:
    call.cost("create")
    row = writing.create(call, resource, given)
    shown = rendering.record(call, resource, row, echo_links=False)
    return ok({**shown, "href": call.href(resource, shown["PKey"])}, 201)


def _record(call: Call, resource: Resource, method: str, name: str, given: dict[str, Any]) -> Response:
    if method == "GET":
        call.cost("read")
        return ok(rendering.record(call, resource, reading.find(call, resource, name).row))
    if method == "PATCH":
        call.cost("update")
        found = reading.find(call, resource, name)
        writing.update(call, resource, found, given)
        pkey = call.tenant.pkeys.seal(RECORD, resource.name, found.row.id)
        return ok({"PKey": pkey, "href": call.href(resource, pkey)})
    if method == "DELETE":
        call.cost("delete")
        writing.delete(call, resource, reading.find(call, resource, name))
        return Response(b"", call.tenant.world.switches["campaign.plain_delete_status"])
    raise errors.method_not_offered(method)


def _list(call: Call, resource: Resource, tail: list[str], query: Query) -> Response:
    """Answer a list: filters, then perhaps one attribute or the count."""
    call.cost("read")
    names = list(tail)
    counting = names[-1:] == ["_count"]
    if counting:
        names.pop()
    attribute = resource.fields.get(names[-1]) if names else None
    if attribute is not None:
        names.pop()
    unknown = [name for name in names if name not in resource.filters]
    if unknown:
        raise errors.not_found(resource.singular, resource.name, unknown[0], in_uri=True)
    where, values = filters.condition(call.tenant, resource, names, query.options)
    chained = "".join(f"{part}/" for part in (*names, *([attribute.name] if attribute else ())))
    path = f"{call.endpoint}/{resource.name}//{chained}"
    listing = Listing(resource, where, values, path, attribute)
    return ok(reading.count(call, listing) if counting else reading.page(call, listing, query))


def _collection(
    call: Call, owner: Resource, method: str, tail: list[str], query: Query, given: dict[str, Any]
) -> Response:
    """Answer a collection of a record, or a row in it, e.g. subscriptions (§4.7)."""
    tenant, collection = call.tenant, owner.collections[tail[1]]
    call.cost({"POST": "create", "DELETE": "delete", "PATCH": "update"}.get(method, "read"))
    # §3.2 rule 4: only the PKey of the collection's own address opens it
    number = tenant.pkeys.open(tail[0], (COLLECTION,), owner.name)
    if number is None:
        raise errors.malformed_pkey(tail[0], owner.label, owner.schema)
    row = tenant.store.first(tenant.catalog.table(owner.name), "r.id = ?", (number,))
    if row is None:
        raise errors.not_found(owner.singular, owner.name, tail[0], in_uri=True)
    path = f"{call.endpoint}/{owner.name}/{tail[0]}/{collection.name}/"
    selected = links.members(tenant, collection, row)
    if selected is None:
        return ok({"content": [], "count": {"href": f"{call.base}/{path}/_count", "value": 0},
                   "serverSidePagination": True})  # fmt: skip
    resource, where, values = selected
    listing = Listing(resource, where, values, f"{path}/", None, f"{call.base}/{path}")
    match method, tail[2:]:
        case "GET", []:
            return ok(reading.page(call, listing, query))
        case "GET", ["_count"]:
            return ok(reading.count(call, listing))
        case "POST", []:
            return _join(call, resource, collection.link, row, given, listing.inside)
        case _, [member]:
            return _member(call, resource, method, member, listing)
    raise errors.method_not_offered(method)


def _join(
    call: Call, resource: Resource, link: str, owner: Row, given: dict[str, Any], inside: str
) -> Response:
    """Create a row in a collection: its link to the owner comes from the address."""
    joins = resource.links[link].joins
    preset = {local: links.at(owner.data, remote) for local, remote in joins} or {link: owner.id}
    row = writing.create(call, resource, given, preset)
    return ok(rendering.listed(call, resource, row, inside), 201)


def _member(call: Call, resource: Resource, method: str, name: str, listing: Listing) -> Response:
    found = reading.find(call, resource, name)
    if method == "GET":
        return ok(rendering.listed(call, resource, found.row, listing.inside))
    if method == "DELETE":
        writing.delete(call, resource, found)
        return Response(status_code=204)
    raise errors.method_not_offered(method)


def _history(call: Call, method: str, rest: list[str], query: Query) -> Response:
    """Answer a profile's marketing history; there are no events yet (§12.4)."""
    if method != "GET" or not rest:
        raise errors.method_not_offered(method)
    call.cost("read")
    profile = call.tenant.catalog.resource("profile")
    if rest[1:] == ["events"]:
        if call.tenant.pkeys.open(rest[0], (COLLECTION,), "history") is None:
            raise errors.malformed_pkey(rest[0], profile.label, profile.schema)
        path = f"{call.base}/{call.endpoint}/history/{rest[0]}/events/"
        return ok(
            {"content": [], "count": {"href": f"{path}/_count", "value": 0}, "serverSidePagination": True}
        )
    row = reading.find(call, profile, rest[0]).row
    inside = call.tenant.pkeys.seal(COLLECTION, "history", row.id)
    return ok(
        {
            "PKey": call.tenant.pkeys.seal(RECORD, "profile", row.id),
            "title": rendering.title(profile, row),
            "events": {"href": f"{call.base}/{call.endpoint}/history/{inside}/events/"},
        }
    )
