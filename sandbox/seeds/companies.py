"""Generated accounts: where people work, and who is asked there. Always the same for one seed.

The first ones are awkward on purpose, one trait each; tests look them up by name. Account n does not depend on how
many there are, as long as the person who is asked there exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.seeds import awkward as who
from sandbox.seeds.awkward import AWKWARD
from sandbox.seeds.chance import DOMAINS, MOMENTS, SHORT, luck_of, shaped
from sandbox.seeds.names import PLACES
from sandbox.seeds.people import account_id, contact_id

NOBODY = "no primary contact"
ASKS_NO_EMAIL = "primary contact without an e-mail"
ASKS_INVALID_EMAIL = "primary contact with an invalid e-mail"
ASKS_LONG_NAME = "primary contact whom Campaign does not take"
ASKS_INACTIVE = "inactive primary contact"
ASKS_THE_SAME_1 = "shares a primary contact, first"
ASKS_THE_SAME_2 = "shares a primary contact, second"
LONG_NAME = "160-character name"
NO_NAME = "no name"
CLOSED = "inactive account"
PUNCTUATION = "quotes, semicolons and newlines"
PEOPLE_PER_ACCOUNT = 5

PRIMARY = "_primarycontactid_value"
AWKWARD_ACCOUNTS: dict[str, dict[str, Any]] = {
    NOBODY: {PRIMARY: None},
    ASKS_NO_EMAIL: {PRIMARY: who.NO_EMAIL, "name": "Straßen- und Tiefbau Häßler"},
    ASKS_INVALID_EMAIL: {PRIMARY: who.INVALID_EMAIL},
    ASKS_LONG_NAME: {PRIMARY: who.LONG_FIRST_NAME},
    ASKS_INACTIVE: {PRIMARY: who.INACTIVE},
    ASKS_THE_SAME_1: {PRIMARY: who.NORWAY},
    ASKS_THE_SAME_2: {PRIMARY: who.NORWAY, "revenue": 0.1},
    LONG_NAME: {"name": ("Genossenschaft für Bürsten, Pinsel & Zubehör – " * 4)[:160]},
    NO_NAME: {"name": None},
    CLOSED: {"statecode": 1, "statuscode": 2, "revenue": 999_999_999_999.99},
    PUNCTUATION: {"name": 'Wolle; "Garn" & Söhne\nInh. O\'Neill', "revenue": None, "numberofemployees": None},
}


def account_count(people_count: int) -> int:
    return min(5000, max(12, people_count // PEOPLE_PER_ACCOUNT))


def accounts(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the organisations around `count` people of a seed: the awkward ones first, then ordinary ones."""
    for number in range(account_count(count)):
        yield {**account(seed, number, count), **_awkward(number, count)}


def awkward_account(trait: str, seed: int = 7) -> str:
    """Return the accountid of an awkward account."""
    return account_id(seed, list(AWKWARD_ACCOUNTS).index(trait))


def account(seed: int, number: int, people_count: int) -> dict[str, Any]:
    """Return one ordinary account."""
    luck = luck_of("account", seed, number)
    place = PLACES[luck[0] % len(PLACES)]
    town, state = place.towns[luck[1] % len(place.towns)]
    asked = number * PEOPLE_PER_ACCOUNT + luck[10] % PEOPLE_PER_ACCOUNT
    return {
        "accountid": account_id(seed, number),
        "name": f"{SHORT[luck[2] % 10].title()} {place.last[luck[3] % len(place.last)]} {number + 1:05d}",
        "accountnumber": f"A-{number + 1:06d}",
        "emailaddress1": f"office{number + 1}@{DOMAINS[luck[4] % 5]}",
        "telephone1": shaped(place.phone, luck),
        "address1_city": town,
        "address1_stateorprovince": state,
        "address1_country": place.country,
        "revenue": round((luck[5] * 256 + luck[6]) * 151.37, 2),
        "numberofemployees": 1 + luck[7] * 3,
        "industrycode": 1 + luck[11] % 3 if luck[12] > 60 else None,
        "creditonhold": luck[13] < 16,
        PRIMARY: contact_id(seed, asked % people_count) if luck[14] > 60 else None,
        "statecode": 0,
        "statuscode": 1,
        "createdon": MOMENTS[luck[8] * 64],
        "modifiedon": MOMENTS[luck[8] * 64 + luck[9] * 192],
    }


def _awkward(number: int, people_count: int) -> dict[str, Any]:
    """Return what account `number` has in place of ordinary values; nobody is asked who is not there."""
    if number >= len(AWKWARD_ACCOUNTS):
        return {}
    values = dict(list(AWKWARD_ACCOUNTS.values())[number])
    if asked := values.get(PRIMARY):
        person = list(AWKWARD).index(asked)
        values[PRIMARY] = contact_id(0, person) if person < people_count else None
    return values
