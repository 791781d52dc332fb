"""Texts that may be too long for their field are seen in the metadata, and counted in rows by their keys."""

from __future__ import annotations

import pytest
from campaign_sync.rows.examples import frame_of
from campaign_sync.rows.lengths import TooLong, longer_rows, too_long

from tests.mappings.systems import CONTACT, PROFILE, mapping_of


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ("firstName: firstname", "", TooLong("firstName", "firstname", 50, 30)),
        ("firstName: {from: firstname, using: [trim]}", "", TooLong("firstName", "firstname", 50, 30)),
        ("lastName: lastname", "", None),
        ("email: emailaddress1", "", None),
        ("location.zipCode: nickname", "", TooLong("location.zipCode", "nickname", 100, 15)),
        ("salutation: familystatuscode", "", None),
        ("salutation: {from: nickname}", "replace: {salutation: {a: b}}\n", TooLong("salutation", "nickname", 100, 20)),
        ("salutation: {from: nickname}", "replace: {salutation: {a: b, otherwise: c}}\n", None),
        ("birthDate: birthdate", "", None),
        ("salutation: birthdate", "", None),
        ("location.zipCode: {from: createdon, using: [iso_date]}", "", None),
        ("location.zipCode: createdon", "", TooLong("location.zipCode", "createdon", 20, 15)),
        ("gender: {from: gendercode, picklist: value}", "replace: {gender: {1: male, 2: female}}\n", None),
    ],
)  # fmt: skip
def test_a_field_shorter_than_its_column_is_found(tmp_path, fields, body, expected):
    found = too_long(mapping_of(tmp_path, body, fields), CONTACT, PROFILE)
    assert found == ([expected] if expected else [])


def test_labels_count_as_long_as_they_are_and_values_by_their_digits(tmp_path):
    short = PROFILE._replace(
        fields=PROFILE.fields | {"salutation": PROFILE.fields["salutation"]._replace(length=5)}
    )
    by_label = mapping_of(tmp_path, fields="salutation: familystatuscode")
    assert [each.holds for each in too_long(by_label, CONTACT, short)] == [len("Divorced")]
    by_value = mapping_of(tmp_path, fields="salutation: {from: familystatuscode, picklist: value}")
    assert too_long(by_value, CONTACT, short) == []


def test_rows_are_counted_as_they_would_be_written(tmp_path):
    mapping = mapping_of(
        tmp_path,
        f"replace: {{salutation: {{{'x' * 21}: short}}}}\n",
        "firstName: {from: firstname, using: [trim]}\nsalutation: nickname",
    )
    rows = [
        {"contactid": "fits", "firstname": "a" * 30 + "     ", "nickname": "x" * 21},
        {"contactid": "long", "firstname": "a" * 31, "nickname": "y" * 21},
        {"contactid": "empty"},
    ]
    frame = frame_of(rows, CONTACT)
    found = {each.target: each for each in too_long(mapping, CONTACT, PROFILE)}
    for target in ("firstName", "salutation"):
        assert longer_rows(frame, found[target], mapping, CONTACT, PROFILE) == ["long"]
