"""Generated contacts and their accounts: any number, always the same for one seed.

Person n of a seed is the same whatever the number asked for. The first ones are those of `awkward`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sandbox.seeds import TableSeed
from sandbox.seeds.awkward import AWKWARD
from sandbox.seeds.names import PLACES, Place

NAMESPACE = uuid.UUID("7d1c0000-0000-4000-8000-00000000aa02")
CUSTOM_COLUMNS = {
    "new_birthdaytext": "String",
    "new_consentdate": "DateTime",
    "new_loyaltypoints": "Integer",
    "new_newsletter": "Boolean",
    "new_note": "Memo",
    "new_score": "Decimal",
}
DOMAINS = ("example.org", "example.com", "example.net", "mail.example.org", "post.example")
JOBS = ("Buyer", "Owner", "Head of Purchasing & Logistics", "Trainee", "Ärztin", None, None)
SHORT = ("spring", "river", "stone", "maple", "north", "clover", "amber", "quill", "harbor", "finch")
# fixed, so that the same rows come out in any year
BIRTHDAYS = tuple((date(1938, 1, 1) + timedelta(days=n)).isoformat() for n in range(25_567))
MOMENTS = tuple(
    (datetime(2019, 1, 1, 6) + timedelta(minutes=47 * n)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for n in range(65_536)
)  # 2019-01-01 to 2024-11
ACCOUNTS_PER_PERSON = 25


def people_tables(count: int, seed: int) -> Iterator[TableSeed]:
    """Yield the accounts and the contacts of a seed."""
    yield TableSeed("account", accounts(count, seed))
    yield TableSeed("contact", people(count, seed), CUSTOM_COLUMNS)


def accounts(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the organisations that `count` people of a seed belong to."""
    for number in range(account_count(count)):
        luck = _luck("account", seed, number)
        place = PLACES[luck[0] % len(PLACES)]
        town, state = place.towns[luck[1] % len(place.towns)]
        name = f"{SHORT[luck[2] % 10].title()} {place.last[luck[3] % len(place.last)]} {number + 1:05d}"
        yield {
            "accountid": account_id(seed, number),
            "name": name,
            "accountnumber": f"A-{number + 1:06d}",
            "emailaddress1": f"office{number + 1}@{DOMAINS[luck[4] % 5]}",
            "telephone1": _shaped(place.phone, luck),
            "address1_city": town,
            "address1_stateorprovince": state,
            "address1_country": place.country,
            "revenue": round((luck[5] * 256 + luck[6]) * 151.37, 2),
            "numberofemployees": 1 + luck[7] * 3,
            "statecode": 0,
            "statuscode": 1,
            "createdon": MOMENTS[luck[8] * 64],
            "modifiedon": MOMENTS[luck[8] * 64 + luck[9] * 192],
        }


def account_count(people_count: int) -> int:
    return min(5000, max(5, people_count // ACCOUNTS_PER_PERSON))


def account_id(seed: int, number: int) -> str:
    return _uuid5(f"account:{seed}:{number}")


def people(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield `count` contacts: the awkward ones first, then ordinary ones."""
    owners = [account_id(seed, n) for n in range(account_count(count))]
    for number, who in enumerate(list(AWKWARD)[:count]):
        yield {**person(seed, number, owners), "contactid": awkward_id(who), **AWKWARD[who]}
    for number in range(len(AWKWARD), count):
        yield person(seed, number, owners)


def awkward_id(who: str) -> str:
    """Return the contactid of an awkward person; it depends on the name only."""
    return _uuid5(f"awkward:{who}")


def awkward(who: str, seed: int = 7, count: int = 200) -> dict[str, Any]:
    """Return the whole row of an awkward person."""
    number = list(AWKWARD).index(who)
    return next(row for n, row in enumerate(people(count, seed)) if n == number)


def person(seed: int, number: int, owners: list[str]) -> dict[str, Any]:
    """Return one ordinary contact."""
    luck = _luck("contact", seed, number)
    place: Place = PLACES[luck[0] % len(PLACES)]
    town, state = place.towns[luck[1] % len(place.towns)]
    woman = luck[2] & 1
    first_names = place.women if woman else place.men
    inactive = luck[3] < 8
    changed = luck[4] * 256 + luck[5]
    mail = f"{SHORT[luck[6] % 10]}.{number}@{DOMAINS[luck[7] % 5]}"
    return {
        "contactid": _uuid5(f"contact:{seed}:{number}"),
        "firstname": first_names[luck[8] % len(first_names)],
        "middlename": "J." if luck[9] < 30 else None,
        "lastname": place.last[luck[10] % len(place.last)],
        "salutation": ("Ms." if woman else "Mr.") if luck[11] < 128 else None,
        "jobtitle": JOBS[luck[12] % 7],
        "emailaddress1": mail if luck[13] > 8 else None,
        "emailaddress2": f"second.{mail}" if luck[13] > 240 else None,
        "mobilephone": _shaped(place.phone, luck) if luck[14] > 40 else None,
        "telephone1": _shaped(place.phone, luck[1:]) if luck[15] > 128 else None,
        "address1_line1": place.streets[luck[16] % len(place.streets)].format(1 + luck[17]),
        "address1_line2": None,
        "address1_city": town,
        "address1_stateorprovince": state,
        "address1_postalcode": _shaped(place.postal, luck[2:]) or None,
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


def _luck(kind: str, seed: int, number: int) -> bytes:
    """Return 64 bytes that only this row gets; much faster than a random generator per row."""
    return hashlib.blake2b(b"%s:%d:%d" % (kind.encode(), seed, number), digest_size=64).digest()


def _uuid5(name: str) -> str:
    """Return str(uuid.uuid5(NAMESPACE, name)), five times as fast."""
    text = hashlib.sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


_DIGITS = "0123456789" * 26
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY" * 12


@cache
def _template(shape: str) -> tuple[str, tuple[str, ...]]:
    places = tuple(_DIGITS if place == "#" else _LETTERS for place in shape if place in "#@")
    return shape.replace("%", "%%").replace("#", "%s").replace("@", "%s"), places


def _shaped(shape: str, luck: bytes) -> str:
    """Fill the digits (#) and letters (@) of a shape."""
    template, places = _template(shape)
    return template % tuple([alphabet[at] for alphabet, at in zip(places, luck[44:], strict=False)])
