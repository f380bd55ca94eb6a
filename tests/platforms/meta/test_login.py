"""The login of Threads and Instagram by script: where people are sent, what comes back, and what is made of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from hayon.errors import Disconnected, Invalid, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.platforms.contract import Connected
from hayon.platforms.instagram import Instagram
from hayon.platforms.meta.reading import moment_of
from hayon.platforms.threads import Threads
from tests.platforms.meta.scripted import ADDRESS, TOKEN, USER, Peer, Scripted, answered, refused
from tests.platforms.parcels import NOW, make_account

APP = {"app_id": "4711", "app_secret": "s3cret-of-the-app"}
Face = Threads | Instagram
THREADS, INSTAGRAM = Threads(ADDRESS, **APP), Instagram(ADDRESS, **APP)
BOTH = pytest.mark.parametrize("face", [THREADS, INSTAGRAM], ids=["threads", "instagram"])
BACK = "https://hayon.example/api/accounts/x/callback"
CODE, LONG, ME, DEBUG = "POST /oauth/access_token", "GET /access_token", "GET /me", "GET /debug_token"
GRANT = {"threads": "th_exchange_token", "instagram": "ig_exchange_token"}
SHORT = answered({"access_token": "SHORT1", "user_id": 17841400000000001})
DAY = timedelta(days=1)


def peer_of(face: Face, **answers: Scripted) -> Peer:
    return Peer(
        face,
        answers={
            CODE: answers.get("code", SHORT),
            LONG: answers.get("long", answered({"access_token": TOKEN, "token_type": "bearer", "expires_in": 5183944})),
            ME: answers.get("me", answered({"id": USER, "user_id": USER, "username": "alice"})),
            DEBUG: answers.get("debug", refused(2)),
        },
    )


async def exchange(face: Face, returned: dict[str, str] | None = None, **answers: Scripted) -> tuple[Connected, Peer]:
    peer = peer_of(face, **answers)
    (connected,) = await face.exchange(returned or {"code": "C1#_", "state": "s"}, {}, BACK, peer.outgoing)
    return connected, peer


async def page_of(face: Face, given: dict[str, Any] | None = None) -> tuple[str, dict[str, str]]:
    peer = Peer(face)
    asked = await face.authorize(given or {}, BACK, "st&te", None, peer.outgoing)
    assert (asked.kept, asked.registered, peer.asked) == ({}, None, [])
    parts = urlsplit(asked.url)
    query = parse_qsl(parts.query, strict_parsing=True)
    assert len(query) == len(dict(query))
    return asked.url.partition("?")[0], dict(query)


async def test_people_are_sent_to_the_platforms_own_page_for_as_little_as_is_used() -> None:
    page, query = await page_of(Threads(**APP))
    assert page == "https://threads.net/oauth/authorize"
    assert query == {
        "client_id": "4711", "redirect_uri": BACK, "response_type": "code", "state": "st&te",
        "scope": "threads_basic,threads_content_publish,threads_delete",
    }  # fmt: skip
    page, query = await page_of(Instagram(**APP))
    assert page == "https://www.instagram.com/oauth/authorize"
    assert query["scope"] == "instagram_business_basic,instagram_business_content_publish"


@BOTH
async def test_where_another_address_is_set_the_page_is_there_too(face: Face) -> None:
    assert (await page_of(face))[0] == f"{ADDRESS}/oauth/authorize"
    assert face.host_of({}) == ADDRESS


@pytest.mark.parametrize(
    ("face", "host"),
    [(Threads(**APP), "https://graph.threads.net"), (Instagram(**APP), "https://api.instagram.com")],
    ids=["threads", "instagram"],
)
async def test_live_codes_go_where_they_are_taken(face: Face, host: str) -> None:
    peer = peer_of(face)
    with pytest.raises(Unreachable):
        await face.exchange({"code": "C1"}, {}, BACK, peer.outgoing)
    assert [one.url for one in peer.asked] == [f"{host}/oauth/access_token"]


@BOTH
async def test_a_code_becomes_an_account_with_a_token_of_sixty_days(face: Face) -> None:
    before = datetime.now(UTC)
    connected, peer = await exchange(face)
    assert (connected.remote_id, connected.handle, connected.host) == (USER, "@alice", ADDRESS)
    assert connected.credential["accessToken"] == TOKEN
    expires_at = moment_of(connected.credential["expiresAt"])
    assert expires_at is not None
    assert timedelta(0) <= expires_at - before - timedelta(seconds=5183944) < timedelta(minutes=1)
    assert peer.calls[:3] == [CODE, LONG, ME]
    code, long, me = peer.asked[:3]
    assert code.form == {
        "client_id": "4711", "client_secret": APP["app_secret"], "grant_type": "authorization_code",
        "redirect_uri": BACK, "code": "C1",
    }  # fmt: skip
    assert long.query == {
        "grant_type": GRANT[face.platform], "client_secret": APP["app_secret"], "access_token": "SHORT1",
    }  # fmt: skip
    assert me.headers["Authorization"] == f"Bearer {TOKEN}"
    shown = "".join(map(repr, peer.asked)) + repr(face.app)
    assert not any(secret in shown for secret in (APP["app_secret"], "C1", "SHORT1", TOKEN))


async def test_threads_own_word_on_the_tokens_life_counts() -> None:
    about = {"data": {"expires_at": 1800000000, "issued_at": 1794816000, "scopes": list(THREADS.scopes)}}
    connected, _ = await exchange(THREADS, debug=answered(about))
    assert connected.credential["expiresAt"] == datetime.fromtimestamp(1800000000, UTC).isoformat()


@pytest.mark.parametrize(
    "granted",
    [
        "instagram_business_basic,instagram_business_content_publish",
        ["instagram_business_content_publish", "instagram_business_basic"],
        None,
    ],
)
@pytest.mark.parametrize("wrapped", [True, False])
async def test_instagrams_answer_may_be_flat_or_wrapped(granted: Any, wrapped: bool) -> None:
    told = {"access_token": "SHORT1", "user_id": "1", "permissions": granted}
    connected, _ = await exchange(INSTAGRAM, code=answered({"data": [told]} if wrapped else told))
    assert connected.credential["accessToken"] == TOKEN


@pytest.mark.parametrize("granted", ["instagram_business_basic", ["instagram_business_basic"], []])
async def test_who_did_not_allow_publishing_is_told_so(granted: Any) -> None:
    told = answered({"data": [{"access_token": "SHORT1", "user_id": "1", "permissions": granted}]})
    peer = peer_of(INSTAGRAM, code=told)
    with pytest.raises(Disconnected, match="not allowed to publish"):
        await INSTAGRAM.exchange({"code": "C1"}, {}, BACK, peer.outgoing)
    assert peer.calls == [CODE]


@BOTH
@pytest.mark.parametrize(
    "returned",
    [
        {},
        {"code": ""},
        {"code": "#_"},
        {"error": "access_denied", "error_reason": "user_denied", "error_description": "The user denied your request"},
        {"error_code": "191", "error_message": "The user denied your request"},
    ],
)
async def test_who_comes_back_without_a_code_has_let_nobody_in(face: Face, returned: dict[str, str]) -> None:
    peer = peer_of(face)
    with pytest.raises(Disconnected, match="let nobody in") as raised:
        await face.exchange(returned, {}, BACK, peer.outgoing)
    assert ("The user denied" in raised.value.message) is any("error" in name for name in returned)
    assert peer.asked == []


def token_refusal(words: str, status: int = 400) -> Any:
    return answered({"error_type": "OAuthException", "code": status, "error_message": words}, status)


@BOTH
@pytest.mark.parametrize("step", ["code", "long"])
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (token_refusal("This authorization code has been used"), Disconnected, "has been used"),
        (token_refusal("Error validating client secret.", 401), Disconnected, "app secret"),
        (refused(190, 463, "Session has expired"), Disconnected, "Session has expired"),
        (refused(100, 36008, "redirect_uri is not identical"), Disconnected, "redirect address"),
        (refused(4, None, "Limit reached"), RateLimited, "takes no more"),
        (refused(2, None, "Try later", status=500), Unavailable, "Try later"),
        (answered("<html>Not found", 404), Unavailable, "HTTP 404"),
        (answered({"token_type": "bearer"}), Unavailable, "holds none"),
        (answered({"access_token": "two words"}), Unavailable, "holds none"),
        (Unconfirmed("cut"), Unavailable, "no answer"),
        (Unreachable("away", host="x"), Unreachable, "away"),
    ],
)
async def test_what_is_not_taken_is_said_so(
    face: Face, step: str, answer: Scripted, error: type[PlatformError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        await exchange(face, **{step: answer})
    assert type(raised.value) is error
    assert not any(secret in str(raised.value) for secret in (APP["app_secret"], "C1", "SHORT1"))


@BOTH
@pytest.mark.parametrize(("step", "secret"), [("code", "C1"), ("code", APP["app_secret"]), ("long", "SHORT1")])
async def test_what_is_secret_is_not_told_though_the_platform_says_it_back(face: Face, step: str, secret: str) -> None:
    with pytest.raises(Disconnected, match="is not right") as raised:
        await exchange(face, **{step: token_refusal(f"The {secret} is not right")})
    assert secret not in raised.value.message


@pytest.mark.parametrize("app", [{}, {"app_id": "4711"}, {"app_secret": "x"}])
@pytest.mark.parametrize("kind", [Threads, Instagram])
async def test_without_an_app_nobody_is_sent_anywhere(app: dict[str, str], kind: type[Face]) -> None:
    face = kind(ADDRESS, **app)
    for asked in (lambda: page_of(face), lambda: _host_of(face)):
        with pytest.raises(Invalid) as raised:
            await asked()
        (problem,) = raised.value.problems
        assert (problem.rule, problem.platform) == ("no_app", face.platform)
        names = [f"HAYON_{face.platform.upper()}_APP_ID", f"docs/connect/{face.platform}.md"]
        assert all(name in problem.message for name in names)


async def _host_of(face: Face) -> str:
    return face.host_of({})


# renewing, giving back


@BOTH
@pytest.mark.parametrize(
    ("age", "lasts"),
    [
        (0 * DAY, 60 * DAY),
        (0 * DAY, DAY),
        (19 * DAY, 41 * DAY),
        (59 * DAY, DAY),
        (61 * DAY, -DAY),
        (0 * DAY, None),
        (30 * DAY, None),
    ],
)
def test_it_is_renewed_at_the_first_moment_that_is_soon_enough(
    face: Face, age: timedelta, lasts: timedelta | None
) -> None:
    credential = {"accessToken": TOKEN, "obtainedAt": (NOW - age).isoformat()}
    if lasts is not None:
        credential["expiresAt"] = (NOW + lasts).isoformat()
    at = face.renew_at(credential)
    assert at is not None
    assert face.expires_soon(credential, at) is True
    assert face.expires_soon(credential, at - timedelta(seconds=1)) is False
    assert at >= NOW - age + DAY
    if lasts is not None and lasts > 41 * DAY:
        assert at == NOW + lasts - timedelta(days=40)


@BOTH
def test_a_token_of_which_nobody_knows_when_it_came_is_renewed_at_once(face: Face) -> None:
    at = face.renew_at({"accessToken": TOKEN})
    assert at is not None
    assert at < NOW
    assert face.expires_soon({"accessToken": TOKEN}, NOW)


@BOTH
async def test_a_token_cannot_be_given_back(face: Face) -> None:
    peer = Peer(face)
    account = make_account(face.platform, ADDRESS, USER)
    assert await face.revoke(account, {"accessToken": TOKEN}, peer.outgoing) is False
    assert peer.asked == []
