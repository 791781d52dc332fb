"""Runs flows with `dag.test()`, Airflow's own loop over a real metadata database, and tells what came of it."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.environment import ROOT, connections
from tests.flows.on_foot import forget_masks, walk

FLOW = "contacts_to_profiles"
SHIPPED = ROOT / "include" / "mappings" / f"{FLOW}.yaml"

#: Like the files in dags/, for the test's own folder. `dag.test()` would wait for retries (airflow.md §12).
DAG_FILE = '''"""Every airflow dag of the mappings of the test that is running."""
import os
from itertools import chain
from pathlib import Path

from campaign_sync.compare.flow import comparing_dags_in
from campaign_sync.consent.flow import opt_outs_dags_in
from campaign_sync.events.flow import event_dags_in
from campaign_sync.flow import dags_in

MAPPINGS = Path(os.environ["TEST_MAPPINGS"])
for dag in chain(dags_in(MAPPINGS), comparing_dags_in(MAPPINGS), event_dags_in(MAPPINGS), opt_outs_dags_in(MAPPINGS)):
    for task in dag.tasks:
        getattr(task, "partial_kwargs", {})["retries"] = 0
        if not hasattr(task, "partial_kwargs"):
            task.retries = 0
    globals()[dag.dag_id] = dag
'''


#: How an exception of ours ends a traceback.
ERROR = re.compile(r"^\S*(?:Error|Exception): .+(?:\n(?![0-9 ]).+)*", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What came of one run."""

    run_id: str
    state: str
    tasks: dict[str, str]  # "load[0]" -> state
    errors: str  # the texts of all exceptions that ended a task, one per line
    log: str  # everything that was logged, DEBUG included
    report: dict[str, Any] | None  # what reconcile returned
    folder: Path  # the run's folder in storage

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.state == "success"

    @property
    def tally(self) -> dict[str, int]:
        """The counts that are not zero; they must add up."""
        assert self.report is not None, f"no report; the run said:\n{self.errors or self.log[-3000:]}"
        counts = dict(self.report["tally"])
        assert counts["extracted"] == sum(counts.values()) - counts["extracted"], counts
        return {fate: count for fate, count in counts.items() if count}


@dataclass
class RealAirflow:
    """One test's Airflow."""

    home: Path
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    sandbox_env: dict[str, str]
    output: pytest.CaptureFixture[str]
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            self.monkeypatch.delenv(name, raising=False)
        self.monkeypatch.setattr(time, "sleep", _but_not_between_tasks(time.sleep))
        self.start_afresh()
        self.monkeypatch.setenv("TEST_MAPPINGS", str(self.mappings))
        # The package asks for this folder anew each time; Airflow itself has read the variable at its import.
        self.monkeypatch.setenv("AIRFLOW_HOME", str(self.folder))
        for name, value in connections(self.sandbox_env).items():
            self.monkeypatch.setenv(name, value)

    @property
    def mappings(self) -> Path:
        """The folder with the test's mapping files; at first, the shipped one alone."""
        return self.folder / "mappings"

    @property
    def storage(self) -> Path:
        """Where the runs keep their batches."""
        return self.folder / "campaign_sync" / "storage"

    @property
    def mapping(self) -> Path:
        """The mapping of the flow under test."""
        return self.mappings / f"{FLOW}.yaml"

    def start_afresh(self) -> None:
        """The shipped mapping alone; no storage, and no ledger but one that `use_ledger` has named."""
        for folder in (self.mappings, self.folder / "campaign_sync"):
            shutil.rmtree(folder, ignore_errors=True)
        self.mappings.mkdir()
        shutil.copy(SHIPPED, self.mappings)

    def edit(self, old: str, new: str) -> None:
        """Change the mapping file in one place; its examples, which would have to change with it, go."""
        text = self.mapping.read_text().partition("\nexamples:")[0] + "\n"
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the mapping"
        self.mapping.write_text(text.replace(old, new))

    def deletes(self, how: str) -> None:
        """What the mapping says of deletions: apply or ignore."""
        self.mapping.write_text(re.sub("deletes: .*", f"deletes: {how}", self.mapping.read_text()))

    def drop_checks(self) -> None:
        """Take the checks, most of a short run's time, out of the mapping. No implausible address may be there."""
        text = self.mapping.read_text().partition("\nexamples:")[0] + "\n"
        self.mapping.write_text(re.sub(r"^check:\n(?: .*\n)+", "", text, flags=re.MULTILINE))

    def connect(self, system: str, extra: dict[str, Any] | None = None, **changes: Any) -> None:
        """Change a connection: its login, password, host, or parts of its extra."""
        known = connections(self.sandbox_env)
        name = next(each for each in known if each.startswith(f"AIRFLOW_CONN_{system.upper()}"))
        whole = json.loads(known[name])
        whole |= changes
        whole["extra"] |= extra or {}
        self.monkeypatch.setenv(name, json.dumps(whole))

    def use_ledger(self, url: str) -> None:
        """Keep the ledger elsewhere than in Airflow's home."""
        self.monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER", url)

    def ledger(self) -> Any:
        """The ledger, through the package: for reading what it remembers."""
        from campaign_sync.ledger.ledger import Ledger

        url = os.environ.get("AIRFLOW_CONN_CAMPAIGN_SYNC_LEDGER")
        return Ledger(url or f"sqlite:///{self.folder / 'campaign_sync' / 'ledger.db'}")

    def place(self) -> Any:
        """Where the flow stands in the change feed: state and link."""
        found = self.ledger().place(FLOW)
        return found and (found.state, found.delta_link)

    def forget_place(self) -> None:
        """Lose the flow's place in the change feed, as a restored backup might."""
        with sqlite3.connect(self.folder / "campaign_sync" / "ledger.db") as database:
            (table,) = [
                name
                for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if "place" in name
            ]
            database.execute(f'DELETE FROM "{table}"')

    def dags(self) -> dict[str, Any]:
        """The DAGs of the mappings folder, as Airflow parses them."""
        from airflow.dag_processing.dagbag import BundleDagBag

        folder = self.home / "dags"
        bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
        assert not bag.import_errors, bag.import_errors
        return dict(bag.dags)

    def begin(self) -> None:
        """Bring the flow to where tests of later runs begin; without Airflow around it, which takes half the time."""
        report = walk(self.mapping, "begin")
        assert report["balanced"]

    def run(self, flow: str = FLOW, **conf: Any) -> Run:
        """Run a flow once, with what its form says."""
        dag = self.dags()[flow]
        self.output.readouterr()
        forget_masks()
        with _Listening() as heard:
            done = dag.test(run_conf=conf)
        printed = "".join(self.output.readouterr())  # what tasks log
        states = {_name(each): str(each.state) for each in done.get_task_instances()}
        folder = next(
            (each for each in (self.storage / flow).glob("*") if _stem(done.run_id) in each.name),
            self.storage,
        )
        report = folder / "report.json"
        run = Run(
            done.run_id, str(done.state.value), states, "\n".join(ERROR.findall(printed)), f"{heard.text}\n{printed}",
            json.loads(report.read_text()) if report.exists() else None, folder,
        )  # fmt: skip
        self.runs.append(run)
        return run

    def walk(self, **form: Any) -> Run:
        """The same without Airflow around it, which takes most of a short run's time: where Airflow plays no part."""
        from campaign_sync.errors import SyncError

        run_id, errors, report = f"walk {len(self.runs)}", "", None
        try:
            report = walk(self.mapping, run_id, run_type="manual" if form else "scheduled", **form)
        except SyncError as error:
            errors = f"{type(error).__name__}: {error}"
        run = Run(run_id, "failed" if errors else "success", {}, errors, "", report, self.storage)
        self.runs.append(run)
        return run

    def returned(self, run: Run, task: str) -> Any:
        """What a task of a run returned, out of Airflow's database."""
        with sqlite3.connect(self.home / "airflow.db") as database:
            wanted = "SELECT value FROM xcom WHERE run_id = ? AND task_id = ? AND key = 'return_value'"
            (value,) = database.execute(wanted, (run.run_id, task)).fetchone()
        found = json.loads(value)
        return json.loads(found) if isinstance(found, str) else found

    def metadata(self) -> str:
        """Everything that Airflow's metadata database holds about this test's runs, as text."""
        with sqlite3.connect(self.home / "airflow.db") as database:
            tables = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return "\n".join(
                str(row) for table in tables for row in database.execute(f'SELECT * FROM "{table}"')
            )


class _Listening(logging.Handler):
    """Hears every record that reaches the root logger, the package's DEBUG lines included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.lines: list[str] = []
        self.package = logging.getLogger("campaign_sync")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def __enter__(self) -> _Listening:
        logging.getLogger().addHandler(self)
        self.package.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)
        self.package.setLevel(logging.NOTSET)


def _but_not_between_tasks(sleep: Callable[[float], None]) -> Callable[[float], None]:
    """`dag.test()` waits a second for each generation of tasks that are skipped."""

    def quick(seconds: float) -> None:
        if sys._getframe(1).f_globals["__name__"] != "airflow.sdk.definitions.dag":
            sleep(seconds)

    return quick


def _name(instance: Any) -> str:
    return f"{instance.task_id}[{instance.map_index}]" if instance.map_index >= 0 else str(instance.task_id)


def _stem(run_id: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in run_id)
