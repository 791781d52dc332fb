"""What the imitated systems share: where state lives, the clock, switches, faults, counters, tokens.

A system is a module with `app(world) -> Starlette` and, as it needs them, `controls(world) -> list[Route]`
(mounted below /sandbox/<system>/), `reset(world)` (forget all data; the frame seeds again), `close(world)`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.counters import Counters
from sandbox.faults import Faults
from sandbox.switches import Switches
from sandbox.tokens import Tokens

# campaign.md §1.1: what Campaign clients ask for
CAMPAIGN_SCOPES = (
    "openid",
    "AdobeID",
    "campaign_sdk",
    "additional_info.projectedProductContext",
    "campaign_config_server_general",
    "deliverability_service_general",
)
SECRETS = ("dataverse", "dataverse_stranger", "campaign", "campaign_stranger")


def new_secrets() -> dict[str, str]:
    """Return fresh client secrets with `~` and `.` in them: real ones have, and careless encoding breaks."""
    return {name: f"s{secrets.token_urlsafe(12)}~{secrets.token_urlsafe(12)}.x" for name in SECRETS}


@dataclass(frozen=True)
class Config:
    """Names and credentials that do not change while the sandbox runs."""

    secrets: Mapping[str, str] = field(default_factory=new_secrets, repr=False)

    host: str = "localhost"  # as clients know this machine
    tenant_id: str = "7d1c0000-0000-4000-8000-00000000aa01"
    tenant_domain: str = "alderleaf.onmicrosoft.com"
    dataverse_client_id: str = "c0ffee00-0000-4000-8000-000000000001"
    # registered in the tenant, but no application user in the environment (dataverse.md §1.3)
    dataverse_stranger_id: str = "c0ffee00-0000-4000-8000-000000000002"

    org: str = "alderleaf"
    stage_org: str = "alderleaf-mkt-stage"
    campaign_client_id: str = "5f2c8d31a9e04b76b0c1d2e3f4a50001"
    # known to IMS, but without Campaign's product profile (campaign.md §1.5, 403023)
    campaign_stranger_id: str = "5f2c8d31a9e04b76b0c1d2e3f4a50002"
    campaign_scopes: tuple[str, ...] = CAMPAIGN_SCOPES

    sftp_user: str = "alderleaf"
    limits: bool = True  # --no-limits: service protection limits are off

    @property
    def dataverse_client_secret(self) -> str:
        return self.secrets["dataverse"]

    @property
    def campaign_client_secret(self) -> str:
        return self.secrets["campaign"]

    @property
    def entra_clients(self) -> dict[str, str]:
        """Application id → secret."""
        return {
            self.dataverse_client_id: self.secrets["dataverse"],
            self.dataverse_stranger_id: self.secrets["dataverse_stranger"],
        }

    @property
    def ims_clients(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Client id → (secret, Campaign organisations its product profile opens)."""
        return {
            self.campaign_client_id: (self.secrets["campaign"], (self.org, self.stage_org)),
            self.campaign_stranger_id: (self.secrets["campaign_stranger"], ()),
        }


@dataclass
class Urls:
    """Roots without a trailing slash, known once the ports are."""

    dataverse: str = ""
    entra: str = ""
    campaign_root: str = ""
    ims: str = ""
    controls: str = ""


@dataclass
class World:
    """One sandbox. Systems keep their own state elsewhere, by world, in files below `directory`."""

    directory: Path
    clock: Clock = field(default_factory=Clock)
    switches: Switches = field(default_factory=Switches)
    faults: Faults = field(default_factory=Faults)
    counters: Counters = field(default_factory=Counters)
    config: Config = field(default_factory=Config)
    urls: Urls = field(default_factory=Urls)
    tokens: Tokens = None  # type: ignore[assignment]
    systems: dict[str, Any] = field(default_factory=dict, repr=False)  # a system's own state, by its name
    reseed: Callable[[], None] = field(default=lambda: None, repr=False)  # fills empty systems again

    def __post_init__(self) -> None:
        if self.tokens is None:
            self.tokens = Tokens(self.clock)
