"""How a run of events ends: counts, files put away, report.

Not for the steps before (``run.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import QualityError, ReconcileError
from campaign_sync.events.reasons import reason_notes
from campaign_sync.events.run import TASKS
from campaign_sync.events.setting import EventSetting
from campaign_sync.exports.told import file_notes, late_files, one_trouble, set_aside
from campaign_sync.ledger.events import TakenFile
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.storage import folder_of, read_document, sweep_rows, write_document
from campaign_sync.run.adding_up import add_up
from campaign_sync.run.report import Report
from campaign_sync.run.setting import LOADED, READ, REPORT, document, numbers
from campaign_sync.settings import ledger_url, storage_root

if TYPE_CHECKING:
    from airflow.sdk import Context


def reconcile_events(
    batches: list[dict[str, Any]] | None,
    loaded: list[dict[str, Any] | None],
    context: Context,
    log: logging.Logger,
) -> dict[str, Any]:
    """Add up what became of every row, report it, and put the files away if all is well.

    Raises ReconcileError if a batch did not finish or the counts do not add up: the files stay then, and the next run
    takes them again. Raises QualityError if too many rows were rejected, if files had to be set aside, or if none came
    for too long. A dry run leaves files and ledger as they are.
    """
    from campaign_sync.exports.taking import put_away
    from campaign_sync.hooks.campaign_files import CampaignFilesHook

    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    ledger, where = Ledger(ledger_url()), f"{flow}, {run_id}"
    if batches is None:
        if not context["params"].get("dry_run"):
            ledger.end_run(flow, run_id, "failed", {})
        raise ReconcileError(
            "extract did not finish, so there is nothing to reconcile", where, "See the log of extract"
        )
    folder = folder_of(storage_root(), flow, run_id)
    setting, read = EventSetting.of(folder), read_document(folder, READ)
    mapping, dry_run, now = setting.mapping, setting.dry_run, datetime.now(UTC)
    files = [TakenFile(**each) for each in read["files"]]
    whole = numbers(folder, LOADED)
    done = {each["number"]: each for each in loaded if each and each["number"] in whole}
    notes = [
        *file_notes(files, mapping.extract, dry_run=dry_run),
        *reason_notes(folder, done, read["sources"]),
        *read["notes"],
    ]
    if dry_run:
        notes.append("a dry run: nothing was written, and the files stay where they are")
    window = f"{len(files)} export file{'s' * (len(files) != 1)}"
    report = add_up(folder, batches, done).report(flow, run_id, window, len(batches), notes)
    problem = _problem(report, len(batches), done, where)
    if problem is None and not dry_run:
        # Remembered before they are moved: a file that is there still is known, and only moved.
        ledger.events.remember(flow, files, now)
        if files:
            with CampaignFilesHook().session() as area:
                report = replace(report, notes=(*report.notes, *put_away(area, mapping.extract, files, log)))
    if tasks := _tasks(folder, done):
        report = replace(report, notes=(*report.notes, tasks))
    if waiting := ledger.events.count_waiting(flow):
        most = mapping.load.unknown_contacts
        note = f"{waiting:,} events wait for contacts that Dynamics does not know, {most} at most"
        report = replace(report, notes=(*report.notes, note))
    late = (
        []
        if dry_run
        else late_files(ledger, flow, mapping.extract, mapping.map.logs, read["left"], where, now)
    )
    report = replace(report, notes=(*report.notes, *(each.problem for each in late)))
    write_document(folder, REPORT, report.to_json())
    log.info("reconcile: %s", report.to_text())
    trouble = problem or one_trouble([*_troubles(report, setting, files, where), *late])
    if not dry_run:
        ledger.end_run(flow, run_id, "failed" if trouble else "success", report.tally.as_dict())
    if problem is None:
        sweep_rows(folder)
    if trouble is not None:
        raise trouble
    return report.to_json() | {"dry_run": dry_run}


def _tasks(folder: str, done: dict[int, Any]) -> str:
    """What people should read about follow-up tasks."""
    counts: Counter[str] = Counter()
    for number in done:
        counts.update(read_document(folder, document(number, TASKS)))
    made = f"{counts['made']:,} follow-up tasks were made" if counts["made"] else ""
    capped = (
        f"{counts['capped']:,} were not, as their owners have enough for today" if counts["capped"] else ""
    )
    return "; ".join(each for each in (made, capped) if each)


def _problem(report: Report, batches: int, done: dict[int, Any], where: str) -> ReconcileError | None:
    """Why the files of a run are not put away."""
    if missing := sorted(set(range(1, batches + 1)) - set(done)):
        return ReconcileError(
            f"{len(missing)} of {batches} batches did not finish; the others are in Dynamics",
            where,
            "See their logs; the next run takes the files again",
        )
    if not report.tally.balanced:
        return ReconcileError(
            f"{report.tally.extracted} rows were extracted and {report.tally.accounted} accounted for",
            where,
            "Please report this: it is an error of the package. The next run takes the files again",
        )
    return None


def _troubles(
    report: Report, setting: EventSetting, files: list[TakenFile], where: str
) -> Iterator[QualityError]:
    """Why somebody must look, although everything that could be done was done."""
    mapping = setting.mapping
    if aside := set_aside(files, mapping.extract, where, dry_run=setting.dry_run):
        yield aside
    if not mapping.reconcile.allows(report.tally.rejected, report.tally.extracted):
        yield QualityError(
            f"{report.tally.rejected} of {report.tally.extracted} rows were rejected, more than the mapping allows "
            f"({mapping.reconcile.rejected_at_most})",
            where,
            "See the notes in the report above; the rows that were good are in Dynamics",
        )
