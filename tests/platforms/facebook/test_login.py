"""Facebook's login by script: where people are sent, which Pages they may be given, and calls proved to come from the app."""

import hashlib
import hmac
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from hayon.errors import Disconnected, Invalid, PlatformError, Rejected, Unavailable, Unreachable
from hayon.platforms.contract import Connected
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import (
    GONE,
    PAGE,
    PHOTOS,
    POST,
    Scripted,
    Server,
    answered,
    page_account,
    page_parcel,
    refused,
)
from tests.platforms.meta.scripted import image
from tests.platforms.parcels import NOW, Checkpoints, fixed_send

APP_ID, SECRET = "4711000", "s3cret-of-the-app"
ADAPTER = Facebook(app_id=APP_ID, app_secret=SECRET)
BACK = "https://hayon.example/api/accounts/facebook/callback"
CODE, LONG = "POST /oauth/access_token", "GET /oauth/access_token"
PERMISSIONS, ACCOUNTS, BUSINESSES = "GET /me/permissions", "GET /me/accounts", "GET /me/businesses"
BASE = ("pages_show_list", "pages_read_engagement", "pages_read_user_content", "pages_manage_posts")


def granted(*names: str, declined: tuple[str, ...] = ()) -> Any:
    rows = [{"permission": one, "status": "granted"} for one in names]
    return answered({"data": [*rows, *({"permission": one, "status": "declined"} for one in declined)]})


def page(number: int, *tasks: str, **more: Any) -> dict[str, Any]:
    shown = {"id": str(number), "name": f"Page {number}", "access_token": f"token-{number}", "tasks": list(tasks)}
    return {**shown, **more}


def listed(*pages: dict[str, Any], after: str | None = None) -> Any:
    paging = {"cursors": {"after": after or "end"}, **({"next": "https://graph.facebook.com/x"} if after else {})}
    return answered({"data": list(pages), "paging": paging})


def server_of(**answers: Scripted | list[Scripted]) -> Server:
    known: dict[str, Scripted | list[Scripted]] = {
        CODE: answered({"access_token": "SHORT1", "token_type": "bearer", "expires_in": 5000}),
        LONG: answered({"access_token": "LONG1", "token_type": "bearer", "expires_in": 5183944}),
        PERMISSIONS: granted(*BASE),
        ACCOUNTS: listed(page(1, "CREATE_CONTENT")),
    }
    return Server({**known, **answers})


async def exchange(server: Server, returned: dict[str, str] | None = None) -> list[Connected]:
    return list(await ADAPTER.exchange(returned or {"code": "C1"}, {}, BACK, server.outgoing))


async def page_of(adapter: Facebook = ADAPTER, **given: Any) -> tuple[str, dict[str, str]]:
    server = Server()
    asked = await adapter.authorize(given, BACK, "st&te", None, server.outgoing)
    assert (asked.kept, server.asked) == ({}, [])
    address, _, query = asked.url.partition("?")
    return address, dict(parse_qsl(query, strict_parsing=True))


async def test_people_are_sent_to_facebook_for_as_little_as_is_used() -> None:
    address, query = await page_of()
    assert address == "https://www.facebook.com/v25.0/dialog/oauth"
    assert query == {
        "client_id": APP_ID, "redirect_uri": BACK, "response_type": "code", "state": "st&te", "scope": ",".join(BASE),
        "auth_type": "rerequest",
    }  # fmt: skip
    for wanted in (True, "true"):
        assert (await page_of(businesses=wanted))[1]["scope"] == ",".join([*BASE, "business_management"])
    for unwanted in (False, "false", ""):
        assert (await page_of(businesses=unwanted))[1]["scope"] == ",".join(BASE)
    elsewhere = Facebook("http://127.0.0.1:9/facebook/", version="v26.0", app_id=APP_ID, app_secret=SECRET)
    assert (await page_of(elsewhere))[0] == "http://127.0.0.1:9/facebook/v26.0/dialog/oauth"
    assert elsewhere.host_of({}) == "http://127.0.0.1:9/facebook"
    with pytest.raises(Invalid) as raised:
        await page_of(businesses="yes")
    assert [(one.field, one.platform) for one in raised.value.problems] == [("businesses", "facebook")]


@pytest.mark.parametrize("adapter", [Facebook(), Facebook(app_id=APP_ID), Facebook(app_secret=SECRET)])
async def test_without_an_app_nobody_is_sent_anywhere(adapter: Facebook) -> None:
    with pytest.raises(Invalid, match="HAYON_FACEBOOK_APP_ID and HAYON_FACEBOOK_APP_SECRET") as raised:
        await page_of(adapter)
    assert [one.rule for one in raised.value.problems] == ["no_app"]
    with pytest.raises(Invalid):
        adapter.host_of({})


async def test_a_code_becomes_pages_each_with_a_token_of_its_own() -> None:
    shown = page(
        2, "ANALYZE", "CREATE_CONTENT", username="club", picture={"data": {"url": "https://x/p.jpg"}}, name="The Club"
    )
    server = server_of(**{ACCOUNTS: listed(page(1, "CREATE_CONTENT"), shown)})
    first, second = await exchange(server)
    assert (first.remote_id, first.handle, first.credential) == (
        "1", "Page 1", {"accessToken": "token-1", "appId": APP_ID},
    )  # fmt: skip
    assert (second.remote_id, second.handle, second.display_name) == ("2", "@club", "The Club")
    assert (second.avatar_url, second.facts, second.host) == (
        "https://x/p.jpg", {"username": "club"}, "https://graph.facebook.com",
    )  # fmt: skip
    assert server.calls == [CODE, LONG, PERMISSIONS, ACCOUNTS]
    code, long, permissions, accounts = server.asked
    assert code.form == {
        "client_id": APP_ID, "client_secret": SECRET, "grant_type": "authorization_code", "redirect_uri": BACK, "code": "C1",
    }  # fmt: skip
    assert long.query == {
        "grant_type": "fb_exchange_token", "client_id": APP_ID, "client_secret": SECRET, "fb_exchange_token": "SHORT1",
    }  # fmt: skip
    for asked in (permissions, accounts):
        assert asked.headers["Authorization"] == "Bearer LONG1"
        assert asked.query["appsecret_proof"] == proof("LONG1")
    assert {"access_token", "tasks"} <= set(accounts.query["fields"].split(","))
    assert SECRET not in "".join(map(repr, [*server.asked, ADAPTER]))


def proof(token: str) -> str:
    return hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


async def test_only_pages_where_posts_may_be_made_are_offered() -> None:
    pages = [
        page(1, "ANALYZE", "MODERATE"),
        page(2, "CREATE_CONTENT"),
        page(3),
        page(4, "CREATE_CONTENT", access_token=""),
    ]
    del pages[2]["tasks"]
    assert [one.remote_id for one in await exchange(server_of(**{ACCOUNTS: listed(*pages)}))] == ["2"]


async def test_the_list_of_pages_is_read_to_its_end() -> None:
    portions = [
        listed(page(1, "CREATE_CONTENT"), after="A1"), listed(after="A2"), listed(page(2, "CREATE_CONTENT"), after="A3"),
        listed(page(3, "CREATE_CONTENT")),
    ]  # fmt: skip
    server = server_of(**{ACCOUNTS: portions})
    assert [one.remote_id for one in await exchange(server)] == ["1", "2", "3"]
    assert [one.query.get("after") for one in server.asked[-4:]] == [None, "A1", "A2", "A3"]


async def test_a_list_without_end_is_left_at_some_point() -> None:
    server = server_of(**{ACCOUNTS: listed(page(1, "CREATE_CONTENT"), after="A1")})
    assert [one.remote_id for one in await exchange(server)] == ["1"]
    assert server.calls.count(ACCOUNTS) == 50


def of_businesses(**answers: Scripted) -> Server:
    more = {
        PERMISSIONS: granted(*BASE, "business_management"),
        BUSINESSES: answered({"data": [{"id": "71", "name": "A"}, {"id": "72", "name": "B"}]}),
        "GET /71/owned_pages": listed(page(1), page(2)),
        "GET /71/client_pages": listed(page(3)),
        "GET /72/owned_pages": listed(),
        "GET /72/client_pages": listed(page(4), page(5, access_token=None)),
    }
    return server_of(**{**more, **answers})


async def test_pages_of_businesses_are_found_too_and_each_once() -> None:
    server = of_businesses()
    assert [one.remote_id for one in await exchange(server)] == ["1", "2", "3", "4"]
    fields = {one.query["fields"] for one in server.asked if "_pages" in one.url}
    assert all("tasks" not in one for one in fields)  # no such field there


@pytest.mark.parametrize("answer", [refused(10), refused(100), GONE])
async def test_a_business_that_shows_nothing_hides_no_others(answer: Scripted) -> None:
    server = of_businesses(**{"GET /71/owned_pages": answer})
    assert [one.remote_id for one in await exchange(server)] == ["1", "3", "4"]


async def test_a_list_that_cannot_be_had_now_is_no_empty_list() -> None:
    with pytest.raises(Unavailable):
        await exchange(of_businesses(**{"GET /72/client_pages": refused(2, status=500)}))


async def test_businesses_are_asked_after_only_if_that_was_granted() -> None:
    server = server_of(**{PERMISSIONS: granted(*BASE, declined=("business_management",))})
    await exchange(server)
    assert BUSINESSES not in server.calls


@pytest.mark.parametrize("missing", ["pages_show_list", "pages_manage_posts"])
async def test_a_permission_that_was_refused_is_named(missing: str) -> None:
    rest = [one for one in BASE if one != missing]
    server = server_of(**{PERMISSIONS: granted(*rest, declined=(missing,))})
    with pytest.raises(Disconnected, match=missing):
        await exchange(server)
    assert ACCOUNTS not in server.calls


@pytest.mark.parametrize("pages", [[], [page(1, "ANALYZE")]])
async def test_who_may_post_nowhere_is_told_what_to_do(pages: list[dict[str, Any]]) -> None:
    with pytest.raises(Disconnected, match="no Page on which"):
        await exchange(server_of(**{ACCOUNTS: listed(*pages)}))


@pytest.mark.parametrize(
    ("call", "answer", "error"),
    [
        (CODE, refused(100, 36009, message="This authorization code has been used."), Disconnected),
        (CODE, refused(1, message="Error validating client secret."), Disconnected),
        (LONG, refused(190, 463), Disconnected),
        (PERMISSIONS, refused(100, message="Invalid appsecret_proof provided in the API argument"), Rejected),
        (ACCOUNTS, answered({"data": "x"}), Unavailable),
        (ACCOUNTS, answered({"data": [7]}), Unavailable),
        (ACCOUNTS, listed(page(1, "CREATE_CONTENT", id="../x")), Unavailable),
        (ACCOUNTS, Unreachable("x", host="x"), Unreachable),
    ],
)
async def test_what_is_not_taken_is_said_so(call: str, answer: Scripted, error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await exchange(server_of(**{call: answer}))
    assert not any(secret in str(raised.value) for secret in (SECRET, "C1", "SHORT1", "LONG1"))


async def test_who_says_no_lets_nobody_in() -> None:
    server = server_of()
    returned = {"error": "access_denied", "error_code": "200", "error_description": "Permissions error"}
    with pytest.raises(Disconnected, match="Permissions error"):
        await exchange(server, returned)
    assert server.asked == []


async def test_nothing_of_a_page_runs_out_and_nothing_can_be_given_back() -> None:
    credential, server = {"accessToken": "token-1", "appId": APP_ID}, Server()
    assert ADAPTER.renew_at(credential) is None
    assert ADAPTER.expires_soon(credential, NOW) is False
    assert await ADAPTER.revoke(page_account(), credential, server.outgoing) is False
    assert server.asked == []


# calls that are proved to come from the app


OURS = {"accessToken": "page-token", "appId": APP_ID}


@pytest.mark.parametrize(
    ("adapter", "credential", "proved"),
    [
        (ADAPTER, OURS, True),
        (ADAPTER, {"accessToken": "page-token"}, False),
        (ADAPTER, {"accessToken": "page-token", "appId": "another"}, False),
        (Facebook(app_id=APP_ID), OURS, False),
        (Facebook(), {"accessToken": "page-token", "appId": ""}, False),
    ],
)
async def test_calls_with_our_apps_tokens_are_proved_to_be_ours(
    adapter: Facebook, credential: dict[str, str], proved: bool
) -> None:
    """A token in hand may be of any app, and Meta refuses the proof made with another's secret."""
    parcel = replace(page_parcel("Hello", media=[image()]), credential=credential)
    server = Server(
        {
            PHOTOS: answered({"id": "9"}), "GET /me": answered({"id": PAGE, "name": "P"}), f"GET /{PAGE}": answered({}),
            f"DELETE /{PAGE}_1": answered({"success": True}),
        }
    )  # fmt: skip
    handles = await adapter.prepare(parcel, Checkpoints(), server.outgoing)
    sent: list[Any] = []

    async def send(request: Any) -> Any:
        sent.append(request)
        return await fixed_send(answered({"id": f"{PAGE}_1"}))(request)

    await adapter.publish(parcel, handles, send)
    await adapter.check(parcel.account, credential, server.outgoing)
    await adapter.remove(parcel.account, credential, f"{PAGE}_1", server.outgoing)
    assert {one.method for one in [*server.asked, *sent]} == {"GET", "POST", "DELETE"}
    assert sent[0].url.endswith(POST.removeprefix("POST "))
    expected = proof("page-token") if proved else None
    assert {one.query.get("appsecret_proof") for one in [*server.asked, *sent]} == {expected}
