"""Link cards: what a linked page says about itself. Best effort: whatever goes wrong here means no card, never an error.

Bluesky's servers fetch no pages; the client writes the card into the post (bsky-docs: docs/starter-templates/posts.md).
Pages name their card by the Open Graph protocol (ogp.me).
"""

import asyncio
import codecs
import re
from dataclasses import dataclass
from html import unescape
from itertools import islice
from urllib.parse import urljoin, urlsplit

from hayon.errors import PlatformError
from hayon.outgoing import Answer, Deadline, Outgoing

LARGEST_PAGE = 1_000_000
"""Of a larger page only this much is read: what is wanted stands in its head."""
LARGEST_PICTURE = 8_000_000
TITLE_CHARACTERS = 300
DESCRIPTION_CHARACTERS = 1_000
PATIENCE_SECONDS = 10.0
PAGE_MIMES = ("text/html", "application/xhtml+xml")
PICTURE_MIMES = frozenset({"image/jpeg", "image/png", "image/webp"})


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says about itself. `picture` is an absolute http(s) address."""

    title: str
    description: str
    picture: str | None


async def find_page(url: str, outgoing: Outgoing) -> Page | None:
    """The page's own title, description and picture; None where it cannot be had or has no title."""
    try:
        answer = await outgoing.fetch_public(
            url,
            largest=LARGEST_PAGE,
            accept=PAGE_MIMES,
            cut=True,
            deadline=Deadline.after(PATIENCE_SECONDS),
        )
    except PlatformError:
        return None
    if answer.status != 200 or _mime(answer) not in PAGE_MIMES:
        return None
    return await asyncio.to_thread(read_page, _decode(answer), answer.url)


async def find_picture(url: str, outgoing: Outgoing) -> tuple[bytes, str] | None:
    """The picture's bytes and type; None where it cannot be had or is of a kind that cards do not show."""
    try:
        answer = await outgoing.fetch_public(
            url, largest=LARGEST_PICTURE, accept="image/", deadline=Deadline.after(PATIENCE_SECONDS)
        )
    except PlatformError:
        return None
    mime = _mime(answer)
    return (answer.body, mime) if answer.status == 200 and mime in PICTURE_MIMES else None


def read_page(html: str, url: str) -> Page | None:
    """Reads the head of a page that was found at `url`. None where it gives no title.

    Not by html.parser: its time grows with the square of malformed markup (an hour for a page made for that), while
    every step here is bounded.
    """
    head = _head_of(html)
    said = _read_metas(head)
    found = _TITLE.search(head)
    title = _tidy(said.get("og:title") or (unescape(found[1]) if found else ""), TITLE_CHARACTERS)
    if not title:
        return None
    description = _tidy(said.get("og:description") or said.get("description") or "", DESCRIPTION_CHARACTERS)
    return Page(title, description, _absolute(url, said.get("og:image", "")))


_WANTED = frozenset({"og:title", "og:description", "description", "og:image"})
_HEAD_CHARACTERS = 400_000
_METAS = 300
_META_CHARACTERS = 8_000
_CHARSET = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_END_OF_HEAD = re.compile(r"</head|<body", re.IGNORECASE)
_ASIDE = re.compile(r"<(!--|(?:script|style|noscript|svg)\b)", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^<>]{0,500}>([^<]{0,2000})", re.IGNORECASE)
_META_START = re.compile(r"<meta\b", re.IGNORECASE)
# Possessive throughout, so that nothing is tried twice.
_META = re.compile(r"""<meta\b(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""(?<![^\s"'/])([^\s"'<>/=]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'=<>`]++))""")


def _head_of(html: str) -> str:
    """The head without what only looks like tags in it: scripts, styles, drawings and comments."""
    html = html[:_HEAD_CHARACTERS]
    kept, at = [], 0
    while found := _ASIDE.search(html, at):
        kept.append(html[at : found.start()])
        name = found[1].lower()
        end = re.compile("-->" if name == "!--" else f"</{name}", re.IGNORECASE).search(html, found.end())
        at = end.end() if end else len(html)
    head = "".join([*kept, html[at:]])
    end = _END_OF_HEAD.search(head)
    return head[: end.start()] if end else head


def _read_metas(head: str) -> dict[str, str]:
    """The first of each wanted <meta>, by its name."""
    said: dict[str, str] = {}
    for start in islice(_META_START.finditer(head), _METAS):
        meta = _META.match(head, start.start(), start.start() + _META_CHARACTERS)
        if meta is None:
            continue
        given: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(meta[0]):
            given.setdefault(name.lower(), unescape(double or single or bare).strip())
        name, content = (given.get("property") or given.get("name") or "").lower(), given.get("content")
        if name in _WANTED and content:
            said.setdefault(name, content)
    return said


def _decode(answer: Answer) -> str:
    named = _CHARSET.search(answer.headers.get("content-type", "").encode()) or _CHARSET.search(answer.body[:1024])
    charset = named[1].decode() if named else "utf-8"
    try:
        codecs.lookup(charset)
        return answer.body.decode(charset, "replace")
    except (LookupError, ValueError):
        return answer.body.decode("utf-8", "replace")


def _mime(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _tidy(text: str, characters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def _absolute(page: str, address: str) -> str | None:
    if not address:
        return None
    try:
        whole = urljoin(page, address)
        parts = urlsplit(whole)
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and parts.hostname else None
