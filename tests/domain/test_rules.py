"""Each rule has a case beside its edge: what fits is silent, what does not is named by its rule and in words."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import MediaRules, Rules, check

IMAGES = MediaRules(
    limit=3, mimes=("image/jpeg", "image/png"), bytes_limit=1_000, pixels_limit=10_000, min_side=10, max_side=400,
    min_aspect=0.5, max_aspect=2.0, alt_text_limit=20, animations=False,
)  # fmt: skip
VIDEOS = MediaRules(
    limit=1, mimes=("video/mp4",), bytes_limit=9_000, min_seconds=3, max_seconds=90, min_frame_rate=23,
    max_frame_rate=60, max_bit_rate=3_000, video_codecs=("h264", "hevc"), audio_codecs=("aac",), alt_text_limit=20,
)  # fmt: skip
RULES = Rules("there", "There", 10, "characters", lambda text, _: len(text), IMAGES, VIDEOS, media_limit=3)


def picture(**changes: Any) -> Media:
    return replace(Media(uuid4(), UUID(int=1), "key", "image/jpeg", 1_000, 100, 100, ready=True), **changes)


def video(**changes: Any) -> Media:
    one = Media(uuid4(), UUID(int=1), "key", "video/mp4", 9_000, 720, 1280, 30.0, "h264", "aac", 30.0, ready=True)
    return replace(one, **changes)


def found(*media: Media, text: str = "words", alt_text: str = "", rules: Rules = RULES) -> list[tuple[str, str]]:
    content = Content(text, tuple(MediaUse(one.id, alt_text) for one in media))
    problems = check(content, media, rules)
    assert all(one.platform == "there" and one.message.startswith("There") for one in problems)
    return [(one.field, one.rule) for one in problems]


@pytest.mark.parametrize(
    ("one", "rule"),
    [
        (picture(), None),
        (picture(mime="image/png"), None),
        (picture(mime="image/gif"), "kind"),
        (picture(size=1_001), "too_large"),
        (picture(width=200, height=50), "too_flat"),
        (picture(width=100, height=50), None),
        (picture(width=49, height=100), "too_narrow"),
        (picture(width=101, height=100), "too_many_pixels"),
        (picture(width=9, height=10), "too_small"),
        (picture(width=401, height=None), None),
        (picture(animated=True), "animation"),
        (video(), None),
        (video(mime="video/webm"), "kind"),
        (video(size=9_001), "too_large"),
        (video(duration_seconds=2.9, size=1_000), "too_short"),
        (video(duration_seconds=3.0, size=1_000), None),
        (video(duration_seconds=90.1), "too_long_video"),
        (video(frame_rate=22.4), "frame_rate"),
        (video(frame_rate=22.97), None),
        (video(frame_rate=60.6), "frame_rate"),
        (video(duration_seconds=23.6), None),
        (video(duration_seconds=23.4), "bit_rate"),
        (video(video_codec="hevc", audio_codec=None), None),
        (video(video_codec="vp9"), "codec"),
        (video(audio_codec="opus"), "codec"),
        (video(duration_seconds=None, frame_rate=None, video_codec=None), None),
    ],
)
def test_one_file(one: Media, rule: str | None) -> None:
    assert found(one) == ([] if rule is None else [("mediaItems[0]", rule)])


def test_counts_and_mixtures() -> None:
    assert found(picture(), picture(), picture()) == []
    assert found(*(picture() for _ in range(4))) == [("mediaItems", "too_many")]
    assert found(video(), video()) == [("mediaItems", "too_many")]
    assert found(picture(), video()) == [("mediaItems", "mixed")]
    carousel = replace(RULES, mixed=True, videos=replace(VIDEOS, limit=2))
    assert found(picture(), video(), rules=carousel) == []
    assert found(picture(), picture(), video(), video(), rules=carousel) == [("mediaItems", "too_many")]
    assert found(picture(), *(video() for _ in range(3)), rules=carousel) == [("mediaItems", "too_many")]
    assert found(video(), rules=replace(RULES, videos=None)) == [("mediaItems[0]", "kind")]


def test_each_file_is_named_by_its_place_and_alt_texts_count() -> None:
    faults = found(picture(), picture(size=2_000), picture(mime="image/gif"), alt_text="x" * 21)
    assert faults == [
        ("mediaItems[0].altText", "alt_too_long"), ("mediaItems[1]", "too_large"),
        ("mediaItems[1].altText", "alt_too_long"), ("mediaItems[2]", "kind"), ("mediaItems[2].altText", "alt_too_long"),
    ]  # fmt: skip


def test_nothing_to_say_needs_something_to_show() -> None:
    assert [rule for _, rule in found(text=" ")] == ["empty"]
    assert found(picture(), text="") == []
    required = replace(RULES, media_required=True)
    assert found(rules=required) == [("mediaItems", "media_required")]


def test_the_table_serves_every_limit() -> None:
    table = RULES.as_json()
    assert table["images"]["limit"] == 3
    assert table["videos"]["maxSeconds"] == 90
    assert (table["mediaLimit"], table["mixed"]) == (3, False)
    assert replace(RULES, videos=None).as_json()["videos"] is None
    assert replace(RULES, media_limit=0).most_media == 3
