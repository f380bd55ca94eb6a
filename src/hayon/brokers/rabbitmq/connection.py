"""One connection to RabbitMQ, given up at the first sign of trouble. Whoever owns it makes a new one; nothing here does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)  # fmt: skip
from pamqp.exceptions import PAMQPException

from hayon.brokers.rabbitmq.wire import Envelope
from hayon.errors import BrokerUnreachable, Misconfigured

BOUND_SECONDS = 10.0  # nothing that is asked of the broker may take longer
WINDOW = 500  # unconfirmed messages on one channel: each acknowledgement of many walks through all of them
_HEARTBEAT_SECONDS = 15
_CLOSE_WITHIN_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.05
_OLDEST = (3, 10)  # the first with time to live and at-least-once dead-lettering on quorum queues (its release notes)

# What the library tells of every lost connection is told by us; without this it would go to standard error, in no form.
for _name in ("aio_pika", "aiormq"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Refused(Misconfigured):
    """The broker is there and does not let us in. A broker that did before may do so again."""


class Link:
    """A connection and what became of it. `lost` is set once, and then it is closed behind our back."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection, on_lost: Callable[[], None]) -> None:
        self._connection = connection
        self._on_lost = on_lost
        self._closing: asyncio.Task[None] | None = None
        self.version = str(_underlay(connection).server_properties.get("version", ""))
        self.lost = False
        self.why = ""
        connection.close_callbacks.add(self._closed)

    @classmethod
    async def make(cls, url: str, name: str, on_lost: Callable[[], None]) -> "Link":
        """Raises BrokerUnreachable, Refused, or Misconfigured where it is too old."""
        made: list[aio_pika.Connection] = []

        def build(*given: Any, **more: Any) -> aio_pika.Connection:
            made.append(aio_pika.Connection(*given, **more))
            return made[-1]

        try:
            async with bounded():
                connection = await aio_pika.connect(
                    url, heartbeat=_HEARTBEAT_SECONDS, name=name, connection_class=build
                )
        except BrokerUnreachable as error:
            for failed in made:
                await failed.close()  # else it closes itself when it is collected, and nobody waits for that
            raise _judged(error) from error.__cause__
        link = cls(connection, on_lost)
        if _numbers(link.version) < _OLDEST:
            await link.aclose()
            raise Misconfigured(f"The broker is RabbitMQ {link.version}; Hayon needs 3.10 or newer.")
        return link

    @property
    def blocked(self) -> bool:
        """Whether the broker takes nothing at the moment: it has no memory or no disk left and said so."""
        # The only public sign is a wait that ends at once while all is well (aiormq: Connection.ready).
        waiting = _underlay(self._connection).ready()
        try:
            waiting.send(None)
        except StopIteration:
            return False
        waiting.close()
        return True

    def ensure_open(self) -> None:
        """Raises BrokerUnreachable where nothing can be sent or asked now."""
        if self.lost:
            raise BrokerUnreachable(f"The broker cannot be reached: {self.why}.")
        if self.blocked:
            raise BrokerUnreachable("The broker takes nothing at the moment, for it is short of memory or disk.")

    def give_up(self, why: str) -> None:
        """Drops it all. The owner is told once."""
        if self.lost:
            return
        self.lost, self.why = True, why
        self._closing = asyncio.create_task(self._close())
        self._on_lost()

    async def channel(self, *, vital: bool = False) -> AbstractChannel:
        """With confirms and returns raised. When a vital one is closed, by whomever, the link is given up."""
        async with self.bounded():
            channel = self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize()
        if vital:
            channel.close_callbacks.add(self._channel_closed)
        return channel

    @contextlib.asynccontextmanager
    async def passing_channel(self, seconds: float | None = None) -> AsyncIterator[AbstractChannel]:
        """A channel for some questions, which may fail without harm to anything else."""
        channel = await self.channel()
        try:
            async with self.bounded(seconds):
                yield channel
        finally:
            with contextlib.suppress(BrokerUnreachable, asyncio.InvalidStateError):
                async with bounded(_CLOSE_WITHIN_SECONDS):
                    await channel.close()

    @contextlib.asynccontextmanager
    async def bounded(self, seconds: float | None = None) -> AsyncIterator[None]:
        """As `bounded`; and when the time is over the link is given up, for nobody answers there."""
        self.ensure_open()
        try:
            async with bounded(seconds):
                yield
        except BrokerUnreachable as error:
            if isinstance(error.__cause__, TimeoutError) and not self.lost and not self.blocked:
                self.give_up("it did not answer in time")
            raise

    async def aclose(self) -> None:
        """Lets go of it; whatever was delivered here and not acknowledged goes to others."""
        self._on_lost = _nothing
        self.give_up("we closed it")
        if self._closing is not None:
            await asyncio.wait([self._closing])

    def _closed(self, _connection: object, error: BaseException | None) -> None:
        self.give_up(_told(error))

    def _channel_closed(self, _channel: object, error: BaseException | None) -> None:
        self.give_up(_told(error))

    async def _close(self) -> None:
        with contextlib.suppress(BrokerUnreachable):
            async with bounded(_CLOSE_WITHIN_SECONDS):
                await self._connection.close()


class Sender:
    """Sends on one channel in confirmed windows."""

    def __init__(self, link: Link, channel: AbstractChannel, on_return: Callable[[int], None]) -> None:
        """`on_return` hears how many came back because no queue took them."""
        self.link = link
        self._channel = channel
        self._on_return = on_return
        self._room = asyncio.Semaphore(WINDOW)

    async def send(self, envelopes: Sequence[Envelope], within: float | None = None) -> list[bool]:
        """For which of them the broker gave its word, in their order. Raises BrokerUnreachable where it was for none and
        the link is the reason."""
        self.link.ensure_open()
        tasks = [asyncio.create_task(self._send(envelope)) for envelope in envelopes]
        for task in tasks:
            task.add_done_callback(_answer)  # else the library's own words about a lost one go to standard error
        try:
            trouble = await self._wait(tasks, within)
        finally:
            for task in tasks:
                task.cancel()
        answers = [_answer(task) for task in tasks]
        if returned := sum(isinstance(answer, PublishError) for answer in answers):
            self._on_return(returned)
            self.link.give_up("what was sent reached no queue")
        elif not trouble and any(
            isinstance(answer, BaseException) and not isinstance(answer, DeliveryError) for answer in answers
        ):
            trouble = "the connection was lost"
        confirmed = [answer is True for answer in answers]
        if trouble and not any(confirmed):
            raise BrokerUnreachable(f"The broker cannot be reached: {trouble}.")
        return confirmed

    async def _wait(self, tasks: Sequence["asyncio.Task[None]"], within: float | None) -> str:
        """What went wrong, or nothing."""
        waiting = set(tasks)
        deadline = asyncio.get_running_loop().time() + (within or BOUND_SECONDS)
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_LOOK_EVERY_SECONDS)
            if waiting and self.link.lost:
                return self.link.why
            if waiting and self.link.blocked:
                return "it takes nothing at the moment, for it is short of memory or disk"
            if waiting and asyncio.get_running_loop().time() > deadline:
                self.link.give_up("it did not confirm in time")
                return self.link.why
        return ""

    async def _send(self, envelope: Envelope) -> None:
        async with self._room:
            exchange = await self._channel.get_exchange(envelope.exchange, ensure=False)
            await exchange.publish(envelope.message, envelope.key, mandatory=envelope.mandatory)


@contextlib.asynccontextmanager
async def bounded(seconds: float | None = None) -> AsyncIterator[None]:
    """Whatever goes wrong on the way to the broker, or takes too long (by default BOUND_SECONDS), becomes BrokerUnreachable.
    Who is cancelled stays so."""
    task = asyncio.current_task()
    asked = 0 if task is None else task.cancelling()
    try:
        async with asyncio.timeout(seconds or BOUND_SECONDS):
            yield
    except TimeoutError as error:
        raise BrokerUnreachable("The broker did not answer in time.") from error
    except (AMQPError, PAMQPException, OSError, EOFError, RuntimeError, asyncio.InvalidStateError) as error:
        if task is not None and task.cancelling() > asked:
            raise asyncio.CancelledError from error  # the library says it in words of its own
        raise BrokerUnreachable(f"The broker cannot be reached: {_told(error)}.") from error
    except asyncio.CancelledError as error:
        # The library cancels what waits on a connection that closes. Nobody cancelled us, so that is all it was.
        if task is not None and task.cancelling() > asked:
            raise
        raise BrokerUnreachable("The broker cannot be reached: the connection was lost.") from error
    except Exception as error:
        if type(error) not in {Exception, StopAsyncIteration}:
            raise
        # all that the library says where the connection closes while it waits for the last bytes to leave, or for the first
        raise BrokerUnreachable("The broker cannot be reached: the connection was lost.") from error
    if task is not None and task.cancelling() > asked:
        raise asyncio.CancelledError  # the library kept it to itself


def _answer(task: "asyncio.Task[None]") -> bool | BaseException:
    if not task.done() or task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or True


def _judged(error: BrokerUnreachable) -> BrokerUnreachable | Refused:
    """Refusals that no second try would change, as long as they are the first word we hear."""
    cause = error.__cause__
    if isinstance(cause, (AuthenticationError, ProbableAuthenticationError)):
        return Refused("The broker refuses the user or password in HAYON_BROKER_URL.")
    if isinstance(cause, InvalidFrameError):  # all that the library says of a closed door
        return Refused("The broker knows no such vhost as HAYON_BROKER_URL names, or does not let its user in.")
    return error


def _underlay(connection: aio_pika.abc.AbstractConnection) -> Any:
    if connection.transport is None:
        raise BrokerUnreachable("The broker cannot be reached: the connection was closed.")
    return connection.transport.connection


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _told(error: BaseException | None) -> str:
    """What the library said, in one line."""
    said = " ".join(str(part) for part in error.args if part) if error is not None else ""
    return said.removesuffix(".") or (type(error).__name__ if error is not None else "it was closed")


def _nothing(*_: object) -> None:
    """Nobody has to be told."""
