"""What Meta's platforms make a link, a mention or a tag in a text, as far as people have seen it: Meta documents none of it."""

import re
from collections.abc import Iterator, Sequence

from hayon.domain.marks import Mark, in_order
from hayon.domain.model import Content

HASHTAG = re.compile(r"(?<![\w&])#\w+")
MENTION = re.compile(r"(?<![\w.])@\w[\w.]*")
LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AFTER_A_LINK = ".,;:!?)'"
_TOPIC = re.compile(r"(?<![\w&])#(?P<topic>[^\s.&#]{1,50})")


def find_links(text: str) -> Iterator[Mark]:
    """Addresses that say how they are reached, without the punctuation of the sentence they stand in."""
    for found in LINK.finditer(text):
        yield Mark(found.start(), found.start() + len(found[0].rstrip(_AFTER_A_LINK)), "link")


def find_mentions(text: str) -> Iterator[Mark]:
    """Names with an @ before them; a full stop after one ends the sentence."""
    for found in MENTION.finditer(text):
        yield Mark(found.start(), found.start() + len(found[0].rstrip(".")), "mention")


def find_tags(text: str) -> Iterator[Mark]:
    """Hashtags; with nothing but digits it is a number."""
    for found in HASHTAG.finditer(text):
        if not found[0][1:].isdigit():
            yield Mark(found.start(), found.end(), "tag")


def addresses_in(text: str) -> list[str]:
    """The links as they are written."""
    return [text[link.start : link.end] for link in find_links(text)]


def mark_for_threads(text: str, *, topic_named: bool) -> Sequence[Mark]:
    """Of its tags a text on Threads keeps the first one as its topic, without the #, where no topic is named beside it."""
    topic = None if topic_named else _TOPIC.search(text)
    tags = [] if topic is None else [Mark(topic.start(), topic.end(), "tag", topic["topic"])]
    return in_order([*find_links(text), *find_mentions(text), *tags])


def card_for_threads(content: Content) -> str | None:
    """The address whose card Threads shows: the one that is named, else the first of the text; none beside media."""
    named = content.options.get("linkAttachment")
    links = [named] if isinstance(named, str) and named else addresses_in(content.text)
    return links[0] if links and not content.media else None
