"""Random histories of people, exports, faults and settings on both sides. See `TwoSides` and `Telling`.

TEST_SIZE=nightly runs 100,000 steps; TEST_SEED=number replays what it printed.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.consent.telling import FAULTS, Telling
from tests.consent.two_sides import TwoSides

NIGHTLY = os.environ.get("TEST_SIZE") == "nightly"

no_or_yes = st.booleans()
contacts = st.sampled_from(("early", "late"))
faults = st.none() | st.sampled_from(FAULTS)
pauses = st.sampled_from((0, 0, 1, 50, 130, 4_000))

counted: Counter[str] = Counter()


class Histories(RuleBasedStateMachine):
    """Two contacts: one there from the start, one that comes later, and whose profile comes later still."""

    @initialize(
        ahead=st.sampled_from((0, 0, 3_600)),
        hides=st.sampled_from((False, False, True)),
        direction=st.sampled_from(("both", "both", "to_campaign", "to_dynamics")),
        conflict=st.sampled_from(("record", "attribute")),
        says=st.sampled_from((True, False, None)),
        profile=no_or_yes,
        stamped=no_or_yes,
        campaign_first=no_or_yes,
    )
    def start(self, ahead, hides, direction, conflict, says, profile, stamped, campaign_first):
        self.sides = TwoSides(ahead, hides)
        self.flow = Telling(self.sides, direction, conflict)
        if campaign_first:
            self.sides.create_profile("early", profile, stamped=stamped)
            self.pause(10)
        self.sides.create_contact("early", says)
        if not campaign_first:
            self.pause(10)
            self.sides.create_profile("early", profile, stamped=stamped)

    # -- people ------------------------------------------------------------------------------------------------

    @rule(key=contacts, no=st.sampled_from((True, False, False, None)), after=pauses)
    def somebody_says_it_in_dynamics(self, key, no, after):
        self.pause(after)
        if key in self.sides.contacts:
            self.sides.say_in_dynamics(key, no)

    @rule(key=contacts, no=no_or_yes, after=pauses)
    def somebody_says_it_in_campaign(self, key, no, after):
        self.pause(after)
        if key in self.sides.profiles:
            self.sides.say_in_campaign(key, no)

    @rule(key=contacts, dynamics=no_or_yes, after=pauses)
    def somebody_edits_something_else(self, key, dynamics, after):
        self.pause(after)
        if dynamics and key in self.sides.contacts:
            self.sides.edit_in_dynamics(key)
        if not dynamics and key in self.sides.profiles:
            self.sides.edit_in_campaign(key)

    @precondition(lambda self: "late" not in self.sides.contacts)
    @rule(no=st.sampled_from((True, False, None)))
    def a_contact_is_new(self, no):
        self.sides.create_contact("late", no)

    @precondition(lambda self: "late" in self.sides.contacts and "late" not in self.sides.profiles)
    @rule(stamped=no_or_yes)
    def its_profile_is_new(self, stamped):
        self.sides.create_profile("late", False, stamped=stamped)

    # -- what comes, and runs ----------------------------------------------------------------------------------

    @rule(full=no_or_yes, after=pauses)
    def campaign_exports(self, full, after):
        self.pause(after)
        self.flow.files.append((self.sides.export(full=full), False))

    @precondition(lambda self: self.flow.done)
    @rule(number=st.integers(0, 50), noticed=no_or_yes)
    def a_file_comes_again(self, number, noticed):
        self.flow.files.append((self.flow.done[number % len(self.flow.done)], noticed))

    @rule(
        files=st.sampled_from(("in order", "reversed", "all but the first")),
        changes=st.sampled_from((0, 1, 99)),
        fault=faults,
        after=pauses,
    )
    def the_flow_runs(self, files, changes, fault, after):
        self.pause(after)
        self.flow.run(files=files, changes=changes, fault=fault)

    @rule(key=contacts, no=no_or_yes, faulty=faults)
    def somebody_changes_their_mind_about_what_was_told(self, key, no, faulty):
        """What random single steps seldom come to: a no, a run, a yes, a run."""
        for word in (True, False):
            if no:
                self.somebody_says_it_in_dynamics(key, word, 130)
            else:
                self.somebody_says_it_in_campaign(key, word, 130)
            self.campaign_exports(False, 1)
            self.the_flow_runs("in order", 99, faulty, 1)

    @precondition(lambda self: self.flow.started)
    @rule(fault=faults)
    def everything_is_replayed(self, fault):
        self.flow.replay(fault)

    @rule(
        direction=st.sampled_from(
            ("disabled", "to_campaign", "to_campaign", "to_dynamics", "both", "both", "both")
        )
    )
    def somebody_changes_the_direction(self, direction):
        self.flow.direction = direction

    @rule(conflict=st.sampled_from(("record", "attribute")))
    def somebody_changes_what_a_conflict_compares(self, conflict):
        self.flow.conflict = conflict

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_written_while_disabled(self):
        counted["steps"] += 1
        if self.flow.direction != "disabled":
            self.written = len(self.flow.writes)
        assert self.written == len(self.flow.writes)

    def teardown(self):
        """All goes quiet: in `both`, one run brings the sides together, and our own writes are no news to the next.

        But for a yes of Campaign that our no had overwritten before it was read: that no comes back, and holds.
        """
        if not hasattr(self, "flow"):
            return
        counted["histories"] += 1
        self.flow.direction = "both"
        told = []
        for _ in range(3):
            self.pause(500)
            self.flow.files.append((self.sides.export(full=True), False))
            before = len(self.flow.writes)
            self.flow.run()
            told.append([(side, no) for side, _, no in self.flow.writes[before:]])
        assert set(told[1]) <= {("dynamics", True)} if ("dynamics", False) in told[0] else not told[1], told
        assert not told[2], f"our own writes came back as news: {told}"
        for write in self.flow.writes:
            counted[f"{write[0]} told {'no' if write[2] else 'yes'}"] += 1
        for key in self.sides.profiles:
            contact, profile = self.sides.contacts[key], self.sides.profiles[key]
            # an empty column takes nothing back, and is left as it is where the ledger has its no
            assert contact.no in (None, profile.no), f"{key}: the sides differ"
            assert profile.no is not True or contact.no or self.flow.ledger[key].known.dynamics.no
            if not profile.no:
                self.every_no_was_taken_back(key)

    def every_no_was_taken_back(self, key):
        """By a later yes on its side; one in Dynamics also by a yes in Campaign with a later time."""
        in_campaign, in_dynamics = self.sides.said("campaign", key), self.sides.said("dynamics", key)
        if in_campaign:
            assert in_campaign[-1].no is False, in_campaign
        for number, word in enumerate(in_dynamics):
            if word.no and not word.hidden:
                yes = any(not later.no for later in in_dynamics[number:])
                assert yes or any(not other.no and other.at > word.at for other in in_campaign), (
                    word,
                    in_campaign,
                )

    def pause(self, seconds):
        self.sides.pause(seconds)


@pytest.mark.timeout(3600 if NIGHTLY else 300)
def test_no_history_opts_anybody_in_against_their_word():
    counted.clear()
    number = int(os.environ.get("TEST_SEED", random.SystemRandom().randrange(10**9) if NIGHTLY else 4))
    print(f"TEST_SEED={number}")
    started = time.monotonic()
    run_state_machine_as_test(
        seed(number)(Histories),
        settings=settings(
            max_examples=1_100 if NIGHTLY else 100,
            stateful_step_count=100 if NIGHTLY else 50,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(
        f"{time.monotonic() - started:.0f} s:",
        ", ".join(f"{count:,} {what}" for what, count in counted.items()),
    )
    assert counted["steps"] > (100_000 if NIGHTLY else 2_000)
    assert all(counted[f"{side} told {word}"] for side in ("dynamics", "campaign") for word in ("no", "yes"))
