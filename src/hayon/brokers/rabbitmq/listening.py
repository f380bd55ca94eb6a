"""One consumer of hayon_social_posts: what was delivered and not done. Reconnecting is its owner's business."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from hayon.brokers.contract import Bell
from hayon.brokers.rabbitmq.connection import Link, bounded
from hayon.brokers.rabbitmq.topology import SOCIAL_POSTS, count
from hayon.brokers.rabbitmq.wire import Unreadable, is_probe, read_bell
from hayon.errors import BrokerUnreachable

MOST_HELD = 2_000  # a quorum queue hands out no more at once (its documentation: consumer prefetch)
_LOOKS_WITHOUT_A_BELL = 2
_REQUEUE_AFTER_SECONDS = 1.0
_RENEW_AFTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RabbitHeard:
    """A bell that was delivered and is not acknowledged yet."""

    bell: Bell
    redelivered: bool
    acknowledge: Callable[[], Awaitable[None]]

    async def done(self) -> None:
        """Acknowledges it. Where the link is gone the bell comes again, to us or another."""
        await self.acknowledge()


class Listener:
    """Consumes on a channel of its own. `on_bell` is called for each arrival; `bury` stores what cannot be read, and may fail."""

    def __init__(
        self, link: Link, channel: AbstractChannel,
        on_bell: Callable[[], None], bury: Callable[[AbstractIncomingMessage, str], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.link = link
        self._channel = channel
        self._prefetch = 0
        self._on_bell = on_bell
        self._bury = bury
        self._tag: str | None = None
        self.ended_by_the_broker = False
        self._unheard: deque[tuple[RabbitHeard, AbstractIncomingMessage]] = deque()
        self._held: set[int] = set()  # delivery tags
        self._arrived = self._arrived_before = self._looks_without = 0
        self._heard_at = time.monotonic()
        self._burying: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        """Whether bells come, as far as we know."""
        return self._tag is not None and not self.link.lost

    async def start(self, prefetch: int) -> None:
        """Also again after `stop`. Raises BrokerUnreachable."""
        self._prefetch = min(prefetch, MOST_HELD)
        self._heard_at = time.monotonic()
        async with self.link.bounded():
            underlay = await self._channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(self._cancelled)
            await self._channel.set_qos(prefetch_count=self._prefetch)
            queue = await self._channel.get_queue(SOCIAL_POSTS, ensure=False)
            self._tag = await queue.consume(self._take)

    def take_unheard(self) -> list[RabbitHeard]:
        """What arrived since; each is the caller's now."""
        if self.link.lost:
            self._unheard.clear()  # they come again, to us or to others
        heard = [heard for heard, _ in self._unheard]
        self._unheard.clear()
        return heard

    async def stop(self) -> None:
        """No new ones; those that nobody took go back to the queue. Raises BrokerUnreachable."""
        tag, self._tag = self._tag, None
        if tag is None:
            return
        async with self.link.bounded():
            queue = await self._channel.get_queue(SOCIAL_POSTS, ensure=False)
            await queue.cancel(tag)
            while self._unheard:
                _, message = self._unheard.popleft()
                self._let_go(message)
                await message.nack(requeue=True)

    async def look(self) -> None:
        """Compares what the broker believes with what we believe. Raises BrokerUnreachable; gives the link up where they differ."""
        if self._tag is None:
            return
        async with self.link.passing_channel() as channel:
            ready, consumers = await count(channel, SOCIAL_POSTS)
        silent = ready > 0 and len(self._held) < self._prefetch and self._arrived == self._arrived_before
        self._looks_without = self._looks_without + 1 if silent else 0
        self._arrived_before = self._arrived
        if consumers == 0:
            self.link.give_up("the broker knows no listener, though we listen")
        elif self._looks_without >= _LOOKS_WITHOUT_A_BELL:
            self.link.give_up("bells wait, and the broker does not hand them to us")
        elif not self._held and time.monotonic() - self._heard_at > _RENEW_AFTER_SECONDS:
            self.link.give_up("nothing was heard for long, and a broker may forget who listens")

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._arrived += 1
        self._held.add(message.delivery_tag or 0)
        self._heard_at = time.monotonic()
        if is_probe(message):
            await self._acknowledge(message)
            return
        try:
            bell = read_bell(message)
        except Unreadable as unreadable:
            task = asyncio.create_task(self._put_away(message, str(unreadable)))
            self._burying.add(task)
            task.add_done_callback(self._burying.discard)
            return
        heard = RabbitHeard(bell, bool(message.redelivered), lambda: self._acknowledge(message))
        self._unheard.append((heard, message))
        self._on_bell()

    async def _acknowledge(self, message: AbstractIncomingMessage) -> None:
        if not self._let_go(message):
            return  # a second acknowledgement would end the channel
        with contextlib.suppress(BrokerUnreachable):
            async with bounded():
                await message.ack()

    async def _put_away(self, message: AbstractIncomingMessage, why: str) -> None:
        """A copy with the reason first, then the original goes; where that fails it comes again, and at last the limit takes it."""
        try:
            await self._bury(message, why)
        except BrokerUnreachable:
            await asyncio.sleep(_REQUEUE_AFTER_SECONDS)
            self._let_go(message)
            with contextlib.suppress(BrokerUnreachable):
                async with bounded():
                    await message.nack(requeue=True)
        else:
            await self._acknowledge(message)

    def _let_go(self, message: AbstractIncomingMessage) -> bool:
        """Whether it was still ours."""
        held = message.delivery_tag in self._held
        self._held.discard(message.delivery_tag or 0)
        return held

    def _cancelled(self, _frame: object) -> None:
        self.ended_by_the_broker = True
        self.link.give_up("the broker ended our listening")
