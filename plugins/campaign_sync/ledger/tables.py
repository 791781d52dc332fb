"""The ledger's tables: keys, hashes, versions, outcomes, rule names and reasons, never a person's data.

Not for deciding what goes in (``ledger.py``) and not for connections (``database.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    and_,
    or_,
)
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = 9  # a newer one only ever adds tables, indexes, and columns that may be empty

#: What `records.doubt` is the sum of; 0: Campaign holds what is known. A write was begun, by the run that is named, and
#: its outcome is unknown. An earlier one's is too, so that a refusal of the later says nothing about it. An earlier one
#: may still be under way: once nothing of it can arrive any more, the row is looked at again. One of them was a
#: deletion, so that the record may be gone.
BEGUN, EARLIER, LATE, GOING = 1, 2, 4, 8

#: In place of a run, where two had a row in hand at once: whichever settles it next leaves it in doubt.
NOBODY = ""


class Utc(TypeDecorator[datetime]):
    """A time with its zone; SQLite forgets the zone, so it is given back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


stored = MetaData()
staged = MetaData()  # temporary tables: a batch's rows on their way in, so that one statement serves them all

schema_version = Table(  # a row for each version that the ledger has had
    "schema_version",
    stored,
    Column("version", Integer, nullable=False),
    Column("since", Utc),  # null: of a version before 9
)

#: The first version that keeps whose the events are.
WHOSE_EVENTS = 9

places = Table(
    "places",
    stored,
    Column("flow", Text, primary_key=True),
    Column("delta_link", Text),
    Column("state", Text, nullable=False),  # reading | placed | expired
    Column("run_id", Text, nullable=False),
    Column("moved_at", Utc, nullable=False),
)

records = Table(
    "records",
    stored,
    Column("flow", Text, primary_key=True),
    Column("source_key", Text, primary_key=True),
    Column(
        "version", BigInteger, nullable=False
    ),  # of the source row; 0 while nothing of it has been settled
    # Of what Campaign was last certainly sent: 16 bytes, and after them two for each field that was not empty.
    Column("sent_hash", LargeBinary),
    Column("present", Boolean, nullable=False),  # is it in Campaign
    Column("doubt", SmallInteger, nullable=False),  # BEGUN, EARLIER, LATE, GOING
    Column("run_id", Text, nullable=False),
    Column("mapping_sha", Text),
    Column("updated_at", Utc, nullable=False),
    sqlite_with_rowid=False,  # the primary key is the table: half the size, one look-up instead of two
)

# Few rows are in doubt among millions, and every look asks for them, the longest waiting first.
Index(
    "records_to_look_at",
    records.c.flow,
    records.c.updated_at,
    records.c.source_key,
    sqlite_where=records.c.doubt > 0,
    postgresql_where=records.c.doubt > 0,
)

rejections = Table(
    "rejections",
    stored,
    Column("flow", Text, primary_key=True),
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("mapping_sha", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("tries", Integer, nullable=False),
    sqlite_with_rowid=False,
)

parked = Table(
    "parked",
    stored,
    Column("flow", Text, primary_key=True),
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # parent: waits until the record `waits_key` of the flow `waits_for` is surely in Campaign; children: a deletion
    # that waits until no record names this one any more, `waits_key` of `waits_for` being one that did.
    Column("kind", Text, nullable=False),
    Column("waits_for", Text, nullable=False),
    Column("waits_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("mapping_sha", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    sqlite_with_rowid=False,
)

links = Table(  # which records of other flows a record in Campaign names, or may name while it is in doubt
    "links",
    stored,
    Column("flow", Text, primary_key=True),
    Column("source_key", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("parent_flow", Text, primary_key=True),
    Column("parent_key", Text, primary_key=True),
    # 0 it does, 1 it will once a write that was begun is settled, 2 it will no longer then
    Column("state", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

linked_fields = Table(  # through which fields the links of a flow were made: changed with the mapping
    "linked_fields",
    stored,
    Column("flow", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("parent_flow", Text, nullable=False),
)

Index("links_by_parent", links.c.parent_flow, links.c.parent_key)

runs = Table(
    "runs",
    stored,
    Column("flow", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("started", Utc, nullable=False),
    Column("ended", Utc),
    Column("state", Text, nullable=False),
    # While it is running: {"backfill": true}, or null if it is none. An existing ledger gets no new columns.
    Column("tally", JSON),
)

signals = Table(  # the last signal of each import workflow: one may follow another only after ten minutes
    "signals",
    stored,
    Column("workflow", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("parts", JSON, nullable=False),  # names of the files it was about
    Column("sent_at", Utc, nullable=False),
    Column("state", Text, nullable=False),  # begun | accepted | ended
)

events = Table(  # e-mail events that are in Dynamics, so that a row which is exported again costs nothing
    "events",
    stored,
    Column("flow", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("settled_at", Utc, nullable=False),
    # For people who ask what a contact got. All are empty where a version before 9 settled the event.
    Column("contact", Text),
    Column("happened", Utc),
    Column("delivery", Text),  # its name in Campaign
    Column("created", Boolean),  # by the run; false: the activity was there already
    Column("task", Boolean),  # whether it was followed up; null: not by the run, perhaps by one before
    Column("run_id", Text),
    sqlite_with_rowid=False,
)

# Those of one contact. The condition has an older ledger be given this at once, however many events it holds.
Index(
    "events_by_contact",
    events.c.contact,
    sqlite_where=events.c.contact.is_not(None),
    postgresql_where=events.c.contact.is_not(None),
)

waiting_events = Table(  # events whose contact Dynamics does not know
    "waiting_events",
    stored,
    Column("flow", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("contact", Text, nullable=False),
    Column("columns", JSON, nullable=False),  # what the export said of the event; gone with the row
    Column("run_id", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
)

export_files = Table(  # which export files were taken, and which could not be
    "export_files",
    stored,
    Column("flow", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sha", Text, primary_key=True),  # of its content: Campaign may use a name twice
    Column("size", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # done | aside | incomplete
    Column("reason", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
)

read_in_full = Table(  # with which filter and replacements all rows were read last, by a run that ended well
    "read_in_full",
    stored,
    Column("flow", Text, primary_key=True),
    Column("passing", Text, nullable=False),  # a digest (consent/file.py)
    Column("run_id", Text, nullable=False),
    Column("read_at", Utc, nullable=False),
    sqlite_with_rowid=False,
)


consents = (
    Table(  # what each side says about an opt-out attribute of a contact, and what holds (consent/rule.py)
        "consents",
        stored,
        Column("flow", Text, primary_key=True),
        Column("source_key", Text, primary_key=True),
        Column("attribute", Text, primary_key=True),  # as schema.OPT_OUTS spells it
        Column("dynamics_no", Boolean),  # true: the person objects; null: this side has said nothing
        Column("dynamics_at", Utc),
        Column("campaign_no", Boolean),
        Column("campaign_at", Utc),
        Column("agreed", Boolean),
        Column("ours", Boolean, nullable=False),  # what Campaign holds was written by us
        Column("told_at", Utc),  # when a side was last told something
        Column("whose", Text, nullable=False),  # dynamics | campaign, whose word was told; empty: nobody's
        Column("mapping_sha", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        Column("updated_at", Utc, nullable=False),
        sqlite_with_rowid=False,
    )
)

#: A yes that waits for a person: somebody says no, and it is open whether that holds.
UNDECIDED = and_(consents.c.agreed.is_(None), or_(consents.c.dynamics_no, consents.c.campaign_no))

# Few are among millions, and people ask for them, the longest waiting first.
Index(
    "consents_undecided",
    consents.c.flow,
    consents.c.updated_at,
    consents.c.source_key,
    sqlite_where=UNDECIDED,
    postgresql_where=UNDECIDED,
)

# Which events wait for one contact.
Index("waiting_events_by_contact", waiting_events.c.flow, waiting_events.c.contact)

heard_in_full = Table(  # of which pairs both sides were heard in full, by a run that ended well
    "heard_in_full",
    stored,
    Column("flow", Text, primary_key=True),
    Column("attribute", Text, primary_key=True),
    Column("meaning", Text, primary_key=True),  # how Dynamics says no: `<column> is <value>`
    Column("run_id", Text, nullable=False),
    Column("heard_at", Utc, nullable=False),
    sqlite_with_rowid=False,
)

# What people look for (searching.py, overview.py). Each leads from a page's last row to the next page.
for _table, _name, _columns in (
    (rejections, "rejections_by_time", ("first_seen", "source_key")),
    (rejections, "rejections_by_rule", ("rule", "first_seen", "source_key")),
    (rejections, "rejections_by_run", ("run_id", "first_seen", "source_key")),
    (parked, "parked_by_time", ("first_seen", "source_key")),
    (parked, "parked_by_parent", ("waits_for", "first_seen", "source_key")),
    (parked, "parked_by_run", ("run_id", "first_seen", "source_key")),
    (runs, "runs_by_time", ("started", "run_id")),
):
    Index(_name, _table.c.flow, *(_table.c[_column] for _column in _columns))

# Postgres sorts keys as the database's language does, which puts nothing together that begins alike; SQLite's primary
# keys are in the order of bytes already.
for _table in (rejections, parked):
    Index(f"{_table.name}_by_key", _table.c.flow, _table.c.source_key.collate("C")).ddl_if(
        dialect="postgresql"
    )


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, staged, *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


staged_keys = _temporary(
    "staged_keys",
    Column("source_key", Text, primary_key=True),
)

staged_deletions = _temporary(
    "staged_deletions",
    Column("source_key", Text, primary_key=True),
)

staged_events = _temporary(  # without a key: two rows of a file may tell the same event
    "staged_events",
    Column("source_key", Text, nullable=False),
    Column("fate", Text, nullable=False),  # settled | waiting | refused | dropped
    # Of a settled one, as in `events`.
    Column("contact", Text),
    Column("happened", Utc),
    Column("delivery", Text),
    Column("created", Boolean),
    Column("task", Boolean),
)

staged_links = _temporary(
    "staged_links",
    Column("source_key", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("parent_flow", Text, nullable=False),
    Column("parent_key", Text),  # null: names nobody
)

staged_versions = _temporary(  # without a key: a page that lists a row twice is no error
    "staged_versions",
    Column("source_key", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
)

staged_readings = _temporary(  # rows as they were read; nothing is claimed of one without a hash
    "staged_readings",
    Column("source_key", Text, nullable=False),
    Column("version", BigInteger),
    Column("sent_hash", LargeBinary),
)

staged_writes = _temporary(
    "staged_writes",
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger),  # a deletion has none
)

staged_outcomes = _temporary(
    "staged_outcomes",
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger),
    Column("sent_hash", LargeBinary),
    Column("result", Text, nullable=False),
)

staged_rejections = _temporary(
    "staged_rejections",
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger),
    Column("step", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("certain", Boolean, nullable=False),
)

staged_parked = _temporary(
    "staged_parked",
    Column("source_key", Text, primary_key=True),
    Column("version", BigInteger),
    Column("kind", Text, nullable=False),
    Column("waits_for", Text, nullable=False),
    Column("waits_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

staged_consents = _temporary(
    "staged_consents",
    Column("source_key", Text, primary_key=True),
    Column("attribute", Text, primary_key=True),
    Column("dynamics_no", Boolean),
    Column("dynamics_at", Utc),
    Column("campaign_no", Boolean),
    Column("campaign_at", Utc),
    Column("agreed", Boolean),
    Column("ours", Boolean, nullable=False),
    Column("told_at", Utc),
    Column("whose", Text, nullable=False),
)
