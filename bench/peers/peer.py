"""A peer as a contestant: its processes, and a database and a broker of its own. What it is made of stands in `recipes`."""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from tests.servers.processes import Process, start

from bench.contest import Job, Profile, Work
from bench.peers.job import GIVEN
from bench.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv-bench" / "bin"
PYTHON = PROGRAMS / "python"
LOCK = ROOT / "requirements" / "bench.lock"

_OUTCOMES = "CREATE TABLE outcomes (name text PRIMARY KEY, intent_at timestamptz, remote_id text, ended_at timestamptz)"
_COUNT = "SELECT count(*) FROM outcomes WHERE remote_id IS NOT NULL"
_PART = 20_000
"""Jobs in one order to a producer."""
_READY_WITHIN_SECONDS = 60
_ENDS_WITHIN_SECONDS = 10
_STARTING_SECONDS = 10


class PeersMissingError(Exception):
    """The peers are not installed: run requirements/install bench."""


@dataclass(frozen=True)
class Recipe:
    """What is particular to a peer. `packages`: whose versions a table shows. `handed_in_a_second`: on a busy machine.

    `most_jobs`, `most_behind`: with more than these it would take all day, or cannot hold them; `parts`: the scenarios that it
    is shown in, all where it says nothing.
    """

    packages: Sequence[str]
    title: str
    workers: Callable[[Work, Profile], Sequence[Sequence[str]]]
    producer: Sequence[str]
    handed_in_a_second: float
    most_behind: int
    most_jobs: int | None = None
    parts: Sequence[str] | None = None
    broker: bool = True
    surroundings: Sequence[tuple[str, str]] = ()


class Peer:
    """One peer as `recipe` tells."""

    def __init__(self, recipe: Recipe, servers: Servers) -> None:
        self._recipe = recipe
        self._servers = servers
        self.most_jobs, self.most_behind = recipe.most_jobs, recipe.most_behind
        if recipe.parts is not None:
            self.parts = recipe.parts

    @property
    def name(self) -> str:
        return self._recipe.title.format(*(version_of(one) for one in self._recipe.packages))

    @property
    def profiles(self) -> Sequence[Profile]:
        return list(Profile)

    def preparing_seconds(self, work: Work) -> float:
        return _STARTING_SECONDS + (len(work.jobs) + work.behind) / self._recipe.handed_in_a_second

    def stage(self, work: Work, profile: Profile) -> AbstractAsyncContextManager["StagedPeer"]:
        """Half of those behind are handed in before the jobs and half after. Raises PeersMissingError."""
        if not PYTHON.exists():
            raise PeersMissingError("the peers are not installed: run requirements/install bench")
        return self._stage(work, profile)

    @contextlib.asynccontextmanager
    async def _stage(self, work: Work, profile: Profile) -> AsyncIterator["StagedPeer"]:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hayon-peer-")))
            database = self._servers.postgres.url(await _enter(stack, self._servers.database()))
            broker = (
                self._servers.rabbitmq.url(await _enter(stack, self._servers.vhost())) if self._recipe.broker else ""
            )
            given = {
                "broker_url": broker, "database_url": database.replace("postgresql+asyncpg", "postgresql"),
                "ledger_url": work.ledger_url, "profile": profile, "in_flight": work.in_flight, "workers": work.workers,
                "behind": work.behind, "folder": str(folder),
            }  # fmt: skip
            staged = StagedPeer(self._recipe, work, profile, given, folder)
            stack.callback(staged.end)
            async with staged.handing_in():
                yield staged
                await asyncio.to_thread(staged.end)


class StagedPeer:
    """A peer's work, ready in its broker or its tables."""

    def __init__(self, recipe: Recipe, work: Work, profile: Profile, given: dict[str, object], folder: Path) -> None:
        self._recipe, self._work, self._profile, self._folder = recipe, work, profile, folder
        self._given = given
        self._surroundings = {GIVEN: json.dumps(given), **dict(recipe.surroundings)}
        self._workers: list[Process] = []
        self._producer: asyncio.subprocess.Process | None = None
        self._database: asyncpg.Connection | None = None

    async def start(self) -> None:
        """Returns once each of the worker processes has said that it is ready."""
        for number, arguments in enumerate(self._recipe.workers(self._work, self._profile)):
            self._workers.append(
                start(
                    arguments, log=self._folder / f"worker-{number}", env=self._surroundings, cwd=ROOT,
                    ready_within_seconds=None, on_parent_death=signal.SIGTERM,
                )
            )  # fmt: skip
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while len(list(self._folder.glob("ready-*"))) < self._work.workers:
            ended = [one.output() for one in self._workers if not one.running]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self._recipe.title}: a worker did not start: {(ended or [self.output()])[0][-4000:]}"
                )
            await asyncio.sleep(0.02)

    async def add(self, job: Job) -> None:
        await self._order({"jobs": [_told(job)]})

    async def count_outcomes(self) -> int:
        """Rows of outcomes; where the profile stores none, posts in the platform's ledger."""
        if self._profile is Profile.DOCUMENTED:
            return await asyncio.to_thread(_count_posts, self._work.ledger_url)
        assert self._database is not None
        return int(await self._database.fetchval(_COUNT))

    def pids(self) -> Sequence[int]:
        return [one.pid for one in _with_children(self._workers)]

    def output(self) -> str:
        """What the workers said so far."""
        return "".join(one.output() for one in self._workers)

    @contextlib.asynccontextmanager
    async def handing_in(self) -> AsyncIterator[None]:
        """With the table of outcomes and everything handed in; the producer waits for more until this ends."""
        self._database = await asyncpg.connect(str(self._given["database_url"]))
        try:
            await self._database.execute(_OUTCOMES)
            await self._start_producer()
            await self._hand_in()
            await self._database.execute("ANALYZE")
            yield
        finally:
            if self._producer is not None:
                await _end(self._producer)
            await self._database.close()

    def end(self) -> None:
        """Ends the workers, whatever they are doing: nothing of this is kept."""
        alive = list(_with_children(self._workers))
        for one in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)  # each began a session of its own
            one.wait()
        psutil.wait_procs(alive, timeout=10)
        self._workers.clear()

    async def _start_producer(self) -> None:
        log = (self._folder / "producer.err").open("wb")
        self._producer = await asyncio.create_subprocess_exec(
            *self._recipe.producer, cwd=ROOT, env={**os.environ, **self._surroundings, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        await self._answer()

    async def _hand_in(self) -> None:
        before = self._work.behind // 2
        await self._hand_in_behind(0, before)
        for first in range(0, len(self._work.jobs), _PART):
            await self._order({"jobs": [_told(one) for one in self._work.jobs[first : first + _PART]]})
        await self._hand_in_behind(before, self._work.behind - before)

    async def _hand_in_behind(self, first: int, count: int) -> None:
        for begin in range(first, first + count, _PART):
            await self._order({"behind": [begin, min(_PART, first + count - begin)]})

    async def _order(self, order: dict[str, object]) -> None:
        assert self._producer is not None
        assert self._producer.stdin is not None
        self._producer.stdin.write(json.dumps(order).encode() + b"\n")
        await self._producer.stdin.drain()
        await self._answer()

    async def _answer(self) -> None:
        assert self._producer is not None
        assert self._producer.stdout is not None
        if not await self._producer.stdout.readline():
            said = (self._folder / "producer.err").read_text(errors="replace")
            raise RuntimeError(f"{self._recipe.title}: the producer ended: {said[-4000:]}")


def version_of(package: str) -> str:
    """As it is pinned; requirements/install has installed that and no other."""
    for line in LOCK.read_text().splitlines():
        name, _, rest = line.partition("==")
        if name == package:
            return rest.split()[0]
    raise LookupError(f"{package} is not in {LOCK.name}")


async def _enter(stack: contextlib.ExitStack, context: AbstractContextManager[str]) -> str:
    return await asyncio.to_thread(stack.enter_context, context)


def _told(job: Job) -> list[object]:
    return [job.name, job.account, job.author, job.due_at]


def _count_posts(ledger_url: str) -> int:
    with urllib.request.urlopen(f"{ledger_url}/control/count", timeout=30) as answer:  # noqa: S310 - our own
        return int(json.loads(answer.read())["statuses"])


async def _end(producer: asyncio.subprocess.Process) -> None:
    """Producers end with their input."""
    assert producer.stdin is not None
    producer.stdin.close()
    try:
        await asyncio.wait_for(producer.wait(), _ENDS_WITHIN_SECONDS)
    except TimeoutError:
        producer.kill()
        await producer.wait()


def _with_children(processes: Iterable[Process]) -> Iterable[psutil.Process]:
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(one.pid)
            yield from (parent, *parent.children(recursive=True))
