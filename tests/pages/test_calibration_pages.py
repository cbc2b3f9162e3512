"""Calibrations, devices, incidents and change records in a browser."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from governed_samples import STRATUM, Governed, exam, govern
from test_study_page import CONTRAST

from triage.serve.server import listen, run

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
Page = playwright.Page


@dataclass
class Pages:
    """A running site and its addresses by name."""

    address: str
    governed: Governed

    def __getitem__(self, name: str) -> str:
        if name in self.governed.versions:
            return f"{self.address}/calibrations/{self.governed.versions[name].id}"
        if name == "record":
            return f"{self.address}/api/v1/calibrations/{self.governed.versions['active'].id}/change-record"
        return f"{self.address}/{name}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Read by every test, changed by none."""
    governed = govern(tmp_path_factory.mktemp("governed"))
    for number in range(30):
        exam(governed.archive, number, STRATUM, governed.version("active"), 5.0)
    listener = listen("127.0.0.1", 0)
    stop = threading.Event()
    server = threading.Thread(target=run, args=(governed.app, listener, stop))
    server.start()
    yield Pages(f"http://127.0.0.1:{listener.getsockname()[1]}", governed)
    stop.set()
    server.join(10)
    assert not server.is_alive(), "the server did not stop"


def test_places_are_one_click_away(pages: Pages, page: Page) -> None:
    page.goto(pages["worklist"])
    places = page.get_by_role("navigation", name="Pages")
    for name in ("Calibrations", "Devices", "Incidents", "Worklist"):
        places.get_by_role("link", name=name).click()
        expect(page).to_have_url(pages[name.lower()])
        expect(places.locator("[aria-current]")).to_have_text(name)


def test_from_the_list_to_a_version_to_its_record(pages: Pages, page: Page) -> None:
    page.goto(pages["calibrations"])
    version = pages.governed.versions["evaluated"]
    page.locator(f'[data-calibration="{version.id}"]').get_by_role("link").click()
    expect(page.locator("#state")).to_have_text("Evaluated")
    expect(page.locator("#next .command")).to_contain_text(f"triage calibration approve {version.id}")
    expect(page.locator("#refusals")).to_contain_text("threshold-out-of-bounds")
    for chart in ("Receiver operating characteristic", "Scores of normals and abnormals"):
        expect(page.get_by_role("img", name=chart)).to_be_visible()
    page.get_by_role("link", name="read").click()
    expect(page.get_by_role("heading", name="3. Impact Assessment")).to_be_visible()
    page.get_by_role("link", name="To the calibration").click()
    expect(page).to_have_url(pages["evaluated"])


def test_the_operating_point_is_drawn_on_the_curve(pages: Pages, page: Page) -> None:
    page.goto(pages["active"])
    points = page.locator("svg .point")
    expect(points).to_have_count(2)
    for index, path in enumerate(("svg .curve >> nth=0", "svg .curve >> nth=1")):
        distance = page.evaluate(
            """([point, curve]) => {
              const [x, y] = [point.cx.baseVal.value, point.cy.baseVal.value];
              let least = Infinity;
              for (let at = 0; at <= curve.getTotalLength(); at += 1) {
                const spot = curve.getPointAtLength(at);
                least = Math.min(least, Math.hypot(spot.x - x, spot.y - y));
              }
              return least;
            }""",
            [points.nth(index).element_handle(), page.locator(path).element_handle()],
        )
        assert distance < 2


def test_drift_is_seen_on_both_pages(pages: Pages, page: Page) -> None:
    page.goto(pages["devices"])
    device = page.locator(f'[data-stratum="{STRATUM.id}"]')
    expect(device).to_contain_text("Alarm of")
    expect(device).to_contain_text("Not evaluated, because the calibration for HOLOGIC")
    expect(device.get_by_role("img", name="Flags, Rise")).to_be_visible()
    page.goto(pages["incidents"])
    expect(page.locator("#open tbody tr")).to_have_count(1)
    expect(page.locator("#open tbody tr")).to_contain_text("Flags rose")


def test_the_record_prints_without_the_frame(pages: Pages, page: Page) -> None:
    page.goto(pages["record"])
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("link", name="PDF")).to_be_hidden()
    expect(page.get_by_text("not cleared or approved")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.record')).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_readable_at_every_width(pages: Pages, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    for name in ("calibrations", "evaluated", "draft", "shipped", "devices", "incidents", "record"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(pages[name])
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
            assert page.evaluate(CONTRAST) == [], (name, width)
