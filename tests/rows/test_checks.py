"""Great Expectations on mapped rows: rejected, stopped, warned; results and pages without a single value."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from campaign_sync.errors import MappingError, QualityError
from campaign_sync.rows.checks import check_expectations, check_rows, expectation_list
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.transform import VERSION, map_rows

from tests.mappings.systems import CONTACT, PROFILE, mapping_of

FIELDS = "email: emailaddress1\ncusPoints: numberofchildren\nbirthDate: birthdate\nfirstName: firstname"
PEOPLE = [
    {
        "contactid": "a",
        "emailaddress1": "secret.ada@alder.example",
        "numberofchildren": 1,
        "birthdate": "1987-03-09",
    },
    {"contactid": "b", "emailaddress1": "not-an-address", "numberofchildren": 44},
    {"contactid": "c", "emailaddress1": None, "numberofchildren": None},
    {
        "contactid": "d",
        "emailaddress1": "secret.ada@alder.example",
        "numberofchildren": 3,
        "firstname": "Dee",
    },
]


def checked(folder, *checks, people=PEOPLE):
    lines = "".join(f"  - {{{check}}}\n" for check in checks)
    mapping = mapping_of(folder, f"check:\n{lines}" if checks else "", FIELDS)
    frame = map_rows(frame_of(people, CONTACT), mapping, CONTACT, PROFILE).kept
    return check_rows(frame, mapping)


REGEX = "name: plausible, expect: column_values_to_match_regex, column: email, regex: '@'"


def test_reject_takes_out_the_rows_that_the_check_names(tmp_path):
    result = checked(tmp_path, REGEX)
    assert result.sifted.kept.index.tolist() == ["a", "c", "d"]
    assert result.sifted.removed.reset_index().to_dict("records") == [
        {
            "contactid": "b",
            VERSION: 2,
            "fate": "rejected",
            "rule": "plausible",
            "reason": "email: column values to match regex does not hold",
        }
    ]
    assert result.results == [
        {
            "name": "plausible",
            "expect": "column_values_to_match_regex",
            "rows": 4,
            "unexpected": 1,
            "otherwise": "reject",
            "passed": False,
        }
    ]


def test_warn_counts_and_lets_the_rows_go_on(tmp_path):
    result = checked(tmp_path, "expect: column_values_to_be_unique, column: email, otherwise: warn")
    assert len(result.sifted.kept) == 4
    assert [(each["unexpected"], each["passed"]) for each in result.results] == [(2, False)]


def test_stop_raises_with_the_whole_finding(tmp_path):
    with pytest.raises(QualityError) as caught:
        checked(
            tmp_path, REGEX, "name: few, expect: table_row_count_to_be_between, max_value: 3, otherwise: stop"
        )
    assert "stopped by few (4 of 4 rows)" in str(caught.value)
    assert caught.value.result.sifted.removed.index.tolist() == ["b"]
    assert "few" in caught.value.result.html


def test_a_stop_check_that_passes_stops_nothing(tmp_path):
    result = checked(tmp_path, "expect: table_row_count_to_be_between, max_value: 4, otherwise: stop")
    assert result.results[0]["unexpected"] == 0
    assert len(result.sifted.kept) == 4


def test_empty_cells_are_passed_over_by_value_checks_and_found_by_not_null(tmp_path):
    result = checked(tmp_path, "expect: column_values_to_not_be_null, column: email", REGEX)
    assert result.sifted.removed["rule"].to_dict() == {
        "b": "plausible",
        "c": "column_values_to_not_be_null email",
    }


def test_a_row_that_two_checks_name_gives_the_first_of_the_mapping(tmp_path):
    ages = "name: points, expect: column_values_to_be_between, column: cusPoints, max_value: 10"
    assert checked(tmp_path, ages, REGEX).sifted.removed["rule"].to_dict() == {"b": "points"}
    assert checked(tmp_path, REGEX, ages).sifted.removed["rule"].to_dict() == {"b": "plausible"}


def test_the_same_expectation_may_stand_twice(tmp_path):
    again = REGEX.replace("plausible", "again").replace("'@'", "secret, otherwise: warn")
    assert [each["unexpected"] for each in checked(tmp_path, REGEX, again).results] == [1, 1]


def test_mostly_rejects_nothing_while_enough_rows_pass(tmp_path):
    assert len(checked(tmp_path, REGEX + ", mostly: 0.6").sifted.removed) == 0
    assert len(checked(tmp_path, REGEX + ", mostly: 0.9").sifted.removed) == 1


def test_checks_of_several_columns_name_their_rows(tmp_path):
    result = checked(tmp_path, "expect: compound_columns_to_be_unique, column_list: [email, birthDate]",
                     people=[*PEOPLE, PEOPLE[0] | {"contactid": "e"}])  # fmt: skip
    assert result.sifted.removed.index.tolist() == ["a", "e"]


PAIRS = [
    {"contactid": "equal", "firstname": "Ann", "lastname": "Ann"},
    {"contactid": "greater", "firstname": "Bo", "lastname": "Ann"},
    {"contactid": "no a", "lastname": "Ann"},
    {"contactid": "no b", "firstname": "Ann"},
    {"contactid": "neither"},
]
EQUAL, GREATER = "column_pair_values_to_be_equal", "column_pair_values_a_to_be_greater_than_b"
EITHER = "ignore_row_if: either_value_is_missing"


@pytest.mark.parametrize(
    ("check", "removed"),
    [
        (EQUAL, ["greater", "no a", "no b"]),
        (f"{EQUAL}, {EITHER}", ["greater"]),
        (f"{EQUAL}, ignore_row_if: neither", ["greater", "no a", "no b", "neither"]),
        (GREATER, ["equal", "no a", "no b"]),
        (f"{GREATER}, or_equal: true, {EITHER}", []),
        ("column_pair_values_to_be_in_set, value_pairs_set: [[Ann, Ann]]", ["greater", "no a", "no b"]),
    ],
)
def test_two_columns_are_compared_though_cells_are_empty(tmp_path, check, removed):
    body = f"check:\n  - {{expect: {check}, column_A: firstName, column_B: lastName}}\n"
    mapping = mapping_of(tmp_path, body, "firstName: firstname\nlastName: lastname")
    frame = map_rows(frame_of(PAIRS, CONTACT), mapping, CONTACT, PROFILE).kept
    assert sorted(check_rows(frame, mapping).sifted.removed.index) == sorted(removed)


@pytest.mark.parametrize(
    ("check", "unexpected"),
    [
        ("column_values_to_be_unique, column: email", 2),
        ("column_values_to_not_match_regex, column: firstName, regex: Dee", 1),
        ("column_value_lengths_to_be_between, column: firstName, max_value: 2", 1),
        ("column_values_to_be_in_set, column: firstName, value_set: [Ada]", 1),
        ("column_values_to_be_dateutil_parseable, column: birthDate", 0),
        ("column_max_to_be_between, column: birthDate, max_value: '2000-01-01', otherwise: warn", 0),
        ("column_most_common_value_to_be_in_set, column: firstName, value_set: [Dee], otherwise: warn", 0),
        ("column_distinct_values_to_be_in_set, column: firstName, value_set: [Dee], otherwise: warn", 0),
        ("column_unique_value_count_to_be_between, column: email, max_value: 2, otherwise: warn", 0),
        ("column_values_to_be_between, column: cusPoints, max_value: 10", 1),
        ("column_median_to_be_between, column: cusPoints, max_value: 50, otherwise: warn", 0),
        ("select_column_values_to_be_unique_within_record, column_list: [email, firstName]", 0),
    ],
)
def test_other_expectations_pass_over_empty_cells(tmp_path, check, unexpected):
    result = checked(tmp_path, f"expect: {check}")
    assert result.results[0]["unexpected"] == unexpected
    assert "c" not in result.sifted.removed.index


def test_the_parts_of_an_item_can_be_checked(tmp_path):
    body = "check: [{expect: column_value_lengths_to_be_between, column: location.city, min_value: 3}]\n"
    mapping = mapping_of(tmp_path, body, "location.city: address1_city")
    frame = map_rows(frame_of([{"address1_city": "Å"}, {}], CONTACT), mapping, CONTACT, PROFILE).kept
    assert check_rows(frame, mapping).sifted.removed.index.tolist() == ["row-1"]


def test_no_checks_no_work(tmp_path):
    result = checked(tmp_path)
    assert (len(result.sifted.kept), len(result.sifted.removed), result.results, result.html) == (
        4,
        0,
        [],
        "",
    )


def test_an_empty_batch_passes(tmp_path):
    result = checked(tmp_path, REGEX, people=[])
    assert len(result.sifted.kept) == len(result.sifted.removed) == 0
    assert result.results[0]["passed"] is True


def test_neither_results_nor_page_nor_errors_hold_values(tmp_path):
    checks = [
        REGEX,
        "expect: column_values_to_be_unique, column: email",
        "expect: column_values_to_be_in_set, column: firstName, value_set: [Ada]",
        "expect: column_max_to_be_between, column: birthDate, min_value: '2000-01-01', otherwise: warn",
        "expect: column_most_common_value_to_be_in_set, column: email, value_set: [x], otherwise: warn",
        "expect: column_values_to_be_between, column: cusPoints, max_value: 10",
    ]
    result = checked(tmp_path, *checks)
    told = result.html + json.dumps(result.results) + result.sifted.removed.to_csv()
    for value in ("secret.ada", "not-an-address", "1987-03-09", "Dee", "44"):
        assert not re.search(rf"\b{re.escape(value)}\b", told), value


def test_the_page_loads_nothing_from_elsewhere_and_shows_the_names_of_the_checks(tmp_path):
    page = checked(tmp_path, REGEX).html
    assert not re.search(
        r"(?i)<script|<link|<img|<iframe|<form|\b(src|href)=|https?://|@import|onclick", page
    )
    assert "<td>plausible</td>" in page
    assert page.startswith("<!doctype html>")
    assert page.endswith("</body></html>")


def test_an_expectation_that_cannot_run_is_the_mappings_fault(tmp_path):
    with pytest.raises(MappingError) as caught:
        checked(tmp_path, "expect: column_values_to_be_between, column: email, min_value: 5")
    assert (caught.value.line, caught.value.key) == (11, "check[1]")
    assert "column_values_to_be_between could not run" in caught.value.problem
    assert "secret" not in str(caught.value)


def test_arguments_that_great_expectations_refuses_are_told_with_their_line(tmp_path):
    body = (
        "check:\n  - {expect: column_values_to_be_in_set, column: email, value_set: [a]}\n"
        "  - expect: column_values_to_match_regex\n    column: email\n    regex: x\n    mostly: 7\n"
    )
    with pytest.raises(MappingError) as caught:
        check_expectations(mapping_of(tmp_path, body, FIELDS))
    assert (caught.value.line, caught.value.key) == (15, "check[2].mostly")
    assert caught.value.others == ()


def test_the_list_of_expectations_is_fresh():
    stored = json.loads(Path("plugins/campaign_sync/mapping/expectations.json").read_text("utf-8"))
    assert stored == expectation_list(), "make it again from campaign_sync.rows.checks.expectation_list()"
