"""How many more calls an account may make, and when the next: by what its platform told and by our own log. Reads and writes nothing.

A window is thought of as `limit` places. A call takes one and gives it back when it leaves the window: a window that
slides gives each back after its own length, one that begins anew gives all back at once.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

POSTS = "posts"
"""The name of what is counted at the commit call."""
LINED_UP = "allowance"
"""The code of a target that waits for its turn within its account's allowance."""
FRESH = timedelta(minutes=10)
"""How long the answer of a quota endpoint is believed before it is asked again."""
ASK_AGAIN = timedelta(minutes=15)
"""Where others fill the window, nobody knows when: the platform is asked again after so long."""
PROBE = timedelta(minutes=5)
"""While the budget of an app is nearly used up, one of all its accounts tries again after so long."""
DAY = timedelta(days=1)
AMPLE = 50
"""With more than this left in a window that begins anew no slot is reserved: each answer tells anew, one call after another."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a platform told last, at `told_at`: `left` of `limit` in a window of `seconds`, which slides where `resets_at` is
    None and else begins anew at that time. `probe_at`: while an app's budget is used up, when somebody tries again."""

    name: str
    left: int
    told_at: datetime
    limit: int | None = None
    seconds: int | None = None
    resets_at: datetime | None = None
    probe_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A commit call of ours: when its intent was written, and when its answer was (None: it is not known what became of it)."""

    at: datetime
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """The places of a window, by the time at which each is free, the earliest first. None: nobody knows of a limit.

    Those in `elsewhere` are held by calls that are not ours: they are free then at the latest.
    """

    places: tuple[datetime, ...] | None
    elsewhere: int = 0
    length: timedelta = DAY
    resets_at: datetime | None = None

    def free(self, now: datetime) -> int | None:
        """How many calls may be made now. None: as many as one likes."""
        return None if self.places is None else sum(1 for place in self.places if place <= now)


def find_room(told: Told, calls: Iterable[Call], reserved: int, now: datetime) -> Room:
    """The window as it is now: what was told, our calls since, and the slots `reserved` by targets that will call.

    What the platform told is believed where it differs from our log: calls of ours that it had not counted by then come on
    top, as do those of which nobody knows what became of them.
    """
    length = timedelta(seconds=told.seconds) if told.seconds else _guess_length(told)
    ours = sorted(calls, key=lambda one: one.at)
    if told.resets_at is not None and told.resets_at <= now:
        return _begun_anew(told, ours, reserved, now, length)
    counted = [one.at for one in ours if _is_counted(one, told) and one.at > told.told_at - length]
    since = [one.at for one in ours if not _is_counted(one, told)]
    if told.limit is None and told.resets_at is None and told.told_at + length <= now:
        return Room(None)
    limit = told.left + len(counted) if told.limit is None else told.limit
    used = max(0, limit - max(0, told.left))
    if told.resets_at is not None:
        held = [told.resets_at] * (used + len(since) + reserved)
        return Room(_places(held, limit, now), 0, length, told.resets_at)
    counted = counted[max(0, len(counted) - used) :]
    elsewhere = used - len(counted) if told.told_at + length > now else 0
    held = [one + length for one in (*counted, *since)]
    held += [told.told_at + length] * elsewhere + [now + length] * reserved
    return Room(_places([one for one in held if one > now], limit, now), elsewhere, length)


def plan(room: Room, count: int, now: datetime) -> list[datetime]:
    """When each of `count` calls may be made, one after the other, if nobody else calls. `now` for those that may be now.

    Where others hold places, somebody has to come back sooner and ask: that is the first that cannot go now.
    """
    if room.places is None:
        return [now] * count
    if not room.places:
        return [now + ASK_AGAIN] * count
    places = list(room.places)  # sorted, and so a heap
    times = []
    for _ in range(count):
        at = max(now, places[0])
        heapq.heapreplace(places, _next_window(room, at))
        times.append(at)
    waits = next((index for index, at in enumerate(times) if at > now), None)
    if room.elsewhere and waits is not None:
        times[waits] = min(times[waits], now + ASK_AGAIN)
    return times


def is_ample(told: Told, now: datetime) -> bool:
    """Whether so much is left of a window that begins anew that no slot has to be reserved."""
    return told.resets_at is not None and told.resets_at > now and told.left > AMPLE


def is_old(told: Told | None, now: datetime) -> bool:
    """Whether the platform should be asked once more."""
    return told is None or now - told.told_at >= FRESH


def used_up_until(told: Told, now: datetime) -> datetime | None:
    """Until when the budget of an app is nearly used up (95 of 100); None where it is not, or was so long ago."""
    if told.left > 0 and (told.limit is None or told.left * 20 > told.limit):
        return None
    if told.resets_at is not None:
        return told.resets_at if told.resets_at > now else None
    ends = told.told_at + (timedelta(seconds=told.seconds) if told.seconds else DAY)
    return ends if ends > now else None


def count_busiest(planned: Sequence[datetime], at: datetime, length: timedelta) -> int:
    """The most calls, one at `at` included, that fall into any window of this length around `at`."""
    near = sorted([at, *(one for one in planned if at - length < one < at + length)])
    most = first = 0
    for last, one in enumerate(near):
        while one - near[first] >= length:
            first += 1
        if near[first] <= at <= one:
            most = max(most, last - first + 1)
    return most


def _is_counted(call: Call, told: Told) -> bool:
    return call.answered_at is not None and call.answered_at <= told.told_at


def _guess_length(told: Told) -> timedelta:
    """Of a window whose length was not told: what is left of it, and never less than the time after which one asks again."""
    return max(ASK_AGAIN, told.resets_at - told.told_at) if told.resets_at else ASK_AGAIN


def _begun_anew(told: Told, ours: Sequence[Call], reserved: int, now: datetime, length: timedelta) -> Room:
    """Since then nothing was told. Our own calls are all that is known, and the limit, if it was told."""
    begun = told.resets_at or now
    if told.limit is None or now - begun >= max(length, DAY):
        return Room(None)
    since = [one.at for one in ours if one.at > max(begun, now - length) or not _is_counted(one, told)]
    held = [one + length for one in since if one + length > now] + [now + length] * reserved
    return Room(_places(held, told.limit, now), 0, length)


def _places(held: Sequence[datetime], limit: int, now: datetime) -> tuple[datetime, ...]:
    """One time for each place. Where more are held than there are, the first have to leave for nothing."""
    late = sorted(held)[max(0, len(held) - limit) :]
    return (*[now] * max(0, limit - len(late)), *late)


def _next_window(room: Room, at: datetime) -> datetime:
    """When a place that is taken at `at` is free again."""
    if room.resets_at is None:
        return at + room.length
    if at < room.resets_at:
        return room.resets_at
    windows = (at - room.resets_at) // room.length + 1
    return room.resets_at + windows * room.length
