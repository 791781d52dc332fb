"""A ledger that an older version has written, on SQLite and on Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.ledger.database import Database
from campaign_sync.ledger.events import Settled
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.ledger.one_key import remembered
from campaign_sync.ledger.tables import SCHEMA_VERSION, stored
from sqlalchemy import create_engine, inspect, text

from tests.ledger.test_searching import NOON

FLOW, ADA = "email_events_to_activities", "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"

#: What version 8 made, of what a later one has changed.
VERSION_8 = {
    "sqlite": """
        CREATE TABLE schema_version (version INTEGER NOT NULL);
        CREATE TABLE events (
            flow TEXT NOT NULL, event TEXT NOT NULL, settled_at DATETIME NOT NULL, PRIMARY KEY (flow, event)
        ) WITHOUT ROWID""",
    "postgresql": """
        CREATE TABLE schema_version (version INTEGER NOT NULL);
        CREATE TABLE events (
            flow TEXT NOT NULL, event TEXT NOT NULL, settled_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (flow, event)
        )""",
}


@pytest.fixture
def engine(url, tmp_path):
    (tmp_path / "state").mkdir()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"))
    stored.drop_all(engine)
    yield engine
    engine.dispose()


def shape(engine):
    """Every table's columns, primary key and indexes."""
    seen = inspect(engine)
    return {
        table: (
            {each["name"]: (str(each["type"]), each["nullable"]) for each in seen.get_columns(table)},
            seen.get_pk_constraint(table)["constrained_columns"],
            sorted((each["name"], *each["column_names"]) for each in seen.get_indexes(table)),
        )
        for table in sorted(set(seen.get_table_names()) & set(stored.tables))
    }


def test_a_ledger_of_version_8_keeps_its_events_and_is_shaped_like_a_new_one(url, engine):
    with engine.begin() as connection:
        for statement in VERSION_8[engine.dialect.name].split(";"):
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO schema_version VALUES (8)"))
        row = {"flow": FLOW, "at": f"{NOON:%Y-%m-%d %H:%M:%S.%f}" + "+00" * (engine.dialect.name != "sqlite")}
        for number in (1, 2):
            insert = f"INSERT INTO events VALUES (:flow, 'send:{number}', :at)"
            connection.execute(text(insert), row)

    before, ledger, database = datetime.now(UTC), Ledger(url), Database(url)
    known = remembered(database, [FLOW], ADA)
    assert known.arrived_events == []
    assert before < (upgraded_at := known.whose_since) < datetime.now(UTC)
    (event,) = remembered(database, [FLOW], "send:1").arrived_events
    assert event == (FLOW, "send:1", NOON, None, None, None, None, None, None)

    later = NOON + timedelta(days=1)
    new = [Settled(f"send:{number}", ADA, later, "DM1", created=True, task=False) for number in (2, 3)]
    ledger.events.settle(FLOW, "r", "a", later, settled=new, waiting=[], refused=[])
    known = remembered(database, [FLOW], ADA)
    assert [each.event for each in known.arrived_events] == ["send:3"], "what is there is there once"
    assert known.whose_since == upgraded_at

    with engine.connect() as connection:
        versions = connection.execute(text("SELECT version FROM schema_version ORDER BY 1")).scalars()
        assert list(versions) == [8, SCHEMA_VERSION]
    upgraded = shape(engine)
    stored.drop_all(engine)
    Ledger(url).is_empty(FLOW)
    assert upgraded == shape(engine)
    assert remembered(Database(url), [FLOW], ADA).whose_since is None


def test_an_older_ledger_can_be_given_every_column_that_its_tables_lack():
    for table in stored.tables.values():
        for column in table.columns:
            late = table.name == "events" and column.name not in ("flow", "event", "settled_at")
            assert column.nullable or not late
