"""Extract of an events flow: the files that are ready, and the events whose contact has arrived, into the run's folder.

Nothing changes in the SFTP area: files are put away by reconcile. Not for which files are ready
(``exports/taking.py``), nor for reading one (``exports/export_file.py``).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.events.activities import name_firsts
from campaign_sync.events.contacts import known_contacts
from campaign_sync.events.file import EventMapping
from campaign_sync.events.frames import event_frame
from campaign_sync.events.log_file import LogFile
from campaign_sync.events.setting import FILES, WAITED, EventSetting, read_timelines
from campaign_sync.events.vocabulary import EVENT_COLUMNS
from campaign_sync.exports.export_file import UnusableFile
from campaign_sync.exports.removed import removed_rows
from campaign_sync.ledger.events import Waiting
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import sweep, sweep_older, write_document
from campaign_sync.rows.transform import Sifted
from campaign_sync.run.report import Tally
from campaign_sync.run.setting import READ, SETTING
from campaign_sync.settings import keep_days, ledger_url, max_batches, storage_root

if TYPE_CHECKING:
    from airflow.sdk import Context

    from campaign_sync.exports.taking import Ready, Taking
    from campaign_sync.hooks.dataverse import DataverseHook

GIVEN_UP = "unknown contact, given up"


def extract_events(mapping: EventMapping, context: Context, log: logging.Logger) -> list[Batch]:
    """Read what there is to read and leave it in the run's folder as batches.

    Raises MappingError if the mapping does not fit Dynamics, RefusedError if a folder is not there, before a file is
    read.
    """
    from campaign_sync.exports.taking import Taking, as_documents, ready_files, require_folders
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook

    flow, run_id, params = mapping.name, str(context["run_id"]), context["params"]
    ledger, dataverse = Ledger(ledger_url()), DataverseHook()
    setting = EventSetting(mapping, read_timelines(mapping, dataverse), bool(params.get("dry_run")))
    first = Batch.of(storage_root(), flow, run_id, 1, FILES)
    sweep(first.folder)  # a run that is cleared reads anew
    sweep_older(storage_root(), flow, keep_days())
    write_document(first.folder, SETTING, setting.to_json())
    if not setting.dry_run:
        ledger.start_run(flow, run_id)

    batches = _Batches(mapping, first, params.get("limit"))
    with tempfile.TemporaryDirectory() as place, CampaignFilesHook().session() as files:
        require_folders(files, mapping.extract)
        taking = Taking(files, mapping.extract, ledger.events, flow, run_id, Path(place), LogFile)
        for ready in ready_files(files, taking):
            if batches.full or len(batches.whole) > max_batches() // 2:
                taking.leave(ready)
            else:
                batches.take(ready, taking, log)
    for frame in _arrived(mapping, ledger, dataverse):
        if not batches.full and len(batches.whole) < max_batches():
            batches.add(frame)
    read = {
        "files": as_documents(taking.taken),
        "left": taking.left,
        "notes": _notes(taking),
        "sources": batches.sources,
    }
    write_document(first.folder, READ, read)
    done, rows = batches.whole, sum(batch.tally["extracted"] for batch in batches.whole)
    log.info("extract: %d rows in %d batches out of %d files", rows, len(done), len(taking.taken))
    return done


class _Batches:
    """The batches of a run; ``sources`` says which file each is from."""

    def __init__(self, mapping: EventMapping, first: Batch, limit: int | None) -> None:
        self._mapping = mapping
        self.whole: list[Batch] = []
        self.sources: dict[str, str] = {}
        self._first = first
        self._rows_left = limit

    @property
    def full(self) -> bool:
        """Whether there are as many rows as the form allows."""
        return self._rows_left == 0

    def add(self, frame: Sifted) -> None:
        """One more batch, of events that waited."""
        self._keep([self._at_rest(frame, len(self.whole) + 1, WAITED)], WAITED)

    def take(self, ready: Ready, taking: Taking, log: logging.Logger) -> None:
        """All rows of a file, or none if it cannot be used; or so many as the form allows, and the file is left."""
        held: list[Batch] = []
        rows = 0
        try:
            for frame in taking.frames(ready, log):
                cut = frame
                if self._rows_left is not None:
                    cut = first_rows(frame, self._rows_left - rows)
                held.append(self._at_rest(cut, len(self.whole) + len(held) + 1))
                rows += held[-1].tally["extracted"]
                if len(cut.kept) + len(cut.removed) < len(frame.kept) + len(frame.removed):
                    taking.leave(ready)
                    break
        except UnusableFile:
            return  # noted by then, and the batches' files are written over
        self._keep(held, ready.name)

    def _keep(self, held: list[Batch], source: str) -> None:
        self.whole += held
        self.sources |= {str(each.number): source for each in held}
        if self._rows_left is not None:
            self._rows_left = max(0, self._rows_left - sum(each.tally["extracted"] for each in held))

    def _at_rest(self, frame: Sifted, number: int, window: str = FILES) -> Batch:
        tally = Tally(extracted=len(frame.kept) + len(frame.removed))
        batch = replace(self._first, number=number, window=window)
        kept = name_firsts(frame.kept, self._mapping)
        return batch.write("extract", kept, frame.removed, tally.as_dict())


def first_rows(frame: Sifted, most: int) -> Sifted:
    """So many rows of a frame at most."""
    kept = frame.kept[:most]
    return Sifted(kept, frame.removed[: most - len(kept)])


def _notes(taking: Taking) -> list[str]:
    notes = [f"{name} still grows: it is left for the next run" for name in taking.growing]
    if left := len(taking.left) - len(taking.growing):
        notes.append(f"{left} more file{'s are' if left > 1 else ' is'} left for the next run")
    return notes


def _arrived(mapping: EventMapping, ledger: Ledger, dataverse: DataverseHook) -> Iterator[Sifted]:
    """Events that have waited: those whose contact is there now, and those that have waited long enough."""
    latest = datetime.now(UTC) - mapping.load.waits
    for some in ledger.events.waiting(mapping.name):
        there = known_contacts(dataverse, (each.contact for each in some))
        back = [each for each in some if each.contact in there]
        lost = [each for each in some if each.contact not in there and each.first_seen < latest]
        if back or lost:
            reason = f"Dynamics has had no such contact for {mapping.load.unknown_contacts}; given up"
            yield Sifted(_frame_of(back), removed_rows([(each.event, GIVEN_UP, reason) for each in lost]))


def _frame_of(waiting: list[Waiting]) -> Any:
    columns: dict[str, Any] = {name: [each.columns.get(name) for each in waiting] for name in EVENT_COLUMNS}
    columns["happened"] = [datetime.fromisoformat(each) for each in columns["happened"]]
    return event_frame(columns, [each.event for each in waiting])
