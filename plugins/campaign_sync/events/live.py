"""`check --live` of a mapping of events: its tables and columns, the SFTP area, and the files that lie there now.

Reads only, and leaves every file where it is. What the mapping says by itself is judged when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from campaign_sync.events.file import EventMapping
from campaign_sync.events.log_file import LogFile
from campaign_sync.events.setting import read_timelines
from campaign_sync.exports.live import look_at_files
from campaign_sync.rows.checks import check_expectations
from campaign_sync.run.live import Finding, tried

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook


def look(mapping: EventMapping, dataverse: DataverseHook, files: CampaignFilesHook) -> Iterator[Finding]:
    """Everything that is wrong, and what is worth knowing; goes on after an error as far as that makes sense.

    Raises SyncError for what is not about this mapping: a connection, a credential, a system that is away.
    """
    yield from tried(lambda: check_expectations(mapping))
    yield from tried(lambda: _require_tables(mapping, dataverse))
    yield from look_at_files(mapping, mapping.map.logs, files, LogFile)


def _require_tables(mapping: EventMapping, dataverse: DataverseHook) -> None:
    read_timelines(mapping, dataverse)
