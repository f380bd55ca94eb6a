"""RabbitMQ as the bell: rings in confirmed windows, listens, and keeps both connections up. No truth is kept there."""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from hayon.brokers.contract import Bell, DeadLetter, Heard, Parked, Through
from hayon.brokers.rabbitmq import letters
from hayon.brokers.rabbitmq.connection import Link, Refused, Sender
from hayon.brokers.rabbitmq.listening import Listener
from hayon.brokers.rabbitmq.probe import probe
from hayon.brokers.rabbitmq.topology import (
    DEAD_KEY,
    DEFAULT_WAITING_STEPS,
    DELAYED_EXCHANGE,
    DLX_EXCHANGE,
    PARKING_KEY,
    POST_EXCHANGE,
    SOCIAL_POSTS,
    Step,
    Topology,
    count,
    lay_out,
)  # fmt: skip
from hayon.brokers.rabbitmq.upkeep import set_up
from hayon.brokers.rabbitmq.wire import Envelope, key_of, write_bell, write_letter, write_parked
from hayon.errors import BrokerUnreachable, Misconfigured

LONGEST_BY_PLUGIN = timedelta(days=1)
_LOOK_EVERY_SECONDS = 10.0
_BEFORE_MENDING_SECONDS = 0.6
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 10.0


class RabbitMQ:
    """See hayon.brokers.contract.Broker. `tell` hears of what an operator may want to know: a word and its facts.

    Not `probing`: `open` tries nothing out, for whoever comes often and only asks; each probe leaves messages for workers.
    """

    by_name = True

    def __init__(
        self, url: str, *, retry_steps: Sequence[timedelta], waiting_steps: Sequence[timedelta] = DEFAULT_WAITING_STEPS,
        schedule_via: str = "database", parking_limit: int = 10_000, tell: Callable[..., Any] = lambda *_, **__: None,
        probing: bool = True,
    ) -> None:  # fmt: skip
        self._url = url
        self._topology = lay_out(retry_steps, waiting_steps, schedule_via, parking_limit)
        self._tell = tell
        self._probing = probing
        self._sender: Sender | None = None
        self._listener: Listener | None = None
        self._prefetch: int | None = None
        self._links = self._failures = 0
        self._mending = asyncio.Lock()
        self._stirred = asyncio.Event()  # for keep: a link was lost, or is wanted
        self._hearing: set[asyncio.Event] = set()
        self._woken = self._tried_out = False
        self._parking_lot, self._dead_letters = letters.parking_lot(), letters.dead_letters()

    @property
    def links(self) -> int:
        """How often the link for ringing was made."""
        return self._links

    @property
    def topology(self) -> Topology:
        """All that has to be there, as these settings want it."""
        return self._topology

    async def open(self) -> None:
        """See Broker.open; a probe goes through every way. Raises BrokerUnreachable, Misconfigured."""
        self._tried_out = not self._probing
        try:
            await self._mend()
        except BaseException:
            await self.aclose()
            raise

    async def keep(self) -> None:
        """See Broker.keep. Raises Misconfigured where what was set up is there in another shape after a reconnect."""
        while True:
            self._stirred.clear()
            try:
                await self._mend()
            except (BrokerUnreachable, Refused) as error:
                self._failures += 1
                self._tell("broker.unreachable", level="warning", reason=str(error), tries=self._failures)
                await _wait_a_while(min(_FIRST_WAIT_SECONDS * 2 ** min(self._failures, 10), _LONGEST_WAIT_SECONDS))
                continue
            self._failures = 0
            try:
                async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                    await self._stirred.wait()
            except TimeoutError:
                await self._look()
            else:
                # Not at once: what is made and lost at once would be made for ever, and where a queue was deleted and declared
                # again within milliseconds the broker forgets to end those who listened (seen on 3.10): they hear nothing more.
                await _wait_a_while(_BEFORE_MENDING_SECONDS)

    async def aclose(self) -> None:
        """See Broker.aclose; `keep` is cancelled before. It may be opened again."""
        self._prefetch = None
        async with self._mending:
            for link in [part.link for part in (self._listener, self._sender) if part is not None]:
                await link.aclose()
            self._listener = self._sender = None

    async def ring(self, bells: Sequence[Bell]) -> list[Bell]:
        """See Broker.ring."""
        confirmed = await self._ringing.send(
            [Envelope(POST_EXCHANGE, key_of(bell.platform), write_bell(bell)) for bell in bells]
        )
        return [bell for bell, word in zip(bells, confirmed, strict=True) if word]

    async def ring_later(self, bell: Bell, delay: timedelta, through: Through) -> bool:
        """See Broker.ring_later. Raises ValueError for the delayed exchange and more than a day (it fires at once beyond 49)."""
        if through is Through.PLUGIN:
            if delay > LONGEST_BY_PLUGIN:
                raise ValueError("the delayed message exchange holds nothing for longer than a day")
            if not self._topology.delayed:
                return False
            # That exchange reports every delayed message as unroutable, although it delivers it later.
            message = write_bell(bell, delay=max(delay, timedelta(0)))
            envelope = Envelope(DELAYED_EXCHANGE, key_of(bell.platform), message, mandatory=False)
        else:
            step = self._find_step(delay, through)
            if step is None:
                return False
            envelope = Envelope(DLX_EXCHANGE, step.key, write_bell(bell))
        await self._send_surely([envelope])
        return True

    async def start_listening(self, prefetch: int) -> None:
        """See Broker.start_listening. Raises nothing where there is no link: `keep` does it as soon as there is one."""
        self._prefetch = prefetch
        async with self._mending:
            try:
                await self._connect_for_listening()
            except (BrokerUnreachable, Refused):
                self._stirred.set()

    async def stop_listening(self) -> None:
        """See Broker.stop_listening."""
        self._prefetch = None
        async with self._mending:
            if self._listener is not None and not self._listener.link.lost:
                await self._listener.stop()

    async def hear(self, seconds: float) -> list[Heard]:
        """See Broker.hear."""
        stirred = asyncio.Event()
        self._hearing.add(stirred)
        try:
            heard = self._take_unheard()
            if not heard and not self._woken:
                async with asyncio.timeout(max(seconds, 0)):
                    await stirred.wait()
                heard = self._take_unheard()
            self._woken = False
        except TimeoutError:
            heard = self._take_unheard()
            if not heard and self._prefetch is not None and (self._listener is None or self._listener.link.lost):
                raise BrokerUnreachable("The broker cannot be reached: nobody rings.") from None
        finally:
            self._hearing.discard(stirred)
        return heard

    def wake(self) -> None:
        """See Broker.wake; where nobody waits, the next look returns at once."""
        self._woken = True
        self._stir()

    async def count_waiting(self) -> int:
        """See Broker.count_waiting."""
        link = self._ringing.link
        try:
            async with link.passing_channel() as channel:
                return (await count(channel, SOCIAL_POSTS))[0]
        except BrokerUnreachable:
            if not link.lost and not link.blocked:
                link.give_up(f"{SOCIAL_POSTS} could not be counted")  # where it is gone, it is set up again
            raise

    async def park(self, parked: Collection[Parked]) -> None:
        """See Broker.park."""
        await self._send_surely([Envelope(DLX_EXCHANGE, PARKING_KEY, write_parked(one)) for one in parked])

    async def unpark(self, target_ids: Collection[UUID]) -> int:
        """See Broker.unpark."""
        return await letters.unpark(self._parking_lot, self._ringing.link, target_ids)

    async def count_parked(self) -> int:
        """See Broker.count_parked."""
        return await self._parking_lot.count(self._ringing.link)

    async def list_dead_letters(self, most: int = 100) -> list[DeadLetter]:
        """See Broker.list_dead_letters."""
        return await letters.list_dead(self._dead_letters, self._ringing.link, most)

    async def replay_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """See Broker.replay_dead_letters."""
        return await letters.replay_dead(self._dead_letters, self._ringing.link, letter_ids, self.ring)

    async def discard_dead_letters(self, letter_ids: Collection[str]) -> list[str]:
        """See Broker.discard_dead_letters."""
        return await letters.discard_dead(self._dead_letters, self._ringing.link, letter_ids)

    @property
    def _ringing(self) -> Sender:
        if self._sender is None:
            raise BrokerUnreachable("The broker cannot be reached: there is no connection.")
        return self._sender

    async def _send_surely(self, envelopes: Sequence[Envelope]) -> None:
        if envelopes and not all(await self._ringing.send(envelopes)):
            raise BrokerUnreachable("The broker did not take it.")

    async def _mend(self) -> None:
        async with self._mending:
            if self._sender is None or self._sender.link.lost:
                await self._connect_for_ringing()
            if not self._tried_out:  # also where the broker was away when we were opened
                await self._try_out()
            await self._connect_for_listening()

    async def _connect_for_ringing(self) -> None:
        if self._sender is not None:
            await self._sender.link.aclose()
        link = await self._make_link("hayon rings")
        self._sender = Sender(link, await link.channel(vital=True), self._returned)
        self._links += 1
        self._tell("broker.connected", link="ringing", links=self._links)

    async def _try_out(self) -> None:
        if wrong := await probe(self._ringing.link, self._topology):
            raise Misconfigured(" ".join(wrong))
        self._tried_out = True

    async def _connect_for_listening(self) -> None:
        prefetch = self._prefetch
        if prefetch is None or (self._listener is not None and self._listener.listening):
            return
        if self._listener is None or self._listener.link.lost:
            link = await self._make_link("hayon listens")
            self._listener = Listener(link, await link.channel(vital=True), self._stir, self._bury)
        await self._listener.start(prefetch)

    async def _make_link(self, name: str) -> Link:
        """Connected, with all that is needed declared: whoever comes first after a wiped broker sets it up."""
        link = await Link.make(self._url, name, self._lost)
        try:
            await set_up(link, self._topology)
        except BaseException:
            await link.aclose()
            raise
        return link

    def _lost(self) -> None:
        self._stirred.set()
        if self._listener is not None and self._listener.ended_by_the_broker and self._sender is not None:
            # The queue was deleted, and its bells with it: the number of links has to tell, once.
            self._listener.ended_by_the_broker = False
            self._sender.link.give_up("the queue of bells was taken away")

    def _returned(self, how_many: int) -> None:
        self._tell("bell.unroutable", level="warning", how_many=how_many)

    async def _look(self) -> None:
        try:
            if self._listener is not None and not self._listener.link.lost:
                await self._listener.look()
            await self.count_waiting()
        except BrokerUnreachable:
            self._stirred.set()

    def _take_unheard(self) -> list[Heard]:
        return list(self._listener.take_unheard()) if self._listener is not None else []

    def _stir(self) -> None:
        for waiting in self._hearing:
            waiting.set()

    async def _bury(self, message: AbstractIncomingMessage, reason: str) -> None:
        await self._send_surely([Envelope(DLX_EXCHANGE, DEAD_KEY, write_letter(message, reason))])
        self._tell("letter.died", level="warning", reason=reason)

    def _find_step(self, delay: timedelta, through: Through) -> Step | None:
        if through is Through.RETRY:
            return next((step for step in self._topology.retry if step.delay >= delay), None)
        return next((step for step in reversed(self._topology.waiting) if step.delay <= delay), None)


async def _wait_a_while(longest: float) -> None:
    """Not all processes at once."""
    await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
