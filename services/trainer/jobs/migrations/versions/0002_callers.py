"""Who has entered a job, how many jobs it comes to, and checkpoints of more than 2 GiB."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds and widens columns. The defaults are the server's: trainers of the version before still enter jobs."""
    op.add_column("jobs", sa.Column("caller", sa.String(255), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("size", sa.Integer, nullable=False, server_default="1"))
    op.create_index("ix_jobs_room", "jobs", ["state", "caller", "size"])
    if op.get_bind().dialect.name != "sqlite":  # whose integers are of any length
        op.alter_column("checkpoints", "size", type_=sa.BigInteger, existing_nullable=False)
