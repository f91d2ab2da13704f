"""The database behind the job table: SQLite in WAL mode on this machine, PostgreSQL for a team."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Double, Engine, cast, create_engine, event, extract, func, literal, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.sql.elements import ColumnElement

from services.runtime.errors import DataLoss, FailedPrecondition, LimitExceeded, Unavailable

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 7_305_811_250_941_663
"""Key of the advisory lock under which one of several trainers migrates a PostgreSQL."""
_BUSY_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.02
_POOL: Final = 8
_IDLE_MILLISECONDS: Final = 10_000
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, "53100"})
_READ_ONLY: Final = frozenset({sqlite3.SQLITE_READONLY, "25006"})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, "XX001", "XX002"})


class Unwritable(Unavailable):
    """The database answers and cannot be written to. Who works through the table waits; a client is told why.

    Args:
        error: What the client is told.
    """

    def __init__(self, error: LimitExceeded | FailedPrecondition) -> None:
        super().__init__(str(error))
        self.error = error


class Database:
    """A database with the tables of this version.

    Args:
        url: `sqlite:////folder/jobs.db` or `postgresql://user:password@host/name`.

    Raises:
        FailedPrecondition: The URL names no database that is offered, or its tables are of a later version.
        Unavailable: The database does not answer.
        DataLoss: Its file is damaged.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._closed = False
        event.listen(self.engine, "checkin", self._given_back)
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back where it raises.

        Raises:
            Unavailable: The database does not answer, or is locked for too long.
        """
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As `transaction`, for queries alone: they never wait for a writer."""
        with _translated(), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def now(self) -> ColumnElement[float]:
        """Seconds since the epoch by the database's own clock, so that trainers need not agree on theirs."""
        if self.is_sqlite:
            return (func.julianday("now", type_=Double) - literal(2440587.5)) * literal(86400.0)
        return cast(extract("epoch", func.clock_timestamp()), Double)

    def time(self) -> float:
        """The time by the database's own clock."""
        with self.reading() as connection:
            return float(connection.execute(select(self.now())).scalar_one())

    def close(self) -> None:
        """Closes all connections: those that threads still use once they are given back."""
        self._closed = True
        self.engine.dispose()

    def _given_back(self, connection: Any, record: Any) -> None:
        if self._closed and connection is not None:
            record.invalidate()  # closes it; whoever asks once more gets another one

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.reading() as connection:
            # Tables that are current are not locked for writing: another trainer may be at work.
            current = MigrationContext.configure(connection).get_current_heads()
        if set(current) == set(ScriptDirectory.from_config(config).get_heads()):
            return
        with self.transaction() as connection:
            alone(connection, _MIGRATION_LOCK)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise FailedPrecondition("the job table", f"its tables are of another version: {error}") from error


def alone(connection: Connection, key: int) -> None:
    """Waits until no other transaction is alone by the same key; this one is, until it ends.

    Args:
        connection: Connection within a transaction. One that writes to an SQLite is alone from its beginning.
        key: Key of an advisory lock of PostgreSQL.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _engine(url: str) -> Engine:
    """An engine whose transactions are what the job table needs."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise FailedPrecondition(
                "the job table", f"Expected a URL of sqlite or postgresql, but got {parsed.get_backend_name()!r}"
            )
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise FailedPrecondition("the job table", "Expected the path of a file in an sqlite URL, but got none")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                parsed, pool_size=_POOL, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        # A trainer that is stopped in the middle of a transaction must not keep the rows from the others for ever.
        options = f"-c idle_in_transaction_session_timeout={_IDLE_MILLISECONDS}"
        return create_engine(
            parsed, pool_size=_POOL, pool_pre_ping=True, connect_args={"connect_timeout": 10, "options": options}
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise FailedPrecondition("the job table", f"Expected a URL of sqlite or postgresql: {error}") from error
    except OSError as error:
        problem = f"Expected a folder for the file of an sqlite URL, but got: {error.strerror or error}"
        raise FailedPrecondition("the job table", problem) from error
    except ValueError:  # it quotes the port, which is part of the password where that has characters of URLs
        problem = (
            "Expected a URL with a number as its port, and with @ : / and % in its password as %40 %3A %2F and %25"
        )
        raise FailedPrecondition("the job table", problem) from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead logging, so that readers never wait; every commit reaches the disk."""
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`
    # A row with damaged text must not fail all that are read with it: `rows.check_row` finds it.
    connection.text_factory = _text
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Switches a file to write-ahead logging, for which SQLite does not wait where others do so at the same time."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_AGAIN_SECONDS)


def _text(data: bytes) -> str:
    """A text of the database; what is no UTF-8 becomes halves of surrogate pairs, which no text has."""
    return data.decode("utf-8", "surrogateescape")


def _begin_sqlite(connection: Connection) -> None:
    """Takes the writer's lock at once: a transaction that first reads and then writes could not get it any more."""
    if not connection.get_execution_options().get("reading"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the database as errors of the service."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot read
        raise DataLoss("Expected a whole job table, but it is damaged: it holds text that is no UTF-8") from error
    except DBAPIError as error:
        if (refusal := _refusal(error)) is not None:
            raise Unwritable(refusal) from error
        if _code(error) in _DAMAGED:
            raise DataLoss(f"Expected a whole job table, but it is damaged: {_reason(error)}") from error
        if isinstance(error, ProgrammingError) and error.statement is None:  # said of the connection
            problem = f"Expected a URL with options that the database knows: {_reason(error)}"
            raise FailedPrecondition("the job table", problem) from error
        if not (isinstance(error, OperationalError) or error.connection_invalidated):
            raise
        raise Unavailable(f"The job table does not answer: {_reason(error)}") from error


def _refusal(error: DBAPIError) -> LimitExceeded | FailedPrecondition | None:
    """What a client is told of a database that is full or may not be written to; None of any other error."""
    code = _code(error)
    if code in _FULL:
        return LimitExceeded("job_table", "Expected room for the job table, but there is none", retry_after=5.0)
    if code in _READ_ONLY:
        return FailedPrecondition("the job table", "Expected a job table that can be written to, but it is read-only")
    return None


def _code(error: DBAPIError) -> int | str | None:
    """The code of an error, SQLite's or PostgreSQL's."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF or getattr(error.orig, "sqlstate", None)


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig and str(error.orig).strip() else type(error).__name__
