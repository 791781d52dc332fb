"""Preview of a flow of events: a few real rows of the files that lie there, before → after, and what a run would do.

Reads only: no file is moved, nothing is remembered. Where the mapping says `only: first`, each row is taken for the
first. It shows rows' values, because its user asked for them: for that person's eyes only, never for a log or a file
(as ``run/preview.py``).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.events.activities import (
    body_of,
    filter_events,
    map_events,
    name_firsts,
    plain_events,
    replace_texts,
)
from campaign_sync.events.contacts import known_contacts
from campaign_sync.events.extract import first_rows
from campaign_sync.events.file import EventMapping
from campaign_sync.events.log_file import LogFile
from campaign_sync.events.setting import EventSetting, read_timelines
from campaign_sync.exports.export_file import UnusableFile
from campaign_sync.exports.taking import Taking, files_there
from campaign_sync.ledger.events import ASIDE, DONE, NO_SUCH_CONTACT, UNKNOWN_CONTACT
from campaign_sync.rows.checks import check_rows
from campaign_sync.rows.transform import Sifted
from campaign_sync.run.preview import Cell, Previewed, shown_value

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger

QUIET = logging.getLogger("campaign_sync.preview")  #: what it would say is in the notes
QUIET.setLevel(logging.CRITICAL)


class Preview(NamedTuple):
    """Rows, each with the file it is from, and what a run would say about files."""

    rows: list[tuple[str, Previewed]]
    notes: list[str]


def preview(
    mapping: EventMapping,
    *,
    dataverse: DataverseHook,
    files: CampaignFilesHook,
    ledger: Ledger,
    limit: int = 5,
    keys: Sequence[str] = (),
) -> Preview:
    """The first rows of each log, or those with the given keys (``click:7``), and what a run would do with them.

    Raises MappingError if the mapping does not fit Dynamics, RefusedError if a system says no.
    """
    setting = EventSetting(mapping, read_timelines(mapping, dataverse), dry_run=True)
    shown = Preview([], [])
    with tempfile.TemporaryDirectory() as place, files.session():
        taking = Taking(files, mapping.extract, ledger.events, mapping.name, "preview", Path(place), LogFile)
        left = dict.fromkeys(mapping.map.logs, limit)
        for ready in files_there(files, mapping.extract):
            if not keys and not left.get(ready.log):
                continue
            rows: list[Previewed] = []
            try:
                for kept, removed in taking.frames(ready, QUIET):
                    frame = Sifted(name_firsts(kept, mapping), removed)
                    some = _named(frame, keys) if keys else first_rows(frame, left[ready.log] - len(rows))
                    rows += judge(some, setting, dataverse, ledger)
                    if not keys and len(rows) >= left[ready.log]:
                        break
            except UnusableFile:
                continue  # noted by then, and none of its rows would go
            if not keys:
                left[ready.log] -= len(rows)
            shown.rows.extend((ready.name, row) for row in rows)
    shown.notes.extend(_notes(taking, mapping))
    return shown


def judge(frame: Sifted, setting: EventSetting, dataverse: DataverseHook, ledger: Ledger) -> list[Previewed]:
    """What a run would do with each row of a frame."""
    mapping, timelines, _ = setting
    before = dict(plain_events(frame.kept))
    gone, rows = [frame.removed], frame.kept
    for step in ("filter", "map", "replace", "check"):
        sifted = _step(step, rows, setting)
        gone.append(sifted.removed)
        rows = sifted.kept
    after = dict(plain_events(rows))
    settled = ledger.events.settled(mapping.name, after)
    there = known_contacts(dataverse, (event["contact"] for event in after.values()))
    judged = [
        Previewed(str(key), str(row.fate), str(row.rule), str(row.reason), _said(before.get(key, {})), {})
        for removed in gone
        for key, row in zip(removed.index, removed.itertuples(), strict=True)
    ]
    for key, event in after.items():
        fate, rule, reason = "create", "", ""
        if key in settled:
            fate = "unchanged"
        elif event["contact"] not in there:
            fate, rule, reason = "rejected", UNKNOWN_CONTACT, NO_SUCH_CONTACT
        body = body_of(event, mapping, timelines[event["kind"]], key)
        judged.append(Previewed(key, fate, rule, reason, _said(before[key]), body))
    order = {key: place for place, key in enumerate([*frame.kept.index, *frame.removed.index])}
    return sorted(judged, key=lambda row: order[row.key])


def _step(step: str, frame: Any, setting: EventSetting) -> Sifted:
    mapping, timelines, _ = setting
    if step == "filter":
        return filter_events(frame, mapping, datetime.now(UTC))
    if step == "map":
        return map_events(frame, mapping, timelines)
    if step == "replace":
        return replace_texts(frame, mapping, timelines)
    return check_rows(frame, mapping).sifted


def cells_of(row: Previewed, mapping: EventMapping) -> list[Cell]:
    """An event column by column of its activity, with what of the event goes there."""
    activities = mapping.map.kinds.get(row.before.get("kind", ""))
    columns = {"subject": "", **activities.columns} if activities else {}
    return [
        Cell(
            column,
            source,
            shown_value(row.before.get(source)),
            shown_value(row.after.get(column)) if row.after else None,
        )
        for column, source in columns.items()
    ]


def to_text(shown: Preview, mapping: EventMapping) -> str:
    """The rows for a terminal: per row its fate, and per column what the export says and what Dynamics would get."""
    lines: list[str] = []
    for file, row in shown.rows:
        why = (
            f" — {': '.join(each for each in (row.rule, row.reason) if each)}"
            if row.rule or row.reason
            else ""
        )
        lines.append(f"{row.key}  {row.fate}{why}  ({file})")
        for cell in cells_of(row, mapping):
            becomes = f"→ {cell.becomes}" if cell.becomes is not None else ""
            lines.append(f"    {cell.target:<20} {cell.was:<40} {becomes}".rstrip())
        lines.append("")
    fates: dict[str, int] = {}
    for _, row in shown.rows:
        fates[row.fate] = fates.get(row.fate, 0) + 1
    said = ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "no rows"
    counted = f"{len(shown.rows)} rows: {said}. Nothing was written, and no file was moved."
    return "\n".join([*lines, *shown.notes, counted])


def _said(event: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in event.items() if value}


def _named(frame: Sifted, keys: Sequence[str]) -> Sifted:
    kept, removed = frame.kept, frame.removed
    return Sifted(kept[kept.index.isin(keys)], removed[removed.index.isin(keys)])


def _notes(taking: Taking, mapping: EventMapping) -> Iterator[str]:
    for each in taking.taken:
        if each.state == ASIDE:
            yield f"{each.name} would be set aside in {mapping.extract.set_aside}: it {each.reason}"
        elif each.state != DONE:
            yield f"{each.name} would be left for once: it {each.reason}"
