"""Lookups that may name rows of several tables: a link is empty where the row named is not one of the parent's."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

STORES = """\
description: Accounts become stores.
extract: {table: account, deletes: apply}
map:
  sourceId: {from: accountid, key: true}
  name: name
load: {resource: cusStore}
"""
TASKS = """\
description: Tasks about accounts and contacts.
extract: {table: task, deletes: apply}
map:
  sourceId: {from: activityid, key: true}
  subject: subject
  storeId: {from: regardingobjectid, link: accounts_to_stores}
  contactId: {from: regardingobjectid, link: contacts_to_profiles}
load: {resource: cusTask}
"""


@pytest.fixture
def tasks(airflow: RealAirflow, systems: Systems) -> RealAirflow:
    """Tasks that name accounts and contacts through one lookup; all three flows at the start of their feed."""
    systems.control(
        "POST",
        "/sandbox/campaign/resources",
        {
            "resource": "cusStore",
            "fields": {"sourceId": {"length": 36, "mandatory": True}, "name": {}},
            "keys": {"sourceKey": {"fields": ["sourceId"]}},
        },
    )
    joins = {"cusStore": ("storeId", "sourceId"), "profile": ("contactId", "externalId")}
    systems.control(
        "POST",
        "/sandbox/campaign/resources",
        {
            "resource": "cusTask",
            "fields": {
                "sourceId": {"length": 36, "mandatory": True},
                "subject": {},
                "storeId": {"length": 36},
                "contactId": {"length": 36},
            },
            "keys": {"sourceKey": {"fields": ["sourceId"]}},
            "links": {
                f"{local}link": {
                    "target": target,
                    "joins": {local: remote},
                    "cardinality": "0..1",
                    "on_delete": "nothing",
                }
                for target, (local, remote) in joins.items()
            },
        },
    )
    systems.control("PUT", "/sandbox/dataverse/table", {"table": "task", "change_tracking": True})
    (airflow.mappings / "accounts_to_stores.yaml").write_text(STORES)
    (airflow.mappings / "tasks_to_tasks.yaml").write_text(TASKS)
    airflow.begin()
    run(airflow, "accounts_to_stores")
    return airflow


def run(airflow: RealAirflow, flow: str) -> dict[str, Any]:
    """Run a flow; its counts that are not zero."""
    report = walk(airflow.mappings / f"{flow}.yaml", uuid.uuid4().hex)
    return {fate: count for fate, count in report["tally"].items() if count}


def regarding(systems: Systems, table: str, key: str) -> str:
    """A task about a row of a table."""
    task, note = str(uuid.uuid4()), "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    row = {"activityid": task, "subject": "Call", "_regardingobjectid_value": key, note: table}
    systems.control("POST", "/sandbox/dataverse/mutate", {"table": "task", "create": [row]})
    return task


def records(systems: Systems) -> dict[str, tuple[str, str]]:
    """What the tasks in Campaign name: a store and a contact."""
    rows = systems.control("GET", "/sandbox/campaign/rows?resource=cusTask&limit=5000")["rows"]
    return {row["sourceId"]: (row["storeId"], row["contactId"]) for row in rows}


def accounts(systems: Systems) -> list[str]:
    rows = systems.control("GET", "/sandbox/dataverse/rows?table=account&limit=100")["rows"]
    return [row["accountid"] for row in rows]


def test_each_link_takes_the_rows_of_its_own_table(tasks: RealAirflow, systems: Systems) -> None:
    store, contact = accounts(systems)[0], sorted(systems.profiles())[0]
    about_store, about_contact = (
        regarding(systems, "account", store),
        regarding(systems, "contact", contact),
    )
    assert run(tasks, "tasks_to_tasks") == {"extracted": 2, "created": 2}
    assert records(systems) == {about_store: (store, ""), about_contact: ("", contact)}


def test_a_row_of_the_parents_table_that_has_not_arrived_is_waited_for_and_another_tables_is_not(
    tasks: RealAirflow, systems: Systems
) -> None:
    regarding(systems, "contact", sorted(systems.profiles())[0])
    run(tasks, "tasks_to_tasks")
    late = systems.add(firstname="Late", emailaddress1="late@alder.example")
    task = regarding(systems, "contact", late)
    assert run(tasks, "tasks_to_tasks") == {"extracted": 1, "parked": 1}
    parked = tasks.ledger().parked("tasks_to_tasks")
    assert parked.loc[task, ["waits_for", "waits_key"]].tolist() == ["contacts_to_profiles", late]
    run(tasks, "contacts_to_profiles")
    assert run(tasks, "tasks_to_tasks") == {"extracted": 1, "created": 1}
    assert records(systems)[task] == ("", late)


def test_only_a_mapping_with_links_asks_whose_rows_its_lookups_name(
    tasks: RealAirflow, systems: Systems
) -> None:
    systems.forget()
    run(tasks, "accounts_to_stores")
    run(tasks, "contacts_to_profiles")
    assert not [each for each in systems.journal() if "LookupAttributeMetadata" in each["path"]]
    run(tasks, "tasks_to_tasks")
    asked = [each["path"] for each in systems.journal() if "LookupAttributeMetadata" in each["path"]]
    assert len(asked) == 1


def test_what_the_ledger_knows_as_a_parent_is_not_asked_for(tasks: RealAirflow, systems: Systems) -> None:
    contact = sorted(systems.profiles())[0]
    regarding(systems, "contact", contact)
    run(tasks, "tasks_to_tasks")
    (tasks.mappings / "tasks_to_tasks.yaml").write_text(TASKS.replace("  storeId: {from", "  #: {from"))
    regarding(systems, "contact", contact)
    systems.forget()
    run(tasks, "tasks_to_tasks")
    read = [each["path"] for each in systems.journal() if each["system"] == "dataverse"]
    assert not [path for path in read if path.rstrip("/").endswith("/contacts")], read
