"""Calibrations, people, and what is watched of them."""

import sqlalchemy as sa
from alembic import op

from triage.store.tables import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration_set",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("uploaded_by", sa.String(length=64), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("preprocessing", sa.String(length=32), nullable=False),
        sa.Column("declarations", sa.JSON(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("rows_sha256", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('calibration', 'evaluation', 'training')", name=op.f("ck_calibration_set_purpose")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration_set")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("stratum_id", sa.String(length=16), nullable=True),
        sa.Column("calibration_id", sa.String(length=32), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_table(
        "person",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("printed_name", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_person_key_sha256")),
    )
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("result_id", sa.String(length=128), nullable=True),
        sa.Column("right_birads", sa.Integer(), nullable=True),
        sa.Column("left_birads", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("follow_up", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_assessment_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment")),
    )
    op.create_index(op.f("ix_assessment_study_instance_uid"), "assessment", ["study_instance_uid"], unique=False)
    op.create_table(
        "calibration",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("stratum_id", sa.String(length=16), nullable=False),
        sa.Column("stratum", sa.JSON(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("image_threshold", sa.Float(), nullable=True),
        sa.Column("limited_by_safety", sa.Boolean(), nullable=False),
        sa.Column("demonstration", sa.Boolean(), nullable=False),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("calibration_set", sa.String(length=32), nullable=True),
        sa.Column("evaluation_set", sa.String(length=32), nullable=True),
        sa.Column("pool_abnormals", sa.Boolean(), nullable=False),
        sa.Column("protocol", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'evaluated', 'approved', 'shadow', 'active', 'suspended', 'rolled_back', 'retired')",
            name=op.f("ck_calibration_state"),
        ),
        sa.ForeignKeyConstraint(
            ["calibration_set"], ["calibration_set.id"], name=op.f("fk_calibration_calibration_set")
        ),
        sa.ForeignKeyConstraint(["evaluation_set"], ["calibration_set.id"], name=op.f("fk_calibration_evaluation_set")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
        sa.UniqueConstraint("stratum_id", "number", name=op.f("uq_calibration_stratum_id_number")),
    )
    op.create_table(
        "activation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stratum_id", sa.String(length=16), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("from_at", UTCDateTime(), nullable=False),
        sa.Column("until_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["calibration_id"], ["calibration.id"], name=op.f("fk_activation_calibration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation")),
    )
    op.create_index(op.f("ix_activation_stratum_id_from_at"), "activation", ["stratum_id", "from_at"], unique=False)
    op.create_index(
        "uq_activation_in_force",
        "activation",
        ["stratum_id"],
        unique=True,
        sqlite_where=sa.text("until_at IS NULL"),
        postgresql_where=sa.text("until_at IS NULL"),
    )
    op.create_table(
        "calibration_act",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("printed_name", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["calibration_id"], ["calibration.id"], name=op.f("fk_calibration_act_calibration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration_act")),
    )
    op.create_index(op.f("ix_calibration_act_calibration_id"), "calibration_act", ["calibration_id"], unique=False)
    op.create_table(
        "chart",
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("baseline", sa.Float(), nullable=False),
        sa.Column("up", sa.Float(), nullable=False),
        sa.Column("down", sa.Float(), nullable=False),
        sa.Column("exams", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("alarm_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["calibration_id"], ["calibration.id"], name=op.f("fk_chart_calibration_id")),
        sa.PrimaryKeyConstraint("calibration_id", "event", name=op.f("pk_chart")),
    )
    op.create_table(
        "observation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("stratum_id", sa.String(length=16), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("flag", sa.Boolean(), nullable=False),
        sa.Column("refusal", sa.Boolean(), nullable=False),
        sa.Column("ood", sa.Boolean(), nullable=False),
        sa.Column("exam_score", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["calibration_id"], ["calibration.id"], name=op.f("fk_observation_calibration_id")),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_observation_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observation")),
        sa.UniqueConstraint(
            "study_instance_uid", "calibration_id", name=op.f("uq_observation_study_instance_uid_calibration_id")
        ),
    )
    op.create_index(op.f("ix_observation_stratum_id_at"), "observation", ["stratum_id", "at"], unique=False)
    op.create_table(
        "shadow_result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("calibration_id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("active_outcome", sa.String(length=32), nullable=False),
        sa.Column("exam_score", sa.Float(), nullable=True),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["calibration_id"], ["calibration.id"], name=op.f("fk_shadow_result_calibration_id")),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_shadow_result_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_result")),
        sa.UniqueConstraint(
            "study_instance_uid",
            "revision",
            "calibration_id",
            name=op.f("uq_shadow_result_study_instance_uid_revision_calibration_id"),
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        _close_gaps()


def _close_gaps() -> None:
    """Ids of the audit trail count without a gap from now on; PostgreSQL's sequence lost one at every rollback.

    Ids stand in no digest. They go through negative ones, since two rows must not share one on the way.
    """
    op.execute(
        "UPDATE audit SET id = -place.number"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM audit) AS place WHERE audit.id = place.id"
    )
    op.execute("UPDATE audit SET id = -id")


def downgrade() -> None:
    for table in (
        "shadow_result",
        "incident",
        "assessment",
        "chart",
        "observation",
        "activation",
        "calibration_act",
        "calibration",
        "calibration_set",
        "person",
    ):
        op.drop_table(table)
