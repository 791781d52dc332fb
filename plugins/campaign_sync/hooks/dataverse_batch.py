"""The ``$batch`` format of Dataverse: several requests in one, answered one by one (dataverse.md §6.2).

Pure. Not for sending (``rest.py``), nor for judging the answers (``dataverse_activities.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from requests.structures import CaseInsensitiveDict

from campaign_sync.hooks.answers import Answer

MOST = 1000  # inner requests, each operation of a change set counted
CRLF = b"\r\n"  # also after the last line, or the whole body is refused
BOUNDARY, CHANGES = b"batch", b"changes"

CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY.decode()}"

_NAMED_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)
_CONTENT_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Request(NamedTuple):
    """One inner request."""

    method: str
    path: str  # from the root, such as /api/data/v9.2/tasks
    body: Mapping[str, Any]
    headers: Mapping[str, str] = {}


def encoded(change_sets: Sequence[Sequence[Request]]) -> bytes:
    """A body with these change sets; each is done whole or not at all."""
    lines: list[bytes] = []
    for number, requests in enumerate(change_sets, start=1):
        inner = CHANGES + str(number).encode()
        lines += [b"--" + BOUNDARY, b"Content-Type: multipart/mixed; boundary=" + inner, b""]
        for content_id, request in enumerate(requests, start=1):
            named = {"Content-Type": "application/json; type=entry", **request.headers}
            lines += [
                b"--" + inner,
                b"Content-Type: application/http",
                b"Content-Transfer-Encoding: binary",
                f"Content-ID: {content_id}".encode(),
                b"",
                f"{request.method} {request.path} HTTP/1.1".encode(),
                *(f"{name}: {value}".encode() for name, value in named.items()),
                b"",
                json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode(),
            ]
        lines += [b"--" + inner + b"--", b""]
    return CRLF.join([*lines, b"--" + BOUNDARY + b"--", b""])


def decoded(answer: Answer, change_sets: Sequence[Sequence[Request]]) -> list[Answer]:
    """One answer for each change set, in their order: its first refusal, or its last good one.

    Raises ValueError if the body is damaged.
    """
    parts = list(_parts(answer.headers.get("Content-Type", ""), answer.body))
    if len(parts) != len(change_sets):
        raise ValueError(f"{len(parts)} answers to {len(change_sets)} change sets")
    found = []
    for (kind, content), requests in zip(parts, change_sets, strict=True):
        last = requests[-1]
        if kind.lower().startswith("multipart/"):
            inside = [_answer(each, last, answer) for _, each in _parts(kind, content)]
            if len(inside) != len(requests):
                raise ValueError("a change set is answered in part")
            found.append(next((each for each in inside if not each.ok), inside[-1]))
        else:
            found.append(_answer(content, last, answer))
    return found


def _parts(kind: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and content of each part of a multipart body.

    The standard library's parser takes twenty times as long: it is made for mail (bench/events.py).
    """
    named = _NAMED_BOUNDARY.search(kind)
    if named is None or not kind.lower().startswith("multipart/"):
        raise ValueError("not a multipart body")
    _, *parts, rest = (CRLF + body).split(CRLF + b"--" + named[1].encode()) or [b""]
    if not parts or not rest.startswith(b"--"):
        raise ValueError("a multipart body without its end")
    for part in parts:
        head, blank, content = part.partition(CRLF + CRLF)
        if not blank or head.strip(b" \t")[:2] != CRLF:
            raise ValueError("a part without a head")
        said = _CONTENT_TYPE.search(head)
        yield said[1].decode("latin-1") if said else "", content


def _answer(content: bytes, request: Request, outer: Answer) -> Answer:
    head, _, body = content.partition(CRLF + CRLF)
    line, _, lines = head.partition(CRLF)
    version, _, status = line.partition(b" ")
    if not version.startswith(b"HTTP/") or not status[:3].isdigit():
        raise ValueError("an inner answer cannot be read")
    pairs = (each.partition(":") for each in lines.decode("latin-1").split("\r\n"))
    headers = CaseInsensitiveDict((name, value.strip()) for name, _, value in pairs)
    return Answer(request.method, outer.url, int(status[:3]), headers, body, token=outer.token)
