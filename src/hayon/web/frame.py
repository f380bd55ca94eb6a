"""The frame around every answer: correlation id, trace, security headers, bounded bodies, and the last word on unforeseen errors."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hayon import telemetry
from hayon.web.problems import answer_problem, answer_unforeseen

JSON_LIMIT = 1_000_000
CORRELATION = "X-Correlation-Id"
_CALLS = "connect-src 'self'"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; {_CALLS}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: with that a browser sends "Origin: null" with our own forms, and we could not tell them from others
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

HTTPS_ONLY = ("Strict-Transport-Security", f"max-age={365 * 86_400}")
"""For those who once came by https: never again without. It says nothing of other names of this domain."""

UNTOLD = ("/healthz", "/readyz", "/metrics", "/static/")
"""What is asked so often that it would hide the rest of a log."""
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


class Frame:
    """ASGI middleware. `limit_of(path)` says how many bytes a body sent there may have; `https` whether people come by it.

    `uploads_to` is the origin to which pages send files besides ours, where they are kept elsewhere; nothing where not.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit_of: Callable[[str], int] = lambda path: JSON_LIMIT,  # noqa: ARG005 - the default asks nothing
        *,
        https: bool = False,
        uploads_to: str = "",
    ) -> None:
        self._app = app
        self._limit_of = limit_of
        self._headers = SECURITY_HEADERS | dict([HTTPS_ONLY] if https else ())
        if uploads_to:
            policy = self._headers["Content-Security-Policy"]
            self._headers["Content-Security-Policy"] = policy.replace(_CALLS, f"{_CALLS} {uploads_to}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Frames one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(CORRELATION, "")
        correlation_id = given if _SANE.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        request = Request(scope)
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer[CORRELATION] = correlation_id
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
                answer.setdefault("Cache-Control", _lasts(scope["path"]))
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id), _begin(scope, headers) as span:
            limit = self._limit_of(scope["path"])
            if _told_length(headers) > limit:
                await _too_large(request, limit)(scope, receive, framed)
                return
            began = time.perf_counter()
            try:
                await self._app(scope, _bounded(receive, limit), framed)
            except Exception as error:  # noqa: BLE001 - this is the place where the unforeseen ends
                span.fail(type(error).__name__)
                answer = answer_unforeseen(request, error)
                if not status:
                    await answer(scope, receive, framed)
                return
            if status:
                _tell(scope, span, status, time.perf_counter() - began)


def _begin(scope: Scope, headers: Headers) -> AbstractContextManager[telemetry.Span]:
    """The span of this request, beneath the caller's own where one is named. Two of these headers name nobody."""
    named = headers.getlist("traceparent")
    parent = telemetry.read_traceparent(named[0]) if len(named) == 1 else None
    method = scope["method"]  # one of few: the parser refuses words of one's own
    return telemetry.begin_span(
        method, telemetry.Kind.SERVER, {"http.request.method": method}, parent=parent, recorded=not _is_untold(scope)
    )


def _tell(scope: Scope, span: telemetry.Span, status: int, seconds: float) -> None:
    """The route and not the path: some paths hold keys (signed addresses of files)."""
    route = getattr(scope.get("route"), "path", "")
    if route:
        span.rename(f"{scope['method']} {route}")
        span.tell({"http.route": route})
    span.tell({"http.response.status_code": status})
    if not _is_untold(scope):
        telemetry.emit(
            "request.answered", level="debug", method=scope["method"], route=route, status=status,
            milliseconds=round(seconds * 1000, 1),
        )  # fmt: skip


def _is_untold(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(UNTOLD)


def _lasts(path: str) -> str:
    return "public, max-age=3600" if path.startswith("/static/") else "no-store"


def _told_length(headers: Headers) -> int:
    told = headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def _too_large(request: Request, limit: int) -> ASGIApp:
    return answer_problem(request, 413, _words(limit))


def _words(limit: int) -> str:
    return f"This address takes bodies up to {limit:,} bytes."


def _bounded(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413, _words(limit))
        return message

    return bounded
