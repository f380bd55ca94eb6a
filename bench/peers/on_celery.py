"""The job on Celery, and its producer: `celery --app bench.peers.on_celery worker`, `… -m bench.peers.run on_celery produce`.

Sources: Celery's documentation of 5.7, by page and heading.
"""

import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery, signals
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from bench.contest import Job
from bench.peers.handing import seconds_until, serve_threads
from bench.peers.job import PlainJob, given

PRODUCERS = 8
QUEUE = "jobs"

app = Celery("bench", broker=given().broker_url)
app.conf.update(
    # nobody reads results ("Ignore results you don't want", userguide/tasks)
    task_ignore_result=True,
    # as many connections as threads use them ("Broker Connection Pools", userguide/optimizing)
    broker_pool_limit=PRODUCERS,
)
if given().stores:
    app.conf.update(
        # "Using Quorum Queues", getting-started/backends-and-brokers/rabbitmq; with them jobs that are due later wait in the
        # broker ("Native Delayed Delivery", same page). With the task_routes that stand there too, an eta raises KeyError
        task_default_queue=QUEUE,
        task_default_queue_type="quorum",
        task_default_exchange_type="topic",
        broker_transport_options={"confirm_publish": True},
        # "task_acks_late", "task_reject_on_worker_lost", userguide/configuration
        task_acks_late=True,
        task_reject_on_worker_lost=True,
    )

_jobs: list[PlainJob] = []


@signals.worker_init.connect
def _open(**_: Any) -> None:
    _jobs.append(PlainJob())


@signals.worker_ready.connect
def _tell(**_: Any) -> None:
    given().ready()


@app.task
def publish(name: str, account: int) -> None:
    _jobs[0].do(name, account)


def _hand_in_one(job: Job) -> None:
    # a delay of less than a second makes native delayed delivery raise (kombu: calculate_routing_key(0))
    while 0 < (left := seconds_until(job)) < 1.1 and given().stores:
        time.sleep(left)
    due = datetime.fromtimestamp(job.due_at, UTC) if left > 0 else None
    publish.apply_async((job.name, job.account), eta=due)


def produce() -> None:
    """The producer."""
    if given().stores:
        _declare_delays()
    serve_threads(_hand_in_one, PRODUCERS)


def _declare_delays() -> None:
    """What each worker does as it starts; ours start when jobs that are due later wait already."""
    with app.connection_for_write() as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
        queue = app.amqp.queues[QUEUE](connection.default_channel)
        queue.declare()
        bind_queue_to_native_delayed_delivery_exchange(connection, queue)
