"""How long Airflow parses many mapping files, and a task its own: python bench/parsing.py [--files 200].

Each file is the shipped mapping of contacts with a table and a resource of its own. All four DAG files are parsed as
the DAG processor does, beyond importing Airflow; then one as a task does, in a process with the package imported, as
tasks are forked from one. Seconds of processor: a parse waits for nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import ROOT, ROUNDS, Cost, Row, contend, cost_of, hand_over, in_turn, say

SHIPPED = ROOT / "include" / "mappings" / "contacts_to_profiles.yaml"
FLOW = "things_7_to_resources_7"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=200)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--contender", choices=CONTENDERS)
    asked = options.parse_args()
    if asked.contender:
        hand_over(CONTENDERS[asked.contender]())
        return
    with tempfile.TemporaryDirectory() as folder:
        mappings = Path(folder) / "mappings"
        write_mappings(mappings, asked.files)
        env = {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "0",  # by the clock, which a busy machine bends
            "AIRFLOW__CAMPAIGN_SYNC__MAPPINGS": str(mappings),
            "PYTHONPATH": str(ROOT / "plugins"),
        }
        command = [sys.executable, __file__, "--contender"]
        costs = in_turn({name: partial(contend, [*command, name], env) for name in CONTENDERS}, asked.rounds)
    whole, one = costs["all"], costs["task"]
    per_file = f"{whole.cpu / asked.files * 1000:.1f} ms a file"
    say(
        Row(
            f"all DAG files, {asked.files} mappings",
            f"{whole.cpu:.2f} s, {per_file}",
            "≤ 3 s",
            None,
            whole.megabytes,
        ),
        Row("… a task's own parse among them", f"{one.cpu:.3f} s", "≤ 0.3 s", None, one.megabytes),
    )


def write_mappings(folder: Path, count: int) -> None:
    """As many mappings of tables and resources that no other has."""
    folder.mkdir()
    text = SHIPPED.read_text()
    for number in range(count):
        mapping = text.replace("table: contact", f"table: new_thing{number}")
        mapping = mapping.replace("resource: profile", f"resource: cusResource{number}").replace(
            "from: contactid, key", f"from: new_thing{number}id, key"
        )
        mapping = mapping.replace("contactid:", f"new_thing{number}id:")
        (folder / f"things_{number}_to_resources_{number}.yaml").write_text(mapping)


def all_files() -> Cost:
    """Every DAG file, the package's own imports included."""
    from airflow.dag_processing.dagbag import DagBag

    def work() -> int:
        bag = DagBag(dag_folder=str(ROOT / "dags"))
        broken = [name for name, dag in bag.dags.items() if "mapping_error" in dag.task_dict]
        assert not bag.import_errors, bag.import_errors
        assert not broken, f"{len(broken)} broken mappings: {bag.dags[broken[0]].doc_md}"
        return len(bag.dags)

    return cost_of(work)


def one_file() -> Cost:
    """One DAG as a task's process gets it."""
    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = FLOW
    os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = "extract"
    import campaign_sync.preload  # noqa: F401
    from airflow.dag_processing.dagbag import DagBag

    def work() -> int:
        bag = DagBag(dag_folder=str(ROOT / "dags" / "ingress.py"))
        assert list(bag.dags) == [FLOW], list(bag.dags)
        return 1

    return cost_of(work)


CONTENDERS = {"all": all_files, "task": one_file}

if __name__ == "__main__":
    main()
