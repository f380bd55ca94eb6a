"""Posts and stories as Facebook lists them: what they say, what hangs on them, and whether that is what was sent."""

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from hayon.errors import Unavailable
from hayon.outgoing import Outgoing
from hayon.platforms.meta.graph import LISTED_AT_ONCE, LISTED_PAGES, Graph, Listing

FIELDS = "id,message,created_time,is_published,permalink_url,application,attachments"
STAMP = "created_time"
SKEW = timedelta(minutes=5)
"""How far a post may seem to be older than the call that made it."""


async def feed_since(moment: datetime, page: str, graph: Graph, outgoing: Outgoing) -> Listing:
    """The Page's posts since then, shown or not: Facebook lists both (page "Page Feed")."""
    return await graph.listed(outgoing, f"{page}/feed", since=moment - SKEW, stamp=STAMP, fields=FIELDS)


async def stories_since(moment: datetime | None, page: str, graph: Graph, outgoing: Outgoing) -> Listing:
    """The stories since then, or all that are listed: by the picture or video they show, without an id of their own.

    Source: page "Facebook Stories API", "Get a list of stories".
    """
    entries: list[Mapping[str, Any]] = []
    since = {"since": str(int((moment - SKEW).timestamp()))} if moment else {}
    fields = {"limit": str(LISTED_AT_ONCE), **since}
    for _ in range(LISTED_PAGES):
        body = await graph.ask(outgoing, graph.get(f"{page}/stories", **fields))
        found = body.get("data")
        if not isinstance(found, list) or not all(isinstance(one, Mapping) and "media_id" in one for one in found):
            raise Unavailable("Facebook's list of stories could not be read. It is tried again later.")
        entries += found
        after = _next_after(body)
        if after is None or not found:
            return Listing(entries, whole=True)
        fields = {**fields, "after": after}
    return Listing(entries, whole=False)


def is_hidden(post: Mapping[str, Any]) -> bool:
    """Whether Facebook says that nobody sees it yet."""
    return post.get("is_published") is False


def targets_in(post: Mapping[str, Any]) -> set[str]:
    """The ids of the pictures and videos that hang on a post."""
    targets = (attachment.get("target") for attachment in _attachments_of(post))
    return {str(target["id"]) for target in targets if isinstance(target, Mapping) and target.get("id")}


def has_media(post: Mapping[str, Any]) -> bool:
    """Whether pictures or a video hang on a post, and not only the preview of a link, which may show a video too."""
    return any(
        _MEDIA & {str(attachment.get("type")), str(attachment.get("media_type"))}
        and all(_is_inside(link) for link in _links_of(attachment))
        for attachment in _attachments_of(post)
    )


def links_in(post: Mapping[str, Any]) -> list[str]:
    """The addresses that a post's previews lead to, freed from Facebook's own detour."""
    return [link for attachment in _attachments_of(post) for link in _links_of(attachment)]


def same_words(one: Any, other: Any) -> bool:
    """Whether two texts are equal but for blanks, line ends and ways to write an accent. Nothing equals nothing."""
    return _plain(one) == _plain(other)


def same_link(one: str, other: str) -> bool:
    """Whether two addresses lead to one page, whatever mark Facebook put on a click."""
    return _address(one) == _address(other)


def says_the_same(post: Mapping[str, Any], handles: Mapping[str, Any]) -> bool:
    """Whether a post has the words that a call with these handles sends, and leads where it does.

    Where no link was sent, Facebook shows one that stands in the words.
    """
    message, link, links = handles.get("message"), handles.get("link"), links_in(post)
    if not same_words(post.get("message"), message):
        return False
    if link is None:
        return not links or any(host and host in _plain(message).lower() for host in map(_host_of, links))
    return any(same_link(one, link) for one in links)


_MEDIA = {"photo", "album", "video", "video_inline", "video_autoplay", "video_direct_response"}


def _links_of(attachment: Mapping[str, Any]) -> list[str]:
    target = attachment.get("target")
    inner = target.get("url") if isinstance(target, Mapping) else None
    named = (attachment.get("unshimmed_url"), attachment.get("url"), inner)
    return [_direct(address) for address in named if isinstance(address, str) and address]


def _is_inside(url: str) -> bool:
    host = _host_of(url)
    return host == "facebook.com" or host.endswith(".facebook.com")


def _plain(words: Any) -> str:
    return " ".join(unicodedata.normalize("NFC", words).split()) if isinstance(words, str) else ""


def _host_of(url: str) -> str:
    return _address(url)[0].removeprefix("www.")


def _address(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url.strip())
        query = [(name, value) for name, value in parse_qsl(parts.query, True) if name != "fbclid"]
    except ValueError:
        return ("", url, "")
    return (parts.netloc.lower(), parts.path.rstrip("/"), urlencode(query))


def _direct(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.path.rstrip("/") == "/l.php" and (parts.hostname or "").endswith("facebook.com"):
            return parse_qs(parts.query).get("u", [url])[0]
    except ValueError:
        pass
    return url


def _attachments_of(post: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Everything that hangs on a post; the pictures of an album hang on its one attachment."""
    for attachment in _entries(post.get("attachments")):
        yield attachment
        yield from _entries(attachment.get("subattachments"))


def _entries(edge: Any) -> list[Mapping[str, Any]]:
    entries = edge.get("data") if isinstance(edge, Mapping) else edge
    return [one for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []


def _next_after(body: Mapping[str, Any]) -> str | None:
    paging = body.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, Mapping) else None
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    return after if isinstance(after, str) and after else None
