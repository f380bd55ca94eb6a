"""The token endpoints that Threads and Instagram share but for their names: exchange a short token, refresh a long one."""

import secrets

from hayon.sandbox.gate import Answer, Call
from hayon.sandbox.meta.calls import Api, GraphMemory, caller
from hayon.sandbox.meta.graph import need, not_allowed, parameters, token_error
from hayon.sandbox.meta.tokens import LONG_SECONDS, REFRESHED_FROM_SECONDS, Token
from hayon.sandbox.model import Account

APP_SECRET = "sandbox-app-secret"  # noqa: S105 - what a simulated application is given
"""The secret of the one application that every simulated token belongs to."""
FACEBOOK_APP_ID = "1450000000000001"
THREADS_APP_ID = "1450000000000002"
INSTAGRAM_APP_ID = "1450000000000003"
"""One application has an id of its own on each platform."""


async def exchange(call: Call, api: Api, grant: str) -> Answer:
    """GET /access_token: a long token for a short one, with the application's secret."""
    account, token = caller(call, api)
    given = await parameters(call)
    _granted(need(given, "grant_type"), grant)
    if not secrets.compare_digest(need(given, "client_secret").encode(), APP_SECRET.encode()):
        raise token_error("Error validating client secret.")
    if token.kind != "short":
        raise token_error("The access token is not a short-lived access token")
    return _issued(call, api, account, token)


async def refresh(call: Call, api: Api, grant: str, scope: str) -> Answer:
    """GET /refresh_access_token: the next long token, from the 24th hour of the one before until its end.

    A short token never becomes that old.
    """
    account, token = caller(call, api)
    given = await parameters(call)
    _granted(need(given, "grant_type"), grant)
    if scope not in token.scopes:
        raise not_allowed(scope)
    if call.now < token.issued_at + REFRESHED_FROM_SECONDS:
        raise token_error("The access token must be at least 24 hours old to be refreshed")
    return _issued(call, api, account, token)


def _granted(given: str, wanted: str) -> None:
    if given != wanted:
        raise token_error(f"Invalid grant_type: {given}")


def _issued(call: Call, api: Api, account: Account, token: Token) -> Answer:
    tokens = call.world.memory(api.platform, GraphMemory).tokens
    fresh, event = tokens.new(account, "long", LONG_SECONDS, token.scopes)
    call.world.happen(event)
    return Answer({"access_token": fresh.text, "token_type": "bearer", "expires_in": LONG_SECONDS})
