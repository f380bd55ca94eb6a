"""Moves an older topology to the present one without losing a message. It can be killed anywhere and begun again."""

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelLockedResource

from hayon.brokers.rabbitmq.connection import Link, Sender
from hayon.brokers.rabbitmq.topology import (
    POST_EXCHANGE,
    RETRY,
    RETRY_RETURNS,
    WAITING,
    WAITING_RETURNS,
    Queue,
    Topology,
    bind,
    count,
    declare_exchange,
    declare_queue,
    needs_plugin,
    quorum_for_letters,
)  # fmt: skip
from hayon.brokers.rabbitmq.upkeep import find_fault, is_there, set_up, visiting
from hayon.brokers.rabbitmq.wire import Envelope, write_copy
from hayon.errors import BrokerUnreachable, Misconfigured

# Queues that are no more, and the key under which post_exchange takes what lies in them: a bell that comes early is rung again.
_FORMER = {RETRY: RETRY_RETURNS, WAITING: WAITING_RETURNS}
_LOCK = "hayon_migration"
_BATCH = 200


async def migrate(url: str, topology: Topology) -> list[str]:
    """What was done, in sentences; nothing where all is as it should be. Hayon has to be stopped. Raises BrokerUnreachable, and
    Misconfigured where somebody still listens.

    1. What lies in a queue of another shape is moved to a queue beside it, which then gets all that is new; the old one goes.
    2. Exchanges of another kind are made anew: nothing waits behind them any more that would expire into nothing.
    3. What should be there is declared.
    4. What was put aside comes back. Each message is confirmed in its new place before it leaves the old one.
    """
    async with visiting(url) as link:
        await _be_alone(link)
        sender = Sender(link, await link.channel(vital=True), lambda _: None)
        done: list[str] = []
        for queue in [*topology.queues, *(Queue(name, {}) for name in _FORMER)]:
            if await _is_old(link, queue):
                moved = await _put_aside(link, sender, topology, queue.name)
                done.append(f"{queue.name} was of another shape; {moved} messages were put aside.")
        done += await _renew_exchanges(link, topology)
        await set_up(link, topology)
        for name in [*(queue.name for queue in topology.queues), *_FORMER]:
            if await is_there(link, queue=_beside(name)):
                moved = await _bring_back(link, sender, topology, name)
                done.append(f"{moved} messages came back to {POST_EXCHANGE if name in _FORMER else name}.")
        return done


async def _be_alone(link: Link) -> None:
    try:
        async with link.passing_channel() as channel:
            await channel.declare_queue(_LOCK, exclusive=True, arguments={"x-queue-type": "classic"})
    except BrokerUnreachable as error:
        if isinstance(error.__cause__, ChannelLockedResource):
            raise Misconfigured("Another `hayon broker migrate` is at work here.") from error
        raise


async def _is_old(link: Link, queue: Queue) -> bool:
    if not await is_there(link, queue=queue.name):
        return False
    return queue.name in _FORMER or bool(await find_fault(link, queue))


async def _put_aside(link: Link, sender: Sender, topology: Topology, name: str) -> int:
    async with link.passing_channel() as channel:
        if (await count(channel, name))[1]:
            raise Misconfigured(f"Somebody listens at {name}: stop Hayon, then migrate.")
        await declare_queue(channel, Queue(_beside(name), quorum_for_letters()))
        old = await channel.get_queue(name, ensure=False)
        for binding in topology.bindings_of(name):
            if await is_there(link, exchange=binding.exchange):
                await bind(channel, type(binding)(binding.exchange, binding.key, _beside(name)))
                await old.unbind(binding.exchange, binding.key)
    moved = await _move(link, sender, name, "", _beside(name))
    await _delete(link, name)
    return moved


async def _renew_exchanges(link: Link, topology: Topology) -> list[str]:
    renewed = []
    for exchange in topology.exchanges:
        if await is_there(link, exchange=exchange.name) and await find_fault(link, exchange):
            async with needs_plugin(topology), link.passing_channel() as channel:
                await (await channel.get_exchange(exchange.name, ensure=False)).delete()
                await declare_exchange(channel, exchange)
            renewed.append(f"{exchange.name} was of another kind and was made anew.")
    return renewed


async def _bring_back(link: Link, sender: Sender, topology: Topology, name: str) -> int:
    async with link.passing_channel() as channel:
        beside = await channel.get_queue(_beside(name), ensure=False)
        for binding in topology.bindings_of(name):
            await beside.unbind(binding.exchange, binding.key)
    exchange, key = (POST_EXCHANGE, _FORMER[name]) if name in _FORMER else ("", name)
    moved = await _move(link, sender, _beside(name), exchange, key)
    await _delete(link, _beside(name))
    return moved


async def _move(link: Link, sender: Sender, source: str, exchange: str, key: str) -> int:
    """Until nothing is left. Killed between the word of the broker and the acknowledgement it leaves two of one, never none."""
    moved = 0
    while True:
        async with link.passing_channel() as channel:
            queue = await channel.get_queue(source, ensure=False)
            batch: list[AbstractIncomingMessage] = []
            while len(batch) < _BATCH and (message := await queue.get(fail=False)) is not None:
                batch.append(message)
            if not batch:
                return moved
            if not all(await sender.send([Envelope(exchange, key, write_copy(message)) for message in batch])):
                raise BrokerUnreachable(f"The broker did not take what was in {source}; nothing is lost, try again.")
            for original in batch:
                await original.ack()
            moved += len(batch)


async def _delete(link: Link, name: str) -> None:
    """Quorum queues know no `if empty`, so we ask before."""
    async with link.passing_channel() as channel:
        left, _ = await count(channel, name)
        if left:
            raise BrokerUnreachable(f"Something came into {name} meanwhile: nothing is lost, migrate again.")
        await (await channel.get_queue(name, ensure=False)).delete(if_unused=False, if_empty=False)


def _beside(name: str) -> str:
    return f"{name}.migrating"
