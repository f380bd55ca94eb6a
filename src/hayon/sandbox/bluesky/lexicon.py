"""Checking a record against a lexicon: a small engine for the parts of the Lexicon language that posts use.

Source: https://atproto.com/specs/lexicon, https://atproto.com/specs/at-uri-scheme and their siblings for the formats.
It checks what a PDS checks: the schema. It does not look at whether facets lie on characters, as no PDS does.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import regex

from hayon.sandbox.bluesky.content import is_cid

Schema = Mapping[str, Any]
Lexicons = Mapping[str, Schema]

DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")
HANDLE = re.compile(r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
NSID = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,62}(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,62})+\.[a-zA-Z][a-zA-Z0-9]{0,62}")
RECORD_KEY = re.compile(r"[a-zA-Z0-9_~.:-]{1,512}")
TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
URI = re.compile(r"\w+:(?://)?[^\s/][^\s]*")
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)", re.ASCII)
LANGUAGE = re.compile(
    r"(([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?"
    r"(-([A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+)*(-x(-[A-Za-z0-9]{1,8})+)?"
    r"|x(-[A-Za-z0-9]{1,8})+|i-[a-z]+)",
    re.ASCII,
)


class LexiconError(ValueError):
    """The value does not match; the message begins with the path of the part that is wrong."""


def graphemes(text: str) -> int:
    """Extended grapheme clusters."""
    return len(regex.findall(r"\X", text))


def is_record_key(text: str) -> bool:
    """atproto: specs/record-key."""
    return RECORD_KEY.fullmatch(text) is not None and text not in (".", "..")


def is_tid(text: str) -> bool:
    """atproto: specs/tid."""
    return TID.fullmatch(text) is not None


def is_nsid(text: str) -> bool:
    """atproto: specs/nsid."""
    return len(text) <= 317 and NSID.fullmatch(text) is not None


def check(lexicons: Lexicons, name: str, value: Any, path: str = "Record") -> None:
    """LexiconError unless the value matches the named definition."""
    _check(lexicons, lexicons[name], value, path)


def _check(lexicons: Lexicons, schema: Schema, value: Any, path: str) -> None:
    CHECKS[schema["type"]](lexicons, schema, value, path)


def _object(lexicons: Lexicons, schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise LexiconError(f"{path} must be an object")
    for name in schema.get("required", ()):
        if name not in value:
            raise LexiconError(f'{path} must have the property "{name}"')
    for name, part in schema.get("properties", {}).items():
        if name in value:
            _check(lexicons, part, value[name], f"{path}/{name}")


def _array(lexicons: Lexicons, schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise LexiconError(f"{path} must be an array")
    most = schema.get("maxLength")
    if most is not None and len(value) > most:
        raise LexiconError(f"{path} must not have more than {most} elements")
    for place, held in enumerate(value):
        _check(lexicons, schema["items"], held, f"{path}/{place}")


def _ref(lexicons: Lexicons, schema: Schema, value: Any, path: str) -> None:
    check(lexicons, schema["ref"], value, path)


def _union(lexicons: Lexicons, schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("$type"), str):
        raise LexiconError(f'{path} must be an object which includes the "$type" property')
    kind = value["$type"].removesuffix("#main")
    if kind in schema["refs"] and kind in lexicons:
        check(lexicons, kind, value, path)
    elif schema.get("closed"):
        raise LexiconError(f"{path} $type must be one of {', '.join(schema['refs'])}")


def _string(_: Lexicons, schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise LexiconError(f"{path} must be a string")
    most_bytes, most_graphemes = schema.get("maxLength"), schema.get("maxGraphemes")
    if most_bytes is not None and len(value.encode("utf-8", "replace")) > most_bytes:
        raise LexiconError(f"{path} must not be longer than {most_bytes} characters")
    if most_graphemes is not None and len(value) > most_graphemes and graphemes(value) > most_graphemes:
        raise LexiconError(f"{path} must not be longer than {most_graphemes} graphemes")
    form = schema.get("format")
    if form is not None:
        fits, wording = FORMATS[form]
        if not fits(value):
            raise LexiconError(f"{path} {wording}")


def _integer(_: Lexicons, schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise LexiconError(f"{path} must be an integer")
    if value < schema.get("minimum", value):
        raise LexiconError(f"{path} can not be less than {schema['minimum']}")


def _blob(_: Lexicons, schema: Schema, value: Any, path: str) -> None:
    good = (
        isinstance(value, dict)
        and value.get("$type") == "blob"
        and isinstance(value.get("ref"), dict)
        and isinstance(value["ref"].get("$link"), str)
        and is_cid(value["ref"]["$link"])
        and isinstance(value.get("mimeType"), str)
        and isinstance(value.get("size"), int)
        and not isinstance(value["size"], bool)
    )
    if not good:
        raise LexiconError(f"{path} should be a blob ref")
    accept, most = schema.get("accept"), schema.get("maxSize")
    if accept and not any(_accepts(pattern, value["mimeType"]) for pattern in accept):
        raise LexiconError(f"{path} must be one of {', '.join(accept)}, got {value['mimeType']}")
    if most is not None and value["size"] > most:
        raise LexiconError(f"{path} is too large: {value['size']} bytes, the maximum is {most}")


def _accepts(pattern: str, mime_type: str) -> bool:
    return pattern == mime_type or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))


def _unknown(_: Lexicons, __: Schema, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise LexiconError(f"{path} must be an object")


def _is_datetime(text: str) -> bool:
    if not DATETIME.fullmatch(text) or text.endswith("-00:00"):
        return False
    try:
        # the fraction may have more digits than Python reads
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text)).year >= 0
    except ValueError:
        return False


def _is_did(text: str) -> bool:
    return len(text) <= 2_048 and DID.fullmatch(text) is not None


def _is_at_uri(text: str) -> bool:
    if len(text) > 8_192 or not text.startswith("at://"):
        return False
    authority, *rest = text.removeprefix("at://").split("/")
    if not (_is_did(authority) or HANDLE.fullmatch(authority)) or len(rest) > 2:
        return False
    return (not rest or is_nsid(rest[0])) and (len(rest) < 2 or is_record_key(rest[1]))


CHECKS: Mapping[str, Callable[[Lexicons, Schema, Any, str], None]] = {
    "object": _object,
    "array": _array,
    "ref": _ref,
    "union": _union,
    "string": _string,
    "integer": _integer,
    "blob": _blob,
    "unknown": _unknown,
}

FORMATS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "datetime": (_is_datetime, "must be an valid atproto datetime (both RFC-3339 and ISO-8601)"),
    "uri": (lambda text: len(text) <= 8_192 and URI.fullmatch(text) is not None, "must be a uri"),
    "at-uri": (_is_at_uri, "must be a valid at-uri"),
    "did": (_is_did, "must be a valid did"),
    "cid": (is_cid, "must be a cid string"),
    "language": (lambda text: LANGUAGE.fullmatch(text) is not None, "must be a well-formed BCP 47 language tag"),
}
