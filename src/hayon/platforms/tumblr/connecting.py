"""The face that accounts see: which blog and a credential in, a connected account out; OAuth 2 credentials kept fresh.

Sources: tumblr/docs: api.md ("Authentication", "/user/info", "/v2/oauth2/token", "Blog Identifiers").
"""

import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Account, Json
from hayon.errors import CredentialExpired, Disconnected, Invalid, Problem, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Allowance, Authorization, Connected, Credential
from hayon.platforms.tumblr.allowances import allowances_of_person
from hayon.platforms.tumblr.authorizing import OAUTH1, OAUTH2, Door
from hayon.platforms.tumblr.calls import Api, misread, response_in
from hayon.platforms.tumblr.limits import PLATFORM
from hayon.platforms.tumblr.signing import SET_THE_APP, App, is_renewable
from hayon.platforms.tumblr.tokens import ask_for_tokens, pair_in, refresh_failure

RENEWED_BEFORE = timedelta(minutes=5)
RENEWED_WHEN_IDLE = timedelta(days=21)
"""Half of the 42 days that a refresh token lives (tumblr/docs issue 134)."""
AT_ONCE = datetime.fromtimestamp(0, UTC)
MOST_BLOGS = 50
"""To choose from; those of people who have more can be connected by hand."""
LONGEST_TOKEN = 2048
LONGEST_NAME = 200
_SIGNING, _BEARING = ("token", "tokenSecret"), ("accessToken", "refreshToken")
_TOKEN_SIGNS = frozenset(string.ascii_letters + string.digits + string.punctuation)


class TumblrConnecting:
    """Connects blogs of the people who gave the operator's app a token."""

    def __init__(self, *, host: str, app: App) -> None:
        self._host = host
        self._app = app

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `token` and `tokenSecret` (OAuth 1.0a), or with `accessToken` and `refreshToken` (OAuth 2).

        `blog` is a name, an address or a uuid; it may be left out by people who have one blog. Raises Invalid with the
        list of their blogs where it is none of theirs.
        """
        problems: list[Problem] = []
        names = _SIGNING if any(given.get(name) for name in _SIGNING) else _BEARING
        credential = {name: _token_in(name, given.get(name), problems) for name in names}
        if names is _SIGNING and any(given.get(name) for name in _BEARING):
            problems.append(_problem("accessToken", "two_kinds", "Give one pair of tokens, not two."))
        wanted = given.get("blog") or ""
        if not isinstance(wanted, str):
            problems.append(_problem("blog", "bad_name", "Give the name of your blog, such as staff."))
        if not self._app.is_set:  # an OAuth 2 token could be used without, but for 42 minutes only
            problems.append(_problem("credentials", "no_app", SET_THE_APP))
        if problems:
            raise Invalid(problems)
        try:
            return await _introduce(Api(self._host, "", self._app, credential), str(wanted), outgoing)
        except CredentialExpired as error:
            raise Disconnected(
                "Tumblr does not accept this access token. It lives for 42 minutes: get a new pair of tokens.",
                health="expired",
                http_status=error.http_status,
            ) from error

    def host_of(self, given: Mapping[str, Any]) -> str:
        """Where Tumblr's API is. Raises Invalid where the operator has registered no app there."""
        problems = []
        if given.get("way") not in {None, "", OAUTH1, OAUTH2}:
            problems.append(_problem("way", "bad_way", f"Give {OAUTH2}, or {OAUTH1}, or leave it out."))
        if not self._app.is_set:
            problems.append(_problem("credentials", "no_app", SET_THE_APP))
        if problems:
            raise Invalid(problems)
        return self._host

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """Tumblr's page, by OAuth 2; with `way` "oauth1" by OAuth 1.0a, whose token neither runs out nor is renewed."""
        door = Door(self.host_of(given), self._app)
        if given.get("way") == OAUTH1:
            return await door.authorize_signed(redirect_uri, state, outgoing)
        return door.authorize(redirect_uri, state)

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, Any], redirect_uri: str, outgoing: Outgoing
    ) -> Sequence[Connected]:
        """All blogs of the person, the first one first, each with the same credential.

        A pair of tokens of OAuth 2 is good for one of them only: each renewal uses the pair up. The tokens of OAuth 1.0a are
        good for all.
        """
        if not self._app.is_set:
            raise Unavailable(SET_THE_APP, proves_absence=True)
        credential = await Door(self._host, self._app).exchange(returned, kept, redirect_uri, outgoing)
        api = Api(self._host, "", self._app, credential)
        return [await _describe(api, blog, outgoing) for blog in (await _blogs_of(api, outgoing))[:MOST_BLOGS]]

    def renew_at(self, credential: Credential) -> datetime | None:
        """Three weeks after the pair was made; at once where that is not known. Never for the tokens of OAuth 1.0a."""
        if not is_renewable(credential):
            return None
        try:
            return datetime.fromisoformat(credential["expiresAt"]) + RENEWED_WHEN_IDLE
        except (KeyError, TypeError, ValueError, OverflowError):
            return AT_ONCE

    async def revoke(
        self,
        account: Account,
        credential: Credential,
        outgoing: Outgoing,
    ) -> bool:
        """False: no call is documented that gives a token back. People take an app away in Tumblr's settings, under Apps."""
        return False

    async def allowances(self, account: Account, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        """What the person may still do today, on all of their blogs together: GET /user/limits."""
        now = datetime.now(UTC)
        user = (await _told(Api(account.host, "", self._app, credential, now), "/user/limits", outgoing)).get("user")
        return tuple(allowances_of_person(user, now)) if isinstance(user, dict) else ()

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Whether less than five minutes are left. A token whose end is not known is renewed before its first use."""
        if not is_renewable(credential):
            return False  # no end is documented for OAuth 1.0a tokens
        try:
            return datetime.fromisoformat(credential["expiresAt"]) - now < RENEWED_BEFORE
        except (KeyError, TypeError, ValueError):
            return True

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """A new pair of tokens; the old one is used up. Raises Disconnected where the refresh token is no longer good."""
        if not is_renewable(credential):
            raise Disconnected("Tumblr renews no tokens of this kind. Reconnect the account.")
        if not self._app.is_set:
            raise Unavailable(SET_THE_APP, proves_absence=True)
        renewing = str(credential.get("refreshToken", ""))
        answer = await ask_for_tokens(
            account.host, self._app, outgoing, grant_type="refresh_token", refresh_token=renewing
        )
        if answer.status != 200:
            raise refresh_failure(answer)
        return pair_in(answer, datetime.now(UTC))

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks again whose token it is, and whether the blog is still theirs."""
        try:
            return await _introduce(Api(account.host, "", self._app, credential), account.remote_id, outgoing)
        except Invalid as error:
            raise Disconnected(
                "Tumblr no longer lets this connection write for the blog. Put that right there, then reconnect the account.",
                health="error",
            ) from error


async def _introduce(api: Api, wanted: str, outgoing: Outgoing) -> Connected:
    blogs = await _blogs_of(api, outgoing)
    about: Json = {}
    if wanted.startswith("t:") and not any(one.get("uuid") for one in blogs):
        about = await _about(api, wanted, outgoing)  # an answer without uuids: the name tells which one it is
        wanted = str(about.get("name") or wanted)
    return await _describe(api, _choose(blogs, wanted), outgoing, about)


async def _blogs_of(api: Api, outgoing: Outgoing) -> Sequence[Json]:
    """The blogs of the person whose credential it is, one at least."""
    user = (await _told(api, "/user/info", outgoing)).get("user")
    listed = user.get("blogs") if isinstance(user, dict) else None
    blogs = [one for one in listed if isinstance(one, dict) and one.get("name")] if isinstance(listed, list) else []
    if not blogs:
        raise Disconnected("Tumblr names no blog that this connection may write for.", health="error")
    return blogs


async def _describe(api: Api, blog: Json, outgoing: Outgoing, about: Json | None = None) -> Connected:
    about = about or await _about(api, str(blog["name"]), outgoing)
    uuid = blog.get("uuid") or about.get("uuid")
    if not isinstance(uuid, str) or not uuid:
        raise Unavailable("Tumblr does not say which blog this is. It is tried again later.")
    title = about.get("title") or blog.get("title")
    return Connected(
        remote_id=uuid,
        handle=str(blog["name"])[:LONGEST_NAME],
        host=api.host,
        credential=dict(api.credential),
        display_name=title[:LONGEST_NAME] if isinstance(title, str) else "",
        avatar_url=_avatar_in(about) or _avatar_in(blog),
        facts={"blogUrl": url} if isinstance(url := blog.get("url"), str) else {},
    )


async def _told(api: Api, path: str, outgoing: Outgoing) -> Json:
    answer = await api.ask(outgoing, api.get(path))
    response = response_in(answer)
    if response is None:
        raise misread(answer)
    return response


async def _about(api: Api, blog: str, outgoing: Outgoing) -> Json:
    """What Tumblr says of a blog: uuid, title, avatar."""
    about = (await api.read(outgoing, api.get(api.of_blog("info", blog=blog))) or {}).get("blog")
    return about if isinstance(about, dict) else {}


def _choose(blogs: Sequence[Json], wanted: str) -> Json:
    """The one that is meant. Raises Invalid naming those there are."""
    meant = wanted.strip()
    if not meant and len(blogs) == 1:
        return blogs[0]
    spellings = {meant, _name_in(meant)}
    for one in blogs:
        if spellings & {one.get("uuid"), str(one["name"]).lower(), _parts_of(str(one.get("url") or ""))[0]} - {
            "",
            None,
        }:
            return one
    names = ", ".join(str(one["name"])[:LONGEST_NAME] for one in blogs[:50])
    words = f"{meant[:100]!r} is none of your blogs." if meant else "You have more than one blog."
    raise Invalid([_problem("blog", "not_yours" if meant else "required", f"{words} Give one of these: {names}.")])


def _name_in(written: str) -> str:
    """The name, or the domain, in whatever people give for a blog: @name, name.tumblr.com, an address."""
    name = written.lower().removeprefix("@")
    if "://" not in name and "." not in name:
        return name
    host, path = _parts_of(name)
    if host in {"www.tumblr.com", "tumblr.com"}:
        steps = path.strip("/").removeprefix("blog/view/").removeprefix("blog/")
        return steps.partition("/")[0].removeprefix("@")
    return host.removesuffix(".tumblr.com")


def _parts_of(address: str) -> tuple[str, str]:
    """Host and path of an address, with a scheme or without; empty for what is none."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:
        return "", ""
    return parts.netloc.lower(), parts.path


def _avatar_in(blog: Json) -> str | None:
    """The largest picture of a blog."""
    avatars = blog.get("avatar")
    for one in avatars if isinstance(avatars, list) else []:
        url = one.get("url") if isinstance(one, dict) else None
        if isinstance(url, str) and url.startswith(("https://", "http://")):
            return url
    return None


def _token_in(name: str, given: Any, problems: list[Problem]) -> str:
    token = given.strip() if isinstance(given, str) else ""
    if not token:
        both = "token and tokenSecret, or accessToken and refreshToken"
        problems.append(_problem(name, "required", f"Give the tokens that Tumblr made for this app: {both}."))
    elif len(token) > LONGEST_TOKEN or not set(token) <= _TOKEN_SIGNS:
        problems.append(_problem(name, "bad_token", "This is no token: letters, digits and signs in one piece are."))
    return token


def _problem(field: str, rule: str, message: str) -> Problem:
    return Problem(field, rule, message, PLATFORM)
