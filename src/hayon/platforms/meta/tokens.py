"""The connecting face that Threads and Instagram share: an access token of sixty days that renews itself.

Sources: Meta's pages "Threads: Long-Lived Tokens" and "Instagram: Refresh Access Token".
"""

import string
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hayon.domain.model import Account
from hayon.errors import Invalid, Problem, RateLimited, Rejected, Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Connected, Credential
from hayon.platforms.meta.graph import Graph, id_in, moment_of, token_of

LONGEST_TOKEN = 2048
LONGEST_NAME = 200
REFRESHED_BEFORE = timedelta(days=40)
"""How long before its end a token is renewed: whoever posts once a month never has to connect again."""
YOUNGEST = timedelta(hours=24)
"""A younger token is not renewed by Meta."""
LAST_DAYS = timedelta(days=7)
"""How long before its end a token that cannot be renewed stops being used as if nothing were wrong."""
_TOKEN_SIGNS = frozenset(string.ascii_letters + string.digits + string.punctuation)


class LongLived(ABC):
    """Connects accounts with a long-lived access token made in the person's own app."""

    platform: str
    name: ClassVar[str]
    address: str
    version: str
    renewal: ClassVar[str]
    """The grant type under which a token is renewed."""

    @abstractmethod
    async def introduce(self, graph: Graph, outgoing: Outgoing) -> tuple[Connected, Mapping[str, Any]]:
        """Who the token belongs to, with an empty credential, and what is known of the token: `expiresAt`; `obtainedAt`, when it came or was last kept."""

    async def connect(self, given: Mapping[str, Any], outgoing: Outgoing) -> Connected:
        """Connects with `accessToken`, verified by asking whose it is."""
        token = token_in(given.get("accessToken"), self.platform, self.name)
        connected, known = await self.introduce(Graph(self.address, self.version, token, self.name), outgoing)
        credential = {"accessToken": token, "obtainedAt": datetime.now(UTC).isoformat(), **known}
        return replace(connected, credential=credential)

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
        return expires_at is None or expires_at - now < REFRESHED_BEFORE

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
        body = flat(await graph.ask(outgoing, request))
        token, lasts = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not _is_token(token):
            raise Unavailable(
                f"{self.name} renewed the access token, but its answer holds none. It is tried again later."
            )
        fresh = {"accessToken": token, "obtainedAt": now.isoformat()}
        if isinstance(lasts, int) and 0 < lasts < 10 * 365 * 86_400:
            fresh["expiresAt"] = (now + timedelta(seconds=lasts)).isoformat()
        return fresh


def token_in(given: Any, platform: str, name: str) -> str:
    """The access token that a person gave. Raises Invalid for what can be none."""
    token = given.strip() if isinstance(given, str) else ""
    if not token:
        words = f"Give a long-lived access token; the app made for {name} at developers.facebook.com gives one."
        raise Invalid([Problem("accessToken", "required", words, platform)])
    if not _is_token(token):
        words = "This is no access token: copy it once more, whole."
        raise Invalid([Problem("accessToken", "bad_token", words, platform)])
    return token


def flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object itself where it came wrapped in `data`, alone or as the one entry of a list: Meta does both."""
    inner = body.get("data")
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return inner if isinstance(inner, Mapping) else body


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


def _is_token(token: str) -> bool:
    return 0 < len(token) <= LONGEST_TOKEN and _TOKEN_SIGNS.issuperset(token)
