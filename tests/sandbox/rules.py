"""Which rules of the protocol references the sandbox must reproduce, and which of them no test names yet.

A test names a rule with `@pytest.mark.rule("dataverse.md 12.2/9")`. Their texts are in the references.
"""

from __future__ import annotations

import re

RULES = (
    *(f"dataverse.md 12.2/{n}" for n in range(1, 24)),
    *(f"campaign.md 13.2/B{n}" for n in range(1, 23)),
    *(f"campaign.md 13.3/U{n}" for n in range(1, 21)),
)

# rule → why no test names it
NOT_COVERED: dict[str, str] = {}

# unconfirmed point → why no switch chooses
UNSWITCHED = {
    "campaign.md 13.3/U10": "whether externalId is a key is declared with the resource, not switched",
    "dataverse.md §4.3 any column": "row versions are per row, so a row is reported whichever column changed",
    "dataverse.md §6.1 order of Ids": "the natural order; a client that relies on it cannot be told apart",
    "dataverse.md §10.3 activity states": "the stock states that the reference itself supposes",
    "dataverse.md §2 Accept variants": "minimal metadata is what every client here asks for",
    "campaign.md 13.3/U18": "what an operator left at default is declared with each import workflow",
    "campaign.md 13.3/U19": "PAS- codes are never emitted; a scripted fault can",
}

# rule → what its tests leave out
PARTLY_COVERED: dict[str, str] = {
    "campaign.md 13.2/B22": "the stage organisation has no SFTP area, as §9 allows",
}


def normal(rule: str) -> str:
    """Return an identifier as it stands in RULES; "campaign.md §13.3 U1" is "campaign.md 13.3/U1"."""
    found = re.fullmatch(r"(dataverse|campaign)\.md\s*§?\s*(\d+\.\d+)[\s/]+([BU]?\d+)", rule.strip())
    return f"{found[1]}.md {found[2]}/{found[3]}" if found else rule
