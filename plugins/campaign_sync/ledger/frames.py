"""Frames on their way into and out of the ledger: one row per key, exact types, Arrow underneath.

Not for SQL (``ledger.py``, ``begin.py``, ``settle.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from campaign_sync.arrow import one_array
from campaign_sync.waits import COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LOADED = ("created", "updated", "deleted")
RESULTS = (*LOADED, "unchanged", "dropped")


def key_columns(keys: Iterable[str]) -> dict[str, pa.Array]:
    """Distinct keys, in order."""
    import pandas as pd
    import pyarrow as pa

    column = pd.Series(keys if isinstance(keys, pd.Index) else list(keys), dtype=pd.ArrowDtype(pa.string()))
    return {"source_key": one_array(column.drop_duplicates().sort_values(), pa.string())}


def reading_columns(frame: pd.DataFrame) -> dict[str, pa.Array]:
    """Rows that were read, in order of their keys; of a key that came twice nothing is claimed."""
    import pyarrow as pa

    if not frame.index.is_unique:
        once = ~frame.index.duplicated(keep=False)
        frame = frame.assign(sent_hash=frame["sent_hash"].where(once, None))
        frame = frame[~frame.index.duplicated()]
    table = pa.table(_columns(frame, {"version": pa.int64(), "sent_hash": pa.binary()}))
    ordered = table.sort_by("source_key")
    return {name: ordered[name].combine_chunks() for name in ordered.column_names}


def write_columns(keys: Iterable[str], versions: Iterable[int | None] | None) -> dict[str, pa.Array]:
    """Keys with their versions, in order of the keys; without versions, keys may come twice."""
    import pyarrow as pa

    if versions is None:
        staged = key_columns(keys)
        return staged | {"version": pa.nulls(len(staged["source_key"]), pa.int64())}
    pairs = sorted(zip(keys, versions, strict=True), key=lambda pair: pair[0])
    return {
        "source_key": pa.array([key for key, _ in pairs], pa.string()),
        "version": pa.array([version for _, version in pairs], pa.int64()),
    }


def outcome_columns(frame: pd.DataFrame) -> dict[str, pa.Array]:
    """A frame of outcomes; of several for one key, the one that came from a call counts, then the newest."""
    import pyarrow as pa

    unknown = set(frame["result"].dropna().unique()) - set(RESULTS) if len(frame) else set()
    if unknown:
        raise ValueError(f"results must be among {RESULTS}, not {sorted(unknown)}")
    if not frame.index.is_unique:
        frame = _last_per_key(frame.assign(loaded=frame["result"].isin(LOADED)), ["loaded", "version"])
    types = {"version": pa.int64(), "sent_hash": pa.binary(), "result": pa.string()}
    return _columns(frame, types)


def rejection_columns(frame: pd.DataFrame) -> dict[str, pa.Array]:
    """A frame of rejections, the newest per key; what does not say ``certain`` is not."""
    import pyarrow as pa

    if not frame.index.is_unique:
        frame = _last_per_key(frame, ["version"])
    certain = frame["certain"].fillna(False) if "certain" in frame else False
    types = {"version": pa.int64(), "step": pa.string(), "rule": pa.string(), "reason": pa.string()}
    return _columns(frame.assign(certain=certain), types | {"certain": pa.bool_()})


def link_columns(frame: pd.DataFrame) -> dict[str, pa.Array]:
    """What rows will name: one line per row and linked field; no parent_key where a row names nobody."""
    import pyarrow as pa

    return _columns(frame, dict.fromkeys(("field", "parent_flow", "parent_key"), pa.string()))


def parked_columns(frame: pd.DataFrame) -> dict[str, pa.Array]:
    """A frame of rows that wait, the newest per key."""
    import pyarrow as pa

    if not frame.index.is_unique:
        frame = _last_per_key(frame, ["version"])
    return _columns(frame, {"version": pa.int64()} | dict.fromkeys(COLUMNS, pa.string()))


def waits_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """What rows wait for: index key, columns kind, waits_for, waits_key, reason."""
    import pyarrow as pa

    return _frame(dict.fromkeys(("source_key", *COLUMNS), pa.string()), rows)


def parked_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Parked rows, as the ledger stores them."""
    import pyarrow as pa

    seen = pa.timestamp("us", tz="UTC")
    types = {"source_key": pa.string(), "version": pa.int64()}
    types |= dict.fromkeys((*COLUMNS, "mapping_sha", "run_id"), pa.string())
    return _frame(types | {"first_seen": seen, "last_seen": seen}, rows)


def known_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """What the ledger knows: index key, columns version, sent_hash, present, in_doubt."""
    import pyarrow as pa

    types = {
        "source_key": pa.string(),
        "version": pa.int64(),
        "sent_hash": pa.binary(),
        "present": pa.bool_(),
        "in_doubt": pa.bool_(),
    }
    return _frame(types, rows)


def state_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """What the ledger knows of keys, rejections and waits included; a row that it does not know has no version."""
    import pyarrow as pa

    types = {
        "source_key": pa.string(),
        "version": pa.int64(),
        "sent_hash": pa.binary(),
        "present": pa.bool_(),
        "in_doubt": pa.bool_(),
        "updated_at": pa.timestamp("us", tz="UTC"),
        "refused": pa.int64(),
        "waits": pa.int64(),
        "busy": pa.bool_(),
    }
    return _frame(types, rows)


def rejected_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Rejections, as the ledger stores them."""
    import pyarrow as pa

    seen = pa.timestamp("us", tz="UTC")
    types = {"source_key": pa.string(), "version": pa.int64()}
    types |= dict.fromkeys(("step", "rule", "reason", "mapping_sha", "run_id"), pa.string())
    return _frame(types | {"first_seen": seen, "last_seen": seen, "tries": pa.int64()}, rows)


def _last_per_key(frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    # A missing version is a deletion's (dataverse.md §4.3): newer than whatever was read before it.
    ordered = frame.sort_values(order, kind="stable", na_position="last")
    return ordered[~ordered.index.duplicated(keep="last")]


def _columns(frame: pd.DataFrame, types: dict[str, Any]) -> dict[str, pa.Array]:
    import pyarrow as pa

    keys = {"source_key": one_array(frame.index, pa.string())}
    return keys | {name: one_array(frame[name], kind) for name, kind in types.items()}


def _frame(types: dict[str, Any], rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    table = pa.table(
        {
            name: pa.array(_plain(values, kind), kind)
            for (name, kind), values in zip(types.items(), columns, strict=True)
        }
    )
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_index("source_key")


def _plain(values: Sequence[Any], kind: Any) -> Sequence[Any]:
    import pyarrow as pa

    if pa.types.is_binary(kind):  # psycopg2 answers with memoryview
        return [None if value is None else bytes(value) for value in values]
    return [bool(value) for value in values] if pa.types.is_boolean(kind) else values
