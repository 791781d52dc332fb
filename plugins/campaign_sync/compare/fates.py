"""What a comparison makes of each key: the classes of differences, and what is none. Pure.

Not for reading (``sides.py``) nor for looking a second time (``looking_again.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.compare.values import differing
from campaign_sync.run.row_hashes import DIGEST, row_hashes
from campaign_sync.schema import is_objection

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from campaign_sync.mapping.file import Mapping
    from campaign_sync.schema import ResourceSchema

    Mask = NDArray[np.bool_]

#: Differences: what each means, in words. A repair mends these and no others.
DIFFERENCES = {
    "missing": "expected, and not in Campaign, whether it was once there or never arrived",
    "extra": "written by this flow, and deleted in Dynamics or no longer passing a filter that says to delete",
    "stale": "Campaign holds other values than Dynamics, which have not been sent yet",
    "edited in Campaign": "Campaign holds other values than those that were sent, which are still the right ones",
    "wrong link": "the record names another parent than it should, or none",
}

#: What is no difference.
OTHERS = {
    "agrees": "Campaign holds what it should",
    "moved": "changed in Dynamics, or written by a run, while the comparison looked",
    "dropped": "the mapping's filter keeps the row out, and it is not in Campaign",
    "rejected": "the row should be in Campaign as it is now, and was refused: see the flow's own report",
    "parked": "waits for a record of another flow to arrive, or to go: see the flow's own report",
    "kept": "no longer expected, and left in Campaign as the mapping says",
    "opted out in Campaign": "the person objected in Campaign and Dynamics says otherwise: never mended",
    "unknown": "in Campaign, and not written by this flow: never touched",
}

ENDS = "@fate"  # of a row that is not expected: dropped or rejected; empty for one that is


class Rules(NamedTuple):
    """What a comparison needs to know of the mapping and the resource."""

    fields: tuple[
        str, ...
    ]  # compared: what an update sends; create-only fields are the record's own after creation
    hashed: tuple[str, ...]
    links: frozenset[str]
    consent: frozenset[str]
    deletes: bool
    deletes_filtered_out: bool

    @classmethod
    def of(cls, mapping: Mapping, resource: ResourceSchema) -> Rules:
        """The rules of one mapping."""
        fields = tuple(name for name, how in mapping.map.items() if how.updates and not how.key)
        return cls(
            fields,
            tuple(name for name, how in mapping.map.items() if how.updates or how.key),
            frozenset(fields) & mapping.links().keys(),
            frozenset(name for name in fields if is_objection(resource.fields[name].name)),
            mapping.extract.deletes == "apply",
            bool(mapping.filter and mapping.filter.filtered_out == "delete"),
        )


def judge(
    dynamics: pd.DataFrame,
    campaign: pd.DataFrame,
    known: pd.DataFrame,
    rules: Rules,
    resource: ResourceSchema,
) -> pd.DataFrame:
    """The fate of every key of either side: index key, columns fate and fields (names, joined by commas).

    :param dynamics: index key; `@version`, `@fate`, and the mapped fields as they would be written.
    :param campaign: index key; the compared fields as ``hooks/campaign_records.py`` makes them.
    :param known: what ``Ledger.state`` says of all these keys.
    """
    import numpy as np
    import pandas as pd

    keys = dynamics.index.union(campaign.index)
    here, there = dynamics.index.get_indexer(keys), campaign.index.get_indexer(keys)
    in_dynamics, in_campaign = here >= 0, there >= 0
    ends = np.full(len(keys), "", dtype=object)
    ends[in_dynamics] = dynamics[ENDS].astype(object).to_numpy()[here[in_dynamics]]
    expected = in_dynamics & (ends == "")
    both = expected & in_campaign
    wanted, found = dynamics.iloc[here[both]], campaign.iloc[there[both]]
    differs = {name: differing(wanted[name], found[name], resource.fields[name]) for name in rules.fields}
    fields = np.full(len(keys), "", dtype=object)
    fields[both] = _names(differs, int(both.sum()))

    def among(masks: list[Mask]) -> Mask:
        whole = np.zeros(len(keys), dtype=bool)
        if masks:
            whole[both] = np.logical_or.reduce(masks)
        return whole

    different = among(list(differs.values()))
    objected = among([differs[name] & (found[name] == "true").to_numpy(dtype=bool) for name in rules.consent])
    linked = among([differs[name] for name in rules.links])
    memory = _memory(known, dynamics, keys, here, rules)
    absent = expected & ~in_campaign
    gone = in_campaign & ~in_dynamics
    out = in_campaign & (ends == "dropped")
    fate = np.select(
        [
            both & ~different,
            (absent | different | gone | out) & memory.busy,
            objected,
            (absent | different) & memory.refused,
            (absent | different | gone | out) & memory.waits,
            absent,
            linked,
            different & memory.sent,
            different,
            ends == "rejected",
            (gone | out) & ~memory.ours,
            (gone & rules.deletes) | (out & rules.deletes_filtered_out),
            gone | out,
        ],
        [
            "agrees", "moved", "opted out in Campaign", "rejected", "parked", "missing", "wrong link",
            "edited in Campaign", "stale", "rejected", "unknown", "extra", "kept",
        ],
        default="dropped",
    )  # fmt: skip
    return pd.DataFrame({"fate": fate, "fields": fields}, index=keys)


class _Memory(NamedTuple):
    """What the ledger says, key by key."""

    ours: Mask  # written by this flow, as far as is known
    sent: Mask  # just these values were sent, beyond doubt
    refused: Mask  # in the version that Dynamics has now
    waits: Mask  # the same, or a deletion that waits
    busy: (
        Mask  # a run that has not ended has it in hand: what it writes, or has in a file, is still on its way
    )


def _memory(
    known: pd.DataFrame, dynamics: pd.DataFrame, keys: pd.Index, here: NDArray[np.intp], rules: Rules
) -> _Memory:
    import numpy as np

    told = known.reindex(keys)
    present, doubted, busy = (
        told[name].fillna(False).to_numpy(dtype=bool) for name in ("present", "in_doubt", "busy")
    )
    versions = np.full(len(keys), np.iinfo(np.int64).max)
    versions[here >= 0] = dynamics["@version"].to_numpy(dtype=np.int64)[here[here >= 0]]
    refused = told["refused"].fillna(-1).to_numpy(dtype=np.int64)
    sent = np.zeros(len(keys), dtype=bool)
    hashes = row_hashes(dynamics, rules.hashed).astype(object).to_numpy()
    last = told["sent_hash"].astype(object).to_numpy()
    for at in np.flatnonzero((here >= 0) & present & ~doubted):
        sent[at] = isinstance(last[at], bytes) and last[at][:DIGEST] == hashes[here[at]]
    waits = told["waits"].fillna(-1).to_numpy(dtype=np.int64)
    return _Memory(
        present | doubted,
        sent,
        (refused >= versions) & (here >= 0),
        np.where(here >= 0, waits >= versions, waits >= 0),
        busy,
    )


def _names(differs: dict[str, Mask], length: int) -> list[str]:
    import numpy as np

    names = [""] * length
    for name, mask in differs.items():
        for at in np.flatnonzero(mask):
            names[at] = f"{names[at]},{name}" if names[at] else name
    return names
