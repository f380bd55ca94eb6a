"""Bells by name, on a real RabbitMQ and PostgreSQL: rung in the row's turn, claimed as named, kept for later, replaced where lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest
import sqlalchemy as sa

from hayon.brokers.contract import Bell
from hayon.brokers.rabbitmq import RabbitMQ
from hayon.delivery.deliver import Delivery
from hayon.delivery.mirroring import Mirroring
from hayon.delivery.ringing import Ringing
from hayon.delivery.sources import FromBells
from hayon.delivery.submit import Handed
from hayon.delivery.worker import Worker
from hayon.domain.model import Content
from hayon.domain.pacing import Patience
from hayon.errors import Misconfigured, Rejected, Unavailable
from hayon.store import parking
from hayon.store.database import new_id
from hayon.store.schema import targets, users
from hayon.store.wakeups import Wakeups
from tests.delivery.scripted import Hand, House, open_house

STEPS = (timedelta(seconds=1), timedelta(seconds=2))
POLL = timedelta(milliseconds=100)
WITHIN = 15.0


class Live(Hand):
    """The true time."""

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @now.setter
    def now(self, _: datetime) -> None: ...


@dataclass
class Shape:
    """A heart with a broker: relay and worker run when they are started."""

    house: House
    broker: RabbitMQ
    ringing: Ringing
    worker: Worker
    mirroring: Mirroring
    wakeups: Wakeups
    url: str

    async def eventually(self, what: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(WITHIN):
            while not (found := await what()):  # noqa: ASYNC110 - what is waited for is in other processes
                await asyncio.sleep(0.02)
        return found

    async def has_status(self, post_id: UUID, status: str) -> None:
        async def look() -> bool:
            return bool((await self.house.target(post_id)).status == status)

        await self.eventually(look)

    @asynccontextmanager
    async def running(self, *duties: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(duty()) for duty in duties]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            _, pending = await asyncio.wait(tasks, timeout=5)
            for task in pending:
                task.print_stack()

    async def count(self, queue: str) -> int:
        connection = await aio_pika.connect(self.url)
        async with connection, connection.channel() as channel:
            found = await channel.declare_queue(queue, passive=True)
            return found.declaration_result.message_count or 0

    async def purge(self, queue: str) -> int:
        """The bells that wait there are lost."""
        connection = await aio_pika.connect(self.url)
        async with connection, connection.channel() as channel:
            found = await channel.get_queue(queue)
            return (await found.purge()).message_count or 0


@asynccontextmanager
async def open_shape(migrated_postgres_url: str, rabbitmq_url: str, via: str = "database") -> AsyncIterator[Shape]:
    async with open_house(migrated_postgres_url, clock=Live()) as house:
        house.platform.settles_within = timedelta(0)
        await house.connect("ann")
        wakeups = Wakeups(migrated_postgres_url)
        broker = RabbitMQ(rabbitmq_url, retry_steps=STEPS, waiting_steps=STEPS, schedule_via=via)
        ringing = Ringing(
            house.database, broker, ["scripted"], window=8, wait=timedelta(seconds=1), look_ahead=timedelta(seconds=2),
            poll=POLL, retry_steps=STEPS, schedule_via=via,
        )  # fmt: skip
        wakeups.add(ringing.wake)
        patience = replace(Patience(), steps=STEPS)
        delivery = Delivery(
            house.database, house.accounts, {"scripted": house.platform}, house.delivery._files, house.outgoing,
            house.times, patience,
        )  # fmt: skip
        source = FromBells(house.database, broker, ringing, wakeups, prefetch=50, lease=house.times.lease)
        worker = Worker(house.database, source, delivery, ["scripted"], poll=POLL, grace=timedelta(seconds=1))
        mirroring = Mirroring(house.database, broker, every=POLL)
        await broker.open()
        try:
            yield Shape(house, broker, ringing, worker, mirroring, wakeups, rabbitmq_url)
        finally:
            await broker.aclose()


@pytest.fixture(params=["database", "ttl"])
async def shape(request: pytest.FixtureRequest, migrated_postgres_url: str, rabbitmq_url: str) -> AsyncIterator[Shape]:
    """Each way of scheduling that this broker can."""
    async with open_shape(migrated_postgres_url, rabbitmq_url, request.param) as opened:
        yield opened


@pytest.fixture
async def plain(migrated_postgres_url: str, rabbitmq_url: str) -> AsyncIterator[Shape]:
    async with open_shape(migrated_postgres_url, rabbitmq_url) as opened:
        yield opened


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_what_is_due_is_rung_claimed_and_published(shape: Shape) -> None:
    post_id = await shape.house.submit("now")
    async with shape.running(shape.broker.keep, shape.ringing.run, shape.worker.run):
        await shape.has_status(post_id, "completed")
        await shape.eventually(lambda: _is_zero(shape, "hayon_social_posts"))
    assert len(shape.house.platform.ledger) == 1


async def test_a_scheduled_post_goes_out_when_it_is_due_and_not_before(shape: Shape) -> None:
    post_id = await shape.house.submit("later", scheduled_at=at(4.3))
    due_at = (await shape.house.target(post_id)).due_at
    async with shape.running(shape.broker.keep, shape.ringing.run, shape.worker.run):
        await shape.has_status(post_id, "completed")
    (copy,) = shape.house.platform.ledger
    assert copy.at >= due_at


async def test_scheduled_posts_wait_in_the_broker_where_it_rings_for_them(
    migrated_postgres_url: str, rabbitmq_url: str
) -> None:
    async with open_shape(migrated_postgres_url, rabbitmq_url, "ttl") as shape:
        await shape.house.submit("later", scheduled_at=at(600))
        async with shape.running(shape.broker.keep, shape.ringing.run):
            await shape.eventually(lambda: shape.count("hayon_waiting_room.2s"))


async def test_cancelled_edited_and_rescheduled_while_its_bell_waits(shape: Shape) -> None:
    house = shape.house
    cancelled = await house.submit("never", scheduled_at=at(3))
    edited = await house.submit("old words", scheduled_at=at(3.2))
    sooner = await house.submit("sooner", scheduled_at=at(86_000))
    async with shape.running(shape.broker.keep, shape.ringing.run, shape.worker.run):
        await asyncio.sleep(0.6)  # their bells are announced, or wait in the broker by now
        await house.submission.cancel(house.user_id, cancelled)
        for post_id, words, when in ((edited, "new words", at(3)), (sooner, "sooner", at(1))):
            handed = Handed(Content(words), platforms=("scripted",), scheduled_at=when)
            await house.submission.edit(house.user_id, post_id, handed)
        for post_id in (edited, sooner):
            await shape.has_status(post_id, "completed")
    assert {copy.text for copy in house.platform.ledger} == {"new words", "sooner"}
    assert (await house.target(cancelled)).status == "cancelled"


async def test_a_lost_bell_is_replaced(shape: Shape) -> None:
    post_id = await shape.house.submit("now")
    assert await shape.ringing.ring_due() == 1
    await shape.eventually(lambda: shape.purge("hayon_social_posts"))
    async with shape.running(shape.broker.keep, shape.ringing.run, shape.worker.run):
        await shape.has_status(post_id, "completed")
    assert (await shape.house.target(post_id)).ring >= 2


async def test_a_retry_waits_in_its_step_and_needs_no_relay(plain: Shape) -> None:
    plain.house.platform.preparing = [Unavailable("busy")]
    post_id = await plain.house.submit("again")
    await plain.ringing.ring_due()
    async with plain.running(plain.broker.keep, plain.worker.run):
        await plain.eventually(lambda: plain.count("hayon_retry_queue.1s"))
        await plain.has_status(post_id, "completed")
    assert (await plain.house.target(post_id)).tries == 1


async def test_one_authors_thousands_do_not_delay_anothers_single_post(plain: Shape) -> None:
    house = plain.house
    for number in range(12):
        account = await house.connect(f"mine{number}")
        for _ in range(25):
            await house.submit("one of many", str(account.id))
    other_id = await house.database.write(_add_person)
    account = await house.accounts.connect(other_id, "scripted", {"name": "other"})
    single = asyncio.Event()

    async def hand_in() -> None:
        while len(house.platform.ledger) < 20:  # noqa: ASYNC110 - the many are under way
            await asyncio.sleep(0.01)
        handed = Handed(Content("the single one"), account_ids=(str(account.id),))
        await house.submission.submit(other_id, handed)
        plain.wakeups.wake()
        before = len(house.platform.ledger)
        async with asyncio.timeout(WITHIN):
            while not [copy for copy in house.platform.ledger if copy.text == "the single one"]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        position = [copy.text for copy in house.platform.ledger].index("the single one")
        assert position - before < 60  # a window, and those that were in flight
        single.set()
        await asyncio.Event().wait()

    async with plain.running(plain.broker.keep, plain.ringing.run, plain.worker.run, hand_in):
        async with asyncio.timeout(60):
            await single.wait()


async def test_two_bells_for_one_target_claim_it_once(plain: Shape) -> None:
    post_id = await plain.house.submit("once")
    target = await plain.house.target(post_id)
    bell = Bell(post_id, target.id, target.user_id, "scripted", target.version, 1, datetime.now(UTC), "c")
    assert len(await plain.broker.ring([bell, replace(bell, ring=2), replace(bell, ring=3)])) == 3
    async with plain.running(plain.broker.keep, plain.worker.run):
        await plain.has_status(post_id, "completed")
        await plain.eventually(lambda: _is_zero(plain, "hayon_social_posts"))
    assert len(plain.house.platform.calls) == 1


async def test_an_early_bell_is_rung_again_only_if_it_is_the_newest(
    migrated_postgres_url: str, rabbitmq_url: str
) -> None:
    async with open_shape(migrated_postgres_url, rabbitmq_url, "ttl") as shape:
        post_id = await shape.house.submit("later", scheduled_at=at(900))
        target = await shape.house.target(post_id)
        bell = Bell(post_id, target.id, target.user_id, "scripted", target.version, 7, datetime.now(UTC), "c")
        assert not await shape.ringing.ring_again(bell, target.due_at, target.ring)
        assert await shape.ringing.ring_again(replace(bell, ring=0), target.due_at, 0)
        assert not await shape.ringing.ring_again(replace(bell, ring=0), target.due_at, 0)  # a newer one is under way
        assert (await shape.house.target(post_id)).ring == 1


async def test_while_the_database_is_away_bells_are_kept_and_none_is_given_up(
    plain: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back again and again, a bell would be taken for broken and land among the dead letters."""
    posts = [
        await plain.house.submit(f"post {number}", str((await plain.house.connect(f"a{number}")).id))
        for number in range(8)
    ]
    assert await plain.ringing.ring_due() == 8
    from hayon.errors import DatabaseUnreachable

    away = True
    write = plain.house.database.write

    async def fail(work: Any, *arguments: Any, **named: Any) -> Any:
        if away:
            raise DatabaseUnreachable("away")
        return await write(work, *arguments, **named)

    monkeypatch.setattr(plain.house.database, "write", fail)
    async with plain.running(plain.broker.keep, plain.worker.run):
        await asyncio.sleep(2)
        assert plain.house.platform.calls == []
        away = False
        for post_id in posts:
            await plain.has_status(post_id, "completed")
    assert await plain.broker.list_dead_letters() == []


async def test_a_failed_target_stands_in_the_parking_lot_until_it_is_retried(plain: Shape) -> None:
    plain.house.platform.preparing = [Rejected("never like this")]
    post_id = await plain.house.submit("refused")
    async with plain.running(plain.broker.keep, plain.ringing.run, plain.worker.run, plain.mirroring.run):
        await plain.has_status(post_id, "failed")
        await plain.eventually(plain.broker.count_parked)
        parked = await plain.house.database.read(parking.list_parked, plain.house.user_id)
        assert [row.post_id for row in parked] == [post_id]
        await plain.purge("hayon_parking_lot")
        await plain.house.submission.retry(plain.house.user_id, post_id)
        await plain.has_status(post_id, "completed")
        await plain.eventually(lambda: _nothing_unmirrored(plain))
    assert await plain.house.database.read(parking.list_parked, plain.house.user_id) == []


async def test_a_parking_lot_that_lost_its_mirror_is_written_anew(plain: Shape) -> None:
    plain.house.platform.preparing = [Rejected("no"), Rejected("no")]
    for name in ("bea", "cem"):
        await plain.house.submit("refused", str((await plain.house.connect(name)).id))
    await plain.house.deliver_due()
    while await plain.mirroring.mirror_once():
        pass
    assert await plain.eventually(plain.broker.count_parked) == 2
    await plain.purge("hayon_parking_lot")
    again = Mirroring(plain.house.database, plain.broker, every=POLL)  # as a relay that has a new link
    while await again.mirror_once():
        pass
    assert await plain.eventually(plain.broker.count_parked) == 2


async def test_a_broker_without_the_plugin_is_refused_where_the_plugin_is_chosen(
    migrated_postgres_url: str, rabbitmq_url: str
) -> None:
    with pytest.raises(Misconfigured, match="HAYON_SCHEDULE_VIA=plugin"):
        async with open_shape(migrated_postgres_url, rabbitmq_url, "plugin"):
            pass


async def _is_zero(shape: Shape, queue: str) -> bool:
    return await shape.count(queue) == 0


async def _nothing_unmirrored(shape: Shape) -> bool:
    rows = sa.select(targets.c.id).where(targets.c.mirrored)
    return not await shape.house.database.read(lambda tx: tx.all(rows))


def _add_person(tx: Any) -> UUID:
    user_id = new_id(tx.now())
    tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=tx.now()))
    return user_id
