"""Reads both sides as frames: Dynamics' change feed, single contacts, Campaign's profiles in full.

Not for export files (``optout_file.py``), nor for choosing what to read (``run.py``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from campaign_sync.consent.plan import CAMPAIGN
from campaign_sync.consent.setting import KEY, Feed
from campaign_sync.consent.sides import AT, dynamics_frame, frame_of
from campaign_sync.hooks.campaign_records import KEY as RECORD_KEY
from campaign_sync.hooks.campaign_records import MOMENT
from campaign_sync.rows.transform import VERSION, Sifted
from campaign_sync.run.extract import BATCH_ROWS, Piece, Source

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.pages import Page
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.ledger.listed import Listed
    from campaign_sync.run.healing import Comparison
    from campaign_sync.run.window import Window
    from campaign_sync.schema import ResourceSchema, TableSchema

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

DELETED, NO_CONTACT_ID, NO_CONTACT = "deleted in Dynamics", "no contact's id", "no such contact"

IN_FULL = (
    "pairs, filter or replace say something else than when all contacts were read last: all were read again"
)

MODIFIED_AT, SINCE = "lastModified", "LastModified"


class Contacts(Source):
    """The change feed of the contacts. One that is found missing by its key alone may be hidden from us for a while:
    only what the feed itself lists is deleted, and forgotten.
    """

    AT_ONCE = 5_000  # an engine call each, and later opt-outs wait meanwhile

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.not_shown: set[str] = set()

    def _by_key(self, keys: Collection[str]) -> Iterator[Page]:
        return self._noting(super()._by_key(keys))

    def _missing(self, comparison: Comparison) -> Iterator[Page]:
        return self._noting(super()._missing(comparison))

    def _noting(self, pages: Iterable[Page]) -> Iterator[Page]:
        for page in pages:
            self.not_shown.update(page.deleted)
            yield page


def changed_in_dynamics(
    source: Contacts, window: Window, most: int, mapping: OptOutMapping, heard: Listed
) -> Iterator[Sifted]:
    """What the window asks for; a contact that was deleted has nothing to say any more.

    :param heard: contacts of whom Campaign says something in this run: what Dynamics says of them is read anew beside
        that, so that it does not matter which batch is told first.
    """
    for piece in source.pieces(window, most):
        rows, removed = _frames(piece, source.table)
        hidden = removed.index.isin(source.not_shown)
        removed = removed.assign(rule=removed["rule"].mask(hidden, NO_CONTACT))
        rows = rows.loc[heard.lacks([str(key) for key in rows.index])]
        yield Sifted(dynamics_frame(rows, mapping, source.table), removed)


def source_of(
    mapping: OptOutMapping, table: TableSchema, dataverse: DataverseHook, ledger: Ledger, *, in_full: bool
) -> Contacts:
    """The change feed of the contacts.

    :param in_full: all of them, whatever was read before.
    """
    return Contacts(Feed.of(mapping), table, dataverse, ledger, anew=IN_FULL if in_full else "")


def contacts_now(
    mapping: OptOutMapping, table: TableSchema, dataverse: DataverseHook, keys: Iterable[str]
) -> pd.DataFrame:
    """Rows of these contacts as they are now; index contact. Those that are gone are absent."""
    import pandas as pd

    frames = [
        _frames(Piece(_table(page.rows), []), table)[0]
        for page in dataverse.by_keys(table, Feed.of(mapping).columns(), keys)
    ]
    return pd.concat(frames) if frames else pd.DataFrame()


def looked_at_again(
    mapping: OptOutMapping, table: TableSchema, dataverse: DataverseHook, keys: Collection[str]
) -> Iterator[Sifted]:
    """Contacts of earlier runs as they are now. One that Dynamics does not show may be back later."""
    from campaign_sync.exports.removed import removed_rows

    rows = contacts_now(mapping, table, dataverse, sorted(keys))
    gone = sorted(set(keys) - set(rows.index.astype(str)))
    removed = removed_rows([(key, NO_CONTACT, "") for key in gone], "dropped")
    if len(rows) or len(removed):
        yield Sifted(
            dynamics_frame(rows, mapping, table) if len(rows) else frame_of({}, [], "", mapping), removed
        )


def all_profiles(
    mapping: OptOutMapping, resource: ResourceSchema, campaign: CampaignHook, unheard: Counter[str]
) -> Iterator[Sifted]:
    """What every profile says now, a batch at a time.

    :param unheard: counts those who are not heard: `keyless`, nobody's whom Dynamics knows; and `missing`, which
        Campaign counts and does not list.
    """
    import pyarrow as pa

    times = _times(mapping, resource)
    held: list[Any] = []
    for records in campaign.everything(resource, KEY, _asked(mapping, times)):
        held.append(records.rows)
        unheard.update(keyless=records.keyless, missing=records.missing)
        if sum(map(len, held)) >= BATCH_ROWS:
            yield _profiles(pa.concat_tables(held), mapping, times)
            held = []
    if held:
        yield _profiles(pa.concat_tables(held), mapping, times)


def profiles_now(
    mapping: OptOutMapping, resource: ResourceSchema, campaign: CampaignHook, keys: Collection[str]
) -> Sifted:
    """What these contacts' profiles say now, at an engine call each; who has none is absent."""
    times = _times(mapping, resource)
    return _profiles(campaign.records(resource, KEY, _asked(mapping, times), keys).rows, mapping, times)


def known_ids(frame: pd.DataFrame) -> Sifted:
    """The rows whose key can be a contact's id, in lower case; the others are of nobody whom Dynamics knows."""
    from campaign_sync.exports.removed import removed_rows

    keys = [str(key).strip().lower() for key in frame.index]
    good = [GUID.fullmatch(key) is not None for key in keys]
    kept = frame.set_axis(keys, axis=0).rename_axis("contact")
    gone = [(key, NO_CONTACT_ID, "") for key, is_good in zip(keys, good, strict=True) if not is_good]
    return Sifted(kept[good], removed_rows(gone, "dropped"))


def moment_of(text: Any) -> datetime | None:
    """A time of one record; None where there is none."""
    found = MOMENT.fullmatch(str(text or ""))
    if not found:
        return None
    return datetime.fromisoformat(f"{found[1]}T{found[2]}.{(found[3] or '').ljust(3, '0')}+00:00")


def _times(mapping: OptOutMapping, resource: ResourceSchema) -> dict[str, str]:
    """The field of each attribute's own time, where the instance has one."""
    names = {attribute: f"{resource.fields[attribute].name}{SINCE}" for attribute in mapping.pairs}
    return {attribute: name for attribute, name in names.items() if name in resource.fields}


def _asked(mapping: OptOutMapping, times: dict[str, str]) -> dict[str, None]:
    return dict.fromkeys([*mapping.pairs, *times.values(), MODIFIED_AT])


def _profiles(rows: pa.Table, mapping: OptOutMapping, times: dict[str, str]) -> Sifted:
    import pyarrow.compute as pc

    columns: dict[str, Any] = {AT: _moments(rows[MODIFIED_AT])}
    for attribute in mapping.pairs:
        columns[attribute] = pc.equal(rows[attribute], "true").combine_chunks()
        if attribute in times:
            columns[f"{attribute}{AT}"] = _moments(rows[times[attribute]])
    return known_ids(frame_of(columns, rows[RECORD_KEY].to_pylist(), CAMPAIGN, mapping))


def _moments(texts: Any) -> Any:
    """Times as ``hooks/campaign_records`` tells them; an empty one is null."""
    import pandas as pd
    import pyarrow as pa

    found = pd.to_datetime(texts.to_pandas(), format="%Y-%m-%d %H:%M:%S.%fZ", utc=True, errors="coerce")
    return pa.array(found, pa.timestamp("us", "UTC"), from_pandas=True)


def _frames(piece: Piece, table: TableSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, deleted = piece.frames(table.key)
    gone = deleted.assign(fate="dropped", rule=DELETED).astype(
        {"fate": "string[pyarrow]", "rule": "string[pyarrow]", "reason": "string[pyarrow]"}
    )
    return rows.drop(columns=table.key), gone.assign(**{VERSION: gone[VERSION].fillna(0)})


def _table(rows: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([rows])
