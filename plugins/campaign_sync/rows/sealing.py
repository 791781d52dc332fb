"""Rows at rest as nobody without the key can read them: AES-256-GCM, if the deployment says so (SECURITY.md).

Files that were written before it said so are still read. Not for where files are (``storage.py``).
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode
from functools import cache

from campaign_sync.errors import RefusedError
from campaign_sync.settings import BATCH_KEYS, encrypts_batches

ROWS = (".parquet", ".csv.gz")  # what holds values of people; reports and other documents hold keys

MARK = b"\x00CSB1"  # no Parquet or gzip file begins so
NAMED, NONCE = 8, 12  # bytes

KEYS = (
    f"Set the password of the connection {BATCH_KEYS}: one key or several, separated by commas, each made by "
    '`python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"`'
)


def sealed(uri: str, content: bytes) -> bytes:
    """What is written in place of some content: itself, or, of rows in a deployment that encrypts, its ciphertext.

    It is bound to the flow, the run and the name of its file: no other can be put in its place.
    """
    if not uri.endswith(ROWS) or not encrypts_batches():
        return content
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    name, key = next(iter(_keys().items()))
    nonce = secrets.token_bytes(NONCE)
    return MARK + name + nonce + AESGCM(key).encrypt(nonce, content, _place(uri))


def opened(uri: str, content: bytes) -> bytes:
    """The content that :func:`sealed` was given; raises RefusedError if no key opens it."""
    if not content.startswith(MARK):
        return content
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    after_name, after_nonce = len(MARK) + NAMED, len(MARK) + NAMED + NONCE
    key = _keys().get(content[len(MARK) : after_name])
    if key is None:
        problem = "is encrypted with a key that is not among ours"
        raise RefusedError("storage", uri, None, "", problem, f"Add that key behind the others. {KEYS}")
    try:
        return AESGCM(key).decrypt(content[after_name:after_nonce], content[after_nonce:], _place(uri))
    except (InvalidTag, ValueError):
        problem, remedy = "was changed or cut after it was encrypted", "Clear the extract task of this run"
        raise RefusedError("storage", uri, None, "", problem, remedy) from None


def _place(uri: str) -> bytes:
    return "/".join(uri.split("/")[-3:]).encode()


@cache
def _keys() -> dict[bytes, bytes]:
    """The keys by the names that files give them, the one that encrypts first."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        given = BaseHook.get_connection(BATCH_KEYS).password or ""
    except AirflowNotFoundException:
        given = ""
    try:
        keys = [urlsafe_b64decode(each.strip()) for each in given.split(",") if each.strip()]
    except ValueError:
        keys = [b""]
    if not keys or {len(key) for key in keys} != {32}:
        problem = "batches are to be encrypted, and there is no key of 32 bytes for it"
        raise RefusedError("storage", f"connection {BATCH_KEYS}", None, "", problem, KEYS)
    return {hashlib.sha256(key).digest()[:NAMED]: key for key in keys}
