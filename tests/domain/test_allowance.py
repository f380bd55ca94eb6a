"""How many calls are left, and when the next: by tables, and against a platform that counts for itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.domain.allowance import (
    AMPLE,
    ASK_AGAIN,
    DAY,
    FRESH,
    Call,
    Told,
    count_busiest,
    find_room,
    is_ample,
    is_old,
    plan,
    used_up_until,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECONDS = 86_400


def ago(hours: float) -> datetime:
    return NOW - hours * HOUR


def made(*hours: float) -> list[Call]:
    """Calls of ours so many hours ago, each answered a second later."""
    return [Call(ago(one), ago(one) + timedelta(seconds=1)) for one in hours]


SLIDING = [
    # told (left, limit, hours ago), our calls (hours ago), reserved, free now
    ((3, 10, 0), [], 0, 3),
    ((3, 10, 0), [], 2, 1),
    ((3, 10, 0), [], 5, 0),
    ((3, 10, 1), [0.5], 0, 2),  # called since it was told
    ((3, 10, 1), [5, 4], 0, 3),  # counted by the platform already
    ((0, 10, 2), [23, 22.5], 0, 0),
    ((0, 10, 4), [26, 25, 2], 0, 1),  # two have left since, one came
    ((0, 10, 25), [], 0, 10),  # everything that was counted then has left
    ((0, 10, 25), [3, 2, 1], 0, 7),
    ((0, 0, 0), [], 0, 0),
    ((5, None, 0), [], 1, 4),  # its limit was never told
    ((8, 10, 0), [5, 4, 3], 0, 8),  # the platform counts fewer than we do: it knows
    ((12, 10, 0), [], 0, 10),
]


@pytest.mark.parametrize(("told", "calls", "reserved", "free"), SLIDING)
def test_what_is_free_of_a_window_that_slides(
    told: tuple[int, int | None, float], calls: list[float], reserved: int, free: int
) -> None:
    left, limit, hours = told
    room = find_room(Told("posts", left, ago(hours), limit, SECONDS), made(*calls), reserved, NOW)
    assert room.free(NOW) == free


def test_what_was_told_long_ago_without_a_limit_says_nothing_any_more() -> None:
    assert find_room(Told("posts", 0, ago(25), None, SECONDS), [], 0, NOW).free(NOW) is None
    assert find_room(Told("posts", 0, ago(25), None, 3600, ago(24)), [], 0, NOW).free(NOW) is None
    assert plan(find_room(Told("posts", 0, ago(25), None, SECONDS), [], 0, NOW), 2, NOW) == [NOW, NOW]


def test_a_call_that_nobody_knows_of_is_counted_on_top() -> None:
    told = Told("posts", 3, ago(1), 10, SECONDS)
    assert find_room(told, [Call(ago(2), None)], 0, NOW).free(NOW) == 2
    assert find_room(told, [Call(ago(2), ago(0.5))], 0, NOW).free(NOW) == 2
    assert find_room(told, [Call(ago(2), ago(1.5))], 0, NOW).free(NOW) == 3


def test_our_own_calls_leave_one_by_one_and_each_that_waits_gets_the_next() -> None:
    room = find_room(Told("posts", 0, ago(0.1), 3, SECONDS), made(20, 10, 5), 0, NOW)
    first = [ago(20) + DAY, ago(10) + DAY, ago(5) + DAY]
    assert plan(room, 7, NOW) == [*first, *(one + DAY for one in first), first[0] + 2 * DAY]


def test_where_others_fill_the_window_the_first_comes_back_and_asks() -> None:
    told = Told("posts", 0, ago(0.5), 3, SECONDS)
    assert plan(find_room(told, [], 0, NOW), 3, NOW) == [NOW + ASK_AGAIN, ago(0.5) + DAY, ago(0.5) + DAY]
    half = find_room(told, made(23.9, 23.8), 0, NOW)
    assert half.elsewhere == 1
    assert plan(half, 3, NOW) == [ago(23.9) + DAY, ago(23.8) + DAY, ago(0.5) + DAY]


def test_a_limit_of_none_is_asked_again() -> None:
    assert plan(find_room(Told("posts", 0, NOW, 0, SECONDS), [], 0, NOW), 2, NOW) == [NOW + ASK_AGAIN] * 2


def test_a_window_that_begins_anew() -> None:
    told = Told("posts", 1, NOW, 3, 3600, NOW + 10 * MINUTE)
    room = find_room(told, [], 0, NOW)
    assert room.free(NOW) == 1
    assert plan(room, 6, NOW) == [NOW, *[NOW + 10 * MINUTE] * 3, *[NOW + 10 * MINUTE + HOUR] * 2]
    assert find_room(told, [], 1, NOW).free(NOW) == 0
    assert find_room(told, [Call(NOW)], 0, NOW).free(NOW) == 0


def test_after_it_began_anew_our_own_calls_are_what_is_known() -> None:
    told = Told("posts", 0, ago(1), 3, 3600, ago(0.5))
    assert find_room(told, made(2), 0, NOW).free(NOW) == 3
    assert find_room(told, made(0.4, 0.3), 1, NOW).free(NOW) == 0
    assert plan(find_room(told, made(0.4, 0.3, 0.2), 0, NOW), 1, NOW) == [ago(0.4) + HOUR]


def test_a_window_of_unknown_length_is_not_shorter_than_what_is_left_of_it() -> None:
    told = Told("posts", 0, NOW, 1, None, NOW + 40 * MINUTE)
    assert plan(find_room(told, [], 0, NOW), 2, NOW) == [NOW + 40 * MINUTE, NOW + 80 * MINUTE]
    assert plan(find_room(Told("posts", 0, NOW, 1), [], 0, NOW), 2, NOW)[0] == NOW + ASK_AGAIN


def test_with_plenty_left_no_slot_is_reserved_but_in_a_window_that_slides() -> None:
    later = NOW + HOUR
    assert is_ample(Told("posts", AMPLE + 1, NOW, 5000, 3600, later), NOW)
    assert not is_ample(Told("posts", AMPLE, NOW, 5000, 3600, later), NOW)
    assert not is_ample(Told("posts", AMPLE + 1, NOW, 5000, 3600, NOW), NOW)
    assert not is_ample(Told("posts", 240, NOW, 250, SECONDS), NOW)


def test_an_answer_gets_old() -> None:
    assert is_old(None, NOW)
    assert is_old(Told("posts", 5, NOW - FRESH), NOW)
    assert not is_old(Told("posts", 5, NOW - FRESH + timedelta(seconds=1)), NOW)


APPS = [
    (Told("calls", 6, NOW, 100, 3600), None),
    (Told("calls", 5, NOW, 100, 3600), NOW + HOUR),
    (Told("calls", 5, NOW - HOUR, 100, 3600), None),
    (Told("calls", 0, NOW, 100, None), NOW + DAY),
    (Told("calls", 0, NOW, None, None, NOW + MINUTE), NOW + MINUTE),
    (Told("calls", 0, NOW - HOUR, None, None, NOW), None),
    (Told("calls", 1, NOW, None, None), None),
]


@pytest.mark.parametrize(("told", "until"), APPS)
def test_the_budget_of_an_app_is_spared_from_its_last_twentieth_on(told: Told, until: datetime | None) -> None:
    assert used_up_until(told, NOW) == until


@pytest.mark.parametrize(
    ("planned", "count"),
    [([], 1), ([-1.0, -2.0], 3), ([1.0, 2.0], 3), ([-20.0, 20.0], 2), ([-13.0, -12.0, 11.0], 3), ([-12.0, 11.5], 3), ([-24.0, 24.0], 1), ([0.0, 0.0], 3)],
)  # fmt: skip
def test_the_busiest_day_around_a_time(planned: list[float], count: int) -> None:
    assert count_busiest([NOW + one * HOUR for one in planned], NOW, DAY) == count


# ---- against a platform that counts for itself


hours = st.floats(0, 47.9).map(lambda one: round(one, 2))


@given(
    limit=st.integers(1, 8), ours=st.lists(hours, max_size=12), others=st.lists(hours, max_size=12), told=st.floats(0, 23.9),
    reserved=st.integers(0, 3), count=st.integers(1, 20),
)  # fmt: skip
def test_nobody_who_keeps_to_the_plan_oversteps_a_window_that_slides(
    limit: int, ours: list[float], others: list[float], told: float, reserved: int, count: int
) -> None:
    """Others called only before the platform told; then whoever calls as planned stays within the limit at every moment."""
    told_at = ago(told)
    elsewhere = [ago(one) for one in others if ago(one) <= told_at]
    own = [ago(one) for one in ours]
    seen = [one for one in (*elsewhere, *own) if told_at - DAY < one <= told_at]
    row = Told("posts", max(0, limit - len(seen)), told_at, limit, SECONDS)
    room = find_room(row, [Call(one, one) for one in own], reserved, NOW)
    free = room.free(NOW)
    assert free is not None
    times = plan(room, count, NOW)
    assert sum(1 for one in times if one == NOW) == min(free, count)
    assert all(one > NOW for one in times[free:])
    if len(seen) > limit or room.elsewhere or sum(1 for one in own if one > NOW - DAY) + reserved > limit:
        return  # who has overstepped already, or comes back to ask, calls nothing at that time
    every = [*own, *elsewhere, *[NOW] * reserved, *times]
    for one in times:
        assert sum(1 for other in every if one - DAY < other <= one) <= limit


@given(
    limit=st.integers(1, 8), left=st.integers(0, 8), since=st.lists(st.floats(0, 0.4), max_size=6),
    reserved=st.integers(0, 3), count=st.integers(1, 20),
)  # fmt: skip
def test_nobody_who_keeps_to_the_plan_oversteps_a_window_that_begins_anew(
    limit: int, left: int, since: list[float], reserved: int, count: int
) -> None:
    left = min(left, limit)
    resets_at = NOW + HOUR / 4
    row = Told("posts", left, ago(0.5), limit, 3600, resets_at)
    room = find_room(row, made(*since), reserved, NOW)
    times = plan(room, count, NOW)
    now_called = sum(1 for one in times if one < resets_at)
    assert now_called == min(count, max(0, left - len(since) - reserved))
    for window in range(4):
        begins = resets_at + window * HOUR
        assert sum(1 for one in times if begins <= one < begins + HOUR) <= limit


@given(left=st.integers(-5, 300), limit=st.none() | st.integers(0, 300), seconds=st.none() | st.integers(0, 90_000),
       resets=st.none() | st.floats(-60, 60), told=st.floats(0, 60), ours=st.lists(hours, max_size=8),
       reserved=st.integers(0, 5), count=st.integers(1, 30))  # fmt: skip
def test_whatever_is_told_each_gets_a_time_and_none_before_now(
    left: int, limit: int | None, seconds: int | None, resets: float | None, told: float, ours: list[float],
    reserved: int, count: int,
) -> None:  # fmt: skip
    row = Told("posts", left, ago(told), limit, seconds, None if resets is None else ago(-resets))
    room = find_room(row, made(*ours), reserved, NOW)
    times = plan(room, count, NOW)
    assert len(times) == count
    assert min(times) >= NOW
    free = room.free(NOW)
    assert free is None or sum(1 for one in times if one == NOW) == min(free, count)
