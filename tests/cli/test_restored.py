"""`hayon restored` through its door: what it refuses and says, and that a second run changes nothing more."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command

from hayon.delivery.submit import Handed
from hayon.domain.model import Account, Content
from hayon.settings import Settings
from hayon.store import accounts, users
from hayon.store.database import Database, Tx, new_id
from hayon.store.generation import read_generation
from hayon.store.migrate import migrate
from hayon.store.schema import generation, notices, targets
from hayon.wiring import Hayon, open_hayon
from tests.cli.conftest import COMMAND, Run
from tests.servers.processes import Process

KEY = "a key that is long enough"
Open = Callable[[Callable[[Hayon], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def on(hayon: Run, tmp_path: Path, database_url: str) -> dict[str, str]:
    """The settings of a Hayon with one person, one post due and one for tomorrow. Nothing carries them out."""
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": KEY, "DATA_DIR": str(tmp_path / "data")}

    async def furnish() -> None:
        async with open_hayon(read(settings)) as opened:
            user_id = await opened.database.write(_connect)
            for text, at in (("now", None), ("tomorrow", datetime.now(UTC) + timedelta(days=1))):
                handed = Handed(Content(text), platforms=("mastodon",), scheduled_at=at and at.isoformat())
                await opened.submission.submit(user_id, handed)
            await opened.agreement.raise_both()

    asyncio.run(furnish())
    return settings


def read(settings: dict[str, str]) -> Settings:
    return Settings.read({f"HAYON_{name}": value for name, value in settings.items()})


def _connect(tx: Tx) -> UUID:
    person = users.insert_person(tx, "ada@example.org", "", "Ada", "UTC", only_first=True)
    account = Account(new_id(tx.now()), person.id, "mastodon", "https://example.org", "1", "ada", "Ada", None)
    accounts.keep_account(tx, account, b"sealed")
    return person.id


def asked(settings: dict[str, str], work: Callable[[Tx], Any]) -> Any:
    async def ask() -> Any:
        database = Database(settings["DATABASE_URL"])
        try:
            return await database.write(work)
        finally:
            await database.close()

    return asyncio.run(ask())


def rows(settings: dict[str, str]) -> list[tuple[Any, ...]]:
    """All that the command may change."""
    return [
        tuple(row)
        for table in (targets, notices, generation)
        for row in asked(settings, lambda tx, table=table: tx.all(sa.select(table).order_by(table.c.id)))
    ]


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_it_counts_first_then_does_it_then_does_nothing_more(hayon: Run, on: dict[str, str]) -> None:
    before, at = rows(on), now()
    dry = hayon("restored", "--backup-time", at, "--dry-run", **on)
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.count("1 post (mastodon 1), ") == 2
    assert "Nothing was changed" in dry.out
    assert rows(on) == before

    first = hayon("restored", "--backup-time", at, **on)
    assert (first.code, first.err) == (0, "")
    assert "Hayon can be started" in first.out
    after = rows(on)
    assert sorted(row.status for row in asked(on, lambda tx: tx.all(sa.select(targets)))) == ["pending", "unconfirmed"]
    assert asked(on, lambda tx: tx.value(sa.select(sa.func.count()).select_from(notices))) == 1

    again = hayon("restored", "--backup-time", at, **on)
    assert again.code == 0
    assert "done already" in again.out
    assert rows(on) == after


def test_the_note_and_the_number_agree_afterwards(hayon: Run, on: dict[str, str], tmp_path: Path) -> None:
    note = tmp_path / "data" / "media" / "generation"
    house, number = note.read_text().split()[1:]
    note.write_text(f"hayon {house} {int(number) + 5}\n")
    refused = hayon("restored", "--confirm-scheduled", **on)
    assert refused.code == 1
    assert "Run `hayon restored --backup-time T` first" in refused.err
    assert hayon("restored", "--backup-time", now(), **on).code == 0
    ours = asked(on, read_generation)
    assert note.read_text() == f"hayon {house} {ours.number}\n"
    assert ours.number == int(number) + 6
    assert hayon("restored", "--confirm-scheduled", **on).code == 0


def test_what_is_held_is_listed_and_confirmed(hayon: Run, on: dict[str, str]) -> None:
    assert hayon("restored", "--list", **on).out == "Nothing is held.\n"
    hayon("restored", "--backup-time", now(), **on)
    [line] = hayon("restored", "--list", **on).out.splitlines()
    assert "mastodon  ada  ada@example.org" in line
    assert "tomorrow" not in line
    assert hayon("restored", "--confirm-scheduled", **on).out == "1 held target confirmed: it goes out as planned, what is overdue at once.\n"  # fmt: skip
    assert hayon("restored", "--list", **on).out == "Nothing is held.\n"


def test_in_one_go(hayon: Run, on: dict[str, str]) -> None:
    said = hayon("restored", "--backup-time", now(), "--confirm-scheduled", **on)
    assert (said.code, "1 held target confirmed" in said.out) == (0, True)


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("yesterday", "2026-11-21T03:00:00Z"),
        ("2026-11-21T03:00:00", "has no zone"),
        ("9000-01-01T00:00:00Z", "lies ahead"),
        ("2020-01-01T00:00:00Z", "--used-since"),
    ],
)
def test_a_time_that_cannot_be_is_refused_in_words(hayon: Run, on: dict[str, str], time: str, told: str) -> None:
    before = rows(on)
    said = hayon("restored", "--backup-time", time, **on)
    assert said.code == 1
    assert told in said.err
    assert said.err.count("\n") == 1
    assert rows(on) == before


def test_a_database_in_use_since_then_is_marked_from_the_backup_on(hayon: Run, on: dict[str, str]) -> None:
    said = hayon("restored", "--backup-time", "2020-01-01T00:00:00Z", "--used-since", **on)
    assert said.code == 0
    [since] = asked(on, lambda tx: [row[0] for row in tx.all(sa.text("SELECT intent_at FROM attempts"))])
    assert str(since).startswith("2020-01-01 00:00:00")


def test_without_a_time_it_asks_for_one(hayon: Run, on: dict[str, str]) -> None:
    assert hayon("restored", **on).code == 2


def test_it_waits_for_nobody_who_is_at_work(
    hayon: Run, on: dict[str, str], start_process: Callable[..., Process]
) -> None:
    surroundings = {f"HAYON_{name}": value for name, value in on.items()} | {"HAYON_PORT": "0", "HAYON_LOG": "json"}
    process = start_process(*COMMAND, "serve", env=surroundings)
    said = hayon("restored", "--backup-time", now(), **on)
    assert said.code == 1
    assert "Stop" in said.err
    process.stop()
    assert hayon("restored", "--backup-time", now(), **on).code == 0


def test_where_there_is_no_database_there_is_nothing_to_do(hayon: Run, tmp_path: Path) -> None:
    said = hayon("restored", "--backup-time", now())
    assert said.code == 1
    assert "There is no database at" in said.err
    assert not (tmp_path / "data" / "hayon.db").exists()


def test_files_that_cannot_be_reached_change_nothing(hayon: Run, on: dict[str, str]) -> None:
    before = rows(on)
    bucket = {
        "MEDIA_URL": "s3://files?endpoint=http://127.0.0.1:9&region=here",
        "S3_ACCESS_KEY": "k",
        "S3_SECRET_KEY": "s",
    }
    said = hayon("restored", "--backup-time", now(), **on, **bucket)
    assert said.code == 1
    assert "Nothing was changed" in said.err
    assert rows(on) == before


def test_a_backup_of_an_older_shape_is_brought_to_the_newest(
    hayon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before there were generations: it gets a number of its own, and is told from the files' database all the same."""
    path = tmp_path / "data" / "hayon.db"
    path.parent.mkdir()
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0003"))
        asyncio.run(migrate(f"sqlite:///{path}"))
    old = shutil.copy(path, tmp_path / "old.db")
    settings = {"DATA_DIR": str(tmp_path / "data"), "SECRET_KEY": KEY}
    with_url = settings | {"DATABASE_URL": f"sqlite:///{path}"}

    async def use() -> None:
        async with open_hayon(read(settings)) as opened:
            user_id = await opened.database.write(_connect)
            await opened.submission.submit(user_id, Handed(Content("since"), platforms=("mastodon",)))
            await opened.agreement.raise_both()

    asyncio.run(use())
    for one in path.parent.glob("hayon.db*"):
        one.unlink()
    shutil.copy(old, path)
    connection = sa.create_engine(f"sqlite:///{path}")
    with connection.begin() as tx:  # the old backup had a post, too
        tx.execute(sa.text("INSERT INTO users (id, email, password_hash, name, timezone, is_admin, created_at)"
                           " VALUES ('11111111111111111111111111111111', 'a@b.c', '', '', 'UTC', 1, '2020-01-01 00:00:00.000000')"))  # fmt: skip
        tx.execute(sa.text("INSERT INTO posts (id, user_id, status, needs_attention, content, overrides, selected, timezone, version,"
                           " media_count, correlation_id, created_at, updated_at) VALUES ('22222222222222222222222222222222',"
                           " '11111111111111111111111111111111', 'DRAFT', 0, '{}', '{}', '{}', 'UTC', 1, 0, '',"
                           " '2020-01-01 00:00:00.000000', '2020-01-01 00:00:00.000000')"))  # fmt: skip
    connection.dispose()
    refused = hayon("restored", "--list", **settings)
    assert refused.code == 1
    said = hayon("migrate", **settings)
    assert said.code == 0
    refused = hayon("restored", "--list", **settings)
    assert "another database's" in refused.err
    assert hayon("restored", "--backup-time", now(), **settings).code == 0
    assert hayon("restored", "--list", **settings).code == 0
    assert asked(with_url, read_generation).number > 0
