"""What is to be written to Campaign, and what became of it: the words between a plan and the hook.

Not for deciding (``run/plan.py``) and not for calling (``hooks/campaign.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Result = Literal["created", "updated", "deleted", "unchanged", "missing", "rejected"]
"""``missing``: of an amendment only; Campaign shows no such record."""


class Write(NamedTuple):
    """One call to make. Bodies are flat (``location.city``), in JSON form, and never hold null."""

    kind: Literal["create", "update", "amend", "delete"]
    """An update makes the record if it is not there; an amendment never does."""
    key: str
    """Of the target record."""
    body: Mapping[str, Any]
    instead: Mapping[str, Any] | None = None
    """What to create when an update finds no record; None: ``body``."""
    found: Mapping[str, Any] | None = None
    """What to change when a create finds the record there; None: ``body``."""
    source_key: str = ""
    """Of the row, for ``Ledger.begin``; the hook does not look at it."""


class Outcome(NamedTuple):
    """What became of one write."""

    key: str
    result: Result
    rule: str | None = None
    reason: str | None = None
    certain: bool = True
    """False where it stays open if the record is gone or hidden (campaign.md §6.3), or what was wrong."""
