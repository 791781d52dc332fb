"""Plans the contacts of a batch: what its rows say, what the ledger knows, and how Dynamics has them now.

Not for the decision (``plan.py``), nor for telling anybody (``telling.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from campaign_sync.consent.plan import NOBODY, Heard, Plan, overheard, plan_contact
from campaign_sync.consent.reading import contacts_now
from campaign_sync.consent.setting import OptOutSetting
from campaign_sync.consent.sides import contacts_of, heard_of
from campaign_sync.ledger.consent import Kept

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.ledger.ledger import Ledger


def untold(
    heard: Sequence[Heard], before: Mapping[str, Kept], mapping: OptOutMapping
) -> Iterator[tuple[str, Kept]]:
    """What the ledger is to keep of what Campaign says of a contact whom nobody is told about for now."""
    for attribute, known in overheard(heard, before, mapping).items():
        yield attribute, before.get(attribute, Kept(known))._replace(known=known)


class Planner:
    """Plans for the contacts of one batch, again and again."""

    def __init__(
        self, frame: pd.DataFrame, setting: OptOutSetting, ledger: Ledger, dataverse: DataverseHook
    ) -> None:
        self._setting, self._dataverse = setting, dataverse
        self.keys = sorted({str(key) for key in frame.index})
        self.known = ledger.consents.known(setting.mapping.name, self.keys)
        if setting.window.dry_run:  # which changes nothing: what a run forgets is still there
            self._forget_unheard(ledger)
        self._heard = heard_of(frame, setting.mapping)

    def _forget_unheard(self, ledger: Ledger) -> None:
        new = ledger.consents.unheard(self._setting.mapping.name, self._setting.mapping.meanings())
        self.known = {
            key: {
                name: each._replace(known=each.known._replace(dynamics=NOBODY)) if name in new else each
                for name, each in kept.items()
            }
            for key, kept in self.known.items()
        }

    def untold(self, key: str) -> Iterator[tuple[str, Kept]]:
        """What the ledger is to keep of a contact that Dynamics does not show."""
        yield from untold(self._heard.get(key, ()), self.known.get(key, {}), self._setting.mapping)

    def plan(self, keys: Collection[str]) -> dict[str, Plan]:
        """What is to be told about these contacts, as Dynamics has them now; one that is not there is absent."""
        mapping, table, _, window = self._setting
        contacts = contacts_of(contacts_now(mapping, table, self._dataverse, sorted(keys)), mapping, table)
        return {
            key: plan_contact(
                key,
                contact,
                self._heard.get(key, ()),
                self.known.get(key, {}),
                mapping,
                again=window.force,
            )
            for key, contact in contacts.items()
        }
