"""Custom resources that an administrator has published before the first sync (campaign.md §6), as declarations.

Data only. Stores may belong to a profile and so answer under Ext; vendors, purchase orders and their lines lead to
nobody and answer under /customResources (§2.1). Inside a custom resource field names have no prefix. All links join
by a plain text field (§4.5) and leave both rows alone when one is deleted.
"""

from __future__ import annotations

from typing import Any


def _text(length: int) -> dict[str, Any]:
    return {"type": "string", "length": length}


STORE: dict[str, Any] = {
    "label": "Stores",
    "singular": "Store",
    "title": ["name"],
    "fields": {
        "storeId": _text(36),
        "name": _text(100),
        "number": _text(20),
        "email": {**_text(128), "policy": "email"},
        "phone": _text(32),
        "city": _text(50),
        "country": _text(50),
        "industry": _text(80),
        "revenue": {"type": "double"},
        "employees": {"type": "integer"},
        "yearOpened": {"type": "short"},
        "onHold": {"type": "boolean"},
        "status": {"type": "byte", "values": {"unknown": 0, "open": 1, "closed": 2}},
        "customerSince": {"type": "date"},
        "registered": {"type": "datetime"},
        "contactExtId": _text(36),
    },
    "links": {
        "cusContactlink": {
            "target": "profile",
            "joins": {"contactExtId": "externalId"},
            "cardinality": "0..1",
            "on_delete": "nothing",
        }
    },
    "keys": {"storeIdKey": {"fields": ["storeId"]}},
}

VENDOR: dict[str, Any] = {
    "label": "Vendors",
    "singular": "Vendor",
    "title": ["name"],
    "fields": {
        "vendorId": _text(36),
        "name": _text(100),
        "number": _text(20),
        "rating": {
            "type": "byte",
            "values": {"unknown": 0, "superior": 1, "excellent": 2, "good": 3, "average": 4, "poor": 5},
        },
        "preferred": {"type": "boolean"},
        "website": _text(255),
    },
    "keys": {"vendorIdKey": {"fields": ["vendorId"]}},
}

PURCHASE_ORDER: dict[str, Any] = {
    "label": "Purchase orders",
    "singular": "Purchase order",
    "title": ["number"],
    "fields": {
        "orderId": _text(36),
        "vendorId": _text(36),
        "number": {"type": "integer"},
        "status": {
            "type": "byte",
            "values": {"unknown": 0, "pending": 1, "approved": 2, "rejected": 3, "complete": 4},
        },
        "orderedOn": {"type": "date"},
        "shippedAt": {"type": "datetime"},
        "subtotal": {"type": "double"},
        "tax": {"type": "double"},
        "freight": {"type": "double"},
        "total": {"type": "double"},
    },
    "links": {
        "cusVendorlink": {
            "target": "cusVendor",
            "joins": {"vendorId": "vendorId"},
            "cardinality": "1",
            "on_delete": "nothing",
        }
    },
    "keys": {"orderIdKey": {"fields": ["orderId"]}},
}

PURCHASE_ORDER_LINE: dict[str, Any] = {
    "label": "Purchase order lines",
    "singular": "Purchase order line",
    "title": ["line"],
    "fields": {
        "lineId": _text(36),
        "orderId": _text(36),
        "line": {"type": "integer"},
        "product": _text(20),
        "quantity": {"type": "integer"},
        "unitPrice": {"type": "double"},
        "lineTotal": {"type": "double"},
        "dueOn": {"type": "date"},
    },
    "links": {
        "cusPurchaseOrderlink": {
            "target": "cusPurchaseOrder",
            "joins": {"orderId": "orderId"},
            "cardinality": "1",
            "on_delete": "nothing",
        }
    },
    "keys": {"lineIdKey": {"fields": ["lineId"]}},
}

CUSTOM_RESOURCES = {
    "cusStore": STORE,
    "cusVendor": VENDOR,
    "cusPurchaseOrder": PURCHASE_ORDER,
    "cusPurchaseOrderLine": PURCHASE_ORDER_LINE,
}
