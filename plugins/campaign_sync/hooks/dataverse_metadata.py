"""Reads a table's metadata: types, labels, lengths; and switches change tracking on.

Not for rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import quote

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.remedies import TRACK_CHANGES
from campaign_sync.hooks.rest import Rest
from campaign_sync.schema import Column, TableSchema

LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
PLAIN = frozenset(
    {"String", "Memo", "Integer", "BigInt", "Decimal", "Money", "Double", "Boolean", "DateTime"}
)
CHOICES = frozenset({"Picklist", "State", "Status", "MultiSelectPicklist"})
KNOWN = PLAIN | CHOICES | {"Uniqueidentifier", "EntityName"}

Attributes = Mapping[str, Mapping[str, Any]]
CHANGE_TRACKING_OFF = "0x80072491"


@documented("Dataverse", "metadata")
def read_table(
    rest: Rest, root: str, name: str, columns: Iterable[str] | None, *, targets: bool = False
) -> TableSchema:
    """Returns the table's schema, limited to `columns` (logical names or properties) if given; `targets` adds the
    tables whose rows its lookups may name.
    """
    definition = _definition(rest, root, name)
    entity = _entity(root, name)
    listed = rest.json(f"{entity}/Attributes?$select=LogicalName,AttributeType,AttributeTypeName")["value"]
    every = {column.name: column for each in listed if (column := _column(each)) is not None}
    chosen = every if columns is None else _chosen(name, every, columns)
    return TableSchema(
        definition["LogicalName"],
        definition["EntitySetName"],
        definition["PrimaryIdAttribute"],
        _detailed(rest, entity, chosen, DETAILS if targets else DETAILS_OF_VALUES),
        bool(definition["ChangeTrackingEnabled"]),
    )


def change_tracking_off(table: str) -> RefusedError:
    """Returns the error for a table whose changes are not tracked."""
    problem = f"change tracking is off for the table {table!r}"
    remedy = f"{TRACK_CHANGES}; it cannot be switched off again"
    return RefusedError("Dataverse", f"table {table}", None, CHANGE_TRACKING_OFF, problem, remedy)


@documented("Dataverse", "metadata")
def enable_change_tracking(rest: Rest, root: str, name: str) -> None:
    """Reads the whole definition, puts it back with the flag, keeping labels (dataverse.md §9.4)."""
    _definition(rest, root, name)
    definition = rest.json(_entity(root, name))
    if definition.get("ChangeTrackingEnabled"):
        return
    if not (definition.get("CanChangeTrackingBeEnabled") or {"Value": True}).get("Value"):
        problem = f"change tracking cannot be switched on for the table {name!r}"
        raise RefusedError(
            "Dataverse", f"table {name}", None, "", problem, "The table's publisher forbids it; map another"
        )
    headers = {"Content-Type": "application/json; charset=utf-8", "MSCRM.MergeLabels": "true"}
    url = f"{root}EntityDefinitions({definition['MetadataId']})"
    rest.ask("PUT", url, headers=headers, body={**definition, "ChangeTrackingEnabled": True})
    xml = f"<importexportxml><entities><entity>{name}</entity></entities></importexportxml>"
    rest.ask("POST", f"{root}PublishXml", headers=headers, body={"ParameterXml": xml})


@documented("Dataverse", "metadata")
def regarding_contact(rest: Rest, root: str, name: str) -> str:
    """Returns the navigation property that binds an activity of a table to a contact; its case cannot be guessed
    (dataverse.md §5).
    """
    wanted = "ReferencingEntityNavigationPropertyName,ReferencedEntity,ReferencingAttribute"
    relations = rest.json(f"{_entity(root, name)}/ManyToOneRelationships?$select={wanted}")["value"]
    for each in relations:
        if (each["ReferencedEntity"], each["ReferencingAttribute"]) == ("contact", "regardingobjectid"):
            return str(each["ReferencingEntityNavigationPropertyName"])
    problem = f"rows of the table {name!r} cannot regard a contact: it is no activity table"
    remedy = "Map another table, or have `python -m campaign_sync setup dynamics --apply` make one"
    raise RefusedError("Dataverse", f"table {name}", None, "no activity table", problem, remedy)


def close_to(name: str, choices: Collection[str]) -> str:
    """Returns a sentence with the names that were probably meant."""
    found = get_close_matches(name.lower(), choices, 3, 0.6)
    return f"Did you mean {' or '.join(found)}?" if found else ""


def _definition(rest: Rest, root: str, name: str) -> dict[str, Any]:
    wanted = "LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled"
    try:
        return rest.json(f"{_entity(root, name)}?$select={wanted}")
    except RefusedError as error:
        if error.status != 404:
            raise
    tables = rest.json(f"{root}EntityDefinitions?$select=LogicalName")["value"]
    meant = close_to(name, [each["LogicalName"] for each in tables])
    problem = f"there is no table {name!r}"
    remedy = meant or "Use the table's logical name, in lower case, as Power Apps shows it"
    raise RefusedError("Dataverse", f"table {name}", 404, "unknown table", problem, remedy)


def _entity(root: str, name: str) -> str:
    return f"{root}EntityDefinitions(LogicalName='{quote(name.replace(chr(39), chr(39) * 2), safe='')}')"


def _column(attribute: Mapping[str, Any]) -> Column | None:
    """A column as the list of attributes tells it; None for what has no value to read (dataverse.md §9.1)."""
    name = attribute["LogicalName"]
    named = str((attribute.get("AttributeTypeName") or {}).get("Value") or "").removesuffix("Type")
    kind = named if attribute["AttributeType"] == "Virtual" else attribute["AttributeType"]
    if kind in LOOKUPS:
        return Column(name, "Lookup", property=f"_{name}_value")
    return Column(name, kind, property=name) if kind in KNOWN else None


def _chosen(table: str, every: dict[str, Column], columns: Iterable[str]) -> dict[str, Column]:
    by_wire = {column.wire: column for column in every.values()}
    chosen = {}
    for name in columns:
        column = every.get(name) or by_wire.get(name)
        if column is None:
            meant = close_to(name, every) or "Use logical names, in lower case, as Power Apps shows them"
            problem = f"the table {table!r} has no readable column {name!r}"
            raise RefusedError("Dataverse", f"table {table}", None, "unknown column", problem, meant)
        chosen[column.name] = column
    return chosen


def _detailed(
    rest: Rest, entity: str, columns: dict[str, Column], wanted: Mapping[str, _Detail]
) -> dict[str, Column]:
    """Adds what only casts to a concrete type show: one request per type that is there."""
    details: dict[str, Mapping[str, Any]] = {}
    for kind in sorted({column.type for column in columns.values()} & wanted.keys()):
        cast = f"Microsoft.Dynamics.CRM.{kind}AttributeMetadata"
        url = f"{entity}/Attributes/{cast}?$select={wanted[kind].query}"
        details |= {each["LogicalName"]: each for each in rest.json(url)["value"]}
    return {
        name: wanted[column.type].add(column, details[name]) if name in details else column
        for name, column in columns.items()
    }


def _with_length(column: Column, detail: Mapping[str, Any]) -> Column:
    return column._replace(max_length=detail.get("MaxLength"))


def _with_behavior(column: Column, detail: Mapping[str, Any]) -> Column:
    # The behavior decides, not the format: a UserLocal one shown as a date is an instant (dataverse.md §11)
    behavior = (detail.get("DateTimeBehavior") or {}).get("Value")
    return column._replace(type="DateOnly") if behavior == "DateOnly" else column


def _with_options(column: Column, detail: Mapping[str, Any]) -> Column:
    found = detail.get("OptionSet") or detail.get("GlobalOptionSet") or {}
    return column._replace(options={each["Value"]: _label(each) for each in found.get("Options") or ()})


def _with_two_options(column: Column, detail: Mapping[str, Any]) -> Column:
    found = detail.get("OptionSet") or detail.get("GlobalOptionSet") or {}
    both = [each for each in (found.get("FalseOption"), found.get("TrueOption")) if each]
    options = {each["Value"]: _label(each) for each in both}
    return column._replace(options=options, read_only=detail.get("IsValidForUpdate") is False)


def _with_targets(column: Column, detail: Mapping[str, Any]) -> Column:
    return column._replace(targets=tuple(detail.get("Targets") or ()))


def _label(option: Mapping[str, Any]) -> str:
    label = option.get("Label") or {}
    texts = [label.get("UserLocalizedLabel"), *(label.get("LocalizedLabels") or ())]
    return next((str(each["Label"]) for each in texts if each and each.get("Label")), str(option["Value"]))


class _Detail(NamedTuple):
    query: str
    add: Callable[[Column, Mapping[str, Any]], Column]


_OPTIONS = "LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)"
DETAILS_OF_VALUES = {
    "String": _Detail("LogicalName,MaxLength", _with_length),
    "Memo": _Detail("LogicalName,MaxLength", _with_length),
    "DateTime": _Detail("LogicalName,DateTimeBehavior", _with_behavior),
    "Picklist": _Detail(_OPTIONS, _with_options),
    "MultiSelectPicklist": _Detail(_OPTIONS, _with_options),
    "State": _Detail("LogicalName&$expand=OptionSet($select=Options)", _with_options),
    "Status": _Detail("LogicalName&$expand=OptionSet($select=Options)", _with_options),
    "Boolean": _Detail(
        "LogicalName,IsValidForUpdate&$expand=OptionSet($select=TrueOption,FalseOption)", _with_two_options
    ),
}
DETAILS = DETAILS_OF_VALUES | {"Lookup": _Detail("LogicalName,Targets", _with_targets)}
