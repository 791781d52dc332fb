"""Rejected rows that somebody wants tried again, on SQLite and on Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from campaign_sync.ledger.again import Which, judge_again, make_due, waiting_and_others
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.searching import Wanted, find_rows
from campaign_sync.ledger.tables import rejections

from tests.ledger.test_searching import CONTACTS, NOON, STORES, database, put  # noqa: F401 - a fixture

KEYS = [f"c{number}" for number in range(6)]


@pytest.fixture
def filled(database):  # noqa: F811
    """Rows of two rules in two flows, looked at an hour after they were seen first."""
    later = NOON + timedelta(hours=1)
    for flow in (CONTACTS, STORES):
        put(
            database,
            rejections,
            *(
                {"flow": flow, "source_key": key, "rule": f"rule {at % 2}", "last_seen": later}
                for at, key in enumerate(KEYS)
            ),
        )
    return database


@pytest.mark.parametrize(
    "which, keys",
    [
        (Which(key="c1"), {"c1"}),
        (Which(rule="rule 0"), {"c0", "c2", "c4"}),
        (Which(key="c1", rule="rule 0"), set()),
        (Which(), {*KEYS}),
        (Which(key="c"), set()),
    ],
    ids=["a key", "a rule", "both, and none is so", "all", "half a key"],
)
def test_just_the_rows_that_are_meant_are_looked_at_again(filled, url, which, keys):
    ledger = Ledger(url)
    assert ledger.unsettled(CONTACTS, "sha", 100) == set()
    for _ in range(2):
        assert judge_again(filled, CONTACTS, which) == len(keys)
        assert ledger.unsettled(CONTACTS, "sha", 100) == keys
    assert ledger.unsettled(STORES, "sha", 100) == set()
    told = {
        row.source_key: (row.tries, row.first_seen)
        for row in find_rows(filled, "rejected", Wanted([CONTACTS]))
    }
    assert told == dict.fromkeys(KEYS, (1, NOON)), "what people see of a row stays"


def test_contacts_become_due_and_stay_judged(filled, url):
    ledger, now = Ledger(url), NOON + timedelta(hours=1, minutes=1)
    assert ledger.consents.due(CONTACTS, 100, now) == []
    for _ in range(2):
        assert make_due(filled, CONTACTS, Which(rule="rule 1")) == 3
        assert set(ledger.consents.due(CONTACTS, 100, now)) == {"c1", "c3", "c5"}
    assert ledger.unsettled(CONTACTS, "sha", 100) == set()


def test_of_events_those_that_wait_are_told_from_the_others(filled):
    put(filled, rejections, {"source_key": "click:7", "rule": UNKNOWN_CONTACT})
    assert waiting_and_others(filled, CONTACTS, Which()) == (1, 6)
    assert waiting_and_others(filled, CONTACTS, Which(key="c0")) == (0, 1)


def test_two_people_at_once_do_no_harm(filled, url):
    with ThreadPoolExecutor(4) as people:
        found = [*people.map(lambda _: judge_again(filled, CONTACTS, Which()), range(8))]
    assert found == [6] * 8
    assert Ledger(url).unsettled(CONTACTS, "sha", 100) == {*KEYS}
