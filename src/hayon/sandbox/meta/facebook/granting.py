"""What the simulated Facebook tells a person's token: what was granted, which Pages there are, which businesses have more.

Source: Meta's pages "Long-Lived Access Tokens", "User Permissions", "User Accounts", "Business Owned Pages".
"""

import secrets
from collections.abc import Sequence
from typing import Any

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.meta.calls import caller
from hayon.sandbox.meta.entering import BAD_CODE, BAD_SECRET, ELSEWHERE, EXPIRED, USED, WORDS, Login, redeem
from hayon.sandbox.meta.facebook.people import Role
from hayon.sandbox.meta.facebook.wire import API, APP_ID, LIST, facebook_of, person_id
from hayon.sandbox.meta.graph import error, need, not_there, parameters
from hayon.sandbox.meta.nodes import asked, page, shown
from hayon.sandbox.meta.renewing import APP_SECRET
from hayon.sandbox.meta.tokens import LONG_SECONDS, SHORT_SECONDS, Token
from hayon.sandbox.model import Account
from hayon.sandbox.portraits import portrait_url

BUSINESS = "business_management"
USUAL = ("access_token", "category", "category_list", "name", "tasks")
USUAL_OF_BUSINESS = ("name", "access_token", "category")
CODES = {
    BAD_SECRET: (1, None),
    BAD_CODE: (100, None),
    USED: (100, 36009),
    EXPIRED: (100, 36007),
    ELSEWHERE: (100, 36008),
}


def _refusal(reason: int) -> Refused:
    code, subcode = CODES[reason]
    return error(code, f"{WORDS[reason]}.", subcode=subcode)


LOGIN = Login(
    api=API,
    app_id=APP_ID,
    scopes=(
        "public_profile", "pages_show_list", "pages_read_engagement", "pages_read_user_content", "pages_manage_posts",
        "pages_manage_engagement", BUSINESS,
    ),
    needed="",
    ending="#_=_",
    kind="user",
    refusal=_refusal,
    answer=lambda _, token: _lasting(token),
)  # fmt: skip


async def exchange_code(call: Call) -> Answer:
    """GET or POST /oauth/access_token: a person's token for a code."""
    return await redeem(call, LOGIN)


async def exchange_token(call: Call) -> Answer:
    """GET /oauth/access_token?grant_type=fb_exchange_token: a person's token of sixty days for one that is still good."""
    given = await parameters(call)
    known = need(given, "client_id") == APP_ID
    if not known or not secrets.compare_digest(need(given, "client_secret").encode(), APP_SECRET.encode()):
        raise _refusal(BAD_SECRET)
    tokens = facebook_of(call.world).tokens
    token = tokens.check(need(given, "fb_exchange_token"))
    account = call.world.get_account(API.platform, token.account_id)
    fresh, event = tokens.new(account, token.kind, LONG_SECONDS, token.scopes, pages=token.pages)
    call.world.happen(event)
    return Answer({"access_token": fresh.text, **_lasting(fresh)})


async def list_permissions(call: Call) -> Answer:
    """GET /{person}/permissions."""
    _, token = _person(call)
    return Answer({"data": [{"permission": one, "status": "granted"} for one in token.scopes]})


async def list_accounts(call: Call) -> Answer:
    """GET /{person}/accounts: the Pages with their tokens, those of businesses left out."""
    account, token = _person(call, LIST)
    held = [one for one in facebook_of(call.world).roles.of(account) if not one.business and _ticked(token, one)]
    return await _listed(call, token, held, USUAL, tasks=True)


async def list_businesses(call: Call) -> Answer:
    """GET /{person}/businesses."""
    account, _ = _person(call, BUSINESS)
    given = await parameters(call)
    roles = facebook_of(call.world).roles
    names = list(dict.fromkeys(one.business for one in roles.of(account) if one.business))
    fields = asked(given)

    def told(name: str) -> dict[str, Any]:
        return shown("Business", {"id": roles.business_id(name), "name": name}, fields, ("name",))

    order = {name: -number for number, name in enumerate(names)}
    return Answer(page(call, given, names, order=order.__getitem__, at=lambda _: 0.0, show=told))


async def list_owned_pages(call: Call) -> Answer:
    """GET /{business}/owned_pages."""
    return await _of_business(call, owned=True)


async def list_client_pages(call: Call) -> Answer:
    """GET /{business}/client_pages."""
    return await _of_business(call, owned=False)


async def _of_business(call: Call, *, owned: bool) -> Answer:
    node = call.request.path_params["node"]
    account, token = caller(call, API, BUSINESS, LIST)
    roles = facebook_of(call.world).roles
    name = roles.business_named(node)
    held = [one for one in roles.of(account) if one.business == name]
    if token.kind != "user" or name is None or not held:
        raise not_there(call.request.method, node)
    return await _listed(call, token, [one for one in held if one.owned is owned], USUAL_OF_BUSINESS, tasks=False)


async def _listed(call: Call, token: Token, held: list[Role], usual: Sequence[str], *, tasks: bool) -> Answer:
    given = await parameters(call)
    fields = asked(given)
    order = {one.page: -number for number, one in enumerate(held)}

    def told(role: Role) -> dict[str, Any]:
        account = call.world.get_account(API.platform, role.page)
        whole = {
            "id": account.account_id,
            "name": account.display_name,
            "username": account.handle,
            "access_token": lambda _: _token_of(call, token, account),
            "category": "Community",
            "category_list": [{"id": "2612", "name": "Community"}],
            "picture": {"data": {"height": 50, "width": 50, "url": portrait_url(call.base_url, account)}},
            **({"tasks": role.tasks} if tasks else {}),
        }
        return shown("Page", whole, fields, usual)

    return Answer(page(call, given, held, order=lambda one: order[one.page], at=lambda _: 0.0, show=told))


def _token_of(call: Call, token: Token, account: Account) -> str:
    """The Page's token that this person's token leads to: the same each time. One made with a short token is short too."""
    if token.pages is None:
        return account.secret
    tokens = facebook_of(call.world).tokens
    known = tokens.derived(token, account)
    if known is None:
        brief = token.expires_at is not None and token.expires_at - token.issued_at <= SHORT_SECONDS
        lifetime = token.expires_at - call.now if brief and token.expires_at is not None else None
        known, event = tokens.new(account, "page", lifetime, token.scopes, source=token.text)
        call.world.happen(event)
    return known.text


def _ticked(token: Token, role: Role) -> bool:
    return token.pages is None or role.page in token.pages


def _person(call: Call, *scopes: str) -> tuple[Account, Token]:
    """The person in the path, who must be the caller."""
    account, token = caller(call, API, *scopes)
    node = call.request.path_params["node"]
    if token.kind != "user" or node not in ("me", person_id(account)):
        raise not_there(call.request.method, node)
    return account, token


def _lasting(token: Token) -> dict[str, Any]:
    return {"token_type": "bearer", "expires_in": int((token.expires_at or token.issued_at) - token.issued_at)}
