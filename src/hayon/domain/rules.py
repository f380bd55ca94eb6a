"""A platform's limits as data, and check(): the one place that compares content with them.

The front desk, the dry run and the delivery all ask here. How a platform counts text, and what it makes of it, are functions
that its adapter hands in; this file knows no platform by name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hayon.domain.marks import Mark
from hayon.domain.model import Content, Media, MediaUse
from hayon.errors import Problem

BIT_RATE_TOLERANCE = 1.02
"""A file is a little larger than what is in it."""

Count = Callable[[str, Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True)
class Option:
    """One option a platform offers with a post: its type as a JSON schema fragment, and what it means."""

    schema: Mapping[str, Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class MediaRules:
    """What pictures, or what videos, a platform takes: how many in one post, and each of them. None: no such limit.

    Sizes in bytes, sides in pixels, aspect as width / height, lengths in seconds, frame rate in frames a second, bit
    rate in bits a second on average, codecs as FFmpeg names them. `animations`: pictures may move. What is only too large or of another shape, and is made to fit
    before it is sent, is no limit.
    """

    limit: int
    mimes: tuple[str, ...]
    bytes_limit: int
    pixels_limit: int | None = None
    min_side: int | None = None
    max_side: int | None = None
    min_aspect: float | None = None
    max_aspect: float | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    min_frame_rate: float | None = None
    max_frame_rate: float | None = None
    max_bit_rate: float | None = None
    video_codecs: tuple[str, ...] = ()
    audio_codecs: tuple[str, ...] = ()
    alt_text_limit: int | None = None
    animations: bool = True

    def as_json(self) -> dict[str, Any]:
        """The table as `GET /api/platforms` serves it."""
        return {
            "limit": self.limit,
            "mimeTypes": list(self.mimes),
            "bytesLimit": self.bytes_limit,
            "pixelsLimit": self.pixels_limit,
            "minSide": self.min_side,
            "maxSide": self.max_side,
            "minAspect": self.min_aspect,
            "maxAspect": self.max_aspect,
            "minSeconds": self.min_seconds,
            "maxSeconds": self.max_seconds,
            "minFrameRate": self.min_frame_rate,
            "maxFrameRate": self.max_frame_rate,
            "maxBitRate": self.max_bit_rate,
            "videoCodecs": list(self.video_codecs),
            "audioCodecs": list(self.audio_codecs),
            "altTextLimit": self.alt_text_limit,
            "animations": self.animations,
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of one platform (for one account, where an instance sets its own).

    `count(text, options)` gives the length as the platform counts it, in `text_unit`. `media_limit` is how many pictures
    and videos together one post may have; `mixed` whether both kinds may stand in one. `speaks_alone` names the options that
    are something to publish by themselves, a link say. `more(content, media)` finds
    what does not fit a table, as problems. Of how a post will look, `marks(text, options)` finds what the platform makes a link, a
    mention or a tag, in order and without overlaps, and `card(content)` the address whose page is shown as a card below the
    text; None for no card.
    """

    platform: str
    name: str
    text_limit: int
    text_unit: str
    count: Count
    images: MediaRules
    videos: MediaRules | None = None
    media_limit: int = 0
    mixed: bool = False
    text_bytes_limit: int | None = None
    media_required: bool = False
    speaks_alone: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    more: Callable[[Content, Sequence[Media]], Sequence[Problem]] = lambda content, media: ()  # noqa: ARG005 - the default finds nothing
    marks: Callable[[str, Mapping[str, Any]], Sequence[Mark]] = lambda text, options: ()  # noqa: ARG005 - nor does this
    card: Callable[[Content], str | None] = lambda content: None  # noqa: ARG005 - nor this

    @property
    def most_media(self) -> int:
        """How many pictures and videos together one post may have."""
        return self.media_limit or max(self.images.limit, 0 if self.videos is None else self.videos.limit)

    def takes(self, text: str, options: Mapping[str, Any]) -> bool:
        """Whether a text is short enough, with these options beside it."""
        if self.text_bytes_limit is not None and size_of(text) > self.text_bytes_limit:
            return False
        return self.count(text, options) <= self.text_limit

    def as_json(self) -> dict[str, Any]:
        """The table as `GET /api/platforms` serves it."""
        return {
            "platform": self.platform,
            "name": self.name,
            "text": {"limit": self.text_limit, "unit": self.text_unit, "bytesLimit": self.text_bytes_limit},
            "images": self.images.as_json(),
            "videos": None if self.videos is None else self.videos.as_json(),
            "mediaLimit": self.most_media,
            "mixed": self.mixed,
            "mediaRequired": self.media_required,
            "options": {
                name: {"schema": dict(option.schema), "meaning": option.meaning}
                for name, option in self.options.items()
            },
        }


def size_of(text: str) -> int:
    """The length in UTF-8 bytes. Half a surrogate pair, which no request may bring but any text may hold, counts three."""
    return len(text.encode("utf-8", "surrogatepass"))


def check(content: Content, media: Sequence[Media], rules: Rules, length: int | None = None) -> list[Problem]:
    """Everything in this content that the platform would refuse, each with what to do about it. Empty means: fits.

    `length` is that of the text as the platform counts it, where it was counted already.
    """
    return [
        *_check_text(content, rules, rules.count(content.text, content.options) if length is None else length),
        *_check_media(content.media, media, rules),
        *_check_options(content.options, rules),
        *rules.more(content, media),
    ]


def _check_text(content: Content, rules: Rules, length: int) -> list[Problem]:
    problems = []
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
    size = size_of(content.text)
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
    if not content.text.strip() and not content.media and not any(map(content.options.get, rules.speaks_alone)):
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
    known = {one.id: one for one in media}
    # media that is unknown is refused before rules are asked: it concerns no platform
    present = [(index, use, known[use.media_id]) for index, use in enumerate(uses) if use.media_id in known]
    problems = _check_counts([one for _, _, one in present], len(uses), rules)
    for index, use, one in present:
        kind = rules.videos if one.is_video else rules.images
        if kind is None or one.mime not in kind.mimes:
            taken = [*rules.images.mimes, *(rules.videos.mimes if rules.videos else ())]
            faults = [("kind", f"{rules.name} does not take {one.mime} here; it takes {', '.join(taken)}.")]
        else:
            faults = list(_faults_of(one, kind, rules.name))
        where = f"mediaItems[{index}]"
        problems += [Problem(where, rule, message, rules.platform) for rule, message in faults]
        if kind is not None and kind.alt_text_limit is not None and len(use.alt_text) > kind.alt_text_limit:
            over = len(use.alt_text) - kind.alt_text_limit
            words = f"{rules.name} takes {kind.alt_text_limit} characters of alt text; this has {over} too many."
            problems.append(Problem(f"{where}.altText", "alt_too_long", words, rules.platform))
    return problems


def _check_counts(media: Sequence[Media], count: int, rules: Rules) -> list[Problem]:
    videos = sum(one.is_video for one in media)
    images = len(media) - videos
    if videos and images and not rules.mixed:
        words = f"{rules.name} takes pictures or a video in one post, not both. Leave one kind out, or make two posts."
        return [Problem("mediaItems", "mixed", words, rules.platform)]
    found = [
        (images, rules.images.limit, "pictures"),
        (videos, rules.videos.limit if rules.videos else videos, "videos"),
        (count, rules.most_media, "pictures and videos"),
    ]
    for number, limit, words in found:
        if number > limit:
            message = f"{rules.name} takes {limit} {words} in one post; this has {number}."
            return [Problem("mediaItems", "too_many", message, rules.platform)]
    return []


def _faults_of(one: Media, kind: MediaRules, name: str) -> Iterator[tuple[str, str]]:
    """What of one file does not fit: rule and sentence. A measure that is not known breaks no rule."""
    what = "videos" if one.is_video else "pictures"
    if kind.bytes_limit and one.size > kind.bytes_limit:
        yield "too_large", f"{name} takes {what} up to {kind.bytes_limit:,} bytes; this one has {one.size:,}."
    if one.width and one.height:
        pixels, aspect = one.width * one.height, one.width / one.height
        sides = min(one.width, one.height), max(one.width, one.height)
        size = f"{one.width} by {one.height}"
        if kind.pixels_limit and pixels > kind.pixels_limit:
            yield "too_many_pixels", f"{name} takes {what} up to {kind.pixels_limit:,} pixels; this one has {pixels:,}."
        if kind.min_side and sides[0] < kind.min_side:
            yield "too_small", f"{name} takes {what} of at least {kind.min_side} pixels a side; this one has {size}."
        if kind.max_side and sides[1] > kind.max_side:
            yield "too_wide", f"{name} takes {what} of at most {kind.max_side} pixels a side; this one has {size}."
        if kind.min_aspect and aspect < kind.min_aspect:
            yield (
                "too_narrow",
                f"{name} takes {what} no narrower than {kind.min_aspect:g} to 1; this one is {aspect:.2f} to 1.",
            )
        if kind.max_aspect and aspect > kind.max_aspect:
            yield (
                "too_flat",
                f"{name} takes {what} no wider than {kind.max_aspect:g} to 1; this one is {aspect:.2f} to 1.",
            )
    if one.animated and not kind.animations:
        yield "animation", f"{name} takes no pictures that move. Use a still picture, or a video."
    yield from _faults_of_film(one, kind, name)


def _faults_of_film(one: Media, kind: MediaRules, name: str) -> Iterator[tuple[str, str]]:
    seconds, rate = one.duration_seconds, one.frame_rate
    if seconds is not None and kind.min_seconds and seconds < kind.min_seconds:
        yield "too_short", f"{name} takes videos of at least {kind.min_seconds:g} s; this one has {seconds:.1f} s."
    if seconds is not None and kind.max_seconds and seconds > kind.max_seconds:
        yield (
            "too_long_video",
            f"{name} takes videos up to {_minutes(kind.max_seconds)}; this one has {_minutes(seconds)}.",
        )
    if rate is not None and kind.min_frame_rate and round(rate) < kind.min_frame_rate:
        yield (
            "frame_rate",
            f"{name} takes videos of at least {kind.min_frame_rate:g} frames a second; this one has {rate:.0f}.",
        )
    if rate is not None and kind.max_frame_rate and round(rate) > kind.max_frame_rate:
        yield (
            "frame_rate",
            f"{name} takes videos up to {kind.max_frame_rate:g} frames a second; this one has {rate:.0f}.",
        )
    if seconds and kind.max_bit_rate and one.size * 8 / seconds > kind.max_bit_rate * BIT_RATE_TOLERANCE:
        limit, bits = kind.max_bit_rate / 1_000_000, one.size * 8 / seconds / 1_000_000
        yield (
            "bit_rate",
            f"{name} takes videos up to {limit:g} Mbit a second; this one has {bits:.0f}. Export it with less.",
        )
    for codec, codecs, word in (
        (one.video_codec, kind.video_codecs, "video"),
        (one.audio_codec, kind.audio_codecs, "sound"),
    ):
        if codec and codecs and codec not in codecs:
            yield "codec", f"{name} takes {word} in {' or '.join(codecs)}; this one is in {codec}. Export it anew."


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")


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
