"""When may the next try be? The only place where trying again is decided: not the HTTP client, worker or broker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LONG_TAIL = (timedelta(minutes=10), timedelta(minutes=30))
HOURLY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often something is tried. All lengths are settings; tests shrink them.

    `steps` is the ladder for what is unavailable; when it is used up the long tail follows (10 min, 30 min, hourly)
    until `lasts` is over, counted from the first try; zero ends after the last step. `look_steps`, then hourly for
    `looks_last`, are the automatic looks at an unconfirmed target; then a person is asked. `wait_floor` is the least
    an uncounted wait takes, growing with each; `longest_limit`, `longest_not_yet`, `longest_unreachable` and `longest_allowance` end a row of
    such waits: the third is long, since it may be our own line that is down, the last since a long row of posts takes its turn.
    """

    steps: tuple[timedelta, ...] = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2))
    lasts: timedelta = timedelta(hours=6)
    look_steps: tuple[timedelta, ...] = (
        timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10),
    )  # fmt: skip
    looks_last: timedelta = timedelta(hours=24)
    wait_floor: timedelta = timedelta(seconds=2)
    wait_ceiling: timedelta = timedelta(minutes=5)
    longest_limit: timedelta = timedelta(hours=24)
    longest_not_yet: timedelta = timedelta(hours=2)
    longest_unreachable: timedelta = timedelta(days=7)
    longest_allowance: timedelta = timedelta(days=30)
    most_waits: int = 5000
    lost_leases: int = 3


def next_try(tries: int, first_try_at: datetime, now: datetime, patience: Patience) -> datetime | None:
    """When the next try of something unavailable is due, after `tries` counted ones; None when patience is used up."""
    if tries <= len(patience.steps):
        return now + patience.steps[tries - 1]
    beyond = tries - len(patience.steps) - 1
    due_at = now + (LONG_TAIL[beyond] if beyond < len(LONG_TAIL) else HOURLY)
    return due_at if due_at - first_try_at <= patience.lasts else None


def after_wait(
    waits: int, until: datetime | None, wait_seconds: float, now: datetime, patience: Patience, *, planned: bool = False
) -> datetime:
    """When an uncounted wait is over: the platform's own time, but never sooner than a floor that grows.

    `planned`: the time is its turn within an allowance, which may be days ahead.
    """
    floor = min(patience.wait_floor * 2 ** min(waits - 1, 16), patience.wait_ceiling)
    wished = timedelta(seconds=max(0.0, wait_seconds))
    earliest = now + (max(wished, patience.wait_floor) if wait_seconds or until else floor)
    # whatever the platform says, it is asked again after a day
    farthest = now + (patience.longest_allowance if planned else patience.longest_limit)
    return max(earliest, min(until, farthest)) if until else earliest


def next_look(
    looks: int, quiet_until: datetime | None, until: datetime | None, now: datetime, patience: Patience
) -> datetime | None:
    """When an unconfirmed target is looked at again, after `looks` looks; None when a person is to be asked.

    A look that found nothing before the quiet time ended proves nothing, so one more always follows after it.
    """
    if until is not None and until > now:
        return min(until, now + patience.looks_last)
    if looks <= len(patience.look_steps):
        return now + patience.look_steps[looks - 1]
    hourly = looks - len(patience.look_steps)
    if hourly * HOURLY <= patience.looks_last:
        return now + HOURLY
    if quiet_until is not None and quiet_until > now:
        return quiet_until
    return None


MAIL_STEPS = tuple(timedelta(minutes=one) for one in (1, 5, 15, 30, 60, 120, 240, 480, 480))
"""The waits after each failed try of a mail: over a day in all."""
WEBHOOK_STEPS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
    *(timedelta(hours=one) for one in (2, 5, 10, 14, 20, 24)),
)  # fmt: skip
"""The waits after each failed try of a webhook's event (standard-webhooks: spec/standard-webhooks.md, "Deliverability")."""


def next_sending(
    steps: tuple[timedelta, ...], tries: int, now: datetime, *, asked: timedelta | None = None, spread: float = 0.0
) -> datetime | None:
    """When a mail or an event is sent again, after `tries` failed ones; None when it is given up.

    `asked` is how long the other side wants to be left alone, which counts for a day at most. `spread`, from 0 to 1,
    makes the wait longer by up to a tenth, so that what failed together does not come back together.
    """
    if tries > len(steps):
        return None
    wished = timedelta(0) if asked is None else min(asked, timedelta(days=1))
    return now + max(steps[tries - 1] * (1 + spread / 10), wished)


TOO_LATE = "It is later than this post allows, so it was not sent."


def latest(scheduled_at: datetime | None, max_lateness_seconds: int | None) -> datetime | None:
    """The last moment at which a post may go out by its own rule; None where it has no time, or may be late without end."""
    if scheduled_at is None or max_lateness_seconds is None:
        return None
    return scheduled_at + timedelta(seconds=max_lateness_seconds)


def too_late(scheduled_at: datetime | None, max_lateness: timedelta | None, now: datetime) -> bool:
    """Whether the post's own rule says that it must not go out any more. Asked against what its author set."""
    return scheduled_at is not None and max_lateness is not None and now > scheduled_at + max_lateness
