"""One Campaign instance and one call to it: what every part of the back end needs to know.

Production and stage are two tenants with separate data, PKeys, resources and keys (campaign.md §1.4).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.campaign import behaviour  # noqa: F401  (declares the switches)
from sandbox.campaign.catalog import Catalog
from sandbox.campaign.pkeys import PKeys
from sandbox.campaign.schema import Resource
from sandbox.campaign.store import Store
from sandbox.campaign.workflows import Workflows
from sandbox.world import World


@dataclass
class Tenant:
    """A Campaign instance."""

    name: str
    store: Store
    catalog: Catalog
    pkeys: PKeys
    world: World
    workflows: Workflows

    @property
    def now(self) -> str:
        """The sandbox's time as Campaign writes it."""
        return stamp(self.world.clock.timestamp())


@dataclass
class Campaign:
    """All instances of a sandbox, kept in one file."""

    world: World
    store: Store
    tenants: dict[str, Tenant] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def tenant(self, asked: Mapping[str, Any]) -> Tenant:
        """Return the tenant that a control asks for, production unless it says so; raise ValueError if none."""
        name = asked.get("tenant") or self.world.config.org
        if name not in self.tenants:
            raise ValueError(f"no tenant is called {name}: choose one of {', '.join(self.tenants)}")
        return self.tenants[name]


@dataclass(frozen=True)
class Call:
    """One request past the gateway: which instance, under which address and endpoint, and what it costs."""

    tenant: Tenant
    base: str  # https://host/<org>/campaign, as the client addressed it
    endpoint: str
    journal: dict[str, Any]

    def cost(self, kind: str) -> None:
        """Count one engine call (campaign.md §10, §13.2 B22), whatever becomes of it."""
        counters = self.tenant.world.counters
        counters.add("campaign.engine_calls")
        counters.add(f"campaign.engine_calls.{kind}")
        self.journal["engine_calls"] = self.journal.get("engine_calls", 0) + 1

    def href(self, resource: Resource, pkey: str) -> str:
        """Return the absolute address of a top-level record."""
        endpoint = self.tenant.catalog.endpoint(resource.name)
        if self.tenant.catalog.view(self.endpoint, resource.name) is not None:
            endpoint = self.endpoint
        return f"{self.base}/{endpoint}/{resource.name}/{pkey}"


def stamp(timestamp: float) -> str:
    """Return a datetime as Campaign writes it: a space, milliseconds, Z (§4.2)."""
    return f"{datetime.fromtimestamp(timestamp, UTC).isoformat(' ', 'milliseconds')[:23]}Z"


def campaign_of(world: World) -> Campaign:
    """Return a world's Campaign, made at first use."""
    if "campaign" not in world.systems:
        world.directory.mkdir(parents=True, exist_ok=True)
        store = Store(world.directory / "campaign.db")
        campaign = Campaign(world, store)
        for name in (world.config.org, world.config.stage_org):
            catalog = Catalog(name, store, world.switches, extended=name == world.config.org)
            pkeys = PKeys(name, store.secret())
            campaign.tenants[name] = Tenant(name, store, catalog, pkeys, world, Workflows())
        world.systems["campaign"] = campaign
    return world.systems["campaign"]  # type: ignore[no-any-return]
