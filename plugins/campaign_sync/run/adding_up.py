"""Adds up what the batches of a run have left in its folder, for the report of any kind of flow.

Not for the words (``report.py``), nor for what a wrong sum means (each flow's reconcile).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from campaign_sync.rows.storage import read_document
from campaign_sync.run.report import SAMPLE, Report, Tally
from campaign_sync.run.setting import CHECKED, LOADED, document


class Sums(NamedTuple):
    """What became of the rows of a run."""

    tally: Tally
    rules: dict[str, Counter[str]]  # dropped, rejected, parked: by rule
    keys: dict[str, dict[str, tuple[str, ...]]]  # samples, parked_samples: a few keys by rule
    checks: dict[str, dict[str, Any]]
    loaded: list[dict[str, Any]]  # each batch's own document, for what only one kind of flow counts

    def report(self, flow: str, run_id: str, window: str, batches: int, notes: Iterable[str]) -> Report:
        """The report of the run; `window` says in words what was read."""
        dropped, rejected, parked = (dict(self.rules[fate]) for fate in ("dropped", "rejected", "parked"))
        return Report(
            flow,
            run_id,
            window,
            self.tally,
            batches,
            dropped=dropped,
            rejected=rejected,
            parked=parked,
            samples=self.keys["samples"],
            parked_samples=self.keys["parked_samples"],
            checks=tuple(self.checks.values()),
            notes=tuple(notes),
        )


def add_up(folder: str, batches: Sequence[Mapping[str, Any]], done: Mapping[int, Mapping[str, Any]]) -> Sums:
    """The sums over the batches that came through.

    :param batches: what extract returned: all rows are counted as extracted, whatever became of their batch.
    :param done: what load returned, by the batch's number.
    """
    tally = Tally(extracted=sum(batch["tally"]["extracted"] for batch in batches))
    rules: dict[str, Counter[str]] = {"dropped": Counter(), "rejected": Counter(), "parked": Counter()}
    keys: dict[str, dict[str, tuple[str, ...]]] = {"samples": {}, "parked_samples": {}}
    checks: dict[str, dict[str, Any]] = {}
    loaded = []
    for number, batch in sorted(done.items()):
        tally += replace(Tally.from_dict(batch["tally"]), extracted=0)
        details = read_document(folder, document(number, LOADED))
        loaded.append(details)
        for fate, counts in rules.items():
            counts.update(details[fate])
        for name, so_far in keys.items():
            for rule, some in details[name].items():
                so_far[rule] = (*so_far.get(rule, ()), *some)[:SAMPLE]
        for check in read_document(folder, document(number, CHECKED))["checks"]:
            total = checks.setdefault(check["name"], check | {"rows": 0, "unexpected": 0})
            total["rows"] += check["rows"]
            total["unexpected"] += check["unexpected"]
    return Sums(tally, rules, keys, checks, loaded)
