"""What people do with the page, in a real browser, inside the UI of a running Airflow, in both themes; by day in the
dark one only the tasks with colours of their own.

Each task leaves a screenshot below `.local/screenshots` and is looked at by axe: nothing serious may keep people out.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from campaign_sync.ledger.events import Settled
from campaign_sync.ledger.ledger import Ledger

from tests.browser import world as there
from tests.browser.world import BROKEN, CONTACTS, EVENTS, OPT_OUTS, STORE, STORES, TOO_LONG, VENDORS, World

#: A contact that nobody knows.
NOBODY = "40000000-0000-4000-8000-00000000000d"

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make dev`")
expect = playwright.expect


# --- what is going on --------------------------------------------------------------------------------------


@pytest.mark.colours
def test_finds_the_flow_that_failed_and_its_run_in_airflow(admin):
    expect(admin.card(EVENTS)).to_contain_text("Failed")
    admin.keeps("find the failed flow")
    admin.link("Last run", admin.card(EVENTS)).click()
    admin.sees("One run")
    admin.reads("There is no report of this run.")
    admin.keeps("a run that failed early")
    admin.link("DAG run").click()
    expect(admin.tab).to_have_url(re.compile(f"/dags/{EVENTS}/runs/"))
    expect(admin.tab.get_by_text("Failed").first).to_be_visible()


def test_reads_what_the_last_run_did(admin):
    expect(admin.card(CONTACTS)).to_contain_text("9 updated")
    admin.link("Last run", admin.card(CONTACTS)).click()
    admin.sees("One run")
    admin.reads("9 updated", "changes since the last run")
    admin.keeps("what a run did")


@pytest.mark.colours
def test_sees_the_runs_as_a_chart(admin):
    admin.link(CONTACTS).click()
    admin.sees("Runs")
    expect(admin.page.get_by_role("img", name=re.compile("^The latest 2 runs: at most"))).to_be_visible()
    expect(admin.row("9 updated")).to_contain_text("success")
    admin.keeps("the chart of runs")


@pytest.mark.colours
def test_is_told_what_is_wrong_with_a_mapping(admin):
    expect(admin.card(BROKEN)).to_contain_text("Broken mapping")
    expect(admin.card(BROKEN)).to_contain_text("map: missing")
    admin.link(BROKEN).click()
    admin.sees("This mapping cannot be used")
    expect(admin.row("extract.tabel")).to_contain_text("2")
    admin.keeps("a broken mapping")


def test_is_told_that_a_flow_is_paused_and_what_starts_it(admin):
    expect(admin.card(OPT_OUTS)).to_contain_text("Paused")
    admin.link(OPT_OUTS).click()
    admin.sees("Runs")
    admin.reads("It has not run yet.")
    admin.keeps("a paused flow")


def test_is_told_what_waits_for_approval_and_gets_to_the_question(admin):
    expect(admin.card(VENDORS)).to_contain_text("Waits for approval")
    admin.keeps("a run that waits for approval")
    admin.link("A person must decide").click()
    expect(admin.tab).to_have_url(re.compile(f"/dags/{VENDORS}/runs/.+/required_actions"))


def test_looks_a_flow_up_on_its_own_dag(admin):
    admin.tab.goto(f"{admin.address}/dags/{CONTACTS}")
    admin.tab.get_by_role("link", name="Campaign sync").click()
    admin.sees(CONTACTS)
    admin.fits()
    admin.keeps("the tab on a DAG")


# --- what a flow does --------------------------------------------------------------------------------------


def test_reads_the_mapping(admin):
    admin.link(CONTACTS).click()
    admin.sees("Mapping")
    expect(admin.row("emailaddress1")).to_contain_text("trim, lower")
    expect(admin.row("createdon")).to_contain_text("first value stays")
    admin.row("gendercode").get_by_text("2 replacements").click()
    expect(admin.row("gendercode")).to_contain_text("1 → male")
    admin.row("gendercode").scroll_into_view_if_needed()
    admin.keeps("the mapping")


def test_sees_how_many_rows_pass_a_check(admin):
    admin.link(CONTACTS).click()
    admin.sees("Checks")
    expect(admin.row("a plausible address")).to_contain_text(re.compile(r"9\d(\.\d)? %"))
    admin.row("a plausible address").scroll_into_view_if_needed()
    admin.keeps("pass rates")


def test_opens_the_data_docs_of_a_run(admin):
    admin.link(CONTACTS).click()
    admin.sees("Runs")
    admin.row("rejected").get_by_role("link").first.click()
    admin.sees("Data Docs")
    admin.button("Batch 1").click()
    docs = admin.page.frame_locator("iframe[title='Data Docs of batch 1']")
    expect(docs.get_by_text("a plausible address").first).to_be_visible()
    admin.page.locator("iframe").scroll_into_view_if_needed()
    admin.keeps("the Data Docs")


# --- rows --------------------------------------------------------------------------------------------------


def test_sees_why_a_row_was_rejected(admin):
    admin.link(f"4 rejected rows of {CONTACTS}").click()
    admin.sees("Rejected and parked rows")
    expect(admin.row(TOO_LONG)).to_contain_text("firstName")
    expect(admin.row(TOO_LONG)).to_contain_text("30")
    admin.keeps("why a row was rejected")


def test_searches_a_key_as_it_was_copied_out_of_dynamics(admin):
    admin.link("Rejected and parked rows").click()
    admin.sees("Rejected and parked rows")
    admin.page.get_by_label("Key begins with").fill("{" + TOO_LONG.upper() + "}")
    expect(admin.page.get_by_role("row")).to_have_count(2)
    expect(admin.row(TOO_LONG)).to_be_visible()
    admin.keeps("search a key")


def test_shows_the_rows_of_one_rule(admin):
    admin.go_to(f"rows?flow={CONTACTS}")
    admin.sees("Rejected and parked rows")
    chip = admin.button(re.compile("^a plausible address"))
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(admin.row(TOO_LONG)).to_have_count(0)
    expect(admin.row(there.NO_ADDRESS)).to_be_visible()
    admin.keeps("filter by rule")


def test_sees_what_a_parked_row_waits_for_and_why_that_is_not_there(admin):
    admin.link(f"5 waiting rows of {STORES}").click()
    admin.sees("Rejected and parked rows")
    expect(admin.row(STORE)).to_contain_text(CONTACTS)
    admin.keeps("parked rows")
    admin.link(TOO_LONG).click()
    expect(admin.row(TOO_LONG)).to_contain_text("firstName")


def test_finds_nothing_and_is_told_where_to_look_next(admin):
    admin.go_to("rows?key=ffffffff")
    admin.reads("No rejected row is like that.")
    admin.keeps("nothing found")
    admin.link("Look among parked rows").click()
    admin.reads("No parked row is like that.")


# --- getting about -----------------------------------------------------------------------------------------


def test_a_link_that_somebody_sent_and_a_reload_open_the_same_room(admin):
    admin.link("Rejected and parked rows").click()
    admin.sees("Rejected and parked rows")
    admin.tab.go_back()
    admin.sees("Flows")
    admin.tab.go_forward()
    admin.page.get_by_label("Key begins with").fill(TOO_LONG)
    expect(admin.tab).to_have_url(re.compile(f"/plugin/campaign-sync/.*#/rows.*{TOO_LONG}"))
    admin.tab.reload()
    expect(admin.row(TOO_LONG)).to_be_visible()


def test_the_page_follows_when_somebody_switches_the_theme(admin, theme):
    other = {"light": "dark", "dark": "light"}[theme]
    root = admin.page.locator("html")
    expect(root).to_have_class(theme)
    admin.tab.emulate_media(color_scheme=other)
    expect(root).to_have_class(other)
    admin.tab.emulate_media(color_scheme=theme)
    expect(root).to_have_class(theme)


def test_works_with_the_keyboard_alone(admin):
    keys = admin.tab.keyboard
    admin.page.get_by_role("link", name="Skip to the content").focus()
    admin.keeps("the way past the navigation")
    keys.press("Enter")
    for _ in range(40):
        keys.press("Tab")
        if admin.page.locator(f"#rejected-{CONTACTS}:focus").count():
            break
    keys.press("Enter")
    admin.sees("Rejected and parked rows")
    expect(admin.page.get_by_role("main")).to_be_focused()
    expect(admin.row(TOO_LONG)).to_be_visible()
    for _ in range(10):
        keys.press("Tab")
        if admin.page.locator(".chips button:focus").count():
            break
    keys.press("Enter")
    expect(admin.page.locator(".chips button:focus")).to_have_attribute("aria-pressed", "true")
    admin.keeps("with the keyboard")


def test_looks_at_the_flows_on_the_phone(with_a_phone):
    with_a_phone.fits()
    with_a_phone.keeps("flows on the phone")
    with_a_phone.link(CONTACTS).click()
    with_a_phone.sees("Mapping")
    with_a_phone.fits()
    with_a_phone.keeps("a flow on the phone")


def test_finds_a_rejected_row_on_the_phone(with_a_phone):
    with_a_phone.go_to(f"rows?key={TOO_LONG}")
    expect(with_a_phone.row(TOO_LONG)).to_contain_text("Rule")
    with_a_phone.fits()
    with_a_phone.row(TOO_LONG).scroll_into_view_if_needed()
    with_a_phone.keeps("a rejected row on the phone")


# --- trouble -----------------------------------------------------------------------------------------------


@contextmanager
def ledger_away(world: World) -> Iterator[None]:
    """No table that the page reads is there under its name."""

    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(world.ledger, timeout=30)) as database, database:
            database.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename("runs", "runs_away")
    try:
        yield
    finally:
        rename("runs_away", "runs")


def test_is_told_that_the_ledger_is_away_and_goes_on_when_it_is_back(admin, everything):
    with ledger_away(everything):
        admin.link(CONTACTS).click()
        admin.reads(
            "The ledger or the storage cannot be read now.", re.compile("See error [0-9a-f]{8} in the log")
        )
        admin.keeps("the ledger is away")
    admin.button("Try again").click()
    admin.sees("Mapping")


def test_is_told_that_airflow_does_not_answer_and_tries_again(admin):
    admin.link("Rejected and parked rows").click()
    admin.sees("Rejected and parked rows")
    admin.tab.context.set_offline(True)
    try:
        admin.page.get_by_label("Key begins with").fill("1")
        admin.reads("Airflow does not answer.")
        admin.keeps("Airflow does not answer")
    finally:
        admin.tab.context.set_offline(False)
    admin.button("Try again").click()
    expect(admin.row(TOO_LONG)).to_be_visible()


# --- one contact, approvals, preview -----------------------------------------------------------------------


@pytest.mark.colours
@pytest.mark.parametrize(
    "key, said", [(TOO_LONG, "Rejected"), (there.NO_ADDRESS, "Rejected"), (NOBODY, "Never seen")]
)
def test_asks_why_a_contact_is_not_in_campaign(admin, key, said):
    admin.link("Contact").click()
    admin.page.get_by_label("Contact id, or the key of another row").fill(key)
    admin.button("Look it up").click()
    expect(admin.page.get_by_role("heading", level=2).filter(has_text=said).first).to_be_visible()
    admin.keeps(f"why is it not in Campaign, {said} {key[:1]}")


def test_sees_what_a_contact_got_and_did(admin, everything):
    ledger = Ledger(f"sqlite:///{everything.ledger}")
    now = datetime.now(UTC)
    opens = [
        Settled(f"open:{number}", there.NO_ADDRESS, now - timedelta(hours=number), "DM412", created=True, task=False)
        for number in range(2, 70)
    ]  # fmt: skip
    click = Settled("click:1", there.NO_ADDRESS, now, "DM412", created=True, task=True)
    ledger.events.settle(EVENTS, "a run", "a", now, settled=[*opens, click], waiting=[], refused=[])
    admin.go_to(f"contact/{there.NO_ADDRESS}")
    admin.sees("E-mail events")
    table = admin.page.get_by_role("table", name="Events in Dynamics")
    expect(table.get_by_role("row")).to_have_count(51)
    expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile("click.*DM412.*[0-9a-f-]{36}"))
    admin.reads("… and 19 earlier ones: see the contact's timeline in Dynamics.")
    admin.fits()
    table.get_by_role("row").nth(1).scroll_into_view_if_needed()
    admin.keeps("what a contact got")
    admin.link("a run", table).click()
    admin.sees("One run")


def test_asks_about_a_contact_on_the_phone(with_a_phone):
    with_a_phone.go_to(f"contact/{TOO_LONG}")
    expect(
        with_a_phone.page.get_by_role("heading", level=2).filter(has_text="Rejected").first
    ).to_be_visible()
    with_a_phone.fits()
    with_a_phone.keeps("a contact on the phone")


@pytest.mark.colours
def test_sees_what_a_guard_holds_and_where_to_decide(admin):
    admin.link(re.compile("^Approvals")).click()
    admin.sees("2 of 4 records in Campaign would be deleted: the mapping allows 1")
    admin.button("Show keys").click()
    expect(admin.page.locator(".keys").get_by_role("link")).to_have_count(2)
    admin.keeps("approvals")
    admin.link("Decide in Airflow").click()
    expect(admin.tab).to_have_url(re.compile(f"/dags/{VENDORS}/runs/.+/required_actions"))
    expect(admin.tab.get_by_role("button", name="Approve").first).to_be_visible()


def test_previews_an_edited_mapping_and_is_shown_its_mistakes(admin):
    admin.go_to(f"preview?flow={CONTACTS}&keys={TOO_LONG}")
    admin.sees("Preview")
    mapping = admin.page.get_by_role("textbox", name="Mapping")
    expect(mapping).to_have_value(re.compile("firstName: "))
    text = mapping.input_value()
    mapping.fill(text.replace("table: contact", "tabel: contact"))
    admin.button("Preview").click()
    expect(heading(admin, "This mapping cannot be used yet")).to_be_focused()
    admin.keeps("a mistake in an edited mapping")
    mapping.fill(text.replace("{from: firstname, using: [trim]}", "salutation"))
    admin.button("Preview").click()
    expect(heading(admin, re.compile("^1 row: "))).to_be_focused(timeout=90_000)  # it may take a minute
    expect(heading(admin, re.compile("^1 row: "))).to_be_in_viewport()
    expect(admin.row("salutation").first).to_be_visible()
    admin.reads(TOO_LONG)
    admin.keeps("a preview")


def heading(person: Any, name: str | re.Pattern[str]) -> Any:
    return person.page.get_by_role("heading", name=name)


# --- what somebody may do ----------------------------------------------------------------------------------


def test_pauses_a_flow_and_lets_it_go_on(admin):
    card = admin.card(STORES)
    card.get_by_role("button", name="Pause", exact=False).first.click()
    expect(card).to_contain_text("Paused")
    admin.reads(re.compile(f"{STORES}: paused"))
    admin.keeps("paused by hand")
    card.get_by_role("button", name="Unpause").first.click()
    expect(card).not_to_contain_text("Paused")


def test_starts_a_flow_and_sees_it_run(admin, everything):
    before = len(everything.airflow.runs(STORES))
    slowed(everything, 3)  # else the run may have ended before the page looks again
    admin.button(f"Start {STORES}").click()
    admin.reads(re.compile(f"{STORES}: started"))
    expect(admin.card(STORES)).to_contain_text("Running")
    admin.keeps("a run under way")
    slowed(everything, 0)
    runs = everything.airflow.runs(STORES)
    assert len(runs) == before + 1
    everything.airflow.wait(STORES, runs[-1]["dag_run_id"], there.SECONDS, print)


def slowed(everything: World, seconds: float) -> None:
    """Have Dynamics take so long for each answer."""
    everything.sandbox.control("PUT", "/sandbox/switches", {"dataverse.request_seconds": seconds})


def test_has_everything_read_again(admin, everything):
    before = len(everything.airflow.runs(VENDORS))
    admin.card(VENDORS).get_by_role("button", name="Start with choices").first.click()
    admin.page.get_by_role("radio", name=re.compile("Everything again")).check()
    admin.keeps("start with choices")
    admin.button("Read everything again").click()
    admin.reads("It begins when the run that is under way has ended.")
    new = everything.airflow.runs(VENDORS)[before:]
    assert [run["conf"] for run in new] == [{"replay": True}]


def test_has_a_rejected_row_tried_again(admin):
    admin.go_to(f"rows?flow={STORES}")
    admin.sees("Rejected and parked rows")
    admin.button(re.compile("^Try again [0-9a-f-]{36}$")).click()
    admin.reads("Try this row again?", re.compile("^It is read anew in Dynamics"))
    admin.keeps("try again")
    admin.page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    expect(admin.page.get_by_role("dialog")).to_have_count(0)
    expect(admin.page.locator("#told")).not_to_be_empty()
    admin.button(re.compile("^Show the source row [0-9a-f-]{36}$")).click()
    admin.reads("Show the row in Dynamics?")
    expect(admin.page.locator("#told")).to_be_empty()
    admin.tab.keyboard.press("Escape")


def test_tries_a_row_again_and_sees_its_source_where_it_is_explained(admin):
    admin.go_to(f"contact/{there.NO_ADDRESS}")
    admin.sees("In each flow")
    admin.button(f"Show the source row {there.NO_ADDRESS}").click()
    admin.page.get_by_role("dialog").get_by_role("button", name="Show it").click()
    admin.reads("nowhere")
    admin.button("Close").click()
    admin.button(f"Try again {there.NO_ADDRESS}").click()
    admin.reads("Try this row again?")
    admin.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    admin.go_to(f"contact/{STORE}")  # waits for its parent, and follows it by itself
    expect(admin.button(f"Show the source row {STORE}")).to_be_visible()
    expect(admin.button(re.compile("^Try again"))).to_have_count(0)
    admin.go_to(f"rows?flow={STORES}")
    admin.sees("Rejected and parked rows")
    rejected = admin.page.get_by_role("table").get_by_role("link", name=re.compile("^[0-9a-f-]{36}$")).first
    rejected.click()
    admin.sees("In each flow")
    admin.button(re.compile("^Try again [0-9a-f-]{36}$")).click()
    admin.keeps("try again where it is explained")
    admin.page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    expect(admin.page.get_by_role("dialog")).to_have_count(0)
    expect(admin.page.locator("#told")).to_contain_text("The next run looks at 1 row")


def test_looks_at_the_source_row_of_a_key_with_the_keyboard(admin):
    admin.go_to(f"rows?key={TOO_LONG}")
    opener = admin.button(f"Show the source row {TOO_LONG}")
    opener.focus()
    admin.tab.keyboard.press("Enter")
    admin.reads("That you looked is noted in Airflow's audit log")
    admin.page.get_by_role("dialog").get_by_role("button", name="Show it").press("Enter")
    admin.reads("nora@alder.example")
    admin.keeps("the source row")
    admin.tab.keyboard.press("Escape")
    expect(admin.page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_viewer_sees_everything_and_is_offered_nothing_to_do(viewer):
    expect(viewer.page.get_by_role("button")).to_have_count(0)
    viewer.link(f"4 rejected rows of {CONTACTS}").click()
    expect(viewer.row(TOO_LONG)).to_be_visible()
    expect(viewer.page.get_by_role("button", name=re.compile("again|source", re.IGNORECASE))).to_have_count(0)
    viewer.keeps("a viewer")
    viewer.go_to(f"contact/{TOO_LONG}")
    viewer.sees("In each flow")
    expect(viewer.page.get_by_role("button", name=re.compile("again|source", re.IGNORECASE))).to_have_count(0)
    viewer.go_to(f"preview?flow={CONTACTS}")
    viewer.reads(f"A preview needs the right to edit the DAG of {CONTACTS}, which you do not have.")
    expect(viewer.page.get_by_role("textbox")).to_have_count(0)
    viewer.keeps("a viewer may not preview")


# --- a newcomer --------------------------------------------------------------------------------------------


def test_a_newcomer_finds_out_why_a_contact_was_rejected(browser: Any, everything: World, shots: Any) -> None:
    """From what `make up` prints, and what is to be read on the way, alone."""
    from tests.browser.person import Person

    (address,) = re.findall(r"^The page +(\S+)", everything.printed, re.MULTILINE)
    ((user, password),) = re.findall(r"user (\S+) +password (\S+)", everything.printed)
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    newcomer = Person(context, address, shots)
    newcomer.log_in(user, password)
    newcomer.sees("Flows")
    newcomer.link("Contact").click()
    newcomer.reads("Why is this contact not in Campaign?")
    newcomer.page.get_by_label("Contact id, or the key of another row").fill(TOO_LONG)
    newcomer.button("Look it up").click()
    newcomer.reads(re.compile("firstname: 40 characters, firstName takes 30"))
    newcomer.keeps("what a newcomer finds")
    context.close()
