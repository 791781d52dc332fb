"""Generated contacts: any number, always the same for one seed.

Person n of a seed is the same whatever the number asked for, but for the organisation. The first ones are those of
`awkward`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sandbox.seeds.awkward import AWKWARD
from sandbox.seeds.chance import DOMAINS, MOMENTS, SHORT, id_of, luck_of, shaped
from sandbox.seeds.names import PLACES, Place

CUSTOM_COLUMNS = {
    "new_birthdaytext": "String",
    "new_consentdate": "DateTime",
    "new_loyaltypoints": "Integer",
    "new_newsletter": "Boolean",
    "new_note": "Memo",
    "new_score": "Decimal",
}
JOBS = ("Buyer", "Owner", "Head of Purchasing & Logistics", "Trainee", "Ärztin", None, None)
# fixed, so that the same rows come out in any year
BIRTHDAYS = tuple((date(1938, 1, 1) + timedelta(days=n)).isoformat() for n in range(25_567))
PEOPLE_PER_EMPLOYER = 25
_WHO = tuple(AWKWARD)


def employer_count(people_count: int) -> int:
    """Return how many organisations people belong to: the first ones of `companies.accounts`."""
    return min(5000, max(5, people_count // PEOPLE_PER_EMPLOYER))


def account_id(seed: int, number: int) -> str:
    return id_of(f"account:{seed}:{number}")


def people(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield `count` contacts: the awkward ones first, then ordinary ones."""
    owners = [account_id(seed, n) for n in range(employer_count(count))]
    for number, who in enumerate(list(AWKWARD)[:count]):
        yield {**person(seed, number, owners), "contactid": awkward_id(who), **AWKWARD[who]}
    for number in range(len(AWKWARD), count):
        yield person(seed, number, owners)


def contact_id(seed: int, number: int) -> str:
    """Return the contactid of person `number`."""
    return awkward_id(_WHO[number]) if number < len(_WHO) else id_of(f"contact:{seed}:{number}")


def awkward_id(who: str) -> str:
    """Return the contactid of an awkward person; it depends on the name only."""
    return id_of(f"awkward:{who}")


def awkward(who: str, seed: int = 7, count: int = 200) -> dict[str, Any]:
    """Return the whole row of an awkward person."""
    number = list(AWKWARD).index(who)
    return next(row for n, row in enumerate(people(count, seed)) if n == number)


def person(seed: int, number: int, owners: list[str]) -> dict[str, Any]:
    """Return one ordinary contact."""
    luck = luck_of("contact", seed, number)
    place: Place = PLACES[luck[0] % len(PLACES)]
    town, state = place.towns[luck[1] % len(place.towns)]
    woman = luck[2] & 1
    first_names = place.women if woman else place.men
    inactive = luck[3] < 8
    changed = luck[4] * 256 + luck[5]
    mail = f"{SHORT[luck[6] % 10]}.{number}@{DOMAINS[luck[7] % 5]}"
    return {
        "contactid": id_of(f"contact:{seed}:{number}"),
        "firstname": first_names[luck[8] % len(first_names)],
        "middlename": "J." if luck[9] < 30 else None,
        "lastname": place.last[luck[10] % len(place.last)],
        "salutation": ("Ms." if woman else "Mr.") if luck[11] < 128 else None,
        "jobtitle": JOBS[luck[12] % 7],
        "emailaddress1": mail if luck[13] > 8 else None,
        "emailaddress2": f"second.{mail}" if luck[13] > 240 else None,
        "mobilephone": shaped(place.phone, luck) if luck[14] > 40 else None,
        "telephone1": shaped(place.phone, luck[1:]) if luck[15] > 128 else None,
        "address1_line1": place.streets[luck[16] % len(place.streets)].format(1 + luck[17]),
        "address1_line2": None,
        "address1_city": town,
        "address1_stateorprovince": state,
        "address1_postalcode": shaped(place.postal, luck[2:]) or None,
        "address1_country": place.country,
        "birthdate": BIRTHDAYS[(luck[18] * 256 + luck[19]) % 25_567] if luck[20] > 38 else None,
        "gendercode": (2 if woman else 1) if luck[21] > 25 else None,
        "familystatuscode": 1 + luck[22] % 4 if luck[22] > 60 else None,
        "preferredcontactmethodcode": 1 + luck[23] % 5,
        "numberofchildren": luck[24] % 5 if luck[24] > 90 else None,
        "creditlimit": luck[25] * 100.5 if luck[25] > 200 else None,
        "donotemail": luck[26] < 16,
        "donotbulkemail": luck[27] < 32,
        "donotphone": luck[28] < 24,
        "donotfax": luck[28] > 250,
        "donotpostalmail": luck[29] < 20,
        "donotsendmm": luck[30] < 10,
        "statecode": 1 if inactive else 0,
        "statuscode": 2 if inactive else 1,
        "_parentcustomerid_value": owners[(luck[31] * 256 + luck[32]) % len(owners)]
        if luck[33] < 90
        else None,
        "new_birthdaytext": None,
        "new_consentdate": MOMENTS[changed // 2] if luck[34] > 100 else None,
        "new_loyaltypoints": luck[35] * luck[36] if luck[35] > 50 else None,
        "new_newsletter": luck[37] < 140 if luck[38] > 20 else None,
        "new_note": None,
        "new_score": luck[39] / 4 if luck[40] > 60 else None,
        "createdon": MOMENTS[changed // 3],
        "modifiedon": MOMENTS[changed],
    }
