"""Both systems' schemas for one mapping, read anew and found to fit it.

Not for reading metadata (``hooks``), nor for judging (``fitting``): it puts the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaign_sync.errors import RefusedError
from campaign_sync.mapping.links import parent_tables
from campaign_sync.rows.fitting import check_types

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema, TableSchema


def read_schemas(
    mapping: Mapping, dataverse: DataverseHook, campaign: CampaignHook
) -> tuple[TableSchema, ResourceSchema]:
    """The table, with the columns that the mapping reads, and the resource.

    Raises MappingError, with file and line, if the mapping does not fit them; RefusedError if a system says no.
    """
    resource = campaign.resource(mapping.load.resource)
    name, parents, linked = mapping.extract.table, parent_tables(mapping), bool(mapping.links())
    try:
        table = dataverse.table(name, mapping.columns(), targets=linked)
    except RefusedError as error:
        if error.code == "unknown column":
            # The file's author needs the line, and a look at all columns tells what was meant.
            check_types(mapping, dataverse.table(name, targets=linked), resource, parents)
        raise
    check_types(mapping, table, resource, parents)
    return table, resource
