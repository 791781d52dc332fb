"""`?sql=` (dataverse.md §3.2) in its simple form: one table, WHERE, ORDER BY, TOP, DISTINCT, COUNT(*).

Joins, grouping and functions answer 501. Literals become parameters; the client's text never reaches SQLite.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import Column, Table
from sandbox.dataverse.errors import not_imitated
from sandbox.dataverse.messages import Answer, Ask
from sandbox.dataverse.odata import Literal, syntax_error
from sandbox.dataverse.options import MAX_PAGE
from sandbox.dataverse.pages import Cookie, next_link, read_cookie
from sandbox.dataverse.patterns import fold
from sandbox.dataverse.projection import json_expression, value_expression
from sandbox.dataverse.query import TEXTS, Operand, number_sql, value_for
from sandbox.dataverse.reads import context_of, envelope, headers_for
from sandbox.dataverse.rights import demand
from sandbox.dataverse.store import physical

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_TOKENS = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|([A-Za-z_][\w.]*)|(<>|!=|<=|>=|[=<>(),*]))")
_SIGNS = {"=": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_OUT = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass
class _Statement:
    columns: list[tuple[str, str]] = field(default_factory=list)  # property, alias
    count_as: str | None = None
    distinct: bool = False
    top: int | None = None
    where: str = ""
    order: list[tuple[str, bool]] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)


class _Parser:
    """One SELECT over one table."""

    def __init__(self, text: str, table: Table) -> None:
        self._table = table
        self._tokens: list[str] = []
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKENS.match(text, position)
            if match is None:
                raise syntax_error(f"Invalid SQL at position {position}.")
            self._tokens.append(match.group().strip())
            position = match.end()
        self._at = 0
        self.statement = _Statement()

    def _word(self) -> str:
        return self._tokens[self._at].upper() if self._at < len(self._tokens) else ""

    def _take(self, expected: str | None = None) -> str:
        if self._at >= len(self._tokens) or (expected is not None and self._word() != expected):
            raise syntax_error(f"Invalid SQL: expected {expected or 'more'} at word {self._at + 1}.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _has(self, word: str) -> bool:
        if self._word() == word:
            self._at += 1
            return True
        return False

    def parse(self) -> _Statement:
        self._take("SELECT")
        self.statement.distinct = self._has("DISTINCT")
        if self._has("TOP"):
            self.statement.top = int(self._take())
        self._columns()
        self._take("FROM")
        if self._take().lower() != self._table.name:
            raise syntax_error("Invalid SQL: the table is not the one of the entity set.")
        if self._word() not in ("", "WHERE", "ORDER", "INNER", "LEFT", "JOIN", "GROUP", ","):
            self._alias = self._take().lower()
        if self._has("WHERE"):
            self.statement.where = self._or()
        if self._has("ORDER"):
            self._take("BY")
            self._order()
        if self._word():
            raise not_imitated(f"SQL with {self._word()}")
        return self.statement

    _alias = ""

    def _columns(self) -> None:
        while True:
            name = self._take()
            if name == "*":
                raise syntax_error("SELECT * is not supported.")
            if self._word() == "(":
                if name.upper() != "COUNT" or self._tokens[self._at + 1 : self._at + 3] != ["*", ")"]:
                    raise not_imitated(f"the SQL function {name}")
                self._at += 3
                self.statement.count_as = self._take() if self._has("AS") else "count"
            else:
                alias = self._take() if self._has("AS") else name.rpartition(".")[2]
                self.statement.columns.append((name.rpartition(".")[2], alias))
            if not self._has(","):
                return

    def column(self, name: str) -> Column:
        bare = name.rpartition(".")[2].lower()
        column = self._table.columns.get(bare) or self._table.column_of(bare)
        if column is None:
            raise syntax_error(f"Invalid column name '{bare}'.")
        return column

    def _operand(self, name: str) -> Operand:
        column = self.column(name)
        return Operand(f'r."{column.name}"', column)

    def _or(self) -> str:
        left = self._and()
        while self._has("OR"):
            left = f"({left} OR {self._and()})"
        return left

    def _and(self) -> str:
        left = self._not()
        while self._has("AND"):
            left = f"({left} AND {self._not()})"
        return left

    def _not(self) -> str:
        if self._has("NOT"):
            return f"(NOT {self._not()})"
        if self._has("("):
            inner = self._or()
            self._take(")")
            return f"({inner})"
        return self._condition()

    def _condition(self) -> str:
        operand = self._operand(self._take())
        negation = "NOT " if self._has("NOT") else ""
        word = self._take().upper()
        if word == "IS":
            negation = "NOT " if self._has("NOT") else ""
            self._take("NULL")
            return f"({operand.sql} IS {negation}NULL)"
        if word == "IN":
            self._take("(")
            marks = [self._value(operand)]
            while self._has(","):
                marks.append(self._value(operand))
            self._take(")")
            return f"({self._side(operand)} {negation}IN ({', '.join(marks)}))"
        if word == "LIKE":
            self.statement.parameters.append(self._literal().value)
            return f"({negation}dv_like(?, {operand.sql}))"
        if word == "BETWEEN":
            low = self._value(operand)
            self._take("AND")
            return f"({self._side(operand)} {negation}BETWEEN {low} AND {self._value(operand)})"
        if word not in _SIGNS:
            raise not_imitated(f"the SQL operator {word}")
        return f"({self._side(operand)} {_OUT[_SIGNS[word]]} {self._value(operand)})"

    def _side(self, operand: Operand) -> str:
        return f"dv_fold({operand.sql})" if operand.column.type in TEXTS else number_sql(operand)

    def _literal(self) -> Literal:
        token = self._take()
        if token.startswith("'"):
            return Literal(token[1:-1].replace("''", "'"), "string")
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return Literal(float(token) if "." in token else int(token), "number")
        raise not_imitated("SQL expressions other than a column against a value")

    def _value(self, operand: Operand) -> str:
        literal, column = self._literal(), operand.column
        if column.type == "Boolean" and literal.kind == "number":
            literal = Literal(bool(literal.value), "boolean")
        elif column.type == "DateTime" and literal.kind == "string":
            literal = Literal(literal.value.replace(" ", "T"), "moment" if len(literal.value) > 10 else "day")
        value = value_for(column, literal)
        self.statement.parameters.append(fold(value) if column.type in TEXTS else value)
        return "?"

    def _order(self) -> None:
        while True:
            operand = self._operand(self._take())
            word = self._word()
            if word in ("ASC", "DESC"):
                self._take()
            self.statement.order.append((self._side(operand), word == "DESC"))
            if not self._has(","):
                return


def query_by_sql(org: Org, ask: Ask, table: Table) -> Answer:
    """GET <set>?sql=SELECT …"""
    if demand(org, ask.caller, table, "read") != "organisation":
        raise not_imitated("?sql= for a caller who may not read the whole table")
    parser = _Parser(ask.options.get("sql") or "", table)
    statement = parser.parse()
    where = f" WHERE {statement.where}" if statement.where else ""
    head = {"@odata.context": context_of(org, table, ask.options)}
    source = f"FROM {physical(table.name)} r{where}"
    if statement.count_as is not None:
        with org.store.read() as db:
            number = db.execute(f"SELECT count(*) {source}", statement.parameters).fetchone()[0]
        return Answer(
            200,
            envelope(head, json.dumps({statement.count_as: number}).encode(), {}),
            headers_for(ask.prefer),
        )
    cookie = read_cookie(table.set_name, ask.options)
    skip = cookie.last[0] if cookie else 0
    limit = min(ask.prefer.page_size or MAX_PAGE, MAX_PAGE, (statement.top or MAX_PAGE * 1000) - skip)
    order = [f"{sql}{' DESC' if down else ''}" for sql, down in statement.order]
    columns = [(parser.column(name), alias) for name, alias in statement.columns]
    if statement.distinct:
        pairs = " || ',' || ".join(
            f"'{json.dumps(alias)}:' || {value_expression(column)}" for column, alias in columns
        )
        text = f"SELECT DISTINCT '{{' || {pairs} || '}}', '' {source}"
    else:
        order.append(f'r."{table.key}"')
        text = f'SELECT {json_expression(table, [column for column, _ in columns])}, r."{table.key}" {source}'
    ordering = f" ORDER BY {', '.join(order)}" if order else ""
    with org.store.read() as db:
        rows = db.execute(
            f"{text}{ordering} LIMIT {limit + 1} OFFSET {skip}", statement.parameters
        ).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    tail = {}
    if more and skip + limit < (statement.top or MAX_PAGE * 1000):
        following = Cookie((cookie.page if cookie else 1) + 1, (skip + limit,))
        tail["@odata.nextLink"] = next_link(
            org.root, table.set_name, table.key, ask.options, following, rows[0][1], rows[-1][1]
        )
    return Answer(
        200, envelope(head, ",".join(row[0] for row in rows).encode(), tail), headers_for(ask.prefer)
    )
