"""Serve: reading the worklist for REST and pages alike. Input: the filters of the address. Output: summaries."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import HTTPException, Path, Query
from pydantic import AwareDatetime

from triage.core.errors import TriageError
from triage.core.finding import Outcome, State
from triage.serve.api.models import WorklistPage
from triage.serve.api.presentation import summary_of
from triage.store.ledger import Ledger
from triage.store.records import StudyRecord

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL refuses NUL in any text

UID = Annotated[str, Path(min_length=1, max_length=64, pattern=_NO_NUL)]
"""A UID as senders wrote it: not every device keeps to digits and dots."""


@dataclass(frozen=True)
class Filters:
    """The filters of the worklist, as they stand in the address."""

    outcome: Annotated[Outcome | None, Query(description="Studies with this answer.")] = None
    state: Annotated[State | None, Query(description="Studies in this state.")] = None
    q: Annotated[
        str | None,
        Query(max_length=100, pattern=_NO_NUL, description="Part of a patient ID, name, accession number or UID."),
    ] = None
    since: Annotated[AwareDatetime | None, Query(description="Last image at or after this time (with a zone).")] = None
    limit: Annotated[int, Query(ge=1, le=500)] = 50
    cursor: Annotated[str | None, Query(max_length=300, description="`next_cursor` of the page before.")] = None


def worklist_page(ledger: Ledger, filters: Filters) -> WorklistPage:
    """One page of the worklist.

    Errors:
        HTTPException: 422, the cursor is not one of this worklist.
    """
    try:
        rows, next_cursor = ledger.worklist(
            outcome=filters.outcome,
            state=filters.state,
            q=filters.q,
            since=filters.since,
            limit=filters.limit,
            cursor=filters.cursor,
        )
    except TriageError as error:
        raise HTTPException(422, f"query cursor: {error}") from error
    records = [record for row in rows if (record := ledger.study(row.study_instance_uid)) is not None]
    return WorklistPage(studies=[summary_of(record) for record in records], next_cursor=next_cursor)


def known_study(ledger: Ledger, study_instance_uid: str) -> StudyRecord:
    """The study, or 404 that names it."""
    record = ledger.study(study_instance_uid)
    if record is None:
        raise HTTPException(404, f"No study {study_instance_uid} was received.")
    return record
