"""What the operators call: one function per step of a run, with storage, ledger and hooks put together.

Everything a later step needs is in the run's folder: the mapping the run began with, both schemas, the
window. So a mapping or a table that changes meanwhile changes the next run, not this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from campaign_sync.consent.noes import with_noes
from campaign_sync.errors import QualityError, ReconcileError, RefusedError
from campaign_sync.ledger.ledger import Ledger, Move
from campaign_sync.mapping.file import Mapping
from campaign_sync.mapping.limits import Reconcile
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.steps import take_step
from campaign_sync.rows.storage import (
    folder_of,
    read_document,
    remove,
    sweep,
    sweep_older,
    sweep_rows,
    write_document,
    write_text,
)
from campaign_sync.run import clock
from campaign_sync.run.adding_up import add_up
from campaign_sync.run.report import Report, Tally
from campaign_sync.run.setting import (
    BEGAN,
    CHECKED,
    LOADED,
    READ,
    REPORT,
    SETTING,
    STOPPED,
    Setting,
    document,
    numbers,
)
from campaign_sync.run.systems import read_schemas
from campaign_sync.run.window import Window, choose_window
from campaign_sync.run.work import awaited_first
from campaign_sync.settings import keep_days, ledger_url, max_batches, storage_root

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

    from campaign_sync.run.extract import Piece
    from campaign_sync.run.polymorphic import Polymorphic

STALE = (
    "{count:,} rows are older than what was written before and were left alone. If the Dynamics environment was "
    "restored from a backup, `python -m campaign_sync forget {flow}` lets the next run begin anew"
)

OVERTAKEN = (
    "{count:,} rows were left alone because another run had written them meanwhile; where it is not certain which of "
    "the two is the newer, the next run looks at them again"
)


def extract_run(mapping: Mapping, context: Context, log: logging.Logger) -> list[Batch]:
    """Choose what to read, read it, and leave it in the run's folder as batches.

    Raises MappingError or RefusedError before anything is read if the mapping does not fit the two systems, if change
    tracking is off, or if a right is missing; nothing is lost then, the place in the change feed stays.
    """
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.extract import Source
    from campaign_sync.run.polymorphic import Polymorphic

    mapping = with_noes(mapping)
    flow, run_id = mapping.name, str(context["run_id"])
    ledger = Ledger(ledger_url())
    window = window_of(context, ledger, flow, empty=ledger.is_empty(flow))
    dataverse = DataverseHook()
    table, resource = read_schemas(mapping, dataverse, CampaignHook())
    if window.kind == "changes" or window.moves_place:
        dataverse.require_change_tracking(table)

    first = Batch.of(storage_root(), flow, run_id, 1, window.text)
    sweep(first.folder)  # a run that is cleared reads anew
    sweep_older(storage_root(), flow, keep_days())
    write_document(first.folder, SETTING, Setting(mapping, table, resource, window).to_json())
    write_document(first.folder, BEGAN, {"began": clock.now().isoformat()})
    if not window.dry_run:
        ledger.start_run(flow, run_id, mapping.links(), backfill=run_type(context) == "backfill")
    if awaited := _awaited_first(mapping, window, ledger):
        note = f"nothing was read: waits for the first load of {awaited}"
        write_document(first.folder, READ, {"delta_link": None, "notes": [note], "healed": False})
        log.info("extract: %s", note)
        return []
    if window.opens_place:
        ledger.open_place(flow, run_id)

    source = Source(mapping, table, dataverse, ledger)
    polymorphic = Polymorphic(mapping, table, dataverse, ledger)
    batches = put_at_rest(first, source.pieces(window, max_batches()), polymorphic, log)
    write_document(first.folder, READ, source.ended())
    rows = sum(batch.tally["extracted"] for batch in batches)
    log.info("extract: %s: %d rows in %d batches", window.text, rows, len(batches))
    return batches


def put_at_rest(
    first: Batch, pieces: Iterable[Piece], polymorphic: Polymorphic, log: logging.Logger
) -> list[Batch]:
    """Leave pieces in the run's folder as batches, numbered from 1."""
    most = max_batches()
    batches: list[Batch] = []
    for number, piece in enumerate(pieces, start=1):
        if number > most:
            rows = sum(batch.tally["extracted"] for batch in batches)
            raise RefusedError(
                "Airflow",
                "[core] max_map_length",
                None,
                "",
                f"this run has more than {most:,} batches, {rows:,} rows, and Airflow maps no more tasks",
                f"Raise [core] max_map_length in Airflow's configuration, for instance to {4 * most}",
            )
        frame, removed = piece.frames(polymorphic.table.key)
        frame = polymorphic.marked(frame)
        tally = Tally(extracted=len(frame) + len(removed))
        batches.append(replace(first, number=number).write("extract", frame, removed, tally.as_dict()))
        log.info("extract batch %d: %d rows, %d deletions", number, len(frame), len(removed))
    return batches


def step_batch(stored: dict[str, Any], step: str, log: logging.Logger) -> Batch:
    """Take one step with one batch: what it keeps goes on, what it removes is put beside it."""
    batch = Batch.from_dict(stored)
    setting = Setting.of(batch.folder)
    frame = batch.read()
    # A check that stops the run stops the batches beside it as well: guard and load look for this.
    stopped = document(batch.number, STOPPED)
    remove(batch.folder, document(batch.number, CHECKED))
    try:
        stepped = take_step(step, frame, setting.mapping, setting.table, setting.resource)
    except QualityError as problem:
        write_document(batch.folder, stopped, {"problem": str(problem)})
        raise
    remove(batch.folder, stopped)
    kept, removed = stepped.sifted
    if step == "check":
        write_document(batch.folder, document(batch.number, CHECKED), {"checks": stepped.checks})
        write_text(batch.folder, f"{batch.number:05d}.checks.html", stepped.page)
    log.info("%s batch %d: %d rows in, %d kept%s", step, batch.number, len(frame), len(kept), _fates(removed))
    return batch.write(step, kept, removed, batch.tally)


def load_batch(stored: dict[str, Any], log: logging.Logger) -> Batch:
    """Plan and write one batch, and count what became of its rows; those that go by file are counted by settle."""
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.guard import hold_parked, require_guarded, require_not_stopped
    from campaign_sync.run.load import Rest, load_plan, plan_batch, planned
    from campaign_sync.run.noes import Noes
    from campaign_sync.run.parts import parts_of, way
    from campaign_sync.run.upload import upload_early

    batch = Batch.from_dict(stored)
    require_not_stopped(batch.folder, f"{batch.flow}, batch {batch.number}")
    mapping, table, resource, window = Setting.of(batch.folder)
    ledger = Ledger(ledger_url())
    rest = Rest.of(batch)
    with ledger.held():
        plan = plan_batch(rest.rows, rest.removed, mapping, ledger, force=window.force)
        if window.dry_run:
            loaded = planned(plan)
        else:
            plan = hold_parked(batch, plan)
            require_guarded(batch, plan, ledger)
            loaded = load_plan(
                plan,
                mapping,
                resource,
                ledger=ledger,
                campaign=CampaignHook(),
                run_id=batch.run_id,
                force=window.force,
                # What is in files already is never planned anew, and what was left over then goes by REST.
                files=batch
                if way(batch.folder).get("files") and not parts_of(batch.folder, batch.number)
                else None,
                noes=Noes(mapping, table, DataverseHook(), ledger.consents)
                if mapping.noes or mapping.campaign_noes
                else None,
            )
            upload_early(batch, mapping, ledger, log)
    loaded = loaded.and_stale(rest.stale)
    tally = replace(loaded.tally, extracted=batch.tally["extracted"])
    write_document(batch.folder, document(batch.number, LOADED), loaded.to_json())
    log.info("load batch %d%s: %s", batch.number, " (dry run)" if window.dry_run else "", tally)
    return replace(batch, tally=tally.as_dict())


def settle_files(waited: dict[str, Any] | None, context: Context, log: logging.Logger) -> dict[str, Any]:
    """Have the run's files imported: what to wait for next (it has an `until`), or the counts of what became of them.

    :param waited: what this task has just waited for.
    """
    from campaign_sync.run.settle import Wait, settle_run, settled_tally

    run_id = str(context["run_id"])
    folder = folder_of(storage_root(), context["dag"].dag_id, run_id)
    wait = settle_run(folder, run_id, Wait(**waited) if waited else None, log)
    if wait is not None:
        log.info("settle: waiting for %s, until %s at the latest", wait.what, wait.until)
        return wait._asdict()
    counts = settled_tally(folder).as_dict()
    log.info("settle: %s", {fate: count for fate, count in counts.items() if count} or "no row went by file")
    return counts


def reconcile_run(
    batches: list[dict[str, Any]] | None,
    loaded: list[dict[str, Any] | None],
    context: Context,
    log: logging.Logger,
) -> dict[str, Any]:
    """Add up what became of every row, report it, and move the place in the change feed if all is well.

    Raises ReconcileError if a batch did not finish or the counts do not add up, QualityError if the guard held the run
    up or more rows were rejected than the mapping allows. The place stays where it was then, so that the next run
    reads the same changes again.
    """
    from campaign_sync.run.file_outcomes import add_files, file_notes, file_problem
    from campaign_sync.run.guard import guard_notes, guard_problem

    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    if batches is None:
        if not context["params"].get("dry_run"):
            Ledger(ledger_url()).end_run(flow, run_id, "failed", {})
        raise ReconcileError(
            "extract did not finish, so there is nothing to reconcile",
            f"{flow}, {run_id}",
            "See the log of extract",
        )
    folder = folder_of(storage_root(), flow, run_id)
    setting, read = Setting.of(folder), read_document(folder, READ)
    # A task that is cleared and then fails before its turn leaves what it returned the first time.
    whole = numbers(folder, LOADED)
    done = {each["number"]: each for each in loaded if each and each["number"] in whole}
    notes = [*read["notes"], *guard_notes(folder), *file_notes(folder, setting.window.dry_run)]
    report = add_files(_report(setting, folder, run_id, batches, done, notes), folder, done)
    write_document(folder, REPORT, report.to_json())
    log.info("reconcile: %s", report.to_text())

    held_up = guard_problem(folder, f"{flow}, {run_id}") if batches else None
    unsettled = file_problem(folder, f"{flow}, {run_id}")
    problem = held_up or unsettled or reconcile_problem(report, len(batches), done, setting.mapping)
    window = setting.window
    if not window.dry_run:
        move = None
        if problem is None and window.moves_place and read["delta_link"]:
            move = Move(window.link, read["delta_link"], heals=read["healed"])
        state = "success" if problem is None else "failed"
        Ledger(ledger_url()).end_run(flow, run_id, state, report.tally.as_dict(), move)
    if problem is not None:
        raise problem
    sweep_rows(folder)
    return report.to_json() | {"dry_run": window.dry_run}


def window_of(context: Context, ledger: Ledger, flow: str, *, empty: bool) -> Window:
    """What a run reads, from how it was started and where its flow stands.

    :param empty: nothing was ever written by this flow.
    """
    dag_run = context["dag_run"]
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    interval = (start, end) if start and end else None
    return choose_window(
        run_type(context), context["params"], interval, ledger.place(flow), ledger_empty=empty
    )


def run_type(context: Context) -> str:
    """How a run was started: scheduled, manual, backfill …"""
    found = context["dag_run"].run_type
    return str(getattr(found, "value", found))


def _awaited_first(mapping: Mapping, window: Window, ledger: Ledger) -> str | None:
    """The parent flow whose first load comes before this flow's; what a person forces waits for none."""
    forced = window.kind != "changes" or window.link or window.limit or window.dry_run
    return None if forced else awaited_first(mapping.name, mapping.parents(), ledger)


def _report(
    setting: Setting,
    folder: str,
    run_id: str,
    batches: list[dict[str, Any]],
    done: dict[int, dict[str, Any]],
    notes: list[str],
) -> Report:
    sums = add_up(folder, batches, done)
    stale, overtaken = (sum(each[what] for each in sums.loaded) for what in ("stale", "overtaken"))
    if stale:
        notes = [*notes, STALE.format(count=stale, flow=setting.mapping.name)]
    if overtaken:
        notes = [*notes, OVERTAKEN.format(count=overtaken)]
    return sums.report(setting.mapping.name, run_id, setting.window.text, len(batches), notes)


class HasReconcile(Protocol):
    """A mapping of any kind, as far as the end of its runs is concerned."""

    @property
    def reconcile(self) -> Reconcile: ...


def reconcile_problem(
    report: Report, batches: int, done: Iterable[int], mapping: HasReconcile
) -> ReconcileError | QualityError | None:
    """Why a run is not a good one: a batch is missing, the counts do not add up, too many rows were rejected."""
    where = f"{report.flow}, {report.run_id}"
    if missing := sorted(set(range(1, batches + 1)) - set(done)):
        listed = ", ".join(map(str, missing[:10]))
        return ReconcileError(
            f"{len(missing)} of {batches} batches did not finish (number {listed}); the others have arrived",
            where,
            "See their logs; the next run reads them again",
        )
    if not report.tally.balanced:
        return ReconcileError(
            f"{report.tally.extracted} rows were extracted and {report.tally.accounted} accounted for",
            where,
            "Please report this: it is an error of the package. The next run reads the same changes again",
        )
    if not mapping.reconcile.allows(report.tally.rejected, report.tally.extracted):
        return QualityError(
            f"{report.tally.rejected} of {report.tally.extracted} rows were rejected, "
            f"more than the mapping allows ({mapping.reconcile.rejected_at_most})",
            where,
            "See the rules in the report above; the rows that were good have arrived",
        )
    return None


def _fates(removed: pd.DataFrame) -> str:
    if not len(removed):
        return ""
    parts = []
    for fate, rows in removed.groupby("fate"):
        rules = ", ".join(f"{rule} {count}" for rule, count in rows["rule"].value_counts().items())
        parts.append(f", {len(rows)} {fate} ({rules})")
    return "".join(parts)
