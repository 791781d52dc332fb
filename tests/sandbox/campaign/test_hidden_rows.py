"""campaign.md §6: links between resources, and children that arrive before their parents."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api
from tests.sandbox.campaign.test_metadata import TICKET, TO_PROFILE

TICKETS = f"{EXT}/cusTicket"


@pytest.fixture
def tickets(api: Api) -> Api:
    """Tickets that need their profile: a link of cardinality 1 joined on a text field."""
    api.declare("cusTicket", **TICKET, links={"cusContactlink": {**TO_PROFILE, "cardinality": "1"}})
    assert api.call("POST", TICKETS, {"ticketId": "t1", "contactExtId": "late"}).status_code == 201
    return api


@pytest.mark.rule("campaign.md 13.2/B13")
def test_a_child_without_its_parent_is_stored_but_not_shown(tickets: Api) -> None:
    assert [(row["ticketId"], row["@hidden"]) for row in tickets.rows("cusTicket")] == [("t1", True)]
    assert tickets.get(f"{TICKETS}/t1").status_code == 404
    assert tickets.content(TICKETS) == []
    assert tickets.get(f"{TICKETS}/_count").json() == {"count": 0}
    assert tickets.content(f"{TICKETS}/byticketKey?ticketId_parameter=t1") == []


@pytest.mark.rule("campaign.md 13.2/B13")
def test_a_hidden_row_cannot_be_changed_deleted_or_sent_again(tickets: Api) -> None:
    patched = tickets.call("PATCH", f"{TICKETS}/t1", {"subject": "x"})
    deleted = tickets.call("DELETE", f"{TICKETS}/t1")
    again = tickets.call("POST", TICKETS, {"ticketId": "t1", "contactExtId": "late"})
    assert [a.status_code for a in (patched, deleted, again)] == [404, 404, 500]
    assert "Unable to find document" in patched.text
    assert "PGS-220000" in again.text
    assert len(tickets.rows("cusTicket")) == 1


@pytest.mark.rule("campaign.md 13.2/B13")
def test_the_child_appears_when_its_parent_arrives(tickets: Api) -> None:
    parent = tickets.profile(externalId="late", firstName="Ines")
    shown = tickets.get(f"{TICKETS}/t1").json()
    assert shown["cusContactlink"]["title"] == "Ines"
    assert tickets.get(shown["cusContactlink"]["href"]).json()["PKey"] == parent["PKey"]
    assert [row["ticketId"] for row in tickets.content(TICKETS)] == ["t1"]
    members = tickets.get(parent["cusTicketslink"]["href"]).json()
    assert [row["ticketId"] for row in members["content"]] == ["t1"]
    assert tickets.rows("cusTicket")[0]["@hidden"] is False


@pytest.mark.rule("campaign.md 13.2/B13")
def test_the_child_is_hidden_again_when_its_parent_goes(tickets: Api) -> None:
    tickets.profile(externalId="late")
    assert tickets.get(f"{TICKETS}/t1").status_code == 200
    tickets.call("DELETE", f"{EXT}/profile/late")
    assert tickets.get(f"{TICKETS}/t1").status_code == 404


@pytest.mark.rule("campaign.md 13.2/B13")
def test_with_0_or_1_cardinality_the_child_is_visible_and_its_link_null(tickets: Api) -> None:
    tickets.declare("cusTicket", links={"cusContactlink": {**TO_PROFILE, "cardinality": "0..1"}})
    shown = tickets.get(f"{TICKETS}/t1").json()
    assert shown["cusContactlink"] is None
    assert tickets.call("PATCH", f"{TICKETS}/t1", {"subject": "Lost bag"}).status_code == 200


@pytest.mark.rule("campaign.md 13.2/B13")
def test_a_primary_key_link_hides_as_well(api: Api) -> None:
    api.declare("cusSite", fields={"code": {}})
    link = {"target": "cusSite", "cardinality": "1", "on_delete": "nothing"}
    api.declare("cusRoom", fields={"name": {}}, links={"cusSitelink": link})
    assert api.call("POST", "/customResources/cusRoom", {"name": "a"}).status_code == 201
    site = api.call("POST", "/customResources/cusSite", {"code": "oslo"}).json()
    api.call("POST", "/customResources/cusRoom", {"name": "b", "cusSitelink": {"PKey": site["PKey"]}})
    assert [row["name"] for row in api.content("/customResources/cusRoom")] == ["b"]
    missing = {"name": "c", "cusSitelink": {"PKey": site["PKey"]}}
    api.call("DELETE", site["href"])
    assert api.call("POST", "/customResources/cusRoom", missing).status_code == 404


@pytest.mark.rule("campaign.md 13.3/U9")
def test_the_status_of_a_hidden_row_is_a_switch(tickets: Api) -> None:
    tickets.switch("hidden_row_status", 500)
    assert tickets.get(f"{TICKETS}/t1").status_code == 500
    assert tickets.get(f"{TICKETS}/nobody").status_code == 404


@pytest.mark.rule("campaign.md 6.2")
@pytest.mark.parametrize(
    "behaviour, children, parents",
    [("delete_referencing", 0, 0), ("clear", 1, 0), ("nothing", 1, 0)],
)
def test_deleting_a_parent_does_what_the_link_says(
    api: Api, behaviour: str, children: int, parents: int
) -> None:
    api.declare("cusTicket", **TICKET, links={"cusContactlink": {**TO_PROFILE, "on_delete": behaviour}})
    api.profile(externalId="p")
    api.call("POST", TICKETS, {"ticketId": "t1", "contactExtId": "p"})
    assert api.call("DELETE", f"{EXT}/profile/p").status_code == 200
    assert (len(api.rows("cusTicket")), len(api.rows())) == (children, parents)
    if children:
        assert api.rows("cusTicket")[0]["contactExtId"] == ("" if behaviour == "clear" else "p")


@pytest.mark.rule("campaign.md 6.2")
def test_the_documented_default_deletes_a_parent_nobody_refers_to_any_more(api: Api) -> None:
    link = {"target": "profile", "joins": {"contactExtId": "externalId"}}
    api.declare("cusTicket", **TICKET, links={"cusContactlink": link})
    api.profile(externalId="p")
    for ticket in ("t1", "t2"):
        api.call("POST", TICKETS, {"ticketId": ticket, "contactExtId": "p"})
    api.call("DELETE", f"{TICKETS}/t1")
    assert len(api.rows()) == 1
    api.call("DELETE", f"{TICKETS}/t2")
    assert api.rows() == []
