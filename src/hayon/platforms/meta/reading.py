"""What can be read in any answer of Graph, whatever it is about: its object, ids, times, the cursor of what follows."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hayon.outgoing import Answer


def body_of(answer: Answer) -> Mapping[str, Any] | None:
    """The answer's JSON object; None where it is none."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping) else None


def flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object itself where it came wrapped in `data`, alone or as the one entry of a list: Meta does both."""
    inner = body.get("data")
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return inner if isinstance(inner, Mapping) else body


def id_in(body: Mapping[str, Any], name: str = "id") -> str | None:
    """An id: text always, since they are larger than some programs' numbers; None where there is none."""
    value = body.get(name)
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return written if isinstance(written, str) and re.fullmatch(r"[\w:\-]{1,200}", written, re.ASCII) else None


def moment_of(value: Any) -> datetime | None:
    """A time of the API, ISO 8601 or seconds since 1970, as an aware one; None for anything else, and for 0 (never)."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC) if value > 0 else None
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def after_in(body: Mapping[str, Any]) -> str | None:
    """The cursor of what follows; None where nothing does. Threads names no `next` beside it, so the last page may be empty."""
    paging = body.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, Mapping) else None
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    return after if isinstance(after, str) and after else None
