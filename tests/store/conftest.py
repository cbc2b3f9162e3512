"""The ledger on both databases: a SQLite file, and an emptied schema in a PostgreSQL cluster of the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_samples import Clock
from postgres_cluster import cluster
from sqlalchemy import Engine, create_engine, text

from triage.store.database import open_database
from triage.store.ledger import Ledger


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL."""
    pytest.importorskip("psycopg")
    with cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'triage.db'}"
    server = request.getfixturevalue("postgres_url")
    admin = create_engine(f"{server}/postgres")
    with admin.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()
    return f"{server}/postgres"


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[Engine]:
    """The database, migrated."""
    made = open_database(url, tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is moved."""
    return Clock()


@pytest.fixture
def ledger(engine: Engine, clock: Clock) -> Ledger:
    """An empty ledger."""
    return Ledger(engine, clock)
