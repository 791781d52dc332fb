"""What the operators of an opt-outs flow call before anybody is told: extract, and the four steps of a batch.

Everything a later step needs is in the run's folder, as in the other flows' runs (``run/run.py``). Not for telling
(``load.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.doubt import asked_again
from campaign_sync.consent.files import RunFiles
from campaign_sync.consent.reading import (
    Contacts,
    all_profiles,
    changed_in_dynamics,
    contacts_now,
    looked_at_again,
    source_of,
)
from campaign_sync.consent.setting import OptOutSetting, read_schemas, reads_files
from campaign_sync.consent.sides import ROW, filled, has_filtered, meant, said_beside, with_filtered
from campaign_sync.consent.vocabulary import DECIDE
from campaign_sync.errors import QualityError, RefusedError
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.listed import Listed
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.checks import check_rows
from campaign_sync.rows.storage import remove, sweep, sweep_older, write_document, write_text
from campaign_sync.rows.transform import Sifted, filter_rows, sift
from campaign_sync.run import clock
from campaign_sync.run.report import Tally
from campaign_sync.run.run import run_type, window_of
from campaign_sync.run.setting import CHECKED, READ, SETTING, STOPPED, document
from campaign_sync.settings import keep_days, ledger_url, max_batches, storage_root

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.schema import ResourceSchema, TableSchema


def extract_opt_outs(mapping: OptOutMapping, context: Context, log: logging.Logger) -> list[Batch]:
    """Read what the two sides say, and leave it in the run's folder as batches.

    Raises MappingError or RefusedError before anything is read if the mapping does not fit the two systems.
    """
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

    flow, run_id = mapping.name, str(context["run_id"])
    ledger, dataverse, campaign = Ledger(ledger_url()), DataverseHook(), CampaignHook()
    window = window_of(context, ledger, flow, empty=ledger.consents.is_empty(flow))
    table, resource = read_schemas(mapping, dataverse, campaign)
    if window.kind == "changes" or window.moves_place:
        dataverse.require_change_tracking(table)

    first = Batch.of(storage_root(), flow, run_id, 1, window.text)
    sweep(first.folder)  # a run that is cleared reads anew
    sweep_older(storage_root(), flow, keep_days())
    write_document(first.folder, SETTING, OptOutSetting(mapping, table, resource, window).to_json())
    if not window.dry_run:
        ledger.start_run(flow, run_id, backfill=run_type(context) == "backfill")
    if window.opens_place:
        ledger.open_place(flow, run_id)

    batches: list[Batch] = []

    def at_rest(sifted: Sifted) -> None:
        if window.limit:
            room = window.limit - sum(batch.tally["extracted"] for batch in batches)
            sifted = Sifted(sifted.kept[:room], sifted.removed[: max(room - len(sifted.kept), 0)])
        if not len(sifted.kept) and not len(sifted.removed):
            return
        if len(batches) >= max_batches():
            raise _too_many()
        tally = Tally(extracted=len(sifted.kept) + len(sifted.removed))
        batch = replace(first, number=len(batches) + 1)
        batches.append(batch.write("extract", sifted.kept, sifted.removed, tally.as_dict()))

    unheard = Counter[str]()
    files = RunFiles(mapping, ledger, run_id, log)
    passing = mapping.passing(clock.now().date())
    new = ledger.consents.unheard(flow, mapping.meanings())
    in_full = window.kind == "everything" or (window.kind == "changes" and bool(new))
    if in_full and new and not window.dry_run:
        ledger.consents.unhear(flow, new)
    anew = in_full or (window.kind == "changes" and ledger.consents.read_in_full(flow) != passing)
    source = source_of(mapping, table, dataverse, ledger, in_full=anew)
    with closing(Listed()) as heard:
        # What Campaign says: every profile, if a pair is at first sight or all is read again; and what files tell.
        for sifted in chain(
            all_profiles(mapping, resource, campaign, unheard) if in_full else (),
            # Half of the room is left to Dynamics.
            _files_and_doubts(
                files.frames(lambda: len(batches) <= max_batches() // 2), mapping, resource, campaign, ledger
            )
            if reads_files(mapping, window)
            else (),
        ):
            heard.add({str(key) for key in sifted.kept.index})
            at_rest(sifted)
        again = set[str]()
        if window.kind == "changes":
            again = set(heard.lacks(sorted({*_due(ledger, flow), *_undecided(ledger, flow, context)})))
        room = max(max_batches() - len(batches), 1)
        for sifted in changed_in_dynamics(source, window, room, mapping, heard):
            again -= {str(key) for frame in sifted for key in frame.index}
            at_rest(sifted)
        if again:
            for sifted in looked_at_again(mapping, table, dataverse, again):
                at_rest(sifted)
    ended = source.ended()
    read = {
        "notes": [*_unheard_notes(unheard), *files.notes, *ended["notes"]], **files.to_json(),
        "heard": sorted(mapping.pairs) if in_full and not window.limit and not unheard["missing"] else [],
        "passing": passing if anew and not window.limit else "",
    }  # fmt: skip
    write_document(first.folder, READ, ended | read)
    rows = sum(batch.tally["extracted"] for batch in batches)
    log.info("extract: %s: %d rows in %d batches", window.text, rows, len(batches))
    return batches


def _unheard_notes(unheard: Counter[str]) -> Iterator[str]:
    if keyless := unheard["keyless"]:
        yield f"{keyless:,} profiles without externalId are of nobody whom Dynamics knows"
    if missing := unheard["missing"]:
        yield (
            f"Campaign has {missing:,} profiles more than it lists: the next run reads all of them again. If it stays "
            "so, ask the administrator of the Campaign instance"
        )


def _files_and_doubts(
    frames: Iterator[Sifted],
    mapping: OptOutMapping,
    resource: ResourceSchema,
    campaign: CampaignHook,
    ledger: Ledger,
) -> Iterator[Sifted]:
    for sifted in frames:
        yield sifted
        yield from asked_again(sifted, mapping, resource, campaign, ledger)


def _due(ledger: Ledger, flow: str) -> list[str]:
    """Contacts that could not be told; somebody may have mended the reason."""
    return ledger.consents.due(flow, Contacts.AT_ONCE, clock.now())


def _undecided(ledger: Ledger, flow: str, context: Context) -> list[str]:
    """Contacts with opt-ins that were held back, if a person is to decide about them."""
    return ledger.consents.undecided(flow, Contacts.AT_ONCE) if context["params"].get(DECIDE) else []


def _too_many() -> RefusedError:
    problem = f"this run has more than {max_batches():,} batches, and Airflow maps no more tasks"
    remedy = f"Raise [core] max_map_length in Airflow's configuration, for instance to {4 * max_batches()}"
    return RefusedError("Airflow", "[core] max_map_length", None, "", problem, remedy)


def step_opt_outs(stored: dict[str, Any], step: str, log: logging.Logger) -> Batch:
    """Take one step with one batch: what it keeps goes on, what it removes is put beside it."""
    batch = Batch.from_dict(stored)
    mapping, table, _, _ = OptOutSetting.of(batch.folder)
    frame = batch.read()
    # A check that stops the run stops the batches beside it as well: guard and load look for this.
    stopped = document(batch.number, STOPPED)
    remove(batch.folder, document(batch.number, CHECKED))
    if step == "check":
        try:
            checked = check_rows(frame, mapping)
        except QualityError as problem:
            write_document(batch.folder, stopped, {"problem": str(problem)})
            raise
        sifted = checked.sifted
        write_text(batch.folder, f"{batch.number:05d}.checks.html", checked.html)
        write_document(batch.folder, document(batch.number, CHECKED), {"checks": checked.results})
    elif step == "filter":
        numbered = _with_contacts(frame, mapping, table).assign(**{ROW: range(len(frame))})
        kept, removed = filter_rows(numbered, mapping, table, now=clock.now())
        sifted = Sifted(kept.drop(columns=ROW), said_beside(removed, numbered, kept, mapping))
    else:
        made = meant(frame, mapping) if step == "map" else filled(frame, mapping)
        sifted = sift(made, made, [], "dropped")
    remove(batch.folder, stopped)
    log.info("%s batch %d: %d rows in, %d kept", step, batch.number, len(frame), len(sifted.kept))
    return batch.write(step, sifted.kept, sifted.removed, batch.tally)


def _with_contacts(frame: pd.DataFrame, mapping: OptOutMapping, table: TableSchema) -> pd.DataFrame:
    """The frame with what the filter needs. Rows of Campaign have nothing of it: their contacts are asked for.

    Not before the change feed was read: a contact that passes only after that comes again with the next run, while of
    one that was asked for earlier the feed's last word would be left out (``changed_in_dynamics``).
    """
    from campaign_sync.hooks.dataverse import DataverseHook

    if has_filtered(frame, mapping, table):
        return frame
    keys = sorted({str(key) for key in frame.index})
    return with_filtered(frame, contacts_now(mapping, table, DataverseHook(), keys), mapping, table)
