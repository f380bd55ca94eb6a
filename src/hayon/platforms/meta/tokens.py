"""The connecting face that Threads and Instagram share: an access token of sixty days that renews itself.

Sources: Meta's pages "Threads: Long-Lived Tokens", "Business Login for Instagram" and "Instagram: Refresh Access Token".
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hayon.domain.model import Account
from hayon.errors import Disconnected, Invalid, Problem, RateLimited, Rejected, Unavailable
from hayon.outgoing import Answer, Outgoing
from hayon.platforms.contract import Allowance, Authorization, Connected, Credential
from hayon.platforms.meta.allowances import posts_left, usage_told
from hayon.platforms.meta.graph import Graph, token_of
from hayon.platforms.meta.login import App, is_token, issued
from hayon.platforms.meta.reading import flat, id_in, moment_of

LONGEST_NAME = 200
REFRESHED_BEFORE = timedelta(days=40)
"""How long before its end a token is renewed: whoever posts once a month never has to connect again."""
YOUNGEST = timedelta(hours=24)
"""A younger token is not renewed by Meta."""
LAST_DAYS = timedelta(days=7)
"""How long before its end a token that cannot be renewed stops being used as if nothing were wrong."""
NEVER_KEPT = datetime.fromtimestamp(0, UTC)
"""When a token came of which nobody wrote down when: renewed at once."""


class LongLived(ABC):
    """Connects accounts with a long-lived access token: one in hand, or one that the platform's own page leads to."""

    platform: str
    name: ClassVar[str]
    address: str
    version: str
    app: App
    renewal: ClassVar[str]
    """The grant type under which a token is renewed."""
    lengthening: ClassVar[str]
    """The grant type under which the token of an hour becomes one of sixty days."""
    page: ClassVar[str]
    """Where people let an app in."""
    codes_at: ClassVar[str]
    """Where the code that they bring is exchanged."""
    live: ClassVar[str]
    """The API's own address: where another is set, it has that page and takes those codes too."""
    scopes: ClassVar[tuple[str, ...]]
    """What is asked for; the second one is needed to publish."""
    quota: ClassVar[str]
    """The endpoint that says how many posts are left."""

    @abstractmethod
    async def introduce(self, graph: Graph, outgoing: Outgoing) -> tuple[Connected, Mapping[str, Any]]:
        """Who the token belongs to, with an empty credential, and what is known of the token: `expiresAt`; `obtainedAt`, when it came or was last kept."""

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `accessToken`, verified by asking whose it is."""
        token = token_in(given.get("accessToken"), self.platform, self.name)
        connected, known = await self.introduce(Graph(self.address, self.version, token, self.name), outgoing)
        credential = {"accessToken": token, "obtainedAt": datetime.now(UTC).isoformat(), **known}
        return replace(connected, credential=credential)

    def host_of(self, given: Mapping[str, Any]) -> str:
        """Always the same. Raises Invalid where no app is set."""
        self.app.require()
        return self.address

    async def authorize(
        self,
        given: Mapping[str, Any],
        redirect_uri: str,
        state: str,
        registered: Mapping[str, Any] | None,
        outgoing: Outgoing,
    ) -> Authorization:
        """The platform's own page, for as few permissions as are used."""
        self.app.require()
        page = self.page if self.address == self.live else f"{self.address}/oauth/authorize"
        return self.app.ask_for(page, redirect_uri, state, self.scopes)

    async def exchange(
        self,
        returned: Mapping[str, str],
        kept: Mapping[str, Any],
        redirect_uri: str,
        outgoing: Outgoing,
    ) -> Sequence[Connected]:
        """Code to token of an hour, that to one of sixty days, and whose that is."""
        taken_at = self.codes_at if self.address == self.live else self.address
        short = flat(await self.app.redeem(returned, f"{taken_at}/oauth/access_token", redirect_uri, outgoing))
        self._check_granted(short.get("permissions"))
        graph = Graph(self.address, "", issued(short, self.name), self.name)
        request = graph.get(
            "access_token", grant_type=self.lengthening, client_secret=self.app.secret, access_token=graph.token
        )
        credential = self._credential_in(flat(await self.app.ask(outgoing, request)), datetime.now(UTC))
        connected, known = await self.introduce(
            Graph(self.address, self.version, credential["accessToken"], self.name), outgoing
        )
        return [replace(connected, credential={**credential, **known})]

    def renew_at(self, credential: Credential) -> datetime | None:
        """From the first moment on at which `expires_soon` says so: weeks before its end, but not within its first day."""
        obtained_at, expires_at = moment_of(credential.get("obtainedAt")), moment_of(credential.get("expiresAt"))
        old_enough = obtained_at + YOUNGEST if obtained_at is not None else NEVER_KEPT
        return old_enough if expires_at is None else max(old_enough, expires_at - REFRESHED_BEFORE)

    async def revoke(self, account: Account, credential: Credential, outgoing: Outgoing) -> bool:
        """False always: Meta documents no way to give such a token back. Its owner removes the app in the settings there."""
        return False

    async def allowances(self, account: Account, credential: Credential, outgoing: Outgoing) -> Sequence[Allowance]:
        """How many posts are left within the last day, as the platform counts them."""
        graph = Graph(account.host, self.version, token_of(credential), self.name)
        return await posts_left(graph, outgoing, f"{account.remote_id}/{self.quota}")

    def read_allowances(self, answer: Answer, now: datetime) -> Sequence[Allowance]:
        """How many calls are left, as the headers tell it in percent."""
        return usage_told(answer, now)

    async def check(self, account: Account, credential: Credential, outgoing: Outgoing) -> Connected:
        """Asks again whose token it is."""
        graph = Graph(account.host, self.version, token_of(credential), self.name)
        connected, _ = await self.introduce(graph, outgoing)
        return replace(connected, credential=credential)

    def expires_soon(self, credential: Credential, now: datetime) -> bool:
        """Whether it is time to renew; where nobody said when the token ends, a day after it came, so as to learn it."""
        obtained_at, expires_at = moment_of(credential.get("obtainedAt")), moment_of(credential.get("expiresAt"))
        if obtained_at is not None and now - obtained_at < YOUNGEST:
            return False
        return expires_at is None or expires_at - now <= REFRESHED_BEFORE

    async def refresh(self, account: Account, credential: Credential, outgoing: Outgoing) -> Credential:
        """The renewed token. The old one stays valid, so a lost answer does no harm.

        Where it is not renewed for now, and will last for some days or nobody knows how long, it is kept as it is and
        renewed another day: no post waits for that. The token stands in the address here, as documented; addresses are
        never shown whole.
        """
        graph = Graph(account.host, "", token_of(credential), self.name)
        now, expires_at = datetime.now(UTC), moment_of(credential.get("expiresAt"))
        try:
            return await self._renewed(graph, outgoing, now)
        except (Rejected, RateLimited, Unavailable):
            if expires_at is not None and expires_at - now < LAST_DAYS:
                raise
            return {**credential, "obtainedAt": now.isoformat()}

    async def _renewed(self, graph: Graph, outgoing: Outgoing, now: datetime) -> Credential:
        request = graph.get("refresh_access_token", grant_type=self.renewal, access_token=graph.token)
        return self._credential_in(flat(await graph.ask(outgoing, request)), now)

    def _credential_in(self, body: Mapping[str, Any], now: datetime) -> Credential:
        """The token that was given out just now, and its end where that is told. Raises Unavailable where there is none."""
        token, lasts = issued(body, self.name), body.get("expires_in")
        fresh = {"accessToken": token, "obtainedAt": now.isoformat()}
        if isinstance(lasts, int) and 0 < lasts < 10 * 365 * 86_400:
            fresh["expiresAt"] = (now + timedelta(seconds=lasts)).isoformat()
        return fresh

    def _check_granted(self, told: Any) -> None:
        """Raises Disconnected where the answer names permissions, and not the one to publish."""
        granted = told.split(",") if isinstance(told, str) else told
        if isinstance(granted, list) and self.scopes[1] not in granted:
            raise Disconnected(
                f"{self.name} was not allowed to publish through this Hayon. Connect once more, and leave that switched on.",
                health="error",
            )


def token_in(given: Any, platform: str, name: str) -> str:
    """The access token that a person gave. Raises Invalid for what can be none."""
    token = given.strip() if isinstance(given, str) else ""
    if not token:
        words = f"Give a long-lived access token; the app made for {name} at developers.facebook.com gives one."
        raise Invalid([Problem("accessToken", "required", words, platform)])
    if not is_token(token):
        words = "This is no access token: copy it once more, whole."
        raise Invalid([Problem("accessToken", "bad_token", words, platform)])
    return token


def introduced(graph: Graph, person: Mapping[str, Any], *, id_field: str, picture: str, **facts: Any) -> Connected:
    """The account that `/me` shows, its credential still empty. Raises Unavailable where that names nobody."""
    remote_id, username = id_in(person, id_field), person.get("username")
    if remote_id is None or not isinstance(username, str) or not username:
        raise Unavailable(f"{graph.name} does not say whose access token this is. Check the address of its API.")
    name, avatar = person.get("name"), person.get(picture)
    return Connected(
        remote_id=remote_id,
        handle=f"@{username}"[:LONGEST_NAME],
        host=graph.address,
        credential={},
        display_name=name[:LONGEST_NAME] if isinstance(name, str) else "",
        avatar_url=avatar if isinstance(avatar, str) and avatar.startswith(("https://", "http://")) else None,
        facts={name: value for name, value in facts.items() if value is not None},
    )
