"""What a process does that shares its limits with others: it reads rows, faster than allowed."""

from __future__ import annotations

import os
import time
from itertools import cycle, takewhile
from multiprocessing.connection import Connection

THREADS = 4


def call(env: dict[str, str], window: float, told: Connection) -> None:
    """Says "ready", is told for how many seconds, reads contacts one by one, and says how many."""
    os.environ.update(env)
    from campaign_sync.hooks import budget
    from campaign_sync.hooks.dataverse import DataverseHook
    from campaign_sync.hooks.parallel import map_bounded

    budget.WINDOW = window
    hook = DataverseHook()
    table = hook.table("contact", [])
    contacts = [key for page in hook.everything(table, [], 50) for key in page.rows.column(0).to_pylist()]
    told.send("ready")
    until = time.monotonic() + told.recv()
    keys = takewhile(lambda _: time.monotonic() < until, cycle(contacts))
    count = 0
    for found in map_bounded(lambda key: [*hook.by_keys(table, [], [key])], keys, THREADS):
        count += len(found)
    told.send(count)
