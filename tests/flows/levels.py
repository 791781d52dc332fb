"""Tables that name each other, the Campaign resources that they become, and one mapping file for each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.flows.on_foot import walk
from tests.sandbox_process import Sandbox

#: Every table has a lookup to each that comes before it; a test uses those that it needs.
LEVELS = 6


def level_tables(folder: Path) -> Path:
    """CSV files for the sandbox: tables new_l1 … new_l6, with a row each, as columns are found out from rows."""
    for level in range(1, LEVELS + 1):
        lookups = [f"_new_l{parent}id_value" for parent in range(1, level)]
        columns = [f"new_l{level}id", "new_name", *lookups]
        row = [str(uuid.UUID(int=level)), "seed", *("" for _ in lookups)]
        (folder / f"new_l{level}.csv").write_text(f"{','.join(columns)}\n{','.join(row)}\n")
    return folder


class Levels:
    """Both systems and the mapping files between them, level by level."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.links: dict[int, dict[int, str]] = {}  # level -> parent level -> cardinality
        self.runs = 0
        sandbox.control("POST", "/sandbox/reset")
        for level in range(1, LEVELS + 1):
            self.delete(level, str(uuid.UUID(int=level)))

    def declare(self, links: Mapping[int, Mapping[int, str]], **more: str) -> None:
        """Mapping files and published resources for these levels; each with the levels that it names and how.

        :param more: sections of the mapping files, as they stand there.
        """
        self.links = {level: dict(parents) for level, parents in links.items()}
        for level, parents in self.links.items():
            self.control(
                "POST",
                "/sandbox/campaign/resources",
                {
                    "resource": f"cusL{level}",
                    "replace": True,
                    "fields": {"sourceId": {"length": 36, "mandatory": True}, "name": {}}
                    | {f"l{parent}Id": {"length": 36} for parent in range(1, level)},
                    "keys": {"sourceKey": {"fields": ["sourceId"]}},
                    "links": {
                        f"l{parent}link": {
                            "target": f"cusL{parent}",
                            "joins": {f"l{parent}Id": "sourceId"},
                            "cardinality": cardinality,
                            "on_delete": "nothing",
                        }
                        for parent, cardinality in parents.items()
                    },
                },
            )
            self.write(level, **more)

    def write(self, level: int, *, fields: str = "", **more: str) -> Path:
        """The mapping file of a level."""
        lines = [
            f"description: Level {level}.",
            f"extract: {{table: new_l{level}, deletes: {more.pop('deletes', 'apply')}}}",
            "map:",
            f"  sourceId: {{from: new_l{level}id, key: true}}",
            "  name: new_name",
            *(
                f"  l{parent}Id: {{from: new_l{parent}id, link: {self.flow(parent)}}}"
                for parent in self.links[level]
            ),
            *([fields] if fields else []),
            f"load: {{resource: cusL{level}}}",
            *(f"{word}: {said}" for word, said in more.items()),
        ]
        file = self.file(level)
        file.write_text("\n".join(lines) + "\n")
        return file

    @staticmethod
    def flow(level: int) -> str:
        """The name of a level's flow."""
        return f"l{level}_to_things"

    def file(self, level: int) -> Path:
        """Where a level's mapping is."""
        return self.folder / f"{self.flow(level)}.yaml"

    def run(self, *levels: int) -> dict[str, Any]:
        """Run the flows of these levels, one after the other; the last report."""
        report: dict[str, Any] = {}
        for level in levels:
            self.runs += 1
            report = walk(self.file(level), f"run{self.runs:04d}")
            assert report["balanced"], report
        return report

    def run_until_quiet(self, most: int = 10) -> None:
        """Run all flows until none finds anything to do."""
        for _ in range(most):
            found = [self.run(level)["tally"]["extracted"] for level in self.links]
            if not any(found):
                return
        raise AssertionError("the flows never come to rest")

    def add(self, level: int, name: str = "one", **parents: str | None) -> str:
        """Create a row that names rows of other levels (l1=key); its key."""
        key = str(uuid.uuid4())
        self.put(level, key, name, **parents)
        return key

    def put(self, level: int, key: str, name: str = "one", **parents: str | None) -> None:
        """Create a row with a given key."""
        row = {f"new_l{level}id": key, "new_name": name}
        self.mutate(level, create=[row | _lookups(parents)])

    def change(self, level: int, key: str, name: str | None = None, **parents: str | None) -> None:
        """Change a row's name, or what it names."""
        named = {} if name is None else {"new_name": name}
        self.mutate(level, update=[{"id": key, **named, **_lookups(parents)}])

    def delete(self, level: int, *keys: str) -> None:
        """Delete rows."""
        self.mutate(level, delete=list(keys))

    def mutate(self, level: int, **changes: Any) -> None:
        """Change a table as a client of Dynamics would."""
        self.control("POST", "/sandbox/dataverse/mutate", {"table": f"new_l{level}", **changes})

    def rows(self, level: int) -> dict[str, dict[str, Any]]:
        """The rows of a table by their key."""
        found = self.control("GET", f"/sandbox/dataverse/rows?table=new_l{level}&limit=5000")["rows"]
        return {row[f"new_l{level}id"]: row for row in found}

    def records(self, level: int) -> dict[str, dict[str, Any]]:
        """The records of a resource by the key of their row, hidden ones included."""
        found = self.control("GET", f"/sandbox/campaign/rows?resource=cusL{level}&limit=5000")["rows"]
        assert len({row["sourceId"] for row in found}) == len(found), "two records for one row"
        return {row["sourceId"]: row for row in found}

    def lose(self, level: int, key: str) -> None:
        """Delete a record in Campaign itself, as one of its users might."""
        url = f"{self.sandbox.env['CAMPAIGN_URL']}/customResources/cusL{level}/{key}"
        headers = {
            "Authorization": f"Bearer {self.sandbox.campaign_token()}",
            "X-Api-Key": self.sandbox.env["CAMPAIGN_CLIENT_ID"],
            "Cache-Control": "no-cache",
        }
        answer = self.sandbox.http.delete(url, headers=headers, timeout=60)
        assert answer.ok, answer.text

    def hidden(self) -> set[str]:
        """Keys of all records that Campaign does not show; only a link of cardinality 1 hides any."""
        hiding = [level for level, parents in self.links.items() if "1" in parents.values()]
        return {key for level in hiding for key, row in self.records(level).items() if row["@hidden"]}

    def writes(self) -> list[str]:
        """The requests since the last `forget` that may have changed a record, as `METHOD resource`."""
        return [
            f"{each['method']} {each['path'].rstrip('/').split('customResources/')[-1].split('/')[0]}"
            for each in self.control("GET", "/sandbox/journal?system=campaign")
            if each["method"] not in ("GET", "HEAD")
        ]

    def forget(self) -> None:
        """Empty the journal."""
        self.control("POST", "/sandbox/counters/reset")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One of the sandbox's controls."""
        return self.sandbox.control(method, path, body)


def _lookups(parents: Mapping[str, str | None]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for level, key in parents.items():
        values[f"_new_{level}id_value"] = key
        if key is not None:
            values[f"_new_{level}id_value@Microsoft.Dynamics.CRM.lookuplogicalname"] = f"new_{level}"
    return values
