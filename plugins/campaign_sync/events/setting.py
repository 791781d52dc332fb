"""What a run of events works with from beginning to end: the mapping it began with, and the activity tables.

In the run's folder, so that what changes meanwhile changes the next run, not this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import MappingError, RefusedError
from campaign_sync.events.activities import SUBJECT, Timeline
from campaign_sync.events.file import EventMapping
from campaign_sync.rows.storage import read_document
from campaign_sync.run.setting import SETTING

if TYPE_CHECKING:
    from campaign_sync.hooks.dataverse import DataverseHook


#: Where the rows of a batch are from.
FILES, WAITED = "export files", "events that waited"


class EventSetting(NamedTuple):
    """What a run works with."""

    mapping: EventMapping
    timelines: dict[str, Timeline]
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        timelines = {kind: each.to_json() for kind, each in self.timelines.items()}
        mapping = self.mapping.model_dump(mode="json", by_alias=True)
        return {"mapping": mapping, "timelines": timelines, "dry_run": self.dry_run}

    @classmethod
    def of(cls, folder: str) -> EventSetting:
        """The setting of the run that has this folder."""
        stored = read_document(folder, SETTING)
        timelines = {kind: Timeline(**each) for kind, each in stored["timelines"].items()}
        return cls(EventMapping.model_validate(stored["mapping"]), timelines, stored["dry_run"])


def read_timelines(mapping: EventMapping, dataverse: DataverseHook) -> dict[str, Timeline]:
    """The activity tables of the mapping; raises one MappingError for all that are not there or lack a column."""
    found: dict[str, Timeline] = {}
    problems: list[MappingError] = []
    for kind, each in mapping.map.kinds.items():
        try:
            table = dataverse.table(each.table, [*each.columns, SUBJECT])
            regarding = dataverse.regarding(each.table)
        except RefusedError as problem:
            if problem.code not in ("unknown table", "unknown column", "no activity table"):
                raise
            remedy = "Correct the name, or have `python -m campaign_sync setup dynamics --apply` make what is missing"
            line = mapping.line("map", kind, "table")
            problems.append(MappingError(mapping.path, line, f"map.{kind}", problem.problem, remedy))
            continue
        lengths = {name: column.max_length for name, column in table.columns.items()}
        found[kind] = Timeline(table.set_name, regarding, lengths)
    if problems:
        first, *others = problems
        raise MappingError(first.file, first.line, first.key, first.problem, first.args[4], tuple(others))
    return found
