"""Which column goes to which field: by their names, and only where every type converts.

Pure. Not for the text of a mapping (``text``); what converts is in ``rows/conversions.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from campaign_sync.draft.names import letters, plain_name, without_cus
from campaign_sync.errors import SyncError
from campaign_sync.mapping.recipes import MAKES
from campaign_sync.mapping.wording import meant
from campaign_sync.rows.cells import kind_of
from campaign_sync.rows.conversions import CONVERSIONS
from campaign_sync.rows.lengths import WRITTEN, longest
from campaign_sync.schema import GUID_LENGTH, Column, Field, ResourceSchema, TableSchema, is_objection

#: Characters of a code, such as that of a country; whoever has more room writes words.
LONGEST_CODE = 3

#: Names that differ between the two products though they mean the same (dataverse.md §10.1, campaign.md §5):
#: field, in small letters and without cus -> column.
SAME = {
    "email": "emailaddress1",
    "phone": "telephone1",
    "mobile": "mobilephone",
    "website": "websiteurl",
    "firstseen": "createdon",
    "location.address1": "address1_line1",
    "location.address2": "address1_line2",
    "location.address3": "address1_line3",
    "location.zipcode": "address1_postalcode",
    "location.city": "address1_city",
    "location.statecode": "address1_stateorprovince",
    "location.countrycode": "address1_country",
    "street": "address1_line1",
    "zipcode": "address1_postalcode",
    "postalcode": "address1_postalcode",
    "city": "address1_city",
    "country": "address1_country",
}
#: Columns that the platform fills for itself.
PLATFORM = frozenset(
    {
        "exchangerate",
        "importsequencenumber",
        "overriddencreatedon",
        "timezoneruleversionnumber",
        "utcconversiontimezonecode",
        "versionnumber",
    }
)


class Pair(NamedTuple):
    """One column that goes to one field, and what it needs on the way."""

    target: str
    column: Column
    field: Field
    key: bool = False
    using: tuple[str, ...] = ()
    by_value: bool = False  # a choice as its technical value
    updates: bool = True
    names: Mapping[int, str] | None = None  # technical value -> name of the enumeration, where there is one


def find_pairs(table: TableSchema, resource: ResourceSchema, wanted: Mapping[str, str]) -> list[Pair]:
    """The pairs of a table and a resource, the key first, then in the order of the resource's fields.

    :param wanted: field -> column, as a person paired them; they come before what the names say
    Raises SyncError if one of these is unknown or never converts, or if no field can hold the key.
    """
    pairs = {target: _wanted(target, name, table, resource) for target, name in wanted.items()}
    if not any(pair.key for pair in pairs.values()):
        key = _key_field(table, resource, taken=pairs)
        pairs[key.name] = Pair(key.name, table.columns[table.key], key, key=True)
    used = {pair.column.name for pair in pairs.values()}
    close = [
        (distance, pair)
        for field in fillable(resource)
        for column in sendable(table)
        if (distance := _distance(column, field, table, resource)) is not None
        and (pair := fit(column, field)) is not None
        and not is_code(column, field)
    ]
    for _, pair in sorted(close, key=lambda each: each[0]):
        if pair.target not in pairs and pair.column.name not in used:
            pairs[pair.target] = pair
            used.add(pair.column.name)
    order = {name: number for number, name in enumerate(resource.fields)}
    return sorted(pairs.values(), key=lambda pair: (not pair.key, order[pair.target]))


def near_misses(
    pairs: Sequence[Pair], table: TableSchema, resource: ResourceSchema
) -> list[tuple[Field, Column]]:
    """The fields and columns that have one name and were left alone, as their types do not go together."""
    filled, used = {pair.target for pair in pairs}, {pair.column.name for pair in pairs}
    return [
        (field, column)
        for field in fillable(resource)
        for column in sendable(table)
        if field.name not in filled and column.name not in used
        if _distance(column, field, table, resource) is not None
        if fit(column, field) is None or is_code(column, field)
    ]


def fit(column: Column, field: Field) -> Pair | None:
    """The pair of a column and a field, with the recipes and choices that make it possible; None if nothing does."""
    kind, pair = kind_of(column), Pair(field.name, column, field)
    if kind == "choice" and field.type == "enumeration":
        names = named_alike(column, field)
        return pair._replace(by_value=True, names=names) if names else None
    if kind == "choice" and field.type == "integer":
        pair, after = pair._replace(by_value=True), "choice"
    elif kind == "choice":
        after = "label"
    elif kind == "datetime" and field.type == "date":
        pair = pair._replace(using=("iso_date",))
        after = MAKES["iso_date"]
    else:
        pair = pair._replace(using=_tidied(column, field) if kind == "text" else ())
        after = kind
    if column.name == "createdon":
        pair = pair._replace(updates=False)
    if kind in ("date", "datetime") and field.type == "string" and (field.length or 99) < WRITTEN[kind]:
        return None  # each of its values is too long
    return pair if CONVERSIONS[after].get(field.type) else None


def is_code(column: Column, field: Field) -> bool:
    """Whether the field has room for a code only, and the column for words: NO and Norway."""
    most = longest(column)
    room = field.length if field.type == "string" else None
    return room is not None and room <= LONGEST_CODE and most is not None and most > room


def named_alike(column: Column, field: Field) -> dict[int, str]:
    """The choices whose label is a name of the enumeration, apart from case, blanks and signs."""
    names = {letters(name): name for name in field.values or ()}
    options = (column.options or {}).items()
    return {value: names[letters(label)] for value, label in options if letters(label) in names}


def fillable(resource: ResourceSchema) -> Iterator[Field]:
    """The fields that a draft may fill: writable, with a value of their own, and nobody's consent."""
    for name, field in resource.fields.items():
        valued = not field.read_only and field.type in CONVERSIONS["text"]
        if name == field.name and valued and not is_objection(name):
            yield field


def sendable(table: TableSchema) -> Iterator[Column]:
    """The columns that a draft may send: no ids, no lookups, no amounts twice, and nobody's consent."""
    for name, column in table.columns.items():
        if kind_of(column) == "other" or name in PLATFORM or name.endswith("_base") or is_consent(name):
            continue
        yield column


def is_consent(column: str) -> bool:
    """Whether a column of Dynamics says what somebody agreed or objected to."""
    return column.startswith("donot") or column == "followemail" or "optin" in column or "optout" in column


def _wanted(target: str, name: str, table: TableSchema, resource: ResourceSchema) -> Pair:
    field, column = resource.fields.get(target), table.column(name)
    where = f"--pair {target}={name}"
    if field is None:
        remedy = meant(target, resource.fields, listing="Its fields are")
        raise SyncError(f"{resource.name} has no field {target}", where, remedy)
    if column is None:
        raise SyncError(
            f"{table.name} has no column {name}", where, meant(name, table.columns, listing="Its columns are")
        )
    if column.name == table.key:
        return Pair(target, column, field, key=True)
    if kind_of(column) == "other" and field.type == "string":
        return Pair(target, column, field)
    pair = fit(column, field)
    if pair is None or field.read_only:
        problem = f"{name} ({column.type}) does not go to {target} ({field.type}) by itself"
        raise SyncError(problem, where, "Leave it out, and write recipes or replacements for it by hand")
    return pair._replace(target=target)


def _key_field(table: TableSchema, resource: ResourceSchema, taken: Mapping[str, Pair]) -> Field:
    """externalId, else the text field that sounds most like an id; metadata tells no keys (campaign.md §2.3)."""
    roomy = [
        field
        for field in fillable(resource)
        if field.type == "string" and (field.length or GUID_LENGTH) >= GUID_LENGTH and field.name not in taken
    ]
    ids = [f"{plain_name(each)}id" for each in (resource.name, table.name)]
    favourites = ["externalid", *ids, "id", plain_name(table.key)]

    def liking(field: Field) -> tuple[bool, int, bool]:
        name = plain_name(field.name)
        place = favourites.index(name) if name in favourites else len(favourites) + (not name.endswith("id"))
        return "." in field.name, place, not field.mandatory

    if not roomy:
        problem = f"no field of {resource.name} can hold the key"
        remedy = f"In Campaign, give it a text field of at least {GUID_LENGTH} characters with an identification key"
        raise SyncError(problem, f"resource {resource.name}", remedy)
    return min(roomy, key=liking)


def _distance(column: Column, field: Field, table: TableSchema, resource: ResourceSchema) -> int | None:
    """How far the names are apart: 0 the same thing under two names, 1 the same name, then with something left
    out; None if they have nothing in common.
    """
    full = without_cus(field.name).lower()
    if SAME.get(full) == column.name:
        return 0
    if "." in field.name:  # location.stateCode is no statecode
        return None
    ours, theirs = plain_name(column.name), plain_name(field.name)
    if ours == theirs:
        return 1
    coded = ours.removesuffix("code") if kind_of(column) == "choice" else ours.removeprefix("numberof")
    if coded == theirs:
        return 2
    shorter = (ours.removeprefix(plain_name(table.name)), theirs.removeprefix(plain_name(resource.name)))
    return 3 if ours in shorter[1:] or theirs in shorter[:1] else None


def _tidied(column: Column, field: Field) -> tuple[str, ...]:
    if "email" in field.name.lower():
        return ("trim", "lower")
    if re.search(r"_line\d$", column.name):
        return ("one_line", "trim")
    return ("trim",)
