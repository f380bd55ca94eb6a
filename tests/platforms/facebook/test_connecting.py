"""Connecting: a Page's own token is asked whose it is; anybody else's is refused with what to do instead."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hayon.errors import Disconnected, Invalid, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import CREDENTIAL, PAGE, Scripted, Server, answered, page_account, refused

ADAPTER = Facebook()
GIVEN = {"pageId": PAGE, "accessToken": "page-token"}
ME, PROFILE = "GET /me", f"GET /{PAGE}"
PICTURE = "https://scontent.example/p.jpg"


def server(**changes: Scripted) -> Server:
    shown = {"id": PAGE, "name": "The Page", "username": "thepage", "picture": {"data": {"url": PICTURE}}}
    answers: dict[str, Any] = {"me": answered({"id": PAGE, "name": "The Page"}), "profile": answered(shown), **changes}
    return Server({ME: answers["me"], PROFILE: answers["profile"]})


async def test_a_page_is_connected_as_itself() -> None:
    asked = server()
    connected = await ADAPTER.connect(GIVEN, asked.outgoing)
    assert (connected.remote_id, connected.handle, connected.display_name) == (PAGE, "@thepage", "The Page")
    assert (connected.host, connected.avatar_url) == ("https://graph.facebook.com", PICTURE)
    assert (connected.credential, connected.facts) == (CREDENTIAL, {"username": "thepage"})
    assert asked.calls == [ME, PROFILE]
    for request in asked.asked:
        assert request.headers["Authorization"] == "Bearer page-token"
        assert "page-token" not in repr((request.url, request.query))


@pytest.mark.parametrize("profile", [refused(100), answered("<html>", 502), Unconfirmed("cut"), answered({})])
async def test_how_a_page_looks_may_stay_unknown(profile: Scripted) -> None:
    connected = await ADAPTER.connect(GIVEN, server(profile=profile).outgoing)
    assert (connected.remote_id, connected.handle, connected.avatar_url, connected.facts) == (
        PAGE,
        "The Page",
        None,
        {},
    )


async def test_a_check_reads_all_again_at_the_accounts_own_host() -> None:
    asked = server()
    settled_elsewhere = Facebook("http://sandbox.example/facebook")
    connected = await settled_elsewhere.check(page_account(), CREDENTIAL, asked.outgoing)
    assert (connected.remote_id, connected.host) == (PAGE, "https://graph.facebook.com")
    assert asked.calls == [ME, PROFILE]
    other = await ADAPTER.check(page_account(), CREDENTIAL, server(me=answered({"id": "999"})).outgoing)
    assert other.remote_id == "999"  # whoever it is, the caller compares


async def test_a_token_of_a_person_or_another_page_is_refused_with_what_to_do() -> None:
    asked = server(me=answered({"id": "10158", "name": "Alice Example"}))
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect(GIVEN, asked.outgoing)
    (problem,) = raised.value.problems
    assert (problem.field, problem.rule, problem.platform) == ("accessToken", "not_this_page", "facebook")
    assert "Alice Example" in problem.message
    assert "/me/accounts" in problem.message
    assert "page-token" not in problem.message
    assert asked.calls == [ME]


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({}, {("pageId", "required"), ("accessToken", "required")}),
        ({"pageId": " ", "accessToken": 5}, {("pageId", "required"), ("accessToken", "required")}),
        ({"pageId": "thepage", "accessToken": "x"}, {("pageId", "bad_id")}),
        ({"pageId": "1/../2", "accessToken": "x"}, {("pageId", "bad_id")}),
        ({"pageId": "١٢", "accessToken": "x"}, {("pageId", "bad_id")}),
        ({"pageId": True, "accessToken": "x"}, {("pageId", "required")}),
        ({"pageId": PAGE, "accessToken": "two words"}, {("accessToken", "bad_token")}),
        ({"pageId": PAGE, "accessToken": "x" * 2049}, {("accessToken", "bad_token")}),
    ],
)
async def test_what_is_missing_or_misshapen_is_named_and_nobody_is_asked(
    given: dict[str, Any], faults: set[tuple[str, str]]
) -> None:
    asked = server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.connect(given, asked.outgoing)
    assert {(one.field, one.rule) for one in raised.value.problems} == faults
    assert not asked.calls


async def test_a_page_id_may_be_a_number_and_have_blanks_around_it() -> None:
    for page in (int(PAGE), f" {PAGE} "):
        assert (await ADAPTER.connect({**GIVEN, "pageId": page}, server().outgoing)).remote_id == PAGE


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(190, 463, 401), Disconnected),
        (refused(190, 460), Disconnected),
        (refused(10), Disconnected),
        (refused(4), RateLimited),
        (refused(2, 0, 503), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({}), Unavailable),
        (answered({"id": "a b"}), Unavailable),
        (Unconfirmed("cut"), Unavailable),
        (Unreachable("no name", host="graph.facebook.com"), Unreachable),
    ],
)
async def test_what_facebook_refuses(answer: Scripted, error: type[PlatformError]) -> None:
    for call in (
        ADAPTER.connect(GIVEN, server(me=answer).outgoing),
        ADAPTER.check(page_account(), CREDENTIAL, server(me=answer).outgoing),
    ):
        with pytest.raises(error) as raised:
            await call
        assert type(raised.value) is error


async def test_tokens_neither_expire_nor_renew() -> None:
    asked = server()
    assert ADAPTER.expires_soon(CREDENTIAL, datetime.max.replace(tzinfo=UTC)) is False
    with pytest.raises(Disconnected, match="reconnect"):
        await ADAPTER.refresh(page_account(), CREDENTIAL, asked.outgoing)
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.check(page_account(), {}, asked.outgoing)
    assert raised.value.health == "error"
    assert not asked.calls


async def test_names_and_pictures_of_strangers_are_taken_with_care() -> None:
    strange = {"username": "u" * 500, "picture": {"data": {"url": "javascript:alert(1)"}}}
    asked = server(me=answered({"id": PAGE, "name": "n" * 500}), profile=answered(strange))
    connected = await ADAPTER.connect(GIVEN, asked.outgoing)
    assert (len(connected.display_name), len(connected.handle), connected.avatar_url) == (200, 201, None)
    for picture in (None, "x", {"data": None}, {"data": {"url": 5}}):
        assert (
            await ADAPTER.connect(GIVEN, server(profile=answered({"picture": picture})).outgoing)
        ).avatar_url is None


async def test_the_address_and_version_are_settings() -> None:
    elsewhere = Facebook("http://sandbox.example/facebook/", version="v26.0")
    me, profile = (f"GET sandbox.example/facebook/v26.0/{path}" for path in ("me", PAGE))
    asked = Server({me: answered({"id": PAGE, "name": "P"}), profile: answered({})})
    connected = await elsewhere.connect(GIVEN, asked.outgoing)
    assert connected.host == "http://sandbox.example/facebook"
    assert asked.calls == [me, profile]
