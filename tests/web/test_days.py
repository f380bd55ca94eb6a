"""Days and hours as clocks on walls have them: nothing is left out, nothing stands twice, whatever the zone does."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.web.days import View, days_of, hours_of, is_shown, period_in_words, starts_at, step

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
DATES = st.dates(date(2000, 1, 1), date(2100, 12, 31))
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)


def shown(day: date, zone: str) -> list[str]:
    """The hours of a day by the wall, with their offset where an hour exists twice."""
    return [f"{one.start:%H:%M%z}" if one.doubled else f"{one.start:%H:%M}" for one in hours_of(day, ZoneInfo(zone))]


@pytest.mark.parametrize(("day", "zone", "hours", "around_two"), [
    (date(2030, 3, 29), "Europe/Berlin", 24, ["01:00", "02:00", "03:00"]),
    (date(2030, 3, 31), "Europe/Berlin", 23, ["01:00", "03:00", "04:00"]),
    (date(2030, 10, 27), "Europe/Berlin", 25, ["01:00", "02:00+0200", "02:00+0100"]),
    (date(2030, 3, 31), "UTC", 24, ["01:00", "02:00", "03:00"]),
    # half an hour: the clocks of Lord Howe Island go from 02:00 to 02:30, and back from 02:00 to 01:30
    (date(2029, 10, 7), "Australia/Lord_Howe", 24, ["01:00", "02:30", "03:00"]),
    (date(2030, 4, 7), "Australia/Lord_Howe", 25, ["01:00+1100", "01:30+1030", "02:00"]),
    # midnight is skipped
    (date(2025, 4, 25), "Africa/Cairo", 23, ["02:00", "03:00", "04:00"]),
])  # fmt: skip
def test_the_hours_of_a_day(day: date, zone: str, hours: int, around_two: list[str]) -> None:
    found = shown(day, zone)
    assert (len(found), found[1:4]) == (hours, around_two)


def test_a_day_that_does_not_exist_has_no_hours() -> None:
    assert hours_of(date(2011, 12, 30), ZoneInfo("Pacific/Apia")) == []


def test_of_an_hour_that_exists_twice_each_says_so() -> None:
    twice = [one for one in hours_of(date(2030, 10, 27), BERLIN) if one.doubled]
    assert [(one.start.fold, one.start.astimezone(UTC).hour) for one in twice] == [(0, 0), (1, 1)]


@given(day=DATES, zone=ZONES)
def test_hours_follow_one_another_from_the_first_moment_of_a_day_to_that_of_the_next(day: date, zone: ZoneInfo) -> None:
    found = hours_of(day, zone)
    ends = [starts_at(day, zone), *(one.stop for one in found)]
    assert [one.start.astimezone(UTC) for one in found] == ends[:-1]
    assert ends[-1] == starts_at(day + timedelta(days=1), zone)
    assert all(timedelta(0) < one.stop - one.start.astimezone(UTC) <= HOUR for one in found)
    walls = [(one.start.replace(tzinfo=None), one.start.fold) for one in found]
    assert len(set(walls)) == len(walls)


@given(seconds=st.integers(0, 88 * 366 * 86_400), zone=ZONES)
def test_every_moment_is_in_one_hour_of_its_own_day(seconds: int, zone: ZoneInfo) -> None:
    at = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    there = at.astimezone(zone)
    (hour,) = [one for one in hours_of(there.date(), zone) if one.start.astimezone(UTC) <= at < one.stop]
    assert (hour.start.hour, hour.start.utcoffset()) == (there.hour, there.utcoffset())


@given(on=DATES)
def test_a_month_is_six_weeks_from_monday_around_all_its_days(on: date) -> None:
    days = days_of(View.MONTH, on)
    assert (len(days), days[0].weekday(), days[-1] - days[0]) == (42, 0, timedelta(days=41))
    assert len([day for day in days if (day.year, day.month) == (on.year, on.month)]) in {28, 29, 30, 31}
    assert days[0].day == 1 or days[0].month != on.month
    week = days_of(View.WEEK, on)
    assert (len(week), week[0].weekday(), on in week) == (7, 0, True)


@given(on=DATES, view=st.sampled_from(View))
def test_there_and_back_again_is_the_same_stretch(on: date, view: View) -> None:
    later = step(view, on, 1)
    if later is None:
        assert on.year == 2100
        return
    back = step(view, later, -1)
    assert back is not None
    assert days_of(view, back) == days_of(view, on)
    if view is not View.MONTH:
        assert days_of(view, later)[0] - days_of(view, on)[-1] == timedelta(days=1)
    else:
        assert (later.day, later.year * 12 + later.month) == (1, on.year * 12 + on.month + 1)


@pytest.mark.parametrize(("view", "on", "words"), [
    (View.MONTH, date(2030, 3, 29), "March 2030"),
    (View.WEEK, date(2030, 3, 29), "25 to 31 March 2030"),
    (View.WEEK, date(2030, 4, 30), "29 Apr to 5 May 2030"),
    (View.WEEK, date(2030, 12, 31), "30 Dec 2030 to 5 Jan 2031"),
    (View.LIST, date(2030, 3, 29), "29 Mar to 27 Apr 2030"),
])  # fmt: skip
def test_what_is_shown_in_words(view: View, on: date, words: str) -> None:
    assert period_in_words(view, on) == words


def test_nobody_goes_beyond_the_years_that_mean_something() -> None:
    assert (is_shown(date(1999, 12, 31)), is_shown(date(2000, 1, 1))) == (False, True)
    assert step(View.MONTH, date(2000, 1, 15), -1) is None
    assert step(View.LIST, date(2100, 12, 31), 1) is None
