"""Migrations, URLs, and a database that goes away."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from services.runtime.errors import FailedPrecondition, Unavailable
from services.trainer.jobs.database import Database, _write_ahead
from services.trainer.jobs.records import NewJob
from services.trainer.jobs.schema import metadata
from services.trainer.jobs.table import JobTable
from tests.support.postgres import Postgres, running_postgres


def test_the_migrations_make_the_tables_of_the_schema(opened: Callable[[], Database]) -> None:
    database = opened()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_trainers_that_start_together_migrate_once(opened: Callable[[], Database]) -> None:
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(lambda _: opened(), range(4)))
    made = JobTable(databases[0]).create(NewJob("fine_tune", b"s"))
    assert all(JobTable(each).get(made.id).spec == b"s" for each in databases)


def test_a_file_is_switched_to_write_ahead_logging_once_others_let_it(tmp_path: Path) -> None:
    # Where two switch it at once, SQLite refuses one of them without the wait that it was given.
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as ours:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                ours.execute("PRAGMA journal_mode=WAL")
            soon = Timer(0.3, other.execute, ["COMMIT"])
            soon.start()
            _write_ahead(ours)
            soon.join()
            assert ours.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_is_written_is_there_when_it_is_opened_again(opened: Callable[[], Database]) -> None:
    first = opened()
    made = JobTable(first).create(NewJob("fine_tune", b"\x00\xff", labels={"ключ": "значение"}))
    first.close()
    found = JobTable(opened()).get(made.id)
    assert (found.spec, dict(found.labels)) == (b"\x00\xff", {"ключ": "значение"})


@pytest.mark.parametrize("before", [True, False])
def test_connections_that_threads_still_use_are_closed_when_they_give_them_back(
    before: bool, opened: Callable[[], Database]
) -> None:
    database = opened()
    if before:
        with database.transaction() as connection:
            used = connection.connection.dbapi_connection
            database.close()
            connection.execute(select(1))  # whoever is at work ends it
    else:
        database.close()
        with database.reading() as connection:  # or even begins
            used = connection.connection.dbapi_connection
            connection.execute(select(1))
    assert used is not None
    with pytest.raises(Exception, match="closed"):
        used.cursor().execute("SELECT 1")
    assert database.time() > 0  # another one is opened where it is used all the same


def test_the_clock_is_the_databases(opened: Callable[[], Database]) -> None:
    database = opened()
    first = database.time()
    assert 1.7e9 < first <= database.time() < 4e9


@pytest.mark.parametrize("url", ["mysql://u@h/d", "sqlite://", "nonsense", "sqlite:///:memory:"])
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(FailedPrecondition, match="the job table"):
        Database(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@[::1/jobs",
        "postgresql://u@host:hunter2/jobs",
        "postgresql://u:hunter2@host:port/jobs",
        "postgresql://u:hunter2@127.0.0.1:9/jobs?hunter=hunter2",
        "mysql://u:hunter2@host/jobs",
        "postgresql//u:hunter2@host/jobs",
        "sqlite:////proc/hunter/jobs.db",
    ],
)
def test_no_password_of_a_wrong_url_is_shown(url: str) -> None:
    with pytest.raises(FailedPrecondition, match="the job table") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_tables_of_a_later_version_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    database = Database(url)
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(FailedPrecondition, match="another version"):
        Database(url)


def test_a_database_that_goes_away_and_comes_back() -> None:
    with running_postgres() as server:
        _goes_and_comes(server)


def _goes_and_comes(server: Postgres) -> None:
    database = Database(server.url)
    table = JobTable(database)
    made = table.create(NewJob("fine_tune", b"s"))
    server.stop()
    with pytest.raises(Unavailable, match="job table"):
        table.get(made.id)
    with pytest.raises(Unavailable, match="job table"):
        table.create(NewJob("fine_tune", b"s"))
    server.start()
    assert table.get(made.id).spec == b"s"
    database.close()
