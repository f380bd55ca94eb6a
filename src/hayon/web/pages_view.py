"""How the plain pages say things: a word and a sign for each state, times in the reader's zone. Nothing is decided here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hayon import __version__
from hayon.domain.lifecycle import PostStatus, TargetStatus
from hayon.domain.schedule import read_zone
from hayon.web.posts_view import ENDED, PlatformStatus, PostOut
from hayon.web.wire import in_utc


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
PLATFORM_NAMES = {"bluesky": "Bluesky", "mastodon": "Mastodon"}


def show_post(post: PostOut) -> Shown:
    """The state of a whole post."""
    return ASKED if post.needs_attention else POSTS[post.status]


def show_target(target: PlatformStatus, now: datetime) -> Shown:
    """The state of one target."""
    if target.status is TargetStatus.UNCONFIRMED:
        return Shown("doubt", "?", "Unknown: please look" if target.needs_attention else "Unknown, checking")
    if target.status is TargetStatus.PENDING:
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


def moment(zone: ZoneInfo, at: datetime, *, countdown: bool = False) -> Markup:
    """A time in the reader's zone, the exact one in both zones beneath it."""
    there = at.astimezone(zone)
    full = f"{there:%A %d %B %Y, %H:%M:%S} {zone.key} ({at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"
    attribute = Markup(" data-countdown") if countdown else ""
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        in_utc(at), full, attribute, f"{there:%a %d %b %Y, %H:%M}"
    )


def web_address(address: str) -> str:
    """An address that may stand in a link; one that is none (a platform's answer can say anything) leads nowhere."""
    return address if address.startswith(("https://", "http://")) else "#"


def zone_of(name: str) -> ZoneInfo:
    """A person's zone; UTC where the name is no longer known."""
    zone = read_zone(name)
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["web_address"] = web_address
    made.globals |= {
        "version": __version__, "platform_names": PLATFORM_NAMES, "show_post": show_post, "show_target": show_target,
        "is_live": is_live, "may_be_denied": may_be_denied,
    }  # fmt: skip
    return made


_PAGES = _environment()


def render(page: str, **facts: Any) -> str:
    """A page or a part of one. Everything in it is escaped."""
    return _PAGES.get_template(page).render(facts)
