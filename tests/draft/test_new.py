"""A drafted mapping is a mapping: it loads, fits both systems and keeps its own example."""

from __future__ import annotations

import pytest
from campaign_sync.draft.new import draft_mapping, refuse_mapped
from campaign_sync.draft.pairs import fit
from campaign_sync.draft.text import plain
from campaign_sync.errors import SyncError
from campaign_sync.mapping.file import load_mapping
from campaign_sync.mapping.yaml_lines import read_yaml
from campaign_sync.rows.examples import run_examples
from campaign_sync.rows.fitting import check_types
from campaign_sync.schema import Column, Field, ResourceSchema, TableSchema

from tests.mappings.systems import CONTACT, PROFILE, mapping_of

SHIPPED = load_mapping("include/mappings/contacts_to_profiles.yaml")


def drafted(tmp_path, table=CONTACT, resource=PROFILE, mappings=(), name="drafted", **wanted):
    path = tmp_path / f"{name}.yaml"
    made = draft_mapping(table, resource, path=path, mappings=mappings, wanted=wanted)
    path.write_text(made.text, "utf-8")
    return made, load_mapping(path)


def test_a_draft_of_contacts_says_most_of_what_the_shipped_mapping_says(tmp_path):
    made, mapping = drafted(tmp_path)
    ours = {target: each.source for target, each in mapping.map.items()}
    theirs = {t: each.source for t, each in SHIPPED.map.items() if not t.startswith("cus")}
    del theirs["location.countryCode"]  # it needs the replacements that only a person can write
    assert ours.items() >= theirs.items()
    assert mapping.map["email"] == SHIPPED.map["email"]
    assert mapping.map["gender"] == SHIPPED.map["gender"]
    assert mapping.replace["gender"] == SHIPPED.replace["gender"]
    assert {each.label for each in mapping.check} >= {"a plausible address"}
    assert mapping.filter == SHIPPED.filter
    assert mapping.schedule is None
    assert made.fields == len(mapping.map)


def test_a_draft_fits_and_its_example_holds(tmp_path):
    _, mapping = drafted(tmp_path)
    check_types(mapping, CONTACT, PROFILE)
    assert [result.difference for result in run_examples(mapping, CONTACT, PROFILE)] == [""]
    (example,) = mapping.examples
    assert (example.loads or {}).keys() == mapping.map.keys()


def test_a_draft_is_no_wider_than_a_screen_and_says_why_consent_is_not_in_it(tmp_path):
    made, _ = drafted(tmp_path)
    assert [line for line in made.text.splitlines() if len(line) > 125] == []
    assert made.text.startswith("# yaml-language-server: $schema=mapping.schema.json\n")
    assert "Consent (donot…" in made.text
    assert "firstName:" in made.text
    assert "# up to 50 characters, room for 30" in made.text
    assert any("firstName" in line for line in made.decisions)


STORES = TableSchema(
    "new_store",
    "new_stores",
    "new_storeid",
    {
        each.name: each
        for each in (
            Column("new_storeid", "Uniqueidentifier"),
            Column("new_name", "String", max_length=100),
            Column("new_kind", "Picklist", {1: "Big", 2: "Small", 3: "Pop-up"}),
            Column("new_region", "Lookup", property="_new_region_value"),
            Column("new_open", "Boolean"),
            Column("new_rank", "Decimal"),
            Column("new_since", "DateTime"),
            Column("new_tags", "MultiSelectPicklist", {1: "a", 2: "b"}),
            Column("new_code", "String", max_length=10),
        )
    },
)
FIELDS = (
    Field("storeId", "string", 40),
    Field("name", "string", 60, mandatory=True),
    Field("kind", "enumeration", values=("big", "small", "other")),
    Field("open", "boolean"),
    Field("rank", "integer"),
    Field("since", "date"),
    Field("tags", "string", 20),
    Field("code", "integer"),
    Field("regionId", "string", 40),
)
STORE = ResourceSchema("cusStore", "customResources/cusStore", {each.name: each for each in FIELDS})


KINDS = [
    Column("new_x", "String", max_length=9),
    Column("new_x", "Memo", max_length=2000),
    Column("new_x", "Integer"),
    Column("new_x", "Money"),
    Column("new_x", "Boolean"),
    Column("new_x", "DateTime"),
    Column("new_x", "DateOnly"),
    Column("new_x", "Picklist", {1: "One", 2: "Twenty-two"}),
    Column("new_x", "MultiSelectPicklist", {1: "One"}),
]
TYPES = [
    Field("x", "string", 4),
    Field("x", "integer", technical="byte"),
    Field("x", "float", technical="float"),
    Field("x", "boolean"),
    Field("x", "date"),
    Field("x", "datetime"),
    Field("x", "enumeration", values=("one", "1")),
]


@pytest.mark.parametrize("column", KINDS, ids=lambda each: each.type)
@pytest.mark.parametrize("field", TYPES, ids=lambda each: each.type)
def test_whatever_converts_is_drafted_with_an_example_that_holds(tmp_path, column, field):
    table = STORES._replace(columns={"new_storeid": STORES.columns["new_storeid"], "new_x": column})
    resource = STORE._replace(fields={"storeId": FIELDS[0], "x": field})
    made, mapping = drafted(tmp_path, table, resource)
    assert ("x" in mapping.map) == (fit(column, field) is not None)
    assert ("# The same name, but" in made.text) == ("x" not in mapping.map)
    assert [each.passed for each in run_examples(mapping, table, resource)] == [True]


def test_choices_without_a_name_are_left_to_a_person(tmp_path):
    made, mapping = drafted(tmp_path, STORES, STORE)
    assert mapping.replace["kind"].values == {"1": "big", "2": "small"}
    assert mapping.replace["kind"].otherwise == "reject"
    assert "    # 3:   # Pop-up\n" in made.text
    assert "replace: choices without a name: kind" in made.decisions
    assert [check.label for check in mapping.check] == ["has name"]


def leading_to(*tables):
    lookup = STORES.columns["new_region"]._replace(targets=tables)
    return STORES._replace(columns=STORES.columns | {"new_region": lookup})


def test_a_lookup_to_a_mapped_table_is_drafted_as_a_link(tmp_path):
    regions = mapping_of(
        tmp_path, name="regions_to_regions", key="regionId", table="new_region", resource="cusRegion"
    )
    made, mapping = drafted(
        tmp_path, leading_to("new_region", "account"), STORE, [regions], name="stores_to_stores"
    )
    assert "  regionId: {from: new_region, link: regions_to_regions}\n" in made.text
    assert "links: rows wait for their parents: regionId" in made.decisions
    assert mapping.map["regionId"].link == "regions_to_regions"
    alone, _ = drafted(tmp_path, leading_to("account"), STORE, [regions], name="others_to_others")
    assert "link:" not in alone.text


def test_a_mandatory_field_without_a_column_is_refused_until_somebody_names_one(tmp_path):
    wanting = STORE._replace(fields=STORE.fields | {"city": Field("city", "string", 9, mandatory=True)})
    with pytest.raises(SyncError, match=r"city is mandatory.*--pair city=<column>"):
        drafted(tmp_path, STORES, wanting)
    _, mapping = drafted(tmp_path, STORES, wanting, city="new_code")
    assert mapping.map["city"].source == "new_code"


def test_a_table_or_resource_that_is_mapped_is_refused_with_the_file(tmp_path):
    mapped = mapping_of(tmp_path)
    for table, resource in (("contact", "cusStore"), ("account", "profile")):
        with pytest.raises(
            SyncError, match=r"contacts_to_profiles\.yaml: (contact|profile) is mapped already"
        ):
            refuse_mapped(table, resource, [mapped])
    refuse_mapped("account", "cusStore", [mapped])


@pytest.mark.parametrize(
    "value",
    ["NO", "yes", "true", "5003", "12.50", "+47 1", "~", "", "a: b", "a, b", "{x}", "#1", "- x", "it's", 'say "hi"',
     "é\n", "2026-02-03", "2026-02-03 04:05:06.000Z", 7, 12.5, True, None],
)  # fmt: skip
def test_a_value_is_read_as_it_was_written(value):
    for text in (f"a: {plain(value)}", f"a: {{b: {plain(value)}}}"):
        found = read_yaml(text.encode()).content["a"]
        assert (found["b"] if isinstance(found, dict) else found) == value
