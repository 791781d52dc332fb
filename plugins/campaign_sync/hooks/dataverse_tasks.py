"""Reads what follow-up tasks depend on: whose a contact is, which tasks are open, how many were made today.

Not for writing tasks (``dataverse_activities.py``), nor for choosing them (``events/tasks.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from campaign_sync.hooks import queries
from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest

CONTACTS_AT_ONCE = 100  # in one query; its URL stays far below the limit
LARGEST_PAGE = 5000  # dataverse.md §3.4


class Owner(NamedTuple):
    """Whose a row is."""

    id: str
    set_name: str  # systemusers or teams


@documented("Dataverse", "owners")
def owners_of(rest: Rest, root: str, contacts: Iterable[str]) -> dict[str, Owner]:
    """The owner of each of these contacts that is there."""
    wanted = ("_owninguser_value", "_owningteam_value")
    found = {}
    for url in queries.urls_by_keys(root, "contacts", wanted, "contactid", contacts, LARGEST_PAGE):
        for row in _values(rest, url):
            user, team = (row.get(name) for name in wanted)
            if user or team:
                found[row["contactid"]] = Owner(str(user or team), "systemusers" if user else "teams")
    return found


@documented("Dataverse", "tasks")
def open_tasks(rest: Rest, root: str, contacts: Iterable[str], category: str) -> set[str]:
    """Those of these contacts that have an open task of a category (dataverse.md §10.2)."""
    found: set[str] = set()
    keys = list(contacts)
    wanted = ("_regardingobjectid_value",)
    for start in range(0, len(keys), CONTACTS_AT_ONCE):
        some = " or ".join(
            f"_regardingobjectid_value eq {UUID(key)}" for key in keys[start : start + CONTACTS_AT_ONCE]
        )
        of_ours = f"statecode eq 0 and category eq '{category}' and ({some})"
        url = queries.rows_url(root, "tasks", wanted, filter=of_ours)
        found |= {row["_regardingobjectid_value"] for row in _values(rest, url)}
    return found


def tasks_made(rest: Rest, root: str, category: str, since: datetime) -> Iterator[tuple[str, str]]:
    """Owner and id of each task of a category that was made since."""
    made = f"category eq '{category}' and createdon ge {queries.instant(since)}"
    url = queries.rows_url(root, "tasks", ("_ownerid_value",), filter=made)
    with documented("Dataverse", "tasks"):
        for row in _values(rest, url):
            yield str(row["_ownerid_value"]), str(row["activityid"])


def _values(rest: Rest, url: str | None) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    while url is not None and url not in seen:
        seen.add(url)
        answer = rest.json(url, headers={"Prefer": f"odata.maxpagesize={LARGEST_PAGE}"})
        with documented("Dataverse", "rows"):
            rows = [{str(name): value for name, value in row.items()} for row in answer["value"]]
            url = None if (link := answer.get("@odata.nextLink")) is None else str(link)
        yield from rows
