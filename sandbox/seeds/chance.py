"""What generated rows are drawn from: the same bytes for the same row of a seed, on any day and machine.

Not for what the rows mean (`people`, `companies`, `purchases`).
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from functools import cache

NAMESPACE = uuid.UUID("7d1c0000-0000-4000-8000-00000000aa02")
DOMAINS = ("example.org", "example.com", "example.net", "mail.example.org", "post.example")
SHORT = ("spring", "river", "stone", "maple", "north", "clover", "amber", "quill", "harbor", "finch")
# fixed, so that the same rows come out in any year
MOMENTS = tuple(
    (datetime(2019, 1, 1, 6) + timedelta(minutes=47 * n)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for n in range(65_536)
)  # 2019-01-01 to 2024-11


def luck_of(kind: str, seed: int, number: int) -> bytes:
    """Return 64 bytes that only this row gets; much faster than a random generator per row."""
    return hashlib.blake2b(b"%s:%d:%d" % (kind.encode(), seed, number), digest_size=64).digest()


def id_of(name: str) -> str:
    """Return str(uuid.uuid5(NAMESPACE, name)), five times as fast."""
    text = hashlib.sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def shaped(shape: str, luck: bytes) -> str:
    """Fill the digits (#) and letters (@) of a shape."""
    template, places = _template(shape)
    return template % tuple([alphabet[at] for alphabet, at in zip(places, luck[44:], strict=False)])


_DIGITS = "0123456789" * 26
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY" * 12


@cache
def _template(shape: str) -> tuple[str, tuple[str, ...]]:
    places = tuple(_DIGITS if place == "#" else _LETTERS for place in shape if place in "#@")
    return shape.replace("%", "%%").replace("#", "%s").replace("@", "%s"), places
