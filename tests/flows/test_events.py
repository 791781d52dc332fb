"""E1–E3, E5: what Campaign sent, and what people did with it, on the timeline; once, whatever happens."""

from __future__ import annotations

from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.events.exports import SEND, lines
from tests.flows.mailing import ASIDE, DONE, FLOW, Mailing, walk
from tests.flows.on_foot import KILLED, die_at, in_a_process
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sizes import NIGHTLY

HARD = {"status": "failed", "failureType": "hard", "failureReason": "userUnknown"}


@pytest.fixture
def mailing(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Mailing:
    return Mailing(airflow, systems)


def all_kinds(mailing: Mailing) -> None:
    """Four sends, an open, a click, a bounce, and rows that are no events."""
    one, two, three, _ = mailing.sent(*mailing.contacts[:4])
    mailing.tracked(one, "open")
    mailing.tracked(one, "click", url='https://alder.example/a;b?c="d"')
    mailing.tracked(two, "mirror")
    mailing.change(three, **HARD)


def test_all_four_kinds_arrive_with_every_attribute_and_a_second_run_writes_nothing(
    mailing: Mailing, systems: Systems
) -> None:
    all_kinds(mailing)
    mailing.export()
    mailing.export("broadlog")  # a header, and the boundary once more
    run = mailing.run()
    assert run.ok, run.errors
    assert mailing.counts() == {"send": 3, "open": 1, "click": 1, "bounce": 1}
    ((click,), (bounce,)) = (mailing.activities()[kind] for kind in ("click", "bounce"))
    assert click["subject"] == "Campaign Name: 2026SpringCruise; Delivery Name: DM412"
    assert (click["acs_campaignname"], click["acs_deliveryname"]) == ("2026SpringCruise", "DM412")
    assert click["acs_trackingurl"] == 'https://alder.example/a;b?c="d"'
    assert click["_regardingobjectid_value"] == mailing.contacts[0]
    assert bounce["_regardingobjectid_value"] == mailing.contacts[2]
    assert click["acs_clickeddate"] == click["actualend"] == click["actualstart"]
    every = [row for rows in mailing.activities().values() for row in rows]
    assert {row["statecode"] for row in every} == {1}
    assert len({row["_ownerid_value"] for row in every}) == 1
    assert mailing.files() == []
    assert len(mailing.files(DONE)) == 3
    systems.forget()
    again = mailing.walk()
    assert again.ok, again.errors
    assert again.tally == {}
    assert not mailing.writes()


def test_a_row_that_is_exported_again_costs_nothing_and_a_bounce_after_a_send_is_one_more(
    mailing: Mailing, systems: Systems
) -> None:
    (log,) = mailing.sent(mailing.contacts[0])
    mailing.export("broadlog")
    assert mailing.run().ok
    mailing.change(log, **HARD)
    systems.control("POST", "/sandbox/campaign/exports", {"id": "WKF102", "last_date": None})
    mailing.export("broadlog")
    assert mailing.walk().tally == {"extracted": 1, "created": 1}
    assert mailing.counts() == {"send": 1, "bounce": 1}
    systems.control("POST", "/sandbox/campaign/exports", {"id": "WKF102", "last_date": None})
    mailing.export("broadlog")
    systems.forget()
    assert mailing.walk().tally == {"extracted": 1, "unchanged": 1}
    assert not mailing.writes()


def test_files_in_any_order_and_a_ledger_that_is_lost_make_no_second_activity(
    mailing: Mailing, systems: Systems
) -> None:
    rows = [SEND | {"broadLogId": str(n), "externalId": mailing.contacts[n]} for n in range(4)]
    mailing.put("broadlog_20260413_000000.csv", lines(*rows[:3]), packed=True)
    mailing.put("broadlog_20260412_000000.csv", lines(*reversed(rows)))
    run = mailing.run()
    assert run.ok, run.errors
    assert run.tally == {"extracted": 7, "created": 4, "unchanged": 3}
    mailing.airflow.ledger().forget(FLOW)
    mailing.put("broadlog_20260414_000000.csv", lines(*rows))
    assert mailing.walk().tally == {"extracted": 4, "unchanged": 4}
    assert mailing.counts() == {"send": 4}


def test_a_bad_file_is_set_aside_with_its_reason_and_the_others_go_on(mailing: Mailing) -> None:
    row = SEND | {"externalId": mailing.contacts[0]}
    mailing.put("broadlog_20260412_000000.csv", "Number,Name\n1,x\n")
    mailing.put("broadlog_20260413_000000.csv", lines(row))
    mailing.put("broadlog_20260414_000000.csv", lines(row)[:-20])
    mailing.put("somebody_elses.csv", "x\n")
    run = mailing.run()
    assert not run.ok
    assert "broadlog_20260412_000000.csv is not separated by ';' but by ','" in run.errors
    assert mailing.counts() == {"send": 1}
    assert mailing.files() == ["broadlog_20260414_000000.csv", "somebody_elses.csv"]
    assert [name[:23] for name in mailing.files(ASIDE)] == ["broadlog_20260412_00000"]
    assert "may still be written" in run.log
    again = mailing.run()
    assert "broadlog_20260414_000000.csv is cut off" in again.errors
    assert mailing.files() == ["somebody_elses.csv"]
    assert mailing.walk().ok


def test_bad_rows_are_rejected_and_listed_and_empty_external_ids_are_counted(mailing: Mailing) -> None:
    good = SEND | {"externalId": mailing.contacts[0]}
    rows = [
        good, good | {"broadLogId": "2", "eventDate": "2026-02-30 00:00:00"},
        good | {"broadLogId": "3", "externalId": ""}, good | {"broadLogId": "4", "externalId": "A-17"},
        good | {"broadLogId": "5", "deliveryName": ""}, good | {"broadLogId": "6", "isProof": "1"},
        good | {"broadLogId": "5", "deliveryName": ""},
    ]  # fmt: skip
    mailing.put("broadlog_20260412_000000.csv", lines(*rows))
    run = mailing.run()
    assert run.ok, run.errors
    assert run.tally == {"extracted": 7, "dropped": 3, "rejected": 3, "created": 1}
    assert run.report is not None
    assert run.report["dropped"] == {
        "no externalId": 1, "proof or test profile": 1, "repeated in the export": 1,
    }  # fmt: skip
    assert run.report["rejected"] == {"happened": 1, "contact": 1, "a delivery": 1}
    listed = mailing.airflow.ledger().rejected(FLOW)
    assert set(listed.index) == {"send:2", "send:4", "send:5"}


def test_events_of_unknown_contacts_wait_and_go_when_the_contact_has_arrived(
    mailing: Mailing, systems: Systems
) -> None:
    mailing.edit(
        "\ncheck:", "\nreplace:\n  campaign: {2026SpringCruise: Spring, otherwise: reject}\n\ncheck:"
    )
    coming, never = str(uuid4()), str(uuid4())
    rows = [
        SEND | {"broadLogId": str(n), "externalId": key}
        for n, key in enumerate((mailing.contacts[0], coming, coming, never))
    ]
    mailing.put("broadlog_20260412_000000.csv", lines(*rows))
    run = mailing.run()
    assert run.ok, run.errors
    assert run.tally == {"extracted": 4, "created": 1, "rejected": 3}
    assert run.report is not None
    assert run.report["rejected"] == {"unknown contact": 3}
    assert "3 events wait" in run.report["notes"][-1]
    systems.forget()
    assert mailing.walk().tally == {}
    assert not mailing.writes()
    systems.add(contactid=coming, lastname="Late")
    assert mailing.walk().tally == {"extracted": 2, "created": 2}
    assert mailing.counts() == {"send": 3}
    assert {row["acs_campaignname"] for row in mailing.activities()["send"]} == {"Spring"}
    assert list(mailing.airflow.ledger().rejected(FLOW).index) == ["send:3"]


def test_an_event_that_has_waited_long_enough_is_given_up_and_told(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing.put("broadlog_20260412_000000.csv", lines(SEND | {"externalId": str(uuid4())}))
    assert mailing.walk().tally == {"extracted": 1, "rejected": 1}
    from campaign_sync.events import vocabulary

    monkeypatch.setattr(vocabulary, "span", lambda text: -vocabulary.timedelta(days=1))
    run = mailing.walk()
    assert run.tally == {"extracted": 1, "rejected": 1}
    assert run.report is not None
    assert run.report["rejected"] == {"unknown contact, given up": 1}
    ledger = mailing.airflow.ledger()
    assert ledger.events.count_waiting(FLOW) == 0
    assert list(ledger.rejected(FLOW)["rule"]) == ["unknown contact, given up"]
    assert mailing.walk().tally == {}


def test_an_event_that_the_mapping_no_longer_brings_waits_no_longer(
    mailing: Mailing, systems: Systems
) -> None:
    coming = str(uuid4())
    mailing.put("broadlog_20260412_000000.csv", lines(SEND | {"externalId": coming}))
    assert mailing.walk().tally == {"extracted": 1, "rejected": 1}
    mailing.edit("\ncheck:", "\nfilter: {all: [{column: delivery, not_equals: DM412}]}\n\ncheck:")
    systems.add(contactid=coming, lastname="Late")
    assert mailing.walk().tally == {"extracted": 1, "dropped": 1}
    ledger = mailing.airflow.ledger()
    assert ledger.events.count_waiting(FLOW) == 0
    assert ledger.rejected(FLOW).empty
    assert mailing.walk().tally == {}


def test_a_kind_that_is_left_out_of_the_mapping_is_off(mailing: Mailing) -> None:
    text = mailing.mapping.read_text()
    start, end = text.index("  open:"), text.index("  click:")
    mailing.mapping.write_text(text[:start] + text[end:])
    (log,) = mailing.sent(mailing.contacts[0])
    mailing.tracked(log, "open")
    mailing.export()
    run = mailing.walk()
    assert run.tally == {"extracted": 2, "dropped": 1, "created": 1}
    assert mailing.counts() == {"send": 1}


def test_a_table_that_is_not_there_stops_the_run_before_any_file_is_taken(mailing: Mailing) -> None:
    mailing.edit("acs_emailopen", "acs_emailopening")
    mailing.edit("acs_trackingurl", "acs_trackinguri")
    mailing.put("broadlog_20260412_000000.csv", lines(SEND))
    run = mailing.run()
    assert not run.ok
    assert "map.open: there is no table 'acs_emailopening'" in run.errors
    assert "has no readable column 'acs_trackinguri'" in run.errors
    assert "setup dynamics --apply" in run.errors
    assert mailing.files() == ["broadlog_20260412_000000.csv"]


def test_a_check_that_stops_keeps_everything_from_being_written(mailing: Mailing) -> None:
    mailing.edit(
        "column: delivery}",
        "column: delivery}\n  - {expect: column_values_to_not_be_null, column: campaign, otherwise: stop}",
    )
    good = SEND | {"externalId": mailing.contacts[0]}
    mailing.put("broadlog_20260412_000000.csv", lines(good))
    mailing.put("broadlog_20260413_000000.csv", lines(good | {"broadLogId": "2", "campaignName": ""}))
    run = mailing.run()
    assert not run.ok
    assert "a check stopped this run at batch 2, so nothing more was written" in run.errors
    assert mailing.counts() == {}
    assert len(mailing.files()) == 2
    mailing.edit("otherwise: stop", "otherwise: warn")
    run = mailing.walk()
    assert run.tally == {"extracted": 2, "created": 2}


class Death(NamedTuple):
    where: str
    module: str
    owner: str
    name: str
    nth: int = 1
    before: bool = False


DEATHS = [
    Death("while files are fetched", "hooks.campaign_files", "CampaignFilesHook", "fetch"),
    Death("while batches are written", "rows.batch", "Batch", "write", nth=2),
    Death(
        "before activities are written", "hooks.dataverse", "DataverseHook", "write_activities", before=True
    ),
    Death("before tasks are chosen", "hooks.dataverse", "DataverseHook", "open_tasks", before=True),
    Death("when activities are written and not remembered", "ledger.events", "Events", "settle", before=True),
    Death("when they are remembered", "ledger.events", "Events", "settle"),
    Death("before files are put away", "ledger.events", "Events", "remember"),
    Death("while files are put away", "hooks.campaign_files", "CampaignFilesHook", "move", before=True),
    Death("between two files", "hooks.campaign_files", "CampaignFilesHook", "move"),
    Death("before the run is ended", "ledger.ledger", "Ledger", "end_run", before=True),
]


#: With the ledger in SQLite, and on Postgres; by day one death is enough there.
ON_EACH_LEDGER = [
    *(("sqlite", death) for death in DEATHS),
    *(("postgres", death) for death in (DEATHS if NIGHTLY else DEATHS[4:5])),
]


@pytest.mark.parametrize(
    "airflow_on_each_ledger, death",
    ON_EACH_LEDGER,
    indirect=["airflow_on_each_ledger"],
    ids=lambda each: each.where if isinstance(each, Death) else each,
)
def test_a_run_that_is_killed_anywhere_is_made_good_by_the_next(
    airflow_on_each_ledger: RealAirflow, systems: Systems, no_waiting: None, death: Death
) -> None:
    import os
    from importlib import import_module

    mailing = Mailing(airflow_on_each_ledger, systems)
    mailing.drop_checks()
    with mailing.mapping.open("a") as file:
        file.write("\ntasks:\n  click: {subject: Follow up}\n  bounce: {subject: Correct}\n")
    all_kinds(mailing)
    mailing.export()
    owner = getattr(import_module(f"campaign_sync.{death.module}"), death.owner)

    def dying() -> None:
        die_at(owner, death.name, death.nth, before=death.before)
        walk(mailing, "killed")

    _, status = os.waitpid(in_a_process(dying), 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, "the point was not reached"
    report = walk(mailing, "next")
    assert report["balanced"]
    assert mailing.counts() == {"send": 3, "open": 1, "click": 1, "bounce": 1}
    tasks = systems.control("GET", "/sandbox/dataverse/rows?table=task&limit=5000")["rows"]
    assert sorted(row["subject"] for row in tasks) == ["Correct", "Follow up"]
    assert mailing.files() == []
    assert len(mailing.files(DONE)) == 2
    systems.forget()
    assert walk(mailing, "third")["tally"]["extracted"] == 0
    assert not mailing.writes()


def test_a_click_and_a_bounce_are_followed_up_by_one_open_task_each(
    mailing: Mailing, systems: Systems
) -> None:
    tasks = (
        "tasks:\n  click: {subject: 'Follow up {delivery}', due: 2d, per_owner_and_day: 2}\n"
        "  bounce: {subject: Correct the address}\n"
    )
    mailing.mapping.write_text(mailing.mapping.read_text() + tasks)
    one, two, three, four = mailing.sent(*mailing.contacts[:4])
    for log in (one, one, two, three):
        mailing.tracked(log, "click", url="https://alder.example/")
    mailing.change(four, **HARD)
    mailing.export()
    run = mailing.run()
    assert run.ok, run.errors
    found = systems.control("GET", "/sandbox/dataverse/rows?table=task&limit=5000")["rows"]
    made = sorted((row["_regardingobjectid_value"], row["subject"], row["statecode"]) for row in found)
    assert made == sorted(
        [
            (mailing.contacts[0], "Follow up DM412", 0), (mailing.contacts[1], "Follow up DM412", 0),
            (mailing.contacts[3], "Correct the address", 0),
        ]
    )  # fmt: skip
    contacts = systems.contacts()
    assert all(
        row["_ownerid_value"] == contacts[row["_regardingobjectid_value"]]["_ownerid_value"] for row in found
    )
    assert run.report is not None
    assert "3 follow-up tasks were made; 1 were not" in run.report["notes"][-1]
    mailing.airflow.ledger().forget(FLOW)
    systems.control("POST", "/sandbox/campaign/exports", {"id": "WKF102", "last_date": None})
    systems.control("POST", "/sandbox/campaign/exports", {"id": "WKF103", "last_date": None})
    mailing.export()
    assert mailing.walk().ok
    assert len(systems.control("GET", "/sandbox/dataverse/rows?table=task&limit=5000")["rows"]) == 3
