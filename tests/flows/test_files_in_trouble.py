"""I14, N3: whatever happens between a file and its import, no file is imported twice and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pytest
from campaign_sync.errors import ReconcileError, RefusedError, TransientError
from campaign_sync.hooks.dataverse import DataverseHook
from campaign_sync.rows.storage import folder_of
from campaign_sync.run.parts import keys, parts_of
from campaign_sync.settings import storage_root

from tests.flows.importing import WORKFLOW, Imports
from tests.flows.on_foot import OnFoot, Returned, walk, walk_until_killed
from tests.flows.real_airflow import FLOW, RealAirflow
from tests.flows.systems import Systems

CREATED = 56  # of the sandbox's 60 people, by the shipped mapping; the first by REST
RUN = "the-run"


@pytest.fixture
def imports(
    airflow: RealAirflow,
    systems: Systems,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: None,
    smaller_batches: None,
) -> Imports:
    """Three batches, each with a file."""
    made = Imports(airflow, systems, monkeypatch)
    made.use_files(bulk_from="always")
    return made


def whole(imports: Imports, systems: Systems, *, once: bool = True) -> None:
    """Everything arrived, no file was imported twice, and nothing is left to do."""
    assert not systems.differences()
    if once:
        assert len(set(imports.imported())) == len(imports.imported())
    assert imports.area() == []
    systems.forget()
    assert imports.walk("nothing to do") == {"notes": []} or not imports.imported()
    assert systems.engine_calls() == 0


class Death(NamedTuple):
    where: str
    module: str
    owner: str
    name: str
    nth: int = 1
    before: bool = False


DEATHS = [
    Death("before rows are begun", "ledger.ledger", "Ledger", "begin", nth=2, before=True),
    Death("when rows are begun", "ledger.ledger", "Ledger", "begin", nth=2),
    Death("before a part is uploaded", "hooks.campaign_files", "CampaignFilesHook", "upload", before=True),
    Death("when a part is uploaded", "hooks.campaign_files", "CampaignFilesHook", "upload", nth=2),
    Death("before the start", "hooks.campaign_workflows", "Workflows", "start", before=True),
    Death("when started", "hooks.campaign_workflows", "Workflows", "start"),
    Death("when the signal is noted", "ledger.signals", "Signals", "begin"),
    Death("when the signal is sent", "hooks.campaign_workflows", "Workflows", "signal"),
    Death("when the signal is accepted", "ledger.signals", "Signals", "accepted"),
    Death("before a part is settled", "run.settle", "_Settling", "_settle", nth=2, before=True),
    Death("when a part is settled", "run.settle", "_Settling", "_settle", nth=2),
    Death("when the signal has ended", "ledger.signals", "Signals", "ended"),
    Death("before files are removed", "hooks.campaign_files", "CampaignFilesHook", "remove", before=True),
]


def die(airflow: RealAirflow, death: Death) -> None:
    owner: Any = getattr(import_module(f"campaign_sync.{death.module}"), death.owner)
    walk_until_killed(airflow.mapping, owner, death.name, death.nth, before=death.before, run_id=RUN)


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.where)
def test_a_killed_task_is_taken_up_again_and_imports_no_file_twice(
    airflow: RealAirflow, systems: Systems, imports: Imports, death: Death
) -> None:
    die(airflow, death)
    tally = imports.walk(RUN)
    assert tally["created"] + tally.get("unchanged", 0) == CREATED
    whole(imports, systems)


@pytest.mark.parametrize("death", [DEATHS[3], DEATHS[8], DEATHS[10]], ids=lambda death: death.where)
def test_the_run_after_a_killed_one_converges(
    airflow: RealAirflow, systems: Systems, imports: Imports, death: Death
) -> None:
    die(airflow, death)
    imports.walk("the run after")
    assert not systems.differences()
    assert not [name for name in imports.area() if "imports/" in name and name.endswith(".part")]


def test_a_killed_load_counts_the_older_readings_of_rows_that_are_in_files(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    """One batch with every contact twice, as a read of the feed may list them."""
    imports = Imports(airflow, systems, monkeypatch)
    imports.use_files(bulk_from="always")
    changes = DataverseHook.changes

    def twice(*given: Any, **options: Any) -> Iterator[Any]:
        yield next(iter(changes(*given, **options)))
        systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in systems.contacts()))
        yield from changes(*given, **options)

    monkeypatch.setattr(DataverseHook, "changes", twice)
    OnFoot(airflow.mapping, RUN, task=Returned(FLOW, RUN)).read()
    die(airflow, Death("", "hooks.campaign_files", "CampaignFilesHook", "upload", before=True))
    tally = imports.walk(RUN)
    assert tally["created"] + tally["unchanged"] > 2 * CREATED - 5
    assert not systems.differences()


def test_a_lost_answer_to_the_signal_is_no_second_import(systems: Systems, imports: Imports) -> None:
    systems.fault(system="campaign", method="POST", path="/trigger", do="reset_after")
    imports.walk(RUN)
    assert len(imports.runs()) == 1
    whole(imports, systems)


def test_a_signal_that_never_arrived_is_sent_again_after_the_cool_down(
    systems: Systems, imports: Imports
) -> None:
    systems.fault(system="campaign", method="POST", path="/trigger", do="reset_before")
    imports.walk(RUN)
    assert len(imports.runs()) == 1
    assert 630 <= sum(imports.paused) < 900
    whole(imports, systems)


def test_somebody_elses_signal_is_waited_out(systems: Systems, imports: Imports) -> None:
    imports.declare(state="started")
    systems.fault(
        system="campaign", method="POST", path="/trigger", do="status", status=200,
        headers={"Content-Type": "text/plain"}, body="This signal was triggered less than 10 minutes ago",
    )  # fmt: skip
    imports.walk(RUN)
    assert 630 <= sum(imports.paused) < 900
    whole(imports, systems)


def test_two_runs_are_ten_minutes_apart(airflow: RealAirflow, systems: Systems, imports: Imports) -> None:
    airflow.edit("cusFirstSeen: {from: createdon, updates: false}", "cusFirstSeen: createdon")
    imports.walk("one")
    keys = sorted(systems.profiles())[:30]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in keys))
    before = sum(imports.paused)
    assert imports.walk("two")["updated"] == 30
    assert sum(imports.paused) - before > 500
    assert [run["state"] for run in imports.runs()] == ["finished", "finished"]
    whole(imports, systems)


@pytest.mark.parametrize("state", ["error", "warning"])
def test_a_workflow_that_failed_before_is_not_started_by_us(
    systems: Systems, imports: Imports, state: str
) -> None:
    imports.declare(state=state)
    with pytest.raises(RefusedError, match=r"is paused|has failed") as refused:
        imports.walk(RUN)
    assert WORKFLOW in str(refused.value)
    assert imports.runs() == []
    imports.declare(state="started")
    imports.walk(RUN)
    whole(imports, systems)


def test_an_import_that_fails_half_way_ends_red_and_is_sent_again_when_cleared(
    systems: Systems, imports: Imports
) -> None:
    systems.switch(campaign__import_fails_after=25)
    with pytest.raises(RefusedError, match=r"has failed, and \d files") as refused:
        imports.walk(RUN)
    assert "clear this task" in refused.value.remedy
    assert imports.imported()
    systems.switch(campaign__import_fails_after=0)
    imports.declare(state="started")
    imports.walk(RUN)
    assert len(imports.imported()) == 3
    whole(imports, systems)


def test_the_next_run_takes_over_what_a_failed_import_left(systems: Systems, imports: Imports) -> None:
    systems.switch(campaign__import_fails_after=25)
    with pytest.raises(RefusedError):
        imports.walk(RUN)
    systems.switch(campaign__import_fails_after=0)
    imports.declare(state="started")
    imports.airflow.ledger().end_run(FLOW, RUN, "failed", {})
    imports.walk("the next")
    whole(imports, systems)
    # and the failed one, cleared after all, sends nothing that is older
    with pytest.raises(ReconcileError, match="a later run has written"):
        imports.walk(RUN)
    assert not systems.differences()


OVERTAKEN = [
    None,
    Death("when they are put in doubt", "ledger.ledger", "Ledger", "doubt"),
    Death("when they are marked", "run", "parts", "write_bytes"),
    Death("when they are out of the file", "run", "parts", "write_bytes", nth=2),
    Death("when the file is named anew", "run", "parts", "write_document"),
]


@pytest.mark.parametrize("death", OVERTAKEN, ids=lambda death: death.where if death else "no death")
def test_rows_that_another_run_wrote_before_the_signal_are_left_out(
    airflow: RealAirflow, systems: Systems, imports: Imports, death: Death | None
) -> None:
    """Of the second batch one row, of the third all; and both runs go by file."""
    airflow.edit("cusFirstSeen: {from: createdon, updates: false}", "cusFirstSeen: createdon")
    imports.walk("first")
    slow = OnFoot(airflow.mapping, RUN, "manual", task=Returned(FLOW, RUN), replay=True)
    slow.read()
    slow.guard()
    slow.load()
    folder = folder_of(storage_root(), FLOW, RUN)
    _, second, third = (keys(folder, part).index for part in parts_of(folder))
    overtaken = [second[0], *third]
    systems.change(*({"id": key, "address1_city": "Møllehavn"} for key in overtaken))
    imports.walk("quick")
    if death:
        die(airflow, death)
    tally = imports.walk(RUN)
    assert tally["unchanged"] == len(overtaken)
    assert any(f"{len(overtaken)} rows were left out of the files" in note for note in tally["notes"])
    assert not systems.differences()
    imports.walk("next")
    assert len(imports.imported()) == len(set(imports.imported()))
    whole(imports, systems)


def test_a_workflow_that_is_stopped_in_mid_import_ends_red_and_resumes(
    systems: Systems, imports: Imports
) -> None:
    systems.switch(campaign__import_rows_per_second=1)
    systems.switch(campaign__command_seconds=0)
    stopped = []
    pass_time = imports.pass_time

    def stop(seconds: float) -> None:
        pass_time(seconds)
        if imports.counter("campaign.imported_rows") > 3 and not stopped:
            stopped.append(True)
            imports.command("stop")

    imports.pass_time = stop  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="was stopped"):
        imports.walk(RUN)
    assert stopped
    systems.switch(campaign__import_rows_per_second=0)
    imports.walk(RUN)  # a stopped workflow is started again by us
    whole(imports, systems)


@pytest.mark.parametrize("form", ["label", "number"])
@pytest.mark.parametrize("key", ["logicalStatus", "workflowStatus"])
def test_the_state_is_read_in_every_form(systems: Systems, imports: Imports, form: str, key: str) -> None:
    systems.switch(campaign__workflow_state_form=form, campaign__workflow_state_key=key)
    systems.switch(campaign__after_import="finished")
    imports.walk(RUN)
    assert imports.counter("campaign.imported_files") == 3
    whole(imports, systems)


def test_a_connection_that_drops_in_mid_upload_is_made_again(systems: Systems, imports: Imports) -> None:
    systems.fault(system="sftp", method="write", path="[.]part$", do="cut_body", times=2)
    systems.fault(system="sftp", method="rename", do="reset_after")
    imports.walk(RUN)
    whole(imports, systems)


def test_a_server_that_stays_away_is_a_passing_trouble_with_the_allow_list_in_it(
    systems: Systems, imports: Imports
) -> None:
    systems.switch(sftp__allow_list="192.0.2.0/24")
    with pytest.raises(TransientError, match="allow-list"):
        imports.walk(RUN)
    systems.switch(sftp__allow_list="127.0.0.1/32")
    imports.walk(RUN)
    whole(imports, systems)


@pytest.mark.parametrize("how", ["truncate", "fail"])
def test_a_full_disk_is_seen_at_once(systems: Systems, imports: Imports, how: str) -> None:
    systems.switch(sftp__full_disk=how, sftp__quota_bytes=1000)
    with pytest.raises(RefusedError, match=r"disk is full|no space") as refused:
        imports.walk(RUN)
    assert "Make room" in refused.value.remedy
    systems.switch(sftp__quota_bytes=10_000_000_000)
    imports.walk(RUN)
    whole(imports, systems)


def test_lines_that_campaign_rejects_are_rejected_rows(systems: Systems, imports: Imports) -> None:
    key = systems.add(emailaddress1="a,b@alder.example", firstname="Comma")  # Campaign's policy refuses it
    imports.walk(RUN)
    listed = imports.airflow.ledger().rejected(FLOW).loc[key]
    assert (listed["step"], listed["rule"]) == ("load", "unknown error")
    assert "alder" not in listed["reason"]
    assert key not in systems.profiles()
    assert imports.area() == []
    assert len(systems.profiles()) == CREATED


def test_what_a_mapping_with_create_only_fields_updates_goes_by_rest(
    systems: Systems, imports: Imports
) -> None:
    imports.walk(RUN)
    key, *others = sorted(systems.profiles())
    seen = systems.profiles()[key]["cusFirstSeen"]
    systems.change({"id": key, "address1_city": "Møllehavn"})
    systems.delete(others[0])
    assert (imports.walk("two")["updated"], imports.counter("campaign.imported_files")) == (1, 4)
    profile = systems.profiles()[key]
    assert (profile["location"]["city"], profile["cusFirstSeen"]) == ("Møllehavn", seen)
    assert others[0] not in systems.profiles()


def test_a_replay_sends_create_only_fields_as_well(
    airflow: RealAirflow, systems: Systems, imports: Imports
) -> None:
    imports.walk(RUN)
    files, before = imports.counter("campaign.imported_files"), systems.profiles()
    airflow.edit("from: createdon, updates: false", "from: modifiedon, updates: false")
    tally = walk(airflow.mapping, "again", run_type="manual", replay=True)["tally"]
    assert tally["updated"] == CREATED
    assert imports.counter("campaign.imported_files") == files
    after = systems.profiles()
    assert not [key for key in after if after[key]["cusFirstSeen"] == before[key]["cusFirstSeen"]]


def test_below_the_threshold_everything_goes_by_rest(
    airflow: RealAirflow, systems: Systems, imports: Imports
) -> None:
    airflow.edit("bulk_from: always", "bulk_from: 61")
    tally = imports.walk(RUN)
    assert imports.counter("sftp.sessions") == 0
    assert any("went by REST: 5" in note and "from 61" in note for note in tally["notes"])
