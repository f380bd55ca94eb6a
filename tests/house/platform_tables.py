"""The tables of docs/platforms.md as the adapters' own rules make them. Compared by a test, written by `make docs`."""

from typing import Any

from hayon.domain.rules import MediaRules, Rules
from hayon.settings import Settings
from hayon.wiring import make_platforms

NONE = "–"
KINDS = {
    "image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WebP", "image/avif": "AVIF",
    "image/heic": "HEIC", "image/heif": "HEIF", "video/mp4": "MP4", "video/webm": "WebM", "video/quicktime": "MOV",
}  # fmt: skip


def every_rules() -> list[Rules]:
    """The rules of every adapter for an account without facts of its own."""
    return [one.rules({}) for one in make_platforms(Settings()).values()]


def text_rows() -> list[list[str]]:
    """What each platform takes as text, and how many files."""
    return [
        [
            rules.name,
            f"{rules.text_limit:,} {rules.text_unit}" + (f", {rules.text_bytes_limit:,} bytes" if rules.text_bytes_limit else ""),
            str(rules.images.limit),
            str(rules.videos.limit) if rules.videos else NONE,
            f"{rules.most_media}, {'mixed' if rules.mixed else 'one kind'}" + (", at least 1" if rules.media_required else ""),
        ]
        for rules in every_rules()
    ]  # fmt: skip


def media_rows() -> list[list[str]]:
    """What each picture and each video may be."""
    return [
        [rules.name, word, _kinds(one), _bytes(one.bytes_limit), _measures(one), str(one.alt_text_limit or NONE)]
        for rules in every_rules()
        for word, one in (("picture", rules.images), ("video", rules.videos))
        if one is not None
    ]


def option_rows() -> list[list[str]]:
    """What can be said with a post beside text and media."""
    return [
        [rules.name, f"`{name}`", _values(option.schema), option.meaning.replace("|", r"\|")]
        for rules in every_rules()
        for name, option in rules.options.items()
    ]


def _kinds(one: MediaRules) -> str:
    kinds = ", ".join(dict.fromkeys(KINDS.get(mime, mime) for mime in one.mimes))
    return kinds if one.animations or one.mimes[0].startswith("video/") else f"{kinds}; none that moves"


def _bytes(count: int) -> str:
    if not count:
        return NONE
    whole, unit = (2**20, "MiB") if count % 2**20 == 0 else (1_000_000, "MB")
    return f"{count / whole:,g} {unit}"


def _measures(one: MediaRules) -> str:
    found = [
        one.pixels_limit and f"{one.pixels_limit:,} pixels",
        (one.min_side or one.max_side) and f"sides {one.min_side or 1} to {one.max_side or 'any'} pixels",
        (one.min_aspect or one.max_aspect) and f"shape {one.min_aspect or 0:g} to {one.max_aspect or 'any'}",
        (one.min_seconds or one.max_seconds) and f"{one.min_seconds or 0:g} to {one.max_seconds or 'any':g} s",
        (one.min_frame_rate or one.max_frame_rate)
        and f"{one.min_frame_rate or 0:g} to {one.max_frame_rate or 'any':g} frames a second",
        one.max_bit_rate and f"{one.max_bit_rate / 1_000_000:g} Mbit a second",
        one.video_codecs and " or ".join(one.video_codecs),
        one.audio_codecs and f"sound {' or '.join(one.audio_codecs)}",
    ]
    return "; ".join(str(word) for word in found if word) or NONE


def _values(schema: Any) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    words = {"string": "text", "boolean": "true or false", "integer": "a whole number", "array": "a list"}
    inner = f" of {_values(schema['items'])}" if "items" in schema else ""
    most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
    most += f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    return f"{words[schema['type']]}{inner}{most}"
