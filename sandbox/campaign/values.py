"""One value on its way in: JSON type, range, length, policy, enumeration (campaign.md §4.2–4.4).

Returns what is stored or raises a Refusal. Knows fields, not records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sandbox.campaign import errors
from sandbox.campaign.schema import NUMBERS, Field

INTEGER_BITS = {"byte": 8, "short": 16, "long": 32, "int64": 64}
EMAIL = re.compile(r"[^@\s,;:<>()\"]+@[^@\s,;:<>()\".]+(\.[^@\s,;:<>()\".]+)+")
DATETIME = re.compile(r"(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?Z")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
Switches = Mapping[str, Any]


def read(field: Field, value: Any, schema: str, switches: Switches) -> Any:
    """Return the value to store for a scalar field."""
    if value is None:
        if switches["campaign.null_scalar"] == "refuse":
            raise errors.anything()  # U6
        return field.default
    if field.values:
        return _enumeration(field, value, schema, switches)
    if field.res_type == "boolean":
        return _boolean(value, switches)
    if field.res_type in NUMBERS:
        return _number(field, value, switches)
    if not isinstance(value, str):
        raise errors.cannot_convert(_shown(value), _kind(value), "text")
    if field.res_type == "date":
        return _date(value)
    if field.res_type == "datetime":
        return _datetime(value, switches)
    return _text(field, value, switches)


def _enumeration(field: Field, value: Any, schema: str, switches: Switches) -> str:
    """Accept the name of a value only, not its number or label (§4.2)."""
    if value == "" and switches["campaign.empty_enumeration"] == "clear":
        return str(field.default)
    if not isinstance(value, str) or value not in {v.name for v in field.values}:
        raise errors.bad_enumeration(_shown(value), schema, field.name)
    return value


def _boolean(value: Any, switches: Switches) -> bool:
    if isinstance(value, bool):
        return value
    convertible = {"true": True, "false": False, "1": True, "0": False}
    if switches["campaign.text_for_other_types"] == "convert" and str(value) in convertible:
        return convertible[str(value)]
    raise errors.cannot_convert(_shown(value), _kind(value), "boolean")


def _number(field: Field, value: Any, switches: Switches) -> int | float:
    bits = INTEGER_BITS.get(field.res_type)
    target = f"integer ({bits} bit)" if bits else "double"
    if isinstance(value, str) and switches["campaign.text_for_other_types"] == "convert":
        try:
            value = int(value) if bits else float(value)
        except ValueError:
            raise errors.cannot_convert(value, "text", target) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.cannot_convert(_shown(value), _kind(value), target)
    if bits is None:
        return value
    if value != int(value) or not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise errors.cannot_convert(_shown(value), _kind(value), target)
    return int(value)


def _date(value: str) -> str:
    if value == "":
        return ""  # §4.2: clears
    try:
        if len(value) != 10:
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise errors.cannot_convert(value, "text", "date") from None


def _datetime(value: str, switches: Switches) -> str:
    if value == "":
        return ""
    match = DATETIME.fullmatch(value)
    if match is None or (match[2] == "T" and switches["campaign.datetime_with_t"] == "refuse"):
        raise errors.cannot_convert(value, "text", "date and time")
    try:
        datetime.fromisoformat(f"{match[1]}T{match[3]}")
    except ValueError:
        raise errors.cannot_convert(value, "text", "date and time") from None
    return f"{match[1]} {match[3]}.{(match[4] or '').ljust(3, '0')}Z"


def _text(field: Field, value: str, switches: Switches) -> str:
    if field.length and len(value) > field.length:
        if switches["campaign.long_text"] == "refuse":
            raise errors.anything()  # U11
        value = value[: field.length]
    if field.policy == "email" and value:
        if not EMAIL.fullmatch(value):
            raise errors.anything()
        return value.lower() if switches["campaign.lowercase_email"] else value
    if field.policy == "smartCase":
        return smart_case(value, lower_rest=switches["campaign.smart_case"] == "lower_rest")
    return value


def smart_case(value: str, *, lower_rest: bool) -> str:
    """Capitalise the first letter of each word: `in der Maur` becomes `In Der Maur` (§4.3)."""

    def word(match: re.Match[str]) -> str:
        first, rest = match[0][0], match[0][1:]
        return first.upper() + (rest.lower() if lower_rest else rest)

    return WORD.sub(word, value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer (32 bit)"
    return {str: "text", float: "double"}.get(type(value), "element")


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
