"""Tells what Campaign's answer to a write means: nearly every mistake comes as 500, so the text decides.

Not for calling Campaign (campaign_writes.py). What it says for people never holds a value."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

from campaign_sync.hooks.answers import Answer

Meaning = Literal[
    "done", "lost", "duplicate", "missing", "bad data", "bad mapping", "unknown", "gateway", "refused"
]
ENUMERATION = re.compile(
    r"is not valid for the '([\w:.-]+)' enumeration of the '@?([\w.-]+)' field", re.IGNORECASE
)
CONVERSION = re.compile(r"\(type [a-z]+\) to ([a-z]+(?: \(\d+ bits?\))?) type", re.IGNORECASE)
PROPERTY = re.compile(r"'@?([\w.-]+)' property (?:that is read-only|is not valid for)", re.IGNORECASE)
ENGINE_CODE = re.compile(r"\b[A-Z]{3}-\d{6}\b")


class Verdict(NamedTuple):
    """What an answer means, and the words for it."""

    meaning: Meaning
    reason: str = ""
    field: str = ""
    """The field that is read-only or unknown, when the text names one that was sent."""
    late: bool = False
    """The record is there because an earlier call of ours, whose answer was lost, took effect."""


class Sign(NamedTuple):
    """A text that gives a meaning away."""

    text: str
    meaning: Meaning
    reason: str


# campaign.md §11: whole body, any case, in this order, first hit wins
SIGNS = (
    Sign("pgs-220000", "duplicate", "another record has the same key"),
    Sign("duplicate key", "duplicate", "another record has the same key"),
    Sign("with the same key", "duplicate", "another record has the same key"),
    Sign("already exists", "duplicate", "another record has the same key"),
    Sign("rst-360012 inconsistent operation", "bad data", "the record's key cannot be changed"),
    Sign("' enumeration", "bad data", "a value is not one of its enumeration"),
    Sign("bas-010040 cannot convert", "bad data", "a value has the wrong type"),
    Sign("bas-010011", "bad data", "a value has the wrong type"),
    Sign("property that is read-only", "bad mapping", "a field is read-only"),
    Sign("property is not valid for", "bad mapping", "a field is unknown"),
    Sign("xtk-170036", "bad data", "the key cannot be understood"),
    Sign("attribute unknown", "bad data", "the key cannot be understood"),
    Sign("is not a valid constant", "bad data", "the key cannot be understood"),
)


def judge(answer: Answer, sent: Collection[str]) -> Verdict:
    """Returns the meaning of an answer to a write of the fields `sent` (wire names)."""
    if answer.ok and not answer.is_html:
        return Verdict("done")
    if answer.status in (0, 502, 503, 504) or answer.cut or answer.ok:
        return Verdict("lost")
    text = answer.text
    lower = text.lower()
    if answer.status == 404:
        found = "unable to find document with path" in lower
        return Verdict("missing", "Campaign does not find the record") if found else Verdict("refused")
    if answer.status in (400, 413):
        return Verdict("bad data", f"the request is refused as a whole (HTTP {answer.status})")
    if answer.status != 500:
        return Verdict("refused")
    if "oops. something went wrong" in lower:
        return Verdict("gateway")
    sign = next((each for each in SIGNS if each.text in lower), None)
    if sign is None:
        return Verdict("unknown", _codes("Campaign does not say what is wrong", text))
    return _in_detail(sign, text, sent)


def _in_detail(sign: Sign, text: str, sent: Collection[str]) -> Verdict:
    """Adds names of fields and enumerations, which the texts hold beside values."""
    names = {part: name for name in sent for part in (name.lower(), name.lower().rpartition(".")[2])}
    if sign.text == "' enumeration" and (found := ENUMERATION.findall(text)):
        enumeration, field = found[-1]
        if field.lower() in names:
            return Verdict(
                "bad data", f"the value of {names[field.lower()]} is not in the enumeration {enumeration}"
            )
    if sign.meaning == "bad mapping":
        field = next((names[each.lower()] for each in PROPERTY.findall(text) if each.lower() in names), "")
        return Verdict("bad mapping", sign.reason, field)
    if (kinds := CONVERSION.findall(text)) and sign.text.startswith("bas"):
        return Verdict("bad data", f"a value cannot be converted to {kinds[-1]}")
    return Verdict(sign.meaning, _codes(sign.reason, text))


def _codes(reason: str, text: str) -> str:
    codes = list(dict.fromkeys(ENGINE_CODE.findall(text)))
    return f"{reason} ({', '.join(codes)})" if codes else reason
