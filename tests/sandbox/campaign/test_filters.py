"""campaign.md §3.4: filters in the path."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"
PEOPLE = [
    {"externalId": "a", "firstName": "Kwame", "lastName": "Osei", "email": "kwame@x.example"},
    {"externalId": "b", "firstName": "Osei", "lastName": "Tutu", "email": "tutu+club@x.example"},
    {"externalId": "c", "firstName": "Ines", "lastName": "osei", "email": "kwame@x.example"},
]


def found(api: Api, path: str) -> list[str]:
    return [row["externalId"] for row in api.content(path)]


@pytest.fixture
def people(api: Api) -> Api:
    api.seed("profile", PEOPLE)
    return api


@pytest.mark.rule("campaign.md 13.2/B6")
def test_by_email_finds_every_profile_with_the_address(people: Api) -> None:
    assert found(people, f"{PROFILE}/byEmail?email=kwame%40x.example") == ["a", "c"]


@pytest.mark.rule("campaign.md 3.2")
def test_an_unencoded_plus_is_a_space(people: Api) -> None:
    assert found(people, f"{PROFILE}/byEmail?email=tutu+club@x.example") == []
    assert found(people, f"{PROFILE}/byEmail?email=tutu%2Bclub%40x.example") == ["b"]


@pytest.mark.rule("campaign.md 13.2/B6")
def test_by_text_is_a_case_sensitive_prefix_search_in_name_and_email(people: Api) -> None:
    assert found(people, f"{PROFILE}/byText?text=Ose") == ["a", "b"]
    assert found(people, f"{PROFILE}/byText?text=ose") == ["c"]
    assert found(people, f"{PROFILE}/byText?text=kwame") == ["a", "c"]
    assert found(people, f"{PROFILE}/byText?text=sei") == []


@pytest.mark.rule("campaign.md 13.2/B6")
def test_filter_type_narrows_by_text_to_one_field_custom_ones_included(people: Api) -> None:
    assert found(people, f"{PROFILE}/byText?text=Osei&filterType=lastName") == ["a"]
    people.declare("profile", fields={"cusHobby": {"length": 20}})
    people.profile(externalId="d", cusHobby="Sailing")
    assert found(people, f"{PROFILE}/byText?cusHobby=Sailing&filterType=Hobby") == ["d"]


@pytest.mark.rule("campaign.md 13.2/B6")
def test_a_custom_filter_answers_to_its_own_id_and_parameter(people: Api) -> None:
    assert found(people, f"{PROFILE}/byextId?externalId_parameter=b") == ["b"]
    assert found(people, f"{PROFILE}/byextId?externalId_parameter=nobody") == []


@pytest.mark.rule("campaign.md 13.2/B6")
@pytest.mark.parametrize("query", ["externalId_parameter=", "externalid_parameter=b", "externalId=b", ""])
def test_an_empty_or_misspelt_parameter_returns_all_rows(people: Api, query: str) -> None:
    assert found(people, f"{PROFILE}/byextId?{query}") == ["a", "b", "c"]


@pytest.mark.rule("campaign.md 13.2/B6")
def test_a_filter_may_compare_with_the_empty_parameter_instead(people: Api) -> None:
    rule = {"column": "externalId", "parameter": "id_parameter", "off_when_empty": False}
    people.declare("profile", filters={"bystrict": {"rules": [rule]}})
    people.profile(email="new@x.example")
    assert found(people, f"{PROFILE}/bystrict?id_parameter=b") == ["b"]
    assert found(people, f"{PROFILE}/bystrict") == [""]


@pytest.mark.rule("campaign.md 13.2/B6")
def test_the_id_of_a_filter_is_case_sensitive(people: Api) -> None:
    answer = people.get(f"{PROFILE}/byExtId?externalId_parameter=b")
    assert answer.status_code == 404


@pytest.mark.rule("campaign.md 3.4")
def test_chained_filters_all_hold(api: Api) -> None:
    rows = [("spa_news", "email"), ("spa_alert", "sms"), ("golf", "email")]
    api.seed("service", [{"name": name, "messageType": channel} for name, channel in rows])
    path = f"{EXT}/service/byChannel/byText?channel=email&text=spa"
    assert [row["name"] for row in api.content(path)] == ["spa_news"]
    assert [row["name"] for row in api.content(f"{EXT}/service/byChannel?channel=sms")] == ["spa_alert"]


@pytest.mark.rule("campaign.md 3.4")
def test_a_filter_that_is_not_imitated_says_so(api: Api) -> None:
    answer = api.get(f"{PROFILE}/birthday?type=x")
    assert answer.status_code == 501
    assert "birthday" in answer.json()["message"]
