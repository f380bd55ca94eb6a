"""The way in by Meta's own page: where a person is sent, and what their code is exchanged for. Whose it is stands elsewhere.

Sources: Meta's pages "Manually Build a Login Flow", "Threads: Get Access Tokens", "Business Login for Instagram".
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hayon.errors import Disconnected, Invalid, Problem, RateLimited, Unavailable, Unconfirmed
from hayon.outgoing import Outgoing, Request
from hayon.platforms.contract import Authorization, Credential
from hayon.platforms.meta.graph import Doing, error_of, words_in
from hayon.platforms.meta.reading import body_of

LONGEST_TOKEN = 2048
_SECRETS = ("client_secret", "code", "access_token", "fb_exchange_token")
_TOKEN_SIGNS = frozenset(string.ascii_letters + string.digits + string.punctuation)


@dataclass(frozen=True, slots=True)
class App:
    """The app that the operator registered at Meta for one platform; without id and secret nobody can be sent there."""

    platform: str
    name: str
    id: str = ""
    secret: str = field(default="", repr=False)

    def require(self) -> None:
        """Raises Invalid, rule `no_app`, where the operator has registered none."""
        if not self.id or not self.secret:
            settings = " and ".join(f"HAYON_{self.platform.upper()}_APP_{part}" for part in ("ID", "SECRET"))
            words = (
                f"{self.name} can only be connected this way when whoever runs this Hayon has registered an app there and "
                f"set {settings} (docs/connect/{self.platform}.md). An access token in hand can be given without."
            )
            raise Invalid([Problem("credentials", "no_app", words, self.platform)])

    def ask_for(self, page: str, redirect_uri: str, state: str, scopes: Sequence[str], **more: str) -> Authorization:
        """The address of the page on which a person lets the app in. Meta offers no PKCE: only the state comes back."""
        query = {"client_id": self.id, "redirect_uri": redirect_uri, "response_type": "code", "scope": ",".join(scopes)}
        return Authorization(f"{page}?{urlencode({**query, 'state': state, **more})}")

    async def redeem(
        self, returned: Mapping[str, str], url: str, redirect_uri: str, outgoing: Outgoing
    ) -> Mapping[str, Any]:
        """What the code that a person came back with is exchanged for. It is good for an hour, once.

        Raises Disconnected where they refused, and where Meta does not take it.
        """
        code = returned.get("code", "").removesuffix("#_")
        if not code:
            told = returned.get("error_description") or returned.get("error_message") or returned.get("error") or ""
            said = f' ("{told[:200]}")' if told.isprintable() and told else ""
            raise Disconnected(f"{self.name} let nobody in{said}. Begin once more if you want to.", health="error")
        form = {
            "client_id": self.id, "client_secret": self.secret, "grant_type": "authorization_code",
            "redirect_uri": redirect_uri, "code": code,
        }  # fmt: skip
        return await self.ask(outgoing, Request("POST", url, {"Accept": "application/json"}, form=form))

    async def ask(self, outgoing: Outgoing, request: Request) -> Mapping[str, Any]:
        """The answer of an endpoint that gives out tokens. Raises Disconnected for any refusal but "too often"."""
        try:
            answer = await outgoing.send(request)
        except Unconfirmed as error:
            raise Unavailable(f"{self.name} gave no answer that could be read. Connect once more.") from error
        body = body_of(answer)
        if answer.status == 200 and body is not None and "error" not in body and "error_message" not in body:
            return body
        refusal = error_of(answer, self.name, Doing.READING, now=None, sent_before=False)
        if body is None or answer.status >= 500 or isinstance(refusal, RateLimited):
            raise refusal
        words, sent = words_in(answer), {**request.query, **(request.form or {})}
        for secret in (sent[name] for name in _SECRETS if sent.get(name)):
            words = words.replace(secret, "…")
        raise Disconnected(
            f'{self.name} did not take what this browser came back with ("{words}"). Connect once more; if that '
            "is refused too, compare the app id, the app secret and the redirect address with those of the app at Meta.",
            health="error", code=refusal.code, http_status=answer.status,
        )  # fmt: skip

    def secret_for(self, credential: Credential) -> str:
        """The app's secret, where a credential came from this very app: Meta refuses the proof made with another's."""
        return self.secret if self.id and credential.get("appId") == self.id else ""


def issued(body: Mapping[str, Any], name: str) -> str:
    """The access token in an answer. Raises Unavailable where there is none."""
    token = body.get("access_token")
    if not isinstance(token, str) or not is_token(token):
        raise Unavailable(f"{name} gave out an access token, but its answer holds none. It is tried again later.")
    return token


def is_token(token: str) -> bool:
    """Whether a text can be an access token."""
    return 0 < len(token) <= LONGEST_TOKEN and _TOKEN_SIGNS.issuperset(token)
