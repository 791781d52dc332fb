"""Adobe Campaign Standard, simulated: the REST API behind its gateway (campaign.md §§1–7).

Not here: the tokens (IMS), the SFTP area, what import and export workflows do with files.
"""

from __future__ import annotations

from starlette.applications import Starlette

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
    """Close the files."""
    campaign_of(world).store.close()
