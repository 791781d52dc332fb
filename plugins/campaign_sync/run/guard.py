"""The guard: what a run would delete or empty, whether the mapping allows that, what a person is asked if not (C4);
and, as it has planned all batches, whether the run's rows go by REST or by file (I14).

Plans every batch against the ledger and writes nothing. Not for waiting (``operators.py``), nor for the writes
themselves (``load.py``).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import QualityError
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import (
    documents,
    find_document,
    folder_of,
    read_document,
    remove,
    write_document,
)
from campaign_sync.run import clock
from campaign_sync.run.load import plan_batch
from campaign_sync.run.parts import count_by_file, parts_of, prefix_of
from campaign_sync.run.report import SAMPLE
from campaign_sync.run.setting import (
    CHECKED,
    GUARD,
    HARM,
    LOADED,
    PARKED,
    STOPPED,
    WAY,
    Setting,
    document,
    numbers,
)
from campaign_sync.settings import ledger_url, storage_root
from campaign_sync.waits import COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.mapping.limits import Asking
    from campaign_sync.run.planned import Plan
    from campaign_sync.run.window import Window

#: Words of a mapping's `guard` → what they limit, in words.
HARMS = {"deletes": "deleted", "blanks": "emptied in part"}


REMEDY = (
    "Nothing was written, and the place in the change feed has not moved: the next run finds the same and asks again. "
    "Pause the flow, mend the mapping or the rows in Dynamics"
)


class Wording(NamedTuple):
    """What a person reads about the harms of one kind of flow."""

    harms: dict[str, str]  # word of the mapping's `guard` → what would become of the things
    things: str
    among: str  # of which all of them are
    approved: str  # what an approval does to those that are listed
    so_far: str = "Nothing of this run has been written yet."
    remedy: str = REMEDY


RECORDS = Wording(HARMS, "records", "that are in Campaign", "deletes or empties exactly these records")

#: How a guarded run may end up; a run that waits is `asking`.
GOOD = ("within limits", "approved", "dry run")


class Question(NamedTuple):
    """What a person is asked, and how long they may take."""

    subject: str
    body: str  # Markdown
    patience: timedelta


def guard_run(
    checked: Iterable[dict[str, Any] | None], context: Context, log: logging.Logger
) -> tuple[list[dict[str, Any]], Question | None]:
    """The batches to load, and what to ask first if they would do more harm than the mapping allows.

    Raises QualityError if a check stopped the run.
    """
    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    folder = folder_of(storage_root(), flow, run_id)
    mapping, _, _, window = Setting.of(folder)
    for name in (*documents(folder, HARM), *documents(folder, PARKED), *documents(folder, LOADED), GUARD):
        remove(folder, name)  # a run that is cleared is judged anew
    batches = whole_batches(folder, checked, f"{flow}, {run_id}")
    ledger = Ledger(ledger_url())
    counts, why = Counter[str](), {harm: Counter[str]() for harm in HARMS}
    samples: dict[str, list[str]] = {harm: [] for harm in HARMS}
    empty, by_file = ledger.is_empty(flow), 0
    with ledger.held():
        for batch in () if empty else batches:
            removed = batch.removed()
            plan = plan_batch(batch.read(), removed, mapping, ledger, force=window.force)
            by_file += count_by_file(plan, mapping)
            keys = _harmed(plan)
            why["deletes"].update(_reasons(plan, removed))
            why["blanks"].update(
                f"{field} would be empty" for each in plan.emptied for field in each.split(", ")
            )
            for harm, harmed in keys.items():
                counts[harm] += len(harmed)
                samples[harm] = [*samples[harm], *harmed][:SAMPLE]
            if any(keys.values()):
                write_document(folder, document(batch.number, HARM), keys)
            if len(plan.parked):
                waits = {str(key): told for key, told in plan.parked[list(COLUMNS)].to_dict("index").items()}
                write_document(folder, document(batch.number, PARKED), waits)

    _choose_way(folder, mapping, run_id, sum(batch.rows for batch in batches) if empty else by_file, log)

    # Shares are of all records in Campaign, which takes long to count: only where the number of rows does not suffice.
    few = all(mapping.guard.allows(harm, counts[harm], 0) for harm in HARMS)
    present = 0 if few else ledger.counts(flow).present
    too_much = [harm for harm in HARMS if not mapping.guard.allows(harm, counts[harm], present)]
    told = {
        "present": present, **{harm: counts[harm] for harm in HARMS}, "too_much": too_much, "samples": samples,
        "why": {harm: dict(each.most_common(SAMPLE)) for harm, each in why.items()},
        "batches": [batch.as_dict() for batch in batches],
    }  # fmt: skip
    return judge(folder, told, RECORDS, guard=mapping.guard, window=window, run=(flow, run_id), log=log)


def whole_batches(folder: str, checked: Iterable[dict[str, Any] | None], where: str) -> list[Batch]:
    """The batches that came through their check, in their order; raises QualityError if a check stopped the run."""
    require_not_stopped(folder, where)
    # A task that is cleared and then fails before its turn leaves the reference that it returned the first time.
    whole = numbers(folder, CHECKED)
    batches = [Batch.from_dict(each) for each in checked if each and each["number"] in whole]
    return sorted(batches, key=lambda batch: batch.number)


def judge(
    folder: str,
    found: dict[str, Any],
    wording: Wording,
    *,
    guard: Asking,
    window: Window,
    run: tuple[str, str],
    log: logging.Logger,
) -> tuple[list[dict[str, Any]], Question | None]:
    """Leave in the run's folder what the guard found; the batches to load, and what a person is to be asked first.

    :param found: a number for each harm; `present`, of which these are shares; `too_much`, the harms that are beyond
        their limit; `samples` and `why` by harm; `batches`.
    """
    too_much, present = found["too_much"], found["present"]
    told: dict[str, Any] = found | {
        "digest": _digest(folder),
        "remedy": wording.remedy,
        "summary": "; ".join(
            f"{found[harm]:,} of {present:,} {wording.things} would be {wording.harms[harm]}, and "
            f"{getattr(guard, harm)} may be" for harm in too_much
        ),
    }  # fmt: skip
    state = "within limits" if not too_much else "dry run" if window.dry_run else "asking"
    write_document(folder, GUARD, {"state": state, **told})
    counts = " and ".join(f"{told[harm]} {wording.things} {said}" for harm, said in wording.harms.items())
    log.info("guard: %d batches, %s: %s", len(told["batches"]), counts, state)
    if too_much and window.dry_run:
        log.warning("guard: a person would be asked: %s", told["summary"])
    question = _question(*run, window=window.text, told=told, guard=guard, wording=wording)
    return told["batches"], question if state == "asking" else None


def _choose_way(folder: str, mapping: Mapping, run_id: str, rows: int, log: logging.Logger) -> None:
    """Leave in the run's folder whether its rows go by file; a run that has begun to, goes on so."""
    threshold = mapping.load.files_from
    if threshold is None or parts_of(folder):
        return
    chosen = {
        "files": rows >= threshold, "rows": rows, "from": threshold,
        "prefix": prefix_of(mapping.name, run_id, clock.now()),
    }  # fmt: skip
    write_document(folder, WAY, chosen)
    log.info(
        "guard: %d rows may go by file, and files are used from %d: %s",
        rows, threshold, "by file" if chosen["files"] else "by REST",
    )  # fmt: skip


def guard_answered(approved: bool | None, context: Context, log: logging.Logger) -> list[dict[str, Any]]:
    """The batches to load, after a person has approved.

    :param approved: None if nobody answered in time.

    Raises QualityError if nobody approved, or if the list of keys is no longer the one that was asked about.
    """
    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    folder = folder_of(storage_root(), flow, run_id)
    told = read_document(folder, GUARD)
    if approved and _digest(folder) != told["digest"]:
        raise QualityError("the list of keys is not the one that was approved", f"{flow}, {run_id}", REMEDY)
    state = "approved" if approved else "refused" if approved is False else "unanswered"
    write_document(folder, GUARD, told | {"state": state})
    log.info("guard: %s: %s", state, told["summary"])
    if problem := guard_problem(folder, f"{flow}, {run_id}"):
        raise problem
    batches: list[dict[str, Any]] = told["batches"]
    return batches


def guard_problem(folder: str, where: str) -> QualityError | None:
    """Why the guard holds a run up; None if it does not, or never had to look at it."""
    told = guard_told(folder)
    if not told or told["state"] in GOOD:
        return None
    said = {
        "asking": "nobody has decided yet",
        "refused": "a person refused this",
        "unanswered": "nobody decided in time",
    }[told["state"]]
    return QualityError(f"{told['summary']}; {said}", where, told.get("remedy", REMEDY))


def guard_notes(folder: str) -> list[str]:
    """What people should read about the guard in a run's report."""
    told = guard_told(folder)
    asked = {"approved": "the guard asked, and a person approved", "dry run": "the guard would ask a person"}
    return [f"{asked[told['state']]}: {told['summary']}"] if told and told["state"] in asked else []


def guard_told(folder: str) -> dict[str, Any]:
    """What the guard found in a run; empty if it never looked at it."""
    return find_document(folder, GUARD)


def hold_parked(batch: Batch, plan: Plan) -> Plan:
    """The plan, in which what would do harm and was parked when the guard looked stays parked until the next run: its
    wait has ended since, and nobody has judged it.
    """
    import pandas as pd

    parked = find_document(batch.folder, document(batch.number, PARKED))
    harmful = {key for keys in _harmed(plan).values() for key in keys}
    waits = {key: told for key, told in parked.items() if key in harmful}
    return plan.without(pd.DataFrame.from_dict(waits, orient="index")) if waits else plan


def require_guarded(batch: Batch, plan: Plan, ledger: Ledger) -> None:
    """A plan may do no harm beyond what the guard saw: the list may have shrunk since, not grown.

    Records that this very run was the last to write are its own: a row that came twice in it may have changed between.

    Raises QualityError if it has, or if the guard has not let the run through.
    """
    where = f"{batch.flow}, batch {batch.number}"
    if problem := guard_problem(batch.folder, where):
        raise problem
    allowed = find_document(batch.folder, document(batch.number, HARM))
    for harm, keys in _harmed(plan).items():
        unseen = set(keys) - set(allowed.get(harm, ()))
        beyond = sorted(ledger.taken_over(batch.flow, unseen, batch.run_id)) if unseen else []
        if beyond:
            raise QualityError(
                f"{len(beyond)} records would be {HARMS[harm]} that the guard did not see: another run has written "
                f"them since ({', '.join(beyond[:SAMPLE])})",
                where,
                "This batch was not written. Nothing is lost: the next run reads it again and asks the guard anew",
            )


def require_not_stopped(folder: str, where: str) -> None:
    """Raises QualityError if a check stopped the run: no batch may be written then."""
    if stops := documents(folder, STOPPED):
        raise QualityError(
            f"a check stopped this run at batch {int(stops[0].removesuffix(STOPPED))}, so nothing more was written",
            where,
            "See the log of that batch's check",
        )


def _harmed(plan: Plan) -> dict[str, list[str]]:
    return {
        "deletes": sorted(map(str, plan.delete.index)),
        "blanks": sorted(map(str, plan.emptied.index)),
    }


def _reasons(plan: Plan, removed: pd.DataFrame) -> Iterable[str]:
    doomed = removed[removed.index.isin(plan.delete.index)]
    for fate, rule in zip(doomed["fate"], doomed["rule"], strict=True):
        yield "deleted in Dynamics" if fate == "deleted" else f"no longer passes the filter: {rule}"


def _digest(folder: str) -> str:
    """Of all keys in the order of batches, harms and keys."""
    digest = hashlib.sha256()
    for name in documents(folder, HARM):
        for harm, keys in sorted(read_document(folder, name).items()):
            digest.update("\n".join([name, harm, *keys, ""]).encode())
    return digest.hexdigest()


def _question(
    flow: str, run_id: str, *, window: str, told: dict[str, Any], guard: Asking, wording: Wording
) -> Question:
    harms, things, among, approved, so_far, _ = wording
    lines = [f"**{flow}**, run `{run_id}` ({window})", ""]
    for harm in told["too_much"]:
        count, present = told[harm], told["present"]
        lines += [
            f"### {count:,} {things} would be {harms[harm]}",
            "",
            f"That is {100 * count / max(present, 1):.1f} % of the {present:,} {among}.",
            f"The mapping allows {getattr(guard, harm)} (`guard.{harm}`).",
            "",
            *(f"- {number:,}: {reason}" for reason, number in told["why"][harm].items()),
            "",
            f"{'Some of them' if count > SAMPLE else 'They are'}: "
            + ", ".join(f"`{key}`" for key in told["samples"][harm]),
            "",
        ]
    other = [harm for harm in harms if harm not in told["too_much"] and told[harm]]
    lines += [f"Within the limits, {told[harm]:,} {things} would be {harms[harm]}.\n" for harm in other]
    lines.append(
        f"{so_far} **Approve** writes all of it, and {approved} "
        f"(list `{told['digest'][:12]}`). **Reject**, or no answer within {guard.waits}, leaves everything as "
        "it was; the run fails, and the next one finds the same changes again."
    )
    shown = ", ".join(f"{told[harm]:,} {harm}" for harm in told["too_much"])
    return Question(f"{flow}: {shown}?", "\n".join(lines), guard.patience)
