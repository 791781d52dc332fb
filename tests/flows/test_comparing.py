"""C5: a flow of its own compares Dynamics, ledger and Campaign in full, and mends on request through the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.on_foot import walk
from tests.flows.real_airflow import FLOW, RealAirflow, Run
from tests.flows.systems import Systems
from tests.flows.test_guard import person, strict

COMPARE = f"reconcile_{FLOW}"
ALL = {"missing", "extra", "stale", "edited in Campaign", "wrong link"}


class Marketer:
    """Somebody who works in Campaign, through its API."""

    def __init__(self, systems: Systems) -> None:
        self.sandbox = systems.sandbox

    def edit(self, key: str, **values: Any) -> None:
        self._call("PATCH", f"/{key}", values)

    def delete(self, key: str) -> None:
        self._call("DELETE", f"/{key}")

    def add(self, **values: Any) -> None:
        self._call("POST", "", values)

    def _call(self, method: str, path: str, body: Any = None) -> None:
        env = self.sandbox.env
        headers = {
            "Authorization": f"Bearer {self.sandbox.campaign_token()}",
            "X-Api-Key": env["CAMPAIGN_CLIENT_ID"],
        }
        url = f"{env['CAMPAIGN_URL']}/profileAndServicesExt/profile{path}"
        answer = self.sandbox.http.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text


@pytest.fixture
def marketer(systems: Systems) -> Marketer:
    return Marketer(systems)


def report(run: Run) -> dict[str, Any]:
    """What a comparison reported; it must be green."""
    assert run.ok, run.errors or run.log[-3000:]
    assert run.report is not None
    assert run.report["balanced"]
    assert run.report["differences"].keys() == ALL
    return run.report


def found(run: Run) -> dict[str, list[str]]:
    """The keys of each class of differences that is not empty (few enough for all to be shown)."""
    told = report(run)
    assert {name: count for name, count in told["differences"].items() if count} == {
        name: len(keys) for name, keys in told["samples"].items()
    }
    return {name: sorted(keys) for name, keys in told["samples"].items()}


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], Any]) -> None:
    """Let something happen just before a step of a comparison."""
    from campaign_sync.compare import run

    original = getattr(run, step)

    def after_it_happened(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(run, step, original)
        happens()
        return original(*given, **named)

    monkeypatch.setattr(run, step, after_it_happened)


def plant(airflow: RealAirflow, systems: Systems, marketer: Marketer) -> dict[str, list[str]]:
    """Every class of difference but the last, and what is none; the keys by class."""
    keys = sorted(systems.profiles())
    missing, edited, item, gone, stale = keys[:5]
    marketer.delete(missing)
    marketer.edit(edited, phone="+1 555 0100")
    marketer.edit(item, location={"city": "Elsewhere"})
    marketer.add(firstName="Own", lastName="Profile", email="own@alder.example", externalId="own-1")
    marketer.add(firstName="No", lastName="Key", email="nokey@alder.example")
    new = systems.add(lastname="New", emailaddress1="new@alder.example")
    systems.delete(gone)
    systems.change({"id": stale, "address1_city": "Bergen"})
    return {
        "missing": sorted([missing, new]),
        "edited in Campaign": sorted([edited, item]),
        "extra": [gone],
        "stale": [stale],
    }


def test_after_a_first_load_nothing_differs(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    systems.forget()
    run = airflow.run(COMPARE)
    assert found(run) == {}
    assert report(run)["others"]["agrees"] == len(systems.profiles())
    assert report(run)["excused"] == {
        "dropped": {"has an e-mail": 2},
        "rejected": {"firstName": 1, "a plausible address": 1},
    }
    assert run.tasks["mend"] == "skipped"
    assert systems.writes() == []
    assert systems.engine_calls() == 1, "one page"
    assert airflow.returned(run, "report") == report(run)


@pytest.mark.parametrize(
    "switches",
    [
        {"campaign__smart_case": "keep_rest", "campaign__lowercase_email": True},
        {"campaign__opt_out_names": "denyList", "campaign__values_shape": "list"},
        {"campaign__force_pagination_in_next": "carried"},
    ],
    ids=str,
)
def test_what_campaign_rewrites_is_no_difference_however_it_does_it(
    airflow: RealAirflow, systems: Systems, switches: dict[str, Any]
) -> None:
    systems.switch(**switches)
    airflow.edit(
        "  phone:        {from: telephone1, using: [trim]}\n",
        "  phone:        {from: telephone1, using: [trim]}\n  denyListEmail: donotemail\n",
    )
    airflow.begin()
    assert found(airflow.run(COMPARE)) == {}


def test_every_class_is_told_with_its_keys_and_fields(
    airflow: RealAirflow, systems: Systems, marketer: Marketer
) -> None:
    airflow.begin()
    planted = plant(airflow, systems, marketer)
    systems.forget()
    run = airflow.run(COMPARE)
    assert found(run) == planted
    told = report(run)
    assert told["fields"] == {"phone": 1, "location.city": 2}
    assert told["others"]["unknown"] == 1
    assert told["keyless"] == 1
    assert told["unverified"] == 0
    assert systems.writes() == []
    assert systems.engine_calls() == 1 + sum(map(len, planted.values()))
    assert "edited in Campaign" in run.log


def test_ticking_mend_brings_all_in_step_through_the_flow_itself(
    airflow_on_each_ledger: RealAirflow, systems: Systems, marketer: Marketer
) -> None:
    airflow = airflow_on_each_ledger
    assert airflow.walk().ok
    before = systems.profiles()
    planted = plant(airflow, systems, marketer)
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == planted
    assert run.tasks["mend"] == "success", run.tasks
    assert triggered(run) == FLOW
    systems.forget()
    mended = airflow.run()
    assert mended.ok, mended.errors
    assert systems.campaign_writes() == {"POST": 2, "PATCH": 3 + 1, "DELETE": 1}, (
        "a record gone is found by a PATCH"
    )
    profiles = systems.profiles()
    assert profiles.pop("own-1")["firstName"] == "Own"
    assert "" in profiles, "a profile without a key stays as it is"
    again = profiles[planted["missing"][0]]
    assert again["cusFirstSeen"], "a record that was missing is created whole"
    edited = planted["edited in Campaign"][0]
    assert {name: value for name, value in profiles[edited].items() if "odified" not in name} == {
        name: value for name, value in before[edited].items() if "odified" not in name
    }
    second = airflow.run(COMPARE)
    assert found(second) == {}
    assert airflow.walk().tally == {}


def test_the_guard_asks_before_a_repair_deletes_much(
    airflow: RealAirflow, systems: Systems, marketer: Marketer
) -> None:
    strict(airflow)
    assert airflow.walk().ok
    gone = sorted(systems.profiles())[:5]
    systems.delete(*gone)
    assert found(airflow.run(COMPARE, repair=True)) == {"extra": gone}
    with person("Reject") as someone:
        refused = airflow.run()
    assert not refused.ok
    assert "5 deletes?" in someone.asked[0][1]
    assert set(gone) <= systems.profiles().keys()
    with person("Approve"):
        assert airflow.run().tally == {"extracted": 5, "deleted": 5}
    assert found(airflow.run(COMPARE)) == {}


def test_what_the_feed_has_told_and_campaign_has_lost_is_mended_without_a_change_in_dynamics(
    airflow: RealAirflow, systems: Systems, marketer: Marketer
) -> None:
    """The ledger holds these rows for delivered and unchanged: only a doubt makes a run look at them."""
    airflow.begin()
    keys = sorted(systems.profiles())
    marketer.delete(keys[0])
    marketer.edit(keys[1], lastName="Otherwise")
    assert airflow.walk().tally == {}
    assert found(airflow.run(COMPARE, repair=True)) == {"missing": keys[:1], "edited in Campaign": keys[1:2]}
    assert airflow.walk().tally == {"extracted": 2, "updated": 1, "created": 1}
    assert not systems.differences()


def test_more_than_one_run_can_take_is_mended_by_several(
    airflow: RealAirflow, systems: Systems, marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.run.extract import Source

    monkeypatch.setattr(Source, "AT_ONCE", 3)
    assert airflow.walk().ok
    keys = sorted(systems.profiles())[:5]
    for key in keys:
        marketer.edit(key, phone="+1 555 0100")
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == {"edited in Campaign": keys}
    assert "3 rows a run, so in 2 runs" in report(run)["notes"][0]
    assert airflow.walk().tally == {"extracted": 3, "updated": 3}
    assert airflow.walk().tally == {"extracted": 2, "updated": 2}
    assert not systems.differences()


def test_a_row_that_changes_while_both_sides_are_read_is_no_difference(
    airflow: RealAirflow, systems: Systems, marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.begin()
    keys = sorted(systems.profiles())
    marketer.edit(keys[2], phone="+1 555 0100")

    def a_run_between_the_two_reads() -> None:
        systems.change({"id": keys[0], "address1_city": "Bergen"})
        systems.add(lastname="New", emailaddress1="new@alder.example")
        systems.delete(keys[1])
        walk(airflow.mapping, "between")

    def only_dynamics_moves() -> None:
        systems.change({"id": keys[2], "address1_city": "Bergen"})
        systems.delete(keys[3])

    meanwhile(monkeypatch, "read_all", a_run_between_the_two_reads)
    meanwhile(monkeypatch, "compare_slice", only_dynamics_moves)
    run = airflow.run(COMPARE)
    assert found(run) == {}
    assert report(run)["others"]["moved"] == 4, (
        "changed, new and gone by the run; and edited, but changed since"
    )


def test_an_edit_in_campaign_that_was_taken_back_meanwhile_is_no_difference(
    airflow: RealAirflow, systems: Systems, marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.begin()
    key, other = sorted(systems.profiles())[:2]
    before = systems.profiles()[key]["phone"]
    marketer.edit(key, phone="+1 555 0100")
    marketer.edit(other, phone="+1 555 0100")
    meanwhile(monkeypatch, "compare_slice", lambda: marketer.edit(key, phone=before))
    run = airflow.run(COMPARE)
    assert found(run) == {"edited in Campaign": [other]}
    assert report(run)["others"]["moved"] == 1


def test_differences_beyond_the_cap_are_counted_and_said_to_be_unverified(
    airflow: RealAirflow, systems: Systems, marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.compare import looking_again

    monkeypatch.setattr(looking_again, "LOOKS", 3)
    monkeypatch.setattr(looking_again, "LOOKS_IN_A_SLICE", 2)
    airflow.begin()
    keys = sorted(systems.profiles())
    for key in keys[:6]:
        marketer.edit(key, phone="+1 555 0100")
    marketer.delete(keys[6])
    systems.forget()
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == {"edited in Campaign": keys[:6], "missing": [keys[6]]}
    assert report(run)["unverified"] == 4
    assert systems.engine_calls() == 1 + 3
    assert airflow.walk().ok
    assert not systems.differences()


def test_an_objection_made_in_campaign_is_told_and_never_mended(
    airflow: RealAirflow, systems: Systems, marketer: Marketer
) -> None:
    airflow.edit(
        "  phone:        {from: telephone1, using: [trim]}\n",
        "  phone:        {from: telephone1, using: [trim]}\n  blackListEmail: donotemail\n",
    )
    airflow.begin()
    no, yes = (
        next(key for key, row in sorted(systems.profiles().items()) if row["blackListEmail"] is value)
        for value in (False, True)
    )
    marketer.edit(no, blackListEmail=True, phone="+1 555 0100")
    marketer.edit(yes, blackListEmail=False)
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == {"edited in Campaign": [yes]}
    assert report(run)["others"]["opted out in Campaign"] == 1
    assert airflow.walk().tally == {"extracted": 1, "updated": 1}
    assert systems.profiles()[no]["blackListEmail"] is True
    assert systems.profiles()[yes]["blackListEmail"] is True


@pytest.mark.parametrize("words", ["keep", "delete"])
def test_a_record_that_no_longer_passes_the_filter_is_extra_only_if_the_mapping_deletes_it(
    airflow: RealAirflow, systems: Systems, words: str
) -> None:
    airflow.edit(
        "    - {name: has an e-mail, column: emailaddress1, present: true}\n",
        f"    - {{name: has an e-mail, column: emailaddress1, present: true}}\n  filtered_out: {words}\n",
    )
    assert airflow.walk().ok
    key = sorted(systems.profiles())[0]
    systems.change({"id": key, "emailaddress1": None})
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == ({"extra": [key]} if words == "delete" else {})
    assert report(run)["others"]["kept"] == (words == "keep")
    assert airflow.walk().ok
    assert (key in systems.profiles()) == (words == "keep")


def test_deletions_that_the_mapping_ignores_are_kept_and_no_difference(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.deletes("ignore")
    airflow.begin()
    systems.delete(*sorted(systems.profiles())[:2])
    run = airflow.run(COMPARE)
    assert found(run) == {}
    assert report(run)["others"]["kept"] == 2


def test_an_empty_table_makes_everything_extra(airflow: RealAirflow, systems: Systems) -> None:
    airflow.begin()
    count = len(systems.profiles())
    systems.delete(*systems.contacts())
    told = report(airflow.run(COMPARE))
    assert told["differences"]["extra"] == count
    assert len(told["samples"]["extra"]) == 20


def test_a_flow_that_never_ran_misses_everything_and_its_first_run_brings_it(
    airflow: RealAirflow, systems: Systems
) -> None:
    assert airflow.run(dry_run=True).ok
    run = airflow.run(COMPARE, repair=True)
    assert report(run)["differences"]["missing"] == 56
    assert report(run)["notes"] == [f"{FLOW} has no place in the change feed: its next run reads everything"]
    assert triggered(run) == FLOW
    assert airflow.walk().tally["created"] == 56
    assert found(airflow.run(COMPARE)) == {}


@pytest.mark.usefixtures("smaller_batches")
def test_slices_are_compared_each_on_its_own_and_reported_together(
    airflow: RealAirflow, systems: Systems, marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from campaign_sync.compare import slices
    from campaign_sync.hooks import campaign_records

    monkeypatch.setattr(slices, "SLICE_ROWS", 10)
    monkeypatch.setattr(slices, "ROWS_AT_ONCE", 25)
    monkeypatch.setattr(campaign_records, "LINES", 7)
    systems.switch(campaign__big_table_threshold=10)
    airflow.begin()
    planted = plant(airflow, systems, marketer)
    run = airflow.run(COMPARE)
    assert found(run) == planted
    assert report(run)["slices"] == 6
    assert {f"compare[{number}]" for number in range(6)} <= run.tasks.keys()


def test_nothing_of_a_person_is_told(airflow: RealAirflow, systems: Systems, marketer: Marketer) -> None:
    from tests.flows.test_privacy import MARKER, leaks
    from tests.flows.test_privacy import plant as people

    people(systems)
    airflow.begin()
    keys = [key for key, row in systems.profiles().items() if row["firstName"] == MARKER]
    marketer.edit(keys[0], lastName=f"{MARKER}-Edited")
    marketer.delete(keys[1])
    run = airflow.run(COMPARE, repair=True)
    assert found(run) == {"edited in Campaign": keys[:1], "missing": keys[1:2]}
    airflow.runs.append(run)
    assert not leaks(airflow, MARKER)
    assert not list(run.folder.glob("*.parquet")), "rows are swept when all is told"


def test_a_list_that_breaks_off_fails_the_comparison_and_tells_nothing(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    airflow.begin()
    systems.fault(
        system="campaign", method="GET", path="profile[?]_lineCount", times=None, do="status", status=503
    )
    run = airflow.run(COMPARE, repair=True)
    assert not run.ok
    assert run.report is None
    assert "were not read to the end" in run.errors
    assert run.tasks["mend"] == "upstream_failed"


def triggered(run: Run) -> str:
    """The flow that a comparison has triggered, out of Airflow's database."""
    from airflow.models.dagrun import DagRun  # noqa: TID251 - a test may
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        wanted = select(DagRun.dag_id).where(DagRun.run_id == f"mend__{run.run_id}")
        return str(session.scalars(wanted).one())
