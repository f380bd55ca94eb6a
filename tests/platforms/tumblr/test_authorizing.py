"""The way in through Tumblr's page by both OAuths, what may go wrong on it, how long it lasts, and what is left."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest

from hayon.errors import Disconnected, Invalid, PlatformError, RateLimited, Unavailable, Unreachable
from hayon.outgoing import Answer, Request
from hayon.platforms.contract import Allowance, Authorization
from hayon.platforms.tumblr import LIVE_API, Tumblr
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from tests.contracts.stage import Stage, staged
from tests.platforms.parcels import NOW
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    APP,
    HOST,
    LOST,
    OAUTH1,
    OAUTH2,
    PAGE,
    UUID,
    Fault,
    Server,
    account_of,
    answered,
    refused,
    unreachable,
)
from tests.sandbox.visiting import let_in, visit

BACK = "https://hayon.example/api/accounts/tumblr/callback"
HOME = "http://127.0.0.1:9/api/accounts/tumblr/callback"
TOKEN, REQUEST, ACCESS = "/v2/oauth2/token", "/oauth/request_token", "/oauth/access_token"
USER, LIMITS = "/v2/user/info", "/v2/user/limits"
ALICE = {"name": "alice", "uuid": UUID, "title": "Alice's", "url": "https://alice.tumblr.com/"}
SIDE = {"name": "side-blog", "uuid": "t:side", "title": "Side", "url": "https://side-blog.tumblr.com/"}
PAIR = {"access_token": "fresh", "refresh_token": "next", "expires_in": 2520, "token_type": "bearer", "scope": "write"}
FORM = "oauth_token=request&oauth_token_secret=hidden&oauth_callback_confirmed=true"
KEPT = {"way": "oauth2", "state": "st"}
KEPT1 = {"way": "oauth1", "state": "st", "token": "request", "tokenSecret": "hidden"}
RETURNED1 = {"state": "st", "oauth_token": "request", "oauth_verifier": "verifier"}


def server(*blogs: Mapping[str, Any], **changes: Fault) -> Server:
    """A well-behaved Tumblr where the person has these blogs, but for these answers."""
    names = {"token": TOKEN, "request": REQUEST, "access": ACCESS, "user": USER, "limits": LIMITS}
    shown = blogs or (ALICE,)
    usual: dict[str, Fault] = {
        USER: answered({"user": {"name": "alice", "blogs": list(shown)}}),
        TOKEN: answered(PAIR),
        REQUEST: answered(FORM),
        ACCESS: answered("oauth_token=for+ever&oauth_token_secret=deep"),
        **{f"/v2/blog/{one['name']}/info": answered({"blog": one}) for one in shown},
    }
    return Server(usual | {names[name]: answer for name, answer in changes.items()})


def signed_with(request: Request) -> dict[str, str]:
    """What an OAuth 1.0a header says, but for what is new each time."""
    header = request.headers["Authorization"]
    assert header.startswith("OAuth ")
    pairs = dict(parse_qsl(header.removeprefix("OAuth ").replace(", ", "&").replace('"', "")))
    return {name: held for name, held in pairs.items() if name in {"oauth_callback", "oauth_token", "oauth_verifier"}}


async def exchange(tumblr: Server, kept: Mapping[str, Any] = KEPT, **returned: str) -> list[Any]:
    return list(await ADAPTER.exchange({"state": "st", **returned}, kept, BACK, tumblr.outgoing))


# the page


@pytest.mark.parametrize(
    ("host", "site"), [(HOST, HOST), (LIVE_API, "https://www.tumblr.com"), (f"{HOST}/x/", f"{HOST}/x")]
)
async def test_the_page_of_oauth_2_is_offered(host: str, site: str) -> None:
    tumblr = server()
    way = await Tumblr(host, *APP).authorize({}, BACK, "st", None, tumblr.outgoing)
    page, _, asked = way.url.partition("?")
    assert page == f"{site}/oauth2/authorize"
    assert {name: held[0] for name, held in parse_qs(asked).items()} == {
        "client_id": APP[0], "response_type": "code", "scope": "basic write offline_access", "state": "st",
        "redirect_uri": BACK,
    }  # fmt: skip
    assert (way.kept, way.registered, tumblr.asked) == (KEPT, None, [])
    assert Tumblr(host, *APP).host_of({}) == host.rstrip("/")


async def test_the_page_of_oauth_1_for_a_request_token_with_the_state_in_the_address_to_return_to() -> None:
    tumblr = server()
    way = await ADAPTER.authorize({"way": "oauth1"}, BACK, "st & more", None, tumblr.outgoing)
    assert way.url == f"{HOST}/oauth/authorize?oauth_token=request"
    assert way.kept == {**KEPT1, "state": "st & more"}
    (request,) = tumblr.asked
    assert (request.method, request.url, request.form) == ("POST", f"{HOST}{REQUEST}", None)
    assert signed_with(request) == {"oauth_callback": f"{BACK}?state=st+%26+more"}


@pytest.mark.parametrize("way", ["oauth3", 5, True])
async def test_another_way_is_none(way: Any) -> None:
    tumblr = server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.authorize({"way": way}, BACK, "st", None, tumblr.outgoing)
    assert [(one.field, one.rule) for one in raised.value.problems] == [("way", "bad_way")]
    assert not tumblr.asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered("The request for a token is not valid", 401), Unavailable),
        (answered("oauth_problem", 400), Unavailable),
        (refused(429), RateLimited),
        (PAGE, Unavailable),
        (answered("<html>", 403), Unavailable),
        (answered(""), Unavailable),
        (answered("oauth_token=only"), Unavailable),
        (answered("oauth_token=a%0D%0Ab&oauth_token_secret=c"), Unavailable),
        (answered("&".join(f"a{number}=1" for number in range(99))), Unavailable),
        (LOST, Unavailable),
        (unreachable(), Unreachable),
    ],
)
async def test_a_request_token_may_not_be_given(answer: Fault, error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.authorize({"way": "oauth1"}, BACK, "st", None, server(request=answer).outgoing)
    assert type(raised.value) is error
    wrong_app = isinstance(answer, Answer) and answer.status in {400, 401}
    assert ("HAYON_TUMBLR_APP_ID" in raised.value.message) is wrong_app


# coming back


async def test_a_code_is_exchanged_for_every_blog_of_the_person() -> None:
    tumblr = server(SIDE, ALICE)
    found = await exchange(tumblr, code="c")
    assert [(one.remote_id, one.handle, one.display_name, one.host) for one in found] == [
        ("t:side", "side-blog", "Side", HOST), (UUID, "alice", "Alice's", HOST),
    ]  # fmt: skip
    assert tumblr.asked[0].form == {
        "grant_type": "authorization_code", "code": "c", "redirect_uri": BACK, "client_id": APP[0],
        "client_secret": APP[1],
    }  # fmt: skip
    assert {request.headers.get("Authorization") for request in tumblr.asked[1:]} == {"Bearer fresh"}
    (pair,) = {tuple(sorted(one.credential.items())) for one in found}
    assert dict(pair).keys() == {"accessToken", "refreshToken", "expiresAt"}
    left = datetime.fromisoformat(dict(pair)["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=41) < left <= timedelta(minutes=42)


async def test_a_verifier_is_exchanged_for_tokens_that_are_good_for_every_blog() -> None:
    tumblr = server(ALICE, SIDE)
    found = list(await ADAPTER.exchange(RETURNED1, KEPT1, BACK, tumblr.outgoing))
    assert [one.credential for one in found] == [{"token": "for ever", "tokenSecret": "deep"}] * 2
    assert (tumblr.asked[0].method, tumblr.asked[0].url) == ("POST", f"{HOST}{ACCESS}")
    assert signed_with(tumblr.asked[0]) == {"oauth_token": "request", "oauth_verifier": "verifier"}


async def test_no_more_blogs_are_described_than_anybody_chooses_from() -> None:
    many = [{"name": f"b{number}", "uuid": f"t:{number}"} for number in range(60)]
    found = await exchange(server(*many), code="c")
    assert [one.handle for one in found] == [f"b{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("kept", "returned", "code"),
    [
        (KEPT, {"error": "access_denied"}, "access_denied"),
        (KEPT, {"error": "<b>"}, "refused"),
        (KEPT, {}, "refused"),
        (KEPT, {"code": "c", "state": "another"}, "bad_state"),
        ({"way": "oauth2"}, {"code": "c", "state": ""}, "bad_state"),
        (KEPT1, {}, "access_denied"),
        (KEPT1, {**RETURNED1, "oauth_verifier": ""}, "access_denied"),
        (KEPT1, {**RETURNED1, "oauth_token": "another"}, "bad_state"),
        (KEPT1, {**RETURNED1, "state": "another"}, "bad_state"),
    ],
)
async def test_who_comes_back_without_a_yes_connects_nothing_and_nobody_is_asked(
    kept: dict[str, str], returned: dict[str, str], code: str
) -> None:
    tumblr = server()
    with pytest.raises(Disconnected) as raised:
        await exchange(tumblr, kept, **returned)
    assert (raised.value.code, tumblr.asked) == (code, [])


@pytest.mark.parametrize("kept", [KEPT, KEPT1])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400), Disconnected),
        (refused(401, 1016), Disconnected),
        (answered('{"error": "invalid_grant"}', 400), Disconnected),
        (refused(429), RateLimited),
        (refused(500), Unavailable),
        (answered("<html>", 401), Unavailable),
        (answered("<html>"), Unavailable),
        (PAGE, Unavailable),
        (LOST, Unavailable),
        (unreachable(), Unreachable),
    ],
)
async def test_what_was_brought_back_may_not_be_taken(
    answer: Fault, error: type[PlatformError], kept: dict[str, str]
) -> None:
    with pytest.raises(error) as raised:
        await exchange(server(token=answer, access=answer), kept, **{**RETURNED1, "code": "c"})
    assert type(raised.value) is error
    assert not any(secret in raised.value.message for secret in ("hidden", "verifier", *APP))


async def test_a_token_without_one_that_renews_it_connects_nothing() -> None:
    with pytest.raises(Unavailable):
        await exchange(server(token=answered({"access_token": "only"})), code="c")


async def test_an_app_that_was_unset_meanwhile_is_said() -> None:
    with pytest.raises(Unavailable, match="HAYON_TUMBLR_APP_ID"):
        await Tumblr(HOST).exchange({"code": "c", "state": "st"}, KEPT, BACK, server().outgoing)


# later


@pytest.mark.parametrize(
    ("credential", "at"),
    [
        (OAUTH2, NOW + timedelta(days=21, minutes=40)),
        ({**OAUTH2, "expiresAt": "soon"}, datetime.fromtimestamp(0, UTC)),
        ({"accessToken": "a", "refreshToken": "r"}, datetime.fromtimestamp(0, UTC)),
        (OAUTH1, None),
    ],
)
def test_when_a_credential_is_renewed_that_nobody_uses(credential: dict[str, Any], at: datetime | None) -> None:
    assert ADAPTER.renew_at(credential) == at


async def test_nothing_is_given_back_for_nobody_takes_it() -> None:
    for credential in (OAUTH1, OAUTH2):
        tumblr = server()
        assert await ADAPTER.revoke(account_of(), credential, tumblr.outgoing) is False
        assert not tumblr.asked


# what is left


def headed(**changes: str) -> Answer:
    usual = {"perhour-limit": "1000", "perhour-remaining": "998", "perhour-reset": "600", "perday-limit": "5000",
             "perday-remaining": "0", "perday-reset": "80000"}  # fmt: skip
    shown = {name.replace("_", "-"): value for name, value in changes.items()}
    return Answer(200, {f"x-ratelimit-{name}": value for name, value in (usual | shown).items()}, b"{}", HOST)


def test_the_headers_tell_of_the_app_of_all_accounts() -> None:
    hour = Allowance("calls in an hour", 998, 1000, 3600, NOW + timedelta(seconds=600), of_app=True)
    day = Allowance("calls in a day", 0, 5000, 86400, NOW + timedelta(seconds=80_000), of_app=True)
    assert list(ADAPTER.read_allowances(headed(), NOW)) == [hour, day]
    assert list(ADAPTER.read_allowances(headed(perday_reset=""), NOW)) == [hour]
    assert list(ADAPTER.read_allowances(headed(perhour_limit="-1"), NOW)) == [day]
    late = next(iter(ADAPTER.read_allowances(headed(perhour_reset="999999"), NOW)))
    assert late.resets_at == NOW + timedelta(hours=1)  # no window ends later than it is long


async def test_what_a_person_may_do_in_a_day_is_asked() -> None:
    reset_at = int((datetime.now(UTC) + timedelta(hours=5)).timestamp())
    told = {
        "posts": {"description": "x", "limit": 250, "remaining": 12, "reset_at": reset_at},
        "images": {"limit": 250, "remaining": 10**12, "reset_at": "soon"},
        "videos": {"limit": 20, "remaining": -1, "reset_at": reset_at},
        "video_seconds": 5,
    }
    tumblr = server(limits=answered({"user": told}))
    posts, pictures = await ADAPTER.allowances(account_of(), OAUTH2, tumblr.outgoing)
    assert posts == Allowance("posts", 12, 250, 86_400, datetime.fromtimestamp(reset_at, UTC))
    assert (pictures.name, pictures.left, pictures.limit) == ("pictures", 2**31 - 1, 250)
    assert pictures.resets_at is not None
    assert timedelta(hours=23) < pictures.resets_at - datetime.now(UTC) <= timedelta(hours=24)
    assert tumblr.paths == [LIMITS]
    for nothing in ({"user": []}, {}):
        assert await ADAPTER.allowances(account_of(), OAUTH2, server(limits=answered(nothing)).outgoing) == ()


# against the simulated Tumblr


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged("tumblr") as one:
        yield one


async def entered(stage: Stage, **given: str) -> tuple[Authorization, dict[str, str]]:
    """Somebody lets us in; what proves it is in their hands."""
    way = await stage.adapter.authorize(given, HOME, "st", None, stage.outgoing)
    return way, (await let_in(way.url, stage.profile.account_id)).query


@pytest.mark.parametrize("way", ["oauth1", "oauth2"])
async def test_who_was_let_in_by_either_way_publishes(stage: Stage, way: str) -> None:
    authorization, returned = await entered(stage, way=way)
    (connected,) = await stage.adapter.exchange(returned, authorization.kept, HOME, stage.outgoing)
    assert (connected.remote_id, connected.handle) == (stage.profile.account_id, "alice")
    stage.connected = connected
    parcel = stage.parcel(f"by {way}", pictures=1)
    await stage.publish(parcel, await stage.prepare(parcel))
    assert stage.posts() == {f"by {way}": 1}
    with pytest.raises(Disconnected):
        await stage.adapter.exchange(returned, authorization.kept, HOME, stage.outgoing)


async def test_a_pair_that_rests_for_three_weeks_at_a_time_lasts_for_a_year(stage: Stage) -> None:
    way, returned = await entered(stage)
    (connected,) = await stage.adapter.exchange(returned, way.kept, HOME, stage.outgoing)
    credential, began = connected.credential, datetime.now(UTC)
    renew_at = stage.adapter.renew_at(credential)
    assert renew_at is not None
    assert timedelta(days=20) < renew_at - began < timedelta(days=22)
    for _ in range(365 // 21):
        stage.world.advance((renew_at - began).total_seconds())
        credential = await stage.adapter.refresh(stage.account, credential, stage.outgoing)
    await stage.adapter.check(stage.account, credential, stage.outgoing)
    stage.world.advance(timedelta(days=42, seconds=1).total_seconds())
    with pytest.raises(Disconnected) as raised:
        await stage.adapter.refresh(stage.account, credential, stage.outgoing)
    assert raised.value.health == "expired"


@pytest.mark.parametrize("way", ["oauth1", "oauth2"])
async def test_who_says_no_comes_back_with_it(stage: Stage, way: str) -> None:
    authorization = await stage.adapter.authorize({"way": way}, HOME, "st", None, stage.outgoing)
    sent = (await (await visit(authorization.url)).press(("refused", "1"))).sent
    with pytest.raises(Disconnected) as raised:
        await stage.adapter.exchange(sent.query, authorization.kept, HOME, stage.outgoing)
    assert raised.value.code == "access_denied"


async def test_an_address_to_return_to_that_is_not_registered_leads_nobody_anywhere(stage: Stage) -> None:
    with pytest.raises(Unavailable, match="addresses registered"):
        await stage.adapter.authorize({"way": "oauth1"}, BACK, "st", None, stage.outgoing)
    way = await stage.adapter.authorize({}, BACK, "st", None, stage.outgoing)
    assert (await visit(way.url)).status == 400
    stage.world.tell("tumblr", "redirect", uri=BACK)
    assert (await visit(way.url)).status == 200
    await stage.adapter.authorize({"way": "oauth1"}, BACK, "st", None, stage.outgoing)


async def test_a_secret_that_is_not_the_apps_opens_nothing(stage: Stage) -> None:
    wrong = Tumblr(f"{stage.url}/tumblr", CONSUMER_KEY, f"{CONSUMER_SECRET}x")
    with pytest.raises(Unavailable, match="HAYON_TUMBLR_APP_SECRET"):
        await wrong.authorize({"way": "oauth1"}, HOME, "st", None, stage.outgoing)
    way, returned = await entered(stage)
    with pytest.raises(Disconnected, match="HAYON_TUMBLR_APP_SECRET"):
        await wrong.exchange(returned, way.kept, HOME, stage.outgoing)


async def test_each_answer_of_the_simulated_tumblr_tells_what_the_app_may_still_ask(stage: Stage) -> None:
    answer = await stage.outgoing.send(
        Request("GET", f"{stage.url}/tumblr/v2/blog/alice/info", query={"api_key": CONSUMER_KEY})
    )
    hour, day = stage.adapter.read_allowances(answer, stage.now())
    assert (hour.limit, hour.seconds, day.limit, day.seconds) == (1000, 3600, 5000, 86400)
    assert (hour.left, day.left, hour.of_app) == (answer_left(answer, "hour"), answer_left(answer, "day"), True)
    assert 900 < hour.left < 1000


def answer_left(answer: Answer, span: str) -> int:
    return int(answer.headers[f"x-ratelimit-per{span}-remaining"])
