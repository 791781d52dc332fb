"""A second look at what seems to differ: both systems move while they are read, one after the other.

Not for the first judgement (``fates.py``).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from campaign_sync.compare.fates import DIFFERENCES, Rules, judge

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.run.setting import Setting

#: Differences of a comparison that are looked at again, over all slices, and in any slice: an engine call each.
LOOKS, LOOKS_IN_A_SLICE = 2_000, 20


def look_again(
    judged: pd.DataFrame,
    dynamics: pd.DataFrame,
    setting: Setting,
    *,
    ledger: Ledger,
    dataverse: DataverseHook,
    campaign: CampaignHook,
    began: datetime,
    most: int,
) -> tuple[pd.DataFrame, int]:
    """The fates once more, and how many of the differences were not looked at because there are more than `most`.

    Whatever a run has written since the comparison began, whatever has another version in Dynamics by now, and what is
    no difference when Campaign is asked again has `moved`: the next comparison tells. Rare classes are looked at first.
    """
    import numpy as np
    import pandas as pd

    mapping, _, resource, _ = setting
    judged = judged.copy()
    suspects = judged[judged["fate"].isin(DIFFERENCES)]
    if not len(suspects):
        return judged, 0
    known = ledger.state(mapping.name, suspects.index)
    written = known.index[(known["updated_at"] >= began).fillna(False).to_numpy(dtype=bool)]
    judged.loc[written, ["fate", "fields"]] = ["moved", ""]
    suspects = suspects.drop(written)

    rarity = suspects["fate"].map(suspects["fate"].value_counts())
    keys = suspects.index[np.argsort(rarity.to_numpy(), kind="stable")][:most]
    versions = _versions(dataverse, setting, keys)
    before = dynamics["@version"].to_dict()
    still = [key for key in keys if versions.get(key) == before.get(key)]
    rules = Rules.of(mapping, resource)
    asked = campaign.records(resource, mapping.key_field, rules.fields, still)
    rows = asked.rows.to_pandas(types_mapper=pd.ArrowDtype)
    again = judge(
        dynamics.loc[dynamics.index.intersection(still)], rows.set_index("@key"), known, rules, resource
    )
    again = again[again["fate"].isin(DIFFERENCES)]
    judged.loc[keys.difference(again.index), ["fate", "fields"]] = ["moved", ""]
    judged.loc[again.index, ["fate", "fields"]] = again
    return judged, len(suspects) - len(keys)


def _versions(dataverse: DataverseHook, setting: Setting, keys: pd.Index) -> dict[str, int]:
    """The versions that Dynamics has now; a row that is gone is not among them."""
    found: dict[str, int] = {}
    for page in dataverse.by_keys(setting.table, (), keys):
        pairs = zip(page.rows.column(0).to_pylist(), page.rows.column("@version").to_pylist(), strict=True)
        found.update(pairs)
    return found
