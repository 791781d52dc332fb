"""What the page's endpoints answer, asked over HTTP of a ledger and of Airflow's own database."""

from __future__ import annotations

import uuid

import pytest
from campaign_sync.ledger.tables import parked, rejections, runs

from tests.ledger.test_searching import NOON, put
from tests.page.conftest import BROKEN, FLOW, RUN

PEOPLE = [f"{number:08x}-0000-4000-8000-00000000aa01" for number in range(7)]


@pytest.fixture
def filled(ledger):
    """Rows and a run of the flow."""
    put(
        ledger._database,
        rejections,
        *({"source_key": key, "rule": f"rule {at % 2}"} for at, key in enumerate(PEOPLE)),
    )
    put(ledger._database, parked, {"source_key": "a-1", "flow": "accounts_to_stores", "waits_key": PEOPLE[0]})
    tally = {"extracted": 9, "created": 2, "rejected": 7}
    put(ledger._database, runs, {"run_id": RUN, "tally": tally})
    return ledger


def flow_of(answer, name=FLOW):
    return next(each for each in answer.json()["flows"] if each["flow"] == name)


def test_each_flow_is_listed_with_what_waits_and_what_its_last_run_did(browser, filled):
    answer = browser("api/flows")
    names = [each["flow"] for each in answer.json()["flows"]]  # other tests may have left more
    assert names == sorted(names)
    assert {"accounts_to_stores", BROKEN, FLOW, "email_events_to_activities", "opt_outs"} <= {*names}
    assert not any(name.startswith("reconcile_") for name in names)
    flow = flow_of(answer)
    assert flow["rejected"] == {"rows": 7, "more": False}
    assert flow["waiting"] == {"rows": 0, "more": False}
    assert flow["last_run"]["tally"]["created"] == 2
    assert flow["direction"] == "to_campaign"
    stores = flow_of(answer, "accounts_to_stores")
    assert (stores["waiting"]["rows"], stores["waiting_since"]) == (
        1,
        NOON.isoformat().replace("+00:00", "Z"),
    )
    assert flow_of(answer, "email_events_to_activities")["direction"] == "to_dynamics"
    assert flow_of(answer, BROKEN)["status"] == "broken"


@pytest.fixture
def airflow_runs(dags):
    """Leaves runs in Airflow's database, as its scheduler does."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    def leave(run_id, state, tasks=(), sizes=None):
        with create_session() as session:
            session.add(
                DagRun(
                    dag_id=FLOW,
                    run_id=run_id,
                    run_type="manual",
                    state=state,
                    start_date=NOON,
                    run_after=NOON,
                )
            )
            session.flush()
            _leave_tasks(session, run_id, tasks)
            if sizes is not None:
                _leave_sizes(session, run_id, sizes)

    yield leave
    with create_session() as session:
        session.execute(delete(DagRun))
        session.get(DagModel, FLOW).is_paused = False


def _leave_tasks(session, run_id, tasks):
    from airflow.models.dag_version import DagVersion
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import insert

    version = DagVersion.get_latest_version(FLOW, session=session).id
    for task, number, state in tasks:
        usual = {"pool": "default_pool", "try_number": 1, "start_date": NOON, "dag_version_id": version}
        this = {"dag_id": FLOW, "run_id": run_id, "task_id": task, "map_index": number, "state": state}
        session.execute(insert(TaskInstance).values(id=uuid.uuid4(), **usual, **this))


def _leave_sizes(session, run_id, sizes):
    from airflow.models.xcom import XComModel

    batches = [{"tally": {"extracted": size}} for size in sizes]
    XComModel.set(
        key="return_value", value=batches, task_id="extract", dag_id=FLOW, run_id=run_id, session=session
    )


def test_a_flows_status_is_airflows(browser, filled, airflow_runs):
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    def flow():
        return flow_of(browser("api/flows"))

    def pause(paused):
        with create_session() as session:
            session.get(DagModel, FLOW).is_paused = paused

    pause(True)
    assert (flow()["status"], flow()["next_run"]) == ("paused", None)
    pause(False)
    assert flow()["status"] == "idle"
    assert flow()["next_run"]
    airflow_runs("failed", "failed")
    assert (flow()["status"], flow()["failed_run"]) == ("failed", "failed")
    airflow_runs("reads", "running")
    assert (flow()["status"], flow()["progress"]["batches"]) == ("running", None)


def test_progress_tells_batches_rows_speed_and_time_left(browser, filled, airflow_runs):
    tasks = [("extract", -1, "success"), ("load", 0, "success"), ("load", 1, "running")]
    airflow_runs("goes_on", "running", tasks, sizes=[30, 10])
    flow = flow_of(browser("api/flows"))
    progress = flow["progress"]
    assert (flow["status"], progress["run_id"]) == ("running", "goes_on")
    assert (progress["batches"], progress["batches_done"]) == (2, 1)
    assert (progress["rows"], progress["rows_done"]) == (40, 30)
    assert progress["rows_per_second"] > 0
    assert progress["seconds_left"] == pytest.approx(10 / progress["rows_per_second"])


def test_a_guard_that_asks_is_told(browser, filled, airflow_runs):
    airflow_runs("asks", "running", [("extract", -1, "success"), ("guard", -1, "awaiting_input")], sizes=[30])
    assert flow_of(browser("api/flows"))["status"] == "approval"


def test_a_flow_shows_its_mapping(browser, filled):
    mapping = browser(f"api/flows/{FLOW}").json()["mapping"]
    fields = {each["target"]: each for each in mapping["fields"]}
    assert fields["externalId"]["key"]
    assert (fields["email"]["source"], fields["email"]["using"]) == ("emailaddress1", ["trim", "lower"])
    assert fields["gender"]["replaced"][0] == {"value": "1", "by": "male"}
    assert fields["gender"]["otherwise"] == "unknown"
    assert not fields["cusFirstSeen"]["updates"]
    (condition,) = mapping["filter"]["members"]
    assert condition["name"] == "has an e-mail"
    assert [check["otherwise"] for check in mapping["checks"]] == ["reject", "warn"]


def test_a_mapping_of_events_is_shown_by_kind(browser):
    mapping = browser("api/flows/email_events_to_activities").json()["mapping"]
    groups = {field["group"] for field in mapping["fields"]}
    assert "click → acs_emailclick" in groups
    assert len(groups) == 4


def test_a_mapping_of_opt_outs_shows_its_pairs(browser):
    assert flow_of(browser("api/flows"), "opt_outs")["direction"] == "both"
    mapping = browser("api/flows/opt_outs").json()["mapping"]
    pairs = {field["target"]: field for field in mapping["fields"]}
    assert pairs["denyListEmail"]["source"] == "donotbulkemail"
    assert pairs["denyListEmail"]["using"] == ["objects where it is true"]
    assert (mapping["source"], mapping["kind"]) == ("Dynamics table contact", "opt_outs")


def test_a_broken_mapping_says_line_and_remedy(browser):
    problems = browser(f"api/flows/{BROKEN}").json()["mapping"]["problems"]
    wrong = next(each for each in problems if each["key"].startswith("extract"))
    assert wrong["line"] == 2
    assert "table" in wrong["remedy"]


def test_rows_come_a_page_at_a_time(browser, filled):
    keys = []
    after = ""
    while after is not None:
        page = browser("api/rows", what="rejected", limit=3, after=after).json()
        keys += [row["source_key"] for row in page["rows"]]
        after = page["next"]
    assert sorted(keys) == PEOPLE
    assert [row["source_key"] for row in browser("api/rows", key=PEOPLE[2].upper()).json()["rows"]] == [
        PEOPLE[2]
    ]
    assert {row["rule"] for row in browser("api/rows", rule="rule 1").json()["rows"]} == {"rule 1"}
    assert browser("api/rows", run="another").json() == {"rows": [], "next": None}
    (waits,) = browser("api/rows", what="parked").json()["rows"]
    assert (waits["rule"], waits["waits_key"]) == (FLOW, PEOPLE[0])


def test_rules_are_counted(browser, filled):
    rules = browser("api/rules", flow=FLOW).json()["rules"]
    assert rules == [
        {"rule": "rule 0", "rows": 4, "more": False},
        {"rule": "rule 1", "rows": 3, "more": False},
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"what": "everything"}, {"limit": 0}, {"limit": 201}, {"key": "a\x00b"}, {"key": "a" * 251}, {"after": "!"},
        {"after": "e30="}, {"after": "WzEsMiwzXQ=="}, {"after": "WyIyMDI2LTExLTIwIiwgImFcdTAwMDAiLCAiYiJd"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_understood_is_said_so_and_not_repeated(browser, filled, asked):
    answer = browser("api/rows", **asked)
    assert answer.status_code == 422
    assert set(answer.json()) == {"problem", "remedy"}
    (word,) = asked
    assert answer.json()["problem"] == f"Not understood: {word}"


def test_runs_are_listed(browser, filled):
    answer = browser(f"api/flows/{FLOW}/runs", limit=1).json()
    assert [run["run_id"] for run in answer["runs"]] == [RUN]
    assert not answer["more"]


def test_a_run_without_a_report_is_no_error(browser, filled):
    assert browser(f"api/flows/{FLOW}/report", run="swept").json()["window"] is None
    assert browser(f"api/flows/{FLOW}/docs", run="swept", batch=1).status_code == 404


@pytest.mark.parametrize("run", ["../../etc", "..", "/etc/passwd", "a/../../b"])
def test_a_run_is_never_a_way_out_of_the_storage(browser, filled, tmp_path, run):
    (tmp_path / "campaign_sync" / "report.json").write_text('{"window": "stolen"}')
    assert browser(f"api/flows/{FLOW}/report", run=run).json()["window"] is None


def test_a_ledger_that_cannot_be_read_tells_no_host_no_user_no_path(browser, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER", "postgresql://ada:geheim@127.0.0.1:1/hidden")
    for address in ("api/flows", "api/rows", f"api/flows/{FLOW}", f"api/flows/{FLOW}/runs"):
        answer = browser(address, "admin")
        assert answer.status_code == 503
        assert not [
            word for word in ("ada", "geheim", "127.0.0.1", "hidden", "psycopg") if word in answer.text
        ]
        number = answer.json()["remedy"].split("error ")[1].split()[0]
        assert number in caplog.text


def test_a_fault_of_ours_tells_nothing_but_a_number(browser, monkeypatch, caplog):
    from campaign_sync.page import flows

    def fails(*_):
        raise RuntimeError("Quillfeather")

    monkeypatch.setattr(flows, "standings", fails)
    answer = browser("api/flows")
    assert answer.status_code == 500
    assert "Quillfeather" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
