"""The parking lot and the dead letters: looked at without taking them, and taken out one by one. One looker at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelLockedResource

from hayon.brokers.contract import Bell, DeadLetter
from hayon.brokers.rabbitmq.connection import Link
from hayon.brokers.rabbitmq.listening import MOST_HELD
from hayon.brokers.rabbitmq.topology import DEAD_LETTERS, PARKING_LOT, count
from hayon.brokers.rabbitmq.wire import find_parked_target, is_probe, read_letter
from hayon.errors import BrokerUnreachable

_LOOK_WITHIN_SECONDS = 60.0
_TRY_AGAIN_SECONDS = 0.1
_SILENCE_SECONDS = 2.0


class Drawer:
    """One queue of letters. While somebody looks at them they are out of the queue, so only one may look, of all processes."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._here = asyncio.Lock()

    async def count(self, link: Link) -> int:
        """How many lie there; waits for whoever looks at them."""
        async with self._alone(link):
            return await self._count(link)

    async def look(
        self, link: Link, choose: Callable[[list[AbstractIncomingMessage]], Awaitable[list[AbstractIncomingMessage]]]
    ) -> None:
        """Shows `choose` all of them; those it returns are dropped, the others stay where they are.

        All, for a queue puts what is given back behind what was given back before: a look at a few would mix them up.
        """
        async with self._alone(link), contextlib.AsyncExitStack() as taken:
            letters: list[AbstractIncomingMessage] = []
            rest = await self._count(link)
            while rest > 0 and (some := await self._take_some(taken, link, min(rest, MOST_HELD))):
                letters += some
                rest -= len(some)
            dropped = await choose([letter for letter in letters if not is_probe(letter)])
            async with link.bounded(_LOOK_WITHIN_SECONDS):
                for letter in [*dropped, *filter(is_probe, letters)]:
                    await letter.ack()
                for letter in letters:
                    if not letter.processed:
                        await letter.nack(requeue=True)

    async def _count(self, link: Link) -> int:
        async with link.passing_channel() as channel:
            return (await count(channel, self._queue))[0]

    async def _take_some(
        self, taken: contextlib.AsyncExitStack, link: Link, how_many: int
    ) -> list[AbstractIncomingMessage]:
        """On a channel of their own, for a queue hands out only so many to one."""
        channel = await taken.enter_async_context(link.passing_channel(_LOOK_WITHIN_SECONDS))
        arrivals: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await channel.set_qos(prefetch_count=how_many)
        queue = await channel.get_queue(self._queue, ensure=False)
        tag = await queue.consume(arrivals.put)
        some: list[AbstractIncomingMessage] = []
        with contextlib.suppress(TimeoutError):
            while len(some) < how_many:
                some.append(await asyncio.wait_for(arrivals.get(), _SILENCE_SECONDS))
        await queue.cancel(tag)
        return some

    @contextlib.asynccontextmanager
    async def _alone(self, link: Link) -> AsyncIterator[None]:
        """An exclusive queue is a lock among connections: it goes with the connection of its owner."""
        async with self._here:
            lock = f"{self._queue}.in_use"
            until = asyncio.get_running_loop().time() + _LOOK_WITHIN_SECONDS
            while not await self._locked(link, lock):
                if asyncio.get_running_loop().time() > until:
                    raise BrokerUnreachable(f"Somebody else looks at {self._queue} for too long.")
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
            try:
                yield
            finally:
                with contextlib.suppress(BrokerUnreachable):
                    async with link.passing_channel() as channel:
                        await (await channel.get_queue(lock, ensure=False)).delete(if_unused=False, if_empty=False)

    async def _locked(self, link: Link, lock: str) -> bool:
        async with link.passing_channel() as channel:
            try:
                await channel.declare_queue(lock, exclusive=True, arguments={"x-queue-type": "classic"})
            except ChannelLockedResource:
                return False
            return True


async def unpark(drawer: Drawer, link: Link, target_ids: Collection[UUID]) -> int:
    """Drops the mirrors of these. How many of them were there."""
    wanted = set(target_ids)
    found: set[UUID] = set()

    async def choose(letters: list[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        chosen = []
        for letter in letters:
            if (target_id := find_parked_target(letter)) in wanted and target_id is not None:
                found.add(target_id)
                chosen.append(letter)
        return chosen

    if wanted:
        await drawer.look(link, choose)
    return len(found)


async def list_dead(drawer: Drawer, link: Link, most: int) -> list[DeadLetter]:
    """The oldest first."""
    shown: list[DeadLetter] = []

    async def choose(letters: list[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        shown.extend(read_letter(letter) for letter in letters)
        return []

    await drawer.look(link, choose)
    return shown[:most]


async def discard_dead(drawer: Drawer, link: Link, letter_ids: Collection[str]) -> list[str]:
    """Which were there and are gone."""
    wanted = set(letter_ids)
    gone: list[str] = []

    async def choose(letters: list[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        chosen = [letter for letter in letters if read_letter(letter).letter_id in wanted]
        gone.extend(read_letter(letter).letter_id for letter in chosen)
        return chosen

    if wanted:
        await drawer.look(link, choose)
    return list(dict.fromkeys(gone))


async def replay_dead(
    drawer: Drawer, link: Link, letter_ids: Collection[str],
    ring: Callable[[Sequence[Bell]], Awaitable[list[Bell]]],
) -> list[str]:  # fmt: skip
    """Which were rung. A letter is dropped after the broker gave its word for its bell, so a crash between rings it twice."""
    wanted = set(letter_ids)
    rung: list[str] = []

    async def choose(letters: list[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        readable = [
            (letter, told.letter_id, told.bell)
            for letter in letters
            if (told := read_letter(letter)).letter_id in wanted and told.bell is not None
        ]
        confirmed = await ring([bell for _, _, bell in readable]) if readable else []
        chosen = [(letter, letter_id) for letter, letter_id, bell in readable if bell in confirmed]
        rung.extend(letter_id for _, letter_id in chosen)
        return [letter for letter, _ in chosen]

    if wanted:
        await drawer.look(link, choose)
    return list(dict.fromkeys(rung))


def parking_lot() -> Drawer:
    """Mirrors of failed targets."""
    return Drawer(PARKING_LOT)


def dead_letters() -> Drawer:
    """What could not be read, or came back too often."""
    return Drawer(DEAD_LETTERS)
