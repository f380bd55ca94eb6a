"""`hayon doctor` finds what is broken, on both databases, says how to mend it, and changes nothing."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from hayon.doctor import APPS, App
from hayon.domain.model import Account
from hayon.store import accounts, users
from hayon.store.checkup import find_weaknesses
from hayon.store.database import Database, Tx
from hayon.store.generation import read_generation
from hayon.store.migrate import migrate
from hayon.vault import Vault
from tests.cli.conftest import Run
from tests.house.tree import ROOT
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresAddress
from tests.servers.sandbox import Sandbox

KEY = "a key that is long enough to seal with"


def _findings(out: str) -> dict[str, dict[str, str]]:
    return {one["check"]: one for one in json.loads(out)}


def _examined(hayon: Run, **settings: object) -> tuple[int, dict[str, dict[str, str]]]:
    said = hayon("doctor", "--json", **settings)
    return said.code, _findings(said.out)


async def _write(url: str, work: Callable[[Tx], Any]) -> None:
    database = Database(url)
    try:
        await database.write(work)
    finally:
        await database.close()


@pytest.fixture
async def ready_url(database_url: str, tmp_path: Path) -> str:
    """A database of the newest shape, of each kind."""
    (tmp_path / "data").mkdir()
    await migrate(database_url)
    return database_url


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(hayon: Run, tmp_path: Path) -> None:
    code, findings = _examined(hayon)
    assert code == 0
    assert {one["state"] for one in findings.values()} == {"ok", "warning"}
    assert findings["Network: Bluesky"]["state"] == "warning"
    assert findings["Data folder"]["found"].endswith("/data is made by the first start")
    assert findings["Media folder"]["found"].endswith("/data/media is made when it is first needed")
    assert list(tmp_path.iterdir()) == []


def test_a_healthy_house(hayon: Run, ready_url: str, sandbox: Sandbox) -> None:
    hosts = {"BLUESKY_URL": f"{sandbox.url}/bluesky", "MASTODON_URL": f"{sandbox.url}/mastodon"}
    code, findings = _examined(hayon, DATABASE_URL=ready_url, **hosts)
    assert code == 0
    assert {name: one["state"] for name, one in findings.items()} == dict.fromkeys(
        ["Python", "Settings", "Data folder", "Media folder", "Database", "Durability", "Generation", "Clock", "Secret key",
         "Broker", "Public address", "Mail", "App: Threads", "App: Instagram", "App: Facebook", "App: Tumblr", "Network: Bluesky",
         "Network: Mastodon"], "ok")  # fmt: skip


@pytest.mark.parametrize("one", APPS, ids=lambda one: one.platform)
def test_an_app_is_set_or_not_and_people_can_come_back_or_not(hayon: Run, one: App) -> None:
    name, key = f"App: {one.name}", one.platform.upper()
    app = {f"{key}_APP_ID": "id", f"{key}_APP_SECRET": "hidden"}

    def found(**settings: str) -> tuple[str, str, str]:
        said = hayon("doctor", "--json", **settings)
        assert "hidden" not in said.out
        finding = _findings(said.out)[name]
        assert finding["state"] != "failed"
        return finding["state"], finding["found"], finding["mend"]

    assert found() == ("ok", f"none: {one.name} can be connected with tokens in hand only", "")
    half = found(**{f"{key}_APP_ID": "id"})
    assert (half[0], half[1].partition(" ")[0]) == ("warning", f"HAYON_{key}_APP_SECRET")
    back = f"https://hayon.example/api/accounts/{one.platform}/callback"
    at_home = found(**app, PUBLIC_URL="https://hayon.example")
    assert at_home == ("ok", f"set; people come back to {back}, which has to be registered there", "")
    assert (found(**app)[0], "HAYON_PUBLIC_URL" in found(**app)[2]) == (
        ("warning", True) if one.encrypted else ("ok", False)
    )
    assert found(**app, **{f"{key}_URL": "http://127.0.0.1:9/x"})[0] == "ok"  # a simulated one minds nothing
    assert (ROOT / "docs" / "connect" / f"{one.platform}.md").is_file()


def test_the_table_says_the_same_to_a_person(hayon: Run) -> None:
    said = hayon("doctor", PORT="abc")
    assert said.code == 1
    assert "Settings   failed" in said.out
    assert "→ Set it as it says, or unset it." in said.out
    assert "1 failed" in said.out


async def test_an_empty_database_is_told_from_a_broken_one(hayon: Run, postgres_url: str) -> None:
    code, findings = _examined(hayon, DATABASE_URL=postgres_url)
    assert code == 0
    assert findings["Database"]["state"] == "warning"
    assert "hayon migrate" in findings["Database"]["mend"]


@pytest.mark.parametrize(("shape", "mend"), [("0000", "hayon migrate"), ("9999", "newer Hayon")])
async def test_a_database_of_another_shape(hayon: Run, ready_url: str, shape: str, mend: str) -> None:
    await _write(ready_url, lambda tx: tx.run(sa.text(f"UPDATE alembic_version SET version_num = '{shape}'")))
    code, findings = _examined(hayon, DATABASE_URL=ready_url)
    assert code == 1
    assert findings["Database"]["state"] == "failed"
    assert mend in findings["Database"]["mend"]


async def test_a_database_that_somebody_took_a_column_from(hayon: Run, ready_url: str) -> None:
    await _write(ready_url, lambda tx: tx.run(sa.text("ALTER TABLE users DROP COLUMN name")))
    code, findings = _examined(hayon, DATABASE_URL=ready_url)
    assert code == 1
    assert "differ" in findings["Database"]["found"]


def test_a_postgresql_that_does_not_answer(hayon: Run) -> None:
    said = hayon("doctor", "--json", DATABASE_URL=f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/hayon")
    finding = _findings(said.out)["Database"]
    assert (said.code, finding["state"]) == (1, "failed")
    assert "HAYON_DATABASE_URL" in finding["mend"]
    assert "hidden" not in said.out + said.err


def test_a_wrong_password(hayon: Run, postgres: PostgresAddress) -> None:
    said = hayon("doctor", "--json", DATABASE_URL=f"postgresql://hayon:hidden@127.0.0.1:{postgres.port}/postgres")
    finding = _findings(said.out)["Database"]
    assert (said.code, finding["state"]) == (1, "failed")
    assert "password" in finding["found"]
    assert "hidden" not in said.out + said.err


def test_a_sqlite_file_that_is_none(hayon: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hayon.db").write_text("this was never a database, " * 100)
    code, findings = _examined(hayon)
    assert code == 1
    assert findings["Database"]["state"] == "failed"
    assert "Restore" in findings["Database"]["mend"]


@pytest.mark.parametrize("setting", ["synchronous_commit"])
async def test_a_postgresql_that_forgets(
    hayon: Run, postgres_url: str, postgres: PostgresAddress, setting: str
) -> None:
    await migrate(postgres_url)
    name = sa.make_url(postgres_url).database
    postgres.run(f'ALTER DATABASE "{name}" SET {setting} = off')
    code, findings = _examined(hayon, DATABASE_URL=postgres_url)
    assert code == 1
    assert findings["Durability"]["state"] == "failed"
    assert findings["Durability"]["found"] == f"{setting} is off"


@pytest.mark.parametrize(
    ("durability", "weak"),
    [
        ({"journal_mode": "wal", "synchronous": "full"}, []),
        ({"journal_mode": "wal", "synchronous": "extra"}, []),
        ({"journal_mode": "delete", "synchronous": "full"}, ["journal_mode is delete"]),
        ({"journal_mode": "wal", "synchronous": "normal"}, ["synchronous is normal"]),
        ({"fsync": "on", "synchronous_commit": "remote_apply", "full_page_writes": "on"}, []),
        (
            {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"},
            ["fsync is off", "full_page_writes is off"],
        ),
    ],
)
def test_what_counts_as_forgetful(durability: dict[str, str], weak: list[str]) -> None:
    assert find_weaknesses(durability) == weak


async def test_a_database_that_was_restored(hayon: Run, ready_url: str, tmp_path: Path) -> None:
    code, findings = _examined(hayon, DATABASE_URL=ready_url)
    assert (code, findings["Generation"]["state"]) == (0, "ok")
    assert not (tmp_path / "data" / "media").exists()  # it looks only

    database = Database(ready_url)
    ours = await database.read(read_generation)
    await database.close()
    (tmp_path / "data" / "media").mkdir(parents=True)
    (tmp_path / "data" / "media" / "generation").write_text(f"hayon {ours.house} {ours.number + 1}\n")
    code, findings = _examined(hayon, DATABASE_URL=ready_url)
    assert (code, findings["Generation"]["state"]) == (1, "failed")
    assert "restored from a backup" in findings["Generation"]["found"]
    assert "hayon restored" in findings["Generation"]["mend"]


def test_files_out_of_reach_do_not_look_like_a_restored_database(hayon: Run, ready_url: str) -> None:
    bucket = {
        "MEDIA_URL": "s3://files?endpoint=http://127.0.0.1:9&region=here",
        "S3_ACCESS_KEY": "k",
        "S3_SECRET_KEY": "s",
    }
    finding = _examined(hayon, DATABASE_URL=ready_url, **bucket)[1]["Generation"]
    assert finding["state"] == "warning"
    assert "restored" not in finding["found"] + finding["mend"]


async def test_a_key_that_opens_nothing(hayon: Run, ready_url: str, tmp_path: Path) -> None:
    await _write(ready_url, _connect_account)
    keys = {"DATABASE_URL": ready_url, "SECRET_KEY": KEY}
    assert _examined(hayon, **keys)[1]["Secret key"]["found"] == "opens what is sealed"

    code, findings = _examined(hayon, **keys | {"SECRET_KEY": "another key, long enough as well"})
    assert (code, findings["Secret key"]["state"]) == (1, "failed")
    assert "HAYON_PREVIOUS_SECRET_KEY" in findings["Secret key"]["mend"]

    rolled = keys | {"SECRET_KEY": "another key, long enough as well", "PREVIOUS_SECRET_KEY": KEY}
    code, findings = _examined(hayon, **rolled)
    assert (code, findings["Secret key"]["state"]) == (0, "warning")
    assert findings["Secret key"]["found"].endswith("1 accounts of 1 by HAYON_PREVIOUS_SECRET_KEY alone")
    assert "hayon secrets reseal" in findings["Secret key"]["mend"]
    assert hayon("secrets", "reseal", **rolled).code == 0
    assert _examined(hayon, **rolled)[1]["Secret key"]["state"] == "ok"
    assert _examined(hayon, **rolled | {"PREVIOUS_SECRET_KEY": ""})[1]["Secret key"]["found"] == "opens what is sealed"

    code, findings = _examined(hayon, DATABASE_URL=ready_url)
    assert (code, findings["Secret key"]["found"]) == (
        1, f"{tmp_path / 'data' / 'secret.key'} is gone, and accounts were sealed with it",
    )  # fmt: skip
    assert not (tmp_path / "data" / "secret.key").exists()


@pytest.mark.parametrize(("setting", "check"), [("DATA_DIR", "Data folder"), ("MEDIA_URL", "Media folder")])
def test_a_folder_that_is_none(hayon: Run, tmp_path: Path, setting: str, check: str) -> None:
    (tmp_path / "file").write_text("in the way")
    value = tmp_path / "file" if setting == "DATA_DIR" else f"file://{tmp_path / 'file'}"
    code, findings = _examined(hayon, **{setting: value})
    assert code == 1
    assert findings[check]["state"] == "failed"


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"HOST": "127.0.0.1"}, "ok"),
        ({"HOST": "0.0.0.0"}, "warning"),
        ({"HOST": "0.0.0.0", "PUBLIC_URL": "https://posts.example.org"}, "ok"),
        ({"HOST": "0.0.0.0", "PUBLIC_URL": "http://posts.example.org"}, "warning"),
    ],
)
def test_whether_people_know_where_it_is(hayon: Run, settings: dict[str, str], state: str) -> None:
    code, findings = _examined(hayon, **settings)
    assert code == 0
    assert findings["Public address"]["state"] == state


async def test_it_can_be_asked_while_somebody_writes(hayon: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "hayon.db"
    await migrate(f"sqlite:///{path}")
    writing = sqlite3.connect(path, isolation_level=None)
    writing.execute("PRAGMA journal_mode=WAL")
    writing.execute("BEGIN IMMEDIATE")
    try:
        assert _examined(hayon)[0] == 0
    finally:
        writing.close()


def _connect_account(tx: Tx) -> None:
    person = users.insert_person(tx, "ada@example.org", "", "Ada", "UTC", only_first=True)
    account_id = uuid4()
    sealed = Vault([KEY]).seal({"accessToken": "t"}, str(account_id))
    accounts.keep_account(
        tx, Account(account_id, person.id, "mastodon", "https://example.org", "1", "ada", "Ada", None), sealed
    )
