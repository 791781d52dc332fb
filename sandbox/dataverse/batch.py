"""$batch: multipart requests, change sets, content-ID references (dataverse.md §6.2)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.errors import Refusal, refuse
from sandbox.dataverse.messages import Answer, Ask, make_ask, refusal_answer, request_id

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_MOST = 1000
_URL_LIMIT = 65_536  # §3.4: twice as long as outside a batch
_CRLF = "\r\n"
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?', re.IGNORECASE)
_LINE = re.compile(r"(GET|POST|PATCH|PUT|DELETE) (\S.*?) HTTP/1\.1")
_ROOT = re.compile(r"^(?:https?://[^/]+)?/?(?:api/data/v9\.\d/)?")
_REFERENCE = re.compile(r"^/?(\$\d+)(?=$|[/?])")
Respond = Callable[["Org", Ask], Answer]


@dataclass(frozen=True)
class Part:
    """One inner request."""

    method: str
    url: str
    headers: dict[str, str]
    body: str
    content_id: str | None


@dataclass
class Changes:
    """A change set: requests that succeed or fail together."""

    parts: list[Part] = field(default_factory=list)


class _Failed(Exception):
    def __init__(self, answer: Answer, content_id: str | None) -> None:
        super().__init__(answer.status)
        self.answer, self.content_id = answer, content_id


def run(org: Org, ask: Ask, respond: Respond) -> Answer:
    """POST $batch: inner requests one after the other; 400 at the first failure unless told to go on."""
    if ask.method != "POST":
        raise refuse(
            "NotSupported", text=f"The requested resource does not support http method '{ask.method}'."
        )
    items = _parse(ask)
    boundary = f"batchresponse_{uuid.uuid4()}"
    with_all = ask.prefer.continue_on_error
    if org.option("batch_keeps_earlier") or with_all:
        pieces, failed = _run_all(org, ask, respond, items, boundary, with_all)
    else:
        try:
            with org.store.write():
                pieces, failed = _run_all(org, ask, respond, items, boundary, with_all)
                if failed:
                    raise _Failed(Answer(400), None)
        except _Failed:
            pass
    body = "".join(pieces) + f"--{boundary}--{_CRLF}"
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    if with_all:
        headers["Preference-Applied"] = "odata.continue-on-error"
    return Answer(400 if failed and not with_all else 200, body, headers)


def _run_all(
    org: Org, ask: Ask, respond: Respond, items: list[Part | Changes], boundary: str, go_on: bool
) -> tuple[list[str], bool]:
    pieces, failed = [], False
    for item in items:
        if isinstance(item, Changes):
            piece, bad = _run_changes(org, ask, respond, item, boundary)
        else:
            answer = _run_part(org, ask, respond, item, {})
            piece, bad = _printed(boundary, answer, item.content_id), answer.status >= 400
        pieces.append(piece)
        failed = failed or bad
        if bad and not go_on:
            break
    return pieces, failed


def _run_changes(org: Org, ask: Ask, respond: Respond, changes: Changes, boundary: str) -> tuple[str, bool]:
    """All or nothing; a failure answers as one item (§6.2)."""
    inner = f"changesetresponse_{uuid.uuid4()}"
    references: dict[str, str] = {}
    try:
        with org.store.write():
            pieces = []
            for part in changes.parts:
                answer = _run_part(org, ask, respond, part, references)
                if answer.status >= 400:
                    raise _Failed(answer, part.content_id)
                if part.content_id is not None:
                    references[f"${part.content_id}"] = _address_of(answer)
                pieces.append(_printed(inner, answer, part.content_id))
    except _Failed as failure:
        return _printed(boundary, failure.answer, failure.content_id), True
    head = f"--{boundary}{_CRLF}Content-Type: multipart/mixed; boundary={inner}{_CRLF}{_CRLF}"
    return f"{head}{''.join(pieces)}--{inner}--{_CRLF}{_CRLF}", False


def _address_of(answer: Answer) -> str:
    address = answer.headers.get("OData-EntityId", "")
    if not address and answer.body:
        content = json.loads(answer.body)
        match = re.search(r"\$metadata#(\w+)", content.get("@odata.context", ""))
        keys = [value for name, value in content.items() if name.endswith("id") and isinstance(value, str)]
        address = f"/{match[1]}({keys[-1]})" if match and keys else ""
    return address


def _run_part(org: Org, ask: Ask, respond: Respond, part: Part, references: dict[str, str]) -> Answer:
    try:
        url = _resolved(part.url, references)
        body = _resolved_body(part.body, references)
        if len(url) > _URL_LIMIT:
            raise refuse("UrlTooLong", limit=_URL_LIMIT)
        path, _, query = _ROOT.sub("", url, count=1).partition("?")
        if path.startswith("$batch"):
            raise refuse("QuerySyntax", text="A batch inside a batch is not supported.")
        inner = make_ask(part.method, path, query, part.headers, body.encode(), ask.caller, url)
    except Refusal as refusal:
        return refusal_answer(org, refusal)
    return respond(org, inner)


def _resolved(text: str, references: dict[str, str]) -> str:
    """Replace `$n` at the start of an address; an unknown one is refused."""
    match = _REFERENCE.match(text)
    if match is None:
        return text
    if match[1] not in references:
        raise refuse(
            "QuerySyntax", text=f"Content-ID Reference: '{match[1]}' does not exist in the batch context."
        )
    return references[match[1]] + text[match.end() :]


def _resolved_body(body: str, references: dict[str, str]) -> str:
    if "$" not in body or "@odata." not in body:
        return body
    try:
        content = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_walk(content, references), ensure_ascii=False)


def _walk(content: Any, references: dict[str, str]) -> Any:
    if isinstance(content, list):
        return [_walk(item, references) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        name: _resolved(value, references)
        if isinstance(value, str) and name.endswith(("@odata.bind", "@odata.id"))
        else _walk(value, references)
        for name, value in content.items()
    }


def _printed(boundary: str, answer: Answer, content_id: str | None) -> str:
    """One part of the response."""
    lines = [f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    if answer.status >= 400:
        lines.append(f"REQ_ID: {request_id()}")
    headers = dict(answer.headers)
    if answer.body is not None:
        kind = headers.pop("Content-Type", "application/json; odata.metadata=minimal")
        streaming = "; odata.streaming=true" if answer.status < 400 and "json" in kind else ""
        lines.append(f"Content-Type: {kind}{streaming}")
    lines.append("OData-Version: 4.0")
    if "OData-EntityId" in headers:
        lines.append(f"Location: {headers['OData-EntityId']}")
    lines += [f"{name}: {value}" for name, value in headers.items() if name != "Content-Type"]
    return _CRLF.join([*lines, "", answer.text, ""])


def _parse(ask: Ask) -> list[Part | Changes]:
    """Take the body apart; lines must end in CRLF, the last one too (§6.2)."""
    match = _BOUNDARY.search(ask.headers.get("content-type", ""))
    if match is None or "multipart/mixed" not in ask.headers.get("content-type", "").lower():
        raise refuse(
            "QuerySyntax",
            text="The content type of a batch request must be 'multipart/mixed' with a boundary.",
        )
    text = ask.body.decode("utf-8", "replace")
    if not text.endswith(_CRLF) or re.search(r"(?<!\r)\n", text):
        raise refuse("BadPayload", set="$batch", text="Stream was not readable.")
    items: list[Part | Changes] = []
    for headers, body in _split(text, match[1]):
        inner = _BOUNDARY.search(headers.get("content-type", ""))
        if inner is not None and "multipart/mixed" in headers["content-type"].lower():
            parts = [_part(h, b) for h, b in _split(body, inner[1])]
            if any(part.method == "GET" for part in parts):
                raise refuse("QuerySyntax", text="A change set must not contain GET requests.")
            items.append(Changes(parts))
        else:
            items.append(_part(headers, body))
    number = sum(len(item.parts) if isinstance(item, Changes) else 1 for item in items)
    if number > _MOST:
        raise refuse("QuerySyntax", text=f"The batch contains {number} requests; the maximum is {_MOST}.")
    return items


def _split(text: str, boundary: str) -> list[tuple[dict[str, str], str]]:
    """The parts between the boundary lines: MIME headers and the rest."""
    pieces = re.split(rf"(?:^|\r\n)--{re.escape(boundary)}(?=--|\r\n)", text)
    if len(pieces) < 3 or not pieces[-1].startswith("--"):
        raise refuse("BadPayload", set="$batch", text="The batch has no closing boundary.")
    parts = []
    for piece in pieces[1:-1]:
        head, _, body = piece.removeprefix(_CRLF).partition(_CRLF + _CRLF)
        parts.append((_headers(head), body))
    return parts


def _headers(block: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.split(_CRLF):
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name:
            found[name] = f"{found[name]},{value.strip()}" if name in found else value.strip()
    return found


def _part(headers: dict[str, str], text: str) -> Part:
    if not headers.get("content-type", "").lower().startswith("application/http"):
        raise refuse("BadPayload", set="$batch", text="A part of the batch is not 'application/http'.")
    head, _, body = text.partition(_CRLF + _CRLF)
    line, _, rest = head.lstrip(_CRLF).partition(_CRLF)
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise refuse("BadPayload", set="$batch", text="A part of the batch has no valid request line.")
    return Part(match[1], match[2], _headers(rest), body.removesuffix(_CRLF), headers.get("content-id"))
