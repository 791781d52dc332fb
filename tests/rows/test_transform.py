"""Map and replace: renamed, converted, replaced; a bad row goes with column and reason, the others stay."""

from __future__ import annotations

import pandas as pd
import pytest
from campaign_sync.errors import SyncError
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.fitting import check_types
from campaign_sync.rows.transform import VERSION, Sifted, map_rows, replace_values

from tests.mappings.systems import CONTACT, PROFILE, mapping_of


def mapped(folder, rows, fields, body="") -> Sifted:
    """The rows after map and replace, as the flow does it."""
    mapping = mapping_of(folder, body, fields)
    check_types(mapping, CONTACT, PROFILE)
    first = map_rows(frame_of(rows, CONTACT), mapping, CONTACT, PROFILE)
    second = replace_values(first.kept, mapping, PROFILE)
    return Sifted(second.kept, pd.concat([first.removed, second.removed]))


def column(folder, source, cells, field, body="", how="") -> list:
    """One column of cells mapped to one field; a refused row is its rule."""
    rows = [{"contactid": f"k{number}", source: cell} for number, cell in enumerate(cells)]
    sifted = mapped(folder, rows, f"{field}: {{from: {source}{how}}}", body)
    values = sifted.kept[field].to_dict() | sifted.removed["rule"].map(lambda rule: f"!{rule}").to_dict()
    return [values[f"k{number}"] for number in range(len(cells))]


def test_map_renames_and_leaves_the_rest_behind(tmp_path):
    rows = [{"contactid": "a", "firstname": "Ada", "lastname": "Wong"}]
    kept = mapped(tmp_path, rows, "firstName: firstname\nlocation.city: address1_city").kept
    assert list(kept.columns) == [VERSION, "externalId", "firstName", "location.city"]
    assert kept.iloc[0].to_dict() == {VERSION: 1, "externalId": "a", "firstName": "Ada", "location.city": ""}
    assert kept.index.tolist() == ["a"]
    assert kept.index.name == "contactid"


def test_one_column_may_feed_two_fields(tmp_path):
    kept = mapped(tmp_path, [{"firstname": "Ada"}], "firstName: firstname\ncusLoyaltyTier: firstname").kept
    assert kept["firstName"].tolist() == kept["cusLoyaltyTier"].tolist() == ["Ada"]


def test_no_cell_of_a_mapped_frame_is_null(tmp_path):
    fields = (
        "birthDate: birthdate\ncusPoints: numberofchildren\nisExternal: donotemail\n"
        "cusFirstSeen: createdon\nemail: fax"
    )
    kept = mapped(tmp_path, [{"contactid": "a"}], fields).kept
    assert not kept.isna().any().any()
    assert kept.iloc[0, 2:].to_dict() == {
        "birthDate": "",
        "cusPoints": 0,
        "isExternal": False,
        "cusFirstSeen": "",
        "email": "",
    }


def test_recipes_run_in_the_order_of_the_mapping(tmp_path):
    how = ", using: [trim, lower]"
    assert column(tmp_path, "emailaddress1", [" A@B.Example ", None, "  "], "email", how=how) == [
        "a@b.example",
        "",
        "",
    ]


def test_an_email_is_not_touched_unless_the_mapping_says_so(tmp_path):
    assert column(tmp_path, "emailaddress1", [" A@B.Example "], "email") == [" A@B.Example "]


def test_a_value_longer_than_the_field_is_rejected_with_column_and_lengths(tmp_path):
    rows = [{"contactid": "a", "firstname": "W" * 41}, {"contactid": "b", "firstname": "Bo"}]
    sifted = mapped(tmp_path, rows, "firstName: firstname")
    assert sifted.kept.index.tolist() == ["b"]
    assert sifted.removed.reset_index().to_dict("records") == [
        {
            "contactid": "a",
            VERSION: 1,
            "fate": "rejected",
            "rule": "firstName",
            "reason": "firstname: 41 characters, firstName takes 30",
        }
    ]


def test_a_row_with_two_faults_names_the_first_in_the_order_of_the_mapping(tmp_path):
    rows = [{"contactid": "a", "firstname": "W" * 31, "telephone1": "5" * 33}]
    assert mapped(tmp_path, rows, "phone: telephone1\nfirstName: firstname").removed["rule"].tolist() == [
        "phone"
    ]


def test_choices_go_as_label_or_value_by_mapping_and_field(tmp_path):
    rows = [{"familystatuscode": 2, "statecode": 1}]
    fields = "cusLoyaltyTier: familystatuscode\ncusPoints: {from: statecode, picklist: value}"
    kept = mapped(tmp_path, rows, fields).kept
    assert kept.iloc[0, 2:].tolist() == ["Married", 1]


def test_a_choice_without_a_label_is_rejected(tmp_path):
    assert column(tmp_path, "familystatuscode", [2, 99, None], "cusLoyaltyTier") == [
        "Married",
        "!cusLoyaltyTier",
        "",
    ]


def test_what_is_richer_than_a_text_travels_as_it_is(tmp_path):
    rows = [{"new_interests": "3,7", "parentcustomerid": "11111111-0000-4000-8000-000000000001"}]
    kept = mapped(tmp_path, rows, "cusLoyaltyTier: new_interests\nemail: _parentcustomerid_value").kept
    assert kept.iloc[0, 2:].tolist() == ["3,7", "11111111-0000-4000-8000-000000000001"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("1987-03-09", "1987-03-09"), ("9 March", "!birthDate"), ("1987-02-30", "!birthDate")],
)
def test_a_text_becomes_a_date_by_a_recipe_or_not_at_all(tmp_path, cell, written):
    assert column(tmp_path, "nickname", [cell], "birthDate", how=", using: [iso_date]") == [written]


def test_a_row_without_its_key_is_rejected(tmp_path):
    mapping = mapping_of(tmp_path)
    frame = frame_of([{"contactid": "a"}, {"contactid": "b"}], CONTACT)
    frame["contactid"] = frame["contactid"].mask(frame.index == "a")
    sifted = map_rows(frame, mapping, CONTACT, PROFILE)
    assert sifted.kept.index.tolist() == ["b"]
    assert sifted.removed["reason"].tolist() == ["contactid: empty, and it is the key"]


def test_of_rows_with_one_key_the_smallest_source_key_stays(tmp_path):
    mapping = mapping_of(tmp_path)
    mapping = mapping.model_copy(
        update={"map": {"email": mapping.map["externalId"].model_copy(update={"source": "fullname"})}}
    )
    rows = [
        {"contactid": key, "fullname": name} for key, name in (("c", "x"), ("a", "x"), ("b", "y"), ("d", ""))
    ]
    sifted = map_rows(frame_of(rows, CONTACT), mapping, CONTACT, PROFILE)
    assert sorted(sifted.kept.index) == ["a", "b"]
    assert sifted.removed["reason"].to_dict() == {
        "c": "fullname: the same key as row a",
        "d": "fullname: empty, and it is the key",
    }


GENDER = "replace: {gender: {1: male, 2: female, otherwise: %s}}\n"


@pytest.mark.parametrize(
    ("otherwise", "written"),
    [
        ("unknown", ["male", "female", "unknown", "unknown"]),
        ("reject", ["male", "female", "!gender", "!gender"]),
        ("~", ["male", "female", "unknown", "unknown"]),
    ],
)
def test_a_value_without_an_entry_follows_otherwise(tmp_path, otherwise, written):
    how = ", picklist: value"
    cells = [1, 2, 3, None]
    assert column(tmp_path, "gendercode", cells, "gender", GENDER % otherwise, how) == written


def test_without_otherwise_a_value_without_an_entry_is_kept_as_it_is(tmp_path):
    body = "replace: {cusLoyaltyTier: {'#00FF00': green, NO: Norway}}\n"
    cells = ["#00FF00", "NO", "blue", None]
    assert column(tmp_path, "nickname", cells, "cusLoyaltyTier", body) == ["green", "Norway", "blue", ""]


def test_the_empty_cell_can_have_an_entry(tmp_path):
    body = "replace: {cusLoyaltyTier: {~: none, gone: ~}}\n"
    assert column(tmp_path, "nickname", [None, "gone", "x"], "cusLoyaltyTier", body) == ["none", "", "x"]


def test_values_are_matched_by_their_text_whatever_their_type(tmp_path):
    body = "replace: {cusLoyaltyTier: {%s: hit, otherwise: miss}}\n"
    cases = [
        ("donotemail", "true", [True, False], ["hit", "miss"]),
        ("numberofchildren", "2", [2, 3], ["hit", "miss"]),
        ("creditlimit", "12.50", [12.5, 12.0], ["hit", "miss"]),
        ("creditlimit", "12", [12.0, 12.5], ["hit", "miss"]),
        ("birthdate", "1999-12-31", ["1999-12-31", "1999-12-30"], ["hit", "miss"]),
        ("createdon", "'2026-02-03T04:05:06Z'", ["2026-02-03T04:05:06Z", None], ["hit", "miss"]),
        ("statecode", "Active", [0, 1], ["hit", "miss"]),
    ]
    for source, key, cells, written in cases:
        assert column(tmp_path, source, cells, "cusLoyaltyTier", body % key) == written, source


def test_what_counts_for_conversion_is_the_value_written(tmp_path):
    body = "replace: {isExternal: {yes: true, no: false, otherwise: reject}}\n"
    assert column(tmp_path, "nickname", ["yes", "no", "maybe"], "isExternal", body) == [
        True,
        False,
        "!isExternal",
    ]
    kept = "replace: {cusChildren: {-1: 0}}\n"
    assert column(tmp_path, "numberofchildren", [-1, 3, 40_000], "cusChildren", kept) == [
        0,
        3,
        "!cusChildren",
    ]


def test_frames_are_not_changed_by_what_is_done_with_them(tmp_path):
    mapping = mapping_of(
        tmp_path, GENDER % "unknown", "gender: {from: gendercode, picklist: value}\nemail: emailaddress1"
    )
    frame = frame_of([{"contactid": "a", "gendercode": 1}], CONTACT)
    before = frame.copy()
    first = map_rows(frame, mapping, CONTACT, PROFILE)
    copy = first.kept.copy()
    replace_values(first.kept, mapping, PROFILE)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(first.kept, copy)


def test_numbers_stay_numbers_and_texts_stay_arrow(tmp_path):
    kept = mapped(tmp_path, [{"numberofchildren": 2, "createdon": "2026-02-03T04:05:06Z"}],
                  "cusPoints: numberofchildren\ncusFirstSeen: createdon").kept  # fmt: skip
    assert str(kept["cusPoints"].dtype) == "int64[pyarrow]"
    assert str(kept["cusFirstSeen"].dtype) == "string[pyarrow]"
    assert kept["cusFirstSeen"].tolist() == ["2026-02-03 04:05:06.000Z"]


def test_an_empty_frame_maps_to_an_empty_frame_with_the_fields(tmp_path):
    sifted = mapped(
        tmp_path, [], "email: emailaddress1\ngender: {from: gendercode, picklist: value}", GENDER % "unknown"
    )
    assert list(sifted.kept.columns) == [VERSION, "externalId", "email", "gender"]
    assert len(sifted.kept) == len(sifted.removed) == 0


def test_cells_that_contradict_the_metadata_stop_the_run(tmp_path):
    mapping = mapping_of(tmp_path, fields="cusPoints: numberofchildren")
    frame = frame_of([{"contactid": "a"}], CONTACT)
    frame["numberofchildren"] = ["many"]
    with pytest.raises(SyncError, match="numberofchildren holds something that is no Integer") as caught:
        map_rows(frame, mapping, CONTACT, PROFILE)
    assert "many" not in str(caught.value)
    with pytest.raises(SyncError, match="numberofchildren is not in the extracted rows"):
        map_rows(frame.drop(columns="numberofchildren"), mapping, CONTACT, PROFILE)
