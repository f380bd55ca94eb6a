"""`hayon people`: whoever runs Hayon sees who is here, makes an admin, and hands over a link to a new password."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hayon.store import sessions, users
from hayon.store.database import Database
from hayon.web.auth import digest
from tests.cli.conftest import Run
from tests.web.house import PASSWORD, open_house


def in_database(url: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """One transaction, as Hayon would do it."""

    async def run() -> Any:
        database = Database(url)
        try:
            return await database.write(work, *args, **kwargs)
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.fixture
def people(hayon: Run, database_url: str) -> str:
    """A database in which Ada, an admin, and Bob have registered."""
    assert hayon("migrate", DATABASE_URL=database_url).code == 0
    for email, name in (("ada@example.org", "Ada"), ("bob@example.org", "")):
        in_database(database_url, users.insert_person, email, "no hash", name, "UTC", only_first=False)
    return database_url


def test_everybody_is_listed(hayon: Run, people: str) -> None:
    _, bob = in_database(people, users.list_people)
    in_database(people, users.set_disabled, bob.id, disabled=True)
    said = hayon("people", "list", DATABASE_URL=people)
    assert (said.code, said.out) == (0, "ada@example.org  Ada  (admin)\nbob@example.org  (disabled)\n")


def test_nobody_yet(hayon: Run, database_url: str) -> None:
    hayon("migrate", DATABASE_URL=database_url)
    assert hayon("people", "list", DATABASE_URL=database_url).out.startswith("Nobody has registered yet")


def test_somebody_becomes_an_admin(hayon: Run, people: str) -> None:
    _, bob = in_database(people, users.list_people)
    in_database(people, users.set_disabled, bob.id, disabled=True)
    said = hayon("people", "make-admin", " Bob@example.org", DATABASE_URL=people)
    assert (said.code, said.out) == (0, "bob@example.org is an admin.\n")
    found = [(one.email, one.is_admin, one.disabled_at) for one in in_database(people, users.list_people)]
    assert found == [("ada@example.org", True, None), ("bob@example.org", True, None)]


def test_the_link_is_good_once(hayon: Run, people: str) -> None:
    said = hayon("people", "reset-password", "bob@example.org", DATABASE_URL=people, PUBLIC_URL="https://h.example/")
    link = said.out.strip()
    assert (said.code, link.split("=")[0]) == (0, "https://h.example/reset?token"), said.err
    (token,) = parse_qs(urlsplit(link).query)["token"]
    assert in_database(people, sessions.use_reset, digest(token)).email == "bob@example.org"
    again = hayon("people", "reset-password", "bob@example.org", DATABASE_URL=people)
    assert again.out != said.out
    assert "HAYON_PUBLIC_URL is not set" in again.err


@pytest.mark.parametrize("command", ["make-admin", "reset-password"])
def test_who_is_not_here_is_a_sentence(hayon: Run, people: str, command: str) -> None:
    said = hayon("people", command, "eve@example.org", DATABASE_URL=people)
    assert (said.code, said.out) == (1, "")
    assert said.err == "Nobody has registered as 'eve@example.org'. `hayon people list` shows who has.\n"


def test_who_is_shut_out_gets_no_link(hayon: Run, people: str) -> None:
    _, bob = in_database(people, users.list_people)
    in_database(people, users.set_disabled, bob.id, disabled=True)
    said = hayon("people", "reset-password", "bob@example.org", DATABASE_URL=people)
    assert (said.code, said.out, "shut out" in said.err) == (1, "", True)


def test_where_there_is_no_database_nothing_is_made(hayon: Run, tmp_path: Path) -> None:
    said = hayon("people", "list")
    assert (said.code, "There is no database" in said.err) == (1, True)
    assert not (tmp_path / "data" / "hayon.db").exists()


async def test_it_works_beside_a_running_hayon(hayon: Run, tmp_path: Path) -> None:
    """On SQLite, too: a link is wanted when nobody can sign in, and not when Hayon can be stopped."""
    folder = tmp_path / "data"
    async with open_house(folder) as house:
        ada = await house.register()
        said = await asyncio.to_thread(hayon, "people", "reset-password", "ada@example.org")
        assert said.code == 0, said.err
        (token,) = parse_qs(urlsplit(said.out.strip()).query)["token"]
        told = await ada.post("/api/auth/reset", {"token": token, "password": "battery staple horse"})
        assert told.status == 200, told.text
        old = await ada.post("/api/auth/login", {"email": "ada@example.org", "password": PASSWORD})
        assert old.status == 401


def test_help_names_them(hayon: Run) -> None:
    out = hayon("people", "--help").out
    assert all(f" {command} " in out for command in ("list", "reset-password", "make-admin"))
