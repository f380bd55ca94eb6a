"""The post as Bluesky stores it: its key, its time, its embeds, and the whole record put together. Sends nothing.

Lexicons: atproto: lexicons/app/bsky/feed/post.json, lexicons/app/bsky/embed/{images,gallery,video,external}.json.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hayon.domain.model import Json
from hayon.platforms.bluesky.text import Facet

COLLECTION = "app.bsky.feed.post"
KEY_PATTERN = "[2-7a-j][2-7a-z]{12}"
"""A TID as text (atproto-website: specs/tid); its highest bit is never set."""
IMAGES_EMBED_LIMIT = 4
GALLERY_EMBED_LIMIT = 10
"""What the official app offers; the schema's own ceiling is 20 (atproto: lexicons/app/bsky/embed/gallery.json)."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A picture or video the server has: its blob exactly as the server gave it, its words, and its size in pixels.

    Where the size is not known it is left out rather than guessed (bsky-docs: docs/starter-templates/posts.md).
    """

    blob: Json
    alt_text: str
    width: int | None
    height: int | None

    def as_embed(self, name: str) -> Json:
        """The blob under this name, with its words and shape. Alt text is always there, if empty."""
        shape = {"aspectRatio": {"width": self.width, "height": self.height}} if self.width and self.height else {}
        return {name: self.blob, "alt": self.alt_text, **shape}


def new_key(at: datetime, name: str) -> str:
    """A record key: a TID, 53 bits of microseconds and 10 bits that tell writers apart (atproto-website: specs/tid).

    The ten bits come from `name`, so the same moment and name give the same key.
    """
    clock_id = int.from_bytes(hashlib.sha256(name.encode()).digest()[:2]) & 0x3FF
    number = ((at - _EPOCH) // timedelta(microseconds=1)) << 10 | clock_id
    return "".join(_SORTABLE[number >> shift & 31] for shift in range(60, -1, -5))


def as_moment(at: datetime) -> str:
    """A time as records carry it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_record(
    text: str,
    created_at: str,
    *,
    facets: Sequence[Facet],
    dids: Mapping[str, str | None],
    pictures: Sequence[Uploaded],
    card: Json | None,
    options: Mapping[str, Any],
    video: Uploaded | None = None,
) -> Json:
    """The complete record. `dids` holds who each mentioned handle is; a mention of nobody stays text.

    `card` is the `external` part of a link card; pictures and a video leave no room for one.
    """
    record: Json = {"$type": COLLECTION, "text": text, "createdAt": created_at}
    if written := _write_facets(facets, dids):
        record["facets"] = written
    if embed := _embed(pictures, video, card):
        record["embed"] = embed
    if options.get("languages"):
        record["langs"] = list(options["languages"])
    if options.get("labels"):
        values = [{"val": label} for label in dict.fromkeys(options["labels"])]
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": values}
    if options.get("tags"):
        record["tags"] = [bare_tag(tag) for tag in options["tags"]]
    return record


def bare_tag(tag: str) -> str:
    """A tag as the record holds it: without the sign in front that people like to write."""
    return tag.strip().removeprefix("#")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"


def _write_facets(facets: Sequence[Facet], dids: Mapping[str, str | None]) -> list[Json]:
    written = []
    for facet in facets:
        value = dids.get(facet.value) if facet.kind == "mention" else facet.value
        if value is not None:
            written.append(facet.as_record(value))
    return written


def _embed(pictures: Sequence[Uploaded], video: Uploaded | None, card: Json | None) -> Json | None:
    if video is not None:
        return {"$type": "app.bsky.embed.video", **video.as_embed("video")}
    if len(pictures) > IMAGES_EMBED_LIMIT:
        image = {"$type": "app.bsky.embed.gallery#image"}
        items = [image | picture.as_embed("image") for picture in pictures]
        return {"$type": "app.bsky.embed.gallery", "items": items}
    if pictures:
        return {"$type": "app.bsky.embed.images", "images": [picture.as_embed("image") for picture in pictures]}
    if card is not None:
        return {"$type": "app.bsky.embed.external", "external": card}
    return None
