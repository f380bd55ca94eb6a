"""What Threads takes: text, links, topics, cards, media; each rule beside its edge."""

from typing import Any
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.platforms.threads import Threads

Found = list[tuple[str, str]]
RULES = Threads().rules({})


def problems(text: str = "x", options: dict[str, Any] | None = None, *media: Media, alt_text: str = "") -> Found:
    content = Content(text, tuple(MediaUse(one.id, alt_text) for one in media), options or {})
    found = check(content, media, RULES)
    assert all(one.platform == "threads" and one.message for one in found)
    return [(one.field, one.rule) for one in found]


def picture(mime: str = "image/jpeg", **changes: Any) -> Media:
    return Media(uuid4(), uuid4(), "key", mime, **{"size": 1000, "width": 800, "height": 600, **changes})


def video(mime: str = "video/mp4", **changes: Any) -> Media:
    measured = {"duration_seconds": 10.0, "video_codec": "h264", "audio_codec": "aac", "frame_rate": 30.0}
    return picture(mime, **{**measured, "width": 1080, "height": 1920, **changes})


def test_500_characters_as_threads_counts_them() -> None:
    assert problems("x" * 500) == []
    assert problems("x" * 501) == [("text", "too_long")]
    assert problems("😀" * 125) == []
    assert problems("😀" * 125 + "x") == [("text", "too_long")]
    assert problems("") == [("text", "empty")]


def links(*numbers: int) -> str:
    return " ".join(f"https://example.com/{number}" for number in numbers)


@pytest.mark.parametrize(
    ("text", "card", "found"),
    [
        (links(1, 2, 3, 4, 5), None, []),
        (links(1, 2, 3, 4, 5, 6), None, [("text", "too_many_links")]),
        (links(1, 2, 3, 4, 5, 5, 1), None, []),
        (links(1, 2, 3, 4, 5), "https://example.com/5", []),
        (links(1, 2, 3, 4, 5), "https://example.com/6", [("text", "too_many_links")]),
        ("(https://example.com/1), https://example.com/1. HTTPS://example.com/1! " + links(2, 3, 4), None, []),
        ("see example.com " * 6, None, []),
    ],
)
def test_five_different_links(text: str, card: str | None, found: Found) -> None:
    assert problems(text, {} if card is None else {"linkAttachment": card}) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"replyControl": "followers_only", "topicTag": "cats", "linkAttachment": "https://example.com/a?b=c"}, []),
        ({"replyControl": "parent_post_author_only"}, [("options.replyControl", "bad_option")]),
        ({"topicTag": "#cats and dogs"}, []),
        ({"topicTag": "x" * 50}, []),
        ({"topicTag": "#" + "x" * 50}, []),
        ({"topicTag": "x" * 51}, [("options.topicTag", "bad_option")]),
        ({"topicTag": ""}, [("options.topicTag", "bad_option")]),
        ({"topicTag": "#"}, [("options.topicTag", "bad_option")]),
        ({"topicTag": "cats & dogs"}, [("options.topicTag", "bad_option")]),
        ({"topicTag": "cats.dogs"}, [("options.topicTag", "bad_option")]),
        ({"topicTag": 5}, [("options.topicTag", "bad_option")]),
        ({"linkAttachment": "example.com"}, [("options.linkAttachment", "bad_option")]),
        ({"linkAttachment": "javascript:alert(1)"}, [("options.linkAttachment", "bad_option")]),
        ({"linkAttachment": "https://a b"}, [("options.linkAttachment", "bad_option")]),
        ({"linkAttachment": 5}, [("options.linkAttachment", "bad_option")]),
        ({"spoiler": True}, [("options.spoiler", "unknown_option")]),
    ],
)
def test_options(options: dict[str, Any], found: Found) -> None:
    assert problems("x", options) == found


def test_a_card_is_for_posts_without_media() -> None:
    assert problems("x", {"linkAttachment": "https://example.com"}, picture()) == [
        ("options.linkAttachment", "bad_option")
    ]


def test_twenty_pictures_and_videos_in_any_mixture() -> None:
    assert problems("", {}, *(picture() for _ in range(19)), video()) == []
    assert problems("", {}, *(picture() for _ in range(20)), video()) == [("mediaItems", "too_many")]


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (picture("image/png"), []),
        (picture("image/webp"), []),
        (picture("image/gif"), ["kind"]),
        (picture(animated=True, mime="image/webp"), ["animation"]),
        (picture(width=5000, height=100), []),
        (picture(size=20_000_000), []),
        (video(), []),
        (video(duration_seconds=300.0, size=900_000_000, video_codec="hevc", audio_codec=None), []),
        (video(duration_seconds=301.0), ["too_long_video"]),
        (video(duration_seconds=300.0, size=1_000_000_001), ["too_large", "bit_rate"]),
        (video(width=1920, height=3000), []),
        (video(width=1921, height=1080), ["too_wide"]),
        (video(frame_rate=23.976), []),
        (video(frame_rate=22.0), ["frame_rate"]),
        (video(frame_rate=61.0), ["frame_rate"]),
        (video(video_codec="vp9"), ["codec"]),
        (video(audio_codec="opus"), ["codec"]),
        (video(mime="video/webm"), ["kind"]),
    ],
)
def test_media(one: Media, found: list[str]) -> None:
    assert problems("x", {}, one) == [("mediaItems[0]", rule) for rule in found]


def test_alt_text() -> None:
    for one in (picture(), video()):
        assert problems("x", {}, one, alt_text="a" * 1000) == []
        assert problems("x", {}, one, alt_text="a" * 1001) == [("mediaItems[0].altText", "alt_too_long")]


def test_the_table_says_what_options_mean() -> None:
    table = RULES.as_json()
    assert set(table["options"]) == {"replyControl", "topicTag", "linkAttachment"}
    assert all(option["meaning"].endswith(".") for option in table["options"].values())
