"""The ``$batch`` format of Dataverse: several requests in one, answered one by one (dataverse.md §6.2).

Pure. Not for sending (``rest.py``), nor for judging the answers (``dataverse_activities.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.parser import BytesParser
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import Any, NamedTuple

from campaign_sync.hooks.answers import Answer

MOST = 1000  # inner requests, each operation of a change set counted
CRLF = b"\r\n"  # also after the last line, or the whole body is refused
BOUNDARY, CHANGES = b"batch", b"changes"

CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY.decode()}"


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
    parts = _parts(answer)
    if len(parts) != len(change_sets):
        raise ValueError(f"{len(parts)} answers to {len(change_sets)} change sets")
    found = []
    for part, requests in zip(parts, change_sets, strict=True):
        last = requests[-1]
        if part.is_multipart():
            inside = [_answer(each, last, answer) for each in part.get_payload()]
            if len(inside) != len(requests):
                raise ValueError("a change set is answered in part")
            found.append(next((each for each in inside if not each.ok), inside[-1]))
        else:
            found.append(_answer(part, last, answer))
    return found


def _parts(answer: Answer) -> list[Any]:
    kind = answer.headers.get("Content-Type", "")
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.body)
    if not message.is_multipart() or message.defects:
        raise ValueError("not a whole multipart body")
    return list(message.get_payload())


def _answer(part: Any, request: Request, outer: Answer) -> Answer:
    stream = BytesIO(part.get_payload(decode=True))
    status = stream.readline().split(None, 2)
    try:
        headers = dict(parse_headers(stream).items())
        return Answer(request.method, outer.url, int(status[1]), headers, stream.read(), token=outer.token)
    except (HTTPException, IndexError, ValueError):
        raise ValueError("an inner answer cannot be read") from None
