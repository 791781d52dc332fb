"""When Airflow tries a failed task again: a passing trouble not before its time, a permanent one never.

Not for the retries of one request (``hooks/pace.py``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from campaign_sync.errors import SyncError, TransientError

#: Seconds: the hook has tried for longer than a moment already.
SOONEST = 60.0


class SyncRetryPolicy(RetryPolicy):
    """Decides by the error tree; what is not ours keeps the task's own ``retries`` and ``retry_delay``."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Says what follows; a Retry-After that the hook left to us is obeyed to the second."""
        kind = type(exception).__name__
        if isinstance(exception, TransientError):
            seconds = max(SOONEST, exception.retry_after or 0)
            return RetryDecision.retry(timedelta(seconds=seconds), f"{kind}: again in {seconds:.0f} s")
        if isinstance(exception, SyncError):
            return RetryDecision.fail(f"{kind}: trying again does not help")
        return RetryDecision.default()
