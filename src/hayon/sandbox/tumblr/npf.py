"""The Neue Post Format, checked block by block: what may stand in a post, and where which styling begins and ends.

Source: tumblr/docs npf-spec.md. A field that the specification does not name is refused, so that a slip of the pen is
seen here and not on a live blog. Nothing here knows a request; files are placed by whoever asks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from hayon.sandbox.tumblr.blog import Block
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.tumblr.wire import error, invalid, not_simulated

LISTED = frozenset({"ordered-list-item", "unordered-list-item"})
SUBTYPES = LISTED | {"heading1", "heading2", "quirky", "quote", "indented", "chat"}
MOST_INDENTED = 7
FORMATS = {
    "bold": frozenset[str](),
    "italic": frozenset[str](),
    "strikethrough": frozenset[str](),
    "small": frozenset[str](),
    "link": frozenset({"url"}),
    "mention": frozenset({"blog"}),
    "color": frozenset({"hex"}),
}
FIELDS = {
    "text": frozenset({"text", "subtype", "indent_level", "formatting"}),
    "image": frozenset({"media", "colors", "feedback_token", "poster", "attribution", "alt_text", "caption"}),
    "link": frozenset({"url", "title", "description", "author", "site_name", "display_url", "poster"}),
    "video": frozenset(
        {
            "url", "media", "provider", "embed_html", "embed_iframe", "embed_url", "poster", "filmstrip", "metadata",
            "attribution", "can_autoplay_on_cellular", "duration", "alt_text", "caption",
        }
    ),
}  # fmt: skip
MEDIA_FIELDS = frozenset(
    {
        "identifier", "media_key", "url", "type", "width", "height", "cropped", "has_original_dimensions", "poster",
        "hd", "colors",
    }
)  # fmt: skip
COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
TITLES = ("title", "description", "author", "site_name")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the content of a post is checked against."""

    limits: TumblrLimits
    knows_blog: Callable[[str], bool]
    """Whether there is a blog with this uuid."""
    place: Callable[[dict[str, Any], bool], Block]
    """The media object as it is kept, of a picture or (true) a video; the refusal if there is no such file."""


def content_of(given: Any, around: Surroundings) -> list[Block]:
    """The blocks as they are kept, in their order; empty texts at both ends are still there."""
    if not isinstance(given, list):
        raise invalid("'content' must be an array")
    limits = around.limits
    kinds = [one.get("type") if isinstance(one, dict) else None for one in given]
    _at_most(len(given), limits.blocks, "content blocks")
    _at_most(kinds.count("image"), limits.images, "image blocks")
    _at_most(kinds.count("link"), limits.links, "link blocks")
    _at_most(kinds.count("video"), limits.videos, "video blocks")
    _at_most(sum(kind == "video" and "media" in one for kind, one in zip(kinds, given, strict=True)), limits.own_videos,
             "uploaded videos")  # fmt: skip
    blocks = [_block(one, place, around) for place, one in enumerate(given)]
    ranges = [one["type"] for block in blocks for one in block.get("formatting", ())]
    _at_most(ranges.count("mention"), limits.mentions, "mentions")
    _at_most(ranges.count("link"), limits.inline_links, "inline links")
    return blocks


def layout_of(given: Any, content: list[Block]) -> list[Block]:
    """The layouts of a content. Only rows are known; a carousel is for chosen applications."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise invalid("'layout' must be an array of objects")
    if [one.get("type") for one in given] not in ([], ["rows"]):
        raise invalid("'layout' may have one object, of the type 'rows'")
    return [_rows(one, content) for one in given]


def trimmed(content: list[Block], layout: list[Block]) -> tuple[list[Block], list[Block]]:
    """Without empty texts at both ends, as the server keeps it. The rest of the layout means the same blocks as before."""
    kept = [place for place, one in enumerate(content) if one["type"] != "text" or one["text"]]
    if not kept:
        return [], []
    first, last = kept[0], kept[-1]
    if (first, last) == (0, len(content) - 1):
        return content, layout
    moved = []
    for one in layout:
        rows = [[block - first for block in row["blocks"] if first <= block <= last] for row in one["display"]]
        moved.append(_layout([row for row in rows if row], one.get("truncate_after", last) - first))
    return content[first : last + 1], moved


def _block(given: Any, place: int, around: Surroundings) -> Block:
    where = f"content[{place}]"
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise invalid(f"{where} must have a 'type'")
    kind = given["type"]
    if kind in ("audio", "paywall"):
        raise not_simulated(f"a block of the type {kind}")
    if kind not in FIELDS:
        raise invalid(f"{where} has the unknown type '{kind}'")
    if strange := given.keys() - FIELDS[kind] - {"type"}:
        raise invalid(f"{where} has no field '{min(strange)}'")
    match kind:
        case "text":
            return _text(given, where, around)
        case "image":
            return _image(given, where, around)
        case "video":
            return _video(given, where, around)
        case _:
            return _link(given, where)


def _text(given: Block, where: str, around: Surroundings) -> Block:
    text, subtype, indent = given.get("text"), given.get("subtype"), given.get("indent_level", 0)
    if not isinstance(text, str):
        raise invalid(f"{where} must have a 'text'")
    if len(text) > around.limits.block_characters:
        raise invalid(f"{where} is longer than {around.limits.block_characters} characters")
    if subtype is not None and not (isinstance(subtype, str) and subtype in SUBTYPES):
        raise invalid(f"{where} has the unknown subtype '{subtype}'")
    if not _is_number(indent) or not 0 <= indent <= MOST_INDENTED or (indent and subtype not in LISTED | {"indented"}):
        raise invalid(f"{where} has an invalid 'indent_level'")
    formatting = given.get("formatting", [])
    if not isinstance(formatting, list):
        raise invalid(f"{where} must have an array as 'formatting'")
    ranges = [_range(one, len(text), f"{where}.formatting[{n}]", around) for n, one in enumerate(formatting)]
    _apart(ranges, where)
    return {
        "type": "text",
        "text": text,
        **({"subtype": subtype} if subtype else {}),
        **({"indent_level": indent} if indent else {}),
        **({"formatting": ranges} if ranges else {}),
    }


def _range(given: Any, length: int, where: str, around: Surroundings) -> Block:
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in FORMATS:
        raise invalid(f"{where} has an unknown type")
    start, end = given.get("start"), given.get("end")
    if given.keys() != {"type", "start", "end"} | FORMATS[kind]:
        raise invalid(f"{where} must have 'start', 'end' and what belongs to the type '{kind}', and nothing else")
    if not _is_number(start) or not _is_number(end) or not 0 <= start < end <= length:
        raise invalid(f"{where} does not lie within the text")
    if kind == "link" and not is_address(given["url"]):
        raise invalid(f"{where} has an invalid 'url'")
    if kind == "color" and not (isinstance(given["hex"], str) and COLOUR.fullmatch(given["hex"])):
        raise invalid(f"{where} has an invalid 'hex'")
    if kind == "mention":
        blog = given["blog"]
        uuid = blog.get("uuid") if isinstance(blog, dict) else None
        if not isinstance(uuid, str) or not around.knows_blog(uuid):
            raise invalid(f"{where} mentions a blog that does not exist")
    return dict(given)


def _apart(ranges: list[Block], where: str) -> None:
    for kind in FORMATS:
        ordered = sorted((one["start"], one["end"]) for one in ranges if one["type"] == kind)
        if any(later[0] < earlier[1] for earlier, later in pairwise(ordered)):
            raise invalid(f"{where} has overlapping ranges of the type '{kind}'")


def _image(given: Block, where: str, around: Surroundings) -> Block:
    media = given.get("media")
    if not isinstance(media, list) or not media:
        raise invalid(f"{where} must have an array as 'media'")
    placed = [_placed(one, f"{where}.media[{n}]", around, video=False) for n, one in enumerate(media)]
    _check_words(given, where, around.limits)
    return {**given, "media": placed}


def _video(given: Block, where: str, around: Surroundings) -> Block:
    _check_words(given, where, around.limits)
    if "media" in given:
        if not isinstance(given["media"], dict):
            raise invalid(f"{where} must have an object as 'media'")
        if given.get("provider", "tumblr") != "tumblr":
            raise invalid(f"{where} has the wrong 'provider' for an uploaded video")
        placed = _placed(given["media"], f"{where}.media", around, video=True)
        return {**given, "provider": "tumblr", "media": placed}
    if not is_address(given.get("url")):
        raise invalid(f"{where} must have 'media' or a 'url'")
    return {"provider": urlsplit(given["url"]).hostname or "", **given}


def _placed(given: Any, where: str, around: Surroundings, *, video: bool) -> Block:
    if not isinstance(given, dict):
        raise invalid(f"{where} must be an object")
    if strange := given.keys() - MEDIA_FIELDS:
        raise invalid(f"{where} has no field '{min(strange)}'")
    for name in ("identifier", "media_key", "url", "type"):
        if name in given and (not isinstance(given[name], str) or not given[name]):
            raise invalid(f"{where} has an invalid '{name}'")
    for name in ("width", "height"):
        if name in given and not (_is_number(given[name]) and given[name] > 0):
            raise invalid(f"{where} has an invalid '{name}'")
    return around.place(given, video)


def _link(given: Block, where: str) -> Block:
    if not is_address(given.get("url")):
        raise invalid(f"{where} must have a 'url'")
    for name in TITLES:
        if name in given and not isinstance(given[name], str):
            raise invalid(f"{where} has an invalid '{name}'")
    # the real one asks the address for what is not given; this one asks nobody
    host = urlsplit(given["url"]).hostname or ""
    return {"site_name": host, **given, "display_url": given["url"]}


def _check_words(given: Block, where: str, limits: TumblrLimits) -> None:
    for name in ("alt_text", "caption"):
        words = given.get(name)
        if words is not None and not isinstance(words, str):
            raise invalid(f"{where} has an invalid '{name}'")
        if words and len(words) > limits.alt_characters:
            raise invalid(f"{where} has a longer '{name}' than {limits.alt_characters} characters")


def _rows(given: Block, content: list[Block]) -> Block:
    if given.keys() - {"type", "display", "truncate_after"} or not isinstance(given.get("display"), list):
        raise invalid("A layout of rows must have an array as 'display'")
    rows: list[list[int]] = []
    for one in given["display"]:
        blocks = one.get("blocks") if isinstance(one, dict) else None
        if not isinstance(blocks, list) or not blocks or not all(_is_number(block) for block in blocks):
            raise invalid("Every row of a layout must have an array of numbers as 'blocks'")
        mode = one.get("mode", {"type": "weighted"})
        if not isinstance(mode, dict) or mode.get("type") not in ("weighted", "carousel"):
            raise invalid("A row of a layout has an unknown mode")
        if mode["type"] == "carousel":
            raise error(403, "You may not make a carousel")
        rows.append(blocks)
    if sorted(block for row in rows for block in row) != list(range(len(content))):
        raise invalid("A layout must name every block of the content once")
    if any(len(row) > 1 and any(content[block]["type"] != "image" for block in row) for row in rows):
        raise invalid("Only images may share a row")
    return _layout(rows, given.get("truncate_after"))


def _layout(rows: list[list[int]], after: Any) -> Block:
    kept: Block = {"type": "rows", "display": [{"blocks": row} for row in rows]}
    # an end that makes no sense is ignored, says the specification
    return (
        {**kept, "truncate_after": after}
        if _is_number(after) and after in (-1, *(row[-1] for row in rows[:-1]))
        else kept
    )


def is_address(given: Any) -> bool:
    """Whether this is an address of the web."""
    if not isinstance(given, str):
        return False
    try:
        parts = urlsplit(given)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", given)


def _is_number(given: Any) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool)


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise invalid(f"A post may have {most} {what}")
