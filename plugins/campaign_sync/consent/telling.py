"""Carries a plan out: tells Dynamics and Campaign, each only what is still true when it is told.

Not for deciding who is told what (``plan.py``, ``rule.py``), nor for remembering it (``load.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.consent.plan import CAMPAIGN, DYNAMICS, Judged, Plan, is_echo, without_profile
from campaign_sync.consent.reading import MODIFIED_AT, NO_CONTACT, SINCE, moment_of
from campaign_sync.consent.rule import CAMPAIGN_KEEPS, Decision, Said
from campaign_sync.consent.setting import KEY
from campaign_sync.errors import SyncError, TransientError
from campaign_sync.hooks.dataverse_updates import CHANGED, MISSING, WRITTEN, Update
from campaign_sync.ledger.consent import Kept
from campaign_sync.run import clock
from campaign_sync.writes import Write

if TYPE_CHECKING:
    from datetime import datetime

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.schema import ResourceSchema, TableSchema

log = logging.getLogger(__name__)

#: Contacts that are told between two entries in the ledger.
CHUNK = 500

#: How often a contact that somebody changes while it is told is read and decided anew.
TRIES = 5

SIDES = (DYNAMICS, CAMPAIGN)

CHANGED_AGAIN = "changed by another"
NO_PROFILE = "the profile is not there yet"


class Trouble(NamedTuple):
    """Why a contact could not be told all."""

    fate: str  # rejected | parked
    rule: str
    reason: str


class Told(NamedTuple):
    """What became of one contact."""

    plan: Plan
    fate: str  # dropped, parked, rejected, updated, unchanged
    rule: str = ""
    reason: str = ""
    told: tuple[tuple[str, str, bool], ...] = ()  # side, attribute, value that was really told
    kept: tuple[tuple[str, Kept], ...] = ()  # attribute, what the ledger is to remember
    whole: bool = True  # every side was told that was to be told, or could not be


class Teller:
    """Tells the contacts of a batch.

    :param known: what the ledger has, by contact and attribute.
    :param replan: plans contacts anew, as Dynamics has them then; who is gone is absent.
    """

    def __init__(
        self,
        mapping: OptOutMapping,
        table: TableSchema,
        resource: ResourceSchema,
        dataverse: DataverseHook,
        campaign: CampaignHook,
        known: Mapping[str, Mapping[str, Kept]],
        replan: Callable[[Collection[str]], dict[str, Plan]],
    ) -> None:
        self.mapping, self.table, self.resource = mapping, table, resource
        self.dataverse, self.campaign = dataverse, campaign
        self.known, self.replan = known, replan
        self.troubles: dict[str, SyncError] = {}  # by side: it is told nothing more

    def tell(self, plans: Iterable[Plan], remember: Callable[[list[Told]], None]) -> Iterator[Told]:
        """Tells everybody, and yields what became of each; `remember` gets them before.

        Where one system cannot or will not go on, the other is told all the same. What was told is remembered, and
        TransientError or RefusedError is raised in the end.
        """
        feed = iter(plans)
        while len(self.troubles) < len(SIDES) and (chunk := list(islice(feed, CHUNK))):
            work = _Chunk(self, {plan.key: plan for plan in chunk})
            try:
                with self.open_side(DYNAMICS):
                    work.tell_dynamics()
                with self.open_side(CAMPAIGN):
                    work.tell_campaign()
            finally:
                found = [*work.told()]
                remember(found)
            yield from found
        if self.troubles:
            # What passes is tried again, and with it the other side.
            raise min(self.troubles.values(), key=lambda each: not isinstance(each, TransientError))

    @contextmanager
    def open_side(self, side: str) -> Iterator[None]:
        """What is done with a side: its trouble ends that, and is kept."""
        try:
            yield
        except SyncError as trouble:
            log.warning("%s is told nothing more by this batch: %s", side.capitalize(), trouble)
            self.troubles.setdefault(side, trouble)


class _Chunk:
    """Some contacts on their way; what has an entry in `done` was told, or could not be."""

    def __init__(self, teller: Teller, plans: dict[str, Plan]) -> None:
        self.teller, self.plans = teller, plans
        self.done: dict[tuple[str, str], Trouble | None] = {}  # by contact and side
        self.gone: set[str] = set()
        self.stale: set[str] = set()  # changed since they were read
        self.campaign_told: dict[str, datetime] = {}

    def tell_dynamics(self) -> None:
        """Write contacts that are as they were read; who is not is read and decided anew."""
        left = self._confirmed(self.plans)
        if DYNAMICS in self.teller.troubles:
            return
        for attempt in range(1, TRIES + 1):
            self._update(left)
            if not self.stale:
                return
            if attempt == TRIES:
                break
            again = self.teller.replan(self.stale)
            self.gone |= self.stale - again.keys()
            self.stale = set()
            self.plans |= again
            left = self._confirmed(again)
        for key in self.stale:
            reason = f"somebody changed the contact each of the {TRIES} times that it was to be written"
            self.done[key, DYNAMICS] = Trouble("rejected", CHANGED_AGAIN, reason)
        self.stale = set()

    def tell_campaign(self) -> None:
        """Write profiles that are there; not of a contact that was changed and could not be decided anew."""
        teller = self.teller
        if CAMPAIGN in teller.troubles:
            return
        writes = [
            Write("amend", key, values)
            for key, plan in self.plans.items()
            if key not in self.gone | self.stale and (values := plan.telling(CAMPAIGN))
        ]
        for outcome in teller.campaign.write(teller.resource, KEY, writes, teller.mapping.load.parallel):
            trouble = None
            if outcome.result == "missing":
                trouble = Trouble("parked", NO_PROFILE, NO_PROFILE)
            elif outcome.result == "rejected":
                trouble = Trouble("rejected", outcome.rule or "Campaign", outcome.reason or "")
            self.done[outcome.key, CAMPAIGN] = trouble
            self.campaign_told[outcome.key] = clock.now()

    def told(self) -> Iterator[Told]:
        """What became of each contact; one that was not come to has not become anything."""
        for key, plan in self.plans.items():
            if key in self.gone:
                yield Told(plan, "dropped", NO_CONTACT, kept=tuple(self._kept(plan, ())))
                continue
            wanted = [side for side in SIDES if plan.telling(side)]
            open_ = [side for side in wanted if (key, side) not in self.done]
            troubles = [each for side in wanted if (each := self.done.get((key, side)))]
            troubles.sort(key=lambda each: each.fate != "rejected")
            told = tuple(
                (side, attribute, no)
                for side in wanted
                if side not in open_ and not self.done[key, side]
                for attribute, no in plan.telling(side).items()
            )
            if open_ and not told and not troubles:
                continue
            fate, rule, reason = troubles[0] if troubles else ("updated" if told else "unchanged", "", "")
            yield Told(plan, fate, rule, reason, told, tuple(self._kept(plan, told)), whole=not open_)

    def _kept(self, plan: Plan, told: tuple[tuple[str, str, bool], ...]) -> Iterator[tuple[str, Kept]]:
        successes = {attribute: side for side, attribute, _ in told}
        wanted = {attribute for attribute, _ in plan.telling_both()}
        now = self.campaign_told.get(plan.key) or clock.now()
        trouble = self.done.get((plan.key, CAMPAIGN))
        no_profile = trouble is not None and trouble.rule == NO_PROFILE
        for attribute, each in plan.judged.items():
            before = self.teller.known.get(plan.key, {}).get(attribute)
            told_at, whose = (before.told_at, before.whose) if before else (None, "")
            after = each.after(now) if attribute in successes or attribute not in wanted else each.untold
            if no_profile and (known := after or (before and before.known)):
                after = without_profile(known)
            if successes.get(attribute) == CAMPAIGN:
                told_at, whose = now, DYNAMICS
            elif successes.get(attribute) == DYNAMICS:
                whose = CAMPAIGN
            if after is not None and (before is None or before.known != after or attribute in successes):
                yield attribute, Kept(after, told_at, whose)

    def _update(self, plans: Mapping[str, Plan]) -> None:
        """Write some contacts; those that are not as they were read are stale."""
        set_name = self.teller.table.set_name
        updates = [
            Update(key, set_name, plan.version, self._columns(values))
            for key, plan in plans.items()
            if (values := plan.telling(DYNAMICS))
        ]
        for some in self.teller.dataverse.write_updates(updates) if updates else ():
            for each in some:
                if each.result == CHANGED:
                    self.stale.add(each.key)
                elif each.result == MISSING:
                    self.gone.add(each.key)
                else:
                    trouble = Trouble("rejected", "Dynamics", each.reason)
                    self.done[each.key, DYNAMICS] = None if each.result == WRITTEN else trouble

    def _columns(self, values: Mapping[str, bool]) -> dict[str, bool]:
        pairs = self.teller.mapping.pairs
        return {pairs[attribute].column: no == pairs[attribute].no_is for attribute, no in values.items()}

    def _confirmed(self, plans: Mapping[str, Plan]) -> dict[str, Plan]:
        """The plans, in which a yes is told to Campaign only where its no is surely ours: one GET for each of them.

        What holds instead is put into `plans`, too. Where Campaign cannot say so, it is told nothing.
        """
        with self.teller.open_side(CAMPAIGN):
            if CAMPAIGN not in self.teller.troubles:
                return self._asked(plans)
        return {key: self.plans[key] for key in plans}

    def _asked(self, plans: Mapping[str, Plan]) -> dict[str, Plan]:
        found = {}
        for key, plan in plans.items():
            lifted = [attribute for attribute, no in plan.telling(CAMPAIGN).items() if not no]
            if lifted:
                record = self.teller.campaign.read(self.teller.resource, key)
                judged = {each: self._lifts(key, each, plan.judged[each], record or {}) for each in lifted}
                plan = plan._replace(judged=plan.judged | judged)
            found[key] = self.plans[key] = plan
        return found

    def _lifts(self, key: str, attribute: str, judged: Judged, record: Mapping[str, Any]) -> Judged:
        wire = self.teller.resource.fields[attribute].name
        at = moment_of(record.get(f"{wire}{SINCE}"))
        kept = self.teller.known[key][attribute]
        if record and not record.get(wire):
            # Somebody lifted it there: nothing is to be told.
            return judged._replace(
                decision=Decision(False, None, None, judged.decision.why), campaign=Said(False, at)
            )
        if not record or is_echo(at, kept.told_at):
            return judged  # a profile that is not there is found missing when it is written
        campaign = Said(True, at or moment_of(record.get(MODIFIED_AT)))
        known = judged.known and judged.known._replace(ours=False)
        stays = Decision(True, None, None, CAMPAIGN_KEEPS)
        return Judged(stays, judged.dynamics, campaign, known)
