"""Letting an application in: what it may ask, the code that people bring back, the token that a code is good for. No pages.

Source: Meta's pages "Threads: Get Access Tokens", "Business Login for Instagram", "Manually Build a Login Flow". Words of
refusals as clients have seen them.
"""

import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.meta.calls import Api, GraphMemory
from hayon.sandbox.meta.graph import need, parameters, token_error
from hayon.sandbox.meta.logins import CODE_SECONDS, Code
from hayon.sandbox.meta.renewing import APP_SECRET
from hayon.sandbox.meta.tokens import SHORT_SECONDS, Token
from hayon.sandbox.model import Account

REFUSED = {
    "error": "access_denied",
    "error_reason": "user_denied",
    "error_description": "The user denied your request",
}
BAD_SECRET, BAD_CODE, USED, EXPIRED, ELSEWHERE = range(5)
WORDS = {
    BAD_SECRET: "Error validating client secret.",
    BAD_CODE: "Invalid authorization code",
    USED: "This authorization code has been used",
    EXPIRED: "This authorization code has expired",
    ELSEWHERE: "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the "
    "OAuth dialog request",
}


@dataclass(frozen=True, slots=True)
class Login:
    """How one platform lets the one simulated application in."""

    api: Api
    app_id: str
    scopes: Collection[str]
    """The permissions that can be asked for."""
    needed: str
    """The one without which none is given; empty where there is none."""
    ending: str
    """What the address ends with that people come back to."""
    kind: str
    """Of the token that a code is good for."""
    refusal: Callable[[int], Refused]
    """How an exchange is refused, for one of the reasons above."""
    answer: Callable[[Account, Token], dict[str, Any]]
    """What is told with the token."""


def refusal(reason: int) -> Refused:
    """A refused exchange as Threads and Instagram word it."""
    return token_error(WORDS[reason])


def check_request(world: Ground, login: Login, asked: Mapping[str, str]) -> list[str]:
    """The permissions that a request to be let in asks for; ValueError in words if it asks what cannot be."""
    logins = world.memory(login.api.platform, GraphMemory).logins
    if asked.get("client_id") != login.app_id:
        raise ValueError("Invalid App ID: The provided app ID does not look like a valid app ID.")
    if not logins.leads_home(asked.get("redirect_uri", "")):
        raise ValueError(
            "URL blocked: This redirect failed because the redirect URI is not white-listed in the app's client OAuth settings."
        )
    if asked.get("response_type") != "code":
        raise ValueError("Invalid response type: only code is allowed here.")
    scopes = list(dict.fromkeys(one for one in re.split(r"[ ,]+", asked.get("scope", "")) if one))
    if strange := [one for one in scopes if one not in login.scopes]:
        raise ValueError(f"Invalid Scopes: {', '.join(strange)}")
    if login.needed and login.needed not in scopes:
        raise ValueError(f"Invalid Scopes: {login.needed} is required")
    return scopes


def let_in(
    world: Ground, login: Login, account: Account, asked: Mapping[str, str], pages: list[str] | None = None
) -> str:
    """Where the browser goes after `account` allowed what was asked; ValueError as above."""
    scopes = check_request(world, login, asked)
    logins = world.memory(login.api.platform, GraphMemory).logins
    code = logins.new_code(Code(account.account_id, asked["redirect_uri"], scopes, world.now(), pages))
    return _back(asked, {"code": code}, login.ending)


def keep_out(world: Ground, login: Login, asked: Mapping[str, str]) -> str:
    """Where the browser goes after nobody allowed anything; ValueError as above."""
    check_request(world, login, asked)
    return _back(asked, REFUSED, login.ending)


async def redeem(call: Call, login: Login) -> Answer:
    """POST oauth/access_token: a short token for a code, with the application's secret and the same redirect address."""
    given = await parameters(call)
    secret, redirect_uri = need(given, "client_secret"), need(given, "redirect_uri")
    known = need(given, "client_id") == login.app_id and secrets.compare_digest(secret.encode(), APP_SECRET.encode())
    if not known:
        raise login.refusal(BAD_SECRET)
    memory, text = call.world.memory(login.api.platform, GraphMemory), need(given, "code")
    code = memory.logins.codes.get(text)
    if code is None:
        raise login.refusal(BAD_CODE)
    if not code.account_id:
        raise login.refusal(USED)
    if call.now >= code.issued_at + CODE_SECONDS:
        raise login.refusal(EXPIRED)
    if redirect_uri != code.redirect_uri:
        raise login.refusal(ELSEWHERE)
    memory.logins.codes[text] = Code("", code.redirect_uri, [], code.issued_at)
    account = call.world.get_account(login.api.platform, code.account_id)
    token, event = memory.tokens.new(account, login.kind, SHORT_SECONDS, code.scopes, pages=code.pages)
    call.world.happen(event)
    return Answer({"access_token": token.text, **login.answer(account, token)})


def _back(asked: Mapping[str, str], facts: Mapping[str, str], ending: str) -> str:
    uri, state = asked["redirect_uri"], asked.get("state")
    told = {**facts, **({"state": state} if state else {})}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(told)}{ending}"
