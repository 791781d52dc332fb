"""`make demo`: its computation of consent follows what people said, and sees when a side says something else."""

from __future__ import annotations

import re

import pytest
from campaign_sync.consent.file import load_opt_outs

from local.consents import EMAIL, FLOW, PHONE, Story
from local.demo import MAPPINGS, shipped_mappings
from local.expected_opt_outs import PAIRS, Word, compare, holding
from local.telling import _consent
from local.verdict import wrong_calls

ADA, BEA, CEM = "ada", "bea", "cem"
SILENT = dict.fromkeys(PAIRS.values(), False)
#: Ada has said no to e-mail from the beginning, Bea nothing, and Cem has no profile.
BEGAN = [
    {"contactid": ADA, **SILENT, "donotbulkemail": True},
    {"contactid": BEA, **SILENT, "donotfax": None},
    {"contactid": CEM, **SILENT, "donotphone": True},
]
MADE = {
    **dict.fromkeys(PAIRS, False), **{f"{name}LastModified": "" for name in PAIRS},
    "created": "2026-04-12 08:00:00.120Z",
}  # fmt: skip
PROFILES = [
    {**MADE, "externalId": ADA, EMAIL: True, f"{EMAIL}LastModified": "2026-04-12 08:00:00.121Z"},
    {**MADE, "externalId": BEA},
]
#: What one run of opt-outs did, and a step around it.
OPT_OUTS = {"flow": FLOW, "told": {"dynamics opt-outs": 1, "campaign opt-outs": 2}}
STEP = {
    "what": "a step",
    "tally": dict.fromkeys(("created", "updated", "deleted"), 0),
    "engine_calls": 0,
    "others": [],
}


def word(no, *, campaign=False, first=False, contact=ADA, attribute=EMAIL):
    return Word(contact, attribute, no, in_campaign=campaign, before_first_run=first)


def changed(rows, key, **values):
    return [row | values if key in (row.get("contactid"), row.get("externalId")) else row for row in rows]


def differing(contacts=BEGAN, profiles=PROFILES, words=()):
    return compare(BEGAN, words, contacts, profiles).different


@pytest.mark.parametrize(
    ("words", "no"),
    [
        ([], True),
        ([word(False)], True),
        ([word(False, campaign=True)], False),
        ([word(False, campaign=True, first=True)], True),
        ([word(False, campaign=True), word(True)], True),
        ([word(True), word(False, campaign=True)], False),
        ([word(True, campaign=True), word(False)], True),
    ],
    ids=[
        "of the beginning", "yes in Dynamics", "yes in Campaign", "yes before the first run", "no after a yes",
        "yes after a no", "Dynamics' yes against Campaign's no",
    ],
)  # fmt: skip
def test_whether_no_holds(words, no):
    assert holding(BEGAN, words)[ADA, EMAIL] is no
    assert holding(BEGAN, words)[BEA, PHONE] is False


def test_the_demo_agrees_with_two_sides_that_say_what_they_should():
    assert compare(BEGAN, (), BEGAN, PROFILES) == (3, 2, 1, 1, [])
    told = word(True, contact=BEA, attribute=PHONE, campaign=True)
    both = {
        "contacts": changed(BEGAN, BEA, donotphone=True),
        "profiles": changed(PROFILES, BEA, **{PHONE: True}),
    }
    assert differing(**both, words=[told]) == []
    assert differing(**both) == [BEA], "nobody said so"


@pytest.mark.parametrize(
    ("sides", "who"),
    [
        ({"contacts": changed(BEGAN, ADA, donotbulkemail=False)}, ADA),
        ({"contacts": changed(BEGAN, BEA, donotfax=True)}, BEA),
        ({"contacts": changed(BEGAN, CEM, donotphone=False)}, CEM),
        ({"profiles": changed(PROFILES, ADA, **{EMAIL: False})}, ADA),
        ({"profiles": changed(PROFILES, BEA, **{PHONE: True})}, BEA),
        ({"profiles": changed(PROFILES, ADA, **{f"{EMAIL}LastModified": "2026-04-12 08:00:09.000Z"})}, ADA),
        ({"profiles": changed(PROFILES, ADA, **{f"{EMAIL}LastModified": ""})}, ADA),
    ],
    ids=[
        "a no lost in Dynamics", "a no of nobody in Dynamics", "a no lost of somebody without a profile",
        "a no lost in Campaign", "a no of nobody in Campaign", "a no that a profile was told later",
        "a no without a time",
    ],
)  # fmt: skip
def test_the_demo_sees(sides, who):
    assert differing(**sides) == [who]


@pytest.mark.parametrize(("calls", "right"), [(7, False), (8, True), (9, False)])
def test_consent_costs_one_engine_call_for_each_contact_that_campaign_is_told_of(calls, right):
    # Four contacts were told something, one of them in Dynamics; two have no profile; three records were written.
    run = OPT_OUTS | {"tally": {"updated": 4, "parked": 2}}
    steps = [dict(STEP) for _ in range(4)]
    steps[0]["engine_calls"], steps[1]["engine_calls"] = 2, 3
    steps[2] |= {"tally": {"created": 1, "updated": 1, "deleted": 1}, "others": [run], "engine_calls": calls}
    problems = wrong_calls(steps, proofs=2, profiles=501)
    assert [bool(problems), steps[2]["consent_calls"]] == [not right, calls - 3]


def test_the_demo_runs_the_shipped_mapping_with_room_for_one_opt_in(tmp_path):
    mappings = shipped_mappings(tmp_path)
    played, shipped = load_opt_outs(mappings / f"{FLOW}.yaml"), load_opt_outs(MAPPINGS / f"{FLOW}.yaml")
    assert played.schedule is None
    assert played.guard.allows("opt_ins", 1, 1000)
    assert not played.guard.allows("opt_ins", 2, 1000)
    assert played.guard.allows("opt_outs", 30_000, 0)
    assert (played.pairs, played.direction, played.conflict) == (shipped.pairs, "both", "record")
    assert {
        re.sub("deny", "black", name, count=1): pair.column for name, pair in played.pairs.items()
    } == PAIRS
    assert all(pair.no_is for pair in played.pairs.values())


def test_the_summary_tells_whose_consent_to_look_at_by_key():
    found = compare(BEGAN, (), changed(BEGAN, ADA, donotbulkemail=False), PROFILES)
    assert _consent(found._asdict() | {"stories": [Story(ADA, "no wins")._asdict()]}).splitlines() == [
        "Consent: 3 contacts, 2 of them with a profile; 1 noes hold; 1 profiles were born with theirs; 1 different",
        "  ada  no wins",
    ]
