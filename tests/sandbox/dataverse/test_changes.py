"""Row versions and change tracking."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.dataverse.conftest import API, Api, guid, refused

DELETED = f"{API}/$metadata#contacts/$deletedEntity"


def version(api: Api, number: int) -> int:
    return int(api.get(f"contacts({guid(number)})?$select=versionnumber").json()["versionnumber"])


def delta(api: Api, link: str) -> dict[str, Any]:
    answer = api.get(link)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.rule("dataverse.md 12.2/8")
def test_every_write_gets_the_next_version_of_the_organisation(api: Api) -> None:
    before = api.control("version")["version"]
    api.patch(f"contacts({guid(1)})", {"lastname": "A"})
    account = api.post("accounts", {"name": "B"}).headers["odata-entityid"]
    api.patch(f"contacts({guid(2)})", {"lastname": "C"})
    assert version(api, 1) == before + 1
    assert api.get(account).json()["versionnumber"] == before + 2
    assert version(api, 2) == before + 3


@pytest.mark.rule("dataverse.md 12.2/8")
def test_equal_values_bump_unless_the_switch_says_otherwise(api: Api) -> None:
    before = version(api, 1)
    api.patch(f"contacts({guid(1)})", {"lastname": "Brandt"})
    row = api.get(f"contacts({guid(1)})?$select=modifiedon").json()
    assert row["@odata.etag"] == f'W/"{version(api, 1)}"'
    assert version(api, 1) > before
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["modifiedon"])
    assert row["modifiedon"] > "2026-02-12"
    api.switch("same_value_writes", "ignore")
    before = version(api, 1)
    api.patch(f"contacts({guid(1)})", {"lastname": "Brandt"})
    assert version(api, 1) == before


@pytest.mark.rule("dataverse.md 12.2/9")
def test_the_initial_read_has_its_delta_link_on_the_last_page_only(api: Api) -> None:
    answer = api.get("contacts?$select=firstname", Prefer="odata.track-changes,odata.maxpagesize=2")
    assert answer.headers["preference-applied"] == "odata.track-changes,odata.maxpagesize=2"
    pages = api.pages("contacts?$select=firstname", 2, Prefer="odata.track-changes")
    assert [len(page["value"]) for page in pages] == [2, 2, 1]
    assert ["@odata.deltaLink" in page for page in pages] == [False, False, True]
    assert ["@odata.nextLink" in page for page in pages] == [True, True, False]
    token = pages[-1]["@odata.deltaLink"].partition("$deltatoken=")[2]
    assert re.fullmatch(r"\d+%21\d\d%2f\d\d%2f\d{4}%20\d\d%3a\d\d%3a\d\d", token)


@pytest.mark.rule("dataverse.md 12.2/9")
def test_the_initial_read_names_no_deletions(api: Api) -> None:
    api.mutate("contact", delete=[guid(1)])
    page = api.pages("contacts?$select=firstname", 5000, Prefer="odata.track-changes")[0]
    assert len(page["value"]) == 4
    assert all("reason" not in row for row in page["value"])


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_delta_has_changes_by_version_then_deletions(api: Api) -> None:
    link = api.track()
    api.mutate("contact", update=[{"id": guid(4), "firstname": "Z"}])
    api.mutate("contact", delete=[guid(2)])
    api.mutate("contact", create=[{"contactid": guid(6), "firstname": "New"}])
    api.mutate("contact", update=[{"id": guid(1), "firstname": "I"}])
    answer = delta(api, link)
    assert answer["@odata.context"] == f"{API}/$metadata#contacts(firstname)/$delta"
    assert [row.get("contactid") for row in answer["value"]] == [guid(4), guid(6), guid(1), None]
    assert answer["value"][-1] == {"@odata.context": DELETED, "id": guid(2), "reason": "deleted"}
    assert set(answer["value"][0]) == {"@odata.etag", "firstname", "contactid"}
    assert delta(api, answer["@odata.deltaLink"])["value"] == []


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_row_is_reported_once_in_its_current_state(api: Api) -> None:
    link = api.track()
    for name in ("a", "b", "c"):
        api.mutate("contact", update=[{"id": guid(1), "firstname": name}])
    api.mutate("contact", update=[{"id": guid(1), "lastname": "outside $select"}])
    assert [row["firstname"] for row in delta(api, link)["value"]] == ["c"]


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_row_created_and_deleted_between_tokens_is_reported_deleted(api: Api) -> None:
    link = api.track()
    api.mutate("contact", create=[{"contactid": guid(7), "firstname": "short"}])
    api.mutate("contact", delete=[guid(7)])
    assert [row.get("id") for row in delta(api, link)["value"]] == [guid(7)]


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_row_deleted_and_created_again_is_a_switch(api: Api) -> None:
    link = api.track()
    api.mutate("contact", delete=[guid(1)])
    api.mutate("contact", create=[{"contactid": guid(1), "firstname": "back"}])
    both = [row.get("reason", "row") for row in delta(api, link)["value"]]
    api.switch("deleted_then_recreated", "net")
    assert both == ["row", "deleted"]
    assert [row.get("reason", "row") for row in delta(api, link)["value"]] == ["row"]


@pytest.mark.rule("dataverse.md 12.2/9")
def test_changes_during_the_initial_paging_are_in_the_first_delta(api: Api) -> None:
    first = api.get("contacts?$select=firstname", Prefer="odata.track-changes,odata.maxpagesize=2").json()
    api.mutate(
        "contact",
        update=[{"id": guid(1), "firstname": "seen before"}, {"id": guid(5), "firstname": "seen after"}],
    )
    api.mutate("contact", create=[{"contactid": guid(0), "firstname": "behind the cursor"}])
    api.mutate("contact", delete=[guid(2)])
    pages = api.pages(first["@odata.nextLink"], 2)
    found = delta(api, pages[-1]["@odata.deltaLink"])["value"]
    assert {row.get("contactid") or row["id"] for row in found} == {guid(0), guid(1), guid(2), guid(5)}


@pytest.mark.rule("dataverse.md 12.2/9")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_large_deltas_come_in_pages(api: Api, size: int) -> None:
    link = api.track()
    api.mutate("contact", touch=3, delete=[guid(4), guid(5)])
    pages = api.pages(link, size)
    rows = [row for page in pages for row in page["value"]]
    assert [row.get("contactid") for row in rows[:3]] == [guid(1), guid(2), guid(3)]
    assert [row.get("id") for row in rows[3:]] == [guid(4), guid(5)]
    assert all(len(page["value"]) <= size for page in pages)
    assert ["@odata.deltaLink" in page for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.rule("dataverse.md 12.2/9")
def test_changes_while_a_delta_is_paged_wait_for_the_next_one(api: Api) -> None:
    link = api.track()
    api.mutate("contact", touch=3)
    first = api.get(link, Prefer="odata.maxpagesize=1").json()
    api.mutate("contact", update=[{"id": guid(3), "firstname": "again"}, {"id": guid(5), "firstname": "new"}])
    pages = api.pages(first["@odata.nextLink"], 1)
    assert [row["contactid"] for page in pages for row in page["value"]] == [guid(2)]
    following = delta(api, pages[-1]["@odata.deltaLink"])["value"]
    assert [row["contactid"] for row in following] == [guid(3), guid(5)]


@pytest.mark.rule("dataverse.md 12.2/10")
def test_no_change_is_an_empty_value_with_a_usable_link(api: Api) -> None:
    link = api.track()
    for _ in range(3):
        answer = delta(api, link)
        assert answer["value"] == []
        link = answer["@odata.deltaLink"]
    api.mutate("contact", touch=1)
    assert len(delta(api, link)["value"]) == 1


@pytest.mark.rule("dataverse.md 12.2/9")
@pytest.mark.parametrize(
    "option", ["$filter=statecode eq 0", "$orderby=firstname", "$expand=ownerid", "$top=3"]
)
def test_options_that_tracking_forbids(api: Api, option: str) -> None:
    answer = api.get(f"contacts?$select=firstname&{option}", Prefer="odata.track-changes")
    name = option.partition("=")[0]
    refused(
        answer,
        400,
        "0x80060888",
        f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.',
    )


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_table_without_tracking_refuses(api: Api) -> None:
    refused(
        api.get("tasks", Prefer="odata.track-changes"),
        400,
        "0x80072491",
        "Entity task isn't enabled for change tracking.",
    )
    api.control("change_table", table="task", change_tracking=True)
    assert api.get("tasks", Prefer="odata.track-changes").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_delta_after_tracking_was_switched_off_refuses(api: Api) -> None:
    link = api.track()
    api.control("change_table", table="contact", change_tracking=False)
    refused(api.get(link), 400, "0x80072491")


@pytest.mark.rule("dataverse.md 12.2/9")
def test_the_api_turns_tracking_on_but_never_off(api: Api) -> None:
    task = api.get("EntityDefinitions(LogicalName='task')").json()
    assert task["ChangeTrackingEnabled"] is False
    path = f"EntityDefinitions({task['MetadataId']})"
    assert api.send("PUT", path, {**task, "ChangeTrackingEnabled": True}).status_code == 204
    refused(api.get("tasks", Prefer="odata.track-changes"), 400, "0x80072491")
    xml = "<importexportxml><entities><entity>task</entity></entities></importexportxml>"
    assert api.post("PublishXml", {"ParameterXml": xml}).status_code == 204
    assert api.get("tasks", Prefer="odata.track-changes").status_code == 200
    assert api.send("PUT", path, {**task, "ChangeTrackingEnabled": False}).status_code == 400
    assert api.get("EntityDefinitions(LogicalName='task')?$select=ChangeTrackingEnabled").json()[
        "ChangeTrackingEnabled"
    ]


@pytest.mark.rule("dataverse.md 12.2/9")
def test_a_token_expires_after_seven_days(api: Api) -> None:
    link = api.track()
    api.world.clock.advance(timedelta(days=6, hours=23).total_seconds())
    api.token = api.new_token()
    fresh = delta(api, link)["@odata.deltaLink"]
    api.world.clock.advance(timedelta(hours=2).total_seconds())
    api.token = api.new_token()
    refused(api.get(link), 400, "0x80044352", "Version stamp associated with the client has expired")
    assert delta(api, fresh)["value"] == []


@pytest.mark.rule("dataverse.md 12.2/9")
def test_the_window_is_a_column_of_the_organisation(api: Api) -> None:
    link = api.track()
    row = api.value("organizations?$select=expirechangetrackingindays")[0]
    assert row["expirechangetrackingindays"] == 7
    api.patch(f"organizations({row['organizationid']})", {"expirechangetrackingindays": 1})
    api.world.clock.advance(timedelta(days=1, minutes=1).total_seconds())
    api.token = api.new_token()
    refused(api.get(link), 400, "0x80044352")


@pytest.mark.rule("dataverse.md 12.2/9")
def test_tokens_can_be_expired_by_control_and_their_status_chosen(api: Api) -> None:
    link = api.track()
    api.control("expire_delta_tokens")
    refused(api.get(link), 400, "0x80044352")
    api.switch("status.ExpiredVersionStamp", 410)
    refused(api.get(link), 410, "0x80044352")
    assert delta(api, api.track())["value"] == []


@pytest.mark.rule("dataverse.md 12.2/9")
@pytest.mark.parametrize("token", ["nonsense", "12", "5!13/45/2026 00:00:00"])
def test_a_broken_token_is_400(api: Api, token: str) -> None:
    refused(api.get(f"contacts?$deltatoken={token}"), 400, "0x80060888")


@pytest.mark.rule("dataverse.md 12.2/9")
def test_changes_can_be_counted(api: Api) -> None:
    token = api.track().partition("$deltatoken=")[2]
    api.mutate("contact", touch=2, delete=[guid(5)])
    answer = api.get(f"contacts/$count?$deltatoken={token}")
    assert (answer.text, answer.headers["content-type"].partition(";")[0]) == ("3", "text/plain")


@pytest.mark.rule("dataverse.md 12.2/9")
def test_tracking_needs_read_on_the_whole_organisation(api: Api) -> None:
    api.control("privileges", table="contact", read="user")
    refused(api.get("contacts", Prefer="odata.track-changes"), 403, "0x80040220", "prvReadContact")
    assert api.get("contacts").status_code == 200


@pytest.mark.rule("dataverse.md 12.2/9")
def test_formatted_values_make_the_delta_link_disappear(api: Api) -> None:
    prefer = 'odata.track-changes,odata.include-annotations="*"'
    assert "@odata.deltaLink" not in api.get("contacts?$select=firstname", Prefer=prefer).json()
    api.switch("annotations_lose_delta_link", False)
    assert "@odata.deltaLink" in api.get("contacts?$select=firstname", Prefer=prefer).json()


@pytest.mark.rule("dataverse.md 12.2/9")
def test_each_table_has_its_own_changes(api: Api) -> None:
    link = api.track("accounts?$select=name")
    api.mutate("contact", touch=2)
    assert delta(api, link)["value"] == []


@pytest.mark.rule("dataverse.md 12.2/21")
def test_deleting_a_contact_deletes_its_activities_and_their_deltas_say_so(api: Api) -> None:
    api.control("change_table", table="task", change_tracking=True)
    for number in (1, 1, 2):
        body = {"subject": "Call", "regardingobjectid_contact_task@odata.bind": f"/contacts({guid(number)})"}
        assert api.post("tasks", body).status_code == 204
    link = api.track("tasks?$select=subject")
    assert api.delete(f"contacts({guid(1)})").status_code == 204
    assert [row["reason"] for row in delta(api, link)["value"]] == ["deleted", "deleted"]
    assert len(api.value("tasks?$select=subject")) == 1
    assert len(api.value("activitypointers?$select=subject")) == 1


@pytest.mark.rule("dataverse.md 12.2/21")
def test_deleting_an_account_lets_its_contacts_go(api: Api) -> None:
    link = api.track("contacts?$select=_parentcustomerid_value")
    account = api.get(f"contacts({guid(1)})").json()["_parentcustomerid_value"]
    assert api.delete(f"accounts({account})").status_code == 204
    assert [row["_parentcustomerid_value"] for row in delta(api, link)["value"]] == [None]
