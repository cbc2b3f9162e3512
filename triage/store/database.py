"""Stage: store. Opens the ledger's database, brings its schema up to date, and gives transactions to the parts.

Input: the configured URL (empty: a SQLite file in the service's home). Output: an engine that several processes share.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, Engine, ExceptionContext, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError

from triage.core.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MILLISECONDS = 10_000
"""How long a writer waits for another one; a C-STORE sender waits at least 30 s for its answer."""
_MIGRATION_LOCK = 0x7472_6961  # any number of our own: only one process migrates a PostgreSQL database at a time


def open_database(url: str, home: Path) -> Engine:
    """The ledger's engine, its schema up to date. An empty `url` means `home`/triage.db.

    Errors:
        ConfigurationError: The URL is wrong, or the database cannot be used. OSError: `home` cannot be made.
    """
    if not url:
        home.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{home.resolve() / 'triage.db'}"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("database.url: no URL such as postgresql+psycopg://host/db") from error
    engine = create_engine(
        parsed,
        pool_pre_ping=not url.startswith("sqlite"),
        hide_parameters=True,  # an error text must not carry a patient's name into the log
        json_serializer=partial(json.dumps, allow_nan=False, default=str),
    )
    event.listen(engine, "handle_error", _drop_detail)
    event.listen(engine, "connect", _sqlite_connect if engine.dialect.name == "sqlite" else _postgresql_connect)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", _sqlite_begin)
    try:
        upgrade(engine)
    except OperationalError as error:
        raise ConfigurationError(f"database: {parsed.host or parsed.database} cannot be used: {error.orig}") from error
    return engine


def upgrade(engine: Engine) -> None:
    """Runs every migration that the database lacks, all or none; safe when several processes start together."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes. SQLite takes its write lock at the start: a later upgrade could not wait for it."""
    with engine.connect().execution_options(triage_writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent view, never in the way of a writer."""
    with engine.connect() as connection, connection.begin():
        yield connection


def insert_new(connection: Connection, table: Table, values: dict[str, Any], returning: Column[Any]) -> Any:
    """Inserts a row unless a unique constraint forbids it; the value of `returning`, or None if the row was there.

    RETURNING says whether a row was made; the row count of a driver does not do so reliably.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(values).on_conflict_do_nothing().returning(returning)
    return connection.execute(statement).scalar_one_or_none()


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver would begin late and never IMMEDIATE
    for pragma in (
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may roll back acknowledged commits on power loss
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _postgresql_connect(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION synchronous_commit TO on")
    connection.commit()


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("triage_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _drop_detail(context: ExceptionContext) -> None:
    """Keeps the first line of PostgreSQL's errors only: DETAIL quotes the offending row, the patient's name in it."""
    diagnosis = getattr(context.original_exception, "diag", None)
    if diagnosis is not None and diagnosis.message_primary and context.sqlalchemy_exception is not None:
        context.original_exception.args = (diagnosis.message_primary,)
        context.sqlalchemy_exception.args = (diagnosis.message_primary,)
