"""What Bluesky takes, as rules; the same everywhere but for galleries, which newer servers know.

Sources: atproto: lexicons/app/bsky/feed/post.json, lexicons/app/bsky/embed/*.json; the official app's own limits:
social-app: src/lib/constants.ts.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hayon.domain.model import Content, Media
from hayon.domain.rules import Option, Rules
from hayon.errors import Problem
from hayon.platforms.bluesky.record import GALLERY_EMBED_LIMIT, IMAGES_EMBED_LIMIT, bare_tag
from hayon.platforms.bluesky.text import TAG_BYTES, TAG_GRAPHEMES, graphemes, utf8_bytes

PLATFORM = "bluesky"
GALLERY_SINCE = (0, 5, 2)
"""The first PDS whose lexicons have `app.bsky.embed.gallery` (atproto: packages/pds/CHANGELOG.md, June 2026)."""
BLOB_BYTES = 1_000_000
"""The embeds' limit until April 2026, which servers not yet brought up to date still hold to; now it is 2,000,000."""

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


def bluesky_rules(facts: Mapping[str, Any]) -> Rules:
    """The limits for an account whose server told these facts."""
    return Rules(
        platform=PLATFORM,
        name="Bluesky",
        text_limit=300,
        text_unit="graphemes",
        count=_count,
        text_bytes_limit=3_000,
        images_limit=GALLERY_EMBED_LIMIT if facts.get("gallery") is True else IMAGES_EMBED_LIMIT,
        image_mimes=("image/jpeg", "image/png", "image/webp"),
        image_bytes_limit=20_000_000,  # what is taken in; every picture is made small enough before it is uploaded
        alt_text_limit=2_000,
        options=_OPTIONS,
        more=_more,
    )


# Well-formed BCP 47 without the grandfathered tags, none of which names a language one writes in today.
_LANGUAGE = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?"
)


def _count(text: str, options: Mapping[str, Any]) -> int:  # noqa: ARG001 - no option changes the count here
    return graphemes(text)


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:  # noqa: ARG001 - pictures are in the table
    problems = []
    for language in _texts(content.options.get("languages")):
        if not _LANGUAGE.fullmatch(language):
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


def _texts(value: Any) -> list[str]:
    """The texts in an option that may be of the wrong type, which the rules find by themselves."""
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
