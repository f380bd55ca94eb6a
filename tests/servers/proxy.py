"""A small TCP proxy in a thread of its own: cuts links, delays them, or swallows what is sent, for any server of a test."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from tests.servers.ports import LOOPBACK, free_port

T = TypeVar("T")
_CHUNK = 65_536


class Proxy:
    """Listens on `port` and hands everything to a port on this machine. Every method returns when it has been done."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = free_port()
        self._delay = 0.0
        self._flowing: asyncio.Event
        self._links: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self._run(self._begin())

    @property
    def links(self) -> int:
        """How many connections go through it now."""
        return len(self._links) // 2

    def cut(self) -> None:
        """Every connection ends at once (a reset); new ones are taken."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Cuts, and nobody can connect until `restore`."""
        self._run(self._refuse())

    def black_hole(self) -> None:
        """Connections stand, new ones are taken, and nothing comes through either way until `restore`."""
        self._run(self._black_hole())

    def delay(self, seconds: float) -> None:
        """What is sent from now on arrives so much later, each way; 0 ends it."""
        self._run(self._set_delay(seconds))

    def restore(self) -> None:
        """All as in the beginning. What a black hole swallowed arrives now."""
        self._run(self._restore())

    def close(self) -> None:
        """Cuts all and ends the thread."""
        self._run(self._refuse())
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _begin(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._take, LOOPBACK, self.port)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._links |= both
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, there_writer))
                ways.create_task(self._carry(there_reader, writer))
        except* OSError:
            pass
        finally:
            for one in both:
                one.transport.abort()
            self._links -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flowing.wait()
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _cut(self) -> None:
        for writer in self._links:
            # abort() alone says goodbye; this is what a peer sees of a machine that is gone
            with contextlib.suppress(OSError):  # it is closed already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._flowing.set()  # what waits finds its link gone

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._cut()

    async def _black_hole(self) -> None:
        self._flowing.clear()

    async def _set_delay(self, seconds: float) -> None:
        self._delay = seconds

    async def _restore(self) -> None:
        self._delay = 0.0
        self._flowing.set()
        await self._listen()

    async def _finish(self) -> None:
        """Until every link is gone."""
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(3):  # a transport that was aborted closes its socket a turn or two later
            await asyncio.sleep(0)


@contextlib.contextmanager
def running_proxy(target_port: int) -> Iterator[Proxy]:
    """A proxy for the length of a `with`."""
    proxy = Proxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
