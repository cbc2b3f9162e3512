"""The page of one study in a browser."""

import pytest
from browsing import Site, poll
from ledger_samples import header
from served_exams import LONG_AGO

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
Page = playwright.Page


def test_four_views_hang_with_chest_walls_together(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/studies/{site.uids['normal']}")
    page.wait_for_load_state("networkidle")
    box = {}
    for view in ("RCC", "LCC", "RMLO", "LMLO"):
        image = page.locator(f'[data-view="{view}"] img.preview')
        assert image.evaluate("image => image.naturalWidth") == 416
        box[view] = image.bounding_box()
    for right, left in (("RCC", "LCC"), ("RMLO", "LMLO")):
        assert box[right]["x"] + box[right]["width"] == pytest.approx(box[left]["x"], abs=1.5)
        assert box[right]["y"] == pytest.approx(box[left]["y"], abs=1)
    assert box["RMLO"]["y"] >= box["RCC"]["y"] + box["RCC"]["height"] - 1
    expect(page.locator("#outcome")).to_have_text("Confidently normal")


def test_numbers_and_provenance_are_there(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/studies/{site.uids['normal']}")
    for text in (
        "+1.750",
        "threshold 1.250000",
        "sensitivity counts normal as positive",
        "demo-phantom 0.1",
        "c0ffee1111",
    ):
        expect(page.locator("main")).to_contain_text(text)
    expect(page.get_by_role("row", name="pacs")).to_contain_text("sent")


def test_attention_is_off_until_asked_for(site: Site, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.address}/studies/{site.uids['plain']}")
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "attention" in url]
    expect(page.locator("#stamp")).to_be_hidden()
    page.get_by_label("attention map - not for diagnosis").check()
    expect(page.locator("#stamp")).to_be_visible()
    expect(page.locator('[data-view="RCC"] img.attention')).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert len([url for url in asked if "attention" in url]) == 4
    page.get_by_label("attention map - not for diagnosis").uncheck()
    expect(page.locator('[data-view="RCC"] img.attention')).to_be_hidden()


def test_missing_view_is_a_named_empty_place(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/studies/{site.uids['missing']}")
    expect(page.locator('[data-view="LMLO"]')).to_contain_text("LMLO missing")
    expect(page.locator('[data-view="RCC"] img.preview')).to_be_visible()


def test_objects_beyond_the_four_views_are_listed(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/studies/{site.uids['implant']}")
    expect(page.locator(".others li")).to_contain_text("not-for-presentation")
    page.goto(f"{site.address}/studies/{site.uids['late']}")
    expect(page.locator(".others li")).to_contain_text("LXCCL")


def test_a_page_whose_answer_fell_says_so(site: Site, page: Page) -> None:
    uid = site.uids["plain"]
    page.goto(f"{site.address}/studies/{uid}")
    expect(page.locator("#outcome")).to_have_text("No flag")
    site.archive.take(header(5, uid, view_position="XCCL"), LONG_AGO)
    poll(page)
    expect(page.locator("#changed")).to_contain_text("has changed")
    expect(page.locator("#outcome")).not_to_contain_text("No flag")
    page.get_by_role("link", name="Load it again").click()
    expect(page.locator("#outcome")).to_have_text("Receiving")


def test_a_name_cannot_run_as_script(site: Site, page: Page) -> None:
    name = "<img src onerror><b>bold</b>^<script>document.body.remove()</script>"
    uid = site.archive.receive(9, PatientName=name)
    for path in ("/worklist", f"/studies/{uid}"):
        page.goto(f"{site.address}{path}")
        expect(page.locator("main")).to_contain_text("<img src onerror><b>bold</b>, <script>document.body.remove()")
        expect(page.locator("main b")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_contrast_is_enough(site: Site, page: Page, scheme: str) -> None:
    """Every text on a plain ground has at least the 4.5 : 1 of WCAG 2 level AA."""
    page.emulate_media(color_scheme=scheme)
    for path in ("/worklist", f"/studies/{site.uids['implant']}"):
        page.goto(f"{site.address}{path}")
        assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const rgba = channels(getComputedStyle(node).backgroundColor);
      if (rgba.length < 4 || rgba[3] > .99) return rgba;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest("figure")) continue;
    const [a, b] = [light(channels(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.push(`${node.className}: ${node.textContent.trim().slice(0, 30)}`);
  }
  return poor;
}"""
