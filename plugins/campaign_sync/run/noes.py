"""Asks Dynamics once more, at the last moment before records are made, who says no by now; and remembers afterwards
which noes were told, for the opt-outs flow. Before records are deleted it asks Campaign what people said no to there.

Between a read and its writes lie minutes, in a large load hours. Until its record is there, the opt-outs flow has
nobody to tell. Not for what was read (``rows/noes.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from campaign_sync.consent.reading import MODIFIED_AT, SINCE, moment_of
from campaign_sync.consent.rule import Known, Said
from campaign_sync.hooks.campaign_records import KEY
from campaign_sync.ledger.consent import Kept
from campaign_sync.rows.noes import noes_in, noes_of
from campaign_sync.run import clock

if TYPE_CHECKING:
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.pages import Page
    from campaign_sync.ledger.consent import Consents
    from campaign_sync.mapping.file import Mapping
    from campaign_sync.mapping.noes import No
    from campaign_sync.schema import ResourceSchema, TableSchema
    from campaign_sync.writes import Write

#: How far Dynamics' clock and ours may be apart.
CLOCKS = timedelta(minutes=15)

UNHEARD = Kept(Known(Said(None, None), Said(None, None), agreed=None, ours=False))


class Noes(NamedTuple):
    """What the rows of one mapping say no to, as they are now."""

    mapping: Mapping
    table: TableSchema
    dataverse: DataverseHook
    consents: Consents

    def heard(self, writes: list[Write]) -> list[Write]:
        """The writes, in which records that are made have what their rows say no to by now besides."""
        making = [each.source_key for each in writes if each.kind != "delete"]
        asks = making and self.mapping.noes
        pages = self.dataverse.by_keys(self.table, self._columns, making) if asks else ()
        noes = self.held(making)
        for key, said in self._said(pages):
            noes[key] = noes.get(key, {}) | said
        return [_with(each, noes[each.source_key]) if each.source_key in noes else each for each in writes]

    def held(self, keys: Collection[str]) -> dict[str, dict[str, bool]]:
        """The noes that hold by what the opt-outs flow knows, by key of the row: what a person said to Campaign, about
        a record that was deleted since, may stand nowhere else.
        """
        found: dict[str, dict[str, bool]] = {}
        told = {no.attribute for no in self.mapping.noes}
        ours = {no.attribute for no in self._all}
        for flow in {no.flow for no in self._all} if keys else ():
            for key, kept in self.consents.known(flow, keys).items():
                for attribute, (known, *_) in kept.items():
                    holds = attribute in told and (known.agreed or known.undecided)
                    if attribute in ours and (known.campaign.no or holds):
                        found.setdefault(key, {})[attribute] = True
        return found

    def outlive(
        self, keys: Collection[str], resource: ResourceSchema, campaign: CampaignHook, run_id: str
    ) -> None:
        """Keeps what people said no to in Campaign, of records that are to be deleted: the opt-outs flow may not have
        heard it yet, and their next record is to be born with it. An engine call for each.

        Not of people who are gone from Dynamics as well: they are forgotten.
        """
        attributes = {no.attribute for no in self._all if no.attribute in resource.fields}
        if not attributes or not keys:
            return
        there = self.dataverse.by_keys(self.table, [], keys)
        asked = [str(key) for page in there for key in page.rows[self.table.key].to_pylist()]
        times = {name: f"{resource.fields[name].name}{SINCE}" for name in attributes}
        names = [*attributes, *(name for name in (*times.values(), MODIFIED_AT) if name in resource.fields)]
        rows = campaign.records(resource, self.mapping.key_field, names, asked).rows.to_pylist()
        heard = {
            (row[KEY], name): Said(True, moment_of(row.get(times[name]) or row.get(MODIFIED_AT)))
            for row in rows
            for name in attributes
            if row[name] == "true"
        }
        for flow, sha in {(no.flow, no.sha) for no in self._all} if heard else ():
            listened = self.consents.attributes(flow, attributes)
            open_ = {key for key, _ in heard}
            while open_:  # until no other run keeps something of them in between
                known = self.consents.known(flow, open_)
                kept = [
                    (
                        key,
                        name,
                        before._replace(known=before.known._replace(campaign=said, agreed=True, ours=False)),
                    )
                    for (key, name), said in heard.items()
                    for before in [known.get(key, {}).get(name, UNHEARD)]
                    if key in open_ and name in listened and not before.known.campaign.no
                ]
                read = {key: known.get(key, {}) for key in open_}
                open_ = self.consents.keep(flow, run_id, sha, kept, clock.now(), read=read)

    def remember(self, writes: list[Write], made: dict[str, datetime], run_id: str) -> None:
        """Keeps that these records were made with their noes for Dynamics' sake, which may take them back.

        Of an attribute that the opt-outs flow has not heard of yet it will hear itself, on both sides in full: nothing
        is kept, or it would take that for done.

        :param made: when records were made, by their keys.
        """
        born: dict[datetime, list[tuple[str, str]]] = {}
        for each in writes:
            if each.key in made:
                told = each.body if each.kind == "create" else each.instead or {}
                at = made[each.key].replace(second=0, microsecond=0) + timedelta(seconds=30)
                noes = (no.attribute for no in self.mapping.noes if told.get(no.attribute) is True)
                born.setdefault(at, []).extend((each.source_key, attribute) for attribute in noes)
        for flow, sha in {(no.flow, no.sha) for no in self.mapping.noes} if any(born.values()) else ():
            known = self.consents.attributes(flow, {no.attribute for no in self.mapping.noes})
            for at, rows in born.items():
                heard_of = [(key, attribute) for key, attribute in rows if attribute in known]
                self.consents.born(flow, run_id, sha, heard_of, at)

    def since(self, began: datetime, now: datetime) -> set[str]:
        """The keys of the rows that were modified since and say no to anything."""
        pages = self.dataverse.modified_between(
            self.table, self._columns, began - CLOCKS, now + timedelta(days=1)
        )
        return {key for key, _ in self._said(pages)}

    @property
    def _all(self) -> tuple[No, ...]:
        return (*self.mapping.noes, *self.mapping.campaign_noes)

    @property
    def _columns(self) -> list[str]:
        return sorted({each.column for each in self.mapping.noes})

    def _said(self, pages: Iterable[Page]) -> Iterator[tuple[str, dict[str, bool]]]:
        import pandas as pd

        for page in pages:
            rows = page.rows.to_pandas(types_mapper=pd.ArrowDtype)
            said = noes_of(rows, self.mapping, self.table).to_pylist()
            for key, noes in zip(rows[self.table.key], said, strict=True):
                if noes:
                    yield str(key), noes_in(noes)


def _with(write: Write, noes: dict[str, bool]) -> Write:
    if write.kind == "update":
        return write._replace(instead={**(write.instead or write.body), **noes})
    return write._replace(body={**write.body, **noes}, found={**(write.found or write.body), **noes})
