"""`hayon doctor`: is everything in place to keep the promise? Each finding says how to mend it. Looks only, changes nothing."""

import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from hayon import __version__
from hayon.delivery.agreement import Agreement
from hayon.errors import PlatformError
from hayon.notifying import open_postbox
from hayon.outgoing import Outgoing, Request
from hayon.resealing import survey
from hayon.settings import PREFIX, Settings
from hayon.store import checkup
from hayon.store.database import Database, database_clock
from hayon.store.migrate import find_difference, find_revision, newest
from hayon.vault import Vault
from hayon.wiring import database_url, open_broker, open_media, open_outgoing, public_address

OLDEST_PYTHON = (3, 11)
CLOCKS_APART_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class State(StrEnum):
    """What a check came to. Only `failed` keeps Hayon from keeping its promise."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and how to mend it (empty where nothing is to be mended)."""

    check: str
    state: State
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """An app that has to be registered at a platform before anybody can be sent to its login page.

    `encrypted`: the platform sends people back to addresses with https only.
    """

    platform: str
    name: str
    encrypted: bool


APPS = (
    App("threads", "Threads", encrypted=True),
    App("instagram", "Instagram", encrypted=True),
    App("facebook", "Facebook", encrypted=True),
    App("tumblr", "Tumblr", encrypted=False),
)
"""Mastodon's instances let Hayon register itself, and Bluesky has no login page for it."""


class _Ill(Exception):
    """A check found something wrong: how bad it is, and what to do about it where that is not what its check says."""

    def __init__(self, found: str, mend: str = "", state: State = State.FAILED) -> None:
        super().__init__(found)
        self.mend = mend
        self.state = state


async def examine() -> list[Finding]:
    """Every check; one that finds something wrong keeps only those from being made that rest on it."""
    python = await _look("Python", "Install Python 3.11 or newer.", _python)
    settings = await _look("Settings", "Set it as it says, or unset it.", _settings)
    if settings.state is State.FAILED:
        return [python, settings]
    given = Settings.read()
    folders = [
        await _look("Data folder", "Give Hayon's user the right to write there, or set HAYON_DATA_DIR.", _folder, given.data_dir.absolute(),
                    "by the first start"),
        await _look("Media folder", "Give Hayon's user the right to write there, or set HAYON_MEDIA_URL.", _media, given),
    ]  # fmt: skip
    hosts = {"Bluesky": given.bluesky_url, "Mastodon": given.mastodon_url}
    reached = [
        await _look(f"Network: {name}", "Look at the network. Posts for it wait until it can be reached.", _reach, url)
        for name, url in hosts.items()
        if url
    ]
    bell = await _look(
        "Broker", "Start RabbitMQ, or set HAYON_BROKER_URL to where it is. Posts wait until then.", _broker, given
    )
    mail = await _look("Mail", "Set HAYON_SMTP_URL and HAYON_MAIL_FROM. Mails are tried for a day.", _mail, given)
    public = await _look("Public address", "Set HAYON_PUBLIC_URL to the address people open.", _public_address, given)
    apps = [await _look(f"App: {one.name}", f"See docs/connect/{one.platform}.md.", _app, given, one) for one in APPS]
    return [python, settings, *folders, *await _database(given), bell, mail, public, *apps, *reached]


def show(findings: list[Finding], *, as_json: bool) -> None:
    """Prints the findings: as JSON, or as a table in which each mend stands under what it mends."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
        return
    table = Table("Check", "State", "Found", box=SIMPLE_HEAD, pad_edge=False)
    for one in findings:
        found = Text(one.found) if not one.mend else Text.assemble(one.found, "\n", (f"→ {one.mend}", "bold"))
        table.add_row(one.check, Text(one.state, COLOURS[one.state]), found)
    console = Console(highlight=False, markup=False)
    console.print(table)
    bad = sum(one.state is State.FAILED for one in findings)
    console.print(f"{bad} failed: see what to do above." if bad else "Nothing keeps Hayon from its promise.")


async def _look(check: str, mend: str, look: Callable[..., str | Awaitable[str]], *what: object) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = look(*what)
            return Finding(check, State.OK, found if isinstance(found, str) else await found)
    except _Ill as ill:
        return Finding(check, ill.state, str(ill), ill.mend or mend)
    except TimeoutError:
        return Finding(check, State.FAILED, f"no answer within {PATIENCE_SECONDS:.0f} s", mend)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the doctor is asked about
        words = (str(error).splitlines() or [type(error).__name__])[0]
        return Finding(check, State.FAILED, words, mend)


def _python() -> str:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        raise _Ill(f"this is {version}")
    return version


def _settings() -> str:
    Settings.read()
    return "all readable"


def _folder(folder: Path, made: str) -> str:
    if not folder.exists():
        parent = next(one for one in folder.absolute().parents if one.exists())
        if not os.access(parent, os.W_OK):
            raise _Ill(f"{folder} cannot be made: {parent} is not writable")
        return f"{folder} is made {made}"
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} is writable"


def _media(settings: Settings) -> str:
    if settings.media_url and not settings.media_url.startswith("file://"):
        raise _Ill("HAYON_MEDIA_URL does not begin with file://", "Set it to file:///path, or unset it.")
    return _folder(
        Path(settings.media_url.removeprefix("file://") or settings.data_dir.absolute() / "media"),
        "when it is first needed",
    )


async def _database(settings: Settings) -> list[Finding]:
    url = database_url(settings)
    mend = "Start the database, or set HAYON_DATABASE_URL to where it is."
    if url.startswith("sqlite"):
        path = Path(url.partition(":///")[2])
        if not await asyncio.to_thread(path.exists):
            return [Finding("Database", State.OK, "made by the first start")]
        mend = f"Restore {path} from a copy, or see why it cannot be opened."
    shape = await _look("Database", mend, _shape, url)
    if shape.state is not State.OK:
        return [shape]
    database = Database(url)
    try:
        weak = "Put it right in the database's configuration: an accepted post may be lost in a power cut."
        sealed = (
            "Put the old key back, or set HAYON_PREVIOUS_SECRET_KEY to it; else the accounts are to be connected again."
        )
        older = "If it was restored, run `hayon restored --backup-time T` before anything else, T being when the backup was made."
        return [
            shape,
            await _look("Durability", weak, _durability, database),
            await _look("Generation", older, _generation, settings, database),
            await _look("Clock", "Let both machines keep their clocks by NTP.", _clock, database),
            await _look("Secret key", sealed, _secret_key, settings, database),
        ]
    finally:
        await database.close()


async def _shape(url: str) -> str:
    found = await find_revision(url)
    if found is None:
        raise _Ill("it has no tables yet", "Start Hayon, or run `hayon migrate`.", State.WARNING)
    if found != newest():
        known = f"it has shape {found}, this version works with {newest()}"
        raise _Ill(known, "Run `hayon migrate`." if found < newest() else "Install the newer Hayon that made it.")
    different = await find_difference(url)
    if different:
        raise _Ill(f"its tables differ from shape {found} in {len(different)} places", "Restore it from a copy.")
    return f"answers, shape {found} is the newest"


async def _durability(database: Database) -> str:
    durability = await database.read(checkup.read_durability)
    weaknesses = checkup.find_weaknesses(durability)
    if weaknesses:
        raise _Ill(", ".join(weaknesses))
    return ", ".join(f"{name} {value}" for name, value in durability.items())


async def _generation(settings: Settings, database: Database) -> str:
    outgoing = open_outgoing(settings)
    try:
        media = open_media(settings, Vault(["a key that seals nothing: a note is read"]), outgoing)
        await Agreement(database, media).ask()
    except PlatformError as error:
        told = f"the files do not tell which database they belong to: {error.message}"
        raise _Ill(told, "Hayon publishes nothing before they do. See Media folder.", State.WARNING) from error
    finally:
        await outgoing.aclose()
    return "the database is the one that the files know"


async def _clock(database: Database) -> str:
    asked_at = datetime.now(UTC)
    told = await database.read(database_clock)
    apart = (told - asked_at - (datetime.now(UTC) - asked_at) / 2).total_seconds()
    if abs(apart) > CLOCKS_APART_SECONDS:
        where = "ahead of" if apart > 0 else "behind"
        raise _Ill(f"the database's clock is {abs(apart):.0f} s {where} this machine's", state=State.WARNING)
    return "the database's and this machine's agree"


async def _secret_key(settings: Settings, database: Database) -> str:
    path = settings.data_dir / "secret.key"
    secret = settings.secret_key or (path.read_text(encoding="utf-8").strip() if path.exists() else "")
    vault = Vault([secret or "a key that seals nothing: it is counted", *filter(None, [settings.previous_secret_key])])
    found = await survey(database, vault)
    if not secret and not found.total:
        return "made by the first start"
    if not secret:
        raise _Ill(f"{path} is gone, and accounts were sealed with it")
    if found.lost:
        raise _Ill(f"it does not open what is sealed: {_counted(found.closed)} of {found.total}")
    if found.left:
        still = f"opens what is sealed, but {_counted(found.older)} of {found.total} by HAYON_PREVIOUS_SECRET_KEY alone"
        raise _Ill(still, "Run `hayon secrets reseal`; keep the previous key until then.", State.WARNING)
    if not found.total:
        return "there; nothing is sealed yet"
    if settings.previous_secret_key:
        return "opens what is sealed, without HAYON_PREVIOUS_SECRET_KEY"
    return "opens what is sealed"


def _counted(places: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in places.items())


async def _broker(settings: Settings) -> str:
    from hayon.brokers.rabbitmq import NO_PLUGIN, RabbitMQ, survey, verify

    broker = open_broker(settings)
    if not isinstance(broker, RabbitMQ):
        return "embedded: nothing to set up"
    seen = await survey(settings.broker_url, broker.topology)
    if seen.plugin is False:
        raise _Ill(f"RabbitMQ {seen.version} answers, without the delayed message exchange plugin", NO_PLUGIN)
    if seen.nothing_there:
        words = f"RabbitMQ {seen.version} answers; nothing is set up in it yet"
        raise _Ill(words, "Start Hayon, or run `hayon broker setup`.", State.WARNING)
    wrong = await verify(settings.broker_url, broker.topology)
    if wrong:
        raise _Ill(" ".join(wrong), "Do as it says; `hayon broker verify` shows whether it helped.")
    if seen.waiting and not seen.listening:
        raise _Ill(str(seen), "Nobody takes these bells: start a `hayon worker`.", State.WARNING)
    if seen.dead:
        raise _Ill(str(seen), "See what they are: `hayon dead-letters list`.", State.WARNING)
    return str(seen)


async def _mail(settings: Settings) -> str:
    postbox = open_postbox(settings.smtp_url, settings.mail_from)
    if postbox is None:
        return "none is sent: HAYON_SMTP_URL is not set"
    return await postbox.check()


def _public_address(settings: Settings) -> str:
    public = settings.public_url
    if not public and settings.host in LOOPBACK:
        return "none: only this machine reaches it"
    if not public:
        raise _Ill(f"none, though it listens on {settings.host}", state=State.WARNING)
    if public.startswith("http://") and urlsplit(public).hostname not in LOOPBACK:
        raise _Ill(f"{public} is not encrypted", "Put a proxy with https:// before it.", State.WARNING)
    return public


def _app(settings: Settings, wanted: App) -> str:
    names = [f"{PREFIX}{wanted.platform.upper()}_APP_{part}" for part in ("ID", "SECRET")]
    given = [getattr(settings, name.removeprefix(PREFIX).lower()) for name in names]
    if not any(given):
        return f"none: {wanted.name} can be connected with tokens in hand only"
    if not all(given):
        missing = names[given.index("")]
        words = f"{missing} is not set: {wanted.name} can be connected with tokens in hand only"
        raise _Ill(words, state=State.WARNING)
    home = public_address(settings)
    back = f"{home}/api/accounts/{wanted.platform}/callback"
    live = getattr(settings, f"{wanted.platform}_url") == getattr(Settings(), f"{wanted.platform}_url")
    if wanted.encrypted and live and not home.startswith("https://"):
        words = f"set, but {wanted.name} sends people back by https only, and not to {back}"
        raise _Ill(words, "Set HAYON_PUBLIC_URL to an address that begins with https://.", State.WARNING)
    return f"set; people come back to {back}, which has to be registered there"


async def _reach(address: str) -> str:
    outgoing = Outgoing(
        identity=f"Hayon/{__version__}", timeout_seconds=PATIENCE_SECONDS / 2, trusted_origins=[address]
    )
    try:
        await outgoing.send(Request("GET", address))
    except PlatformError as error:
        raise _Ill(error.message, state=State.WARNING) from error
    finally:
        await outgoing.aclose()
    return f"{address} answers"
