"""What a customer has built inside an import workflow, read from one declaration in JSON (campaign.md §8.1).

What a declaration does not say is as Campaign has it when nobody touches it: Latin 1, no quotes, tabs,
unsorted, source files stay. A declaration of `columns` alone is filled in as a careful integrator would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.campaign.schema import NUMBERS, Field, Link, Resource, column_field

OPERATIONS = ("insert_or_update", "insert", "update", "delete")
TYPES = ("text", "integer", "float", "date", "datetime")
ERRORS = ("ignore", "reject", "default")
EMPTY = ("error_for_numbers", "null", "error")
ENCODINGS = ("latin-1", "utf-8")
IN_FILE = "$(vars/@inFile)"


@dataclass(frozen=True)
class Column:
    """How Load file reads one column."""

    name: str
    type: str = "text"
    length: int = 0
    format: str = ""  # of dates and datetimes; unsaid, day first, as Adobe's own sample has it (U18)
    decimal: str = "."
    remap: Mapping[str, str] = field(default_factory=dict)
    unmapped: str = "keep"  # keep, default, reject
    empty: str = "error_for_numbers"
    on_error: str = "ignore"  # the value is blanked, with a warning nobody reads
    default: Any = None


@dataclass(frozen=True)
class LoadFile:
    """The Load file activity."""

    columns: tuple[Column, ...] = ()
    separator: str = "\t"
    quote: str = ""
    encoding: str = "latin-1"
    header: bool = True
    ignore_lines: int = 0
    multiline: bool = False
    time_zone: str = "Europe/Paris"  # the operator's, who is not in Greenwich
    check_columns: bool = False
    max_errors: int = 100
    keep_rejects: bool = False
    rejects_folder: str = "d365_loads/rejects"


@dataclass(frozen=True)
class Target:
    """Where a column's values go: a field (`location.city` included), or a link by a key of its resource."""

    column: str
    path: str
    field: Field
    link: Link | None = None


@dataclass(frozen=True)
class Import:
    """One import workflow, from Transfer file to End."""

    id: str
    resource: str
    key: str
    signal: str
    parameters: Mapping[str, str]
    load_file: LoadFile
    targets: tuple[Target, ...]
    label: str = ""
    state: str = "edition"
    folder: str = "d365_loads/imports"
    pattern: str = IN_FILE
    delete_after: bool = False
    sort_files: bool = False
    decompress: bool = False
    if_no_files: str = "error"
    operation_column: str = ""
    operation: str = "insert_or_update"
    operations: Mapping[str, str] = field(default_factory=dict)
    insert_only: tuple[str, ...] = ()
    unlinked: str = "keep"
    deduplicate: str = "random"
    result_folder: str = ""


CAREFUL = {
    "delete_after": True, "sort_files": True, "decompress": True, "deduplicate": "last",
    "operation_column": "op", "operations": {"U": "insert_or_update", "D": "delete"},
    "result_folder": "d365_loads/done",
}  # fmt: skip
CAREFUL_LOAD = {
    "separator": ";", "quote": '"', "encoding": "utf-8", "multiline": True, "time_zone": "UTC",
    "check_columns": True, "keep_rejects": True,
}  # fmt: skip
SETTINGS = (
    "id", "label", "state", "resource", "key", "folder", "pattern", "delete_after", "sort_files", "decompress",
    "if_no_files", "operation_column", "operation", "insert_only", "unlinked", "deduplicate", "result_folder",
)  # fmt: skip


def read_import(declared: Mapping[str, Any], resources: Mapping[str, Resource]) -> Import:
    """Return a workflow from its declaration; raise ValueError for what makes no sense."""
    asked = {k: v for k, v in declared.items() if k != "tenant"}
    resource = resources.get(asked.get("resource", ""))
    if resource is None:
        raise ValueError(
            f"no resource is called {asked.get('resource')}: choose one of {', '.join(resources)}"
        )
    if "columns" in asked:
        asked = _careful(asked, resource, resources)
    _only(asked, (*SETTINGS, "signal", "parameters", "load_file", "operations", "fields"), "an import")
    load = dict(asked.get("load_file") or {})
    columns = tuple(_column(c) for c in load.pop("columns", ()))
    _only(load, tuple(LoadFile.__dataclass_fields__), "load_file")
    targets = tuple(_target(c, path, resource, resources) for c, path in (asked.get("fields") or {}).items())
    made = Import(
        **{name: asked[name] for name in SETTINGS if name in asked and name != "insert_only"},
        signal=asked.get("signal", "signal1"),
        parameters=dict(asked.get("parameters") or {"inFile": "text"}),
        load_file=LoadFile(columns=columns, **load),
        targets=targets,
        operations=dict(asked.get("operations") or {}),
        insert_only=tuple(asked.get("insert_only") or ()),
    )
    _check(made, resource)
    return made


def _careful(asked: dict[str, Any], resource: Resource, resources: Mapping[str, Resource]) -> dict[str, Any]:
    """Return a declaration in which every option is set, each path of `columns` being a column's name too."""
    paths = asked.pop("columns")
    targets = [_target(path, path, resource, resources) for path in paths]
    whole = {**CAREFUL, **asked}
    columns = [_careful_column(target) for target in targets]
    if whole["operation_column"]:
        columns.insert(0, {"name": whole["operation_column"], "length": 1, "on_error": "reject"})
    whole["load_file"] = {"columns": columns, **CAREFUL_LOAD, **(asked.get("load_file") or {})}
    whole["fields"] = {path: path for path in paths}
    return whole


def _careful_column(target: Target) -> dict[str, Any]:
    known = target.field
    column: dict[str, Any] = {"name": target.column, "on_error": "reject", "empty": "null"}
    if known.values:
        return {**column, "remap": {v.name: v.value for v in known.values}, "unmapped": "reject"}
    if known.res_type == "boolean" or known.res_type in NUMBERS:
        return {**column, "type": "float" if known.res_type in ("float", "double") else "integer"}
    if known.res_type == "date":
        return {**column, "type": "date", "format": "YYYY/MM/DD"}
    if known.res_type == "datetime":
        return {**column, "type": "datetime", "format": "YYYY/MM/DD HH:mm:SS"}
    return {**column, "length": known.length}


def _column(declared: Mapping[str, Any]) -> Column:
    _only(declared, tuple(Column.__dataclass_fields__), f"column {declared.get('name')}")
    settings = {**declared, "length": int(declared.get("length") or 0)}
    column = Column(**settings)
    _one_of(column.type, TYPES, f"column {column.name}: type")
    _one_of(column.on_error, ERRORS, f"column {column.name}: on_error")
    _one_of(column.empty, EMPTY, f"column {column.name}: empty")
    _one_of(column.unmapped, ("keep", "default", "reject"), f"column {column.name}: unmapped")
    return column


def _target(column: str, path: str, resource: Resource, resources: Mapping[str, Resource]) -> Target:
    """Return where a column goes; `cusOwner.externalId` is the link cusOwner by its resource's key."""
    head, _, rest = path.partition(".")
    link = resource.links.get(head)
    if link is not None:
        far = resources.get(link.target)
        if link.read_only or far is None or not rest:
            raise ValueError(f"link {path} cannot be set by an import: name a link and a key of its resource")
        if (rest,) not in {key.fields for key in far.keys.values()}:
            raise ValueError(f"link {path}: {rest} is not a key of {far.name}")
        return Target(column, path, far.fields[rest], link)
    found = resource.fields.get(head)
    if found is not None and rest:
        found = None if found.read_only else found.fields.get(rest)
    if found is None or found.fields or found.read_only:
        raise ValueError(f"{path} is no field of {resource.name} that an import can write")
    return Target(column, path, found)


def _check(made: Import, resource: Resource) -> None:
    names = {column.name for column in made.load_file.columns}
    wanted = {target.column for target in made.targets} | ({made.operation_column} - {""})
    if wanted - names:
        raise ValueError(f"load_file has no column {', '.join(sorted(wanted - names))}")
    paths = [target.path for target in made.targets]
    if made.key not in paths or column_field(resource, made.key) is None:
        raise ValueError(f"the key {made.key} must be a field of {made.resource} that a column goes to")
    if (made.key,) not in {key.fields for key in resource.keys.values()}:
        raise ValueError(f"{made.key} is not an identification key of {made.resource}")
    if set(made.insert_only) - set(paths):
        raise ValueError("insert_only names what no column goes to")
    for operation in (made.operation, *made.operations.values()):
        _one_of(operation, OPERATIONS, "an operation")
    if len(made.load_file.separator) != 1 or len(made.load_file.quote) > 1:
        raise ValueError("separator is one character, quote one or none")
    _one_of(made.load_file.encoding, ENCODINGS, "encoding")
    _one_of(made.unlinked, ("keep", "reject"), "unlinked")
    _one_of(made.deduplicate, ("random", "first", "last"), "deduplicate")
    _one_of(made.if_no_files, ("error", "end"), "if_no_files")


def _one_of(value: Any, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def _only(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{what} has no setting {', '.join(unknown)}; it has {', '.join(known)}")
