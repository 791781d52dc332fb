"""P6: what is logged, remembered, reported and shown holds keys, never a person's data and never a secret."""

from __future__ import annotations

import sqlite3

import pytest

from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

MARKER = "Quillfeather"


def plant(systems: Systems) -> dict[str, str]:
    """Contacts whose every value is a marker, good and bad ones; their ids by what is the matter with them."""
    person = {
        "firstname": MARKER,
        "lastname": f"{MARKER}-Ness",
        "address1_city": f"{MARKER}ham",
        "address1_line1": f"1 {MARKER} Lane",
    }
    return {
        "good": systems.add(**person, emailaddress1=f"a@{MARKER}.example"),
        "doubled": systems.add(**person, emailaddress1=f"a@{MARKER}.example"),
        "too long": systems.add(**{**person, "firstname": MARKER * 4}, emailaddress1=f"b@{MARKER}.example"),
        "no address": systems.add(**person, emailaddress1=f"{MARKER} at example"),
        "no country": systems.add(**person, emailaddress1=f"c@{MARKER}.example", address1_country=MARKER),
        "dropped": systems.add(**person),
    }


def told(airflow: RealAirflow) -> dict[str, str]:
    """Everything that a run leaves behind for people and programs, lower-cased: all but the batches themselves."""
    places = {f"log of {run.run_id}": run.log for run in airflow.runs}
    places["Airflow's database"] = airflow.metadata()
    with sqlite3.connect(airflow.folder / "campaign_sync" / "ledger.db") as database:
        places["ledger"] = "\n".join(database.iterdump())
    for file in airflow.storage.rglob("*"):
        if file.is_file() and file.suffix != ".parquet":
            places[f"{file.parent.name}/{file.name}"] = file.read_text()
    return {place: text.lower() for place, text in places.items()}


def leaks(airflow: RealAirflow, *words: str) -> dict[str, str]:
    """Where one of the words stands, with what is around it."""
    found = {}
    for place, text in told(airflow).items():
        for word in words:
            at = text.find(word.lower())
            if at >= 0:
                found[place] = text[max(0, at - 200) : at + 100]
    return found


def test_a_person_is_nowhere_but_in_the_batches(airflow: RealAirflow, systems: Systems) -> None:
    people = plant(systems)
    systems.control(
        "POST",
        "/sandbox/campaign/resources",
        {"resource": "profile", "keys": {"email": {"fields": ["email"]}}},
    )
    run = airflow.run()
    assert run.ok, run.errors
    assert run.tally["rejected"] >= 4, "the bad ones were to be rejected"
    assert people["too long"] in run.log, "a key may be told"
    assert any(place.endswith(".html") for place in told(airflow))
    assert not leaks(airflow, MARKER)


@pytest.mark.parametrize("status", [400, 403, 404, 500], ids=str)
def test_a_refusal_that_quotes_a_person_is_not_repeated(
    airflow: RealAirflow, systems: Systems, no_waiting: None, status: int
) -> None:
    plant(systems)
    body = {
        "error_code": status,
        "message": f"RST-360011 Unable to do it with '{MARKER}' (a@{MARKER}.example)",
    }
    systems.fault(
        system="campaign", method="POST", path="/profile", times=None, do="status", status=status, body=body
    )
    airflow.run()
    assert not leaks(airflow, MARKER)


def test_a_failed_run_tells_no_secret(airflow: RealAirflow, systems: Systems, no_waiting: None) -> None:
    plant(systems)
    systems.fault(system="campaign", method="POST", path="/profile", after=3, times=None, do="reset_before")
    run = airflow.run()
    assert not run.ok
    env = airflow.sandbox_env
    assert not leaks(
        airflow, MARKER, env["DATAVERSE_CLIENT_SECRET"], env["CAMPAIGN_CLIENT_SECRET"], "bearer ey"
    )


def test_batches_are_readable_by_their_owner_only(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    systems.fault(system="campaign", method="POST", path="/profile", times=None, do="status", status=503)
    run = airflow.run()
    files = list(run.folder.iterdir())
    assert any(file.suffix == ".parquet" for file in files), "a failed run keeps its rows for a second try"
    assert {oct(file.stat().st_mode & 0o077) for file in (run.folder, *files)} == {"0o0"}
