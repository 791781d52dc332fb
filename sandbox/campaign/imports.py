"""Import workflows at work: a signal begins a run, a thread carries it out on the sandbox's clock (campaign.md §8.1).

Transfer file → Load file → Reconciliation → Deduplication → Update data → End, for each file of a run. What
has been written stays when a run is stopped or fails.
"""

from __future__ import annotations

import gzip
import itertools
import re
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.campaign import import_reports
from sandbox.campaign.import_declaration import Import, read_import
from sandbox.campaign.load_file import FileRefused, Line, Reject, load_file, readers
from sandbox.campaign.tenant import Tenant, campaign_of
from sandbox.campaign.update_data import UpdateData
from sandbox.campaign.workflows import Workflow
from sandbox.sftp_area import AreaRefused, area_of
from sandbox.world import World

LOOK = 0.05  # seconds of real time between two looks at the clock
BATCH = 500  # rows of one transaction: the loop waits for its end
CHUNK = 5000  # lines read between two looks at the workflow
VARIABLE = re.compile(r"\$\(vars/@(\w+)\)")


class Cancelled(Exception):
    """The workflow was stopped."""


@dataclass
class Run:
    """What one signal set in motion, as tests may look at it."""

    number: int
    workflow: str
    parameters: dict[str, Any]
    state: str = "waiting"  # running, finished, failed, cancelled
    rows: int = 0  # that Update data has been through
    files: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class Imports:
    """The import workflows of one tenant, and their runs."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._declared: dict[str, dict[str, Any]] = {}
        self._imports: dict[str, Import] = {}
        self._workers: list[_Worker] = []
        self._numbers = itertools.count(1)
        self._stop = threading.Event()

    @property
    def runs(self) -> list[Run]:
        return [worker.run for worker in self._workers]

    def declare(self, declared: dict[str, Any]) -> Import:
        """Make or change a workflow; what is not said stays as it was said before."""
        whole = {**self._declared.get(str(declared.get("id")), {}), **declared}
        if not whole.get("id"):
            raise ValueError("an import has an id: the workflow's internal name")
        try:
            work = read_import(whole, self._tenant.catalog.resources())
            readers(work.load_file)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"the declaration of {whole['id']} makes no sense: {error}") from None
        signals = {work.signal: work.parameters}
        now = self._tenant.world.clock.timestamp()
        self._tenant.workflows.add(work.id, work.label or work.id, signals, work.state, now)
        self._declared[work.id], self._imports[work.id] = whole, work
        return work

    def to_json(self) -> dict[str, Any]:
        return {"imports": [*self._declared.values()], "runs": [asdict(run) for run in self.runs]}

    def signalled(self, workflow: Workflow, parameters: dict[str, Any]) -> None:
        """Begin a run if the workflow runs and is an import; several at once are not prevented (§7.4)."""
        work = self._imports.get(workflow.name)
        if work is None or workflow.state != "started":
            return
        worker = _Worker(
            self._tenant, work, workflow, Run(next(self._numbers), work.id, parameters), self._stop
        )
        self._workers.append(worker)
        self._tenant.world.counters.add("campaign.import_runs")
        worker.start()

    def wait(self, seconds: float) -> None:
        """Wait in real time until no run is under way, or until the seconds are over; without the lock."""
        until = time.monotonic() + seconds
        for worker in list(self._workers):
            worker.join(max(0.0, until - time.monotonic()))

    def clear(self) -> None:
        """End all runs where they are and forget everything."""
        self._stop.set()
        for worker in self._workers:
            worker.join()
        self._stop = threading.Event()
        self._workers.clear()
        self._declared.clear()
        self._imports.clear()


def imports_of(tenant: Tenant) -> Imports:
    """Return a tenant's imports. Only production has them: stage may well have no SFTP server (§9)."""
    if tenant.name != tenant.world.config.org:
        raise ValueError(f"{tenant.name} has no SFTP area and so no imports")
    systems = tenant.world.systems
    if "imports" not in systems:
        systems["imports"] = Imports(tenant)
    return systems["imports"]  # type: ignore[no-any-return]


def clear(world: World) -> None:
    """End what runs; to be called without the lock, which runs need to end."""
    if "imports" in world.systems:
        world.systems["imports"].clear()


class _Worker:
    """Carries out one run in a thread."""

    def __init__(
        self, tenant: Tenant, work: Import, workflow: Workflow, run: Run, stop: threading.Event
    ) -> None:
        self.run = run
        self._tenant = tenant
        self._world = tenant.world
        self._lock = campaign_of(tenant.world).lock
        self._work = work
        self._workflow = workflow
        self._activation = workflow.activation
        self._stop = stop
        self._header = ""
        self._due = self._world.clock.timestamp() + self._world.switches["campaign.import_seconds"]
        self._thread = threading.Thread(target=self._go, name=f"import {run.number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _go(self) -> None:
        try:
            self._wait(lambda: self._clock() >= self._due and self._workflow.state == "started")
            self.run.state = "running"
            for name, content in self._transfer():
                self._load(name, content)
            self._end("finished", self._world.switches["campaign.after_import"])
        except Cancelled:
            self.run.state = "cancelled"
        except (AreaRefused, FileRefused) as error:
            self.run.log.append(str(error))
            self._end("failed", "error")
        except BaseException as error:
            self.run.log.append(repr(error))
            self._end("failed", "error")
            raise

    def _clock(self) -> float:
        return self._world.clock.timestamp()

    def _end(self, state: str, workflow_state: str) -> None:
        with self._lock:
            if self._workflow.state != workflow_state:
                self._workflow.enter(workflow_state, self._clock())
            self.run.state = state

    def _wait(self, done: Callable[[], bool]) -> None:
        """Let the clock reach something; stop at once when the workflow is stopped (§7.2)."""
        while True:
            with self._lock:
                self._alive()
                if done():
                    return
            self._stop.wait(LOOK)

    def _alive(self) -> None:
        """Raise Cancelled if the workflow was stopped, even if it was started again since; lock held."""
        now = self._tenant.workflows.get(self._work.id, self._clock())
        stopped = now is not self._workflow or now.activation != self._activation or now.state == "finished"
        if stopped or self._stop.is_set():
            raise Cancelled

    # ---- the activities --------------------------------------------------------------------------

    def _transfer(self) -> list[tuple[str, bytes]]:
        """Take the files that match; without sorting their order is nobody's promise (§8.1)."""
        area = area_of(self._world)
        area.tidy()
        pattern = VARIABLE.sub(lambda m: str(self.run.parameters.get(m[1], "")), self._work.pattern)
        folder, _, pattern = f"{self._work.folder.rstrip('/')}/{pattern}".rpartition("/")
        paths = area.matching(folder, pattern)
        if not paths and self._work.if_no_files == "error":
            raise FileRefused(f"Transfer file: no files found for {folder}/{pattern}")
        if not self._work.sort_files:
            paths.reverse()
        files = [(path.name, area.take(path, delete=self._work.delete_after)) for path in paths]
        self.run.log.append(f"Transfer file: {len(files)} files")
        self._world.counters.add("campaign.imported_files", len(files))
        return files

    def _load(self, name: str, content: bytes) -> None:
        """Take one file through the rest of the workflow."""
        lines, rejects, failed = self._read(name, content)
        update = UpdateData(self._tenant, self._work)
        kept = _deduplicated(lines, update.key, self._work.deduplicate)
        read = len(lines) + len(rejects)
        report = {"file": name, "read": read, "duplicates": len(lines) - len(kept)}
        begun, before = self._clock(), self.run.rows
        for start in range(0, len(kept), self._batch()):
            batch = kept[start : start + self._batch()]
            refused = self._write(update, batch)
            rejects += refused
            if refused and not self._work.load_file.keep_rejects:
                raise FileRefused(f"Update data: {name}, line {refused[0].number}: {refused[0].reason}")
            self._pace(begun, self.run.rows - before)
        if failed:
            raise FileRefused(f"Load file: {name} has more than {self._work.load_file.max_errors} errors")
        self.run.files.append({**report, "rejected": len(rejects), **update.counts})
        import_reports.write(self._world, self._work, self.run.files[-1], self._header, rejects)

    def _read(self, name: str, content: bytes) -> tuple[list[Line], list[Reject], bool]:
        """Return rows and rejected lines, up to the error that is one too many."""
        lines: list[Line] = []
        rejects: list[Reject] = []
        loaded = load_file(
            _decompressed(name, content) if self._work.decompress else content, self._work.load_file
        )
        self._header = loaded.header
        if loaded.missing:
            self.run.log.append(f"Load file: warning, {name} has no column {', '.join(loaded.missing)}")
        for number, record in enumerate(loaded.lines):
            if number % CHUNK == 0:
                with self._lock:
                    self._alive()
            if isinstance(record, Line):
                lines.append(record)
                continue
            rejects.append(record)
            if len(rejects) > self._work.load_file.max_errors:
                return lines, rejects, True
        return lines, rejects, False

    def _write(self, update: UpdateData, batch: list[Line]) -> list[Reject]:
        limit = self._world.switches["campaign.import_fails_after"]
        with self._lock:
            self._alive()
            if limit and self.run.rows >= limit:
                raise FileRefused(f"Update data: failed after {self.run.rows} rows, as switched")
            self._tenant.store.belong_to_this_thread()
            refused = update.write(batch)
        self.run.rows += len(batch)
        self._world.counters.add("campaign.imported_rows", len(batch))
        return refused

    def _batch(self) -> int:
        speed = self._world.switches["campaign.import_rows_per_second"]
        limit = self._world.switches["campaign.import_fails_after"]
        return max(1, min(size for size in (BATCH, speed, limit) if size))

    def _pace(self, begun: float, rows: int) -> None:
        speed = self._world.switches["campaign.import_rows_per_second"]
        if speed:
            self._wait(lambda: self._clock() >= begun + rows / speed)


def _decompressed(name: str, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise FileRefused(f"Load file: {name} is not a whole gzip file") from None


def _deduplicated(lines: list[Line], key: Callable[[Line], Any], keep: str) -> list[Line]:
    """Return one row per key; which one is chance unless the activity says (§8.1). No key is no duplicate."""
    chosen: dict[Any, int] = {}
    seen: dict[Any, int] = {}
    for at, line in enumerate(lines):
        name = key(line)
        if name == "":
            chosen[at, "no key"] = at
            continue
        seen[name] = seen.get(name, 0) + 1
        first = name not in chosen
        if first or keep == "last" or (keep == "random" and zlib.crc32(f"{name}{seen[name]}".encode()) % 2):
            chosen[name] = at
    return [lines[at] for at in sorted(chosen.values())]
