"""`check --live` of a mapping with export files: its folders in the SFTP area, and the newest file of each log.

Reads only, and leaves every file where it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from campaign_sync.errors import RefusedError
from campaign_sync.exports.export_file import ExportFile, UnusableFile
from campaign_sync.exports.removed import alike
from campaign_sync.exports.taking import files_there
from campaign_sync.run.live import Finding, finding

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.events.file import EventMapping
    from campaign_sync.hooks.campaign_files import CampaignFilesHook

HOME = "."


def look_at_files(
    mapping: EventMapping | OptOutMapping,
    logs: Iterable[str],
    files: CampaignFilesHook,
    opened: Callable[..., ExportFile],
) -> Iterator[Finding]:
    """What is wrong with the folders of export files, and with the newest file of each log.

    :param opened: makes an ``ExportFile`` of path, name, log and extract.
    """
    with files.session():
        files.names(HOME, "")  # whether it lets us in at all
        wrong = [each for word in ("folder", "done", "set_aside") for each in _folder(mapping, word, files)]
        yield from wrong
        if not any(mapping.extract.folder in each.text for each in wrong):
            for log in logs:
                yield from _newest(mapping, log, files, opened)


def _folder(mapping: EventMapping | OptOutMapping, word: str, files: CampaignFilesHook) -> Iterator[Finding]:
    folder = getattr(mapping.extract, word)
    try:
        files.names(folder, "")
    except RefusedError as error:
        remedy = f"An administrator creates {folder}, readable and writable for the group"
        yield finding("error", mapping, ("extract", word), f"{folder}: {error.problem}", remedy)


def _newest(
    mapping: EventMapping | OptOutMapping,
    log: str,
    files: CampaignFilesHook,
    opened: Callable[..., ExportFile],
) -> Iterator[Finding]:
    """What the newest file of a log says about how files are written."""
    extract, place = mapping.extract, ("extract", log)
    there = [each for each in files_there(files, extract) if each.log == log]
    if not there:
        said = f"no file {getattr(extract, log).files} lies in {extract.folder}, so how they are written is not known"
        yield finding("note", mapping, place, said, "Let the workflow run, and check again")
        return
    name = there[-1].name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        files.fetch(extract.folder, name, path)
        file = opened(path, name, log, extract)
        try:
            file.check()
            frame = next(file.frames(datetime.now(UTC)), None)
        except UnusableFile as problem:
            said = f"{name} {problem.reason}"
            if problem.incomplete:
                yield finding("warning", mapping, place, said, "It may still be written: check again")
            else:
                yield finding("error", mapping, place, said, "")
            return
    rows = len(frame.kept) + len(frame.removed) if frame else 0
    reasons = alike(zip(frame.removed["rule"], frame.removed["reason"], strict=True)) if frame else {}
    for (rule, reason), count in reasons.items():
        said = f"{name}: {count:,} of the first {rows:,} rows would be rejected by {rule}: {reason}"
        yield finding("warning", mapping, place, said, "")
