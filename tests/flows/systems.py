"""Dynamics and Campaign as tests see them: through the sandbox's own controls, never through the package."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from local.expected import differences, expected
from tests.sandbox_process import Sandbox

#: What asks for tokens or reads; everything else is a write.
READING = {"GET", "HEAD"}


class Systems:
    """The two systems behind one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def contacts(self) -> dict[str, dict[str, Any]]:
        """Every contact by its id, as Dynamics stores it."""
        return {
            row["contactid"]: row for row in self._all("/sandbox/dataverse/rows?table=contact", "contactid")
        }

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Every profile by its externalId; a key that two profiles share fails the test."""
        return self.records("profile", "externalId")

    def records(self, resource: str, key: str) -> dict[str, dict[str, Any]]:
        """Every record of a resource by its key field, hidden ones too; a key that two share fails the test."""
        rows = self._all(f"/sandbox/campaign/rows?resource={resource}", "@id")
        doubled = [value for value, times in Counter(row[key] for row in rows).items() if times > 1]
        assert not doubled, f"more than one {resource} for {doubled}"
        return {row[key]: row for row in rows}

    def differences(self) -> set[str]:
        """Keys of contacts whose profile is not what the shipped mapping means, computed without the package."""
        return differences(list(self.contacts().values()), list(self.profiles().values()))

    def delete_rejected(self) -> None:
        """Delete the contacts that have an address and no profile."""
        self.delete(
            *(key for key, row in self.contacts().items() if row["emailaddress1"] and expected(row) is None)
        )

    def contact(self, email: str) -> str:
        """The id of the contact who has this address."""
        return next(key for key, row in self.contacts().items() if row["emailaddress1"] == email)

    def change(self, *updates: dict[str, Any]) -> None:
        """Update contacts: each with its "id" and the new values."""
        self.mutate(update=list(updates))

    def add(self, **values: Any) -> str:
        """Create a contact; its id."""
        key = str(values.pop("contactid", uuid.uuid4()))
        self.mutate(create=[{"contactid": key, **values}])
        return key

    def delete(self, *keys: str) -> None:
        """Delete contacts."""
        self.mutate(delete=list(keys))

    def mutate(self, **changes: Any) -> None:
        """Change contacts as a client of Dynamics would."""
        self.control("POST", "/sandbox/dataverse/mutate", {"table": "contact", **changes})

    def fault(self, **fault: Any) -> None:
        """Let requests go wrong (sandbox/README.md, Faults)."""
        self.control("POST", "/sandbox/faults", fault)

    def heal(self) -> None:
        """Take all faults away."""
        self.control("DELETE", "/sandbox/faults")

    def switch(self, **switches: Any) -> None:
        """Set switches; `__` stands for the dot."""
        self.control(
            "PUT", "/sandbox/switches", {name.replace("__", "."): to for name, to in switches.items()}
        )

    def engine_calls(self) -> int:
        """How many engine calls Campaign has billed since the last `forget`."""
        return int(self.control("GET", "/sandbox/counters").get("campaign.engine_calls", 0))

    def journal(self) -> list[dict[str, Any]]:
        """The requests since the last `forget`."""
        return list(self.control("GET", "/sandbox/journal"))

    def writes(self) -> list[str]:
        """The requests since the last `forget` that may have changed anything; asking for a token does not."""
        return [
            f"{each['method']} {each['system']} {each['path']}"
            for each in self.journal()
            if each["method"] not in READING and each["system"] not in ("entra", "ims")
        ]

    def campaign_writes(self) -> dict[str, int]:
        """How many records Campaign was asked to create, change and delete since the last `forget`."""
        methods = Counter(each["method"] for each in self.journal() if each["system"] == "campaign")
        return {method: methods[method] for method in ("POST", "PATCH", "DELETE") if methods[method]}

    def forget(self) -> None:
        """Set counters to zero and empty the journal."""
        self.control("POST", "/sandbox/counters/reset")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One of the sandbox's controls."""
        return self.sandbox.control(method, path, body)

    def _all(self, path: str, place: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            after = f"&after={rows[-1][place]}" if rows else ""
            page = self.control("GET", f"{path}&limit=5000{after}")
            rows += page["rows"]
            if len(rows) >= page["total"] or not page["rows"]:
                return rows
