"""A listener on a free port, with its ledger and its files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from receive_parts import Service, start

from triage.assemble.completeness import due_at
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger

DUE = partial(due_at, quiet=timedelta(seconds=60), max_wait=timedelta(seconds=900))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger in a SQLite file."""
    return Ledger(open_database("", tmp_path / "home"))


@pytest.fixture
def listen(ledger: Ledger, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a listener that keeps its files in the given folder, and ends it after the test."""
    with ExitStack() as stack:

        def listening(folder: Path = tmp_path / "spool") -> Service:
            service = start(Blobs(folder), ledger, DUE)
            stack.callback(service.server.shutdown)
            return service

        yield listening


@pytest.fixture
def service(listen: Callable[..., Service]) -> Service:
    """A running listener."""
    return listen()
