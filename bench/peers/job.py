"""The job as every peer does it: one call, and what came of it in a row. Runs where the peers are installed, not in Hayon."""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from bench.call import PATH, TIMEOUT_SECONDS, body_of, headers_of
from bench.contest import Profile

GIVEN = "BENCH_PEER"
CONNECTIONS = 8
"""To the database, for each worker process. With 32 on two cores less is committed than with 8."""

# the outcome of a job that was delivered once more takes the place of its first
_INTEND = "INSERT INTO outcomes (name, intent_at) VALUES ($1, now()) ON CONFLICT (name) DO UPDATE SET intent_at = now()"
_INSERT = (
    "INSERT INTO outcomes (remote_id, name, ended_at) VALUES ($1, $2, now())"
    " ON CONFLICT (name) DO UPDATE SET remote_id = excluded.remote_id, ended_at = now()"
)
_UPDATE = "UPDATE outcomes SET remote_id = $1, ended_at = now() WHERE name = $2"


class RefusedError(Exception):
    """The platform answered, and not with a post."""


@dataclass(frozen=True)
class Given:
    """What a process of a peer is told by its environment. Files appear in `folder` as workers become ready."""

    broker_url: str
    database_url: str
    ledger_url: str
    profile: Profile
    in_flight: int
    workers: int
    behind: int
    folder: str

    def ready(self) -> None:
        """Says that this worker process takes jobs from now on."""
        (Path(self.folder) / f"ready-{os.getpid()}").touch()

    @property
    def stores(self) -> bool:
        return self.profile is not Profile.DOCUMENTED

    @property
    def intends(self) -> bool:
        return self.profile is Profile.INTENT


@cache
def given() -> Given:
    """As whoever started this process said."""
    told = json.loads(os.environ[GIVEN])
    return Given(**told | {"profile": Profile(told["profile"])})


class PlainJob:
    """For peers whose jobs are functions: in threads, or under gevent, which patches what this is made of."""

    def __init__(self) -> None:
        import psycopg
        import urllib3

        self._given = given()
        place = urlsplit(self._given.ledger_url)
        # connections are kept, one for each call in flight (urllib3: advanced-usage, "Customizing Pool Behavior")
        self._platform = urllib3.HTTPConnectionPool(
            place.hostname or "", place.port, maxsize=self._given.in_flight, timeout=TIMEOUT_SECONDS, retries=False
        )
        # a pool of psycopg's own takes 80 us more for each statement
        self._cursors: SimpleQueue[psycopg.Cursor[Any]] = SimpleQueue()
        for _ in range(CONNECTIONS if self._given.stores else 0):
            # one statement is one transaction, prepared at once (psycopg: basic/transactions, advanced/prepare)
            connection = psycopg.connect(self._given.database_url, autocommit=True, prepare_threshold=0)
            self._cursors.put(connection.cursor())

    def do(self, name: str, account: int) -> None:
        """The intent where the profile asks for it, the call, the outcome. Raises what they raise, and RefusedError."""
        if self._given.intends:
            self._write(_INTEND, name)
        answer = self._platform.urlopen("POST", PATH, body=body_of(name), headers=headers_of(name, account))
        remote_id = _read(answer.status, answer.data)
        if self._given.stores:
            self._write(_UPDATE if self._given.intends else _INSERT, remote_id, name)

    def _write(self, statement: str, *values: str) -> None:
        cursor = self._cursors.get()
        try:
            cursor.execute(statement.replace("$1", "%s").replace("$2", "%s"), values)
        finally:
            self._cursors.put(cursor)


class AsyncJob:
    """For peers whose jobs are coroutines. Made by `open_job`."""

    def __init__(self, platform: Any, database: Any) -> None:
        self._given = given()
        self._url = self._given.ledger_url + PATH
        self._platform, self._database = platform, database

    async def do(self, name: str, account: int) -> None:
        """As PlainJob.do."""
        if self._given.intends:
            await self._database.execute(_INTEND, name)
        async with self._platform.post(self._url, data=body_of(name), headers=headers_of(name, account)) as answer:
            remote_id = _read(answer.status, await answer.read())
        if self._given.stores:
            await self._database.execute(_UPDATE if self._given.intends else _INSERT, remote_id, name)


@contextlib.asynccontextmanager
async def open_job() -> AsyncIterator[AsyncJob]:
    """With its connections: as many to the platform as there are calls in flight, CONNECTIONS to the database."""
    import aiohttp
    import asyncpg

    asked = given()
    # aiohttp would have 100 at most (aiohttp: client_advanced, "Limiting connection pool size")
    connector = aiohttp.TCPConnector(limit=asked.in_flight)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        platform = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
        database = None
        if asked.stores:
            pool = asyncpg.create_pool(asked.database_url, min_size=CONNECTIONS, max_size=CONNECTIONS)
            database = await stack.enter_async_context(pool)
        yield AsyncJob(platform, database)


def _read(status: int, body: bytes) -> str:
    """The id that the platform gave the post."""
    if status != 200:
        raise RefusedError(f"{status}: {body[:200]!r}")
    return str(json.loads(body)["id"])
