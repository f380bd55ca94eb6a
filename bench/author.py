"""One author with five accounts, on five platforms, and a key to hand posts in with, written straight into a new database."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench.call import token_of
from hayon.domain.allowance import POSTS, Told
from hayon.domain.model import Account
from hayon.store import users
from hayon.store.accounts import keep_account
from hayon.store.allowances import keep_told
from hayon.store.database import Database, Tx
from hayon.store.migrate import migrate
from hayon.vault import Vault
from hayon.web.auth import KEY_PREFIX, digest, new_token

PLATFORMS = ("bluesky", "threads", "facebook", "mastodon", "tumblr")
COUNTING = ("threads", "tumblr")
"""Those that say how many posts a day they take: what is planned is held against it when a post comes in."""
A_DAY = 250
APART = timedelta(minutes=12)
"""Between two posts: an author who plans half of what such a platform takes in a day."""


@dataclass(frozen=True)
class Author:
    """Who was written: the key that opens, and their accounts in the order of PLATFORMS."""

    key: str
    user_id: UUID
    account_ids: tuple[UUID, ...]
    at_ledger: tuple[UUID, ...]


async def write_author(url: str, vault: Vault, ledger_url: str = "https://mastodon.invalid") -> Author:
    """Migrates the empty database at `url` and writes the author.

    `at_ledger` are five more accounts, all at the platform of the benchmarks: what is handed in for now is sent there.
    """
    await migrate(url)
    database = Database(url)
    try:
        return await database.write(insert_author, vault, ledger_url)
    finally:
        await database.close()


def insert_author(tx: Tx, vault: Vault, ledger_url: str) -> Author:
    """One more author, with accounts and a key."""
    person = users.insert_person(tx, f"{uuid4()}@example.test", "", "Ada", "Europe/Berlin", only_first=False)
    key = KEY_PREFIX + new_token()
    users.insert_key(tx, person.id, "bench", digest(key), key[:12])
    ids = [_insert_account(tx, vault, person.id, platform, f"https://{platform}.invalid", {}) for platform in PLATFORMS]
    for platform, account_id in zip(PLATFORMS, ids, strict=True):
        if platform in COUNTING:
            keep_told(tx, {str(account_id): [Told(POSTS, A_DAY, tx.now(), A_DAY, 86_400)]}, tx.now())
    there = [
        _insert_account(tx, vault, person.id, "mastodon", ledger_url, {"accessToken": token_of(number)}, str(number))
        for number in range(len(PLATFORMS))
    ]
    return Author(key, person.id, tuple(ids), tuple(there))


def _insert_account(
    tx: Tx, vault: Vault, user_id: UUID, platform: str, host: str, secret: dict[str, str], name: str = ""
) -> UUID:
    handle = f"ada{name}" + (".bsky.social" if platform == "bluesky" else "")
    account = Account(uuid4(), user_id, platform, host, f"{platform}-{user_id}-{name}", handle, "Ada")
    # nothing is refreshed while it is measured
    return keep_account(tx, account, vault.seal(secret, str(account.id)), tx.now() + timedelta(days=365))


def tomorrow() -> datetime:
    """A day ahead, at a full minute: from then on what is handed in is planned."""
    return (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
