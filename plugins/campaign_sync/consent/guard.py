"""The guard of opt-outs: how many people's consent a run would change, and what a person is asked if that is much.

An opt-out waits for nobody's answer about opt-ins. A run that started by itself does not ask about them: it holds them
back, tells all else and ends, so that the next no finds the flow free. What was held back once stays so, however few a
later run meets, or many would go a few at a time. A run that a person started to decide about them asks, for a short
time. An opt-in is told only if it is on the list that was let through. Not for waiting (``operators.py``) nor for the
question's form (``run/guard.py``, which this shares).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.planning import Planner
from campaign_sync.consent.setting import OptOutSetting
from campaign_sync.consent.vocabulary import AT_MOST, DECIDE
from campaign_sync.errors import QualityError
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.storage import (
    documents,
    find_document,
    folder_of,
    read_document,
    remove,
    write_document,
)
from campaign_sync.run.guard import Question, Wording, guard_problem, guard_told, judge, whole_batches
from campaign_sync.run.report import SAMPLE
from campaign_sync.run.setting import GUARD, HARM, LOADED, document
from campaign_sync.settings import ledger_url, storage_root

if TYPE_CHECKING:
    from airflow.sdk import Context

    from campaign_sync.consent.plan import Plan
    from campaign_sync.rows.batch import Batch

CONTACTS = Wording(
    {"opt_outs": "opted out", "opt_ins": "opted in"},
    "contacts",
    "whose consent is known",
    "opts out, and opts in, exactly these contacts",
)
#: In the lists of a batch: opt-ins that wait for a person.
HELD = "held"
#: In what became of a batch: contacts with opt-ins that came up after the guard had looked.
BEYOND = "beyond"

NOES_TOLD = CONTACTS._replace(
    approved="opts in exactly these contacts",
    so_far="The opt-outs of this run have been told already.",
    remedy="The opt-outs were told and nobody was opted in; the opt-ins still wait for a person. Trigger the flow with "
    "“Decide about opt-ins” to be asked again, or correct the contacts on either side",
)


def guard_opt_outs(
    checked: Iterable[dict[str, Any] | None], context: Context, log: logging.Logger
) -> tuple[list[dict[str, Any]], Question | None]:
    """The batches to load, and what to ask first if they would change more people's consent than the mapping allows.

    Opt-ins beyond the limit wait for a run in which a person decides. Raises QualityError if a check stopped the run.
    """
    from campaign_sync.consent.load import EARLY, tell_noes
    from campaign_sync.hooks.dataverse import DataverseHook

    flow, run_id = context["dag"].dag_id, str(context["run_id"])
    folder = folder_of(storage_root(), flow, run_id)
    setting = OptOutSetting.of(folder)
    for name in (*documents(folder, HARM), *documents(folder, LOADED), *documents(folder, EARLY), GUARD):
        remove(folder, name)  # a run that is cleared is judged anew
    batches = whole_batches(folder, checked, f"{flow}, {run_id}")
    ledger, dataverse = Ledger(ledger_url()), DataverseHook()
    contacts: dict[str, set[str]] = {harm: set() for harm in CONTACTS.harms}
    why = {harm: Counter[str]() for harm in CONTACTS.harms}
    waiting: set[str] = set()  # contacts with opt-ins that an earlier run has held back
    unasked = not (setting.window.dry_run or context["params"].get(DECIDE))
    for batch in batches:
        planner = Planner(batch.read(), setting, ledger, dataverse)
        lists: dict[str, list[str]] = {kind: [] for kind in (*CONTACTS.harms, HELD)}
        for plan in planner.plan(planner.keys).values():
            for harm, name in told_by(plan):
                judged = plan.judged[name]
                if unasked and harm == "opt_ins" and judged.known and judged.known.undecided:
                    lists[HELD].append(f"{plan.key} {name}")
                    waiting.add(plan.key)
                    continue
                lists[harm].append(f"{plan.key} {name}")
                contacts[harm].add(plan.key)
                why[harm][f"{name}: {judged.decision.why}"] += 1
        if any(lists.values()):
            write_document(
                folder, document(batch.number, HARM), {harm: sorted(keys) for harm, keys in lists.items()}
            )
    guard, window = setting.mapping.guard, setting.window
    present = ledger.consents.contacts(flow)
    news: set[str] = set()  # contacts with opt-ins that no run has held back before
    if unasked and not guard.allows("opt_ins", len(contacts["opt_ins"]), present):
        news, contacts["opt_ins"] = contacts["opt_ins"], set()
        _hold_back(folder)
    held: dict[str, Any] = {}
    if everybody := waiting | news:
        held = {
            "contacts": len(everybody), "new": len(news), "allowed": guard.opt_ins,
            "samples": sorted(everybody)[:SAMPLE],
        }  # fmt: skip
        log.info("guard: %d contacts may not be opted in unasked: they wait for a person", len(everybody))
    counts = {harm: len(keys) for harm, keys in contacts.items()}
    found = {
        "present": present, **counts, "held": held,
        "too_much": [harm for harm in CONTACTS.harms if not guard.allows(harm, counts[harm], present)],
        "samples": {harm: sorted(keys)[:SAMPLE] for harm, keys in contacts.items()},
        "why": {harm: dict(each.most_common(SAMPLE)) for harm, each in why.items()},
        "batches": [batch.as_dict() for batch in batches],
    }  # fmt: skip
    wording = CONTACTS
    if found["too_much"] == ["opt_ins"] and not window.dry_run:
        for batch in batches:
            tell_noes(batch, setting)
        wording, guard = NOES_TOLD, guard.at_most(AT_MOST)
    return judge(folder, found, wording, guard=guard, window=window, run=(flow, run_id), log=log)


def _hold_back(folder: str) -> None:
    """Take the opt-ins off the lists of what may be told."""
    for name in documents(folder, HARM):
        lists = read_document(folder, name)
        write_document(folder, name, lists | {"opt_ins": [], HELD: [*lists[HELD], *lists["opt_ins"]]})


def held_notes(folder: str) -> list[str]:
    """What people should read about opt-ins that were held back."""
    if not (held := guard_told(folder).get("held")):
        return []
    return [f"{held['contacts']:,} contacts wait for a person to be opted in ({', '.join(held['samples'])})"]


def held_problem(folder: str, where: str) -> QualityError | None:
    """Why a person is wanted, if opt-ins were held back that no run has held back before."""
    held = guard_told(folder).get("held")
    if not held or not held["new"]:
        return None
    return QualityError(
        f"{held['contacts']:,} contacts would be opted in, and {held['allowed']} may be: nobody was",
        where,
        "Trigger the flow with “Decide about opt-ins”, and answer in Required Actions; until then it goes on telling "
        "opt-outs, and this is not said again",
    )


def beyond_problem(folder: str, where: str) -> QualityError | None:
    """Why a person is wanted, if opt-ins came up after the guard had looked. They are remembered, so that the run goes
    on to its end: one that stopped here would find the same files again, and the same opt-ins.
    """
    beyond = {
        key for name in documents(folder, LOADED) for key in read_document(folder, name).get(BEYOND, ())
    }
    if not beyond:
        return None
    return QualityError(
        f"{len(beyond):,} contacts would be opted in whom the guard did not see, as they changed since, or between two "
        f"files of this run ({', '.join(sorted(beyond)[:SAMPLE])}): nobody was; all else was told",
        where,
        "They wait for a person: trigger the flow with “Decide about opt-ins”, and answer in Required Actions",
    )


def told_by(plan: Plan) -> Iterable[tuple[str, str]]:
    """What a plan tells: opt_outs or opt_ins, and the attribute."""
    for name, no in plan.telling_both():
        yield ("opt_outs" if no else "opt_ins"), name


def opt_ins_of(batch: Batch, where: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The opt-ins of a batch that the guard saw and let through, and those that it held back, as contact and attribute.

    Raises QualityError if it has not let the run through.
    """
    if problem := guard_problem(batch.folder, where):
        raise problem
    seen = find_document(batch.folder, document(batch.number, HARM))
    allowed, waiting = (
        {(key, name) for key, _, name in (each.partition(" ") for each in seen.get(kind, ()))}
        for kind in ("opt_ins", HELD)
    )
    return allowed, waiting
