"""Rejected rows that somebody wants tried again, on SQLite and on Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pandas as pd
import pytest
from campaign_sync.ledger import ledger as ledger_module
from campaign_sync.ledger.again import Which, judge_again, waiting_and_others
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.searching import Wanted, find_rows
from campaign_sync.ledger.tables import rejections
from sqlalchemy import text

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


def test_of_events_those_that_wait_are_told_from_the_others(filled):
    put(filled, rejections, {"source_key": "click:7", "rule": UNKNOWN_CONTACT})
    assert waiting_and_others(filled, CONTACTS, Which()) == (1, 6)
    assert waiting_and_others(filled, CONTACTS, Which(key="c0")) == (0, 1)


def test_two_people_at_once_do_no_harm(filled, url):
    with ThreadPoolExecutor(4) as people:
        found = [*people.map(lambda _: judge_again(filled, CONTACTS, Which()), range(8))]
    assert found == [6] * 8
    assert Ledger(url).unsettled(CONTACTS, "sha", 100) == {*KEYS}


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_run_that_settles_the_same_rows_in_another_order_is_not_ended(filled, url, monkeypatch):
    ledger, settle_rejections = Ledger(url), ledger_module.settle_rejections
    first, *_, last = KEYS
    with ThreadPoolExecutor(1) as person:
        marking = []

        def once_somebody_waits(*settling, **more):
            # The last row is settled, the first one is about to be: who marks has had the first one before the last.
            marking.append(person.submit(judge_again, filled, CONTACTS, Which()))
            await_one_who_waits(filled, settling[0])
            settle_rejections(*settling, **more)

        monkeypatch.setattr(ledger_module, "settle_rejections", once_somebody_waits)
        arrived = {"version": [2], "sent_hash": [b"1"], "result": ["updated"]}
        refused = {
            "version": [2],
            "step": ["load"],
            "rule": ["Campaign"],
            "reason": ["no"],
            "certain": [True],
        }
        ledger.settle(
            CONTACTS,
            pd.DataFrame(arrived, index=[last]),
            pd.DataFrame(refused, index=[first]),
            "run 2",
            "sha",
        )
        assert [each.result() for each in marking] == [len(KEYS) - 1]
    assert ledger.unsettled(CONTACTS, "sha", 100) == set(KEYS) - {last}


def await_one_who_waits(ledger, connection):
    """Return when somebody waits for a row that this connection has."""
    mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    waits = text(
        "SELECT pg_sleep(0.01) FROM pg_locks WHERE NOT granted AND :mine = ANY(pg_blocking_pids(pid))"
    )
    with ledger.read() as other:
        while not other.execute(waits, {"mine": mine}).all():
            pass
