"""A listener on a free port, with its ledger and its files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from receive_parts import DUE, Service, start

from triage.receive.scp import Listener
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger

ANY_PORT = Listener(port=0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger in a SQLite file."""
    return Ledger(open_database("", tmp_path / "home"))


@pytest.fixture
def listen(ledger: Ledger, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a listener that keeps its files in the given folder, and ends it after the test."""
    with ExitStack() as stack:

        def listening(folder: Path = tmp_path / "spool", listener: Listener = ANY_PORT) -> Service:
            service = start(Blobs(folder), ledger, DUE, listener)
            stack.callback(service.server.shutdown)
            return service

        yield listening


@pytest.fixture(scope="module")
def listen_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Listener], Service]]:
    """Starts listeners that the tests of a module share: what they are sent must not matter to the next."""
    home = tmp_path_factory.mktemp("shared")
    ledger = Ledger(open_database("", home))
    with ExitStack() as stack:

        def listening(listener: Listener) -> Service:
            service = start(Blobs(home / "spool"), ledger, DUE, listener)
            stack.callback(service.server.shutdown)
            return service

        yield listening


@pytest.fixture
def service(listen: Callable[..., Service]) -> Service:
    """A running listener."""
    return listen()
