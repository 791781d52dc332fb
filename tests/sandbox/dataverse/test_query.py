"""$select, $filter, $orderby, $top, $count, $expand and annotations."""

from __future__ import annotations

import pytest

from tests.sandbox.dataverse.conftest import ACCOUNT, API, Api, guid, refused

FORMATTED = "@OData.Community.Display.V1.FormattedValue"


def numbers(api: Api, condition: str) -> list[int]:
    """The contacts that pass a filter, by number."""
    from urllib.parse import quote

    ids = api.column(f"contacts?$select=contactid&$filter={quote(condition)}", "contactid")
    return [int(row_id[:8]) for row_id in ids]


@pytest.mark.rule("dataverse.md 12.2/5")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("firstname eq 'ida'", [1, 5]),
        ("firstname eq 'ÅSA'", [2]),
        ("emailaddress1 eq 'ida@ALM.example'", [5]),
        ("lastname eq 'O''Neil'", [3]),
        ("lastname eq null", [4]),
        ("lastname ne null and statecode eq 0", [1, 2, 3, 5]),
        ("not (firstname eq 'ida') and gendercode eq 2", [2]),
        ("gendercode gt 1 or numberofchildren ge 5", [1, 2, 4]),
        ("contains(emailaddress1,'ALM')", [5]),
        ("startswith(firstname,'i')", [1, 5]),
        ("endswith(firstname,'e')", [4]),
        ("donotbulkemail eq true", [1]),
        ("creditlimit gt 1499 and creditlimit lt 1500.5", [1]),
        ("birthdate eq 1990-05-17", [1]),
        ("birthdate lt 1990-05-18", [1]),
        ("modifiedon ge 2026-02-01T08:00:00Z and modifiedon lt 2026-02-11T00:00:00Z", [3, 4]),
        ("modifiedon ge 2026-02-01T09:00:00+01:00 and modifiedon le 2026-02-01T08:00:00Z", [3]),
        ("modifiedon gt 2026-02-01T08:00:00.5Z", [4, 5]),
        (f"contactid eq {guid(3)}", [3]),
        (f"contactid eq '{guid(3)}'", [3]),
        (f"_parentcustomerid_value eq {ACCOUNT}", [1]),
        ("parentcustomerid_account/name eq 'brandt ab'", [1]),
        ("firstname eq lastname", []),
        ("createdon ge modifiedon", [1, 2, 3, 4, 5]),
        (
            f'Microsoft.Dynamics.CRM.In(PropertyName=\'contactid\',PropertyValues=["{guid(2)}","{guid(4)}"])',
            [2, 4],
        ),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='emailaddress1',PropertyValues=[\"PER@oneil.example\"])",
            [3],
        ),
        ("Microsoft.Dynamics.CRM.In(PropertyName='lastname',PropertyValues=[\"O'Neil\"])", [3]),
        ("Microsoft.Dynamics.CRM.NotIn(PropertyName='gendercode',PropertyValues=[\"2\"])", [3]),
        ('Microsoft.Dynamics.CRM.Between(PropertyName=\'numberofchildren\',PropertyValues=["2","4"])', [3]),
        ("Microsoft.Dynamics.CRM.OnOrAfter(PropertyName='modifiedon',PropertyValue='2026-02-10')", [4, 5]),
    ],
)
def test_filters(api: Api, condition: str, expected: list[int]) -> None:
    assert numbers(api, condition) == expected


@pytest.mark.rule("dataverse.md 12.2/5")
def test_relative_dates_follow_the_clock(api: Api) -> None:
    from datetime import datetime

    api.world.clock.set(datetime(2026, 2, 12))
    api.token = api.new_token()
    assert numbers(api, "Microsoft.Dynamics.CRM.LastXDays(PropertyName='modifiedon',PropertyValue=7)") == [
        4,
        5,
    ]
    assert numbers(
        api, "Microsoft.Dynamics.CRM.OlderThanXDays(PropertyName='modifiedon',PropertyValue=20)"
    ) == [1, 2]
    hours = "Microsoft.Dynamics.CRM.LastXHours(PropertyName='birthdate',PropertyValue=7)"
    refused(api.get(f"contacts?$filter={hours}"), 400, "0x80060888", "DateOnly")


@pytest.mark.rule("dataverse.md 12.2/5")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("contains(description,'50%25')", [2, 3]),
        ("contains(description,'_0%25')", [2, 3]),
        ("startswith(firstname,'[yz]')", [4]),
        ("startswith(firstname,'[^i]')", [2, 3, 4]),
    ],
)
def test_like_wildcards_are_no_literals(api: Api, condition: str, expected: list[int]) -> None:
    ids = api.column(f"contacts?$select=contactid&$filter={condition}", "contactid")
    assert [int(row_id[:8]) for row_id in ids] == expected


@pytest.mark.rule("dataverse.md 12.2/5")
def test_wildcards_in_eq_are_a_switch(api: Api) -> None:
    assert numbers(api, "firstname eq 'i_a'") == [1, 5]
    api.switch("eq_wildcards", False)
    assert numbers(api, "firstname eq 'i_a'") == []


@pytest.mark.rule("dataverse.md 12.2/5")
def test_null_passes_no_comparison(api: Api) -> None:
    assert numbers(api, "numberofchildren ne 3") == [4]
    assert numbers(api, "numberofchildren ne 3 or numberofchildren eq null") == [1, 2, 4, 5]
    api.switch("ne_keeps_nulls", True)
    assert numbers(api, "numberofchildren ne 3") == [1, 2, 4, 5]


@pytest.mark.rule("dataverse.md 12.2/5")
def test_lambdas_look_into_collections(api: Api) -> None:
    api.mutate(
        "task",
        create=[
            {
                "subject": "Call",
                "_regardingobjectid_value": guid(2),
                "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact",
            }
        ],
    )
    assert numbers(api, "Contact_Tasks/any(t:t/subject eq 'call')") == [2]
    assert numbers(api, "Contact_Tasks/any()") == [2]
    assert numbers(api, "Contact_Tasks/all(t:t/subject eq 'x')") == [1, 3, 4, 5]


@pytest.mark.rule("dataverse.md 12.2/5")
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("$filter=firstname eq 'x", "unterminated literal at position 13"),
        ("$filter=firstname eq 5", "incompatible types"),
        ("$filter=gendercode eq 'x'", "incompatible types"),
        ("$filter=birthdate eq 1990-05-17T00:00:00Z", "incompatible types"),
        ("$filter=firstname", "single boolean value"),
        ("$filter=firstname eq", "Syntax error"),
        ("$skip=1", "$skip is not supported"),
        ("$search=x", "$search is not supported"),
        ("$format=json", "$format is not supported"),
        ("$Select=firstname", "$Select is not supported"),
        ("$top=many", "$top"),
        ("$top=1&$top=2", "more than once"),
    ],
)
def test_bad_queries_are_400(api: Api, query: str, words: str) -> None:
    refused(api.get(f"contacts?{query}"), 400, "0x80060888", words)


@pytest.mark.rule("dataverse.md 12.2/5")
def test_sorting_knows_nulls_names_and_choices(api: Api) -> None:
    assert api.column("contacts?$select=firstname&$orderby=firstname desc,contactid desc", "firstname") == [
        "Åsa",
        "Zoe",
        "Per",
        "ida",
        "Ida",
    ]
    assert api.column("contacts?$select=numberofchildren&$orderby=numberofchildren", "numberofchildren")[
        -2:
    ] == [3, 5]
    assert api.column("contacts?$orderby=_parentcustomerid_value desc&$select=contactid", "contactid")[
        0
    ] == guid(1)
    assert api.column("contacts?$select=gendercode&$orderby=gendercode desc&$top=1", "gendercode") == [2]


@pytest.mark.rule("dataverse.md 12.2/5")
def test_aliases_stand_for_values(api: Api) -> None:
    assert api.column("contacts?$select=firstname&$filter=firstname eq @f&@f='Per'", "firstname") == ["Per"]
    assert api.column("contacts?$select=firstname&$filter=lastname eq @missing", "firstname") == ["Zoe"]


@pytest.mark.rule("dataverse.md 12.2/5")
def test_counts_stop_at_5000(api: Api) -> None:
    assert api.get("contacts?$select=contactid&$count=true&$top=1").json()["@odata.count"] == 5
    assert api.get("contacts/$count?$filter=firstname eq 'ida'").text == "2"
    api.mutate("account", create=[{"name": f"n{number}"} for number in range(5001)])
    answer = api.get(
        "accounts?$select=name&$count=true&$top=1",
        Prefer='odata.include-annotations="Microsoft.Dynamics.CRM.*"',
    ).json()
    assert answer["@odata.count"] == 5000
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
    assert api.get("accounts/$count").text == "5000"
    totals = api.get("RetrieveTotalRecordCount(EntityNames=['account'])").json()[
        "EntityRecordCountCollection"
    ]
    assert totals["Values"] == [5002]


@pytest.mark.rule("dataverse.md 12.2/6")
def test_key_etag_and_selected_nulls_always_come(api: Api) -> None:
    row = api.value("contacts?$select=lastname,_parentcustomerid_value&$filter=firstname eq 'Zoe'")[0]
    assert set(row) == {"@odata.etag", "lastname", "_parentcustomerid_value", "contactid"}
    assert row["lastname"] is None
    assert row["@odata.etag"].startswith('W/"')


@pytest.mark.rule("dataverse.md 12.2/6")
def test_without_select_every_column_comes(api: Api) -> None:
    row = api.value(f"contacts?$filter=contactid eq {guid(1)}")[0]
    assert {
        "firstname",
        "fullname",
        "statecode",
        "_ownerid_value",
        "versionnumber",
        "createdon",
        "donotsendmm",
    } <= set(row)
    assert row["@odata.etag"] == f'W/"{row["versionnumber"]}"'


@pytest.mark.rule("dataverse.md 12.2/6")
def test_money_brings_its_currency(api: Api) -> None:
    answer = api.get(f"contacts({guid(1)})?$select=creditlimit")
    assert "_transactioncurrencyid_value" in answer.json()
    assert '"creditlimit":1499.9000' in answer.text


@pytest.mark.rule("dataverse.md 12.2/6")
def test_annotations_come_only_when_asked_for(api: Api) -> None:
    select = "contacts?$select=gendercode,donotbulkemail,_parentcustomerid_value,birthdate,creditlimit"
    assert not any("@O" in name or "@M" in name for name in api.value(select)[0])
    answer = api.get(select, Prefer='odata.include-annotations="*"')
    assert answer.headers["preference-applied"] == 'odata.include-annotations="*"'
    row = answer.json()["value"][0]
    assert row[f"gendercode{FORMATTED}"] == "Female"
    assert row[f"donotbulkemail{FORMATTED}"] == "Do Not Allow"
    assert row[f"_parentcustomerid_value{FORMATTED}"] == "Brandt AB"
    assert row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert (
        row["_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"]
        == "parentcustomerid_account"
    )
    assert row[f"birthdate{FORMATTED}"] == "5/17/1990"
    assert row[f"creditlimit{FORMATTED}"] == "€1,499.90"
    assert '"creditlimit": 1499.9000' in answer.text
    last = answer.json()["value"][3]
    assert f"gendercode{FORMATTED}" not in last
    only = api.get(
        select, Prefer='odata.include-annotations="OData.Community.Display.V1.FormattedValue"'
    ).json()
    assert "@Microsoft.Dynamics.CRM.totalrecordcount" not in only
    assert "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname" not in only["value"][0]


@pytest.mark.rule("dataverse.md 12.2/5")
def test_expand_climbs_and_descends(api: Api) -> None:
    row = api.get(
        f"contacts({guid(1)})?$select=firstname&$expand=parentcustomerid_account($select=name)"
    ).json()
    assert row["parentcustomerid_account"]["name"] == "Brandt AB"
    assert (
        row["@odata.context"] == f"{API}/$metadata#contacts(firstname,parentcustomerid_account(name))/$entity"
    )
    account = api.value(
        "accounts?$select=name&$expand=contact_customer_accounts($select=firstname;$filter=statecode eq 0)"
    )[0]
    assert [child["firstname"] for child in account["contact_customer_accounts"]] == ["Ida"]
    assert account["contact_customer_accounts@odata.nextLink"].startswith(API)
    reference = api.value(
        f"contacts?$select=firstname&$filter=contactid eq {guid(1)}&$expand=parentcustomerid_account/$ref"
    )[0]
    assert reference["parentcustomerid_account"] == {"@odata.id": f"{API}/accounts({ACCOUNT})"}
    absent = api.get(
        f"contacts({guid(2)})?$select=firstname&$expand=parentcustomerid_account($select=name)"
    ).json()
    assert absent["parentcustomerid_account"] is None


@pytest.mark.rule("dataverse.md 12.2/5")
def test_expand_has_limits(api: Api) -> None:
    many = ",".join(["ownerid"] * 16)
    refused(api.get(f"contacts?$expand={many}"), 400, "0x80060888", "15")
    refused(
        api.get("accounts?$expand=contact_customer_accounts/$ref"),
        400,
        "0x80060888",
        "only supported on lookup type",
    )
    refused(api.get("contacts?$expand=Nothing"), 400, "0x80060888", "Nothing")


def test_properties_and_navigation_have_addresses(api: Api) -> None:
    assert api.get(f"contacts({guid(1)})/firstname").json()["value"] == "Ida"
    assert api.get(f"contacts({guid(4)})/lastname").status_code == 204
    assert api.get(f"contacts({guid(1)})/parentcustomerid_account?$select=name").json()["name"] == "Brandt AB"
    assert len(api.value(f"accounts({ACCOUNT})/contact_customer_accounts?$select=firstname")) == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT firstname FROM contact WHERE lastname IS NULL", ["Zoe"]),
        ("SELECT TOP 1 firstname FROM contact ORDER BY firstname DESC", ["Åsa"]),
        (
            (
                "SELECT DISTINCT gendercode AS firstname FROM contact "
                "WHERE gendercode IN (1, 2) ORDER BY gendercode"
            ),
            [1, 2],
        ),
        (
            (
                "SELECT c.firstname FROM contact c "
                "WHERE c.firstname LIKE 'p%' OR c.numberofchildren BETWEEN 4 AND 6"
            ),
            ["Per", "Zoe"],
        ),
        ("SELECT firstname FROM contact WHERE modifiedon < '2026-01-15' AND donotbulkemail = 1", ["Ida"]),
        ("SELECT COUNT(*) AS firstname FROM contact WHERE lastname <> 'Ek'", [3]),
    ],
)
def test_simple_sql_is_understood(api: Api, sql: str, expected: list[object]) -> None:
    from urllib.parse import quote

    assert api.column(f"contacts?sql={quote(sql)}", "firstname") == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.name FROM contact c INNER JOIN account a ON 1 = 1",
        "SELECT MAX(firstname) FROM contact",
        "SELECT firstname FROM contact GROUP BY firstname",
    ],
)
def test_other_sql_is_not_imitated(api: Api, sql: str) -> None:
    from urllib.parse import quote

    refused(api.get(f"contacts?sql={quote(sql)}"), 501, "0x80040315")
