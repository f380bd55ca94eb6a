"""The lexicons this PDS knows, as data: posts with their embeds, labels and facets, and the gates of a post.

Source: atproto lexicons/app/bsky/{feed,embed,richtext}/, lexicons/com/atproto/{repo,label}/. Anything else is unknown
to this PDS: taken without a check, as a real one does.
"""

from typing import Any

from hayon.sandbox.bluesky.lexicon import Lexicons
from hayon.sandbox.bluesky.limits import PdsLimits

RECORDS_BY_TID = frozenset(("app.bsky.feed.post", "app.bsky.feed.threadgate", "app.bsky.feed.postgate"))


def lexicons(limits: PdsLimits) -> Lexicons:
    """All definitions, with the sizes that this world allows."""
    return {
        "app.bsky.feed.post": _object(
            "text createdAt",
            text=_text(maxLength=limits.post_bytes, maxGraphemes=limits.post_graphemes),
            createdAt=_text(format="datetime"),
            facets=_array(_ref("app.bsky.richtext.facet")),
            reply=_ref("app.bsky.feed.post#replyRef"),
            embed=_union(
                "app.bsky.embed.images",
                "app.bsky.embed.gallery",
                "app.bsky.embed.video",
                "app.bsky.embed.external",
                "app.bsky.embed.record",
                "app.bsky.embed.recordWithMedia",
            ),
            langs=_array(_text(format="language"), most=3),
            labels=_union("com.atproto.label.defs#selfLabels"),
            tags=_array(_text(maxLength=640, maxGraphemes=64), most=8),
        ),
        "app.bsky.feed.post#replyRef": _object(
            "root parent", root=_ref("com.atproto.repo.strongRef"), parent=_ref("com.atproto.repo.strongRef")
        ),
        "com.atproto.repo.strongRef": _object("uri cid", uri=_text(format="at-uri"), cid=_text(format="cid")),
        **_facets(),
        **_embeds(limits),
        "com.atproto.label.defs#selfLabels": _object(
            "values", values=_array(_ref("com.atproto.label.defs#selfLabel"), most=10)
        ),
        "com.atproto.label.defs#selfLabel": _object("val", val=_text(maxLength=128)),
        "app.bsky.feed.threadgate": _object(
            "post createdAt",
            post=_text(format="at-uri"),
            createdAt=_text(format="datetime"),
            allow=_array(_union(), most=5),
            hiddenReplies=_array(_text(format="at-uri"), most=300),
        ),
        "app.bsky.feed.postgate": _object(
            "post createdAt",
            post=_text(format="at-uri"),
            createdAt=_text(format="datetime"),
            detachedEmbeddingUris=_array(_text(format="at-uri"), most=50),
            embeddingRules=_array(_union(), most=5),
        ),
    }


def _facets() -> dict[str, Any]:
    facet = "app.bsky.richtext.facet"
    return {
        facet: _object(
            "index features",
            index=_ref(f"{facet}#byteSlice"),
            features=_array(_union(f"{facet}#mention", f"{facet}#link", f"{facet}#tag")),
        ),
        f"{facet}#byteSlice": _object("byteStart byteEnd", byteStart=_integer(0), byteEnd=_integer(0)),
        f"{facet}#mention": _object("did", did=_text(format="did")),
        f"{facet}#link": _object("uri", uri=_text(format="uri")),
        f"{facet}#tag": _object("tag", tag=_text(maxLength=640, maxGraphemes=64)),
    }


def _embeds(limits: PdsLimits) -> dict[str, Any]:
    embed = "app.bsky.embed"
    ratio = _ref(f"{embed}.defs#aspectRatio")
    media = ("images", "gallery", "video", "external")
    return {
        f"{embed}.defs#aspectRatio": _object("width height", width=_integer(1), height=_integer(1)),
        f"{embed}.images": _object("images", images=_array(_ref(f"{embed}.images#image"), most=limits.images)),
        f"{embed}.images#image": _object(
            "image alt", image=_blob("image/*", limits.image_bytes), alt=_text(), aspectRatio=ratio
        ),
        f"{embed}.gallery": _object(
            "items", items=_array(_union(f"{embed}.gallery#image"), most=limits.gallery_images)
        ),
        f"{embed}.gallery#image": _object(
            "image alt aspectRatio",
            image=_blob("image/*", limits.gallery_image_bytes),
            alt=_text(),
            aspectRatio=ratio,
        ),
        f"{embed}.video": _object(
            "video", video=_blob("video/mp4", limits.video_bytes), alt=_text(), aspectRatio=ratio
        ),
        f"{embed}.external": _object("external", external=_ref(f"{embed}.external#external")),
        f"{embed}.external#external": _object(
            "uri title description",
            uri=_text(format="uri"),
            title=_text(),
            description=_text(),
            thumb=_blob("image/*", limits.thumb_bytes),
        ),
        f"{embed}.record": _object("record", record=_ref("com.atproto.repo.strongRef")),
        f"{embed}.recordWithMedia": _object(
            "record media", record=_ref(f"{embed}.record"), media=_union(*(f"{embed}.{kind}" for kind in media))
        ),
    }


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _text(**rules: Any) -> dict[str, Any]:
    return {"type": "string", **rules}


def _integer(minimum: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": minimum}


def _array(items: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxLength": most}


def _ref(name: str) -> dict[str, Any]:
    return {"type": "ref", "ref": name}


def _union(*names: str) -> dict[str, Any]:
    return {"type": "union", "refs": names}


def _blob(accept: str, most: int) -> dict[str, Any]:
    return {"type": "blob", "accept": [accept], "maxSize": most}
