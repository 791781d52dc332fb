"""The page as a browser has it: through the plugin that Airflow mounts, with the login of people of several roles."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.environment import ROOT
from tests.flows.conftest import airflow_home, flows_sandbox, systems  # noqa: F401 - fixtures

FLOW = "contacts_to_profiles"
BROKEN = "broken_to_nothing"
RUN = "manual__2026-11-20T12:00:00+00:00"

#: A DAG that is none of ours.
ANOTHER = "another_teams"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an Airflow; those of the static files alone are few."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)
            if "systems" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.sandbox)


@pytest.fixture(scope="session")
def users(airflow_home: Path) -> dict[str, str]:  # noqa: F811
    """A token of Airflow's for each role; `nobody` is logged in and has none."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    manager = create_auth_manager()
    roles = {"admin": "ADMIN", "viewer": "VIEWER", "user": "USER", "nobody": None}
    return {
        name: manager.generate_jwt(SimpleAuthManagerUser(username=name, role=role))
        for name, role in roles.items()
    }


@pytest.fixture(scope="session")
def dags(airflow_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A folder with the shipped mappings and a broken one. Their DAGs, and another team's, are in Airflow's database as
    its processor leaves them there.
    """
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session
    from campaign_sync.compare.flow import comparing_dags_in
    from campaign_sync.consent.flow import opt_outs_dags_in
    from campaign_sync.events.flow import event_dags_in
    from campaign_sync.flow import dags_in

    folder = tmp_path_factory.mktemp("mappings")
    for path in (ROOT / "include" / "mappings").glob("*.yaml"):
        shutil.copy(path, folder)
    (folder / f"{BROKEN}.yaml").write_text("description: Broken.\nextract: {tabel: contact}\n")
    of_kinds = (dags_in, comparing_dags_in, event_dags_in, opt_outs_dags_in)
    found = [*(dag for dags_of_kind in of_kinds for dag in dags_of_kind(folder)), DAG(ANOTHER, schedule=None)]
    for dag in found:
        dag.fileloc = dag.relative_fileloc = "flows.py"
    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
        session.flush()
        update_dag_parsing_results_in_db(
            bundle_name="dags-folder",
            bundle_version=None,
            version_data=None,
            dags=[LazyDeserializedDAG.from_dag(dag) for dag in found],
            import_errors={},
            parse_duration=None,
            warnings=set(),
            session=session,
        )
    return folder


@pytest.fixture
def mappings(dags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the mappings; ledger and storage are this test's own."""
    monkeypatch.setenv("AIRFLOW__CAMPAIGN_SYNC__MAPPINGS", str(dags))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return dags


@pytest.fixture
def send(mappings: Path, users: dict[str, str]) -> Callable[..., Any]:
    """Sends the page a request, as a person of a role or, with None, as somebody who is not logged in."""
    import campaign_sync_page
    import httpx
    from starlette.applications import Starlette
    from starlette.routing import Mount

    (mounted,) = campaign_sync_page.CampaignSyncPage.fastapi_apps
    app = Starlette(routes=[Mount(mounted["url_prefix"], mounted["app"])])

    async def answer(method: str, address: str, headers: dict[str, str], more: dict[str, Any]) -> Any:
        base = f"http://airflow{mounted['url_prefix']}/"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
            return await client.request(method, address, headers=headers, **more)

    def send(method: str, address: str, role: str | None, headers: dict[str, str], **more: Any) -> Any:
        login = {"Authorization": f"Bearer {users[role]}"} if role else {}
        return asyncio.run(answer(method, address, login | headers, more))

    return send


@pytest.fixture
def browser(send: Callable[..., Any]) -> Callable[..., Any]:
    """Asks the page for an address below it."""

    def ask(address: str, role: str | None = "viewer", **asked: Any) -> Any:
        return send("GET", address, role, {}, params=asked or None)

    return ask


@pytest.fixture
def act(send: Callable[..., Any]) -> Callable[..., Any]:
    """Has the page do something, as its own script asks for it."""

    def act(address: str, role: str | None = "user", **asked: Any) -> Any:
        return send("POST", address, role, {"Sec-Fetch-Site": "same-origin"}, json=asked)

    return act


@pytest.fixture
def ledger(mappings: Path, tmp_path: Path) -> Any:
    """The ledger that the page reads."""
    from campaign_sync.ledger.ledger import Ledger

    return Ledger(f"sqlite:///{tmp_path / 'campaign_sync' / 'ledger.db'}")


@pytest.fixture
def audited(dags: Path) -> Iterator[Callable[[], list[tuple[str, str, str, str]]]]:
    """What is in Airflow's audit log of ours: event, DAG, who, what. No run is there before, nor afterwards."""
    from airflow.models.dagrun import DagRun
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    ours = Log.event.startswith("campaign_sync.")

    def audited() -> list[tuple[str, str, str, str]]:
        with create_session() as session:
            query = select(Log.event, Log.dag_id, Log.owner, Log.extra).where(ours).order_by(Log.id)
            return [tuple(row) for row in session.execute(query)]

    def clear() -> None:
        with create_session() as session:
            session.execute(delete(Log).where(ours))
            session.execute(delete(DagRun))

    clear()  # tests of flows have left theirs
    yield audited
    clear()
