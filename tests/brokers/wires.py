"""The tests' own hands on a broker: declares, sends and looks by plain aio-pika, apart from the code under test."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage


@contextlib.asynccontextmanager
async def plain_channel(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel on a connection of its own, with confirms and returns raised."""
    connection = await aio_pika.connect(url)
    try:
        yield await connection.channel(on_return_raises=True)
    finally:
        await connection.close()


async def send(url: str, exchange: str, key: str, body: bytes, **properties: Any) -> None:
    """One persistent message, confirmed. Raises where no queue takes it."""
    async with plain_channel(url) as channel:
        message = aio_pika.Message(body, delivery_mode=2, **properties)
        target = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
        await target.publish(message, key)


async def take_all(url: str, queue: str) -> list[AbstractIncomingMessage]:
    """What lies in a queue; it is empty afterwards."""
    async with plain_channel(url) as channel:
        lying = await channel.get_queue(queue, ensure=False)
        taken = []
        while (message := await lying.get(fail=False, no_ack=True)) is not None:
            taken.append(message)
        return taken
