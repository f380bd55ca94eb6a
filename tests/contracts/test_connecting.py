"""What whoever connects accounts relies on in every platform adapter: the way in, the way out, and what is left.

Each is driven against its own simulated platform where that says more than a script. What one platform does differently
from the others is tested beside its adapter, in tests/platforms.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hayon.domain.model import Account
from hayon.errors import CredentialExpired, Disconnected, Invalid, PlatformError, Unconfirmed, Unreachable
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Authorization, Connected
from tests.contracts.stage import APPS, PLATFORMS, Stage, adapter_of, staged
from tests.platforms.parcels import make_account
from tests.sandbox.visiting import let_in, visit

NO_WAY = frozenset({"bluesky"})
NO_APP = frozenset({"bluesky", "mastodon"})
"""Those at which the operator has to register nothing."""
NOTHING_GIVEN_BACK = frozenset({"instagram", "facebook", "threads", "tumblr"})
WITH_A_PAGE = tuple(platform for platform in PLATFORMS if platform not in NO_WAY)
STATE = "the state, & more"
SECRETS = tuple(f"S3CRET{number}" + "aB9-_" * 20 for number in range(3))
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "bluesky": {"accessJwt": SECRETS[0], "refreshJwt": SECRETS[1]},
    "threads": {"accessToken": SECRETS[0]},
    "instagram": {"accessToken": SECRETS[0]},
    "facebook": {"accessToken": SECRETS[0]},
    "mastodon": {"accessToken": SECRETS[0], "clientId": "id", "clientSecret": SECRETS[1]},
    "tumblr": {"accessToken": SECRETS[0], "refreshToken": SECRETS[1]},
}


def back_of(platform: str) -> str:
    """Where people come back to."""
    return f"http://127.0.0.1:9/api/accounts/{platform}/callback"


@pytest.fixture(params=WITH_A_PAGE)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Every adapter with a page in turn."""
    async with staged(request.param) as one:
        yield one


async def authorized(stage: Stage, registered: Mapping[str, Any] | None = None) -> Authorization:
    """The way in, for a person of whom nothing but an instance is known."""
    given = {"instanceUrl": f"{stage.url}/mastodon"}
    return await stage.adapter.authorize(given, back_of(stage.platform), STATE, registered, stage.outgoing)


async def exchanged(stage: Stage, way: Authorization, **returned: str) -> list[Connected]:
    """What comes of coming back with these."""
    kept = json.loads(json.dumps(dict(way.kept)))  # it was sealed in between
    return list(await stage.adapter.exchange(returned, kept, back_of(stage.platform), stage.outgoing))


def secrets_of(way: Authorization) -> set[str]:
    """What nobody but us may know of it."""
    known = {secret for _, secret in APPS.values()}
    kept = {**way.kept, **(way.registered or {})}
    return known | {str(kept[name]) for name in ("verifier", "clientSecret", "tokenSecret") if name in kept}


# the way in


async def test_the_page_is_the_platforms_own_and_leads_back_with_the_state(stage: Stage) -> None:
    way = await authorized(stage)
    asked = parse_qs(urlsplit(way.url).query)
    assert way.url.startswith(f"{stage.url}/{stage.platform}/")
    assert (asked["state"], asked["redirect_uri"]) == ([STATE], [back_of(stage.platform)])
    assert asked["response_type"] == ["code"]
    assert [secret for secret in secrets_of(way) if secret in way.url] == []
    assert json.loads(json.dumps(dict(way.kept))) == dict(way.kept)
    assert way.registered is None or json.loads(json.dumps(dict(way.registered))) == dict(way.registered)
    assert (await visit(way.url)).status == 200
    assert stage.adapter.host_of({"instanceUrl": f"{stage.url}/mastodon"}) == stage.connected.host


async def test_who_lets_us_in_is_connected_and_can_be_checked(stage: Stage) -> None:
    way = await authorized(stage)
    sent = await let_in(way.url, stage.profile.account_id)
    assert (sent.back, sent.query["state"]) == (back_of(stage.platform), STATE)
    (connected,) = await exchanged(stage, way, **sent.query)
    known = stage.connected
    assert (connected.remote_id, connected.host, connected.handle) == (known.remote_id, known.host, known.handle)
    assert (connected.display_name, connected.avatar_url) == (known.display_name, known.avatar_url)
    assert str(known.avatar_url).startswith(f"{stage.url}/portraits/")
    credential = json.loads(json.dumps(dict(connected.credential)))
    assert (await stage.adapter.check(stage.account, credential, stage.outgoing)).remote_id == known.remote_id
    renew_at = stage.adapter.renew_at(credential)
    assert renew_at is None or renew_at.utcoffset() is not None
    with pytest.raises(Disconnected):
        await exchanged(stage, way, **sent.query)  # the code is used up


async def test_what_was_let_in_is_given_back_where_there_is_a_way(stage: Stage) -> None:
    way = await authorized(stage)
    (connected,) = await exchanged(stage, way, **(await let_in(way.url, stage.profile.account_id)).query)
    given_back = await stage.adapter.revoke(stage.account, connected.credential, stage.outgoing)
    assert given_back is (stage.platform not in NOTHING_GIVEN_BACK)
    if given_back:
        with pytest.raises((Disconnected, CredentialExpired)):
            await stage.adapter.check(stage.account, connected.credential, stage.outgoing)


@pytest.mark.parametrize(
    "returned",
    [{"error": "access_denied"}, {"error": "<script>", "error_description": "S3CRET"}, {}, {"code": "no code"}],
)
async def test_who_comes_back_with_a_no_or_with_nothing_connects_nothing(
    stage: Stage, returned: dict[str, str]
) -> None:
    way = await authorized(stage)
    with pytest.raises(Disconnected) as raised:
        await exchanged(stage, way, **returned, state=STATE)
    assert raised.value.message.endswith(".")
    assert [one for one in {*secrets_of(way), "<script>"} if one in raised.value.message + raised.value.code] == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_without_an_app_or_a_way_it_is_said_before_anybody_is_asked(platform: str) -> None:
    asked = Odd(Unreachable("nobody is there", host="nowhere"))
    adapter, given = adapter_of(platform, "http://sandbox", apps={}), {"instanceUrl": "http://sandbox"}
    if platform not in NO_APP | NO_WAY:
        expected = "no_app"
    elif platform in NO_WAY:
        expected = "no_way"
    else:
        assert adapter.host_of(given) == "http://sandbox"
        return
    with pytest.raises(Invalid) as raised:
        await adapter.authorize(given, back_of(platform), STATE, None, asked.outgoing)
    with pytest.raises(Invalid) as found:
        adapter.host_of(given)
    assert [one.rule for one in raised.value.problems] == [one.rule for one in found.value.problems] == [expected]
    assert raised.value.problems[0].platform == platform
    if expected == "no_app":
        assert f"HAYON_{platform.upper()}_APP_ID" in str(raised.value)
    assert not asked.requests


async def test_without_a_way_nobody_comes_back() -> None:
    asked = Odd(Unreachable("nobody is there", host="nowhere"))
    for platform in NO_WAY:
        with pytest.raises(Disconnected):
            await adapter_of(platform, "http://sandbox").exchange({"code": "x"}, {}, back_of(platform), asked.outgoing)
    assert not asked.requests


# odd answers


class Odd:
    """A way out behind which everything answers alike."""

    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer
        self.requests: list[Request] = []

    @property
    def outgoing(self) -> Outgoing:
        return cast("Outgoing", self)

    async def send(self, request: Request, **options: Any) -> Answer:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def account_of(platform: str) -> Account:
    """An account of a well-known host."""
    return make_account(platform, "https://host.example", "17")


WORDS = st.sampled_from(
    ["error", "message", "code", "meta", "response", "errors", "user", "data", "config", "posts", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
BODIES = JSON.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=40) | st.just(b"[" * 5000)
ANSWERS = st.builds(
    lambda status, body: Answer(status, {}, body, "https://host.example/x"),
    st.sampled_from([200, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503]), BODIES,
)  # fmt: skip
FAULTS = st.sampled_from([Unconfirmed("cut"), Unreachable("no name", host="host.example")])


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(deadline=None)
@given(answer=ANSWERS | FAULTS)
async def test_giving_back_and_asking_what_is_left_fail_as_platforms_fail(
    platform: str, answer: Answer | Exception
) -> None:
    adapter, odd = adapter_of(platform, "https://host.example"), Odd(answer)
    for asking in (adapter.revoke, adapter.allowances):
        with suppress(PlatformError):
            await asking(account_of(platform), CREDENTIALS[platform], odd.outgoing)


@pytest.mark.parametrize("platform", WITH_A_PAGE)
@settings(deadline=None)
@given(answer=ANSWERS | FAULTS)
async def test_coming_back_to_odd_answers_fails_as_platforms_fail(platform: str, answer: Answer | Exception) -> None:
    adapter, odd = adapter_of(platform, "https://host.example"), Odd(answer)
    kept = {
        "instanceUrl": "https://host.example",
        "clientId": "id",
        "clientSecret": "s",
        "scopes": "read",
        "state": STATE,
    }
    with pytest.raises(PlatformError):
        await adapter.exchange({"code": "x", "state": STATE}, kept, back_of(platform), odd.outgoing)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_no_secret_that_an_answer_repeats_gets_into_a_message(platform: str, status: int) -> None:
    told = f"I was given {' '.join(SECRETS)}"
    bodies: list[Any] = [
        {"error": told, "error_description": told},
        {"error": {"message": told, "code": 190, "type": "OAuthException"}},
        {
            "meta": {"status": status, "msg": told},
            "response": [],
            "errors": [{"title": told, "code": 1, "detail": told}],
        },
        told,
    ]
    kept = {"instanceUrl": "https://host.example", "clientId": "id", "clientSecret": SECRETS[1], "scopes": "read",
            "state": STATE, "verifier": SECRETS[2]}  # fmt: skip
    adapter, returned = adapter_of(platform, "https://host.example"), {"code": SECRETS[0], "state": STATE}
    for body in bodies:
        odd = Odd(Answer(status, {}, json.dumps(body).encode(), "https://host.example/x"))
        with pytest.raises(PlatformError) as raised:
            await adapter.exchange(returned, kept, back_of(platform), odd.outgoing)
        assert "S3CRET" not in raised.value.message + raised.value.code


# what is left

NAMES = (
    "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "x-ratelimit-limit",
    "x-ratelimit-remaining", "x-ratelimit-reset", "date", "retry-after", "x-app-usage", "x-business-use-case-usage",
    *(f"x-ratelimit-per{span}-{part}" for span in ("hour", "day") for part in ("limit", "remaining", "reset")),
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.integers(0, 10**12).map(str),
    st.builds("{};w={}".format, st.integers(-5, 10**10), st.integers(-5, 10**10)),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.sampled_from(
        ["Sun, 22 Nov 2026 06:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "9999-12-31T23:59:59Z", "٣", "1e9"]
    ),
    JSON.map(json.dumps),
    st.builds(
        lambda number: json.dumps({"call_count": number, "17": [{"call_count": number}]}), st.integers() | st.floats()
    ),
)
PATHS = (
    "/xrpc/com.atproto.repo.putRecord",
    "/xrpc/com.atproto.repo.uploadBlob",
    "/api/v1/statuses",
    "/v2/blog/x/posts",
    "",
)
MOMENTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(deadline=None)
@given(
    headers=st.dictionaries(st.sampled_from(NAMES), VALUES), path=st.sampled_from(PATHS), now=MOMENTS,
    status=st.sampled_from([200, 400, 429]),
)  # fmt: skip
def test_no_header_breaks_the_reading_of_what_is_left(
    platform: str, headers: dict[str, str], path: str, now: datetime, status: int
) -> None:
    answer = Answer(status, headers, b"{}", f"https://host.example{path}?x=1")
    for one in adapter_of(platform, "https://host.example").read_allowances(answer, now):
        assert one.name
        assert 0 <= one.left < 2**31
        assert one.limit is None or 0 <= one.limit < 2**31
        assert one.seconds is None or 0 <= one.seconds < 2**31
        assert one.resets_at is None or one.resets_at.utcoffset() is not None


async def test_what_is_left_can_be_asked_and_read(stage: Stage) -> None:
    """The simulated platforms count as the real ones do; what each tells is tested beside its adapter."""
    credential = stage.connected.credential
    told = list(await stage.adapter.allowances(stage.account, credential, stage.outgoing))
    assert {one.name for one in told} >= ({"posts"} if stage.platform in {"threads", "instagram", "tumblr"} else set())
    assert all(0 < one.left == one.limit and not one.of_app for one in told)
