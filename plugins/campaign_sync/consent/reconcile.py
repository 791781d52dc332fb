"""How a run of opt-outs ends: counts, the place in the change feed, files put away, report.

Not for the steps before (``run.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.files import unread_problem
from campaign_sync.consent.guard import beyond_problem, held_notes, held_problem
from campaign_sync.consent.setting import OptOutSetting, reads_files
from campaign_sync.errors import QualityError, ReconcileError, SyncError
from campaign_sync.ledger.events import TakenFile
from campaign_sync.ledger.ledger import Ledger, Move
from campaign_sync.rows.storage import folder_of, read_document, sweep_rows, write_document
from campaign_sync.run import clock
from campaign_sync.run.adding_up import add_up
from campaign_sync.run.guard import guard_notes, guard_problem
from campaign_sync.run.report import SAMPLE, Report
from campaign_sync.run.run import reconcile_problem
from campaign_sync.run.setting import LOADED, READ, REPORT, numbers
from campaign_sync.settings import ledger_url, storage_root

if TYPE_CHECKING:
    from airflow.sdk import Context


def reconcile_opt_outs(
    batches: list[dict[str, Any]] | None,
    loaded: list[dict[str, Any] | None],
    context: Context,
    log: logging.Logger,
) -> dict[str, Any]:
    """Add up what became of every row, report it, move the place in the change feed and put the files away.

    Raises ReconcileError if a batch did not finish or the counts do not add up, QualityError if the guard held the run
    up or more rows were rejected than the mapping allows. Place and files stay where they were then, so that the next
    run reads the same again.
    """
    from campaign_sync.exports.taking import put_away
    from campaign_sync.exports.told import file_notes, late_files, one_trouble, set_aside
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
    setting, read = OptOutSetting.of(folder), read_document(folder, READ)
    window = setting.window
    whole = numbers(folder, LOADED)
    done = {each["number"]: each for each in loaded if each and each["number"] in whole}
    report, told, differed = _report(
        setting, folder, run_id, batches, done, [*read["notes"], *guard_notes(folder), *held_notes(folder)]
    )
    held_up = guard_problem(folder, where) if batches else None
    problem = held_up or reconcile_problem(report, len(batches), done, setting.mapping)
    files, extract, now = (
        [TakenFile(**each) for each in read["files"]],
        setting.mapping.extract,
        datetime.now(UTC),
    )
    if problem is None and files and not window.dry_run:
        # Remembered before they are moved: a file that is there still is known, and only moved.
        ledger.events.remember(flow, files, now)
        with CampaignFilesHook().session() as area:
            notes = put_away(area, extract, files, log)
        report = replace(report, notes=(*report.notes, *notes))
    late = []
    if reads_files(setting.mapping, window) and not window.dry_run:
        late = late_files(ledger, flow, extract, extract.LOGS, read["left"], where, now)
    notes = [*file_notes(files, extract, dry_run=window.dry_run), *(each.problem for each in late)]
    count, since = ledger.consents.waiting(flow)
    if since is not None:
        notes.append(f"{count:,} contacts wait to be told a no, the longest since {since:%Y-%m-%d %H:%M} UTC")
    if not window.dry_run and (unheard := _unheard(ledger, setting, where)):
        late.append(unheard)
    report = replace(report, notes=(*report.notes, *notes))
    shown = report.to_json() | {"told": told, "differed": differed}
    write_document(folder, REPORT, shown)
    log.info("reconcile: %s", report.to_text())
    aside = set_aside(files, extract, where, dry_run=window.dry_run)
    # Opt-ins are held back once, and no later run says so: it must not go down beside another problem.
    held = None if held_up else held_problem(folder, where)
    beyond = beyond_problem(folder, where)
    others = () if problem else (aside, unread_problem(read), *late)
    trouble = one_trouble([each for each in (problem, held, beyond, *others) if each])
    if not window.dry_run:
        _end(ledger, setting, report, problem, trouble, read)
    if problem is None:
        sweep_rows(folder)
    if trouble is not None:
        raise trouble
    return shown | {"dry_run": window.dry_run}


def _unheard(ledger: Ledger, setting: OptOutSetting, where: str) -> QualityError | None:
    """Why a person is wanted, if somebody's no could not be told for too long."""
    patience = setting.mapping.reconcile.patience
    if patience is None or not (found := ledger.consents.late(setting.mapping.name, clock.now() - patience)):
        return None
    return QualityError(
        f"{len(found):,} contacts wait for more than {patience / timedelta(hours=1):,.0f} hours to be told a no "
        f"({', '.join(found[:SAMPLE])})",
        where,
        "The reports say why each is rejected or parked: have Dynamics accept the change, or Campaign show the profile "
        "to the package's credential. All of them are tried again",
    )


def _end(
    ledger: Ledger,
    setting: OptOutSetting,
    report: Report,
    problem: SyncError | None,
    trouble: SyncError | None,
    read: dict[str, Any],
) -> None:
    window, move = setting.window, None
    if problem is None and window.moves_place and read["delta_link"]:
        move = Move(window.link, read["delta_link"], heals=read["healed"])
    state = "success" if trouble is None else "failed"
    ledger.end_run(report.flow, report.run_id, state, report.tally.as_dict(), move)
    if problem is None:
        meanings = setting.mapping.meanings()
        ledger.consents.hear_in_full(report.flow, report.run_id, read["heard"], meanings, datetime.now(UTC))
        if read["passing"]:
            ledger.consents.keep_read_in_full(report.flow, report.run_id, read["passing"], datetime.now(UTC))


def _report(
    setting: OptOutSetting,
    folder: str,
    run_id: str,
    batches: list[dict[str, Any]],
    done: dict[int, dict[str, Any]],
    notes: list[str],
) -> tuple[Report, dict[str, int], dict[str, Any]]:
    """The report; what was told, by side; and what the sides said differently, by attribute and reason."""
    sums, told = add_up(folder, batches, done), Counter[str]()
    differed: dict[str, Any] = {}
    for details in sums.loaded:
        told.update(details["told"])
        for what, found in details["differed"].items():
            entry = differed.setdefault(what, {"count": 0, "keys": []})
            entry["count"] += found["count"]
            entry["keys"] = [*entry["keys"], *found["keys"]][:SAMPLE]
    would = "would be told" if setting.window.dry_run else "told"
    notes = [*notes, *(f"{count:,} {what} {would}" for what, count in sorted(told.items()))]
    notes += [
        f"the sides differed in {found['count']:,} contacts about {what} ({', '.join(found['keys'])})"
        for what, found in sorted(differed.items())
    ]
    report = sums.report(setting.mapping.name, run_id, setting.window.text, len(batches), notes)
    return report, dict(told), differed
