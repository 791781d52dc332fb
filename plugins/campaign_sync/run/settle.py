"""Settle: the files of a run are imported, and what became of each row is remembered (I14, campaign.md §7, §8.1).

Every call looks anew at the run's folder, the ledger, the workflow and the SFTP area, does what can be done at once,
and says what to wait for. So it may be killed, repeated or cleared at any point: a file with a result is never
signalled again, and one that an import took and gave no result for is sent again once that import is surely over.
Not for waiting (``import_trigger.py``), nor for reading results (``import_results.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_sync.errors import ReconcileError, RefusedError, SyncError
from campaign_sync.hooks.campaign_files import DONE, IMPORTS, REJECTS, CampaignFilesHook
from campaign_sync.ledger.ledger import Ledger
from campaign_sync.rows.storage import read_document, write_document
from campaign_sync.run import clock
from campaign_sync.run.import_results import RESULT, Reject, Unfit, read_rejects, read_result, require_sums
from campaign_sync.run.noes import Noes
from campaign_sync.run.parts import (
    ORDER,
    OVERTAKEN,
    Part,
    keys,
    leave_out,
    outcome,
    parts_of,
    settled,
    signalled,
    way,
)
from campaign_sync.run.report import SAMPLE, Tally
from campaign_sync.run.setting import BEGAN, SETTLED, SIGNALLED, Setting
from campaign_sync.run.upload import Seen, look, remove_all, remove_leftovers, upload_missing
from campaign_sync.settings import import_timeout, ledger_url

if TYPE_CHECKING:
    import pandas as pd

    from campaign_sync.hooks.campaign_workflows import Workflow, Workflows
    from campaign_sync.ledger.signals import Signal

#: campaign.md §7.3: one signal per ten minutes, by Campaign's clock; half a minute more than that by ours.
APART = timedelta(minutes=10, seconds=30)
#: How long a workflow may take to start (campaign.md §7.2: "some minutes").
STARTING = timedelta(minutes=15)
SOON = timedelta(seconds=5)
#: A state that cannot be read says nothing: then only the files tell (campaign.md §7.1).
RUNNING = ("running", "unknown")
#: How long to look away while another run's import is under way.
OTHERS = timedelta(minutes=5)

MEND = (
    "Open the workflow in Campaign, see its log, correct what is wrong, and start it. Then clear this task: it sends "
    "again what was not imported. Or leave it: the next run does"
)
UNREADABLE = (
    "Compare the end of the workflow with docs/import_workflow.md and correct it: a result has two lines, rejects "
    "begin with line;reason. The next run sends these rows again"
)
TOO_LATE = (
    "Look at the workflow's log in Campaign. If it is still importing, clear this task and it waits on; if not, stop "
    "the workflow and clear this task: it fails once, and cleared once more it sends the files again"
)


class Wait(NamedTuple):
    """What to wait for before looking again; plain values, for a trigger."""

    what: str  # start, signal, results, another run
    since: str  # ISO time; of results: of the last one that came
    until: str  # ISO time, at which to look again in any case
    workflow: str = ""  # look again when this workflow is no longer in the state …
    state: str = ""
    results: str = ""  # … or so many results of files are there whose names begin so
    expected: int = 0


def settle_run(folder: str, run_id: str, before: Wait | None, log: logging.Logger) -> Wait | None:
    """Do what can be done for a run's files now; None when all of them are settled.

    :param before: what this task has just waited for.

    Raises RefusedError if the workflow does not do what it should, ReconcileError if a later run has overtaken this
    one, TransientError if a system is away.
    """
    parts = parts_of(folder)
    return _Settling(folder, run_id, parts, before, log).go() if parts else None


def settled_tally(folder: str) -> Tally:
    """What became of the rows of a run's files."""
    found = [outcome(folder, stem) for stem in sorted(settled(folder))]
    return sum((Tally.from_dict(each["tally"]) for each in found), Tally())


class _Settling:
    """One look at a run's files, and what follows from it."""

    def __init__(
        self, folder: str, run_id: str, parts: list[Part], before: Wait | None, log: logging.Logger
    ) -> None:
        from campaign_sync.hooks.campaign import CampaignHook

        self.folder, self.run_id, self.parts, self.before, self.log = folder, run_id, parts, before, log
        self.settled = settled(folder)
        self.progress = False  # a result came: the waiting for results begins anew
        self.mapping, self.table, self.resource, _ = Setting.of(folder)
        self.flow, self.workflow = self.mapping.name, self.mapping.load.import_workflow or ""
        self.prefix = str(way(folder)["prefix"])
        self.ledger = Ledger(ledger_url())
        self.workflows: Workflows = CampaignHook().workflows

    def go(self) -> Wait | None:
        # The state first: an import that is over has left its results before its workflow says so.
        workflow = self.workflows.read(self.workflow)
        with CampaignFilesHook().session() as files:
            seen = look(files, self.prefix)
            problems = self._settle_results(files, seen)
            open_ = self._open()
            signal = self.ledger.signals.last(self.workflow)
            ours = bool(signal and signal.open and {part.name for part in self.parts} & set(signal.parts))
            if problems and not (ours and self._may_be_half_written()):
                raise problems[0]
            if ours and signal is not None:
                if wait := self._under_way(workflow, signal, open_, seen):
                    return wait
                self.ledger.signals.ended(self.workflow, self.flow, self.run_id)
                signal = None
            if open_ and (wait := self._begin(files, workflow, signal, open_, seen)):
                return wait
            for part in self.parts:
                remove_all(files, seen, part)
        return None

    def _open(self) -> list[Part]:
        return [part for part in self.parts if part.stem not in self.settled]

    def _wait(self, what: str, until: datetime | timedelta, **more: Any) -> Wait:
        """``until``: a time, or how long after the waiting for this began."""
        now = clock.now()
        goes_on = self.before is not None and self.before.what == what and not self.progress
        begun = datetime.fromisoformat(self.before.since) if self.before and goes_on else now
        end = until if isinstance(until, datetime) else begun + until
        return Wait(what, begun.isoformat(), max(end, now + SOON).isoformat(), **more)

    def _refused(self, problem: str, remedy: str = MEND) -> RefusedError:
        return RefusedError("Campaign", f"workflow {self.workflow}", None, "", problem, remedy)

    # ---- what became of files ----------------------------------------------------------------------

    def _settle_results(self, files: CampaignFilesHook, seen: Seen) -> list[SyncError]:
        """Remember what became of every file that has a result by now; return what is wrong with the others."""
        problems: list[SyncError] = []
        for part in self._open():
            if part.name + RESULT in seen.done:
                try:
                    self._settle(files, seen, part)
                    self.progress = True
                except RefusedError as problem:
                    problems.append(problem)
        return problems

    def _may_be_half_written(self) -> bool:
        """Whether results were not seen to rest yet: the trigger looks twice (campaign.md §9)."""
        return self.before is None or self.before.what != "results"

    def _settle(self, files: CampaignFilesHook, seen: Seen, part: Part) -> None:
        kept = keys(self.folder, part)
        kept = kept[kept["kind"] != OVERTAKEN]
        try:
            counts = read_result(files.read(DONE, part.name + RESULT))
            rejects = self._rejects(files, seen, part)
        except Unfit as problem:
            said = f"what the import workflow left cannot be read: {problem}"
            raise RefusedError("Campaign SFTP", part.name, None, "", said, UNREADABLE) from None
        known = rejects.keys() & set(kept["key"])
        if len(known) < len(rejects):
            said = f"{len(rejects) - len(known)} rejected lines have keys that were not in the file"
            raise RefusedError("Campaign SFTP", part.name, None, "", said, UNREADABLE)
        require_sums(counts, part.written, part.deleted, len(rejects), part.name)
        refused = kept["key"].isin(list(rejects)).to_numpy(dtype=bool)
        told = [rejects[key] for key in kept["key"][refused]]
        rejected = kept[refused][["version"]].assign(
            step="load",
            rule=[each.rule for each in told],
            reason=[each.reason for each in told],
            certain=[each.certain for each in told],
        )
        written = kept[~refused]
        result = written["kind"].map({"create": "created", "update": "updated", "delete": "deleted"})
        self.ledger.settle(
            self.flow,
            written[["version", "sent_hash"]].assign(result=result),
            rejected,
            self.run_id,
            self.mapping.sha,
            linked=bool(self.mapping.links()),
        )
        samples: dict[str, list[str]] = {}
        for key, each in zip(rejected.index, told, strict=True):
            samples.setdefault(each.rule, []).append(str(key))
        tally = Tally(
            rejected=len(rejects), created=counts["inserted"], updated=counts["updated"], deleted=counts["deleted"],
            unchanged=counts["missing"] + part.overtaken,
        )  # fmt: skip
        self._is_settled(
            part,
            tally,
            rejected=dict(Counter(each.rule for each in told)),
            samples={rule: found[:SAMPLE] for rule, found in samples.items()},
            missing=counts["missing"],
            unlinked=counts.get("unlinked", 0),
        )
        self.log.info("settle %s: %s", part.name, {name: count for name, count in counts.items() if count})

    def _is_settled(self, part: Part, tally: Tally, **found: Any) -> None:
        nothing = {"rejected": {}, "samples": {}, "missing": 0, "unlinked": 0}
        write_document(self.folder, f"{part.stem}{SETTLED}", {"tally": tally.as_dict(), **nothing, **found})
        self.settled.add(part.stem)

    def _rejects(self, files: CampaignFilesHook, seen: Seen, part: Part) -> dict[str, Reject]:
        """The rejected lines of a file by the record's key; a line may be named twice."""
        column = self.resource.fields[self.mapping.key_field].name
        fields = {self.resource.fields[target].name for target in self.mapping.map}
        found: dict[str, Reject] = {}
        for name in seen.rejects:
            if name.startswith(f"{part.name}_rejects_"):
                for reject in read_rejects(files.read(REJECTS, name), column, fields):
                    found.setdefault(reject.key, reject)
        return found

    # ---- an import of ours is, or may be, under way ------------------------------------------------

    def _under_way(self, workflow: Workflow, signal: Signal, open_: list[Part], seen: Seen) -> Wait | None:
        """What to wait for after our signal; None if nothing comes of it any more.

        Raises RefusedError if the workflow was paused, was stopped or has failed while it had taken files.
        """
        covered = [part for part in open_ if part.name in signal.parts]
        taken = [part for part in covered if part.name not in seen.imports]
        if taken and workflow.state not in RUNNING:
            if workflow.state != "paused":  # a paused one may go on
                self.ledger.signals.ended(self.workflow, self.flow, self.run_id)
            said = {"paused": "is paused", "failed": "has failed"}.get(workflow.state, "was stopped")
            raise self._refused(f"{said}, and {len(taken)} files that it had taken have no result")
        if not covered or workflow.state not in RUNNING:
            return None
        wait = self._results(signal, import_timeout())
        if clock.now() >= datetime.fromisoformat(wait.since) + import_timeout():
            raise self._refused(f"no result of {len(covered)} files since {wait.since[:16]}", TOO_LATE)
        if taken:
            return wait
        # Nothing was taken: the signal may be lost, and another one is possible after the ten minutes.
        if clock.now() >= signal.sent_at + APART:
            self.log.warning("the signal to %s had no effect: another one follows", self.workflow)
            return None
        return self._results(signal, signal.sent_at + APART)

    def _results(self, signal: Signal | None, until: datetime | timedelta) -> Wait:
        covered = [part for part in self._open() if signal is None or part.name in signal.parts]
        done = [part for part in self.parts if part.stem in self.settled and part.rows]
        expected = len(done) + len(covered)
        return self._wait(
            "results", until, workflow=self.workflow, state="running", results=self.prefix, expected=expected
        )

    # ---- nothing of ours is under way: begin -------------------------------------------------------

    def _begin(
        self,
        files: CampaignFilesHook,
        workflow: Workflow,
        other: Signal | None,
        open_: list[Part],
        seen: Seen,
    ) -> Wait | None:
        """Bring everything into place and signal; what to wait for then, or first; None if no row is left to send."""
        if other is not None and other.open:
            if self._may_be_under_way(files, workflow, other):
                return self._wait("another run", clock.now() + OTHERS)
            self.ledger.signals.ended(self.workflow, other.flow, other.run_id)
        if workflow.state in ("paused", "failed"):
            raise self._refused("is paused" if workflow.state == "paused" else "has failed")
        self._leave_out_overtaken(files, open_, seen)
        if not (open_ := self._open()):
            return None
        remove_leftovers(files, self.folder, self.flow, self.ledger, self.log)
        self._clear_the_way(files, open_, seen)
        upload_missing(files, self.folder, open_, self.log)
        if workflow.state in ("editing", "finished"):
            wait = self._wait("start", STARTING, workflow=self.workflow, state=workflow.state)
            if clock.now() >= datetime.fromisoformat(wait.since) + STARTING:
                raise self._refused(f"does not start within {STARTING.seconds // 60} minutes")
            if self.before is None or self.before.what != "start":
                self.workflows.start(self.workflow)
            return wait
        names, now = [part.name for part in open_], clock.now()
        if self.ledger.signals.begin(self.workflow, self.flow, self.run_id, names, now, APART):
            return self._signal(workflow, names)
        last = self.ledger.signals.last(self.workflow)
        return self._wait("signal", last.sent_at + APART if last else now)

    def _signal(self, workflow: Workflow, names: list[str]) -> Wait:
        """One signal for all files of the run."""
        before = signalled(self.folder)
        write_document(self.folder, SIGNALLED, {"parts": sorted({*before, *names})})
        try:
            taken = self.workflows.signal(workflow, f"{self.prefix}_*.csv.gz")
        except SyncError:
            self.ledger.signals.ended(self.workflow, self.flow, self.run_id)
            raise
        if taken == "refused":
            # Somebody else has signalled, nobody knows when: at worst just now.
            write_document(self.folder, SIGNALLED, {"parts": before})
            self.ledger.signals.ended(self.workflow, self.flow, self.run_id, sent_at=clock.now())
            return self._wait("signal", clock.now() + APART)
        if taken == "unknown":
            self.log.warning("the answer to the signal of %s was lost: its effect will tell", self.workflow)
            return self._results(None, clock.now() + APART)
        self.ledger.signals.accepted(self.workflow, self.flow, self.run_id)
        self.log.info("signalled %s: %d files, %s_*.csv.gz", self.workflow, len(names), self.prefix)
        return self._results(None, import_timeout())

    def _may_be_under_way(self, files: CampaignFilesHook, workflow: Workflow, other: Signal) -> bool:
        """Whether the import of another run, or of this one before it was cleared, may still be writing."""
        now = clock.now()
        if workflow.state not in RUNNING or now >= other.sent_at + import_timeout():
            return False
        here, done = files.names(IMPORTS, ORDER), files.names(DONE, ORDER)
        left = [name for name in other.parts if name + RESULT not in done]
        return any(name not in here for name in left) or (bool(left) and now < other.sent_at + APART)

    def _clear_the_way(self, files: CampaignFilesHook, open_: list[Part], seen: Seen) -> None:
        """Nothing is imported twice, and nothing that an import which did not end has said is believed."""
        names = {part.name for part in open_}
        for name in seen.imports.keys() - names:
            files.remove(IMPORTS, name)
        for name in seen.rejects:
            if name.partition("_rejects_")[0] in names:
                files.remove(REJECTS, name)

    def _leave_out_overtaken(self, files: CampaignFilesHook, open_: list[Part], seen: Seen) -> None:
        """Take rows out of these files that another run has begun to write since: as a rule they are newer than ours.
        And people who have said no since this run has read them: a file does not tell it, the next run does.

        Raises ReconcileError if an import may have taken the files before: what they said is not changed any more.
        """
        kept = {part: keys(self.folder, part) for part in open_}
        newer = {
            part: self.ledger.taken_over(self.flow, rows.index, self.run_id)
            | set(rows.index[rows["kind"] == OVERTAKEN])  # by a task that was killed there, too
            for part, rows in kept.items()
        }
        count = sum(len(found) - part.overtaken for part, found in newer.items())
        if count and {part.name for part in open_} & set(signalled(self.folder)):
            raise ReconcileError(
                f"a later run has written {count:,} of the rows that are in files of this one",
                f"{self.flow}, {self.run_id}",
                "Nothing more of this run is sent, and nothing is lost: the later run, or the next, sends all its rows",
            )
        if objecting := self._objecting(open_):
            for part, rows in kept.items():
                newer[part] |= objecting & set(rows.index[rows["kind"] != "delete"])
        column = self.resource.fields[self.mapping.key_field].name
        for part, found in newer.items():
            if len(found) > part.overtaken:
                self._doubt_older(kept[part].loc[list(found), "version"])
                if part.name in seen.imports:
                    files.remove(IMPORTS, part.name)  # it might have as many bytes
                self.parts[self.parts.index(part)] = left = leave_out(self.folder, part, found, column)
                self.log.info(
                    "%s: %d rows left out: another run has written them, or they say no by now",
                    part.name,
                    left.overtaken,
                )
        for part in self._open():
            if not part.rows:
                self._is_settled(part, Tally(unchanged=part.overtaken))

    def _objecting(self, open_: list[Part]) -> set[str]:
        """Who has said no since this run began to read; nobody where an import may have taken the files before."""
        from campaign_sync.hooks.dataverse import DataverseHook

        if not self.mapping.noes or {part.name for part in open_} & set(signalled(self.folder)):
            return set()
        began = datetime.fromisoformat(read_document(self.folder, BEGAN)["began"])
        return Noes(self.mapping, self.table, DataverseHook(), self.ledger.consents).since(began, clock.now())

    def _doubt_older(self, ours: pd.Series[int]) -> None:
        """Have the next run look at rows of which nothing is known that is surely newer than these versions."""
        known = self.ledger.known(self.flow, ours.index).reindex(ours.index)
        newer = (known["present"] & (known["version"] >= ours)).fillna(False).to_numpy(dtype=bool)
        self.ledger.doubt(self.flow, ours.index[~newer])
