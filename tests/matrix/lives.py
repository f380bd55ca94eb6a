"""What the children of the matrix do: set the stage, carry posts until something holds, look. One child, one function."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from hayon import telemetry, wiring
from hayon.delivery.submit import Handed
from hayon.domain.lifecycle import ENDED, TargetStatus
from hayon.domain.model import Claim, Content, Media, MediaUse
from hayon.errors import DatabaseUnreachable
from hayon.media.contract import temp_key
from hayon.platforms.contract import Absent, Look
from hayon.settings import PREFIX, Settings
from hayon.store import accounts as accounts_rows
from hayon.store import database as databases
from hayon.store import intending, media
from hayon.store.database import Tx, end_stalled, new_id
from hayon.store.schema import attempts, receipts, targets, users
from hayon.wiring import Hayon, database_url, open_hayon
from tests.matrix.hurrying import PACE, database_time, hurry
from tests.matrix.kinds import Kind
from tests.matrix.watching import Watch, WatchedDatabase, WatchedOutgoing, follow

CONNECTIONS = 3
"""Of one process to PostgreSQL: many stand still at once, each holding its own."""
LOOK_EVERY_SECONDS = 0.25
ENOUGH_SECONDS = 25.0
"""Where something is taken out, posts may never come to rest: then they are judged as they stand."""
MIMES = {"jpg": "image/jpeg", "png": "image/png", "mp4": "video/mp4"}


@dataclass(frozen=True, slots=True)
class Life:
    """What every child of one group is given: the settings of its Hayon, where the platforms are, and since when time hurries."""

    environment: Mapping[str, str]
    sandbox: str
    began: float
    without: str = ""
    """What is taken out, to see that cells turn red: "intent" or "reconcile"."""


def set_up(
    life: Life, kind: Kind, user_id: str | None, media_ids: Sequence[str], accounts: Sequence[Mapping[str, Any]],
    files: Path, page: str,
) -> dict[str, Any]:  # fmt: skip
    """A person with one account and one post for each of `accounts` (what to connect with), due tomorrow."""

    async def work(hayon: Hayon) -> dict[str, Any]:
        person = UUID(user_id) if user_id else await hayon.database.write(_insert_user)
        pictures = [UUID(one) for one in media_ids]
        if not pictures:
            pictures = [await _upload(hayon, person, files / name) for name in kind.files]
        uses = tuple(MediaUse(one, f"what is seen {place}") for place, one in enumerate(pictures))
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        target_ids, remote_ids = [], []
        for number, given in enumerate(accounts):
            account = await hayon.accounts.connect(person, kind.platform, given)
            options = {name: value.replace("{page}", page) for name, value in kind.options.items()}
            if kind.facts:
                facts = {**account.facts, **kind.facts}
                await hayon.database.write(accounts_rows.keep_profile, account.id, {"facts": facts})
            content = Content(words_of(kind, page), uses, options)
            handed = Handed(content, account_ids=(str(account.id),), scheduled_at=tomorrow)
            post_id, _ = await hayon.submission.submit(person, handed)
            target_ids.append(str(await hayon.database.read(_find_target, post_id)))
            remote_ids.append(account.remote_id)
            if number % 20 == 19:
                await asyncio.sleep(0)
        return {
            "user": str(person), "media": [str(one) for one in pictures], "targets": target_ids, "remotes": remote_ids,
        }  # fmt: skip

    return _live(life, Watch(None, life.sandbox), work)


def words_of(kind: Kind, page: str) -> str:
    """What a post of this kind says."""
    return kind.words.replace("{page}", page)


def carry(
    life: Life, due: Sequence[str], watch: Watch | None = None, *, sweeping: bool = True, parked: bool = False
) -> dict[str, Any]:
    """A worker and a relay, from when `due` become due until they are at rest. What was seen of the watched one, and how it stands.

    Not `sweeping`: the process of a worker alone, which takes back no lost lease. `parked`: until the first call of each
    was left without an answer; what follows is far away then. A watched process that stood still ends once its own
    delivery has ended.
    """
    watch = watch or Watch(None, life.sandbox)
    ids = [UUID(one) for one in due]
    started = time.monotonic()

    async def until(hayon: Hayon) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            if not sweeping and watch.resumed_at is not None:
                if not watch.flying and time.monotonic() - watch.resumed_at > 1:
                    return
                continue
            try:
                rows = await hayon.database.read(_standing, ids)
            except DatabaseUnreachable:
                continue  # it stood still in the middle of it
            enough = life.without and time.monotonic() - started > ENOUGH_SECONDS
            if enough or all(_is_parked(row) if parked else _is_at_rest(row) for row in rows):
                return

    async def work(hayon: Hayon) -> dict[str, Any]:
        while True:
            try:
                await hayon.database.write(_make_due, ids)
                break
            except DatabaseUnreachable:
                await hayon.database.write(end_stalled)  # one of those that stand still holds a row of ours
        await _do_duties(hayon, sweeping, until(hayon))
        ours = [] if watch.target_id is None else [watch.target_id]
        return {"seen": watch.seen, "told": await hayon.database.read(_told, ours)}

    return _live(life, watch, work)


def look(life: Life, target_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Where each target stands, with all its tries."""

    async def work(hayon: Hayon) -> list[dict[str, Any]]:
        return await hayon.database.read(_told, [UUID(one) for one in target_ids])

    told: list[dict[str, Any]] = _live(life, Watch(None, life.sandbox), work)
    return told


def longest_lease(life: Life) -> float:
    """How many of our own seconds until the last lease is over; 0 where none is held."""

    async def work(hayon: Hayon) -> float:
        last, now = await hayon.database.read(_last_lease)
        return 0.0 if last is None else max(0.0, (last - now).total_seconds() / PACE)

    left: float = _live(life, Watch(None, life.sandbox), work)
    return left


def _live(life: Life, watch: Watch, work: Callable[[Hayon], Awaitable[Any]]) -> Any:
    """One whole Hayon but the web, for the length of the work."""
    telemetry.set_up("json")
    databases.WRITERS = CONNECTIONS
    hurry()
    wiring.require_newest = _nothing
    follow(watch)
    if life.without == "intent":
        intending.commit_intent = commit_intent
    settings = Settings.read({name: value for name, value in life.environment.items() if value})
    # what is set to nothing: the environment cannot say so where there is a default
    nothing = {name.removeprefix(PREFIX).lower(): "" for name, value in life.environment.items() if not value}
    settings = dataclasses.replace(settings, **nothing)

    async def run() -> Any:
        database = WatchedDatabase(database_url(settings), watch, database_time(life.began))
        outgoing = WatchedOutgoing(
            watch, identity="Hayon/test", timeout_seconds=settings.call_deadline.total_seconds(),
            allow_private_addresses=True,
        )  # fmt: skip
        async with open_hayon(settings, database=database, outgoing=outgoing, migrating=False) as hayon:
            if life.without == "reconcile":
                for platform in hayon.platforms.values():
                    type(platform).reconcile = reconcile
            return await work(hayon)

    return asyncio.run(run())


def commit_intent(tx: Tx, claim: Claim, **_: Any) -> UUID:
    """In the place of the true one, whose name it bears: no intent is written."""
    return new_id(tx.now())


async def reconcile(*_: Any) -> Look:
    """In the place of an adapter's own: it does not look."""
    return Absent()


async def _do_duties(hayon: Hayon, sweeping: bool, until: Awaitable[None]) -> None:
    duties = [hayon.worker.run(), hayon.relay.ring(), *([hayon.relay.sweep()] if sweeping else [])]
    tasks = [asyncio.create_task(duty) for duty in duties]
    waiting = asyncio.ensure_future(until)
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    hayon.worker.stop()
    for task in tasks[1:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _nothing(_: str) -> None:
    """The group's database is a copy of one that was migrated a moment ago."""


async def _upload(hayon: Hayon, user_id: UUID, path: Path) -> UUID:
    mime = MIMES[path.suffix.removeprefix(".")]
    key = temp_key(user_id, mime)

    content = path.read_bytes()  # noqa: ASYNC240 - nothing else is under way in this child

    async def stream() -> AsyncIterator[bytes]:
        yield content

    await hayon.media.put(key, stream())
    found = await hayon.media.complete(key, mime)
    measured = {one.name: getattr(found, one.name) for one in dataclasses.fields(found)}
    one = Media(uuid4(), user_id, key, **measured)
    await hayon.database.write(media.insert_media, one)
    await hayon.database.write(media.complete_media, one)
    return one.id


def _insert_user(tx: Tx) -> UUID:
    now = tx.now()
    user_id = new_id(now)
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
    return user_id


def _find_target(tx: Tx, post_id: UUID) -> UUID:
    target_id: UUID = tx.value(sa.select(targets.c.id).where(targets.c.post_id == post_id))
    return target_id


def _make_due(tx: Tx, ids: Sequence[UUID]) -> None:
    """What a target at rest or at work is, it stays."""
    waiting = targets.c.status.in_([TargetStatus.PENDING, TargetStatus.UNCONFIRMED])
    tx.run(
        sa.update(targets).where(targets.c.id.in_(ids), waiting, targets.c.due_at.is_not(None)).values(due_at=tx.now())
    )


def _standing(tx: Tx, ids: Sequence[UUID]) -> Sequence[Any]:
    return tx.all(sa.select(targets.c.status, targets.c.due_at).where(targets.c.id.in_(ids)))


def _is_at_rest(row: Any) -> bool:
    return row.status in ENDED or (row.status == TargetStatus.UNCONFIRMED and row.due_at is None)


def _is_parked(row: Any) -> bool:
    return row.status in ENDED or row.status == TargetStatus.UNCONFIRMED


def _last_lease(tx: Tx) -> tuple[datetime | None, datetime]:
    last = tx.value(sa.select(sa.func.max(targets.c.lease_until)).where(targets.c.status == TargetStatus.PROCESSING))
    return last, tx.now()


def _told(tx: Tx, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    told = {
        row.id: {
            "target": str(row.id), "post": str(row.post_id), "status": row.status, "asked": row.due_at is None,
            "remote": row.remote_id, "message": row.message, "tries": [], "receipts": [],
        }
        for row in tx.all(sa.select(targets).where(targets.c.id.in_(ids)))
    }  # fmt: skip
    for row in tx.all(sa.select(attempts).where(attempts.c.target_id.in_(ids)).order_by(attempts.c.number)):
        intent = f"intent {row.handles} answered by {row.answered_by}; " if row.intent_at else ""
        told[row.target_id]["tries"].append(f"{row.number}. {intent}{row.ended}: {row.message}")
    for row in tx.all(sa.select(receipts).where(receipts.c.target_id.in_(ids))):
        told[row.target_id]["receipts"].append(row.remote_id)
    return [told[one] for one in ids]
