"""What a parked row waits for, in the words that plan, ledger and report share.

Not for finding out (``run/plan.py``, ``ledger/links.py``).
"""

from __future__ import annotations

#: What is told of a row that waits.
COLUMNS = ("kind", "waits_for", "waits_key", "reason")

#: What a row waits for: its parent to arrive, or its children to leave.
PARENT, CHILDREN = "parent", "children"


def for_parent(flow: str) -> str:
    """The reason of a row whose parent has not arrived."""
    return f"it names a record of {flow} that is not surely in Campaign"


def for_children(flow: str, count: int) -> str:
    """The reason of a deletion that would leave records without their parent."""
    return f"waits for {count:,} record{'s' * (count != 1)} of {flow} that still name{'s' * (count == 1)} it"


def group(kind: str, flow: str) -> str:
    """What rows that wait for the same are counted under in a report."""
    return f"a record of {flow}" if kind == PARENT else f"records of {flow} to go"
