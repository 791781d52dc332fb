"""Finds out whether a field is an identification key. Metadata does not tell (campaign.md §2.3): records do.

A record is found under a key in the URL only if the field is one (campaign.md §3.5, B).
Not for the proof after the first write (``CampaignHook.verify_key``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from campaign_sync.hooks.forms import documented
from campaign_sync.hooks.rest import Rest
from campaign_sync.schema import ResourceSchema

#: Records that are looked at: one page (campaign.md §3.3).
LOOKED_AT = 500

# campaign.md §3.5: a value that begins with @ is read as a PKey, and signs are risky in a path
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class KeyStanding(NamedTuple):
    """What the records say about a key field."""

    identifies: bool | None
    """None: no record has a key yet, so it cannot be known."""
    shared: tuple[str, ...] = ()
    """Keys that more than one of the records has."""


@documented("Campaign", "records")
def key_standing(
    rest: Rest, resource: ResourceSchema, key_field: str, read: Callable[[str], dict[str, Any] | None]
) -> KeyStanding:
    """Returns whether a record that has a key is found by it.

    :param read: reads one record by its key; None when there is none to see
    """
    url = f"{rest.base}/{resource.endpoint}/{key_field}?_lineCount={LOOKED_AT}&_forcePagination=true"
    keys = [key for key in rest.json(url).get("content") or () if isinstance(key, str) and key]
    shared = tuple(key for key, times in Counter(keys).items() if times > 1)
    sample = next((key for key in keys if SAFE.fullmatch(key)), None)
    if sample is None:
        return KeyStanding(False if shared else None, shared)
    found = read(sample)
    return KeyStanding(found is not None and found.get(key_field) == sample, shared)
