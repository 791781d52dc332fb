"""A mapping that does not fit the two systems is refused before the first row, each misfit with its line."""

from __future__ import annotations

from functools import partial

import pytest
from campaign_sync.errors import MappingError
from campaign_sync.mapping.links import parent_tables
from campaign_sync.rows.conversions import CONVERSIONS
from campaign_sync.rows.fitting import check_examples, check_types
from campaign_sync.schema import Field

from tests.mappings.misfits import MISFITS
from tests.mappings.systems import CONTACT, PROFILE, mapping_of


@pytest.mark.parametrize(
    ("fields", "body", "line", "key", "problem", "remedy"),
    [row[1:] for row in MISFITS],
    ids=[row[0] for row in MISFITS],
)
def test_a_misfit_is_an_error_with_the_line_of_its_entry(tmp_path, fields, body, line, key, problem, remedy):
    mapping = mapping_of(tmp_path, body, fields)
    judge = check_examples if key.startswith("examples") else partial(check_types, resource=PROFILE)
    with pytest.raises(MappingError) as caught:
        judge(mapping, CONTACT)
    error = caught.value
    assert (error.line, error.key, error.others) == (line, key, ())
    assert problem in error.problem
    assert remedy in error.remedy


def test_all_misfits_are_told_at_once(tmp_path):
    mapping = mapping_of(
        tmp_path, "filter: {all: [{column: x, present: true}]}\n", "emial: nickname\nage: birthdate"
    )
    with pytest.raises(MappingError) as caught:
        check_types(mapping, CONTACT, PROFILE)
    assert [caught.value.line, *(each.line for each in caught.value.others)] == [5, 6, 8]


def test_a_mandatory_field_must_be_mapped(tmp_path):
    wanting = PROFILE._replace(
        fields=PROFILE.fields | {"cusCode": Field("cusCode", "string", 9, mandatory=True)}
    )
    with pytest.raises(MappingError, match="cusCode is mandatory in Campaign and not mapped"):
        check_types(mapping_of(tmp_path), CONTACT, wanting)
    check_types(mapping_of(tmp_path, fields="cusCode: nickname"), CONTACT, wanting)


def test_a_key_must_identify_and_fit(tmp_path):
    short = PROFILE._replace(fields=PROFILE.fields | {"externalId": Field("externalId", "string", 30)})
    with pytest.raises(MappingError, match="externalId takes 30 characters, a Dataverse id has 36"):
        check_types(mapping_of(tmp_path), CONTACT, short)
    dated = PROFILE._replace(fields=PROFILE.fields | {"externalId": Field("externalId", "boolean")})
    with pytest.raises(MappingError, match="contactid"):
        check_types(mapping_of(tmp_path), CONTACT, dated)


def test_what_never_converts_is_possible_when_every_value_is_replaced(tmp_path):
    body = "replace: {isExternal: {yes: true, otherwise: reject}, gender: {Male: male}}\n"
    check_types(mapping_of(tmp_path, body, "isExternal: nickname\ngender: gendercode"), CONTACT, PROFILE)


SOURCES = {
    "text": ["nickname", "description"],
    "integer": ["numberofchildren", "versionnumber"],
    "decimal": ["creditlimit", "address1_latitude", "new_score"],
    "boolean": ["donotemail"],
    "datetime": ["createdon"],
    "date": ["birthdate"],
    "label": ["familystatuscode", "statecode"],
    "choice": ["familystatuscode, picklist: value"],
    "choices": ["new_interests"],
    "other": ["parentcustomerid", "contactid"],
}
TARGETS = {
    "string": "cusLoyaltyTier",
    "integer": "cusPoints",
    "float": "cusCredit",
    "boolean": "isExternal",
    "date": "birthDate",
    "datetime": "cusFirstSeen",
    "enumeration": "cusAny",
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_table_of_conversions_is_what_is_enforced(tmp_path, kind, target):
    names = ("Single", "Active", "1", "0")
    resource = PROFILE._replace(
        fields=PROFILE.fields | {"cusAny": Field("cusAny", "enumeration", values=names)}
    )
    for source in SOURCES[kind]:
        mapping = mapping_of(tmp_path, fields=f"{TARGETS[target]}: {{from: {source}}}")
        if CONVERSIONS[kind][target]:
            check_types(mapping, CONTACT, resource)
        else:
            with pytest.raises(MappingError, match="never converts"):
                check_types(mapping, CONTACT, resource)


def linked(folder, parent_table=None):
    """A mapping with a link through parentcustomerid, whose parent's file names a table."""
    if parent_table:
        (folder / "parents.yaml").write_text(f"extract: {{table: {parent_table}}}\n")
    mapping = mapping_of(folder, fields="email: {from: parentcustomerid, link: parents}")
    return mapping, parent_tables(mapping)


def customers(*targets):
    column = CONTACT.columns["parentcustomerid"]._replace(targets=targets)
    return CONTACT._replace(columns=CONTACT.columns | {"parentcustomerid": column})


def test_a_lookup_must_be_able_to_name_the_parents_table(tmp_path):
    mapping, parents = linked(tmp_path, "new_store")
    check_types(mapping, customers("account", "new_store"), PROFILE, parents)
    with pytest.raises(MappingError) as caught:
        check_types(mapping, customers("account", "contact"), PROFILE, parents)
    assert (caught.value.line, caught.value.key) == (5, "map.email.link")
    assert "never names a row of new_store, which parents reads" in caught.value.problem
    assert "account, contact" in caught.value.problem


def test_a_lookup_of_several_tables_needs_to_know_which_one_the_parent_reads(tmp_path):
    mapping, parents = linked(tmp_path)
    check_types(mapping, customers("account"), PROFILE, parents)
    with pytest.raises(MappingError, match=r"parents\.yaml does not tell which it reads") as caught:
        check_types(mapping, customers("account", "contact"), PROFILE, parents)
    assert "Mend extract.table in parents.yaml" in caught.value.remedy
