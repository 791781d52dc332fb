"""What tests of opt-outs share: profiles of real contacts, what both sides say about them, exports, runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.flows.on_foot import Task, as_dict, execute, forget_masks
from tests.flows.real_airflow import RealAirflow, Run
from tests.flows.systems import Systems
from tests.sandbox.sftp_session import names, upload

FLOW = "opt_outs"
MAPPING = """\
direction: both
description: What people object to.
watch: "off"
extract:
  table: contact
  expected_every: ~
pairs:
  denyListEmail: {column: donotbulkemail, no_is: true}
  denyListPhone: {column: donotphone, no_is: true}
load: {resource: profile}
guard: {opt_outs: 1000, opt_ins: 1000}
"""
EXPORTS, DONE, ASIDE = "d365_loads/exports", "d365_loads/done", "d365_loads/rejects"
WORKFLOW = "WKF101"
#: More than the two minutes by which our own write is told from a person's.
A_WHILE = 150
EMAIL, PHONE = "donotbulkemail", "donotphone"
HERE = {EMAIL: "blackListEmail", PHONE: "blackListPhone"}


class Objecting:
    """Contacts and their profiles, of which nobody objects to anything yet."""

    def __init__(
        self, airflow: RealAirflow, systems: Systems, mapping: str = MAPPING, people: int = 10
    ) -> None:
        self.airflow, self.systems = airflow, systems
        for file in airflow.mappings.iterdir():
            file.unlink()
        self.mapping.write_text(mapping)
        self.everybody = sorted(systems.contacts())
        self.people = self.everybody[:people]
        self.dynamics(
            **{EMAIL: dict.fromkeys(self.everybody, False), PHONE: dict.fromkeys(self.everybody, False)}
        )
        self.make_profiles(*self.people)
        declared = {"id": WORKFLOW, "kind": "optout", "state": "started", "every_minutes": 0}
        systems.control("POST", "/sandbox/campaign/exports", declared)

    @property
    def mapping(self) -> Path:
        """The mapping of the test."""
        return self.airflow.mappings / f"{FLOW}.yaml"

    def edit(self, old: str, new: str) -> None:
        """Change the mapping in one place."""
        text = self.mapping.read_text()
        assert text.count(old) == 1, old
        self.mapping.write_text(text.replace(old, new))

    def make_profiles(self, *keys: str, **more: Any) -> None:
        """Profiles of these contacts."""
        rows = [{"externalId": key, "email": f"{key}@alder.example", **more} for key in keys]
        self.systems.control("POST", "/sandbox/campaign/seed", {"resource": "profile", "rows": rows})

    def later(self, seconds: int = A_WHILE) -> None:
        """Let time pass in both systems."""
        self.systems.control("POST", "/sandbox/clock", {"advance": seconds})

    def dynamics(self, **said: dict[str, bool]) -> None:
        """What people say in Dynamics, by column and contact."""
        changes: dict[str, dict[str, Any]] = {}
        for column, values in said.items():
            for key, no in values.items():
                changes.setdefault(key, {"id": key})[column] = no
        self.systems.change(*changes.values())

    def campaign(self, key: str, **said: bool) -> None:
        """What a person says in Campaign, as its API is told: each attribute gets its time."""
        from campaign_sync.hooks.campaign import CampaignHook
        from campaign_sync.writes import Write

        hook = CampaignHook()
        values = {HERE[column]: no for column, no in said.items()}
        (outcome,) = hook.write(hook.resource("profile"), "externalId", [Write("amend", key, values)])
        assert outcome.result == "updated", outcome

    def export(self) -> str:
        """Let the workflow write its file; its name."""
        self.later(1)
        asked = {"id": WORKFLOW, "wait": 60}
        return str(self.systems.control("POST", "/sandbox/campaign/exports/run", asked)["runs"][-1]["file"])

    def put(self, name: str, content: str) -> None:
        """A file of another origin in the folder of exports."""
        upload(self.systems.sandbox, f"/{EXPORTS}/{name}", content.encode())

    def files(self, folder: str = EXPORTS) -> list[str]:
        """What lies in a folder of the SFTP area."""
        return names(self.systems.sandbox, f"/{folder}")

    def run(self, **form: Any) -> Run:
        """Run the flow once, in Airflow."""
        return self.airflow.run(FLOW, **form)

    def walk(self, run_id: str, **more: Any) -> dict[str, Any]:
        """Run the flow once, without Airflow around it."""
        return walk(self.mapping, run_id, **more)

    def said(self, column: str = EMAIL) -> dict[str, tuple[bool, bool | None]]:
        """What Dynamics and Campaign say now, by contact; None where there is no profile."""
        return self.all_said(column)[column]

    def all_said(self, *columns: str) -> dict[str, dict[str, tuple[bool, bool | None]]]:
        """The same of several columns."""
        contacts, profiles = self.systems.contacts(), self.systems.profiles()
        return {
            column: {
                key: (bool(row[column]), bool(profiles[key][HERE[column]]) if key in profiles else None)
                for key, row in contacts.items()
            }
            for column in columns
        }

    def delete_profile(self, key: str) -> None:
        """What somebody does in Campaign's own screens."""
        from campaign_sync.hooks.campaign import CampaignHook
        from campaign_sync.writes import Write

        hook = CampaignHook()
        (outcome,) = hook.write(hook.resource("profile"), "externalId", [Write("delete", key, {})])
        assert outcome.result == "deleted", outcome

    def writes(self) -> list[str]:
        """What has been written to Dynamics and Campaign since the last `forget`."""
        return [each for each in self.systems.writes() if " sftp " not in each]

    def noes(self, column: str = EMAIL) -> dict[str, tuple[bool, bool | None]]:
        """The same, of those about whom a side says no."""
        return {key: said for key, said in self.said(column).items() if any(said)}


class OnFoot:
    """One run of the flow, step by step in this process."""

    def __init__(
        self,
        mapping_file: Path,
        run_id: str,
        run_type: str = "scheduled",
        interval: Any = None,
        *,
        task: Task | None = None,
        **form: Any,
    ):
        import logging
        from types import SimpleNamespace

        from campaign_sync.consent.file import load_opt_outs

        forget_masks()
        self._task = task or execute
        self.mapping, self.log = load_opt_outs(mapping_file), logging.getLogger("on_foot")
        start, end = interval or (None, None)
        self.context: Any = {
            "run_id": run_id,
            "params": form,
            "dag": SimpleNamespace(dag_id=self.mapping.name),
            "dag_run": SimpleNamespace(run_type=run_type, data_interval_start=start, data_interval_end=end),
        }
        self.batches: list[dict[str, Any]] = []
        self.guarded: list[dict[str, Any]] = []
        self.loaded: list[dict[str, Any] | None] = []

    def read(self) -> None:
        """Extract, and every step of each batch up to the guard."""
        from campaign_sync.consent.run import extract_opt_outs, step_opt_outs
        from campaign_sync.rows.steps import STEPS

        def extract() -> Any:
            return [each.as_dict() for each in extract_opt_outs(self.mapping, self.context, self.log)]

        self.batches = self._task("extract", extract)
        self.guarded = []
        for batch in self.batches:
            for step in STEPS:
                name = f"{step}{batch['number']}"
                batch = self._task(name, as_dict(step_opt_outs, batch, step, self.log))
            self.guarded.append(batch)

    def guard(self, answer: bool | None = None) -> Any:
        """Have the run guarded; what was asked, after this answer."""
        from campaign_sync.consent.guard import guard_opt_outs
        from campaign_sync.run.guard import guard_answered

        if not self.guarded:
            return None
        guarded = self.guarded
        self.guarded, question = self._task("guard", lambda: guard_opt_outs(guarded, self.context, self.log))
        if question is not None:
            self.guarded = guard_answered(answer, self.context, self.log)
        return question

    def load(self, between: Callable[[], None] = lambda: None) -> None:
        """Tell all batches; `between` is called before each."""
        from campaign_sync.consent.load import load_opt_outs

        self.loaded = []
        for batch in self.guarded:
            between()
            name = f"load{batch['number']}"
            self.loaded.append(self._task(name, as_dict(load_opt_outs, batch, self.log)))

    def reconcile(self) -> dict[str, Any]:
        """End the run; its report."""
        from campaign_sync.consent.reconcile import reconcile_opt_outs

        return reconcile_opt_outs(self.batches, self.loaded, self.context, self.log)


def walk(
    mapping_file: Path, run_id: str, run_type: str = "scheduled", interval: Any = None, **form: Any
) -> dict[str, Any]:
    """All steps of one run; reconcile's report."""
    run = OnFoot(mapping_file, run_id, run_type, interval, **form)
    run.read()
    run.guard()
    run.load()
    return run.reconcile()


def exported(*rows: dict[str, str]) -> str:
    """The content of an export file with these rows, in the columns that they have."""
    names = [*dict.fromkeys(name for row in rows for name in row)]
    lines = [";".join(names), *(";".join(row.get(name, "") for name in names) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


def row(key: str, email: str = "0", at: str = "", modified: str = "", phone: str = "0") -> dict[str, str]:
    """A row of an export file: a contact, its flags, and the times of the first one and of the profile."""
    return {
        "externalId": key, "blackListEmail": email, "blackListPhone": phone, "blackListEmailLastModified": at,
        "lastModified": modified or at,
    }  # fmt: skip


def refuse_in_dynamics(patch: pytest.MonkeyPatch, *keys: str) -> None:
    """Have Dynamics refuse to change these contacts."""
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.dataverse_updates import Updated

    write = DataverseHook.write_updates

    def refusing(hook: Any, updates: Any) -> Any:
        yield from write(hook, [each for each in updates if each.key not in keys])
        yield [Updated(each.key, "rejected", "refused") for each in updates if each.key in keys]

    patch.setattr(DataverseHook, "write_updates", refusing)
