"""E1–E3, E5, N3 with many events: exactly those of known contacts are on the timeline, once, whatever is killed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from tests.events.many import Event, Mails, mails
from tests.flows.mailing import DONE, FLOW, KINDS, Mailing, walk
from tests.flows.on_foot import KILLED, die_at, in_a_process
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox, start_sandbox
from tests.sizes import NIGHTLY

SIZE, ROWS_OF_FILE = (200_000, 25_000) if NIGHTLY else (20_000, 4_000)
PEOPLE = 600
MOMENTS = {
    "send": "acs_sentdate",
    "open": "acs_openeddate",
    "click": "acs_clickeddate",
    "bounce": "acs_bounceddate",
}


@pytest.fixture(scope="module")
def flows_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox of this module alone, with more people than the others."""
    folder = tmp_path_factory.mktemp("many_events")
    with start_sandbox(folder, people=PEOPLE, args=["--no-limits"]) as running:
        yield running


@pytest.fixture
def mailing(airflow: RealAirflow, systems: Systems, no_waiting: None) -> Mailing:
    return Mailing(airflow, systems)


def put(mailing: Mailing, made: Mails, *, late: bool, each: int = ROWS_OF_FILE, seed: int = 1) -> None:
    """Leave the export files; other seeds give other files of the same events."""
    for number, (name, text) in enumerate(made.files(late=late, each=each, seed=seed)):
        mailing.put(name.replace("20260412", f"2026041{seed}"), text, packed=bool(number % 2))


def on_timelines(systems: Systems) -> dict[str, tuple[Any, ...]]:
    """What Dynamics has, by the activity's id."""
    found = {}
    for kind in KINDS:
        for row in systems._all(f"/sandbox/dataverse/rows?table=acs_email{kind}", "activityid"):
            assert row["statecode"] == 1
            assert row[MOMENTS[kind]] == row["actualstart"] == row["actualend"]
            found[row["activityid"]] = (
                kind, row["_regardingobjectid_value"], row[MOMENTS[kind]], row["acs_deliveryname"],
                row["acs_campaignname"], row["subject"], row.get("acs_trackingurl"),
            )  # fmt: skip
    return found


def wanted(events: Iterable[Event]) -> dict[str, tuple[Any, ...]]:
    """What Dynamics must have, by the activity's id."""
    return {each.activity: what(each) for each in events}


def what(event: Event) -> tuple[Any, ...]:
    delivery, campaign = f"DM{event.delivery}", f"Cruise{event.delivery % 7}"
    url = f"https://alder.example/{event.log_id % 97};a" if event.kind == "click" else None
    subject = f"Campaign Name: {campaign}; Delivery Name: {delivery}"
    when = f"{event.happened:%Y-%m-%dT%H:%M:%SZ}"
    return (event.kind, event.contact, when, delivery, campaign, subject, url)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """As `found == expected`, without a hundred thousand lines when it is not."""
    assert len(found) == len(expected)
    assert sorted(found.items() ^ expected.items())[:5] == []


@pytest.mark.timeout(1800 if NIGHTLY else 300)
def test_exactly_the_events_of_known_contacts_are_on_the_timelines(
    mailing: Mailing, systems: Systems
) -> None:
    made = mails(SIZE, sorted(systems.contacts()))
    put(mailing, made, late=False)
    report = walk(mailing, "first")
    assert report["balanced"]
    punctual = [each for each in made.known() if not each.late]
    assert report["tally"]["created"] == len(punctual) > SIZE * 0.8
    same(on_timelines(systems), wanted(punctual))
    put(mailing, made, late=True)
    assert walk(mailing, "days later")["tally"]["created"] == len(made.known()) - len(punctual) > SIZE * 0.04
    same(on_timelines(systems), wanted(made.known()))
    ledger = mailing.airflow.ledger()
    assert set(ledger.rejected(FLOW).index) == made.waiting()
    assert set(ledger.rejected(FLOW)["rule"]) == {"unknown contact"}
    assert ledger.events.count_waiting(FLOW) == len(made.waiting()) > SIZE * 0.01
    assert mailing.files() == []
    systems.forget()
    assert walk(mailing, "nothing new")["tally"]["extracted"] == 0
    put(mailing, made, late=True, seed=2)
    again = walk(mailing, "all once more")["tally"]
    assert (again["created"], again["unchanged"] > 0) == (0, True)
    assert mailing.writes() == []


def test_only_the_first_open_and_click_of_a_contact_and_delivery_if_the_mapping_says_so(
    mailing: Mailing, systems: Systems
) -> None:
    for kind in ("open", "click"):
        mailing.edit(f"table: acs_email{kind}\n", f"table: acs_email{kind}\n    only: first\n")
    made = mails(2_000, mailing.contacts, deliveries=4)
    put(mailing, made, late=False, each=500)
    punctual = [each for each in made.known() if not each.late]
    for before in (True, False):
        dies(mailing, "killed", Death("campaign_sync.ledger.events", "Events.settle", 1, before))
    walk(mailing, "killed", goes_on=True)
    first = on_timelines(systems)
    # One file's rows after the other's: which is the first, is told for a batch.
    assert sorted(kind_contact_delivery(first.values())) == sorted(firsts(punctual))
    assert set(first.values()) <= {what(each) for each in punctual}
    put(mailing, made, late=True, each=500)
    walk(mailing, "days later")
    both = on_timelines(systems)
    assert sorted(kind_contact_delivery(both.values())) == sorted(firsts(made.known()))
    assert first.items() <= both.items()
    systems.forget()
    put(mailing, made, late=False, each=500, seed=3)
    assert "create" not in previewed(mailing)
    assert walk(mailing, "once more")["tally"]["created"] == 0
    assert mailing.writes() == []


def previewed(mailing: Mailing) -> set[str]:
    """What a preview says would become of the rows of the files that are there."""
    from campaign_sync.events.file import load_events
    from campaign_sync.events.preview import preview
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.settings import ledger_url

    shown = preview(
        load_events(mailing.mapping),
        dataverse=DataverseHook(),
        files=CampaignFilesHook(),
        ledger=Ledger(ledger_url()),
        limit=2000,
    )
    return {row.fate for _, row in shown.rows}


def kind_contact_delivery(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, str]]:
    return [(row[0], row[1], row[3]) for row in rows]


def firsts(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    """Each send and bounce, and one open and one click for each contact and delivery."""
    each = kind_contact_delivery(what(event) for event in events if event.kind not in ("open", "click"))
    return each + list(
        set(kind_contact_delivery(what(event) for event in events if event.kind in ("open", "click")))
    )


class Death(NamedTuple):
    module: str
    name: str  # of a function, or of a class and its method
    nth: int = 1
    before: bool = True


def deaths(files: int) -> Iterator[Death]:
    """Every step of a run, each before something and after it."""
    run, files_hook = "campaign_sync.events.run", "campaign_sync.hooks.campaign_files"
    for before in (True, False):
        yield Death(files_hook, "CampaignFilesHook.fetch", 2, before)
        yield Death("campaign_sync.rows.batch", "Batch.write", 3, before)
        yield Death("campaign_sync.events.extract", "write_document", 2, before)
    for step in ("filter_events", "map_events", "replace_texts", "check_rows"):
        for before in (True, False):
            yield Death(run, step, 1, before)
        yield Death("campaign_sync.rows.batch", "Batch.write", 1, False)
    for _ in range(2):  # of the first batch, then of what is left
        yield Death("campaign_sync.hooks.dataverse_change_sets", "_exchange", 2, False)
        for before in (True, False):
            yield Death("campaign_sync.hooks.dataverse", "DataverseHook.write_activities", 1, before)
            yield Death("campaign_sync.ledger.events", "Events.settle", 1, before)
        yield Death(run, "write_document", 2, False)
    for before in (True, False):
        yield Death("campaign_sync.ledger.events", "Events.remember", 1, before)
    for number in range(1, files + 1):
        for before in (True, False):
            yield Death(files_hook, "CampaignFilesHook.move", number, before)
    for before in (True, False):
        yield Death("campaign_sync.ledger.ledger", "Ledger.end_run", 1, before)


def dies(mailing: Mailing, run_id: str, death: Death, *, goes_on: bool = True) -> None:
    """Walk a run, or go on with it, in a process that dies on its way."""
    from importlib import import_module

    *inside, name = death.name.split(".")
    owner = import_module(death.module)
    for each in inside:
        owner = getattr(owner, each)

    def dying() -> None:
        die_at(owner, name, death.nth, before=death.before)
        walk(mailing, run_id, goes_on=goes_on)

    _, status = os.waitpid(in_a_process(dying), 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, f"{death} was not reached"


@pytest.mark.parametrize(
    "goes_on",
    [
        pytest.param(True, id="Airflow repeats the task"),
        # Fewer points of it are in `test_events`.
        pytest.param(
            False, id="the next run makes it good", marks=pytest.mark.skipif(not NIGHTLY, reason="nightly")
        ),
    ],
)
def test_a_run_that_is_killed_at_every_step_leaves_what_an_undisturbed_one_does(
    airflow_on_each_ledger: RealAirflow, systems: Systems, no_waiting: None, monkeypatch: pytest.MonkeyPatch,
    goes_on: bool,
) -> None:  # fmt: skip
    import great_expectations.expectations  # noqa: F401 - once, not in every process that dies
    from campaign_sync.exports import export_file
    from campaign_sync.hooks import dataverse_activities

    monkeypatch.setattr(export_file, "ROWS", 60)
    monkeypatch.setattr(dataverse_activities, "AT_ONCE", 10)
    mailing = Mailing(airflow_on_each_ledger, systems)
    made = mails(200, mailing.contacts)
    put(mailing, made, late=False, each=90)
    files = len(mailing.files())
    assert files > 2
    if goes_on:
        for death in deaths(files):
            dies(mailing, "one", death)
    else:  # each time all over again, so not quite so often
        moved = Death("campaign_sync.hooks.campaign_files", "CampaignFilesHook.move", 1, False)
        before_moves = [death for death in deaths(files) if not death.name.endswith(("move", "end_run"))]
        for number, death in enumerate([*before_moves[::4], *[moved] * files]):
            dies(mailing, f"run {number}", death, goes_on=False)
    report = walk(mailing, "one" if goes_on else "last", goes_on=goes_on)
    assert report["balanced"]
    punctual = [each for each in made.known() if not each.late]
    same(on_timelines(systems), wanted(punctual))
    ledger = mailing.airflow.ledger()
    waiting = {each.key for each in made.events if not each.late} & made.waiting()
    assert set(ledger.rejected(FLOW).index) == waiting
    assert ledger.events.count_waiting(FLOW) == len(waiting) > 0
    assert (mailing.files(), len(mailing.files(DONE))) == ([], files)
    systems.forget()
    assert walk(mailing, "after")["tally"]["extracted"] == 0
    assert mailing.writes() == []
