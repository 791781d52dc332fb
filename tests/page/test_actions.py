"""What people do on the page: rows are tried again, a source row is looked at; who did it is in Airflow's audit log."""

from __future__ import annotations

import getpass
import json
from typing import Any

import pytest
from campaign_sync.__main__ import main
from campaign_sync.ledger.events import UNKNOWN_CONTACT
from campaign_sync.ledger.tables import rejections

from local.environment import connections
from tests.flows.on_foot import walk
from tests.flows.systems import Systems
from tests.flows.test_privacy import MARKER, plant
from tests.flows.test_rejected_rows import ENUMERATION
from tests.ledger.test_searching import NOON, put
from tests.page.conftest import BROKEN, FLOW

AGAIN, SOURCE = f"api/flows/{FLOW}/again", f"api/flows/{FLOW}/source"
EVENTS, OPT_OUTS = "email_events_to_activities", "opt_outs"
KEYS = [f"0000000{number}-0000-4000-8000-00000000aa01" for number in range(4)]


def pause(flow: str, *, paused: bool) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.get(DagModel, flow).is_paused = paused


@pytest.fixture(autouse=True)
def unpaused(audited: Any) -> Any:
    """Airflow with our DAGs switched on, and without runs."""
    for flow in (FLOW, EVENTS, OPT_OUTS):
        pause(flow, paused=False)


@pytest.fixture
def filled(ledger: Any) -> Any:
    """Four rejected rows of two rules in each kind of flow."""
    rules = {FLOW: ("rule 0", "rule 1"), OPT_OUTS: ("rule 0", "rule 1"), EVENTS: ("rule 0", UNKNOWN_CONTACT)}
    for flow, names in rules.items():
        rows = ({"flow": flow, "source_key": key, "rule": names[at % 2]} for at, key in enumerate(KEYS))
        put(ledger._database, rejections, *rows)
    return ledger


def runs_of(flow: str) -> list[Any]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        columns = (DagRun.run_id, DagRun.state, DagRun.triggering_user_name)
        return [tuple(row) for row in session.execute(select(*columns).where(DagRun.dag_id == flow))]


@pytest.mark.parametrize(
    "asked, rows, named",
    [
        ({"key": KEYS[1].upper()}, {KEYS[1]}, {"key": KEYS[1]}),
        ({"rule": "rule 0"}, {KEYS[0], KEYS[2]}, {"rule": "rule 0"}),
        ({"all": True}, {*KEYS}, {"rows": "all"}),
    ],
    ids=["one", "a rule", "all"],
)
def test_rows_are_marked_a_run_is_started_and_both_are_noted(act, filled, audited, asked, rows, named):
    answer = act(AGAIN, "user", **asked)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["rows"], said["others"], said["run"]) == (len(rows), 0, "started")
    assert filled.unsettled(FLOW, "sha", 100) == rows
    assert runs_of(FLOW) == [(said["run_id"], "queued", "user")]
    ((event, dag, who, what),) = audited()
    assert (event, dag, who, json.loads(what)) == ("campaign_sync.try_again", FLOW, "user", named)
    assert answer.headers["Cache-Control"] == "no-store"


def test_two_people_at_once_start_one_run(act, filled, audited):
    first, second = act(AGAIN, "user", all=True).json(), act(AGAIN, "admin", all=True).json()
    assert (first["rows"], second["rows"]) == (4, 4)
    assert (second["run"], second["run_id"]) == ("waits", first["run_id"])
    assert len(runs_of(FLOW)) == 1
    assert [who for _, _, who, _ in audited()] == ["user", "admin"]


def test_a_dry_run_that_waits_does_not_do_it(act, filled):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(
            DagRun(dag_id=FLOW, run_id="dry", run_type="manual", state="queued", conf={"dry_run": True},
                   run_after=NOON)
        )  # fmt: skip
    assert act(AGAIN, all=True).json()["run"] == "started"
    assert len(runs_of(FLOW)) == 2


def test_a_paused_flow_starts_no_run_and_says_what_to_do(act, filled):
    pause(FLOW, paused=True)
    said = act(AGAIN, all=True).json()
    assert (said["rows"], said["run"]) == (4, "paused")
    assert "unpause it" in said["told"]
    assert runs_of(FLOW) == []
    assert len(filled.unsettled(FLOW, "sha", 100)) == 4


def test_a_broken_flow_starts_no_run(act, filled):
    put(filled._database, rejections, {"flow": BROKEN, "source_key": KEYS[0]})
    said = act(f"api/flows/{BROKEN}/again", all=True).json()
    assert (said["rows"], said["run"]) == (1, "unknown")
    assert "mend the mapping" in said["told"]
    assert runs_of(BROKEN) == []


def test_where_nothing_is_rejected_nothing_is_started(act, filled):
    said = act(AGAIN, rule="no such rule").json()
    assert (said["rows"], said["run"]) == (0, None)
    assert runs_of(FLOW) == []


def test_of_events_only_those_that_wait_can_be_tried_again(act, filled):
    said = act(f"api/flows/{EVENTS}/again", all=True).json()
    assert (said["rows"], said["others"], said["run"]) == (2, 2, "started")
    assert "export_workflows.md" in said["told"]
    other = act(f"api/flows/{EVENTS}/again", rule="rule 0").json()
    assert (other["rows"], other["others"], other["run"]) == (0, 2, None)


def test_contacts_who_could_not_be_told_are_looked_at_by_the_next_run(act, ledger):
    put(ledger._database, rejections, *({"source_key": key, "flow": OPT_OUTS} for key in KEYS))
    assert ledger.unsettled(OPT_OUTS, "sha", 10) == set()
    said = act(f"api/flows/{OPT_OUTS}/again", key=KEYS[0]).json()
    assert (said["rows"], said["run"]) == (1, "started")
    assert ledger.unsettled(OPT_OUTS, "sha", 10) == {KEYS[0]}


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"all": False}, {"key": ""}, {"key": " {} "}, {"key": "a\x00b"}, {"key": "a" * 251},
        {"rule": "a", "key": "b"}, {"all": True, "rule": "a"}, {"all": True, "note": MARKER},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_not_repeated(act, filled, audited, asked):
    answer = act(AGAIN, **asked)
    assert answer.status_code == 422
    assert MARKER not in answer.text
    assert MARKER not in str(audited())
    assert filled.unsettled(FLOW, "sha", 100) == set()


@pytest.fixture
def connected(mappings: Any, systems: Systems, monkeypatch: pytest.MonkeyPatch, own_authority: None) -> Any:
    """Both systems, behind connections that this process knows."""
    for name, value in connections(systems.sandbox.env).items():
        monkeypatch.setenv(name, value)
    return systems


def test_a_row_that_is_tried_again_is_loaded_by_the_next_run(act, browser, connected, mappings):
    """Campaign refused two rows for a reason that is mended there: neither the rows nor the mapping change."""
    file = mappings / f"{FLOW}.yaml"
    one, two = connected.contact("long@example.org"), sorted(connected.contacts())[0]
    connected.change({"id": one, "firstname": "Ada"}, {"id": two, "emailaddress1": "two@example.org"})
    walk(file, "first")
    connected.change(*({"id": key, "address1_city": "Møllehavn"} for key in (one, two)))
    for key in (one, two):
        connected.fault(system="campaign", method="PATCH", path=key, do="status", status=500, times=None,
                        body={"error_code": 500, "message": ENUMERATION})  # fmt: skip
    assert walk(file, "refused")["tally"]["rejected"] == 2
    connected.heal()

    def city(key: str) -> Any:
        return connected.profiles()[key]["location"]["city"]

    assert act(AGAIN, key=one).json()["rows"] == 1
    assert walk(file, "one")["tally"]["updated"] == 1
    assert (city(one), city(two) == "Møllehavn") == ("Møllehavn", False)
    assert act(AGAIN, rule="refused by Campaign").json()["rows"] == 1
    assert walk(file, "by rule")["tally"]["updated"] == 1
    assert city(two) == "Møllehavn"
    assert browser("api/rows", rule="refused by Campaign").json()["rows"] == []


def test_a_row_that_is_still_bad_is_rejected_again_once(act, connected, mappings, ledger):
    file = mappings / f"{FLOW}.yaml"
    report = walk(file, "first")
    bad = report["tally"]["rejected"]
    assert act(AGAIN, all=True).json()["rows"] == bad > 0
    again = walk(file, "again")["tally"]
    assert (again["extracted"], again["rejected"]) == (bad, bad)
    assert walk(file, "over")["tally"]["extracted"] == 0
    assert {*ledger.rejected(FLOW)["tries"]} == {2}


@pytest.mark.parametrize(
    "asked, rows",
    [(["--key", KEYS[1]], {KEYS[1]}), (["--rule", "rule 0"], {KEYS[0], KEYS[2]}), (["--all"], {*KEYS})],
)
def test_the_command_does_the_same(filled, audited, capsys, asked, rows):
    assert main(["retry", FLOW, *asked]) == 0
    assert filled.unsettled(FLOW, "sha", 100) == rows
    ((run, state, who),) = runs_of(FLOW)
    assert (state, who) == ("queued", getpass.getuser())
    assert run in capsys.readouterr().out
    ((event, dag, owner, _),) = audited()
    assert (event, dag, owner) == ("campaign_sync.try_again", FLOW, getpass.getuser())


def test_the_command_says_what_it_cannot_do(filled, capsys):
    assert main(["retry", FLOW, "--rule", "no such rule"]) == 1
    assert "No row is rejected like that" in capsys.readouterr().out
    assert main(["retry", EVENTS, "--rule", "rule 0"]) == 1
    assert "export_workflows.md" in capsys.readouterr().out
    assert main(["retry", FLOW, "--key", "{}"]) == 1
    assert "--all" in capsys.readouterr().err
    assert runs_of(FLOW) == []
    pause(FLOW, paused=True)
    assert main(["retry", FLOW, "--all"]) == 0
    assert f"airflow dags unpause {FLOW}" in capsys.readouterr().out
    assert runs_of(FLOW) == []


def test_a_source_row_is_shown_to_who_may_act_and_that_is_noted(
    act, browser, connected, mappings, audited, caplog, capfd
):
    people = plant(connected)
    caplog.set_level("DEBUG")
    answer = act(SOURCE, "user", key=people["no address"].upper())
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    cells = {cell["column"]: cell["value"] for cell in answer.json()["cells"]}
    assert cells["contactid"] == people["no address"]
    assert cells["firstname"] == MARKER
    assert cells["emailaddress1"] == f"{MARKER} at example"
    assert "jobtitle" not in cells, "a column that the mapping does not read"
    ((event, dag, who, what),) = audited()
    assert (event, dag, who) == ("campaign_sync.source_row", FLOW, "user")
    assert json.loads(what) == {"key": people["no address"]}
    for role in (None, "nobody", "viewer"):
        refused = act(SOURCE, role, key=people["good"])
        assert refused.status_code in (401, 403)
        assert MARKER not in refused.text
    assert len(audited()) == 1
    printed = capfd.readouterr()
    assert MARKER.lower() not in (caplog.text + printed.out + printed.err).lower()


def test_of_opt_outs_the_flags_are_shown_and_nothing_else_of_a_person(act, connected):
    people = plant(connected)
    answer = act(f"api/flows/{OPT_OUTS}/source", key=people["good"])
    cells = {cell["column"]: cell["value"] for cell in answer.json()["cells"]}
    assert "donotbulkemail" in cells
    assert MARKER not in answer.text


def test_a_row_that_is_gone_is_said_to_be(act, connected):
    assert act(SOURCE, key=KEYS[0]).json()["cells"] is None


def test_events_have_no_source_row_in_dynamics(act, filled):
    answer = act(f"api/flows/{EVENTS}/source", key=KEYS[0])
    assert answer.status_code == 409
    assert "export file" in answer.json()["problem"]


def test_dynamics_that_cannot_be_read_is_said_without_its_words(act, connected, audited):
    connected.fault(system="dataverse", method="GET", path="contacts", do="status", status=503, times=None,
                    body={"error": {"message": MARKER}})  # fmt: skip
    answer = act(SOURCE, key=KEYS[0])
    assert answer.status_code == 503
    assert answer.json()["problem"] == "Dynamics cannot be read now"
    assert MARKER not in answer.text
    assert len(audited()) == 1
