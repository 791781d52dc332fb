"""When a flow runs: the words `schedule` (by the clock) and `watch` (when something changed).

Cheap: every DAG file imports it. Not for making timetables (``flow.py``) or for looking (``watching.py``).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictStr, model_validator

from campaign_sync.mapping.wording import CLOSED, Wrong
from campaign_sync.mapping.yaml_lines import canonical

_CRON = re.compile(r"@(hourly|daily|weekly|monthly|quarterly|yearly)|(\S+ ){4}\S+")
_CRON_PART = re.compile(
    r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?)*"
)
_EVERY = re.compile(r"([0-9]{1,5}) ?([sm])")
_UNITS = {"s": "seconds", "m": "minutes"}

#: More often than each second is more than Dataverse grants several flows (dataverse.md §7).
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(hours=1)


def _a_schedule(text: str) -> str:
    if _CRON.fullmatch(text) and (text[0] == "@" or all(map(_CRON_PART.fullmatch, text.split()))):
        return text
    raise Wrong(
        f"{text!r} is not a schedule",
        'Write five cron parts such as "0 4 * * *", or @hourly, @daily …; or ~ for a flow that runs by hand only',
    )


def _a_watch(text: str) -> str:
    every = watch_interval(text)
    if text != "off" and (every is None or not SHORTEST <= every <= LONGEST):
        raise Wrong(f"{text!r} is not how often to look", "Write seconds or minutes (10s, 5m), or off")
    return text


def watch_interval(text: str) -> timedelta | None:
    """The time in "10s" or "5m"; None for anything else, such as "off"."""
    found = _EVERY.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


ScheduleText = Annotated[StrictStr, AfterValidator(_a_schedule)]
WatchText = Annotated[str, BeforeValidator(canonical, json_schema_input_type=str), AfterValidator(_a_watch)]


class Rhythm(BaseModel):
    """When a flow from Dynamics runs."""

    model_config = CLOSED

    schedule: ScheduleText | None = Field(
        default="@daily",
        description="When it runs by the clock, whether anything changed or not, as cron; empty: only by hand.",
    )
    watch: WatchText = Field(
        default="10s",
        description='How often Dynamics is asked whether anything changed, which starts a run: "10s", "5m"; "off".',
    )

    @model_validator(mode="before")
    @classmethod
    def _not_watched_without_a_schedule(cls, raw: Any) -> Any:
        # Written down, so that a mapping means the same when a run reads it again.
        by_hand = isinstance(raw, dict) and "schedule" in raw and raw["schedule"] is None
        return {"watch": "off", **raw} if by_hand else raw

    @model_validator(mode="after")
    def _watched_or_by_hand(self) -> Rhythm:
        if self.schedule is None and self.watch != "off":
            raise Wrong(
                "a flow without a schedule runs only by hand, and is not watched",
                "Leave schedule out (it has a default), or watch",
                at=("watch",),
            )
        return self

    @property
    def looks_every(self) -> timedelta | None:
        """The time between two looks for changes; None for a flow that is not watched."""
        return watch_interval(self.watch) if self.schedule is not None else None
