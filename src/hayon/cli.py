"""The command line: serve, demo, sandbox, migrate, doctor, verify, media, posts. It imports late, so that `hayon --help` is quick."""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hayon import __version__, remote
from hayon.errors import HayonError, Misconfigured
from hayon.settings import Settings

if TYPE_CHECKING:
    from hayon.wiring import Hayon

SIGNS = (signal.SIGTERM, signal.SIGINT)
SANDBOX_PORT = 8090
PORTS_TRIED = 100

Told = tuple[dict[str, str], str]
"""What a program may want to know once we are ready, and the same in words for a person."""
Opening = AbstractAsyncContextManager[tuple["Hayon", Callable[[str], Told]]]
"""Hayon put together, and what to tell once its address is known."""

app = typer.Typer(
    name="hayon", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Write a post once; publish it on Bluesky, Threads, Instagram, Facebook, Mastodon and Tumblr, now or at a set time; know what became of it on each.",
    epilog="Settings are read from the environment (HAYON_…). Exit codes: 0 done, 1 failed, 2 asked in a wrong way.",
)  # fmt: skip
app.add_typer(remote.commands, name="posts")
media = typer.Typer(no_args_is_help=True, help="Set up where pictures and videos are kept, and look whether it works.")
app.add_typer(media, name="media")

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where to listen. Default: HAYON_HOST, or 127.0.0.1.")
]
Port = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=0, max=65535, help="0 takes any free one. Default: HAYON_PORT, or 8080."),
]


class Limits(StrEnum):
    """Whether the simulated platforms refuse who asks too often, as the real ones do."""

    REAL = "real"
    NONE = "none"


def main() -> None:
    """Runs the command that the arguments name. What went wrong is a sentence on standard error, and exit code 1."""
    try:
        app()
    except HayonError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hayon {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """What is said before the command."""


@app.command()
def serve(host: Host = None, port: Port = None) -> None:
    """Run Hayon: pages, API, relay and worker in one process. Needs nothing set."""
    settings = _settings(host, port)
    _run(settings, _opened(settings))


@app.command()
def demo(host: Host = None, port: Port = None) -> None:
    """Run Hayon with simulated platforms: an author, accounts and a key are there, and no post leaves this machine."""
    from hayon.demo import open_demo

    settings = _settings(host, port, next_free=True)
    _run(settings, open_demo(settings, find_free_port))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes any free one.")] = SANDBOX_PORT,
    limits: Annotated[Limits, typer.Option(help="Rate limits: as on the real platforms, or none.")] = Limits.REAL,
) -> None:
    """Run the simulated platforms alone. They forget everything when they stop."""
    import uvloop

    from hayon.sandbox.app import serve as serve_sandbox
    from hayon.sandbox.world import World

    style = Settings.read().log

    def ready(url: str) -> None:
        words = (
            f"Simulated platforms are ready. What lands is shown at {url}\n"
            f"Each speaks at its own name, Bluesky at {url}/bluesky say, and {url}/control makes accounts and faults.\n"
            "Stop with Ctrl-C."
        )
        _tell(style, {"url": url}, words)

    world = World(limits.value)
    try:
        uvloop.run(serve_sandbox(world, host, port, ready=ready))
    except OSError as error:
        raise Misconfigured(
            f"The sandbox cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error
    finally:
        world.close()


@app.command()
def migrate() -> None:
    """Bring the database to the shape that this version works with. `serve` does so too when it starts."""
    from hayon.store.migrate import migrate as bring
    from hayon.wiring import database_url

    settings = Settings.read()
    _make_folder(settings)
    before, after = asyncio.run(bring(database_url(settings)))
    if before == after:
        typer.echo(f"The database has shape {after}, the newest. Nothing had to change.")
    else:
        typer.echo(f"The database had {f'shape {before}' if before else 'no tables'}. It has shape {after} now.")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings for a program.")] = False,
) -> None:
    """Look at settings, folders, database, key and platforms, and say how to mend what is wrong. Changes nothing."""
    from hayon.doctor import examine, show

    findings = asyncio.run(examine())
    show(findings, as_json=as_json)
    raise typer.Exit(1 if any(finding.state == "failed" for finding in findings) else 0)


@media.command("setup")
def media_setup(
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="An address whose pages may upload. Default: HAYON_PUBLIC_URL."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, only look.")] = False,
) -> None:
    """Let pages upload to the S3 bucket, have it throw away forgotten uploads after a week, and try all of it out."""
    from hayon.media.s3 import S3Bucket, set_up, verify_setup
    from hayon.wiring import media_place, open_outgoing

    settings = Settings.read()
    place = media_place(settings)
    if place is None:
        typer.echo(
            "Files are kept in a folder: nothing has to be set up. HAYON_MEDIA_URL=s3://… keeps them in a bucket."
        )
        return
    origins = origin or ([settings.public_url] if settings.public_url else [])
    if not origins:
        raise Misconfigured("Whose pages may upload? Set HAYON_PUBLIC_URL, or say --origin https://….")

    async def run() -> list[str]:
        outgoing = open_outgoing(settings)
        try:
            store = S3Bucket(place, outgoing, scratch=None)
            return [*([] if check else await set_up(store, origins)), *await verify_setup(store, origins)]
        finally:
            await outgoing.aclose()

    wrong = asyncio.run(run())
    for sentence in dict.fromkeys(wrong):
        typer.echo(sentence, err=True)
    if not wrong:
        typer.echo(f"The bucket {place.bucket} at {place.host} works: {', '.join(origins)} may upload.")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def verify(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, its handle, or its platform.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before anything is published.")] = False,
) -> None:
    """Try out with a connected account, live, what no document says for sure. Publishes a short post and removes it."""
    from rich.console import Console
    from rich.markup import escape

    from hayon.trial import COLOURS, Held, Point, open_verification

    settings, console = Settings.read(), Console()
    if not yes:
        typer.confirm(
            "This publishes a short post with the account, tries the same call again (which may make a second copy), "
            "and removes them where the platform can. Go on?",
            abort=True,
        )

    def tell(point: Point) -> None:
        console.print(f"[{COLOURS[point.held]}]{point.held:7}[/] {point.name}: [dim]{escape(point.told)}[/]")

    async def run() -> bool:
        async with open_verification(settings, account, tell) as verification:
            return all(point.held is not Held.FAILED for point in await verification.run())

    raise typer.Exit(0 if asyncio.run(run()) else 1)


def find_free_port(host: str, port: int) -> int:
    """This port, or the next one that nobody listens on; 0 gives any free one. Raises Misconfigured where there is none."""
    for tried in range(port, port + PORTS_TRIED) if port else [0]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, tried))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise Misconfigured(f"Hayon cannot listen on {host}:{tried}: {error.strerror}.") from error
            else:
                found: int = probe.getsockname()[1]
                return found
    raise Misconfigured(f"No port from {port} to {port + PORTS_TRIED} is free on {host}. Choose another --port.")


def _settings(host: str | None, port: int | None, *, next_free: bool = False) -> Settings:
    """The settings with what the command line says instead. Raises Misconfigured where the port is taken."""
    settings = Settings.read()
    settings = replace(settings, host=host or settings.host, port=settings.port if port is None else port)
    if not settings.port:
        return settings
    free = find_free_port(settings.host, settings.port)
    if free != settings.port:
        taken = f"Port {settings.port} of {settings.host} is taken"
        if not next_free:
            raise Misconfigured(f"{taken}. Stop what listens there, or choose another, such as --port {free}.")
        typer.echo(f"{taken}, so {free} is used instead.")
    return replace(settings, port=free)


def _run(settings: Settings, opening: Opening) -> None:
    """Runs the whole of Hayon until a signal. Raises HayonError where it cannot start or a duty dies."""
    import uvloop

    from hayon import telemetry

    _make_folder(settings)
    telemetry.set_up(settings.log)
    uvloop.run(_live(settings, opening))


async def _live(settings: Settings, opening: Opening) -> None:
    from hayon import telemetry
    from hayon.web.app import serve as serve_web

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

            def ready(url: str) -> None:
                if not settings.public_url:
                    hayon.reach.be_at(url)
                telemetry.emit("house.started", address=url)
                _tell(settings.log, *welcome(url))

            web = serve_web(hayon, settings.host, settings.port, ready)
            await hayon.run_duties(("web", web), ("signals", stop.wait()))
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
async def _opened(settings: Settings) -> AsyncIterator[tuple["Hayon", Callable[[str], Told]]]:
    from hayon.store import users
    from hayon.wiring import open_hayon

    async with open_hayon(settings) as hayon:
        first = (
            "" if await hayon.database.read(users.anybody_registered) else " The first to register there is its admin."
        )
        yield hayon, lambda url: ({"url": url}, f"Hayon is ready at {url}{first}")


def _tell(style: str, told: dict[str, str], words: str) -> None:
    """Tells whoever started this process that it is ready: a line of JSON to a program, words to a person."""
    line = json.dumps({**told, "pid": os.getpid()}) if style == "json" else words
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _make_folder(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. Set HAYON_DATA_DIR to another."
        ) from error


if __name__ == "__main__":
    main()
