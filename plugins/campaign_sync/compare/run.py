"""What the comparison's operators call: one function per step, with storage, ledger and hooks put together.

Everything a later step needs is in the run's folder, as in a flow's own run (``run/run.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.compare.fates import DIFFERENCES
from campaign_sync.compare.report import Found, Report, total
from campaign_sync.compare.slices import deal_out, read_slice, slices_for
from campaign_sync.errors import ReconcileError
from campaign_sync.ledger.ledger import KEYS_AT_ONCE, Ledger
from campaign_sync.mapping.file import Mapping
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import (
    documents,
    folder_of,
    read_document,
    remove,
    sweep,
    sweep_older,
    sweep_rows,
    write_document,
)
from campaign_sync.run.report import SAMPLE
from campaign_sync.run.run import put_at_rest
from campaign_sync.run.setting import REPORT, SETTING, Setting, document
from campaign_sync.run.systems import read_schemas
from campaign_sync.run.window import Window
from campaign_sync.settings import keep_days, ledger_url, max_batches, storage_root

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

#: Documents of a comparison's folder, and of each slice after its number.
BEGAN, HELD, SLICED, COMPARED = "began.json", "held.json", "sliced.json", ".compared.json"


def extract_all(mapping: Mapping, context: Context, log: logging.Logger) -> list[Batch]:
    """Read the whole table, without touching the change feed, and leave it in the run's folder as batches.

    Raises MappingError or RefusedError before anything is read if the mapping does not fit the two systems.
    """
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.run.extract import Source
    from campaign_sync.run.polymorphic import Polymorphic

    dag_id, run_id = context["dag"].dag_id, str(context["run_id"])
    began, window = datetime.now(UTC), Window("everything")
    dataverse = DataverseHook()
    table, resource = read_schemas(mapping, dataverse, CampaignHook())
    first = Batch.of(storage_root(), dag_id, run_id, 1, "everything, to be compared")
    sweep(first.folder)
    sweep_older(storage_root(), dag_id, keep_days())
    write_document(first.folder, SETTING, Setting(mapping, table, resource, window).to_json())
    ledger = Ledger(ledger_url())
    source = Source(mapping, table, dataverse, ledger)
    polymorphic = Polymorphic(mapping, table, dataverse, ledger)
    batches = put_at_rest(first, source.pieces(window, max_batches()), polymorphic, log)
    rows = sum(batch.tally["extracted"] for batch in batches)
    write_document(first.folder, BEGAN, {"began": began.isoformat(), "rows": rows})
    log.info("extract: %d rows in %d batches", rows, len(batches))
    return batches


def read_all(context: Context, log: logging.Logger) -> dict[str, int]:
    """Read every record of the resource, in the fields that are compared, and leave them in the run's folder."""
    from campaign_sync.compare.fates import Rules
    from campaign_sync.compare.sides import keep_records
    from campaign_sync.hooks.campaign import CampaignHook

    folder = _folder(context)
    mapping, _, resource, _ = Setting.of(folder)
    pages = CampaignHook().everything(resource, mapping.key_field, Rules.of(mapping, resource).fields)
    rows, keyless = keep_records(pages, folder)
    write_document(folder, HELD, {"rows": rows, "keyless": keyless})
    log.info("read: %d records of %s, and %d without a key", rows, resource.name, keyless)
    return {"rows": rows, "keyless": keyless}


def slice_all(batches: list[dict[str, Any]], context: Context, log: logging.Logger) -> list[dict[str, Any]]:
    """Cut both sides into slices by key; return one reference for each slice.

    Raises ReconcileError if a batch or a file of the two reads is not there.
    """
    from campaign_sync.compare.sides import campaign_schema, dynamics_schema, expected_rows, held_records

    folder = _folder(context)
    mapping, _, resource, _ = Setting.of(folder)
    for suffix in (COMPARED, ".slice.dynamics.parquet", ".slice.campaign.parquet"):
        for name in documents(folder, suffix):
            remove(folder, name)  # of an earlier try, which may have had more slices
    read, held = read_document(folder, BEGAN)["rows"], read_document(folder, HELD)["rows"]
    slices = min(slices_for(max(read, held)), max_batches())
    checked = [Batch.from_dict(each) for each in batches]
    wanted, holds = dynamics_schema(mapping, resource), campaign_schema(mapping, resource)
    dealt = (
        deal_out(expected_rows(checked, wanted), wanted, slices, folder, "dynamics"),
        deal_out(held_records(folder), holds, slices, folder, "campaign"),
    )
    if dealt != (read, held):
        # A row that got lost on the way would look like one that is gone.
        raise ReconcileError(
            f"{read} rows and {held} records were read, and {dealt[0]} and {dealt[1]} are at rest",
            f"{context['dag'].dag_id}, {context['run_id']}",
            "Clear the extract task of this run",
        )
    write_document(folder, SLICED, {"slices": slices, "excused": _excused(checked)})
    log.info("slice: %d rows of Dynamics and %d records of Campaign in %d slices", read, held, slices)
    return [{"number": number, "slices": slices} for number in range(1, slices + 1)]


def compare_slice(sliced: dict[str, Any], context: Context, log: logging.Logger) -> dict[str, Any]:
    """Judge every key of a slice, and look at the differences a second time."""
    from campaign_sync.compare.fates import Rules, judge
    from campaign_sync.compare.looking_again import LOOKS, LOOKS_IN_A_SLICE, look_again
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

    folder, number = _folder(context), int(sliced["number"])
    remove(folder, document(number, COMPARED))
    setting, ledger = Setting.of(folder), Ledger(ledger_url())
    dynamics, campaign = (read_slice(folder, number, side) for side in ("dynamics", "campaign"))
    known = ledger.state(setting.mapping.name, dynamics.index.union(campaign.index))
    rules = Rules.of(setting.mapping, setting.resource)
    judged = judge(dynamics, campaign, known, rules, setting.resource)
    judged, unverified = look_again(
        judged,
        dynamics,
        setting,
        ledger=ledger,
        dataverse=DataverseHook(),
        campaign=CampaignHook(),
        began=datetime.fromisoformat(read_document(folder, BEGAN)["began"]),
        most=max(LOOKS_IN_A_SLICE, LOOKS // int(sliced["slices"])),
    )
    keys = {
        name: sorted(map(str, judged.index[(judged["fate"] == name).to_numpy(dtype=bool)]))
        for name in DIFFERENCES
    }
    found = _found(judged, keys, unverified)
    write_document(folder, document(number, COMPARED), {"found": found.to_json(), "keys": keys})
    log.info("compare slice %d: %d keys, %d differ", number, found.keys, found.different)
    return {"number": number, **found.to_json()}


def report_comparison(
    slices: list[dict[str, Any]] | None, context: Context, log: logging.Logger
) -> dict[str, Any]:
    """Add up what became of every key, and report.

    Raises ReconcileError if a slice was not compared, or if a key has no fate.
    """
    folder, where = _folder(context), f"{context['dag'].dag_id}, {context['run_id']}"
    if not slices:
        raise ReconcileError(
            "the two systems were not read to the end", where, "See the logs of the tasks before"
        )
    done = documents(folder, COMPARED)
    if missing := len(slices) - len(done):
        raise ReconcileError(
            f"{missing} of {len(slices)} slices were not compared", where, "See their logs, and clear them"
        )
    found = total(Found(**read_document(folder, name)["found"]) for name in done)
    mapping = Setting.of(folder).mapping
    repair = bool(context["params"].get("repair"))
    notes = _notes(found, mapping, repair=repair, ledger=Ledger(ledger_url()))
    report = Report(
        mapping.name, str(context["run_id"]), read_document(folder, BEGAN)["began"], found, len(slices),
        read_document(folder, HELD)["keyless"], read_document(folder, SLICED)["excused"], repair, tuple(notes),
    )  # fmt: skip
    write_document(folder, REPORT, report.to_json())
    log.info("report: %s", report.to_text())
    if not found.balanced:
        raise ReconcileError(
            f"{found.keys} keys were compared and {sum(found.fates.values())} accounted for",
            where,
            "Please report this: it is an error of the package. Nothing was written",
        )
    sweep_rows(folder)
    return report.to_json()


def mend(context: Context, log: logging.Logger) -> int:
    """Have the flow look at everything that differs; its own steps, guard and load do the rest. How many that is."""
    folder = _folder(context)
    flow, ledger = Setting.of(folder).mapping.name, Ledger(ledger_url())
    marked = 0
    # A flow without a place reads everything anyway, and a mark would make it look as if it had lost its place.
    reads_all = ledger.place(flow) is None
    for name in documents(folder, COMPARED):
        keys = [key for each in read_document(folder, name)["keys"].values() for key in each]
        for start in () if reads_all else range(0, len(keys), KEYS_AT_ONCE):
            ledger.doubt(flow, keys[start : start + KEYS_AT_ONCE])
        marked += len(keys)
    log.info("mend: %s is to look at %d rows as they are now", flow, marked)
    return marked


def _notes(found: Found, mapping: Mapping, *, repair: bool, ledger: Ledger) -> list[str]:
    from campaign_sync.run.extract import Source

    if not repair or not found.different:
        return []
    flow = mapping.name
    if ledger.place(flow) is None:
        then = (
            "reads everything"
            if ledger.is_empty(flow)
            else "refuses to work until it is triggered with replay"
        )
        return [f"{flow} has no place in the change feed: its next run {then}"]
    runs = -(-found.different // Source.AT_ONCE)
    over = f", {Source.AT_ONCE:,} rows a run, so in {runs} runs" if runs > 1 else ""
    return [
        f"{found.different:,} rows are mended by the next run of {flow}{over}; its guard may ask a person first"
    ]


def _found(judged: pd.DataFrame, keys: dict[str, list[str]], unverified: int) -> Found:
    fates = {str(fate): int(count) for fate, count in judged["fate"].value_counts().items()}
    differs = judged["fields"][judged["fate"].isin(DIFFERENCES).to_numpy(dtype=bool)]
    fields = Counter(name for each in differs for name in each.split(",") if name)
    samples = {name: some[:SAMPLE] for name, some in keys.items() if some}
    return Found(len(judged), fates, dict(fields), samples, unverified)


def _excused(batches: list[Batch]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {"dropped": Counter(), "rejected": Counter()}
    for batch in batches:
        removed = batch.removed()
        for fate, rule in zip(removed["fate"], removed["rule"], strict=True):
            counts[fate][rule] += 1
    return {fate: dict(rules) for fate, rules in counts.items()}


def _folder(context: Context) -> str:
    return folder_of(storage_root(), context["dag"].dag_id, str(context["run_id"]))
