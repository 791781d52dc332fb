"""CreateMultiple, UpdateMultiple, UpsertMultiple, BulkDelete."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused

KIND = "Microsoft.Dynamics.CRM.contact"


def send(api: Api, message: str, *items: dict[str, Any], table: str = "contacts") -> Any:
    return api.post(f"{table}/Microsoft.Dynamics.CRM.{message}", {"Targets": list(items)})


def item(**values: Any) -> dict[str, Any]:
    return {"@odata.type": KIND, **values}


@pytest.mark.rule("dataverse.md 12.2/16")
def test_create_multiple_answers_ids_in_order(api: Api) -> None:
    answer = send(api, "CreateMultiple", *(item(lastname=f"L{n}") for n in range(20)))
    assert answer.status_code == 200
    assert answer.json()["@odata.context"] == f"{API}/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
    names = [api.get(f"contacts({row_id})").json()["lastname"] for row_id in answer.json()["Ids"]]
    assert names == [f"L{n}" for n in range(20)]


@pytest.mark.rule("dataverse.md 12.2/16")
def test_update_multiple_is_204(api: Api) -> None:
    answer = send(
        api, "UpdateMultiple", item(contactid=guid(1), jobtitle="a"), item(contactid=guid(2), jobtitle="b")
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.column("contacts?$select=jobtitle&$top=3", "jobtitle") == ["a", "b", None]


@pytest.mark.rule("dataverse.md 12.2/16")
def test_upsert_multiple_creates_and_updates(api: Api) -> None:
    api.control("change_table", table="contact", add_key={"name": "k", "columns": ["externaluseridentifier"]})
    first = {"@odata.id": "contacts(externaluseridentifier='E-1')", "lastname": "x"}
    second = {"@odata.id": f"contacts({guid(1)})", "lastname": "y"}
    assert send(api, "UpsertMultiple", item(**first), item(**second)).status_code == 204
    assert api.get("contacts(externaluseridentifier='E-1')").json()["lastname"] == "x"
    assert api.get(f"contacts({guid(1)})").json()["lastname"] == "y"


@pytest.mark.rule("dataverse.md 12.2/16")
@pytest.mark.parametrize(
    ("message", "bad", "status", "code"),
    [
        ("CreateMultiple", item(nosuch=1), 400, "0x80048d19"),
        ("CreateMultiple", item(contactid=guid(1)), 412, "0x80040237"),
        ("CreateMultiple", {"lastname": "no type"}, 400, "0x80048d19"),
        ("CreateMultiple", {"@odata.type": "#" + KIND, "lastname": "x"}, 400, "0x80048d19"),
        ("UpdateMultiple", item(contactid=guid(99), lastname="x"), 404, "0x80040217"),
        ("UpdateMultiple", item(lastname="x"), 400, "0x80040203"),
        ("UpsertMultiple", item(lastname="x"), 400, "0x80048d19"),
    ],
)
def test_one_bad_item_rolls_everything_back(
    api: Api, message: str, bad: dict[str, Any], status: int, code: str
) -> None:
    before = api.value("contacts?$select=lastname")
    good = {
        "CreateMultiple": item(lastname="good"),
        "UpdateMultiple": item(contactid=guid(1), lastname="good"),
        "UpsertMultiple": item(**{"@odata.id": f"contacts({guid(50)})", "lastname": "good"}),
    }[message]
    refused(send(api, message, good, bad), status, code)
    assert api.value("contacts?$select=lastname") == before


@pytest.mark.rule("dataverse.md 12.2/16")
def test_missing_rows_are_named_in_the_plural(api: Api) -> None:
    answer = send(api, "UpdateMultiple", item(contactid=guid(99)))
    assert f"contact With Ids = {guid(99)} Do Not Exist" in answer.json()["error"]["message"]


@pytest.mark.rule("dataverse.md 12.2/16")
def test_tables_without_bulk_messages_refuse_and_the_filters_agree(api: Api) -> None:
    refused(
        send(api, "CreateMultiple", {"@odata.type": "Microsoft.Dynamics.CRM.task"}, table="tasks"),
        400,
        "0x80040800",
    )
    condition = "sdkmessageid/name eq @m and primaryobjecttypecode eq @t"
    query = f"sdkmessagefilters?$select=sdkmessagefilterid&$filter={condition}"
    assert len(api.value(f"{query}&@m='CreateMultiple'&@t='contact'")) == 1
    assert api.value(f"{query}&@m='CreateMultiple'&@t='task'") == []


@pytest.mark.rule("dataverse.md 12.2/16")
def test_a_row_twice_is_a_switch(api: Api) -> None:
    twice = [item(contactid=guid(1), lastname="a"), item(contactid=guid(1), lastname="b")]
    refused(send(api, "UpdateMultiple", *twice), 400, "0x80040203")
    api.switch("bulk_duplicates", "accepted")
    assert send(api, "UpdateMultiple", *twice).status_code == 204
    assert api.get(f"contacts({guid(1)})").json()["lastname"] == "b"


@pytest.mark.rule("dataverse.md 12.2/16")
def test_a_body_may_be_too_large(api: Api) -> None:
    refused(api.post("contacts", b" " * 116_850_001), 413, "0x8004418a")


def test_delete_multiple_is_for_elastic_tables(api: Api) -> None:
    answer = send(api, "DeleteMultiple", item(contactid=guid(1)))
    assert "DeleteMultiple has not yet been implemented." in answer.json()["error"]["message"]


def test_bulk_delete_is_a_job_that_runs_later(api: Api) -> None:
    values = [{"Value": guid(1), "Type": "System.Guid"}, {"Value": guid(99), "Type": "System.Guid"}]
    condition = {"AttributeName": "contactid", "Operator": "In", "Values": values}
    query = {"EntityName": "contact", "Criteria": {"FilterOperator": "And", "Conditions": [condition]}}
    answer = api.post("BulkDelete", {"JobName": "x", "QuerySet": [query]})
    assert answer.json()["JobId"]
    assert api.get(f"contacts({guid(1)})").status_code == 200
    api.world.clock.advance(6)
    assert api.get(f"contacts({guid(1)})").status_code == 404
