"""A real server on the loopback, and a real Chromium to look at it."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Site
from governed_service import application
from served_exams import Archive, populate

from triage.serve.server import listen, run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Every kind of study behind a server of its own."""
    archive = Archive(tmp_path)
    archive.alive()
    uids = populate(archive)
    listener = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop = threading.Event()
    app = application(archive)
    server = threading.Thread(target=run, args=(app, listener, stop))
    server.start()
    yield Site(address, archive, uids)
    stop.set()
    server.join(10)
    assert not server.is_alive(), "the server did not stop"


@pytest.fixture(scope="session")
def browser() -> Iterator["playwright.Browser"]:
    """The Chromium of this machine; none is ever downloaded."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: "playwright.Browser") -> Iterator["playwright.Page"]:
    """A fresh window. Whatever the page complains of, violations of its security policy too, fails the test."""
    context = browser.new_context(color_scheme="dark", viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(8000)
    complaints: list[str] = []
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.clock.install()
    yield opened
    context.close()
    assert not complaints
