"""The tables, as SQLAlchemy describes them. A change needs a migration; a test holds the two together."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)


class Bytes(LargeBinary):
    """Bytes as they are in the table. SQLAlchemy's own reading fails for a whole page where one row holds no bytes."""

    __visit_name__ = "large_binary"

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        """Passes on what SQLite gives; `rows.check_row` looks at it."""
        inherited: Any = super().result_processor
        return None if dialect.name == "sqlite" else inherited(dialect, coltype)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("request_id", String(255), unique=True),
    Column("kind", String(32), nullable=False),
    Column("spec", Bytes, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("progress", Double, nullable=False, default=0.0),
    Column("figures", Text, nullable=False, default="{}"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("parent", String(64), nullable=False, default=""),
    Column("result", Bytes, nullable=False, default=b""),
    Column("resume", String(128), nullable=False, default=""),
    Column("last_event", Integer, nullable=False, default=0),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("owner", String(255), nullable=False, default=""),
    Column("lease_token", String(64), nullable=False, default=""),
    Column("lease_until", Double, nullable=False, default=0.0),
    Column("created", Double, nullable=False),
    Column("started", Double, nullable=False, default=0.0),
    Column("ended", Double, nullable=False, default=0.0),
    Column("updated", Double, nullable=False),
    Column("caller", String(255), nullable=False, default="", server_default=""),
    Column("size", Integer, nullable=False, default=1, server_default="1"),
    # Steps of the furthest state that was kept, and the attempts before the one that kept it, which no longer count.
    Column("saved", BigInteger, nullable=False, default=0, server_default="0"),
    Column("spent", Integer, nullable=False, default=0, server_default="0"),
    Index("ix_jobs_queue", "state", "priority", "created"),
    Index("ix_jobs_parent", "parent"),
    # Holds all that is asked of it: rows are as long as their specifications.
    Index("ix_jobs_room", "state", "caller", "size"),
)

labels = Table(
    "job_labels",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("value", String(1024), nullable=False),
    Index("ix_job_labels_name_value", "name", "value"),
)

events = Table(
    "job_events",
    metadata,
    Column("job", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("time", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("payload", Bytes, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("job", String(64), nullable=False),
    Column("payload", Bytes, nullable=False),
    Column("size", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("created", Double, nullable=False),
    Index("ix_checkpoints_job", "job"),
    Index("ix_checkpoints_created", "created"),
)
