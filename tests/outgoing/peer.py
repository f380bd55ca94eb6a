"""A server made to misbehave: a few lines of HTTP over asyncio streams that note everything that arrives."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Arrived:
    """One request, read whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Behave = Callable[["Peer", Arrived, asyncio.StreamWriter], Awaitable[None]]


async def answer(peer: "Peer", arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    """The good server."""
    writer.write(ANSWER)
    await writer.drain()


def answer_with(raw: bytes, *, close: bool = True) -> Behave:
    """Writes these bytes, whatever they are; then hangs up."""

    async def behave(peer: "Peer", arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        if close:
            writer.close()

    return behave


async def hang_up(peer: "Peer", arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    """Reads the request and goes away without a word."""
    writer.close()


async def reset(peer: "Peer", arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    """Reads the request and cuts the line."""
    writer.transport.abort()


async def never(peer: "Peer", arrived: Arrived, writer: asyncio.StreamWriter) -> None:
    """Reads the request and says nothing until the test is over."""
    await peer.over.wait()


@dataclass
class Peer:
    """Listens on a free port while entered. `requests` are those that were read whole, `begun` counts first bytes."""

    behave: Behave = answer
    address: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    read: bool = True
    requests: list[Arrived] = field(default_factory=list)
    connections: int = 0
    begun: int = 0
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.address}:{self.port}"

    async def __aenter__(self) -> Self:
        self._meetings: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server = await asyncio.start_server(self._meet, self.address, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        for _ in range(10):  # asyncio cannot close a server while it accepts somebody
            await asyncio.sleep(0)
        self._server.close()
        for writer in self._meetings.values():
            writer.transport.abort()
        while self._meetings:
            await asyncio.wait(self._meetings)
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._meetings[task] = writer
        self.connections += 1
        number = self.connections
        try:
            while self.read and not writer.is_closing():
                self.begun += bool(first := await reader.read(1))
                arrived = await self._read(first, reader, number)
                self.requests.append(arrived)
                self.arrival.set()
                await self.behave(self, arrived, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._meetings[task]

    async def _read(self, first: bytes, reader: asyncio.StreamReader, number: int) -> Arrived:
        head = first + await reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head.decode().strip().split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Arrived(method, path, headers, body, number)
