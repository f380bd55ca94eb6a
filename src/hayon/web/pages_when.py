"""What the time in the form means, in words: in the post's zone, in the person's own, in UTC. Whether it may be is asked below."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hayon.domain.schedule import read_schedule
from hayon.errors import Problem
from hayon.web.pages_draft import Draft, Hour
from hayon.web.pages_view import zone_of

MORNING = 9
"""The hour of the day that is proposed where only a day was chosen."""


@dataclass(frozen=True, slots=True)
class When:
    """The time of the form: `moment` where it is clear and may be; `problem` in words where not; `hours` to choose from.

    `zones` are those it is shown in, the post's first. Nothing of it where no time is set.
    """

    moment: datetime | None = None
    zones: tuple[str, ...] = ()
    problem: str = ""
    hours: tuple[Hour, ...] = ()
    hour: str = ""


def when_facts(draft: Draft, person_zone: str, now: datetime | None = None) -> When:
    """What to show beside the time of this form; given to `when.html` as `when`."""
    if not draft.scheduled_at:
        return When()
    hours = tuple(draft.hours)
    chosen = next((one.value for one in hours if one.value == draft.hour), None)
    found = read_schedule(chosen or draft.scheduled_at, draft.timezone, now or datetime.now(UTC))
    if isinstance(found, Problem):
        # which of the two is asked by the choice itself
        return When(problem="" if hours and not chosen else found.message, hours=hours, hour=draft.hour)
    zones = tuple(dict.fromkeys((draft.timezone, person_zone, "UTC")))
    return When(found, zones, "" if found else "This very minute: it goes out at once.", hours, draft.hour)


def start_of(at: str, on: str, timezone: str, now: datetime) -> str:
    """The wall-clock time that a new post starts with: `at` as it stands, or a good hour `on` that day; nothing for neither."""
    try:
        if at:
            return datetime.fromisoformat(at).replace(tzinfo=None).isoformat(timespec="minutes")
        day = datetime.fromisoformat(on).replace(hour=MORNING, minute=0, second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return ""
    there = now.astimezone(zone_of(timezone)).replace(tzinfo=None)
    if day.date() == there.date() and day <= there:
        # the morning is over: the next full hour, or tonight where there is none left
        later = (there + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        day = later if later.date() == there.date() else there.replace(hour=23, minute=59, second=0, microsecond=0)
    return day.isoformat(timespec="minutes")
