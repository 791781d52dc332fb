"""The sentences of Campaign's back end when it refuses, with their HTTP status (campaign.md §4.4).

Nearly every client mistake is a 500; the envelope around the sentence is a switch.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

SIGNAL = "'xtk:workflow:execution/activities/signal/trigger' resource"
RST_360011 = "RST-360011 An error has occurred - please contact your administrator."


class Refusal(Exception):
    """A request that the back end does not carry out."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def anything() -> Refusal:
    """Return the bare error that says nothing (§4.4, last row)."""
    return Refusal(500, RST_360011)


def bad_enumeration(value: Any, schema: str, field: str) -> Refusal:
    text = f"The value '{value}' is not valid for the '{schema}:{field}' enumeration of the '@{field}' field"
    return Refusal(500, f"{RST_360011} {text}")


def malformed_pkey(pkey: str, label: str, schema: str) -> Refusal:
    """Return what a PKey of another instance, resource or context gets (§3.2, §4.4)."""
    bare = pkey.removeprefix("@")
    return Refusal(
        500,
        f"{RST_360011} '{bare}' attribute unknown (see definition of '{label} ({schema})' schema). "
        f"XTK-170036 Unable to parse expression '@id = @{bare}'.",
    )


def key_change(resource: str, old: str, new: str) -> Refusal:
    text = (
        f"RST-360012 Inconsistent operation on resource '{resource}' – Cannot update key '{old}' to '{new}'."
    )
    return Refusal(500, f"{RST_360011} {text}")


def duplicate(singular: str, constraint: str, columns: list[str], values: list[str]) -> Refusal:
    """Return the pair of sentences that a unique key causes (§4.4)."""
    detail = f"Key ({', '.join(columns)})=({', '.join(values)}) already exists."
    return Refusal(
        500,
        f"A '{singular}' with the same key '{', '.join(values)}' already exists. "
        "PGS-220000 PostgreSQL error: ERROR: duplicate key value violates unique constraint "
        f'"{constraint}" DETAIL: {detail}',
    )


def not_found(singular: str, resource: str, key: str, *, in_uri: bool) -> Refusal:
    """Return the 404 for a key or record that is not there, in the URI or in the body (§4.4)."""
    where = f"{key}:0" if in_uri else key
    return Refusal(
        404,
        f"{RST_360011} Unable to find document with path '{singular}' from key '{where}' "
        f"(document with schema '{resource}' and name '{key}')",
    )


def no_such_resource(path: str) -> Refusal:
    return Refusal(404, f"{RST_360011} The resource '{path}' does not exist or is not published.")


def cannot_convert(value: Any, source: str, target: str) -> Refusal:
    text = f"Cannot convert '{value}' (type {source}) to {target} type (BAS-010011 Invalid value)."
    return Refusal(500, f"{RST_360011} BAS-010040 {text}")


def read_only(field: str) -> Refusal:
    return Refusal(500, f"{RST_360011} Cannot update the '{field}' property that is read-only")


def unknown_field(field: str, resource: str) -> Refusal:
    return Refusal(500, f"{RST_360011} '{field}' property is not valid for the '{resource}' resource.")


def malformed_json(body: bytes) -> Refusal:
    """Return what a body that is not a JSON object gets (§4.4 for the words, §11 for the status)."""
    return Refusal(400, f"{RST_360011} '{body[:40].decode('utf-8', 'replace')}' is not a valid constant")


def method_not_offered(method: str) -> Refusal:
    return Refusal(405, f"{RST_360011} The method {method} is not offered here.")


def undeclared_parameter(parameter: str) -> Refusal:
    """Return the four lines that an undeclared signal parameter causes (§7.3)."""
    expression = "HandleTrigger(@name, $(source), $({parameters}))"
    lines = (
        RST_360011,
        f"'{parameter}' parameter isn't defined in signal activity.",
        f"XTK-170006 Unable to parse expression '{expression}'.",
        f"RST-360000 Error while assessing '{expression}' expression ({SIGNAL})",
    )
    return Refusal(500, "\n".join(lines))


def not_imitated(what: str) -> Refusal:
    return Refusal(501, f"The sandbox does not imitate {what}.")


def answer(refusal: Refusal, switches: Mapping[str, Any]) -> Response:
    """Wrap a refusal the way the switch `campaign.error_envelope` says (U1)."""
    envelope = "object" if refusal.status == 501 else switches["campaign.error_envelope"]
    text = refusal.text
    if envelope == "html":
        page = f"<html><head><title>Error</title></head><body><p>{html.escape(text)}</p></body></html>"
        return Response(page, refusal.status, media_type="text/html")
    if envelope == "text":
        return Response(text, refusal.status, media_type="text/plain")
    body = text if envelope == "string" else {"error_code": refusal.status, "message": text}
    return Response(msgspec.json.encode(body), refusal.status, media_type="application/json")
