"""Facebook from the login page to a post on a chosen Page, over HTTP, against the simulated platform."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from hayon.errors import Disconnected, Rejected, Unavailable
from hayon.outgoing import Outgoing, Request
from hayon.platforms.contract import Connected
from hayon.platforms.facebook import Facebook
from hayon.platforms.facebook import login as logging_in
from hayon.sandbox.app import running
from hayon.sandbox.meta.renewing import APP_SECRET, FACEBOOK_APP_ID
from hayon.sandbox.model import Account as Profile
from hayon.sandbox.world import World
from tests.platforms.parcels import Checkpoints, OneSend, make_account, make_parcel
from tests.sandbox.visiting import Sent, let_in, visit

BACK = "http://127.0.0.1:9/api/accounts/facebook/callback"
MONTHS = 60 * 86_400


@dataclass
class Home:
    """The simulated Facebook with alice and her Page, and the adapter."""

    world: World
    adapter: Facebook
    outgoing: Outgoing
    alice: Profile

    async def page(self, **given: Any) -> str:
        return (await self.adapter.authorize(given, BACK, "st&te", None, self.outgoing)).url

    async def come_back(self, pages: Sequence[str] | None = None, **given: Any) -> Sent:
        return await let_in(await self.page(**given), self.alice.account_id, pages=pages)

    async def exchange(self, returned: dict[str, str], back: str = BACK) -> Sequence[Connected]:
        return await self.adapter.exchange(returned, {}, back, self.outgoing)

    async def found(self, pages: Sequence[str] | None = None, **given: Any) -> list[str]:
        """The handles of the Pages that are offered."""
        return [one.handle for one in await self.exchange((await self.come_back(pages, **given)).query)]

    def add_page(self, handle: str, *tasks: str, **more: Any) -> Profile:
        """Another Page on which alice has these tasks."""
        made = self.world.add_account("facebook", handle)
        facts = {"business": "", "owned": True, **more, "tasks": list(tasks)}
        self.world.tell("facebook", "role", person=self.alice.account_id, page=made.account_id, **facts)
        return made

    def operations(self) -> list[str]:
        return [line["operation"] for line in self.world.requests]


@pytest_asyncio.fixture
async def home() -> AsyncIterator[Home]:
    world = World()
    async with running(world) as url:
        outgoing = Outgoing(identity="Hayon tests", trusted_origins=[url], timeout_seconds=10)
        adapter = Facebook(f"{url}/facebook", app_id=FACEBOOK_APP_ID, app_secret=APP_SECRET)
        yield Home(world, adapter, outgoing, world.add_account("facebook", "alice", "Alice"))
        await outgoing.aclose()
    world.close()


async def test_the_whole_way(home: Home) -> None:
    club = home.add_page("club", "CREATE_CONTENT")
    sent = await home.come_back()
    assert (sent.back, sent.query["state"], sent.fragment) == (BACK, "st&te", "_=_")
    first, second = await home.exchange(sent.query)
    assert [first.remote_id, second.remote_id] == [home.alice.account_id, club.account_id]
    assert (second.handle, second.host) == ("@club", home.adapter.host_of({}))
    assert home.operations() == ["exchange_code", "exchange_token", "list_permissions", "list_accounts"]
    account = make_account("facebook", second.host, second.remote_id)
    # the Page's token outlives the person's
    home.world.advance(MONTHS + 60)
    now = datetime.fromtimestamp(home.world.now(), UTC)
    parcel = make_parcel(account, second.credential, "Hello from the club", now=now)
    handles = await home.adapter.prepare(parcel, Checkpoints(), home.outgoing)
    receipt = await home.adapter.publish(parcel, handles, OneSend(home.outgoing))
    assert receipt.remote_id.startswith(club.account_id)
    assert (await home.adapter.check(account, second.credential, home.outgoing)).remote_id == club.account_id
    assert await home.adapter.remove(account, second.credential, receipt.remote_id, home.outgoing)
    with_token = [line for line in home.world.requests if "authorization" in line["headers"]]
    assert all("appsecret_proof" in line["query"] for line in with_token if line["operation"] != "exchange_token")
    logged = repr(list(home.world.requests))
    assert not any(one in logged for one in (APP_SECRET, sent.query["code"], second.credential["accessToken"]))


async def test_a_page_where_no_posts_may_be_made_is_not_offered(home: Home) -> None:
    home.add_page("reader", "ANALYZE", "MODERATE")
    home.add_page("writer", "CREATE_CONTENT")
    assert await home.found() == ["@alice", "@writer"]


async def test_a_page_that_was_not_ticked_is_not_offered(home: Home) -> None:
    club = home.add_page("club", "CREATE_CONTENT")
    assert await home.found([club.account_id]) == ["@club"]
    with pytest.raises(Disconnected, match="no Page on which"):
        await home.found([])


async def test_pages_on_the_second_page_of_the_list_are_offered(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging_in, "AT_ONCE", 2)
    names = [f"page{number}" for number in range(4)]
    for name in names:
        home.add_page(name, "CREATE_CONTENT")
    assert await home.found() == ["@alice", *(f"@{name}" for name in names)]
    assert home.operations().count("list_accounts") == 3


async def test_more_pages_than_one_answer_holds(home: Home) -> None:
    """As above with the number that is really asked for at once."""
    for number in range(logging_in.AT_ONCE + 1):
        home.add_page(f"page{number}", "CREATE_CONTENT")
    found = await home.found()
    assert len(set(found)) == logging_in.AT_ONCE + 2
    assert home.operations().count("list_accounts") == 2


async def test_pages_of_businesses_are_offered_if_they_are_asked_for(home: Home) -> None:
    home.add_page("shop", "CREATE_CONTENT", business="Trade")
    home.add_page("client", "CREATE_CONTENT", business="Trade", owned=False)
    assert await home.found() == ["@alice"]
    assert "list_businesses" not in home.operations()
    assert await home.found(businesses="true") == ["@alice", "@shop", "@client"]


async def test_a_no_comes_back_as_one(home: Home) -> None:
    for ticking in (False, True):
        page = await visit(await home.page())
        if ticking:
            page = await page.press(("person", home.alice.account_id))
        with pytest.raises(Disconnected, match="The user denied your request"):
            await home.exchange((await page.press(("refused", "1"))).sent.query)
    assert home.operations() == []


async def test_a_code_is_good_once_for_an_hour_and_where_it_was_sent(home: Home) -> None:
    returned = (await home.come_back()).query
    with pytest.raises(Disconnected, match="redirect_uri is identical"):
        await home.exchange(returned, f"{BACK}/")
    assert len(await home.exchange(returned)) == 1
    with pytest.raises(Disconnected, match="has been used"):
        await home.exchange(returned)
    late = (await home.come_back()).query
    home.world.advance(3_600)
    with pytest.raises(Disconnected, match="expired"):
        await home.exchange(late)


async def test_a_wrong_secret_of_the_app_is_named(home: Home) -> None:
    returned = (await home.come_back()).query
    wrong = Facebook(home.adapter.host_of({}), app_id=FACEBOOK_APP_ID, app_secret="wrong-secret")
    with pytest.raises(Disconnected, match=r"client secret.*app secret") as raised:
        await wrong.exchange(returned, {}, BACK, home.outgoing)
    assert "wrong-secret" not in raised.value.message


async def test_an_address_that_was_not_registered_is_not_asked_for(home: Home) -> None:
    asked = await home.adapter.authorize({}, "https://elsewhere.example/cb", "s", None, home.outgoing)
    page = await visit(asked.url)
    assert (page.status, "URL blocked" in page.text) == (400, True)


async def test_a_page_that_was_let_go_says_so_and_comes_back(home: Home) -> None:
    (connected,) = await home.exchange((await home.come_back()).query)
    account = make_account("facebook", connected.host, connected.remote_id)
    home.world.revoke(home.alice)
    with pytest.raises(Disconnected) as raised:
        await home.adapter.check(account, connected.credential, home.outgoing)
    assert raised.value.health == "revoked"
    home.world.renew(home.alice)
    (again,) = await home.exchange((await home.come_back()).query)
    assert again.remote_id == connected.remote_id
    assert (await home.adapter.check(account, again.credential, home.outgoing)).remote_id == again.remote_id


async def test_a_proof_made_with_another_apps_secret_would_be_refused(home: Home) -> None:
    """Why only tokens of our own app are sent with one."""
    (connected,) = await home.exchange((await home.come_back()).query)
    account = make_account("facebook", connected.host, connected.remote_id)
    other = Facebook(connected.host, app_id=FACEBOOK_APP_ID, app_secret="another")
    with pytest.raises(Rejected, match="appsecret_proof"):
        await other.check(account, connected.credential, home.outgoing)
    in_hand = {"accessToken": connected.credential["accessToken"]}
    assert (await other.check(account, in_hand, home.outgoing)).remote_id == connected.remote_id


async def test_a_list_that_fails_leaves_the_code_used_and_says_so(home: Home) -> None:
    home.world.faults.add("facebook", "refuse", "list_accounts", status=500)
    returned = (await home.come_back()).query
    with pytest.raises(Unavailable):
        await home.exchange(returned)
    with pytest.raises(Disconnected, match="has been used"):
        await home.exchange(returned)
    assert await home.found() == ["@alice"]


async def test_the_headers_of_an_answer_tell_what_is_left(home: Home) -> None:
    (connected,) = await home.exchange((await home.come_back()).query)
    headers = {"Authorization": f"Bearer {connected.credential['accessToken']}"}
    answer = await home.outgoing.send(Request("GET", f"{connected.host}/v25.0/me", headers))
    told = home.adapter.read_allowances(answer, datetime.now(UTC))
    assert [(one.name, one.left, one.limit, one.of_app) for one in told] == [("calls", 100, 100, False)]
