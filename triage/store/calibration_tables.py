"""Stage: store. The tables of calibrations, people and what is watched, in the metadata of the study ledger.

An activation without an end is the one in force; a unique index over those keeps a stratum from having two.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from triage.store.tables import UTCDateTime, metadata

person = Table(
    "person",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("printed_name", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("key_sha256", String(64), nullable=False, unique=True),  # the key itself has 256 random bits: no salt needed
    Column("created_at", UTCDateTime, nullable=False),
    Column("disabled_at", UTCDateTime),
)

calibration_set = Table(
    "calibration_set",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("uploaded_by", String(64), nullable=False),
    Column("bundle_sha256", String(64), nullable=False),
    Column("preprocessing", String(32), nullable=False),
    Column("declarations", JSON, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("rows_sha256", String(64), nullable=False),
    Column("rows", LargeBinary, nullable=False),  # compressed columns: never changed, read as a whole
    CheckConstraint("purpose IN ('calibration', 'evaluation', 'training')", name="purpose"),
)

calibration = Table(
    "calibration",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("stratum_id", String(16), nullable=False),
    Column("stratum", JSON, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("threshold", Float),
    Column("image_threshold", Float),
    Column("limited_by_safety", Boolean, nullable=False),
    Column("demonstration", Boolean, nullable=False),
    Column("author", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("calibration_set", String(32), ForeignKey("calibration_set.id")),
    Column("evaluation_set", String(32), ForeignKey("calibration_set.id")),
    Column("pool_abnormals", Boolean, nullable=False),
    Column("protocol", JSON, nullable=False),
    Column("report", JSON),
    Column("digest", String(64)),  # SHA-256 over everything above but the state, set when evaluated
    CheckConstraint(
        "state IN ('draft', 'evaluated', 'approved', 'shadow', 'active', 'suspended', 'rolled_back', 'retired')",
        name="state",
    ),
    UniqueConstraint("stratum_id", "number"),
)

calibration_act = Table(
    "calibration_act",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("calibration_id", String(32), ForeignKey("calibration.id"), nullable=False),
    Column("act", String(32), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("by", String(64), nullable=False),
    Column("printed_name", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Index(None, "calibration_id"),
)

activation = Table(
    "activation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stratum_id", String(16), nullable=False),
    Column("calibration_id", String(32), ForeignKey("calibration.id"), nullable=False),
    Column("from_at", UTCDateTime, nullable=False),
    Column("until_at", UTCDateTime),
    Column("ended_by", String(32)),  # the act that ended it: activate (of a newer one), suspend, roll-back, retire
    Index(None, "stratum_id", "from_at"),
    Index(
        "uq_activation_in_force",
        "stratum_id",
        unique=True,
        sqlite_where=text("until_at IS NULL"),
        postgresql_where=text("until_at IS NULL"),
    ),
)

observation = Table(
    "observation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", Text, ForeignKey("study.study_instance_uid"), nullable=False),
    Column("calibration_id", String(32), ForeignKey("calibration.id"), nullable=False),
    Column("stratum_id", String(16), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("flag", Boolean, nullable=False),
    Column("refusal", Boolean, nullable=False),
    Column("ood", Boolean, nullable=False),
    Column("exam_score", Float),
    UniqueConstraint("study_instance_uid", "calibration_id"),  # a study counts once, however often it is analysed
    Index(None, "stratum_id", "at"),
)

chart = Table(
    "chart",
    metadata,
    Column("calibration_id", String(32), ForeignKey("calibration.id"), primary_key=True),
    Column("event", String(16), primary_key=True),  # flag, refusal, ood
    Column("baseline", Float, nullable=False),
    Column("up", Float, nullable=False),
    Column("down", Float, nullable=False),
    Column("exams", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("alarm_at", UTCDateTime),
)

assessment = Table(
    "assessment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", Text, ForeignKey("study.study_instance_uid"), nullable=False),
    Column("result_id", String(128)),  # what the service had said when the assessment came
    Column("right_birads", Integer),
    Column("left_birads", Integer),
    Column("source", String(32), nullable=False),
    Column("follow_up", String(32), nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Index(None, "study_instance_uid"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("stratum_id", String(16)),
    Column("calibration_id", String(32)),
    Column("study_instance_uid", Text),
    Column("detail", JSON, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("closed_at", UTCDateTime),
    Column("closed_by", String(64)),
    Column("resolution", Text),
)

shadow_result = Table(
    "shadow_result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", Text, ForeignKey("study.study_instance_uid"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("calibration_id", String(32), ForeignKey("calibration.id"), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("active_outcome", String(32), nullable=False),
    Column("exam_score", Float),
    Column("finding", JSON, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    UniqueConstraint("study_instance_uid", "revision", "calibration_id"),
)
