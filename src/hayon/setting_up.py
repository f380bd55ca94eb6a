"""`hayon media`, `hayon broker` and `hayon secrets`: what is set up once beside Hayon, a bucket, a RabbitMQ, another secret key, and looked at ever after."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from hayon.errors import Misconfigured
from hayon.settings import Settings

if TYPE_CHECKING:
    from hayon.brokers.rabbitmq import RabbitMQ

media = typer.Typer(no_args_is_help=True, help="Set up where pictures and videos are kept, and look whether it works.")
broker = typer.Typer(
    no_args_is_help=True,
    help="Set up exchanges and queues in the RabbitMQ of HAYON_BROKER_URL, look at them, or bring older ones to the present shape.",
)


secrets = typer.Typer(no_args_is_help=True, help="What is kept sealed, and the secret key that opens it.")


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


@broker.command("setup")
def broker_setup() -> None:
    """Make what is missing and try it out. Relays and workers do so too when they start."""
    from hayon.brokers.rabbitmq import setup

    settings = Settings.read()
    if (rabbit := _rabbitmq(settings)) is None:
        return
    asyncio.run(setup(settings.broker_url, rabbit.topology))
    typer.echo(f"{_size(rabbit)} are there, and what is sent comes where it should.")


@broker.command("verify")
def broker_verify() -> None:
    """Look whether all is there as it should be, and try it out. Changes nothing; ends with 1 where something is wrong."""
    from hayon.brokers.rabbitmq import NO_PLUGIN, survey, verify

    settings = Settings.read()
    if (rabbit := _rabbitmq(settings)) is None:
        return

    async def look() -> tuple[list[str], str]:
        seen = await survey(settings.broker_url, rabbit.topology)
        wrong = [NO_PLUGIN] if seen.plugin is False else await verify(settings.broker_url, rabbit.topology)
        return wrong, str(seen)

    wrong, seen = asyncio.run(look())
    for sentence in dict.fromkeys(wrong):
        typer.echo(sentence, err=True)
    if not wrong:
        typer.echo(f"{_size(rabbit)} are as they should be, and what is sent comes where it should: {seen}.")
    raise typer.Exit(1 if wrong else 0)


@broker.command("migrate")
def broker_migrate() -> None:
    """Bring queues and exchanges of another shape to the present one, with all that waits in them. Stop Hayon first."""
    from hayon.brokers.rabbitmq import migrate

    settings = Settings.read()
    if (rabbit := _rabbitmq(settings)) is None:
        return
    done = asyncio.run(migrate(settings.broker_url, rabbit.topology))
    for sentence in done or [f"{_size(rabbit)} have the present shape. Nothing had to change."]:
        typer.echo(sentence)


@secrets.command("reseal")
def secrets_reseal(
    check: Annotated[bool, typer.Option("--check", help="Change nothing, only say what is left.")] = False,
) -> None:
    """After a change of the secret key: seal anew what only the previous one opens. Beside a Hayon at work, as often as wanted."""
    from hayon.media.reach import ADDRESS_LASTS
    from hayon.resealing import Found, reseal, survey
    from hayon.store.database import Database
    from hayon.store.migrate import require_newest
    from hayon.wiring import database_url, present_vault

    settings = Settings.read()
    vault = present_vault(settings)

    async def run() -> Found:
        url = database_url(settings)
        await require_newest(url)
        database = Database(url, name="hayon secrets")
        try:
            return await (survey(database, vault) if check else reseal(database, vault, typer.echo))
        finally:
            await database.close()

    found = asyncio.run(run())
    for name, count in found.closed.items():
        typer.echo(f"{name}: {count:,} open with no key that is set.", err=True)
    for name, count in found.older.items():
        typer.echo(f"{name}: {count:,} open with the previous key alone.", err=True)
    if found.left:
        typer.echo(
            "Keep HAYON_PREVIOUS_SECRET_KEY. Are all processes started with the new key? Then run `hayon secrets reseal`.",
            err=True,
        )
    elif not found.lost:
        hours = int(ADDRESS_LASTS.total_seconds() // 3600)
        typer.echo(f"All that is sealed, {found.total:,} in number, opens with the present key alone.")
        if settings.previous_secret_key:
            typer.echo(
                f"HAYON_PREVIOUS_SECRET_KEY can be taken away once all processes have run with the present key for {hours} "
                "hours: addresses of files that were handed out before are signed with the previous one."
            )
    raise typer.Exit(1 if found.left or found.lost else 0)


def _rabbitmq(settings: Settings) -> "RabbitMQ | None":
    """Not connected yet; None, and told so, where the broker is the embedded one. Raises Misconfigured."""
    from hayon.brokers.rabbitmq import RabbitMQ
    from hayon.wiring import open_broker

    opened = open_broker(settings)
    if isinstance(opened, RabbitMQ):
        return opened
    typer.echo("The broker is embedded: there is nothing to set up. HAYON_BROKER_URL=amqp://… names a RabbitMQ.")
    return None


def _size(rabbit: "RabbitMQ") -> str:
    topology = rabbit.topology
    return f"{len(topology.exchanges)} exchanges, {len(topology.queues)} queues and {len(topology.bindings)} bindings"
