"""One export file of profiles with their opt-outs, read as strictly as the other exports (campaign.md §8.3).

What cannot be read never becomes a yes. Not for fetching and archiving files (``exports/taking.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.consent.plan import CAMPAIGN
from campaign_sync.consent.reading import GUID, MODIFIED_AT, NO_CONTACT_ID, SINCE
from campaign_sync.consent.sides import AT, FRESH, frame_of
from campaign_sync.consent.vocabulary import CONTACT
from campaign_sync.exports.export_file import ExportFile
from campaign_sync.exports.removed import removed_rows
from campaign_sync.exports.times import read_times
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    import pyarrow as pa

    from campaign_sync.consent.file import OptOutMapping

#: campaign.md §8.2: how booleans are written is unconfirmed.
YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": None}

LOST = "the line has more or fewer cells than the header"
UNREAD = "is neither yes nor no, and says nothing: untick “Export labels instead of internal values” in Extract file"
UNTIMED = "a time cannot be read, or is in the future: the noes of this row were heard without it, its yeses lift none"


class _When(NamedTuple):
    """A time of a file. In the hour that comes twice in autumn a no is as late as it may be, and a yes as early."""

    earliest: datetime | None
    latest: datetime | None
    readable: bool  # whether it can be believed; an empty one can


@dataclass(frozen=True)
class OptOutFile(ExportFile):
    """A file that lies on this machine."""

    mapping: OptOutMapping

    def wanted(self, found: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
        required = self.mapping.headers()
        wanted = {
            name: next((header for header in headers if header in found), headers[0])
            for name, headers in (self.mapping.times() | required).items()
        }
        return wanted, (*required, *(name for name in self.extract.opt_outs.columns if name in wanted))

    def judged(self, rows: pa.Table, now: datetime, first: int, lost: list[int]) -> Sifted:
        import pandas as pd

        text = {name: rows[name].to_pandas().astype(object).to_numpy() for name in rows.column_names}
        places = [f"{self.name}:row {first + row}" for row in range(rows.num_rows)]
        times = {
            name: self._moments(text.get(name, [""] * len(places)), now) for name in self.mapping.times()
        }
        whole = times[MODIFIED_AT]
        keys = [cell.strip().lower() for cell in text[CONTACT]]
        stays = [GUID.fullmatch(key) is not None for key in keys]
        nobody = [(place, NO_CONTACT_ID, "") for place, stay in zip(places, stays, strict=True) if not stay]
        told: list[tuple[str, str, str]] = []  # what is wrong with rows that stay
        # Beside a time that cannot be right the others of its row are doubtful as well.
        doubtful = [not all(each[row].readable for each in times.values()) for row in range(len(places))]
        columns: dict[str, Any] = {
            FRESH: [False] * len(places),
            AT: [None if doubt else when.earliest for when, doubt in zip(whole, doubtful, strict=True)],
        }
        for attribute in self.mapping.pairs:
            said = [YES_NO.get(cell.strip().lower(), cell) for cell in text[attribute]]
            told += [
                (places[row], attribute, UNREAD)
                for row, no in enumerate(said)
                if isinstance(no, str) and stays[row]
            ]
            own = times[f"{attribute}{SINCE}"]
            columns[attribute] = [None if isinstance(no, str) else no for no in said]
            columns[f"{attribute}{AT}"] = [
                own[row].latest or whole[row].latest if no else None if doubtful[row] else own[row].earliest
                for row, no in enumerate(columns[attribute])
            ]
        frame = frame_of(columns, keys, CAMPAIGN, self.mapping)
        told += [(places[row], "time", UNTIMED) for row, doubt in enumerate(doubtful) if doubt and stays[row]]
        told += [(f"{self.name}:line {line}", "columns", LOST) for line in lost]
        return Sifted(frame[stays], pd.concat([removed_rows(nobody, "dropped"), removed_rows(told)]))

    def _moments(self, cells: Any, now: datetime) -> list[_When]:
        import pyarrow as pa

        texts = [str(cell).strip() for cell in cells]
        array = pa.array(texts, pa.string())
        found, refused = read_times(array, self.extract, now)
        second, ahead = read_times(array, self.extract, now, second=True)
        return [
            _When(None, None, not texts[row])
            if row in refused
            else _When(
                moment.to_pydatetime(),
                (moment if row in ahead else second[row]).to_pydatetime(),
                readable=True,
            )
            for row, moment in enumerate(found)
        ]
