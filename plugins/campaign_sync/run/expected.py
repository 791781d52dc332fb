"""The alarm when files stop coming: a workflow that is dead looks like one that has nothing to say (campaign.md §8.2).

Pure. Not for knowing which files came (the ledger), nor for reading them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from campaign_sync.errors import QualityError


class Expected(NamedTuple):
    """Files that a workflow of Campaign writes again and again, be it a header alone."""

    what: str  # such as "delivery logs"
    files: str  # where they arrive: d365_loads/exports/broadlog_*.csv
    every: timedelta  # how long it may take until the next
    newest: datetime | None  # when the last one was taken
    counted_from: datetime  # nothing was expected before, or nothing is known of it: the flow's first run


def overdue(each: Expected, where: str, now: datetime) -> QualityError | None:
    """What people are told if no file came in time; None if all is well.

    :param where: flow and run.
    """
    since = each.newest or each.counted_from
    if now - since <= each.every:
        return None
    hours = f"{each.every / timedelta(hours=1):,.0f} hours"
    last = "the last one was taken at" if each.newest else "none has come since"
    return QualityError(
        f"no file of {each.what} ({each.files}) for more than {hours}: {last} {since:%Y-%m-%d %H:%M} UTC",
        where,
        "Look in Campaign whether the workflow that exports them is started and without an error, whether it writes a "
        "file also when there is nothing to export, and whether it uploads it into this folder",
    )
