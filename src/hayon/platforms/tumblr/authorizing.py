"""The way in through Tumblr's own page: OAuth 2 with a code, or the three legs of OAuth 1.0a, both for the operator's app.

Sources: tumblr/docs: api.md, "OAuth2 Authorization", "/v2/oauth2/token", "OAuth1 Authorization"; RFC 5849, section 2. What
Tumblr adds to the address when somebody says no to OAuth 1.0a is not documented: no verifier comes back, whatever does.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unconfirmed
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Authorization, Credential
from hayon.platforms.tumblr.answers import limit_ends_at
from hayon.platforms.tumblr.signing import App, signed
from hayon.platforms.tumblr.tokens import ask_for_tokens, is_json, pair_in

LIVE_API = "https://api.tumblr.com"
LIVE_SITE = "https://www.tumblr.com"
"""Where people let an app in. Anywhere but live, that is where the API is."""
OAUTH1, OAUTH2 = "oauth1", "oauth2"
SCOPE = "basic write offline_access"
"""To know the blogs, to post, and to be given a refresh token."""
LONGEST_TOKEN = 2048
_ERROR_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Door:
    """`host` is the address of the API. What is sent here has secrets in it, so nothing of an answer is ever quoted."""

    host: str
    app: App

    def authorize(self, redirect_uri: str, state: str) -> Authorization:
        """The page of OAuth 2."""
        asked = {
            "client_id": self.app.key, "response_type": "code", "scope": SCOPE, "state": state,
            "redirect_uri": redirect_uri,
        }  # fmt: skip
        return Authorization(f"{self._site}/oauth2/authorize?{urlencode(asked)}", {"way": OAUTH2, "state": state})

    async def authorize_signed(self, redirect_uri: str, state: str, outgoing: Outgoing) -> Authorization:
        """The page of OAuth 1.0a, for a request token made now. OAuth 1.0a has no state: it goes into the address to return to."""
        back = f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode({'state': state})}"
        answer = await self._ask("request_token", outgoing, callback_uri=back)
        if answer.status != 200:
            raise self._trouble(answer) or Unavailable(
                "Tumblr does not let this Hayon's app in. Whoever runs it has to look at HAYON_TUMBLR_APP_ID, "
                "HAYON_TUMBLR_APP_SECRET and the addresses registered at tumblr.com/oauth/apps.",
                http_status=answer.status,
            )  # fmt: skip
        token, secret = _tokens_in(answer)
        kept = {"way": OAUTH1, "state": state, "token": token, "tokenSecret": secret}
        return Authorization(f"{self._site}/oauth/authorize?{urlencode({'oauth_token': token})}", kept)

    async def exchange(
        self, returned: Mapping[str, str], kept: Mapping[str, object], redirect_uri: str, outgoing: Outgoing
    ) -> Credential:
        """The credential for what the person came back with. Raises Disconnected where they said no, or Tumblr does."""
        if not _same(returned.get("state"), kept.get("state")):
            raise Disconnected(
                "This is not the answer to what was asked. Begin again.", health="error", code="bad_state"
            )
        if kept.get("way") == OAUTH1:
            return await self._exchange_signed(returned, kept, outgoing)
        code = returned.get("code", "")
        if not code:
            raise _refusal(returned.get("error", ""))
        answer = await ask_for_tokens(
            self.host, self.app, outgoing, grant_type="authorization_code", code=code, redirect_uri=redirect_uri
        )
        if answer.status != 200:
            raise self._trouble(answer) or _too_late(answer)
        return pair_in(answer, datetime.now(UTC))

    async def _exchange_signed(
        self, returned: Mapping[str, str], kept: Mapping[str, object], outgoing: Outgoing
    ) -> Credential:
        verifier = returned.get("oauth_verifier", "")
        if not verifier:
            raise _refusal("access_denied")
        if not _same(returned.get("oauth_token"), kept.get("token")):
            raise Disconnected(
                "This is not the answer to what was asked. Begin again.", health="error", code="bad_state"
            )
        answer = await self._ask(
            "access_token", outgoing, verifier=verifier, resource_owner_key=str(kept.get("token", "")),
            resource_owner_secret=str(kept.get("tokenSecret", "")),
        )  # fmt: skip
        if answer.status != 200:
            raise self._trouble(answer) or _too_late(answer)
        token, secret = _tokens_in(answer)
        return {"token": token, "tokenSecret": secret}

    async def _ask(self, step: str, outgoing: Outgoing, **more: str) -> Answer:
        url = f"{self._site}/oauth/{step}"
        try:
            return await outgoing.send(Request("POST", url, signed("POST", url, {}, self.app, **more)))
        except Unconfirmed as error:
            raise Unavailable("Tumblr gave no answer that could be read. Begin again later.") from error

    @property
    def _site(self) -> str:
        return LIVE_SITE if self.host == LIVE_API else self.host

    def _trouble(self, answer: Answer) -> PlatformError | None:
        """What is nobody's fault here; None for a refusal of Tumblr's own."""
        if answer.status == 429:
            words = "Tumblr takes no more from this Hayon for the moment. Begin again later."
            return RateLimited(words, until=limit_ends_at(answer, datetime.now(UTC)))
        # the legs of OAuth 1.0a are refused in plain text
        if answer.status in {400, 401, 403} and (is_json(answer) or not _is_page(answer)):
            return None
        words = f"Tumblr cannot be used at the moment (HTTP {answer.status}). Begin again later."
        return Unavailable(words, http_status=answer.status)


def _same(one: object, other: object) -> bool:
    return (
        isinstance(one, str)
        and isinstance(other, str)
        and hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
    )


def _refusal(word: str) -> Disconnected:
    if word == "access_denied":
        words = "You did not let Hayon in at Tumblr. Nothing was connected."
    else:
        words = "Tumblr sent you back without letting Hayon in. Begin again."
    return Disconnected(words, health="error", code=word if _ERROR_WORD.fullmatch(word) else "refused")


def _too_late(answer: Answer) -> Disconnected:
    return Disconnected(
        "Tumblr does not accept this way in any more; perhaps it took too long. Begin again. If it is always so, whoever "
        "runs this Hayon has to look at HAYON_TUMBLR_APP_SECRET and the address registered at tumblr.com/oauth/apps.",
        health="error", code="refused", http_status=answer.status,
    )  # fmt: skip


def _is_page(answer: Answer) -> bool:
    return answer.text.lstrip()[:1] == "<"


def _tokens_in(answer: Answer) -> tuple[str, str]:
    """The token and its secret in a form. Raises Unavailable where they are not in it."""
    try:
        told = parse_qs(answer.text, max_num_fields=20)
    except ValueError:
        told = {}
    token, secret = (told.get(name, [""])[0] for name in ("oauth_token", "oauth_token_secret"))
    if not all(0 < len(one) <= LONGEST_TOKEN and one.isprintable() and one.isascii() for one in (token, secret)):
        raise Unavailable(
            "Tumblr gave an answer that is not what it documents. Begin again later.", http_status=answer.status
        )
    return token, secret
