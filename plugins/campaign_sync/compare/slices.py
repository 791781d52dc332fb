"""Both systems' rows cut into slices by key, at rest in the run's folder: each slice holds whole keys and fits memory.

Not for reading either system (``sides.py``), nor for comparing (``fates.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal

from campaign_sync.hooks.campaign_records import KEY
from campaign_sync.rows.storage import read_parquet, write_bytes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

Side = Literal["dynamics", "campaign"]

#: Rows of a slice: with both sides, what is read of the ledger and what is made of them, far below 500 MB.
SLICE_ROWS = 40_000

#: Slices are files that are open side by side while the rows are dealt out.
MOST_SLICES = 500

#: Rows held back until they are dealt out together.
ROWS_AT_ONCE = 120_000


def slices_for(rows: int) -> int:
    """How many slices so many rows of the larger side need."""
    return min(max(1, -(-rows // SLICE_ROWS)), MOST_SLICES)


def deal_out(tables: Iterable[pa.Table], schema: pa.Schema, slices: int, folder: str, side: Side) -> int:
    """Writes one Parquet file per slice, empty ones too; returns how many rows there were.

    The files grow on this machine's disk, in the folder for temporary files, and go to the run's folder when whole.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows, waiting = 0, []
    with ExitStack() as stack:
        # Without names, so that a process that is killed leaves nobody's data behind.
        files = [stack.enter_context(TemporaryFile(prefix="campaign_sync_")) for _ in range(slices)]
        writers = [
            stack.enter_context(parquet.ParquetWriter(file, schema, compression="zstd")) for file in files
        ]
        for table in tables:
            waiting.append(table)
            rows += len(table)
            if sum(map(len, waiting)) >= ROWS_AT_ONCE:
                _deal(pa.concat_tables(waiting), writers)
                waiting = []
        if waiting:
            _deal(pa.concat_tables(waiting), writers)
        for number, (file, writer) in enumerate(zip(files, writers, strict=True), start=1):
            writer.close()
            file.seek(0)
            write_bytes(_uri(folder, number, side), file.read())
    return rows


def read_slice(folder: str, number: int, side: Side) -> pd.DataFrame:
    """One side of a slice: index key; of a key that was listed twice, the row that was listed last."""
    import pandas as pd

    table = read_parquet(_uri(folder, number, side))
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype).set_index(KEY)
    return frame[~frame.index.duplicated(keep="last")]


def _deal(table: pa.Table, writers: list[Any]) -> None:
    import numpy as np
    import pyarrow as pa

    numbers = _numbers(table[KEY].to_pylist(), len(writers))
    order = np.argsort(numbers, kind="stable")
    dealt = table.take(pa.array(order))
    ends = np.searchsorted(numbers[order], np.arange(len(writers) + 1))
    for writer, start, end in zip(writers, ends, ends[1:], strict=False):
        if end > start:
            writer.write_table(dealt.slice(start, end - start))


def _numbers(keys: list[str], slices: int) -> NDArray[np.int64]:
    import numpy as np

    # Of any process, on any day: the two sides of a key must meet.
    return np.fromiter((zlib.crc32(key.encode()) % slices for key in keys), dtype=np.int64, count=len(keys))


def _uri(folder: str, number: int, side: Side) -> str:
    return f"{folder}/{number:05d}.slice.{side}.parquet"
