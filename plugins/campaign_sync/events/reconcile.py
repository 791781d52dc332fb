"""How a run of events ends: counts, files put away, report.

Not for the steps before (``run.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import QualityError, ReconcileError
from campaign_sync.events.file import EventMapping
from campaign_sync.events.run import TASKS
from campaign_sync.events.setting import EventSetting
from campaign_sync.ledger.events import ASIDE, TakenFile
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.storage import documents, folder_of, read_document, sweep_rows, write_document
from campaign_sync.run.report import SAMPLE, Report, Tally
from campaign_sync.run.setting import CHECKED, LOADED, READ, REPORT, document
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
    takes them again. Raises QualityError if too many rows were rejected, or if files had to be set aside.
    """
    from campaign_sync.events.taking import put_away
    from campaign_sync.hooks.campaign_files import CampaignFilesHook

    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    ledger, where = Ledger(ledger_url()), f"{flow}, {run_id}"
    if batches is None:
        ledger.end_run(flow, run_id, "failed", {})
        raise ReconcileError(
            "extract did not finish, so there is nothing to reconcile", where, "See the log of extract"
        )
    folder = folder_of(storage_root(), flow, run_id)
    mapping, read = EventSetting.of(folder).mapping, read_document(folder, READ)
    files = [TakenFile(**each) for each in read["files"]]
    whole = {int(name.removesuffix(LOADED)) for name in documents(folder, LOADED)}
    done = {each["number"]: each for each in loaded if each and each["number"] in whole}
    report = _report(flow, run_id, folder, batches, done, files, [*read["notes"]])
    problem = _problem(report, len(batches), done, where)
    if problem is None:
        # Remembered before they are moved: a file that is there still is known, and only moved.
        ledger.events.remember(flow, files, datetime.now(UTC))
        if files:
            with CampaignFilesHook().session() as area:
                report = replace(report, notes=(*report.notes, *put_away(area, mapping.extract, files, log)))
    if tasks := _tasks(folder, done):
        report = replace(report, notes=(*report.notes, tasks))
    if waiting := ledger.events.count_waiting(flow):
        most = mapping.load.unknown_contacts
        note = f"{waiting:,} events wait for contacts that Dynamics does not know, {most} at most"
        report = replace(report, notes=(*report.notes, note))
    write_document(folder, REPORT, report.to_json())
    log.info("reconcile: %s", report.to_text())
    trouble = problem or _trouble(report, mapping, files, where)
    ledger.end_run(flow, run_id, "failed" if trouble else "success", report.tally.as_dict())
    if problem is None:
        sweep_rows(folder)
    if trouble is not None:
        raise trouble
    return report.to_json() | {"dry_run": False}


def _report(
    flow: str,
    run_id: str,
    folder: str,
    batches: list[dict[str, Any]],
    done: dict[int, dict[str, Any]],
    files: list[TakenFile],
    notes: list[str],
) -> Report:
    tally = Tally(extracted=sum(batch["tally"]["extracted"] for batch in batches))
    sums: dict[str, Counter[str]] = {"dropped": Counter(), "rejected": Counter()}
    samples: dict[str, tuple[str, ...]] = {}
    checks: dict[str, dict[str, Any]] = {}
    for number, batch in sorted(done.items()):
        tally += replace(Tally.from_dict(batch["tally"]), extracted=0)
        details = read_document(folder, document(number, LOADED))
        for fate, rules in sums.items():
            rules.update(details[fate])
        for rule, keys in details["samples"].items():
            samples[rule] = (*samples.get(rule, ()), *keys)[:SAMPLE]
        for check in read_document(folder, document(number, CHECKED))["checks"]:
            total = checks.setdefault(check["name"], check | {"rows": 0, "unexpected": 0})
            total["rows"] += check["rows"]
            total["unexpected"] += check["unexpected"]
    for each in files:
        if each.state == ASIDE:
            notes.append(f"{each.name} was set aside: it {each.reason}")
    window = f"{len(files)} export file{'s' * (len(files) != 1)}"
    return Report(
        flow, run_id, window, tally, len(batches), dict(sums["dropped"]), dict(sums["rejected"]), samples,
        checks=tuple(checks.values()), notes=tuple(notes),
    )  # fmt: skip


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


def _trouble(
    report: Report, mapping: EventMapping, files: list[TakenFile], where: str
) -> QualityError | None:
    """Why somebody must look, although everything that could be done was done."""
    aside = [each for each in files if each.state == ASIDE]
    if aside:
        told = "; ".join(f"{each.name} {each.reason}" for each in aside[:5])
        return QualityError(
            f"{len(aside)} of {len(files)} files cannot be read and were set aside: {told}",
            where,
            f"Correct the workflow (docs/export_workflows.md), and export the time of these files again. They are in "
            f"{mapping.extract.set_aside}",
        )
    if not mapping.reconcile.allows(report.tally.rejected, report.tally.extracted):
        return QualityError(
            f"{report.tally.rejected} of {report.tally.extracted} rows were rejected", where, "See the report"
        )
    return None
