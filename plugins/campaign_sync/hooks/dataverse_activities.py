"""Writes activities in batches, each with an outcome of its own: created, already there, or refused.

Not for what an activity says (``events/activities.py``), nor for remembering outcomes (the ledger).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import Answer, masked
from campaign_sync.hooks.dataverse_batch import CONTENT_TYPE, Request, decoded, encoded
from campaign_sync.hooks.parallel import map_bounded
from campaign_sync.hooks.rest import Rest

#: Change sets of two requests in one batch. Few, because execution time counts and answers late are answers lost;
#: side by side is what Microsoft advises (dataverse.md §6.2, §7).
AT_ONCE = 100
MOST_SIDE_BY_SIDE = 16

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

    def write(some: tuple[Activity, ...]) -> list[Outcome]:
        return _write(rest, root, some)

    feed = iter(activities)
    pieces = iter(lambda: tuple(islice(feed, AT_ONCE)), ())
    yield from map_bounded(write, pieces, side_by_side(rest, root))


def side_by_side(rest: Rest, root: str) -> int:
    """How many requests at once Dataverse recommends (dataverse.md §7)."""
    answer = rest.ask("GET", f"{root}WhoAmI")
    hint = answer.headers.get("x-ms-dop-hint", "")
    return max(1, min(int(hint) if hint.isdigit() else 4, MOST_SIDE_BY_SIDE))


def _write(rest: Rest, root: str, activities: tuple[Activity, ...]) -> list[Outcome]:
    path = urlsplit(root).path
    left = {each.key: (each, _change_set(each, path)) for each in activities}
    outcomes: list[Outcome] = []
    attempt = 1
    while True:
        answers = _exchange(rest, root, [changes for _, changes in left.values()])
        trouble: Answer | None = None
        for (activity, _), answer in zip(list(left.values()), answers, strict=True):
            if rest.is_passing(answer):
                trouble = answer
            else:
                outcomes.append(_judged(rest, activity, answer))
                del left[activity.key]
        if trouble is None:
            return outcomes
        if attempt >= rest.patience.attempts:
            raise rest.give_up(trouble)
        rest.pace.pause(trouble.retry_after or rest.patience.delay(attempt))
        attempt += 1


def _change_set(activity: Activity, path: str) -> list[Request]:
    create = Request("POST", f"{path}{activity.set_name}", activity.body)
    if activity.completed is None:
        return [create]
    row = f"{path}{activity.set_name}({UUID(activity.body['activityid'])})"
    return [create, Request("PATCH", row, activity.completed, {"If-Match": "*"})]


def _exchange(rest: Rest, root: str, change_sets: list[list[Request]]) -> list[Answer]:
    headers = {"Content-Type": CONTENT_TYPE, "Prefer": "odata.continue-on-error"}
    body = encoded(change_sets)
    for attempt in range(1, rest.patience.attempts + 1):
        answer = rest.exchange("POST", f"{root}$batch", headers=headers, body=body)
        if not answer.ok:
            raise rest.refusal(answer, quote=False)
        try:
            return decoded(answer, change_sets)
        except ValueError:
            rest.pace.sleep(rest.patience.delay(attempt))
    raise rest.give_up(answer._replace(problem="the answer arrives damaged, again and again"))


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
    said = masked(answer.error.message, {*activity.body, *(activity.completed or {})}, length=200)
    return Outcome(activity.key, REJECTED, f"Dynamics refuses the activity ({answer.error.code}): {said}")


def _refused(rest: Rest, activity: Activity, answer: Answer) -> RefusedError:
    root = answer.url.removesuffix("$batch")
    return rest.refusal(answer._replace(url=f"{root}{activity.set_name}"), quote=False)
