"""What Tumblr tells about how much is left: of our app in the headers of its answers, of a person when it is asked.

Headers: tumblr/docs issue 139 (`Reset` is seconds from now); not on every route (issue 82). What a person may do in a day:
tumblr/docs: api.md, "/user/limits", "Rate Limits".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hayon.outgoing import Answer
from hayon.platforms.contract import Allowance
from hayon.platforms.tumblr.answers import seconds_in

HOUR, DAY = 3_600, 86_400
_SPANS = {"perhour": ("calls in an hour", HOUR), "perday": ("calls in a day", DAY)}
_OF_A_PERSON = {"posts": "posts", "images": "pictures", "videos": "videos", "video_seconds": "seconds of video"}
_MOST = 2**31 - 1


def read_allowances(answer: Answer, now: datetime) -> Sequence[Allowance]:
    """What is left of the calls of our app, which all accounts share; nothing where the headers do not say it whole."""
    return tuple(_of_the_app(answer, now))


def _of_the_app(answer: Answer, now: datetime) -> Iterator[Allowance]:
    for span, (name, seconds) in _SPANS.items():
        limit, left, reset = (
            seconds_in(answer, f"x-ratelimit-{span}-{part}") for part in ("limit", "remaining", "reset")
        )
        if limit is not None and left is not None and reset is not None:
            resets_at = now + timedelta(seconds=min(reset, seconds))
            yield Allowance(name, left, limit, seconds, resets_at, of_app=True)


def allowances_of_person(user: Mapping[str, Any], now: datetime) -> Iterator[Allowance]:
    """What is left of the day of the person whose token it is, on all of their blogs together."""
    for item, name in _OF_A_PERSON.items():
        told = user.get(item)
        if not isinstance(told, Mapping):
            continue
        left, limit = (_whole(told.get(part)) for part in ("remaining", "limit"))
        if left is not None and limit is not None:
            yield Allowance(name, left, limit, DAY, _end(told.get("reset_at"), now))


def _whole(value: Any) -> int | None:
    return min(value, _MOST) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _end(value: Any, now: datetime) -> datetime:
    """When the day ends by Tumblr's clock: no later than a day from now, and then where it does not say."""
    latest = now + timedelta(seconds=DAY)
    try:
        return min(datetime.fromtimestamp(value, UTC), latest)
    except (TypeError, ValueError, OverflowError, OSError):
        return latest
