"""Jobs, their labels and events, and checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("request_id", sa.String(255), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("spec", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("parent", sa.String(64), nullable=False),
        sa.Column("result", sa.LargeBinary, nullable=False),
        sa.Column("resume", sa.String(128), nullable=False),
        sa.Column("last_event", sa.Integer, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("lease_token", sa.String(64), nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.UniqueConstraint("request_id", name="uq_jobs_request_id"),
    )
    op.create_index("ix_jobs_queue", "jobs", ["state", "priority", "created"])
    op.create_index("ix_jobs_parent", "jobs", ["parent"])
    op.create_table(
        "job_labels",
        sa.Column(
            "job",
            sa.String(64),
            sa.ForeignKey("jobs.id", name="fk_job_labels_job", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.String(1024), nullable=False),
    )
    op.create_index("ix_job_labels_name_value", "job_labels", ["name", "value"])
    op.create_table(
        "job_events",
        sa.Column(
            "job",
            sa.String(64),
            sa.ForeignKey("jobs.id", name="fk_job_events_job", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("ix_checkpoints_job", "checkpoints", ["job"])
    op.create_index("ix_checkpoints_created", "checkpoints", ["created"])


def downgrade() -> None:
    """Drops the tables."""
    for name in ("checkpoints", "job_events", "job_labels", "jobs"):
        op.drop_table(name)
