"""What rows of Campaign come to beside our own last no, where the clocks of two systems meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.consent import rule
from campaign_sync.consent.plan import Contact, Heard, plan_contact
from campaign_sync.consent.rule import Known, Said
from campaign_sync.consent.vocabulary import OptOutVocabulary
from campaign_sync.ledger.consent import DYNAMICS, Kept

from tests.consent.telling import COLUMNS
from tests.consent.two_sides import EMAIL

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MAPPING = OptOutVocabulary.model_validate(
    {
        "direction": "both", "description": "What people object to.", "extract": {"table": "contact"},
        "pairs": {EMAIL: COLUMNS[EMAIL]}, "load": {"resource": "profile"},
    }
)  # fmt: skip
#: Dynamics said no, and Campaign was told at noon.
OURS = Kept(Known(Said(True, NOON), Said(True, NOON), agreed=True, ours=True), NOON, DYNAMICS)


def row(no: bool, after: int) -> Heard:
    """A row of a file, so many seconds after noon."""
    at = NOON + timedelta(seconds=after)
    return Heard(at, {EMAIL: Said(no, at)}, fresh=False)


def judged(heard: Heard, kept: Kept) -> tuple[str, Kept]:
    contact = Contact(1, NOON, {EMAIL: True})
    found = plan_contact("c-1", contact, [heard], {EMAIL: kept}, MAPPING, again=False).judged[EMAIL]
    return found.decision.why, kept._replace(known=found.after(NOON))


def test_a_late_file_with_a_yes_lifts_no_no_that_looked_like_ours():
    """Yes after a minute, no after two minutes less a little; the file with the yes comes last."""
    why, kept = judged(row(True, 110), OURS)
    assert (why, kept) == (rule.BOTH, OURS)
    why, kept = judged(row(False, 60), kept)
    assert why == rule.UNTIMED


@pytest.mark.parametrize(("after", "why"), [(120, rule.UNTIMED), (121, rule.CAMPAIGN_LATER)])
def test_a_yes_is_surely_later_than_our_no_once_two_clocks_cannot_differ_so_much(after: int, why: str):
    assert judged(row(False, after), OURS)[0] == why
