"""Adobe Campaign Standard, simulated: the REST API behind its gateway, import workflows (campaign.md §§1–8).

Not here: the tokens (IMS), the SFTP area, export workflows.
"""

from __future__ import annotations

from starlette.applications import Starlette

from sandbox.campaign import imports
from sandbox.campaign.app import app as _app
from sandbox.campaign.controls import controls, reset, start_state
from sandbox.campaign.tenant import campaign_of
from sandbox.world import World

__all__ = ["app", "close", "controls", "reset"]


def app(world: World) -> Starlette:
    """Return the Campaign service of a world in its start state, or with the data it was left with."""
    start_state(campaign_of(world))
    return _app(world)


def close(world: World) -> None:
    """End what runs and close the files."""
    imports.clear(world)
    campaign_of(world).store.close()
