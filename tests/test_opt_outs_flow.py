"""How mappings of opt-outs become DAGs."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.test_flow import SHIPPED, watchers

pytestmark = pytest.mark.airflow

GOOD = (SHIPPED / "opt_outs.yaml").read_text()


def dags_in(folder: Path) -> dict[str, Any]:
    """The DAGs of a folder's mappings of opt-outs."""
    from campaign_sync.consent.flow import opt_outs_dags_in

    return {dag.dag_id: dag for dag in opt_outs_dags_in(folder)}


def test_the_flow_is_the_seven_words_and_the_guard_before_all_other_work() -> None:
    dag = dags_in(SHIPPED)["opt_outs"]
    follows = {task.task_id: task.downstream_task_ids for task in dag.tasks}
    words = [
        "extract",
        "batch.filter",
        "batch.map",
        "batch.replace",
        "batch.check",
        "guard",
        "load",
        "reconcile",
    ]
    assert follows.keys() == set(words)
    assert all(after in follows[before] for before, after in itertools.pairwise(words))
    for task in dag.tasks:
        assert task.priority_weight == 100, task.task_id
    assert dag.max_active_runs == 1
    assert dag.params.keys() == {"replay", "limit", "dry_run", "decide"}
    (watcher,) = watchers(dag)
    assert {"donotbulkemail", "modifiedon"} <= set(watcher.trigger.columns)


def test_its_own_operators_are_all_in_use() -> None:
    from airflow.sdk import BaseOperator
    from campaign_sync.consent import operators

    ours = {
        name
        for name, each in vars(operators).items()
        if inspect.isclass(each) and issubclass(each, BaseOperator) and each.__module__ == operators.__name__
        if each is not operators.OptOutStepOperator
    }
    assert {task.task_type for task in dags_in(SHIPPED)["opt_outs"].tasks} == ours


def test_a_disabled_flow_is_seen_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "opt_outs.yaml").write_text(GOOD.replace("direction: both", "direction: disabled"))
    dag = dags_in(tmp_path)["opt_outs"]
    assert [task.task_id for task in dag.tasks] == ["disabled"]
    assert not dag.timetable.can_be_scheduled
    assert not watchers(dag)
    assert "nothing is read or written" in dag.doc_md


def test_a_broken_mapping_and_a_second_one_for_the_table_say_so(tmp_path: Path) -> None:
    (tmp_path / "opt_outs.yaml").write_text(GOOD)
    (tmp_path / "opt_outs_too.yaml").write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("direction: both\npairs: {}\n")
    dags = dags_in(tmp_path)
    assert "guard" in dags["opt_outs"].task_ids
    for name, said in (("opt_outs_too", "have a mapping already"), ("broken", "description")):
        assert [task.task_id for task in dags[name].tasks] == ["mapping_error"]
        assert said in dags[name].doc_md


@pytest.mark.parametrize(
    ("old", "new"),
    [("direction: both", "direktion: both"), ("direction: both", 'direction: both\nschedule: "0 0 31 2 *"')],
)
def test_a_flow_that_a_mistake_keeps_from_running_is_red_every_hour(
    tmp_path: Path, old: str, new: str
) -> None:
    """Nobody's no is told meanwhile: a stand-in that waits to be looked at would hide that."""
    (tmp_path / "opt_outs.yaml").write_text(GOOD.replace(old, new))
    dag = dags_in(tmp_path)["opt_outs"]
    assert dag.schedule == "@hourly"
    assert not dag.catchup
    assert [task.task_id for task in dag.tasks] == ["mapping_error"]
