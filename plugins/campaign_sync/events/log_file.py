"""One export file of delivery or tracking logs (campaign.md §8.4).

Not for which row is which event (``judging.py``), nor for fetching and archiving files (``exports/``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from campaign_sync.events.judging import DELIVERY, judge_rows
from campaign_sync.events.vocabulary import DELIVERY_COLUMNS, OPTIONAL_COLUMNS, TRACKING_COLUMNS
from campaign_sync.exports.export_file import QUOTES, ExportFile
from campaign_sync.exports.removed import removed_rows
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LogFile(ExportFile):
    """A file that lies on this machine."""

    def wanted(self, found: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:  # noqa: ARG002
        named = getattr(self.extract, self.log).columns
        required = DELIVERY_COLUMNS if self.log == DELIVERY else TRACKING_COLUMNS
        return OPTIONAL_COLUMNS | required | named, (*required, *named)

    def judged(self, rows: pa.Table, now: datetime, first: int, lost: list[int]) -> Sifted:
        import pandas as pd

        kept, removed = judge_rows(rows, self.log, self.extract, now, file=self.name, first=first)
        if not lost:
            return Sifted(kept, removed)
        reason = f"the line has more or fewer cells than the header: {QUOTES}"
        gone = removed_rows([(f"{self.name}:line {line}", "columns", reason) for line in lost])
        return Sifted(kept, pd.concat([removed, gone]))
