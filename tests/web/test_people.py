"""Registering, signing in, keys, and who is let through: by session, by key, and never for another site's page."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from hayon.errors import TooMany
from hayon.store import sessions, users
from hayon.web.auth import COOKIE
from hayon.web.passwords import Passwords
from hayon.web.throttle import Throttle
from tests.web.house import PASSWORD, SAME_ORIGIN, House, Visitor, open_house


async def first_comes(house: House) -> Counter[int]:
    """Five people register at one moment; the statuses of their answers."""
    given = [{"email": f"{name}@example.org", "password": PASSWORD} for name in "abcde"]
    answers = await asyncio.gather(*(house.visitor().post("/api/auth/register", one) for one in given))
    assert [answer.json["isAdmin"] for answer in answers if answer.status == 201] == [True]
    return Counter(answer.status for answer in answers)


async def test_the_first_person_is_admin_and_closes_the_door(folder: Path) -> None:
    async with open_house(folder, registration="first") as house:
        assert await first_comes(house) == Counter({201: 1, 403: 4})
        late = await house.visitor().post("/api/auth/register", {"email": "late@example.org", "password": PASSWORD})
        assert late.status == 403
        assert "Registration is closed" in late.json["detail"]


async def test_later_people_are_no_admins(house: House, ada: Visitor) -> None:
    assert (await ada.get("/api/auth/me")).json["isAdmin"] is True
    bob = await house.register("bob@example.org")
    assert (await bob.get("/api/auth/me")).json == {
        "id": str(bob.person_id), "email": "bob@example.org", "name": "", "timezone": "UTC", "isAdmin": False,
    }  # fmt: skip


async def test_signing_in_and_out(house: House, ada: Visitor) -> None:
    browser = house.visitor(**SAME_ORIGIN)
    assert (await browser.get("/api/auth/me")).status == 401
    answer = await browser.post("/api/auth/login", {"email": " ADA@Example.org ", "password": PASSWORD})
    assert (answer.status, answer.json["email"]) == (200, "ada@example.org")
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert (await browser.get("/api/auth/me")).status == 200
    kept = next(iter(browser.http.cookie_jar)).value
    assert (await browser.post("/api/auth/logout")).status == 204
    assert (await browser.get("/api/auth/me", headers={"Cookie": f"{COOKIE}={kept}"})).status == 401
    assert (await ada.get("/api/auth/me")).status == 200


async def test_cookies_are_secure_behind_https(folder: Path) -> None:
    async with open_house(folder, public_url="https://hayon.example.org") as house:
        given = {"email": "ada@example.org", "password": PASSWORD}
        answer = await house.visitor().post("/api/auth/register", given)
        assert "secure" in answer.headers["Set-Cookie"].lower()


async def test_secrets_are_kept_as_hashes_only(house: House, ada: Visitor) -> None:
    key = (await ada.post("/api/keys", {"name": "one"})).json["key"]
    token = next(iter(ada.http.cookie_jar)).value
    assert len(key) > len("hayon_") + 40
    for one in house.hayon.settings.data_dir.glob("hayon.db*"):
        kept = one.read_bytes()
        for secret in (PASSWORD, key, token):
            assert secret.encode() not in kept


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
async def test_a_wrong_password_and_an_unknown_person_look_alike(house: House, ada: Visitor, email: str) -> None:
    answer = await house.visitor().post("/api/auth/login", {"email": email, "password": "not the right one"})
    assert answer.status == 401
    assert answer.json["detail"] == "E-mail address and password do not belong together."


async def test_an_unknown_person_costs_a_hash_too() -> None:
    counted: list[str] = []

    class Counting(Passwords):
        def _verify(self, kept: str, password: str) -> bool:
            counted.append(kept)
            return super()._verify(kept, password)

    passwords = Counting(PasswordHasher())
    kept = await passwords.hash(PASSWORD)
    assert await passwords.fits(kept, PASSWORD)
    assert not await passwords.fits(kept, "wrong")
    assert not await passwords.fits(None, PASSWORD)
    assert not await passwords.fits(None, "nobody's")
    assert len(counted) == 4
    assert "m=65536" in kept
    assert not passwords.is_outdated(kept)


async def test_a_hash_of_older_days_is_made_anew(house: House, ada: Visitor) -> None:
    database = house.hayon.database
    known = await database.read(users.find_by_email, "ada@example.org")
    assert known is not None
    old = PasswordHasher(2, 16, 1).hash(PASSWORD)
    await database.write(users.replace_password_hash, known[0].id, old)
    for _ in range(2):
        answer = await house.visitor().post("/api/auth/login", {"email": "ada@example.org", "password": PASSWORD})
        assert answer.status == 200
    now = await database.read(users.find_by_email, "ada@example.org")
    assert now is not None
    assert now[1] != old


async def test_tries_at_one_account_run_out(house: House, ada: Visitor) -> None:
    wrong = {"email": "ada@example.org", "password": "not the right one"}
    statuses = [(await house.visitor().post("/api/auth/login", wrong)).status for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    locked = await house.visitor().post("/api/auth/login", wrong | {"password": PASSWORD})
    assert locked.status == 429
    assert int(locked.headers["Retry-After"]) > 0
    other = await house.visitor().post("/api/auth/login", wrong | {"email": "bob@example.org"})
    assert other.status == 401


def test_a_throttle_fills_again_and_forgives() -> None:
    now = [0.0]
    throttle = Throttle(2, 10, clock=lambda: now[0])
    throttle.take("a")
    throttle.take("a")
    with pytest.raises(TooMany) as told:
        throttle.take("a")
    assert told.value.retry_after_seconds == 10
    throttle.take("b")
    now[0] = 10
    throttle.take("a")
    with pytest.raises(TooMany):
        throttle.take("a")
    throttle.give_back("a")
    throttle.take("a")
    throttle.forget("a")
    throttle.take("a")


def test_a_throttle_forgets_whom_it_has_not_seen_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hayon.web.throttle.NAMES_LIMIT", 2)
    throttle = Throttle(1, 10, clock=lambda: 0.0)
    for name in "abc":
        throttle.take(name)
    throttle.take("a")
    with pytest.raises(TooMany):
        throttle.take("c")


async def test_keys_open_until_they_are_deleted(house: House, ada: Visitor) -> None:
    program = await house.program(ada)
    assert (await program.get("/api/auth/me")).json["email"] == "ada@example.org"
    (listed,) = (await ada.get("/api/keys")).json["keys"]
    assert "key" not in listed
    assert program.headers["Authorization"].startswith(f"Bearer {listed['hint']}")
    assert listed["lastUsedAt"] is not None
    assert (await ada.ask("DELETE", f"/api/keys/{listed['id']}")).status == 204
    assert (await program.get("/api/auth/me")).status == 401
    assert (await ada.ask("DELETE", f"/api/keys/{listed['id']}")).status == 404


@pytest.mark.parametrize("given", ["Bearer hayon_wrong", "Bearer", "Basic YTpi", "hayon_x", "Bearer é"])
async def test_a_bad_key_is_refused_even_beside_a_good_session(ada: Visitor, given: str) -> None:
    answer = await ada.get("/api/auth/me", headers={"Authorization": given})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Origin": "{url}"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_session_is_not_lent_to_other_sites(ada: Visitor, headers: dict[str, str], status: int) -> None:
    ada.headers = {}
    sent = {name: value.format(url=ada.url) for name, value in headers.items()}
    assert (await ada.post("/api/keys", {"name": "one"}, headers=sent)).status == status
    assert (await ada.get("/api/keys", headers={"Sec-Fetch-Site": "cross-site"})).status == 200


async def test_a_key_needs_no_origin(house: House, ada: Visitor) -> None:
    program = await house.program(ada)
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    wanted = {"mimeType": "image/png", "size": 5}
    assert (await program.post("/api/media/uploads", wanted, headers=foreign)).status == 201


async def test_the_public_address_is_our_origin_too(folder: Path) -> None:
    async with open_house(folder, public_url="https://hayon.example.org/") as house:
        ada = await house.register()
        ada.headers = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in ada.http.cookie_jar)}
        from_proxy = {"Origin": "https://hayon.example.org"}
        assert (await ada.post("/api/keys", {"name": "one"}, headers=from_proxy)).status == 201
        other = {"Origin": "https://hayon.example.org.evil.example"}
        assert (await ada.post("/api/keys", {"name": "one"}, headers=other)).status == 403


@pytest.mark.parametrize("address", ["/api/auth/login", "/api/auth/register"])
async def test_another_site_can_sign_nobody_in(house: House, ada: Visitor, address: str) -> None:
    given = {"email": "eve@example.org", "password": PASSWORD}
    answer = await house.visitor().post(address, given, headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_a_session_runs_out(house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"email": "ada@example.org", "password": PASSWORD}
    for lasts, status in ((timedelta(minutes=1), 200), (timedelta(minutes=-1), 401)):
        monkeypatch.setattr(sessions, "LASTS", lasts)
        answer = await house.visitor().post("/api/auth/login", given)
        # sent by hand: a browser would have dropped it by itself
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        assert (await house.visitor().get("/api/auth/me", headers={"Cookie": cookie})).status == status
