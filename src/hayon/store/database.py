"""One door to the database: a transaction is a plain function over a Tx, run whole. No table is named here.

SQLite: one writer thread (`BEGIN IMMEDIATE`, WAL, `synchronous=FULL`), a few reader threads, one hop per transaction.
PostgreSQL: asyncpg, READ COMMITTED; what only reads needs no transaction there, for each of its statements sees what is
committed by then, in one or not. Statements that are built once go straight to the driver (`store/straight.py`), the others
through SQLAlchemy. What many ask for at once may be done in one transaction (`store/together.py`). Work once begun is never
cancelled half way: it runs in a task of its own, and whoever waited for it may go away.
"""

import asyncio
import functools
import secrets
import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from asyncpg.pgproto import pgproto
from sqlalchemy.engine import AdaptedConnection, Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from hayon.errors import DatabaseUnreachable
from hayon.store.sending import Sender, ToPostgres, ToSqlite
from hayon.store.straight import Straight
from hayon.store.together import Asked, Company, many_of

P = ParamSpec("P")
R = TypeVar("R")
Work = TypeVar("Work", bound=Callable[..., Any])
Clock = Callable[["Tx"], datetime]
READERS = 3
NOT_AT_HOME = ("08", "53", "57P", "57014", "40")
"""PostgreSQL's classes of errors that say nothing of what was asked: connection, resources, starting or stopping, cut off, rolled back."""
GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg says of a connection that cannot be used any more."""
STALLED_SECONDS = 10
SESSION = {
    "application_name": "hayon",
    # nobody holds its locks for longer than this between two statements, or waits longer for those of others
    "idle_in_transaction_session_timeout": f"{STALLED_SECONDS}s", "statement_timeout": "15s",
    # a client whose machine is gone says nothing: without these its locks would stay for two hours
    "tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
}  # fmt: skip
"""What each session on PostgreSQL is told (postgres: "Client Connection Defaults", "Connections and Authentication")."""
WRITERS = 8


class Tx:
    """One open transaction. `now()` is the database's clock, read anew at each call. `mailing`: mails are sent here."""

    __slots__ = ("_clock", "_connection", "_sender", "_straight", "mailing")

    def __init__(
        self, connection: Connection, sender: Sender, straight: Straight, clock: Clock, *, mailing: bool = False
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._straight = straight
        self._clock = clock
        self.mailing = mailing

    @property
    def on_postgres(self) -> bool:
        """Whether row locks and `SKIP LOCKED` mean anything here."""
        return self._connection.dialect.name == "postgresql"

    def now(self) -> datetime:
        """The database's time, aware, UTC. On PostgreSQL `clock_timestamp()`: it moves within a transaction."""
        return self._clock(self)

    def run(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Executes a statement; `rows` are its parameters (a list of them runs it for each)."""
        return self._connection.execute(statement, rows)

    def do(self, statement: sa.Executable, **values: Any) -> None:
        """Executes a statement of which nothing is asked back."""
        found = self._straight.find(statement)
        if found is not None:
            found.fetch(self._sender, values)
        else:
            self.run(statement, values or None)

    def run_each(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Executes a statement that is built once, for each of these rows of parameters, which have the same names."""
        if not rows:
            return
        found = self._straight.find(statement, list(rows[0]))
        if found is not None:
            found.send_each(self._sender, rows)
        else:
            self.run(statement, rows)

    def wait_briefly(self) -> None:
        """From here on in this transaction a lock that somebody holds for longer than a moment is an error. For works that are
        done for many: one row in other hands must not hold up all of them."""
        if self.on_postgres:
            self.do(_BRIEFLY)

    def all(self, statement: sa.Executable, **values: Any) -> Sequence[Row[Any]]:
        """Every row. `values` are those of the statement's parameters."""
        found = self._straight.find(statement)
        if found is not None:
            return found.fetch(self._sender, values)
        return self.run(statement, values or None).all()

    def first(self, statement: sa.Executable, **values: Any) -> Row[Any] | None:
        """The first row, or None."""
        found = self._straight.find(statement)
        if found is not None:
            return found.fetch_first(self._sender, values)
        return self.run(statement, values or None).first()

    def value(self, statement: sa.Executable) -> Any:
        """The first column of the first row, or None."""
        row = self.first(statement)
        return None if row is None else row[0]


def planned_once(work: Work) -> Work:
    """Marks a work of which PostgreSQL is to plan each statement once for a connection, whatever its values are: those of the
    engine, whose rows are named, or are the first of an index. Else it plans anew at each call, for a list of one id seems
    cheaper to it than a list of any length (docs/decisions/0022).

    Not for what reads the rows of a condition: which index is the best for these depends on the values.
    """
    work.planned_once = True  # type: ignore[attr-defined] # read in this file alone
    return work


_BEGIN_PLANNED_ONCE = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan"
_BRIEFLY = sa.select(sa.func.set_config("lock_timeout", "100ms", sa.true()))  # until the transaction ends
_NOW = sa.select(sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)))


def database_clock(tx: Tx) -> datetime:
    """The time of the machine that keeps the database."""
    if tx.on_postgres:
        moment: datetime = tx.value(_NOW)
        return moment.astimezone(UTC)
    return datetime.now(UTC)


def end_stalled(tx: Tx) -> int:
    """Ends our own sessions whose client stands still within a transaction, so that their locks are free. How many.

    `idle_in_transaction_session_timeout` does not see those that stopped between the parts of one statement.
    """
    if not tx.on_postgres:
        return 0
    ended = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename = current_user AND application_name = :ours AND wait_event = 'ClientRead'"
        " AND state = 'active' AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
    ).bindparams(ours=SESSION["application_name"], seconds=float(STALLED_SECONDS))
    count: int = tx.value(ended)
    return count


class Database:
    """Runs transactions. Raises DatabaseUnreachable where the database does not answer.

    `mailing`, said by whoever puts Hayon together: a mail server is set, so what is to be mailed is written down.
    """

    def __init__(self, url: str, *, clock: Clock = database_clock, name: str = SESSION["application_name"]) -> None:
        self.url = sa.make_url(url)
        self._clock = clock
        self.mailing = False
        self._running: set[asyncio.Task[Any]] = set()
        self._company = Company(self._run, self._own_task)
        self._engine: AsyncEngine | None = None
        if self.url.get_backend_name() == "sqlite":
            path = self.url.database or ""
            self._writer_engine = _sqlite_engine(path, "IMMEDIATE")
            self._reader_engine = _sqlite_engine(path, "DEFERRED", readers=READERS)
            self._writer = ThreadPoolExecutor(1, "hayon-writer")
            self._readers = ThreadPoolExecutor(READERS, "hayon-reader")
            self._straight = Straight(self._writer_engine.dialect)
        else:
            self._engine = create_async_engine(
                self.url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT",  # we begin and commit ourselves
                pool_size=WRITERS, max_overflow=0, pool_timeout=30,
                connect_args={"timeout": 5, "command_timeout": 30, "server_settings": {**SESSION, "application_name": name}},
            )  # fmt: skip
            sa.event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
            self._straight = Straight(self._engine.dialect)

    @property
    def single_process(self) -> bool:
        """SQLite: only one process may work on it."""
        return self._engine is None

    async def write(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs one writing transaction and returns once it is committed durably."""
        return await self._do(work, True, args, kwargs)

    async def read(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs what only reads; two of its statements may see different states, as under READ COMMITTED anywhere."""
        return await self._do(work, False, args, kwargs)

    async def close(self) -> None:
        """Waits for what is running and lets every connection go."""
        while self._running:
            await asyncio.wait(self._running)
        if self._engine is not None:
            await self._engine.dispose()
        else:
            self._writer.shutdown()
            self._readers.shutdown()
            self._writer_engine.dispose()
            self._reader_engine.dispose()

    async def _do(self, work: Callable[..., R], writes: bool, args: Any, kwargs: Any) -> R:
        many = many_of(work)
        if many is not None:
            return await self._company.ask(work, many, writes, Asked(args, kwargs))
        return await asyncio.shield(self._own_task(self._run(work, writes, args, kwargs)))

    def _own_task(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, work: Callable[..., R], writes: bool, args: Any, kwargs: Any) -> R:
        try:
            if self._engine is None:
                pool, engine = (self._writer, self._writer_engine) if writes else (self._readers, self._reader_engine)
                return await asyncio.get_running_loop().run_in_executor(pool, self._whole, engine, work, args, kwargs)
            async with self._engine.connect() as connection:
                return await connection.run_sync(self._on_postgres, work, writes, args, kwargs)
        except (OperationalError, InterfaceError, OSError, TimeoutError, sa.exc.TimeoutError, *GONE) as error:
            raise DatabaseUnreachable(f"The database did not answer: {type(error).__name__}.") from error
        except (DBAPIError, asyncpg.PostgresError) as error:
            state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or ""
            if getattr(error, "connection_invalidated", False) or state.startswith(NOT_AT_HOME):
                raise DatabaseUnreachable(f"The database could not do it now ({state or 'connection cut'}).") from error
            raise

    def _on_postgres(self, connection: Connection, work: Callable[..., R], writes: bool, args: Any, kwargs: Any) -> R:
        sender = ToPostgres(connection)
        tx = Tx(connection, sender, self._straight, self._clock, mailing=self.mailing)
        try:
            if not writes:
                return work(tx, *args, **kwargs)
            sender.execute(_BEGIN_PLANNED_ONCE if getattr(work, "planned_once", False) else "BEGIN")
            answer = work(tx, *args, **kwargs)
            _commit(sender)
        except BaseException:
            _roll_back(connection, sender)
            raise
        return answer

    def _whole(self, engine: Engine, work: Callable[..., R], args: Any, kwargs: Any) -> R:
        with engine.begin() as connection:
            tx = Tx(connection, ToSqlite(connection), self._straight, self._clock, mailing=self.mailing)
            return work(tx, *args, **kwargs)


def _commit(sender: ToPostgres) -> None:
    told = sender.execute("COMMIT")
    if told != "COMMIT":
        raise AssertionError(f"an error in the transaction was not raised: {told}")


def _roll_back(connection: Connection, sender: ToPostgres) -> None:
    """Nobody gets a connection on which a transaction may still be open, or an answer still come."""
    try:
        sender.execute("ROLLBACK")
    except (*GONE, asyncpg.PostgresError, OSError, TimeoutError):
        connection.invalidate()


def _refuse_closed(driver: AdaptedConnection, _record: object, _proxy: object) -> None:
    """One that ended while nobody used it is replaced by a new one, unseen."""
    if driver.driver_connection.is_closed():
        raise sa.exc.DisconnectionError


def _sqlite_engine(path: str, begin: str, readers: int = 0) -> Engine:
    options: dict[str, Any] = {"pool_size": readers, "max_overflow": 0} if readers else {"poolclass": StaticPool}
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 30}, **options)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # the driver's own transactions are switched off: we begin them ourselves, and never upgrade a reading one
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for another kind."""
    parsed = sa.make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps it as text of fixed width, so that order is preserved."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - its signature
        """Refuses naive times: a time without a zone is a mistake of ours."""
        return None if value is None else _utc(value)

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        """As SQLAlchemy writes times on SQLite, in a quarter of the time."""
        return _write_time if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:  # noqa: ARG002 - its signature
        """asyncpg gives aware times in UTC by itself."""
        return _read_time if dialect.name == "sqlite" else None


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.astimezone(UTC)


@functools.lru_cache(maxsize=64)  # nearly all that a transaction writes is its own time
def _write_time(value: datetime | None) -> str | None:
    if value is None:
        return None
    at = _utc(value)
    return f"{at.year:04}-{at.month:02}-{at.day:02} {at.hour:02}:{at.minute:02}:{at.second:02}.{at.microsecond:06}"


def _read_time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class Id(sa.Uuid[UUID]):
    """An id. Read by asyncpg's own class on either database: it is made in a seventh of the time."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        """SQLite keeps its 32 digits."""
        return _read_id if dialect.name == "sqlite" else super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call] # SQLAlchemy's


def _read_id(value: str | None) -> UUID | None:
    return None if value is None else pgproto.UUID(value)


def new_id(now: datetime) -> UUID:
    """A fresh id that sorts by time (UUID version 7, RFC 9562), so that indexes grow at one end."""
    milliseconds = int(now.timestamp() * 1000)
    rest = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | rest >> 62 << 64 | 2 << 62 | rest & (1 << 62) - 1)
