"""`check --live` of a mapping of opt-outs: its columns and attributes, the SFTP area, and the files that lie there now.

Reads only, and leaves every file where it is. What the mapping says by itself is judged when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from campaign_sync.consent.optout_file import OptOutFile
from campaign_sync.consent.setting import read_schemas
from campaign_sync.exports.live import look_at_files
from campaign_sync.rows.checks import check_expectations
from campaign_sync.run.live import Finding, tried

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook


def look(
    mapping: OptOutMapping, dataverse: DataverseHook, campaign: CampaignHook, files: CampaignFilesHook
) -> Iterator[Finding]:
    """Everything that is wrong, and what is worth knowing.

    Raises SyncError for what is not about this mapping: a connection, a credential, a system that is away.
    """
    yield from tried(lambda: check_expectations(mapping))
    yield from tried(lambda: _require_both(mapping, dataverse, campaign))
    if mapping.writes_dynamics:
        yield from look_at_files(mapping, mapping.extract.LOGS, files, partial(OptOutFile, mapping=mapping))


def _require_both(mapping: OptOutMapping, dataverse: DataverseHook, campaign: CampaignHook) -> None:
    read_schemas(mapping, dataverse, campaign)
