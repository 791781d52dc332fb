"""The organisation: one World's Dataverse environment with its rows, definitions, users, rights and limits.

Everything else in this package takes it as first argument; it does nothing by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.dataverse import choices  # noqa: F401  declares the switches
from sandbox.dataverse.catalogue import Catalogue
from sandbox.dataverse.columns import Table, stable_id
from sandbox.dataverse.errors import refuse
from sandbox.dataverse.kept import KeptPages
from sandbox.dataverse.limits import Limits
from sandbox.dataverse.rights import Role
from sandbox.dataverse.store import Store
from sandbox.world import World

APPLICATION_USER = stable_id("user", "application")
ADMINISTRATOR = stable_id("user", "administrator")
BUSINESS_UNIT = stable_id("unit", "root")
EURO = stable_id("currency", "euro")
ORGANIZATION = stable_id("organization")
_OPENING = threading.RLock()


@dataclass
class Org:
    """The environment's state."""

    world: World
    store: Store
    catalogue: Catalogue
    role: Role
    limits: Limits
    pages: KeptPages
    jobs: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    counts: dict[str, tuple[float, int]] = field(default_factory=dict)
    oldest_token: int = 0

    @property
    def root(self) -> str:
        return f"{self.world.urls.dataverse}/api/data/v9.2"

    def option(self, name: str) -> Any:
        """The value of the switch `dataverse.<name>`."""
        return self.world.switches[f"dataverse.{name}"]

    def now(self) -> str:
        """The time as rows carry it: whole UTC seconds (§12.2/20)."""
        return self.world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def timestamp(self) -> float:
        return self.world.clock.timestamp()

    def table(self, name: str) -> Table:
        """A table by logical name; for callers that know it exists or want the metadata error."""
        table = self.catalogue.tables.get(name)
        if table is None:
            raise refuse("MetadataNotFound", name=name)
        return table

    def run_due_jobs(self) -> None:
        """Background work whose time has come (BulkDelete); started by whichever request comes next."""
        while self.jobs and self.jobs[0][0] <= self.timestamp():
            self.jobs.pop(0)[1]()


def organisation(world: World) -> Org:
    """The Org of a World, opened on first use; during a reset callers wait for the new one."""
    org = world.systems.get("dataverse")
    if org is None:
        with _OPENING:
            org = world.systems.get("dataverse") or _open(world)
            world.systems["dataverse"] = org
    return org


def _open(world: World) -> Org:
    world.directory.mkdir(parents=True, exist_ok=True)
    store = Store(world.directory / "dataverse.db")
    org = Org(world, store, Catalogue(store), Role(), Limits(world), KeptPages(world.directory))
    _settle(org)
    return org


def close(world: World) -> None:
    """Let go of the files."""
    org = world.systems.pop("dataverse", None)
    if org is not None:
        org.store.close()
        org.pages.close()


def reset(world: World) -> None:
    """Forget everything: rows, definitions, rights, limits."""
    with _OPENING:
        close(world)
        _remove_files(world)
        organisation(world)


def _remove_files(world: World) -> None:
    for suffix in ("", "-wal", "-shm"):
        (world.directory / f"dataverse.db{suffix}").unlink(missing_ok=True)


def _settle(org: Org) -> None:
    """The rows without which nothing works: unit, users, currency, organisation, messages."""
    from sandbox.dataverse.planting import plant  # the seed writes rows and so needs an Org

    with org.store.read() as db:
        if db.execute('SELECT 1 FROM "t_organization"').fetchone():
            return
    unit = {"_businessunitid_value": BUSINESS_UNIT}
    users = [
        {
            "systemuserid": APPLICATION_USER,
            "fullname": "# Campaign Sync",
            "lastname": "Campaign Sync",
            "firstname": "#",
            "applicationid": org.world.config.dataverse_client_id,
            **unit,
        },
        {
            "systemuserid": ADMINISTRATOR,
            "fullname": "Sandbox Administrator",
            "firstname": "Sandbox",
            "lastname": "Administrator",
            "domainname": "admin@alderleaf.example",
            **unit,
        },
    ]
    plant(org, "businessunit", [{"businessunitid": BUSINESS_UNIT, "name": "Alderleaf"}])
    plant(org, "systemuser", users)
    plant(
        org,
        "transactioncurrency",
        [
            {
                "transactioncurrencyid": EURO,
                "currencyname": "Euro",
                "isocurrencycode": "EUR",
                "currencysymbol": "€",
                "exchangerate": 1,
            }
        ],
    )
    plant(org, "organization", [{"organizationid": ORGANIZATION, "name": "alderleaf"}])
    messages = ("Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple", "UpsertMultiple")
    plant(org, "sdkmessage", [{"sdkmessageid": stable_id("message", m), "name": m} for m in messages])
    list_messages(org)


def list_messages(org: Org) -> None:
    """sdkmessagefilters must agree with which tables have bulk messages (§12.2/16)."""
    from sandbox.dataverse.planting import plant

    with org.store.read() as db:
        known = {row[0] for row in db.execute('SELECT sdkmessagefilterid FROM "t_sdkmessagefilter"')}
    rows = []
    for table in org.catalogue.tables.values():
        for message in ("CreateMultiple", "UpdateMultiple") if table.bulk else ():
            row_id = stable_id("filter", message, table.name)
            if row_id not in known:
                rows.append(
                    {
                        "sdkmessagefilterid": row_id,
                        "name": message,
                        "primaryobjecttypecode": table.name,
                        "_sdkmessageid_value": stable_id("message", message),
                    }
                )
    plant(org, "sdkmessagefilter", rows)


def to_moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
