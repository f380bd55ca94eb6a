"""The way in through an instance's page: our app there, the page, the token, what may go wrong, and giving it back."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hayon.errors import (
    Disconnected,
    Invalid,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance, Authorization, Connected, Found
from hayon.sandbox.mastodon.instance import instance_of
from tests.platforms.mastodon.conftest import ADAPTER, Home, make_film, make_picture
from tests.platforms.mastodon.scripted import ADDRESS, APP, HOST, V2, VERIFY, Scripted, Server, answered, refused
from tests.platforms.parcels import NOW, Checkpoints, OneSend, make_account
from tests.sandbox.visiting import let_in, visit

ABOUT, REGISTER = "GET /.well-known/oauth-authorization-server", "POST /api/v1/apps"
TOKEN, REVOKE = "POST /oauth/token", "POST /oauth/revoke"
BACK, GIVEN = "https://hayon.example/api/accounts/mastodon/callback", {"instanceUrl": HOST}
NEW = {"code_challenge_methods_supported": ["S256"], "scopes_supported": ["read", "write", "profile"]}
SCOPES = "profile read:statuses write:statuses write:media"
MADE = {"id": "1", "client_id": "the id", "client_secret": "the secret", "client_secret_expires_at": 0}
REGISTERED = {"clientId": "the id", "clientSecret": "the secret", "scopes": SCOPES}
KEPT = {"instanceUrl": ADDRESS, "state": "st", "verifier": "v" * 64, **REGISTERED}
GRANTED = answered({"access_token": "granted", "token_type": "Bearer", "scope": SCOPES, "created_at": 1})
CREDENTIAL = {"accessToken": "granted", "clientId": "the id", "clientSecret": "the secret"}
ACCOUNT = make_account("mastodon", ADDRESS, "7")
NO_CLIENT = answered({"error": "invalid_client", "error_description": "unknown client"}, 401)
BAD_GRANT = answered({"error": "invalid_grant", "error_description": "expired"}, 400)
LOST = Unconfirmed("cut")


def server(**changes: Any) -> Server:
    """A well-behaved instance of today, but for these answers."""
    names = {"about": ABOUT, "register": REGISTER, "token": TOKEN, "revoke": REVOKE, "verify": VERIFY}
    usual: dict[str, Scripted | list[Scripted]] = {
        ABOUT: answered(NEW), REGISTER: answered(MADE), TOKEN: GRANTED, REVOKE: answered({}),
        VERIFY: answered({"id": "7", "username": "alice"}), V2: answered({}), APP: answered({"name": "Hayon"}),
    }  # fmt: skip
    return Server(usual | {names[name]: answer for name, answer in changes.items()})


async def authorize(
    instance: Server, registered: Mapping[str, Any] | None = None
) -> tuple[Authorization, dict[str, str]]:
    """The way in, and what stands in its address."""
    way = await ADAPTER.authorize(GIVEN, BACK, "st", registered, instance.outgoing)
    return way, {name: held[0] for name, held in parse_qs(urlsplit(way.url).query).items()}


async def exchange(instance: Server, kept: Mapping[str, Any] = KEPT, **returned: str) -> Connected:
    """The account, for a code."""
    (connected,) = await ADAPTER.exchange({"code": "c", "state": "st", **returned}, kept, BACK, instance.outgoing)
    return connected


# the page


async def test_an_app_is_registered_with_as_little_as_is_used_and_the_page_is_asked_with_pkce() -> None:
    instance = server()
    way, asked = await authorize(instance)
    assert instance.calls == [ABOUT, REGISTER]
    assert instance.asked[1].form == {"client_name": "Hayon", "redirect_uris": BACK, "scopes": SCOPES}
    assert all("Authorization" not in request.headers for request in instance.asked)
    assert way.url.partition("?")[0] == f"{ADDRESS}/oauth/authorize"
    verifier = way.kept["verifier"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert asked == {
        "response_type": "code", "client_id": "the id", "redirect_uri": BACK, "scope": SCOPES, "state": "st",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    assert 43 <= len(verifier) <= 128  # RFC 7636, section 4.1
    assert dict(way.kept) == {**KEPT, "verifier": verifier}
    assert way.registered == REGISTERED
    assert (await authorize(server()))[0].kept["verifier"] != verifier


@pytest.mark.parametrize(
    "about",
    [refused(404, "Not Found"), answered("<html>", 404), answered("<html>"), answered([]), answered({"scopes_supported": 5}),
     answered("", 302), answered({"code_challenge_methods_supported": ["plain"], "scopes_supported": ["read", 5]})],
)  # fmt: skip
async def test_an_older_instance_is_asked_without_pkce_and_for_an_older_scope(about: Answer) -> None:
    instance = server(about=about)
    way, asked = await authorize(instance)
    assert asked["scope"] == "read:accounts read:statuses write:statuses write:media"
    assert (asked.keys() & {"code_challenge", "code_challenge_method"}, "verifier" in way.kept) == (set(), False)
    await exchange(instance, way.kept)
    assert instance.asked[2].form is not None
    assert "code_verifier" not in instance.asked[2].form


async def test_an_app_that_is_known_is_used_again() -> None:
    instance = server(token=answered({"access_token": "of the app"}))
    way, asked = await authorize(instance, REGISTERED)
    assert instance.calls == [ABOUT, TOKEN]
    assert instance.asked[1].form == {
        "client_id": "the id", "client_secret": "the secret", "grant_type": "client_credentials", "scope": SCOPES,
    }  # fmt: skip
    assert (asked["client_id"], way.registered) == ("the id", REGISTERED)


@pytest.mark.parametrize(
    ("registered", "answer", "known"),
    [
        (REGISTERED, NO_CLIENT, False),
        (REGISTERED, answered("<html>", 401), True),
        (REGISTERED, refused(500, "x"), True),
        (REGISTERED, answered({"error": "invalid_scope"}, 400), True),
        ({"clientId": "the id"}, GRANTED, None),
        ({"clientId": 5, "clientSecret": 6}, GRANTED, None),
    ],
)
async def test_only_an_app_that_is_surely_forgotten_is_registered_anew(
    registered: dict[str, Any], answer: Answer, known: bool | None
) -> None:
    instance = server(token=answer, register=answered({**MADE, "client_id": "another"}))
    way, asked = await authorize(instance, registered)
    assert instance.calls == [ABOUT, *([] if known is None else [TOKEN]), *([] if known else [REGISTER])]
    assert way.registered == {**REGISTERED, "clientId": asked["client_id"]}
    assert asked["client_id"] == ("the id" if known else "another")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"register": refused(422, "Validation failed: Redirect URI must be an absolute URI.")}, Rejected),
        ({"register": refused(403, "No")}, Rejected),
        ({"register": refused(429, "Too many requests")}, RateLimited),
        ({"register": answered("<html>", 429)}, RateLimited),
        ({"register": answered("<html>", 502)}, Unavailable),
        ({"register": answered({"client_id": "only"})}, Unavailable),
        ({"register": answered({**MADE, "client_secret": ""})}, Unavailable),
        ({"register": answered({**MADE, "client_id": 5})}, Unavailable),
        ({"register": LOST}, Unavailable),
        ({"about": LOST}, Unavailable),
        ({"about": refused(503, "x")}, Unavailable),
        ({"about": refused(429, "x")}, RateLimited),
        ({"about": Unreachable("no name", host=HOST)}, Unreachable),
    ],
)
async def test_an_instance_may_not_let_us_ask(changes: dict[str, Scripted], error: type[PlatformError]) -> None:
    with pytest.raises(error) as raised:
        await authorize(server(**changes))
    assert type(raised.value) is error


async def test_how_long_registering_is_held_up_is_told() -> None:
    held = refused(429, "x", {"x-ratelimit-reset": (datetime.now(UTC) + timedelta(minutes=9)).isoformat()})
    with pytest.raises(RateLimited) as raised:
        await authorize(server(register=held))
    assert raised.value.until is not None
    assert timedelta(minutes=8) < raised.value.until - datetime.now(UTC) <= timedelta(minutes=9)


@pytest.mark.parametrize(
    "answer", [answered("<html>", 404), answered("<html>", 405), answered("<html>"), answered([]), answered("", 301),
               answered("", 302, {"location": "https://www.social.example/x"})],
)  # fmt: skip
async def test_an_address_without_an_instance_is_a_problem_of_the_field(answer: Answer) -> None:
    with pytest.raises(Invalid) as raised:
        await authorize(server(about=answered("", 404), register=answer))
    assert [(one.field, one.rule) for one in raised.value.problems] == [("instanceUrl", "not_an_instance")]
    assert ("www.social.example" in str(raised.value)) is (answer.status == 302)


@pytest.mark.parametrize("given", [{}, {"instanceUrl": "@me@social.example"}, {"instanceUrl": "http://social.example"}])
async def test_a_misshapen_address_is_named_and_nobody_is_asked(given: dict[str, str]) -> None:
    instance = server()
    with pytest.raises(Invalid) as raised:
        await ADAPTER.authorize(given, BACK, "st", None, instance.outgoing)
    with pytest.raises(Invalid):
        ADAPTER.host_of(given)
    assert [one.field for one in raised.value.problems] == ["instanceUrl"]
    assert not instance.asked
    assert ADAPTER.host_of({"instanceUrl": "Social.Example/"}) == ADDRESS


# coming back


async def test_a_code_is_exchanged_for_the_account_and_what_gives_it_back_is_kept() -> None:
    instance = server()
    connected = await exchange(instance)
    assert instance.calls == [TOKEN, VERIFY, V2]
    assert instance.asked[0].form == {
        "client_id": "the id", "client_secret": "the secret", "grant_type": "authorization_code", "code": "c",
        "redirect_uri": BACK, "code_verifier": KEPT["verifier"],
    }  # fmt: skip
    assert {request.headers.get("Authorization") for request in instance.asked[1:]} == {"Bearer granted"}
    assert (connected.remote_id, connected.host, connected.credential) == ("7", ADDRESS, CREDENTIAL)
    checked = await ADAPTER.check(ACCOUNT, connected.credential, server().outgoing)
    assert checked.credential == CREDENTIAL
    # posts are recognised by the app they were made with: it is ours, so nobody has to be asked what it is called
    assert connected.facts["applicationName"] == checked.facts["applicationName"] == "Hayon"
    assert ADAPTER.renew_at(connected.credential) is None


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        ({"code": "", "error": "access_denied"}, "access_denied"),
        ({"code": "", "error": "server_error"}, "server_error"),
        ({"code": "", "error": "<b>\r\nX: y"}, "refused"),
        ({"code": ""}, "refused"),
        ({"state": "another"}, "bad_state"),
        ({"state": ""}, "bad_state"),
    ],
)
async def test_who_comes_back_without_a_yes_connects_nothing_and_nobody_is_asked(
    returned: dict[str, str], code: str
) -> None:
    instance = server()
    with pytest.raises(Disconnected) as raised:
        await exchange(instance, **returned)
    assert (raised.value.code, instance.asked) == (code, [])


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (BAD_GRANT, Disconnected, "invalid_grant"),
        (NO_CLIENT, Disconnected, "unknown_app"),
        (answered({"error": "invalid_client"}, 400), Disconnected, "unknown_app"),
        (refused(403, "Something Else"), Disconnected, ""),
        (refused(429, "x"), RateLimited, ""),
        (refused(500, "x"), Unavailable, ""),
        (answered("<html>", 400), Unavailable, ""),
        (answered("<html>"), Unavailable, ""),
        (answered({"token_type": "Bearer"}), Unavailable, ""),
        (answered({"access_token": "a\r\nb"}), Unavailable, ""),
        (LOST, Unavailable, ""),
    ],
)
async def test_a_code_may_not_be_taken(answer: Scripted, error: type[PlatformError], code: str) -> None:
    with pytest.raises(error) as raised:
        await exchange(server(token=answer))
    assert (type(raised.value), raised.value.code) == (error, code)


async def test_a_way_of_which_nothing_was_kept_cannot_be_gone_on() -> None:
    instance = server()
    with pytest.raises(Disconnected):
        await exchange(instance, {"state": "st"})
    assert not instance.asked


# giving back


async def test_a_token_is_given_back_by_the_app_it_was_made_for() -> None:
    instance = server()
    assert await ADAPTER.revoke(ACCOUNT, CREDENTIAL, instance.outgoing) is True
    assert instance.calls == [REVOKE]
    assert instance.asked[0].form == {"client_id": "the id", "client_secret": "the secret", "token": "granted"}
    by_hand = server()
    assert await ADAPTER.revoke(ACCOUNT, {"accessToken": "token"}, by_hand.outgoing) is False
    assert not by_hand.asked


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (answered({"error": "unauthorized_client"}, 403), Disconnected, "unknown_app"),
        (NO_CLIENT, Disconnected, "unknown_app"),
        (answered("<html>", 403), Unavailable, ""),
        (refused(500, "x"), Unavailable, ""),
        (refused(429, "x"), RateLimited, ""),
        (LOST, Unavailable, ""),
    ],
)
async def test_a_token_may_not_be_taken_back(answer: Scripted, error: type[PlatformError], code: str) -> None:
    with pytest.raises(error) as raised:
        await ADAPTER.revoke(ACCOUNT, CREDENTIAL, server(revoke=answer).outgoing)
    assert (type(raised.value), raised.value.code) == (error, code)


# what is left


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/api/v1/statuses", {}, Allowance("posts", 298, 300, None, NOW + timedelta(hours=2))),
        ("/api/v2/media", {"limit": "30", "remaining": "0"}, Allowance("uploads", 0, 30, None, NOW + timedelta(hours=2))),
        ("/api/v1/accounts/7/statuses?limit=40", {}, Allowance("requests", 298, 300, None, NOW + timedelta(hours=2))),
        ("/api/v1/statuses", {"reset": "9999-01-01T00:00:00Z"}, Allowance("posts", 298, 300, None, NOW + timedelta(days=1))),
        ("/api/v1/statuses", {"reset": "soon"}, None),
        ("/api/v1/statuses", {"remaining": "-1"}, None),
        ("/api/v1/statuses", {"limit": ""}, None),
    ],
)  # fmt: skip
def test_what_the_headers_tell(path: str, headers: dict[str, str], told: Allowance | None) -> None:
    usual = {"limit": "300", "remaining": "298", "reset": (NOW + timedelta(hours=2)).isoformat()}
    shown = {f"x-ratelimit-{name}": value for name, value in (usual | headers).items()}
    answer = Answer(200, shown, b"{}", ADDRESS + path)
    assert list(ADAPTER.read_allowances(answer, NOW)) == ([told] if told else [])


def test_an_instance_whose_clock_is_wrong_is_corrected_by_what_it_says_the_time_is() -> None:
    shown = {"x-ratelimit-limit": "300", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "2030-01-01T01:00:00Z",
             "date": "Tue, 01 Jan 2030 00:00:00 GMT"}  # fmt: skip
    (told,) = ADAPTER.read_allowances(Answer(200, shown, b"{}", f"{ADDRESS}/api/v1/statuses"), NOW)
    assert told.resets_at == NOW + timedelta(hours=1)


# against the simulated instance


async def entered(home: Home, back: str = BACK) -> tuple[Authorization, dict[str, str]]:
    """Somebody lets us in; the code is in their hands."""
    way = await ADAPTER.authorize({"instanceUrl": home.address}, back, "st", None, home.outgoing)
    return way, (await let_in(way.url, home.profile.account_id)).query


async def test_what_was_asked_for_is_enough_to_publish_to_look_and_to_delete(home: Home) -> None:
    way, returned = await entered(home)
    (connected,) = await ADAPTER.exchange(returned, way.kept, BACK, home.outgoing)
    for files in ([make_picture(alt_text="teal")], [make_film()]):
        parcel = replace(home.parcel(f"Hello {len(files[0].content)}", pictures=files), credential=connected.credential)
        saved = Checkpoints()
        with suppress(NotYet):  # a video takes its time
            await home.prepare(parcel, saved)
        home.world.advance(60)
        parcel = replace(parcel, checkpoint=saved.last, now=parcel.now + timedelta(seconds=60))
        handles = await home.prepare(parcel)
        receipt = await ADAPTER.publish(parcel, handles, OneSend(home.outgoing))
        assert await home.look(parcel, handles) == Found(receipt, exact=True)
        assert await ADAPTER.remove(home.account, connected.credential, receipt.remote_id, home.outgoing) is True
        assert not isinstance(await home.look(parcel, handles), Found)
    assert connected.facts["applicationName"] == "Hayon"


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(home: Home) -> None:
    way, returned = await entered(home)
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.exchange(returned, {**way.kept, "verifier": "w" * 64}, BACK, home.outgoing)
    assert raised.value.code == "invalid_grant"


async def test_a_redirect_address_is_the_one_that_was_registered(home: Home) -> None:
    way, returned = await entered(home)
    with pytest.raises(Disconnected):
        await ADAPTER.exchange(returned, way.kept, "https://evil.example/callback", home.outgoing)
    assert (await visit(way.url.replace("hayon.example", "evil.example"))).status == 400


async def test_a_forgotten_app_is_told_when_somebody_comes_back_and_made_anew_when_they_begin_again(home: Home) -> None:
    way, returned = await entered(home)
    instance_of(home.world).apps.clear()
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.exchange(returned, way.kept, BACK, home.outgoing)
    assert raised.value.code == "unknown_app"
    again = await ADAPTER.authorize({"instanceUrl": home.address}, BACK, "st", way.registered, home.outgoing)
    assert again.registered is not None
    assert again.registered != way.registered
    returned = (await let_in(again.url, home.profile.account_id)).query
    (connected,) = await ADAPTER.exchange(returned, again.kept, BACK, home.outgoing)
    assert connected.remote_id == home.profile.account_id
    home.world.requests.clear()
    third = await ADAPTER.authorize({"instanceUrl": home.address}, BACK, "st", again.registered, home.outgoing)
    assert (third.registered, home.operations()) == (again.registered, ["getInstance", "token"])


async def test_one_person_has_one_token_so_giving_it_back_ends_every_connection_of_theirs(home: Home) -> None:
    way, returned = await entered(home)
    (first,) = await ADAPTER.exchange(returned, way.kept, BACK, home.outgoing)
    again = await ADAPTER.authorize({"instanceUrl": home.address}, BACK, "st", way.registered, home.outgoing)
    returned = (await let_in(again.url, home.profile.account_id)).query
    (second,) = await ADAPTER.exchange(returned, again.kept, BACK, home.outgoing)
    assert first.credential == second.credential
    assert await ADAPTER.revoke(home.account, first.credential, home.outgoing) is True
    assert await ADAPTER.revoke(home.account, first.credential, home.outgoing) is True  # a repeat is answered alike
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.check(home.account, second.credential, home.outgoing)
    assert raised.value.health == "revoked"


async def test_who_says_no_comes_back_with_it(home: Home) -> None:
    way = await ADAPTER.authorize({"instanceUrl": home.address}, BACK, "st", None, home.outgoing)
    sent = (await (await visit(way.url)).press(("refused", "1"))).sent
    with pytest.raises(Disconnected) as raised:
        await ADAPTER.exchange(sent.query, way.kept, BACK, home.outgoing)
    assert raised.value.code == "access_denied"


async def test_the_simulated_instance_tells_what_is_left_of_posts(home: Home) -> None:
    parcel = home.parcel("Hello")
    handles = await home.prepare(parcel)
    told: list[Allowance] = []

    async def send(request: Any) -> Answer:
        answer = await home.outgoing.send(request)
        told.extend(ADAPTER.read_allowances(answer, datetime.now(UTC)))
        return answer

    await ADAPTER.publish(parcel, handles, send)
    assert [(one.name, one.limit, one.of_app) for one in told] == [("posts", 300, False)]
    assert 290 <= told[0].left < 300
