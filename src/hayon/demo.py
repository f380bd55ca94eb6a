"""`hayon demo`: Hayon and simulated platforms in one process, furnished so that a first post can go out. Not for real accounts."""

import dataclasses
import json
import os
import secrets
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from hayon.errors import HayonError, Misconfigured
from hayon.sandbox.app import running
from hayon.sandbox.meta.renewing import APP_SECRET, FACEBOOK_APP_ID, INSTAGRAM_APP_ID, THREADS_APP_ID
from hayon.sandbox.model import Platform
from hayon.sandbox.sites import SITES
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.world import World
from hayon.settings import Settings
from hayon.store import accounts, users
from hayon.store.database import Tx
from hayon.web.auth import KEY_PREFIX, digest, new_token
from hayon.web.passwords import Passwords
from hayon.wiring import Hayon, open_hayon

KEPT_IN = "demo.json"
AUTHOR = "demo@example.org"
HANDLES = {site.platform.value: "ada.bsky.social" if site.platform is Platform.BLUESKY else "ada" for site in SITES}
APPS_AT_META = {"threads": THREADS_APP_ID, "instagram": INSTAGRAM_APP_ID, "facebook": FACEBOOK_APP_ID}
FIRST_WORDS = "Hello from Hayon!"
PORTS_BETWEEN = 10
"""The sandbox listens this far above Hayon at its first start, and from then on where it listened before."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What one start of the demo leaves to the next, in a file that only we may read."""

    password: str
    api_key: str
    sandbox_port: int


@asynccontextmanager
async def open_demo(
    settings: Settings, find_free_port: Callable[[str, int], int]
) -> AsyncIterator[tuple[Hayon, Callable[[str], tuple[dict[str, str], str]]]]:
    """Hayon and its simulated platforms, with an author, a key and accounts: the same ones at every start.

    Yields Hayon and what to tell once its address is known: for a program, and in words. Raises Misconfigured.
    """
    path = settings.data_dir / KEPT_IN
    known = _read(path)
    first = settings.port + PORTS_BETWEEN if settings.port else 0
    port = find_free_port(settings.host, known.sandbox_port if known else first)
    kept = Kept(
        password=known.password if known else secrets.token_urlsafe(9),
        api_key=known.api_key if known else KEY_PREFIX + new_token(),
        sandbox_port=port,
    )
    sandbox = f"http://{_spoken(settings.host)}:{port}"
    # being addresses that the operator set, they may be called although they are private ones
    addresses: dict[str, Any] = {f"{platform}_url": f"{sandbox}/{platform}" for platform in HANDLES}
    settings = dataclasses.replace(
        settings, **addresses, **_apps_at_meta(), bluesky_video_url="", tumblr_app_id=CONSUMER_KEY,
        tumblr_app_secret=CONSUMER_SECRET,
    )  # fmt: skip
    async with open_hayon(settings) as hayon:
        if known is None and await hayon.database.read(_is_somebodys):
            raise Misconfigured(
                f"{settings.data_dir} holds a Hayon that is in use, and the demo would play with it. "
                "Set HAYON_DATA_DIR to another folder for the demo, or start this one with `hayon serve`."
            )
        _write(path, kept)
        world = World(path=settings.data_dir / "sandbox")
        try:
            if settings.public_url:
                for platform in (*APPS_AT_META, Platform.TUMBLR):
                    back = f"{settings.public_url.rstrip('/')}/api/accounts/{platform}/callback"
                    world.tell(platform, "redirect", uri=back)
            async with _platforms(world, settings.host, port):
                author = await _register(hayon, kept)
                refused = await _connect(hayon, author, world, sandbox)
                yield hayon, lambda url: _welcome(url, sandbox, kept, settings.data_dir, refused)
        finally:
            world.close()


def _apps_at_meta() -> dict[str, Any]:
    """The simulated app, as the settings name it for each platform."""
    ids = {f"{platform}_app_id": app_id for platform, app_id in APPS_AT_META.items()}
    return {**ids, **{f"{platform}_app_secret": APP_SECRET for platform in APPS_AT_META}}


@asynccontextmanager
async def _platforms(world: World, host: str, port: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(running(world, host, port))
        except OSError as error:
            message = (
                f"The simulated platforms cannot listen on {host}:{port}: {error.strerror}. Start the demo once more."
            )
            raise Misconfigured(message) from error
        yield


def _spoken(host: str) -> str:
    """How this machine calls an address that it listens on."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _is_somebodys(tx: Tx) -> bool:
    return users.anybody_registered(tx) and users.find_by_email(tx, AUTHOR) is None


def _welcome(url: str, timeline: str, kept: Kept, folder: Path, refused: list[str]) -> tuple[dict[str, str], str]:
    told = {"url": url, "email": AUTHOR, "password": kept.password, "apiKey": kept.api_key, "timeline": timeline}
    return (
        told,
        f"""
  Hayon is ready. Its platforms are simulated: no post leaves this machine.

    Write and watch posts    {url}
                e-mail       {AUTHOR}
                password     {kept.password}
    See what has landed      {timeline}
    Play a mishap            {timeline}/control/faults
    Simulated accounts       {timeline}/control/accounts
{_listed(refused)}
  Or make a first post from another terminal:

{_curl_line(url, kept.api_key)}

  For `hayon posts` there:

export HAYON_API_URL={url} HAYON_API_KEY={kept.api_key}

  Stop with Ctrl-C. Everything stays in {folder.absolute()} for the next start.
""",
    )


def _listed(lines: list[str]) -> str:
    return "".join(f"\n{line}" for line in lines) + ("\n" if lines else "")


def _curl_line(url: str, api_key: str) -> str:
    # Instagram takes no words alone
    platforms = [platform for platform in HANDLES if platform != Platform.INSTAGRAM]
    post = {"content": {"text": FIRST_WORDS}, "selectedPlatforms": platforms}
    headers = [f"Authorization: Bearer {api_key}", "Content-Type: application/json"]
    given = [word for header in headers for word in ("-H", header)]
    return shlex.join(["curl", "-sS", f"{url}/api/posts", *given, "-d", json.dumps(post)])


async def _register(hayon: Hayon, kept: Kept) -> UUID:
    """The author with this password and key, whatever an earlier start that was cut short has left undone."""
    passwords = Passwords()
    known = await hayon.database.read(users.find_by_email, AUTHOR)
    fits = known is not None and await passwords.fits(known[1], kept.password)
    hashed = "" if fits else await passwords.hash(kept.password)

    def furnish(tx: Tx) -> UUID:
        found = users.find_by_email(tx, AUTHOR)
        person = found[0] if found else users.insert_person(tx, AUTHOR, hashed, "Ada", "UTC", only_first=False)
        if found and hashed:
            users.replace_password_hash(tx, person.id, hashed)
        if users.find_key(tx, digest(kept.api_key)) is None:
            users.insert_key(tx, person.id, "demo", digest(kept.api_key), kept.api_key[: len(KEY_PREFIX) + 4])
        return person.id

    return await hayon.database.write(furnish)


async def _connect(hayon: Hayon, author: UUID, world: World, sandbox: str) -> list[str]:
    """Connects the simulated profiles; those that are connected already stay as they are. A line for each that is refused."""
    refused = []
    mine = {(one.platform, one.remote_id): one for one in await hayon.database.read(accounts.list_accounts, author)}
    for platform, handle in HANDLES.items():
        profile = world.find_account(platform, handle) or world.add_account(platform, handle, "Ada")
        account = mine.get((profile.platform, profile.account_id))
        host = f"{sandbox}/{platform}"
        if account and account.host != host:
            # the sandbox's old port is taken: it moved, and the account, with all that waits for it, moves along
            await hayon.database.write(accounts.keep_profile, account.id, {"host": host})
        elif account and not account.needs_reconnection:
            continue
        if not profile.secret:
            # a mishap revoked it: its owner, who we are, makes a new one
            profile = world.renew(profile)
        site = next(one for one in SITES if one.platform == platform)
        try:
            await hayon.accounts.connect(author, platform, site.connection(profile, f"{sandbox}/"))
        except HayonError as error:
            # it may have been suspended for a play: all the rest is there to look at
            refused.append(f"  {handle} on {platform} is not connected: {error}")
    return refused


def _read(path: Path) -> Kept | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Kept(str(told["password"]), str(told["apiKey"]), int(told["sandboxPort"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} cannot be read. Delete it: the demo makes a new one and keeps its posts."
        ) from error


def _write(path: Path, kept: Kept) -> None:
    """Whole or not at all, and never readable by others."""
    told = {"email": AUTHOR, "password": kept.password, "apiKey": kept.api_key, "sandboxPort": kept.sandbox_port}
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(json.dumps(told, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
