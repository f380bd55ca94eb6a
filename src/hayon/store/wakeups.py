"""Waking whoever waits for work, here and in other processes: something was accepted, a slot or an account is free.

PostgreSQL: one NOTIFY for whatever happened within ten milliseconds, on a connection of its own, never inside a writing
transaction (a pending NOTIFY makes commits wait for one another). SQLite belongs to one process. A wake-up may be lost;
those who wait look by themselves too.
"""

import asyncio
import random
from collections.abc import Callable
from uuid import uuid4

import asyncpg
import sqlalchemy as sa

from hayon import telemetry

CHANNEL = "hayon_work"
NAME = "hayon wake-ups"
"""How PostgreSQL shows the connection; the parts of its process follow (`store/figures.py` counts them)."""
TOGETHER_SECONDS = 0.01
ANSWER_SECONDS = 10.0
GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Wakeups:
    """Calls every waiter of this process, and tells the other processes on the same database."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self._dsn = None
        if parsed.get_backend_name() == "postgresql":
            self._dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self._waiters: list[Callable[[], None]] = []
        self._me = uuid4().hex
        self._told = asyncio.Event()

    def add(self, waiter: Callable[[], None]) -> None:
        """From now on this is called for whatever happens, wherever."""
        self._waiters.append(waiter)

    def wake(self) -> None:
        """Something happened here that others wait for. Returns at once."""
        self.wake_here()
        self._told.set()

    def wake_here(self) -> None:
        """Something happened that only this process has to know."""
        for waiter in self._waiters:
            waiter()

    async def keep(self, parts: str = "") -> None:
        """A duty: hears the other processes and tells them, until it is cancelled. Comes back by itself.

        `parts` are what this process does of the whole, for whoever asks the database which processes there are.
        """
        if self._dsn is None:
            await asyncio.Event().wait()
            return
        while True:
            try:
                await self._converse(self._dsn, f"{NAME} {parts}".rstrip())
            except GONE as error:
                telemetry.emit("database.unreachable", level="warning", reason=f"wake-ups: {error!r}")
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - spread, not secrecy

    async def _converse(self, dsn: str, name: str) -> None:
        settings = {"application_name": name, "tcp_keepalives_idle": "15"}
        connection = await asyncpg.connect(dsn, timeout=5, command_timeout=ANSWER_SECONDS, server_settings=settings)
        try:
            await connection.add_listener(CHANNEL, self._hear)
            self.wake_here()  # whatever was told while nobody listened
            while True:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await self._told.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1")  # a link that died silently is found out
                    continue
                await asyncio.sleep(TOGETHER_SECONDS)
                self._told.clear()
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, self._me)
        finally:
            connection.terminate()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload != self._me:
            self.wake_here()
