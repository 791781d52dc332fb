"""The error tree, by what happens next. Rows are data and never raise: these are for runs.

    SyncError
    ├── MappingError      the mapping is wrong        mend the file; its DAG shows the line and what was meant
    ├── TransientError    busy or away                try again: briefly in the hook, then by Airflow
    ├── RefusedError      the system said no to us    fail at once; says which system, and who must do what
    ├── QualityError      a check, a guard or too many rejected rows stopped the run
    └── ReconcileError    the sums do not add up

The text of every error is: what happened, where, what to do. It holds keys and column names, never values.
"""

from __future__ import annotations

from typing import Any


class SyncError(Exception):
    """A run cannot go on: ``problem`` (what), ``where`` (file and line, or system and path), ``remedy``
    (what to do).
    """

    def __init__(self, problem: str, where: str = "", remedy: str = "") -> None:
        super().__init__(problem, where, remedy)
        self.problem = problem
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        what = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{_sentence(what)} {_sentence(self.remedy)}" if self.remedy else _sentence(what)


class MappingError(SyncError):
    """A mapping file is wrong; ``others`` are the further problems of the same file, in the order of their
    lines.
    """

    def __init__(
        self,
        file: str,
        line: int,
        key: str,
        problem: str,
        remedy: str = "",
        others: tuple[MappingError, ...] = (),
    ) -> None:
        super().__init__(problem, _place(file, line, key), remedy)
        self.args = (file, line, key, problem, remedy, others)  # what pickle calls the constructor with
        self.file = file
        self.line = line
        self.key = key
        self.others = others

    def one_by_one(self) -> tuple[MappingError, ...]:
        """Each problem as an error of its own, this one first."""
        return MappingError(self.file, self.line, self.key, self.problem, self.remedy), *self.others

    def __str__(self) -> str:
        heading = super().__str__()
        if not self.others:
            return heading
        count = len(self.others)
        return "\n".join(
            [heading, f"And {count} more problem{'s' * (count > 1)} in this file:", *map(str, self.others)]
        )


class TransientError(SyncError):
    """A system is busy or away and the same call may succeed later, after ``retry_after`` seconds if it
    said so.
    """

    def __init__(
        self,
        system: str,
        path: str,
        status: int | None,
        problem: str,
        remedy: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem, _call(system, path, status, "", request_id), remedy)
        self.args = (system, path, status, problem, remedy, request_id, retry_after)
        self.system = system
        self.path = path
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class RefusedError(SyncError):
    """A system said no, and will say no again until somebody changes a credential, a right or a setting."""

    def __init__(
        self,
        system: str,
        path: str,
        status: int | None,
        code: str,
        problem: str,
        remedy: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(problem, _call(system, path, status, code, request_id), remedy)
        self.args = (system, path, status, code, problem, remedy, request_id)
        self.system = system
        self.path = path
        self.status = status
        self.code = code
        self.request_id = request_id


class QualityError(SyncError):
    """A ``stop`` check, a guard or too many rejected rows ended the run; ``result`` is the full finding, if
    there is one.
    """

    def __init__(self, problem: str, where: str = "", remedy: str = "", result: Any = None) -> None:
        super().__init__(problem, where, remedy)
        self.args = (problem, where, remedy, result)
        self.result = result


class ReconcileError(SyncError):
    """A run's counts do not add up: tasks did not finish, or what became of its rows or of the change feed's place
    is not known.
    """


def _place(file: str, line: int, key: str) -> str:
    place = f"{file}:{line}" if line else file
    return f"{place}: {key}" if key else place


def _call(system: str, path: str, status: int | None, code: str, request_id: str) -> str:
    named = {"status": status, "code": code, "request id": request_id}
    details = ", ".join(f"{name} {value}" for name, value in named.items() if value not in (None, ""))
    where = f"{system} {path}".strip()
    return f"{where} ({details})" if details else where


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
