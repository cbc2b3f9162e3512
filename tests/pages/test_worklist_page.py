"""The worklist in a browser: flags, filters, keys, and a live list that never moves the reader to another patient."""

import pytest
from browsing import Site, poll
from served_exams import LONG_AGO

from triage.core.finding import Outcome

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
Page = playwright.Page


def row(page: Page, uid: str) -> "playwright.Locator":
    return page.locator(f'tr[data-uid="{uid}"]')


def selected(page: Page) -> list[str]:
    return page.eval_on_selector_all("tr[data-selected]", "rows => rows.map(row => row.dataset.uid)")


def test_every_kind_of_answer_is_said_in_words(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/")
    expect(page).to_have_url(f"{site.address}/worklist")
    flags = {
        "normal": "Confidently normal",
        "plain": "No flag",
        "missing": "Not evaluated: read normally, because LMLO is missing",
        "implant": "Not evaluated: read normally, because RCC and LCC cannot be evaluated; breast implant present",
        "late": "Receiving The earlier answer no longer holds.",
        "analysing": "Analysing",
        "receiving": "Receiving",
    }
    for kind, words in flags.items():
        cell = row(page, site.uids[kind]).locator(".flag")
        expect(cell).to_have_text(words)
        expect(cell.locator("svg").first).to_be_visible()
    expect(page.get_by_role("note")).to_contain_text("Demonstration model: not for clinical use.")
    expect(row(page, site.uids["missing"]).locator(".view.missing")).to_have_text("LMLO missing")
    expect(row(page, site.uids["implant"])).to_contain_text("山田, 花子")


def test_filter_and_search_stand_in_the_address(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/worklist")
    page.get_by_role("link", name="Not evaluated").click()
    expect(page).to_have_url(f"{site.address}/worklist?outcome=not_evaluated")
    expect(page.locator("tr[data-uid]")).to_have_count(2)
    page.wait_for_load_state()  # keys work once the script has run
    page.keyboard.press("/")
    page.keyboard.type("lindqvist")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.address}/worklist?outcome=not_evaluated&q=lindqvist")
    expect(page.locator("tr[data-uid]")).to_have_count(1)
    page.goto(f"{site.address}/worklist?q=nobody")
    expect(page.get_by_text("No study matches.")).to_be_visible()


def test_a_new_row_waits_and_the_selection_stays_on_its_study(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/worklist")
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = selected(page)
    assert chosen == [site.uids["analysing"]]
    before = page.eval_on_selector_all("tr[data-uid]", "rows => rows.map(row => row.dataset.uid)")
    arrived = site.archive.receive(8, wait=LONG_AGO, PatientName="Nowak^Ewa")
    button = page.get_by_role("button", name="1 new")
    poll(page)
    expect(button).to_be_visible()
    assert page.eval_on_selector_all("tr[data-uid]", "rows => rows.map(row => row.dataset.uid)") == before
    assert selected(page) == chosen
    button.click()
    expect(row(page, arrived)).to_be_visible()
    expect(button).to_be_hidden()
    assert selected(page) == chosen
    page.keyboard.press("k")
    assert selected(page) == [site.uids["receiving"]]
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.address}/studies/{site.uids['analysing']}")
    page.wait_for_load_state()
    page.keyboard.press("w")
    expect(page).to_have_url(f"{site.address}/worklist")
    expect(row(page, site.uids["analysing"])).to_have_attribute("data-selected", "")


def test_a_row_changes_in_its_place(site: Site, page: Page) -> None:
    uid = site.archive.receive(8, PatientName="Nowak^Ewa")
    page.goto(f"{site.address}/worklist")
    expect(row(page, uid).locator(".flag")).not_to_contain_text("No flag")
    site.archive.decide(Outcome.NOT_FLAGGED)
    poll(page)
    expect(row(page, uid).locator(".flag")).to_have_text("No flag")


def test_a_row_that_left_the_list_keeps_no_answer(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/worklist?outcome=confidently_normal")
    expect(page.locator("tr[data-uid]")).to_have_count(1)
    site.archive.receive(1, wait=LONG_AGO, StudyDescription="again")
    poll(page)
    expect(row(page, site.uids["normal"])).to_have_class("gone")
    expect(page.locator("#rows")).not_to_contain_text("Confidently normal")


def test_a_list_that_is_not_live_says_so(site: Site, browser: "playwright.Browser") -> None:
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(f"{site.address}/worklist")
    context.set_offline(True)
    poll(page)
    expect(page.locator("#live")).to_contain_text("not live")
    context.set_offline(False)
    poll(page)
    expect(page.locator("#live")).not_to_contain_text("not live")
    context.close()
