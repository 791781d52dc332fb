"""What conditions say about rows: masks over a frame, and the rule that drops a row. Not the words
themselves (``conditions``).

An empty cell meets no comparison. The three operators that say "not" are the exact opposite of the one they
negate, so an empty cell meets them: `not_equals: 1` keeps a row whose cell is empty, as "does not equal"
does in Dynamics' own views.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.mapping.conditions import OPPOSITES, Condition, Group
from campaign_sync.mapping.wording import days_ago
from campaign_sync.rows.cells import cells, kind_of, parse_moment
from campaign_sync.schema import Column, TableSchema

if TYPE_CHECKING:
    import pandas as pd


class Demand(NamedTuple):
    """Something a row must meet, or it is dropped by this rule."""

    met: Any  # pyarrow BooleanArray without nulls
    rule: str
    reason: str


def demands(group: Group, frame: pd.DataFrame, table: TableSchema, now: datetime) -> list[Demand]:
    """What the rows must meet, in the order of the file: every member of all, an any-group as a whole."""
    if not group.all:
        members = ", ".join(each.label for each in group.members)
        return [Demand(_joined(group, frame, table, now), group.label, f"none of these holds: {members}")]
    found: list[Demand] = []
    for member in group.all:
        if isinstance(member, Group):
            found += demands(member, frame, table, now)
        else:
            reason = f"{member.column}: {member.operator.replace('_', ' ')} does not hold"
            found.append(Demand(_holds(member, frame, table, now), member.label, reason))
    return found


def _joined(group: Group, frame: pd.DataFrame, table: TableSchema, now: datetime) -> Any:
    import pyarrow.compute as pc

    join = pc.and_ if group.all else pc.or_
    masks = [
        _joined(each, frame, table, now) if isinstance(each, Group) else _holds(each, frame, table, now)
        for each in group.members
    ]
    result = masks[0]
    for mask in masks[1:]:
        result = join(result, mask)
    return result


def _holds(condition: Condition, frame: pd.DataFrame, table: TableSchema, now: datetime) -> Any:
    import pyarrow.compute as pc

    column = table.column(condition.column)
    assert column is not None, "check_types comes first"
    array = cells(frame, column)
    operator, operand = condition.operator, condition.operand
    if operator == "present":
        found = _present(array)
        return found if operand else pc.invert(found)
    mask = pc.fill_null(
        _compared(condition, OPPOSITES.get(operator, operator), operand, array, column, now), False
    )
    return pc.invert(mask) if operator in OPPOSITES else mask


def _present(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(array.type):
        return pc.is_valid(array)
    return pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(array), ""), False)


def _compared(
    condition: Condition, operator: str, operand: Any, array: Any, column: Column, now: datetime
) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, fold = kind_of(column), condition.ignore_case
    if kind == "choices":
        return pc.match_substring_regex(array, pattern=rf"(^|,)\s*{choice(operand, column)}\s*(,|$)")
    texts = {"starts_with": pc.starts_with, "ends_with": pc.ends_with, "contains": pc.match_substring}
    if operator in texts:
        return texts[operator](array, pattern=operand, ignore_case=fold)
    if operator == "matches":
        return pc.match_substring_regex(array, pattern=operand, ignore_case=fold)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    operands = [
        _operand(each, kind, column, now) for each in (operand if isinstance(operand, tuple) else (operand,))
    ]
    if fold:
        array, operands = pc.utf8_lower(array), [pc.utf8_lower(pa.scalar(each)).as_py() for each in operands]
    if operator in ("equals", "in"):
        wanted = pa.array(operands, type=array.type) if kind != "integer" else pa.array(operands)
        return pc.is_in(
            array if wanted.type == array.type else array.cast(wanted.type, safe=False), value_set=wanted
        )
    if operator == "between":
        return pc.and_(
            pc.greater_equal(array, _scalar(operands[0], array)),
            pc.less_equal(array, _scalar(operands[1], array)),
        )
    compare = {
        "less_than": pc.less,
        "before": pc.less,
        "at_most": pc.less_equal,
        "more_than": pc.greater,
        "after": pc.greater,
        "at_least": pc.greater_equal,
    }[operator]
    return compare(array, _scalar(operands[0], array))


def _scalar(operand: Any, array: Any) -> Any:
    import pyarrow as pa

    return pa.scalar(operand, type=array.type) if isinstance(operand, datetime) else pa.scalar(operand)


def _operand(value: Any, kind: str, column: Column, now: datetime) -> Any:
    """A value of the mapping in the form of the column's cells."""
    if kind == "choice":
        return choice(value, column)
    if kind == "datetime":
        return parse_moment(value, now, days_ago(value))
    if kind == "date":  # dates are texts in frames, and texts of this form sort like dates
        return parse_moment(value, now, days_ago(value)).date().isoformat()
    return value


def choice(value: Any, column: Column) -> int | None:
    """The technical value of a choice that a mapping gives by value or by label; None if there is no such
    label.
    """
    if isinstance(value, int):
        return value
    return next((number for number, label in (column.options or {}).items() if label == value), None)
