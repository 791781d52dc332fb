"""What a run of opt-outs works with from beginning to end, and both systems' schemas for it, found to fit the mapping.

In the run's folder, so that what changes meanwhile changes the next run, not this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.consent.file import OptOutMapping
from campaign_sync.consent.rule import TO_CAMPAIGN
from campaign_sync.consent.sides import MODIFIED
from campaign_sync.errors import RefusedError
from campaign_sync.mapping.file import mapping_error
from campaign_sync.mapping.yaml_lines import Problem
from campaign_sync.rows.storage import read_document
from campaign_sync.run.setting import SETTING
from campaign_sync.run.window import Window
from campaign_sync.schema import ResourceSchema, TableSchema

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook

#: The field by which profiles are known; contacts' ids stand in it (campaign.md §5).
KEY = "externalId"


class OptOutSetting(NamedTuple):
    """What a run works with."""

    mapping: OptOutMapping
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
    def of(cls, folder: str) -> OptOutSetting:
        """The setting of the run that has this folder."""
        stored = read_document(folder, SETTING)
        return cls(
            OptOutMapping.model_validate(stored["mapping"]),
            TableSchema.from_json(stored["table"]),
            ResourceSchema.from_json(stored["resource"]),
            Window.from_dict(stored["window"]),
        )


class Feed(NamedTuple):
    """What is read of Dynamics: the pairs' columns, the filter's, and when the row was changed."""

    name: str
    sha: str
    read: tuple[str, ...]

    @classmethod
    def of(cls, mapping: OptOutMapping) -> Feed:
        """The feed of a mapping."""
        return cls(mapping.name, mapping.sha, tuple(sorted({*mapping.columns(), MODIFIED})))

    def columns(self) -> tuple[str, ...]:
        """The columns that are read, besides the key."""
        return self.read


def reads_files(mapping: OptOutMapping, window: Window) -> bool:
    """Whether a run looks for files of Campaign: not one that reads again, or a few rows."""
    return mapping.writes_dynamics and window.kind == "changes" and not window.limit


def read_schemas(
    mapping: OptOutMapping, dataverse: DataverseHook, campaign: CampaignHook
) -> tuple[TableSchema, ResourceSchema]:
    """The table, with the columns that are read, and the resource.

    Raises MappingError if the mapping does not fit them; RefusedError if a system says no.
    """
    resource = campaign.resource(mapping.load.resource)
    problems = []
    for attribute in mapping.pairs:
        line, key = mapping.line("pairs", attribute), f"pairs.{attribute}"
        field = resource.fields.get(attribute)
        if field is None:
            said = "this instance of Campaign has no such attribute"
            problems.append(Problem(line, key, said, "Remove the pair"))
        elif field.read_only and mapping.direction in TO_CAMPAIGN:
            said = "this instance of Campaign does not let the attribute be written"
            problems.append(Problem(line, key, said, "Remove the pair, or write direction: to_dynamics"))
    name, columns = mapping.extract.table, Feed.of(mapping).columns()
    try:
        table = dataverse.table(name, columns)
    except RefusedError as error:
        if error.code != "unknown column":
            raise
        table = dataverse.table(name)
    for attribute, pair in mapping.pairs.items():
        column = table.column(pair.column)
        line, key = mapping.line("pairs", attribute, "column"), f"pairs.{attribute}.column"
        if column is None or column.type != "Boolean":
            said = (
                f"{name} has no column {pair.column}"
                if column is None
                else f"{pair.column} is no Yes/No column"
            )
            problems.append(Problem(line, key, said, "Name a Yes/No column by its logical name"))
        elif column.read_only and mapping.writes_dynamics:
            said = f"{pair.column} cannot be written: Dynamics would ignore a no that it is told"
            remedy = "Name a column that can be written, or write direction: to_campaign"
            problems.append(Problem(line, key, said, remedy))
    if problems:
        raise mapping_error(mapping.path, problems)
    return table, resource
