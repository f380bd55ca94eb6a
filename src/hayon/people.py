"""`hayon people`: who has registered, a new password for somebody, another admin. Works on the database, beside a running Hayon.

For whoever runs Hayon: nobody is asked for a password, since who can read the settings can read all there is.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hayon.errors import NotFound
from hayon.settings import Settings

if TYPE_CHECKING:
    from hayon.store.database import Tx
    from hayon.store.users import Person

R = TypeVar("R")

commands = typer.Typer(
    no_args_is_help=True,
    help="See who has registered, let somebody set a new password, make somebody an admin. Needs the settings of Hayon, not a key.",
)
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address with which they registered.")]


@commands.command("list")
def list_people() -> None:
    """List everybody, in the order in which they came."""
    from hayon.store import users
    from hayon.web.wire import shown

    rows = _on_database(Settings.read(), users.list_people)
    for row in rows:
        marks = [*(["admin"] if row.is_admin else []), *(["disabled"] if row.disabled_at else [])]
        told = [row.email, *([row.name] if row.name else []), *([f"({', '.join(marks)})"] if marks else [])]
        typer.echo(shown("  ".join(told), 500))
    if not rows:
        typer.echo("Nobody has registered yet. The first to do so is the admin.")


@commands.command("reset-password")
def reset_password(email: Email) -> None:
    """Print a link by which this person sets a new password. It works once, for an hour; hand it to nobody else."""
    from hayon.store import sessions
    from hayon.web.auth import digest, new_token
    from hayon.web.resets import reset_link
    from hayon.wiring import public_address

    settings, token = Settings.read(), new_token()

    def work(tx: "Tx") -> "Person":
        person = _find(tx, email)
        if person.disabled:
            raise NotFound(f"{person.email} is shut out. An admin has to let them in again first.")
        sessions.open_reset(tx, person.id, digest(token))
        return person

    person = _on_database(settings, work)
    typer.echo(f"{person.email} sets a new password here, once, within an hour:", err=True)
    typer.echo(reset_link(public_address(settings), token))
    if not settings.public_url:
        typer.echo("HAYON_PUBLIC_URL is not set, so the link leads to the address that Hayon listens on.", err=True)


@commands.command("make-admin")
def make_admin(email: Email) -> None:
    """Make this person an admin, and let them in again if they were shut out."""
    from hayon.store import users

    def work(tx: "Tx") -> "Person":
        person = _find(tx, email)
        users.set_admin(tx, person.id, is_admin=True)
        users.set_disabled(tx, person.id, disabled=False)
        return person

    typer.echo(f"{_on_database(Settings.read(), work).email} is an admin.")


def _find(tx: "Tx", email: str) -> "Person":
    from hayon.store import users

    known = users.find_by_email(tx, email.strip().lower())
    if known is None:
        raise NotFound(f"Nobody has registered as {email!r}. `hayon people list` shows who has.")
    return known[0]


def _on_database(settings: Settings, work: "Callable[[Tx], R]") -> R:
    """One transaction. Also where SQLite is another process's: that rule is for who delivers, and this waits its turn."""
    from hayon.store.database import Database, sqlite_path
    from hayon.store.migrate import require_newest
    from hayon.wiring import database_url

    async def run() -> R:
        url = database_url(settings)
        path = sqlite_path(url)
        if path is not None and not path.exists():
            raise NotFound(f"There is no database at {path}. Is HAYON_DATA_DIR the folder of this Hayon?")
        await require_newest(url)
        database = Database(url)
        try:
            return await database.write(work)
        finally:
            await database.close()

    return asyncio.run(run())
