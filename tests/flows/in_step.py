"""A flow that is in step, the levers of those who break it, and the list of what they do.

Not for the scripts themselves (``disasters.py``, ``refusals.py``), nor for judging what comes of them
(``test_disasters.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.environment import connections
from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems
from tests.sandbox_process import Sandbox

#: The columns whose values are put back when a mishap is undone.
COLUMNS = (
    "emailaddress1", "salutation", "firstname", "middlename", "lastname", "birthdate", "gendercode", "telephone1",
    "mobilephone", "address1_line1", "address1_line2", "address1_postalcode", "address1_city",
    "address1_stateorprovince", "address1_country", "familystatuscode", "statecode", "statuscode",
)  # fmt: skip
PRIVILEGES = "/sandbox/dataverse/privileges"

Script = Callable[["InStep"], dict[str, Any] | None]


class Disaster(NamedTuple):
    """A script, and what is to stop the run after it: words of the guard, or the text of an error."""

    script: Script
    asks: tuple[str, ...] = ()
    refuses: str = ""


@dataclass
class InStep:
    """A flow that is in step, and the levers of those who break it. What is done here can be undone."""

    airflow: RealAirflow
    systems: Systems
    elsewhere: Sandbox  # another Dynamics environment, with other people
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)  # the contacts that are profiles
    mapping: str = ""
    runs: int = 0

    def __post_init__(self) -> None:
        self.walk()
        self.contacts, self.people = self.systems.contacts(), sorted(self.systems.profiles())
        self.mapping = self.airflow.mapping.read_text()

    def walk(self, **how: Any) -> dict[str, Any]:
        """One run, step after step in this process."""
        self.runs += 1
        return walk(self.airflow.mapping, f"run-{self.runs}", **how)

    def link(self) -> str | None:
        """The flow's place in the change feed."""
        place = self.airflow.place()
        return place[1] if place else None

    def edit(self, old: str, new: str) -> None:
        """Somebody edits the mapping."""
        self.airflow.edit(old, new)

    def some(self, share: float) -> list[str]:
        """So many of the people."""
        return self.people[: round(share * len(self.people))]

    def write(self, keys: list[str], **values: Any) -> None:
        """A script in Dynamics gives all these contacts the same values."""
        self.systems.change(*({"id": key, **values} for key in keys))

    def touch(self) -> None:
        """A nightly script in Dynamics saves every contact as it is."""
        self.systems.mutate(touch=sorted(self.systems.contacts()))

    def expire(self) -> None:
        """The flow stood still for longer than Dataverse keeps changes."""
        self.systems.control("POST", "/sandbox/dataverse/delta_tokens/expire", {})

    def answer(self, path: str, body: Any, **fault: Any) -> None:
        """Dynamics answers reads of contacts with this, until the mishap is over."""
        self.systems.fault(
            system="dataverse", method="GET", path=path, times=None,
            **{"do": "status", "status": 200, "body": body} | fault,
        )  # fmt: skip

    def seen(self) -> dict[str, Any]:
        """All contacts as Dynamics answers our read of them."""
        sandbox = self.systems.sandbox
        answer = sandbox.http.get(
            f"{sandbox.env['DATAVERSE_URL']}/api/data/v9.2/contacts",
            headers={
                "Authorization": f"Bearer {sandbox.dataverse_token()}",
                "Prefer": "odata.maxpagesize=5000",
            },
            timeout=60,
        )
        page: dict[str, Any] = answer.json()
        assert len(page["value"]) == len(self.contacts)
        return page

    def connect_elsewhere(self) -> None:
        """The connection is pointed to another environment."""
        name = "AIRFLOW_CONN_DATAVERSE_DEFAULT"
        self.airflow.monkeypatch.setenv(name, connections(self.elsewhere.env)[name])

    def again(self, key: str, columns: Iterable[str] = COLUMNS) -> dict[str, Any]:
        """A contact as it was, or a part of it, for creating it again."""
        row = self.contacts[key]
        return {
            "contactid": key,
            "overriddencreatedon": row["createdon"],
            **{name: row[name] for name in columns},
        }

    def undo(self) -> None:
        """Mapping, connection, rights and every contact as they were; only that time has passed is left."""
        self.airflow.mapping.write_text(self.mapping)
        self.airflow.connect("dataverse")
        self.systems.heal()
        self.systems.control("PUT", PRIVILEGES, {"reset": True})
        now = self.systems.contacts()
        was = {key: {name: row[name] for name in COLUMNS} for key, row in self.contacts.items()}
        self.systems.mutate(
            create=[self.again(key) for key in was.keys() - now.keys()],
            update=[
                {"id": key, **was[key]}
                for key in was.keys() & now.keys()
                if any(now[key][name] != value for name, value in was[key].items())
            ],
            delete=sorted(now.keys() - was.keys()),
        )
