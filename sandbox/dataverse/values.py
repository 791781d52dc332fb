"""JSON values to stored values, with the refusals of dataverse.md §8 and the type rules of §11.

Not for lookups (binds) and not for rendering (projection).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import CHOICES, Column, Table
from sandbox.dataverse.errors import Refusal, refuse

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_EARLIEST = datetime(1753, 1, 1, tzinfo=UTC)  # §11
_SELECTIONS = 150


def stored(org: Org, table: Table, column: Column, value: Any) -> Any:
    """Check a JSON value for a column and return what is stored."""
    if value is None:
        return None
    if column.type in CHOICES:
        return _choice(org, table, column, value)
    reader = _READERS.get(column.type)
    if reader is None:
        raise _payload(table, f"A value of column '{column.name}' cannot be written.")
    return reader(org, table, column, value)


def _payload(table: Table, text: str) -> Refusal:
    return refuse("BadPayload", set=table.set_name, text=text)


def _mismatch(table: Table, column: Column, edm: str) -> Refusal:
    """§8: bad payload. The value stays out of the message, as personal data has no place in it."""
    return _payload(
        table, f"Cannot convert the value of property '{column.name}' to the expected type '{edm}'."
    )


def _text(org: Org, table: Table, column: Column, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _mismatch(table, column, "Edm.String")
    if value == "" and org.option("empty_text") == "null":
        return None
    if _CONTROL.search(value):
        raise refuse("InvalidCharactersInField", column=column.name)
    if column.length is not None and len(value.encode("utf-16-le")) // 2 > column.length:
        raise refuse("StringLengthTooLong", column=column.name, table=table.name, limit=column.length)
    if column.format == "Email" and org.option("email_format") == "checked" and not _EMAIL.fullmatch(value):
        raise refuse("InvalidArgument", text=f"The value of '{column.name}' is not an e-mail address.")
    return value


def _number(org: Org, table: Table, column: Column, value: Any, edm: str) -> Decimal:
    if isinstance(value, str) and org.option("numeric_strings") == "accepted":
        try:
            return Decimal(value)
        except InvalidOperation:
            raise _mismatch(table, column, edm) from None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _mismatch(table, column, edm)
    return Decimal(str(value))


def _whole(org: Org, table: Table, column: Column, value: Any) -> int:
    number = _number(org, table, column, value, "Edm.Int32")
    if number != number.to_integral_value():
        raise _mismatch(table, column, "Edm.Int32")
    return int(_in_range(number, table, column, "IntegerValueOutOfRange"))


def _in_range(number: Decimal, table: Table, column: Column, refusal: str) -> Decimal:
    low, high = column.minimum, column.maximum
    if (low is not None and number < Decimal(str(low))) or (high is not None and number > Decimal(str(high))):
        raise refuse(refusal, column=column.name, table=table.name)
    return number


def _rounded(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _decimal(org: Org, table: Table, column: Column, value: Any) -> str:
    number = _in_range(
        _number(org, table, column, value, "Edm.Decimal"), table, column, "DecimalValueOutOfRange"
    )
    return str(_rounded(number, column.precision or 0))


def _money(org: Org, table: Table, column: Column, value: Any) -> str:
    """Rounded to the currency's precision, shown with four digits (§11)."""
    number = _in_range(
        _number(org, table, column, value, "Edm.Decimal"), table, column, "DecimalValueOutOfRange"
    )
    return str(_rounded(_rounded(number, column.precision or 2), 4))


def _double(org: Org, table: Table, column: Column, value: Any) -> float:
    number = _in_range(
        _number(org, table, column, value, "Edm.Double"), table, column, "DecimalValueOutOfRange"
    )
    return float(_rounded(number, column.precision or 5))


def _boolean(org: Org, table: Table, column: Column, value: Any) -> int:
    if not isinstance(value, bool):
        raise _mismatch(table, column, "Edm.Boolean")
    return int(value)


def _choice(org: Org, table: Table, column: Column, value: Any) -> int:
    number = int(_number(org, table, column, value, "Edm.Int32"))
    if column.option(number) is None:
        raise refuse("PicklistValueOutOfRange", column=column.name, table=table.name)
    return number


def _selection(org: Org, table: Table, column: Column, value: Any) -> str | None:
    """Multi-select: a comma list, spaces allowed, 150 at most (§11)."""
    if not isinstance(value, str) or not re.fullmatch(r"\s*(-?\d+\s*(,\s*-?\d+\s*)*)?", value):
        raise _mismatch(table, column, "Edm.String")
    numbers = list(dict.fromkeys(int(part) for part in value.split(",") if part.strip()))
    if len(numbers) > _SELECTIONS or any(column.option(number) is None for number in numbers):
        raise refuse("PicklistValueOutOfRange", column=column.name, table=table.name)
    return ",".join(map(str, numbers)) or None


def _moment(org: Org, table: Table, column: Column, value: Any) -> str:
    if column.date_only:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise _mismatch(table, column, "Edm.Date")
        return _not_before_1753(table, column, f"{value}T00:00:00Z", "Edm.Date")[:10]
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise _mismatch(table, column, "Edm.DateTimeOffset")
    if column.behavior == "TimeZoneIndependent":  # Z is nominal: no conversion (§11)
        value = re.sub(r"(Z|[+-]\d{2}:\d{2})$", "", value)
    return _not_before_1753(table, column, value, "Edm.DateTimeOffset")


def _not_before_1753(table: Table, column: Column, value: str, edm: str) -> str:
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", value).replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _mismatch(table, column, edm) from None
    if moment < _EARLIEST:
        raise refuse("InvalidDateTime")
    return f"{moment.year:04d}{moment.strftime('-%m-%dT%H:%M:%SZ')}"


def _guid(org: Org, table: Table, column: Column, value: Any) -> str:
    if not isinstance(value, str) or not GUID.fullmatch(value):
        raise _mismatch(table, column, "Edm.Guid")
    return value.lower()


_READERS: dict[str, Callable[[Any, Table, Column, Any], Any]] = {
    "String": _text,
    "Memo": _text,
    "EntityName": _text,
    "Integer": _whole,
    "BigInt": _whole,
    "Decimal": _decimal,
    "Money": _money,
    "Double": _double,
    "Boolean": _boolean,
    "MultiSelectPicklist": _selection,
    "DateTime": _moment,
    "Uniqueidentifier": _guid,
}


def plant_value(column: Column, value: Any) -> Any:
    """What a seed's value is stored as: trusted, so only brought into shape."""
    if value is None or value == "":
        return None
    if column.type in ("Decimal", "Money"):
        return str(value)
    if column.is_lookup or column.type == "Uniqueidentifier":
        return str(value).lower()
    return value
