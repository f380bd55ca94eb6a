"""Exchanges, queues and bindings on RabbitMQ, under the seeds' names. Nothing is sent here; the probe tries it all out."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aio_pika.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionCommandInvalid,
)

from hayon.errors import BrokerUnreachable, Misconfigured

POST_EXCHANGE, DELAYED_EXCHANGE, DLX_EXCHANGE = "post_exchange", "post_delayed_exchange", "dlx_exchange"
SOCIAL_POSTS, PARKING_LOT, DEAD_LETTERS = "hayon_social_posts", "hayon_parking_lot", "hayon_dead_letters"
RETRY, WAITING = "hayon_retry_queue", "hayon_waiting_room"
EVERY_BELL = "post.create.*"
RETRY_RETURNS, WAITING_RETURNS = "post.create.retry", "post.create.waiting"
PARKING_KEY, DEAD_KEY = "parking", "dead"

DELIVERY_LIMIT = 20
_MANY_DELIVERIES = 1_000_000_000  # a look at a letter counts as a delivery; from RabbitMQ 4.0 the default would be 20
_LETTERS_KEPT = 10_000
DEFAULT_WAITING_STEPS = (
    timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2),
    timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24),
)  # fmt: skip

NO_PLUGIN = (
    "HAYON_SCHEDULE_VIA=plugin needs the delayed message exchange plugin, which this broker does not have: "
    "choose `database` or `ttl`, or install and enable rabbitmq_delayed_message_exchange there."
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue; its type stands in its arguments, for a broker's default type may change."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """What an exchange hands to a queue."""

    exchange: str
    key: str
    queue: str


@dataclass(frozen=True, slots=True)
class Step:
    """A queue where bells wait `delay` and then come back under the key `returns`."""

    delay: timedelta
    key: str
    queue: str
    returns: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All that has to be there. Steps are sorted, the shortest first."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    retry: tuple[Step, ...]
    waiting: tuple[Step, ...]

    @property
    def delayed(self) -> bool:
        """Whether the delayed message exchange is a part of it."""
        return any(exchange.name == DELAYED_EXCHANGE for exchange in self.exchanges)

    def bindings_of(self, queue: str) -> list[Binding]:
        """What this queue gets."""
        return [binding for binding in self.bindings if binding.queue == queue]


def lay_out(
    retry_steps: Sequence[timedelta], waiting_steps: Sequence[timedelta], schedule_via: str, parking_limit: int
) -> Topology:
    """The topology for these settings. Raises ValueError for a step that is not positive or an unknown way of scheduling."""
    if schedule_via not in {"database", "ttl", "plugin"}:
        raise ValueError(f"schedule_via is database, ttl or plugin, not {schedule_via!r}")
    retry = _steps(retry_steps, "retry", RETRY, RETRY_RETURNS)
    waiting = _steps(waiting_steps, "waiting", WAITING, WAITING_RETURNS) if schedule_via == "ttl" else ()
    exchanges = [Exchange(POST_EXCHANGE, "topic"), Exchange(DLX_EXCHANGE, "direct")]
    bindings = [
        Binding(POST_EXCHANGE, EVERY_BELL, SOCIAL_POSTS),
        Binding(DLX_EXCHANGE, PARKING_KEY, PARKING_LOT),
        Binding(DLX_EXCHANGE, DEAD_KEY, DEAD_LETTERS),
        *(Binding(DLX_EXCHANGE, step.key, step.queue) for step in (*retry, *waiting)),
    ]
    if schedule_via == "plugin":
        exchanges.append(Exchange(DELAYED_EXCHANGE, "x-delayed-message", {"x-delayed-type": "topic"}))
        bindings.append(Binding(DELAYED_EXCHANGE, EVERY_BELL, SOCIAL_POSTS))
    queues = [
        Queue(SOCIAL_POSTS, _quorum({"x-delivery-limit": DELIVERY_LIMIT}, _dead_lettering(DLX_EXCHANGE, DEAD_KEY))),
        Queue(PARKING_LOT, _quorum(_bounded(parking_limit))),
        Queue(DEAD_LETTERS, _quorum(_bounded(_LETTERS_KEPT))),
        *(Queue(step.queue, _arguments_of(step)) for step in (*retry, *waiting)),
    ]
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings), retry, waiting)


def quorum_for_letters() -> dict[str, Any]:
    """Arguments of a queue that only keeps."""
    return _quorum({"x-delivery-limit": _MANY_DELIVERIES})


def name_of(step: timedelta) -> str:
    """As short as it can be said exactly: 5s, 30s, 2m, 10m, 1h; 1500ms where it is no whole second."""
    for unit, letter in ((timedelta(hours=1), "h"), (timedelta(minutes=1), "m"), (timedelta(seconds=1), "s")):
        if not step % unit:
            return f"{step // unit}{letter}"
    return f"{_milliseconds(step)}ms"


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Makes what is missing. Raises Misconfigured, in words, for what is there in another shape; the channel is closed then."""
    for exchange in topology.exchanges:
        await declare_exchange(channel, exchange)
    for queue in topology.queues:
        await declare_queue(channel, queue)
    for binding in topology.bindings:
        await bind(channel, binding)


@contextlib.asynccontextmanager
async def needs_plugin(topology: Topology) -> AsyncIterator[None]:
    """Around a declaration: a broker that does not know the delayed exchange's type ends the whole connection."""
    try:
        yield
    except BrokerUnreachable as error:
        cause = error.__cause__
        if topology.delayed and isinstance(cause, ConnectionCommandInvalid):
            raise Misconfigured(NO_PLUGIN) from error
        raise


async def declare_exchange(channel: AbstractChannel, exchange: Exchange) -> None:
    """Raises Misconfigured."""
    try:
        await channel.declare_exchange(exchange.name, exchange.kind, durable=True, arguments=exchange.arguments or None)
    except ChannelPreconditionFailed as other:
        raise Misconfigured(_wired_otherwise(f"exchange {exchange.name}", other)) from other
    except ChannelAccessRefused as refused:
        raise Misconfigured(_refused(refused)) from refused


async def declare_queue(channel: AbstractChannel, queue: Queue) -> int:
    """How many messages are ready in it. Raises Misconfigured."""
    try:
        declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    except ChannelPreconditionFailed as other:
        raise Misconfigured(_wired_otherwise(f"queue {queue.name}", other)) from other
    except ChannelAccessRefused as refused:
        raise Misconfigured(_refused(refused)) from refused
    return declared.declaration_result.message_count or 0


async def bind(channel: AbstractChannel, binding: Binding) -> None:
    """Raises Misconfigured where we may not."""
    queue = await channel.get_queue(binding.queue, ensure=False)
    try:
        await queue.bind(binding.exchange, binding.key)
    except ChannelAccessRefused as refused:
        raise Misconfigured(_refused(refused)) from refused


async def count(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """Messages ready, and consumers. Raises ChannelNotFoundEntity, and the channel is closed then."""
    declared = (await channel.declare_queue(queue, passive=True)).declaration_result
    return declared.message_count or 0, declared.consumer_count or 0


async def exists(channel: AbstractChannel, *, queue: str = "", exchange: str = "") -> bool:
    """Whether it is there. After a no the channel is closed."""
    try:
        if queue:
            await channel.declare_queue(queue, passive=True)
        else:
            await channel.declare_exchange(exchange, passive=True)
    except ChannelNotFoundEntity:
        return False
    return True


def _steps(delays: Sequence[timedelta], key: str, queue: str, returns: str) -> tuple[Step, ...]:
    if any(_milliseconds(delay) < 1 for delay in delays):
        raise ValueError("a step is at least a millisecond long")
    return tuple(
        Step(delay, f"{key}.{name_of(delay)}", f"{queue}.{name_of(delay)}", returns) for delay in sorted(set(delays))
    )


def _arguments_of(step: Step) -> dict[str, Any]:
    return _quorum({"x-message-ttl": _milliseconds(step.delay)}, _dead_lettering(POST_EXCHANGE, step.returns))


def _quorum(*arguments: dict[str, Any]) -> dict[str, Any]:
    together: dict[str, Any] = {"x-queue-type": "quorum"}
    for some in arguments:
        together |= some
    return together


def _dead_lettering(exchange: str, key: str) -> dict[str, Any]:
    """At least once, which RabbitMQ gives only with this overflow (its documentation: quorum queues, dead lettering)."""
    return {
        "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key,
        "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
    }  # fmt: skip


def _bounded(length: int) -> dict[str, Any]:
    """For mirrors and letters: the oldest goes when it is full."""
    return {"x-max-length": length, "x-overflow": "drop-head", "x-delivery-limit": _MANY_DELIVERIES}


def _milliseconds(step: timedelta) -> int:
    return round(step / timedelta(milliseconds=1))


def _wired_otherwise(what: str, other: Exception) -> str:
    said = str(other).removeprefix("PRECONDITION_FAILED - ")
    return (
        f"The {what} is there already, but wired in another way: {said}. "
        "Stop Hayon and run `hayon broker migrate`: it moves what waits there and loses nothing."
    )


def _refused(refused: Exception) -> str:
    return (
        f"The broker does not let us set up what is needed: {refused}. "
        "Give the user of HAYON_BROKER_URL the right to configure, write and read in its vhost (rabbitmqctl set_permissions)."
    )
