"""The two sides of a comparison as tables at rest: what Campaign should hold, and what it holds.

Not for HTTP (``hooks``), nor for what the mapping makes of a row (``rows``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from campaign_sync.compare.fates import ENDS, Rules
from campaign_sync.hooks.campaign_records import KEY, Records, as_records
from campaign_sync.rows.batch import Batch
from campaign_sync.rows.storage import documents, parquet_bytes, read_parquet, remove, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema

#: Records of one file: a page is too little to be one.
FILE_ROWS = 15_000

#: Files of what Campaign holds, after their number.
HELD = ".campaign.parquet"


def dynamics_schema(mapping: Mapping, resource: ResourceSchema) -> pa.Schema:
    """What a row of Dynamics comes to: its version, why it is not expected, and the fields as they would be written."""
    import pyarrow as pa

    kinds = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
    fields = {name: kinds.get(resource.fields[name].type, pa.string()) for name in mapping.map}
    return pa.schema({KEY: pa.string(), "@version": pa.int64(), ENDS: pa.string()} | fields)


def campaign_schema(mapping: Mapping, resource: ResourceSchema) -> pa.Schema:
    """What a record of Campaign comes to."""
    return as_records([], resource, mapping.key_field, Rules.of(mapping, resource).fields).rows.schema


def expected_rows(batches: Iterable[Batch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Every row of the batches as the last step left it; a row that a step removed has no values, and says its fate."""
    import pyarrow as pa

    for batch in batches:
        kept, removed = batch.read(), batch.removed()
        parts = [kept.assign(**{ENDS: ""}), removed.assign(**{ENDS: removed["fate"]})]
        for part in parts:
            columns = {
                name: _cast(part[name], kind) if name in part else pa.nulls(len(part), kind)
                for name, kind in zip(schema.names[1:], schema.types[1:], strict=True)
            }
            yield pa.table({KEY: pa.array(part.index, pa.string()), **columns}, schema=schema)


def keep_records(pages: Iterable[Records], folder: str) -> tuple[int, int]:
    """Writes Campaign's records into the run's folder; returns how many have a key, and how many have none."""
    import pyarrow as pa

    for name in documents(folder, HELD):
        remove(folder, name)
    rows = keyless = files = 0
    waiting: list[pa.Table] = []

    def write() -> None:
        nonlocal files
        files += 1
        write_bytes(f"{folder}/{files:05d}{HELD}", parquet_bytes(pa.concat_tables(waiting)))
        waiting.clear()

    for page in pages:
        waiting.append(page.rows)
        rows += len(page.rows)
        keyless += page.keyless
        if sum(map(len, waiting)) >= FILE_ROWS:
            write()
    if waiting:
        write()
    return rows, keyless


def held_records(folder: str) -> Iterator[pa.Table]:
    """What :func:`keep_records` wrote."""
    for name in documents(folder, HELD):
        yield read_parquet(f"{folder}/{name}")


def _cast(column: Any, kind: pa.DataType) -> Any:
    import pyarrow as pa

    values = pa.array(column, from_pandas=True)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return values.cast(kind)
