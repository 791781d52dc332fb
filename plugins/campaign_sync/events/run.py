"""What the operators of an events flow call between extract and reconcile, with storage, ledger and hooks put together.

Everything a step needs is in the run's folder, as in the other flows' runs (``run/run.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import QualityError, SyncError
from campaign_sync.events.activities import (
    COMPLETED,
    body_of,
    filter_events,
    map_events,
    plain_events,
    replace_texts,
)
from campaign_sync.events.contacts import known_contacts
from campaign_sync.events.file import EventMapping
from campaign_sync.events.reasons import write_reasons
from campaign_sync.events.setting import FILES, EventSetting
from campaign_sync.events.tasks import FollowedUp, follow_up
from campaign_sync.ledger.events import UNKNOWN_CONTACT, Refused, Settled, Waiting
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.checks import check_rows
from campaign_sync.rows.storage import remove, write_document, write_text
from campaign_sync.run.guard import require_not_stopped
from campaign_sync.run.load import Loaded
from campaign_sync.run.report import SAMPLE, Tally
from campaign_sync.run.setting import CHECKED, LOADED, STOPPED, document
from campaign_sync.settings import ledger_url

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.dataverse_activities import Activity, Outcome

TASKS = ".tasks.json"  #: of a batch: follow-up tasks made, and kept back by the cap
NO_TASKS = FollowedUp(frozenset(), 0, 0)


def step_events(stored: dict[str, Any], step: str, log: logging.Logger) -> Batch:
    """Take one step with one batch: what it keeps goes on, what it removes is put beside it."""
    batch = Batch.from_dict(stored)
    mapping, timelines, _ = EventSetting.of(batch.folder)
    frame = batch.read()
    # A check that stops the run stops the batches beside it as well: load looks for this.
    stopped = document(batch.number, STOPPED)
    remove(batch.folder, document(batch.number, CHECKED))
    results: list[dict[str, Any]] = []
    if step == "filter":
        sifted = filter_events(frame, mapping, datetime.now(UTC))
    elif step == "map":
        sifted = map_events(frame, mapping, timelines)
    elif step == "replace":
        sifted = replace_texts(frame, mapping, timelines)
    else:
        try:
            checked = check_rows(frame, mapping)
        except QualityError as problem:
            write_document(batch.folder, stopped, {"problem": str(problem)})
            raise
        sifted, results = checked.sifted, checked.results
        write_text(batch.folder, f"{batch.number:05d}.checks.html", checked.html)
    remove(batch.folder, stopped)
    if step == "check":
        write_document(batch.folder, document(batch.number, CHECKED), {"checks": results})
    log.info("%s batch %d: %d rows in, %d kept", step, batch.number, len(frame), len(sifted.kept))
    return batch.write(step, sifted.kept, sifted.removed, batch.tally)


def load_events(stored: dict[str, Any], log: logging.Logger) -> Batch:
    """Write the activities of one batch, and remember what became of each event; a dry run does neither.

    Raises TransientError or RefusedError when Dynamics cannot or will not go on; what was written is remembered.
    """
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.dataverse_activities import Activity, Outcome

    batch = Batch.from_dict(stored)
    require_not_stopped(batch.folder, f"{batch.flow}, batch {batch.number}")
    mapping, timelines, dry_run = EventSetting.of(batch.folder)
    ledger = Ledger(ledger_url())
    events = dict(plain_events(batch.read()))
    settled = ledger.events.settled(batch.flow, events)
    # Exports repeat what waits as well. Extract has just asked for its contacts: who has arrived is in another batch.
    waiting = ledger.events.still_waiting(batch.flow, events) if batch.window == FILES else set()
    activities = [
        Activity(
            key,
            timelines[event["kind"]].set_name,
            body_of(event, mapping, timelines[event["kind"]], key),
            COMPLETED,
        )
        for key, event in events.items()
        if key not in settled and key not in waiting
    ]
    removed = batch.removed()
    waits = [Outcome(key, UNKNOWN_CONTACT) for key in sorted(waiting - settled)]
    if dry_run:
        outcomes, tasks = [*waits, *planned(activities, events, DataverseHook())], NO_TASKS
    else:
        outcomes, tasks = _write(activities, waits, events, batch, mapping, ledger)
    counts = {"made": tasks.made, "capped": tasks.capped}
    write_document(batch.folder, document(batch.number, TASKS), counts)
    write_reasons(batch.folder, batch.number, removed, outcomes)
    loaded = _loaded(batch, outcomes, removed, len(settled))
    write_document(batch.folder, document(batch.number, LOADED), loaded.to_json())
    log.info("load batch %d%s: %s", batch.number, " (dry run)" if dry_run else "", loaded.tally)
    return replace(batch, tally=loaded.tally.as_dict())


def planned(
    activities: list[Activity], events: dict[str, dict[str, Any]], dataverse: DataverseHook
) -> list[Outcome]:
    """What would become of activities that the ledger does not know; asks Dynamics for their contacts only."""
    from campaign_sync.hooks.dataverse_activities import CREATED, Outcome

    there = known_contacts(dataverse, (events[each.key]["contact"] for each in activities))
    return [
        Outcome(each.key, CREATED)
        if events[each.key]["contact"] in there
        else Outcome(each.key, UNKNOWN_CONTACT)
        for each in activities
    ]


def _write(
    activities: list[Activity],
    waits: list[Outcome],
    events: dict[str, dict[str, Any]],
    batch: Batch,
    mapping: EventMapping,
    ledger: Ledger,
) -> tuple[list[Outcome], FollowedUp]:
    """Write activities and their tasks, and remember what was written, also if it is not all.

    :param waits: outcomes of events that need not be tried.
    """
    from campaign_sync.hooks.dataverse import DataverseHook

    dataverse, outcomes = DataverseHook(), [*waits]
    try:
        for some in dataverse.write_activities(activities):
            outcomes += some
        there = {each.key: events[each.key] for each in outcomes if each.result in ("created", "there")}
        tasks = follow_up(there, mapping, dataverse)
    except SyncError:
        # What may need a task yet is looked at again: it is in Dynamics, which says so.
        sure = [each for each in outcomes if events[each.key]["kind"] not in mapping.tasks.kinds]
        _settle(ledger, batch, mapping, sure, events, NO_TASKS)
        raise
    _settle(ledger, batch, mapping, outcomes, events, tasks)
    return outcomes, tasks


def _settle(
    ledger: Ledger,
    batch: Batch,
    mapping: EventMapping,
    outcomes: list[Any],
    events: dict[str, dict[str, Any]],
    tasks: FollowedUp,
) -> None:
    now = datetime.now(UTC)
    removed: Any = batch.removed()
    unknown = [each.key for each in outcomes if each.result == UNKNOWN_CONTACT]
    # As the export said it: what is replaced would be replaced once more when the contact has arrived.
    said = dict(plain_events(batch.read("filter"))) if unknown else {}
    rejected = removed[(removed["fate"] == "rejected").to_numpy(dtype=bool)]
    refused = [
        Refused(str(key), row.step, row.rule, row.reason)
        for key, row in zip(rejected.index, rejected.itertuples(), strict=True)
    ]
    refused += [
        Refused(each.key, "load", "Dynamics", each.reason) for each in outcomes if each.result == "rejected"
    ]
    ledger.events.settle(
        batch.flow, batch.run_id, mapping.sha, now,
        settled=[_settled(each, events[each.key], tasks) for each in outcomes if each.result in ("created", "there")],
        waiting=[Waiting(key, said[key]["contact"], _stored(said[key]), now) for key in unknown],
        refused=refused,
        # Of a row that came twice, one is dropped: what became of the other counts.
        dropped={str(key) for key in removed.index[(removed["fate"] == "dropped").to_numpy(dtype=bool)]}
        - {each.key for each in outcomes} - {each.event for each in refused},
    )  # fmt: skip


def _settled(outcome: Outcome, event: dict[str, Any], tasks: FollowedUp) -> Settled:
    created = outcome.result == "created"
    # What was there before may have been followed up then.
    task = True if outcome.key in tasks.events else False if created else None
    return Settled(outcome.key, event["contact"], event["happened"], event["delivery"], created, task)


def _stored(event: dict[str, Any]) -> dict[str, Any]:
    """An event as JSON."""
    return {
        name: value.isoformat() if name == "happened" else value for name, value in event.items() if value
    }


def _loaded(batch: Batch, outcomes: list[Any], removed: Any, known: int) -> Loaded:
    results = Counter(each.result for each in outcomes)
    dropped: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}

    def reject(rule: str, key: str) -> None:
        rejected[rule] += 1
        samples.setdefault(rule, [])
        if len(samples[rule]) < SAMPLE:
            samples[rule].append(key)

    for key, fate, rule in zip(removed.index, removed["fate"], removed["rule"], strict=True):
        if fate == "dropped":
            dropped[rule] += 1
        else:
            reject(rule, str(key))
    for each in outcomes:
        if each.result in (UNKNOWN_CONTACT, "rejected"):
            reject(UNKNOWN_CONTACT if each.result == UNKNOWN_CONTACT else "Dynamics", each.key)
    tally = Tally(
        extracted=batch.tally["extracted"],
        dropped=dropped.total(),
        rejected=rejected.total(),
        created=results["created"],
        unchanged=results["there"] + known,
    )
    return Loaded(tally, dict(dropped), dict(rejected), samples, {}, {}, 0, 0)
