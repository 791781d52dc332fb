"""The tables contact and account (dataverse.md §10), the resources profile (campaign.md §5) and cusStore; mappings."""

from __future__ import annotations

import json
from pathlib import Path

from campaign_sync.mapping.file import Mapping, load_mapping
from campaign_sync.schema import ResourceSchema, TableSchema

HERE = Path(__file__).parent

CONTACT = TableSchema.from_json(json.loads((HERE / "contact.json").read_text("utf-8")))
_PUBLISHED = ResourceSchema.from_json(json.loads((HERE / "profile.json").read_text("utf-8")))
#: With an opt-out under both its names, as the hook gives it (campaign.md §5).
PROFILE = _PUBLISHED._replace(
    fields=_PUBLISHED.fields | {"denyListEmail": _PUBLISHED.fields["blackListEmail"]}
)
ACCOUNT = TableSchema.from_json(json.loads((HERE / "account.json").read_text("utf-8")))
STORE = ResourceSchema.from_json(json.loads((HERE / "store.json").read_text("utf-8")))


def mapping_of(
    folder: Path,
    body: str = "",
    fields: str = "",
    name: str = "contacts_to_profiles",
    key: str = "externalId",
    table: str = "contact",
    resource: str = "profile",
) -> Mapping:
    """A mapping whose key is mapped, with more fields (lines `target: source`) and more sections."""
    mapped = "".join(f"  {line.strip()}\n" for line in fields.strip().splitlines() if line.strip())
    text = (
        "description: Contacts become profiles.\n"
        f"extract: {{table: {table}}}\n"
        f"map:\n  {key}: {{from: {table}id, key: true}}\n{mapped}"
        f"load: {{resource: {resource}}}\n{body}"
    )
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return load_mapping(file)
