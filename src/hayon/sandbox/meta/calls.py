"""Who calls a simulated Graph, whether they may, how often they did, and what the gate itself must refuse in its words."""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Reading
from hayon.sandbox.meta.forks import in_parts
from hayon.sandbox.meta.graph import METHOD, error, not_allowed, problem
from hayon.sandbox.meta.logins import Logins
from hayon.sandbox.meta.tokens import Token, Tokens
from hayon.sandbox.model import Account, Platform

FIRST_ID = 17_850_000_000_000_000
IDS = 10**15
STEP = 618_033_988_749_893
"""Coprime to `IDS`, so that numbers become ids that never repeat and say nothing about their order, as the real ones do."""
PHRASES = {
    1: "An unknown error occurred",
    2: "An unexpected error has occurred. Please retry your request later.",
    4: "Application request limit reached",
    100: "Invalid parameter",
}


@dataclass(frozen=True, slots=True)
class Api:
    """What differs between the platforms where their calls are counted."""

    platform: Platform
    rate: str
    """The name of the `Rate` of all its calls."""
    throttled: int
    """The code that says that one has called too often."""
    usage: str | None = None
    """The type in X-Business-Use-Case-Usage; None: it sends X-App-Usage."""
    phrase: str = "Application request limit reached"
    """How too many calls are refused where there is no `usage`."""
    other_kinds: Mapping[str, "Api"] = field(default_factory=dict)
    """How calls with another kind of token are counted."""
    app_secret: str | None = None
    """What a proof is made with that the application itself is calling; None: there are no proofs."""


class GraphMemory:
    """What every platform on the Graph remembers: its tokens and logins, and how many objects it has numbered."""

    def __init__(self, platform: Platform, tokens: Tokens) -> None:
        self.tokens = tokens
        self.logins = Logins(platform)
        self._numbered = 0

    def issue(self, account: Account) -> None:
        """Let the account's current secret be a good access token."""
        self.tokens.issue(account)

    def withdraw(self, account: Account) -> None:
        """Revoke every token of the account."""
        self.tokens.withdraw(account)

    def next_number(self) -> int:
        """The number of the next object. Events carry it; `numbered` is told when they take effect."""
        self._numbered += 1
        return self._numbered

    def numbered(self, number: int) -> None:
        """An object with this number exists; later ones get higher ones."""
        self._numbered = max(self._numbered, number)


def id_of(number: int) -> str:
    """The id of an object by its number: over 2^53, which is why the Graph writes ids as text."""
    return str(FIRST_ID + number * STEP % IDS)


class GraphManners:
    """How the gate recognises and answers on one of these platforms."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.platform = api.platform

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        """The account whose token was sent, good or not: in the header, the query or the body."""
        text = token_text(request, body)
        token = world.memory(self.platform, GraphMemory).tokens.find(text) if text else None
        return world.find_account(self.platform, token.account_id) if token else None

    def too_large(self) -> Answer:
        """413, before the Graph itself is asked."""
        return Answer(problem(1, "The request entity is too large"), 413, {"connection": "close"})

    def failed(self, status: int) -> Answer:
        """A server error (code 2; code 1 for a 503) or any other status by itself."""
        if status >= 500:
            code = 1 if status == 503 else 2
            return Answer(problem(code, PHRASES[code], transient=True), status)
        if status == 401:
            return Answer(problem(190, "Invalid OAuth access token."), status)
        if status == 403:
            return Answer(problem(10, "(#10) Application does not have permission for this action"), status)
        return Answer(problem(4, PHRASES[4]) if status == 429 else problem(100, PHRASES[100]), status)

    def rate_limited(self, call: Call, seconds: float) -> Answer:
        """As after too many calls: no Retry-After; the header tells the minutes where the platform has one."""
        reading = Reading(100, 0, call.now + seconds, int(seconds), allowed=False)
        return _throttled(self.api, reading, call.account.account_id if call.account else "0", call.now).answer


def caller(call: Call, api: Api, *scopes: str) -> tuple[Account, Token]:
    """Whoever is calling with all these permissions, their call counted; or the refusal."""
    text = token_text(call.request, call.body)
    if not text:
        raise error(2500, "An active access token must be used to query information about the current user.")
    token = call.world.memory(api.platform, GraphMemory).tokens.check(text)
    account = call.world.get_account(api.platform, token.account_id)
    _count(call, api.other_kinds.get(token.kind, api), account)
    _check_proof(call, api, text)
    for scope in scopes:
        if scope not in token.scopes:
            raise not_allowed(scope)
    return account, token


def _check_proof(call: Call, api: Api, token: str) -> None:
    """A proof that came along must be right; here none has to come."""
    given = call.request.query_params.get("appsecret_proof")
    if given is None or api.app_secret is None:
        return
    right = hmac.new(api.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, given):
        raise error(100, "Invalid appsecret_proof provided in the API argument", kind=METHOD)


def _count(call: Call, api: Api, account: Account) -> None:
    reading = call.world.meter.take(api.rate, account.account_id, call.now)
    if reading is None:
        return
    if not reading.allowed:
        raise _throttled(api, reading, account.account_id, call.now)
    call.headers.update(_usage(api, reading, account.account_id, 0))


def _throttled(api: Api, reading: Reading, object_id: str, now: float) -> Refused:
    minutes = max(1, math.ceil((reading.reset_at - now) / 60))
    headers = _usage(api, reading, object_id, minutes)
    if api.usage is None:
        return error(api.throttled, f"(#{api.throttled}) {api.phrase}", status=403, headers=headers)
    text = f"(#{api.throttled}) There have been too many calls from this {api.usage} account. Wait a bit and try again."
    return error(api.throttled, text, headers=headers)


def _usage(api: Api, reading: Reading, object_id: str, minutes: int) -> dict[str, str]:
    percent = 100 if not reading.allowed else math.floor(100 * (reading.limit - reading.remaining) / reading.limit)
    spent = {"call_count": percent, "total_cputime": percent, "total_time": percent}
    if api.usage is None:
        return {"x-app-usage": json.dumps(spent)}
    line = {"type": api.usage, **spent, "estimated_time_to_regain_access": minutes}
    return {"x-business-use-case-usage": json.dumps({object_id: [line]})}


def token_text(request: Request, body: bytes) -> str:
    """The token, wherever it is. Uploads send `OAuth` in place of `Bearer`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "oauth") and token.strip():
        return token.strip()
    if in_query := request.query_params.get("access_token"):
        return in_query
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"))).get("access_token", "")
    if kind == "multipart/form-data":
        return in_parts(body, "access_token") or ""
    if kind == "application/json":
        try:
            given: Any = json.loads(body or b"null")
        except (ValueError, RecursionError):
            return ""
        text = given.get("access_token") if isinstance(given, dict) else None
        return text if isinstance(text, str) else ""
    return ""
