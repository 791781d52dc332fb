"""The custom activity tables that a mapping of events needs: the definition in this repository (E6).

Pure: what is there already and what is made of it is the hook's business (``hooks/dataverse_provisioning.py``).
"""

from __future__ import annotations

from campaign_sync.events.file import EventMapping
from campaign_sync.hooks.dataverse_provisioning import ActivityColumn, ActivityTable

LABELS = {
    "send": ("Adobe Campaign Email Send", "Date Sent"),
    "open": ("Adobe Campaign Email Open", "Date Opened"),
    "click": ("Adobe Campaign Email URL Click", "Date Clicked"),
    "bounce": ("Adobe Campaign Email Bounce", "Date Bounced"),
}

#: Type, length in characters and label of a column, by what of the event it gets; what is not here is a time.
#: Lengths are Campaign's (campaign.md §8.4).
COLUMNS = {
    "kind": ("String", 20, "Event"),
    "contact": ("String", 36, "External ID"),
    "campaign": ("String", 64, "Campaign Name"),
    "campaign_label": ("String", 128, "Campaign Label"),
    "delivery": ("String", 64, "Delivery Name"),
    "delivery_label": ("String", 128, "Delivery Label"),
    "url": ("Memo", 20_000, "Tracking URL"),
    "url_label": ("String", 1000, "Tracking URL Label"),
    "mirror_url": ("Memo", 20_000, "Mirror Page URL"),
    "device": ("String", 64, "Device"),
    "variant": ("String", 64, "Variant"),
}


def activity_tables(mapping: EventMapping) -> list[ActivityTable]:
    """A table for each kind of event that is switched on."""
    tables = []
    for kind, each in mapping.map.kinds.items():
        label, when = LABELS[kind]
        columns = [
            ActivityColumn(column, *(COLUMNS.get(source) or ("DateTime", None, when)))
            for column, source in each.columns.items()
        ]
        tables.append(ActivityTable(each.table, label, tuple(columns)))
    return tables
