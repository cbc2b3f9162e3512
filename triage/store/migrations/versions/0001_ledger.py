"""The ledger's first schema."""

import sqlalchemy as sa
from alembic import op

from triage.store.tables import UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_study_instance_uid"), "audit", ["study_instance_uid"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "study",
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Text(), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=False),
        sa.Column("manufacturer_model_name", sa.Text(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("done_rev", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("result_id", sa.String(length=128), nullable=True),
        sa.CheckConstraint("state IN ('receiving', 'analysing', 'done', 'dead')", name=op.f("ck_study_state")),
        sa.CheckConstraint("done_rev <= rev", name=op.f("ck_study_done_rev")),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_study")),
    )
    op.create_index(
        op.f("ix_study_last_at_study_instance_uid"), "study", ["last_at", "study_instance_uid"], unique=False
    )
    op.create_index(op.f("ix_study_state_due_at"), "study", ["state", "due_at"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("laterality", sa.Text(), nullable=True),
        sa.Column("view_position", sa.Text(), nullable=True),
        sa.Column("analysable", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("prepared_at", UTCDateTime(), nullable=True),
        sa.Column("superseded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_instance_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint("sop_instance_uid", "sha256", name=op.f("uq_instance_sop_instance_uid_sha256")),
    )
    op.create_index(op.f("ix_instance_study_instance_uid"), "instance", ["study_instance_uid"], unique=False)
    op.create_table(
        "result",
        sa.Column("result_id", sa.String(length=128), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('confidently_normal', 'not_flagged', 'not_evaluated')", name=op.f("ck_result_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_result_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_result")),
    )
    op.create_index(op.f("ix_result_study_instance_uid"), "result", ["study_instance_uid"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.String(length=128), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("output", sa.String(length=32), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'sent', 'confirmed', 'failed')", name=op.f("ck_delivery_state")),
        sa.ForeignKeyConstraint(["result_id"], ["result.result_id"], name=op.f("fk_delivery_result_id")),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["study.study_instance_uid"], name=op.f("fk_delivery_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "result_id", "destination", "output", name=op.f("uq_delivery_result_id_destination_output")
        ),
    )
    op.create_index(
        op.f("ix_delivery_destination_state_next_at"), "delivery", ["destination", "state", "next_at"], unique=False
    )
    op.create_index(op.f("ix_delivery_study_instance_uid"), "delivery", ["study_instance_uid"], unique=False)
    op.execute("INSERT INTO audit_head (id, digest, length) VALUES (1, '', 0)")


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_study_instance_uid"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_destination_state_next_at"), table_name="delivery")
    op.drop_table("delivery")
    op.drop_index(op.f("ix_result_study_instance_uid"), table_name="result")
    op.drop_table("result")
    op.drop_index(op.f("ix_instance_study_instance_uid"), table_name="instance")
    op.drop_table("instance")
    op.drop_index(op.f("ix_study_state_due_at"), table_name="study")
    op.drop_index(op.f("ix_study_last_at_study_instance_uid"), table_name="study")
    op.drop_table("study")
    op.drop_table("audit_head")
    op.drop_index(op.f("ix_audit_study_instance_uid"), table_name="audit")
    op.drop_table("audit")
