"""RabbitMQ's own way of delaying, as a contestant: each message waits in one queue for its own time to live, then goes to workers.

It stands beside the schedules to show what such a queue does with messages of mixed delays: one leaves only when it is at
the head. Nothing of Hayon is in it. `python -m bench.ttl` is its worker.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aio_pika
import aiohttp
import uvloop
from pamqp.common import FieldTable
from tests.servers.processes import Process, start

from bench.call import PATH, body_of, headers_of
from bench.contest import Job, Profile, Work
from bench.servers import Servers

WAITING, DUE = "waiting", "due"
QUORUM: FieldTable = {"x-queue-type": "quorum"}
AT_ONCE = 500
"""How many messages are on their way to their confirms together."""


@dataclass(frozen=True)
class Waiting:
    """Messages of mixed times to live in one quorum queue. Its outcome is the acknowledged message, and nothing else is stored."""

    servers: Servers
    name: str = "RabbitMQ, time to live of each message"
    profiles: Sequence[Profile] = (Profile.DOCUMENTED,)
    parts: Sequence[str] = ("schedule",)
    most_behind: int = 0
    """What is due in a year would stand at the head of its queue for a year."""

    def preparing_seconds(self, work: Work) -> float:
        """Publishing, and a start."""
        return 4 + len(work.jobs) / 1500

    @asynccontextmanager
    async def stage(self, work: Work, profile: Profile) -> AsyncIterator["StagedWaiting"]:
        """Publishes every job with the time that it has left."""
        if profile not in self.profiles:
            raise ValueError(f"{self.name} runs in {self.profiles[0]} only")
        with self.servers.vhost() as vhost, TemporaryDirectory(prefix="hayon-bench-") as folder:
            url = self.servers.rabbitmq.url(vhost)
            connection = await aio_pika.connect(url)
            async with connection:
                channel = await connection.channel()
                onward: FieldTable = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DUE, "x-overflow": "reject-publish",
                          "x-dead-letter-strategy": "at-least-once"}  # fmt: skip
                due = await channel.declare_queue(DUE, durable=True, arguments=QUORUM)
                await channel.declare_queue(WAITING, durable=True, arguments={**QUORUM, **onward})
                staged = StagedWaiting(work, url, Path(folder), channel, due)
                for begin in range(0, len(work.jobs), AT_ONCE):
                    await asyncio.gather(*map(staged.add, work.jobs[begin : begin + AT_ONCE]))
                try:
                    yield staged
                finally:
                    for process in staged.started:
                        await asyncio.to_thread(process.kill9)


@dataclass
class StagedWaiting:
    """Its messages lie in the queue that delays."""

    work: Work
    url: str
    folder: Path
    channel: aio_pika.abc.AbstractChannel
    due: aio_pika.abc.AbstractQueue
    started: list[Process] = field(default_factory=list)

    async def start(self) -> None:
        """Starts the workers."""
        for number in range(self.work.workers):
            command = [sys.executable, "-m", "bench.ttl", self.url, self.work.ledger_url, str(self.work.in_flight)]
            self.started.append(await asyncio.to_thread(start, command, log=self.folder / f"worker-{number}"))

    async def add(self, job: Job) -> None:
        """Publishes it, confirmed."""
        left = max(0.0, job.due_at - time.time())
        message = aio_pika.Message(
            json.dumps([job.name, job.account]).encode(),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            expiration=left,
        )
        await self.channel.default_exchange.publish(message, WAITING)

    async def count_outcomes(self) -> int:
        """Messages that are neither waiting nor due any more are acknowledged; those in hand are not told apart."""
        left = sum([
            (await self.channel.declare_queue(name, passive=True)).declaration_result.message_count or 0
            for name in (WAITING, DUE)
        ])  # fmt: skip
        return len(self.work.jobs) - left

    def pids(self) -> Sequence[int]:
        """Its workers."""
        return [one.pid for one in self.started if one.running]


async def _work(url: str, ledger_url: str, in_flight: int) -> None:
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=in_flight)
    queue = await channel.get_queue(DUE)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight))

    async def carry(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        name, account = json.loads(message.body)
        async with session.post(ledger_url + PATH, data=body_of(name), headers=headers_of(name, account)) as answer:
            answer.raise_for_status()
            await answer.read()
        await message.ack()

    await queue.consume(carry)
    print(json.dumps({"pid": os.getpid()}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
