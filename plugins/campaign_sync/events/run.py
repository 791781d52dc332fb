"""What the operators of an events flow call: one function per step, with files, storage, ledger and hooks put together.

Everything a later step needs is in the run's folder, as in the other flows' runs (``run/run.py``).
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
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
from campaign_sync.events.export_file import UnusableFile, event_frame, removed_rows
from campaign_sync.events.file import EventMapping
from campaign_sync.events.setting import EventSetting, read_timelines
from campaign_sync.events.tasks import follow_up
from campaign_sync.events.vocabulary import EVENT_COLUMNS
from campaign_sync.ledger.events import UNKNOWN_CONTACT, Refused, Waiting
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.checks import check_rows
from campaign_sync.rows.storage import remove, sweep, sweep_older, write_document, write_text
from campaign_sync.rows.transform import Sifted
from campaign_sync.run.guard import require_not_stopped
from campaign_sync.run.load import Loaded
from campaign_sync.run.report import SAMPLE, Tally
from campaign_sync.run.setting import CHECKED, LOADED, READ, SETTING, STOPPED, document
from campaign_sync.settings import keep_days, ledger_url, max_batches, storage_root

if TYPE_CHECKING:
    from airflow.sdk import Context

    from campaign_sync.hooks.dataverse import DataverseHook


def extract_events(mapping: EventMapping, context: Context, log: logging.Logger) -> list[Batch]:
    """Read the files that are ready, and the events whose contact has arrived; leave them in the run's folder.

    Raises MappingError or RefusedError before anything is read if the mapping does not fit Dynamics.
    """
    from campaign_sync.events.taking import Taking, as_documents, ready_files, require_folders
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook

    flow, run_id = mapping.name, str(context["run_id"])
    ledger, dataverse = Ledger(ledger_url()), DataverseHook()
    setting = EventSetting(mapping, read_timelines(mapping, dataverse))
    first = Batch.of(storage_root(), flow, run_id, 1, "export files")
    sweep(first.folder)  # a run that is cleared reads anew
    sweep_older(storage_root(), flow, keep_days())
    write_document(first.folder, SETTING, setting.to_json())
    ledger.start_run(flow, run_id)

    batches: list[Batch] = []
    held: list[Batch] = []  # of a file that is not read to its end yet

    def at_rest(frame: Sifted) -> Batch:
        tally = Tally(extracted=len(frame.kept) + len(frame.removed))
        batch = replace(first, number=len(batches) + len(held) + 1)
        return batch.write("extract", frame.kept, frame.removed, tally.as_dict())

    left = 0
    with tempfile.TemporaryDirectory() as place, CampaignFilesHook().session() as files:
        require_folders(files, mapping.extract)
        taking = Taking(files, mapping.extract, ledger.events, flow, run_id, Path(place))
        for ready in ready_files(files, mapping.extract):
            if len(batches) > max_batches() // 2:
                left += 1
                continue
            held.clear()
            try:
                for frame in taking.frames(ready, log):
                    held.append(at_rest(frame))
            except UnusableFile:
                continue  # noted by then, and the batches' files are written over
            batches += held
    held.clear()
    for frame in _arrived(mapping, ledger, dataverse):
        if len(batches) < max_batches():
            batches.append(at_rest(frame))
    notes = [f"{left} more files are left for the next run"] if left else []
    write_document(first.folder, READ, {"files": as_documents(taking.taken), "notes": notes})
    rows = sum(batch.tally["extracted"] for batch in batches)
    log.info("extract: %d rows in %d batches out of %d files", rows, len(batches), len(taking.taken))
    return batches


def _arrived(mapping: EventMapping, ledger: Ledger, dataverse: DataverseHook) -> Iterator[Sifted]:
    """Events that have waited: those whose contact is there now, and those that have waited long enough."""
    table = dataverse.table("contact", ["contactid"])
    latest = datetime.now(UTC) - mapping.load.waits
    for some in ledger.events.waiting(mapping.name):
        wanted = sorted({each.contact for each in some})
        there = {
            str(key)
            for page in dataverse.by_keys(table, (), wanted)
            for key in page.rows.column(0).to_pylist()
        }
        back = [each for each in some if each.contact in there]
        lost = [each for each in some if each.contact not in there and each.first_seen < latest]
        if back or lost:
            reason = f"Dynamics has had no such contact for {mapping.load.unknown_contacts}; given up"
            yield Sifted(_frame_of(back), removed_rows([(each.event, GIVEN_UP, reason) for each in lost]))


TASKS = ".tasks.json"  #: of a batch: follow-up tasks made, and kept back by the cap
GIVEN_UP = "unknown contact, given up"


def _frame_of(waiting: list[Waiting]) -> Any:
    columns: dict[str, Any] = {name: [each.columns.get(name) for each in waiting] for name in EVENT_COLUMNS}
    columns["happened"] = [datetime.fromisoformat(each) for each in columns["happened"]]
    return event_frame(columns, [each.event for each in waiting])


def step_events(stored: dict[str, Any], step: str, log: logging.Logger) -> Batch:
    """Take one step with one batch: what it keeps goes on, what it removes is put beside it."""
    batch = Batch.from_dict(stored)
    mapping, timelines = EventSetting.of(batch.folder)
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
    """Write the activities of one batch, and remember what became of each event.

    Raises TransientError or RefusedError when Dynamics cannot or will not go on; what was written is remembered.
    """
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.dataverse_activities import Activity, Outcome

    batch = Batch.from_dict(stored)
    require_not_stopped(batch.folder, f"{batch.flow}, batch {batch.number}")
    mapping, timelines = EventSetting.of(batch.folder)
    ledger = Ledger(ledger_url())
    events = dict(plain_events(batch.read()))
    settled = ledger.events.settled(batch.flow, events)
    activities = [
        Activity(
            key,
            timelines[event["kind"]].set_name,
            body_of(event, mapping, timelines[event["kind"]], key),
            COMPLETED,
        )
        for key, event in events.items()
        if key not in settled
    ]
    removed = batch.removed()
    outcomes: list[Outcome] = []

    dataverse = DataverseHook()
    try:
        for some in dataverse.write_activities(activities):
            outcomes += some
        there = {each.key: events[each.key] for each in outcomes if each.result in ("created", "there")}
        tasks = follow_up(there, mapping, dataverse)
    except SyncError:
        # What may need a task yet is looked at again: it is in Dynamics, which says so.
        sure = [each for each in outcomes if events[each.key]["kind"] not in mapping.tasks.kinds]
        _settle(ledger, batch, mapping, sure, removed)
        raise
    _settle(ledger, batch, mapping, outcomes, removed)
    write_document(batch.folder, document(batch.number, TASKS), tasks)
    loaded = _loaded(batch, outcomes, removed, len(settled))
    write_document(batch.folder, document(batch.number, LOADED), loaded.to_json())
    log.info("load batch %d: %s", batch.number, loaded.tally)
    return replace(batch, tally=loaded.tally.as_dict())


def _settle(
    ledger: Ledger,
    batch: Batch,
    mapping: EventMapping,
    outcomes: list[Any],
    removed: Any,
) -> None:
    now = datetime.now(UTC)
    unknown = [each.key for each in outcomes if each.result == UNKNOWN_CONTACT]
    # As the export said it: what is replaced would be replaced once more when the contact has arrived.
    said = dict(plain_events(batch.read("extract"))) if unknown else {}
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
        settled=[each.key for each in outcomes if each.result in ("created", "there")],
        waiting=[Waiting(key, said[key]["contact"], _stored(said[key]), now) for key in unknown],
        refused=refused,
        dropped={str(key) for key in removed.index[(removed["fate"] == "dropped").to_numpy(dtype=bool)]}
        - {each.key for each in outcomes},
    )  # fmt: skip


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
