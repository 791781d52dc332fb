"""The query of a URL: decoded for reading, verbatim for the addresses that an answer contains."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from sandbox.campaign import errors


class Query:
    """Options of one request; a `+` is a space, as everywhere (campaign.md T29)."""

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self.options = dict(parse_qsl(raw, keep_blank_values=True))

    def get(self, name: str) -> str:
        return self.options.get(name, "")

    def whole(self, name: str, default: int) -> int:
        """Return an option that must be a positive whole number."""
        given = self.get(name)
        if not given:
            return default
        if not given.isascii() or not given.isdigit() or int(given) == 0:
            raise errors.cannot_convert(given, "text", "integer (32 bit)")
        return int(given)

    def without(self, *names: str) -> str:
        """Return the query as it came, less some options."""
        parts = [part for part in self._raw.split("&") if part]
        return "&".join(part for part in parts if unquote(part.partition("=")[0]) not in names)
