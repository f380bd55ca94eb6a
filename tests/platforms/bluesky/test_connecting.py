"""Connecting an account, renewing its session, and asking who it belongs to."""

from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    Invalid,
    PlatformError,
    RateLimited,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.media import fit_bytes
from hayon.outgoing import Answer
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Connected
from tests.platforms.bluesky.scripted import ADAPTER, CREDENTIAL, DID, HOST, Server, answered, refused, token
from tests.platforms.parcels import NOW, make_account

GIVEN = {"identifier": "alice.test", "appPassword": "abcd-efgh-ijkl-mnop"}
ENDS = token({"exp": (NOW + timedelta(days=90)).timestamp(), "iat": NOW.timestamp()})
SESSION = {"did": DID, "handle": "alice.test", "active": True, "accessJwt": "a", "refreshJwt": ENDS}
DOCUMENT = {"service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": HOST}]}
ACCOUNT = make_account("bluesky", HOST, DID)


async def connect(server: Server, adapter: Bluesky = ADAPTER, **given: Any) -> Connected:
    return await adapter.connect(GIVEN | given, server)


async def refused_fields(**given: Any) -> list[tuple[str, str]]:
    server = Server()
    with pytest.raises(Invalid) as caught:
        await connect(server, **given)
    assert server.asked == []
    return [(problem.field, problem.rule) for problem in caught.value.problems]


async def test_connecting_opens_a_session_and_keeps_no_password() -> None:
    server = Server(
        {
            "createSession": answered(SESSION | {"didDoc": DOCUMENT}),
            "getProfile": answered({"displayName": "Alice", "avatar": "https://cdn.example/a.jpg"}),
            "describeServer": answered({"did": "did:web:pds.example", "blobUploadLimit": 5_242_880}),
            "_health": answered({"version": "0.5.29"}),
        }
    )
    connected = await connect(server)
    assert connected == Connected(
        remote_id=DID,
        handle="alice.test",
        host=HOST,
        credential={"accessJwt": "a", "refreshJwt": ENDS},
        display_name="Alice",
        avatar_url="https://cdn.example/a.jpg",
        facts={"blobUploadLimit": 5_242_880, "serverDid": "did:web:pds.example", "gallery": True},
    )
    assert server.asked[0].url == "https://bsky.social/xrpc/com.atproto.server.createSession"
    assert server.asked[0].json == {"identifier": "alice.test", "password": "abcd-efgh-ijkl-mnop"}
    assert [request.url.split("/xrpc/")[0] for request in server.asked[1:]] == [HOST] * 3


async def test_what_the_server_does_not_tell_is_left_open() -> None:
    connected = await connect(Server({"createSession": answered(SESSION)}))
    assert connected.host == "https://bsky.social"
    assert (connected.display_name, connected.avatar_url, connected.facts) == ("", None, {})


@pytest.mark.parametrize(
    ("version", "gallery"),
    [("0.5.2", True), ("0.5.10", True), ("0.5.1", False), ("0.4.217", False), ("abcdef1", False), ("", False)],
)
async def test_which_servers_know_galleries(version: str, gallery: bool) -> None:
    server = Server({"createSession": answered(SESSION), "_health": answered({"version": version})})
    assert (await connect(server)).facts == ({"gallery": True} if gallery else {})


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"identifier": ""}, [("identifier", "missing")]),
        ({"identifier": None}, [("identifier", "missing")]),
        ({"identifier": "alice"}, [("identifier", "incomplete")]),
        ({"appPassword": ""}, [("appPassword", "missing")]),
        ({"appPassword": "correct horse battery staple"}, [("appPassword", "shape")]),
        ({"appPassword": "abcd-efgh-ijkl-mnop-qrst"}, [("appPassword", "shape")]),
        ({"appPassword": "abcdefghijklmnop"}, [("appPassword", "shape")]),
        ({"service": "ftp://pds.example"}, [("service", "address")]),
        ({"service": "https://"}, [("service", "address")]),
        ({"service": "https://me:secret@pds.example"}, [("service", "address")]),
        ({"service": "https://pds.example:port"}, [("service", "address")]),
        ({"service": "my server"}, [("service", "address")]),
        ({"service": "https://[::1"}, [("service", "address")]),
        (
            {"identifier": "", "appPassword": "", "service": "?"},
            [("identifier", "missing"), ("appPassword", "missing"), ("service", "address")],
        ),
    ],
)
async def test_what_is_given_wrongly_is_said_before_anything_is_sent(
    given: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    assert await refused_fields(**given) == problems


@pytest.mark.parametrize(
    ("given", "url", "identifier"),
    [
        ({"identifier": " @alice.test "}, "https://bsky.social", "alice.test"),
        ({"identifier": "\u2068alice.test\u2069"}, "https://bsky.social", "alice.test"),
        ({"identifier": DID}, "https://bsky.social", DID),
        ({"identifier": "alice@example.test"}, "https://bsky.social", "alice@example.test"),
        ({"service": "pds.example"}, "https://pds.example", "alice.test"),
        ({"service": "https://PDS.example/"}, "https://pds.example", "alice.test"),
        ({"service": "http://127.0.0.1:2583/bluesky/"}, "http://127.0.0.1:2583/bluesky", "alice.test"),
        ({"service": "http://[::1]:2583"}, "http://[::1]:2583", "alice.test"),
        ({"service": "  "}, "https://bsky.social", "alice.test"),
        ({"service": None}, "https://bsky.social", "alice.test"),
    ],
)
async def test_what_is_given_is_tidied(given: dict[str, Any], url: str, identifier: str) -> None:
    server = Server({"createSession": answered(SESSION)})
    connected = await connect(server, **given)
    assert connected.host == url
    assert server.asked[0].url == f"{url}/xrpc/com.atproto.server.createSession"
    assert server.asked[0].json["identifier"] == identifier


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"service": None},
        {"service": ["x"]},
        {"service": [{"id": "#other", "serviceEndpoint": HOST}]},
        {"service": [{"id": "#atproto_pds", "serviceEndpoint": "file:///etc/passwd"}]},
    ],
)
async def test_without_a_server_in_the_did_document_the_entryway_is_used(document: Any) -> None:
    connected = await connect(Server({"createSession": answered(SESSION | {"didDoc": document})}))
    assert connected.host == "https://bsky.social"


async def test_only_the_public_entryway_is_left_for_the_accounts_own_server() -> None:
    server = Server({"createSession": answered(SESSION | {"didDoc": DOCUMENT})})
    adapter = Bluesky("http://127.0.0.1:2583", fit=fit_bytes)
    assert (await connect(server, adapter)).host == "http://127.0.0.1:2583"
    server = Server({"createSession": answered(SESSION | {"didDoc": DOCUMENT})})
    assert (await connect(server, service="https://own.example")).host == "https://own.example"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refused(401, "AuthenticationRequired", "Invalid identifier or password"), Disconnected, "does not know"),
        (refused(401, "AuthFactorTokenRequired"), Disconnected, "main password"),
        (refused(401, "AccountTakedown"), Disconnected, "taken this account down"),
        (refused(400, "InvalidRequest", "Error: identifier"), Disconnected, "refuses this sign-in"),
        (refused(429, "RateLimitExceeded"), RateLimited, "slower"),
        (answered("<html>", 404), Unavailable, "HTTP 404"),
        (answered("<html>", 200), Unavailable, "Check the server's address"),
        (answered({"did": DID}), Unavailable, "Check the server's address"),
        (answered(SESSION | {"did": None}), Unavailable, "Check the server's address"),
        (answered(SESSION | {"active": False, "status": "takendown"}), Disconnected, "taken down"),
        (answered(SESSION | {"active": False, "status": "deactivated"}), Disconnected, "deactivated"),
        (answered(SESSION | {"active": False}), Disconnected, "not active"),
        (Unreachable("no such name", host="bsky.social"), Unreachable, "no such name"),
        (Unconfirmed("it fell silent"), Unavailable, "fell silent"),
    ],
)
async def test_a_sign_in_that_fails(answer: Any, error: type[PlatformError], words: str) -> None:
    with pytest.raises(error) as caught:
        await connect(Server({"createSession": answer}))
    assert words in caught.value.message
    assert GIVEN["appPassword"] not in caught.value.message


@pytest.mark.parametrize(
    ("access", "soon"),
    [
        (token({"exp": (NOW + timedelta(minutes=5, seconds=1)).timestamp()}), False),
        (token({"exp": (NOW + timedelta(minutes=4, seconds=59)).timestamp()}), True),
        (token({"exp": (NOW - timedelta(days=1)).timestamp()}), True),
        (token({}), False),
        (token({"exp": "soon"}), False),
        (token({"exp": 10**30}), False),
        ("opaque", False),
        ("a.b.c", False),
        ("a.é.c", False),
        ("", False),
    ],
)
def test_whether_a_session_ends_soon(access: str, soon: bool) -> None:
    assert ADAPTER.expires_soon({"accessJwt": access}, NOW) is soon


def test_a_credential_without_a_session_is_not_called_fresh_or_stale() -> None:
    assert ADAPTER.expires_soon({}, NOW) is False


async def refresh(answer: Any, server: Server | None = None) -> Any:
    server = server or Server()
    server.answers["refreshSession"] = answer
    return await ADAPTER.refresh(ACCOUNT, {**CREDENTIAL, "kept": "as it was"}, server)


async def test_refreshing_shows_the_refresh_token_and_sends_no_body() -> None:
    server = Server()
    fresh = await refresh(answered(SESSION | {"accessJwt": "a2", "refreshJwt": f"{ENDS}2"}), server)
    assert fresh == {"accessJwt": "a2", "refreshJwt": f"{ENDS}2", "kept": "as it was"}
    request = server.asked[0]
    assert (request.method, request.url) == ("POST", f"{HOST}/xrpc/com.atproto.server.refreshSession")
    assert request.headers == {"Authorization": "Bearer refresh"}
    assert (request.json, request.body, request.parts) == (None, None, None)


async def test_a_deactivated_account_keeps_its_new_session() -> None:
    fresh = await refresh(answered(SESSION | {"active": False, "status": "deactivated"}))
    assert fresh["accessJwt"] == "a"


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (refused(400, "ExpiredToken", "Token has expired"), "expired"),
        (refused(400, "ExpiredToken", "Token has been revoked"), "revoked"),
        (refused(400, "InvalidToken"), "revoked"),
        (refused(401, "AuthMissing"), "revoked"),
        (refused(400, "invalid_grant"), "revoked"),
        (refused(401, "AccountTakedown"), "error"),
        (refused(401, "AccountDeactivated"), "error"),
        (refused(400, "InvalidRequest", "Could not find user info for account"), "error"),
        (answered(SESSION | {"did": "did:plc:somebodyelse"}), "error"),
    ],
)
async def test_a_session_that_cannot_be_renewed_needs_its_owner(answer: Answer, health: str) -> None:
    with pytest.raises(Disconnected) as caught:
        await refresh(answer)
    assert caught.value.health == health


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(429, "RateLimitExceeded"), RateLimited),
        (refused(502, "UpstreamFailure"), Unavailable),
        (answered("<html>", 200), Unavailable),
        (answered({"did": DID}), Unavailable),
        (Unconfirmed("it fell silent"), Unavailable),
        (Unreachable("down", host="pds.example"), Unreachable),
    ],
)
async def test_trouble_while_renewing_disconnects_nobody(answer: Any, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        await refresh(answer)


async def check(answer: Any) -> Connected:
    server = Server({"getSession": answer, "getProfile": answered({"displayName": "Alice"})})
    connected = await ADAPTER.check(ACCOUNT, CREDENTIAL, server)
    assert server.asked[0].headers == {"Authorization": "Bearer access"}
    return connected


async def test_checking_says_who_it_is() -> None:
    connected = await check(answered({"did": DID, "handle": "new.test", "active": True}))
    assert (connected.remote_id, connected.handle, connected.host) == (DID, "new.test", HOST)
    assert (connected.credential, connected.display_name) == (CREDENTIAL, "Alice")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, "ExpiredToken"), CredentialExpired),
        (refused(400, "InvalidToken"), Disconnected),
        (refused(403, "AccountNotFound"), Disconnected),
        (answered({"did": DID, "handle": "a.test", "active": False, "status": "suspended"}), Disconnected),
        (answered({"did": "did:plc:somebodyelse", "handle": "a.test"}), Disconnected),
        (refused(503, "NotEnoughResources"), Unavailable),
    ],
)
async def test_a_check_that_fails(answer: Answer, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        await check(answer)
