"""Days, weeks and hours of a calendar as a time zone has them: dates in, moments out. No post and no page is known here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 2000, 2100
"""Posts can be planned five years ahead; beyond these years nobody has any, and rules of clocks are guesses."""
LIST_DAYS = 30
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class View(StrEnum):
    """The three ways to look at a calendar."""

    MONTH = "month"
    WEEK = "week"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Hour:
    """A stretch of a day of at most one hour, by the clock on the wall. `start` is aware and in its zone, `stop` is in UTC.

    `doubled`: the wall clock shows this hour twice that day; `start.fold` is 1 for the second one.
    """

    start: datetime
    stop: datetime
    doubled: bool


def days_of(view: View, on: date) -> list[date]:
    """The days that are shown: six whole weeks from Monday around a month, one week from Monday, or the days from `on`."""
    match view:
        case View.MONTH:
            return _days(_monday(on.replace(day=1)), 42)
        case View.WEEK:
            return _days(_monday(on), 7)
        case View.LIST:
            return _days(on, LIST_DAYS)


def step(view: View, on: date, way: int) -> date | None:
    """A day of the stretch before (-1) or after (1); None where there is nothing to see any more."""
    match view:
        case View.MONTH:
            year, month = divmod(on.year * 12 + on.month - 1 + way, 12)
            found = date(year, month + 1, 1)
        case View.WEEK:
            found = _monday(on) + 7 * way * DAY
        case View.LIST:
            found = on + LIST_DAYS * way * DAY
    return found if is_shown(found) else None


def is_shown(day: date) -> bool:
    """Whether a calendar can be opened there."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC. Where the clocks skip midnight that is when they jump."""
    # of a midnight that is skipped, fold=0 means the offset before the jump, and so the moment of the jump (PEP 495)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def hours_of(day: date, zone: ZoneInfo) -> list[Hour]:
    """The hours of a day in their order: 24 on most, without the one that the clocks skip, with both of the one they repeat."""
    found = list(_walk(day, zone))
    hours = [(one.start.hour, one.start.utcoffset()) for one in found]
    twice = {hour for hour, offset in hours if any(hour == other and offset != shift for other, shift in hours)}
    return [Hour(one.start, one.stop, one.start.hour in twice) for one in found]


def period_in_words(view: View, on: date) -> str:
    """What is shown, such as "March 2030" or "29 Apr to 5 May 2030"."""
    days = days_of(view, on)
    if view is View.MONTH:
        return f"{on:%B %Y}"
    first, last = days[0], days[-1]
    if first.month == last.month:
        return f"{first.day} to {last.day} {last:%B %Y}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}"


def _walk(day: date, zone: ZoneInfo) -> Iterator[Hour]:
    at, stop = starts_at(day, zone), starts_at(day + DAY, zone)
    while at < stop:
        start = at.astimezone(zone)
        next_hour = at + HOUR - timedelta(minutes=start.minute, seconds=start.second, microseconds=start.microsecond)
        until = min(_shift(at, min(next_hour, stop), zone), next_hour, stop)
        yield Hour(start, until, doubled=False)
        at = until


def _shift(at: datetime, until: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks are changed after `at` and before `until`, to the second; else `until`."""
    before = at.astimezone(zone).utcoffset()
    low, high = 0, int((until - at).total_seconds())
    if (at + timedelta(seconds=high)).astimezone(zone).utcoffset() == before:
        return until
    while high - low > 1:
        middle = (low + high) // 2
        if (at + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return at + timedelta(seconds=high)


def _monday(day: date) -> date:
    return day - day.weekday() * DAY


def _days(first: date, count: int) -> list[date]:
    return [first + number * DAY for number in range(count)]
