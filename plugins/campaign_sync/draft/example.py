"""A row that nobody is: invented values for the first example of a drafted mapping.

Not for real rows: a draft never reads one.
"""

from __future__ import annotations

from campaign_sync.draft.names import plain_name
from campaign_sync.draft.pairs import Pair
from campaign_sync.rows.cells import kind_of
from campaign_sync.schema import Column

KEY = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
DAY, MOMENT = "2026-02-03", "2026-02-03T04:05:06Z"

#: A part of a column's name -> a text; the first that fits is taken.
TEXTS = {
    "email": "Ada.Wong@Alder.Example",
    "firstname": "Ada",
    "middlename": "Lin",
    "lastname": "Wong",
    "fullname": "Ada Wong",
    "nickname": "Ada",
    "salutation": "Ms",
    "line1": "12 Quay St",
    "line2": "Back door",
    "line3": "Third bell",
    "city": "Bergen",
    "county": "Vestland",
    "country": "NO",
    "stateorprovince": "Vestland",
    "postalcode": "5003",
    "phone": "+47 555 01 17",
    "fax": "+47 555 01 18",
    "url": "https://alder.example",
    "jobtitle": "Engineer",
    "name": "Alder & Co",
}


def invented(pair: Pair) -> object:
    """A value for the pair's column that its field can hold; the same at every call."""
    if pair.key:
        return KEY
    column, field, kind = pair.column, pair.field, kind_of(pair.column)
    if kind == "choice":
        return _choice(pair)
    if kind in ("text", "other", "choices") and field.type != "string":
        named = (field.values or ("",))[0]
        return {"integer": "7", "float": "7.5", "enumeration": named}[field.type]
    values = {
        "integer": 1,
        "decimal": 7.0 if field.type == "integer" else 12.5,
        "boolean": True,
        "datetime": MOMENT,
        "date": "1987-03-09" if "birth" in column.name else DAY,
        "choices": str(next(iter(column.options or {1: ""}))),
        "other": KEY,
    }
    return values[kind] if kind in values else _text(column, field.length)


def _text(column: Column, room: int | None) -> str:
    name = column.name
    text = next((text for part, text in TEXTS.items() if part in name), f"Some {plain_name(name)}")
    shortest = min(each for each in (room, column.max_length, len(text)) if each is not None)
    return text[:shortest].rstrip()


def _choice(pair: Pair) -> int:
    options = pair.column.options or {0: ""}
    if pair.names:
        return list(pair.names)[-1]
    room = pair.field.length
    fitting = (value for value, label in options.items() if room is None or len(label) <= room)
    return next(fitting, next(iter(options)))
