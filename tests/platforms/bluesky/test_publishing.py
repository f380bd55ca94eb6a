"""The one irreversible call and the look that follows when it stays without an answer."""

from datetime import timedelta
from typing import Any

import pytest

from hayon.domain.model import Receipt
from hayon.errors import (
    CredentialExpired,
    Disconnected,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.media import fit_bytes
from hayon.outgoing import Answer, Request
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Absent, Found, Unclear
from tests.platforms.bluesky.scripted import ADAPTER, CREDENTIAL, DID, HOST, Server, answered, refused
from tests.platforms.parcels import NOW, fixed_send, make_account, make_parcel

ACCOUNT = make_account("bluesky", HOST, DID, handle="alice.test")
PARCEL = make_parcel(ACCOUNT, CREDENTIAL, "hello")
RKEY = "3m4abcdefgh2z"
URI = f"at://{DID}/app.bsky.feed.post/{RKEY}"
RECORD = {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": "2026-11-03T12:30:15.250Z"}
HANDLES = {"repo": DID, "rkey": RKEY, "record": RECORD}
RECEIPT = Receipt(URI, f"https://bsky.app/profile/{DID}/post/{RKEY}", NOW)


async def look(answer: Any) -> Any:
    server = Server({"getRecord": answer})
    return await ADAPTER.reconcile(PARCEL, HANDLES, server)


async def test_publish_puts_the_record_under_its_key_and_only_where_there_is_none() -> None:
    sent: list[Request] = []

    async def send(request: Request) -> Answer:
        sent.append(request)
        return answered({"uri": URI, "cid": "bafyrei", "commit": {}, "validationStatus": "valid"})

    assert await ADAPTER.publish(PARCEL, HANDLES, send) == RECEIPT
    assert len(sent) == 1
    assert (sent[0].method, sent[0].url) == ("POST", f"{HOST}/xrpc/com.atproto.repo.putRecord")
    assert sent[0].headers == {"Authorization": "Bearer access"}
    assert sent[0].json == {
        "repo": DID,
        "collection": "app.bsky.feed.post",
        "rkey": RKEY,
        "record": RECORD,
        "swapRecord": None,
    }


@pytest.mark.parametrize(
    ("answer", "error", "proof"),
    [
        (refused(400, "InvalidSwap", "Record was at bafyrei"), Unconfirmed, False),
        (refused(400, "InvalidRequest", "too many graphemes"), Rejected, True),
        (refused(400, "BlobNotFound", "Could not find blob"), Unavailable, True),
        (refused(400, "ExpiredToken", "Token has expired"), CredentialExpired, True),
        (answered("<html>", 502), Unconfirmed, False),
        (answered("<html>", 200), Unconfirmed, False),
        (answered({}, 200), Unconfirmed, False),
        (answered({"uri": "at://did:plc:other/app.bsky.feed.post/x"}, 200), Unconfirmed, False),
        (Unreachable("no connection", host="pds.example"), Unreachable, True),
        (Unconfirmed("the connection broke"), Unconfirmed, False),
    ],
)
async def test_what_else_may_come_back(answer: Answer | Exception, error: type[PlatformError], proof: bool) -> None:
    with pytest.raises(error) as caught:
        await ADAPTER.publish(PARCEL, HANDLES, fixed_send(answer))
    assert caught.value.proves_absence is proof


async def test_reconcile_asks_the_accounts_own_server_for_exactly_this_key_without_a_session() -> None:
    server = Server({"getRecord": answered({"uri": URI, "cid": "bafyrei", "value": RECORD})})
    assert await ADAPTER.reconcile(PARCEL, HANDLES, server) == Found(RECEIPT, exact=True)
    request = server.asked[0]
    assert (request.method, request.url) == ("GET", f"{HOST}/xrpc/com.atproto.repo.getRecord")
    assert request.query == {"repo": DID, "collection": "app.bsky.feed.post", "rkey": RKEY}
    assert request.headers == {}


async def test_a_post_edited_meanwhile_is_still_ours() -> None:
    edited = RECORD | {"text": "hello, edited", "createdAt": RECORD["createdAt"]}
    assert await look(answered({"uri": URI, "cid": "b", "value": edited})) == Found(RECEIPT, exact=True)


async def test_only_the_servers_own_word_means_absent() -> None:
    assert isinstance(await look(refused(400, "RecordNotFound", "Could not locate record")), Absent)


@pytest.mark.parametrize(
    "answer",
    [
        refused(400, "InvalidRequest", "Could not locate record"),  # this server does not know the account
        refused(400, "RepoTakendown"),
        refused(404, "RecordNotFound"),
        refused(500, "RecordNotFound"),
        refused(502, "UpstreamFailure"),
        refused(429, "RateLimitExceeded"),
        answered("<html>", 400),
        answered("<html>", 200),
        answered({"uri": URI, "cid": "b"}),
        answered({"uri": "at://other", "cid": "b", "value": RECORD}),
        answered({"uri": URI, "cid": "b", "value": RECORD | {"createdAt": "2020-01-01T00:00:00.000Z"}}),
        Unconfirmed("no whole answer"),
    ],
)
async def test_anything_else_allows_no_conclusion(answer: Answer | Exception) -> None:
    found = await look(answer)
    assert isinstance(found, Unclear)
    assert len(found.message) > 20


async def test_a_host_that_cannot_be_reached_says_so() -> None:
    with pytest.raises(Unreachable):
        await look(Unreachable("no connection", host="pds.example"))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, f"https://bsky.app/profile/{DID}/post/{RKEY}"),
        ({"service_url": "https://bsky.social/"}, f"https://bsky.app/profile/{DID}/post/{RKEY}"),
        ({"service_url": "http://127.0.0.1:9/bluesky/"}, f"http://127.0.0.1:9/bluesky/profile/{DID}/post/{RKEY}"),
        ({"public_url": "https://other.app"}, f"https://other.app/profile/{DID}/post/{RKEY}"),
    ],
)
async def test_where_a_post_is_shown(settings: dict[str, str], url: str) -> None:
    adapter = Bluesky(fit=fit_bytes, **settings)
    receipt = await adapter.publish(PARCEL, HANDLES, fixed_send(answered({"uri": URI})))
    assert receipt.url == url


@pytest.mark.parametrize(
    ("url", "remote_id"),
    [
        (RECEIPT.url, URI),
        (f" {RECEIPT.url}/?ref=share#top ", URI),
        (f"https://BSKY.app/profile/Alice.test/post/{RKEY}", URI),
        (f"https://bsky.app/profile/bob.test/post/{RKEY}", None),
        (f"https://bsky.app/profile/did:plc:another/post/{RKEY}", None),
        (URI, URI),
        (f"https://elsewhere.example/profile/{DID}/post/{RKEY}", None),
        (f"javascript://bsky.app/profile/{DID}/post/{RKEY}", None),
        (f"https://bsky.app/profile/{DID}", None),
        (f"https://bsky.app/profile/{DID}/post/short", None),
        (f"https://bsky.app/profile/{DID}/post/z{RKEY[1:]}", None),  # no time has this key
        (f"https://bsky.app/profile/alice/post/{RKEY}", None),
        (f"at://{DID}/app.bsky.feed.like/{RKEY}", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_the_id_in_an_address(url: str, remote_id: str | None) -> None:
    assert ADAPTER.remote_id_in(url, ACCOUNT) == remote_id


def test_the_id_in_an_address_of_a_service_under_a_path() -> None:
    adapter = Bluesky("http://127.0.0.1:9/bluesky", fit=fit_bytes)
    assert adapter.remote_id_in(f"http://127.0.0.1:9/bluesky/profile/{DID}/post/{RKEY}", ACCOUNT) == URI
    assert adapter.remote_id_in(str(RECEIPT.url), ACCOUNT) is None


async def test_a_key_that_is_taken_is_called_that() -> None:
    with pytest.raises(Unconfirmed, match="already has a post under this key"):
        await ADAPTER.publish(PARCEL, HANDLES, fixed_send(refused(400, "InvalidSwap", "Record was at bafyrei")))


def test_a_repeat_is_harmless_at_once() -> None:
    assert ADAPTER.settles_within == timedelta(0)
    assert ADAPTER.platform == "bluesky"
    assert ADAPTER.rules({"gallery": True}).images.limit == 10
    assert ADAPTER.settles(HANDLES) == timedelta(0)
    assert ADAPTER.fetches_media is False


# where it is, and away with it


@pytest.mark.parametrize("remote_id", [f"at://did:plc:another/app.bsky.feed.post/{RKEY}", "at://nonsense", "9", ""])
async def test_what_is_no_post_of_this_account_is_neither_shown_nor_deleted(remote_id: str) -> None:
    server = Server()
    assert await ADAPTER.locate(ACCOUNT, CREDENTIAL, remote_id, server) is None
    assert await ADAPTER.remove(ACCOUNT, CREDENTIAL, remote_id, server) is False
    assert server.asked == []


async def test_where_a_post_is_follows_from_its_id_and_nobody_is_asked() -> None:
    server = Server()
    assert await ADAPTER.locate(ACCOUNT, CREDENTIAL, URI, server) == RECEIPT.url
    assert server.asked == []


@pytest.mark.parametrize("answer", [answered({"commit": {}}), answered({}), answered("")])
async def test_a_post_is_deleted_by_its_key(answer: Answer) -> None:
    server = Server({"deleteRecord": answer})
    assert await ADAPTER.remove(ACCOUNT, CREDENTIAL, URI, server) is True
    (request,) = server.asked
    assert (request.method, request.url) == ("POST", f"{HOST}/xrpc/com.atproto.repo.deleteRecord")
    assert request.headers == {"Authorization": "Bearer access"}
    assert request.json == {"repo": DID, "collection": "app.bsky.feed.post", "rkey": RKEY}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, "ExpiredToken"), CredentialExpired),
        (refused(401, "AuthMissing"), Disconnected),
        (refused(429, "RateLimitExceeded"), RateLimited),
        (refused(502, "UpstreamFailure"), Unavailable),
        (answered("<html>", 502), Unavailable),
        (answered("<html>", 200), Unavailable),
        (Unconfirmed("cut"), Unavailable),
        (Unreachable("no connection", host="pds.example"), Unreachable),
    ],
)
async def test_a_post_that_could_not_be_deleted_is_not_called_deleted(
    answer: Answer | Exception, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as caught:
        await ADAPTER.remove(ACCOUNT, CREDENTIAL, URI, Server({"deleteRecord": answer}))
    assert type(caught.value) is error
    assert len(caught.value.message) > 1
