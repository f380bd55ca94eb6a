"""`hayon migrate` brings a database of either kind to its newest shape, and says from what to what."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from hayon.errors import Misconfigured
from hayon.store import migrations
from hayon.store.database import Database, Tx
from hayon.store.migrate import find_difference, migrate, newest, require_newest
from hayon.store.schema import accounts, posts, targets, users
from tests.cli.conftest import Run
from tests.servers.ports import free_port

AT = datetime(2026, 11, 21, 12, 1, tzinfo=UTC)


async def test_it_says_from_what_to_what(hayon: Run, database_url: str) -> None:
    first = hayon("migrate", DATABASE_URL=database_url)
    assert (first.code, first.out) == (0, f"The database had no tables. It has shape {newest()} now.\n")
    assert await find_difference(database_url) == []

    again = hayon("migrate", DATABASE_URL=database_url)
    assert (again.code, again.out) == (0, f"The database has shape {newest()}, the newest. Nothing had to change.\n")


def test_the_newest_shape_is_the_last_of_the_migrations() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert newest() == scripts.get_current_head()


async def test_a_database_of_a_newer_version_is_left_as_it_is(hayon: Run, database_url: str) -> None:
    hayon("migrate", DATABASE_URL=database_url)
    database = Database(database_url)
    try:
        await database.write(lambda tx: tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    finally:
        await database.close()
    said = hayon("migrate", DATABASE_URL=database_url)
    words = (
        f"The database has shape 9999, this version knows none beyond {newest()}: install the newer Hayon that made it."
    )
    assert (said.code, said.err.splitlines()[-1]) == (1, words)
    with pytest.raises(Misconfigured) as raised:  # nor is whoever starts on it sent to migrate
        await require_newest(database_url)
    assert str(raised.value) == words


def test_a_database_in_its_newest_shape_is_opened_without_alembic(tmp_path: Path) -> None:
    opening = (
        "import asyncio, sys; from hayon.store.migrate import migrate;"
        f" asyncio.run(migrate('sqlite:///{tmp_path / 'hayon.db'}')); print('alembic' in sys.modules)"
    )
    said = [subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=True) for _ in "12"]
    assert [one.stdout for one in said] == ["True\n", "False\n"]


def test_without_a_database_url_it_is_the_data_folders_own(hayon: Run, tmp_path: Path) -> None:
    assert hayon("migrate").code == 0
    assert (tmp_path / "data" / "hayon.db").exists()


def test_a_database_that_does_not_answer_is_a_sentence(hayon: Run) -> None:
    said = hayon("migrate", DATABASE_URL=f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/hayon")
    assert said.code == 1
    assert said.err.startswith("The database did not answer")
    assert "hidden" not in said.err + said.out


async def migrate_to(revision: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in an older shape, made by the way that migrates."""
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, revision))
        await migrate(database_url)


async def test_posts_of_an_older_version_are_too_late_when_they_said_so(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How late a post may go out stood on the post alone before shape 0006."""
    (tmp_path / "data").mkdir()
    await migrate_to("0005", database_url, monkeypatch)
    made = [
        (AT, 600, "pending"),
        (AT, None, "pending"),
        (None, 600, "pending"),
        (AT, 90, "failed"),
        (AT, 0, "unconfirmed"),
    ]
    database = Database(database_url)
    try:
        ids = await database.write(lambda tx: [_insert(tx, *one) for one in made])
        await migrate(database_url)
        found = await database.read(lambda tx: tx.all(sa.select(targets.c.id, targets.c.too_late_at)))
        told = {row.id: row.too_late_at for row in found}
    finally:
        await database.close()
    assert [told[one] for one in ids] == [AT + timedelta(seconds=600), None, None, None, AT]


async def test_posts_of_an_older_version_have_a_place_in_the_calendar(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their time; else when they were handed in, which is when they got their targets. A draft without a time has none."""
    (tmp_path / "data").mkdir()
    await migrate_to("0005", database_url, monkeypatch)
    database = Database(database_url)

    def handed_in(tx: Tx) -> None:
        tx.run(sa.update(targets).where(targets.c.id == ids[1]).values(created_at=AT + timedelta(days=2)))
        for number in (2, 3):
            tx.run(sa.delete(targets).where(targets.c.id == ids[number]))
            tx.run(sa.update(posts).where(posts.c.id == ids[number]).values(status="DRAFT"))

    try:
        ids = await database.write(lambda tx: [_insert(tx, at, None, "pending") for at in (AT, None, AT, None)])
        await database.write(handed_in)
        await migrate(database_url)
        found = await database.read(lambda tx: tx.all(sa.select(posts.c.id, posts.c.placed_at)))
        places = {row.id: row.placed_at for row in found}
    finally:
        await database.close()
    assert [places[one] for one in ids] == [AT, AT + timedelta(days=2), AT, None]


def _insert(tx: Tx, scheduled_at: datetime | None, lateness: int | None, status: str) -> UUID:
    """A target with its post, in columns that shape 0005 has."""
    one, now = uuid4(), datetime.now(UTC)
    person = {"id": one, "email": str(one), "password_hash": "", "name": "", "timezone": "UTC", "is_admin": False}
    account = {
        "id": one, "user_id": one, "platform": "mastodon", "host": "", "remote_id": "", "handle": "", "display_name": "",
        "is_default": True, "credential": b"", "credential_version": 1, "refresh_wanted": False, "health": "active",
        "needs_reconnection": False, "health_message": "", "facts": {}, "connected_at": now,
    }  # fmt: skip
    post = {
        "id": one, "user_id": one, "status": "SCHEDULED", "needs_attention": False, "content": {}, "overrides": {},
        "selected": {}, "scheduled_at": scheduled_at, "timezone": "UTC", "max_lateness_seconds": lateness, "version": 1,
        "media_count": 0, "correlation_id": "", "created_at": now, "updated_at": now,
    }  # fmt: skip
    target = dict.fromkeys(("position", "version", "fence", "claims", "lost_leases", "tries", "waits", "looks", "attempts", "checkpoint_version"), 0) | {
        "id": one, "post_id": one, "user_id": one, "account_id": one, "platform": "mastodon", "status": status,
        "due_at": now, "waiting_for": "", "idempotency_key": "", "doubted": False, "stop_asked": False, "message": "",
        "code": "", "created_at": now, "updated_at": now,
        "open_attempt_id": one if status == "unconfirmed" else None,
    }  # fmt: skip
    for table, values in ((users, person | {"created_at": now}), (accounts, account), (posts, post), (targets, target)):
        older = sa.table(table.name, *(sa.column(name, table.c[name].type) for name in values))
        tx.run(sa.insert(older).values(**values))
    return one
