"""What proves who is calling: OAuth 1.0a tokens with their nonces, OAuth2 tokens and what renews them. No HTTP."""

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.redirecting import leads_home
from hayon.sandbox.tumblr.limits import TumblrLimits

SCOPES = "basic write"
"""What a token exchanged for one of OAuth 1.0a may do (tumblr/docs: api.md, oauth2/exchange)."""
LETTERS = string.ascii_letters + string.digits
NONCES_KEPT = 20_000


@dataclass(slots=True)
class SignedToken:
    """A token of OAuth 1.0a. It never expires."""

    token: str
    secret: str
    account_id: str
    revoked: bool = False


@dataclass(slots=True)
class Bearer:
    """An access token of OAuth2, or what renews one."""

    token: str
    account_id: str
    scopes: str
    expires_at: float
    renews: bool
    generation: int
    """The account's `access_generation` when it was issued; an access token of an earlier one counts as expired."""
    revoked: bool = False


@dataclass(slots=True)
class RequestToken:
    """The first leg of OAuth 1.0a: an application asks to be let in. Somebody's once they allowed it, and good once."""

    token: str
    secret: str
    callback: str
    asked_at: float
    account_id: str = ""
    verifier: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """The first half of OAuth2: somebody allowed it. Good once."""

    code: str
    account_id: str
    redirect_uri: str
    scopes: str
    allowed_at: float


def new_text(length: int) -> str:
    """A secret of so many letters and digits."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


class Keys:
    """All tokens of one world, good and bad, by their text."""

    def __init__(self, world: Ground) -> None:
        self._world = world
        self._signed: dict[str, SignedToken] = {}
        self._bearers: dict[str, Bearer] = {}
        self._nonces: dict[tuple[str, str, str], float] = {}
        self._requests: dict[str, RequestToken] = {}
        self._codes: dict[str, Code] = {}
        self._redirect_uris: list[str] = []
        self.effects: dict[str, Callable[[dict[str, Any]], None]] = {
            "tumblr.redirect": self._on_redirect,
            "tumblr.signed": self._on_signed,
            "tumblr.bearer": self._on_bearer,
            "tumblr.revoked": self._on_revoked,
        }

    def find_signed(self, token: str) -> SignedToken | None:
        """The token of OAuth 1.0a with this text, good or not."""
        return self._signed.get(token)

    def find_bearer(self, token: str) -> Bearer | None:
        """The token of OAuth2 with this text, good or not."""
        return self._bearers.get(token)

    def leads_home(self, uri: str) -> bool:
        """Whether people may be sent back there."""
        return leads_home(uri, self._redirect_uris)

    def find_request(self, token: str) -> RequestToken | None:
        """The request token with this text, unless it is too old."""
        asked = self._requests.get(token)
        most = self._world.limits.of(TumblrLimits).request_token_seconds
        return asked if asked and self._world.now() < asked.asked_at + most else None

    def find_code(self, code: str) -> Code | None:
        """The code with this text, unless it is too old."""
        held = self._codes.get(code)
        most = self._world.limits.of(TumblrLimits).code_seconds
        return held if held and self._world.now() < held.allowed_at + most else None

    def keep_request(self, asked: RequestToken) -> None:
        """An application asks to be let in; like a code, it does not outlive a restart."""
        self._requests[asked.token] = asked

    def keep_code(self, code: Code) -> None:
        """Somebody allowed it."""
        self._codes[code.code] = code

    def forget(self, word: str) -> None:
        """A code or a request token is used up."""
        self._codes.pop(word, None)
        self._requests.pop(word, None)

    def new_signed(self, account_id: str, token: str, secret: str) -> Event:
        """The event that makes a token of OAuth 1.0a known."""
        return "tumblr.signed", asdict(SignedToken(token, secret, account_id))

    def holds(self, bearer: Bearer) -> bool:
        """Whether it is good now."""
        account = self._world.get_account(Platform.TUMBLR, bearer.account_id)
        of_now = bearer.renews or bearer.generation >= account.access_generation
        return not bearer.revoked and of_now and self._world.now() < bearer.expires_at

    def is_fresh(self, timestamp: str, nonce: str, token: str) -> bool:
        """Whether a request of this moment was not seen before and is of about now.

        A client signs by its machine's clock, and nobody tells it when a world's is moved ahead: either will do.
        """
        if not timestamp.isdigit() or (timestamp, nonce, token) in self._nonces:
            return False
        most = self._world.limits.of(TumblrLimits).clock_seconds
        return min(abs(int(timestamp) - clock) for clock in (time.time(), self._world.now())) <= most

    def spend(self, timestamp: str, nonce: str, token: str) -> None:
        """Remember that this nonce was used."""
        self._nonces[timestamp, nonce, token] = time.time()
        if len(self._nonces) > NONCES_KEPT:
            since = time.time() - 2 * self._world.limits.of(TumblrLimits).clock_seconds
            self._nonces = {key: at for key, at in self._nonces.items() if at > since}

    def new_pair(self, account: Account, scopes: str) -> tuple[Bearer, Bearer, list[Event]]:
        """A fresh access token, what renews it, and the events that make both known."""
        limits, now = self._world.limits.of(TumblrLimits), self._world.now()
        generation = account.access_generation
        access = Bearer(
            new_text(64), account.account_id, scopes, now + limits.access_seconds, renews=False, generation=generation
        )
        renewal = Bearer(
            new_text(64), account.account_id, scopes, now + limits.refresh_seconds, renews=True, generation=generation
        )
        return access, renewal, [("tumblr.bearer", asdict(one)) for one in (access, renewal)]

    def issue(self, account: Account) -> None:
        """Let the account's current secret be a good token of OAuth 1.0a."""
        self._signed[account.secret] = SignedToken(account.secret, account.more["tokenSecret"], account.account_id)

    def withdraw(self, account: Account) -> None:
        """Revoke every token of the account."""
        held: list[SignedToken | Bearer] = [*self._signed.values(), *self._bearers.values()]
        for token in held:
            if token.account_id == account.account_id:
                token.revoked = True

    def _on_redirect(self, facts: dict[str, Any]) -> None:
        if facts["uri"] not in self._redirect_uris:
            self._redirect_uris.append(facts["uri"])

    def _on_signed(self, facts: dict[str, Any]) -> None:
        self._signed[facts["token"]] = SignedToken(**facts)

    def _on_bearer(self, facts: dict[str, Any]) -> None:
        self._bearers[facts["token"]] = Bearer(**facts)

    def _on_revoked(self, facts: dict[str, Any]) -> None:
        held = self._signed.get(facts["token"]) or self._bearers[facts["token"]]
        held.revoked = True
