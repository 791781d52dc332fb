"""The query functions Microsoft.Dynamics.CRM.* in SQL (dataverse.md §3.2). Others answer 501 by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.errors import not_imitated
from sandbox.dataverse.odata import Call, Literal, Path, syntax_error
from sandbox.dataverse.patterns import fold
from sandbox.dataverse.query import TEXTS, Operand, number_sql, value_for

if TYPE_CHECKING:
    from sandbox.dataverse.query import Compiler

_PREFIX = "Microsoft.Dynamics.CRM."


def compile_function(compiler: Compiler, call: Call) -> str:
    """SQL for one call; the column comes as PropertyName, values as PropertyValue or PropertyValues."""
    name = call.name.removeprefix(_PREFIX)
    handler = _FUNCTIONS.get(name)
    if handler is None:
        raise not_imitated(f"the query function '{call.name}'")
    named = dict(call.named)
    prop = named.get("PropertyName")
    if isinstance(prop, Path):
        operand = compiler.operand(prop.parts)
    elif isinstance(prop, Literal) and prop.kind == "string":
        operand = compiler.operand(tuple(prop.value.split("/")))
    else:
        raise syntax_error(f"The function '{call.name}' needs PropertyName.")
    return handler(compiler, operand, name, named)


def _items(named: dict[str, Any], name: str) -> list[Literal]:
    value = named.get("PropertyValues")
    if not isinstance(value, Literal) or value.kind != "list":
        raise syntax_error(f"The function '{_PREFIX}{name}' needs PropertyValues.")
    return list(value.value)


def _typed(operand: Operand, literal: Literal) -> Any:
    """Property values are passed as strings even for numbers (§3.2)."""
    column = operand.column
    if literal.kind != "string" or column.type in TEXTS:
        return value_for(column, literal)
    try:
        if column.type == "DateTime":
            return value_for(column, Literal(literal.value, "moment" if "T" in literal.value else "day"))
        if column.type == "Boolean":
            return value_for(column, Literal(literal.value.lower() in ("true", "1"), "boolean"))
        if column.is_lookup or column.type == "Uniqueidentifier":
            return value_for(column, literal)
        return value_for(column, Literal(float(literal.value), "number"))
    except ValueError:
        raise syntax_error(f"A value for '{column.name}' has the wrong type.") from None


def _in(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    values = [_typed(operand, item) for item in _items(named, name)]
    negation = "NOT " if name == "NotIn" else ""
    if operand.column.type in TEXTS:
        marks = ", ".join(compiler.bind(fold(value)) for value in values)
        return f"(dv_fold({operand.sql}) {negation}IN ({marks}))"
    marks = ", ".join(compiler.bind(value) for value in values)
    return f"({number_sql(operand)} {negation}IN ({marks}))"


def _between(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    values = [_typed(operand, item) for item in _items(named, name)]
    if len(values) != 2:
        raise syntax_error(f"The function '{_PREFIX}{name}' needs two values.")
    text = operand.column.type in TEXTS
    sql = f"dv_fold({operand.sql})" if text else number_sql(operand)
    low, high = (compiler.bind(fold(value) if text else value) for value in values)
    return f"({sql} {'NOT ' if name == 'NotBetween' else ''}BETWEEN {low} AND {high})"


def _value(named: dict[str, Any], name: str) -> Literal:
    value = named.get("PropertyValue")
    if not isinstance(value, Literal):
        raise syntax_error(f"The function '{_PREFIX}{name}' needs PropertyValue.")
    return value


def _on(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    """Whole days: On, OnOrAfter, OnOrBefore."""
    day = str(_value(named, name).value)[:10]
    sign = {"On": "=", "NotOn": "<>", "OnOrAfter": ">=", "OnOrBefore": "<="}[name]
    return f"(substr({operand.sql}, 1, 10) {sign} {compiler.bind(day)})"


_UNITS = {
    "Minutes": 60,
    "Hours": 3600,
    "Days": 86400,
    "Weeks": 7 * 86400,
    "Months": 30 * 86400,
    "Years": 365 * 86400,
}


def _relative(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    """LastX…, NextX…, OlderThanX…; time-of-day units are not valid on DateOnly columns (§3.2)."""
    unit = next(unit for unit in _UNITS if name.endswith(unit))
    if operand.column.date_only and unit in ("Minutes", "Hours"):
        raise syntax_error(
            f"The function '{_PREFIX}{name}' is not valid for the DateOnly column '{operand.column.name}'."
        )
    now = compiler.org.world.clock.now()
    span = timedelta(seconds=_UNITS[unit] * int(float(str(_value(named, name).value))))
    if name.startswith("OlderThanX"):
        return f"({operand.sql} < {compiler.bind(_stamp(operand, now - span))})"
    if name.startswith("LastX"):
        start = now - span if unit in ("Minutes", "Hours") else _midnight(now - span)
        low, high = start, now
    else:
        low, high = now, now + span
    first, last = (compiler.bind(_stamp(operand, moment)) for moment in (low, high))
    return f"({operand.sql} BETWEEN {first} AND {last})"


def _midnight(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _stamp(operand: Operand, moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d" if operand.column.date_only else "%Y-%m-%dT%H:%M:%SZ")


def _that_day(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    shift = {"Yesterday": -1, "Today": 0, "Tomorrow": 1}[name]
    day = (compiler.org.world.clock.now() + timedelta(days=shift)).strftime("%Y-%m-%d")
    return f"(substr({operand.sql}, 1, 10) = {compiler.bind(day)})"


def _contain_values(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    """Multi-select columns hold a comma list."""
    parts = [
        f"(',' || {operand.sql} || ',' LIKE {compiler.bind(f'%,{int(float(str(item.value)))},%')})"
        for item in _items(named, name)
    ]
    found = f"({' OR '.join(parts)})"
    return found if name == "ContainValues" else f"(NOT ifnull({found}, 0))"


def _caller(compiler: Compiler, operand: Operand, name: str, named: dict[str, Any]) -> str:
    return f"({operand.sql} {'=' if name == 'EqualUserId' else '<>'} {compiler.bind(compiler.caller)})"


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "In": _in,
    "NotIn": _in,
    "Between": _between,
    "NotBetween": _between,
    **dict.fromkeys(("On", "NotOn", "OnOrAfter", "OnOrBefore"), _on),
    **dict.fromkeys(("Yesterday", "Today", "Tomorrow"), _that_day),
    **{f"{word}{unit}": _relative for word in ("LastX", "NextX", "OlderThanX") for unit in _UNITS},
    "ContainValues": _contain_values,
    "DoesNotContainValues": _contain_values,
    "EqualUserId": _caller,
    "NotEqualUserId": _caller,
}
