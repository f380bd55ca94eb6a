"""A consumer as a first draft has it: prefetch 1, each job done before the next is taken. Its worker and its producer."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import aio_pika
from aio_pika.abc import AbstractChannel

from bench.contest import Job
from bench.peers.handing import in_parts, seconds_until, serve_async
from bench.peers.job import given, open_job

QUEUE, WAITING = "jobs", "jobs.waiting"
TOGETHER = 100


async def work() -> None:
    """The worker."""
    connection = await aio_pika.connect_robust(given().broker_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=1)
    queue = await _declare(channel)
    async with open_job() as job, queue.iterator() as messages:
        given().ready()
        async for message in messages:
            async with message.process():
                await job.do(*json.loads(message.body))


async def produce() -> None:
    """The producer. What is due later waits in a queue where it expires, and is dead-lettered into the other."""
    connection = await aio_pika.connect_robust(given().broker_url)
    channel = await connection.channel()
    await _declare(channel)

    async def hand_in_one(job: Job) -> None:
        left = seconds_until(job)
        message = aio_pika.Message(
            json.dumps([job.name, job.account]).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            expiration=timedelta(seconds=left) if left > 0 else None,
        )  # fmt: skip
        await channel.default_exchange.publish(message, routing_key=WAITING if left > 0 else QUEUE)

    async def hand_in(jobs: Sequence[Job]) -> None:
        for part in in_parts(sorted(jobs, key=lambda one: one.due_at), TOGETHER):
            await asyncio.gather(*(hand_in_one(one) for one in part))

    await serve_async(hand_in)
    await connection.close()


async def _declare(channel: AbstractChannel) -> aio_pika.abc.AbstractQueue:
    kind = {"x-queue-type": "quorum" if given().stores else "classic"}
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": QUEUE}
    safe = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"} if given().stores else {}
    await channel.declare_queue(WAITING, durable=True, arguments=kind | back | safe)
    return await channel.declare_queue(QUEUE, durable=True, arguments=kind)
