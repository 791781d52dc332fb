"""campaign.md §3: records, lists, pages, counts, order."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

PROFILE = f"{EXT}/profile"


def seed(api: Api, number: int) -> None:
    api.seed("profile", [{"externalId": f"id-{n:05}", "email": f"p{n}@x.example"} for n in range(number)])


def walk(api: Api, path: str, **more: str) -> list[str]:
    """Follow `next` verbatim to its end and return all externalIds."""
    seen, address = [], path
    while address:
        page = api.get(address).json()
        seen += [row["externalId"] for row in page["content"]]
        address = page.get("next", {}).get("href")
        if address and more:
            address += "".join(f"&{name}={value}" for name, value in more.items())
    return seen


@pytest.mark.rule("campaign.md 13.2/B3")
def test_a_page_has_25_rows_and_the_next_ones_follow_by_an_opaque_cursor(api: Api) -> None:
    seed(api, 60)
    page = api.get(PROFILE).json()
    assert set(page) == {"content", "next", "count", "serverSidePagination"}
    assert len(page["content"]) == 25
    assert page["serverSidePagination"] is True
    assert "_lineStart=@" in page["next"]["href"]
    assert walk(api, PROFILE) == [f"id-{n:05}" for n in range(60)]


@pytest.mark.rule("campaign.md 13.2/B3")
def test_the_last_page_has_no_next_even_if_it_is_full(api: Api) -> None:
    seed(api, 50)
    second = api.get(api.get(PROFILE).json()["next"]["href"]).json()
    assert len(second["content"]) == 25
    assert "next" not in second


@pytest.mark.rule("campaign.md 13.2/B3")
def test_a_cursor_is_good_for_its_own_query_only(api: Api) -> None:
    seed(api, 60)
    cursor = api.get(PROFILE).json()["next"]["href"].partition("_lineStart=")[2]
    assert api.get(f"{PROFILE}?_lineStart={cursor}").status_code == 200
    assert api.get(f"{PROFILE}?_order=externalId&_lineStart={cursor}").status_code == 500
    assert api.get(f"{EXT}/service?_lineStart={cursor}").status_code == 500
    assert api.get(f"{PROFILE}?_lineStart=@gibberish").status_code == 500


@pytest.mark.rule("campaign.md 13.2/B3")
def test_a_big_table_has_no_next_page_unless_pagination_is_forced(api: Api) -> None:
    seed(api, 60)
    api.switch("big_table_threshold", 59)
    cut = api.get(PROFILE).json()
    assert "next" not in cut
    assert cut["serverSidePagination"] is False
    forced = api.get(f"{PROFILE}?_forcePagination=true").json()
    assert "_lineStart" in forced["next"]["href"]
    api.switch("big_table_threshold", 60)
    assert "next" in api.get(PROFILE).json()


@pytest.mark.rule("campaign.md 3.3")
def test_the_real_threshold_is_100_000_rows(api: Api) -> None:
    for start in range(0, 100_000, 50_000):
        api.seed("profile", [{"externalId": f"id-{n}"} for n in range(start, start + 50_000)])
    assert "next" in api.get(PROFILE).json()
    api.profile(externalId="one more")
    assert "next" not in api.get(PROFILE).json()
    page = api.get(f"{PROFILE}?_forcePagination=true&_order=externalId&_lineCount=1000").json()
    assert len(page["content"]) == 1000
    assert api.get(f"{PROFILE}/_count").json() == {"count": 100_001}


@pytest.mark.rule("campaign.md 3.3")
@pytest.mark.parametrize("manner, rows", [("carried", 60), ("dropped", 50)])
def test_whether_next_carries_the_forcing_is_a_switch(api: Api, manner: str, rows: int) -> None:
    seed(api, 60)
    api.switch("big_table_threshold", 10)
    api.switch("force_pagination_in_next", manner)
    assert len(walk(api, f"{PROFILE}?_forcePagination=true")) == rows
    if manner == "dropped":
        assert len(walk(api, f"{PROFILE}?_forcePagination=true", _forcePagination="true")) == 60


@pytest.mark.rule("campaign.md 13.2/B3")
def test_the_counts_address_has_a_double_slash_and_works_as_it_is(api: Api) -> None:
    seed(api, 26)
    count = api.get(PROFILE).json()["count"]
    assert "/profile//_count" in count["href"]
    assert "value" not in count
    assert api.get(count["href"]).json() == {"count": 26}
    one = api.get(f"{PROFILE}/byEmail?email=p3%40x.example").json()["count"]
    assert "/profile//byEmail/_count?email=p3%40x.example" in one["href"]
    assert one["value"] == 1
    assert api.get(one["href"]).json() == {"count": 1}


@pytest.mark.rule("campaign.md 13.2/B3")
def test_one_attribute_of_all_records_is_a_list_of_scalars(api: Api) -> None:
    seed(api, 5)
    page = api.get(f"{PROFILE}/email?_lineCount=3").json()
    assert page["content"] == ["p0@x.example", "p1@x.example", "p2@x.example"]
    assert "count" not in page
    assert api.get(page["next"]["href"]).json()["content"] == ["p3@x.example", "p4@x.example"]


@pytest.mark.rule("campaign.md 3.6")
def test_order_is_by_one_sortable_field_up_or_down(api: Api) -> None:
    names = ["Osei", "Abel", "", "Zoe", "Abel", ""]
    api.seed("profile", [{"externalId": str(n), "lastName": name} for n, name in enumerate(names)])
    assert walk(api, f"{PROFILE}?_order=lastName&_lineCount=2") == ["2", "5", "1", "4", "0", "3"]
    assert walk(api, f"{PROFILE}?_order=lastName%20desc&_lineCount=2") == ["3", "0", "4", "1", "5", "2"]
    assert api.get(f"{PROFILE}?_order=age").status_code == 500
    assert "is not valid for the 'profile' resource" in api.get(f"{PROFILE}?_order=shoeSize").text


@pytest.mark.rule("campaign.md 13.3/U13")
def test_a_page_never_has_more_rows_than_the_maximum(api: Api) -> None:
    seed(api, 1200)
    assert len(api.content(f"{PROFILE}?_lineCount=5000")) == 1000
    api.switch("line_count_maximum", 30)
    assert len(api.content(f"{PROFILE}?_lineCount=5000")) == 30


@pytest.mark.rule("campaign.md 13.2/B8")
def test_a_single_record_is_bare_and_has_no_address_of_its_own_while_listed_rows_have(api: Api) -> None:
    api.profile(externalId="a")
    single = api.get(f"{PROFILE}/a").json()
    assert single["externalId"] == "a"
    assert "href" not in single
    assert "content" not in single
    row = api.content(PROFILE)[0]
    assert api.get(row["href"]).json() == single


@pytest.mark.rule("campaign.md 1.3")
def test_a_json_suffix_on_the_resource_changes_nothing(api: Api) -> None:
    seed(api, 1)
    assert api.get(f"{PROFILE}.json").json()["content"] == api.content(PROFILE)


@pytest.mark.rule("campaign.md 3.1")
def test_an_unmatched_filter_is_an_empty_list_and_no_404(api: Api) -> None:
    answer = api.get(f"{PROFILE}/byEmail?email=nobody%40x.example")
    assert answer.status_code == 200
    assert answer.json()["content"] == []
    assert answer.json()["count"]["value"] == 0
