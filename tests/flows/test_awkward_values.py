"""Values that something on the way might take for something else: each arrives as it is, or is rejected.

Not for what Dynamics itself does not take: control characters such as NUL, times before 1753, money beyond 10¹⁵.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import Any

import pytest

from tests.flows.on_foot import walk
from tests.flows.real_airflow import RealAirflow
from tests.flows.systems import Systems

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow]

MAPPING = """\
description: Contacts become profiles.
schedule: ~
extract: {table: contact}
filter: {all: [{column: jobtitle, equals: awkward}]}
map:
  externalId: {from: contactid, key: true}
  email: emailaddress1
  cusNote: new_note
  cusNickName: new_birthdaytext
  cusTotalPurchase: creditlimit
  birthDate: birthdate
load: {resource: profile, bulk_from: never}
reconcile: {rejected_at_most: 100%}
"""
FIELDS = {
    "new_note": "cusNote",
    "new_birthdaytext": "cusNickName",
    "creditlimit": "cusTotalPurchase",
    "birthdate": "birthDate",
}

TEXTS = {
    **{
        f"plane {plane}": f"a{chr(plane * 0x10000 + 0x20)}b{chr(plane * 0x10000 + 0xFFFD)}"
        for plane in range(1, 17)
    },
    "right to left": "שלום עולם, مرحبا",
    "bidi overrides": "evil\u202egnp.exe\u2066x\u2069\u200f",
    "invisible": "a\u200bb\u00adc\ufeffd\u2060",
    "combining": "e" + "\u0301" * 60,
    "formula": '=HYPERLINK("http://evil.example";"x")',
    "formulas": "@SUM(1+1)*cmd|' /C calc'!A0",
    "plus and minus": "+47-555",
    "delimiters": 'a;b,c|d\te"f""g;\n"h',
    "quotes": '";""\n;"',
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "SQL": "Robert'); DROP TABLE rows;--",
    "Jinja": "{{ 1/0 }}{% raw %}${HOME}$(id)`id`%s%n",
    "JSON": '\\u0000\\"}],"x":[{',
    "XML": "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>&b;",
    "paths": "../../../etc/passwd\\..\\C:",
    "words": "null NaN None NULL true 0x1f 1e999",
}
#: What Dynamics may hold and Campaign must not get.
REJECTED: dict[str, dict[str, Any]] = {
    "more digits than the field keeps": {"creditlimit": 1234567.89},
    "a megabyte": {"new_note": "ü" * 1_000_000},
}
OTHERS: dict[str, dict[str, Any]] = {
    "thirty flowers": {"new_birthdaytext": "🌻" * 30},
    **{f"date {day}": {"birthdate": day} for day in ("1753-01-01", "1899-12-31", "1970-01-01", "9999-12-31")},
    **{f"number {number}": {"creditlimit": number} for number in (-0.0, 0.5)},
}


def test_each_value_arrives_as_it_is_or_is_rejected_with_a_reason(
    airflow: RealAirflow, systems: Systems, no_waiting: None
) -> None:
    given = {name: {"new_note": text} for name, text in TEXTS.items()} | REJECTED | OTHERS
    ids = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in given}
    systems.mutate(
        create=[
            {
                "contactid": ids[name],
                "emailaddress1": f"{number}@alder.example",
                "jobtitle": "awkward",
                **values,
            }
            for number, (name, values) in enumerate(given.items())
        ]
    )
    airflow.mapping.write_text(MAPPING)
    report = walk(airflow.mapping, "awkward")
    assert report["balanced"]
    profiles = systems.profiles()
    reasons = rejections(airflow)
    lost = []
    for name, values in given.items():
        profile, reason = profiles.get(ids[name]), reasons.get(ids[name])
        if (profile is None) != (reason is not None) or (name in REJECTED) != (reason is not None):
            lost.append((name, reason))
        elif profile is not None:
            lost += [
                (name, profile[FIELDS[column]])
                for column, value in values.items()
                if not same(value, profile[FIELDS[column]])
            ]
    assert lost == []
    assert not [name for name in REJECTED if "ü" in reasons[ids[name]]]
    again = walk(airflow.mapping, "again")
    assert again["tally"].get("updated", 0) == again["tally"].get("created", 0) == 0, (
        "what arrived is what was sent"
    )


def same(given: Any, found: Any) -> bool:
    return float(given) == float(found) if isinstance(given, int | float) else bool(given == found)


def rejections(airflow: RealAirflow) -> dict[str, str]:
    """Why rows were rejected, by key, as anybody may read it in the ledger."""
    with sqlite3.connect(airflow.folder / "campaign_sync" / "ledger.db") as database:
        return dict(database.execute("SELECT source_key, reason FROM rejections").fetchall())
