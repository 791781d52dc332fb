"""Rows in, rows out: filter, map, replace. Pure functions of frames; nothing here logs, counts, writes or
mutates.

Frames have Arrow dtypes, index = source key, and the reserved column ``@version`` (the source row's
version). Conditions are judged in ``filtering``, values are converted in ``convert``; the mapping was
checked against both systems before (``fitting``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from campaign_sync.mapping.conditions import Filter
from campaign_sync.mapping.file import Mapping
from campaign_sync.mapping.recipes import MAKES, RECIPES
from campaign_sync.mapping.vocabulary import FieldMapping, Replacement
from campaign_sync.mapping.yaml_lines import canonical
from campaign_sync.rows.cells import arrow, as_text, cells, kind_of
from campaign_sync.rows.convert import Refusal, convert
from campaign_sync.rows.filtering import demands
from campaign_sync.rows.noes import NOES, noes_of
from campaign_sync.schema import Column, Field, ResourceSchema, TableSchema

if TYPE_CHECKING:
    import pandas as pd

VERSION = "@version"  #: the column that every frame carries beside its rows' own

#: … and, before the name of a linked field, the column that says whether a row's lookup names a row of another table
#: than the parent's; only where it may (``run/polymorphic.py``).
ELSEWHERE = "@elsewhere "


class Sifted(NamedTuple):
    """Rows that go on, and rows that do not: ``removed`` has index = key, columns @version, fate, rule,
    reason.
    """

    kept: pd.DataFrame
    removed: pd.DataFrame


class HasFilter(Protocol):
    """A mapping of any kind, as far as its filter is concerned."""

    @property
    def filter(self) -> Filter | None: ...


def filter_rows(
    frame: pd.DataFrame, mapping: HasFilter, table: TableSchema, *, now: datetime | None = None
) -> Sifted:
    """Drops the rows that are not ours to send; a dropped row names the first condition it does not meet.

    :param now: what "30 days ago" counts from
    """
    if mapping.filter is None:
        return sift(frame, frame, [], "dropped")
    found = demands(mapping.filter.root, frame, table, now or datetime.now(UTC))
    return sift(frame, frame, [_unmet(each.met, each.rule, each.reason) for each in found], "dropped")


def map_rows(frame: pd.DataFrame, mapping: Mapping, table: TableSchema, resource: ResourceSchema) -> Sifted:
    """Renames columns to fields and converts them; fields with a replacement stay text until
    ``replace_values``.
    """
    fields: dict[str, Any] = {VERSION: frame[VERSION].array}
    refused: list[tuple[str, Refusal]] = []
    for target, how in mapping.map.items():
        column = table.column(how.source)
        assert column is not None, "check_types comes first"
        array, lost = _shown(cells(frame, column), column, how, mapping)
        if how.link is not None and f"{ELSEWHERE}{target}" in frame:
            array = _named_here(array, frame[f"{ELSEWHERE}{target}"])
        refused += [(target, each) for each in lost]
        if target in mapping.replace:
            fields[target] = _arrow(as_text(array))
            continue
        values, refusals = convert(array, resource.fields[target], how.source)
        fields[target] = _arrow(values)
        refused += [(target, each) for each in refusals]
        if how.key:
            refused += [
                (target, each) for each in _bad_keys(values, frame, how, is_row_key=column.name == table.key)
            ]
    if mapping.noes:
        fields[NOES] = _arrow(noes_of(frame, mapping, table))
    return sift(frame, _frame(fields, frame), refused, "rejected")


def replace_values(frame: pd.DataFrame, mapping: Mapping, resource: ResourceSchema) -> Sifted:
    """Writes the mapping's replacements and converts what they give to the type of the field."""
    fields: dict[str, Any] = {}
    refused: list[tuple[str, Refusal]] = []
    for target, replacement in mapping.replace.items():
        values, refusals = _replaced(frame[target], replacement, resource.fields[target])
        fields[target] = _arrow(values)
        refused += [(target, each) for each in refusals]
    return sift(frame, frame.assign(**fields) if fields else frame, refused, "rejected")


def sift(before: pd.DataFrame, after: pd.DataFrame, refused: list[tuple[str, Refusal]], fate: str) -> Sifted:
    """Takes the refused rows, by position, out of ``after``; each gives the first rule that refused it."""
    import numpy as np
    import pandas as pd

    first: dict[int, tuple[str, str]] = {}
    for rule, refusal in refused:
        for position, reason in zip(refusal.positions.tolist(), refusal.reasons, strict=True):
            first.setdefault(position, (rule, reason))
    positions = np.fromiter(sorted(first), dtype=np.int64, count=len(first))
    removed = pd.DataFrame(
        {
            VERSION: before[VERSION].array[positions],
            "fate": pd.array([fate] * len(positions), dtype=_text_type()),
            "rule": pd.array([first[each][0] for each in positions.tolist()], dtype=_text_type()),
            "reason": pd.array([first[each][1] for each in positions.tolist()], dtype=_text_type()),
        },
        index=before.index[positions],
    )
    if not first:
        return Sifted(after, removed)
    stays = np.ones(len(before), dtype=bool)
    stays[positions] = False
    return Sifted(after[stays], removed)


def kind_after(column: Column, how: FieldMapping, mapping: Mapping) -> str:
    """The kind of cell that reaches the field: a choice as label or value, a text after recipes."""
    if how.using:
        return MAKES.get(how.using[-1], "text")
    kind = kind_of(column)
    if kind == "choice":
        return "label" if (how.picklist or mapping.extract.picklists) == "label" else "choice"
    return kind


def _shown(array: Any, column: Column, how: FieldMapping, mapping: Mapping) -> tuple[Any, list[Refusal]]:
    """The cells as the mapping wants to see them: choices as label or value (I11), then recipes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    refusals: list[Refusal] = []
    if kind_of(column) == "choice" and (how.picklist or mapping.extract.picklists) == "label":
        options = column.options or {}
        labels = pa.array(list(options.values()), pa.string())
        chosen = pc.index_in(array, value_set=pa.array(list(options), pa.int64()))
        nameless = pc.and_(pc.is_valid(array), pc.is_null(chosen))
        refusals = [_unmet(pc.invert(nameless), "", f"{how.source}: a choice without a label")[1]]
        array = pc.take(labels, chosen)
    if how.using:
        array = as_text(array)
        for recipe in how.using:
            array = RECIPES[recipe](array)
        array = pc.if_else(pc.equal(array, ""), None, array)
    return array, refusals


def _named_here(array: Any, elsewhere: pd.Series[bool]) -> Any:
    """A lookup's values without those that name a row of another table: for this link they are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(arrow(elsewhere), pa.scalar(None, array.type), array)


def _replaced(column: pd.Series[Any], replacement: Replacement, field: Field) -> tuple[Any, list[Refusal]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.fill_null(arrow(column).cast(pa.string()), "")
    written = pa.array([canonical(value) for value in replacement.values.values()], pa.string())
    entry = pc.index_in(text, value_set=pa.array(list(replacement.values), pa.string()))
    found = pc.is_valid(entry)
    otherwise = (
        text if replacement.otherwise in ("keep", "reject") else pa.scalar(canonical(replacement.otherwise))
    )
    result = pc.if_else(found, pc.take(written, entry), otherwise)
    result = pc.if_else(pc.equal(result, ""), None, result)
    if replacement.otherwise != "reject":
        return convert(result, field, field.name)
    missing = _unmet(found, "", f"{field.name}: a value without an entry, and otherwise says reject")[1]
    values, refusals = convert(pc.if_else(found, result, None), field, field.name)
    return values, [missing, *refusals]


def _bad_keys(values: Any, frame: pd.DataFrame, how: FieldMapping, *, is_row_key: bool) -> list[Refusal]:
    """Rows without a key, and rows whose key another row of the batch has: the smallest source key stays."""
    import numpy as np
    import pandas as pd
    import pyarrow.compute as pc

    given = pc.not_equal(values.cast("string"), "")
    refusals = [_unmet(given, "", f"{how.source}: empty, and it is the key")[1]]
    if is_row_key and not how.using:
        return refusals  # the frame's index: no two rows have the same
    keys = (
        pd.Series(_arrow(values))
        .to_frame("key")
        .assign(row=frame.index.to_numpy())
        .sort_values(["key", "row"])
    )
    keys = keys[given.to_numpy(zero_copy_only=False)[keys.index.to_numpy()]]
    again = keys["key"].duplicated().to_numpy(dtype=bool)
    owner = keys.groupby("key")["row"].transform("first")
    positions = keys.index.to_numpy()[again]
    reasons = [f"{how.source}: the same key as row {row}" for row in owner[again]]
    return [*refusals, Refusal(positions.astype(np.int64), reasons)]


def _unmet(met: Any, rule: str, reason: str) -> tuple[str, Refusal]:
    import numpy as np

    positions = np.flatnonzero(~met.to_numpy(zero_copy_only=False))
    return rule, Refusal(positions, [reason] * len(positions))


def _frame(fields: dict[str, Any], like: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(fields, index=like.index)


def _arrow(array: Any) -> Any:
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(array)


def _text_type() -> Any:
    import pandas as pd
    import pyarrow as pa

    return pd.ArrowDtype(pa.string())
