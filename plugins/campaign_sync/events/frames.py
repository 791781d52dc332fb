"""Frames of events: their columns, rows that do not go on, texts.

Not for what an event is (``judging.py``) or what becomes of it (``activities.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from campaign_sync.arrow import one_array
from campaign_sync.events.vocabulary import EVENT_COLUMNS
from campaign_sync.exports.removed import as_column, removed_rows
from campaign_sync.rows.transform import VERSION, Sifted

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NO_EVENT = "no_event"  #: the column of a frame that says why a row is no event

#: Why rows do not go on: rule and reason by the row's position. Few rows of a good file have one.
Problems = dict[int, tuple[str, str]]


def event_schema() -> dict[str, pa.DataType]:
    """The columns of a frame of events with their Arrow types."""
    import pyarrow as pa

    texts = dict.fromkeys((*EVENT_COLUMNS, NO_EVENT), pa.string())
    return {VERSION: pa.int64()} | texts | {"happened": pa.timestamp("us", "UTC")}


def event_frame(columns: Mapping[str, Any], keys: list[str]) -> pd.DataFrame:
    """A frame of events out of arrays or lists; a column that is not given is empty, and so is an empty text."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    made = {}
    for name, kind in event_schema().items():
        array = one_array(columns[name], kind) if name in columns else pa.nulls(len(keys), kind)
        if pa.types.is_string(kind):
            array = pc.if_else(pc.equal(array, ""), None, array)
        made[name] = as_column(pc.fill_null(array, 0) if name == VERSION else array)
    return pd.DataFrame(made, index=pd.Index(keys, name="event", dtype=object))


def without(frame: pd.DataFrame, problems: Problems, fate: str = "rejected") -> Sifted:
    """Takes the rows out of a frame that do not go on."""
    import numpy as np

    stays = np.ones(len(frame), dtype=bool)
    rows = sorted(problems)
    stays[rows] = False
    return Sifted(frame[stays], removed_rows([(frame.index[row], *problems[row]) for row in rows], fate))


def texts_of(frame: pd.DataFrame, name: str) -> pa.Array:
    """A column of texts, an empty cell as an empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.fill_null(one_array(frame[name], pa.string()), "")


def rows_where(mask: pa.Array) -> list[int]:
    """The positions of the rows of which something is true."""
    import numpy as np

    found: list[int] = np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()
    return found
