"""The job on Dramatiq, and its producer: `dramatiq bench.peers.on_dramatiq`, `python -m bench.peers.run on_dramatiq produce`.

Sources: Dramatiq's documentation of 2.2, by page and heading. Its actors may be coroutines too ("Asyncio Actors", cookbook);
tried with aiohttp and asyncpg, that took more processor time than threads, so they are functions here.
"""

from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Middleware

from bench.contest import Job
from bench.peers.handing import seconds_until, serve_threads
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


def _hand_in_one(job: Job) -> None:
    left = seconds_until(job)
    delay = max(1, round(left * 1000)) if left > 0 else None  # "Scheduling Messages", guide: in milliseconds
    publish.send_with_options(args=(job.name, job.account), delay=delay)


def produce() -> None:
    """The producer."""
    serve_threads(_hand_in_one, PRODUCERS)
