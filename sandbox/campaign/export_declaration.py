"""What a customer has built inside an export workflow, read from one declaration in JSON (campaign.md §8.2).

What a declaration does not say is as Campaign has it when nobody touches it: tabs, no quotes, no stamp, the
operator's dates. A declaration of `columns` is filled in as a careful integrator would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

ENCODINGS = ("latin-1", "utf-8")
MODES = ("date", "exclude", "window")
LEAST_MINUTES = 10  # §7.4: a scheduler runs not more often

_OPT_OUTS = ("blackList", "blackListEmail", "blackListMobile", "blackListPhone", "blackListFax",
             "blackListPostalMail")  # fmt: skip
_DELIVERY = {
    "deliveryName": "[delivery/@name]", "deliveryLabel": "[delivery/@label]",
    "campaignName": "[delivery/campaign/@name]", "campaignLabel": "[delivery/campaign/@label]",
}  # fmt: skip


def _own(*names: str) -> dict[str, str]:
    return {name: f"@{name}" for name in names}


@dataclass(frozen=True)
class Kind:
    """What the export of a table usually is: headers and expressions, and by which date it is incremental."""

    resource: str
    file: str
    date: str
    columns: Mapping[str, str]


KINDS = {
    "optout": Kind("profile", "optout", "lastModified", {  # §8.3
        **_own("externalId", "acsId", *_OPT_OUTS, "blackListPushnotification", "ccpaOptOut",
               *(f"{flag}LastModified" for flag in (*_OPT_OUTS, "ccpaOptOut")), "lastModified"),
    }),
    "broadlog": Kind("broadLogRcp", "broadlog", "lastModified", {  # §8.4
        "broadLogId": "@id", "externalId": "[profile/@externalId]",
        **_own("eventDate", "contactDate", "lastModified", "address", "status", "failureType", "failureReason",
               "deliveryType"),
        **_DELIVERY, "isProof": "[delivery/@FCP]", **_own("variant", "mirrorUrl"),
    }),
    "tracking": Kind("trackingLogRcp", "tracking", "logDate", {  # §8.4
        "trackingLogId": "@id", "broadLogId": "@broadLog-id", "externalId": "[profile/@externalId]",
        "logDate": "@logDate", "urlType": "[url/@type]", "urlId": "@url-id", "url": "[url/@sourceURL]",
        "urlLabel": "[url/@label]", **_own("sourceType", "trackedDevice"), **_DELIVERY,
    }),
}  # fmt: skip


@dataclass(frozen=True)
class Extract:
    """The Extract file activity; `columns` are pairs of label and expression."""

    columns: tuple[tuple[str, str], ...] = ()
    separator: str = "\t"
    quote: str = ""
    encoding: str = "utf-8"
    date_format: str = "DD/MM/YYYY HH:mm:SS"  # U: undefined until somebody sets it
    time_zone: str = "Europe/Paris"  # the operator's, who is not in Greenwich
    labels: bool = False  # instead of internal values
    sort: bool = False
    no_file_if_empty: bool = False
    gzip: bool = False
    name: str = "export"
    extension: str = ".txt"
    stamp: bool = False


@dataclass(frozen=True)
class Export:
    """One export workflow, from Scheduler to End."""

    id: str
    kind: str
    extract: Extract
    label: str = ""
    state: str = "edition"
    every_minutes: int = 0  # no scheduler: it runs when it is told to
    mode: str = "date"
    date_field: str = ""
    window_hours: float = 48.0
    folder: str = "d365_loads/exports"


CAREFUL = {
    "separator": ";", "quote": '"', "date_format": "YYYY-MM-DD HH:mm:SS", "time_zone": "UTC", "sort": True,
    "extension": ".csv", "stamp": True,
}  # fmt: skip


def read_export(declared: Mapping[str, Any]) -> Export:
    """Return a workflow from its declaration; raise ValueError for what makes no sense."""
    asked = {k: v for k, v in declared.items() if k not in ("tenant", "last_date")}
    _one_of(asked.get("kind"), tuple(KINDS), "kind")
    kind = KINDS[asked["kind"]]
    extract = {"name": kind.file, **(asked.pop("extract", None) or {})}
    if "columns" in asked:
        extract = {**CAREFUL, **extract, "columns": asked.pop("columns")}
    _only(asked, tuple(Export.__dataclass_fields__), "an export")
    _only(extract, tuple(Extract.__dataclass_fields__), "extract")
    extract["columns"] = tuple(_column(c, kind) for c in _all(extract.get("columns"), kind))
    made = Export(**asked, extract=Extract(**extract))
    _check(made)
    return made


def _all(columns: Any, kind: Kind) -> list[Any]:
    if columns == "all":
        return [*kind.columns]
    if not isinstance(columns, list) or not columns:
        raise ValueError('an export has columns: "all", or a list of headers or of {"label", "expression"}')
    return columns


def _column(declared: Any, kind: Kind) -> tuple[str, str]:
    """Return label and expression; one of the usual headers is both."""
    if isinstance(declared, str):
        if declared not in kind.columns:
            raise ValueError(f"{declared} is not among the usual columns: {', '.join(kind.columns)}")
        return declared, kind.columns[declared]
    _only(declared, ("label", "expression"), "a column")
    return str(declared["label"]), str(declared["expression"])


def _check(made: Export) -> None:
    extract = made.extract
    if len(extract.separator) != 1 or len(extract.quote) > 1:
        raise ValueError("separator is one character, quote one or none")
    _one_of(extract.encoding, ENCODINGS, "encoding")
    _one_of(extract.extension, (".txt", ".csv"), "extension")
    _one_of(made.mode, MODES, "mode")
    if made.every_minutes and made.every_minutes < LEAST_MINUTES:
        raise ValueError(f"a scheduler runs every {LEAST_MINUTES} minutes at most")
    try:
        ZoneInfo(extract.time_zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {extract.time_zone}") from None


def _one_of(value: Any, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def _only(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{what} has no setting {', '.join(unknown)}; it has {', '.join(known)}")
