"""Short words for declaring columns and tables as data, for stock tables, seeds and table creation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sandbox.dataverse.columns import Column, Option, Relation, Table, stable_id


def _column(schema: str, type_: str, **more: Any) -> Column:
    label = (
        more.pop("label", None) or re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", schema.split("_", 1)[-1]).strip()
    )
    return Column(name=schema.lower(), type=type_, schema=schema, label=label, **more)


def text(length: int, *schemas: str, **more: Any) -> list[Column]:
    return [
        _column(schema, "String", length=length, format=more.pop("format", "Text"), **more)
        for schema in schemas
    ]


def memo(length: int, *schemas: str, **more: Any) -> list[Column]:
    return [_column(schema, "Memo", length=length, format="TextArea", **more) for schema in schemas]


def whole(*schemas: str, low: int = -(2**31), high: int = 2**31 - 1, **more: Any) -> list[Column]:
    return [
        _column(schema, "Integer", minimum=low, maximum=high, format="None", **more) for schema in schemas
    ]


def money(*schemas: str, low: float = 0, high: float = 1e14, **more: Any) -> list[Column]:
    return [_column(schema, "Money", minimum=low, maximum=high, precision=2, **more) for schema in schemas]


def decimal(
    *schemas: str, low: float = -1e11, high: float = 1e11, precision: int = 2, **more: Any
) -> list[Column]:
    return [
        _column(schema, "Decimal", minimum=low, maximum=high, precision=precision, **more)
        for schema in schemas
    ]


def double(
    *schemas: str, low: float = -1e11, high: float = 1e11, precision: int = 5, **more: Any
) -> list[Column]:
    return [
        _column(schema, "Double", minimum=low, maximum=high, precision=precision, **more)
        for schema in schemas
    ]


def boolean(
    *schemas: str, yes: str = "Yes", no: str = "No", default: bool | None = False, **more: Any
) -> list[Column]:
    options = (Option(0, no), Option(1, yes))
    return [_column(schema, "Boolean", options=options, default=default, **more) for schema in schemas]


def moment(*schemas: str, **more: Any) -> list[Column]:
    return [
        _column(schema, "DateTime", format=more.pop("format", "DateAndTime"), **more) for schema in schemas
    ]


def day(*schemas: str, **more: Any) -> list[Column]:
    return [_column(schema, "DateTime", format="DateOnly", behavior="DateOnly", **more) for schema in schemas]


def choice(
    schema: str, *labels: str | tuple[int, str], start: int = 1, default: Any = None, **more: Any
) -> list[Column]:
    """A local choice; bare labels are numbered from `start`."""
    options = tuple(
        Option(*label) if isinstance(label, tuple) else Option(start + i, label)
        for i, label in enumerate(labels)
    )
    return [_column(schema, "Picklist", options=options, default=default, **more)]


def states(*lines: tuple[int, str, int, tuple[tuple[int, str], ...]], on_create: bool = True) -> list[Column]:
    """statecode and statuscode; a line is (state, label, default status, ((status, label), …))."""
    state_options = tuple(Option(value, label, default_status=status) for value, label, status, _ in lines)
    reasons = tuple(
        Option(value, label, state=state) for state, _, _, pairs in lines for value, label in pairs
    )
    return [
        _column(
            "StateCode",
            "State",
            options=state_options,
            default=lines[0][0],
            creatable=on_create,
            label="Status",
            required="SystemRequired",
        ),
        _column("StatusCode", "Status", options=reasons, default=lines[0][2], label="Status Reason"),
    ]


ACTIVE_INACTIVE = ((0, "Active", 1, ((1, "Active"),)), (1, "Inactive", 2, ((2, "Inactive"),)))
OPEN_COMPLETED_CANCELED = (
    (0, "Open", 1, ((1, "Open"),)),
    (1, "Completed", 2, ((2, "Completed"),)),
    (2, "Canceled", 3, ((3, "Canceled"),)),
    (3, "Scheduled", 4, ((4, "Scheduled"),)),
)  # §10.3, unconfirmed: read them from metadata


def lookup(schema: str, *targets: str, **more: Any) -> list[Column]:
    return [_column(schema, more.pop("type_", "Lookup"), targets=targets, **more)]


def read_only(columns: Iterable[Column]) -> list[Column]:
    return [Column(**{**vars(column), "creatable": False, "updatable": False}) for column in columns]


def identifier(schema: str) -> list[Column]:
    """The primary key: settable on create only (§5)."""
    return [_column(schema, "Uniqueidentifier", updatable=False, required="SystemRequired")]


def system_columns(owned: bool = True) -> list[Column]:
    """What every table has (§10.1)."""
    columns = [
        *read_only(moment("CreatedOn", "ModifiedOn")),
        *read_only(lookup("CreatedBy", "systemuser")),
        *read_only(lookup("ModifiedBy", "systemuser")),
        *read_only(lookup("CreatedOnBehalfBy", "systemuser")),
        *read_only(lookup("ModifiedOnBehalfBy", "systemuser")),
        *read_only([_column("VersionNumber", "BigInt")]),
        *whole("ImportSequenceNumber", updatable=False),
        *moment("OverriddenCreatedOn", format="DateOnly", updatable=False),
    ]
    if not owned:
        return columns
    return [
        *columns,
        *lookup("OwnerId", "systemuser", "team", type_="Owner", required="SystemRequired", label="Owner"),
        *read_only(lookup("OwningUser", "systemuser")),
        *read_only(lookup("OwningTeam", "team")),
        *read_only(lookup("OwningBusinessUnit", "businessunit")),
    ]


def activity_columns(table: str) -> list[Column]:
    """What every activity has besides the system columns; tasks and custom activities alike (§9.2, §10.3)."""
    return [
        *identifier("ActivityId"),
        *text(200, "Subject", required="ApplicationRequired"),
        *memo(2000, "Description"),
        *moment("ScheduledStart", "ScheduledEnd", "SortDate"),
        *moment("ActualStart", "ActualEnd", format="DateOnly"),
        *whole("ActualDurationMinutes", low=0),
        *choice("PriorityCode", "Low", "Normal", "High", start=0, default=1),
        *read_only([_column("ActivityTypeCode", "EntityName", default=table)]),
        *lookup("RegardingObjectId", "account", "contact", label="Regarding"),
        *boolean("IsBilled", "IsWorkflowCreated"),
        *read_only(boolean("IsRegularActivity", default=True)),
    ]


def make_table(
    name: str, set_name: str, key: str, title: str, columns: Iterable[Column], **more: Any
) -> Table:
    """Put a table together: ids for it and its columns, schema name and labels where none are given."""
    schema = more.pop("schema", "") or name.capitalize()
    label = more.pop("label", "") or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", schema.split("_", 1)[-1])
    found = {}
    for column in columns:
        found[column.name] = with_id(name, column)
    return Table(
        name=name,
        set_name=set_name,
        key=key,
        title=title,
        columns=found,
        schema=schema,
        label=label,
        plural=more.pop("plural", "") or f"{label}s",
        id=stable_id("table", name),
        **more,
    )


def with_id(table: str, column: Column) -> Column:
    """Give a column its metadata id and, for a choice, the name of its option set."""
    option_set = column.option_set or (f"{table}_{column.name}" if column.options else "")
    return Column(
        **{
            **vars(column),
            "id": column.id or stable_id("column", table, column.name),
            "option_set": option_set,
        }
    )


def relations_of(table: Table, column: Column, known: Iterable[str] = ()) -> list[Relation]:
    """The relationships behind a lookup, with the navigation names of §5."""
    made = []
    for target in column.targets:
        navigation = _navigation(table, column, target)
        schema = (
            f"{target}_{table.name}_{column.name}"
            if column.custom
            else f"{column.name}_{target}_{table.name}"
        )
        collection = _COLLECTIONS.get((table.name, column.name, target), schema)
        cascade = column.name == "regardingobjectid" and target in ("contact", "account")
        made.append(
            Relation(
                schema=collection,
                child=table.name,
                column=column.name,
                parent=target,
                navigation=navigation,
                collection=collection,
                on_delete="Cascade" if cascade else "RemoveLink",
                custom=column.custom,
                id=stable_id("relation", table.name, column.name, target),
            )
        )
    return made


_COLLECTIONS = {
    ("task", "regardingobjectid", "contact"): "Contact_Tasks",
    ("task", "regardingobjectid", "account"): "Account_Tasks",
    ("contact", "parentcustomerid", "account"): "contact_customer_accounts",
    ("contact", "parentcustomerid", "contact"): "contact_customer_contacts",
    ("activitypointer", "regardingobjectid", "contact"): "Contact_ActivityPointers",
    ("account", "primarycontactid", "contact"): "account_primary_contact",
}


def _navigation(table: Table, column: Column, target: str) -> str:
    if column.name == "regardingobjectid":
        return (
            f"regardingobjectid_{target}_{table.name}"
            if table.name != "activitypointer"
            else f"regardingobjectid_{target}"
        )
    if column.type == "Owner":
        return column.name
    if column.type == "Customer" or len(column.targets) > 1:
        return f"{column.schema if column.custom else column.name}_{target}"
    return column.schema if column.custom else column.name
