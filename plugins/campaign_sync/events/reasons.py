"""Why rows of a run were rejected, from which files, and how many: the lines of its report that say what to do.

Not for judging rows. Like rules, reasons hold no values of a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from campaign_sync.exports.removed import alike, form
from campaign_sync.rows.storage import find_document, write_document
from campaign_sync.run.setting import document

if TYPE_CHECKING:
    import pandas as pd

REASONS = ".reasons.json"  #: of a batch: rule, reason and number of its rejected rows
SHOWN = 10  #: reasons in a report
FILES_SHOWN = 3


def write_reasons(folder: str, number: int, removed: pd.DataFrame, outcomes: Iterable[Any]) -> None:
    """Leave in the run's folder why rows of a batch were rejected; those that wait for a contact are told otherwise."""
    rejected = removed[(removed["fate"] == "rejected").to_numpy(dtype=bool)]
    both = [*zip(rejected["rule"], rejected["reason"], strict=True)]
    both += [("Dynamics", each.reason) for each in outcomes if each.result == "rejected"]
    told = [[rule, reason, rows] for (rule, reason), rows in alike(both).items()]
    write_document(folder, document(number, REASONS), {"rejected": told})


def reason_notes(folder: str, numbers: Iterable[int], sources: dict[str, str]) -> Iterator[str]:
    """A line per rule and reason, what concerns most rows first.

    :param sources: number of a batch → the file it is from.
    """
    rows: Counter[tuple[str, str]] = Counter()
    reasons: dict[tuple[str, str], str] = {}
    files: dict[tuple[str, str], dict[str, None]] = {}
    for number in numbers:
        for rule, reason, count in find_document(folder, document(number, REASONS)).get("rejected", ()):
            key = (rule, form(reason))
            rows[key] += count
            reasons.setdefault(key, reason)
            files.setdefault(key, {})[sources.get(str(number), "events that waited")] = None
    for (rule, of_form), count in rows.most_common(SHOWN):
        where = list(files[rule, of_form])
        more = f" and {len(where) - FILES_SHOWN} more" if len(where) > FILES_SHOWN else ""
        named = f"{', '.join(where[:FILES_SHOWN])}{more}"
        yield f"{count:,} row{'s' * (count != 1)} rejected by {rule} ({named}): {reasons[rule, of_form]}"
    if len(rows) > SHOWN:
        yield f"{len(rows) - SHOWN} more reasons are in the list of rejected rows"
