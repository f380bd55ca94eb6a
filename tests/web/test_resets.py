"""A forgotten password: a link by mail, good once and for an hour; and nobody learns from it who is registered here."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.store import users
from hayon.store.database import Database, Tx
from hayon.store.schema import mails, resets
from hayon.web.auth import digest
from hayon.web.resets import TAKES_SECONDS
from tests.web.house import PASSWORD, SAME_ORIGIN, Answer, House, Visitor, open_house
from tests.web.test_pages import read
from tests.web.test_sessions import NEW, ago, alive, listed, sign_in

TAKEN = 0.0207
"""How long asking takes here."""
ADA = {"email": "ada@example.org"}


@pytest.fixture
async def mailing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A served Hayon that has a mail server and a public address; its relay does not run, so that mails stay."""
    monkeypatch.setattr("hayon.web.resets.TAKES_SECONDS", TAKEN)
    async with open_house(folder, public_url="http://hayon.example.org/") as opened:
        opened.hayon.database.mailing = True
        yield opened


async def forget(house: House, email: str = "ada@example.org") -> Answer:
    """Somebody asks for a link."""
    return await house.visitor().post("/api/auth/forgot", {"email": email})


async def links(house: House) -> list[str]:
    """The links that are to be mailed, the oldest first."""
    waiting = sa.select(mails).where(mails.c.kind == "password.reset").order_by(mails.c.created_at, mails.c.id)
    rows = await house.hayon.database.read(lambda tx: tx.all(waiting))
    return [str(house.hayon.vault.open(row.sealed, str(row.id))["link"]) for row in rows]


async def tokens(house: House) -> list[str]:
    """The tokens in them."""
    return [parse_qs(urlsplit(link).query)["token"][0] for link in await links(house)]


async def count(house: House, table: sa.Table) -> int:
    """How many rows it has."""
    found: int = await house.hayon.database.read(lambda tx: tx.value(sa.select(sa.func.count()).select_from(table)))
    return found


async def use(house: House, token: str, password: str = NEW) -> Answer:
    """Somebody sets a new password by a link."""
    return await house.visitor().post("/api/auth/reset", {"token": token, "password": password})


async def enter(house: House, password: str, email: str = "ada@example.org") -> int:
    """What signing in with this password is answered."""
    return (await house.visitor().post("/api/auth/login", {"email": email, "password": password})).status


async def test_a_link_leads_to_a_new_password_once(mailing: House) -> None:
    ada = await mailing.register()
    program, phone = await mailing.program(ada), await sign_in(mailing)
    bob = await mailing.register("bob@example.org")
    assert (await forget(mailing, " ADA@Example.org ")).status == 202
    assert (await forget(mailing)).status == 202
    assert [link.split("?")[0] for link in await links(mailing)] == ["http://hayon.example.org/reset"] * 2
    first, second = await tokens(mailing)
    told = await use(mailing, second)
    assert (told.status, "API keys" in told.json["message"], "Set-Cookie" in told.headers) == (200, True, False)
    assert await alive(ada, phone, bob, program) == [False, False, True, True]
    assert [await enter(mailing, password) for password in (PASSWORD, NEW)] == [401, 200]
    for spent in (second, first):
        answer = await use(mailing, spent, "yet another one")
        assert (answer.status, "no longer good" in answer.json["detail"]) == (404, True)
    assert [await enter(mailing, password) for password in ("yet another one", NEW)] == [401, 200]
    (notice,) = (await program.get("/api/notices")).json["notices"]
    assert notice["kind"] == "password.changed"
    told_by_mail = sa.select(mails.c.kind, mails.c.user_id).order_by(mails.c.created_at, mails.c.id)
    rows = await mailing.hayon.database.read(lambda tx: tx.all(told_by_mail))
    assert [(row.kind, row.user_id) for row in rows] == [
        *[("password.reset", ada.person_id)] * 2, ("password.changed", ada.person_id),
    ]  # fmt: skip


async def test_a_password_is_told_nobody(mailing: House, log: list[Any]) -> None:
    await mailing.register()
    answer = await forget(mailing)
    (token,) = await tokens(mailing)
    await mailing.visitor().get(f"/reset?token={token}")
    await use(mailing, token)
    assert token not in answer.text + str(answer.headers) + str(log)
    assert NEW not in str(log)
    await mailing.hayon.database.write(lambda tx: tx.run(sa.text("SELECT 1")))
    for one in mailing.hayon.settings.data_dir.glob("hayon.db*"):
        kept = one.read_bytes()
        assert token.encode() not in kept, "only a hash of it is kept, and the mail is sealed"
        assert NEW.encode() not in kept


async def test_an_hour_is_its_time(mailing: House) -> None:
    await mailing.register()
    await forget(mailing)
    (token,) = await tokens(mailing)

    async def expires(moment: datetime) -> None:
        await mailing.hayon.database.write(lambda tx: tx.run(sa.update(resets).values(expires_at=moment)))

    row = await mailing.hayon.database.read(lambda tx: tx.first(sa.select(resets)))
    assert row is not None
    assert row.expires_at - row.created_at == timedelta(hours=1)
    assert row.token_hash == digest(token)
    await expires(ago(seconds=1))
    assert (await use(mailing, token)).status == 404
    assert (await mailing.visitor().get(f"/reset?token={token}")).status == 404
    await expires(datetime.now(UTC) + timedelta(seconds=30))
    assert (await use(mailing, token)).status == 200


async def test_of_two_who_use_one_link_at_once_one_does(mailing: House) -> None:
    await mailing.register()
    await forget(mailing)
    (token,) = await tokens(mailing)
    answers = await asyncio.gather(*(use(mailing, token, f"password number {number}") for number in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 404, 404, 404]
    (won,) = [number for number, answer in enumerate(answers) if answer.status == 200]
    assert [await enter(mailing, f"password number {number}") for number in (won, (won + 1) % 4)] == [200, 401]


async def test_nobody_learns_who_is_registered(mailing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer, the same transactions, and a time that is up only after all of it."""
    await mailing.register()
    calls: list[str] = []
    slept: list[float] = []
    write, read_, sleep = Database.write, Database.read, asyncio.sleep

    async def counted_write(self: Database, *args: Any, **kwargs: Any) -> Any:
        calls.append("write")
        return await write(self, *args, **kwargs)

    async def counted_read(self: Database, *args: Any, **kwargs: Any) -> Any:
        calls.append("read")
        return await read_(self, *args, **kwargs)

    async def noted(seconds: float, *args: Any) -> Any:
        slept.extend([seconds] if seconds == TAKEN else [])
        return await sleep(seconds, *args)

    monkeypatch.setattr(Database, "write", counted_write)
    monkeypatch.setattr(Database, "read", counted_read)
    monkeypatch.setattr("hayon.web.resets.asyncio.sleep", noted)
    seen = []
    for email in ("ada@example.org", "nobody@example.org"):
        calls.clear()
        slept.clear()
        answer = await forget(mailing, email)
        told = {name: value for name, value in answer.headers.items() if name not in {"Date", "X-Correlation-ID"}}
        seen.append((answer.status, answer.text, told, list(calls), list(slept)))
    assert seen[0] == seen[1]
    assert seen[0][3:] == (["write"], [TAKEN])
    assert TAKES_SECONDS >= 0.3
    assert len(await links(mailing)) == 1


async def test_asking_runs_out_for_an_address_that_is_there_and_one_that_is_not(mailing: House) -> None:
    await mailing.register()
    for email in ("ada@example.org", "nobody@example.org"):
        assert [(await forget(mailing, email)).status for _ in range(4)] == [202, 202, 202, 429]
    assert len(await links(mailing)) == await count(mailing, resets) == 3


async def test_asking_runs_out_for_one_client(mailing: House) -> None:
    await mailing.register()  # a try too
    statuses = [(await forget(mailing, f"{number}@example.org")).status for number in range(40)]
    assert statuses == [202] * 39 + [429]


async def test_without_mail_the_operator_is_named(house: House, ada: Visitor) -> None:
    for email in ("ada@example.org", "nobody@example.org"):
        answer = await forget(house, email)
        assert answer.status == 409
        assert "hayon people reset-password" in answer.json["detail"]
    assert (await count(house, resets), await count(house, mails)) == (0, 0)


async def test_the_link_leads_where_the_operator_says_and_not_where_the_request_came_in(mailing: House) -> None:
    await mailing.register()
    elsewhere = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    assert (await mailing.visitor().post("/api/auth/forgot", ADA, headers=elsewhere)).status == 202
    (link,) = await links(mailing)
    assert link.startswith("http://hayon.example.org/reset?token=")


async def test_who_is_shut_out_gets_no_link_and_uses_none(mailing: House) -> None:
    await mailing.register()
    bob = await mailing.register("bob@example.org")
    await forget(mailing, "bob@example.org")
    (token,) = await tokens(mailing)
    assert bob.person_id is not None
    await mailing.hayon.database.write(users.set_disabled, bob.person_id, disabled=True)
    assert (await forget(mailing, "bob@example.org")).status == 202
    assert len(await links(mailing)) == 1
    assert (await use(mailing, token)).status == 404


async def test_a_new_address_or_password_spends_the_links_before_it(mailing: House) -> None:
    ada = await mailing.register()
    await forget(mailing)
    assert (await ada.ask("PATCH", "/api/auth/me", {"email": "new@example.org", "password": PASSWORD})).status == 200
    (first,) = await tokens(mailing)
    assert (await use(mailing, first)).status == 404
    await forget(mailing, "new@example.org")
    assert (await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": NEW})).status == 200
    assert [(await use(mailing, token)).status for token in await tokens(mailing)] == [404, 404]


async def test_a_mail_that_cannot_be_written_leaves_no_link(mailing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both rows are of one transaction."""
    await mailing.register()

    def broken(tx: Tx, user_id: UUID, kind: str, **_: Any) -> UUID:
        raise RuntimeError("the mail cannot be written")

    monkeypatch.setattr("hayon.store.leaving.insert_mail", broken)
    assert (await forget(mailing)).status == 500
    assert (await count(mailing, resets), await count(mailing, mails)) == (0, 0)


async def test_a_locked_out_person_comes_in_again_by_a_link(mailing: House) -> None:
    await mailing.register()
    assert [await enter(mailing, "not the right one") for _ in range(11)] == [401] * 10 + [429]
    await forget(mailing)
    (token,) = await tokens(mailing)
    assert (await use(mailing, token)).status == 200
    assert await enter(mailing, NEW) == 200


async def test_the_pages_do_it_without_scripts(mailing: House) -> None:
    ada = await mailing.register()
    door = await mailing.visitor().get("/")
    assert 'href="/forgot"' in door.text
    stranger = mailing.visitor(**SAME_ORIGIN)
    assert (await stranger.get("/forgot")).status == 200
    asked = await stranger.post("/forgot", data=ADA)
    assert (asked.status, "on its way" in asked.text) == (200, True)
    (link,) = await links(mailing)
    path = link.removeprefix("http://hayon.example.org")
    assert (await stranger.get("/reset?token=wrong")).status == 404
    (token,) = await tokens(mailing)
    form = await stranger.get(path)
    assert f'value="{token}"' in form.text
    assert form.headers["Referrer-Policy"] == "same-origin"
    assert form.headers["Cache-Control"] == "no-store"
    short = await stranger.post("/reset", data={"token": token, "password": "short"})
    assert (short.status, f'value="{token}"' in short.text) == (422, True)
    foreign = await stranger.post(
        "/reset", data={"token": token, "password": NEW}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status == 403
    done = await stranger.post("/reset", data={"token": token, "password": NEW})
    assert (done.status, "signed out everywhere" in done.text) == (200, True)
    assert await alive(ada) == [False]
    again = await stranger.post("/reset", data={"token": token, "password": NEW})
    assert (again.status, "/forgot" in again.text) == (404, True)
    assert (await stranger.post("/login", data=ADA | {"password": NEW})).status == 303
    assert len(await listed(stranger)) == 1
    assert (await read(stranger)).form("/logout")


async def test_the_page_says_so_where_there_is_no_mail(house: House, ada: Visitor) -> None:
    answer = await house.visitor().post("/forgot", data=ADA)
    assert (answer.status, "hayon people reset-password" in answer.text) == (409, True)
