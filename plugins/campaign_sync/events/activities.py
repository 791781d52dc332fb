"""Events become activities: filter, map, replace; and the body that Dynamics gets (campaign.md §12.3).

Pure functions of frames of events. Not for reading files (``log_file.py``) or for writing (``hooks``).
"""

from __future__ import annotations

from datetime import datetime
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.arrow import one_array
from campaign_sync.events.file import EventMapping
from campaign_sync.events.frames import NO_EVENT, Problems, rows_where, texts_of, without
from campaign_sync.events.kinds import activity_id, first_id
from campaign_sync.events.vocabulary import events_table
from campaign_sync.exports.removed import text_column
from campaign_sync.mapping.yaml_lines import canonical
from campaign_sync.rows.filtering import demands
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUBJECT = "subject"
GUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
LONGER = "make the column longer in Dynamics, and export the time again"
COMPLETED = {"statecode": 1, "statuscode": 2}  # dataverse.md §10.3


class Timeline(NamedTuple):
    """How one kind of event is written."""

    set_name: str  # of the activity table
    regarding: str  # navigation property that binds the contact
    lengths: dict[str, int | None]  # of its texts, `subject` among them

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's folder."""
        return self._asdict()


def name_firsts(frame: pd.DataFrame, mapping: EventMapping) -> pd.DataFrame:
    """Gives events of which only the first is wanted the name that all of the contact and the delivery have.

    An event that names no delivery or no contact keeps its own. From here on they are one event, which is written,
    remembered and refused once, in whatever order its rows come (campaign.md §12.1).
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if not mapping.map.only_first or frame.empty:
        return frame
    kinds, contacts, deliveries = (texts_of(frame, name) for name in ("kind", "contact", "delivery"))
    named = pc.and_(pc.match_substring_regex(contacts, GUID), pc.not_equal(deliveries, ""))
    wanted = pc.and_(pc.is_in(kinds, value_set=pa.array(mapping.map.only_first, pa.string())), named)
    keys = frame.index.tolist()
    for row in rows_where(wanted):
        keys[row] = first_id(*(str(column[row]) for column in (kinds, contacts, deliveries)))
    return frame.set_axis(pd.Index(keys, name=frame.index.name, dtype=object))


def filter_events(frame: pd.DataFrame, mapping: EventMapping, now: datetime) -> Sifted:
    """Drops rows that are no event, of a kind that is switched off, not ours to bring, or repeated."""
    import pyarrow as pa
    import pyarrow.compute as pc

    gone: Problems = {}
    why, kinds = one_array(frame[NO_EVENT], pa.string()), one_array(frame["kind"], pa.string())
    mapped = pc.is_in(kinds, value_set=pa.array(list(mapping.map.kinds), pa.string()))
    for row in rows_where(pc.invert(mapped)):
        gone[row] = (f"{kinds[row]}: switched off", "the mapping does not map this kind")
    for row in rows_where(pc.is_valid(why)):
        gone[row] = (str(why[row]), "the row is no event")
    if mapping.filter is not None:
        for each in demands(mapping.filter.root, frame, events_table(), now):
            for row in rows_where(pc.invert(each.met)):
                gone.setdefault(row, (each.rule, each.reason))
    for row in _repeated(frame, gone):
        kind = str(kinds[row])
        if kind in mapping.map.only_first:
            gone[row] = (
                f"{kind}: not the first",
                "the contact has an earlier one of this delivery, or this one twice",
            )
        else:
            gone[row] = ("repeated in the export", "another row of the file is the same event")
    kept, removed = without(frame, gone, "dropped")
    return Sifted(kept.drop(columns=[NO_EVENT]), removed)


def map_events(frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline]) -> Sifted:
    """Gives each event its subject; rejects what names no contact or does not fit the columns of its table.

    What is replaced afterwards is judged by ``replace_texts``.
    """
    import pyarrow.compute as pc

    names = [name for _, name, _, _ in Formatter().parse(mapping.map.subject) if name]
    later = any(name in mapping.replace for name in names)
    mapped = frame.assign(subject=text_column(_subjects(frame, mapping)))
    fixed = [name for name in mapping.written_texts() if name not in mapping.replace]
    problems = _too_long(mapped, mapping, timelines, fixed if later else [*fixed, SUBJECT])
    is_id = pc.match_substring_regex(texts_of(frame, "contact"), GUID)
    for row in rows_where(pc.invert(is_id)):
        problems.setdefault(row, ("contact", "externalId is not the id of a contact"))
    return without(mapped, problems)


def replace_texts(frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline]) -> Sifted:
    """Writes the mapping's replacements, and the subject that they make."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not mapping.replace:
        return without(frame, {})
    problems: Problems = {}
    written = {}
    for name, replacement in mapping.replace.items():
        text = texts_of(frame, name)
        entry = pc.index_in(text, value_set=pa.array(list(replacement.values), pa.string()))
        values = pa.array([canonical(value) for value in replacement.values.values()], pa.string())
        otherwise = text
        if replacement.otherwise == "reject":
            for row in rows_where(pc.is_null(entry)):
                reason = f"{name}: a value without an entry, and otherwise says reject"
                problems.setdefault(row, (name, reason))
        elif replacement.otherwise != "keep":
            otherwise = pa.scalar(canonical(replacement.otherwise))
        written[name] = text_column(pc.if_else(pc.is_valid(entry), values.take(entry), otherwise))
    replaced = frame.assign(**written)
    replaced = replaced.assign(subject=text_column(_subjects(replaced, mapping)))
    names = [name for name in mapping.written_texts() if name in mapping.replace]
    return without(replaced, _too_long(replaced, mapping, timelines, [*names, SUBJECT]) | problems)


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
    names = [name for name in frame.columns if not name.startswith("@")]
    columns = [
        (frame[name].dt.to_pydatetime() if name == "happened" else texts_of(frame, name)).tolist()
        for name in names
    ]
    rows = zip(*columns, strict=True)
    return [(key, dict(zip(names, row, strict=True))) for key, row in zip(frame.index, rows, strict=True)]


def _repeated(frame: pd.DataFrame, gone: Problems) -> list[int]:
    """The rows that go on so far and are the same event as an earlier one."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    rows = np.setdiff1d(np.arange(len(frame)), list(gone))
    happened = one_array(frame["happened"]).cast(pa.int64()).to_numpy(zero_copy_only=False)
    order = rows[np.argsort(happened[rows], kind="stable")]
    again: list[int] = order[pd.Series(frame.index[order]).duplicated().to_numpy(dtype=bool)].tolist()
    return again


def _subjects(frame: pd.DataFrame, mapping: EventMapping) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[Any] = []
    for said, name, _, _ in Formatter().parse(mapping.map.subject):
        parts += [pa.scalar(said), *([texts_of(frame, name)] if name else [])]
    joined = pc.binary_join_element_wise(*parts, "")
    return joined if isinstance(joined, pa.Array) else pa.repeat(joined, len(frame))


def _too_long(
    frame: pd.DataFrame, mapping: EventMapping, timelines: dict[str, Timeline], names: list[str]
) -> Problems:
    """The rows that Dynamics would refuse (dataverse.md §11), with the column and the reason."""
    import pyarrow.compute as pc

    problems: Problems = {}
    kinds = texts_of(frame, "kind")
    for name in names:
        texts = texts_of(frame, name)
        for kind in mapping.map.kinds:
            column, room = _room(mapping, timelines, kind, name)
            if room is None:
                continue
            # No text has more characters than bytes.
            suspects = pc.and_(pc.equal(kinds, kind), pc.greater(pc.binary_length(texts), room))
            for row in rows_where(suspects):
                if (length := _units(texts[row].as_py())) > room:
                    reason = f"{name}: {length:,} characters, and {column} takes {room:,}: {LONGER}"
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
    return len(text.encode("utf-16-le")) // 2
