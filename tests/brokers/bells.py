"""Bells and brokers for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from hayon.brokers.contract import Bell, Broker, Heard, Parked
from hayon.brokers.rabbitmq import RabbitMQ
from hayon.errors import BrokerUnreachable

T = TypeVar("T")
B = TypeVar("B", bound=Broker)
RETRY_STEPS = (timedelta(milliseconds=300), timedelta(seconds=1))
WAITING_STEPS = (timedelta(milliseconds=300), timedelta(seconds=1))


def make_bell(platform: str = "bluesky", **other: object) -> Bell:
    made = Bell(
        post_id=uuid4(), target_id=uuid4(), user_id=uuid4(), platform=platform, version=3, ring=7,
        timestamp=datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC), correlation_id="the-request",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )  # fmt: skip
    return replace(made, **other)


def make_parked(target_id: UUID | None = None, why: str = "it was refused") -> Parked:
    return Parked(uuid4(), target_id or uuid4(), uuid4(), "tumblr", 4, why, datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))


def make_rabbitmq(url: str, **options: object) -> RabbitMQ:
    settings: dict[str, object] = {"retry_steps": RETRY_STEPS, "waiting_steps": WAITING_STEPS, "schedule_via": "ttl"}
    return RabbitMQ(url, **settings | options)


@contextlib.asynccontextmanager
async def kept(broker: B) -> AsyncIterator[B]:
    """Opened and kept up for the length of a `with`, as a process does it."""
    await broker.open()
    keeping = asyncio.create_task(broker.keep())
    try:
        yield broker
        assert not keeping.done(), f"the duty ended: {keeping}"
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        await broker.aclose()


async def hear(broker: Broker, how_many: int, *, within: float = 20) -> list[Heard]:
    """So many bells, however many looks it takes. Those not heard in time are missing from the answer."""
    heard: list[Heard] = []
    deadline = asyncio.get_running_loop().time() + within
    while len(heard) < how_many and (left := deadline - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(BrokerUnreachable):
            heard += await broker.hear(left)
    return heard


async def hears_nothing(broker: Broker, seconds: float = 0.5) -> bool:
    return await hear(broker, 1, within=seconds) == []


async def until(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], *, within: float = 20) -> T:
    """Asks until the answer is the wanted one; the last answer. An unreachable broker is asked again."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        try:
            answer = await ask()
            if wanted(answer) or asyncio.get_running_loop().time() > deadline:
                return answer
        except BrokerUnreachable:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.05)
