"""Generated vendors, their purchase orders and the orders' lines: three custom tables, each below the one before.

Columns and types are those of AdventureWorks' files. The first vendors and orders are awkward on purpose, one trait
each; tests look them up by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.seeds.chance import MOMENTS, SHORT, id_of, luck_of
from sandbox.seeds.names import PLACES

VENDOR_COLUMNS = {
    "new_accountnumber": "String",
    "new_name": "String",
    "new_creditrating": "Integer",
    "new_preferred": "Boolean",
    "new_active": "Boolean",
    "new_url": "String",
}
ORDER_COLUMNS = {
    "new_number": "Integer",
    "new_status": "Integer",
    "new_vendorid": "Lookup:new_vendor",
    "new_orderdate": "DateTime",
    "new_shipdate": "DateTime",
    "new_subtotal": "Decimal",
    "new_tax": "Decimal",
    "new_freight": "Decimal",
    "new_total": "Decimal",
}
LINE_COLUMNS = {
    "new_purchaseorderid": "Lookup:new_purchaseorder",
    "new_line": "Integer",
    "new_product": "Integer",
    "new_quantity": "Integer",
    "new_unitprice": "Decimal",
    "new_linetotal": "Decimal",
    "new_duedate": "DateTime",
}
GOODS = ("Räder", "Ketten & Naben", "Cycles", "Bearings", "Śruby", "Cuirs", "Lacke", "Spokes")

INACTIVE = "no longer bought from"
LONG_NAME = "200-character name"
UMLAUTS = "umlauts, quotes and semicolons"
NOTHING = "all but the name empty"
AWKWARD_VENDORS: dict[str, dict[str, Any]] = {
    INACTIVE: {"new_active": False},
    # Dataverse's custom texts take 4,000 characters, the field in Campaign 100
    LONG_NAME: {"new_name": ("Vereinigte Schmier- und Schleifmittelwerke " * 5)[:200], "new_active": True},
    UMLAUTS: {"new_name": ' Öl & "Söhne"; Żółć Sp. z o.o. ', "new_active": True},
    NOTHING: {
        **dict.fromkeys(VENDOR_COLUMNS),
        "new_name": "Ohne Angaben",
        "new_active": True,
    },
}
NO_VENDOR = "its vendor was deleted"  # Dataverse empties the lookup then
OF_INACTIVE = "of a vendor no longer bought from"
OF_LONG_NAME = "of a vendor that Campaign does not take"
UNKNOWN_STATUS = "a status that nobody knows"
LARGE = "the largest amounts"
NOT_SHIPPED = "neither date nor amount"
AWKWARD_ORDERS: dict[str, dict[str, Any]] = {
    NO_VENDOR: {"_new_vendorid_value": None},
    OF_INACTIVE: {"_new_vendorid_value": INACTIVE},
    OF_LONG_NAME: {"_new_vendorid_value": LONG_NAME},
    UNKNOWN_STATUS: {"_new_vendorid_value": UMLAUTS, "new_status": 9},
    LARGE: {
        "_new_vendorid_value": UMLAUTS,
        "new_subtotal": 9_999_999_999.9999,
        "new_total": 9_999_999_999.9999,
        "new_tax": 0.0001,
        "new_freight": 0.1,
        "new_orderdate": "1753-01-01T00:00:00Z",
        "new_shipdate": "2024-02-29T23:59:59Z",
    },
    NOT_SHIPPED: {
        "_new_vendorid_value": NOTHING,
        **dict.fromkeys((*ORDER_COLUMNS.keys() - {"new_number", "new_vendorid"},)),
    },
}
PEOPLE_PER_VENDOR, ORDERS_PER_VENDOR = 16, 5


def vendor_count(people_count: int) -> int:
    return min(500, max(6, people_count // PEOPLE_PER_VENDOR))


def order_count(people_count: int) -> int:
    return ORDERS_PER_VENDOR * vendor_count(people_count)


def line_count(people_count: int) -> int:
    return order_count(people_count) * 10 // 3


def vendor_id(seed: int, number: int) -> str:
    return id_of(f"vendor:{seed}:{number}")


def order_id(seed: int, number: int) -> str:
    return id_of(f"purchase order:{seed}:{number}")


def awkward_vendor(trait: str, seed: int = 7) -> str:
    """Return the new_vendorid of an awkward vendor."""
    return vendor_id(seed, list(AWKWARD_VENDORS).index(trait))


def awkward_order(trait: str, seed: int = 7) -> str:
    """Return the new_purchaseorderid of an awkward order."""
    return order_id(seed, list(AWKWARD_ORDERS).index(trait))


def vendors(people_count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the vendors of a sandbox of so many people: the awkward ones first."""
    awkward = list(AWKWARD_VENDORS.values())
    for number in range(vendor_count(people_count)):
        luck = luck_of("vendor", seed, number)
        place = PLACES[luck[0] % len(PLACES)]
        name = f"{place.last[luck[1] % len(place.last)]} {GOODS[luck[2] % len(GOODS)]}"
        created = luck[6] * 64
        yield {
            "new_vendorid": vendor_id(seed, number),
            "new_accountnumber": f"{SHORT[luck[3] % 10].upper()}{number + 1:04d}",
            "new_name": name,
            "new_creditrating": 1 + luck[4] % 5,
            "new_preferred": luck[5] < 200,
            "new_active": luck[7] > 12,
            "new_url": f"www.vendor{number + 1}.example/" if luck[8] < 40 else None,
            "createdon": MOMENTS[created],
            "modifiedon": MOMENTS[created + luck[9] * 192],
            **(awkward[number] if number < len(awkward) else {}),
        }


def orders(people_count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the purchase orders: the awkward ones first, the others of any vendor."""
    awkward, known = list(AWKWARD_ORDERS.values()), vendor_count(people_count)
    for number in range(order_count(people_count)):
        luck = luck_of("purchase order", seed, number)
        ordered = luck[0] * 192 + luck[1]
        cents = luck[2] * 65_536 + luck[3] * 256 + luck[4]
        row = {
            "new_purchaseorderid": order_id(seed, number),
            "_new_vendorid_value": vendor_id(seed, (luck[5] * 256 + luck[6]) % known),
            "new_number": number + 1,
            "new_status": 1 + luck[7] % 4,
            "new_orderdate": MOMENTS[ordered],
            "new_shipdate": MOMENTS[ordered + luck[8] * 4] if luck[9] > 40 else None,
            # whole cents have an exact eight per cent and fortieth in the four places that Dataverse keeps
            "new_subtotal": cents / 100,
            "new_tax": cents * 8 / 10_000,
            "new_freight": round(cents / 4000, 4),
            "new_total": round(cents * 1.105 / 100, 4),
            "modifiedon": MOMENTS[ordered + luck[10] * 4],
        }
        if number < len(awkward):
            row |= awkward[number]
            vendor = awkward[number]["_new_vendorid_value"]
            row["_new_vendorid_value"] = vendor and awkward_vendor(vendor, seed)
        yield row


def lines(people_count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the orders' lines: of every order one, then of any order; one in a hundred has lost its order."""
    known = order_count(people_count)
    for number in range(line_count(people_count)):
        luck = luck_of("purchase order line", seed, number)
        order = number if number < known else (luck[0] * 256 + luck[1]) % known
        lost = number >= known and luck[2] < 3
        quantity, price = 1 + luck[3], (luck[4] * 256 + luck[5]) / 1000
        due = luck[6] * 256 + luck[7]
        yield {
            "new_purchaseorderlineid": id_of(f"purchase order line:{seed}:{number}"),
            "_new_purchaseorderid_value": None if lost else order_id(seed, order),
            "new_line": number + 1,
            "new_product": 300 + luck[8] * 3,
            "new_quantity": quantity if luck[9] > 4 else 0,
            "new_unitprice": price,
            "new_linetotal": round(quantity * price, 4),
            "new_duedate": MOMENTS[due] if luck[10] > 30 else None,
            "modifiedon": MOMENTS[due],
        }
