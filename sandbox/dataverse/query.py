"""$filter and $orderby to SQL, with Dataverse's comparison rules (dataverse.md §3.2, §3.3).

Syntax comes parsed (odata); the Microsoft.Dynamics.CRM.* functions are next door (functions).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import CHOICES, Column, Table
from sandbox.dataverse.errors import Refusal, not_imitated, refuse
from sandbox.dataverse.odata import Binary, Call, Lambda, Literal, Not, Path, syntax_error
from sandbox.dataverse.org import to_moment
from sandbox.dataverse.patterns import fold, has_wildcards
from sandbox.dataverse.store import kind_column, physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_MIRROR = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_INTEGERS = frozenset({"Integer", "BigInt"}) | CHOICES
_REALS = frozenset({"Decimal", "Money", "Double"})
TEXTS = frozenset({"String", "Memo", "EntityName", "MultiSelectPicklist"})


@dataclass(frozen=True)
class Operand:
    """A column in SQL: the expression that reads it, and what it is."""

    sql: str
    column: Column


@dataclass
class Compiler:
    """Turns a tree into SQL; collects the parameters in order."""

    org: Org
    table: Table
    alias: str = "r"
    caller: str = ""
    scopes: Mapping[str, tuple[Table, str]] = field(default_factory=dict)
    parameters: list[Any] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def condition(self, tree: Any) -> str:
        """SQL for a Boolean tree; SQL's three values drop the rows that evaluate to null (§3.2)."""
        if isinstance(tree, Binary) and tree.operator in ("and", "or"):
            return _balanced(tree.operator.upper(), [self.condition(part) for part in _chain(tree)])
        if isinstance(tree, Binary):
            return self._comparison(tree)
        if isinstance(tree, Not):
            return f"(NOT {self.condition(tree.inner)})"
        if isinstance(tree, Lambda):
            return self._lambda(tree)
        if isinstance(tree, Call):
            return self._call(tree)
        if isinstance(tree, Path):
            operand = self.operand(tree.parts)
            if operand.column.type == "Boolean":
                return f"({operand.sql} = 1)"
        if isinstance(tree, Literal) and tree.kind == "boolean":
            return "(1 = 1)" if tree.value else "(1 = 0)"
        raise syntax_error("The $filter expression must evaluate to a single boolean value.")

    def bind(self, value: Any) -> str:
        self.parameters.append(value)
        return "?"

    def operand(self, parts: tuple[str, ...]) -> Operand:
        """A property, or a path through single-valued navigation properties."""
        table, alias = self.table, self.alias
        if parts[0] in self.scopes:
            (table, alias), parts = self.scopes[parts[0]], parts[1:]
        return self._climb(table, alias, parts)

    def _climb(self, table: Table, alias: str, parts: tuple[str, ...]) -> Operand:
        if len(parts) == 1:
            column = visible_column(self.org, table, parts[0])
            return Operand(f'{alias}."{column.name}"', column)
        if not parts:
            raise syntax_error("A property path is empty.")
        relations = self.org.catalogue.upward(table.name, parts[0])
        if not relations:
            raise property_not_found(self.org, table, parts[0])
        relation = relations[0]
        parent = self.org.table(relation.parent)
        inner = f"n{next(self._numbers)}"
        reached = self._climb(parent, inner, parts[1:])
        target = f'{alias}."{kind_column(table.columns[relation.column])}"'
        kind = f" AND ifnull({target}, '{parent.name}') = '{parent.name}'"
        return Operand(
            f'(SELECT {reached.sql} FROM {physical(parent.name)} {inner} WHERE {inner}."{parent.key}" = '
            f'{alias}."{relation.column}"{kind})',
            reached.column,
        )

    def _comparison(self, tree: Binary) -> str:
        left, right, operator = tree.left, tree.right, tree.operator
        if isinstance(left, Literal) and isinstance(right, Path):
            left, right, operator = right, left, _MIRROR[operator]
        if isinstance(left, Path) and isinstance(right, Path):
            return self._two_columns(operator, self.operand(left.parts), self.operand(right.parts))
        if isinstance(left, Path) and isinstance(right, Literal):
            return self.compare(operator, self.operand(left.parts), right)
        if isinstance(left, (Binary, Call)) and isinstance(right, Literal) and right.kind == "boolean":
            condition = self.condition(left)
            return condition if (operator == "eq") == bool(right.value) else f"(NOT {condition})"
        raise not_imitated(f"this form of comparison with '{operator}'")

    def _two_columns(self, operator: str, left: Operand, right: Operand) -> str:
        sides = [f"dv_fold({o.sql})" if o.column.type in TEXTS else number_sql(o) for o in (left, right)]
        return f"({sides[0]} {_SIGNS[operator]} {sides[1]})"

    def compare(self, operator: str, operand: Operand, literal: Literal) -> str:
        """One column against one literal."""
        if literal.kind == "null":
            if operator not in ("eq", "ne"):
                return "(NULL)"
            return f"({operand.sql} IS {'NOT ' if operator == 'ne' else ''}NULL)"
        sql = self._typed(operator, operand, value_for(operand.column, literal))
        if operator == "ne" and self.org.option("ne_keeps_nulls"):
            return f"({sql} OR {operand.sql} IS NULL)"
        return sql

    def _typed(self, operator: str, operand: Operand, value: Any) -> str:
        if operand.column.type in TEXTS:
            if operator in ("eq", "ne") and has_wildcards(value) and self.org.option("eq_wildcards"):
                negation = "NOT " if operator == "ne" else ""
                return f"({negation}dv_like({self.bind(value)}, {operand.sql}))"
            return f"(dv_fold({operand.sql}) {_SIGNS[operator]} {self.bind(fold(value))})"
        return f"({number_sql(operand)} {_SIGNS[operator]} {self.bind(value)})"

    def _call(self, call: Call) -> str:
        if call.name.startswith("Microsoft.Dynamics.CRM."):
            from sandbox.dataverse.functions import compile_function

            return compile_function(self, call)
        if len(call.arguments) != 2 or not isinstance(call.arguments[0], Path):
            raise syntax_error(f"No function signature for the function with name '{call.name}' matches.")
        operand, literal = self.operand(call.arguments[0].parts), call.arguments[1]
        if operand.column.type not in TEXTS or not isinstance(literal, Literal) or literal.kind != "string":
            raise syntax_error(f"No function signature for the function with name '{call.name}' matches.")
        before = "" if call.name == "startswith" else "%"
        after = "" if call.name == "endswith" else "%"
        return f"dv_like({self.bind(before + literal.value + after)}, {operand.sql})"

    def _lambda(self, tree: Lambda) -> str:
        table, alias = self.table, self.alias
        path = tree.path
        if path[0] in self.scopes:
            (table, alias), path = self.scopes[path[0]], path[1:]
        relation = self.org.catalogue.downward(table.name, path[0]) if len(path) == 1 else None
        if relation is None:
            raise property_not_found(self.org, table, "/".join(path))
        child = self.org.table(relation.child)
        inner = f"n{next(self._numbers)}"
        where = f'{inner}."{relation.column}" = {alias}."{table.key}"'
        outer = self.scopes
        self.scopes = {**outer, tree.variable: (child, inner)}
        body = "(1 = 1)" if tree.body is None else self.condition(tree.body)
        self.scopes = outer
        if tree.quantifier == "any":
            return f"EXISTS (SELECT 1 FROM {physical(child.name)} {inner} WHERE {where} AND {body})"
        failing = f"{where} AND NOT ifnull({body}, 0)"
        return f"NOT EXISTS (SELECT 1 FROM {physical(child.name)} {inner} WHERE {failing})"


def _chain(tree: Binary) -> list[Any]:
    """The operands of `a or b or c …`, which parses into a tree as deep as it is long."""
    parts, node = [], tree
    while isinstance(node, Binary) and node.operator == tree.operator:
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _balanced(operator: str, conditions: list[str]) -> str:
    """Join conditions in halves: SQLite refuses expressions that are a thousand levels deep."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return (
        f"({_balanced(operator, conditions[:middle])} {operator} {_balanced(operator, conditions[middle:])})"
    )


def number_sql(operand: Operand) -> str:
    """Decimals are stored as text and compared as numbers."""
    return f"CAST({operand.sql} AS REAL)" if operand.column.type in ("Decimal", "Money") else operand.sql


def property_not_found(org: Org, table: Table, name: str) -> Refusal:
    return refuse("PropertyNotFound", name=name, table=table.name)


def visible_column(org: Org, table: Table, prop: str) -> Column:
    """The column a property names; a new one is unknown for some seconds (§9.3)."""
    column = table.column_of(prop)
    if column is None or column.visible_from > org.timestamp():
        raise property_not_found(org, table, prop)
    return column


def _incompatible(column: Column) -> Refusal:
    return syntax_error(
        f"A binary operator with incompatible types was detected. Found operand types "
        f"'{edm_type(column)}' and another for property '{column.wire_name}'."
    )


def value_for(column: Column, literal: Literal) -> Any:
    """The stored form of a literal that a column is compared with, or a refusal (§3.3)."""
    kind, value = literal.kind, literal.value
    if column.type in TEXTS and kind == "string":
        return value
    if (column.is_lookup or column.type == "Uniqueidentifier") and kind in ("guid", "string"):
        return value.lower()
    if column.type in _INTEGERS | _REALS and kind == "number":
        return value
    if column.type == "Boolean" and kind == "boolean":
        return int(value)
    if column.type == "DateTime" and kind == "day":
        return value if column.date_only else f"{value}T00:00:00Z"
    if column.type == "DateTime" and kind == "moment" and not column.date_only:
        if column.behavior == "TimeZoneIndependent":
            return f"{value[:19]}Z"
        return exact_moment(value)
    raise _incompatible(column)


def exact_moment(value: str) -> str:
    """UTC text that compares rightly with stored whole seconds, fractions kept."""
    text = value if value.endswith("Z") or value[-6] in "+-" else f"{value}Z"
    try:
        moment = to_moment(text)
    except ValueError:
        raise syntax_error("A date-time literal is not valid.") from None
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    # a fraction goes behind the Z, so that the text sorts between two stored whole seconds
    return f"{whole}Z.{moment.microsecond:06d}" if moment.microsecond else f"{whole}Z"


def edm_type(column: Column) -> str:
    """The Edm type of a column (§11)."""
    if column.is_lookup or column.type == "Uniqueidentifier":
        return "Edm.Guid"
    if column.type == "DateTime":
        return "Edm.Date" if column.date_only else "Edm.DateTimeOffset"
    names = {
        "BigInt": "Edm.Int64",
        "Decimal": "Edm.Decimal",
        "Money": "Edm.Decimal",
        "Double": "Edm.Double",
        "Boolean": "Edm.Boolean",
    }
    return names.get(column.type, "Edm.Int32" if column.type in _INTEGERS else "Edm.String")


def order_expression(compiler: Compiler, parts: tuple[str, ...]) -> str:
    """What rows are sorted by: lookups by the related primary name, choices by integer (§3.2)."""
    operand = compiler.operand(parts)
    column = operand.column
    if column.is_lookup and len(parts) == 1:
        names = []
        for target in column.targets:
            parent = compiler.org.catalogue.tables.get(target)
            if parent is not None and not parent.view:
                names.append(
                    f'(SELECT dv_fold(p."{parent.title}") FROM {physical(target)} p '
                    f'WHERE p."{parent.key}" = {operand.sql})'
                )
        return f"coalesce({', '.join([*names, 'NULL', 'NULL'])})"
    return f"dv_fold({operand.sql})" if column.type in TEXTS else number_sql(operand)
