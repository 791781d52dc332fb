"""A sandbox and a real Airflow in a state worth looking at: what `make up` starts, after a busy hour.

Not for looking at it (`person`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from local.__main__ import whereabouts
from local.airflow_api import AirflowApi
from local.environment import ROOT, login
from local.sandbox_api import SandboxApi
from local.stack import Stack, free_port

CONTACTS, STORES, VENDORS = "contacts_to_profiles", "accounts_to_stores", "vendors_to_vendors"
EVENTS, OPT_OUTS, BROKEN = "email_events_to_activities", "opt_outs", "broken_to_nothing"
PEOPLE = 40

#: How long a run may take on a very slow machine.
SECONDS = 240

#: Runs are started by hand here, so that nothing moves while somebody looks.
BY_HAND = "\nschedule: ~\n"

#: Of these contacts, the first is too long for Campaign, and a store waits for it; the second has no plausible address.
TOO_LONG, NO_ADDRESS = "10000000-0000-4000-8000-00000000000a", "20000000-0000-4000-8000-00000000000b"
STORE = "30000000-0000-4000-8000-00000000000c"


class World(NamedTuple):
    """What runs, and how to get in."""

    address: str
    printed: str  # by `make up`
    passwords: dict[str, str]
    airflow: AirflowApi
    sandbox: SandboxApi
    ledger: Path
    mappings: Path


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Everything, for as long as the block lasts."""
    mappings = _mappings(folder / "mappings")
    more = {
        "AIRFLOW__CAMPAIGN_SYNC__MAPPINGS": str(mappings),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
    }
    stack = Stack(folder, folder / "sandbox", more=more)
    try:
        sandbox = SandboxApi(stack.start_sandbox("--people", str(PEOPLE)))
        port = free_port()
        stack.start_airflow(port)
        airflow = AirflowApi(port, *login(stack.home))
        _play(airflow, sandbox)
        yield World(
            f"http://localhost:{port}",
            whereabouts(stack, port),
            json.loads((stack.home / "passwords.json").read_text()),
            airflow,
            sandbox,
            stack.home / "campaign_sync" / "ledger.db",
            mappings,
        )
    finally:
        stack.stop()


def _mappings(folder: Path) -> Path:
    """The shipped mappings and one of the examples; one of a strict guard, and one with a mistake."""
    folder.mkdir()
    shipped = ROOT / "include" / "mappings"
    for name in (CONTACTS, STORES, VENDORS):
        text = next(shipped.rglob(f"{name}.yaml")).read_text()
        (folder / f"{name}.yaml").write_text(text + BY_HAND)
    for name in (EVENTS, OPT_OUTS):
        (folder / f"{name}.yaml").write_text((shipped / f"{name}.yaml").read_text() + BY_HAND)
    with open(folder / f"{VENDORS}.yaml", "a") as vendors:
        vendors.write("guard: {deletes: 1}\n")
    (folder / f"{BROKEN}.yaml").write_text(
        "description: Somebody is not done yet.\nextract: {tabel: contact}\n"
    )
    return folder


def _play(airflow: AirflowApi, sandbox: SandboxApi) -> None:
    """A first load with rows that are rejected or wait, a second run with changes, one that asks and one that fails."""
    sandbox.mutate(
        "contact",
        create=[
            {"contactid": TOO_LONG, "firstname": "N" * 40, "emailaddress1": "nora@alder.example"},
            {"contactid": NO_ADDRESS, "firstname": "Ada", "emailaddress1": "nowhere"},
        ],
    )
    store = {"accountid": STORE, "name": "Alder & Co", "_primarycontactid_value": TOO_LONG}
    sandbox.mutate("account", create=[store])
    for flow in (CONTACTS, STORES, VENDORS, EVENTS, OPT_OUTS, BROKEN):
        airflow.wait_for_dag(flow)
    first = {flow: airflow.start(flow) for flow in (CONTACTS, VENDORS, EVENTS)}
    airflow.switch_all(on=True)  # only now: see there
    for flow, run_id in first.items():
        airflow.wait(flow, run_id, SECONDS, print)

    airflow.switch_all(on=False)
    people = [row["contactid"] for row in sandbox.rows("contact")]
    moved = [key for key in people if key not in (TOO_LONG, NO_ADDRESS)][:9]
    sandbox.mutate("contact", update=[{"id": key, "address1_city": "Møllehavn"} for key in moved])
    vendors = [row["new_vendorid"] for row in sandbox.rows("new_vendor") if row.get("new_active")]
    sandbox.mutate("new_vendor", delete=vendors[:3])
    second = {flow: airflow.start(flow) for flow in (CONTACTS, STORES)}
    asking = airflow.start(VENDORS)
    for flow in (CONTACTS, STORES, VENDORS, EVENTS, BROKEN):
        airflow.unpause(flow)
    for flow, run_id in second.items():
        airflow.wait(flow, run_id, SECONDS, print)
    airflow.wait_for_question(VENDORS, asking, SECONDS)
