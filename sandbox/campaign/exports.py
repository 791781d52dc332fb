"""Export workflows at work: a scheduler or an operator begins a run, a thread carries it out (campaign.md §8.2).

Incremental query → Extract file → Transfer file (upload) → End, one run after the other. What fell due while
the clock was moved is made up for, run by run, as of the moment it was due.
"""

from __future__ import annotations

import gzip
import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.campaign.export_declaration import KINDS, Export, read_export
from sandbox.campaign.extract import Numbered, extract_file, resolve, values
from sandbox.campaign.imports import LOOK, Cancelled
from sandbox.campaign.logs import moment, rows_at
from sandbox.campaign.store import column
from sandbox.campaign.tenant import Tenant, campaign_of, stamp
from sandbox.campaign.workflows import Workflow
from sandbox.sftp_area import AreaRefused, area_of
from sandbox.world import World

PIECES = 10  # in which a file that grows is written
MADE_UP = 100  # scheduled runs of a workflow that are made up for; older ones are not


@dataclass
class Run:
    """One run, as tests may look at it."""

    number: int
    workflow: str
    at: str
    state: str = "running"  # finished, failed, cancelled
    rows: int = 0
    file: str = ""  # none, if it made none
    log: list[str] = field(default_factory=list)


@dataclass
class Known:
    """A declared workflow and what it remembers from run to run."""

    declared: dict[str, Any]
    work: Export
    last: str = ""  # last execution date; everything, if there is none
    seen: set[int] = field(default_factory=set)  # results that `exclude` leaves out
    served: float = 0.0  # until when the scheduler has been obeyed


class Exports:
    """The export workflows of one tenant, and their runs."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._world = tenant.world
        self._lock = campaign_of(tenant.world).lock
        self._known: dict[str, Known] = {}
        self._runs: list[Run] = []
        self._asked: list[str] = []
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def declare(self, declared: dict[str, Any]) -> None:
        """Make or change a workflow; what is not said stays as it was said before. With the lock held.

        `last_date` sets the last execution date, as an operator can by hand (§8.2); null forgets it.
        """
        id_ = declared.get("id")
        if not id_:
            raise ValueError("an export has an id: the workflow's internal name")
        before = self._known.get(id_)
        whole = {**(before.declared if before else {}), **declared}
        last = whole.pop("last_date", before.last if before else "")
        try:
            work = read_export(whole)
            resource = self._tenant.catalog.resource(KINDS[work.kind].resource)
            expressions = [expression for _, expression in work.extract.columns]
            resolve(self._tenant, resource, [*expressions, f"@{_date_field(work)}"])
            last = moment(last) if last else ""
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"the declaration of {id_} makes no sense: {error}") from None
        self._tenant.workflows.add(work.id, work.label or work.id, {}, work.state, self._clock())
        known = self._known.setdefault(work.id, Known(whole, work))
        if known.last != last:
            known.seen.clear()
        known.declared, known.work, known.last = whole, work, last
        if self._thread is None:
            self._thread = threading.Thread(target=self._go, name="exports", daemon=True)
            self._thread.start()

    def run_now(self, id_: str) -> None:
        """Have a workflow that is started make a run, whatever its scheduler says. With the lock held."""
        if id_ not in self._known:
            raise ValueError(f"no export is called {id_}: there are {', '.join(self._known)}")
        if not self._started(id_):
            raise ValueError(f"{id_} is not started: a stopped workflow makes no files")
        self._asked.append(id_)

    def to_json(self) -> dict[str, Any]:
        """Return declarations, last dates and runs. With the lock held."""
        declared = [{**known.declared, "last_date": known.last or None} for known in self._known.values()]
        return {"exports": declared, "runs": [asdict(run) for run in self._runs]}

    def wait(self, seconds: float) -> None:
        """Wait in real time until nothing is due or under way, or the seconds are over; without the lock."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                if self._next() is None and all(run.state != "running" for run in self._runs):
                    return
            time.sleep(LOOK)

    def clear(self) -> None:
        """End the run under way where it is and forget everything; without the lock, which the run needs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._stop = None, threading.Event()
        for remembered in (self._known, self._runs, self._asked):
            remembered.clear()

    # ---- the scheduler ---------------------------------------------------------------------------

    def _clock(self) -> float:
        return self._world.clock.timestamp()

    def _started(self, id_: str) -> Workflow | None:
        workflow = self._tenant.workflows.get(id_, self._clock())
        return workflow if workflow is not None and workflow.state == "started" else None

    def _next(self) -> tuple[float, str] | None:
        """Return what has to be run next and as of when; lock held."""
        if self._asked:
            return self._clock(), self._asked[0]
        due = [
            (when, id_) for id_, known in self._known.items() if (when := self._due(id_, known)) is not None
        ]
        return min(due, default=None)

    def _due(self, id_: str, known: Known) -> float | None:
        """Return the oldest moment of the schedule that was not served: full N minutes on the clock."""
        workflow = self._started(id_) if known.work.every_minutes else None
        if workflow is None:
            return None
        step = known.work.every_minutes * 60.0
        after = max(workflow.since, known.served, self._clock() - MADE_UP * step)
        when = (math.floor(after / step) + 1) * step
        return when if when <= self._clock() else None

    def _go(self) -> None:
        stop = self._stop
        while not stop.wait(LOOK):
            while not stop.is_set() and self._one():
                pass

    def _one(self) -> bool:
        """Carry out the next run, if there is one."""
        with self._lock:
            found = self._next()
            if found is None:
                return False
            when, id_ = found
            known, workflow = self._known[id_], self._started(id_)
            if self._asked:
                self._asked.pop(0)
            else:
                known.served = when
            if workflow is None:
                return True
            run = Run(next(self._numbers), id_, stamp(when))
            self._runs.append(run)
            activation = workflow.activation
        self._world.counters.add("campaign.export_runs")
        try:
            self._carry_out(known, run, when, activation)
            run.state = "finished"
        except Cancelled:
            run.state = "cancelled"
        except AreaRefused as error:
            self._fail(run, workflow, str(error))
        except BaseException as error:
            self._fail(run, workflow, repr(error))
            raise
        return True

    def _fail(self, run: Run, workflow: Workflow, why: str) -> None:
        run.log.append(why)
        with self._lock:
            workflow.enter("error", self._clock())
            run.state = "failed"

    # ---- the activities --------------------------------------------------------------------------

    def _carry_out(self, known: Known, run: Run, when: float, activation: int) -> None:
        work = known.work
        rows = self._query(known, stamp(when))
        run.rows = len(rows)
        self._world.counters.add("campaign.exported_rows", len(rows))
        if rows or not work.extract.no_file_if_empty:
            ordered = _ordered(rows, _date_field(work), sort=work.extract.sort)
            resource = self._tenant.catalog.resource(KINDS[work.kind].resource)
            columns = resolve(self._tenant, resource, [expression for _, expression in work.extract.columns])
            cells = values(self._tenant, columns, self._repeated(ordered), stamp(when))
            content = extract_file(work.extract, columns, cells, self._world.switches)
            name = self._name(work, when)
            self._upload(
                work, run, name, gzip.compress(content, 1) if work.extract.gzip else content, activation
            )
            run.file = name
        # whole seconds: rows of the boundary's second come twice (§8.2)
        known.last = stamp(math.floor(when))
        if work.mode == "exclude":
            known.seen |= {number for number, _ in rows}

    def _query(self, known: Known, now: str) -> list[Numbered]:
        """Return the rows of an incremental query, or of a window that rolls (§8.2, §8.4)."""
        work, resource = known.work, KINDS[known.work.kind].resource
        if work.mode == "exclude":
            return [row for row in rows_at(self._tenant, resource, now) if row[0] not in known.seen]
        name, since = _date_field(work), known.last
        if work.mode == "window":
            since = stamp(datetime.fromisoformat(now).timestamp() - work.window_hours * 3600)
        condition = f"{column(name, 'r')} >= ? OR {column('turned', 'r')} >= ?"
        rows = rows_at(self._tenant, resource, now, condition, (since, since))
        return [row for row in rows if row[1].get(name, "") >= since]

    def _repeated(self, rows: list[Numbered]) -> Iterator[Numbered]:
        every = self._world.switches["campaign.export_repeats"]
        for at, row in enumerate(rows, 1):
            yield row
            if every and at % every == 0:
                yield row

    def _name(self, work: Export, when: float) -> str:
        extract = work.extract
        zone = ZoneInfo(self._world.switches["campaign.export_stamp_zone"])
        suffix = (
            f"_{datetime.fromtimestamp(when, UTC).astimezone(zone):%Y%m%d_%H%M%S}" if extract.stamp else ""
        )
        return f"{extract.name}{suffix}{extract.extension}{'.gz' if extract.gzip else ''}"

    def _upload(self, work: Export, run: Run, name: str, content: bytes, activation: int) -> None:
        """Write the file under its own name, whole or so slowly that a reader may see half of it (§9)."""
        area, lasts = area_of(self._world), self._world.switches["campaign.export_seconds"]
        area.tidy()
        if not lasts:
            area.put(work.folder, name, content)
            return
        begun, size = self._clock(), math.ceil(len(content) / PIECES) or 1
        with area.growing(work.folder, name) as append:
            run.file = name
            for piece in range(PIECES):
                append(content[piece * size : (piece + 1) * size])
                self._wait(work.id, begun + lasts * (piece + 1) / PIECES, activation)

    def _wait(self, id_: str, until: float, activation: int) -> None:
        """Let the clock reach a moment; stop at once when the workflow is stopped (§7.2)."""
        while True:
            with self._lock:
                workflow = self._tenant.workflows.get(id_, self._clock())
                stopped = (
                    workflow is None or workflow.activation != activation or workflow.state == "finished"
                )
                if stopped or self._stop.is_set():
                    raise Cancelled
                if self._clock() >= until:
                    return
            self._stop.wait(LOOK)


def exports_of(tenant: Tenant) -> Exports:
    """Return a tenant's exports. Only production has them: stage may well have no SFTP server (§9)."""
    if tenant.name != tenant.world.config.org:
        raise ValueError(f"{tenant.name} has no SFTP area and so no exports")
    systems = tenant.world.systems
    if "exports" not in systems:
        systems["exports"] = Exports(tenant)
    return systems["exports"]  # type: ignore[no-any-return]


def clear(world: World) -> None:
    """End what runs; to be called without the lock, which runs need to end."""
    if "exports" in world.systems:
        world.systems["exports"].clear()


def _date_field(work: Export) -> str:
    return work.date_field or KINDS[work.kind].date


def _ordered(rows: list[Numbered], name: str, *, sort: bool) -> list[Numbered]:
    """Return rows by date; without sorting their order is nobody's promise."""
    return sorted(rows, key=lambda row: (row[1].get(name, ""), row[0])) if sort else rows[::-1]
