"""Events become activities: filter, map, replace; and the body that Dynamics gets (campaign.md §12.3).

Pure functions of frames of events. Not for reading files (``export_file.py``) or for writing (``hooks``).
"""

from __future__ import annotations

from datetime import datetime
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from campaign_sync.events.export_file import NO_EVENT, event_frame, removed_rows, text_column
from campaign_sync.events.file import EventMapping
from campaign_sync.events.kinds import activity_id
from campaign_sync.events.vocabulary import TEXTS, events_table
from campaign_sync.mapping.yaml_lines import canonical
from campaign_sync.rows.filtering import demands
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pandas as pd

SUBJECT = "subject"
COMPLETED = {"statecode": 1, "statuscode": 2}  # dataverse.md §10.3


class Timeline(NamedTuple):
    """How one kind of event is written."""

    set_name: str  # of the activity table
    regarding: str  # navigation property that binds the contact
    lengths: dict[str, int | None]  # of its texts, `subject` among them

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        return self._asdict()


def filter_events(frame: pd.DataFrame, mapping: EventMapping, now: datetime) -> Sifted:
    """Drops rows that are no event, of a kind that is switched off, repeated, or not ours to bring."""
    off = frame["kind"].notna() & ~frame["kind"].isin(list(mapping.map.kinds)).astype(bool)
    again = frame.index.duplicated() & frame[NO_EVENT].isna().to_numpy(dtype=bool)
    met = []
    if mapping.filter is not None:
        met = [
            (each.met.to_numpy(zero_copy_only=False), each.rule, each.reason)
            for each in demands(mapping.filter.root, frame, events_table(), now)
        ]
    gone: list[tuple[str, str, str]] = []
    stays: list[bool] = []
    rows = zip(frame.index, frame["kind"], frame[NO_EVENT], off, again, strict=True)
    for row, (key, kind, why, is_off, is_again) in enumerate(rows):
        rule = reason = ""
        if isinstance(why, str):
            rule, reason = why, "the row is no event"
        elif is_off:
            rule, reason = f"{kind}: switched off", "the mapping does not map this kind"
        elif is_again:
            rule, reason = "repeated in the export", "another row of the file is the same event"
        else:
            unmet = next(((rule, reason) for ok, rule, reason in met if not ok[row]), None)
            rule, reason = unmet or ("", "")
        stays.append(not rule)
        if rule:
            gone.append((key, rule, reason))
    return Sifted(frame[_mask(stays)].drop(columns=[NO_EVENT]), removed_rows(gone, "dropped"))


def map_events(frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline]) -> Sifted:
    """Gives each event its subject; rejects what names no contact or does not fit the columns of its table.

    What is replaced afterwards is judged by ``replace_texts``.
    """
    names = [name for _, name, _, _ in Formatter().parse(mapping.map.subject) if name]
    later = any(name in mapping.replace for name in names)
    cells = {name: _texts(frame, name) for name in TEXTS}
    mapped = frame.assign(subject=_subjects(mapping, cells, frame))
    fixed = [name for name in mapping.written_texts() if name not in mapping.replace]
    problems = _too_long(mapped, mapping, timelines, fixed if later else [*fixed, SUBJECT])
    for row, contact in enumerate(_texts(frame, "contact")):
        if not _is_id(contact):
            problems.setdefault(row, ("contact", "externalId is not the id of a contact"))
    return _sifted(mapped, problems)


def replace_texts(frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline]) -> Sifted:
    """Writes the mapping's replacements, and the subject that they make."""
    if not mapping.replace:
        return _sifted(frame, {})
    problems: dict[int, tuple[str, str]] = {}
    cells = {name: _texts(frame, name) for name in TEXTS}
    for name, replacement in mapping.replace.items():
        for row, text in enumerate(cells[name]):
            if text in replacement.values:
                cells[name][row] = canonical(replacement.values[text])
            elif replacement.otherwise == "reject":
                problems.setdefault(
                    row, (name, f"{name}: a value without an entry, and otherwise says reject")
                )
            elif replacement.otherwise != "keep":
                cells[name][row] = canonical(replacement.otherwise)
    made = event_frame(
        {**{name: frame[name].tolist() for name in ("kind", "contact", "happened")}, **cells},
        list(frame.index),
    )
    replaced = made.drop(columns=[NO_EVENT]).assign(subject=_subjects(mapping, cells, frame))
    written = [name for name in mapping.written_texts() if name in mapping.replace]
    return _sifted(replaced, _too_long(replaced, mapping, timelines, [*written, SUBJECT]) | problems)


def body_of(event: dict[str, Any], mapping: EventMapping, timeline: Timeline, key: str) -> dict[str, Any]:
    """What Dynamics is asked to create for an event; whoever asks owns it (E2).

    The time stands in the standard columns too: the timeline sorts completed activities by them.
    """
    moment = event["happened"].strftime("%Y-%m-%dT%H:%M:%SZ")
    values = event | {"happened": moment}
    columns = getattr(mapping.map, event["kind"]).columns
    return {
        "activityid": activity_id(key),
        "subject": event[SUBJECT],
        "actualstart": moment,
        "actualend": moment,
        "scheduledend": moment,
        **{column: values[source] for column, source in columns.items() if values[source]},
        f"{timeline.regarding}@odata.bind": f"/contacts({event['contact']})",
    }


def plain_events(frame: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Each event of a frame with its key; an empty cell is an empty text."""
    columns = [name for name in frame.columns if not name.startswith("@")]
    cells = {name: frame[name].tolist() if name == "happened" else _texts(frame, name) for name in columns}
    return [(key, {name: cells[name][row] for name in columns}) for row, key in enumerate(frame.index)]


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    return [each if isinstance(each, str) else "" for each in frame[name].tolist()]


def _subjects(mapping: EventMapping, cells: dict[str, list[str]], frame: pd.DataFrame) -> Any:
    rows = range(len(frame))
    return text_column(
        [mapping.map.subject.format_map({name: cells[name][row] for name in TEXTS}) for row in rows]
    )


def _too_long(
    frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline], names: list[str]
) -> dict[int, tuple[str, str]]:
    """The rows that Dynamics would refuse (dataverse.md §11), with the column and the reason."""
    problems: dict[int, tuple[str, str]] = {}
    kinds = frame["kind"].tolist()
    for name in names:
        limits = {kind: _room(mapping, timelines, kind, name) for kind in mapping.map.kinds}
        for row, text in enumerate(_texts(frame, name)):
            column, room = limits[kinds[row]]
            if room is not None and _units(text) > room:
                reason = f"{name}: {_units(text):,} characters, and {column} takes {room:,}"
                problems.setdefault(row, (name, reason))
    return problems


def _room(
    mapping: EventMapping, timelines: dict[str, Timeline], kind: str, name: str
) -> tuple[str, int | None]:
    """The narrowest column of a kind that gets this text, and how much it takes."""
    if name == SUBJECT:
        return SUBJECT, timelines[kind].lengths.get(SUBJECT)
    columns = [column for column, source in mapping.map.kinds[kind].columns.items() if source == name]
    rooms = [
        (room, column) for column in columns if (room := timelines[kind].lengths.get(column)) is not None
    ]
    room, column = min(rooms, default=(None, ""))
    return column, room


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _sifted(frame: pd.DataFrame, problems: dict[int, tuple[str, str]]) -> Sifted:
    stays = [row not in problems for row in range(len(frame))]
    gone = [(frame.index[row], *problems[row]) for row in sorted(problems)]
    return Sifted(frame[_mask(stays)], removed_rows(gone))


def _mask(stays: list[bool]) -> Any:
    import numpy as np

    return np.array(stays, dtype=bool)  # an empty list would choose no columns
