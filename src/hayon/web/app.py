"""The web application put together, and the way to run it on a socket. Its routes are in the files beside this one."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from hayon import __version__
from hayon.errors import Misconfigured
from hayon.web import (
    accounts,
    connecting,
    everybody,
    keys,
    media,
    notices,
    operations,
    pages,
    pages_accounts,
    pages_browsing,
    pages_calendar,
    pages_compose,
    pages_keep,
    pages_keys,
    pages_library,
    pages_look,
    pages_mail,
    pages_notices,
    pages_operations,
    pages_people,
    pages_post,
    pages_reset,
    pages_settings,
    pages_webhooks,
    parking,
    people,
    posts,
    problems,
    resets,
    webhooks,
)
from hayon.web.desk import Desk
from hayon.web.frame import JSON_LIMIT, Frame
from hayon.web.leading import add_links
from hayon.web.watching import Watch
from hayon.wiring import Hayon

# A request is held against one route after the other, so what programs ask for most comes first. But
# accounts and connecting before posts: /api/accounts/{which} and /api/{platform}/post would both take POST /api/accounts/post,
# as /api/connections/{connectionId} would POST /api/connections/post. No platform is called "accounts" or "connections"
ROOMS = (
    accounts,
    connecting,
    posts,
    people,
    resets,
    keys,
    everybody,
    media,
    notices,
    webhooks,
    operations,
    parking,
    pages,
    pages_accounts,
    pages_browsing,
    pages_calendar,
    pages_compose,
    pages_keep,
    pages_keys,
    pages_library,
    pages_look,
    pages_mail,
    pages_notices,
    pages_operations,
    pages_people,
    pages_post,
    pages_reset,
    pages_settings,
    pages_webhooks,
)
FORM_ROOM = 4_000_000
"""Room for the other fields of the form beside its file: words for each platform, each letter several bytes as they are sent."""
GRACE_SECONDS = 5


def build(hayon: Hayon) -> FastAPI:
    """The application: the API under /api, its description at /api/openapi.json, and the pages."""
    app = FastAPI(
        title="Hayon", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        # its own telling is off: it shows whole paths, some of which hold keys, and the texts of errors. The frame tells
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        description="Write a post once; publish it on many platforms, now or at a set time; know what became of it on each.",
    )  # fmt: skip
    app.state.desk = desk = Desk(hayon, Watch(hayon.database))
    problems.install(app, [route for room in ROOMS for route in room.router.routes])
    app.add_middleware(Frame, limit_of=_limit_of, https=desk.is_secure, uploads_to=desk.uploads_to)
    for room in ROOMS:
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    described = app.openapi

    def openapi() -> dict[str, Any]:
        return add_links(problems.describe(described()))

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


async def serve(
    hayon: Hayon, host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], None] | None = None
) -> None:
    """Serves until it is cancelled; signals are the caller's. `ready` is told the address once connections are accepted.

    Raises Misconfigured where the address cannot be listened on.
    """
    app = build(hayon)
    listener = _listen(host, port)
    up = asyncio.Event()
    server = _Guest(_config(app), up.set)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="web-server")
    rising = asyncio.create_task(up.wait(), name="web-rising")
    try:
        await asyncio.wait({rising, task}, return_when=asyncio.FIRST_COMPLETED)
        if ready is not None and not task.done():
            ready(_address(listener))
        await asyncio.shield(task)
    finally:
        rising.cancel()
        app.state.desk.watch.close()
        server.should_exit = True
        await asyncio.wait({task})
        listener.close()


class _Guest(uvicorn.Server):
    """A server that leaves signals alone (uvicorn would end the process with one) and tells when it is up."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when connections are accepted."""
        await super().startup(sockets)
        self._up()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, timeout_keep_alive=75, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named, for asyncio sets TCP_NODELAY only where it is: without it a small answer may wait for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"Hayon cannot listen on {host}:{port}: {error.strerror}. Set HAYON_HOST or HAYON_PORT to another."
        raise Misconfigured(message) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _limit_of(path: str) -> int:
    if path.startswith("/media/uploads/"):
        return media.UPLOAD_LIMIT
    writing = path in ("/compose", "/media") or (path.startswith("/posts/") and path.endswith("/edit"))
    if writing:
        return media.UPLOAD_LIMIT + FORM_ROOM
    return FORM_ROOM if path.startswith("/compose/") else JSON_LIMIT
