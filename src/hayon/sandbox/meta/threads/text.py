"""How Threads counts a text, what it reads in it, and what it makes of its first tag.

Source: Meta's page "Threads: Posts" for emoji as UTF-8 bytes and the link limit; that a promoted tag loses its `#` was
seen on live posts.
"""

from urllib.parse import urlsplit

import regex

from hayon.sandbox.cards import LinkCard, Segment, followable

EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Emoji}\uFE0F|\p{Extended_Pictographic}(?=\p{EMod}|\u200D)|\p{RI}|[0-9#*]\uFE0F?\u20E3"
)
LINK = regex.compile(r"https?://[^\s<>\"]+", regex.IGNORECASE)
TAG = regex.compile(r"(?<![\w&/#])#([\p{L}\p{N}_]{1,50})")
MENTION = regex.compile(r"(?<![\w@./])@([A-Za-z0-9_.]*[A-Za-z0-9_])")
AFTER_A_LINK = ".,;:!?'\")]}"


def counted_length(text: str) -> int:
    """An emoji counts as its UTF-8 bytes, anything else as its code points."""
    return sum(len(one.encode()) if EMOJI.search(one) else len(one) for one in regex.findall(r"\X", text))


def links_of(text: str) -> list[str]:
    """The links in a text, each once, in their order."""
    return list(dict.fromkeys(found.group().rstrip(AFTER_A_LINK) for found in LINK.finditer(text)))


def promoted(text: str) -> tuple[str, str | None]:
    """The text as it is kept and its topic tag, when none was given: the first `#tag`, which stays as a word."""
    links = [found.span() for found in LINK.finditer(text)]
    for found in TAG.finditer(text):
        if not any(start <= found.start() < end for start, end in links):
            return text[: found.start()] + text[found.start() + 1 :], found[1]
    return text, None


def segments(text: str) -> list[Segment]:
    """The text with its links and mentions."""
    found = [(one.start(), one.start() + len(one.group().rstrip(AFTER_A_LINK)), "link") for one in LINK.finditer(text)]
    taken = list(found)
    found += [
        (one.start(), one.end(), "mention")
        for one in MENTION.finditer(text)
        if not any(start <= one.start() < end for start, end, _ in taken)
    ]
    parts, place = [], 0
    for start, end, kind in sorted(found):
        shown = text[start:end]
        parts += [
            Segment("text", text[place:start]),
            Segment(kind, shown, followable(shown) if kind == "link" else None),
        ]
        place = end
    return [part for part in (*parts, Segment("text", text[place:])) if part.text]


def preview(link: str) -> LinkCard:
    """The card of a link. The real one asks the address for its title; this one asks nobody."""
    host = urlsplit(link).hostname or ""
    return LinkCard(link, followable(link), host, link, "", None)
