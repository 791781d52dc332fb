"""What Campaign should hold, computed from Dynamics' rows alone, for the shipped mapping contacts_to_profiles.

Written a second time on purpose, from the mapping file's text, in plain Python: it shares no code with the package.
"""

from __future__ import annotations

import re
from typing import Any

# Campaign's field: (Dynamics' column, trim it, its greatest length in Campaign)
TEXTS = {
    "salutation": ("salutation", False, 20),
    "firstName": ("firstname", True, 30),
    "middleName": ("middlename", True, 30),
    "lastName": ("lastname", True, 50),
    "phone": ("telephone1", True, 32),
    "mobilePhone": ("mobilephone", True, 32),
    "location.zipCode": ("address1_postalcode", True, 15),
    "location.city": ("address1_city", True, 50),
    "location.stateCode": ("address1_stateorprovince", True, 32),
}
LINES = {"location.address1": "address1_line1", "location.address2": "address1_line2"}
GENDERS = {1: "male", 2: "female"}
COUNTRIES = {
    "Australia": "AU", "Bulgaria": "BG", "Canada": "CA", "France": "FR", "Germany": "DE", "Greece": "GR", "India": "IN",
    "Israel": "IL", "Japan": "JP", "Norway": "NO", "Poland": "PL", "South Korea": "KR", "Türkiye": "TR",
    "United Arab Emirates": "AE", "United Kingdom": "GB", "United States": "US",
}  # fmt: skip
# Campaign writes these with a capital letter at the beginning of each word (its "smartCase" policy).
NAMES = {"firstName", "middleName", "lastName"}


def expected(contact: dict[str, Any]) -> dict[str, Any] | None:
    """The profile of a contact, by dotted field name; None if the contact is dropped or rejected."""
    email = (contact.get("emailaddress1") or "").strip().lower()
    if (
        not (contact.get("emailaddress1") or "")
        or not re.search(r"^[^@\s]+@[^@\s]+\.[^@\s.]+$", email)
        or len(email) > 128
    ):
        return None
    profile: dict[str, Any] = {"externalId": contact["contactid"].lower(), "email": email}
    for field, (column, trim, longest) in TEXTS.items():
        text = contact.get(column) or ""
        text = text.strip() if trim else text
        if longest and len(text) > longest:
            return None
        profile[field] = text
    for field, column in LINES.items():
        profile[field] = " ".join((contact.get(column) or "").split())
        if len(profile[field]) > 80:
            return None
    country = (contact.get("address1_country") or "").strip()
    profile["location.countryCode"] = COUNTRIES.get(country, country)
    if len(profile["location.countryCode"]) > 3:
        return None
    created = contact.get("createdon")
    profile["cusFirstSeen"] = f"{created[:10]} {created[11:19]}.000Z" if created else ""
    profile["birthDate"] = contact.get("birthdate") or ""
    gender = contact.get("gendercode")
    profile["gender"] = GENDERS.get(gender, "unknown") if gender is not None else "unknown"
    return profile


def differences(contacts: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> set[str]:
    """Keys of contacts whose profile is missing, superfluous, doubled or different."""
    wanted = {}
    for contact in contacts:
        profile = expected(contact)
        if profile is not None:
            wanted[profile["externalId"]] = profile
    return differing(wanted, profiles, "externalId")


def differing(wanted: dict[str, dict[str, Any]], records: list[dict[str, Any]], key_field: str) -> set[str]:
    """Keys of records that are missing, superfluous, doubled or different."""
    found: dict[str, dict[str, Any]] = {}
    different: set[str] = set()
    for record in records:
        key = record[key_field]
        if key in found:
            different.add(key)
        found[key] = record
    different |= wanted.keys() ^ found.keys()
    for key in wanted.keys() & found.keys():
        if any(not _same(field, value, _field(found[key], field)) for field, value in wanted[key].items()):
            different.add(key)
    return different


def _same(field: str, wanted: Any, found: Any) -> bool:
    wanted, found = wanted or "", found or ""
    if field in NAMES:
        return str(wanted).casefold() == str(found).casefold()
    return bool(wanted == found)


def _field(record: dict[str, Any], field: str) -> Any:
    value: Any = record
    for part in field.split("."):
        value = (value or {}).get(part)
    return value
