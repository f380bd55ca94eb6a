"""What a person's token of the simulated Facebook leads to: their Pages, those of businesses, and the Pages' own tokens."""

import hashlib
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.graph import refusal
from tests.sandbox.visiting import let_in, visit

from hayon.sandbox.meta.facebook.memory import Facebook
from hayon.sandbox.meta.facebook.wire import APP_ID
from hayon.sandbox.meta.renewing import APP_SECRET
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = "http://127.0.0.1:9/cb"
SCOPES = "pages_show_list,pages_read_engagement,pages_manage_posts"
MONTHS = 60 * 86_400


def dialog(http: Http, scopes: str = SCOPES) -> str:
    asked = {"client_id": APP_ID, "redirect_uri": BACK, "response_type": "code", "scope": scopes, "state": "s"}
    return f"{http.url}/facebook/v25.0/dialog/oauth?{urlencode(asked)}"


async def short_token(http: Http, person: Account, *, scopes: str = SCOPES, pages: list[str] | None = None) -> str:
    code = (await let_in(dialog(http, scopes), person.account_id, pages=pages)).query["code"]
    given = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": BACK, "code": code}
    told = (await http("POST", "/facebook/v25.0/oauth/access_token", data=given)).body
    assert (told["token_type"], told["expires_in"]) == ("bearer", 3_600)
    return str(told["access_token"])


async def lengthen(http: Http, token: str, **changes: str) -> Reply:
    given = {"grant_type": "fb_exchange_token", "client_id": APP_ID, "client_secret": APP_SECRET}
    asked = {**given, "fb_exchange_token": token, **changes}
    return await http("GET", "/facebook/v25.0/oauth/access_token", params=asked)


async def long_token(http: Http, person: Account, **changes: Any) -> str:
    told = (await lengthen(http, await short_token(http, person, **changes))).body
    assert told["expires_in"] == MONTHS
    return str(told["access_token"])


async def ask(http: Http, path: str, token: str, **params: str) -> Reply:
    return await http("GET", f"/facebook/v25.0/{path}", params=params, headers={"authorization": f"Bearer {token}"})


async def pages_of(http: Http, token: str, path: str = "me/accounts") -> dict[str, Any]:
    return {one["id"]: one for one in (await ask(http, path, token)).body["data"]}


async def give_role(http: Http, person: Account, page: Account, *tasks: str, **more: Any) -> None:
    path = f"/control/accounts/facebook/{person.handle}/role"
    given = {"page": page.handle, "tasks": list(tasks), **more}
    assert (await http("POST", path, json=given)).status == 200


async def test_a_person_is_shown_the_pages_they_have_a_role_on(http: Http, world: World) -> None:
    alice, club, shop = (world.add_account("facebook", name) for name in ("alice", "club", "shop"))
    await give_role(http, alice, club, "CREATE_CONTENT", "ANALYZE")
    page = await (await visit(dialog(http))).press(("person", alice.account_id))
    assert page.ticks == [alice.account_id, club.account_id]
    held = await pages_of(http, await long_token(http, alice))
    assert list(held) == [alice.account_id, club.account_id]
    assert held[club.account_id]["tasks"] == ["CREATE_CONTENT", "ANALYZE"]
    assert held[alice.account_id]["tasks"] == [
        "ADVERTISE",
        "ANALYZE",
        "CREATE_CONTENT",
        "MESSAGING",
        "MODERATE",
        "MANAGE",
    ]
    await give_role(http, alice, club)
    assert list(await pages_of(http, await long_token(http, alice))) == [alice.account_id]
    assert list(await pages_of(http, await long_token(http, shop))) == [shop.account_id]


async def test_a_page_that_was_not_ticked_is_not_shown(http: Http, world: World) -> None:
    alice, club = world.add_account("facebook", "alice"), world.add_account("facebook", "club")
    await give_role(http, alice, club, "CREATE_CONTENT")
    assert list(await pages_of(http, await long_token(http, alice, pages=[club.account_id]))) == [club.account_id]
    assert await pages_of(http, await long_token(http, alice, pages=[])) == {}


async def test_the_pages_come_in_portions(http: Http, world: World) -> None:
    alice, *others = (world.add_account("facebook", f"p{number}") for number in range(5))
    for one in others:
        await give_role(http, alice, one, "CREATE_CONTENT")
    token, after, seen = await long_token(http, alice), "", []
    for number in range(3):
        told = (await ask(http, "me/accounts", token, limit="2", after=after, fields="id")).body
        seen += [one["id"] for one in told["data"]]
        assert ("next" in told["paging"]) is (number < 2)
        after = told["paging"]["cursors"]["after"]
    assert seen == [one.account_id for one in (alice, *others)]


async def test_a_pages_token_lasts_as_the_persons_token_it_was_made_with(http: Http, world: World) -> None:
    alice = world.add_account("facebook", "alice")
    brief = await short_token(http, alice)
    passing = (await pages_of(http, brief))[alice.account_id]["access_token"]
    long = str((await lengthen(http, brief)).body["access_token"])
    lasting = (await pages_of(http, long))[alice.account_id]["access_token"]
    assert (await pages_of(http, long))[alice.account_id]["access_token"] == lasting
    assert len({passing, lasting, alice.secret}) == 3
    world.advance(3_601)
    assert refusal(await ask(http, "me", passing)) == (401, 190, 463)
    assert refusal(await lengthen(http, brief)) == (401, 190, 463)
    world.advance(MONTHS)
    assert refusal(await ask(http, "me", long)) == (401, 190, 463)
    assert (await ask(http, "me", lasting)).body["id"] == alice.account_id


async def test_a_pages_token_may_do_what_the_person_allowed(http: Http, world: World) -> None:
    alice = world.add_account("facebook", "alice")
    token = await long_token(http, alice, scopes="pages_show_list,pages_read_engagement")
    page = (await pages_of(http, token))[alice.account_id]["access_token"]
    assert (await ask(http, "me", page)).body["id"] == alice.account_id
    posted = await http(
        "POST", "/facebook/v25.0/me/feed", data={"message": "x"}, headers={"authorization": f"Bearer {page}"}
    )
    assert refusal(posted) == (403, 10, None)
    granted = (await ask(http, "me/permissions", token)).body["data"]
    assert granted == [{"permission": one, "status": "granted"} for one in ("pages_show_list", "pages_read_engagement")]


async def test_pages_of_businesses_stand_apart(http: Http, world: World) -> None:
    alice, shop, client = (world.add_account("facebook", name) for name in ("alice", "shop", "client"))
    await give_role(http, alice, shop, "CREATE_CONTENT", business="Trade")
    await give_role(http, alice, client, "CREATE_CONTENT", business="Trade", owned=False)
    token = await long_token(http, alice, scopes=f"{SCOPES},business_management")
    assert list(await pages_of(http, token)) == [alice.account_id]
    ((business_id, business),) = (await pages_of(http, token, "me/businesses")).items()
    assert business["name"] == "Trade"
    owned = await pages_of(http, token, f"{business_id}/owned_pages")
    assert [*owned, *(await pages_of(http, token, f"{business_id}/client_pages"))] == [
        shop.account_id,
        client.account_id,
    ]
    assert refusal(await ask(http, f"{business_id}/owned_pages", token, fields="tasks")) == (400, 100, None)
    page = (await ask(http, "me", owned[shop.account_id]["access_token"])).body
    assert page["id"] == shop.account_id
    assert refusal(await ask(http, "me/businesses", await long_token(http, alice))) == (403, 10, None)
    stranger = await long_token(http, shop, scopes=f"{SCOPES},business_management")
    assert refusal(await ask(http, f"{business_id}/owned_pages", stranger)) == (400, 100, 33)


async def test_roles_come_back_after_a_restart(tmp_path: Path) -> None:
    first = World(path=tmp_path)
    alice, club = first.add_account("facebook", "alice"), first.add_account("facebook", "club")
    facts = {"person": alice.account_id, "page": club.account_id, "tasks": ["ANALYZE"], "business": "B", "owned": True}
    first.tell("facebook", "role", **facts)
    first.tell("facebook", "redirect", uri="https://hayon.example/cb")
    first.close()
    again = World(path=tmp_path)
    memory = again.memory(Platform.FACEBOOK, Facebook)
    assert [one.page for one in memory.roles.of(alice)] == [alice.account_id, club.account_id]
    assert memory.logins.redirect_uris == ["https://hayon.example/cb"]
    again.close()


async def test_a_proof_that_comes_along_has_to_be_right(http: Http, world: World) -> None:
    alice = world.add_account("facebook", "alice")
    proof = hmac.new(APP_SECRET.encode(), alice.secret.encode(), hashlib.sha256).hexdigest()
    assert (await ask(http, "me", alice.secret, appsecret_proof=proof)).status == 200
    wrong = await ask(http, "me", alice.secret, appsecret_proof=proof[::-1])
    assert refusal(wrong) == (400, 100, None)


async def test_a_token_is_lengthened_with_the_apps_secret_only(http: Http, world: World) -> None:
    brief = await short_token(http, world.add_account("facebook", "alice"))
    assert refusal(await lengthen(http, brief, client_secret="wrong")) == (400, 1, None)
    assert refusal(await lengthen(http, brief, client_id="1")) == (400, 1, None)
    assert refusal(await lengthen(http, "EAAPnothing")) == (400, 190, None)
