"""The sandbox as one ASGI application, and the ways to run it on a socket."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.applications import Starlette

from hayon.sandbox import timeline
from hayon.sandbox.connection import CuttableProtocol
from hayon.sandbox.control import Control
from hayon.sandbox.pages import Pages
from hayon.sandbox.world import World

KEEP_ALIVE_SECONDS = 75
"""As the web servers before real platforms; a shorter one would cut clients that pool their connections."""


def build(world: World) -> Starlette:
    """The application: each platform under its name, `/control`, and the pages with what has landed."""
    pages, sites = Pages(), world.sites.values()
    return Starlette(
        routes=[
            *(route for site in sites for route in site.routes(world)),
            *(route for site in sites for route in site.pages(world, pages)),
            *Control(world).routes(),
            *timeline.routes(world, pages),
        ]
    )


async def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once connections are accepted. OSError if taken."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    try:
        async with running(world, host, port) as url:
            if ready:
                ready(url)
            await stop.wait()
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)


@contextlib.asynccontextmanager
async def running(world: World, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve within another program: gives the address, leaves signals alone, stops at the end of the block."""
    listener = _listen(host, port)
    up = asyncio.Event()
    server = _Guest(_config(world), up.set)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            await task
        yield _address(listener)
    finally:
        server.should_exit = True
        await task
        listener.close()


def announce(url: str) -> None:
    """Tell whoever started this process, in one line of JSON."""
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


class _Guest(uvicorn.Server):
    """A server that leaves signals alone (uvicorn would end the process with one) and tells when it is up."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named, for asyncio sets TCP_NODELAY only where it is: without it a small answer may wait for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(world: World) -> uvicorn.Config:
    return uvicorn.Config(
        build(world),
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=4_096,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        # silent connections (accept_late) would hold the process
        timeout_graceful_shutdown=1,
    )
