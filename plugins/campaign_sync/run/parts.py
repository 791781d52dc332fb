"""The files of a run: which of its rows go by file, and what is kept of each file until its outcome is known.

A batch's rows become parts in the run's folder first: ``00001_01.csv.gz``, as Campaign gets it, and
``00001_01.parquet`` with keys, versions and hashes. Then ``00001.parts.json`` names them: from there on they are never
made anew, and a part that is signalled twice has the same bytes. Not for sending (``hooks/campaign_files.py``), nor for
what became of them (``run/settle.py``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.arrow import one_array
from campaign_sync.rows.import_file import carried, file_bytes, file_columns, file_without
from campaign_sync.rows.noes import objecting
from campaign_sync.rows.storage import (
    documents,
    find_document,
    parquet_bytes,
    read_bytes,
    read_document,
    read_parquet,
    write_bytes,
    write_document,
)
from campaign_sync.run.planned import HASH, VERSION, Plan
from campaign_sync.run.setting import PARTS, SETTLED, SIGNALLED, WAY, document

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.rows.batch import Batch
    from campaign_sync.schema import ResourceSchema

ROWS = 100_000  #: of a part at most (campaign.md §8.1)
ORDER = "010"  # what stands first in a name decides what is loaded first
OVERTAKEN = "overtaken"  # the kind of a row that was left out again


class Part(NamedTuple):
    """One file."""

    name: str  # on the SFTP server
    batch: int
    stem: str  # of its files in the run's folder
    written: int  # rows to create or update
    deleted: int  # rows to delete
    overtaken: int = (
        0  # rows that were left out again, because another run had written them before the signal
    )

    @property
    def rows(self) -> int:
        """Lines after the header."""
        return self.written + self.deleted


def prefix_of(flow: str, run_id: str, now: datetime) -> str:
    """How the names of a run's files begin: flow, time, and digits that no other run of the same second has."""
    return f"{ORDER}_{flow}_{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digits_of(run_id)}"


def digits_of(run_id: str) -> str:
    """The digits that stand for a run in the names of its files."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:8]


def is_ours(name: str, flow: str) -> bool:
    """Whether a file in Campaign's area was made by, or for, some run of this flow."""
    stem = rf"{ORDER}_{re.escape(flow)}_\d{{8}}T\d{{6}}Z-[0-9a-f]{{8}}_\d{{5}}_\d{{2}}\.csv\.gz"
    return re.fullmatch(rf"{stem}(\.part|\.result\.csv|_rejects_\w+\.txt)?", name) is not None


def run_digits(name: str) -> str:
    """The digits of the run that a file of ours belongs to."""
    return name.rsplit("-", 1)[1][:8]


def way(folder: str) -> dict[str, Any]:
    """What the guard decided: files or REST, how many rows, how names begin; empty if it had nothing to decide."""
    return find_document(folder, WAY)


def parts_of(folder: str, batch: int | None = None) -> list[Part]:
    """The files of a run, or of one of its batches, in the order in which they are loaded."""
    names = documents(folder, PARTS) if batch is None else documents(folder, document(batch, PARTS))
    return [Part(**each) for name in names for each in read_document(folder, name)["parts"]]


def settled(folder: str) -> set[str]:
    """Stems of the parts whose outcome is in the ledger."""
    return {name.removesuffix(SETTLED) for name in documents(folder, SETTLED)}


def outcome(folder: str, stem: str) -> dict[str, Any]:
    """What became of the rows of such a part."""
    return read_document(folder, f"{stem}{SETTLED}")


def content(folder: str, part: Part) -> bytes:
    """The file, as Campaign gets it."""
    return read_bytes(f"{folder}/{part.stem}.csv.gz")


def keys(folder: str, part: Part) -> pd.DataFrame:
    """What the ledger is told once the outcome is known: index source key; key, kind, version, sent_hash.

    The kind is create, update, delete, or ``OVERTAKEN`` of a row that is no longer in the file.
    """
    import pandas as pd

    table = read_parquet(f"{folder}/{part.stem}.parquet")
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_index("@key")


def signalled(folder: str) -> list[str]:
    """Names of the parts that an import may have taken."""
    return list(find_document(folder, SIGNALLED).get("parts", ()))


def leave_out(folder: str, part: Part, overtaken: Collection[str], key_column: str) -> Part:
    """Takes rows out of a part that was not signalled yet, and returns what is left: other bytes, the same name.

    Killed on the way, it is taken up again by another call: the document that names the part is written last.
    """
    import pyarrow as pa

    kept = keys(folder, part)
    kept.loc[kept.index.isin(list(overtaken)), "kind"] = OVERTAKEN
    write_bytes(
        f"{folder}/{part.stem}.parquet",
        parquet_bytes(pa.Table.from_pandas(kept.reset_index(), preserve_index=False)),
    )
    out = kept["key"][kept["kind"] == OVERTAKEN]
    write_bytes(f"{folder}/{part.stem}.csv.gz", file_without(content(folder, part), set(out), key_column))
    deleted = int((kept["kind"] == "delete").sum())
    left = part._replace(written=len(kept) - len(out) - deleted, deleted=deleted, overtaken=len(out))
    _name_parts(
        folder,
        part.batch,
        [left if each.stem == part.stem else each for each in parts_of(folder, part.batch)],
    )
    return left


def by_file(plan: Plan, mapping: Mapping, resource: ResourceSchema) -> Plan:
    """The part of a plan that may go by file.

    Updates of a mapping with create-only fields may not: the workflow sets those of new records alone, and a replay
    sends them too. Nor may what a file does not carry unharmed, nor deletions of records that name others: an import
    does not tell which it did not find (campaign.md §6.3). Nor may people who say no: the column of a no would be empty
    in other rows, and whether an empty cell leaves a record alone hangs on a tick in Campaign that nobody can see from
    here. Were it missing, what people objected to in Campaign itself would be wiped out.
    """
    update = plan.update if _updates_all(mapping) else plan.update.iloc[:0]
    return replace(
        _nothing_else(plan),
        create=plan.create[carried(plan.create, resource) & ~objecting(plan.create)],
        update=update[carried(update, resource) & ~objecting(update)],
        delete=plan.delete.iloc[:0] if mapping.links() else plan.delete,
    )


def count_by_file(plan: Plan, mapping: Mapping) -> int:
    """How many rows of a plan may go by file, without a look at the values of their fields."""
    deletions = 0 if mapping.links() else len(plan.delete)
    written = [plan.create, plan.update] if _updates_all(mapping) else [plan.create]
    return deletions + sum(int((~objecting(each)).sum()) for each in written)


def without(plan: Plan, keys: list[str]) -> Plan:
    """A plan without the writes of some source keys."""
    kept = {name: getattr(plan, name) for name in ("create", "update", "delete")}
    return replace(plan, **{name: frame[~frame.index.isin(keys)] for name, frame in kept.items()})


def write_parts(batch: Batch, plan: Plan, mapping: Mapping, resource: ResourceSchema) -> list[Part]:
    """Leaves a batch's rows as parts in the run's folder."""
    import pandas as pd

    columns, key_field, prefix = (
        file_columns(mapping, resource),
        mapping.key_field,
        way(batch.folder)["prefix"],
    )
    written = pd.concat(
        [plan.create.assign(**{"@kind": "create"}), plan.update.assign(**{"@kind": "update"})]
    )
    total = len(written) + len(plan.delete)
    parts = []
    for number, start in enumerate(range(0, total, ROWS), start=1):
        lines = written.iloc[start : start + ROWS]
        gone = plan.delete.iloc[max(0, start - len(written)) : max(0, start + ROWS - len(written))]
        stem = f"{batch.number:05d}_{number:02d}"
        part = Part(f"{prefix}_{stem}.csv.gz", batch.number, stem, len(lines), len(gone))
        compressed = file_bytes(lines, [str(key) for key in gone.index], columns, resource, key_field)
        write_bytes(f"{batch.folder}/{stem}.csv.gz", compressed)
        write_bytes(f"{batch.folder}/{stem}.parquet", _kept(lines, gone, key_field))
        parts.append(part)
    _name_parts(batch.folder, batch.number, parts)
    return parts


def _name_parts(folder: str, batch: int, parts: list[Part]) -> None:
    write_document(folder, document(batch, PARTS), {"parts": [part._asdict() for part in parts]})


def _updates_all(mapping: Mapping) -> bool:
    """Whether an update may write every field of the mapping but the key."""
    return all(field.updates or field.key for field in mapping.map.values())


def _nothing_else(plan: Plan) -> Plan:
    """A plan without what needs no call."""
    quiet = ("unchanged", "stale", "dropped", "rejected", "parked")
    return replace(plan, **{name: getattr(plan, name).iloc[:0] for name in quiet})


def _kept(lines: pd.DataFrame, gone: pd.DataFrame, key_field: str) -> bytes:
    import pyarrow as pa

    def both(first: Any, second: Any, kind: pa.DataType) -> pa.Array:
        return pa.concat_arrays([one_array(first, kind), one_array(second, kind)])

    absent = [None] * len(gone)
    return parquet_bytes(
        pa.table(
            {
                "@key": both(lines.index, gone.index, pa.string()),
                "key": both(lines[key_field], gone.index, pa.string()),
                "kind": both(lines["@kind"], ["delete"] * len(gone), pa.string()),
                "version": both(lines[VERSION], gone[VERSION], pa.int64()),
                "sent_hash": both(lines[HASH], absent, pa.binary()),
            }
        )
    )
