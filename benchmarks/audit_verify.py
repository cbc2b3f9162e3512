"""How long it takes to check an audit trail of 1,000,000 rows in SQLite, from the first byte to the last.

The rows look like the service's own: three results of studies to one signed act on a calibration. They are written in
bulk, with the digests that the service itself would have given them. Peer: the limit of 30 s that users were promised.

Run: python benchmarks/audit_verify.py [rows]
"""

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from _evidence import Row, record
from sqlalchemy import Engine, insert, update

from triage.store import tables as t
from triage.store.audit import chain_digest
from triage.store.database import open_database, writing
from triage.store.ledger import Ledger

ROWS = 1_000_000
LIMIT_SECONDS = 30.0
START = datetime(2026, 1, 1, tzinfo=UTC)


def details(number: int) -> tuple[str, str | None, dict[str, Any]]:
    """Event, study and detail of one row; keys in order, as they are stored."""
    if number % 4:
        study = f"1.2.826.0.1.3680043.10.1338.{number}"
        result = {"dead": False, "outcome": "not_flagged", "reasons": ["views-missing"]}
        return "result", study, {**result, "result_id": f"{number:064x}", "revision": 1}
    signed = {"act": "activate", "by": "ann", "calibration_id": f"{number:032x}", "digest": f"{number:064x}"}
    names = {"from": "shadow", "meaning": "I reviewed the report.", "number": 2, "printed_name": "Ann Example, MD"}
    return "calibration-activate", None, {**signed, **names, "stratum_id": f"{number:016x}", "to": "active"}


def trail(rows: int) -> Iterator[dict[str, Any]]:
    """A whole trail, row by row."""
    digest = ""
    for number in range(1, rows + 1):
        at = START + timedelta(milliseconds=number * 731)
        event, study, detail = details(number)
        digest = chain_digest(digest, at, event, study, detail)
        values = {"at": at, "event": event, "study_instance_uid": study, "detail": detail, "digest": digest}
        yield {"id": number, **values}


def fill(engine: Engine, rows: int) -> None:
    """Writes the trail in one transaction."""
    with writing(engine) as connection:
        made, digest = trail(rows), ""
        while batch := list(islice(made, 10_000)):
            connection.execute(insert(t.audit), batch)
            digest = batch[-1]["digest"]
        connection.execute(update(t.audit_head).values(digest=digest, length=rows))


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database("", Path(folder))
        started = perf_counter()
        fill(engine, rows)
        print(f"{rows} rows written in {perf_counter() - started:.1f} s", flush=True)
        started = perf_counter()
        found = Ledger(engine).verify_audit()
        seconds = perf_counter() - started
        with writing(engine) as connection:
            connection.execute(update(t.audit).where(t.audit.c.id == rows - 1).values(event="resulu"))
        touched = Ledger(engine).verify_audit()
        engine.dispose()
    holds = found is None and touched == rows - 1 and seconds * ROWS / rows <= LIMIT_SECONDS
    print(f"checked in {seconds:.1f} s; one changed bit in row {rows - 1} found in row {touched}")
    if rows == ROWS:
        what = "check of an audit trail of 1,000,000 rows in SQLite"
        note = "a changed bit in the last row but one was found"
        row = Row("audit-verify", what, round(seconds, 2), "s", rows, target="<= 30 s", holds=holds, note=note)
        print(record("calibration", "make bench", [row]))
    if not holds:
        sys.exit(f"not whole, or too slow: {found=} {touched=}")


if __name__ == "__main__":
    main()
