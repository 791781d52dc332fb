"""Building the URLs of reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.hooks.queries import instant, rows_url, selected, urls_by_keys

ROOT = "https://x.example/api/data/v9.2/"


def test_option_values_are_encoded() -> None:
    url = rows_url(ROOT, "contacts", ["fullname"], filter="emailaddress1 eq 'a+b@x.example'")
    assert "%2B" in url
    assert dict(parse_qsl(urlsplit(url).query))["$filter"] == "emailaddress1 eq 'a+b@x.example'"


def test_thousands_of_keys_fit_into_urls_of_the_allowed_length() -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(5000)]
    urls = list(urls_by_keys(ROOT, "contacts", ["fullname"], "contactid", keys, 5000))
    assert max(map(len, urls)) <= 32_768
    assert len(urls) < 10
    assert sum(url.count("-4000-") for url in urls) == 5000


def test_keys_are_read_lazily() -> None:
    asked: list[int] = []

    def keys() -> object:
        for number in range(100_000):
            asked.append(number)
            yield f"{number:08x}-0000-4000-8000-000000000000"

    next(urls_by_keys(ROOT, "contacts", [], "contactid", keys(), 5000))  # type: ignore[arg-type]
    assert len(asked) < 1000


@pytest.mark.parametrize("key", ["", "1", "x' or 1 eq 1", '"],x', "11111111-0000-4000-8000-00000000000"])
def test_only_ids_of_rows_get_into_a_query(key: str) -> None:
    with pytest.raises(RefusedError, match="not the id of a row"):
        list(urls_by_keys(ROOT, "contacts", [], "contactid", [key], 10))


@pytest.mark.parametrize(
    ("moment", "literal"),
    [
        (datetime(2026, 1, 31, 7), "2026-01-31T07:00:00Z"),
        (datetime(2026, 1, 31, 7, tzinfo=UTC), "2026-01-31T07:00:00Z"),
        (datetime(2026, 1, 31, 7, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T06:00:00Z"),
        (datetime(2026, 1, 31, 7, 0, 0, 5000, UTC), "2026-01-31T07:00:00.005Z"),
    ],
)
def test_an_instant_is_written_in_utc(moment: datetime, literal: str) -> None:
    assert instant(moment) == literal


def test_a_stored_link_tells_its_columns() -> None:
    link = f"{ROOT}contacts?$select=a,_b_value&$deltatoken=5567%2102%2f03%2f2026"
    assert selected(link) == {"a", "_b_value"}
    assert selected(f"{ROOT}contacts?%24select=a%2Cb&$deltatoken=1") == {"a", "b"}
    assert selected(f"{ROOT}contacts?$deltatoken=1") is None
