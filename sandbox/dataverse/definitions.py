"""Writing definitions: tables, PUT-only updates, keys (dataverse.md §9.2–9.4).

Columns and links are next door; definitions are read in metadata and printed in descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import builders, keys, links
from sandbox.dataverse.address import Segment
from sandbox.dataverse.column_definitions import check_schema_name, column_from, new_column
from sandbox.dataverse.columns import Column, Key, Table, stable_id
from sandbox.dataverse.descriptions import describe_table, label_text
from sandbox.dataverse.errors import not_imitated, refuse
from sandbox.dataverse.messages import Answer, Ask
from sandbox.dataverse.metadata import find_column, find_table
from sandbox.dataverse.org import list_messages

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_MOST_KEYS, _MOST_KEY_COLUMNS = 10, 16
_KEY_TYPES = frozenset({"Decimal", "Integer", "String", "DateTime", "Lookup", "Customer", "Picklist"})


def write(org: Org, ask: Ask) -> Answer:
    """POST, PUT and DELETE below the three sets of definitions."""
    first, rest = ask.segments[0], ask.segments[1:]
    if ask.method == "PATCH":
        raise refuse(
            "NotSupported", text="PATCH is not supported for definitions; use PUT with the whole definition."
        )
    if first.name == "RelationshipDefinitions":
        return links.write_relationship(org, ask, first)
    if first.name == "GlobalOptionSetDefinitions":
        return links.write_option_set(org, ask, first)
    if first.inside is None:
        if ask.method != "POST":
            raise _wrong_verb(ask)
        table = create_table(org, ask.json(first.name))
        return _located(org, f"EntityDefinitions({table.id})")
    table = find_table(org, first)
    if not rest:
        return _write_table(org, ask, table)
    if rest[0].name == "Attributes":
        return _write_column(org, ask, table, rest[0])
    if rest[0].name == "Keys":
        return _write_key(org, ask, table, rest[0])
    raise not_imitated(f"writing {rest[0].name}")


def _wrong_verb(ask: Ask) -> Exception:
    return refuse("NotSupported", text=f"The requested resource does not support http method '{ask.method}'.")


def _located(org: Org, where: str) -> Answer:
    return Answer(204, None, {"OData-EntityId": f"{org.root}/{where}"})


def create_table(org: Org, definition: Mapping[str, Any]) -> Table:
    """Make a table from an EntityMetadata (or ComplexEntityMetadata) object."""
    schema = check_schema_name(str(definition.get("SchemaName") or ""))
    name = schema.lower()
    if "_" not in schema:
        raise refuse("InvalidArgument", text="SchemaName needs a publisher's prefix.")
    if name in org.catalogue.tables:
        raise refuse("InvalidArgument", text=f"An entity with the name {name} already exists.")
    activity = definition.get("IsActivity") is True
    attributes = list(definition.get("Attributes") or [])
    columns = _activity(org, name, definition, attributes) if activity else _ordinary(name, attributes)
    primary = next((a for a in attributes if a.get("IsPrimaryName")), None)
    for attribute in attributes:
        if not (activity and attribute is primary):
            columns.append(new_column(org, name, attribute))
    plural = label_text(definition.get("DisplayCollectionName"))
    label = label_text(definition.get("DisplayName"))
    owned = definition.get("OwnershipType", "UserOwned") == "UserOwned"
    table = builders.make_table(
        name,
        _set_name(org, name),
        "activityid" if activity else f"{name}id",
        "subject" if activity else str(primary["SchemaName"]).lower() if primary else "",
        columns,
        schema=schema,
        label=label or schema,
        plural=plural or f"{label or schema}s",
        activity=activity,
        owned=owned,
        custom=True,
        otc=10_000 + len(org.catalogue.tables),
        tracking=definition.get("ChangeTrackingEnabled") is True,
        bulk=not activity or bool(org.option("custom_activity_bulk")),
        extra=_kept(definition),
    )
    org.catalogue.put(table)
    org.catalogue.lay_out_views()
    list_messages(org)
    return org.table(name)


def _set_name(org: Org, name: str) -> str:
    """The platform's plural: touch → touches, city → cities."""
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else f"{name}s"


def _ordinary(name: str, attributes: list[dict[str, Any]]) -> list[Column]:
    if sum(attribute.get("IsPrimaryName") is True for attribute in attributes) != 1:
        raise refuse("InvalidArgument", text="A table needs exactly one attribute with IsPrimaryName.")
    return [
        *builders.identifier(f"{name}id"),
        *builders.states(*builders.ACTIVE_INACTIVE),
        *builders.system_columns(),
    ]


def _activity(
    org: Org, name: str, definition: Mapping[str, Any], attributes: list[dict[str, Any]]
) -> list[Column]:
    """The rules of §9.2 for activity tables."""
    rules = {"HasActivities": False, "HasNotes": True, "IsAvailableOffline": True}
    for prop, wanted in rules.items():
        if definition.get(prop) is not wanted:
            raise refuse("InvalidArgument", text=f"An activity entity needs {prop} = {str(wanted).lower()}.")
    primary = [attribute for attribute in attributes if attribute.get("IsPrimaryName")]
    if not primary and not (attributes == [] and org.option("activity_without_attributes")):
        raise refuse("InvalidArgument", text="An activity entity needs its primary attribute Subject.")
    if primary and primary[0].get("SchemaName") != "Subject":
        raise refuse("ActivitySubject")
    return [
        *builders.activity_columns(name),
        *builders.states(
            *builders.OPEN_COMPLETED_CANCELED, on_create=org.option("activity_state_on_create") == "stored"
        ),
        *builders.system_columns(),
    ]


_COMPUTED = frozenset(
    {
        "SchemaName",
        "LogicalName",
        "MetadataId",
        "EntitySetName",
        "DisplayName",
        "DisplayCollectionName",
        "IsActivity",
        "Attributes",
        "ChangeTrackingEnabled",
        "OwnershipType",
        "PrimaryIdAttribute",
        "PrimaryNameAttribute",
        "ObjectTypeCode",
        "IsCustomEntity",
        "IsManaged",
        "LogicalCollectionName",
        "CollectionSchemaName",
        "Description",
    }
)


def _kept(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a client set that has no meaning here but is printed again."""
    known = describe_table(Table("", "", "", "", {}))
    return {name: value for name, value in definition.items() if name in known and name not in _COMPUTED}


def _write_table(org: Org, ask: Ask, table: Table) -> Answer:
    if ask.method == "DELETE":
        if not table.custom:
            raise refuse("InvalidOperation", text=f"The entity {table.name} cannot be deleted.")
        org.catalogue.drop(table)
        return Answer(204)
    if ask.method != "PUT":
        raise _wrong_verb(ask)
    body = ask.json("EntityDefinitions")
    wanted = body.get("ChangeTrackingEnabled", table.tracking)
    if table.tracking and wanted is False:
        raise refuse("CannotTurnTrackingOff", table=table.name)
    if wanted and not table.trackable:
        raise refuse("InvalidArgument", text=f"Change tracking cannot be enabled for {table.name}.")
    extra = _kept(body)
    if "unpublished_tracking" in table.extra or (wanted and not table.tracking):
        extra["unpublished_tracking"] = True
    merge = ask.headers.get("mscrm.mergelabels", "").lower() == "true"
    label, plural = label_text(body.get("DisplayName")), label_text(body.get("DisplayCollectionName"))
    if merge:
        label, plural = label or table.label, plural or table.plural
    org.catalogue.put(replace(table, tracking=bool(wanted), label=label, plural=plural, extra=extra))
    return Answer(204)


def _write_column(org: Org, ask: Ask, table: Table, segment: Segment) -> Answer:
    if ask.method == "POST" and segment.inside is None:
        column = builders.with_id(table.name, new_column(org, table.name, ask.json("Attributes")))
        if column.name in table.columns:
            raise refuse("InvalidArgument", text=f"An attribute with the name {column.name} already exists.")
        org.catalogue.put(table.with_column(column))
        return _located(org, f"EntityDefinitions({ask.segments[0].inside})/Attributes({column.id})")
    if segment.inside is None:
        raise _wrong_verb(ask)
    column = find_column(table, segment)
    if ask.method == "PUT":
        org.catalogue.put(table.with_column(column_from(org, table.name, ask.json("Attributes"), column)))
        return Answer(204)
    if ask.method != "DELETE":
        raise _wrong_verb(ask)
    if not column.custom or column.name == table.title:
        raise refuse("InvalidOperation", text=f"The attribute {column.name} cannot be deleted.")
    org.catalogue.drop_column(table, column)
    return Answer(204)


def _write_key(org: Org, ask: Ask, table: Table, segment: Segment) -> Answer:
    if ask.method == "DELETE" and segment.inside is not None:
        rest = tuple(
            key for key in table.keys if segment.inside not in (key.id, f"LogicalName='{key.schema.lower()}'")
        )
        if len(rest) == len(table.keys):
            raise refuse("MetadataNotFound", name="the key")
        org.catalogue.put(replace(table, keys=rest))
        return Answer(204)
    if ask.method != "POST" or segment.inside is not None:
        raise _wrong_verb(ask)
    body = ask.json("Keys")
    key = _new_key(
        org,
        table,
        check_schema_name(str(body.get("SchemaName") or "")),
        tuple(body.get("KeyAttributes") or ()),
        label_text(body.get("DisplayName")),
    )
    org.catalogue.put(replace(table, keys=(*table.keys, key)))
    return _located(org, f"EntityDefinitions({ask.segments[0].inside})/Keys({key.id})")


def _new_key(org: Org, table: Table, schema: str, columns: tuple[str, ...], label: str) -> Key:
    """§5: types, at most 16 columns, at most 10 keys; the index is built in the background."""
    if any(key.schema.lower() == schema.lower() for key in table.keys):
        raise refuse("InvalidArgument", text="The SchemaName of the key is in use.")
    if not columns or len(columns) > _MOST_KEY_COLUMNS or len(table.keys) >= _MOST_KEYS:
        raise refuse("InvalidArgument", text="A key has 1 to 16 columns; a table has at most 10 keys.")
    for name in columns:
        if name not in table.columns or table.columns[name].type not in _KEY_TYPES:
            raise refuse("InvalidArgument", text=f"The attribute {name} cannot be part of a key.")
    now = org.timestamp()
    unique = keys.build_index(org, table, columns)
    return Key(
        schema,
        columns,
        stable_id("key", table.name, schema),
        now,
        now + float(org.option("key_index_seconds")),
        not unique,
        label,
    )
