"""The audit trail: whatever is flipped, removed, moved or added is found, and where."""

import json
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from ledger_samples import Clock
from sqlalchemy import Connection, Engine, create_engine, text

from triage.store import database
from triage.store.audit import chain_digest
from triage.store.database import open_database, upgrade, writing
from triage.store.ledger import Ledger

DETAILS: tuple[dict[str, Any], ...] = (
    {"zeta": 1, "alpha": "Ä\u3042", "nested": {"b": [1.5, 1e-07, None, True], "a": -0.0}},
    {},
    {"number": 3, "text": 'a "quoted" \\ line\n'},
    {"by": "ann", "act": "approve"},
)
COLUMNS = ("at", "event", "study_instance_uid", "detail", "digest")


def filled(ledger: Ledger, clock: Clock) -> Ledger:
    """Eight rows, half of them about a study, some at a full second."""
    for number in range(8):
        ledger.record_event(f"event-{number % 3}", f"1.2.{number}" if number % 2 else None, DETAILS[number % 4])
        clock.advance(seconds=1 if number % 3 else 0.25)
    assert ledger.verify_audit() is None
    return ledger


@pytest.fixture
def trail(ledger: Ledger, clock: Clock) -> Ledger:
    return filled(ledger, clock)


def change(connection: Connection, row: int, column: str, value: object) -> None:
    connection.execute(text(f"UPDATE audit SET {column} = :value WHERE id = :row"), {"value": value, "row": row})


@pytest.mark.parametrize("column", COLUMNS)
def test_every_flipped_bit_of_every_stored_byte_is_found(column: str, clock: Clock, tmp_path: Path) -> None:
    trail = filled(Ledger(open_database("", tmp_path), clock), clock)
    with closing(sqlite3.connect(tmp_path / "triage.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        put = f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE id = ?"
        for row in (1, 4, 8):
            [stored] = connection.execute(f"SELECT CAST({column} AS BLOB) FROM audit WHERE id = ?", (row,)).fetchone()
            for place, bit in product(range(len(stored or b"")), range(8)):
                flipped = bytearray(stored)
                flipped[place] ^= 1 << bit
                connection.execute(put, (bytes(flipped), row))
                assert trail.verify_audit() == row, f"bit {bit} of byte {place} of {column} in row {row}"
            connection.execute(put, (stored, row))
    assert trail.verify_audit() is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", datetime(2026, 11, 21, 8, 0, 0, 1, tzinfo=UTC)),
        ("at", datetime(2027, 11, 21, 8, 0, tzinfo=UTC)),
        ("event", "event-1"),
        ("event", ""),
        ("study_instance_uid", "1.2.8"),
        ("study_instance_uid", None),
        ("study_instance_uid", ""),
        ("detail", '{"act": "approve", "by": "anm"}'),
        ("detail", '{"act": "approve",  "by": "ann"}'),
        ("detail", '{"by": "bob", "act": "approve", "by": "ann"}'),
        ("detail", "{}"),
        ("detail", "[]"),
        ("digest", "0" * 64),
        ("digest", ""),
    ],
)
def test_a_changed_value_is_found_in_its_row(trail: Ledger, engine: Engine, column: str, value: object) -> None:
    with writing(engine) as connection:
        change(connection, 4, column, value)
    assert trail.verify_audit() == 4


@pytest.mark.parametrize(("row", "new", "found"), [(8, 9, 9), (8, 2**30 + 8, 2**30 + 8), (4, 0, 0), (4, 12, 5)])
def test_a_changed_id_is_found(trail: Ledger, engine: Engine, row: int, new: int, found: int) -> None:
    with writing(engine) as connection:
        change(connection, row, "id", new)
    assert trail.verify_audit() == found


def test_swapped_rows_are_found(trail: Ledger, engine: Engine) -> None:
    with writing(engine) as connection:
        for old, new in ((3, -1), (4, 3), (-1, 4)):
            change(connection, old, "id", new)
    assert trail.verify_audit() == 3


@pytest.mark.parametrize(("removed", "found"), [([1], 2), ([4], 5), ([4, 5], 6), ([8], 0), (range(1, 9), 0)])
def test_removed_rows_are_found(trail: Ledger, engine: Engine, removed: list[int], found: int) -> None:
    with writing(engine) as connection:
        for row in removed:
            connection.execute(text("DELETE FROM audit WHERE id = :row"), {"row": row})
    assert trail.verify_audit() == found


def test_removing_and_closing_the_gap_is_found(trail: Ledger, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM audit WHERE id = 4"))
        for row in range(5, 9):
            change(connection, row, "id", row - 1)
        connection.execute(text("UPDATE audit_head SET length = 7"))
    assert trail.verify_audit() == 4


def test_rows_written_past_the_ledger_are_found(trail: Ledger, engine: Engine) -> None:
    insert = (
        "INSERT INTO audit (id, at, event, detail, digest) SELECT {}, at, event, detail, digest FROM audit WHERE id = 8"
    )
    with writing(engine) as connection:
        connection.execute(text(insert.format(9)))
    assert trail.verify_audit() == 9


@pytest.mark.parametrize("harm", ["length = 9", "digest = ''", "id = 2"])
def test_a_changed_end_of_the_trail_is_found(trail: Ledger, engine: Engine, harm: str) -> None:
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE audit_head SET {harm}"))
    assert trail.verify_audit() == 0
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM audit_head"))
    assert trail.verify_audit() == 0


def test_a_refused_transaction_leaves_no_gap(trail: Ledger, engine: Engine) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        trail.record_event("event", None, {"value": float("nan")})
    trail.record_event("event", None, {"at": datetime(2026, 1, 1, tzinfo=UTC)})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT max(id) FROM audit")).scalar_one() == 9
    assert trail.verify_audit() is None


def test_a_trail_of_the_first_schema_stays_valid(url: str, tmp_path: Path) -> None:
    """Details in any order of keys, and ids with the gaps that PostgreSQL leaves at every rollback."""
    engine = create_engine(url)
    gap = 5 if engine.dialect.name == "postgresql" else 0
    configuration = Config()
    configuration.set_main_option("script_location", str(database.MIGRATIONS))
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        digest, at = "", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        for number in range(1, 41):
            at += timedelta(milliseconds=500)
            detail = {"zeta": number, "alpha": {"b": 1, "a": "Ä"}}
            digest = chain_digest(digest, at, "event", None, detail)
            stored = at.strftime("%Y-%m-%d %H:%M:%S.%f") if not gap else at
            connection.execute(
                text("INSERT INTO audit (id, at, event, detail, digest) VALUES (:id, :at, 'event', :detail, :digest)"),
                {"id": number + gap * (number // 7), "at": stored, "detail": json.dumps(detail), "digest": digest},
            )
        connection.execute(text("UPDATE audit_head SET digest = :digest, length = 40"), {"digest": digest})
    engine.dispose()
    ledger = Ledger(open_database(url, tmp_path))
    assert ledger.verify_audit() is None
    ledger.record_event("event", None, {"zeta": 1, "alpha": 2})
    assert ledger.verify_audit() is None
    made = open_database(url, tmp_path)
    upgrade(made)
    with writing(made) as connection:
        change(connection, 17, "detail", json.dumps({"zeta": 17, "alpha": {"b": 1, "a": "A"}}))
    assert ledger.verify_audit() == 17


def test_random_edits_are_found(trail: Ledger, engine: Engine) -> None:
    chance = random.Random(7)
    for _ in range(40):
        row, column = chance.randint(1, 8), chance.choice(("event", "digest"))
        with writing(engine) as connection:
            query = text(f"SELECT {column} FROM audit WHERE id = :row")
            value = connection.execute(query, {"row": row}).scalar_one()
            place = chance.randrange(len(value))
            letter = chr((ord(value[place]) ^ 1 << chance.randrange(6)) or ord("?"))
            change(connection, row, column, value[:place] + letter + value[place + 1 :])
        assert trail.verify_audit() == row
        with writing(engine) as connection:
            change(connection, row, column, value)
    assert trail.verify_audit() is None
