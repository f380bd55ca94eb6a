"""Access tokens of a simulated Graph: what is in one, how long it is good, and what is said about one that is not.

Nothing here knows a request; `calls.py` finds the token in one.
"""

import secrets
import string
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hayon.sandbox.gate import Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.journal import Event
from hayon.sandbox.limits import DAY, HOUR
from hayon.sandbox.meta.graph import error
from hayon.sandbox.model import Account, Platform, Standing

LONG_SECONDS = 60 * DAY
SHORT_SECONDS = HOUR
REFRESHED_FROM_SECONDS = DAY
"""A long token may be exchanged for the next one from this age on, as long as it is good."""
LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class Token:
    """One access token. `expires_at` of None: it has no date (a Page's)."""

    text: str
    account_id: str
    kind: str
    """`short` or `long`, and whatever else a platform gives out (`page`)."""
    scopes: list[str]
    issued_at: float
    expires_at: float | None
    generation: int
    """The account's `access_generation` when it was issued; one of an earlier generation counts as expired."""
    revoked: bool = False
    kept: bool = True
    """It stands in the journal with its times; the account's own does so from its first use on."""
    pages: list[str] | None = None
    """Of a person's: the Pages that were ticked when it was given out; None: all."""
    source: str = ""
    """Of a Page's: the person's token that led to it."""


def new_text(prefix: str) -> str:
    """A token's text; Meta's tokens begin with letters that tell their kind."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(120))


class Tokens:
    """The tokens of one platform in one world, good and bad, by their text. `lifetime` is that of an account's own token."""

    def __init__(
        self,
        world: Ground,
        platform: Platform,
        prefix: str,
        scopes: Collection[str],
        *,
        kind: str = "long",
        lifetime: float | None = LONG_SECONDS,
    ) -> None:
        self._world = world
        self._platform = platform
        self._prefix = prefix
        self._scopes = list(scopes)
        self._kind = kind
        self._lifetime = lifetime
        self._held: dict[str, Token] = {}
        self._derived: dict[tuple[str, str], Token] = {}
        self.effects: dict[str, Callable[[dict[str, Any]], None]] = {f"{platform}.token": self._on_token}

    def find(self, text: str) -> Token | None:
        """The token with this text, good or not."""
        return self._held.get(text)

    def derived(self, source: Token, account: Account) -> Token | None:
        """The account's token that this one led to, if it did and that is still good."""
        held = self._derived.get((source.text, account.account_id))
        return held if held and not held.revoked and self.lasts(held) else None

    def check(self, text: str) -> Token:
        """The token with this text; the refusal with code 190 if it is not good now."""
        token = self._held.get(text)
        if token is None:
            raise _bad("Invalid OAuth access token - Cannot parse access token")
        account = self._world.get_account(self._platform, token.account_id)
        if token.revoked:
            raise _bad("Error validating access token: The user has not authorized application 1.", 458)
        if account.standing is Standing.DISABLED:
            raise _bad(
                "Error validating access token: You cannot access the app till you log in to www.facebook.com and follow "
                "the instructions given.",
                459,
            )
        if not self.lasts(token):
            then = token.expires_at if token.expires_at is not None else self._world.now()
            raise _bad(
                f"Error validating access token: Session has expired on {_said(min(then, self._world.now()))}. "
                f"The current time is {_said(self._world.now())}.",
                463,
                401,
            )
        if not token.kept:
            self._world.happen((f"{self._platform}.token", asdict(replace(token, kept=True))))
        return token

    def lasts(self, token: Token) -> bool:
        """Whether it has not run out, by its date or because every token of its time was let expire."""
        account = self._world.get_account(self._platform, token.account_id)
        dated = token.expires_at is None or self._world.now() < token.expires_at
        return dated and token.generation >= account.access_generation

    def new(
        self,
        account: Account,
        kind: str,
        lifetime: float | None,
        scopes: Collection[str] | None = None,
        *,
        pages: list[str] | None = None,
        source: str = "",
    ) -> tuple[Token, Event]:
        """A fresh token, and the event that makes it known."""
        now = self._world.now()
        token = Token(
            new_text(self._prefix),
            account.account_id,
            kind,
            list(self._scopes if scopes is None else scopes),
            now,
            None if lifetime is None else now + lifetime,
            account.access_generation,
            pages=pages,
            source=source,
        )
        return token, (f"{self._platform}.token", asdict(token))

    def issue(self, account: Account) -> None:
        """Let the account's current secret be a good token from now on."""
        self.hold(account, account.secret, self._kind, self._lifetime)

    def hold(self, account: Account, text: str, kind: str, lifetime: float | None) -> None:
        """Let this text, which stands with the account, be a good token from now on."""
        now = self._world.now()
        self._held[text] = Token(
            text,
            account.account_id,
            kind,
            self._scopes,
            now,
            None if lifetime is None else now + lifetime,
            account.access_generation,
            kept=False,
        )

    def withdraw(self, account: Account) -> None:
        """Revoke every token of the account."""
        for token in self._held.values():
            if token.account_id == account.account_id:
                token.revoked = True

    def _on_token(self, facts: dict[str, Any]) -> None:
        token = Token(**facts)
        self._held[token.text] = token
        if token.source:
            self._derived[token.source, token.account_id] = token


def _bad(text: str, subcode: int | None = None, status: int = 400) -> Refused:
    challenge = 'OAuth "Facebook Platform" "invalid_token" "Invalid OAuth access token"'
    return error(190, text, subcode=subcode, status=status, headers={"www-authenticate": challenge})


def _said(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%A, %d-%b-%y %H:%M:%S UTC")
