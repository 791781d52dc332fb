"""String comparison as Dataverse does it: case-insensitive, with LIKE wildcards (dataverse.md §3.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any


def fold(text: Any) -> Any:
    """The form in which two strings that Dataverse takes for equal are equal."""
    return text.casefold() if isinstance(text, str) else text


def like(pattern: str, text: object) -> int | None:
    """SQL LIKE with % _ [a-f] [^a]; null in, null out."""
    if text is None or pattern is None:
        return None
    return int(_compiled(pattern).fullmatch(str(text)) is not None)


def has_wildcards(text: str) -> bool:
    return any(mark in text for mark in "%_[")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    out, position = [], 0
    while position < len(pattern):
        mark = pattern[position]
        end = pattern.find("]", position + 2) if mark == "[" else -1
        if mark == "%":
            out.append(".*")
        elif mark == "_":
            out.append(".")
        elif end > 0:
            inside = pattern[position + 1 : end]
            negated = inside.startswith("^")
            body = inside[1:] if negated else inside
            escaped = "".join(
                c if c == "-" and 0 < i < len(body) - 1 else re.escape(c) for i, c in enumerate(body)
            )
            out.append(f"[{'^' if negated else ''}{escaped}]")
            position = end
        else:
            out.append(re.escape(mark))
        position += 1
    return re.compile("".join(out), re.IGNORECASE | re.DOTALL)
