"""JSON rows through Python without losing digits of decimals: trailing zeros stay (dataverse.md §11)."""

from __future__ import annotations

import json
import re
from typing import Any

# Private-use characters around a number's text; json would print a float its own way.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_MARKED = re.compile(f'"{_OPEN}([^"{_CLOSE}]*){_CLOSE}"')


def load_rows(texts: list[str]) -> list[dict[str, Any]]:
    """Parse rows; numbers with a point become marked text."""
    rows: list[dict[str, Any]] = json.loads(
        f"[{','.join(texts)}]", parse_float=lambda text: f"{_OPEN}{text}{_CLOSE}"
    )
    return rows


def dump_rows(rows: list[dict[str, Any]]) -> str:
    """Print rows without the brackets of the list."""
    return _MARKED.sub(r"\1", json.dumps(rows, ensure_ascii=False))[1:-1]


def exact_number(value: Any) -> float:
    """The number behind a value that load_rows made."""
    return float(str(value).strip(_OPEN + _CLOSE))
