"""``plan_writes``: rows and what the ledger knows become what to create, update, delete and leave. Pure.

Not for carrying anything out (``hooks/campaign.py``): a dry run ends here. Every row is in exactly one list.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Dictionary
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.run.planned import HASH, VERSION, Plan
from campaign_sync.run.row_hashes import DIGEST, emptied_fields, filled_fields, row_hashes
from campaign_sync.waits import COLUMNS, PARENT, for_parent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from campaign_sync.mapping.file import Mapping

    Mask = NDArray[np.bool_]

#: A deletion carries no version (dataverse.md §4.3): it is newer than whatever was read before it.
NEWEST = 2**63 - 1

IGNORED = "deletes: ignore"


def plan_writes(
    rows: pd.DataFrame,
    removed: pd.DataFrame,
    known: pd.DataFrame,
    *,
    mapping: Mapping,
    settled: pd.Index[str] | None = None,
    parents: Dictionary[str, Collection[str]] | None = None,
    children: pd.DataFrame | None = None,
    force: bool = False,
) -> Plan:
    """What a batch comes to.

    :param rows: index source key, ``@version`` and the target fields.
    :param removed: index source key; ``@version``, fate (deleted, dropped, rejected), rule, reason, step.
    :param known: what ``Ledger.known`` says about these keys.
    :param settled: of which rows the ledger knows all that there is to know (``Ledger.compared``); not among `known`.
    :param parents: flow → those of the keys that the rows name whose records are surely in Campaign
        (``Ledger.there``), for the flows that the mapping links to.
    :param children: what ``Ledger.children`` says about the keys that may be deleted; None: nobody names them.
    :param force: send again what has not changed, create-only fields included (a replay, I12).
    """
    rows, removed, outdated = _newest(_arrow_keys(fingerprinted(rows, mapping)), _arrow_keys(removed))
    rows, keyless = _identified(rows, mapping.key_field)
    known = _arrow_keys(known)
    kept = _judge_rows(rows, known, force, () if settled is None else settled)
    gone = _judge_removed(removed, known, mapping)
    updates = tuple(name for name, field in mapping.map.items() if (field.updates or force) and not field.key)
    links = mapping.links()
    sent = {"create": links, "update": {name: flow for name, flow in links.items() if name in updates}}
    waits = [_await_parents(kept[kind], sent[kind], parents or {}) for kind in sent if links]
    for kind, each in zip(sent, waits, strict=False):
        kept[kind] = kept[kind][~kept[kind].index.isin(each.index)]
    if children is not None and len(children):
        named = gone["delete"].join(_arrow_keys(children), how="inner")
        gone["delete"] = gone["delete"][~gone["delete"].index.isin(named.index)]
        waits.append(named)
    return Plan(
        create=kept["create"],
        update=kept["update"],
        delete=gone["delete"],
        unchanged=_stack(_bare(kept["unchanged"]), gone["unchanged"]),
        settled_before=() if settled is None else settled,
        stale=_stack(_bare(kept["stale"]), gone["stale"], *outdated),
        dropped=gone["dropped"],
        rejected=_stack(gone["rejected"], keyless),
        parked=_stack(_no_waits(gone["delete"]), *waits),
        names=_stack(*(_names(kept[kind], fields) for kind, fields in sent.items())),
        key_field=mapping.key_field,
        updates=updates,
        emptied=_emptied(kept["update"], known, updates),
    )


def fingerprinted(rows: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """The rows, each with the hash of what would be sent of it."""
    if HASH in rows:
        return rows
    fields = [name for name, field in mapping.map.items() if field.updates or field.key]
    return rows.assign(**{HASH: _fingerprints(rows, fields)})


def _judge_rows(
    rows: pd.DataFrame, known: pd.DataFrame, force: bool, settled: Collection[str]
) -> dict[str, pd.DataFrame]:
    memory = _recall(known, rows)
    quiet = rows.index.isin(settled)
    # Older than what we know even if that is in doubt or deleted: writing it would bring back the past (I13).
    stale = memory.version > _versions(rows)
    create = ~stale & ~memory.present & ~quiet
    unchanged = quiet | ~stale & memory.present & memory.same & ~memory.in_doubt & (not force)
    update = ~stale & ~create & ~unchanged
    return {
        "create": rows[create],
        "update": rows[update],
        "unchanged": rows[unchanged],
        "stale": rows[stale],
    }


def doomed(removed: pd.DataFrame, mapping: Mapping) -> pd.Index[str]:
    """Keys of the removed rows that are to be deleted from Campaign if they are there."""
    fates = [
        *(["deleted"] if mapping.extract.deletes == "apply" else []),
        *(["dropped"] if mapping.filter and mapping.filter.filtered_out == "delete" else []),
    ]
    return removed.index[removed["fate"].isin(fates)]


def _await_parents(
    rows: pd.DataFrame, links: Dictionary[str, str], parents: Dictionary[str, Collection[str]]
) -> pd.DataFrame:
    """The rows that name a record which is not surely in Campaign, and what they wait for: the first such link."""
    import pandas as pd

    found = [_no_waits(rows)]
    for field, flow in links.items():
        keys = rows[field].astype(object)
        orphaned = (keys.notna() & (keys != "") & ~keys.isin(parents.get(flow, ()))).to_numpy(dtype=bool)
        waiting = _bare(rows[orphaned]).assign(kind=PARENT, waits_for=flow, reason=for_parent(flow))
        found.append(waiting.assign(waits_key=keys[orphaned]))
    all_waits = pd.concat(found)
    return _as_text(all_waits[~all_waits.index.duplicated(keep="first")], COLUMNS)


def _no_waits(like: pd.DataFrame) -> pd.DataFrame:
    return _as_text(_bare(like.iloc[:0]).assign(**dict.fromkeys(COLUMNS, "")), COLUMNS)


def _names(rows: pd.DataFrame, links: Dictionary[str, str]) -> pd.DataFrame:
    """A line per row and linked field that is sent: field, parent_flow, parent_key (missing: the row names nobody)."""
    import pandas as pd

    columns = ("field", "parent_flow", "parent_key")
    empty = pd.DataFrame(index=rows.index[:0], columns=list(columns), dtype=object)
    lines = [empty]
    for field, flow in links.items():
        keys = rows[field].astype(object)
        named = keys.where(keys.notna() & (keys != ""), None)
        lines.append(
            pd.DataFrame({"field": field, "parent_flow": flow, "parent_key": named}, index=rows.index)
        )
    return _as_text(pd.concat(lines), columns)


def _as_text(frame: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    return frame.astype(dict.fromkeys(columns, pd.ArrowDtype(pa.string())))


def _fingerprints(rows: pd.DataFrame, fields: list[str]) -> pd.Series[bytes]:
    """What was sent, as a hash, and which fields were filled; only the first part tells same from changed."""
    import pandas as pd

    both = zip(row_hashes(rows, fields), filled_fields(rows, fields), strict=True)
    values = pd.array([digest + filled for digest, filled in both], dtype="binary[pyarrow]")
    return pd.Series(values, index=rows.index)


def _emptied(update: pd.DataFrame, known: pd.DataFrame, fields: tuple[str, ...]) -> pd.Series[str]:
    """The updates that would empty a field which we had filled, and the names of such fields."""
    import pandas as pd
    import pyarrow as pa

    before = known["sent_hash"].astype(object).reindex(update.index) if len(known) else update[HASH]
    seen: dict[tuple[bytes, bytes], str] = {}
    found: dict[str, str] = {}
    for key, sent, now in zip(update.index, before, update[HASH], strict=True):
        if not isinstance(sent, bytes):
            continue  # a row in doubt, of which nothing is known
        pair = (sent[DIGEST:], now[DIGEST:])
        if pair not in seen:
            seen[pair] = ", ".join(emptied_fields(*pair, fields))
        if seen[pair]:
            found[key] = seen[pair]
    text = pd.ArrowDtype(pa.string())
    return pd.Series(list(found.values()), index=pd.Index(list(found), dtype=text), dtype=text)


def _judge_removed(removed: pd.DataFrame, known: pd.DataFrame, mapping: Mapping) -> dict[str, pd.DataFrame]:
    memory = _recall(known, removed)
    there = memory.present | memory.in_doubt
    older = memory.version > _versions(removed)
    fate = removed["fate"].astype(object).to_numpy()
    deleted, dropped, rejected = (fate == each for each in ("deleted", "dropped", "rejected"))
    ignored = deleted & (mapping.extract.deletes == "ignore")
    unwanted = dropped & there & bool(mapping.filter and mapping.filter.filtered_out == "delete")
    doomed = (deleted & ~ignored) | unwanted
    return {
        "delete": _bare(removed[doomed & there & ~older]),
        "unchanged": _bare(removed[doomed & ~there & ~older]),
        "stale": _bare(removed[doomed & older]),
        "dropped": _stack(
            _told(removed[dropped & ~unwanted]),
            _told(removed[ignored].assign(rule=IGNORED, reason="the mapping ignores deletions in Dynamics")),
        ),
        "rejected": _told(removed[rejected]),
    }


class _Memory(NamedTuple):
    """What the ledger knows, row by row beside a frame."""

    version: NDArray[np.int64]  # -1: unknown
    present: Mask
    in_doubt: Mask
    same: Mask  # the hash is the one last sent


def _recall(known: pd.DataFrame, frame: pd.DataFrame) -> _Memory:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    at = known.index.get_indexer(frame.index)
    found = at >= 0

    def beside(column: str, missing: int) -> NDArray[np.int64]:
        values = known[column].to_numpy(dtype=np.int64)
        return np.where(found, values[at] if len(values) else missing, missing)

    same = np.zeros(len(frame), dtype=bool)
    if HASH in frame and len(known):
        sent = known["sent_hash"].astype(pd.ArrowDtype(pa.binary())).array.take(at, allow_fill=True)
        same = (
            pd.Series(_digests(pd.Series(sent)) == _digests(frame[HASH])).fillna(False).to_numpy(dtype=bool)
        )
    present, in_doubt = (beside(name, 0).astype(bool) for name in ("present", "in_doubt"))
    return _Memory(beside("version", -1), present, in_doubt, same)


def _digests(fingerprints: pd.Series[bytes]) -> Any:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import compute

    cut = compute.binary_slice(pa.array(fingerprints, pa.binary(), from_pandas=True), 0, DIGEST)
    return pd.array(cut, dtype=pd.ArrowDtype(pa.binary()))


def _newest(
    rows: pd.DataFrame, removed: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, list[pd.DataFrame]]:
    """The newest of each key's rows, whatever became of it, and the others."""
    import numpy as np
    import pandas as pd

    keys = rows.index.append(removed.index)
    if keys.is_unique:
        return rows, removed, []
    versions = np.concatenate([_versions(rows), _versions(removed)])
    order = np.argsort(versions, kind="stable")
    newest = np.zeros(len(keys), dtype=bool)
    newest[order] = ~pd.Index(keys[order]).duplicated(keep="last")
    kept, gone = newest[: len(rows)], newest[len(rows) :]
    return rows[kept], removed[gone], [_bare(rows[~kept]), _bare(removed[~gone])]


def _identified(rows: pd.DataFrame, key_field: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that name a record of their own, and those that name none, or one that another row names too."""
    keys = rows[key_field].astype("string[pyarrow]").fillna("")
    empty = (keys == "").to_numpy(dtype=bool)
    again = keys.duplicated().to_numpy(dtype=bool) & ~empty
    refused = rows.assign(step="load", rule="key", reason=f"{key_field} has no value")
    refused.loc[again, "reason"] = f"another row of the same batch has the same {key_field}"
    return rows[~empty & ~again], _told(refused[empty | again])


def _versions(frame: pd.DataFrame) -> NDArray[np.int64]:
    import numpy as np

    return frame[VERSION].fillna(NEWEST).to_numpy(dtype=np.int64)


def _arrow_keys(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    return frame.set_axis(
        pd.Index(frame.index, dtype=pd.ArrowDtype(pa.string()), name=frame.index.name), axis=0
    )


def _bare(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    return frame[[VERSION]].astype(pd.ArrowDtype(pa.int64()))


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """Version, step, rule and reason; a row that does not say its step was removed by an earlier one."""
    import pandas as pd
    import pyarrow as pa

    said = frame if "step" in frame else frame.assign(step="")
    text = {name: said[name].astype(pd.ArrowDtype(pa.string())) for name in ("step", "rule", "reason")}
    return _bare(frame).assign(**text)


def _stack(*frames: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames) if frames else pd.DataFrame()
