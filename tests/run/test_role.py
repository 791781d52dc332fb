"""The least role that mappings of opt-outs need."""

from __future__ import annotations

import pytest
from campaign_sync.consent.file import load_opt_outs
from campaign_sync.run.role import role_of

SHIPPED = load_opt_outs("include/mappings/opt_outs.yaml")


@pytest.mark.parametrize(
    "direction, verbs",
    [
        ("disabled", []),
        ("to_campaign", ["Read"]),
        ("to_dynamics", ["Read", "Write"]),
        ("both", ["Read", "Write"]),
    ],
)
def test_contacts_are_written_only_where_dynamics_is_told(direction, verbs):
    needed = role_of([], [], [SHIPPED.model_copy(update={"direction": direction})])
    assert [(each.table, each.verb, each.depth) for each in needed] == [
        ("contact", verb, "Organization") for verb in verbs
    ]
