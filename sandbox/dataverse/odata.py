"""The expression language of $filter and $orderby: a tokeniser and a parser that yield small frozen values.

Syntax only: whether a property exists, and what a comparison means, is for those who walk the tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.dataverse.errors import Refusal, not_imitated, refuse


@dataclass(frozen=True)
class Literal:
    value: Any
    kind: str  # string, guid, moment, day, number, boolean, null, enum, list


@dataclass(frozen=True)
class Path:
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Not:
    inner: Any


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Any
    right: Any


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Lambda:
    path: tuple[str, ...]
    quantifier: str
    variable: str
    body: Any


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    position: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^']|'')*')
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})
    |(?P<moment>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)
    |(?P<day>\d{4}-\d{2}-\d{2})
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<alias>@[A-Za-z_]\w*)
    |(?P<name>[A-Za-z_][\w.]*)
    |(?P<mark>[(),=\[\]:/])
    """,
    re.VERBOSE,
)
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_TEXT_FUNCTIONS = frozenset({"contains", "startswith", "endswith"})


def syntax_error(text: str) -> Refusal:
    return refuse("QuerySyntax", text=text)


def tokenise(source: str) -> list[Token]:
    tokens, position = [], 0
    while position < len(source):
        match = _TOKENS.match(source, position)
        if match is None:
            if source[position] in "'\"":
                raise syntax_error(f"There is an unterminated literal at position {position} in '{source}'.")
            raise syntax_error(f"Syntax error at position {position} in '{source}'.")
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return tokens


class Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, source: str, aliases: Mapping[str, str] | None = None) -> None:
        self._source = source
        self._tokens = tokenise(source)
        self._at = 0
        self._aliases = aliases or {}

    def _peek(self, ahead: int = 0) -> Token:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else Token("end", "", len(self._source))

    def _take(self, text: str | None = None) -> Token:
        token = self._peek()
        if token.kind == "end" or (text is not None and token.text != text):
            raise self.error(token)
        self._at += 1
        return token

    def error(self, token: Token) -> Refusal:
        return syntax_error(f"Syntax error at position {token.position} in '{self._source}'.")

    def expression(self) -> Any:
        tree = self._or()
        if self._peek().kind != "end":
            raise self.error(self._peek())
        return tree

    def ordering(self) -> list[tuple[tuple[str, ...], bool]]:
        """$orderby: (path, descending) pairs."""
        terms = []
        while True:
            path = self._path().parts
            word = self._peek().text
            if word in ("asc", "desc"):
                self._take()
            terms.append((path, word == "desc"))
            if self._peek().kind == "end":
                return terms
            self._take(",")

    def _or(self) -> Any:
        left = self._and()
        while self._word("or"):
            left = Binary("or", left, self._and())
        return left

    def _and(self) -> Any:
        left = self._not()
        while self._word("and"):
            left = Binary("and", left, self._not())
        return left

    def _word(self, word: str) -> bool:
        if self._peek().kind == "name" and self._peek().text == word:
            self._at += 1
            return True
        return False

    def _not(self) -> Any:
        return Not(self._not()) if self._word("not") else self._comparison()

    def _comparison(self) -> Any:
        left = self._operand()
        operator = self._peek()
        if operator.kind == "name" and operator.text in _COMPARISONS:
            self._take()
            return Binary(operator.text, left, self._operand())
        if operator.kind == "name" and operator.text in ("add", "sub", "mul", "div", "mod", "has", "in"):
            raise not_imitated(f"the operator '{operator.text}' in $filter")
        return left

    def _operand(self) -> Any:
        token = self._peek()
        if token.text == "(" and token.kind == "mark":
            self._take("(")
            inner = self._or()
            self._take(")")
            return inner
        if token.kind == "alias":
            self._take()
            text = self._aliases.get(token.text)  # unassigned = null (§3.2)
            return Literal(None, "null") if text is None else Parser(text).value()
        if token.kind == "name" and token.text not in ("true", "false", "null"):
            return self._named()
        return self.value()

    def value(self) -> Literal:
        """A literal, or a list of them in brackets."""
        token = self._take()
        kind, text = token.kind, token.text
        if kind == "string":
            return Literal(text[1:-1].replace("''", "'"), "string")
        if kind == "double":
            return Literal(re.sub(r"\\(.)", r"\1", text[1:-1]), "string")
        if kind in ("guid", "moment", "day"):
            return Literal(text, kind)
        if kind == "number":
            return Literal(float(text) if re.search(r"[.eE]", text) else int(text), "number")
        if kind == "name" and text in ("true", "false"):
            return Literal(text == "true", "boolean")
        if kind == "name" and text == "null":
            return Literal(None, "null")
        if text == "[":
            return self._list()
        raise self.error(token)

    def _list(self) -> Literal:
        items = []
        while self._peek().text != "]":
            items.append(self.value())
            if self._peek().text != "]":
                self._take(",")
        self._take("]")
        return Literal(tuple(items), "list")

    def _path(self) -> Path:
        parts = [self._name()]
        while self._peek().text == "/":
            self._take("/")
            parts.append(self._name())
        return Path(tuple(parts))

    def _name(self) -> str:
        token = self._take()
        if token.kind != "name":
            raise self.error(token)
        return token.text

    def _named(self) -> Any:
        """A function call, an enum value, a path, or a lambda at the end of a path."""
        first = self._peek()
        after = self._peek(1)
        if after.kind == "string" and after.position == first.position + len(first.text):
            self._take()
            return Literal((first.text, self.value().value), "enum")
        if after.text == "(":
            return self._call()
        path = self._path()
        if self._peek().text == "(" and path.parts[-1] in ("any", "all"):
            return self._lambda(path)
        return path

    def _call(self) -> Call:
        name = self._take().text
        self._take("(")
        arguments, named = [], []
        while self._peek().text != ")":
            if self._peek(1).text == "=":
                key = self._take().text
                self._take("=")
                named.append((key, self._operand()))
            else:
                arguments.append(self._or())
            if self._peek().text != ")":
                self._take(",")
        self._take(")")
        if name not in _TEXT_FUNCTIONS and not name.startswith("Microsoft.Dynamics.CRM."):
            raise not_imitated(f"the function '{name}' in $filter")
        return Call(name, tuple(arguments), tuple(named))

    def _lambda(self, path: Path) -> Lambda:
        self._take("(")
        if self._peek().text == ")":
            self._take(")")
            return Lambda(path.parts[:-1], path.parts[-1], "", None)
        variable = self._name()
        self._take(":")
        body = self._or()
        self._take(")")
        return Lambda(path.parts[:-1], path.parts[-1], variable, body)


def parse_filter(source: str, aliases: Mapping[str, str] | None = None) -> Any:
    """Parse a $filter."""
    return Parser(source, aliases).expression()


def parse_orderby(source: str) -> list[tuple[tuple[str, ...], bool]]:
    """Parse an $orderby into (path, descending) pairs."""
    return Parser(source).ordering()
