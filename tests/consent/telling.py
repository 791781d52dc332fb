"""The flow in little: the package's rule, plans and telling, between two systems and a ledger that are plain values.

What is left out is how things are read and kept (storage, database, HTTP): ``tests/flows`` has that. Every value that
is written is judged by the oracle on the spot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from campaign_sync.consent.plan import CAMPAIGN, Contact, Heard, Plan, held_back, overheard, plan_contact
from campaign_sync.consent.rule import Known, Said
from campaign_sync.consent.telling import Teller, Told
from campaign_sync.consent.vocabulary import OptOutVocabulary
from campaign_sync.errors import TransientError
from campaign_sync.hooks.dataverse_updates import CHANGED, MISSING, REJECTED, WRITTEN, Update, Updated
from campaign_sync.ledger.consent import DYNAMICS, Kept
from campaign_sync.schema import OPT_OUTS
from campaign_sync.writes import Outcome, Write

from tests.consent.oracle import Oracle
from tests.consent.two_sides import ATTRIBUTES, EMAIL, PHONE, Row, TwoSides, Word

#: What can go wrong in a telling, and when.
FAULTS = (
    "killed before", "killed after", "answer lost", "refused", "dynamics away", "campaign away", "overtaken by no",
    "overtaken by yes",
)  # fmt: skip

COLUMNS = {EMAIL: {"column": "donotbulkemail", "no_is": True}, PHONE: {"column": "new_call", "no_is": False}}
TABLE = SimpleNamespace(set_name="contacts")
RESOURCE = SimpleNamespace(fields={each: SimpleNamespace(name=each) for each in OPT_OUTS})


class Killed(BaseException):
    """The process went; nothing more was remembered and no place was moved."""


class Refused(Exception):
    """The run ended red before it could move its places."""


@dataclass
class Batch:
    """Rows of Campaign by contact, or contacts alone; `filtered`: those that the filter held back."""

    rows: dict[str, list[Row]]
    fresh: bool = False
    filtered: set[str] = field(default_factory=set)


class Flow:
    """`kept`: the ledger's consents; `waiting`: who was rejected or parked; `full`: pairs that were heard in full."""

    def __init__(self, sides: TwoSides, oracle: Oracle, mapping: OptOutVocabulary) -> None:
        self.sides, self.oracle, self.mapping = sides, oracle, mapping
        self.filters = False
        self.kept: dict[str, dict[str, Kept]] = {}
        self.waiting: set[str] = set()
        self.full: set[str] = set()
        self.files: list[dict[str, Row]] = []
        self.done: list[dict[str, Row]] = []
        self.writes: list[tuple[str, str, str, bool]] = []
        self.fault: str | None = None

    @property
    def direction(self) -> str:
        return self.mapping.direction

    def undecided(self) -> set[tuple[str, str]]:
        """The opt-ins that wait for a person."""
        return {
            (key, attribute)
            for key, kept in self.kept.items()
            for attribute, each in kept.items()
            if each.known.undecided
        }

    def profile_is_made(self, key: str) -> None:
        """By the flow of profiles: with the noes that Dynamics says or that the ledger has (docs, §5)."""
        told = self.mapping.pairs if self.direction in ("to_campaign", "both") else ()
        known = self.kept.get(key, {})
        held = {
            name for name, (each, *_) in known.items() if each.agreed or each.campaign.no or each.undecided
        }
        said = {each for each in told if self._cell(self.sides.contacts[key].no[each], each)}
        noes = said | (held & set(told))
        self.sides.create_profile(key, noes, ours=True)
        born = Known(Said(None, None), Said(True, self.sides.now), agreed=True, ours=True)
        for each in noes & {name for kept in self.kept.values() for name in kept}:
            before = known.get(each)
            if before is None or before.known.campaign.no is None:
                dynamics = before.known.dynamics if before else Said(None, None)
                kept = Kept(born._replace(dynamics=dynamics), self.sides.now, DYNAMICS)
                self.kept.setdefault(key, {})[each] = kept
                self.oracle.made(key, each)

    # -- runs --------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        files: str = "in order",
        changes: int = 99,
        fault: str | None = None,
        replay: bool = False,
        decide: Callable[[], bool | None] | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """One run over what came: export files (where Campaign is read) and `changes` of the feed.

        :param decide: a person was asked for; what that person answers. People go on living meanwhile.
        :param between: what happens between the guard and the load.
        """
        if self.direction == "disabled" or (replay and not self.full):
            return
        self.fault, self.dead = fault, False
        self.oracle.direction, self.oracle.conflict = self.direction, self.mapping.conflict
        self.oracle.again, self.oracle.filters, self.oracle.allowed = replay, self.filters, set()
        self.sides.pause(1)
        with suppress(Killed, Refused, TransientError):
            self._run(files, changes, replay, decide, between)
        self.sides.pause(1)

    def _run(
        self,
        files: str,
        changes: int,
        replay: bool,
        decide: Callable[[], bool | None] | None,
        between: Callable[[], None],
    ) -> None:
        in_full = replay or not self.full >= set(self.mapping.pairs)
        taken = [] if replay or self.direction == "to_campaign" else list(self.files)
        if files == "reversed":
            taken.reverse()
        if files == "all but the first":
            taken = taken[1:]
        feed = list(self.sides.contacts) if in_full else self.sides.feed[:changes]
        batches = [*self._batches(in_full, taken, feed, replay, decide is not None)]
        allowed = self._guard(batches, replay, decide)
        between()
        for batch, some in zip(batches, allowed, strict=True):
            self._tell(batch, some, replay)
        for file in taken:
            self.files.remove(file)
            self.done.append(file)
        if not replay:
            for key in self.sides.feed[:changes] if not in_full else list(self.sides.feed):
                self.sides.feed.remove(key)
        self.full = {*(self.mapping.pairs if in_full else ()), *self.full} & set(self.mapping.pairs)
        for kept in self.kept.values():  # nobody listens to the others from now on
            for name in kept.keys() - self.mapping.pairs.keys():
                dynamics, nothing = kept.pop(name).known.dynamics, Said(None, None)
                if dynamics.no:
                    kept[name] = Kept(Known(dynamics, nothing, agreed=True, ours=False))
        self.oracle.ran_well(self.mapping.pairs)

    def _batches(
        self, in_full: bool, files: Iterable[dict[str, Row]], feed: Iterable[str], replay: bool, decides: bool
    ) -> Iterator[Batch]:
        heard: set[str] = set()
        if in_full:
            everybody = {key: [self.sides.row(key)] for key in self.sides.profiles}
            heard |= everybody.keys()
            yield self._sifted(Batch(everybody, fresh=True))
        for file in files:
            heard |= file.keys()
            yield self._sifted(Batch({key: [row] for key, row in file.items()}))
        again = set() if replay else set(self.waiting)
        again |= {key for key, _ in self.undecided()} if decides and not replay else set()
        yield self._sifted(Batch({key: [] for key in sorted({*feed, *again} - heard)}))

    def _sifted(self, batch: Batch) -> Batch:
        for key in batch.rows if self.filters else ():
            if not self.sides.contacts[key].passes or not self.sides.contacts[key].shown:
                batch.filtered.add(key)
        return batch

    def _guard(
        self, batches: list[Batch], replay: bool, decide: Callable[[], bool | None] | None
    ) -> list[set[tuple[str, str]]]:
        """The opt-ins of each batch that may be told. One that waits for a person already is told by no other run."""
        opt_ins, waiting = [], set() if decide else self.undecided()
        for batch in batches:
            plans = self._plans(batch, batch.rows, self.kept, replay)
            opt_ins.append(
                {(key, name) for key, plan in plans.items() for name, no in plan.telling_both() if not no}
            )
        opt_ins = [some - waiting for some in opt_ins]
        everybody = {key for some in opt_ins for key, _ in some}
        if self.mapping.guard.allows("opt_ins", len(everybody), len(self.kept)):
            self.oracle.allowed = set().union(*opt_ins)
            return opt_ins
        if decide is None:
            return [set() for _ in batches]
        for batch in batches:
            self._tell(batch, set(), replay)
        if not decide():
            raise Refused
        self.oracle.allowed = set().union(*opt_ins)
        return opt_ins

    # -- one batch ---------------------------------------------------------------------------------------------

    def _plans(
        self, batch: Batch, keys: Collection[str], known: Mapping[str, Mapping[str, Kept]], replay: bool
    ) -> dict[str, Plan]:
        found = {}
        for key in sorted(set(keys) - batch.filtered):
            contact = self.sides.contacts[key]
            if not contact.shown:
                continue
            self.oracle.looks_at(key)
            noes = {name: self._cell(contact.no[name], name) for name in self.mapping.pairs}
            found[key] = plan_contact(
                key,
                Contact(contact.version, contact.modified, noes),
                self._heard(batch, key),
                known.get(key, {}),
                self.mapping,
                again=replay,
            )
        return found

    def _heard(self, batch: Batch, key: str) -> list[Heard]:
        found = []
        for row in batch.rows[key]:
            said = {}
            for name in self.mapping.pairs:
                unread = row.unread.get(name)
                no, at = row.no[name], None if unread else row.changed[name]
                if unread == "cell" or (unread == "time" and not no):
                    no = None
                no = self._cell(no, name)
                said[name] = Said(no, at or (row.modified if no else None))
            found.append(Heard(row.modified, said, batch.fresh))
        return found

    def _cell(self, no: bool | None, attribute: str) -> bool | None:
        return True if no is None and attribute in self.mapping.replace else no

    def _tell(self, batch: Batch, allowed: set[tuple[str, str]], replay: bool) -> set[tuple[str, str]]:
        """Tell a batch and remember it; the opt-ins that were not allowed."""
        known = {key: dict(self.kept.get(key, {})) for key in batch.rows}
        self.oracle.reading = batch.rows
        held: set[tuple[str, str]] = set()

        def plan(keys: Collection[str]) -> dict[str, Plan]:
            found = {}
            for key, each in self._plans(batch, keys, known, replay).items():
                found[key], waits = held_back(each, allowed)
                held.update(waits)
            return found

        def remember(told: Iterable[Told]) -> None:
            for each in () if self.dead else told:
                self._remember(each)

        plans = plan(batch.rows)
        for key in batch.rows.keys() - plans.keys():
            for name, each in overheard(self._heard(batch, key), known[key], self.mapping).items():
                before = known[key].get(name, Kept(each))
                self.kept.setdefault(key, {})[name] = before._replace(known=each)
                self.oracle.remembers(key, name, dynamics=False)
        teller = Teller(
            self.mapping, TABLE, RESOURCE, Dataverse(self, known), Campaign(self, known), known, plan
        )
        for _ in teller.tell(plans.values(), remember):
            pass
        self._strike("killed after")
        return held

    def _remember(self, told: Told) -> None:
        key = told.plan.key
        if told.fate in ("updated", "unchanged"):
            self.waiting.discard(key)
        elif told.fate in ("rejected", "parked"):
            self.waiting.add(key)
        kept, lost = dict(told.kept), {name for name, _ in told.plan.telling_both()}
        lost -= {name for _, name, _ in told.told} | kept.keys()
        self.kept.setdefault(key, {}).update(kept)
        for name in told.plan.judged.keys() - lost:
            self.oracle.remembers(key, name, dynamics=True)
        for side, name, _ in told.told:
            if side == CAMPAIGN:
                self.oracle.was_told(key, name)

    # -- faults ------------------------------------------------------------------------------------------------

    def strikes(self, fault: str) -> bool:
        """Each run has one fault at most, the first time that it can strike."""
        if self.fault != fault:
            return False
        self.fault = None
        return True

    def _strike(self, fault: str) -> None:
        if self.strikes(fault):
            self.dead = True
            raise Killed

    def may_die(self, when: str) -> None:
        self._strike(f"killed {when}")


@dataclass
class Dataverse:
    """What the package asks of Dynamics, answered by the plain values."""

    flow: Flow
    known: Mapping[str, Mapping[str, Kept]]

    def write_updates(self, updates: Iterable[Update]) -> Iterator[list[Updated]]:
        yield [self._written(each) for each in updates]

    def _written(self, update: Update) -> Updated:
        flow, sides, key = self.flow, self.flow.sides, update.key
        flow.may_die("before")
        if flow.strikes("dynamics away"):
            raise TransientError("Dynamics", "", None, "is away")
        if flow.strikes("refused"):
            return Updated(key, REJECTED, "refused")
        if not sides.contacts[key].shown:
            return Updated(key, MISSING)
        names = {COLUMNS[name]["column"]: name for name in ATTRIBUTES}
        noes = {
            names[column]: value == COLUMNS[names[column]]["no_is"] for column, value in update.body.items()
        }
        for no in (True, False):
            if flow.strikes(f"overtaken by {'no' if no else 'yes'}"):
                for name in noes:
                    sides.say_in_dynamics(key, name, no)
        if sides.contacts[key].version != update.version:
            return Updated(key, CHANGED)
        flow.oracle.told_dynamics(key, noes)
        sides.patch_contact(key, noes, update.version)
        flow.writes += [("dynamics", key, name, no) for name, no in noes.items()]
        return Updated(key, CHANGED if flow.strikes("answer lost") else WRITTEN)


@dataclass
class Campaign:
    """What the package asks of Campaign, answered by the plain values."""

    flow: Flow
    known: Mapping[str, Mapping[str, Kept]]

    def read(self, resource: Any, key: str) -> dict[str, Any] | None:
        if key not in self.flow.sides.profiles:
            return None
        row = self.flow.sides.row(key)
        times = {f"{name}LastModified": at and _text(at) for name, at in row.changed.items()}
        return {**row.no, **times, "lastModified": _text(row.modified)}

    def write(
        self, resource: Any, key: str, writes: Iterable[Write], parallel: int | None
    ) -> Iterator[Outcome]:
        yield from [self._written(each) for each in writes]

    def _written(self, write: Write) -> Outcome:
        flow, sides, key = self.flow, self.flow.sides, write.key
        flow.may_die("before")
        if flow.strikes("campaign away"):
            raise TransientError("Campaign", "", None, "is away")
        if flow.strikes("refused"):
            return Outcome(key, "rejected", "refused", "refused")
        if key not in sides.profiles:
            return Outcome(key, "missing")
        known = self.known.get(key, {})
        flow.oracle.told_campaign(key, write.body, {name: each.told_at for name, each in known.items()})
        for _ in range(2 if flow.strikes("answer lost") else 1):
            sides.patch_profile(key, write.body)
        for name, no in write.body.items():
            flow.writes.append(("campaign", key, name, no))
            if not no:  # told for the person in Dynamics: their word here as well
                sides.words.append(Word("campaign", key, name, no, sides.campaign_now, sides.order))
        return Outcome(key, "updated")


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.000Z"
