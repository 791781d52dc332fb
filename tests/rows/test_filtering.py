"""Conditions on rows: every operator, every type it is for, empty cells, groups, and the rule that drops."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from campaign_sync.mapping.conditions import OPERATORS
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.transform import VERSION, filter_rows

from tests.mappings.systems import CONTACT, mapping_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

PEOPLE = [
    {
        "contactid": "a",
        "lastname": "Øst",
        "emailaddress1": "a@alder.example",
        "numberofchildren": 0,
        "creditlimit": 10.5,
        "statecode": 0,
        "donotemail": True,
        "birthdate": "1980-05-17",
        "createdon": "2026-02-20T00:00:00Z",
        "new_interests": "3,37",
        "parentcustomerid": "11111111-0000-4000-8000-000000000001",
    },
    {
        "contactid": "b",
        "lastname": "øST",
        "emailaddress1": "b@birch.example",
        "numberofchildren": 2,
        "creditlimit": 20.0,
        "statecode": 1,
        "donotemail": False,
        "birthdate": "1999-12-31",
        "createdon": "2025-01-01T00:00:00Z",
        "new_interests": "7",
    },
    {"contactid": "c", "lastname": " \t", "emailaddress1": ""},
]

#: condition -> the people who stay; c has nothing but blanks
CONDITIONS = [
    ("{column: lastname, equals: Øst}", "a"),
    ("{column: lastname, equals: Øst, ignore_case: true}", "ab"),
    ("{column: lastname, not_equals: Øst}", "bc"),
    ("{column: emailaddress1, in: [a@alder.example, x]}", "a"),
    ("{column: emailaddress1, not_in: [a@alder.example, x]}", "bc"),
    ("{column: emailaddress1, starts_with: a@}", "a"),
    ("{column: emailaddress1, starts_with: A@, ignore_case: true}", "a"),
    ("{column: emailaddress1, ends_with: birch.example}", "b"),
    ("{column: emailaddress1, contains: alder}", "a"),
    ("{column: emailaddress1, contains: '.'}", "ab"),
    ("{column: emailaddress1, does_not_contain: alder}", "bc"),
    ("{column: emailaddress1, matches: '^[ab]@(alder|oak)'}", "a"),
    ("{column: emailaddress1, matches: ALDER, ignore_case: true}", "a"),
    ("{column: emailaddress1, less_than: b}", "ac"),
    ("{column: emailaddress1, present: true}", "ab"),
    ("{column: emailaddress1, present: false}", "c"),
    ("{column: lastname, present: true}", "ab"),
    ("{column: nickname, present: false}", "abc"),
    ("{column: numberofchildren, equals: 0}", "a"),
    ("{column: numberofchildren, not_equals: 0}", "bc"),
    ("{column: numberofchildren, in: [1, 2]}", "b"),
    ("{column: numberofchildren, not_in: [1, 2]}", "ac"),
    ("{column: numberofchildren, less_than: 2}", "a"),
    ("{column: numberofchildren, at_most: 2}", "ab"),
    ("{column: numberofchildren, more_than: 1.5}", "b"),
    ("{column: numberofchildren, at_least: 0}", "ab"),
    ("{column: numberofchildren, between: [1, 2]}", "b"),
    ("{column: numberofchildren, equals: 0.5}", ""),
    ("{column: numberofchildren, present: true}", "ab"),
    ("{column: creditlimit, equals: 10.5}", "a"),
    ("{column: creditlimit, equals: 20}", "b"),
    ("{column: creditlimit, between: [10.5, 20]}", "ab"),
    ("{column: statecode, equals: 0}", "a"),
    ("{column: statecode, equals: Active}", "a"),
    ("{column: statecode, not_equals: Inactive}", "ac"),
    ("{column: statecode, in: [0, Inactive]}", "ab"),
    ("{column: donotemail, equals: true}", "a"),
    ("{column: donotemail, not_equals: true}", "bc"),
    ("{column: birthdate, before: 1990-01-01}", "a"),
    ("{column: birthdate, after: 1980-05-17}", "b"),
    ("{column: birthdate, at_least: 1980-05-17}", "ab"),
    ("{column: birthdate, equals: 1999-12-31}", "b"),
    ("{column: createdon, after: 30 days ago}", "a"),
    ("{column: createdon, before: 30 days ago}", "b"),
    ("{column: createdon, equals: 2026-02-20}", "a"),
    ("{column: createdon, at_most: '2026-02-20T01:00:00+01:00'}", "ab"),
    ("{column: createdon, between: [2025-01-01, 2025-12-31]}", "b"),
    ("{column: new_interests, contains: 3}", "a"),
    ("{column: new_interests, contains: Chat}", "b"),
    ("{column: new_interests, does_not_contain: 3}", "bc"),
    ("{column: _parentcustomerid_value, present: true}", "a"),
    ("{column: parentcustomerid, equals: 11111111-0000-4000-8000-000000000001}", "a"),
]


@pytest.mark.parametrize(("condition", "stay"), CONDITIONS, ids=[each[0] for each in CONDITIONS])
def test_a_condition_keeps_the_rows_it_holds_for(tmp_path, condition, stay):
    mapping = mapping_of(tmp_path, f"filter: {{all: [{condition}]}}\n")
    sifted = filter_rows(frame_of(PEOPLE, CONTACT), mapping, CONTACT, now=NOW)
    assert "".join(sifted.kept.index) == stay
    assert sorted([*sifted.kept.index, *sifted.removed.index]) == ["a", "b", "c"]


def test_every_operator_is_tried():
    assert all(any(f" {operator}: " in condition for condition, _ in CONDITIONS) for operator in OPERATORS)


def rules(tmp_path, text):
    sifted = filter_rows(frame_of(PEOPLE, CONTACT), mapping_of(tmp_path, text), CONTACT, now=NOW)
    return dict(zip(sifted.removed.index, sifted.removed["rule"], strict=True))


def test_a_dropped_row_names_the_first_condition_it_does_not_meet(tmp_path):
    text = """filter:
  all:
    - {name: has an e-mail, column: emailaddress1, present: true}
    - {column: statecode, equals: 0}
"""
    assert rules(tmp_path, text) == {"b": "statecode equals", "c": "has an e-mail"}


def test_a_row_dropped_by_any_names_them_all_or_the_name_of_the_group(tmp_path):
    members = "{column: statecode, equals: 0}, {column: lastname, equals: x}"
    assert rules(tmp_path, f"filter: {{any: [{members}]}}\n")["c"] == "statecode equals or lastname equals"
    named = rules(tmp_path, f"filter: {{all: [{{name: ours, any: [{members}]}}]}}\n")
    assert named == {"b": "ours", "c": "ours"}


def test_groups_hold_groups(tmp_path):
    text = """filter:
  any:
    - all: [{column: statecode, equals: 1}, {column: donotemail, equals: false}]
    - {name: empty, column: emailaddress1, present: false}
"""
    assert rules(tmp_path, text) == {"a": "statecode equals and donotemail equals or empty"}
    active = "{name: one, column: statecode, equals: 0}"
    inner = f"filter: {{all: [{{all: [{active}]}}, {{column: donotemail, equals: true}}]}}\n"
    assert rules(tmp_path, inner) == {"b": "one", "c": "one"}


def test_without_a_filter_every_row_stays(tmp_path):
    frame = frame_of(PEOPLE, CONTACT)
    sifted = filter_rows(frame, mapping_of(tmp_path), CONTACT)
    assert sifted.kept is frame
    assert len(sifted.removed) == 0


def test_removed_rows_carry_key_version_fate_rule_and_reason_but_no_value(tmp_path):
    mapping = mapping_of(tmp_path, "filter: {all: [{column: lastname, equals: nobody}]}\n")
    frame = frame_of(PEOPLE, CONTACT)
    removed = filter_rows(frame, mapping, CONTACT).removed
    assert list(removed.columns) == [VERSION, "fate", "rule", "reason"]
    assert removed.index.name == "contactid"
    assert removed[VERSION].tolist() == frame[VERSION].tolist()
    assert set(removed["fate"]) == {"dropped"}
    assert set(removed["reason"]) == {"lastname: equals does not hold"}


def test_an_empty_frame_passes_through(tmp_path):
    mapping = mapping_of(tmp_path, "filter: {all: [{column: lastname, equals: x}]}\n")
    sifted = filter_rows(frame_of([], CONTACT), mapping, CONTACT)
    assert (len(sifted.kept), len(sifted.removed)) == (0, 0)
