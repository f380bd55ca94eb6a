"""A post and its targets as bare rows, written as fast as the driver can: what accepting a post costs at least. No rule is asked.

PostgreSQL: one statement for all of them, asyncpg, a pool of eight, each a transaction. SQLite: one connection, a transaction
of two statements, as one statement writes into one table there.
"""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from hayon.store.database import Database, Tx, new_id, sqlite_path
from hayon.store.schema import posts, targets

POOL = 8
"""As many connections as Hayon has."""
_POSTGRES = postgresql.dialect()


async def copy_rows(url: str, number: int) -> str:
    """One accepted post and its targets with all their columns, as JSON: what the bare rows are copies of."""

    def read(tx: Tx) -> tuple[Any, Any]:
        post = tx.first(sa.select(posts).where(posts.c.words.like(f"%-{number} %")))
        assert post is not None
        return post, tx.all(sa.select(targets).where(targets.c.post_id == post.id).order_by(targets.c.position))

    database = Database(url)
    try:
        post, members = await database.read(read)
    finally:
        await database.close()
    found = {"post": dict(post._mapping), "targets": [dict(one._mapping) for one in members]}
    return json.dumps(found, default=lambda one: one.isoformat() if isinstance(one, datetime) else str(one))


def _fresh(kept: dict[str, Any], number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same rows under new ids. The number stands where it stands in the words of a post."""
    post_id = new_id(kept["post"]["created_at"])
    text = kept["post"]["content"]["text"]
    words = f"bare-{number} {text.partition(' ')[2]}"
    post = kept["post"] | {"id": post_id, "content": kept["post"]["content"] | {"text": words}, "words": words}
    members = [
        one | {"id": new_id(one["created_at"]), "post_id": post_id, "idempotency_key": str(uuid.uuid4())}
        for one in kept["targets"]
    ]
    return post, members


def _read_kept(rows: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(rows)
    for table, row in ((posts, kept["post"]), *((targets, one) for one in kept["targets"])):
        for column in table.c:
            value = row[column.name]
            if value is not None and isinstance(column.type, sa.Uuid):
                row[column.name] = uuid.UUID(value)
            elif value is not None and column.name.endswith(("_at", "_until")):
                row[column.name] = datetime.fromisoformat(value)
    return kept


@asynccontextmanager
async def open_bare(url: str, rows: str) -> AsyncIterator[Callable[[int], Awaitable[bool]]]:
    """What writes the rows of one number, committed when it returns."""
    kept = _read_kept(rows)
    opened = _open_sqlite(url, kept) if sqlite_path(url) else _open_postgres(url, kept)
    async with opened as send:
        yield send


@asynccontextmanager
async def _open_postgres(url: str, kept: dict[str, Any]) -> AsyncIterator[Callable[[int], Awaitable[bool]]]:
    dsn = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    names = [column.name for column in posts.c]
    more = [column.name for column in targets.c]
    kinds = [column.type.compile(_POSTGRES) for column in targets.c]
    values = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(kinds, len(names) + 1))
    statement = (
        f"WITH written AS (INSERT INTO posts ({', '.join(names)}) VALUES ({values})) "  # noqa: S608 - our own columns
        f"INSERT INTO targets ({', '.join(more)}) SELECT * FROM unnest({arrays})"
    )
    async with asyncpg.create_pool(dsn, min_size=POOL, max_size=POOL) as pool:

        async def send(number: int) -> bool:
            post, members = _fresh(kept, number)
            given = [json.dumps(post[name]) if isinstance(post[name], dict) else post[name] for name in names]
            given += [[one[name] for one in members] for name in more]
            await pool.execute(statement, *given)
            return True

        yield send


@asynccontextmanager
async def _open_sqlite(url: str, kept: dict[str, Any]) -> AsyncIterator[Callable[[int], Awaitable[bool]]]:
    connection = sqlite3.connect(sqlite_path(url) or "", isolation_level=None, timeout=30)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    names, more = [column.name for column in posts.c], [column.name for column in targets.c]
    one_row = f"({', '.join('?' * len(more))})"
    first = f"INSERT INTO posts ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own columns
    second = f"INSERT INTO targets ({', '.join(more)}) VALUES {', '.join([one_row] * len(kept['targets']))}"  # noqa: S608 - as above

    async def send(number: int) -> bool:
        post, members = _fresh(kept, number)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(first, [_plain(post[name]) for name in names])
        connection.execute(second, [_plain(one[name]) for one in members for name in more])
        connection.execute("COMMIT")
        await asyncio.sleep(0)
        return True

    try:
        yield send
    finally:
        connection.close()


def _plain(value: Any) -> Any:
    """As SQLAlchemy writes it into SQLite."""
    match value:
        case uuid.UUID():
            return value.hex
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        case dict():
            return json.dumps(value)
    return value
