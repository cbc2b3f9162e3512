"""Stage: store. The tables of the study ledger, for SQLite and PostgreSQL alike; migrations are checked against them.

A study is work if and only if `rev > done_rev`. `rev` counts accepted changes of its images; `fence` grows with every
claim, so that a worker that lost its lease can be told from the one that holds it.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no zone, so it is dropped on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware time to the database; a naive one raises ValueError, since nobody could say what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware times only")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC time from the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _uid(name: str, *arguments: Any, **options: Any) -> Column[Any]:
    # Not String(64): PS3.5 section 9.1 allows 64 characters, but a longer one must not keep an image from being stored.
    return Column(name, Text, *arguments, **options)


study = Table(
    "study",
    metadata,
    _uid("study_instance_uid", primary_key=True),
    Column("patient_id", Text, nullable=False, default=""),
    Column("patient_name", Text, nullable=False, default=""),
    Column("accession_number", Text, nullable=False, default=""),
    Column("study_description", Text, nullable=False, default=""),
    Column("study_date", Text, nullable=False, default=""),
    Column("manufacturer", Text, nullable=False, default=""),
    Column("manufacturer_model_name", Text, nullable=False, default=""),
    Column("rev", Integer, nullable=False, default=0),
    Column("done_rev", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("first_at", UTCDateTime, nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),  # since when images await analysis: a late one opens it anew
    Column("last_at", UTCDateTime, nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("lease_until", UTCDateTime),
    Column("last_error", Text),
    Column("result_id", String(128)),  # the result in force; no foreign key, since results point at studies already
    CheckConstraint("state IN ('receiving', 'analysing', 'done', 'dead')", name="state"),
    CheckConstraint("done_rev <= rev", name="done_rev"),
    Index(None, "state", "due_at"),
    Index(None, "last_at", "study_instance_uid"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True),
    _uid("study_instance_uid", ForeignKey("study.study_instance_uid"), nullable=False),
    _uid("sop_instance_uid", nullable=False),
    _uid("sop_class_uid", nullable=False),
    _uid("series_instance_uid", nullable=False),
    _uid("transfer_syntax_uid", nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("laterality", Text),
    Column("view_position", Text),
    Column("analysable", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("received_at", UTCDateTime, nullable=False),
    Column("prepared_at", UTCDateTime),
    Column("superseded", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("sop_instance_uid", "sha256"),
    Index(None, "study_instance_uid"),
)

result = Table(
    "result",
    metadata,
    Column("result_id", String(128), primary_key=True),
    _uid("study_instance_uid", ForeignKey("study.study_instance_uid"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("finding", JSON, nullable=False),
    Column("decided_at", UTCDateTime, nullable=False),
    CheckConstraint("outcome IN ('confidently_normal', 'not_flagged', 'not_evaluated')", name="outcome"),
    Index(None, "study_instance_uid"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("result_id", String(128), ForeignKey("result.result_id"), nullable=False),
    _uid("study_instance_uid", ForeignKey("study.study_instance_uid"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("output", String(32), nullable=False),
    _uid("sop_instance_uid", nullable=False),
    Column("path", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", UTCDateTime, nullable=False),
    Column("next_at", UTCDateTime, nullable=False),
    Column("sent_at", UTCDateTime),
    Column("last_error", Text),
    CheckConstraint("state IN ('pending', 'sent', 'confirmed', 'failed')", name="state"),
    UniqueConstraint("result_id", "destination", "output"),
    Index(None, "destination", "state", "next_at"),
    Index(None, "study_instance_uid"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("event", String(64), nullable=False),
    _uid("study_instance_uid"),
    Column("detail", JSON, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 over this row and the digest before it
    Index(None, "study_instance_uid"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("length", Integer, nullable=False),
)
