"""Values that describe tables: options, columns, keys, relationships. No storage, no HTTP, no JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

_NAMESPACE = UUID("5a4db0c5-0000-4000-8000-00000000dada")
LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
CHOICES = frozenset({"Picklist", "State", "Status"})


def stable_id(*words: str) -> str:
    """A metadata id that is the same in every sandbox, so that tests and restarts agree."""
    return str(uuid5(_NAMESPACE, "/".join(words)))


@dataclass(frozen=True)
class Option:
    """One choice of an option set; `state` belongs to status reasons, `default_status` to states."""

    value: int
    label: str
    state: int | None = None
    default_status: int | None = None


@dataclass(frozen=True)
class Column:
    """One column; `type` is the AttributeType, MultiSelectPicklist included (§9.1)."""

    name: str
    type: str
    schema: str = ""
    label: str = ""
    length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    precision: int | None = None
    options: tuple[Option, ...] = ()
    option_set: str = ""
    targets: tuple[str, ...] = ()
    format: str = ""
    behavior: str = "UserLocal"
    default: Any = None
    creatable: bool = True
    updatable: bool = True
    required: str = "None"
    custom: bool = False
    id: str = ""
    visible_from: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_lookup(self) -> bool:
        return self.type in LOOKUPS

    @property
    def wire_name(self) -> str:
        """The name on the wire: lookups are read as `_x_value` (§3.2)."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def date_only(self) -> bool:
        return self.type == "DateTime" and self.behavior == "DateOnly"

    def option(self, value: int) -> Option | None:
        return next((option for option in self.options if option.value == value), None)


@dataclass(frozen=True)
class Key:
    """An alternate key; its index is ready at `ready_at` unless `failed` (§5)."""

    schema: str
    columns: tuple[str, ...]
    id: str
    started_at: float = 0.0
    ready_at: float = 0.0
    failed: bool = False
    label: str = ""

    def status(self, now: float) -> str:
        if now >= self.ready_at:
            return "Failed" if self.failed else "Active"
        middle = (self.started_at + self.ready_at) / 2
        return "InProgress" if now >= middle else "Pending"


@dataclass(frozen=True)
class Relation:
    """`child.column` points at `parent` (one to many); `navigation` climbs, `collection` descends."""

    schema: str
    child: str
    column: str
    parent: str
    navigation: str
    collection: str
    on_delete: str = "RemoveLink"
    custom: bool = False
    id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One table. `title` is the primary name column; `bulk`: CreateMultiple and its kin exist (§6.1)."""

    name: str
    set_name: str
    key: str
    title: str
    columns: Mapping[str, Column]
    schema: str = ""
    label: str = ""
    plural: str = ""
    otc: int = 10000
    keys: tuple[Key, ...] = ()
    tracking: bool = False
    trackable: bool = True
    activity: bool = False
    view: bool = False
    read_only: bool = False
    owned: bool = True
    bulk: bool = True
    optimistic: bool = True
    custom: bool = False
    id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def column_of(self, prop: str) -> Column | None:
        """The column that a wire property names, in exact case."""
        column = self.columns.get(prop)
        if column is not None:
            return None if column.is_lookup else column
        if prop.startswith("_") and prop.endswith("_value"):
            column = self.columns.get(prop[1:-6])
            return column if column is not None and column.is_lookup else None
        return None

    def with_column(self, column: Column) -> Table:
        return replace(self, columns={**self.columns, column.name: column})

    def without_column(self, name: str) -> Table:
        return replace(self, columns={key: column for key, column in self.columns.items() if key != name})


def to_json(table: Table) -> dict[str, Any]:
    """What is kept of a table. It shares the table's values: to be written, not to be changed."""
    columns = {
        name: {**vars(column), "options": [vars(option) for option in column.options]}
        for name, column in table.columns.items()
    }
    return {**vars(table), "columns": columns, "keys": [vars(key) for key in table.keys]}


def table_from_json(data: dict[str, Any]) -> Table:
    columns = {}
    for name, raw in data["columns"].items():
        options = tuple(Option(**option) for option in raw["options"])
        columns[name] = Column(**{**raw, "options": options, "targets": tuple(raw["targets"])})
    keys = tuple(Key(**{**key, "columns": tuple(key["columns"])}) for key in data["keys"])
    return Table(**{**data, "columns": columns, "keys": keys})
