"""Sessions: they are listed, ended one by one or all at once, and run out; a new password ends the others."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from hayon.store.database import Tx
from hayon.store.schema import sessions as rows
from hayon.web.auth import COOKIE, digest
from hayon.web.passwords import Passwords
from tests.web.house import PASSWORD, SAME_ORIGIN, House, Visitor

NEW = "battery staple horse"


async def sign_in(
    house: House, agent: str = "A browser", email: str = "ada@example.org", password: str = PASSWORD
) -> Visitor:
    """One more browser of this person."""
    visitor = house.visitor(**SAME_ORIGIN, **{"User-Agent": agent})
    answer = await visitor.post("/api/auth/login", {"email": email, "password": password})
    assert answer.status == 200, answer.text
    visitor.person_id = UUID(answer.json["id"])
    return visitor


async def listed(visitor: Visitor) -> list[Any]:
    """The sessions as the person sees them."""
    answer = await visitor.get("/api/auth/sessions")
    assert answer.status == 200, answer.text
    found: list[Any] = answer.json["sessions"]
    return found


def token_of(visitor: Visitor) -> str:
    """The secret in the browser's cookie."""
    return next(one.value for one in visitor.http.cookie_jar if one.key == COOKIE)


async def age(house: House, visitor: Visitor, **moments: datetime | None) -> None:
    """Writes other times into a session."""

    def work(tx: Tx) -> None:
        mine = rows.c.token_hash == digest(token_of(visitor))
        assert tx.run(sa.update(rows).where(mine).values(moments)).rowcount == 1

    await house.hayon.database.write(work)


async def last_use(house: House, visitor: Visitor) -> datetime:
    """When the session was used last, as it is written down."""
    mine = sa.select(rows.c.last_used_at).where(rows.c.token_hash == digest(token_of(visitor)))
    found: datetime = await house.hayon.database.read(lambda tx: tx.value(mine))
    return found


async def alive(*visitors: Visitor) -> list[bool]:
    """Who of these is still let in; the cookie is sent whether or not the browser was told to drop it."""
    return [(await visitor.get("/api/auth/me")).status == 200 for visitor in visitors]


def ago(**length: float) -> datetime:
    """That long before now."""
    return datetime.now(UTC) - timedelta(**length)


async def test_sessions_are_told_apart(house: House, ada: Visitor) -> None:
    phone = await sign_in(house, "Phone/1.0\tof \N{RIGHT-TO-LEFT OVERRIDE}nobody " + "x" * 300)
    bob = await house.register("bob@example.org")
    there, here = await listed(phone)
    assert (there["thisOne"], here["thisOne"]) == (True, False)
    assert there["agent"].startswith("Phone/1.0 of \N{REPLACEMENT CHARACTER}")
    assert len(there["agent"]) == 201
    assert there["agent"].endswith("x…")
    assert {one["sessionId"] for one in await listed(ada)} == {there["sessionId"], here["sessionId"]}
    assert [one["thisOne"] for one in await listed(bob)] == [True]
    text = (await ada.get("/api/auth/sessions")).text
    for visitor in (ada, phone, bob):
        assert token_of(visitor) not in text
        assert digest(token_of(visitor)).hex() not in text


async def test_one_session_is_ended(house: House, ada: Visitor) -> None:
    phone, bob = await sign_in(house), await house.register("bob@example.org")
    (mine,) = [one["sessionId"] for one in await listed(ada) if not one["thisOne"]]
    assert (await bob.ask("DELETE", f"/api/auth/sessions/{mine}")).status == 404
    assert await alive(ada, phone, bob) == [True, True, True]
    assert (await ada.ask("DELETE", f"/api/auth/sessions/{mine}")).status == 204
    assert await alive(ada, phone, bob) == [True, False, True]
    assert (await ada.ask("DELETE", f"/api/auth/sessions/{mine}")).status == 404
    assert (await ada.ask("DELETE", f"/api/auth/sessions/{uuid4()}")).status == 404


async def test_all_others_are_ended_and_then_all(house: House, ada: Visitor) -> None:
    program, bob = await house.program(ada), await house.register("bob@example.org")
    phone, tablet = await sign_in(house), await sign_in(house)
    assert (await ada.ask("DELETE", "/api/auth/sessions?others=true")).json == {"ended": 2}
    assert await alive(ada, phone, tablet, bob, program) == [True, False, False, True, True]
    phone = await sign_in(house)
    cookie = f"{COOKIE}={token_of(ada)}"
    assert (await ada.ask("DELETE", "/api/auth/sessions")).json == {"ended": 2}
    assert not list(ada.http.cookie_jar), "the browser was told to forget it"
    assert (await house.visitor().get("/api/auth/me", headers={"Cookie": cookie})).status == 401
    assert await alive(phone, bob, program) == [False, True, True]


@pytest.mark.parametrize(
    ("moments", "lives"),
    [
        ({"last_used_at": ago(days=13, hours=23), "expires_at": ago(days=-1)}, True),
        ({"last_used_at": ago(days=14, minutes=1), "expires_at": ago(days=-1)}, False),
        ({"last_used_at": ago(minutes=1), "expires_at": ago(seconds=1)}, False),
        # from before its use was written down: it counts from when it was opened
        ({"last_used_at": None, "created_at": ago(days=13), "expires_at": ago(days=-1)}, True),
        ({"last_used_at": None, "created_at": ago(days=15), "expires_at": ago(days=-1)}, False),
    ],
)
async def test_a_session_ends_by_its_age_and_by_not_being_used(
    house: House, ada: Visitor, moments: dict[str, datetime | None], lives: bool
) -> None:
    phone = await sign_in(house)
    await age(house, phone, **moments)
    assert len(await listed(ada)) == (2 if lives else 1)
    assert await alive(phone) == [lives]
    await sign_in(house)
    count = sa.select(sa.func.count()).select_from(rows)
    assert await house.hayon.database.read(lambda tx: tx.value(count)) == (3 if lives else 2), "others are thrown away"


async def test_a_session_lasts_thirty_days_however_much_it_is_used(house: House, ada: Visitor) -> None:
    (mine,) = await listed(ada)
    opened, ends = datetime.fromisoformat(mine["createdAt"]), datetime.fromisoformat(mine["expiresAt"])
    assert ends - opened == timedelta(days=30)
    await age(house, ada, last_used_at=ago(days=2))
    assert await alive(ada) == [True]
    (used,) = await listed(ada)
    assert used["expiresAt"] == mine["expiresAt"]


async def test_the_last_use_is_written_at_most_once_in_five_minutes(house: House, ada: Visitor) -> None:
    recently, longer = ago(minutes=4, seconds=30), ago(minutes=5, seconds=1)
    await age(house, ada, last_used_at=recently)
    assert await alive(ada, ada) == [True, True]
    assert await last_use(house, ada) == recently
    await age(house, ada, last_used_at=longer)
    assert await alive(ada) == [True]
    noted = await last_use(house, ada)
    assert noted > ago(minutes=1)
    assert await alive(ada) == [True]
    assert await last_use(house, ada) == noted


async def test_a_new_password_ends_other_sessions_and_says_that_keys_stay(house: House, ada: Visitor) -> None:
    program, phone = await house.program(ada), await sign_in(house)
    answer = await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": NEW})
    assert (answer.status, answer.json["endedSessions"]) == (200, 1)
    assert "API keys still open" in answer.json["message"]
    assert await alive(ada, phone, program) == [True, False, True]
    await sign_in(house, password=NEW)
    old = await house.visitor().post("/api/auth/login", {"email": "ada@example.org", "password": PASSWORD})
    assert old.status == 401
    (notice,) = (await ada.get("/api/notices")).json["notices"]
    assert notice["kind"] == "password.changed"


async def test_a_wrong_old_password_changes_nothing_and_runs_out(house: House, ada: Visitor) -> None:
    phone = await sign_in(house)
    wrong = {"password": "not the right one", "newPassword": NEW}
    statuses = [(await ada.post("/api/auth/password", wrong)).status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    right = await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": NEW})
    assert (right.status, int(right.headers["Retry-After"]) > 0) == (429, True)
    email = await ada.ask("PATCH", "/api/auth/me", {"email": "new@example.org", "password": PASSWORD})
    assert email.status == 429, "a mail address is changed by the same password"
    assert await alive(ada, phone) == [True, True]
    await sign_in(house)


async def test_a_short_new_password_is_refused(ada: Visitor) -> None:
    answer = await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": "short"})
    assert answer.status == 422
    assert {one["field"] for one in answer.json["problems"]} == {"newPassword"}


async def test_who_was_let_in_by_the_old_password_at_that_moment_is_not(
    house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is compared, which takes long; meanwhile it is changed."""
    compared, changed = asyncio.Event(), asyncio.Event()
    fits = Passwords.fits

    async def slowly(self: Passwords, kept: str | None, password: str) -> bool:
        found = await fits(self, kept, password)
        if not compared.is_set():
            compared.set()
            await changed.wait()
        return found

    monkeypatch.setattr(Passwords, "fits", slowly)
    monkeypatch.setattr(Passwords, "is_outdated", lambda _self, _kept: True)
    thief = house.visitor()
    known = {"email": "ada@example.org", "password": PASSWORD}
    entering = asyncio.create_task(thief.post("/api/auth/login", known))
    await compared.wait()
    assert (await ada.post("/api/auth/password", {"password": PASSWORD, "newPassword": NEW})).status == 200
    changed.set()
    assert (await entering).status == 401
    assert await alive(thief) == [False]
    assert (await house.visitor().post("/api/auth/login", known)).status == 401, "nor was the old hash written again"
    await sign_in(house, password=NEW)


async def test_name_and_time_zone_are_changed(ada: Visitor) -> None:
    answer = await ada.ask("PATCH", "/api/auth/me", {"name": " Ada ", "timezone": "Europe/Berlin"})
    assert (answer.json["name"], answer.json["timezone"]) == ("Ada", "Europe/Berlin")
    assert (await ada.ask("PATCH", "/api/auth/me", {"name": ""})).json["timezone"] == "Europe/Berlin"
    assert (await ada.get("/api/auth/me")).json["name"] == ""
    assert (await ada.ask("PATCH", "/api/auth/me", {"timezone": "Mars/Olympus"})).status == 422
    assert (await ada.ask("PATCH", "/api/auth/me", {"isAdmin": True})).status == 422
    assert (await ada.ask("PATCH", "/api/auth/me", {})).status == 200


async def test_another_address_needs_the_password(house: House, ada: Visitor) -> None:
    await house.register("bob@example.org")
    wanted = {"email": "New@Example.org", "name": "Someone else"}
    assert (await ada.ask("PATCH", "/api/auth/me", wanted)).rules == {("password", "required")}
    assert (await ada.ask("PATCH", "/api/auth/me", wanted | {"password": "wrong"})).status == 403
    taken = {"email": "bob@example.org", "password": PASSWORD}
    assert (await ada.ask("PATCH", "/api/auth/me", taken)).status == 409
    me = (await ada.get("/api/auth/me")).json
    assert (me["email"], me["name"]) == ("ada@example.org", ""), "all of it or nothing"
    assert (await ada.ask("PATCH", "/api/auth/me", wanted | {"password": PASSWORD})).json["email"] == "new@example.org"
    await sign_in(house, email="new@example.org")
    assert (await ada.ask("PATCH", "/api/auth/me", {"email": "new@example.org"})).status == 200, (
        "the same needs nothing"
    )


@pytest.mark.parametrize("email", ["ada", "@x.org", "a@", "a@b@c", "a b@x.org", "a\x07@x.org", "a\r\nBcc: b@x.org"])
async def test_what_is_no_address_is_refused(ada: Visitor, email: str) -> None:
    assert (await ada.ask("PATCH", "/api/auth/me", {"email": email, "password": PASSWORD})).status == 422


async def test_of_two_who_want_one_address_one_gets_it(house: House, ada: Visitor) -> None:
    people = [ada, *[await house.register(f"{name}@example.org") for name in "bc"]]
    wanted = {"email": "new@example.org", "password": PASSWORD}
    answers = await asyncio.gather(*(one.ask("PATCH", "/api/auth/me", wanted) for one in people))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
