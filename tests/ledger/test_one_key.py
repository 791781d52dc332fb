"""All that the ledger remembers under one key, on SQLite and on Postgres."""

from __future__ import annotations

from datetime import timedelta

import pytest
from campaign_sync.consent.decided import decided
from campaign_sync.consent.rule import Known, Said, decide, known_after
from campaign_sync.ledger.consent import Consents, Kept
from campaign_sync.ledger.database import Database
from campaign_sync.ledger.one_key import have_run, remembered
from campaign_sync.ledger.tables import events, links, parked, records, rejections, runs, waiting_events
from sqlalchemy import delete, insert

from tests.ledger.test_searching import CONTACTS, NOON, STORES, explained, put, traced

KEY, OPT_OUTS, EVENTS = "c-1", "opt_outs", "email_events_to_activities"
FLOWS = [CONTACTS, STORES, OPT_OUTS, EVENTS]


@pytest.fixture
def database(url):
    database = Database(url)
    with database.write() as connection:
        for table in (records, rejections, parked, runs, links, events, waiting_events):
            connection.execute(delete(table))
    return database


def test_what_is_known_is_told_by_flow_and_of_this_key_only(database):
    put(database, records, {"source_key": KEY}, {"source_key": "c-2"}, {"source_key": KEY, "flow": "another"})
    put(database, rejections, {"source_key": KEY, "rule": "email"})
    put(database, parked, {"source_key": KEY, "flow": STORES, "waits_key": "p"})
    put(database, runs, {"run_id": "run 1"})
    with database.write() as connection:
        connection.execute(
            insert(links).values(
                flow=STORES, source_key=KEY, field="owner", parent_flow=CONTACTS, parent_key="p", state=0
            )
        )
        seen = {"run_id": "run 1", "first_seen": NOON, "last_seen": NOON, "columns": {"url": "secret"}}
        for event, contact in (("click:7", KEY), ("open:8", KEY), ("click:9", "c-2")):
            connection.execute(
                insert(waiting_events).values(flow=EVENTS, event=event, contact=contact, **seen)
            )
        connection.execute(insert(events).values(flow=EVENTS, event="send:1", settled_at=NOON))
    known = remembered(database, FLOWS, KEY)
    assert known.sent.keys() == {CONTACTS}
    assert known.rejected[CONTACTS].rule == "email"
    assert (known.parked[STORES].waits_for, known.parked[STORES].waits_key) == (CONTACTS, "p")
    assert [(each.field, each.parent_key) for each in known.named] == [("owner", "p")]
    assert [each.event for each in known.waiting_events] == ["click:7", "open:8"]
    assert "secret" not in repr(known)
    assert [known.knows(flow) for flow in FLOWS] == [True, True, False, True]
    event = remembered(database, FLOWS, "click:9")
    assert [each.event for each in event.waiting_events] == ["click:9"]
    (arrived,) = remembered(database, FLOWS, "send:1").arrived_events
    assert (arrived.flow, arrived.settled_at, arrived.contact) == (EVENTS, NOON, None)
    assert have_run(database, FLOWS) == {CONTACTS}


def test_on_sqlite_every_question_has_its_key_or_index(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    asked = []
    with database.read():
        pass
    with traced(asked):
        remembered(database, FLOWS, KEY)
        have_run(database, FLOWS)
        Consents(database).longest_undecided(OPT_OUTS, 10)
    plans = [plan for query in asked for plan in explained(tmp_path, query) if "TEMP B-TREE" not in plan]
    assert len(plans) >= len(asked) > 8
    assert not [plan for plan in plans if not plan.startswith("SEARCH")]
    assert not [
        plan
        for plan in plans
        if "(flow=?)" in plan and not any(few in plan for few in ("consents_undecided", " runs "))
    ]


EARLY, LATE = NOON - timedelta(days=2), NOON - timedelta(days=1)
NOTHING = Said(None, None)


@pytest.mark.parametrize(
    "dynamics, campaign, before, side, why",
    [
        (Said(True, EARLY), Said(True, LATE), None, "", "both say no"),
        (Said(True, EARLY), NOTHING, None, "dynamics", "Dynamics says no, and Campaign was told"),
        (Said(False, EARLY), Said(True, LATE), None, "campaign", "Campaign says no, and Dynamics was told"),
        (Said(False, EARLY), Said(False, LATE), None, "", "nobody says no"),
        (
            Said(True, EARLY), Said(False, LATE), Known(Said(True, EARLY), Said(True, EARLY), True, ours=False),
            "campaign", "Campaign's yes is later than Dynamics' no, and Dynamics was told",
        ),
    ],
)  # fmt: skip
def test_whose_word_holds_is_told_from_what_the_rule_leaves_behind(dynamics, campaign, before, side, why):
    decision = decide("both", dynamics, campaign, before)
    after = known_after(decision, dynamics, campaign, before, written=NOON)
    assert decided(Kept(after, NOON)) == (side, why)


def test_what_waits_for_a_person_and_what_was_taken_back_are_told():
    open_ = Known(Said(True, EARLY), Said(False, LATE), None, ours=False)
    assert decided(Kept(open_)).why == "the opt-in waits for a person"
    before = Known(Said(True, EARLY), Said(True, EARLY), True, ours=True)
    decision = decide("to_campaign", Said(False, LATE), before.campaign, before)
    after = known_after(decision, Said(False, LATE), before.campaign, before, written=NOON)
    told = decided(Kept(after))
    assert told == ("dynamics", "Dynamics took back a no that was written for it, and Campaign was told")
    assert decided(Kept(Known(NOTHING, NOTHING, None, ours=False))).why == "nobody has said anything"
