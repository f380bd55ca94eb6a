"""The face that accounts see: a Page's id and its own access token in, a connected Page out."""

import re
import string
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hayon.domain.model import Account
from hayon.errors import Disconnected, Invalid, PlatformError, Problem, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Credential
from hayon.platforms.facebook.limits import NAME, PLATFORM
from hayon.platforms.meta.graph import Graph, id_in, token_of

LONGEST_TOKEN = 2048
LONGEST_NAME = 200
_TOKEN_SIGNS = frozenset(string.ascii_letters + string.digits + string.punctuation)


class FacebookConnecting:
    """Connects Pages with a token of their own, which does not expire (page "Long-Lived Access Tokens")."""

    def __init__(self, *, base_url: str, version: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._connecting_version = version

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `pageId` and `accessToken`. Raises Invalid also where the token is not that Page's own."""
        problems: list[Problem] = []
        page = _page_in(given.get("pageId"), problems)
        token = _token_in(given.get("accessToken"), problems)
        if problems:
            raise Invalid(problems)
        graph = Graph(self._base_url, self._connecting_version, token, NAME)
        return await _introduce(graph, outgoing, wanted=page)

    def expires_soon(self, credential: Credential, now: datetime) -> bool:  # noqa: ARG002 - the contract's words
        """Never: a Page's token has no date of expiry, though it can be withdrawn."""
        return False

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:  # noqa: ARG002 - the contract's words
        """Raises Disconnected always: only the owner can make another token."""
        raise Disconnected("Facebook renews no Page tokens. Make a new one and reconnect the Page.")

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks again which Page the token is of."""
        graph = Graph(account.host, self._connecting_version, token_of(credential), NAME)
        return await _introduce(graph, outgoing, wanted=None)


async def _introduce(graph: Graph, outgoing: Outgoing, *, wanted: str | None) -> Connected:
    """Who the token speaks for. `wanted` is the Page that it has to be, None where the caller compares."""
    me = await graph.ask(outgoing, graph.get("me", fields="id,name"))
    page = id_in(me)
    if page is None:
        raise Unavailable("Facebook's answer could not be read, so nothing is known of this token. Try it again later.")
    name = _name_in(me, "name")
    if wanted is not None and page != wanted:
        words = (
            f"This token speaks for {name or page!r}, not for the Page {wanted}. Give the Page's own token: with the "
            "token of a person who may publish there, GET /me/accounts lists it beside the Page."
        )
        raise Invalid([_problem("accessToken", "not_this_page", words)])
    shown = await _profile(graph, page, outgoing)
    username = _name_in(shown, "username")
    return Connected(
        remote_id=page,
        handle=f"@{username}" if username else name or page,
        host=graph.address,
        credential={"accessToken": graph.token},
        display_name=name,
        avatar_url=_picture_in(shown),
        facts={"username": username} if username else {},
    )


async def _profile(graph: Graph, page: str, outgoing: Outgoing) -> Mapping[str, Any]:
    """How the Page looks. It only adorns the account, so it may fail."""
    try:
        return await graph.ask(outgoing, graph.get(page, fields="name,username,picture"))
    except PlatformError:
        return {}


def _picture_in(shown: Mapping[str, Any]) -> str | None:
    picture = shown.get("picture")
    inner = picture.get("data") if isinstance(picture, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


def _name_in(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field)
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def _problem(field: str, rule: str, message: str) -> Problem:
    return Problem(field, rule, message, PLATFORM)


def _page_in(given: Any, problems: list[Problem]) -> str:
    page = given.strip() if isinstance(given, str) else str(given) if type(given) is int else ""
    if not page:
        problems.append(_problem("pageId", "required", "Give the Page's id, a number; the Page shows it under About."))
    elif not re.fullmatch("[0-9]{1,40}", page, re.ASCII):
        problems.append(_problem("pageId", "bad_id", "This is no Page id: it is the number, not the name of the Page."))
    return page


def _token_in(given: Any, problems: list[Problem]) -> str:
    token = given.strip() if isinstance(given, str) else ""
    if not token:
        problems.append(_problem("accessToken", "required", "Give the Page's own access token."))
    elif len(token) > LONGEST_TOKEN or not _TOKEN_SIGNS.issuperset(token):
        problems.append(_problem("accessToken", "bad_token", "This is no access token: copy it once more, whole."))
    return token
