"""Reads Dataverse: metadata, change feed, intervals, everything, single rows; switches change tracking on; writes
activities, and changes rows.

Not for mappings, batches or files: it yields pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from airflow.providers.http.hooks.http import HttpHook
from requests import Session

from campaign_sync.errors import RefusedError, SyncError
from campaign_sync.hooks import entra, queries
from campaign_sync.hooks.budget import MOST_SIDE_BY_SIDE
from campaign_sync.hooks.dataverse_activities import Activity, Outcome, write_activities
from campaign_sync.hooks.dataverse_metadata import (
    change_tracking_off,
    enable_change_tracking,
    read_table,
    regarding_contact,
)
from campaign_sync.hooks.dataverse_provisioning import ActivityTable, Missing, make, missing_from
from campaign_sync.hooks.dataverse_tasks import Owner, open_tasks, owners_of, tasks_made
from campaign_sync.hooks.dataverse_updates import Update, Updated, write_updates
from campaign_sync.hooks.ending import EndingAdapter
from campaign_sync.hooks.pace import Pace, Patience
from campaign_sync.hooks.pages import Page, has_rows, read_page
from campaign_sync.hooks.remedies import DATAVERSE, ENTRA
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import (
    Bearer,
    address,
    bare,
    existing,
    origin,
    require_tls,
    verification,
)
from campaign_sync.hooks.shared import InLedger
from campaign_sync.hooks.shares import Terms
from campaign_sync.schema import Column, TableSchema

__all__ = ["DataverseHook", "Page"]

LARGEST_PAGE = 5000  # dataverse.md §3.4
COLUMNS_CHANGED = "columns changed"
LEAVE_SHARE = 0.1
# dataverse.md §2: on every request; "null" is the literal word
HEADERS = {
    "Accept": "application/json",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
    "If-None-Match": "null",
}


class DataverseHook(HttpHook):
    """Dataverse through the connection's host (environment), login (client id) and password (client secret).

    Extras: tenant_id, authority, leave_share (0.1), verify (true, or the path of a CA file), proxies.
    """

    conn_name_attr = "dataverse_conn_id"
    default_conn_name = "dataverse_default"
    conn_type = "dataverse"
    hook_name = "Dynamics 365 (Dataverse)"

    def __init__(
        self, dataverse_conn_id: str = default_conn_name, *, patience: Patience | None = None
    ) -> None:
        # All threads' sessions share the adapter, whose pool of ten would close the others' connections after each call
        adapter = EndingAdapter(MOST_SIDE_BY_SIDE)
        super().__init__(http_conn_id=dataverse_conn_id, auth_type=lambda *_: self._bearer, adapter=adapter)
        self.dataverse_conn_id = dataverse_conn_id
        self.patience = patience

    def table(self, name: str, columns: Iterable[str] | None = None, *, targets: bool = False) -> TableSchema:
        """Reads a table's metadata; `columns` (logical names or properties) limits it and must all exist.

        :param targets: whether to ask, in one more request, whose rows its lookups may name.
        """
        return read_table(self._rest, self._root, name, columns, targets=targets)

    def require_change_tracking(self, table: TableSchema) -> None:
        """Refuses a table without change tracking, saying how to switch it on."""
        if not table.change_tracking:
            raise change_tracking_off(table.name)

    def enable_change_tracking(self, name: str) -> None:
        """Switches change tracking on for good (it cannot be switched off) and publishes the table."""
        enable_change_tracking(self._rest, self._root, name)

    def missing_from(self, wanted: list[ActivityTable]) -> list[Missing]:
        """What of these custom activity tables is not there."""
        return list(missing_from(self._rest, self._root, wanted))

    def make(self, missing: Missing) -> None:
        """Makes a custom activity table, or the columns that it lacks, and publishes it."""
        make(self._rest, self._root, missing)

    def changes(
        self,
        table: TableSchema,
        columns: Collection[str],
        delta_link: str | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Page]:
        """Yields what changed since `delta_link`, or every row; the last page has the next `delta_link`.

        An expired link is a RefusedError with code "0x80044352"; a link made for fewer columns than are
        asked now is a RefusedError with code "columns changed": both need a read from the start.
        """
        wanted = _columns(table, columns)
        if delta_link is not None and not self.covers(delta_link, table, columns):
            problem = "the place in the change feed was made for other columns than the mapping reads now"
            remedy = (
                "Read the table from the start; rows that are the same as before cost nothing in Campaign"
            )
            raise RefusedError("Dataverse", f"table {table.name}", None, COLUMNS_CHANGED, problem, remedy)
        url = delta_link or queries.rows_url(self._root, table.set_name, _asked(table, wanted))
        for page in self._pages(url, table, wanted, f"odata.track-changes,{_page_size(page_size)}"):
            if page.link is None and page.delta_link is None:
                problem = "the last page of the change feed holds no place to go on from"
                remedy = "Report it; nothing was forgotten, the next run reads the same changes again"
                raise RefusedError("Dataverse", f"table {table.name}", 200, "", problem, remedy)
            if page.delta_link is not None:
                self._rest.stay_home(page.delta_link)  # before it is remembered
            yield page._replace(deleted=self._gone(table, page.deleted)) if page.deleted else page

    def has_changes(self, delta_link: str) -> bool:
        """Says whether anything changed since `delta_link`, with one request for a page of one row; errors as
        :meth:`changes`. Nothing is consumed: the link stays as good as it was.
        """
        return self._rest.fetch(delta_link, has_rows, headers={"Prefer": _page_size(1)})

    def covers(self, delta_link: str, table: TableSchema, columns: Collection[str]) -> bool:
        """Says whether a stored link delivers all of these columns: what it lacks would arrive as nulls."""
        chosen = queries.selected(delta_link)
        return chosen is None or {each.wire for each in _columns(table, columns)} - {table.key} <= chosen

    def modified_between(
        self,
        table: TableSchema,
        columns: Collection[str],
        since: datetime,
        until: datetime,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Page]:
        """Yields the rows with since <= modifiedon < until."""
        wanted = _columns(table, columns)
        between = queries.modified_between(since, until)
        url = queries.rows_url(self._root, table.set_name, _asked(table, wanted), filter=between)
        yield from self._pages(url, table, wanted, _page_size(page_size))

    def everything(
        self,
        table: TableSchema,
        columns: Collection[str],
        top: int | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Iterator[Page]:
        """Yields every row, at most `top`, without touching the change feed."""
        wanted = _columns(table, columns)
        left = top
        # $top is ignored beside a page size (dataverse.md §3.2), so the last page is cut here
        size = page_size if top is None else min(page_size, max(top, 1))
        url = queries.rows_url(self._root, table.set_name, _asked(table, wanted))
        for page in self._pages(url, table, wanted, _page_size(size)):
            if left is not None:
                page = page._replace(rows=page.rows.slice(0, left))
                left -= len(page.rows)
            yield page._replace(link=None) if left == 0 else page
            if left == 0:
                return

    def by_keys(self, table: TableSchema, columns: Collection[str], keys: Iterable[str]) -> Iterator[Page]:
        """Yields the rows of these keys as they are now; what no longer exists is simply absent."""
        wanted = _columns(table, columns)
        asked = _asked(table, wanted)
        for url in queries.urls_by_keys(self._root, table.set_name, asked, table.key, keys, LARGEST_PAGE):
            yield from self._pages(url, table, wanted, _page_size(LARGEST_PAGE))

    def write_activities(self, activities: Iterable[Activity]) -> Iterator[list[Outcome]]:
        """Creates and completes activities, and yields what became of each, some at a time; may be repeated."""
        yield from write_activities(self._rest, self._root, activities)

    def write_updates(self, updates: Iterable[Update]) -> Iterator[list[Updated]]:
        """Changes rows that are as they were read, and yields what became of each, some at a time; makes none."""
        yield from write_updates(self._rest, self._root, updates)

    def owners_of(self, contacts: Iterable[str]) -> dict[str, Owner]:
        """The owner of each of these contacts that is there."""
        return owners_of(self._rest, self._root, contacts)

    def open_tasks(self, contacts: Iterable[str], category: str) -> set[str]:
        """Those of these contacts that have an open task of a category."""
        return open_tasks(self._rest, self._root, contacts, category)

    def tasks_made(self, category: str, since: datetime) -> dict[str, str]:
        """The tasks of a category that were made since, with their owners."""
        return {task: owner for owner, task in tasks_made(self._rest, self._root, category, since)}

    def regarding(self, table: str) -> str:
        """The navigation property that binds an activity of this table to a contact."""
        return regarding_contact(self._rest, self._root, table)

    def test_connection(self) -> tuple[bool, str]:
        """Says whether the connection works, and if not, who must do what."""
        try:
            found = self._rest.json(f"{self._root}WhoAmI", headers=HEADERS)
        except SyncError as error:
            return False, str(error)
        return True, f"Connected to {self._environment} as user {found.get('UserId')}"

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> Session:
        """Returns a session with the token, and without what HttpHook makes of unknown extras."""
        session = bare(super().get_conn(extra_options=extra_options), self._verify, self._bearer)
        session.headers.update({**HEADERS, **(headers or {})})
        return session

    def _gone(self, table: TableSchema, keys: Sequence[str]) -> list[str]:
        """A row deleted and made anew may be told as both, the deletion last (dataverse.md §4.3)."""
        alive: set[str] = set()
        for page in self.by_keys(table, (), keys):
            alive.update(page.rows.column(0).to_pylist())
        return [key for key in keys if key not in alive]

    def _pages(self, url: str, table: TableSchema, columns: Sequence[Column], prefer: str) -> Iterator[Page]:
        """Follows next links verbatim with the same Prefer on each (dataverse.md §3.4)."""
        parse = partial(read_page, columns=columns, key=table.key)
        seen: set[str] = set()
        link: str | None = url
        while link is not None:
            if link in seen:
                problem, remedy = (
                    "the pages run in a circle",
                    "Report it; the next run reads the same rows again",
                )
                raise RefusedError("Dataverse", f"table {table.name}", 200, "", problem, remedy)
            seen.add(link)
            page = self._rest.fetch(link, parse, headers={"Prefer": prefer})
            yield page
            link = page.link

    @cached_property
    def _connection(self) -> Any:
        return existing(self.get_connection, self.http_conn_id, "Dataverse")

    @cached_property
    def _extra(self) -> dict[str, Any]:
        return dict(self._connection.extra_dejson)

    @cached_property
    def _environment(self) -> str:
        scheme, host, port = origin(
            address(self._connection, "Dataverse", "https://<environment>.crm4.dynamics.com")
        )
        return f"{scheme}://{host}" + (f":{port}" if port not in (None, 443) else "")

    @cached_property
    def _root(self) -> str:
        return f"{self._environment}/api/data/v9.2/"

    @cached_property
    def _verify(self) -> bool | str:
        return verification(self._extra, "Dataverse", self._environment)

    @cached_property
    def _rest(self) -> Rest:
        return Rest(
            DATAVERSE,
            self._root.rstrip("/"),
            self.get_conn,
            bearer=self._bearer,
            pace=self._pace,
            patience=self.patience,
            read_timeout=120.0,
        )

    @cached_property
    def _pace(self) -> Pace:
        terms = Terms(service_protection=True, leave_share=_leave_share(self._extra, self.http_conn_id))
        return Pace(terms, InLedger.of(self._environment, str(self._connection.login)))

    @cached_property
    def _bearer(self) -> Bearer:
        tenant = str(self._extra.get("tenant_id") or "").strip()
        if not tenant or not self._connection.login or not self._connection.password:
            problem = "the connection lacks tenant_id (in its extra), login or password"
            remedy = "Set tenant_id, the client id as login and the client secret as password"
            raise RefusedError("Dataverse", f"connection {self.http_conn_id}", None, "", problem, remedy)
        if not re.fullmatch(r"[\w.-]+", tenant, re.ASCII):  # it becomes a part of a URL
            problem, remedy = (
                "tenant_id is not the id or domain of a tenant",
                "Correct tenant_id in the extra",
            )
            raise RefusedError("Dataverse", f"connection {self.http_conn_id}", None, "", problem, remedy)
        authority = require_tls(str(self._extra.get("authority") or entra.AUTHORITY).rstrip("/"), "Entra ID")
        credentials = entra.Credentials(
            authority, tenant, self._connection.login, self._connection.password, self._environment
        )
        rest = Rest(
            ENTRA, authority, lambda: bare(HttpHook.get_conn(self), self._verify), patience=self.patience
        )
        return Bearer(entra.token_source(credentials, rest), self._environment)


def _columns(table: TableSchema, names: Collection[str]) -> list[Column]:
    """The columns to read, without the key, which always comes (dataverse.md §3.2)."""
    found = [(name, table.column(name)) for name in names]
    unknown = [name for name, column in found if column is None and name != table.key]
    if unknown:
        problem, remedy = (
            f"unknown columns: {', '.join(unknown)}",
            "Read the table's metadata with these columns first",
        )
        raise RefusedError("Dataverse", f"table {table.name}", None, "unknown column", problem, remedy)
    return list(
        {each.wire: each for _, each in found if each is not None and each.wire != table.key}.values()
    )


def _leave_share(extra: dict[str, Any], connection: str) -> float:
    """The share of the service protection limits that is left for people and other programs."""
    given = extra.get("leave_share", LEAVE_SHARE)
    try:
        share = float(given)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share < 1:
        problem = f"leave_share is {given!r}, which is no share"
        remedy = "Set a number from 0 to below 1 in the connection's extra; without one it is 0.1"
        raise RefusedError("Dataverse", f"connection {connection}", None, "", problem, remedy)
    return share


def _asked(table: TableSchema, columns: Sequence[Column]) -> list[str]:
    """Never nothing: a query without $select brings every column."""
    return [each.wire for each in columns] or [table.key]


def _page_size(rows: int) -> str:
    return f"odata.maxpagesize={min(max(rows, 1), LARGEST_PAGE)}"
