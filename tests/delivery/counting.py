"""Platforms that count, and that tell what is left: the house of the tests of limits, and what one does in it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from hayon.delivery.deliver import Delivery
from hayon.delivery.sources import FromIndex
from hayon.delivery.worker import Worker
from hayon.errors import RateLimited
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Allowance, Credential, Parcel, Send
from hayon.store.schema import targets
from tests.delivery.scripted import House, Scripted

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@dataclass
class Counting(Scripted):
    """A platform that counts the posts of an account in a window that slides, refuses what is over, and can be asked."""

    has_quota: bool = True
    limit: int = 30
    elsewhere: list[datetime] = field(default_factory=list)
    refused: int = 0
    asked: list[UUID] = field(default_factory=list)
    while_asked: Callable[[], Awaitable[Any]] | None = None
    counts_first: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def used(self, account_id: UUID) -> int:
        own = [copy.at for copy in self.ledger if copy.account_id == account_id]
        return sum(1 for one in (*own, *self.elsewhere) if one > self.clock.now - DAY)

    async def allowances(self, account: Any, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        self.asked.append(account.id)
        before = self.used(account.id)
        if self.while_asked is not None:
            await self.while_asked()
        used = before if self.counts_first else self.used(account.id)
        return (Allowance("posts", max(0, self.limit - used), self.limit, 86_400),)

    async def publish(self, parcel: Parcel, handles: Any, send: Send) -> Any:
        if self.used(parcel.account.id) >= self.limit:
            self.refused += 1
            raise RateLimited("Too many posts.", proves_absence=True)
        return await super().publish(parcel, handles, send)


@dataclass
class Telling(Scripted):
    """A platform whose answers tell: it makes its call through `send`, to a door that answers with these words."""

    tells: list[Any] = field(default_factory=list)
    fails: bool = False
    heard: int = 0

    async def publish(self, parcel: Parcel, handles: Any, send: Send) -> Any:
        await send(Request("POST", "https://scripted.test/post"))
        return await super().publish(parcel, handles, send)

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        self.heard += 1
        if self.fails:
            raise ValueError("never raises, it was said")
        return self.tells.pop(0) if self.tells else ()


def delivery_to(house: House) -> Delivery:
    return Delivery(
        house.database, house.accounts, {"scripted": house.platform}, house.delivery._files, house.outgoing, house.times,
        house.patience,
    )  # fmt: skip


@asynccontextmanager
async def working(house: House, *, workers: int = 1) -> Any:
    """Real workers that take due rows in fair turns."""
    made = [
        Worker(
            house.database, FromIndex(house.database, house.broker, house.times.lease), house.delivery, ["scripted"],
            slots=4, lease=house.times.lease, poll=timedelta(milliseconds=20), grace=timedelta(seconds=5),
        ) for _ in range(workers)
    ]  # fmt: skip
    tasks = [asyncio.create_task(one.run()) for one in made]
    try:
        yield
    finally:
        for one in made:
            one.stop()
        await asyncio.gather(*tasks)


async def come_to_rest(house: House) -> list[Any]:
    """Until nothing is due and nothing in hand: all targets, by their due time."""
    async with asyncio.timeout(120):
        while True:
            rows = await every(house)
            if not any(row.status == "processing" or (row.status == "pending" and row.due_at <= house.clock.now)
                       for row in rows):  # fmt: skip
                return rows
            await asyncio.sleep(0.02)


async def every(house: House) -> list[Any]:
    return list(
        await house.database.read(lambda tx: tx.all(sa.select(targets).order_by(targets.c.due_at, targets.c.id)))
    )


async def one_by_one(house: House, most: int = 1000) -> int:
    """What one worker with one slot does until nothing is due. How many claims it took."""
    for number in range(most):
        claims = await house.claim(places=1)
        if not claims:
            return number
        house.clock.forward(1)
        await house.delivery.deliver(claims[0])
    raise AssertionError("it never came to rest")
