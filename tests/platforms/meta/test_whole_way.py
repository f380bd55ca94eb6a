"""Threads and Instagram from the login page to the last post of the day, over HTTP, against the simulated platforms."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from hayon.domain.model import Account
from hayon.errors import Disconnected, NotYet, RateLimited, Unconfirmed
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Credential
from hayon.platforms.instagram import Instagram
from hayon.platforms.threads import Threads
from hayon.sandbox.app import running
from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.instagram.limits import InstagramLimits
from hayon.sandbox.meta.renewing import APP_SECRET, INSTAGRAM_APP_ID, THREADS_APP_ID
from hayon.sandbox.meta.threads.limits import ThreadsLimits
from hayon.sandbox.world import World
from tests.platforms.meta.scripted import JPEG, image
from tests.platforms.parcels import Checkpoints, OneSend, make_account, make_parcel
from tests.sandbox.graph import hosting
from tests.sandbox.visiting import Sent, let_in, visit

BACK = "http://127.0.0.1:9/api/accounts/x/callback"
DAY = 86_400


@dataclass
class Home:
    """One simulated platform with @alice, and its adapter."""

    world: World
    face: Any
    outgoing: Outgoing

    @property
    def platform(self) -> str:
        return str(self.face.platform)

    async def page(self) -> str:
        """Where alice is sent."""
        return str((await self.face.authorize({}, BACK, "st&te", None, self.outgoing)).url)

    async def come_back(self) -> Sent:
        """Alice lets us in."""
        return await let_in(await self.page(), self.world.get_account(self.platform, "alice").account_id)

    async def exchange(self, returned: dict[str, str], back: str = BACK) -> Connected:
        (connected,) = await self.face.exchange(returned, {}, back, self.outgoing)
        return connected

    async def connected(self) -> tuple[Account, Credential]:
        """Alice's account and its credential."""
        one = await self.exchange((await self.come_back()).query)
        account = make_account(self.platform, one.host, one.remote_id, handle=one.handle, facts=one.facts)
        return account, one.credential

    async def publish(self, account: Account, credential: Credential, text: str, url: str) -> Any:
        """A post with a picture, from its containers to the call that publishes."""
        pictures = [replace(image(), content=JPEG, url=url)]
        parcel, saved = make_parcel(account, credential, text, pictures=pictures), Checkpoints()
        for _ in range(20):
            parcel = replace(parcel, now=datetime.fromtimestamp(self.world.now(), UTC), checkpoint=saved.last)
            try:
                handles = await self.face.prepare(parcel, saved, self.outgoing)
            except NotYet as wait:
                self.world.advance(wait.wait_seconds)
                continue
            return await self.face.publish(parcel, handles, OneSend(self.outgoing))
        raise AssertionError("never ready")


@pytest_asyncio.fixture(params=["threads", "instagram"])
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    limits = Limits.named("real").having(ThreadsLimits(posts_per_day=2)).having(InstagramLimits(publishes_per_day=2))
    world = World(limits)
    async with running(world) as url:
        outgoing = Outgoing(identity="Hayon tests", trusted_origins=[url], timeout_seconds=10)
        kind, app_id = {"threads": (Threads, THREADS_APP_ID), "instagram": (Instagram, INSTAGRAM_APP_ID)}[request.param]
        world.add_account(request.param, "alice", "Alice")
        face = kind(f"{url}/{request.param}", app_id=app_id, app_secret=APP_SECRET)
        yield Home(world, face, outgoing)
        await outgoing.aclose()
    world.close()


def operations(home: Home) -> list[str]:
    """Every call that was made, in order."""
    return [line["operation"] for line in home.world.requests]


async def test_the_whole_way(home: Home) -> None:
    sent = await home.come_back()
    assert (sent.back, sent.query["state"]) == (BACK, "st&te")
    connected = await home.exchange({**sent.query, "code": sent.query["code"] + "#_"})
    alice = home.world.get_account(home.platform, "alice")
    assert (connected.remote_id, connected.handle, connected.display_name) == (alice.account_id, "@alice", "Alice")
    assert connected.host == home.face.host_of({})
    lasts = datetime.fromisoformat(connected.credential["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=59, hours=23) < lasts <= timedelta(days=60)
    assert operations(home)[:3] == ["exchange_code", "access_token", "me"]
    account = make_account(home.platform, connected.host, connected.remote_id)
    again = await home.face.check(account, connected.credential, home.outgoing)
    assert again.remote_id == alice.account_id
    # nothing of what was secret stands in the log of requests
    logged = repr(list(home.world.requests))
    assert not any(one in logged for one in (APP_SECRET, sent.query["code"], connected.credential["accessToken"]))


async def test_a_no_comes_back_as_one(home: Home) -> None:
    page = await visit(await home.page())
    sent = (await page.press(("refused", "1"))).sent
    with pytest.raises(Disconnected, match="The user denied your request"):
        await home.exchange(sent.query)
    assert operations(home) == []


async def test_an_address_that_was_not_registered_is_not_asked_for(home: Home) -> None:
    url = (await home.face.authorize({}, "https://elsewhere.example/cb", "s", None, home.outgoing)).url
    page = await visit(url)
    assert (page.status, "URL blocked" in page.text) == (400, True)


async def test_a_code_is_good_once_for_an_hour_and_where_it_was_sent(home: Home) -> None:
    returned = (await home.come_back()).query
    with pytest.raises(Disconnected, match="redirect_uri is identical"):
        await home.exchange(returned, f"{BACK}/")
    assert (await home.exchange(returned)).handle == "@alice"
    with pytest.raises(Disconnected, match="has been used"):
        await home.exchange(returned)
    late = (await home.come_back()).query
    home.world.advance(3_600)
    with pytest.raises(Disconnected, match="expired"):
        await home.exchange(late)


async def test_a_wrong_secret_of_the_app_is_named(home: Home) -> None:
    returned = (await home.come_back()).query
    address = home.face.address
    app_id = home.face.app.id
    wrong = type(home.face)(address, app_id=app_id, app_secret="wrong-secret")
    with pytest.raises(Disconnected, match=r"client secret.*app secret") as raised:
        await wrong.exchange(returned, {}, BACK, home.outgoing)
    assert "wrong-secret" not in raised.value.message


async def test_it_is_renewed_when_it_says_so_and_not_a_second_before(home: Home) -> None:
    account, credential = await home.connected()
    at = home.face.renew_at(credential)
    now = datetime.fromtimestamp(home.world.now(), UTC)
    assert timedelta(days=19) < at - now < timedelta(days=21)
    # a day after it came it may be renewed, which is told by the platform
    home.world.advance(DAY - 60)
    kept = await home.face.refresh(account, credential, home.outgoing)
    assert kept["accessToken"] == credential["accessToken"]
    home.world.advance(120)
    fresh = await home.face.refresh(account, credential, home.outgoing)
    assert fresh["accessToken"] != credential["accessToken"]
    assert home.face.renew_at(fresh) > datetime.now(UTC) + timedelta(days=19)


async def test_a_token_that_ran_out_asks_to_be_reconnected(home: Home) -> None:
    account, credential = await home.connected()
    home.world.advance(60 * DAY)
    for ask in (home.face.refresh, home.face.allowances, home.face.check):
        with pytest.raises(Disconnected) as raised:
            await ask(account, credential, home.outgoing)
        assert raised.value.health == "expired"
    again, credential = await home.connected()
    assert again.remote_id == account.remote_id
    home.world.revoke(home.world.get_account(home.platform, "alice"))
    with pytest.raises(Disconnected) as raised:
        await home.face.check(account, credential, home.outgoing)
    assert raised.value.health == "revoked"


async def test_the_quota_counts_down_and_comes_back(home: Home) -> None:
    account, credential = await home.connected()

    async def left() -> list[tuple[str, int, int | None, int | None]]:
        told = await home.face.allowances(account, credential, home.outgoing)
        return [(one.name, one.left, one.limit, one.seconds) for one in told]

    async with hosting() as host:
        picture = host.put("/a.jpg", JPEG)
        assert await left() == [("posts", 2, 2, DAY)]
        for number in range(2):
            receipt = await home.publish(account, credential, f"Post {number}", picture)
            assert receipt.remote_id
            assert await left() == [("posts", 1 - number, 2, DAY)]
        # Instagram has a code for it that proves that nothing went live; of Threads none is known
        refusal = {"instagram": RateLimited, "threads": Unconfirmed}[home.platform]
        with pytest.raises(refusal):
            await home.publish(account, credential, "One too many", picture)
        assert home.world.copies(home.platform) == {"Post 0": 1, "Post 1": 1}
        home.world.advance(DAY)
        assert await left() == [("posts", 2, 2, DAY)]
        assert (await home.publish(account, credential, "The next day", picture)).remote_id


async def test_the_headers_of_an_answer_tell_what_is_left(home: Home) -> None:
    account, credential = await home.connected()
    request = home.face.graph(account, credential).get("me", fields="id")
    answer = await home.outgoing.send(request)
    told = home.face.read_allowances(answer, datetime.now(UTC))
    assert [(one.name, one.left, one.of_app) for one in told] == [("calls", 100, False)]
    # after too many calls there is nothing left, and a time to come back where the platform tells one
    home.world.faults.add(home.platform, "rate_limit", "me", seconds=600)
    answer = await home.outgoing.send(request)
    (own,) = home.face.read_allowances(answer, now := datetime.now(UTC))
    told_until = {"instagram": now + timedelta(minutes=10), "threads": None}[home.platform]
    assert (own.left, own.resets_at) == (0, told_until)


async def test_the_login_page_is_on_the_platforms_own_host(home: Home) -> None:
    url = await home.page()
    assert url.startswith(f"{home.face.host_of({})}/oauth/authorize?")
    assert urlsplit(url).fragment == ""
