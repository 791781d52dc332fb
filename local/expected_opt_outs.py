"""What both sides should say about consent, computed from what people said and to whom, and what they do say.

Written a second time on purpose, from the text of docs/opt_outs.md for `direction: both`, in plain Python: it shares no
code with the package. Not for saying it (`consents`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

Row = dict[str, Any]

#: Campaign's attribute, whose true means no: Dynamics' column, whose true means no too.
PAIRS = {
    "blackListEmail": "donotbulkemail",
    "blackListPhone": "donotphone",
    "blackListPostalMail": "donotpostalmail",
    "blackListFax": "donotfax",
}
#: Campaign stamps `created` and what a new profile says in the course of one request.
AT_BIRTH = timedelta(seconds=1)


class Word(NamedTuple):
    """What a person says to one of the two systems."""

    contact: str
    attribute: str
    no: bool
    in_campaign: bool  # else in Dynamics
    before_first_run: bool


class Compared(NamedTuple):
    """What both sides say about consent at the end."""

    contacts: int
    profiles: int
    noes: int
    born: int  # profiles that Campaign has had with a no from their first moment
    different: list[str]  # contacts


def holding(began: Iterable[Row], words: Iterable[Word]) -> dict[tuple[str, str], bool]:
    """Whether no holds, by contact and attribute.

    Every no counts. A yes counts only if it is said in Campaign, after all that was said before, and not before the
    first run, for which no wins.

    :param began: the contacts before the first run.
    :param words: what was said since they were read, in the order of time.
    """
    held = {(row["contactid"], name): row[column] is True for row in began for name, column in PAIRS.items()}
    for word in words:
        if word.no or (word.in_campaign and not word.before_first_run):
            held[word.contact, word.attribute] = word.no
    return held


def compare(
    began: Iterable[Row], words: Iterable[Word], contacts: Iterable[Row], profiles: Iterable[Row]
) -> Compared:
    """Every contact that was there before the first run and still is: what should hold, and what its two sides say.

    Who said no from the beginning, and nothing since, must have been made with that no, not told it later.
    """
    began, words = [*began], [*words]
    held, spoken = holding(began, words), {word.contact for word in words}
    there, found = {row["contactid"]: row for row in contacts}, {row["externalId"]: row for row in profiles}
    keys = sorted(there.keys() & {row["contactid"] for row in began})
    different = {
        key
        for key in keys
        for name, column in PAIRS.items()
        if (there[key][column] is True) != held[key, name]
        or (key in found and (found[key][name] is True) != held[key, name])
    }
    objecting = {key for (key, _), no in held.items() if no and key in found and key in there}
    untouched = objecting - spoken
    late = {key for key in untouched if not _born_with(found[key], held)}
    noes = sum(no for (key, _), no in held.items() if key in objecting)
    profiles_there = len(found.keys() & set(keys))
    return Compared(len(keys), profiles_there, noes, len(untouched - late), sorted(different | late))


def _born_with(profile: Row, held: dict[tuple[str, str], bool]) -> bool:
    """Whether a profile has said all its noes since it was made."""
    noes = [name for name in PAIRS if held[profile["externalId"], name]]
    made = _moment(profile["created"])
    said = [_moment(profile[f"{name}LastModified"]) for name in noes]
    return None not in (made, *said) and all(each - made < AT_BIRTH for each in said)  # type: ignore[operator]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
