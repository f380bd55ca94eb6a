"""What Meta's platforms make a link, a mention or a tag in a text, as far as people have seen it: Meta documents none of it."""

import re
from collections.abc import Iterator

from hayon.domain.marks import Mark

HASHTAG = re.compile(r"(?<![\w&])#\w+")
MENTION = re.compile(r"(?<![\w.])@\w[\w.]*")
_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AFTER_A_LINK = ".,;:!?)'"


def find_links(text: str) -> Iterator[Mark]:
    """Addresses that say how they are reached, without the punctuation of the sentence they stand in."""
    for found in _LINK.finditer(text):
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
