"""A fingerprint per row of what would be sent, so that a row whose fingerprint is known costs nothing; and which of its
fields hold something, so that one that would be emptied is noticed.

Not for security and not for comparing sent with read: Campaign rewrites values (campaign.md §4.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from campaign_sync.arrow import one_array

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROWS_AT_ONCE = 65_536  # keeps the joined texts of one go far below Arrow's 2 GB

DIGEST, TAG = 16, 2  # bytes: of a row, of the name of a field

ESCAPE, MISSING, SEPARATOR = "\x1d", "\x1e", "\x1f"


def row_hashes(frame: pd.DataFrame, fields: Iterable[str]) -> pd.Series[bytes]:
    """`DIGEST` bytes per row over names and values of the fields, in any order; missing is not empty."""
    import pandas as pd
    import pyarrow as pa

    names = sorted(fields)
    person = hashlib.blake2b(SEPARATOR.join(map(_escaped, names)).encode(), digest_size=DIGEST).digest()
    columns = [_texts(frame[name]) for name in names]
    hashes: list[bytes] = []
    anew = hashlib.blake2b(digest_size=DIGEST, person=person).copy  # half the time of making one
    for start in range(0, len(frame), ROWS_AT_ONCE):
        length = min(ROWS_AT_ONCE, len(frame) - start)
        rows = _joined([column.slice(start, length) for column in columns], length)
        for row in rows:
            digest = anew()
            digest.update(row)
            hashes.append(digest.digest())
    values = pd.arrays.ArrowExtensionArray(pa.array(hashes, pa.binary()))
    return pd.Series(values, index=frame.index, name="@hash")


def filled_fields(frame: pd.DataFrame, fields: Iterable[str]) -> pd.Series[bytes]:
    """Per row the tags, of `TAG` bytes each, of the fields that are neither missing nor empty."""
    import numpy as np
    import pandas as pd
    from pyarrow import compute

    names = sorted(fields)
    filled = np.zeros((len(frame), len(names)), dtype=bool)
    for at, name in enumerate(names):
        filled[:, at] = compute.fill_null(compute.not_equal(_texts(frame[name]), ""), False).to_numpy(
            zero_copy_only=False
        )
    # Rows of one flow have few patterns of empty and filled.
    patterns, which = np.unique(np.packbits(filled, axis=1), axis=0, return_inverse=True)
    tags = [field_tag(name) for name in names]
    joined = [
        b"".join(tag for tag, there in zip(tags, np.unpackbits(pattern), strict=False) if there)
        for pattern in patterns
    ]
    values = pd.array([joined[at] for at in which.reshape(-1)], dtype="binary[pyarrow]")
    return pd.Series(values, index=frame.index, name="@filled")


def emptied_fields(before: bytes, after: bytes, fields: Iterable[str]) -> list[str]:
    """The fields that were filled before and are no longer, by their tags."""
    lost = _tags(before) - _tags(after)
    return [name for name in fields if field_tag(name) in lost] if lost else []


def field_tag(name: str) -> bytes:
    """What stands for a field's name."""
    return hashlib.blake2b(name.encode(), digest_size=TAG).digest()


def _tags(joined: bytes) -> set[bytes]:
    return {joined[at : at + TAG] for at in range(0, len(joined), TAG)}


def _texts(column: pd.Series[Any]) -> pa.Array:
    import pyarrow as pa

    values = one_array(column)
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _joined(columns: list[pa.Array], length: int) -> list[bytes]:
    """One text per row that no other row can have: joined, and escaped only where a value needs it."""
    import pyarrow as pa
    from pyarrow import compute

    def join() -> pa.Array:
        return compute.binary_join_element_wise(
            *columns, SEPARATOR, null_handling="replace", null_replacement=MISSING
        )

    if not columns:
        return [b""] * length
    rows = join()
    missing = sum(column.null_count for column in columns)
    if _counts(rows) != [0, missing, length * (len(columns) - 1)]:
        for mark, written in ((ESCAPE, "0"), (MISSING, "1"), (SEPARATOR, "2")):
            columns = [compute.replace_substring(column, mark, ESCAPE + written) for column in columns]
        rows = join()
    joined: list[bytes] = rows.cast(pa.binary()).to_pylist()
    return joined


def _counts(rows: pa.Array) -> list[int]:
    import numpy as np

    text = np.frombuffer(rows.buffers()[2] or b"", dtype=np.uint8)
    return [int(np.count_nonzero(text == ord(mark))) for mark in (ESCAPE, MISSING, SEPARATOR)]


def _escaped(name: str) -> str:
    for mark, written in ((ESCAPE, "0"), (MISSING, "1"), (SEPARATOR, "2")):
        name = name.replace(mark, ESCAPE + written)
    return name
