"""How far a job got, and the attempts that no longer count."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns. The defaults are the server's: trainers of the version before still enter jobs."""
    op.add_column("jobs", sa.Column("saved", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("spent", sa.Integer, nullable=False, server_default="0"))
