"""What one post costs with 10,000, 100,000 and 1,000,000 in the database: to accept, to claim, to list and to look at.

All are the same author's, on the same five accounts, which is harder than other people's: lists, counts and turns are looked
for among one's own. Half are published, half are planned, five minutes apart. Nothing is sent. Hayon runs on all sizes at the same
time, and they are asked in turns: what changes on the machine meets all of them alike.
"""

import random
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import sqlalchemy as sa
from yarl import URL

from bench.author import APART, PLATFORMS, Author, tomorrow, write_author
from bench.process import run_process
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import SEED, Bench, Figures, Form
from bench.staging import Rows
from hayon.brokers.embedded import EmbeddedBroker
from hayon.delivery.sources import FromIndex
from hayon.domain.lifecycle import PostStatus, TargetStatus
from hayon.domain.model import Content
from hayon.store import accounts, schema
from hayon.store.database import Database, Tx, new_id
from hayon.store.posts import Writing, insert_post
from hayon.vault import Vault

GAP = timedelta(minutes=5)
"""Between two posts of the author, back from today and ahead of it: a million lie within five years on either side."""
DAY = timedelta(days=1)
MOST = 1.5
"""So much more may a post cost at the largest size than at the smallest."""
TURN = 10
"""So often one size is asked in a row before it is another's turn."""
AT_ONCE = 4_000
"""Posts of each account that are written in one statement, at most: no statement may take longer than 15 s."""
WORDS = "bread morning river garden season letter harbour workshop winter market light"
RARE = "quince"
"""A word that the oldest post alone has: whoever searches for it has to be told that there is no other."""


@dataclass(frozen=True)
class Size:
    """How many posts, how many rounds, how often each is asked in a round."""

    posts: tuple[int, ...]
    rounds: int
    times: int


SIZES = {
    Form.SMOKE: Size((200, 400), 1, 3), Form.SHORT: Size((10_000, 100_000), 2, 40),
    Form.FULL: Size((10_000, 100_000, 1_000_000), 5, 100),
}  # fmt: skip
ASKED = {
    "list, first page": "/api/posts", "list, next page": "/api/posts?cursor={cursor}", "list, published": "/api/posts?status=COMPLETED",
    "list, of one account": "/api/posts?accountId={account}", "list, of a week": "/api/posts?from={since}&to={until}",
    "search, a common word": "/api/posts?search=harbour", "search, a rare word": f"/api/posts?search={RARE}",
    "status": "/api/posts/{post}",
}  # fmt: skip
"""What is asked over HTTP, by its name in the table."""
PARTS = ("accept", "claim", "claim, nothing due", *ASKED)
BESIDE = "search"
"""How that begins which has no target: nothing but reading all posts of an author tells that a word stands in no other."""
SELDOM = 10
"""A search is asked so many times less often: one of a million posts takes most of a second."""


@dataclass(frozen=True)
class Filled:
    """A database with so many posts, and the folder beside it: Hayon does not start without the one that it knows."""

    posts: int
    url: str
    folder: Path
    secret: str
    author: Author


Side = TypeVar("Side")


async def run(bench: Bench) -> Result:
    """On SQLite and on PostgreSQL."""
    size = SIZES[bench.form]
    rows: list[Row] = []
    for kind in ("SQLite", "PostgreSQL"):
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hayon-bench-")))
            filled = []
            for posts in size.posts:
                url = f"sqlite:///{folder / f'{posts}.db'}"
                if kind != "SQLite":
                    url = bench.servers.postgres.url(stack.enter_context(bench.servers.database()))
                began = time.monotonic()
                filled.append(await fill(url, folder / str(posts), posts))
                bench.tell(f"{kind}: {posts:,} posts written in {time.monotonic() - began:.0f} s")
            rounds = [
                await bench.once(f"{number}: {kind}", partial(_measure, filled, size.times, number))
                for number in range(size.rounds)
            ]
        rows += [_row(kind, part, size.posts, rounds) for part in PARTS]
    about = (
        "Milliseconds, the median of a round, one request at a time, the sizes in turns. All posts are one author's, on five accounts: half of them "
        f"published, half planned, {GAP.seconds // 60} minutes apart; each has one target, and what is accepted has five. A claim takes one due target of each "
        "account, the way the worker does. A search has no target: for a rare word all posts of its author are read."
    )
    columns = [Column(str(posts), f"{posts:,} posts", 2) for posts in size.posts]
    table = Table("", "", [*columns, Column("growth", "growth", 2)], rows)
    verdicts = [
        Verdict(
            f"{row.labels['database']}, {row.labels['what']}: at most {MOST:g} times",
            (row.median("growth") or 0) <= MOST,
            f"{row.median('growth') or 0:.2f} times from {size.posts[0]:,} to {size.posts[-1]:,}",
        )
        for row in rows if not row.labels["what"].startswith(BESIDE)
    ]  # fmt: skip
    return Result("growth", bench.form, "Growth", about, [table], verdicts)


def _row(kind: str, part: str, sizes: Sequence[int], rounds: Sequence[Figures]) -> Row:
    runs: list[Figures] = []
    for figures in rounds:
        costs = {str(posts): figures[_name(part, posts)] for posts in sizes}
        first, *_, last = costs.values()
        runs.append(costs | {"growth": last / first})
    return Row({"database": kind, "what": part}, runs)


def _name(part: str, posts: int) -> str:
    return f"{part}, {posts}"


async def fill(url: str, folder: Path, posts: int) -> Filled:
    """Migrates the empty database at `url` and writes the posts: the first of each account, published and planned, as they are
    written for others too, and the database itself makes the rest after these ten."""
    secret = secrets.token_hex(32)
    author = await write_author(url, Vault([secret]))
    now, half = datetime.now(UTC).replace(microsecond=0), posts // 2
    behind, ahead = now - half * GAP, now + timedelta(hours=1)  # nothing comes due while it is measured
    database = Database(url)
    try:
        await _write(database, author, half, behind, behind - DAY, GAP, done=True)
        await _write(database, author, half, ahead, now - DAY, DAY * 0.9 / half, done=False)  # planned within a day
        await database.write(_add_rare_word)
    finally:
        await database.close()
    await Rows(url).settle()
    return Filled(posts, url, folder, secret, author)


async def _write(
    database: Database, author: Author, half: int, at: datetime, created: datetime, every: timedelta, *, done: bool
) -> None:
    """So many posts from `at` on, the first of which was created then, and each of the others so much later than the last."""
    posts, targets = [], []
    for place in range(len(PLATFORMS)):
        times = (at + place * GAP, created + place * every)
        posts.append(_post(author, *times, done=done))
        targets.append(_target(author, place, *times, done=done) | {"post_id": posts[-1]["id"]})
    await database.write(
        lambda tx: (tx.run(sa.insert(schema.posts), posts), tx.run(sa.insert(schema.targets), targets))
    )
    words = _SQLITE if database.single_process else _POSTGRES

    def later(name: str, by: timedelta) -> str:
        return words["later"].format(name=f"r.{name}", seconds=(by * len(PLATFORMS)).total_seconds())

    as_created = {name: later(name, every) for name in ("created_at", "updated_at")}
    planned = {name: later(name, GAP) for name in ("scheduled_at", "placed_at")}
    sent = {name: later(name, GAP) for name in ("due_at", "published_at")}
    post_id, target_id = (words["id"].format(time=as_created["created_at"], kind=kind) for kind in "89")
    await _repeat(database, schema.posts, posts, half, {"id": post_id, **as_created, **planned})
    await _repeat(database, schema.targets, targets, half, {"id": target_id, "post_id": post_id, **as_created, **sent})


_SQLITE = {
    "later": "strftime('%Y-%m-%d %H:%M:%f000', {name}, printf('+%f seconds', c.n * {seconds}))",
    "id": "printf('%012x', round((julianday({time}) - 2440587.5) * 86400000.0)) || '7000{kind}' || printf('%015x', c.n)",
}
_POSTGRES = {
    "later": "{name} + make_interval(secs => c.n * {seconds})",
    "id": "(lpad(to_hex(floor(extract(epoch FROM {time}) * 1000)::bigint), 12, '0') || '7000{kind}' || lpad(to_hex(c.n), 15, '0'))::uuid",
}
"""A time of a row that is repeated, as its copy number c.n has it, and an id that sorts by such a time, as all ids do."""


async def _repeat(
    database: Database, table: sa.Table, firsts: Sequence[Mapping[str, Any]], half: int, made: Mapping[str, str]
) -> None:
    """Adds rows like these until there are so many, in the order of their times; `made` says what is another's."""
    names = [column.name for column in table.columns]
    taken = ", ".join(made.get(name, f"r.{_quoted(name)}") for name in names).replace(":", "\\:")
    statement = sa.text(
        f"INSERT INTO {table.name} ({', '.join(map(_quoted, names))}) WITH RECURSIVE c(n) AS ("  # noqa: S608 - all words are ours
        "SELECT CAST(:since AS INTEGER) UNION ALL SELECT n + 1 FROM c WHERE n + 1 < CAST(:until AS INTEGER)) "
        f"SELECT {taken} FROM c, {table.name} r WHERE r.id IN :firsts ORDER BY c.n, r.created_at"
    ).bindparams(sa.bindparam("firsts", [row["id"] for row in firsts], sa.Uuid(), expanding=True))
    count = half // len(firsts)
    for since in range(1, count, AT_ONCE):
        part = {"since": since, "until": min(count, since + AT_ONCE)}
        await database.write(lambda tx, part: tx.run(statement, part), part)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _add_rare_word(tx: Tx) -> None:
    oldest = sa.select(schema.posts.c.id).order_by(schema.posts.c.created_at).limit(1).scalar_subquery()
    tx.run(sa.update(schema.posts).where(schema.posts.c.id == oldest).values(words=f"{WORDS} {RARE}"))


def _post(author: Author, at: datetime, created: datetime, *, done: bool) -> dict[str, Any]:
    return {
        "id": new_id(created), "user_id": author.user_id, "status": str(PostStatus.COMPLETED if done else PostStatus.SCHEDULED),
        "content": {"text": WORDS, "media": [], "options": {}}, "selected": {"platforms": [], "accountIds": []}, "words": WORDS,
        "scheduled_at": at, "placed_at": at, "version": 1, "created_at": created, "updated_at": at if done else created,
    }  # fmt: skip


def _target(author: Author, place: int, at: datetime, created: datetime, *, done: bool) -> dict[str, Any]:
    name = str(new_id(created))
    return {
        "id": new_id(created), "user_id": author.user_id, "account_id": author.account_ids[place],
        "platform": PLATFORMS[place], "status": str(TargetStatus.COMPLETED if done else TargetStatus.PENDING), "version": 1,
        "due_at": None if done else at, "idempotency_key": name, "created_at": created, "updated_at": at if done else created,
        "remote_id": name if done else None, "url": f"https://example.test/{name}" if done else None,
        "published_at": at if done else None, "attempts": int(done), "claims": int(done),
    }  # fmt: skip


async def _measure(filled: Sequence[Filled], times: int, number: int) -> Figures:
    # on days of their own: what other rounds planned would be counted for the day too, and crowd it
    first_day = tomorrow() + 2 * number * DAY
    figures = await _claim(filled, times)
    async with AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(_serving(one)) for one in filled]
        for part, path in ASKED.items():
            often = max(1, times // SELDOM) if part.startswith(BESIDE) else times
            figures |= _named(part, filled, await _in_turns(sides, often, partial(_ask, path)))
        figures |= _named("accept", filled, await _in_turns(sides, times, partial(_accept, first_day)))
    return figures


def _named(part: str, filled: Sequence[Filled], medians: Sequence[float]) -> Figures:
    return {_name(part, one.posts): median for one, median in zip(filled, medians, strict=True)}


async def _in_turns(sides: Sequence[Side], times: int, work: Callable[[Side, int], Awaitable[float]]) -> list[float]:
    """The median of what the work says on each side. They take turns, in a shuffled order; the first turn warms up and does not
    count."""
    dice, took = random.Random(SEED), [list[float]() for _ in sides]  # noqa: S311 - the same at each run, no secret
    warming, counting = range(-min(TURN, times), 0), range(times)
    for turn in (warming, *(counting[began : began + TURN] for began in range(0, times, TURN))):
        for place in dice.sample(range(len(sides)), len(sides)):
            costs = [await work(sides[place], number) for number in turn]
            took[place] += [] if turn is warming else costs
    return [statistics.median(costs) for costs in took]


async def _timed(work: Awaitable[Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


async def _claim(filled: Sequence[Filled], times: int) -> Figures:
    """In this process, the way a worker takes what is due; what was taken is put away again, outside of the time."""
    databases = [Database(one.url) for one in filled]
    room = dict.fromkeys(PLATFORMS, 32)
    sides = [
        (one.author, database, FromIndex(database, EmbeddedBroker(), timedelta(minutes=5)))
        for one, database in zip(filled, databases, strict=True)
    ]

    async def look(side: tuple[Author, Database, FromIndex], _: int) -> float:
        return await _timed(side[2].claim(room, 64, uuid4()))

    async def take(side: tuple[Author, Database, FromIndex], number: int) -> float:
        author, database, source = side
        await database.write(_hand_in, author, f"due {number}")
        began = time.perf_counter()
        claims = await source.claim(room, 64, uuid4())
        took = (time.perf_counter() - began) * 1000
        assert len(claims) == len(PLATFORMS), "each account has one that is due"
        await database.write(_put_away)
        return took

    try:
        figures = _named("claim, nothing due", filled, await _in_turns(sides, times, look))
        return figures | _named("claim", filled, await _in_turns(sides, times, take))
    finally:
        for database in databases:
            await database.close()


def _hand_in(tx: Tx, author: Author, text: str) -> None:
    by_id = {one.id: one for one in accounts.list_accounts(tx, author.user_id)}
    chosen = tuple(by_id[account_id] for account_id in author.account_ids)
    writing = Writing(Content(text), {}, PLATFORMS, (), chosen, None, "UTC", None, "bench")
    insert_post(tx, author.user_id, writing, tx.now())


def _put_away(tx: Tx) -> None:
    taken = schema.targets.c.status == sa.literal_column("'processing'")  # as its index has it
    held = sa.select(schema.targets.c.post_id).where(taken)
    tx.run(sa.update(schema.posts).where(schema.posts.c.id.in_(held)).values(status=str(PostStatus.CANCELLED)))
    ended = sa.update(schema.targets).where(taken)
    tx.run(ended.values(status=str(TargetStatus.CANCELLED), lease_until=None, due_at=None))


@dataclass(frozen=True)
class Asking:
    """A way to Hayon on one of the databases. `given` stands in the addresses, `ids` are the newest posts."""

    session: aiohttp.ClientSession
    given: Mapping[str, str]
    ids: Sequence[str]


@asynccontextmanager
async def _serving(one: Filled) -> AsyncIterator[Asking]:
    surroundings = {
        "HAYON_DATA_DIR": str(one.folder), "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_DATABASE_URL": one.url,
        "HAYON_SECRET_KEY": one.secret,
    }  # fmt: skip
    async with run_process(["-m", "hayon.cli", "serve"], surroundings) as hayon:
        headers = {"Authorization": f"Bearer {one.author.key}"}
        async with aiohttp.ClientSession(hayon["url"], headers=headers) as session:
            first, now = await _get(session, "/api/posts?limit=100"), datetime.now(UTC)
            given = {
                "cursor": first["nextCursor"], "account": str(one.author.account_ids[0]),
                "since": quote((now - timedelta(days=4)).isoformat()), "until": quote((now + timedelta(days=3)).isoformat()),
            }  # fmt: skip
            yield Asking(session, given, [post["postId"] for post in first["posts"]])


async def _ask(path: str, side: Asking, number: int) -> float:
    return await _timed(_get(side.session, path.format(post=side.ids[number % len(side.ids)], **side.given)))


async def _get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(URL(path, encoded=True)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _accept(first_day: datetime, side: Asking, number: int) -> float:
    at = (first_day + (number + TURN) * APART).isoformat()
    body = {"content": {"text": f"accepted {number} {WORDS}"}, "selectedPlatforms": PLATFORMS, "scheduledAt": at}
    return await _timed(_post_it(side.session, body))


async def _post_it(session: aiohttp.ClientSession, body: Mapping[str, Any]) -> None:
    async with session.post("/api/posts", json=body) as answer:
        assert answer.status == 201, await answer.text()
        await answer.read()
