"""The rule's own words, one by one, and what holds in every case that there is."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
from campaign_sync.consent import rule
from campaign_sync.consent.rule import Known, Said, decide, hear, known_after

EARLY, NOON, LATE = (datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in (6, 12, 18))
NOTHING = Said(None, None)
DIRECTIONS = ("disabled", "to_campaign", "to_dynamics", "both")


def known(dynamics, campaign, *, agreed=None, ours=False):
    return Known(dynamics, campaign, agreed, ours)


def met(dynamics=False, campaign=False, **more):
    """Both sides were heard in the morning."""
    return known(Said(dynamics, EARLY), Said(campaign, EARLY), **more)


class TestHearing:
    def test_an_older_statement_is_no_news(self):
        assert hear(Said(True, NOON), False, EARLY) == Said(True, NOON)

    def test_a_later_statement_is_news(self):
        assert hear(Said(True, NOON), False, LATE) == Said(False, LATE)

    def test_the_same_value_again_keeps_its_time(self):
        assert hear(Said(True, NOON), True, LATE) == Said(True, NOON)

    def test_the_same_value_again_is_as_new_as_its_record(self):
        assert hear(Said(True, NOON), True, LATE, record=True) == Said(True, LATE)
        assert hear(Said(True, NOON), True, EARLY, record=True) == Said(True, NOON)
        assert hear(Said(True, NOON), True, None, record=True) == Said(True, NOON)

    def test_an_empty_cell_says_nothing(self):
        assert hear(None, None, LATE) == NOTHING
        assert hear(Said(True, NOON), None, LATE, record=True) == Said(True, NOON)

    def test_nothing_is_older_than_silence(self):
        assert hear(Said(None, LATE), True, EARLY) == Said(True, EARLY)

    def test_a_statement_without_a_time_is_news(self):
        assert hear(Said(True, NOON), False, None) == Said(False, None)


class TestFirstSight:
    @pytest.mark.parametrize("direction", ["to_dynamics", "both"])
    def test_no_wins_over_a_later_yes_of_campaign(self, direction):
        decision = decide(direction, Said(True, EARLY), Said(False, LATE), None)
        assert (decision.no, decision.tell_dynamics, decision.why) == (True, None, rule.FIRST_SIGHT)

    @pytest.mark.parametrize("direction", ["to_campaign", "both"])
    def test_campaign_is_told_a_no_of_dynamics(self, direction):
        decision = decide(direction, Said(True, None), NOTHING, None)
        assert decision == (True, True, None, rule.FIRST_SIGHT)

    def test_a_no_of_campaign_is_told_only_where_dynamics_is_written(self):
        told = {each: decide(each, Said(False, LATE), Said(True, EARLY), None)[:3] for each in DIRECTIONS[1:]}
        assert told == {
            "to_campaign": (True, None, None), "to_dynamics": (True, None, True), "both": (True, None, True),
        }  # fmt: skip

    @pytest.mark.parametrize("before", [known(Said(True, EARLY), NOTHING), known(NOTHING, Said(False, LATE))])
    def test_the_default_of_a_profile_that_was_just_made_lifts_no_no(self, before):
        decision = decide("both", Said(True, EARLY), Said(False, LATE), before)
        assert decision == (True, True, None, rule.FIRST_SIGHT)


class TestBothSidesAreRead:
    def test_a_later_yes_of_campaign_is_told_to_dynamics(self):
        decision = decide("both", Said(True, EARLY), Said(False, NOON), met(dynamics=True, campaign=True))
        assert decision == (False, None, False, rule.CAMPAIGN_LATER)

    @pytest.mark.parametrize(
        "dynamics_at, campaign_at, why",
        [
            (NOON, NOON, rule.NOT_LATER),
            (LATE, NOON, rule.NOT_LATER),
            (None, NOON, rule.UNTIMED),
            (NOON, None, rule.UNTIMED),
            (None, None, rule.UNTIMED),
        ],
    )
    def test_a_yes_that_is_not_surely_later_is_told_no(self, dynamics_at, campaign_at, why):
        before = met(dynamics=True, campaign=True)
        assert decide("both", Said(True, dynamics_at), Said(False, campaign_at), before) == (
            True,
            True,
            None,
            why,
        )

    @pytest.mark.parametrize("direction", ["to_dynamics", "both"])
    def test_a_yes_that_lost_does_not_win_when_the_contact_is_seen_again(self, direction):
        dynamics, campaign = Said(True, EARLY), Said(False, LATE)
        first = decide(direction, dynamics, campaign, None)
        before = known(dynamics, campaign, agreed=first.no)  # Campaign could not be told
        for edited in (dynamics, Said(True, NOON)):
            decision = decide(direction, edited, campaign, before)
            assert (decision.no, decision.tell_dynamics, decision.why) == (True, None, rule.RESOLVED)

    @pytest.mark.parametrize("agreed", [True, False, None])
    def test_a_no_of_dynamics_wins_over_a_yes_that_was_known_before_it_whatever_its_time(self, agreed):
        before = met(dynamics=False, campaign=False, agreed=agreed)._replace(campaign=Said(False, LATE))
        assert decide("both", Said(True, NOON), Said(False, LATE), before)[:3] == (True, True, None)
        news = decide("both", Said(True, NOON), Said(False, LATE), met(dynamics=False, agreed=agreed))
        assert news == (False, None, False, rule.CAMPAIGN_LATER)

    def test_a_yes_that_waits_for_a_person_wins_when_it_is_seen_again(self):
        before = known(Said(True, NOON), Said(False, LATE), agreed=None)
        assert decide("both", Said(True, NOON), Said(False, LATE), before)[:3] == (False, None, False)

    def test_dynamics_never_lifts_a_no_of_campaign(self):
        decision = decide(
            "both", Said(False, LATE), Said(True, EARLY), met(dynamics=True, campaign=True, ours=True)
        )
        assert decision == (True, None, True, rule.CAMPAIGN_OBJECTS)

    def test_campaign_is_not_written_where_only_dynamics_is(self):
        assert decide("to_dynamics", Said(True, NOON), NOTHING, met(campaign=None))[:3] == (True, None, None)


class TestOnlyDynamicsIsRead:
    def test_a_no_of_dynamics_overrides_a_later_yes(self):
        assert decide("to_campaign", Said(True, EARLY), Said(False, LATE), met())[:3] == (True, True, None)

    def test_dynamics_takes_back_what_was_written_for_it(self):
        before = met(dynamics=True, campaign=True, ours=True)
        assert decide("to_campaign", Said(False, NOON), before.campaign, before) == (
            False, False, None, rule.TAKEN_BACK,
        )  # fmt: skip

    @pytest.mark.parametrize(
        "before, campaign",
        [
            (met(dynamics=True, campaign=True), Said(True, EARLY)),  # not written by us
            (met(dynamics=False, campaign=True, ours=True), Said(True, EARLY)),  # no change of Dynamics
            (met(dynamics=True, campaign=True, ours=True), Said(True, NOON)),  # said since
        ],
    )
    def test_campaigns_own_no_stays(self, before, campaign):
        decision = decide("to_campaign", Said(False, LATE), campaign, before)
        assert decision == (True, None, None, rule.CAMPAIGN_KEEPS)

    def test_what_campaign_says_holds_where_dynamics_says_nothing(self):
        for no in (True, False, None):
            assert decide("to_campaign", NOTHING, Said(no, NOON), met(dynamics=None))[:3] == (no, None, None)


def every_case():
    said = [NOTHING, *(Said(no, at) for no in (True, False) for at in (None, EARLY, LATE))]
    before = [None, *(Known(*each, agreed, ours) for each in product(said, said)
                      for agreed, ours in product((True, False, None), (True, False)))]  # fmt: skip
    return product(DIRECTIONS, said, said, before)


def test_repeated_work_tells_no_yes_and_keeps_the_no():
    for direction, dynamics, campaign, before in every_case():
        once = decide(direction, dynamics, campaign, before)
        again = decide(direction, dynamics, campaign, before, again=True)
        if False in (once.tell_campaign, once.tell_dynamics):
            assert again == (True, None, None, rule.REPEATED)
        else:
            assert again == once


def test_nobody_is_told_what_it_says_nor_a_side_that_is_not_written():
    for direction, dynamics, campaign, before in every_case():
        decision = decide(direction, dynamics, campaign, before)
        assert decision.why in rule.REASONS
        for side, told in ((dynamics, decision.tell_dynamics), (campaign, decision.tell_campaign)):
            assert told is None or told is not side.no
        if direction not in rule.TO_CAMPAIGN:
            assert decision.tell_campaign is None
        if direction not in rule.TO_DYNAMICS:
            assert decision.tell_dynamics is None


def test_disabled_keeps_what_holds():
    assert decide("disabled", Said(True, LATE), Said(False, LATE), met(agreed=False)) == (
        False, None, None, rule.DISABLED,
    )  # fmt: skip
    assert decide("disabled", Said(True, LATE), NOTHING, None).no is None


class TestWhatIsKeptAfterTelling:
    def test_a_file_from_before_campaign_was_told_lifts_no_no(self):
        dynamics, campaign = Said(True, EARLY), Said(False, NOON)
        kept = known_after(decide("both", dynamics, campaign, None), dynamics, campaign, None)
        assert kept == Known(dynamics, Said(True, NOON), agreed=True, ours=True)
        late_file = hear(kept.campaign, False, NOON)
        assert decide("both", dynamics, late_file, kept)[:3] == (True, True, None)
        assert decide("both", dynamics, Said(False, LATE), kept)[:3] == (False, None, False)

    def test_what_campaign_held_unheard_is_older_than_the_no_that_it_was_told(self):
        dynamics = Said(True, EARLY)
        decision = decide("both", dynamics, NOTHING, None)
        kept = known_after(decision, dynamics, NOTHING, None, written=LATE)
        assert kept.campaign == Said(True, LATE)
        default = hear(kept.campaign, False, NOON)  # exported before Campaign was told
        assert decide("both", dynamics, default, kept).tell_dynamics is None

    def test_a_no_whose_time_is_unknown_may_be_the_later_one(self):
        before = met(dynamics=True, campaign=True, agreed=True)._replace(campaign=Said(True, None))
        decision = decide("both", Said(True, EARLY), Said(False, LATE), before)
        assert decision == (True, True, None, rule.NOT_LATER)

    def test_dynamics_is_kept_with_the_time_of_the_yes_that_won(self):
        before = met(dynamics=True, campaign=True, ours=True)
        dynamics, campaign = Said(True, EARLY), Said(False, NOON)
        kept = known_after(decide("both", dynamics, campaign, before), dynamics, campaign, before)
        assert kept == Known(campaign, campaign, agreed=False, ours=False)

    def test_what_campaign_holds_stays_ours_until_it_says_something(self):
        before = met(dynamics=True, campaign=True, ours=True)
        for campaign, ours in ((before.campaign, True), (Said(True, NOON), False)):
            decision = decide("both", before.dynamics, campaign, before)
            assert known_after(decision, before.dynamics, campaign, before).ours is ours

    def test_a_yes_that_a_replay_did_not_tell_is_told_by_the_next_ordinary_run(self):
        before = met(dynamics=True, campaign=True, agreed=True)
        heard = (before.dynamics, Said(False, NOON))
        assert known_after(decide("both", *heard, before, again=True), *heard, before) == before

    def test_telling_twice_tells_nothing(self):
        for direction, dynamics, campaign, before in every_case():
            kept = known_after(decide(direction, dynamics, campaign, before), dynamics, campaign, before)
            once_more = decide(direction, kept.dynamics, kept.campaign, kept)
            assert False not in once_more[1:3], (direction, dynamics, campaign, before)
            assert once_more.tell_campaign is None or not kept.campaign.no
            if direction == "both":
                assert once_more[:3] == (kept.agreed, None, None), (dynamics, campaign, before)
