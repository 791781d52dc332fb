"""Relationships and global option sets, made and removed by definition requests (dataverse.md §9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import builders
from sandbox.dataverse.address import Segment, parse_key
from sandbox.dataverse.column_definitions import check_schema_name, read_options
from sandbox.dataverse.columns import Column, Relation, stable_id
from sandbox.dataverse.descriptions import label_text
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.messages import Answer, Ask

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org


def write_relationship(org: Org, ask: Ask, segment: Segment) -> Answer:
    """POST RelationshipDefinitions, or DELETE RelationshipDefinitions(<id>)."""
    if ask.method == "POST" and segment.inside is None:
        body = ask.json("RelationshipDefinitions")
        many = str(body.get("@odata.type", "")).endswith("ManyToManyRelationshipMetadata")
        relation = _many_to_many(org, body) if many else _one_to_many(org, body)
        return Answer(204, None, {"OData-EntityId": f"{org.root}/RelationshipDefinitions({relation.id})"})
    if ask.method != "DELETE" or segment.inside is None:
        raise refuse(
            "NotSupported", text=f"The requested resource does not support http method '{ask.method}'."
        )
    key = parse_key(segment.inside)
    for relation in list(org.catalogue.relations.values()):
        if relation.id == key and relation.custom:
            _drop(org, relation)
            return Answer(204)
    raise refuse("MetadataNotFound", name="the relationship")


def _drop(org: Org, relation: Relation) -> None:
    table = org.catalogue.tables.get(relation.child)
    if table is not None and relation.column in table.columns:
        org.catalogue.drop_column(table, table.columns[relation.column])
    org.catalogue.drop_relation(relation.schema)


def _schema(org: Org, body: Mapping[str, Any]) -> str:
    schema = check_schema_name(str(body.get("SchemaName") or ""))
    if schema in org.catalogue.relations:
        raise refuse("InvalidArgument", text="The SchemaName of the relationship is in use.")
    return schema


def _one_to_many(org: Org, body: Mapping[str, Any]) -> Relation:
    """A lookup column on the referencing table, and the relationship behind it."""
    schema = _schema(org, body)
    child, parent = (
        org.table(str(body.get("ReferencingEntity"))),
        org.table(str(body.get("ReferencedEntity"))),
    )
    lookup: Mapping[str, Any] = body.get("Lookup") or {}
    column_schema = check_schema_name(str(lookup.get("SchemaName") or ""))
    if column_schema.lower() in child.columns:
        raise refuse("InvalidArgument", text="The SchemaName of the lookup is in use.")
    required = (lookup.get("RequiredLevel") or {}).get("Value", "None")
    column = Column(
        column_schema.lower(),
        "Lookup",
        column_schema,
        label_text(lookup.get("DisplayName")),
        targets=(parent.name,),
        custom=True,
        required=required,
    )
    relation = Relation(
        schema=schema,
        child=child.name,
        column=column.name,
        parent=parent.name,
        navigation=column_schema,
        collection=str(body.get("ReferencedEntityNavigationPropertyName") or schema),
        on_delete=(body.get("CascadeConfiguration") or {}).get("Delete", "RemoveLink"),
        custom=True,
        id=stable_id("relation", schema),
    )
    org.catalogue.put_relation(relation)
    org.catalogue.put(child.with_column(builders.with_id(child.name, column)))
    return relation


def _many_to_many(org: Org, body: Mapping[str, Any]) -> Relation:
    """Definition only: rows of intersect tables are not imitated."""
    schema = _schema(org, body)
    first, second = (
        org.table(str(body.get("Entity1LogicalName"))),
        org.table(str(body.get("Entity2LogicalName"))),
    )
    extra = {
        "Entity1LogicalName": first.name,
        "Entity2LogicalName": second.name,
        "IntersectEntityName": str(body.get("IntersectEntityName") or schema).lower(),
        "Entity1IntersectAttribute": first.key,
        "Entity2IntersectAttribute": second.key,
        "Entity1NavigationPropertyName": body.get("Entity1NavigationPropertyName") or schema,
        "Entity2NavigationPropertyName": body.get("Entity2NavigationPropertyName") or schema,
    }
    relation = Relation(
        schema, "", "", "", "", "", custom=True, id=stable_id("relation", schema), extra=extra
    )
    org.catalogue.put_relation(relation)
    return relation


def write_option_set(org: Org, ask: Ask, segment: Segment) -> Answer:
    """POST GlobalOptionSetDefinitions, or DELETE GlobalOptionSetDefinitions(Name='…')."""
    sets = org.catalogue.option_sets
    if ask.method == "POST" and segment.inside is None:
        body = ask.json("GlobalOptionSetDefinitions")
        name = str(body.get("Name") or "")
        if not name or name in sets:
            raise refuse("InvalidArgument", text="The Name of the option set is missing or in use.")
        options = [asdict(option) for option in read_options(body.get("Options") or [])]
        sets[name] = {
            "name": name,
            "id": stable_id("global option set", name),
            "options": options,
            "label": label_text(body.get("DisplayName")),
        }
        org.catalogue.put_option_sets()
        where = f"{org.root}/GlobalOptionSetDefinitions({sets[name]['id']})"
        return Answer(204, None, {"OData-EntityId": where})
    if ask.method != "DELETE" or segment.inside is None:
        raise refuse(
            "NotSupported", text=f"The requested resource does not support http method '{ask.method}'."
        )
    key = parse_key(segment.inside)
    wanted = key if isinstance(key, str) else str(key["Name"].value)
    found = next((name for name, data in sets.items() if wanted in (name, data["id"])), None)
    if found is None:
        raise refuse("MetadataNotFound", name=wanted)
    del sets[found]
    org.catalogue.put_option_sets()
    return Answer(204)
