"""What a validator finds, said to people: where, which rule in a plain word, and what would do. Never what was sent: it may be a secret."""

from collections.abc import Mapping, Sequence
from typing import Any

from hayon.errors import Problem

KINDS = {"Value": "characters", "String": "characters"}
IDS = {
    "postId": "a post", "mediaId": "a file", "accountId": "an account", "which": "an account", "keyId": "a key",
    "noticeId": "a notice",
}  # fmt: skip
NOT_SENT_AS_JSON = Problem("Content-Type", "content_type", "Send the body as JSON, with the header Content-Type: application/json.")  # fmt: skip


def problems_of(found: Sequence[Mapping[str, Any]], *, content_type: str = "application/json") -> list[Problem]:
    """Everything found in a request. Its places begin with the part of the request: body, path, query, header."""
    problems = []
    for one in found:
        part, place = one["loc"][0], one["loc"][1:]
        if part == "body" and not place and one["type"] != "missing" and not _is_json(content_type):
            return [NOT_SENT_AS_JSON]
        if one["type"] == "json_invalid":
            # the place of this one is a count of characters, no field
            problems.append(_broken_json(one))
        elif part == "path" and one["type"].startswith("uuid"):
            message = f"This is no id of {IDS[place[0]]}." if place and place[0] in IDS else "This is no id."
            problems.append(Problem(_where(place), "not_an_id", message))
        else:
            problems.append(problem_of(one, place, whole=str(part)))
    return problems


def problem_of(found: Mapping[str, Any], place: Sequence[int | str], *, whole: str = "body") -> Problem:
    """One finding. `whole` names what was sent as a whole, for findings that are about all of it."""
    where = _where(place)
    rule, words = _said(found)
    named = f"{where!r}" if where else f"The {whole}"
    if rule == "extra":
        return Problem(where, rule, f"There is no field {where!r} here.")
    if rule == "format":
        return Problem(where, rule, f"{where} {words}.")
    return Problem(where or whole, rule, f"{named} {words}.")


def _said(found: Mapping[str, Any]) -> tuple[str, str]:
    """The rule and the rest of the sentence."""
    kind, told = str(found["type"]), found.get("ctx", {})
    match kind:
        case "missing":
            return "missing", "is missing"
        case "extra_forbidden":
            return "extra", ""
        case "string_too_short" | "too_short":
            return "too_short", _at_least(told)
        case "string_too_long" | "too_long":
            return "too_long", f"takes at most {told['max_length']:,} {_counted(told)}"
        case "greater_than_equal":
            return "too_small", f"must be at least {told['ge']:,}"
        case "less_than_equal":
            return "too_large", f"must be at most {told['le']:,}"
        case "enum" | "literal_error":
            return "unknown_value", f"must be one of {str(told['expected']).replace(' or ', ', ')}"
        case "string_pattern_mismatch":
            return "format", "takes 1 to 200 visible ASCII characters"
        case "value_error":
            return "value", str(found["msg"]).removeprefix("Value error, ").rstrip(".")
        case "int_parsing_size":
            return "too_large", "is a number beyond all bounds"
        case "timezone_aware":
            return "no_offset", "needs an offset from UTC, as in 2030-03-29T14:30:00+02:00"
    for start, rule, words in _STARTS:
        if kind.startswith(start):
            return rule, words
    return "value", "cannot be taken as it is"


_STARTS = (
    ("uuid", "not_an_id", "must be an id, as in 0198c2f4-7d1e-7c3a-9b52-3f6a1c0d8e4b"),
    ("datetime", "not_a_time", "must be a time, as in 2030-03-29T14:30:00+02:00"),
    ("string_unicode", "value", "must not contain half a surrogate pair"),
    ("string", "type", "must be text"),
    ("int", "type", "must be a whole number"),
    ("bool", "type", "must be true or false"),
    ("tuple", "type", "must be a list"),
    ("list", "type", "must be a list"),
    ("set", "type", "must be a list"),
    ("dict", "type", "must be a JSON object"),
    ("model", "type", "must be a JSON object"),
)
"""Beginnings of the validator's words for what is not of the right kind at all."""


def _where(place: Sequence[int | str]) -> str:
    """`("content", "mediaItems", 0, "altText")` as `content.mediaItems[0].altText`."""
    words = ""
    for step in place:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else step
    return words


def _broken_json(found: Mapping[str, Any]) -> Problem:
    place = found["loc"][-1]
    why = str(found.get("ctx", {}).get("error", "it cannot be read"))
    at = f" (at character {place + 1})" if isinstance(place, int) else ""
    return Problem("body", "not_json", f"This is not JSON: {why[:1].lower()}{why[1:]}{at}.")


def _at_least(told: Mapping[str, Any]) -> str:
    fewest = told["min_length"]
    return "must not be empty" if fewest == 1 else f"takes at least {fewest:,} {_counted(told)}"


def _counted(told: Mapping[str, Any]) -> str:
    """Text tells no kind of its own; lists and objects do."""
    return KINDS.get(told.get("field_type", "String"), "entries")


def _is_json(content_type: str) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return plain == "application/json" or (plain.startswith("application/") and plain.endswith("+json"))
