"""Whose word holds of an opt-out attribute of one contact, and why: for people who ask later.

Pure, from what the ledger keeps. What was decided in the moment (``rule.py``) is in the report of that run; the ledger
keeps what came of it. Not for deciding anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from campaign_sync.consent.plan import UNDECIDED
from campaign_sync.consent.rule import (
    BOTH,
    CAMPAIGN_LATER,
    CAMPAIGN_OBJECTS,
    DYNAMICS_OBJECTS,
    NO_OBJECTION,
    RESOLVED,
    SILENCE,
    TAKEN_BACK,
    Known,
)

if TYPE_CHECKING:
    from campaign_sync.ledger.consent import Kept


class Decided(NamedTuple):
    """Whose word holds, and why."""

    side: Literal["dynamics", "campaign", ""]  # empty: both say so, nobody does, or it is open
    why: str


def decided(kept: Kept) -> Decided:
    """Whose word holds of an attribute, and why."""
    known = kept.known
    if known.undecided:
        return Decided("", UNDECIDED)
    if known.agreed is None:
        return Decided("", SILENCE)
    return _no(known) if known.agreed else _yes(known)


def _no(known: Known) -> Decided:
    if known.dynamics.no and known.campaign.no:
        if known.ours:
            return Decided("dynamics", f"{DYNAMICS_OBJECTS}, and Campaign was told")
        # What Dynamics was told has the time of what Campaign said (``rule.known_after``).
        if known.dynamics == known.campaign and known.campaign.at is not None:
            return Decided("campaign", "Campaign says no, and Dynamics was told")
        return Decided("", BOTH)
    if known.campaign.no:
        return Decided("campaign", CAMPAIGN_OBJECTS)
    return Decided("dynamics", DYNAMICS_OBJECTS if known.campaign.no is None else RESOLVED)


def _yes(known: Known) -> Decided:
    if known.ours:
        return Decided("dynamics", f"{TAKEN_BACK}, and Campaign was told")
    if None not in (known.dynamics.no, known.campaign.at) and known.dynamics == known.campaign:
        return Decided("campaign", f"{CAMPAIGN_LATER}, and Dynamics was told")
    return Decided("", NO_OBJECTION)
