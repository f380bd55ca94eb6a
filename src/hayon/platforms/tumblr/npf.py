"""Text as Tumblr's Neue Post Format has it: blocks of text, and what in them is a link or a mention.

Lengths and ranges are Unicode code points, as Python counts them; a range's end is exclusive. Nothing links by itself.
Source of every number: tumblr/docs: npf-spec.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal
from urllib.parse import urlsplit

import regex

from hayon.domain.marks import Mark, in_order
from hayon.domain.model import Json

LONGEST_BLOCK = 4_096
MOST_TEXT_BLOCKS = 900
"""Of a thousand blocks a post may have; the rest is for its title, pictures and link."""
MOST_LINKS = 100
MOST_MENTIONS = 50

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text that means something. `value` is a link's address, or the uuid of a mentioned blog."""

    start: int
    end: int
    kind: Literal["link", "mention"]
    value: str


def compose(
    text: str,
    *,
    title: str = "",
    media: Sequence[Json] = (),
    mentions: Mapping[str, str | None] | None = None,
    link_card: bool = True,
) -> list[Json]:
    """The blocks of a post: title, pictures and videos, text, and the first link as a block where nothing else is shown.

    `mentions` gives the uuid of each mentioned blog by its name in small letters; a name without one stays text.
    """
    text = tidy(text)
    spans = find_spans(text, mentions or {})
    link = first_link(spans)
    heading = " ".join(title.split())[:LONGEST_BLOCK]
    return [
        *([{"type": "text", "subtype": "heading1", "text": heading}] if heading else []),
        *media,
        *text_blocks(text, spans),
        *([{"type": "link", "url": link}] if link and link_card and not media else []),
    ]


def first_link(spans: Iterable[Span]) -> str | None:
    """The address that is shown as a block of its own."""
    return next((span.value for span in spans if span.kind == "link"), None)


def tidy(text: str) -> str:
    """The text with plain line ends and nothing blank around it: Tumblr drops empty blocks at both ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def text_blocks(text: str, spans: Iterable[Span] = ()) -> list[Json]:
    """The text in blocks, with what its spans mean. A span that a cut goes through means the same on both sides."""
    waiting = sorted(spans, key=lambda span: span.start)
    blocks: list[Json] = []
    for start, end in pieces(text):
        block: Json = {"type": "text", "text": text[start:end]}
        inside = [span for span in waiting if span.start < end and span.end > start]
        if inside:
            block["formatting"] = [_formatting(span, start, end) for span in inside]
        blocks.append(block)
        waiting = [span for span in waiting if span.end > end]
    return blocks


def pieces(text: str) -> list[Range]:
    """Where each block begins and ends. Between two of them is either nothing, or the empty line between paragraphs.

    A paragraph is one block, its single line ends inside it, and is cut after a word where it is too long; paragraphs
    are put together only where there are too many.
    """
    paragraphs = list(_paragraphs(text))
    if len(paragraphs) > MOST_TEXT_BLOCKS:
        paragraphs = _packed(paragraphs)
    return [piece for start, end in paragraphs for piece in _cut(text, start, end)] if text else []


def find_spans(text: str, mentions: Mapping[str, str | None]) -> list[Span]:
    """The links, and those mentions whose blog is known, in their order and without overlaps. What is too many stays text."""
    links = list(_find_links(text))[:MOST_LINKS]
    found = (
        Span(start, end, "mention", uuid)
        for start, end, name in _find_names(text, links)
        if (uuid := mentions.get(name.lower()))
    )
    return sorted([*links, *list(found)[:MOST_MENTIONS]], key=lambda span: span.start)


def find_names(text: str) -> list[str]:
    """The names of blogs that the text seems to mention, in small letters, each once."""
    tidied = tidy(text)
    return list(dict.fromkeys(name.lower() for _, _, name in _find_names(tidied, list(_find_links(tidied)))))


def find_marks(text: str) -> Sequence[Mark]:
    """The links and the names that will be told to Tumblr. A name is marked before its blog is found; one of nobody stays text."""
    links = list(_find_links(text))[:MOST_LINKS]
    names = islice(_find_names(text, links), MOST_MENTIONS)
    return in_order(
        [
            *(Mark(link.start, link.end, "link") for link in links),
            *(Mark(start, end, "mention") for start, end, _ in names),
        ]
    )


def image_block(media: Any, alt_text: str) -> Json:
    """A picture. `media` is a list: one object that names an uploaded part, or those that Tumblr gave."""
    return {"type": "image", "media": media, **({"alt_text": alt_text} if alt_text else {})}


def video_block(media: Any) -> Json:
    """A video of our own. The format has no words beside it for those who cannot see it."""
    return {"type": "video", "provider": "tumblr", "media": media}


def _formatting(span: Span, start: int, end: int) -> Json:
    meaning: Json = {"url": span.value} if span.kind == "link" else {"blog": {"uuid": span.value}}
    return {"start": max(span.start, start) - start, "end": min(span.end, end) - start, "type": span.kind, **meaning}


_BETWEEN = "\n\n"
# Flags stand apart: in a row of them \X takes a time that grows with its square.
_GRAPHEME = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
_BEFORE_A_LINK = r"(?<![A-Za-z0-9])"
# an address ends at a blank, and at quotation marks and the punctuation of Chinese and Japanese, which set no blanks
_LINK = re.compile(
    rf"{_BEFORE_A_LINK}https?://[^\s<>\"\u00ab\u00bb\u201c\u201d\u201e\u3001\u3002\uff0c\uff01\uff1f"
    r"\u300c\u300d\u300e\u300f\uff08\uff09\u3010\u3011\u300a\u300b]+",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<![\w@./\-])@(?P<name>[A-Za-z0-9](?:[A-Za-z0-9\-]{0,30}[A-Za-z0-9])?)(?![\w@])(?!\.[A-Za-z0-9])(?!-[\w])"
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_AT_ITS_END = ".,;:!?'*_~…"


def _paragraphs(text: str) -> Iterator[Range]:
    start = 0
    for paragraph in text.split(_BETWEEN):
        yield start, start + len(paragraph)
        start += len(paragraph) + len(_BETWEEN)


def _packed(paragraphs: list[Range]) -> list[Range]:
    """Neighbours put together as long as one block holds them."""
    packed = [paragraphs[0]]
    for start, end in paragraphs[1:]:
        if end - packed[-1][0] <= LONGEST_BLOCK:
            packed[-1] = packed[-1][0], end
        else:
            packed.append((start, end))
    return packed


def _cut(text: str, start: int, end: int) -> Iterator[Range]:
    while end - start > LONGEST_BLOCK:
        upto = _end_of_words(text, start) or _end_of_graphemes(text, start)
        yield start, upto
        start = upto
    yield start, end


def _end_of_words(text: str, start: int) -> int | None:
    """The last place after a blank from which on a block may be cut; None where that would leave it half empty."""
    for upto in range(start + LONGEST_BLOCK, start + LONGEST_BLOCK // 2, -1):
        if text[upto - 1].isspace():
            return upto
    return None


def _end_of_graphemes(text: str, start: int) -> int:
    """The last place between two characters as people see them; anywhere where a single one fills a whole block."""
    upto = start
    for grapheme in _GRAPHEME.finditer(text, start):
        if grapheme.end() > start + LONGEST_BLOCK:
            break
        upto = grapheme.end()
    return upto if upto > start else start + LONGEST_BLOCK


def _find_links(text: str) -> Iterator[Span]:
    for found in _LINK.finditer(text):
        address = _without_end(found[0])
        try:
            named = urlsplit(address).hostname
        except ValueError:
            named = None
        if named:
            yield Span(found.start(), found.start() + len(address), "link", address)


def _without_end(address: str) -> str:
    """An address without the punctuation of the sentence it stands in; closing brackets stay where they were opened."""
    open_by = {close: address.count(close) - address.count(opening) for close, opening in _PAIRS.items()}
    upto = len(address)
    while upto:
        last = address[upto - 1]
        if last in _PAIRS and open_by[last] > 0:
            open_by[last] -= 1
        elif last not in _AT_ITS_END:
            break
        upto -= 1
    return address[:upto]


def _find_names(text: str, links: Sequence[Span]) -> Iterator[tuple[int, int, str]]:
    upcoming = iter(links)
    link = next(upcoming, None)
    for found in _NAME.finditer(text):
        while link and link.end <= found.start():
            link = next(upcoming, None)
        if link is None or found.end() <= link.start:
            yield found.start(), found.end(), found["name"]
