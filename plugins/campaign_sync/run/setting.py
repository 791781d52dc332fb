"""What a run works with from beginning to end, in the run's folder, and the names of what else is there.

Not for reading either system (``systems.py``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from campaign_sync.mapping.file import Mapping
from campaign_sync.rows.storage import documents, read_document
from campaign_sync.run.window import Window
from campaign_sync.schema import ResourceSchema, TableSchema

#: Documents of a run's folder …
SETTING, READ, REPORT, GUARD = "setting.json", "read.json", "report.json", "guard.json"
WAY, SIGNALLED, BEGAN = "way.json", "signalled.json", "began.json"

#: … and of each of its batches, after the batch's number.
CHECKED, STOPPED, HARM, LOADED = ".checks.json", ".stopped.json", ".harm.json", ".load.json"
PARKED, PARTS, SETTLED = ".parked.json", ".parts.json", ".settled.json"


def document(number: int, what: str) -> str:
    """The name of a batch's document."""
    return f"{number:05d}{what}"


def numbers(folder: str, what: str) -> set[int]:
    """The batches that have such a document."""
    return {int(name.removesuffix(what)) for name in documents(folder, what)}


class Setting(NamedTuple):
    """What a run works with from beginning to end."""

    mapping: Mapping
    table: TableSchema
    resource: ResourceSchema
    window: Window

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        return {
            "mapping": self.mapping.model_dump(mode="json", by_alias=True),
            "table": self.table.to_json(),
            "resource": self.resource.to_json(),
            "window": self.window.as_dict(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Setting:
        """The setting that :meth:`to_json` wrote."""
        return cls(
            Mapping.model_validate(stored["mapping"]),
            TableSchema.from_json(stored["table"]),
            ResourceSchema.from_json(stored["resource"]),
            Window.from_dict(stored["window"]),
        )

    @classmethod
    def of(cls, folder: str) -> Setting:
        """The setting of the run that has this folder."""
        return cls.from_json(read_document(folder, SETTING))
