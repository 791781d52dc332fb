"""docker-compose.yaml's topology, natively: CeleryExecutor, two workers that share nothing but an object store (N2).

All flows run; a worker's machine is lost while it writes (N3). What both systems hold in the end is compared with a
computation that shares no code with the package, as in the demonstration on one machine.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from local.airflow_api import AirflowApi
from local.changes import a_busy_day
from local.consents import FLOW as OPT_OUTS
from local.consents import Consents
from local.demo import set_up, shipped_mappings
from local.environment import login
from local.mailing import FLOW as EVENTS
from local.mailing import Mailing
from local.rounds import FLOWS, run_all
from local.sandbox_api import SandboxApi
from local.stack import free_port
from local.verdict import verdict, wrong_calls
from tests.cluster.cluster import BUCKET, WORKERS, Cluster, Shared, instances
from tests.cluster.services import broker, databases
from tests.object_store import start_object_store

pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.sandbox, pytest.mark.timeout(1200)]

PEOPLE = "300"
CONTACTS = "contacts_to_profiles"
#: After how many of its profiles the flow of contacts is held up, so that its worker can be lost there.
HELD_AFTER = 120


@pytest.fixture
def shared() -> Iterator[Shared]:
    with databases() as urls, broker() as redis, start_object_store() as store:
        store.make(BUCKET)
        yield Shared(urls, redis, store)


@pytest.fixture
def cluster(shared, tmp_path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, shipped_mappings(tmp_path), shared)
    try:
        yield cluster
    finally:
        cluster.stop()


def test_a_lost_worker_loses_nothing_and_doubles_nothing(cluster):
    sandbox = SandboxApi(cluster.start_sandbox("--people", PEOPLE))
    port = free_port()
    cluster.start_airflow(port)
    airflow = AirflowApi(port, *login(cluster.home))
    for flow in (*(flow.name for flow in FLOWS), EVENTS, OPT_OUTS):
        airflow.wait_for_dag(flow)

    loss = Loss(cluster, sandbox, airflow)
    loss.start()
    steps = [run_all(airflow, sandbox, [*FLOWS], "first load", [], [])]
    loss.join()
    assert loss.machine, loss.trouble
    assert machines(airflow) == set(WORKERS)
    cluster.replace(loss.machine, port)

    set_up(cluster.variables(port))
    mailing, consents = Mailing(sandbox), Consents(sandbox)
    a_busy_day(sandbox)
    mailing.first_day()
    consents.first_day()
    steps.append(run_all(airflow, sandbox, [*FLOWS], "a busy day", steps, [(EVENTS,), (OPT_OUTS,)]))

    found = verdict(sandbox, [*FLOWS], steps, mailing, consents)
    profiles = len(sandbox.records("profile"))
    # What the lost worker wrote and had not remembered yet is told again: Campaign refuses to make it twice.
    found["problems"] += wrong_calls(steps, len(FLOWS), profiles, repeated=2 * loss.written)
    assert found["problems"] == []
    assert steps[0]["tally"]["created"] > 0
    assert all(each["found"] for each in found["events"]["kinds"])
    assert found["opt_outs"]["noes"] > 0

    assert cluster.left_on_disks() == []
    run = next(each for each in steps[0]["runs"] if each["flow"] == CONTACTS and each["tally"]["extracted"])
    assert_pages_of_any_machine(airflow, CONTACTS, run["run_id"])


class Loss(threading.Thread):
    """Waits until a worker is in the middle of writing profiles, and has that machine lose power."""

    def __init__(self, cluster: Cluster, sandbox: SandboxApi, airflow: AirflowApi) -> None:
        super().__init__(daemon=True)
        self.cluster, self.sandbox, self.airflow = cluster, sandbox, airflow
        self.machine = ""
        self.written = 0  # records that Campaign had by then
        self.trouble = "no worker came to write profiles"
        hold = {
            "system": "campaign",
            "method": "POST",
            "path": "/profileAndServicesExt/profile",
            "do": "delay",
        }
        self.fault = sandbox.control(
            "POST", "/sandbox/faults", hold | {"after": HELD_AFTER, "times": None, "seconds": 6}
        )

    def run(self) -> None:
        try:
            self._lose()
        except Exception as problem:  # told by the test
            self.trouble = repr(problem)

    def _lose(self) -> None:
        deadline = time.monotonic() + 600
        while not self._held():
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)
        (machine,) = {
            each["hostname"]
            for each in instances(self.airflow, CONTACTS)
            if each["task_id"] == "load" and each["state"] == "running"
        }
        self.cluster.lose(machine)
        self.sandbox.control("DELETE", f"/sandbox/faults?id={self.fault['id']}")
        time.sleep(6)  # requests that were held come through, although nobody hears their answer
        profiles = len(self.sandbox.records("profile"))
        assert HELD_AFTER <= profiles < int(PEOPLE)
        self.written = sum(len(self.sandbox.records(flow.resource)) for flow in FLOWS)
        self.machine = machine

    def _held(self) -> bool:
        (fault,) = (
            each for each in self.sandbox.control("GET", "/sandbox/faults") if each["id"] == self.fault["id"]
        )
        return bool(fault["done"])


def machines(airflow: AirflowApi) -> set[str]:
    """The machines that tasks ran on."""
    found = (each for flow in FLOWS for each in instances(airflow, flow.name))
    return {each["hostname"] for each in found if each["state"] == "success"}


def assert_pages_of_any_machine(airflow: AirflowApi, flow: str, run: str) -> None:
    """The API server shows logs and Data Docs that it got from no worker."""
    quoted = urllib.request.quote(run, safe="")
    logs: Any = airflow.get(f"/dags/{flow}/dagRuns/{quoted}/taskInstances/reconcile/logs/1?map_index=-1")
    assert f"{flow}" in str(logs["content"])
    assert "extracted" in str(logs["content"])
    path = f"/campaign-sync/api/flows/{flow}"
    told = fetched(airflow, f"{path}/report?run={quoted}")
    assert b'"docs":[1]' in told.replace(b" ", b"")
    assert b"<html" in fetched(airflow, f"{path}/docs?run={quoted}&batch=1").lower()


def fetched(airflow: AirflowApi, path: str) -> bytes:
    """What the page's API answers."""
    request = urllib.request.Request(
        airflow.root + path, headers={"Authorization": f"Bearer {airflow.token}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content
