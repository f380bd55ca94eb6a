"""How Meta's Graph speaks, whichever platform is behind it: its errors, its parameters, its times. No state, no platform.

Beside it stand `tokens.py` (access tokens and their lifetimes), `calls.py` (who calls, and how often), `nodes.py` (fields
and pages of listings) and `doors.py` (the version in the path, and which operation a path means).
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from hayon.sandbox.gate import Call, Refused

OAUTH = "OAuthException"
METHOD = "GraphMethodException"
PART_BYTES = 2**26
"""How large one part of a multipart body may be; an upload larger than that is not sent in one."""


def problem(
    code: int,
    message: str,
    *,
    subcode: int | None = None,
    title: str | None = None,
    words: str | None = None,
    transient: bool = False,
    kind: str = OAUTH,
) -> dict[str, Any]:
    """An error's body. `title` and `words` are what a person may be shown."""
    said: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        said["error_subcode"] = subcode
    said["is_transient"] = transient
    if title is not None:
        said["error_user_title"] = title
    if words is not None:
        said["error_user_msg"] = words
    return {"error": {**said, "fbtrace_id": f"A{secrets.token_urlsafe(16)}"}}


def error(
    code: int, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None, **more: Any
) -> Refused:
    """A refusal in the Graph's envelope; `more` as in `problem`."""
    return Refused(status, problem(code, message, **more), headers)


def invalid(text: str, *, subcode: int | None = None, **more: Any) -> Refused:
    """Code 100: a parameter is wrong or missing."""
    return error(100, f"(#100) {text}", subcode=subcode, **more)


def missing(name: str) -> Refused:
    """Code 100 for a parameter that must be there."""
    return invalid(f"The parameter {name} is required")


def not_there(method: str, node: str) -> Refused:
    """Code 100, subcode 33: no such object, or none that this token or this method may touch. The Graph does not say which."""
    text = (
        f"Unsupported {method.lower()} request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api"
    )
    return error(100, text, subcode=33, kind=METHOD)


def not_allowed(scope: str) -> Refused:
    """Code 10: the token was issued without this permission."""
    return error(10, f"(#10) Application does not have permission for this action: {scope}", status=403)


def token_error(text: str, status: int = 400) -> Refused:
    """A refusal of an endpoint that gives out tokens, which has a shape of its own; a bad token is said as everywhere."""
    return Refused(status, {"error_type": OAUTH, "code": status, "error_message": text})


def moment(at: float) -> str:
    """Unix seconds as the Graph writes them: whole seconds, the offset without a colon."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


# -- parameters -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """A file out of a multipart body. `declared` is its type as it was sent."""

    name: str
    declared: str
    content: bytes


async def parameters(call: Call) -> dict[str, Any]:
    """Query and body (form, multipart, JSON) as one mapping; an uploaded file is an `Upload`."""
    given: dict[str, Any] = dict(call.request.query_params)
    kind = call.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json" and call.body:
        given |= _json(call.body)
    elif kind == "multipart/form-data":
        given |= await _multipart(call)
    elif kind in ("application/x-www-form-urlencoded", ""):
        given |= parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    return given


def text_of(given: Mapping[str, Any], name: str) -> str | None:
    """A parameter as text; None when absent or null."""
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise invalid(f"Param {name} must be a string")


def need(given: Mapping[str, Any], name: str) -> str:
    """A parameter that must be there and not empty."""
    value = text_of(given, name)
    if not value:
        raise missing(name)
    return value


def truth_of(given: Mapping[str, Any], name: str) -> bool | None:
    """A parameter as true or false; None when absent or empty."""
    value = text_of(given, name)
    if value is None or value == "":
        return None
    if value.lower() not in ("true", "false", "1", "0"):
        raise invalid(f"Param {name} must be a boolean")
    return value.lower() in ("true", "1")


def whole_of(given: Mapping[str, Any], name: str) -> int | None:
    """A parameter as a whole number; None when absent or empty."""
    value = text_of(given, name)
    if value is None or value == "":
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise invalid(f"Param {name} must be an integer")
    return int(value)


def list_of(given: Mapping[str, Any], name: str) -> list[Any]:
    """A parameter as a list: a list, one written as JSON, words between commas, or `name[0]`, `name[1]` and so on."""
    value = given.get(name)
    if value is None:
        places = sorted(
            (int(found[1]), held)
            for key, held in given.items()
            if (found := re.fullmatch(rf"{re.escape(name)}\[([0-9]{{1,3}})\]", key))
        )
        return [_nested(held) for _, held in places]
    if isinstance(value, str):
        value = (
            _nested(value)
            if value.lstrip().startswith("[")
            else [one.strip() for one in value.split(",") if one.strip()]
        )
    if not isinstance(value, list):
        raise invalid(f"Param {name} must be an array")
    return [_nested(held) for held in value]


def object_of(given: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A parameter as an object, or one written as JSON; None when absent or empty."""
    value = given.get(name)
    if value is None or value == "":
        return None
    value = _nested(value)
    if not isinstance(value, dict):
        raise invalid(f"Param {name} must be a JSON object")
    return value


def _nested(value: Any) -> Any:
    """Inside a form, objects and lists are strings of JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return _whole(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value


def _json(body: bytes) -> dict[str, Any]:
    try:
        given = _whole(json.loads(body))
    except (ValueError, RecursionError):
        raise invalid("The body is not valid JSON") from None
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object")
    return given


def _whole(value: Any) -> Any:
    """The value, unless it has half a surrogate pair in it, which is no text: ValueError."""
    json.dumps(value, ensure_ascii=False).encode()
    return value


async def _multipart(call: Call) -> dict[str, Any]:
    async def body() -> Any:
        yield call.body

    headers = Headers({"content-type": call.request.headers.get("content-type", "")})
    try:
        form = await MultiPartParser(headers, body(), max_part_size=PART_BYTES).parse()
    except (MultiPartException, KeyError) as broken:
        raise invalid("The multipart body cannot be read") from broken
    given: dict[str, Any] = {}
    for name, held in form.multi_items():
        if isinstance(held, UploadFile):
            given[name] = Upload(held.filename or "", held.content_type or "", await held.read())
            await held.close()
        else:
            given[name] = held
    return given
