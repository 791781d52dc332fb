"""Pages off the wire: types, versions, deletions, damage; nothing is lost or changed silently."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.hooks.pages import Page, read_page
from campaign_sync.schema import Column

KEY = "contactid"
ID = "11111111-0000-4000-8000-00000000000A"


def page(*rows: dict[str, Any], columns: list[Column], **envelope: Any) -> Page:
    whole = [{"@odata.etag": 'W/"7"', KEY: ID, **row} for row in rows]
    return read_page(json.dumps({"value": whole, **envelope}).encode(), columns, KEY)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("String", '"Åsa 😀"', "Åsa 😀"),
        ("Memo", '"a\\r\\nb"', "a\r\nb"),
        ("Integer", "-2147483648", -2147483648),
        ("BigInt", "9007199254740993", 9007199254740993),
        ("Decimal", "12.50", Decimal("12.50")),
        ("Decimal", "-99999999999.1234567891", Decimal("-99999999999.1234567891")),
        ("Decimal", "1E-05", Decimal("0.00001")),
        ("Decimal", "5", Decimal("5")),
        ("Money", "922337203685477.5807", Decimal("922337203685477.5807")),
        ("Double", "59.33258", 59.33258),
        ("Double", "5", 5.0),
        ("Boolean", "true", True),
        ("DateTime", '"2026-02-03T04:05:06Z"', "2026-02-03T04:05:06Z"),
        ("DateOnly", '"1990-05-17"', "1990-05-17"),
        ("Picklist", "512340001", 512340001),
        ("State", "0", 0),
        ("Status", "1", 1),
        ("MultiSelectPicklist", '"3,7"', "3,7"),
        ("Uniqueidentifier", f'"{ID}"', ID),
        *((kind, "null", None) for kind in ("String", "Integer", "Decimal", "Double", "Boolean", "DateTime")),
    ],
)
def test_a_value_arrives_as_its_type_without_loss(kind: str, text: str, value: object) -> None:
    body = f'{{"value":[{{"@odata.etag":"W/\\"7\\"","{KEY}":"{ID}","x":{text}}}]}}'.encode()
    assert read_page(body, [Column("x", kind, property="x")], KEY).rows.column("x").to_pylist() == [value]


def test_a_row_has_its_key_in_lower_case_and_its_version() -> None:
    rows = page({"x": "a"}, columns=[Column("x", "String", property="x")]).rows
    assert rows.to_pylist() == [{KEY: ID.lower(), "x": "a", "@version": 7}]


def test_a_lookup_goes_by_its_wire_name() -> None:
    column = Column("parentcustomerid", "Lookup", property="_parentcustomerid_value")
    assert (
        page({"_parentcustomerid_value": "b"}, columns=[column]).rows.column_names[1]
        == "_parentcustomerid_value"
    )


def test_what_was_not_asked_for_is_left_out() -> None:
    row = {"x": "a", "y@OData.Community.Display.V1.FormattedValue": "b", "z": [{"deep": [1]}]}
    assert page(row, columns=[Column("x", "String", property="x")]).rows.column_names == [
        KEY,
        "x",
        "@version",
    ]


def test_deleted_rows_are_told_apart() -> None:
    context = "https://x.example/api/data/v9.2/$metadata#contacts/$deletedEntity"
    gone = {"@odata.context": context, "id": ID, "reason": "deleted"}
    body = json.dumps({"value": [{"@odata.etag": 'W/"8"', KEY: "b", "x": "1"}, gone]}).encode()
    found = read_page(body, [Column("x", "String", property="x")], KEY)
    assert found.deleted == [ID.lower()]
    assert found.rows.to_pylist() == [{KEY: "b", "x": "1", "@version": 8}]


def test_a_page_may_hold_deletions_only_or_nothing() -> None:
    context = "https://x.example/$metadata#contacts/$deletedEntity"
    body = json.dumps({"value": [{"@odata.context": context, "id": ID, "reason": "deleted"}]}).encode()
    assert (read_page(body, [], KEY).rows.num_rows, read_page(body, [], KEY).deleted) == (0, [ID.lower()])
    empty = page(columns=[Column("x", "Integer", property="x")])
    assert (empty.rows.num_rows, empty.rows.column_names, empty.deleted) == (0, [KEY, "x", "@version"], [])


def test_links_are_taken_as_they_are() -> None:
    link = "https://x.example/api?$skiptoken=%3Ccookie%20pagenumber=%222%22/%3E"
    found = page(columns=[], **{"@odata.nextLink": link})
    assert (found.link, found.delta_link) == (link, None)
    assert page(columns=[], **{"@odata.deltaLink": link}).delta_link == link


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"value":[{"a":1}', b"<html>", b"[]", b"{}", b'{"value":null}']
)
def test_a_damaged_page_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_page(body, [], KEY)


def test_half_an_emoji_becomes_the_replacement_character() -> None:
    text = "\\\\ud83d stays, \\ud83d\\ude00 stays, \\ud83d goes"
    body = f'{{"value":[{{"@odata.etag":"W/\\"7\\"","{KEY}":"{ID}","x":"{text}"}}]}}'.encode()
    found = read_page(body, [Column("x", "Memo", property="x")], KEY).rows.column("x").to_pylist()
    assert found == ["\\ud83d stays, 😀 stays, \ufffd goes"]


@pytest.mark.parametrize(
    ("kind", "value"), [("Integer", "Planted"), ("String", 5), ("Integer", 3_000_000_000)]
)
def test_values_that_do_not_fit_the_metadata_are_refused_without_naming_them(
    kind: str, value: object
) -> None:
    with pytest.raises(RefusedError) as caught:
        page({"x": value}, columns=[Column("x", kind, property="x")])
    assert str(value) not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("etag", [None, 'W/"abc"'])
def test_a_row_without_a_version_is_refused(etag: str | None) -> None:
    with pytest.raises(RefusedError):
        page({"@odata.etag": etag}, columns=[])
