"""Running Hayon, whole or a part of it, until a signal comes or a duty dies. What a command asks for is the command line's."""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import typer

from hayon import __version__
from hayon.errors import Misconfigured
from hayon.settings import Settings

if TYPE_CHECKING:
    from hayon.wiring import Hayon

SIGNS = (signal.SIGTERM, signal.SIGINT)
COLLECTED_AFTER = 20_000
"""Objects. A delivery makes some hundreds of them and leaves no circles: looked through as often as Python would by itself,
they cost a tenth of all the work (docs/decisions/0019)."""

Told = tuple[dict[str, str], str]
"""What a program may want to know once we are ready, and the same in words for a person."""
Opening = AbstractAsyncContextManager[tuple["Hayon", Callable[[str], Told]]]
"""Hayon put together, and what to tell once its address is known."""


def run_part(settings: Settings, part: str) -> None:
    """Runs one part in a process of its own. Raises Misconfigured where the parts could not meet."""
    from hayon.store.database import sqlite_path
    from hayon.wiring import database_url

    if sqlite_path(database_url(settings)) is not None:
        raise Misconfigured(
            f"`hayon {part}` needs PostgreSQL: set HAYON_DATABASE_URL. On SQLite everything runs in one process, `hayon serve`."
        )
    run(settings, opened(settings, part), part)


def run(settings: Settings, opening: Opening, *parts: str) -> None:
    """Runs these parts of Hayon until a signal. Raises HayonError where they cannot start or a duty dies."""
    import uvloop

    from hayon import telemetry

    make_folder(settings)
    telemetry.set_up(settings.log)
    end_traces = _record_traces(settings)
    try:
        uvloop.run(_live(settings, opening, parts))
    finally:
        end_traces()


def _record_traces(settings: Settings) -> Callable[[], None]:
    """What to call when the process ends. Raises Misconfigured where what sends traces is not installed."""
    from hayon import telemetry

    if not settings.traces_url:
        return lambda: None
    try:
        return telemetry.set_up_traces(settings.traces_url, __version__)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            "HAYON_TRACES_URL is set, but what sends traces is not installed: pip install 'hayon[traces]'."
        ) from error


async def _live(settings: Settings, opening: Opening, names: Collection[str]) -> None:
    from hayon import telemetry
    from hayon.wiring import Part

    loop, here, stop, is_open = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event(), False

    def leave() -> None:
        for sign in SIGNS:
            loop.remove_signal_handler(sign)
            signal.signal(sign, signal.SIG_DFL)  # a second one ends the process at once, as kill -9 would
        stop.set()
        if here is not None and not is_open:
            here.cancel()
        if settings.log == "console":
            typer.echo(_stopping(settings))

    for sign in SIGNS:
        loop.add_signal_handler(sign, leave)
    try:
        async with opening as (hayon, welcome):
            is_open = True
            gc.freeze()  # what is there now stays to the end: no collection looks through it again
            gc.set_threshold(COLLECTED_AFTER, 10, 10)

            def ready(url: str) -> None:
                gc.freeze()  # nor through the web server, which was made since: that was a pause of 50 ms
                if not settings.public_url:
                    hayon.reach.be_at(url)
                telemetry.emit("house.started", address=url)
                tell(settings.log, *welcome(url))

            parts = {Part(name) for name in names}
            others: list[tuple[str, Coroutine[Any, Any, Any]]] = [("signals", stop.wait())]
            if Part.WEB in parts:
                from hayon.web.app import serve as serve_web

                others.append(("web", serve_web(hayon, settings.host, settings.port, ready)))
            else:
                if settings.metrics_port:
                    others.append(("vitals", hayon.vitals.serve(settings.metrics_host, settings.metrics_port)))
                telemetry.emit("house.started", part=" ".join(names))
                tell(settings.log, *welcome(""))
            await hayon.run_duties(*others, parts=parts)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    if not stop.is_set():
        raise Misconfigured("The web server ended by itself; the log above says more.")
    telemetry.emit("house.stopped")


def _stopping(settings: Settings) -> str:
    from hayon import telemetry

    count = int(telemetry.REGISTRY.get_sample_value("hayon_targets_in_flight") or 0)
    if not count:
        return "Stopping."
    finishing = (
        f"finishing {count} {'delivery' if count == 1 else 'deliveries'}, at most {settings.grace.total_seconds():g} s"
    )
    return f"Stopping: {finishing}. Ctrl-C again leaves {'it' if count == 1 else 'them'} to the next start."


@asynccontextmanager
async def opened(settings: Settings, part: str | None = None) -> AsyncIterator[tuple["Hayon", Callable[[str], Told]]]:
    """Hayon put together: whole, or for one part of several, which leave migrating to `hayon migrate`."""
    from hayon.store import users
    from hayon.wiring import open_hayon

    async with open_hayon(settings, migrating=part is None) as hayon:
        if part in {"relay", "worker"}:
            yield hayon, lambda _: ({"part": str(part)}, f"A {part} of Hayon is at work. Stop it with Ctrl-C.")
            return
        first = (
            "" if await hayon.database.read(users.anybody_registered) else " The first to register there is its admin."
        )
        yield hayon, lambda url: ({"url": url}, f"Hayon is ready at {url}{first}")


def tell(style: str, told: dict[str, str], words: str) -> None:
    """Tells whoever started this process that it is ready: a line of JSON to a program, words to a person."""
    line = json.dumps({**told, "pid": os.getpid()}) if style == "json" else words
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def make_folder(settings: Settings) -> None:
    """Makes the data folder. Raises Misconfigured where it cannot be."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. Set HAYON_DATA_DIR to another."
        ) from error
