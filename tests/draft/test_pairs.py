"""Columns find their fields by name, and only where their values convert."""

from __future__ import annotations

import pytest
from campaign_sync.draft.names import flow_name, plain_name
from campaign_sync.draft.pairs import find_pairs, near_misses
from campaign_sync.errors import SyncError
from campaign_sync.schema import Column, Field, ResourceSchema, TableSchema

from tests.mappings.systems import CONTACT, PROFILE

ID = Column("new_storeid", "Uniqueidentifier")
STORE_ID = Field("storeId", "string", 40)


def table(*columns: Column) -> TableSchema:
    return TableSchema("new_store", "new_stores", "new_storeid", {each.name: each for each in (ID, *columns)})


def resource(*fields: Field) -> ResourceSchema:
    return ResourceSchema("cusStore", "customResources/cusStore", {each.name: each for each in fields})


def paired(column: Column, field: Field) -> object:
    found = [pair for pair in find_pairs(table(column), resource(STORE_ID, field), {}) if not pair.key]
    return (found[0].using, found[0].by_value, found[0].updates) if found else None


@pytest.mark.parametrize(
    ("column", "field", "expected"),
    [
        (Column("new_name", "String", max_length=50), Field("name", "string", 50), (("trim",), False, True)),
        (Column("name", "String", max_length=50), Field("storeName", "string", 50), (("trim",), False, True)),
        (Column("new_store_name", "String"), Field("cusStoreName", "string"), (("trim",), False, True)),
        (Column("emailaddress1", "String"), Field("email", "string"), (("trim", "lower"), False, True)),
        (Column("address1_line1", "String"), Field("street", "string"), (("one_line", "trim"), False, True)),
        (Column("new_opened", "DateTime"), Field("opened", "date"), (("iso_date",), False, True)),
        (Column("createdon", "DateTime"), Field("cusFirstSeen", "datetime"), ((), False, False)),
        (Column("new_size", "Picklist", {1: "Big"}), Field("size", "string", 9), ((), False, True)),
        (Column("new_size", "Picklist", {1: "Big"}), Field("size", "integer"), ((), True, True)),
        (Column("new_size", "Picklist", {1: "Big"}), Field("size", "enumeration", values=("big",)), ((), True, True)),
        (Column("numberofchildren", "Integer"), Field("children", "integer"), ((), False, True)),
        (Column("new_size", "Picklist", {1: "Big"}), Field("size", "enumeration", values=("xl",)), None),
        (Column("new_opened", "String"), Field("opened", "date"), None),
        (Column("new_owner", "Lookup"), Field("owner", "string", 40), None),
        (Column("statecode", "State", {0: "Active"}), Field("location.stateCode", "string"), None),
        (Column("new_other", "String"), Field("name", "string"), None),
        (Column("revenue_base", "Money"), Field("revenueBase", "float"), None),
        (Column("donotemail", "Boolean"), Field("cusDonotemail", "boolean"), None),
        (Column("blacklistemail", "Boolean"), Field("blackListEmail", "boolean"), None),
        (Column("new_size", "Integer"), Field("size", "integer", read_only=True), None),
    ],
    ids=lambda each: getattr(each, "name", ""),
)  # fmt: skip
def test_a_column_goes_to_a_field_of_its_name_if_its_values_convert(column, field, expected):
    assert paired(column, field) == expected


def test_contacts_find_nearly_all_that_profiles_have():
    pairs = {pair.target: pair.column.name for pair in find_pairs(CONTACT, PROFILE, {})}
    assert next(iter(pairs.items())) == ("externalId", "contactid")
    assert pairs.items() >= {
        ("email", "emailaddress1"),
        ("firstName", "firstname"),
        ("phone", "telephone1"),
        ("gender", "gendercode"),
        ("birthDate", "birthdate"),
        ("location.stateCode", "address1_stateorprovince"),
    }
    assert not [target for target in pairs if "list" in target.lower() or target == "ccpaOptOut"]
    assert len(set(pairs.values())) == len(pairs)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ([Field("label", "string", 127), Field("externalId", "string", 100)], "externalId"),
        ([Field("label", "string", 127), Field("storeId", "string", 36)], "storeId"),
        ([Field("storeId", "integer"), Field("crmId", "string", 40), Field("label", "string", 99)], "crmId"),
        ([Field("storeId", "string", 20), Field("label", "string", 99, mandatory=True)], "label"),
    ],
)
def test_the_key_goes_to_the_text_field_that_sounds_most_like_an_id_and_has_room(fields, key):
    (first, *_) = find_pairs(table(), resource(*fields), {})
    assert (first.target, first.key) == (key, True)


def test_a_resource_without_room_for_an_id_is_refused():
    with pytest.raises(SyncError, match=r"no field of cusStore can hold the key.*at least 36 characters"):
        find_pairs(table(), resource(Field("name", "string", 35)), {})


def test_what_a_person_paired_comes_before_what_the_names_say():
    columns = table(Column("new_name", "String"), Column("new_title", "String"), Column("new_day", "Boolean"))
    fields = resource(STORE_ID, Field("name", "string"), Field("code", "string", 36), Field("day", "date"))
    pairs = find_pairs(columns, fields, {"name": "new_title", "code": "new_storeid"})
    assert {pair.target: (pair.column.name, pair.key) for pair in pairs} == {
        "code": ("new_storeid", True),
        "name": ("new_title", False),
    }
    for wanted, problem in (
        ({"naem": "new_title"}, "no field naem. Did you mean name"),
        ({"name": "new_titel"}, "no column new_titel. Did you mean new_title"),
        ({"day": "new_day"}, r"new_day \(Boolean\) does not go to day \(date\)"),
    ):
        with pytest.raises(SyncError, match=problem):
            find_pairs(columns, fields, wanted)


def test_what_has_one_name_and_does_not_convert_is_told():
    columns = table(Column("new_day", "Boolean"), Column("new_size", "Picklist", {1: "Big"}))
    fields = resource(STORE_ID, Field("day", "date"), Field("size", "enumeration", values=("xl",)))
    assert [field.name for field, _ in near_misses(find_pairs(CONTACT, PROFILE, {}), CONTACT, PROFILE)] == [
        "location.countryCode"  # the contacts hold names, and most of them would be rejected
    ]
    misses = near_misses(find_pairs(columns, fields, {}), columns, fields)
    assert [(field.name, column.name) for field, column in misses] == [
        ("day", "new_day"),
        ("size", "new_size"),
    ]


def test_names_lose_the_prefix_of_their_publisher():
    assert [plain_name(each) for each in ("new_StoreName", "cusStoreName", "customer", "address1_city")] == [
        "storename", "storename", "customer", "address1city",
    ]  # fmt: skip
    assert flow_name("new_stores", "cusStoreCategory") == "stores_to_store_categories"
    assert flow_name("contacts", "profile") == "contacts_to_profiles"
