"""What a Facebook Page takes, as rules, and which kind of post its content makes. The same for every Page.

Sources: Meta's pages "Page Feed", "Page Photos", "Reels Publishing API", "Facebook Stories API", "Uploading Videos with
the Graph API". The limit of a text is what every client uses; Meta's pages do not state one.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.marks import Mark, in_order
from hayon.domain.model import Content, Fitting, Media, MediaUse
from hayon.domain.rules import MediaRules, Option, Rules, check
from hayon.errors import Problem
from hayon.platforms.meta.marks import find_links, find_tags

PLATFORM = "facebook"
NAME = "Facebook"
TEXT_LIMIT = 63_206
FITTING = Fitting(("image/jpeg", "image/png"), largest_bytes=4_000_000)
"""Pages disagree on 4 MB and 10 MB; what has 4 MB is taken by both."""
_TALL = 9 / 16
_LEEWAY = 0.02
"""A part of 9:16 by which a film may differ: encoders want even numbers of pixels."""
_VIDEO_MIMES = ("video/mp4", "video/quicktime")
_VIDEO_BYTES = 10_000_000_000


class Kind(StrEnum):
    """What is made of a post, each by calls of its own."""

    POST = "post"  # text, a link or pictures, in one call
    DRAFT = "draft"  # text or a link, invisible at first and then shown
    REEL = "reel"
    VIDEO = "video"
    PHOTO_STORY = "photo_story"
    VIDEO_STORY = "video_story"


def kind_of(options: Mapping[str, Any], media: Sequence[Media]) -> Kind:
    """What content with these options and files becomes. A film is a reel if it can be one and nothing else is asked for.

    `feed` asks that a film stands in the feed as a video; without a film it is what happens anyway.
    """
    wanted, film = options.get("kind"), next((one for one in media if one.is_video), None)
    if wanted == "story" and media:
        return Kind.PHOTO_STORY if film is None else Kind.VIDEO_STORY
    if film is None:
        return Kind.POST
    if wanted == "reel" or (wanted not in {"feed", "video"} and _is_reel(film)):
        return Kind.REEL
    return Kind.VIDEO


def facebook_rules(facts: Mapping[str, Any]) -> Rules:  # noqa: ARG001 - no Page has limits of its own
    """The rules, for whatever facts."""
    return Rules(
        platform=PLATFORM,
        name=NAME,
        text_limit=TEXT_LIMIT,
        text_unit="characters",
        count=_count,
        images=MediaRules(
            limit=10,
            mimes=("image/jpeg", "image/png", "image/webp"),
            bytes_limit=50_000_000,  # what is taken in; every picture is made small enough before it is uploaded
            animations=False,
        ),
        videos=MediaRules(limit=1, mimes=_VIDEO_MIMES, bytes_limit=_VIDEO_BYTES, max_seconds=4 * 3600),
        speaks_alone=("link",),
        options=OPTIONS,
        more=_more,
        marks=_marks,
        card=_card,
    )


OPTIONS: Mapping[str, Option] = {
    "kind": Option(
        {"type": "string", "enum": ["feed", "reel", "video", "story"]},
        "What it becomes: feed (text, a link, pictures or a video in the feed), reel (one upright video), video (one "
        "video in the feed), story (one picture or video for a day). Without it a video that can be a reel is one.",
    ),
    "link": Option(
        {"type": "string", "maxLength": 2000},
        "An address whose preview is shown under the text; not together with pictures or videos. The post fails if "
        "Facebook cannot fetch it.",
    ),
}


def _count(text: str, options: Mapping[str, Any]) -> int:  # noqa: ARG001 - no option changes the count here
    return len(text)


def _marks(text: str, options: Mapping[str, Any]) -> Sequence[Mark]:  # noqa: ARG001 - no option changes it
    """A name with an @ before it stays text: who is mentioned would have to be named beside the text, which Pages may not."""
    return in_order([*find_links(text), *find_tags(text)])


def _card(content: Content) -> str | None:
    link = content.options.get("link")
    return link if isinstance(link, str) and link and not content.media else None


def _film_rules(name: str, longest_seconds: float) -> Rules:
    film = MediaRules(
        limit=1, mimes=_VIDEO_MIMES, bytes_limit=_VIDEO_BYTES, min_side=540, min_aspect=_TALL * (1 - _LEEWAY),
        max_aspect=_TALL * (1 + _LEEWAY), min_seconds=3, max_seconds=longest_seconds, min_frame_rate=24,
        max_frame_rate=60, video_codecs=("h264", "hevc", "vp9", "av1"), audio_codecs=("aac",),
    )  # fmt: skip
    nothing = MediaRules(limit=0, mimes=(), bytes_limit=0)
    return Rules(PLATFORM, name, TEXT_LIMIT, "characters", _count, images=nothing, videos=film)


_REEL = _film_rules("A Facebook reel", 90)
_STORY = _film_rules("A Facebook story", 60)
"""540 x 960 at least, 9:16, 24 to 60 frames a second; the table of stories says 90 s, its text and the app 60."""


def _is_reel(film: Media) -> bool:
    """Whether everything that makes a reel is known of a film, and fits."""
    known = film.width and film.height and film.duration_seconds
    return bool(known) and not check(Content(media=(MediaUse(film.id),)), [film], _REEL)


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:
    problems: list[Problem] = []
    wanted, films = content.options.get("kind"), [one for one in media if one.is_video]
    if wanted in {"reel", "video"} and not films:
        problems.append(
            _problem(
                "options.kind", "kind_of_post", f"Facebook: a {wanted} needs one video. Add it, or choose another kind."
            )
        )
    if wanted == "reel":
        problems += _faults_of_films(content, films, _REEL)
    if wanted == "story":
        problems += _faults_of_story(content, films)
    return [*problems, *_faults_of_link(content)]


def _faults_of_story(content: Content, films: Sequence[Media]) -> list[Problem]:
    problems = _faults_of_films(content, films, _STORY)
    if len(content.media) != 1:
        words = f"A Facebook story is one picture or one video; this has {len(content.media)}."
        problems.append(_problem("mediaItems", "kind_of_post", words))
    if content.text.strip():
        words = "A Facebook story shows no words. Leave the text out for Facebook, or choose another kind."
        problems.append(_problem("text", "kind_of_post", words))
    return problems


def _faults_of_films(content: Content, films: Sequence[Media], rules: Rules) -> list[Problem]:
    """What of a post's films does not fit; pictures beside them are not known here, and so not looked at."""
    return check(Content(media=content.media), films, rules) if films else []


def _faults_of_link(content: Content) -> list[Problem]:
    link = content.options.get("link")
    if not isinstance(link, str):
        return []
    host = _host_of(link)
    if host is None:
        return [
            _problem(
                "options.link", "bad_option", f"Facebook: {link[:100]!r} is no address of a page. Begin with https://."
            )
        ]
    if host == "facebook.com" or host.endswith(".facebook.com"):
        return [
            _problem(
                "options.link", "bad_option", "Facebook takes no link to Facebook itself. Write it in the text instead."
            )
        ]
    if content.media:
        words = "Facebook shows a link or media in one post, not both. Leave one out, or write the link in the text."
        return [_problem("options.link", "kind_of_post", words)]
    return []


def _host_of(link: str) -> str | None:
    """The host that a link leads to; None for what is no address of a page."""
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or any(sign.isspace() for sign in link):
        return None
    return host


def _problem(field: str, rule: str, message: str) -> Problem:
    return Problem(field, rule, message, PLATFORM)
