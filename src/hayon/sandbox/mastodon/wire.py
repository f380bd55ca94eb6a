"""Mastodon's REST manners: who is calling, parameters from form or JSON, refusals, and the rate limits.

Source: mastodon app/controllers/api/base_controller.rb, app/controllers/concerns/api/error_handling.rb,
config/initializers/rack_attack.rb, config/locales/doorkeeper.en.yml.
"""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Reading, tightest
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.model import AccessToken, Account, Platform, Standing
from hayon.sandbox.moments import iso

BROKEN_PAGE = (
    "<!DOCTYPE html><html lang='en'><head><title>We're sorry, but something went wrong</title></head>"
    "<body><h1>We're sorry, but something went wrong on our end.</h1></body></html>"
)
TRY_AGAIN = "There was a temporary problem serving your request, please try again"
PHRASES = {404: "Record not found", 401: "The access token is invalid", 403: "This action is not allowed"}


def error(status: int, text: str, headers: dict[str, str] | None = None) -> Refused:
    """A refusal as the API words it."""
    return Refused(status, {"error": text}, headers)


def not_found() -> Refused:
    """404."""
    return error(404, "Record not found")


def invalid(text: str) -> Refused:
    """422 of a model that did not validate."""
    return error(422, f"Validation failed: {text}")


class InstanceManners:
    """How the gate recognises and answers on this platform."""

    platform = Platform.MASTODON

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        """The account whose token was sent, revoked or not."""
        token = instance_of(world).tokens.get(_token_text(request))
        return world.find_account(Platform.MASTODON, token.account_id) if token and token.account_id else None

    def too_large(self) -> Answer:
        """413, as the web server before the application says it."""
        page = "<html><head><title>413 Request Entity Too Large</title></head></html>"
        return Answer(page, 413, {"connection": "close"})

    def failed(self, status: int) -> Answer:
        """A server error (a page, where the application itself did not answer) or any other status by itself."""
        if status == 503:
            return Answer({"error": TRY_AGAIN}, 503)
        return Answer(BROKEN_PAGE, status) if status >= 500 else Answer({"error": PHRASES.get(status, "Error")}, status)

    def rate_limited(self, call: Call, seconds: float) -> Answer:
        """429 as after too many requests; Mastodon sends no Retry-After."""
        reading = Reading(300, 0, call.now + seconds, 300, allowed=False)
        return Answer({"error": "Too many requests"}, 429, _rate_headers(reading))


def charge(call: Call, *buckets: tuple[str, str]) -> None:
    """Count a request against its token and account, or its address, and these buckets; 429 when one is used up."""
    if call.account:
        account_id = call.account.account_id
        general = [("mastodon.token", _token_text(call.request)), ("mastodon.account", account_id)]
    else:
        general = [("mastodon.address", call.client_address)]
    count(call, *general, *buckets)


def count(call: Call, *buckets: tuple[str, str]) -> None:
    """Count one in each bucket and let the answer tell the tightest."""
    readings = [reading for name, key in buckets if (reading := call.world.meter.take(name, key, call.now)) is not None]
    shown = tightest(readings)
    if shown is None:
        return
    if not shown.allowed:
        raise Refused(429, {"error": "Too many requests"}, _rate_headers(shown))
    if shown.remaining <= int(call.headers.get("x-ratelimit-remaining", shown.remaining)):
        call.headers.update(_rate_headers(shown))


def caller(call: Call, *scopes: str) -> tuple[Account, AccessToken]:
    """The user who is calling with one of these scopes, or the refusal."""
    token = _good_token(call)
    if not any(_covers(token.scopes, scope) for scope in scopes):
        raise error(403, "This action is outside the authorized scopes")
    if token.account_id is None:
        raise error(422, "This method requires an authenticated user")
    account = instance_of(call.world).get_author(token.account_id)
    if account.standing is not Standing.ACTIVE:
        raise error(403, "Your login is currently disabled")
    return account, token


def viewer(call: Call) -> Account | None:
    """The user who is reading, or nobody; a bad token is refused all the same."""
    if not _token_text(call.request):
        return None
    token = _good_token(call)
    return instance_of(call.world).get_author(token.account_id) if token.account_id else None


async def parameters(call: Call) -> dict[str, Any]:
    """Query and body as one mapping; names ending in [] are lists, an upload is a Starlette UploadFile."""
    pairs: list[tuple[str, Any]] = list(call.request.query_params.multi_items())
    kind = call.request.headers.get("content-type", "").split(";")[0].strip().lower()
    given: dict[str, Any] = {}
    if kind == "application/json" and call.body:
        try:
            given = json.loads(call.body)
            json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError):
            raise error(400, "Error occurred while parsing request parameters") from None
        if not isinstance(given, dict):
            raise error(400, "Error occurred while parsing request parameters")
    elif kind == "multipart/form-data":
        pairs += await _multipart(call)
    elif kind == "application/x-www-form-urlencoded":
        pairs += parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    for name, value in pairs:
        if name.endswith("[]"):
            given.setdefault(name[:-2], []).append(value)
        else:
            given[name] = value
    return given


def text_of(given: dict[str, Any], name: str) -> str | None:
    """A parameter as text; None when absent or null. Numbers and booleans are read as Rails would."""
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise error(400, f"{name} must be text")


def truth_of(given: dict[str, Any], name: str) -> bool | None:
    """A parameter as true or false, as Rails casts it; None when absent or empty."""
    text = text_of(given, name)
    return None if text in (None, "") else text.lower() not in ("0", "f", "false", "off")


def _good_token(call: Call) -> AccessToken:
    token = instance_of(call.world).tokens.get(_token_text(call.request))
    if token is None or token.revoked:
        text = "The access token was revoked" if token else "The access token is invalid"
        challenge = f'Bearer realm="Doorkeeper", error="invalid_token", error_description="{text}"'
        raise error(401, text, {"www-authenticate": challenge})
    return token


def _token_text(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.query_params.get("access_token", "")


def _covers(granted: str, wanted: str) -> bool:
    return any(wanted == scope or wanted.startswith(f"{scope}:") for scope in granted.split())


async def _multipart(call: Call) -> list[tuple[str, str | UploadFile]]:
    async def body() -> Any:
        yield call.body

    headers = Headers({"content-type": call.request.headers.get("content-type", "")})
    try:
        form = await MultiPartParser(headers, body(), max_part_size=2**20).parse()
    except (MultiPartException, KeyError) as broken:
        raise error(400, "Error occurred while parsing request parameters") from broken
    return list(form.multi_items())


def _rate_headers(reading: Reading) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(reading.limit),
        "x-ratelimit-remaining": str(reading.remaining),
        "x-ratelimit-reset": iso(reading.reset_at, "microseconds"),
    }
