"""Every unconfirmed point has a switch; the errors of the catalogue have theirs."""

from __future__ import annotations

import pytest

from sandbox.dataverse.errors import CATALOGUE
from sandbox.switches import DECLARED
from tests.sandbox.dataverse.conftest import Api, guid

OURS = {name: switch for name, switch in DECLARED.items() if name.startswith("dataverse.")}


@pytest.mark.rule("dataverse.md 12.2/23")
def test_every_switch_has_a_meaning_and_a_source() -> None:
    assert len(OURS) > 50
    for switch in OURS.values():
        assert switch.meaning
        assert switch.source.startswith(("dataverse.md §", "dataverse.md spec"))


@pytest.mark.rule("dataverse.md 12.2/23")
def test_every_unconfirmed_status_can_be_chosen() -> None:
    unconfirmed = {name for name, entry in CATALOGUE.items() if not entry.confirmed}
    assert unconfirmed == {name.removeprefix("dataverse.status.") for name in OURS if ".status." in name}


@pytest.mark.rule("dataverse.md 12.2/23")
@pytest.mark.parametrize(
    ("switch", "value", "body", "status"),
    [
        ("empty_text", "kept", {"lastname": ""}, 204),
        ("numeric_strings", "accepted", {"numberofchildren": "3"}, 204),
        ("value_property_in_body", "ignored", {"_parentcustomerid_value": guid(1)}, 204),
        ("email_format", "checked", {"emailaddress1": "no address"}, 400),
        ("inactive_updates", "refused", {"statecode": 1}, 204),
    ],
)
def test_switches_change_what_a_write_does(
    api: Api, switch: str, value: object, body: dict, status: int
) -> None:
    api.switch(switch, value)
    assert api.patch(f"contacts({guid(1)})", body).status_code == status


@pytest.mark.rule("dataverse.md 12.2/23")
def test_kept_empty_text_is_no_null(api: Api) -> None:
    api.switch("empty_text", "kept")
    api.patch(f"contacts({guid(1)})", {"lastname": ""})
    assert api.get(f"contacts({guid(1)})").json()["lastname"] == ""


@pytest.mark.rule("dataverse.md 12.2/23")
def test_inactive_contacts_can_be_read_only(api: Api) -> None:
    assert api.patch(f"contacts({guid(4)})", {"lastname": "x"}).status_code == 204
    api.switch("inactive_updates", "refused")
    assert api.patch(f"contacts({guid(4)})", {"lastname": "x"}).status_code == 405


@pytest.mark.rule("dataverse.md 12.2/23")
def test_the_order_of_names_can_be_chosen(api: Api) -> None:
    api.switch("fullname_order", "last, first")
    api.patch(f"contacts({guid(1)})", {"lastname": "Ek"})
    assert api.get(f"contacts({guid(1)})").json()["fullname"] == "Ek, Ida"
