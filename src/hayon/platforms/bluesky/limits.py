"""What Bluesky takes, as rules; the same everywhere but for galleries, which newer servers know.

Sources: atproto: lexicons/app/bsky/feed/post.json, lexicons/app/bsky/embed/*.json; the official app's own limits:
social-app: src/lib/constants.ts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hayon.domain.model import Content, Fitting, Media
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import Problem
from hayon.platforms.bluesky.record import GALLERY_EMBED_LIMIT, IMAGES_EMBED_LIMIT, bare_tag
from hayon.platforms.bluesky.text import (
    TAG_BYTES,
    TAG_GRAPHEMES,
    find_facets,
    find_marks,
    graphemes,
    utf8_bytes,
)

PLATFORM = "bluesky"
GALLERY_SINCE = (0, 5, 2)
"""The first PDS whose lexicons have `app.bsky.embed.gallery` (atproto: packages/pds/CHANGELOG.md, June 2026)."""
BLOB_BYTES = 1_000_000
"""The embeds' limit until April 2026, which servers not yet brought up to date still hold to; now it is 2,000,000."""
VIDEO_BYTES = 300_000_000
"""atproto: lexicons/app/bsky/embed/video.json, since August 2026."""
VIDEO_SECONDS = 600
ALT_TEXT = 2_000
"""The official app's; the lexicons have no limit."""
PICTURE_MIMES = ("image/jpeg", "image/png", "image/webp")

_OPTIONS = {
    "languages": Option(
        {"type": "array", "maxItems": 3, "items": {"type": "string"}},
        "The languages the text is written in, as BCP 47 tags such as en or pt-BR; three at most.",
    ),
    "labels": Option(
        {
            "type": "array",
            "maxItems": 4,
            "items": {"type": "string", "enum": ["sexual", "nudity", "porn", "graphic-media"]},
        },
        "Content warnings that the author puts on the pictures.",
    ),
    "tags": Option(
        {"type": "array", "maxItems": 8, "items": {"type": "string"}},
        "Hashtags beside those in the text, without #; eight at most.",
    ),
    "linkCard": Option(
        {"type": "boolean"},
        "Whether the first link is shown as a card where there are no pictures; true if not given.",
    ),
}


def bluesky_rules(facts: Mapping[str, Any], *, video_service: bool = True, link_cards: bool = True) -> Rules:
    """The limits for an account whose server told these facts. `video_service`: videos go through the network's service.

    The service takes more kinds than a record may hold and makes MP4s of them; without it a video is the record's own
    blob, which has to be an MP4 that the server takes (atproto: packages/pds/src/config/config.ts, `blobUploadLimit`).
    `link_cards`: linked pages are fetched to show them.
    """
    largest = picture_fitting(facts).largest_bytes
    return Rules(
        platform=PLATFORM,
        name="Bluesky",
        text_limit=300,
        text_unit="graphemes",
        count=_count,
        text_bytes_limit=3_000,
        images=MediaRules(
            limit=GALLERY_EMBED_LIMIT if facts.get("gallery") is True else IMAGES_EMBED_LIMIT,
            mimes=PICTURE_MIMES,
            bytes_limit=20_000_000,  # what is taken in; every picture is made small enough before it is uploaded
            alt_text_limit=ALT_TEXT,
        ),
        videos=MediaRules(
            limit=1,
            mimes=("video/mp4", "video/webm") if video_service else ("video/mp4",),
            bytes_limit=VIDEO_BYTES if video_service else _at_most(VIDEO_BYTES, facts),
            max_seconds=VIDEO_SECONDS,
            alt_text_limit=ALT_TEXT,
        ),
        options=_OPTIONS,
        more=partial(_more, largest=largest),
        marks=lambda text, options: find_marks(text),  # noqa: ARG005 - no option changes what is a link
        card=card_link if link_cards else lambda content: None,  # noqa: ARG005 - whatever is said
    )


def card_link(content: Content) -> str | None:
    """The address whose page is shown as a card: the first one, where nothing else is shown and no card was declined."""
    if content.media or not content.options.get("linkCard", True):
        return None
    return next((facet.value for facet in find_facets(content.text) if facet.kind == "link"), None)


def picture_fitting(facts: Mapping[str, Any]) -> Fitting:
    """What every picture is made, a link card's thumbnail too, for an account whose server told these facts."""
    return Fitting(mimes=PICTURE_MIMES, largest_bytes=_at_most(BLOB_BYTES, facts))


def _at_most(limit: int, facts: Mapping[str, Any]) -> int:
    told = facts.get("blobUploadLimit")
    return min(limit, told) if isinstance(told, int) and told > 0 else limit


# Well-formed BCP 47 without the grandfathered and private tags, none of which names a language one writes in today.
# The language itself stands in small letters (atproto: packages/syntax/src/language.ts).
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(?:-[A-Za-z]{3}){0,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?"
)


def is_language(tag: str) -> bool:
    """Whether a post may name this language. No variant and no kind of extension stands twice (RFC 5646, 2.2.9)."""
    found = _LANGUAGE.fullmatch(tag)
    if found is None:
        return False
    extensions = [part for part in found["extensions"].lower().split("-") if len(part) == 1]
    once = found["variants"].lower().split("-")[1:], extensions
    return all(len(set(parts)) == len(parts) for parts in once)


def _count(text: str, options: Mapping[str, Any]) -> int:  # noqa: ARG001 - no option changes the count here
    return graphemes(text)


def _more(content: Content, media: Sequence[Media], *, largest: int) -> list[Problem]:
    problems = list(_too_large_to_move(content, media, largest))
    for language in _texts(content.options.get("languages")):
        if not is_language(language):
            words = f"Bluesky: {language!r} is no language tag. Write it as in en, de or pt-BR."
            problems.append(Problem("options.languages", "bad_option", words, PLATFORM))
    for tag in _texts(content.options.get("tags")):
        bare = bare_tag(tag)
        if not bare:
            words = "Bluesky: a tag is empty. Write a word, or leave the tag out."
            problems.append(Problem("options.tags", "bad_option", words, PLATFORM))
        elif graphemes(bare) > TAG_GRAPHEMES or utf8_bytes(bare) > TAG_BYTES:
            words = f"Bluesky: the tag {bare[:20]!r}… is too long; a tag has {TAG_GRAPHEMES} graphemes at most."
            problems.append(Problem("options.tags", "bad_option", words, PLATFORM))
    return problems


def _too_large_to_move(content: Content, media: Sequence[Media], largest: int) -> Iterator[Problem]:
    """Pictures that move cannot be made smaller without standing still."""
    known = {one.id: one for one in media}
    for index, use in enumerate(content.media):
        one = known.get(use.media_id)
        if one and one.animated and one.mime in PICTURE_MIMES and one.size > largest:
            words = (
                f"Bluesky takes pictures that move up to {largest:,} bytes; this one has {one.size:,}. "
                "Use a smaller one, a still picture or a video."
            )
            yield Problem(f"mediaItems[{index}]", "too_large", words, PLATFORM)


def _texts(value: Any) -> list[str]:
    """The texts in an option that may be of the wrong type, which the rules find by themselves."""
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
