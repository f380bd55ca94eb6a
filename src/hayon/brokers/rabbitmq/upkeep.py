"""Setting the broker up and looking whether it is set up rightly: for `hayon broker` and `hayon doctor`, apart from the running house."""

import contextlib
from collections.abc import AsyncIterator

from hayon.brokers.rabbitmq.connection import Link
from hayon.brokers.rabbitmq.probe import probe
from hayon.brokers.rabbitmq.topology import (
    Exchange,
    Queue,
    Topology,
    declare,
    declare_exchange,
    declare_queue,
    exists,
    needs_plugin,
)  # fmt: skip
from hayon.errors import Misconfigured


async def setup(url: str, topology: Topology) -> None:
    """Makes what is missing and tries it out. Raises BrokerUnreachable; Misconfigured where something is there in another shape."""
    async with visiting(url) as link:
        await set_up(link, topology)
        if wrong := await probe(link, topology):
            raise Misconfigured(" ".join(wrong))


async def verify(url: str, topology: Topology) -> list[str]:
    """What is missing or wrong, one sentence each, with how to mend it; nothing is changed. Raises BrokerUnreachable, Misconfigured."""
    async with visiting(url) as link:
        parts: list[Exchange | Queue] = [*topology.exchanges, *topology.queues]
        wrong = [told for part in parts if (told := await find_fault(link, part))]
        return wrong or await probe(link, topology)


async def set_up(link: Link, topology: Topology) -> None:
    """Declares it all. Raises BrokerUnreachable, Misconfigured."""
    async with needs_plugin(topology), link.passing_channel() as channel:
        await declare(channel, topology)


async def find_fault(link: Link, part: Exchange | Queue) -> str:
    """What is wrong with it, in words; empty where it is as it should be."""
    queue, exchange = (part.name, "") if isinstance(part, Queue) else ("", part.name)
    if not await is_there(link, queue=queue, exchange=exchange):
        return f"The {'queue' if queue else 'exchange'} {part.name} is missing: run `hayon broker setup`."
    async with link.passing_channel() as channel:  # a refusal closes the channel
        try:
            if isinstance(part, Queue):
                await declare_queue(channel, part)
            else:
                await declare_exchange(channel, part)
        except Misconfigured as other:
            return str(other)
    return ""


async def is_there(link: Link, *, queue: str = "", exchange: str = "") -> bool:
    """Whether the broker knows it, in whatever shape."""
    async with link.passing_channel() as channel:
        return await exists(channel, queue=queue, exchange=exchange)


@contextlib.asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Link]:
    """A connection for the length of a `with`."""
    link = await Link.make(url, "hayon broker", lambda: None)
    try:
        yield link
    finally:
        await link.aclose()
