"""Another secret key while Hayon is at work: posts go out before, during and after, whatever is killed, and the old key can go."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import sqlalchemy as sa

from hayon import resealing
from hayon.resealing import Found, survey
from hayon.store.database import Database, Tx
from hayon.store.schema import accounts, users
from hayon.vault import Vault
from tests.acceptance.shape import HAYON, SECRET
from tests.acceptance.six import Six

NEW = "another secret key of the tests, long enough too"
MANY = 3 * resealing.BATCH


def test_killed_midway_and_run_again_all_opens_with_the_new_key_alone(six: Six) -> None:
    six.begin("serve")
    account_id = six.connect_to("mastodon", "ann")
    ids = six.in_database(_insert_many)
    six.wait_for(six.post("under the old key", account_id), "COMPLETED")
    assert six.parts.pop("serve").stop(within_seconds=40) == 0

    both = {"HAYON_SECRET_KEY": NEW, "HAYON_PREVIOUS_SECRET_KEY": SECRET}
    six.url = six.start("serve", "both", HAYON_PORT="0", **both).ready["url"]
    six.wait_for(six.post("under both", account_id), "COMPLETED")

    with _held(six, ids[-1]):  # which is of the last batch: there it is certain to be, when it is killed
        first = six.start_process(HAYON, "secrets", "reseal", env=six.env | both, ready_within_seconds=None)
        told = f"accounts: {2 * resealing.BATCH:,} of"
        first.wait_until(lambda: told in first.output(), told)
        first.kill9()
    found = _survey(six, NEW, SECRET)
    assert found.total == MANY + 1
    assert found.older == {"accounts": MANY + 1 - 2 * resealing.BATCH}
    six.wait_for(six.post("half of it under the new one", account_id), "COMPLETED")

    again = six.start_process(HAYON, "secrets", "reseal", env=six.env | both, ready_within_seconds=None)
    assert again.wait(within_seconds=60) == 0, again.output()
    assert "opens with the present key alone" in again.output()
    assert _survey(six, NEW) == Found(MANY + 1)
    six.wait_for(six.post("all of it under the new one", account_id), "COMPLETED")
    assert six.parts.pop("both").stop(within_seconds=40) == 0

    six.url = six.start("serve", "new", HAYON_PORT="0", HAYON_SECRET_KEY=NEW).ready["url"]
    six.wait_for(six.post("the old key is gone", account_id), "COMPLETED")
    assert len(six.sandbox.ledger("mastodon")) == 5


def _insert_many(tx: Tx) -> list[UUID]:
    """Accounts that nobody uses, sealed under the old key; their ids in order."""
    vault, now, user_id = Vault([SECRET]), tx.now(), tx.value(sa.select(users.c.id))
    rows: list[dict[str, Any]] = []
    for number in range(MANY):
        one = uuid4()
        rows.append(
            {"id": one, "user_id": user_id, "platform": "mastodon", "host": "https://example.social",
             "remote_id": str(number), "credential": vault.seal({"accessToken": str(number)}, str(one)),
             "connected_at": now}
        )  # fmt: skip
    tx.run(sa.insert(accounts), rows)
    return sorted(row["id"] for row in rows)


@contextlib.contextmanager
def _held(six: Six, account_id: UUID) -> Iterator[None]:
    """Somebody holds the row of this account."""
    held, go = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(six.env["HAYON_DATABASE_URL"].replace("+asyncpg", ""))
        async with connection.transaction():
            await connection.execute("SELECT id FROM accounts WHERE id = $1 FOR UPDATE", account_id)
            held.set()
            await asyncio.to_thread(go.wait)
        await connection.close()

    thread = threading.Thread(target=asyncio.run, args=(hold(),))
    thread.start()
    held.wait()
    try:
        yield
    finally:
        go.set()
        thread.join()


def _survey(six: Six, *keys: str) -> Found:
    async def run() -> Found:
        database = Database(six.env["HAYON_DATABASE_URL"])
        try:
            return await survey(database, Vault(keys))
        finally:
            await database.close()

    return asyncio.run(run())
