"""The HTTP client, made to measure: knows whether a request has begun, refuses private addresses, never tries twice.

It says nothing about what an error means; `outgoing` does.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult

from hayon.outgoing.addresses import is_public
from hayon.outgoing.exchange import Deadline, Piece, Stream

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host name. Raises OSError where there are none."""

CONNECT_SECONDS = 10.0
"""How long one address may take to connect, TLS included, before the next is tried."""
_KEEP_ALIVE_SECONDS = (
    4.0  # shorter than the 5 s after which common servers hang up: a stale connection looks like a lost answer
)
_KEEP_FOR_COMMIT_SECONDS = 1.0
"""How long a connection may have been idle and still take a call that cannot be taken back (docs/decisions/0019)."""
_NAMES_SECONDS = 10
_LARGEST_HEADER = 32_768
_PIECE = 65_536


class Passage:
    """The way of one request: whether its first byte may have left, and whether an address on it was refused."""

    __slots__ = ("begun", "deadline", "refused")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.begun = False
        self.refused = False


passage: ContextVar[Passage] = ContextVar("passage")


def open_session(*, identity: str, lookup: Lookup, guarded: bool, commit: bool, per_host: int) -> aiohttp.ClientSession:
    """A session without memory: no cookies, no proxies from the environment, the same headers on every request.

    `guarded` refuses every address that is not public, at the moment its socket is made. `commit`: for calls that cannot
    be taken back, which use no connection that was idle for longer than a second.
    """
    connector = _Connector(
        resolver=_Resolver(lookup),
        socket_factory=_public_socket if guarded else None,
        keepalive_timeout=_KEEP_FOR_COMMIT_SECONDS if commit else _KEEP_ALIVE_SECONDS,
        ttl_dns_cache=_NAMES_SECONDS,
        limit=0,
        limit_per_host=per_host,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": identity, "Accept-Encoding": "gzip, deflate"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=False,
        max_line_size=_LARGEST_HEADER,
        max_field_size=_LARGEST_HEADER,
    )
    # aiohttp sends GET, HEAD, PUT and DELETE a second time when a kept connection drops, and offers no public switch
    # (aiohttp: aiohttp/client.py, IDEMPOTENT_METHODS). The tests count what arrives.
    session._retry_connection = False
    return session


class Body(aiohttp.Payload):
    """A body in pieces, written only while the deadline holds: a machine that slept in between sends nothing more.

    A stream that gives another number of bytes than it promised breaks the request off. No single piece may take
    longer than `stall_seconds` to leave.
    """

    def __init__(
        self, pieces: Sequence[Piece], content_type: str | None, deadline: Deadline, stall_seconds: float
    ) -> None:
        super().__init__(None, content_type=content_type or "application/octet-stream")
        self._pieces = pieces
        self._deadline = deadline
        self._stall_seconds = stall_seconds
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Only asked for by a client that wants to show the body; a stream is not shown."""
        return b"".join(piece for piece in self._pieces if isinstance(piece, bytes)).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for piece in self._pieces:
            if isinstance(piece, Stream):
                await self._write_stream(piece, writer)
            else:
                await self._write_bytes(piece, writer)

    async def _write_stream(self, stream: Stream, writer: AbstractStreamWriter) -> None:
        left = stream.size
        async for piece in stream.open():
            left -= len(piece)
            if left < 0:
                raise ValueError("a stream gave more than it promised")
            await self._write_bytes(piece, writer)
        if left:
            raise ValueError("a stream gave less than it promised")

    async def _write_bytes(self, content: bytes, writer: AbstractStreamWriter) -> None:
        view = memoryview(content)
        for start in range(0, len(view), _PIECE):
            if self._deadline.passed():
                raise TimeoutError
            if len(view) <= _PIECE:
                await writer.write(view)  # it fits into what a socket takes at once: there is nothing to wait for
                return
            async with asyncio.timeout(self._stall_seconds):
                await writer.write(view[start : start + _PIECE])


class Names:
    """Looks up host names in threads of its own, so that slow name servers hold up nobody else's threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="names")

    async def __call__(self, host: str) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host)
        return [str(address[4][0]) for address in found]

    @staticmethod
    def _look_up(host: str) -> Sequence[tuple[object, object, object, object, tuple[object, ...]]]:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)

    def close(self) -> None:
        """Forgets look-ups that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list["aiohttp.tracing.Trace"], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection that stands; the last moment at which it is certain that nothing was sent."""
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and connection.protocol.should_close:
            # something came while it was idle: the next call would take it for its own answer
            connection.close()
            connection = await super().connect(req, traces, timeout)
        way = passage.get()
        if way.deadline.passed():
            connection.close()
            raise TimeoutError
        way.begun = True
        return connection


class _Resolver(AbstractResolver):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - never narrowed here
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


def _public_socket(address: aiohttp.connector.AddrInfoType) -> socket.socket:
    """The gate: sees the very address that is connected to, whoever named it and however often names change."""
    family, kind, protocol, _, where = address
    if not is_public(str(where[0])):
        passage.get().refused = True
        raise OSError(errno.EACCES, "not a public address")
    return socket.socket(family, kind, protocol)
