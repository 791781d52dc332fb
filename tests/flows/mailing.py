"""What tests of events share: profiles of real contacts, logs, exports, activity tables, and what Dynamics then has."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.flows.events_on_foot import EventsOnFoot
from tests.flows.on_foot import Returned, Task, execute
from tests.flows.real_airflow import RealAirflow, Run
from tests.flows.systems import Systems
from tests.sandbox.sftp_session import names, upload

FLOW = "email_events_to_activities"
SHIPPED = Path("include/mappings") / f"{FLOW}.yaml"
EXPORTS, DONE, ASIDE = "d365_loads/exports", "d365_loads/done", "d365_loads/rejects"
WORKFLOWS = {"broadlog": "WKF102", "tracking": "WKF103"}
KINDS = ("send", "open", "click", "bounce")


class Mailing:
    """A delivery to the first contacts, the workflows that export its logs, and the tables for its events."""

    def __init__(self, airflow: RealAirflow, systems: Systems) -> None:
        self.airflow, self.systems = airflow, systems
        (airflow.mappings / SHIPPED.name).write_text(SHIPPED.read_text())
        self.contacts = sorted(systems.contacts())[:20]
        rows = [{"externalId": key, "email": f"{key}@alder.example"} for key in self.contacts]
        systems.control("POST", "/sandbox/campaign/seed", {"resource": "profile", "rows": rows})
        self.make_tables()
        for kind in WORKFLOWS:
            self.build(kind)

    @property
    def mapping(self) -> Path:
        """The mapping of the test."""
        return self.airflow.mappings / SHIPPED.name

    def edit(self, old: str, new: str) -> None:
        """Change the mapping in one place."""
        text = self.mapping.read_text()
        assert text.count(old) == 1, old
        self.mapping.write_text(text.replace(old, new))

    def drop_checks(self) -> None:
        """Take the checks, most of a short run's time, out of the mapping."""
        text = self.mapping.read_text()
        start, end = text.index("check:"), text.index("load:")
        self.mapping.write_text(text[:start] + text[end:])

    def make_tables(self) -> None:
        """Make the activity tables, as `setup dynamics --apply` does."""
        from campaign_sync.events.file import load_events
        from campaign_sync.events.tables import activity_tables
        from campaign_sync.hooks.dataverse import DataverseHook

        hook = DataverseHook()
        for missing in hook.missing_from(activity_tables(load_events(self.mapping))):
            hook.make(missing)
        self.systems.control("POST", "/sandbox/clock", {"advance": 10})  # new columns are unknown for seconds

    def build(self, kind: str, **extract: Any) -> None:
        """Build a workflow as it is documented, but for its Extract file; it has exported nothing so far."""
        declared = {
            "id": WORKFLOWS[kind],
            "kind": kind,
            "state": "started",
            "every_minutes": 0,
            "columns": "all",
        }
        self.systems.control(
            "POST", "/sandbox/campaign/exports", declared | {"extract": extract, "last_date": None}
        )

    def sent(self, *contacts: str, **more: Any) -> list[int]:
        """Rows of the delivery log, an hour old."""
        row = {
            "delivery": {"name": "DM412", "campaign": {"name": "2026SpringCruise"}},
            "status": "sent",
            **self._now(),
        }
        return self._logs("broadLogRcp", [row | {"profile": each} | more for each in contacts])

    def tracked(self, log: int, kind: str, **more: Any) -> int:
        """A row of the tracking log."""
        return self._logs(
            "trackingLogRcp", [{"broadLog": log, "urlType": kind, "logDate": self.hour_ago(), **more}]
        )[0]

    def change(self, log: int, **values: Any) -> None:
        """Change a row of the delivery log, as a bounce that is reported later does."""
        self._logs("broadLogRcp", [{"id": log, "eventDate": self.hour_ago(), **values}])

    def export(self, *kinds: str) -> list[str]:
        """Let the workflows write their files; the names."""
        self.systems.control("POST", "/sandbox/clock", {"advance": 1})
        written = []
        for kind in kinds or WORKFLOWS:
            asked = {"id": WORKFLOWS[kind], "wait": 60}
            run = self.systems.control("POST", "/sandbox/campaign/exports/run", asked)["runs"][-1]
            written.append(run["file"])
        return written

    def put(self, name: str, content: str | bytes, *, packed: bool = False) -> None:
        """A file of another origin in the folder of exports."""
        raw = content.encode() if isinstance(content, str) else content
        upload(self.systems.sandbox, f"/{EXPORTS}/{name}", gzip.compress(raw) if packed else raw)

    def files(self, folder: str = EXPORTS) -> list[str]:
        """What lies in a folder of the SFTP area."""
        return names(self.systems.sandbox, f"/{folder}")

    def run(self, **conf: Any) -> Run:
        """Run the flow once, with what its form says."""
        return self.airflow.run(FLOW, **conf)

    def walk(self) -> Run:
        """The same without Airflow around it, which takes most of a short run's time: where Airflow plays no part."""
        run_id = f"walk {len(self.airflow.runs)}"
        run = Run(run_id, "success", {}, "", "", walk(self, run_id), self.airflow.storage)
        self.airflow.runs.append(run)
        return run

    def activities(self) -> dict[str, list[dict[str, Any]]]:
        """The activities in Dynamics by kind."""
        found = {}
        for kind in KINDS:
            path = f"/sandbox/dataverse/rows?table=acs_email{kind}&limit=5000"
            found[kind] = list(self.systems.control("GET", path)["rows"])
        return found

    def counts(self) -> dict[str, int]:
        """How many activities there are of each kind, without the kinds that have none."""
        return {kind: len(rows) for kind, rows in self.activities().items() if rows}

    def writes(self) -> list[str]:
        """What has been written to Dynamics and Campaign since the last `forget`."""
        return [each for each in self.systems.writes() if " sftp " not in each]

    def hour_ago(self) -> str:
        """A time that is over, for both clocks."""
        now = datetime.fromisoformat(self.systems.control("GET", "/sandbox/clock")["now"])
        return f"{min(now, datetime.now(UTC)) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"

    def _now(self) -> dict[str, str]:
        return {"eventDate": self.hour_ago(), "contactDate": self.hour_ago()}

    def _logs(self, resource: str, rows: list[dict[str, Any]]) -> list[int]:
        found = self.systems.control("POST", "/sandbox/campaign/logs", {resource: rows})[resource]
        self.systems.control(
            "POST", "/sandbox/clock", {"advance": 600}
        )  # tracking is copied every ten minutes
        return list(found)


def walk(mailing: Mailing, run_id: str, *, goes_on: bool = False, task: Task | None = None) -> dict[str, Any]:
    """A run without Airflow around it, or, if it goes on, the tasks that are left of it; reconcile's report."""
    task = task or (Returned(FLOW, run_id) if goes_on else execute)
    return EventsOnFoot(mailing.mapping, run_id, task=task).walk()
