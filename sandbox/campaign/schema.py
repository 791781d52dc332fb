"""What a Campaign resource consists of, read from one declaration in plain JSON.

The same declaration drives metadata, validation, storage and rendering (campaign.md §13.2 B4). Nothing here
reads or writes records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

# short words of a declaration → technical type of the metadata (§2.3)
RES_TYPES = {
    "string": "string", "memo": "memo", "byte": "byte", "short": "short", "integer": "long", "long": "long",
    "int64": "int64", "float": "float", "double": "double", "boolean": "boolean", "date": "date",
    "datetime": "datetime",
}  # fmt: skip
NUMBERS = ("byte", "short", "long", "int64", "float", "double")
DEFAULT_LENGTH = 127  # §2.3: custom text
AUDIT_FIELDS = {
    "created": {"type": "datetime", "read_only": True},
    "lastModified": {"type": "datetime", "read_only": True},
}
AUDIT_LINKS = {
    name: {"target": "userBase", "read_only": True, "on_delete": "nothing"}
    for name in ("createdBy", "modifiedBy")
}


class Value(NamedTuple):
    """A value of an enumeration: `name` travels, `value` is stored, `label` is shown."""

    name: str
    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One attribute of a resource; `column` is its name in storage, `fields` are those of an item."""

    name: str
    column: str
    res_type: str
    label: str
    length: int = 0
    values: tuple[Value, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)
    default: Any = ""
    policy: str = ""
    read_only: bool = False
    mandatory: bool = False
    sortable: bool = True
    custom: bool = False
    category: str = "99_none"

    @property
    def type(self) -> str:
        """The high-level type of the metadata (§2.3)."""
        if self.values:
            return "enumeration"
        if self.fields:
            return "item"
        if self.res_type in NUMBERS:
            return "number"
        return {"boolean": "boolean", "date": "date", "datetime": "date"}.get(self.res_type, "string")


@dataclass(frozen=True)
class Link:
    """A to-one link; `joins` pairs local with remote columns, none means by primary key (§6.2)."""

    name: str
    target: str
    label: str
    cardinality: str = "0..1"
    joins: tuple[tuple[str, str], ...] = ()
    reverse: str = ""
    on_delete: str = "delete_unreferenced_target"
    read_only: bool = False
    custom: bool = False


@dataclass(frozen=True)
class Key:
    """An identification key of one or more columns."""

    name: str
    fields: tuple[str, ...]
    custom: bool = False
    of_links: bool = False


@dataclass(frozen=True)
class Rule:
    """One comparison of a filter: a column against a parameter."""

    column: str
    parameter: str
    operator: str = "equal"
    case_sensitive: bool = True
    off_when_empty: bool = True


@dataclass(frozen=True)
class Filter:
    """A named filter; `kind` names a built-in with a behaviour of its own, or is `rules`."""

    name: str
    label: str
    parameters: tuple[str, ...]
    kind: str = "rules"
    rules: tuple[Rule, ...] = ()
    custom: bool = False


@dataclass(frozen=True)
class Collection:
    """The far side of a link: rows of `resource` whose `link` leads here."""

    name: str
    resource: str
    link: str
    custom: bool = False


@dataclass(frozen=True)
class Resource:
    """One resource as published."""

    name: str
    schema: str
    label: str
    singular: str
    fields: Mapping[str, Field]
    links: Mapping[str, Link]
    keys: Mapping[str, Key]
    filters: Mapping[str, Filter]
    collections: Mapping[str, Collection]
    title: tuple[str, ...] = ()
    custom: bool = False
    hidden: bool = False
    internal: bool = False

    @cached_property
    def unset(self) -> dict[str, Any]:
        """Every field's unset value by API name; an item's is a dict of its parts."""
        return {
            name: {sub: f.default for sub, f in field.fields.items()} if field.fields else field.default
            for name, field in self.fields.items()
        }

    @cached_property
    def names(self) -> dict[str, str]:
        """API names by column."""
        return {field.column: name for name, field in self.fields.items()}

    @cached_property
    def columns(self) -> dict[str, Field]:
        """Fields by column."""
        return {field.column: field for field in self.fields.values()}

    def looked_up(self) -> set[str]:
        """Return the columns that filters, links and far sides look rows up by."""
        ruled = {rule.column for f in self.filters.values() for rule in f.rules if rule.operator == "equal"}
        followed = [x for x in self.links.values() if x.reverse or x.on_delete != "nothing"]
        near = {x.name for x in followed if not x.joins}
        far = {local for x in followed for local, _ in x.joins}
        return ruled | near | far


def read_resource(
    name: str, declared: Mapping[str, Any], renamed: Mapping[str, str] | None = None
) -> Resource:
    """Build a resource from its declaration; `renamed` maps columns to the API names in force."""
    names = renamed or {}
    audited = declared.get("audit", True)
    declared_fields = {**declared["fields"], **(AUDIT_FIELDS if audited else {})}
    fields = [read_field(column, d, names.get(column, column)) for column, d in declared_fields.items()]
    links = {**declared.get("links", {}), **(AUDIT_LINKS if audited else {})}
    return Resource(
        name=name,
        schema=declared.get("schema", f"cus:{name}"),
        label=declared.get("label", name),
        singular=declared.get("singular", declared.get("label", name)),
        fields={f.name: f for f in fields},
        links={link: _link(link, d) for link, d in links.items()},
        keys={key: _key(key, d, links) for key, d in declared.get("keys", {}).items()},
        filters={f: _filter(f, d) for f, d in declared.get("filters", {}).items()},
        collections={c: Collection(c, **d) for c, d in declared.get("collections", {}).items()},
        title=tuple(declared.get("title", ())),
        custom=declared.get("custom", False),
        hidden=declared.get("hidden", False),
        internal=declared.get("internal", False),
    )


def read_field(column: str, declared: Mapping[str, Any], name: str = "") -> Field:
    """Build a field; raise ValueError for a type that does not exist."""
    values = tuple(Value(n, str(v), n.capitalize()) for n, v in declared.get("values", {}).items())
    parts = {sub: read_field(sub, d) for sub, d in declared.get("fields", {}).items()}
    word = declared.get("type", "byte" if values else "item" if parts else "string")
    if word not in RES_TYPES and not (parts and word == "item"):
        raise ValueError(f"field {column}: type {word!r} is not one of {', '.join(RES_TYPES)}")
    res_type = RES_TYPES.get(word, "element")
    return Field(
        name=name or column,
        column=column,
        res_type=res_type,
        label=declared.get("label", column),
        length=int(declared.get("length", DEFAULT_LENGTH if res_type == "string" else 0)),
        values=values,
        fields=parts,
        default=declared.get("default", _unset(res_type, values)),
        policy=declared.get("policy", ""),
        read_only=declared.get("read_only", False),
        mandatory=declared.get("mandatory", False),
        sortable=declared.get("sortable", not parts and res_type != "memo"),
        custom=declared.get("custom", False),
        category=declared.get("category", "99_none"),
    )


def _unset(res_type: str, values: tuple[Value, ...]) -> Any:
    """Return what an unset field reads: numbers 0, text and dates "" (§4.2)."""
    if values:
        return values[0].name
    if res_type == "boolean":
        return False
    return 0 if res_type in NUMBERS else ""


def column_field(resource: Resource, column: str) -> Field | None:
    """Return the field that a column belongs to, e.g. `location.city`, or None."""
    head, _, rest = column.partition(".")
    found = next((f for f in resource.fields.values() if f.column == head), None)
    return found.fields.get(rest) if found is not None and rest else found


def _link(name: str, declared: Mapping[str, Any]) -> Link:
    joins = tuple((local, remote) for local, remote in declared.get("joins", {}).items())
    settings = {k: v for k, v in declared.items() if k not in ("joins", "label")}
    link = Link(name=name, label=declared.get("label", name), joins=joins, **settings)
    if link.cardinality not in ("1", "0..1"):
        raise ValueError(f"link {name}: cardinality is '1' or '0..1', not {link.cardinality!r}")
    if link.on_delete not in ("delete_unreferenced_target", "delete_referencing", "clear", "nothing"):
        raise ValueError(f"link {name}: on_delete {link.on_delete!r} is not known")
    return link


def _key(name: str, declared: Mapping[str, Any], links: Mapping[str, Any]) -> Key:
    fields = tuple(declared["fields"])
    return Key(name, fields, declared.get("custom", False), any(f in links for f in fields))


def _filter(name: str, declared: Mapping[str, Any]) -> Filter:
    rules = tuple(Rule(**rule) for rule in declared.get("rules", ()))
    parameters = tuple(declared.get("parameters", [rule.parameter for rule in rules]))
    label = declared.get("label", name)
    return Filter(
        name, label, parameters, declared.get("kind", "rules"), rules, declared.get("custom", False)
    )
