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
    made = pa.array(values, kind, from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
