"""AdventureWorks whole: what Campaign should hold of the six files' 53,454 rows, computed from the files alone.

It shares no code with the package, the sandbox or the demo. The mappings are those of `adventureworks_mappings/` and,
for vendors, orders and lines, the three examples of include/mappings.

No lookup of the files leads to nowhere. Many are empty (a contact without a store, a customer with only one of contact
and store), which is no reason to wait. Four vendors are no longer bought from: their 203 orders and these orders' 521
lines wait for ever.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sandbox_process import ROOT

DATA = Path(os.environ.get("TEST_ADVENTUREWORKS", ROOT.parent / "shared" / "data" / "adventureworks"))
MAPPINGS = [
    *(Path(__file__).parent / "adventureworks_mappings").glob("*.yaml"),
    *(ROOT / "include" / "mappings" / "examples").glob("*.yaml"),
]
#: Flow -> (table, rows of its file, resource, key field).
FLOWS = {
    "accounts_to_stores": ("account", 701, "cusStore", "storeId"),
    "contacts_to_profiles": ("contact", 19_972, "profile", "externalId"),
    "customers_to_customers": ("new_customer", 19_820, "cusCustomer", "customerId"),
    "vendors_to_vendors": ("new_vendor", 104, "cusVendor", "vendorId"),
    "orders_to_orders": ("new_purchaseorder", 4_012, "cusPurchaseOrder", "orderId"),
    "lines_to_lines": ("new_purchaseorderline", 8_845, "cusPurchaseOrderLine", "lineId"),
}
#: What an administrator adds to the sandbox's Campaign, as bodies of its control campaign/resources. The sandbox's own
#: link from store to profile would close a circle with the one from profile to store; AdventureWorks has no use for it.
RESOURCES: list[dict[str, Any]] = [
    {"resource": "cusStore", "links": {"cusContactlink": None}},
    {
        "resource": "profile",
        "fields": {"cusStoreId": {"length": 36}},
        "links": {
            "cusStorelink": {
                "target": "cusStore", "joins": {"cusStoreId": "storeId"}, "cardinality": "0..1", "on_delete": "nothing",
            }
        },
    },
    {
        "resource": "cusCustomer",
        "fields": {
            "customerId": {"length": 36}, "number": {"length": 20}, "territory": {"type": "integer"},
            "changedAt": {"type": "datetime"}, "contactExtId": {"length": 36}, "storeId": {"length": 36},
        },
        "links": {
            "cusContactlink": {
                "target": "profile", "joins": {"contactExtId": "externalId"}, "cardinality": "0..1",
                "on_delete": "nothing",
            },
            "cusStorelink": {
                "target": "cusStore", "joins": {"storeId": "storeId"}, "cardinality": "0..1", "on_delete": "nothing",
            },
        },
        "keys": {"customerIdKey": {"fields": ["customerId"]}},
    },
]  # fmt: skip
#: Flow -> its import workflow, where rows go by file.
WORKFLOWS = {flow: f"WKF9{number}" for number, flow in enumerate(FLOWS, 1)}
CREATED = {
    "accounts_to_stores": 701,
    "contacts_to_profiles": 19_972,
    "customers_to_customers": 19_820,
    "vendors_to_vendors": 100,
    "orders_to_orders": 3_809,
    "lines_to_lines": 8_324,
}
PARKED = {"orders_to_orders": 203, "lines_to_lines": 521}
Records = dict[str, dict[str, Any]]


def wanted() -> tuple[dict[str, Records], dict[str, set[str]]]:
    """The records of every resource by key, and the keys of the rows that wait for a parent, by flow."""
    profiles = {row["contactid"]: profile(row) for row in rows("contact")}
    stores = {row["accountid"]: store(row) for row in rows("account")}
    vendors = {row["new_vendorid"]: vendor(row) for row in rows("new_vendor") if row["new_active"] == "True"}
    orders, waiting_orders = _below(vendors, "new_purchaseorder", "_new_vendorid_value", order)
    lines, waiting_lines = _below(orders, "new_purchaseorderline", "_new_purchaseorderid_value", line)
    customers = {row["new_customerid"]: customer(row) for row in rows("new_customer")}
    assert {row["cusStoreId"] for row in profiles.values()} <= stores.keys() | {""}
    assert {row["contactExtId"] for row in customers.values()} <= profiles.keys() | {""}
    assert {row["storeId"] for row in customers.values()} <= stores.keys() | {""}
    records = {
        "profile": profiles, "cusStore": stores, "cusCustomer": customers,
        "cusVendor": vendors, "cusPurchaseOrder": orders, "cusPurchaseOrderLine": lines,
    }  # fmt: skip
    return records, {"orders_to_orders": waiting_orders, "lines_to_lines": waiting_lines}


def mapping_files(folder: Path, *, by_file: bool) -> list[Path]:
    """The six mapping files, copied into a folder; by REST, or by file only."""
    found = []
    for source in MAPPINGS:
        text = source.read_text("utf-8").partition("\nexamples:")[0] + "\n"
        load = f"load: {{resource: {FLOWS[source.stem][2]}"
        if by_file:
            load += f", import_workflow: {WORKFLOWS[source.stem]}, bulk_from: always"
        file = folder / source.name
        file.write_text(re.sub(r"(?m)^load:.*(\n  .*)*", load + "}", text), "utf-8")
        found.append(file)
    return found


def imports() -> list[dict[str, Any]]:
    """The import workflows, as bodies of the sandbox's control campaign/imports."""
    records, _ = wanted()
    return [
        {
            "id": WORKFLOWS[flow],
            "state": "started",
            "resource": resource,
            "key": key,
            "columns": list(next(iter(records[resource].values()))),
        }
        for flow, (_, _, resource, key) in FLOWS.items()
    ]


def rows(table: str) -> Iterator[dict[str, str]]:
    """The rows of a file, texts as they are."""
    with gzip.open(DATA / f"{table}.csv.gz", "rb") as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def profile(row: dict[str, str]) -> dict[str, Any]:
    """The profile of a contact; Campaign writes names with a capital at each word's beginning (campaign.md §4.3)."""
    return {
        "externalId": row["contactid"],
        "email": row["emailaddress1"].strip().lower(),
        "firstName": _smart_case(row["firstname"].strip()),
        "lastName": _smart_case(row["lastname"].strip()),
        "birthDate": row["birthdate"],
        "gender": {"1": "male", "2": "female"}.get(row["gendercode"], "unknown"),
        "cusIncomeBand": row["new_incomeband"],
        "cusChildren": int(row["numberofchildren"] or 0),
        "cusHomeOwner": row["new_homeowner"] == "True",
        "cusStoreId": row["_parentcustomerid_value"],
    }


def store(row: dict[str, str]) -> dict[str, Any]:
    """The store of an account."""
    return {
        "storeId": row["accountid"],
        "name": row["name"],
        "industry": row["new_specialty"],
        "revenue": float(row["revenue"]),
        "employees": int(row["numberofemployees"]),
        "yearOpened": int(row["new_yearopened"]),
    }


def customer(row: dict[str, str]) -> dict[str, Any]:
    """The customer of a customer."""
    return {
        "customerId": row["new_customerid"],
        "number": row["new_accountnumber"],
        "territory": int(row["new_territory"]),
        "changedAt": _moment(row["modifiedon"]),
        "contactExtId": row["_new_contactid_value"],
        "storeId": row["_new_accountid_value"],
    }


def vendor(row: dict[str, str]) -> dict[str, Any]:
    """The vendor of a vendor."""
    ratings = ("superior", "excellent", "good", "average", "poor")
    return {
        "vendorId": row["new_vendorid"],
        "name": " ".join(row["new_name"].split()),
        "number": row["new_accountnumber"],
        "rating": ratings[int(row["new_creditrating"]) - 1],
        "preferred": row["new_preferred"] == "True",
        "website": row["new_url"].strip(),
    }


def order(row: dict[str, str]) -> dict[str, Any]:
    """The purchase order of an order."""
    return {
        "orderId": row["new_purchaseorderid"],
        "vendorId": row["_new_vendorid_value"],
        "number": int(row["new_number"]),
        "status": ("pending", "approved", "rejected", "complete")[int(row["new_status"]) - 1],
        "orderedOn": row["new_orderdate"][:10],
        "shippedAt": _moment(row["new_shipdate"]),
        **{field: float(row[f"new_{field}"]) for field in ("subtotal", "tax", "freight", "total")},
    }


def line(row: dict[str, str]) -> dict[str, Any]:
    """The line of an order's line."""
    return {
        "lineId": row["new_purchaseorderlineid"],
        "orderId": row["_new_purchaseorderid_value"],
        "line": int(row["new_line"]),
        "product": row["new_product"],
        "quantity": int(row["new_quantity"]),
        "unitPrice": float(row["new_unitprice"]),
        "lineTotal": float(row["new_linetotal"]),
        "dueOn": row["new_duedate"][:10],
    }


def _below(parents: Records, table: str, lookup: str, make: Any) -> tuple[Records, set[str]]:
    """The records whose parent is there, and the keys of the rows whose parent is not."""
    every = {row[f"{table}id"]: row for row in rows(table)}
    waiting = {key for key, row in every.items() if row[lookup] not in parents}
    return {key: make(row) for key, row in every.items() if key not in waiting}, waiting


def _moment(text: str) -> str:
    return f"{text[:10]} {text[11:19]}.000Z" if text else ""


def _smart_case(text: str) -> str:
    return re.sub(r"[^\W_]+(?:['’][^\W_]+)*", lambda word: word[0][0].upper() + word[0][1:].lower(), text)
