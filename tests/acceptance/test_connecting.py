"""All six platforms, each connected on its whole way in the sandbox: over HTTP, from our page to theirs and back, every redirect followed."""

import re
import shutil
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from hayon.sandbox.meta.renewing import APP_SECRET, FACEBOOK_APP_ID, INSTAGRAM_APP_ID, THREADS_APP_ID
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from tests.acceptance.six import PLATFORMS, handle_on
from tests.sandbox.visiting import Visit, visit
from tests.servers.sandbox import Sandbox
from tests.web.house import Answer, House, Visitor, at_work, open_house
from tests.web.test_pages import Fields, read

APPS = {
    "threads_app_id": THREADS_APP_ID, "threads_app_secret": APP_SECRET, "instagram_app_id": INSTAGRAM_APP_ID,
    "instagram_app_secret": APP_SECRET, "facebook_app_id": FACEBOOK_APP_ID, "facebook_app_secret": APP_SECRET,
    "tumblr_app_id": CONSUMER_KEY, "tumblr_app_secret": CONSUMER_SECRET,
}  # fmt: skip
BY_PAGE = tuple(platform for platform in PLATFORMS if platform != "bluesky")


@pytest.fixture
async def house(sandbox: Sandbox, migrated: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A served Hayon on SQLite whose six platforms are the simulated ones, with an app at each that wants one."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated, folder / "hayon.db")
    places = {f"{platform}_url": f"{sandbox.url}/{platform}" for platform in PLATFORMS}
    async with open_house(folder, **places, **APPS) as opened:
        yield opened


async def leave(visitor: Visitor, platform: str) -> Visit:
    """From the button on our page to the platform's own page."""
    fields = await read(visitor, "/accounts")
    buttons = [one["fields"] for one in fields.forms if one["action"] == "/accounts/connect"]
    on = await visitor.post("/accounts/connect", data=next(one for one in buttons if one["platform"] == platform))
    link = re.search(r'<a class="button" href="([^"]+)"', on.text)
    assert link, on.text
    return await visit(unescape(link[1]))


async def return_from(visitor: Visitor, page: Visit) -> tuple[str, Answer]:
    """From where the platform's page sends the browser, on to where it ends: its path, and the page there."""
    assert page.status == 302, page.text
    address = page.location
    for _ in range(5):
        answer = await visitor.get(address.partition("#")[0])
        if answer.status not in {302, 303}:
            return address.removeprefix(visitor.url), answer
        address = urljoin(address, answer.headers["Location"])
    raise AssertionError(f"it never ends: {address}")


async def let_in(page: Visit, person: str) -> Visit:
    """Yes, as this person, with all that can be ticked."""
    page = await page.press(("person", person))
    if page.status == 200 and page.ticks:
        return await page.press(*(("page", one) for one in page.ticks), ("ticked", "1"))
    return page


async def accounts_of(visitor: Visitor) -> dict[str, Any]:
    return {one["platform"]: one for one in (await visitor.get("/api/accounts")).json["accounts"]}


async def test_all_six_are_connected_on_their_whole_way(house: House, sandbox: Sandbox) -> None:
    people = {name: sandbox.add_account(name, handle_on(name, "ada")) for name in PLATFORMS}
    ada = await house.register()
    told = {one["platform"]: one["connecting"] for one in (await ada.get("/api/platforms")).json["platforms"]}
    assert {name: one["page"] for name, one in told.items()} == {name: name in BY_PAGE for name in PLATFORMS}
    await connect_with_password(ada, people["bluesky"])
    for platform in BY_PAGE:
        page = await let_in(await leave(ada, platform), people[platform]["id"])
        path, shown = await return_from(ada, page)
        assert (path, shown.status) == ("/accounts?told=connect", 200), (platform, shown.text)
    connected = await accounts_of(ada)
    assert set(connected) == set(PLATFORMS)
    for platform, one in connected.items():
        checked = (await ada.post(f"/api/accounts/{one['accountId']}/check")).json
        assert (checked["health"]["status"], checked["handle"]) == ("active", one["handle"]), platform
    await publish_everywhere(house, ada, sandbox)


async def test_whoever_says_no_there_is_told_so_here(house: House, sandbox: Sandbox) -> None:
    ada = await house.register()
    for platform in BY_PAGE:
        path, shown = await return_from(ada, await (await leave(ada, platform)).press(("refused", "1")))
        assert path.startswith("/accounts?connection="), platform
        assert "Not connected" in shown.text
        assert re.search("You did not let Hayon in|let nobody in", shown.text), (platform, shown.text)
    assert await accounts_of(ada) == {}


async def test_of_several_pages_some_are_chosen(house: House, sandbox: Sandbox) -> None:
    """Two Pages of three, by the page of Facebook and by ours; none of the tokens is on any of them."""
    ada_page, club, shop = (sandbox.add_account("facebook", name) for name in ("ada", "club", "shop"))
    for one in ("club", "shop"):
        sandbox.control("accounts/facebook/ada/role", {"page": one, "tasks": ["CREATE_CONTENT", "ANALYZE"]})
    ada = await house.register()
    page = await let_in(await leave(ada, "facebook"), ada_page["id"])
    path, shown = await return_from(ada, page)
    assert re.fullmatch(r"/connections/[0-9a-f-]{36}", path)
    offered = re.findall(r'type="checkbox" name="remoteId" value="([^"]+)"', shown.text)
    assert sorted(offered) == sorted(one["id"] for one in (ada_page, club, shop))
    given = {"csrf": Fields(shown.text).form(path)["csrf"]}
    fields = [*given.items(), ("remoteId", club["id"]), ("remoteId", shop["id"])]
    done = await ada.post(path, data=fields)
    assert done.headers["Location"] == "/accounts?told=connect"
    mine = (await ada.get("/api/accounts")).json["accounts"]
    assert len(mine) == 2
    for one in mine:
        checked = (await ada.post(f"/api/accounts/{one['accountId']}/check")).json
        assert checked["health"]["status"] == "active"


async def test_tumblr_by_oauth1(house: House, sandbox: Sandbox) -> None:
    """Its state travels in the address to return to, which is signed; its tokens do not run out."""
    person = sandbox.add_account("tumblr", "ada")
    ada = await house.register()
    begun = (await ada.post("/api/accounts/tumblr/connect", {"way": "oauth1"})).json
    path, _ = await return_from(ada, await let_in(await visit(begun["url"]), person["id"]))
    assert path == "/accounts?told=connect"
    connected = (await accounts_of(ada))["tumblr"]
    told = (await ada.get(f"/api/connections/{begun['connectionId']}")).json
    assert told["accountIds"] == [connected["accountId"]]


async def connect_with_password(ada: Visitor, shown: dict[str, Any]) -> None:
    """Bluesky has no such page: an app password is its way, by the form; the account's own password is none."""
    assert (await ada.post("/api/accounts/bluesky/connect")).rules == {("platform", "no_way")}
    form = (await read(ada, "/accounts")).form("/accounts")
    given = {name: value for name, value in shown.items() if name in {"identifier", "appPassword", "service"}}
    sent = {"csrf": form["csrf"], "platform": "bluesky", **given}
    assert (await ada.post("/accounts", data=sent)).headers["Location"] == "/accounts?told=connect"


async def publish_everywhere(house: House, ada: Visitor, sandbox: Sandbox) -> None:
    """A post goes out with the credentials that were brought back: they are good for it."""
    places = [platform for platform in PLATFORMS if platform != "instagram"]  # which takes no words alone
    made = await ada.post("/api/posts", {"content": {"text": "Let in"}, "selectedPlatforms": places})
    assert made.status == 201, made.text
    path = f"/api/posts/{made.json['postId']}/events"
    async with at_work(house.hayon):
        await ada.get(path)  # ends when nothing more changes by itself
    told = (await ada.get(path.replace("events", "status"))).json
    assert told["status"] == "COMPLETED", told
    for platform in places:
        assert [one["text"] for one in sandbox.ledger(platform)][-1:] == ["Let in"], platform
