"""The export files of one run: what they say, and what became of them.

Trouble with the SFTP area ends this, not the run, as what Dynamics says must not wait for it: reconcile tells it. Not
for what is in a file (``optout_file.py``), nor for putting files away (``exports/taking.py``).
"""

from __future__ import annotations

import logging
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_sync.errors import QualityError, RefusedError, TransientError

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.exports.taking import Taking
    from campaign_sync.hooks.campaign_files import CampaignFilesHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.rows.transform import Sifted


class RunFiles:
    """The files that are ready, one after the other; afterwards `to_json` and `notes` say what became of them."""

    def __init__(self, mapping: OptOutMapping, ledger: Ledger, run_id: str, log: logging.Logger) -> None:
        self._mapping, self._ledger, self._run_id, self._log = mapping, ledger, run_id, log
        self._taking: Taking | None = None
        self._trouble: TransientError | RefusedError | None = None

    def frames(self, has_room: Callable[[], bool]) -> Iterator[Sifted]:
        """The rows of the files that are ready; none of one that cannot be used.

        :param has_room: asked before each file; those for which the run has no room are left for the next.
        """
        from campaign_sync.consent.optout_file import OptOutFile
        from campaign_sync.exports.taking import Taking
        from campaign_sync.hooks.campaign_files import SYSTEM, CampaignFilesHook

        opened = partial(OptOutFile, mapping=self._mapping)
        try:
            with tempfile.TemporaryDirectory() as place, CampaignFilesHook().session() as files:
                self._taking = Taking(
                    files,
                    self._mapping.extract,
                    self._ledger.events,
                    self._mapping.name,
                    self._run_id,
                    Path(place),
                    opened,
                )
                yield from self._taken(files, self._taking, has_room)
        except (TransientError, RefusedError) as trouble:
            if trouble.system != SYSTEM:
                raise
            self._log.warning("export files are left for the next run: %s", trouble)
            self._trouble = trouble

    def _taken(
        self, files: CampaignFilesHook, taking: Taking, has_room: Callable[[], bool]
    ) -> Iterator[Sifted]:
        from campaign_sync.exports.export_file import UnusableFile
        from campaign_sync.exports.taking import ready_files, require_folders

        require_folders(files, taking.extract)
        for ready in ready_files(files, taking):
            if not has_room():
                taking.leave(ready)
                continue
            with suppress(UnusableFile):  # noted by then
                yield from _all_or_none(taking.frames(ready, self._log))

    def to_json(self) -> dict[str, Any]:
        """What became of the files, for the run's folder."""
        from campaign_sync.exports.taking import as_documents

        taken, left = (self._taking.taken, self._taking.left) if self._taking else ([], [])
        trouble = self._trouble and {
            "problem": self._trouble.problem, "where": self._trouble.where, "remedy": self._trouble.remedy,
        }  # fmt: skip
        return {"files": as_documents(taken), "left": left, "unread": trouble}

    @property
    def notes(self) -> list[str]:
        """What people should read of files that were left."""
        if self._taking is None:
            return []
        growing = self._taking.growing
        notes = [f"{name} still grows: it is left for the next run" for name in growing]
        if others := len(self._taking.left) - len(growing):
            notes.append(f"{others:,} files are left for the next run, as this one has no room for them")
        return notes


def _all_or_none(frames: Iterable[Sifted]) -> Iterator[Sifted]:
    """The frames, once there are no more: the last may show that the file cannot be used. On disk until then."""
    with tempfile.TemporaryFile() as file:
        count = 0
        for frame in frames:
            pickle.dump(frame, file)
            count += 1
        file.seek(0)
        for _ in range(count):
            yield pickle.load(file)  # noqa: S301  # nosec B301 - nobody else has a way to this file


def unread_problem(read: dict[str, Any]) -> QualityError | None:
    """Why export files were not read, if the SFTP area was in the way.

    :param read: what extract left of :meth:`RunFiles.to_json`.
    """
    if not (trouble := read["unread"]):
        return None
    return QualityError(
        f"export files were not read, as {trouble['problem']}; what Dynamics says was told",
        trouble["where"],
        trouble["remedy"],
    )
