"""The face that accounts see: Pages are connected by a login there, or by a Page's id and its own access token in hand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from hayon.domain.model import Account
from hayon.errors import Disconnected, Invalid, PlatformError, Problem, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Allowance, Authorization, Connected, Credential
from hayon.platforms.facebook.addresses import LIVE_PUBLIC_URL, LIVE_URL
from hayon.platforms.facebook.limits import NAME, PLATFORM
from hayon.platforms.facebook.login import BUSINESS, SCOPES, find_pages, long_token
from hayon.platforms.facebook.pages import introduced, name_in
from hayon.platforms.meta.graph import Graph, token_of
from hayon.platforms.meta.login import App, is_token, issued
from hayon.platforms.meta.reading import id_in


class FacebookConnecting:
    """Connects Pages with a token of their own, which does not expire (page "Long-Lived Access Tokens")."""

    def __init__(self, *, base_url: str, version: str, app: App) -> None:
        self._base_url = base_url.rstrip("/")
        self._connecting_version = version
        self._login = app

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `pageId` and `accessToken`. Raises Invalid also where the token is not that Page's own."""
        problems: list[Problem] = []
        page = _page_in(given.get("pageId"), problems)
        token = _token_in(given.get("accessToken"), problems)
        if problems:
            raise Invalid(problems)
        graph = Graph(self._base_url, self._connecting_version, token, NAME)
        return await _introduce(graph, outgoing, wanted=page)

    def host_of(self, given: Mapping[str, Any]) -> str:
        """Always the same. Raises Invalid where no app is set."""
        self._login.require()
        return self._base_url

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """Facebook's login. `businesses` asks for the Pages of business portfolios too, which needs a permission more.

        What a person once refused is asked for again, which Facebook would not do by itself.
        """
        self._login.require()
        wanted = {"": False, "false": False, "true": True}.get(str(given.get("businesses", "")).lower())
        if wanted is None:
            raise Invalid([_problem("businesses", "bad_value", "Say true or false: whether Pages of businesses too.")])
        host = LIVE_PUBLIC_URL if self._base_url == LIVE_URL else self._base_url
        return self._login.ask_for(
            f"{host}/{self._connecting_version}/dialog/oauth", redirect_uri, state,
            (*SCOPES, BUSINESS) if wanted else SCOPES, auth_type="rerequest",
        )  # fmt: skip

    async def exchange(
        self,
        returned: Mapping[str, str],
        kept: Mapping[str, Any],
        redirect_uri: str,
        outgoing: Outgoing,
    ) -> Sequence[Connected]:
        """Code to the person's token, that to a long-lived one, and with it the Pages, each with a token of its own.

        The person's token is not kept: a Page's, made with a long-lived one, has no date of expiry.
        """
        app = self._login
        home = Graph(self._base_url, self._connecting_version, "", NAME)
        short = await app.redeem(returned, home.url("oauth/access_token"), redirect_uri, outgoing)
        token = await long_token(home, app, issued(short, NAME), outgoing)
        pages = await find_pages(replace(home, token=token, secret=app.secret), outgoing)
        return [replace(page, credential={**page.credential, "appId": app.id}) for page in pages]

    def renew_at(self, credential: Credential) -> datetime | None:
        """Never: see expires_soon."""
        return None

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        """False always: permissions are given back with the token of the person, which is not kept."""
        return False

    async def allowances(self, account: Account, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        """Nothing: Facebook has no endpoint that counts a Page's posts."""
        return []

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Never: a Page's token has no date of expiry, though it can be withdrawn."""
        return False

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """Raises Disconnected always: only the owner can make another token."""
        raise Disconnected("Facebook renews no Page tokens. Make a new one and reconnect the Page.")

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks again which Page the token is of."""
        secret = self._login.secret_for(credential)
        graph = Graph(account.host, self._connecting_version, token_of(credential), NAME, secret=secret)
        return await _introduce(graph, outgoing, wanted=None)


async def _introduce(graph: Graph, outgoing: Outgoing, *, wanted: str | None) -> Connected:
    """Who the token speaks for. `wanted` is the Page that it has to be, None where the caller compares."""
    me = await graph.ask(outgoing, graph.get("me", fields="id,name"))
    page = id_in(me)
    if page is None:
        raise Unavailable("Facebook's answer could not be read, so nothing is known of this token. Try it again later.")
    name = name_in(me, "name")
    if wanted is not None and page != wanted:
        words = (
            f"This token speaks for {name or page!r}, not for the Page {wanted}. Give the Page's own token: with the "
            "token of a person who may publish there, GET /me/accounts lists it beside the Page."
        )
        raise Invalid([_problem("accessToken", "not_this_page", words)])
    return introduced(graph, {**await _profile(graph, page, outgoing), **me}, graph.token)


async def _profile(graph: Graph, page: str, outgoing: Outgoing) -> Mapping[str, Any]:
    """How the Page looks. It only adorns the account, so it may fail."""
    try:
        return await graph.ask(outgoing, graph.get(page, fields="name,username,picture"))
    except PlatformError:
        return {}


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
    elif not is_token(token):
        problems.append(_problem("accessToken", "bad_token", "This is no access token: copy it once more, whole."))
    return token
