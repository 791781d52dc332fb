"""Reading and writing definitions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused

CONTACT = "EntityDefinitions(LogicalName='contact')"
CRM = "Microsoft.Dynamics.CRM"


def label(text: str) -> dict[str, Any]:
    return {"@odata.type": f"{CRM}.Label", "LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


@pytest.mark.rule("dataverse.md 12.2/19")
@pytest.mark.parametrize(
    ("table", "set_name", "key", "name", "activity", "tracking"),
    [
        ("contact", "contacts", "contactid", "fullname", False, True),
        ("account", "accounts", "accountid", "name", False, True),
        ("task", "tasks", "activityid", "subject", True, False),
        ("systemuser", "systemusers", "systemuserid", "fullname", False, False),
    ],
)
def test_the_stock_tables_are_described(
    api: Api, table: str, set_name: str, key: str, name: str, activity: bool, tracking: bool
) -> None:
    select = (
        "LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled,"
        "IsActivity"
    )
    found = api.get(f"EntityDefinitions(LogicalName='{table}')?$select={select}").json()
    assert found["@odata.context"] == f"{API}/$metadata#EntityDefinitions/$entity"
    assert found["MetadataId"]
    assert (found["EntitySetName"], found["PrimaryIdAttribute"], found["PrimaryNameAttribute"]) == (
        set_name,
        key,
        name,
    )
    assert (found["IsActivity"], found["ChangeTrackingEnabled"]) == (activity, tracking)
    assert (
        api.value(f"EntityDefinitions?$select={select}&$filter=LogicalName eq '{table}'")[0]["EntitySetName"]
        == set_name
    )


@pytest.mark.rule("dataverse.md 12.2/19")
def test_unknown_tables_and_properties_are_errors(api: Api) -> None:
    refused(api.get("EntityDefinitions(LogicalName='Contact')"), 404, "0x80040217")
    refused(api.get(f"{CONTACT}?$select=logicalname"), 400, "0x80060888", "logicalname")
    refused(api.get("EntityDefinitions?$top=1"), 400, "0x80060888")
    assert api.value("EntityDefinitions?$select=LogicalName&$filter=LogicalName eq 'nosuch'") == []


@pytest.mark.rule("dataverse.md 12.2/19")
def test_attributes_show_common_properties_and_casts_the_rest(api: Api) -> None:
    found = {
        row["LogicalName"]: row
        for row in api.value(f"{CONTACT}/Attributes?$select=LogicalName,AttributeType,RequiredLevel")
    }
    assert found["lastname"]["RequiredLevel"]["Value"] == "ApplicationRequired"
    assert found["lastname"]["@odata.type"] == f"#{CRM}.StringAttributeMetadata"
    assert found["parentcustomerid"]["AttributeType"] == "Customer"
    assert found["gendercode"]["AttributeType"] == "Picklist"
    refused(api.get(f"{CONTACT}/Attributes?$select=MaxLength"), 400, "0x80060888", "MaxLength")
    texts = api.value(
        f"{CONTACT}/Attributes/{CRM}.StringAttributeMetadata?$select=LogicalName,MaxLength,FormatName"
    )
    by_name = {row["LogicalName"]: row for row in texts}
    assert by_name["firstname"]["MaxLength"] == 50
    assert by_name["emailaddress1"]["FormatName"] == {"Value": "Email"}
    assert "gendercode" not in by_name


@pytest.mark.rule("dataverse.md 12.2/19")
def test_option_sets_are_reached_by_cast(api: Api) -> None:
    rows = api.value(
        f"{CONTACT}/Attributes/{CRM}.PicklistAttributeMetadata?$select=LogicalName"
        "&$expand=OptionSet($select=Options),GlobalOptionSet"
    )
    gender = next(row for row in rows if row["LogicalName"] == "gendercode")
    assert [
        (o["Value"], o["Label"]["UserLocalizedLabel"]["Label"]) for o in gender["OptionSet"]["Options"]
    ] == [(1, "Male"), (2, "Female")]
    assert gender["GlobalOptionSet"] is None
    direct = api.get(
        f"{CONTACT}/Attributes(LogicalName='gendercode')/{CRM}.PicklistAttributeMetadata/OptionSet"
        "?$select=Options"
    ).json()
    assert direct["Options"] == gender["OptionSet"]["Options"]
    state = api.value(
        f"{CONTACT}/Attributes/{CRM}.StateAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    )[0]
    assert [(o["Value"], o["DefaultStatus"], o["InvariantName"]) for o in state["OptionSet"]["Options"]] == [
        (0, 1, "Active"),
        (1, 2, "Inactive"),
    ]
    status = api.value(
        f"{CONTACT}/Attributes/{CRM}.StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    )[0]
    assert [(o["Value"], o["State"]) for o in status["OptionSet"]["Options"]] == [(1, 0), (2, 1)]
    yes_no = api.value(
        f"{CONTACT}/Attributes/{CRM}.BooleanAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    )
    mail = next(row for row in yes_no if row["LogicalName"] == "donotbulkemail")["OptionSet"]
    assert mail["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Do Not Allow"
    assert mail["FalseOption"]["Value"] == 0


@pytest.mark.rule("dataverse.md 12.2/19")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"AttributeType eq {CRM}.AttributeTypeCode'Customer'", {"parentcustomerid"}),
        (f"RequiredLevel/Value eq {CRM}.AttributeRequiredLevel'ApplicationRequired'", {"lastname"}),
        ("LogicalName eq 'firstname' or startswith(LogicalName,'gender')", {"firstname", "gendercode"}),
        ("IsPrimaryId eq true", {"contactid"}),
    ],
)
def test_attributes_are_filtered(api: Api, condition: str, expected: set[str]) -> None:
    assert (
        set(api.column(f"{CONTACT}/Attributes?$select=LogicalName&$filter={condition}", "LogicalName"))
        == expected
    )


@pytest.mark.rule("dataverse.md 12.2/19")
def test_enum_values_without_namespace_are_a_switch(api: Api) -> None:
    path = f"{CONTACT}/Attributes?$select=LogicalName&$filter=AttributeType eq 'Customer'"
    refused(api.get(path), 400, "0x80060888", "namespace")
    api.switch("enum_needs_namespace", False)
    assert api.column(path, "LogicalName") == ["parentcustomerid"]


@pytest.mark.rule("dataverse.md 12.2/19")
def test_relationships_name_their_navigation_properties(api: Api) -> None:
    rows = api.value(
        f"{CONTACT}/ManyToOneRelationships"
        "?$select=ReferencedEntity,ReferencingAttribute,ReferencingEntityNavigationPropertyName"
    )
    customers = {
        row["ReferencedEntity"]: row["ReferencingEntityNavigationPropertyName"]
        for row in rows
        if row["ReferencingAttribute"] == "parentcustomerid"
    }
    assert customers == {"account": "parentcustomerid_account", "contact": "parentcustomerid_contact"}
    tasks = api.value("RelationshipDefinitions?$filter=SchemaName eq 'Contact_Tasks'")[0]
    assert (tasks["ReferencingEntityNavigationPropertyName"], tasks["CascadeConfiguration"]["Delete"]) == (
        "regardingobjectid_contact_task",
        "Cascade",
    )


def touch_table(**more: Any) -> dict[str, Any]:
    subject = {
        "@odata.type": f"{CRM}.StringAttributeMetadata",
        "SchemaName": "Subject",
        "IsPrimaryName": True,
        "MaxLength": 200,
        "DisplayName": label("Subject"),
    }
    return {
        "@odata.type": f"{CRM}.EntityMetadata",
        "SchemaName": "mkt_Touch",
        "DisplayName": label("Touch"),
        "DisplayCollectionName": label("Touches"),
        "OwnershipType": "UserOwned",
        "IsActivity": True,
        "HasActivities": False,
        "HasNotes": True,
        "IsAvailableOffline": True,
        "ActivityTypeMask": 1,
        "Attributes": [subject],
        **more,
    }


@pytest.mark.rule("dataverse.md 12.2/19")
def test_a_custom_activity_table_works(api: Api) -> None:
    answer = api.post("EntityDefinitions", touch_table())
    assert answer.status_code == 204
    assert answer.headers["odata-entityid"].startswith(f"{API}/EntityDefinitions(")
    found = api.get("EntityDefinitions(LogicalName='mkt_touch')").json()
    assert (found["EntitySetName"], found["PrimaryIdAttribute"], found["IsActivity"]) == (
        "mkt_touches",
        "activityid",
        True,
    )
    body = {"subject": "Opened", "regardingobjectid_contact_mkt_touch@odata.bind": f"/contacts({guid(1)})"}
    assert api.post("mkt_touches", body).status_code == 204
    pointer = api.value("activitypointers?$select=subject,activitytypecode")[0]
    assert (pointer["subject"], pointer["activitytypecode"]) == ("Opened", "mkt_touch")
    assert api.delete(f"contacts({guid(1)})").status_code == 204
    assert api.value("mkt_touches?$select=subject") == []


@pytest.mark.rule("dataverse.md 12.2/19")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"HasActivities": True}, "0x80040203"),
        ({"HasNotes": False}, "0x80040203"),
        ({"SchemaName": "Touch"}, "0x80040203"),
        (
            {
                "Attributes": [
                    {
                        "@odata.type": f"{CRM}.StringAttributeMetadata",
                        "SchemaName": "mkt_Name",
                        "IsPrimaryName": True,
                    }
                ]
            },
            "0x8004f127",
        ),
    ],
)
def test_wrong_activity_tables_are_refused(api: Api, change: dict[str, Any], code: str) -> None:
    refused(api.post("EntityDefinitions", touch_table(**change)), 400, code)


@pytest.mark.rule("dataverse.md 12.2/19")
def test_a_new_column_is_unknown_to_the_data_api_for_some_seconds(api: Api) -> None:
    body = {
        "@odata.type": f"{CRM}.StringAttributeMetadata",
        "SchemaName": "mkt_Score",
        "MaxLength": 20,
        "DisplayName": label("Score"),
    }
    assert api.post(f"{CONTACT}/Attributes", body).status_code == 204
    assert api.get(f"{CONTACT}/Attributes(LogicalName='mkt_score')").status_code == 200
    refused(api.get("contacts?$top=1&$select=mkt_score"), 400, "0x80060888", "mkt_score")
    refused(api.patch(f"contacts({guid(1)})", {"mkt_score": "A"}), 400, "0x80048d19")
    api.world.clock.advance(4)
    assert api.patch(f"contacts({guid(1)})", {"mkt_score": "A"}).status_code == 204
    assert api.column("contacts?$top=1&$select=mkt_score", "mkt_score") == ["A"]
    refused(api.patch(f"contacts({guid(1)})", {"mkt_score": "A" * 21}), 400, "0x80044331")


@pytest.mark.rule("dataverse.md 12.2/19")
def test_definitions_are_replaced_by_put_and_never_patched(api: Api) -> None:
    column = f"{CONTACT}/Attributes(LogicalName='jobtitle')"
    full = api.get(f"{column}/{CRM}.StringAttributeMetadata").json()
    assert (
        api.send(
            "PUT", column, {**full, "MaxLength": 120, "@odata.type": f"{CRM}.StringAttributeMetadata"}
        ).status_code
        == 204
    )
    assert api.get(f"{column}/{CRM}.StringAttributeMetadata").json()["MaxLength"] == 120
    refused(api.patch(CONTACT, {}), 405, "0x80040315", "PUT")


@pytest.mark.rule("dataverse.md 12.2/19")
def test_a_partial_put_loses_labels_unless_they_are_merged(api: Api) -> None:
    assert api.send("PUT", CONTACT, {}, **{"MSCRM.MergeLabels": "true"}).status_code == 204
    assert api.get(CONTACT).json()["DisplayName"]["UserLocalizedLabel"]["Label"] == "Contact"
    assert api.send("PUT", CONTACT, {}).status_code == 204
    assert api.get(CONTACT).json()["DisplayName"]["UserLocalizedLabel"] is None


@pytest.mark.rule("dataverse.md 12.2/19")
def test_global_choices_and_option_values(api: Api) -> None:
    api.switch("column_visibility_seconds", 0)
    options = [{"Value": 512340000, "Label": label("Mail")}, {"Value": 512340001, "Label": label("Chat")}]
    assert (
        api.post("GlobalOptionSetDefinitions", {"Name": "mkt_channel", "Options": options}).status_code == 204
    )
    assert len(api.get("GlobalOptionSetDefinitions(Name='mkt_channel')").json()["Options"]) == 2
    body = {
        "@odata.type": f"{CRM}.PicklistAttributeMetadata",
        "SchemaName": "mkt_Channel",
        "GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='mkt_channel')",
    }
    assert api.post(f"{CONTACT}/Attributes", body).status_code == 204
    row = api.value(
        f"{CONTACT}/Attributes/{CRM}.PicklistAttributeMetadata?$select=LogicalName"
        "&$filter=LogicalName eq 'mkt_channel'&$expand=OptionSet,GlobalOptionSet"
    )[0]
    assert row["OptionSet"] is None
    assert row["GlobalOptionSet"]["Name"] == "mkt_channel"
    inserted = api.post(
        "InsertOptionValue",
        {"EntityLogicalName": "contact", "AttributeLogicalName": "gendercode", "Label": label("Other")},
    )
    assert inserted.json()["NewOptionValue"] == 512340000
    assert api.patch(f"contacts({guid(1)})", {"gendercode": 512340000}).status_code == 204


def test_lookups_to_images_and_files_are_not_imitated(api: Api) -> None:
    refused(
        api.post(
            f"{CONTACT}/Attributes", {"@odata.type": f"{CRM}.FileAttributeMetadata", "SchemaName": "mkt_F"}
        ),
        501,
        "0x80040315",
        "File",
    )


@pytest.mark.parametrize("name", ["", 'mkt_x" TEXT); --', "mkt_ä", "mkt x"])
def test_schema_names_are_words(api: Api, name: str) -> None:
    column = {"@odata.type": f"{CRM}.StringAttributeMetadata", "SchemaName": name}
    refused(api.post(f"{CONTACT}/Attributes", column), 400, "0x80040203", "SchemaName")
    refused(api.post("EntityDefinitions", touch_table(SchemaName=name)), 400, "0x80040203", "SchemaName")
