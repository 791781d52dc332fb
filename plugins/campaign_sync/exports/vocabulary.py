"""The words about export files that mappings of e-mail events and of opt-outs share, as models.

Cheap: every DAG file imports it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictStr

from campaign_sync.mapping.wording import CLOSED, Wrong, meant
from campaign_sync.mapping.yaml_lines import canonical

DELIMITERS = (";", ",", "|", "\t")

_SPAN = re.compile(r"([0-9]{1,4}) ?([hd])")
_MOMENT = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "SS": "%S"}


def _a_folder(path: str) -> str:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", path) or ".." in path:
        raise Wrong(f"{path!r} is not a folder of the SFTP area", "Write it such as d365_loads/exports")
    return path


def _a_pattern(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+\*[\w.-]*\.[a-z]+", text):
        raise Wrong(
            f"{text!r} is not a pattern of file names", 'Write one with a *, such as "broadlog_*.csv"'
        )
    return text


def _a_moment(text: str) -> str:
    if sorted(re.findall(r"YYYY|MM|DD|HH|mm|SS", text)) != sorted(_MOMENT) or "%" in text:
        raise Wrong(f"{text!r} is not a form of a time", 'Write it such as "YYYY-MM-DD HH:mm:SS"')
    return text


def _a_zone(text: str) -> str:
    try:
        if text == "localtime":  # whatever this machine has
            raise KeyError(text)
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # no such name, a path, a folder of names
        remedy = meant(text, available_timezones(), listing="Write a name such as Europe/Paris; there are")
        raise Wrong(f"there is no time zone {text!r}", remedy) from None
    return text


def _a_span(text: str) -> str:
    found = _SPAN.fullmatch(text)
    if not found or not int(found[1]):
        raise Wrong(f"{text!r} is not a time to wait", 'Write hours or days: "12h", "7d"')
    return text


def span(text: str) -> timedelta:
    """The time in "12h" or "7d"."""
    found = _SPAN.fullmatch(text)
    assert found
    return timedelta(**{{"h": "hours", "d": "days"}[found[2]]: int(found[1])})


ZoneText = Annotated[StrictStr, AfterValidator(_a_zone)]
FolderName = Annotated[StrictStr, AfterValidator(_a_folder)]
SpanText = Annotated[str, BeforeValidator(canonical, json_schema_input_type=str), AfterValidator(_a_span)]


class LogFiles(BaseModel):
    """Which export files hold a log, and what their columns are called."""

    model_config = CLOSED

    files: Annotated[StrictStr, AfterValidator(_a_pattern)] = Field(
        description="Names of the files, with one *: broadlog_*.csv. The same name with .gz is meant as well."
    )
    columns: dict[StrictStr, StrictStr] = Field(
        default={}, description="Our name of a column: its header in the file, where that differs."
    )

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names of the files; what is being written (.part) has another one."""
        return re.compile(re.escape(self.files).replace(r"\*", ".*") + r"(\.gz)?")


class ExportFiles(BaseModel):
    """Where Campaign's workflows leave their export files, and how these are written (campaign.md §8.2)."""

    model_config = CLOSED
    LOGS: ClassVar[tuple[str, ...]] = ()  # fields that name files

    folder: FolderName = Field(default="d365_loads/exports", description="Where the files arrive.")
    done: FolderName = Field(default="d365_loads/done", description="Where files go that were taken.")
    set_aside: FolderName = Field(
        default="d365_loads/rejects", description="Where files go that cannot be read."
    )
    delimiter: Literal[";", ",", "|", "\t"] = Field(default=";", description="Between two cells.")
    encoding: Literal["utf-8", "latin-1"] = Field(default="utf-8", description="Of the files.")
    datetime: Annotated[StrictStr, AfterValidator(_a_moment)] = Field(
        default="YYYY-MM-DD HH:mm:SS", description="How times are written."
    )
    time_zone: ZoneText = Field(
        default="UTC", description="In which time zone times are written, such as Europe/Paris."
    )
    expected_every: SpanText | None = Field(
        default=None,
        description='A run is red if the newest file of a log is older than this: "26h"; empty: no alarm.',
    )

    @property
    def alarm(self) -> timedelta | None:
        """After which time without a file people are told."""
        return span(self.expected_every) if self.expected_every else None

    @property
    def strptime(self) -> str:
        """The form of times in Python's words."""
        return re.sub("|".join(_MOMENT), lambda found: _MOMENT[found[0]], self.datetime)
