"""I14: a data set that is loaded once by REST and once by file leaves the same bytes in Campaign."""

from __future__ import annotations

import random
import shutil
import uuid
from typing import Any

import pytest

from tests.flows.importing import Imports
from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

FIELDS = {
    "externalId": "{from: contactid, key: true}",
    "email": "{from: emailaddress1, using: [trim, lower]}",
    "salutation": "salutation",
    "firstName": "firstname",
    "lastName": "lastname",
    "birthDate": "birthdate",
    "gender": "{from: gendercode, picklist: value}",
    "mobilePhone": "mobilephone",
    "location.address1": "address1_line1",
    "location.city": "address1_city",
    "cusNote": "new_note",
    "cusNickName": "new_birthdaytext",
    "cusChildren": "new_loyaltypoints",
    "cusTotalPurchase": "creditlimit",
    "cusHomeOwner": "new_newsletter",
    "cusFirstSeen": "{from: jobtitle, using: [iso_datetime]}",
    "blackListEmail": "donotemail",
}
MAPPING = f"""\
description: Contacts become profiles.
schedule: ~
extract: {{table: contact, deletes: apply}}
filter: {{all: [{{column: emailaddress1, present: true}}]}}
map:
{"".join(f"  {field}: {how}{chr(10)}" for field, how in FIELDS.items())}
replace:
  gender: {{1: male, 2: female, otherwise: unknown}}
load:
  resource: profile
  bulk_from: BULK
guard: {{deletes: 100%, blanks: 100%}}
"""
TEXTS = (
    None, "", " ", "Ada", " Ada ", "O'Neil", 'Say "hi"', '"', '""', ";", "a;b", ";;", '";"', "one\ntwo", "\n", "a\n",
    "\n;\"\n", "one\r\ntwo", "a\r", "tab\there", "Ødegård", "李小龙", "🌻🌻", "=1+1", "-", "0", "00", "1.50", "NULL",
    "null", "NO", "#N/A", "\\", "\\n", "'", "a,b", "U", "D", "ß", "e\u0301", "\u2028x", "\u00a0x", "\ufeffx", "é" * 15,
    "x" * 20,
)  # fmt: skip
NOTES = (*TEXTS, "n" * 255, ("line;\n" * 42)[:255], ('"' * 255))
MOMENTS = (
    None,
    "2026-02-03T04:05:06Z",
    "2026-02-03T04:05:06.7Z",
    "1753-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "",
)
DATES = (None, "1753-01-01", "1987-03-09", "2004-02-29", "2099-12-31")
NUMBERS = (None, 0, 1, -1, 7, 99999, -(2**31), 2**31 - 1)
MONEY = (None, 0, 0.5, 12.25, 1234567.89, 1000000000)
UNLIKE = {"@id", "created", "lastModified"}


def people(count: int) -> list[dict[str, Any]]:
    """The same contacts at every call."""
    luck = random.Random(8)
    text = lambda most: luck.choice([each for each in TEXTS if len(each or "") <= most])  # noqa: E731
    return [
        {
            "contactid": str(uuid.UUID(int=luck.getrandbits(128))),
            "emailaddress1": f"{n}.Person@Alder.Example",
            "salutation": text(20), "firstname": text(30), "lastname": text(50), "address1_line1": text(80),
            "address1_city": text(50), "mobilephone": text(32), "new_note": luck.choice(NOTES),
            "new_birthdaytext": text(40), "birthdate": luck.choice(DATES), "gendercode": luck.choice((None, 1, 2)),
            "new_loyaltypoints": luck.choice(NUMBERS), "creditlimit": luck.choice(MONEY),
            "new_newsletter": luck.choice((None, True, False)), "jobtitle": luck.choice(MOMENTS),
            "donotemail": luck.choice((True, False)),
        }
        for n in range(count)
    ]  # fmt: skip


def history(systems: Systems) -> list[Any]:
    """What happens to the contacts before each of the runs."""
    crowd = people(300)
    again = people(400)[300:]
    emptied = dict.fromkeys(("salutation", "firstname", "birthdate", "new_note", "jobtitle", "creditlimit"))
    return [
        lambda: systems.mutate(create=crowd),
        lambda: systems.change(
            *({"id": old["contactid"], **new} for old, new in zip(crowd[:100], again, strict=True)),
            *({"id": old["contactid"], **emptied} for old in crowd[100:200]),
        ),
        lambda: systems.delete(*(each["contactid"] for each in crowd[150:180])),
    ]


def alike(profiles: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Profiles as they are stored, without what tells when or in which order they were written."""
    return {
        key: {name: value for name, value in row.items() if name not in UNLIKE and "LastModified" not in name}
        for key, row in profiles.items()
    }


@pytest.mark.timeout(600)
def test_by_rest_and_by_file_the_same_bytes_arrive(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    found: dict[str, list[Any]] = {}
    for way in ("never", "always"):
        systems.control("POST", "/sandbox/reset")
        shutil.rmtree(airflow.folder / "campaign_sync", ignore_errors=True)
        airflow.mapping.write_text(
            MAPPING.replace("BULK", f"{way}\n  import_workflow: WKF88" if way == "always" else way)
        )
        imports = Imports(airflow, systems, monkeypatch)
        imports.declare(columns=list(FIELDS), insert_only=[])
        found[way] = []
        for number, happens in enumerate(history(systems)):
            happens()
            report = walk(airflow.mapping, f"{way}-{number}")
            assert report["balanced"]
            found[way].append(
                (alike(systems.profiles()), {fate: report["tally"][fate] for fate in ("rejected", "deleted")})
            )
        by_file = imports.counter("campaign.imported_rows")
    assert by_file > 300
    for rest, files in zip(found["never"], found["always"], strict=True):
        assert len(rest[0]) > 200
        assert files[0].keys() == rest[0].keys()
        assert {key for key in rest[0] if rest[0][key] != files[0][key]} == set()
        assert files[1] == rest[1]
