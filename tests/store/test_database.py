"""Migrations, durability settings, and several processes on one database."""

import multiprocessing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_samples import at_once, digest, header
from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from triage.store import tables as t
from triage.store.database import open_database, reading, upgrade, writing
from triage.store.ledger import Ledger

START = multiprocessing.get_context("spawn")


def test_migrations_make_exactly_the_tables_of_the_metadata(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True, "compare_type": True})
        assert compare_metadata(context, t.metadata) == []
    assert "study" in inspect(engine).get_table_names()


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    Ledger(engine).record_instance(header(), digest(1), "p", at_once)
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(t.instance)).scalar_one() == 1


def test_commits_are_durable(engine: Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2, "FULL"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_constraints_hold(engine: Engine) -> None:
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(
            t.delivery.insert().values(
                result_id="none",
                study_instance_uid="1",
                destination="d",
                output="sr",
                sop_instance_uid="1",
                path="p",
                state="pending",
                created_at=func.now(),
                next_at=func.now(),
            )  # fmt: skip
        )


def test_errors_name_no_patient(engine: Engine) -> None:
    broken = header(attributes={"PatientName": "Doe^Jane"}, sop_class_uid=None)
    with pytest.raises(IntegrityError) as raised:
        Ledger(engine).record_instance(broken, digest(1), "p", at_once)
    assert "Jane" not in str(raised.value)


def test_naive_times_are_refused(engine: Engine) -> None:
    from datetime import datetime

    with pytest.raises((ValueError, StatementError), match="aware"), reading(engine) as connection:
        connection.execute(select(t.study.c.rev).where(t.study.c.due_at <= datetime(2026, 1, 1)))  # noqa: DTZ001


def record_many(url: str, home: str, first: int) -> int:
    """One process: opens (and maybe migrates) the database and records 25 instances of one study."""
    ledger = Ledger(open_database(url, Path(home)))
    return sum(
        ledger.record_instance(header(number), digest(number), "p", at_once) for number in range(first, first + 25)
    )


def test_processes_open_and_write_one_new_database_at_once(url: str, tmp_path: Path) -> None:
    with START.Pool(3) as pool:
        # The ranges overlap: instances 10..24 come from two processes, and are new to exactly one of them.
        jobs = [pool.apply_async(record_many, (url, str(tmp_path), first)) for first in (0, 10, 35)]
        new = [job.get(60) for job in jobs]
    assert sum(new) == 60
    study = Ledger(open_database(url, tmp_path)).study(header().study_instance_uid)
    assert study is not None
    assert study.row.rev == len(study.instances) == 60
