"""Turns a page of Dataverse JSON into an Arrow record batch, without a Python object per row.

Not for fetching pages (dataverse.py) and not for changing values (rows/transform.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import loads
from campaign_sync.schema import Column

if TYPE_CHECKING:
    import pyarrow as pa

ETAG, CONTEXT, DELETED_ID = "@odata.etag", "@odata.context", "id"
VERSION = "@version"

# dataverse.md §11; what is not here is text, dates too. Decimal has at most 10 decimals: nothing is lost
ARROW = {
    "Integer": "int32",
    "Picklist": "int32",
    "State": "int32",
    "Status": "int32",
    "BigInt": "int64",
    "Double": "double",
    "Decimal": "decimal",
    "Money": "decimal",
    "Boolean": "bool",
}
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


class Page(NamedTuple):
    """One answered page: typed rows, the keys of deleted rows, and where to go on."""

    rows: pa.RecordBatch
    """The key (lower case), the properties asked for (`_parentcustomerid_value`), `@version` int64."""
    deleted: list[str]
    link: str | None
    """The next page's link; None on the last page."""
    delta_link: str | None
    """The place in the change feed after this read; only on the last page of `changes`."""


def read_page(body: bytes, columns: Sequence[Column], key: str) -> Page:
    """Returns a page; a ValueError means that the JSON is damaged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = {key: pa.string()} | {each.wire: _arrow_type(each.type) for each in columns}
    envelope = _parse(body, types)
    if len(envelope) != 1 or envelope["value"].null_count:
        raise ValueError("not one page")
    items = envelope["value"].combine_chunks().flatten()
    keys = pc.utf8_lower(items.field(key))
    gone = pc.and_(
        pc.is_null(keys), pc.fill_null(pc.ends_with(items.field(CONTEXT), "/$deletedEntity"), False)
    )
    arrays = [keys, *(items.field(name) for name in types if name != key), _versions(items.field(ETAG))]
    rows = pa.RecordBatch.from_arrays(arrays, names=[*types, VERSION])
    deleted: list[str] = []
    if pc.any(gone).as_py():
        deleted = pc.utf8_lower(items.filter(gone).field(DELETED_ID)).to_pylist()
        rows = rows.filter(pc.invert(gone))
    if rows.column(0).null_count or rows.column(VERSION).null_count or None in deleted:
        raise _refused("rows arrive without key or version", "Map a table that has both")
    return Page(
        rows, deleted, envelope["@odata.nextLink"][0].as_py(), envelope["@odata.deltaLink"][0].as_py()
    )


def has_rows(body: bytes) -> bool:
    """Whether a page lists rows, deleted ones included, or more pages follow; ValueError as in :func:`read_page`."""
    page = loads(body)
    if not isinstance(page, dict) or not isinstance(page.get("value"), list):
        raise ValueError("not a page")
    return bool(page["value"]) or "@odata.nextLink" in page


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    named = ARROW.get(kind, "string")
    return pa.decimal128(38, 10) if named == "decimal" else pa.type_for_alias(named)


def _parse(body: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa

    # A page is one JSON object: one row of a table whose "value" is a list of structs, parsed whole in C++
    extra = {name: pa.string() for name in (ETAG, CONTEXT, DELETED_ID) if name not in types}
    item = pa.struct([pa.field(name, kind) for name, kind in {**types, **extra}.items()])
    schema = pa.schema(
        {"@odata.nextLink": pa.string(), "@odata.deltaLink": pa.string(), "value": pa.list_(item)}
    )
    try:
        return _read_json(body, schema)
    except pa.ArrowInvalid:
        if not isinstance(loads(body), dict):  # a ValueError too
            raise ValueError("not a page") from None
    try:
        return _read_json(ESCAPE.sub(_without_lone_surrogates, body), schema)
    except pa.ArrowInvalid:
        # Arrow's text would quote a value
        remedy = "Report it with the table's name: a column's values do not have the type its metadata says"
        raise _refused("a page does not fit the table's metadata", remedy) from None


def _read_json(body: bytes, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json

    return pyarrow.json.read_json(
        pa.BufferReader(body),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, newlines_in_values=True, unexpected_field_behavior="ignore"
        ),
    )


def _without_lone_surrogates(escape: re.Match[bytes]) -> bytes:
    """Text cut in the middle of an emoji: half a character cannot be written in UTF-8."""
    return rb"\ufffd" if escape[1] else escape[0]


def _versions(etags: pa.Array) -> pa.Array:
    """ETag `W/"5501"` is the row version 5501 (dataverse.md §5)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.utf8_trim(etags, 'W/"').cast(pa.int64())
    except pa.ArrowInvalid:
        remedy = "Elastic and virtual tables cannot be mapped; map a standard table"
        raise _refused("the table's row versions are not numbers", remedy) from None


def _refused(problem: str, remedy: str) -> RefusedError:
    return RefusedError("Dataverse", "", 200, "", problem, remedy)
