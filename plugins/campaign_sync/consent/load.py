"""Load: have both sides told what a batch comes to, remember it, and count what became of it.

Not for deciding (``plan.py``) nor for how somebody is told (``telling.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.guard import BEYOND, opt_ins_of
from campaign_sync.consent.plan import CAMPAIGN, DYNAMICS, Plan, held_back
from campaign_sync.consent.planning import Planner, untold
from campaign_sync.consent.reading import DELETED, GUID, NO_CONTACT
from campaign_sync.consent.setting import OptOutSetting
from campaign_sync.consent.sides import filled, heard_of, meant
from campaign_sync.errors import TransientError
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import find_document, write_document
from campaign_sync.run import clock
from campaign_sync.run.report import SAMPLE, Tally
from campaign_sync.run.setting import LOADED, document
from campaign_sync.settings import ledger_url
from campaign_sync.waits import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.consent.telling import Told
    from campaign_sync.ledger.consent import Kept

#: A document of a batch: what was told before a person was asked.
EARLY = ".early.json"

#: How often a contact is decided about anew of whom another run, such as a backfill, keeps something meanwhile.
TRIES = 5


def load_opt_outs(stored: dict[str, Any], log: logging.Logger) -> Batch:
    """Tell the two sides what one batch comes to, and remember it.

    Opt-ins that the guard did not see wait for a person, and are listed for reconcile. Raises TransientError or
    RefusedError when a system cannot or will not go on; what was told is remembered.
    """
    from campaign_sync.run.guard import require_not_stopped

    batch = Batch.from_dict(stored)
    where = f"{batch.flow}, batch {batch.number}"
    require_not_stopped(batch.folder, where)
    allowed, waiting = opt_ins_of(batch, where)
    setting = OptOutSetting.of(batch.folder)
    if setting.window.dry_run:
        told, beyond = planned(batch, setting), set[tuple[str, str]]()
    else:
        told, held = tell_batch(batch, setting, allowed)
        beyond = held - waiting
    loaded = loaded_of(batch, [*with_early(batch, told)]) | {BEYOND: sorted({key for key, _ in beyond})}
    write_document(batch.folder, document(batch.number, LOADED), loaded)
    tally = Tally.from_dict(loaded["tally"])
    log.info("load batch %d%s: %s", batch.number, " (dry run)" if setting.window.dry_run else "", tally)
    return replace(batch, tally=tally.as_dict())


def tell_batch(
    batch: Batch, setting: OptOutSetting, allowed: Collection[tuple[str, str]]
) -> tuple[list[Told], set[tuple[str, str]]]:
    """Tell what a batch comes to and remember it; what became of each contact, and the opt-ins that were held back:
    they are remembered as undecided.

    :param allowed: opt-ins that may be told, as pairs of contact and attribute.
    """
    from campaign_sync.consent.telling import Teller, Told
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

    mapping, table, resource, _ = setting
    ledger, dataverse = Ledger(ledger_url()), DataverseHook()
    frame, waits_for = batch.read(), profiles_flow(mapping)
    held: set[tuple[str, str]] = set()
    became: dict[str, Told] = {}

    def tell(some: Collection[str]) -> set[str]:
        planner = Planner(frame[frame.index.isin([*some])], setting, ledger, dataverse)
        overtaken: set[str] = set()

        def plan(keys: Collection[str]) -> dict[str, Plan]:
            found = {}
            for key, each in planner.plan(keys).items():
                found[key], waits = held_back(each, allowed)
                held.update(waits)
            return found

        def remember(told: list[Told]) -> None:
            overtaken.update(_remember(ledger, batch, mapping, told, planner.known, waits_for))

        plans = plan(planner.keys)
        gone = [
            Told(Plan(key, 0, {}), "dropped", NO_CONTACT, kept=tuple(planner.untold(key)))
            for key in planner.keys
            if key not in plans
        ]
        remember(gone)
        teller = Teller(mapping, table, resource, dataverse, CampaignHook(), planner.known, plan)
        for each in [*gone, *teller.tell(plans.values(), remember)]:
            before = became.get(each.plan.key)
            became[each.plan.key] = _after(before.told, each) if before else each
        return overtaken

    _remember_removed(ledger, batch, mapping)
    _until_kept(tell, {str(key) for key in frame.index}, batch)
    return [*became.values()], held


def _until_kept(work: Callable[[Collection[str]], set[str]], keys: Collection[str], batch: Batch) -> None:
    """Do it with these contacts, and once more with those of whom another run has kept something meanwhile: what that
    one heard counts, too.
    """
    left = {*keys}
    for _ in range(TRIES):
        left = work(left)
        if not left:
            return
    raise TransientError(
        "ledger",
        batch.flow,
        None,
        f"another run kept something of {len(left)} contacts each of the {TRIES} times that they were told",
        "The next try, or the next run, reads them again",
    )


def tell_noes(batch: Batch, setting: OptOutSetting) -> None:
    """Tell what nobody has to be asked about, while a person is asked about opt-ins: a no does not wait for a yes."""
    told, _ = tell_batch(batch, setting, set())
    write_document(
        batch.folder, document(batch.number, EARLY), {each.plan.key: each.told for each in told if each.told}
    )


def with_early(batch: Batch, told: Iterable[Told]) -> Iterator[Told]:
    """What became of each contact, with what it was told before a person was asked."""
    early = find_document(batch.folder, document(batch.number, EARLY))
    for each in told:
        yield _after(tuple((side, name, no) for side, name, no in early.get(each.plan.key, ())), each)


def _after(before: tuple[tuple[str, str, bool], ...], told: Told) -> Told:
    """What became of a contact that had been told something before."""
    fate = "updated" if before and told.fate == "unchanged" else told.fate
    return told._replace(fate=fate, told=tuple(dict.fromkeys((*before, *told.told))))


def planned(batch: Batch, setting: OptOutSetting) -> list[Told]:
    """What would become of a batch if every call succeeded, for a dry run."""
    from campaign_sync.consent.telling import Told
    from campaign_sync.hooks.dataverse import DataverseHook

    planner = Planner(batch.read(), setting, Ledger(ledger_url()), DataverseHook())
    plans = planner.plan(planner.keys)
    found = [Told(Plan(key, 0, {}), "dropped", NO_CONTACT) for key in planner.keys if key not in plans]
    for plan in plans.values():
        told = tuple(
            (side, name, no) for side in (DYNAMICS, CAMPAIGN) for name, no in plan.telling(side).items()
        )
        found.append(Told(plan, "updated" if told else "unchanged", told=told))
    return found


def profiles_flow(mapping: OptOutMapping) -> str:
    """The flow that makes the profiles of the contacts: who has none waits for it; empty where there is none."""
    from campaign_sync.errors import MappingError
    from campaign_sync.mapping.file import load_mapping
    from campaign_sync.mapping.kinds import mapping_files

    for path in mapping_files(Path(mapping.path).parent):
        try:
            rows = load_mapping(path)
        except MappingError:
            continue
        if (rows.extract.table, rows.load.resource) == (mapping.extract.table, mapping.load.resource):
            return rows.name
    return ""


def _remember(
    ledger: Ledger,
    batch: Batch,
    mapping: OptOutMapping,
    told: list[Told],
    known: Mapping[str, Mapping[str, Kept]],
    waits_for: str,
) -> set[str]:
    """Remember what was told, and who could not be told and why; of the contacts that are returned nothing, as another
    run has kept something of them since.

    :param known: what was known when it was decided.
    """
    from campaign_sync.waits import PARENT

    settled = [each.plan.key for each in told if each.whole and each.fate in ("updated", "unchanged")]
    kept = [(each.plan.key, name, how) for each in told for name, how in each.kept]
    read = {each.plan.key: known.get(each.plan.key, {}) for each in told}
    overtaken = ledger.consents.keep(
        batch.flow, batch.run_id, mapping.sha, kept, datetime.now(UTC), read=read, settled=settled
    )
    by_fate: dict[str, list[Told]] = {}
    for each in told:
        if each.plan.key not in overtaken:
            by_fate.setdefault(each.fate, []).append(each)
    if gone := [each.plan.key for each in by_fate.get("dropped", ())]:
        # Only the change feed says that a contact was deleted: whoever is not shown may be back.
        ledger.consents.looked_at(batch.flow, mapping.sha, gone, clock.now())
    refused = [
        (each.plan.key, each.plan.version, "load", each.rule, each.reason)
        for each in by_fate.get("rejected", ())
    ]
    waiting = [
        (each.plan.key, each.plan.version, PARENT, waits_for, each.plan.key, each.reason)
        for each in by_fate.get("parked", ())
    ]
    _list(ledger, batch, mapping, refused, waiting)
    return overtaken


def _remember_removed(ledger: Ledger, batch: Batch, mapping: OptOutMapping) -> None:
    """Remember what the steps before did not let through."""
    removed = batch.removed()
    gone = removed[(removed["rule"] == DELETED).to_numpy(dtype=bool)]
    if len(gone):
        ledger.consents.remove(batch.flow, [str(key) for key in gone.index])
    passed = removed[(removed["fate"] == "dropped").to_numpy(dtype=bool)]
    # One that was looked at again and is not ours to tell: it waits, and others come first.
    keys = [str(key) for key in passed.index]
    ledger.consents.looked_at(batch.flow, mapping.sha, keys, clock.now())
    _remember_filtered(ledger, batch, mapping)
    # Places in files are no contacts, who could be looked at again: they are in the report alone.
    contacts = removed.index.astype(str).str.fullmatch(GUID.pattern)
    lost = removed[(removed["fate"] == "rejected").to_numpy(dtype=bool) & contacts]
    columns = [lost[name].tolist() for name in ("@version", "step", "rule", "reason")]
    _list(ledger, batch, mapping, list(zip(map(str, lost.index), *columns, strict=True)), [])


def _remember_filtered(ledger: Ledger, batch: Batch, mapping: OptOutMapping) -> None:
    """Remember what Campaign says of contacts that the filter holds back, as its file is not read again."""
    removed = batch.removed("filter")
    if not len(removed):
        return
    heard = heard_of(filled(meant(removed, mapping), mapping), mapping)

    def keep(keys: Collection[str]) -> set[str]:
        known = ledger.consents.known(batch.flow, keys)
        read = {key: known.get(key, {}) for key in keys}
        kept = [(key, name, how) for key in keys for name, how in untold(heard[key], read[key], mapping)]
        return ledger.consents.keep(batch.flow, batch.run_id, mapping.sha, kept, datetime.now(UTC), read=read)

    _until_kept(keep, heard, batch)


def _list(
    ledger: Ledger, batch: Batch, mapping: OptOutMapping, refused: list[Any], waiting: list[Any]
) -> None:
    import pandas as pd

    def frame(rows: list[Any], *columns: str) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=["key", *columns]).set_index("key")

    if refused or waiting:
        ledger.settle(
            batch.flow,
            frame([], "version", "sent_hash", "result"),
            frame(refused, "version", "step", "rule", "reason"),
            batch.run_id,
            mapping.sha,
            parked=frame(waiting, "version", *COLUMNS),
        )


def loaded_of(batch: Batch, told: Iterable[Told]) -> dict[str, Any]:
    """What became of a batch: counts, rules, a few keys of each; what was told, and what the sides disagreed about."""
    fates, dropped, rejected, parked = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    samples: dict[str, list[str]] = {}
    parked_samples: dict[str, list[str]] = {}
    said: Counter[str] = Counter()
    differed: dict[str, dict[str, list[str] | int]] = {}

    def count(rule: str, key: str, counts: Counter[str], keys: dict[str, list[str]] | None) -> None:
        counts[rule] += 1
        if keys is not None:
            keys[rule] = [*keys.get(rule, ()), key][:SAMPLE]

    removed = batch.removed()
    for key, fate, rule in zip(removed.index, removed["fate"], removed["rule"], strict=True):
        fates[fate] += 1
        if fate == "dropped":
            count(rule, str(key), dropped, None)
        else:
            count(rule, str(key), rejected, samples)
    contacts = 0
    for each in told:
        contacts += 1
        key = each.plan.key
        fates[each.fate] += 1
        if each.fate == "dropped":
            count(each.rule, key, dropped, None)
        elif each.fate == "rejected":
            count(each.rule, key, rejected, samples)
        elif each.fate == "parked":
            count(each.rule, key, parked, parked_samples)
        for side, _, no in each.told:
            said[f"{side} {'opt-outs' if no else 'opt-ins'}"] += 1
        for name, judged in each.plan.judged.items():
            if judged.dynamics.no != judged.campaign.no and None not in (
                judged.dynamics.no,
                judged.campaign.no,
            ):
                entry = differed.setdefault(f"{name}: {judged.decision.why}", {"count": 0, "keys": []})
                entry["count"] += 1  # type: ignore[operator]
                entry["keys"] = [*entry["keys"], key][:SAMPLE]  # type: ignore[misc]
    # Several rows about one contact are one piece of news.
    fates["unchanged"] += batch.rows - contacts
    tally = Tally(extracted=batch.tally["extracted"], **{fate: fates[fate] for fate in sorted(fates)})
    return {
        "tally": tally.as_dict(), "dropped": dict(dropped), "rejected": dict(rejected), "samples": samples,
        "parked": dict(parked), "parked_samples": parked_samples, "told": dict(said), "differed": differed,
    }  # fmt: skip
