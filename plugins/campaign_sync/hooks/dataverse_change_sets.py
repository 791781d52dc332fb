"""Sends change sets in batches side by side, and has each judged by its own answer; what passes is sent again.

Not for what is written (``dataverse_activities.py``, ``dataverse_updates.py``), nor for the format
(``dataverse_batch.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice, takewhile
from typing import TypeVar

from campaign_sync.errors import SyncError
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.dataverse_batch import CONTENT_TYPE, Request, decoded, encoded
from campaign_sync.hooks.parallel import map_bounded
from campaign_sync.hooks.rest import Rest

Item = TypeVar("Item")
Judged = TypeVar("Judged")


def write_change_sets(
    rest: Rest,
    root: str,
    items: Iterable[Item],
    change_set: Callable[[Item], Sequence[Request]],
    judge: Callable[[Item, Answer], Judged],
    *,
    at_once: int,
) -> Iterator[list[Judged]]:
    """Sends the change set of each item and yields what its answer is judged to be, some at a time, as they come.

    An error of the database that passes elsewhere and stays in one item is judged, too, as that item's own. Raises
    TransientError if Dataverse stays busy or away, and a SyncError that `judge` raises, once all is yielded that was
    judged.

    :param at_once: change sets in one batch.
    """
    troubles: list[SyncError] = []

    def write(some: tuple[Item, ...]) -> list[Judged]:
        outcomes: list[Judged] = []
        if not troubles:  # else nothing new begins
            try:
                _write(rest, root, [(each, change_set(each)) for each in some], judge, outcomes)
            except SyncError as trouble:
                troubles.append(trouble)
        return outcomes

    feed = iter(items)
    pieces = takewhile(lambda _: not troubles, iter(lambda: tuple(islice(feed, at_once)), ()))
    rest.ask("GET", f"{root}WhoAmI")  # whose answer recommends how many requests at once (dataverse.md §7)
    yield from filter(None, map_bounded(write, pieces, rest.pace.side_by_side))
    if troubles:
        raise troubles[0]


def _write(
    rest: Rest,
    root: str,
    left: list[tuple[Item, Sequence[Request]]],
    judge: Callable[[Item, Answer], Judged],
    outcomes: list[Judged],
) -> None:
    """Adds what becomes of each item to `outcomes`; that is kept when an error is raised."""
    witness: tuple[Item, Sequence[Request]] | None = None
    for attempt in count(1):
        last = attempt >= rest.patience.attempts
        # One that was judged goes along once more, and can be repeated like all: it tells whether the others fail
        # alone or Dataverse as a whole does.
        along = [witness] if last and witness else []
        answers = _exchange(rest, root, [changes for _, changes in (*left, *along)])
        passing: list[tuple[Item, Sequence[Request]]] = []
        troubles: list[Answer] = []
        refusal: SyncError | None = None
        alone = bool(along) and not rest.is_passing(answers[-1])
        for (item, changes), answer in zip(left, answers[: len(left)], strict=True):
            if rest.is_passing(answer) and not (alone and rest.may_be_of_one_row(answer)):
                passing.append((item, changes))
                troubles.append(answer)
                continue
            witness = witness or (item, changes)
            try:
                outcomes.append(judge(item, answer))
            except SyncError as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal
        if not troubles:
            return
        longest = max(troubles, key=lambda each: each.retry_after or 0)
        if last:
            raise rest.give_up(longest)
        rest.pace.pause(longest.retry_after or rest.patience.delay(attempt))
        left = passing


def _exchange(rest: Rest, root: str, change_sets: list[Sequence[Request]]) -> list[Answer]:
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
