"""What the gate and the pages do for any platform, shown with one that is made up here."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from tests.sandbox.conftest import Http

from hayon.sandbox.app import running
from hayon.sandbox.cards import Card, Picture, Segment
from hayon.sandbox.gate import Answer, Call, Endpoint, Gate
from hayon.sandbox.ground import Ground
from hayon.sandbox.mastodon.site import MastodonSite
from hayon.sandbox.mastodon.wire import InstanceManners
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


class FormManners(InstanceManners):
    """The credential is a field of the form."""

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        token = parse_qs(body.decode()).get("access_token", [""])[0]
        return next((one for one in world.accounts.values() if token and one.secret == token), None)


async def say(call: Call) -> Answer:
    """Say who is calling, and on which platform."""
    return Answer({"who": call.account.handle if call.account else None, "platform": call.platform})


class MadeUp(MastodonSite):
    """One call, and a feed of what a test puts into `shown`."""

    def __init__(self) -> None:
        self.shown: dict[str, Card] = {}

    def routes(self, world: Ground) -> list[BaseRoute]:
        door = Gate(world, FormManners()).door(Endpoint("createStatus", say, body_bytes=200))
        return [Route("/mastodon/say", door, methods=["POST"])]

    def find_card(self, world: Ground, key: str) -> Card | None:
        return self.shown.get(key)


@pytest.fixture
def site() -> MadeUp:
    """The platform."""
    return MadeUp()


@pytest_asyncio.fixture(loop_scope="module")
async def said(site: MadeUp) -> AsyncIterator[tuple[World, Http]]:
    """A world of this platform alone, with alice and bob."""
    world = World("none", sites=[site])
    for handle in ("alice", "bob"):
        world.add_account("mastodon", handle)
    connector = aiohttp.TCPConnector(force_close=True)
    async with running(world) as url, aiohttp.ClientSession(connector=connector) as session:
        yield world, Http(session, url)
    world.close()


async def test_an_account_named_in_the_body_meets_its_faults_and_is_logged(said: tuple[World, Http]) -> None:
    world, http = said
    world.faults.add("mastodon", "refuse", "createStatus", account="bob", status=503, lasts=True)
    tokens = [world.get_account("mastodon", name).secret for name in ("alice", "bob")]
    replies = [await http("POST", "/mastodon/say", data={"access_token": token}) for token in (*tokens, "")]
    assert [reply.status for reply in replies] == [200, 503, 200]
    assert [replies[0].body, replies[2].body] == [
        {"who": "alice", "platform": "mastodon"},
        {"who": None, "platform": "mastodon"},
    ]
    assert [line["handle"] for line in world.requests] == ["alice", "bob", None]
    assert not any(token in str(list(world.requests)) for token in tokens)


async def test_too_large_a_body_is_refused_unread(said: tuple[World, Http]) -> None:
    world, http = said
    assert (await http("POST", "/mastodon/say", data={"access_token": "x" * 300})).status == 413
    assert world.requests[-1]["handle"] is None


async def test_a_rate_limit_is_the_platforms_own_unless_a_body_or_status_is_given(said: tuple[World, Http]) -> None:
    world, http = said
    world.faults.add("mastodon", "rate_limit", "createStatus", status=400)
    body = {"error": {"code": 32}}
    world.faults.add("mastodon", "rate_limit", "createStatus", body=body, headers={"x-app-usage": "100"})
    first = await http("POST", "/mastodon/say", data={"access_token": "x"})
    second = await http("POST", "/mastodon/say", data={"access_token": "x"})
    assert (first.status, first.error) == (400, "Too many requests")
    assert (second.status, second.body, second.headers["x-app-usage"]) == (429, body, "100")
    assert second.headers["x-ratelimit-remaining"] == "0"


async def test_every_part_of_a_card_is_on_the_page_and_in_order(said: tuple[World, Http], site: MadeUp) -> None:
    world, http = said
    segments = [
        Segment("text", "Plain, "),
        Segment("text", "loud", styles=("bold",)),
        Segment("text", " & "),
        Segment("link", "linked", "https://example.com/?a=1&b=2", ("bold", "italic")),
        Segment("mention", "@bob", styles=("strike",)),
    ]
    card: dict[str, Any] = {
        "form": "reel",
        "replies": "people you follow",
        "warning": "Spiders <8 legs>",
        "tags": ["one", "two words"],
        "pictures": [
            Picture("/media/aa", "First"),
            Picture("/media/bb", "Second", "video"),
            Picture("/media/cc", ""),
            Picture(None, "Fourth"),
            Picture("/media/ee", "Fifth", "video"),
        ],
    }
    author = world.get_account("mastodon", "alice")
    site.shown["1"] = Card(Platform.MASTODON, author, "/mastodon/@alice/1", "1", world.now(), segments, **card)
    world.feed.append((Platform.MASTODON, "1"))
    page = (await http("GET", "/")).body
    parts = [
        '<span class="form">Reel</span>',
        "<summary><span>Spiders &lt;8 legs&gt;</span></summary>",
        (
            'Plain, <span class="text bold">loud</span> &amp; '
            '<a class="link bold italic" href="https://example.com/?a=1&amp;b=2" rel="nofollow noopener noreferrer">linked</a>'
            '<span class="mention strike">@bob</span></div>'
        ),
        '<img src="/media/aa" alt="First"',
        '<video src="/media/bb" controls',
        "<b>Alt</b> Second",
        '<img src="/media/cc" alt=""',
        "No alt text",
        "The file is gone",
        '<video src="/media/ee" controls',
        "<b>Alt</b> Fifth",
        '<span class="tag">#two words</span>',
        "<span>Replies: people you follow</span>",
    ]
    places = [page.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
