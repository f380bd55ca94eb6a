"""An instance's own limits: read from what it says of itself, kept as facts of the account, given out as rules."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hayon.domain.model import Content, Media
from hayon.domain.rules import MediaRules, Option, Rules
from hayon.errors import Problem
from hayon.platforms.mastodon import text

PLATFORM = "mastodon"
NAME = "Mastodon"
VISIBILITIES = ("public", "unlisted", "private", "direct")

DEFAULTS: Mapping[str, int] = {
    "maxCharacters": 500,
    "maxMediaAttachments": 4,
    "charactersReservedPerUrl": text.RESERVED_PER_URL,
    "imageSizeLimit": 16 * 1024 * 1024,
    "imageMatrixLimit": 33_177_600,
    "videoSizeLimit": 99 * 1024 * 1024,
    "videoMatrixLimit": 8_294_400,
    "videoFrameRateLimit": 120,
    "descriptionLimit": 1500,
}
"""Where an instance is silent (mastodon: app/models/media_attachment.rb, app/validators/; alt text: up to 4.5)."""
DEFAULT_MIMES = ("image/jpeg", "image/png", "image/gif", "image/heic", "image/heif", "image/webp", "image/avif")
DEFAULT_VIDEO_MIMES = ("video/mp4", "video/webm", "video/quicktime", "video/ogg")
GIF_PIXELS = 921_600
"""GIFs may be no larger, and no instance says so (mastodon: app/models/concerns/attachmentable.rb)."""


def facts_of(instance: Mapping[str, Any]) -> dict[str, Any]:
    """The limits in an instance's answer to GET /api/v2/instance or /api/v1/instance. What is misshapen is left out."""
    configuration = _part(instance, "configuration")
    statuses, media = _part(configuration, "statuses"), _part(configuration, "media_attachments")
    said = {
        # Pleroma and its like speak of `max_toot_chars` at the top and have no configuration.
        "maxCharacters": statuses.get("max_characters", instance.get("max_toot_chars")),
        "maxMediaAttachments": statuses.get("max_media_attachments"),
        "charactersReservedPerUrl": statuses.get("characters_reserved_per_url"),
        "imageSizeLimit": media.get("image_size_limit"),
        "imageMatrixLimit": media.get("image_matrix_limit"),
        "videoSizeLimit": media.get("video_size_limit"),
        "videoMatrixLimit": media.get("video_matrix_limit"),
        "videoFrameRateLimit": media.get("video_frame_rate_limit"),
        "descriptionLimit": media.get("description_limit"),
    }
    facts: dict[str, Any] = {name: value for name, value in said.items() if _is_a_limit(value)}
    mimes = media.get("supported_mime_types")
    if isinstance(mimes, list):
        for name, kind in (("imageMimes", "image/"), ("videoMimes", "video/")):
            facts[name] = [mime for mime in mimes if isinstance(mime, str) and mime.startswith(kind)]
    return facts


def mastodon_rules(facts: Mapping[str, Any]) -> Rules:
    """The rules of an account with these facts; Mastodon's defaults for what they do not say."""

    def limit(name: str) -> int:
        value = facts.get(name)
        return value if isinstance(value, int) and _is_a_limit(value) else DEFAULTS[name]

    per_url = limit("charactersReservedPerUrl")
    video_mimes = facts.get("videoMimes", DEFAULT_VIDEO_MIMES)

    def count(written: str, options: Mapping[str, Any]) -> int:
        warning = options.get("warning")
        return text.length(written, warning if isinstance(warning, str) else "", per_url)

    return Rules(
        platform=PLATFORM,
        name=NAME,
        text_limit=limit("maxCharacters"),
        text_unit="characters",
        count=count,
        images=MediaRules(
            limit=limit("maxMediaAttachments"),
            mimes=tuple(facts.get("imageMimes") or DEFAULT_MIMES),
            bytes_limit=limit("imageSizeLimit"),
            pixels_limit=limit("imageMatrixLimit"),
            alt_text_limit=limit("descriptionLimit"),
        ),
        videos=MediaRules(
            limit=1,
            mimes=tuple(video_mimes),
            bytes_limit=limit("videoSizeLimit"),
            pixels_limit=limit("videoMatrixLimit"),
            max_frame_rate=limit("videoFrameRateLimit"),
            alt_text_limit=limit("descriptionLimit"),
        )
        if video_mimes
        else None,
        options=OPTIONS,
        more=_more,
        marks=lambda written, options: text.find_marks(written),  # noqa: ARG005 - no option changes what is a link
    )


OPTIONS: Mapping[str, Option] = {
    "warning": Option({"type": "string"}, "A content warning, shown before the text is opened. It counts as text."),
    "sensitive": Option({"type": "boolean"}, "Whether the pictures are hidden until they are opened."),
    "visibility": Option(
        {"type": "string", "enum": list(VISIBILITIES)},
        "Who sees it: public, unlisted (in no public timeline), private (followers), direct (those mentioned). "
        "Without it, as the account is set.",
    ),
    "language": Option(
        {"type": "string", "maxLength": 2}, "The text's language as two letters (ISO 639-1), such as en."
    ),
}


def _more(content: Content, media: Sequence[Media]) -> list[Problem]:
    problems = []
    language = content.options.get("language")
    if isinstance(language, str) and len(language) <= 2 and not re.fullmatch("[a-z]{2}", language):
        problems.append(
            Problem(
                "options.language",
                "bad_option",
                f"{NAME} wants the language as two small letters, such as en or de; this is {language!r}.",
                PLATFORM,
            )
        )
    known = {one.id: one for one in media}
    for index, use in enumerate(content.media):
        one = known.get(use.media_id)
        if one and one.mime == "image/gif" and one.width and one.height and one.width * one.height > GIF_PIXELS:
            problems.append(
                Problem(
                    f"mediaItems[{index}]",
                    "too_many_pixels",
                    f"{NAME} takes GIFs up to {GIF_PIXELS:,} pixels; this one has {one.width * one.height:,}.",
                    PLATFORM,
                )
            )
        # It becomes a video there, and a video stands alone (mastodon: app/services/post_status_service.rb).
        if one and one.mime == "image/gif" and one.animated and len(content.media) > 1:
            words = (
                f"{NAME} makes a video of a GIF that moves, and takes a video only alone. "
                "Leave out all but the GIF, or make two posts."
            )
            problems.append(Problem(f"mediaItems[{index}]", "mixed", words, PLATFORM))
    return problems


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _is_a_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
