"""One answer of a system, and what can be read from it whatever its form: code, message, how long to wait.

Not for sending (rest.py) and not for judging rows (campaign_answers.py)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

LOST = 0  # the status of an answer that never came
LONGEST_TEXT = (
    64 * 1024
)  # bytes of an answer that are read for what it says: no error of the references has 10 KB
LONGEST_SHOWN = (
    16 * 1024
)  # characters of a text of which an excerpt is shown; searching it must not take long
LONGEST_WAIT = 86_400.0  # seconds; whatever Retry-After says

REQUEST_IDS = ("x-ms-service-request-id", "req_id", "x-ms-request-id", "x-request-id", "x-correlation-id")
WORD = re.compile(r"[^\s'\"<>()]+")
TOKEN = re.compile(r"(?i)bearer\s+\S+|eyJ[\w-]{5,}[\w.~+/=-]*|[\w.~+/=-]{60,}")
QUOTED = re.compile(r"(?<!\w)(?:'(.*?)'|\"(.*?)\")(?!\w)")  # not the apostrophe of "can't"
# Names that cannot be a person's: nms:recipient:gender, Microsoft.Dynamics.CRM.contact, prvReadContact
SCHEMA_NAME = re.compile(r"[a-z]{3}(?::[A-Za-z]\w*)+|Microsoft\.Dynamics\.CRM\.\w+|prv[A-Z]\w*")
ENGINE_CODE = re.compile(r"\b[A-Z]{3}-\d{6}\b")
CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")  # 0x80040217, PGS-220000, invalid_client, CannotDelete_1


class Answer(NamedTuple):
    """What came back for one request; `status` is LOST when nothing did."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cut: bool = False
    """The status came, the body did not come whole."""
    sent: bool = True
    """False only where the request certainly never left."""
    problem: str = ""
    """Why there is no answer, in words for people."""
    token: str = ""
    """The bearer token that was sent; never shown."""

    def __repr__(self) -> str:
        return f"<Answer {self.method} {self.path}: {self.status}>"  # never the body or the token

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def path(self) -> str:
        return readable_path(self.url)

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("Content-Type", "").lower() or self.body[:200].lstrip()[:1] == b"<"

    @property
    def text(self) -> str:
        """The body as text, unwrapped from HTML; of one that is far too long its beginning."""
        text = self.body[:LONGEST_TEXT].decode("utf-8", "replace")
        return unescape(re.sub(r"<[^<>]*>", " ", text)) if self.is_html else text

    @property
    def request_id(self) -> str:
        given = (self.headers.get(name) or "" for name in REQUEST_IDS)
        return next((each for each in given if CODE.fullmatch(each)), "")

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from either form of Retry-After; a day at most."""
        given = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", given):
            return min(float(given), LONGEST_WAIT)
        try:
            return min(max(0.0, parsedate_to_datetime(given).timestamp() - time.time()), LONGEST_WAIT)
        except (TypeError, ValueError, OverflowError, OSError):
            return None

    @property
    def error(self) -> Error:
        return read_error(self)


class Error(NamedTuple):
    """The code and the message of an error body; either may be empty."""

    code: str
    message: str


def loads(body: bytes) -> Any:
    """Reads JSON; ValueError for whatever is none, however deeply it nests."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_error(answer: Answer) -> Error:
    """Reads every known envelope: Dataverse, Entra and IMS, gateway, Campaign's four (campaign.md §4.4)."""
    error = _read_error(answer)
    # A code is shown as it is, so it has to be one
    return error if CODE.fullmatch(error.code) else error._replace(code="")


def _read_error(answer: Answer) -> Error:
    try:
        found = loads(answer.body)
    except ValueError:
        return Error(_engine_code(answer.text), answer.text.strip())
    if isinstance(found, str):
        return Error(_engine_code(found), found)
    if not isinstance(found, dict):
        return Error("", "")
    return _from_object(found)


def _from_object(found: dict[str, Any]) -> Error:
    inner = found.get("error")
    if isinstance(inner, dict):
        return Error(str(inner.get("code") or ""), str(inner.get("message") or ""))
    if isinstance(inner, str):
        numbers = found.get("error_codes") or []
        code = f"AADSTS{numbers[0]}" if isinstance(numbers, list) and numbers else inner
        return Error(code, f"{inner} {found.get('error_description') or ''}")
    message = str(found.get("message") or "")
    return Error(str(found.get("error_code") or found.get("code") or _engine_code(message)), message)


def _engine_code(text: str) -> str:
    found = ENGINE_CODE.findall(text)
    # RST-360011 prefixes almost everything and says nothing (campaign.md §11)
    return next((code for code in found if code != "RST-360011"), found[0] if found else "")


def masked(text: str, names: Collection[str] = (), length: int = 500) -> str:
    """Returns an excerpt without addresses, tokens and quoted values.

    :param names: of the schema, which may be shown
    """

    def shown(quoted: re.Match[str]) -> str:
        said = quoted[1] or quoted[2] or ""
        return quoted[0] if said in names or SCHEMA_NAME.fullmatch(said) else "'…'"

    if len(text) > LONGEST_SHOWN:
        return "…"  # cut anywhere, it might end within a value
    text = "".join(each if each.isprintable() else " " for each in text)  # a terminal obeys what is not
    text = WORD.sub(lambda word: "…" if "@" in word[0] else word[0], " ".join(text.split()))
    text = QUOTED.sub(shown, TOKEN.sub("…", text))
    return text if len(text) <= length else text[:length] + "…"


def names_in(url: str) -> frozenset[str]:
    """Returns the names of the schema that a read asks for: in its path and its $select."""
    parts = urlsplit(url)
    chosen = dict(parse_qsl(parts.query)).get("$select", "")
    return frozenset(re.findall(r"[A-Za-z_]\w*", f"{parts.path} {chosen}"))


def readable_path(url: str) -> str:
    """Returns a URL's path with the names of its options, without their values."""
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return parts.path + ("?" + "&".join(names) if names else "")
