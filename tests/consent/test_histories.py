"""Random histories of people, exports, faults, decisions and settings on both sides. See `TwoSides`, `Flow`, `Oracle`.

TEST_SIZE=nightly runs 100,000 steps; TEST_SEED=number replays what it printed.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest
from campaign_sync.consent.vocabulary import OptOutVocabulary
from campaign_sync.run import clock
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

from tests.consent.oracle import Oracle
from tests.consent.telling import COLUMNS, FAULTS, Flow
from tests.consent.two_sides import ATTRIBUTES, EMAIL, PHONE, TwoSides

NIGHTLY = os.environ.get("TEST_SIZE") == "nightly"

no_or_yes = st.booleans()
contacts = st.sampled_from(("early", "late"))
attributes = st.sampled_from((EMAIL, EMAIL, PHONE))
faults = st.none() | st.sampled_from(FAULTS)
pauses = st.sampled_from((0, 0, 1, 50, 130, 4_000))
unread = st.sampled_from(({},) * 9 + ({EMAIL: "cell"}, {EMAIL: "time"}, {PHONE: "cell"}))

#: Quiet runs until nothing is told: one for the noes; yeses of people who said no and yes since, and those of whom the
#: guard lets one through at a time, come with the next.
ROUNDS = 5

counted: Counter[str] = Counter()

MAPPING = OptOutVocabulary.model_validate(
    {
        "direction": "both", "description": "What people object to.", "extract": {"table": "contact"},
        "pairs": COLUMNS, "load": {"resource": "profile"},
    }
)  # fmt: skip


class Histories(RuleBasedStateMachine):
    """Two contacts: one there from the start, one that comes later, and whose profile comes later still."""

    sides: TwoSides
    garbled = made_anew = False

    @initialize(
        ahead=st.sampled_from((0, 0, 3_600)),
        hides=st.sampled_from((False, False, True)),
        direction=st.sampled_from(("both", "to_campaign", "to_dynamics")),
        conflict=st.sampled_from(("record", "attribute")),
        opt_ins=st.sampled_from(("0", "1", "1000")),
        pairs=st.sampled_from((ATTRIBUTES, ATTRIBUTES, (EMAIL,))),
        says=st.sampled_from((True, False, None)),
        noes=st.sets(attributes),
        stamped=no_or_yes,
        campaign_first=no_or_yes,
    )
    def start(self, ahead, hides, direction, conflict, opt_ins, pairs, says, noes, stamped, campaign_first):
        self.sides = Histories.sides = TwoSides(ahead, hides)
        self.oracle = Oracle(self.sides)
        self.flow = Flow(self.sides, self.oracle, MAPPING)
        self.change(direction=direction)
        self.somebody_changes_the_mapping(conflict, opt_ins, pairs, False)
        if campaign_first:
            self.sides.create_profile("early", noes, stamped=stamped)
            self.pause(10)
        self.sides.create_contact("early", says)
        if not campaign_first:
            self.pause(10)
            self.sides.create_profile("early", noes, stamped=stamped)

    # -- people ------------------------------------------------------------------------------------------------

    @rule(key=contacts, attribute=attributes, no=st.sampled_from((True, False, False, None)), after=pauses)
    def somebody_says_it_in_dynamics(self, key, attribute, no, after):
        self.pause(after)
        if key in self.sides.contacts:
            self.sides.say_in_dynamics(key, attribute, no)

    @rule(key=contacts, attribute=attributes, no=no_or_yes, after=pauses)
    def somebody_says_it_in_campaign(self, key, attribute, no, after):
        self.pause(after)
        if key in self.sides.profiles:
            self.sides.say_in_campaign(key, attribute, no)

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

    @precondition(lambda self: self.sides.contacts.keys() - self.sides.profiles)
    @rule(ours=no_or_yes, stamped=no_or_yes)
    def a_profile_is_made(self, ours, stamped):
        """By the flow of profiles, or by somebody else."""
        self.made_anew |= bool(self.sides.had_profile - self.sides.profiles.keys())
        for key in sorted(self.sides.contacts.keys() - self.sides.profiles):
            if ours:
                self.flow.profile_is_made(key)
            else:
                self.sides.create_profile(key, stamped=stamped)

    @rule(key=contacts)
    def a_profile_is_deleted(self, key):
        if key in self.sides.profiles:
            self.oracle.profile_goes(
                key, [file[key] for file in (*self.flow.files, *self.flow.done) if key in file]
            )
            self.sides.delete_profile(key)

    @rule(key=contacts, what=st.sampled_from(("passes", "shown")), away=no_or_yes)
    def a_contact_goes_or_comes_back(self, key, what, away):
        if key in self.sides.contacts:
            self.sides.edit_in_dynamics(key, **{what: not away})

    # -- what comes, and runs ----------------------------------------------------------------------------------

    @rule(full=no_or_yes, unread=unread, after=pauses)
    def campaign_exports(self, full, unread, after):
        self.pause(after)
        self.garbled |= bool(unread)
        self.flow.files.append(self.sides.export(full=full, unread=unread))

    @precondition(lambda self: self.flow.done)
    @rule(number=st.integers(0, 50))
    def a_file_comes_again(self, number):
        self.flow.files.append(self.flow.done[number % len(self.flow.done)])

    @rule(
        files=st.sampled_from(("in order", "in order", "reversed", "all but the first")),
        changes=st.sampled_from((0, 1, 99, 99)),
        fault=faults,
        meanwhile=st.none() | st.tuples(contacts, attributes, no_or_yes, no_or_yes),
        after=pauses,
    )
    def the_flow_runs(self, files, changes, fault, meanwhile, after):
        self.pause(after)
        self.flow.run(
            files=files, changes=changes, fault=fault, between=lambda: self.somebody_speaks(meanwhile)
        )

    @precondition(lambda self: self.flow.undecided())
    @rule(
        answer=st.sampled_from((True, True, False)),
        fault=faults,
        meanwhile=st.none() | st.tuples(contacts, attributes, no_or_yes, no_or_yes),
        after=pauses,
    )
    def a_person_decides_about_opt_ins(self, answer, fault, meanwhile, after):
        self.pause(after)

        def decide():
            self.somebody_speaks(meanwhile)
            counted["decided"] += 1
            return answer

        self.flow.run(fault=fault, decide=decide)

    def somebody_speaks(self, word):
        if word is not None:
            key, attribute, in_dynamics, no = word
            says = self.somebody_says_it_in_dynamics if in_dynamics else self.somebody_says_it_in_campaign
            says(key, attribute, no, 1)

    @rule(key=contacts, attribute=attributes, no=no_or_yes, faulty=faults, approved=no_or_yes)
    def somebody_changes_their_mind_about_what_was_told(self, key, attribute, no, faulty, approved):
        """What random single steps seldom come to: a no, a run, a yes, a run, perhaps an approval."""
        for word in (True, False):
            if no:
                self.somebody_says_it_in_dynamics(key, attribute, word, 130)
            else:
                self.somebody_says_it_in_campaign(key, attribute, word, 130)
            self.campaign_exports(False, {}, 1)
            self.the_flow_runs("in order", 99, faulty, None, 1)
        if approved:
            self.a_person_decides_about_opt_ins(True, faulty, None, 1)

    @rule(fault=faults)
    def everything_is_replayed(self, fault):
        self.flow.run(replay=True, fault=fault)

    # -- the mapping -------------------------------------------------------------------------------------------

    @rule(
        direction=st.sampled_from(
            ("disabled", "to_campaign", "to_campaign", "to_dynamics", "both", "both", "both")
        )
    )
    def somebody_changes_the_direction(self, direction):
        self.change(direction=direction)

    @rule(
        conflict=st.sampled_from(("record", "attribute")),
        opt_ins=st.sampled_from(("0", "1", "1000")),
        pairs=st.sampled_from((ATTRIBUTES, ATTRIBUTES, (EMAIL,), (PHONE,))),
        filters=no_or_yes,
    )
    def somebody_changes_the_mapping(self, conflict, opt_ins, pairs, filters):
        guard = MAPPING.guard.model_copy(update={"opt_ins": opt_ins})
        self.change(conflict=conflict, guard=guard, pairs={each: MAPPING.pairs[each] for each in pairs})
        self.flow.filters = filters

    def change(self, **words):
        self.flow.mapping = self.flow.mapping.model_copy(update=words)

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_written_while_disabled(self):
        counted["steps"] += 1
        if self.flow.direction != "disabled":
            self.written = len(self.flow.writes)
        assert self.written == len(self.flow.writes)

    def teardown(self):
        """All goes quiet: in `both` a few runs bring the sides together, and our own writes are no news to the next;
        what waits for a person by then may, and after an approval nothing does.
        """
        if not hasattr(self, "flow"):
            return
        counted["histories"] += 1
        self.change(direction="both", pairs=MAPPING.pairs)
        for key in self.sides.contacts:
            self.sides.edit_in_dynamics(key, passes=True, shown=True)
        told = [self.quiet_round()]
        while told[-1] and len(told) < ROUNDS:
            told.append(self.quiet_round())
        assert not told[-1], f"our own writes came back as news: {told}"
        counted["quiet rounds"] += len(told)
        waiting = self.flow.undecided()
        for key, attribute in waiting:
            counted["left undecided"] += 1
            assert self.oracle.may_wait(key, attribute), (key, attribute)
        self.the_sides_agree(waiting)
        self.flow.run(decide=lambda: True)
        assert not self.flow.undecided()
        assert not self.quiet_round(), "a decision came back as news"
        self.the_sides_agree(set())
        for write in self.flow.writes:
            counted[f"{write[0]} told {'no' if write[3] else 'yes'}"] += 1

    def quiet_round(self):
        """With no more in the file than what is new: a no that came before must have been remembered. Only after cells
        that could not be read, and where values have no times, so that an old file looks like news, all is told again.
        """
        self.pause(500)
        full = self.garbled or self.sides.hides or self.made_anew
        self.flow.files.append(self.sides.export(full=full))
        before = len(self.flow.writes)
        self.flow.run()
        return [(side, no) for side, _, _, no in self.flow.writes[before:]]

    def the_sides_agree(self, waiting):
        for key, profile in self.sides.profiles.items():
            for attribute in ATTRIBUTES:
                if (key, attribute) in waiting:
                    continue
                says, no = self.sides.contacts[key].no[attribute], profile.no[attribute]
                # an empty column takes nothing back, and is left as it is where the ledger has its no
                assert says in (None, no), f"{key}, {attribute}: the sides differ"
                assert no is not True or says or self.flow.kept[key][attribute].known.dynamics.no
                if not no:
                    self.oracle.every_no_was_taken_back(key, attribute)

    def pause(self, seconds):
        self.sides.pause(seconds)


@pytest.mark.timeout(3600 if NIGHTLY else 300)
def test_no_history_opts_anybody_in_against_their_word(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clock, "now", lambda: Histories.sides.now)
    counted.clear()
    number = int(os.environ.get("TEST_SEED", random.SystemRandom().randrange(10**9) if NIGHTLY else 21))
    print(f"TEST_SEED={number}")
    started = time.monotonic()
    run_state_machine_as_test(
        seed(number)(Histories),
        settings=settings(
            max_examples=1_500 if NIGHTLY else 80,
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
    # a short run of another seed need not come to a yes on each side
    words = ("no", "yes") if NIGHTLY else ("no",)
    assert all(counted[f"{side} told {word}"] for side in ("dynamics", "campaign") for word in words)
