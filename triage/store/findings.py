"""Stage: store. Every stored result, to be decided again, with what its row and the audit trail say against it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, select
from sqlalchemy.exc import DBAPIError

from triage.core.errors import TriageError
from triage.core.finding import StudyFinding
from triage.store import tables as t
from triage.store.audit import stored_bytes
from triage.store.codec import finding_from_json
from triage.store.database import reading
from triage.store.monitoring_records import StoredFinding
from triage.store.rows import Part

Events = Sequence[dict[str, Any]]


class Findings(Part):
    """Reading results in bulk."""

    def findings(self, batch: int = 500) -> Iterator[StoredFinding]:
        """Every result of every study, in no meaningful order. Each batch is a transaction of its own."""
        after = ""
        while True:
            with reading(self._engine) as connection:
                found = _read(connection, _results(connection).where(t.result.c.result_id > after).limit(batch))
            yield from found
            if len(found) < batch:
                return
            after = found[-1].result_id

    def findings_of(self, study_instance_uid: str) -> tuple[StoredFinding, ...]:
        """Every result of one study; empty if there is none."""
        with reading(self._engine) as connection:
            mine = t.result.c.study_instance_uid == study_instance_uid
            return tuple(_read(connection, _results(connection).where(mine)))

    def lost_results(self) -> tuple[str, ...]:
        """Result ids that the audit trail knows and the ledger does not hold (any more).

        Errors:
            TriageError: A row of the trail is no JSON any more.
        """
        named = t.audit.c.detail["result_id"].as_string()
        held = exists().where(t.result.c.result_id == named)
        statement = select(named).where(t.audit.c.event == "result", ~held).distinct()
        try:
            with reading(self._engine) as connection:
                return tuple(sorted(connection.execute(statement).scalars()))
        except DBAPIError as error:
            raise TriageError(
                "the audit trail cannot be read: `triage audit verify` says where it is damaged"
            ) from error

    def audit_length(self) -> int:
        """How many rows the audit trail should have."""
        with reading(self._engine) as connection:
            length: int = connection.execute(select(t.audit_head.c.length)).scalar_one()
        return length


def finding_digest(content: dict[str, Any]) -> str:
    """SHA-256 over a finding as JSON (`triage.store.codec.finding_to_json`, or as read back); goes into the audit."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _results(connection: Connection) -> Any:
    columns = (t.result.c.result_id, t.result.c.study_instance_uid, t.result.c.revision, t.result.c.outcome)
    return (
        select(*columns, stored_bytes(connection, t.result.c.finding).label("finding"))
        .add_columns(t.study.c.result_id.label("in_force"), t.study.c.rev, t.study.c.done_rev)
        .join(t.study, t.study.c.study_instance_uid == t.result.c.study_instance_uid)
        .order_by(t.result.c.result_id)
    )


def _json(stored: bytes) -> dict[str, Any]:
    """The JSON object that was stored; an empty one if it is damaged."""
    try:
        content = json.loads(stored)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _read(connection: Connection, statement: Any) -> list[StoredFinding]:
    rows = connection.execute(statement).mappings().all()
    events = _audited(connection, sorted({row["study_instance_uid"] for row in rows}))
    return [_stored(row, events.get(row["study_instance_uid"], [])) for row in rows]


def _audited(connection: Connection, studies: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Details of the `result` events of each study, oldest first."""
    statement = (
        select(t.audit.c.study_instance_uid, stored_bytes(connection, t.audit.c.detail))
        .where(t.audit.c.study_instance_uid.in_(studies), t.audit.c.event == "result")
        .order_by(t.audit.c.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for uid, detail in connection.execute(statement):
        found.setdefault(uid, []).append(_json(detail))
    return found


def _stored(row: RowMapping, events: Events) -> StoredFinding:
    content = _json(row["finding"])
    finding = _parsed(content)
    mine = [event for event in events if event.get("result_id") == row["result_id"]]
    problems = [*_row_problems(row, finding), *_audit_problems(finding_digest(content), finding, mine)]
    if mine and (row["in_force"] == row["result_id"]) != (events[-1].get("result_id") == row["result_id"]):
        problems.append("the result in force is not the one that was audited last")
    sealed = bool(mine and mine[0].get("finding_sha256"))
    in_force = row["in_force"] == row["result_id"] and row["rev"] == row["done_rev"]
    return StoredFinding(row["result_id"], row["study_instance_uid"], finding, sealed, in_force, tuple(problems))


def _parsed(content: dict[str, Any]) -> StudyFinding | None:
    try:
        return finding_from_json(content)
    except (TriageError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _row_problems(row: RowMapping, finding: StudyFinding | None) -> Iterator[str]:
    if finding is None:
        yield "the finding cannot be read"
        return
    for name in ("result_id", "study_instance_uid", "revision", "outcome"):
        if row[name] != getattr(finding, name):
            yield f"{name} of the row is {row[name]}, of its finding {getattr(finding, name)}"


def _audit_problems(digest: str, finding: StudyFinding | None, events: Events) -> Iterator[str]:
    if not events:
        yield "the audit trail does not know this result"
        return
    first = events[0]  # the one that wrote the row; later ones made the same result again
    if first.get("finding_sha256", digest) != digest:
        yield "the finding was changed after it was audited"
    if finding is not None:
        codes = sorted({found.code for found in finding.reasons})
        if (first["outcome"], first["reasons"]) != (finding.outcome, codes):
            yield f"audited as {first['outcome']} for {first['reasons']}, stored as {finding.outcome} for {codes}"
