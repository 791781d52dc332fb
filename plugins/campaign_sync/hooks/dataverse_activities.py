"""Writes activities in batches, each with an outcome of its own: created, already there, or refused.

Not for what an activity says (``events/activities.py``), nor for remembering outcomes (the ledger).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.dataverse_batch import Request
from campaign_sync.hooks.dataverse_change_sets import write_change_sets
from campaign_sync.hooks.dataverse_rejections import rejection
from campaign_sync.hooks.rest import Rest

#: Change sets of two requests in one batch. A batch counts as one request, so that execution time is the limit that
#: binds, whatever its size (dataverse.md §6.2, §7): 1,200 s in 300 s are four requests under way, all the time. Few,
#: because answers late are answers lost.
AT_ONCE = 100

DUPLICATE = "0x80040237"
NO_SUCH_ROW = "0x80040217"

CREATED, THERE, UNKNOWN_CONTACT, REJECTED = "created", "there", "unknown contact", "rejected"


class Activity(NamedTuple):
    """An activity to be written: created, and then completed, or neither."""

    key: str  # of whoever asks
    set_name: str
    body: Mapping[str, Any]  # with its `activityid`
    completed: Mapping[str, Any] | None  # what completes it; a create ignores it (dataverse.md §10.3)


class Outcome(NamedTuple):
    """What became of one activity."""

    key: str
    result: str  # CREATED, THERE, UNKNOWN_CONTACT, REJECTED
    reason: str = ""


def write_activities(rest: Rest, root: str, activities: Iterable[Activity]) -> Iterator[list[Outcome]]:
    """Writes activities and yields their outcomes as they come, some at a time.

    An activity that is there already, by its id, is left as it is, so that all may be repeated. Raises TransientError
    if Dataverse stays busy or away, RefusedError if it refuses what is no single activity's fault.
    """
    path = urlsplit(root).path
    yield from write_change_sets(
        rest,
        root,
        activities,
        lambda activity: _change_set(activity, path),
        lambda activity, answer: _judged(rest, activity, answer),
        at_once=AT_ONCE,
    )


def _change_set(activity: Activity, path: str) -> list[Request]:
    create = Request("POST", f"{path}{activity.set_name}", activity.body)
    if activity.completed is None:
        return [create]
    row = f"{path}{activity.set_name}({UUID(activity.body['activityid'])})"
    return [create, Request("PATCH", row, activity.completed, {"If-Match": "*"})]


def _judged(rest: Rest, activity: Activity, answer: Answer) -> Outcome:
    """Raises RefusedError for what every activity would meet: a right, a table or a column that is not there."""
    if answer.ok:
        return Outcome(activity.key, CREATED)
    code = answer.error.code.lower()
    if code == DUPLICATE:
        return Outcome(activity.key, THERE)
    if code == NO_SUCH_ROW:
        return Outcome(activity.key, UNKNOWN_CONTACT)
    if rest.is_known(answer):
        raise _refused(rest, activity, answer)
    columns = {**activity.body, **(activity.completed or {})}
    return Outcome(activity.key, REJECTED, rejection("the activity", answer, columns))


def _refused(rest: Rest, activity: Activity, answer: Answer) -> RefusedError:
    root = answer.url.removesuffix("$batch")
    return rest.refusal(answer._replace(url=f"{root}{activity.set_name}"), quote=False)
