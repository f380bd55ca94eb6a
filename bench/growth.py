"""What one post costs with 10,000, 100,000 and 1,000,000 in the database: to accept, to claim, to list and to look at.

All are the same author's, on the same five accounts, which is harder than other people's: lists, counts and turns are looked
for among one's own. Half are published, half are planned, five minutes apart. Nothing is sent.
"""

import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import aiohttp
import sqlalchemy as sa
from yarl import URL

from bench.author import APART, PLATFORMS, Author, tomorrow, write_author
from bench.process import run_process
from bench.result import Column, Result, Row, Table, Verdict
from bench.rounds import SEED, Bench, Figures, Form, interleaved
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
MOST = 1.5
"""So much more may a post cost at the largest size than at the smallest."""
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


@dataclass(frozen=True)
class Filled:
    """A database with so many posts."""

    posts: int
    url: str
    secret: str
    author: Author


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
                filled.append(await fill(url, posts))
                bench.tell(f"{kind}: {posts:,} posts written in {time.monotonic() - began:.0f} s")
            figures: dict[int, list[Figures]] = {one.posts: [] for one in filled}
            for number, one in interleaved(filled, size.rounds):
                key = f"{number}: {kind}, {one.posts:,}"
                figures[one.posts].append(await bench.once(key, partial(_measure, one, size.times)))
        rows += [_row(kind, part, figures) for part in PARTS]
    about = (
        "Milliseconds, the median of a round, one request at a time. All posts are one author's, on five accounts: half of them published, half planned, "
        f"{GAP.seconds // 60} minutes apart; each has one target, and what is accepted has five. A claim takes one due target of each account, the way the worker does."
    )
    columns = [Column(str(posts), f"{posts:,} posts", 2) for posts in size.posts]
    table = Table("", "", [*columns, Column("growth", "growth", 2)], rows)
    verdicts = [
        Verdict(
            f"{row.labels['database']}, {row.labels['what']}: at most {MOST:g} times",
            (row.median("growth") or 0) <= MOST,
            f"{row.median('growth') or 0:.2f} times from {size.posts[0]:,} to {size.posts[-1]:,}",
        )
        for row in rows
    ]  # fmt: skip
    return Result("growth", bench.form, "Growth", about, [table], verdicts)


def _row(kind: str, part: str, figures: dict[int, list[Figures]]) -> Row:
    runs: list[Figures] = []
    for together in zip(*figures.values(), strict=True):
        costs = {str(posts): one[part] for posts, one in zip(figures, together, strict=True)}
        first, *_, last = costs.values()
        runs.append(costs | {"growth": last / first})
    return Row({"database": kind, "what": part}, runs)


async def fill(url: str, posts: int) -> Filled:
    """Migrates the empty database at `url` and writes the posts."""
    secret = secrets.token_hex(32)
    author = await write_author(url, Vault([secret]))
    rows = Rows(url)
    now = datetime.now(UTC).replace(microsecond=0)
    ids = [new_id(now) for _ in range(posts)]
    await rows.write(schema.posts, (_post(ids[place], place, posts, now, author) for place in range(posts)))
    await rows.write(schema.targets, (_target(ids[place], place, posts, now, author) for place in range(posts)))
    await rows.settle()
    return Filled(posts, url, secret, author)


def _at(place: int, posts: int, now: datetime) -> datetime:
    """Around now; nothing comes due while it is measured."""
    behind = place < posts // 2
    return now + (place - posts // 2) * GAP + (timedelta(0) if behind else timedelta(hours=1))


def _post(post_id: UUID, place: int, posts: int, now: datetime, author: Author) -> dict[str, Any]:
    at = _at(place, posts, now)
    words = f"post {place} {WORDS}{'' if place else f' {RARE}'}"
    created = min(at, now) - timedelta(days=1)
    return {
        "id": post_id, "user_id": author.user_id, "status": str(PostStatus.COMPLETED if at < now else PostStatus.SCHEDULED),
        "content": {"text": words, "media": [], "options": {}}, "selected": {"platforms": [], "accountIds": []}, "words": words,
        "scheduled_at": at, "placed_at": at, "version": 1, "created_at": created + timedelta(microseconds=place), "updated_at": min(at, now),
    }  # fmt: skip


def _target(post_id: UUID, place: int, posts: int, now: datetime, author: Author) -> dict[str, Any]:
    at, number = _at(place, posts, now), place % len(PLATFORMS)
    done = at < now
    return {
        "id": new_id(at), "post_id": post_id, "user_id": author.user_id, "account_id": author.account_ids[number],
        "platform": PLATFORMS[number], "status": str(TargetStatus.COMPLETED if done else TargetStatus.PENDING), "version": 1,
        "due_at": None if done else at, "idempotency_key": str(post_id), "created_at": min(at, now), "updated_at": min(at, now),
        "remote_id": str(post_id) if done else None, "url": f"https://example.test/{post_id}" if done else None,
        "published_at": at if done else None, "attempts": int(done), "claims": int(done),
    }  # fmt: skip


async def _measure(one: Filled, times: int) -> Figures:
    figures = await _claim(one, times)
    with tempfile.TemporaryDirectory(prefix="hayon-bench-") as folder:
        surroundings = {
            "HAYON_DATA_DIR": folder, "HAYON_PORT": "0", "HAYON_LOG": "json", "HAYON_DATABASE_URL": one.url,
            "HAYON_SECRET_KEY": one.secret,
        }  # fmt: skip
        async with run_process(["-m", "hayon.cli", "serve"], surroundings) as hayon:
            headers = {"Authorization": f"Bearer {one.author.key}"}
            async with aiohttp.ClientSession(hayon["url"], headers=headers) as session:
                figures |= await _ask_all(session, one, times)
                figures["accept"] = await _timed(times, partial(_accept, session))
    return figures


async def _claim(one: Filled, times: int) -> Figures:
    """In this process, the way a worker takes what is due; what was taken is put away again, outside of the time."""
    database = Database(one.url)
    source = FromIndex(database, EmbeddedBroker(), timedelta(minutes=5))
    room = dict.fromkeys(PLATFORMS, 32)
    taken = []
    try:
        idle = await _timed(times, lambda _: source.claim(room, 64, uuid4()))
        for number in range(times):
            await database.write(_hand_in, one.author, f"due {number}")
            began = time.perf_counter()
            claims = await source.claim(room, 64, uuid4())
            taken.append((time.perf_counter() - began) * 1000)
            assert len(claims) == len(PLATFORMS), "each account has one that is due"
            await database.write(_put_away)
    finally:
        await database.close()
    return {"claim": statistics.median(taken), "claim, nothing due": idle}


def _hand_in(tx: Tx, author: Author, text: str) -> None:
    by_id = {one.id: one for one in accounts.list_accounts(tx, author.user_id)}
    chosen = tuple(by_id[account_id] for account_id in author.account_ids)
    writing = Writing(Content(text), {}, PLATFORMS, (), chosen, None, "UTC", None, "bench")
    insert_post(tx, author.user_id, writing, tx.now())


def _put_away(tx: Tx) -> None:
    held = sa.select(schema.targets.c.post_id).where(schema.targets.c.status == str(TargetStatus.PROCESSING))
    tx.run(sa.update(schema.posts).where(schema.posts.c.id.in_(held)).values(status=str(PostStatus.CANCELLED)))
    ended = sa.update(schema.targets).where(schema.targets.c.status == str(TargetStatus.PROCESSING))
    tx.run(ended.values(status=str(TargetStatus.CANCELLED), lease_until=None, due_at=None))


async def _ask_all(session: aiohttp.ClientSession, one: Filled, times: int) -> Figures:
    first = await _get(session, "/api/posts?limit=100")
    dice, now = random.Random(SEED), datetime.now(UTC)  # noqa: S311 - the same at each run, no secret
    ids = [post["postId"] for post in first["posts"]]
    given = {
        "cursor": first["nextCursor"], "account": str(one.author.account_ids[0]),
        "since": quote((now - timedelta(days=4)).isoformat()), "until": quote((now + timedelta(days=3)).isoformat()),
    }  # fmt: skip
    found = {}
    for name, path in ASKED.items():
        found[name] = await _timed(
            times, lambda _, path=path: _get(session, path.format(post=dice.choice(ids), **given))
        )  # type: ignore[misc]
    return found


async def _get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(URL(path, encoded=True)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _accept(session: aiohttp.ClientSession, number: int) -> None:
    at = (tomorrow() + number * APART).isoformat()
    body = {"content": {"text": f"accepted {number} {WORDS}"}, "selectedPlatforms": PLATFORMS, "scheduledAt": at}
    async with session.post("/api/posts", json=body) as answer:
        assert answer.status == 201, await answer.text()
        await answer.read()


async def _timed(times: int, work: Callable[[int], Awaitable[Any]]) -> float:
    """Milliseconds, the median; the first tenth warms up and does not count."""
    warm, took = max(1, times // 10), []
    for number in range(warm + times):
        began = time.perf_counter()
        await work(number)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[warm:])
