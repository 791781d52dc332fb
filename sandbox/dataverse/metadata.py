"""GET of definitions: tables, attributes, keys, relationships, global option sets (dataverse.md §9.1).

Never paged. Writing definitions is next door (definitions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.address import Segment, parse_key
from sandbox.dataverse.columns import Column, Relation, Table
from sandbox.dataverse.descriptions import (
    PREFIX,
    cast_of,
    describe_column,
    describe_global,
    describe_key,
    describe_option_set,
    describe_relation,
    describe_table,
    describe_typed,
)
from sandbox.dataverse.errors import not_imitated, refuse
from sandbox.dataverse.messages import JSON_TYPE, Answer, Ask
from sandbox.dataverse.odata import parse_filter
from sandbox.dataverse.sifting import matches, project, split_expand

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_COLLECTIONS = (
    "Attributes",
    "Keys",
    "OneToManyRelationships",
    "ManyToOneRelationships",
    "ManyToManyRelationships",
)


@dataclass(frozen=True)
class Thing:
    """A definition: its JSON, and how to expand it."""

    content: dict[str, Any]
    kind: str
    expanders: dict[str, Callable[[str], Any]]


def read(org: Org, ask: Ask) -> Answer:
    """Answer a metadata GET."""
    for option in ("$top", "$orderby", "$count", "$skiptoken"):
        if ask.options.get(option) is not None:
            raise refuse("QuerySyntax", text=f"The query parameter {option} is not supported for metadata.")
    first, rest = ask.segments[0], ask.segments[1:]
    if first.name == "EntityDefinitions":
        return _definitions(org, ask, first, rest)
    if first.name == "RelationshipDefinitions":
        return _relationships(org, ask, first, rest)
    things = [
        Thing(describe_global(name, data), "OptionSetMetadata", {})
        for name, data in org.catalogue.option_sets.items()
    ]
    if first.inside is None:
        return _many(org, ask, "GlobalOptionSetDefinitions", things)
    wanted = _key(first, "Name")
    for thing in things:
        if wanted in (thing.content["Name"], thing.content["MetadataId"]):
            return _one(org, ask, "GlobalOptionSetDefinitions", thing)
    raise refuse("MetadataNotFound", name=wanted)


def _key(segment: Segment, name: str) -> str:
    """The guid or the name in a segment's brackets."""
    key = parse_key(segment.inside or "")
    if isinstance(key, str):
        return key
    if "MetadataId" in key:
        return str(key["MetadataId"].value).lower()
    if set(key) != {name}:
        raise refuse("KeyNotValid", table=segment.name)
    return str(key[name].value)


def find_table(org: Org, segment: Segment) -> Table:
    """The table that EntityDefinitions(…) names."""
    wanted = _key(segment, "LogicalName")
    table = org.catalogue.tables.get(wanted) or org.catalogue.by_id(wanted)
    if table is None:
        raise refuse("MetadataNotFound", name=wanted)
    return table


def find_column(table: Table, segment: Segment) -> Column:
    """The column that Attributes(…) names."""
    wanted = _key(segment, "LogicalName")
    for column in table.columns.values():
        if wanted in (column.name, column.id):
            return column
    raise refuse("MetadataNotFound", name=f"{table.name}.{wanted}")


def _definitions(org: Org, ask: Ask, first: Segment, rest: tuple[Segment, ...]) -> Answer:
    if first.inside is None:
        return _many(
            org, ask, "EntityDefinitions", [_table_thing(org, t) for t in org.catalogue.tables.values()]
        )
    table = find_table(org, first)
    if not rest:
        return _one(org, ask, "EntityDefinitions", _table_thing(org, table))
    context = f"EntityDefinitions('{table.name}')/{rest[0].name}"
    if rest[0].name == "Attributes":
        return _attributes(org, ask, table, rest, context)
    if rest[0].name == "Keys":
        things = _keys(org, table)
        if rest[0].inside is None:
            return _many(org, ask, context, things)
        wanted = _key(rest[0], "LogicalName")
        for thing in things:
            if wanted in (thing.content["MetadataId"], thing.content["LogicalName"]):
                return _one(org, ask, context, thing)
        raise refuse("MetadataNotFound", name=wanted)
    if rest[0].name in _COLLECTIONS:
        return _many(org, ask, context, _relations_of(org, table, rest[0].name))
    raise refuse("SegmentNotFound", segment=rest[0].name)


def _table_thing(org: Org, table: Table) -> Thing:
    def collection(name: str) -> Callable[[str], Any]:
        return lambda inner: [
            project(org, thing.content, thing.kind, inner) for thing in _collection(org, table, name)
        ]

    return Thing(describe_table(table), "EntityMetadata", {name: collection(name) for name in _COLLECTIONS})


def _collection(org: Org, table: Table, name: str) -> list[Thing]:
    if name == "Attributes":
        return [_column_thing(org, table, column, None) for column in table.columns.values()]
    return _keys(org, table) if name == "Keys" else _relations_of(org, table, name)


def _keys(org: Org, table: Table) -> list[Thing]:
    return [Thing(describe_key(table, key, org.timestamp()), "EntityKeyMetadata", {}) for key in table.keys]


def _relation_thing(org: Org, relation: Relation) -> Thing:
    content = describe_relation(org, relation)
    return Thing(content, content["@odata.type"].rpartition(".")[2], {})


def _relations_of(org: Org, table: Table, name: str) -> list[Thing]:
    sides = {"OneToManyRelationships": "parent", "ManyToOneRelationships": "child"}
    found = []
    for relation in org.catalogue.relations.values():
        many = "Entity1LogicalName" in relation.extra
        if name == "ManyToManyRelationships":
            both = (relation.extra.get("Entity1LogicalName"), relation.extra.get("Entity2LogicalName"))
            fits = many and table.name in both
        else:
            fits = not many and getattr(relation, sides[name]) == table.name
        if fits:
            found.append(_relation_thing(org, relation))
    return found


def _column_thing(org: Org, table: Table, column: Column, cast: str | None) -> Thing:
    """A column: common properties without a cast, its type's with one."""
    if cast is None:
        return Thing(describe_column(table, column), "AttributeMetadata", {})
    content = describe_typed(org, table, column)
    expanders: dict[str, Callable[[str], Any]] = {}
    if column.options:
        described = describe_option_set(table, column)
        is_global = described["IsGlobal"]
        content.pop("GlobalOptionSet", None)
        expanders["OptionSet"] = lambda inner: (
            None if is_global else project(org, described, "OptionSetMetadata", inner)
        )
        expanders["GlobalOptionSet"] = lambda inner: (
            project(org, described, "OptionSetMetadata", inner) if is_global else None
        )
    return Thing({k: v for k, v in content.items() if k != "@odata.type"}, cast, expanders)


def _attributes(org: Org, ask: Ask, table: Table, rest: tuple[Segment, ...], context: str) -> Answer:
    casts = [segment.name.removeprefix(PREFIX) for segment in rest[1:] if segment.name.startswith(PREFIX)]
    cast = casts[0] if casts else None
    if rest[0].inside is None:
        columns: Iterable[Column] = table.columns.values()
        if cast:
            columns = [column for column in columns if cast in (cast_of(column), "AttributeMetadata")]
        return _many(org, ask, context, [_column_thing(org, table, column, cast) for column in columns])
    column = find_column(table, rest[0])
    if cast is not None and cast_of(column) != cast:
        raise refuse("MetadataNotFound", name=f"{table.name}.{column.name} as {cast}")
    thing = _column_thing(org, table, column, cast)
    deeper = [segment.name for segment in rest[1:] if not segment.name.startswith(PREFIX)]
    if not deeper:
        return _one(org, ask, context, thing)
    if len(deeper) > 1 or deeper[0] not in ("OptionSet", "GlobalOptionSet"):
        raise not_imitated(f"the metadata path {'/'.join(deeper)}")
    if deeper[0] not in thing.expanders:
        raise refuse("SegmentNotFound", segment=deeper[0])
    content = thing.expanders[deeper[0]]("")
    if content is None:
        raise refuse("MetadataNotFound", name=deeper[0])
    return _one(org, ask, context, Thing(content, "OptionSetMetadata", {}))


def _relationships(org: Org, ask: Ask, first: Segment, rest: tuple[Segment, ...]) -> Answer:
    cast = rest[0].name.removeprefix(PREFIX) if rest else None
    things = [_relation_thing(org, relation) for relation in org.catalogue.relations.values()]
    if first.inside is None:
        return _many(org, ask, "RelationshipDefinitions", [t for t in things if cast in (None, t.kind)])
    wanted = _key(first, "SchemaName")
    for thing in things:
        if wanted in (thing.content["SchemaName"], thing.content["MetadataId"]):
            return _one(org, ask, "RelationshipDefinitions", thing)
    raise refuse("MetadataNotFound", name=wanted)


def _shown(org: Org, ask: Ask, thing: Thing) -> dict[str, Any]:
    shown = project(org, thing.content, thing.kind, f"$select={ask.options.get('$select') or ''}")
    for name, inner in split_expand(ask.options.get("$expand")):
        if name not in thing.expanders:
            raise refuse("PropertyNotFound", name=name, table=thing.kind)
        shown[name] = thing.expanders[name](inner)
    return shown


def _one(org: Org, ask: Ask, context: str, thing: Thing) -> Answer:
    shown = _shown(org, ask, thing)
    head = {"@odata.context": f"{org.root}/$metadata#{context}/$entity"}
    return Answer.of({**head, **shown}, Content_Type=JSON_TYPE)


def _many(org: Org, ask: Ask, context: str, things: list[Thing]) -> Answer:
    text = ask.options.get("$filter")
    if text is not None:
        tree = parse_filter(text, ask.options.aliases)
        things = [thing for thing in things if matches(org, tree, thing.content, thing.kind)]
    value = [_shown(org, ask, thing) for thing in things]
    return Answer.of(
        {"@odata.context": f"{org.root}/$metadata#{context}", "value": value}, Content_Type=JSON_TYPE
    )
