"""The room "Approvals": what waits for a person, and the list of keys."""

from __future__ import annotations

import uuid

import pytest
from campaign_sync.consent.rule import Known, Said
from campaign_sync.ledger.consent import Kept
from campaign_sync.rows.storage import folder_of, write_document
from campaign_sync.settings import storage_root

from local.environment import connections
from tests.flows.on_foot import Asked, OnFoot, walk
from tests.flows.test_privacy import MARKER, plant
from tests.ledger.test_searching import NOON
from tests.page.conftest import ANOTHER, FLOW

OPT_OUTS = "opt_outs"
RUN = "scheduled__2026-11-20T12:00:00+00:00"


@pytest.fixture
def asking(dags):
    """Leaves a guard in Airflow's database that waits for a person."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    def ask(flow=FLOW, run_id=RUN, state="awaiting_input"):
        instance = uuid.uuid4()
        with create_session() as session:
            session.add(
                DagRun(dag_id=flow, run_id=run_id, run_type="scheduled", state="running", run_after=NOON)
            )
            session.flush()
            version = DagVersion.get_latest_version(flow, session=session).id
            task = {"dag_id": flow, "run_id": run_id, "task_id": "guard", "map_index": -1, "state": state}
            usual = {
                "pool": "default_pool",
                "try_number": 1,
                "dag_version_id": version,
                "trigger_timeout": NOON,
            }
            session.execute(insert(TaskInstance).values(id=instance, **task, **usual))
            session.add(
                HITLDetail(
                    ti_id=instance, options=["Approve", "Reject"], subject="Too many?", created_at=NOON
                )
            )

    yield ask
    with create_session() as session:
        session.execute(delete(DagRun))


def leave_lists(flow, harms, *batches, guard):
    """What a guard leaves in its run's folder."""
    folder = folder_of(storage_root(), flow, RUN)
    told = {
        "state": "asking",
        "present": 100,
        "too_much": list(harms)[:1],
        "why": {name: {"gone": 2} for name in harms},
    }
    write_document(folder, "guard.json", told | {name: sum(len(b[name]) for b in batches) for name in harms})
    write_document(folder, "setting.json", {"mapping": {"guard": guard}})
    for number, batch in enumerate(batches, 1):
        write_document(folder, f"{number:05d}.harm.json", batch)


def test_nothing_waits(browser, ledger):
    assert browser("api/approvals").json() == {"approvals": [], "held": []}


def test_a_guard_that_asks_tells_what_how_many_since_when_and_what_is_allowed(browser, ledger, asking):
    asking()
    batch = {"deletes": ["a", "b"], "blanks": ["c"]}
    leave_lists(FLOW, batch, batch, guard={"deletes": "1 or 1%", "blanks": "5", "waits": "24h"})
    (told,) = browser("api/approvals").json()["approvals"]
    assert (told["flow"], told["run_id"], told["task_id"], told["since"]) == (
        FLOW, RUN, "guard", "2026-11-20T12:00:00Z",
    )  # fmt: skip
    assert (told["present"], told["until"]) == (100, "2026-11-20T12:00:00Z")
    deletes, blanks = told["harms"]
    assert deletes == {
        "name": "deletes", "said": "deleted", "count": 2, "limit": "1 or 1%", "beyond": True, "why": {"gone": 2},
    }  # fmt: skip
    assert (blanks["said"], blanks["beyond"]) == ("emptied in part", False)


def test_what_a_real_guard_leaves_is_told_in_keys(
    browser, mappings, asking, systems, own_authority, monkeypatch, tmp_path
):
    for name, value in connections(systems.sandbox.env).items():
        monkeypatch.setenv(name, value)
    people = plant(systems)
    strict = tmp_path / f"{FLOW}.yaml"
    strict.write_text(f"{(mappings / strict.name).read_text()}\nguard: {{deletes: 0}}\n")
    walk(strict, "first")
    systems.delete(people["good"], people["doubled"])
    run = OnFoot(strict, RUN)
    run.read()
    with pytest.raises(Asked):
        run.guard()
    asking()
    answer = browser("api/approvals", "admin")
    ((deletes,),) = (told["harms"] for told in answer.json()["approvals"])
    assert (deletes["count"], deletes["limit"], deletes["why"]) == (2, "0", {"deleted in Dynamics": 2})
    keys = browser(f"api/approvals/{FLOW}/keys", run=RUN, harm="deletes")
    assert keys.json()["keys"] == sorted([people["good"], people["doubled"]])
    assert MARKER.lower() not in (answer.text + keys.text).lower()


def test_a_question_whose_lists_were_swept_is_told_all_the_same(browser, ledger, asking):
    asking()
    (told,) = browser("api/approvals").json()["approvals"]
    assert (told["present"], told["harms"]) == (None, [])
    assert browser(f"api/approvals/{FLOW}/keys", run=RUN, harm="deletes").json() == {"keys": [], "next": None}


def test_what_was_answered_or_is_no_flow_of_ours_waits_no_longer(browser, ledger, asking):
    asking(state="success")
    asking(flow=ANOTHER)
    assert browser("api/approvals", "admin").json()["approvals"] == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_keys_come_a_page_at_a_time(browser, ledger, limit):
    batches = [{"deletes": ["a", "b", "c"]}, {"deletes": []}, {"deletes": ["d", "e"]}]
    leave_lists(FLOW, {"deletes": 5}, *batches, guard={})
    keys, after = [], ""
    while after is not None:
        page = browser(f"api/approvals/{FLOW}/keys", run=RUN, harm="deletes", after=after, limit=limit).json()
        assert len(page["keys"]) <= limit
        keys += page["keys"]
        after = page["next"]
    assert keys == ["a", "b", "c", "d", "e"]


def test_opt_outs_are_told_by_contact_and_attribute(browser, ledger, asking):
    asking(flow=OPT_OUTS)
    batch = {"opt_outs": ["a denyListEmail"], "opt_ins": []}
    leave_lists(OPT_OUTS, batch, batch, guard={"opt_outs": "0", "opt_ins": "0"})
    (told,) = browser("api/approvals").json()["approvals"]
    assert [harm["said"] for harm in told["harms"]] == ["opted out"]
    keys = browser(f"api/approvals/{OPT_OUTS}/keys", run=RUN, harm="opt_outs").json()["keys"]
    assert keys == ["a denyListEmail"]


def test_opt_ins_that_no_run_may_tell_unasked_are_told(browser, ledger, asking):
    open_ = Kept(Known(Said(True, NOON), Said(False, NOON), None, ours=False))
    rows = [(key, name, open_) for key in ("a", "b") for name in ("denyListEmail", "denyListPhone")]
    ledger.consents.keep(OPT_OUTS, RUN, "abc", rows, NOON, read={})
    assert browser("api/approvals").json()["held"] == [
        {"flow": OPT_OUTS, "since": "2026-11-20T12:00:00Z", "contacts": 2, "more": False, "some": ["a", "b"]}
    ]
    asking(flow=OPT_OUTS)
    assert browser("api/approvals").json()["held"] == [], "a run asks about them"


def test_only_flows_that_may_be_read_are_told(browser, ledger, asking, monkeypatch):
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    asking()
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {OPT_OUTS})
    assert browser("api/approvals").json() == {"approvals": [], "held": []}


@pytest.mark.parametrize(
    "asked",
    [{"harm": "everything"}, {"harm": "deletes", "after": "x"}, {"harm": "deletes", "limit": 501}],
    ids=str,
)
def test_what_cannot_be_understood_is_said_so(browser, ledger, asked):
    answer = browser(f"api/approvals/{FLOW}/keys", run=RUN, **asked)
    assert answer.status_code == 422
    assert answer.json()["problem"].startswith("Not understood: ")


@pytest.mark.parametrize("run", ["../../etc", "..", "a/../../b"])
def test_a_run_is_never_a_way_out_of_the_storage(browser, ledger, tmp_path, run):
    for name in ("guard.json", "00001.harm.json"):
        (tmp_path / "campaign_sync" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "campaign_sync" / name).write_text('{"deletes": ["stolen"]}')
    assert browser(f"api/approvals/{FLOW}/keys", run=run, harm="deletes").json()["keys"] == []
