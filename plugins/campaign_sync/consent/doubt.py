"""Noes of files that seem to be older than a yes that is known: Campaign itself is asked what holds.

A late file, or one whose times are of a zone west of ``extract.time_zone``: its rows do not tell which, and either
guess would be wrong for ever. Not for what counts without a doubt (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from campaign_sync.consent.plan import Heard
from campaign_sync.consent.reading import profiles_now
from campaign_sync.consent.sides import heard_of
from campaign_sync.ledger.consent import Kept
from campaign_sync.rows.transform import Sifted

if TYPE_CHECKING:
    from campaign_sync.consent.file import OptOutMapping
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.ledger.ledger import Ledger
    from campaign_sync.schema import ResourceSchema

#: No two time zones are farther apart.
ZONES = timedelta(hours=26)


def asked_again(
    sifted: Sifted, mapping: OptOutMapping, resource: ResourceSchema, campaign: CampaignHook, ledger: Ledger
) -> Iterator[Sifted]:
    """What the profiles say now of whom a file says such a no; an engine call for each."""
    heard = heard_of(sifted.kept, mapping)
    known = ledger.consents.known(mapping.name, heard)
    keys = [key for key, rows in heard.items() if in_doubt(rows, known.get(key, {}))]
    if keys:
        yield profiles_now(mapping, resource, campaign, keys)


def in_doubt(heard: Sequence[Heard], known: Mapping[str, Kept]) -> bool:
    """Whether rows about a contact say a no that is older than a yes of Campaign, by no more than zones may differ."""
    return any(
        bool(no)
        and at is not None
        and yes.no is False
        and yes.at is not None
        and yes.at - ZONES <= at < yes.at
        for attribute, kept in known.items()
        for yes in [kept.known.campaign]
        for no, at in (row.said[attribute] for row in heard if attribute in row.said)
    )
