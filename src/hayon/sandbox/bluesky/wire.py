"""XRPC as the simulated PDS speaks it: errors, parameters, who is calling, and its rate limits."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from hayon.sandbox.bluesky.pds import pds_of
from hayon.sandbox.bluesky.tokens import REFRESH, Claims, TokenError, read
from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Reading, tightest
from hayon.sandbox.model import Account, Platform, Standing

NAMES = {
    500: ("InternalServerError", "Internal Server Error"),
    501: ("MethodNotImplemented", "Method Not Implemented"),
    502: ("UpstreamFailure", "Upstream Failure"),
    503: ("NotEnoughResources", "Not Enough Resources"),
    504: ("UpstreamTimeout", "Upstream Timeout"),
}


def xrpc_error(status: int, name: str, message: str) -> Refused:
    """A refusal in the one shape of XRPC (atproto: specs/xrpc)."""
    return Refused(status, {"error": name, "message": message})


def invalid(message: str, name: str = "InvalidRequest") -> Refused:
    """400."""
    return xrpc_error(400, name, message)


class PdsManners:
    """How the gate recognises and answers on this platform."""

    platform = Platform.BLUESKY

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        """The account whose token was sent, expired or not."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        try:
            claims = read(world.signing_key, token)
        except TokenError:
            return None
        return pds_of(world).find_repo(claims.did)

    def too_large(self) -> Answer:
        """413; the connection ends, since the body was not read."""
        body = {"error": "PayloadTooLarge", "message": "request entity too large"}
        return Answer(body, 413, {"connection": "close"})

    def failed(self, status: int) -> Answer:
        """A server error or any other status by itself."""
        name, message = NAMES.get(status, ("InvalidRequest", "Invalid Request"))
        return Answer({"error": name, "message": message}, status)

    def rate_limited(self, call: Call, seconds: float) -> Answer:
        """429 as after too many writes."""
        rate = Reading(5_000, 0, call.now + seconds, 3_600, allowed=False)
        return Answer(_exceeded(), 429, {**_rate_headers(rate), "retry-after": str(_whole(seconds))})


def charge(call: Call, *buckets: tuple[str, str, int]) -> None:
    """Count (rate, key, points) and the general limit per address; 429 when one is used up.

    Source: atproto packages/xrpc-server/src/rate-limiter-http.ts; the headers tell the tightest bucket.
    """
    readings = []
    for name, key, points in (("bluesky.any", call.client_address, 1), *buckets):
        reading = call.world.meter.take(name, key, call.now, points)
        if reading:
            readings.append(reading)
    shown = tightest(readings)
    if shown:
        call.headers.update(_rate_headers(shown))
        if not shown.allowed:
            raise Refused(429, _exceeded(), {"retry-after": str(_whole(shown.reset_at - call.now))})


def caller(call: Call, *, refresh: bool = False, even_expired: bool = False) -> tuple[Account, Claims]:
    """Who is calling, or the refusal of packages/pds/src/auth-verifier.ts."""
    header = call.request.headers.get("authorization")
    if not header:
        raise xrpc_error(401, "AuthMissing", "Authentication Required")
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer":
        raise invalid("Unexpected authorization type", "InvalidToken")
    try:
        claims = read(call.world.signing_key, token)
    except TokenError:
        raise invalid("Token could not be verified", "InvalidToken") from None
    account = pds_of(call.world).find_repo(claims.did)
    old = account is not None and claims.is_access and claims.generation < account.access_generation
    if (call.now >= claims.expires_at or old) and not even_expired:
        raise invalid("Token has expired", "ExpiredToken")
    if refresh != (claims.scope == REFRESH):
        raise invalid("Bad token scope", "InvalidToken")
    if account is None:
        raise xrpc_error(403, "AccountNotFound", "Account not found")
    if account.standing is Standing.TAKENDOWN:
        raise xrpc_error(401, "AccountTakedown", "Account has been taken down")
    return account, claims


def active_caller(call: Call) -> Account:
    """Who is calling, for calls that a deactivated account may not make."""
    account, _ = caller(call)
    if account.standing is Standing.DEACTIVATED:
        raise xrpc_error(401, "AccountDeactivated", "Account is deactivated")
    return account


def json_input(call: Call, required: Sequence[str]) -> dict[str, Any]:
    """The JSON body with these strings or objects in it."""
    kind = call.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not call.body and not kind:
        raise invalid("Request encoding (Content-Type) required but not provided")
    if kind != "application/json":
        raise invalid(f"Wrong request encoding (Content-Type): {kind}")
    try:
        value = json.loads(call.body)
    except (ValueError, RecursionError):
        raise invalid("Unable to parse request body as JSON") from None
    if not isinstance(value, dict):
        raise invalid("Input must be an object")
    for name in required:
        if name not in value:
            raise invalid(f'Input must have the property "{name}"')
    return value


def text_input(value: dict[str, Any], *names: str) -> None:
    """These properties, where present, are strings."""
    for name in names:
        if name in value and not isinstance(value[name], str):
            raise invalid(f"Input/{name} must be a string")


def params(call: Call, required: Sequence[str]) -> dict[str, str]:
    """The query parameters."""
    held = dict(call.request.query_params)
    for name in required:
        if name not in held:
            raise invalid(f'Error: Params must have the property "{name}"')
    return held


def _exceeded() -> dict[str, str]:
    return {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}


def _rate_headers(reading: Reading) -> dict[str, str]:
    return {
        "ratelimit-limit": str(reading.limit),
        "ratelimit-remaining": str(reading.remaining),
        "ratelimit-reset": str(_whole(reading.reset_at)),
        "ratelimit-policy": f"{reading.limit};w={reading.window_seconds}",
    }


def _whole(seconds: float) -> int:
    return max(0, -int(-seconds // 1))
