"""How mapping files become comparing DAGs."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.test_flow import GOOD, SHIPPED

pytestmark = pytest.mark.airflow


def dags_in(folder: Path) -> dict[str, Any]:
    """The comparing DAGs of a folder of mapping files."""
    from campaign_sync.compare.flow import comparing_dags_in

    return {dag.dag_id: dag for dag in comparing_dags_in(folder)}


def test_every_mapping_has_a_comparison_that_runs_by_hand_only() -> None:
    dags = dags_in(SHIPPED)
    assert dags.keys() == {"reconcile_contacts_to_profiles", "reconcile_accounts_to_stores"}
    dag = dags["reconcile_contacts_to_profiles"]
    assert not dag.timetable.can_be_scheduled
    assert dag.tags == {"campaign_sync", "reconcile"}
    assert dag.params["repair"] is False
    assert dag.max_active_runs == 1


def test_a_comparison_takes_the_steps_of_the_flow_and_its_own() -> None:
    dag = dags_in(SHIPPED)["reconcile_contacts_to_profiles"]
    follows = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    steps = ["extract", "batch.filter", "batch.map", "batch.replace", "batch.check"]
    steps += ["slice", "compare", "report", "mend"]
    assert follows.keys() == {*steps, "read"}
    assert all(after in follows[before] for before, after in itertools.pairwise([*steps]))
    assert all(after in follows[before] for before, after in itertools.pairwise(["extract", "read", "slice"]))
    assert dag.get_task("mend").trigger_dag_id == "contacts_to_profiles"


def test_its_own_operators_are_all_in_use() -> None:
    from airflow.sdk import BaseOperator
    from campaign_sync.compare import operators

    ours = {
        name
        for name, each in vars(operators).items()
        if inspect.isclass(each) and issubclass(each, BaseOperator) and each.__module__ == operators.__name__
    }
    used = {task.task_type for dag in dags_in(SHIPPED).values() for task in dag.tasks}
    assert ours <= used


def test_a_mapping_that_is_broken_alone_or_beside_others_has_none(tmp_path: Path) -> None:
    (tmp_path / "accounts_to_others.yaml").write_text(GOOD)
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("extract: []\n")
    assert dags_in(tmp_path).keys() == {"reconcile_accounts_to_others"}


def test_a_task_parses_the_comparison_it_belongs_to_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        text = GOOD.replace("account", f"new_thing{number}").replace("cusAccount", f"cusThing{number}")
        (tmp_path / f"flow_{number}.yaml").write_text(text)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "reconcile_flow_1")
    assert dags_in(tmp_path).keys() == {"reconcile_flow_1"}
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "flow_1")
    assert not dags_in(tmp_path)


def test_the_form_tells_every_class() -> None:
    from campaign_sync.compare.fates import DIFFERENCES, OTHERS

    text = dags_in(SHIPPED)["reconcile_contacts_to_profiles"].doc_md
    assert all(f"| {name} |" in text for name in (*DIFFERENCES, *OTHERS))
