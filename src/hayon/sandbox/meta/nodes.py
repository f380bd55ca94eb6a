"""What is shown of a Graph's objects: the fields that were asked for, and listings page by page."""

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from hayon.sandbox.gate import Call
from hayon.sandbox.meta.graph import error, invalid, text_of, whole_of

Fields = Mapping[str, Any]
"""The names that were asked for, each with the fields asked for within it (empty if none were)."""
USUAL_LIMIT = 25
MOST_LIMIT = 100

One = TypeVar("One")


def asked(given: Mapping[str, Any]) -> Fields:
    """The parameter `fields`, as in `id,caption,children.limit(2){id,media_type}`; empty when absent. What stands in round
    brackets is read over."""
    text = text_of(given, "fields") or ""
    found, rest = _read(text)
    if rest:
        raise error(2500, f"Syntax error \"Unexpected '{rest[0]}'\" at character {len(text) - len(rest)}: {text}")
    return found


def shown(kind: str, whole: Mapping[str, Any], fields: Fields, usual: Collection[str] = ()) -> dict[str, Any]:
    """The fields of an object that were asked for, `usual` if none were, and always its id.

    What is None is left out, as the Graph does. A value that is a function is called with the fields asked for within it.
    A name that `whole` lacks is refused; `kind` is what the Graph calls such an object.
    """
    if strange := next((name for name in fields if name not in whole), None):
        raise invalid(f"Tried accessing nonexisting field ({strange}) on node type ({kind})")
    names: Fields = fields or {name: {} for name in usual}
    told = {name: whole[name](within) if callable(whole[name]) else whole[name] for name, within in names.items()}
    return {name: value for name, value in {**told, "id": whole["id"]}.items() if value is not None}


def page(
    call: Call,
    given: Mapping[str, Any],
    items: Sequence[One],
    *,
    order: Callable[[One], int],
    at: Callable[[One], float],
    show: Callable[[One], dict[str, Any]],
    most: int = MOST_LIMIT,
) -> dict[str, Any]:
    """One page of a listing whose `items` come newest first.

    `order` is a number that falls from one to the next, which cursors hold: they stay good when an item goes. `since` and
    `until` are moments of the item's own time `at`, in unix seconds or ISO 8601. More than `most` on a page is `most`.
    """
    since, until = _moment(given, "since"), _moment(given, "until")
    held = [one for one in items if (since is None or at(one) >= since) and (until is None or at(one) <= until)]
    limit = whole_of(given, "limit")
    if limit is not None and limit < 1:
        raise invalid("Param limit must be greater than or equal to 1")
    limit = min(limit or USUAL_LIMIT, most)
    after, before = _cursor(given, "after"), _cursor(given, "before")
    if after is not None:
        held = [one for one in held if order(one) < after]
    if before is not None:
        held = [one for one in held if order(one) > before]
    cut = held[-limit:] if before is not None and after is None else held[:limit]
    if not cut:
        return {"data": []}
    cursors = {"before": _written(order(cut[0])), "after": _written(order(cut[-1]))}
    paging: dict[str, Any] = {"cursors": cursors}
    if order(cut[-1]) != order(held[-1]) or (before is not None and after is None):
        paging["next"] = _address(call, {"after": cursors["after"], "limit": str(limit)})
    if order(cut[0]) != order(held[0]) or after is not None:
        paging["previous"] = _address(call, {"before": cursors["before"], "limit": str(limit)})
    return {"data": [show(one) for one in cut], "paging": paging}


def _read(text: str) -> tuple[dict[str, Any], str]:
    """The names up to a closing brace or the end, and what is left."""
    found: dict[str, Any] = {}
    name, place = "", 0
    while place < len(text) and text[place] != "}":
        letter = text[place]
        if letter == "{":
            inside, rest = _read(text[place + 1 :])
            if not name or not rest.startswith("}"):
                return found, rest or "{"
            found[name.strip()] = inside
            text, place, name = rest[1:], 0, ""
            continue
        if letter == "(":
            end = text.find(")", place)
            if end < 0:
                return found, text[place:]
            name, place = name.rpartition(".")[0], end
        elif letter == ",":
            _keep(found, name)
            name = ""
        else:
            name += letter
        place += 1
    _keep(found, name)
    return found, text[place:]


def _keep(found: dict[str, Any], name: str) -> None:
    if name.strip():
        found.setdefault(name.strip(), {})


def _moment(given: Mapping[str, Any], name: str) -> float | None:
    text = text_of(given, name)
    if text is None or text == "":
        return None
    try:
        return float(int(text)) if text.lstrip("-").isdigit() else datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise invalid(f"Param {name} must be a valid timestamp") from None


def _cursor(given: Mapping[str, Any], name: str) -> int | None:
    text = text_of(given, name)
    if not text:
        return None
    try:
        return int(base64.urlsafe_b64decode(text.encode()))
    except (binascii.Error, ValueError):
        raise invalid(f"Invalid {name} cursor") from None


def _written(order: int) -> str:
    return base64.urlsafe_b64encode(str(order).encode()).decode()


def _address(call: Call, changes: Mapping[str, str]) -> str:
    """This request's address at another place of the listing. The real one writes the token into it; nothing here needs that."""
    query = {
        name: value
        for name, value in call.request.query_params.items()
        if name not in ("access_token", "after", "before")
    }
    return f"{call.base_url}{call.request.url.path}?{urlencode({**query, **changes})}"
