"""AttributeMetadata objects that clients send, read into columns (dataverse.md §9.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.dataverse.columns import Column, Option
from sandbox.dataverse.descriptions import label_text
from sandbox.dataverse.errors import not_imitated, refuse

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_TYPES = frozenset(
    {
        "String",
        "Memo",
        "Integer",
        "BigInt",
        "Decimal",
        "Double",
        "Money",
        "Boolean",
        "DateTime",
        "Picklist",
        "MultiSelectPicklist",
    }
)
_DEFAULT_LENGTH = {"String": 100, "Memo": 2000}
_DEFAULT_PRECISION = {"Decimal": 2, "Double": 2, "Money": 2}
_RANGES = {
    "Integer": (-2147483648, 2147483647),
    "Decimal": (-1e11, 1e11),
    "Double": (-1e11, 1e11),
    "Money": (-922337203685477, 922337203685477),
}


def new_column(org: Org, table: str, definition: Mapping[str, Any]) -> Column:
    """A custom column; the data API does not know it for some seconds (§9.3)."""
    column = column_from(org, table, definition, None)
    delay = float(org.option("column_visibility_seconds"))
    return replace(column, visible_from=org.timestamp() + delay if delay else 0.0)


def column_from(org: Org, table: str, definition: Mapping[str, Any], known: Column | None) -> Column:
    """Read a definition; an update replaces what it may replace and keeps name and type."""
    schema = known.schema if known else check_schema_name(str(definition.get("SchemaName") or ""))
    type_ = known.type if known else _type_of(definition)
    low, high = _RANGES.get(type_, (None, None))
    base = known or Column(schema.lower(), type_, schema, custom=True, behavior=_behavior(definition))
    column = replace(
        base,
        label=label_text(definition.get("DisplayName")) or base.label,
        length=definition.get("MaxLength", base.length or _DEFAULT_LENGTH.get(type_)),
        minimum=definition.get("MinValue", low if known is None else base.minimum),
        maximum=definition.get("MaxValue", high if known is None else base.maximum),
        precision=definition.get("Precision", base.precision or _DEFAULT_PRECISION.get(type_)),
        format=_format(definition, type_, base),
        required=(definition.get("RequiredLevel") or {}).get("Value", base.required),
        default=_default(definition, type_, base),
    )
    if type_ in ("Boolean", "Picklist", "MultiSelectPicklist"):
        column = _with_options(org, table, column, definition)
    return column


def _type_of(definition: Mapping[str, Any]) -> str:
    name = str(definition.get("@odata.type", "")).rpartition(".")[2]
    type_ = name.removeprefix("Complex").removesuffix("AttributeMetadata")
    if type_ in ("Image", "File", "Lookup", "Customer"):
        raise not_imitated(f"columns of type {type_} made this way")
    if type_ not in _TYPES:
        raise refuse("InvalidArgument", text=f"The attribute type '{name}' is not known.")
    return type_


def _behavior(definition: Mapping[str, Any]) -> str:
    return str((definition.get("DateTimeBehavior") or {}).get("Value") or "UserLocal")


def _format(definition: Mapping[str, Any], type_: str, base: Column) -> str:
    if type_ in ("String", "Memo"):
        named = (definition.get("FormatName") or {}).get("Value")
        return str(named or base.format or ("Text" if type_ == "String" else "TextArea"))
    if type_ == "DateTime":
        return str(definition.get("Format") or base.format or "DateAndTime")
    return str(definition.get("Format") or base.format)


def _default(definition: Mapping[str, Any], type_: str, base: Column) -> Any:
    if type_ == "Boolean":
        return bool(definition.get("DefaultValue", base.default or False))
    value = definition.get("DefaultFormValue", base.default)
    return None if value == -1 else value


def _with_options(org: Org, table: str, column: Column, definition: Mapping[str, Any]) -> Column:
    sent = definition.get("OptionSet")
    bind = definition.get("GlobalOptionSet@odata.bind")
    if bind is not None:
        name = str(bind).partition("Name='")[2].partition("'")[0]
        found = org.catalogue.option_sets.get(name) or next(
            (data for data in org.catalogue.option_sets.values() if data["id"] in str(bind)), None
        )
        if found is None:
            raise refuse("MetadataNotFound", name=name)
        options = tuple(Option(**option) for option in found["options"])
        return replace(
            column, options=options, option_set=found["name"], extra={**column.extra, "GlobalOptionSet": True}
        )
    if sent is None:
        if column.options:
            return column
        if column.type == "Boolean":
            return replace(column, options=(Option(0, "No"), Option(1, "Yes")))
        raise refuse("InvalidArgument", text=f"The attribute {column.name} needs an OptionSet.")
    if column.type == "Boolean":
        pairs = [(sent.get("FalseOption") or {}, 0, "No"), (sent.get("TrueOption") or {}, 1, "Yes")]
        options = tuple(
            Option(value, label_text(option.get("Label")) or stock) for option, value, stock in pairs
        )
        return replace(column, options=options)
    return replace(
        column, options=read_options(sent.get("Options") or []), option_set=f"{table}_{column.name}"
    )


def check_schema_name(name: str) -> str:
    """A schema name is a word; it ends up in statements and addresses."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", name):
        raise refuse(
            "InvalidArgument", text="SchemaName is missing or has characters other than A-Z, 0-9 and _."
        )
    return name


def read_options(options: list[Mapping[str, Any]]) -> tuple[Option, ...]:
    """Options as sent; those without a value are numbered from the publisher's prefix."""
    found = []
    for number, option in enumerate(options):
        value = option.get("Value")
        found.append(
            Option(512_340_000 + number if value is None else int(value), label_text(option.get("Label")))
        )
    if len({option.value for option in found}) != len(found):
        raise refuse("InvalidArgument", text="Two options have the same value.")
    return tuple(found)
