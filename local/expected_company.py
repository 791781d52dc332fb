"""What Campaign should hold of stores, vendors, purchase orders and their lines, computed from Dynamics' rows alone.

Written a second time on purpose, from the text of accounts_to_stores and the three example mappings, in plain Python:
it shares no code with the package. Not for contacts: `expected` has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from local.expected import expected

Row = dict[str, Any]
Rows = Iterable[Row]

STATUSES = {0: "open", 1: "closed"}
INDUSTRIES = {1: "Accounting", 2: "Agriculture and Non-petrol Natural Resource Extraction", 3: "Broadcasting"}
RATINGS = {1: "superior", 2: "excellent", 3: "good", 4: "average", 5: "poor"}
ORDER_STATUSES = {None: "unknown", 1: "pending", 2: "approved", 3: "rejected", 4: "complete"}


class Level(NamedTuple):
    """One resource: its records by key, and the keys of rows that wait for a parent that Campaign has not."""

    records: dict[str, Row]
    parked: set[str]


class Kind(NamedTuple):
    """Where a resource's rows come from."""

    table: str
    key: str  # Campaign's field; Dynamics has the table's own id
    make: Callable[[Row], Row | None]  # the record; None if the row is dropped or rejected
    parent: str | None = None  # resource
    lookup: str = ""


def campaign(tables: Mapping[str, Rows]) -> dict[str, Level]:
    """What Campaign should hold of each resource, given Dynamics' rows by table."""
    levels: dict[str, Level] = {}
    for resource, kind in KINDS.items():  # parents first
        records, parked = {}, set()
        for row in tables[kind.table]:
            record, parent = kind.make(row), row.get(kind.lookup)
            key = str(row[f"{kind.table}id"]).lower()
            if record is None:
                continue
            if kind.parent and parent and parent.lower() not in levels[kind.parent].records:
                parked.add(key)
            else:
                records[key] = record
        levels[resource] = Level(records, parked)
    return levels


def store(account: Row) -> Row | None:
    """The record of an account."""
    created, contact = account.get("createdon") or "", account.get("_primarycontactid_value")
    record = {
        "storeId": account["accountid"].lower(),
        "name": re.sub(r"\r\n|\r|\n", " ", _text(account, "name", trim=False)).strip(),
        "number": _text(account, "accountnumber", trim=False),
        "email": _text(account, "emailaddress1").lower(),
        "phone": _text(account, "telephone1"),
        "city": _text(account, "address1_city"),
        "country": _text(account, "address1_country"),
        "industry": INDUSTRIES.get(account.get("industrycode") or 0, ""),
        "revenue": account.get("revenue") or 0,
        "employees": account.get("numberofemployees") or 0,
        "onHold": bool(account.get("creditonhold")),
        "status": STATUSES.get(account.get("statecode", -1), "unknown"),
        "customerSince": created[:10],
        "registered": f"{created[:10]} {created[11:19]}.000Z" if created else "",
        "contactExtId": (contact or "").lower(),
    }
    longest = {"name": 100, "number": 20, "email": 128, "phone": 32, "city": 50, "country": 50}
    return record if record["name"] and _fits(record, longest) else None


def vendor(row: Row) -> Row | None:
    """The record of a vendor; None for one that nobody buys from."""
    record = {
        "vendorId": row["new_vendorid"].lower(),
        "name": " ".join(_text(row, "new_name").split()),
        "number": _text(row, "new_accountnumber", trim=False),
        "rating": RATINGS.get(row.get("new_creditrating") or 0, "unknown"),
        "preferred": bool(row.get("new_preferred")),
        "website": _text(row, "new_url"),
    }
    good = row.get("new_active") is True and record["name"]
    return record if good and _fits(record, {"name": 100, "number": 20, "website": 255}) else None


def order(row: Row) -> Row | None:
    """The record of a purchase order; None for one without a vendor or with a status that nobody knows."""
    shipped, status = row.get("new_shipdate") or "", row.get("new_status")
    if not row.get("_new_vendorid_value") or status not in ORDER_STATUSES or (row.get("new_total") or 0) < 0:
        return None
    return {
        "orderId": row["new_purchaseorderid"].lower(),
        "vendorId": row["_new_vendorid_value"].lower(),
        "number": row.get("new_number") or 0,
        "status": ORDER_STATUSES[status],
        "orderedOn": (row.get("new_orderdate") or "")[:10],
        "shippedAt": f"{shipped[:10]} {shipped[11:19]}.000Z" if shipped else "",
        "subtotal": row.get("new_subtotal") or 0,
        "tax": row.get("new_tax") or 0,
        "freight": row.get("new_freight") or 0,
        "total": row.get("new_total") or 0,
    }


def line(row: Row) -> Row | None:
    """The record of an order's line; None for one without an order, or of nothing."""
    if not row.get("_new_purchaseorderid_value") or (row.get("new_quantity") or 0) < 1:
        return None
    product = row.get("new_product")
    return {
        "lineId": row["new_purchaseorderlineid"].lower(),
        "orderId": row["_new_purchaseorderid_value"].lower(),
        "line": row.get("new_line") or 0,
        "product": "" if product is None else str(product),
        "quantity": row["new_quantity"],
        "unitPrice": row.get("new_unitprice") or 0,
        "lineTotal": row.get("new_linetotal") or 0,
        "dueOn": (row.get("new_duedate") or "")[:10],
    }


KINDS = {
    "profile": Kind("contact", "externalId", expected),
    "cusStore": Kind("account", "storeId", store, "profile", "_primarycontactid_value"),
    "cusVendor": Kind("new_vendor", "vendorId", vendor),
    "cusPurchaseOrder": Kind("new_purchaseorder", "orderId", order, "cusVendor", "_new_vendorid_value"),
    "cusPurchaseOrderLine": Kind(
        "new_purchaseorderline", "lineId", line, "cusPurchaseOrder", "_new_purchaseorderid_value"
    ),
}


def _text(row: Row, column: str, *, trim: bool = True) -> str:
    text = str(row.get(column) or "")
    return text.strip() if trim else text


def _fits(record: Row, longest: dict[str, int]) -> bool:
    return all(len(record[field]) <= length for field, length in longest.items())
