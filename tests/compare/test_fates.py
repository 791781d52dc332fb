"""What a comparison makes of one key, for everything that Dynamics, Campaign and the ledger can say of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from campaign_sync.compare.fates import DIFFERENCES, OTHERS, Rules, judge
from campaign_sync.ledger.frames import state_frame
from campaign_sync.run.row_hashes import row_hashes
from campaign_sync.schema import Field, ResourceSchema

RESOURCE = ResourceSchema(
    "cusThing",
    "profileAndServicesExt/cusThing",
    {each: Field(each, type) for each, type in
     {"id": "string", "name": "string", "owner": "string", "blackListEmail": "boolean"}.items()},
)  # fmt: skip
FIELDS = ("name", "owner", "blackListEmail")
SENT = {"name": "Ada", "owner": "a-parent", "blackListEmail": False}
HELD = {"name": "Ada", "owner": "a-parent", "blackListEmail": "false"}
KNOWN = {"version": 5, "present": True, "in_doubt": False, "refused": None, "waits": None}
BUSY = {"in_doubt": True, "busy": True}


def rules(**changes: Any) -> Rules:
    return Rules(
        FIELDS, ("id", *FIELDS), frozenset({"owner"}), frozenset({"blackListEmail"}), True, False
    )._replace(**changes)


def frame(row: dict[str, Any] | None, types: dict[str, Any]) -> pd.DataFrame:
    columns = {
        name: pd.array([] if row is None else [row[name]], pd.ArrowDtype(kind))
        for name, kind in types.items()
    }
    keys = pd.Index([] if row is None else ["k"], dtype=pd.ArrowDtype(pa.string()))
    return pd.DataFrame(columns, index=keys)


def fate(
    dynamics: dict[str, Any] | None = None,
    campaign: dict[str, Any] | None = None,
    known: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[str, str]:
    """The fate of one key and the fields that differ; what is said overlays the usual row of each side."""
    text = pa.string()
    usual = {"@version": 5, "@fate": "", "id": "k", **SENT}
    row = None if dynamics is None else usual | dynamics
    ends = {} if row is None or row["@fate"] == "" else dict.fromkeys((*SENT, "id"), None)
    here = frame(
        None if row is None else row | ends,
        {
            "@version": pa.int64(),
            "@fate": text,
            "id": text,
            "name": text,
            "owner": text,
            "blackListEmail": pa.bool_(),
        },
    )
    there = frame(None if campaign is None else HELD | campaign, dict.fromkeys(FIELDS, text))
    sent = frame(usual, {"id": text, "name": text, "owner": text, "blackListEmail": pa.bool_()})
    digest = row_hashes(sent, ("id", *FIELDS)).iloc[0]
    told = dict.fromkeys(("version", "refused", "waits")) | dict.fromkeys(
        ("present", "in_doubt", "busy"), False
    )
    told["sent_hash"] = digest
    told |= {} if known is None else KNOWN | known
    order = ("version", "sent_hash", "present", "in_doubt")
    rest = ("refused", "waits", "busy")
    state = state_frame([("k", *(told[name] for name in order), None, *(told[name] for name in rest))])
    judged = judge(here, there, state, rules(**changes), RESOURCE)
    return (*judged.loc["k"],)


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("agrees", "", {"dynamics": {}, "campaign": {}, "known": {}}),
    ("agrees", "", {"dynamics": {}, "campaign": {}}),  # the ledger was lost
    ("missing", "", {"dynamics": {}}),
    ("missing", "", {"dynamics": {}, "known": {}}),
    ("missing", "", {"dynamics": {}, "known": {"refused": 4}}),  # an older version was refused
    ("rejected", "", {"dynamics": {}, "known": {"refused": 5}}),
    ("rejected", "name", {"dynamics": {}, "campaign": {"name": "Bo"}, "known": {"refused": 5}}),
    ("rejected", "", {"dynamics": {"@fate": "rejected"}}),
    ("rejected", "", {"dynamics": {"@fate": "rejected"}, "campaign": {}, "known": {}}),
    ("parked", "", {"dynamics": {}, "known": {"present": False, "waits": 5}}),
    ("parked", "owner", {"dynamics": {"owner": "b-parent"}, "campaign": {}, "known": {"waits": 5}}),
    ("parked", "", {"campaign": {}, "known": {"waits": 6}}),  # a deletion that waits for children to go
    ("missing", "", {"dynamics": {}, "known": {"present": False, "waits": 4}}),  # an older version waited
    ("edited in Campaign", "name", {"dynamics": {}, "campaign": {"name": "Bo"}, "known": {}}),
    ("edited in Campaign", "name", {"dynamics": {"@version": 6}, "campaign": {"name": "Bo"}, "known": {}}),
    ("stale", "name", {"dynamics": {"name": "Bo"}, "campaign": {}, "known": {}}),
    ("stale", "name", {"dynamics": {}, "campaign": {"name": "Bo"}, "known": {"in_doubt": True}}),
    ("stale", "name", {"dynamics": {}, "campaign": {"name": "Bo"}}),
    ("wrong link", "owner", {"dynamics": {}, "campaign": {"owner": ""}, "known": {}}),
    ("wrong link", "owner", {"dynamics": {}, "campaign": {"owner": "b-parent"}, "known": {}}),
    ("wrong link", "name,owner", {"dynamics": {"owner": "", "name": "Bo"}, "campaign": {}, "known": {}}),
    (
        "opted out in Campaign",
        "blackListEmail",
        {"dynamics": {}, "campaign": {"blackListEmail": "true"}, "known": {}},
    ),
    (
        "opted out in Campaign",
        "name,blackListEmail",
        {"dynamics": {}, "campaign": {"blackListEmail": "true", "name": "Bo"}, "known": {}},
    ),
    ("stale", "blackListEmail", {"dynamics": {"blackListEmail": True}, "campaign": {}, "known": {}}),
    ("dropped", "", {"dynamics": {"@fate": "dropped"}}),
    ("dropped", "", {"dynamics": {"@fate": "dropped"}, "known": {}}),
    ("kept", "", {"dynamics": {"@fate": "dropped"}, "campaign": {}, "known": {}}),
    (
        "extra",
        "",
        {"dynamics": {"@fate": "dropped"}, "campaign": {}, "known": {}, "deletes_filtered_out": True},
    ),
    ("unknown", "", {"dynamics": {"@fate": "dropped"}, "campaign": {}, "deletes_filtered_out": True}),
    ("extra", "", {"campaign": {}, "known": {}}),
    ("extra", "", {"campaign": {}, "known": {"present": False, "in_doubt": True}}),
    ("kept", "", {"campaign": {}, "known": {}, "deletes": False}),
    # a run that has not ended has the row in hand, perhaps in a file
    ("moved", "", {"dynamics": {}, "known": {"present": False} | BUSY}),
    ("moved", "name", {"dynamics": {"name": "Bo"}, "campaign": {}, "known": BUSY}),
    ("moved", "", {"campaign": {}, "known": BUSY}),
    ("moved", "", {"dynamics": {"@fate": "dropped"}, "campaign": {}, "known": BUSY}),
    ("agrees", "", {"dynamics": {}, "campaign": {}, "known": BUSY}),
    ("unknown", "", {"campaign": {}}),
    ("unknown", "", {"campaign": {}, "known": {"present": False}}),  # deleted by us, and made anew by another
]


@pytest.mark.parametrize("expected, fields, said", CASES)
def test_a_key(expected: str, fields: str, said: dict[str, Any]) -> None:
    assert fate(**said) == (expected, fields)


def test_every_fate_has_a_meaning_and_a_case() -> None:
    told = {expected for expected, _, _ in CASES}
    assert told == {*DIFFERENCES, *OTHERS}
