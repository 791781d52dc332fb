"""What goes in and out of the service inside the process: a request taken apart, an answer not yet sent.

The HTTP server (app) and $batch make the former and send the latter.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sandbox.dataverse.address import Segment, parse_path
from sandbox.dataverse.errors import CATALOGUE, Refusal, refuse
from sandbox.dataverse.options import Options, Prefer, parse_prefer, parse_query
from sandbox.dataverse.rights import Caller

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

JSON_TYPE = "application/json; odata.metadata=minimal"


@dataclass(frozen=True)
class Ask:
    """One request; `headers` have lower-case names."""

    method: str
    segments: tuple[Segment, ...]
    options: Options
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    url: str

    @property
    def prefer(self) -> Prefer:
        return parse_prefer(self.headers.get("prefer", ""))

    def json(self, set_name: str) -> dict[str, Any]:
        """The body as an object, or the payload refusal of §8."""
        try:
            content = json.loads(self.body or b"")
        except ValueError:
            raise refuse(
                "BadPayload", set=set_name, text="An unexpected end of input or a malformed token."
            ) from None
        if not isinstance(content, dict):
            raise refuse("BadPayload", set=set_name, text="A 'StartObject' node was expected.")
        return content


@dataclass
class Answer:
    """One answer; `body` is text that is JSON already, or such text in UTF-8, or None."""

    status: int = 204
    body: str | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text; empty if there is none."""
        return self.body.decode() if isinstance(self.body, bytes) else self.body or ""

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Answer:
        return cls(
            status,
            json.dumps(content, ensure_ascii=False),
            {k.replace("_", "-"): v for k, v in headers.items()},
        )


def make_ask(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, caller: Caller, url: str
) -> Ask:
    """Take a request apart; `path` is what follows the service root, still percent-encoded."""
    return Ask(method, parse_path(unquote(path)), parse_query(query), headers, body, caller, url)


def refusal_answer(org: Org, refusal: Refusal, prefer: Prefer | None = None) -> Answer:
    """The error body of §8, with the status that the switches say for unconfirmed ones."""
    entry = CATALOGUE[refusal.name]
    status = entry.status if entry.confirmed else int(org.option(f"status.{refusal.name}"))
    code = {"SegmentNotFound": "segment_code", "PropertyNotFound": "property_code"}.get(refusal.name)
    message = refusal.message
    if not message and org.option("empty_401_body"):
        return Answer(status, None, dict(refusal.headers))
    error: dict[str, Any] = {"code": org.option(code) if code else entry.code, "message": message}
    if prefer is not None and prefer.wants("Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"):
        error["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"] = "0"
        error["@Microsoft.PowerApps.CDS.HelpLink"] = "http://go.microsoft.com/fwlink/?LinkID=398563"
        error["@Microsoft.PowerApps.CDS.TraceText"] = ""
        error["@Microsoft.PowerApps.CDS.InnerError.Message"] = message
    return Answer(status, json.dumps({"error": error}, ensure_ascii=False), dict(refusal.headers))


def request_id() -> str:
    return str(uuid.uuid4())
