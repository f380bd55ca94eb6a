"""The job on Taskiq with taskiq-aio-pika, and its producer: `taskiq worker bench.peers.on_taskiq:broker`, `… -m bench.peers.run on_taskiq produce`.

Sources: the documentation of Taskiq 0.13 and the README of taskiq-aio-pika 0.6, by heading.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Queue

from bench.contest import Job
from bench.peers.handing import in_parts, seconds_until, serve_async
from bench.peers.job import AsyncJob, given, open_job

TOGETHER = 500
"""Calls of the producer under way at once. Each waits for its confirm, which aio-pika always asks for."""

# what is dead-lettered from a queue of this type is safe only so (RabbitMQ: quorum-queues, "At-Least-Once Dead Lettering")
_SAFE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}

broker = AioPikaBroker(
    given().broker_url,
    # 10 by default, whatever --max-async-tasks says
    qos=2 * given().in_flight,
    # queues are quorum queues by default
    task_queues=[Queue(name="jobs")],
    # "Default delays": the other way needs a plugin that ended with RabbitMQ 4.2
    delay_queue=Queue(name="jobs.delay", arguments=_SAFE if given().stores else {}),
)
_jobs: list[AsyncJob] = []
_open = contextlib.AsyncExitStack()


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _start(_: TaskiqState) -> None:
    _jobs.append(await _open.enter_async_context(open_job()))
    given().ready()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def _stop(_: TaskiqState) -> None:
    await _open.aclose()


@broker.task(task_name="publish")
async def publish(name: str, account: int) -> None:
    await _jobs[0].do(name, account)


async def hand_in(jobs: Sequence[Job]) -> None:
    """Those that are due first go first: in the delay queue nothing overtakes."""
    for part in in_parts(sorted(jobs, key=lambda one: one.due_at), TOGETHER):
        await asyncio.gather(*(_hand_in_one(one) for one in part))


async def _hand_in_one(job: Job) -> None:
    left = seconds_until(job)
    kicker = publish.kicker().with_labels(delay=left) if left > 0 else publish.kicker()
    await kicker.kiq(job.name, job.account)


async def produce() -> None:
    """The producer."""
    await broker.startup()
    await serve_async(hand_in)
    await broker.shutdown()
