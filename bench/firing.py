"""A process that fires requests at an address, or rows at a database, and says how long each took. It judges nothing.

Reads one line of JSON (`Order`) from its standard input for each round and answers with one line (`Fired`).
"""

import asyncio
import gc
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httptools
import uvloop

from bench.bare import open_bare

CONNECTIONS = 256
"""So many requests of one round wait for their answers at most; more wait here, and their time runs."""
AHEAD_SECONDS = 0.2
Send = Callable[[int], Awaitable[bool]]
"""Fires the request of this number; whether it was accepted."""


@dataclass(frozen=True)
class Order:
    """One round. `rate` a second at intended times (open loop); 0: `lanes` at once, each after its own answer (closed loop).

    The first `warm_seconds` are fired and not measured. `url` is an address for POST, or that of a database for bare rows,
    which are copies of `rows`. `body` has the word NUMBER where each request is to differ, and WHEN, after it, for the time it
    is planned for: `begins` (unix seconds), and each `apart` seconds later.
    """

    url: str
    seconds: float
    warm_seconds: float
    first: int
    rate: float = 0.0
    lanes: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    begins: float = 0.0
    apart: float = 0.0
    rows: str = ""


@dataclass(frozen=True)
class Fired:
    """What came of a round: who was accepted, who was not, and the milliseconds of those that were measured."""

    accepted: list[int]
    refused: list[int]
    milliseconds: list[float]
    seconds: float


class _Connection(asyncio.Protocol):
    """One connection kept open: one request, one answer."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._answer: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: Any) -> None:
        """Ready."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The whole of it."""
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears of it."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Lets it go."""
        self._transport.close()


class _Post:
    """POST to one address over few connections."""

    def __init__(self, order: Order) -> None:
        parts = urlsplit(order.url)
        self._host, self._port = parts.hostname, parts.port
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
        self._head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in order.headers)]).encode()
        self._begins, self._apart = order.begins, order.apart
        before, _, after = order.body.partition("NUMBER")
        between, _, end = after.partition("WHEN")
        self._before, self._between, self._end, self._planned = before, between, end, "WHEN" in after
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def send(self, number: int) -> bool:
        """Fires one."""
        body = self._write_body(number)
        async with self._room:
            connection = self._idle.pop() if self._idle else await self._connect()
            head = self._head + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            status = await connection.ask(head + body)
            self._idle.append(connection)
        return status == 201

    def _write_body(self, number: int) -> bytes:
        at = datetime.fromtimestamp(self._begins + self._apart * number, UTC).isoformat() if self._planned else ""
        return f"{self._before}{number}{self._between}{at}{self._end}".encode()

    async def _connect(self) -> _Connection:
        _, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        self._all.append(made)
        return made

    def close(self) -> None:
        """Lets every connection go."""
        for one in self._all:
            one.close()


async def fire(order: Order) -> Fired:
    """One round, from its first request to its last answer."""
    async with AsyncExitStack() as stack:
        if order.rows:
            send: Send = await stack.enter_async_context(open_bare(order.url, order.rows))
        else:
            post = _Post(order)
            stack.callback(post.close)
            send = post.send
        return await (_at_intended_times if order.rate else _in_lanes)(order, send)


async def _at_intended_times(order: Order, send: Send) -> Fired:
    """Each is fired at its time, whatever became of those before; what it waits counts from that time."""
    loop, begin = asyncio.get_running_loop(), asyncio.get_running_loop().time() + AHEAD_SECONDS
    fired = Fired([], [], [], order.seconds)
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, at: float) -> None:
        taken = await send(number)
        took = loop.time() - at
        (fired.accepted if taken else fired.refused).append(number)
        if at - begin >= order.warm_seconds:
            fired.milliseconds.append(took * 1000)

    for place in range(round(order.rate * (order.warm_seconds + order.seconds))):
        at = begin + place / order.rate
        await asyncio.sleep(at - loop.time())
        task = asyncio.ensure_future(one(order.first + place, at))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.gather(*tasks)
    return fired


async def _in_lanes(order: Order, send: Send) -> Fired:
    """Each lane fires as soon as it has its answer."""
    begin = time.perf_counter()
    warm_until, until = begin + order.warm_seconds, begin + order.warm_seconds + order.seconds
    numbers, fired = itertools.count(order.first), Fired([], [], [], order.seconds)

    async def lane() -> None:
        while (began := time.perf_counter()) < until:
            number = next(numbers)
            taken = await send(number)
            ended = time.perf_counter()
            (fired.accepted if taken else fired.refused).append(number)
            if warm_until <= ended < until:
                fired.milliseconds.append((ended - began) * 1000)

    await asyncio.gather(*(lane() for _ in range(order.lanes)))
    return fired


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    gc.disable()  # a round is short; what it leaves is collected after it
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        given = json.loads(line)
        order = Order(**{**given, "headers": tuple(map(tuple, given.get("headers", ())))})
        print(json.dumps(asdict(await fire(order))), flush=True)
        gc.collect()


if __name__ == "__main__":
    uvloop.run(_serve())
