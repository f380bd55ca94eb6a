"""What is handed to Tumblr for one post: its fields, its files as parts of a form, and the slug that marks it as ours.

Nothing is asked here. Fields and form: tumblr/docs: api.md, "/posts - Create/Reblog a Post", "User Uploaded Media".
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from hayon.domain.model import Json
from hayon.outgoing import Part, Stream
from hayon.platforms.contract import Parcel, ParcelMedia
from hayon.platforms.tumblr.limits import FITTING, bare_tag
from hayon.platforms.tumblr.npf import compose, image_block, video_block

_ENDINGS = {"video/quicktime": "mov"}
_WORDS_IN_A_SLUG, _LONGEST_SLUG = 8, 60
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")
_NOT_FOR_CREATION = "original_dimensions_missing"
"""A field of media objects that Tumblr tells and does not take (tumblr/docs: npf-spec.md, "Media Objects")."""


async def fitted(parcel: Parcel) -> list[ParcelMedia]:
    """The parcel's files as Tumblr takes them. Raises Rejected where one cannot be made to fit."""
    return [one if one.media.is_video else await one.fit(FITTING) for one in parcel.media]


def marker_of(parcel: Parcel, number: int) -> str:
    """The slug of the parcel's draft: of this target, this content and this many drafts given up before, and no other.

    A draft of the same target with other words never has it, so an older one is not taken for this one.
    """
    content = parcel.content
    media = [[str(use.media_id), use.alt_text] for use in content.media]
    what = json.dumps([parcel.idempotency_key, number, content.text, media, content.options], sort_keys=True)
    return f"hayon-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


def identifier_of(index: int) -> str:
    """The name under which a file stands in the form, and its block refers to it."""
    return f"file-{index}"


def as_uploads(files: Sequence[ParcelMedia]) -> list[Any]:
    """The media of each block where the files come along in the form."""
    return [_in_block(one, _upload(one, index)) for index, one in enumerate(files)]


def stored_in(post: Mapping[str, Any], files: Sequence[ParcelMedia]) -> list[Any] | None:
    """The media of each block as Tumblr stored it, in the order of our files; None where it does not hold them all."""
    content = post.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    shown = [block for block in blocks if block.get("type") in {"image", "video"}]
    if [block["type"] for block in shown] != ["video" if one.media.is_video else "image" for one in files]:
        return None
    stored = [_plain(block.get("media")) for block in shown]
    return stored if all(stored) else None


def fields_of(
    parcel: Parcel, media: Sequence[Any], mentions: Mapping[str, str | None], *, state: str, slug: str
) -> Json:
    """All that a post is made of. `media` holds what each file's block says of it; an empty slug is left to Tumblr."""
    content, options = parcel.content, parcel.content.options
    blocks = [
        video_block(one) if isinstance(one, Mapping) else image_block(one, use.alt_text)
        for use, one in zip(content.media, media, strict=True)
    ]
    fields = {
        "content": compose(
            content.text, title=options.get("title", ""), media=blocks, mentions=mentions,
            link_card=options.get("linkCard", True),
        ),
        "state": state,
        "tags": ",".join(bare_tag(tag) for tag in options.get("tags", ())),
        "slug": slug,
        "source_url": options.get("sourceUrl", ""),
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value != ""}


def live_state(parcel: Parcel) -> str:
    """The state of the post once it is out."""
    return "private" if parcel.content.options.get("visibility") == "private" else "published"


def live_slug(parcel: Parcel) -> str:
    """The author's own slug, else one of the text's first words: a draft's marker is no address to show to people."""
    given = parcel.content.options.get("slug")
    if given:
        return str(given)
    words = f"{parcel.content.options.get('title', '')} {_LINK.sub(' ', parcel.content.text[:1000])}"
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower().replace("'", "")
    return "-".join(_WORD.findall(plain)[:_WORDS_IN_A_SLUG])[:_LONGEST_SLUG].strip("-")


def body_of(fields: Json, files: Sequence[ParcelMedia]) -> dict[str, Any]:
    """The body of the call that makes a post: JSON alone, or a form whose first part is the JSON and whose files stream."""
    if not files:
        return {"json": fields}
    described = Part("json", json.dumps(fields, ensure_ascii=False), mime="application/json")
    return {"parts": [described, *(_part(one, index) for index, one in enumerate(files))]}


def _upload(one: ParcelMedia, index: int) -> Json:
    size = {"width": one.media.width, "height": one.media.height} if one.media.width and one.media.height else {}
    return {"type": one.media.mime, "identifier": identifier_of(index), **size}


def _in_block(one: ParcelMedia, upload: Json) -> Any:
    """A video's block has one media object, a picture's a list of them."""
    return upload if one.media.is_video else [upload]


def _part(one: ParcelMedia, index: int) -> Part:
    ending = _ENDINGS.get(one.media.mime) or one.media.mime.partition("/")[2]
    content = Stream(one.media.size, one.stream)
    return Part(identifier_of(index), content, filename=f"{one.media.id}.{ending}", mime=one.media.mime)


def _plain(media: Any) -> Any:
    """Media objects as they may be sent back; nothing where they are none."""
    if isinstance(media, dict):
        return {name: value for name, value in media.items() if name != _NOT_FOR_CREATION}
    if isinstance(media, list):
        return [_plain(one) for one in media if isinstance(one, dict)]
    return None
