"""Tables from CSV files with Dataverse column names: `contact.csv`, `new_vendor.csv.gz` …

An empty cell is null; types of custom columns are inferred over the whole file; the mess stays as it is.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.seeds import TableSeed

STANDARD_TABLES = {
    "contact": "contactid",
    "account": "accountid",
    "task": "activityid",
    "systemuser": "systemuserid",
}
CUSTOM = re.compile(r"(?!address\d_)[a-z][a-z0-9]*_")  # a publisher's prefix: new_, mkt_ …
# standard columns (dataverse.md §10) that are not text; the others stay as they are written
INTEGERS = """
accountrolecode actualdurationminutes customersizecode customertypecode educationcode familystatuscode
gendercode haschildrencode importsequencenumber industrycode numberofchildren numberofemployees
percentcomplete preferredappointmentdaycode preferredappointmenttimecode preferredcontactmethodcode
prioritycode shippingmethodcode statecode statuscode territorycode versionnumber address1_addresstypecode
address1_shippingmethodcode
""".split()  # noqa: SIM905
BOOLEANS = """
creditonhold donotbulkemail donotbulkpostalmail donotemail donotfax donotphone donotpostalmail donotsendmm
followemail isbackofficecustomer isdisabled
""".split()  # noqa: SIM905
DECIMALS = "address1_latitude address1_longitude annualincome creditlimit exchangerate marketcap revenue"
STANDARD = {
    **dict.fromkeys(INTEGERS, "Integer"),
    **dict.fromkeys(BOOLEANS, "Boolean"),
    **dict.fromkeys(DECIMALS.split(), "Decimal"),
}
# the first type that all values of a column have
INFERRED = (
    ("Integer", re.compile(r"-?(0|[1-9]\d{0,8})")),
    ("Decimal", re.compile(r"-?(0|[1-9]\d{0,11})(\.\d{1,10})?")),
    ("Boolean", re.compile(r"True|False")),
    ("DateOnly", re.compile(r"\d{4}-\d\d-\d\d")),
    ("DateTime", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")),
)
READ: dict[str, Callable[[str], Any]] = {
    "Integer": int,
    "Decimal": float,
    "Boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.lower()],
}


class CsvTable(NamedTuple):
    """What a first reading of a file finds out."""

    name: str
    path: Path
    key: str
    types: dict[str, str]  # property as in the file → type
    columns: dict[str, str]  # custom columns: logical name → type


def csv_tables(directory: Path) -> Iterator[TableSeed]:
    """Yield the tables of a directory, parents before their children."""
    paths = sorted([*directory.glob("*.csv"), *directory.glob("*.csv.gz")])
    if not paths:
        raise ValueError("no *.csv or *.csv.gz in it")
    keys = {_table_name(path): _keys(path) for path in paths}
    tables = {_table_name(path): _look_at(path, keys) for path in paths}
    for name in _parents_first(tables):
        yield TableSeed(name, _rows(tables[name]), tables[name].columns)


def _rows(table: CsvTable) -> Iterator[dict[str, Any]]:
    read = [(name, READ.get(kind)) for name, kind in table.types.items()]
    for line, cells in enumerate(_cells(table.path), 2):
        try:
            yield {
                name: None if cells[name] == "" else cells[name] if convert is None else convert(cells[name])
                for name, convert in read
            }
        except (ValueError, KeyError):
            raise ValueError(
                f"{table.path.name} line {line} does not hold a value of its column's type"
            ) from None


def _look_at(path: Path, keys: dict[str, set[str]]) -> CsvTable:
    name, types, columns = _table_name(path), {}, {}
    for column, values in _distinct(path).items():
        custom = CUSTOM.match(column.lstrip("_")) is not None
        if column.startswith("_") and column.endswith("_value"):
            types[column] = "Lookup"
            if custom:
                columns[column[1:-6]] = f"Lookup:{_target(values, keys, column)}"
        elif column == _key(path):
            types[column] = "Uniqueidentifier"
        elif custom and column not in STANDARD:
            types[column] = columns[column] = _type(values)
        else:
            types[column] = STANDARD.get(column, "String")
    return CsvTable(name, path, _key(path), types, columns)


def _distinct(path: Path) -> dict[str, set[str]]:
    """Return the different values of every column, without the empty ones."""
    found: dict[str, set[str]] = {}
    for cells in _cells(path):
        for column, value in cells.items():
            found.setdefault(column, set()).add(value)
    return {column: values - {""} for column, values in found.items()}


def _type(values: set[str]) -> str:
    if values:
        for name, pattern in INFERRED:
            if all(pattern.fullmatch(value) for value in values):
                return name
    return "Memo" if any(len(value) > 100 or "\n" in value for value in values) else "String"


def _target(values: set[str], keys: dict[str, set[str]], column: str) -> str:
    """Return the table whose keys the values are; with no values, the one that the column's name contains."""
    for table, known in keys.items():
        if values and next(iter(values)).lower() in known:
            return table
    named = column[1:-6].removesuffix("id").partition("_")[2]
    return next((table for table in (*keys, *STANDARD_TABLES) if table.endswith(named)), "contact")


def _parents_first(tables: dict[str, CsvTable]) -> list[str]:
    parents = {
        name: {kind[7:] for kind in table.columns.values() if kind.startswith("Lookup:")}
        & set(tables) - {name}
        for name, table in tables.items()
    }
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError:
        return list(tables)


def _table_name(path: Path) -> str:
    return path.name.partition(".")[0]


def _key(path: Path) -> str:
    name = _table_name(path)
    return STANDARD_TABLES.get(name, f"{name}id")


def _keys(path: Path) -> set[str]:
    key = _key(path)
    try:
        return {cells[key].lower() for cells in _cells(path)}
    except KeyError:
        raise ValueError(f"{path.name} has no column {key}") from None


def _cells(path: Path) -> Iterator[dict[str, str]]:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        for number, cells in enumerate(csv.DictReader(file, restval=None, restkey=None, strict=True), 2):
            if None in cells or None in cells.values():
                raise ValueError(f"{path.name} line {number} has not as many cells as the head line")
            yield cells
