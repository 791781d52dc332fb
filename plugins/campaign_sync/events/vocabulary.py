"""The words of a mapping that brings e-mail events to Dynamics, as models (``direction: to_dynamics``).

Cheap: every DAG file imports it. What the words share with mappings in the other direction is in ``mapping``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from string import Formatter
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from campaign_sync.events.kinds import BOUNCE, CLICK, KINDS, OPEN, SEND
from campaign_sync.exports.vocabulary import ExportFiles, LogFiles, SpanText, span
from campaign_sync.mapping.conditions import Filter, conditions
from campaign_sync.mapping.expectations import Check, as_list, columns_named
from campaign_sync.mapping.limits import Reconcile
from campaign_sync.mapping.rhythm import ScheduleText
from campaign_sync.mapping.vocabulary import Replacement
from campaign_sync.mapping.wording import CLOSED, ColumnName, Wrong, meant
from campaign_sync.schema import Column, TableSchema

SUBJECT = "Campaign Name: {campaign}; Delivery Name: {delivery}"  # campaign.md §12.3

#: Header of the export file by our own name of the column (campaign.md §8.4); these must be there.
DELIVERY_COLUMNS = {
    "log_id": "broadLogId", "contact": "externalId", "happened": "eventDate", "status": "status",
    "failure_type": "failureType", "failure_reason": "failureReason", "message_type": "deliveryType",
    "delivery": "deliveryName", "campaign": "campaignName", "proof": "isProof",
}  # fmt: skip
TRACKING_COLUMNS = {
    "log_id": "trackingLogId", "contact": "externalId", "happened": "logDate", "url_type": "urlType", "url": "url",
    "delivery": "deliveryName", "campaign": "campaignName",
}  # fmt: skip

#: … and these may be missing, unless a mapping names them.
OPTIONAL_COLUMNS = {
    "delivery_label": "deliveryLabel", "campaign_label": "campaignLabel", "mirror_url": "mirrorUrl",
    "variant": "variant", "url_label": "urlLabel", "device": "trackedDevice", "message_type": "deliveryType",
    "proof": "isProof",
}  # fmt: skip

KINDS_OF = {"delivery_logs": (SEND, BOUNCE), "tracking_logs": (OPEN, CLICK)}

#: What every event has, and what filters, checks, replacements and activities may name.
EVENT_COLUMNS = (
    "kind", "contact", "happened", "campaign", "campaign_label", "delivery", "delivery_label", "url", "url_label",
    "mirror_url", "device", "variant",
)  # fmt: skip

#: What is said about an event, and may be written otherwise than it was said.
TEXTS = tuple(name for name in EVENT_COLUMNS if name not in ("kind", "contact", "happened"))


def events_table() -> TableSchema:
    """Events as a table, for conditions."""
    columns = {
        name: Column(name, "DateTime" if name == "happened" else "String", property=name)
        for name in EVENT_COLUMNS
    }
    return TableSchema("events", "events", "event", columns)


def a_template(text: str) -> str:
    """A text with what of an event stands in braces; raises Wrong for anything else in them."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise Wrong("a brace too many or too few", f"Write it such as {SUBJECT!r}") from None
    for _, name, form, conversion in parts:
        if name is not None and (name not in TEXTS or form or conversion):
            raise Wrong(f"events have no {name!r} for a subject", meant(name, TEXTS, listing="They have"))
    return text


class Extract(ExportFiles):
    """The files of the two logs."""

    LOGS: ClassVar[tuple[str, ...]] = ("delivery_logs", "tracking_logs")

    delivery_logs: LogFiles = Field(
        default=LogFiles(files="broadlog_*.csv"), description="Files of delivery logs: sends and bounces."
    )
    tracking_logs: LogFiles = Field(
        default=LogFiles(files="tracking_*.csv"), description="Files of tracking logs: opens and clicks."
    )

    @field_validator("delivery_logs", "tracking_logs")
    @classmethod
    def _known_columns(cls, log: LogFiles, info: object) -> LogFiles:
        known = headers_of(getattr(info, "field_name", ""))
        for name in log.columns:
            if name not in known:
                raise Wrong(f"{name} is not a column of this log", meant(name, known), at=("columns", name))
        return log


def headers_of(log: str) -> dict[str, str]:
    """Every column that a log may have, with its usual header; `log` is delivery_logs or tracking_logs."""
    required = DELIVERY_COLUMNS if log == "delivery_logs" else TRACKING_COLUMNS
    return OPTIONAL_COLUMNS | required


class Activities(BaseModel):
    """The activity table of one kind of event, and its columns."""

    model_config = CLOSED

    table: ColumnName = Field(description="Logical name of the custom activity table.")
    columns: dict[ColumnName, StrictStr] = Field(
        description="Column of the table: what of the event goes there."
    )

    @field_validator("columns")
    @classmethod
    def _of_the_event(cls, columns: dict[str, str]) -> dict[str, str]:
        for column, source in columns.items():
            if source not in EVENT_COLUMNS:
                raise Wrong(
                    f"events have no {source}",
                    meant(source, EVENT_COLUMNS, listing="They have"),
                    at=(column,),
                )
        return columns


class Reactions(Activities):
    """The activity table of what a contact may do many times with one e-mail."""

    only: Literal["first"] | None = Field(
        default=None,
        description="first: one activity per contact and delivery, the first that comes; left out: one each time.",
    )


class Map(BaseModel):
    """Which events become activities; a kind that is left out is switched off (E1)."""

    model_config = CLOSED

    subject: StrictStr = Field(
        default=SUBJECT, description="The subject; {campaign} and the like are filled in."
    )
    send: Activities | None = Field(default=None, description="An e-mail that was sent.")
    open: Reactions | None = Field(default=None, description="An e-mail that was opened.")
    click: Reactions | None = Field(default=None, description="A link that was clicked.")
    bounce: Activities | None = Field(default=None, description="An address to which no e-mail can be sent.")

    @property
    def logs(self) -> list[str]:
        """The logs that hold a kind that is switched on."""
        return [log for log, kinds in KINDS_OF.items() if not self.kinds.keys().isdisjoint(kinds)]

    @property
    def kinds(self) -> dict[str, Activities]:
        """The kinds that are switched on."""
        return {kind: each for kind in KINDS if (each := getattr(self, kind)) is not None}

    @property
    def only_first(self) -> list[str]:
        """The kinds of which only the first per contact and delivery is wanted."""
        return [kind for kind, each in self.kinds.items() if isinstance(each, Reactions) and each.only]

    @field_validator("subject")
    @classmethod
    def _known_names(cls, subject: str) -> str:
        return a_template(subject)

    @model_validator(mode="after")
    def _something(self) -> Map:
        if not self.kinds:
            raise Wrong(
                "every kind of event is switched off", "Map at least one of send, open, click, bounce"
            )
        return self


class Load(BaseModel):
    """How activities are written."""

    model_config = CLOSED

    unknown_contacts: SpanText = Field(
        default="7d",
        description='How long an event waits for a contact that Dynamics does not know: "12h", "7d".',
    )

    @property
    def waits(self) -> timedelta:
        """How long an event waits for its contact."""
        return span(self.unknown_contacts)


class FollowUp(BaseModel):
    """A task for the contact's owner."""

    model_config = CLOSED

    subject: Annotated[StrictStr, AfterValidator(a_template)] = Field(
        description="The task's subject; {campaign} and the like are filled in."
    )
    due: SpanText = Field(default="3d", description='When it is due: "8h", "3d" after it is made.')
    per_owner_and_day: StrictInt = Field(
        default=20, ge=1, description="Tasks of this reason that an owner gets in a day, at most."
    )

    @property
    def time(self) -> timedelta:
        """The time there is to do it."""
        return span(self.due)


class Tasks(BaseModel):
    """Which events become follow-up tasks (E4); a kind that is left out makes none."""

    model_config = CLOSED

    click: FollowUp | None = Field(default=None, description="Somebody clicked.")
    bounce: FollowUp | None = Field(default=None, description="An address has to be corrected.")

    @property
    def kinds(self) -> dict[str, FollowUp]:
        """The kinds that make tasks."""
        both = {"click": self.click, "bounce": self.bounce}
        return {kind: each for kind, each in both.items() if each is not None}


class EventVocabulary(BaseModel):
    """A mapping of e-mail events to activities in Dynamics."""

    model_config = CLOSED

    direction: Literal["to_dynamics"] = Field(description="Tells this kind of mapping from the others.")
    description: StrictStr = Field(description="One sentence for the people who see this flow in Airflow.")
    owner: StrictStr = Field(default="airflow", description="Who is asked when it fails.")
    schedule: ScheduleText | None = Field(
        default="*/15 * * * *", description="When it looks for files, as cron; empty: only by hand."
    )
    extract: Extract = Field(default=Extract(), description="The files.")
    filter: Filter | None = Field(
        default=None, description="Which events are ours to bring; without it, all."
    )
    map: Map = Field(description="Kinds of events: their activity tables.")
    replace: dict[StrictStr, Replacement] = Field(
        default={}, description="Source value: value to write, by what of the event it is."
    )
    check: tuple[Check, ...] = Field(
        default=(), description="Great Expectations on the events, before anything is loaded."
    )
    load: Load = Field(default=Load(), description="How activities are written.")
    tasks: Tasks = Field(
        default=Tasks(), description="Follow-up tasks; leave it out where the AppSource app makes them."
    )
    reconcile: Reconcile = Field(
        default=Reconcile(rejected_at_most=None), description="When a run is good enough."
    )

    @field_validator("filter")
    @classmethod
    def _of_events(cls, filter: Filter | None) -> Filter | None:
        if filter is None:
            return None
        if filter.filtered_out != "keep":
            raise Wrong("activities are never taken back", "Remove filtered_out", at=("filtered_out",))
        for path, each in conditions(filter.root):
            if each.column not in EVENT_COLUMNS:
                remedy = meant(each.column, EVENT_COLUMNS, listing="They have")
                raise Wrong(f"events have no {each.column}", remedy, at=(*path, "column"))
        return filter

    @field_validator("replace")
    @classmethod
    def _replaces_texts(cls, replace: dict[str, Replacement]) -> dict[str, Replacement]:
        for name in replace:
            if name not in TEXTS:
                raise Wrong(f"{name} cannot be replaced", meant(name, TEXTS, listing="These can"), at=(name,))
        return replace

    @field_validator("tasks")
    @classmethod
    def _tasks_of_what_is_mapped(cls, tasks: Tasks, info: ValidationInfo) -> Tasks:
        for kind in tasks.kinds if "map" in info.data else ():
            if kind not in info.data["map"].kinds:
                raise Wrong(f"{kind} is switched off", f"Map it, or remove its tasks: map.{kind}", at=(kind,))
        return tasks

    @field_validator("check")
    @classmethod
    def _checks_events(cls, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        known = (*EVENT_COLUMNS, "subject")
        seen: set[str] = set()
        for number, check in enumerate(checks):
            for column in columns_named(check.arguments):
                if column not in known:
                    where = next(name for name, value in check.arguments.items() if column in as_list(value))
                    raise Wrong(
                        f"events have no {column}",
                        meant(column, known, listing="They have"),
                        at=(number, where),
                    )
            if check.label in seen:
                raise Wrong(
                    f"two checks are called {check.label!r}", "Give one of them another name:", at=(number,)
                )
            seen.add(check.label)
        return checks

    def written_texts(self) -> Iterator[str]:
        """What of an event is written somewhere, and may be too long for its column."""
        sources = {source for each in self.map.kinds.values() for source in each.columns.values()}
        yield from (name for name in TEXTS if name in sources)
