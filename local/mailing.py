"""A mailing from Campaign and what people do with it in the days after, played while the demonstration runs.

The flow believes in this machine's clock and refuses events of the future, so the mailing went out eight days ago: the
sandbox's clock is set back while its export workflows write, and is right again before any flow runs.
Not for what should become of it in Dynamics (`expected_events`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from local.expected_events import Event, events
from local.sandbox_api import SandboxApi

FLOW = "email_events_to_activities"
WORKFLOWS = ("WKF102", "WKF103")
MIRROR = {"label": "mirrorUrl", "expression": "[broadLog/@mirrorUrl]"}
#: As docs/export_workflows.md has them; without a scheduler, as the demonstration has no four hours.
DECLARED: tuple[dict[str, Any], ...] = (
    {
        "id": "WKF102", "kind": "broadlog", "state": "started", "every_minutes": 0,
        "columns": [
            "broadLogId", "externalId", "eventDate", "status", "failureType", "failureReason", "deliveryType",
            "deliveryName", "campaignName", "isProof", "mirrorUrl",
        ],
    },
    {
        "id": "WKF103", "kind": "tracking", "state": "started", "every_minutes": 0, "mode": "window",
        "columns": [
            "trackingLogId", "externalId", "logDate", "urlType", "url", "deliveryName", "campaignName", MIRROR,
        ],
    },
)  # fmt: skip
MOST = 500  # mails, however many people there are
AGO = timedelta(days=8)


class Mailing:
    """One delivery, its reactions, and the events that the export workflows have had before them so far."""

    def __init__(self, sandbox: SandboxApi) -> None:
        self.events: dict[tuple[str, int], Event] = {}
        self._sandbox = sandbox
        # Tracking comes into the database at full ten minutes: every step is five away from these.
        self._begin = datetime.fromtimestamp((time.time() // 600) * 600 + 300, UTC) - AGO

    def first_day(self) -> str:
        """Send it; a day later both workflows write a file."""
        self._sandbox.control("PUT", "/sandbox/switches", {"campaign.mirror_url": "public"})
        with self._after(timedelta()):
            mailing = {
                "delivery": {"name": "DM412", "campaign": {"name": "2026SpringCruise"}},
                "count": MOST,
                "days": 1.5,
                "shares": {"hard": 0.03, "hard_later": 0.04, "clicks": 0.15, "late": 0.05},
            }
            self._sandbox.control("POST", "/sandbox/campaign/mailings", mailing)
            for declared in DECLARED:
                self._sandbox.control("POST", "/sandbox/campaign/exports", declared)
        with self._after(timedelta(days=1)):
            deliveries = self._export(*WORKFLOWS)
            # As if the latest row had come in the last second before the export: it will come again.
            boundary = max(row["lastModified"] for row in deliveries)
            self._sandbox.control(
                "POST", "/sandbox/campaign/exports", {"id": "WKF102", "last_date": boundary}
            )
        return f"{len(deliveries):,} mails of last week, their first day in files"

    def later(self) -> str:
        """Two files more: what was opened and clicked in two days, and the bounces of the whole week."""
        with self._after(timedelta(hours=46)):  # the window of 48 hours has all of them
            self._export("WKF103")
        with self._after(timedelta(days=7, hours=22)):
            self._export("WKF102")
        return "the rest of that week in files, much of it for the second time"

    @contextlib.contextmanager
    def _after(self, passed: timedelta) -> Iterator[None]:
        self._sandbox.clock({"set": (self._begin + passed).isoformat()})
        try:
            yield
        finally:
            self._sandbox.clock({"reset": True})

    def _export(self, *workflows: str) -> list[dict[str, Any]]:
        """Have workflows write their files, remember which events were to be seen, return the delivery logs."""
        for each in workflows:
            self._sandbox.control("POST", "/sandbox/campaign/exports/run", {"id": each, "wait": 60})
        deliveries, tracking = self._sandbox.logs("broadLogRcp"), self._sandbox.logs("trackingLogRcp")
        self.events = events(deliveries, tracking) | self.events  # a row that turns was something else before
        return deliveries
