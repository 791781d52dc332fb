"""What the two systems say about a table and a resource: the values that hooks make from metadata and pure
code reads.

Not for fetching metadata (``hooks``) and not for judging a mapping by it (``fitting``).
"""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

#: Types whose cells are technical values with labels beside them.
CHOICES = frozenset({"Picklist", "State", "Status"})

#: Characters of a Dataverse id.
GUID_LENGTH = 36

#: The attributes of a profile by which people object (campaign.md §5), as mappings and the ledger spell them; most
#: instances of Campaign say blackList… for denyList….
OPT_OUTS = (
    "denyList",
    "denyListEmail",
    "denyListFax",
    "denyListMobile",
    "denyListPhone",
    "denyListPostalMail",
    "denyListPushnotification",
    "ccpaOptOut",
)


class Column(NamedTuple):
    """One column of a Dataverse table (dataverse.md §11)."""

    name: str  # logical name
    type: (
        str  # AttributeType: String, Integer, Money, Picklist, Lookup …; a DateTime without time is DateOnly
    )
    options: dict[int, str] | None = None  # technical value -> label
    max_length: int | None = None
    property: str = ""  # name on the wire: "_parentcustomerid_value" for lookups, else the logical name
    targets: tuple[str, ...] = ()  # of a lookup: the tables whose rows it may name; empty where nobody asked
    read_only: bool = False  # of a Boolean: Dataverse ignores what it is sent (dataverse.md §5)

    @builtins.property  # the field above hides the plain word
    def wire(self) -> str:
        """The name of this column in pages and frames."""
        return self.property or self.name


class TableSchema(NamedTuple):
    """One Dataverse table."""

    name: str
    set_name: str
    key: str
    columns: dict[str, Column]  # by logical name
    change_tracking: bool = True

    def column(self, name: str) -> Column | None:
        """The column of that logical or wire name."""
        found = self.columns.get(name)
        return found or next((each for each in self.columns.values() if each.wire == name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run folder."""
        columns = [each._asdict() for each in self.columns.values()]
        return self._asdict() | {"columns": columns}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> TableSchema:
        """The schema that :meth:`to_json` wrote; JSON turns option values into text, so they are turned
        back.
        """
        columns = {}
        for each in stored["columns"]:
            options = each.get("options")
            typed = {int(value): label for value, label in options.items()} if options is not None else None
            targets = tuple(each.get("targets") or ())
            columns[each["name"]] = Column(**each | {"options": typed, "targets": targets})
        return cls(**stored | {"columns": columns})


class Field(NamedTuple):
    """One field of a Campaign resource (campaign.md §2.3)."""

    name: str  # "email"; a sub-field of an item is "location.city"
    type: str  # string, integer, float, boolean, date, datetime, enumeration, link, collection, item
    length: int | None = None
    values: tuple[str, ...] | None = None  # names of an enumeration
    read_only: bool = False
    mandatory: bool = False
    technical: str = ""  # resType: byte, short, long, int64, float, double …; decides the range of a number
    policy: str = (
        ""  # dataPolicy: email, smartCase …; Campaign may rewrite what it is sent (campaign.md §4.3)
    )
    sortable: bool = False


class ResourceSchema(NamedTuple):
    """One Campaign resource."""

    name: str
    endpoint: str  # "profileAndServicesExt/profile"
    fields: dict[str, Field]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run folder."""
        return self._asdict() | {"fields": {name: each._asdict() for name, each in self.fields.items()}}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ResourceSchema:
        """The schema that :meth:`to_json` wrote."""
        fields = {}
        for name, each in stored[
            "fields"
        ].items():  # by the name a mapping may use; an alias has another one inside
            values = each.get("values")
            fields[name] = Field(**each | {"values": tuple(values) if values is not None else None})
        return cls(**stored | {"fields": fields})


def is_objection(field: str) -> bool:
    """Whether a field of Campaign, under either spelling, is somebody's opt-out (campaign.md §5)."""
    return field.startswith(("blackList", "denyList")) or field == "ccpaOptOut"


def opt_out(field: str) -> str | None:
    """The opt-out attribute that a field of Campaign is, in the spelling of ``OPT_OUTS``; None if it is none."""
    name = field.replace("blackList", "denyList", 1) if field.startswith("blackList") else field
    return name if name in OPT_OUTS else None
