"""Why Dataverse refuses one row, in words of our own: its own may name a person, a plug-in's above all.

Not for refusals that every row would meet (``remedies.py``).
"""

from __future__ import annotations

from collections.abc import Collection

from campaign_sync.hooks.answers import QUOTED, Answer

# dataverse.md §7, §8
MEANINGS = {
    "0x80044331": "a text is longer than its column takes",
    "0x8004432f": "a number is outside what its column takes",
    "0x80044330": "a number is outside what its column takes",
    "0x8004431a": "a choice is not among the values of its column",
    "0x80048408": "the status reason does not belong to the status",
    "0x80040239": "a time is outside what Dynamics takes",
    "0x80040278": "a text has control characters",
    "0x80040237": "another row has the same key",
    "0x80040333": "a duplicate detection rule found another row",
    "0x80048d19": "the row is not in the form that Dynamics expects",
    "0x80040203": "a value is not valid",
    "0x80040265": "a plug-in of the environment refuses it; its trace log says why",
    "0x80040224": "a plug-in of the environment failed; its trace log says why",
    "0x80040216": "Dynamics met an error that it did not expect",
    "0x80044150": "the database failed at each try, in this row alone",
    "0x80044151": "the database took too long at each try, in this row alone",
    "0x80040255": "the transaction was rolled back at each try, in this row alone",
    "0x80044339": "something kept the row locked at each try",
}


def rejection(what: str, answer: Answer, columns: Collection[str]) -> str:
    """The reason for which a row is rejected: code, meaning, and those of our columns that the answer names.

    :param what: was refused.
    """
    code, message = answer.error
    quoted = {one or other for one, other in QUOTED.findall(message)}
    named = [each for each in columns if each in quoted]
    meaning = MEANINGS.get(code.lower(), "")
    reason = f"Dynamics refuses {what} ({code or answer.status})"
    reason += f": {meaning}" if meaning else ""
    return f"{reason} ({', '.join(named)})" if named else reason
