"""The examples in mapping files are tests; and the runner of examples can tell a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign_sync.mapping.file import check_together, load_mapping, mapping_files
from campaign_sync.rows.checks import check_expectations
from campaign_sync.rows.examples import frame_of, run_examples
from campaign_sync.rows.fitting import check_types
from campaign_sync.schema import ResourceSchema, TableSchema

from tests.mappings.systems import ACCOUNT, CONTACT, PROFILE, STORE, mapping_of

SHIPPED = [load_mapping(path) for path in mapping_files(Path("include/mappings"))]
SYSTEMS = {"contacts_to_profiles": (CONTACT, PROFILE), "accounts_to_stores": (ACCOUNT, STORE)}


@pytest.mark.parametrize(
    "mapping", [each for each in SHIPPED if each.name in SYSTEMS], ids=lambda mapping: mapping.name
)
def test_the_examples_of_every_shipped_mapping_come_true(mapping):
    table, resource = SYSTEMS[mapping.name]
    check_types(mapping, table, resource)
    check_expectations(mapping)
    results = run_examples(mapping, table, resource)
    assert results, "a shipped mapping has examples"
    assert [
        f"{mapping.path}:{each.line} {each.name}: {each.difference}" for each in results if not each.passed
    ] == []


def test_shipped_mappings_go_together():
    check_together(SHIPPED)


@pytest.mark.parametrize(
    ("outcome", "difference"),
    [
        ("loads: {email: b@x.example}", "email: expected 'b@x.example', got 'a@x.example'"),
        ("loads: {cusPoints: true}", "cusPoints: expected True, got 1"),
        ("dropped: active", "expected dropped by active, got loaded"),
        ("rejected: email", "expected rejected by email, got loaded"),
    ],
)
def test_an_example_that_does_not_come_true_says_what_came(tmp_path, outcome, difference):
    body = (
        "filter: {all: [{name: active, column: statecode, equals: 0}]}\nexamples:\n"
        "  - {name: x, given: {statecode: 0, emailaddress1: a@x.example, numberofchildren: 1},"
        f" {outcome}}}\n"
    )
    mapping = mapping_of(tmp_path, body, "email: emailaddress1\ncusPoints: numberofchildren")
    (result,) = run_examples(mapping, CONTACT, PROFILE)
    assert not result.passed
    assert result.difference == difference
    assert result.line == 10


def test_an_example_that_expects_to_load_tells_what_stopped_it(tmp_path):
    body = (
        "filter: {all: [{name: active, column: statecode, equals: 0}]}\n"
        "examples: [{name: x, given: {statecode: 1}, loads: {email: ~}}]\n"
    )
    (result,) = run_examples(mapping_of(tmp_path, body, "email: emailaddress1"), CONTACT, PROFILE)
    assert result.difference == "expected to load, got dropped by active"


def test_rows_by_hand_may_use_wire_names_and_get_keys_and_versions():
    frame = frame_of([{"_parentcustomerid_value": "x"}, {"parentcustomerid": "y", "contactid": "k"}], CONTACT)
    assert frame["_parentcustomerid_value"].tolist() == ["x", "y"]
    assert frame.index.tolist() == ["row-1", "k"]
    assert frame["@version"].tolist() == [1, 2]


@pytest.mark.parametrize("schema", [CONTACT, PROFILE], ids=["table", "resource"])
def test_schemas_go_through_json_and_back(schema):
    import json

    kind = TableSchema if isinstance(schema, TableSchema) else ResourceSchema
    assert kind.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_a_lookup_is_found_by_both_of_its_names():
    assert CONTACT.column("parentcustomerid") is CONTACT.column("_parentcustomerid_value")
    assert CONTACT.column("parentcustomerid").wire == "_parentcustomerid_value"
    assert CONTACT.column("nothing") is None
