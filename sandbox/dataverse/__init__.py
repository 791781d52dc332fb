"""The imitated Microsoft Dataverse Web API v9.2 (dataverse.md): what the frame calls."""

from __future__ import annotations

from sandbox.dataverse.org import close, reset
from sandbox.dataverse.planting import seed
from sandbox.dataverse.service import app
from sandbox.dataverse.steering import controls

__all__ = ["app", "close", "controls", "reset", "seed"]
