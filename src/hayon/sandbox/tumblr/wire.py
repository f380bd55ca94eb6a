"""Tumblr's manners: the envelope of every answer, refusals with their codes, what a request carries, the rates.

Source: tumblr/docs api.md; the headers of the rates and the bodies of refusals as seen in tumblr/docs#53 and #139. What
is asked of a consistent User-Agent over many requests is not simulated, only that there is one.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hayon.sandbox.gate import Answer, Call, Refused
from hayon.sandbox.ground import Ground
from hayon.sandbox.limits import Reading
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.tumblr import CONSUMER_KEY
from hayon.sandbox.tumblr.blog import tumblr_of
from hayon.sandbox.tumblr.limits import RATES

PHRASES = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Limit Exceeded",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
UNAUTHORIZED = 1016
INVALID = 8001
MEDIA_FORMAT = 8005
OAUTH_TOKEN = re.compile(r'oauth_token="([^"]*)"')
LONG_WORD = re.compile(rb"[A-Za-z0-9]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """A part of a form that is a file."""

    name: str
    declared: str
    content: bytes


def done(response: Any, status: int = 200) -> Answer:
    """An answer in the envelope."""
    return Answer({"meta": {"status": status, "msg": PHRASES[status]}, "response": response}, status)


def error(status: int, detail: str, code: int = 0) -> Refused:
    """A refusal in the envelope."""
    return Refused(status, _problem(status, detail, code))


def invalid(detail: str) -> Refused:
    """400.8001: something of the post is not as it must be."""
    return error(400, detail, INVALID)


def unauthorized() -> Refused:
    """401; why is not told."""
    return error(401, "Unable to authorize", UNAUTHORIZED)


def not_found() -> Refused:
    """404 of a blog or a post."""
    return error(404, "Not Found")


def not_simulated(what: str) -> Refused:
    """501, where the real one would do something."""
    return error(501, f"The sandbox does not simulate {what}")


class TumblrManners:
    """How the gate recognises and answers on this platform."""

    platform = Platform.TUMBLR

    def find_account(self, world: Ground, request: Request, body: bytes) -> Account | None:
        """The account whose token was sent, good or not; where tokens are given and renewed it is in the body."""
        keys, header = tumblr_of(world).keys, request.headers.get("authorization", "")
        named = OAUTH_TOKEN.search(header)
        held: Any = keys.find_signed(unquote(named[1])) if named else keys.find_bearer(bearer_text(request))
        if held is None and request.url.path.endswith("/oauth2/token"):
            words = [word.decode() for word in LONG_WORD.findall(body)]
            found = (keys.find_bearer(word) or keys.find_code(word) for word in words)
            held = next((one for one in found if one), None)
        if held is None and named:
            held = keys.find_request(unquote(named[1]))
        return world.find_account(Platform.TUMBLR, held.account_id) if held and held.account_id else None

    def too_large(self) -> Answer:
        """413, as the web server before the application says it."""
        return Answer(_page(413, "Request Entity Too Large"), 413, {"connection": "close"})

    def failed(self, status: int) -> Answer:
        """Any status by itself; 502 and 504 come from the web server before the application."""
        if status in (502, 504):
            return Answer(_page(status, "Bad Gateway" if status == 502 else "Gateway Time-out"), status)
        code = UNAUTHORIZED if status == 401 else 0
        return Answer(_problem(status, "Got an error. Try again.", code), status)

    def rate_limited(self, call: Call, seconds: float) -> Answer:
        """429 as after too many calls in an hour; Tumblr sends no Retry-After."""
        rate = RATES["tumblr.key.hour"]
        hour = Reading(rate.points, 0, call.now + seconds, rate.window_seconds, allowed=False)
        day = call.world.meter.take("tumblr.key.day", CONSUMER_KEY, call.now, 0)
        return Answer(_problem(429, "Got an error. Try again."), 429, _rate_headers(hour, day, call.now))


def charge_address(call: Call) -> None:
    """Count a request against its address; 429 when it has sent too many."""
    for window in ("minute", "hour", "day"):
        reading = call.world.meter.take(f"tumblr.address.{window}", call.client_address, call.now)
        if reading is not None and not reading.allowed:
            raise error(429, "Got an error. Try again.")


def charge_key(call: Call) -> None:
    """Count a request against the application, and let the answer tell what is left."""
    hour, day = _of_key(call, 0)
    if all(reading is None or reading.remaining for reading in (hour, day)):
        hour, day = _of_key(call, 1)
        call.headers.update(_rate_headers(hour, day, call.now))
    else:
        raise Refused(429, _problem(429, "Got an error. Try again."), _rate_headers(hour, day, call.now))


def bearer_text(request: Request) -> str:
    """The access token of OAuth2 that was sent, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def kind_of(call: Call) -> str:
    """The MIME type of the body."""
    return call.request.headers.get("content-type", "").split(";")[0].strip().lower()


async def parameters(call: Call) -> tuple[dict[str, Any], list[File]]:
    """What the body says, and the files with it: of a form in parts the first part, named `json`, if it is there."""
    if kind_of(call) == "multipart/form-data":
        fields, files = await _parts(call)
        if fields and fields[0][0] == "json":
            return _object(fields[0][1].encode()), files
        return dict(fields), files
    if kind_of(call) == "application/json":
        return _object(call.body), []
    return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)), []


async def _parts(call: Call) -> tuple[list[tuple[str, str]], list[File]]:
    async def body() -> Any:
        yield call.body

    headers = Headers({"content-type": call.request.headers.get("content-type", "")})
    try:
        form = await MultiPartParser(headers, body(), max_part_size=2**21).parse()
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise invalid("The form cannot be read") from None
    fields: list[tuple[str, str]] = []
    files: list[File] = []
    for name, held in form.multi_items():
        if not isinstance(held, UploadFile):
            if files and name == "json":
                raise invalid("The first part of the form must be 'json'")
            fields.append((name, held))
            continue
        files.append(File(name, (held.content_type or "").lower(), await held.read()))
        await held.close()
    return fields, files


def _of_key(call: Call, points: int) -> tuple[Reading | None, Reading | None]:
    meter, now = call.world.meter, call.now
    hour = meter.take("tumblr.key.hour", CONSUMER_KEY, now, points)
    return hour, meter.take("tumblr.key.day", CONSUMER_KEY, now, points)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise invalid("The body is no JSON") from None
    if not isinstance(given, dict):
        raise invalid("The body must be an object")
    return given


def _problem(status: int, detail: str, code: int = 0) -> dict[str, Any]:
    msg = PHRASES.get(status, "Error")
    return {
        "meta": {"status": status, "msg": msg},
        "response": [],
        "errors": [{"title": msg, "code": code, "detail": detail}],
    }


def _page(status: int, words: str) -> str:
    said = f"{status} {words}"
    return f"<html>\r\n<head><title>{said}</title></head>\r\n<body>\r\n<center><h1>{said}</h1></center>\r\n</body>\r\n</html>"


def _rate_headers(hour: Reading | None, day: Reading | None, now: float) -> dict[str, str]:
    headers = {}
    for name, reading in (("perhour", hour), ("perday", day)):
        if reading is not None:
            headers[f"x-ratelimit-{name}-limit"] = str(reading.limit)
            headers[f"x-ratelimit-{name}-remaining"] = str(reading.remaining)
            headers[f"x-ratelimit-{name}-reset"] = str(max(0, math.ceil(reading.reset_at - now)))
    return headers
