"""The clock and the pauses of waiting for Campaign's imports, in one place, so that a test can let time pass.

Not for the pauses between two tries of one call (``hooks/pace.py``).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


def now() -> datetime:
    """The time by which the ten minutes between two signals are counted."""
    return datetime.now(UTC)


async def pause(seconds: float) -> None:
    """Lets some time pass without holding anybody up."""
    await asyncio.sleep(seconds)
