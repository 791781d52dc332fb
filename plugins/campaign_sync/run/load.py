"""Load: plan a batch against the ledger, carry the plan out with one engine call per row, remember each outcome.

Not for deciding what to write (``plan.py``) nor for how it is written (``hooks/campaign.py``).
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import RefusedError, SyncError
from campaign_sync.run.plan import Plan, plan_writes
from campaign_sync.run.report import SAMPLE, Tally

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema
    from campaign_sync.writes import Outcome, Write

#: Rows written between two entries in the ledger: what a killed task has to send once more at most.
CHUNK = 500

#: The rule of a record that was written and is not found by its key.
KEY_UNPROVED = "identification key"


class Loaded(NamedTuple):
    """What became of a batch: the counts, the rules that dropped and rejected, and a few keys per rule."""

    tally: Tally
    dropped: dict[str, int]
    rejected: dict[str, int]
    samples: dict[str, list[str]]
    stale: int  # of the unchanged: older than what was written before
    overtaken: int  # of the unchanged: another run has written them since this one's read

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        return self._asdict() | {"tally": self.tally.as_dict()}


def plan_batch(
    rows: pd.DataFrame, removed: pd.DataFrame, mapping: Mapping, ledger: Ledger, *, force: bool = False
) -> Plan:
    """What a batch comes to, given what the ledger knows of its rows. A dry run ends here."""
    keys = {*rows.index.astype(str), *removed.index.astype(str)}
    return plan_writes(rows, removed, ledger.known(mapping.name, keys), mapping=mapping, force=force)


def planned(plan: Plan) -> Loaded:
    """What a plan would come to if every call succeeded, for a dry run."""
    return _loaded(plan, plan.tally(), [plan.rejected], overtaken=0)


def load_plan(
    plan: Plan,
    mapping: Mapping,
    resource: ResourceSchema,
    *,
    ledger: Ledger,
    campaign: CampaignHook,
    run_id: str,
    force: bool = False,
) -> Loaded:
    """Carry a plan out; return what really happened.

    Order, per chunk of rows: mark them in the ledger as begun, write them to Campaign, settle their outcomes in the
    ledger. A crash between any two repeats work, and loses or doubles nothing (N3). A row that another run has
    overtaken since the plan was made is not written (I13).

    Raises TransientError or RefusedError where Campaign cannot or will not go on; what was written before is settled.
    """
    flow, sha = mapping.name, mapping.sha
    ledger.settle(flow, plan.settled(), plan.rejections(), run_id, sha)
    results: Counter[str] = Counter()
    refused = [plan.rejected]
    overtaken = 0

    def write(chunk: list[Write], *, prove: bool = False) -> list[Outcome]:
        nonlocal overtaken
        outcomes: list[Outcome] = []
        keys = [each.source_key for each in chunk]
        begun = ledger.begin(flow, keys, run_id, plan.versions(keys))
        chunk = [each for each in chunk if each.source_key in begun]
        overtaken += len(keys) - len(chunk)
        try:
            for outcome in campaign.write(resource, mapping.key_field, chunk, mapping.load.parallel):
                outcomes.append(outcome)  # one by one: those before an error are settled too
            for outcome in outcomes if prove else ():
                if outcome.result == "created":
                    campaign.verify_key(resource, mapping.key_field, outcome.key)
        except SyncError:
            if prove:
                outcomes = [_unproved(outcome) for outcome in outcomes]
            raise
        finally:
            settled, rejected = plan.outcomes(outcomes)
            ledger.settle(flow, settled, rejected, run_id, sha)
            results.update(outcome.result for outcome in outcomes)
            refused.append(rejected)
        return outcomes

    writes = plan.writes()
    proved = ledger.has_present(flow)
    if not proved and not force:
        _prove_again(ledger, mapping, resource, campaign)
    # The first record of a flow's life is read back by its key before any other is written: without an identification
    # key in Campaign every later update would miss its record and make a second one (campaign.md §1.2, §3.5).
    while not proved and (chunk := list(islice(writes, 1))):
        proved = any(outcome.result in ("created", "updated") for outcome in write(chunk, prove=True))
    while chunk := list(islice(writes, CHUNK)):
        write(chunk)
    tally = plan.settled_tally() + Tally(**results) + Tally(unchanged=overtaken)
    return _loaded(plan, tally, refused, overtaken)


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


def _loaded(plan: Plan, tally: Tally, refused: list[pd.DataFrame], overtaken: int) -> Loaded:
    rejected: dict[str, int] = {}
    samples: dict[str, list[str]] = {}
    for frame in refused:
        for rule, rows in frame.groupby("rule", sort=False) if len(frame) else ():
            rejected[str(rule)] = rejected.get(str(rule), 0) + len(rows)
            samples[str(rule)] = [*samples.get(str(rule), ()), *map(str, rows.index)][:SAMPLE]
    dropped = {str(rule): int(count) for rule, count in plan.dropped["rule"].value_counts().items()}
    return Loaded(tally, dropped, rejected, samples, len(plan.stale), overtaken)
