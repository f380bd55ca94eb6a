"""How pages say things: a word and a sign for each state, times with their zone. Nothing is decided here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from markupsafe import Markup

from hayon.domain.lifecycle import PostStatus, TargetStatus
from hayon.domain.schedule import read_zone
from hayon.media import KINDS, LARGEST_PICTURE, LARGEST_VIDEO, OTHER_SPELLINGS, TAKEN
from hayon.web import post_words, rendering
from hayon.web.posts_view import ENDED, PlatformStatus, PostOut
from hayon.web.wire import in_utc


class InState(Protocol):
    """What has the state of a post: the whole post, or what a list read of it."""

    @property
    def status(self) -> PostStatus:
        """Where it stands."""
        ...

    @property
    def needs_attention(self) -> bool:
        """Whether its author is asked for something."""
        ...


@dataclass(frozen=True, slots=True)
class Uploads:
    """Which files are taken, so that a page refuses others before they are sent. `kinds` in every spelling; in bytes."""

    kinds: tuple[str, ...] = (*sorted(KINDS), *sorted(OTHER_SPELLINGS))
    largest_picture: int = LARGEST_PICTURE
    largest_video: int = LARGEST_VIDEO
    words: str = TAKEN


UPLOADS = Uploads()


@dataclass(frozen=True, slots=True)
class Shown:
    """How a state looks: a name for its colour, a sign and a word. Never the colour alone."""

    colour: str
    sign: str
    word: str


POSTS = {
    PostStatus.DRAFT: Shown("grey", "✎", "Draft"),
    PostStatus.SCHEDULED: Shown("blue", "◷", "Scheduled"),
    PostStatus.PENDING: Shown("blue", "…", "Waiting"),
    PostStatus.PROCESSING: Shown("violet", "↻", "Publishing"),
    PostStatus.COMPLETED: Shown("green", "✓", "Published"),
    PostStatus.PARTIAL_SUCCESS: Shown("yellow", "◐", "Partly published"),
    PostStatus.FAILED: Shown("red", "✕", "Not published"),
    PostStatus.CANCELLED: Shown("grey", "⊘", "Cancelled"),
}
ASKED = Shown("doubt", "?", "Needs you")
TARGETS = {
    TargetStatus.PROCESSING: Shown("violet", "↻", "Publishing"),
    TargetStatus.COMPLETED: Shown("green", "✓", "Published"),
    TargetStatus.FAILED: Shown("red", "✕", "Not published"),
    TargetStatus.CANCELLED: Shown("grey", "⊘", "Cancelled"),
}
PLATFORM_NAMES = {
    "bluesky": "Bluesky", "threads": "Threads", "instagram": "Instagram", "facebook": "Facebook", "mastodon": "Mastodon",
    "tumblr": "Tumblr",
}  # fmt: skip


def show_post(post: InState) -> Shown:
    """The state of a whole post."""
    return ASKED if post.needs_attention else POSTS[post.status]


def show_target(target: PlatformStatus, now: datetime) -> Shown:
    """The state of one target."""
    if target.status is TargetStatus.UNCONFIRMED:
        return Shown("doubt", "?", "Unknown: please look" if target.needs_attention else "Unknown, checking")
    if target.status is TargetStatus.PENDING:
        if target.held_since:
            return Shown("doubt", "?", "Held: please confirm")
        if target.attempt_count:
            return Shown("amber", "↻", "Trying again")
        ahead = target.due_at is not None and target.due_at > now
        return Shown("blue", "◷", "Scheduled") if ahead else Shown("blue", "…", "Waiting")
    return TARGETS[target.status]


def is_live(post: PostOut) -> bool:
    """Whether its state may still change by itself."""
    return post.status not in ENDED and post.status is not PostStatus.DRAFT


def may_be_denied(target: PlatformStatus, now: datetime) -> bool:
    """Whether "it is not there" can be believed already: the platform's quiet time is over."""
    question = target.question
    return question is not None and (question.quiet_until is None or question.quiet_until <= now)


def is_unsent(post: InState) -> bool:
    """Whether it goes out only later or not at all, so that deleting it here leaves nothing anywhere."""
    return post.status in {PostStatus.DRAFT, PostStatus.SCHEDULED}


def moment(at: datetime, timezone: str, *, countdown: bool = False) -> Markup:
    """A time in the zone it was meant in, with the zone; UTC is in its title. An hour that exists twice tells its offset."""
    zone = zone_of(timezone)
    there = at.astimezone(zone)
    shown = f"{there:%a %d %b %Y, %H:%M} {zone.key}"
    if is_doubled(there):
        shown += f" ({offset_of(there)})"
    return _time(at, shown, Markup(" data-countdown") if countdown else Markup())


def clock(at: datetime, timezone: str) -> Markup:
    """The time of day alone, to the second, for what happens now."""
    return _time(at, f"{at.astimezone(zone_of(timezone)):%H:%M:%S}", Markup())


def exactly(at: datetime, timezone: str) -> Markup:
    """Day and time to the second, for what is told in order."""
    return _time(at, f"{at.astimezone(zone_of(timezone)):%a %d %b, %H:%M:%S}", Markup())


def offset_of(there: datetime) -> str:
    """How far a time is from UTC, as `UTC+02:00`."""
    return f"UTC{there.isoformat()[-6:]}" if there.utcoffset() else "UTC"


def is_doubled(there: datetime) -> bool:
    """Whether the wall clock shows this time twice (or, of a made one, not at all), so that only the offset tells which."""
    return there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset()


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; UTC where it is no longer known."""
    zone = read_zone(name)
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


def render(page: str, **facts: Any) -> str:
    """A page or a part of one, with all that pages about posts say."""
    return rendering.render(page, **_WORDS, **facts)


def _time(at: datetime, shown: str, attribute: Markup) -> Markup:
    exact = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(in_utc(at), exact, attribute, shown)


_WORDS: dict[str, Any] = {
    "platform_names": PLATFORM_NAMES, "show_post": show_post, "show_target": show_target, "is_live": is_live,
    "is_unsent": is_unsent, "may_be_denied": may_be_denied, "at": moment, "clock": clock, "exactly": exactly,
    **post_words.WORDS,
    "uploads": UPLOADS,
}  # fmt: skip
