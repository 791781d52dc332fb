"""What is to be told to whom about some contacts, given what they say, what is known, and how Dynamics has them now.

Pure. Not for who wins (``rule.py``) nor for telling anybody (``telling.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.consent.rule import TO_CAMPAIGN, Decision, Known, Said, decide, hear, known_after

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.ledger.consent import Kept

DYNAMICS, CAMPAIGN = "dynamics", "campaign"

NOBODY = Said(None, None)

#: Why nobody is told of a yes.
UNDECIDED = "the opt-in waits for a person"

#: A no is ours, if its time in Campaign is that of our own write, give or take what two clocks may differ.
OURS = timedelta(minutes=2)


class Heard(NamedTuple):
    """What Campaign says of one contact in one row."""

    at: datetime | None  # of the row as a whole
    said: dict[str, Said]
    fresh: bool  # just read, so that nothing that is known can be newer
    silent: frozenset[str] = frozenset()  # attributes that say no only because their cells are empty


class Contact(NamedTuple):
    """A contact as Dynamics has it now."""

    version: int
    at: datetime | None
    no: dict[str, bool | None]  # by attribute


class Judged(NamedTuple):
    """What holds of one attribute, and what was heard of it."""

    decision: Decision
    dynamics: Said
    campaign: Said
    known: Known | None

    def after(self, written: datetime) -> Known:
        """What the ledger keeps once everybody was told, at this time."""
        return known_after(self.decision, self.dynamics, self.campaign, self.known, written=written)

    @property
    def untold(self) -> Known | None:
        """What it keeps where somebody could not be told; None: what it had.

        A no is remembered, or it would be lost with the file that told it, and is told when the contact is looked at
        again. A yes is not: it has to be news once more.
        """
        if not self.decision.no:
            return None
        return Known(self.dynamics, self.campaign, True, ours=False)

    @property
    def undecided(self) -> Judged:
        """The same while a person has not decided about its yes: nobody is told, and what is kept says that it is open,
        so that whoever looks at the contact again finds the yes again, however its row came.
        """
        # A no that Dynamics took back stays known as its own, or the next look would not see it being taken back.
        took_back = self.known is not None and self.decision.tell_campaign is False
        dynamics = self.known.dynamics if took_back and self.known else self.dynamics
        return self._replace(decision=Decision(None, None, None, UNDECIDED), dynamics=dynamics)


class Plan(NamedTuple):
    """What is to be done about one contact."""

    key: str
    version: int  # of the contact
    judged: dict[str, Judged]

    def telling(self, side: str) -> dict[str, bool]:
        """The values to write on a side, by attribute: True is a no."""
        name = f"tell_{side}"
        told = {attribute: getattr(each.decision, name) for attribute, each in self.judged.items()}
        return {attribute: no for attribute, no in told.items() if no is not None}

    def telling_both(self) -> Iterator[tuple[str, bool]]:
        """Every attribute that is told to somebody, and what."""
        for side in (CAMPAIGN, DYNAMICS):
            yield from self.telling(side).items()


def plan_contact(
    key: str,
    contact: Contact,
    heard: Sequence[Heard],
    known: Mapping[str, Kept],
    mapping: OptOutMapping,
    *,
    again: bool,
) -> Plan:
    """What is to be told about one contact.

    :param heard: what Campaign says of it, in any order.
    :param known: what the ledger has of it, by attribute.
    """
    judged = {}
    for attribute in mapping.pairs:
        before = known[attribute].known if attribute in known else None
        dynamics = _dynamics(
            before and before.dynamics, contact, attribute, record=mapping.conflict == "record"
        )
        # A yes without a time lifts no no, but Campaign has to be told it once more, if that is what happens to it.
        overruled = mapping.direction == "both" and bool(dynamics.no)
        campaign = _all_heard(heard, attribute, known.get(attribute), overruled=overruled)
        decision = decide(mapping.direction, dynamics, campaign, before, again=again)
        if (
            decision.no
            and mapping.direction in TO_CAMPAIGN
            and any(attribute in each.silent for each in heard)
        ):
            # The cell counts as no, but does not say it: a mailing would go out.
            decision = decision._replace(tell_campaign=True)
        judged[attribute] = Judged(decision, dynamics, campaign, before)
    return Plan(key, contact.version, judged)


def held_back(plan: Plan, allowed: Collection[tuple[str, str]]) -> tuple[Plan, set[tuple[str, str]]]:
    """The plan, in which an opt-in that nobody allowed waits for a person; and which wait, as contact and attribute."""
    waits = {name for name, no in plan.telling_both() if not no and (plan.key, name) not in allowed}
    judged = {name: how.undecided if name in waits else how for name, how in plan.judged.items()}
    return plan._replace(judged=judged), {(plan.key, name) for name in waits}


def overheard(heard: Sequence[Heard], known: Mapping[str, Kept], mapping: OptOutMapping) -> dict[str, Known]:
    """What the ledger is to keep of what Campaign says of a contact whom nobody is told about for now, by attribute:
    one that the filter holds back, or that Dynamics does not show.

    It counts once the contact passes: a no is told then. A yes lifts no no that was agreed, as if it had lost already.
    """
    found = {}
    for attribute in mapping.pairs:
        before = known[attribute].known if attribute in known else Known(NOBODY, NOBODY, None, ours=False)
        campaign = _all_heard(heard, attribute, known.get(attribute))
        # A profile that was just made may say but a default: its first yes is heard once the contact passes.
        if campaign != before.campaign and (campaign.no or before.campaign.no is not None):
            # A no holds from now on. Without that it would look like a yes that nobody has decided about.
            agreed = True if campaign.no else before.agreed
            found[attribute] = before._replace(campaign=campaign, agreed=agreed, ours=False)
    return found


def without_profile(known: Known) -> Known:
    """What is known of a contact whose profile is not there any more: one that is made again begins with a yes that
    nobody said, perhaps with a time. It lifts no no: what Campaign said is unheard, but for a person's no, which may
    stand nowhere else. No yes is surely later than that.
    """
    persons_no = bool(known.campaign.no) and not known.ours
    return known._replace(campaign=Said(True, None) if persons_no else NOBODY, ours=False)


def _all_heard(heard: Sequence[Heard], attribute: str, kept: Kept | None, *, overruled: bool = False) -> Said:
    campaign = kept.known.campaign if kept else NOBODY
    told_at = kept.told_at if kept and kept.known.ours else None
    for each in sorted(heard, key=lambda each: each.at.timestamp() if each.at else 0.0):
        campaign = _campaign(campaign, each, attribute, told_at, overruled=overruled)
    return campaign


def _dynamics(known: Said | None, contact: Contact, attribute: str, *, record: bool) -> Said:
    # It was just read: whatever the clocks say, nothing that is known is newer.
    return hear(known, contact.no[attribute], _later(contact.at, known and known.at), record=record)


def _campaign(
    known: Said, heard: Heard, attribute: str, told_at: datetime | None, *, overruled: bool
) -> Said:
    """
    :param told_at: when we wrote the no that is known, if it is ours.
    :param overruled: Dynamics says no, and Campaign is told so where it says yes without a time.
    """
    no, at = heard.said[attribute]
    if no and heard.fresh:
        at = _later(at, known.at)
    if no is False and known.no and not heard.fresh:
        when = _later(heard.at, at)  # the yes may have no time of its own
        if overruled and None in (when, known.at):
            at = None  # it may be newer, and then it stands in Campaign
        elif not _after(when, known.at):
            return known  # a file that was written before
    if no is False and told_at and not _after(at, told_at + OURS):
        # We have overwritten it since, or cannot know; nor whether a no that was taken for ours was said after it. It
        # lifts nothing, and is overwritten once more.
        at = None
    # A person who says no once more says it later, so that no yes between the two lifts it; our own no is no news.
    return hear(known, no, at, record=bool(no) and not is_echo(at, told_at) and _after(at, known.at))


def is_echo(at: datetime | None, told_at: datetime | None) -> bool:
    """Whether what Campaign says since this time is what we told it."""
    return at is not None and told_at is not None and abs(at - told_at) <= OURS


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _after(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other
