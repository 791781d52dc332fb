"""Reading all records of Campaign over the wire: the paging traps, the forms of values, lists that break off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.hooks import campaign_records
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.campaign_records import canonical
from campaign_sync.schema import Field, ResourceSchema
from campaign_sync.writes import Write

from tests.hooks.conftest import FakeTime, campaign_connection
from tests.hooks.scripted_server import Reply, ScriptedServer
from tests.sandbox_process import Sandbox

NAMES = ("email", "location.city", "birthDate", "gender", "blackListEmail")


@pytest.fixture(scope="module", autouse=True)
def _as_it_was(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("POST", "/sandbox/reset")


@pytest.fixture
def hook(fresh_sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> CampaignHook:
    connect("campaign_default", **campaign_connection(fresh_sandbox.env))
    return CampaignHook()


@pytest.fixture
def profile(hook: CampaignHook) -> ResourceSchema:
    return hook.resource("profile")


def seed(sandbox: Sandbox, count: int, **more: Any) -> list[str]:
    """Profiles with the keys k0000, k0001 …"""
    rows = [
        {"externalId": f"k{number:04}", "email": f"{number}@x.example", **more} for number in range(count)
    ]
    sandbox.control("POST", "/sandbox/campaign/seed", {"rows": rows})
    return [row["externalId"] for row in rows]


def listed(
    hook: CampaignHook, profile: ResourceSchema, names: tuple[str, ...] = NAMES
) -> list[dict[str, Any]]:
    pages = hook.everything(profile, "externalId", names)
    return [row for page in pages for row in page.rows.to_pylist()]


@pytest.mark.sandbox
@pytest.mark.parametrize("carried", ["dropped", "carried"])
def test_a_table_above_the_threshold_is_listed_to_its_end(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox, carried: str
) -> None:
    keys = seed(sandbox, 1_203)
    switches = {"campaign.big_table_threshold": 100, "campaign.force_pagination_in_next": carried}
    sandbox.control("PUT", "/sandbox/switches", switches)
    sandbox.control("POST", "/sandbox/counters/reset")
    assert [row["@key"] for row in listed(hook, profile)] == keys
    calls = sandbox.control("GET", "/sandbox/counters")["campaign.engine_calls"]
    assert calls == 3 + 1, "three pages, and one count to make sure that nothing is missing"


@pytest.mark.sandbox
def test_an_instance_that_gives_smaller_pages_is_believed(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    keys = seed(sandbox, 130)
    sandbox.control("PUT", "/sandbox/switches/campaign.line_count_maximum", {"value": 25})
    assert [row["@key"] for row in listed(hook, profile)] == keys


@pytest.mark.sandbox
def test_unset_values_are_empty_and_parts_of_items_have_dotted_names(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    seed(sandbox, 1)
    seeded = {
        "externalId": "whole",
        "location": {"city": "Bergen"},
        "blackListEmail": True,
        "gender": "female",
    }
    sandbox.control("POST", "/sandbox/campaign/seed", {"rows": [seeded]})
    empty, whole = listed(hook, profile)
    assert empty == {
        "@key": "k0000", "email": "0@x.example", "location.city": "", "birthDate": "", "gender": "unknown",
        "blackListEmail": "false",
    }  # fmt: skip
    assert (whole["location.city"], whole["blackListEmail"], whole["gender"]) == ("Bergen", "true", "female")


@pytest.mark.sandbox
def test_either_spelling_of_an_opt_out_is_read(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    seed(sandbox, 1, blackListEmail=True)
    assert listed(hook, profile, ("denyListEmail",))[0]["denyListEmail"] == "true"


@pytest.mark.sandbox
def test_records_without_a_key_are_only_counted(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    seed(sandbox, 2)
    sandbox.control("POST", "/sandbox/campaign/seed", {"rows": [{"email": "n@x.example"}] * 3})
    pages = list(hook.everything(profile, "externalId", NAMES))
    assert sum(page.keyless for page in pages) == 3
    assert sum(len(page.rows) for page in pages) == 2


@pytest.mark.sandbox
def test_records_asked_for_by_key_come_as_they_are_now_and_missing_ones_are_absent(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    seed(sandbox, 5)
    found = hook.records(profile, "externalId", NAMES, ["k0003", "nobody", "k0001"])
    assert sorted(found.rows["@key"].to_pylist()) == ["k0001", "k0003"]
    assert found.rows.column_names == ["@key", *NAMES]
    assert len(hook.records(profile, "externalId", NAMES, []).rows) == 0


@pytest.mark.sandbox
def test_a_place_in_the_list_that_is_given_up_is_worth_another_try(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox, faults: Callable[..., None]
) -> None:
    seed(sandbox, 600)
    faults(
        system="campaign",
        path="_lineStart",
        times=None,
        do="status",
        status=500,
        body={"message": "XTK-170036"},
    )
    with pytest.raises(TransientError, match=r"the list of records broke off: the place in it was given up"):
        listed(hook, profile)


@pytest.mark.sandbox
def test_a_first_page_that_is_refused_is_refused(
    hook: CampaignHook, profile: ResourceSchema, faults: Callable[..., None]
) -> None:
    faults(
        system="campaign", path="_lineCount", times=None, do="status", status=404, body={"message": "none"}
    )
    with pytest.raises(RefusedError):
        listed(hook, profile)


@pytest.fixture
def scripted(server: ScriptedServer, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
             clock: FakeTime) -> Callable[..., CampaignHook]:  # fmt: skip
    """A Campaign that answers lists as the test says."""
    import requests
    from campaign_sync.hooks.remedies import CAMPAIGN
    from campaign_sync.hooks.rest import Rest

    def hook(*envelopes: dict[str, Any]) -> CampaignHook:
        made = CampaignHook()
        made.__dict__["_rest"] = Rest(CAMPAIGN, f"{server.url}/acme/campaign", requests.Session)
        server.answers(*(Reply(body=json.dumps(each).encode()) for each in envelopes))
        return made

    monkeypatch.setattr(campaign_records, "LINES", 2)
    return hook


THINGS = ResourceSchema("cusThing", "customResources/cusThing", {"id": Field("id", "string")})


def page(server: ScriptedServer, *keys: str, more: str = "", count: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"content": [{"id": key} for key in keys]}
    if more:
        found["next"] = {"href": f"{server.url}{more}"}
    if count:
        found["count"] = {"href": f"{server.url}/acme/campaign//_count"}
    return found


def keys_of(hook: CampaignHook) -> list[str]:
    return [key for each in hook.everything(THINGS, "id", ()) for key in each.rows["@key"].to_pylist()]


def test_links_are_followed_as_they_are_with_what_they_lack(
    server: ScriptedServer, scripted: Callable[..., CampaignHook]
) -> None:
    hook = scripted(page(server, "a", "b", more="/acme/campaign/x//?_lineStart=@c"), page(server, "c"))
    assert keys_of(hook) == ["a", "b", "c"]
    first, second = (each.path for each in server.asked)
    assert "_order" not in first, "a key that cannot be sorted by is not"
    assert "_forcePagination=true" in first
    assert second == "/acme/campaign/x//?_lineStart=@c&_forcePagination=true"


def test_a_list_that_ends_long_before_its_count_is_read_again(
    server: ScriptedServer, scripted: Callable[..., CampaignHook]
) -> None:
    with pytest.raises(TransientError, match="it ended after 2 of 5,000 records"):
        keys_of(scripted(page(server, "a", "b", count=True), {"count": 5_000}))
    hook = scripted(page(server, "a", "b", count=True), {"count": 40})
    pages = list(hook.everything(THINGS, "id", ()))
    assert [key for each in pages for key in each.rows["@key"].to_pylist()] == ["a", "b"]
    assert sum(each.missing for each in pages) == 38, "a few may have been removed meanwhile"
    hook = scripted(
        page(server, "a", more="/acme/campaign/x?", count=True),
        {"count": 1},
        page(server, "made", "meanwhile"),
    )
    assert [each.missing for each in hook.everything(THINGS, "id", ())] == [0, 0]


def test_pages_that_run_in_a_circle_end(
    server: ScriptedServer, scripted: Callable[..., CampaignHook]
) -> None:
    with pytest.raises(TransientError, match="circle"):
        keys_of(scripted(page(server, "a", "b", more="/acme/campaign/x?_forcePagination=true")))


def test_a_link_to_another_host_is_not_followed(
    server: ScriptedServer, scripted: Callable[..., CampaignHook]
) -> None:
    elsewhere = page(server, "a") | {"next": {"href": "https://elsewhere.example/x"}}
    with pytest.raises(RefusedError, match="another host"):
        keys_of(scripted(elsewhere))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "type, value, told",
    [
        ("string", None, ""),
        ("string", " a ", " a "),
        ("integer", None, "0"),
        ("integer", "", "0"),
        ("integer", 7, "7"),
        ("integer", 7.0, "7"),
        ("float", None, 0.0),
        ("float", 12.5, 12.5),
        ("boolean", None, "false"),
        ("boolean", True, "true"),
        ("date", None, ""),
        ("datetime", "2026-02-03T04:05:06Z", "2026-02-03 04:05:06.000Z"),
        ("datetime", "2026-02-03 04:05:06.7Z", "2026-02-03 04:05:06.700Z"),
        ("datetime", "", ""),
        ("enumeration", "female", "female"),
    ],
)
def test_values_have_one_form_whatever_the_json_had(type: str, value: Any, told: Any) -> None:
    assert canonical(value, Field("f", type)) == told


@pytest.mark.sandbox
def test_objections_are_listed_under_either_spelling_with_the_time_of_each(
    hook: CampaignHook, profile: ResourceSchema, sandbox: Sandbox
) -> None:
    key, _ = seed(sandbox, 2)
    assert [*hook.write(profile, "externalId", [Write("amend", key, {"denyListEmail": True})])]
    time = f"{profile.fields['denyListEmail'].name}LastModified"
    first, second = listed(hook, profile, ("denyListEmail", "denyListFax", time, "lastModified"))
    assert (first["denyListEmail"], first["denyListFax"]) == ("true", "false")
    assert (second["denyListEmail"], second[time]) == ("false", "")
    assert first[time] == first["lastModified"] != ""
