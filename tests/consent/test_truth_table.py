"""Who is told what, in every case there is. The expectations are tables to be read, first match wins.

O1, O3, O4, O7. `no` is True throughout: the person objects.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from campaign_sync.consent.rule import Decision, Known, Said, decide, hear, known_after

MODES = ("disabled", "to_campaign", "to_dynamics", "both")
VALUES = {"no": True, "yes": False, "-": None}
WORDS = {value: word for word, value in VALUES.items()}

NIGHT = datetime(2026, 4, 12, tzinfo=UTC)
FIVE, TEN, TWENTY, THIRTY, FORTY = (NIGHT + timedelta(hours=hour) for hour in (5, 10, 20, 30, 40))

#: Order of time: when Dynamics and when Campaign said it.
CLOCKS = {
    "campaign newer": (TEN, TWENTY),
    "dynamics newer": (TWENTY, TEN),
    "equal": (TEN, TEN),
    "campaign unknown": (TEN, None),
    "dynamics unknown": (None, TEN),
    "both unknown": (None, None),
}


def table(text: str) -> list[tuple[list[set[str] | None], list[str]]]:
    """The rows of a table `conditions -> results`: `*` is anything, `a|b` either, `yes or -` is spelled `yes|-`."""
    rows = []
    for line in text.strip().splitlines():
        left, right = line.split("->")
        rows.append(([None if word == "*" else set(word.split("|")) for word in left.split()], right.split()))
    return rows


class Table:
    """Looks a case up; `used` counts how often each row was the first to match."""

    def __init__(self, text: str) -> None:
        self.rows = table(text)
        self.used: Counter[int] = Counter()

    def __call__(self, *case: str) -> list[str]:
        for number, (conditions, results) in enumerate(self.rows):
            if all(
                allowed is None or word in allowed for allowed, word in zip(conditions, case, strict=True)
            ):
                self.used[number] += 1
                return results
        raise AssertionError(f"the table leaves {case} out")

    def unused(self) -> list[int]:
        return [number for number in range(len(self.rows)) if number not in self.used]


# What a side says now, over what it was known to say (`nothing`: known to have said nothing).
#   knew             says     when    record   -> kept
HEAR = """
    unknown|nothing  -        *       *        -> nothing
    *                -        *       *        -> known
    unknown|nothing  no|yes   *       *        -> news
    no|yes           no|yes   older   *        -> known
    no               yes      *       *        -> news
    yes              no       *       *        -> news
    no|yes           no|yes   *       alone    -> known
    no|yes           no|yes   *       record   -> later
"""

# Who is told what. `sight`: whether both sides are heard together for the first time, in which a yes of Campaign counts
# for nothing; `clock`: whether Campaign's yes is later than what Dynamics says and than a known no of Campaign itself;
# `since`: whether Campaign spoke since the ledger wrote; `agreed`: what had held until now. A yes that Campaign has
# said before counts only if it waits for a person: nothing had held, and Dynamics said no.
# Results: what holds, what Campaign is told, what Dynamics is told.
#   mode               sight  again  dynamics campaign clock  since   agreed was  ours   -> holds  campaign dynamics
DECIDE = """
    disabled           *      *      *        *        *      *       *      *    *      -> agreed .        .
    *                  *      *      no       no       *      *       *      *    *      -> no     .        .
    *                  *      *      yes      yes|-    *      *       *      *    *      -> yes    .        .
    *                  *      *      -        yes      *      *       *      *    *      -> yes    .        .
    *                  *      *      -        -        *      *       *      *    *      -> -      .        .
    to_campaign|both   first  *      no       yes|-    *      *       *      *    *      -> no     no       .
    to_dynamics        first  *      no       yes|-    *      *       *      *    *      -> no     .        .
    to_dynamics|both   first  *      yes|-    no       *      *       *      *    *      -> no     .        no
    to_campaign        first  *      yes|-    no       *      *       *      *    *      -> no     .        .
    to_campaign        known  *      no       yes|-    *      *       *      *    *      -> no     no       .
    to_campaign        known  *      -        no       *      *       *      *    *      -> no     .        .
    to_campaign        known  once   yes      no       *      silent  *      no   ours   -> yes    yes      .
    to_campaign        known  *      yes      no       *      *       *      *    *      -> no     .        .
    to_dynamics|both   known  *      yes|-    no       *      *       *      *    *      -> no     .        no
    both               known  *      no       yes      *      silent  no|yes *    *      -> no     no       .
    to_dynamics        known  *      no       yes      *      silent  no|yes *    *      -> no     .        .
    both               known  *      no       yes      *      silent  -      yes  *      -> no     no       .
    to_dynamics        known  *      no       yes      *      silent  -      yes  *      -> no     .        .
    to_dynamics|both   known  once   no       yes      later  *       *      *    *      -> yes    .        yes
    to_dynamics|both   known  again  no       yes      later  *       *      *    *      -> no     .        .
    both               known  *      no       yes|-    *      *       *      *    *      -> no     no       .
    to_dynamics        known  *      no       yes|-    *      *       *      *    *      -> no     .        .
"""


class Case(NamedTuple):
    """One question to `decide`, with its words for the table."""

    mode: str
    dynamics: Said
    campaign: Said
    known: Known | None
    again: bool


def expected(rules: Table, case: Case) -> tuple[Any, Any, Any]:
    """(holds, tell_campaign, tell_dynamics) as the table has it."""
    known, says_yes = case.known, case.campaign.no is False
    together = known and not (says_yes and None in (known.dynamics.no, known.campaign.no))
    older = [case.dynamics.at, *([known.campaign.at] if known and known.campaign.no else [])]
    later = case.campaign.at and all(at and at < case.campaign.at for at in older)
    holds, *told = rules(
        case.mode,
        "known" if together else "first",
        "again" if case.again else "once",
        WORDS[case.dynamics.no],
        WORDS[case.campaign.no],
        "later" if later else "not",
        "silent" if known and known.campaign == case.campaign else "spoke",
        WORDS[known.agreed] if known else "-",
        WORDS[known.dynamics.no] if known else "-",
        "ours" if known and known.ours else "theirs",
    )
    agreed = known.agreed if known else None
    return agreed if holds == "agreed" else VALUES[holds], *(VALUES.get(word) for word in told)


def every_case() -> list[Case]:
    """All of them: what both sides say × when × mode × again × (first sight or what was known)."""
    campaigns = ["same", *(Said(no, at) for no, at in product(VALUES.values(), (None, FIVE, THIRTY)))]
    before = [None, *product(VALUES.values(), campaigns, VALUES.values(), (False, True))]
    cases = []
    for d, c, (d_at, c_at) in product(VALUES.values(), VALUES.values(), CLOCKS.values()):
        dynamics, campaign = Said(d, d_at), Said(c, c_at)
        for mode, again, knew in product(MODES, (False, True), before):
            known = None
            if knew:
                was, said, agreed, ours = knew
                said = campaign if said == "same" else said
                known = Known(dynamics=Said(was, FIVE), campaign=said, agreed=agreed, ours=ours)
            cases.append(Case(mode, dynamics, campaign, known, again))
    # values × values × clocks × modes × again × (first sight + was × campaigns × agreed × ours)
    assert len(cases) == 3 * 3 * 6 * 4 * 2 * (1 + 3 * 10 * 3 * 2)
    return list(dict.fromkeys(cases))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return every_case()


def ask(case: Case) -> Decision:
    return decide(case.mode, case.dynamics, case.campaign, case.known, again=case.again)


def test_every_decision_is_the_table_s(cases: list[Case]):
    rules, wrong = Table(DECIDE), []
    for case in cases:
        decision = ask(case)
        got = (decision.no, decision.tell_campaign, decision.tell_dynamics)
        if got != (should := expected(rules, case)):
            wrong.append(f"{case}: {got}, not {should}")
    assert not wrong, f"{len(wrong)} of {len(cases)}, such as\n" + "\n".join(wrong[:5])
    assert not rules.unused()


def test_what_a_side_says_is_heard_as_the_table_has_it():
    rules, seen = Table(HEAR), set()
    times = (None, FIVE, TEN, TWENTY)
    knowns = [None, *(Said(no, at) for no, at in product(VALUES.values(), times))]
    for known, no, at, record in product(knowns, VALUES.values(), times, (False, True)):
        knew = WORDS[known.no].replace("-", "nothing") if known else "unknown"
        when = "older" if known and known.at and at and at < known.at else "not older"
        (kept,) = rules(knew, WORDS[no], when, "record" if record else "alone")
        should = {
            "nothing": Said(None, None),
            "known": known,
            "news": Said(no, at),
            "later": known and Said(known.no, max((t for t in (known.at, at) if t), default=None)),
        }[kept]
        assert hear(known, no, at, record=record) == should, (known, no, at, record)
        seen.add((known, no, at, record))
    assert len(seen) == (1 + 3 * 4) * 3 * 4 * 2
    assert not rules.unused()


class Story(NamedTuple):
    """What was heard in a situation, and the decision asked for."""

    situation: str
    case: Case
    record: bool


#: Situation: (when the ledger's statements were made, whether the rows are brought again).
#: None: at the very times that the rows have.
SITUATIONS = {
    "first run": (None, False),
    "change": (FIVE, False),
    "replay": (FIVE, True),
    "backfill": (THIRTY, True),
    "repeated file": (None, True),
    "reversed files": (THIRTY, False),
    "empty cells": (None, False),
}


def every_story() -> list[Story]:
    """Rows of both sides as they come in, heard over what was known before."""
    stories = []
    for d, c, (d_at, c_at) in product(VALUES.values(), VALUES.values(), CLOCKS.values()):
        for (situation, (then, again)), mode, record in product(SITUATIONS.items(), MODES, (False, True)):
            if situation == "first run":
                heard = hear(None, d, d_at, record=record), hear(None, c, c_at)
                stories.append(Story(situation, Case(mode, *heard, None, again), record))
                continue
            for was_d, was_c, ours in product(VALUES.values(), VALUES.values(), (False, True)):
                if situation in ("repeated file", "empty cells"):  # the ledger has the values of the rows
                    was_d, was_c = d, c
                dynamics, campaign = Said(was_d, then or d_at), Said(was_c, then or c_at)
                known = Known(dynamics=dynamics, campaign=campaign, agreed=bool(was_d or was_c), ours=ours)
                now_d, now_c = (None, None) if situation == "empty cells" else (d, c)
                heard = hear(dynamics, now_d, d_at, record=record), hear(campaign, now_c, c_at)
                stories.append(Story(situation, Case(mode, *heard, known, again), record))
    return stories


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    made = every_story()
    changing = 4 * (3 * 3 * 2)  # change, replay, backfill, reversed files × what was known
    assert len(made) == 3 * 3 * 6 * 4 * 2 * (1 + changing + 2 * (3 * 3 * 2))
    return list(dict.fromkeys(made))


def all_asked(cases: list[Case], stories: list[Story]) -> list[Case]:
    return list(dict.fromkeys([*cases, *(story.case for story in stories)]))


def test_every_story_ends_as_the_tables_have_it(stories: list[Story]):
    rules = Table(DECIDE)
    ends = Counter[str]()
    for story in stories:
        decision = ask(story.case)
        got = (decision.no, decision.tell_campaign, decision.tell_dynamics)
        assert got == expected(rules, story.case), story
        ends[story.situation] += 1
    assert set(ends) == set(SITUATIONS)


def test_only_news_tells_anybody_yes(stories: list[Story]):
    """No first run, no repetition, no file that is late, no empty cell."""
    yes = Counter[str]()
    for story in stories:
        decision, case = ask(story.case), story.case
        yes[story.situation] += False in (decision.tell_campaign, decision.tell_dynamics)
        if story.situation == "reversed files" and None in (case.dynamics.at, case.campaign.at):
            continue  # who has no time cannot be late; the callers see to it
        if story.situation != "change":
            assert False not in (decision.tell_campaign, decision.tell_dynamics), story
    assert yes["change"]


def test_only_the_sides_of_the_direction_are_told(cases: list[Case], stories: list[Story]):
    may = {"disabled": "", "to_campaign": "C", "to_dynamics": "D", "both": "CD"}
    for case in all_asked(cases, stories):
        decision = ask(case)
        assert decision.tell_campaign is None or "C" in may[case.mode], case
        assert decision.tell_dynamics is None or "D" in may[case.mode], case


def test_a_no_gives_way_for_one_lawful_reason_only(cases: list[Case], stories: list[Story]):
    reasons = Counter[str]()
    for case in all_asked(cases, stories):
        decision = ask(case)
        if decision.tell_dynamics is False:
            assert case.mode in ("to_dynamics", "both")
            assert (case.dynamics.no, case.campaign.no) == (True, False)
            assert case.dynamics.at < case.campaign.at  # raises where one is not known
            assert None not in (case.known.dynamics.no, case.known.campaign.no)
            if case.known.campaign.no:
                assert case.known.campaign.at < case.campaign.at
            assert not (case.known.agreed and case.known.campaign == case.campaign)
            reasons["a later yes in Campaign"] += 1
        if decision.tell_campaign is False:
            assert case.mode == "to_campaign"
            assert (case.dynamics.no, case.campaign.no) == (False, True)
            assert case.known.dynamics.no is True
            assert case.known.ours
            assert case.known.campaign == case.campaign
            reasons["Dynamics took back what it had said"] += 1
        if False in (decision.tell_campaign, decision.tell_dynamics):
            assert not case.again
            assert case.known is not None
            assert decision.no is False
        elif case.mode != "disabled" and True in (case.dynamics.no, case.campaign.no):
            assert decision.no is True or (case.mode, case.dynamics.no) == ("to_campaign", None), case
    assert len(reasons) == 2, reasons


def remembered(case: Case, decision: Decision) -> Known:
    """What the ledger keeps once all were told: of a side that was told, the value, at the winner's time.

    Campaign's at the later of both: files that are under way still have what was overruled. Where only the repetition
    kept a yes from being told, all stays as it was: an ordinary run shall hear that yes as news.
    """
    once = ask(case._replace(again=False))
    if False in (once.tell_campaign, once.tell_dynamics) and case.again:
        return case.known
    dynamics, campaign = case.dynamics, case.campaign
    ours = bool(case.known and case.known.ours and case.known.campaign == case.campaign)
    if decision.tell_campaign is not None:
        overruled = FORTY if campaign.no is None else campaign.at  # unheard: it was there when we wrote
        times = [at for at in (dynamics.at, overruled) if at]
        campaign, ours = Said(decision.tell_campaign, max(times, default=None)), True
    if decision.tell_dynamics is not None:
        dynamics = Said(decision.tell_dynamics, case.campaign.at)
    return Known(dynamics=dynamics, campaign=campaign, agreed=decision.no, ours=ours)


def test_the_ledger_keeps_who_was_told_what(cases: list[Case]):
    for case in cases:
        if case.mode != "disabled":
            decision = ask(case)
            kept = known_after(decision, case.dynamics, case.campaign, case.known, written=FORTY)
            assert kept == remembered(case, decision), (case, decision)


def test_one_round_settles_it(cases: list[Case], stories: list[Story]):
    """What holds after the telling is told to nobody again; nor when our own writes come back with later times."""
    for case in all_asked(cases, stories):
        after = remembered(case, ask(case))
        if after is case.known and case.again:
            continue
        for again, record in product((case.again, False), (False, True)):
            dynamics = hear(after.dynamics, after.dynamics.no, FORTY, record=record)
            campaign = hear(after.campaign, after.campaign.no, FORTY)
            for d, c in ((after.dynamics, after.campaign), (dynamics, campaign)):
                second = decide(case.mode, d, c, after, again=again)
                assert (second.tell_campaign, second.tell_dynamics) == (None, None), (case, after, second)
