"""Figures of the job table as a whole, for those who watch it."""

from sqlalchemy import func, select

from services.trainer.jobs.database import Database
from services.trainer.jobs.records import State
from services.trainer.jobs.schema import jobs


def count(database: Database, state: State) -> int:
    """Number of jobs in a state.

    Raises:
        Unavailable: The database does not answer.
    """
    with database.reading() as connection:
        query = select(func.count()).select_from(jobs).where(jobs.c.state == state.value)
        return int(connection.execute(query).scalar_one())


def waiting_seconds(database: Database) -> float:
    """Time that the oldest queued job has waited since it was entered or given back; 0 where none is queued.

    Raises:
        Unavailable: The database does not answer.
    """
    with database.reading() as connection:
        query = select(database.now() - func.min(jobs.c.updated)).where(jobs.c.state == State.QUEUED.value)
        return max(0.0, float(connection.execute(query).scalar_one() or 0.0))
