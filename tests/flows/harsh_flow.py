"""The shipped flow made harsh: what is inactive or without an address is deleted, and the guard looks at shares alone.

Shares alone are what the limits that hold unless a mapping says otherwise come to from 10,000 records on.
"""

from __future__ import annotations

from local.expected import differences
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

ACTIVE = "    - {name: active, column: statecode, equals: 0}\n"
FILTER = "column: emailaddress1, present: true}\n"
LIMITS = "\nguard: {deletes: 5%, blanks: 20%}\n\nreconcile:"


def make_harsh(airflow: RealAirflow) -> None:
    """Give the shipped mapping the words."""
    airflow.edit(FILTER, f"{FILTER}{ACTIVE}  filtered_out: delete\n")
    airflow.edit("\nreconcile:", LIMITS)


def out_of_step(systems: Systems) -> set[str]:
    """Keys that differ, computed without the package; inactive contacts are no profiles here."""
    active = [row for row in systems.contacts().values() if row["statecode"] == 0]
    return differences(active, list(systems.profiles().values()))
