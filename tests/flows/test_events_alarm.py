"""campaign.md §8.2: a workflow that is dead looks like one that has nothing to say. Exports that are not in UTC."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from campaign_sync.errors import QualityError, ReconcileError

from tests.events.exports import OPEN, SEND, lines
from tests.flows.events_on_foot import EventsOnFoot
from tests.flows.mailing import FLOW, Mailing, walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems


@pytest.fixture
def mailing(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Mailing:
    made = Mailing(airflow, systems)
    made.drop_checks()
    return made


def sends(mailing: Mailing, *numbers: int) -> str:
    """A file of delivery logs."""
    return lines(*(SEND | {"broadLogId": str(n), "externalId": mailing.contacts[n]} for n in numbers))


def age(mailing: Mailing, hours: int) -> None:
    """Let all that the ledger knows of files and runs be so much older."""
    with sqlite3.connect(mailing.airflow.folder / "campaign_sync" / "ledger.db") as database:
        for table, column in (("export_files", "last_seen"), ("runs", "started")):
            database.execute(
                f"UPDATE {table} SET {column} = datetime({column}, '-{hours} hours') || '.000000'"
            )


def test_a_log_whose_files_stop_coming_makes_every_run_red_until_the_next_file(mailing: Mailing) -> None:
    mailing.edit("extract:\n", "extract:\n  expected_every: 26h\n")
    header = lines(SEND).split("\n")[0] + "\n"
    mailing.put("broadlog_1.csv", lines(SEND | {"externalId": mailing.contacts[0]}))
    walk(mailing, "1")  # the tracking logs are counted from the first run
    age(mailing, 25)
    walk(mailing, "2")
    age(mailing, 2)
    mailing.put("broadlog_2.csv", lines(SEND | {"broadLogId": "2", "externalId": mailing.contacts[1]}))
    late = mailing.run()
    assert not late.ok
    since = datetime.now(UTC) - timedelta(hours=27)
    said = "no file of tracking logs (d365_loads/exports/tracking_*.csv) for more than 26 hours: none has come since"
    assert f"{said} {since:%Y-%m-%d}" in late.errors
    assert "Look in Campaign whether the workflow that exports them is started" in late.errors
    assert "delivery logs" not in late.errors
    assert late.tally == {"extracted": 1, "created": 1}, "all else was done"
    assert late.report is not None
    assert late.report["notes"][-1].startswith(said)
    mailing.put("broadlog_3.csv", header)
    mailing.put("tracking_1.csv", lines(OPEN).split("\n")[0] + "\n")
    walk(mailing, "3")  # a header alone is a sign of life
    age(mailing, 27)
    with pytest.raises(QualityError) as both:
        walk(mailing, "4")
    assert "no file of delivery logs" in both.value.problem
    assert "no file of tracking logs" in both.value.problem
    assert "the last one was taken at" in both.value.problem
    assert str(both.value).count("Look in Campaign") == 1
    start, end = (mailing.mapping.read_text().index(f"  {kind}:") for kind in ("open", "bounce"))
    text = mailing.mapping.read_text()
    mailing.mapping.write_text(text[:start] + text[end:])
    with pytest.raises(QualityError) as one:
        walk(mailing, "5")
    assert "tracking" not in str(one.value), "a log of which nothing is mapped is not waited for"


def test_an_export_in_another_time_zone_is_read_in_it(mailing: Mailing, systems: Systems) -> None:
    mailing.edit("extract:\n", "extract:\n  time_zone: Asia/Tokyo\n")
    mailing.build("broadlog", time_zone="Asia/Tokyo")
    at = mailing.hour_ago()
    mailing.sent(mailing.contacts[0], eventDate=at)
    mailing.export("broadlog")
    run = mailing.run()
    assert run.tally == {"extracted": 1, "created": 1}, run.errors
    assert mailing.activities()["send"][0]["acs_sentdate"] == at


def test_a_dry_run_counts_and_leaves_files_ledger_and_dynamics_as_they_are(
    mailing: Mailing, systems: Systems
) -> None:
    unknown = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"
    mailing.put(
        "broadlog_1.csv",
        sends(mailing, 0, 1, 2),
    )
    mailing.put("broadlog_2.csv", lines(SEND | {"broadLogId": "9", "externalId": unknown}))
    mailing.put("broadlog_3.csv", "Number,Name\n1,x\n")
    systems.forget()
    run = mailing.run(dry_run=True)
    assert "1 of 3 files cannot be used and would be set aside: broadlog_3.csv is not separated" in run.errors
    assert run.tally == {"extracted": 4, "created": 3, "rejected": 1}
    assert run.report is not None
    assert run.report["notes"][0].startswith(
        "broadlog_3.csv would be set aside in d365_loads/rejects: it is not"
    )
    assert "a dry run: nothing was written, and the files stay where they are" in run.report["notes"]
    assert mailing.counts() == {}
    assert not mailing.writes()
    assert len(mailing.files()) == 3
    ledger = mailing.airflow.ledger()
    assert ledger.runs(FLOW) == []
    assert ledger.events.files(FLOW) == []
    assert (ledger.events.count_waiting(FLOW), len(ledger.rejected(FLOW))) == (0, 0)


def test_a_limit_takes_some_rows_and_leaves_the_file_that_it_did_not_read_to_its_end(
    mailing: Mailing,
) -> None:
    mailing.put("broadlog_1.csv", sends(mailing, 7))
    mailing.put(
        "broadlog_2.csv",
        sends(mailing, 0, 1, 2, 3, 4),
    )
    mailing.put("broadlog_3.csv", sends(mailing, 8))
    run = mailing.run(limit=3)
    assert run.ok, run.errors
    assert run.tally == {"extracted": 3, "created": 3}
    assert run.report is not None
    assert run.report["notes"] == ["2 more files are left for the next run"]
    assert mailing.files() == ["broadlog_2.csv", "broadlog_3.csv"]
    assert mailing.run().tally == {"extracted": 6, "created": 4, "unchanged": 2}
    assert mailing.files() == []


def test_a_dry_run_whose_extract_failed_is_not_remembered(mailing: Mailing) -> None:
    for dry_run in (True, False):
        run = EventsOnFoot(mailing.mapping, f"dry run: {dry_run}")
        run.context["params"] = {"dry_run": dry_run}
        run.batches = None  # type: ignore[assignment]  # what a failed extract leaves
        with pytest.raises(ReconcileError, match="extract did not finish"):
            run.reconcile()
    assert [each.run_id for each in mailing.airflow.ledger().runs(FLOW)] == ["dry run: False"]
