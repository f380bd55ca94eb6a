"""`hayon secrets reseal`: everything that is sealed comes under the new key, wherever it stands, and what is left is said."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon import resealing
from hayon.resealing import Found, reseal, survey
from hayon.store import sealed
from hayon.store.database import Database, Tx
from hayon.store.migrate import migrate
from hayon.store.schema import accounts, apps, connections, mails, metadata, users, webhooks
from hayon.store.sealed import PLACES
from hayon.vault import Vault
from tests.cli.conftest import Run

OLD, NEW = "the old key of the tests, long enough", "the new key of the tests, long enough"
BOTH = {"SECRET_KEY": NEW, "PREVIOUS_SECRET_KEY": OLD}
HOST, BACK = "https://example.social", "https://hayon.example/back"


def insert(vault: Vault, count: int = 1) -> Callable[[Tx], UUID]:
    """One of everything that is kept sealed, and so many accounts. The id of the person whose they are."""

    def work(tx: Tx) -> UUID:
        now, user_id = tx.now(), uuid4()
        tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=now))
        rows = []
        for number in range(count):
            account_id = uuid4()
            secret = vault.seal({"accessToken": f"token {number}"}, str(account_id))
            rows.append(
                {"id": account_id, "user_id": user_id, "platform": "mastodon", "host": HOST, "remote_id": str(number),
                 "credential": secret, "connected_at": now}
            )  # fmt: skip
        tx.run(sa.insert(accounts), rows)
        tx.run(sa.insert(apps).values(
            host=HOST, redirect_uri=BACK, sealed=vault.seal({"app": 1}, f"app {HOST} {BACK}"), created_at=now))  # fmt: skip
        one = uuid4()
        tx.run(sa.insert(connections).values(
            id=one, user_id=user_id, state_hash=b"1", platform="mastodon", redirect_uri=BACK, created_at=now,
            expires_at=now + timedelta(minutes=10), sealed=vault.seal({"verifier": 1}, str(one))))  # fmt: skip
        tx.run(sa.insert(webhooks).values(
            id=one, user_id=user_id, url=HOST, created_at=now, sealed=vault.seal({"secret": 1}, str(one))))  # fmt: skip
        tx.run(sa.insert(mails).values(
            id=one, user_id=user_id, kind="password.reset", created_at=now, sealed=vault.seal({"link": 1}, str(one))))  # fmt: skip
        tx.run(sa.insert(mails).values(id=uuid4(), user_id=user_id, kind="post.failed", created_at=now))
        return user_id

    return work


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> Any:
    """A database of each kind in the newest shape."""
    (tmp_path / "data").mkdir()
    await migrate(database_url)
    opened = Database(database_url)
    yield opened
    await opened.close()


def test_every_column_that_holds_something_sealed_is_known() -> None:
    """A column that is forgotten here would be lost with the old key."""
    columns = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name in {"sealed", "credential"}
    }
    assert {place.column for place in PLACES} == columns


async def test_all_of_it_opens_with_the_new_key_alone(hayon: Run, database: Database, database_url: str) -> None:
    await database.write(insert(Vault([OLD]), 3))
    said = hayon("secrets", "reseal", "--check", DATABASE_URL=database_url, **BOTH)
    assert (said.code, "accounts: 3 open with the previous key alone." in said.err) == (1, True)
    assert (await survey(database, Vault([NEW, OLD]))).left == 7

    said = hayon("secrets", "reseal", DATABASE_URL=database_url, **BOTH)
    assert said.code == 0, said.err
    assert "accounts: 3 of 3 looked at, 3 sealed anew" in said.out
    assert "All that is sealed, 7 in number, opens with the present key alone." in said.out
    assert "HAYON_PREVIOUS_SECRET_KEY can be taken away" in said.out
    assert await survey(database, Vault([NEW])) == Found(7)
    assert OLD not in said.out + said.err
    assert NEW not in said.out + said.err

    again = hayon("secrets", "reseal", DATABASE_URL=database_url, **BOTH)
    assert (again.code, "sealed anew" in again.out) == (0, False)


async def test_a_place_is_walked_in_steps_to_its_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 3)
    await database.write(insert(Vault([OLD]), 10))
    told: list[str] = []
    assert await reseal(database, Vault([NEW, OLD]), told.append) == Found(14)
    assert [line for line in told if line.startswith("accounts")] == [
        f"accounts: {seen} of 10 looked at, {seen} sealed anew" for seen in (3, 6, 9, 10)
    ]


async def test_what_no_key_opens_is_said_and_keeps_nothing_else_back(
    hayon: Run, database: Database, database_url: str
) -> None:
    await database.write(insert(Vault([OLD]), 2))
    lost = Vault(["a third key that nobody knows any more"])

    def spoil(tx: Tx) -> None:
        account_id = tx.value(sa.select(accounts.c.id).limit(1))
        values = {"credential": lost.seal({}, str(account_id))}
        tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(**values))

    await database.write(spoil)
    said = hayon("secrets", "reseal", DATABASE_URL=database_url, **BOTH)
    assert said.code == 1
    assert "accounts: 1 open with no key that is set." in said.err
    assert await survey(database, Vault([NEW])) == Found(6, {}, {"accounts": 1})


async def test_who_writes_at_the_same_moment_wins(database: Database) -> None:
    """A refresh between reading and writing: the fresh credential is not overwritten by the old one under the new key."""
    await database.write(insert(Vault([OLD])))
    vault, place = Vault([NEW, OLD]), PLACES[0]
    [kept] = await database.read(sealed.list_kept, place, None, 10)
    refreshed = vault.seal({"accessToken": "fresh"}, kept.context)
    await database.write(lambda tx: tx.run(sa.update(accounts).values(credential=refreshed)))
    again = vault.seal(vault.open(kept.sealed, kept.context), kept.context)
    assert await database.write(sealed.replace_kept, place, [(kept, again)]) == 0
    [after] = await database.read(sealed.list_kept, place, None, 10)
    assert vault.open(after.sealed, after.context) == {"accessToken": "fresh"}


async def test_what_a_process_with_the_old_key_writes_meanwhile_is_found_by_the_next_pass(database: Database) -> None:
    await database.write(insert(Vault([OLD]), 2))
    old, once = Vault([OLD]), True

    class Late(Database):
        """Somebody writes under the old key right after the accounts were done."""

        async def write(self, work: Any, *given: Any, **named: Any) -> Any:
            nonlocal once
            done = await super().write(work, *given, **named)
            if once:
                once = False
                await super().write(overwrite)
            return done

    def overwrite(tx: Tx) -> None:
        account_id = tx.value(sa.select(accounts.c.id).order_by(accounts.c.id).limit(1))
        credential = old.seal({"accessToken": "late"}, str(account_id))
        tx.run(sa.update(accounts).where(accounts.c.id == account_id).values(credential=credential))

    late = Late(database.url.render_as_string(hide_password=False))
    try:
        assert await reseal(late, Vault([NEW, OLD]), lambda _: None) == Found(6)
    finally:
        await late.close()


def test_without_a_key_none_is_made(hayon: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = hayon("secrets", "reseal")
    assert said.code == 1
    assert "There is no secret key" in said.err
    assert not (tmp_path / "data" / "secret.key").exists()
