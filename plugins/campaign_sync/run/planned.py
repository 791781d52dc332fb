"""A ``Plan`` and the ``Write``s it comes to: what to call, and what to remember of the answers.

Not for deciding (``plan.py``) and not for calling (``hooks/campaign.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.rows.noes import NOES, noes_in
from campaign_sync.run.report import Tally
from campaign_sync.writes import Outcome, Write

if TYPE_CHECKING:
    import pandas as pd

VERSION, HASH = "@version", "@hash"
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Plan:
    """What a batch comes to. Every frame has the source key as index and a column ``@version``."""

    create: pd.DataFrame  # and @hash and all fields, and @noes where an opt-outs mapping asks for them
    update: pd.DataFrame  # the same
    delete: pd.DataFrame
    unchanged: pd.DataFrame
    settled_before: Collection[str]  # of the unchanged: those of which the ledger needs no note
    stale: pd.DataFrame  # something newer is known already, or stands in the same batch
    dropped: pd.DataFrame  # and step, rule, reason
    rejected: pd.DataFrame  # and step, rule, reason
    parked: pd.DataFrame  # and kind, waits_for, waits_key, reason
    names: (
        pd.DataFrame
    )  # of the writes: a line per linked field that is sent, and whom it names (``Ledger.begin``)
    key_field: str
    updates: tuple[str, ...]  # the fields that an update sends
    emptied: pd.Series[str]  # of the updates: those that empty a field which we had filled, and which fields

    def tally(self) -> Tally:
        """The counts, as if every call succeeded: what a dry run reports."""
        planned = Tally(created=len(self.create), updated=len(self.update), deleted=len(self.delete))
        return planned + self.settled_tally()

    def settled_tally(self) -> Tally:
        """The counts of the rows that need no call."""
        unchanged = len(self.unchanged) + len(self.stale)
        return Tally(
            dropped=len(self.dropped),
            parked=len(self.parked),
            rejected=len(self.rejected),
            unchanged=unchanged,
        )

    def settled(self) -> pd.DataFrame:
        """The rows that need no call but a note, for ``Ledger.settle``."""
        import pandas as pd

        noted = self.unchanged[~self.unchanged.index.isin(self.settled_before)]
        quiet = [
            noted.assign(result="unchanged"),
            self.stale.assign(result="unchanged"),
            self.dropped[[VERSION]].assign(result="dropped"),
        ]
        return pd.concat(quiet).assign(sent_hash=None).rename(columns={VERSION: "version"})

    def rejections(self) -> pd.DataFrame:
        """The rows that were rejected before any call, for ``Ledger.settle``."""
        return self.rejected.assign(certain=False).rename(columns={VERSION: "version"})

    def waiting(self) -> pd.DataFrame:
        """The rows that are parked before any call, for ``Ledger.settle``."""
        return self.parked.rename(columns={VERSION: "version"})

    def park(self, waits: pd.DataFrame) -> pd.DataFrame:
        """Rows with a call that turn out to wait after all, for ``Ledger.settle``.

        :param waits: index source key; kind, waits_for, waits_key, reason.
        """
        return waits.join(self._written[[VERSION]]).rename(columns={VERSION: "version"})

    def without(self, waits: pd.DataFrame) -> Plan:
        """The same, with these rows parked instead of written.

        :param waits: as for :meth:`park`.
        """
        import pandas as pd

        parked = self.park(waits).rename(columns={"version": VERSION})
        others = {
            name: frame[~frame.index.isin(waits.index)]
            for name in ("create", "update", "delete", "names", "emptied")
            for frame in [getattr(self, name)]
        }
        return replace(self, parked=pd.concat([self.parked, parked]), **others)

    def source_keys(self) -> list[str]:
        """The rows with a call, in the order of :meth:`writes`, for ``Ledger.begin``."""
        return [*self.create.index, *self.update.index, *self.delete.index]

    def versions(self, keys: Iterable[str]) -> list[int | None]:
        """The versions of rows with a call, for ``Ledger.begin``; a deletion may have none."""
        import pandas as pd

        found = self._written[VERSION].reindex(list(keys))
        return [None if pd.isna(version) else int(version) for version in found]

    def writes(self) -> Iterator[Write]:
        """The calls to make; bodies are made as they are asked for."""
        for key, record in zip(self.create.index, self._records(self.create), strict=True):
            # A record that turns out to be there hears the noes as well: until now nobody told it (O7).
            found = record.changes | record.noes
            yield Write("create", record.key, record.whole | record.noes, found=found, source_key=key)
        for key, record in zip(self.update.index, self._records(self.update), strict=True):
            whole = record.whole | record.noes
            yield Write("update", record.key, record.changes, instead=whole, source_key=key)
        for key in self.delete.index:
            yield Write("delete", key, {}, source_key=key)

    def outcomes(self, outcomes: Iterable[Outcome]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What became of calls, for ``Ledger.settle``: rows settled and rows rejected."""
        import pandas as pd

        said = [(each.key, each.result, each.rule, each.reason, each.certain) for each in outcomes]
        answers = pd.DataFrame(said, columns=["key", "result", "rule", "reason", "certain"], dtype=object)
        told = self._written.join(answers.set_index("key"), on="key", how="inner")
        told = told.rename(columns={VERSION: "version", HASH: "sent_hash"})
        refused = told["result"] == "rejected"
        # A record found to be as it should be, or gone already, is known to be so from now on.
        sure = told["kind"].map({"create": "created", "update": "updated", "delete": "deleted"})
        result = told["result"].where(told["result"] != "unchanged", sure)
        rejected = told[refused].assign(step="load")
        return (
            told[["version", "sent_hash"]].assign(result=result)[~refused],
            rejected[["version", "step", "rule", "reason", "certain"]],
        )

    @cached_property
    def _written(self) -> pd.DataFrame:
        """Every row with a call, by source key: the record's key, the kind of call, version and hash."""
        import pandas as pd

        named = [
            frame[[VERSION, HASH]].assign(key=frame[self.key_field].astype(str), kind=kind)
            for kind, frame in (("create", self.create), ("update", self.update))
        ]
        gone = self.delete[[VERSION]].assign(key=self.delete.index.astype(str), kind="delete")
        return pd.concat([*named, gone]).astype({"key": object})

    def _records(self, frame: pd.DataFrame) -> Iterator[_Record]:
        import pyarrow as pa

        fields = [name for name in frame.columns if not str(name).startswith("@")]
        # campaign.md §4.2: null is never sent; "" clears texts, dates and enumerations, 0 and false the rest.
        blank: dict[str, Any] = {}
        for name in fields:
            kind = pa.array(frame[name].iloc[:0]).type
            numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
            blank[name] = False if pa.types.is_boolean(kind) else 0 if numeric else ""
        for start in range(0, len(frame), ROWS_AT_ONCE):
            rows = frame.iloc[start : start + ROWS_AT_ONCE]
            part = pa.Table.from_pandas(rows[fields], preserve_index=False)
            said = rows[NOES] if NOES in rows else pa.nulls(len(rows))
            for row, noes in zip(part.to_pylist(), pa.array(said).to_pylist(), strict=True):
                yield _Record(
                    key=str(row[self.key_field]),
                    # campaign.md §4.2: empty values once crashed the API, and a new record has none to clear.
                    whole={name: value for name, value in row.items() if value is not None and value != ""},
                    # campaign.md §13, T13: a change never names the key.
                    changes={name: blank[name] if row[name] is None else row[name] for name in self.updates},
                    noes=noes_in(noes),
                )


class _Record(NamedTuple):
    key: str
    whole: dict[str, Any]
    changes: dict[str, Any]
    noes: dict[str, bool]  # what a record is made with, and not changed to
