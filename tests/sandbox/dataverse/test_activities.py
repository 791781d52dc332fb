"""dataverse.md §9.2, §10.2, §10.3: custom activities on a contact's timeline, and tasks that follow them up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused
from tests.sandbox.dataverse.test_batch import batch, changes, part, statuses
from tests.sandbox.dataverse.test_metadata import CRM, label, touch_table

EVENT = guid(70)
CLICK: dict[str, Any] = {
    "subject": "Campaign Name: C7; Delivery Name: DM412", "mkt_campaignname": "C7",
    "mkt_clickedon": "2026-04-12T08:00:01Z", "mkt_url": "https://alder.example/;\"" + "x" * 1900,
    "actualstart": "2026-04-12T08:00:01Z", "actualend": "2026-04-12T08:00:01Z",
    "regardingobjectid_contact_mkt_touch@odata.bind": f"/contacts({guid(1)})",
}  # fmt: skip


def column(kind: str, schema: str, **more: Any) -> dict[str, Any]:
    type_ = f"{CRM}.{kind}AttributeMetadata"
    return {"@odata.type": type_, "SchemaName": schema, "DisplayName": label(schema), **more}


@pytest.fixture
def touches(api: Api) -> Api:
    """An environment in which the activity table of clicks was provisioned."""
    provision(api)
    return api


def provision(api: Api) -> None:
    assert api.post("EntityDefinitions", touch_table()).status_code == 204
    for wanted in (
        column("String", "mkt_CampaignName", MaxLength=64),
        column("Memo", "mkt_Url", MaxLength=10_000),
        column("DateTime", "mkt_ClickedOn", Format="DateAndTime"),
    ):
        answer = api.post("EntityDefinitions(LogicalName='mkt_touch')/Attributes", wanted)
        assert answer.status_code == 204, answer.text
    xml = "<importexportxml><entities><entity>mkt_touch</entity></entities></importexportxml>"
    assert api.post("PublishXml", {"ParameterXml": xml}).status_code == 204
    api.world.clock.advance(10)  # §9.3: new columns are unknown for some seconds


@pytest.mark.rule("dataverse.md 12.2/19")
def test_an_activity_carries_its_own_columns_and_is_completed_with_times(touches: Api) -> None:
    address = f"mkt_touches({EVENT})"
    assert touches.patch(address, CLICK, If_None_Match="*").status_code == 204
    row = touches.get(address).json()
    assert {name: row[name] for name in CLICK if "@" not in name} == {
        n: v for n, v in CLICK.items() if "@" not in n
    }
    assert (row["_regardingobjectid_value"], row["statecode"]) == (guid(1), 0)
    assert row["_ownerid_value"] == touches.get("WhoAmI").json()["UserId"]
    assert touches.patch(address, {"statecode": 1, "statuscode": 2}, If_Match="*").status_code == 204
    assert (touches.get(address).json()["statecode"], touches.get(address).json()["statuscode"]) == (1, 2)
    pointer = touches.value(f"activitypointers?$filter=_regardingobjectid_value eq {guid(1)}")
    assert [(row["activitytypecode"], row["statecode"]) for row in pointer] == [("mkt_touch", 1)]


@pytest.mark.rule("dataverse.md 12.2/14")
@pytest.mark.parametrize(("choice", "state"), [("ignored", 0), ("stored", 1)])
def test_whether_an_activity_can_be_created_as_completed_is_a_switch(
    api: Api, choice: str, state: int
) -> None:
    api.switch("activity_state_on_create", choice)
    provision(api)
    assert api.post("mkt_touches", {**CLICK, "activityid": EVENT, "statecode": 1}).status_code == 204
    assert api.column("mkt_touches?$select=statecode", "statecode") == [state]
    definition = api.get(
        "EntityDefinitions(LogicalName='mkt_touch')/Attributes(LogicalName='statecode')"
    ).json()
    assert definition["IsValidForCreate"] is (choice == "stored")


@pytest.mark.rule("dataverse.md 12.2/12")
def test_an_event_posted_twice_under_its_own_id_is_refused(touches: Api) -> None:
    body = {**CLICK, "activityid": EVENT}
    assert touches.post("mkt_touches", body).status_code == 204
    refused(touches.post("mkt_touches", body), 412, "0x80040237")
    refused(touches.patch(f"mkt_touches({EVENT})", CLICK, If_None_Match="*"), 412, "0x80040237")
    assert len(touches.value("mkt_touches?$select=subject")) == 1


@pytest.mark.rule("dataverse.md 12.2/15")
def test_an_event_of_a_contact_that_is_not_there_is_refused(touches: Api) -> None:
    body = {**CLICK, "regardingobjectid_contact_mkt_touch@odata.bind": f"/contacts({guid(99)})"}
    refused(touches.post("mkt_touches", body), 404, "0x80040217", guid(99))


@pytest.mark.rule("dataverse.md 12.2/14")
def test_an_address_longer_than_its_column_is_refused(touches: Api) -> None:
    refused(touches.post("mkt_touches", {**CLICK, "mkt_url": "x" * 10_001}), 400, "0x80044331", "mkt_url")


@pytest.mark.rule("dataverse.md 12.2/17")
def test_activities_go_in_batches(touches: Api) -> None:
    url = f"{API}/mkt_touches"
    done = batch(
        touches,
        part("POST", url, {**CLICK, "activityid": guid(71)}),
        part("POST", url, {**CLICK, "activityid": guid(71)}),
        part("POST", url, {**CLICK, "activityid": guid(72)}),
        Prefer="odata.continue-on-error",
    )
    assert statuses(done) == [204, 412, 204]
    both = changes(
        part("POST", url, {**CLICK, "activityid": guid(73)}, 1), part("POST", url, {"mkt_no": 1}, 2)
    )
    assert statuses(batch(touches, both)) == [400]
    assert touches.column("mkt_touches?$select=subject&$orderby=activityid", "activityid") == [
        guid(71),
        guid(72),
    ]


@pytest.mark.rule("dataverse.md 12.2/16")
def test_bulk_messages_on_custom_activities_are_a_switch(api: Api) -> None:
    item = {**CLICK, "@odata.type": f"{CRM}.mkt_touch", "activityid": EVENT}
    query = "sdkmessagefilters?$filter=sdkmessageid/name eq 'CreateMultiple' and primaryobjecttypecode eq 'mkt_touch'"
    api.switch("custom_activity_bulk", True)
    provision(api)
    answer = api.post(f"mkt_touches/{CRM}.CreateMultiple", {"Targets": [item]})
    assert (answer.status_code, answer.json()["Ids"], len(api.value(query))) == (200, [EVENT], 1)
    refused(api.post(f"mkt_touches/{CRM}.CreateMultiple", {"Targets": [item]}), 412, "0x80040237")
    api.switch("custom_activity_bulk", False)
    refused(api.post(f"mkt_touches/{CRM}.CreateMultiple", {"Targets": [item]}), 400, "0x80040800")


@pytest.mark.rule("dataverse.md 12.2/16")
def test_without_the_switch_custom_activities_have_no_bulk_messages(touches: Api) -> None:
    item = {**CLICK, "@odata.type": f"{CRM}.mkt_touch"}
    query = "sdkmessagefilters?$filter=sdkmessageid/name eq 'CreateMultiple' and primaryobjecttypecode eq 'mkt_touch'"
    refused(touches.post(f"mkt_touches/{CRM}.CreateMultiple", {"Targets": [item]}), 400, "0x80040800")
    assert touches.value(query) == []


@pytest.mark.rule("dataverse.md 12.2/21")
def test_activities_and_tasks_go_with_their_contact(touches: Api) -> None:
    owner = touches.get("WhoAmI").json()["UserId"]
    task = {
        "activityid": guid(80), "subject": "Follow up a click", "scheduledend": "2026-04-15T15:00:00Z",
        "regardingobjectid_contact_task@odata.bind": f"/contacts({guid(1)})",
        "ownerid@odata.bind": f"/systemusers({owner})",
    }  # fmt: skip
    assert touches.post("tasks", task).status_code == 204
    assert touches.post("mkt_touches", CLICK).status_code == 204
    mine = f"_regardingobjectid_value eq {guid(1)} and statecode eq 0 and subject eq 'Follow up a click'"
    (found,) = touches.value(f"tasks?$select=scheduledend,_ownerid_value&$filter={mine}")
    assert (found["scheduledend"], found["_ownerid_value"]) == ("2026-04-15T15:00:00Z", owner)
    assert touches.delete(f"contacts({guid(1)})").status_code == 204
    assert touches.value("activitypointers?$select=subject") == []
