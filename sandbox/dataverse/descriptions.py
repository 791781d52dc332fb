"""Definitions as the metadata endpoints print them (dataverse.md §9.1). Selecting is for metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import Column, Key, Option, Relation, Table, stable_id

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_LANGUAGE = 1033
PREFIX = "Microsoft.Dynamics.CRM."
_TYPE_NAMES = {"Uniqueidentifier": "UniqueidentifierType", "MultiSelectPicklist": "MultiSelectPicklistType"}
_CAST = {
    "Uniqueidentifier": "AttributeMetadata",
    "Customer": "LookupAttributeMetadata",
    "Owner": "LookupAttributeMetadata",
}


def label(text: str, *path: str) -> dict[str, Any]:
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    one = {
        "Label": text,
        "LanguageCode": _LANGUAGE,
        "IsManaged": True,
        "MetadataId": stable_id("label", *path, text),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [one], "UserLocalizedLabel": dict(one)}


def label_text(content: Any) -> str:
    """The text of a label that a client sent."""
    if not isinstance(content, dict):
        return ""
    labels = content.get("LocalizedLabels") or []
    chosen = next(
        (one for one in labels if one.get("LanguageCode") == _LANGUAGE), labels[0] if labels else {}
    )
    return str(chosen.get("Label") or "")


def managed(value: Any, name: str) -> dict[str, Any]:
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


def describe_table(table: Table) -> dict[str, Any]:
    """An EntityMetadata object, without its collections."""
    return {
        "ActivityTypeMask": 1 if table.activity else 0,
        "AutoCreateAccessTeams": False,
        "ChangeTrackingEnabled": table.tracking,
        "CollectionSchemaName": f"{table.schema}s",
        "Description": label(f"{table.label}.", table.name, "description"),
        "DisplayCollectionName": label(table.plural, table.name, "plural"),
        "DisplayName": label(table.label, table.name),
        "EntitySetName": table.set_name,
        "HasActivities": not table.activity and table.owned,
        "HasNotes": True,
        "IsActivity": table.activity,
        "IsActivityParty": table.name in ("contact", "account", "systemuser"),
        "IsAvailableOffline": True,
        "IsCustomEntity": table.custom,
        "IsIntersect": False,
        "IsLogicalEntity": False,
        "IsManaged": not table.custom,
        "IsOptimisticConcurrencyEnabled": table.optimistic,
        "IsPrivate": False,
        "IsValidForAdvancedFind": True,
        "LogicalCollectionName": table.set_name,
        "LogicalName": table.name,
        "MetadataId": table.id,
        "ObjectTypeCode": table.otc,
        "OwnershipType": "UserOwned" if table.owned else "OrganizationOwned",
        "PrimaryIdAttribute": table.key,
        "PrimaryImageAttribute": None,
        "PrimaryNameAttribute": table.title,
        "SchemaName": table.schema,
        "TableType": "Standard",
        "CanChangeTrackingBeEnabled": managed(table.trackable, "canchangetrackingbeenabled"),
        "CanCreateAttributes": managed(True, "cancreateattributes"),
        "IsAuditEnabled": managed(False, "canmodifyauditsettings"),
        "IsCustomizable": managed(True, "iscustomizable"),
        "IsDuplicateDetectionEnabled": managed(False, "canmodifyduplicatedetectionsettings"),
        "IsRenameable": managed(True, "isrenameable"),
        **{name: value for name, value in table.extra.items() if name != "unpublished_tracking"},
    }


def attribute_type(column: Column) -> tuple[str, str]:
    """AttributeType and AttributeTypeName: a multi-select shows as Virtual (§9.1)."""
    kind = "Virtual" if column.type == "MultiSelectPicklist" else column.type
    return kind, _TYPE_NAMES.get(column.type, f"{column.type}Type")


def cast_of(column: Column) -> str:
    return _CAST.get(column.type, f"{column.type}AttributeMetadata")


def describe_column(table: Table, column: Column) -> dict[str, Any]:
    """An AttributeMetadata object: what all types share."""
    kind, kind_name = attribute_type(column)
    return {
        "@odata.type": f"#{PREFIX}{cast_of(column)}",
        "AttributeOf": None,
        "AttributeType": kind,
        "AttributeTypeName": {"Value": kind_name},
        "ColumnNumber": 1 + list(table.columns).index(column.name) if column.name in table.columns else 0,
        "Description": label("", table.name, column.name),
        "DisplayName": label(column.label, table.name, column.name),
        "EntityLogicalName": table.name,
        "IsCustomAttribute": column.custom,
        "IsFilterable": True,
        "IsLogical": False,
        "IsManaged": not column.custom,
        "IsPrimaryId": column.name == table.key,
        "IsPrimaryName": column.name == table.title,
        "IsSearchable": False,
        "IsSecured": False,
        "IsValidForCreate": column.creatable,
        "IsValidForRead": True,
        "IsValidForUpdate": column.updatable,
        "LogicalName": column.name,
        "MetadataId": column.id,
        "SchemaName": column.schema,
        "SourceType": 0,
        "IsAuditEnabled": managed(False, "canmodifyauditsettings"),
        "IsCustomizable": managed(True, "iscustomizable"),
        "IsRenameable": managed(True, "isrenameable"),
        "IsValidForAdvancedFind": managed(True, "canmodifysearchsettings"),
        "RequiredLevel": managed(column.required, "canmodifyrequirementlevelsettings"),
        **column.extra,
    }


def describe_typed(org: Org, table: Table, column: Column) -> dict[str, Any]:
    """The same with what its type adds; needs a cast in the URL (§9.1)."""
    return {**describe_column(table, column), **_typed(column)}


def _typed(column: Column) -> dict[str, Any]:
    numbers = {"MinValue": column.minimum, "MaxValue": column.maximum}
    match column.type:
        case "String" | "Memo":
            return {
                "MaxLength": column.length,
                "Format": column.format,
                "FormatName": {"Value": column.format},
                "ImeMode": "Auto",
                "IsLocalizable": False,
            }
        case "Integer" | "BigInt":
            whole = {name: None if value is None else int(value) for name, value in numbers.items()}
            return {**whole, "Format": column.format or "None"}
        case "Decimal" | "Double":
            return {**numbers, "Precision": column.precision, "ImeMode": "Disabled"}
        case "Money":
            return {**numbers, "Precision": column.precision, "PrecisionSource": 2, "IsBaseCurrency": False}
        case "DateTime":
            return {
                "Format": column.format,
                "ImeMode": "Inactive",
                "DateTimeBehavior": {"Value": column.behavior},
                "CanChangeDateTimeBehavior": managed(False, "canchangedatetimebehavior"),
            }
        case "Lookup" | "Customer" | "Owner":
            return {"Targets": list(column.targets), "Format": "None"}
        case "Boolean" | "Picklist" | "State" | "Status" | "MultiSelectPicklist":
            return {"DefaultValue" if column.type == "Boolean" else "DefaultFormValue": column.default}
        case _:
            return {}


def describe_option_set(table: Table, column: Column) -> dict[str, Any]:
    """An OptionSetMetadata or BooleanOptionSetMetadata object."""
    head = {
        "MetadataId": stable_id("option set", column.option_set),
        "HasChanged": None,
        "Name": column.option_set,
        "IsGlobal": bool(column.extra.get("GlobalOptionSet")),
        "IsCustomOptionSet": column.custom,
        "IsManaged": not column.custom,
        "OptionSetType": column.type if column.type in ("Boolean", "State", "Status") else "Picklist",
        "DisplayName": label(column.label, table.name, column.name, "options"),
    }
    if column.type == "Boolean":
        no, yes = (
            describe_option(column, option) for option in sorted(column.options, key=lambda o: o.value)
        )
        return {**head, "TrueOption": yes, "FalseOption": no}
    return {**head, "Options": [describe_option(column, option) for option in column.options]}


def describe_option(column: Column, option: Option) -> dict[str, Any]:
    """One option as §9.1 prints it."""
    content = {
        "Value": option.value,
        "Color": None,
        "IsManaged": not column.custom,
        "MetadataId": None,
        "HasChanged": None,
        "Label": label(option.label, column.option_set, str(option.value)),
        "Description": label(""),
    }
    if column.type == "State":
        name = option.label.replace(" ", "")
        return {
            "@odata.type": f"#{PREFIX}StateOptionMetadata",
            **content,
            "DefaultStatus": option.default_status,
            "InvariantName": name,
        }
    if column.type == "Status":
        return {
            "@odata.type": f"#{PREFIX}StatusOptionMetadata",
            **content,
            "State": option.state,
            "TransitionData": None,
        }
    return content


def describe_key(table: Table, key: Key, now: float) -> dict[str, Any]:
    return {
        "KeyAttributes": list(key.columns),
        "IsCustomizable": managed(True, "iscustomizable"),
        "IsManaged": False,
        "EntityLogicalName": table.name,
        "SchemaName": key.schema,
        "LogicalName": key.schema.lower(),
        "EntityKeyIndexStatus": key.status(now),
        "MetadataId": key.id,
        "DisplayName": label(key.label, table.name, key.schema),
    }


def describe_relation(org: Org, relation: Relation) -> dict[str, Any]:
    parent = org.catalogue.tables.get(relation.parent)
    if "Entity1LogicalName" in relation.extra:
        return {
            "@odata.type": f"#{PREFIX}ManyToManyRelationshipMetadata",
            "SchemaName": relation.schema,
            "MetadataId": relation.id,
            "RelationshipType": "ManyToManyRelationship",
            "IsCustomRelationship": True,
            **relation.extra,
        }
    return {
        "@odata.type": f"#{PREFIX}OneToManyRelationshipMetadata",
        "SchemaName": relation.schema,
        "MetadataId": relation.id,
        "RelationshipType": "OneToManyRelationship",
        "IsCustomRelationship": relation.custom,
        "IsManaged": not relation.custom,
        "ReferencedAttribute": parent.key if parent else f"{relation.parent}id",
        "ReferencedEntity": relation.parent,
        "ReferencedEntityNavigationPropertyName": relation.collection,
        "ReferencingAttribute": relation.column,
        "ReferencingEntity": relation.child,
        "ReferencingEntityNavigationPropertyName": relation.navigation,
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": relation.on_delete,
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
        },
        **relation.extra,
    }


def describe_global(name: str, data: dict[str, Any]) -> dict[str, Any]:
    options: Sequence[dict[str, Any]] = data["options"]
    column = Column(name, "Picklist", option_set=name, custom=True)
    return {
        "@odata.type": f"#{PREFIX}OptionSetMetadata",
        "MetadataId": data["id"],
        "Name": name,
        "IsGlobal": True,
        "IsCustomOptionSet": True,
        "OptionSetType": "Picklist",
        "DisplayName": label(data.get("label", ""), name),
        "Options": [describe_option(column, Option(**option)) for option in options],
    }
