"""URL paths below the service root: segments, and the keys in their brackets (dataverse.md §5)."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.dataverse.errors import refuse
from sandbox.dataverse.odata import Literal, Parser
from sandbox.dataverse.values import GUID

FORBIDDEN = frozenset("/<>*%&:\\?+")  # in alternate key values (§5)


@dataclass(frozen=True)
class Segment:
    """One path segment: a name, and what stands in its brackets (None: no brackets)."""

    name: str
    inside: str | None = None


def parse_path(path: str) -> tuple[Segment, ...]:
    """Split a decoded path at slashes outside brackets and quotes."""
    pieces, current, depth, quoted = [], "", 0, False
    for character in path:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == "/" and depth == 0:
                pieces.append(current)
                current = ""
                continue
        current += character
    pieces.append(current)
    return tuple(_segment(piece) for piece in pieces if piece)


def _segment(piece: str) -> Segment:
    name, bracket, rest = piece.partition("(")
    if not bracket:
        return Segment(name)
    if not rest.endswith(")"):
        raise refuse("QuerySyntax", text=f"Bad Request - Error in query syntax at '{name}'.")
    return Segment(name, rest[:-1])


def parse_key(inside: str) -> str | dict[str, Literal]:
    """The key in brackets: a guid, or named values."""
    text = inside.strip()
    if GUID.fullmatch(text):
        return text.lower()
    values: dict[str, Literal] = {}
    for part in _split(text):
        name, sign, raw = part.partition("=")
        if not sign:
            raise refuse("QuerySyntax", text="Bad Request - Error in query syntax.")
        values[name.strip()] = Parser(raw.strip()).value()
    return values


def _split(text: str) -> list[str]:
    parts, current, quoted = [], "", False
    for character in text:
        quoted = quoted != (character == "'")
        if character == "," and not quoted:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]
