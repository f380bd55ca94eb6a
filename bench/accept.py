"""Taking posts in for five platforms: how long `POST /api/posts` takes at a rate, and the most it takes. `python bench/accept.py [full]`.

Beside it in the same run: bare inserts of the same rows, and the same endpoint writing nothing. The rows are the only judge.
"""

import asyncio
import json
import os
import random
import secrets
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.rabbitmq import running_rabbitmq

from bench import silent
from bench.author import APART, PLATFORMS, Author, tomorrow, write_author
from bench.bare import copy_rows
from bench.firing import Fired, Order
from bench.load import _process
from hayon.store.database import Database, Tx
from hayon.store.schema import posts, targets
from hayon.vault import Vault

HAYON, BARE, SILENT = "Hayon", "bare inserts", "writing nothing"
WORDS = "is about bread in the morning, the river and the garden, a letter from the harbour and winter light. " * 3
TEXT = f"hayon-NUMBER {WORDS}"[:280]
ROOT = Path(__file__).resolve().parents[1]
SETUPS = ("SQLite", "PostgreSQL", "PostgreSQL + RabbitMQ")
Fire = Callable[[Order], Awaitable[Fired]]


@dataclass(frozen=True)
class Load:
    """At a rate (open loop), or in so many lanes (closed loop); planned for tomorrow on, or due now."""

    rate: float = 0
    lanes: int = 0
    now: bool = False

    def __str__(self) -> str:
        words = f"{self.rate:g} a second" if self.rate else f"{self.lanes} at once"
        return f"{words}, due now" if self.now else words


LOADS = {
    HAYON: (Load(50), Load(200), Load(500), Load(lanes=8), Load(lanes=32), Load(10, now=True)),
    BARE: (Load(200), Load(lanes=8), Load(lanes=32)),
    SILENT: (Load(200), Load(lanes=8), Load(lanes=32)),
}


@dataclass(frozen=True)
class Form:
    """How much is fired: so many rounds of each load, each so long."""

    rounds: int
    seconds: float
    warm_seconds: float


SMOKE, SHORT, FULL = Form(1, 0.3, 0.1), Form(2, 1.5, 0.5), Form(5, 10, 2)


@dataclass
class Measured:
    """One load on one contestant, over all rounds: milliseconds of each, the rate of each round, processor time for one post.

    `lost` and `doubled` are counted in the rows of all loads of a contestant together; `refused` were not answered 201. `computed`: by Hayon's process, in
    milliseconds; `stored`: by PostgreSQL.
    """

    setup: str
    contestant: str
    load: str
    milliseconds: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    lost: int = 0
    doubled: int = 0

    def percentile(self, share: float) -> float:
        """Of the requests of all rounds together."""
        every = sorted(one for round_ in self.milliseconds for one in round_)
        return every[min(len(every) - 1, int(len(every) * share))] if every else float("nan")


@dataclass
class Staged:
    """One contestant, running: where requests go, whose processes compute, and where the rows are."""

    url: str
    database: str
    author: Author
    pid: int = 0
    rows: str = ""
    fired: int = 1
    accepted: set[int] = field(default_factory=set)


async def measure(form: Form, setups: Sequence[str] = SETUPS) -> list[Measured]:
    """Every load on every contestant, in an order of chance that is the same at each run."""
    found: list[Measured] = []
    with ExitStack() as servers:
        server = servers.enter_context(running_postgres()) if any("Postgre" in one for one in setups) else None
        node = servers.enter_context(running_rabbitmq()) if any("Rabbit" in one for one in setups) else None
        for setup in setups:
            bell = node.url if node is not None and "Rabbit" in setup else "embedded://"
            found += await _measure_setup(form, setup, server if "Postgre" in setup else None, bell)
    return found


async def _measure_setup(form: Form, setup: str, server: PostgresServer | None, bell: str) -> list[Measured]:
    dice = random.Random(setup)  # noqa: S311 - the same at each run, no secret
    async with AsyncExitStack() as stack:
        staged = await stack.enter_async_context(_stage(server, bell))
        fire = await stack.enter_async_context(gun())
        found = {(name, load): Measured(setup, name, str(load)) for name, loads in LOADS.items() for load in loads}
        for _ in range(form.rounds):
            for name, load in dice.sample(list(found), len(found)):
                await _round(form, found[name, load], staged[name], load, fire, server)
        for name in (HAYON, BARE):
            lost, doubled = await _judge(staged[name])
            for each in found.values():
                if each.contestant == name:
                    each.lost, each.doubled = lost, doubled
        return list(found.values())


@asynccontextmanager
async def _stage(server: PostgresServer | None, bell: str) -> AsyncIterator[dict[str, Staged]]:
    """Three databases with the same author, one for each contestant, and the two processes."""
    secret = secrets.token_hex(32)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hayon-bench-")))
        ledger = await stack.enter_async_context(_process(["-m", "bench.ledger", "--latency", "0.05"], {}))
        first, *others = _databases(folder, server)
        author = await write_author(first, Vault([secret]), ledger["url"])
        urls = [first, *(copy() for copy in others)]
        places = [
            {
                "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_SECRET_KEY": secret, "HAYON_DATABASE_URL": url,
                "HAYON_DATA_DIR": str(folder / f"data-{number}"), "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
            } for number, url in enumerate(urls)
        ]  # fmt: skip
        places[0]["HAYON_BROKER_URL"] = bell
        hayon = await stack.enter_async_context(_process(["-m", "hayon.cli", "serve"], places[0]))
        nothing = await stack.enter_async_context(_process(["-m", "bench.silent"], places[1]))
        staged = {
            HAYON: Staged(f"{hayon['url']}/api/posts", urls[0], author, hayon["pid"]),
            SILENT: Staged(f"{nothing['url']}{silent.PATH}", urls[1], author, nothing["pid"]),
            BARE: Staged(urls[2], urls[2], author),
        }
        async with gun() as fire:
            await _fire(fire, staged[HAYON], Load(lanes=1), Form(1, 0.1, 0))
        staged[BARE].rows = await copy_rows(urls[0], 1)
        yield staged


def _databases(folder: Path, server: PostgresServer | None) -> tuple[str, Callable[[], str], Callable[[], str]]:
    """A new database, and two ways to have a copy of it as it is then."""
    if server is not None:
        name = server.address.create_database()
        copy = lambda: server.url(server.address.create_database(template=name))  # noqa: E731 - two of a kind
        return server.url(name), copy, copy
    file = folder / "first.db"

    def copied() -> str:
        return f"sqlite:///{shutil.copy(file, folder / f'{secrets.token_hex(4)}.db')}"

    return f"sqlite:///{file}", copied, copied


@asynccontextmanager
async def gun() -> AsyncIterator[Fire]:
    """The process that fires."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.firing", env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    assert started.stdin is not None
    assert started.stdout is not None
    told, answers = started.stdin, started.stdout

    async def fire(order: Order) -> Fired:
        told.write(json.dumps(asdict(order)).encode() + b"\n")
        answer = await answers.readline()
        if not answer:
            raise RuntimeError("the process that fires has ended")
        return Fired(**json.loads(answer))

    try:
        yield fire
    finally:
        told.close()
        await started.wait()


async def _fire(fire: Fire, staged: Staged, load: Load, form: Form) -> Fired:
    order = Order(
        staged.url, form.seconds, form.warm_seconds, staged.fired, load.rate, load.lanes,
        (("Authorization", f"Bearer {staged.author.key}"),), _body(staged.author, load),
        tomorrow().timestamp(), APART.total_seconds(), staged.rows,
    )  # fmt: skip
    fired = await fire(order)
    staged.fired += len(fired.accepted) + len(fired.refused)
    staged.accepted.update(fired.accepted)
    return fired


def _body(author: Author, load: Load) -> str:
    where: dict[str, Any] = {"selectedPlatforms": PLATFORMS, "scheduledAt": "WHEN"}
    if load.now:
        where = {"accountIds": [str(one) for one in author.at_ledger]}
    return json.dumps({"content": {"text": TEXT}} | where)


async def _round(
    form: Form, found: Measured, staged: Staged, load: Load, fire: Fire, server: PostgresServer | None
) -> None:
    before = _computed(staged, server)
    fired = await _fire(fire, staged, load, form)
    count = len(fired.accepted) + len(fired.refused)
    computed, stored = (
        1000 * (now - then) / count for now, then in zip(_computed(staged, server), before, strict=True)
    )
    found.milliseconds.append(fired.milliseconds)
    found.rates.append(len(fired.milliseconds) / fired.seconds)
    found.computed.append(computed)
    found.stored.append(stored)
    found.accepted += len(fired.accepted)
    found.refused += len(fired.refused)


def _computed(staged: Staged, server: PostgresServer | None) -> tuple[float, float]:
    """Seconds of processor time so far: of the contestant's process, of PostgreSQL's."""
    return (seconds_of(psutil.Process(staged.pid)) if staged.pid else 0.0, server_seconds(server) if server else 0.0)


def seconds_of(process: psutil.Process) -> float:
    """Processor time so far, of it and of its children that have ended."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def server_seconds(server: PostgresServer) -> float:
    """Processor time of all of PostgreSQL's processes so far. Its backends are children: an ended one is counted still."""
    main = psutil.Process(int((server.folder / "data" / "postmaster.pid").read_text().split()[0]))
    return sum(map(seconds_of, [main, *main.children()]))


async def _judge(staged: Staged) -> tuple[int, int]:
    """How many of the accepted are not there whole, and how many rows are more than were accepted."""

    def read(tx: Tx) -> Counter[int]:
        whole = (
            sa.select(posts.c.words, sa.func.count(targets.c.id).label("members")).join(targets).group_by(posts.c.id)
        )
        rows = tx.all(whole.add_columns(posts.c.words))
        return Counter(
            int(row.words.partition(" ")[0].rpartition("-")[2]) for row in rows if row.members == len(PLATFORMS)
        )

    database = Database(staged.database)
    try:
        there = await database.read(read)
    finally:
        await database.close()
    wanted = Counter(staged.accepted)
    return (wanted - there).total(), (there - wanted).total()


def show(console: Console, found: Sequence[Measured]) -> None:
    """One table for each setup."""
    for setup in dict.fromkeys(one.setup for one in found):
        table = Table(title=f"Taking posts in for five platforms, {setup}")
        for heading in ("", "load", "p50 ms", "p99 ms", "a second", "from … to", "Hayon ms", "database ms", "accepted", "refused", "lost", "doubled"):  # fmt: skip
            table.add_column(heading, justify="left" if heading in {"", "load"} else "right")
        for one in (each for each in found if each.setup == setup):
            table.add_row(
                one.contestant, one.load, f"{one.percentile(0.5):.1f}", f"{one.percentile(0.99):.1f}",
                f"{statistics.median(one.rates):.0f}", f"{min(one.rates):.0f} … {max(one.rates):.0f}",
                f"{statistics.median(one.computed):.2f}", f"{statistics.median(one.stored):.2f}", str(one.accepted),
                str(one.refused), str(one.lost), str(one.doubled),
            )  # fmt: skip
        console.print(table)


if __name__ == "__main__":
    given = sys.argv[1:]
    chosen = [one for one in SETUPS if any(word.lower() == one.lower() for word in given)] or SETUPS
    show(
        Console(width=150),
        asyncio.run(measure(FULL if "full" in given else SMOKE if "smoke" in given else SHORT, chosen)),
    )
