"""Query strings and Prefer headers: decoded, checked, split. Their meaning is for reads, changes, expand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from sandbox.dataverse.errors import not_imitated, refuse

_SYSTEM = frozenset(
    {"$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken", "$deltatoken"}
)
_NOT_IMITATED = {
    "$apply": "$apply (aggregation)",
    "fetchXml": "?fetchXml=",
    "savedQuery": "?savedQuery=",
    "userQuery": "?userQuery=",
    "partitionId": "elastic tables (?partitionId=)",
}
MAX_PAGE = 5000


@dataclass(frozen=True)
class Options:
    """The query options of a request, decoded; `raw` keeps the client's spelling for next links."""

    given: Mapping[str, str] = field(default_factory=dict)
    raw: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        return self.given.get(name)

    @property
    def aliases(self) -> dict[str, str]:
        return {name: value for name, value in self.given.items() if name.startswith("@")}

    @property
    def select(self) -> list[str] | None:
        text = self.given.get("$select")
        if text is None or not text.strip():
            return None
        return [part.strip() for part in text.split(",")]

    @property
    def top(self) -> int | None:
        text = self.given.get("$top")
        if text is None:
            return None
        if not text.isdigit():
            raise refuse("QuerySyntax", text="The value of $top is not a non-negative integer.")
        return int(text)

    @property
    def count(self) -> bool:
        text = self.given.get("$count")
        if text not in (None, "true", "false"):
            raise refuse("QuerySyntax", text="The value of $count is neither 'true' nor 'false'.")
        return text == "true"


def parse_query(query: str) -> Options:
    """Decode a query string: `%24select` is $select, a raw `+` is a space (§12.2/4)."""
    given: dict[str, str] = {}
    raw = []
    for part in query.split("&") if query else ():
        if not part:
            continue
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in _NOT_IMITATED:
            raise not_imitated(_NOT_IMITATED[name])
        if name.startswith("$") and name not in _SYSTEM:
            raise refuse("QuerySyntax", text=f"The query parameter {name} is not supported.")
        if name in given and name.startswith("$"):
            raise refuse("QuerySyntax", text=f"Query option '{name}' was specified more than once.")
        given[name] = unquote_plus(value)
        raw.append((name, part))
    return Options(given, tuple(raw))


@dataclass(frozen=True)
class Prefer:
    """The preferences of a request that the service knows."""

    page_size: int | None = None
    track: bool = False
    representation: bool = False
    continue_on_error: bool = False
    annotations: str | None = None

    def wants(self, annotation: str) -> bool:
        """Say whether an annotation is asked for; wildcards are allowed (§2)."""
        for pattern in (self.annotations or "").split(","):
            expression = re.escape(pattern.strip()).replace(r"\*", ".*")
            if pattern.strip() and re.fullmatch(expression, annotation):
                return True
        return False

    @property
    def applied(self) -> str:
        """The value of Preference-Applied (§12.2/6)."""
        parts = []
        if self.track:
            parts.append("odata.track-changes")
        if self.page_size is not None:
            parts.append(f"odata.maxpagesize={self.page_size}")
        if self.annotations is not None:
            parts.append(f'odata.include-annotations="{self.annotations}"')
        if self.representation:
            parts.append("return=representation")
        return ",".join(parts)


def parse_prefer(header: str) -> Prefer:
    """Read a Prefer header; commas inside quotes belong to the value."""
    found: dict[str, str] = {}
    for part in re.findall(r'(?:[^,"]|"[^"]*")+', header or ""):
        name, _, value = part.strip().partition("=")
        found[name.strip().lower()] = value.strip().strip('"')
    size = found.get("odata.maxpagesize")
    return Prefer(
        page_size=int(size) if size and size.isdigit() and int(size) > 0 else None,
        track="odata.track-changes" in found,
        representation=found.get("return") == "representation",
        continue_on_error="odata.continue-on-error" in found
        and found["odata.continue-on-error"].lower() != "false",
        annotations=found.get("odata.include-annotations"),
    )
