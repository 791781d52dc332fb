"""Deliveries and their logs as declarations (campaign.md §5, §8.4), and the words of their codes.

Data only. The REST API does not show them: §2.1 knows no endpoint for them, and nobody needs one here.
"""

from __future__ import annotations

from typing import Any

CHANNELS = {"email": 0, "sms": 1, "phone": 2, "paper": 3, "fax": 4, "pushNotification": 40, "other": 120}
STATUSES = {"ignored": 0, "sent": 1, "failed": 2, "pending": 3}  # the first and the last are U15's
FAILURE_TYPES = {"none": 0, "soft": 1, "hard": 2}
FAILURE_REASONS = {
    "none": 0, "userUnknown": 1, "invalidDomain": 2, "unreachable": 3, "accountDisabled": 4, "mailboxFull": 5,
    "notConnected": 6, "denylisted": 8, "refused": 20,
}  # fmt: skip
URL_TYPES = {"none": 0, "click": 1, "open": 2, "optOut": 3, "web": 4, "transaction": 5, "mirror": 6,
             "click10": 10, "click11": 11}  # fmt: skip


def _table(schema: str, label: str, fields: dict[str, Any], **links: str) -> dict[str, Any]:
    """Return a declaration of what only the platform writes."""
    return {
        "schema": schema, "label": label, "internal": True, "audit": False, "fields": fields,
        "links": {name: {"target": target, "on_delete": "nothing"} for name, target in links.items()},
    }  # fmt: skip


def _named(schema: str, label: str, fields: dict[str, Any], **links: str) -> dict[str, Any]:
    both = {"name": {"length": 64}, "label": {"length": 128}}
    return {**_table(schema, label, {**both, **fields}, **links), "keys": {"name": {"fields": ["name"]}}}


RESOURCES: dict[str, dict[str, Any]] = {
    "campaign": _named("nms:operation", "Campaigns", {}),
    "delivery": _named(
        "nms:delivery",
        "Deliveries",
        {"messageType": {"values": CHANNELS}, "FCP": {"type": "boolean"}, "mainDate": {"type": "datetime"}},
        campaign="campaign", parent="delivery",
    ),
    "trackingUrl": _table(
        "nms:trackingUrl",
        "Tracked URLs",
        {"type": {"values": URL_TYPES}, "label": {"length": 128}, "sourceURL": {"type": "memo"}},
    ),
    "broadLogRcp": _table(
        "nms:broadLogRcp",
        "Delivery logs",
        {
            "eventDate": {"type": "datetime"}, "contactDate": {"type": "datetime"},
            "lastModified": {"type": "datetime"}, "address": {"length": 128},
            "status": {"values": STATUSES}, "failureType": {"values": FAILURE_TYPES},
            "failureReason": {"values": FAILURE_REASONS}, "deliveryType": {"values": CHANNELS},
            "variant": {"default": "default"}, "mirrorUrl": {"type": "memo"},
            # the sandbox's own: when a row is or will be in the database, and when it last turns
            "committed": {"type": "datetime"}, "turned": {"type": "datetime"},
        },
        profile="profile", delivery="delivery",
    ),
    "trackingLogRcp": _table(
        "nms:trackingLogRcp",
        "Tracking logs",
        {
            "logDate": {"type": "datetime"}, "sourceType": {"default": "html"}, "trackedDevice": {},
            "committed": {"type": "datetime"},
        },
        broadLog="broadLogRcp", profile="profile", delivery="delivery", url="trackingUrl",
    ),
}  # fmt: skip
