"""What an import workflow says of a file: counts, and rejected lines with reasons; read, checked, made safe. Pure.

Not for fetching the files (``hooks/campaign_files.py``) nor for the ledger (``run/settle.py``). Both files are what
docs/import_workflow.md has the customer build. Reasons may quote values, so only known words of them go on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.campaign_answers import judge
from campaign_sync.hooks.campaign_writes import HIDDEN, REFUSED, UNKNOWN
from campaign_sync.rows.import_file import read_lines

RESULT = ".result.csv"  # after the name of a file
COUNTS = ("read", "rejected", "duplicates", "inserted", "updated", "deleted", "missing", "ignored")

COUNT = re.compile(r"[0-9]{1,15}")

#: What Load file says of a cell or a line, beside the value that it may quote → what we say.
WORDS = (
    (re.compile(r"longer than (\d+)"), "longer than {0} characters"),
    (re.compile(r"not (?:a|an) (integer|number|datetime|date)\b"), "does not read as a {0}"),
    (re.compile(r"\bempty\b"), "is empty"),
    (re.compile(r"not in the list of remapped values"), "not one of the names"),
    (re.compile(r"(\d+) columns instead of (\d+)"), "the line has {0} columns instead of {1}"),
    (re.compile(r"not UTF-8"), "the line is not UTF-8: set the encoding of Load file"),
    (
        re.compile(r"string delimiter"),
        "a quote is not where it should be: set the string delimiter of Load file",
    ),
)
COLUMN = re.compile(r"column '?([\w.]+)'?", re.IGNORECASE)


class Reject(NamedTuple):
    """A line that was rejected."""

    key: str  # of the record, as it stands in the file
    rule: str
    reason: str  # without values
    certain: bool  # Campaign surely has not written it


class Unfit(ValueError):
    """A file that is not whole yet, or not what docs/import_workflow.md describes; the text says which."""


def read_result(data: bytes) -> dict[str, int]:
    """The counts of a result file. Raises Unfit."""
    lines = data.decode("utf-8", "replace").split("\n")
    if len(lines) != 3 or lines[2]:
        raise Unfit("it does not have two lines")
    found = dict(zip(lines[0].split(";"), lines[1].split(";"), strict=False))
    counted = {name: int(value) for name, value in found.items() if COUNT.fullmatch(value.strip())}
    missing = [name for name in COUNTS if name not in counted]
    if missing:
        raise Unfit(f"it has no number for {', '.join(missing)}")
    return {name: count for name, count in counted.items() if name != "file"}


def read_rejects(data: bytes, key_column: str, fields: Collection[str]) -> Iterator[Reject]:
    """The rejected lines of a rejects file. Raises Unfit.

    :param key_column: the name in the header of the column that holds the record's key.
    """
    text = data.decode("utf-8", "replace")
    if not text.endswith("\n"):
        raise Unfit("the rejects do not end with a line end")
    physical = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    lines = read_lines(physical)
    header = next(lines, [])
    if header[:2] != ["line", "reason"] or key_column not in header:
        raise Unfit("the rejects do not begin with line;reason and the columns of the file")
    at = header.index(key_column)
    for cells in lines:
        if len(cells) <= at:
            raise Unfit("a rejected line has no key")
        rule, reason, certain = safe_reason(cells[1], fields)
        yield Reject(cells[at], rule, reason, certain)


def safe_reason(said: str, fields: Collection[str]) -> tuple[str, str, bool]:
    """Rule, reason and certainty for what Campaign said of a line; nothing of the line itself."""
    verdict = judge(Answer("POST", "", 500, {}, said.encode()), fields)
    if verdict.meaning == "duplicate":
        return HIDDEN, "another record has the same key, or hides behind a missing linked record", False
    if verdict.meaning in ("bad data", "bad mapping"):
        return REFUSED, verdict.reason + (f": {verdict.field}" if verdict.field else ""), True
    named = next((found for found in COLUMN.findall(said) if found in fields), "")
    for pattern, words in WORDS:
        if match := pattern.search(said):
            told = words.format(*match.groups())
            return REFUSED, f"{named}: {told}" if named else told, True
    if named:
        return REFUSED, f"{named}: its value is refused", True
    return UNKNOWN, verdict.reason or "Campaign does not say what is wrong", False


def require_sums(counts: dict[str, int], written: int, deleted: int, rejected: int, name: str) -> None:
    """Raises RefusedError if a result does not account for every line of the file that was sent.

    :param written, deleted: lines with U and with D that were sent.
    :param rejected: lines in the rejects.
    """
    workflow = "Correct the import workflow (docs/import_workflow.md). The next run sends these rows again"
    rows, problem = written + deleted, ""
    told = sum(counts[each] for each in COUNTS[1:])
    if counts["read"] != rows or told != rows:
        problem = f"of {rows} lines it read {counts['read']} and accounts for {told}"
    elif counts["rejected"] != rejected:
        problem = f"{counts['rejected']} lines were rejected, {rejected} are in the rejects: are they kept in a file?"
    elif counts["duplicates"]:
        problem = (
            f"{counts['duplicates']} lines were taken for duplicates, and no two lines have the same key: "
            "Deduplication must look at the key alone"
        )
    elif counts["ignored"]:
        problem = (
            f"{counts['ignored']} lines went nowhere: Segmentation needs a branch for op U and one for op D"
        )
    elif counts["inserted"] + counts["updated"] > written or counts["deleted"] + counts["missing"] > deleted:
        problem = (
            f"of {written} lines to write it wrote {counts['inserted'] + counts['updated']}, and of {deleted} to "
            f"delete it deleted or missed {counts['deleted'] + counts['missing']}: U is insert or update, D is delete"
        )
    if problem:
        raise RefusedError("Campaign SFTP", name + RESULT, None, "", problem, workflow)
