"""PKeys: `@` and 96 URL-safe characters, encrypted per tenant, different per context (campaign.md §3.2, B2).

Deterministic: the same record in the same context has the same PKey. A key of another tenant, resource or
context does not open. Cursors of lists are sealed the same way.
"""

from __future__ import annotations

import base64
import binascii
import struct
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

RECORD, LINK, COLLECTION, METADATA = 1, 2, 3, 4
_TAG = 16
_BODY = 56


class PKeys:
    """Makes and opens the opaque keys of one tenant."""

    def __init__(self, tenant: str, secret: bytes) -> None:
        self._mac = blake2b(tenant.encode(), key=secret[:32], person=b"mac").digest()
        self._stream = blake2b(tenant.encode(), key=secret[:32], person=b"stream").digest()

    def seal(self, context: int, resource: str, row: int) -> str:
        """Return the PKey of a row of a resource in a context."""
        return "@" + self._encrypt(struct.pack(">BIQ", context, _number(resource), row).ljust(_BODY, b"\0"))

    def open(self, pkey: str, contexts: tuple[int, ...], resource: str) -> int | None:
        """Return the row, or None for a key that is not ours, not of this resource or not for this use."""
        body = self._decrypt(pkey)
        if body is None or len(body) != _BODY:
            return None
        context, number, row = struct.unpack_from(">BIQ", body)
        return row if context in contexts and number == _number(resource) else None

    def seal_text(self, text: str) -> str:
        """Return an opaque token for a cursor."""
        return "@" + self._encrypt(text.encode())

    def open_text(self, token: str) -> str | None:
        body = self._decrypt(token)
        return None if body is None else body.decode("utf-8", "replace")

    def _encrypt(self, body: bytes) -> str:
        tag = blake2b(body, key=self._mac, digest_size=_TAG).digest()
        return base64.urlsafe_b64encode(tag + self._mask(tag, body)).decode()

    def _decrypt(self, token: str) -> bytes | None:
        try:
            sealed = base64.b64decode(token.removeprefix("@").encode("ascii"), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        tag, body = sealed[:_TAG], sealed[_TAG:]
        opened = self._mask(tag, body)
        if blake2b(opened, key=self._mac, digest_size=_TAG).digest() != tag:
            return None
        return opened

    def _mask(self, tag: bytes, body: bytes) -> bytes:
        """Combine a body with the key stream that its tag selects; the same operation opens it again."""
        size = len(body)
        blocks = [
            blake2b(tag + n.to_bytes(2, "big"), key=self._stream, digest_size=64).digest()
            for n in range(-(-size // 64))
        ]
        mask = int.from_bytes(b"".join(blocks)[:size], "big")
        return (int.from_bytes(body, "big") ^ mask).to_bytes(size, "big")


@lru_cache(maxsize=1024)
def _number(resource: str) -> int:
    return crc32(resource.encode())
