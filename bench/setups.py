"""Hayon in its three setups, as a contestant: rows staged, processes started as an operator starts them. Nothing is measured here."""

import asyncio
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import asyncpg
import psutil
from tests.servers.processes import Process, start

from bench.call import text_of
from bench.contest import Contestant, Job, Profile, Staged, Work
from bench.servers import Servers
from bench.staging import People, Place, Rows, make, write_behind, write_jobs, write_people
from hayon import __version__
from hayon.vault import Vault

SECRET = secrets.token_hex(32)
"""Of all that is staged in this run: what lies behind is written once and copied, with its sealed credentials."""
OWN_DATABASE = "SQLite"


def all_hayons(servers: Servers) -> Sequence[Contestant]:
    """Its three setups."""
    shelf = Shelf(servers)
    return [
        Hayon(OWN_DATABASE, servers, shelf),
        Hayon("PostgreSQL", servers, shelf),
        Hayon("PostgreSQL + RabbitMQ", servers, shelf),
    ]


class Shelf:
    """Databases with much behind them, kept for the whole run and copied: to write a million rows anew each time takes minutes."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._kept: dict[tuple[str, int, tuple[Place, ...]], tuple[str, People]] = {}

    def has(self, kind: str, work: Work) -> bool:
        """Whether it can be copied already."""
        return (kind, work.behind, places_of(work)) in self._kept

    async def fetch(self, kind: str, work: Work, fresh: str) -> People:
        """Makes the database `fresh` (a name, or a path) with what lies behind the work in it, and everybody whom the work names."""
        key = (kind, work.behind, places_of(work))
        if key not in self._kept:
            self._kept[key] = await self._write(kind, work, key[2])
        name, people = self._kept[key]
        if kind == OWN_DATABASE:
            shutil.copy(name, fresh)
        else:
            # copied as files: by way of the log, as it would be else, a gigabyte takes long
            self._servers.postgres.run(f'CREATE DATABASE "{fresh}" OWNER hayon TEMPLATE "{name}" STRATEGY FILE_COPY')
        return deepcopy(people)

    async def _write(self, kind: str, work: Work, places: tuple[Place, ...]) -> tuple[str, People]:
        if kind == OWN_DATABASE:
            name = str(
                Path(self._servers.lasting.enter_context(TemporaryDirectory(prefix="hayon-bench-"))) / "hayon.db"
            )
            url = f"sqlite:///{name}"
        else:
            name = self._servers.lasting.enter_context(self._servers.database())
            url = self._servers.postgres.url(name)
        rows, people = await make(url), People.none()
        await write_people(rows, people, places, Vault([SECRET]), work.ledger_url)
        await write_behind(rows, people, places, work.behind)
        await rows.settle()
        return name, people


def places_of(work: Work) -> tuple[Place, ...]:
    """The accounts that its jobs go to, each once, in order."""
    return tuple(sorted({(job.author, job.account) for job in work.jobs}))


@dataclass(frozen=True)
class Hayon:
    """One setup. Its database is new for each staging."""

    setup: str
    servers: Servers
    shelf: Shelf
    profiles: Sequence[Profile] = (Profile.INTENT,)

    @property
    def name(self) -> str:
        """With its version."""
        return f"Hayon {__version__}, {self.setup}"

    @property
    def _kind(self) -> str:
        """Of its database."""
        return self.setup.partition(" ")[0]

    @property
    def most_workers(self) -> int | None:
        """SQLite belongs to one process."""
        return 1 if self.setup == OWN_DATABASE else None

    def preparing_seconds(self, work: Work) -> float:
        """Writing the rows, and a start; what lies behind is written once and copied from then on."""
        fresh = work.behind and not self.shelf.has(self._kind, work)
        return 6 + len(work.jobs) / 4000 + work.behind / (6000 if fresh else 60_000)

    @asynccontextmanager
    async def stage(self, work: Work, profile: Profile) -> AsyncIterator["StagedHayon"]:
        """Writes posts and accounts, due as the jobs are."""
        if profile not in self.profiles:
            raise ValueError(f"{self.name} runs in {self.profiles[0]} only")
        if work.workers > (self.most_workers or work.workers):
            raise ValueError(f"{self.name} runs in one process only")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="hayon-bench-")))
            (folder / "data").mkdir()
            places = places_of(work)
            url, people = await self._database(work, folder, stack)
            rows = Rows(url)
            await write_people(rows, people, places, Vault([SECRET]), work.ledger_url)
            await write_jobs(rows, people, work.jobs)
            await rows.settle()
            broker = ""
            if "RabbitMQ" in self.setup:
                broker = self.servers.rabbitmq.url(stack.enter_context(self.servers.vhost()))
            staged = StagedHayon(work, rows, people, folder, broker)
            try:
                yield staged
            finally:
                await staged.end()

    async def _database(self, work: Work, folder: Path, stack: ExitStack) -> tuple[str, People]:
        path, name = folder / "data" / "hayon.db", f"bench_{secrets.token_hex(6)}"
        if self.setup == OWN_DATABASE:
            url, fresh = f"sqlite:///{path}", str(path)
        else:
            url, fresh = self.servers.postgres.url(name), name
            stack.callback(self.servers.postgres.drop_database, name)
        if work.behind:
            return url, await self.shelf.fetch(self._kind, work, fresh)
        if self.setup != OWN_DATABASE:
            self.servers.postgres.create_database(name=name)
        await make(url)
        return url, People.none()


@dataclass
class StagedHayon:
    """Its rows lie in the database; its processes are started by `start`."""

    work: Work
    rows: Rows
    people: People
    folder: Path
    broker_url: str
    started: list[Process] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """`hayon serve`, which is whole, and beside it as many `hayon worker` as there are worker processes more."""
        started = await asyncio.to_thread(self._start, "serve")
        self.session = aiohttp.ClientSession(started.ready["url"])
        for _ in range(self.work.workers - 1):
            await asyncio.to_thread(self._start, "worker")

    async def add(self, job: Job) -> None:
        """Hands one post in over the API, for its time where that lies ahead."""
        place = (job.author, job.account)
        await write_people(self.rows, self.people, [place], Vault([SECRET]), self.work.ledger_url)
        body: dict[str, Any] = {
            "content": {"text": text_of(job.name)}, "selectedPlatforms": [], "accountIds": [str(self.people.accounts[place])],
        }  # fmt: skip
        if job.due_at > time.time() + 1:
            body["scheduledAt"] = datetime.fromtimestamp(job.due_at, UTC).isoformat()
        if self.session is None:
            raise ValueError("it is not started")
        shown = {"Authorization": f"Bearer {self.people.keys[job.author]}"}
        async with self.session.post("/api/posts", json=body, headers=shown) as answer:
            if answer.status != 201:
                raise RuntimeError(f"{answer.status}: {await answer.text()}")
            await answer.read()

    async def count_outcomes(self) -> int:
        """The completed targets in the database."""
        asked = "SELECT count(*) FROM targets WHERE status = 'completed'"
        if self.rows.url.get_backend_name() == "sqlite":
            return await asyncio.to_thread(_count_in_file, str(self.rows.url.database), asked)
        connection = await asyncpg.connect(
            self.rows.url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            found: int = await connection.fetchval(asked)
            return found
        finally:
            await connection.close()

    def pids(self) -> Sequence[int]:
        """Its processes, with their children."""
        living = [psutil.Process(one.pid) for one in self.started if one.running]
        return [one.pid for parent in living for one in (parent, *parent.children(recursive=True))]

    async def end(self) -> None:
        """Ends its processes; nothing here is worth an orderly end."""
        if self.session is not None:
            await self.session.close()
        for process in self.started:
            await asyncio.to_thread(process.kill9)

    def _start(self, part: str) -> Process:
        surroundings = {
            "HAYON_DATA_DIR": str(self.folder / "data"), "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_SECRET_KEY": SECRET,
            "HAYON_DATABASE_URL": self.rows.url.render_as_string(hide_password=False), "HAYON_MASTODON_URL": self.work.ledger_url,
            # all calls go to one platform, and a worker keeps half of its slots free for the others
            "HAYON_WORKER_SLOTS": str(2 * self.work.in_flight), "HAYON_LINK_CARDS": "false",
            # bells of one platform that are under way at once: enough for all that its workers take in hand
            "HAYON_WINDOW": str(max(128, 2 * self.work.in_flight * self.work.workers)),
            **({"HAYON_BROKER_URL": self.broker_url} if self.broker_url else {}),
        }  # fmt: skip
        log = self.folder / f"{part}-{len(self.started)}"
        process = start([sys.executable, "-m", "hayon.cli", part], log=log, env=surroundings)
        self.started.append(process)
        return process


def _count_in_file(path: str, asked: str) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found: int = connection.execute(asked).fetchone()[0]
        return found
    finally:
        connection.close()


_: type[Staged] = StagedHayon
