"""Connecting a blog: fields, whose token it is, which blog is meant, renewals, and what may go wrong."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.errors import (
    Disconnected,
    Invalid,
    PlatformError,
    RateLimited,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.outgoing import Answer
from hayon.platforms.contract import Connected, Platform
from hayon.platforms.tumblr import LIVE_API, Tumblr
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

ALICE = {"name": "alice", "uuid": UUID, "title": "Alice's", "url": "https://blog.alice.example/", "primary": True}
SIDE = {"name": "side-blog", "uuid": "t:side", "title": "", "url": "https://side-blog.tumblr.com/"}
GIVEN = {"blog": "alice", **OAUTH1}
GIVEN2 = {"blog": "alice", "accessToken": "access", "refreshToken": "renewing"}
USER, ABOUT, RENEW = "/v2/user/info", "/v2/blog/alice/info", "/v2/oauth2/token"
PAIR = {"access_token": "fresh", "refresh_token": "next", "expires_in": 2520, "token_type": "bearer", "scope": "write"}


def user(*blogs: Mapping[str, Any]) -> Answer:
    return answered({"user": {"name": "alice", "blogs": list(blogs)}})


def server(*blogs: Mapping[str, Any], **changes: Any) -> Server:
    """A well-behaved Tumblr where the person has these blogs, but for these answers."""
    avatars = [
        {"width": 512, "height": 512, "url": "https://64.media.tumblr.com/a.pnj"},
        {"url": "https://small.example"},
    ]
    about = {"name": "alice", "uuid": UUID, "title": "Alice's own", "avatar": avatars}
    usual: dict[str, Fault] = {
        USER: user(*(blogs or (ALICE, SIDE))),
        ABOUT: answered({"blog": about}),
        f"/v2/blog/{UUID}/info": answered({"blog": about}),
        "/v2/blog/side-blog/info": answered({"blog": SIDE}),
    }
    return Server(usual | changes)


def test_it_is_a_platform() -> None:
    adapter: Platform = Tumblr()
    assert (adapter.platform, adapter.fetches_media, adapter.settles_within) == ("tumblr", False, timedelta(minutes=3))
    assert LIVE_API == "https://api.tumblr.com"


@pytest.mark.parametrize(
    ("fields", "credential"), [(OAUTH1, OAUTH1), (GIVEN2, {key: GIVEN2[key] for key in OAUTH2 if key in GIVEN2})]
)
async def test_connecting_asks_whose_it_is(fields: dict[str, Any], credential: dict[str, Any]) -> None:
    tumblr = server()
    connected = await ADAPTER.connect({"blog": "alice", **fields}, tumblr.outgoing)
    assert connected == Connected(
        remote_id=UUID,
        handle="alice",
        host=HOST,
        credential=credential,
        display_name="Alice's own",
        avatar_url="https://64.media.tumblr.com/a.pnj",
        facts={"blogUrl": "https://blog.alice.example/"},
    )
    assert tumblr.paths == [USER, ABOUT]
    kind = "OAuth " if fields is OAUTH1 else "Bearer access"
    assert all(request.headers["Authorization"].startswith(kind) for request in tumblr.asked)


@pytest.mark.parametrize(
    "written",
    ["alice", " Alice ", "@alice", "alice.tumblr.com", "https://alice.tumblr.com/", "https://www.tumblr.com/alice",
     "www.tumblr.com/@alice", "https://www.tumblr.com/blog/alice", "https://www.tumblr.com/blog/view/alice/7",
     "https://blog.alice.example", "blog.alice.example", UUID],
)  # fmt: skip
async def test_a_blog_may_be_named_in_any_way(written: str) -> None:
    assert (await ADAPTER.connect({**GIVEN, "blog": written}, server(SIDE, ALICE).outgoing)).remote_id == UUID


async def test_another_blog_of_the_same_person() -> None:
    connected = await ADAPTER.connect({**GIVEN, "blog": "side-blog"}, server().outgoing)
    assert (connected.remote_id, connected.handle, connected.display_name) == ("t:side", "side-blog", "")
    assert connected.avatar_url is None


@pytest.mark.parametrize(
    "blog", ["bob", "https://bob.tumblr.com", "alice.example", "t:other", "https://[::1", "https://", "@"]
)
async def test_somebody_elses_blog_is_refused_with_the_list_of_ones_own(blog: str) -> None:
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect({**GIVEN, "blog": blog}, server().outgoing)
    (problem,) = raised.value.problems
    assert (problem.field, problem.rule, problem.platform) == ("blog", "not_yours", "tumblr")
    assert problem.message.endswith("Give one of these: alice, side-blog.")


async def test_a_blog_is_named_by_those_who_have_several() -> None:
    for fields in (OAUTH1, {**OAUTH1, "blog": "  "}):
        assert (await ADAPTER.connect(fields, server(ALICE).outgoing)).handle == "alice"
        with pytest.raises(Invalid) as raised:
            await ADAPTER.connect(fields, server().outgoing)
        assert [(one.field, one.rule) for one in raised.value.problems] == [("blog", "required")]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, [("accessToken", "required"), ("refreshToken", "required")]),
        ({"token": "t"}, [("tokenSecret", "required")]),
        ({"accessToken": "a"}, [("refreshToken", "required")]),
        ({**OAUTH1, "accessToken": "a"}, [("accessToken", "two_kinds")]),
        ({**OAUTH1, "token": "two words"}, [("token", "bad_token")]),
        ({**OAUTH1, "tokenSecret": "a\r\nX-Evil: 1"}, [("tokenSecret", "bad_token")]),
        ({**OAUTH1, "tokenSecret": "ü"}, [("tokenSecret", "bad_token")]),
        ({**OAUTH1, "token": "a" * 3000}, [("token", "bad_token")]),
        ({**OAUTH1, "token": 5}, [("token", "required")]),
        ({**OAUTH1, "blog": 5}, [("blog", "bad_name")]),
    ],
)
async def test_misshapen_fields_are_all_named_and_nothing_is_asked(
    fields: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    tumblr = server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect({"blog": "alice", **fields}, tumblr.outgoing)
    assert [(one.field, one.rule) for one in raised.value.problems] == found
    assert all(one.platform == "tumblr" and one.message.endswith(".") for one in raised.value.problems)
    assert not tumblr.asked


@pytest.mark.parametrize("fields", [GIVEN, GIVEN2])
async def test_without_an_app_the_operator_is_told_what_to_set(fields: dict[str, Any]) -> None:
    tumblr = server()
    with pytest.raises(Invalid, match="HAYON_TUMBLR_APP_ID and HAYON_TUMBLR_APP_SECRET"):
        await Tumblr(HOST).connect(fields, tumblr.outgoing)
    with pytest.raises(Unavailable, match="HAYON_TUMBLR_APP_ID and HAYON_TUMBLR_APP_SECRET"):
        await Tumblr(HOST).refresh(account_of(), OAUTH2, tumblr.outgoing)
    assert not tumblr.asked


@pytest.mark.parametrize("fields", [GIVEN, GIVEN2])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(401, 1016), Disconnected),
        (refused(403), Disconnected),
        (refused(429), RateLimited),
        (refused(500), Unavailable),
        (PAGE, Unavailable),
        (answered("<html>"), Unavailable),
        (user(), Disconnected),
        (answered({"user": []}), Disconnected),
        (answered({"user": {"blogs": [5, {}]}}), Disconnected),
        (LOST, Unavailable),
        (unreachable(), Unreachable),
    ],
)
async def test_what_tumblr_may_answer_instead(
    answer: Fault, error: type[PlatformError], fields: dict[str, Any]
) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.connect(fields, server(**{USER: answer}).outgoing)
    assert type(raised.value) is error


async def test_a_blog_whose_uuid_is_told_elsewhere() -> None:
    bare = {key: value for key, value in ALICE.items() if key != "uuid"}
    assert (await ADAPTER.connect(GIVEN, server(bare).outgoing)).remote_id == UUID
    assert (await ADAPTER.check(account_of(), OAUTH1, server(bare).outgoing)).remote_id == UUID
    with pytest.raises(Unavailable):
        await ADAPTER.connect(GIVEN, server(bare, **{ABOUT: refused(404)}).outgoing)


# later


async def test_checking_follows_a_blog_to_its_new_name() -> None:
    renamed = {**ALICE, "name": "alison"}
    tumblr = server(SIDE, renamed, **{"/v2/blog/alison/info": answered({"blog": renamed})})
    connected = await ADAPTER.check(account_of(), OAUTH1, tumblr.outgoing)
    assert (connected.remote_id, connected.handle) == (UUID, "alison")


async def test_checking_finds_a_blog_that_is_no_longer_theirs() -> None:
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.check(account_of(), OAUTH1, server(SIDE).outgoing)
    assert raised.value.health == "error"


async def test_a_token_is_renewed_five_minutes_before_its_end() -> None:
    def credential(minutes: float) -> dict[str, Any]:
        return {**OAUTH2, "expiresAt": (NOW + timedelta(minutes=minutes)).isoformat()}

    assert [ADAPTER.expires_soon(credential(minutes), NOW) for minutes in (-1, 4.9, 5, 40)] == [
        True,
        True,
        False,
        False,
    ]
    assert ADAPTER.expires_soon(GIVEN2, NOW)  # of unknown age
    assert ADAPTER.expires_soon({**OAUTH2, "expiresAt": "soon"}, NOW)
    assert not ADAPTER.expires_soon(OAUTH1, NOW)


@pytest.mark.parametrize("body", [PAIR, {"meta": {"status": 200, "msg": "OK"}, "response": PAIR}])
async def test_a_renewal_gives_a_new_pair(body: dict[str, Any]) -> None:
    tumblr = Server({RENEW: Answer(200, {}, json.dumps(body).encode(), HOST)})
    fresh = await ADAPTER.refresh(account_of(), OAUTH2, tumblr.outgoing)
    assert (fresh["accessToken"], fresh["refreshToken"]) == ("fresh", "next")
    left = datetime.fromisoformat(fresh["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=41) < left <= timedelta(minutes=42)
    (request,) = tumblr.asked
    assert request.form == {"grant_type": "refresh_token", "refresh_token": "renewing", "client_id": APP[0],
                            "client_secret": APP[1]}  # fmt: skip
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("answer", "error", "health"),
    [
        (refused(401), Disconnected, "expired"),
        (answered('{"error": "invalid_grant"}', 401), Disconnected, "expired"),
        (answered('{"error": "invalid_request"}', 400), Disconnected, "error"),
        (answered("<html>", 400), Unavailable, None),
        (refused(429), RateLimited, None),
        (refused(500), Unavailable, None),
        (PAGE, Unavailable, None),
        (answered("<html>"), Unavailable, None),
        (answered({"access_token": "only"}), Unavailable, None),
        (answered({"access_token": 5, "refresh_token": 6}), Unavailable, None),
        (LOST, Unavailable, None),
        (unreachable(), Unreachable, None),
    ],
)
async def test_a_renewal_may_fail(answer: Fault, error: type[PlatformError], health: str | None) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.refresh(account_of(), OAUTH2, Server({RENEW: answer}).outgoing)
    assert type(raised.value) is error
    assert not isinstance(raised.value, Unconfirmed)
    assert getattr(raised.value, "health", None) == health


async def test_tokens_of_the_old_kind_are_not_renewed() -> None:
    tumblr = Server()
    with pytest.raises(Disconnected):
        await ADAPTER.refresh(account_of(), OAUTH1, tumblr.outgoing)
    assert not tumblr.asked


async def test_an_account_keeps_the_address_it_was_connected_at() -> None:
    tumblr = Server({})
    account = account_of(host="http://127.0.0.1:8000/tumblr")
    for call in (
        ADAPTER.check(account, OAUTH1, tumblr.outgoing),
        ADAPTER.refresh(account, OAUTH2, tumblr.outgoing),
        ADAPTER.locate(account, OAUTH1, "7", tumblr.outgoing),
    ):
        with pytest.raises(Unreachable):
            await call
    assert [request.url.partition("/v2")[0] for request in tumblr.asked] == ["http://127.0.0.1:8000/tumblr"] * 3
    assert (await Tumblr(f"{HOST}/", *APP).connect(GIVEN, server().outgoing)).host == HOST


@given(st.text() | st.text("abc.:/@[]%#?\\-_ 0123456789"))
async def test_no_name_breaks_the_reading(written: str) -> None:
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect({**GIVEN, "blog": written}, server().outgoing)
    assert {one.field for one in raised.value.problems} == {"blog"}
