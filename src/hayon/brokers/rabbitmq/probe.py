"""The start-up probe: a message of our own through every way, so that a wiring mistake is found before a post is."""

import asyncio
import contextlib
from datetime import timedelta
from uuid import uuid4

from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import PublishError

from hayon.brokers.rabbitmq.connection import Link
from hayon.brokers.rabbitmq.topology import (
    DEAD_KEY,
    DEAD_LETTERS,
    DELAYED_EXCHANGE,
    DLX_EXCHANGE,
    PARKING_KEY,
    PARKING_LOT,
    POST_EXCHANGE,
    SOCIAL_POSTS,
    Topology,
    count,
)  # fmt: skip
from hayon.brokers.rabbitmq.wire import is_probe, key_of, write_probe

_LIVES = timedelta(milliseconds=50)  # also in a step of a day
_COMES_BACK_WITHIN_SECONDS = 5.0
_PROBE_KEY = key_of("probe")
_MEND = "Run `hayon broker setup`; where that does not help, stop Hayon and run `hayon broker migrate`."


async def probe(link: Link, topology: Topology) -> list[str]:
    """What does not arrive where it should, in words, with how to mend it. Raises BrokerUnreachable.

    A queue that holds messages is passed by: the first of them would hold the probe up, and its arguments were compared
    when it was declared. What comes back from a step reaches the listeners too, who drop it.
    """
    async with link.passing_channel(2 * _COMES_BACK_WITHIN_SECONDS) as channel:
        net = await channel.declare_queue("", exclusive=True, arguments={"x-queue-type": "classic"})
        wrong = await _probe_ends(channel)
        wrong += await _probe_ways_back(channel, net, topology)
        await net.delete(if_unused=False, if_empty=False)
    return wrong


async def _probe_ends(channel: AbstractChannel) -> list[str]:
    """What nobody else may catch: were there a second taker, a queue without its binding would not be noticed."""
    wrong = []
    if not await _is_taken(channel, POST_EXCHANGE, _PROBE_KEY, write_probe(_new_id())):
        wrong.append(_nobody_takes(POST_EXCHANGE, _PROBE_KEY, SOCIAL_POSTS))
    for key, queue in ((PARKING_KEY, PARKING_LOT), (DEAD_KEY, DEAD_LETTERS)):
        if (await count(channel, queue))[0]:
            continue
        if not await _is_taken(channel, DLX_EXCHANGE, key, write_probe(_new_id(), lives=_LIVES)):
            wrong.append(_nobody_takes(DLX_EXCHANGE, key, queue))
    return wrong


async def _probe_ways_back(channel: AbstractChannel, net: AbstractQueue, topology: Topology) -> list[str]:
    """Through every step, and the delayed exchange where there is one, into a net of our own."""
    steps = [*topology.retry, *topology.waiting]
    for returns in sorted({step.returns for step in steps}):
        await net.bind(POST_EXCHANGE, returns)
    sent: dict[str, tuple[str, str]] = {}  # by the probe's id: where it is, and what to say when it does not come
    wrong = []
    for step in steps:
        if (await count(channel, step.queue))[0]:
            continue
        probe_id = _new_id()
        if await _is_taken(channel, DLX_EXCHANGE, step.key, write_probe(probe_id, lives=_LIVES)):
            told = f"What waits in {step.queue} does not come back: it should return to {POST_EXCHANGE} under the key {step.returns}. {_MEND}"
            sent[probe_id] = (step.queue, told)
        else:
            wrong.append(_nobody_takes(DLX_EXCHANGE, step.key, step.queue))
    if topology.delayed:
        await net.bind(DELAYED_EXCHANGE, _PROBE_KEY)
        probe_id = _new_id()
        delayed = await channel.get_exchange(DELAYED_EXCHANGE, ensure=False)
        await delayed.publish(write_probe(probe_id, delay=_LIVES), _PROBE_KEY, mandatory=False)
        sent[probe_id] = ("", f"What is given to {DELAYED_EXCHANGE} does not come out of it. {_MEND}")
    for queue, told in (await _catch(net, sent)).values():
        if not queue or not (await count(channel, queue))[0]:  # else a bell came in before it, and holds it up
            wrong.append(told)
    return wrong


async def _catch(net: AbstractQueue, sent: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Those that did not come in time."""
    missing = dict(sent)
    all_back = asyncio.Event()

    async def take(message: AbstractIncomingMessage) -> None:
        if is_probe(message):
            missing.pop(message.message_id or "", None)
        if not missing:
            all_back.set()

    if missing:
        await net.consume(take, no_ack=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(all_back.wait(), _COMES_BACK_WITHIN_SECONDS)
    return missing


async def _is_taken(channel: AbstractChannel, exchange: str, key: str, message: Message) -> bool:
    try:
        await (await channel.get_exchange(exchange, ensure=False)).publish(message, key)
    except PublishError:
        return False
    return True


def _new_id() -> str:
    return f"probe.{uuid4().hex}"


def _nobody_takes(exchange: str, key: str, queue: str) -> str:
    return f"{exchange} hands what has the key {key} to no queue; {queue} should get it. {_MEND}"
