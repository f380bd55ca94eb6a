"""What is left of an account's allowances, in words and as a measure. What that means for posts is decided elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from hayon.domain.allowance import POSTS
from hayon.web.accounts import AllowanceOut
from hayon.web.pages_view import Shown, moment

LITTLE = 10
"""A tenth or less is little."""
DAY = timedelta(days=1)
_SPANS = {3_600: "in any hour", 86_400: "in any 24 hours"}


@dataclass(frozen=True, slots=True)
class Left:
    """One allowance: a sentence; its measure, where there is one that still holds; and a state where little is left."""

    words: Markup
    name: str
    left: int | None
    limit: int | None
    little: Shown | None
    told_at: datetime


def list_left(told: Iterable[AllowanceOut], timezone: str, now: datetime) -> list[Left]:
    """All that is left, posts first: by them publishing is counted."""
    return [show_left(one, timezone, now) for one in sorted(told, key=lambda one: (one.name != POSTS, one.name))]


def show_left(one: AllowanceOut, timezone: str, now: datetime) -> Left:
    """How much of this is left, until when, and of how much."""
    if one.resets_at is not None and one.resets_at <= now:
        words = Markup("The count of {} began anew {}; what is left is told with the next answer").format(
            one.name, moment(one.resets_at, timezone)
        )
        return Left(words, one.name, None, None, None, one.told_at)
    limit = one.limit or None
    until = Markup(" until {}").format(moment(one.resets_at, timezone)) if one.resets_at else f" {_span(one)}"
    return Left(Markup("{}{}").format(_amount(one), until), one.name, one.left, limit, _little(one), one.told_at)


def _amount(one: AllowanceOut) -> str:
    if one.name == "calls" and one.limit == 100:  # Meta tells a percentage of a number that it keeps to itself
        return f"{one.left} % of its calls left"
    return f"{one.left:,} of {one.limit:,} {one.name} left" if one.limit else f"{one.left:,} {one.name} left"


def _span(one: AllowanceOut) -> str:
    seconds = one.window_seconds or int(DAY.total_seconds())
    return _SPANS.get(seconds, f"in any {max(1, round(seconds / 60)):,} minutes")


def _little(one: AllowanceOut) -> Shown | None:
    if one.left == 0:
        return Shown("red", "✕", "Used up")
    if one.limit and one.left * LITTLE <= one.limit:
        return Shown("amber", "!", "Little left")
    return None
