"""How a compiled statement reaches each database: asyncpg's connection, or sqlite3's. What it says is not known here."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import AdaptedConnection, Connection


class Sender(Protocol):
    """One connection. Raises IntegrityError and other kinds of DBAPIError as SQLAlchemy does, and what asyncpg says of a lost
    connection."""

    def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """Every row, each a sequence."""
        ...

    def fetch_first(self, sql: str, values: Sequence[Any]) -> Any | None:
        """The first row, or None; no others are read."""
        ...

    def send_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Executes it for each of these rows of values."""
        ...


class ToPostgres:
    """asyncpg's connection, as SQLAlchemy adapts it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = cast("AdaptedConnection", connection.connection.dbapi_connection)

    def execute(self, command: str) -> str:
        """Sends it as it is; what PostgreSQL says that it has done. Raises asyncpg's own errors."""
        told: str = self._connection.run_async(lambda one: one.execute(command))
        return told

    def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """As `Sender.fetch`."""
        return cast("Sequence[Any]", self._await(sql, lambda one: one.fetch(sql, *values)))

    def fetch_first(self, sql: str, values: Sequence[Any]) -> Any | None:
        """As `Sender.fetch_first`."""
        return self._await(sql, lambda one: one.fetchrow(sql, *values))

    def send_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """As `Sender.send_each`."""
        if len(rows) == 1:
            self.fetch(sql, rows[0])  # half the way there and back
        else:
            self._await(sql, lambda one: one.executemany(sql, rows))

    def _await(self, sql: str, what: Any) -> Any:
        try:
            return self._connection.run_async(what)
        except asyncpg.PostgresError as error:
            clash = isinstance(error, asyncpg.IntegrityConstraintViolationError)
            raise (sa.exc.IntegrityError if clash else sa.exc.DBAPIError)(sql, None, error) from error


class ToSqlite:
    """sqlite3's connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = cast("sqlite3.Connection", connection.connection.dbapi_connection)

    def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """As `Sender.fetch`."""
        with _as_sqlalchemy_tells_it(sql):
            return self._connection.execute(sql, values).fetchall()

    def fetch_first(self, sql: str, values: Sequence[Any]) -> Any | None:
        """As `Sender.fetch_first`."""
        with _as_sqlalchemy_tells_it(sql):
            return self._connection.execute(sql, values).fetchone()

    def send_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """As `Sender.send_each`."""
        with _as_sqlalchemy_tells_it(sql):
            self._connection.executemany(sql, rows)


@contextmanager
def _as_sqlalchemy_tells_it(sql: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise sa.exc.DBAPIError.instance(sql, None, error, sqlite3.Error) from error
