"""Brings a database to the shape this version works with. Nothing else changes tables.

Alembic is imported where something has to change, and not at every start.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hayon.errors import DatabaseUnreachable, Misconfigured
from hayon.store.database import NOT_AT_HOME
from hayon.store.schema import metadata

R = TypeVar("R")
_MIGRATIONS = Path(__file__).parent / "migrations"
_one_at_a_time = threading.Lock()
# Alembic works through module globals: two migrations in one process would write into each other's connection
LOCK_NUMBER = 0x4A59_4E01
"""PostgreSQL's advisory lock under which one process at a time migrates."""


async def migrate(url: str) -> tuple[str | None, str]:
    """Migrates to the newest shape. The revision it had and the one it has now.

    Raises DatabaseUnreachable, and Misconfigured where a newer Hayon made the database.
    """
    while not _one_at_a_time.acquire(blocking=False):  # noqa: ASYNC110 - it is waited for across event loops
        await asyncio.sleep(0.01)
    try:
        return await _with_connection(url, _upgrade)
    finally:
        _one_at_a_time.release()


async def find_difference(url: str) -> list[object]:
    """How the tables differ from what this version expects; empty when they agree."""
    return await _with_connection(url, _compare)


def newest() -> str:
    """The revision this version works with: files of migrations begin with theirs."""
    return max(path.stem.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


async def find_revision(url: str) -> str | None:
    """The revision the database has; None where it was never migrated."""
    return await _with_connection(url, _revision)


async def require_newest(url: str) -> None:
    """Raises Misconfigured where the database has another shape than this version works with."""
    found = await find_revision(url)
    _refuse_newer(found)
    if found != newest():
        raise Misconfigured(
            f"The database has shape {found or 'none'}, this version works with {newest()}: run `hayon migrate` first."
        )


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
    before, known = _revision(connection), newest()
    _refuse_newer(before)
    if before != known:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, known


def _refuse_newer(revision: str | None) -> None:
    """Raises Misconfigured for a database that a newer Hayon made: migrating is no way back."""
    if revision is not None and revision > newest():
        raise Misconfigured(
            f"The database has shape {revision}, this version knows none beyond {newest()}: install the newer Hayon that made it."
        )


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _compare(connection: Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    differences: list[object] = compare_metadata(
        MigrationContext.configure(connection, opts={"compare_type": True}), metadata
    )
    return differences


async def _with_connection(url: str, work: Callable[[Connection], R]) -> R:
    parsed = sa.make_url(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            return await asyncio.to_thread(_on_sqlite, parsed, work)
        engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (OSError, OperationalError) as error:
        raise DatabaseUnreachable(f"The database did not answer: {error}") from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state.startswith(NOT_AT_HOME):  # it is starting up, say
            raise DatabaseUnreachable(f"The database could not do it now ({state}). Try again in a moment.") from error
        raise


def _on_sqlite(url: sa.URL, work: Callable[[Connection], R]) -> R:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        return work(connection)
