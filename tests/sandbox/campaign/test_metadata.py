"""campaign.md §2: endpoints, resource lists, metadata, publication."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

KEYS_OF_A_FIELD = {
    "PKey", "apiName", "category", "privacy", "resName", "dataPolicy", "desc", "help", "label",
    "displayFormat", "length", "metadata", "lazyLoaded", "mandatory", "queryable", "readOnly", "sortable",
    "resType", "type",
}  # fmt: skip
TICKET = {
    "label": "Ticket",
    "fields": {
        "ticketId": {"length": 36, "mandatory": True},
        "subject": {},
        "openedOn": {"type": "date"},
        "amount": {"type": "float"},
        "contactExtId": {"length": 100},
    },
    "keys": {"ticketKey": {"fields": ["ticketId"]}},
    "filters": {"byticketKey": {"rules": [{"column": "ticketId", "parameter": "ticketId_parameter"}]}},
}
PUBLISHED = {  # at the start
    "cusStore": "profileAndServicesExt",
    "cusVendor": "customResources",
    "cusPurchaseOrder": "customResources",
    "cusPurchaseOrderLine": "customResources",
}
TO_PROFILE = {"target": "profile", "joins": {"contactExtId": "externalId"}, "on_delete": "nothing"}


def content(api: Api, resource: str, endpoint: str = EXT) -> dict[str, dict]:
    return dict(api.get(f"{endpoint}/resourceType/{resource}").json()["content"])


@pytest.mark.rule("campaign.md 13.2/B4")
def test_the_resource_list_names_each_resource_with_its_data_path_and_metadata_address(api: Api) -> None:
    answer = api.get(f"{EXT}/").json()
    assert answer["apiName"] == "resourceType"
    assert set(answer) == {"apiName", "profile", "service", "orgUnitBase", "geoUnitBase", "cusStore"}
    profile = answer["profile"]
    assert profile["data"] == "/profileAndServicesExt/profile/"
    assert profile["type"] == "collection"
    assert profile["href"].endswith("/alderleaf/campaign/profileAndServicesExt/profile/metadata")
    by_name = api.get(f"{EXT}/resourceType/profile").json()
    assert api.get(profile["href"]).json() == by_name


@pytest.mark.rule("campaign.md 13.2/B4")
def test_every_field_has_the_19_keys_and_its_length_is_text(api: Api) -> None:
    for name, entry in content(api, "profile").items():
        assert set(entry) >= KEYS_OF_A_FIELD, name
        assert isinstance(entry["length"], str)
        assert entry["apiName"] == name
    lengths = {name: entry["length"] for name, entry in content(api, "profile").items()}
    expected = {"firstName": "30", "lastName": "50", "email": "128", "phone": "32", "externalId": "100"}
    assert {name: lengths[name] for name in expected} == expected
    assert lengths["cusNote"] == "255"


@pytest.mark.rule("campaign.md 13.2/B4")
def test_types_policies_and_links_are_what_the_declaration_says(api: Api) -> None:
    fields = content(api, "profile")
    kinds = {name: (entry["type"], entry["resType"]) for name, entry in fields.items()}
    assert kinds["gender"] == ("enumeration", "byte")
    assert kinds["preferredLanguage"] == ("enumeration", "string")
    assert kinds["blackListEmail"] == ("boolean", "boolean")
    assert kinds["birthDate"] == ("date", "date")
    assert kinds["created"] == ("date", "datetime")
    assert kinds["cusFirstSeen"] == ("date", "datetime")
    assert kinds["cusChildren"] == ("number", "long")
    assert kinds["cusTotalPurchase"] == ("number", "float")
    assert kinds["location"][0] == "item"
    assert kinds["subscriptions"] == ("collection", "link")
    assert fields["subscriptions"]["resTarget"] == "subscriptionRcp"
    assert (kinds["orgUnit"], fields["orgUnit"]["unbound"]) == (("link", "link"), False)
    assert fields["email"]["dataPolicy"] == "email"
    assert fields["lastName"]["dataPolicy"] == "smartCase"
    assert {n for n, e in fields.items() if e["readOnly"]} >= {
        "age",
        "title",
        "domain",
        "created",
        "lastModified",
    }
    assert fields["gender"]["values"]["female"] == {"name": "female", "value": "2", "label": "Female"}
    assert fields["timeZone"]["values"]["Europe_Oslo"]["value"] == "Europe/Oslo"


@pytest.mark.rule("campaign.md 13.2/B4")
def test_a_record_has_exactly_the_fields_of_the_metadata(api: Api) -> None:
    shown = set(api.profile(externalId="a")) - {"PKey", "href"}
    assert shown == set(content(api, "profile"))


@pytest.mark.rule("campaign.md 13.2/B4")
def test_filter_metadata_gives_the_pattern_and_the_parameters(api: Api) -> None:
    filters = api.get(api.get(f"{EXT}/resourceType/profile").json()["filters"]["href"]).json()
    assert filters["byText"]["data"] == "/profileAndServicesExt/profile/byText?text=$value"
    custom = filters["byextId"]
    assert custom["data"] == "/profileAndServicesExt/profile/byextId?externalId_parameter=$value"
    assert set(custom["metadata"]) == {"externalId_parameter"}
    assert custom["condition"]["enabledIf"] == "$(externalId_parameter) != ''"


@pytest.mark.rule("campaign.md 13.3/U20")
def test_the_shape_of_enumeration_values_is_a_switch(api: Api) -> None:
    as_map = content(api, "profile")["gender"]["values"]
    assert list(as_map) == ["unknown", "male", "female"]
    api.switch("values_shape", "list")
    assert content(api, "profile")["gender"]["values"] == list(as_map.values())


@pytest.mark.rule("campaign.md 13.2/B5")
def test_the_plain_endpoint_never_shows_extensions(api: Api) -> None:
    plain = content(api, "profile", "/profileAndServices")
    assert not [name for name in plain if name.startswith("cus")]
    assert "orgUnit" not in plain
    made = api.profile(externalId="a", cusNickName="Mi")
    assert "cusNickName" not in api.get(f"/profileAndServices/profile/{made['PKey']}").json()
    refused = api.call("POST", "/profileAndServices/profile", {"cusNickName": "x"})
    assert refused.status_code == 500
    assert "'cusNickName' property is not valid for the 'profile' resource." in refused.text
    filters = api.get(api.get("/profileAndServices/resourceType/profile").json()["filters"]["href"]).json()
    assert "byextId" not in filters
    assert api.get("/profileAndServices/profile/a").status_code == 404


@pytest.mark.rule("campaign.md 13.2/B5")
def test_ext_is_not_there_until_it_is_published(api: Api) -> None:
    assert api.get(f"{api.stage}{EXT}/profile").status_code == 404
    assert api.get(f"{api.stage}{EXT}/resourceType/profile").status_code == 404
    assert api.get(f"{api.stage}/profileAndServices/profile").status_code == 200
    api.declare(tenant="alderleaf-mkt-stage", ext=True)
    assert api.get(f"{api.stage}{EXT}/profile").status_code == 200


@pytest.mark.rule("campaign.md 13.2/B5")
def test_a_draft_is_unknown_until_it_is_published(api: Api) -> None:
    api.declare("profile", fields={"cusHobby": {"length": 20}}, publish=False)
    assert "cusHobby" not in content(api, "profile")
    assert "'cusHobby' property is not valid" in api.call("POST", f"{EXT}/profile", {"cusHobby": "x"}).text
    api.declare()
    assert content(api, "profile")["cusHobby"]["length"] == "20"
    assert api.profile(cusHobby="Sailing")["cusHobby"] == "Sailing"


@pytest.mark.rule("campaign.md 13.2/B5")
def test_linking_a_resource_to_profile_and_publishing_moves_its_address(api: Api) -> None:
    api.declare("cusTicket", **TICKET)
    assert api.call("POST", "/customResources/cusTicket", {"ticketId": "t"}).status_code == 201
    assert api.get(f"{EXT}/cusTicket").status_code == 404
    api.declare("cusTicket", links={"cusContactlink": {**TO_PROFILE, "reverse": "cusTicketslink"}})
    assert api.get("/customResources/cusTicket").status_code == 404
    assert [row["ticketId"] for row in api.content(f"{EXT}/cusTicket")] == ["t"]
    assert "cusTicket" in api.get(f"{EXT}/").json()
    assert "cusTicket" not in api.get("/customResources/").json()
    assert content(api, "profile")["cusTicketslink"]["resTarget"] == "cusTicket"


@pytest.mark.rule("campaign.md 2.1")
def test_children_of_linked_resources_are_in_ext_and_children_of_unlinked_ones_are_not(api: Api) -> None:
    api.declare("cusTicket", **TICKET, links={"cusContactlink": TO_PROFILE})
    api.declare("cusReply", fields={"text": {}}, links={"cusTicketlink": {"target": "cusTicket"}})
    api.declare("cusSite", fields={"code": {}})
    api.declare("cusRoom", fields={"code": {}}, links={"cusSitelink": {"target": "cusSite"}})
    resources = api.sandbox.control("GET", "/sandbox/campaign/resources")["resources"]
    assert {n: r["endpoint"] for n, r in resources.items() if n.startswith("cus")} == {
        **PUBLISHED,
        "cusTicket": "profileAndServicesExt",
        "cusReply": "profileAndServicesExt",
        "cusSite": "customResources",
        "cusRoom": "customResources",
    }


@pytest.mark.rule("campaign.md 2.1")
def test_what_an_administrator_published_before_is_there_but_not_in_the_stage_tenant(api: Api) -> None:
    for name, endpoint in PUBLISHED.items():
        assert name in api.get(f"/{endpoint}/").json()
        assert api.content(f"/{endpoint}/{name}") == []
    stage = api.sandbox.control("GET", "/sandbox/campaign/resources?tenant=alderleaf-mkt-stage")["resources"]
    assert not PUBLISHED.keys() & stage.keys()


@pytest.mark.rule("campaign.md 6.3")
def test_a_store_is_seen_without_its_profile_and_an_order_not_without_its_vendor(api: Api) -> None:
    store = {"storeId": "s-1", "contactExtId": "nobody yet"}
    assert api.call("POST", f"{EXT}/cusStore", store).status_code == 201
    assert [row["cusContactlink"] for row in api.content(f"{EXT}/cusStore")] == [None]
    order = {"orderId": "o-1", "vendorId": "v-1"}
    assert api.call("POST", "/customResources/cusPurchaseOrder", order).status_code == 201
    assert api.content("/customResources/cusPurchaseOrder") == []
    api.profile(externalId="nobody yet", email="now@alder.example")
    assert (
        api.call("POST", "/customResources/cusVendor", {"vendorId": "v-1", "name": "One"}).status_code == 201
    )
    assert api.content(f"{EXT}/cusStore")[0]["cusContactlink"]["title"] == "(now@alder.example)"
    assert api.content("/customResources/cusPurchaseOrder")[0]["cusVendorlink"]["title"] == "One"


@pytest.mark.rule("campaign.md 2.1")
def test_a_resource_hidden_from_apis_is_nowhere(api: Api) -> None:
    api.declare("cusTicket", **TICKET, hidden=True)
    assert api.get("/customResources/cusTicket").status_code == 404
    assert api.get(f"{EXT}/cusTicket").status_code == 404


@pytest.mark.rule("campaign.md 5")
def test_opt_out_attributes_may_be_called_deny_list(api: Api) -> None:
    api.profile(externalId="a", blackListEmail=True)
    api.switch("opt_out_names", "denyList")
    assert content(api, "profile")["denyListPushnotification"]["type"] == "boolean"
    assert not [name for name in content(api, "profile") if name.startswith("blackList")]
    assert api.get(f"{EXT}/profile/a").json()["denyListEmail"] is True
    assert (
        "'blackList' property is not valid" in api.call("PATCH", f"{EXT}/profile/a", {"blackList": True}).text
    )
    assert api.call("PATCH", f"{EXT}/profile/a", {"denyListFax": True}).status_code == 200


@pytest.mark.rule("campaign.md 2.1")
def test_what_is_not_imitated_says_so(api: Api) -> None:
    for method, path in (("POST", "/privacy/privacyTool"), ("POST", "/mcalderleaf/EVT1")):
        answer = api.call(method, path, {})
        assert answer.status_code == 501
        assert "does not imitate" in answer.json()["message"]
