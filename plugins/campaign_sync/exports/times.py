"""The times of an export file: from how Campaign writes them, in its workflow's time zone, to moments.

Pure. Not for the rest of a row (``export_file.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from campaign_sync.exports.vocabulary import ExportFiles

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: A clock may be a little fast. A file in another time zone than the mapping says is an hour or more in the future.
AHEAD = timedelta(minutes=15)
ZONE = "set the files' own time zone as extract.time_zone in the mapping"
EARLIEST = 1753  # dataverse.md §11: the first year of a date column


def read_times(
    cells: pa.Array, extract: ExportFiles, now: datetime, *, second: bool = False
) -> tuple[pd.Series[Any], dict[int, str]]:
    """The moments in UTC of times as text; and why some rows have none that can be right, by row.

    The hour that is left out when clocks are set forward has no moments.

    :param second: take the hour that comes twice when they are set back as its second, not its first.
    """
    import numpy as np
    import pandas as pd

    told = pd.to_datetime(
        pd.Series(cells.to_pandas(), dtype=object), format=extract.strptime, errors="coerce"
    )
    zone = extract.time_zone
    happened = told.dt.tz_localize(
        ZoneInfo(zone), ambiguous=np.full(len(told), not second), nonexistent="NaT"
    ).dt.tz_convert("UTC")
    unread = (
        f"the time cannot be read as {extract.datetime}, or does not exist: set that form in Extract file, or "
        "extract.datetime in the mapping"
    )
    refusals = (
        (
            told.isna(),
            unread,
        ),
        (
            told.notna() & happened.isna(),
            f"there is no such time in {zone}, where clocks were set forward: {ZONE}",
        ),
        (
            happened > pd.Timestamp(now + AHEAD),
            f"the time is in the future, if the files are in {zone}: {ZONE}",
        ),
        (happened.dt.year < EARLIEST, f"the time is before {EARLIEST}"),
    )
    why = {row: reason for mask, reason in refusals for row in np.flatnonzero(mask.to_numpy()).tolist()}
    return happened, why
