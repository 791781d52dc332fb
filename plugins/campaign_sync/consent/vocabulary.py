"""The words of a mapping of opt-outs, as models (O1, O2): the file that has `pairs`.

Cheap: every DAG file imports it. What the words share with the other kinds of mapping is in ``mapping`` and ``events``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
)

from campaign_sync.consent.rule import TO_DYNAMICS
from campaign_sync.exports.vocabulary import ExportFiles, LogFiles, SpanText, span
from campaign_sync.mapping.conditions import Filter
from campaign_sync.mapping.expectations import Check, as_list, columns_named
from campaign_sync.mapping.limits import OptOutGuard, Reconcile
from campaign_sync.mapping.rhythm import Rhythm, ScheduleText
from campaign_sync.mapping.wording import CLOSED, ColumnName, Wrong, meant
from campaign_sync.schema import OPT_OUTS, opt_out

Direction = Literal["disabled", "to_campaign", "to_dynamics", "both"]

CONTACT, MODIFIED, SINCE = "externalId", "lastModified", "LastModified"

#: What a person switches on in the form to be asked about the opt-ins that wait.
DECIDE = "decide"

#: How long that person may take at most, as a mapping writes it: opt-outs of later runs wait meanwhile.
AT_MOST = "15m"


def _an_attribute(name: str) -> str:
    found = opt_out(name)
    if found is None:
        raise Wrong(
            f"{name} is not an opt-out attribute of a profile", meant(name, OPT_OUTS, listing="There are")
        )
    return found


def _only_no(value: Any) -> Any:
    if value != "no":
        raise Wrong("an empty cell stands for no, or for nothing", 'Write  empty: "no", or remove the entry')
    return value


AttributeName = Annotated[StrictStr, AfterValidator(_an_attribute)]


class Pair(BaseModel):
    """The column of Dynamics that belongs to an attribute of Campaign, whose true always means no."""

    model_config = CLOSED

    column: ColumnName = Field(description="Logical name of a boolean column, such as donotbulkemail.")
    no_is: StrictBool = Field(
        description="Which value of the column means that the person objects: true for the donot… columns."
    )

    @property
    def meaning(self) -> str:
        """How Dynamics says no, by which the ledger knows a pair again."""
        return f"{self.column} is {str(self.no_is).lower()}"

    @field_validator("no_is")
    @classmethod
    def _built_in_columns_say_no(cls, no_is: bool, info: ValidationInfo) -> bool:
        column = info.data.get("column", "")
        if column.startswith("donot") and not no_is:
            raise Wrong(
                f"{column} is true where the person objects",
                "Write no_is: true (Allow is false, Do Not Allow true)",
            )
        return no_is


class Empty(BaseModel):
    """What an empty cell stands for; without it, for nothing said."""

    model_config = CLOSED

    empty: Annotated[Literal["no"], BeforeValidator(_only_no)] = Field(
        description='"no": whoever says nothing objects. Never yes.'
    )


class Extract(ExportFiles):
    """Where both sides are read."""

    LOGS: ClassVar[tuple[str, ...]] = ("opt_outs",)

    table: ColumnName = Field(description="Logical name of the table, such as contact.")
    opt_outs: LogFiles = Field(
        default=LogFiles(files="optout_*.csv"), description="Export files of profiles with their opt-outs."
    )
    expected_every: SpanText | None = Field(
        default="26h",
        description='A run is red when no file came for this long: "26h"; empty: no alarm.',
    )

    @field_validator("opt_outs")
    @classmethod
    def _known_columns(cls, files: LogFiles) -> LogFiles:
        known = [CONTACT, MODIFIED, *OPT_OUTS, *(f"{each}{SINCE}" for each in OPT_OUTS)]
        columns = {}
        for name, header in files.columns.items():
            column = own_name(name)
            if column not in known:
                raise Wrong(
                    f"{name} is not a column of these files", meant(name, known), at=("columns", name)
                )
            columns[column] = header
        return LogFiles(files=files.files, columns=columns)


class OptOutCheck(Check):
    """One Great Expectations expectation on the attributes. It takes no row out: a no would be lost with it."""

    otherwise: Literal["stop", "warn"] = Field(default="warn", description="Stop the run, or warn.")


class Load(BaseModel):
    """Where Campaign's side is written; nothing is ever created there."""

    model_config = CLOSED

    resource: Literal["profile"] = Field(description="The resource that has the attributes: profile.")
    parallel: StrictInt | None = Field(
        default=None, ge=1, le=64, description="REST calls side by side; default: what the connection says."
    )


class OptOutReconcile(Reconcile):
    """When a run of opt-outs is no longer a good run."""

    told_within: SpanText | None = Field(
        default="48h",
        description='A run is red when somebody waits for longer to be told a no: "48h", "7d"; empty: no alarm.',
    )

    @property
    def patience(self) -> timedelta | None:
        """How long somebody may wait to be told a no."""
        return span(self.told_within) if self.told_within else None


class OptOutVocabulary(Rhythm):
    """A mapping of consent: which attribute of Campaign and which column of Dynamics say the same."""

    direction: Direction = Field(
        description="Which side is written: disabled (none), to_campaign, to_dynamics, both."
    )
    description: StrictStr = Field(description="One sentence for the people who see this flow in Airflow.")
    owner: StrictStr = Field(default="airflow", description="Who is asked when it fails.")
    schedule: ScheduleText | None = Field(
        default="*/10 * * * *",
        description="When it runs by the clock, and looks for export files, as cron; empty: only by hand.",
    )
    conflict: Literal["record", "attribute"] = Field(
        default="record",
        description="When Dynamics said something: when the record was last changed, or when the value was.",
    )
    extract: Extract = Field(description="What is read.")
    pairs: dict[AttributeName, Pair] = Field(
        description="Attribute of Campaign: column of Dynamics.",
        json_schema_extra={
            "minProperties": 1,
            "propertyNames": {
                "enum": [*OPT_OUTS, *(each.replace("deny", "black", 1) for each in OPT_OUTS[:-1])]
            },
        },
    )
    filter: Filter | None = Field(
        default=None, description="Which contacts' consent is ours to keep in step; without it, everybody's."
    )
    replace: dict[AttributeName, Empty] = Field(
        default={}, description="What an empty cell of either side stands for, by attribute."
    )
    check: tuple[OptOutCheck, ...] = Field(
        default=(), description="Great Expectations on the attributes, before anything is told."
    )
    load: Load = Field(description="Where Campaign's side is written.")
    guard: OptOutGuard = Field(
        default=OptOutGuard(opt_outs="500 or 5%", opt_ins="0", waits="24h"),
        description="How many people's consent a run may change before a person is asked.",
    )
    reconcile: OptOutReconcile = Field(
        default=OptOutReconcile(rejected_at_most=None), description="When a run is good enough."
    )

    @property
    def writes_dynamics(self) -> bool:
        """Whether Dynamics is written, and so Campaign's export files are read."""
        return self.direction in TO_DYNAMICS

    def meanings(self) -> dict[str, str]:
        """How Dynamics says no, by attribute."""
        return {attribute: pair.meaning for attribute, pair in self.pairs.items()}

    def headers(self) -> dict[str, tuple[str, ...]]:
        """The columns that an export file must have, with the headers that each may have: our name of a column is an
        attribute's, or ``externalId``. The times beside them may be missing (``times``).
        """
        return {name: self._header(name) for name in (CONTACT, *self.pairs)}

    def times(self) -> dict[str, tuple[str, ...]]:
        """The columns of times: ``<attribute>LastModified`` of each pair, and ``lastModified``."""
        return {name: self._header(name) for name in (*(f"{each}{SINCE}" for each in self.pairs), MODIFIED)}

    def _header(self, name: str) -> tuple[str, ...]:
        told = self.extract.opt_outs.columns.get(name)
        usual = dict.fromkeys((name.replace("denyList", "blackList", 1), name))
        return (told,) if told is not None else tuple(usual)

    @field_validator("pairs", "replace", mode="before")
    @classmethod
    def _one_spelling(cls, entries: Any) -> Any:
        seen: dict[str | None, str] = {}
        for name in entries if isinstance(entries, dict) else ():
            attribute = opt_out(str(name))
            if attribute and attribute in seen:
                raise Wrong(
                    f"{name} is {seen[attribute]}, which is there already", "Remove one of them", at=(name,)
                )
            seen[attribute] = str(name)
        return entries

    @field_validator("pairs")
    @classmethod
    def _one_column_each(cls, pairs: dict[str, Pair], info: ValidationInfo) -> dict[str, Pair]:
        if not pairs:
            raise Wrong("nothing is paired", "Write lines such as  denyListEmail: {column: …, no_is: true}")
        seen: dict[str, str] = {}
        for attribute, pair in pairs.items() if info.data.get("direction") in TO_DYNAMICS else ():
            if pair.column in seen:
                problem = f"{pair.column} is paired twice, also with {seen[pair.column]}"
                remedy = "Where Dynamics is written, a column belongs to one attribute"
                raise Wrong(problem, remedy, at=(attribute, "column"))
            seen[pair.column] = attribute
        return pairs

    @field_validator("replace")
    @classmethod
    def _replaces_what_is_paired(cls, replace: dict[str, Empty], info: ValidationInfo) -> dict[str, Empty]:
        pairs = info.data.get("pairs") or {}
        for attribute in replace if pairs else ():
            if attribute not in pairs:
                raise Wrong(
                    f"{attribute} has no pair", meant(attribute, pairs, listing="Paired are"), at=(attribute,)
                )
        return replace

    @field_validator("filter")
    @classmethod
    def _takes_nothing_back(cls, filter: Filter | None) -> Filter | None:
        if filter is not None and filter.filtered_out != "keep":
            raise Wrong("consent is never taken back", "Remove filtered_out", at=("filtered_out",))
        return filter

    @field_validator("check")
    @classmethod
    def _checks_what_is_paired(
        cls, checks: tuple[OptOutCheck, ...], info: ValidationInfo
    ) -> tuple[OptOutCheck, ...]:
        pairs = info.data.get("pairs") or {}
        seen: set[str] = set()
        for number, check in enumerate(checks):
            for column in columns_named(check.arguments) if pairs else ():
                if column not in pairs:
                    where = next(name for name, value in check.arguments.items() if column in as_list(value))
                    remedy = meant(opt_out(column) or column, pairs, listing="Paired are")
                    raise Wrong(f"{column} has no pair", remedy, at=(number, where))
            if check.label in seen:
                raise Wrong(
                    f"two checks are called {check.label!r}", "Give one of them another name:", at=(number,)
                )
            seen.add(check.label)
        return checks


def own_name(column: str) -> str:
    """Our name of a column of an export file, whichever spelling it is written in."""
    attribute = opt_out(column.removesuffix(SINCE))
    if attribute is None:
        return column
    return f"{attribute}{SINCE}" if column.endswith(SINCE) else attribute
