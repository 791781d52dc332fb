"""The process of one preview: a question as JSON on stdin, its answer as the last line of stdout.

A process of its own, because a mapping that somebody is writing may hold a pattern that never ends, which stops all
threads of a process, and because the API server is to have neither pandas nor people's data in its memory.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import MappingError, SyncError
from campaign_sync.events.file import EventMapping, load_events, parse_events
from campaign_sync.flow import conflicts
from campaign_sync.mapping.file import Mapping, load_mapping, mapping_error, mapping_files, parse_mapping
from campaign_sync.mapping.kinds import kind_in, kind_of
from campaign_sync.mapping.links import table_in
from campaign_sync.mapping.yaml_lines import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from campaign_sync.run.preview import Cell, Previewed

#: After so many seconds it is over.
SECONDS = 60

#: What of a mapping of events says which files are read.
PLACES = ("folder", "delivery_logs", "tracking_logs")


def main() -> None:
    """Answer one question."""
    signal.alarm(SECONDS)  # also if nobody is left who could end this process
    # Airflow and Great Expectations log to stdout, whatever it is called; from here on that is where errors go. What
    # was said while they were imported is told apart by the end of its line.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = _answered(json.load(sys.stdin))
    answers.write(f"\n{json.dumps(answer)}")
    answers.close()


def parsed(text: bytes, path: Path) -> Mapping | EventMapping:
    """A mapping that is to take the place of a flow's file, and reads what that file reads.

    Raises MappingError with all that is wrong with it, as the command ``check`` would say.
    """
    kind = kind_in(text)
    if kind == "opt_outs" or kind != kind_of(path):
        raise _refused(path, 1, "", *_NO_PREVIEW)
    if kind == "events":
        events = parse_events(text, path)
        _require_same_files(events, path)
        return events
    mapping = parse_mapping(text, path)
    table = table_in(path)
    if mapping.extract.table != table:
        problem = f"this flow reads {table or 'no table that is known'}, and its preview reads nothing else"
        remedy = "A mapping of another table is a flow of its own: put its file beside the others"
        raise _refused(path, mapping.line("extract", "table"), "extract.table", problem, remedy)
    # Also before anything is read of the files that links name.
    if wrong := conflicts([*_others(path), mapping]).get(path):
        raise wrong
    return mapping


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    from campaign_sync.page.mapping_view import problem_views

    try:
        return _previewed(asked)
    except MappingError as error:
        return {"problems": [each.model_dump() for each in problem_views(error)]}
    except SyncError as error:
        # Not where: addresses are for administrators.
        return {"refused": {"problem": error.problem, "remedy": error.remedy}}
    except Exception as error:  # noqa: BLE001 - its text may be about a person, its place is not
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"broken": f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"}


def _previewed(asked: dict[str, Any]) -> dict[str, Any]:
    from campaign_sync.commands.preview import preview_events, preview_rows
    from campaign_sync.events import preview as of_events
    from campaign_sync.run import preview as of_rows

    mapping = parsed(asked["text"].encode(), Path(asked["path"]))
    limit, keys = asked["limit"], asked["keys"]
    if isinstance(mapping, EventMapping):
        found = preview_events(mapping, limit, keys)
        shown = [_row(row, of_events.cells_of(row, mapping), file) for file, row in found.rows]
        return {"rows": shown, "notes": found.notes}
    return {"rows": [_row(row, of_rows.cells_of(row, mapping)) for row in preview_rows(mapping, limit, keys)]}


def _row(row: Previewed, cells: Sequence[Cell], file: str = "") -> dict[str, Any]:
    about = {"key": row.key, "fate": row.fate, "rule": row.rule, "reason": row.reason, "file": file}
    return about | {"cells": [cell._asdict() for cell in cells]}


_NO_PREVIEW = (
    "a preview shows what this flow would do, and this is a mapping of another kind, or of opt-outs",
    "Begin with the flow's own file; opt-outs have a dry run instead",
)


def _require_same_files(events: EventMapping, path: Path) -> None:
    try:
        own = load_events(path)
    except MappingError:
        problem = "the flow's own file is broken, so that the files it reads are not known"
        raise _refused(path, 1, "extract", problem, "Mend the file in its place; `check` says how") from None
    for place in PLACES:
        if getattr(events.extract, place) != getattr(own.extract, place):
            line = events.line("extract", place)
            problem = "the flow's own file names others, and its preview reads nothing else"
            raise _refused(path, line, f"extract.{place}", problem, "Take over what that file says")


def _others(path: Path) -> list[Mapping]:
    """The sound mappings beside this one."""
    found = []
    for other in mapping_files(path.parent):
        try:
            if other != path:
                found.append(load_mapping(other))
        except MappingError:
            continue
    return found


def _refused(path: Path, line: int, key: str, problem: str, remedy: str) -> MappingError:
    return mapping_error(str(path), [Problem(line, key, problem, remedy)])


if __name__ == "__main__":
    main()
