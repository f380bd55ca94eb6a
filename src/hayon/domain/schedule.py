"""Reading the time an author means: with an offset, or as wall-clock time of a zone. Refuses what does not exist or exists twice."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from hayon.errors import Problem

JUST_PAST = timedelta(seconds=60)
FARTHEST = timedelta(days=366 * 5)


def read_zone(name: str) -> ZoneInfo | Problem:
    """An IANA time zone by its name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"There is no time zone {name!r}; use a name such as Europe/Berlin or Asia/Kolkata."
        return Problem("timezone", "unknown_timezone", message)


@cache
def list_zones() -> tuple[str, ...]:
    """The time zones that fields offer: those named by a place, and UTC. Others that are known are taken as well."""
    apart = ("Etc/", "SystemV/", "US/", "posix/", "right/")
    return tuple(
        sorted(one for one in available_timezones() if one == "UTC" or ("/" in one and not one.startswith(apart)))
    )


def read_schedule(text: str | None, timezone: str, now: datetime) -> datetime | Problem | None:
    """When a post shall go out, in UTC; None for now. Without an offset the text is wall-clock time in `timezone`.

    Up to 60 seconds past is now; older is refused, and so is a wall-clock time that is skipped or doubled that day.
    """
    zone = read_zone(timezone)
    if isinstance(zone, Problem):
        return zone
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return Problem(
            "scheduledAt",
            "not_a_time",
            f"{text!r} is no time; write it as 2026-03-29T14:30 or 2026-03-29T14:30:00+02:00.",
        )
    try:
        if moment.tzinfo is None:
            doubt = _doubt(moment, zone)
            if doubt is not None:
                return doubt
            moment = moment.replace(tzinfo=zone)
        moment = moment.astimezone(UTC)
    except OverflowError:
        return Problem("scheduledAt", "too_far", "That time is beyond any calendar.")
    if moment < now - JUST_PAST:
        return Problem(
            "scheduledAt",
            "past",
            f"{text.replace('T', ' ')} is past. Choose a time ahead, or leave it out to publish now.",
        )
    if moment > now + FARTHEST:
        return Problem("scheduledAt", "too_far", "Posts can be scheduled up to five years ahead.")
    return moment if moment > now else None


def _doubt(wall: datetime, zone: ZoneInfo) -> Problem | None:
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return None
    shown = f"{wall:%Y-%m-%d %H:%M}"
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if back != wall:
        return Problem(
            "scheduledAt", "skipped_hour",
            f"{shown} does not exist in {zone.key}: the clocks go forward over it that day. Choose a time before or after.",
        )  # fmt: skip
    offers = " or ".join(
        f"{one.isoformat(timespec='minutes')} ({one.astimezone(UTC):%H:%M} UTC)" for one in (first, second)
    )
    return Problem(
        "scheduledAt", "doubled_hour",
        f"{shown} exists twice in {zone.key}: the clocks go back over it that day. Say which one: {offers}.",
    )  # fmt: skip
