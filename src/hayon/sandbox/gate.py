"""The gate every simulated platform call passes: log, faults, latency, the effect, and how the answer leaves.

It knows no platform by name; a platform declares its endpoints and words its own refusals.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayon.sandbox.connection import cut, until_gone
from hayon.sandbox.faults import Fault, Met
from hayon.sandbox.ground import Ground
from hayon.sandbox.masking import body_shown, headers_shown, query_shown
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.moments import iso


@dataclass(slots=True)
class Answer:
    """What leaves: a JSON body (or none), a status, headers."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The platform refuses; `body` is worded by the platform that raised it."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.answer = Answer(body, status, dict(headers or {}))


@dataclass(slots=True)
class Call:
    """One request on its way through the gate."""

    request: Request
    world: Ground
    platform: Platform
    request_id: int
    account: Account | None
    met: Met
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers for the answer, whatever it will be."""
    begun: Any = None
    """What the endpoint noted when the request arrived."""

    @property
    def now(self) -> float:
        """The world's time."""
        return self.world.now()

    @property
    def base_url(self) -> str:
        """The address under which the client reached us, without a path."""
        scheme, host = self.request.url.scheme, self.request.headers.get("host", "localhost")
        return f"{scheme}://{host}"

    @property
    def client_address(self) -> str:
        """The client's IP, for limits that count it."""
        return self.request.client.host if self.request.client else "unknown"


@contextlib.asynccontextmanager
async def _nothing(_: Call) -> AsyncIterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of a platform. `begin` runs at arrival, `hold` surrounds latency and effect, `run` is the effect."""

    operation: str
    run: Callable[[Call], Awaitable[Answer]]
    begin: Callable[[Call], None] | None = None
    hold: Callable[[Call], AbstractAsyncContextManager[None]] = _nothing
    body_bytes: int = 1_000_000
    intake: Callable[[Call], Awaitable[None]] | None = None
    """Reads `call.request.stream()` itself, a body too large for memory; `call.body` stays empty. TooLargeError if it is."""


class TooLargeError(Exception):
    """A body is over its limit."""


class Manners(Protocol):
    """How a platform recognises accounts and words what the gate itself must refuse."""

    platform: Platform

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        """The account behind the request's credential, good or not; asked before the body was read, and after it."""

    def too_large(self) -> Answer:
        """A body over the limit."""

    def failed(self, status: int) -> Answer:
        """A server error."""

    def rate_limited(self, call: Call, seconds: float) -> Answer:
        """What the platform says after too many calls, with its own headers."""


class Gate:
    """Lets requests of one platform through to its endpoints and plays the faults they meet."""

    def __init__(self, world: Ground, manners: Manners) -> None:
        self.world = world
        self.manners = manners
        self._late: set[asyncio.Task[None]] = set()

    def door(self, endpoint: Endpoint) -> "Door":
        """An ASGI application for one endpoint."""
        return Door(self, endpoint)

    async def let_in(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry one request from its arrival to its answer, its silence or its end."""
        world, request = self.world, Request(scope, receive)
        account = self.manners.find_account(world, request, b"")
        call = Call(request, world, self.manners.platform, world.next_request_id(), account, Met())
        line = self._log(call, endpoint)
        began = time.monotonic()
        try:
            try:
                if endpoint.intake:
                    await endpoint.intake(call)
                else:
                    call.body = await _read(request, endpoint.body_bytes)
            except TooLargeError:
                await self._leave(self.manners.too_large(), call, line, receive, send)
                return
            except ClientDisconnect:
                line["outcome"] = "left"
                return
            if call.account is None:
                call.account = self.manners.find_account(world, request, call.body)
                line.update(_who(call.account))
            call.met = world.faults.meet(self.manners.platform, endpoint.operation, _names(call.account))
            line["body"] = body_shown(request.headers.get("content-type", ""), call.body)
            line["faults"] = [fault.kind for fault in call.met.faults]
            self._touch_credentials(call)
            await self._carry(endpoint, call, line, receive, send)
        finally:
            line["milliseconds"] = round((time.monotonic() - began) * 1000, 1)

    async def _carry(self, endpoint: Endpoint, call: Call, line: dict[str, Any], receive: Receive, send: Send) -> None:
        arrived_at = call.now
        if endpoint.begin:
            endpoint.begin(call)
        ending = call.met.ending
        if ending and ending.kind == "accept_late":
            self._accept_later(endpoint, call, line, arrived_at + ending.seconds)
            await until_gone(receive)
            return
        if ending and ending.kind == "drop_before":
            line["outcome"] = "cut"
            await cut(call.request.scope, receive)
            return
        delay = call.met.find("delay")
        async with _held(endpoint, call) as refused:
            latency = self.world.latency[self.manners.platform]
            if latency:
                await asyncio.sleep(latency)
            if delay:
                await self.world.reach(arrived_at + delay.seconds)
            answer = self._refused_by(ending, call) or refused.answer or await _outcome(endpoint, call)
        late_answer = call.met.find("delay_answer")
        if late_answer:
            await self.world.reach(call.now + late_answer.seconds)
        if ending and ending.kind == "accept_then_drop":
            line["outcome"], line["wouldHaveBeen"] = "cut", answer.status
            await cut(call.request.scope, receive)
            return
        if ending and ending.kind == "error_after_accept":
            line["wouldHaveBeen"] = answer.status
            answer = self._error(ending)
        await self._leave(answer, call, line, receive, send)

    def _refused_by(self, ending: Fault | None, call: Call) -> Answer | None:
        if ending is None:
            return None
        if ending.kind == "rate_limit":
            return _reworded(self.manners.rate_limited(call, ending.seconds), ending)
        if ending.kind == "refuse":
            return self._error(ending)
        return None

    def _error(self, fault: Fault) -> Answer:
        return _reworded(self.manners.failed(fault.status or 500), fault)

    def _accept_later(self, endpoint: Endpoint, call: Call, line: dict[str, Any], at: float) -> None:
        generation = self.world.generation
        line["outcome"] = "silent"

        async def accept() -> None:
            await self.world.reach(at)
            if self.world.generation != generation:
                return
            async with _held(endpoint, call) as refused:
                answer = refused.answer or await _outcome(endpoint, call)
            line["wouldHaveBeen"] = answer.status

        task = asyncio.get_running_loop().create_task(accept())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _touch_credentials(self, call: Call) -> None:
        if call.account and call.met.find("expire_token"):
            self.world.expire_access(call.account)
        if call.account and call.met.find("revoke_token"):
            self.world.revoke(call.account)

    async def _leave(self, answer: Answer, call: Call, line: dict[str, Any], receive: Receive, send: Send) -> None:
        line["status"] = answer.status
        headers = {**call.headers, **answer.headers, "x-request-id": f"sandbox-{call.request_id}"}
        if isinstance(answer.body, bytes | str):
            content, media_type = answer.body, "text/html; charset=utf-8"
        elif answer.body is None:
            content, media_type = b"", None
        else:
            content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
            media_type = "application/json; charset=utf-8"
        response = Response(content, answer.status, headers, media_type)
        await response(call.request.scope, receive, send)

    def _log(self, call: Call, endpoint: Endpoint) -> dict[str, Any]:
        request = call.request
        line: dict[str, Any] = {
            "n": call.request_id,
            "at": iso(call.now),
            "platform": self.manners.platform,
            "operation": endpoint.operation,
            "method": request.method,
            "path": request.url.path,
            "query": query_shown(request.url.query),
            **_who(call.account),
            "headers": headers_shown(request.headers),
            "body": None,
            "status": None,
            "outcome": "answered",
            "faults": [],
        }
        self.world.requests.append(line)
        return line


class Door:
    """One endpoint as an ASGI application."""

    def __init__(self, gate: Gate, endpoint: Endpoint) -> None:
        self._gate = gate
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in."""
        await self._gate.let_in(self._endpoint, scope, receive, send)


def _who(account: Account | None) -> dict[str, Any]:
    return {"account": account.account_id if account else None, "handle": account.handle if account else None}


def _names(account: Account | None) -> frozenset[str]:
    return frozenset((account.account_id, account.handle)) if account else frozenset()


def _reworded(answer: Answer, fault: Fault) -> Answer:
    """The platform's answer with what the fault says otherwise; another body leaves no word of it but its headers."""
    body = answer.body if fault.body is None else fault.body
    return Answer(body, fault.status or answer.status, {**answer.headers, **fault.headers})


@dataclass(slots=True)
class _Refusal:
    answer: Answer | None = None


@contextlib.asynccontextmanager
async def _held(endpoint: Endpoint, call: Call) -> AsyncIterator[_Refusal]:
    async with contextlib.AsyncExitStack() as stack:
        refusal = _Refusal()
        try:
            await stack.enter_async_context(endpoint.hold(call))
        except Refused as refused:
            refusal.answer = refused.answer
        yield refusal


async def _outcome(endpoint: Endpoint, call: Call) -> Answer:
    try:
        return await endpoint.run(call)
    except Refused as refused:
        return refused.answer


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLargeError
    return bytes(body)
