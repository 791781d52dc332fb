"""What a run reads: the change feed, what was modified between two times, or everything. Pure.

Not for reading (``hooks/dataverse.py``) and not for remembering the place in the change feed (``ledger/ledger.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from campaign_sync.errors import RefusedError

if TYPE_CHECKING:
    from campaign_sync.ledger.ledger import Place

TRIGGER = "run this flow again from the trigger form"


@dataclass(frozen=True)
class Window:
    """What one run reads, and what it may do with the place in the change feed."""

    kind: Literal["changes", "modified", "everything"]
    link: str | None = None  # changes: the delta link to follow; None reads the feed from its beginning
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    force: bool = False  # send again even what has not changed (I12, I13)
    dry_run: bool = False
    moves_place: bool = False  # the read ends with a delta link that becomes the flow's place
    opens_place: bool = False  # remember, before anything is written, that a first full read is under way
    # A read from the beginning lists no deletions (dataverse.md §4.2), so it is compared with the ledger. "keys": all
    # rows go on, and deletions of those no longer there; "versions": of the rows, those that differ (I15).
    compares: Literal["nothing", "keys", "versions"] = "nothing"

    @property
    def text(self) -> str:
        """The window in words, for logs and reports."""
        feed = "changes since the last run" if self.link else "everything, as the start of the change feed"
        if self.compares == "versions":
            feed = "everything, compared with what is known, because the place in the change feed has expired"
        said = {
            "changes": feed,
            "modified": f"modified between {_text(self.since)} and {_text(self.until)}, sent again",
            "everything": "everything, sent again",
        }[self.kind]
        first = f", the first {self.limit:,} rows only" if self.limit else ""
        return f"{said}{first}{', dry run' if self.dry_run else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the run folder."""
        times = {"since": _text(self.since) or None, "until": _text(self.until) or None}
        return asdict(self) | times

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Window:
        """The window that :meth:`as_dict` wrote."""
        times = {name: datetime.fromisoformat(stored[name]) for name in ("since", "until") if stored[name]}
        return cls(**{**stored, **times})


def choose_window(
    run_type: str,
    params: Mapping[str, Any],
    interval: tuple[datetime, datetime] | None,
    place: Place | None,
    *,
    ledger_empty: bool,
) -> Window:
    """The window of a run, from how it was started, what its form says and where the flow stands.

    :param interval: the run's data interval; only a backfill reads it (the trigger dialog makes one up).
    :param ledger_empty: nothing was ever written by this flow.
    """
    replay, dry_run = _flag(params, "replay"), _flag(params, "dry_run")
    since, until, limit = _time(params, "since"), _time(params, "until"), _limit(params)
    if replay and (since or until):
        raise _refused("replay and since/until exclude each other", f"Choose one of them and {TRIGGER}")
    if run_type == "backfill":
        if replay or since or until:
            raise _refused(
                "a backfill reads its own data interval, not replay, since or until",
                "Start the backfill without them in its configuration",
            )
        window = _between(*_backfill_interval(interval))
    elif since or until:
        window = _between(*_both(since, until))
    elif replay:
        unplaced = place is None or place.state != "placed"
        window = Window("everything", force=True, moves_place=unplaced)
    else:
        window = _changes(place, ledger_empty)
    return _with_place(replace(window, limit=limit, dry_run=dry_run), place, ledger_empty)


def _changes(place: Place | None, ledger_empty: bool) -> Window:
    # Never start from zero silently: nobody knows how long the place has been lost, nor why.
    if place is None and not ledger_empty:
        raise _refused(
            "this flow has written rows before but its place in the change feed is lost",
            "Trigger the flow with replay switched on: it reads everything, finds what was deleted "
            "meanwhile, and takes a new place",
        )
    link = place.delta_link if place else None
    if place is not None and place.state == "expired":
        return Window("changes", link=link, moves_place=True, compares="versions")
    return Window("changes", link=link, moves_place=True)


def _between(since: datetime, until: datetime) -> Window:
    if since >= until:
        problem = f"since ({_text(since)}) is not before until ({_text(until)})"
        raise _refused(problem, f"Give an earlier since and {TRIGGER}")
    return Window("modified", since=since, until=until, force=True)


def _with_place(window: Window, place: Place | None, ledger_empty: bool) -> Window:
    # A part of the rows, or a run that writes nothing, says nothing about the rest of the feed.
    moves = window.moves_place and not window.limit and not window.dry_run
    # On a flow that never ran, any run that writes makes the ledger non-empty: without an open place the next
    # scheduled run would take the place for lost.
    fresh = place is None and ledger_empty
    # A place that heals stays expired until reconcile moves it: a run that is killed meanwhile is healed by the next.
    unplaced = moves and (place is None or place.state != "placed") and window.compares == "nothing"
    window = replace(window, moves_place=moves, opens_place=not window.dry_run and (fresh or unplaced))
    # From the beginning once more, beside a filled ledger: after a first read that did not end, or a replay.
    again = window.compares == "nothing" and window.link is None and moves and not ledger_empty
    return replace(window, compares="keys") if again else window


def _backfill_interval(interval: tuple[datetime, datetime] | None) -> tuple[datetime, datetime]:
    # airflow.md §5: a cron string has no interval in Airflow 3; CronDataIntervalTimetable has.
    if interval is None or interval[0] >= interval[1]:
        raise _refused(
            "this backfill run has no data interval",
            "Give the flow a schedule in its mapping file, or trigger it with since and until",
        )
    return interval


def _both(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    if since is None or until is None:
        given, missing = ("since", "until") if since else ("until", "since")
        raise _refused(f"{given} is given without {missing}", f"Give both and {TRIGGER}")
    return since, until


def _time(params: Mapping[str, Any], name: str) -> datetime | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _refused(
            f"{name} is not a time", f"Write it like 2026-11-20T06:30:00Z (no zone means UTC) and {TRIGGER}"
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _limit(params: Mapping[str, Any]) -> int | None:
    value = params.get("limit")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise _refused("limit is not a whole number of rows, 1 or more", f"Correct or clear it and {TRIGGER}")
    return value


def _flag(params: Mapping[str, Any], name: str) -> bool:
    value = params.get(name)
    if value is not None and not isinstance(value, bool):
        raise _refused(f"{name} is neither true nor false", f"Switch it on or off and {TRIGGER}")
    return bool(value)


def _refused(problem: str, remedy: str) -> RefusedError:
    # A refusal: the same form would be refused again.
    return RefusedError("Airflow", "trigger", None, "", problem, remedy)


def _text(at: datetime | None) -> str:
    return at.isoformat().replace("+00:00", "Z") if at else ""
