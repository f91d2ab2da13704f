"""The job table on SQLite and on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.trainer.jobs.database import Database
from services.trainer.jobs.table import JobTable
from tests.support.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the whole session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs/jobs.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database(f"jobs_{uuid4().hex}")


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], Database]]:
    """Opens the database again, as another trainer would."""
    databases: list[Database] = []

    def open_database() -> Database:
        databases.append(Database(url))
        return databases[-1]

    yield open_database
    for each in databases:
        each.close()


@pytest.fixture
def table(opened: Callable[[], Database]) -> JobTable:
    """The job table of one trainer."""
    return JobTable(opened())
