"""The legs of OAuth 1.0a that an application goes itself, each verified by oauthlib: a request token, and an access token.

Source: RFC 5849, section 2; tumblr/docs api.md, "OAuth1 Authorization". The leg between them is a page. They stand at
www.tumblr.com, outside of the API: answers are forms, and refusals plain words, which no document tells.
"""

from typing import Any

from oauthlib.oauth1 import AccessTokenEndpoint, RequestTokenEndpoint

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.tumblr import CONSUMER_KEY
from hayon.sandbox.tumblr.blog import tumblr_of
from hayon.sandbox.tumblr.keys import RequestToken, new_text
from hayon.sandbox.tumblr.oauth import NOBODY, Validator, greet, what_is_signed

REFUSED = "The request for a token is not valid"


async def request_token(call: Call) -> Answer:
    """POST /oauth/request_token, signed without a token, with the address to return to."""
    return _gone(call, RequestTokenEndpoint(_Legs(call.world), _new_token).create_request_token_response)


async def access_token(call: Call) -> Answer:
    """/oauth/access_token, signed with an allowed request token and its verifier; the request token is good once."""
    return _gone(call, AccessTokenEndpoint(_Legs(call.world), _new_token).create_access_token_response)


def _gone(call: Call, leg: Any) -> Answer:
    greet(call)
    if not call.request.headers.get("authorization", "").lower().startswith("oauth "):
        raise Refused(401, REFUSED)
    try:
        _, body, status = leg(*what_is_signed(call))
    except ValueError:
        # oauthlib raises it for parameters that are not percent-encoded as they must be
        raise Refused(401, REFUSED) from None
    return Answer(str(body)) if status == 200 else Answer(REFUSED, 401)


def _new_token() -> str:
    return new_text(50)


class _Legs(Validator):
    """What oauthlib asks beyond what it asks of a signed call."""

    dummy_request_token = NOBODY

    def __init__(self, world: Ground) -> None:
        super().__init__(world)
        self._world = world

    def check_request_token(self, request_token: str) -> bool:
        """Any text may be one."""
        return bool(request_token)

    def check_verifier(self, verifier: str) -> bool:
        """As above."""
        return bool(verifier)

    def get_default_realms(self, client_key: str, request: Any) -> list[str]:
        """There are none."""
        return []

    def get_realms(self, token: str, request: Any) -> list[str]:
        """There are none."""
        return []

    def validate_requested_realms(self, client_key: str, realms: Any, request: Any) -> bool:
        """There are none."""
        return not realms

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        """Whether people may be sent there, with whatever the application adds to find its way."""
        return client_key == CONSUMER_KEY and self.keys.leads_home(redirect_uri.partition("?")[0])

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        """Whether somebody allowed it, and it is not too old."""
        asked = self.keys.find_request(token)
        return asked is not None and bool(asked.account_id)

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        """Whether it is the one that went back with the person."""
        asked = self.keys.find_request(token)
        return asked is not None and bool(asked.verifier) and asked.verifier == verifier

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        """The token's, or one that nothing is signed with."""
        asked = self.keys.find_request(token)
        return asked.secret if asked else NOBODY

    def save_request_token(self, token: dict[str, str], request: Any) -> None:
        """An application asks to be let in."""
        self.keys.spend(request.timestamp, request.nonce, "")
        asked = RequestToken(token["oauth_token"], token["oauth_token_secret"], request.redirect_uri, self._world.now())
        self.keys.keep_request(asked)

    def save_access_token(self, token: dict[str, str], request: Any) -> None:
        """It is let in."""
        asked = tumblr_of(self._world).keys.find_request(request.resource_owner_key)
        if asked is None:
            raise ValueError("the request token has grown too old")
        self.keys.spend(request.timestamp, request.nonce, asked.token)
        made = self.keys.new_signed(asked.account_id, token["oauth_token"], token["oauth_token_secret"])
        self._world.happen(made)

    def invalidate_request_token(self, client_key: str, request_token: str, request: Any) -> None:
        """It is used up."""
        self.keys.forget(request_token)
