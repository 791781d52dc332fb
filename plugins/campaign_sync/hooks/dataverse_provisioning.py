"""Makes custom activity tables and their columns through Dataverse's metadata (dataverse.md §9.2, §9.3).

Adds what is missing and changes nothing that is there. Not for which tables are wanted (``events/tables.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest

CRM = "Microsoft.Dynamics.CRM"
ENGLISH = 1033
HEADERS = {"Content-Type": "application/json; charset=utf-8"}

#: A DateTime has this format; the time of day matters on a timeline.
DATE_AND_TIME = "DateAndTime"


class ActivityColumn(NamedTuple):
    """A column that is wanted."""

    name: str  # logical name
    type: str  # String, Memo, DateTime
    length: int | None
    label: str


class ActivityTable(NamedTuple):
    """A custom activity table that is wanted."""

    name: str  # logical name
    label: str
    columns: tuple[ActivityColumn, ...]


class Missing(NamedTuple):
    """What is not there yet."""

    table: ActivityTable
    is_new: bool
    columns: tuple[ActivityColumn, ...]

    def __str__(self) -> str:
        columns = ", ".join(f"{each.name} ({_said(each)})" for each in self.columns)
        if self.is_new:
            return f"{self.table.name}: the activity table “{self.table.label}” with {columns}"
        return f"{self.table.name}: columns {columns}"


def missing_from(rest: Rest, root: str, wanted: list[ActivityTable]) -> Iterator[Missing]:
    """What of these tables is not there; raises RefusedError if one has another nature than it must have."""
    for table in wanted:
        found = _definition(rest, root, table.name)
        if found is None:
            yield Missing(table, True, table.columns)
            continue
        if not found["IsActivity"]:
            problem = f"the table {table.name!r} is there and is no activity table"
            raise RefusedError(
                "Dataverse", f"table {table.name}", None, "", problem, "Name another in the mapping"
            )
        there = _types(rest, root, table.name)
        for each in table.columns:
            if there.get(each.name, each.type) not in _fitting(each.type):
                problem = f"the column {each.name} of {table.name} is a {there[each.name]}, not a {each.type}"
                raise RefusedError(
                    "Dataverse", f"table {table.name}", None, "", problem, "Name another in the mapping"
                )
        absent = tuple(each for each in table.columns if each.name not in there)
        if absent:
            yield Missing(table, False, absent)


def make(rest: Rest, root: str, missing: Missing) -> None:
    """Makes what is missing, and publishes the table. A process that dies half-way leaves the rest to be made."""
    name = missing.table.name
    if missing.is_new:
        rest.ask("POST", f"{root}EntityDefinitions", headers=HEADERS, body=_table(missing.table))
    for column in missing.columns:
        url = f"{root}EntityDefinitions(LogicalName='{name}')/Attributes"
        rest.ask("POST", url, headers=HEADERS, body=_column(column))
    xml = f"<importexportxml><entities><entity>{name}</entity></entities></importexportxml>"
    rest.ask("POST", f"{root}PublishXml", headers=HEADERS, body={"ParameterXml": xml})


@documented("Dataverse", "metadata")
def _definition(rest: Rest, root: str, name: str) -> dict[str, Any] | None:
    url = f"{root}EntityDefinitions?$select=LogicalName,IsActivity&$filter=LogicalName eq '{name}'"
    found: list[dict[str, Any]] = rest.json(url)["value"]
    return found[0] if found else None


@documented("Dataverse", "metadata")
def _types(rest: Rest, root: str, name: str) -> dict[str, str]:
    url = f"{root}EntityDefinitions(LogicalName='{name}')/Attributes?$select=LogicalName,AttributeType"
    return {each["LogicalName"]: each["AttributeType"] for each in rest.json(url)["value"]}


def _fitting(kind: str) -> tuple[str, ...]:
    return ("DateTime",) if kind == "DateTime" else ("String", "Memo")


def _table(table: ActivityTable) -> dict[str, Any]:
    subject = _column(ActivityColumn("Subject", "String", 200, "Subject")) | {"IsPrimaryName": True}
    return {
        "@odata.type": f"{CRM}.EntityMetadata",
        "SchemaName": table.name,
        "DisplayName": _label(table.label),
        "DisplayCollectionName": _label(f"{table.label}s"),
        "OwnershipType": "UserOwned",
        # What an activity table must be (dataverse.md §9.2)
        "IsActivity": True,
        "HasActivities": False,
        "HasNotes": True,
        "IsAvailableOffline": True,
        "ActivityTypeMask": 1,
        "Attributes": [subject],
    }


def _column(column: ActivityColumn) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@odata.type": f"{CRM}.{column.type}AttributeMetadata",
        "SchemaName": column.name,
        "DisplayName": _label(column.label),
        "RequiredLevel": {"Value": "None"},
    }
    if column.type == "DateTime":
        return made | {"Format": DATE_AND_TIME}
    made["MaxLength"] = column.length
    return made | ({"FormatName": {"Value": "Text"}} if column.type == "String" else {"Format": "TextArea"})


def _label(text: str) -> dict[str, Any]:
    localized = {"@odata.type": f"{CRM}.LocalizedLabel", "Label": text, "LanguageCode": ENGLISH}
    return {"@odata.type": f"{CRM}.Label", "LocalizedLabels": [localized]}


def _said(column: ActivityColumn) -> str:
    return f"{column.type} {column.length:,}" if column.length else column.type
