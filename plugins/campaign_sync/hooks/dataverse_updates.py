"""Changes rows of Dataverse that are as they were read, each with an outcome of its own; never makes one.

Not for deciding what to change, nor for reading a row anew when somebody else was quicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.dataverse_batch import Request
from campaign_sync.hooks.dataverse_change_sets import write_change_sets
from campaign_sync.hooks.dataverse_rejections import rejection
from campaign_sync.hooks.rest import Rest

#: Updates in one batch, for the reasons of activities (``dataverse_activities.AT_ONCE``).
AT_ONCE = 100

NO_SUCH_ROW = "0x80040217"
VERSION_MISMATCH = 412  # dataverse.md §5

WRITTEN, CHANGED, MISSING, REJECTED = "written", "changed by another", "missing", "rejected"


class Update(NamedTuple):
    """What to change in one row, if it is still in the version in which it was read."""

    key: str
    set_name: str
    version: int  # as pages have it: the number in the row's ETag
    body: Mapping[str, Any]


class Updated(NamedTuple):
    """What became of one update."""

    key: str
    result: str  # WRITTEN, CHANGED, MISSING, REJECTED
    reason: str = ""


def write_updates(rest: Rest, root: str, updates: Iterable[Update]) -> Iterator[list[Updated]]:
    """Changes rows and yields the outcomes as they come, some at a time.

    One whose answer was lost is sent again and finds itself `CHANGED`, by us: its reader reads it anew. Raises
    TransientError if Dataverse stays busy or away, RefusedError if it refuses what is no single row's fault.
    """
    path = urlsplit(root).path
    yield from write_change_sets(
        rest,
        root,
        updates,
        lambda update: [_request(update, path)],
        lambda update, answer: _judged(rest, update, answer),
        at_once=AT_ONCE,
    )


def _request(update: Update, path: str) -> Request:
    # An ETag, not "*": the row must be the one that was read, and a PATCH with neither would make a row.
    row = f"{path}{update.set_name}({UUID(update.key)})"
    return Request("PATCH", row, update.body, {"If-Match": f'W/"{update.version}"'})


def _judged(rest: Rest, update: Update, answer: Answer) -> Updated:
    """Raises RefusedError for what every row would meet: a right, a table or a column that is not there."""
    if answer.ok:
        return Updated(update.key, WRITTEN)
    if answer.status == VERSION_MISMATCH:
        return Updated(update.key, CHANGED)
    code = answer.error.code
    if code.lower() == NO_SUCH_ROW:
        return Updated(update.key, MISSING)
    if rest.is_known(answer):
        root = answer.url.removesuffix("$batch")
        raise rest.refusal(answer._replace(url=f"{root}{update.set_name}"), quote=False)
    return Updated(update.key, REJECTED, rejection("the change", answer, update.body))
