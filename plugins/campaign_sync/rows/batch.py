"""``Batch``: a reference to a run's rows at rest, small enough for XCom. Not for what the rows mean.

Files are ``<storage root>/<flow>/<run>/00001.<step>.parquet`` and ``00001.<step>.removed.parquet``. Each step
overwrites its own files only, so that clearing any task is safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from campaign_sync.rows.storage import broken, folder_of, parquet_bytes, read_parquet, write_bytes

if TYPE_CHECKING:
    import pandas as pd

KEY = "@key"  # the index column in a file; a frame may well have a column of the same name as its index


@dataclass(frozen=True)
class Batch:
    """Some rows of a run, as one step left them."""

    flow: str
    run_id: str
    number: int
    folder: str  # URI of the run's folder
    rows: int = 0  # kept by the last step
    steps: tuple[str, ...] = ()  # that wrote files, in order
    tally: dict[str, int] = field(default_factory=dict)
    window: str = ""  # what the run reads, in words

    @classmethod
    def of(cls, root: str, flow: str, run_id: str, number: int, window: str = "") -> Batch:
        """A batch that no step has written yet, below a storage root."""
        return cls(flow, run_id, number, folder_of(root, flow, run_id), window=window)

    @property
    def step(self) -> str:
        """The last step that wrote this batch."""
        return self.steps[-1] if self.steps else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for XCom."""
        return asdict(self) | {"steps": list(self.steps)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Batch:
        """The batch that :meth:`as_dict` wrote."""
        return cls(**{**stored, "steps": tuple(stored["steps"])})

    def write(self, step: str, kept: pd.DataFrame, removed: pd.DataFrame, tally: Mapping[str, int]) -> Batch:
        """Writes what a step keeps and what it removes; the batch as the next step gets it."""
        done = self.steps[: self.steps.index(step)] if step in self.steps else self.steps
        # The kept rows last: where they are, the step is whole.
        write_bytes(self._uri(step, "removed"), _parquet(removed))
        write_bytes(self._uri(step), _parquet(kept))
        return replace(self, rows=len(kept), steps=(*done, step), tally=dict(tally))

    def read(self, step: str | None = None) -> pd.DataFrame:
        """The rows that a step kept, the last one unless named."""
        step = step or self.step
        uri = self._uri(step)
        frame = _frame(uri)
        if step == self.step and len(frame) != self.rows:
            raise broken(uri, f"holds {len(frame)} rows where {self.rows} were written")
        return frame

    def removed(self, step: str | None = None) -> pd.DataFrame:
        """The rows that a step removed, or all so far: index key, @version, fate, rule, reason, step."""
        import pandas as pd

        steps = (step,) if step else self.steps
        frames = [_frame(self._uri(each, "removed")).assign(step=each) for each in steps]
        some = [frame for frame in frames if len(frame)] or frames[:1]
        return pd.concat(some).astype({"step": "string[pyarrow]"})

    def _uri(self, step: str, kind: str = "") -> str:
        return f"{self.folder}/{self.number:05d}.{step}{'.' if kind else ''}{kind}.parquet"


def _parquet(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    keys = pa.array(frame.index, pa.string()) if len(frame) else pa.array([], pa.string())
    columns = {str(name): pa.array(frame[name], from_pandas=True) for name in frame.columns}
    table = pa.table({KEY: keys, **columns}).replace_schema_metadata({KEY: str(frame.index.name or KEY)})
    return parquet_bytes(table)


def _frame(uri: str) -> pd.DataFrame:
    import pandas as pd

    table = read_parquet(uri)
    if KEY not in table.column_names:
        raise broken(uri, "is not a file of this program")
    name = (table.schema.metadata or {}).get(KEY.encode(), KEY.encode()).decode()
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_index(KEY).rename_axis(name)
