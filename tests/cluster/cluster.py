"""Airflow on six machines, which here are folders: each process has its own home, code, temporary files and name.

What they share is what real machines would: Postgres, Redis and an object store, all over TCP, and the installed
packages, as an image would hold them. Workers do not know Airflow's database.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from local.airflow_api import AirflowApi
from local.environment import ROOT
from local.stack import PARTS, Part, Stack
from tests.cluster.services import Databases
from tests.object_store import ObjectStore

WORKERS = ("worker-1", "worker-2")
BUCKET = "campaign-sync"
MACHINE = Path(__file__).parent / "machine"


class Shared(NamedTuple):
    """What all machines reach."""

    databases: Databases
    broker: str
    store: ObjectStore


class Cluster(Stack):
    """One sandbox, and one Airflow on machines of its own."""

    def __init__(self, folder: Path, mappings: Path, shared: Shared) -> None:
        super().__init__(folder, folder / "sandbox")
        self.mappings = mappings
        self.shared = shared

    def parts(self, port: int) -> dict[str, Part]:
        """Airflow's processes by name; a worker is called as its machine."""
        parts = {name: self._part(name, arguments, port) for name, arguments in PARTS.items()}
        return parts | {name: self._worker(name, port) for name in WORKERS}

    def start_airflow(self, port: int) -> None:
        """Start all processes, and return when all of them are healthy and the workers take tasks."""
        super().start_airflow(port)
        for name in WORKERS:
            self._wait_for_worker(name)

    def variables(self, port: int) -> dict[str, str]:
        """The environment of whoever administers Airflow, on yet another machine."""
        return self._part("desk", [], port).env

    def lose(self, name: str) -> None:
        """A machine loses power: all its processes end at once, and nothing of its disk is ever seen again."""
        worker = psutil.Process(self.pids()[name])
        family = [worker, *worker.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)  # so that none of them sees another die and says so
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=20)
        shutil.rmtree(self._folder(name), ignore_errors=True)
        self._log(name).rename(self._log(f"{name}-lost"))

    def replace(self, name: str, port: int) -> None:
        """A new machine takes the place of a lost one."""
        self._spawn(name, *self._worker(name, port))
        self._wait_for_worker(name)

    def left_on_disks(self) -> list[str]:
        """Files of runs that a machine kept to itself."""
        kept = (".parquet", ".csv.gz", ".checks.html", "report.json", "ledger.db")
        return [str(path) for path in (self.folder / "machines").rglob("*") if path.name.endswith(kept)]

    def _wait_for_worker(self, name: str) -> None:
        log, ready = self._log(name), f"celery@{name} ready."
        self._wait(name, self._children[-1], lambda: ready in log.read_text(), seconds=180)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _worker(self, name: str, port: int) -> Part:
        return self._part(name, ["celery", "worker", "--celery-hostname", name, "--skip-serve-logs"], port)

    def _part(self, name: str, arguments: list[str], port: int) -> Part:
        machine = self._folder(name)
        if not machine.exists():
            for each in ("plugins", "dags"):
                shutil.copytree(ROOT / each, machine / "code" / each)
            shutil.copytree(self.mappings, machine / "code" / "include" / "mappings")
            shutil.copytree(MACHINE, machine / "config")
            for each in ("airflow", "tmp"):
                (machine / each).mkdir()
        env = super().variables(port) | self._settings(name, machine)
        if name in WORKERS:
            del env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        return Part(["airflow", *arguments], env, machine)

    def _folder(self, name: str) -> Path:
        return self.folder / "machines" / name

    def _settings(self, name: str, machine: Path) -> dict[str, str]:
        """What docs/many_machines.md says, with waiting times of a test, and this machine's folders."""
        databases, broker, store = self.shared
        return {
            "MACHINE": name,
            "HOME": str(machine),
            "TMPDIR": str(machine / "tmp"),
            "AIRFLOW_HOME": str(machine / "airflow"),
            "PYTHONPATH": f"{machine / 'code' / 'plugins'}{os.pathsep}{machine / 'config'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(machine / "code" / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(machine / "code" / "plugins"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "machine.name",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "16",
            # Nobody changes a DAG file here, and parsing takes time from everything else.
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "600",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{databases.airflow}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "3",
            "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps({"imports": ["campaign_sync.preload"]}),
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": databases.airflow,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(machine / "airflow" / "logs"),
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{BUCKET}/logs",
            "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "object_store",
            "AIRFLOW_CONN_OBJECT_STORE": store.connection,
            "AIRFLOW__CAMPAIGN_SYNC__STORAGE": f"s3://object_store@{BUCKET}/runs",
            "AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER": databases.ledger,
        }


def instances(airflow: AirflowApi, flow: str) -> list[dict[str, str]]:
    """All task instances of a flow, of any try that is the latest: their states, and the machines they ran on."""
    found = airflow.get(f"/dags/{flow}/dagRuns/~/taskInstances?limit=1000")["task_instances"]
    return [
        {each: str(one[each]) for each in ("task_id", "state", "hostname", "dag_run_id")} for one in found
    ]
