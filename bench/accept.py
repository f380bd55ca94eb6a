"""Taking posts in for five platforms: how long `POST /api/posts` takes at a rate, and the most it takes.

Beside it in the same run: bare inserts of the same rows, and the same endpoint writing nothing. The rows are the only judge.
"""

import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from bench import silent
from bench.author import APART, PLATFORMS, Author, tomorrow, write_author
from bench.bare import copy_rows
from bench.firing import Fired, Order
from bench.judge import percentile
from bench.process import run_process
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import Bench, Figures, Form, interleaved
from bench.servers import Servers
from hayon.store.database import Database, Tx, sqlite_path
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


LANES = (8, 32)
LOADS = {
    HAYON: (Load(50), Load(200), Load(500), Load(lanes=8), Load(lanes=32), Load(10, now=True)),
    BARE: (Load(200), Load(lanes=8), Load(lanes=32)),
    SILENT: (Load(200), Load(lanes=8), Load(lanes=32)),
}


@dataclass(frozen=True)
class Size:
    """How much is fired: so many rounds of each load, each so long, with so much before it that does not count."""

    rounds: int
    seconds: float
    warm_seconds: float


SIZES = {Form.SMOKE: Size(1, 0.3, 0.1), Form.SHORT: Size(2, 1.5, 0.5), Form.FULL: Size(5, 10, 2)}
COLUMNS = (
    Column("p50", "p50 ms", 1), Column("p99", "p99 ms", 1), Column("rate", "a second"), Column("computed", "Hayon's processor, ms", 2),
    Column("stored", "PostgreSQL's, ms", 2), Column("refused", "refused", exact=True), Column("lost", "lost", exact=True),
    Column("doubled", "doubled", exact=True),
)  # fmt: skip


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


async def run(bench: Bench) -> Result:
    """Every load on every contestant, in each setup that is asked for."""
    size, tables, verdicts = SIZES[bench.form], [], []
    named = [setup for setup in SETUPS if any(one.name.endswith(setup) for one in bench.contestants)]
    for setup in named or SETUPS:
        found = await _measure_setup(bench, size, setup)
        rows = [Row({"who": who, "load": str(load)}, runs) for (who, load), runs in found.items()]
        tables.append(Table(setup, "", COLUMNS, rows))
        verdicts += _verdicts(setup, rows)
    about = (
        "`POST /api/posts` by one author for five platforms, planned from tomorrow on, twelve minutes apart; two of the platforms tell how many posts a "
        "day they take. At a rate, requests are sent at their intended times and counted from these; at once means that each lane sends when it has its "
        "answer. *Bare inserts* write the same rows, a post and five targets with all columns, in one statement over a pool of eight connections (SQLite: a "
        "transaction of two statements). *Writing nothing* is the same endpoint up to the point where it would begin to read. The load comes from a process "
        "of its own. Due now: on five accounts of the ledger's, delivered meanwhile. The rows are the only judge of what was lost or doubled."
    )
    return Result("accept", bench.form, "Taking posts in", about, tables, verdicts)


def _verdicts(setup: str, rows: Sequence[Row]) -> list[Verdict]:
    if setup != "PostgreSQL":
        return []
    by_name = {(row.labels["who"], row.labels["load"]): row for row in rows}
    p99 = by_name[HAYON, str(Load(200))].median("p99") or 0.0
    most = {
        who: max(by_name[who, str(Load(lanes=lanes))].median("rate") or 0.0 for lanes in LANES) for who in (HAYON, BARE)
    }
    share = most[HAYON] / most[BARE]
    return [
        Verdict(f"{setup}: p99 under 25 ms at 200 a second", p99 < 25, f"p99 {p99:.1f} ms"),
        Verdict(
            f"{setup}: at least a third of bare inserts", share >= 1 / 3,
            f"{most[HAYON]:,.0f} a second, {most[BARE]:,.0f} bare: {share:.2f}",
        ),
    ]  # fmt: skip


async def _measure_setup(bench: Bench, size: Size, setup: str) -> dict[tuple[str, Load], list[Figures]]:
    found: dict[tuple[str, Load], list[Figures]] = {(who, load): [] for who, loads in LOADS.items() for load in loads}
    async with AsyncExitStack() as stack:
        staged = await stack.enter_async_context(_stage(setup, bench.servers))
        fire = await stack.enter_async_context(gun())
        for number, (who, load) in interleaved(found, size.rounds):
            key = f"{number}: {setup}, {who}, {load}"
            found[who, load].append(await bench.once(key, partial(_round, size, staged[who], load, fire)))
        for who in (HAYON, BARE):
            lost, doubled = await _judge(staged[who])
            for name, runs in found.items():
                if name[0] == who:
                    runs[:] = [one | {"lost": lost, "doubled": doubled} for one in runs]
    return found


@asynccontextmanager
async def _stage(setup: str, servers: Servers) -> AsyncIterator[dict[str, Staged]]:
    """Three databases with the same author, one for each contestant, and the two processes."""
    secret = secrets.token_hex(32)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hayon-bench-")))
        bell = "embedded://"
        if "Rabbit" in setup:
            bell = servers.rabbitmq.url(stack.enter_context(servers.vhost()))
        ledger = await stack.enter_async_context(run_process(["-m", "bench.ledger", "--latency", "0.05"], {}))
        new = partial(_new_database, stack, folder, None if setup == "SQLite" else servers)
        first = new("")
        author = await write_author(first, Vault([secret]), ledger["url"])
        urls = [first, new(first), new(first)]
        places = [
            {
                "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_SECRET_KEY": secret, "HAYON_DATABASE_URL": url,
                "HAYON_DATA_DIR": str(folder / f"data-{number}"), "HAYON_ALLOW_PRIVATE_ADDRESSES": "true",
            } for number, url in enumerate(urls)
        ]  # fmt: skip
        places[0]["HAYON_BROKER_URL"] = bell
        hayon = await stack.enter_async_context(run_process(["-m", "hayon.cli", "serve"], places[0]))
        nothing = await stack.enter_async_context(run_process(["-m", "bench.silent"], places[1]))
        staged = {
            HAYON: Staged(f"{hayon['url']}/api/posts", urls[0], author, hayon["pid"]),
            SILENT: Staged(f"{nothing['url']}{silent.PATH}", urls[1], author, nothing["pid"]),
            BARE: Staged(urls[2], urls[2], author),
        }
        async with gun() as fire:
            await _fire(fire, staged[HAYON], Load(lanes=1), Size(1, 0.1, 0))
        staged[BARE].rows = await copy_rows(urls[0], 1)
        yield staged


def _new_database(stack: AsyncExitStack, folder: Path, servers: Servers | None, like: str) -> str:
    """The address of a new one, a copy of another where one is named. Where no servers are, it is a file."""
    if servers is not None:
        template = sa.make_url(like).database if like else None
        return servers.postgres.url(stack.enter_context(servers.database(template or "template0")))
    file = folder / f"{secrets.token_hex(4)}.db"
    if like:
        shutil.copy(sqlite_path(like) or "", file)
    return f"sqlite:///{file}"


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


async def _fire(fire: Fire, staged: Staged, load: Load, size: Size) -> Fired:
    order = Order(
        staged.url, size.seconds, size.warm_seconds, staged.fired, load.rate, load.lanes,
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


async def _round(size: Size, staged: Staged, load: Load, fire: Fire) -> Figures:
    before = _computed(staged)
    fired = await _fire(fire, staged, load, size)
    count = len(fired.accepted) + len(fired.refused)
    computed, stored = (1000 * (now - then) / count for now, then in zip(_computed(staged), before, strict=True))
    took = sorted(fired.milliseconds)
    return {
        "p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "rate": len(took) / fired.seconds, "computed": computed,
        "stored": stored, "accepted": len(fired.accepted), "refused": len(fired.refused),
    }  # fmt: skip


def _computed(staged: Staged) -> tuple[float, float]:
    """Seconds of processor time so far: of the contestant's process, and of PostgreSQL, where there is one."""
    own = _seconds(psutil.Process(staged.pid)) if staged.pid else 0.0
    main = _find_server(sa.make_url(staged.database).port)
    # its backends are its children: one that has ended is counted still
    return own, sum(map(_seconds, [main, *main.children()])) if main else 0.0


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # a session of the database ended meanwhile
    return times.user + times.system + times.children_user + times.children_system


@cache
def _find_server(port: int | None) -> psutil.Process | None:
    """PostgreSQL's first process: it alone was told the port."""
    wanted = f"port={port}"
    found = (one for one in psutil.process_iter(["cmdline"]) if port and wanted in (one.info["cmdline"] or ()))
    return next(found, None)


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
