"""How mapping files become DAGs."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pendulum
import pytest

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "include" / "mappings"
GOOD = """\
description: Accounts become things.
extract: {table: account}
map: {cusKey: {from: accountid, key: true}}
load: {resource: cusAccount}
"""
WITH_FILES = GOOD.replace("cusAccount}", "cusAccount, import_workflow: WKF90}")


def dags_in(folder: Path) -> dict[str, Any]:
    """The DAGs of a folder of mapping files."""
    from campaign_sync.flow import dags_in

    dags = list(dags_in(folder))
    assert len({dag.dag_id for dag in dags}) == len(dags)
    return {dag.dag_id: dag for dag in dags}


def assets(dag: Any) -> list[Any]:
    """The assets that start a DAG."""
    return list(getattr(dag.timetable.asset_condition, "objects", ()))


def watchers(dag: Any) -> list[Any]:
    """What watches the assets that start a DAG."""
    return [each for asset in assets(dag) for each in asset.watchers]


def test_every_mapping_has_a_dag_and_every_dag_a_mapping() -> None:
    from campaign_sync.mapping.file import mapping_files

    dags = dags_in(SHIPPED)
    assert dags.keys() == {path.stem for path in mapping_files(SHIPPED)}
    assert not [dag.dag_id for dag in dags.values() if "broken mapping" in dag.tags]


def test_a_flow_is_the_steps_in_their_order() -> None:
    dag = dags_in(SHIPPED)["contacts_to_profiles"]
    assert [task.task_id for task in dag.topological_sort() if task.task_id != "batch"][-1] == "reconcile"
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


def test_a_flow_that_may_use_files_settles_them_before_it_reconciles(tmp_path: Path) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text(WITH_FILES)
    follows = {
        task.task_id: task.downstream_task_ids for task in dags_in(tmp_path)["accounts_to_things"].tasks
    }
    assert follows["load"] == {"settle", "reconcile"}
    assert follows["settle"] == {"reconcile"}


def test_every_task_is_one_of_the_nine_operators_or_the_error(tmp_path: Path) -> None:
    from airflow.sdk import BaseOperator
    from campaign_sync import operators

    ours = {
        name
        for name, each in vars(operators).items()
        if inspect.isclass(each) and issubclass(each, BaseOperator) and each.__module__ == operators.__name__
        if each is not operators.StepOperator  # what others are built on is no task of its own
    }
    words = {"Extract", "Filter", "Map", "Replace", "Check", "Guard", "Load", "Settle", "Reconcile"}
    assert ours == {f"{word}Operator" for word in words} | {"MappingErrorOperator"}
    (tmp_path / "broken.yaml").write_text("extract: []\n")
    (tmp_path / "accounts_to_things.yaml").write_text(WITH_FILES)
    used = {task.task_type for dag in dags_in(tmp_path).values() for task in dag.tasks}
    assert used == ours


def test_a_broken_mapping_is_a_dag_of_its_own_that_shows_the_error(tmp_path: Path) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    (tmp_path / "a_broken_one.yaml").write_text("extract:\n  tabel: account\n")
    (tmp_path / "not_even_yaml.yaml").write_text("extract: {table: [\n")
    (tmp_path / "empty.yaml").write_text("")
    dags = dags_in(tmp_path)
    assert dags.keys() == {"accounts_to_things", "a_broken_one", "not_even_yaml", "empty"}
    assert "extract" in dags["accounts_to_things"].task_ids
    for name in ("a_broken_one", "not_even_yaml", "empty"):
        dag = dags[name]
        assert [task.task_id for task in dag.tasks] == ["mapping_error"]
        assert f"{name}.yaml" in dag.doc_md
        assert "Other flows are not affected" in dag.doc_md
        assert not dag.timetable.can_be_scheduled, "a broken flow must not run by itself"
        assert not watchers(dag)
    assert "a_broken_one.yaml:2: extract.tabel" in dags["a_broken_one"].doc_md
    assert "table" in dags["a_broken_one"].doc_md


@pytest.mark.parametrize(
    "schedule", ["61 * * * *", "a b c d e", "*/0 * * * *", "* * * * MON-FRY", "0 0 31 2 *"]
)
@pytest.mark.parametrize("watch", ["10s", "off"])
def test_a_schedule_that_airflow_cannot_keep_is_a_broken_mapping_and_harms_no_other(
    tmp_path: Path, schedule: str, watch: str
) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text(f'schedule: "{schedule}"\nwatch: {watch}\n{GOOD}')
    (tmp_path / "contacts_to_profiles.yaml").write_text((SHIPPED / "contacts_to_profiles.yaml").read_text())
    dags = dags_in(tmp_path)
    assert "broken mapping" in dags["accounts_to_things"].tags
    assert "accounts_to_things.yaml:1" in dags["accounts_to_things"].doc_md
    assert dags["contacts_to_profiles"].tags == {"campaign_sync", "ingress"}


def test_the_error_of_a_broken_mapping_is_what_its_task_fails_with(tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    (tmp_path / "a_broken_one.yaml").write_text("extract:\n  tabel: account\n")
    (task,) = dags_in(tmp_path)["a_broken_one"].tasks
    with pytest.raises(AirflowFailException, match=r"a_broken_one\.yaml:2: extract\.tabel"):
        type(task)(task_id="again", message=task.message).execute({})


def test_a_table_mapped_twice_breaks_the_second_mapping_and_no_other(tmp_path: Path) -> None:
    for name in ("accounts_to_others", "accounts_to_things"):
        (tmp_path / f"{name}.yaml").write_text(GOOD)
    (tmp_path / "tasks_to_todos.yaml").write_text(
        GOOD.replace("account", "task").replace("cusAccount", "cusTask")
    )
    dags = dags_in(tmp_path)
    broken = [name for name, dag in dags.items() if "broken mapping" in dag.tags]
    assert broken == ["accounts_to_things"]
    assert "accounts_to_others.yaml" in dags["accounts_to_things"].doc_md
    assert dags.keys() == {"accounts_to_others", "accounts_to_things", "tasks_to_todos"}


def test_a_task_parses_the_dag_it_belongs_to_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        text = GOOD.replace("account", f"new_thing{number}").replace("cusAccount", f"cusThing{number}")
        (tmp_path / f"flow_{number}.yaml").write_text(text)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "flow_1")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "extract")
    assert dags_in(tmp_path).keys() == {"flow_1"}


def test_a_changed_mapping_is_a_new_version_of_its_dag(tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def version() -> str:
        return json.dumps(
            DagSerialization.serialize_dag(dags_in(tmp_path)["accounts_to_things"]),
            sort_keys=True,
            default=str,
        )

    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    first = version()
    assert version() == first
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD.replace("cusKey", "cusName"))
    assert version() != first


def test_a_flow_runs_one_at_a_time_and_makes_up_for_nothing() -> None:
    dag = dags_in(SHIPPED)["contacts_to_profiles"]
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_a_flow_starts_when_something_changed_and_once_a_day(tmp_path: Path) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    dag = dags_in(tmp_path)["accounts_to_things"]
    clock = dag.timetable.timetable
    assert (clock.expression, str(clock.timezone)) == ("0 0 * * *", "UTC")
    assert [each.name for each in assets(dag)] == ["work_for_accounts_to_things"]
    assert [each.trigger.flow for each in watchers(dag)] == ["accounts_to_things"]


def test_a_backfill_finds_intervals_beside_the_watch(tmp_path: Path) -> None:
    """Airflow offers no backfill of a timetable that is not periodic (airflow.md §5)."""
    from airflow.serialization.serialized_objects import DagSerialization

    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    stored = DagSerialization.serialize_dag(dags_in(tmp_path)["accounts_to_things"])
    timetable = DagSerialization.deserialize_dag(stored).timetable
    assert timetable.periodic
    interval = timetable.infer_manual_data_interval(run_after=pendulum.datetime(2026, 11, 20, 6))
    assert (interval.start.day, interval.end.day) == (19, 20)


def test_a_flow_may_run_by_the_clock_only_or_by_hand_only(tmp_path: Path) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text("watch: off\nschedule: 0 2 * * *\n" + GOOD)
    dag = dags_in(tmp_path)["accounts_to_things"]
    assert (dag.timetable.expression, watchers(dag)) == ("0 2 * * *", [])
    (tmp_path / "accounts_to_things.yaml").write_text("schedule: ~\n" + GOOD)
    dag = dags_in(tmp_path)["accounts_to_things"]
    assert (dag.timetable.can_be_scheduled, watchers(dag)) == (False, [])


def test_a_watcher_is_the_same_for_the_same_mapping_and_another_for_a_changed_one(tmp_path: Path) -> None:
    """Airflow tells triggers apart by what they are made with; it stops the one that no flow has any more."""

    def watcher() -> Any:
        return watchers(dags_in(tmp_path)["accounts_to_things"])[0].trigger.serialize()

    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    first = watcher()
    assert watcher() == first
    json.dumps(first)
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD.replace("accountid", "name"))
    assert watcher() != first


def test_every_task_is_tried_again_as_the_error_tree_says() -> None:
    from campaign_sync.retry import SyncRetryPolicy

    tasks = dags_in(SHIPPED)["contacts_to_profiles"].tasks
    assert {type(task.retry_policy) for task in tasks} == {SyncRetryPolicy}
    assert {task.retries for task in tasks} == {3}


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.stem)
def test_a_dag_file_parses_without_the_heavy_libraries(file: Path, tmp_path: Path) -> None:
    """Airflow parses it every few seconds (airflow.md §11)."""
    program = (
        # what Airflow's providers import by themselves is theirs: that of S3, for one, requests
        "import runpy, sys; from airflow.sdk import providers_manager_runtime as providers; "
        "providers.ProvidersManagerTaskRuntime().initialize_providers_asset_uri_resources(); theirs = {*sys.modules}; "
        "runpy.run_path(sys.argv[1]); print([name for name in "
        "('pandas', 'pyarrow', 'great_expectations', 'msal', 'requests') if name in {*sys.modules} - theirs])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_mappings_may_be_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    monkeypatch.setenv("AIRFLOW__CAMPAIGN_SYNC__MAPPINGS", str(tmp_path))
    assert "accounts_to_things" in runpy.run_path(str(ROOT / "dags" / "ingress.py"))
    assert "reconcile_accounts_to_things" in runpy.run_path(str(ROOT / "dags" / "reconcile.py"))


def test_dag_files_have_the_words_that_airflow_looks_for() -> None:
    """A file without “airflow” and “dag” is skipped silently (airflow.md §14)."""
    for file in (ROOT / "dags").glob("*.py"):
        text = file.read_text().lower()
        assert "airflow" in text, file
        assert "dag" in text, file


def test_every_error_stands_in_the_readme() -> None:
    from campaign_sync import errors

    names = [
        name
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, errors.SyncError)
    ]
    rows = re.findall(r"^\| \*\*(\w+Error)\*\*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(names) - {"SyncError"} <= set(rows)


LINKED = """\
description: Things with links.
extract: {{table: {table}}}
map:
  cusKey: {{from: {table}id, key: true}}
  parentId: {{from: parentid, link: {parent}}}
load: {{resource: cus{table}}}
"""


def test_a_link_that_cannot_be_breaks_its_own_flows_only(tmp_path: Path) -> None:
    (tmp_path / "stores.yaml").write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("extract: {table: nothing}\n")
    for name, parent in (
        ("good", "stores"),
        ("of_the_broken", "broken"),
        ("lost", "store"),
        ("one", "other"),
        ("other", "one"),
        ("beside", "one"),
    ):
        (tmp_path / f"{name}.yaml").write_text(LINKED.format(table=name, parent=parent))
    dags = dags_in(tmp_path)
    broken = {name for name, dag in dags.items() if "broken mapping" in dag.tags}
    assert broken == {"broken", "lost", "one", "other"}
    assert "lost.yaml:5: map.parentId.link: there is no mapping file store.yaml" in dags["lost"].doc_md
    assert "Did you mean stores?" in dags["lost"].doc_md
    assert "links run in a circle: one → other → one" in dags["one"].doc_md


def test_a_mapping_of_events_is_a_dag_of_seven_steps_and_a_broken_one_says_why(tmp_path: Path) -> None:
    from campaign_sync.events.flow import event_dags_in

    text = (SHIPPED / "email_events_to_activities.yaml").read_text()
    (tmp_path / "email_events_to_activities.yaml").write_text(text)
    (tmp_path / "more_events_to_activities.yaml").write_text(text.replace("columns:", "colums:", 1))
    (tmp_path / "accounts_to_things.yaml").write_text(GOOD)
    good, broken = event_dags_in(tmp_path)
    assert [task.task_id.removeprefix("batch.") for task in good.topological_sort()] == [
        "extract", "filter", "map", "replace", "check", "load", "reconcile",
    ]  # fmt: skip
    assert good.schedule == "*/15 * * * *"
    assert (broken.dag_id, broken.tags) == ("more_events_to_activities", {"campaign_sync", "broken mapping"})
    assert "map.send.colums: unknown key. Did you mean columns?" in broken.doc_md
    assert dags_in(tmp_path).keys() == {"accounts_to_things"}
    assert "email_events_to_activities" in runpy.run_path(str(ROOT / "dags" / "egress.py"))
