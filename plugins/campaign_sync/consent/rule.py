"""Who is told what, where the two sides say different things about one attribute of one contact (O3, O4, O7).

Pure. `no` is True where the person objects, False where the side says that they do not, None where it has said nothing.
When in doubt the answer is no. Not for reading or writing either side; times are aware of their zone.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

DISABLED = "the flow is disabled"
SILENCE = "nobody has said anything"
NO_OBJECTION = "nobody says no"
BOTH = "both say no"
FIRST_SIGHT = "heard together for the first time: no wins"
RESOLVED = "no was agreed, and Campaign has said nothing since"
CAMPAIGN_LATER = "Campaign's yes is later than Dynamics' no"
NOT_LATER = "Campaign's yes is not later than Dynamics' no"
UNTIMED = "the time of Campaign's yes or of Dynamics' no is unknown"
CAMPAIGN_OBJECTS = "Campaign says no, which Dynamics does not lift"
DYNAMICS_OBJECTS = "Dynamics says no"
TAKEN_BACK = "Dynamics took back a no that was written for it"
CAMPAIGN_KEEPS = "Campaign's no is its own and stays"
REPEATED = "repeated work tells no yes: no stays"

#: Every reason.
REASONS = (
    DISABLED, SILENCE, NO_OBJECTION, BOTH, FIRST_SIGHT, CAMPAIGN_OBJECTS, DYNAMICS_OBJECTS, RESOLVED,
    UNTIMED, CAMPAIGN_LATER, NOT_LATER, TAKEN_BACK, CAMPAIGN_KEEPS, REPEATED,
)  # fmt: skip

TO_CAMPAIGN = ("to_campaign", "both")
TO_DYNAMICS = ("to_dynamics", "both")


class Said(NamedTuple):
    """What one side says about one attribute of one contact."""

    no: bool | None
    at: datetime | None  # when it said so


class Known(NamedTuple):
    """What the ledger knows from before."""

    dynamics: Said
    campaign: Said
    agreed: bool | None
    ours: bool  # Campaign's present value was written by us

    @property
    def undecided(self) -> bool:
        """Whether a yes waits for a person: somebody says no, and it is open whether that holds."""
        return self.agreed is None and bool(self.dynamics.no or self.campaign.no)


class Decision(NamedTuple):
    """What holds, and who has to be told."""

    no: bool | None  # what holds from now on; None: nobody has said anything
    tell_campaign: bool | None  # value to write there; None: nothing
    tell_dynamics: bool | None
    why: str  # one of REASONS


def hear(known: Said | None, no: bool | None, at: datetime | None, *, record: bool = False) -> Said:
    """What a side says now, given what it was known to say.

    :param no: what it says in a row that was just read; None: an empty cell.
    :param at: the time of that row or attribute, as far as it is known.
    :param record: a value that is said again is as new as its record.
    """
    if known is None or known.no is None:
        # Nothing was said before, so that nothing can be older than it.
        return Said(no, at) if no is not None else Said(None, None)
    if no is None or _earlier(at, known.at):
        return known
    if no == known.no:
        return known._replace(at=at) if record and at is not None else known
    return Said(no, at)


def decide(
    direction: str, dynamics: Said, campaign: Said, known: Known | None, *, again: bool = False
) -> Decision:
    """What holds of what the two sides say now, and which of them has to be told.

    :param direction: disabled, to_campaign, to_dynamics or both.
    :param again: a replay, a backfill or a file that was taken before: it lifts no no.
    """
    if direction == "disabled":
        return Decision(known.agreed if known else None, None, None, DISABLED)
    if not (dynamics.no or campaign.no):
        silent = dynamics.no is None and campaign.no is None
        return Decision(None if silent else False, None, None, SILENCE if silent else NO_OBJECTION)
    if known and direction == "to_campaign" and not dynamics.no:
        return _only_campaign_objects(dynamics, campaign, known, again=again)
    why = _why_no(direction, dynamics, campaign, known)
    if why == CAMPAIGN_LATER:
        return Decision(True, None, None, REPEATED) if again else Decision(False, None, False, why)
    return Decision(
        True,
        True if direction in TO_CAMPAIGN and not campaign.no else None,
        True if direction in TO_DYNAMICS and not dynamics.no else None,
        why,
    )


def known_after(
    decision: Decision,
    dynamics: Said,
    campaign: Said,
    known: Known | None,
    *,
    written: datetime | None = None,
) -> Known:
    """What the ledger keeps once everybody has been told.

    Not where the telling was rejected or waits: what was heard is to be news again then.

    :param written: when Campaign was told. What it held and had never said is older than that, whatever time it bears.
    """
    if decision.why == REPEATED and known is not None:
        return known  # the yes that was not told is news to the next run that is no repetition
    ours = known is not None and known.ours and campaign == known.campaign
    if decision.tell_campaign is not None:
        # The later time, as a file that still says what was overruled may come yet.
        overruled = campaign.at if campaign.no is not None else written
        campaign, ours = Said(decision.tell_campaign, _later(dynamics.at, overruled)), True
    if decision.tell_dynamics is not None:
        dynamics = Said(decision.tell_dynamics, campaign.at)
    return Known(dynamics, campaign, decision.no, ours)


def _only_campaign_objects(dynamics: Said, campaign: Said, known: Known, *, again: bool) -> Decision:
    """Direction to_campaign: Dynamics lifts only what it had asked for and nobody has confirmed since."""
    if dynamics.no is None:
        return Decision(True, None, None, CAMPAIGN_OBJECTS)
    if not (known.dynamics.no and known.ours and campaign == known.campaign):
        return Decision(True, None, None, CAMPAIGN_KEEPS)
    return Decision(True, None, None, REPEATED) if again else Decision(False, False, None, TAKEN_BACK)


def _why_no(direction: str, dynamics: Said, campaign: Said, known: Known | None) -> str:
    """Why no holds, somebody saying it; CAMPAIGN_LATER: it does not."""
    if dynamics.no and campaign.no:
        return BOTH
    # A side that was never heard before may hold but the default of a record that was just made (O7).
    if known is None or (campaign.no is False and None in (known.dynamics.no, known.campaign.no)):
        return FIRST_SIGHT
    if campaign.no:
        return CAMPAIGN_OBJECTS
    if campaign.no is None or direction == "to_campaign":
        return DYNAMICS_OBJECTS
    # Where Campaign was not told (not written, no profile yet, repeated work) its yes stands, and stays beaten (O4).
    # Nor does one that held outlast a no that came after it, whatever the clocks say.
    if campaign == known.campaign and not known.undecided:
        return RESOLVED if known.agreed else DYNAMICS_OBJECTS
    if dynamics.at is None or campaign.at is None:
        return UNTIMED
    if known.campaign.no and (known.campaign.at is None or campaign.at <= known.campaign.at):
        return NOT_LATER  # a file that was written before Campaign was told, or may have been
    return CAMPAIGN_LATER if campaign.at > dynamics.at else NOT_LATER


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _earlier(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one < other
