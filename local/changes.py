"""What people do in Dynamics while the demonstration runs: through the sandbox's controls, as a client would.

Not for what should become of it in Campaign (`expected`, `expected_company`).
"""

from __future__ import annotations

from typing import Any

from local.expected import expected
from local.sandbox_api import SandboxApi

#: A contact who comes on the busy day, and says no to e-mail.
NEWCOMER = "0de70000-0000-4000-8000-000000000000"


def a_busy_day(sandbox: SandboxApi) -> str:
    """People move, change jobs, come and go; a store closes, an order is cancelled, another one is placed."""
    rows = [row for row in sandbox.rows("contact") if row.get("emailaddress1")]
    moved, promoted = rows[::20][:200], rows[1::10][:300]
    promoted = [row for row in promoted if row not in moved]
    update = [
        {"id": row["contactid"], "address1_city": f"Møllehavn {index}"} for index, row in enumerate(moved)
    ]
    update += [{"id": row["contactid"], "jobtitle": "Head of surprises"} for row in promoted]
    create = [
        {
            "contactid": f"{NEWCOMER[:-12]}{index:012d}",
            "firstname": "Nora",
            "lastname": f"Newcomer {index}",
            "emailaddress1": f"  Nora.{index}@Newcomers.example ",
            "donotbulkemail": index == 0,
        }
        for index in range(5)
    ]
    gone = [row["contactid"] for row in rows[2::97][:3]]
    sandbox.mutate("contact", create=create, update=update, delete=gone)
    changes = len(update) + len(create) + len(gone)

    accounts = sandbox.rows("account")
    if accounts:
        sandbox.mutate("account", delete=[accounts[-1]["accountid"]])
        changes += 1
    changes += _orders(sandbox) if sandbox.has("new_purchaseorder") else 0
    return f"{changes} changes in Dynamics, {len(promoted)} of them only in unmapped columns"


def parents_arrive(sandbox: SandboxApi) -> str:
    """The contact of a store that waits gets an address; a vendor that was left out is bought from after all."""
    contacts = {row["contactid"]: row for row in sandbox.rows("contact")}
    asked = [contacts[key] for row in sandbox.rows("account") if (key := row["_primarycontactid_value"])]
    address = {"emailaddress1": "now.reachable@example.org"}
    mended = (row["contactid"] for row in asked if not row["emailaddress1"] and expected(row | address))
    told = []
    if contact := next(mended, None):
        sandbox.mutate("contact", update=[{"id": contact, **address}])
        told.append("the contact of a store gets an address")
    if sandbox.has("new_vendor"):
        idle = next((row for row in sandbox.rows("new_vendor") if not row.get("new_active")), None)
        if idle:
            sandbox.mutate("new_vendor", update=[{"id": idle["new_vendorid"], "new_active": True}])
            told.append("a vendor becomes active")
    return " and ".join(told) or "nothing to mend"


def _orders(sandbox: SandboxApi) -> int:
    """Cancel an order with its lines, place one with a vendor that Campaign has not; return the number of changes."""
    there = {record["orderId"] for record in sandbox.records("cusPurchaseOrder")}
    lines: dict[str, list[str]] = {}
    for line in sandbox.rows("new_purchaseorderline"):
        lines.setdefault(line["_new_purchaseorderid_value"] or "", []).append(line["new_purchaseorderlineid"])
    cancelled = max(sorted(lines.keys() & there), key=lambda order: len(lines[order]))
    sandbox.mutate("new_purchaseorderline", delete=lines[cancelled])
    sandbox.mutate("new_purchaseorder", delete=[cancelled])
    idle = next((row for row in sandbox.rows("new_vendor") if not row.get("new_active")), None)
    if idle is None:
        return len(lines[cancelled]) + 1
    order: dict[str, Any] = {
        "new_purchaseorderid": "0de70000-0000-4000-8000-0000000000aa",
        "new_vendorid@odata.bind": f"/new_vendors({idle['new_vendorid']})",
        "new_number": 1_000_000,
        "new_status": 1,
    }
    line = {
        "new_purchaseorderlineid": "0de70000-0000-4000-8000-0000000000bb",
        "new_purchaseorderid@odata.bind": f"/new_purchaseorders({order['new_purchaseorderid']})",
        "new_quantity": 12,
    }
    sandbox.mutate("new_purchaseorder", create=[order])
    sandbox.mutate("new_purchaseorderline", create=[line])
    return len(lines[cancelled]) + 3
