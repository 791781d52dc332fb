"""Somebody at a browser: opens Airflow's UI, logs in, goes to the page inside it, and looks at it with axe as well."""

from __future__ import annotations

import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Frame, FrameLocator, Locator, Page, expect

#: How bad what axe finds may not be.
BAD = {"serious", "critical"}
PAGE = re.compile(r"//[^/]+/campaign-sync/")


class Person:
    """One person at one tab."""

    def __init__(self, context: BrowserContext, address: str, shots: Path) -> None:
        """:param shots: the folder for screenshots."""
        self.tab: Page = context.new_page()
        self.address = address
        self.shots = shots
        self.axe = Axe()

    def log_in(self, user: str, password: str) -> None:
        """Through Airflow's own form."""
        self.tab.goto(self.address)
        self.tab.get_by_label("Username").fill(user)
        self.tab.locator("input[type=password]").fill(password)
        self.tab.get_by_role("button", name="Sign in").click()
        expect(self.tab.get_by_role("button", name="Browse")).to_be_visible()

    def open_the_page(self) -> None:
        """As people do, out of Airflow's navigation."""
        self.tab.get_by_role("button", name="Browse").click()
        self.tab.get_by_role("menuitem", name="Campaign sync").click()
        self.sees("Flows")

    def go_to(self, room: str) -> None:
        """A room by its address, as a link that somebody sent would open it."""
        self.tab.goto(f"{self.address}/plugin/campaign-sync/campaign-sync/#/{room}")

    @property
    def page(self) -> FrameLocator:
        """The page inside Airflow's."""
        return self.tab.frame_locator("iframe").first

    def frame(self) -> Frame:
        """The same as a document."""
        return next(each for each in self.tab.frames if PAGE.search(each.url) and each.parent_frame)

    # --- what people look for and press --------------------------------------------------------------------

    def sees(self, heading: str) -> None:
        """Wait until this heading is there and everything below it has come."""
        expect(self.page.get_by_role("heading", name=heading).first).to_be_visible()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def reads(self, *texts: str | re.Pattern[str]) -> None:
        """Wait until all of this is there to be read."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()

    def card(self, flow: str) -> Locator:
        """What is told of a flow among the others."""
        return self.page.get_by_role("listitem").filter(has=self.page.get_by_role("heading", name=flow))

    def link(self, name: str | re.Pattern[str], within: Locator | None = None) -> Locator:
        """A link of the page."""
        return (within or self.page).get_by_role("link", name=name).first

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """A button of the page."""
        return self.page.get_by_role("button", name=name).first

    def row(self, text: str) -> Locator:
        """A row of a table."""
        return self.page.get_by_role("row").filter(has_text=text).first

    # --- what is proved of each room -----------------------------------------------------------------------

    def keeps(self, task: str) -> None:
        """Leave a screenshot, and find nothing that keeps people out."""
        self.tab.screenshot(path=self.shots / f"{task}.png")
        found = self.axe.run(self.frame(), options={"resultTypes": ["violations"], "iframes": False})
        bad = [each for each in found.response["violations"] if each["impact"] in BAD]
        assert not bad, "\n".join(
            f"{each['id']} ({each['impact']}): {', '.join(map(str, (node['target'] for node in each['nodes'])))}"
            for each in bad
        )

    def fits(self) -> None:
        """Nothing is wider than the window."""
        widths = self.frame().evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], f"one has to scroll sideways: {widths[0]} px in {widths[1]}"
