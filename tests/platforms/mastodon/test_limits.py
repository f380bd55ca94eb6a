"""An instance's own limits: what it says, what it leaves out, and what follows for a post."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hayon.domain.model import Content, Media, MediaUse
from hayon.domain.rules import check
from hayon.platforms.mastodon import Mastodon
from hayon.platforms.mastodon.limits import DEFAULTS, facts_of

INSTANCE = {
    "configuration": {
        "statuses": {"max_characters": 5000, "max_media_attachments": 8, "characters_reserved_per_url": 30},
        "media_attachments": {
            "supported_mime_types": ["image/png", "video/mp4", 7],
            "description_limit": 10_000,
            "image_size_limit": 1000,
            "image_matrix_limit": 100,
            "video_size_limit": 2000,
            "video_matrix_limit": 200,
            "video_frame_rate_limit": 60,
        },
    }
}
FACTS = {
    "maxCharacters": 5000,
    "maxMediaAttachments": 8,
    "charactersReservedPerUrl": 30,
    "descriptionLimit": 10_000,
    "imageSizeLimit": 1000,
    "imageMatrixLimit": 100,
    "videoSizeLimit": 2000,
    "videoMatrixLimit": 200,
    "videoFrameRateLimit": 60,
    "imageMimes": ["image/png"],
    "videoMimes": ["video/mp4"],
}


def test_facts_are_what_the_instance_says() -> None:
    assert facts_of(INSTANCE) == FACTS


def test_pleroma_says_it_at_the_top() -> None:
    assert facts_of({"max_toot_chars": 20_000}) == {"maxCharacters": 20_000}


@pytest.mark.parametrize("limit", [0, -1, None, True, "500", 1.5, []])
def test_what_is_no_limit_is_left_out(limit: Any) -> None:
    said = {"configuration": {"statuses": {"max_characters": limit, "max_media_attachments": 2}}}
    assert facts_of(said) == {"maxMediaAttachments": 2}
    assert Mastodon().rules({"maxCharacters": limit}).text_limit == 500


def test_rules_follow_the_facts() -> None:
    rules = Mastodon().rules(FACTS)
    assert (rules.text_limit, rules.images.limit, rules.images.alt_text_limit) == (5000, 8, 10_000)
    assert (rules.images.mimes, rules.images.bytes_limit, rules.images.pixels_limit) == (("image/png",), 1000, 100)
    assert rules.count("https://example.com", {}) == 30
    videos = rules.videos
    assert videos is not None
    assert (videos.limit, videos.mimes, videos.alt_text_limit) == (1, ("video/mp4",), 10_000)
    assert (videos.bytes_limit, videos.pixels_limit, videos.max_frame_rate) == (2000, 200, 60)


def test_an_instance_that_names_no_kind_of_video_takes_none() -> None:
    facts = facts_of({"configuration": {"media_attachments": {"supported_mime_types": ["image/png"]}}})
    assert Mastodon().rules(facts).videos is None


def test_rules_without_facts_are_mastodons_own() -> None:
    rules = Mastodon().rules({})
    assert (rules.text_limit, rules.images.limit, rules.images.alt_text_limit) == (500, 4, 1500)
    assert (rules.images.bytes_limit, rules.images.pixels_limit) == (16_777_216, 33_177_600)
    assert {"image/jpeg", "image/png", "image/gif", "image/webp"} < set(rules.images.mimes)
    assert rules.count("https://example.com", {}) == 23
    videos = rules.videos
    assert videos is not None
    assert (videos.limit, videos.bytes_limit, videos.pixels_limit) == (1, 103_809_024, 8_294_400)
    assert (videos.max_frame_rate, videos.max_seconds) == (120, None)
    assert {"video/mp4", "video/webm", "video/quicktime"} < set(videos.mimes)
    assert sorted(rules.as_json()["options"]) == ["language", "sensitive", "visibility", "warning"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["configuration", "statuses", "media_attachments", "max_characters", "supported_mime_types",
                             "image_size_limit", "video_size_limit", "max_toot_chars"]), inner, max_size=4),
    )
)  # fmt: skip
def test_an_instance_may_say_anything(said: Any) -> None:
    facts = facts_of(said if isinstance(said, dict) else {"configuration": said})
    rules = Mastodon().rules(facts)
    assert all(isinstance(facts[name], int) and facts[name] > 0 for name in DEFAULTS if name in facts)
    assert min(rules.text_limit, rules.images.limit, rules.images.bytes_limit) > 0


def problems(text: str = "x", options: dict[str, Any] | None = None, *media: Media) -> list[tuple[str, str]]:
    content = Content(text, tuple(MediaUse(one.id) for one in media), options or {})
    return [(one.field, one.rule) for one in check(content, media, Mastodon().rules({}))]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"warning": "w", "sensitive": True, "visibility": "direct", "language": "de"}, []),
        ({"warning": "w" * 499}, []),
        ({"warning": "w" * 500}, [("text", "too_long")]),
        ({"warning": 5}, [("options.warning", "bad_option")]),
        ({"visibility": "followers"}, [("options.visibility", "bad_option")]),
        ({"sensitive": "yes"}, [("options.sensitive", "bad_option")]),
        ({"language": "DE"}, [("options.language", "bad_option")]),
        ({"language": ""}, [("options.language", "bad_option")]),
        ({"language": "deu"}, [("options.language", "bad_option")]),
        ({"language": 5}, [("options.language", "bad_option")]),
        ({"spoilerText": "w"}, [("options.spoilerText", "unknown_option")]),
    ],
)
def test_options(options: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems("x", options) == found


def test_the_limit_is_in_graphemes() -> None:
    assert problems("👩🏽‍💻" * 500) == []
    assert problems("👩🏽‍💻" * 501) == [("text", "too_long")]


@pytest.mark.parametrize(
    ("mime", "width", "height", "fits"),
    [
        ("image/gif", 1280, 720, True),
        ("image/gif", 1280, 721, False),
        ("image/png", 1280, 721, True),
        ("image/gif", None, None, True),
    ],
)
def test_animations_are_smaller(mime: str, width: int | None, height: int | None, fits: bool) -> None:
    one = Media(uuid4(), uuid4(), "key", mime, 1000, width, height)
    assert problems("", {}, one) == ([] if fits else [("mediaItems[0]", "too_many_pixels")])


def of(mime: str, **measures: Any) -> Media:
    return Media(uuid4(), uuid4(), "key", mime, **{"size": 1000, "width": 640, "height": 480, **measures})


VIDEO = of("video/mp4", duration_seconds=9.0, frame_rate=30.0, video_codec="h264")
PICTURE = of("image/png")
MOVING, STILL = of("image/gif", animated=True), of("image/gif")


@pytest.mark.parametrize(
    ("media", "found"),
    [
        ([VIDEO], []),
        ([PICTURE] * 4, []),
        ([PICTURE] * 5, [("mediaItems", "too_many")]),
        ([VIDEO, VIDEO], [("mediaItems", "too_many")]),
        ([VIDEO, PICTURE], [("mediaItems", "mixed")]),
        ([MOVING], []),
        ([STILL, PICTURE, STILL], []),
        ([PICTURE, MOVING], [("mediaItems[1]", "mixed")]),
        ([MOVING, STILL], [("mediaItems[0]", "mixed")]),
        ([of("image/webp", animated=True), PICTURE], []),  # stays a picture there
        ([of("video/mp4", size=103_809_025)], [("mediaItems[0]", "too_large")]),
        ([of("video/mp4", width=3840, height=2161)], [("mediaItems[0]", "too_many_pixels")]),
        ([of("video/mp4", width=3840, height=2160, frame_rate=120.0)], []),
        ([of("video/mp4", frame_rate=144.0)], [("mediaItems[0]", "frame_rate")]),
        ([of("video/x-matroska")], [("mediaItems[0]", "kind")]),
    ],
)
def test_four_pictures_or_one_video(media: list[Media], found: list[tuple[str, str]]) -> None:
    unlike = [replace(one, id=uuid4()) for one in media]
    assert problems("", {}, *unlike) == found


def test_a_gif_that_moves_is_told_from_one_that_does_not() -> None:
    content = Content("", (MediaUse(MOVING.id), MediaUse(PICTURE.id)))
    (problem,) = check(content, [MOVING, PICTURE], Mastodon().rules({}))
    assert "GIF that moves" in problem.message
    assert problem.platform == "mastodon"
