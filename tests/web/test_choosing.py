"""Who comes back from a platform's page with several accounts chooses from them, and nobody else does."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hayon.store import connections
from tests.web.doorway import Doorway, begin, change, come_back, door, eve, mine, sealed_of
from tests.web.house import House, Visitor
from tests.web.test_pages import HOSTILE, Fields, read

__all__ = ["Doorway", "door", "eve"]


async def test_of_several_some_are_chosen(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    assert await come_back(eve, way, "page-a,page-b,page-c") == f"/connections/{connection_id}"
    assert await mine(eve) == []
    path = f"/api/connections/{connection_id}"
    told = await eve.get(path)
    assert [one["remoteId"] for one in told.json["choices"]] == ["page-a", "page-b", "page-c"]
    assert (told.json["status"], "secret" in told.text) == ("choosing", False)
    left = datetime.fromisoformat(told.json["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert b"page-a" not in await sealed_of(house, connection_id)
    assert (await eve.post(path, {"remoteIds": ["page-a", "page-x"]})).rules == {("remoteIds", "unknown")}
    assert (await eve.post(path, {"remoteIds": []})).status == 422
    chosen = await eve.post(path, {"remoteIds": ["page-c", "page-a", "page-c"]})
    assert [one["handle"] for one in chosen.json["accounts"]] == ["page-c", "page-a"]
    assert sorted(one["handle"] for one in await mine(eve)) == ["page-a", "page-c"]
    after = (await eve.get(path)).json
    assert (after["status"], after["choices"]) == ("connected", [])
    assert sorted(after["accountIds"]) == sorted(one["accountId"] for one in await mine(eve))
    late = await eve.post(path, {"remoteIds": ["page-b"]})
    assert (late.status, len(await mine(eve))) == (409, 2)
    assert len(door.exchanged) == 1


async def test_two_who_choose_at_once_do_not_both_connect(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    await come_back(eve, way, "page-a,page-b")
    path = f"/api/connections/{connection_id}"
    told = await asyncio.gather(*(eve.post(path, {"remoteIds": [one]}) for one in ("page-a", "page-b")))
    assert sorted(one.status for one in told) == [200, 409]
    assert len(await mine(eve)) == 1


async def test_choosing_on_the_page(house: House, door: Doorway, eve: Visitor) -> None:
    _, way = await begin(eve)
    await come_back(eve, way, "ann")
    _, way = await begin(eve)
    there = await come_back(eve, way, f"ann,ben{HOSTILE}")
    page = (await eve.get(there)).text
    assert HOSTILE not in page
    assert page.count("connected already") == 1
    form = Fields(page).form(there)
    none = await eve.post(there, data={"csrf": form["csrf"]})
    assert (none.status, "remoteId" in none.text) == (422, True)
    refused = await eve.post(there, data={"csrf": "x", "remoteId": "ann"})
    assert refused.status == 403
    taken = await eve.post(there, data={"csrf": form["csrf"], "remoteId": f"ben{HOSTILE}"})
    assert taken.headers["Location"] == "/accounts?told=connect"
    assert len(await mine(eve)) == 2
    assert (await eve.get(there)).headers["Location"] == "/accounts?told=connect"


async def test_a_stranger_reaches_neither_connection_nor_choices(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    await come_back(eve, way, "page-a,page-b")
    bob = await house.register("bob@example.org")
    program = await house.program(bob)
    for stranger in (bob, program):
        for answer in (await stranger.get(f"/api/connections/{connection_id}"),
                       await stranger.post(f"/api/connections/{connection_id}", {"remoteIds": ["page-a"]})):  # fmt: skip
            assert (answer.status, "page-a" in answer.text) == (404, False)
    page = await bob.get(f"/connections/{connection_id}")
    assert (page.status, "page-a" in page.text) == (404, False)
    csrf = (await read(bob)).form("/logout")["csrf"]
    sent = await bob.post(f"/connections/{connection_id}", data={"csrf": csrf, "remoteId": "page-a"})
    assert (sent.status, await mine(bob), await mine(eve)) == (404, [], [])
    assert (await house.visitor().get(f"/api/connections/{connection_id}")).status == 401
    assert (await eve.get(f"/api/connections/{uuid4()}")).status == 404


async def test_choices_run_out_and_are_emptied(house: House, door: Doorway, eve: Visitor) -> None:
    connection_id, way = await begin(eve)
    there = await come_back(eve, way, "page-a,page-b")
    waiting_id, _ = await begin(eve)
    assert await house.hayon.database.write(connections.forget) == 0
    past = datetime.now(UTC) - timedelta(seconds=1)
    for one in (connection_id, waiting_id):
        await change(house, one, expires_at=past)
    late = await eve.post(f"/api/connections/{connection_id}", {"remoteIds": ["page-a"]})
    assert (late.status, "Begin again" in late.json["detail"], await mine(eve)) == (409, True, [])
    assert (await eve.get(there)).headers["Location"] == f"/accounts?connection={connection_id}"
    await house.hayon.relay.sweep_once()
    assert (await sealed_of(house, connection_id), await sealed_of(house, waiting_id)) == (b"", b"")
    old = datetime.now(UTC) - timedelta(days=1, seconds=1)
    await change(house, connection_id, created_at=old)
    await house.hayon.relay.sweep_once()
    assert (await eve.get(f"/api/connections/{connection_id}")).status == 404
    assert (await eve.get(f"/api/connections/{waiting_id}")).status == 200


async def test_of_those_that_share_one_credential_that_is_renewed_one_is_chosen(
    house: House, door: Doorway, eve: Visitor
) -> None:
    """A renewal uses the credential up: of two accounts that live by it, one would be lost."""
    door.renewing, door.shared = datetime(2027, 1, 2, tzinfo=UTC), True
    connection_id, way = await begin(eve)
    there = await come_back(eve, way, "blog-a,blog-b")
    path = f"/api/connections/{connection_id}"
    assert (await eve.get(path)).json["onlyOne"] is True
    page = (await eve.get(there)).text
    assert (page.count('type="radio"'), page.count('type="checkbox"')) == (2, 0)
    assert (await eve.post(path, {"remoteIds": ["blog-a", "blog-b"]})).rules == {("remoteIds", "only_one")}
    assert await mine(eve) == []
    assert (await eve.post(path, {"remoteIds": ["blog-b"]})).status == 200
    door.renewing = None  # a credential that is never renewed is good for all
    connection_id, way = await begin(eve)
    await come_back(eve, way, "blog-a,blog-b")
    path = f"/api/connections/{connection_id}"
    assert (await eve.get(path)).json["onlyOne"] is False
    assert (await eve.post(path, {"remoteIds": ["blog-a", "blog-b"]})).status == 200
    assert len(await mine(eve)) == 2
