"""Looking for rejected and parked rows, and how flows stand, on SQLite and on Postgres."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.ledger import overview, searching
from campaign_sync.ledger.database import Database
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.overview import last_runs, past_runs, standings
from campaign_sync.ledger.searching import After, Rule, Wanted, find_rows, plain_key, rules_of
from campaign_sync.ledger.tables import parked, records, rejections, runs, schema_version, stored
from sqlalchemy import create_engine, delete, insert, inspect

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTACTS, STORES = "contacts_to_profiles", "accounts_to_stores"


@pytest.fixture
def database(url):
    database = Database(url)
    with database.write() as connection:
        for table in (records, rejections, parked, runs):
            connection.execute(delete(table))
    return database


def put(database, table, *rows):
    usual = {
        "version": 1, "step": "check", "rule": "a rule", "reason": "why", "kind": "parent", "waits_for": CONTACTS,
        "waits_key": "c-1", "mapping_sha": "sha", "run_id": "run 1", "first_seen": NOON, "last_seen": NOON, "tries": 1,
        "flow": CONTACTS, "present": True, "doubt": 0, "updated_at": NOON, "started": NOON, "ended": NOON,
        "state": "success", "tally": {"extracted": 0},
    }  # fmt: skip
    names = [column.name for column in table.c if column.name in usual or column.name == "source_key"]
    with database.write() as connection:
        connection.execute(insert(table), [{name: (usual | row).get(name) for name in names} for row in rows])


def paged(database, what, wanted, limit):
    """All rows, a page after the other."""
    found = []
    after = None
    while page := find_rows(database, what, wanted, after, limit):
        found += page
        after = After(page[-1].first_seen, page[-1].source_key, page[-1].flow)
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("key", ["", "c"], ids=["by time", "by key"])
def test_pages_together_hold_every_row_once_and_in_order(database, limit, key):
    # The rows of a batch have one time; a key may be in two flows.
    rows = [
        {"source_key": f"c{number}", "flow": flow, "first_seen": NOON + timedelta(seconds=number // 4)}
        for number in range(9)
        for flow in (CONTACTS, STORES)
    ]
    put(database, rejections, *rows)
    found = [
        (row.first_seen, row.source_key, row.flow)
        for row in paged(database, "rejected", Wanted([CONTACTS, STORES], key), limit)
    ]
    all_of_them = [(row["first_seen"], row["source_key"], row["flow"]) for row in rows]
    by_key = sorted(all_of_them, key=lambda row: row[1:])
    assert found == (by_key if key else sorted(all_of_them, reverse=True))


@pytest.mark.parametrize(
    "typed, found",
    [
        ("0c9a", ["0c9a-1", "0c9a-2"]),
        ("0C9A-2", ["0c9a-2"]),
        (" {0C9A-1} ", ["0c9a-1"]),
        ("0c9a%", []),
        ("_c9a", []),
        ("click:ä", ["click:ä!", "click:äö"]),
        ("Click", []),
        ("'; DROP TABLE rejections; --", []),
    ],
)
def test_a_key_is_found_by_how_it_begins(database, typed, found):
    keys = ["0c9a-1", "0c9a-2", "0d9a-1", "click:äö", "click:ä!", "click:a"]
    put(database, rejections, *({"source_key": key} for key in keys))
    rows = find_rows(database, "rejected", Wanted([CONTACTS], plain_key(typed)))
    assert [row.source_key for row in rows] == found


def test_rows_are_found_by_rule_and_run_and_in_the_flows_that_are_asked_for_only(database):
    put(
        database,
        rejections,
        {"source_key": "a", "rule": "firstName", "run_id": "run 1"},
        {"source_key": "b", "rule": "firstName", "run_id": "run 2"},
        {"source_key": "c", "rule": "email", "run_id": "run 2"},
        {"source_key": "d", "rule": "firstName", "run_id": "run 2", "flow": STORES},
    )

    def found(flows, **asked):
        return [row.source_key for row in find_rows(database, "rejected", Wanted(flows, **asked))]

    assert found([CONTACTS], rule="firstName") == ["b", "a"]
    assert found([CONTACTS], rule="firstName", run_id="run 2") == ["b"]
    assert found([CONTACTS, STORES], run_id="run 2") == ["d", "c", "b"]
    assert found([CONTACTS], key="c", rule="firstName") == []
    assert found([]) == []


def test_a_parked_row_tells_what_it_waits_for(database):
    put(
        database,
        parked,
        {"source_key": "a-1", "flow": STORES, "waits_key": "c-1"},
        {"source_key": "a-2", "flow": STORES, "waits_for": "orders_to_orders"},
    )
    (row,) = find_rows(database, "parked", Wanted([STORES], rule=CONTACTS))
    assert (row.source_key, row.rule, row.waits_key, row.step, row.tries) == (
        "a-1",
        CONTACTS,
        "c-1",
        None,
        None,
    )
    assert (row.first_seen, row.reason) == (NOON, "why")
    assert rules_of(database, "parked", STORES) == [
        Rule(CONTACTS, 1, False),
        Rule("orders_to_orders", 1, False),
    ]


def test_counting_ends_at_a_limit_and_says_so(database, monkeypatch):
    monkeypatch.setattr(searching, "COUNTED", 3)
    put(database, rejections, *({"source_key": f"a{number}", "rule": "many"} for number in range(5)))
    put(database, rejections, *({"source_key": f"b{number}", "rule": "three"} for number in range(3)))
    assert rules_of(database, "rejected", CONTACTS) == [Rule("many", 3, True), Rule("three", 3, False)]
    assert rules_of(database, "rejected", STORES) == []


def test_a_flow_stands_as_its_rows_do(database):
    hour = timedelta(hours=1)
    put(
        database,
        records,
        {"source_key": "settled", "updated_at": NOON - 9 * hour},
        {"source_key": "in doubt", "doubt": 1, "updated_at": NOON - 2 * hour},
        {"source_key": "another flow's", "flow": STORES, "doubt": 1, "updated_at": NOON - 5 * hour},
    )
    put(database, parked, {"source_key": "parked", "first_seen": NOON - hour})
    put(
        database,
        rejections,
        {"source_key": "rejected", "first_seen": NOON - 8 * hour},
        {"source_key": "an event", "rule": "unknown contact", "first_seen": NOON - 3 * hour},
    )
    Ledger(database._url.render_as_string(hide_password=False)).open_place(CONTACTS, "run 1")
    standing = standings(database, [CONTACTS, "another"])
    assert standing[CONTACTS][:5] == (3, False, NOON - 3 * hour, 2, False)
    assert standing[CONTACTS].place == "reading"
    assert standing["another"] == overview.Standing(0, False, None, 0, False, None, None)


def test_runs_are_told_latest_first_and_a_page_at_a_time(database):
    started = [NOON + timedelta(minutes=number // 2) for number in range(6)]
    put(
        database,
        runs,
        *({"run_id": f"run {number}", "started": time} for number, time in enumerate(started)),
        {
            "run_id": "run 9", "started": NOON + timedelta(hours=1), "ended": None, "state": "running",
            "tally": {"backfill": True},
        },
    )  # fmt: skip
    first = past_runs(database, CONTACTS, limit=3)
    assert [run.run_id for run in first] == ["run 9", "run 5", "run 4"]
    assert first[0].tally is None, "what a run says while it is running is no tally"
    later = past_runs(database, CONTACTS, (first[-1].started, first[-1].run_id))
    assert [run.run_id for run in later] == ["run 3", "run 2", "run 1", "run 0"]
    assert last_runs(database, [CONTACTS, STORES]).keys() == {CONTACTS}
    assert last_runs(database, [CONTACTS])[CONTACTS].run_id == "run 5"


def test_an_older_ledger_gets_the_indexes_and_they_are_used(tmp_path):
    older = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    ours = [index for table in (rejections, parked, runs) for index in table.indexes]
    with older.begin() as connection:
        stored.create_all(connection)
        for index in ours:
            index.drop(connection, checkfirst=True)
        connection.execute(insert(schema_version).values(version=4))
    with Database(f"sqlite:///{tmp_path}/ledger.db").read() as connection:
        there = {each["name"] for each in inspect(connection).get_indexes("rejections")}
    assert there == {"rejections_by_time", "rejections_by_rule", "rejections_by_run"}


@pytest.mark.parametrize("what", ["rejected", "parked"])
def test_on_sqlite_no_question_reads_a_whole_table(tmp_path, what):
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    asked = []
    with database.read():
        pass
    for wanted in (
        Wanted([CONTACTS]), Wanted([CONTACTS], key="a"), Wanted([CONTACTS], rule="r"), Wanted([CONTACTS], run_id="r"),
    ):  # fmt: skip
        with traced(asked):
            find_rows(database, what, wanted, After(NOON, "a", CONTACTS))
    with traced(asked):
        standings(database, [CONTACTS])
        past_runs(database, CONTACTS)
    plans = [plan for query in asked for plan in explained(tmp_path, query)]
    tables = [
        plan for plan in plans if any(name in plan for name in ("records", "rejections", "parked", "runs"))
    ]
    assert tables
    assert not [plan for plan in tables if plan.startswith("SCAN") and "USING INDEX" not in plan]
    # The few rows in doubt are counted through their own index, not through all records of the flow.
    assert {plan for plan in plans if "records" in plan} == {
        "SEARCH records USING INDEX records_to_look_at (flow=?)"
    }


class traced:
    """Hears the statements that are sent to databases."""

    def __init__(self, asked):
        self.asked = asked

    def hear(self, connection, cursor, statement, parameters, context, many):
        if statement.startswith("SELECT") and "schema_version" not in statement:
            self.asked.append((statement, parameters))

    def __enter__(self):
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", self.hear)

    def __exit__(self, *_):
        from sqlalchemy import Engine, event

        event.remove(Engine, "before_cursor_execute", self.hear)


def explained(folder, query):
    with sqlite3.connect(folder / "ledger.db") as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])]
