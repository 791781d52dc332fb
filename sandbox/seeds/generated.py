"""All tables that a sandbox generates: people, the accounts around them, and what those buy."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.seeds import TableSeed, purchases
from sandbox.seeds.companies import accounts
from sandbox.seeds.people import CUSTOM_COLUMNS, people


def generated_tables(count: int, seed: int) -> Iterator[TableSeed]:
    """Yield the tables of a seed with `count` people, parents before their children.

    Accounts and contacts name each other: of those, accounts come first.
    """
    yield TableSeed("account", accounts(count, seed))
    yield TableSeed("contact", people(count, seed), CUSTOM_COLUMNS)
    yield TableSeed("new_vendor", purchases.vendors(count, seed), purchases.VENDOR_COLUMNS)
    yield TableSeed("new_purchaseorder", purchases.orders(count, seed), purchases.ORDER_COLUMNS)
    yield TableSeed("new_purchaseorderline", purchases.lines(count, seed), purchases.LINE_COLUMNS)
