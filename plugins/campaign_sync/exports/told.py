"""What people are told about export files: which cannot be used, and which did not come.

Not for a file's rows (``reasons.py``), nor for taking files (``taking.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from campaign_sync.errors import QualityError, ReconcileError
from campaign_sync.ledger.events import ASIDE, INCOMPLETE, KEPT, TakenFile
from campaign_sync.run.expected import Expected, overdue

if TYPE_CHECKING:
    from campaign_sync.exports.vocabulary import ExportFiles
    from campaign_sync.ledger.ledger import Ledger

FILES_TOLD = 5  # in an error; the report has all


def file_notes(files: list[TakenFile], extract: ExportFiles, *, dry_run: bool) -> Iterator[str]:
    """What people should read about files that cannot be used."""
    for each in files:
        if each.state == ASIDE:
            was = "would be" if dry_run else "was"
            yield f"{each.name} {was} set aside in {extract.set_aside}: it {each.reason}"
        elif each.state == INCOMPLETE:
            yield f"{each.name} was left: it {each.reason}. It may still be written; if not, the next run sets it aside"
    if any(each.state == ASIDE for each in files):
        yield f"What to do about files that are set aside: {_again(extract)}"


def set_aside(
    files: list[TakenFile], extract: ExportFiles, where: str, *, dry_run: bool
) -> QualityError | None:
    """Why somebody must look at files that cannot be used, if there are any."""
    aside = [each for each in files if each.state == ASIDE]
    if not aside:
        return None
    told = "; ".join(f"{each.name} {each.reason}" for each in aside[:FILES_TOLD])
    more = f"; and {len(aside) - FILES_TOLD} more, see the report" if len(aside) > FILES_TOLD else ""
    were = "would be" if dry_run else "were"
    return QualityError(
        f"{len(aside)} of {len(files)} files cannot be used and {were} set aside: {told}{more}",
        where,
        f"To have what they say: {_again(extract)}",
    )


def late_files(
    ledger: Ledger,
    flow: str,
    extract: ExportFiles,
    logs: Iterable[str],
    left: Collection[str],
    where: str,
    now: datetime,
) -> list[QualityError]:
    """The files that did not come for too long.

    :param logs: fields of `extract` that name files.
    :param left: names of files that are left for the next run: they have come.
    """
    first_run = ledger.first_run(flow)
    if extract.alarm is None or first_run is None:
        return []
    since = max(first_run, now - KEPT)  # of longer ago nothing is known
    found = []
    for log in logs:
        files = getattr(extract, log)
        if not any(files.pattern.fullmatch(name) for name in left):
            newest = ledger.events.newest(flow, files.pattern)
            place = f"{extract.folder}/{files.files}"
            found.append(Expected(log.replace("_", " "), place, extract.alarm, newest, since))
    return [late for each in found if (late := overdue(each, where, now))]


def one_trouble(troubles: Sequence[QualityError | ReconcileError]) -> QualityError | ReconcileError | None:
    """Several troubles as one error, of the kind of the first."""
    if len(troubles) < 2:
        return next(iter(troubles), None)
    problems, remedies = (
        ". ".join(dict.fromkeys(texts))
        for texts in ([each.problem for each in troubles], [each.remedy for each in troubles])
    )
    return type(troubles[0])(problems, troubles[0].where, remedies)


def _again(extract: ExportFiles) -> str:
    return (
        f"correct the mapping, and move them back from {extract.set_aside} to {extract.folder}; or correct the "
        "workflow in Campaign, and export their time again (docs/export_workflows.md)"
    )
