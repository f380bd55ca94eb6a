"""The way to an account by the platform's own page: begun and come back; and what of it is refused, replayed or cut short."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from hayon.errors import DatabaseUnreachable, Disconnected
from hayon.store import accounts, connections
from hayon.web.auth import digest
from tests.web.doorway import PLATFORM, Doorway, begin, change, come_back, door, eve, mine, sealed_of
from tests.web.house import House, Visitor
from tests.web.test_pages import HOSTILE, Fields, read
from tests.web.test_posts import later, make

__all__ = ["Doorway", "door", "eve"]


async def test_who_comes_back_is_connected(house: House, door: Doorway, eve: Visitor) -> None:
    door.renewing = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)
    connection_id, way = await begin(eve)
    state = parse_qs(urlsplit(way).query)["state"][0]
    assert len(state) >= 43
    told = (await eve.get(f"/api/connections/{connection_id}")).json
    assert (told["status"], told["platform"], told["choices"], told["accountIds"]) == ("waiting", PLATFORM, [], [])
    assert timedelta(minutes=9) < datetime.fromisoformat(told["expiresAt"]) - datetime.now(UTC) <= timedelta(minutes=10)
    assert await come_back(eve, way) == "/accounts?told=connect"
    (account,) = await mine(eve)
    assert (account["handle"], account["isDefault"]) == ("ann", True)
    told = (await eve.get(f"/api/connections/{connection_id}")).json
    assert (told["status"], told["accountIds"], told["message"]) == ("connected", [account["accountId"]], "")
    row = await house.hayon.database.read(accounts.get_row, UUID(account["accountId"]))
    assert row.renew_at == door.renewing
    assert house.hayon.vault.open(row.credential, account["accountId"]) == {"secret": "ann"}
    for kept in house.hayon.settings.data_dir.glob("hayon.db*"):
        assert state.encode() not in kept.read_bytes()


async def test_with_credentials_in_hand_it_is_noted_when_to_renew_them(
    house: House, door: Doorway, eve: Visitor
) -> None:
    door.renewing = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)
    account = (await eve.post(f"/api/accounts/{PLATFORM}", {"name": "ann"})).json
    row = await house.hayon.database.read(accounts.get_row, UUID(account["accountId"]))
    assert row.renew_at == door.renewing


async def test_a_way_back_is_good_once(house: House, door: Doorway, eve: Visitor) -> None:
    _, way = await begin(eve)
    await come_back(eve, way)
    assert await come_back(eve, way, "mallory") == "/accounts?told=way-used"
    page = await eve.get("/accounts?told=way-used")
    assert "used already" in page.text
    assert door.exchanged == ["ann"]
    assert [one["handle"] for one in await mine(eve)] == ["ann"]


async def test_of_two_who_come_back_at_once_one_is_let_in(house: House, door: Doorway, eve: Visitor) -> None:
    door.holding = asyncio.Event()
    _, way = await begin(eve)
    asked = [asyncio.create_task(come_back(eve, way, f"code{number}")) for number in range(4)]
    refused = [await one for one in islice(asyncio.as_completed(asked, timeout=20), 3)]
    assert refused == ["/accounts?told=way-used"] * 3
    door.holding.set()
    told = sorted(await asyncio.gather(*asked))
    assert told == ["/accounts?told=connect", *refused]
    assert len(door.exchanged) == 1


async def test_whoever_takes_longer_than_ten_minutes_begins_again(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    await change(house, connection_id, expires_at=datetime.now(UTC))
    assert await come_back(eve, way) == "/accounts?told=way-expired"
    told = (await eve.get(f"/api/connections/{connection_id}")).json
    assert (told["status"], "Begin again" in told["message"]) == ("ended", True)
    assert (door.exchanged, await mine(eve)) == ([], [])


async def test_a_way_that_was_not_begun_here_leads_nowhere(house: House, door: Doorway, eve: Visitor) -> None:
    _, way = await begin(eve)
    base = way.partition("?")[0]
    tampered = way[:-1] + ("A" if way[-1] != "A" else "B")
    for wrong in (tampered, f"{base}?state=", f"{base}?x=y", f"{way}&state=other", f"{way}&long={'x' * 4_001}",
                  f"{way}&" + "&".join(f"a{number}=b" for number in range(20)), way.replace(PLATFORM, "tumblr"),
                  way.replace(PLATFORM, "friendster"), f"{base}?state=%00%ff"):  # fmt: skip
        assert await come_back(eve, wrong) == "/accounts?told=way-unknown", wrong
    assert "Nobody was sent on this way" in (await eve.get("/accounts?told=way-unknown")).text
    assert door.exchanged == []
    assert await come_back(eve, way) == "/accounts?told=connect"


async def test_only_the_browser_that_began_may_finish(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    bob = await house.register("bob@example.org")
    assert await come_back(bob, way) == "/accounts?told=way-unknown"
    other = house.visitor(**{"Sec-Fetch-Site": "same-origin"})
    given = {"email": "eve@example.org", "password": "correct horse battery"}
    assert (await other.post("/api/auth/login", given)).status == 200
    assert await come_back(other, way) == "/accounts?told=way-foreign"
    assert "another browser" in (await other.get("/accounts?told=way-foreign")).text
    nobody = await house.visitor().get(f"{way}&code=ann")
    assert (nobody.status, "begin again" in nobody.text) == (401, True)
    program = await house.program(eve)
    assert (await program.get(f"{way}&code=ann")).status == 403
    assert door.exchanged == []
    assert (await eve.get(f"/api/connections/{connection_id}")).json["status"] == "waiting"
    assert await come_back(eve, way) == "/accounts?told=connect"


async def test_what_a_program_began_any_session_of_its_person_may_finish(
    house: House, door: Doorway, eve: Visitor
) -> None:
    program = await house.program(eve)
    connection_id, way = await begin(program)
    bob = await house.register("bob@example.org")
    assert await come_back(bob, way) == "/accounts?told=way-unknown"
    assert await come_back(eve, way) == "/accounts?told=connect"
    told = (await program.get(f"/api/connections/{connection_id}")).json
    assert told["accountIds"] == [one["accountId"] for one in await mine(program)]
    assert len(told["accountIds"]) == 1


async def test_who_did_not_let_us_in_reads_so(house: House, door: Doorway, eve: Visitor) -> None:
    door.exchanging = [Disconnected(f"You did not let Hayon in. {HOSTILE}", code="access_denied")]
    connection_id, way = await begin(eve)
    there = await come_back(eve, way)
    assert there == f"/accounts?connection={connection_id}"
    page = (await eve.get(there)).text
    assert "You did not let Hayon in." in page
    assert HOSTILE not in page
    told = (await eve.get(f"/api/connections/{connection_id}")).json
    assert (told["status"], told["message"][:26]) == ("ended", "You did not let Hayon in. ")
    bob = await house.register("bob@example.org")
    assert "You did not let" not in (await bob.get(there)).text
    assert await come_back(eve, way) == "/accounts?told=way-used"


async def test_connecting_again_keeps_identity_default_and_what_is_planned(
    house: House, door: Doorway, eve: Visitor
) -> None:
    for name in ("ann", "ben"):
        _, way = await begin(eve)
        await come_back(eve, way, name)
    before = {one["handle"]: one["accountId"] for one in await mine(eve)}
    assert (await eve.post(f"/api/accounts/{before['ben']}/default")).status == 200
    post_id = await make(eve, scheduledAt=later())
    hayon, account_id = house.hayon, UUID(before["ben"])
    await hayon.database.write(accounts.set_health, account_id, "revoked", "It was taken back.")
    assert "Connect it again" in (await eve.get("/accounts")).text
    _, way = await begin(eve)
    await come_back(eve, way, "ben")
    after = {one["handle"]: one for one in await mine(eve)}
    assert {name: one["accountId"] for name, one in after.items()} == before
    assert after["ben"]["isDefault"]
    health = after["ben"]["health"]
    assert (health["status"], health["needsReconnection"], health["message"]) == ("active", False, "")
    (target,) = (await eve.get(f"/api/posts/{post_id}/status")).json["platformStatuses"]
    assert (target["accountId"], target["status"]) == (before["ben"], "pending")
    assert "Connect it again" not in (await eve.get("/accounts")).text


async def test_whoever_begins_too_often_keeps_the_newest(house: House, door: Doorway, eve: Visitor) -> None:
    begun = [await begin(eve) for _ in range(connections.MOST_OPEN + 1)]
    assert await come_back(eve, begun[0][1]) == "/accounts?told=way-unknown"
    assert await come_back(eve, begun[1][1]) == "/accounts?told=connect"


@pytest.mark.parametrize("where", ["while the platform is asked", "before the account is kept"])
async def test_killed_in_between_it_says_begin_again(
    house: House, door: Doorway, eve: Visitor, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    connection_id, way = await begin(eve)
    state = parse_qs(urlsplit(way).query)["state"][0]
    token = next(cookie.value for cookie in eve.http.cookie_jar if cookie.key == "hayon_session")
    returned = {"state": state, "code": "ann"}
    finishing = house.hayon.connecting.finish(UUID(str(eve.person_id)), PLATFORM, digest(token), returned)
    if where.startswith("while"):
        door.holding = asyncio.Event()
        task = asyncio.create_task(finishing)
        await asyncio.wait_for(door.entered.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:

        def gone(*_: Any, **__: Any) -> None:
            raise DatabaseUnreachable("It is gone.")

        with monkeypatch.context() as patched:
            patched.setattr(connections, "keep_accounts", gone)
            with pytest.raises(DatabaseUnreachable):
                await finishing
    path = f"/api/connections/{connection_id}"
    assert (await eve.get(path)).json["status"] == "returned"
    assert await sealed_of(house, connection_id) == b""
    await change(house, connection_id, returned_at=datetime.now(UTC) - timedelta(minutes=3))
    told = (await eve.get(path)).json
    assert (told["status"], "Begin again" in told["message"]) == ("ended", True)
    assert await come_back(eve, way) == "/accounts?told=way-used"
    assert await mine(eve) == []
    door.holding = None
    _, way = await begin(eve)
    assert await come_back(eve, way) == "/accounts?told=connect"


async def test_platforms_tell_their_ways(house: House, door: Doorway, eve: Visitor) -> None:
    async def told() -> dict[str, Any]:
        listed = (await eve.get("/api/platforms")).json["platforms"]
        return next(one["connecting"] for one in listed if one["platform"] == PLATFORM)

    address = f"{house.url}/api/accounts/{PLATFORM}/callback"
    assert await told() == {"credentials": True, "page": True, "message": "", "redirectAddress": address}
    door.closed = "no_app"
    assert await told() == {
        "credentials": True, "page": False, "message": "First set HAYON_SCRIPTED_APP.", "redirectAddress": address,
    }  # fmt: skip
    refused = await eve.post(f"/api/accounts/{PLATFORM}/connect")
    assert (refused.status, refused.rules) == (422, {("platform", "no_app")})
    page = (await eve.get("/accounts")).text
    assert "First set HAYON_SCRIPTED_APP." in page
    assert address in page
    assert "docs/connect/bluesky.md" in page
    assert "Connect with Bluesky" not in page
    door.closed = "no_way"
    assert "First set HAYON_SCRIPTED_APP." not in (await eve.get("/accounts")).text
    assert (await eve.post("/api/accounts/friendster/connect")).rules == {("platform", "unknown_platform")}
    assert (await eve.post("/api/connections/post", {"text": "x"})).status == 422


async def test_the_public_address_is_where_people_come_back_to(
    house: House, eve: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(house.hayon.settings, "public_url", "https://hayon.example/")
    listed = (await eve.get("/api/platforms")).json["platforms"]
    told = {one["platform"]: one["connecting"]["redirectAddress"] for one in listed}
    assert told["threads"] == "https://hayon.example/api/accounts/threads/callback"


async def test_beginning_on_the_page(house: House, door: Doorway, eve: Visitor) -> None:
    fields = await read(eve, "/accounts")
    form = next(
        one["fields"]
        for one in fields.forms
        if one["action"] == "/accounts/connect" and one["fields"]["platform"] == PLATFORM
    )
    assert (await eve.post("/accounts/connect", data=form | {"csrf": "x"})).status == 403
    on = await eve.post("/accounts/connect", data=form)
    assert on.status == 200
    assert Fields(on.text).inline == []
    assert on.text.count("https://scripted.test/authorize?state=") == 2
    assert 'http-equiv="refresh"' in on.text
    door.closed = "no_app"
    refused = await eve.post("/accounts/connect", data=form)
    assert (refused.status, "First set HAYON_SCRIPTED_APP." in refused.text) == (422, True)
