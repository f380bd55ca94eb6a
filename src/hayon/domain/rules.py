"""A platform's limits as data, and check(): the one place that compares content with them.

The front desk, the dry run and the delivery all ask here. How a platform counts text is a function that its adapter
hands in; this file knows no platform by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hayon.domain.model import Content, Media, MediaUse
from hayon.errors import Problem

Count = Callable[[str, Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True)
class Option:
    """One option a platform offers with a post: its type as a JSON schema fragment, and what it means."""

    schema: Mapping[str, Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of one platform (for one account, where an instance sets its own). Sizes in bytes, sides in pixels.

    `count(text, options)` gives the length as the platform counts it, in `text_unit`. `more(content, media)` finds what
    does not fit a table, as problems.
    """

    platform: str
    name: str
    text_limit: int
    text_unit: str
    count: Count
    text_bytes_limit: int | None = None
    images_limit: int = 0
    image_mimes: tuple[str, ...] = ()
    image_bytes_limit: int = 0
    image_pixels_limit: int | None = None
    alt_text_limit: int | None = None
    media_required: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)
    more: Callable[[Content, Sequence[Media]], Sequence[Problem]] = lambda content, media: ()  # noqa: ARG005 - the default finds nothing

    def as_json(self) -> dict[str, Any]:
        """The table as `GET /api/platforms` serves it."""
        return {
            "platform": self.platform,
            "name": self.name,
            "text": {"limit": self.text_limit, "unit": self.text_unit, "bytesLimit": self.text_bytes_limit},
            "images": {
                "limit": self.images_limit,
                "mimeTypes": list(self.image_mimes),
                "bytesLimit": self.image_bytes_limit,
                "pixelsLimit": self.image_pixels_limit,
                "altTextLimit": self.alt_text_limit,
            },
            "mediaRequired": self.media_required,
            "options": {
                name: {"schema": dict(option.schema), "meaning": option.meaning}
                for name, option in self.options.items()
            },
        }


def check(content: Content, media: Sequence[Media], rules: Rules) -> list[Problem]:
    """Everything in this content that the platform would refuse, each with what to do about it. Empty means: fits."""
    return [
        *_check_text(content, rules),
        *_check_media(content.media, media, rules),
        *_check_options(content.options, rules),
        *rules.more(content, media),
    ]


def _check_text(content: Content, rules: Rules) -> list[Problem]:
    problems = []
    length = rules.count(content.text, content.options)
    if length > rules.text_limit:
        problems.append(
            Problem(
                "text",
                "too_long",
                f"{rules.name} takes {rules.text_limit} characters; this text has {length}, "
                f"{length - rules.text_limit} too many.",
                rules.platform,
            )
        )
    size = len(content.text.encode("utf-8", "surrogatepass"))
    if rules.text_bytes_limit is not None and size > rules.text_bytes_limit:
        problems.append(
            Problem(
                "text",
                "too_many_bytes",
                f"{rules.name} takes {rules.text_bytes_limit} bytes of text; this has {size}. "
                "Some emoji and letters take many bytes: use fewer of them, or fewer words.",
                rules.platform,
            )
        )
    if not content.text.strip() and not content.media:
        problems.append(
            Problem(
                "text",
                "empty",
                f"There is nothing to publish on {rules.name}: write some text or add a picture.",
                rules.platform,
            )
        )
    if rules.media_required and not content.media:
        problems.append(
            Problem(
                "mediaItems", "media_required", f"{rules.name} wants at least one picture or video.", rules.platform
            )
        )
    return problems


def _check_media(uses: Sequence[MediaUse], media: Sequence[Media], rules: Rules) -> list[Problem]:
    problems = []

    def found(index: int, rule: str, message: str, part: str = "") -> None:
        problems.append(Problem(f"mediaItems[{index}]{part}", rule, message, rules.platform))

    if len(uses) > rules.images_limit:
        problems.append(
            Problem(
                "mediaItems",
                "too_many",
                f"{rules.name} takes {rules.images_limit} pictures in one post; this has {len(uses)}.",
                rules.platform,
            )
        )
    known = {one.id: one for one in media}
    for index, use in enumerate(uses):
        one = known.get(use.media_id)
        if one is None:
            continue  # unknown media is refused before rules are asked: it concerns no platform
        if one.mime not in rules.image_mimes:
            kinds = ", ".join(rules.image_mimes)
            found(index, "kind", f"{rules.name} does not take {one.mime} here; it takes {kinds}.")
        elif rules.image_bytes_limit and one.size > rules.image_bytes_limit:
            found(
                index,
                "too_large",
                f"{rules.name} takes pictures up to {rules.image_bytes_limit:,} bytes; this one has {one.size:,}.",
            )
        if rules.image_pixels_limit and one.width and one.height and one.width * one.height > rules.image_pixels_limit:
            found(
                index,
                "too_many_pixels",
                f"{rules.name} takes pictures up to {rules.image_pixels_limit:,} pixels; this one has {one.width * one.height:,}.",
            )
        if rules.alt_text_limit is not None and len(use.alt_text) > rules.alt_text_limit:
            over = len(use.alt_text) - rules.alt_text_limit
            found(
                index,
                "alt_too_long",
                f"{rules.name} takes {rules.alt_text_limit} characters of alt text; this has {over} too many.",
                ".altText",
            )
    return problems


def _check_options(options: Mapping[str, Any], rules: Rules) -> list[Problem]:
    problems = []
    for name, value in options.items():
        option = rules.options.get(name)
        if option is None:
            offered = ", ".join(sorted(rules.options)) or "none"
            problems.append(
                Problem(
                    f"options.{name}",
                    "unknown_option",
                    f"{rules.name} has no option {name!r}; it has: {offered}.",
                    rules.platform,
                )
            )
        elif (fault := _misfit(value, option.schema)) is not None:
            problems.append(
                Problem(f"options.{name}", "bad_option", f"{rules.name}: option {name!r} {fault}.", rules.platform)
            )
    return problems


_TYPES: dict[str, tuple[type, str]] = {
    "string": (str, "must be text"),
    "boolean": (bool, "must be true or false"),
    "array": (list, "must be a list"),
    "integer": (int, "must be a whole number"),
}


def _misfit(value: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a value under the small part of JSON Schema that options use; None if it fits."""
    kind, words = _TYPES[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return words
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return f"may have {schema['maxLength']} characters"
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            return f"may have {schema['maxItems']} entries"
        for entry in value:
            fault = _misfit(entry, schema["items"])
            if fault is not None:
                return f"holds {entry!r}, which {fault}"
    return None
