"""Adobe Campaign Standard, simulated: the REST API behind its gateway, workflows, logs (campaign.md §§1–8, 12).

Not here: the tokens (IMS), the SFTP area.
"""

from __future__ import annotations

from starlette.applications import Starlette

from sandbox.campaign import exports, imports
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
    exports.clear(world)
    campaign_of(world).store.close()
