"""What a calendar shows, from rows of posts: days, hours and the chips in them. Nothing is read from the database here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hayon.domain.lifecycle import PostStatus
from hayon.web.days import DAY, Hour, View, days_of, hours_of, starts_at
from hayon.web.pages_view import PLATFORM_NAMES, is_doubled, is_unsent, offset_of, zone_of

MOST_A_DAY, MOST_AN_HOUR = 3, 3
"""Chips of a day in a month, of an hour in a week; the rest is a link to the list of that day."""
LIST_PAGE = 50
"""Posts on one page of a list."""


@dataclass(frozen=True)
class Chip:
    """One post of a calendar. `at` is in the zone of the person who looks.

    Its place is the time it is planned for, else the time at which it was handed in; a draft without a time has none.
    `there` is the time in the zone it was planned in, in words, where that one shows another time; `there_zone` is that zone.
    """

    post_id: UUID
    status: PostStatus
    needs_attention: bool
    version: int
    at: datetime
    there: str
    there_zone: str
    words: str
    media_id: str | None
    platforms: tuple[str, ...]

    @cached_property
    def is_movable(self) -> bool:
        """Whether it can be dragged to another time; the database has the last word."""
        return is_unsent(self)

    @cached_property
    def clock(self) -> str:
        """The time of day as it is shown: hours and minutes."""
        return f"{self.at:%H:%M}"

    @cached_property
    def exact(self) -> str:
        """The time of day as a form takes it: to the second where that says something, so that a move keeps it."""
        return f"{self.at:%H:%M:%S}" if self.at.second else self.clock

    @cached_property
    def offset(self) -> str:
        """How far from UTC, where the wall clock shows this time twice; else nothing."""
        return offset_of(self.at) if is_doubled(self.at) else ""

    @cached_property
    def there_city(self) -> str:
        """The last part of that zone's name, for where there is little room."""
        return self.there_zone.rpartition("/")[2].replace("_", " ")

    @cached_property
    def names(self) -> str:
        """Where it goes, in words."""
        return ", ".join(PLATFORM_NAMES.get(one, one) for one in self.platforms)


@dataclass
class Cell:
    """A day or an hour, from its start (in UTC): which posts stand there, how many are shown, and those, once they were read."""

    start: datetime
    most: int
    ids: list[UUID] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)

    @property
    def more(self) -> int:
        """How many are not shown."""
        return len(self.ids) - len(self.chips)


@dataclass
class HourCell:
    """An hour of a week with the posts in it."""

    hour: Hour
    cell: Cell
    is_past: bool

    @property
    def words(self) -> str:
        """Its beginning, such as `02:00`, with the offset where the hour exists twice."""
        start = self.hour.start
        return f"{start:%H:%M} ({offset_of(start)})" if self.hour.doubled else f"{start:%H:%M}"

    @property
    def offset(self) -> str:
        """What belongs behind a wall-clock time to mean this one of two hours; else nothing."""
        return self.hour.start.isoformat()[-6:] if self.hour.doubled else ""


@dataclass
class Day:
    """A day of the calendar. `rows` are the 24 hours of its wall clock: each is there once, twice or not at all."""

    day: date
    is_today: bool
    is_past: bool
    is_outside: bool
    cell: Cell
    rows: list[list[HourCell]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Such as "Friday 29 March"."""
        return f"{self.day:%A} {self.day.day} {self.day:%B}"

    @property
    def count(self) -> str:
        """How many posts it has, in words."""
        many = len(self.cell.ids)
        return "1 post" if many == 1 else f"{many} posts"


@dataclass
class Sheet:
    """All that is seen at once, laid out but without its posts until `fill`."""

    view: View
    days: list[Day]
    start: datetime
    stop: datetime

    @property
    def cells(self) -> list[Cell]:
        """The smallest parts, in their order, each beginning where the one before ends."""
        if self.view is View.WEEK:
            return [hour.cell for day in self.days for row in day.rows for hour in row]
        return [day.cell for day in self.days]

    @property
    def weeks(self) -> list[list[Day]]:
        """The days of a month, week by week."""
        return [self.days[first : first + 7] for first in range(0, len(self.days), 7)]

    def sort_in(self, places: Iterable[Any]) -> list[UUID]:
        """Puts each post (id and place, in their order) into its cell. Those of them that are shown."""
        cells, number = self.cells, 0
        for one in places:
            while number + 1 < len(cells) and cells[number + 1].start <= one.placed_at:
                number += 1
            cells[number].ids.append(one.id)
        return [one for cell in cells for one in cell.ids[: cell.most]]

    def fill(self, chips: Mapping[UUID, Chip]) -> None:
        """Shows the chips of those posts that `sort_in` named and that were found."""
        for cell in self.cells:
            cell.chips = [chips[one] for one in cell.ids[: cell.most] if one in chips]


def lay_out(view: View, on: date, now: datetime, zone: ZoneInfo) -> Sheet:
    """The empty sheet around a day. `now` decides what is past."""
    today = now.astimezone(zone).date()
    days = [
        Day(one, one == today, one < today, view is View.MONTH and (one.year, one.month) != (on.year, on.month),
            Cell(starts_at(one, zone), LIST_PAGE if view is View.LIST else MOST_A_DAY))
        for one in days_of(view, on)
    ]  # fmt: skip
    if view is View.WEEK:
        for day in days:
            day.rows = [[] for _ in range(24)]
            for hour in hours_of(day.day, zone):
                cell = Cell(hour.start.astimezone(UTC), MOST_AN_HOUR)
                day.rows[hour.start.hour].append(HourCell(hour, cell, hour.stop <= now))
    return Sheet(view, days, starts_at(days[0].day, zone), starts_at(days[-1].day + DAY, zone))


def chip_of(row: Any, zone: ZoneInfo, platform_of: Mapping[str, str]) -> Chip:
    """One post as it is shown to somebody in this zone. `platform_of` knows the platforms of their accounts by id."""
    at, planned_in = row.placed_at.astimezone(zone), zone_of(row.timezone)
    return Chip(
        post_id=row.id, status=PostStatus(row.status), needs_attention=row.needs_attention, version=row.version, at=at,
        there=_elsewhere(at, planned_in) if row.scheduled_at is not None else "", there_zone=planned_in.key,
        words=" ".join((row.text or "").split()), media_id=row.media_id, platforms=_platforms(row, platform_of),
    )  # fmt: skip


def _elsewhere(at: datetime, zone: ZoneInfo) -> str:
    there = at.astimezone(zone)
    if there.utcoffset() == at.utcoffset():
        return ""
    return f"{there:%H:%M}" if there.date() == at.date() else f"{there:%a %H:%M}"


def _platforms(row: Any, platform_of: Mapping[str, str]) -> tuple[str, ...]:
    if row.platforms is not None:
        found = set(row.platforms.split(","))
    else:
        selected = row.selected or {}
        found = set(selected.get("platforms", ()))
        found |= {platform_of[one] for one in selected.get("accountIds", ()) if one in platform_of}
    known = [one for one in PLATFORM_NAMES if one in found]
    return (*known, *sorted(found - set(known)))
