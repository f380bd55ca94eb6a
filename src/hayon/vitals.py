"""Signs of life: the numbers for Prometheus, whether this process is ready, and a small door to both for processes without pages.

What the database says is read when somebody asks, at most every ten seconds and for at most two. No post is looked into here.
"""

import asyncio
import json
from collections.abc import Callable, Collection

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from hayon import __version__, telemetry
from hayon.brokers.contract import Broker
from hayon.errors import BrokerUnreachable, DatabaseUnreachable, Misconfigured
from hayon.outgoing import boot_seconds
from hayon.store import figures
from hayon.store.database import Database, Tx

FRESH_SECONDS = 10.0
BOUND_SECONDS = 2.0
ASKING_SECONDS = 5.0
LARGEST_QUESTION = 8_192
UNKNOWN = float("nan")

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Vitals:
    """One per process. `show` is what /metrics answers, `find_hindrance` what /readyz asks."""

    def __init__(self, database: Database, broker: Broker, platforms: Collection[str]) -> None:
        self._database = database
        self._broker = broker
        self._platforms = tuple(platforms)
        self._reading: asyncio.Task[None] | None = None
        self._read_at = -FRESH_SECONDS

    async def show(self) -> bytes:
        """Every number in Prometheus' text form. Those that cannot be read now are left out, or not a number."""
        await self._refresh()
        return generate_latest(telemetry.REGISTRY)

    async def find_hindrance(self) -> str:
        """Why this process cannot work at the moment; empty when nothing is in its way."""
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                await self._database.read(_ask)
                if self._broker.by_name:
                    await self._broker.count_waiting()
        except TimeoutError:
            return f"The database or the broker did not answer within {BOUND_SECONDS:g} s."
        except (DatabaseUnreachable, BrokerUnreachable) as error:
            return str(error)
        return ""

    async def serve(self, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
        """A duty: answers /metrics, /healthz and /readyz until it is cancelled; to whoever can reach the address, unasked.

        `ready` is told the address. Raises Misconfigured where it cannot be listened on.
        """
        try:
            server = await asyncio.start_server(self._meet, host, port, limit=LARGEST_QUESTION)
        except OSError as error:
            raise Misconfigured(
                f"Hayon cannot show its vital signs on {host}:{port}: {error.strerror}. "
                "Set HAYON_METRICS_HOST or HAYON_METRICS_PORT to another."
            ) from error
        if ready is not None:
            shown, taken = server.sockets[0].getsockname()[:2]
            ready(f"http://[{shown}]:{taken}" if ":" in shown else f"http://{shown}:{taken}")
        async with server:
            await server.serve_forever()

    async def _refresh(self) -> None:
        """One reading at a time, however many ask. One that takes too long goes on by itself, and its numbers are unknown."""
        if self._reading is None or self._reading.done():
            if boot_seconds() - self._read_at < FRESH_SECONDS:
                return
            self._reading = asyncio.create_task(self._read(), name="vitals-reading")
        _, late = await asyncio.wait({self._reading}, timeout=BOUND_SECONDS)
        if late:
            _forget_figures()

    async def _read(self) -> None:
        try:
            _tell_figures(await self._database.read(figures.read_figures, self._platforms))
        except DatabaseUnreachable:
            _forget_figures()
        try:
            telemetry.bells_waiting.set(await self._broker.count_waiting())
        except BrokerUnreachable:
            telemetry.bells_waiting.set(UNKNOWN)
        self._read_at = boot_seconds()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                question = await reader.readuntil(b"\r\n\r\n")
                method, status, kind, body = await self._answer(question)
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks so slowly, or at such length, is not Prometheus
        finally:
            writer.close()

    async def _answer(self, question: bytes) -> tuple[str, int, str, bytes]:
        line = question.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(line) != 3 or not line[2].startswith("HTTP/1."):
            return "", *_plainly(400, "This is no HTTP.")
        method, path = line[0], line[1].partition("?")[0]
        if path not in {"/metrics", "/healthz", "/readyz"}:
            return method, *_plainly(404, "There are /metrics, /healthz and /readyz.")
        if method not in {"GET", "HEAD"}:
            return method, *_plainly(405, "This address takes GET.")
        if path == "/metrics":
            return method, 200, CONTENT_TYPE_LATEST, await self.show()
        if path == "/healthz":
            return method, *_told(200, status="alive")
        hindrance = await self.find_hindrance()
        return method, *(_told(503, status="waiting", reason=hindrance) if hindrance else _told(200, status="ready"))


def _ask(tx: Tx) -> None:
    tx.now()


def _told(code: int, **facts: str) -> Answer:
    return code, "application/json", json.dumps({**facts, "version": __version__}).encode()


def _plainly(status: int, words: str) -> Answer:
    return status, "text/plain; charset=utf-8", f"{words}\n".encode()


def _tell_figures(read: figures.Figures) -> None:
    telemetry.targets.clear()
    for (status, platform), count in read.unfinished.items():
        telemetry.targets.labels(status, platform).set(count)
    for platform, seconds in read.oldest_due_seconds.items():
        telemetry.oldest_due.labels(platform).set(seconds)
    telemetry.parked.set(read.parked)
    telemetry.unaccounted.set(read.unaccounted)
    age = read.oldest_transaction_seconds
    telemetry.oldest_transaction.set(UNKNOWN if age is None else age)


def _forget_figures() -> None:
    telemetry.targets.clear()
    telemetry.oldest_due.clear()
    for number in (telemetry.parked, telemetry.unaccounted, telemetry.oldest_transaction):
        number.set(UNKNOWN)
