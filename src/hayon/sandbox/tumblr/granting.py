"""What somebody is asked who lets an application in, and where their browser goes then. No HTTP.

Source: tumblr/docs api.md, "OAuth2 Authorization" and "OAuth1 Authorization"; RFC 6749, section 4.1, for a no. What Tumblr
adds to the address after a no to OAuth 1.0a is not told: nothing, here.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from hayon.sandbox.ground import Ground
from hayon.sandbox.model import Account
from hayon.sandbox.tumblr import CONSUMER_KEY
from hayon.sandbox.tumblr.blog import tumblr_of
from hayon.sandbox.tumblr.keys import Code, RequestToken, new_text

SCOPES = frozenset({"basic", "write", "offline_access"})


def check(world: Ground, asked: Mapping[str, str]) -> str:
    """The scopes asked for by OAuth2; ValueError in words if it asks what cannot be."""
    scopes = asked.get("scope") or "basic"
    if asked.get("client_id") != CONSUMER_KEY:
        raise ValueError("There is no such application.")
    if not tumblr_of(world).keys.leads_home(asked.get("redirect_uri", "")):
        raise ValueError("The redirect_uri is not one that the application registered.")
    if asked.get("response_type") != "code":
        raise ValueError("The response_type must be code.")
    if not asked.get("state"):
        raise ValueError("The state is required.")
    if not set(scopes.split()) <= SCOPES:
        raise ValueError("There is no such scope.")
    return scopes


def allow(world: Ground, account: Account, asked: Mapping[str, str]) -> str:
    """Where the browser goes after `account` allowed it by OAuth2; ValueError as above."""
    scopes, code = check(world, asked), new_text(64)
    made = Code(code, account.account_id, asked["redirect_uri"], scopes, world.now())
    tumblr_of(world).keys.keep_code(made)
    return _back(asked["redirect_uri"], {"code": code, "state": asked["state"]})


def deny(world: Ground, asked: Mapping[str, str]) -> str:
    """Where it goes after a no."""
    check(world, asked)
    return _back(asked["redirect_uri"], {"error": "access_denied", "state": asked["state"]})


def check_signed(world: Ground, asked: Mapping[str, str]) -> RequestToken:
    """The request token of OAuth 1.0a that is asked about; ValueError if it is none, too old, or somebody's already."""
    found = tumblr_of(world).keys.find_request(asked.get("oauth_token", ""))
    if found is None or found.account_id:
        raise ValueError("There is no such request, or it has been answered, or it took too long.")
    return found


def allow_signed(world: Ground, account: Account, asked: Mapping[str, str]) -> str:
    """Where the browser goes after `account` allowed it by OAuth 1.0a; ValueError as above."""
    found = check_signed(world, asked)
    allowed = replace(found, account_id=account.account_id, verifier=new_text(32))
    tumblr_of(world).keys.keep_request(allowed)
    return _back(found.callback, {"oauth_token": found.token, "oauth_verifier": allowed.verifier})


def deny_signed(world: Ground, asked: Mapping[str, str]) -> str:
    """Where it goes after a no."""
    found = check_signed(world, asked)
    tumblr_of(world).keys.forget(found.token)
    return found.callback


def _back(callback: str, more: Mapping[str, str]) -> str:
    return f"{callback}{'&' if '?' in callback else '?'}{urlencode(more)}"
