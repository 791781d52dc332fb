"""The least that the application user's security role must allow for some mappings, in the words of its editor.

Pure. Not for asking what the role allows: Dataverse says so when something is missing (``hooks/remedies.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from campaign_sync.consent.file import OptOutMapping
from campaign_sync.events.file import EventMapping
from campaign_sync.mapping.file import Mapping

USER, ORGANISATION = "User", "Organization"


class Privilege(NamedTuple):
    """One circle of the role's editor."""

    table: str
    verb: str
    depth: str
    why: str


def role_of(
    mappings: Iterable[Mapping], events: Iterable[EventMapping], opt_outs: Iterable[OptOutMapping] = ()
) -> list[Privilege]:
    """The privileges that are needed, each once, table by table.

    Custom activity tables have the privileges of Activity (dataverse.md §9.2), which the application user needs for its
    own rows only.
    """
    wanted = [
        Privilege(each.extract.table, "Read", ORGANISATION, "change tracking needs this depth")
        for each in mappings
    ]
    for each in events:
        wanted += _of_events(each)
    for consent in opt_outs:
        wanted += _of_opt_outs(consent)
    return sorted(
        {(each.table, each.verb): each for each in reversed(wanted)}.values(),
        key=lambda each: (each.table, VERBS.index(each.verb)),
    )


VERBS = ("Create", "Read", "Write", "Append", "Append To", "Assign")


def role_text(privileges: list[Privilege]) -> str:
    """The role as a table for people."""
    if not privileges:
        return "No mapping needs a privilege."
    width = max(len(each.table) for each in privileges)
    lines = [f"  {each.table:<{width}}  {each.verb:<9}  {each.depth:<12}  {each.why}" for each in privileges]
    return "\n".join(["The role of the application user needs, and no more than:", *lines])


def _of_opt_outs(mapping: OptOutMapping) -> Iterator[Privilege]:
    table = mapping.extract.table
    if mapping.direction != "disabled":
        yield Privilege(table, "Read", ORGANISATION, "change tracking needs this depth")
    if mapping.writes_dynamics:
        yield Privilege(table, "Write", ORGANISATION, "opt-outs of anybody's contacts")


def _of_events(mapping: EventMapping) -> Iterator[Privilege]:
    tables = ", ".join(each.table for each in mapping.map.kinds.values())
    for verb in ("Create", "Read", "Write", "Append") if not mapping.tasks.kinds else ():
        yield Privilege("Activity", verb, USER, f"its own rows of {tables}")
    if mapping.tasks.kinds:
        for verb in ("Create", "Read", "Write", "Append", "Assign"):
            yield Privilege("Activity", verb, ORGANISATION, "follow-up tasks belong to the contact's owner")
    yield Privilege("contact", "Read", ORGANISATION, "events that wait for their contact")
    yield Privilege("contact", "Append To", ORGANISATION, "activities regard contacts of anybody")
