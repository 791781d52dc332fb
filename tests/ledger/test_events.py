"""Events that are in Dynamics: each once, and whose they are, on SQLite and on Postgres."""

from __future__ import annotations

from datetime import timedelta

import pytest
from campaign_sync.ledger.events import KEPT, Refused, Settled, TakenFile, Waiting
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.one_key import MOST_EVENTS, remembered

from tests.ledger.test_searching import NOON

FLOW, ANOTHER = "email_events_to_activities", "another_flow"
ADA, BEA = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01", "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e02"


@pytest.fixture
def ledger(url):
    ledger = Ledger(url)
    for flow in (FLOW, ANOTHER):
        ledger.forget(flow)
    return ledger


def an_event(key, contact=ADA, minutes=0, **more):
    given = {"delivery": "DM412", "created": True, "task": False} | more
    return Settled(key, contact, NOON + timedelta(minutes=minutes), **given)


def settle(ledger, *settled, run="r1", at=NOON, flow=FLOW, **more):
    ledger.events.settle(flow, run, "a", at, **({"settled": settled, "waiting": [], "refused": []} | more))


def arrived(ledger, key, flows=(FLOW,)):
    return remembered(ledger._database, list(flows), key).arrived_events


def test_the_events_of_a_contact_are_told_the_latest_first_with_the_run_that_settled_each(ledger):
    settle(ledger, an_event("send:1"), an_event("send:2", BEA), an_event("click:3", minutes=5, task=True))
    again = NOON + timedelta(hours=1)
    settle(ledger, an_event("open:4", minutes=2, created=False, task=None), run="r2", at=again)
    settle(ledger, an_event("send:5"), flow=ANOTHER, at=again + timedelta(hours=1))
    click, opened, sent = arrived(ledger, ADA)
    assert click == (FLOW, "click:3", NOON, ADA, NOON + timedelta(minutes=5), "DM412", True, True, "r1")
    assert (opened.event, opened.created, opened.task, opened.run_id) == ("open:4", False, None, "r2")
    assert (sent.event, sent.settled_at, sent.task) == ("send:1", NOON, False)
    assert [each.event for each in arrived(ledger, BEA)] == ["send:2"]
    assert arrived(ledger, "click:3") == [click]
    assert {each.flow for each in arrived(ledger, ADA, (FLOW, ANOTHER))} == {FLOW, ANOTHER}


def test_an_event_that_is_settled_again_stays_as_it_was(ledger):
    settle(ledger, an_event("send:1"))
    settle(ledger, an_event("send:1", BEA, 9, created=False), run="r2", at=NOON + timedelta(hours=1))
    assert ledger.events.settled(FLOW, ["send:1", "send:2"]) == {"send:1"}
    (event,) = arrived(ledger, "send:1")
    assert (event.contact, event.run_id, event.settled_at) == (ADA, "r1", NOON)
    assert arrived(ledger, BEA) == []


def test_an_event_waits_until_it_is_in_dynamics_whatever_another_run_found(ledger):
    waits = Waiting("send:1", ADA, {"url": "u"}, NOON)
    settle(ledger, waiting=[waits], refused=[Refused("send:2", "load", "Dynamics", "no")])
    assert ledger.events.still_waiting(FLOW, ["send:1"]) == {"send:1"}
    settle(ledger, an_event("send:1"), an_event("send:2"))
    settle(ledger, waiting=[waits], refused=[Refused("send:2", "load", "Dynamics", "no")])
    assert ledger.events.count_waiting(FLOW) == 0
    assert ledger.rejected(FLOW).empty
    assert [each.event for each in arrived(ledger, ADA)] == ["send:1", "send:2"]


def test_of_very_many_events_the_latest_are_told(ledger):
    settle(ledger, *(an_event(f"open:{number}", minutes=number) for number in range(MOST_EVENTS + 100)))
    found = arrived(ledger, ADA)
    assert len(found) == MOST_EVENTS + 1  # so that one sees that there are more
    assert found[0].event == f"open:{MOST_EVENTS + 99}"


def test_what_is_long_over_is_forgotten(ledger):
    late = NOON + timedelta(days=1)
    settle(ledger, an_event("send:1"))
    settle(ledger, an_event("send:2"), run="r2", at=late)
    ledger.events.remember(FLOW, [TakenFile("f", "s", 1, "done", "", 1, "r3")], late + KEPT)
    assert [each.event for each in arrived(ledger, ADA)] == ["send:2"]
    assert ledger.events.settled(FLOW, ["send:1", "send:2"]) == {"send:2"}
    ledger.events.remember(FLOW, [], late + KEPT + timedelta(seconds=1))
    assert arrived(ledger, ADA) == []
