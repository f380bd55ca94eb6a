"""The command line: serve, web, relay, worker, demo, sandbox, migrate, doctor, restored, verify, and more in the files beside it. It imports late, so that `hayon --help` is quick."""

import asyncio
import errno
import gc
import socket
import sys
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from hayon import __version__, people, running, setting_up
from hayon.errors import HayonError, Misconfigured
from hayon.remote import parking, posts
from hayon.settings import Settings

SANDBOX_PORT = 8090
PORTS_TRIED = 100

app = typer.Typer(
    name="hayon", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Write a post once; publish it on Bluesky, Threads, Instagram, Facebook, Mastodon and Tumblr, now or at a set time; know what became of it on each.",
    epilog="Settings are read from the environment (HAYON_…). Exit codes: 0 done, 1 failed, 2 asked in a wrong way.",
)  # fmt: skip
app.add_typer(setting_up.media, name="media")
app.add_typer(setting_up.broker, name="broker")
app.add_typer(setting_up.secrets, name="secrets")
app.add_typer(posts.commands, name="posts")
app.add_typer(parking.commands, name="parking")
app.add_typer(parking.letters, name="dead-letters")
app.add_typer(people.commands, name="people")

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
    gc.set_threshold(10_000, 10, 10)  # what is imported stays: to look for garbage in it took a tenth of the start
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
    running.run(settings, running.opened(settings), "web", "relay", "worker")


@app.command()
def web(host: Host = None, port: Port = None) -> None:
    """Run pages and API alone. For the full shape, beside any number of `hayon relay` and `hayon worker`; needs PostgreSQL."""
    running.run_part(_settings(host, port), "web")


@app.command()
def relay() -> None:
    """Run a relay alone: it rings for what is due, takes back what was lost, and tends files. Any number may run."""
    running.run_part(Settings.read(), "relay")


@app.command()
def worker() -> None:
    """Run a worker alone: it delivers. Any number may run; SIGTERM lets it finish what it has begun (HAYON_GRACE)."""
    running.run_part(Settings.read(), "worker")


@app.command()
def demo(host: Host = None, port: Port = None) -> None:
    """Run Hayon with simulated platforms: an author, accounts and a key are there, and no post leaves this machine."""
    from hayon.demo import open_demo

    settings = _settings(host, port, next_free=True)
    running.run(settings, open_demo(settings, find_free_port), "web", "relay", "worker")


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
        running.tell(style, {"url": url}, words)

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
    running.make_folder(settings)
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


@app.command()
def restored(
    backup_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the backup was made, with its zone: 2026-11-21T03:00:00Z.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    used_since: Annotated[
        bool, typer.Option("--used-since", help="Hayon has worked on the database since it was restored.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm-scheduled", help="What is held goes out as planned, whoever's it is.")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="List what is held.")] = False,
) -> None:
    """After the database was restored from a backup, before Hayon is started: nothing that went out since is published again."""
    from hayon import telemetry
    from hayon.restored import confirm_scheduled, list_held, read_time, restore

    settings = Settings.read()
    telemetry.set_up(settings.log)
    if backup_time is not None:
        at = read_time(backup_time)
        asyncio.run(restore(settings, at, typer.echo, dry_run=dry_run, used_since=used_since, confirm=confirm))
    elif confirm:
        asyncio.run(confirm_scheduled(settings, typer.echo))
    elif not listing:
        raise typer.BadParameter("Say when the backup was made: --backup-time 2026-11-21T03:00:00Z.")
    if listing:
        asyncio.run(list_held(settings, typer.echo))


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


if __name__ == "__main__":
    main()
