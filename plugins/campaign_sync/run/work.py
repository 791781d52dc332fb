"""Whether there is anything for a flow to do: one look at the ledger and one small request to Dataverse (I16).

Nothing is consumed: the run that follows reads from its own place. Not for when to look, nor for what to tell
Airflow (``watching.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.queries import selected
from campaign_sync.run.extract import gave_up

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger


class Work(NamedTuple):
    """Something that a run would do."""

    why: str  # for people
    marks: frozenset[str]  # tell it from other work; they stay the same until a run has done it


def find_work(
    flow: str,
    mapping_sha: str,
    *,
    columns: Collection[str],
    parents: Collection[str],
    ledger: Ledger,
    dataverse: DataverseHook,
) -> Work | None:
    """What a run of this flow would do now; None if nothing.

    :param columns: what the mapping reads besides the key, as it spells them.
    :param parents: the flows that the mapping links to.
    """
    if awaited_first(flow, parents, ledger):
        return None
    place = ledger.place(flow)
    # A mended mapping is another piece of work than the one that failed.
    at = marks(mapping_sha, (place and place.delta_link) or "")
    if place is None or place.delta_link is None:
        return Work("nothing has been read from the change feed yet", at)
    if place.state == "expired":
        return Work("the place in the change feed has expired", at)
    if not _covers(place.delta_link, columns):
        return Work("the mapping reads columns that it did not read before", at)
    if _changed(dataverse, place.delta_link):
        return Work("rows changed in Dynamics", at)
    left = ledger.unsettled(flow, mapping_sha, 1)
    return Work("earlier runs left rows open", marks(mapping_sha, *left)) if left else None


def awaited_first(flow: str, parents: Collection[str], ledger: Ledger) -> str | None:
    """The parent flow whose first load is to end before this flow's begins (I3): else all its rows would be parked.

    A first load that something else came before, a try with few rows or a backfill, waits as well.
    """
    if not parents:
        return None
    place = ledger.place(flow)
    ended = place is not None and place.state != "reading"
    lost = place is None and not ledger.is_empty(flow)  # the run says so, and what to do
    if ended or lost:
        return None
    places = ((parent, ledger.place(parent)) for parent in parents)
    return next((parent for parent, place in places if place is None or place.state == "reading"), None)


def marks(mapping_sha: str, *what: str) -> frozenset[str]:
    """A short mark for each of these pieces of work."""
    return frozenset(hashlib.sha256(f"{mapping_sha} {each}".encode()).hexdigest()[:16] for each in what)


def _changed(dataverse: DataverseHook, delta_link: str) -> bool:
    try:
        return dataverse.has_changes(delta_link)
    except RefusedError as error:
        if gave_up(error):
            return True  # the run heals it
        raise


def _covers(delta_link: str, columns: Collection[str]) -> bool:
    # The hook's own judgement needs the table's metadata, which would be a second request.
    chosen = selected(delta_link)
    return chosen is None or all(name in chosen or f"_{name}_value" in chosen for name in columns)
