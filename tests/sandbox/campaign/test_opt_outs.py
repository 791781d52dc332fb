"""campaign.md §5: opt-out attributes and their change times."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"


@pytest.mark.rule("campaign.md 13.2/B14")
def test_a_flags_own_time_is_set_when_and_only_when_its_value_changes(api: Api) -> None:
    made = api.profile(externalId="a", blackListEmail=True, blackListFax=False)
    assert made["blackListEmailLastModified"] != ""
    assert made["blackListFaxLastModified"] == ""
    api.advance(60)
    api.call("PATCH", made["href"], {"blackListEmail": True, "ccpaOptOut": True, "firstName": "Ines"})
    after = api.get(made["href"]).json()
    assert after["blackListEmailLastModified"] == made["blackListEmailLastModified"]
    assert after["ccpaOptOutLastModified"] > made["created"]
    api.advance(60)
    api.call("PATCH", made["href"], {"blackListEmail": False})
    assert api.get(made["href"]).json()["blackListEmailLastModified"] > after["ccpaOptOutLastModified"]


@pytest.mark.rule("campaign.md 13.2/B14")
def test_push_has_no_time_of_its_own(api: Api) -> None:
    made = api.profile(externalId="a", blackListPushnotification=True)
    assert made["blackListPushnotification"] is True
    assert not [name for name in made if name.startswith("blackListPush") and name.endswith("LastModified")]


@pytest.mark.rule("campaign.md 13.2/B14")
def test_a_switch_hides_all_times(api: Api) -> None:
    api.switch("opt_out_times", False)
    made = api.profile(externalId="a", blackList=True, blackListEmail=True)
    assert [name for name in made if name.endswith("LastModified")] == []
    fields = api.get(f"{EXT}/resourceType/profile").json()["content"]
    assert [name for name in fields if name.endswith("LastModified")] == []


@pytest.mark.rule("campaign.md 5")
def test_the_eight_flags_are_independent(api: Api) -> None:
    made = api.profile(externalId="a", blackList=True)
    flags = {
        name: made[name] for name in made if name.startswith("blackList") and isinstance(made[name], bool)
    }
    assert [name for name, value in flags.items() if value] == ["blackList"]
    assert len(flags) == 7
