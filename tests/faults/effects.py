"""Every step of a run that leaves a trace outside its process, numbered, so that the process can die at any of them.

A step is a request, something done in the SFTP area, a change of the ledger, or a file of the run. Dying before a step
is one moment, dying after it another. Not for what runs (``scenes.py``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.flows.on_foot import KILLED, in_a_process

#: The exit code of a run that came to its end before the appointed moment, and of one that failed by itself.
LIVED, FAILED = 0, 1


def killed_at(moment: int, work: Callable[[], Any]) -> bool:
    """Do the work in a process that dies at its nth moment, counted from 0; False if it was over before.

    Whatever the process has begun in threads dies with it, and nothing tidies up.
    """
    child = in_a_process(lambda: (_number(moment), work()))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (LIVED, KILLED), f"the run failed before moment {moment}; see its traceback above"
    return code == KILLED


def _number(moment: int) -> None:
    """Have this process die at its nth moment."""
    import paramiko
    import requests
    from campaign_sync.ledger.database import Database

    counting = _Counting(moment)
    for owner, names in {
        requests.Session: ("send",),
        paramiko.SFTPClient: ("putfo", "open", "rename", "remove"),
        Path: ("replace", "unlink"),
    }.items():
        for name in names:
            setattr(owner, name, counting.around(getattr(owner, name)))
    Database.write = counting.around_commit(Database.write)  # type: ignore[method-assign]


class _Counting:
    """Counts moments in all threads, and ends the process at one of them."""

    def __init__(self, moment: int) -> None:
        self._left = moment
        self._lock = threading.Lock()

    def passes(self) -> None:
        with self._lock:
            if self._left == 0:
                os._exit(KILLED)
            self._left -= 1

    def around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def numbered(*given: Any, **named: Any) -> Any:
            self.passes()
            result = step(*given, **named)
            self.passes()
            return result

        return numbered

    def around_commit(self, write: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def numbered(database: Any) -> Iterator[Any]:
            with write(database) as connection:
                yield connection
                self.passes()
            self.passes()

        return numbered
