"""A landed post as a page shows it: the same few parts for every platform. Values only, nothing is escaped here."""

from dataclasses import dataclass, field

from hayon.sandbox.model import Account, Platform


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text: `text`, `link`, `mention` or `tag`; `href` only where a browser may follow it.

    `styles` are how it is set, of: bold, italic, strike, small, code, heading, quote, spoiler.
    """

    kind: str
    text: str
    href: str | None = None
    styles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture or video of a post."""

    url: str | None
    alt: str
    kind: str = "image"


@dataclass(frozen=True, slots=True)
class LinkCard:
    """The preview of a link."""

    uri: str
    href: str | None
    host: str
    title: str
    description: str
    thumb: str | None


@dataclass(slots=True)
class Card:
    """One post. Its pictures and videos are in the order in which the platform shows them."""

    platform: Platform
    author: Account
    permalink: str
    remote_id: str
    landed_at: float
    segments: list[Segment]
    form: str | None = None
    """What it is if it is no ordinary post: `reel`, `story`, `carousel`, `album`."""
    warning: str | None = None
    """What covers all of it until somebody asks to see it."""
    sensitive: str | None = None
    """What covers its pictures."""
    pictures: list[Picture] = field(default_factory=list)
    link: LinkCard | None = None
    quoted: str | None = None
    reply_to: str | None = None
    visibility: str = "public"
    replies: str | None = None
    """Who may reply, if not everybody, in the platform's words."""
    languages: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    """Tags that stand beside the text."""
    via: str | None = None
    repeats: int = 0
    """How many repeats the platform recognised."""
    problems: list[str] = field(default_factory=list)


def followable(uri: str) -> str | None:
    """The address, if a browser may follow it."""
    return uri if uri.lower().startswith(("https://", "http://")) else None
