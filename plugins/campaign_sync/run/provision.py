"""What Dynamics needs for the mappings: change tracking, and the custom activity tables (I4, E6). Says it, and does it.

Not for how metadata is written (``hooks``), nor for rights (``role.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.consent.file import OptOutMapping
from campaign_sync.events.file import EventMapping
from campaign_sync.events.tables import activity_tables
from campaign_sync.mapping.file import Mapping

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook


class Need(NamedTuple):
    """Something that Dynamics needs: what is the case, and what mends it, if it is missing."""

    said: str
    done: str = ""
    mend: Callable[[], None] | None = None


def needs(
    mappings: Iterable[Mapping],
    events: Iterable[EventMapping],
    opt_outs: Iterable[OptOutMapping],
    dataverse: DataverseHook,
) -> Iterator[Need]:
    """Everything that the mappings need, in the order in which it is mended.

    Raises RefusedError if a table is there and is of another nature.
    """
    tables = [each.extract.table for each in mappings]
    tables += [each.extract.table for each in opt_outs if each.direction != "disabled"]
    for name in dict.fromkeys(tables):
        yield _tracking(name, dataverse)
    for each in events:
        wanted = activity_tables(each)
        lacking = {missing.table.name: missing for missing in dataverse.missing_from(wanted)}
        for table in wanted:
            if table.name in lacking:
                missing = lacking[table.name]
                done = (
                    f"{table.name}: the activity table was made" if missing.is_new else f"{missing} were made"
                )
                yield Need(f"{missing}: missing; --apply makes it", done, partial(dataverse.make, missing))
            else:
                yield Need(f"{table.name}: the activity table is there, with all its columns")


def _tracking(name: str, dataverse: DataverseHook) -> Need:
    if dataverse.table(name, []).change_tracking:
        return Need(f"{name}: change tracking is on")
    return Need(
        f"{name}: change tracking is off; --apply switches it on (it cannot be switched off again)",
        f"{name}: change tracking was switched on (it cannot be switched off again)",
        partial(dataverse.enable_change_tracking, name),
    )
