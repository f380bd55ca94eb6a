"""What Instagram takes: captions, tags, media, and what a reel and a story may have; each rule beside its edge."""

from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.platforms.instagram import Instagram

Found = list[tuple[str, str]]
RULES = Instagram().rules({})


def picture(mime: str = "image/jpeg", **changes: Any) -> Media:
    return Media(uuid4(), uuid4(), "key", mime, **{"size": 1000, "width": 800, "height": 600, **changes})


def video(mime: str = "video/mp4", **changes: Any) -> Media:
    measured = {"duration_seconds": 10.0, "video_codec": "h264", "audio_codec": "aac", "frame_rate": 30.0}
    return picture(mime, **{**measured, "width": 1080, "height": 1920, **changes})


PICTURE = picture()


def problems(text: str = "x", options: dict[str, Any] | None = None, *media: Media, alt_text: str = "") -> Found:
    content = Content(text, tuple(MediaUse(one.id, alt_text) for one in media), options or {})
    found = check(content, media, RULES)
    assert all(one.platform == "instagram" and one.message for one in found)
    return [(one.field, one.rule) for one in found]


def test_a_post_needs_a_picture_or_a_video() -> None:
    assert problems("x") == [("mediaItems", "media_required")]
    assert problems("", {}, PICTURE) == []
    assert problems("x", {}, video()) == []


def test_2200_code_points() -> None:
    assert problems("😀" * 2200, {}, PICTURE) == []
    assert problems("😀" * 2201, {}, PICTURE) == [("text", "too_long")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" ".join(f"#tag{number}" for number in range(30)), []),
        (" ".join(f"#tag{number}" for number in range(31)), [("text", "too_many_hashtags")]),
        ("#tag" * 31, []),
        ("a&#39;" * 31 + "b#c " * 31 + "# " * 31, []),
        (" ".join(["#kätzchen", "(#日本)"] * 16), [("text", "too_many_hashtags")]),
        (" ".join(f"@user.{number}" for number in range(20)), []),
        (" ".join(f"@user.{number}" for number in range(21)), [("text", "too_many_mentions")]),
        ("me@example.com " * 21, []),
    ],
)
def test_hashtags_and_mentions(text: str, found: Found) -> None:
    assert problems(text, {}, PICTURE) == found


def test_ten_pictures_and_videos_in_any_mixture() -> None:
    assert problems("", {}, *(picture() for _ in range(9)), video()) == []
    assert problems("", {}, *(picture() for _ in range(10)), video()) == [("mediaItems", "too_many")]


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (picture("image/png"), []),
        (picture("image/webp"), []),
        (picture("image/gif"), ["kind"]),
        (picture("image/webp", animated=True), ["animation"]),
        (picture(width=4000, height=100), []),
        (picture(width=10, height=10), []),
        (video(), []),
        (video(duration_seconds=3.0, size=9_000_000, video_codec="hevc", audio_codec=None), []),
        (video(duration_seconds=2.9), ["too_short"]),
        (video(duration_seconds=900.0), []),
        (video(duration_seconds=901.0), ["too_long_video"]),
        (video(duration_seconds=100.0, size=300_000_000), []),
        (video(duration_seconds=100.0, size=300_000_001), ["too_large"]),
        (video(size=33_000_000), ["bit_rate"]),
        (video(width=1920, height=1080), []),
        (video(width=1922, height=1080), ["too_wide"]),
        (video(frame_rate=22.0), ["frame_rate"]),
        (video(video_codec="vp9"), ["codec"]),
        (video("video/webm"), ["kind"]),
    ],
)
def test_media(one: Media, found: list[str]) -> None:
    assert problems("x", {}, one) == [("mediaItems[0]", rule) for rule in found]


def test_alt_text() -> None:
    assert problems("x", {}, PICTURE, alt_text="a" * 1000) == []
    assert problems("x", {}, PICTURE, alt_text="a" * 1001) == [("mediaItems[0].altText", "alt_too_long")]
    assert problems("x", {}, video(), alt_text="a" * 1001) == []  # nothing of it is sent


def bad(name: str) -> Found:
    return [(f"options.{name}", "bad_option")]


@pytest.mark.parametrize(
    ("options", "media", "found"),
    [
        ({"kind": "feed"}, [picture(), video()], []),
        ({"kind": "feed"}, [video()], []),
        ({"kind": "reel"}, [video()], []),
        ({"kind": "reel"}, [picture()], bad("kind")),
        ({"kind": "reel"}, [video(), video()], bad("kind")),
        ({"kind": "reel"}, [], [("mediaItems", "media_required")]),
        ({"kind": "igtv"}, [video()], bad("kind")),
        ({"coverAtSeconds": 10, "shareToFeed": False}, [video()], []),
        ({"coverAtSeconds": 0}, [video()], []),
        ({"coverAtSeconds": 11}, [video()], bad("coverAtSeconds")),
        ({"coverAtSeconds": -1}, [video()], bad("coverAtSeconds")),
        ({"coverAtSeconds": 11}, [video(duration_seconds=None)], []),
        ({"coverAtSeconds": "1"}, [video()], bad("coverAtSeconds")),
        ({"coverAtSeconds": 1}, [picture()], bad("coverAtSeconds")),
        ({"shareToFeed": True}, [picture(), video()], bad("shareToFeed")),
        ({"shareToFeed": "yes"}, [video()], bad("shareToFeed")),
        ({"collaborators": ["a", "b", "c"]}, [picture()], []),
        ({"collaborators": ["a", "b", "c", "d"]}, [picture()], bad("collaborators")),
        ({"collaborators": "a"}, [picture()], bad("collaborators")),
        ({"locationId": "1"}, [picture()], [("options.locationId", "unknown_option")]),
    ],
)
def test_options(options: dict[str, Any], media: list[Media], found: Found) -> None:
    assert problems("x", options, *media) == found


@pytest.mark.parametrize(
    ("text", "options", "media", "found"),
    [
        ("", {}, [picture()], []),
        (" \n", {}, [picture()], []),
        ("", {}, [video(duration_seconds=60.0, size=100_000_000)], []),
        ("words", {}, [picture()], [("text", "story_text")]),
        ("", {}, [picture(), picture()], [("mediaItems", "too_many")]),
        ("", {}, [], [("text", "empty"), ("mediaItems", "media_required")]),
        ("", {}, [video(duration_seconds=60.5)], [("mediaItems[0]", "story_seconds")]),
        ("", {}, [video(duration_seconds=60.0, size=100_000_001)], [("mediaItems[0]", "too_large")]),
        ("", {"collaborators": ["a"]}, [picture()], bad("collaborators")),
        ("", {"collaborators": []}, [picture()], []),
        ("", {"shareToFeed": True}, [video()], bad("shareToFeed")),
        ("", {"coverAtSeconds": 1}, [video()], bad("coverAtSeconds")),
    ],
)
def test_stories(text: str, options: dict[str, Any], media: list[Media], found: Found) -> None:
    assert problems(text, {"kind": "story", **options}, *media) == found


def test_the_table_says_what_options_mean() -> None:
    table = RULES.as_json()
    assert set(table["options"]) == {"kind", "coverAtSeconds", "shareToFeed", "collaborators"}
    assert all(option["meaning"].endswith(".") for option in table["options"].values())
    assert table["mediaRequired"] is True
