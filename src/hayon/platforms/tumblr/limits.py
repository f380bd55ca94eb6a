"""What Tumblr takes, as rules; the same for every blog.

Sources: tumblr/docs: npf-spec.md ("Post Content Limits", "Content Block Type: Image"), api.md (sizes: "/post", legacy).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from hayon.domain.model import Content, Fitting, Media
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import Problem
from hayon.platforms.tumblr.npf import LONGEST_BLOCK, compose, find_marks, find_spans, first_link

PLATFORM = "tumblr"
NAME = "Tumblr"
LONGEST_TEXT = 100_000
"""Code points of text and title. A choice of ours, as for any text in Hayon: Tumblr has no such limit, but one megabyte
for the whole post as stored, which is asked for beside this (`LARGEST_POST`).
"""
LARGEST_POST = 1_000_000
"""Bytes of a post's blocks as JSON, beyond ASCII in escapes (as it may be stored), with what Tumblr adds to its files."""
STORED_PER_FILE = 3_000
LONGEST_ALT_TEXT = 4_096
MOST_TAGS, LONGEST_TAG = 30, 140
"""The site's own limits; the documents name none (AprilSylph/XKit-Rewritten issue 2069)."""
LARGEST_PICTURE = 10_000_000
"""What is documented; the site is said to take twice that by now, but for animations."""
FITTING = Fitting(
    mimes=("image/jpeg", "image/png", "image/webp", "image/gif"),
    largest_bytes=LARGEST_PICTURE,
)

OPTIONS: Mapping[str, Option] = {
    "title": Option({"type": "string", "maxLength": LONGEST_BLOCK}, "A heading above the post. It counts as text."),
    "tags": Option(
        {"type": "array", "maxItems": MOST_TAGS, "items": {"type": "string", "maxLength": LONGEST_TAG}},
        "The post's tags, without #; thirty at most, none with a comma in it.",
    ),
    "slug": Option(
        {"type": "string", "maxLength": 100},
        "The last part of the post's address: small letters, digits and hyphens. Without it, the text's first words.",
    ),
    "visibility": Option(
        {"type": "string", "enum": ["public", "private"]},
        "Who sees it: everybody, or only those who write the blog; public if not given.",
    ),
    "sourceUrl": Option(
        {"type": "string", "maxLength": 2_000}, "The address of the page that this post is taken from."
    ),
    "linkCard": Option(
        {"type": "boolean"},
        "Whether the first link is shown as a card where there are no pictures; true if not given.",
    ),
}


def tumblr_rules() -> Rules:
    """The limits of every account."""
    return Rules(
        platform=PLATFORM,
        name=NAME,
        text_limit=LONGEST_TEXT,
        text_unit="code points",
        count=_count,
        images=MediaRules(
            limit=30,
            mimes=FITTING.mimes,
            bytes_limit=20_000_000,  # what is taken in; every still picture is made small enough before it is uploaded
            alt_text_limit=LONGEST_ALT_TEXT,
        ),
        videos=MediaRules(limit=1, mimes=("video/mp4", "video/quicktime"), bytes_limit=500_000_000, max_seconds=600),
        media_limit=31,
        mixed=True,
        options=OPTIONS,
        more=_more,
        marks=lambda text, options: find_marks(text),  # noqa: ARG005 - no option changes what is a link
        card=_card,
    )


def _card(content: Content) -> str | None:
    wanted = not content.media and content.options.get("linkCard", True)
    return first_link(find_spans(content.text, {})) if wanted else None


def bare_tag(tag: str) -> str:
    """A tag as it is sent: without the # that some people write."""
    return tag.strip().lstrip("#").strip()


def _count(text: str, options: Mapping[str, Any]) -> int:
    title = options.get("title")
    return len(text) + (len(title) if isinstance(title, str) else 0)


_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:
    return [
        *(Problem(f"options.{name}", "bad_option", f"{NAME}: {words}", PLATFORM) for name, words in _misfits(content)),
        *_too_large(content, media),
    ]


def _misfits(content: Content) -> Iterator[tuple[str, str]]:
    """What is wrong with an option of the right type: its name and a sentence."""
    tags, slug, source = (content.options.get(name) for name in ("tags", "slug", "sourceUrl"))
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str) and "," in tag:
            yield "tags", f"the tag {tag[:40]!r} has a comma in it, which would make two of it. Leave the comma out."
        elif isinstance(tag, str) and not bare_tag(tag):
            yield "tags", "a tag is empty. Write a word, or leave the tag out."
    if isinstance(slug, str) and not _SLUG.fullmatch(slug):
        yield "slug", f"{slug[:40]!r} is no part of an address. Write it like my-first-post."
    if isinstance(source, str) and not _is_web_address(source):
        yield "sourceUrl", f"{source[:40]!r} is no web address. Write it like https://example.com/page."


def _too_large(content: Content, media: Sequence[Media]) -> Iterator[Problem]:
    for index, use in enumerate(content.media):
        one = next((one for one in media if one.id == use.media_id), None)
        if one and one.animated and one.size > LARGEST_PICTURE:
            words = f"{NAME} takes animations up to {LARGEST_PICTURE:,} bytes; this one has {one.size:,}."
            yield Problem(f"mediaItems[{index}]", "too_large", words, PLATFORM)
    title = content.options.get("title")
    blocks = compose(content.text, title=title if isinstance(title, str) else "")
    size = len(json.dumps([blocks, [use.alt_text for use in content.media]])) + STORED_PER_FILE * len(content.media)
    if size > LARGEST_POST:
        words = (
            f"{NAME} takes posts of one megabyte; this one would have {size:,} bytes. Write less, or use fewer emoji."
        )
        yield Problem("text", "too_many_bytes", words, PLATFORM)


def _is_web_address(written: str) -> bool:
    try:
        named = urlsplit(written)
    except ValueError:
        return False
    return named.scheme in {"http", "https"} and bool(named.hostname) and written.isprintable() and " " not in written
