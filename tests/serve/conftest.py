"""A served archive without a socket."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from governed_service import application
from served_exams import Archive, Populated, populate


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty service home with a ledger in SQLite."""
    return Archive(tmp_path)


@pytest.fixture
def client(archive: Archive) -> TestClient:
    """A caller of the application over that home."""
    return caller(archive)


def caller(archive: Archive) -> TestClient:
    """A caller who sees errors as answers."""
    return TestClient(application(archive), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Populated:
    """Made once: writing durably takes its time."""
    archive = Archive(tmp_path_factory.mktemp("populated"))
    archive.alive()
    return Populated(archive, caller(archive), populate(archive))
