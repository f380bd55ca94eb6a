"""Outgoing: sends one request, once, and says truly whether it may have arrived. Knows no platform."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from yarl import URL

from hayon.errors import HayonError, PlatformError, Rejected, Unconfirmed, Unreachable
from hayon.outgoing.addresses import join_url, origin_of, read_origin, read_url, refuse_port
from hayon.outgoing.exchange import Answer, Deadline, Named, Request, body_of, plain, streamed_bytes
from hayon.outgoing.telling import tell_call
from hayon.outgoing.wire import Body, Lookup, Names, Passage, open_session, passage

T = TypeVar("T")

_REDIRECTS = (301, 302, 303, 307, 308)
_BREAKS = re.compile(r"[\r\n\0]")
_SLOWEST = 100_000
"""Bytes a second that a streamed body is granted beyond the ordinary deadline."""
_FAINTEST = 10_000
"""Bytes a second that a streamed answer must bring beyond the ordinary deadline, on the average of the time we waited."""
_OURS = ("user-agent", "accept-encoding", "host", "connection", "content-length", "transfer-encoding", "cookie")


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose body comes in pieces, each within the ordinary deadline of a call; who trickles is given up."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Outgoing:
    """The one way out. Follows no redirects, keeps no cookies, never sends anything twice.

    `identity` is the User-Agent of every request. Origins (scheme, host and port) in `trusted_origins` are the
    platforms' that the operator set; those in `own_origins` (our files, ourselves) are for requests that name the
    operator as their source, so that nobody reaches them by calling them a server of theirs. Every other origin may be
    called on public addresses only, unless `allow_private_addresses`. `resolver` replaces the system's host names.
    """

    def __init__(
        self,
        *,
        identity: str,
        timeout_seconds: float = 30,
        trusted_origins: Collection[str] = (),
        own_origins: Collection[str] = (),
        allow_private_addresses: bool = False,
        per_host: int = 256,
        resolver: Lookup | None = None,
    ) -> None:
        self._identity = identity
        self._timeout_seconds = timeout_seconds
        self._trusted = frozenset(map(read_origin, trusted_origins))
        self._own = frozenset(map(read_origin, own_origins))
        self._allow_private_addresses = allow_private_addresses
        self._per_host = per_host
        self._resolver = resolver
        self._names: list[Names] = []
        self._sessions: dict[tuple[bool, bool], aiohttp.ClientSession] = {}
        self._closed = False

    def trust(self, address: str) -> None:
        """Adds the origin of an address that is the operator's own, and was not known from the beginning."""
        self._own |= {read_origin(address)}

    async def send(self, request: Request, *, deadline: Deadline | None = None, commit: bool = False) -> Answer:
        """The answer to one request, whatever its status.

        `commit` is for the irreversible call: no connection that was idle for longer than a second, so that no stale one can
        make it look sent.
        The deadline is `timeout_seconds` from now if none is given (longer where a body is streamed, as long as it goes
        on), and is checked once more when the connection stands, before the first byte.

        Raises Unreachable when nothing can have been sent: no such name, no connection, no TLS, a refused address,
        or the deadline passed before the first byte. Raises Unconfirmed when the request may have arrived and no
        whole, trustworthy answer came. Raises Rejected when the request could not be put together.
        """
        url, guarded = self._read(request)
        deadline = deadline or Deadline.after(self._timeout_seconds + streamed_bytes(request) / _SLOWEST)
        return await self._exchange(request, url, deadline, guarded=guarded, commit=commit)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[StreamedAnswer]:
        """The answer to one request, its body as it comes: for files that memory should not hold. Raises as `send` does."""
        url, guarded = self._read(request)
        deadline = Deadline.after(self._timeout_seconds)
        session = self._open(url, guarded=guarded, commit=False)
        way = Passage(deadline)
        with tell_call(request.method, url) as call:
            beginning = _begin(session, request, url, way, self._timeout_seconds)
            response = await _told(beginning, deadline.left(), way, url)
            call.answered(response.status)
        try:
            yield StreamedAnswer(response.status, _headers_of(response), self._pieces(response, way, url))
        finally:
            response.close()

    async def _pieces(self, response: aiohttp.ClientResponse, way: Passage, url: URL) -> AsyncIterator[bytes]:
        clock, waited, got = asyncio.get_running_loop().time, 0.0, 0
        while True:
            patience = self._timeout_seconds + min(0.0, got / _FAINTEST - waited)
            began = clock()
            piece = await _told(response.content.readany(), max(0.0, patience), way, url)
            if not piece:
                return
            waited, got = waited + clock() - began, got + len(piece)
            yield piece

    def _read(self, request: Request) -> tuple[URL, bool]:
        """Where the request goes, and whether only to a public address."""
        url = read_url(request.url, request.query)
        trusted = self._is_trusted(origin_of(url), request.named)
        if not trusted:
            refuse_port(url)
        return url, not trusted and not self._allow_private_addresses

    def _is_trusted(self, origin: str, named: Named) -> bool:
        if named is Named.STRANGER:
            return False
        return origin in self._trusted or (named is Named.OPERATOR and origin in self._own)

    async def fetch_public(
        self,
        url: str,
        *,
        largest: int,
        accept: str | Sequence[str],
        hops: int = 3,
        cut: bool = False,
        deadline: Deadline | None = None,
        named_by: str = "",
    ) -> Answer:
        """What a page or picture that a user or a remote answer named holds, over at most `hops` redirects.

        No origin is trusted here, but for that of `named_by`, the server whose answer named the address: while the way
        does not leave it, it may be where the operator said that it is. `accept` are beginnings of content types ("text/html", "image/"); an answer with a
        good status and another type is Rejected unread. `cut` gives the first `largest` bytes of a larger answer
        instead of raising Unconfirmed. Raises as `send` does.
        """
        kinds = (accept,) if isinstance(accept, str) else tuple(accept)
        wanted = ", ".join(f"{kind}*" if kind.endswith("/") else kind for kind in kinds if kind) or "*/*"
        deadline = deadline or Deadline.after(self._timeout_seconds)
        here = read_url(url)
        home = origin_of(read_url(named_by)) if named_by else ""
        at_home = home in self._trusted
        for _ in range(hops + 1):
            at_home = at_home and origin_of(here) == home  # who was led away once comes back as a stranger
            guarded = not at_home and not self._allow_private_addresses
            if not at_home:
                refuse_port(here)
            request = Request("GET", str(here), headers={"Accept": wanted}, largest_answer=largest)
            answer = await self._exchange(request, here, deadline, guarded=guarded, kinds=kinds, cut=cut)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            here = join_url(here, answer.headers["location"])
        raise Rejected(f"{_name(here)} sends visitors round and round; it was left alone.", proves_absence=True)

    async def aclose(self) -> None:
        """Closes all connections. Requests on their way are cut; whatever is sent later is Unreachable."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()
        for names in self._names:
            names.close()

    def _open(self, url: URL, *, guarded: bool, commit: bool) -> aiohttp.ClientSession:
        """One session for each kind of way, so that no connection of one is ever used by another."""
        if self._closed:
            raise Unreachable("This process is stopping; nothing was sent.", host=_name(url))
        if (guarded, commit) not in self._sessions:
            lookup = self._resolver
            if lookup is None:
                lookup = Names()
                self._names.append(lookup)
            self._sessions[guarded, commit] = open_session(
                identity=self._identity, lookup=lookup, guarded=guarded, commit=commit, per_host=self._per_host
            )
        return self._sessions[guarded, commit]

    async def _exchange(
        self,
        request: Request,
        url: URL,
        deadline: Deadline,
        *,
        guarded: bool,
        commit: bool = False,
        kinds: tuple[str, ...] | None = None,
        cut: bool = False,
    ) -> Answer:
        session = self._open(url, guarded=guarded, commit=commit)
        way = Passage(deadline)
        with tell_call(request.method, url) as call:
            asking = _ask(session, request, url, way, self._timeout_seconds, kinds=kinds, cut=cut)
            answer = await _told(asking, deadline.left(), way, url)
            call.answered(answer.status)
        return answer


async def _told(work: Awaitable[T], seconds: float, way: Passage, url: URL) -> T:
    """What comes of the work within so many seconds. Whatever goes wrong is raised as what it means."""
    fault: BaseException
    before = passage.set(way)
    try:
        async with asyncio.timeout(seconds):
            return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        fault = error  # aiohttp cancels who waits for a connection when the session closes
    except HayonError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong, it is known here whether anything was sent
        fault = error
    finally:
        passage.reset(before)
    # Raised out here, so that no client's error, with headers and query in it, hangs on ours.
    raise _meaning(fault, way, _name(url))


async def _begin(
    session: aiohttp.ClientSession, request: Request, url: URL, way: Passage, stall_seconds: float
) -> aiohttp.ClientResponse:
    content_type, pieces = body_of(request)
    if any(_BREAKS.search(name + value) for name, value in request.headers.items()):
        raise ValueError("a header is one line")
    return await session.request(
        request.method,
        url,
        headers={name: value for name, value in request.headers.items() if name.lower() not in _OURS},
        data=Body(pieces, content_type, way.deadline, stall_seconds) if pieces else None,
        skip_auto_headers=() if pieces else ("Content-Type",),
        allow_redirects=False,
    )


def _headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): plain(", ".join(response.headers.getall(name))) for name in response.headers}


async def _ask(
    session: aiohttp.ClientSession,
    request: Request,
    url: URL,
    way: Passage,
    stall_seconds: float,
    *,
    kinds: tuple[str, ...] | None,
    cut: bool,
) -> Answer:
    async with await _begin(session, request, url, way, stall_seconds) as response:
        unread = kinds is not None and response.status in _REDIRECTS
        if kinds is not None and 200 <= response.status < 300 and not response.content_type.startswith(kinds):
            raise Rejected(f"{_name(url)} holds {plain(response.content_type)[:100]}, which is of no use here.")
        return Answer(
            status=response.status,
            headers=_headers_of(response),
            body=b"" if unread else await _read(response, request.largest_answer, cut=cut),
            url=str(response.url),
        )


async def _read(response: aiohttp.ClientResponse, largest: int, *, cut: bool) -> bytes:
    """The body after decompression, never holding more than `largest` and one piece."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > largest:
            if cut:
                return bytes(body[:largest])
            raise _TooLargeError(largest)
    return bytes(body)


class _TooLargeError(Exception):
    """The answer is larger than the request allows; its argument is that bound in bytes."""


def _meaning(fault: BaseException, way: Passage, host: str) -> PlatformError:
    """What a fault means for the caller, in a sentence without anything of the request but its host."""
    if way.begun:
        if isinstance(fault, _TooLargeError):
            return Unconfirmed(f"{host} answered with more than {fault.args[0]:,} bytes; that is not read.")
        if isinstance(fault, TimeoutError):
            return Unconfirmed(f"{host} was sent the request, but did not answer in time.")
        if isinstance(fault, (aiohttp.ClientPayloadError, aiohttp.ClientResponseError)):
            return Unconfirmed(f"{host} was sent the request, but its answer was broken.")
        return Unconfirmed(f"{host} was sent the request, but the connection broke before a whole answer came.")
    if isinstance(fault, (ValueError, TypeError)) and not isinstance(fault, aiohttp.ClientError):
        return Rejected(f"The request to {host} could not be put together; nothing was sent.", proves_absence=True)
    return Unreachable(f"{host} could not be reached: {_hindrance(fault, way)}. Nothing was sent.", host=host)


def _hindrance(fault: BaseException, way: Passage) -> str:
    if way.refused:
        return "it is on a private or reserved address, and those are not called"
    if isinstance(fault, aiohttp.ClientConnectorDNSError):
        return "there is no such name, or the name servers do not answer"
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    if isinstance(fault, aiohttp.ClientConnectorSSLError):
        return "no secure connection could be made"
    if isinstance(fault, TimeoutError):
        return "no connection stood in time"
    if isinstance(fault, ConnectionRefusedError) or isinstance(
        getattr(fault, "os_error", None), ConnectionRefusedError
    ):
        return "it refuses connections"
    return "no connection could be made"


def _name(url: URL) -> str:
    return (url.raw_host or "").lower()
