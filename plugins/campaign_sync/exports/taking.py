"""Takes Campaign's export files out of the SFTP area: which are ready, what is in them, and where they go afterwards.

Not for reading one (``export_file.py``). Nothing in the area changes before the run's events are in Dynamics, so that
any task may be killed and repeated.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from campaign_sync.errors import RefusedError
from campaign_sync.exports.export_file import ExportFile, UnusableFile
from campaign_sync.exports.removed import alike
from campaign_sync.exports.vocabulary import ExportFiles
from campaign_sync.hooks.campaign_files import CampaignFilesHook
from campaign_sync.hooks.pace import Pace
from campaign_sync.ledger.events import ASIDE, DONE, INCOMPLETE, Events, TakenFile
from campaign_sync.rows.transform import Sifted

LOOKS_APART = 10.0  # seconds between two looks at a file that must not have grown (campaign.md §9)


class Ready(NamedTuple):
    """A file that does not grow."""

    name: str
    size: int
    log: str


def ready_files(files: CampaignFilesHook, taking: Taking) -> Iterator[Ready]:
    """The files that are as large at a second look as at the first, in the order of their names."""
    first = files_there(files, taking.extract)
    if not first:
        return
    Pace.sleep(LOOKS_APART)
    second = {each.name: each for each in files_there(files, taking.extract)}
    for each in first:
        if second.get(each.name) == each:
            yield each
        elif each.name in second:
            taking.leave(each, grows=True)


def files_there(files: CampaignFilesHook, extract: ExportFiles) -> list[Ready]:
    """The files that are there, in the order of their names."""
    there = files.names(extract.folder, "")
    return [
        Ready(name, size, log)
        for log in extract.LOGS
        for name, size in there.items()
        if getattr(extract, log).pattern.fullmatch(name)
    ]


class Taking:
    """The files of one run, one after the other.

    ``taken`` is what became of them, ``left`` names those for the next run, ``growing`` those of them that still grow.

    :param opened: makes an ``ExportFile`` of path, name, log and extract.
    """

    def __init__(
        self,
        files: CampaignFilesHook,
        extract: ExportFiles,
        events: Events,
        flow: str,
        run_id: str,
        folder: Path,
        opened: Callable[..., ExportFile],
    ) -> None:
        self._opened = opened
        self.taken: list[TakenFile] = []
        self.left: list[str] = []
        self.growing: list[str] = []
        self.extract = extract
        self._files, self._events = files, events
        self._flow, self._run_id, self._folder = flow, run_id, folder

    def leave(self, ready: Ready, *, grows: bool = False) -> None:
        """Leave a file for the next run."""
        self.left.append(ready.name)
        if grows:
            self.growing.append(ready.name)

    def frames(self, ready: Ready, log: logging.Logger) -> Iterator[Sifted]:
        """The rows of a file, some at a time; none of a file that grows, or that was taken before.

        If UnusableFile is raised, what came before may not be used either.
        """
        path = self._folder / "export"
        sha = self._files.fetch(self.extract.folder, ready.name, path)
        known = self._events.file(self._flow, ready.name, sha)
        if path.stat().st_size != ready.size:
            self.leave(ready, grows=True)
            return
        if known is not None and known.state == DONE:
            log.info("%s was taken before: it is only moved", ready.name)
            self._note(ready, sha, DONE, "", 0)
            return
        rows = 0
        unread: Counter[tuple[str, str]] = Counter()
        file = self._opened(path, ready.name, ready.log, self.extract)
        try:
            file.check()
            for frame in file.frames(datetime.now(UTC)):
                rows += len(frame.kept) + len(frame.removed)
                if unread.total() == rows - len(frame.kept) - len(frame.removed) and not len(frame.kept):
                    lost = frame.removed[(frame.removed["fate"] == "rejected").to_numpy(dtype=bool)]
                    unread += alike(zip(lost["rule"], lost["reason"], strict=True))
                yield frame
            if rows and unread.total() == rows:
                # Labels, another form of times, another time zone: no fault of single rows (campaign.md §8.2).
                ((_, reason), _), *_ = unread.most_common(1)
                raise UnusableFile(f"has no row that can be read: {reason}")
        except UnusableFile as problem:
            # Half a file may be all that a stopped workflow wrote, or all that it wrote so far.
            before = known is not None and known.run_id != self._run_id
            state = INCOMPLETE if problem.incomplete and not before else ASIDE
            self._note(ready, sha, state, problem.reason, 0)
            log.warning("%s %s", ready.name, problem.reason)
            raise
        self._note(ready, sha, DONE, "", rows)

    def _note(self, ready: Ready, sha: str, state: str, reason: str, rows: int) -> None:
        self.taken.append(TakenFile(ready.name, sha, ready.size, state, reason, rows, self._run_id))


def put_away(
    files: CampaignFilesHook, extract: ExportFiles, taken: list[TakenFile], log: logging.Logger
) -> list[str]:
    """Moves the files that were taken, and those that cannot be; what people should know of it."""
    notes = []
    for each in taken:
        folder = {DONE: extract.done, ASIDE: extract.set_aside}.get(each.state)
        if folder is None:
            continue  # it may still be written, and the next run looks again
        if files.move(extract.folder, each.name, each.size, folder, archived(each)):
            log.info("%s moved to %s", each.name, folder)
        else:
            notes.append(f"{each.name} has grown since it was read: the next run takes it again")
    return notes


def archived(taken: TakenFile) -> str:
    """The name of a file in the archive: it tells the content, as Campaign may use a name twice."""
    stem, dot, rest = taken.name.partition(".")
    return f"{stem}.{taken.sha[:8]}{dot}{rest}"


def require_folders(files: CampaignFilesHook, extract: ExportFiles) -> None:
    """Raises RefusedError if a folder is not there, before anything is read."""
    for folder in (extract.done, extract.set_aside):
        try:
            files.names(folder, "")
        except RefusedError as problem:
            remedy = f"An administrator creates {folder}, readable and writable for the group"
            raise RefusedError("Campaign SFTP", folder, None, "", problem.problem, remedy) from None


def as_documents(taken: list[TakenFile]) -> list[dict[str, Any]]:
    """Plain values for the run's folder."""
    return [each._asdict() for each in taken]
