"""Waits for an import of Campaign in the triggerer, so that no worker's slot is held: looks now and then, and fires
when there is something to do.

Not for deciding what: the task looks anew (``run/settle.py``). Its errors are the task's: they are handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from campaign_sync.errors import RefusedError, TransientError
from campaign_sync.run import clock

POLL = 20.0  #: seconds between two looks
PATIENCE = 10  #: looks in a row that may meet a system that is away


class ImportTrigger(BaseTrigger):
    """Fires when what a ``run.settle.Wait`` says has come about, or when its time is over."""

    def __init__(self, wait: dict[str, Any]) -> None:
        super().__init__()
        self.wait = wait

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """For Airflow's database."""
        return "campaign_sync.import_trigger.ImportTrigger", {"wait": self.wait}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yields one event: what was waited for, or an error for the task to raise."""
        until = datetime.fromisoformat(self.wait["until"])
        before: dict[str, int] | None = None
        failures = 0
        while (left := (until - clock.now()).total_seconds()) > 0:
            if not self.wait["workflow"]:
                await clock.pause(left)
                continue
            await clock.pause(min(POLL, left))
            try:
                over, results = await asyncio.to_thread(self._look)
                failures = 0
            except (TransientError, RefusedError) as error:
                failures += 1
                if isinstance(error, RefusedError) or failures >= PATIENCE:
                    yield TriggerEvent({"error": type(error).__name__, "args": list(error.args)})
                    return
                continue
            except Exception as error:  # noqa: BLE001 - an exception here would start the trigger again, for ever
                said = f"the wait for an import broke off: {type(error).__name__}"
                yield TriggerEvent({"error": "TransientError", "args": ["Campaign", "", None, said]})
                return
            # Campaign writes while we look: what has grown since the last look is not whole (campaign.md §9).
            if over or (len(results) >= self.wait["expected"] > 0 and results == before):
                break
            before = results
        yield TriggerEvent({"waited": self.wait})

    def _look(self) -> tuple[bool, dict[str, int]]:
        """Whether the workflow has left its state, and the sizes of results and rejects."""
        from campaign_sync.hooks.campaign import CampaignHook
        from campaign_sync.hooks.campaign_files import DONE, REJECTS, CampaignFilesHook

        state = CampaignHook().workflows.read(self.wait["workflow"]).state
        if not self.wait["expected"]:
            return state != self.wait["state"], {}
        with CampaignFilesHook().session() as files:
            results = files.names(DONE, self.wait["results"])
            rejects = (
                files.names(REJECTS, self.wait["results"]) if len(results) >= self.wait["expected"] else {}
            )
        return state not in (self.wait["state"], "unknown"), results | rejects
