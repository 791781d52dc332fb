"""One sandbox, one Airflow and one browser for all tests of the page; a tab for each person and theme.

None outlives the module: while Playwright is there, no other test of the process could run an event loop.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.environment import ROOT
from tests.browser.chromium import find
from tests.browser.world import World, world
from tests.sizes import NIGHTLY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.person import Person

#: Where the screenshots stay, for whoever wants to look.
SHOTS = ROOT / ".local" / "screenshots"

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

#: Milliseconds: much longer than anything takes on a slow machine.
PATIENCE = 30_000


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test here needs everything. By day few are repeated in dark, as the tasks are the same."""
    for item in [each for each in items if Path(__file__).parent in each.path.parents]:
        item.add_marker(pytest.mark.airflow)
        item.add_marker(pytest.mark.sandbox)
        dark = "callspec" in vars(item) and vars(item)["callspec"].params.get("theme") == "dark"
        if dark and not NIGHTLY and not item.get_closest_marker("colours"):
            items.remove(item)
            config.hook.pytest_deselected(items=[item])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    path = find()
    if path is None:
        reason = "no Chromium here: `apt-get install chromium`"
        print(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def everything(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A sandbox and an Airflow after a busy hour; after the browser, as nothing is started without one."""
    with world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="module")
def shots() -> Path:
    """An empty folder for screenshots."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    return SHOTS


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """Each of Airflow's themes."""
    return str(request.param)


@pytest.fixture(scope="module")
def person_of(
    browser: Browser, everything: World, shots: Path, theme: str
) -> Iterator[Callable[..., Person]]:
    """Somebody of a role who is logged in, at a desk or with a phone: one tab for each, kept for all tests."""
    from tests.browser.person import Person

    known: dict[tuple[str, bool], Person] = {}

    def person(role: str = "admin", phone: bool = False) -> Person:
        if (role, phone) not in known:
            more: dict[str, Any] = (
                {"viewport": PHONE, "is_mobile": True, "has_touch": True} if phone else {"viewport": DESK}
            )
            context = browser.new_context(color_scheme=theme, locale="en-GB", **more)
            context.set_default_timeout(PATIENCE)
            (shots / theme).mkdir(exist_ok=True)
            known[role, phone] = Person(context, everything.address, shots / theme)
            known[role, phone].log_in(role, everything.passwords[role])
        return known[role, phone]

    yield person
    for each in known.values():
        each.tab.context.close()


@pytest.fixture
def admin(person_of: Callable[..., Person]) -> Person:
    """Somebody who may do everything, at the page's first room."""
    person = person_of()
    person.go_to("flows")
    person.sees("Flows")
    return person


@pytest.fixture
def viewer(person_of: Callable[..., Person]) -> Person:
    """Somebody who may only look."""
    person = person_of("viewer")
    person.go_to("flows")
    person.sees("Flows")
    return person


@pytest.fixture
def with_a_phone(person_of: Callable[..., Person]) -> Person:
    """Somebody on the way."""
    person = person_of("viewer", phone=True)
    person.go_to("flows")
    person.sees("Flows")
    return person
