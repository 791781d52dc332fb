"""What became of the rows that went by file, for the report: tallies, rejections, words.

Not for finding it out (``settle.py``), nor for what went by REST (``load.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from campaign_sync.errors import ReconcileError
from campaign_sync.run.parts import outcome, parts_of, settled, way
from campaign_sync.run.report import SAMPLE, Report, Tally


def add_files(report: Report, folder: str, batches: Collection[int]) -> Report:
    """A report with the rows of the files of these batches that are settled."""
    tally, rejected = report.tally, Counter(report.rejected)
    samples = dict(report.samples)
    whole = settled(folder)
    for part in parts_of(folder):
        if part.batch not in batches or part.stem not in whole:
            continue
        found = outcome(folder, part.stem)
        tally += Tally.from_dict(found["tally"])
        rejected.update(found["rejected"])
        for rule, keys in found["samples"].items():
            samples[rule] = (*samples.get(rule, ()), *keys)[:SAMPLE]
    return replace(report, tally=tally, rejected=dict(rejected), samples=samples)


def file_notes(folder: str, dry_run: bool) -> list[str]:
    """What people should read about files in a run's report."""
    chosen = way(folder)
    if not chosen:
        return []
    parts = parts_of(folder)
    if dry_run and chosen["files"]:
        return [f"{chosen['rows']:,} rows would go by file"]
    if not parts:
        why = f"{chosen['rows']:,} rows to write could have gone by file, which are used from {chosen['from']:,}"
        return [f"everything went by REST: {why}" if not chosen["files"] else "no row had to go by file"]
    found = [outcome(folder, stem) for stem in settled(folder)]
    rows = sum(part.rows for part in parts)
    notes = [f"{rows:,} rows went in {len(parts)} files, without engine calls; the others by REST"]
    unlinked, missing = (sum(each[name] for each in found) for name in ("unlinked", "missing"))
    if unlinked:
        notes.append(f"{unlinked:,} of them are linked to nobody: the record that they name was not there")
    if overtaken := sum(part.overtaken for part in parts):
        notes.append(
            f"{overtaken:,} rows were left out of the files because another run had written them meanwhile, or they "
            "said no; the next run looks again at those, and where it is not certain which of two runs is the newer"
        )
    if missing:
        notes.append(f"{missing:,} records that were to be deleted by file were gone already")
    return notes


def file_problem(folder: str, where: str) -> ReconcileError | None:
    """Why a run whose rows went by file is not whole: files whose outcome is unknown."""
    parts = parts_of(folder)
    whole = settled(folder)
    open_ = [part for part in parts if part.stem not in whole]
    if not open_:
        return None
    rows = sum(part.rows for part in open_)
    return ReconcileError(
        f"what became of {len(open_)} of {len(parts)} files with {rows:,} rows is not known",
        where,
        "See the log of settle, do what it says, and clear it; or leave it: the next run sends these rows again",
    )
