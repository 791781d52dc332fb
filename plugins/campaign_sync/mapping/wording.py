"""The small parts of the vocabulary: names, plain values, dates, limits, and how a wrong one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from difflib import SequenceMatcher, get_close_matches
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, ConfigDict, PlainValidator, StrictStr, WithJsonSchema

#: Settings of every part of a mapping: frozen, unknown keys are errors, `from` and `in` by their YAML names.
CLOSED = ConfigDict(
    extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
)

_DAYS_AGO = re.compile(r"([0-9]{1,5}) days? ago")
_LIMIT = re.compile(r"(\d+)|(\d+(?:\.\d+)?) ?%|(\d+) or (\d+(?:\.\d+)?) ?%")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")


class Wrong(ValueError):
    """A word or value that a mapping cannot have; ``at`` is where below the part that noticed."""

    def __init__(self, problem: str, remedy: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.at = at


def meant(word: str, known: Iterable[str], *, listing: str = "Known are") -> str:
    """The remedy for an unknown word: what was probably meant, else what there is."""
    choices = list(known)
    close = get_close_matches(word, choices, n=2, cutoff=0.6)
    if len(close) == 2 and _likeness(word, close[0]) - _likeness(word, close[1]) > 0.05:
        close = close[:1]
    if not close:  # the same word in another spelling: FirstName, first_name
        close = [each for each in choices if _bare(each) == _bare(word)]
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(sorted(choices)[:40])
    return f"{listing}: {shown}{' …' if len(choices) > 40 else ''}" if choices else ""


def _likeness(word: str, choice: str) -> float:
    return SequenceMatcher(None, choice, word).ratio()


def _bare(word: str) -> str:
    return word.lower().replace("_", "").replace(" ", "")


def _column(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        lower = name.lower()
        hint = (
            f"Did you mean {lower}?"
            if re.fullmatch(r"[a-z_][a-z0-9_]*", lower)
            else "Use the column's logical name"
        )
        raise Wrong(
            f"{name!r} is not a column name; logical names are lower-case letters, digits and _", hint
        )
    return name


def _field(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?", name):
        raise Wrong(
            f"{name!r} is not a field name", "Use the field's API name, such as firstName or location.city"
        )
    return name


def _plain(value: Any) -> Any:
    if not isinstance(value, (str, int, float, bool)):
        raise Wrong(
            "expected one plain value: text, a number, true or false", "For empty cells use present: false"
        )
    return value


def _plain_or_empty(value: Any) -> Any:
    return None if value is None else _plain(value)


def _moment(text: Any) -> str:
    remedy = 'Write a date ("2026-01-31"), a time ("2026-01-31T08:00:00Z") or "30 days ago"'
    if not isinstance(text, str) or not (_DAYS_AGO.fullmatch(text) or _DATE.fullmatch(text)):
        raise Wrong("expected a date", remedy)
    if not _DAYS_AGO.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError as error:
            raise Wrong("this date does not exist", remedy) from error
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("expected text", "Put it in quotes")
    if not value:
        raise Wrong("an empty text", "For empty cells use present: false")
    return value


def days_ago(text: str) -> int | None:
    """The number in "30 days ago", None for anything else."""
    found = _DAYS_AGO.fullmatch(text)
    return int(found[1]) if found else None


def is_moment(value: Any) -> bool:
    """Whether a value of a mapping reads as a date, a time or "N days ago"."""
    try:
        _moment(value)
    except Wrong:
        return False
    return True


class Limit(NamedTuple):
    """How many rows something may befall: a number, or a share in percent, whichever is more."""

    rows: float
    share: float

    def allows(self, count: int, of: int) -> bool:
        """Whether that many of so many rows are within the limit."""
        return count <= max(self.rows, self.share * of / 100)


def read_limit(text: str) -> Limit | None:
    """The limit in "100", "5%" or "100 or 5%"; None if it cannot be read."""
    found = _LIMIT.fullmatch(text)
    if not found:
        return None
    rows, share, both_rows, both_share = found.groups()
    return Limit(float(rows or both_rows or 0), float(share or both_share or 0))


_PLAIN = {"type": ["string", "number", "boolean"]}

ColumnName = Annotated[StrictStr, AfterValidator(_column)]
FieldName = Annotated[StrictStr, AfterValidator(_field)]
Plain = Annotated[Any, PlainValidator(_plain), WithJsonSchema(_PLAIN)]
PlainOrEmpty = Annotated[
    Any, PlainValidator(_plain_or_empty), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
Moment = Annotated[Any, PlainValidator(_moment), WithJsonSchema({"type": "string"})]
Text = Annotated[Any, PlainValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]
