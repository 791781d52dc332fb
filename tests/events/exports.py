"""What tests of events share: the shipped mapping, export files as campaign.md §8.4 has them, activity tables."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from campaign_sync.events.activities import Timeline
from campaign_sync.events.file import EventMapping, load_events
from campaign_sync.events.judging import DELIVERY, TRACKING
from campaign_sync.events.log_file import LogFile

SHIPPED = Path("include/mappings/email_events_to_activities.yaml")
ADA = "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01"

SEND = {
    "broadLogId": "1", "externalId": ADA, "eventDate": "2026-04-12 08:00:03", "status": "1", "failureType": "0",
    "failureReason": "0", "deliveryType": "0", "deliveryName": "DM412", "deliveryLabel": "Bow",
    "campaignName": "2026SpringCruise", "isProof": "0", "mirrorUrl": "",
}  # fmt: skip
OPEN = {
    "trackingLogId": "7", "externalId": ADA, "logDate": "2026-04-12 09:00:00", "urlType": "2", "url": "",
    "deliveryName": "DM412", "campaignName": "2026SpringCruise",
}  # fmt: skip

TIMELINES = {
    kind: Timeline(
        f"acs_email{kind}s", f"regardingobjectid_contact_acs_email{kind}",
        {"subject": 200, "acs_campaignname": 64, "acs_deliveryname": 64, "acs_mirrorpageurl": 2000,
         "acs_trackingurl": 2000},
    )
    for kind in ("send", "open", "click", "bounce")
}  # fmt: skip


def mapping(folder: Path, *edits: tuple[str, str]) -> EventMapping:
    """The shipped mapping with parts of its text replaced."""
    text = SHIPPED.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / SHIPPED.name
    file.write_text(text)
    return load_events(file)


def lines(*rows: dict[str, str], delimiter: str = ";") -> str:
    """A header, and the rows with quotes around every text."""
    header = delimiter.join(rows[0])
    quoted = ('"' + cell.replace('"', '""') + '"' for row in rows for cell in row.values())
    cells = list(quoted)
    width = len(rows[0])
    told = [delimiter.join(cells[start : start + width]) for start in range(0, len(cells), width)]
    return "\n".join([header, *told]) + "\n"


def export(
    folder: Path, content: str | bytes, *, log: str = DELIVERY, packed: bool = False, extract: Any = None
) -> LogFile:
    """A file of this content that has been fetched."""
    raw = content.encode() if isinstance(content, str) else content
    name = "broadlog_20260412_040000.csv" if log == DELIVERY else "tracking_20260412_040000.csv"
    file = folder / name
    file.write_bytes(gzip.compress(raw) if packed else raw)
    return LogFile(file, name, log, extract or load_events(SHIPPED).extract)


__all__ = [
    "ADA",
    "DELIVERY",
    "OPEN",
    "SEND",
    "SHIPPED",
    "TIMELINES",
    "TRACKING",
    "export",
    "lines",
    "mapping",
]
