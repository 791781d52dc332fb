"""The counts of a run and the words for people: ``Tally`` adds up, ``Report`` tells.

Not for deciding anything: what a wrong sum means is the reconcile step's business.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

SAMPLE = 20  #: keys shown per rule; the ledger has them all


@dataclass(frozen=True)
class Tally:
    """How many rows met which fate (C3). Tallies add with ``+``."""

    extracted: int = 0
    dropped: int = 0
    parked: int = 0
    rejected: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    def __add__(self, other: Tally) -> Tally:
        mine, theirs = self.as_dict(), other.as_dict()
        return Tally(**{fate: mine[fate] + theirs[fate] for fate in mine})

    @property
    def accounted(self) -> int:
        """Rows with a fate."""
        return sum(self.as_dict().values()) - self.extracted

    @property
    def balanced(self) -> bool:
        """extracted = dropped + parked + rejected + created + updated + deleted + unchanged."""
        return self.extracted == self.accounted

    def as_dict(self) -> dict[str, int]:
        """Plain values, for XCom."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_dict(cls, counts: dict[str, int]) -> Tally:
        """The tally that :meth:`as_dict` wrote."""
        return cls(**counts)

    def __str__(self) -> str:
        fates = {fate: count for fate, count in self.as_dict().items() if fate != "extracted" and count}
        return f"{self.extracted} extracted: " + (
            ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "nothing"
        )


@dataclass(frozen=True)
class Report:
    """What a run did, for people (text) and programs (JSON). Keys only, never a row's values."""

    flow: str
    run_id: str
    window: str  # what was read, in words
    tally: Tally
    batches: int
    dropped: dict[str, int] = field(default_factory=dict)  # rule -> rows
    rejected: dict[str, int] = field(default_factory=dict)  # rule -> rows
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)  # rule -> a few keys of rejected rows
    parked: dict[str, int] = field(default_factory=dict)  # what they wait for -> rows
    parked_samples: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # the same -> a few of their keys
    checks: tuple[dict[str, Any], ...] = ()  # name, expect, rows, unexpected, otherwise
    notes: tuple[str, ...] = ()  # what the engine wants people to know

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``report.json``, XCom and the asset event."""
        plain = asdict(self)
        for name in ("samples", "parked_samples"):
            plain[name] = {rule: list(keys[:SAMPLE]) for rule, keys in plain[name].items()}
        return plain | {
            "balanced": self.tally.balanced,
            "checks": list(plain["checks"]),
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """A table for a log or a terminal."""
        lines = [
            f"{self.flow}, run {self.run_id}: {self.window}, {self.batches} batch{'es' * (self.batches != 1)}"
        ]
        lines += _rows(self.tally.as_dict())
        if not self.tally.balanced:
            lines.append(
                f"  NOT BALANCED: {self.tally.extracted} extracted, {self.tally.accounted} accounted for"
            )
        lines += _section("dropped by", _rows(self.dropped))
        lines += _section("parked, waiting for", _with_keys(self.parked, self.parked_samples))
        lines += _section("rejected by", _with_keys(self.rejected, self.samples))
        lines += _section("checks", [_check(each) for each in self.checks])
        lines += _section("notes", [f"  {note}" for note in self.notes])
        return "\n".join(lines)


def _with_keys(counts: dict[str, int], samples: dict[str, tuple[str, ...]]) -> list[str]:
    lines = []
    for name, line in zip(counts, _rows(counts), strict=True):
        keys = samples.get(name, ())[:SAMPLE]
        more = " …" if counts[name] > len(keys) else ""
        lines.append(f"{line}   {', '.join(keys)}{more}" if keys else line)
    return lines


def _rows(counts: dict[str, int]) -> list[str]:
    width = max(map(len, counts), default=0)
    return [f"  {name:<{width}} {count:>10,}" for name, count in counts.items()]


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *lines] if lines else []


def _check(result: dict[str, Any]) -> str:
    counts = f"{result['unexpected']:,} of {result['rows']:,} unexpected"
    return f"  {result['name']}: {counts} ({result['otherwise']})"
