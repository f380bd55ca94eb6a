"""Signatures, verified by oauthlib as a server does, from what arrives at a socket; and what is never signed or sent."""

from collections.abc import Mapping
from typing import Any

import pytest
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

from hayon.errors import Disconnected, PlatformError, Unavailable, Unconfirmed
from hayon.outgoing import Outgoing, Part, Request
from hayon.platforms.contract import Parcel
from hayon.platforms.tumblr import Tumblr
from hayon.platforms.tumblr.calls import Api
from hayon.platforms.tumblr.signing import App, authorization
from tests.outgoing.peer import Arrived, Peer, answer_with
from tests.platforms.parcels import Checkpoints, OneSend, make_account, make_parcel
from tests.platforms.tumblr.scripted import OAUTH1, OAUTH2, UUID

APP = App("consumer+key", "consumer secret&")
CREATED = b'{"meta": {"status": 201, "msg": "Created"}, "response": {"id": "7000", "state": "draft"}}'
REPLY = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(CREATED) + CREATED


class Verifier(RequestValidator):
    """Tumblr's side: one app, one token."""

    enforce_ssl = False
    allowed_signature_methods = ("HMAC-SHA1",)
    safe_characters = frozenset(map(chr, range(33, 127)))

    def __init__(self) -> None:
        super().__init__()
        self.nonces: list[tuple[str, str]] = []

    def check_client_key(self, key: str) -> bool:
        return key == APP.key

    def validate_client_key(self, key: str, request: Any) -> bool:
        return key == APP.key

    def get_client_secret(self, key: str, request: Any) -> str:
        return APP.secret

    def check_access_token(self, token: str) -> bool:
        return True

    def validate_access_token(self, key: str, token: str, request: Any) -> bool:
        return token == OAUTH1["token"]

    def get_access_token_secret(self, key: str, token: str, request: Any) -> str:
        return OAUTH1["tokenSecret"]

    def check_nonce(self, nonce: str) -> bool:
        return len(nonce) >= 8

    def validate_timestamp_and_nonce(
        self, client_key: str, timestamp: str, nonce: str, request: Any, **more: Any
    ) -> bool:
        fresh = (timestamp, nonce) not in self.nonces
        self.nonces.append((timestamp, nonce))
        return fresh

    @property
    def dummy_client(self) -> str:
        return "nobody"

    @property
    def dummy_access_token(self) -> str:
        return "nothing"


def verified(arrived: Arrived, peer: Peer, verifier: Verifier, **changes: str) -> bool:
    """Whether a server would believe this request: its method, its address as it arrived, and its headers."""
    names = {"authorization": "Authorization", "content-type": "Content-Type", "host": "Host"}
    headers = {names[name]: value for name, value in arrived.headers.items() if name in names}
    method, path = changes.get("method", arrived.method), changes.get("path", arrived.path)
    valid, _ = SignatureOnlyEndpoint(verifier).validate_request(f"{peer.url}{path}", method, None, headers)
    return bool(valid)


def api_at(peer: Peer, credential: Mapping[str, Any] = OAUTH1) -> Api:
    return Api(peer.url, UUID, APP, credential)


async def send(api: Api, request: Request) -> None:
    outgoing = Outgoing(identity="Hayon tests", allow_private_addresses=True)
    await outgoing.send(request)
    await outgoing.aclose()


async def test_every_kind_of_call_is_signed_so_that_a_server_believes_it() -> None:
    verifier = Verifier()
    async with Peer(answer_with(REPLY)) as peer:
        api = api_at(peer)
        requests = [
            api.get("/user/info"),
            api.get(api.of_blog("posts"), {"npf": "true", "limit": "20", "before": "ä b&c=d/+~"}),
            api.get(api.of_blog("info", blog="david's log/../x?y")),
            api.post(api.of_blog("posts"), json={"content": [{"type": "text", "text": "a=b&c"}]}),
            api.post(
                api.of_blog("posts"), parts=[Part("json", "{}", mime="application/json"), Part("f", b"x", "f.png")]
            ),
            api.put(api.of_blog("posts", "7000"), json={"state": "published"}),
        ]
        for request in requests:
            await send(api, request)
        assert [verified(arrived, peer, verifier) for arrived in peer.requests] == [True] * len(requests)
        assert len(set(verifier.nonces)) == len(requests)
        # a signature is good once, for one method and one address
        first = peer.requests[1]
        assert not verified(first, peer, verifier)
        assert not verified(first, peer, Verifier(), method="POST")
        assert not verified(first, peer, Verifier(), path=first.path.replace("limit=20", "limit=21"))
        assert verified(first, peer, Verifier())


async def test_what_prepare_and_publish_send_is_believed() -> None:
    adapter, verifier = Tumblr("https://unused.example", APP.key, APP.secret), Verifier()
    async with Peer(answer_with(REPLY)) as peer:
        parcel = _parcel(peer)
        outgoing = Outgoing(identity="Hayon tests", allow_private_addresses=True)
        handles = await adapter.prepare(parcel, Checkpoints(), outgoing)
        await adapter.publish(parcel, handles, OneSend(outgoing))
        await outgoing.aclose()
        assert [(one.method, one.path) for one in peer.requests] == [
            ("POST", f"/v2/blog/{UUID}/posts"),
            ("PUT", f"/v2/blog/{UUID}/posts/7000"),
        ]
        assert all(verified(arrived, peer, verifier) for arrived in peer.requests)


async def test_the_header_is_oauths_and_holds_no_secret() -> None:
    header = authorization("GET", "https://api.tumblr.com/v2/user/info", {}, APP, OAUTH1)["Authorization"]
    assert header.startswith("OAuth ")
    assert 'oauth_signature_method="HMAC-SHA1"' in header
    assert "secret" not in header
    assert "body_hash" not in header
    assert "secret" not in repr(Api("https://h", UUID, APP, OAUTH1))
    assert "secret" not in repr(APP)


async def test_oauth2_is_a_bearer_and_needs_no_app() -> None:
    assert authorization("GET", "https://h/x", {}, App(), OAUTH2) == {"Authorization": "Bearer access"}


@pytest.mark.parametrize(
    ("app", "credential", "error"),
    [(App(), OAUTH1, Unavailable), (App("key"), OAUTH1, Unavailable), (APP, {}, Disconnected),
     (APP, {"token": "t"}, Disconnected)],
)  # fmt: skip
def test_without_app_or_credential_nothing_is_asked(
    app: App, credential: dict[str, str], error: type[PlatformError]
) -> None:
    with pytest.raises(error) as raised:
        authorization("GET", "https://h/x", {}, app, credential)
    assert not isinstance(raised.value, Unconfirmed)
    assert ("HAYON_TUMBLR_APP_ID and HAYON_TUMBLR_APP_SECRET" in raised.value.message) is (error is Unavailable)


def _parcel(peer: Peer) -> Parcel:
    return make_parcel(make_account("tumblr", peer.url, UUID), OAUTH1, "Hello")
