"""Who is calling: OAuth 1.0a verified by oauthlib, OAuth2 bearer tokens, how those are given, exchanged and renewed.

Source: RFC 5849 with what tumblr/docs api.md says of it: HMAC-SHA1, the Authorization header only, and nothing of a JSON
or multipart body in the signature.
"""

import hmac
import math
from typing import Any

from oauthlib.oauth1 import RequestValidator, ResourceEndpoint

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.ground import Ground
from hayon.sandbox.model import Account, Platform, Standing
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.tumblr.blog import tumblr_of
from hayon.sandbox.tumblr.keys import SCOPES, Bearer, SignedToken
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.wire import (
    bearer_text,
    charge_address,
    charge_key,
    error,
    kind_of,
    not_found,
    not_simulated,
    parameters,
    unauthorized,
)

NOBODY = "nobody"
"""What oauthlib works with in place of a client or token that there is not, so that it takes as long as with one."""


def caller(call: Call, *, write: bool = False) -> Account:
    """The user who is calling, the call counted; or the refusal."""
    greet(call)
    token = _signed(call) if _scheme(call) == "oauth" else _bearer(call)
    account = _standing(call, token.account_id)
    charge_key(call)
    if write and isinstance(token, Bearer) and "write" not in token.scopes.split():
        raise error(403, "The token does not allow to write")
    return account


def owner(call: Call) -> Account:
    """The user who is calling, to write to a blog of theirs."""
    account = caller(call, write=True)
    if blog(call).account_id != account.account_id:
        raise error(403, "You are not a member of this blog")
    if account.standing is Standing.RESTRICTED:
        raise error(403, "You may not post")
    return account


def viewer(call: Call) -> Account | None:
    """The user who is reading, or nobody where only an application's key was sent; the call counted."""
    if call.request.headers.get("authorization"):
        return caller(call)
    greet(call)
    if call.request.query_params.get("api_key") != CONSUMER_KEY:
        raise unauthorized()
    charge_key(call)
    return None


def blog(call: Call) -> Account:
    """The blog that the path names: by its name, its host name or its uuid."""
    name = call.request.path_params["blog"]
    account = call.world.find_account(Platform.TUMBLR, name.removesuffix(".tumblr.com"))
    if account is None or account.standing is Standing.TAKENDOWN:
        raise not_found()
    return account


async def create_token(call: Call) -> Answer:
    """POST /v2/oauth2/token with a code or a refresh token, either of which is good once."""
    greet(call)
    given, _ = await parameters(call)
    if given.get("client_id") != CONSUMER_KEY or not _same(given.get("client_secret"), CONSUMER_SECRET):
        raise unauthorized()
    charge_key(call)
    kind = given.get("grant_type")
    if kind == "client_credentials":
        raise not_simulated(f"the grant {kind}")
    if kind == "authorization_code":
        return _for_code(call, given)
    if kind != "refresh_token":
        raise error(400, "There is no such grant_type")
    keys = tumblr_of(call.world).keys
    renewal = keys.find_bearer(str(given.get("refresh_token")))
    if renewal is None or not renewal.renews or not keys.holds(renewal):
        raise unauthorized()
    account = call.world.get_account(Platform.TUMBLR, renewal.account_id)
    return _issued(call, account, renewal.scopes, renewal)


def _for_code(call: Call, given: dict[str, Any]) -> Answer:
    keys = tumblr_of(call.world).keys
    code = keys.find_code(str(given.get("code")))
    keys.forget(str(given.get("code")))
    if code is None or code.redirect_uri != given.get("redirect_uri"):
        raise error(400, "The authorization code is invalid, expired, or was issued for another redirect URI")
    return _issued(call, call.world.get_account(Platform.TUMBLR, code.account_id), code.scopes)


async def exchange(call: Call) -> Answer:
    """POST /v2/oauth2/exchange: the tokens of OAuth2 for that of OAuth 1.0a, which is no good any more."""
    if _scheme(call) != "oauth":
        raise error(400, "The request must be signed with OAuth 1.0a")
    greet(call)
    token = _signed(call)
    charge_key(call)
    return _issued(call, _standing(call, token.account_id), SCOPES, token)


def _issued(call: Call, account: Account, scopes: str, in_place_of: Bearer | SignedToken | None = None) -> Answer:
    access, renewal, events = tumblr_of(call.world).keys.new_pair(account, scopes)
    told = {
        "access_token": access.token,
        "expires_in": int(call.world.limits.of(TumblrLimits).access_seconds),
        "id_token": False,
        "refresh_token": renewal.token,
        "scope": scopes,
        "token_type": "bearer",
    }
    if in_place_of is not None:
        events.append(("tumblr.revoked", {"token": in_place_of.token}))
    elif "offline_access" not in scopes.split():
        events, told = events[:1], {name: held for name, held in told.items() if name != "refresh_token"}
    call.world.happen(*events)
    # outside of the envelope, as the documents show it
    return Answer(told)


def greet(call: Call) -> None:
    """What every request must have."""
    charge_address(call)
    if not call.request.headers.get("user-agent", "").strip():
        raise error(403, "The User-Agent header is required")


def _scheme(call: Call) -> str:
    return call.request.headers.get("authorization", "").split(" ")[0].lower()


def _bearer(call: Call) -> Bearer:
    keys = tumblr_of(call.world).keys
    bearer = keys.find_bearer(bearer_text(call.request))
    if bearer is None or bearer.renews or not keys.holds(bearer):
        raise unauthorized()
    return bearer


def _signed(call: Call) -> SignedToken:
    try:
        good, seen = ResourceEndpoint(Validator(call.world)).validate_protected_resource_request(*what_is_signed(call))
    except ValueError:
        # oauthlib raises it for parameters that are not percent-encoded as they must be
        raise unauthorized() from None
    keys = tumblr_of(call.world).keys
    signed = keys.find_signed(seen.resource_owner_key) if good else None
    if signed is None:
        raise unauthorized()
    keys.spend(seen.timestamp, seen.nonce, signed.token)
    return signed


def what_is_signed(call: Call) -> tuple[str, str, str | None, dict[str, str]]:
    """Address, method, body (only a form's is signed) and headers, as oauthlib asks for them."""
    path, query = call.request.scope["raw_path"].decode("ascii"), call.request.url.query
    address = f"{call.base_url}{path}{'?' if query else ''}{query}"
    is_form = kind_of(call) == "application/x-www-form-urlencoded"
    body = call.body.decode("utf-8", "replace") if is_form else None
    headers = {name: held for name, held in call.request.headers.items() if name in ("authorization", "content-type")}
    return address, call.request.method, body, {name.title(): held for name, held in headers.items()}


def _standing(call: Call, account_id: str) -> Account:
    account = call.world.get_account(Platform.TUMBLR, account_id)
    if account.standing is Standing.TAKENDOWN:
        raise unauthorized()
    return account


def _same(given: Any, secret: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), secret.encode())


class Validator(RequestValidator):  # type: ignore[misc]  # it ships no types
    """What oauthlib asks of the world. Freshness is judged by its clock, not by oauthlib."""

    enforce_ssl = False
    allowed_signature_methods = ("HMAC-SHA1",)
    timestamp_lifetime = math.inf
    dummy_client = NOBODY
    dummy_access_token = NOBODY

    def __init__(self, world: Ground) -> None:
        super().__init__()
        self.keys = tumblr_of(world).keys

    def check_client_key(self, client_key: str) -> bool:
        """Any text may be one."""
        return bool(client_key)

    def check_access_token(self, request_token: str) -> bool:
        """As above."""
        return bool(request_token)

    def check_nonce(self, nonce: str) -> bool:
        """As above."""
        return bool(nonce)

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        """Whether the request is of about now, and new."""
        return self.keys.is_fresh(timestamp, nonce, access_token or request_token or "")

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        """Whether it is the one application."""
        return client_key == CONSUMER_KEY

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        """Whether the token is good."""
        held = self.keys.find_signed(token)
        return held is not None and not held.revoked

    def validate_realms(
        self,
        client_key: str,
        token: str,
        request: Any,
        uri: str | None = None,
        realms: Any = None,
    ) -> bool:
        """There are none."""
        return True

    def get_client_secret(self, client_key: str, request: Any) -> str:
        """The application's, or one that nothing is signed with."""
        return CONSUMER_SECRET if client_key == CONSUMER_KEY else NOBODY

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        """The token's, or one that nothing is signed with."""
        held = self.keys.find_signed(token)
        return held.secret if held else NOBODY
