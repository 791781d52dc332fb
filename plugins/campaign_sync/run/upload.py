"""Brings a run's files to Campaign's SFTP area, and takes away what is no longer wanted there.

Not for what is in them (``parts.py``), nor for when an import may begin (``settle.py``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.hooks.campaign_files import DONE, IMPORTS, REJECTS, CampaignFilesHook
from campaign_sync.run.parts import (
    ORDER,
    Part,
    content,
    digits_of,
    is_ours,
    parts_of,
    run_digits,
    settled,
    way,
)

if TYPE_CHECKING:
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.rows.batch import Batch

FOLDERS = (IMPORTS, REJECTS, DONE)


def upload_early(batch: Batch, mapping: Mapping, ledger: Ledger, log: logging.Logger) -> None:
    """Uploads a batch's files while the next batch waits; once the run has been signalled, that is settle's business.

    Raises TransientError or RefusedError; the files stay in the run's folder, and settle brings what is missing.
    """
    parts = parts_of(batch.folder, batch.number)
    if not parts or {part.stem for part in parts} & settled(batch.folder):
        return
    signal = ledger.signals.last(mapping.load.import_workflow or "")
    if signal and {part.name for part in parts} & set(signal.parts):
        return
    with CampaignFilesHook().session() as files:
        upload_missing(files, batch.folder, parts, log)


class Seen(NamedTuple):
    """What lies in Campaign's area of a run: names and sizes."""

    imports: dict[str, int]
    rejects: dict[str, int]
    done: dict[str, int]


def look(files: CampaignFilesHook, prefix: str) -> Seen:
    """What lies there of the run whose names begin so."""
    return Seen(*(files.names(folder, prefix) for folder in FOLDERS))


def upload_missing(files: CampaignFilesHook, folder: str, parts: list[Part], log: logging.Logger) -> None:
    """Uploads those files that are not there whole."""
    there = files.names(IMPORTS, way(folder)["prefix"])
    for part in parts:
        whole = content(folder, part)
        if there.get(part.name) != len(whole):
            files.upload(IMPORTS, part.name, whole)
            log.info("uploaded %s: %d rows, %d bytes", part.name, part.rows, len(whole))


def remove_all(files: CampaignFilesHook, seen: Seen, part: Part) -> None:
    """Takes away a file and what was said about it."""
    for folder, names in zip(FOLDERS, seen, strict=True):
        for name in names:
            if name.startswith(part.name):
                files.remove(folder, name)


def remove_leftovers(
    files: CampaignFilesHook, folder: str, flow: str, ledger: Ledger, log: logging.Logger
) -> None:
    """Takes away what runs of this flow have left that are over; their rows are in doubt, so later runs send them."""
    own = way(folder)["prefix"]
    busy = {digits_of(run.run_id) for run in ledger.running(flow)}
    busy.discard(own.rsplit("-", 1)[1])
    for place in FOLDERS:
        for name in files.names(place, f"{ORDER}_{flow}_"):
            if is_ours(name, flow) and not name.startswith(own) and run_digits(name) not in busy:
                files.remove(place, name)
                log.info("removed %s/%s, which an earlier run has left", place, name)
