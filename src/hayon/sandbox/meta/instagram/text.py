"""What Instagram reads in a caption. Source: Meta's page "IG User Media" for what is counted."""

import re

from hayon.sandbox.cards import Segment

HASHTAG = re.compile(r"(?<![\w&#/])#\w+")
MENTION = re.compile(r"(?<![\w@./])@[A-Za-z0-9_.]*[A-Za-z0-9_]")


def hashtags_of(caption: str) -> list[str]:
    """Its hashtags, as often as they stand there."""
    return HASHTAG.findall(caption)


def mentions_of(caption: str) -> list[str]:
    """Its mentions, as often as they stand there."""
    return MENTION.findall(caption)


def segments(caption: str) -> list[Segment]:
    """The caption with its hashtags and mentions. A link in a caption is only text."""
    parts, place = [], 0
    found = [
        *((one, "tag") for one in HASHTAG.finditer(caption)),
        *((one, "mention") for one in MENTION.finditer(caption)),
    ]
    for one, kind in sorted(found, key=lambda pair: pair[0].start()):
        parts += [Segment("text", caption[place : one.start()]), Segment(kind, one.group())]
        place = one.end()
    return [part for part in (*parts, Segment("text", caption[place:])) if part.text]
