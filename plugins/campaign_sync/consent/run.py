"""What the operators of an opt-outs flow call before anybody is told: extract, and the four steps of a batch.

Everything a later step needs is in the run's folder, as in the other flows' runs (``run/run.py``). Not for telling
(``load.py``).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.doubt import asked_again
from campaign_sync.consent.reading import (
    all_profiles,
    changed_in_dynamics,
    looked_at_again,
    source_of,
    with_contacts,
)
from campaign_sync.consent.setting import OptOutSetting, read_schemas, reads_files
from campaign_sync.consent.sides import ROW, filled, meant, said_beside
from campaign_sync.consent.vocabulary import DECIDE
from campaign_sync.errors import QualityError, RefusedError
from campaign_sync.exports.taking import as_documents
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
    from airflow.sdk import Context

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.ledger.events import TakenFile
    from campaign_sync.run.window import Window
    from campaign_sync.schema import ResourceSchema

#: Contacts that could not be told in earlier runs, and are looked at again in one run.
AGAIN_AT_ONCE = 5_000


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
    notes: list[str] = []

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

    taken: list[TakenFile] = []
    left: list[str] = []  # files for the next run
    source = source_of(mapping, table, dataverse, ledger)
    in_full = window.kind == "everything" or (window.kind == "changes" and _new_pairs(mapping, ledger))
    with closing(Listed()) as heard:
        for sifted in _of_campaign(
            mapping, window, resource, campaign, ledger, run_id, taken, left, notes, log, in_full=in_full
        ):
            heard.add({str(key) for key in sifted.kept.index})
            at_rest(with_contacts(sifted, mapping, table, dataverse))
        again = set[str]()
        if window.kind == "changes":
            again = set(heard.lacks(sorted({*_due(ledger, flow), *_undecided(ledger, flow, context)})))
        for sifted in changed_in_dynamics(source, window, max_batches(), mapping, heard):
            again -= {str(key) for frame in sifted for key in frame.index}
            at_rest(sifted)
        if again:
            for sifted in looked_at_again(mapping, table, dataverse, again):
                at_rest(sifted)
    ended = source.ended()
    read = {
        "notes": [*notes, *ended["notes"]], "files": as_documents(taken), "left": left,
        "heard": sorted(mapping.pairs) if in_full and not window.limit else [],
    }  # fmt: skip
    write_document(first.folder, READ, ended | read)
    rows = sum(batch.tally["extracted"] for batch in batches)
    log.info("extract: %s: %d rows in %d batches", window.text, rows, len(batches))
    return batches


def _of_campaign(
    mapping: OptOutMapping,
    window: Window,
    resource: ResourceSchema,
    campaign: CampaignHook,
    ledger: Ledger,
    run_id: str,
    taken: list[TakenFile],
    left: list[str],
    notes: list[str],
    log: logging.Logger,
    *,
    in_full: bool,
) -> Iterator[Sifted]:
    """What Campaign says: every profile, if a pair is at first sight or all is read again; and what files tell."""
    if in_full:
        keyless = 0
        for sifted, without in all_profiles(mapping, resource, campaign):
            yield sifted
            keyless += without
        if keyless:
            notes.append(f"{keyless:,} profiles without externalId are of nobody whom Dynamics knows")
    if reads_files(mapping, window):
        for sifted in _taken_files(mapping, ledger, run_id, taken, left, notes, log):
            yield sifted
            yield from asked_again(sifted, mapping, resource, campaign, ledger)


def _taken_files(
    mapping: OptOutMapping,
    ledger: Ledger,
    run_id: str,
    taken: list[TakenFile],
    left: list[str],
    notes: list[str],
    log: logging.Logger,
) -> Iterator[Sifted]:
    """The rows of the files that are ready; what became of the files is added to `taken` and `left`."""
    from campaign_sync.consent.optout_file import OptOutFile
    from campaign_sync.exports.export_file import UnusableFile
    from campaign_sync.exports.taking import Taking, ready_files, require_folders
    from campaign_sync.hooks.campaign_files import CampaignFilesHook

    opened = partial(OptOutFile, mapping=mapping)
    with tempfile.TemporaryDirectory() as place, CampaignFilesHook().session() as files:
        require_folders(files, mapping.extract)
        taking = Taking(files, mapping.extract, ledger.events, mapping.name, run_id, Path(place), opened)
        for ready in ready_files(files, taking):
            try:
                frames = [*taking.frames(ready, log)]
            except UnusableFile:
                continue  # noted by then
            yield from frames
    taken += taking.taken
    left += taking.left
    notes += [f"{name} still grows: it is left for the next run" for name in taking.growing]


def _new_pairs(mapping: OptOutMapping, ledger: Ledger) -> bool:
    """Whether a pair was not heard in full yet, by a run that ended well: then both sides are."""
    return not ledger.consents.heard_in_full(mapping.name) >= set(mapping.pairs)


def _due(ledger: Ledger, flow: str) -> list[str]:
    """Contacts that could not be told; somebody may have mended the reason."""
    return ledger.consents.due(flow, AGAIN_AT_ONCE, clock.now())


def _undecided(ledger: Ledger, flow: str, context: Context) -> list[str]:
    """Contacts with opt-ins that were held back, if a person is to decide about them."""
    return ledger.consents.undecided(flow, AGAIN_AT_ONCE) if context["params"].get(DECIDE) else []


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
        numbered = frame.assign(**{ROW: range(len(frame))})
        kept, removed = filter_rows(numbered, mapping, table)
        sifted = Sifted(kept.drop(columns=ROW), said_beside(removed, numbered, kept, mapping))
    else:
        made = meant(frame, mapping) if step == "map" else filled(frame, mapping)
        sifted = sift(made, made, [], "dropped")
    remove(batch.folder, stopped)
    log.info("%s batch %d: %d rows in, %d kept", step, batch.number, len(frame), len(sifted.kept))
    return batch.write(step, sifted.kept, sifted.removed, batch.tally)
