"""The job on Dramatiq, and its producer: `dramatiq bench.peers.on_dramatiq`, `python -m bench.peers.run on_dramatiq produce`.

Sources: Dramatiq's documentation of 2.2, by page and heading. Its actors may be coroutines too ("Asyncio Actors", cookbook);
tried with aiohttp and asyncpg, that took half as much processor time again as threads, so they are functions here.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Middleware

from bench.contest import Job
from bench.peers.handing import in_parts, seconds_until, serve
from bench.peers.job import PlainJob, given

PRODUCERS = 8

_jobs: list[PlainJob] = []


class Telling(Middleware):
    """Opens the job's connections in each worker process, and tells when it is ready."""

    def before_worker_boot(self, *_: Any) -> None:
        _jobs.append(PlainJob())

    def after_worker_boot(self, *_: Any) -> None:
        given().ready()


# "confirm_delivery", reference, RabbitmqBroker. Its queues are durable and classic: it cannot be told to make others
# (Bogdanp/dramatiq, pull request 871). It acknowledges after the work in any case ("Message Persistence", advanced).
broker = RabbitmqBroker(url=given().broker_url, confirm_delivery=given().stores)
broker.add_middleware(Telling())
dramatiq.set_broker(broker)


@dramatiq.actor
def publish(name: str, account: int) -> None:
    _jobs[0].do(name, account)


def hand_in(jobs: Sequence[Job], threads: ThreadPoolExecutor) -> None:
    """Each with its own call: Dramatiq has none for many. Each thread has a connection of its own."""
    for part in in_parts(jobs, 10_000):
        list(threads.map(_hand_in_one, part))


def _hand_in_one(job: Job) -> None:
    left = seconds_until(job)
    delay = max(1, round(left * 1000)) if left > 0 else None  # "Scheduling Messages", guide: in milliseconds
    publish.send_with_options(args=(job.name, job.account), delay=delay)


def produce() -> None:
    """The producer."""
    with ThreadPoolExecutor(PRODUCERS) as threads:
        serve(lambda jobs: hand_in(jobs, threads))
