"""Columns of frames as Arrow arrays in one piece; for the ledger and for files.

Not for files themselves (``rows/storage.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def one_array(values: Any, kind: Any = None) -> pa.Array:
    """A frame's column or index as an array of a type, by default the type that it has."""
    import pyarrow as pa

    if kind is not None and not len(values):  # an empty frame need not have types
        return pa.array([], kind)
    return in_one_piece(pa.array(values, kind, from_pandas=True))


def in_one_piece(array: Any) -> pa.Array:
    """An array, chunked or not, as one; a single chunk is not copied."""
    import pyarrow as pa

    if not isinstance(array, pa.ChunkedArray):
        return array
    return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
