"""The whole way through a simulated instance, with every redirect followed; and our app there."""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any
from urllib.parse import urljoin

import sqlalchemy as sa

from hayon.errors import Disconnected, Unavailable
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.world import World
from hayon.store.schema import apps
from tests.web.doorway import PLATFORM, Doorway, begin, come_back, door, eve, mine
from tests.web.house import Answer, House, Visitor, at_work
from tests.web.test_deciding import wait_for
from tests.web.test_pages import Fields, read

__all__ = ["Doorway", "door", "eve"]


async def app_rows(house: House) -> Sequence[Any]:
    return await house.hayon.database.read(lambda tx: tx.all(sa.select(apps)))


async def test_an_app_is_registered_once_and_anew_when_it_is_forgotten(
    house: House, door: Doorway, eve: Visitor
) -> None:
    await begin(eve)
    (row,) = await app_rows(house)
    assert (row.host, row.redirect_uri) == ("https://scripted.test", f"{house.url}/api/accounts/{PLATFORM}/callback")
    assert b"of this house" not in row.sealed
    bob = await house.register("bob@example.org")
    _, way = await begin(bob)
    assert door.authorized == [None, {"app": "of this house"}]
    door.exchanging = [Unavailable("It does not answer.")]
    await come_back(bob, way)
    assert len(await app_rows(house)) == 1
    for word in ("invalid_client", "unknown_app"):
        _, way = await begin(bob)
        door.exchanging = [Disconnected("It does not know us any more. Begin again.", code=word)]
        await come_back(bob, way)
        assert await app_rows(house) == []
    await begin(bob)
    assert door.authorized[-1] is None
    assert len(await app_rows(house)) == 1


async def follow(visitor: Visitor, answer: Answer) -> tuple[str, Answer]:
    """On from redirect to redirect, as a browser goes: where it ends."""
    address = ""
    for _ in range(5):
        if answer.status not in {302, 303}:
            return address, answer
        address = urljoin(address or visitor.url, answer.headers["Location"])
        answer = await visitor.get(address)
    raise AssertionError(f"it never ends: {address}")


async def go_there(visitor: Visitor) -> tuple[str, dict[str, str]]:
    """From the button on our page to the instance's page: its address, and the fields of its form."""
    fields = await read(visitor, "/accounts")
    buttons = [one["fields"] for one in fields.forms if one["action"] == "/accounts/connect"]
    form = next(one for one in buttons if one["platform"] == "mastodon")
    on = await visitor.post("/accounts/connect", data=form)
    there = unescape(re.search(r'<a class="button" href="([^"]+)"', on.text)[1])
    page = await visitor.get(there)
    assert page.status == 200, page.text
    return there.partition("?")[0], Fields(page.text).forms[0]["fields"]


async def test_through_an_instance_with_every_redirect_followed(published: House, world: tuple[World, str]) -> None:
    world[0].add_account("mastodon", "ada", "Ada")
    eve = await published.register("eve@example.org")
    there, form = await go_there(eve)
    assert form["code_challenge_method"] == "S256"
    person = world[0].get_account("mastodon", "ada")
    allowed = await eve.post(there, data=form | {"person": person.account_id, "refused": "", "new_person": ""})
    address, page = await follow(eve, allowed)
    assert (address, page.status) == (f"{eve.url}/accounts?told=connect", 200)
    assert "The account is connected." in page.text
    (account,) = await mine(eve)
    assert (account["platform"], account["host"]) == ("mastodon", f"{world[1]}/mastodon")
    checked = (await eve.post(f"/api/accounts/{account['accountId']}/check")).json
    assert checked["health"]["status"] == "active"
    await eve.post("/api/posts", {"content": {"text": "By the page"}, "selectedPlatforms": ["mastodon"]})
    async with at_work(published.hayon):
        await wait_for(eve, (await eve.get("/api/posts")).json["posts"][0]["postId"], "completed")
    assert [one.text for one in world[0].ledger] == ["By the page"]
    replayed = await eve.get(allowed.headers["Location"])
    assert replayed.headers["Location"] == "/accounts?told=way-used"


async def test_saying_no_at_an_instance(published: House, world: tuple[World, str]) -> None:
    eve = await published.register("eve@example.org")
    there, form = await go_there(eve)
    _, page = await follow(eve, await eve.post(there, data=form | {"refused": "1"}))
    assert "You did not let Hayon in" in page.text
    assert await mine(eve) == []


async def test_an_instance_that_forgot_us_is_registered_at_anew(published: House, world: tuple[World, str]) -> None:
    eve = await published.register("eve@example.org")
    _, first = await go_there(eve)
    _, again = await go_there(eve)
    assert again["client_id"] == first["client_id"]
    instance_of(world[0]).apps.clear()
    there, anew = await go_there(eve)
    assert anew["client_id"] != first["client_id"]
    instance_of(world[0]).apps.pop(anew["client_id"])
    lost = await eve.post(there, data=anew | {"new_person": "ada"})
    assert lost.status == 400
    there, anew = await go_there(eve)
    address, _ = await follow(eve, await eve.post(there, data=anew | {"new_person": "ada"}))
    assert address.endswith("told=connect")


async def test_a_token_is_given_back_to_the_instance(published: House, world: tuple[World, str]) -> None:
    eve = await published.register("eve@example.org")
    there, form = await go_there(eve)
    await follow(eve, await eve.post(there, data=form | {"new_person": "ada"}))
    (account,) = await mine(eve)
    (token,) = [
        one for one in instance_of(world[0]).tokens.values() if one.client_id == form["client_id"] and one.account_id
    ]
    assert not token.revoked
    told = await eve.ask("DELETE", f"/api/accounts/{account['accountId']}")
    assert told.json["credential"] == "given_back"
    assert instance_of(world[0]).tokens[token.token].revoked
