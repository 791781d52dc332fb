"""What a comparison found, for people and programs: counts, fields and keys, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from campaign_sync.compare.fates import DIFFERENCES, OTHERS
from campaign_sync.run.report import SAMPLE


@dataclass(frozen=True)
class Found:
    """What a comparison found, of one slice or of all."""

    keys: int = 0  # that either side has
    fates: dict[str, int] = field(default_factory=dict)  # fate -> keys
    fields: dict[str, int] = field(default_factory=dict)  # field -> records in which it differs
    samples: dict[str, list[str]] = field(default_factory=dict)  # class of difference -> a few keys
    unverified: int = 0  # of the differences: not looked at a second time

    def __add__(self, other: Found) -> Found:
        samples = {
            name: [*self.samples.get(name, ()), *other.samples.get(name, ())][:SAMPLE]
            for name in DIFFERENCES
            if name in self.samples or name in other.samples
        }
        return Found(
            self.keys + other.keys,
            dict(Counter(self.fates) + Counter(other.fates)),
            dict(Counter(self.fields) + Counter(other.fields)),
            samples,
            self.unverified + other.unverified,
        )

    @property
    def different(self) -> int:
        """How many keys differ."""
        return sum(self.fates.get(name, 0) for name in DIFFERENCES)

    @property
    def balanced(self) -> bool:
        """Every key of either side has one fate."""
        return self.keys == sum(self.fates.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """A whole comparison."""

    flow: str
    run_id: str
    began: str
    found: Found
    slices: int
    keyless: int  # records of Campaign without a key: not this flow's
    excused: dict[str, dict[str, int]]  # dropped, rejected -> rule -> rows of Dynamics that are not expected
    repair: bool
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``report.json`` and XCom; every class and every other fate is there, zero or not."""
        counts = {name: self.found.fates.get(name, 0) for name in (*DIFFERENCES, *OTHERS)}
        plain = asdict(self)
        del plain["found"]
        return plain | {
            "keys": self.found.keys,
            "differences": {name: counts[name] for name in DIFFERENCES},
            "others": {name: counts[name] for name in OTHERS},
            "unverified": self.found.unverified,
            "fields": self.found.fields,
            "samples": self.found.samples,
            "balanced": self.found.balanced,
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """A table for a log."""
        told = self.to_json()
        lines = [f"{self.flow}, run {self.run_id}: {self.found.keys:,} keys in {self.slices} slices"]
        lines += [f"differences: {self.found.different:,}"]
        for name, count in told["differences"].items():
            keys = ", ".join(self.found.samples.get(name, ()))
            lines.append(f"  {name:<22}{count:>10,}{f'   {keys}' if keys else ''}")
        if self.found.unverified:
            lines.append(f"  of these, {self.found.unverified:,} were not looked at a second time")
        lines += _section("fields that differ", self.found.fields)
        lines += _section("no difference", {name: n for name, n in told["others"].items() if n})
        if self.keyless:
            lines.append(f"  {'without a key':<22}{self.keyless:>10,}")
        for fate, rules in self.excused.items():
            lines += _section(f"{fate} by", rules)
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def total(parts: Iterable[Found]) -> Found:
    """The sum of all slices."""
    return sum(parts, Found())


def _section(title: str, counts: dict[str, int]) -> list[str]:
    width = max(22, *(len(name) + 2 for name in counts)) if counts else 0
    return [title, *(f"  {name:<{width}}{count:>10,}" for name, count in counts.items())] if counts else []
