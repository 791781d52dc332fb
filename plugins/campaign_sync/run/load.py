"""Load: plan a batch against the ledger, carry the plan out with one engine call per row, remember each outcome; or
leave its rows in files, whose outcome comes later.

Not for deciding what to write (``plan.py``) nor for how it is written (``hooks/campaign.py``, ``parts.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import RefusedError, SyncError
from campaign_sync.run import clock
from campaign_sync.run.parts import by_file, keys, parts_of, without, write_parts
from campaign_sync.run.plan import doomed, fingerprinted, plan_writes
from campaign_sync.run.planned import HASH, VERSION, Plan
from campaign_sync.run.report import SAMPLE, Tally
from campaign_sync.waits import COLUMNS, group

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.rows.batch import Batch
    from campaign_sync.run.noes import Noes
    from campaign_sync.schema import ResourceSchema
    from campaign_sync.writes import Outcome, Write

#: Rows written between two entries in the ledger: what a killed task has to send once more at most.
CHUNK = 500

#: The rule of a record that was written and is not found by its key.
KEY_UNPROVED = "identification key"


class Loaded(NamedTuple):
    """What became of a batch: the counts, what dropped, rejected and parked, and a few keys for each."""

    tally: Tally
    dropped: dict[str, int]
    rejected: dict[str, int]
    samples: dict[str, list[str]]
    parked: dict[str, int]
    parked_samples: dict[str, list[str]]
    stale: int  # of the unchanged: older than what was written before
    overtaken: int  # of the unchanged: another run has written them since this one's read

    def and_stale(self, rows: int) -> Loaded:
        """The same, and so many more rows that are older than what was written."""
        return self._replace(tally=self.tally + Tally(unchanged=rows), stale=self.stale + rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        return self._asdict() | {"tally": self.tally.as_dict()}


def plan_batch(
    rows: pd.DataFrame, removed: pd.DataFrame, mapping: Mapping, ledger: Ledger, *, force: bool = False
) -> Plan:
    """What a batch comes to, given what the ledger knows of its rows and of those they name. A dry run ends here."""
    import pandas as pd

    flow, links = mapping.name, mapping.links()
    rows = fingerprinted(rows, mapping)
    readings = pd.concat([rows[[VERSION, HASH]], removed[[VERSION]]]).rename(
        columns={VERSION: "version", HASH: "sent_hash"}
    )
    if force:
        settled, known = None, ledger.known(flow, readings.index)
    else:
        settled, known = ledger.compared(flow, readings)
    parents: dict[str, set[str]] = {}
    for parent in set(links.values()):
        named = {key for field, to in links.items() if to == parent for key in rows[field].dropna().unique()}
        parents[parent] = ledger.there(parent, named - {""})
    leaving = set(doomed(removed, mapping).astype(str)) & set(known.index)
    return plan_writes(
        rows,
        removed,
        known,
        mapping=mapping,
        settled=settled,
        parents=parents,
        children=ledger.children(flow, leaving) if leaving else None,
        force=force,
    )


class Rest(NamedTuple):
    """What is left of a batch after some of it went into files, before this task was killed or cleared."""

    rows: pd.DataFrame
    removed: pd.DataFrame
    stale: int  # older readings of the rows in files

    @classmethod
    def of(cls, batch: Batch) -> Rest:
        """All of a batch that went into no file."""
        rows, removed, stale = batch.read(), batch.removed(), 0
        for part in parts_of(batch.folder, batch.number):
            filed, before = keys(batch.folder, part).index, len(rows) + len(removed)
            rows, removed = (frame[~frame.index.isin(filed)] for frame in (rows, removed))
            stale += before - len(rows) - len(removed) - len(filed)
        return cls(rows, removed, stale)


def planned(plan: Plan) -> Loaded:
    """What a plan would come to if every call succeeded, for a dry run."""
    return _loaded(plan, plan.tally(), [plan.rejected], [plan.parked], overtaken=0)


class _Begun(NamedTuple):
    """Which rows of a plan may be written now; the others another run has overtaken."""

    keys: set[str]
    parked: pd.DataFrame  # index source key; version, kind, waits_for, waits_key, reason


def _begin(plan: Plan, keys: list[str], *, mapping: Mapping, ledger: Ledger, run_id: str) -> _Begun:
    """Mark rows of a plan as begun, before they are written.

    What must not go, because a parent has gone or a child has come since the plan was made, is parked in the ledger.
    """
    import pandas as pd

    asked = pd.Index(keys)
    begun = ledger.begin(
        mapping.name,
        keys,
        run_id,
        plan.versions(keys),
        names=plan.names[plan.names.index.isin(asked)] if len(plan.names) else None,
        deletions=list(plan.delete.index[plan.delete.index.isin(asked)]),
    )
    parked = plan.park(begun.waiting)
    if len(parked):
        _settle(ledger, mapping, run_id, parked=parked)
    return _Begun(begun.keys, parked)


def load_plan(
    plan: Plan,
    mapping: Mapping,
    resource: ResourceSchema,
    *,
    ledger: Ledger,
    campaign: CampaignHook,
    run_id: str,
    force: bool = False,
    files: Batch | None = None,
    noes: Noes | None = None,
) -> Loaded:
    """Carry a plan out; return what really happened.

    :param noes: asked before records are made or deleted, where an opt-outs mapping owns what people object to.
    :param files: the batch whose rows go by file as far as they may: they are left in the run's folder, and are not
        among what is returned.

    Order, per chunk of rows: mark them in the ledger as begun, write them to Campaign, settle their outcomes in the
    ledger. A crash between any two repeats work, and loses or doubles nothing (N3). A row that another run has
    overtaken since the plan was made is not written (I13).

    Raises TransientError or RefusedError where Campaign cannot or will not go on; what was written before is settled.
    """
    _settle(ledger, mapping, run_id, plan.settled(), plan.rejections(), plan.waiting())
    results: Counter[str] = Counter()
    refused, waiting = [plan.rejected], [plan.parked]
    overtaken = 0

    def begin(plan: Plan, keys: list[str]) -> set[str]:
        nonlocal overtaken
        begun = _begin(plan, keys, mapping=mapping, ledger=ledger, run_id=run_id)
        waiting.append(begun.parked)
        results["parked"] += len(begun.parked)
        overtaken += len(keys) - len(begun.keys) - len(begun.parked)
        return begun.keys

    def write(chunk: list[Write], *, prove: bool = False) -> list[Outcome]:
        outcomes: list[Outcome] = []
        made: dict[str, datetime] = {}
        begun = begin(plan, [each.source_key for each in chunk])
        going = [each for each in chunk if each.source_key in begun]
        try:
            if noes is not None:
                noes.outlive(
                    [each.key for each in going if each.kind == "delete"], resource, campaign, run_id
                )
                going = noes.heard(going)
            for outcome in campaign.write(resource, mapping.key_field, going, mapping.load.parallel):
                outcomes.append(outcome)  # one by one: those before an error are settled too
                if outcome.result == "created":
                    made[outcome.key] = clock.now()
            for outcome in outcomes if prove else ():
                if outcome.result == "created":
                    campaign.verify_key(resource, mapping.key_field, outcome.key)
        except SyncError:
            if prove:
                outcomes = [_unproved(outcome) for outcome in outcomes]
            raise
        finally:
            hidden = _hidden(plan, outcomes, mapping.name, ledger)
            seen = [outcome for outcome in outcomes if outcome.key not in hidden.index]
            settled, rejected = plan.outcomes(seen)
            _settle(ledger, mapping, run_id, settled, rejected, hidden)
            results.update(outcome.result for outcome in seen)
            results["parked"] += len(hidden)
            refused.append(rejected)
            waiting.append(hidden)
            if noes is not None and made:
                noes.remember(going, made, run_id)
        return outcomes

    writes = plan.writes()
    proved = ledger.has_present(mapping.name)
    if not proved and not force:
        _prove_again(ledger, mapping, resource, campaign)
    # The first record of a flow's life is read back by its key before any other is written: without an identification
    # key in Campaign every later update would miss its record and make a second one (campaign.md §1.2, §3.5).
    sent: list[str] = []
    while not proved and (chunk := list(islice(writes, 1))):
        sent.append(chunk[0].source_key)
        proved = any(outcome.result in ("created", "updated") for outcome in write(chunk, prove=True))
    if files is not None:
        filed = by_file(without(plan, sent), mapping, resource)
        if noes is not None:
            filed = without(filed, list(noes.held([*filed.create.index, *filed.update.index])))
        writes = without(plan, [*sent, *filed.source_keys()]).writes()
    while chunk := list(islice(writes, CHUNK)):
        write(chunk)
    if files is not None and filed.source_keys():
        begun = begin(filed, filed.source_keys())
        if noes is not None:
            noes.outlive([key for key in filed.delete.index if key in begun], resource, campaign, run_id)
        staying = [key for key in filed.source_keys() if key not in begun]
        write_parts(files, without(filed, staying), mapping, resource)
    tally = plan.settled_tally() + Tally(**results) + Tally(unchanged=overtaken)
    return _loaded(plan, tally, refused, waiting, overtaken)


def _settle(
    ledger: Ledger,
    mapping: Mapping,
    run_id: str,
    settled: pd.DataFrame | None = None,
    rejected: pd.DataFrame | None = None,
    parked: pd.DataFrame | None = None,
) -> None:
    import pandas as pd

    outcomes = pd.DataFrame(columns=["version", "sent_hash", "result"]) if settled is None else settled
    refusals = pd.DataFrame(columns=["version", "step", "rule", "reason"]) if rejected is None else rejected
    linked = bool(mapping.links())
    ledger.settle(mapping.name, outcomes, refusals, run_id, mapping.sha, parked=parked, linked=linked)


def _hidden(plan: Plan, outcomes: list[Outcome], flow: str, ledger: Ledger) -> pd.DataFrame:
    """Of the records that Campaign does not show, those that name a parent which is not surely there.

    A 404 does not say that such a record is gone (campaign.md §6.3): it waits, and is tried again when its parent is
    there.
    """
    from campaign_sync.hooks.campaign_writes import HIDDEN

    unseen = [each.key for each in outcomes if each.rule == HIDDEN or _not_found(each)]
    return plan.park(ledger.orphans(flow, unseen) if unseen else plan.parked.iloc[:0][list(COLUMNS)])


def _not_found(outcome: Outcome) -> bool:
    return outcome.result == "unchanged" and not outcome.certain


def _unproved(outcome: Outcome) -> Outcome:
    if outcome.result != "created":
        return outcome
    reason = "it was written, and is not found by its key"
    return outcome._replace(result="rejected", rule=KEY_UNPROVED, reason=reason, certain=False)


def _prove_again(ledger: Ledger, mapping: Mapping, resource: ResourceSchema, campaign: CampaignHook) -> None:
    """Look once more for a record that an earlier run wrote and did not find, before anything else is written."""
    for key in ledger.rejected(mapping.name, rule=KEY_UNPROVED, limit=1).index:
        try:
            campaign.verify_key(resource, mapping.key_field, str(key))
        except RefusedError as error:
            remedy = (
                f"{error.remedy}. If that record was deleted in Campaign since, trigger the flow with replay"
            )
            raise RefusedError(
                error.system, error.path, error.status, error.code, error.problem, remedy, error.request_id
            ) from None


def _loaded(
    plan: Plan, tally: Tally, refused: list[pd.DataFrame], waiting: list[pd.DataFrame], overtaken: int
) -> Loaded:
    rejected, samples = _grouped((str(rule), rows) for frame in refused for rule, rows in _by(frame, "rule"))
    parked, parked_samples = _grouped(
        (group(*map(str, what)), rows)
        for frame in waiting
        for what, rows in _by(frame, ["kind", "waits_for"])
    )
    dropped = {str(rule): int(count) for rule, count in plan.dropped["rule"].value_counts().items()}
    return Loaded(tally, dropped, rejected, samples, parked, parked_samples, len(plan.stale), overtaken)


def _by(frame: pd.DataFrame, columns: str | list[str]) -> Iterable[tuple[Any, pd.DataFrame]]:
    return frame.groupby(columns, sort=False) if len(frame) else ()


def _grouped(
    groups: Iterable[tuple[str, pd.DataFrame]],
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """How many rows each group has, and a few of their keys."""
    counts: dict[str, int] = {}
    samples: dict[str, list[str]] = {}
    for name, rows in groups:
        counts[name] = counts.get(name, 0) + len(rows)
        samples[name] = [*samples.get(name, ()), *map(str, rows.index)][:SAMPLE]
    return counts, samples
